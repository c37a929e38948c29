/*
 * supervisor.c
 *	  The listener processes: started, watched, restarted; and their channels.
 *
 *	  DOWN --start--> STARTING --READY--> SERVING
 *	    ^                |                   |
 *	    +---- death, silence, a bad record --+
 *
 * A listener is untrusted: a record that does not decode, or that contradicts
 * an earlier one, ends it.  Its death is noticed by its channel's end or by
 * SIGCHLD, whichever comes first; its pid is reaped by name, so that no other
 * child of this process is ever taken.
 *
 * Restarts back off as backoff.h says.
 */
#include "postgres.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "../common/channel.h"
#include "backoff.h"
#include "listener_log.h"
#include "plausible.h"
#include "sockets.h"
#include "spawn.h"
#include "supervisor.h"

#define HEARTBEAT_INTERVAL	(2 * MICROS_PER_SECOND)
#define HEARTBEAT_PATIENCE	(6 * MICROS_PER_SECOND)
#define BIND_RETRY_FIRST	(100 * MICROS_PER_MILLI)
#define BIND_RETRY_LAST		(5 * MICROS_PER_SECOND)
#define REAP_PATIENCE		(50 * MICROS_PER_MILLI)
#define COMMAND_QUEUE_LIMIT (16 * 1024 * 1024)

/* Bytes taken from one listener before the next one gets its turn. */
#define READ_BUDGET (1024 * 1024)

typedef enum ListenerState
{
	LISTENER_DOWN,
	LISTENER_STARTING, /* running, has not said READY */
	LISTENER_SERVING   /* configured */
} ListenerState;

typedef struct Listener
{
	Channel		 *channel; /* NULL: none */
	ListenerState state;
	pid_t		  pid;		/* 0: none */
	Micros		  start_at; /* DOWN: when to start it */
	Micros		  started_at;
	Backoff		  backoff;
	uint64_t	  asked; /* sequence of the last heartbeat sent */
	uint64_t	  answered;
	Micros		  asked_at;
	Micros		  heard_at;		/* when nothing was due from it last */
	Micros		  last_word_at; /* when it wrote what it said last; or its start */
	uint64_t	  connections;
	bool		  sandboxed;						/* as it says */
	uint64_t	  counters[LISTENER_COUNTER_COUNT]; /* of this incarnation */
} Listener;

static Listener		   listeners[SUPERVISOR_LISTENER_LIMIT];
static uint16_t		   listener_count = 0;
static uint32_t		   connections_each;
static SupervisorHooks hooks;

static ListenerConfig config;
static bool			  configured = false;
static bool			  busy = false;
static int64_t		  restarts = 0;
static uint64_t		  buried_counters[LISTENER_COUNTER_COUNT]; /* of dead incarnations */
static Micros		  bind_at = 0;
static Micros		  bind_retry = BIND_RETRY_FIRST;
static Micros		  turn_began = 0; /* the last turn, without the waiting after it */
static Micros		  turn_ended = 0;

static WaitEventSet *wait_set = NULL;
static bool			 wait_set_stale = true;

void
supervisor_init(uint16_t count, uint32_t connections, const SupervisorHooks *given)
{
	Assert(count <= SUPERVISOR_LISTENER_LIMIT);
	listener_count = count;
	connections_each = connections;
	hooks = *given;
	spawn_watch();
}

/* --- death ---------------------------------------------------------------- */

/*
 * Ends a listener for good, whatever state it is in, and plans the next one.  Its
 * connections are taken to have been open until `died_at`.
 */
static void
bury_since(uint16_t index, const char *why, Micros died_at, Micros now)
{
	Listener *listener = &listeners[index];
	pid_t	  pid = listener->pid;
	int		  status = 0;
	Micros	  delay;

	channel_free(listener->channel);
	listener->channel = NULL;
	wait_set_stale = true;

	/* One that the kernel cannot end now (it waits for a disk) is reaped later. */
	if (pid != 0)
	{
		kill(pid, SIGKILL);
		if (spawn_reap(pid, REAP_PATIENCE, &status))
			listener->pid = 0;
	}
	for (int i = 0; i < LISTENER_COUNTER_COUNT; i++)
		buried_counters[i] += listener->counters[i];
	memset(listener->counters, 0, sizeof listener->counters);
	listener->connections = 0;
	listener->sandboxed = false;

	delay = backoff_after_death(&listener->backoff, now);
	listener->start_at = now + delay;
	listener->state = LISTENER_DOWN;
	restarts++;

	listener_log_death(index, pid, status, why, delay);
	hooks.died(index, died_at);
}

