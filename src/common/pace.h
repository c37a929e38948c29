/*
 * pace.h
 *	  How often a loop turns: at most about once a millisecond, while much comes.
 *
 * Each time that a sleeping process is woken somebody else on the machine gives way, a
 * backend of Postgres perhaps, and loses what the processor's caches knew.  With a thousand
 * visitors a second each word would wake the listener, then the worker, then the listener
 * again; a turn that comes a little later takes several at once.  Turns in a row are free,
 * so that nobody waits where little comes: a token bucket, kept as the moment at which all
 * of its tokens are there again.
 *
 * Pure C: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_PACE_H
#define PAGEVIEWS_PACE_H

#include "clock.h"

#define PACE_TURN MICROS_PER_MILLI /* from one turn to the next, when many come */
#define PACE_FREE 16			   /* turns in a row that come at once */

typedef struct Pace
{
	Micros full_at;
} Pace;

/* Tells of a turn that begins now, rested or not. */
static inline void
pace_turn(Pace *pace, Micros now)
{
	Micros empty = now + PACE_FREE * PACE_TURN;

	pace->full_at = (pace->full_at > now ? pace->full_at : now) + PACE_TURN;
	if (pace->full_at > empty)
		pace->full_at = empty;
}

/* How long from now to sleep before the next turn, PACE_TURN at most; 0: not at all. */
static inline Micros
pace_rest(const Pace *pace, Micros now)
{
	Micros rest = pace->full_at - now - (PACE_FREE - 1) * PACE_TURN;

	return rest > 0 ? rest : 0;
}

#endif /* PAGEVIEWS_PACE_H */
