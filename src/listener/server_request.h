/*
 * server_request.h
 *	  Out of the library's hands: what a request says.
 */
#ifndef PAGEVIEWS_SERVER_REQUEST_H
#define PAGEVIEWS_SERVER_REQUEST_H

#include <libwebsockets.h>

#include "request.h"

#define HEADER_DATA_LIMIT 8192 /* bytes of a request's head that the library keeps */

/*
 * Reads the request that the library holds; false when its method is none of
 * ours.  The texts are good until the next call.
 */
extern bool server_read_request(struct lws *wsi, Request *request);

/*
 * Reads in addition who the visitor is, with the country in the header of this name:
 * in lower case, with its colon; empty for none.  Asked for those who are let in.
 */
extern void server_read_visitor(struct lws *wsi, Text country_header, Request *request);

#endif /* PAGEVIEWS_SERVER_REQUEST_H */
