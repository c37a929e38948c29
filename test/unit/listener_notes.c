/*
 * listener_notes.c
 *	  Notes: what of them reaches the worker, and when they are answered.
 */
#include "listener_world.h"

/* Sends a note; true when it was answered at once. */
static bool
send_note(Connection *connection, const char *body)
{
	Request request = {.post = true,
					   .path = text_of("/_view/note"),
					   .host = text_of("example.com"),
					   .origin = text_of("https://example.com")};
	char	length[32];

	snprintf(length, sizeof length, "%zu", strlen(body));
	request.content_length = text_of(length);
	if (ask(connection, &request) != HTTP_TAKE_BODY)
		return true;
	for (const char *at = body; *at != '\0'; at++)
		CHECK(note_body(connection, at, 1));
	CHECK(!note_body(connection, "x", 1));
	return note_complete(&listener, connection, now, &response);
}

TEST(a_note_is_answered_when_each_of_its_messages_was_judged)
{
	Connection	*connection;
	ConnectionId id;

	start(NULL);
	connection = connect_from("192.0.2.1");
	REQUIRE(!send_note(connection,
					   "[" STATE ",1," STATE ",{\"type\":\"end\",\"view\":\"" VIEW "\",\"n\":2,"
					   "\"reason\":\"closed\"," FIGURES "}]"));
	REQUIRE(fetch() == 4);
	CHECK_INT(events[0].type, EVENT_OPENED);
	CHECK(events[0].u.opened.note);
	id = connection_id(connection);
	answer(COMMAND_ACK, id, 1);
	answer(COMMAND_REFUSED, id, 1);
	answer(COMMAND_ACK, id, 1);
	CHECK(!note_writable(&listener, connection, now, &response));
	answer(COMMAND_STORED, id, 2);
	REQUIRE(note_writable(&listener, connection, now, &response));
	CHECK(says("HTTP/1.1 204 No Content\r\n"));
	CHECK(says("\r\nAccess-Control-Allow-Origin: https://example.com\r\n"));
	CHECK(says("\r\nAccess-Control-Allow-Credentials: true\r\n"));
	REQUIRE(fetch() == 1);
	CHECK_INT(events[0].type, EVENT_CLOSED);
	CHECK(listener.notes.first == NULL);
	CHECK(!note_writable(&listener, connection, now, &response));
}

TEST(stored_answers_all_up_to_its_number)
{
	Connection *connection;

	start(NULL);
	connection = connect_from("192.0.2.1");
	REQUIRE(!send_note(connection, "[" STATE "," STATE "]"));
	answer(COMMAND_STORED, connection_id(connection), 5);
	CHECK(note_writable(&listener, connection, now, &response));
}

TEST(a_note_that_nobody_answers_is_given_up_after_five_seconds)
{
	Connection *connection;

	start(NULL);
	connection = connect_from("192.0.2.1");
	REQUIRE(!send_note(connection, "[" STATE "]"));
	note_tick(&listener, now.monotonic + 5 * MICROS_PER_SECOND - 1);
	CHECK(!note_writable(&listener, connection, now, &response));
	note_tick(&listener, now.monotonic + 5 * MICROS_PER_SECOND);
	REQUIRE(note_writable(&listener, connection, now, &response));
	CHECK(says("HTTP/1.1 503 "));
	CHECK_INT(fetch(), 3);
	answer(COMMAND_ACK, connection_id(connection), 1);
}

/* Sends the head of a note, and `come` of its bytes. */
static Connection *
begin_note(size_t come)
{
	Connection *connection = connect_from("192.0.2.1");
	Request		request = {.post = true,
						   .path = text_of("/_view/note"),
						   .host = text_of("example.com"),
						   .origin = text_of("https://example.com"),
						   .content_length = text_of("1000")};

	CHECK_INT(ask(connection, &request), HTTP_TAKE_BODY);
	for (size_t i = 0; i < come; i++)
		CHECK(note_body(connection, " ", 1));
	return connection;
}

TEST(a_body_that_dribbles_holds_no_connection_for_longer_than_five_seconds)
{
	Connection *slow;
	Connection *quick;

	start(NULL);
	slow = begin_note(1);
	now.monotonic += MICROS_PER_SECOND;
	quick = begin_note(999);
	CHECK(note_body(quick, "\n", 1));
	CHECK(note_complete(&listener, quick, now, &response));
	for (int i = 0; i < 4; i++)
	{
		CHECK_INT(dropped, 0);
		now.monotonic += MICROS_PER_SECOND;
		CHECK(note_body(slow, " ", 1));
		note_tick(&listener, now.monotonic);
	}
	CHECK_INT(dropped, 1);
	CHECK(listener.notes.first == NULL);
	CHECK_INT(listener.connections.used, 1);
	CHECK_INT(fetch(), 0);
	server_drop(quick);
}

