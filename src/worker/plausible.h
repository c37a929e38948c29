/*
 * plausible.h
 *	  What a listener that tells the truth can have said at all.
 *
 * Pure C with time handed in: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_PLAUSIBLE_H
#define PAGEVIEWS_PLAUSIBLE_H

#include "../common/record.h"

/* What the worker knows of a listener when an event of its comes in. */
typedef struct ListenerFacts
{
	Micros			started_at;
	uint32_t		connections; /* that it may have at most */
	uint64_t		asked;		 /* the last heartbeat that was sent ... */
	uint64_t		answered;	 /* ... and the last that was answered; equal: none is open */
	const uint64_t *counters;	 /* as it said them last */
} ListenerFacts;

/*
 * False for a stamp from before its process began, an answer to a heartbeat that
 * was not asked, more connections than it has room for, and counters that shrink
 * or are beyond what anybody can count to.
 */
extern bool event_is_plausible(const Event *event, const ListenerFacts *facts);

#endif /* PAGEVIEWS_PLAUSIBLE_H */
