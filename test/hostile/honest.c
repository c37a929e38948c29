/*
 * honest.c
 *	  The honest visitor: blocking sockets, one visit after the other.
 */
#include "honest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../unit/chance.h"
#include "attack.h"

#define VISIT_LIMIT 200000

typedef struct Wire
{
	int	   socket;
	SSL	  *ssl; /* NULL: plain */
	size_t length;
	char   input[8192];
} Wire;

static pid_t		process = -1;
static int			control; /* closed: stop */
static int			answer;	 /* the report comes here */
static int			port;
static int			patience;
static SSL_CTX	   *tls;
static HonestReport report;
static float		visits_ms[VISIT_LIMIT];

static double
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec * 1000 + (double) now.tv_nsec / 1e6;
}

size_t
honest_client_hello(uint8_t *out, size_t capacity)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL		*ssl = SSL_new(context);
	BIO		*written = BIO_new(BIO_s_mem());
	int		 length;

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), written);
	(void) SSL_connect(ssl);
	length = BIO_read(written, out, (int) capacity);
	SSL_free(ssl);
	SSL_CTX_free(context);
	return length > 0 ? (size_t) length : 0;
}

/* --- the wire ------------------------------------------------------------------- */

static bool
open_wire(Wire *wire)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
	struct timeval	   limit = {patience, 0};

	*wire = (Wire){.socket = socket(AF_INET, SOCK_STREAM, 0)};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(wire->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(wire->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(wire->socket, (struct sockaddr *) &address, sizeof address) != 0)
		return false;
	if (tls == NULL)
		return true;
	wire->ssl = SSL_new(tls);
	SSL_set_fd(wire->ssl, wire->socket);
	return SSL_connect(wire->ssl) == 1;
}

static void
close_wire(Wire *wire)
{
	struct linger reset = {1, 0};

	/* His ports must not run out while he waits for nothing. */
	setsockopt(wire->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	SSL_free(wire->ssl);
	close(wire->socket);
}

static bool
write_wire(Wire *wire, const void *data, size_t length)
{
	if (wire->ssl != NULL)
		return SSL_write(wire->ssl, data, (int) length) == (int) length;
	return send(wire->socket, data, length, MSG_NOSIGNAL) == (ssize_t) length;
}

static bool
say_text(Wire *wire, const char *text, int opcode)
{
	size_t	length = strlen(text);
	uint8_t frame[1200] = {(uint8_t) (0x80 | opcode), 0x80 | 126, (uint8_t) (length >> 8),
						   (uint8_t) length};

	/* Masked with zeros, which is a mask like any other. */
	memcpy(frame + 8, text, length);
	return write_wire(wire, frame, 8 + length);
}

/* Reads until this text has come; answers no ping, for no visit lasts so long. */
static bool
read_until(Wire *wire, const char *text)
{
	for (;;)
	{
		char   *found = memmem(wire->input, wire->length, text, strlen(text));
		ssize_t got;

		if (found != NULL)
		{
			size_t used = (size_t) (found - wire->input) + strlen(text);

			memmove(wire->input, wire->input + used, wire->length - used);
			wire->length -= used;
			return true;
		}
		if (wire->length == sizeof wire->input)
			return false;
		if (wire->ssl != NULL)
			got = SSL_read(wire->ssl, wire->input + wire->length,
						   (int) (sizeof wire->input - wire->length));
		else
			got = recv(wire->socket, wire->input + wire->length, sizeof wire->input - wire->length,
					   0);
		if (got <= 0)
			return false;
		wire->length += (size_t) got;
	}
}

/* --- a visit ---------------------------------------------------------------------- */

/* NULL, or what went wrong. */
static const char *
visit(Wire *wire)
{
	char view[37];
	char text[1024];

	if (!open_wire(wire))
		return "he could not connect";
	snprintf(text, sizeof text,
			 "GET /_view/socket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
			 "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: pageviews.v1\r\n"
			 "Origin: %s://127.0.0.1:%d\r\nUser-Agent: honest\r\n\r\n",
			 port, tls != NULL ? "https" : "http", port);
	if (!write_wire(wire, text, strlen(text)) || !read_until(wire, "HTTP/1.1 101 "))
		return "his handshake was not answered";
	if (!read_until(wire, "\"hello\""))
		return "nobody said hello";

	attack_view(view, draw());
	snprintf(text, sizeof text,
			 "{\"type\":\"view\",\"view\":\"%s\",\"n\":1,\"url\":\"%s://127.0.0.1:%d/honest\","
			 "\"state\":\"visible\",\"visible\":0,\"focused\":0,\"active\":0,\"elapsed\":0}",
			 view, tls != NULL ? "https" : "http", port);
	if (!say_text(wire, text, 1) || !read_until(wire, "\"ack\""))
		return "his view was not acknowledged";
	snprintf(text, sizeof text,
			 "{\"type\":\"end\",\"view\":\"%s\",\"n\":2,\"state\":\"hidden\",\"visible\":1,"
			 "\"focused\":1,\"active\":1,\"elapsed\":1,\"reason\":\"closed\"}",
			 view);
	if (!say_text(wire, text, 1) || !read_until(wire, "\"n\":2"))
		return "the end of his view was not acknowledged";
	/* The ack, then `stored`, for the same n. */
	return read_until(wire, "\"stored\"") ? NULL : "his view was not stored";
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *) a;
	float y = *(const float *) b;

	return x < y ? -1 : x > y;
}

