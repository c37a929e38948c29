/*
 * listener_world.h
 *	  A listener whose library and worker are played by the test.
 *
 * Everything is static or a definition that replaces the library's half, so it
 * is included by one file of a test program.
 */
#ifndef PAGEVIEWS_LISTENER_WORLD_H
#define PAGEVIEWS_LISTENER_WORLD_H

#include "unit.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/listener/callers.h"
#include "../../src/listener/events.h"
#include "../../src/listener/http.h"
#include "../../src/listener/note.h"
#include "../../src/listener/pressure.h"
#include "../../src/listener/server.h"
#include "../../src/listener/socket.h"

#define VIEW	"01a207cb-2609-7c60-ba3d-e23a7847108d"
#define FIGURES "\"state\":\"visible\",\"visible\":1,\"focused\":1,\"active\":1,\"elapsed\":1"
#define STATE	"{\"type\":\"state\",\"view\":\"" VIEW "\",\"n\":1," FIGURES "}"

static Listener listener;
static Channel *worker;		/* the other end */
static Event	events[32]; /* what the worker was told, in order; texts are not to be looked at */
static int		event_count;
static int		dropped;
static int		wanted;
static bool		takes_at_once; /* sockets take a message at once, else it is queued */
static int		written;	   /* messages that were */
static int		held;		   /* sockets that are not read, less those that are again */
static uint64_t received;	   /* bytes from each browser */
static Moment	now = {1000 * MICROS_PER_SECOND, INT64_C(1795400000000)};
static Response response;

/* --- the library, as far as it is asked ------------------------------------------ */

void
server_want_write(Connection *connection)
{
	(void) connection;
	wanted++;
}

bool
server_write(Connection *connection, const char *message, size_t length)
{
	(void) connection;
	(void) message;
	(void) length;
	written += takes_at_once;
	return takes_at_once;
}

void
server_hold(Connection *connection, bool hold)
{
	(void) connection;
	held += hold ? 1 : -1;
}

uint64_t
server_received(const Connection *connection)
{
	(void) connection;
	return received;
}

void
server_drop(Connection *connection)
{
	if (connection->established)
		socket_closed(&listener, connection, CLOSE_RESET, now.monotonic);
	note_abandon(&listener, connection, now.monotonic);
	callers_release(&listener, connection);
	dropped++;
}

/* --- the worker ---------------------------------------------------------------- */

static bool
take_event(void *context, const uint8_t *body, size_t length)
{
	static Event event;

	(void) context;
	if (!event_decode(body, length, &event))
		return false;
	if (event_count < 32)
		events[event_count++] = event;
	return true;
}

/* Fetches what was said to the worker since the last time; returns how many events. */
static inline int
fetch(void)
{
	event_count = 0;
	(void) channel_flush(listener.channel);
	CHECK_INT(channel_read(worker, 0, take_event, NULL), CHANNEL_OK);
	return event_count;
}

/* A new listener and a new worker; `origins` may be NULL for the same host only. */
static void
start(const char *origins)
{
	ListenerConfig config = {.path_prefix = text_of("/_view"),
							 .allowed_origins = text_of(origins),
							 .trusted_proxies = text_of("10.0.0.0/8"),
							 .query_parameters = text_of("utm_* \"ref<"),
							 .cookie_name = text_of("session"),
							 .cookie_max_age = 3600,
							 .key_count = 1,
							 .keys = {{.id = 1}},
							 .max_connections = 8,
							 .max_connections_per_address = 2,
							 .limits = DEFAULT_PEER_LIMITS,
							 .heartbeat = 15000,
							 .ping_interval = 1000,
							 .demo = true};
	uint64_t	   seed[2] = {1, 2};
	int			   ends[2];

	if (listener.channel != NULL)
	{
		for (uint32_t i = 0; i < listener.connections.limit; i++)
			if (listener.connections.slots[i].used)
				server_drop(&listener.connections.slots[i]);
		channel_free(listener.channel);
		channel_free(worker);
		configuration_clear(&listener.configuration);
		assets_clear(&listener.assets);
		address_table_free(listener.addresses);
		rate_table_free(listener.rates);
		rate_table_free(listener.sessions);
		agents_free(listener.agents);
		hint_table_free(listener.hints);
		robots_free(listener.robots);
		free(listener.connections.slots);
		free(listener.connections.free_slots);
	}
	memset(&listener, 0, sizeof listener);
	response_free(&response);
	dropped = 0;
	held = 0;
	received = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
		abort();
	listener.channel = channel_new(ends[0], RECORD_LIMIT, 1024 * 1024);
	listener.events_limit = 512 * 1024;
	worker = channel_new(ends[1], EVENT_LIMIT, 1024 * 1024);
	CHECK(configuration_set(&listener.configuration, &config));
	CHECK(assets_prepare(&listener.assets, &config));
	CHECK(connection_table_init(&listener.connections, config.max_connections));
	listener.addresses = address_table_new(config.max_connections, seed);
	listener.rates = rate_table_new(config.max_connections, seed);
	listener.sessions = rate_table_new(config.max_connections, seed);
	listener.robots = robots_new();
	listener.agents = agents_new(listener.robots, seed);
	listener.hints = hint_table_new();
}

static inline Connection *
connect_from(const char *peer)
{
	Connection *connection = connection_take(&listener.connections);

	if (connection != NULL)
		CHECK(address_parse(peer, strlen(peer), &connection->peer));
	return connection;
}

/* --- answers ------------------------------------------------------------------- */

/* What the worker says about message `n` of VIEW. */
static inline void
answer(CommandType type, ConnectionId id, int32_t n)
{
	Command		command = {.type = type, .connection = id, .n = n};
	Connection *connection = connection_find(&listener.connections, id);

	CHECK(uuid_parse(VIEW, 36, &command.view));
	if (connection == NULL)
		return;
	if (connection->established)
		socket_answered(&listener, connection, &command, now);
	else
		note_answered(&listener, connection, &command, now.monotonic);
}

/* --- requests ------------------------------------------------------------------ */

static inline Request
get(const char *path)
{
	return (Request){.path = text_of(path), .host = text_of("example.com")};
}

static inline Request
upgrade(void)
{
	Request request = get("/_view/socket");

	request.origin = text_of("https://example.com");
	request.websocket_key = text_of("dGhlIHNhbXBsZSBub25jZQ==");
	request.websocket_version = text_of("13");
	request.websocket_protocols = text_of("other, pageviews.v1");
	return request;
}

/* Asks; the answer lies in `response`. */
static inline HttpAction
ask(Connection *connection, const Request *request)
{
	HttpAction action;

	response_free(&response);
	action = http_request(&listener, connection, request, now, &response);
	return action;
}

/* Whether the answer's head has this text. */
static inline bool
says(const char *text)
{
	return response.data != NULL &&
		   memmem(response_bytes(&response), response.length, text, strlen(text)) != NULL;
}

#endif /* PAGEVIEWS_LISTENER_WORLD_H */
