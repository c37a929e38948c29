/*
 * listener_sockets.c
 *	  Sockets: what reaches the worker, what the browser, and what ends them.
 */
#include "listener_world.h"

/* An established socket. */
static Connection *
open_socket(void)
{
	Connection *connection = connect_from("192.0.2.1");
	Request		request = upgrade();
	Visitor		visitor;

	request.user_agent = text_of("Agent\n1");
	CHECK_INT(http_check_upgrade(&listener, connection, &request, now), 0);
	visitor = http_visitor(&listener, connection, &request);
	socket_opened(&listener, connection, &visitor, now);
	return connection;
}

/* The next message to the browser, NUL-terminated, "" when there is none; good until the next call. */
static const char *
said(Connection *connection)
{
	static char text[4096];
	Outgoing   *outgoing = connection_next(connection);

	text[0] = '\0';
	if (outgoing != NULL)
		snprintf(text, sizeof text, "%.*s", (int) outgoing->length,
				 (char *) outgoing->data + OUTGOING_HEADROOM);
	free(outgoing);
	return text;
}

static void
receive(Connection *connection, const char *data, size_t length, bool first, bool last)
{
	Chunk chunk = {.data = malloc(length + 1), .length = length, .first = first, .last = last};

	memcpy(chunk.data, data, length);
	socket_received(&listener, connection, &chunk, now.monotonic);
	free(chunk.data);
}

TEST(a_message_reaches_the_worker_and_its_answer_the_browser)
{
	Connection *connection;

	start(NULL);
	connection = open_socket();
	CHECK(strstr(said(connection), "\"hello\"") != NULL);
	REQUIRE(fetch() == 1);
	CHECK_INT(events[0].type, EVENT_OPENED);
	CHECK(!events[0].u.opened.note);
	receive(connection, STATE, strlen(STATE), true, true);
	REQUIRE(fetch() == 1);
	CHECK_INT(events[0].type, EVENT_MESSAGE);
	CHECK_INT(events[0].connection, connection_id(connection));
	answer(COMMAND_ACK, connection_id(connection), 1);
	CHECK_STRING(said(connection), "{\"type\":\"ack\",\"view\":\"" VIEW "\",\"n\":1}");
	socket_closed(&listener, connection, CLOSE_NORMAL, now.monotonic);
	socket_closed(&listener, connection, CLOSE_RESET, now.monotonic);
	REQUIRE(fetch() == 1);
	CHECK_INT(events[0].type, EVENT_CLOSED);
	CHECK_INT(events[0].u.closed.cause, CLOSE_NORMAL);
}

TEST(answers_keep_their_order_when_a_socket_takes_some_at_once)
{
	Connection *connection;

	start(NULL);
	connection = open_socket();
	said(connection);
	takes_at_once = true;
	written = 0;
	answer(COMMAND_ACK, connection_id(connection), 1);
	CHECK_INT(written, 1);
	CHECK(connection->first == NULL);

	/* The second waits, so the third does, whatever the socket could take by then. */
	takes_at_once = false;
	answer(COMMAND_ACK, connection_id(connection), 2);
	takes_at_once = true;
	answer(COMMAND_STORED, connection_id(connection), 2);
	CHECK_INT(written, 1);
	CHECK(strstr(said(connection), "\"ack\"") != NULL);
	CHECK(strstr(said(connection), "\"stored\"") != NULL);
	takes_at_once = false;
}

TEST(a_late_answer_never_reaches_the_slots_next_owner)
{
	Connection	*connection;
	ConnectionId old;

	start(NULL);
	connection = open_socket();
	old = connection_id(connection);
	server_drop(connection);
	connection = open_socket();
	said(connection);
	CHECK_INT(CONNECTION_SLOT(connection_id(connection)), CONNECTION_SLOT(old));
	CHECK(connection_id(connection) != old);
	answer(COMMAND_STORED, old, 1);
	CHECK_STRING(said(connection), "");
	CHECK(connection_find(&listener.connections, CONNECTION_ID(4000000000U, 1)) == NULL);
}

TEST(a_message_in_pieces_is_put_together_and_bounded)
{
	Connection *connection;
	static char blanks[4097];

	start(NULL);
	connection = open_socket();
	said(connection);
	fetch();
	for (size_t i = 0; i < strlen(STATE); i++)
		receive(connection, &STATE[i], 1, i == 0, i + 1 == strlen(STATE));
	CHECK_INT(fetch(), 1);
	CHECK(connection->input == NULL);

	memset(blanks, ' ', sizeof blanks);
	receive(connection, blanks, 4096, true, false);
	CHECK_INT(connection->close_code, 0);
	receive(connection, blanks, 1, false, false);
	CHECK_INT(connection->close_code, 1009);
	CHECK(strstr(said(connection), "\"error\"") != NULL);
	REQUIRE(fetch() == 1);
	CHECK_INT(events[0].u.closed.cause, CLOSE_RESET);
	receive(connection, STATE, strlen(STATE), true, true);
	CHECK_INT(fetch(), 0);
}

