/*
 * wire.c
 *	  Raw sockets: the handshake, frames, and the answer to a note.
 *
 * What is sent is small, so a short write means that the server stopped reading
 * long ago, and counts as the socket's death.
 */
#include "driver.h"

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

#define EVENTS 256

static int poller = -1;

bool
wire_init(void)
{
	poller = epoll_create1(EPOLL_CLOEXEC);
	return poller >= 0;
}

bool
line_open(Line *line)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t) rules.via)};
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = line};
	int				   one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	line->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (line->fd < 0)
	{
		perror("socket");
		exit(2);
	}
	line->length = 0;
	line->asked = false;
	setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if ((connect(line->fd, (struct sockaddr *) &to, sizeof to) < 0 && errno != EINPROGRESS) ||
		epoll_ctl(poller, EPOLL_CTL_ADD, line->fd, &event) < 0)
	{
		line_close(line, false);
		return false;
	}
	return true;
}

void
line_close(Line *line, bool reset)
{
	struct linger now = {1, 0};

	if (line->fd < 0)
		return;
	if (reset)
		setsockopt(line->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(line->fd);
	line->fd = -1;
	line->length = 0;
}

bool
line_bytes(Line *line, const char *bytes, size_t length)
{
	return send(line->fd, bytes, length, MSG_NOSIGNAL) == (ssize_t) length;
}

bool
line_frame(Line *line, int opcode, const char *payload, size_t length)
{
	uint8_t	 frame[MESSAGE_LIMIT + 8];
	size_t	 head = 0;
	uint32_t mask = (uint32_t) visitor_roll(line->owner, UINT32_MAX);

	if (length > MESSAGE_LIMIT)
		return false;
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
	return line_bytes(line, (char *) frame, head + 4 + length);
}

bool
answer_says(const char *text, const char *type)
{
	char field[40];

	snprintf(field, sizeof field, "\"type\":\"%s\"", type);
	return strstr(text, field) != NULL;
}

void
answer_field(const char *text, const char *name, char *value, size_t size)
{
	char		key[32];
	const char *at;
	size_t		length = 0;

	snprintf(key, sizeof key, "\"%s\":\"", name);
	at = strstr(text, key);
	if (at)
	{
		at += strlen(key);
		length = strcspn(at, "\"");
		if (length >= size)
			length = size - 1;
		memcpy(value, at, length);
	}
	value[length] = '\0';
}

/* Drops what was taken from the front of the input. */
static void
take(Line *line, size_t length)
{
	line->length -= length;
	memmove(line->input, line->input + length, line->length);
}

/* Takes whole frames out of the input; false when the socket is gone or spoilt. */
static bool
take_frames(Line *line)
{
	while (line->fd >= 0 && line->length >= 2)
	{
		uint8_t *in = (uint8_t *) line->input;
		int		 opcode = in[0] & 15;
		size_t	 head = 2, length = in[1] & 127;
		char	 text[MESSAGE_LIMIT * 4];

		if (length == 126)
		{
			if (line->length < 4)
				return true;
			head = 4;
			length = (size_t) in[2] << 8 | in[3];
		}
		if (length == 127 || length >= sizeof text)
			return false;
		if (line->length < head + length)
			return true;
		memcpy(text, line->input + head, length);
		text[length] = '\0';
		take(line, head + length);
		if (opcode == 8 || (opcode == 9 && !line_frame(line, 10, text, length)))
			return false;
		if (opcode == 1)
			visitor_heard(line->owner, text);
	}
	return true;
}

/* The server's answer to the handshake; false when it is not the one hoped for. */
static bool
take_answer(Line *line)
{
	char *end;

	line->input[line->length] = '\0';
	end = strstr(line->input, "\r\n\r\n");
	if (end == NULL)
		return true;
	if (strncmp(line->input, "HTTP/1.1 101", 12) != 0)
		return false;
	*end = '\0';
	cookie_take(line->owner, line->input);
	take(line, (size_t) (end + 4 - line->input));
	visitor_greeted(line->owner);
	return true;
}

/* Connected: the request goes out. */
static bool
ask(Line *line)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = line};
	char			   text[1024], cookie[COOKIE_LIMIT + 16];
	int				   length;

	line->asked = true;
	epoll_ctl(poller, EPOLL_CTL_MOD, line->fd, &event);
	if (line->note)
		return line_bytes(line, line->owner->letter, (size_t) line->owner->letter_length);
	cookie_line(line->owner, cookie);
	length =
		snprintf(text, sizeof text,
				 "GET /_view/socket HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\n"
				 "Origin: http://127.0.0.1:%ld\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
				 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
				 "Sec-WebSocket-Protocol: pageviews.v1\r\nUser-Agent: faults\r\n%s\r\n",
				 rules.port, rules.port, cookie);
	return line_bytes(line, text, (size_t) length);
}

/* The connection is over, and the visitor did not do it. */
static void
broken(Line *line)
{
	if (line->note)
		visitor_noted(line->owner, 0);
	else
		visitor_lost(line->owner);
}

static void
line_ready(Line *line, uint32_t events)
{
	ssize_t got;

	if (!line->asked && events & EPOLLOUT && !(events & (EPOLLERR | EPOLLHUP)))
	{
		if (!ask(line))
			broken(line);
		return;
	}
	got = recv(line->fd, line->input + line->length, INPUT_LIMIT - 1 - line->length, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
	{
		broken(line);
		return;
	}
	line->length += (size_t) got;
	if (line->note)
	{
		line->input[line->length] = '\0';
		if (strstr(line->input, "\r\n\r\n"))
			visitor_noted(line->owner, atoi(line->input + strlen("HTTP/1.1 ")));
	}
	else if (line->owner->step == STEP_SHAKING && !take_answer(line))
		visitor_lost(line->owner);
	else if (line->owner->step > STEP_SHAKING && !take_frames(line) && line->fd >= 0)
		visitor_lost(line->owner);
}

/*
 * A line that was closed, and perhaps opened again, by an earlier event of the
 * same batch has nothing to read then, or reads what is its own.
 */
void
wire_wait(int ms)
{
	struct epoll_event events[EVENTS];
	int				   count = epoll_wait(poller, events, EVENTS, ms);

	for (int i = 0; i < count; i++)
	{
		Line *line = events[i].data.ptr;

		if (line->fd >= 0)
			line_ready(line, events[i].events);
	}
}
