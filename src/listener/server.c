/*
 * server.c
 *	  libwebsockets, behind a narrow gate.
 *
 * Debian's 4.1.6 has live asserts and known faults, all of them on ways that this
 * file keeps shut: no extensions, no HTTP/2 (by ALPN and by upgrade), no mounts,
 * no methods but GET and the POST of a note, one request a connection (what is
 * pipelined behind another it reads from freed memory), no raw connections, no
 * subprotocol but ours, and nothing of the library's that costs time per connection (its own
 * listening, its validity timers, its limit of descriptors).  What a header of an
 * upgrade says is only ever read by copying it.  Frames that a client did not mask
 * the library takes like any others, and tells nobody: they do no harm here.
 *
 * The library believes that it polls, but the loop is ours (loop.c, server_turn.c), and so are
 * the listening sockets and accept4() (callers.c): the limits come before the library sees a byte.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "server_request.h"
#include "server_turn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "callers.h"
#include "events.h"
#include "http.h"
#include "loop.h"
#include "main.h"
#include "memory.h"
#include "note.h"
#include "reply.h"
#include "server_request.h"
#include "session.h"
#include "socket.h"
#include "tls.h"

/* The library's number for a close frame, which its header does not name. */
#define WRITE_CLOSE		  ((enum lws_write_protocol) 4)
#define FRAME_TEXT		  0x81 /* RFC 6455, 5.2: whole, text */
#define SHORT_FRAME_LIMIT 125  /* bytes whose number fits one byte */
#define WRITE_LIMIT		  65536 /* bytes to the kernel at once, which would be those of rx_buffer_size */

_Static_assert(OUTGOING_HEADROOM >= LWS_PRE, "room for the library's frame");
_Static_assert(RESPONSE_HEADROOM >= LWS_PRE, "room for the library's frame");

/* There is one library in a process, so there is one of these. */
static struct
{
	Listener *listener;
	void	 *ssl_context; /* the library's; NULL without TLS */
	Watch	  sockets[LISTENING_SOCKET_LIMIT];
} server;

/* --- HTTP ------------------------------------------------------------------- */

/*
 * Writes a response and frees it.  The connection ends with it, so this always
 * returns -1, which a callback says to be closed behind what it wrote.
 */
static int
write_response(struct lws *wsi, Response *response)
{
	(void) lws_write(wsi, response_bytes(response), response->length, LWS_WRITE_HTTP_HEADERS);
	response_free(response);
	return -1;
}

static int
on_request(struct lws *wsi, Connection *connection)
{
	Request	 request;
	Response response = {0};

	callers_asked(server.listener, connection);
	if (!server_read_request(wsi, &request))
	{
		server.listener->counters[COUNT_REFUSED_REQUEST]++;
		return -1;
	}
	server_read_visitor(wsi, server.listener->configuration.is.country_header, &request);
	switch (http_request(server.listener, connection, &request, clock_now(), &response))
	{
		case HTTP_RESPOND:
			return write_response(wsi, &response);
		case HTTP_TAKE_BODY:
			return 0;
		case HTTP_HANG_UP:
			break;
	}
	return -1;
}

static int
on_body_complete(struct lws *wsi, Connection *connection)
{
	Response response = {0};

	if (note_complete(server.listener, connection, clock_now(), &response))
		return write_response(wsi, &response);
	return connection->note != NULL ? 0 : -1;
}

static int
on_http_writable(struct lws *wsi, Connection *connection)
{
	Response response = {0};

	if (note_writable(server.listener, connection, clock_now(), &response))
		return write_response(wsi, &response);
	return 0;
}

/*
 * Decides about an upgrade.  The token is copied, never read through the pointer
 * that the library hands in: that may be stale.  Anything but "websocket" is cut
 * off without a word.
 */
static int
on_upgrade(struct lws *wsi, Connection *connection)
{
	char	 token[16];
	Request	 request;
	Response response = {0};
	Moment	 now = clock_now();
	int		 status = 400;

	callers_asked(server.listener, connection);
	if (lws_hdr_copy(wsi, token, sizeof token, WSI_TOKEN_UPGRADE) <= 0 ||
		strcasecmp(token, "websocket") != 0)
	{
		server.listener->counters[COUNT_REFUSED_REQUEST]++;
		return -1;
	}
	if (connection->note == NULL && server_read_request(wsi, &request))
		status = http_check_upgrade(server.listener, connection, &request, now);
	if (status == 0)
	{
		connection->approved = true;
		return 0;
	}
	return http_refuse(&response, status, now.wall) ? write_response(wsi, &response) : -1;
}

