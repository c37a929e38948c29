/*
 * fuzz.h
 *	  What the fuzz targets share: checks, the input, an oracle for texts.
 *
 * A target is one file with one LLVMFuzzerTestOneInput(), built by fuzz.mk with
 * libFuzzer and the sanitizers.  What it checks is the product's contract and not
 * only that nothing crashes: FUZZ_CHECK() ends the process, which is a finding.
 */
#ifndef PAGEVIEWS_FUZZ_H
#define PAGEVIEWS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/common/message.h"
#include "../../src/common/text.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                              \
	do                                                                                     \
	{                                                                                      \
		if (!(condition))                                                                  \
		{                                                                                  \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                       \
		}                                                                                  \
	} while (0)

/* What is left of an input. */
typedef struct Input
{
	const uint8_t *at;
	size_t		   left;
} Input;

/* The next byte; 0 when there is none. */
static inline uint8_t
input_byte(Input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

/* The next `count` bytes, little-endian; what is missing is 0. */
static inline uint64_t
input_number(Input *input, int count)
{
	uint64_t number = 0;

	for (int i = 0; i < count; i++)
		number |= (uint64_t) input_byte(input) << (8 * i);
	return number;
}

/*
 * A copy of the bytes up to the next newline (or all that is left), alone in its
 * memory, so that one byte read too many is seen.  The caller frees its data.
 */
static inline Text
input_line(Input *input)
{
	const uint8_t *newline = input->left > 0 ? memchr(input->at, '\n', input->left) : NULL;
	size_t		   length = newline != NULL ? (size_t) (newline - input->at) : input->left;
	size_t		   kept = length > UINT16_MAX ? UINT16_MAX : length;
	char		  *copy = malloc(kept);

	if (copy == NULL)
		abort();
	if (kept > 0)
		memcpy(copy, input->at, kept);
	input->at += length + (newline != NULL ? 1 : 0);
	input->left -= length + (newline != NULL ? 1 : 0);
	return (Text){copy, (uint16_t) kept};
}

/*
 * Whether a text is what the database takes: at most `limit` bytes of valid UTF-8
 * without control characters.  It decodes code points, which the product does not.
 */
static inline bool
is_storable(Text text, size_t limit)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t				  i = 0;

	if (text.length > limit)
		return false;
	while (i < text.length)
	{
		uint8_t	 lead = (uint8_t) text.data[i];
		int		 bytes = lead < 0x80	   ? 1
						 : lead >> 5 == 6  ? 2
						 : lead >> 4 == 14 ? 3
						 : lead >> 3 == 30 ? 4
										   : 0;
		uint32_t point = bytes == 1 ? lead : lead & (0x7fU >> bytes);

		if (bytes == 0 || i + (size_t) bytes > text.length)
			return false;
		for (int k = 1; k < bytes; k++)
		{
			uint8_t next = (uint8_t) text.data[i + (size_t) k];

			if (next >> 6 != 2)
				return false;
			point = point << 6 | (next & 0x3f);
		}
		if (point < smallest[bytes] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ||
			point < 0x20 || (point >= 0x7f && point < 0xa0))
			return false;
		i += (size_t) bytes;
	}
	return true;
}

/* Whether it begins or ends with, or contains, this. */
static inline bool
text_has(Text text, const char *part)
{
	return text.length > 0 && memmem(text.data, text.length, part, strlen(part)) != NULL;
}

static inline bool
text_ends(Text text, Text end)
{
	return text.length >= end.length &&
		   (end.length == 0 ||
			memcmp(text.data + text.length - end.length, end.data, end.length) == 0);
}

#endif /* PAGEVIEWS_FUZZ_H */
