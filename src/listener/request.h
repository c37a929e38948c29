/*
 * request.h
 *	  What an HTTP request says, as far as anybody here asks.
 *
 * Texts are slices of a buffer that lives until the next request; a header that
 * is absent or empty has length 0.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_REQUEST_H
#define PAGEVIEWS_REQUEST_H

#include <stdbool.h>

#include "../common/text.h"

typedef struct Request
{
	bool post;	   /* else GET */
	bool repeated; /* Host, Origin or Cookie more than once */
	Text path;	   /* decoded, without the query */
	Text host;
	Text origin;
	Text cookie;
	Text user_agent;
	Text brands;   /* Sec-CH-UA */
	Text mobile;   /* Sec-CH-UA-Mobile */
	Text platform; /* Sec-CH-UA-Platform */
	Text country;  /* what pageviews.country_header says */
	Text accept_encoding;
	Text if_none_match;
	Text content_length;
	Text transfer_encoding;
	Text websocket_key;
	Text websocket_version;
	Text websocket_protocols;
	Text forwarded_for;
	Text forwarded_proto;
	Text forwarded_host;
	Text purpose;
	Text sec_purpose;
	Text gpc; /* Sec-GPC */
} Request;

/* Whether a list of tokens separated by commas has this one; case matters not. */
extern bool request_lists(Text list, const char *token);

/* The last item of a list separated by commas; empty if there is none. */
extern Text request_last(Text list);

/* Whether the last of a list of tokens is this one; case matters not. */
extern bool request_ends_with(Text list, const char *token);

/* Whether a browser fetches this on suspicion, for a page that may never be seen. */
extern bool request_is_prefetch(const Request *request);

/* Whether a gzip answer is welcome. */
extern bool request_accepts_gzip(const Request *request);

/* Whether If-None-Match has this entity tag (with its quotes), or "*". */
extern bool request_has_tag(const Request *request, const char *tag);

/* The length of the body; -1 if it is not said, or not as a plain number of at most 9 digits. */
extern long request_body_length(const Request *request);

#endif /* PAGEVIEWS_REQUEST_H */
