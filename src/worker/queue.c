/*
 * queue.c
 *	  The rows that wait to be stored; see queue.h.
 */
#include "queue.h"

#include <stdlib.h>

#include "timeline.h"

#ifdef POSTGRES_H
#error "queue.c must not include Postgres"
#endif

struct Queue
{
	IdTable *table;
	Timeline line; /* oldest first, by when a view's first row was put */
	ViewRow *rows; /* by slot; of a taken slot, one reference to its texts is ours */
};

Queue *
queue_new(uint32_t capacity)
{
	Queue *queue = calloc(1, sizeof *queue);

	if (queue == NULL)
		return NULL;
	queue->table = idtable_new(capacity);
	queue->rows = calloc(capacity > 0 ? capacity : 1, sizeof *queue->rows);
	if (queue->table == NULL || queue->rows == NULL || !timeline_init(&queue->line, capacity))
	{
		queue_free(queue);
		return NULL;
	}
	return queue;
}

/* Frees a row's slot; its texts are the caller's. */
static void
drop_row(Queue *queue, uint32_t slot)
{
	timeline_remove(&queue->line, slot);
	idtable_remove(queue->table, slot);
}

void
queue_free(Queue *queue)
{
	if (queue == NULL)
		return;
	if (queue->line.links != NULL)
	{
		for (uint32_t slot = timeline_first(&queue->line); slot != NO_SLOT;
			 slot = timeline_next(&queue->line, slot))
			view_texts_release(queue->rows[slot].texts);
	}
	idtable_free(queue->table);
	timeline_destroy(&queue->line);
	free(queue->rows);
	free(queue);
}

bool
queue_put(Queue *queue, const ViewRow *row, Micros now)
{
	uint32_t slot = idtable_find(queue->table, &row->view);

	if (slot == NO_SLOT)
	{
		slot = idtable_add(queue->table, &row->view);
		if (slot == NO_SLOT)
			return false;
		timeline_append(&queue->line, slot, now);
	}
	else if (row->revision > queue->rows[slot].revision)
		view_texts_release(queue->rows[slot].texts);
	else
	{
		view_texts_release(row->texts);
		return true;
	}
	queue->rows[slot] = *row;
	return true;
}

const ViewRow *
queue_find(const Queue *queue, const Uuid *view)
{
	uint32_t slot = idtable_find(queue->table, view);

	return slot != NO_SLOT ? &queue->rows[slot] : NULL;
}

bool
queue_take(Queue *queue, const Uuid *view, ViewRow *row)
{
	uint32_t slot = idtable_find(queue->table, view);

	if (slot == NO_SLOT)
		return false;
	*row = queue->rows[slot];
	drop_row(queue, slot);
	return true;
}

bool
queue_redirect(Queue *queue, const Uuid *view, ConnectionRef reply_to)
{
	uint32_t slot = idtable_find(queue->table, view);

	if (slot == NO_SLOT)
		return false;
	queue->rows[slot].reply_to = reply_to;
	return true;
}

uint32_t
queue_peek(const Queue *queue, const ViewRow **rows, uint32_t limit)
{
	uint32_t count = 0;

	for (uint32_t slot = timeline_first(&queue->line); slot != NO_SLOT && count < limit;
		 slot = timeline_next(&queue->line, slot))
		rows[count++] = &queue->rows[slot];
	return count;
}

bool
queue_settle(Queue *queue, const Uuid *view, int64_t revision)
{
	uint32_t slot = idtable_find(queue->table, view);

	if (slot == NO_SLOT || queue->rows[slot].revision != revision)
		return false;
	view_texts_release(queue->rows[slot].texts);
	drop_row(queue, slot);
	return true;
}

uint32_t
queue_forget(Queue *queue, const Uuid *session, void (*gone)(void *context, const Uuid *view),
			 void *context)
{
	uint32_t slot = timeline_first(&queue->line);
	uint32_t count = 0;

	while (slot != NO_SLOT)
	{
		uint32_t next = timeline_next(&queue->line, slot);
		ViewRow *row = &queue->rows[slot];

		if (uuid_equal(&row->session, session))
		{
			gone(context, &row->view);
			view_texts_release(row->texts);
			drop_row(queue, slot);
			count++;
		}
		slot = next;
	}
	return count;
}

uint32_t
queue_length(const Queue *queue)
{
	return idtable_count(queue->table);
}

uint32_t
queue_capacity(const Queue *queue)
{
	return idtable_capacity(queue->table);
}

Micros
queue_oldest(const Queue *queue)
{
	uint32_t slot = timeline_first(&queue->line);

	return slot != NO_SLOT ? timeline_since(&queue->line, slot) : INT64_MAX;
}
