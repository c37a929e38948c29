/*
 * idtable.c
 *	  Slots by view id: hash chains in fixed arrays.
 *
 * Links hold a slot's number plus one, so that fresh zeroed memory is an empty
 * table.  Slots that were freed are used again first; `reach` is how many were
 * ever used.
 */
#include "idtable.h"

#include <stdlib.h>
#include <sys/random.h>

#ifdef POSTGRES_H
#error "idtable.c must not include Postgres"
#endif

#define KEY_COUNT 5

typedef struct Cell
{
	Uuid	 id;
	uint32_t next; /* of its bucket, or of the free cells; plus one */
	bool	 taken;
} Cell;

struct IdTable
{
	uint64_t  key[KEY_COUNT];
	uint32_t  capacity;
	uint32_t  mask; /* buckets, a power of two, less one */
	uint32_t  reach;
	uint32_t  count;
	uint32_t  free;	   /* first free cell, plus one */
	uint32_t *buckets; /* first cell, plus one */
	Cell	 *cells;
};

IdTable *
idtable_new(uint32_t capacity)
{
	IdTable *table = calloc(1, sizeof *table);
	uint32_t buckets = 1;

	if (table == NULL)
		return NULL;
	while (buckets < capacity && buckets < UINT32_C(1) << 31)
		buckets <<= 1;
	table->capacity = capacity;
	table->mask = buckets - 1;
	table->buckets = calloc(buckets, sizeof *table->buckets);
	table->cells = calloc(capacity > 0 ? capacity : 1, sizeof *table->cells);
	if (table->buckets == NULL || table->cells == NULL ||
		getrandom(table->key, sizeof table->key, 0) != (ssize_t) sizeof table->key)
	{
		idtable_free(table);
		return NULL;
	}
	return table;
}

void
idtable_free(IdTable *table)
{
	if (table == NULL)
		return;
	free(table->buckets);
	free(table->cells);
	free(table);
}

/* The link to the first cell of an id's bucket. */
static uint32_t *
bucket_of(const IdTable *table, const Uuid *id)
{
	uint32_t words[4];
	uint64_t sum = table->key[0];

	memcpy(words, id->bytes, sizeof words);
	for (int i = 0; i < 4; i++)
		sum += table->key[i + 1] * words[i];
	return &table->buckets[(uint32_t) (sum >> 32) & table->mask];
}

uint32_t
idtable_find(const IdTable *table, const Uuid *id)
{
	uint32_t link = *bucket_of(table, id);

	while (link != 0 && !uuid_equal(&table->cells[link - 1].id, id))
		link = table->cells[link - 1].next;
	return link != 0 ? link - 1 : NO_SLOT;
}

uint32_t
idtable_add(IdTable *table, const Uuid *id)
{
	uint32_t *bucket = bucket_of(table, id);
	uint32_t  slot;
	Cell	 *cell;

	if (table->free != 0)
	{
		slot = table->free - 1;
		table->free = table->cells[slot].next;
	}
	else if (table->reach < table->capacity)
		slot = table->reach++;
	else
		return NO_SLOT;

	cell = &table->cells[slot];
	cell->id = *id;
	cell->taken = true;
	cell->next = *bucket;
	*bucket = slot + 1;
	table->count++;
	return slot;
}

void
idtable_remove(IdTable *table, uint32_t slot)
{
	Cell	 *cell = &table->cells[slot];
	uint32_t *link = bucket_of(table, &cell->id);

	while (*link != slot + 1)
		link = &table->cells[*link - 1].next;
	*link = cell->next;
	cell->taken = false;
	cell->next = table->free;
	table->free = slot + 1;
	table->count--;
}

uint32_t
idtable_count(const IdTable *table)
{
	return table->count;
}

uint32_t
idtable_capacity(const IdTable *table)
{
	return table->capacity;
}

uint32_t
idtable_reach(const IdTable *table)
{
	return table->reach;
}

bool
idtable_taken(const IdTable *table, uint32_t slot)
{
	return table->cells[slot].taken;
}
