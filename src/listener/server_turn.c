/*
 * server_turn.c
 *	  When the library is called.
 *
 * The library believes that it polls.  In truth a connection that can be read is
 * given to lws_service_fd(), and whoever it called back about is looked at once more at
 * the end of the turn, in server_settle(): the library then gets its turn to write (a
 * pong, the answer to a close frame, what was asked for), and only who has more to
 * write than the kernel takes is watched for that.  About once a second the library is
 * called to poll indeed, for its timers; but poll() is then ours and finds nothing, so
 * that it takes no time, and nothing is read that nobody here would know of.
 *
 * At each end of a connection Debian's build looks through all of its table of
 * descriptors, as a test of itself, and into each connection there.  So there are several tables:
 * one library context for each ROOM of descriptors, each made while the limit
 * of descriptors is no higher than where its room ends (so a table has the rooms
 * before, too, empty).  The kernel gives the lowest descriptor that is free: a quiet
 * server lives in its first room, which is smaller than the others.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "server_turn.h"

#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "loop.h"
#include "tls.h"

#define FIRST_ROOM	   1024					   /* descriptors */
#define OTHER_ROOM	   2048					   /* the same, if that makes rooms enough */
#define ROOM_LIMIT	   32					   /* rooms */
#define SWEEP_INTERVAL MICROS_PER_SECOND	   /* from one poll of the library's to the next */
#define SWEEP_PAUSE	   (10 * MICROS_PER_MILLI) /* the same, while it has something to do */
#define NEWCOMER_TIME  MICROS_PER_SECOND /* for so long a visitor is served before the crowd */
#define REST_LIMIT	   64				 /* pieces of what TLS has decrypted */

#define CONTAINER_OF(member_pointer, type, member) \
	((type *) ((char *) (member_pointer) -offsetof(type, member)))

/* A websocket by its slot, if that is still the same one's. */
typedef struct Newcomer
{
	uint32_t slot;
	uint32_t generation;
} Newcomer;

static struct
{
	ConnectionTable	   *connections;
	struct lws_context *contexts[ROOM_LIMIT];
	struct lws_vhost   *vhosts[ROOM_LIMIT];
	uint32_t			rooms;
	uint32_t			room_size;
	uint32_t *touched; /* slots that server_settle() looks at: a ring, each once at most */
	uint32_t  first;
	uint32_t  count;
	Micros	  swept; /* when the library looked after its timers last */
	bool	  sweeping;
	Newcomer *newcomers; /* who does not belong to the crowd yet: a ring */
	uint32_t  first_newcomer;
	uint32_t  newcomer_count;
} turn;

/* --- rooms -------------------------------------------------------------------- */

/* One context and its vhost, for descriptors below `end`; false when the library will not. */
static bool
open_room(struct lws_context_creation_info *info, rlim_t end)
{
	struct rlimit limit;
	uint32_t	  room = turn.rooms;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return false;
	limit.rlim_cur = end;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return false;
	turn.contexts[room] = lws_create_context(info);
	if (turn.contexts[room] == NULL)
		return false;
	turn.vhosts[room] = lws_create_vhost(turn.contexts[room], info);
	turn.rooms++;
	return turn.vhosts[room] != NULL;
}

