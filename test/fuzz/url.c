/*
 * url.c
 *	  Fuzz target: kept parameters and a page's address, a line each.
 */
#include "../../src/listener/url.h"
#include "../../src/listener/origin.h"
#include "fuzz.h"

/* Whether every parameter of a query has a name that the list keeps. */
static void
check_query(Text query, Text parameters)
{
	const char *at = query.length > 0 ? query.data : "";
	const char *end = at + query.length;

	while (at < end)
	{
		const char *ampersand = memchr(at, '&', (size_t) (end - at));
		const char *stop = ampersand != NULL ? ampersand : end;
		const char *equals = memchr(at, '=', (size_t) (stop - at));
		size_t		name = (size_t) ((equals != NULL ? equals : stop) - at);
		bool		kept = false;

		for (int i = 0; i < parameters.length && !kept;)
		{
			const char *item = parameters.data + i;
			int			length = 0;

			while (i + length < parameters.length && item[length] != ' ')
				length++;
			if (length > 0 && item[length - 1] == '*')
				kept = name >= (size_t) length - 1 && memcmp(item, at, (size_t) length - 1) == 0;
			else
				kept = length > 0 && (size_t) length == name && memcmp(item, at, name) == 0;
			i += length + 1;
		}
		FUZZ_CHECK(name > 0 && kept);
		at = stop + 1;
	}
}

/* The host is that of the text, from the scheme to the first of / ? #, and an Origin of it is the same. */
static void
check_host(Text address, const Url *url)
{
	const char *host = memmem(address.data, address.length, "://", 3);
	size_t		length = 0;
	Origin		origin;
	Text		site = {origin.host, 0};

	FUZZ_CHECK(host != NULL);
	host += 3;
	while (host + length < address.data + address.length && strchr("/?#", host[length]) == NULL)
		length++;
	FUZZ_CHECK(length >= url->site.length &&
			   strncasecmp(host, url->site.data, url->site.length) == 0);
	FUZZ_CHECK(
		origin_parse((Text){address.data, (uint16_t) (host - address.data + length)}, &origin));
	site.length = (uint16_t) origin.length;
	FUZZ_CHECK(origin.https == url->https && text_equal(site, url->site));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Arena arena;
	Input		 input = {data, size};
	Text		 parameters = input_line(&input);
	Text		 address = input_line(&input);
	Url			 url;

	arena.used = 0;
	if (url_parse(address.data, address.length, parameters, &arena, &url))
	{
		size_t limit = SITE_LIMIT + PATH_LIMIT + QUERY_LIMIT + 16;
		Text   joined;
		Url	   again;

		FUZZ_CHECK(url.path.length > 0 && url.path.data[0] == '/');
		FUZZ_CHECK(!text_has(url.path, "?") && !text_has(url.path, "#"));
		FUZZ_CHECK(is_storable(url.site, SITE_LIMIT) && is_storable(url.path, PATH_LIMIT) &&
				   is_storable(url.query, QUERY_LIMIT));
		FUZZ_CHECK(!text_has(url.query, "#"));
		check_host(address, &url);
		check_query(url.query, parameters);

		joined = url_join(&url, &arena, limit);
		FUZZ_CHECK(joined.length > 0 &&
				   url_parse(joined.data, joined.length, parameters, &arena, &again));
		FUZZ_CHECK(again.https == url.https && text_equal(again.site, url.site) &&
				   text_equal(again.path, url.path) && text_equal(again.query, url.query));
		FUZZ_CHECK(is_storable(url_join(&url, &arena, REFERRER_LIMIT), REFERRER_LIMIT));
	}
	free((char *) parameters.data);
	free((char *) address.data);
	return 0;
}
