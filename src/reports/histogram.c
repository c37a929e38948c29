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

void
histogram_free(Histogram *histogram)
{
	if (histogram->bars != NULL)
		pfree(histogram->bars);
	if (histogram->counts != NULL)
		pfree(histogram->counts);
	memset(histogram, 0, sizeof *histogram);
}

void
histogram_expect_many(Histogram *histogram)
{
	if (histogram->counts == NULL)
		make_counts(histogram);
}

/* Where the bar of a bucket is, or would be; it is not before `at`. */
static int
find_bar(const Histogram *histogram, int bucket, int at)
{
	while (at < histogram->bar_count && histogram->bars[at].bucket < bucket)
		at++;
	return at;
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

/* Adds to a bucket whose bar is not before `from`, while there are bars; returns where it is. */
static int
add_from(Histogram *histogram, int bucket, int64 count, int from)
{
	if (histogram->counts == NULL)
	{
		int at = find_bar(histogram, bucket, from);

		if (at < histogram->bar_count && histogram->bars[at].bucket == bucket &&
			Abs(histogram->bars[at].count + count) < PG_INT32_MAX)
		{
			histogram->bars[at].count += (int32) count;
			return at;
		}
		if (Abs(count) < PG_INT32_MAX && histogram->bar_count < BAR_LIMIT &&
			(at == histogram->bar_count || histogram->bars[at].bucket != bucket))
		{
			insert_bar(histogram, at, bucket, (int32) count);
			return at;
		}
		make_counts(histogram);
	}
	histogram->counts[bucket] += count;
	return 0;
}

void
histogram_add(Histogram *histogram, int bucket, int64 count)
{
	int low = 0;
	int high = histogram->bar_count;

	Assert(bucket >= 0 && bucket < HISTOGRAM_BUCKETS);
	while (low < high)
	{
		int middle = (low + high) / 2;

		if (histogram->bars[middle].bucket < bucket)
			low = middle + 1;
		else
			high = middle;
	}
	add_from(histogram, bucket, count, low);
}

void
histogram_merge(Histogram *into, const Histogram *from)
{
	int at = 0;

	for (int i = 0; i < from->bar_count; i++)
		at = add_from(into, from->bars[i].bucket, from->bars[i].count, at);
	if (from->counts == NULL)
		return;
	if (into->counts == NULL)
		make_counts(into);
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->counts[i] += from->counts[i];
}

/* How many places there are to look at, and what is at one. */
static int
place_count(const Histogram *histogram)
{
	return histogram->counts != NULL ? HISTOGRAM_BUCKETS : histogram->bar_count;
}

static int64
count_at(const Histogram *histogram, int place, int *bucket)
{
	*bucket = histogram->counts != NULL ? place : histogram->bars[place].bucket;
	return histogram->counts != NULL ? histogram->counts[place] : histogram->bars[place].count;
}

bool
histogram_is_empty(const Histogram *histogram)
{
	int bucket;

	for (int i = 0; i < place_count(histogram); i++)
	{
		if (count_at(histogram, i, &bucket) != 0)
			return false;
	}
	return true;
}

int64
histogram_percentile(const Histogram *histogram, double part)
{
	int64  total = 0;
	double position;
	int64  below;
	double lower;
	int64  passed = 0;
	int	   bucket = 0;
	int	   place = 0;

	for (int i = 0; i < place_count(histogram); i++)
		total += count_at(histogram, i, &bucket);
	if (total <= 0)
		return -1;
	/* Between the time at this place in the order of all times, 0 is the first, and the next. */
	position = part * (double) (total - 1);
	below = (int64) position;
	while (passed <= below)
		passed += count_at(histogram, place++, &bucket);
	lower = time_of(bucket);
	while (passed <= Min(below + 1, total - 1))
		passed += count_at(histogram, place++, &bucket);
	return llround(lower + (position - (double) below) * (time_of(bucket) - lower));
}

void
histogram_write(const Histogram *histogram, StringInfo into)
{
	uint64 bars = 0;
	int	   before = 0;
	int	   bucket;

	for (int i = 0; i < place_count(histogram); i++)
		bars += count_at(histogram, i, &bucket) != 0;
	varint_write(into, bars);
	for (int i = 0; i < place_count(histogram); i++)
	{
		int64 count = count_at(histogram, i, &bucket);

		if (count == 0)
			continue;
		varint_write(into, (uint64) (bucket - before));
		varint_write_signed(into, count);
		before = bucket;
	}
}

void
histogram_read(Histogram *histogram, StringInfo from)
{
	StringInfoData reader = *from; /* a copy, which stays in registers */
	uint64		   bars = varint_read(&reader);
	uint64		   bucket = 0;
	int			   at = 0;

	for (uint64 i = 0; i < bars; i++)
	{
		bucket += varint_read(&reader);
		if (bucket >= HISTOGRAM_BUCKETS)
			varint_corrupted();
		if (histogram->counts != NULL)
			histogram->counts[bucket] += varint_read_signed(&reader);
		else
			at = add_from(histogram, (int) bucket, varint_read_signed(&reader), at);
	}
	from->cursor = reader.cursor;
}
