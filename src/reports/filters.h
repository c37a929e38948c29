/*
 * filters.h
 *	  Filters, and the patterns that are in them, in goals and in funnels.
 */
#ifndef PAGEVIEWS_FILTERS_H
#define PAGEVIEWS_FILTERS_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "cells.h"

/* What one filter of a report lets pass. */
typedef struct Filter
{
	bool  everything; /* there is no such filter */
	bool  unknown;	  /* what has no value passes */
	Span *patterns;
	int	  count;
} Filter;

/*
 * Raises for filters that are none, and says whether they ask where visits came
 * from, and what is known of sessions; NULL: no filters.  SPI is connected.
 */
extern void filters_check(Jsonb *filters, bool *origins, bool *sessions);

/* Whether a text is like a pattern, in which a star stands for any text. */
extern bool span_is_like(Span value, Span pattern);

/*
 * The filter of a name: a pattern, null for what is unknown, or an array of these.
 * What is none of them lets nothing pass; check_filters() has said so before.  Its
 * patterns lie in `filters`.
 */
extern Filter filter_read(Jsonb *filters, Span key);

/* Whether a value, or none, passes. */
extern bool filter_passes(const Filter *filter, Span value);

#endif /* PAGEVIEWS_FILTERS_H */
