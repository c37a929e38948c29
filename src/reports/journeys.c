/*
 * journeys.c
 *	  journeys(): the first pages of visits, and how many went which way.
 *
 * A way is the pages that a visit came to, one after the other; a page that is
 * viewed again at once is one.  Each page is kept once and has a number, each way
 * once as the numbers of its pages.  In memory are the session that is read, the
 * pages and the ways.
 *
 * There may be millions of ways, most of them gone once, so only those that are
 * returned are sorted.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/binaryheap.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/uuid.h"
#include "utils/varlena.h"

#include "chosen.h"
#include "varint.h"

PG_FUNCTION_INFO_V1(pageviews_journeys);

#define DEPTH_LIMIT	 50
#define SHARE_DIGITS 4

#define FIRST_CAPACITY 256

/* More ways than these are sorted with all others. */
#define LONGEST_HEAP 1000000

/* What comes before the first page; so its path, which is empty, is no page of a way. */
#define NO_PAGE 0

typedef struct PageEntry
{
	Span   path;
	uint32 page;
	uint32 hash;
	char   status;
} PageEntry;

#define SH_PREFIX		  pages
#define SH_ELEMENT_TYPE	  PageEntry
#define SH_KEY_TYPE		  Span
#define SH_KEY			  path
#define SH_HASH_KEY(t, k) hash_bytes((const unsigned char *) (k).data, (k).length)
#define SH_EQUAL(t, a, b) span_equal(a, b)
#define SH_SCOPE		  static inline
#define SH_STORE_HASH
#define SH_GET_HASH(t, e) (e)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The pages of all ways, one way after the other. */
typedef struct AllSteps
{
	uint32 *pages;
	uint64	count;
	uint64	capacity;
} AllSteps;

/* Those of one: where they begin, and how many. */
typedef struct Steps
{
	uint64 at;
	uint32 count;
	uint32 hash;
} Steps;

typedef struct Way
{
	Steps  steps;
	int64  visits;
	int64  visitors;
	uint64 first_visitor;
	char   status;
} Way;

static bool
are_same_steps(const AllSteps *all, Steps a, Steps b)
{
	return a.count == b.count &&
		   memcmp(all->pages + a.at, all->pages + b.at, a.count * sizeof *all->pages) == 0;
}

#define SH_PREFIX		  ways
#define SH_ELEMENT_TYPE	  Way
#define SH_KEY_TYPE		  Steps
#define SH_KEY			  steps
#define SH_HASH_KEY(t, k) ((k).hash)
#define SH_EQUAL(t, a, b) are_same_steps((t)->private_data, a, b)
#define SH_SCOPE		  static inline
#define SH_STORE_HASH
#define SH_GET_HASH(t, e) (e)->steps.hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* That a visitor who was not its first went a way.  Most ways are gone once, and have none. */
typedef struct Passage
{
	uint64 key; /* of visitor and way */
	char   status;
} Passage;

#define SH_PREFIX		  passages
#define SH_ELEMENT_TYPE	  Passage
#define SH_KEY_TYPE		  uint64
#define SH_KEY			  key
#define SH_HASH_KEY(t, k) ((uint32) (k))
#define SH_EQUAL(t, a, b) ((a) == (b))
#define SH_SCOPE		  static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Journeys
{
	int			   depth;
	MemoryContext  memory; /* of all that follows */
	pages_hash	  *page_numbers;
	Datum		  *pages; /* texts */
	uint32		   page_count;
	uint32		   page_capacity;
	AllSteps	   steps;
	ways_hash	  *ways;
	passages_hash *passages;
	int64		   visits;
} Journeys;

/* --- counting --------------------------------------------------------------------- */

/* A MarkPath: the number of a page, which is copied when it is new. */
static uint32
get_page(void *context, Span path)
{
	Journeys	 *journeys = context;
	bool		  found;
	PageEntry	 *entry = pages_insert(journeys->page_numbers, path, &found);
	MemoryContext caller;
	text		 *copy;

	if (found)
		return entry->page;
	/* Bytes of a pack are not trusted. */
	if (!pg_verify_mbstr(GetDatabaseEncoding(), path.data, path.length, true))
		varint_corrupted();
	caller = MemoryContextSwitchTo(journeys->memory);
	if (journeys->page_count == journeys->page_capacity)
	{
		journeys->page_capacity *= 2;
		journeys->pages = repalloc_huge(journeys->pages,
										(Size) journeys->page_capacity * sizeof *journeys->pages);
	}
	copy = cstring_to_text_with_len(path.data, path.length);
	entry->path = span_of_text(copy);
	entry->page = journeys->page_count++;
	journeys->pages[entry->page] = PointerGetDatum(copy);
	MemoryContextSwitchTo(caller);
	return entry->page;
}

/*
 * Who a session is.  Of a million two are told as one in one report of forty
 * million: ids are random, and signed, so nobody chooses them.
 */
