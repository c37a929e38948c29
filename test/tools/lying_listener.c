/*
 * lying_listener.c
 *	  Stands in for pageviews_listener, and lies to the worker.
 *
 * Each life takes the next number from the file "turns" beside the program, lies
 * in the way of that number, and adds a line with its pid and that way to the
 * file "lives".  What it says first is true as a rule: it is ready.  None of them
 * ends by itself but where that is the lie; the worker must end them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/common/channel.h"
#include "../../src/common/record.h"
#include "../unit/chance.h"

#define DESCRIPTOR 3

static uint32_t number_of_view;

static void
send_bytes(const void *data, size_t length)
{
	/* A worker that has hung up is what all this is about. */
	if (send(DESCRIPTOR, data, length, MSG_NOSIGNAL) < 0 &&
		send(DESCRIPTOR, data, 0, MSG_NOSIGNAL) < 0)
		_exit(0);
}

static void
send_body(const uint8_t *body, size_t length)
{
	uint32_t prefix = (uint32_t) length;

	send_bytes(&prefix, sizeof prefix);
	send_bytes(body, length);
}

/* Sends an event; with `bent`, a few bytes of it are others. */
static void
say(Event *event, bool bent)
{
	static uint8_t body[RECORD_LIMIT];
	size_t		   length;

	if (event->at == 0)
		event->at = clock_monotonic();
	length = event_encode(event, body, sizeof body);
	for (int i = bent ? 1 + below(4) : 0; i > 0; i--)
		body[below((int) length)] = (uint8_t) draw();
	send_body(body, length);
}

static void
say_ready(uint32_t version)
{
	Event event = {.type = EVENT_READY};

	event.u.ready.version = version;
	event.u.ready.pid = 1;
	say(&event, false);
}

static void
say_opened(ConnectionId connection, bool bent)
{
	Event event = {.type = EVENT_OPENED, .connection = connection};

	for (size_t i = 0; i < sizeof event.u.opened.session.bytes; i++)
		event.u.opened.session.bytes[i] = (uint8_t) draw();
	event.u.opened.visitor.user_agent = text_of("liar");
	say(&event, bent);
}

static void
say_closed(ConnectionId connection, Micros last_pong)
{
	Event event = {.type = EVENT_CLOSED, .connection = connection};

	event.u.closed.cause = CLOSE_PING_TIMEOUT;
	event.u.closed.last_pong = last_pong;
	say(&event, false);
}

/* A message of a view of its own, with every figure at its limit. */
static void
say_message(ConnectionId connection, MessageKind kind, Micros at, bool bent)
{
	static char	 path[PATH_LIMIT];
	Event		 event = {.type = EVENT_MESSAGE, .connection = connection, .at = at};
	ViewMessage *message = &event.u.message.view;
	WallMillis	 now = clock_wall();

	memset(path, '/', sizeof path);
	event.u.message.covered = FIGURE_LIMIT;
	message->kind = kind;
	for (int i = 0; i < 6; i++)
		message->view.bytes[i] = (uint8_t) ((uint64_t) now >> (40 - 8 * i));
	message->view.bytes[6] = 0x70;
	message->view.bytes[8] = 0x80;
	number_of_view++;
	memcpy(message->view.bytes + 9, &number_of_view, sizeof number_of_view);
	message->view.bytes[13] = (uint8_t) getpid();
	message->view.bytes[14] = (uint8_t) (getpid() >> 8);
	message->n = MESSAGE_NUMBER_LIMIT;
	message->state = PAGE_FOCUSED;
	message->figures =
		(Figures){FIGURE_LIMIT, FIGURE_LIMIT, FIGURE_LIMIT, FIGURE_LIMIT, FIGURE_LIMIT};
	message->scroll = 100;
	message->reason = kind == MESSAGE_END ? END_CLOSED : END_NONE;
	message->described = kind != MESSAGE_STATE;
	message->page = (PageDescription){.site = text_of("liar.example"), .path = {path, PATH_LIMIT}};
	say(&event, bent);
}

