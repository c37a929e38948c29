/*
 * packed_days.c
 *	  Reads packed days session by session, see packed_days.h.
 */
#include "packed_days.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "sql.h"
#include "varint.h"

PackedViews
packed_views_new(void)
{
	PackedViews views = {.capacity = 64};

	views.views = palloc_array(PackedView, views.capacity);
	packed_views_reset(&views);
	return views;
}

void
packed_views_reset(PackedViews *views)
{
	views->count = 0;
	views->any_passes = views->any_origin_passes = false;
	views->seen_until = DT_NOBEGIN;
}

PackedDay *
packed_days_open(PackedDays *days, int *count)
{
	static const char query[] =
		"SELECT v.day, d.until, v.site FROM pageviews.packed_views AS v"
		" JOIN pageviews.packed_days AS d ON d.day = v.day WHERE v.day = ANY ($1)"
		" AND v.chunk = 0 AND ($2 IS NULL OR v.site = $2)"
		" ORDER BY v.day, v.site COLLATE \"C\"";
	const text *site = days->query->site;
	const Oid	types[] = {TIMESTAMPTZARRAYOID, TEXTOID};
	const Datum values[] = {PointerGetDatum(days->days.array), PointerGetDatum(site)};
	const char	nulls[] = {' ', site == NULL ? 'n' : ' '};
	Oid			chunk_types[] = {TIMESTAMPTZOID, TEXTOID, INT4OID};
	uint64		found;
	PackedDay  *result;
	bool		null;

	days->filters = packed_filters_read(days->query);
	found = sql_select(query, lengthof(types), types, values, nulls);
	result = palloc0_array(PackedDay, Max(found, 1));
	for (uint64 i = 0; i < found; i++)
	{
		result[i].at = DatumGetTimestampTz(sql_value(i, 1, &null));
		result[i].until = DatumGetTimestampTz(sql_value(i, 2, &null));
		result[i].site = span_of_text(DatumGetTextPCopy(sql_value(i, 3, &null)));
	}
	SPI_freetuptable(SPI_tuptable);
	days->plan = SPI_prepare("SELECT pack FROM pageviews.packed_views"
							 " WHERE day = $1 AND site = $2 AND chunk = $3",
							 lengthof(chunk_types), chunk_types);
	if (days->plan == NULL)
		elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	*count = (int) found;
	return result;
}

void
packed_days_close(PackedDays *days)
{
	SPI_freeplan(days->plan);
}

