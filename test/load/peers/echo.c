/*
 * echo.c
 *	  The least that a websocket server on libwebsockets can do: what a view is
 *	  held against.
 *
 *	echo CONNECTIONS PORT
 *
 * Sends back each message; no Postgres, no cookie, no JSON, no limits.  The
 * library's own loop and listening, with the settings that make it fastest and
 * lightest here: no extensions, no validity timers, small buffers, and a
 * descriptor table of CONNECTIONS (the library searches all of it now and then).
 */
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MESSAGE 512

/* Descriptors of its own. */
#define OTHERS 64

typedef struct Peer
{
	size_t		  length;
	unsigned char data[LWS_PRE + MESSAGE];
} Peer;

static int
on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length)
{
	Peer *peer = user;

	switch (reason)
	{
		case LWS_CALLBACK_RECEIVE:
			if (length > MESSAGE)
				return -1;
			memcpy(peer->data + LWS_PRE, in, length);
			peer->length = length;
			lws_callback_on_writable(wsi);
			return 0;
		case LWS_CALLBACK_SERVER_WRITEABLE:
			return lws_write(wsi, peer->data + LWS_PRE, peer->length, LWS_WRITE_TEXT) < 0 ? -1 : 0;
		default:
			return lws_callback_http_dummy(wsi, reason, user, in, length);
	}
}

int
main(int argc, char **argv)
{
	static const struct lws_protocols protocols[] = {{.name = "pageviews.v1",
													  .callback = on_event,
													  .per_session_data_size = sizeof(Peer),
													  .rx_buffer_size = MESSAGE},
													 {0}};
	static const lws_retry_bo_t		  no_validity_timer;
	const rlim_t					  connections = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	const struct rlimit				  files = {connections + OTHERS, connections + OTHERS};
	struct lws_context_creation_info  info = {.protocols = protocols,
											  .gid = (gid_t) -1,
											  .uid = (uid_t) -1,
											  .retry_and_idle_policy = &no_validity_timer};
	struct lws_context				 *context;

	if (connections == 0 || (info.port = atoi(argv[2])) <= 0 ||
		setrlimit(RLIMIT_NOFILE, &files) != 0)
	{
		fprintf(stderr, "usage: echo CONNECTIONS PORT\n");
		return 2;
	}
	lws_set_log_level(LLL_ERR, NULL);
	context = lws_create_context(&info);
	while (context != NULL && lws_service(context, 0) >= 0)
		;
	return 1;
}
