/*
 * session.c
 *	  Finding the session cookie in a request, and setting it.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "session.h"

#include <openssl/rand.h>
#include <stdio.h>


/* A random UUID, version 4. */
static bool
mint_session(Uuid *session)
{
	if (RAND_bytes(session->bytes, sizeof session->bytes) != 1)
		return false;
	session->bytes[6] = (uint8_t) ((session->bytes[6] & 0x0f) | 0x40);
	session->bytes[8] = (uint8_t) ((session->bytes[8] & 0x3f) | 0x80);
	return true;
}

/* Looks at each cookie of that name (paths and domains can make several); the first that proves itself wins. */
static bool
find_session(const ListenerConfig *config, Text header, CookieSite site, WallMillis now,
			 Uuid *session)
{
	const char *at = header.data;
	const char *end = at + header.length;
	Text		name = config->cookie_name;

	while (at < end)
	{
		const char *semicolon = memchr(at, ';', (size_t) (end - at));
		const char *stop = semicolon != NULL ? semicolon : end;

		while (at < stop && *at == ' ')
			at++;
		if (stop - at > name.length && memcmp(at, name.data, name.length) == 0 &&
			at[name.length] == '=')
		{
			const char *value = at + name.length + 1;
			const char *last = stop;

			while (last > value && last[-1] == ' ')
				last--;
			if (cookie_verify(value, (size_t) (last - value), name, &site, config->keys,
							  config->key_count, now, config->cookie_max_age, session))
				return true;
		}
		at = stop + 1;
	}
	return false;
}

bool
session_of_request(const ListenerConfig *config, const Request *request, WallMillis now,
				   Uuid *session)
{
	if (request->cookie.length > 0 && 
		find_session(config, request->cookie, cookie_site(request->host), now, session))
		return true;
	return mint_session(session);
}

/* Whether browsers take a cookie of this name only when it is Secure. */
static bool
needs_tls(Text name)
{
	static const char *const prefixes[] = {"__Host-", "__Secure-"};

	for (int i = 0; i < 2; i++)
	{
		size_t length = strlen(prefixes[i]);

		if (name.length >= length && memcmp(name.data, prefixes[i], length) == 0)
			return true;
	}
	return false;
}

size_t
session_line(const ListenerConfig *config, bool secure, const CookieSite *site,
			 const Uuid *session, WallMillis now, char *out, size_t capacity)
{
	char		value[COOKIE_VALUE_LIMIT + 1];
	const char *attributes;
	int			length;

	out[0] = '\0';
	if (needs_tls(config->cookie_name) && !secure)
		return 0;
	if (cookie_make(value, sizeof value, config->cookie_name, site, &config->keys[0], session,
					now) == 0)
		return 0;

	/* A browser refuses None without Secure, so then it is Lax after all. */
	if (config->cookie_samesite == SAMESITE_NONE && secure)
		attributes = "SameSite=None; Secure; Partitioned";
	else if (config->cookie_samesite == SAMESITE_STRICT)
		attributes = secure ? "SameSite=Strict; Secure" : "SameSite=Strict";
	else
		attributes = secure ? "SameSite=Lax; Secure" : "SameSite=Lax";

	length = snprintf(out, capacity, "Set-Cookie: %.*s=%s; Path=/; Max-Age=%d; HttpOnly; %s\r\n",
					  (int) config->cookie_name.length, config->cookie_name.data, value,
					  (int) config->cookie_max_age, attributes);
	if (length < 0 || (size_t) length >= capacity)
	{
		out[0] = '\0';
		return 0;
	}
	return (size_t) length;
}

bool
session_is_opted_out(const ListenerConfig *config, const Request *request)
{
	return config->respect_gpc && request->gpc.length == 1 && request->gpc.data[0] == '1';
}

bool
session_is_unwelcome(const ListenerConfig *config, const Request *request)
{
	return request_is_prefetch(request) || session_is_opted_out(config, request);
}
