/*
 * cells_rows.h
 *	  The rows of cells(), made of a table of cells.
 */
#ifndef PAGEVIEWS_CELLS_ROWS_H
#define PAGEVIEWS_CELLS_ROWS_H

#include "postgres.h"

#include "nodes/execnodes.h"
#include "utils/array.h"

#include "cells.h"

/* How much of a cell is said: each also says what those before do. */
typedef enum CellDetail
{
	DETAIL_COUNTERS,
	DETAIL_DISTINCT, /* visitors and percentiles, for which the pieces are read */
	DETAIL_SKETCHES
} CellDetail;

/*
 * Puts the cells that have anything in them into the result, in their order; of
 * those whose first part is like one of the patterns (texts), if there are any
 * given.  Uses the pieces of the cells up, if it reads them.
 */
extern void cells_put_rows(ReturnSetInfo *result, const Cells *cells, CellDetail detail,
						   ArrayType *wanted_values);

#endif /* PAGEVIEWS_CELLS_ROWS_H */
