/*
 * cover.h
 *	  Which packs cover a period, and what is left to be read from the views.
 */
#ifndef PAGEVIEWS_COVER_H
#define PAGEVIEWS_COVER_H

#include "level.h"
#include "rollup.h"

/* A stretch of time that comes from packs of one level, or from views. */
typedef struct Stretch
{
	TimestampTz from;
	TimestampTz until;
	int			bucket; /* of the report, 1 is the first */
	bool		raw;
	Level		level; /* of the packs; they begin in [from, until) */
} Stretch;

typedef struct Cover
{
	Stretch *stretches; /* in the order of time, without gaps */
	int		 count;
	int		 capacity;
} Cover;

/* What a cover is made for. */
typedef struct CoverRequest
{
	const TimestampTz *bounds; /* ascending and finite; a bucket from each to the next */
	int				   bound_count;
	Dimension		   dimension;
	const RollupState *state; /* NULL: everything is to be raw */
	/* Hours around which the roll-ups may have anything wrong, ascending. */
	const TimestampTz *marked;
	int				   marked_count;
	/* Hours that they have wrong, in any order. */
	const TimestampTz *wrong;
	int				   wrong_count;
} CoverRequest;

extern Cover cover_make(const CoverRequest *request);

/* The stretch that a time lies in; NULL: none. */
extern const Stretch *cover_find(const Cover *cover, TimestampTz time);

#endif /* PAGEVIEWS_COVER_H */
