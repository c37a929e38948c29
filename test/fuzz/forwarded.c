/*
 * forwarded.c
 *	  Fuzz target: trusted proxies, a peer's address and X-Forwarded-For, a line each.
 *	  The last is read as any other header that is a list or a number, too.
 */
#include <arpa/inet.h>

#include "../../src/listener/address.h"
#include "../../src/listener/request.h"
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

/* The same text where other headers are. */
static void
check_header(Text text)
{
	Request request = {.accept_encoding = text,
					   .if_none_match = text,
					   .content_length = text,
					   .purpose = text,
					   .sec_purpose = text};
	Text	last = request_last(text);
	char	token[64];
	long	length = request_body_length(&request);

	FUZZ_CHECK(last.length == 0 ||
			   (last.data >= text.data && last.data + last.length <= text.data + text.length));
	if (last.length > 0 && last.length < sizeof token &&
		memchr(last.data, '\0', last.length) == NULL)
	{
		memcpy(token, last.data, last.length);
		token[last.length] = '\0';
		FUZZ_CHECK(request_lists(text, token) && request_ends_with(text, token));
	}
	FUZZ_CHECK(length >= -1 && length <= 999999999);
	FUZZ_CHECK(length < 0 || text.length <= 9);
	(void) request_accepts_gzip(&request);
	FUZZ_CHECK(!request_has_tag(&request, "\"tag\"") || text.length > 0);
	FUZZ_CHECK(!request_is_prefetch(&request) || text.length >= strlen("prefetch"));
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

	check_header(forwarded);
	network_list_free(&trusted);
	free((char *) list.data);
	free((char *) from.data);
	free((char *) forwarded.data);
	return 0;
}
