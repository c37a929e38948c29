/*
 * visitors.c
 *	  count_visitors(): how many sessions there are in some sketches.
 */
#include "postgres.h"

#include "fmgr.h"

#include "sketch.h"

PG_FUNCTION_INFO_V1(pageviews_estimate_visitors);
PG_FUNCTION_INFO_V1(pageviews_merge_visitors);

/* merge_visitors(state, sketch): the transition of count_visitors() */
Datum
pageviews_merge_visitors(PG_FUNCTION_ARGS)
{
	MemoryContext memory;
	MemoryContext caller;
	Sketch		 *sketch;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "merge_visitors() was called outside of an aggregate");
	caller = MemoryContextSwitchTo(memory);
	sketch = PG_ARGISNULL(0) ? palloc0(sizeof *sketch) : (Sketch *) PG_GETARG_POINTER(0);
	if (!PG_ARGISNULL(1))
	{
		bytea		  *bytes = PG_GETARG_BYTEA_PP(1);
		StringInfoData from = {VARDATA_ANY(bytes), (int) VARSIZE_ANY_EXHDR(bytes),
							   (int) VARSIZE_ANY_EXHDR(bytes), 0};

		sketch_read(sketch, &from);
	}
	MemoryContextSwitchTo(caller);
	PG_RETURN_POINTER(sketch);
}

/* estimate_visitors(state): the end of count_visitors() */
Datum
pageviews_estimate_visitors(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(PG_ARGISNULL(0) ? 0 : sketch_estimate((Sketch *) PG_GETARG_POINTER(0)));
}
