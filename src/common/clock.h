/*
 * clock.h
 *	  The two clocks of pageviews, and the only place that reads them.
 *
 * Durations and deadlines use the monotonic clock, which the listener and the
 * worker share: a record is stamped where it arrived, so a worker that waited
 * for the database misdates nothing.  Wall time only dates what is shown to
 * people and checks the timestamps inside view ids.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_CLOCK_H
#define PAGEVIEWS_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds on CLOCK_MONOTONIC. */
typedef int64_t Micros;

/* Milliseconds since the Unix epoch. */
typedef int64_t WallMillis;

/* A moment, on both clocks; whoever runs a loop reads it and hands it in. */
typedef struct Moment
{
	Micros	   monotonic;
	WallMillis wall;
} Moment;

#define MICROS_PER_MILLI  INT64_C(1000)
#define MICROS_PER_SECOND INT64_C(1000000)
#define MILLIS_PER_SECOND INT64_C(1000)

static inline Micros
clock_monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (Micros) now.tv_sec * MICROS_PER_SECOND + now.tv_nsec / 1000;
}

static inline WallMillis
clock_wall(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (WallMillis) now.tv_sec * MILLIS_PER_SECOND + now.tv_nsec / 1000000;
}

/* Processor time that this thread has used so far. */
static inline Micros
clock_processor(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (Micros) now.tv_sec * MICROS_PER_SECOND + now.tv_nsec / 1000;
}

static inline Moment
clock_now(void)
{
	Moment now;

	now.monotonic = clock_monotonic();
	now.wall = clock_wall();
	return now;
}

/* The wall time of a monotonic stamp taken at or before `now`. */
static inline WallMillis
clock_wall_of(Micros stamp, Moment now)
{
	return now.wall - (now.monotonic - stamp) / MICROS_PER_MILLI;
}

#endif /* PAGEVIEWS_CLOCK_H */
