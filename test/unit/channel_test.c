/*
 * channel_test.c
 *	  Records and the socket that carries them, with a peer that may lie.
 */
#include "unit.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/common/channel.h"
#include "../../src/common/record.h"

/* --- records -------------------------------------------------------------- */

static Event
example_message(void)
{
	Event		 event;
	ViewMessage *view = &event.u.message.view;

	memset(&event, 0, sizeof event);
	event.type = EVENT_MESSAGE;
	event.at = 123456789;
	event.connection = CONNECTION_ID(7, 3);
	event.u.message.covered = 17;
	view->kind = MESSAGE_VIEW;
	memset(view->view.bytes, 0xab, 16);
	view->view.bytes[6] = 0x7b;
	view->view.bytes[8] = 0x9b;
	view->n = 4;
	view->state = PAGE_FOCUSED;
	view->figures = (Figures){1000, 900, 800, 1100, 50};
	view->scroll = 40;
	view->described = true;
	view->page.site = text_of("example.com");
	view->page.path = text_of("/page_a");
	view->page.query = text_of("utm_source=x");
	view->page.title = text_of("Page A");
	view->page.navigation = NAVIGATION_SPA;
	view->page.screen_width = 1440;
	view->page.property_count = 3;
	view->page.properties[0] = (Property){text_of("plan"), PROPERTY_STRING, 0, text_of("pro")};
	view->page.properties[1] = (Property){text_of("price"), PROPERTY_NUMBER, 9.5, {NULL, 0}};
	view->page.properties[2] = (Property){text_of("trial"), PROPERTY_TRUE, 0, {NULL, 0}};
	return event;
}

TEST(a_message_survives_the_channel)
{
	Event	sent = example_message();
	Event	got;
	uint8_t body[EVENT_LIMIT];
	size_t	length = event_encode(&sent, body, sizeof body);

	REQUIRE(length > 0);
	REQUIRE(event_decode(body, length, &got));
	CHECK_INT(got.type, EVENT_MESSAGE);
	CHECK_INT(got.at, sent.at);
	CHECK_INT(got.connection, sent.connection);
	CHECK_INT(got.u.message.covered, 17);
	CHECK_INT(got.u.message.view.n, 4);
	CHECK_INT(got.u.message.view.figures.active, 800);
	CHECK_INT(got.u.message.view.scroll, 40);
	CHECK(text_equal(got.u.message.view.page.title, text_of("Page A")));
	CHECK_INT(got.u.message.view.page.property_count, 3);
	CHECK(text_equal(got.u.message.view.page.properties[0].string, text_of("pro")));
	CHECK(got.u.message.view.page.properties[1].number == 9.5);
}

/* The same page, as what happened on it. */
static Event
example_event(void)
{
	Event		 event = example_message();
	ViewMessage *message = &event.u.message.view;
	Uuid		 view = message->view;

	memset(message, 0, offsetof(ViewMessage, page));
	message->kind = MESSAGE_EVENT;
	message->view = view;
	message->view.bytes[15] = 1;
	message->n = EVENT_NUMBER;
	message->during = view;
	message->described = true;
	message->page.name = text_of("signup");
	return event;
}

TEST(an_event_survives_the_channel_and_costs_views_nothing)
{
	Event	sent = example_event();
	Event	view = example_message();
	Event	got;
	uint8_t body[EVENT_LIMIT];
	size_t	length = event_encode(&sent, body, sizeof body);

	REQUIRE(length > 0);
	REQUIRE(event_decode(body, length, &got));
	CHECK_INT(got.u.message.view.kind, MESSAGE_EVENT);
	CHECK_INT(got.u.message.view.n, EVENT_NUMBER);
	CHECK(uuid_equal(&got.u.message.view.during, &sent.u.message.view.during));
	CHECK(uuid_equal(&got.u.message.view.view, &sent.u.message.view.view));
	CHECK(text_equal(got.u.message.view.page.name, text_of("signup")));
	CHECK_INT(got.u.message.view.page.property_count, 3);
	for (size_t cut = 0; cut < length; cut++)
		CHECK(!event_decode(body, cut, &got));

	/* A view's record is what it was before there were events. */
	CHECK_INT(event_encode(&view, body, sizeof body), 160);
}

