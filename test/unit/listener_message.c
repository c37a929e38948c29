/*
 * listener_message.c
 *	  What browsers, and those who only pretend to be some, say on the wire.
 */
#include "unit.h"

#include <stdlib.h>

#include "../../src/common/codec.h"
#include "../../src/common/record.h"
#include "../../src/listener/message.h"
#include "../../src/listener/reply.h"

#define VIEW	  "\"view\":\"01a207cb-2609-7c60-ba3d-e23a7847108d\""
#define FIGURES	  "\"visible\":10,\"focused\":9,\"active\":8,\"elapsed\":20"
#define FRAME	  VIEW ",\"n\":1,\"state\":\"visible\"," FIGURES
#define STATE	  "{\"type\":\"state\"," FRAME
#define ANNOUNCED "{\"type\":\"view\",\"url\":\"https://example.com/a\"," FRAME

static Arena	   arena;
static ViewMessage message;

static MessageVerdict
parse_bytes(const char *data, size_t length)
{
	MessageRules   rules = {text_of("example.com"), text_of("utm_*")};
	char		  *copy = malloc(length + 1);
	MessageVerdict verdict;

	/* A copy of its own size, so that the sanitizer sees a byte too many being read. */
	memcpy(copy, data, length);
	verdict = message_parse(copy, length, &rules, &arena, &message);
	free(copy);
	return verdict;
}

static MessageVerdict
parse(const char *json)
{
	return parse_bytes(json, strlen(json));
}

#define CHECK_TEXT(text, expected) \
	CHECK_BYTES((text).data, (text).length, (expected), strlen(expected))

TEST(a_view_brings_its_page)
{
	const PageDescription *page = &message.page;

	CHECK_INT(
		parse(
			"{\"type\":\"view\"," FRAME ",\"url\":\"https://Example.com/a?utm_id=1&secret=2#f\","
			"\"referrer\":\"https://other.example/b?q=words&utm_source=x\",\"title\":\"T\\u00e4\\nx\",\"name\":\"N\","
			"\"navigation\":\"back_forward\",\"language\":\"de-CH\",\"time_zone\":\"Europe/Zurich\","
			"\"width\":1440.5,\"height\":99999,\"scroll\":40.9,\"gap\":7,"
			"\"props\":{\"plan\":\"pro\",\"n\":1.5,\"t\":true,\"f\":false,\"z\":null},\"unknown\":{\"x\":[1]}}"),
		MESSAGE_GOOD);
	CHECK_INT(message.kind, MESSAGE_VIEW);
	CHECK(message.described);
	CHECK_INT(message.n, 1);
	CHECK_INT(message.state, PAGE_VISIBLE);
	CHECK_INT(message.figures.visible, 10);
	CHECK_INT(message.figures.elapsed, 20);
	CHECK_INT(message.figures.gap, 7);
	CHECK_INT(message.scroll, 40);
	CHECK_INT(message.reason, END_NONE);
	CHECK_TEXT(page->site, "example.com");
	CHECK_TEXT(page->path, "/a");
	CHECK_TEXT(page->query, "utm_id=1");
	CHECK_TEXT(page->referrer, "https://other.example/b?utm_source=x");
	CHECK_TEXT(page->title, "T\xc3\xa4 x");
	CHECK_TEXT(page->name, "N");
	CHECK_TEXT(page->language, "de-CH");
	CHECK_TEXT(page->time_zone, "Europe/Zurich");
	CHECK_INT(page->navigation, NAVIGATION_BACK_FORWARD);
	CHECK_INT(page->screen_width, 1440);
	CHECK_INT(page->screen_height, UINT16_MAX);
	CHECK_INT(page->property_count, 5);
	CHECK_INT(page->properties[0].type, PROPERTY_STRING);
	CHECK_TEXT(page->properties[0].key, "plan");
	CHECK_TEXT(page->properties[0].string, "pro");
	CHECK(page->properties[1].number == 1.5);
	CHECK_INT(page->properties[2].type, PROPERTY_TRUE);
	CHECK_INT(page->properties[4].type, PROPERTY_NULL);
}

