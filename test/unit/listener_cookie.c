/*
 * listener_cookie.c
 *	  The session cookie: kept, slid, rotated, and never believed without proof.
 */
#include "unit.h"

#include "../../src/common/cookie.h"
#include "../../src/listener/session.h"

#define NOW		INT64_C(1795400000000)
#define DAY		INT64_C(86400000)
#define MAX_AGE (60 * 86400)

static const Uuid session = {
	{0xde, 0xad, 0xbe, 0xef, 1, 2, 0x43, 4, 0x85, 6, 7, 8, 9, 10, 11, 0xff}};

static const CookieSite site = {{1, 2, 3, 4, 5, 6, 7, 0xff}};
static CookieKey		keys[2];
static char				value[COOKIE_VALUE_LIMIT + 1];

/* A value signed with keys[0], whose id is 7; keys[1] has id 8. */
static size_t
make(void)
{
	keys[0].id = 7;
	memset(keys[0].secret, 'a', COOKIE_KEY_LENGTH);
	keys[1].id = 8;
	memset(keys[1].secret, 'b', COOKIE_KEY_LENGTH);
	return cookie_make(value, sizeof value, text_of("name"), &site, &keys[0], &session, NOW);
}

static bool
verify(const char *text, WallMillis now, Uuid *found)
{
	return cookie_verify(text, strlen(text), text_of("name"), NULL, keys, 2, now, MAX_AGE, found);
}

TEST(a_browser_keeps_its_session)
{
	Uuid found = {{0}};

	REQUIRE(make() == strlen(value));
	CHECK(verify(value, NOW, &found));
	CHECK(uuid_equal(&found, &session));
	CHECK(verify(value, NOW + 59 * DAY, &found));
}

TEST(an_old_cookie_or_one_from_the_future_is_no_proof)
{
	Uuid found;

	make();
	CHECK(!verify(value, NOW + 61 * DAY, &found));
	CHECK(!verify(value, NOW - 6 * 60 * 1000, &found));
	CHECK(verify(value, NOW - 4 * 60 * 1000, &found));
	CHECK(cookie_verify(value, strlen(value), text_of("name"), NULL, keys, 2, NOW + 1000 * DAY, 0,
						&found));
}

TEST(a_rotated_key_still_verifies_and_a_dropped_one_does_not)
{
	CookieKey rotated[2];
	Uuid	  found;

	make();
	rotated[0] = keys[1];
	rotated[1] = keys[0];
	CHECK(cookie_verify(value, strlen(value), text_of("name"), NULL, rotated, 2, NOW, MAX_AGE,
						&found));
	CHECK(!cookie_verify(value, strlen(value), text_of("name"), NULL, rotated, 1, NOW, MAX_AGE,
						 &found));
	rotated[1].secret[31] ^= 1;
	CHECK(!cookie_verify(value, strlen(value), text_of("name"), NULL, rotated, 2, NOW, MAX_AGE,
						 &found));
}

TEST(a_cookie_of_another_name_is_no_proof)
{
	Uuid found;

	make();
	CHECK(
		!cookie_verify(value, strlen(value), text_of("nam"), NULL, keys, 2, NOW, MAX_AGE, &found));
	CHECK(!cookie_verify(value, strlen(value), text_of("other"), NULL, keys, 2, NOW, MAX_AGE,
						 &found));
}

TEST(a_cookie_of_another_site_is_no_proof)
{
	CookieSite other = site;
	Uuid	   found = {{0}};

	make();
	CHECK(
		cookie_verify(value, strlen(value), text_of("name"), &site, keys, 2, NOW, MAX_AGE, &found));
	found = (Uuid){{0}};
	other.bytes[7] ^= 1;
	CHECK(!cookie_verify(value, strlen(value), text_of("name"), &other, keys, 2, NOW, MAX_AGE,
						 &found));
	CHECK(uuid_is_nil(&found));
}

static bool
same_site(const char *a, const char *b)
{
	CookieSite one = cookie_site(text_of(a));
	CookieSite two = cookie_site(text_of(b));

	return memcmp(&one, &two, sizeof one) == 0;
}