TEST(a_record_cut_anywhere_is_refused)
{
	Event	sent = example_message();
	Event	got;
	uint8_t body[EVENT_LIMIT];
	size_t	length = event_encode(&sent, body, sizeof body);

	for (size_t cut = 0; cut < length; cut++)
	{
		uint8_t *exact = malloc(cut ? cut : 1); /* so that a sanitizer sees one byte too many */

		memcpy(exact, body, cut);
		CHECK(!event_decode(exact, cut, &got));
		free(exact);
	}
	CHECK(!event_decode(body, length + 1, &got)); /* and so is one with something behind it */
}

TEST(what_does_not_fit_is_not_sent)
{
	Event	sent = example_message();
	uint8_t body[EVENT_LIMIT];
	size_t	length = event_encode(&sent, body, sizeof body);

	for (size_t capacity = 0; capacity < length; capacity++)
		CHECK_INT(event_encode(&sent, body, capacity), 0);
}

/* Encodes a message after a change and says whether it is still accepted. */
static bool
accepted(const Event *event)
{
	uint8_t body[EVENT_LIMIT];
	Event	got;
	size_t	length = event_encode(event, body, sizeof body);

	return length > 0 && event_decode(body, length, &got);
}

TEST(a_lying_listener_is_found_out)
{
	Event		 event = example_message();
	ViewMessage *view = &event.u.message.view;

#define LIE(change)                \
	do                             \
	{                              \
		event = example_message(); \
		change;                    \
		CHECK(!accepted(&event));  \
	} while (0)

	CHECK(accepted(&event));
	event = example_event();
	CHECK(accepted(&event));
	for (int lie = 0; lie < 3; lie++)
	{
		event = example_event();
		if (lie == 0)
			view->view.bytes[6] = 0x4b;
		else if (lie == 1)
			view->during.bytes[6] = 0x4b;
		else
			view->page.name.length = 0;
		CHECK(!accepted(&event));
	}
	LIE(view->kind = 0);
	LIE(view->kind = 9);
	LIE(view->n = 0);
	LIE(view->n = -5);
	LIE(view->state = 3);
	LIE(view->figures.visible = -1);
	LIE(view->figures.gap = INT32_MIN);
	LIE(view->scroll = 101);
	LIE(view->scroll = -2);
	LIE(view->reason = END_LOST);
	LIE(view->described = false);
	LIE(view->view.bytes[6] = 0x4b); /* not a version 7 id */
	LIE(view->page.site.length = 0);
	LIE(view->page.path = text_of("page"));
	LIE(view->page.path = text_of("/a\nb"));
	LIE(view->page.title = text_of("\xff\xfe"));
	LIE(view->page.navigation = NAVIGATION_COUNT);
	LIE(view->page.properties[1].number = NAN);
	LIE(view->page.properties[1].number = INFINITY);
	LIE(view->page.properties[0].key.length = 0);
	LIE(view->page.properties[0].type = PROPERTY_TYPE_COUNT);
	LIE(event.u.message.covered = -1);
	LIE(event.type = 99);
#undef LIE
}

TEST(random_bytes_never_hurt_the_decoder)
{
	uint8_t	 body[EVENT_LIMIT];
	Event	 event;
	Command	 command;
	Event	 sent = example_message();
	size_t	 length;
	unsigned accepted_count = 0;

	srandom(42);
	for (int round = 0; round < 200000; round++)
	{
		length = event_encode(&sent, body, sizeof body);
		for (int flips = 1 + random() % 4; flips > 0; flips--)
			body[random() % length] = (uint8_t) random();
		if (event_decode(body, length, &event))
			accepted_count++;
		command_decode(body, random() % length, &command);
	}
	/* Both happen, so the loop above tries both sides of the fence. */
	CHECK(accepted_count > 1000);
	CHECK(accepted_count < 199000);
}

