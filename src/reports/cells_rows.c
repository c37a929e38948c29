/*
 * cells_rows.c
 *	  The rows of cells(), see cells_rows.h.
 */
#include "cells_rows.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "filters.h"

/* Patterns, one of which a value must be like; NULL: every value is wanted. */
typedef struct Wanted
{
	Span *patterns;
	int	  count;
} Wanted;

/* Whether somebody asked for a cell, and there is anything in it. */
static bool
is_wanted(const Wanted *wanted, const Cell *cell)
{
	Span parts[VALUE_PARTS];

	if (cell->counters[COUNT_VIEWS] == 0 && cell->counters[COUNT_VISITS] == 0)
		return false;
	if (wanted->patterns == NULL)
		return true;
	value_read(cell->key.value, parts);
	for (int i = 0; i < wanted->count; i++)
	{
		if (parts[0].data != NULL && span_is_like(parts[0], wanted->patterns[i]))
			return true;
	}
	return false;
}

/* A value as an array of texts, as many as its dimension has. */
static Datum
value_datum(const Cell *cell)
{
	Span  parts[VALUE_PARTS];
	Datum elements[VALUE_PARTS];
	bool  nulls[VALUE_PARTS];
	int	  count = cell->key.dimension == DIMENSION_ORIGIN ? ORIGIN_PARTS
				  : cell->key.dimension == DIMENSION_ALL  ? 0
														  : 1;
	int	  lower = 1;

	value_read(cell->key.value, parts);
	for (int i = 0; i < count; i++)
	{
		/* A dump may have come from another encoding. */
		nulls[i] = parts[i].data == NULL ||
				   !pg_verify_mbstr(GetDatabaseEncoding(), parts[i].data, parts[i].length, true);
		if (!nulls[i])
			elements[i] = PointerGetDatum(cstring_to_text_with_len(parts[i].data, parts[i].length));
	}
	if (count == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	return PointerGetDatum(
		construct_md_array(elements, nulls, 1, &count, &lower, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The columns of cells(). */
static void
put_row(ReturnSetInfo *result, const Cell *cell, const CellFigures *figures, CellDetail detail)
{
	static const Counter counters[] = {COUNT_VIEWS,		 COUNT_ENGAGEMENT, COUNT_VISITS,
									   COUNT_BOUNCES,	 COUNT_ENTRIES,	   COUNT_EXITS,
									   COUNT_VISIT_VIEWS};
	enum
	{
		BUCKET,
		SITE,
		VALUE,
		COUNTERS,
		VISITORS = COUNTERS + lengthof(counters),
		MEDIAN,
		P90,
		SKETCH,
		COLUMNS
	};
	Datum values[COLUMNS] = {0};
	bool  nulls[COLUMNS] = {0};

	values[BUCKET] = Int32GetDatum(cell->key.span);
	nulls[SITE] = cell->key.site.data == NULL;
	if (!nulls[SITE])
		values[SITE] =
			PointerGetDatum(cstring_to_text_with_len(cell->key.site.data, cell->key.site.length));
	values[VALUE] = value_datum(cell);
	for (int i = 0; i < lengthof(counters); i++)
		values[COUNTERS + i] = Int64GetDatum(cell->counters[counters[i]]);
	nulls[VISITORS] = detail < DETAIL_DISTINCT;
	if (!nulls[VISITORS])
		values[VISITORS] = Int64GetDatum(figures->visitors);
	nulls[MEDIAN] = nulls[P90] = nulls[VISITORS] || figures->median < 0;
	if (!nulls[P90])
	{
		values[MEDIAN] = Int64GetDatum(figures->median);
		values[P90] = Int64GetDatum(figures->p90);
	}
	nulls[SKETCH] = detail < DETAIL_SKETCHES;
	if (!nulls[SKETCH])
		values[SKETCH] = PointerGetDatum(figures->sketch);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* The patterns of an array of texts; NULLs in it are like nothing. */
static void
read_wanted(ArrayType *array, Wanted *wanted)
{
	Datum *elements;
	bool  *nulls;
	int	   count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	wanted->patterns = palloc_array(Span, Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			wanted->patterns[wanted->count++] = span_of_text(DatumGetTextPP(elements[i]));
	}
}

CellRows
cells_choose(const Cells *cells, ArrayType *wanted_values, CellDetail detail)
{
	CellRows rows = {.are_all = wanted_values == NULL};
	Wanted	 wanted = {NULL, 0};
	uint32	 count;

	if (wanted_values != NULL)
		read_wanted(wanted_values, &wanted);
	rows.cells = cells_sorted(cells, &count);
	for (uint32 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_wanted(&wanted, rows.cells[i]))
			rows.cells[rows.count++] = rows.cells[i];
	}
	if (detail > DETAIL_COUNTERS)
		rows.figures =
			MemoryContextAllocHuge(CurrentMemoryContext, Max(rows.count, 1) * sizeof *rows.figures);
	for (uint32 i = 0; i < rows.count && rows.figures != NULL; i++)
		rows.figures[i].visitors = -1;
	return rows;
}

uint64
cells_fingerprint(const CellRows *rows)
{
	uint64 fingerprint = rows->count;

	for (uint32 i = 0; i < rows->count; i++)
	{
		const CellKey *key = &rows->cells[i]->key;

		fingerprint = hash_combine64(fingerprint, (uint64) key->span);
		fingerprint =
			hash_combine64(fingerprint, hash_bytes_extended((const unsigned char *) key->site.data,
															key->site.length, 0));
		fingerprint =
			hash_combine64(fingerprint, hash_bytes_extended((const unsigned char *) key->value.data,
															key->value.length, 0));
	}
	return fingerprint;
}

/* The sketch of a cell as bytes. */
static bytea *
write_sketch(const Cell *cell)
{
	StringInfoData sketch;

	initStringInfo(&sketch);
	appendStringInfoSpaces(&sketch, VARHDRSZ);
	sketch_write(&cell->visitors, &sketch);
	SET_VARSIZE(sketch.data, sketch.len);
	return (bytea *) sketch.data;
}

void
cells_figure(CellRows *rows, uint32 from, uint32 until, CellDetail detail)
{
	MemoryContext memory =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews cell", ALLOCSET_DEFAULT_SIZES);

	for (uint32 i = from; i < until && rows->are_all; i++)
		cell_expect_pieces(rows->cells[i]);
	for (uint32 i = from; i < until; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(memory);
		Cell		 *cell = rows->cells[i];
		CellFigures	 *figures = &rows->figures[i];

		CHECK_FOR_INTERRUPTS();
		cell_read_pieces(cell);
		figures->visitors = sketch_estimate(&cell->visitors);
		figures->median = histogram_percentile(&cell->engagement, 0.5);
		figures->p90 = histogram_percentile(&cell->engagement, 0.9);
		MemoryContextSwitchTo(caller);
		figures->sketch = detail < DETAIL_SKETCHES ? NULL : write_sketch(cell);
		MemoryContextReset(memory);
	}
	MemoryContextDelete(memory);
}

void
cells_put_rows(ReturnSetInfo *result, const CellRows *rows, CellDetail detail)
{
	MemoryContext row =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews row", ALLOCSET_DEFAULT_SIZES);

	for (uint32 i = 0; i < rows->count; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(row);

		CHECK_FOR_INTERRUPTS();
		put_row(result, rows->cells[i], rows->figures == NULL ? NULL : &rows->figures[i], detail);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
	MemoryContextDelete(row);
}
