/*
 * held.h
 *	  The views that the registry holds, open or lost, and its inner state.
 *
 * Shared by the registry's three files and nobody else: registry.c is what the
 * worker calls, hearing.c judges messages, held.c moves views between sockets,
 * the linger line, and the queue.
 *
 * Room: every held view has, or may yet need, an entry in the queue.  So held
 * views and waiting rows of other views together never exceed the queue, and a
 * row of a held view always finds room.
 *
 * Pure C: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_HELD_H
#define PAGEVIEWS_HELD_H

#include "connections.h"
#include "registry.h"
#include "timeline.h"

typedef struct Held
{
	View view;
	bool waiting; /* a row of it is in the queue */
} Held;

struct Registry
{
	RegistryRules rules;
	RegistrySink  sink;
	Queue		 *queue;
	Recent		 *recent;	 /* stored or rejected */
	Recent		 *refused;	 /* counted as refused */
	Recent		 *forgotten; /* sessions, with the time (wall, ms) as revision; and views, with 0 */
	Connections	 *connections;
	IdTable		 *table;	   /* ids of the held views */
	Held		 *held;		   /* by slot */
	Timeline	  lingering;   /* the lost ones, since they were known to be lost */
	Timeline	  checkpoints; /* since begun or last checkpointed, if a check is due */
	uint32_t	  lost;		   /* held and lost */
	uint32_t	  waiting;	   /* held and in the queue */
	RegistryCounts counts;	   /* open, lost and queued are not kept here */
};

/* Whether another view finds room in the queue: for its row, now or later. */
extern bool held_has_room(const Registry *registry);

/* Whether another view finds a slot. */
extern bool held_has_slot(const Registry *registry);

/*
 * Takes a view in: the caller has seen that there is a slot and room.  It is open
 * and has no socket yet.
 */
extern uint32_t held_add(Registry *registry, const View *view, Moment now);

/* The view lives on this socket from now on, and on no other. */
extern void held_attach(Registry *registry, uint32_t slot, ConnectionRef ref);

/* A lost view was heard of: it lingers no more. */
extern void held_found(Registry *registry, uint32_t slot);

/* The view changed: shows it, and writes a checkpoint if one is overdue. */
extern void held_changed(Registry *registry, uint32_t slot, Moment now);

/* An open view has lost its browser, and lingers. */
extern void held_lose(Registry *registry, uint32_t slot, EndReason reason, Micros died_at,
					  Micros last_pong, Moment now);

/* The view is over: its last row goes to the queue, the slot is free. */
extern void held_end(Registry *registry, uint32_t slot, EndReason reason, ConnectionRef reply_to,
					 Moment now);

/* The view is over without a row. */
extern void held_drop(Registry *registry, uint32_t slot);

/* Writes the checkpoints that are due. */
extern void held_checkpoint(Registry *registry, Moment now);

/* Puts a view's row in the queue and gives the view's own reference to its texts up. */
extern void enqueue_last(Registry *registry, View *view, EndReason reason, Moment now);

/* A view that is neither held nor in the queue is about to be: counts it. */
extern void count_entry(Registry *registry, const Uuid *id);

/* A newcomer was turned away: counts it, if it is one. */
extern void count_refusal(Registry *registry, const Uuid *id);

/* hearing.c: a LEFT event: the view of that socket is over. False when it cannot be true. */
extern bool hear_left(Registry *registry, uint16_t listener, const Event *event, Micros at,
					  Moment now);

/* hearing.c: judges one MESSAGE event, answers it. False when it cannot be true. */
extern bool hear(Registry *registry, uint16_t listener, const Event *event, Micros at, Moment now);

/* Sends COMMAND_ACK, _STORED or _REFUSED (for `verdict`) to a connection, if it is there. */
extern void answer(const Registry *registry, ConnectionRef to, CommandType type, const Uuid *view,
				   int32_t n, ViewVerdict verdict);

#endif /* PAGEVIEWS_HELD_H */
