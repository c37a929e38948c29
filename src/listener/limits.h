/*
 * limits.h
 *	  How many connections an address may hold, and how fast one may talk.
 *
 * Pure C with time handed in: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_LIMITS_H
#define PAGEVIEWS_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/clock.h"
#include "address.h"

/*
 * Connections by address.  Its size is fixed by the number of connections that
 * there can be, so that no flood of addresses makes it grow; the hash is keyed
 * by chance, so that nobody can aim at one bucket.
 */
typedef struct AddressTable AddressTable;

/* For at most `connections` connections at a time; NULL when there is no memory. */
extern AddressTable *address_table_new(uint32_t connections, const uint64_t seed[2]);
extern void			 address_table_free(AddressTable *table);

/*
 * Counts one more connection of the address (an address_key()); false, and
 * nothing counted, when it has `limit` already (0: no limit).
 */
extern bool address_table_take(AddressTable *table, Address key, uint32_t limit);

/* Counts one less of what was taken. */
extern void address_table_release(AddressTable *table, Address key);

/* Addresses that hold a connection. */
extern uint32_t address_table_count(const AddressTable *table);

/*
 * How often addresses come.  A fixed number of places, in sets of a few that a
 * keyed hash deals out; in a full set whoever came longest ago gives way, so a
 * flood of addresses makes it forget, never grow.
 */
typedef struct RateTable RateTable;

/* For about as many addresses as there may be connections; NULL when there is no memory. */
extern RateTable *rate_table_new(uint32_t connections, const uint64_t seed[2]);
extern void		  rate_table_free(RateTable *table);

/*
 * Counts one arrival of the address (an address_key()); false when more came than
 * `rate` a second (0: no limit) allows, of which two seconds' worth may come at once.
 */
extern bool rate_table_take(RateTable *table, Address key, uint32_t rate, Micros now);

/* What one connection may still say: refilled at a rate, up to a burst. */
typedef struct Allowance
{
	Micros at;	   /* when `credit` was right */
	Micros credit; /* in time: one message costs 1 s / rate */
} Allowance;

extern void allowance_init(Allowance *allowance, uint32_t rate, uint32_t burst, Micros now);

/* Gives the credit of `time` on top, beyond the burst if need be. */
extern void allowance_grant(Allowance *allowance, Micros time);

/* Pays for one message; false when there is not enough credit. */
extern bool allowance_take(Allowance *allowance, uint32_t rate, uint32_t burst, Micros now);

#endif /* PAGEVIEWS_LIMITS_H */
