/*
 * driver.c
 *	  Lets the n-th allocation of a listener fail, for every n of a session.
 *
 *	  driver LISTENER FAILING_SO STRIDE LENGTH
 *
 * First the start: the n-th allocation of a process fails, for the first ones and
 * every STRIDE-th n until one serves a whole session.  Then the session, asked of
 * processes that serve: the script, a note, a websocket with a view and its end;
 * n = 1, 2 .. until a session needs no more.  LENGTH allocations fail in a row.
 * After each, a listener that is still there must serve the next visitor; one that
 * has ended must have done so by itself.  Prints what it found as one line of JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/common/channel.h"
#include "../../../src/common/record.h"
#include "../../unit/chance.h"
#include "../attack.h"
#include "failing.h"

#define PATIENCE_MS	 8000 /* for the listener to do what it must */
#define ALL_OF_START 100  /* of the first ones each fails, whatever the stride */
#define REFUSED_MS	 100  /* without an answer so long, a visitor counts as refused */

static const char *program;
static const char *preload;
static uint64_t	   length;
static Failing	  *orders;
static int		   orders_file;
static int		   listening;
static int		   port;
static pid_t	   pid;
static Channel	  *channel;
static bool		   ready;
static bool		   ended;
static int		   status;

static uint64_t runs, clean_exits, refusals, unharmed;
static int		crashes; /* at a start */
static int		findings;

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(2);
}

static int64_t
now_ms(void)
{
	return clock_monotonic() / MICROS_PER_MILLI;
}

/* --- the worker's side -------------------------------------------------------------- */

static void
send_command(const Command *command)
{
	static uint8_t buffer[RECORD_LIMIT];
	size_t		   bytes = command_encode(command, buffer, sizeof buffer);

	(void) channel_send(channel, command->type == COMMAND_HEARTBEAT ? LANE_CONTROL : LANE_EVENTS,
						buffer, bytes);
	(void) channel_flush(channel);
}

static void
configure(void)
{
	Command command = {.type = COMMAND_CONFIGURE};

	command.u.configure = (ListenerConfig){.limits = DEFAULT_PEER_LIMITS,
										   .path_prefix = text_of("/_view"),
										   .query_parameters = text_of("utm_*"),
										   .cookie_name = text_of("id"),
										   .cookie_max_age = 3600,
										   .key_count = 1,
										   .keys = {{.id = 1}},
										   .max_connections = 64,
										   .heartbeat = 15000,
										   .ping_interval = 10000};
	command.u.configure.limits.connection_rate = 0;
	send_command(&command);
}

static bool
take_event(void *context, const uint8_t *body, size_t bytes)
{
	static Event event;
	Command		 command = {.type = COMMAND_ACK};

	(void) context;
	if (!event_decode(body, bytes, &event))
	{
		findings++;
		fprintf(stderr, "an event does not decode\n");
		return false;
	}
	if (event.type == EVENT_READY)
	{
		ready = true;
		configure();
	}
	else if (event.type == EVENT_MESSAGE)
	{
		command.connection = event.connection;
		command.view = event.u.message.view.view;
		command.n = event.u.message.view.n;
		send_command(&command);
		command.type = COMMAND_STORED;
		send_command(&command);
	}
	return true;
}

/* Waits for the channel or another descriptor; answers events meanwhile. */
static void
attend(int descriptor, int ms)
{
	struct pollfd polls[2] = {{channel_descriptor(channel), POLLIN, 0}, {descriptor, POLLIN, 0}};

	(void) poll(polls, 2, ms);
	if (!ended && polls[0].revents != 0 &&
		channel_read(channel, 0, take_event, NULL) == CHANNEL_CLOSED)
		ended = true;
}

static void
start_listener(uint64_t fail_at)
{
	int ends[2];
	int caller;

	/* Whoever called on one that died waits in the backlog, which must not fill up. */
	while ((caller = accept(listening, NULL, NULL)) >= 0)
		close(caller);
	orders->count = orders->failed = 0;
	orders->fail_at = fail_at;
	orders->fail_to = fail_at + length - 1;
	ready = ended = false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
		die("socketpair");
	pid = fork();
	if (pid == 0)
	{
		int channel_end = fcntl(ends[1], F_DUPFD, 100);
		int socket_end = fcntl(listening, F_DUPFD, 100);
		int null = open("/dev/null", O_RDWR);

		dup2(null, 2);
		dup2(orders_file, FAILING_DESCRIPTOR);
		dup2(channel_end, 3);
		dup2(socket_end, 4);
		(void) close_range(5, FAILING_DESCRIPTOR - 1, 0);
		(void) close_range(FAILING_DESCRIPTOR + 1, ~0U, 0);
		setenv("LD_PRELOAD", preload, 1);
		execl(program, program, "1", (char *) NULL);
		_exit(127);
	}
	close(ends[1]);
	channel = channel_new(ends[0], EVENT_LIMIT, 1024 * 1024);
	for (int64_t until = now_ms() + PATIENCE_MS; !ready && !ended && now_ms() < until;)
		attend(-1, 100);
}

