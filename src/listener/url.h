/*
 * url.h
 *	  The parts of a page's address that are kept, and nothing else of it.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_URL_H
#define PAGEVIEWS_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "../common/text.h"
#include "arena.h"

typedef struct Url
{
	bool https;
	Text site;	/* lower case, with the port unless it is the scheme's own */
	Text path;	/* starts with '/' */
	Text query; /* the kept parameters, without '?' */
} Url;

/*
 * Reads an absolute http or https address and keeps, in the arena, what
 * `parameters` (names separated by spaces; "utm_*" is a prefix) allows: each
 * name once, in the order of the address.  Path and query are cut at their
 * limits, the query between parameters.  False for anything else, and for an
 * address with a user name or password.
 */
extern bool url_parse(const char *data, size_t length, Text parameters, Arena *arena, Url *url);

/* Puts an address together again, at most `limit` bytes; empty if the arena is full. */
extern Text url_join(const Url *url, Arena *arena, size_t limit);

/*
 * Reads "host" or "host:port" into `out`, lower case, without the scheme's own
 * port; returns its length, 0 when it is no host or longer than `capacity`.
 */
extern size_t url_host(const char *data, size_t length, bool https, char *out, size_t capacity);

/*
 * Takes "http://" or "https://" (either case) off the front; returns its length,
 * 0 when there is neither.
 */
extern size_t url_scheme(const char *data, size_t length, bool *https);

#endif /* PAGEVIEWS_URL_H */
