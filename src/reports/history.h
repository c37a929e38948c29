/*
 * history.h
 *	  Reads views from the tables, session by session, each in two versions.
 *
 * BEFORE is what the roll-ups count: the views that began before `before_until`,
 * as they were when they were rolled up, which pageviews.rollup_changes says of
 * those that changed since.  AFTER is what they are to count: the views that
 * began before `after_until`, as they are, or as they were when the changes of
 * generations after `consumed` began.
 *
 * Views of robots are left out.  Everything is read in the active snapshot, with
 * the rights of the current user, through SPI, which the caller has connected.
 */
#ifndef PAGEVIEWS_HISTORY_H
#define PAGEVIEWS_HISTORY_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/jsonb.h"

#include "visits.h"

/* Visits are whole as far as they lie within a day of what is read. */
#define HISTORY_REACH USECS_PER_DAY

typedef struct HistoryQuery
{
	TimestampTz since; /* views that began in [since, until) are read */
	TimestampTz until;
	ArrayType  *sessions; /* of these sessions; NULL: of all */
	text	   *site;	  /* of this site; NULL: of all */
	Jsonb	   *filters;  /* NULL: none */
	bool		changes;  /* whether there may be any: else no version is undone */
	TimestampTz before_until;
	TimestampTz after_until;
	int64		consumed; /* PG_INT64_MAX: AFTER is as it is now */
} HistoryQuery;

/* Called for each session and site; what it is given lasts for the call, in a context of its own. */
typedef void (*TakeSession)(void *context, const SessionViews *views);

extern void history_read(const HistoryQuery *query, TakeSession take, void *context);

/*
 * Runs a query that reads, with parameters that may be NULL where `nulls` says
 * 'n', and gives its rows in SPI_tuptable; returns how many.
 */
extern uint64 history_select(const char *query, int count, const Oid *types, const Datum *values,
							 const char *nulls);

/* A column of row `row` of SPI_tuptable, 1 is the first. */
extern Datum history_value(uint64 row, int column, bool *null);

#endif /* PAGEVIEWS_HISTORY_H */
