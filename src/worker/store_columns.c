/*
 * store_columns.c
 *	  Rows on their way into a table: columns of datums, then one array of records.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"

#include "datum.h"
#include "store_private.h"

Column *
store_columns(const Oid *types, int count, uint32_t rows)
{
	Column *columns = palloc_array(Column, count);

	for (int c = 0; c < count; c++)
	{
		columns[c].type = types[c];
		columns[c].values = palloc0_array(Datum, rows);
		columns[c].nulls = palloc_array(bool, rows);
		memset(columns[c].nulls, true, rows);
	}
	return columns;
}

void
store_set_value(Column *column, uint32_t row, Datum value)
{
	column->values[row] = value;
	column->nulls[row] = false;
}

void
store_set_text(Column *column, uint32_t row, Text text)
{
	if (text.length > 0)
		store_set_value(column, row, text_datum(text.data, text.length));
}

Datum
store_records(const Column *columns, int count, uint32_t rows)
{
	TupleDesc description = CreateTemplateTupleDesc(count);
	Datum	 *records = palloc_array(Datum, rows);
	Datum	 *values = palloc_array(Datum, count);
	bool	 *nulls = palloc_array(bool, count);

	for (int c = 0; c < count; c++)
		TupleDescInitEntry(description, c + 1, NULL, columns[c].type, -1, 0);
	description = BlessTupleDesc(description);
	for (uint32_t i = 0; i < rows; i++)
	{
		for (int c = 0; c < count; c++)
		{
			values[c] = columns[c].values[i];
			nulls[c] = columns[c].nulls[i];
		}
		records[i] = HeapTupleGetDatum(heap_form_tuple(description, values, nulls));
	}
	return PointerGetDatum(
		construct_array(records, (int) rows, RECORDOID, -1, false, TYPALIGN_DOUBLE));
}
