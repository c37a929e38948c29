/*
 * packs.c
 *	  The table pageviews.rollups, see packs.h.
 */
#include "packs.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sql.h"

/* The columns of the table: dimension, level, site and bucket are the key of a pack. */
#define KEY_COLUMNS 4
#define COLUMNS		6

static Oid column_types[COLUMNS] = {INT2OID, INT2OID, TEXTOID, TIMESTAMPTZOID, BYTEAOID, BYTEAOID};

/* Whether a cell changes anything. */
static bool
is_nothing(Cell *cell)
{
	for (int i = 0; i < COUNTER_COUNT; i++)
	{
		if (cell->counters[i] != 0)
			return false;
	}
	cell_read_pieces(cell);
	return histogram_is_empty(&cell->engagement);
}

static void
set_key(const CellKey *key, Datum values[COLUMNS])
{
	values[0] = Int16GetDatum(key->dimension);
	values[1] = Int16GetDatum(key->span);
	values[2] = PointerGetDatum(cstring_to_text_with_len(key->site.data, key->site.length));
	values[3] = TimestampTzGetDatum(key->at);
}

/* The pack that a row has in two columns, from `column` on; of the details what it has. */
static Pack
pack_of_row(const SPITupleTable *rows, uint64 row, int column)
{
	HeapTuple tuple = rows->vals[row];
	bool	  null;

	return (Pack){
		DatumGetByteaPP(SPI_getbinval(tuple, rows->tupdesc, column, &null)),
		(bytea *) DatumGetPointer(SPI_getbinval(tuple, rows->tupdesc, column + 1, &null))};
}

/* The pack of a key as it is; false if there is none. */
static bool
read_pack(Datum *values, Pack *pack)
{
	static SPIPlanPtr plan = NULL;

	sql_execute(&plan,
				"SELECT counters, details FROM pageviews.rollups"
				" WHERE dimension = $1 AND level = $2 AND site = $3 AND bucket = $4",
				KEY_COLUMNS, column_types, values);
	if (SPI_processed == 0)
		return false;
	*pack = pack_of_row(SPI_tuptable, 0, 1);
	return true;
}

static void
write_pack(Datum *values, const Pack *pack)
{
	static SPIPlanPtr plan = NULL;

	values[KEY_COLUMNS] = PointerGetDatum(pack->counters);
	values[KEY_COLUMNS + 1] = PointerGetDatum(pack->details);
	sql_execute(&plan,
				"INSERT INTO pageviews.rollups (dimension, level, site, bucket, counters, details)"
				" VALUES ($1, $2, $3, $4, $5, $6)"
				" ON CONFLICT ON CONSTRAINT rollups_pkey"
				" DO UPDATE SET counters = excluded.counters, details = excluded.details",
				COLUMNS, column_types, values);
}

static void
remove_pack(Datum *values)
{
	static SPIPlanPtr plan = NULL;

	sql_execute(&plan,
				"DELETE FROM pageviews.rollups"
				" WHERE dimension = $1 AND level = $2 AND site = $3 AND bucket = $4",
				KEY_COLUMNS, column_types, values);
}

/* Leaves the cells that are something, in their order; returns how many. */
static uint32
keep_something(Cell **cells, uint32 count)
{
	uint32 kept = 0;

	for (uint32 i = 0; i < count; i++)
	{
		if (!is_nothing(cells[i]))
			cells[kept++] = cells[i];
	}
	return kept;
}

/* Adds the cells of one pack, which are `count` of them in the order of their values. */
static void
add_to_pack(Cell **cells, uint32 count)
{
	MemoryContext memory =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews pack", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	CellKey		  key = cells[0]->key;
	Datum		  values[COLUMNS];
	Pack		  pack;

	CHECK_FOR_INTERRUPTS();
	set_key(&key, values);
	if (read_pack(values, &pack))
	{
		Cells *whole = cells_new(memory);

		cells_unpack(whole, &key, &pack);
		for (uint32 i = 0; i < count; i++)
			cell_merge(cells_get(whole, &cells[i]->key), cells[i]);
		cells = cells_sorted(whole, &count);
		count = keep_something(cells, count);
	}
	pack = cells_pack(cells, count);
	if (count > 0)
		write_pack(values, &pack);
	else
		remove_pack(values);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
}

