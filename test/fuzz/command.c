/*
 * command.c
 *	  Fuzz target: what the worker says to a listener, and what a browser hears of it.
 */
#include "../../src/common/record.h"
#include "../../src/listener/configuration.h"
#include "../../src/listener/message.h"
#include "../../src/listener/reply.h"
#include "fuzz.h"

/* A refusal's words reach the browser as JSON, whatever they are. */
static void
check_reply(const Command *command)
{
	char   reply[REPLY_LIMIT];
	size_t length =
		reply_refused(reply, sizeof reply, &command->view, command->n, command->u.refused.code,
					  command->u.refused.message, command->n % 2 ? INT64_MAX : 0);
	bool quoted = false;

	FUZZ_CHECK(length > 0 && length <= sizeof reply);
	FUZZ_CHECK(is_storable((Text){reply, (uint16_t) length}, sizeof reply));
	for (size_t i = 0; i < length; i++)
	{
		if (reply[i] == '\\' && quoted)
			i++;
		else if (reply[i] == '"')
			quoted = !quoted;
	}
	FUZZ_CHECK(!quoted && reply[0] == '{' && reply[length - 1] == '}');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t		 again[RECORD_LIMIT];
	static Command		 command;
	static Configuration configuration;
	uint8_t				*copy = malloc(size);

	if (size > 0)
		memcpy(copy, data, size);
	if (size <= RECORD_LIMIT && command_decode(copy, size, &command))
	{
		FUZZ_CHECK(command_encode(&command, again, sizeof again) == size);
		FUZZ_CHECK(memcmp(again, data, size) == 0);
		FUZZ_CHECK(command_encode(&command, again, size - 1) == 0);
		if (command.type == COMMAND_REFUSED)
			check_reply(&command);
		if (command.type == COMMAND_CONFIGURE)
		{
			FUZZ_CHECK(command.u.configure.key_count >= 1 &&
					   command.u.configure.key_count <= COOKIE_KEY_LIMIT);
			FUZZ_CHECK(command.u.configure.max_connections > 0 &&
					   command.u.configure.ping_interval > 0);
			FUZZ_CHECK(configuration_set(&configuration, &command.u.configure));
			FUZZ_CHECK(text_equal(configuration.is.path_prefix, command.u.configure.path_prefix));
			configuration_clear(&configuration);
		}
	}
	free(copy);
	return 0;
}
