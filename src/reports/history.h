/*
 * history.h
 *	  Reads views from the tables, session by session, each in two versions.
 *
 * BEFORE is what the roll-ups count: the views that began before `before_until`,
 * as they were when they were rolled up, which pageviews.rollup_changes says of
 * those that changed since.  AFTER is what they are to count: the views that
 * began before `after_until`, as they are, but without changes that are not
 * consumed: of generations after `consumed`, or of views that began before
 * `consumed_since`.
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

/* With a longer timeout of visits days are merged: at the end of each, most of it would be held back. */
#define HISTORY_LONGEST_TIMEOUT (2 * USECS_PER_HOUR)

/* What a reader makes of a path: the same whenever it is asked. */
typedef uint32 (*MarkPath)(void *context, Span path);

/* What the views of a session and site may be parted into; parts come in any order. */
typedef enum HistoryParts
{
	PARTS_NONE,		 /* they come together, and sessions in their order */
	PARTS_OF_VISITS, /* of whole visits */
	PARTS_OF_VIEWS	 /* wherever that is convenient */
} HistoryParts;

typedef struct HistoryQuery
{
	TimestampTz since; /* views that began in [since, until) are read */
	TimestampTz until;
	TimestampTz
		wanted_since; /* sessions with none in [wanted_since, wanted_until) may be left out */
	TimestampTz	 wanted_until;
	ArrayType	*sessions; /* of these sessions; NULL: of all */
	text		*site;	   /* of this site; NULL: of all */
	Jsonb		*filters;  /* NULL: none */
	MarkPath	 mark;	   /* what is wanted of paths; NULL: themselves */
	void		*mark_context;
	bool		 origins; /* whether referrers and queries are wanted, else there are none */
	bool		 traits;  /* whether countries, browsers ... are, else there are none */
	bool		 created; /* whether it is when sessions were created, else none has that */
	HistoryParts parts;	  /* in what sessions may come */
	bool		 changes; /* whether there may be any: else no version is undone */
	TimestampTz	 before_until;
	TimestampTz	 after_until;
	int64		 consumed; /* PG_INT64_MAX: AFTER is as it is now */
	TimestampTz	 consumed_since;
} HistoryQuery;

/* Called for each session and site, or parts of them; what it is given lasts for the call, in a context of its own. */
typedef void (*TakeSession)(void *context, const SessionViews *views);

extern void history_read(const HistoryQuery *query, TakeSession take, void *context);

#endif /* PAGEVIEWS_HISTORY_H */
