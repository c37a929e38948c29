/*
 * pressure.c
 *	  Holding the sockets back.
 *
 * What is not read waits in the kernel, here and at the browser, whose TCP is told
 * to stop; nothing is lost, and no browser is sent away for a worker that needs a
 * few seconds.  The other half of the queue is for notes, and for what the library
 * had already read.  While the sockets are held newcomers come again later.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "pressure.h"

#include "server.h"

/* Reads all sockets again.  Their silence was ours, and so is what comes all at once now. */
static void
release(Listener *listener, Micros now)
{
	for (Connection *connection = listener->sockets.first; connection != NULL;
		 connection = connection->next)
	{
		pulse_excuse(&connection->pulse);
		allowance_grant(&connection->allowance, now - listener->held_since);
		server_hold(connection, false);
	}
	listener->held = false;
}

static void
hold(Listener *listener, Micros now)
{
	listener->held = true;
	listener->held_since = now;
	for (Connection *connection = listener->sockets.first; connection != NULL;
		 connection = connection->next)
		server_hold(connection, true);
}

void
pressure_check(Listener *listener, Micros now)
{
	size_t queued = channel_queued(listener->channel);

	if (!listener->held && queued >= listener->events_limit / 2)
		hold(listener, now);
	else if (listener->held && queued <= listener->events_limit / 4)
		release(listener, now);
}
