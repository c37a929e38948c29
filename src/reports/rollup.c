/*
 * rollup.c
 *	  Announces and applies roll-ups, see rollup.h.
 *
 * What is applied is a difference: for each session that has views between
 * rolled_until and announced_until, or changes to be consumed, its visits and
 * views are told twice, as they were rolled up, to be taken away, and as they are
 * to be, to be added.  Sessions that did not change cost nothing but their
 * reading.  A visitor cannot be taken out of a sketch; that is needed only when a
 * late view becomes the first of a visit, and then the hour is marked.
 */
#include "rollup_private.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "../worker/board.h"
#include "../worker/settings.h"
#include "history.h"
#include "marks.h"
#include "packing.h"
#include "packs.h"
#include "sql.h"

PG_FUNCTION_INFO_V1(pageviews_rebuild_rollups);
PG_FUNCTION_INFO_V1(pageviews_roll_up);

/*
 * Changes of views of closed days, whose packs are large, are applied when there
 * are so many, or the first is so old; all others with the next roll-up.
 */
#define CHANGES_ENOUGH	200
#define CHANGES_OLD_SQL "interval '1 hour'"

/* Views that one application should take, about. */
#define VIEWS_ENOUGH 50000

/* How much time the next one takes; grows while there is little in it. */
static int64 step = USECS_PER_HOUR;

Oid
rollup_state_table(void)
{
	return get_relname_relid("rollup_state", get_namespace_oid("pageviews", false));
}

void
rollup_read_state(RollupState *state)
{
	bool null;

	if (sql_select("SELECT rolled_until, announced_until, generation, consuming, consuming_since,"
				   " days_until, weeks_until, months_until, quarters_until, raw_since,"
				   " visit_timeout, bounce_engagement FROM pageviews.rollup_state",
				   0, NULL, NULL, NULL) != 1)
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("table pageviews.rollup_state has no row"),
				errhint("INSERT INTO pageviews.rollup_state (visit_timeout, bounce_engagement)"
						" VALUES (1800, 10000)."));
	state->rolled_until = DatumGetTimestampTz(sql_value(0, 1, &null));
	state->announced_until = DatumGetTimestampTz(sql_value(0, 2, &null));
	state->generation = DatumGetInt64(sql_value(0, 3, &null));
	state->consuming = DatumGetInt64(sql_value(0, 4, &null));
	state->consuming_since = DatumGetTimestampTz(sql_value(0, 5, &null));
	state->days_until = DatumGetTimestampTz(sql_value(0, 6, &null));
	state->weeks_until = DatumGetTimestampTz(sql_value(0, 7, &null));
	state->months_until = DatumGetTimestampTz(sql_value(0, 8, &null));
	state->quarters_until = DatumGetTimestampTz(sql_value(0, 9, &null));
	state->raw_since = DatumGetTimestampTz(sql_value(0, 10, &null));
	state->visit_timeout = DatumGetInt32(sql_value(0, 11, &null));
	state->bounce_engagement = DatumGetInt32(sql_value(0, 12, &null));
	SPI_freetuptable(SPI_tuptable);
}

TimestampTz
rollup_packs_until(const RollupState *state, Level level)
{
	switch (level)
	{
		case LEVEL_DAY:
			return state->days_until;
		case LEVEL_WEEK:
			return state->weeks_until;
		case LEVEL_MONTH:
			return state->months_until;
		case LEVEL_QUARTER_YEAR:
			return state->quarters_until;
		default:
			return state->rolled_until;
	}
}

bool
rollup_settings_fit(const RollupState *state)
{
	return state->visit_timeout == setting_visit_timeout &&
		   state->bounce_engagement == setting_bounce_engagement;
}

