/*
 * chance.h
 *	  Random numbers that a seed repeats, for the property tests.
 */
#ifndef PAGEVIEWS_TEST_CHANCE_H
#define PAGEVIEWS_TEST_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

static uint64_t random_state; /* a test sets it to its seed */

/* Splitmix: a sequence of 64-bit numbers from any seed. */
static inline uint64_t
draw(void)
{
	uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline int
below(int limit)
{
	return (int) (draw() % (uint64_t) limit);
}

static inline bool
chance(int per_cent)
{
	return below(100) < per_cent;
}

#endif /* PAGEVIEWS_TEST_CHANCE_H */
