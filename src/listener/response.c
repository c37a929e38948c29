/*
 * response.c
 *	  Writing HTTP responses.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEAD_LIMIT 4096

static const char *
reason_phrase(int status)
{
	switch (status)
	{
		case 200:
			return "OK";
		case 204:
			return "No Content";
		case 302:
			return "Found";
		case 304:
			return "Not Modified";
		case 400:
			return "Bad Request";
		case 403:
			return "Forbidden";
		case 404:
			return "Not Found";
		case 411:
			return "Length Required";
		case 413:
			return "Content Too Large";
		case 429:
			return "Too Many Requests";
		case 503:
			return "Service Unavailable";
		default:
			return "Error";
	}
}

bool
response_make(Response *response, int status, const char *headers, const void *body, size_t length,
			  WallMillis now)
{
	bool	  bodiless = status == 204 || status == 304;
	time_t	  seconds = (time_t) (now / MILLIS_PER_SECOND);
	struct tm date;
	char	  date_text[40];
	char	  length_text[48] = "";
	int		  head;

	*response = (Response){0};
	if (gmtime_r(&seconds, &date) == NULL ||
		strftime(date_text, sizeof date_text, "%a, %d %b %Y %H:%M:%S GMT", &date) == 0)
		return false;
	if (bodiless)
		length = 0;
	else
		snprintf(length_text, sizeof length_text, "Content-Length: %zu\r\n", length);

	response->data = malloc(RESPONSE_HEADROOM + HEAD_LIMIT + length);
	if (response->data == NULL)
		return false;
	head = snprintf((char *) response_bytes(response), HEAD_LIMIT,
					"HTTP/1.1 %d %s\r\nDate: %s\r\n%sConnection: close\r\n"
					"X-Content-Type-Options: nosniff\r\n%s\r\n",
					status, reason_phrase(status), date_text, length_text, headers);
	if (head < 0 || head >= HEAD_LIMIT)
	{
		response_free(response);
		return false;
	}
	if (length > 0)
		memcpy(response_bytes(response) + head, body, length);
	response->length = (size_t) head + length;
	return true;
}

bool
response_refuse(Response *response, int status, const char *headers, WallMillis now)
{
	char all[512];
	char body[64];
	int	 length = snprintf(body, sizeof body, "%s\n", reason_phrase(status));

	snprintf(all, sizeof all, "Content-Type: text/plain\r\nCache-Control: no-store\r\n%s", headers);
	return response_make(response, status, all, body, (size_t) length, now);
}

void
response_free(Response *response)
{
	free(response->data);
	*response = (Response){0};
}
