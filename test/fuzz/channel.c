/*
 * channel.c
 *	  Fuzz target: records cut and glued as a stream socket does it, or broken.
 *
 * The first byte says how large the pieces are in which the rest is written.  A
 * slow and obvious reader of the same bytes says which records must come.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/common/channel.h"
#include "fuzz.h"

#define LIMIT 600 /* bytes of a record */

typedef struct Expected
{
	const uint8_t *at;
	size_t		   left;
} Expected;

/* The next record must be this one. */
static bool
take_record(void *context, const uint8_t *body, size_t length)
{
	Expected *expected = context;
	uint32_t  prefix;

	FUZZ_CHECK(expected->left >= sizeof prefix);
	memcpy(&prefix, expected->at, sizeof prefix);
	FUZZ_CHECK(prefix == length && length > 0 && length <= LIMIT);
	FUZZ_CHECK(expected->left >= sizeof prefix + length);
	FUZZ_CHECK(memcmp(expected->at + sizeof prefix, body, length) == 0);
	expected->at += sizeof prefix + length;
	expected->left -= sizeof prefix + length;
	return true;
}

/* Whether what is left begins with a record that must be refused: 1; whole: 0; not all there: -1. */
static int
next_is_bad(const Expected *expected)
{
	uint32_t prefix;

	if (expected->left < sizeof prefix)
		return -1;
	memcpy(&prefix, expected->at, sizeof prefix);
	if (prefix == 0 || prefix > LIMIT)
		return 1;
	return expected->left - sizeof prefix >= prefix ? 0 : -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		  input = {data, size};
	size_t		  piece = (size_t) input_byte(&input) * 3 + 1;
	Expected	  expected = {input.at, input.left};
	int			  ends[2];
	Channel		 *channel;
	ChannelStatus status = CHANNEL_OK;

	if (input.left > 20000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
		return 0;
	channel = channel_new(ends[0], LIMIT, 4096);
	while (input.left > 0 && status == CHANNEL_OK)
	{
		size_t length = input.left < piece ? input.left : piece;

		FUZZ_CHECK(write(ends[1], input.at, length) == (ssize_t) length);
		input.at += length;
		input.left -= length;
		status = channel_read(channel, 0, take_record, &expected);
	}
	FUZZ_CHECK((status == CHANNEL_CLOSED) == (next_is_bad(&expected) == 1));
	FUZZ_CHECK(status == CHANNEL_CLOSED || next_is_bad(&expected) == -1);
	channel_free(channel);
	close(ends[1]);
	return 0;
}
