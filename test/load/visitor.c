/*
 * visitor.c
 *	  One scripted visitor: the handshake, the frames, and the life of a view.
 *
 * A socket is written only when nothing of it waits to be sent: messages are
 * small and few, so a short write means that the server stopped reading, and
 * counts as the socket's death.
 */
#include "visitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_LIMIT 1024
#define SHAKING_LIMIT 256	/* handshakes at a time */
#define PATIENCE_MS	  20000 /* for any answer */
#define RETRY_MS	  20	/* between two attempts to come back */

Rules  rules = {.views = 1000, .visitors = 100, .addresses = 1};
Totals totals;

static int		poller;
static long		shaking; /* handshakes on their way */
static uint64_t dice[2];

bool
visitors_init(int epoll)
{
	poller = epoll;
	return getrandom(dice, sizeof dice, 0) == sizeof dice;
}

/* xorshift128+: a mask or an id needs no more than to differ. */
static uint64_t
roll(void)
{
	uint64_t a = dice[0];
	uint64_t b = dice[1];

	dice[0] = b;
	a ^= a << 23;
	dice[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
	return dice[1] + b;
}

static void
make_uuid(char text[37])
{
	struct timespec t;
	uint64_t		ms, a = roll(), b = roll();

	clock_gettime(CLOCK_REALTIME, &t);
	ms = (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
	snprintf(text, 37, "%08x-%04x-7%03x-%04x-%012llx", (unsigned) (ms >> 16),
			 (unsigned) (ms & 0xffff), (unsigned) (a & 0xfff),
			 (unsigned) (0x8000 | (a >> 12 & 0x3fff)), (unsigned long long) (b & 0xffffffffffff));
}

static void
latency_add(Latencies *l, int64_t value)
{
	if (l->count == l->capacity)
	{
		l->capacity = l->capacity ? l->capacity * 2 : 4096;
		l->values = realloc(l->values, l->capacity * sizeof *l->values);
		if (l->values == NULL)
			abort();
	}
	l->values[l->count++] = (uint32_t) value;
}

/* --- the socket ----------------------------------------------------------- */

static void
hang_up(Visitor *v, HowToEnd with)
{
	if (v->socket < 0)
		return;
	shaking -= v->step == STEP_SHAKING;
	if (with == END_RST)
	{
		struct linger reset = {1, 0};

		setsockopt(v->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	}
	close(v->socket);
	v->socket = -1;
	v->length = 0;
}

/* The visitor's socket is of no use any more, and it was not his doing. */
static void
lost(Visitor *v)
{
	totals.deaths++;
	hang_up(v, END_FIN);
	if (!rules.resumes || !v->has_view)
	{
		totals.failures++;
		v->has_view = false;
		v->step = STEP_IDLE;
		return;
	}
	if (v->died == 0)
		v->died = now_us();
	v->step = STEP_AWAY;
	v->due = now_us() + RETRY_MS * 1000;
}

/* Small frames into an empty buffer: whole, or the socket is dead. */
static bool
put(Visitor *v, const void *data, size_t length)
{
	return send(v->socket, data, length, MSG_NOSIGNAL) == (ssize_t) length;
}

static bool
put_frame(Visitor *v, int opcode, const char *payload, size_t length)
{
	uint8_t	 frame[MESSAGE_LIMIT + 8];
	size_t	 head = 0;
	uint32_t mask = (uint32_t) roll();

	frame[head++] = (uint8_t) (0x80 | opcode);
	if (length < 126)
		frame[head++] = (uint8_t) (0x80 | length);
	else
	{
		frame[head++] = 0x80 | 126;
		frame[head++] = (uint8_t) (length >> 8);
		frame[head++] = (uint8_t) length;
	}
	memcpy(frame + head, &mask, 4);
	for (size_t i = 0; i < length; i++)
		frame[head + 4 + i] = (uint8_t) payload[i] ^ frame[head + i % 4];
	return put(v, frame, head + 4 + length);
}

/*
 * Says something about the visitor's view; its figures are the time since it
 * began.  An `end` that may not have arrived is said again as it was, whole.
 */
static bool
say(Visitor *v, const char *type)
{
	char	  text[MESSAGE_LIMIT];
	int64_t	  now = now_us();
	long long visible = (now - v->born) / 1000;
	bool	  first = strcmp(type, "view") == 0;
	bool	  last = strcmp(type, "end") == 0;
	bool	  again = last && v->said >= 0;
	int		  length;

	if (again)
		visible = v->said;
	else
		v->n++;
	length = snprintf(text, sizeof text,
					  "{\"type\":\"%s\",\"view\":\"%s\",\"n\":%d,\"state\":\"%s\",\"visible\":%lld,"
					  "\"focused\":%lld,\"active\":%lld,\"elapsed\":%lld",
					  type, v->view, v->n, last ? "hidden" : "visible", visible, visible,
					  visible / 2, visible);
	if (first || again)
		length += snprintf(text + length, sizeof text - (size_t) length,
						   ",\"url\":\"http://127.0.0.1:%ld/page/%d\",\"title\":\"Page\","
						   "\"language\":\"en\",\"time_zone\":\"UTC\"",
						   rules.port, v->number % 50);
	if (last)
	{
		v->said = visible;
		length += snprintf(text + length, sizeof text - (size_t) length, ",\"reason\":\"closed\"");
	}
	text[length++] = '}';
	v->sent = now;
	return put_frame(v, 1, text, (size_t) length);
}

/* Opens a socket and sends the request; the connection may still be on its way. */
static void
call(Visitor *v)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t) rules.port)};
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = v};
	int				   one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	v->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (v->socket < 0)
	{
		perror("socket");
		exit(2);
	}
	setsockopt(v->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (rules.addresses > 1)
	{
		struct sockaddr_in from = {.sin_family = AF_INET};

		from.sin_addr.s_addr =
			htonl((INADDR_LOOPBACK & 0xffffff00) + 1 + (uint32_t) (v->number % rules.addresses));
		setsockopt(v->socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
		bind(v->socket, (struct sockaddr *) &from, sizeof from);
	}
	v->step = STEP_SHAKING;
	shaking++;
	v->due = now_us() + PATIENCE_MS * 1000;
	if (connect(v->socket, (struct sockaddr *) &to, sizeof to) < 0 && errno != EINPROGRESS)
	{
		lost(v);
		return;
	}
	epoll_ctl(poller, EPOLL_CTL_ADD, v->socket, &event);
}

/* --- the life of a view ------------------------------------------------------ */

static void
begin(Visitor *v)
{
	totals.begun++;
	v->has_view = true;
	v->n = 0;
	v->said = -1;
	v->died = 0;
	make_uuid(v->view);
	v->born = now_us();
	v->leaves = 0;
	call(v);
}

static void
finish(Visitor *v)
{
	v->has_view = false;
	v->step = STEP_IDLE;
	v->died = 0;
}

/* The time is over: the view ends the way that the run wants it. */
static void
leave(Visitor *v)
{
	char code[2] = {3, (char) 0xe8};

	if (rules.how == END_SAID)
	{
		v->step = STEP_ENDING;
		v->due = now_us() + PATIENCE_MS * 1000;
		if (!say(v, "end"))
			lost(v);
		return;
	}
	if (rules.how == END_FRAME)
		put_frame(v, 8, code, 2);
	totals.closed++;
	hang_up(v, rules.how);
	finish(v);
}

/* The visitor is heard again: how long was he not? */
static void
note_outage(Visitor *v)
{
	if (v->died != 0 && now_us() - v->died > totals.outage)
		totals.outage = now_us() - v->died;
	v->died = 0;
}

static void
opened(Visitor *v)
{
	int64_t now = now_us();
	bool	back = v->died != 0;

	latency_add(&totals.ack_times, now - v->sent);
	totals.acked++;
	v->step = STEP_OPEN;
	if (!back || v->leaves == 0)
		v->leaves = now + rules.hold_ms * 1000;
	note_outage(v);
	v->due = rules.every_ms ? now + rules.every_ms * 1000 : v->leaves;
	if (!rules.staged && v->leaves <= now)
		leave(v);
}

static bool
says(const char *text, const char *type)
{
	char field[40];

	snprintf(field, sizeof field, "\"type\":\"%s\"", type);
	return strstr(text, field) != NULL;
}

/* A message of the server; only the last one said is waited for. */
static void
heard(Visitor *v, const char *text)
{
	const char *number = strstr(text, "\"n\":");
	int			n = number ? atoi(number + 4) : 0;

	if (v->step == STEP_GREETING && says(text, "hello"))
	{
		bool leftover = v->said >= 0;

		v->step = leftover ? STEP_ENDING : STEP_ANNOUNCED;
		if (!say(v, leftover ? "end" : "view"))
			lost(v);
	}
	else if (v->step == STEP_ANNOUNCED && n == v->n && says(text, "ack"))
		opened(v);
	else if (v->step == STEP_ENDING && n == v->n && says(text, "stored"))
	{
		latency_add(&totals.stored_times, now_us() - v->sent);
		note_outage(v);
		totals.stored++;
		totals.visible_total += v->said;
		put_frame(v, 8, "\003\350", 2);
		hang_up(v, END_FIN);
		finish(v);
	}
	else if (says(text, "refused") || says(text, "error"))
	{
		if (totals.refused++ == 0)
			fprintf(stderr, "%s\n", text);
		hang_up(v, END_FIN);
		finish(v);
	}
}

/* Takes whole frames out of the input; false when the socket is gone or spoilt. */
static bool
take_frames(Visitor *v)
{
	while (v->socket >= 0 && v->length >= 2)
	{
		uint8_t *in = (uint8_t *) v->input;
		int		 opcode = in[0] & 15;
		size_t	 head = 2, length = in[1] & 127;
		char	 text[INPUT_LIMIT];

		if (length == 127)
			return false;
		if (length == 126)
		{
			if (v->length < 4)
				return true;
			head = 4;
			length = (size_t) in[2] << 8 | in[3];
		}
		if (head + length >= sizeof text)
			return false;
		if (v->length < head + length)
			return true;
		memcpy(text, v->input + head, length);
		text[length] = '\0';
		v->length -= (uint32_t) (head + length);
		memmove(v->input, v->input + head + length, v->length);
		if (opcode == 8)
			return false;
		if (opcode == 9 && !put_frame(v, 10, text, length))
			return false;
		if (opcode == 1)
			heard(v, text);
	}
	return true;
}

static bool
take_answer(Visitor *v)
{
	char *end;

	v->input[v->length] = '\0';
	end = strstr(v->input, "\r\n\r\n");
	if (end == NULL)
		return true;
	if (strncmp(v->input, "HTTP/1.1 101", 12) != 0)
	{
		if (totals.failures == 0)
			fprintf(stderr, "%.40s\n", v->input);
		return false;
	}
	totals.handshakes++;
	shaking--;
	v->step = STEP_GREETING;
	v->length -= (uint32_t) (end + 4 - v->input);
	memmove(v->input, end + 4, v->length);
	return true;
}

/* Connected: the request goes out. */
static bool
shake(Visitor *v)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = v};
	char			   text[512];
	int				   length;

	epoll_ctl(poller, EPOLL_CTL_MOD, v->socket, &event);
	length =
		snprintf(text, sizeof text,
				 "GET /_view/socket HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\n"
				 "Origin: http://127.0.0.1:%ld\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
				 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
				 "Sec-WebSocket-Protocol: pageviews.v1\r\nUser-Agent: loadgen\r\n\r\n",
				 rules.port, rules.port);
	return put(v, text, (size_t) length);
}

