/*
 * socket.c
 *	  Messages in, answers out, pings.
 *
 * Pings need no timer a connection: every interval is the same, so connections
 * wait in one list in the order of their next look, which is every half of an
 * interval.  Every second look pings.
 *
 * A socket that is given up is closed for the worker at once; for the closing
 * handshake it then has until its next look.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "socket.h"

#include <stdlib.h>

#include "events.h"
#include "message.h"
#include "pressure.h"
#include "reply.h"
#include "server.h"

/* Of what a second allows, so many seconds' worth may come at once. */
#define BURST_SECONDS 2

/* A browser that does not read its answers is given up beyond this, in bytes. */
#define ANSWERS_LIMIT (64 * 1024)

/* RFC 6455, 7.4.1 */
#define CLOSE_GOING_AWAY  1001
#define CLOSE_UNSUPPORTED 1003
#define CLOSE_POLICY	  1008
#define CLOSE_TOO_BIG	  1009
#define CLOSE_TRY_LATER	  1013

static const PeerLimits *
limits(const Listener *listener)
{
	return &listener->configuration.is.limits;
}

static Micros
ping_interval(const Listener *listener)
{
	return listener->configuration.is.ping_interval * MICROS_PER_MILLI;
}

/* The list looks at it again in half an interval. */
static void
look_again(Listener *listener, Connection *connection, Micros now)
{
	connection_list_remove(&listener->sockets, connection);
	connection->due = now + ping_interval(listener) / 2;
	connection_list_append(&listener->sockets, connection);
}

/*
 * Closes it for the worker at once, and for the browser as soon as the code is out,
 * or at the next look; nothing more is read.
 */
static void
begin_closing(Listener *listener, Connection *connection, uint16_t close_code, Micros now)
{
	if (connection->close_code != 0)
		return;
	connection->close_code = close_code;
	free(connection->input);
	connection->input = NULL;
	event_closed(listener, connection, CLOSE_RESET, now);
	look_again(listener, connection, now);
	server_want_write(connection);
}

/* Writes a message, or queues it and asks for the socket; one that cannot be queued ends the connection. */
static void
say(Listener *listener, Connection *connection, const char *message, size_t length, Micros now)
{
	if (length == 0 || connection->close_code != 0)
		return;
	if (connection->first == NULL && server_write(connection, message, length))
		return;
	if (connection->queued + length > ANSWERS_LIMIT ||
		!connection_queue(connection, message, length))
		begin_closing(listener, connection, CLOSE_POLICY, now);
	server_want_write(connection);
}

/* Says what is wrong and closes with the code that fits. */
static void
give_up(Listener *listener, Connection *connection, uint16_t close_code, const char *code,
		const char *message, Micros now)
{
	char reply[REPLY_LIMIT];

	say(listener, connection, reply,
		reply_error(reply, sizeof reply, text_of(code), text_of(message)), now);
	begin_closing(listener, connection, close_code, now);
}

static void
give_up_message(Listener *listener, Connection *connection, uint16_t close_code,
				const char *message, Micros now)
{
	listener->counters[COUNT_REFUSED_MESSAGE]++;
	give_up(listener, connection, close_code, "bad_message", message, now);
}

static void
give_up_busy(Listener *listener, Connection *connection, Micros now)
{
	listener->counters[COUNT_REFUSED_BUSY]++;
	give_up(listener, connection, CLOSE_TRY_LATER, "busy",
			"the server cannot take more now; come again", now);
}

void
socket_opened(Listener *listener, Connection *connection, const Visitor *visitor, Moment now)
{
	char reply[REPLY_LIMIT];

	connection->established = true;
	pulse_start(&connection->pulse, now.monotonic);
	connection->opened_at = now.monotonic;
	if (limits(listener)->message_rate > 0)
		allowance_init(&connection->allowance, limits(listener)->message_rate,
					   BURST_SECONDS * limits(listener)->message_rate, now.monotonic);
	listener->counters[COUNT_UPGRADES]++;

	if (!event_opened(listener, connection, false, visitor, now.monotonic))
	{
		give_up_busy(listener, connection, now.monotonic);
		return;
	}
	connection->half_beat = true;
	connection->received_at = now.monotonic;
	look_again(listener, connection, now.monotonic);
	say(listener, connection, reply,
		reply_hello(reply, sizeof reply, now.wall, listener->configuration.is.heartbeat),
		now.monotonic);
}

