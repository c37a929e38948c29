/*
 * cookie.h
 *	  The signed session cookie: made by a listener, checked there and in SQL.
 *
 * A value is  2.<key id>.<session>.<site>.<issued>.<mac>  where the key id is
 * decimal, the session 22 characters of base64url, the site 11 (see CookieSite),
 * the time of issue lower-case hex seconds since the epoch, and the mac 43
 * characters of base64url: HMAC-SHA-256 over the cookie's name, '=' and everything
 * before the mac.  There is exactly one way to write each value; any other is refused.
 *
 * Needs OpenSSL's libcrypto; no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_COOKIE_H
#define PAGEVIEWS_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "config.h"
#include "text.h"
#include "uuid.h"

/* No value is longer; what is longer is refused unread. */
#define COOKIE_VALUE_LIMIT 200

/* A cookie from a clock that runs ahead is accepted up to this much, in ms. */
#define COOKIE_AHEAD_LIMIT_MS (INT64_C(5) * 60 * 1000)

/*
 * Which host a cookie was set for: the first bytes of the SHA-256 of its name.
 * One collector may serve several hosts; a cookie of one proves nothing at another.
 */
typedef struct CookieSite
{
	uint8_t bytes[8];
} CookieSite;

/* Of a Host header; its case and port, which cookies do not tell apart either, do not matter. */
extern CookieSite cookie_site(Text host);

/*
 * Whether `value` was signed for this cookie name and this site (NULL: any) with
 * one of the keys and is at most `max_age` seconds old (0: its age does not
 * matter).  Only then is *session written.
 */
extern bool cookie_verify(const char *value, size_t length, Text cookie_name,
						  const CookieSite *site, const CookieKey *keys, uint8_t key_count,
						  WallMillis now, int32_t max_age, Uuid *session);

/*
 * Writes a value for the session, issued now, with a terminating NUL; returns
 * its length, 0 when it does not fit or cannot be signed.
 */
extern size_t cookie_make(char *out, size_t capacity, Text cookie_name, const CookieSite *site,
						  const CookieKey *key, const Uuid *session, WallMillis now);

#endif /* PAGEVIEWS_COOKIE_H */