static void
read_chunk(PackedDays *days, PackedDay *day)
{
	text *site = cstring_to_text_with_len(day->site.data, day->site.length);
	Datum values[] = {TimestampTzGetDatum(day->at), PointerGetDatum(site),
					  Int32GetDatum(day->number)};
	bool  null;

	if (SPI_execute_plan(days->plan, values, NULL, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		varint_corrupted();
	day->number++;
	day->chunk = packed_chunk_read(days->memory, &days->filters, day->at, sql_value(0, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	pfree(site);
}

/* Lets a chunk go, at once or when packed_days_release() says so. */
static void
retire_chunk(PackedDays *days, PackedChunk *chunk)
{
	if (!chunk->used)
	{
		MemoryContextDelete(chunk->memory);
		return;
	}
	if (days->retired_count == days->retired_capacity)
	{
		days->retired_capacity = Max(2 * days->retired_capacity, 16);
		days->retired =
			days->retired == NULL
				? MemoryContextAlloc(days->memory, days->retired_capacity * sizeof(MemoryContext))
				: repalloc_array(days->retired, MemoryContext, days->retired_capacity);
	}
	days->retired[days->retired_count++] = chunk->memory;
}

void
packed_days_release(PackedDays *days)
{
	while (days->retired_count > 0)
		MemoryContextDelete(days->retired[--days->retired_count]);
}

bool
packed_days_leave_out(const PackedDays *days, int *passed_by, const uint8 *session)
{
	while (*passed_by < days->days.left_out_count)
	{
		int difference = memcmp(days->days.left_out[*passed_by], session, UUID_LEN);

		if (difference >= 0)
			return difference == 0;
		(*passed_by)++;
	}
	return false;
}

bool
packed_day_next(PackedDays *days, PackedDay *day)
{
	if (day->chunk == NULL)
		read_chunk(days, day);
	for (;;)
	{
		PackedChunk *chunk = day->chunk;

		CHECK_FOR_INTERRUPTS();
		if (!packed_next_session(&chunk->reader, &day->session))
		{
			bool more = chunk->reader.more;

			retire_chunk(days, chunk);
			day->chunk = NULL;
			if (!more)
				return false;
			read_chunk(days, day);
			continue;
		}
		if (chunk->traits_pass[day->session.traits] &&
			!packed_days_leave_out(days, &day->passed_by, day->session.session))
			return true;
		packed_skip_views(&chunk->reader);
	}
}

/* Whether the filters of pages and properties let a view pass. */
static inline bool
passes(const PackedDays *days, const PackedChunk *chunk, const PackedView *view)
{
	return !days->filters.any ||
		   (chunk->path_passes[view->path] && chunk->props_passes[view->props]);
}

void
packed_day_read(const PackedDays *days, PackedDay *day, PackedViews *views)
{
	const HistoryQuery *query = days->query;
	PackedChunk		   *chunk = day->chunk;
	const uint32		count = day->session.views;
	const PackedView   *read;

	if (count > views->capacity - views->count)
	{
		views->capacity = Max(2 * views->capacity, views->count + count);
		views->views = repalloc_huge(views->views, views->capacity * sizeof *views->views);
	}
	read = &views->views[views->count];
	packed_read_views(&chunk->reader, &views->views[views->count], count);
	for (uint32 i = 0; i < count; i++)
	{
		const PackedView *view = &read[i];

		if (view->started_at < query->since || view->started_at >= query->until)
			continue;
		views->any_passes = views->any_passes || passes(days, chunk, view);
		views->any_origin_passes =
			views->any_origin_passes || !query->origins || chunk->origin_passes[view->origin];
		views->seen_until =
			Max(views->seen_until, view->started_at + (int64) view->engagement * 1000);
		views->views[views->count++] = *view;
	}
}

void
packed_day_skip(PackedDay *day)
{
	packed_skip_views(&day->chunk->reader);
}

void
packed_day_gather(const PackedDays *days, PackedDay *day, uint32 first, uint32 end,
				  const PackedViews *packed, Gatherer *gatherer)
{
	const HistoryQuery *query = gatherer->query;
	PackedChunk		   *chunk = day->chunk;
	SessionViews	   *views = &gatherer->views;
	MemoryContext		caller = MemoryContextSwitchTo(gatherer->memory);

	if (first < end && views->count == 0)
	{
		views->session = memcpy(palloc(UUID_LEN), day->session.session, UUID_LEN);
		views->visitor = sketch_entry(day->session.session);
		views->site = day->site;
		views->has_created_at = day->session.has_created_at;
		views->created_at = day->session.created_at;
		if (query->traits)
			packed_parts(&chunk->reader, PACKED_TRAITS, day->session.traits, views->traits,
						 SESSION_DIMENSIONS);
	}
	chunk->used = chunk->used || first < end;
	for (uint32 i = first; i < end; i++)
	{
		const PackedView *from = &packed->views[i];
		SessionView		 *view = history_add(gatherer);
		PackedOrigin	  origin =
			 query->origins ? chunk->origins[from->origin] : (PackedOrigin){{NULL, 0}, {NULL, 0}};

		view->started_at = from->started_at;
		view->path = chunk->paths != NULL ? chunk->paths[from->path] : (Span){NULL, 0};
		view->mark = chunk->path_marks != NULL ? chunk->path_marks[from->path] : 0;
		view->scroll_depth = from->scroll_depth;
		view->passes = passes(days, chunk, from);
		view->origin_passes = !query->origins || chunk->origin_passes[from->origin];
		/* Made twice: a copy would wait for what it is made of to be written. */
		view->states[BEFORE] = (ViewState){from->started_at < query->before_until, from->engagement,
										   origin.referrer, origin.query};
		view->states[AFTER] = (ViewState){from->started_at < query->after_until, from->engagement,
										  origin.referrer, origin.query};
	}
	gatherer->any_passes = gatherer->any_passes || packed->any_passes;
	gatherer->any_origin_passes = gatherer->any_origin_passes || packed->any_origin_passes;
	MemoryContextSwitchTo(caller);
}