TEST(a_configuration_survives_the_channel)
{
	static uint8_t body[RECORD_LIMIT];
	static char	   pem[CERTIFICATE_LIMIT];
	Command		   sent;
	Command		   got;
	size_t		   length;

	memset(&sent, 0, sizeof sent);
	memset(pem, 'x', sizeof pem);
	sent.type = COMMAND_CONFIGURE;
	sent.u.configure.path_prefix = text_of("/_view");
	sent.u.configure.cookie_name = text_of("_pageviews_session");
	sent.u.configure.allowed_origins = text_of("https://example.com https://*.example.org");
	sent.u.configure.cookie_max_age = 60;
	sent.u.configure.key_count = 2;
	sent.u.configure.keys[1].id = 9;
	memset(sent.u.configure.keys[1].secret, 5, COOKIE_KEY_LENGTH);
	sent.u.configure.max_connections = 10;
	sent.u.configure.limits = (PeerLimits) DEFAULT_PEER_LIMITS;
	sent.u.configure.limits.connection_age = 77;
	sent.u.configure.heartbeat = 1000;
	sent.u.configure.ping_interval = 1000;
	sent.u.configure.sandbox = true;
	sent.u.configure.tls_certificate = (Text){pem, sizeof pem};
	sent.u.configure.tls_key = (Text){pem, sizeof pem};
	length = command_encode(&sent, body, sizeof body);
	REQUIRE(length > 0);
	REQUIRE(command_decode(body, length, &got));
	CHECK_INT(got.u.configure.keys[1].id, 9);
	CHECK_INT(got.u.configure.limits.connection_rate, DEFAULT_CONNECTION_RATE);
	CHECK_INT(got.u.configure.limits.connection_age, 77);
	CHECK_INT(got.u.configure.keys[1].secret[31], 5);
	CHECK_INT(got.u.configure.tls_key.length, CERTIFICATE_LIMIT);
	CHECK(got.u.configure.sandbox);

	sent.u.configure.key_count = 0;
	length = command_encode(&sent, body, sizeof body);
	CHECK(!command_decode(body, length, &got));
}

/* --- the socket ------------------------------------------------------------ */

static Channel *near_end;
static Channel *far_end;
static int		far_socket;
static char		seen[64]; /* first bytes of the records received */
static size_t	seen_count;
static size_t	seen_bytes;

static void
open_pair(size_t record_limit, size_t queue_limit)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
		abort();
	near_end = channel_new(pair[0], record_limit, queue_limit);
	far_end = channel_new(pair[1], record_limit, queue_limit);
	far_socket = pair[1];
	seen_count = seen_bytes = 0;
}

static void
close_pair(void)
{
	channel_free(near_end);
	channel_free(far_end);
}

static bool
see(void *context, const uint8_t *body, size_t length)
{
	(void) context;
	if (seen_count < sizeof seen)
		seen[seen_count] = (char) body[0];
	seen_count++;
	seen_bytes += length;
	return true;
}

static bool
refuse(void *context, const uint8_t *body, size_t length)
{
	(void) context;
	(void) body;
	(void) length;
	return false;
}

TEST(a_heartbeat_overtakes_a_long_queue)
{
	static uint8_t big[100000];

	open_pair(sizeof big, 100 * sizeof big);
	memset(big, 'e', sizeof big);
	for (int i = 0; i < 20; i++)
		CHECK(channel_send(near_end, LANE_EVENTS, big, sizeof big));
	CHECK_INT(channel_flush(near_end), CHANNEL_OK);
	CHECK(channel_pending(near_end)); /* the socket is full, inside a record */
	CHECK(channel_send(near_end, LANE_CONTROL, (const uint8_t *) "h", 1));
	while (channel_pending(near_end))
	{
		CHECK_INT(channel_flush(near_end), CHANNEL_OK);
		REQUIRE(channel_read(far_end, 0, see, NULL) == CHANNEL_OK);
	}
	channel_read(far_end, 0, see, NULL);
	CHECK_INT(seen_count, 21);
	CHECK_INT(seen_bytes, 20 * sizeof big + 1);
	CHECK(memchr(seen, 'h', 10) != NULL); /* well before the twentieth */
	close_pair();
}

TEST(records_survive_being_torn_apart)
{
	uint8_t wire[] = {3, 0, 0, 0, 'a', 'b', 'c', 1, 0, 0, 0, 'd'};

	open_pair(100, 100);
	for (size_t i = 0; i < sizeof wire; i++)
	{
		REQUIRE(write(far_socket, wire + i, 1) == 1);
		CHECK_INT(channel_read(near_end, 0, see, NULL), CHANNEL_OK);
	}
	CHECK_INT(seen_count, 2);
	CHECK_BYTES(seen, 2, "ad", 2);
	close_pair();
}

