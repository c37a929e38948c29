/*
 * listener_scratch.c
 *	  The block that a message's JSON is read into: bounded, and empty for the next one.
 */
#include <stdalign.h>
#include <stddef.h>

#include "../../src/listener/message.h"
#include "../../src/listener/scratch.h"
#include "unit.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

TEST(pieces_are_apart_and_aligned)
{
	char *first = scratch_allocate(1);
	char *second = scratch_allocate(17);

	REQUIRE(first != NULL && second != NULL);
	CHECK_INT((uintptr_t) first % alignof(max_align_t), 0);
	CHECK_INT((uintptr_t) second % alignof(max_align_t), 0);
	CHECK(second >= first + 1);
	memset(second, 'x', 17);
	scratch_reset();
	CHECK(scratch_allocate(1) == first);
	scratch_reset();
}

TEST(nothing_reaches_beyond_the_block)
{
	CHECK(scratch_allocate(SCRATCH_SIZE + 1) == NULL);
	CHECK(scratch_allocate(SIZE_MAX) == NULL);
	REQUIRE(scratch_allocate(SCRATCH_SIZE - 16) != NULL);
	CHECK(scratch_allocate(17) == NULL);
	CHECK(scratch_allocate(16) != NULL);
	CHECK(scratch_allocate(1) == NULL);
	scratch_reset();
}

#ifdef __SANITIZE_ADDRESS__
TEST(the_sanitizer_sees_what_was_given_back)
{
	char *piece = scratch_allocate(17);

	CHECK_INT(__asan_address_is_poisoned(piece + 16), 0);
	CHECK(__asan_address_is_poisoned(piece + 17) != 0);
	scratch_reset();
	CHECK(__asan_address_is_poisoned(piece) != 0);
}
#endif

/* A good message with as many objects inside one another as fit behind it: how it is judged. */
static MessageVerdict
judge_nested(const char *open, const char *close)
{
	static char		   text[MESSAGE_LIMIT];
	static Arena	   arena;
	static ViewMessage message;
	MessageRules	   rules = {.site = text_of("example.com")};
	size_t			   length =
		(size_t) snprintf(text, sizeof text,
						  "{\"type\":\"state\",\"view\":\"01a207cb-2609-7c60-ba3d-e23a7847108d\","
						  "\"n\":1,\"state\":\"visible\",\"visible\":1,\"focused\":1,\"active\":1,"
						  "\"elapsed\":1,\"unknown\":");
	size_t depth = (sizeof text - length - 2) / (strlen(open) + strlen(close));

	for (size_t i = 0; i < depth; i++)
		length += (size_t) sprintf(text + length, "%s", open);
	text[length++] = '0';
	for (size_t i = 0; i < depth; i++)
		length += (size_t) sprintf(text + length, "%s", close);
	text[length++] = '}';
	return message_parse(text, length, &rules, &arena, &message);
}

TEST(the_costliest_messages_have_room)
{
	message_prepare();
	CHECK_INT(judge_nested("{\"\":", "}"), MESSAGE_GOOD);
	CHECK_INT(judge_nested("{\"b\":1,\"a\":", "}"), MESSAGE_GOOD);
	CHECK_INT(judge_nested("[", "]"), MESSAGE_GOOD);
	CHECK_INT(judge_nested("[1,", "]"), MESSAGE_GOOD);
	/* And it is empty again. */
	CHECK(scratch_allocate(SCRATCH_SIZE) != NULL);
	scratch_reset();
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(pieces_are_apart_and_aligned);
	RUN(nothing_reaches_beyond_the_block);
#ifdef __SANITIZE_ADDRESS__
	RUN(the_sanitizer_sees_what_was_given_back);
#endif
	RUN(the_costliest_messages_have_room);
	return unit_finish();
}
