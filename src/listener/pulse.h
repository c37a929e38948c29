/*
 * pulse.h
 *	  What pings and pongs tell about one socket: is it alive, was its machine awake.
 *
 * Pure C with time handed in: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_PULSE_H
#define PAGEVIEWS_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/clock.h"

typedef struct Pulse
{
	Micros last_life;	 /* the last pong or message, or the opening */
	Micros last_message; /* the last message, or the opening */
	Micros last_pong;	 /* 0: none yet */
	Micros unanswered;	 /* the first ping since the last sign of life; 0: none */
	Micros covered;		 /* since last_message, proved by pongs */
} Pulse;

extern void pulse_start(Pulse *pulse, Micros now);

/* A ping is due now, whether or not the socket takes it. */
extern void pulse_ping(Pulse *pulse, Micros now);

/* A pong came. `interval` is that of the pings. */
extern void pulse_pong(Pulse *pulse, Micros interval, Micros now);

/*
 * A message came.  Returns the time since the message before (or the opening)
 * for which consecutive pongs, at most two intervals apart, prove the machine
 * awake, in ms; a span counts from that message on, and once.
 */
extern int32_t pulse_message(Pulse *pulse, Micros now);

/* A message came that is of no view: a sign of life, and no span begins anew. */
extern void pulse_event(Pulse *pulse, Micros now);

/* The silence since the last ping proves nothing: nobody listened. */
extern void pulse_excuse(Pulse *pulse);

/* Whether nothing at all came for two and a half intervals after a ping. */
extern bool pulse_is_dead(const Pulse *pulse, Micros interval, Micros now);

#endif /* PAGEVIEWS_PULSE_H */
