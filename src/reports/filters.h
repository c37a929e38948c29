/*
 * filters.h
 *	  The patterns of filters, goals and funnels.
 */
#ifndef PAGEVIEWS_FILTERS_H
#define PAGEVIEWS_FILTERS_H

#include "cells.h"

/* Whether a text is like a pattern, in which a star stands for any text. */
extern bool span_is_like(Span value, Span pattern);

#endif /* PAGEVIEWS_FILTERS_H */