static void
bury(uint16_t index, const char *why, Micros now)
{
	bury_since(index, why, now, now);
}

/* One that is found dead, perhaps after a long wait of ours for the database. */
static void
bury_dead(uint16_t index, const char *why, Micros now)
{
	bury_since(index, why, Max(spawn_death(now), listeners[index].last_word_at), now);
}

/* --- life ----------------------------------------------------------------- */

static bool
send_command(Listener *listener, ChannelLane lane, const Command *command)
{
	static uint8_t *buffer = NULL;
	size_t			length;

	if (buffer == NULL)
		buffer = MemoryContextAlloc(TopMemoryContext, RECORD_LIMIT);
	length = command_encode(command, buffer, RECORD_LIMIT);
	return length > 0 && channel_send(listener->channel, lane, buffer, length);
}

static bool
send_config(Listener *listener)
{
	Command command;

	command.type = COMMAND_CONFIGURE;
	command.u.configure = config;
	command.u.configure.max_connections = connections_each;
	command.u.configure.busy = busy;
	/* Each listener sees its share of an address's connections, open and new. */
	if (config.max_connections_per_address > 0)
		command.u.configure.max_connections_per_address =
			Max(1, config.max_connections_per_address / listener_count);
	if (config.limits.connection_rate > 0)
		command.u.configure.limits.connection_rate =
			Max(1, config.limits.connection_rate / listener_count);
	return send_command(listener, LANE_EVENTS, &command);
}

static void
start(uint16_t index, Micros now)
{
	Listener  *listener = &listeners[index];
	const int *sockets;
	int		   count;
	int		   descriptor;

	sockets = sockets_bound(&count);
	listener->pid = spawn_listener(sockets, count, connections_each, &descriptor);
	if (listener->pid < 0)
	{
		bool   missing = errno == ENOENT || errno == EACCES;
		Micros wait = backoff_after_death(&listener->backoff, now);

		listener->pid = 0;
		listener->start_at = now + Max(wait, BIND_RETRY_FIRST);
		ereport(WARNING, (errcode_for_file_access(),
						  errmsg("pageviews could not start \"%s\": %m", spawn_program()),
						  missing ? errhint("Install it with the extension (make install).") : 0));
		return;
	}
	listener->channel = channel_new(descriptor, EVENT_LIMIT, COMMAND_QUEUE_LIMIT);
	if (listener->channel == NULL)
	{
		close(descriptor);
		bury(index, "out of memory", now);
		return;
	}
	listener->state = LISTENER_STARTING;
	listener->asked = listener->answered = 0;
	listener->started_at = now;
	listener->asked_at = listener->heard_at = listener->last_word_at = now;
	wait_set_stale = true;
}

/* --- events --------------------------------------------------------------- */

typedef struct Reading
{
	uint16_t	index;
	Micros		now;
	const char *fault; /* why the listener cannot be trusted any more */
} Reading;

static bool
take_ready(Reading *reading, const Event *event)
{
	Listener *listener = &listeners[reading->index];

	if (listener->state != LISTENER_STARTING || event->u.ready.version != CHANNEL_VERSION)
	{
		reading->fault =
			"it speaks another version of the channel; restart the server after an update";
		return false;
	}
	listener->state = LISTENER_SERVING;
	if (!send_config(listener))
	{
		reading->fault = "it could not be configured";
		return false;
	}
	return true;
}

/* One record of a listener; false ends its life. */
static bool
take_record(void *context, const uint8_t *body, size_t length)
{
	Reading		 *reading = context;
	Listener	 *listener = &listeners[reading->index];
	Event		  event;
	ListenerFacts facts = {listener->started_at, connections_each, listener->asked,
						   listener->answered, listener->counters};

	if (!event_decode(body, length, &event))
	{
		reading->fault = "it sent a malformed record";
		return false;
	}
	if (!event_is_plausible(&event, &facts))
	{
		reading->fault = "it said what cannot be";
		return false;
	}
	listener->last_word_at = Max(listener->last_word_at, Min(event.at, reading->now));
	switch (event.type)
	{
		case EVENT_READY:
			return take_ready(reading, &event);
		case EVENT_ALIVE:
			listener->answered = event.u.alive.sequence;
			listener->connections = event.u.alive.connections;
			listener->sandboxed = event.u.alive.sandboxed;
			memcpy(listener->counters, event.u.alive.counters, sizeof listener->counters);
			return true;
		case EVENT_LOG:
			listener_log(&event);
			return true;
		case EVENT_OPENED:
		case EVENT_MESSAGE:
		case EVENT_CLOSED:
		case EVENT_LEFT:
			if (listener->state == LISTENER_SERVING && hooks.event(reading->index, &event))
				return true;
			reading->fault = "it contradicted itself";
			return false;
	}
	return false;
}