/* Appends to the head of the 101; false, and nothing is, when there is no room. */
static bool
append(struct lws_process_html_args *args, const void *data, size_t length)
{
	if (args->max_len < 0 || length > (size_t) args->max_len)
		return false;
	memcpy(args->p, data, length);
	args->p += length;
	args->max_len -= (int) length;
	return true;
}

/*
 * The first message that waits leaves with the 101, in one packet and one call:
 * behind the end of the head, which is then ours to write, as a frame whose last two
 * bytes are the end of the head that the library writes.  To JSON they are blanks.
 */
static void
append_message(Connection *connection, struct lws_process_html_args *args)
{
	Outgoing *message = connection->first;
	uint8_t	  begin[4] = {'\r', '\n', FRAME_TEXT};

	if (message == NULL || message->length + 2 > SHORT_FRAME_LIMIT ||
		args->max_len < (int) (sizeof begin + message->length + 2))
		return;
	begin[3] = (uint8_t) (message->length + 2);
	(void) append(args, begin, sizeof begin);
	(void) append(args, message->data + OUTGOING_HEADROOM, message->length);
	free(connection_next(connection));
}

/* The session's cookie goes on the 101, and the hello behind it. */
static int
on_add_headers(struct lws *wsi, Connection *connection, struct lws_process_html_args *args)
{
	const ListenerConfig *config = &server.listener->configuration.is;
	char				  line[SESSION_LINE_LIMIT];
	size_t				  length = 0;
	Moment				  now = clock_now();
	Request				  request = {0};
	Visitor				  visitor;

	if (!connection->approved)
		return 0;
	if (connection->withdraws)
		length = session_line_withdrawn(config, connection->secure, line, sizeof line);
	else if (connection->keeps)
		length = session_line(config, connection->secure, &connection->cookie_site,
							  &connection->session, now.wall, line, sizeof line);
	(void) append(args, line, length);
	server_read_visitor(wsi, config->country_header, &request);
	visitor = http_visitor(server.listener, connection, &request);
	socket_opened(server.listener, connection, &visitor, now);
	append_message(connection, args);
	return 0;
}

/* --- sockets ---------------------------------------------------------------- */

static int
on_established(Connection *connection)
{
	connection->upgraded = true;
	turn_opened(connection);
	return connection->established ? 0 : -1;
}

static int
on_receive(struct lws *wsi, Connection *connection, char *data, size_t length)
{
	Chunk chunk = {.data = data,
				   .length = length,
				   .binary = lws_frame_is_binary(wsi),
				   .first = lws_is_first_fragment(wsi),
				   .last = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0};

	connection->payload += length;
	socket_received(server.listener, connection, &chunk, clock_monotonic());
	return 0;
}

