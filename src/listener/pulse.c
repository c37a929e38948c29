/*
 * pulse.c
 *	  Pings, pongs and the time that they cover.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "pulse.h"

void
pulse_start(Pulse *pulse, Micros now)
{
	*pulse = (Pulse){.last_life = now, .last_message = now};
}

void
pulse_ping(Pulse *pulse, Micros now)
{
	if (pulse->unanswered == 0)
		pulse->unanswered = now;
}

void
pulse_pong(Pulse *pulse, Micros interval, Micros now)
{
	/* A little more than two, for the pong's own way. */
	Micros longest = 2 * interval + interval / 4;

	if (pulse->last_pong != 0 && now - pulse->last_pong <= longest)
	{
		Micros from =
			pulse->last_pong > pulse->last_message ? pulse->last_pong : pulse->last_message;

		pulse->covered += now - from;
	}
	pulse->last_pong = now;
	pulse->last_life = now;
	pulse->unanswered = 0;
}

int32_t
pulse_message(Pulse *pulse, Micros now)
{
	Micros covered = pulse->covered / MICROS_PER_MILLI;

	pulse->covered = 0;
	pulse->last_message = now;
	pulse->last_life = now;
	pulse->unanswered = 0;
	return covered > INT32_MAX ? INT32_MAX : (int32_t) covered;
}

void
pulse_event(Pulse *pulse, Micros now)
{
	pulse->last_life = now;
	pulse->unanswered = 0;
}

void
pulse_excuse(Pulse *pulse)
{
	pulse->unanswered = 0;
}

bool
pulse_is_dead(const Pulse *pulse, Micros interval, Micros now)
{
	return pulse->unanswered != 0 && now - pulse->unanswered >= 2 * interval + interval / 2;
}
