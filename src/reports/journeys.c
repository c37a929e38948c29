/*
 * journeys.c
 *	  journeys(): the first pages of visits, and how many went which way.
 *
 * A way is the pages that a visit came to, one after the other; a page that is
 * viewed again at once is one.  Each page is kept once and has a number.  Ways are
 * the nodes of a tree: a node is a page that was come to by the way that its
 * parent is.  In memory are the session that is read, the pages and the tree.
 *
 * There may be millions of ways, so their order is found without comparing any:
 * pages are sorted, the children of each node are put in the order of their pages,
 * and a walk through the tree then comes to the ways in theirs.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
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

/* The page of the root, which is before the first page; so its path is no page of a way. */
#define NO_PAGE 0
#define ROOT	0

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

typedef struct Way
{
	uint32 parent; /* comes before it */
	uint32 page;
	int64  visits;
	int64  visitors;
	uint64 first_visitor;
} Way;

typedef struct WayEntry
{
	uint64 step; /* parent and page */
	uint32 way;
	char   status;
} WayEntry;

#define SH_PREFIX		  ways
#define SH_ELEMENT_TYPE	  WayEntry
#define SH_KEY_TYPE		  uint64
#define SH_KEY			  step
#define SH_HASH_KEY(t, k) ((uint32) ((k) *UINT64CONST(0x9e3779b97f4a7c15) >> 32))
#define SH_EQUAL(t, a, b) ((a) == (b))
#define SH_SCOPE		  static inline
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
	ways_hash	  *way_numbers;
	Way			  *ways;
	uint32		   way_count;
	uint32		   way_capacity;
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

/* The way that goes on to a page. */
static uint32
get_way(Journeys *journeys, uint32 parent, uint32 page)
{
	bool	  found;
	WayEntry *entry = ways_insert(journeys->way_numbers, (uint64) parent << 32 | page, &found);

	if (found)
		return entry->way;
	if (journeys->way_count == journeys->way_capacity)
	{
		journeys->way_capacity *= 2;
		journeys->ways =
			repalloc_huge(journeys->ways, (Size) journeys->way_capacity * sizeof *journeys->ways);
	}
	entry->way = journeys->way_count++;
	journeys->ways[entry->way] = (Way){.parent = parent, .page = page};
	return entry->way;
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
count_visitor(Journeys *journeys, uint32 number, uint64 visitor)
{
	Way *way = &journeys->ways[number];
	bool found = false;

	if (way->visits == 0)
		way->first_visitor = visitor;
	else if (way->first_visitor == visitor)
		found = true;
	else
		passages_insert(journeys->passages, hash_bytes_uint32_extended(number, visitor), &found);
	way->visits++;
	way->visitors += !found;
}

/* A TakeChosenVisit. */
static void
take_visit(void *context, const SessionViews *session, const SessionView *views, int count)
{
	Journeys *journeys = context;
	uint32	  number = ROOT;
	uint32	  before = NO_PAGE;
	int		  found = 0;

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < count && found < journeys->depth; i++)
	{
		if (views[i].mark == before)
			continue;
		before = views[i].mark;
		number = get_way(journeys, number, before);
		found++;
	}
	journeys->visits++;
	count_visitor(journeys, number, visitor_of(session->session));
}

/* --- order ------------------------------------------------------------------------ */

