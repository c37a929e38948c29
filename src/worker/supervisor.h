/*
 * supervisor.h
 *	  The listener processes: started, watched, restarted; and their channels.
 */
#ifndef PAGEVIEWS_SUPERVISOR_H
#define PAGEVIEWS_SUPERVISOR_H

#include "postgres.h"

#include "storage/latch.h"

#include "../common/record.h"

#define SUPERVISOR_LISTENER_LIMIT 64

/* What a listener's events and its death lead to (the worker's business). */
typedef struct SupervisorHooks
{
	/* OPENED, MESSAGE, LEFT or CLOSED.  False: the listener contradicts itself, kill it. */
	bool (*event)(uint16_t listener, const Event *event);
	/* It is gone, and with it all its connections; `died_at` is when we learned of it. */
	void (*died)(uint16_t listener, Micros died_at);
} SupervisorHooks;

typedef struct SupervisorStats
{
	int32_t	 wanted;
	int32_t	 ready;
	bool	 sandboxed; /* every one that is ready says so */
	int64_t	 restarts;
	uint32_t connections;
	uint64_t counters[LISTENER_COUNTER_COUNT];
} SupervisorStats;

/* Once: how many listeners, how many connections each; installs the SIGCHLD handler. */
extern void supervisor_init(uint16_t listeners, uint32_t connections_each,
							const SupervisorHooks *hooks);

/*
 * Sets what listeners are to be.  The first call lets them be started; later
 * ones reach the running listeners, which are restarted if TLS is switched on
 * or off.  `config` is copied, its texts are not: they must stay.
 */
extern void supervisor_configure(const ListenerConfig *config);

/* Turns newcomers away, or takes them again. */
extern void supervisor_set_busy(bool busy);

/* Reads every channel, and nothing else: what is there before the end. */
extern void supervisor_read(Micros now);

/* One turn: reaps the dead, reads every channel, starts who is due, heartbeats. */
extern void supervisor_run(Micros now);

/* When supervisor_run() is next needed without any event. */
extern Micros supervisor_deadline(void);

/* Sends a reply to a connection; false if its listener cannot take it. */
extern bool supervisor_send(uint16_t listener, const Command *command);

/* Writes what waits in the channels. */
extern void supervisor_flush(void);

/*
 * The set to wait on: latch, postmaster death and every channel.  Rebuilt when
 * the channels changed.
 */
extern WaitEventSet *supervisor_wait_set(void);

/* Closes every channel, which ends the listeners, and reaps them for at most `patience`. */
extern void supervisor_stop(Micros patience);

extern SupervisorStats supervisor_stats(void);

#endif /* PAGEVIEWS_SUPERVISOR_H */
