/*
 * cells.c
 *	  A table of cells, and packs, see cells.h.
 *
 * A pack's counters are a version byte and its cells, each:
 *
 *	  length of what its value shares with the one before, and of the rest; the
 *	  rest; a byte that tells which counters are not 0 and whether there is a
 *	  histogram; these counters; how many bytes of the details are its own
 *
 * and its details for each cell, in their order: the histogram; the sketch.  They
 * are apart because there is a report that wants the counters alone.
 *
 * Reading a pack leaves histogram and sketch of a cell where they are, as a piece:
 * a report then reads the pieces of one cell after the other, which is the order in
 * which they lie, into the same few kilobytes, and a pack that is written again takes
 * over what was not added to.
 */
#include "cells.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "details.h"
#include "varint.h"

#define PACK_VERSION  4
#define HAS_HISTOGRAM (1 << COUNTER_COUNT)

StaticAssertDecl(COUNTER_COUNT == 7, "the counters and the histogram have a bit each of one byte");

/* A histogram and a sketch, or a sketch alone, as bytes of a pack's details. */
struct CellPiece
{
	CellPiece *next;
	Details	  *details;
	int		   offset;
	int		   length;
	bool	   has_histogram;
};

typedef struct CellEntry
{
	Cell  *cell;
	uint32 hash;
	char   status;
} CellEntry;

static uint32
hash_of(const CellKey *key)
{
	uint64 hash = (uint64) key->at * 31 + (uint64) key->span * 7 + (uint64) key->dimension;

	hash = hash_combine64(hash,
						  hash_bytes((const unsigned char *) key->value.data, key->value.length));
	hash =
		hash_combine64(hash, hash_bytes((const unsigned char *) key->site.data, key->site.length));
	return (uint32) (hash >> 32 ^ hash);
}

static bool
keys_equal(const CellKey *a, const CellKey *b)
{
	return a->at == b->at && a->span == b->span && a->dimension == b->dimension &&
		   span_equal(a->site, b->site) && span_equal(a->value, b->value);
}

#define SH_PREFIX		  cell_table
#define SH_ELEMENT_TYPE	  CellEntry
#define SH_KEY_TYPE		  Cell *
#define SH_KEY			  cell
#define SH_HASH_KEY(t, k) hash_of(&(k)->key)
#define SH_EQUAL(t, a, b) keys_equal(&(a)->key, &(b)->key)
#define SH_SCOPE		  static inline
#define SH_STORE_HASH
#define SH_GET_HASH(t, e) (e)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct Cells
{
	MemoryContext	 context;
	cell_table_hash *table;
	Span			 last_site; /* sites are few: the copy of the last one is used again */
};

Cells *
cells_new(MemoryContext context)
{
	Cells *cells = MemoryContextAllocZero(context, sizeof *cells);

	cells->context = context;
	cells->table = cell_table_create(context, 256, NULL);
	return cells;
}

static Span
copy_span(MemoryContext context, Span span)
{
	char *copy;

	if (span.data == NULL)
		return span;
	copy = MemoryContextAlloc(context, Max(span.length, 1));
	memcpy(copy, span.data, span.length);
	return (Span){copy, span.length};
}

Cell *
cells_get(Cells *cells, const CellKey *key)
{
	Cell	   probe = {.key = *key};
	uint32	   hash = hash_of(key);
	bool	   found;
	CellEntry *entry = cell_table_insert_hash(cells->table, &probe, hash, &found);

	if (!found)
	{
		Cell *cell = MemoryContextAllocZero(cells->context, sizeof *cell);

		if (!span_equal(cells->last_site, key->site))
			cells->last_site = copy_span(cells->context, key->site);
		cell->key = *key;
		cell->key.site = cells->last_site;
		cell->key.value = copy_span(cells->context, key->value);
		entry->cell = cell;
	}
	return entry->cell;
}

static int
compare_cells(const void *a, const void *b)
{
	const CellKey *x = &(*(Cell *const *) a)->key;
	const CellKey *y = &(*(Cell *const *) b)->key;
	int			   sites;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->span != y->span)
		return x->span < y->span ? -1 : 1;
	if (x->dimension != y->dimension)
		return (int) x->dimension - (int) y->dimension;
	sites = span_compare(x->site, y->site);
	return sites != 0 ? sites : span_compare(x->value, y->value);
}

