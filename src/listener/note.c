/*
 * note.c
 *	  Notes: collecting the body, sending the messages, waiting for the answers.
 *
 *	  INCOMING --complete--> WAITING --all answered, or 5 s--> DONE --written--> gone
 *		 |
 *		 +------5 s------> hung up
 *
 * A note that is INCOMING or WAITING is in listener->notes; one that is WAITING is
 * announced to the worker.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "note.h"

#include <stdio.h>
#include <stdlib.h>

#include "callers.h"
#include "events.h"
#include "http.h"
#include "message.h"
#include "server.h"
#include "session.h"

#define NOTE_PATIENCE (5 * MICROS_PER_SECOND)

typedef enum NotePhase
{
	NOTE_INCOMING,
	NOTE_WAITING,
	NOTE_DONE
} NotePhase;

/* One message that the worker has to judge. */
typedef struct Pending
{
	Uuid	view;
	int32_t n;
	bool	answered;
} Pending;

struct Note
{
	NotePhase	  phase;
	bool		  failed;				   /* the worker could not take all of it in time */
	PackedVisitor visitor;				   /* whose texts lie behind the body */
	char		  origin[SITE_LIMIT + 16]; /* as the header said it, for CORS */
	int			  pending_count;
	int			  unanswered;
	Pending		  pending[NOTE_MESSAGE_LIMIT];
	size_t		  expected; /* bytes of the body */
	size_t		  length;	/* bytes of it that are there */
	char		 *body;		/* owned; NULL once it was taken apart */
};

void
note_free(Note *note)
{
	if (note == NULL)
		return;
	free(note->body);
	free(note);
}

/* Begins a time of waiting: for the body, or for the answers. */
static void
wait_from(Listener *listener, Connection *connection, Micros now)
{
	connection_list_remove(&listener->notes, connection);
	connection->due = now + NOTE_PATIENCE;
	connection_list_append(&listener->notes, connection);
}

/* Drops the note of a connection. */
static void
end_note(Listener *listener, Connection *connection)
{
	connection_list_remove(&listener->notes, connection);
	note_free(connection->note);
	connection->note = NULL;
}

int
note_begin(Listener *listener, Connection *connection, const Request *request, Moment now)
{
	long	length = request_body_length(request);
	Visitor visitor;
	Note   *note;

	if (request->repeated || request->host.length == 0 || length <= 0)
	{
		listener->counters[COUNT_REFUSED_REQUEST]++;
		return length < 0 ? 411 : 400;
	}
	if (length > listener->configuration.is.limits.note_size)
	{
		listener->counters[COUNT_REFUSED_SIZE]++;
		return 413;
	}
	if (!http_origin_is_allowed(listener, request) ||
		session_is_opted_out(&listener->configuration.is, request))
		return 403;
	if (listener->busy)
	{
		listener->counters[COUNT_REFUSED_BUSY]++;
		return 503;
	}
	if (callers_is_proxy(listener, connection) &&
		!callers_count_visitor(listener, connection, request->forwarded_for))
		return 429;
	if (!http_identify(listener, connection, request, now.wall))
		return 503;
	if (!http_admits(listener, connection, request, now.monotonic))
		return 403;

	note = calloc(1, sizeof *note);
	if (note == NULL)
		return 503;
	note->expected = (size_t) length;
	visitor = http_visitor(listener, connection, request);
	note->visitor = visitor_pack(&visitor);
	note->body = malloc(note->expected + visitor_size(note->visitor));
	if (note->body == NULL || request->origin.length >= sizeof note->origin)
	{
		note_free(note);
		return 503;
	}
	memcpy(note->origin, request->origin.data, request->origin.length);
	visitor_copy_texts(&visitor, note->body + note->expected);
	note_abandon(listener, connection, now.monotonic);
	connection->note = note;
	wait_from(listener, connection, now.monotonic);
	return 0;
}

bool
note_body(Connection *connection, const void *data, size_t length)
{
	Note *note = connection->note;

	if (note == NULL || note->phase != NOTE_INCOMING || length > note->expected - note->length)
		return false;
	memcpy(note->body + note->length, data, length);
	note->length += length;
	return true;
}

/* Builds the answer; the note is gone then. */
static bool
answer(Listener *listener, Connection *connection, int status, WallMillis now, Response *response)
{
	char headers[sizeof connection->note->origin + 192];

	snprintf(
		headers, sizeof headers,
		"Access-Control-Allow-Origin: %s\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n"
		"%s",
		connection->note->origin, status == 503 ? "Retry-After: 5\r\n" : "");
	end_note(listener, connection);
	return response_make(response, status, headers, "", 0, now);
}

