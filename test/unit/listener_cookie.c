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

static CookieKey keys[2];
static char		 value[COOKIE_VALUE_LIMIT + 1];

/* A value signed with keys[0], whose id is 7; keys[1] has id 8. */
static size_t
make(void)
{
	keys[0].id = 7;
	memset(keys[0].secret, 'a', COOKIE_KEY_LENGTH);
	keys[1].id = 8;
	memset(keys[1].secret, 'b', COOKIE_KEY_LENGTH);
	return cookie_make(value, sizeof value, text_of("name"), &keys[0], &session, NOW);
}

static bool
verify(const char *text, WallMillis now, Uuid *found)
{
	return cookie_verify(text, strlen(text), text_of("name"), keys, 2, now, MAX_AGE, found);
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
	CHECK(
		cookie_verify(value, strlen(value), text_of("name"), keys, 2, NOW + 1000 * DAY, 0, &found));
}

TEST(a_rotated_key_still_verifies_and_a_dropped_one_does_not)
{
	CookieKey rotated[2];
	Uuid	  found;

	make();
	rotated[0] = keys[1];
	rotated[1] = keys[0];
	CHECK(cookie_verify(value, strlen(value), text_of("name"), rotated, 2, NOW, MAX_AGE, &found));
	CHECK(!cookie_verify(value, strlen(value), text_of("name"), rotated, 1, NOW, MAX_AGE, &found));
	rotated[1].secret[31] ^= 1;
	CHECK(!cookie_verify(value, strlen(value), text_of("name"), rotated, 2, NOW, MAX_AGE, &found));
}

TEST(a_cookie_of_another_name_is_no_proof)
{
	Uuid found;

	make();
	CHECK(!cookie_verify(value, strlen(value), text_of("nam"), keys, 2, NOW, MAX_AGE, &found));
	CHECK(!cookie_verify(value, strlen(value), text_of("other"), keys, 2, NOW, MAX_AGE, &found));
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
			if (cookie_verify(changed, length, text_of("name"), keys, 2, NOW, MAX_AGE, &found))
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
		CHECK(!cookie_verify(value, i, text_of("name"), keys, 2, NOW, MAX_AGE, &found));
	memset(longer, 'A', sizeof longer);
	memcpy(longer, value, length);
	for (size_t i = length + 1; i < sizeof longer; i++)
		CHECK(!cookie_verify(longer, i, text_of("name"), keys, 2, NOW, MAX_AGE, &found));
}

TEST(a_value_written_another_way_is_refused)
{
	static const char *const bad[] = {
		"",
		".",
		"1.",
		"1.7.",
		"2.7.3q2-7wECQwSFBgcICQoL_w.6b040b0b.x",
		"1..AAAA.1.AAAA",
		"1.07.3q2-7wECQwSFBgcICQoL_w.6ae0b0b0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"1.99999999999999999999.3q2-7wECQwSFBgcICQoL_w.6ae0b0b0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"1.7.3q2-7wECQwSFBgcICQoL_w.ffffffffffffffff.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"1.7.3q2+7wECQwSFBgcICQoL/w.6ae0b0b0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	Uuid found;

	make();
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK(!verify(bad[i], NOW, &found));
}

TEST(a_value_that_does_not_fit_is_not_written)
{
	char   small[COOKIE_VALUE_LIMIT];
	size_t length = make();

	CHECK_INT(cookie_make(small, length, text_of("name"), &keys[0], &session, NOW), 0);
	CHECK_INT(cookie_make(small, length + 1, text_of("name"), &keys[0], &session, NOW),
			  (int64_t) length);
}

/* --- in requests -------------------------------------------------------------- */

static ListenerConfig config;

static Uuid
session_of(const char *cookie_header)
{
	Request request = {.cookie = text_of(cookie_header)};
	Uuid	found = {{0}};

	make();
	config.cookie_name = text_of("name");
	config.cookie_max_age = MAX_AGE;
	config.key_count = 2;
	config.keys[0] = keys[0];
	config.keys[1] = keys[1];
	CHECK(session_of_request(&config, &request, NOW, &found));
	return found;
}

TEST(the_cookie_is_found_among_others)
{
	char header[1024];
	Uuid found;

	make();
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
	config.cookie_samesite = SAMESITE_LAX;
	CHECK(session_line(&config, false, &session, NOW, line, sizeof line) > 0);
	CHECK(strstr(line, "; Path=/; Max-Age=5184000; HttpOnly; SameSite=Lax\r\n") != NULL);
	CHECK(strstr(line, "Secure") == NULL);
	CHECK(session_line(&config, true, &session, NOW, line, sizeof line) > 0);
	CHECK(strstr(line, "SameSite=Lax; Secure\r\n") != NULL);
	config.cookie_samesite = SAMESITE_NONE;
	CHECK(session_line(&config, true, &session, NOW, line, sizeof line) > 0);
	CHECK(strstr(line, "SameSite=None; Secure; Partitioned\r\n") != NULL);
	CHECK(session_line(&config, false, &session, NOW, line, sizeof line) > 0);
	CHECK(strstr(line, "None") == NULL);
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
	RUN(no_byte_of_a_cookie_can_be_changed);
	RUN(no_length_but_its_own_is_accepted);
	RUN(a_value_written_another_way_is_refused);
	RUN(a_value_that_does_not_fit_is_not_written);
	RUN(the_cookie_is_found_among_others);
	RUN(a_new_session_is_random);
	RUN(the_cookie_has_the_attributes_that_protect_it);
	RUN(no_cookie_for_a_prefetch_or_for_who_objects);
	return unit_finish();
}
