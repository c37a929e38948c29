/*
 * address.h
 *	  The parts of addresses that reports count by.
 *
 * Addresses are texts that browsers sent: nothing here raises an error for one.
 * Results are of the current memory context, or of the text that was given.
 */
#ifndef PAGEVIEWS_ADDRESS_PARTS_H
#define PAGEVIEWS_ADDRESS_PARTS_H

#include "cells.h"

/*
 * The host of an http or https address as pageviews.views.site has it: in lower
 * case, with the port if there is one, without user and password.  No value if
 * there is none.
 */
extern Span address_host(Span url);

/* A host without "www.". */
extern Span address_without_www(Span host);

/* The first value of a query's parameter, decoded; no value if it is not there or empty. */
extern Span address_parameter(Span query, Span name);

#endif /* PAGEVIEWS_ADDRESS_PARTS_H */