/* Ends it if it has not ended, and judges how it did. */
static void
bury(const char *what, uint64_t n, bool starting)
{
	int64_t until = now_ms() + PATIENCE_MS;
	pid_t	got;

	channel_free(channel);
	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && now_ms() < until)
		usleep(500);
	if (got == 0)
	{
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		findings++;
		fprintf(stderr,
				"allocation %llu of %s failed, and the listener did not end with its worker\n",
				(unsigned long long) n, what);
	}
	else if (!WIFEXITED(status) || WEXITSTATUS(status) >= 99)
	{
		if (starting)
			crashes++;
		else
			findings++;
		fprintf(stderr,
				"allocation %llu of %s failed, and the listener ended by signal %d, status %d\n",
				(unsigned long long) n, what, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
				WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	}
}

/* --- the visitor's side -------------------------------------------------------------- */

/* Sends a text on a socket and reads until `wanted` comes; false when it does not. */
static bool
ask(int socket, const void *text, size_t bytes, const char *wanted)
{
	static char answer[32768];
	size_t		there = 0;
	int64_t		until = now_ms() + (orders->fail_at > 0 ? REFUSED_MS : PATIENCE_MS);

	if (send(socket, text, bytes, MSG_NOSIGNAL) != (ssize_t) bytes)
		return false;
	while (now_ms() < until && !ended && there < sizeof answer)
	{
		ssize_t got;

		attend(socket, 50);
		got = recv(socket, answer + there, sizeof answer - there, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			return false;
		there += got > 0 ? (size_t) got : 0;
		if (memmem(answer, there, wanted, strlen(wanted)) != NULL)
			return true;
	}
	return false;
}

static int
dial(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
	int				   s = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(s, (struct sockaddr *) &address, sizeof address) != 0)
		die("connect");
	return s;
}

/* One request on a connection of its own. */
static bool
request(const char *head, const char *body, const char *wanted)
{
	char text[4096];
	int	 bytes;
	int	 s = dial();
	bool good;

	bytes = snprintf(text, sizeof text,
					 "%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\n"
					 "Accept-Encoding: gzip\r\nUser-Agent: driver\r\n",
					 head, port, port);
	if (body[0] != '\0')
		bytes += snprintf(text + bytes, sizeof text - (size_t) bytes, "Content-Length: %zu\r\n",
						  strlen(body));
	bytes += snprintf(text + bytes, sizeof text - (size_t) bytes, "\r\n%s", body);
	good = ask(s, text, (size_t) bytes, wanted);
	close(s);
	return good;
}

static void
write_message(char *out, size_t capacity, const char *type, const char *view, int n)
{
	snprintf(
		out, capacity,
		"{\"type\":\"%s\",\"view\":\"%s\",\"n\":%d,\"url\":\"http://127.0.0.1:%d/a?utm_a=1\","
		"\"reason\":\"closed\",\"title\":\"title\",\"props\":{\"a\":\"b\"},\"state\":\"visible\","
		"\"visible\":0,\"focused\":0,\"active\":0,\"elapsed\":0}",
		type, view, n, port);
}

/* Sends one masked frame, in two fragments when it is told to. */
static bool
frame(int s, const char *text, bool in_pieces, const char *wanted)
{
	size_t	bytes = strlen(text);
	size_t	first = in_pieces ? bytes / 2 : bytes;
	uint8_t out[2048] = {(uint8_t) (in_pieces ? 0x01 : 0x81), 0x80 | 126, (uint8_t) (first >> 8),
						 (uint8_t) first};
	size_t	at = 8;

	memcpy(out + at, text, first);
	at += first;
	if (in_pieces)
	{
		uint8_t head[8] = {0x80, 0x80 | 126, (uint8_t) ((bytes - first) >> 8),
						   (uint8_t) (bytes - first)};

		memcpy(out + at, head, sizeof head);
		memcpy(out + at + sizeof head, text + first, bytes - first);
		at += sizeof head + bytes - first;
	}
	return ask(s, out, at, wanted);
}

