/*
 * cells_report.c
 *	  cells(): what the reports are made of, from roll-ups and from views.
 *
 * The period is covered with packs as far as they go (cover.h); their cells are
 * added up.  Then come the sessions that have views where there is no pack, after
 * the roll-ups' end, or that changed since they were rolled up: what they add
 * where views are read is added, and where packs were taken, the difference that
 * rolling them up would make (rollup.h).  So a report is as the views are now,
 * however far the roll-ups are.
 *
 * What packs have in their details is read at the end, row by row.  Workers may do
 * that, and read views where everything comes from them, as filters want it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "cells_arguments.h"
#include "cells_report.h"
#include "filters.h"
#include "history.h"
#include "sql.h"

PG_FUNCTION_INFO_V1(pageviews_cells);

/* More than so much to be read from views is read by its time, less by its sessions. */
#define MUCH_RAW (6 * USECS_PER_HOUR)

static CellKey
make_key(const Report *report, int bucket, Span site)
{
	return (CellKey){.span = bucket,
					 .dimension = report->dimension,
					 .site = report->by_site ? site : (Span){NULL, 0}};
}

/* --- packs ------------------------------------------------------------------------ */

/* A copy of a bytea as the row has it: of one in TOAST, where that is. */
static bytea *
keep_stored(MemoryContext memory, Datum value)
{
	const bytea *stored = (const bytea *) DatumGetPointer(value);

	return memcpy(MemoryContextAlloc(memory, VARSIZE_ANY(stored)), stored, VARSIZE_ANY(stored));
}

