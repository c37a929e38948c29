/*
 * filters.c
 *	  What the reports, which are SQL, need of C: the settings that say what a
 *	  visit is, and the comparison of filters.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "../worker/settings.h"
#include "filters.h"
#include "sql.h"

PG_FUNCTION_INFO_V1(pageviews_bounce_engagement);
PG_FUNCTION_INFO_V1(pageviews_filter_allows);
PG_FUNCTION_INFO_V1(pageviews_visit_timeout);

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

void
filters_check(Jsonb *filters, bool *origins, bool *sessions)
{
	const Oid	type = JSONBOID;
	const Datum value = PointerGetDatum(filters);
	bool		null;

	*origins = *sessions = false;
	if (filters == NULL)
		return;
	sql_select("SELECT pageviews.check_filters($1), pageviews.filters_origins($1),"
			   " pageviews.filters_sessions($1)",
			   1, &type, &value, NULL);
	*origins = DatumGetBool(sql_value(0, 2, &null));
	*sessions = DatumGetBool(sql_value(0, 3, &null));
}

bool
span_is_like(Span value, Span pattern)
{
	int at = 0;
	int wanted = 0;
	int star = -1; /* after the last star, and where the text went on there */
	int resume = 0;

	while (at < value.length)
	{
		if (wanted < pattern.length && pattern.data[wanted] == '*')
		{
			star = ++wanted;
			resume = at;
		}
		else if (wanted < pattern.length && pattern.data[wanted] == value.data[at])
		{
			wanted++;
			at++;
		}
		else if (star >= 0)
		{
			wanted = star;
			at = ++resume;
		}
		else
			return false;
	}
	while (wanted < pattern.length && pattern.data[wanted] == '*')
		wanted++;
	return wanted == pattern.length;
}

/* Adds what a filter lets pass; what is neither a string nor null lets nothing pass. */
static void
add_wish(Filter *filter, const JsonbValue *value)
{
	if (value->type == jbvNull)
		filter->unknown = true;
	else if (value->type == jbvString)
		filter->patterns[filter->count++] = (Span){value->val.string.val, value->val.string.len};
}

Filter
filter_read(Jsonb *filters, Span key)
{
	Filter		   filter = {.everything = false};
	JsonbValue	   space;
	JsonbValue	  *wish;
	JsonbIterator *iterator;

	if (filters == NULL)
		return (Filter){.everything = true};
	if (!JB_ROOT_IS_OBJECT(filters))
		return filter;
	wish = getKeyJsonValueFromContainer(&filters->root, key.data, key.length, &space);
	if (wish == NULL)
		return (Filter){.everything = true};
	if (wish->type != jbvBinary)
	{
		filter.patterns = palloc_array(Span, 1);
		add_wish(&filter, wish);
		return filter;
	}
	filter.patterns = palloc_array(Span, JsonContainerSize(wish->val.binary.data) + 1);
	iterator = JsonbIteratorInit(wish->val.binary.data);
	for (JsonbIteratorToken token;
		 (token = JsonbIteratorNext(&iterator, &space, true)) != WJB_DONE;)
	{
		if (token == WJB_ELEM)
			add_wish(&filter, &space);
	}
	return filter;
}

bool
filter_passes(const Filter *filter, Span value)
{
	if (filter->everything)
		return true;
	if (value.data == NULL)
		return filter->unknown;
	for (int i = 0; i < filter->count; i++)
	{
		if (span_is_like(value, filter->patterns[i]))
			return true;
	}
	return false;
}

/* filter_allows(filters, key, value), see filter_passes(). */
Datum
pageviews_filter_allows(PG_FUNCTION_ARGS)
{
	Filter filter;
	Span   value = {NULL, 0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	filter = filter_read(PG_GETARG_JSONB_P(0), span_of_text(PG_GETARG_TEXT_PP(1)));
	if (!PG_ARGISNULL(2))
		value = span_of_text(PG_GETARG_TEXT_PP(2));
	PG_RETURN_BOOL(filter_passes(&filter, value));
}