TEST(a_state_and_an_end_are_understood)
{
	CHECK_INT(parse(STATE "}"), MESSAGE_GOOD);
	CHECK_INT(message.kind, MESSAGE_STATE);
	CHECK(!message.described);
	CHECK_INT(message.scroll, -1);
	CHECK_INT(parse("{\"type\":\"end\",\"reason\":\"navigated\"," FRAME "}"), MESSAGE_GOOD);
	CHECK_INT(message.reason, END_NAVIGATED);
	CHECK(!message.described);
	CHECK_INT(
		parse("{\"type\":\"end\",\"reason\":\"closed\",\"url\":\"https://example.com/a\"," FRAME
			  "}"),
		MESSAGE_GOOD);
	CHECK_INT(message.reason, END_CLOSED);
	CHECK(message.described);
}

#define EVENT_ID "\"event\":\"01a207cb-2609-7c60-ba3d-e23a7847108e\""
#define AN_EVENT "{\"type\":\"event\"," EVENT_ID ",\"url\":\"https://example.com/a?utm_id=1&x=2\""

TEST(an_event_has_an_id_of_its_own_and_a_name)
{
	Uuid id;
	Uuid view;

	REQUIRE(uuid_parse("01a207cb-2609-7c60-ba3d-e23a7847108e", 36, &id));
	REQUIRE(uuid_parse("01a207cb-2609-7c60-ba3d-e23a7847108d", 36, &view));
	CHECK_INT(
		parse(AN_EVENT "," VIEW ",\"name\":\"sign\\nup\",\"props\":{\"plan\":\"pro\"},\"n\":-3}"),
		MESSAGE_GOOD);
	CHECK_INT(message.kind, MESSAGE_EVENT);
	CHECK_INT(message.n, EVENT_NUMBER);
	CHECK(uuid_equal(&message.view, &id) && uuid_equal(&message.during, &view));
	CHECK(message.described);
	CHECK_TEXT(message.page.name, "sign up");
	CHECK_TEXT(message.page.path, "/a");
	CHECK_INT(message.page.property_count, 1);

	/* Of no view. */
	CHECK_INT(parse(AN_EVENT ",\"name\":\"x\",\"view\":null}"), MESSAGE_GOOD);
	CHECK(uuid_is_nil(&message.during));

	/* What is refused by its id, and what is no message at all. */
	CHECK_INT(parse(AN_EVENT "}"), MESSAGE_BAD_NAME);
	CHECK_INT(parse(AN_EVENT ",\"name\":\"\"}"), MESSAGE_BAD_NAME);
	CHECK_INT(parse(AN_EVENT ",\"name\":\"x\",\"props\":[]}"), MESSAGE_BAD_PROPS);
	CHECK_INT(parse("{\"type\":\"event\"," EVENT_ID ",\"url\":\"https://other.example/\"}"),
			  MESSAGE_WRONG_SITE);
	CHECK(uuid_equal(&message.view, &id));
	CHECK_INT(message.n, EVENT_NUMBER);
	CHECK_INT(parse(AN_EVENT ",\"name\":7}"), MESSAGE_BAD);
	CHECK_INT(parse(AN_EVENT ",\"name\":\"x\",\"view\":\"y\"}"), MESSAGE_BAD);
	CHECK_INT(parse("{\"type\":\"event\"," EVENT_ID ",\"name\":\"x\"}"), MESSAGE_BAD);
	CHECK_INT(
		parse("{\"type\":\"event\"," VIEW ",\"name\":\"x\",\"url\":\"https://example.com/\"}"),
		MESSAGE_BAD);
}

