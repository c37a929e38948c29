/*
 * idtable.h
 *	  Small numbers for view ids: a slot for each, found again by the id.
 *
 * Owners keep their entries in an array of their own, indexed by the slot.
 * Browsers choose the ids, so the hash is keyed with random numbers: it is
 * multilinear, and two ids that were chosen without knowing the key meet in
 * 2^-32 of all keys.  Everything takes constant time; memory is allocated once
 * and touched only as far as it is used.
 *
 * Pure C: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_IDTABLE_H
#define PAGEVIEWS_IDTABLE_H

#include "../common/uuid.h"

#define NO_SLOT UINT32_MAX

typedef struct IdTable IdTable;

/* Slots 0 .. capacity - 1; NULL when there is no memory or no randomness. */
extern IdTable *idtable_new(uint32_t capacity);
extern void		idtable_free(IdTable *table);

/* NO_SLOT when the id is not there. */
extern uint32_t idtable_find(const IdTable *table, const Uuid *id);

/* A free slot for an id that is not there; NO_SLOT when the table is full. */
extern uint32_t idtable_add(IdTable *table, const Uuid *id);

/* Frees a slot that is taken. */
extern void idtable_remove(IdTable *table, uint32_t slot);

/* Slots that are taken, and all. */
extern uint32_t idtable_count(const IdTable *table);
extern uint32_t idtable_capacity(const IdTable *table);

/* No taken slot is at or above this one: where a scan may end. */
extern uint32_t idtable_reach(const IdTable *table);

/* Whether a slot below the reach is taken. */
extern bool idtable_taken(const IdTable *table, uint32_t slot);

#endif /* PAGEVIEWS_IDTABLE_H */
