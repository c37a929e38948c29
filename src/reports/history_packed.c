/*
 * history_packed.c
 *	  Reads packed days, and views for the rest, see history_private.h.
 *
 * The packs of each day and site are in the order of sessions, and so are the
 * views that one query gives of the times between packed days and of the sessions
 * that changed since; a heap merges them.  Of every day and site one chunk is in
 * memory at a time.  Filters are judged once for each text of a chunk.
 */
#include "history_private.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "packed_chunk.h"
#include "sql.h"
#include "varint.h"

/* The first chunks of all days and sites may take so much memory; where they would not, views are read. */
#define MEMORY_LIMIT (256 * INT64CONST(1024) * 1024)

/* What gives sessions in their order: a day and site, or the views that a query gave. */
typedef struct Stream
{
	/* What comes next. */
	uint64		 prefix; /* the first half of the session */
	const uint8 *session;
	Span		 site;
	TimestampTz	 at; /* in the order of time for one session and site */

	TupleTableSlot *row; /* NULL: a day and site */

	TimestampTz	  day;
	int			  number; /* of the chunk */
	PackedChunk	 *chunk;
	PackedSession next;
	int			  passed_by; /* sessions that are left out and come before what comes next */
} Stream;

typedef struct Merge
{
	Gatherer	 *gatherer;
	PackedFilters filters;
	MemoryContext memory;
	TimestampTz	 *days; /* packed, ascending */
	int			  day_count;
	uint8 (*left_out)[UUID_LEN]; /* sessions that changed, ascending; views have them */
	int				 left_out_count;
	Tuplestorestate *row_store;
	TupleDesc		 row_description;
	SPIPlanPtr		 chunk_plan;
	MemoryContext	*retired; /* of chunks that are read and used still */
	int				 retired_count;
	int				 retired_capacity;
	binaryheap		*heap;
	Stream			*rows;
	Stream		   **group; /* days of one session and site; room for all streams */
} Merge;

/* --- what is read where ----------------------------------------------------------- */

