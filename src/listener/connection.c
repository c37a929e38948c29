/*
 * connection.c
 *	  Slots, generations, queues and lists of connections.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "connection.h"

#include <stdlib.h>

#include "note.h"

bool
connection_table_init(ConnectionTable *table, uint32_t limit)
{
	table->slots = calloc(limit, sizeof *table->slots);
	table->free_slots = calloc(limit, sizeof *table->free_slots);
	if (table->slots == NULL || table->free_slots == NULL)
	{
		free(table->slots);
		free(table->free_slots);
		return false;
	}
	table->limit = limit;
	table->used = 0;
	for (uint32_t i = 0; i < limit; i++)
	{
		table->slots[i].slot = i;
		table->free_slots[i] = limit - 1 - i;
	}
	return true;
}

Connection *
connection_take(ConnectionTable *table)
{
	Connection *connection;

	if (table->used == table->limit)
		return NULL;
	connection = &table->slots[table->free_slots[table->limit - ++table->used]];
	connection->used = true;
	return connection;
}

void
connection_release(ConnectionTable *table, Connection *connection)
{
	uint32_t  slot = connection->slot;
	uint32_t  generation = connection->generation;
	bool	  touched = connection->touched;
	Outgoing *message;

	if (!connection->used)
		return;
	while ((message = connection_next(connection)) != NULL)
		free(message);
	free(connection->site);
	free(connection->input);
	note_free(connection->note);
	*connection = (Connection){.slot = slot, .generation = generation, .touched = touched};
	table->free_slots[table->limit - table->used--] = slot;
}

Connection *
connection_find(ConnectionTable *table, ConnectionId id)
{
	Connection *connection;

	if (CONNECTION_SLOT(id) >= table->limit)
		return NULL;
	connection = &table->slots[CONNECTION_SLOT(id)];
	return connection->announced && connection_id(connection) == id ? connection : NULL;
}

void
connection_announce(Connection *connection)
{
	if (++connection->generation == 0)
		connection->generation = 1;
	connection->announced = true;
}

bool
connection_queue(Connection *connection, const char *message, size_t length)
{
	Outgoing *outgoing = malloc(sizeof *outgoing + OUTGOING_HEADROOM + length);

	if (outgoing == NULL)
		return false;
	outgoing->next = NULL;
	outgoing->length = length;
	memcpy(outgoing->data + OUTGOING_HEADROOM, message, length);

	if (connection->last != NULL)
		connection->last->next = outgoing;
	else
		connection->first = outgoing;
	connection->last = outgoing;
	connection->queued += length;
	return true;
}

Outgoing *
connection_next(Connection *connection)
{
	Outgoing *outgoing = connection->first;

	if (outgoing == NULL)
		return NULL;
	connection->first = outgoing->next;
	if (connection->first == NULL)
		connection->last = NULL;
	connection->queued -= outgoing->length;
	return outgoing;
}

void
connection_list_append(ConnectionList *list, Connection *connection)
{
	connection->previous = list->last;
	connection->next = NULL;
	connection->listed = true;
	if (list->last != NULL)
		list->last->next = connection;
	else
		list->first = connection;
	list->last = connection;
}

void
connection_list_remove(ConnectionList *list, Connection *connection)
{
	if (!connection->listed)
		return;
	connection->listed = false;
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		list->first = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	else
		list->last = connection->previous;
	connection->previous = NULL;
	connection->next = NULL;
}
