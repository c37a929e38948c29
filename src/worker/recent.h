/*
 * recent.h
 *	  What was stored or rejected lately, by view id.
 *
 * A page that closes cannot wait for `stored`, so most browsers say their last
 * word again on the next page.  This cache answers them without a query.  Fixed
 * size; the oldest entry gives way.  Forgetting is harmless: the upsert then
 * finds the row and changes nothing.  Made without room, it remembers nothing.
 *
 * Pure C: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_RECENT_H
#define PAGEVIEWS_RECENT_H

#include "view.h"

typedef struct Recent Recent;

typedef struct RecentEntry
{
	Uuid	view;
	int64_t revision; /* highest that was stored */
	bool	rejected;
	Micros
		origin; /* its id's own time on the monotonic clock, whatever the wall clock does later */
} RecentEntry;

/* NULL when there is no memory. */
extern Recent *recent_new(uint32_t capacity);
extern void	   recent_free(Recent *recent);

/*
 * Remembers a view, as the newest entry.  Of one that is known already the
 * higher revision stays, and the first origin; `rejected` is as said last.
 */
extern void recent_add(Recent *recent, const Uuid *view, int64_t revision, bool rejected,
					   Micros origin);

/* Valid until the next change; NULL when the view is not known (any more). */
extern const RecentEntry *recent_find(const Recent *recent, const Uuid *view);

/* Forgets a view, if it is known. */
extern void recent_forget(Recent *recent, const Uuid *view);

#endif /* PAGEVIEWS_RECENT_H */
