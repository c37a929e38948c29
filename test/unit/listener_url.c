/*
 * listener_url.c
 *	  Addresses of pages and origins: what is kept, what is let in.
 */
#include "unit.h"

#include "../../src/common/message.h"
#include "../../src/listener/origin.h"
#include "../../src/listener/url.h"

static Arena arena;

#define CHECK_TEXT(text, expected) \
	CHECK_BYTES((text).data, (text).length, (expected), strlen(expected))

/* Parses an address; false if it is refused. */
static bool
parse(const char *address, const char *parameters, Url *url)
{
	arena.used = 0;
	return url_parse(address, strlen(address), text_of(parameters), &arena, url);
}

TEST(a_page_is_filed_under_its_host_and_path)
{
	Url url;

	REQUIRE(parse("https://Example.COM/A/b%20c?x=1#frag", "", &url));
	CHECK_TEXT(url.site, "example.com");
	CHECK_TEXT(url.path, "/A/b%20c");
	CHECK_INT(url.query.length, 0);
	CHECK(url.https);

	REQUIRE(parse("http://example.com:8080", "", &url));
	CHECK_TEXT(url.site, "example.com:8080");
	CHECK_TEXT(url.path, "/");

	REQUIRE(parse("http://[::1]:81/", "", &url));
	CHECK_TEXT(url.site, "[::1]:81");

	REQUIRE(parse("http://example.com?x=1", "", &url));
	CHECK_TEXT(url.path, "/");
}

TEST(the_port_that_a_scheme_has_anyway_makes_no_second_site)
{
	Url url;

	REQUIRE(parse("https://example.com:443/", "", &url));
	CHECK_TEXT(url.site, "example.com");
	REQUIRE(parse("http://example.com:80/", "", &url));
	CHECK_TEXT(url.site, "example.com");
	REQUIRE(parse("http://example.com:443/", "", &url));
	CHECK_TEXT(url.site, "example.com:443");
}

TEST(what_is_no_page_address_is_refused)
{
	static const char *const bad[] = {"",
									  "/",
									  "example.com",
									  "ftp://example.com/",
									  "file:///etc/passwd",
									  "javascript:alert(1)",
									  "http://",
									  "http:///x",
									  "http://user@example.com/",
									  "http://user:secret@example.com/",
									  "http://exa mple.com/",
									  "http://example.com:/",
									  "http://example.com:0/",
									  "http://example.com:65536/",
									  "http://example.com:08/",
									  "http://example.com:8a/",
									  "http://[::1/",
									  "http://[]/",
									  "http://[::1]x/",
									  "http://ex\xc3\xa4mple.com/",
									  "http://a\\b/",
									  "about:blank"};
	Url						 url;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
	{
		if (parse(bad[i], "", &url))
			printf("accepted: %s\n", bad[i]);
		CHECK(!parse(bad[i], "", &url));
	}
}

TEST(only_listed_parameters_are_kept_each_once_and_in_order)
{
	Url url;

	REQUIRE(
		parse("http://a/?token=secret&utm_source=x&ref=1&utm_source=y&utmx=2&utm_medium=#utm_id=3",
			  "utm_* ref", &url));
	CHECK_TEXT(url.query, "utm_source=x&ref=1&utm_medium=");
	REQUIRE(parse("http://a/?ref&=1&&ref=2", "ref", &url));
	CHECK_TEXT(url.query, "ref");
	REQUIRE(parse("http://a/?reference=2&re=1", "ref", &url));
	CHECK_INT(url.query.length, 0);
	REQUIRE(parse("http://a/?a=1&b=2", "*", &url));
	CHECK_TEXT(url.query, "a=1&b=2");
}

TEST(an_address_that_is_too_long_is_cut_and_still_sound)
{
	static char address[9000];
	Url			url;
	Text		joined;

	strcpy(address, "http://a/");
	for (int i = 0; i < 1500; i++)
		strcat(address, "\xc3\xa4");
	strcat(address, "?a=");
	memset(address + strlen(address), 'x', 1000);
	strcat(address, "&b=1&c=");
	memset(address + strlen(address), 'x', 1000);
	REQUIRE(parse(address, "*", &url));
	CHECK(url.path.length <= PATH_LIMIT && url.path.length > PATH_LIMIT - 4);
	CHECK(text_is_clean(url.path.data, url.path.length));
	CHECK_INT(url.query.length, 1002 + 4);
	joined = url_join(&url, &arena, REFERRER_LIMIT);
	CHECK(joined.length <= REFERRER_LIMIT);
	CHECK(text_is_clean(joined.data, joined.length));
}

