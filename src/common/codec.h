/*
 * codec.h
 *	  Bounds-checked reading and writing of the channel's binary fields.
 *
 * Both ends run on one machine from one build, so integers travel in native
 * byte order; the protocol version in the first record says so.  A cursor that
 * ran out of room, or met a bad value, is `failed` for good: callers check once
 * at the end.  Reading never allocates: texts are slices of the buffer.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_CODEC_H
#define PAGEVIEWS_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "text.h"
#include "uuid.h"

typedef struct Writer
{
	uint8_t *at;
	uint8_t *end;
	bool	 failed;
} Writer;

typedef struct Reader
{
	const uint8_t *at;
	const uint8_t *end;
	bool		   failed;
} Reader;

static inline void
write_bytes(Writer *w, const void *data, size_t length)
{
	if (w->failed || (size_t) (w->end - w->at) < length)
	{
		w->failed = true;
		return;
	}
	if (length > 0)
		memcpy(w->at, data, length);
	w->at += length;
}

static inline bool
read_bytes(Reader *r, void *data, size_t length)
{
	if (r->failed || (size_t) (r->end - r->at) < length)
	{
		r->failed = true;
		memset(data, 0, length);
		return false;
	}
	memcpy(data, r->at, length);
	r->at += length;
	return true;
}

#define CODEC_INTEGER(name, type)                          \
	static inline void write_##name(Writer *w, type value) \
	{                                                      \
		write_bytes(w, &value, sizeof value);              \
	}                                                      \
	static inline type read_##name(Reader *r)              \
	{                                                      \
		type value;                                        \
                                                           \
		read_bytes(r, &value, sizeof value);               \
		return value;                                      \
	}

CODEC_INTEGER(u8, uint8_t)
CODEC_INTEGER(u16, uint16_t)
CODEC_INTEGER(u32, uint32_t)
CODEC_INTEGER(u64, uint64_t)
CODEC_INTEGER(i8, int8_t)
CODEC_INTEGER(i32, int32_t)
CODEC_INTEGER(i64, int64_t)
CODEC_INTEGER(double, double)

/* A byte that must be below `count`: every enum travels so. */
static inline unsigned
read_enum(Reader *r, unsigned count)
{
	unsigned value = read_u8(r);

	if (value >= count)
	{
		r->failed = true;
		return 0;
	}
	return value;
}

static inline void
write_uuid(Writer *w, const Uuid *uuid)
{
	write_bytes(w, uuid->bytes, sizeof uuid->bytes);
}

static inline Uuid
read_uuid(Reader *r)
{
	Uuid uuid;

	read_bytes(r, uuid.bytes, sizeof uuid.bytes);
	return uuid;
}

static inline void
write_text(Writer *w, Text text)
{
	write_u16(w, text.length);
	write_bytes(w, text.data, text.length);
}

/* A slice of at most `limit` bytes, not checked for what it contains. */
static inline Text
read_slice(Reader *r, size_t limit)
{
	Text	 text = {NULL, 0};
	uint16_t length = read_u16(r);

	if (r->failed || length > limit || (size_t) (r->end - r->at) < length)
	{
		r->failed = true;
		return text;
	}
	text.data = (const char *) r->at;
	text.length = length;
	r->at += length;
	return text;
}

/* A slice of at most `limit` bytes that is clean (text.h). */
static inline Text
read_text(Reader *r, size_t limit)
{
	Text text = read_slice(r, limit);

	if (!r->failed && !text_is_clean(text.data, text.length))
	{
		r->failed = true;
		text.length = 0;
	}
	return text;
}

#endif /* PAGEVIEWS_CODEC_H */
