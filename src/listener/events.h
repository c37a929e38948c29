/*
 * events.h
 *	  What the listener tells the worker.
 *
 * Each function puts one record into the channel's queue; the loop flushes it
 * once a turn.  Those that return a bool say false when the queue is full: then
 * nothing was said, and the caller gives the connection up.
 */
#ifndef PAGEVIEWS_EVENTS_H
#define PAGEVIEWS_EVENTS_H

#include "listener.h"

extern bool event_ready(Listener *listener, Micros now);
extern void event_alive(Listener *listener, uint64_t sequence, Micros now);

/* Escapes what it is given, and says at most ten lines a minute and how many it left out. */
extern void event_log(Listener *listener, LogLevel level, const char *text, size_t length,
					  Micros now);

/* The same for what the library says, which has ten lines a minute of its own. */
extern void event_log_library(Listener *listener, const char *text, size_t length, Micros now);

/* Announces the connection under a new id. */
extern bool event_opened(Listener *listener, Connection *connection, bool note,
						 const Visitor *visitor, Micros now);

extern bool event_message(Listener *listener, const Connection *connection, int32_t covered,
						  const ViewMessage *message, Micros now);

/* A `view` was refused here; its page has left the one that it showed before. */
extern bool event_left(Listener *listener, const Connection *connection, const Uuid *refused,
					   Micros now);

/* Takes an announcement back, if there was one; ends the process if that cannot be said. */
extern void event_closed(Listener *listener, Connection *connection, CloseCause cause, Micros now);

#endif /* PAGEVIEWS_EVENTS_H */
