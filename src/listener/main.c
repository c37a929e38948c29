/*
 * main.c
 *	  The life of a listener.
 *
 * The worker starts it with nothing but descriptors: 3 is the channel, 4 and on
 * are listening sockets, as many as the only argument says.  It reports itself
 * ready, waits for its configuration, serves, and ends as soon as the channel
 * does, always by _exit() and never by a signal: if the postmaster is process 1
 * of a container, orphans are its children, and a signal would look like a crash.
 *
 * One loop, no thread.  Once a turn, just before the loop sleeps, the channel is
 * flushed; one timer, which runs only while there is a connection, serves all
 * pings and all waiting notes.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "main.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "callers.h"
#include "events.h"
#include "listener.h"
#include "loop.h"
#include "memory.h"
#include "message.h"
#include "note.h"
#include "pressure.h"
#include "sandbox.h"
#include "server.h"
#include "socket.h"

#define CHANNEL_DESCRIPTOR	   3
#define FIRST_LISTENING_SOCKET 4

#define LONGEST_PERIOD	1000 /* ms, of the timer */
#define SHORTEST_PERIOD 10
#define A_TICKS_SHARE	256 /* connections that may all be due in one tick */

#define EVENT_QUEUE_SIZE  (16 * 1024 * 1024)
#define CLOSED_EVENT_SIZE 64		   /* more than a CLOSED takes in the queue */
#define READ_BUDGET		  (256 * 1024) /* bytes of commands a turn */

#define MEMORY_RESERVE (256 * 1024) /* bytes below which it is no use to go on */

/* Descriptors beyond connections: the loop's, the library's, the worker's three, TLS. */
#define DESCRIPTOR_RESERVE 128

typedef struct Process
{
	Watch	 channel;
	int		 sockets[LISTENING_SOCKET_LIMIT];
	int		 socket_count;
	bool	 serving;
	Listener listener;
} Process;

static Process process;

/* --- commands --------------------------------------------------------------- */

/*
 * Raises the limit of descriptors for this many connections; returns how many
 * connections it then allows, which the system's hard limit may make fewer.
 */
static uint32_t
reserve_descriptors(uint32_t connections)
{
	struct rlimit limit;
	rlim_t		  wanted = (rlim_t) connections + DESCRIPTOR_RESERVE;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return connections;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= wanted)
		return connections;
	return limit.rlim_cur > DESCRIPTOR_RESERVE ? (uint32_t) (limit.rlim_cur - DESCRIPTOR_RESERVE)
											   : 1;
}

/* Says why there is no server, and ends. */
static void __attribute__((noreturn)) give_up(Listener *listener, const char *problem)
{
	event_log(listener, LOG_LEVEL_WARNING, problem, strlen(problem), clock_monotonic());
	(void) channel_flush(listener->channel);
	_exit(EXIT_NO_SERVER);
}

/* Everything is open: gives up the right to open more, if that is wanted. */
static void
enter_sandbox(Listener *listener)
{
	char problem[256];
	int	 refusal;

	if (!listener->configuration.is.sandbox)
		return;
	refusal = sandbox_enter(process.sockets, process.socket_count);
	if (refusal != 0)
	{
		snprintf(problem, sizeof problem,
				 "this system does not allow the sandbox, a seccomp filter (%s); "
				 "set pageviews.sandbox = off to serve without it",
				 strerror(refusal));
		give_up(listener, problem);
	}
	listener->sandboxed = true;
}