static void
read_channel(uint16_t index, Micros now)
{
	Reading reading = {index, now, NULL};

	if (channel_read(listeners[index].channel, READ_BUDGET, take_record, &reading) !=
		CHANNEL_CLOSED)
		return;
	if (reading.fault)
		bury(index, reading.fault, now);
	else
		bury_dead(index, "it closed its channel", now);
}

/* --- the turn ------------------------------------------------------------- */

/*
 * Asks, and judges.  Time that this process spent elsewhere (in a transaction)
 * does not count against a listener, and its answers were read just now.
 */
static void
heartbeat(uint16_t index, Micros now)
{
	Listener *listener = &listeners[index];

	if (listener->answered == listener->asked && listener->state == LISTENER_SERVING)
		listener->heard_at = now;
	else if (now - listener->heard_at > HEARTBEAT_PATIENCE)
	{
		/* Nobody knows who was still there after its last word. */
		bury_since(index, "it did not answer for six seconds", listener->last_word_at, now);
		return;
	}
	if (listener->state == LISTENER_SERVING && listener->answered == listener->asked &&
		now - listener->asked_at >= HEARTBEAT_INTERVAL)
	{
		Command command;

		command.type = COMMAND_HEARTBEAT;
		command.u.heartbeat = listener->asked + 1;
		if (send_command(listener, LANE_CONTROL, &command))
			listener->asked++;
		listener->asked_at = now;
	}
}

