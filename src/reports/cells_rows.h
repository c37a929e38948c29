/*
 * cells_rows.h
 *	  The rows of cells(), made of a table of cells: which there are, then what is in
 *	  the details, then the rows.
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

/* What is made of a cell's pieces. */
typedef struct CellFigures
{
	int64  visitors; /* -1: the figures are still to be made */
	int64  median;	 /* of engagement, in milliseconds; -1: there is none */
	int64  p90;
	bytea *sketch; /* of the visitors, with DETAIL_SKETCHES */
} CellFigures;

/* The cells that become rows, in their order. */
typedef struct CellRows
{
	Cell	   **cells;
	uint32		 count;
	bool		 are_all; /* whether no value was left out that is not empty */
	CellFigures *figures; /* of each; NULL with DETAIL_COUNTERS */
} CellRows;

/*
 * The cells that have anything in them; of those whose first part is like one of the
 * patterns (texts), if there are any given.  The figures are still to be made.
 */
extern CellRows cells_choose(const Cells *cells, ArrayType *wanted_values, CellDetail detail);

/* What is the same for the same rows, without figures. */
extern uint64 cells_fingerprint(const CellRows *rows);

/* Makes the figures of the rows from `from` up to `until`, and uses the cells' pieces up. */
extern void cells_figure(CellRows *rows, uint32 from, uint32 until, CellDetail detail);

extern void cells_put_rows(ReturnSetInfo *result, const CellRows *rows, CellDetail detail);

#endif /* PAGEVIEWS_CELLS_ROWS_H */