TEST(a_site_is_a_host_without_its_port)
{
	char long_name[600];

	CHECK(same_site("example.com", "Example.COM:8080"));
	CHECK(same_site("[2001:db8::1]", "[2001:DB8::1]:443"));
	CHECK(same_site("127.0.0.1", "127.0.0.1:1"));
	CHECK(!same_site("example.com", "www.example.com"));
	CHECK(!same_site("example.com", "example.org"));
	CHECK(!same_site("[2001:db8::1]", "[2001:db8::2]"));
	CHECK(!same_site("2001:db8::1", "2001:db8::2"));
	CHECK(!same_site("", "example.com"));
	CHECK(!same_site("example1", "example2"));
	CHECK(!same_site(":1", ""));
	memset(long_name, 'a', sizeof long_name);
	long_name[sizeof long_name - 1] = '\0';
	CHECK(same_site(long_name, long_name));
}

TEST(no_byte_of_a_cookie_can_be_changed)
{
	Uuid   found = {{0}};
	size_t length = make();

	for (size_t i = 0; i < length; i++)
	{
		for (int flip = 1; flip < 256; flip++)
		{
			char changed[sizeof value];

			memcpy(changed, value, sizeof value);
			changed[i] = (char) (changed[i] ^ flip);
			if (cookie_verify(changed, length, text_of("name"), NULL, keys, 2, NOW, MAX_AGE,
							  &found))
			{
				printf("byte %zu may be changed by %d\n", i, flip);
				CHECK(false);
			}
		}
	}
	CHECK(uuid_is_nil(&found));
}

TEST(no_length_but_its_own_is_accepted)
{
	char   longer[2 * COOKIE_VALUE_LIMIT + 2];
	Uuid   found;
	size_t length = make();

	for (size_t i = 0; i < length; i++)
		CHECK(!cookie_verify(value, i, text_of("name"), NULL, keys, 2, NOW, MAX_AGE, &found));
	memset(longer, 'A', sizeof longer);
	memcpy(longer, value, length);
	for (size_t i = length + 1; i < sizeof longer; i++)
		CHECK(!cookie_verify(longer, i, text_of("name"), NULL, keys, 2, NOW, MAX_AGE, &found));
}