static void
write_state(const RollupState *state)
{
	Oid	  types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,		 INT8OID,
					 TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
					 TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID,		 INT4OID};
	Datum values[] = {TimestampTzGetDatum(state->rolled_until),
					  TimestampTzGetDatum(state->announced_until),
					  Int64GetDatum(state->generation),
					  Int64GetDatum(state->consuming),
					  TimestampTzGetDatum(state->consuming_since),
					  TimestampTzGetDatum(state->days_until),
					  TimestampTzGetDatum(state->weeks_until),
					  TimestampTzGetDatum(state->months_until),
					  TimestampTzGetDatum(state->quarters_until),
					  TimestampTzGetDatum(state->raw_since),
					  Int32GetDatum(state->visit_timeout),
					  Int32GetDatum(state->bounce_engagement)};

	sql_execute(
		NULL,
		"UPDATE pageviews.rollup_state SET rolled_until = $1, announced_until = $2,"
		" generation = $3, consuming = $4, consuming_since = $5, days_until = $6,"
		" weeks_until = $7, months_until = $8, quarters_until = $9,"
		" raw_since = greatest(raw_since, $10), visit_timeout = $11, bounce_engagement = $12",
		lengthof(types), types, values);
}

/* --- announcing ------------------------------------------------------------------ */

/* When the first view began that there is since a time; false if there is none. */
static bool
first_view(TimestampTz since, TimestampTz *first)
{
	Oid	  type = TIMESTAMPTZOID;
	Datum value = TimestampTzGetDatum(since);
	bool  null;
	Datum found;

	sql_select("SELECT min(started_at) FROM pageviews.views"
			   " WHERE started_at >= $1 AND started_at > '-infinity'",
			   1, &type, &value, NULL);
	found = sql_value(0, 1, &null);
	if (!null)
		*first = DatumGetTimestampTz(found);
	return !null;
}

/*
 * The month that the first partition of views begins with; false if there is none.
 * What is rolled up of before it has outlived its views.
 */
static bool
first_partition(TimestampTz *month)
{
	bool  null;
	Datum found;

	sql_select("SELECT date_trunc('month', min(coalesce((regexp_match(pg_get_expr(c.relpartbound,"
			   " c.oid), 'FROM \\(''([^'']+)''\\)'))[1]::timestamptz, '-infinity')), 'UTC')"
			   " FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
			   " WHERE i.inhparent = 'pageviews.views'::regclass",
			   0, NULL, NULL, NULL);
	found = sql_value(0, 1, &null);
	if (!null)
		*month = DatumGetTimestampTz(found);
	return !null;
}

/*
 * Whether there are packs of before a month.  Weeks and quarters do not count, which
 * may begin before the month that they have views of.
 */
static bool
packs_before(TimestampTz month)
{
	Oid	  types[] = {TIMESTAMPTZOID, INT2ARRAYOID};
	Datum levels[] = {Int16GetDatum(LEVEL_HOUR), Int16GetDatum(LEVEL_DAY),
					  Int16GetDatum(LEVEL_MONTH)};
	Datum values[] = {TimestampTzGetDatum(month),
					  PointerGetDatum(construct_array(levels, lengthof(levels), INT2OID,
													  sizeof(int16), true, TYPALIGN_SHORT))};

	return sql_select(
			   "SELECT FROM pageviews.rollups WHERE bucket < $1 AND level = ANY ($2) LIMIT 1",
			   lengthof(types), types, values, NULL) > 0;
}

/*
 * Begins, or begins again: with the first view that there is.  What is older than
 * the views that were dropped, or than any partition, stays, as a dump brings it;
 * everything else is made again.  Packed days go, whatever there is.  False when
 * there is no view.
 */
static bool
begin(RollupState *state)
{
	TimestampTz first;
	TimestampTz month;
	Oid			type = TIMESTAMPTZOID;
	Datum		value;

	packing_forget_all();
	if (first_partition(&month) && month > state->raw_since && packs_before(month))
		state->raw_since = month;
	if (!first_view(state->raw_since, &first))
		return false;
	month =
		TIMESTAMP_IS_NOBEGIN(state->raw_since) ? level_start(LEVEL_MONTH, first) : state->raw_since;
	state->days_until = state->months_until = month;
	/* What the month begins in the midst of is made again whole, of what is before it, too. */
	state->weeks_until = level_start(LEVEL_WEEK, month);
	state->quarters_until = level_start(LEVEL_QUARTER_YEAR, month);
	/* Nothing is to happen between these and the first view. */
	state->rolled_until = state->announced_until = level_start(LEVEL_HOUR, first);
	state->visit_timeout = setting_visit_timeout;
	state->bounce_engagement = setting_bounce_engagement;
	value = TimestampTzGetDatum(state->raw_since);
	sql_execute(NULL, "DELETE FROM pageviews.rollups WHERE bucket >= $1", 1, &type, &value);
	return true;
}

