/*
 * retention.c
 *	  cohorts(): how many sessions came again, by the period in which they came
 *	  first.
 *
 * A cohort is the sessions that came first in a period: when their row says, and
 * without one with the earliest of the views that count.  In memory are the
 * session that is read, and what was counted: no more than there are cohorts and
 * periods of which there is a visitor.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "chosen.h"

PG_FUNCTION_INFO_V1(pageviews_cohorts);

/* How many visitors of a cohort there were in a period. */
typedef struct Return
{
	uint64 key; /* return_key() */
	int64  visitors;
	char   status;
} Return;

#define SH_PREFIX		returns
#define SH_ELEMENT_TYPE Return
#define SH_KEY_TYPE		uint64
#define SH_KEY			key
#define SH_HASH_KEY(t, k) \
	hash_combine(murmurhash32((uint32) ((k) >> 32)), murmurhash32((uint32) (k)))
#define SH_EQUAL(t, a, b) ((a) == (b))
#define SH_SCOPE		  static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Retention
{
	TimestampTz	  since;
	TimestampTz	 *starts; /* of the periods */
	int			  count;
	int64		 *sizes; /* of the cohorts */
	returns_hash *returns;

	/* Of the session: the periods in which it was there, and the earliest of its views. */
	int		   *seen;
	int			seen_count;
	bool	   *was_seen;
	TimestampTz earliest;
	TimestampTz created_at;
	bool		has_created_at;
} Retention;

static uint64
return_key(int cohort, int period)
{
	return (uint64) cohort << 32 | (uint32) period;
}

/* The period that a time is in, counted from 0; what lies outside is in the first or the last. */
static int
period_of(const Retention *retention, TimestampTz at)
{
	int from = 0;
	int until = retention->count;

	/* The last start that is not after it is in [from, until). */
	while (until - from > 1)
	{
		int middle = from + (until - from) / 2;

		if (retention->starts[middle] <= at)
			from = middle;
		else
			until = middle;
	}
	return from;
}

/* A MarkPath: paths do not matter. */
static uint32
mark_path(void *context, Span path)
{
	return 0;
}

/* A TakeChosenView. */
static void
take_view(void *context, const SessionViews *session, const SessionView *view)
{
	Retention *retention = context;
	int		   period = period_of(retention, view->started_at);

	if (retention->seen_count == 0)
	{
		retention->earliest = view->started_at;
		retention->created_at = session->created_at;
		retention->has_created_at = session->has_created_at;
	}
	retention->earliest = Min(retention->earliest, view->started_at);
	if (!retention->was_seen[period])
	{
		retention->was_seen[period] = true;
		retention->seen[retention->seen_count++] = period;
	}
}

/* A TakeChosenEnd. */
static void
take_end(void *context)
{
	Retention  *retention = context;
	TimestampTz first = retention->has_created_at ? retention->created_at : retention->earliest;
	bool		counts = first >= retention->since;
	int			cohort = period_of(retention, first);

	CHECK_FOR_INTERRUPTS();
	if (counts)
		retention->sizes[cohort]++;
	for (int i = 0; i < retention->seen_count; i++)
	{
		int	 period = retention->seen[i];
		bool found;

		retention->was_seen[period] = false;
		if (counts)
		{
			Return *entry = returns_insert(retention->returns, return_key(cohort, period), &found);

			entry->visitors = found ? entry->visitors + 1 : 1;
		}
	}
	retention->seen_count = 0;
}

/* Reads when the periods begin: in ascending order; raises where one is NULL. */
static void
read_starts(Retention *retention, ArrayType *array)
{
	Datum *elements;

	deconstruct_array(array, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, NULL, &retention->count);
	retention->starts = palloc_array(TimestampTz, Max(retention->count, 1));
	for (int i = 0; i < retention->count; i++)
		retention->starts[i] = DatumGetTimestampTz(elements[i]);
}

/* The rows: of each cohort that has a visitor its period and each one after it. */
static void
put_rows(const Retention *retention, ReturnSetInfo *result)
{
	for (int cohort = 0; cohort < retention->count; cohort++)
	{
		if (retention->sizes[cohort] == 0)
			continue;
		for (int period = cohort; period < retention->count; period++)
		{
			const Return *entry = returns_lookup(retention->returns, return_key(cohort, period));
			Datum		  values[] = {TimestampTzGetDatum(retention->starts[cohort]),
									  Int32GetDatum(period - cohort),
									  Int64GetDatum(retention->sizes[cohort]),
									  Int64GetDatum(entry == NULL ? 0 : entry->visitors)};
			bool		  nulls[] = {false, false, false, false};

			CHECK_FOR_INTERRUPTS();
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
}

/* cohorts(since, until, site, filters, starts) */
Datum
pageviews_cohorts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ChosenQuery	   query = chosen_arguments(fcinfo);
	Retention	   retention = {.since = query.since};

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(4))
		PG_RETURN_NULL();
	read_starts(&retention, PG_GETARG_ARRAYTYPE_P(4));
	query.created = true;
	query.mark = mark_path;
	if (retention.count == 0)
		query.until = query.since; /* no periods, no views */
	retention.sizes = palloc0_array(int64, Max(retention.count, 1));
	retention.seen = palloc_array(int, Max(retention.count, 1));
	retention.was_seen = palloc0_array(bool, Max(retention.count, 1));
	retention.returns = returns_create(CurrentMemoryContext, 64, NULL);
	chosen_read(&query, take_view, take_end, &retention);
	put_rows(&retention, result);
	PG_RETURN_NULL();
}