TEST(a_value_written_another_way_is_refused)
{
	static const char *const bad[] = {
		"",
		".",
		"2.",
		"2.7.",
		"3.7.3q2-7wECQwSFBgcICQoL_w.AAAAAAAAAAA.6b040b0b.x",
		"2..AAAA.1.AAAA",
		"2.07.3q2-7wECQwSFBgcICQoL_w.AAAAAAAAAAA.6ae0b0b0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"2.99999999999999999999.3q2-7wECQwSFBgcICQoL_w.AAAAAAAAAAA.6ae0b0b0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"2.7.3q2-7wECQwSFBgcICQoL_w.AAAAAAAAAAA.ffffffffffffffff.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"2.7.3q2+7wECQwSFBgcICQoL/w.AAAAAAAAAAA.6ae0b0b0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	Uuid found;

	make();
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK(!verify(bad[i], NOW, &found));
}

TEST(a_value_that_does_not_fit_is_not_written)
{
	char   small[COOKIE_VALUE_LIMIT];
	size_t length = make();

	CHECK_INT(cookie_make(small, length, text_of("name"), &site, &keys[0], &session, NOW), 0);
	CHECK_INT(cookie_make(small, length + 1, text_of("name"), &site, &keys[0], &session, NOW),
			  (int64_t) length);
}

/* --- in requests -------------------------------------------------------------- */

static ListenerConfig config;

static Uuid
session_of(const char *cookie_header)
{
	Request request = {.cookie = text_of(cookie_header), .host = text_of("example.com:81")};
	Uuid	found = {{0}};
	Address visitor = {{0}};
	bool	keeps;

	config.cookie_name = text_of("name");
	config.cookie_max_age = MAX_AGE;
	config.key_count = 2;
	config.keys[0] = keys[0];
	config.keys[1] = keys[1];
	CHECK(session_of_request(&config, &request, false, &visitor, text_of("example.com"), NOW,
							 &found, &keeps));
	return found;
}

TEST(the_cookie_is_found_among_others)
{
	CookieSite here = cookie_site(text_of("example.com"));
	CookieSite there = cookie_site(text_of("example.org"));
	char	   header[1024];
	Uuid	   found;

	make();
	CHECK(cookie_make(value, sizeof value, text_of("name"), &there, &keys[0], &session, NOW) > 0);
	snprintf(header, sizeof header, "name=%s", value);
	found = session_of(header);
	CHECK(!uuid_equal(&found, &session));
	CHECK(cookie_make(value, sizeof value, text_of("name"), &here, &keys[0], &session, NOW) > 0);
	snprintf(header, sizeof header, "a=b; xname=%s; name=forged; name=%s ; c", value, value);
	found = session_of(header);
	CHECK(uuid_equal(&found, &session));
	snprintf(header, sizeof header, "xname=%s; Name=%s; name", value, value);
	found = session_of(header);
	CHECK(!uuid_equal(&found, &session));
}

TEST(a_new_session_is_random)
{
	Uuid first = session_of("");
	Uuid second = session_of("");

	CHECK(!uuid_equal(&first, &second));
	CHECK_INT(first.bytes[6] >> 4, 4);
	CHECK_INT(first.bytes[8] >> 6, 2);
}

TEST(the_cookie_has_the_attributes_that_protect_it)
{
	char line[SESSION_LINE_LIMIT];

	session_of("");
	make();
	config.keys[0] = keys[0];
	config.cookie_samesite = SAMESITE_LAX;
	CHECK(session_line(&config, false, &site, &session, NOW, line, sizeof line) > 0);
	CHECK(strstr(line, "; Path=/; Max-Age=5184000; HttpOnly; SameSite=Lax\r\n") != NULL);
	CHECK(strstr(line, "Secure") == NULL);
	CHECK(session_line(&config, true, &site, &session, NOW, line, sizeof line) > 0);
	CHECK(strstr(line, "SameSite=Lax; Secure\r\n") != NULL);
	config.cookie_samesite = SAMESITE_NONE;
	CHECK(session_line(&config, true, &site, &session, NOW, line, sizeof line) > 0);
	CHECK(strstr(line, "SameSite=None; Secure; Partitioned\r\n") != NULL);
	CHECK(session_line(&config, false, &site, &session, NOW, line, sizeof line) > 0);
	CHECK(strstr(line, "None") == NULL);
}

TEST(a_name_that_asks_for_tls_is_set_with_it_alone)
{
	char line[SESSION_LINE_LIMIT];

	session_of("");
	config.cookie_samesite = SAMESITE_LAX;
	config.cookie_name = text_of("__Host-session");
	CHECK_INT(session_line(&config, false, &site, &session, NOW, line, sizeof line), 0);
	CHECK(session_line(&config, true, &site, &session, NOW, line, sizeof line) > 0);
	CHECK(strncmp(line, "Set-Cookie: __Host-session=2.", 29) == 0);
	CHECK(strstr(line, "; Path=/;") != NULL && strstr(line, "; Secure") != NULL);
	CHECK(strstr(line, "Domain") == NULL);
	config.cookie_name = text_of("__Secure-session");
	CHECK_INT(session_line(&config, false, &site, &session, NOW, line, sizeof line), 0);
	config.cookie_name = text_of("__Hos");
	CHECK(session_line(&config, false, &site, &session, NOW, line, sizeof line) > 0);
}

/* The session of one visitor under this identity; *keeps as session_of_request() says. */
static Uuid
session_under(Identity identity, const char *cookie, bool consent, const char *from,
			  const char *page, const char *agent, bool *keeps)
{
	Request request = {
		.cookie = text_of(cookie), .host = text_of("example.com"), .user_agent = text_of(agent)};
	Address visitor;
	Uuid	found = {{0}};

	config.identity = identity;
	CHECK(address_parse(from, strlen(from), &visitor));
	CHECK(session_of_request(&config, &request, consent, &visitor, text_of(page), NOW, &found,
							 keeps));
	return found;
}

TEST(a_daily_session_is_of_address_browser_site_and_day)
{
	bool keeps;
	Uuid one =
		session_under(IDENTITY_DAILY, "", false, "192.0.2.1", "a.example", "Firefox", &keeps);
	Uuid again =
		session_under(IDENTITY_DAILY, "x=y", false, "192.0.2.1", "a.example", "Firefox", &keeps);
	Uuid others[4];

	CHECK(!keeps);
	CHECK(uuid_equal(&one, &again));
	CHECK_INT(one.bytes[6] >> 4, 8);
	CHECK_INT(one.bytes[8] >> 6, 2);
	others[0] =
		session_under(IDENTITY_DAILY, "", false, "192.0.2.2", "a.example", "Firefox", &keeps);
	others[1] =
		session_under(IDENTITY_DAILY, "", false, "192.0.2.1", "b.example", "Firefox", &keeps);
	others[2] =
		session_under(IDENTITY_DAILY, "", false, "192.0.2.1", "a.exampleF", "irefox", &keeps);
	config.daily_secret[31] ^= 1;
	others[3] =
		session_under(IDENTITY_DAILY, "", false, "192.0.2.1", "a.example", "Firefox", &keeps);
	for (int i = 0; i < 4; i++)
		CHECK(!uuid_equal(&one, &others[i]));
}

TEST(without_identity_nobody_is_the_same_twice)
{
	bool keeps = true;
	Uuid one = session_under(IDENTITY_NONE, "", false, "192.0.2.1", "a.example", "x", &keeps);
	Uuid two;

	CHECK(!keeps);
	two = session_under(IDENTITY_NONE, "", false, "192.0.2.1", "a.example", "x", &keeps);
	CHECK(!uuid_equal(&one, &two));
}

TEST(consent_makes_a_session_that_is_kept)
{
	CookieSite here = cookie_site(text_of("example.com"));
	char	   header[512];
	bool	   keeps = false;
	Uuid	   one;
	Uuid	   found;

	session_of("");
	one = session_under(IDENTITY_DAILY, "", true, "192.0.2.1", "a.example", "x", &keeps);
	CHECK(keeps);
	CHECK_INT(one.bytes[6] >> 4, 4);
	CHECK(cookie_make(value, sizeof value, text_of("name"), &here, &keys[0], &one, NOW) > 0);
	snprintf(header, sizeof header, "name=%s", value);
	for (int identity = 0; identity < IDENTITY_COUNT; identity++)
	{
		keeps = false;
		found = session_under((Identity) identity, header, false, "192.0.2.9", "b.example", "y",
							  &keeps);
		CHECK(keeps);
		CHECK(uuid_equal(&found, &one));
	}
	config.identity = IDENTITY_COOKIE;
}

TEST(no_cookie_for_a_prefetch_or_for_who_objects)
{
	Request request = {0};

	config.respect_gpc = true;
	CHECK(!session_is_unwelcome(&config, &request));
	request.gpc = text_of("1");
	CHECK(session_is_unwelcome(&config, &request));
	CHECK(session_is_opted_out(&config, &request));
	config.respect_gpc = false;
	CHECK(!session_is_unwelcome(&config, &request));
	request.sec_purpose = text_of("prefetch;prerender");
	CHECK(session_is_unwelcome(&config, &request));
	request.sec_purpose = text_of("");
	request.purpose = text_of("Prefetch");
	CHECK(session_is_unwelcome(&config, &request));
	CHECK(!session_is_opted_out(&config, &request));
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_browser_keeps_its_session);
	RUN(an_old_cookie_or_one_from_the_future_is_no_proof);
	RUN(a_rotated_key_still_verifies_and_a_dropped_one_does_not);
	RUN(a_cookie_of_another_name_is_no_proof);
	RUN(a_cookie_of_another_site_is_no_proof);
	RUN(a_site_is_a_host_without_its_port);
	RUN(no_byte_of_a_cookie_can_be_changed);
	RUN(no_length_but_its_own_is_accepted);
	RUN(a_value_written_another_way_is_refused);
	RUN(a_value_that_does_not_fit_is_not_written);
	RUN(the_cookie_is_found_among_others);
	RUN(a_new_session_is_random);
	RUN(the_cookie_has_the_attributes_that_protect_it);
	RUN(a_name_that_asks_for_tls_is_set_with_it_alone);
	RUN(a_daily_session_is_of_address_browser_site_and_day);
	RUN(without_identity_nobody_is_the_same_twice);
	RUN(consent_makes_a_session_that_is_kept);
	RUN(no_cookie_for_a_prefetch_or_for_who_objects);
	return unit_finish();
}
