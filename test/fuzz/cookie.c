/*
 * cookie.c
 *	  Fuzz target: Cookie headers, and signed values that somebody changed.
 *
 * Nobody, a fuzzer included, makes a value that verifies but for cookie_make():
 * whatever verifies is written again from what it says, and must be the same.
 */
#include "../../src/common/cookie.h"
#include "../../src/listener/session.h"
#include "fuzz.h"

#define NOW INT64_C(1795400000000)
#define DAY 86400

static const CookieKey keys[2] = {{1, "a key that nobody knows, 1......"},
								  {7, "a key that nobody knows, 7......"}};

static bool
verify(const char *value, size_t length, WallMillis now, Uuid *session)
{
	return cookie_verify(value, length, text_of("id"), NULL, keys, 2, now, DAY, session);
}

/* A value with changes: it verifies if and only if nothing is changed and its time is right. */
static void
change_value(Input *input)
{
	char	   original[COOKIE_VALUE_LIMIT + 1];
	Uuid	   session;
	Uuid	   found;
	CookieSite site;
	CookieSite elsewhere;
	size_t	   length;
	char	  *value;
	WallMillis issued = NOW + (int32_t) input_number(input, 4);
	int		   key = input_byte(input) & 1;
	bool	   in_time = issued / 1000 * 1000 <= NOW + COOKIE_AHEAD_LIMIT_MS &&
				   issued / 1000 * 1000 >= NOW - INT64_C(1000) * DAY;

	for (size_t i = 0; i < sizeof session.bytes; i++)
		session.bytes[i] = input_byte(input);
	for (size_t i = 0; i < sizeof site.bytes; i++)
		site.bytes[i] = input_byte(input);
	elsewhere = site;
	elsewhere.bytes[input_byte(input) % sizeof site.bytes] ^= 1;
	length =
		cookie_make(original, sizeof original, text_of("id"), &site, &keys[key], &session, issued);
	FUZZ_CHECK(length > 0 && length <= COOKIE_VALUE_LIMIT);
	FUZZ_CHECK(verify(original, length, NOW, &found) == in_time);
	FUZZ_CHECK(!in_time || uuid_equal(&found, &session));
	FUZZ_CHECK(!cookie_verify(original, length, text_of("other"), NULL, keys, 2, NOW, 0, &found));
	FUZZ_CHECK(
		!cookie_verify(original, length, text_of("id"), NULL, &keys[1 - key], 1, NOW, 0, &found));
	FUZZ_CHECK(cookie_verify(original, length, text_of("id"), &site, keys, 2, NOW, DAY, &found) ==
			   in_time);
	FUZZ_CHECK(
		!cookie_verify(original, length, text_of("id"), &elsewhere, keys, 2, NOW, 0, &found));

	value = malloc(length);
	memcpy(value, original, length);
	while (input->left >= 2)
	{
		size_t at = input_byte(input) % length;

		value[at] = (char) input_byte(input);
	}
	if (memcmp(value, original, length) != 0)
		FUZZ_CHECK(!verify(value, length, NOW, &found));
	for (size_t shorter = 0; shorter < length; shorter += 7)
		FUZZ_CHECK(!verify(original, shorter, NOW, &found));
	free(value);
}

/* A header as it comes: there always is a session, and it is the header's only with a MAC. */
static void
read_header(Input *input)
{
	ListenerConfig config = {.cookie_name = text_of("id"), .cookie_max_age = DAY, .key_count = 2};
	Request		   request = {0};
	Text		   header = input_line(input);
	Address		   visitor = {{0}};
	Uuid		   session = {{0}};
	bool		   keep;

	memcpy(config.keys, keys, sizeof keys);
	request.cookie = request.host = header;
	for (int identity = 0; identity < IDENTITY_COUNT; identity++)
	{
		config.identity = (Identity) identity;
		FUZZ_CHECK(session_of_request(&config, &request, false, &visitor, text_of("a.example"), NOW,
									  &session, &keep));
		/* Minted by chance, or hashed; the inputs hold none that was signed. */
		FUZZ_CHECK(session.bytes[6] >> 4 == (identity == IDENTITY_DAILY ? 8 : 4) &&
				   session.bytes[8] >> 6 == 2);
		FUZZ_CHECK(keep == (identity == IDENTITY_COOKIE));
	}
	FUZZ_CHECK(!verify(header.data, header.length, NOW, &session));
	free((char *) header.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {data, size};

	if (input_byte(&input) & 1)
		change_value(&input);
	else
		read_header(&input);
	return 0;
}
