/*
 * packed_days.h
 *	  Packed days as a report reads them: those of a site session by session, one
 *	  chunk in memory at a time.
 */
#ifndef PAGEVIEWS_PACKED_DAYS_H
#define PAGEVIEWS_PACKED_DAYS_H

#include "history_private.h"

#include "executor/spi.h"

#include "packed_chunk.h"

/* What all days of a report have in common. */
typedef struct PackedDays
{
	const HistoryQuery *query;
	HistoryDays			days;
	PackedFilters		filters;
	MemoryContext		memory;	 /* of chunks */
	SPIPlanPtr			plan;	 /* of the query for a chunk */
	MemoryContext	   *retired; /* of chunks that are read to their end and used still */
	int					retired_count;
	int					retired_capacity;
} PackedDays;

/* A day, or packed hours, on a site. */
typedef struct PackedDay
{
	TimestampTz	  at;
	TimestampTz	  until;
	Span		  site;
	int			  number; /* of the next chunk */
	PackedChunk	 *chunk;
	PackedSession session;	 /* the one that is next */
	int			  passed_by; /* sessions that are left out and come before it */
} PackedDay;

/* Views as they were read of days. */
typedef struct PackedViews
{
	PackedView *views;
	uint32		count;
	uint32		capacity;
	bool		any_passes;		   /* whether filters let any of the views pass ... */
	bool		any_origin_passes; /* ... and any origin that their visits could have */
	TimestampTz seen_until; /* when the last of them was seen last; DT_NOBEGIN: there are none */
} PackedViews;

extern PackedViews packed_views_new(void);
extern void		   packed_views_reset(PackedViews *views);

/* Begins to read the days of `days`, and finds them by day and site: an array of the caller's. */
extern PackedDay *packed_days_open(PackedDays *days, int *count);
extern void		  packed_days_close(PackedDays *days);

/* Goes on to the next session of a day that filters do not leave out; false if there is none. */
extern bool packed_day_next(PackedDays *days, PackedDay *day);

/* Lets chunks go that what was gathered pointed into. */
extern void packed_days_release(PackedDays *days);

/* Whether a session is one that is left out; `passed_by` is 0 before the first, then they come in their order. */
extern bool packed_days_leave_out(const PackedDays *days, int *passed_by, const uint8 *session);

/* Reads the views of the session that lie in the period, or steps over them. */
extern void packed_day_read(const PackedDays *days, PackedDay *day, PackedViews *views);
extern void packed_day_skip(PackedDay *day);

/* Gathers the views from `first` to before `end`, which point into the chunk then. */
extern void packed_day_gather(const PackedDays *days, PackedDay *day, uint32 first, uint32 end,
							  const PackedViews *views, Gatherer *gatherer);

/* Reads all of the days, and views for the rest, in parts of whole visits. */
extern void history_read_visits(Gatherer *gatherer, PackedDays *days);

#endif /* PAGEVIEWS_PACKED_DAYS_H */
