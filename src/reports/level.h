/*
 * level.h
 *	  The lengths of time for which there are roll-ups, all by UTC.
 */
#ifndef PAGEVIEWS_LEVEL_H
#define PAGEVIEWS_LEVEL_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "cells.h"

/* As table pageviews.rollups has them. */
typedef enum Level
{
	LEVEL_QUARTER_HOUR, /* for zones that are not whole hours from UTC; DIMENSION_ALL only */
	LEVEL_HOUR,
	LEVEL_DAY,
	LEVEL_WEEK, /* from Monday; may lie in two months */
	LEVEL_MONTH,
	LEVEL_QUARTER_YEAR,
	LEVEL_COUNT
} Level;

/* The smallest level that a dimension has. */
static inline Level
level_smallest(Dimension dimension)
{
	return dimension == DIMENSION_ALL ? LEVEL_QUARTER_HOUR : LEVEL_HOUR;
}

/* The level whose packs make those of a day or of what is longer. */
static inline Level
level_parts(Level level)
{
	if (level == LEVEL_QUARTER_YEAR)
		return LEVEL_MONTH;
	return level == LEVEL_DAY ? LEVEL_HOUR : LEVEL_DAY;
}

/* When the stretch began that a time lies in; no stretch is infinite. */
extern TimestampTz level_start(Level level, TimestampTz time);

/* When the stretch ends that begins at `start`. */
extern TimestampTz level_end(Level level, TimestampTz start);

#endif /* PAGEVIEWS_LEVEL_H */
