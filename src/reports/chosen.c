/*
 * chosen.c
 *	  The views that a report counts one by one, see chosen.h.
 *
 * Where the filters ask where visits came from, a view counts if the first view
 * of its visit passes: then views are read beyond the period, so that its visits
 * have their first views.
 */
#include "chosen.h"

#include "executor/spi.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "filters.h"
#include "history.h"

typedef struct Choosing
{
	const ChosenQuery *query;
	TakeChosenView	   take;
	TakeChosenEnd	   end;
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

/* A TakeSession. */
static void
take_session(void *context, const SessionViews *views)
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
		if (view->passes && origin_passes && view->started_at >= choosing->query->since &&
			view->started_at < choosing->query->until)
			hand_over(choosing, views, view);
	}
}

/* A time moved by `by`, if it is one. */
static TimestampTz
moved(TimestampTz at, int64 by)
{
	return TIMESTAMP_NOT_FINITE(at) ? at : at + by;
}

void
chosen_read(const ChosenQuery *query, TakeChosenView take, TakeChosenEnd end, void *context)
{
	Choosing	 choosing = {.query = query,
							 .take = take,
							 .end = end,
							 .context = context,
							 .timeout = visits_rules().timeout};
	HistoryQuery history = {.since = query->since,
							.until = query->until,
							.wanted_since = query->since,
							.wanted_until = query->until,
							.site = query->site,
							.filters = query->filters,
							.before_until = DT_NOBEGIN,
							.after_until = DT_NOEND,
							.consumed = PG_INT64_MAX};

	SPI_connect();
	filters_check(query->filters, &choosing.origins, &choosing.sessions);
	if (choosing.origins)
	{
		history.since = moved(query->since, -HISTORY_REACH);
		history.until = moved(query->until, HISTORY_REACH);
	}
	history.origins = choosing.origins;
	history.traits = choosing.sessions;
	history.created = query->created || choosing.sessions;
	if (query->since < query->until)
		history_read(&history, take_session, &choosing);
	if (choosing.any)
		end(context);
	SPI_finish();
}
