/*
 * level.c
 *	  The lengths of time for which there are roll-ups, see level.h.
 */
#include "level.h"

#include "utils/datetime.h"

static const int64 lengths[] = {[LEVEL_QUARTER_HOUR] = 15 * USECS_PER_MINUTE,
								[LEVEL_HOUR] = USECS_PER_HOUR,
								[LEVEL_DAY] = USECS_PER_DAY,
								[LEVEL_WEEK] = 7 * USECS_PER_DAY};

/* 2000 began with a Saturday. */
#define FIRST_MONDAY (2 * USECS_PER_DAY)

#define MONTHS_PER_QUARTER 3

/*
 * The first of a month, `after` months after the one that a time lies in, or the
 * one that begins the quarter of a year, if `of_quarter`.
 */
static TimestampTz
first_of_month(TimestampTz time, int after, bool of_quarter)
{
	int64 day = time / USECS_PER_DAY - (time % USECS_PER_DAY < 0);
	int	  year;
	int	  month;
	int	  day_of_month;

	j2date((int) day + POSTGRES_EPOCH_JDATE, &year, &month, &day_of_month);
	if (of_quarter)
		month -= (month - 1) % MONTHS_PER_QUARTER;
	month += after;
	if (month > MONTHS_PER_YEAR)
	{
		month -= MONTHS_PER_YEAR;
		year++;
	}
	return ((int64) date2j(year, month, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
}

TimestampTz
level_start(Level level, TimestampTz time)
{
	int64 into;

	Assert(!TIMESTAMP_NOT_FINITE(time));
	if (level >= LEVEL_MONTH)
		return first_of_month(time, 0, level == LEVEL_QUARTER_YEAR);
	into = (time - (level == LEVEL_WEEK ? FIRST_MONDAY : 0)) % lengths[level];
	return time - into - (into < 0 ? lengths[level] : 0);
}

TimestampTz
level_end(Level level, TimestampTz start)
{
	if (level >= LEVEL_MONTH)
		return first_of_month(start, level == LEVEL_MONTH ? 1 : MONTHS_PER_QUARTER, false);
	return start + lengths[level];
}