static bool
websocket(void)
{
	char text[2048];
	char view[37];
	int	 s = dial();
	bool good;

	snprintf(text, sizeof text,
			 "GET /_view/socket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
			 "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: pageviews.v1\r\n"
			 "Origin: http://127.0.0.1:%d\r\nUser-Agent: driver\r\n\r\n",
			 port, port);
	good = ask(s, text, strlen(text), "\"hello\"");
	attack_view(view, draw());
	write_message(text, sizeof text, "view", view, 1);
	good = good && frame(s, text, false, "\"stored\"");
	write_message(text, sizeof text, "end", view, 2);
	good = good && frame(s, text, true, "\"stored\"");
	close(s);
	return good;
}

/* All that a visitor can want; false when anything of it was refused. */
static bool
session(void)
{
	char note[1024];
	char view[37];
	bool good;

	attack_view(view, draw());
	note[0] = '[';
	write_message(note + 1, sizeof note - 2, "end", view, 1);
	strcat(note, "]");
	good = request("GET /_view/client.js", "", "HTTP/1.1 200 ");
	good = !ended && request("POST /_view/note", note, "HTTP/1.1 204 ") && good;
	good = !ended && websocket() && good;
	return good;
}

/* --- the loops ------------------------------------------------------------------------ */

/* What one failure came to; a listener that lives on must serve. */
static bool
judge(const char *what, uint64_t n, bool served)
{
	runs++;
	if (ended)
		clean_exits++;
	else
	{
		served ? unharmed++ : refusals++;
		orders->fail_at = 0;
		if (!session())
		{
			findings++;
			fprintf(stderr, "allocation %llu of %s failed, and the next visitor is not served\n",
					(unsigned long long) n, what);
			return false;
		}
	}
	return !ended;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t		   bytes = sizeof address;
	uint64_t		   stride;
	uint64_t		   of_start;
	uint64_t		   of_session = 0;
	bool			   up = false;

	if (argc != 5)
		return 2;
	program = argv[1];
	preload = argv[2];
	stride = strtoull(argv[3], NULL, 10);
	length = strtoull(argv[4], NULL, 10);
	random_state = (uint64_t) getpid();
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	orders_file = memfd_create("orders", 0);
	if (bind(listening, (struct sockaddr *) &address, sizeof address) != 0 ||
		listen(listening, 100) != 0 ||
		getsockname(listening, (struct sockaddr *) &address, &bytes) != 0 ||
		ftruncate(orders_file, sizeof(Failing)) != 0)
		die("listen");
	port = ntohs(address.sin_port);
	orders = mmap(NULL, sizeof(Failing), PROT_READ | PROT_WRITE, MAP_SHARED, orders_file, 0);

	/* How much a start and a session need when nothing fails. */
	start_listener(0);
	if (!session() || !request("GET /_view/healthz", "", "200"))
		die("nothing failed, and yet it does not serve");
	of_start = orders->count;
	bury("a healthy life", 0, false);

	for (uint64_t n = 1; n <= of_start + stride; n += n < ALL_OF_START ? 1 : stride)
	{
		start_listener(n);
		(void) judge("a life", n, !ended && session());
		bury("a life", n, true);
	}
	for (uint64_t n = 1; findings < 20; n++)
	{
		bool served;

		if (!up)
		{
			start_listener(0);
			(void) session();
		}
		orders->failed = 0;
		orders->fail_at = orders->count + n;
		orders->fail_to = orders->fail_at + length - 1;
		served = session();
		of_session = n - 1;
		/* A session that met no failure is the last. */
		if (orders->failed == 0 && !ended)
			break;
		up = judge("a session", n, served);
		if (!up)
			bury("a session", n, false);
	}
	if (up)
		bury("the last session", 0, false);
	printf("{\"start\":%llu,\"session\":%llu,\"runs\":%llu,\"clean_exits\":%llu,\"refusals\":%llu,"
		   "\"unharmed\":%llu,\"crashes_at_start\":%d,\"findings\":%d}\n",
		   (unsigned long long) of_start, (unsigned long long) of_session,
		   (unsigned long long) runs, (unsigned long long) clean_exits,
		   (unsigned long long) refusals, (unsigned long long) unharmed, crashes, findings);
	return findings > 0;
}