static void __attribute__((noreturn)) live(int pause_ms)
{
	struct pollfd stop = {control, POLLIN, 0};
	size_t		  count = 0;

	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (poll(&stop, 1, pause_ms) == 0)
	{
		Wire		wire;
		double		began = now_ms();
		const char *complaint = visit(&wire);
		double		took = now_ms() - began;

		close_wire(&wire);
		if (complaint == NULL)
			report.served++;
		else if (report.failed++ == 0)
			snprintf(report.complaint, sizeof report.complaint, "%s after %.0f ms", complaint,
					 took);
		if (count < VISIT_LIMIT)
			visits_ms[count++] = (float) took;
	}
	qsort(visits_ms, count, sizeof *visits_ms, compare);
	if (count > 0)
	{
		report.p50_ms = visits_ms[count / 2];
		report.p99_ms = visits_ms[(size_t) (0.99 * (double) (count - 1))];
		report.worst_ms = visits_ms[count - 1];
	}
	_exit(write(answer, &report, sizeof report) == (ssize_t) sizeof report ? 0 : 1);
}

/*
 * Closes what he has from his parent: sockets that are open in two processes are
 * not closed when one of them closes them.
 */
static void
keep_only(int a, int b)
{
	unsigned low = (unsigned) (a < b ? a : b);
	unsigned high = (unsigned) (a < b ? b : a);

	if (low > 3)
		(void) close_range(3, low - 1, 0);
	if (high > low + 1)
		(void) close_range(low + 1, high - 1, 0);
	(void) close_range(high + 1, ~0U, 0);
}

bool
honest_start(int own_port, bool by_tls, int pause_ms, int patience_s)
{
	int stop[2];
	int back[2];

	port = own_port;
	patience = patience_s;
	tls = by_tls ? SSL_CTX_new(TLS_client_method()) : NULL;
	if (pipe2(stop, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0)
		return false;
	random_state = (uint64_t) time(NULL) ^ (uint64_t) getpid() << 32;
	process = fork();
	if (process == 0)
	{
		control = stop[0];
		answer = back[1];
		keep_only(control, answer);
		live(pause_ms);
	}
	close(stop[0]);
	close(back[1]);
	control = stop[1];
	answer = back[0];
	return process > 0;
}

HonestReport
honest_stop(void)
{
	HonestReport his = {0};

	close(control);
	if (read(answer, &his, sizeof his) != (ssize_t) sizeof his)
		his = (HonestReport){.failed = 1, .complaint = "he died"};
	close(answer);
	waitpid(process, NULL, 0);
	return his;
}
