/*
 * held.c
 *	  The views that the registry holds; see held.h.
 */
#include "held.h"

#ifdef POSTGRES_H
#error "held.c must not include Postgres"
#endif

bool
held_has_room(const Registry *registry)
{
	uint64_t inside = (uint64_t) idtable_count(registry->table) + queue_length(registry->queue) -
					  registry->waiting;

	return inside < queue_capacity(registry->queue);
}

bool
held_has_slot(const Registry *registry)
{
	return idtable_count(registry->table) < idtable_capacity(registry->table);
}

void
count_entry(Registry *registry, const Uuid *id)
{
	const RecentEntry *known = recent_find(registry->recent, id);

	if (known != NULL)
	{
		if (known->rejected)
			registry->counts.rejected--;
		else
			registry->counts.stored--;
	}
	else if (recent_find(registry->refused, id) != NULL)
	{
		registry->counts.refused--;
		recent_forget(registry->refused, id);
	}
	else
		registry->counts.announced++;
}

void
count_refusal(Registry *registry, const Uuid *id)
{
	if (recent_find(registry->recent, id) != NULL || recent_find(registry->refused, id) != NULL)
		return;
	registry->counts.announced++;
	registry->counts.refused++;
	recent_add(registry->refused, id, 0, false, 0);
}

/* Puts a row of a held view in the queue, which has room for it. */
static void
enqueue_held(Registry *registry, Held *held, EndReason reason, Moment now)
{
	ViewRow row;

	view_row(&held->view, reason, now, &row);
	if (!queue_put(registry->queue, &row, now.monotonic))
	{
		view_texts_release(row.texts);
		return;
	}
	held->view.stored_revision = row.revision;
	if (!held->waiting)
	{
		held->waiting = true;
		registry->waiting++;
	}
}

void
enqueue_last(Registry *registry, View *view, EndReason reason, Moment now)
{
	ViewRow row;

	view_row(view, reason, now, &row);
	view_texts_release(view->texts);
	view->texts = NULL;
	if (!queue_put(registry->queue, &row, now.monotonic))
	{
		view_texts_release(row.texts);
		registry->counts.dropped++;
	}
}

uint32_t
held_add(Registry *registry, const View *view, Moment now)
{
	uint32_t slot = idtable_add(registry->table, &view->id);

	registry->held[slot].view = *view;
	registry->held[slot].waiting = false;
	timeline_append(&registry->checkpoints, slot, now.monotonic);
	return slot;
}

/* The view lives on no socket. */
static void
held_detach(Registry *registry, uint32_t slot)
{
	View	   *view = &registry->held[slot].view;
	Connection *connection = connections_find(registry->connections, view->owner);

	if (connection != NULL)
		connection->held = NO_SLOT;
	memset(&view->owner, 0, sizeof view->owner);
}

void
held_attach(Registry *registry, uint32_t slot, ConnectionRef ref)
{
	held_detach(registry, slot);
	registry->held[slot].view.owner = ref;
	connections_find(registry->connections, ref)->held = slot;
}

void
held_found(Registry *registry, uint32_t slot)
{
	if (!timeline_contains(&registry->lingering, slot))
		return;
	timeline_remove(&registry->lingering, slot);
	registry->lost--;
}

/* Writes a checkpoint if something was reported since the last row. */
static bool
checkpoint(Registry *registry, uint32_t slot, Moment now)
{
	Held *held = &registry->held[slot];

	if ((int64_t) held->view.n * 4 <= held->view.stored_revision)
		return false;
	enqueue_held(registry, held, END_NONE, now);
	return true;
}

void
held_changed(Registry *registry, uint32_t slot, Moment now)
{
	/* Out of line: nothing had changed when a checkpoint was due. */
	if (!timeline_contains(&registry->checkpoints, slot))
	{
		checkpoint(registry, slot, now);
		timeline_append(&registry->checkpoints, slot, now.monotonic);
	}
	registry->sink.shown(registry->sink.context, slot, &registry->held[slot].view);
}

void
held_checkpoint(Registry *registry, Moment now)
{
	uint32_t slot;

	while ((slot = timeline_first(&registry->checkpoints)) != NO_SLOT &&
		   timeline_since(&registry->checkpoints, slot) + registry->rules.checkpoint_interval <=
			   now.monotonic)
	{
		if (checkpoint(registry, slot, now))
			timeline_append(&registry->checkpoints, slot, now.monotonic);
		else
			timeline_remove(&registry->checkpoints, slot);
	}
}

void
held_lose(Registry *registry, uint32_t slot, EndReason reason, Micros died_at, Micros last_pong,
		  Moment now)
{
	held_detach(registry, slot);
	view_lost(&registry->held[slot].view, reason, died_at, last_pong);
	registry->lost++;
	timeline_append(&registry->lingering, slot, now.monotonic);
	held_changed(registry, slot, now);
}

/* Frees a slot; the view's texts are the caller's. */
static void
release_slot(Registry *registry, uint32_t slot)
{
	held_detach(registry, slot);
	held_found(registry, slot);
	timeline_remove(&registry->checkpoints, slot);
	if (registry->held[slot].waiting)
		registry->waiting--;
	idtable_remove(registry->table, slot);
	registry->sink.hidden(registry->sink.context, slot);
}

void
held_end(Registry *registry, uint32_t slot, EndReason reason, ConnectionRef reply_to, Moment now)
{
	View *view = &registry->held[slot].view;

	release_slot(registry, slot);
	view->owner = reply_to;
	enqueue_last(registry, view, reason, now);
}

void
held_drop(Registry *registry, uint32_t slot)
{
	release_slot(registry, slot);
	view_texts_release(registry->held[slot].view.texts);
}
