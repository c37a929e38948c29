/*
 * origin.c
 *	  The Origin allow-list: whole schemes, whole labels, whole ports.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "origin.h"

#include "url.h"

bool
origin_parse(Text header, Origin *origin)
{
	size_t scheme = url_scheme(header.data, header.length, &origin->https);

	if (scheme == 0)
		return false;
	origin->length = url_host(header.data + scheme, header.length - scheme, origin->https,
							  origin->host, sizeof origin->host);
	return origin->length > 0;
}

/* Whether the origin is what one item of the list stands for. */
static bool
item_matches(const Origin *origin, const char *item, size_t length)
{
	char   host[SITE_LIMIT];
	bool   https;
	bool   wildcard;
	size_t scheme = url_scheme(item, length, &https);

	if (scheme == 0 || https != origin->https)
		return false;
	item += scheme;
	length -= scheme;

	wildcard = length > 2 && item[0] == '*' && item[1] == '.';
	if (wildcard)
	{
		item += 2;
		length -= 2;
	}
	length = url_host(item, length, https, host, sizeof host);
	if (length == 0)
		return false;
	if (!wildcard)
		return length == origin->length && memcmp(host, origin->host, length) == 0;

	/* At least one character, then a dot, then the rest of the host and its port. */
	return origin->length >= length + 2 && origin->host[origin->length - length - 1] == '.' &&
		   origin->host[0] != '.' &&
		   memcmp(origin->host + origin->length - length, host, length) == 0;
}

bool
origin_is_allowed(const Origin *origin, Text list, Text host_header)
{
	const char *at = list.data;
	const char *end = at + list.length;

	if (list.length == 0)
	{
		char   host[SITE_LIMIT];
		size_t length =
			url_host(host_header.data, host_header.length, origin->https, host, sizeof host);

		return length > 0 && length == origin->length && memcmp(host, origin->host, length) == 0;
	}

	while (at < end)
	{
		const char *space = memchr(at, ' ', (size_t) (end - at));
		size_t		item = (size_t) ((space != NULL ? space : end) - at);

		if (item > 0 && item_matches(origin, at, item))
			return true;
		at += item + 1;
	}
	return false;
}
