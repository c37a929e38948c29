/*
 * chosen.h
 *	  The views or visits that a report counts one by one: those of people in a
 *	  period that its filters choose, session by session; for visits see
 *	  pageviews.chosen_visits().
 */
#ifndef PAGEVIEWS_CHOSEN_H
#define PAGEVIEWS_CHOSEN_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#include "history.h"

/* What a report is asked for. */
typedef struct ChosenQuery
{
	TimestampTz since; /* views, or visits, that began in [since, until) */
	TimestampTz until;
	text	   *site;	 /* NULL: of all sites */
	Jsonb	   *filters; /* NULL: none */
	bool		created; /* whether it is wanted when sessions were created */
	MarkPath	mark;	/* what is wanted of paths, in the context of the calls; NULL: themselves */
	bool		parted; /* whether it does not matter which views are of one session */
} ChosenQuery;

/* Called for each view, on a site in the order of their starts; `session` is as history_read() has it. */
typedef void (*TakeChosenView)(void *context, const SessionViews *session, const SessionView *view);

/* Called after the last view of a session, on whatever sites they are; with `parted` also before. */
typedef void (*TakeChosenEnd)(void *context);

/* Called for each visit with all of its views, also where they lie beyond the period. */
typedef void (*TakeChosenVisit)(void *context, const SessionViews *session,
								const SessionView *views, int count);

/* Raises for filters that are none, as reading does; whether they ask where visits came from. */
extern bool chosen_asks_origins(const ChosenQuery *query);

/* The first four arguments of a report: since, until, site, filters.  Without a period it is empty. */
extern ChosenQuery chosen_arguments(FunctionCallInfo fcinfo);

/*
 * Reads the views, or the visits, with the rights of the current user in the active
 * snapshot.  The calls are made in a memory context that does not last.
 */
extern void chosen_read(const ChosenQuery *query, TakeChosenView take, TakeChosenEnd end,
						void *context);
extern void chosen_read_visits(const ChosenQuery *query, TakeChosenVisit take, void *context);

#endif /* PAGEVIEWS_CHOSEN_H */
