/*
 * address.c
 *	  The parts of addresses that reports count by, see address.h, and the SQL
 *	  functions that give them.
 */
#include "address.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pageviews_query_parameter);
PG_FUNCTION_INFO_V1(pageviews_url_host);

/* Where a character stands next, or the end. */
static const char *
find(const char *at, const char *end, char wanted)
{
	const char *found = memchr(at, wanted, end - at);

	return found != NULL ? found : end;
}

Span
address_host(Span url)
{
	const Span	none = {NULL, 0};
	const char *url_end = url.data + url.length;
	const char *at;
	const char *end;
	const char *user;
	char	   *host;

	if (url.length == 0)
		return none;
	at = find(url.data, url_end, ':');
	if (url_end - at < 4 || at[1] != '/' || at[2] != '/')
		return none;
	at += 3;
	for (end = at; end < url_end && *end != '/' && *end != '?' && *end != '#'; end++)
		;
	user = find(at, end, '@');
	if (user < end)
		at = user + 1;
	if (at == end)
		return none;

	host = palloc(end - at);
	for (int i = 0; i < end - at; i++)
		host[i] = (char) pg_ascii_tolower((unsigned char) at[i]);
	return (Span){host, (int) (end - at)};
}

Span
address_without_www(Span host)
{
	if (host.length >= 4 && memcmp(host.data, "www.", 4) == 0)
		return (Span){host.data + 4, host.length - 4};
	return host;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A value without its percent signs; as it came if that were no text. */
static Span
decoded(Span value)
{
	const char *end = value.data + value.length;
	char	   *plain = palloc(value.length + 1);
	int			length = 0;

	for (const char *c = value.data; c < end; c++)
	{
		int high = *c == '%' && end - c > 2 ? hex_digit(c[1]) : -1;
		int low = high >= 0 ? hex_digit(c[2]) : -1;

		if (low >= 0)
		{
			plain[length++] = (char) (high * 16 + low);
			c += 2;
		}
		else
			plain[length++] = *c == '+' ? ' ' : *c;
	}
	if (memchr(plain, '\0', length) != NULL ||
		!pg_verify_mbstr(GetDatabaseEncoding(), plain, length, true))
		return value;
	return (Span){plain, length};
}

Span
address_parameter(Span query, Span name)
{
	const char *at = query.data;
	const char *query_end = query.data + query.length;

	if (query.length > 0 && *at == '?')
		at++;
	while (at < query_end)
	{
		const char *end = find(at, query_end, '&');

		if (end - at > name.length + 1 && at[name.length] == '=' &&
			memcmp(at, name.data, name.length) == 0)
			return decoded((Span){at + name.length + 1, (int) (end - at) - name.length - 1});
		at = end < query_end ? end + 1 : end;
	}
	return (Span){NULL, 0};
}

/* url_host(url) */
Datum
pageviews_url_host(PG_FUNCTION_ARGS)
{
	Span host = address_host(span_of_text(PG_GETARG_TEXT_PP(0)));

	if (host.data == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(host.data, host.length));
}

/* query_parameter(query, name) */
Datum
pageviews_query_parameter(PG_FUNCTION_ARGS)
{
	Span value =
		address_parameter(span_of_text(PG_GETARG_TEXT_PP(0)), span_of_text(PG_GETARG_TEXT_PP(1)));

	if (value.data == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(value.data, value.length));
}
