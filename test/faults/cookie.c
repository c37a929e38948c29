/*
 * cookie.c
 *	  The visitor's cookie: which session the server takes him for.
 *
 * The server sets it with every 101, and a browser brings it along with every
 * socket and note.  Whether it was signed is the server's business: here the
 * session is only read out of  2.<key>.<session, 22 characters of base64url>.…
 */
#include "driver.h"

#include <stdio.h>
#include <string.h>

#define CODE_LENGTH 22

/* Writes the session of a cookie's value as a UUID; false when there is none. */
static bool
read_session(const char *value, char *session)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char		 *code = strncmp(value, "2.", 2) == 0 ? strchr(value + 2, '.') : NULL;
	uint8_t			  bytes[CODE_LENGTH * 6 / 8];
	unsigned		  bits = 0;
	size_t			  count = 0;
	int				  length = 0;

	if (code == NULL || strcspn(++code, ".") != CODE_LENGTH)
		return false;
	for (int i = 0; i < CODE_LENGTH; i++)
	{
		const char *digit = strchr(digits, code[i]);

		if (digit == NULL)
			return false;
		bits = bits << 6 | (unsigned) (digit - digits);
		length += 6;
		if (length >= 8)
		{
			length -= 8;
			bytes[count++] = (uint8_t) (bits >> length);
		}
	}
	for (size_t i = 0; i < sizeof bytes; i++)
		session += sprintf(session, "%s%02x", i > 3 && i < 11 && i % 2 == 0 ? "-" : "", bytes[i]);
	return true;
}

void
cookie_take(Visitor *v, const char *head)
{
	static const char header[] = "\r\nSet-Cookie: ";
	const char		 *at = strstr(head, header), *value;
	size_t			  length;

	if (at == NULL)
		return;
	at += strlen(header);
	length = strcspn(at, ";\r");
	value = memchr(at, '=', length);
	if (value == NULL || length >= sizeof v->cookie || !read_session(value + 1, v->session))
		return;
	memcpy(v->cookie, at, length);
	v->cookie[length] = '\0';
}

void
cookie_line(const Visitor *v, char *line)
{
	line[0] = '\0';
	if (v->cookie[0])
		snprintf(line, COOKIE_LIMIT + 16, "Cookie: %s\r\n", v->cookie);
}
