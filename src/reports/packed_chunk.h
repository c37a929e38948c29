/*
 * packed_chunk.h
 *	  A pack of views that a report reads, with what its filters say of the texts
 *	  in it: each is judged once, and not again with each view.
 */
#ifndef PAGEVIEWS_PACKED_CHUNK_H
#define PAGEVIEWS_PACKED_CHUNK_H

#include "filters.h"
#include "history.h"
#include "packed.h"

/* The filters of a report. */
typedef struct PackedFilters
{
	bool	 origins; /* whether origins are wanted at all */
	bool	 any;	  /* whether anything is filtered */
	MarkPath mark;	  /* as a HistoryQuery has it */
	void	*mark_context;
	Filter	 page;
	Filter	 origin[4]; /* referrer, campaign, source, medium */
	Filter	 traits[SESSION_DIMENSIONS - 1];
	Jsonb	*property; /* NULL: any */
} PackedFilters;

/* Referrer and query. */
typedef struct PackedOrigin
{
	Span referrer;
	Span query;
} PackedOrigin;

typedef struct PackedChunk
{
	MemoryContext memory; /* of all that is in it, and of itself */
	bool		  used;	  /* the owner's: something points into it */
	PackedReader  reader;
	Span		 *paths; /* or, if there is such a function, what the reader makes of them */
	uint32		 *path_marks;
	PackedOrigin *origins; /* NULL if they are not wanted */
	/* What the filters say of each. */
	bool *path_passes;
	bool *origin_passes;
	bool *props_passes; /* by the number of a view, 0 for none */
	bool *traits_pass;
} PackedChunk;

/* Of a query whose filters check_filters() has seen, and which must stay. */
extern PackedFilters packed_filters_read(const HistoryQuery *query);

/* Reads a pack, a bytea, in a new child of `parent`. */
extern PackedChunk *packed_chunk_read(MemoryContext parent, const PackedFilters *filters,
									  TimestampTz day, Datum pack);

#endif /* PAGEVIEWS_PACKED_CHUNK_H */