TEST(who_says_nonsense_is_told_and_closed)
{
	Connection *connection;
	Chunk chunk = {.data = (char[]){"x"}, .length = 1, .binary = true, .first = true, .last = true};

	start(NULL);
	connection = open_socket();
	said(connection);
	receive(connection, "{}", 2, true, true);
	CHECK_INT(connection->close_code, 1008);
	CHECK(strstr(said(connection), "\"bad_message\"") != NULL);
	connection = open_socket();
	said(connection);
	socket_received(&listener, connection, &chunk, now.monotonic);
	CHECK_INT(connection->close_code, 1003);
}

TEST(who_talks_too_fast_is_closed)
{
	Connection *connection;

	start(NULL);
	connection = open_socket();
	said(connection);
	for (int i = 0; i < 101; i++)
	{
		CHECK_INT(connection->close_code, 0);
		receive(connection, STATE, strlen(STATE), true, true);
	}
	CHECK_INT(connection->close_code, 1008);
	CHECK(strstr(said(connection), "\"too_fast\"") != NULL);
}

TEST(empty_pieces_and_pongs_without_a_ping_have_a_limit)
{
	Connection *connection;

	start(NULL);
	connection = open_socket();
	receive(connection, "", 0, true, false);
	for (int i = 0; i < 99; i++)
		receive(connection, "", 0, false, false);
	CHECK_INT(connection->close_code, 0);
	receive(connection, "", 0, false, false);
	CHECK_INT(connection->close_code, 1008);
	CHECK_INT(listener.counters[COUNT_REFUSED_FLOOD], 1);

	connection = open_socket();
	for (int i = 0; i < 100; i++)
		socket_pong(&listener, connection, now.monotonic);
	CHECK_INT(connection->close_code, 0);
	socket_pong(&listener, connection, now.monotonic);
	CHECK_INT(connection->close_code, 1008);
	socket_pong(&listener, connection, now.monotonic);
	CHECK_INT(listener.counters[COUNT_REFUSED_FLOOD], 2);
}

TEST(a_flood_of_what_the_library_keeps_to_itself_is_noticed)
{
	Connection *connection;

	/* Half a second, and the two seconds' worth that may come at once. */
	start(NULL);
	connection = open_socket();
	received += DEFAULT_BYTE_RATE * 5 / 2;
	now.monotonic += MICROS_PER_SECOND / 2;
	socket_tick(&listener, now.monotonic);
	CHECK_INT(connection->close_code, 0);
	received += DEFAULT_BYTE_RATE * 5 / 2 + 1;
	now.monotonic += MICROS_PER_SECOND / 2;
	socket_tick(&listener, now.monotonic);
	CHECK_INT(connection->close_code, 1008);
	CHECK_INT(dropped, 0);
	now.monotonic += MICROS_PER_SECOND / 2;
	socket_tick(&listener, now.monotonic);
	CHECK_INT(dropped, 1);
}

/* The next look of the pings' timer. */
static void
look(Micros later)
{
	now.monotonic += later;
	socket_tick(&listener, now.monotonic);
}

TEST(a_socket_that_says_nothing_is_closed_as_idle)
{
	Connection *connection;

	start(NULL);
	listener.configuration.is.limits.idle_timeout = 2000;
	connection = open_socket();
	fetch();
	look(MICROS_PER_SECOND);
	socket_pong(&listener, connection, now.monotonic);
	receive(connection, STATE, strlen(STATE), true, true);
	look(MICROS_PER_SECOND);
	socket_pong(&listener, connection, now.monotonic);
	CHECK_INT(connection->close_code, 0);
	look(MICROS_PER_SECOND);
	CHECK_INT(connection->close_code, 1001);
	CHECK_INT(listener.counters[COUNT_IDLE_TIMEOUTS], 1);
	CHECK(!connection->announced);
	CHECK_INT(fetch(), 2);
	CHECK_INT(events[1].type, EVENT_CLOSED);
}

