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
#define COOKIE_LIMIT  256

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

/* As what an event was told once: of which view, and by which session. */
typedef struct Telling
{
	struct Telling *next;
	char			view[37]; /* empty: of none */
	char			session[37];
	bool			noted; /* in a note, which nobody answers with a cookie */
} Telling;

/* What happened on a page.  Its visitor tells of it until he hears that it is stored. */
typedef struct Event
{
	struct Event *next;	   /* in the visitor's list of what is not stored */
	struct Event *earlier; /* in the ledger */
	char		  id[37];
	uint64_t	  seed[2];
	bool		  said;		/* something about it went out, or waits, under this id */
	View		 *during;	/* NULL: it is of no view */
	Telling		 *tellings; /* under this id */
	long		  serial;
	int			  page;
	const char	 *mark;			 /* in its name */
	int64_t		  born;			 /* us, monotonic */
	int64_t		  happened_wall; /* ms since the epoch */
	int64_t		  ended_wall;	 /* when it was stored, or its visitor gone; 0: not yet */
	bool		  acked;		 /* the server has answered for it */
	bool		  stored;		 /* it is committed, says the server */
	bool		  gone;			 /* its visitor never tells of it again */
	char		  refused[20];	 /* for good: the code */
} Event;

typedef enum Step
{
	STEP_AWAY,	   /* no socket; the next one when `retry` */
	STEP_SHAKING,  /* until the 101 */
	STEP_GREETING, /* until the hello */
	STEP_OPEN
} Step;

struct Visitor;

/* What is said, about a view or an event. */
typedef struct Message
{
	View  *view;  /* NULL: about an event */
	Event *event; /* NULL: about a view */
	int	   n;
	bool   opens; /* it is a `view` */
	int	   length;
	char   text[MESSAGE_LIMIT];
} Message;

/* A message that goes out later, or once more. */
typedef struct Shelved
{
	Message message;
	int64_t due; /* 0: behind the next message */
	int64_t since;
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
	Event	*events;			   /* not known to be stored */
	Event	*event_again;		   /* stored, to be told once more */
	char	 cookie[COOKIE_LIMIT]; /* name=value; empty: none yet */
	char	 session[37];		   /* what it says */
	int64_t	 turns;				   /* when the live view is hidden or shown next */
	int64_t	 leaves;			   /* when it ends */
	int64_t	 begins;			   /* when the next one begins */
	int64_t	 happens;			   /* when something happens in the live view */
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
	long views, events, sockets, deaths, watchdogs, notes, refused, errors, repeats, pages, renamed;
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
/* Whether an answer is of this type. */
extern bool answer_says(const char *text, const char *type);
/* Copies the value of one of its text fields; empty when it is not there. */
extern void answer_field(const char *text, const char *name, char *value, size_t size);

/* --- cookie.c ------------------------------------------------------------------- */

/* Takes the cookie out of the head of an answer, if there is one. */
extern void cookie_take(Visitor *v, const char *head);
/* Writes the header that brings it, if there is one, into `line` (COOKIE_LIMIT + 16). */
extern void cookie_line(const Visitor *v, char *line);

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

/* --- visitor.c: what its other parts call ------------------------------------------- */

/* Says it on the open socket, unless it goes astray; false when the socket is gone. */
extern bool visitor_send(Visitor *v, const Message *message);
/* A note with these messages, separated by commas, goes out; false when that failed at once. */
extern bool visitor_post(Visitor *v, const char *messages, int length);
/* One with what is not stored (with `only`, that view and the events), if none is on its way. */
extern bool visitor_note(Visitor *v, View *only);
/* An id was refused for its time: whether it is said again on this socket, or after the next hello. */
extern bool visitor_drifts(Visitor *v);

/* --- mischief.c ------------------------------------------------------------------- */

/* Whether a message is held back; if not, it may be said again later. */
extern bool mischief_keeps(Visitor *v, const Message *message);
/* Says what is due, and with `behind` what waited for the message that has just gone. */
extern void mischief_sweep(Visitor *v, bool behind, int64_t now);

/* --- views.c ---------------------------------------------------------------------- */

/* A new view that begins now, in the ledger. */
extern View *view_new(Visitor *v, int64_t now);
/* Writes an id of that time (us) with these random bits, by its visitor's clock and the last hello. */
extern void id_stamp(const Visitor *v, const uint64_t seed[2], int64_t born, char *id);
/* Something about it goes out now: from then on it has its name. */
extern void view_name(const Visitor *v, View *view);
/* Counts the time up to now, and what holds from then on. */
extern void view_count(View *view, bool shown, int64_t now);
/* Writes a message about it into `text` (MESSAGE_LIMIT); its length. */
extern int view_message(const View *view, const char *type, bool whole, char *text);
/* The ledger as CSV. */
extern bool ledger_write(const char *path, int64_t now);

/* --- events.c --------------------------------------------------------------------- */

/* Something happens on the visitor's page: it is in the ledger, and told. */
extern void event_happens(Visitor *v);
/* Tells of all that is not stored, and perhaps of what is, on a new socket. */
extern void events_greet(Visitor *v);
/* Writes them into a note behind `count` other messages; the length of all. */
extern int events_note(Visitor *v, char *body, int length, int count);
/* The event goes out as it stands. */
extern void event_told(const Visitor *v, Event *event, bool noted);
/* An answer about one; false when the answer is about no event. */
extern bool event_heard(Visitor *v, const char *text);
/* The visitor never comes back to what happened in this view. */
extern void events_leave(Visitor *v, const View *view);
/* The ledger of events as CSV. */
extern bool events_write(const char *path);

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
