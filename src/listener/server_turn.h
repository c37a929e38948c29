/*
 * server_turn.h
 *	  A turn of the loop, for the connections that the library holds: between server.c,
 *	  what the library calls back, and server_turn.c, when it is called.
 */
#ifndef PAGEVIEWS_SERVER_TURN_H
#define PAGEVIEWS_SERVER_TURN_H

#include <libwebsockets.h>

#include "server.h"

/* Sets the library up, so far as `info` says how; false when it will not have it (its log says why). */
extern bool turn_prepare(Listener *listener, struct lws_context_creation_info *info);

/* Whoever has this descriptor belongs to this vhost. */
extern struct lws_vhost *turn_vhost(int descriptor);

/* The library was given the connection (and may have ended it at once). */
extern void turn_begin(Connection *connection);

/* It is a websocket now; when that is some time ago it joins the crowd (loop.h). */
extern void turn_opened(Connection *connection);

/* The library called back about it: it is looked at once more at the end of this turn. */
extern void turn_touch(Connection *connection);

#endif /* PAGEVIEWS_SERVER_TURN_H */
