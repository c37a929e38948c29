/*
 * limits.c
 *	  The tables of addresses and the message allowance.
 *
 * The address table is open addressing with linear probing, twice as many places as
 * connections; deleting moves the followers up, so that no tombstones pile up.
 * The hash is SipHash-1-3 of the sixteen bytes.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "limits.h"

#include <stdlib.h>

#include "siphash.h"

typedef struct Place
{
	Address	 key;
	uint32_t connections; /* 0: the place is free */
} Place;

struct AddressTable
{
	uint64_t seed[2];
	uint32_t mask; /* places - 1 */
	uint32_t used;
	Place	 places[];
};

AddressTable *
address_table_new(uint32_t connections, const uint64_t seed[2])
{
	AddressTable *table;
	uint32_t	  places = 16;

	while (places < connections * UINT64_C(2) && places < UINT32_C(1) << 30)
		places *= 2;
	table = calloc(1, sizeof *table + places * sizeof(Place));
	if (table == NULL)
		return NULL;
	table->seed[0] = seed[0];
	table->seed[1] = seed[1];
	table->mask = places - 1;
	return table;
}

void
address_table_free(AddressTable *table)
{
	free(table);
}

static uint64_t
hash_of(const uint64_t seed[2], const Address *key)
{
	uint64_t words[2];
	SipHash	 hash;

	memcpy(words, key->bytes, sizeof words);
	siphash_begin(&hash, seed);
	siphash_word(&hash, words[0]);
	siphash_word(&hash, words[1]);
	siphash_word(&hash, UINT64_C(16) << 56);
	return siphash_end(&hash);
}

static uint32_t
home_of(const AddressTable *table, const Address *key)
{
	return (uint32_t) hash_of(table->seed, key) & table->mask;
}

/* The place of the key, or the free one where it would go. */
static uint32_t
place_of(const AddressTable *table, const Address *key)
{
	uint32_t at = home_of(table, key);

	while (table->places[at].connections > 0 &&
		   memcmp(table->places[at].key.bytes, key->bytes, sizeof key->bytes) != 0)
		at = (at + 1) & table->mask;
	return at;
}

bool
address_table_take(AddressTable *table, Address key, uint32_t limit)
{
	Place *place = &table->places[place_of(table, &key)];

	if (limit > 0 && place->connections >= limit)
		return false;
	if (place->connections == 0)
	{
		/* One place always stays free, or a search would not end. */
		if (table->used >= table->mask)
			return false;
		place->key = key;
		table->used++;
	}
	place->connections++;
	return true;
}

void
address_table_release(AddressTable *table, Address key)
{
	uint32_t hole = place_of(table, &key);
	uint32_t at = hole;

	if (table->places[hole].connections == 0 || --table->places[hole].connections > 0)
		return;
	table->used--;

	/* Whoever was pushed past the hole by it moves into it. */
	for (;;)
	{
		uint32_t home;

		at = (at + 1) & table->mask;
		if (table->places[at].connections == 0)
			break;
		home = home_of(table, &table->places[at].key);
		if (((at - home) & table->mask) >= ((at - hole) & table->mask))
		{
			table->places[hole] = table->places[at];
			table->places[at].connections = 0;
			hole = at;
		}
	}
}

uint32_t
address_table_count(const AddressTable *table)
{
	return table->used;
}

#define RATE_SET 4 /* places of a set */

typedef struct RatePlace
{
	Address	  key;
	Allowance allowance;
	bool	  used;
} RatePlace;

struct RateTable
{
	uint64_t  seed[2];
	uint32_t  mask; /* sets - 1 */
	RatePlace sets[][RATE_SET];
};

RateTable *
rate_table_new(uint32_t connections, const uint64_t seed[2])
{
	RateTable *table;
	uint32_t   sets = 64;

	while (sets < connections / RATE_SET && sets < UINT32_C(1) << 20)
		sets *= 2;
	table = calloc(1, sizeof *table + sets * sizeof table->sets[0]);
	if (table == NULL)
		return NULL;
	table->seed[0] = seed[0];
	table->seed[1] = seed[1];
	table->mask = sets - 1;
	return table;
}

void
rate_table_free(RateTable *table)
{
	free(table);
}

bool
rate_table_take(RateTable *table, Address key, uint32_t rate, Micros now)
{
	RatePlace *set = table->sets[(uint32_t) hash_of(table->seed, &key) & table->mask];
	RatePlace *place = &set[0];

	/* It lies in three lines of the cache, and nowhere near. */
	__builtin_prefetch(&set[1].allowance);
	__builtin_prefetch(&set[3]);
	if (rate == 0)
		return true;
	for (int i = 0; i < RATE_SET; i++)
	{
		if (set[i].used && memcmp(set[i].key.bytes, key.bytes, sizeof key.bytes) == 0)
			return allowance_take(&set[i].allowance, rate, 2 * rate, now);
		if (place->used && (!set[i].used || set[i].allowance.at < place->allowance.at))
			place = &set[i];
	}
	*place = (RatePlace){.key = key, .used = true};
	allowance_init(&place->allowance, rate, 2 * rate, now);
	return allowance_take(&place->allowance, rate, 2 * rate, now);
}

void
allowance_init(Allowance *allowance, uint32_t rate, uint32_t burst, Micros now)
{
	allowance->at = now;
	allowance->credit = burst * (MICROS_PER_SECOND / rate);
}

void
allowance_grant(Allowance *allowance, Micros time)
{
	allowance->credit += time;
}

bool
allowance_take(Allowance *allowance, uint32_t rate, uint32_t burst, Micros now)
{
	Micros price = MICROS_PER_SECOND / rate;

	if (now > allowance->at)
	{
		/* What was granted beyond the burst stays. */
		if (allowance->credit < burst * price)
		{
			allowance->credit += now - allowance->at;
			if (allowance->credit > burst * price)
				allowance->credit = burst * price;
		}
		allowance->at = now;
	}
	if (allowance->credit < price)
		return false;
	allowance->credit -= price;
	return true;
}