static uint64
visitor_of(const uint8 *session)
{
	return hash_bytes_extended(session, UUID_LEN, 0);
}

static void
count_visitor(Journeys *journeys, Way *way, uint64 visitor)
{
	bool found = false;

	if (way->visits == 0)
		way->first_visitor = visitor;
	else if (way->first_visitor == visitor)
		found = true;
	else
		passages_insert(journeys->passages,
						hash_bytes_extended((const unsigned char *) &way->steps.at,
											sizeof way->steps.at, visitor),
						&found);
	way->visits++;
	way->visitors += !found;
}

/* The pages that a visit came to, behind those of the ways. */
static Steps
add_steps(Journeys *journeys, const SessionView *views, int count)
{
	AllSteps *all = &journeys->steps;
	Steps	  steps = {.at = all->count};
	uint32	 *pages;
	uint32	  before = NO_PAGE;

	if (all->capacity - all->count < (uint64) journeys->depth)
	{
		all->capacity *= 2;
		all->pages = repalloc_huge(all->pages, all->capacity * sizeof *all->pages);
	}
	pages = all->pages + steps.at;
	for (int i = 0; i < count && steps.count < (uint32) journeys->depth; i++)
	{
		if (views[i].mark != before)
			pages[steps.count++] = before = views[i].mark;
	}
	steps.hash = hash_bytes((const unsigned char *) pages, (int) (steps.count * sizeof *pages));
	return steps;
}

/* A TakeChosenVisit. */
static void
take_visit(void *context, const SessionViews *session, const SessionView *views, int count)
{
	Journeys *journeys = context;
	Steps	  steps = add_steps(journeys, views, count);
	bool	  found;
	Way		 *way = ways_insert(journeys->ways, steps, &found);

	CHECK_FOR_INTERRUPTS();
	if (!found)
	{
		journeys->steps.count += steps.count;
		way->visits = way->visitors = 0;
	}
	journeys->visits++;
	count_visitor(journeys, way, visitor_of(session->session));
}

/* --- order ------------------------------------------------------------------------ */

/* What ways are compared with: their pages, and the place of each among all pages. */
typedef struct Order
{
	const uint32 *pages;
	const uint32 *places;
} Order;

static int
compare_pages(const void *a, const void *b, void *pages)
{
	Span x = span_of_text(DatumGetTextPP(((Datum *) pages)[*(const uint32 *) a]));
	Span y = span_of_text(DatumGetTextPP(((Datum *) pages)[*(const uint32 *) b]));

	CHECK_FOR_INTERRUPTS();
	return varstr_cmp(x.data, x.length, y.data, y.length, DEFAULT_COLLATION_OID);
}

