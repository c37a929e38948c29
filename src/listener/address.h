/*
 * address.h
 *	  Network addresses: whom a connection counts for, and which proxies are trusted.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_ADDRESS_H
#define PAGEVIEWS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/text.h"

struct sockaddr;

/* An IPv6 address; IPv4 is ::ffff:a.b.c.d. */
typedef struct Address
{
	uint8_t bytes[16];
} Address;

typedef struct Network
{
	Address address;
	uint8_t bits; /* 0 .. 128 */
} Network;

typedef struct NetworkList
{
	Network *items; /* owned */
	size_t	 count;
} NetworkList;

/* Of a connected peer; all zeros for a family that is not the internet's. */
extern Address address_of_peer(const struct sockaddr *peer);

/* Reads "1.2.3.4", "::1", "[::1]", and the first and last with ":port". */
extern bool address_parse(const char *data, size_t length, Address *address);

/* What is counted as one visitor's address: all of IPv4, the first 64 bits of IPv6. */
extern Address address_key(Address address);

/*
 * Reads addresses and networks ("10.0.0.0/8") separated by spaces; what is none
 * is left out.  False when there is no memory; the list is then empty.
 */
extern bool network_list_parse(Text text, NetworkList *list);
extern void network_list_free(NetworkList *list);
extern bool network_list_contains(const NetworkList *list, Address address);

/*
 * Whom a request comes from: the peer, or when that is trusted, the
 * rightmost hop of X-Forwarded-For that is none.  A hop that is no address
 * leaves the hop to its right.
 */
extern Address address_of_visitor(Address peer, bool peer_is_trusted, Text forwarded_for,
								  const NetworkList *trusted);

#endif /* PAGEVIEWS_ADDRESS_H */
