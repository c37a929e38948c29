/*
 * speech.c
 *	  What a visitor says: the request, frames, and the messages about a view.
 *
 * A socket is written only when nothing of it waits to be sent: messages are
 * small and few, so a short write means that the server stopped reading, and
 * counts as the socket's death.
 */
#include "speech.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define MESSAGE_LIMIT 1024

#define USER_AGENT                                                                      \
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) " \
	"Chrome/140.0.0.0 Safari/537.36"

static uint64_t dice[2];

bool
speech_init(void)
{
	return getrandom(dice, sizeof dice, 0) == sizeof dice;
}

/* xorshift128+: a mask or an id needs no more than to differ. */
uint64_t
roll(void)
{
	uint64_t a = dice[0];
	uint64_t b = dice[1];

	dice[0] = b;
	a ^= a << 23;
	dice[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
	return dice[1] + b;
}

void
make_uuid(char text[37])
{
	uint64_t ms = (uint64_t) wall_us() / 1000, a = roll(), b = roll();

	snprintf(text, 37, "%08x-%04x-7%03x-%04x-%012llx", (unsigned) (ms >> 16),
			 (unsigned) (ms & 0xffff), (unsigned) (a & 0xfff),
			 (unsigned) (0x8000 | (a >> 12 & 0x3fff)), (unsigned long long) (b & 0xffffffffffff));
}

/* Small frames into an empty buffer: whole, or the socket is dead. */
static bool
put(Visitor *v, const void *data, size_t length)
{
	return send(v->socket, data, length, MSG_NOSIGNAL) == (ssize_t) length;
}

bool
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

/* The fields that a view carries beside its figures. */
static int
describe_page(const Visitor *v, char *text, size_t size)
{
	return snprintf(text, size,
					",\"url\":\"http://127.0.0.1:%ld/page/%d\",\"title\":\"Page\","
					"\"language\":\"en\",\"time_zone\":\"UTC\"",
					rules.port, v->number % 50);
}

bool
say_leftover(Visitor *v)
{
	char	  text[MESSAGE_LIMIT];
	long long visible = v->previous_said;
	int		  length;

	length =
		snprintf(text, sizeof text,
				 "{\"type\":\"end\",\"view\":\"%s\",\"n\":%d,\"state\":\"hidden\",\"visible\":%lld,"
				 "\"focused\":%lld,\"active\":%lld,\"elapsed\":%lld,\"reason\":\"closed\"",
				 v->previous, v->previous_n, visible, visible, visible / 2, visible);
	length += describe_page(v, text + length, sizeof text - (size_t) length);
	text[length++] = '}';
	totals.repeated++;
	return put_frame(v, 1, text, (size_t) length);
}

bool
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
		length += describe_page(v, text + length, sizeof text - (size_t) length);
	if (last)
	{
		v->said = visible;
		length += snprintf(text + length, sizeof text - (size_t) length, ",\"reason\":\"closed\"");
	}
	text[length++] = '}';
	v->sent = now;
	return put_frame(v, 1, text, (size_t) length);
}

bool
ask_upgrade(Visitor *v)
{
	char text[512];
	int	 length;

	length =
		snprintf(text, sizeof text,
				 "GET /_view/socket HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\n"
				 "Origin: http://127.0.0.1:%ld\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
				 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
				 "Sec-WebSocket-Protocol: pageviews.v1\r\nUser-Agent: " USER_AGENT "\r\n\r\n",
				 rules.port, rules.port);
	return put(v, text, (size_t) length);
}
