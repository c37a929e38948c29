/*
 * rollup_remake.c
 *	  Makes marked hours again from the views, and packs of days and what is longer.
 *
 * A change to one view can move the start of a visit, hours away.  So the hours
 * that are made again are those that are marked, those of all views of visits
 * that touch one of these, and those of all views of a session that is marked.
 */
#include "rollup_private.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "history.h"
#include "packing.h"
#include "packs.h"
#include "sql.h"

/* Marked hours that are taken at a time. */
#define HOURS_AT_A_TIME 6

/*
 * A day is closed a while after its end, a week with its last day, a month when no
 * view of it is accepted any more, a quarter of a year with its last month.
 */
#define DAY_PATIENCE	 (2 * USECS_PER_HOUR)
#define MONTH_PATIENCE	 (8 * USECS_PER_DAY)
#define CLOSES_AT_A_TIME 31

/* What take_touched() gathers. */
typedef struct Touched
{
	const Hours	 *marked;
	int64		  timeout;
	MemoryContext memory;
	Hours		 *hours;
} Touched;

static int
compare_hours(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return x < y ? -1 : x > y;
}

bool
hours_have(const Hours *hours, TimestampTz hour)
{
	return bsearch(&hour, hours->at, hours->count, sizeof *hours->at, compare_hours) != NULL;
}

static void
add_hour(Hours *hours, TimestampTz hour)
{
	if (hours->count > 0 && hours->at[hours->count - 1] == hour)
		return;
	if (hours->count == hours->capacity)
	{
		hours->capacity = Max(hours->capacity * 2, 64);
		hours->at = hours->at == NULL ? palloc_array(TimestampTz, hours->capacity)
									  : repalloc_array(hours->at, TimestampTz, hours->capacity);
	}
	hours->at[hours->count++] = hour;
}

/* Sorts, and leaves each hour once. */
static void
sort_hours(Hours *hours)
{
	int kept = 0;

	qsort(hours->at, hours->count, sizeof *hours->at, compare_hours);
	for (int i = 0; i < hours->count; i++)
	{
		if (kept == 0 || hours->at[kept - 1] != hours->at[i])
			hours->at[kept++] = hours->at[i];
	}
	hours->count = kept;
}

/* --- marked hours ------------------------------------------------------------------ */

/* A TakeSession: the hours that a change of a marked one may have changed. */
static void
take_touched(void *context, const SessionViews *views)
{
	Touched		 *touched = context;
	bool		 *entries = palloc_array(bool, views->count + 1);
	MemoryContext caller;

	visits_entries(views, AFTER, touched->timeout, entries);
	caller = MemoryContextSwitchTo(touched->memory);
	for (int first = 0, end; first < views->count; first = end)
	{
		bool touches = false;

		for (end = first; end < views->count && (end == first || !entries[end]); end++)
			touches = touches || hours_have(touched->marked,
											level_start(LEVEL_HOUR, views->views[end].started_at));
		for (int i = first; touches && i < end; i++)
			add_hour(touched->hours, level_start(LEVEL_HOUR, views->views[i].started_at));
	}
	MemoryContextSwitchTo(caller);
}

