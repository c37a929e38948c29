/*
 * cookie.c
 *	  Signing and checking of the session cookie.
 *
 * A value is checked by parsing its fields, writing the one canonical text that
 * they have, and comparing: whatever else would decode to the same fields (upper
 * case, leading zeros, stray bits) is refused without a rule of its own.
 */
#ifdef POSTGRES_H
#error "src/common knows nothing of Postgres"
#endif

#include "cookie.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#define VERSION_PREFIX "1."
#define SESSION_LENGTH 22
#define MAC_BYTES	   32
#define MAC_LENGTH	   43

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Writes `length` bytes as unpadded base64url with a terminating NUL. */
static void
encode_base64url(const uint8_t *data, size_t length, char *out)
{
	uint32_t bits = 0;
	int		 available = 0;

	for (size_t i = 0; i < length; i++)
	{
		bits = bits << 8 | data[i];
		available += 8;
		while (available >= 6)
		{
			available -= 6;
			*out++ = base64url[bits >> available & 63];
		}
	}
	if (available > 0)
		*out++ = base64url[bits << (6 - available) & 63];
	*out = '\0';
}

/* Reads exactly SESSION_LENGTH characters; ignores the stray bits of the last one. */
static bool
decode_session(const char *text, Uuid *session)
{
	uint32_t bits = 0;
	int		 available = 0;
	size_t	 written = 0;

	for (int i = 0; i < SESSION_LENGTH; i++)
	{
		const char *digit = text[i] != '\0' ? strchr(base64url, text[i]) : NULL;

		if (digit == NULL)
			return false;
		bits = bits << 6 | (uint32_t) (digit - base64url);
		available += 6;
		if (available >= 8)
		{
			available -= 8;
			if (written < sizeof session->bytes)
				session->bytes[written++] = (uint8_t) (bits >> available);
		}
	}
	return written == sizeof session->bytes;
}

/*
 * Writes the canonical value for these fields with a terminating NUL; returns
 * its length, 0 when it does not fit or cannot be signed.
 */
static size_t
write_value(char *out, size_t capacity, Text cookie_name, const CookieKey *key, const Uuid *session,
			uint64_t issued)
{
	char	 signed_text[COOKIE_NAME_LIMIT + 1 + COOKIE_VALUE_LIMIT + 1];
	char	 session_text[SESSION_LENGTH + 1];
	char	 mac_text[MAC_LENGTH + 1];
	uint8_t	 mac[EVP_MAX_MD_SIZE];
	unsigned mac_length = 0;
	int		 length;

	if (cookie_name.length > COOKIE_NAME_LIMIT)
		return 0;

	encode_base64url(session->bytes, sizeof session->bytes, session_text);
	length =
		snprintf(signed_text, sizeof signed_text, "%.*s=" VERSION_PREFIX "%" PRIu32 ".%s.%" PRIx64,
				 (int) cookie_name.length, cookie_name.length > 0 ? cookie_name.data : "", key->id,
				 session_text, issued);
	if (length < 0 || (size_t) length >= sizeof signed_text)
		return 0;

	if (HMAC(EVP_sha256(), key->secret, sizeof key->secret, (const unsigned char *) signed_text,
			 (size_t) length, mac, &mac_length) == NULL ||
		mac_length != MAC_BYTES)
		return 0;
	encode_base64url(mac, MAC_BYTES, mac_text);

	length = snprintf(out, capacity, "%s.%s", signed_text + cookie_name.length + 1, mac_text);
	return length < 0 || (size_t) length >= capacity ? 0 : (size_t) length;
}

/*
 * Reads digits of the base up to a '.', at most sixteen; false when there are
 * none or too many.  *at then stands behind the '.'.
 */
static bool
read_number(const char **at, const char *end, unsigned base, uint64_t *number)
{
	const char *start = *at;

	*number = 0;
	for (; *at < end && **at != '.'; (*at)++)
	{
		char	 c = **at;
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned) (c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned) (c - 'a') + 10;
		else
			return false;
		if (digit >= base || *at - start >= 16)
			return false;
		*number = *number * base + digit;
	}
	if (*at == start || *at == end)
		return false;
	(*at)++;
	return true;
}

/* Takes a value apart; says nothing about its signature. */
static bool
read_fields(const char *value, size_t length, uint64_t *key_id, Uuid *session, uint64_t *issued)
{
	const char *at = value;
	const char *end = value + length;
	size_t		prefix = strlen(VERSION_PREFIX);

	if (length <= prefix || memcmp(at, VERSION_PREFIX, prefix) != 0)
		return false;
	at += prefix;
	if (!read_number(&at, end, 10, key_id))
		return false;
	if (end - at <= SESSION_LENGTH || at[SESSION_LENGTH] != '.' || !decode_session(at, session))
		return false;
	at += SESSION_LENGTH + 1;
	return read_number(&at, end, 16, issued) && end - at == MAC_LENGTH;
}

bool
cookie_verify(const char *value, size_t length, Text cookie_name, const CookieKey *keys,
			  uint8_t key_count, WallMillis now, int32_t max_age, Uuid *session)
{
	uint64_t   key_id;
	uint64_t   issued;
	Uuid	   claimed;
	WallMillis issued_ms;

	if (length > COOKIE_VALUE_LIMIT || !read_fields(value, length, &key_id, &claimed, &issued))
		return false;

	if (issued > (uint64_t) INT64_MAX / 1000)
		return false;
	issued_ms = (WallMillis) issued * MILLIS_PER_SECOND;
	if (issued_ms > now + COOKIE_AHEAD_LIMIT_MS)
		return false;
	if (max_age > 0 && issued_ms < now - (WallMillis) max_age * MILLIS_PER_SECOND)
		return false;

	for (int i = 0; i < key_count; i++)
	{
		char expected[COOKIE_VALUE_LIMIT + 1];

		if (keys[i].id != key_id)
			continue;
		if (write_value(expected, sizeof expected, cookie_name, &keys[i], &claimed, issued) ==
				length &&
			CRYPTO_memcmp(expected, value, length) == 0)
		{
			*session = claimed;
			return true;
		}
	}
	return false;
}

size_t
cookie_make(char *out, size_t capacity, Text cookie_name, const CookieKey *key, const Uuid *session,
			WallMillis now)
{
	if (now < 0)
		return 0;
	return write_value(out, capacity, cookie_name, key, session,
					   (uint64_t) (now / MILLIS_PER_SECOND));
}
