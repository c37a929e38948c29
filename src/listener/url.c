/*
 * url.c
 *	  Taking addresses apart.
 *
 * A browser hands over addresses that it has parsed and written out itself
 * (location.href), so this reads that one form and has no opinion on relative
 * or sloppy ones.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "url.h"

#include <strings.h>

#include "../common/message.h"

#define PARAMETER_LIMIT 64 /* parameters of one address that are looked at */

size_t
url_scheme(const char *data, size_t length, bool *https)
{
	if (length >= 8 && strncasecmp(data, "https://", 8) == 0)
	{
		*https = true;
		return 8;
	}
	if (length >= 7 && strncasecmp(data, "http://", 7) == 0)
	{
		*https = false;
		return 7;
	}
	return 0;
}

/* Length of the port's digits at `data`, which must be 1 to 65535 without leading zeros; else 0. */
static size_t
port_length(const char *data, size_t length)
{
	long port = 0;

	if (length < 1 || length > 5 || data[0] == '0')
		return 0;
	for (size_t i = 0; i < length; i++)
	{
		if (data[i] < '0' || data[i] > '9')
			return 0;
		port = port * 10 + (data[i] - '0');
	}
	return port <= 65535 ? length : 0;
}

/* Whether `c` may stand in a host name, or with `bracketed` inside [...]. */
static bool
is_host_character(char c, bool bracketed)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.')
		return true;
	return bracketed ? c == ':' : c == '-' || c == '_';
}

size_t
url_host(const char *data, size_t length, bool https, char *out, size_t capacity)
{
	const char *own_port = https ? "443" : "80";
	bool		bracketed = length > 0 && data[0] == '[';
	size_t		i = bracketed ? 1 : 0;
	size_t		host;

	for (; i < length; i++)
	{
		char c = data[i] >= 'A' && data[i] <= 'Z' ? (char) (data[i] + 32) : data[i];

		if (!is_host_character(c, bracketed) || i >= capacity)
			break;
		out[i] = c;
	}
	if (bracketed)
	{
		if (i < 3 || i >= length || data[i] != ']' || i >= capacity)
			return 0;
		out[0] = '[';
		out[i++] = ']';
	}
	host = i;
	if (host == 0 || host > capacity)
		return 0;
	if (host == length)
		return host;

	if (data[host] != ':' || port_length(data + host + 1, length - host - 1) == 0)
		return 0;
	if (length - host - 1 == strlen(own_port) &&
		memcmp(data + host + 1, own_port, strlen(own_port)) == 0)
		return host;
	if (length > capacity)
		return 0;
	memcpy(out + host, data + host, length - host);
	return length;
}

/* Whether a parameter of this name is in the list. */
static bool
is_kept(Text parameters, const char *name, size_t length)
{
	const char *at = parameters.data;
	const char *end = at + parameters.length;

	while (at < end)
	{
		const char *space = memchr(at, ' ', (size_t) (end - at));
		size_t		item = (size_t) ((space != NULL ? space : end) - at);

		if (item > 0 && at[item - 1] == '*')
		{
			if (length >= item - 1 && memcmp(at, name, item - 1) == 0)
				return true;
		}
		else if (item > 0 && item == length && memcmp(at, name, item) == 0)
			return true;
		at += item + 1;
	}
	return false;
}

/* Keeps the listed parameters of a query ("a=1&b=2"), each name once. */
static Text
keep_parameters(const char *query, size_t length, Text parameters, Arena *arena)
{
	const char *seen[PARAMETER_LIMIT];
	size_t		seen_length[PARAMETER_LIMIT];
	int			seen_count = 0;
	char	   *room = arena_room(arena, QUERY_LIMIT);
	size_t		written = 0;
	const char *end = query + length;

	if (room == NULL || parameters.length == 0)
		return (Text){NULL, 0};

	while (query < end && seen_count < PARAMETER_LIMIT)
	{
		const char *ampersand = memchr(query, '&', (size_t) (end - query));
		size_t		part = (size_t) ((ampersand != NULL ? ampersand : end) - query);
		const char *equals = memchr(query, '=', part);
		size_t		name = equals != NULL ? (size_t) (equals - query) : part;
		bool		kept = name > 0 && is_kept(parameters, query, name);

		for (int i = 0; kept && i < seen_count; i++)
		{
			if (seen_length[i] == name && memcmp(seen[i], query, name) == 0)
				kept = false;
		}
		if (kept)
		{
			size_t separator = written > 0 ? 1 : 0;

			seen[seen_count] = query;
			seen_length[seen_count++] = name;
			if (written + separator + part <= QUERY_LIMIT && text_is_clean(query, part))
			{
				if (separator)
					room[written++] = '&';
				memcpy(room + written, query, part);
				written += part;
			}
		}
		query += part + 1;
	}
	return arena_keep(arena, written);
}

bool
url_parse(const char *data, size_t length, Text parameters, Arena *arena, Url *url)
{
	const char *end = data + length;
	const char *at;
	const char *stop;
	char	   *room;
	size_t		host;
	size_t		scheme = url_scheme(data, length, &url->https);

	if (scheme == 0)
		return false;

	/* The host, up to the first of / ? #; a user name would not pass url_host(). */
	at = data + scheme;
	for (stop = at; stop < end && *stop != '/' && *stop != '?' && *stop != '#';)
		stop++;
	room = arena_room(arena, SITE_LIMIT);
	if (room == NULL)
		return false;
	host = url_host(at, (size_t) (stop - at), url->https, room, SITE_LIMIT);
	if (host == 0)
		return false;
	url->site = arena_keep(arena, host);

	/* The fragment is no business of ours. */
	at = stop;
	stop = memchr(at, '#', (size_t) (end - at));
	if (stop != NULL)
		end = stop;

	stop = memchr(at, '?', (size_t) (end - at));
	if (stop == NULL)
		stop = end;
	if (stop == at)
		url->path = arena_clean(arena, "/", 1, 1);
	else
		url->path = arena_clean(arena, at, (size_t) (stop - at), PATH_LIMIT);
	if (url->path.length == 0)
		return false;

	if (stop < end)
		stop++;
	url->query = keep_parameters(stop, (size_t) (end - stop), parameters, arena);
	return true;
}

/* Appends to a buffer that ends at `limit`, at a character boundary. */
static size_t
append(char *out, size_t at, size_t limit, const char *data, size_t length)
{
	length = text_clip(data, length, limit - at);
	memcpy(out + at, data, length);
	return at + length;
}

Text
url_join(const Url *url, Arena *arena, size_t limit)
{
	const char *scheme = url->https ? "https://" : "http://";
	char	   *room = arena_room(arena, limit);
	size_t		written = 0;

	if (room == NULL)
		return (Text){NULL, 0};
	written = append(room, written, limit, scheme, strlen(scheme));
	written = append(room, written, limit, url->site.data, url->site.length);
	written = append(room, written, limit, url->path.data, url->path.length);
	if (url->query.length > 0 && written + 1 + url->query.length <= limit)
	{
		room[written++] = '?';
		written = append(room, written, limit, url->query.data, url->query.length);
	}
	return arena_keep(arena, written);
}
