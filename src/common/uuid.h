/*
 * uuid.h
 *	  Sixteen bytes that name a session or a view.
 *
 * A view's id is a UUID version 7 made by the browser: its first 48 bits are
 * the milliseconds since the Unix epoch at which the view began, the rest is
 * random and is the right to speak for the view.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_UUID_H
#define PAGEVIEWS_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "clock.h"

#define UUID_TEXT_LENGTH 36

typedef struct Uuid
{
	uint8_t bytes[16];
} Uuid;

static inline bool
uuid_equal(const Uuid *a, const Uuid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool
uuid_is_nil(const Uuid *uuid)
{
	static const Uuid nil;

	return uuid_equal(uuid, &nil);
}

/* When a version 7 id says that it was made. */
static inline WallMillis
uuid_v7_time(const Uuid *uuid)
{
	WallMillis time = 0;

	for (int i = 0; i < 6; i++)
		time = time << 8 | uuid->bytes[i];
	return time;
}

static inline bool
uuid_is_v7(const Uuid *uuid)
{
	return uuid->bytes[6] >> 4 == 7 && uuid->bytes[8] >> 6 == 2;
}

/*
 * Reads the canonical text form: 36 characters, hyphens in their places, hex
 * digits of either case.  False, and *uuid untouched, for anything else.
 */
extern bool uuid_parse(const char *text, size_t length, Uuid *uuid);

/* Writes the canonical lower-case form and a terminating NUL. */
extern void uuid_format(const Uuid *uuid, char text[UUID_TEXT_LENGTH + 1]);

#endif /* PAGEVIEWS_UUID_H */
