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
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>

#define VERSION_PREFIX "2."
#define SESSION_LENGTH 22
#define SITE_LENGTH	   11
#define HOST_LIMIT	   256 /* no name of a host is longer */
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

/* Reads so many characters for exactly `size` bytes; ignores the stray bits of the last one. */
static bool
decode_base64url(const char *text, int length, uint8_t *out, size_t size)
{
	uint32_t bits = 0;
	int		 available = 0;
	size_t	 written = 0;

	for (int i = 0; i < length; i++)
	{
		const char *digit = text[i] != '\0' ? strchr(base64url, text[i]) : NULL;

		if (digit == NULL)
			return false;
		bits = bits << 6 | (uint32_t) (digit - base64url);
		available += 6;
		if (available >= 8)
		{
			available -= 8;
			if (written < size)
				out[written++] = (uint8_t) (bits >> available);
		}
	}
	return written == size;
}

/* A key that was set up once: that costs more than a signature. */
typedef struct Signer
{
	uint8_t		 secret[sizeof((CookieKey *) 0)->secret];
	EVP_MAC_CTX *context; /* NULL: none */
} Signer;

/* Sets a signer up for a secret; false when there is no memory. */
static bool
prepare_signer(Signer *signer, const uint8_t *secret)
{
	char	   digest[] = "SHA256";
	OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
							   OSSL_PARAM_construct_end()};
	EVP_MAC	  *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	EVP_MAC_CTX_free(signer->context);
	signer->context = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
	EVP_MAC_free(hmac);
	if (signer->context == NULL)
		return false;
	if (EVP_MAC_init(signer->context, secret, sizeof signer->secret, parameters) != 1)
	{
		EVP_MAC_CTX_free(signer->context);
		signer->context = NULL;
		return false;
	}
	memcpy(signer->secret, secret, sizeof signer->secret);
	return true;
}

/* HMAC-SHA-256 by this secret; false when it cannot be had. */
static bool
sign(const uint8_t *secret, const char *text, size_t length, uint8_t mac[MAC_BYTES])
{
	/* The present key's, and the previous one's. */
	static Signer signers[2];
	static int	  oldest;
	Signer		 *signer = NULL;
	size_t		  written;

	for (int i = 0; i < 2; i++)
	{
		if (signers[i].context != NULL &&
			CRYPTO_memcmp(signers[i].secret, secret, sizeof signers[i].secret) == 0)
			signer = &signers[i];
	}
	if (signer == NULL)
	{
		signer = &signers[oldest];
		oldest = !oldest;
		if (!prepare_signer(signer, secret))
			return false;
	}
	return EVP_MAC_init(signer->context, NULL, 0, NULL) == 1 &&
		   EVP_MAC_update(signer->context, (const unsigned char *) text, length) == 1 &&
		   EVP_MAC_final(signer->context, mac, &written, MAC_BYTES) == 1 && written == MAC_BYTES;
}

/*
 * Writes the canonical value for these fields with a terminating NUL; returns
 * its length, 0 when it does not fit or cannot be signed.
 */