/* Holds back what is written until it is told otherwise, so that it leaves in one packet. */
static void
cork(struct lws *wsi, int on)
{
	(void) setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

/*
 * Begins the closing handshake.  The library would do it when a callback ends
 * with -1, but Debian's build then closes a second time, as a test of itself, and
 * the frame is never sent.  The browser's own close frame, or the deadline that
 * socket.c set, ends the connection.
 */
static int
send_close(struct lws *wsi, Connection *connection)
{
	uint8_t frame[LWS_PRE + 2];

	connection->close_sent = true;
	frame[LWS_PRE] = (uint8_t) (connection->close_code >> 8);
	frame[LWS_PRE + 1] = (uint8_t) connection->close_code;
	return lws_write(wsi, frame + LWS_PRE, 2, WRITE_CLOSE) < 0 ? -1 : 0;
}

static int
on_socket_writable(struct lws *wsi, Connection *connection)
{
	Outgoing *outgoing;

	if (connection->ping_wanted && !connection->close_sent)
	{
		/* A pong repeats it; one without a payload the library keeps to itself. */
		uint8_t ping[LWS_PRE + 1];

		connection->ping_wanted = false;
		ping[LWS_PRE] = '.';
		if (lws_write(wsi, ping + LWS_PRE, 1, LWS_WRITE_PING) < 0)
			return -1;
	}
	while (connection->first != NULL && !lws_send_pipe_choked(wsi) &&
		   (outgoing = connection_next(connection)) != NULL)
	{
		int written =
			lws_write(wsi, outgoing->data + OUTGOING_HEADROOM, outgoing->length, LWS_WRITE_TEXT);

		free(outgoing);
		if (written < 0)
			return -1;
	}
	if (connection->first != NULL)
		connection->write_wanted = true;
	else if (connection->close_code != 0 && !connection->close_sent)
		return send_close(wsi, connection);
	return 0;
}

/* The library has let go: the slot is free for the next. */
static void
on_destroyed(Connection *connection)
{
	Listener *listener = server.listener;
	Micros	  now = clock_monotonic();

	connection->wire = NULL;
	if (connection->established)
		socket_closed(listener, connection, CLOSE_RESET, now);
	note_abandon(listener, connection, now);
	callers_release(listener, connection);
}

/* Hands an accepted socket to the library. */
static void
on_caller(Connection *connection, int descriptor)
{
	lws_adopt_desc_t adoption = {.vh = turn_vhost(descriptor),
								 .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
								 .fd.sockfd = descriptor,
								 .opaque = connection};
	struct lws		*wsi = lws_adopt_descriptor_vhost_via_info(&adoption);

	/*
	 * Without a handle, whoever was called back for it meanwhile (a TLS handshake
	 * that failed at once) is destroyed later, and says so; the slot is its until then.
	 */
	if (wsi != NULL)
		connection->wire = wsi;
	else if (connection->used && connection->wire == NULL)
		on_destroyed(connection);
	turn_begin(connection);
}

/* A listening socket has callers, or is lost: then the next process inherits it anew. */
static void
on_callers(Watch *watch, unsigned what)
{
	if (what & LOOP_WRITE)
		_exit(EXIT_NO_SERVER);
	callers_take(server.listener, watch->descriptor, on_caller);
}

/* --- the library's callback --------------------------------------------------- */

/* Puts certificate and key into the library's context; logs what is wrong with them. */
static bool
configure_tls(void)
{
	char problem[128];
	bool usable = tls_configure(server.ssl_context, &server.listener->configuration.is, problem,
								sizeof problem);

	if (problem[0] != '\0')
		event_log(server.listener, LOG_LEVEL_WARNING, problem, strlen(problem), clock_monotonic());
	return usable;
}

/* What concerns the process and no connection. */
static int
on_library(enum lws_callback_reasons reason, void *user)
{
	switch (reason)
	{
		case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
			server.ssl_context = user;
			return configure_tls() ? 0 : 1;
		case LWS_CALLBACK_RAW_ADOPT:
		case LWS_CALLBACK_RAW_RX:
			return -1;
		default:
			return 0;
	}
}

static int
on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length)
{
	Connection *connection = reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS
								 ? NULL
								 : lws_get_opaque_user_data(wsi);

	if (connection == NULL)
		return on_library(reason, user);
	if (reason != LWS_CALLBACK_WSI_DESTROY)
	{
		connection->wire = wsi;
		turn_touch(connection);
	}

	switch (reason)
	{
		case LWS_CALLBACK_HTTP:
			return on_request(wsi, connection);
		case LWS_CALLBACK_HTTP_BODY:
			return note_body(connection, in, length) ? 0 : -1;
		case LWS_CALLBACK_HTTP_BODY_COMPLETION:
			return on_body_complete(wsi, connection);
		case LWS_CALLBACK_HTTP_WRITEABLE:
			return on_http_writable(wsi, connection);
		case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
			return on_upgrade(wsi, connection);
		case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
			return connection->approved ? 0 : -1;
		case LWS_CALLBACK_ADD_HEADERS:
			return on_add_headers(wsi, connection, in);
		case LWS_CALLBACK_ESTABLISHED:
			return on_established(connection);
		case LWS_CALLBACK_RECEIVE:
			return on_receive(wsi, connection, in, length);
		case LWS_CALLBACK_RECEIVE_PONG:
			socket_pong(server.listener, connection, clock_monotonic());
			return 0;
		case LWS_CALLBACK_SERVER_WRITEABLE:
			return on_socket_writable(wsi, connection);
		case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
			event_closed(server.listener, connection, CLOSE_NORMAL, clock_monotonic());
			/* Our close frame leaves with the end of the stream, in one packet. */
			cork(wsi, 1);
			/* An answer to our own close frame gets none. */
			return connection->close_sent ? -1 : 0;
		case LWS_CALLBACK_CLOSED:
			/* Comes for upgrades that failed, too. */
			if (connection->established)
				socket_closed(server.listener, connection,
							  connection->announced
								  ? callers_cause_of_end(connection, lws_get_socket_fd(wsi))
								  : CLOSE_NORMAL,
							  clock_monotonic());
			return 0;
		case LWS_CALLBACK_CLOSED_HTTP:
			callers_count_unread(server.listener, connection, lws_get_socket_fd(wsi));
			note_abandon(server.listener, connection, clock_monotonic());
			return 0;
		case LWS_CALLBACK_WSI_DESTROY:
			lws_set_opaque_user_data(wsi, NULL);
			on_destroyed(connection);
			return 0;
		case LWS_CALLBACK_RAW_ADOPT:
		case LWS_CALLBACK_RAW_RX:
			return -1;
		default:
			return 0;
	}
}

