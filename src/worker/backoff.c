/*
 * backoff.c
 *	  How long to wait before something that keeps dying is started again.
 */
#ifdef POSTGRES_H
#error "backoff.c must not include Postgres"
#endif

#include "backoff.h"

#define FIRST (100 * MICROS_PER_MILLI)
#define LAST  (5 * MICROS_PER_SECOND)

Micros
backoff_after_death(Backoff *backoff, Micros now)
{
	int	   recent = 0;
	Micros oldest = now;
	Micros wait = FIRST;

	backoff->deaths[backoff->next] = now;
	backoff->next = (backoff->next + 1) % BACKOFF_DEATH_LIMIT;

	for (int i = 0; i < BACKOFF_DEATH_LIMIT; i++)
	{
		if (backoff->deaths[i] == 0 || backoff->deaths[i] <= now - BACKOFF_WINDOW)
			continue;
		recent++;
		if (backoff->deaths[i] < oldest)
			oldest = backoff->deaths[i];
	}

	if (recent == 1)
		return 0;
	if (recent == BACKOFF_DEATH_LIMIT)
		return oldest + BACKOFF_WINDOW - now;
	for (int i = 2; i < recent && wait < LAST; i++)
		wait *= 2;
	return wait < LAST ? wait : LAST;
}

bool
backoff_is_long(Micros wait)
{
	return wait > LAST;
}
