/*
 * roller.h
 *	  When the worker starts the process that adds views up.
 */
#ifndef PAGEVIEWS_ROLLER_H
#define PAGEVIEWS_ROLLER_H

#include "../common/clock.h"

/* Something was stored: there will be something to add up. */
extern void roller_stored(Micros now);

/* Starts the process if it is time; called in every turn of the worker. */
extern void roller_run(Micros now);

/* When roller_run() has something to do next; PG_INT64_MAX: never. */
extern Micros roller_deadline(void);

#endif /* PAGEVIEWS_ROLLER_H */
