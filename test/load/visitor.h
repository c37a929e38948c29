/*
 * visitor.h
 *	  One scripted visitor of the load generator, and the rules of the run.
 */
#ifndef PAGEVIEWS_VISITOR_H
#define PAGEVIEWS_VISITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define INPUT_LIMIT 4096

typedef enum HowToEnd
{
	END_SAID,  /* says `end`, and waits until it is stored */
	END_FRAME, /* closes: with a close frame, */
	END_FIN,   /* without a word, */
	END_RST,   /* or by a reset */
	END_CLOSE  /* says `end`, and shakes hands on the close */
} HowToEnd;

typedef struct Rules
{
	long	 port;
	long	 views;		/* in all */
	long	 visitors;	/* sockets at a time */
	long	 hold_ms;	/* from the ack to the end */
	long	 turn_us;	/* from one look at the sockets to the next */
	long	 every_ms;	/* heartbeats in between, 0: none */
	long	 addresses; /* 127.0.0.1 and so many in all */
	long	 leftovers; /* percent of the views whose `end` is said again on the next socket */
	long	 rate;		/* views a second, whatever the answers; 0: as fast as they come */
	HowToEnd how;
	bool	 staged;  /* nothing ends yet */
	bool	 resumes; /* comes back when its socket died */
	bool	 mute;	  /* hears the hello and says nothing: no view */
	bool	 echo;	  /* the server only sends back what it is told */
	FILE	*log;	  /* a line a view: id, microseconds since the epoch when it closed; or NULL */
} Rules;

typedef struct Latencies
{
	uint32_t *values; /* microseconds */
	size_t	  count;
	size_t	  capacity;
} Latencies;

typedef struct Totals
{
	long	  begun, acked, stored, closed, refused; /* views */
	long	  deaths, failures, handshakes;			 /* sockets */
	long	  repeated, answered;					 /* leftovers: sent, and `stored` */
	int64_t	  visible_total;						 /* ms, as the `end` messages said */
	int64_t	  outage;								 /* us, the longest */
	int64_t	  late;					 /* us, the latest begin, where there is a rate */
	int64_t	  first_left, last_left; /* us since the epoch */
	Latencies ack_times, stored_times;
	Latencies visit_times; /* from the call to the ack */
	Latencies ping_times;
} Totals;

typedef enum Step
{
	STEP_IDLE,		/* no socket, nothing to do */
	STEP_AWAY,		/* no socket, comes back with its view when `due` */
	STEP_SHAKING,	/* connecting, and until the 101 */
	STEP_GREETING,	/* until the hello */
	STEP_ANNOUNCED, /* until the ack of the `view` */
	STEP_OPEN,		/* the page is being looked at */
	STEP_ENDING,	/* until it is stored */
	STEP_CLOSING	/* until the server has closed */
} Step;

typedef struct Visitor
{
	int		 socket; /* -1: none */
	int		 number;
	Step	 step;
	bool	 has_view;
	char	 view[37];
	int		 n;
	int64_t	 born;		   /* of the view */
	int64_t	 due;		   /* of the step's next action, or its deadline */
	int64_t	 leaves;	   /* when the view ends */
	int64_t	 sent;		   /* the message that an answer is awaited for */
	int64_t	 died;		   /* 0, or since when it is without a socket */
	int64_t	 said;		   /* visible, in its `end`; -1: not ended yet */
	int64_t	 called;	   /* when the socket was begun */
	int64_t	 pinged;	   /* 0, or since when a pong is awaited */
	char	 previous[37]; /* the view before, and its `end` */
	int		 previous_n;
	int64_t	 previous_said;
	uint32_t length;
	char	 input[INPUT_LIMIT];
} Visitor;

extern Rules  rules;
extern Totals totals;

/*
 * Makes them, all idle; seeds ids and masks, and remembers the epoll descriptor
 * for the sockets.  NULL when there is no memory.
 */
extern Visitor *visitors_init(int poller);

/* Idle visitors begin, as many as may now; false when no view is left to begin. */
extern bool visitors_begin(void);

/* Sends a ping on an open socket. */
extern bool visitor_ping(Visitor *v);

/* Its socket can be read or written. */
extern void visitor_ready(Visitor *v, uint32_t events);

/* Does what is due by `now`: begins, comes back, beats, leaves, gives up. */
extern void visitor_sweep(Visitor *v, int64_t now);

/* Microseconds on the monotonic clock. */
static inline int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Microseconds since the epoch. */
static inline int64_t
wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

#endif /* PAGEVIEWS_VISITOR_H */
