/*
 * slow.c
 *	  Slow clients of every kind, very many at a time, and an honest visitor.
 *
 *	  slow PORT CLIENTS SECONDS LIMIT_S LISTENER_PID [tls]
 *
 * First the honest visitor alone for SECONDS, then beside CLIENTS slow ones, who
 * came one after the other within WARM_S, each replaced when it is gone.  Every
 * one must be gone LIMIT_S after it came.  With `tls` all of them stall in the
 * handshake.  Prints one line of JSON; p99 in ms, the processor time of the
 * listener and of the slow in percent of one core, and for how much of the time the
 * listener waited for a processor.
 *
 * It shares a machine with what it measures.  So it waits for what the kernel
 * reports and asks no socket, and the slow take their steps by turns, evenly over
 * STEP_S, not all at the same moment.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../attack.h"
#include "../honest.h"

/* As long as the most of them stay, so that they come and go evenly. */
#define WARM_S 5.0
/* Between two steps of a slow client. */
#define STEP_S 0.25

typedef enum Kind
{
	SILENT,			  /* connects, and that is all */
	BYTEWISE_HEADERS, /* a byte of its request at a time */
	BYTEWISE_NOTE,	  /* the head of a note, then a byte of the body at a time */
	HALF_FRAME,		  /* half a frame, and no more */
	FRAGMENTS,		  /* a message that has no end */
	UNREAD,			  /* asks on and on and reads no answer */
	KINDS,
	STALLED_TLS = KINDS
} Kind;

static const char *const names[] = {"silent",	 "bytewise_headers", "bytewise_note", "half_frame",
									"fragments", "unread",			 "stalled_tls"};

typedef struct Client
{
	int	   socket;
	Kind   kind;
	double born;
	size_t sent;
} Client;

static int	   watch; /* epoll */
static int	   port;
static bool	   tls;
static uint8_t hello[2048];
static size_t  hello_length;
static int	   count;
static double  limit;
static pid_t   listener;
static double  start;
static int	   come_so_far;
static int	   attached;
static double  longest[KINDS + 1]; /* life, in seconds */
static long	   gone[KINDS + 1];
static long	   late;

static HonestReport quiet;
static HonestReport beside;

typedef struct Processor
{
	double used;
	double waited;
} Processor;