static size_t
write_value(char *out, size_t capacity, Text cookie_name, const CookieSite *site,
			const CookieKey *key, const Uuid *session, uint64_t issued)
{
	char	signed_text[COOKIE_NAME_LIMIT + 1 + COOKIE_VALUE_LIMIT + 1];
	char	session_text[SESSION_LENGTH + 1];
	char	site_text[SITE_LENGTH + 1];
	char	mac_text[MAC_LENGTH + 1];
	uint8_t mac[MAC_BYTES];
	int		length;

	if (cookie_name.length > COOKIE_NAME_LIMIT)
		return 0;

	encode_base64url(session->bytes, sizeof session->bytes, session_text);
	encode_base64url(site->bytes, sizeof site->bytes, site_text);
	length = snprintf(signed_text, sizeof signed_text,
					  "%.*s=" VERSION_PREFIX "%" PRIu32 ".%s.%s.%" PRIx64, (int) cookie_name.length,
					  cookie_name.length > 0 ? cookie_name.data : "", key->id, session_text,
					  site_text, issued);
	if (length < 0 || (size_t) length >= sizeof signed_text)
		return 0;

	if (!sign(key->secret, signed_text, (size_t) length, mac))
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

/* Reads so many characters of base64url and the '.' behind them; *at then stands behind that. */
static bool
read_bytes(const char **at, const char *end, int length, uint8_t *out, size_t size)
{
	if (end - *at <= length || (*at)[length] != '.' || !decode_base64url(*at, length, out, size))
		return false;
	*at += length + 1;
	return true;
}

/* Takes a value apart; says nothing about its signature. */
static bool
read_fields(const char *value, size_t length, uint64_t *key_id, Uuid *session, CookieSite *site,
			uint64_t *issued)
{
	const char *at = value;
	const char *end = value + length;
	size_t		prefix = strlen(VERSION_PREFIX);

	if (length <= prefix || memcmp(at, VERSION_PREFIX, prefix) != 0)
		return false;
	at += prefix;
	return read_number(&at, end, 10, key_id) &&
		   read_bytes(&at, end, SESSION_LENGTH, session->bytes, sizeof session->bytes) &&
		   read_bytes(&at, end, SITE_LENGTH, site->bytes, sizeof site->bytes) &&
		   read_number(&at, end, 16, issued) && end - at == MAC_LENGTH;
}

CookieSite
cookie_site(Text host)
{
	/* Most ask for the same host as the one before. */
	static char		  last_name[HOST_LIMIT];
	static size_t	  last_length = SIZE_MAX;
	static CookieSite last_site;

	CookieSite site = {{0}};
	char	   name[HOST_LIMIT] = "";
	uint8_t	   digest[EVP_MAX_MD_SIZE];
	size_t	   length = host.length < HOST_LIMIT ? host.length : HOST_LIMIT;
	size_t	   digits = length;

	for (size_t i = 0; i < length; i++)
		name[i] =
			host.data[i] >= 'A' && host.data[i] <= 'Z' ? (char) (host.data[i] + 32) : host.data[i];
	while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
		digits--;
	/* The colon of a port is the only one, or stands behind the bracket of IPv6. */
	if (digits > 1 && name[digits - 1] == ':' &&
		(name[digits - 2] == ']' || memchr(name, ':', digits - 1) == NULL))
		length = digits - 1;
	if (length == last_length && memcmp(name, last_name, length) == 0)
		return last_site;
	if (EVP_Digest(name, length, digest, NULL, EVP_sha256(), NULL) != 1)
		return site;
	memcpy(site.bytes, digest, sizeof site.bytes);
	memcpy(last_name, name, length);
	last_length = length;
	last_site = site;
	return site;
}

bool
cookie_verify(const char *value, size_t length, Text cookie_name, const CookieSite *site,
			  const CookieKey *keys, uint8_t key_count, WallMillis now, int32_t max_age,
			  Uuid *session)
{
	CookieSite claimed_site;
	uint64_t   key_id;
	uint64_t   issued;
	Uuid	   claimed;
	WallMillis issued_ms;

	if (length > COOKIE_VALUE_LIMIT ||
		!read_fields(value, length, &key_id, &claimed, &claimed_site, &issued))
		return false;
	/* No secret: whoever asks knows for which host. */
	if (site != NULL && memcmp(site->bytes, claimed_site.bytes, sizeof site->bytes) != 0)
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
		if (write_value(expected, sizeof expected, cookie_name, &claimed_site, &keys[i], &claimed,
						issued) == length &&
			CRYPTO_memcmp(expected, value, length) == 0)
		{
			*session = claimed;
			return true;
		}
	}
	return false;
}

size_t
cookie_make(char *out, size_t capacity, Text cookie_name, const CookieSite *site,
			const CookieKey *key, const Uuid *session, WallMillis now)
{
	if (now < 0)
		return 0;
	return write_value(out, capacity, cookie_name, site, key, session,
					   (uint64_t) (now / MILLIS_PER_SECOND));
}
