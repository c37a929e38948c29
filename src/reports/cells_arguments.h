/*
 * cells_arguments.h
 *	  What cells() is asked.
 */
#ifndef PAGEVIEWS_CELLS_ARGUMENTS_H
#define PAGEVIEWS_CELLS_ARGUMENTS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/array.h"

#include "cells.h"

/* Periods are cut to what can be: 1970 to 2970. */
#define FIRST_TIME (-(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)
#define LAST_TIME  (970 * 366 * USECS_PER_DAY)

/* The bounds: ascending and finite, an array of the caller's; none if any is NULL. */
extern TimestampTz *cells_bounds(ArrayType *array, int *count);

/* The dimension of a name; raises if there is none. */
extern Dimension cells_dimension(const text *name);

#endif /* PAGEVIEWS_CELLS_ARGUMENTS_H */
