/*
 * http.h
 *	  The routes: what a request gets for an answer.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_HTTP_H
#define PAGEVIEWS_HTTP_H

#include "listener.h"
#include "request.h"
#include "response.h"

typedef enum HttpAction
{
	HTTP_RESPOND,	/* the response is complete */
	HTTP_TAKE_BODY, /* a note: its body goes to note_body() */
	HTTP_HANG_UP	/* not worth a word, or no memory for one */
} HttpAction;

/* Decides about a request that is no upgrade. */
extern HttpAction http_request(Listener *listener, Connection *connection, const Request *request,
							   Moment now, Response *response);

/*
 * Decides about an upgrade to a websocket.  0: the connection then knows its
 * session and site; else the HTTP status to refuse it with.
 */
extern int http_check_upgrade(Listener *listener, Connection *connection, const Request *request,
							  Moment now);

/* Builds the refusal of a status that is not to be taken as an invitation to try at once. */
extern bool http_refuse(Response *response, int status, WallMillis now);

/*
 * Whether the Origin of a socket's or note's request may report views here;
 * counts it if not.
 */
extern bool http_origin_is_allowed(Listener *listener, const Request *request);

/*
 * Remembers who is at the other end: session, site, TLS.  False when there is
 * no memory or no randomness.
 */
extern bool http_identify(Listener *listener, Connection *connection, const Request *request,
						  WallMillis now);

/*
 * Who is at the other end, by what the headers say: clean texts, good until the next
 * call.  Only a trusted proxy is believed about the country.  A robot is one that
 * http_admits() found.
 */
extern Visitor http_visitor(Listener *listener, const Connection *connection,
							const Request *request);

/*
 * Looks at an identified one whether it is a robot: by its User-Agent, or because
 * its session, if a cookie holds it, comes too often.  False, and counted, when
 * robots are refused.
 */
extern bool http_admits(Listener *listener, Connection *connection, const Request *request,
						Micros now);

#endif /* PAGEVIEWS_HTTP_H */
