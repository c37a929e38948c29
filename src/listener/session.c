/*
 * session.c
 *	  Finding the session cookie in a request, and setting it.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "session.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "../common/message.h"

/* Makes sixteen bytes a UUID of this version. */
static void
set_version(Uuid *session, int version)
{
	session->bytes[6] = (uint8_t) ((session->bytes[6] & 0x0f) | version << 4);
	session->bytes[8] = (uint8_t) ((session->bytes[8] & 0x3f) | 0x80);
}

/*
 * A random UUID, version 4.  The generator is asked for many at a time; none is
 * kept once it is handed out.
 */
static bool
mint_session(Uuid *session)
{
	static Uuid	  stock[64];
	static size_t left;

	if (left == 0)
	{
		if (RAND_bytes(stock[0].bytes, sizeof stock) != 1)
			return false;
		left = sizeof stock / sizeof stock[0];
	}
	*session = stock[--left];
	OPENSSL_cleanse(&stock[left], sizeof stock[left]);
	set_version(session, 4);
	return true;
}

/*
 * A UUID, version 8: HMAC-SHA-256 by the secret of the day over the address, the
 * site with its length, and the User-Agent.  Without the secret, which nobody
 * keeps, it tells nothing about them, and tomorrow's has nothing to do with it.
 */
static bool
hash_session(const ListenerConfig *config, const Address *visitor, Text site, Text user_agent,
			 Uuid *session)
{
	uint8_t	 text[sizeof visitor->bytes + sizeof site.length + SITE_LIMIT + USER_AGENT_LIMIT];
	uint8_t *at = text;
	uint8_t	 mac[EVP_MAX_MD_SIZE];
	unsigned mac_length;

	if (site.length > SITE_LIMIT)
		return false;
	if (user_agent.length > USER_AGENT_LIMIT)
		user_agent.length = USER_AGENT_LIMIT;
	memcpy(at, visitor->bytes, sizeof visitor->bytes);
	at += sizeof visitor->bytes;
	memcpy(at, &site.length, sizeof site.length);
	at += sizeof site.length;
	memcpy(at, site.data, site.length);
	at += site.length;
	if (user_agent.length > 0)
		memcpy(at, user_agent.data, user_agent.length);
	at += user_agent.length;
	if (HMAC(EVP_sha256(), config->daily_secret, sizeof config->daily_secret, text,
			 (size_t) (at - text), mac, &mac_length) == NULL)
		return false;
	memcpy(session->bytes, mac, sizeof session->bytes);
	set_version(session, 8);
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
session_of_request(const ListenerConfig *config, const Request *request, bool consent,
				   const Address *visitor, Text site, WallMillis now, Uuid *session, bool *keep)
{
	*keep = true;
	if (request->cookie.length > 0 &&
		find_session(config, request->cookie, cookie_site(request->host), now, session))
		return true;
	*keep = consent || config->identity == IDENTITY_COOKIE;
	if (!*keep && config->identity == IDENTITY_DAILY)
		return hash_session(config, visitor, site, request->user_agent, session);
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

/* Writes the line for a value; 0 when no browser would take it, or it does not fit. */
static size_t
write_line(const ListenerConfig *config, bool secure, const char *value, int32_t max_age, char *out,
		   size_t capacity)
{
	const char *attributes;
	int			length;

	out[0] = '\0';
	if (needs_tls(config->cookie_name) && !secure)
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
					  (int) max_age, attributes);
	if (length < 0 || (size_t) length >= capacity)
	{
		out[0] = '\0';
		return 0;
	}
	return (size_t) length;
}

size_t
session_line(const ListenerConfig *config, bool secure, const CookieSite *site, const Uuid *session,
			 WallMillis now, char *out, size_t capacity)
{
	char value[COOKIE_VALUE_LIMIT + 1];

	out[0] = '\0';
	if (cookie_make(value, sizeof value, config->cookie_name, site, &config->keys[0], session,
					now) == 0)
		return 0;
	return write_line(config, secure, value, config->cookie_max_age, out, capacity);
}

size_t
session_line_withdrawn(const ListenerConfig *config, bool secure, char *out, size_t capacity)
{
	return write_line(config, secure, "", 0, out, capacity);
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
