/*
 * timeline.h
 *	  Slots in the order in which they were put in line, each with its time.
 *
 * A doubly linked list in a fixed array: a slot is in line at most once, joins at
 * the end, and leaves from anywhere, in constant time.  As long as the times do
 * not run backwards, the first one is the oldest, and what is due is found
 * without a look at the rest.
 *
 * Pure C: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_TIMELINE_H
#define PAGEVIEWS_TIMELINE_H

#include "../common/clock.h"
#include "idtable.h"

typedef struct TimelineLink
{
	uint32_t previous; /* plus one; 0 is none */
	uint32_t next;
	bool	 inside;
	Micros	 since;
} TimelineLink;

typedef struct Timeline
{
	uint32_t	  first; /* plus one; 0 is none */
	uint32_t	  last;
	TimelineLink *links;
} Timeline;

/* An empty line for slots below `capacity`; false when there is no memory. */
extern bool timeline_init(Timeline *line, uint32_t capacity);

/* Frees what timeline_init() allocated; a zeroed Timeline is allowed. */
extern void timeline_destroy(Timeline *line);

/* Puts a slot at the end, from wherever it was. */
extern void timeline_append(Timeline *line, uint32_t slot, Micros since);

/* Takes a slot out, if it is in line. */
extern void timeline_remove(Timeline *line, uint32_t slot);

/* The first slot and the one after a slot that is in line; NO_SLOT at the end. */
static inline uint32_t
timeline_first(const Timeline *line)
{
	return line->first != 0 ? line->first - 1 : NO_SLOT;
}

static inline uint32_t
timeline_next(const Timeline *line, uint32_t slot)
{
	return line->links[slot].next != 0 ? line->links[slot].next - 1 : NO_SLOT;
}

static inline bool
timeline_contains(const Timeline *line, uint32_t slot)
{
	return line->links[slot].inside;
}

/* When a slot that is in line was put there. */
static inline Micros
timeline_since(const Timeline *line, uint32_t slot)
{
	return line->links[slot].since;
}

#endif /* PAGEVIEWS_TIMELINE_H */
