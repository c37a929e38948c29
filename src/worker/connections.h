/*
 * connections.h
 *	  The connections of all listeners: whose session, and which view lives there.
 *
 * One fixed array, a row for each listener.  A connection is known by its slot,
 * and by its generation, which a listener changes each time it uses a slot again.
 *
 * Pure C: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_CONNECTIONS_H
#define PAGEVIEWS_CONNECTIONS_H

#include "view.h"

typedef struct Connection
{
	ConnectionId  id; /* as it was opened last; 0 never */
	bool		  open;
	bool		  note; /* no socket: no view lives on it */
	PackedVisitor visitor;
	uint32_t	  held; /* slot of the view that lives on it, or NO_SLOT */
	Uuid		  session;
	char		 *visitor_texts; /* owned; kept until the slot is taken again; NULL: none */
} Connection;

typedef struct Connections Connections;

/* Room for `slots` connections of each listener; NULL when there is no memory. */
extern Connections *connections_new(uint16_t listeners, uint32_t slots);
extern void			connections_free(Connections *connections);

/* Takes an OPENED event; false, and nothing changed, when it cannot be true. */
extern bool connections_open(Connections *connections, uint16_t listener, const Event *event);

/* What a listener's connection is called now. */
extern ConnectionRef connections_ref(const Connections *connections, uint16_t listener,
									 ConnectionId id);

/* The open connection of this name, or NULL. */
extern Connection *connections_find(const Connections *connections, ConnectionRef ref);

/*
 * Walks the open connections of a listener: the first at or after *slot, which
 * is moved past it; NULL at the end.  Costs a look at every slot in use so far.
 */
extern Connection *connections_next(const Connections *connections, uint16_t listener,
									uint32_t *slot);

/* A new listener starts: its slots are fresh, and no old name is valid. */
extern void connections_reset(Connections *connections, uint16_t listener);

static inline void
connection_close(Connection *connection)
{
	connection->open = false;
}

static inline Visitor
connection_visitor(const Connection *connection)
{
	return visitor_unpack(connection->visitor, connection->visitor_texts);
}

#endif /* PAGEVIEWS_CONNECTIONS_H */
