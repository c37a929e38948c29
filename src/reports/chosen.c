/*
 * chosen.c
 *	  The views or visits that a report counts one by one, see chosen.h.
 *
 * Where the filters ask where visits came from, a view counts if the first view
 * of its visit passes.  Then, and where visits are what counts, views are read
 * beyond the period, so that its visits are whole.
 */
#include "chosen.h"

#include "executor/spi.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "filters.h"

typedef struct Choosing
{
	const ChosenQuery *query;
	TakeChosenView	   take;
	TakeChosenEnd	   end;
	TakeChosenVisit	   take_visit;
	void			  *context;
	bool			   origins; /* whether the first view of its visit decides about a view */
	bool  sessions; /* whether the filters ask what sessions are: those that have a row */
	int64 timeout;

	/* The session that has had a view last, if any has. */
	bool  any;
	uint8 session[UUID_LEN];
} Choosing;

ChosenQuery
chosen_arguments(FunctionCallInfo fcinfo)
{
	return (ChosenQuery){.since = PG_ARGISNULL(0) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(0),
						 .until = PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1),
						 .site = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2),
						 .filters = PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3)};
}

bool
chosen_asks_origins(const ChosenQuery *query)
{
	bool origins;
	bool sessions;

	SPI_connect();
	filters_check(query->filters, &origins, &sessions);
	SPI_finish();
	return origins;
}

static void
hand_over(Choosing *choosing, const SessionViews *views, const SessionView *view)
{
	if (!choosing->any || memcmp(choosing->session, views->session, UUID_LEN) != 0)
	{
		if (choosing->any)
			choosing->end(choosing->context);
		choosing->any = true;
		memcpy(choosing->session, views->session, UUID_LEN);
	}
	choosing->take(choosing->context, views, view);
}

static bool
is_in_period(const Choosing *choosing, const SessionView *view)
{
	return view->started_at >= choosing->query->since && view->started_at < choosing->query->until;
}

/* A TakeSession: its views. */
static void
take_views(void *context, const SessionViews *views)
{
	Choosing *choosing = context;
	bool	 *entries = NULL;
	bool	  origin_passes = true;

	if (choosing->sessions && !views->has_created_at)
		return;
	if (choosing->origins)
	{
		entries = palloc_array(bool, views->count);
		visits_entries(views, AFTER, choosing->timeout, entries);
	}
	for (int i = 0; i < views->count; i++)
	{
		const SessionView *view = &views->views[i];

		if (choosing->origins && entries[i])
			origin_passes = view->origin_passes;
		if (view->passes && origin_passes && is_in_period(choosing, view))
			hand_over(choosing, views, view);
	}
}

/* A TakeSession: its visits. */
static void
take_visits(void *context, const SessionViews *views)
{
	const Choosing *choosing = context;
	bool		   *entries;
	int				end;

	if (choosing->sessions && !views->has_created_at)
		return;
	entries = palloc_array(bool, views->count);
	visits_entries(views, AFTER, choosing->timeout, entries);
	for (int first = 0; first < views->count; first = end)
	{
		const SessionView *entry = &views->views[first];
		bool			   passes = entry->passes;

		for (end = first + 1; end < views->count && !entries[end]; end++)
			passes = passes || views->views[end].passes;
		if (passes && entry->origin_passes && is_in_period(choosing, entry))
			choosing->take_visit(choosing->context, views, entry, end - first);
	}
}

/* A time moved by `by`, if it is one. */
static TimestampTz
moved(TimestampTz at, int64 by)
{
	return TIMESTAMP_NOT_FINITE(at) ? at : at + by;
}

/* Reads the sessions, each with whole visits if these, or where they came from, are asked for. */
static void
read_sessions(Choosing *choosing, TakeSession take)
{
	const ChosenQuery *query = choosing->query;
	HistoryQuery	   history = {.since = query->since,
								  .until = query->until,
								  .wanted_since = query->since,
								  .wanted_until = query->until,
								  .site = query->site,
								  .filters = query->filters,
								  .before_until = DT_NOBEGIN,
								  .after_until = DT_NOEND,
								  .consumed = PG_INT64_MAX};
	bool			   whole_visits;

	choosing->timeout = visits_rules().timeout;
	SPI_connect();
	filters_check(query->filters, &choosing->origins, &choosing->sessions);
	whole_visits = choosing->origins || choosing->take_visit != NULL;
	if (whole_visits)
	{
		history.since = moved(query->since, -HISTORY_REACH);
		history.until = moved(query->until, HISTORY_REACH);
	}
	history.origins = choosing->origins;
	history.traits = choosing->sessions;
	if (query->parted)
		history.parts = whole_visits ? PARTS_OF_VISITS : PARTS_OF_VIEWS;
	history.mark = query->mark;
	history.mark_context = choosing->context;
	history.created = query->created || choosing->sessions;
	if (query->since < query->until)
		history_read(&history, take, choosing);
	if (choosing->any)
		choosing->end(choosing->context);
	SPI_finish();
}

void
chosen_read(const ChosenQuery *query, TakeChosenView take, TakeChosenEnd end, void *context)
{
	Choosing choosing = {.query = query, .take = take, .end = end, .context = context};

	read_sessions(&choosing, take_views);
}

void
chosen_read_visits(const ChosenQuery *query, TakeChosenVisit take, void *context)
{
	Choosing choosing = {.query = query, .take_visit = take, .context = context};

	read_sessions(&choosing, take_visits);
}