/* The first configuration: everything whose size it fixes, then the server. */
static void
begin_serving(Listener *listener)
{
	uint32_t	wanted = listener->configuration.is.max_connections;
	uint32_t	connections = reserve_descriptors(wanted);
	uint64_t	seed[2];
	const char *problem;

	if (connections < wanted)
	{
		char line[128];
		int	 length = snprintf(line, sizeof line,
							   "the limit of open files leaves room for %u of %u connections",
							   connections, wanted);

		event_log(listener, LOG_LEVEL_WARNING, line, (size_t) length, clock_monotonic());
	}

	if (RAND_bytes((unsigned char *) seed, sizeof seed) != 1 ||
		!connection_table_init(&listener->connections, connections) ||
		(listener->addresses = address_table_new(connections, seed)) == NULL ||
		(listener->rates = rate_table_new(connections, seed)) == NULL ||
		(listener->sessions = rate_table_new(connections, seed)) == NULL ||
		(listener->robots = robots_new()) == NULL ||
		(listener->agents = agents_new(listener->robots, seed)) == NULL ||
		(listener->hints = hint_table_new()) == NULL)
		_exit(EXIT_NO_MEMORY);

	process.serving = true;
	problem = server_start(listener, process.sockets, process.socket_count);
	if (problem != NULL)
		give_up(listener, problem);
	memory_started();
	message_prepare();
	enter_sandbox(listener);
	event_alive(listener, 0, clock_monotonic());
}

/*
 * How often the timer looks: once a second, or often enough for short ping intervals; but the
 * more connections there are the oftener, so that a tick has some hundred of them to ping and
 * to look at and nobody waits for its end.
 */
static uint64_t
timer_period(const Listener *listener)
{
	uint64_t period = (uint64_t) listener->configuration.is.ping_interval / 8;

	if (period > LONGEST_PERIOD)
		period = LONGEST_PERIOD;
	for (uint32_t used = listener->connections.used; used > A_TICKS_SHARE; used /= 2)
		period /= 2;
	return period < SHORTEST_PERIOD ? SHORTEST_PERIOD : period;
}

static void
configure(Listener *listener, const ListenerConfig *config)
{
	Micros old_interval = listener->configuration.is.ping_interval;

	if (!configuration_set(&listener->configuration, config) ||
		!assets_prepare(&listener->assets, config))
		_exit(EXIT_NO_MEMORY);
	listener->busy = config->busy;

	if (!process.serving)
	{
		begin_serving(listener);
		return;
	}
	server_reload();
	if (config->ping_interval != old_interval)
		socket_reconfigured(listener, clock_monotonic());
	loop_set_timer(0);
}

/* An answer about a message: to a socket, or to a note that waits for it. */
static void
deliver(Listener *listener, const Command *command)
{
	Connection *connection =
		process.serving ? connection_find(&listener->connections, command->connection) : NULL;

	if (connection == NULL)
		return;
	if (connection->established)
		socket_answered(listener, connection, command, clock_now());
	else
		note_answered(listener, connection, command, clock_monotonic());
}

/*
 * Ends this process when memory does.  Half alive it would turn everybody away for
 * ever; the next one has its memory back, and browsers come again with their views.
 */
static void
check_memory(Listener *listener)
{
	static const char line[] = "there is no memory left, so this listener ends for another one";
	void *volatile piece = malloc(MEMORY_RESERVE);

	if (piece == NULL)
	{
		event_log(listener, LOG_LEVEL_WARNING, line, strlen(line), clock_monotonic());
		(void) channel_flush(listener->channel);
		_exit(EXIT_NO_MEMORY);
	}
	free(piece);
}

/* Takes one record from the worker. */
static bool
take_command(void *context, const uint8_t *body, size_t length)
{
	static Command command;
	Listener	  *listener = context;

	if (!command_decode(body, length, &command))
		_exit(EXIT_BAD_RECORD);
	switch (command.type)
	{
		case COMMAND_CONFIGURE:
			configure(listener, &command.u.configure);
			break;
		case COMMAND_HEARTBEAT:
			check_memory(listener);
			event_alive(listener, command.u.heartbeat, clock_monotonic());
			break;
		case COMMAND_BUSY:
			listener->busy = command.u.busy;
			break;
		case COMMAND_ACK:
		case COMMAND_STORED:
		case COMMAND_REFUSED:
			deliver(listener, &command);
			break;
	}
	return true;
}

/* --- the loop --------------------------------------------------------------- */

static void
on_channel(Watch *watch, unsigned what)
{
	(void) watch;
	if (what & LOOP_READ && channel_read(process.listener.channel, READ_BUDGET, take_command,
										 &process.listener) == CHANNEL_CLOSED)
		_exit(EXIT_CHANNEL_CLOSED);
}