/*
 * Refuses one view; the socket stays open.  A refused `view` still means that the
 * page has left the one before it.
 */
static void
refuse_view(Listener *listener, Connection *connection, const ViewMessage *message,
			const char *code, const char *text, Micros now)
{
	char reply[REPLY_LIMIT];

	listener->counters[COUNT_REFUSED_MESSAGE]++;
	say(listener, connection, reply,
		reply_refused(reply, sizeof reply, &message->view, message->n, text_of(code), text_of(text),
					  0),
		now);
	if (message->kind == MESSAGE_VIEW && !event_left(listener, connection, &message->view, now))
		give_up_busy(listener, connection, now);
}

static void
give_up_flood(Listener *listener, Connection *connection, Micros now)
{
	listener->counters[COUNT_REFUSED_FLOOD]++;
	give_up(listener, connection, CLOSE_POLICY, "too_fast", "too many messages a second", now);
}

/* Pays for a message, or for what costs as much; false when that was one too many: then it is given up. */
static bool
pay(Listener *listener, Connection *connection, Micros now)
{
	uint32_t rate = limits(listener)->message_rate;

	if (rate == 0 || allowance_take(&connection->allowance, rate, BURST_SECONDS * rate, now))
		return true;
	give_up_flood(listener, connection, now);
	return false;
}

/*
 * Whether more bytes came since the last look than may.  It is the kernel that
 * counts: pings and frames of a few bytes the library keeps to itself.
 */
static bool
is_flood(const Listener *listener, Connection *connection, Micros now)
{
	uint64_t rate = limits(listener)->byte_rate;
	uint64_t received = server_received(connection);
	uint64_t more = received - connection->received;
	uint64_t allowed = (uint64_t) (now - connection->received_at) * rate / MICROS_PER_SECOND +
					   BURST_SECONDS * rate;

	connection->received = received;
	connection->received_at = now;
	return rate > 0 && more > allowed;
}

/* Whether its time is over, which is then counted: too long silent, or too long open. */
static bool
is_over(Listener *listener, const Connection *connection, Micros now)
{
	Micros idle = limits(listener)->idle_timeout * MICROS_PER_MILLI;
	Micros age = limits(listener)->connection_age * MICROS_PER_SECOND;

	if (idle > 0 && now - connection->pulse.last_message >= idle)
		listener->counters[COUNT_IDLE_TIMEOUTS]++;
	else if (age > 0 && now - connection->opened_at >= age)
		listener->counters[COUNT_EXPIRED]++;
	else
		return false;
	return true;
}

/*
 * What pongs proved since the last message about a view: it is for the next one, and an
 * event leaves it where it is.
 */
static int32_t
covered_until(Connection *connection, const ViewMessage *message, Micros now)
{
	if (message->kind != MESSAGE_EVENT)
		return pulse_message(&connection->pulse, now);
	pulse_event(&connection->pulse, now);
	return 0;
}

/* A whole message is there. */
static void
take_message(Listener *listener, Connection *connection, char *data, size_t length, Micros now)
{
	static Arena	   arena;
	static ViewMessage message;
	MessageRules	   rules = {{connection->site, connection->site_length},
								listener->configuration.is.query_parameters};

	if (!pay(listener, connection, now))
		return;
	switch (message_parse(data, length, &rules, &arena, &message))
	{
		case MESSAGE_GOOD:
			if (!event_message(listener, connection, covered_until(connection, &message, now),
							   &message, now))
				give_up_busy(listener, connection, now);
			pressure_check(listener, now);
			break;
		case MESSAGE_BAD:
			give_up_message(listener, connection, CLOSE_POLICY,
							"this is no message of pageviews.v1", now);
			break;
		case MESSAGE_WRONG_SITE:
			refuse_view(listener, connection, &message, "wrong_site",
						"the host of url is not that of the Origin", now);
			break;
		case MESSAGE_BAD_PROPS:
			refuse_view(
				listener, connection, &message, "bad_props",
				"props must be a flat object of at most 16 strings, numbers, booleans and nulls",
				now);
			break;
		case MESSAGE_BAD_NAME:
			refuse_view(listener, connection, &message, "bad_name", "an event must have a name",
						now);
			break;
	}
}

