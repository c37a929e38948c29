/*
 * recent.c
 *	  The cache of views that were stored or rejected lately; see recent.h.
 */
#include "recent.h"

#include <stdlib.h>

#include "timeline.h"

#ifdef POSTGRES_H
#error "recent.c must not include Postgres"
#endif

struct Recent
{
	IdTable		*table;
	Timeline	 line;	  /* oldest first; its times are not used */
	RecentEntry *entries; /* by slot */
};

Recent *
recent_new(uint32_t capacity)
{
	Recent *recent = calloc(1, sizeof *recent);

	if (recent == NULL)
		return NULL;
	recent->table = idtable_new(capacity);
	recent->entries = calloc(capacity > 0 ? capacity : 1, sizeof *recent->entries);
	if (recent->table == NULL || recent->entries == NULL || !timeline_init(&recent->line, capacity))
	{
		recent_free(recent);
		return NULL;
	}
	return recent;
}

void
recent_free(Recent *recent)
{
	if (recent == NULL)
		return;
	idtable_free(recent->table);
	timeline_destroy(&recent->line);
	free(recent->entries);
	free(recent);
}

/* Frees an entry's slot. */
static void
drop_entry(Recent *recent, uint32_t slot)
{
	timeline_remove(&recent->line, slot);
	idtable_remove(recent->table, slot);
}

void
recent_add(Recent *recent, const Uuid *view, int64_t revision, bool rejected, Micros origin)
{
	uint32_t slot = idtable_find(recent->table, view);

	if (slot != NO_SLOT)
	{
		if (revision > recent->entries[slot].revision)
			recent->entries[slot].revision = revision;
	}
	else
	{
		if (idtable_capacity(recent->table) == 0)
			return;
		if (idtable_count(recent->table) == idtable_capacity(recent->table))
			drop_entry(recent, timeline_first(&recent->line));
		slot = idtable_add(recent->table, view);
		recent->entries[slot].view = *view;
		recent->entries[slot].revision = revision;
		recent->entries[slot].origin = origin;
	}
	recent->entries[slot].rejected = rejected;
	timeline_append(&recent->line, slot, 0);
}

const RecentEntry *
recent_find(const Recent *recent, const Uuid *view)
{
	uint32_t slot = idtable_find(recent->table, view);

	return slot != NO_SLOT ? &recent->entries[slot] : NULL;
}

void
recent_forget(Recent *recent, const Uuid *view)
{
	uint32_t slot = idtable_find(recent->table, view);

	if (slot != NO_SLOT)
		drop_entry(recent, slot);
}