/* Watches the channel for input, and for room while something waits to be written. */
static void
watch_channel(void)
{
	if (!loop_watch(&process.channel, CHANNEL_DESCRIPTOR,
					LOOP_READ | (channel_pending(process.listener.channel) ? LOOP_WRITE : 0)))
		_exit(EXIT_NO_MEMORY);
}

static void
on_tick(void)
{
	Micros now = clock_monotonic();

	callers_tick(&process.listener, now);
	socket_tick(&process.listener, now);
	note_tick(&process.listener, now);
	server_tick();
}

/* Just before the loop sleeps: what this turn had to say goes out in one write. */
static void
before_sleep(void)
{
	if (process.serving)
		server_settle();
	if (channel_flush(process.listener.channel) == CHANNEL_CLOSED)
		_exit(EXIT_CHANNEL_CLOSED);
	pressure_check(&process.listener, clock_monotonic());
	if (process.serving)
		server_settle();
	watch_channel();
	loop_set_timer(process.listener.connections.used > 0 ? timer_period(&process.listener) : 0);
}

/* --- the beginning ---------------------------------------------------------- */

/* Reads the only argument and checks that the descriptors are what they should be. */
static bool
take_descriptors(int argc, char **argv)
{
	char	 *end;
	long	  count;
	int		  value;
	socklen_t length = sizeof value;

	if (argc != 2)
		return false;
	count = strtol(argv[1], &end, 10);
	if (*end != '\0' || end == argv[1] || count < 1 || count > LISTENING_SOCKET_LIMIT)
		return false;
	if (getsockopt(CHANNEL_DESCRIPTOR, SOL_SOCKET, SO_DOMAIN, &value, &length) != 0 ||
		value != AF_UNIX)
		return false;
	for (int i = 0; i < count; i++)
	{
		length = sizeof value;
		process.sockets[i] = FIRST_LISTENING_SOCKET + i;
		if (getsockopt(process.sockets[i], SOL_SOCKET, SO_ACCEPTCONN, &value, &length) != 0 ||
			value == 0)
			return false;
	}
	process.socket_count = (int) count;
	return true;
}

/* Asked to end: an end by the signal itself would look like a crash. */
static void
on_terminate(int number)
{
	(void) number;
	_exit(EXIT_CHANNEL_CLOSED);
}

/* Gives up what it will never need. */
static void
drop_powers(void)
{
	(void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGHUP, SIG_IGN);
	(void) signal(SIGTERM, on_terminate);
	(void) signal(SIGINT, on_terminate);
	(void) signal(SIGQUIT, on_terminate);
}

/*
 * Lets libcrypto set itself up, and sees that it could: one that ran out of memory
 * at it says so now, and crashes at the first digest.
 */
static bool
prepare_crypto(void)
{
	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 &&
		   OSSL_LIB_CTX_get0_global_default() != NULL;
}

int
main(int argc, char **argv)
{
	static const LoopHooks hooks = {before_sleep, on_tick};
	Listener			  *listener = &process.listener;

	if (!take_descriptors(argc, argv))
	{
		fputs(
			"pageviews_listener is started by the pageviews worker of a PostgreSQL server, not by hand\n",
			stderr);
		return EXIT_BY_HAND;
	}
	drop_powers();
	if (!prepare_crypto())
		return EXIT_NO_MEMORY;

	/* The queue is finally sized by the number of connections, which nobody knows yet: room for any number. */
	listener->channel = channel_new(CHANNEL_DESCRIPTOR, RECORD_LIMIT,
									EVENT_QUEUE_SIZE + (size_t) UINT16_MAX * 4 * CLOSED_EVENT_SIZE);
	listener->events_limit = EVENT_QUEUE_SIZE;
	if (listener->channel == NULL || !loop_init())
		return EXIT_NO_MEMORY;
	process.channel.handler = on_channel;

	if (!event_ready(listener, clock_monotonic()))
		return EXIT_NO_MEMORY;
	loop_run(&hooks);
}
