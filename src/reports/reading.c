/*
 * reading.c
 *	  engagement_counts() and scroll_counts(): how long, and how far, people read.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "chosen.h"
#include "filters.h"

PG_FUNCTION_INFO_V1(pageviews_engagement_counts);
PG_FUNCTION_INFO_V1(pageviews_scroll_counts);

#define WHOLE_PAGE 100 /* per cent */

typedef struct Reading
{
	Span   pattern; /* of the paths that count; no value: all do */
	int64 *counts;
	/* Of engagement: where each count begins, in milliseconds, ascending. */
	int64 *edges;
	int	   edge_count;
} Reading;

/* A MarkPath: whether views of it count. */
static uint32
mark_path(void *context, Span path)
{
	const Reading *reading = context;

	return reading->pattern.data == NULL || span_is_like(path, reading->pattern);
}

/* A TakeChosenView. */
static void
take_engagement(void *context, const SessionViews *session, const SessionView *view)
{
	Reading *reading = context;
	int64	 engagement = view->states[AFTER].engagement;
	int		 at = reading->edge_count - 1;

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

/* Counts, and returns the counts as an array. */
static Datum
count_views(FunctionCallInfo fcinfo, TakeChosenView take, Reading *reading, int count)
{
	ChosenQuery query = chosen_arguments(fcinfo);
	Datum	   *elements = palloc_array(Datum, Max(count, 1));

	query.mark = mark_path;
	query.parted = true;
	if (!PG_ARGISNULL(4))
		reading->pattern = span_of_text(PG_GETARG_TEXT_PP(4));
	reading->counts = palloc0_array(int64, Max(count, 1));
	chosen_read(&query, take, take_end, reading);
	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(reading->counts[i]);
	return PointerGetDatum(
		construct_array(elements, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* engagement_counts(since, until, site, filters, path, edges) */
Datum
pageviews_engagement_counts(PG_FUNCTION_ARGS)
{
	Reading reading = {.edge_count = 0};
	Datum  *elements;

	if (PG_ARGISNULL(5))
		PG_RETURN_NULL();
	if (array_contains_nulls(PG_GETARG_ARRAYTYPE_P(5)))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("edges must not be NULL"));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(5), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, NULL, &reading.edge_count);
	reading.edges = palloc_array(int64, Max(reading.edge_count, 1));
	for (int i = 0; i < reading.edge_count; i++)
		reading.edges[i] = DatumGetInt64(elements[i]);
	PG_RETURN_DATUM(count_views(fcinfo, take_engagement, &reading, reading.edge_count));
}

/* scroll_counts(since, until, site, filters, path) */
Datum
pageviews_scroll_counts(PG_FUNCTION_ARGS)
{
	Reading reading = {.edge_count = 0};

	PG_RETURN_DATUM(count_views(fcinfo, take_scroll, &reading, WHOLE_PAGE + 1));
}
