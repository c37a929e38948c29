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
 * Where everything is read from views, as filters want it, workers may read parts.
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
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "cells_arguments.h"
#include "cells_rows.h"
#include "cover.h"
#include "filters.h"
#include "history.h"
#include "parallel.h"
#include "sql.h"

PG_FUNCTION_INFO_V1(pageviews_cells);

/* More than so much to be read from views is read by its time, less by its sessions. */
#define MUCH_RAW (6 * USECS_PER_HOUR)

typedef struct Report
{
	TimestampTz	 *bounds;
	int			  bound_count;
	TimestampTz	  part_since; /* what is read: all of it, or a part */
	TimestampTz	  part_until;
	Dimension	  dimension;
	text		 *site;
	Jsonb		 *filters;
	bool		  origins; /* whether where visits came from is needed, and what browsers are */
	bool		  traits;
	bool		  sessions; /* whether the filters ask what sessions are: those that have a row */
	bool		  by_site;
	CellDetail	  detail;
	RollupState	  state;
	bool		  rolled;  /* whether `state` can be used */
	bool		  changes; /* whether there are rows in pageviews.rollup_changes */
	TimestampTz	 *marked;
	int			  marked_count;
	TimestampTz	 *wrong; /* hours with a visitor who cannot be taken out of the sketches */
	int			  wrong_count;
	int			  wrong_capacity;
	Cover		  cover;
	Cells		 *cells;
	MemoryContext memory; /* of the cells */
	VisitRules	  rules;

	/* Of the session that tells. */
	Span session_site;
	int pack_sign; /* what becomes of a contribution where packs were taken: added, taken away, nothing */
	bool raw; /* whether it counts where views are read */
} Report;

static CellKey
make_key(const Report *report, int bucket, Span site)
{
	return (CellKey){.span = bucket,
					 .dimension = report->dimension,
					 .site = report->by_site ? site : (Span){NULL, 0}};
}

/* --- packs ------------------------------------------------------------------------ */

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
		MemoryContext caller = MemoryContextSwitchTo(report->memory);
		Pack		  pack = {DatumGetByteaPCopy(sql_value(i, 3, &null)), NULL};
		CellKey		  key;

		if (report->detail > DETAIL_COUNTERS)
			pack.details = DatumGetByteaPCopy(sql_value(i, 4, &null));

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(caller);
		key =
			make_key(report, stretch->bucket, span_of_text(DatumGetTextPP(sql_value(i, 2, &null))));
		cells_unpack(report->cells, &key, &pack);
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

/* How far the roll-ups are, and what they may have wrong. */
static void
read_rollups(Report *report)
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

/* Covers the bounds, and adds what they are covered with. */
static void
add_period(Report *report)
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

/* Makes the cells from packs and views. */
static void
add_everything(Report *report)
{
	int wrong;

	/* Once more where visitors of lost entries are in packs: those hours are read from views then. */
	do
	{
		wrong = report->wrong_count;
		report->cells = cells_new(report->memory);
		add_period(report);
	} while (report->wrong_count > wrong);
}

/* --- in parallel -------------------------------------------------------------------- */

/*
 * A ReadPart: adds the visits that began in a part, however long they go on; to the
 * first part belong those that began before the period, too.
 */
static void
read_part(void *context, TimestampTz since, TimestampTz until)
{
	Report *report = context;

	report->part_since = since;
	report->part_until = until;
	report->rules.since = since == report->bounds[0] ? DT_NOBEGIN : since;
	report->rules.until = until == report->bounds[report->bound_count - 1] ? DT_NOEND : until;
	add_period(report);
}

/* The report itself, and what it points to; a worker begins with that. */
static void
write_report(const Report *report, StringInfo arguments)
{
	parallel_put(arguments, report, sizeof *report);
	parallel_put(arguments, report->bounds, report->bound_count * (int) sizeof *report->bounds);
	parallel_put_value(arguments, report->site);
	parallel_put_value(arguments, report->filters);
}

