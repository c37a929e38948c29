/*
 * registry.c
 *	  What the worker calls: events in, rows and answers out; see registry.h.
 */
#include "registry.h"

#include <stdlib.h>

#include "held.h"

#ifdef POSTGRES_H
#error "registry.c must not include Postgres"
#endif

static const ConnectionRef nobody;

Registry *
registry_new(const RegistryRules *rules, const RegistrySink *sink, Queue *queue, Recent *recent)
{
	Registry *registry = calloc(1, sizeof *registry);

	if (registry == NULL)
		return NULL;
	registry->sink = *sink;
	registry->queue = queue;
	registry->recent = recent;
	registry->rules = *rules;
	registry_set_rules(registry, rules);
	registry->refused = recent_new(REFUSED_MEMORY);
	registry->forgotten = recent_new(FORGOTTEN_MEMORY);
	registry->connections = connections_new(rules->listeners, rules->connections);
	registry->table = idtable_new(rules->views);
	registry->held = calloc(rules->views > 0 ? rules->views : 1, sizeof *registry->held);
	if (registry->refused == NULL || registry->forgotten == NULL || registry->connections == NULL ||
		registry->table == NULL || registry->held == NULL ||
		!timeline_init(&registry->lingering, rules->views) ||
		!timeline_init(&registry->checkpoints, rules->views))
	{
		registry_free(registry);
		return NULL;
	}
	return registry;
}

void
registry_free(Registry *registry)
{
	if (registry == NULL)
		return;
	if (registry->table != NULL && registry->held != NULL)
	{
		for (uint32_t slot = 0; slot < idtable_reach(registry->table); slot++)
		{
			if (idtable_taken(registry->table, slot))
				view_texts_release(registry->held[slot].view.texts);
		}
	}
	recent_free(registry->refused);
	recent_free(registry->forgotten);
	connections_free(registry->connections);
	idtable_free(registry->table);
	free(registry->held);
	timeline_destroy(&registry->lingering);
	timeline_destroy(&registry->checkpoints);
	free(registry);
}

void
registry_set_rules(Registry *registry, const RegistryRules *rules)
{
	registry->rules.linger = rules->linger > 0 ? rules->linger : 0;
	registry->rules.checkpoint_interval = rules->checkpoint_interval;
	if (registry->rules.checkpoint_interval < MICROS_PER_MILLI)
		registry->rules.checkpoint_interval = MICROS_PER_MILLI;
}

void
registry_set_latest(Registry *registry, WallMillis latest)
{
	registry->latest = latest;
}

/* A listener's stamp: nothing happened in the future, or before the clock began. */
static Micros
believed_stamp(Micros stamp, Moment now)
{
	if (stamp > now.monotonic)
		return now.monotonic;
	return stamp > 0 ? stamp : 0;
}

/* A connection is gone, and the view that lived on it is lost. */
static void
close_connection(Registry *registry, Connection *connection, EndReason reason, Micros died_at,
				 Micros last_pong, Moment now)
{
	if (connection->held != NO_SLOT)
		held_lose(registry, connection->held, reason, died_at, last_pong, now);
	connection_close(connection);
}

/* A CLOSED event at `at`; false when it cannot be true. */
static bool
hear_closed(Registry *registry, uint16_t listener, const Event *event, Micros at, Moment now)
{
	Connection *connection = connections_find(
		registry->connections, connections_ref(registry->connections, listener, event->connection));
	CloseCause cause = event->u.closed.cause;

	if (connection == NULL || (unsigned) cause >= CLOSE_CAUSE_COUNT)
		return false;
	close_connection(registry, connection, cause == CLOSE_PING_TIMEOUT ? END_TIMEOUT : END_LOST, at,
					 believed_stamp(event->u.closed.last_pong, now), now);
	return true;
}

bool
registry_event(Registry *registry, uint16_t listener, const Event *event, Moment now)
{
	Micros at = believed_stamp(event->at, now);

	switch (event->type)
	{
		case EVENT_OPENED:
			return connections_open(registry->connections, listener, event);
		case EVENT_MESSAGE:
			return hear(registry, listener, event, at, now);
		case EVENT_LEFT:
			return hear_left(registry, listener, event, at, now);
		case EVENT_CLOSED:
			return hear_closed(registry, listener, event, at, now);
		default:
			return false;
	}
}

void
registry_listener_died(Registry *registry, uint16_t listener, Micros died_at, Moment now)
{
	Connection *connection;
	uint32_t	slot = 0;

	died_at = believed_stamp(died_at, now);
	while ((connection = connections_next(registry->connections, listener, &slot)) != NULL)
		close_connection(registry, connection, END_LOST, died_at, died_at, now);
	connections_reset(registry->connections, listener);
}

void
registry_tick(Registry *registry, Moment now)
{
	uint32_t slot;

	while ((slot = timeline_first(&registry->lingering)) != NO_SLOT &&
		   timeline_since(&registry->lingering, slot) + registry->rules.linger <= now.monotonic)
		held_end(registry, slot, registry->held[slot].view.lost_reason, nobody, now);
	held_checkpoint(registry, now);
}

