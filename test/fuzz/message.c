/*
 * message.c
 *	  Fuzz target: one message of a websocket.
 */
#include "believed.h"

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
	static Arena	   arena;
	static ViewMessage message;
	MessageRules	   rules = {text_of("example.com"), text_of("utm_* ref")};
	char			  *copy;

	if (size > MESSAGE_LIMIT)
		return 0;
	copy = malloc(size);
	if (size > 0)
		memcpy(copy, data, size);
	check_believed(message_parse(copy, size, &rules, &arena, &message), &message, &rules);
	free(copy);
	return 0;
}