TEST(a_record_too_long_or_empty_breaks_the_channel)
{
	uint32_t lengths[] = {0, 101, UINT32_MAX};

	for (int i = 0; i < 3; i++)
	{
		open_pair(100, 100);
		REQUIRE(write(far_socket, &lengths[i], 4) == 4);
		CHECK_INT(channel_read(near_end, 0, see, NULL), CHANNEL_CLOSED);
		close_pair();
	}
	open_pair(100, 100);
	REQUIRE(write(far_socket, "\1\0\0\0x", 5) == 5);
	CHECK_INT(channel_read(near_end, 0, refuse, NULL), CHANNEL_CLOSED);
	close_pair();
}

TEST(a_full_lane_takes_no_more_and_loses_nothing)
{
	uint8_t body[50];
	int		sent = 0;

	open_pair(100, 1000);
	memset(body, 'x', sizeof body);
	while (channel_send(near_end, LANE_EVENTS, body, sizeof body))
		sent++;
	CHECK_INT(sent, 1000 / 54);
	CHECK(channel_send(near_end, LANE_CONTROL, body, 1)); /* the other lane has room of its own */
	CHECK_INT(channel_flush(near_end), CHANNEL_OK);
	CHECK(!channel_pending(near_end));
	CHECK_INT(channel_read(far_end, 0, see, NULL), CHANNEL_OK);
	CHECK_INT(seen_count, sent + 1);
	CHECK(channel_send(near_end, LANE_EVENTS, body, sizeof body));
	close_pair();
}

TEST(a_peer_that_is_gone_is_noticed)
{
	open_pair(100, 1000);
	channel_free(far_end);
	far_end = NULL;
	CHECK_INT(channel_read(near_end, 0, see, NULL), CHANNEL_CLOSED);
	CHECK(channel_send(near_end, LANE_EVENTS, (const uint8_t *) "x", 1));
	CHECK_INT(channel_flush(near_end), CHANNEL_CLOSED);
	close_pair();
}

TEST(random_traffic_arrives_whole_and_in_order)
{
	uint32_t next_sent = 0;
	uint8_t	 body[5000];
	size_t	 sent_bytes = 0;

	open_pair(sizeof body, 64 * 1024);
	srandom(7);
	for (int round = 0; round < 20000; round++)
	{
		size_t length = 1 + random() % sizeof body;

		body[0] = (uint8_t) next_sent;
		if (channel_send(near_end, LANE_EVENTS, body, length))
		{
			next_sent++;
			sent_bytes += length;
		}
		if (random() % 3 == 0)
			CHECK_INT(channel_flush(near_end), CHANNEL_OK);
		if (random() % 5 == 0)
			CHECK_INT(channel_read(far_end, random() % 10000, see, NULL), CHANNEL_OK);
	}
	while (channel_pending(near_end))
	{
		channel_flush(near_end);
		channel_read(far_end, 0, see, NULL);
	}
	channel_read(far_end, 0, see, NULL);
	CHECK_INT(seen_count, next_sent);
	CHECK_INT(seen_bytes, sent_bytes);
	CHECK(next_sent > 5000);
	close_pair();
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_message_survives_the_channel);
	RUN(an_event_survives_the_channel_and_costs_views_nothing);
	RUN(a_record_cut_anywhere_is_refused);
	RUN(what_does_not_fit_is_not_sent);
	RUN(a_lying_listener_is_found_out);
	RUN(random_bytes_never_hurt_the_decoder);
	RUN(a_configuration_survives_the_channel);
	RUN(a_heartbeat_overtakes_a_long_queue);
	RUN(records_survive_being_torn_apart);
	RUN(a_record_too_long_or_empty_breaks_the_channel);
	RUN(a_full_lane_takes_no_more_and_loses_nothing);
	RUN(a_peer_that_is_gone_is_noticed);
	RUN(random_traffic_arrives_whole_and_in_order);
	return unit_finish();
}
