/*
 * reading.c
 *	  engagement_counts() and scroll_counts(): how long, and how far, people read.
 *
 * Both count views, so workers may read parts of the period.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "chosen.h"
#include "filters.h"
#include "parallel.h"

PG_FUNCTION_INFO_V1(pageviews_engagement_counts);
PG_FUNCTION_INFO_V1(pageviews_scroll_counts);

#define WHOLE_PAGE 100 /* per cent */

typedef struct Reading
{
	TakeChosenView take;
	ChosenQuery	   query;
	text		  *pattern; /* of the paths that count; NULL: all do */
	int64		  *counts;
	int			   count;
	int64		  *edges; /* of engagement: where each count begins, in milliseconds, ascending */
} Reading;

/* A MarkPath: whether views of it count. */
static uint32
mark_path(void *context, Span path)
{
	const Reading *reading = context;

	return reading->pattern == NULL || span_is_like(path, span_of_text(reading->pattern));
}

/* A TakeChosenView. */
static void
take_engagement(void *context, const SessionViews *session, const SessionView *view)
{
	Reading *reading = context;
	int64	 engagement = view->states[AFTER].engagement;
	int		 at = reading->count - 1;

	if (view->mark == 0)
		return;
	while (at >= 0 && reading->edges[at] > engagement)
		at--;
	if (at >= 0)
		reading->counts[at]++;
}

/* A TakeChosenView. */
static void
take_scroll(void *context, const SessionViews *session, const SessionView *view)
{
	Reading *reading = context;

	if (view->scroll_depth >= 0 && view->mark != 0)
		reading->counts[Min(view->scroll_depth, WHOLE_PAGE)]++;
}

/* A TakeChosenEnd. */
static void
take_end(void *context)
{
	CHECK_FOR_INTERRUPTS();
}

/* --- in parallel -------------------------------------------------------------------- */

/* A DoPart. */
static void
read_part(void *context, int64 since, int64 until)
{
	Reading	   *reading = context;
	ChosenQuery query = reading->query;

	query.since = since;
	query.until = until;
	chosen_read(&query, reading->take, take_end, reading);
}

/* What is asked for, and what it points to. */
static void
write_reading(const Reading *reading, StringInfo arguments)
{
	bool engagement = reading->edges != NULL;

	parallel_put(arguments, &engagement, sizeof engagement);
	parallel_put(arguments, &reading->count, sizeof reading->count);
	if (engagement)
		parallel_put(arguments, reading->edges, reading->count * (int) sizeof *reading->edges);
	parallel_put_value(arguments, reading->query.site);
	parallel_put_value(arguments, reading->query.filters);
	parallel_put_value(arguments, reading->pattern);
}

static void *
begin_part(StringInfo arguments)
{
	Reading *reading = palloc0(sizeof *reading);
	bool	 engagement;
	int		 length;

	memcpy(&engagement, parallel_get(arguments, sizeof engagement), sizeof engagement);
	memcpy(&reading->count, parallel_get(arguments, sizeof reading->count), sizeof reading->count);
	reading->take = engagement ? take_engagement : take_scroll;
	length = reading->count * (int) sizeof(int64);
	if (engagement)
		reading->edges = memcpy(palloc(length), parallel_get(arguments, length), length);
	reading->query.site = parallel_get_value(arguments);
	reading->query.filters = parallel_get_value(arguments);
	reading->pattern = parallel_get_value(arguments);
	reading->query.mark = mark_path;
	reading->query.parted = true;
	reading->counts = palloc0(length);
	return reading;
}

static void
write_counts(void *context, StringInfo result)
{
	const Reading *reading = context;

	parallel_put(result, reading->counts, reading->count * (int) sizeof *reading->counts);
}

static void
take_counts(void *context, StringInfo result)
{
	Reading *reading = context;

	for (int i = 0; i < reading->count; i++)
	{
		int64 count;

		memcpy(&count, parallel_get(result, sizeof count), sizeof count);
		reading->counts[i] += count;
	}
}

PGDLLEXPORT void pageviews_reading_worker(dsm_segment *segment, shm_toc *toc);

/* What a parallel worker is started with. */
void
pageviews_reading_worker(dsm_segment *segment, shm_toc *toc)
{
	const ParallelWork work = {begin_part, read_part, write_counts};

	parallel_work(segment, toc, &work);
}

/* --- the functions ------------------------------------------------------------------ */

/* Counts, and returns the counts as an array. */
static Datum
count_views(FunctionCallInfo fcinfo, Reading *reading)
{
	ParallelCuts   cuts = {.count = 1};
	StringInfoData arguments;
	ParallelReport parallel = {"pageviews_reading_worker", &arguments, read_part, take_counts,
							   reading};
	Datum		  *elements = palloc_array(Datum, Max(reading->count, 1));

	reading->query = chosen_arguments(fcinfo);
	reading->query.mark = mark_path;
	reading->query.parted = true;
	if (!PG_ARGISNULL(4))
		reading->pattern = PG_GETARG_TEXT_PP(4);
	reading->counts = palloc0_array(int64, Max(reading->count, 1));
	initStringInfo(&arguments);
	write_reading(reading, &arguments);
	/* Where a visit came from is decided by its first view, which may lie in another part. */
	if (!chosen_asks_origins(&reading->query))
		parallel_cut_period(reading->query.since, reading->query.until, reading->query.site, &cuts);
	if (!parallel_do(&cuts, &parallel))
		read_part(reading, reading->query.since, reading->query.until);
	for (int i = 0; i < reading->count; i++)
		elements[i] = Int64GetDatum(reading->counts[i]);
	return PointerGetDatum(construct_array(elements, reading->count, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* engagement_counts(since, until, site, filters, path, edges) */
Datum
pageviews_engagement_counts(PG_FUNCTION_ARGS)
{
	Reading reading = {.take = take_engagement};
	Datum  *elements;

	if (PG_ARGISNULL(5))
		PG_RETURN_NULL();
	if (array_contains_nulls(PG_GETARG_ARRAYTYPE_P(5)))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("edges must not be NULL"));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(5), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, NULL, &reading.count);
	reading.edges = palloc_array(int64, Max(reading.count, 1));
	for (int i = 0; i < reading.count; i++)
		reading.edges[i] = DatumGetInt64(elements[i]);
	PG_RETURN_DATUM(count_views(fcinfo, &reading));
}

/* scroll_counts(since, until, site, filters, path) */
Datum
pageviews_scroll_counts(PG_FUNCTION_ARGS)
{
	Reading reading = {.take = take_scroll, .count = WHOLE_PAGE + 1};

	PG_RETURN_DATUM(count_views(fcinfo, &reading));
}