Micros
registry_deadline(const Registry *registry)
{
	Micros	 deadline = INT64_MAX;
	uint32_t slot = timeline_first(&registry->lingering);

	if (slot != NO_SLOT)
		deadline = timeline_since(&registry->lingering, slot) + registry->rules.linger;
	slot = timeline_first(&registry->checkpoints);
	if (slot != NO_SLOT)
	{
		Micros due =
			timeline_since(&registry->checkpoints, slot) + registry->rules.checkpoint_interval;

		if (due < deadline)
			deadline = due;
	}
	return deadline;
}

void
registry_shutdown(Registry *registry, Moment now)
{
	for (uint32_t slot = 0; slot < idtable_reach(registry->table); slot++)
	{
		View		 *view = &registry->held[slot].view;
		ConnectionRef owner = view->owner;

		if (!idtable_taken(registry->table, slot))
			continue;
		if (view->phase == VIEW_OPEN)
			view_lost(view, END_SHUTDOWN, now.monotonic, now.monotonic);
		held_end(registry, slot, view->lost_reason, owner, now);
	}
}

/*
 * Takes the row of this view and revision out of the queue and remembers what
 * became of it; false when it does not wait any more.  `reply_to` is who asked.
 */
static bool
settle(Registry *registry, const Uuid *view, int64_t revision, bool rejected,
	   ConnectionRef *reply_to)
{
	const ViewRow *row = queue_find(registry->queue, view);
	uint32_t	   slot = idtable_find(registry->table, view);
	Micros		   origin;

	if (row == NULL || row->revision != revision)
		return false;
	*reply_to = row->reply_to;
	origin = row->origin;
	queue_settle(registry->queue, view, revision);
	recent_add(registry->recent, view, revision, rejected, origin);
	if (slot != NO_SLOT)
	{
		registry->held[slot].waiting = false;
		registry->waiting--;
	}
	return true;
}

void
registry_stored(Registry *registry, const Uuid *view, int64_t revision)
{
	Uuid		  id = *view; /* the caller's may be the row that goes */
	ConnectionRef reply_to;

	if (!settle(registry, &id, revision, false, &reply_to))
		return;
	if (revision_is_event(revision))
	{
		registry->counts.events_queued--;
		registry->counts.events_stored++;
	}
	else if (idtable_find(registry->table, &id) == NO_SLOT)
		registry->counts.stored++;
	answer(registry, reply_to, COMMAND_STORED, &id, (int32_t) (revision >> 2), VIEW_ACCEPTED);
}

void
registry_rejected(Registry *registry, const Uuid *view, int64_t revision)
{
	Uuid		  id = *view;
	ConnectionRef reply_to;
	uint32_t	  slot;

	if (!settle(registry, &id, revision, true, &reply_to))
		return;
	slot = idtable_find(registry->table, &id);
	if (slot != NO_SLOT)
		held_drop(registry, slot);
	if (revision_is_event(revision))
	{
		registry->counts.events_queued--;
		registry->counts.events_rejected++;
	}
	else
		registry->counts.rejected++;
	answer(registry, reply_to, COMMAND_REFUSED, &id, (int32_t) (revision >> 2),
		   VIEW_REFUSED_REJECTED);
}

/* A waiting row of a forgotten session goes. */
static void
forget_row(void *context, const Uuid *view)
{
	Registry	  *registry = context;
	const ViewRow *row = queue_find(registry->queue, view);

	recent_forget(registry->recent, view);
	recent_add(registry->forgotten, view, 0, false, 0);
	if (row != NULL && revision_is_event(row->revision))
	{
		registry->counts.events_queued--;
		registry->counts.events_dropped++;
	}
	else
		registry->counts.dropped++;
}

uint32_t
registry_forget(Registry *registry, const Uuid *session, Moment now)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < idtable_reach(registry->table); slot++)
	{
		View *view = &registry->held[slot].view;

		if (!idtable_taken(registry->table, slot) || !uuid_equal(&view->session, session))
			continue;

		/* Its waiting row, if any, is the same view: it is counted below. */
		if (!registry->held[slot].waiting)
		{
			forget_row(registry, &view->id);
			count++;
		}
		held_drop(registry, slot);
	}
	count += queue_forget(registry->queue, session, forget_row, registry);
	/* Last, so that its own views do not push it out of the ring. */
	recent_add(registry->forgotten, session, now.wall, false, 0);
	return count;
}

bool
registry_full(const Registry *registry)
{
	return !held_has_slot(registry) || !held_has_room(registry);
}

bool
registry_holds(const Registry *registry, const Uuid *view)
{
	return idtable_find(registry->table, view) != NO_SLOT;
}

RegistryCounts
registry_counts(const Registry *registry)
{
	RegistryCounts counts = registry->counts;

	counts.lost = registry->lost;
	counts.open = idtable_count(registry->table) - registry->lost;
	counts.queued = queue_length(registry->queue) - registry->waiting - counts.events_queued;
	return counts;
}