static void *
begin_part(StringInfo arguments)
{
	Report *report = palloc(sizeof *report);
	int		length;

	memcpy(report, parallel_get(arguments, sizeof *report), sizeof *report);
	length = report->bound_count * (int) sizeof *report->bounds;
	report->bounds = memcpy(palloc(length), parallel_get(arguments, length), length);
	report->site = parallel_get_value(arguments);
	report->filters = parallel_get_value(arguments);
	report->memory = CurrentMemoryContext;
	report->cells = cells_new(report->memory);
	return report;
}

/* Writes a worker's cells: bucket, site and pack of each bucket and site. */
static void
write_cells(void *context, StringInfo result)
{
	Report *report = context;
	uint32	count;
	Cell  **sorted = cells_sorted(report->cells, &count);

	for (uint32 from = 0, until; from < count; from = until)
	{
		const CellKey *key = &sorted[from]->key;
		Pack		   pack;

		for (until = from + 1; until < count && sorted[until]->key.span == key->span &&
							   span_equal(sorted[until]->key.site, key->site);
			 until++)
			;
		pack = cells_pack(sorted + from, until - from);
		parallel_put(result, &key->span, sizeof key->span);
		parallel_put_value(result, key->site.data == NULL ? NULL
														  : cstring_to_text_with_len(
																key->site.data, key->site.length));
		parallel_put_value(result, pack.counters);
		parallel_put_value(result, pack.details);
	}
}

/* Adds a worker's cells. */
static void
take_cells(void *context, StringInfo result)
{
	Report		 *report = context;
	MemoryContext caller = MemoryContextSwitchTo(report->memory);

	while (result->cursor < result->len)
	{
		CellKey key = {.dimension = report->dimension};
		text   *site;
		Pack	pack;

		CHECK_FOR_INTERRUPTS();
		memcpy(&key.span, parallel_get(result, sizeof key.span), sizeof key.span);
		site = parallel_get_value(result);
		if (site != NULL)
			key.site = span_of_text(site);
		pack.counters = parallel_get_value(result);
		pack.details = parallel_get_value(result);
		cells_unpack(report->cells, &key, &pack);
	}
	MemoryContextSwitchTo(caller);
}

PGDLLEXPORT void pageviews_cells_worker(dsm_segment *segment, shm_toc *toc);

/* What a parallel worker is started with. */
void
pageviews_cells_worker(dsm_segment *segment, shm_toc *toc)
{
	const ParallelWork work = {begin_part, read_part, write_cells};

	parallel_work(segment, toc, &work);
}

/* Makes the cells with workers; false where everything is still to be done. */
static bool
add_in_parallel(Report *report)
{
	StringInfoData arguments;
	ParallelReport parallel = {"pageviews_cells_worker", &arguments, read_part, take_cells, report};

	/* Packs are few, and what undoes changes is in no part; nor are days that are merged. */
	if (report->rolled || report->rules.timeout > HISTORY_LONGEST_TIMEOUT)
		return false;
	initStringInfo(&arguments);
	write_report(report, &arguments);
	report->cells = cells_new(report->memory);
	return parallel_read(report->bounds[0], report->bounds[report->bound_count - 1], report->site,
						 &parallel);
}

/* --- the function ----------------------------------------------------------------- */

/* cells(bounds, site, dimension, filters, by_site, wanted, counters_only) */
Datum
pageviews_cells(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Report report = {.memory = AllocSetContextCreate(CurrentMemoryContext, "pageviews report",
													 ALLOCSET_DEFAULT_SIZES)};

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	report.bounds = cells_bounds(PG_GETARG_ARRAYTYPE_P(0), &report.bound_count);
	report.site = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	report.dimension = cells_dimension(PG_GETARG_TEXT_PP(2));
	report.filters = PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3);
	report.by_site = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
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
	read_rollups(&report);
	if (!add_in_parallel(&report))
		add_everything(&report);
	cells_put_rows(result, report.cells, report.detail,
				   PG_ARGISNULL(5) ? NULL : PG_GETARG_ARRAYTYPE_P(5));
	SPI_finish();
	MemoryContextDelete(report.memory);
	PG_RETURN_NULL();
}
