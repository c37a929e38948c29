/*
 * listener.h
 *	  The state of the one listener that this process is.
 *
 * Everything runs on one thread in one loop.  main.c makes the listener and owns
 * the channel and the timer; server.c owns the library and calls http.c, note.c
 * and socket.c, which decide; they reach back through the few functions of
 * server.h.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_LISTENER_H
#define PAGEVIEWS_LISTENER_H

#include "../common/channel.h"
#include "../common/record.h"
#include "agent.h"
#include "assets.h"
#include "configuration.h"
#include "connection.h"
#include "limits.h"
#include "robots.h"

typedef struct Listener
{
	Channel		   *channel;
	size_t			events_limit; /* bytes that events may wait for; beyond only CLOSED goes */
	Configuration	configuration;
	Assets			assets;
	bool			busy;	   /* the worker takes no newcomers */
	bool			sandboxed; /* the filter of system calls is on */
	bool			held;	   /* the sockets are not read: pressure.c */
	Micros			held_since;
	uint64_t		counters[LISTENER_COUNTER_COUNT];
	ConnectionTable connections;
	AddressTable   *addresses;
	RateTable	   *rates;
	RateTable	   *sessions; /* how often each comes */
	Robots		   *robots;
	Agents		   *agents;
	HintTable	   *hints;
	ConnectionList	newcomers; /* connections that have not asked for anything, oldest first */
	ConnectionList	sockets;   /* websockets, in the order of their next look */
	ConnectionList
		notes; /* notes that come in or wait for answers, in the order in which patience ends */
} Listener;

#endif /* PAGEVIEWS_LISTENER_H */
