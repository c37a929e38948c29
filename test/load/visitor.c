/*
 * visitor.c
 *	  One scripted visitor: its socket, what it hears, and the life of a view.
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
#include <sys/socket.h>
#include <unistd.h>

#include "speech.h"

#define SHAKING_LIMIT 256	/* handshakes at a time */
#define PATIENCE_MS	  20000 /* for any answer */
#define RETRY_MS	  20	/* between two attempts to come back */

Rules  rules = {.views = 1000, .visitors = 100, .addresses = 1};
Totals totals;

static int		 poller;
static long		 shaking; /* handshakes on their way */
static Visitor **idle;	  /* a stack of those with nothing to do */
static long		 idle_count;
static int64_t	 started; /* when the first one began */
static long		 calls;	  /* so far: each from the next address */

Visitor *
visitors_init(int epoll)
{
	Visitor *all = calloc((size_t) rules.visitors, sizeof *all);

	poller = epoll;
	idle = calloc((size_t) rules.visitors, sizeof *idle);
	if (all == NULL || idle == NULL || !speech_init())
		return NULL;
	for (long i = rules.visitors - 1; i >= 0; i--)
	{
		all[i].socket = -1;
		all[i].number = (int) i;
		idle[idle_count++] = &all[i];
	}
	return all;
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
	v->pinged = 0;
}

/* Nothing more to do for this one; its next view may begin. */
static void
rest(Visitor *v)
{
	v->has_view = false;
	v->step = STEP_IDLE;
	v->died = 0;
	idle[idle_count++] = v;
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
		rest(v);
		return;
	}
	if (v->died == 0)
		v->died = now_us();
	v->step = STEP_AWAY;
	v->due = now_us() + RETRY_MS * 1000;
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
			htonl((INADDR_LOOPBACK & 0xffffff00) + 1 + (uint32_t) (calls++ % rules.addresses));
		setsockopt(v->socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
		bind(v->socket, (struct sockaddr *) &from, sizeof from);
	}
	v->step = STEP_SHAKING;
	v->called = now_us();
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

/* The time is over: the view ends the way that the run wants it. */
static void
leave(Visitor *v)
{
	static const char code[2] = {3, (char) 0xe8};

	if (rules.how == END_CLOSE)
	{
		v->step = STEP_CLOSING;
		v->due = now_us() + PATIENCE_MS * 1000;
		if (!rules.echo && !say(v, "end"))
		{
			lost(v);
			return;
		}
		totals.last_left = wall_us();
		if (totals.first_left == 0)
			totals.first_left = totals.last_left;
		if (rules.log != NULL)
			fprintf(rules.log, "%s\t%lld\n", v->view, (long long) totals.last_left);
		if (!put_frame(v, 8, code, 2))
			lost(v);
		return;
	}
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
	rest(v);
}

/* The server has closed too. */
static void
closed(Visitor *v)
{
	totals.closed++;
	memcpy(v->previous, v->view, sizeof v->previous);
	v->previous_n = v->n;
	v->previous_said = v->said;
	hang_up(v, END_FIN);
	rest(v);
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
	latency_add(&totals.visit_times, now - v->called);
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

	if (v->step == STEP_GREETING && rules.mute && says(text, "hello"))
	{
		v->step = STEP_OPEN;
		v->leaves = v->due = now_us() + rules.hold_ms * 1000;
	}
	else if (v->step == STEP_GREETING && says(text, "hello"))
	{
		bool leftover = v->said >= 0;

		v->step = leftover ? STEP_ENDING : STEP_ANNOUNCED;
		if (!leftover && v->previous[0] != '\0' && (long) (roll() % 100) < rules.leftovers &&
			!say_leftover(v))
			lost(v);
		else if (!say(v, leftover ? "end" : "view"))
			lost(v);
	}
	else if (rules.leftovers && v->previous[0] != '\0' && strstr(text, v->previous) != NULL)
	{
		totals.answered += says(text, "stored");
		totals.refused += says(text, "refused");
	}
	else if (v->step == STEP_ANNOUNCED && (rules.echo || (n == v->n && says(text, "ack"))))
		opened(v);
	else if (v->step == STEP_ENDING && n == v->n && says(text, "stored"))
	{
		latency_add(&totals.stored_times, now_us() - v->sent);
		note_outage(v);
		totals.stored++;
		totals.visible_total += v->said;
		put_frame(v, 8, "\003\350", 2);
		hang_up(v, END_FIN);
		rest(v);
	}
	else if (says(text, "refused") || says(text, "error"))
	{
		if (totals.refused++ == 0)
			fprintf(stderr, "%s\n", text);
		hang_up(v, END_FIN);
		rest(v);
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
		if (opcode == 8 && v->step == STEP_CLOSING)
		{
			closed(v);
			return true;
		}
		if (opcode == 8)
			return false;
		if (opcode == 10 && v->pinged != 0)
		{
			latency_add(&totals.ping_times, now_us() - v->pinged);
			v->pinged = 0;
		}
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
	if (rules.echo)
	{
		v->step = STEP_ANNOUNCED;
		return say(v, "view");
	}
	return take_frames(v);
}

void
visitor_ready(Visitor *v, uint32_t events)
{
	ssize_t got;

	if (v->step == STEP_SHAKING && events & EPOLLOUT && !(events & (EPOLLERR | EPOLLHUP)))
	{
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = v};

		epoll_ctl(poller, EPOLL_CTL_MOD, v->socket, &event);
		if (!ask_upgrade(v))
			lost(v);
		return;
	}
	got = recv(v->socket, v->input + v->length, INPUT_LIMIT - 1 - v->length, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got == 0 && v->step == STEP_CLOSING)
	{
		closed(v);
		return;
	}
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

bool
visitors_begin(void)
{
	if (started == 0)
		started = now_us();
	while (totals.begun < rules.views)
	{
		if (idle_count == 0 || shaking >= SHAKING_LIMIT)
			return true;
		if (rules.rate > 0 && !rules.staged)
		{
			int64_t late = now_us() - (started + totals.begun * 1000000 / rules.rate);

			if (late < 0)
				return true;
			if (late > totals.late)
				totals.late = late;
		}
		begin(idle[--idle_count]);
	}
	return false;
}

bool
visitor_ping(Visitor *v)
{
	v->pinged = now_us();
	return put_frame(v, 9, "ping", 4);
}

/* What is due for a visitor now. */
void
visitor_sweep(Visitor *v, int64_t now)
{
	if (v->step == STEP_IDLE || now < v->due)
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
