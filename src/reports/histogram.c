/*
 * histogram.c
 *	  How engagement times are distributed, see histogram.h.
 */
#include "histogram.h"

#include <math.h>

#include "varint.h"

#define WIDTH		   1.04
#define FIRST_CAPACITY 2
#define BAR_LIMIT	   128

int
histogram_bucket(int32 milliseconds)
{
	static const double scale = 25.496731691028337; /* 1 / ln(WIDTH) */

	if (milliseconds <= 0)
		return 0;
	return Min(1 + (int) (log(milliseconds) * scale), HISTOGRAM_BUCKETS - 1);
}

/* What the times of a bucket are taken for: the middle of it, as ratios go. */
static double
time_of(int bucket)
{
	return bucket == 0 ? 0 : pow(WIDTH, bucket - 0.5);
}

static void
make_counts(Histogram *histogram)
{
	histogram->counts = palloc0_array(int64, HISTOGRAM_BUCKETS);
	for (int i = 0; i < histogram->bar_count; i++)
		histogram->counts[histogram->bars[i].bucket] += histogram->bars[i].count;
	if (histogram->bars != NULL)
		pfree(histogram->bars);
	histogram->bars = NULL;
	histogram->bar_count = histogram->bar_capacity = 0;
}

/* Where the bar of a bucket is, or would be. */
static int
find_bar(const Histogram *histogram, int bucket)
{
	int low = 0;
	int high = histogram->bar_count;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (histogram->bars[middle].bucket < bucket)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
insert_bar(Histogram *histogram, int at, int bucket, int32 count)
{
	if (histogram->bar_count == histogram->bar_capacity)
	{
		histogram->bar_capacity = Max(histogram->bar_capacity * 2, FIRST_CAPACITY);
		histogram->bars =
			histogram->bars == NULL
				? palloc_array(HistogramBar, histogram->bar_capacity)
				: repalloc_array(histogram->bars, HistogramBar, histogram->bar_capacity);
	}
	memmove(histogram->bars + at + 1, histogram->bars + at,
			(histogram->bar_count - at) * sizeof *histogram->bars);
	histogram->bars[at] = (HistogramBar){bucket, count};
	histogram->bar_count++;
}

void
histogram_add(Histogram *histogram, int bucket, int64 count)
{
	Assert(bucket >= 0 && bucket < HISTOGRAM_BUCKETS);
	if (histogram->counts == NULL)
	{
		int at = find_bar(histogram, bucket);

		if (at < histogram->bar_count && histogram->bars[at].bucket == bucket &&
			Abs(histogram->bars[at].count + count) < PG_INT32_MAX)
		{
			histogram->bars[at].count += (int32) count;
			return;
		}
		if (Abs(count) < PG_INT32_MAX && histogram->bar_count < BAR_LIMIT &&
			(at == histogram->bar_count || histogram->bars[at].bucket != bucket))
		{
			insert_bar(histogram, at, bucket, (int32) count);
			return;
		}
		make_counts(histogram);
	}
	histogram->counts[bucket] += count;
}

void
histogram_merge(Histogram *into, const Histogram *from)
{
	for (int i = 0; i < from->bar_count; i++)
		histogram_add(into, from->bars[i].bucket, from->bars[i].count);
	if (from->counts == NULL)
		return;
	if (into->counts == NULL)
		make_counts(into);
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->counts[i] += from->counts[i];
}

/* Calls for each bar, the lowest first, until told to stop. */
#define FOREACH_BAR(histogram, bucket, n, body)                        \
	do                                                                 \
	{                                                                  \
		if ((histogram)->counts == NULL)                               \
			for (int i_ = 0; i_ < (histogram)->bar_count; i_++)        \
			{                                                          \
				int	  bucket = (histogram)->bars[i_].bucket;           \
				int64 n = (histogram)->bars[i_].count;                 \
				body                                                   \
			}                                                          \
		else                                                           \
			for (int bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) \
			{                                                          \
				int64 n = (histogram)->counts[bucket];                 \
				body                                                   \
			}                                                          \
	} while (0)

int64
histogram_percentile(const Histogram *histogram, double part)
{
	int64  total = 0;
	int64  passed = 0;
	double position;
	int64  below;
	double lower = -1;

	FOREACH_BAR(histogram, bucket, n, {
		(void) bucket;
		total += n;
	});
	if (total <= 0)
		return -1;
	position = part * (double) (total - 1);
	below = (int64) position;

	/* Between the time at the place `below` and the one after it. */
	FOREACH_BAR(histogram, bucket, n, {
		passed += n;
		if (n == 0)
			continue;
		if (lower < 0 && passed > below)
			lower = time_of(bucket);
		if (passed > below + 1 || (passed > below && below + 1 >= total))
			return llround(lower + (position - (double) below) * (time_of(bucket) - lower));
	});
	return llround(lower);
}

void
histogram_write(const Histogram *histogram, StringInfo into)
{
	uint64 bars = 0;
	int	   before = 0;

	FOREACH_BAR(histogram, bucket, n, {
		(void) bucket;
		bars += n != 0;
	});
	varint_write(into, bars);
	FOREACH_BAR(histogram, bucket, n, {
		if (n == 0)
			continue;
		varint_write(into, (uint64) (bucket - before));
		varint_write_signed(into, n);
		before = bucket;
	});
}

void
histogram_read(Histogram *histogram, StringInfo from)
{
	uint64 bars = varint_read(from);
	uint64 bucket = 0;

	for (uint64 i = 0; i < bars; i++)
	{
		bucket += varint_read(from);
		if (bucket >= HISTOGRAM_BUCKETS)
			varint_corrupted();
		histogram_add(histogram, (int) bucket, varint_read_signed(from));
	}
}