Cell **
cells_sorted(const Cells *cells, uint32 *count)
{
	Cell			  **sorted = palloc_array(Cell *, Max(cells->table->members, 1));
	cell_table_iterator iterator;
	CellEntry		   *entry;
	uint32				n = 0;

	cell_table_start_iterate(cells->table, &iterator);
	while ((entry = cell_table_iterate(cells->table, &iterator)) != NULL)
		sorted[n++] = entry->cell;
	qsort(sorted, n, sizeof(Cell *), compare_cells);
	*count = n;
	return sorted;
}

/* Whether nothing was added to a cell since its pieces came. */
static bool
is_untouched(const Cell *cell)
{
	return cell->engagement.bars == NULL && cell->engagement.counts == NULL &&
		   cell->visitors.entries == NULL && cell->visitors.registers == NULL;
}

void
cell_read_pieces(Cell *cell)
{
	if (cell->pieces != NULL && cell->pieces->next != NULL)
	{
		if (cell->pieces->has_histogram)
			histogram_expect_many(&cell->engagement);
		sketch_expect(&cell->visitors, cell->counters[COUNT_VISITS]);
	}
	for (const CellPiece *piece = cell->pieces; piece != NULL; piece = piece->next)
	{
		StringInfoData from = {(char *) details_read(piece->details, piece->offset, piece->length),
							   piece->length, piece->length, 0};

		if (piece->has_histogram)
			histogram_read(&cell->engagement, &from);
		sketch_read(&cell->visitors, &from);
	}
	cell->pieces = NULL;
}

int64
cell_pieces_length(const Cell *cell)
{
	int64 length = 0;

	for (const CellPiece *piece = cell->pieces; piece != NULL; piece = piece->next)
		length += piece->length;
	return length;
}

void
cell_expect_pieces(const Cell *cell)
{
	for (const CellPiece *piece = cell->pieces; piece != NULL; piece = piece->next)
		details_expect(piece->details, piece->offset + piece->length);
}

void
cell_merge(Cell *into, const Cell *from)
{
	Assert(from->pieces == NULL);
	for (int i = 0; i < COUNTER_COUNT; i++)
		into->counters[i] += from->counters[i];
	histogram_merge(&into->engagement, &from->engagement);
	sketch_merge(&into->visitors, &from->visitors);
}

/* --- values --------------------------------------------------------------------- */

void
value_write(StringInfo into, const Span *parts, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (parts[i].data == NULL)
			varint_write(into, 0);
		else
		{
			varint_write(into, (uint64) parts[i].length + 1);
			appendBinaryStringInfo(into, parts[i].data, parts[i].length);
		}
	}
}

void
value_read(Span value, Span parts[VALUE_PARTS])
{
	StringInfoData from = {(char *) value.data, value.length, value.length, 0};

	for (int i = 0; i < VALUE_PARTS; i++)
	{
		uint64 length = from.cursor < from.len ? varint_read(&from) : 0;

		parts[i] = (Span){NULL, 0};
		if (length > 0)
			parts[i] = (Span){varint_read_bytes(&from, length - 1), (int) length - 1};
	}
}

/* --- packs ---------------------------------------------------------------------- */

static int
shared_length(Span a, Span b)
{
	int length = 0;

	while (length < a.length && length < b.length && a.data[length] == b.data[length])
		length++;
	return length;
}

/* Histogram and sketch of a cell as bytes. */
typedef struct Written
{
	const char *bytes;
	int			length;
	bool		has_histogram;
} Written;

/*
 * As they lie, or in `scratch`.  What was made of pieces is given back: there are as
 * many cells as a site has pages.
 */
static Written
write_details(Cell *cell, StringInfo scratch)
{
	const CellPiece *piece = cell->pieces;
	Written			 written;

	if (piece != NULL && piece->next == NULL && is_untouched(cell))
		return (Written){details_read(piece->details, piece->offset, piece->length), piece->length,
						 piece->has_histogram};
	cell_read_pieces(cell);
	resetStringInfo(scratch);
	written.has_histogram = !histogram_is_empty(&cell->engagement);
	if (written.has_histogram)
		histogram_write(&cell->engagement, scratch);
	sketch_write(&cell->visitors, scratch);
	if (piece != NULL)
	{
		histogram_free(&cell->engagement);
		sketch_free(&cell->visitors);
	}
	written.bytes = scratch->data;
	written.length = scratch->len;
	return written;
}

