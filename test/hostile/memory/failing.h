/*
 * failing.h
 *	  What a listener whose memory fails shares with the one who lets it fail.
 */
#ifndef PAGEVIEWS_HOSTILE_FAILING_H
#define PAGEVIEWS_HOSTILE_FAILING_H

#include <stdint.h>

#define FAILING_DESCRIPTOR 900

typedef struct Failing
{
	volatile uint64_t count;   /* allocations so far */
	volatile uint64_t fail_at; /* this one fails; 0: none */
	volatile uint64_t fail_to; /* ... and all up to this one */
	volatile uint64_t failed;
} Failing;

#endif /* PAGEVIEWS_HOSTILE_FAILING_H */