TEST(a_note_that_came_slowly_still_waits_five_seconds_for_its_answers)
{
	Connection *connection;
	Micros		begun = now.monotonic;
	Request		request = {.post = true,
						   .path = text_of("/_view/note"),
						   .host = text_of("example.com"),
						   .origin = text_of("https://example.com")};
	char		length[32];

	start(NULL);
	connection = connect_from("192.0.2.1");
	snprintf(length, sizeof length, "%zu", strlen("[" STATE "]"));
	request.content_length = text_of(length);
	REQUIRE(ask(connection, &request) == HTTP_TAKE_BODY);
	now.monotonic = begun + 4 * MICROS_PER_SECOND;
	CHECK(note_body(connection, "[" STATE "]", strlen("[" STATE "]")));
	REQUIRE(!note_complete(&listener, connection, now, &response));
	note_tick(&listener, begun + 6 * MICROS_PER_SECOND);
	CHECK_INT(dropped, 0);
	CHECK(!note_writable(&listener, connection, now, &response));
	note_tick(&listener, begun + 9 * MICROS_PER_SECOND);
	CHECK(note_writable(&listener, connection, now, &response));
	CHECK(listener.notes.first == NULL);
}

TEST(a_browser_that_leaves_in_the_middle_of_a_note_is_forgotten)
{
	start(NULL);
	server_drop(begin_note(3));
	CHECK(listener.notes.first == NULL);
	CHECK_INT(listener.connections.used, 0);
	CHECK_INT(fetch(), 0);
}

TEST(a_note_without_anything_to_judge_is_answered_at_once)
{
	start(NULL);
	CHECK(send_note(connect_from("192.0.2.1"), "[]"));
	CHECK(says("HTTP/1.1 204 "));
	CHECK(send_note(connect_from("192.0.2.1"), "[{},7]"));
	CHECK(says("HTTP/1.1 204 "));
	CHECK(send_note(connect_from("192.0.2.1"), "{}"));
	CHECK(says("HTTP/1.1 400 "));
	CHECK_INT(fetch(), 0);
	listener.busy = true;
	CHECK(send_note(connect_from("192.0.2.1"), "[]"));
	CHECK(says("HTTP/1.1 503 "));
}

TEST(a_note_that_is_too_long_or_of_unknown_length_is_refused)
{
	static const struct
	{
		const char *length;
		int			status;
	} cases[] = {{"", 411},	 {"-1", 411},	 {"1x", 411},
				 {"0", 400}, {"65537", 413}, {"99999999999", 411}};
	Request request = {.post = true,
					   .path = text_of("/_view/note"),
					   .host = text_of("example.com"),
					   .origin = text_of("https://example.com")};

	start(NULL);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
	{
		char line[32];

		request.content_length = text_of(cases[i].length);
		REQUIRE(ask(connect_from("192.0.2.1"), &request) == HTTP_RESPOND);
		snprintf(line, sizeof line, "HTTP/1.1 %d ", cases[i].status);
		CHECK(says(line));
	}
}

TEST(a_browser_that_leaves_before_the_answer_closes_its_note)
{
	Connection *connection;

	start(NULL);
	connection = connect_from("192.0.2.1");
	REQUIRE(!send_note(connection, "[" STATE "]"));
	server_drop(connection);
	CHECK_INT(fetch(), 3);
	CHECK_INT(events[2].type, EVENT_CLOSED);
	CHECK(listener.notes.first == NULL);
	CHECK_INT(listener.connections.used, 0);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_note_is_answered_when_each_of_its_messages_was_judged);
	RUN(stored_answers_all_up_to_its_number);
	RUN(a_note_that_nobody_answers_is_given_up_after_five_seconds);
	RUN(a_body_that_dribbles_holds_no_connection_for_longer_than_five_seconds);
	RUN(a_note_that_came_slowly_still_waits_five_seconds_for_its_answers);
	RUN(a_browser_that_leaves_in_the_middle_of_a_note_is_forgotten);
	RUN(a_note_without_anything_to_judge_is_answered_at_once);
	RUN(a_note_that_is_too_long_or_of_unknown_length_is_refused);
	RUN(a_browser_that_leaves_before_the_answer_closes_its_note);
	start(NULL);
	return unit_finish();
}