/* An array of `count` zeros, as long as may be. */
static void *
new_array(uint32 count, Size size)
{
	return palloc_extended(count * size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static int
compare_pages(const void *a, const void *b, void *pages)
{
	Span x = span_of_text(DatumGetTextPP(((Datum *) pages)[*(const uint32 *) a]));
	Span y = span_of_text(DatumGetTextPP(((Datum *) pages)[*(const uint32 *) b]));

	CHECK_FOR_INTERRUPTS();
	return varstr_cmp(x.data, x.length, y.data, y.length, DEFAULT_COLLATION_OID);
}

/*
 * The numbers of the pages that ways came to, in the order of their texts.  Where
 * days are packed many more have a number: all that the packs tell of.
 */
static uint32 *
sorted_pages(const Journeys *journeys, const uint32 *of_page, uint32 *count)
{
	uint32 *sorted = new_array(journeys->page_count, sizeof *sorted);
	uint32	n = 0;

	for (uint32 i = 0; i < journeys->page_count; i++)
	{
		if (of_page[i] != ROOT)
			sorted[n++] = i;
	}
	qsort_arg(sorted, n, sizeof *sorted, compare_pages, journeys->pages);
	*count = n;
	return sorted;
}

/*
 * Chains the children of each way in the order of their pages: `first` has the
 * first of each, `next` the next of the same parent; ROOT, which is nobody's child,
 * where there is none.
 */
static void
chain_children(const Journeys *journeys, uint32 *first, uint32 *next)
{
	uint32 *of_page = new_array(journeys->page_count, sizeof *of_page);
	uint32 *pages;
	uint32	count;

	/* A chain of each page first; then, from the last page on, each of its ways goes before its siblings. */
	for (uint32 way = ROOT + 1; way < journeys->way_count; way++)
	{
		next[way] = of_page[journeys->ways[way].page];
		of_page[journeys->ways[way].page] = way;
	}
	pages = sorted_pages(journeys, of_page, &count);
	for (uint32 i = count; i-- > 0;)
	{
		CHECK_FOR_INTERRUPTS();
		for (uint32 way = of_page[pages[i]], other; way != ROOT; way = other)
		{
			uint32 parent = journeys->ways[way].parent;

			other = next[way];
			next[way] = first[parent];
			first[parent] = way;
		}
	}
	pfree(pages);
	pfree(of_page);
}

/* A way that somebody went to its end. */
typedef struct WentWay
{
	int64  visits;
	uint32 way;
} WentWay;

/* Those of which this is so, in the order of their pages; the one without any is the last. */
static WentWay *
went_ways(const Journeys *journeys, uint32 *count)
{
	const Way *ways = journeys->ways;
	WentWay	  *went = new_array(journeys->way_count, sizeof *went);
	uint32	  *first = new_array(journeys->way_count, sizeof *first);
	uint32	  *next = new_array(journeys->way_count, sizeof *next);
	uint32	   way = ROOT;
	uint32	   n = 0;

	chain_children(journeys, first, next);
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (first[way] != ROOT)
			way = first[way];
		else
		{
			while (way != ROOT && next[way] == ROOT)
				way = ways[way].parent;
			way = next[way];
		}
		if (ways[way].visits > 0)
			went[n++] = (WentWay){ways[way].visits, way};
	} while (way != ROOT);
	pfree(first);
	pfree(next);
	*count = n;
	return went;
}

/* Most visits first, else as it was: by the lowest byte, and so on to the highest that any has. */
static WentWay *
sort_by_visits(WentWay *went, uint32 count, int64 most)
{
	WentWay *sorted = new_array(count, sizeof *sorted);

	for (int shift = 0; shift < 64 && most >> shift > 0; shift += 8)
	{
		uint32	 places[257] = {0};
		WentWay *before = went;

		for (uint32 i = 0; i < count; i++)
			places[256 - (went[i].visits >> shift & 255)]++;
		for (int i = 1; i <= 256; i++)
			places[i] += places[i - 1];
		for (uint32 i = 0; i < count; i++)
			sorted[places[255 - (went[i].visits >> shift & 255)]++] = went[i];
		went = sorted;
		sorted = before;
	}
	pfree(sorted);
	return went;
}

/* --- rows ------------------------------------------------------------------------- */

/* The pages of a way as an array. */
static Datum
pages_of(const Journeys *journeys, uint32 way)
{
	Datum elements[DEPTH_LIMIT];
	int	  at = DEPTH_LIMIT;

	for (; way != ROOT; way = journeys->ways[way].parent)
		elements[--at] = journeys->pages[journeys->ways[way].page];
	return PointerGetDatum(
		construct_array(elements + at, DEPTH_LIMIT - at, TEXTOID, -1, false, TYPALIGN_INT));
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
	WentWay		 *went = went_ways(journeys, &count);
	MemoryContext row =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews journey", ALLOCSET_DEFAULT_SIZES);
	Datum share = 0;
	int64 share_visits = 0;
	int64 most = 0;

	for (uint32 i = 0; i < count; i++)
		most = Max(most, went[i].visits);
	went = sort_by_visits(went, count, most);
	for (uint32 i = 0; i < Min(count, limit); i++)
	{
		const Way	 *way = &journeys->ways[went[i].way];
		MemoryContext caller;
		bool		  nulls[] = {went[i].way == ROOT, false, false, false};
		Datum		  values[] = {0, Int64GetDatum(way->visits), Int64GetDatum(way->visitors), 0};

		CHECK_FOR_INTERRUPTS();
		/* There are few different ones, so they stay. */
		if (way->visits != share_visits)
			share = share_of(journeys, way->visits);
		share_visits = way->visits;
		values[3] = share;
		caller = MemoryContextSwitchTo(row);
		values[0] = pages_of(journeys, went[i].way);
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
	journeys.way_numbers = ways_create(journeys.memory, FIRST_CAPACITY, NULL);
	journeys.way_capacity = FIRST_CAPACITY;
	journeys.ways = palloc0_array(Way, FIRST_CAPACITY);
	journeys.way_count = ROOT + 1;
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