TEST(a_socket_that_is_open_for_too_long_is_closed)
{
	Connection *connection;

	start(NULL);
	listener.configuration.is.limits.connection_age = 3;
	connection = open_socket();
	for (int i = 0; i < 5; i++)
	{
		look(MICROS_PER_SECOND / 2);
		socket_pong(&listener, connection, now.monotonic);
		receive(connection, STATE, strlen(STATE), true, true);
	}
	CHECK_INT(connection->close_code, 0);
	look(MICROS_PER_SECOND / 2);
	CHECK_INT(connection->close_code, 1001);
	CHECK_INT(listener.counters[COUNT_EXPIRED], 1);
	CHECK_INT(listener.counters[COUNT_IDLE_TIMEOUTS], 0);
}

TEST(what_has_no_limit_is_not_limited)
{
	Connection *connection;

	start(NULL);
	listener.configuration.is.limits =
		(PeerLimits){.message_size = 4096, .note_size = 4096, .handshake_timeout = 1};
	connection = open_socket();
	for (int i = 0; i < 1000; i++)
		receive(connection, "", 0, i == 0, false);
	received += 1 << 30;
	for (int i = 0; i < 100; i++)
	{
		look(MICROS_PER_SECOND / 2);
		socket_pong(&listener, connection, now.monotonic);
	}
	CHECK_INT(connection->close_code, 0);
}

TEST(a_message_has_the_size_that_is_set)
{
	Connection *connection;
	char		long_message[1100];

	start(NULL);
	listener.configuration.is.limits.message_size = 1024;
	memset(long_message, ' ', sizeof long_message);
	memcpy(long_message, STATE, strlen(STATE));
	connection = open_socket();
	receive(connection, long_message, 1024, true, true);
	CHECK_INT(connection->close_code, 0);
	receive(connection, long_message, 1000, true, false);
	receive(connection, long_message + 1000, 25, false, true);
	CHECK_INT(connection->close_code, 1009);
	CHECK_INT(listener.counters[COUNT_REFUSED_SIZE], 1);
	connection = open_socket();
	receive(connection, long_message, 1025, true, true);
	CHECK_INT(connection->close_code, 1009);
	CHECK_INT(listener.counters[COUNT_REFUSED_SIZE], 2);
}

TEST(when_the_channel_is_full_the_browser_is_asked_to_come_again)
{
	Connection *connection;

	start(NULL);
	connection = open_socket();
	said(connection);
	listener.events_limit = 1;
	receive(connection, STATE, strlen(STATE), true, true);
	CHECK_INT(connection->close_code, 1013);
	CHECK(strstr(said(connection), "\"busy\"") != NULL);
	CHECK_INT(listener.counters[COUNT_REFUSED_BUSY], 1);
	REQUIRE(fetch() == 2);
	CHECK_INT(events[1].type, EVENT_CLOSED);

	/* One that cannot even be announced was never open. */
	server_drop(connection);
	listener.held = false;
	(void) open_socket();
	connection = open_socket();
	CHECK_INT(connection->close_code, 1013);
	REQUIRE(fetch() == 1);
	CHECK_INT(events[0].type, EVENT_OPENED);
	server_drop(connection);
	CHECK_INT(fetch(), 0);
}

TEST(while_the_worker_lags_sockets_are_held_back_and_nobody_is_sent_away)
{
	Connection *first;
	Connection *second;
	Request		request = upgrade();
	Micros		begun;

	/* A limit of a few messages; `queued` is what one takes. */
	start(NULL);
	first = open_socket();
	second = open_socket();
	fetch();
	receive(first, STATE, strlen(STATE), true, true);
	listener.events_limit = 8 * channel_queued(listener.channel);
	for (int i = 0; i < 3; i++)
	{
		CHECK_INT(held, 0);
		receive(first, STATE, strlen(STATE), true, true);
	}
	CHECK_INT(held, 2);
	CHECK(listener.held);
	CHECK_INT(http_check_upgrade(&listener, connect_from("192.0.2.9"), &request, now), 503);

	/* What cannot be read can answer no ping: a minute is no death. */
	begun = now.monotonic;
	held = 0;
	for (; now.monotonic < begun + 60 * MICROS_PER_SECOND; now.monotonic += MICROS_PER_SECOND / 2)
		socket_tick(&listener, now.monotonic);
	CHECK_INT(dropped, 0);
	CHECK(!second->ping_wanted);

	held = 2;
	CHECK_INT(fetch(), 4);
	pressure_check(&listener, now.monotonic);
	CHECK_INT(held, 0);
	CHECK(!listener.held);
	listener.events_limit = 512 * 1024;
	/* The messages of that minute come at once. */
	for (int i = 0; i < 96 + 60 * 50; i++)
		receive(first, STATE, strlen(STATE), true, true);
	CHECK_INT(first->close_code, 0);
	for (int i = 0; i < 10; i++)
		receive(first, STATE, strlen(STATE), true, true);
	CHECK_INT(first->close_code, 1008);
	CHECK_INT(second->close_code, 0);
}

