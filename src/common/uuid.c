/*
 * uuid.c
 *	  The text form of a UUID.
 */
#ifdef POSTGRES_H
#error "src/common knows nothing of Postgres"
#endif

#include "uuid.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
hyphen_belongs_at(size_t position)
{
	return position == 8 || position == 13 || position == 18 || position == 23;
}

bool
uuid_parse(const char *text, size_t length, Uuid *uuid)
{
	Uuid   parsed;
	size_t byte = 0;

	if (length != UUID_TEXT_LENGTH)
		return false;

	for (size_t i = 0; i < length;)
	{
		int high, low;

		if (hyphen_belongs_at(i))
		{
			if (text[i++] != '-')
				return false;
			continue;
		}
		high = hex_value(text[i]);
		low = hex_value(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		parsed.bytes[byte++] = (uint8_t) (high << 4 | low);
		i += 2;
	}

	*uuid = parsed;
	return true;
}

void
uuid_format(const Uuid *uuid, char text[UUID_TEXT_LENGTH + 1])
{
	static const char digits[] = "0123456789abcdef";
	size_t			  at = 0;

	for (size_t byte = 0; byte < sizeof uuid->bytes; byte++)
	{
		if (hyphen_belongs_at(at))
			text[at++] = '-';
		text[at++] = digits[uuid->bytes[byte] >> 4];
		text[at++] = digits[uuid->bytes[byte] & 15];
	}
	text[at] = '\0';
}
