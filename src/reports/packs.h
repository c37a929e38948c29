/*
 * packs.h
 *	  The table pageviews.rollups: packs read, added to, and made anew.
 *
 * The `span` of the cells here is their level.
 */
#ifndef PAGEVIEWS_PACKS_H
#define PAGEVIEWS_PACKS_H

#include "cells.h"
#include "level.h"

/* Adds cells to the packs that there are, and makes those that there are not. */
extern void packs_add(const Cells *cells);

/* Takes away the packs of a level that began at any of these times. */
extern void packs_remove(Level level, const TimestampTz *buckets, int count);

/* Makes the packs of a day, a week or a month from those of its parts. */
extern void packs_merge(Level level, TimestampTz bucket);

#endif /* PAGEVIEWS_PACKS_H */
