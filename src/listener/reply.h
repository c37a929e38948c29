/*
 * reply.h
 *	  The JSON that a listener says on a socket.
 *
 * Each writes one object into `out` and returns its length, 0 when it does not
 * fit (REPLY_LIMIT is room for any).  What is about an event, which EVENT_NUMBER
 * says, names an `event`, and no n.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_REPLY_H
#define PAGEVIEWS_REPLY_H

#include <stddef.h>

#include "../common/record.h"

/* Every byte of the longest refusal escaped as \u00XX, and the rest. */
#define REPLY_LIMIT (6 * (REFUSAL_CODE_LIMIT + REFUSAL_TEXT_LIMIT) + 256)

extern size_t reply_hello(char *out, size_t capacity, WallMillis now, int32_t heartbeat);
extern size_t reply_acknowledged(char *out, size_t capacity, const Uuid *view, int32_t n);
extern size_t reply_stored(char *out, size_t capacity, const Uuid *view, int32_t n);

/* `now` is the server's clock, for a refusal that is about the browser's; 0 is not said. */
extern size_t reply_refused(char *out, size_t capacity, const Uuid *view, int32_t n, Text code,
							Text message, WallMillis now);
extern size_t reply_error(char *out, size_t capacity, Text code, Text message);

#endif /* PAGEVIEWS_REPLY_H */
