/*
 * funnel.c
 *	  funnel_steps(): how many sessions got how far in a funnel.
 *
 * A step is a pattern of paths.  A session reaches the first step with any view of
 * it, and each other with a view of it after one that reached the step before,
 * at most `within` after the view of the first step that led there.  Its views on
 * all sites count together; of those that began at the same moment on two sites
 * the order is that of the sites' names.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "chosen.h"
#include "filters.h"

PG_FUNCTION_INFO_V1(pageviews_funnel_steps);

#define STEP_LIMIT 20

/* A view that may be a step. */
typedef struct StepView
{
	TimestampTz at;
	int			number; /* in the order in which they came */
	uint32		steps;	/* a bit for each step that it can be */
} StepView;

typedef struct Funnel
{
	Datum *pages;
	Span   steps[STEP_LIMIT];
	int	   step_count;
	int64  visitors[STEP_LIMIT]; /* sessions that got to each step */

	Interval   *within;
	TimestampTz entered; /* the last one that was asked for by in_time(), and until when it holds */
	TimestampTz holds_until;

	/* Of the session. */
	StepView *views;
	int		  count;
	int		  capacity;
} Funnel;

/* Reads the steps; raises for those that are none. */
static void
read_steps(Funnel *funnel, ArrayType *array)
{
	bool *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &funnel->pages, &nulls,
					  &funnel->step_count);
	if (funnel->step_count > STEP_LIMIT || array_contains_nulls(array))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("steps must be 1 to %d page patterns", STEP_LIMIT));
	for (int i = 0; i < funnel->step_count; i++)
		funnel->steps[i] = span_of_text(DatumGetTextPP(funnel->pages[i]));
}

/* A MarkPath: a bit for each step that a view of it can be. */
static uint32
mark_path(void *context, Span path)
{
	const Funnel *funnel = context;
	uint32		  steps = 0;

	for (int i = 0; i < funnel->step_count; i++)
	{
		if (span_is_like(path, funnel->steps[i]))
			steps |= 1u << i;
	}
	return steps;
}

/* A TakeChosenView. */
static void
take_view(void *context, const SessionViews *session, const SessionView *view)
{
	Funnel *funnel = context;

	if (view->mark == 0)
		return;
	if (funnel->count == funnel->capacity)
	{
		funnel->capacity *= 2;
		funnel->views = repalloc_huge(funnel->views, funnel->capacity * sizeof(StepView));
	}
	funnel->views[funnel->count] = (StepView){view->started_at, funnel->count, view->mark};
	funnel->count++;
}

static int
compare_views(const void *a, const void *b)
{
	const StepView *x = a;
	const StepView *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

/* Whether a view is not too late for a way that a view of the first step began. */
static bool
in_time(Funnel *funnel, TimestampTz entered, TimestampTz at)
{
	if (funnel->entered != entered)
	{
		funnel->holds_until = DatumGetTimestampTz(
			DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(entered),
								IntervalPGetDatum(funnel->within)));
		funnel->entered = entered;
	}
	return at <= funnel->holds_until;
}

/* The last step that the session reached; 0 if none. */
static int
session_depth(Funnel *funnel)
{
	/* Of those steps that were reached, the latest view of the first that led there. */
	TimestampTz entered[STEP_LIMIT];
	int			depth = 0;

	for (int i = 0; i < funnel->count; i++)
	{
		const StepView *view = &funnel->views[i];

		/* From the last to the first: a view is not two steps of one way. */
		for (int step = Min(depth, funnel->step_count - 1); step >= 0; step--)
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
	return depth;
}

/* A TakeChosenEnd. */
static void
take_end(void *context)
{
	Funnel *funnel = context;
	int		depth;

	CHECK_FOR_INTERRUPTS();
	/* On one site they are sorted already. */
	for (int i = 1; i < funnel->count; i++)
	{
		if (funnel->views[i].at < funnel->views[i - 1].at)
		{
			qsort(funnel->views, funnel->count, sizeof(StepView), compare_views);
			break;
		}
	}
	depth = session_depth(funnel);
	for (int step = 0; step < depth; step++)
		funnel->visitors[step]++;
	funnel->count = 0;
}

/* funnel_steps(since, until, site, filters, steps, within) */
Datum
pageviews_funnel_steps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ChosenQuery	   query = chosen_arguments(fcinfo);
	Funnel		   funnel = {.entered = DT_NOBEGIN, .capacity = 16};

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(4) || PG_ARGISNULL(5))
		PG_RETURN_NULL();
	read_steps(&funnel, PG_GETARG_ARRAYTYPE_P(4));
	funnel.within = PG_GETARG_INTERVAL_P(5);
	funnel.views = palloc_array(StepView, funnel.capacity);
	query.mark = mark_path;
	chosen_read(&query, take_view, take_end, &funnel);
	for (int i = 0; i < funnel.step_count; i++)
	{
		Datum values[] = {Int32GetDatum(i + 1), funnel.pages[i], Int64GetDatum(funnel.visitors[i])};
		bool  nulls[] = {false, false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_NULL();
}
