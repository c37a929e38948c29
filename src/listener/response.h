/*
 * response.h
 *	  An HTTP response, head and body in one piece, with which its connection ends.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_RESPONSE_H
#define PAGEVIEWS_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/clock.h"

/* Free bytes that whoever writes the response may use in front of it. */
#define RESPONSE_HEADROOM 64

typedef struct Response
{
	uint8_t *data;	 /* owned; NULL: nothing to say */
	size_t	 length; /* behind the headroom */
} Response;

/*
 * Builds a response.  `headers` are whole lines, each ended by CR LF; length,
 * date, nosniff and the end of the connection are added.  False, and nothing built, when there is no memory.
 */
extern bool response_make(Response *response, int status, const char *headers, const void *body,
						  size_t length, WallMillis now);

/* A short plain-text response. */
extern bool response_refuse(Response *response, int status, const char *headers, WallMillis now);

extern void response_free(Response *response);

/* What goes on the wire. */
static inline uint8_t *
response_bytes(const Response *response)
{
	return response->data + RESPONSE_HEADROOM;
}

#endif /* PAGEVIEWS_RESPONSE_H */
