/*
 * varint.h
 *	  Whole numbers in as few bytes as they need, seven bits a byte, the lowest
 *	  first; what may be negative goes in zigzag (0, -1, 1, -2 ...).
 *
 * Reading raises ERRCODE_DATA_CORRUPTED where the bytes end too early.
 */
#ifndef PAGEVIEWS_VARINT_H
#define PAGEVIEWS_VARINT_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "port/pg_bswap.h"

static inline void
varint_write(StringInfo into, uint64 value)
{
	while (value >= 0x80)
	{
		appendStringInfoCharMacro(into, (char) (value | 0x80));
		value >>= 7;
	}
	appendStringInfoCharMacro(into, (char) value);
}

static inline void
varint_write_signed(StringInfo into, int64 value)
{
	varint_write(into, ((uint64) value << 1) ^ (uint64) (value >> 63));
}

extern void varint_corrupted(void) pg_attribute_noreturn();

static inline uint64
varint_read(StringInfo from)
{
	uint64 value = 0;

	for (int shift = 0; shift < 64; shift += 7)
	{
		uint8 byte;

		if (from->cursor >= from->len)
			varint_corrupted();
		byte = (uint8) from->data[from->cursor++];
		value |= (uint64) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return value;
	}
	varint_corrupted();
}

/*
 * The same for numbers of which some take one byte more than others: all bytes at
 * once, because a processor that guesses at each whether another follows is wrong
 * too often.
 */
static inline uint64
varint_read_mixed(StringInfo from)
{
	uint64 word;
	uint64 last; /* the highest bit of the bytes that none follows */

	if (from->len - from->cursor < (int) sizeof word)
		return varint_read(from);
	memcpy(&word, from->data + from->cursor, sizeof word);
#ifdef WORDS_BIGENDIAN
	word = pg_bswap64(word);
#endif
	last = ~word & UINT64CONST(0x8080808080808080);
	if (unlikely(last == 0))
		return varint_read(from);
	from->cursor += (__builtin_ctzll(last) >> 3) + 1;
	word &= last ^ (last - 1);
	/* Seven bits of each byte, moved together in pairs, fours, eights. */
	word = (word & UINT64CONST(0x007f007f007f007f)) | (word & UINT64CONST(0x7f007f007f007f00)) >> 1;
	word = (word & UINT64CONST(0x00003fff00003fff)) | (word & UINT64CONST(0x3fff00003fff0000)) >> 2;
	return (word & UINT64CONST(0x000000000fffffff)) | (word & UINT64CONST(0x0fffffff00000000)) >> 4;
}

static inline int64
varint_read_signed(StringInfo from)
{
	uint64 value = varint_read(from);

	return (int64) (value >> 1) ^ -(int64) (value & 1);
}

/* The next `length` bytes, where they lie. */
static inline const char *
varint_read_bytes(StringInfo from, uint64 length)
{
	const char *bytes = from->data + from->cursor;

	if (length > (uint64) (from->len - from->cursor))
		varint_corrupted();
	from->cursor += (int) length;
	return bytes;
}

#endif /* PAGEVIEWS_VARINT_H */
