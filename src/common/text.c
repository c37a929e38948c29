/*
 * text.c
 *	  The rules that every text from the network obeys before it is kept.
 */
#ifdef POSTGRES_H
#error "src/common knows nothing of Postgres"
#endif

#include "text.h"

/*
 * Length of the valid UTF-8 character at `data`, 0 if there is none: overlong
 * forms, surrogates and code points above U+10FFFF are not valid (Unicode,
 * table 3-7).
 */
static size_t
character_length(const unsigned char *data, size_t available)
{
	unsigned char lead = data[0];
	unsigned char low = 0x80, high = 0xbf;
	size_t		  length;

	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		length = 2;
	else if (lead >= 0xe0 && lead <= 0xef)
		length = 3;
	else if (lead >= 0xf0 && lead <= 0xf4)
		length = 4;
	else
		return 0;

	if (available < length)
		return 0;

	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;

	if (data[1] < low || data[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
	{
		if (data[i] < 0x80 || data[i] > 0xbf)
			return 0;
	}
	return length;
}

/* C0, DEL, and C1 (which is two bytes, c2 80 .. c2 9f). */
static bool
is_control(const unsigned char *character)
{
	return character[0] < 0x20 || character[0] == 0x7f ||
		   (character[0] == 0xc2 && character[1] < 0xa0);
}

Text
text_of(const char *string)
{
	Text text = {string, 0};

	if (string != NULL)
	{
		size_t length = strlen(string);

		text.length = (uint16_t) (length > UINT16_MAX ? UINT16_MAX : length);
	}
	return text;
}

bool
text_is_clean(const char *data, size_t length)
{
	const unsigned char *bytes = (const unsigned char *) data;

	for (size_t i = 0; i < length;)
	{
		size_t step;

		/* Plain printable ASCII is nearly everything that comes by. */
		if (bytes[i] >= 0x20 && bytes[i] < 0x7f)
		{
			i++;
			continue;
		}
		step = character_length(bytes + i, length - i);
		if (step == 0 || is_control(bytes + i))
			return false;
		i += step;
	}
	return true;
}

bool
text_is_utf8(const char *data, size_t length)
{
	const unsigned char *bytes = (const unsigned char *) data;

	for (size_t i = 0; i < length;)
	{
		size_t step = character_length(bytes + i, length - i);

		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

/* How many bytes at the front are printable ASCII. */
static size_t
plain_length(const unsigned char *bytes, size_t length)
{
	size_t plain = 0;

	while (plain < length && bytes[plain] >= 0x20 && bytes[plain] < 0x7f)
		plain++;
	return plain;
}

size_t
text_clean(const char *data, size_t length, char *out, size_t capacity)
{
	const unsigned char *bytes = (const unsigned char *) data;
	size_t				 written = 0;
	size_t				 plain = plain_length(bytes, length);
	bool				 full = false;

	if (plain > 0)
	{
		written = plain < capacity ? plain : capacity;
		full = written < plain;
		memcpy(out, data, written);
	}
	/* All of it must be valid, also what does not fit. */
	for (size_t i = plain; i < length;)
	{
		size_t step = character_length(bytes + i, length - i);
		bool   control;

		if (step == 0)
			return 0;
		control = is_control(bytes + i);
		if (!full && written + (control ? 1 : step) <= capacity)
		{
			if (control)
				out[written++] = ' ';
			else
			{
				memcpy(out + written, bytes + i, step);
				written += step;
			}
		}
		else
			full = true;
		i += step;
	}
	return written;
}

size_t
text_clip(const char *data, size_t length, size_t limit)
{
	if (length <= limit)
		return length;
	while (limit > 0 && ((unsigned char) data[limit] & 0xc0) == 0x80)
		limit--;
	return limit;
}

void
text_escape(const char *data, size_t length, char *out, size_t capacity)
{
	static const char digits[] = "0123456789abcdef";
	size_t			  written = 0;

	if (capacity == 0)
		return;

	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) data[i];
		bool		  plain = c >= 0x20 && c < 0x7f && c != '\\' && c != '"';

		/* Leave room for the dots and the terminator. */
		if (written + (plain ? 1 : 4) + 4 > capacity)
		{
			size_t dots = capacity - 1 - written < 3 ? capacity - 1 - written : 3;

			memset(out + written, '.', dots);
			written += dots;
			break;
		}
		if (plain)
			out[written++] = (char) c;
		else
		{
			out[written++] = '\\';
			out[written++] = 'x';
			out[written++] = digits[c >> 4];
			out[written++] = digits[c & 15];
		}
	}
	out[written] = '\0';
}