static bool
of_one_pack(const CellKey *a, const CellKey *b)
{
	return a->at == b->at && a->span == b->span && a->dimension == b->dimension &&
		   span_equal(a->site, b->site);
}

void
packs_add(const Cells *cells)
{
	uint32 count;
	Cell **sorted = cells_sorted(cells, &count);
	uint32 kept = keep_something(sorted, count);

	for (uint32 from = 0, until; from < kept; from = until)
	{
		for (until = from + 1; until < kept && of_one_pack(&sorted[from]->key, &sorted[until]->key);
			 until++)
			;
		add_to_pack(sorted + from, until - from);
	}
	pfree(sorted);
}

void
packs_remove(Level level, const TimestampTz *buckets, int count)
{
	static SPIPlanPtr plan = NULL;
	Datum			 *elements = palloc_array(Datum, count);
	Oid				  types[] = {INT2OID, TIMESTAMPTZARRAYOID, INT4OID};
	Datum			  values[] = {Int16GetDatum(level), 0, Int32GetDatum(DIMENSION_COUNT)};

	for (int i = 0; i < count; i++)
		elements[i] = TimestampTzGetDatum(buckets[i]);
	values[1] = PointerGetDatum(construct_array(
		elements, count, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	/* Said so that the key finds them. */
	sql_execute(
		&plan,
		"DELETE FROM pageviews.rollups AS r"
		" WHERE r.dimension = ANY (ARRAY(SELECT generate_series(0, $3 - 1)::smallint))"
		" AND r.level = $1 AND r.bucket = ANY ($2) AND r.site = ANY (ARRAY("
		"SELECT DISTINCT s.site FROM pageviews.rollups AS s WHERE s.dimension = 0 AND s.level = $1))",
		3, types, values);
}

/* Makes one pack of `count` rows from row `first` of the table that was read. */
static void
merge_rows(const SPITupleTable *rows, uint64 first, uint64 count, Level level, TimestampTz bucket)
{
	MemoryContext memory =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews pack", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	Cells		 *whole = cells_new(memory);
	HeapTuple	  row = rows->vals[first];
	bool		  null;
	CellKey		  key = {.at = bucket,
						 .span = (int32) level,
						 .dimension = DatumGetInt16(SPI_getbinval(row, rows->tupdesc, 1, &null)),
						 .site =
							 span_of_text(DatumGetTextPP(SPI_getbinval(row, rows->tupdesc, 2, &null)))};
	Datum		  values[COLUMNS];
	Pack		  pack;
	Cell		**sorted;
	uint32		  cells;

	for (uint64 i = first; i < first + count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pack = pack_of_row(rows, i, 3);
		cells_unpack(whole, &key, &pack);
	}
	sorted = cells_sorted(whole, &cells);
	set_key(&key, values);
	pack = cells_pack(sorted, cells);
	write_pack(values, &pack);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
}

void
packs_merge(Level level, TimestampTz bucket)
{
	static SPIPlanPtr	 plan = NULL;
	Oid					 types[] = {INT2OID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum				 values[] = {Int16GetDatum(level_parts(level)), TimestampTzGetDatum(bucket),
									 TimestampTzGetDatum(level_end(level, bucket))};
	const SPITupleTable *rows;
	uint64				 count;
	bool				 null;

	packs_remove(level, &bucket, 1);
	sql_execute(&plan,
				"SELECT dimension, site, counters, details FROM pageviews.rollups"
				" WHERE level = $1 AND bucket >= $2 AND bucket < $3 ORDER BY dimension, site",
				3, types, values);
	rows = SPI_tuptable;
	count = SPI_processed;
	for (uint64 first = 0, i; first < count; first = i)
	{
		Datum dimension = SPI_getbinval(rows->vals[first], rows->tupdesc, 1, &null);
		Span  site =
			span_of_text(DatumGetTextPP(SPI_getbinval(rows->vals[first], rows->tupdesc, 2, &null)));

		for (i = first + 1; i < count; i++)
		{
			HeapTuple row = rows->vals[i];

			if (SPI_getbinval(row, rows->tupdesc, 1, &null) != dimension ||
				!span_equal(
					span_of_text(DatumGetTextPP(SPI_getbinval(row, rows->tupdesc, 2, &null))),
					site))
				break;
		}
		merge_rows(rows, first, i - first, level, bucket);
	}
}