/* Whether there is a change of a view that began since a time. */
static bool
changes_since(TimestampTz since)
{
	Oid	  type = TIMESTAMPTZOID;
	Datum value = TimestampTzGetDatum(since);

	return sql_select("SELECT FROM pageviews.rollup_changes WHERE started_at >= $1 LIMIT 1", 1,
					  &type, &value, NULL) > 0;
}

/* Whether the changes of views of closed days should be applied. */
static bool
old_changes_are_due(const RollupState *state)
{
	Oid	  type = TIMESTAMPTZOID;
	Datum value = TimestampTzGetDatum(state->days_until);
	bool  null;
	Datum due;

	sql_select("SELECT count(*) >= " CppAsString2(
				   CHANGES_ENOUGH) " OR min(changed_at) < clock_timestamp() - " CHANGES_OLD_SQL
								   " FROM pageviews.rollup_changes WHERE started_at < $1",
			   1, &type, &value, NULL);
	due = sql_value(0, 1, &null);
	return !null && DatumGetBool(due);
}

static bool
marks_are_there(const RollupState *state)
{
	Oid	  type = TIMESTAMPTZOID;
	Datum value = TimestampTzGetDatum(state->rolled_until);

	return sql_select("SELECT FROM pageviews.rollup_marks WHERE hour < $1 LIMIT 1", 1, &type,
					  &value, NULL) > 0;
}

/*
 * Keeps batches of the store away, and whoever else rolls up or packs, who may take
 * long and is waited for first: a batch that comes meanwhile does not wait for us.
 */
static void
hold_everybody_off(void)
{
	LockRelationOid(rollup_state_table(), ShareUpdateExclusiveLock);
	LockRelationOid(rollup_state_table(), ExclusiveLock);
}

bool
rollup_announce(TimestampTz until)
{
	RollupState state;
	bool		changed = false;

	/* No batch is under way now, and the next one will see what we say. */
	hold_everybody_off();
	PushActiveSnapshot(GetLatestSnapshot());
	rollup_read_state(&state);
	if (state.announced_until > state.rolled_until || state.consuming > 0)
	{
		PopActiveSnapshot();
		return true;
	}
	/* With other settings there are other visits. */
	if (TIMESTAMP_IS_NOBEGIN(state.rolled_until) || !rollup_settings_fit(&state))
		changed = begin(&state);
	if (!TIMESTAMP_IS_NOBEGIN(state.rolled_until) && until > state.rolled_until)
	{
		state.announced_until = Min(until, state.rolled_until + step);
		changed = true;
	}
	state.consuming_since = old_changes_are_due(&state) ? DT_NOBEGIN : state.days_until;
	if (changes_since(state.consuming_since))
	{
		state.consuming = state.generation++;
		changed = true;
	}
	if (changed)
		write_state(&state);
	changed = changed || marks_are_there(&state);
	PopActiveSnapshot();
	return changed;
}

/* --- applying -------------------------------------------------------------------- */

