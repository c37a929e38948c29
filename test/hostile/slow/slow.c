/*
 * slow.c
 *	  Slow clients of every kind, very many at a time, and an honest visitor.
 *
 *	  slow PORT CLIENTS SECONDS LIMIT_S [tls]
 *
 * First the honest visitor alone for SECONDS, then beside CLIENTS slow ones, who
 * came one after the other within WARM_S, each replaced when it is gone.  Every one must be gone LIMIT_S after it came.  With
 * `tls` all of them stall in the handshake.  Prints one line of JSON; p99 in ms.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../attack.h"
#include "../honest.h"

/* As long as the most of them stay, so that they come and go evenly. */
#define WARM_S 5.0

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
	bool   upgraded;
	double born;
	double due;
	size_t sent;
} Client;

static int	   port;
static bool	   tls;
static uint8_t hello[2048];
static size_t  hello_length;
static double  longest[KINDS + 1]; /* life, in seconds */
static long	   gone[KINDS + 1];

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
	char			   text[512];
	int				   small = 2048;
	int				   length = 0;

	*c = (Client){
		.socket = socket(AF_INET, SOCK_STREAM, 0), .kind = kind, .born = now, .due = now + 0.2};
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
}

/* One slow step. */
static void
creep(Client *c, double now)
{
	static const char head[] =
		"GET /_view/client.js HTTP/1.1\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	char frame[280] = {0};

	c->due = now + 0.25;
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

/* Whether the other side hung up. */
static bool
is_gone(const Client *c)
{
	char	bytes[512];
	ssize_t got;

	/* Who does not read sees the end all the same, by its error or its hang-up. */
	if (c->kind == UNREAD)
	{
		int		  error = 0;
		socklen_t length = sizeof error;

		if (getsockopt(c->socket, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error != 0)
			return true;
		got = send(c->socket, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT);
		return got < 0 && errno != EAGAIN;
	}
	got = recv(c->socket, bytes, sizeof bytes, MSG_DONTWAIT);
	return got == 0 || (got < 0 && errno != EAGAIN);
}

int
main(int argc, char **argv)
{
	int			 count;
	double		 seconds;
	double		 limit;
	double		 end;
	double		 late = 0;
	double		 start;
	int			 come_so_far = 0;
	bool		 measuring = false;
	Client		*clients;
	HonestReport quiet;
	HonestReport beside = {0};

	if (argc < 5)
		return 2;
	port = atoi(argv[1]);
	count = atoi(argv[2]);
	seconds = atof(argv[3]);
	limit = atof(argv[4]);
	tls = argc > 5;
	signal(SIGPIPE, SIG_IGN);
	hello_length = honest_client_hello(hello, sizeof hello);
	clients = calloc((size_t) count, sizeof *clients);

	if (!honest_start(port, tls, 3, 10))
		return 2;
	usleep((useconds_t) (seconds * 1e6));
	quiet = honest_stop();

	start = now_s();
	end = start + WARM_S + seconds;
	for (bool over = false; !over;)
	{
		double now = now_s();
		bool   left = false;

		for (; come_so_far < count && now >= start + WARM_S * come_so_far / count; come_so_far++)
			come(&clients[come_so_far], tls ? STALLED_TLS : (Kind) (come_so_far % KINDS), now);
		if (!measuring && come_so_far == count)
		{
			measuring = honest_start(port, tls, 3, 10);
			/* The slow come from elsewhere: what they cost here must not slow him down. */
			(void) !nice(10);
		}
		if (now > end && beside.served == 0)
			beside = honest_stop();
		for (int i = 0; i < come_so_far; i++)
		{
			Client *c = &clients[i];

			if (c->socket < 0)
				continue;
			if (is_gone(c) || now - c->born > limit)
			{
				double life = now - c->born;

				if (life > longest[c->kind])
					longest[c->kind] = life;
				late += life > limit;
				gone[c->kind]++;
				close(c->socket);
				c->socket = -1;
				if (now < end)
					come(c, c->kind, now);
				continue;
			}
			left = true;
			if (now >= c->due)
				creep(c, now);
		}
		over = now > end && !left;
		usleep(10000);
	}
	printf(
		"{\"clients\":%d,\"late\":%.0f,\"quiet\":{\"served\":%llu,\"failed\":%llu,\"p50\":%.2f,\"p99\":%.2f},"
		"\"beside\":{\"served\":%llu,\"failed\":%llu,\"p50\":%.2f,\"p99\":%.2f},\"longest\":{",
		count, late, (unsigned long long) quiet.served, (unsigned long long) quiet.failed,
		quiet.p50_ms, quiet.p99_ms, (unsigned long long) beside.served,
		(unsigned long long) beside.failed, beside.p50_ms, beside.p99_ms);
	for (int i = 0, any = 0; i <= KINDS; i++)
		if (gone[i] > 0)
			printf("%s\"%s\":%.1f", any++ ? "," : "", names[i], longest[i]);
	printf("}}\n");
	return 0;
}
