/*
 * journeys.c
 *	  ways(): the first pages of visits, and how many went which way.
 *
 * A way is the pages that a visit came to, one after the other; a page that is
 * viewed again at once is one.  In memory are the session that is read, and each
 * way that anybody went, once.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "chosen.h"

PG_FUNCTION_INFO_V1(pageviews_ways);

#define DEPTH_LIMIT 50

typedef struct Way
{
	Span   pages; /* each with the zero byte that ends it, which is in no text */
	int64  visits;
	int64  visitors;
	int64  last_visitor; /* the number of the one that was counted last */
	uint32 hash;
	char   status;
} Way;

static uint32
hash_of(Span pages)
{
	return hash_bytes((const unsigned char *) pages.data, pages.length);
}

#define SH_PREFIX		  ways
#define SH_ELEMENT_TYPE	  Way
#define SH_KEY_TYPE		  Span
#define SH_KEY			  pages
#define SH_HASH_KEY(t, k) hash_of(k)
#define SH_EQUAL(t, a, b) span_equal(a, b)
#define SH_SCOPE		  static inline
#define SH_STORE_HASH
#define SH_GET_HASH(t, e) (e)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Journeys
{
	int			   depth;
	MemoryContext  memory; /* of the ways */
	ways_hash	  *ways;
	StringInfoData pages; /* of the visit, as a way has them */

	/* Visitors are numbered as they come; all visits of one come together. */
	int64 visitor;
	uint8 session[UUID_LEN];
} Journeys;

/* Reads the pages of a visit. */
static void
read_pages(Journeys *journeys, const SessionView *views, int count)
{
	Span before = {"", 0};
	int	 found = 0;

	resetStringInfo(&journeys->pages);
	for (int i = 0; i < count && found < journeys->depth; i++)
	{
		if (span_equal(views[i].path, before))
			continue;
		before = views[i].path;
		appendBinaryStringInfo(&journeys->pages, before.data, before.length);
		appendStringInfoCharMacro(&journeys->pages, '\0');
		found++;
	}
}

/* The way of these pages, which are copied when it is new. */
static Way *
get_way(Journeys *journeys, Span pages)
{
	bool found;
	Way *way = ways_insert(journeys->ways, pages, &found);

	if (!found)
	{
		char *copy = MemoryContextAlloc(journeys->memory, Max(pages.length, 1));

		memcpy(copy, pages.data, pages.length);
		way->pages.data = copy;
		way->visits = way->visitors = way->last_visitor = 0;
	}
	return way;
}

/* A TakeChosenVisit. */
static void
take_visit(void *context, const SessionViews *session, const SessionView *views, int count)
{
	Journeys *journeys = context;
	Way		 *way;

	CHECK_FOR_INTERRUPTS();
	if (journeys->visitor == 0 || memcmp(journeys->session, session->session, UUID_LEN) != 0)
	{
		memcpy(journeys->session, session->session, UUID_LEN);
		journeys->visitor++;
	}
	read_pages(journeys, views, count);
	way = get_way(journeys, (Span){journeys->pages.data, journeys->pages.len});
	way->visits++;
	if (way->last_visitor != journeys->visitor)
	{
		way->visitors++;
		way->last_visitor = journeys->visitor;
	}
}

/* The pages of a way as an array; false if there are none. */
static bool
array_of_pages(Span pages, Datum *array)
{
	Datum elements[DEPTH_LIMIT];
	int	  count = 0;

	for (int at = 0; at < pages.length; count++)
	{
		int length = (int) strlen(pages.data + at);

		elements[count] = PointerGetDatum(cstring_to_text_with_len(pages.data + at, length));
		at += length + 1;
	}
	*array = PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
	return count > 0;
}

/* The rows: one for each way. */
static void
put_rows(const Journeys *journeys, ReturnSetInfo *result)
{
	MemoryContext row =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews way", ALLOCSET_DEFAULT_SIZES);
	ways_iterator iterator;
	const Way	 *way;

	ways_start_iterate(journeys->ways, &iterator);
	while ((way = ways_iterate(journeys->ways, &iterator)) != NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(row);
		Datum		  values[] = {0, Int64GetDatum(way->visits), Int64GetDatum(way->visitors)};
		bool		  nulls[] = {false, false, false};

		CHECK_FOR_INTERRUPTS();
		nulls[0] = !array_of_pages(way->pages, &values[0]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
	MemoryContextDelete(row);
}

/* ways(since, until, site, filters, depth) */
Datum
pageviews_ways(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ChosenQuery	   query = chosen_arguments(fcinfo);
	Journeys	   journeys = {.depth = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT32(4)};

	InitMaterializedSRF(fcinfo, 0);
	if (journeys.depth < 1 || journeys.depth > DEPTH_LIMIT)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("depth must be between 1 and %d", DEPTH_LIMIT),
				errhint("It is how many pages of a visit are looked at."));
	journeys.memory =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews ways", ALLOCSET_DEFAULT_SIZES);
	journeys.ways = ways_create(journeys.memory, 256, NULL);
	initStringInfo(&journeys.pages);
	chosen_read_visits(&query, take_visit, &journeys);
	put_rows(&journeys, result);
	MemoryContextDelete(journeys.memory);
	PG_RETURN_NULL();
}
