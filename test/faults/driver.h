/*
 * driver.h
 *	  The seeded visitors of the fault suite: sockets, views, the ledger.
 *
 * A visitor is a browser with one tab.  What it knows about its views is the
 * truth that the table is held against; it shares no code with the product.
 */
#ifndef PAGEVIEWS_FAULTS_DRIVER_H
#define PAGEVIEWS_FAULTS_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define INPUT_LIMIT	  16384
#define MESSAGE_LIMIT 1024
#define NOTE_LIMIT	  16384
#define NOTE_MESSAGES 8
#define SHELF		  8

typedef struct View
{
	struct View *next;	  /* in the visitor's list of what is not stored */
	struct View *earlier; /* in the ledger */
	char		 id[37];
	uint64_t	 seed[2];  /* the id's random bits */
	bool		 said;	   /* something about it went out under this id */
	int			 answered; /* the highest n that was acknowledged */
	int			 page;
	const char	*mark;		  /* in its title */
	int			 n;			  /* of the last message */
	int64_t		 born;		  /* us, monotonic, as every time here */
	int64_t		 since;		  /* up to when `visible` counts */
	int64_t		 visible;	  /* us, true */
	bool		 shown;		  /* visible now */
	int64_t		 elapsed;	  /* us, at the end */
	bool		 ended;		  /* by its visitor */
	bool		 gone;		  /* its visitor never comes back to it */
	bool		 acked;		  /* the server has answered for it */
	bool		 stored;	  /* its end is committed, says the server */
	int64_t		 reported;	  /* when the last report went out */
	int64_t		 heard;		  /* when that went out which was acknowledged last */
	int64_t		 ended_wall;  /* ms since the epoch; 0: not yet */
	int64_t		 stored_wall; /* likewise */
	int64_t		 stall;		  /* us: the longest that the driver itself was late in its life */
	char		 refused[20]; /* for good: the code */
} View;

typedef enum Step
{
	STEP_AWAY,	   /* no socket; the next one when `retry` */
	STEP_SHAKING,  /* until the 101 */
	STEP_GREETING, /* until the hello */
	STEP_OPEN
} Step;

struct Visitor;

/* A message that goes out later, or once more. */
typedef struct Shelved
{
	View   *view;
	int64_t due; /* 0: behind the next message */
	int64_t since;
	int		n;
	bool	opens; /* it is a `view` */
	int		length;
	char	text[MESSAGE_LIMIT];
} Shelved;

/* A connection: a visitor's websocket, or the request that carries his note. */
typedef struct Line
{
	int				fd; /* -1: none */
	bool			note;
	bool			asked; /* the request went out */
	struct Visitor *owner;
	size_t			length;
	char			input[INPUT_LIMIT];
} Line;

typedef struct Visitor
{
	int		 number;
	uint64_t dice[2];
	Line	 line, beacon;
	Step	 step;
	int64_t	 skew;		 /* ms by which his own clock is ahead */
	int64_t	 offset;	 /* ms from his clock to the server's, by the last hello */
	bool	 adrift;	 /* an id was refused on this socket for its time */
	int		 failures;	 /* sockets in a row without an answer */
	int64_t	 retry;		 /* when to connect again */
	int64_t	 greeted;	 /* when the hello came */
	int64_t	 unanswered; /* since when nothing was answered; 0: all is */
	bool	 known;		 /* the live view was announced on this socket */
	View	*live;
	View	*pending; /* ended, and not known to be stored */
	View	*again;	  /* stored, to be said once more */
	View	*noted;	  /* what the note on its way is about, and is not repeated */
	int64_t	 noted_at;
	int64_t	 turns;	 /* when the live view is hidden or shown next */
	int64_t	 leaves; /* when it ends */
	int64_t	 begins; /* when the next one begins */
	char	 letter[NOTE_LIMIT];
	int		 letter_length;
	bool	 letter_again; /* it goes out twice */
	Shelved	 shelf[SHELF];
	int		 shelved;
} Visitor;

typedef struct Rules
{
	long port;
	long via; /* the port that is connected to */
	long visitors;
	long backoff_ms; /* the longest pause between two sockets */
	long skew_ms;  /* the visitors' clocks are off by up to this; -1: the server's is right, too */
	long mischief; /* of a hundred messages so many go another way than they should */
	long marked;   /* of a hundred views so many have a mark in their texts */
	long older_ms; /* a view has been looked at for up to so long when it begins here */
	uint64_t seed;
	int64_t	 until;	   /* when no new view begins any more */
	bool	 settling; /* that is now */
} Rules;

typedef struct Totals
{
	long views, sockets, deaths, watchdogs, notes, refused, errors, repeats, pages, renamed;
} Totals;

extern Rules  rules;
extern Totals totals;
extern View	 *ledger; /* every view, the latest first */
extern long	  heartbeat_ms;

/* --- wire.c ----------------------------------------------------------------- */

extern bool wire_init(void);
/* Waits up to `ms` for the sockets, and hands on what came. */
extern void wire_wait(int ms);
/* Begins a connection; false when that failed at once. */
extern bool line_open(Line *line);
/* Closes it, by a reset or as usual. */
extern void line_close(Line *line, bool reset);
/* One masked frame; false when the socket is of no use any more. */
extern bool line_frame(Line *line, int opcode, const char *payload, size_t length);
/* Bytes as they are, likewise. */
extern bool line_bytes(Line *line, const char *bytes, size_t length);

/* --- visitor.c: what the wire calls --------------------------------------------- */

extern void visitor_greeted(Visitor *v); /* the 101 came */
extern void visitor_heard(Visitor *v, const char *text);
extern void visitor_lost(Visitor *v);
extern void visitor_noted(Visitor *v, int status); /* 0: nobody knows */

/* --- visitor.c: what the main loop calls ------------------------------------------- */

extern void visitor_init(Visitor *v, int number);
/* Does what is due; the driver comes `late` us after it should have come. */
extern void visitor_sweep(Visitor *v, int64_t now, int64_t late);
/* His socket is reset, by no will of his. */
extern void visitor_reset(Visitor *v);
/* Whether everything he has seen is stored. */
extern bool visitor_settled(const Visitor *v);
/* A number below `limit` of his own. */
extern uint64_t visitor_roll(Visitor *v, uint64_t limit);

/* A note with these messages, separated by commas, goes out; false when that failed at once. */
extern bool visitor_post(Visitor *v, const char *messages, int length);

/* --- mischief.c ------------------------------------------------------------------- */

/* Whether a message is held back; if not, it may be said again later. */
extern bool mischief_keeps(Visitor *v, View *view, bool opens, const char *text, int length);
/* Says what is due, and with `behind` what waited for the message that has just gone. */
extern void mischief_sweep(Visitor *v, bool behind, int64_t now);

/* --- views.c ---------------------------------------------------------------------- */

/* A new view that begins now, in the ledger. */
extern View *view_new(Visitor *v, int64_t now);
/* Names it, by its visitor's clock and the last hello. */
extern void view_stamp(const Visitor *v, View *view);
/* Counts the time up to now, and what holds from then on. */
extern void view_count(View *view, bool shown, int64_t now);
/* Writes a message about it into `text` (MESSAGE_LIMIT); its length. */
extern int view_message(const View *view, const char *type, bool whole, char *text);
/* The ledger as CSV. */
extern bool ledger_write(const char *path, int64_t now);

static inline int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Milliseconds since the epoch. */
static inline int64_t
wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif /* PAGEVIEWS_FAULTS_DRIVER_H */
