/*
 * reply.c
 *	  Writing the server's side of the wire.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What snprintf() said, but 0 for what did not fit. */
static size_t
fitted(int length, size_t capacity)
{
	return length < 0 || (size_t) length >= capacity ? 0 : (size_t) length;
}

/* Copies clean text as the inside of a JSON string, NUL-terminated; cuts what does not fit. */
static void
escape(Text text, char *out, size_t capacity)
{
	size_t written = 0;

	for (int i = 0; i < text.length && written + 7 <= capacity; i++)
	{
		unsigned char c = (unsigned char) text.data[i];

		if (c == '"' || c == '\\' || c < 0x20)
			written += (size_t) snprintf(out + written, 7, "\\u%04x", (unsigned) c);
		else
			out[written++] = (char) c;
	}
	out[written] = '\0';
}

size_t
reply_hello(char *out, size_t capacity, WallMillis now, int32_t heartbeat)
{
	return fitted(snprintf(out, capacity,
						   "{\"type\":\"hello\",\"now\":%" PRId64 ",\"heartbeat\":%" PRId32 "}",
						   now, heartbeat),
				  capacity);
}

typedef struct Writer
{
	char  *at;
	size_t left; /* with room for the NUL; 0: something did not fit */
} Writer;

static void
put(Writer *w, const char *text)
{
	size_t length = strlen(text);

	if (length >= w->left)
	{
		w->left = 0;
		return;
	}
	memcpy(w->at, text, length + 1);
	w->at += length;
	w->left -= length;
}

static size_t
reply_about_view(char *out, size_t capacity, const char *type, const Uuid *view, int32_t n)
{
	char   id[UUID_TEXT_LENGTH + 1];
	char   number[12];
	char  *digits = number + sizeof number;
	Writer w = {out, capacity};

	/* Most of what is said is this; snprintf() takes five times as long. */
	*--digits = '\0';
	for (uint32_t rest = n > 0 ? (uint32_t) n : 0; digits[0] == '\0' || rest > 0; rest /= 10)
		*--digits = (char) ('0' + rest % 10);
	uuid_format(view, id);
	put(&w, "{\"type\":\"");
	put(&w, type);
	put(&w, n == EVENT_NUMBER ? "\",\"event\":\"" : "\",\"view\":\"");
	put(&w, id);
	if (n == EVENT_NUMBER)
		put(&w, "\"");
	else
	{
		put(&w, "\",\"n\":");
		put(&w, digits);
	}
	put(&w, "}");
	return w.left > 0 ? capacity - w.left : 0;
}

size_t
reply_acknowledged(char *out, size_t capacity, const Uuid *view, int32_t n)
{
	return reply_about_view(out, capacity, "ack", view, n);
}

size_t
reply_stored(char *out, size_t capacity, const Uuid *view, int32_t n)
{
	return reply_about_view(out, capacity, "stored", view, n);
}

size_t
reply_refused(char *out, size_t capacity, const Uuid *view, int32_t n, Text code, Text message,
			  WallMillis now)
{
	char id[UUID_TEXT_LENGTH + 1];
	char number[24] = "";
	char clock[32] = "";
	char escaped_code[6 * REFUSAL_CODE_LIMIT + 8];
	char escaped_message[6 * REFUSAL_TEXT_LIMIT + 8];

	uuid_format(view, id);
	escape(code, escaped_code, sizeof escaped_code);
	escape(message, escaped_message, sizeof escaped_message);
	if (n != EVENT_NUMBER)
		snprintf(number, sizeof number, ",\"n\":%" PRId32, n);
	if (now != 0)
		snprintf(clock, sizeof clock, ",\"now\":%" PRId64, now);
	return fitted(
		snprintf(out, capacity,
				 "{\"type\":\"refused\",\"%s\":\"%s\"%s,\"code\":\"%s\",\"message\":\"%s\"%s}",
				 n == EVENT_NUMBER ? "event" : "view", id, number, escaped_code, escaped_message,
				 clock),
		capacity);
}

size_t
reply_error(char *out, size_t capacity, Text code, Text message)
{
	char escaped_code[6 * REFUSAL_CODE_LIMIT + 8];
	char escaped_message[6 * REFUSAL_TEXT_LIMIT + 8];

	escape(code, escaped_code, sizeof escaped_code);
	escape(message, escaped_message, sizeof escaped_message);
	return fitted(snprintf(out, capacity, "{\"type\":\"error\",\"code\":\"%s\",\"message\":\"%s\"}",
						   escaped_code, escaped_message),
				  capacity);
}
