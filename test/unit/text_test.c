/*
 * text_test.c
 *	  Text from the network: what is let through, cut, cleaned, escaped.
 */
#include "unit.h"

#include "../../src/common/text.h"
#include "../../src/common/uuid.h"

static bool
clean(const char *string)
{
	return text_is_clean(string, strlen(string));
}

TEST(text_that_would_break_a_restore_is_not_clean)
{
	CHECK(clean(""));
	CHECK(clean("/page_a"));
	CHECK(clean("/stra\xc3\x9f"
				"e/\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x99\x82"));
	CHECK(!text_is_clean("a\0b", 3));
	CHECK(!clean("\xff\xfe"));
	CHECK(!clean("\xc0\xaf")); /* overlong */
	CHECK(!clean("\xe0\x80\xaf"));
	CHECK(!clean("\xf0\x80\x80\xaf"));
	CHECK(!clean("\xed\xa0\x80"));	   /* surrogate */
	CHECK(!clean("\xf4\x90\x80\x80")); /* above U+10FFFF */
	CHECK(!clean("\xf5\x80\x80\x80"));
	CHECK(!clean("\x80"));	/* alone */
	CHECK(!clean("a\xc3")); /* cut */
	CHECK(!clean("a\xe6\x97"));
	CHECK(!clean("\xf0\x9f\x99"));
}

TEST(control_characters_do_not_reach_a_log_or_a_row)
{
	char out[64];

	CHECK(!clean("a\nb"));
	CHECK(!clean("a\x7f"));
	CHECK(!clean("a\xc2\x85")); /* C1: next line */
	CHECK(clean("a\xc2\xa0"));	/* no-break space is text */

	CHECK_INT(text_clean("a\r\nb\xc2\x85"
						 "c",
						 7, out, sizeof out),
			  6);
	CHECK_BYTES(out, 6, "a  b c", 6);
	CHECK_INT(text_clean("a\xff", 2, out, sizeof out), 0);
}

TEST(a_cut_never_splits_a_character)
{
	char out[8];

	CHECK_INT(text_clip("abc", 3, 5), 3);
	CHECK_INT(text_clip("ab\xe6\x97\xa5", 5, 4), 2);
	CHECK_INT(text_clip("ab\xe6\x97\xa5", 5, 5), 5);
	CHECK_INT(text_clip("\xf0\x9f\x99\x82", 4, 3), 0);
	CHECK_INT(text_clean("ab\xe6\x97\xa5"
						 "c",
						 6, out, 4),
			  2);
	/* What does not fit is still checked. */
	CHECK_INT(text_clean("abcdefgh\xff", 9, out, 4), 0);
}

TEST(a_log_line_cannot_be_forged)
{
	char out[64];
	char small[8];

	text_escape("a\r\n2026 FATAL \"x\"\\\xff", 18, out, sizeof out);
	CHECK_STRING(out, "a\\x0d\\x0a2026 FATAL \\x22x\\x22\\x5c");
	text_escape("abcdefghijkl", 12, small, sizeof small);
	CHECK_STRING(small, "abcd...");
	text_escape("\n\n", 2, small, 1);
	CHECK_STRING(small, "");
	for (size_t capacity = 1; capacity < 40; capacity++)
	{
		text_escape("plain\n\n\n\n\n\n", 11, out, capacity);
		CHECK(strlen(out) < capacity);
	}
}

TEST(only_the_canonical_form_is_a_uuid)
{
	Uuid		uuid;
	char		text[UUID_TEXT_LENGTH + 1];
	const char *good = "0193597f-8e00-7abc-9def-0123456789AB";

	CHECK(uuid_parse(good, 36, &uuid));
	CHECK(uuid_is_v7(&uuid));
	CHECK_INT(uuid_v7_time(&uuid), 0x0193597f8e00);
	uuid_format(&uuid, text);
	CHECK_STRING(text, "0193597f-8e00-7abc-9def-0123456789ab");
	CHECK(!uuid_parse(good, 35, &uuid));
	CHECK(!uuid_parse("0193597f08e00-7abc-9def-0123456789AB", 36, &uuid));
	CHECK(!uuid_parse("0193597f-8e00-7abc-9def-0123456789Ag", 36, &uuid));
	CHECK(!uuid_parse("{193597f-8e00-7abc-9def-0123456789A}", 36, &uuid));
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(text_that_would_break_a_restore_is_not_clean);
	RUN(control_characters_do_not_reach_a_log_or_a_row);
	RUN(a_cut_never_splits_a_character);
	RUN(a_log_line_cannot_be_forged);
	RUN(only_the_canonical_form_is_a_uuid);
	return unit_finish();
}
