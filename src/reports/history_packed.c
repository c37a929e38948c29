/*
 * history_packed.c
 *	  Reads packed days, and views for the rest, a session's all together, see
 *	  history_private.h.
 *
 * The packs of each day and site are in the order of sessions, and so are the
 * views that one query gives of the times between packed days and of the sessions
 * that changed since; a heap merges them.  Of every day and site one chunk is in
 * memory at a time.  Who needs no more than whole visits is served faster:
 * history_visits.c.
 */
#include "history_private.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "packed_days.h"
#include "sql.h"

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

	PackedDay *day;
	uint32	   first_view; /* where its views are among those of the group */
	uint32	   end_view;
} Stream;

typedef struct Merge
{
	Gatherer		*gatherer;
	PackedDays		 days;
	Tuplestorestate *row_store;
	TupleDesc		 row_description;
	binaryheap		*heap;
	Stream			*rows;
	Stream		   **group; /* days of one session and site; room for all streams */
	PackedViews		 views; /* of these days */
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
	MemoryContext caller = MemoryContextSwitchTo(merge->days.memory);

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

/* Goes on to the next session of a day; false if there is none. */
static bool
next_packed(Merge *merge, Stream *stream)
{
	if (!packed_day_next(&merge->days, stream->day))
		return false;
	set_session(stream, stream->day->session.session);
	return true;
}

/* --- merging -------------------------------------------------------------------------- */

/* Puts the streams of packed days into the heap, each with its first chunk. */
static void
open_days(Merge *merge)
{
	int		   count;
	PackedDay *days = packed_days_open(&merge->days, &count);

	merge->heap = binaryheap_allocate(count + 1, compare_streams, NULL);
	merge->group = palloc_array(Stream *, Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		Stream *stream = palloc0(sizeof *stream);

		stream->day = &days[i];
		stream->at = days[i].at;
		stream->site = days[i].site;
		if (next_packed(merge, stream))
			binaryheap_add_unordered(merge->heap, PointerGetDatum(stream));
	}
}

/* Whether the first chunks are few and small enough. */
static bool
fits_in_memory(const Merge *merge)
{
	const text *site = merge->days.query->site;
	const Oid	types[] = {TIMESTAMPTZARRAYOID, TEXTOID};
	const Datum values[] = {PointerGetDatum(merge->days.days.array), PointerGetDatum(site)};
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
	packed_days_release(&merge->days);
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
	for (int i = 0; i < count; i++)
	{
		if (history_is_wanted(merge->days.query, merge->group[i]->day->at,
							  merge->group[i]->day->until))
			return true;
	}
	return false;
}

/* Reads the days of a group, and gathers their views unless filters let nothing pass. */
static void
take_days(Merge *merge, int count, bool with_rows)
{
	PackedViews *views = &merge->views;

	packed_views_reset(views);
	for (int i = 0; i < count; i++)
	{
		merge->group[i]->first_view = views->count;
		packed_day_read(&merge->days, merge->group[i]->day, views);
		merge->group[i]->end_view = views->count;
	}
	if (!with_rows && !(views->any_passes && views->any_origin_passes))
		return;
	begin(merge, merge->group[0]);
	for (int i = 0; i < count; i++)
		packed_day_gather(&merge->days, merge->group[i]->day, merge->group[i]->first_view,
						  merge->group[i]->end_view, views, merge->gatherer);
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
		take_days(merge, count, with_rows);
	else
	{
		for (int i = 0; i < count; i++)
			packed_day_skip(merge->group[i]->day);
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

/* Reads all in the order of sessions. */
static void
merge_days(Merge *merge)
{
	Keeper		  keeper = {.receiver = {keep, start_keeping, stop_keeping, stop_keeping, DestNone},
							.merge = merge};
	HistorySource source = history_days_source(merge->days.query, &merge->days.days);

	merge->row_store = tuplestore_begin_heap(false, false, work_mem);
	history_select(merge->days.query, &source, &keeper.receiver);
	merge->rows = palloc0(sizeof *merge->rows);
	merge->rows->row = MakeSingleTupleTableSlot(merge->row_description, &TTSOpsMinimalTuple);
	merge->views = packed_views_new();
	open_days(merge);
	if (next_row(merge, merge->rows))
		binaryheap_add_unordered(merge->heap, PointerGetDatum(merge->rows));
	binaryheap_build(merge->heap);
	while (!binaryheap_empty(merge->heap))
	{
		Stream *stream = (Stream *) DatumGetPointer(binaryheap_first(merge->heap));

		CHECK_FOR_INTERRUPTS();
		if (stream->row != NULL)
			run_row(merge, stream);
		else
			run_days(merge);
	}
	history_hand_over(merge->gatherer);
	ExecDropSingleTupleTableSlot(merge->rows->row);
	tuplestore_end(merge->row_store);
}

bool
history_read_packed(Gatherer *gatherer)
{
	const HistoryQuery *query = gatherer->query;
	Merge merge = {.gatherer = gatherer, .days = {.query = query, .memory = CurrentMemoryContext}};

	/* Changes undo what is in the packs; a few sessions are found faster without. */
	if (query->changes || query->sessions != NULL)
		return false;
	if (!history_days_find(query, &merge.days.days))
		return false;
	if (query->parts == PARTS_OF_VIEWS ||
		(query->parts == PARTS_OF_VISITS && visits_rules().timeout <= HISTORY_LONGEST_TIMEOUT))
		history_read_visits(gatherer, &merge.days);
	else if (fits_in_memory(&merge))
		merge_days(&merge);
	else
		return false;
	packed_days_close(&merge.days);
	return true;
}