/* One protocol: what names none, or none of ours, falls to the first in the table. */
static const struct lws_protocols protocols[] = {{.name = "pageviews.v1",
												  .callback = on_event,
												  .rx_buffer_size = 512,
												  .tx_packet_size = WRITE_LIMIT},
												 {0}};

/* --- life ------------------------------------------------------------------- */

static void __attribute__((noinline, format(printf, 1, 0)))
log_problem(const char *format, va_list arguments)
{
	char line[LOG_TEXT_LIMIT];

	(void) vsnprintf(line, sizeof line, format, arguments);
	if (server.listener != NULL)
		event_log_library(server.listener, line, strlen(line), clock_monotonic());
}

/*
 * Takes the place of the library's own: Debian's build has something to say about each
 * thing that it does, some 500 times a view, and would look only behind a formatting call
 * whether anybody listens.  What it says may repeat what a peer sent.
 */
void
_lws_log(int level, const char *format, ...)
{
	va_list arguments;

	if (__builtin_expect((level & LLL_ERR) == 0, 1))
		return;
	va_start(arguments, format);
	log_problem(format, arguments);
	va_end(arguments);
}

/* The same, from a later library. */
static void
on_log(int level, const char *line)
{
	(void) level;
	event_log_library(server.listener, line, strlen(line), clock_monotonic());
}

const char *
server_start(Listener *listener, const int *descriptors, int descriptor_count)
{
	/* All zero: the library neither pings nor keeps a timer a connection. */
	static const lws_retry_bo_t no_validity_timer;
	bool						tls = listener->configuration.is.tls_certificate.length > 0;
	/* Its own timers are the second line, behind callers_tick(). */
	unsigned patience = 1 + (unsigned) listener->configuration.is.limits.handshake_timeout / 1000;
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.vhost_name = "pageviews",
		.server_string = "pageviews",
		.alpn = "http/1.1",
		.gid = (gid_t) -1,
		.uid = (uid_t) -1,
		.options =
			LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8 |
			LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
			(tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX
				 : 0),
		.max_http_header_data = HEADER_DATA_LIMIT,
		.timeout_secs = patience,
		.timeout_secs_ah_idle = patience,
		.retry_and_idle_policy = &no_validity_timer};

	server.listener = listener;
	lws_set_log_level(LLL_ERR, on_log);
	lws_set_allocator(memory_for_server);
	if (!turn_prepare(listener, &info))
		return tls ? "the listener cannot serve TLS with what pageviews.ssl_cert_file and "
					 "pageviews.ssl_key_file hold"
				   : "the listener cannot set up libwebsockets";

	for (int i = 0; i < descriptor_count; i++)
	{
		server.sockets[i].handler = on_callers;
		if (!loop_watch(&server.sockets[i], descriptors[i], LOOP_READ))
			return "the listener cannot watch its listening sockets";
	}
	return NULL;
}

void
server_reload(void)
{
	if (server.ssl_context != NULL)
		(void) configure_tls();
}

bool
server_write(Connection *connection, const char *message, size_t length)
{
	static uint8_t frame[LWS_PRE + REPLY_LIMIT];
	struct lws	  *wsi = connection->wire;

	if (wsi == NULL || !connection->upgraded || length > REPLY_LIMIT || lws_partial_buffered(wsi))
		return false;
	memcpy(frame + LWS_PRE, message, length);
	return lws_write(wsi, frame + LWS_PRE, length, LWS_WRITE_TEXT) >= 0;
}

uint64_t
server_received(const Connection *connection)
{
	if (connection->wire == NULL)
		return 0;
	return connection->local ? connection->payload
							 : callers_received(lws_get_socket_fd(connection->wire));
}

void
server_drop(Connection *connection)
{
	/* The second time it no longer waits for the peer's side of TLS. */
	for (int i = 0; i < 2 && connection->wire != NULL; i++)
		lws_set_timeout(connection->wire, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
}