static void
say_line(const char *data, size_t length)
{
	Event event = {.type = EVENT_LOG};

	event.u.log.level = LOG_LEVEL_WARNING;
	event.u.log.text = (Text){data, (uint16_t) length};
	say(&event, false);
}

static void
say_alive(uint64_t sequence, uint32_t connections, uint64_t count)
{
	Event event = {.type = EVENT_ALIVE};

	event.u.alive.sequence = sequence;
	event.u.alive.connections = connections;
	for (int i = 0; i < LISTENER_COUNTER_COUNT; i++)
		event.u.alive.counters[i] = count;
	say(&event, false);
}

/* --- the lies -------------------------------------------------------------------- */

static void
noise(void)
{
	for (;;)
	{
		uint64_t byte = draw();

		send_bytes(&byte, sizeof byte);
	}
}

static void
noise_after_ready(void)
{
	say_ready(CHANNEL_VERSION);
	noise();
}

static void
nothing_at_all(void)
{
}

static void
another_version(void)
{
	say_ready(CHANNEL_VERSION + 1);
}

static void
ready_twice(void)
{
	say_ready(CHANNEL_VERSION);
	say_ready(CHANNEL_VERSION);
}

static void
opened_before_ready(void)
{
	say_opened(CONNECTION_ID(0, 1), false);
}

static void
huge_record(void)
{
	uint32_t prefix = UINT32_MAX;

	say_ready(CHANNEL_VERSION);
	send_bytes(&prefix, sizeof prefix);
	noise();
}

static void
empty_record(void)
{
	say_ready(CHANNEL_VERSION);
	send_body(NULL, 0);
}

/* The beginning of a record, and no more of it. */
static void
half_record(void)
{
	uint32_t prefix = EVENT_LIMIT;

	say_ready(CHANNEL_VERSION);
	send_bytes(&prefix, sizeof prefix);
	send_bytes("\5", 1);
}

static void
half_record_and_death(void)
{
	half_record();
	abort();
}

static void
slot_taken_twice(void)
{
	say_ready(CHANNEL_VERSION);
	say_opened(CONNECTION_ID(1, 1), false);
	say_opened(CONNECTION_ID(1, 2), false);
}

static void
slot_beyond(void)
{
	say_ready(CHANNEL_VERSION);
	say_opened(CONNECTION_ID(UINT32_MAX, 1), false);
}

static void
ghost(void)
{
	say_ready(CHANNEL_VERSION);
	say_message(CONNECTION_ID(3, 7), MESSAGE_VIEW, 0, false);
}

static void
closed_twice(void)
{
	say_ready(CHANNEL_VERSION);
	say_opened(CONNECTION_ID(1, 1), false);
	say_closed(CONNECTION_ID(1, 1), INT64_MIN);
	say_closed(CONNECTION_ID(1, 1), INT64_MAX);
}

static void
any_time(void)
{
	static const Micros times[] = {INT64_MIN, INT64_MAX, -1, 1, INT64_MAX - 1};

	say_ready(CHANNEL_VERSION);
	for (uint32_t i = 0; i < 50; i++)
	{
		say_opened(CONNECTION_ID(i, 1), false);
		say_message(CONNECTION_ID(i, 1), i % 2 ? MESSAGE_VIEW : MESSAGE_END, times[i % 5], false);
		if (i % 3 == 0)
			say_closed(CONNECTION_ID(i, 1), times[(i + 2) % 5]);
	}
}

static void
very_many(void)
{
	say_ready(CHANNEL_VERSION);
	for (uint32_t i = 1; i < 4000; i++)
	{
		say_opened(CONNECTION_ID(0, i), false);
		say_message(CONNECTION_ID(0, i), MESSAGE_VIEW, 0, false);
		say_message(CONNECTION_ID(0, i), MESSAGE_END, 0, false);
		say_closed(CONNECTION_ID(0, i), 0);
	}
}