/* Keeps a piece of a message until the rest is there; false when it is too long or there is no memory. */
static bool
keep_piece(Connection *connection, const Chunk *chunk, size_t limit)
{
	if (connection->input_length + chunk->length > limit)
		return false;
	if (connection->input == NULL)
		connection->input = malloc(MESSAGE_LIMIT);
	if (connection->input == NULL)
		return false;
	memcpy(connection->input + connection->input_length, chunk->data, chunk->length);
	connection->input_length = (uint16_t) (connection->input_length + chunk->length);
	return true;
}

void
socket_received(Listener *listener, Connection *connection, const Chunk *chunk, Micros now)
{
	size_t limit = (size_t) limits(listener)->message_size;

	if (!connection->announced || connection->close_code != 0)
		return;
	if (chunk->binary)
	{
		give_up_message(listener, connection, CLOSE_UNSUPPORTED,
						"only text messages are understood", now);
		return;
	}
	if (chunk->first)
		connection->input_length = 0;
	/* An empty piece brings no message nearer to its end or its limit. */
	if (chunk->length == 0 && !chunk->last && !pay(listener, connection, now))
		return;

	if (chunk->first && chunk->last && chunk->length <= limit)
		take_message(listener, connection, chunk->data, chunk->length, now);
	else if (!keep_piece(connection, chunk, limit))
	{
		listener->counters[COUNT_REFUSED_SIZE]++;
		give_up(listener, connection, CLOSE_TOO_BIG, "bad_message", "the message is too large",
				now);
	}
	else if (chunk->last)
	{
		char *input = connection->input;

		connection->input = NULL;
		take_message(listener, connection, input, connection->input_length, now);
		free(input);
	}
}

void
socket_pong(Listener *listener, Connection *connection, Micros now)
{
	if (connection->announced && pay(listener, connection, now))
		pulse_pong(&connection->pulse, ping_interval(listener), now);
}

void
socket_answered(Listener *listener, Connection *connection, const Command *command, Moment now)
{
	char   reply[REPLY_LIMIT];
	size_t length = 0;
	bool   about_clock = false;

	switch (command->type)
	{
		case COMMAND_ACK:
			length = reply_acknowledged(reply, sizeof reply, &command->view, command->n);
			break;
		case COMMAND_STORED:
			length = reply_stored(reply, sizeof reply, &command->view, command->n);
			break;
		case COMMAND_REFUSED:
			/* Its clock may have been set since the hello, or ours. */
			about_clock = text_equal(command->u.refused.code, text_of("clock"));
			length = reply_refused(reply, sizeof reply, &command->view, command->n,
								   command->u.refused.code, command->u.refused.message,
								   about_clock ? now.wall : 0);
			break;
		default:
			break;
	}
	say(listener, connection, reply, length, now.monotonic);
}

void
socket_closed(Listener *listener, Connection *connection, CloseCause cause, Micros now)
{
	connection_list_remove(&listener->sockets, connection);
	event_closed(listener, connection, cause, now);
}

void
socket_tick(Listener *listener, Micros now)
{
	Micros		interval = ping_interval(listener);
	Connection *connection;

	while ((connection = listener->sockets.first) != NULL && connection->due <= now)
	{
		if (listener->held && connection->announced)
		{
			/* Also one that has come since; what is not read cannot answer pings. */
			server_hold(connection, true);
			look_again(listener, connection, now);
			continue;
		}
		if (!connection->announced || pulse_is_dead(&connection->pulse, interval, now))
		{
			if (connection->announced)
				listener->counters[COUNT_PING_TIMEOUTS]++;
			socket_closed(listener, connection, CLOSE_PING_TIMEOUT, now);
			server_drop(connection);
			continue;
		}
		if (is_over(listener, connection, now))
		{
			begin_closing(listener, connection, CLOSE_GOING_AWAY, now);
			continue;
		}
		if (is_flood(listener, connection, now))
		{
			give_up_flood(listener, connection, now);
			continue;
		}
		if (!connection->half_beat)
		{
			pulse_ping(&connection->pulse, now);
			connection->ping_wanted = true;
			server_want_write(connection);
		}
		connection->half_beat = !connection->half_beat;
		look_again(listener, connection, now);
	}
}

void
socket_reconfigured(Listener *listener, Micros now)
{
	Micros due = now + ping_interval(listener) / 2;

	for (Connection *connection = listener->sockets.first; connection != NULL;
		 connection = connection->next)
		connection->due = due;
}