/* Reaps by pid whoever died without our having read it off the channel. */
static void
notice_deaths(void)
{
	if (!spawn_child_died())
		return;

	for (uint16_t i = 0; i < listener_count; i++)
	{
		siginfo_t info;

		info.si_pid = 0;
		if (listeners[i].channel == NULL)
		{
			int status;

			/* Buried already; this is what is left of it. */
			if (listeners[i].pid != 0 && spawn_reap(listeners[i].pid, 0, &status))
				listeners[i].pid = 0;
			continue;
		}
		if (listeners[i].pid != 0 &&
			waitid(P_PID, listeners[i].pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
			info.si_pid == listeners[i].pid)
		{
			/* What it still said is worth reading; its end follows. */
			Micros now = clock_monotonic();

			read_channel(i, now);
			if (listeners[i].channel != NULL)
				bury_dead(i, "it died", now);
		}
	}
	spawn_deaths_seen();
}

void
supervisor_read(Micros now)
{
	for (uint16_t i = 0; i < listener_count; i++)
	{
		if (listeners[i].channel != NULL)
			read_channel(i, now);
	}
}

void
supervisor_run(Micros now)
{
	/* A long turn is ours, not theirs. */
	if (turn_ended - turn_began > HEARTBEAT_INTERVAL)
	{
		for (uint16_t i = 0; i < listener_count; i++)
			listeners[i].heard_at += turn_ended - turn_began;
	}
	turn_began = now;

	supervisor_read(now);
	notice_deaths();

	if (!configured)
		return;
	if (now >= bind_at)
	{
		if (!sockets_bind())
		{
			bind_at = now + bind_retry;
			bind_retry = Min(2 * bind_retry, BIND_RETRY_LAST);
		}
	}
	for (uint16_t i = 0; i < listener_count; i++)
	{
		if (listeners[i].state != LISTENER_DOWN)
			heartbeat(i, now);
		else if (listeners[i].pid == 0 && now >= listeners[i].start_at && now >= bind_at)
			start(i, now);
	}
}

Micros
supervisor_deadline(void)
{
	Micros deadline = PG_INT64_MAX;

	if (!configured)
		return deadline;
	for (uint16_t i = 0; i < listener_count; i++)
	{
		const Listener *listener = &listeners[i];

		if (listener->state == LISTENER_DOWN && listener->pid == 0)
			deadline = Min(deadline, Max(listener->start_at, bind_at));
		else if (listener->state == LISTENER_DOWN)
			continue; /* SIGCHLD wakes us */
		else if (listener->state == LISTENER_SERVING && listener->answered == listener->asked)
			deadline = Min(deadline, listener->asked_at + HEARTBEAT_INTERVAL);
		else
			deadline = Min(deadline, listener->heard_at + HEARTBEAT_PATIENCE + MICROS_PER_MILLI);
	}
	return deadline;
}

void
supervisor_configure(const ListenerConfig *given)
{
	bool   had_tls = configured && config.tls_certificate.length > 0;
	bool   has_tls = given->tls_certificate.length > 0;
	Micros now = clock_monotonic();

	/* What a running listener cannot follow. */
	const char *switched = had_tls != has_tls				  ? "TLS was switched on or off"
						   : config.sandbox != given->sandbox ? "its sandbox was switched on or off"
															  : NULL;

	config = *given;
	for (uint16_t i = 0; configured && i < listener_count; i++)
	{
		if (switched != NULL && listeners[i].state != LISTENER_DOWN)
			bury(i, switched, now);
		else if (listeners[i].state == LISTENER_SERVING && !send_config(&listeners[i]))
			bury(i, "it could not be configured", now);

		/* Its end was our wish; and of one that is down this may have been the cause. */
		if (switched != NULL)
			listeners[i].start_at = now;
	}
	configured = true;
}

void
supervisor_set_busy(bool now_busy)
{
	Command command;

	if (busy == now_busy)
		return;
	busy = now_busy;
	command.type = COMMAND_BUSY;
	command.u.busy = busy;
	for (uint16_t i = 0; i < listener_count; i++)
	{
		if (listeners[i].state == LISTENER_SERVING &&
			!send_command(&listeners[i], LANE_EVENTS, &command))
			bury(i, "it does not read its channel", clock_monotonic());
	}
}

bool
supervisor_send(uint16_t index, const Command *command)
{
	return index < listener_count && listeners[index].state == LISTENER_SERVING &&
		   send_command(&listeners[index], LANE_EVENTS, command);
}

void
supervisor_flush(void)
{
	for (uint16_t i = 0; i < listener_count; i++)
	{
		Channel *channel = listeners[i].channel;

		if (channel == NULL || !channel_pending(channel))
			continue;
		if (channel_flush(channel) == CHANNEL_CLOSED)
		{
			/* Its last words may still be there to be read. */
			read_channel(i, clock_monotonic());
			if (listeners[i].channel != NULL)
				bury_dead(i, "it closed its channel", clock_monotonic());
		}
	}
	turn_ended = clock_monotonic();
}

WaitEventSet *
supervisor_wait_set(void)
{
	static bool was_pending[SUPERVISOR_LISTENER_LIMIT];
	static int	position[SUPERVISOR_LISTENER_LIMIT];

	if (wait_set_stale)
	{
		if (wait_set != NULL)
			FreeWaitEventSet(wait_set);
		wait_set = CreateWaitEventSet(TopMemoryContext, listener_count + 2);
		AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
		AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
		for (uint16_t i = 0; i < listener_count; i++)
		{
			was_pending[i] = false;
			if (listeners[i].channel != NULL)
				position[i] =
					AddWaitEventToSet(wait_set, WL_SOCKET_READABLE,
									  channel_descriptor(listeners[i].channel), NULL, NULL);
		}
		wait_set_stale = false;
	}

	/* A full channel is waited for in both directions. */
	for (uint16_t i = 0; i < listener_count; i++)
	{
		bool pending = listeners[i].channel != NULL && channel_pending(listeners[i].channel);

		if (pending != was_pending[i])
			ModifyWaitEvent(wait_set, position[i],
							WL_SOCKET_READABLE | (pending ? WL_SOCKET_WRITEABLE : 0), NULL);
		was_pending[i] = pending;
	}
	return wait_set;
}

void
supervisor_stop(Micros patience)
{
	Micros give_up = clock_monotonic() + patience;

	for (uint16_t i = 0; i < listener_count; i++)
	{
		channel_free(listeners[i].channel);
		listeners[i].channel = NULL;
	}
	for (uint16_t i = 0; i < listener_count; i++)
	{
		Micros left = Max(give_up - clock_monotonic(), 0);
		int	   status;

		if (listeners[i].pid == 0 || spawn_reap(listeners[i].pid, left, &status))
			continue;
		kill(listeners[i].pid, SIGKILL);
		(void) spawn_reap(listeners[i].pid, REAP_PATIENCE, &status);
	}
}

SupervisorStats
supervisor_stats(void)
{
	SupervisorStats stats;

	memset(&stats, 0, sizeof stats);
	stats.wanted = listener_count;
	stats.restarts = restarts;
	stats.sandboxed = true;
	memcpy(stats.counters, buried_counters, sizeof stats.counters);
	for (uint16_t i = 0; i < listener_count; i++)
	{
		stats.ready += listeners[i].state == LISTENER_SERVING;
		stats.sandboxed &= listeners[i].state != LISTENER_SERVING || listeners[i].sandboxed;
		stats.connections += listeners[i].connections;
		for (int c = 0; c < LISTENER_COUNTER_COUNT; c++)
			stats.counters[c] += listeners[i].counters[c];
	}
	return stats;
}
