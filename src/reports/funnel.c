/*
 * funnel.c
 *	  Which steps of a funnel a page is, and how far a session got.
 *
 * A step is a pattern of paths.  A session reaches the first step with any view of
 * it, and each other with a view of it after one that reached the step before,
 * at most `within` after the view of the first step that led there.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "filters.h"

PG_FUNCTION_INFO_V1(pageviews_funnel_steps);
PG_FUNCTION_INFO_V1(pageviews_funnel_add);
PG_FUNCTION_INFO_V1(pageviews_funnel_depth);

#define STEP_LIMIT 20

/* A view that may be a step. */
typedef struct StepView
{
	TimestampTz at;
	pg_uuid_t	id;
	uint32		steps; /* a bit for each step that it can be */
} StepView;

/* The state of the aggregate funnel_depth(). */
typedef struct Funnel
{
	Interval  within;
	StepView *views;
	int		  count;
	int		  capacity;
} Funnel;

/* funnel_steps(path, steps): a bit for each step that a page is, the lowest for the first. */
Datum
pageviews_funnel_steps(PG_FUNCTION_ARGS)
{
	Span		path = span_of_text(PG_GETARG_TEXT_PP(0));
	ArrayType  *steps = PG_GETARG_ARRAYTYPE_P(1);
	uint32		found = 0;
	const char *data = ARR_DATA_PTR(steps);
	Size		at = 0;
	int			count = ArrayGetNItems(ARR_NDIM(steps), ARR_DIMS(steps));

	if (array_contains_nulls(steps) || count > STEP_LIMIT)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("steps must be 1 to %d page patterns", STEP_LIMIT));
	for (int i = 0; i < count; i++)
	{
		const text *step = (const text *) (data + at);

		if (span_is_like(path, span_of_text(step)))
			found |= 1u << i;
		at = INTALIGN(at + VARSIZE_ANY(step));
	}
	PG_RETURN_INT32((int32) found);
}

/* funnel_add(state, started_at, view_id, steps, within): the transition of funnel_depth(). */
Datum
pageviews_funnel_add(PG_FUNCTION_ARGS)
{
	MemoryContext memory;
	MemoryContext caller;
	Funnel		 *funnel;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "funnel_add() was called outside of an aggregate");
	funnel = PG_ARGISNULL(0) ? NULL : (Funnel *) PG_GETARG_POINTER(0);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
	{
		if (funnel == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(funnel);
	}

	caller = MemoryContextSwitchTo(memory);
	if (funnel == NULL)
	{
		funnel = palloc0(sizeof *funnel);
		funnel->within = *PG_GETARG_INTERVAL_P(4);
	}
	if (funnel->count == funnel->capacity)
	{
		funnel->capacity = Max(2, 2 * funnel->capacity);
		funnel->views = funnel->views == NULL
							? palloc_array(StepView, funnel->capacity)
							: repalloc_huge(funnel->views, funnel->capacity * sizeof(StepView));
	}
	funnel->views[funnel->count++] =
		(StepView){PG_GETARG_TIMESTAMPTZ(1), *PG_GETARG_UUID_P(2), (uint32) PG_GETARG_INT32(3)};
	MemoryContextSwitchTo(caller);
	PG_RETURN_POINTER(funnel);
}

static int
compare_views(const void *a, const void *b)
{
	const StepView *x = a;
	const StepView *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return memcmp(x->id.data, y->id.data, UUID_LEN);
}

static bool
in_time(const Funnel *funnel, TimestampTz entered, TimestampTz at)
{
	return at <= DatumGetTimestampTz(DirectFunctionCall2(
					 timestamptz_pl_interval, TimestampTzGetDatum(entered),
					 IntervalPGetDatum(unconstify(Interval *, &funnel->within))));
}

/* funnel_depth(state): the last step that was reached; 0 if none. */
Datum
pageviews_funnel_depth(PG_FUNCTION_ARGS)
{
	Funnel *funnel;
	/* Of those steps that were reached, the latest view of the first that led there. */
	TimestampTz entered[STEP_LIMIT];
	int			depth = 0;

	if (PG_ARGISNULL(0))
		PG_RETURN_INT32(0);
	funnel = (Funnel *) PG_GETARG_POINTER(0);
	qsort(funnel->views, funnel->count, sizeof(StepView), compare_views);
	for (int i = 0; i < funnel->count; i++)
	{
		const StepView *view = &funnel->views[i];

		CHECK_FOR_INTERRUPTS();
		/* From the last to the first: a view is not two steps of one way. */
		for (int step = Min(depth, STEP_LIMIT - 1); step >= 0; step--)
		{
			if ((view->steps & 1u << step) == 0 ||
				(step > 0 && !in_time(funnel, entered[step - 1], view->at)))
				continue;
			if (step == 0)
				entered[step] = view->at;
			else if (step == depth || entered[step - 1] > entered[step])
				entered[step] = entered[step - 1];
			depth = Max(depth, step + 1);
		}
	}
	PG_RETURN_INT32(depth);
}
