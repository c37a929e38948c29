/*
 * attack.c
 *	  Hostile connections: the grammar of HTTP and of websockets, bent by chance.
 *
 * Something well-formed is built first, and then bent in a few places, or not at
 * all, so that an attack gets as far as the parser that it is for.
 */
#include "attack.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../unit/chance.h"

static int			  port;
static bool			  speaks_tls;
static const uint8_t *hello;
static size_t		  hello_length;

void
attack_init(int own_port, bool tls, const uint8_t *client_hello, size_t client_hello_length)
{
	port = own_port;
	speaks_tls = tls;
	hello = client_hello;
	hello_length = client_hello_length;
}

void
attack_view(char view[37], uint64_t random)
{
	struct timespec now;
	uint64_t		ms;

	clock_gettime(CLOCK_REALTIME, &now);
	ms = (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
	snprintf(view, 37, "%08x-%04x-7%03x-%04x-%012llx", (unsigned) (ms >> 16),
			 (unsigned) (ms & 0xffff), (unsigned) (random & 0xfff),
			 (unsigned) (0x8000 | (random >> 12 & 0x3fff)), (unsigned long long) (random >> 16));
}

/* --- building ---------------------------------------------------------------- */

static void
put(Attack *a, const void *data, size_t length)
{
	if (length > sizeof a->bytes - a->length)
		length = sizeof a->bytes - a->length;
	memcpy(a->bytes + a->length, data, length);
	a->length += length;
}

static void __attribute__((format(printf, 2, 3))) say(Attack *a, const char *format, ...)
{
	char			  text[2048];
	__builtin_va_list arguments;
	int				  length;

	__builtin_va_start(arguments, format);
	length = vsnprintf(text, sizeof text, format, arguments);
	__builtin_va_end(arguments);
	put(a, text, (size_t) length < sizeof text ? (size_t) length : sizeof text - 1);
}

static void
put_noise(Attack *a, int length)
{
	for (int i = 0; i < length; i++)
	{
		uint8_t byte = (uint8_t) draw();

		put(a, &byte, 1);
	}
}

static void
put_many(Attack *a, char c, int length)
{
	for (int i = 0; i < length; i++)
		put(a, &c, 1);
}

#define ONE_OF(list) ((list)[below((int) (sizeof(list) / sizeof *(list)))])

/* Changes a few places from `start` on. */
static void
bend(Attack *a, size_t start)
{
	static const char *const inserts[] = {"\r\n",  "\r\n\r\n", "\n",  "%",	"%00", "..", "//",
										  "?&;=",  ": ",	   " ",	  "\t", ",",   "\"", "\\u0000",
										  "\xff",  "\xc2\x85", "{",	  "[",	"}",   "]",	 "-1",
										  "1e999", "\\ud800",  "\x7f"};

	for (int changes = below(5); changes > 0 && a->length > start; changes--)
	{
		size_t		at = start + (size_t) draw() % (a->length - start);
		size_t		rest = a->length - at;
		const char *insert = ONE_OF(inserts);
		size_t		length = strlen(insert);

		switch (below(6))
		{
			case 0:
				a->bytes[at] = (uint8_t) draw();
				break;
			case 1:
				a->bytes[at] ^= (uint8_t) (1 << below(8));
				break;
			case 2:
				length = 1 + (size_t) below(9);
				length = length < rest ? length : rest;
				memmove(a->bytes + at, a->bytes + at + length, rest - length);
				a->length -= length;
				break;
			case 3:
				if (a->length + length > sizeof a->bytes)
					break;
				memmove(a->bytes + at + length, a->bytes + at, rest);
				memcpy(a->bytes + at, insert, length);
				a->length += length;
				break;
			case 4:
				/* The beginning once more, in the middle. */
				length = rest < 60 ? rest : 60;
				memmove(a->bytes + at, a->bytes + start, length);
				break;
			case 5:
				if (chance(30))
					a->length = at;
				break;
		}
	}
}

/* --- HTTP -------------------------------------------------------------------- */

static void
put_message(Attack *a)
{
	static const char *const types[] = {"view", "view", "view", "state", "end", "drop"};
	static const char *const states[] = {"visible", "hidden", "focused", "gone"};
	static const char *const paths[] = {
		"/",  "/a?utm_source=x&b=c#d", "/%%", "/\\u0007\\u202e", "//x/",
		"?q", "/\\ud83d\\ude00",	   ":1"};
	static const char *const props[] = {"{}", "{\"a\":1,\"b\":\"\\u0001x\"}", "[]", "{\"a\":{}}",
										"{\"a\":1e308,\"b\":-0.0,\"c\":null}"};
	char					 view[37];

	attack_view(view, draw());
	say(a,
		"{\"type\":\"%s\",\"view\":\"%s\",\"n\":%d,\"state\":\"%s\",\"visible\":%d,\"focused\":%d,"
		"\"active\":%d,\"elapsed\":%d,\"reason\":\"closed\",\"url\":\"http://127.0.0.1:%d%s\","
		"\"title\":\"t\\u0001\\u001b[31m\",\"referrer\":\"https://x.example/%d?utm_a=1\",\"props\":%s}",
		ONE_OF(types), view, 1 + below(3), ONE_OF(states), below(5000), below(5000), below(5000),
		below(5000), port, ONE_OF(paths), below(100), ONE_OF(props));
}

static void
put_headers(Attack *a)
{
	static const char *const odd[] = {
		"Transfer-Encoding: chunked\r\n",
		"Expect: 100-continue\r\n",
		"Connection: close\r\n",
		"Connection: keep-alive, Upgrade\r\n",
		"Cookie: _pageviews_session=1.1.AAAAAAAAAAAAAAAAAAAAAA.6.B\r\n",
		"Cookie: ;;=;_pageviews_session=\r\n",
		"X-Forwarded-For: 1.2.3.4,\r\n",
		"X-Forwarded-Proto: https\r\n",
		"Accept-Encoding: gzip;q=0, *\r\n",
		"If-None-Match: W/\"x\", \"\r\n",
		"Sec-GPC: 1\r\n",
		"Purpose: prefetch\r\n",
		"User-Agent: \x1b[2J\x07 bot\r\n",
		"Host: other\r\n",
		" folded: line\r\n",
		"NoColon\r\n",
		"Range: bytes=0-\r\n",
		": empty\r\n",
		"Upgrade: foo\r\n",
		"Content-Length: 5\r\n",
		"Authorization: Basic AAAA\r\n",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"};

	for (int i = below(4); i > 0; i--)
		say(a, "%s", ONE_OF(odd));
	if (chance(4))
	{
		say(a, "X-Long: ");
		put_many(a, 'h', below(12000));
		say(a, "\r\n");
	}
	if (chance(4))
		for (int i = below(300); i > 0; i--)
			say(a, "X-%d: %d\r\n", i, i);
}

static void
put_request(Attack *a)
{
	static const char *const methods[] = {"GET",	 "GET", "GET",	   "POST",	"HEAD",
										  "OPTIONS", "PUT", "CONNECT", "TRACE", "PRI"};
	static const char *const paths[] = {"/_view/client.js",
										"/_view/healthz",
										"/page_a",
										"/",
										"/_view/socket",
										"/_view/note",
										"/%41/../_view//healthz?a=%zz",
										"*",
										"http://h/_view/client.js",
										"/..%2f..%2fetc/passwd",
										"/_view/client.js?%00"};

	say(a, "%s %s", ONE_OF(methods), ONE_OF(paths));
	if (chance(5))
		put_many(a, "a/%.?&"[below(6)], below(9000));
	say(a, " HTTP/1.%d\r\nHost: 127.0.0.1:%d\r\n", chance(90), port);
	put_headers(a);
	say(a, "\r\n");
}

static void
put_upgrade(Attack *a, bool good)
{
	static const char *const offers[] = {
		"permessage-deflate",
		"permessage-deflate; client_max_window_bits=8; server_max_window_bits=8",
		"permessage-deflate, permessage-deflate; x",
		"x-webkit-deflate-frame",
		";;;,,,=",
		"mux; a=\"\\\"\""};
	static const char *const upgrades[] = {"h2c", "foo", "websocket, h2c", "", "WebSocket/13"};

	say(a,
		"GET /_view/socket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: %s\r\nConnection: Upgrade%s\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: %d\r\n"
		"Sec-WebSocket-Protocol: pageviews.v1\r\nOrigin: http://127.0.0.1:%d\r\n",
		port, good || chance(70) ? "websocket" : ONE_OF(upgrades),
		good || chance(80) ? "" : ", HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
		good || chance(80) ? 13 : below(20), port);
	if (chance(40))
		say(a, "Sec-WebSocket-Extensions: %s\r\n", ONE_OF(offers));
	if (!good)
		put_headers(a);
	say(a, "\r\n");
}

static void
put_note(Attack *a)
{
	static const int lies[] = {0, 1, -1, 7, 65537, 100000000};
	static Attack	 body;
	long			 length;

	body.length = 0;
	say(&body, "[");
	for (int i = below(4); i >= 0; i--)
	{
		put_message(&body);
		say(&body, i > 0 ? "," : "]");
	}
	if (chance(60))
		bend(&body, 0);
	length = (long) body.length + (chance(85) ? 0 : ONE_OF(lies));
	say(a,
		"POST /_view/note HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\n"
		"Content-Type: text/plain\r\nContent-Length: %ld\r\n",
		port, port, length);
	if (chance(30))
		put_headers(a);
	say(a, "\r\n");
	put(a, body.bytes, body.length);
}

/* --- frames ------------------------------------------------------------------- */

static void
put_frame(Attack *a, int opcode, bool last, const uint8_t *payload, size_t length)
{
	uint8_t head[14];
	size_t	at = 2;
	bool	masked = !chance(4);
	uint8_t mask[4];

	head[0] = (uint8_t) ((last ? 0x80 : 0) | (chance(3) ? 0x10 << below(3) : 0) | opcode);
	if (length < 126)
		head[1] = (uint8_t) length;
	else if (length < 65536 && !chance(5))
	{
		head[1] = 126;
		head[at++] = (uint8_t) (length >> 8);
		head[at++] = (uint8_t) length;
	}
	else
	{
		head[1] = 127;
		for (int i = 7; i >= 0; i--)
			head[at++] = (uint8_t) ((chance(2) ? UINT64_MAX : (uint64_t) length) >> (8 * i));
	}
	if (masked)
	{
		head[1] |= 0x80;
		for (int i = 0; i < 4; i++)
			head[at++] = mask[i] = (uint8_t) draw();
	}
	put(a, head, at);
	for (size_t i = 0; i < length; i++)
	{
		uint8_t byte = masked ? payload[i] ^ mask[i & 3] : payload[i];

		put(a, &byte, 1);
	}
}

static void
put_frames(Attack *a)
{
	static const int opcodes[] = {1, 1, 1, 1, 1, 1, 0, 2, 8, 9, 10, 3, 11, 15};
	static const int sizes[] = {0, 1, 2, 5, 125, 126, 127, 300, 4096, 4097, 5000, 66000};
	static Attack	 payload;

	/* Now and then messages only, whole and well-formed. */
	bool gentle = chance(30);

	for (int frames = below(8); frames >= 0; frames--)
	{
		int	   opcode = gentle ? 1 : ONE_OF(opcodes);
		size_t cut;

		payload.length = 0;
		/* Noise is refused as no UTF-8 before it is too long. */
		if (!gentle && chance(25))
			put_many(&payload, ' ', below(6000));
		if (gentle || chance(70))
			put_message(&payload);
		else
			put_noise(&payload, ONE_OF(sizes));
		if (!gentle && chance(50))
			bend(&payload, 0);
		if (opcode >= 8 && !chance(10) && payload.length > 125)
			payload.length = (size_t) below(126);
		cut = payload.length > 0 && chance(30) ? (size_t) draw() % payload.length : 0;
		if (cut > 0)
		{
			/* In pieces, now and then with another frame or very many empty ones in between. */
			put_frame(a, opcode, false, payload.bytes, cut);
			if (chance(30))
				put_frame(a, 9, true, payload.bytes, cut < 125 ? cut : 125);
			for (int i = chance(5) ? below(300) : 0; i > 0; i--)
				put_frame(a, 0, false, NULL, 0);
			put_frame(a, 0, true, payload.bytes + cut, payload.length - cut);
		}
		else
			put_frame(a, opcode, gentle || !chance(10), payload.bytes, payload.length);
	}
}

/* --- other protocols ------------------------------------------------------------ */

static void
put_http2(Attack *a)
{
	say(a, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	for (int i = below(6); i >= 0; i--)
	{
		int		length = below(40);
		uint8_t head[9] = {0, 0, (uint8_t) length,	(uint8_t) below(12), (uint8_t) draw(), 0,
						   0, 0, (uint8_t) below(4)};

		put(a, head, sizeof head);
		put_noise(a, length);
	}
}

static void
put_tls(Attack *a)
{
	size_t start = a->length;

	if (chance(70))
		put(a, hello, hello_length);
	for (int i = below(4); i > 0; i--)
	{
		int		length = below(300);
		uint8_t head[5] = {(uint8_t) (20 + below(5)), 3, (uint8_t) below(5),
						   (uint8_t) (length >> 8), (uint8_t) length};

		put(a, head, sizeof head);
		put_noise(a, length);
	}
	bend(a, start);
}

/* --- the whole ------------------------------------------------------------------ */

static void
put_attack(Attack *a)
{
	int kind = below(100);

	if (speaks_tls ? kind < 85 : kind < 5)
		put_tls(a);
	else if (kind < 20)
		put_request(a);
	else if (kind < 26)
	{
		put_request(a);
		put_request(a);
	}
	else if (kind < 34)
		put_upgrade(a, false);
	else if (kind < 50)
		put_note(a);
	else if (kind < 54)
		put_http2(a);
	else if (kind < 57)
		put_noise(a, below(2000));
	else
	{
		put_upgrade(a, true);
		put_frames(a);
		if (chance(20))
			bend(a, 300);
		return;
	}
	if (chance(60))
		bend(a, 0);
}

void
attack_make(Attack *a, uint64_t seed, uint64_t number)
{
	random_state = seed * UINT64_C(0xd1342543de82ef95) + number;
	a->length = 0;
	put_attack(a);

	a->piece_count = 1;
	if (chance(50))
		a->piece_count += below(ATTACK_PIECES);
	for (int i = 0; i < a->piece_count - 1; i++)
	{
		size_t from = i > 0 ? a->pieces[i - 1] : 0;

		a->pieces[i] = from + (a->length > from ? (size_t) draw() % (a->length - from) : 0);
	}
	a->pieces[a->piece_count - 1] = a->length;
	a->pause_ms = below(8);
	a->linger_ms = chance(90) ? below(60) : below(300);
	a->end = (AttackEnd) below(4);
}
