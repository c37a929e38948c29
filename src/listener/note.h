/*
 * note.h
 *	  POST <prefix>/note: the last word of a page, without a socket.
 *
 * A note comes in, is taken apart, each of its messages goes to the worker under
 * a connection of its own, and when each has been judged the browser gets 204.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_NOTE_H
#define PAGEVIEWS_NOTE_H

#include "listener.h"
#include "request.h"
#include "response.h"

typedef struct Note Note;

/* Takes the head of a note; 0 when its body may come, else the status to refuse it with. */
extern int note_begin(Listener *listener, Connection *connection, const Request *request,
					  Moment now);

/* Takes a piece of the body; false when it is more than was announced. */
extern bool note_body(Connection *connection, const void *data, size_t length);

/*
 * The body is complete: sends what is in it.  True when `response` has the
 * answer already; else note_writable() will have it.  False without an answer
 * pending means that the connection is to be hung up (connection->note is NULL).
 */
extern bool note_complete(Listener *listener, Connection *connection, Moment now,
						  Response *response);

/* An answer of the worker about one message of a note. */
extern void note_answered(Listener *listener, Connection *connection, const Command *command,
						  Micros now);

/* The answer to a note that is through (or has waited too long); false when there is none yet. */
extern bool note_writable(Listener *listener, Connection *connection, Moment now,
						  Response *response);

/* Its connection is gone. */
extern void note_abandon(Listener *listener, Connection *connection, Micros now);

/* Gives up what has taken or waited too long; called from time to time while listener->notes is not empty. */
extern void note_tick(Listener *listener, Micros now);

extern void note_free(Note *note); /* NULL is allowed */

#endif /* PAGEVIEWS_NOTE_H */