/* An array of `count` zeros, as long as may be. */
static void *
new_array(uint64 count, Size size)
{
	return palloc_extended(Max(count, 1) * size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/*
 * The places of the pages that ways came to, in the order of their texts.  Where
 * days are packed many more have a number: all that the packs tell of.
 */
static uint32 *
places_of_pages(const Journeys *journeys)
{
	uint32 *places = new_array(journeys->page_count, sizeof *places);
	uint32 *sorted = new_array(journeys->page_count, sizeof *sorted);
	uint32	count = 0;

	for (uint64 i = 0; i < journeys->steps.count; i++)
		places[journeys->steps.pages[i]] = 1;
	for (uint32 page = 0; page < journeys->page_count; page++)
	{
		if (places[page] > 0)
			sorted[count++] = page;
	}
	qsort_arg(sorted, count, sizeof *sorted, compare_pages, journeys->pages);
	for (uint32 i = 0; i < count; i++)
		places[sorted[i]] = i;
	pfree(sorted);
	return places;
}

/* Most visits first, then in the order of their pages, the way without any last. */
static int
compare_ways(const Way *a, const Way *b, const Order *order)
{
	const uint32 *x = order->pages + a->steps.at;
	const uint32 *y = order->pages + b->steps.at;

	if (a->visits != b->visits)
		return a->visits > b->visits ? -1 : 1;
	if (a->steps.count == 0 || b->steps.count == 0)
		return a->steps.count > 0 ? -1 : 1;
	for (uint32 i = 0; i < a->steps.count && i < b->steps.count; i++)
	{
		if (x[i] != y[i])
			return order->places[x[i]] < order->places[y[i]] ? -1 : 1;
	}
	return (a->steps.count > b->steps.count) - (a->steps.count < b->steps.count);
}

static int
compare_for_sort(const void *a, const void *b, void *order)
{
	CHECK_FOR_INTERRUPTS();
	return compare_ways(*(Way *const *) a, *(Way *const *) b, order);
}

static int
compare_for_heap(Datum a, Datum b, void *order)
{
	return compare_ways((Way *) DatumGetPointer(a), (Way *) DatumGetPointer(b), order);
}

/* The first `limit` ways in their order. */
static Way **
first_ways(const Journeys *journeys, uint32 limit, uint32 *count)
{
	Order		  order = {journeys->steps.pages, places_of_pages(journeys)};
	bool		  is_short = limit < Min(journeys->ways->members, LONGEST_HEAP);
	Way			**first = new_array(is_short ? limit : journeys->ways->members, sizeof *first);
	binaryheap	 *heap = NULL; /* of the first until now, the last of them on top */
	uint32		  n = 0;
	ways_iterator iterator;
	Way			 *way;

	if (is_short)
		heap = binaryheap_allocate((int) limit, compare_for_heap, &order);
	ways_start_iterate(journeys->ways, &iterator);
	while ((way = ways_iterate(journeys->ways, &iterator)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_short)
			first[n++] = way;
		else if (n < limit)
		{
			binaryheap_add(heap, PointerGetDatum(way));
			n++;
		}
		else if (compare_for_heap(PointerGetDatum(way), binaryheap_first(heap), &order) < 0)
			binaryheap_replace_first(heap, PointerGetDatum(way));
	}
	if (is_short)
	{
		for (uint32 i = 0; i < n; i++)
			first[i] = (Way *) DatumGetPointer(heap->bh_nodes[i]);
		binaryheap_free(heap);
	}
	qsort_arg(first, n, sizeof *first, compare_for_sort, &order);
	*count = n;
	return first;
}

/* --- rows ------------------------------------------------------------------------- */

/* The pages of a way as an array. */
static Datum
pages_of(const Journeys *journeys, const Way *way)
{
	const uint32 *pages = journeys->steps.pages + way->steps.at;
	Datum		  elements[DEPTH_LIMIT];

	for (uint32 i = 0; i < way->steps.count; i++)
		elements[i] = journeys->pages[pages[i]];
	return PointerGetDatum(
		construct_array(elements, (int) way->steps.count, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
share_of(const Journeys *journeys, int64 visits)
{
	Datum share = DirectFunctionCall2(numeric_div, NumericGetDatum(int64_to_numeric(visits)),
									  NumericGetDatum(int64_to_numeric(journeys->visits)));

	return DirectFunctionCall2(numeric_round, share, Int32GetDatum(SHARE_DIGITS));
}

/* The first `limit` rows in their order; everything but the rows is in memory of the journeys. */
static void
put_rows(const Journeys *journeys, uint32 limit, ReturnSetInfo *result)
{
	uint32		  count;
	Way			**first = first_ways(journeys, limit, &count);
	MemoryContext row =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews journey", ALLOCSET_DEFAULT_SIZES);
	Datum share = 0;
	int64 share_visits = 0;

	for (uint32 i = 0; i < count; i++)
	{
		const Way	 *way = first[i];
		MemoryContext caller;
		bool		  nulls[] = {way->steps.count == 0, false, false, false};
		Datum		  values[] = {0, Int64GetDatum(way->visits), Int64GetDatum(way->visitors), 0};

		CHECK_FOR_INTERRUPTS();
		/* There are few different ones, so they stay. */
		if (way->visits != share_visits)
			share = share_of(journeys, way->visits);
		share_visits = way->visits;
		values[3] = share;
		caller = MemoryContextSwitchTo(row);
		values[0] = pages_of(journeys, way);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
}

/* journeys(since, until, site, filters, depth, ways) */
Datum
pageviews_journeys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ChosenQuery	   query = chosen_arguments(fcinfo);
	Journeys	   journeys = {.depth = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT32(4)};
	uint32		   limit = PG_ARGISNULL(5) ? PG_UINT32_MAX : (uint32) PG_GETARG_INT32(5);
	MemoryContext  caller;

	InitMaterializedSRF(fcinfo, 0);
	if (journeys.depth < 1 || journeys.depth > DEPTH_LIMIT)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("depth must be between 1 and %d", DEPTH_LIMIT),
				errhint("It is how many pages of a visit are looked at."));
	if (!PG_ARGISNULL(5) && PG_GETARG_INT32(5) < 1)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("ways must be positive, or NULL for all of them"),
				errhint("It is how many of the ways most gone are returned."));
	journeys.memory =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews journeys", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(journeys.memory);
	journeys.page_numbers = pages_create(journeys.memory, FIRST_CAPACITY, NULL);
	journeys.page_capacity = FIRST_CAPACITY;
	journeys.pages = palloc_array(Datum, FIRST_CAPACITY);
	journeys.steps.capacity = FIRST_CAPACITY;
	journeys.steps.pages = palloc_array(uint32, FIRST_CAPACITY);
	journeys.ways = ways_create(journeys.memory, FIRST_CAPACITY, &journeys.steps);
	journeys.passages = passages_create(journeys.memory, FIRST_CAPACITY, NULL);
	get_page(&journeys, (Span){"", 0});
	query.mark = get_page;
	query.parted = true;
	chosen_read_visits(&query, take_visit, &journeys);
	put_rows(&journeys, limit, result);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(journeys.memory);
	PG_RETURN_NULL();
}