bool
turn_prepare(Listener *listener, struct lws_context_creation_info *info)
{
	bool		  tls = (info->options & LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX) != 0;
	struct rlimit limit;
	rlim_t		  end = 0;

	turn.connections = &listener->connections;
	turn.touched = calloc(listener->connections.limit, sizeof *turn.touched);
	turn.newcomers = calloc(listener->connections.limit, sizeof *turn.newcomers);
	if (turn.touched == NULL || turn.newcomers == NULL || getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return false;

	turn.room_size = OTHER_ROOM;
	/* With TLS nothing is looked through, and a context costs a certificate. */
	if (tls)
		turn.room_size = UINT32_MAX;
	else if (limit.rlim_cur > (rlim_t) OTHER_ROOM * (ROOM_LIMIT - 1))
		turn.room_size = (uint32_t) limit.rlim_cur / (ROOM_LIMIT - 1) + 1;

	while (end < limit.rlim_cur)
	{
		end += end == 0 && !tls ? FIRST_ROOM : turn.room_size;
		if (!open_room(info, end < limit.rlim_cur ? end : limit.rlim_cur))
			return false;
	}
	return true;
}

struct lws_vhost *
turn_vhost(int descriptor)
{
	uint32_t number = (uint32_t) descriptor;

	if (turn.rooms == 1 || number < FIRST_ROOM)
		return turn.vhosts[0];
	return turn.vhosts[1 + (number - FIRST_ROOM) / turn.room_size];
}

/* --- a turn --------------------------------------------------------------------- */

void
turn_touch(Connection *connection)
{
	uint32_t end = turn.first + turn.count;

	if (connection->touched)
		return;
	connection->touched = true;
	turn.touched[end < turn.connections->limit ? end : end - turn.connections->limit] =
		connection->slot;
	turn.count++;
}

/* Gives the library what is ready, as poll() would; nothing, once it has let go of the connection. */
static void
serve(Connection *connection, short what)
{
	struct lws_pollfd ready = {.events = LWS_POLLIN | LWS_POLLOUT, .revents = what};

	if (connection->wire == NULL)
		return;
	ready.fd = lws_get_socket_fd(connection->wire);
	(void) lws_service_fd(lws_get_context(connection->wire), &ready);
}

/* Whether the library holds input that it has not looked at yet, of whomever. */
static bool
has_unread(struct lws_context *context)
{
	return lws_service_adjust_timeout(context, 1, 0) == 0;
}

/* Something can be read, or written. */
static void
on_ready(Watch *watch, unsigned what)
{
	Connection		   *connection = CONTAINER_OF(watch, Connection, watch);
	struct lws_context *context;

	if (connection->wire == NULL)
		return;
	context = lws_get_context(connection->wire);
	turn_touch(connection);
	if (what & LOOP_READ)
	{
		bool others = has_unread(context);

		serve(connection, LWS_POLLIN);
		/* TLS decrypts more than the library takes at a time. */
		for (int i = 0;
			 i < REST_LIMIT && !others && connection->wire != NULL && has_unread(context); i++)
			serve(connection, LWS_POLLIN);
	}
	if (what & LOOP_WRITE)
		serve(connection, LWS_POLLOUT);
}

void
turn_begin(Connection *connection)
{
	connection->watch.handler = on_ready;
	turn_touch(connection);
}

/*
 * What it is watched for: whoever has to take something first is not read, so that who reads no
 * answers is stopped by TCP, and input that the library would leave lying, because it only
 * flushes before it closes, does not wake us again and again.
 */
static unsigned
interest(const Connection *connection)
{
	if (lws_partial_buffered(connection->wire) || tls_wants_write(lws_get_ssl(connection->wire)))
		return LOOP_WRITE;
	return (connection->held ? 0 : LOOP_READ) | (connection->write_wanted ? LOOP_WRITE : 0);
}

/* Lets it write, unless the kernel has to take something first, and watches it for what it waits for. */
static void
settle(Connection *connection)
{
	if (connection->wire != NULL && !lws_partial_buffered(connection->wire) &&
		(connection->established || connection->write_wanted))
	{
		connection->write_wanted = false;
		serve(connection, LWS_POLLOUT);
	}
	if (connection->wire != NULL &&
		!loop_watch(&connection->watch, lws_get_socket_fd(connection->wire), interest(connection)))
		server_drop(connection);
}

/*
 * Takes the place of the C library's, for whoever in this process polls: finds nothing
 * while the library is only to look after its timers.
 */
int
poll(struct pollfd *descriptors, nfds_t count, int timeout)
{
	struct timespec patience = {timeout / 1000, timeout % 1000 * 1000000L};

	if (turn.sweeping)
		return 0;
	return ppoll(descriptors, count, timeout >= 0 ? &patience : NULL, NULL);
}

/* The library's timers, and input that it kept. */
static void
sweep(Micros now)
{
	turn.swept = now;
	turn.sweeping = true;
	for (uint32_t i = 0; i < turn.rooms; i++)
		(void) lws_service_tsi(turn.contexts[i], -1, 0);
	turn.sweeping = false;
}

void
server_settle(void)
{
	bool unread = false;

	while (turn.count > 0)
	{
		Connection *connection = &turn.connections->slots[turn.touched[turn.first]];

		if (++turn.first == turn.connections->limit)
			turn.first = 0;
		turn.count--;
		/* What is called back for meanwhile belongs to this look at it. */
		settle(connection);
		connection->touched = false;
	}
	for (uint32_t i = 0; i < turn.rooms && !unread; i++)
		unread = has_unread(turn.contexts[i]);
	if (unread)
	{
		Micros now = clock_monotonic();

		if (now - turn.swept >= SWEEP_PAUSE)
			sweep(now);
		loop_hurry(SWEEP_PAUSE / MICROS_PER_MILLI);
	}
}

/* The newcomer of longest standing joins the crowd, if it is still there; false, and nothing, if it is too early. */
static bool
settle_newcomer(Micros now)
{
	Newcomer   *newcomer = &turn.newcomers[turn.first_newcomer];
	Connection *connection = &turn.connections->slots[newcomer->slot];
	bool		here = connection->upgraded && connection->generation == newcomer->generation;

	if (here && now - connection->opened_at < NEWCOMER_TIME)
		return false;
	if (++turn.first_newcomer == turn.connections->limit)
		turn.first_newcomer = 0;
	turn.newcomer_count--;
	if (here && connection->wire != NULL && !loop_join_crowd(&connection->watch))
		server_drop(connection);
	return true;
}

void
turn_opened(Connection *connection)
{
	uint32_t end = turn.first_newcomer + turn.newcomer_count;

	/* When the ring is full the oldest one's time is over. */
	if (turn.newcomer_count == turn.connections->limit)
		(void) settle_newcomer(INT64_MAX);
	if (end >= turn.connections->limit)
		end -= turn.connections->limit;
	turn.newcomers[end] = (Newcomer){connection->slot, connection->generation};
	turn.newcomer_count++;
}

void
server_tick(void)
{
	Micros now = clock_monotonic();

	while (turn.newcomer_count > 0 && settle_newcomer(now))
		;
	if (now - turn.swept >= SWEEP_INTERVAL)
		sweep(now);
}

void
server_want_write(Connection *connection)
{
	if (connection->wire == NULL)
		return;
	connection->write_wanted = true;
	turn_touch(connection);
}

void
server_hold(Connection *connection, bool hold)
{
	if (connection->wire == NULL)
		return;
	connection->held = hold;
	(void) lws_rx_flow_control(connection->wire, hold ? 0 : 1);
	turn_touch(connection);
}
