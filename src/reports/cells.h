/*
 * cells.h
 *	  What the reports count, by what they count it by: a cell for each value of a
 *	  dimension (a page, a country ...), for each stretch of time and site.
 *
 * Cells are made of views and visits (visits.h), or of packs: the cells of one
 * stretch, site and dimension as bytes, which is what a row of pageviews.rollups
 * keeps.  All that is in a cell can be added to another; what is in a cell but
 * for its visitors can also be taken away.
 *
 * A table of cells and all that is in it live in one memory context.
 */
#ifndef PAGEVIEWS_CELLS_H
#define PAGEVIEWS_CELLS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

#include "histogram.h"
#include "sketch.h"

/* As table pageviews.rollups has them: never changed, only added to. */
typedef enum Dimension
{
	DIMENSION_ALL, /* one cell: everything */
	DIMENSION_PAGE,
	DIMENSION_ENTRY,  /* visits by the page that they began with */
	DIMENSION_ORIGIN, /* visits by where they came from: the ORIGIN_PARTS */
	DIMENSION_COUNTRY,
	DIMENSION_BROWSER,
	DIMENSION_SYSTEM,
	DIMENSION_DEVICE,
	DIMENSION_LANGUAGE,
	DIMENSION_SCREEN,
	DIMENSION_COUNT
} Dimension;

#define DIMENSION_FIRST_OF_SESSION DIMENSION_COUNTRY
#define SESSION_DIMENSIONS		   (DIMENSION_COUNT - DIMENSION_FIRST_OF_SESSION)

/* Referrer's host, whether it is the site itself, utm_campaign, _source, _medium, _term, _content. */
#define ORIGIN_PARTS 7
#define VALUE_PARTS	 ORIGIN_PARTS

/* Of visits by entry or origin, views and engagement are those of the visits. */
typedef enum Counter
{
	COUNT_VIEWS,
	COUNT_ENGAGEMENT, /* milliseconds */
	COUNT_VISITS,	  /* of a page: visits that came to it */
	COUNT_BOUNCES,
	COUNT_ENTRIES, /* of a page: views that were the first of their visit */
	COUNT_EXITS,   /* of a page: views that were the last of their visit */
	COUNT_VISIT_VIEWS,
	COUNTER_COUNT
} Counter;

/* Bytes that are somebody else's. */
typedef struct Span
{
	const char *data; /* NULL: no value */
	int			length;
} Span;

typedef struct CellKey
{
	TimestampTz at;	  /* where its stretch begins */
	int32		span; /* what else tells stretches apart; the owner's */
	Dimension	dimension;
	Span		site;  /* no value: of all sites */
	Span		value; /* what value_write() made */
} CellKey;

typedef struct CellPiece CellPiece;

typedef struct Cell
{
	CellKey	   key;
	int64	   counters[COUNTER_COUNT];
	Histogram  engagement; /* of its views */
	Sketch	   visitors;
	CellPiece *pieces; /* more of both, as packs have it; cell_read_pieces() adds it */
} Cell;

typedef struct Cells Cells;

extern Cells *cells_new(MemoryContext context);

/* The cell of a key, which is copied when the cell is new. */
extern Cell *cells_get(Cells *cells, const CellKey *key);

/* All of them, in the order of `at`, `span`, dimension, site and value; an array of the caller's. */
extern Cell **cells_sorted(const Cells *cells, uint32 *count);

/* Adds to the histogram and the visitors what is still in pieces. */
extern void cell_read_pieces(Cell *cell);

/* How many bytes its pieces have. */
extern int64 cell_pieces_length(const Cell *cell);

/* Says that its pieces will be read, and all from those that are read next; see details_expect(). */
extern void cell_expect_pieces(const Cell *cell);

/* Adds a cell without pieces to another. */
extern void cell_merge(Cell *into, const Cell *from);

/* A value of some parts as bytes, and back into VALUE_PARTS spans, the rest of them without a value. */
extern void value_write(StringInfo into, const Span *parts, int count);
extern void value_read(Span value, Span parts[VALUE_PARTS]);

/* The cells of one stretch, site and dimension as bytes. */
typedef struct Pack
{
	bytea *counters; /* and values */
	bytea *details;	 /* histograms and sketches, many times as long; NULL: they are not wanted */
} Pack;				 /* of one that is read the details may be as a row has them, see details.h */

/*
 * Writes `count` cells in the order of their values, whose histograms and sketches
 * are used up.  Reading adds to the cells of `key` with each value; the details must
 * stay as long as the cells do, or until cell_read_pieces().
 */
extern Pack cells_pack(Cell *const *sorted, uint32 count);
extern void cells_unpack(Cells *into, const CellKey *key, const Pack *pack);

static inline Span
span_of_text(const text *value)
{
	return (Span){VARDATA_ANY(value), (int) VARSIZE_ANY_EXHDR(value)};
}

static inline bool
span_equal(Span a, Span b)
{
	if (a.data == NULL || b.data == NULL)
		return a.data == b.data;
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

/* By their bytes, as the collation "C" has texts; no value is before all others. */
static inline int
span_compare(Span a, Span b)
{
	int difference;

	if (a.data == NULL || b.data == NULL)
		return (a.data != NULL) - (b.data != NULL);
	difference = memcmp(a.data, b.data, Min(a.length, b.length));
	return difference != 0 ? difference : a.length - b.length;
}

#endif /* PAGEVIEWS_CELLS_H */
