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

/*
 * Puts the cells that have anything in them into the result, in their order, with
 * their sketches or without; of those whose first part is like one of the patterns
 * (texts), if there are any given.  Reads the pieces of the cells, and uses them up.
 */
extern void cells_put_rows(ReturnSetInfo *result, const Cells *cells, bool sketches,
						   ArrayType *wanted_values);

#endif /* PAGEVIEWS_CELLS_ROWS_H */
