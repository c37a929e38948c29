/*
 * filters.h
 *	  Filters, and the patterns that are in them, in goals and in funnels.
 */
#ifndef PAGEVIEWS_FILTERS_H
#define PAGEVIEWS_FILTERS_H

#include "utils/jsonb.h"

#include "cells.h"

/*
 * Raises for filters that are none, and says whether they ask where visits came
 * from, and what is known of sessions; NULL: no filters.  SPI is connected.
 */
extern void filters_check(Jsonb *filters, bool *origins, bool *sessions);

/* Whether a text is like a pattern, in which a star stands for any text. */
extern bool span_is_like(Span value, Span pattern);

#endif /* PAGEVIEWS_FILTERS_H */