/* What the elements of a note are handed on with. */
typedef struct NoteContext
{
	Listener   *listener;
	Connection *connection;
	Micros		now;
} NoteContext;

/* Tells the worker whose note it is. */
static bool
announce(const NoteContext *c)
{
	const Note *note = c->connection->note;
	Visitor		visitor = visitor_unpack(note->visitor, note->body + note->expected);

	return event_opened(c->listener, c->connection, true, &visitor, c->now);
}

/* Sends one message on; what is no message, or refused here, needs no answer of the worker's. */
static void
send_element(void *context, MessageVerdict verdict, const ViewMessage *message)
{
	NoteContext *c = context;
	Note		*note = c->connection->note;

	if (verdict != MESSAGE_GOOD)
	{
		c->listener->counters[COUNT_REFUSED_MESSAGE]++;
		return;
	}
	if (note->failed)
		return;
	if (!c->connection->announced && !announce(c))
	{
		note->failed = true;
		return;
	}
	if (!event_message(c->listener, c->connection, 0, message, c->now))
	{
		note->failed = true;
		return;
	}
	note->pending[note->pending_count++] = (Pending){message->view, message->n, false};
	note->unanswered++;
}

bool
note_complete(Listener *listener, Connection *connection, Moment now, Response *response)
{
	static Arena arena;
	Note		*note = connection->note;
	NoteContext	 context = {listener, connection, now.monotonic};
	MessageRules rules = {{connection->site, connection->site_length},
						  listener->configuration.is.query_parameters};

	if (note == NULL || note->phase != NOTE_INCOMING || note->length != note->expected)
	{
		/* Something came while the note waits for its answers: nobody here does that. */
		note_abandon(listener, connection, now.monotonic);
		return false;
	}
	pulse_start(&connection->pulse, now.monotonic);
	if (!message_parse_note(note->body, note->length, &rules, &arena, send_element, &context))
	{
		listener->counters[COUNT_REFUSED_MESSAGE]++;
		return answer(listener, connection, 400, now.wall, response);
	}
	listener->counters[COUNT_NOTES]++;

	if (note->failed || note->unanswered == 0)
	{
		if (note->failed)
			listener->counters[COUNT_REFUSED_BUSY]++;
		event_closed(listener, connection, CLOSE_NORMAL, now.monotonic);
		return answer(listener, connection, note->failed ? 503 : 204, now.wall, response);
	}
	note->phase = NOTE_WAITING;
	free(note->body);
	note->body = NULL;
	wait_from(listener, connection, now.monotonic);
	return false;
}

/* The waiting is over: tells the worker, and asks to write the answer. */
static void
finish_waiting(Listener *listener, Connection *connection, bool failed, Micros now)
{
	connection_list_remove(&listener->notes, connection);
	connection->note->phase = NOTE_DONE;
	connection->note->failed = failed;
	event_closed(listener, connection, CLOSE_NORMAL, now);
	server_want_write(connection);
}

void
note_answered(Listener *listener, Connection *connection, const Command *command, Micros now)
{
	Note *note = connection->note;

	if (note == NULL || note->phase != NOTE_WAITING)
		return;
	for (int i = 0; i < note->pending_count; i++)
	{
		Pending *pending = &note->pending[i];
		bool	 up_to = command->type == COMMAND_STORED;

		if (pending->answered || !uuid_equal(&pending->view, &command->view))
			continue;
		if (up_to ? pending->n > command->n : pending->n != command->n)
			continue;
		pending->answered = true;
		note->unanswered--;
		if (!up_to)
			break;
	}
	if (note->unanswered == 0)
		finish_waiting(listener, connection, false, now);
}

bool
note_writable(Listener *listener, Connection *connection, Moment now, Response *response)
{
	Note *note = connection->note;

	if (note == NULL || note->phase != NOTE_DONE)
		return false;
	if (note->failed)
		listener->counters[COUNT_REFUSED_BUSY]++;
	return answer(listener, connection, note->failed ? 503 : 204, now.wall, response);
}

void
note_abandon(Listener *listener, Connection *connection, Micros now)
{
	if (connection->note == NULL)
		return;
	event_closed(listener, connection, CLOSE_NORMAL, now);
	end_note(listener, connection);
}

void
note_tick(Listener *listener, Micros now)
{
	Connection *connection;

	while ((connection = listener->notes.first) != NULL && connection->due <= now)
	{
		if (connection->note->phase == NOTE_WAITING)
		{
			finish_waiting(listener, connection, true, now);
			continue;
		}
		/* The library's own patience begins anew with each byte. */
		listener->counters[COUNT_REFUSED_REQUEST]++;
		note_abandon(listener, connection, now);
		server_drop(connection);
	}
}
