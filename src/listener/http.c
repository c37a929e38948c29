/*
 * http.c
 *	  Routing, and the checks before a socket.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "http.h"

#include <stdio.h>
#include <stdlib.h>

#include "callers.h"
#include "demo.h"
#include "note.h"
#include "origin.h"
#include "session.h"

#define SUBPROTOCOL "pageviews.v1"

/*
 * Nobody opens more pages a minute, twice as many at once: each is a socket, and
 * now and then a note.  The table counts by the second, so its time runs slower.
 */
#define SESSION_RATE	  60
#define MICROS_PER_MINUTE (60 * MICROS_PER_SECOND)

/* 16 bytes in base64: RFC 6455, 4.1. */
#define KEY_LENGTH 24

bool
http_refuse(Response *response, int status, WallMillis now)
{
	return response_refuse(response, status,
						   status == 503 || status == 429 ? "Retry-After: 5\r\n" : "", now);
}

/* Whether the path is the prefix and then `name`. */
static bool
is_route(const Listener *listener, Text path, const char *name)
{
	Text prefix = listener->configuration.is.path_prefix;

	return path.length == prefix.length + strlen(name) &&
		   (prefix.length == 0 || memcmp(path.data, prefix.data, prefix.length) == 0) &&
		   memcmp(path.data + prefix.length, name, strlen(name)) == 0;
}

/* Whether the visitor came by TLS: here, or at a proxy that is believed. */
static bool
is_secure(const Listener *listener, const Connection *connection, const Request *request)
{
	const Configuration *configuration = &listener->configuration;

	if (configuration->is.tls_certificate.length > 0)
		return true;
	/* Of several, the last is what the nearest proxy said. */
	return request_ends_with(request->forwarded_proto, "https") &&
		   callers_is_proxy(listener, connection);
}

/*
 * The request as far as it is believed: what a stranger says was forwarded was
 * not; where a proxy says which host was asked for, that is the host.
 */
static Request
believed(const Listener *listener, const Connection *connection, const Request *said)
{
	Request request = *said;
	Text	host = request_last(said->forwarded_host);

	if (!callers_is_proxy(listener, connection))
		request.forwarded_for = request.forwarded_proto = request.forwarded_host = (Text){"", 0};
	else if (host.length > 0)
		request.host = host;
	return request;
}

bool
http_origin_is_allowed(Listener *listener, const Request *request)
{
	Origin origin;

	if (origin_parse(request->origin, &origin) &&
		origin_is_allowed(&origin, listener->configuration.is.allowed_origins, request->host))
		return true;
	listener->counters[COUNT_REFUSED_ORIGIN]++;
	return false;
}

bool
http_identify(Listener *listener, Connection *connection, const Request *request, WallMillis now)
{
	Address visitor = callers_visitor(listener, connection, request->forwarded_for);
	Origin	origin;
	char   *site;

	if (!origin_parse(request->origin, &origin) ||
		!session_of_request(&listener->configuration.is, request, connection->consents, &visitor,
							(Text){origin.host, (uint16_t) origin.length}, now,
							&connection->session, &connection->keeps))
		return false;
	site = malloc(origin.length);
	if (site == NULL)
		return false;
	memcpy(site, origin.host, origin.length);
	free(connection->site);
	connection->site = site;
	connection->site_length = (uint16_t) origin.length;
	connection->cookie_site = cookie_site(request->host);
	connection->secure = is_secure(listener, connection, request);
	return true;
}

bool
http_admits(Listener *listener, Connection *connection, const Request *request, Micros now)
{
	RobotPolicy policy = listener->configuration.is.robots;
	Address		session;

	connection->robot = false;
	if (policy == ROBOTS_KEEP)
		return true;
	memcpy(session.bytes, connection->session.bytes, sizeof session.bytes);
	connection->robot =
		robots_recognise(listener->robots, request->user_agent) ||
		(connection->keeps && !rate_table_take(listener->sessions, session, SESSION_RATE,
											   now * MICROS_PER_SECOND / MICROS_PER_MINUTE));
	if (!connection->robot || policy == ROBOTS_MARK)
		return true;
	listener->counters[COUNT_REFUSED_ROBOT]++;
	return false;
}

