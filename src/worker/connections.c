/*
 * connections.c
 *	  The table of connections; see connections.h.
 */
#include "connections.h"

#include <stdlib.h>

#include "idtable.h"

#ifdef POSTGRES_H
#error "connections.c must not include Postgres"
#endif

typedef struct ListenerSlots
{
	uint32_t life;	/* how many listeners were here before */
	uint32_t reach; /* slots at or above it were never used in this life */
} ListenerSlots;

struct Connections
{
	uint16_t	   listeners;
	uint32_t	   slots; /* of each listener */
	ListenerSlots *of;	  /* by listener */
	Connection	  *rows;  /* by listener, then slot */
};

Connections *
connections_new(uint16_t listeners, uint32_t slots)
{
	Connections *connections = calloc(1, sizeof *connections);
	size_t		 count = (size_t) listeners * slots;

	if (connections == NULL)
		return NULL;
	connections->listeners = listeners;
	connections->slots = slots;
	connections->of = calloc(listeners > 0 ? listeners : 1, sizeof *connections->of);
	connections->rows = calloc(count > 0 ? count : 1, sizeof *connections->rows);
	if (connections->of == NULL || connections->rows == NULL)
	{
		connections_free(connections);
		return NULL;
	}
	return connections;
}

void
connections_free(Connections *connections)
{
	if (connections == NULL)
		return;
	for (size_t i = 0;
		 connections->rows != NULL && i < (size_t) connections->listeners * connections->slots; i++)
		free(connections->rows[i].visitor_texts);
	free(connections->of);
	free(connections->rows);
	free(connections);
}

/* The row of a slot, or NULL when there is no such slot. */
static Connection *
row_of(const Connections *connections, uint16_t listener, ConnectionId id)
{
	uint32_t slot = CONNECTION_SLOT(id);

	if (listener >= connections->listeners || slot >= connections->slots)
		return NULL;
	return &connections->rows[(size_t) listener * connections->slots + slot];
}

/* Without memory there are no texts: they are only told of, never judged by. */
static void
keep_visitor(Connection *row, const Visitor *visitor)
{
	PackedVisitor packed = visitor_pack(visitor);
	size_t		  size = visitor_size(packed);
	char		 *texts = size > 0 ? realloc(row->visitor_texts, size) : NULL;

	if (texts != NULL)
	{
		visitor_copy_texts(visitor, texts);
		row->visitor_texts = texts;
	}
	else
		packed.user_agent_length = packed.browser_length = packed.browser_version_length =
			packed.system_length = 0;
	row->visitor = packed;
}

/* The limits again, although the record was decoded by them: what is kept relies on them. */
static bool
is_possible(const Visitor *visitor)
{
	return visitor->user_agent.length <= USER_AGENT_LIMIT &&
		   visitor->browser.length <= AGENT_NAME_LIMIT &&
		   visitor->browser_version.length <= AGENT_VERSION_LIMIT &&
		   visitor->system.length <= AGENT_NAME_LIMIT &&
		   (unsigned) visitor->device < DEVICE_CLASS_COUNT && country_is_valid(visitor->country);
}

bool
connections_open(Connections *connections, uint16_t listener, const Event *event)
{
	Connection *row = row_of(connections, listener, event->connection);

	if (row == NULL || event->connection == 0 || row->open || row->id == event->connection ||
		!is_possible(&event->u.opened.visitor))
		return false;

	row->id = event->connection;
	row->open = true;
	row->note = event->u.opened.note;
	row->session = event->u.opened.session;
	row->held = NO_SLOT;
	keep_visitor(row, &event->u.opened.visitor);
	if (CONNECTION_SLOT(row->id) >= connections->of[listener].reach)
		connections->of[listener].reach = CONNECTION_SLOT(row->id) + 1;
	return true;
}

ConnectionRef
connections_ref(const Connections *connections, uint16_t listener, ConnectionId id)
{
	ConnectionRef ref = {.listener = listener, .connection = id};

	if (listener < connections->listeners)
		ref.life = connections->of[listener].life;
	return ref;
}

Connection *
connections_find(const Connections *connections, ConnectionRef ref)
{
	Connection *row = row_of(connections, ref.listener, ref.connection);

	if (row == NULL || !row->open || row->id != ref.connection ||
		ref.life != connections->of[ref.listener].life)
		return NULL;
	return row;
}

Connection *
connections_next(const Connections *connections, uint16_t listener, uint32_t *slot)
{
	if (listener >= connections->listeners)
		return NULL;
	while (*slot < connections->of[listener].reach)
	{
		Connection *row = row_of(connections, listener, (*slot)++);

		if (row->open)
			return row;
	}
	return NULL;
}

void
connections_reset(Connections *connections, uint16_t listener)
{
	if (listener >= connections->listeners)
		return;
	for (uint32_t slot = 0; slot < connections->of[listener].reach; slot++)
	{
		Connection *row = row_of(connections, listener, slot);

		row->id = 0;
		row->open = false;
	}
	connections->of[listener].reach = 0;
	connections->of[listener].life++;
}