static ArrayType *
array_of_times(const TimestampTz *times, int count)
{
	Datum *elements = palloc_array(Datum, Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = TimestampTzGetDatum(times[i]);
	return construct_array(elements, count, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL,
						   TYPALIGN_DOUBLE);
}

/* Finds the packed days of the period without marks. */
static void
find_days(Merge *merge)
{
	const HistoryQuery *query = merge->gatherer->query;
	const Oid			types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	const Datum values[] = {TimestampTzGetDatum(query->since), TimestampTzGetDatum(query->until)};
	bool		null;
	uint64		count = sql_select(
			 "SELECT d.day FROM pageviews.packed_days AS d"
				  " WHERE d.day + interval '24 hours' > $1 AND d.day < $2"
				  " AND NOT EXISTS (SELECT FROM pageviews.rollup_marks AS m"
				  " WHERE m.hour >= d.day AND m.hour < d.day + interval '24 hours') ORDER BY d.day",
			 lengthof(types), types, values, NULL);

	merge->days = palloc_array(TimestampTz, Max(count, 1));
	for (uint64 i = 0; i < count; i++)
		merge->days[merge->day_count++] = DatumGetTimestampTz(sql_value(i, 1, &null));
	SPI_freetuptable(SPI_tuptable);
}

/* Finds the sessions whose packs are not as their views are. */
static ArrayType *
find_left_out(Merge *merge, ArrayType *days)
{
	const Oid	type = TIMESTAMPTZARRAYOID;
	const Datum value = PointerGetDatum(days);
	bool		null;
	Datum	   *elements;
	uint64		count =
		sql_select("SELECT s.session_id FROM pageviews.packed_stale AS s WHERE s.day = ANY ($1) "
				   "UNION SELECT c.session_id FROM pageviews.rollup_changes AS c"
				   " WHERE date_trunc('day', c.started_at, 'UTC') = ANY ($1) ORDER BY session_id",
				   1, &type, &value, NULL);

	elements = palloc_array(Datum, Max(count, 1));
	merge->left_out = palloc(Max(count, 1) * UUID_LEN);
	for (uint64 i = 0; i < count; i++)
	{
		memcpy(merge->left_out[i], DatumGetUUIDP(sql_value(i, 1, &null))->data, UUID_LEN);
		elements[i] = PointerGetDatum(merge->left_out[i]);
	}
	merge->left_out_count = (int) count;
	SPI_freetuptable(SPI_tuptable);
	return construct_array(elements, (int) count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

/*
 * The views that have to be read: those between the packed days, and those of the
 * sessions that are left out.
 */
static HistorySource
make_source(Merge *merge)
{
	static const char columns[] =
		"SELECT w.view_id, w.session_id, w.site, w.started_at, w.path, w.engagement_ms,"
		" w.scroll_depth, w.referrer, w.query, w.props FROM pageviews.views AS w WHERE ";
	const HistoryQuery *query = merge->gatherer->query;
	TimestampTz		   *times = palloc_array(TimestampTz, 2 * merge->day_count + 2);
	int					count = 0;
	StringInfoData		relation;
	StringInfoData		packed;

	/* Where it changes between packed and not: read from [0] to [1], packed to [2], read to [3] ... */
	times[count++] = query->since;
	for (int i = 0; i < merge->day_count; i++)
	{
		if (i > 0 && merge->days[i] == times[count - 1])
			times[count - 1] += USECS_PER_DAY;
		else
		{
			times[count++] = Max(merge->days[i], query->since);
			times[count++] = merge->days[i] + USECS_PER_DAY;
		}
	}
	times[count] = Max(query->until, times[count - 1]);
	count++;

	initStringInfo(&relation);
	initStringInfo(&packed);
	appendStringInfoChar(&relation, '(');
	for (int i = 1; i < count; i++)
	{
		bool is_packed = i % 2 == 0;

		if (is_packed)
			appendStringInfo(&packed, "%sw.started_at >= ($9)[%d] AND w.started_at < ($9)[%d]",
							 packed.len > 0 ? " OR " : "", i, i + 1);
		else if (times[i - 1] < times[i])
			appendStringInfo(&relation,
							 "%sw.started_at >= ($9)[%d] AND w.started_at < ($9)[%d] UNION ALL ",
							 columns, i, i + 1);
	}
	appendStringInfo(&relation, "%sw.session_id = ANY ($8) AND (%s))", columns, packed.data);
	return (HistorySource){.relation = relation.data, .times = array_of_times(times, count)};
}

/* --- the rows of the query ---------------------------------------------------------- */

/* Keeps the rows of the query. */
typedef struct Keeper
{
	DestReceiver receiver; /* first */
	Merge		*merge;
} Keeper;

static void
start_keeping(DestReceiver *self, int operation, TupleDesc description)
{
	Merge		 *merge = ((Keeper *) self)->merge;
	MemoryContext caller = MemoryContextSwitchTo(merge->memory);

	merge->row_description = CreateTupleDescCopy(description);
	MemoryContextSwitchTo(caller);
}

static bool
keep(TupleTableSlot *slot, DestReceiver *self)
{
	tuplestore_puttupleslot(((Keeper *) self)->merge->row_store, slot);
	return true;
}

static void
stop_keeping(DestReceiver *self)
{
}

/* --- streams ------------------------------------------------------------------------ */

static int
compare_spans(Span a, Span b)
{
	int difference = memcmp(a.data, b.data, Min(a.length, b.length));

	return difference != 0 ? difference : a.length - b.length;
}

/* The heap has the largest on top, so what comes first is the largest. */
static int
compare_streams(Datum a, Datum b, void *context)
{
	const Stream *x = (const Stream *) DatumGetPointer(b);
	const Stream *y = (const Stream *) DatumGetPointer(a);
	int			  difference;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	difference = memcmp(x->session, y->session, UUID_LEN);
	if (difference == 0)
		difference = compare_spans(x->site, y->site);
	if (difference == 0)
		difference = x->at < y->at ? -1 : x->at > y->at;
	return difference;
}

static void
set_session(Stream *stream, const uint8 *session)
{
	memcpy(&stream->prefix, session, sizeof stream->prefix);
	stream->prefix = pg_ntoh64(stream->prefix);
	stream->session = session;
}

/* Goes on to the next row; false if there is none, and then no session comes next. */
static bool
next_row(Merge *merge, Stream *stream)
{
	TupleTableSlot *row = stream->row;

	if (!tuplestore_gettupleslot(merge->row_store, true, false, row))
	{
		stream->session = NULL;
		return false;
	}
	slot_getallattrs(row);
	set_session(stream, DatumGetUUIDP(row->tts_values[HISTORY_COLUMN_SESSION])->data);
	stream->site = span_of_text(DatumGetTextPP(row->tts_values[HISTORY_COLUMN_SITE]));
	stream->at = DatumGetTimestampTz(row->tts_values[HISTORY_COLUMN_STARTED]);
	return true;
}

/* Lets a chunk go, at once or when what is gathered was handed over. */
static void
retire_chunk(Merge *merge, PackedChunk *chunk)
{
	if (!chunk->used)
	{
		MemoryContextDelete(chunk->memory);
		return;
	}
	if (merge->retired_count == merge->retired_capacity)
	{
		merge->retired_capacity = Max(2 * merge->retired_capacity, 16);
		merge->retired =
			merge->retired == NULL
				? MemoryContextAlloc(merge->memory, merge->retired_capacity * sizeof(MemoryContext))
				: repalloc_array(merge->retired, MemoryContext, merge->retired_capacity);
	}
	merge->retired[merge->retired_count++] = chunk->memory;
}

/* Takes the next chunk of a stream in place of the one that is read; false if there is none. */
static bool
next_chunk(Merge *merge, Stream *stream)
{
	bool  more = stream->chunk->reader.more;
	Datum values[] = {TimestampTzGetDatum(stream->day), 0, Int32GetDatum(stream->number + 1)};
	bool  null;

	retire_chunk(merge, stream->chunk);
	stream->chunk = NULL;
	if (!more)
		return false;
	values[1] = PointerGetDatum(cstring_to_text_with_len(stream->site.data, stream->site.length));
	if (SPI_execute_plan(merge->chunk_plan, values, NULL, true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		varint_corrupted();
	stream->number++;
	stream->chunk =
		packed_chunk_read(merge->memory, &merge->filters, stream->day, sql_value(0, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	pfree(DatumGetPointer(values[1]));
	return true;
}

/* Whether a session is one that is left out; called with those of a stream in their order. */
static bool
is_left_out(const Merge *merge, Stream *stream, const uint8 *session)
{
	while (stream->passed_by < merge->left_out_count)
	{
		int difference = memcmp(merge->left_out[stream->passed_by], session, UUID_LEN);

		if (difference >= 0)
			return difference == 0;
		stream->passed_by++;
	}
	return false;
}

/* Goes on to the next session of a day and site that counts; false if there is none. */
static bool
next_packed(Merge *merge, Stream *stream)
{
	for (;;)
	{
		PackedChunk *chunk = stream->chunk;

		CHECK_FOR_INTERRUPTS();
		if (!packed_next_session(&chunk->reader, &stream->next))
		{
			if (!next_chunk(merge, stream))
				return false;
			continue;
		}
		if (chunk->traits_pass[stream->next.traits] &&
			!is_left_out(merge, stream, stream->next.session))
			break;
		packed_skip_views(&chunk->reader);
	}
	set_session(stream, stream->next.session);
	return true;
}

/* Gathers the session of a day and site that comes next. */
static void
take_packed(Merge *merge, Stream *stream)
{
	Gatherer		   *gatherer = merge->gatherer;
	const HistoryQuery *query = gatherer->query;
	PackedChunk		   *chunk = stream->chunk;
	SessionViews	   *views = &gatherer->views;
	MemoryContext		caller = MemoryContextSwitchTo(gatherer->memory);

	for (uint32 i = 0; i < stream->next.views; i++)
	{
		PackedView	 packed;
		SessionView *view;
		ViewState	 state = {.there = true};

		packed_next_view(&chunk->reader, &packed);
		if (packed.started_at < query->since || packed.started_at >= query->until)
			continue;
		if (views->count == 0)
		{
			views->session = memcpy(palloc(UUID_LEN), stream->session, UUID_LEN);
			views->visitor = sketch_entry(stream->session);
			views->site = stream->site;
			views->has_created_at = stream->next.has_created_at;
			views->created_at = stream->next.created_at;
			if (query->traits)
				packed_parts(&chunk->reader, PACKED_TRAITS, stream->next.traits, views->traits,
							 SESSION_DIMENSIONS);
		}
		chunk->used = true;
		view = history_add(gatherer);
		state.engagement = packed.engagement;
		if (query->origins)
		{
			state.referrer = chunk->origins[packed.origin].referrer;
			state.query = chunk->origins[packed.origin].query;
		}
		view->started_at = packed.started_at;
		view->path = chunk->paths[packed.path];
		view->scroll_depth = packed.scroll_depth;
		view->passes = chunk->path_passes[packed.path] && chunk->props_passes[packed.props];
		view->origin_passes = !query->origins || chunk->origin_passes[packed.origin];
		view->states[BEFORE] = view->states[AFTER] = state;
		if (view->started_at >= query->before_until)
			view->states[BEFORE].there = false;
		if (view->started_at >= query->after_until)
			view->states[AFTER].there = false;
		gatherer->any_passes = gatherer->any_passes || view->passes;
		gatherer->any_origin_passes = gatherer->any_origin_passes || view->origin_passes;
	}
	MemoryContextSwitchTo(caller);
}

/* --- merging -------------------------------------------------------------------------- */

/* Puts the streams of packed days into the heap, each with its first chunk. */
static void
open_days(Merge *merge, ArrayType *days)
{
	static const char query[] = "SELECT day, site, pack FROM pageviews.packed_views"
								" WHERE day = ANY ($1) AND chunk = 0 AND ($2 IS NULL OR site = $2)";
	const text		 *site = merge->gatherer->query->site;
	const Oid		  types[] = {TIMESTAMPTZARRAYOID, TEXTOID};
	const Datum		  values[] = {PointerGetDatum(days), PointerGetDatum(site)};
	const char		  nulls[] = {' ', site == NULL ? 'n' : ' '};
	uint64			  count = sql_select(query, lengthof(types), types, values, nulls);
	Stream			**streams = palloc_array(Stream *, Max(count, 1));
	bool			  null;

	merge->heap = binaryheap_allocate((int) count + 1, compare_streams, NULL);
	merge->group = palloc_array(Stream *, Max(count, 1));
	for (uint64 i = 0; i < count; i++)
	{
		Stream *stream = palloc0(sizeof *stream);
		text   *of = DatumGetTextPCopy(sql_value(i, 2, &null));

		stream->day = stream->at = DatumGetTimestampTz(sql_value(i, 1, &null));
		stream->site = span_of_text(of);
		stream->chunk =
			packed_chunk_read(merge->memory, &merge->filters, stream->day, sql_value(i, 3, &null));
		streams[i] = stream;
	}
	SPI_freetuptable(SPI_tuptable);
	for (uint64 i = 0; i < count; i++)
	{
		if (next_packed(merge, streams[i]))
			binaryheap_add_unordered(merge->heap, PointerGetDatum(streams[i]));
	}
	pfree(streams);
}

/* Whether the first chunks are few and small enough. */
static bool
fits_in_memory(const Merge *merge, ArrayType *days)
{
	const text *site = merge->gatherer->query->site;
	const Oid	types[] = {TIMESTAMPTZARRAYOID, TEXTOID};
	const Datum values[] = {PointerGetDatum(days), PointerGetDatum(site)};
	const char	nulls[] = {' ', site == NULL ? 'n' : ' '};
	bool		null;

	/* 8 kB: what a chunk takes at least. */
	sql_select("SELECT coalesce(sum(octet_length(pack) + 8192), 0)::bigint"
			   " FROM pageviews.packed_views"
			   " WHERE day = ANY ($1) AND chunk = 0 AND ($2 IS NULL OR site = $2)",
			   lengthof(types), types, values, nulls);
	return DatumGetInt64(sql_value(0, 1, &null)) <= MEMORY_LIMIT;
}

/* Begins with a session and site, unless views of it are gathered already. */
static void
begin(Merge *merge, const Stream *stream)
{
	history_begin(merge->gatherer, stream->session, stream->site);
	if (merge->gatherer->views.count > 0)
		return;
	while (merge->retired_count > 0)
		MemoryContextDelete(merge->retired[--merge->retired_count]);
}

static bool
is_of(const Stream *stream, const uint8 *session, Span site)
{
	return memcmp(stream->session, session, UUID_LEN) == 0 && span_equal(stream->site, site);
}

/* Whether any of the days of a group is wanted, or views that were read belong to it. */
static bool
is_wanted(const Merge *merge, int count)
{
	const HistoryQuery *query = merge->gatherer->query;
	const SessionViews *views = &merge->gatherer->views;
	const Stream	   *first = merge->group[0];

	for (int i = 0; i < count; i++)
	{
		if (merge->group[i]->day < query->wanted_until &&
			merge->group[i]->day + USECS_PER_DAY > query->wanted_since)
			return true;
	}
	return (views->count > 0 && is_of(first, views->session, views->site)) ||
		   (merge->rows->session != NULL && is_of(merge->rows, first->session, first->site));
}

/* Takes, or leaves, the days of the session that comes next, on one site. */
static void
run_days(Merge *merge)
{
	int		count = 0;
	Stream *stream;
	bool	wanted;

	do
	{
		merge->group[count++] = (Stream *) DatumGetPointer(binaryheap_remove_first(merge->heap));
		if (binaryheap_empty(merge->heap))
			break;
		stream = (Stream *) DatumGetPointer(binaryheap_first(merge->heap));
	} while (stream->row == NULL && is_of(stream, merge->group[0]->session, merge->group[0]->site));

	wanted = is_wanted(merge, count);
	if (wanted)
		begin(merge, merge->group[0]);
	for (int i = 0; i < count; i++)
	{
		stream = merge->group[i];
		if (wanted)
			take_packed(merge, stream);
		else
			packed_skip_views(&stream->chunk->reader);
		if (next_packed(merge, stream))
			binaryheap_add(merge->heap, PointerGetDatum(stream));
	}
}

/* Takes the row that comes next. */
static void
run_row(Merge *merge, Stream *stream)
{
	begin(merge, stream);
	history_take_row(merge->gatherer, stream->row);
	if (next_row(merge, stream))
		binaryheap_replace_first(merge->heap, PointerGetDatum(stream));
	else
		binaryheap_remove_first(merge->heap);
}

bool
history_read_packed(Gatherer *gatherer)
{
	const HistoryQuery *query = gatherer->query;
	Oid					types[] = {TIMESTAMPTZOID, TEXTOID, INT4OID};
	Merge				merge = {.gatherer = gatherer, .memory = CurrentMemoryContext};
	Keeper		  keeper = {.receiver = {keep, start_keeping, stop_keeping, stop_keeping, DestNone},
							.merge = &merge};
	ArrayType	 *days;
	HistorySource source;

	/* Changes undo what is in the packs; a few sessions are found faster without. */
	if (query->changes || query->sessions != NULL)
		return false;
	find_days(&merge);
	days = array_of_times(merge.days, merge.day_count);
	if (merge.day_count == 0 || !fits_in_memory(&merge, days))
		return false;

	merge.filters = packed_filters_read(query->filters, query->origins);
	source = make_source(&merge);
	source.sessions = find_left_out(&merge, days);
	merge.row_store = tuplestore_begin_heap(false, false, work_mem);
	history_select(query, &source, &keeper.receiver);
	merge.rows = palloc0(sizeof *merge.rows);
	merge.rows->row = MakeSingleTupleTableSlot(merge.row_description, &TTSOpsMinimalTuple);

	merge.chunk_plan = SPI_prepare("SELECT pack FROM pageviews.packed_views"
								   " WHERE day = $1 AND site = $2 AND chunk = $3",
								   lengthof(types), types);
	if (merge.chunk_plan == NULL)
		elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	open_days(&merge, days);
	if (next_row(&merge, merge.rows))
		binaryheap_add_unordered(merge.heap, PointerGetDatum(merge.rows));
	binaryheap_build(merge.heap);
	while (!binaryheap_empty(merge.heap))
	{
		Stream *stream = (Stream *) DatumGetPointer(binaryheap_first(merge.heap));

		CHECK_FOR_INTERRUPTS();
		if (stream->row != NULL)
			run_row(&merge, stream);
		else
			run_days(&merge);
	}
	history_hand_over(gatherer);

	ExecDropSingleTupleTableSlot(merge.rows->row);
	tuplestore_end(merge.row_store);
	SPI_freeplan(merge.chunk_plan);
	return true;
}