/* Adds the packs of a level that began in [from, until). */
static void
add_packs(Report *report, Level level, TimestampTz from, TimestampTz until)
{
	const Oid	types[] = {INT2OID, INT2OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID};
	const Datum values[] = {Int16GetDatum(report->dimension), Int16GetDatum(level),
							TimestampTzGetDatum(from), TimestampTzGetDatum(until),
							PointerGetDatum(report->site)};
	const char	nulls[] = {' ', ' ', ' ', ' ', report->site == NULL ? 'n' : ' '};
	uint64		count =
		sql_select(report->site == NULL
					   ? "SELECT bucket, site, counters, details FROM pageviews.rollups"
						 " WHERE dimension = $1 AND level = $2 AND bucket >= $3 AND bucket < $4"
					   : "SELECT bucket, site, counters, details FROM pageviews.rollups"
						 " WHERE dimension = $1 AND level = $2 AND bucket >= $3 AND bucket < $4"
						 " AND site = $5",
				   lengthof(types), types, values, nulls);

	for (uint64 i = 0; i < count; i++)
	{
		bool		   null;
		const Stretch *stretch =
			cover_find(&report->cover, DatumGetTimestampTz(sql_value(i, 1, &null)));
		Pack	pack = {DatumGetByteaPCopy(sql_value(i, 3, &null)), NULL};
		CellKey key;

		CHECK_FOR_INTERRUPTS();
		if (report->detail > DETAIL_COUNTERS)
			pack.details = keep_stored(report->memory, sql_value(i, 4, &null));
		key =
			make_key(report, stretch->bucket, span_of_text(DatumGetTextPP(sql_value(i, 2, &null))));
		cells_unpack(report->cells, &key, &pack);
		pfree(pack.counters);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Adds all packs of the cover, a query for each run of one level. */
static void
add_all_packs(Report *report)
{
	const Stretch *stretches = report->cover.stretches;
	int			   count = report->cover.count;

	for (int i = 0, end; i < count; i = end)
	{
		for (end = i + 1; end < count && !stretches[i].raw && !stretches[end].raw &&
						  stretches[end].level == stretches[i].level &&
						  stretches[end].from == stretches[end - 1].until;
			 end++)
			;
		if (!stretches[i].raw)
			add_packs(report, stretches[i].level, stretches[i].from, stretches[end - 1].until);
	}
}

/* --- views ------------------------------------------------------------------------ */

/* A TakeContribution. */
static void
take_contribution(void *context, const Contribution *contribution)
{
	Report		  *report = context;
	const Stretch *stretch = cover_find(&report->cover, contribution->at);
	int			   sign;
	MemoryContext  caller;
	CellKey		   key;
	Cell		  *cell;

	if (stretch == NULL)
		return;
	if (stretch->raw || contribution->at >= report->state.rolled_until)
		sign = report->raw ? 1 : 0;
	else
		sign = report->pack_sign;
	if (sign == 0)
		return;

	caller = MemoryContextSwitchTo(report->memory);
	key = make_key(report, stretch->bucket, report->session_site);
	key.value = contribution->value;
	cell = cells_get(report->cells, &key);
	for (int i = 0; i < COUNTER_COUNT; i++)
		cell->counters[i] += sign * contribution->counters[i];
	if (contribution->bucket >= 0)
		histogram_add(&cell->engagement, contribution->bucket, sign);
	if (contribution->visitor != 0 && sign > 0)
		sketch_add(&cell->visitors, contribution->visitor);
	MemoryContextSwitchTo(caller);
}

/* Notes the hours whose packs have a visitor at an entry that is lost. */
static void
note_wrong_hours(Report *report, const SessionViews *views)
{
	bool *lost = palloc_array(bool, views->count);

	visits_lost_entries(views, report->rules.timeout, lost);
	for (int i = 0; i < views->count; i++)
	{
		const Stretch *stretch = cover_find(&report->cover, views->views[i].started_at);

		if (!lost[i] || stretch == NULL || stretch->raw)
			continue;
		if (report->wrong_count == report->wrong_capacity)
		{
			MemoryContext caller = MemoryContextSwitchTo(report->memory);
			TimestampTz	 *wrong;

			report->wrong_capacity = Max(report->wrong_capacity * 2, 16);
			wrong = palloc_array(TimestampTz, report->wrong_capacity);
			if (report->wrong_count > 0)
				memcpy(wrong, report->wrong, report->wrong_count * sizeof *wrong);
			report->wrong = wrong;
			MemoryContextSwitchTo(caller);
		}
		report->wrong[report->wrong_count++] = level_start(LEVEL_HOUR, views->views[i].started_at);
	}
}

/* A TakeSession. */
static void
take_session(void *context, const SessionViews *views)
{
	Report *report = context;
	bool	changed = report->rolled && !visits_same(views);

	if (report->sessions && !views->has_created_at)
		return;
	report->session_site = views->site;
	if (changed)
	{
		note_wrong_hours(report, views);
		report->pack_sign = -1;
		report->raw = false;
		visits_tell(views, BEFORE, &report->rules, take_contribution, report);
	}
	report->pack_sign = changed ? 1 : 0;
	report->raw = true;
	visits_tell(views, AFTER, &report->rules, take_contribution, report);
}

/* A stretch of time whose views' sessions count. */
typedef struct RawTime
{
	TimestampTz from;
	TimestampTz until;
} RawTime;

/*
 * The times in which views are read, in their order; returns how many.  The last
 * one may be what began after the roll-ups' end, beyond the period, too: it can
 * change visits that began in the period.
 */
static int
raw_times(const Report *report, RawTime **times)
{
	TimestampTz	 end = report->rolled ? report->state.rolled_until : DT_NOEND;
	const Cover *cover = &report->cover;
	int			 count = 0;

	*times = palloc_array(RawTime, cover->count + 1);
	for (int i = 0; i < cover->count; i++)
	{
		const Stretch *stretch = &cover->stretches[i];

		if (stretch->raw && stretch->from < end)
			(*times)[count++] = (RawTime){stretch->from, Min(stretch->until, end)};
	}
	if (report->rolled && cover->stretches[cover->count - 1].until > end - HISTORY_REACH)
		(*times)[count++] = (RawTime){end, LAST_TIME};
	return count;
}

/* Appends the sessions with a view that began in [from, until), or with a change, to an array. */
static void
gather_sessions(ArrayBuildState **sessions, const char *query, TimestampTz from, TimestampTz until,
				const Report *report)
{
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID};
	const Datum values[] = {TimestampTzGetDatum(from), TimestampTzGetDatum(until),
							PointerGetDatum(report->site)};
	const char	nulls[] = {' ', ' ', report->site == NULL ? 'n' : ' '};
	uint64		count = sql_select(query, lengthof(types), types, values, nulls);
	bool		null;

	for (uint64 i = 0; i < count; i++)
		*sessions = accumArrayResult(*sessions, sql_value(i, 1, &null), false, UUIDOID,
									 CurrentMemoryContext);
	SPI_freetuptable(SPI_tuptable);
}

static const char sessions_of_views[] =
	"SELECT DISTINCT v.session_id FROM pageviews.views AS v"
	" WHERE v.started_at >= $1 AND v.started_at < $2 AND ($3 IS NULL OR v.site = $3)";

static const char sessions_of_changes[] =
	"SELECT DISTINCT c.session_id FROM pageviews.rollup_changes AS c"
	" WHERE c.started_at >= $1 AND c.started_at < $2 AND ($3 IS NULL OR c.site = $3)";

/* Adds what has to be read from views. */
static void
add_views(Report *report)
{
	TimestampTz		 last = report->cover.stretches[report->cover.count - 1].until;
	RawTime			*times;
	int				 count = raw_times(report, &times);
	int64			 length = 0;
	ArrayBuildState *sessions = NULL;
	HistoryQuery	 query = {
			.since = report->part_since - HISTORY_REACH,
			.until = last + HISTORY_REACH,
			.wanted_since = report->part_since,
			.wanted_until = report->part_until,
			.site = report->site,
			.filters = report->filters,
			.origins = report->origins,
			.traits = report->traits,
			.created = report->sessions,
			.parts = PARTS_OF_VISITS,
			.changes = report->changes,
			.before_until = report->rolled ? report->state.rolled_until : DT_NOBEGIN,
			.after_until = DT_NOEND,
			.consumed = PG_INT64_MAX,
	};

	for (int i = 0; i < count; i++)
		length += Max(Min(times[i].until, last) - times[i].from, 0);
	report->read_much = report->read_much || length > MUCH_RAW;
	if (length > MUCH_RAW)
	{
		/* Changes count wherever they are; else nothing before the first of these times does. */
		if (!report->changes)
			query.since = Max(query.since, times[0].from - HISTORY_REACH);
		history_read(&query, take_session, report);
		return;
	}

	for (int i = 0; i < count; i++)
		gather_sessions(&sessions, sessions_of_views, times[i].from, times[i].until, report);
	if (report->changes)
		gather_sessions(&sessions, sessions_of_changes, query.since, query.until, report);
	if (sessions == NULL)
		return;
	query.sessions = DatumGetArrayTypeP(makeArrayResult(sessions, CurrentMemoryContext));
	history_read(&query, take_session, report);
}

/* --- both --------------------------------------------------------------------------- */

/* Raises for filters that are none, and notes what they and the dimension need. */
static void
check_filters(Report *report)
{
	filters_check(report->filters, &report->origins, &report->sessions);
	report->origins |= report->dimension == DIMENSION_ORIGIN;
	report->traits = report->sessions || report->dimension >= DIMENSION_FIRST_OF_SESSION;
}

void
report_begin(Report *report)
{
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	const Datum values[] = {
		TimestampTzGetDatum(report->bounds[0] - HISTORY_REACH - USECS_PER_HOUR),
		TimestampTzGetDatum(report->bounds[report->bound_count - 1] + HISTORY_REACH)};
	uint64 marks;
	bool   null;

	rollup_read_state(&report->state);
	report->rolled = report->filters == NULL && !TIMESTAMP_IS_NOBEGIN(report->state.rolled_until) &&
					 rollup_settings_fit(&report->state);
	if (!report->rolled)
	{
		report->state.rolled_until = DT_NOBEGIN;
		return;
	}
	report->changes =
		sql_select("SELECT FROM pageviews.rollup_changes LIMIT 1", 0, NULL, NULL, NULL) > 0;
	marks = sql_select("SELECT DISTINCT m.hour FROM pageviews.rollup_marks AS m"
					   " WHERE m.hour >= $1 AND m.hour < $2 ORDER BY m.hour",
					   2, types, values, NULL);
	report->marked = palloc_array(TimestampTz, Max(marks, 1));
	for (uint64 i = 0; i < marks; i++)
	{
		TimestampTz hour = DatumGetTimestampTz(sql_value(i, 1, &null));

		if (hour < report->state.rolled_until)
			report->marked[report->marked_count++] = hour;
	}
	SPI_freetuptable(SPI_tuptable);
}

void
report_add_period(Report *report)
{
	CoverRequest request = {.bounds = report->bounds,
							.bound_count = report->bound_count,
							.dimension = report->dimension,
							.state = report->rolled ? &report->state : NULL,
							.marked = report->marked,
							.marked_count = report->marked_count,
							.wrong = report->wrong,
							.wrong_count = report->wrong_count};

	report->cover = cover_make(&request);
	add_all_packs(report);
	add_views(report);
}

void
report_read(Report *report)
{
	int wrong;

	/* Once more where visitors of lost entries are in packs: those hours are read from views then. */
	do
	{
		wrong = report->wrong_count;
		report->cells = cells_new(report->memory);
		report_add_period(report);
	} while (report->wrong_count > wrong);
}

/* --- the function ----------------------------------------------------------------- */

/* cells(bounds, site, dimension, filters, by_site, wanted, counters_only) */
Datum
pageviews_cells(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Report	 report = {.memory = AllocSetContextCreate(CurrentMemoryContext, "pageviews report",
													   ALLOCSET_DEFAULT_SIZES)};
	CellRows rows;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	report.bounds = cells_bounds(PG_GETARG_ARRAYTYPE_P(0), &report.bound_count);
	report.site = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	report.dimension = cells_dimension(PG_GETARG_TEXT_PP(2));
	report.filters = PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3);
	report.by_site = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	report.wanted = PG_ARGISNULL(5) ? NULL : PG_GETARG_ARRAYTYPE_P(5);
	if (!PG_ARGISNULL(6) && PG_GETARG_BOOL(6))
		report.detail = DETAIL_COUNTERS;
	else
		report.detail = report.by_site || report.dimension == DIMENSION_ORIGIN ? DETAIL_SKETCHES
																			   : DETAIL_DISTINCT;
	report.rules = visits_rules();
	report.rules.dimensions = 1u << report.dimension;
	if (report.bound_count < 2 || report.bounds[0] == report.bounds[report.bound_count - 1])
		PG_RETURN_NULL();
	report.part_since = report.bounds[0];
	report.part_until = report.bounds[report.bound_count - 1];

	SPI_connect();
	check_filters(&report);
	report_begin(&report);
	if (!report_read_in_parallel(&report))
		report_read(&report);
	rows = cells_choose(report.cells, report.wanted, report.detail);
	if (rows.figures != NULL)
		report_figure(&report, &rows);
	cells_put_rows(result, &rows, report.detail);
	SPI_finish();
	MemoryContextDelete(report.memory);
	PG_RETURN_NULL();
}