/* A country in capital letters; what is none, or stands for none, is left out. */
static void
read_country(Text said, char country[COUNTRY_LENGTH])
{
	char letters[COUNTRY_LENGTH];

	if (said.length != COUNTRY_LENGTH)
		return;
	for (int i = 0; i < COUNTRY_LENGTH; i++)
		letters[i] = (char) (said.data[i] >= 'a' && said.data[i] <= 'z' ? said.data[i] - 'a' + 'A'
																		: said.data[i]);
	if (country_is_valid(letters) && memcmp(letters, "XX", 2) != 0 && memcmp(letters, "ZZ", 2) != 0)
		memcpy(country, letters, sizeof letters);
}

Visitor
http_visitor(Listener *listener, const Connection *connection, const Request *request)
{
	static char cleaned[USER_AGENT_LIMIT];
	Hints		hints = hints_read(request->brands, request->mobile, request->platform);
	Visitor		visitor = {.robot = connection->robot};

	if (hints_are_none(&hints) && connection->keeps)
		hints = hint_table_find(listener->hints, &connection->session);
	agents_recognise(listener->agents, request->user_agent, &hints, &visitor);
	visitor.user_agent.data = cleaned;
	visitor.user_agent.length = (uint16_t) text_clean(
		request->user_agent.data, request->user_agent.length, cleaned, sizeof cleaned);
	if (request->country.length > 0 && callers_is_proxy(listener, connection))
		read_country(request_last(request->country), visitor.country);
	return visitor;
}

/* --- files ------------------------------------------------------------------ */

/* Answers with a prepared file, or 304; `headers` are further lines. */
static bool
respond_with_asset(const Asset *asset, const Request *request, const char *type,
				   const char *headers, WallMillis now, Response *response)
{
	bool gzip = request_accepts_gzip(request);
	bool unchanged =
		request_has_tag(request, asset->tag) || request_has_tag(request, asset->gzip_tag);
	char all[1536];

	snprintf(all, sizeof all,
			 "Content-Type: %s\r\nCache-Control: private, no-cache\r\nVary: Accept-Encoding\r\n"
			 "Cross-Origin-Resource-Policy: cross-origin\r\nETag: %s\r\n%s%s",
			 type, gzip ? asset->gzip_tag : asset->tag,
			 gzip && !unchanged ? "Content-Encoding: gzip\r\n" : "", headers);
	return response_make(response, unchanged ? 304 : 200, all, gzip ? asset->gzip : asset->data,
						 gzip ? asset->gzip_length : asset->length, now);
}

/* The tracker, and with it the visitor's cookie. */
static bool
respond_with_client(Listener *listener, Connection *connection, const Request *request,
					WallMillis now, Response *response)
{
	const ListenerConfig *config = &listener->configuration.is;
	char				  cookie[SESSION_LINE_LIMIT] = "";
	Address				  nowhere = {{0}};
	Uuid				  session;
	bool				  keep;

	if (!session_is_unwelcome(config, request) &&
		session_of_request(config, request, false, &nowhere, text_of(""), now, &session, &keep) &&
		keep)
	{
		CookieSite site = cookie_site(request->host);
		Hints	   hints = hints_read(request->brands, request->mobile, request->platform);

		hint_table_put(listener->hints, &session, &hints);
		session_line(config, is_secure(listener, connection, request), &site, &session, now, cookie,
					 sizeof cookie);
	}
	listener->counters[COUNT_SCRIPTS]++;
	return respond_with_asset(&listener->assets.client, request, "text/javascript; charset=utf-8",
							  cookie, now, response);
}

/* A path of the demo site; 404 when it has none. */
static bool
respond_with_demo(const Listener *listener, const Request *request, Moment now, Response *response)
{
	/* The monotonic clock's last digits are chance enough for a demo. */
	const char *target = demo_redirect(request->path, (unsigned) (now.monotonic >> 3));
	bool		found;
	size_t		length;
	char	   *page;
	char		headers[256];
	bool		made;

	if (target != NULL)
	{
		snprintf(headers, sizeof headers, "Location: %s\r\nCache-Control: no-store\r\n", target);
		return response_make(response, 302, headers, "", 0, now.wall);
	}
	if (text_equal(request->path, text_of("/demo.js")))
		return respond_with_asset(&listener->assets.demo_script, request,
								  "text/javascript; charset=utf-8", "", now.wall, response);
	if (text_equal(request->path, text_of("/demo.css")))
		return respond_with_asset(&listener->assets.demo_style, request, "text/css; charset=utf-8",
								  "", now.wall, response);

	page = demo_render(&listener->assets, listener->configuration.is.path_prefix, request->path,
					   &found, &length);
	if (!found)
		return http_refuse(response, 404, now.wall);
	made = page != NULL &&
		   response_make(response, 200,
						 "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-cache\r\n",
						 page, length, now.wall);
	free(page);
	return made;
}

