/*
 * origin.c
 *	  Fuzz target: an Origin, a list of allowed ones, a Host header; a line each.
 */
#include "../../src/listener/origin.h"
#include "fuzz.h"

/* An origin written again, as "scheme://host". */
static Text
written(const Origin *origin, char *out, size_t capacity)
{
	int length = snprintf(out, capacity, "%s://%.*s", origin->https ? "https" : "http",
						  (int) origin->length, origin->host);

	return (Text){out, (uint16_t) length};
}

/* What the list says of an origin, by whole origins: an item, or the end of one behind "*.". */
static bool
is_listed(const Origin *origin, Text list)
{
	const char *at = list.data;
	const char *end = at + list.length;

	while (at < end)
	{
		const char *space = memchr(at, ' ', (size_t) (end - at));
		size_t		length = (size_t) ((space != NULL ? space : end) - at);
		const char *star = memmem(at, length, "://*.", 5);
		Text		host = {origin->host, (uint16_t) origin->length};
		Origin		item;
		char	   *exact = malloc(length + 1);
		size_t		kept = 0;

		for (size_t i = 0; i < length; i++)
		{
			if (star == NULL || at + i < star + 3 || at + i > star + 4)
				exact[kept++] = at[i];
		}
		if (origin_parse((Text){exact, (uint16_t) kept}, &item) && item.https == origin->https)
		{
			Text tail = {item.host, (uint16_t) item.length};
			bool under = host.length > tail.length + 1 && text_ends(host, tail) &&
						 host.data[host.length - tail.length - 1] == '.' && host.data[0] != '.';

			if (star != NULL ? under : text_equal(host, tail))
			{
				free(exact);
				return true;
			}
		}
		free(exact);
		at += length + 1;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input  input = {data, size};
	Text   header = input_line(&input);
	Text   list = input_line(&input);
	Text   host = input_line(&input);
	Origin origin;

	if (origin_parse(header, &origin))
	{
		char   text[SITE_LIMIT + 16];
		Origin again;

		FUZZ_CHECK(origin.length > 0 && origin.length <= SITE_LIMIT);
		for (size_t i = 0; i < origin.length; i++)
			FUZZ_CHECK(origin.host[i] > ' ' && origin.host[i] < 0x7f &&
					   strchr("/?#@\\%*\"'<>,;", origin.host[i]) == NULL &&
					   !(origin.host[i] >= 'A' && origin.host[i] <= 'Z'));
		FUZZ_CHECK(origin_parse(written(&origin, text, sizeof text), &again));
		FUZZ_CHECK(again.https == origin.https && again.length == origin.length &&
				   memcmp(again.host, origin.host, origin.length) == 0);
		if (list.length > 0)
			FUZZ_CHECK(origin_is_allowed(&origin, list, host) == is_listed(&origin, list));
		else if (origin_is_allowed(&origin, list, host))
			FUZZ_CHECK(host.length >= origin.length &&
					   strncasecmp(host.data, origin.host, origin.length) == 0);
	}
	free((char *) header.data);
	free((char *) list.data);
	free((char *) host.data);
	return 0;
}
