/*
 * sockets.h
 *	  The listening sockets, one an address, which every listener inherits.
 */
#ifndef PAGEVIEWS_SOCKETS_H
#define PAGEVIEWS_SOCKETS_H

#include "postgres.h"

#define SOCKET_LIMIT 16

/*
 * Binds pageviews.port on each of pageviews.listen_addresses, and
 * pageviews.unix_socket, whose file goes with the process.  False, with a
 * WARNING that says why and what to do, unless every address was bound; nothing
 * is left open then.  Logged after a second of failing, then once a minute.
 */
extern bool sockets_bind(void);

/* The bound descriptors and how many there are; 0 before sockets_bind(). */
extern const int *sockets_bound(int *count);

#endif /* PAGEVIEWS_SOCKETS_H */