static void
bent_records(void)
{
	say_ready(CHANNEL_VERSION);
	for (uint32_t i = 0;; i++)
	{
		say_opened(CONNECTION_ID(i % 100, i), false);
		say_message(CONNECTION_ID(i % 100, i), MESSAGE_VIEW, 0, chance(20));
		say_closed(CONNECTION_ID(i % 100, i), 0);
	}
}

static void
log_flood(void)
{
	say_ready(CHANNEL_VERSION);
	for (int i = 0; i < 20000; i++)
		say_line("a line that nobody needs", 24);
}

static void
log_controls(void)
{
	say_ready(CHANNEL_VERSION);
	say_line("\033[2J\a forged\nLOG:  all is well", 30);
}

static void
wrong_heartbeat(void)
{
	say_ready(CHANNEL_VERSION);
	say_alive(77, 0, 0);
}

/* Answers a heartbeat, with figures that cannot be. */
static void
absurd_counts(void)
{
	uint8_t	 bytes[4096];
	Command	 command;
	uint64_t sequence = 1;

	say_ready(CHANNEL_VERSION);
	/* The configuration comes first, and a heartbeat two seconds later: alone. */
	for (ssize_t got; (got = recv(DESCRIPTOR, bytes, sizeof bytes, 0)) > 0;)
	{
		if (got > 4 && command_decode(bytes + 4, (size_t) got - 4, &command) &&
			command.type == COMMAND_HEARTBEAT)
		{
			sequence = command.u.heartbeat;
			break;
		}
	}
	say_alive(sequence, UINT32_MAX, UINT64_MAX / 2);
}

/* --- a life ------------------------------------------------------------------------- */

static const struct
{
	const char *name;
	void (*tell)(void);
} lies[] = {{"noise", noise},
			{"noise_after_ready", noise_after_ready},
			{"nothing_at_all", nothing_at_all},
			{"another_version", another_version},
			{"ready_twice", ready_twice},
			{"opened_before_ready", opened_before_ready},
			{"huge_record", huge_record},
			{"empty_record", empty_record},
			{"half_record", half_record},
			{"half_record_and_death", half_record_and_death},
			{"slot_taken_twice", slot_taken_twice},
			{"slot_beyond", slot_beyond},
			{"ghost", ghost},
			{"closed_twice", closed_twice},
			{"any_time", any_time},
			{"very_many", very_many},
			{"bent_records", bent_records},
			{"log_flood", log_flood},
			{"log_controls", log_controls},
			{"wrong_heartbeat", wrong_heartbeat},
			{"absurd_counts", absurd_counts}};

#define LIE_COUNT ((int) (sizeof lies / sizeof *lies))

/* A file beside the program; only that of tests is not installed read-only. */
static int
open_beside(const char *name)
{
	char	path[1024];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 64);
	char   *slash;

	if (length <= 0)
		_exit(3);
	path[length] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash + 1, name);
	return open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
}

/* How many lives there were before this one. */
static int
take_turn(void)
{
	int	  turns = open_beside("turns");
	off_t before;

	if (turns < 0 || flock(turns, LOCK_EX) != 0 || (before = lseek(turns, 0, SEEK_END)) < 0 ||
		write(turns, "x", 1) != 1)
		_exit(4);
	close(turns);
	return (int) before;
}

int
main(void)
{
	int	 turn = take_turn();
	int	 lives = open_beside("lives");
	char line[64];
	int	 length =
		snprintf(line, sizeof line, "%d %s\n", (int) getpid(), lies[turn % LIE_COUNT].name);
	int flags = fcntl(DESCRIPTOR, F_GETFL);

	if (write(lives, line, (size_t) length) != length)
		_exit(5);
	close(lives);
	(void) fcntl(DESCRIPTOR, F_SETFL, flags & ~O_NONBLOCK);
	random_state = (uint64_t) turn + 1;
	lies[turn % LIE_COUNT].tell();
	for (;;)
		pause();
}
