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
	int			  passed_by;  /* sessions that are left out and come before what comes next */
	uint32		  first_view; /* where its views are among those of the group */
	uint32		  end_view;
} Stream;

typedef struct Merge
{
	Gatherer		*gatherer;
	PackedFilters	 filters;
	MemoryContext	 memory;
	HistoryDays		 days;
	Tuplestorestate *row_store;
	TupleDesc		 row_description;
	SPIPlanPtr		 chunk_plan;
	MemoryContext	*retired; /* of chunks that are read and used still */
	int				 retired_count;
	int				 retired_capacity;
	binaryheap		*heap;
	Stream			*rows;
	Stream		   **group; /* days of one session and site; room for all streams */
	PackedView		*views; /* of these days */
	uint32			 view_count;
	uint32			 view_capacity;
	bool			 any_passes;		/* whether filters let any of the views pass ... */
	bool			 any_origin_passes; /* ... and any origin that their visits could have */
} Merge;

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
		difference = span_compare(x->site, y->site);
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
	while (stream->passed_by < merge->days.left_out_count)
	{
		int difference = memcmp(merge->days.left_out[stream->passed_by], session, UUID_LEN);

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

/* Whether the filters of pages and properties let a view pass. */
static inline bool
passes(const PackedChunk *chunk, const PackedView *view)
{
	return chunk->path_passes[view->path] && chunk->props_passes[view->props];
}

/* Reads the views of a day of a group that lie in the period. */
static void
read_views(Merge *merge, Stream *stream)
{
	const HistoryQuery *query = merge->gatherer->query;
	const PackedChunk  *chunk = stream->chunk;

	stream->first_view = merge->view_count;
	for (uint32 i = 0; i < stream->next.views; i++)
	{
		PackedView *view;

		if (merge->view_count == merge->view_capacity)
		{
			merge->view_capacity *= 2;
			merge->views = repalloc_huge(merge->views, merge->view_capacity * sizeof *merge->views);
		}
		view = &merge->views[merge->view_count];
		packed_next_view(&stream->chunk->reader, view);
		if (view->started_at < query->since || view->started_at >= query->until)
			continue;
		merge->view_count++;
		merge->any_passes = merge->any_passes || passes(chunk, view);
		merge->any_origin_passes =
			merge->any_origin_passes || !query->origins || chunk->origin_passes[view->origin];
	}
	stream->end_view = merge->view_count;
}

/* Gathers the views that were read of a day. */
static void
take_views(Merge *merge, Stream *stream)
{
	Gatherer		   *gatherer = merge->gatherer;
	const HistoryQuery *query = gatherer->query;
	PackedChunk		   *chunk = stream->chunk;
	SessionViews	   *views = &gatherer->views;
	MemoryContext		caller = MemoryContextSwitchTo(gatherer->memory);

	if (stream->first_view < stream->end_view && views->count == 0)
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
	for (uint32 i = stream->first_view; i < stream->end_view; i++)
	{
		const PackedView *packed = &merge->views[i];
		SessionView		 *view = history_add(gatherer);
		ViewState		  state = {.there = true, .engagement = packed->engagement};

		chunk->used = true;
		if (query->origins)
		{
			state.referrer = chunk->origins[packed->origin].referrer;
			state.query = chunk->origins[packed->origin].query;
		}
		view->started_at = packed->started_at;
		view->path = chunk->paths[packed->path];
		view->scroll_depth = packed->scroll_depth;
		view->passes = passes(chunk, packed);
		view->origin_passes = !query->origins || chunk->origin_passes[packed->origin];
		view->states[BEFORE] = view->states[AFTER] = state;
		if (view->started_at >= query->before_until)
			view->states[BEFORE].there = false;
		if (view->started_at >= query->after_until)
			view->states[AFTER].there = false;
	}
	gatherer->any_passes = gatherer->any_passes || merge->any_passes;
	gatherer->any_origin_passes = gatherer->any_origin_passes || merge->any_origin_passes;
	MemoryContextSwitchTo(caller);
}

/* --- merging -------------------------------------------------------------------------- */

/* Puts the streams of packed days into the heap, each with its first chunk. */
static void
open_days(Merge *merge)
{
	static const char query[] = "SELECT day, site, pack FROM pageviews.packed_views"
								" WHERE day = ANY ($1) AND chunk = 0 AND ($2 IS NULL OR site = $2)";
	const text		 *site = merge->gatherer->query->site;
	const Oid		  types[] = {TIMESTAMPTZARRAYOID, TEXTOID};
	const Datum		  values[] = {PointerGetDatum(merge->days.array), PointerGetDatum(site)};
	const char		  nulls[] = {' ', site == NULL ? 'n' : ' '};
	uint64			  count = sql_select(query, lengthof(types), types, values, nulls);
	Stream			**streams = palloc_array(Stream *, Max(count, 1));
	bool			  null;

	merge->heap = binaryheap_allocate((int) count + 1, compare_streams, NULL);
	merge->group = palloc_array(Stream *, Max(count, 1));
	merge->view_capacity = 64;
	merge->views = palloc_array(PackedView, merge->view_capacity);
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
fits_in_memory(const Merge *merge)
{
	const text *site = merge->gatherer->query->site;
	const Oid	types[] = {TIMESTAMPTZARRAYOID, TEXTOID};
	const Datum values[] = {PointerGetDatum(merge->days.array), PointerGetDatum(site)};
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

/* Whether views that were read, or will be next, belong to a group. */
static bool
has_rows(const Merge *merge)
{
	const SessionViews *views = &merge->gatherer->views;
	const Stream	   *first = merge->group[0];

	return (views->count > 0 && is_of(first, views->session, views->site)) ||
		   (merge->rows->session != NULL && is_of(merge->rows, first->session, first->site));
}

/* Whether any of the days of a group is wanted. */
static bool
has_wanted_day(const Merge *merge, int count)
{
	const HistoryQuery *query = merge->gatherer->query;

	for (int i = 0; i < count; i++)
	{
		if (merge->group[i]->day < query->wanted_until &&
			merge->group[i]->day + USECS_PER_DAY > query->wanted_since)
			return true;
	}
	return false;
}

/*
 * Takes, or leaves, the days of the session that comes next, on one site.  What is
 * read of views is looked at before their texts are: most sessions have nothing
 * that a filter lets pass, and texts lie all over the memory.
 */
static void
run_days(Merge *merge)
{
	bool	with_rows;
	int		count = 0;
	Stream *stream;

	do
	{
		merge->group[count++] = (Stream *) DatumGetPointer(binaryheap_remove_first(merge->heap));
		if (binaryheap_empty(merge->heap))
			break;
		stream = (Stream *) DatumGetPointer(binaryheap_first(merge->heap));
	} while (stream->row == NULL && is_of(stream, merge->group[0]->session, merge->group[0]->site));

	with_rows = has_rows(merge);
	if (with_rows || has_wanted_day(merge, count))
	{
		merge->view_count = 0;
		merge->any_passes = merge->any_origin_passes = false;
		for (int i = 0; i < count; i++)
			read_views(merge, merge->group[i]);
		if (with_rows || (merge->any_passes && merge->any_origin_passes))
		{
			begin(merge, merge->group[0]);
			for (int i = 0; i < count; i++)
				take_views(merge, merge->group[i]);
		}
	}
	else
	{
		for (int i = 0; i < count; i++)
			packed_skip_views(&merge->group[i]->chunk->reader);
	}
	for (int i = 0; i < count; i++)
	{
		if (next_packed(merge, merge->group[i]))
			binaryheap_add(merge->heap, PointerGetDatum(merge->group[i]));
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
	HistorySource source;

	/* Changes undo what is in the packs; a few sessions are found faster without. */
	if (query->changes || query->sessions != NULL)
		return false;
	if (!history_days_find(query, &merge.days) || !fits_in_memory(&merge))
		return false;

	merge.filters = packed_filters_read(query->filters, query->origins);
	source = history_days_source(query, &merge.days);
	merge.row_store = tuplestore_begin_heap(false, false, work_mem);
	history_select(query, &source, &keeper.receiver);
	merge.rows = palloc0(sizeof *merge.rows);
	merge.rows->row = MakeSingleTupleTableSlot(merge.row_description, &TTSOpsMinimalTuple);

	merge.chunk_plan = SPI_prepare("SELECT pack FROM pageviews.packed_views"
								   " WHERE day = $1 AND site = $2 AND chunk = $3",
								   lengthof(types), types);
	if (merge.chunk_plan == NULL)
		elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	open_days(&merge);
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
