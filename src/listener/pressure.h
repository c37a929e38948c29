/*
 * pressure.h
 *	  When the worker lags: sockets are held back before the queue is full.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_PRESSURE_H
#define PAGEVIEWS_PRESSURE_H

#include "listener.h"

/*
 * Stops reading all sockets when half of what the events' queue may hold waits
 * in it, and begins again at a quarter.  Called after whatever makes the queue
 * longer or shorter.
 */
extern void pressure_check(Listener *listener, Micros now);

#endif /* PAGEVIEWS_PRESSURE_H */