TEST(a_browser_that_does_not_read_its_answers_is_given_up)
{
	Connection *connection;

	start(NULL);
	connection = open_socket();
	for (int i = 0; i < 2000; i++)
		answer(COMMAND_ACK, connection_id(connection), 1);
	CHECK(connection->queued <= 64 * 1024);
	CHECK_INT(connection->close_code, 1008);
	REQUIRE(fetch() == 2);
	CHECK_INT(events[1].type, EVENT_CLOSED);
	CHECK_INT(events[1].u.closed.cause, CLOSE_RESET);
	receive(connection, STATE, strlen(STATE), true, true);
	CHECK_INT(fetch(), 0);
	/* It would never read the close frame either. */
	socket_tick(&listener, now.monotonic + MICROS_PER_SECOND / 2);
	CHECK_INT(dropped, 1);
	CHECK_INT(listener.connections.used, 0);
}

TEST(silence_is_pinged_and_ends_after_two_and_a_half_intervals)
{
	Connection *connection;
	Micros		begun;

	start(NULL);
	begun = now.monotonic;
	connection = open_socket();
	fetch();
	for (int i = 0; i < 4; i++)
	{
		now.monotonic = begun + i * MICROS_PER_SECOND / 2;
		socket_tick(&listener, now.monotonic);
		CHECK_INT(connection->ping_wanted, i >= 2);
	}
	/* A pong starts it anew. */
	socket_pong(&listener, connection, now.monotonic);
	connection->ping_wanted = false;
	begun = now.monotonic;
	for (int i = 1; dropped == 0 && i < 20; i++)
	{
		now.monotonic = begun + i * MICROS_PER_SECOND / 2;
		socket_tick(&listener, now.monotonic);
	}
	CHECK_INT((now.monotonic - begun) / MICROS_PER_MILLI, 3000);
	CHECK_INT(dropped, 1);
	CHECK_INT(listener.counters[COUNT_PING_TIMEOUTS], 1);
	REQUIRE(fetch() == 1);
	CHECK_INT(events[0].u.closed.cause, CLOSE_PING_TIMEOUT);
	CHECK_INT(events[0].u.closed.last_pong, begun);
	CHECK(listener.sockets.first == NULL);
}

TEST(a_closing_handshake_that_nobody_answers_ends)
{
	Connection *connection;

	start(NULL);
	connection = open_socket();
	receive(connection, "{}", 2, true, true);
	socket_tick(&listener, now.monotonic + MICROS_PER_SECOND / 4);
	CHECK_INT(dropped, 0);
	socket_tick(&listener, now.monotonic + MICROS_PER_SECOND / 2);
	CHECK_INT(dropped, 1);
	CHECK_INT(listener.connections.used, 0);
}

TEST(a_slot_given_back_twice_is_free_once)
{
	Connection *connection;

	start(NULL);
	connection = connect_from("192.0.2.1");
	server_drop(connection);
	connection_release(&listener.connections, connection);
	CHECK_INT(listener.connections.used, 0);
	connection = connection_take(&listener.connections);
	CHECK(connection_take(&listener.connections) != connection);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_message_reaches_the_worker_and_its_answer_the_browser);
	RUN(answers_keep_their_order_when_a_socket_takes_some_at_once);
	RUN(a_late_answer_never_reaches_the_slots_next_owner);
	RUN(a_message_in_pieces_is_put_together_and_bounded);
	RUN(who_says_nonsense_is_told_and_closed);
	RUN(who_talks_too_fast_is_closed);
	RUN(empty_pieces_and_pongs_without_a_ping_have_a_limit);
	RUN(a_flood_of_what_the_library_keeps_to_itself_is_noticed);
	RUN(a_socket_that_says_nothing_is_closed_as_idle);
	RUN(a_socket_that_is_open_for_too_long_is_closed);
	RUN(what_has_no_limit_is_not_limited);
	RUN(a_message_has_the_size_that_is_set);
	RUN(when_the_channel_is_full_the_browser_is_asked_to_come_again);
	RUN(while_the_worker_lags_sockets_are_held_back_and_nobody_is_sent_away);
	RUN(a_browser_that_does_not_read_its_answers_is_given_up);
	RUN(silence_is_pinged_and_ends_after_two_and_a_half_intervals);
	RUN(a_closing_handshake_that_nobody_answers_ends);
	RUN(a_slot_given_back_twice_is_free_once);
	start(NULL);
	return unit_finish();
}