TEST(control_characters_do_not_get_into_a_path)
{
	Url url;

	REQUIRE(parse("http://a/x\ny\x7fz?k=\x01", "k", &url));
	CHECK_TEXT(url.path, "/x y z");
	CHECK_INT(url.query.length, 0);
	CHECK(!parse("http://a/\xff", "", &url));
}

TEST(an_address_is_put_together_as_it_was)
{
	Url	 url;
	Text joined;

	REQUIRE(parse("https://example.com/a?utm_id=1&x=2#f", "utm_*", &url));
	joined = url_join(&url, &arena, REFERRER_LIMIT);
	CHECK_TEXT(joined, "https://example.com/a?utm_id=1");
	joined = url_join(&url, &arena, 10);
	CHECK_TEXT(joined, "https://ex");
}

/* --- origins ------------------------------------------------------------------ */

static bool
allowed(const char *origin_header, const char *list, const char *host)
{
	Origin origin;

	return origin_parse(text_of(origin_header), &origin) &&
		   origin_is_allowed(&origin, text_of(list), text_of(host));
}

TEST(without_a_list_only_the_same_host_and_port_may_report)
{
	CHECK(allowed("https://example.com", "", "example.com"));
	CHECK(allowed("https://EXAMPLE.com", "", "Example.com:443"));
	CHECK(allowed("http://example.com:8080", "", "example.com:8080"));
	CHECK(allowed("http://[::1]:8080", "", "[::1]:8080"));
	CHECK(!allowed("http://example.com:8080", "", "example.com"));
	CHECK(!allowed("https://example.com", "", "example.com:80"));
	CHECK(!allowed("https://example.com", "", "www.example.com"));
	CHECK(!allowed("https://www.example.com", "", "example.com"));
	CHECK(!allowed("null", "", "example.com"));
	CHECK(!allowed("", "", ""));
	CHECK(!allowed("https://example.com", "", ""));
}

TEST(a_listed_origin_is_matched_whole)
{
	const char *list = "https://example.com http://dev.example.com:3000";

	CHECK(allowed("https://example.com", list, "other"));
	CHECK(allowed("https://example.com:443", list, "other"));
	CHECK(allowed("http://dev.example.com:3000", list, "other"));
	CHECK(!allowed("http://example.com", list, "example.com"));
	CHECK(!allowed("https://evil-example.com", list, "other"));
	CHECK(!allowed("https://example.com.evil", list, "other"));
	CHECK(!allowed("https://example.com:444", list, "other"));
	CHECK(!allowed("http://dev.example.com", list, "other"));
	CHECK(!allowed("https://example.com/", list, "other"));
	CHECK(!allowed("https://example.com@evil", list, "other"));
}

TEST(a_wildcard_stands_for_whole_labels)
{
	const char *list = "https://*.example.com https://*.shop:8443";

	CHECK(allowed("https://www.example.com", list, "other"));
	CHECK(allowed("https://a.b.example.com", list, "other"));
	CHECK(allowed("https://x.shop:8443", list, "other"));
	CHECK(!allowed("https://example.com", list, "other"));
	CHECK(!allowed("https://evilexample.com", list, "other"));
	CHECK(!allowed("https://.example.com", list, "other"));
	CHECK(!allowed("http://www.example.com", list, "other"));
	CHECK(!allowed("https://www.example.com:8443", list, "other"));
	CHECK(!allowed("https://x.shop", list, "other"));
}

TEST(a_list_of_nonsense_lets_nobody_in)
{
	CHECK(!allowed("https://example.com", "* example.com https:// https://*. https://*",
				   "example.com"));
	CHECK(!allowed("https://example.com", "   ", "example.com"));
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_page_is_filed_under_its_host_and_path);
	RUN(the_port_that_a_scheme_has_anyway_makes_no_second_site);
	RUN(what_is_no_page_address_is_refused);
	RUN(only_listed_parameters_are_kept_each_once_and_in_order);
	RUN(an_address_that_is_too_long_is_cut_and_still_sound);
	RUN(control_characters_do_not_get_into_a_path);
	RUN(an_address_is_put_together_as_it_was);
	RUN(without_a_list_only_the_same_host_and_port_may_report);
	RUN(a_listed_origin_is_matched_whole);
	RUN(a_wildcard_stands_for_whole_labels);
	RUN(a_list_of_nonsense_lets_nobody_in);
	return unit_finish();
}
