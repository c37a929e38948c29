/*
 * note.c
 *	  Fuzz target: the body of a note.
 */
#include "believed.h"

typedef struct Seen
{
	int					count;
	const MessageRules *rules;
} Seen;

static void
take_element(void *context, MessageVerdict verdict, const ViewMessage *message)
{
	Seen *seen = context;

	seen->count++;
	check_believed(verdict, message, seen->rules);
}

int LLVMFuzzerInitialize(int *count, char ***arguments);

/* Jansson has the memory that it has in a listener. */
int
LLVMFuzzerInitialize(int *count, char ***arguments)
{
	(void) count;
	(void) arguments;
	message_prepare();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Arena arena;
	MessageRules rules = {text_of("example.com"), text_of("utm_* ref")};
	Seen		 seen = {0, &rules};
	char		*copy;
	bool		 good;

	if (size > NOTE_LIMIT)
		return 0;
	copy = malloc(size);
	if (size > 0)
		memcpy(copy, data, size);
	good = message_parse_note(copy, size, &rules, &arena, take_element, &seen);
	FUZZ_CHECK(seen.count <= NOTE_MESSAGE_LIMIT);
	FUZZ_CHECK(good || seen.count == 0);
	free(copy);
	return 0;
}
