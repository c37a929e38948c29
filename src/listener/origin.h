/*
 * origin.h
 *	  Which sites may report their views here.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_ORIGIN_H
#define PAGEVIEWS_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "../common/message.h"
#include "../common/text.h"

/* What an Origin header says; the host is lower case, without the scheme's own port. */
typedef struct Origin
{
	bool   https;
	size_t length;
	char   host[SITE_LIMIT];
} Origin;

/* Reads "scheme://host[:port]", http or https; false for anything else ("null" too). */
extern bool origin_parse(Text header, Origin *origin);

/*
 * Whether the origin is in the list (items separated by spaces; exact, or with
 * "*." in front of the host for one label or more).  An empty list means the
 * same host and port as the Host header.
 */
extern bool origin_is_allowed(const Origin *origin, Text list, Text host_header);

#endif /* PAGEVIEWS_ORIGIN_H */
