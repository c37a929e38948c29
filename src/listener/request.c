/*
 * request.c
 *	  Reading the header fields that are lists or have a meaning of their own.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "request.h"

#include <strings.h>

/* Takes the next item of a comma list, without the blanks around it; false at its end. */
static bool
next_item(Text *list, Text *item)
{
	const char *comma;
	size_t		length;

	if (list->length == 0)
		return false;
	comma = memchr(list->data, ',', list->length);
	length = comma != NULL ? (size_t) (comma - list->data) : list->length;
	*item = (Text){list->data, (uint16_t) length};
	if (comma != NULL)
		length++;
	list->data += length;
	list->length = (uint16_t) (list->length - length);

	while (item->length > 0 && (item->data[0] == ' ' || item->data[0] == '\t'))
	{
		item->data++;
		item->length--;
	}
	while (item->length > 0 &&
		   (item->data[item->length - 1] == ' ' || item->data[item->length - 1] == '\t'))
		item->length--;
	return true;
}

static bool
equals_token(Text item, const char *token)
{
	return item.length == strlen(token) && strncasecmp(item.data, token, item.length) == 0;
}

bool
request_lists(Text list, const char *token)
{
	Text item;

	while (next_item(&list, &item))
	{
		if (equals_token(item, token))
			return true;
	}
	return false;
}

Text
request_last(Text list)
{
	Text item = {NULL, 0};

	while (next_item(&list, &item))
		;
	return item;
}

bool
request_ends_with(Text list, const char *token)
{
	return equals_token(request_last(list), token);
}

/* Whether the word occurs anywhere in the text. */
static bool
mentions(Text text, const char *word)
{
	size_t length = strlen(word);

	for (size_t i = 0; i + length <= text.length; i++)
	{
		if (strncasecmp(text.data + i, word, length) == 0)
			return true;
	}
	return false;
}

bool
request_is_prefetch(const Request *request)
{
	return mentions(request->sec_purpose, "prefetch") ||
		   mentions(request->sec_purpose, "prerender") || mentions(request->purpose, "prefetch") ||
		   mentions(request->purpose, "prerender");
}

bool
request_accepts_gzip(const Request *request)
{
	Text list = request->accept_encoding;
	Text item;

	while (next_item(&list, &item))
	{
		const char *parameters = item.length > 0 ? memchr(item.data, ';', item.length) : NULL;
		Text		name = item;
		bool		refused = false;

		if (parameters != NULL)
		{
			const char *end = item.data + item.length;
			const char *q = parameters + 1;

			name.length = (uint16_t) (parameters - item.data);
			while (name.length > 0 && name.data[name.length - 1] == ' ')
				name.length--;
			while (q < end && *q == ' ')
				q++;
			if (end - q >= 3 && (q[0] == 'q' || q[0] == 'Q') && q[1] == '=')
			{
				/* "0", "0.", "0.000" mean no. */
				refused = true;
				for (q += 2; q < end; q++)
				{
					if (*q >= '1' && *q <= '9')
						refused = false;
				}
			}
		}
		if (equals_token(name, "gzip"))
			return !refused;
	}
	return false;
}

bool
request_has_tag(const Request *request, const char *tag)
{
	Text list = request->if_none_match;
	Text item;

	while (next_item(&list, &item))
	{
		if (item.length > 2 && item.data[0] == 'W' && item.data[1] == '/')
		{
			item.data += 2;
			item.length -= 2;
		}
		if (equals_token(item, tag) || equals_token(item, "*"))
			return true;
	}
	return false;
}

long
request_body_length(const Request *request)
{
	long length = 0;

	if (request->content_length.length < 1 || request->content_length.length > 9 ||
		request->transfer_encoding.length > 0)
		return -1;
	for (int i = 0; i < request->content_length.length; i++)
	{
		char c = request->content_length.data[i];

		if (c < '0' || c > '9')
			return -1;
		length = length * 10 + (c - '0');
	}
	return length;
}