static ArrayType *
array_of_hours(const Hours *hours)
{
	Datum *elements = palloc_array(Datum, hours->count);

	for (int i = 0; i < hours->count; i++)
		elements[i] = TimestampTzGetDatum(hours->at[i]);
	return construct_array(elements, hours->count, TIMESTAMPTZOID, sizeof(TimestampTz),
						   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

static Hours
hours_of_array(ArrayType *array)
{
	Hours  hours = {NULL, 0, 0};
	Datum *elements;
	int	   count;

	deconstruct_array(array, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, NULL, &count);
	for (int i = 0; i < count; i++)
		add_hour(&hours, DatumGetTimestampTz(elements[i]));
	return hours;
}

/* The sessions with a view in any of these hours; NULL: none. */
static ArrayType *
sessions_of_hours(const Hours *hours)
{
	Oid		   type = TIMESTAMPTZARRAYOID;
	Datum	   value = PointerGetDatum(array_of_hours(hours));
	bool	   null;
	Datum	   sessions;
	ArrayType *found;

	sql_select("SELECT array_agg(DISTINCT v.session_id) FROM unnest($1) AS h (hour)"
			   " JOIN pageviews.views AS v"
			   " ON v.started_at >= h.hour AND v.started_at < h.hour + interval '1 hour'",
			   1, &type, &value, NULL);
	sessions = sql_value(0, 1, &null);
	found = null ? NULL : DatumGetArrayTypePCopy(sessions);
	SPI_freetuptable(SPI_tuptable);
	return found;
}

static HistoryQuery
query_of(const RollupState *state, ArrayType *sessions, TimestampTz since, TimestampTz until)
{
	return (HistoryQuery){.since = since,
						  .until = until,
						  .sessions = sessions,
						  .origins = true,
						  .traits = true,
						  .changes = true,
						  .before_until = DT_NOBEGIN,
						  .after_until = state->rolled_until,
						  .consumed = state->consuming,
						  .consumed_since = state->consuming_since};
}

/* Adds the hours of all views of sessions; they may be a robot's, which the history leaves out. */
static void
add_hours_of_sessions(Hours *hours, ArrayType *sessions)
{
	Oid	   type = UUIDARRAYOID;
	Datum  value = PointerGetDatum(sessions);
	bool   null;
	uint64 count = sql_select("SELECT DISTINCT date_trunc('hour', v.started_at, 'UTC')"
							  " FROM pageviews.views AS v WHERE v.session_id = ANY ($1)",
							  1, &type, &value, NULL);

	for (uint64 i = 0; i < count; i++)
		add_hour(hours, DatumGetTimestampTz(sql_value(i, 1, &null)));
	SPI_freetuptable(SPI_tuptable);
}

/* Adds the hours that may have changed with the marked ones, and with marked sessions. */
static void
add_touched(const RollupState *state, Hours *hours, ArrayType *marked_sessions)
{
	Hours		 marked = *hours;
	Touched		 touched = {.marked = &marked,
							.timeout = visits_rules().timeout,
							.memory = CurrentMemoryContext,
							.hours = hours};
	HistoryQuery query = query_of(state, sessions_of_hours(&marked), marked.at[0] - HISTORY_REACH,
								  marked.at[marked.count - 1] + USECS_PER_HOUR + HISTORY_REACH);

	marked.at = palloc_array(TimestampTz, marked.count);
	memcpy(marked.at, hours->at, marked.count * sizeof *marked.at);
	if (query.sessions != NULL)
		history_read(&query, take_touched, &touched);
	if (marked_sessions != NULL)
		add_hours_of_sessions(hours, marked_sessions);
	sort_hours(hours);
}

/* A TakeSession: what a session adds to the hours that are made. */
static void
take_session(void *context, const SessionViews *views)
{
	RollupTally *tally = context;
	VisitRules	 rules = visits_rules();

	tally->site = views->site;
	tally->sign = 1;
	visits_tell(views, AFTER, &rules, rollup_tally, tally);
}

/* Makes the packs of a level again that hours lie in, which are sorted. */
static void
merge_again(const RollupState *state, Level level, const Hours *hours)
{
	Hours stretches = {NULL, 0, 0};

	for (int i = 0; i < hours->count; i++)
		add_hour(&stretches, level_start(level, hours->at[i]));
	for (int i = 0; i < stretches.count; i++)
	{
		if (stretches.at[i] < rollup_packs_until(state, level))
			packs_merge(level, stretches.at[i]);
	}
}

/* Makes hours again, which are sorted, and the days and what is longer that they are in. */
static void
remake_hours(const RollupState *state, const Hours *hours)
{
	MemoryContext memory =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews roll-up", ALLOCSET_DEFAULT_SIZES);
	RollupTally tally = {
		.cells = cells_new(memory), .memory = memory, .state = state, .hours = hours};
	HistoryQuery query = query_of(state, sessions_of_hours(hours), hours->at[0] - HISTORY_REACH,
								  hours->at[hours->count - 1] + USECS_PER_HOUR + HISTORY_REACH);
	Hours		 quarters = {NULL, 0, 0};

	for (int i = 0; i < hours->count; i++)
	{
		for (int k = 0; k < 4; k++)
			add_hour(&quarters, hours->at[i] + k * 15 * USECS_PER_MINUTE);
	}
	packs_remove(LEVEL_QUARTER_HOUR, quarters.at, quarters.count);
	packs_remove(LEVEL_HOUR, hours->at, hours->count);
	if (query.sessions != NULL)
		history_read(&query, take_session, &tally);
	packs_add(tally.cells);
	for (Level level = LEVEL_DAY; level < LEVEL_COUNT; level++)
		merge_again(state, level, hours);
	MemoryContextDelete(memory);
}

/* Leaves the hours that can be made: with views, and rolled up before. */
static void
keep_possible(const RollupState *state, Hours *hours)
{
	int kept = 0;

	for (int i = 0; i < hours->count; i++)
	{
		if (hours->at[i] >= state->raw_since && hours->at[i] < state->rolled_until)
			hours->at[kept++] = hours->at[i];
	}
	hours->count = kept;
}

bool
rollup_remake(const RollupState *state)
{
	Oid	  types[] = {TIMESTAMPTZOID, INT4OID};
	Datum values[] = {TimestampTzGetDatum(state->rolled_until), Int32GetDatum(HOURS_AT_A_TIME)};
	Oid	  marks_type = INT8ARRAYOID;
	Datum marks;
	bool  null;
	Hours hours = {NULL, 0, 0};
	ArrayType *sessions = NULL;
	Datum	   value;

	sql_select(
		"WITH h AS (SELECT DISTINCT hour FROM pageviews.rollup_marks WHERE hour < $1"
		" ORDER BY hour LIMIT $2)"
		" SELECT array_agg(DISTINCT m.hour ORDER BY m.hour), array_agg(DISTINCT m.session_id)"
		" FILTER (WHERE m.session_id IS NOT NULL), array_agg(m.mark_id)"
		" FROM pageviews.rollup_marks AS m WHERE m.hour IN (SELECT h.hour FROM h)",
		2, types, values, NULL);
	value = sql_value(0, 1, &null);
	if (null)
		return false;
	hours = hours_of_array(DatumGetArrayTypeP(value));
	if (hours.count == 0)
		return false;
	value = sql_value(0, 2, &null);
	if (!null)
		sessions = DatumGetArrayTypePCopy(value);
	marks = PointerGetDatum(DatumGetArrayTypePCopy(sql_value(0, 3, &null)));

	add_touched(state, &hours, sessions);
	packing_forget_hours(&hours);
	keep_possible(state, &hours);
	if (hours.count > 0)
		remake_hours(state, &hours);
	sql_execute(NULL, "DELETE FROM pageviews.rollup_marks WHERE mark_id = ANY ($1)", 1, &marks_type,
				&marks);
	/* Those that were taken are still there, in this snapshot. */
	values[1] = marks;
	types[1] = INT8ARRAYOID;
	return sql_select("SELECT FROM pageviews.rollup_marks WHERE hour < $1 AND mark_id <> ALL ($2)"
					  " LIMIT 1",
					  2, types, values, NULL) > 0;
}

/* --- days and what is longer ---------------------------------------------------------------- */

/* Makes the next packs of a level, if they end in time; `until` is how far they are. */
static bool
close_next(Level level, TimestampTz *until, TimestampTz in_time)
{
	TimestampTz end = level_end(level, *until);

	if (end > in_time)
		return false;
	packs_merge(level, *until);
	*until = end;
	return true;
}

bool
rollup_close(RollupState *state)
{
	for (int left = CLOSES_AT_A_TIME; left > 0; left--)
	{
		CHECK_FOR_INTERRUPTS();
		if (!close_next(LEVEL_DAY, &state->days_until, state->rolled_until - DAY_PATIENCE) &&
			!close_next(LEVEL_WEEK, &state->weeks_until, state->days_until) &&
			!close_next(LEVEL_MONTH, &state->months_until,
						Min(state->days_until, state->rolled_until - MONTH_PATIENCE)) &&
			!close_next(LEVEL_QUARTER_YEAR, &state->quarters_until, state->months_until))
			return false;
	}
	return true;
}
