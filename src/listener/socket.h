/*
 * socket.h
 *	  What happens on an established websocket.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_SOCKET_H
#define PAGEVIEWS_SOCKET_H

#include "listener.h"

/* One chunk of a frame, as the library hands it out. */
typedef struct Chunk
{
	char  *data;
	size_t length;
	bool   binary;
	bool   first; /* begins a message */
	bool   last;  /* ends it */
} Chunk;

/* The handshake is as good as done: announces the socket and says hello. */
extern void socket_opened(Listener *listener, Connection *connection, const Visitor *visitor,
						  Moment now);

/* Something came in. */
extern void socket_received(Listener *listener, Connection *connection, const Chunk *chunk,
							Micros now);

/* A pong came in. */
extern void socket_pong(Listener *listener, Connection *connection, Micros now);

/* An answer of the worker about a message of this socket. */
extern void socket_answered(Listener *listener, Connection *connection, const Command *command,
							Moment now);

/* The browser is gone. */
extern void socket_closed(Listener *listener, Connection *connection, CloseCause cause, Micros now);

/* Pings, and gives up the silent; called from time to time while listener->sockets is not empty. */
extern void socket_tick(Listener *listener, Micros now);

/* After a new configuration: a new ping interval begins now for all. */
extern void socket_reconfigured(Listener *listener, Micros now);

#endif /* PAGEVIEWS_SOCKET_H */
