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
