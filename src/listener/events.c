/*
 * events.c
 *	  Encoding and queueing of the listener's events.
 *
 * The queue has room for the CLOSED of every connection beyond what OPENED and
 * MESSAGE may fill, so a close is never lost for want of room.  If memory itself
 * is short the process ends: its end tells the worker the same about all.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "events.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "main.h"

#define LOG_LINES_A_MINUTE 10

/* Queues an event; false when there is no room for it. */
static bool
send_event(Listener *listener, ChannelLane lane, const Event *event)
{
	static uint8_t buffer[EVENT_LIMIT];
	size_t		   length = event_encode(event, buffer, sizeof buffer);

	return length > 0 && channel_send(listener->channel, lane, buffer, length);
}

/* Whether the queue is as full as OPENED and MESSAGE may make it. */
static bool
is_full(const Listener *listener)
{
	return channel_queued(listener->channel) >= listener->events_limit;
}

bool
event_ready(Listener *listener, Micros now)
{
	Event event = {.type = EVENT_READY, .at = now};

	event.u.ready.version = CHANNEL_VERSION;
	event.u.ready.pid = (int32_t) getpid();
	return send_event(listener, LANE_EVENTS, &event);
}

void
event_alive(Listener *listener, uint64_t sequence, Micros now)
{
	Event event = {.type = EVENT_ALIVE, .at = now};

	event.u.alive.sequence = sequence;
	event.u.alive.connections = listener->connections.used;
	event.u.alive.sandboxed = listener->sandboxed;
	memcpy(event.u.alive.counters, listener->counters, sizeof event.u.alive.counters);
	(void) send_event(listener, LANE_CONTROL, &event);
}

/* Says one line as it is; what does not fit the queue is not worth more. */
static void
send_line(Listener *listener, LogLevel level, const char *line, Micros now)
{
	Event event = {.type = EVENT_LOG, .at = now};

	event.u.log.level = level;
	event.u.log.text = text_of(line);
	if (!is_full(listener))
		(void) send_event(listener, LANE_EVENTS, &event);
}

/* What one source of lines has said. */
typedef struct LogWindow
{
	Micros	 begun; /* when the minute began; 0: never */
	unsigned said;
	unsigned left_out;
} LogWindow;

/* Says one line of a source, if it may; what it could not say in a minute it counts in the next. */
static void
say_within(Listener *listener, LogWindow *window, LogLevel level, const char *text, size_t length,
		   Micros now)
{
	char line[LOG_TEXT_LIMIT];

	if (window->begun == 0 || now - window->begun >= 60 * MICROS_PER_SECOND)
	{
		if (window->left_out > 0)
		{
			snprintf(line, sizeof line, "%u more log lines of the last minute were left out",
					 window->left_out);
			send_line(listener, LOG_LEVEL_WARNING, line, now);
		}
		*window = (LogWindow){.begun = now};
	}
	if (window->said++ >= LOG_LINES_A_MINUTE)
	{
		window->left_out++;
		return;
	}
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		length--;
	text_escape(text, length, line, sizeof line);
	send_line(listener, level, line, now);
}

void
event_log(Listener *listener, LogLevel level, const char *text, size_t length, Micros now)
{
	static LogWindow window;

	say_within(listener, &window, level, text, length, now);
}

void
event_log_library(Listener *listener, const char *text, size_t length, Micros now)
{
	static LogWindow window;

	say_within(listener, &window, LOG_LEVEL_LOG, text, length, now);
}

bool
event_opened(Listener *listener, Connection *connection, bool note, const Visitor *visitor,
			 Micros now)
{
	Event event = {.type = EVENT_OPENED, .at = now};

	if (is_full(listener))
		return false;
	connection_announce(connection);
	event.connection = connection_id(connection);
	event.u.opened.session = connection->session;
	event.u.opened.note = note;
	event.u.opened.visitor = *visitor;
	if (!send_event(listener, LANE_EVENTS, &event))
		connection->announced = false;
	return connection->announced;
}

bool
event_message(Listener *listener, const Connection *connection, int32_t covered,
			  const ViewMessage *message, Micros now)
{
	Event event = {.type = EVENT_MESSAGE, .at = now, .connection = connection_id(connection)};

	if (is_full(listener))
		return false;
	event.u.message.covered = covered;
	event.u.message.view = *message;
	if (!send_event(listener, LANE_EVENTS, &event))
		return false;
	listener->counters[COUNT_MESSAGES]++;
	return true;
}

bool
event_left(Listener *listener, const Connection *connection, const Uuid *refused, Micros now)
{
	Event event = {.type = EVENT_LEFT, .at = now, .connection = connection_id(connection)};

	if (is_full(listener))
		return false;
	event.u.left.view = *refused;
	return send_event(listener, LANE_EVENTS, &event);
}

void
event_closed(Listener *listener, Connection *connection, CloseCause cause, Micros now)
{
	Event event = {.type = EVENT_CLOSED, .at = now, .connection = connection_id(connection)};

	if (!connection->announced)
		return;
	connection->announced = false;
	event.u.closed.cause = cause;
	event.u.closed.last_pong = connection->pulse.last_life;
	if (!send_event(listener, LANE_EVENTS, &event))
		_exit(EXIT_NO_MEMORY);
}
