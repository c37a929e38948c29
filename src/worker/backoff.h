/*
 * backoff.h
 *	  How long to wait before something that keeps dying is started again.
 *
 * At once after the first death, then 0.1 s doubling to 5 s while it dies again
 * within a minute; after ten deaths in a minute the rest of it is waited out.
 *
 * Pure C with time handed in: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_BACKOFF_H
#define PAGEVIEWS_BACKOFF_H

#include <stdbool.h>

#include "../common/clock.h"

#define BACKOFF_DEATH_LIMIT 10
#define BACKOFF_WINDOW		(60 * MICROS_PER_SECOND)

typedef struct Backoff
{
	Micros deaths[BACKOFF_DEATH_LIMIT]; /* a ring of the latest; 0 none */
	int	   next;
} Backoff;

/* Notes a death at `now`; returns how long to wait from now on. */
extern Micros backoff_after_death(Backoff *backoff, Micros now);

/* Whether a wait is of the kind that is worth a warning: it keeps dying. */
extern bool backoff_is_long(Micros wait);

#endif /* PAGEVIEWS_BACKOFF_H */