/* Of the listener alone, and of both beside the slow. */
static Processor processor_quiet;
static Processor processor_listener;
static Processor processor_slow;

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void
send_text(Client *c, const char *text, size_t length)
{
	(void) send(c->socket, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
come(Client *c, Kind kind, double now)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
	char			   text[512];
	int				   small = 2048;
	int				   length = 0;

	*c = (Client){.socket = socket(AF_INET, SOCK_STREAM, 0), .kind = kind, .born = now};
	setsockopt(c->socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(c->socket, (struct sockaddr *) &address, sizeof address) != 0)
	{
		perror("connect");
		exit(2);
	}
	if (kind == BYTEWISE_NOTE)
		length = snprintf(text, sizeof text,
						  "POST /_view/note HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
						  "Origin: http://127.0.0.1:%d\r\nContent-Length: 4000\r\n\r\n",
						  port, port);
	else if (kind >= HALF_FRAME && kind < KINDS)
		length =
			snprintf(text, sizeof text,
					 "GET /_view/socket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
					 "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
					 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: pageviews.v1\r\n"
					 "Origin: http://127.0.0.1:%d\r\n\r\n",
					 port, port);
	if (kind == STALLED_TLS)
		send_text(c, (char *) hello, hello_length / 2);
	send_text(c, text, (size_t) length);
	/* Who does not read sees the end all the same: errors and hang-ups are always told. */
	if (kind == UNREAD)
		event.events = 0;
	epoll_ctl(watch, EPOLL_CTL_ADD, c->socket, &event);
}

/* One slow step. */
static void
creep(Client *c)
{
	static const char head[] =
		"GET /_view/client.js HTTP/1.1\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	char frame[280] = {0};

	switch (c->kind)
	{
		case BYTEWISE_HEADERS:
			send_text(c, &head[c->sent < sizeof head - 1 ? c->sent : sizeof head - 2], 1);
			break;
		case BYTEWISE_NOTE:
			send_text(c, "[", 1);
			break;
		case HALF_FRAME:
			if (c->sent == 0)
				send_text(c, "\x81\xfe\x01\x00\0\0\0\0{", 9);
			break;
		case FRAGMENTS:
			/* 256 bytes, masked with zeros; only the first says that it is text. */
			memcpy(frame, c->sent == 0 ? "\x01\xfe\x01\x00" : "\x00\xfe\x01\x00", 4);
			memset(frame + 8, ' ', 256);
			send_text(c, frame, 264);
			break;
		case UNREAD:
			/* A ping wants a pong. */
			memcpy(frame, "\x89\xfd", 2);
			send_text(c, frame, 6 + 125);
			break;
		default:
			break;
	}
	c->sent++;
}

/* Reads what has come; whether the other side hung up. */
static bool
is_gone(const Client *c)
{
	char	bytes[512];
	ssize_t got;

	if (c->kind == UNREAD)
		return true;
	do
		got = recv(c->socket, bytes, sizeof bytes, MSG_DONTWAIT);
	while (got > 0);
	return got == 0 || errno != EAGAIN;
}

/* Notes that it went, or had to be let go; `next`: another one comes in its place. */
static void
leave(Client *c, double now, bool next)
{
	double life = now - c->born;

	if (life > longest[c->kind])
		longest[c->kind] = life;
	late += life > limit;
	gone[c->kind]++;
	close(c->socket);
	c->socket = -1;
	attached--;
	if (next)
	{
		come(c, c->kind, now);
		attached++;
	}
}

/*
 * Processor time of a process so far, in seconds, and how long it was ready and had
 * none; not by ticks, which see no sleeper's.
 */
static Processor
processor_of(pid_t pid)
{
	char			   path[64];
	unsigned long long used_ns = 0;
	unsigned long long waited_ns = 0;
	FILE			  *file;

	snprintf(path, sizeof path, "/proc/%d/schedstat", (int) pid);
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%llu %llu", &used_ns, &waited_ns) != 2)
		used_ns = waited_ns = 0;
	if (file != NULL)
		fclose(file);
	return (Processor){(double) used_ns / 1e9, (double) waited_ns / 1e9};
}

/* What came to a process since then, in percent of one core and of the time. */
static Processor
processor_since(Processor then, pid_t pid, double seconds)
{
	Processor now = processor_of(pid);

	return (Processor){100 * (now.used - then.used) / seconds,
					   100 * (now.waited - then.waited) / seconds};
}

/* Lets those take their steps whose turn came since the last call. */
static void
take_turns(Client *clients, double now, bool next)
{
	static long turn;
	long		due = (long) ((now - start) / STEP_S * count);

	/* After a stall of this machine one step each is enough. */
	if (due - turn > count)
		turn = due - count;
	for (; turn < due; turn++)
	{
		Client *c = &clients[turn % count];

		if (turn % count >= come_so_far || c->socket < 0)
			continue;
		if (now - c->born > limit)
			leave(c, now, next);
		else
			creep(c);
	}
}

/* Waits a moment for those who are hung up on. */
static void
see_off(bool next)
{
	struct epoll_event events[256];
	int				   many = epoll_wait(watch, events, 256, 1);

	for (int i = 0; i < many; i++)
		if (is_gone(events[i].data.ptr))
			leave(events[i].data.ptr, now_s(), next);
}

/* The slow ones, and the honest one beside them. */
static void
besiege(Client *clients, double seconds)
{
	bool   measuring = false;
	double measured = 0;
	double end;
	double now;

	start = now_s();
	end = start + WARM_S + seconds;
	do
	{
		now = now_s();
		for (; come_so_far < count && now >= start + WARM_S * come_so_far / count; come_so_far++)
		{
			come(&clients[come_so_far], tls ? STALLED_TLS : (Kind) (come_so_far % KINDS), now);
			attached++;
		}
		if (measured == 0 && come_so_far == count)
		{
			measuring = honest_start(port, tls, 3, 10);
			/* The slow come from elsewhere: what they cost here must not slow him down. */
			(void) !nice(10);
			measured = now;
			processor_listener = processor_of(listener);
			processor_slow = processor_of(getpid());
		}
		if (now > end && measuring)
		{
			processor_listener = processor_since(processor_listener, listener, now - measured);
			processor_slow = processor_since(processor_slow, getpid(), now - measured);
			beside = honest_stop();
			measuring = false;
		}
		take_turns(clients, now, now < end);
		see_off(now < end);
	} while (now <= end || attached > 0);
}

static void
print_report(void)
{
	printf("{\"clients\":%d,\"late\":%ld", count, late);
	printf(",\"quiet\":{\"served\":%llu,\"failed\":%llu,\"p50\":%.2f,\"p99\":%.2f}",
		   (unsigned long long) quiet.served, (unsigned long long) quiet.failed, quiet.p50_ms,
		   quiet.p99_ms);
	printf(",\"beside\":{\"served\":%llu,\"failed\":%llu,\"p50\":%.2f,\"p99\":%.2f}",
		   (unsigned long long) beside.served, (unsigned long long) beside.failed, beside.p50_ms,
		   beside.p99_ms);
	printf(",\"processor\":{\"quiet\":%.1f,\"listener\":%.1f,\"waited\":%.1f,\"slow\":%.1f}",
		   processor_quiet.used, processor_listener.used, processor_listener.waited,
		   processor_slow.used);
	printf(",\"longest\":{");
	for (int i = 0, any = 0; i <= KINDS; i++)
		if (gone[i] > 0)
			printf("%s\"%s\":%.1f", any++ ? "," : "", names[i], longest[i]);
	printf("}}\n");
}

int
main(int argc, char **argv)
{
	double	seconds;
	Client *clients;

	if (argc < 6)
		return 2;
	port = atoi(argv[1]);
	count = atoi(argv[2]);
	seconds = atof(argv[3]);
	limit = atof(argv[4]);
	listener = (pid_t) atoi(argv[5]);
	tls = argc > 6;
	signal(SIGPIPE, SIG_IGN);
	hello_length = honest_client_hello(hello, sizeof hello);
	clients = calloc((size_t) count, sizeof *clients);
	watch = epoll_create1(EPOLL_CLOEXEC);

	processor_quiet = processor_of(listener);
	if (clients == NULL || watch < 0 || !honest_start(port, tls, 3, 10))
		return 2;
	usleep((useconds_t) (seconds * 1e6));
	quiet = honest_stop();
	processor_quiet = processor_since(processor_quiet, listener, seconds);

	besiege(clients, seconds);
	print_report();
	return 0;
}
