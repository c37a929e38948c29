/*
 * server.h
 *	  The door to libwebsockets: only the files of the server include its header.
 *
 * The functions that name a connection do nothing once the library has let go
 * of it.
 */
#ifndef PAGEVIEWS_SERVER_H
#define PAGEVIEWS_SERVER_H

#include "listener.h"

#define LISTENING_SOCKET_LIMIT 64

/*
 * Sets the library up and begins to take callers from the listening
 * sockets.  Called once, when the first configuration is there.  NULL, or when the
 * library will not have it a sentence that says so (its reasons are in the log).
 */
extern const char *server_start(Listener *listener, const int *descriptors, int descriptor_count);

/* The end of a turn: what was asked for in it is written, and who is to be watched is watched. */
extern void server_settle(void);

/* Gives the library its time, for its own timers; about once a second while there are connections. */
extern void server_tick(void);

/* After a new configuration: a new certificate serves the connections to come. */
extern void server_reload(void);

/* Asks to be called (socket_writable(), note_writable()) when the connection can be written to. */
extern void server_want_write(Connection *connection);

/*
 * Writes a message to a websocket at once, which spares a turn through the loop and
 * four system calls; false when it cannot take it now (or ever: then
 * socket_writable() fails as well), and nothing was written.  The library keeps what
 * the kernel does not take of one message, and no other is taken until that is gone.
 */
extern bool server_write(Connection *connection, const char *message, size_t length);

/* Stops reading a websocket, or begins again. */
extern void server_hold(Connection *connection, bool hold);

/* Bytes that the kernel has taken from the peer, whatever they were; 0 when it does not know. */
extern uint64_t server_received(const Connection *connection);

/* Ends a connection at once, without a word; not from inside one of its own callbacks. */
extern void server_drop(Connection *connection);

#endif /* PAGEVIEWS_SERVER_H */
