/*
 * cover.c
 *	  Which packs cover a period, see cover.h.
 *
 * From the start of each bucket the longest level is taken that begins there,
 * ends in time and is rolled up, but no week into which a month reaches that can be
 * taken; where there is none, views are read up to the
 * next place where there may be one.
 */
#include "cover.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "history.h"

/* Whether an hour that the roll-ups have wrong lies in a stretch, or the stretch in it. */
static bool
is_wrong(const CoverRequest *request, TimestampTz from, TimestampTz until)
{
	for (int i = 0; i < request->wrong_count; i++)
	{
		if (request->wrong[i] < until && request->wrong[i] + USECS_PER_HOUR > from)
			return true;
	}
	return false;
}

/* Whether a marked hour, or what it may have changed around it, lies in a stretch. */
static bool
is_marked(const CoverRequest *request, TimestampTz from, TimestampTz until)
{
	int low = 0;
	int high = request->marked_count;

	/* The first mark whose reach ends after `from`. */
	while (low < high)
	{
		int middle = (low + high) / 2;

		if (request->marked[middle] + USECS_PER_HOUR + HISTORY_REACH <= from)
			low = middle + 1;
		else
			high = middle;
	}
	return low < request->marked_count && request->marked[low] - HISTORY_REACH < until;
}

/* Whether a pack that begins at `from` can be taken for a bucket that ends at `until`. */
static bool
fits(const CoverRequest *request, Level level, TimestampTz from, TimestampTz until)
{
	TimestampTz end = level_end(level, from);

	/* The one that is being filled ends where the roll-ups do. */
	return level_start(level, from) == from && from < rollup_packs_until(request->state, level) &&
		   Min(end, request->state->rolled_until) <= until && !is_marked(request, from, end) &&
		   !is_wrong(request, from, end);
}

/* Whether a pack can be taken, and a longer one that begins before its end cannot. */
static bool
is_longest(const CoverRequest *request, Level level, TimestampTz from, TimestampTz until)
{
	TimestampTz month;

	if (!fits(request, level, from, until))
		return false;
	if (level != LEVEL_WEEK)
		return true;
	month = level_end(LEVEL_MONTH, level_start(LEVEL_MONTH, from));
	return month >= level_end(level, from) || !fits(request, LEVEL_MONTH, month, until);
}

static void
add(Cover *cover, const Stretch *stretch)
{
	Stretch *last = cover->count > 0 ? &cover->stretches[cover->count - 1] : NULL;

	if (last != NULL && last->until == stretch->from && last->bucket == stretch->bucket &&
		last->raw == stretch->raw && (last->raw || last->level == stretch->level))
	{
		last->until = stretch->until;
		return;
	}
	if (cover->count == cover->capacity)
	{
		cover->capacity = Max(cover->capacity * 2, 64);
		cover->stretches = cover->stretches == NULL
							   ? palloc_array(Stretch, cover->capacity)
							   : repalloc_array(cover->stretches, Stretch, cover->capacity);
	}
	cover->stretches[cover->count++] = *stretch;
}

/* The stretch that a bucket, or the rest of one, begins with. */
static Stretch
next_stretch(const CoverRequest *request, TimestampTz from, TimestampTz until, int bucket)
{
	Level		smallest = level_smallest(request->dimension);
	TimestampTz end;

	if (request->state == NULL || from >= request->state->rolled_until)
		return (Stretch){from, until, bucket, true, smallest};
	for (int level = LEVEL_COUNT - 1; level >= (int) smallest; level--)
	{
		if (is_longest(request, level, from, until))
			return (Stretch){from, Min(level_end(level, from), until), bucket, false, level};
	}
	end = level_end(smallest, level_start(smallest, from));
	return (Stretch){from, Min(end, until), bucket, true, smallest};
}

Cover
cover_make(const CoverRequest *request)
{
	Cover cover = {NULL, 0, 0};

	for (int i = 0; i + 1 < request->bound_count; i++)
	{
		TimestampTz until = request->bounds[i + 1];

		for (TimestampTz from = request->bounds[i]; from < until;)
		{
			Stretch stretch = next_stretch(request, from, until, i + 1);

			CHECK_FOR_INTERRUPTS();
			add(&cover, &stretch);
			from = stretch.until;
		}
	}
	return cover;
}

const Stretch *
cover_find(const Cover *cover, TimestampTz time)
{
	int low = 0;
	int high = cover->count;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (cover->stretches[middle].until <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low < cover->count && cover->stretches[low].from <= time ? &cover->stretches[low] : NULL;
}
