/*
 * session.h
 *	  Which browser a request comes from: the cookie in, the cookie out.
 *
 * Needs OpenSSL's libcrypto; no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_SESSION_H
#define PAGEVIEWS_SESSION_H

#include "../common/clock.h"
#include "../common/config.h"
#include "../common/cookie.h"
#include "../common/uuid.h"
#include "address.h"
#include "request.h"

/* Room for any Set-Cookie line. */
#define SESSION_LINE_LIMIT 512

/*
 * The session that the request's cookie proves; else one that the identity
 * setting gives: the hash of the day for who comes from `visitor` to a page of
 * `site` with this browser, or a fresh one, as for a cookie if there is `consent`.
 * *keep says whether a cookie may hold it.  False only when there is no randomness, or no hash, to be had.
 */
extern bool session_of_request(const ListenerConfig *config, const Request *request, bool consent,
							   const Address *visitor, Text site, WallMillis now, Uuid *session,
							   bool *keep);

/*
 * Writes "Set-Cookie: ...\r\n" for the session at this site, issued now, with a
 * terminating NUL; returns its length, 0 (and an empty string) when it cannot be
 * made.  `secure` says that the visitor came by TLS; without it no browser would
 * take a cookie whose name begins with __Host- or __Secure-, so there is none.
 */
extern size_t session_line(const ListenerConfig *config, bool secure, const CookieSite *site,
						   const Uuid *session, WallMillis now, char *out, size_t capacity);

/* The same for a cookie that takes the one before away. */
extern size_t session_line_withdrawn(const ListenerConfig *config, bool secure, char *out,
									 size_t capacity);

/* Whether this request must get no cookie: prefetched, or against the visitor's will. */
extern bool session_is_unwelcome(const ListenerConfig *config, const Request *request);

/* Whether the visitor objects to being counted, and that is respected. */
extern bool session_is_opted_out(const ListenerConfig *config, const Request *request);

#endif /* PAGEVIEWS_SESSION_H */
