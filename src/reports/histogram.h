/*
 * histogram.h
 *	  How engagement times are distributed: counts that can be added and taken
 *	  away, for medians and percentiles.
 *
 * Bucket 0 is for 0 ms; each other is 4 % wider than the one before, so that a
 * percentile is within 2 % of the exact one.  Memory is of the context that was
 * the current one when a histogram began to grow.
 */
#ifndef PAGEVIEWS_HISTOGRAM_H
#define PAGEVIEWS_HISTOGRAM_H

#include "postgres.h"

#include "lib/stringinfo.h"

#define HISTOGRAM_BUCKETS 550 /* 2^31 ms and more */

typedef struct HistogramBar
{
	int32 bucket;
	int32 count;
} HistogramBar;

/* All zeros is an empty one. */
typedef struct Histogram
{
	HistogramBar *bars; /* while there are few: in the order of buckets */
	int32		  bar_count;
	int32		  bar_capacity;
	int64		 *counts; /* when there are many: HISTOGRAM_BUCKETS of them */
} Histogram;

/* The bucket of a time in milliseconds. */
extern int histogram_bucket(int32 milliseconds);

/* Gives the memory back; the histogram is empty then. */
extern void histogram_free(Histogram *histogram);

/* Takes the memory of one with many bars at once. */
extern void histogram_expect_many(Histogram *histogram);

extern void histogram_add(Histogram *histogram, int bucket, int64 count);

extern void histogram_merge(Histogram *into, const Histogram *from);

/* Whether every bucket's count is 0. */
extern bool histogram_is_empty(const Histogram *histogram);

/*
 * The time below which this part of all times lies, 0 to 1, in milliseconds, as
 * percentile_cont() has it; -1 if there is none.
 */
extern int64 histogram_percentile(const Histogram *histogram, double part);

/* As bytes, and back; reading raises ERRCODE_DATA_CORRUPTED, and adds to `histogram`. */
extern void histogram_write(const Histogram *histogram, StringInfo into);
extern void histogram_read(Histogram *histogram, StringInfo from);

#endif /* PAGEVIEWS_HISTOGRAM_H */