void
rollup_tally(void *context, const Contribution *contribution)
{
	RollupTally	 *tally = context;
	MemoryContext caller = MemoryContextSwitchTo(tally->memory);
	TimestampTz	  at = contribution->at;

	if (tally->hours != NULL && !hours_have(tally->hours, level_start(LEVEL_HOUR, at)))
	{
		MemoryContextSwitchTo(caller);
		return;
	}
	for (Level level = level_smallest(contribution->dimension); level < LEVEL_COUNT; level++)
	{
		CellKey key = {.at = level_start(level, at),
					   .span = (int32) level,
					   .dimension = contribution->dimension,
					   .site = tally->site,
					   .value = contribution->value};
		Cell   *cell;

		if (level >= LEVEL_DAY &&
			(tally->hours != NULL || at >= rollup_packs_until(tally->state, level)))
			continue;
		cell = cells_get(tally->cells, &key);
		for (int i = 0; i < COUNTER_COUNT; i++)
			cell->counters[i] += tally->sign * contribution->counters[i];
		if (contribution->bucket >= 0)
			histogram_add(&cell->engagement, contribution->bucket, tally->sign);
		if (contribution->visitor != 0 && tally->sign > 0)
			sketch_add(&cell->visitors, contribution->visitor);
	}
	MemoryContextSwitchTo(caller);
}

/* Marks the hours of entries that are lost, because their visitors stay in the sketches. */
static void
mark_lost_entries(const SessionViews *views, int64 timeout)
{
	bool *lost = palloc_array(bool, views->count);

	visits_lost_entries(views, timeout, lost);
	for (int i = 0; i < views->count; i++)
	{
		if (lost[i])
			marks_add(level_start(LEVEL_HOUR, views->views[i].started_at), views->session);
	}
}

/* A TakeSession: the difference that a session makes. */
static void
take_difference(void *context, const SessionViews *views)
{
	RollupTally *tally = context;
	VisitRules	 rules = visits_rules();

	if (visits_same(views))
		return;
	tally->site = views->site;
	tally->sign = -1;
	visits_tell(views, BEFORE, &rules, rollup_tally, tally);
	mark_lost_entries(views, rules.timeout);
	tally->sign = 1;
	visits_tell(views, AFTER, &rules, rollup_tally, tally);
}

