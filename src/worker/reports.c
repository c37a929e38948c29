/*
 * reports.c
 *	  What the reports, which are SQL, need of C: the settings that say what a
 *	  visit is, the parts of addresses, and the comparison of filters.
 *
 * Addresses are texts that browsers sent: nothing here raises an error for one.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "settings.h"

PG_FUNCTION_INFO_V1(pageviews_bounce_engagement);
PG_FUNCTION_INFO_V1(pageviews_filter_allows);
PG_FUNCTION_INFO_V1(pageviews_query_parameter);
PG_FUNCTION_INFO_V1(pageviews_url_host);
PG_FUNCTION_INFO_V1(pageviews_visit_timeout);

/* A text that is not ours, and where we are in it. */
typedef struct Span
{
	const char *at;
	const char *end;
} Span;

static Span
span_of(const text *value)
{
	const char *data = VARDATA_ANY(value);

	return (Span){data, data + VARSIZE_ANY_EXHDR(value)};
}

/* visit_timeout(): pageviews.visit_timeout. */
Datum
pageviews_visit_timeout(PG_FUNCTION_ARGS)
{
	Interval *timeout = palloc0(sizeof *timeout);

	timeout->time = (TimeOffset) setting_visit_timeout * USECS_PER_SEC;
	PG_RETURN_INTERVAL_P(timeout);
}

/* bounce_engagement(): pageviews.bounce_engagement, in milliseconds. */
Datum
pageviews_bounce_engagement(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(setting_bounce_engagement);
}

/* Where a character stands next, or the end. */
static const char *
find(const char *at, const char *end, char wanted)
{
	const char *found = memchr(at, wanted, end - at);

	return found != NULL ? found : end;
}

/*
 * url_host(url): the host of an http or https address as pageviews.views.site
 * has it: in lower case, with the port if there is one, without user and
 * password.  NULL if there is none.
 */
Datum
pageviews_url_host(PG_FUNCTION_ARGS)
{
	Span		url = span_of(PG_GETARG_TEXT_PP(0));
	const char *at = find(url.at, url.end, ':');
	const char *end;
	const char *user;
	text	   *host;

	if (url.end - at < 4 || at[1] != '/' || at[2] != '/')
		PG_RETURN_NULL();
	at += 3;
	for (end = at; end < url.end && *end != '/' && *end != '?' && *end != '#'; end++)
		;
	user = find(at, end, '@');
	if (user < end)
		at = user + 1;
	if (at == end)
		PG_RETURN_NULL();

	host = cstring_to_text_with_len(at, (int) (end - at));
	for (char *c = VARDATA(host); c < VARDATA(host) + (end - at); c++)
		*c = (char) pg_ascii_tolower((unsigned char) *c);
	PG_RETURN_TEXT_P(host);
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
static text *
decoded(Span value)
{
	char *plain = palloc(value.end - value.at + 1);
	int	  length = 0;

	for (const char *c = value.at; c < value.end; c++)
	{
		int high = *c == '%' && value.end - c > 2 ? hex_digit(c[1]) : -1;
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
		pg_verify_mbstr(GetDatabaseEncoding(), plain, length, true) == false)
		return cstring_to_text_with_len(value.at, (int) (value.end - value.at));
	return cstring_to_text_with_len(plain, length);
}

/*
 * query_parameter(query, name): the first value of a parameter, decoded; NULL
 * if it is not there or empty.
 */
Datum
pageviews_query_parameter(PG_FUNCTION_ARGS)
{
	Span query = span_of(PG_GETARG_TEXT_PP(0));
	Span name = span_of(PG_GETARG_TEXT_PP(1));
	int	 length = (int) (name.end - name.at);

	if (query.at < query.end && *query.at == '?')
		query.at++;
	while (query.at < query.end)
	{
		const char *end = find(query.at, query.end, '&');

		if (end - query.at > length + 1 && query.at[length] == '=' &&
			memcmp(query.at, name.at, length) == 0)
			PG_RETURN_TEXT_P(decoded((Span){query.at + length + 1, end}));
		query.at = end < query.end ? end + 1 : end;
	}
	PG_RETURN_NULL();
}

/* --- filters ------------------------------------------------------------------ */

/* Whether a text is like a pattern, in which a star stands for any text. */
static bool
is_like(Span value, Span pattern)
{
	const char *star = NULL; /* after the last star, and where the text went on there */
	const char *resume = NULL;

	while (value.at < value.end)
	{
		if (pattern.at < pattern.end && *pattern.at == '*')
		{
			star = ++pattern.at;
			resume = value.at;
		}
		else if (pattern.at < pattern.end && *pattern.at == *value.at)
		{
			pattern.at++;
			value.at++;
		}
		else if (star != NULL)
		{
			pattern.at = star;
			value.at = ++resume;
		}
		else
			return false;
	}
	while (pattern.at < pattern.end && *pattern.at == '*')
		pattern.at++;
	return pattern.at == pattern.end;
}

/* Whether a value, NULL or not, fits what a filter says of it: a pattern or null. */
static bool
fits(const JsonbValue *wish, const Span *value)
{
	if (wish->type == jbvNull)
		return value == NULL;
	if (wish->type != jbvString || value == NULL)
		return false;
	return is_like(*value,
				   (Span){wish->val.string.val, wish->val.string.val + wish->val.string.len});
}

/*
 * filter_allows(filters, key, value): whether the filter of this name lets the
 * value pass: a pattern, null for what is unknown, or an array of these.  What
 * is none of them lets nothing pass; check_filters() has said so before.
 */
Datum
pageviews_filter_allows(PG_FUNCTION_ARGS)
{
	Jsonb		  *filters;
	Span		   key;
	Span		   value;
	const Span	  *given = NULL;
	JsonbValue	   space;
	JsonbValue	  *wish;
	JsonbIterator *iterator;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	filters = PG_GETARG_JSONB_P(0);
	key = span_of(PG_GETARG_TEXT_PP(1));
	if (!PG_ARGISNULL(2))
	{
		value = span_of(PG_GETARG_TEXT_PP(2));
		given = &value;
	}
	if (!JB_ROOT_IS_OBJECT(filters))
		PG_RETURN_BOOL(false);
	wish = getKeyJsonValueFromContainer(&filters->root, key.at, (int) (key.end - key.at), &space);
	if (wish == NULL)
		PG_RETURN_BOOL(true);
	if (wish->type != jbvBinary)
		PG_RETURN_BOOL(fits(wish, given));

	iterator = JsonbIteratorInit(wish->val.binary.data);
	for (JsonbIteratorToken token;
		 (token = JsonbIteratorNext(&iterator, &space, true)) != WJB_DONE;)
	{
		if (token == WJB_ELEM && fits(&space, given))
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}
