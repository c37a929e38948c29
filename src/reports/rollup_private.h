/*
 * rollup_private.h
 *	  What the parts of the roll-ups share, see rollup.h.
 */
#ifndef PAGEVIEWS_ROLLUP_PRIVATE_H
#define PAGEVIEWS_ROLLUP_PRIVATE_H

#include "rollup.h"

#include "utils/array.h"

#include "cells.h"
#include "visits.h"

/* A set of hours, in their order once it was sorted. */
typedef struct Hours
{
	TimestampTz *at;
	int			 count;
	int			 capacity;
} Hours;

/* Whether a sorted set has an hour. */
extern bool hours_have(const Hours *hours, TimestampTz hour);

/* Where contributions go: into cells of every level that has packs for their time. */
typedef struct RollupTally
{
	Cells			  *cells;
	MemoryContext	   memory; /* of the cells */
	const RollupState *state;
	Span			   site; /* of the session that tells */
	int				   sign; /* 1 or -1 */
	/* Takes a contribution only if its hour is one of these; NULL: takes all, for every level. */
	const Hours *hours;
} RollupTally;

/* A TakeContribution. */
extern void rollup_tally(void *context, const Contribution *contribution);

/*
 * Makes some of the marked hours again from the views, as the announcement has
 * them; true if others are left.
 */
extern bool rollup_remake(const RollupState *state);

/* Makes packs for the days, weeks, months and quarters that are over; true if others are left. */
extern bool rollup_close(RollupState *state);

#endif /* PAGEVIEWS_ROLLUP_PRIVATE_H */