static void
pack_cell(StringInfo counters, StringInfo details, Cell *cell, Span before, StringInfo scratch)
{
	Span	value = cell->key.value;
	int		shared = shared_length(before, value);
	Written written = write_details(cell, scratch);
	uint8	present = written.has_histogram ? HAS_HISTOGRAM : 0;

	varint_write(counters, (uint64) shared);
	varint_write(counters, (uint64) (value.length - shared));
	appendBinaryStringInfo(counters, value.data + shared, value.length - shared);

	for (int i = 0; i < COUNTER_COUNT; i++)
		present |= (uint8) ((cell->counters[i] != 0) << i);
	appendStringInfoCharMacro(counters, (char) present);
	for (int i = 0; i < COUNTER_COUNT; i++)
	{
		if (cell->counters[i] != 0)
			varint_write_signed(counters, cell->counters[i]);
	}
	varint_write(counters, (uint64) written.length);
	appendBinaryStringInfo(details, written.bytes, written.length);
}

static void
bytea_begin(StringInfo bytes)
{
	initStringInfo(bytes);
	appendStringInfoSpaces(bytes, VARHDRSZ);
}

static bytea *
bytea_end(StringInfo bytes)
{
	SET_VARSIZE(bytes->data, bytes->len);
	return (bytea *) bytes->data;
}

Pack
cells_pack(Cell *const *sorted, uint32 count)
{
	StringInfoData counters;
	StringInfoData details;
	StringInfoData scratch;
	Span		   before = {"", 0};

	initStringInfo(&scratch);
	bytea_begin(&counters);
	bytea_begin(&details);
	appendStringInfoCharMacro(&counters, PACK_VERSION);
	for (uint32 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pack_cell(&counters, &details, sorted[i], before, &scratch);
		before = sorted[i]->key.value;
	}
	pfree(scratch.data);
	return (Pack){bytea_end(&counters), bytea_end(&details)};
}

/* Leaves `length` bytes of the details, at an offset, to be read later; returns where they end. */
static int
add_piece(Cell *cell, Details *details, int offset, uint64 length, bool has_histogram)
{
	CellPiece *piece = palloc(sizeof *piece);

	if (length > (uint64) (details_length(details) - offset))
		varint_corrupted();
	piece->details = details;
	piece->offset = offset;
	piece->length = (int) length;
	piece->has_histogram = has_histogram;
	piece->next = cell->pieces;
	cell->pieces = piece;
	return offset + (int) length;
}

void
cells_unpack(Cells *into, const CellKey *key, const Pack *pack)
{
	const bytea	  *counters = pack->counters;
	StringInfoData from = {VARDATA_ANY(counters), (int) VARSIZE_ANY_EXHDR(counters),
						   (int) VARSIZE_ANY_EXHDR(counters), 0};
	MemoryContext  caller = MemoryContextSwitchTo(into->context);
	Details		  *details = pack->details == NULL ? NULL : details_open(pack->details);
	int			   read = 0; /* of the details */
	StringInfoData value;

	if (*varint_read_bytes(&from, 1) != PACK_VERSION)
		varint_corrupted();
	initStringInfo(&value);
	while (from.cursor < from.len)
	{
		CellKey whole = *key;
		uint64	shared = varint_read(&from);
		uint64	rest = varint_read(&from);
		uint64	length;
		Cell   *cell;
		uint8	present;

		if (shared > (uint64) value.len)
			varint_corrupted();
		value.len = (int) shared;
		appendBinaryStringInfo(&value, varint_read_bytes(&from, rest), (int) rest);
		whole.value = (Span){value.data, value.len};
		cell = cells_get(into, &whole);

		present = (uint8) *varint_read_bytes(&from, 1);
		for (int i = 0; i < COUNTER_COUNT; i++)
		{
			if (present & 1 << i)
				cell->counters[i] += varint_read_signed(&from);
		}
		length = varint_read(&from);
		if (details != NULL)
			read = add_piece(cell, details, read, length, (present & HAS_HISTOGRAM) != 0);
	}
	if (details != NULL && read != details_length(details))
		varint_corrupted();
	pfree(value.data);
	MemoryContextSwitchTo(caller);
}
