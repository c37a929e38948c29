/*
 * listener_events.c
 *	  What the log gets of what happens.
 */
#include "listener_world.h"

#include <netinet/in.h>

/* Log lines that reached the worker since the last time. */
static int
log_lines(void)
{
	int lines = 0;

	fetch();
	for (int i = 0; i < event_count; i++)
		lines += events[i].type == EVENT_LOG;
	return lines;
}

TEST(what_callers_make_the_library_say_leaves_room_for_our_own_words)
{
	start(NULL);
	for (int i = 0; i < 25; i++)
		event_log_library(&listener, "noise\n", 6, now.monotonic);
	CHECK_INT(log_lines(), 10);
	event_log(&listener, LOG_LEVEL_WARNING, "word", 4, now.monotonic);
	CHECK_INT(log_lines(), 1);
	for (int i = 0; i < 25; i++)
		event_log(&listener, LOG_LEVEL_WARNING, "word", 4, now.monotonic);
	CHECK_INT(log_lines(), 9);

	/* The next minute begins with how many were left out, each source its own. */
	now.monotonic += 60 * MICROS_PER_SECOND;
	event_log_library(&listener, "noise", 5, now.monotonic);
	CHECK_INT(log_lines(), 2);
	event_log(&listener, LOG_LEVEL_WARNING, "word", 4, now.monotonic);
	CHECK_INT(log_lines(), 2);
	event_log(&listener, LOG_LEVEL_WARNING, "word", 4, now.monotonic);
	CHECK_INT(log_lines(), 1);
}

/* A connected pair of TCP sockets, of which the first sent `data`. */
static void
connect_pair(int ends[2], const char *data)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t		   length = sizeof address;
	int				   listening = socket(AF_INET, SOCK_STREAM, 0);

	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(listening, (struct sockaddr *) &address, length) == 0);
	CHECK(listen(listening, 1) == 0);
	CHECK(getsockname(listening, (struct sockaddr *) &address, &length) == 0);
	CHECK(connect(ends[0], (struct sockaddr *) &address, length) == 0);
	ends[1] = accept(listening, NULL, NULL);
	close(listening);
	CHECK(send(ends[0], data, strlen(data), 0) == (ssize_t) strlen(data));
	if (*data != '\0')
		CHECK(recv(ends[1], &(char){0}, 1, MSG_PEEK) == 1);
}

TEST(a_request_that_could_not_be_read_is_counted_and_a_mere_connect_is_not)
{
	Connection *connection;
	int			ends[2];

	start(NULL);
	connection = connect_from("192.0.2.1");
	connect_pair(ends, "");
	callers_count_unread(&listener, connection, ends[1]);
	CHECK_INT(listener.counters[COUNT_REFUSED_REQUEST], 0);
	close(ends[0]);
	close(ends[1]);

	connect_pair(ends, "GET / HTTP/1.1\r\nCookie: much");
	callers_count_unread(&listener, connection, ends[1]);
	CHECK_INT(listener.counters[COUNT_REFUSED_REQUEST], 1);
	connection->asked = true;
	callers_count_unread(&listener, connection, ends[1]);
	CHECK_INT(listener.counters[COUNT_REFUSED_REQUEST], 1);

	/* A TLS handshake is no request. */
	connection->asked = false;
	listener.configuration.is.tls_certificate = text_of("x");
	callers_count_unread(&listener, connection, ends[1]);
	CHECK_INT(listener.counters[COUNT_REFUSED_REQUEST], 1);
	listener.configuration.is.tls_certificate = text_of("");
	close(ends[0]);
	close(ends[1]);
	callers_count_unread(&listener, connection, ends[1]);
	CHECK_INT(listener.counters[COUNT_REFUSED_REQUEST], 1);
}

TEST(a_reset_is_told_from_a_goodbye)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int			  ends[2];

	connect_pair(ends, "");
	close(ends[0]);
	CHECK(recv(ends[1], &(char){0}, 1, 0) == 0);
	CHECK_INT(callers_cause_of_end(&(Connection){0}, ends[1]), CLOSE_NORMAL);
	close(ends[1]);

	connect_pair(ends, "");
	CHECK(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
	close(ends[0]);
	CHECK(recv(ends[1], &(char){0}, 1, 0) == -1);
	CHECK_INT(callers_cause_of_end(&(Connection){0}, ends[1]), CLOSE_RESET);
	close(ends[1]);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(what_callers_make_the_library_say_leaves_room_for_our_own_words);
	RUN(a_request_that_could_not_be_read_is_counted_and_a_mere_connect_is_not);
	RUN(a_reset_is_told_from_a_goodbye);
	start(NULL);
	return unit_finish();
}
