/*
 * history_private.h
 *	  What reading views and reading packed days share, see history.h.
 */
#ifndef PAGEVIEWS_HISTORY_PRIVATE_H
#define PAGEVIEWS_HISTORY_PRIVATE_H

#include "history.h"

#include "executor/tuptable.h"
#include "tcop/dest.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* The first columns of the query; history.c has the others. */
#define HISTORY_COLUMN_SESSION 0
#define HISTORY_COLUMN_SITE	   1
#define HISTORY_COLUMN_STARTED 2

/* Gathers the views of one session and site. */
typedef struct Gatherer
{
	const HistoryQuery *query;
	TakeSession			take;
	void			   *context;
	MemoryContext		memory; /* of the session; reset after each */
	SessionViews		views;
	int					capacity;
	bool				any_passes;		   /* whether filters let any of the views pass ... */
	bool				any_origin_passes; /* ... and any origin that its visit could have */
} Gatherer;

/* Hands over what was gathered, unless it is of this session and site. */
extern void history_begin(Gatherer *gatherer, const uint8 *session, Span site);

/* Hands over what was gathered; what filters let nothing pass of, is left out. */
extern void history_hand_over(Gatherer *gatherer);

/* Forgets what was gathered. */
extern void history_drop(Gatherer *gatherer);

/* Room for one more view of what is gathered. */
extern SessionView *history_add(Gatherer *gatherer);

/* A row of the query, all of whose columns are read. */
extern void history_take_row(Gatherer *gatherer, const TupleTableSlot *slot);

/* Which views are read: "pageviews.views" or a subquery with its columns, and its parameters $8, $9. */
typedef struct HistorySource
{
	const char *relation;
	int64		length; /* of the times, in microseconds */
	ArrayType  *sessions;
	ArrayType  *times;
} HistorySource;

/* How long a time is of which there can be views: what is still to come has none. */
static inline int64
history_length(TimestampTz since, TimestampTz until)
{
	int64 length;

	until = Min(until, GetCurrentTimestamp());
	if (since >= until)
		return 0;
	return pg_sub_s64_overflow(until, since, &length) ? PG_INT64_MAX : length;
}

/* The packed days of a query's period, or hours of the one that goes on. */
typedef struct HistoryDays
{
	TimestampTz *at;	/* ascending */
	TimestampTz *until; /* when each ends */
	int			 count;
	ArrayType	*array;			 /* of `at` */
	uint8 (*left_out)[UUID_LEN]; /* sessions that changed, ascending: views have them */
	int left_out_count;
} HistoryDays;

/* Finds the packed days whose packs can be used; false if there is none. */
extern bool history_days_find(const HistoryQuery *query, HistoryDays *days);

/* Finds the sessions that are left out, for `days`, and as an array. */
extern ArrayType *history_days_left_out(HistoryDays *days);

/*
 * Finds the sessions that are left out, and says which views have to be read: those
 * between the packed days, and those of these sessions.
 */
extern HistorySource history_days_source(const HistoryQuery *query, HistoryDays *days);

/* Runs the query. */
extern void history_select(const HistoryQuery *query, const HistorySource *source,
						   DestReceiver *receiver);

/* Whether [from, until) has any of the time in which views are wanted. */
static inline bool
history_is_wanted(const HistoryQuery *query, TimestampTz from, TimestampTz until)
{
	return from < query->wanted_until && until > query->wanted_since;
}

/*
 * Reads packed days, and views for the rest; false where that is not possible or
 * not worth it, and nothing was done.
 */
extern bool history_read_packed(Gatherer *gatherer);

#endif /* PAGEVIEWS_HISTORY_PRIVATE_H */
