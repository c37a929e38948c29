/*
 * forwarded.c
 *	  Fuzz target: trusted proxies, a peer's address and X-Forwarded-For, a line each.
 */
#include <arpa/inet.h>

#include "../../src/listener/address.h"
#include "fuzz.h"

static bool
same(Address a, Address b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

/* An address written by the system and read again is the same. */
static void
check_round_trip(Address address)
{
	char	text[INET6_ADDRSTRLEN];
	Address again;

	FUZZ_CHECK(inet_ntop(AF_INET6, address.bytes, text, sizeof text) != NULL);
	FUZZ_CHECK(address_parse(text, strlen(text), &again));
	FUZZ_CHECK(same(address, again));
	FUZZ_CHECK(same(address_key(address), address_key(address_key(address))));
}

/* Whatever a visitor writes in front changes nothing once a hop is not trusted. */
static void
check_lies(Address peer, Address visitor, Text forwarded, const NetworkList *trusted)
{
	static const char lie[] = "198.51.100.66, ";
	size_t			  length = sizeof lie - 1 + forwarded.length;
	char			 *longer = malloc(length);

	memcpy(longer, lie, sizeof lie - 1);
	if (forwarded.length > 0)
		memcpy(longer + sizeof lie - 1, forwarded.data, forwarded.length);
	FUZZ_CHECK(same(visitor, address_of_visitor(peer, network_list_contains(trusted, peer),
												(Text){longer, (uint16_t) length}, trusted)));
	free(longer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {data, size};
	Text		list = input_line(&input);
	Text		from = input_line(&input);
	Text		forwarded = input_line(&input);
	NetworkList trusted;
	Address		peer = {{0x20, 0x01, 0x0d, 0xb8}};
	Address		visitor;

	FUZZ_CHECK(network_list_parse(list, &trusted));
	FUZZ_CHECK(trusted.count <= (size_t) list.length / 2 + 1);
	(void) address_parse(from.data, from.length, &peer);
	check_round_trip(peer);

	visitor = address_of_visitor(peer, network_list_contains(&trusted, peer), forwarded, &trusted);
	check_round_trip(visitor);
	if (!network_list_contains(&trusted, peer))
		FUZZ_CHECK(same(visitor, peer));
	if (!network_list_contains(&trusted, visitor) && forwarded.length < 60000)
		check_lies(peer, visitor, forwarded, &trusted);

	network_list_free(&trusted);
	free((char *) list.data);
	free((char *) from.data);
	free((char *) forwarded.data);
	return 0;
}