void
visitor_ready(Visitor *v, uint32_t events)
{
	ssize_t got;

	if (v->step == STEP_SHAKING && events & EPOLLOUT && !(events & (EPOLLERR | EPOLLHUP)))
	{
		if (!shake(v))
			lost(v);
		return;
	}
	got = recv(v->socket, v->input + v->length, INPUT_LIMIT - 1 - v->length, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
	{
		lost(v);
		return;
	}
	v->length += (uint32_t) got;
	if ((v->step == STEP_SHAKING && !take_answer(v)) ||
		(v->step != STEP_SHAKING && !take_frames(v)))
		lost(v);
}

/* What is due for a visitor now. */
void
visitor_sweep(Visitor *v, int64_t now)
{
	if (v->step == STEP_IDLE)
	{
		if (totals.begun < rules.views && shaking < SHAKING_LIMIT)
			begin(v);
	}
	else if (now < v->due)
		return;
	else if (v->step == STEP_AWAY)
	{
		if (shaking < SHAKING_LIMIT)
			call(v);
	}
	else if (v->step != STEP_OPEN)
	{
		fprintf(stderr, "no answer in step %d\n", (int) v->step);
		lost(v);
	}
	else if (!rules.staged && now >= v->leaves)
		leave(v);
	else if (rules.every_ms)
	{
		v->due = now + rules.every_ms * 1000;
		if (!say(v, "state"))
			lost(v);
	}
}
