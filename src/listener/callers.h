/*
 * callers.h
 *	  Who is let in: the limits that hold before the library sees a byte; and who left.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_CALLERS_H
#define PAGEVIEWS_CALLERS_H

#include "listener.h"

/* Takes over an accepted socket and its connection, whatever becomes of them. */
typedef void (*CallerHandler)(Connection *connection, int descriptor);

/*
 * Accepts what waits at a listening socket, a bounded number a call, and hands
 * over those whom the limits allow; the others are closed and counted.
 */
extern void callers_take(Listener *listener, int listening, CallerHandler handler);

/*
 * Counts the visitor behind a trusted proxy, whose own address is known only
 * now; true for all others.  False, and counted as refused, when that address
 * has too many connections.
 */
extern bool callers_count_visitor(Listener *listener, Connection *connection, Text forwarded_for);

/*
 * Counts a request of a visitor behind a trusted proxy against the rate of its
 * address; true for all others, who were counted when they connected, and for what
 * the proxy asks for itself.  False, and counted as refused, when it comes too often.
 */
extern bool callers_pace_visitor(Listener *listener, const Connection *connection,
								 Text forwarded_for, Micros now);

/* Whose request it is: the peer's, or of whom a trusted proxy says that it comes for. */
extern Address callers_visitor(const Listener *listener, const Connection *connection,
							   Text forwarded_for);

/* Whether the peer is a proxy whose word about the visitor is taken. */
extern bool callers_is_proxy(const Listener *listener, const Connection *connection);

/* Its first request was read: the time for the handshake is over. */
extern void callers_asked(Listener *listener, Connection *connection);

/* Hangs up on those who did not ask in time. */
extern void callers_tick(Listener *listener, Micros now);

/* A connection is over: nothing of it is counted or held any more. */
extern void callers_release(Listener *listener, Connection *connection);

/* How a socket that nobody said goodbye on came to its end. */
extern CloseCause callers_cause_of_end(const Connection *connection, int descriptor);

/* Bytes that came from the peer; 0 when the kernel does not know. */
extern uint64_t callers_received(int descriptor);

/*
 * Counts, at its end, a connection that sent something of which no request was
 * read: its head was too long for the library, or nonsense, or never complete.
 */
extern void callers_count_unread(Listener *listener, const Connection *connection, int descriptor);

#endif /* PAGEVIEWS_CALLERS_H */
