/*
 * registry.h
 *	  All open views and all connections: who speaks for which view.
 *
 * Takes the listeners' events, runs each view's state machine, answers through
 * the sink, and puts finished rows, checkpoints and lost views into the queue.
 * Every table is allocated once, at a size that the settings fix; only the
 * texts of views are allocated one by one.
 *
 * Pure C with time handed in: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_REGISTRY_H
#define PAGEVIEWS_REGISTRY_H

#include "queue.h"
#include "recent.h"
#include "view.h"

typedef struct Registry Registry;

typedef struct RegistryRules
{
	uint16_t listeners;	  /* how many there are */
	uint32_t connections; /* slots of each listener */
	uint32_t views;		  /* open and lost views at most */
	Micros	 linger;
	Micros	 checkpoint_interval;
} RegistryRules;

/*
 * Distinct views since the registry was made.  After every call:
 * announced = stored + rejected + open + lost + queued + refused + dropped.
 *
 * A view counts once: as open or lost while the registry holds it, else as queued
 * while a row of it waits, else by what became of it last.  It is announced when a
 * `view`, or an `end` that describes it, first begins it or is refused for its
 * clock or for lack of room.  (`unknown_view` answers no announcement.)  A view
 * that comes back after it was stored, or after it was refused, moves on; it is
 * not announced again.  Ids of the past are known as long as the cache of recent
 * views, or the memory of the last REFUSED_MEMORY refusals, holds them; whoever
 * comes back after that counts as announced once more.
 */
typedef struct RegistryCounts
{
	uint64_t announced; /* told of for the first time */
	uint64_t stored;	/* its last row was committed */
	uint64_t rejected;	/* a row of it was set aside */
	uint64_t open;
	uint64_t lost;									/* lingering */
	uint64_t queued;								/* over, its last row waits */
	uint64_t refused;								/* never let in */
	uint64_t dropped;								/* forgotten with its session */
	uint64_t messages;								/* accepted */
	uint64_t repeated;								/* acknowledged, changed nothing */
	uint64_t refused_by[VIEW_REFUSED_REJECTED + 1]; /* messages, by ViewVerdict */

	/*
	 * Events that were taken: taken = stored + rejected + queued + dropped.  One that comes
	 * again after the cache of recent ids lost it is taken, and stored, once more.
	 */
	uint64_t events_taken;
	uint64_t events_stored;
	uint64_t events_rejected;
	uint64_t events_queued;
	uint64_t events_dropped; /* forgotten with their session */
} RegistryCounts;

/* How many refused ids are remembered, so that each counts as one view. */
#define REFUSED_MEMORY 1024

/* How many forgotten sessions and views are remembered, so that they stay forgotten. */
#define FORGOTTEN_MEMORY 4096

/* Where the registry's results go.  No callback may call back into the registry. */
typedef struct RegistrySink
{
	void *context;
	/* An ack, stored or refused for a connection that is there. */
	void (*reply)(void *context, ConnectionRef to, const Command *command);
	/* The view in this slot (0 .. rules.views - 1) began or changed. */
	void (*shown)(void *context, uint32_t slot, const View *view);
	/* The slot is free again. */
	void (*hidden)(void *context, uint32_t slot);
} RegistrySink;

/* Borrows queue and recent for its whole life; NULL when there is no memory. */
extern Registry *registry_new(const RegistryRules *rules, const RegistrySink *sink, Queue *queue,
							  Recent *recent);
extern void		 registry_free(Registry *registry);

/* Linger and checkpoint interval may change at a reload; the sizes may not. */
extern void registry_set_rules(Registry *registry, const RegistryRules *rules);

/*
 * Ids up to this moment are taken although they lie ahead of the clock: it was ahead
 * when views of them were stored, and another id would make a second row of one.  0: none.
 */
extern void registry_set_latest(Registry *registry, WallMillis latest);

/*
 * One OPENED, MESSAGE, LEFT or CLOSED event of a listener.  False, and nothing changed,
 * when it is another event, out of range, or contradicts what the listener said
 * before (a slot taken twice, a message on a closed connection): the listener is
 * then not to be trusted any more.  A stamp in the future counts as `now`.
 */
extern bool registry_event(Registry *registry, uint16_t listener, const Event *event, Moment now);

/* A listener died: all its connections closed at `died_at`. */
extern void registry_listener_died(Registry *registry, uint16_t listener, Micros died_at,
								   Moment now);

/* Does what is due: lost views whose linger time is over, checkpoints. */
extern void registry_tick(Registry *registry, Moment now);

/* When registry_tick() is next needed; INT64_MAX: not before another event. */
extern Micros registry_deadline(const Registry *registry);

/*
 * Every open view ends as END_SHUTDOWN, credited up to now, every lost one as
 * lost, and all go to the queue.
 */
extern void registry_shutdown(Registry *registry, Moment now);

/*
 * A row of this view and revision, as queue_peek() showed it, was committed:
 * settles the queue, answers, remembers.
 */
extern void registry_stored(Registry *registry, const Uuid *view, int64_t revision);

/*
 * This row can never be stored and was set aside.  The view is over, also if it
 * was open; it is answered `refused`, now and whenever it is spoken for again.
 */
extern void registry_rejected(Registry *registry, const Uuid *view, int64_t revision);

/*
 * A visitor is erased: open views and waiting rows of the session vanish.  They
 * are refused from now on, whoever speaks for them, and so is every view of the
 * session that began before `now`: its browser may still hold what was erased.
 * Later views of the session are views like any others.  Returns how many vanished.
 */
extern uint32_t registry_forget(Registry *registry, const Uuid *session, Moment now);

/*
 * Whether newcomers must be turned away: no slot is free, or all that the queue
 * can take belongs to views that are inside.
 */
extern bool registry_full(const Registry *registry);

/* Whether this view is open or lost here (recovery must not close it). */
extern bool registry_holds(const Registry *registry, const Uuid *view);

extern RegistryCounts registry_counts(const Registry *registry);

#endif /* PAGEVIEWS_REGISTRY_H */
