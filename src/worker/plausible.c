/*
 * plausible.c
 *	  Judging what a listener says about itself.
 */
#ifdef POSTGRES_H
#error "plausible.c must not include Postgres"
#endif

#include "plausible.h"

/* At a hundred thousand a second somebody counts for ninety years to this. */
#define COUNTER_LIMIT (UINT64_C(1) << 48)

/* Whether a heartbeat waits for this; number 0 is said unasked, before the first. */
static bool
is_answer(uint64_t sequence, const ListenerFacts *facts)
{
	if (sequence == 0)
		return facts->answered == 0;
	return facts->asked != facts->answered && sequence == facts->asked;
}

bool
event_is_plausible(const Event *event, const ListenerFacts *facts)
{
	if (event->at < facts->started_at)
		return false;
	if (event->type != EVENT_ALIVE)
		return true;

	if (!is_answer(event->u.alive.sequence, facts) ||
		event->u.alive.connections > facts->connections)
		return false;
	for (int i = 0; i < LISTENER_COUNTER_COUNT; i++)
	{
		if (event->u.alive.counters[i] < facts->counters[i] ||
			event->u.alive.counters[i] > COUNTER_LIMIT)
			return false;
	}
	return true;
}
