/*
 * text.h
 *	  Slices of text that came from the network, and the rules they must obey.
 *
 * A Text points into somebody else's memory and is never NUL-terminated.  Text
 * is clean when it is valid UTF-8 (no surrogates, no overlong forms, nothing
 * above U+10FFFF) without NUL and without C0, DEL or C1 control characters.
 * The listener cleans; the worker only accepts what is clean already.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_TEXT_H
#define PAGEVIEWS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Text
{
	const char *data;	/* may be NULL when length is 0 */
	uint16_t	length; /* bytes */
} Text;

static inline bool
text_equal(Text a, Text b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* A NUL-terminated literal or string as a Text; longer than 65,535 bytes is cut. */
extern Text text_of(const char *string);

/* Whether `data` obeys the rules above; an empty text does. */
extern bool text_is_clean(const char *data, size_t length);

/* Whether `data` is valid UTF-8. */
extern bool text_is_utf8(const char *data, size_t length);

/*
 * Copies `length` bytes of `data` into `out` (at most `capacity` bytes), cut at
 * a character boundary, with every control character replaced by a space.
 * Returns the bytes written; 0 for text that is not valid UTF-8.
 */
extern size_t text_clean(const char *data, size_t length, char *out, size_t capacity);

/* The longest prefix of at most `limit` bytes that ends at a character boundary. */
extern size_t text_clip(const char *data, size_t length, size_t limit);

/*
 * Copies text for a log line: control characters, bytes above 0x7e, quotes and
 * backslashes become \xNN.  Always terminates; cuts with "..." when too long.
 */
extern void text_escape(const char *data, size_t length, char *out, size_t capacity);

#endif /* PAGEVIEWS_TEXT_H */
