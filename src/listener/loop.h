/*
 * loop.h
 *	  The listener's one loop: descriptors that are watched, a timer, and what is
 *	  done at the end of each turn.
 *
 * A watch costs one system call in its life, unless its owner's interest changes;
 * the kernel ends it when the descriptor is closed.  Watches of the crowd have their
 * share of each turn, however many of them are ready; all others are called in every turn.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_LOOP_H
#define PAGEVIEWS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/clock.h"

#define LOOP_READ  1u
#define LOOP_WRITE 2u

struct Watch;

/*
 * Called with LOOP_READ, LOOP_WRITE or both; an error and the peer's end are reported
 * as both, so that reading says which it was.  It may come for nothing: when the
 * descriptor was closed in the same turn, and the watch has another one by now.
 */
typedef void (*WatchHandler)(struct Watch *watch, unsigned what);

/*
 * Owned by whoever owns the descriptor, and never freed: when the descriptor is closed
 * it is set to zero.
 */
typedef struct Watch
{
	WatchHandler handler;
	int			 descriptor;
	unsigned	 what;	/* is watched for; 0: not at all */
	bool		 crowd; /* belongs to the crowd */
} Watch;

typedef struct LoopHooks
{
	void (*before_sleep)(void); /* at the end of each turn, and before the first */
	void (*tick)(void);			/* of the timer */
} LoopHooks;

/* False when there are no descriptors or no memory. */
extern bool loop_init(void);

/* From now on `descriptor` is watched for this; false when there is no memory for it. */
extern bool loop_watch(Watch *watch, int descriptor, unsigned what);

/* A watch joins the crowd; false when there is no memory for that: then it is not watched any more. */
extern bool loop_join_crowd(Watch *watch);

/* Ticks once in so many milliseconds, or (0) never. */
extern void loop_set_timer(uint64_t period);

/* The next turn begins after so many milliseconds at the latest. */
extern void loop_hurry(int delay);

/* Turns for ever. */
extern void __attribute__((noreturn)) loop_run(const LoopHooks *hooks);

#endif /* PAGEVIEWS_LOOP_H */