TEST(what_is_no_message_is_bad)
{
	static const char *const bad[] = {
		"",
		"x",
		"[]",
		"1",
		"null",
		"\"view\"",
		"{}",
		"{\"type\":\"view\"}",
		STATE,
		STATE "}}",
		STATE ",}",
		STATE ",\"n\":2}", /* twice */
		"{\"type\":\"other\"," FRAME "}",
		"{\"type\":1," FRAME "}",
		"{" FRAME "}",
		"{\"type\":\"\"," FRAME "}",
		"{\"type\":\"end\"," FRAME "}",
		"{\"type\":\"end\",\"reason\":\"lost\"," FRAME "}",
		"{\"type\":\"end\",\"reason\":\"\"," FRAME "}",
		"{\"type\":\"view\"," FRAME "}",
		"{\"type\":\"view\",\"url\":1," FRAME "}",
		"{\"type\":\"view\",\"url\":\"/a\"," FRAME "}",
		"{\"type\":\"state\",\"view\":\"01a207cb-2609-4c60-ba3d-e23a7847108d\",\"n\":1,\"state\":\"visible\"," FIGURES
		"}",
		"{\"type\":\"state\",\"view\":\"01a207cb-2609-7c60-ba3d-e23a7847108\",\"n\":1,\"state\":\"visible\"," FIGURES
		"}",
		"{\"type\":\"state\",\"view\":7,\"n\":1,\"state\":\"visible\"," FIGURES "}",
		"{\"type\":\"state\"," VIEW ",\"n\":0,\"state\":\"visible\"," FIGURES "}",
		"{\"type\":\"state\"," VIEW ",\"n\":-1,\"state\":\"visible\"," FIGURES "}",
		"{\"type\":\"state\"," VIEW ",\"n\":1.5,\"state\":\"visible\"," FIGURES "}",
		"{\"type\":\"state\"," VIEW ",\"n\":1e300,\"state\":\"visible\"," FIGURES "}",
		"{\"type\":\"state\"," VIEW ",\"n\":9223372036854775808,\"state\":\"visible\"," FIGURES "}",
		"{\"type\":\"state\"," VIEW ",\"n\":\"1\",\"state\":\"visible\"," FIGURES "}",
		"{\"type\":\"state\"," VIEW ",\"n\":2147483648,\"state\":\"visible\"," FIGURES "}",
		"{\"type\":\"state\"," VIEW ",\"state\":\"visible\"," FIGURES "}",
		"{\"type\":\"state\"," VIEW ",\"n\":1,\"state\":\"gone\"," FIGURES "}",
		"{\"type\":\"state\"," VIEW ",\"n\":1," FIGURES "}",
		"{\"type\":\"state\"," VIEW
		",\"n\":1,\"state\":\"visible\",\"visible\":1,\"focused\":1,\"active\":1}",
		STATE ",\"scroll\":101}",
		STATE ",\"scroll\":-1}",
		STATE ",\"scroll\":\"1\"}",
		STATE ",\"gap\":-1}",
		ANNOUNCED ",\"title\":1}",
		ANNOUNCED ",\"navigation\":1}",
		ANNOUNCED ",\"width\":\"x\"}",
		ANNOUNCED ",\"title\":\"\\u0000\"}",
		ANNOUNCED ",\"title\":\"\xff\"}"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
	{
		if (parse(bad[i]) != MESSAGE_BAD)
			printf("accepted: %s\n", bad[i]);
		CHECK_INT(parse(bad[i]), MESSAGE_BAD);
	}
	CHECK_INT(parse_bytes("{\0}", 3), MESSAGE_BAD);
}

TEST(figures_are_rounded_down_and_capped_and_never_negative)
{
	static const struct
	{
		const char *json;
		int64_t		expected; /* -1: refused */
	} cases[] = {{"0", 0},
				 {"0.999", 0},
				 {"1234.9999", 1234},
				 {"2147483647", 2147483647},
				 {"2147483648", 2147483647},
				 {"9223372036854775807", 2147483647},
				 {"1e300", 2147483647},
				 {"-0.0", 0},
				 {"-1", -1},
				 {"-0.5", -1},
				 {"1e999", -1},
				 {"9223372036854775808", 2147483647},
				 {"-9223372036854775809", -1},
				 {"NaN", -1},
				 {"Infinity", -1},
				 {"null", -1},
				 {"true", -1},
				 {"\"5\"", -1},
				 {"[5]", -1},
				 {"{}", -1}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
	{
		char		   json[512];
		MessageVerdict verdict;

		snprintf(json, sizeof json,
				 "{\"type\":\"state\"," VIEW ",\"n\":1,\"state\":\"visible\","
				 "\"visible\":%s,\"focused\":0,\"active\":0,\"elapsed\":0}",
				 cases[i].json);
		verdict = parse(json);
		CHECK_INT(verdict, cases[i].expected < 0 ? MESSAGE_BAD : MESSAGE_GOOD);
		if (verdict == MESSAGE_GOOD)
			CHECK_INT(message.figures.visible, cases[i].expected);
	}
}

TEST(a_page_cannot_speak_for_another_site)
{
	CHECK_INT(parse(ANNOUNCED "}"), MESSAGE_GOOD);
	CHECK_INT(parse("{\"type\":\"view\",\"url\":\"https://evil.example/a\"," FRAME "}"),
			  MESSAGE_WRONG_SITE);
	CHECK_INT(message.n, 1);
	CHECK_INT(parse("{\"type\":\"view\",\"url\":\"https://example.com:8443/a\"," FRAME "}"),
			  MESSAGE_WRONG_SITE);
	CHECK_INT(parse("{\"type\":\"view\",\"url\":\"https://EXAMPLE.com:443/a\"," FRAME "}"),
			  MESSAGE_GOOD);
	CHECK_INT(
		parse("{\"type\":\"end\",\"reason\":\"closed\",\"url\":\"https://evil.example/a\"," FRAME
			  "}"),
		MESSAGE_WRONG_SITE);
}

TEST(props_are_flat_and_few)
{
	char   json[4096];
	size_t length;

	CHECK_INT(parse(ANNOUNCED ",\"props\":null}"), MESSAGE_GOOD);
	CHECK_INT(parse(ANNOUNCED ",\"props\":{}}"), MESSAGE_GOOD);
	CHECK_INT(parse(ANNOUNCED ",\"props\":[]}"), MESSAGE_BAD_PROPS);
	CHECK_INT(parse(ANNOUNCED ",\"props\":\"x\"}"), MESSAGE_BAD_PROPS);
	CHECK_INT(parse(ANNOUNCED ",\"props\":{\"a\":{}}}"), MESSAGE_BAD_PROPS);
	CHECK_INT(parse(ANNOUNCED ",\"props\":{\"a\":[1]}}"), MESSAGE_BAD_PROPS);
	for (int count = 16; count <= 17; count++)
	{
		length = (size_t) snprintf(json, sizeof json, ANNOUNCED ",\"props\":{\"k\":1");
		for (int i = 1; i < count; i++)
			length += (size_t) snprintf(json + length, sizeof json - length, ",\"k%d\":%d", i, i);
		snprintf(json + length, sizeof json - length, "}}");
		CHECK_INT(parse(json), count == 16 ? MESSAGE_GOOD : MESSAGE_BAD_PROPS);
	}
}

TEST(a_large_integer_in_props_does_not_cost_the_view)
{
	CHECK_INT(parse(ANNOUNCED ",\"props\":{\"id\":12345678901234567000,\"n\":-99999999999999999999,"
							  "\"small\":-7,\"exact\":9007199254740993}}"),
			  MESSAGE_GOOD);
	REQUIRE(message.page.property_count == 4);
	CHECK_INT(message.page.properties[0].type, PROPERTY_NUMBER);
	CHECK(message.page.properties[0].number == 12345678901234567000.0);
	CHECK(message.page.properties[1].number == -1e20);
	CHECK(message.page.properties[2].number == -7);
	CHECK(message.page.properties[3].number == 9007199254740992.0);
}

TEST(a_message_number_may_be_written_as_a_real_one)
{
	CHECK_INT(parse("{\"type\":\"state\"," VIEW ",\"n\":7.0,\"state\":\"visible\"," FIGURES "}"),
			  MESSAGE_GOOD);
	CHECK_INT(message.n, 7);
	CHECK_INT(
		parse("{\"type\":\"state\"," VIEW ",\"n\":2147483647,\"state\":\"visible\"," FIGURES "}"),
		MESSAGE_GOOD);
	CHECK_INT(message.n, INT32_MAX);
}

TEST(a_property_key_is_cleaned_and_cut_and_costs_at_most_itself)
{
	const PageDescription *page = &message.page;
	char				   json[1024];
	char				   key[131];

	memset(key, 'k', sizeof key - 1);
	key[sizeof key - 1] = '\0';
	snprintf(json, sizeof json, ANNOUNCED ",\"props\":{\"\":1,\"a\\nb\":2,\"%s\":3,\"%sx\":4}}",
			 key, key);
	REQUIRE(parse(json) == MESSAGE_GOOD);
	REQUIRE(page->property_count == 2);
	CHECK_TEXT(page->properties[0].key, "a b");
	CHECK_BYTES(page->properties[1].key.data, page->properties[1].key.length, key, 64);
	CHECK(page->properties[1].number == 3);

	/* Cut between characters: 21 of three bytes. */
	for (int i = 0; i + 3 < (int) sizeof key; i += 3)
		memcpy(key + i, "\xe2\x82\xac", 4);
	snprintf(json, sizeof json, ANNOUNCED ",\"props\":{\"%s\":{},\"z\":0}}", key);
	CHECK_INT(parse(json), MESSAGE_BAD_PROPS);
	snprintf(json, sizeof json, ANNOUNCED ",\"props\":{\"%s\":\"a\\u0007b\",\"z\":0}}", key);
	REQUIRE(parse(json) == MESSAGE_GOOD);
	REQUIRE(page->property_count == 2);
	CHECK_BYTES(page->properties[0].key.data, page->properties[0].key.length, key, 63);
	CHECK_TEXT(page->properties[0].string, "a b");
	CHECK_INT(parse(ANNOUNCED ",\"props\":{\"\":{}}}"), MESSAGE_BAD_PROPS);
}

TEST(texts_are_cut_at_their_limits_and_fit_an_event)
{
	static char	   json[64 * 1024];
	static uint8_t record[EVENT_LIMIT];
	static Event   event;
	Event		   decoded;
	char		   long_text[3001];
	size_t		   length;

	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	length = (size_t) snprintf(
		json, sizeof json,
		"{\"type\":\"view\"," FRAME ",\"url\":\"https://example.com/%s?utm_a=%s\","
		"\"title\":\"%s\",\"name\":\"%s\",\"language\":\"%s\",\"time_zone\":\"%s\","
		"\"referrer\":\"http://a/%s?utm_a=1\",\"props\":{\"k\":1",
		long_text, long_text + 2100, long_text, long_text, long_text, long_text, long_text);
	for (int i = 1; i < 16; i++)
		length += (size_t) snprintf(json + length, sizeof json - length, ",\"k%.60s%02d\":\"%s\"",
									long_text, i, long_text);
	snprintf(json + length, sizeof json - length, "}}");
	REQUIRE(parse(json) == MESSAGE_GOOD);
	CHECK_INT(message.page.path.length, PATH_LIMIT);
	CHECK_INT(message.page.query.length, 906);
	CHECK_INT(message.page.title.length, TITLE_LIMIT);
	CHECK_INT(message.page.name.length, NAME_LIMIT);
	CHECK_INT(message.page.language.length, LANGUAGE_LIMIT);
	CHECK_INT(message.page.time_zone.length, TIME_ZONE_LIMIT);
	CHECK_INT(message.page.referrer.length, REFERRER_LIMIT);
	CHECK_INT(message.page.properties[15].string.length, PROPERTY_STRING_LIMIT);

	event = (Event){.type = EVENT_MESSAGE, .connection = 1};
	event.u.message.view = message;
	length = event_encode(&event, record, sizeof record);
	CHECK(length > 0);
	CHECK(event_decode(record, length, &decoded));
}

TEST(a_title_cut_in_the_middle_of_an_emoji_loses_only_that)
{
	CHECK_INT(parse(ANNOUNCED ",\"title\":\"a\\ud83d\"}"), MESSAGE_GOOD);
	CHECK_TEXT(message.page.title, "a\xef\xbf\xbd");
	CHECK_INT(parse(ANNOUNCED ",\"title\":\"\\uDE00a\\ud83d\\ud83d\\ude00\"}"), MESSAGE_GOOD);
	CHECK_TEXT(message.page.title, "\xef\xbf\xbd"
								   "a\xef\xbf\xbd\xf0\x9f\x98\x80");
	CHECK_INT(parse(ANNOUNCED ",\"title\":\"\\\\ud83d\"}"), MESSAGE_GOOD);
	CHECK_TEXT(message.page.title, "\\ud83d");
	CHECK_INT(parse("{\"type\":\"\\ud8"), MESSAGE_BAD);
	CHECK_INT(parse("\\u"), MESSAGE_BAD);
	CHECK_INT(parse("\\"), MESSAGE_BAD);
	CHECK_INT(parse("\"\\ud83d\\u12"), MESSAGE_BAD);
}

TEST(a_referrer_that_is_no_web_address_is_dropped)
{
	CHECK_INT(parse(ANNOUNCED ",\"referrer\":\"android-app://com.example/\"}"), MESSAGE_GOOD);
	CHECK_INT(message.page.referrer.length, 0);
	CHECK_INT(parse(ANNOUNCED ",\"referrer\":\"\"}"), MESSAGE_GOOD);
	CHECK_INT(message.page.referrer.length, 0);
	CHECK_INT(parse(ANNOUNCED ",\"referrer\":7}"), MESSAGE_GOOD);
	CHECK_INT(message.page.referrer.length, 0);
}

TEST(deep_nesting_does_not_exhaust_the_stack)
{
	static char json[MESSAGE_LIMIT + 1];

	memset(json, '[', MESSAGE_LIMIT);
	CHECK_INT(parse(json), MESSAGE_BAD);
	for (size_t i = 0; i + 5 < MESSAGE_LIMIT; i += 5)
		memcpy(json + i, "{\"a\":", 5);
	CHECK_INT(parse(json), MESSAGE_BAD);
}

/* --- notes --------------------------------------------------------------------- */

static int verdicts[MESSAGE_BAD_PROPS + 1];

static void
count_element(void *context, MessageVerdict verdict, const ViewMessage *element)
{
	(void) context;
	verdicts[verdict]++;
	if (verdict == MESSAGE_GOOD)
		CHECK_INT(element->figures.visible, 10);
}

static bool
parse_note(const char *json)
{
	MessageRules rules = {text_of("example.com"), text_of("")};
	char		*copy = strdup(json);
	bool		 good;

	memset(verdicts, 0, sizeof verdicts);
	good = message_parse_note(copy, strlen(copy), &rules, &arena, count_element, NULL);
	free(copy);
	return good;
}

TEST(each_message_of_a_note_is_judged_by_itself)
{
	CHECK(parse_note("[" STATE "},1,{}," STATE
					 "},{\"type\":\"view\",\"url\":\"http://evil/\"," FRAME "}," ANNOUNCED
					 ",\"props\":[]}]"));
	CHECK_INT(verdicts[MESSAGE_GOOD], 2);
	CHECK_INT(verdicts[MESSAGE_BAD], 2);
	CHECK_INT(verdicts[MESSAGE_WRONG_SITE], 1);
	CHECK_INT(verdicts[MESSAGE_BAD_PROPS], 1);
	CHECK(parse_note("[]"));
	CHECK(!parse_note("{}"));
	CHECK(!parse_note("[" STATE "}"));
	CHECK(parse_note("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]"));
	CHECK(!parse_note("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"));
	CHECK_INT(verdicts[MESSAGE_BAD], 0);
}

TEST(an_element_that_is_no_json_does_not_void_its_neighbours)
{
	static const char *const strangers[] = {"{\"a\":1,\"a\":2}",
											"{\"a\":1e999}",
											"{\"a\":\"\\u0000\"}",
											"{\"a\":\"\xff\"}",
											"{]}",
											"{\"a\":[}]}",
											"1 2",
											"nonsense",
											"\"],[\\\"\"",
											"{\"a\":12345678901234567000}"};
	static const char *const no_arrays[] = {
		"",		 " ",	"[",	"]",		"1",	"[,]", "[1,]",	  "[,1]",	 "[1,,2]", "[1]]",
		"[1],2", "[{]", "[\"]", "[\"\\\"]", "[[1]", "{}",  "[1],[2]", "[1] [2]", "[1,\t]", "x[1]"};

	for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
	{
		char json[1024];

		snprintf(json, sizeof json, " [ " STATE "},\n%s\t, " STATE "} ]\r\n", strangers[i]);
		CHECK(parse_note(json));
		CHECK_INT(verdicts[MESSAGE_GOOD], 2);
		CHECK_INT(verdicts[MESSAGE_BAD], 1);
	}
	for (size_t i = 0; i < sizeof no_arrays / sizeof no_arrays[0]; i++)
	{
		CHECK(!parse_note(no_arrays[i]));
		if (verdicts[MESSAGE_BAD] + verdicts[MESSAGE_GOOD] > 0 || parse_note(no_arrays[i]))
			printf("taken: %s\n", no_arrays[i]);
	}
	CHECK(parse_note("[ ]"));
}

/* --- replies ------------------------------------------------------------------- */

TEST(replies_are_what_the_wire_says)
{
	char out[REPLY_LIMIT];
	Uuid view;

	REQUIRE(uuid_parse("01a207cb-2609-7c60-ba3d-e23a7847108d", 36, &view));
	CHECK(reply_hello(out, sizeof out, 1795400000000, 15000) > 0);
	CHECK_STRING(out, "{\"type\":\"hello\",\"now\":1795400000000,\"heartbeat\":15000}");
	CHECK(reply_acknowledged(out, sizeof out, &view, 2) > 0);
	CHECK_STRING(out,
				 "{\"type\":\"ack\",\"view\":\"01a207cb-2609-7c60-ba3d-e23a7847108d\",\"n\":2}");
	CHECK(reply_stored(out, sizeof out, &view, 3) > 0);
	CHECK_STRING(out,
				 "{\"type\":\"stored\",\"view\":\"01a207cb-2609-7c60-ba3d-e23a7847108d\",\"n\":3}");
	CHECK(reply_refused(out, sizeof out, &view, 1, text_of("busy"), text_of("say \"when\" \\"), 0) >
		  0);
	CHECK_STRING(out,
				 "{\"type\":\"refused\",\"view\":\"01a207cb-2609-7c60-ba3d-e23a7847108d\",\"n\":1,"
				 "\"code\":\"busy\",\"message\":\"say \\u0022when\\u0022 \\u005c\"}");
	CHECK(reply_refused(out, sizeof out, &view, 1, text_of("clock"), text_of("late"),
						1795400000000) > 0);
	CHECK_STRING(out,
				 "{\"type\":\"refused\",\"view\":\"01a207cb-2609-7c60-ba3d-e23a7847108d\",\"n\":1,"
				 "\"code\":\"clock\",\"message\":\"late\",\"now\":1795400000000}");
	CHECK(reply_stored(out, sizeof out, &view, EVENT_NUMBER) > 0);
	CHECK_STRING(out, "{\"type\":\"stored\",\"event\":\"01a207cb-2609-7c60-ba3d-e23a7847108d\"}");
	CHECK(reply_refused(out, sizeof out, &view, EVENT_NUMBER, text_of("busy"), text_of("later"),
						0) > 0);
	CHECK_STRING(out, "{\"type\":\"refused\",\"event\":\"01a207cb-2609-7c60-ba3d-e23a7847108d\","
					  "\"code\":\"busy\",\"message\":\"later\"}");
	CHECK(reply_error(out, sizeof out, text_of("busy"), text_of("later")) > 0);
	CHECK_STRING(out, "{\"type\":\"error\",\"code\":\"busy\",\"message\":\"later\"}");
	CHECK_INT(reply_hello(out, 10, 1, 1), 0);
}

TEST(the_longest_refusal_fits)
{
	char out[REPLY_LIMIT];
	char quotes[REFUSAL_TEXT_LIMIT + 1];
	Uuid view = {{0}};
	Text code;

	memset(quotes, '"', REFUSAL_TEXT_LIMIT);
	quotes[REFUSAL_TEXT_LIMIT] = '\0';
	code = text_of(quotes);
	code.length = REFUSAL_CODE_LIMIT;
	CHECK(reply_refused(out, sizeof out, &view, INT32_MAX, code, text_of(quotes), INT64_MAX) >
		  1000);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_view_brings_its_page);
	RUN(a_state_and_an_end_are_understood);
	RUN(an_event_has_an_id_of_its_own_and_a_name);
	RUN(what_is_no_message_is_bad);
	RUN(figures_are_rounded_down_and_capped_and_never_negative);
	RUN(a_page_cannot_speak_for_another_site);
	RUN(props_are_flat_and_few);
	RUN(a_large_integer_in_props_does_not_cost_the_view);
	RUN(a_message_number_may_be_written_as_a_real_one);
	RUN(a_property_key_is_cleaned_and_cut_and_costs_at_most_itself);
	RUN(texts_are_cut_at_their_limits_and_fit_an_event);
	RUN(a_title_cut_in_the_middle_of_an_emoji_loses_only_that);
	RUN(a_referrer_that_is_no_web_address_is_dropped);
	RUN(deep_nesting_does_not_exhaust_the_stack);
	RUN(each_message_of_a_note_is_judged_by_itself);
	RUN(an_element_that_is_no_json_does_not_void_its_neighbours);
	RUN(replies_are_what_the_wire_says);
	RUN(the_longest_refusal_fits);
	return unit_finish();
}
