/*
 * address.c
 *	  Parsing and matching of network addresses.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool
is_mapped(const Address *address)
{
	return memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
}

static Address
address_of_v4(const void *four_bytes)
{
	Address address;

	memcpy(address.bytes, mapped_prefix, sizeof mapped_prefix);
	memcpy(address.bytes + sizeof mapped_prefix, four_bytes, 4);
	return address;
}

Address
address_of_peer(const struct sockaddr *peer)
{
	Address address = {{0}};

	if (peer->sa_family == AF_INET)
		return address_of_v4(&((const struct sockaddr_in *) peer)->sin_addr);
	if (peer->sa_family == AF_INET6)
		memcpy(address.bytes, &((const struct sockaddr_in6 *) peer)->sin6_addr, 16);
	return address;
}

/* Reads an address without brackets and port. */
static bool
parse_bare(const char *data, size_t length, Address *address)
{
	char			text[INET6_ADDRSTRLEN];
	struct in_addr	v4;
	struct in6_addr v6;

	if (length == 0 || length >= sizeof text || memchr(data, '\0', length) != NULL)
		return false;
	memcpy(text, data, length);
	text[length] = '\0';

	if (inet_pton(AF_INET, text, &v4) == 1)
		*address = address_of_v4(&v4);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		memcpy(address->bytes, &v6, 16);
	else
		return false;
	return true;
}

bool
address_parse(const char *data, size_t length, Address *address)
{
	const char *colon;

	if (length > 0 && data[0] == '[')
	{
		const char *bracket = memchr(data, ']', length);

		if (bracket == NULL)
			return false;
		if (bracket + 1 != data + length && bracket[1] != ':')
			return false;
		return parse_bare(data + 1, (size_t) (bracket - data - 1), address);
	}

	/* One colon can only be IPv4 with a port; more are IPv6. */
	colon = length > 0 ? memchr(data, ':', length) : NULL;
	if (colon != NULL && memchr(colon + 1, ':', (size_t) (data + length - colon - 1)) == NULL)
		length = (size_t) (colon - data);
	return parse_bare(data, length, address);
}

Address
address_key(Address address)
{
	if (!is_mapped(&address))
		memset(address.bytes + 8, 0, 8);
	return address;
}

/* Reads "address" or "address/bits". */
static bool
network_parse(const char *data, size_t length, Network *network)
{
	const char *slash = memchr(data, '/', length);
	int			own_bits;
	int			bits = 0;

	if (!parse_bare(data, slash != NULL ? (size_t) (slash - data) : length, &network->address))
		return false;
	own_bits = is_mapped(&network->address) && memchr(data, ':', length) == NULL ? 32 : 128;
	if (slash == NULL)
	{
		network->bits = 128;
		return true;
	}

	if (slash + 1 == data + length || data + length - slash > 4)
		return false;
	for (const char *digit = slash + 1; digit < data + length; digit++)
	{
		if (*digit < '0' || *digit > '9')
			return false;
		bits = bits * 10 + (*digit - '0');
	}
	if (bits > own_bits)
		return false;
	network->bits = (uint8_t) (128 - own_bits + bits);
	return true;
}

bool
network_list_parse(Text text, NetworkList *list)
{
	const char *at = text.data;
	const char *end = at + text.length;
	size_t		limit = 0;

	list->count = 0;
	list->items = NULL;
	for (int i = 0; i < text.length; i++)
		limit += text.data[i] == ' ';
	if (text.length == 0)
		return true;
	list->items = calloc(limit + 1, sizeof *list->items);
	if (list->items == NULL)
		return false;

	while (at < end)
	{
		const char *space = memchr(at, ' ', (size_t) (end - at));
		size_t		item = (size_t) ((space != NULL ? space : end) - at);

		if (item > 0 && network_parse(at, item, &list->items[list->count]))
			list->count++;
		at += item + 1;
	}
	return true;
}

void
network_list_free(NetworkList *list)
{
	free(list->items);
	list->items = NULL;
	list->count = 0;
}

static bool
network_contains(const Network *network, const Address *address)
{
	size_t whole = network->bits / 8;
	int	   rest = network->bits % 8;

	if (memcmp(network->address.bytes, address->bytes, whole) != 0)
		return false;
	return rest == 0 ||
		   ((network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

bool
network_list_contains(const NetworkList *list, Address address)
{
	for (size_t i = 0; i < list->count; i++)
	{
		if (network_contains(&list->items[i], &address))
			return true;
	}
	return false;
}

Address
address_of_visitor(Address peer, bool peer_is_trusted, Text forwarded_for,
				   const NetworkList *trusted)
{
	Address visitor = peer;
	size_t	end = forwarded_for.length;

	while (end > 0 && peer_is_trusted)
	{
		size_t	start = end;
		size_t	stop = end;
		Address hop;

		while (start > 0 && forwarded_for.data[start - 1] != ',')
			start--;
		end = start > 0 ? start - 1 : 0;

		while (stop > start &&
			   (forwarded_for.data[stop - 1] == ' ' || forwarded_for.data[stop - 1] == '\t'))
			stop--;
		while (start < stop &&
			   (forwarded_for.data[start] == ' ' || forwarded_for.data[start] == '\t'))
			start++;
		if (!address_parse(forwarded_for.data + start, stop - start, &hop))
			break;
		visitor = hop;
		peer_is_trusted = network_list_contains(trusted, visitor);
	}
	return visitor;
}