/* The sessions that may make a difference, and when the first view of it began; NULL: none. */
static ArrayType *
find_sessions(const RollupState *state, TimestampTz *since, uint64 *count)
{
	Oid		   types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID};
	Datum	   values[] = {TimestampTzGetDatum(state->rolled_until),
						   TimestampTzGetDatum(state->announced_until), Int64GetDatum(state->consuming),
						   TimestampTzGetDatum(state->consuming_since)};
	Datum	   sessions;
	bool	   null;
	ArrayType *found = NULL;

	sql_select("SELECT array_agg(DISTINCT d.session_id), min(d.started_at), count(*) FROM ("
			   "SELECT v.session_id, v.started_at FROM pageviews.views AS v"
			   " WHERE v.started_at >= $1 AND v.started_at < $2 "
			   "UNION ALL SELECT c.session_id, c.started_at FROM pageviews.rollup_changes AS c"
			   "  WHERE c.generation <= $3 AND c.started_at >= $4) AS d",
			   4, types, values, NULL);
	sessions = sql_value(0, 1, &null);
	if (!null)
	{
		found = DatumGetArrayTypePCopy(sessions);
		*since = DatumGetTimestampTz(sql_value(0, 2, &null));
		*count = (uint64) DatumGetInt64(sql_value(0, 3, &null));
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* Adds the differences to the packs; returns how many views there were to look at. */
static uint64
apply_differences(const RollupState *state)
{
	HistoryQuery  query = {.until = state->announced_until,
						   .origins = true,
						   .traits = true,
						   .changes = true,
						   .before_until = state->rolled_until,
						   .after_until = state->announced_until,
						   .consumed = state->consuming,
						   .consumed_since = state->consuming_since};
	MemoryContext memory =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews roll-up", ALLOCSET_DEFAULT_SIZES);
	RollupTally tally = {.cells = cells_new(memory), .memory = memory, .state = state};
	uint64		count = 0;

	query.sessions = find_sessions(state, &query.since, &count);
	if (query.sessions != NULL)
	{
		query.since = Min(query.since, state->rolled_until) - HISTORY_REACH;
		history_read(&query, take_difference, &tally);
		packs_add(tally.cells);
	}
	MemoryContextDelete(memory);
	return count;
}

/* Takes away the marks of hours of which nothing was rolled up yet: what is there now is read later. */
static void
remove_early_marks(const RollupState *state)
{
	Oid	  types[] = {TIMESTAMPTZOID, INT8ARRAYOID};
	Datum value = TimestampTzGetDatum(state->rolled_until);
	bool  null;
	Datum marks;

	sql_select("SELECT array_agg(mark_id) FROM pageviews.rollup_marks WHERE hour >= $1", 1, types,
			   &value, NULL);
	marks = sql_value(0, 1, &null);
	if (!null)
		sql_execute(NULL, "DELETE FROM pageviews.rollup_marks WHERE mark_id = ANY ($1)", 1,
					&types[1], &marks);
}

bool
rollup_apply(TimestampTz until)
{
	RollupState state;
	uint64		views;
	Oid			types[] = {INT8OID, TIMESTAMPTZOID};
	Datum		consumed[2];
	bool		more;

	/* One at a time; the store does not wait for this. */
	LockRelationOid(rollup_state_table(), ShareUpdateExclusiveLock);
	PushCopiedSnapshot(GetLatestSnapshot());
	rollup_read_state(&state);
	if (TIMESTAMP_IS_NOBEGIN(state.rolled_until))
	{
		PopActiveSnapshot();
		return false;
	}
	marks_taken();
	remove_early_marks(&state);
	views = apply_differences(&state);
	if (views > VIEWS_ENOUGH)
		step = Max(step / 2, USECS_PER_MINUTE);
	else if (views < VIEWS_ENOUGH / 4)
		step = Min(step * 2, USECS_PER_DAY);

	/* What follows sees what we did, and of others only what it saw before. */
	CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
	state.rolled_until = state.announced_until;
	more = rollup_remake(&state);
	packing_note_changes(&state);
	consumed[0] = Int64GetDatum(state.consuming);
	consumed[1] = TimestampTzGetDatum(state.consuming_since);
	sql_execute(NULL,
				"DELETE FROM pageviews.rollup_changes WHERE generation <= $1 AND started_at >= $2",
				lengthof(types), types, consumed);
	state.consuming = 0;
	more = rollup_close(&state) || more;
	write_state(&state);
	PopActiveSnapshot();
	return more || state.rolled_until < until;
}

bool
rollup_pack(bool at_once)
{
	RollupState state;
	bool		more;

	LockRelationOid(rollup_state_table(), ShareUpdateExclusiveLock);
	PushActiveSnapshot(GetLatestSnapshot());
	rollup_read_state(&state);
	more = !TIMESTAMP_IS_NOBEGIN(state.rolled_until) && packing_pack(&state, at_once);
	PopActiveSnapshot();
	return more;
}

static void
must_not_be_standby(void)
{
	if (RecoveryInProgress())
		ereport(ERROR, errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				errmsg("cannot roll up on a standby"),
				errhint("It has the roll-ups of its primary."));
}

/* rebuild_rollups(): begins again. */
Datum
pageviews_rebuild_rollups(PG_FUNCTION_ARGS)
{
	RollupState state;

	must_not_be_standby();
	SPI_connect();
	hold_everybody_off();
	PushActiveSnapshot(GetLatestSnapshot());
	rollup_read_state(&state);
	if (begin(&state))
		write_state(&state);
	PopActiveSnapshot();
	SPI_finish();
	board_note_mark();
	PG_RETURN_VOID();
}

/* roll_up(until): everything at once, in the caller's transaction; nothing of what is still to come. */
Datum
pageviews_roll_up(PG_FUNCTION_ARGS)
{
	TimestampTz until = PG_ARGISNULL(0) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(0);
	bool		more = true;

	until = Min(until, GetCurrentTimestamp());
	must_not_be_standby();
	while (more)
	{
		CHECK_FOR_INTERRUPTS();
		/* A connection for each step: what a step allocates goes with it. */
		SPI_connect();
		more = rollup_announce(until) && rollup_apply(until);
		SPI_finish();
	}
	for (more = true; more;)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_connect();
		more = rollup_pack(true);
		SPI_finish();
	}
	PG_RETURN_VOID();
}