/* --- requests --------------------------------------------------------------- */

static bool
respond_to_get(Listener *listener, Connection *connection, const Request *request, Moment now,
			   Response *response)
{
	if (is_route(listener, request->path, "/client.js"))
		return respond_with_client(listener, connection, request, now.wall, response);
	if (is_route(listener, request->path, "/healthz"))
	{
		if (listener->busy)
			return http_refuse(response, 503, now.wall);
		return response_make(response, 200,
							 "Content-Type: text/plain\r\nCache-Control: no-store\r\n", "ok\n", 3,
							 now.wall);
	}
	if (listener->configuration.is.demo)
		return respond_with_demo(listener, request, now, response);
	listener->counters[COUNT_REFUSED_REQUEST]++;
	return http_refuse(response, 404, now.wall);
}

HttpAction
http_request(Listener *listener, Connection *connection, const Request *said, Moment now,
			 Response *response)
{
	Request		   heard = believed(listener, connection, said);
	const Request *request = &heard;
	int			   status;

	/* A GET with a body is nobody's friend. */
	if (!request->post &&
		(request->content_length.length > 0 || request->transfer_encoding.length > 0))
	{
		listener->counters[COUNT_REFUSED_REQUEST]++;
		return HTTP_HANG_UP;
	}
	if (!callers_pace_visitor(listener, connection, request->forwarded_for, now.monotonic))
		return http_refuse(response, 429, now.wall) ? HTTP_RESPOND : HTTP_HANG_UP;
	if (!request->post)
		return respond_to_get(listener, connection, request, now, response) ? HTTP_RESPOND
																			: HTTP_HANG_UP;

	if (!is_route(listener, request->path, "/note"))
	{
		listener->counters[COUNT_REFUSED_REQUEST]++;
		return HTTP_HANG_UP;
	}
	status = note_begin(listener, connection, request, now);
	if (status == 0)
		return HTTP_TAKE_BODY;
	return http_refuse(response, status, now.wall) ? HTTP_RESPOND : HTTP_HANG_UP;
}

/* Whether the head of an upgrade is as it must be; a body would be read as frames. */
static bool
is_upgrade(const Listener *listener, const Request *request)
{
	return !request->post && !request->repeated && request->host.length > 0 &&
		   request->content_length.length == 0 && request->transfer_encoding.length == 0 &&
		   (is_route(listener, request->path, "/socket") ||
			is_route(listener, request->path, "/consent/true") ||
			is_route(listener, request->path, "/consent/false")) &&
		   request->websocket_key.length == KEY_LENGTH &&
		   text_equal(request->websocket_version, text_of("13")) &&
		   request_lists(request->websocket_protocols, SUBPROTOCOL);
}

int
http_check_upgrade(Listener *listener, Connection *connection, const Request *said, Moment now)
{
	Request		   heard = believed(listener, connection, said);
	const Request *request = &heard;

	if (!is_upgrade(listener, request))
	{
		listener->counters[COUNT_REFUSED_REQUEST]++;
		return 400;
	}
	if (!http_origin_is_allowed(listener, request))
		return 403;
	if (session_is_opted_out(&listener->configuration.is, request))
		return 403;
	if (listener->busy || listener->held)
	{
		listener->counters[COUNT_REFUSED_BUSY]++;
		return 503;
	}
	if (!callers_pace_visitor(listener, connection, request->forwarded_for, now.monotonic) ||
		!callers_count_visitor(listener, connection, request->forwarded_for))
		return 429;
	connection->consents = is_route(listener, request->path, "/consent/true");
	connection->withdraws = is_route(listener, request->path, "/consent/false");
	if (connection->withdraws)
		heard.cookie = text_of("");
	if (!http_identify(listener, connection, request, now.wall))
		return 503;
	return http_admits(listener, connection, request, now.monotonic) ? 0 : 403;
}
