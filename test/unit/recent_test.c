/*
 * recent_test.c
 *	  The cache of recent views, and the id table and line that it stands on.
 */
#include <stdlib.h>

#include "../../src/worker/recent.h"
#include "../../src/worker/timeline.h"
#include "unit.h"

static Uuid
id_of(uint32_t number)
{
	Uuid id;

	memset(&id, 0, sizeof id);
	memcpy(&id.bytes[12], &number, sizeof number);
	return id;
}

static int64_t
revision_of(const Recent *recent, uint32_t number)
{
	Uuid			   id = id_of(number);
	const RecentEntry *entry = recent_find(recent, &id);

	return entry != NULL ? entry->revision : -1;
}

static void
add(Recent *recent, uint32_t number, int64_t revision, bool rejected)
{
	Uuid id = id_of(number);

	recent_add(recent, &id, revision, rejected, 0);
}

TEST(a_full_cache_forgets_the_oldest_and_nothing_else)
{
	Recent *recent = recent_new(3);

	for (uint32_t i = 1; i <= 3; i++)
		add(recent, i, i * 10, false);
	add(recent, 1, 11, false);
	add(recent, 4, 40, false);
	CHECK_INT(revision_of(recent, 1), 11);
	CHECK_INT(revision_of(recent, 2), -1);
	CHECK_INT(revision_of(recent, 3), 30);
	CHECK_INT(revision_of(recent, 4), 40);
	recent_free(recent);
}

TEST(an_older_revision_never_replaces_a_newer_one)
{
	Recent *recent = recent_new(3);
	Uuid	id = id_of(1);

	add(recent, 1, 20, false);
	add(recent, 1, 10, true);
	CHECK_INT(revision_of(recent, 1), 20);
	CHECK(recent_find(recent, &id)->rejected);
	recent_forget(recent, &id);
	recent_forget(recent, &id);
	CHECK_INT(revision_of(recent, 1), -1);
	recent_free(recent);
}

TEST(a_cache_without_room_remembers_nothing_and_breaks_nothing)
{
	Recent *recent = recent_new(0);

	add(recent, 1, 10, false);
	CHECK_INT(revision_of(recent, 1), -1);
	recent_free(recent);
	recent_free(NULL);
}

/* Against a plain array, many times over. */
TEST(an_id_is_never_found_in_anothers_slot)
{
	enum
	{
		IDS = 64,
		SLOTS = 40
	};
	IdTable *table = idtable_new(SLOTS);
	uint32_t where[IDS];
	uint32_t count = 0;

	srand(7);
	for (int i = 0; i < IDS; i++)
		where[i] = NO_SLOT;
	for (int round = 0; round < 200000; round++)
	{
		uint32_t number = (uint32_t) rand() % IDS;
		Uuid	 id = id_of(number);

		REQUIRE(idtable_find(table, &id) == where[number]);
		if (where[number] != NO_SLOT)
		{
			REQUIRE(idtable_taken(table, where[number]));
			idtable_remove(table, where[number]);
			REQUIRE(!idtable_taken(table, where[number]));
			where[number] = NO_SLOT;
			count--;
		}
		else
		{
			where[number] = idtable_add(table, &id);
			REQUIRE((where[number] == NO_SLOT) == (count == SLOTS));
			if (where[number] != NO_SLOT)
				count++;
		}
		REQUIRE(idtable_count(table) == count);
		REQUIRE(idtable_reach(table) <= SLOTS);
	}
	idtable_free(table);
}

TEST(slots_leave_a_line_from_anywhere_in_order)
{
	Timeline line;

	CHECK(timeline_init(&line, 4));
	CHECK_INT(timeline_first(&line), NO_SLOT);
	for (uint32_t slot = 0; slot < 4; slot++)
		timeline_append(&line, slot, slot * 10);
	timeline_remove(&line, 1);
	timeline_remove(&line, 1);
	timeline_append(&line, 0, 50);
	CHECK_INT(timeline_first(&line), 2);
	CHECK_INT(timeline_next(&line, 2), 3);
	CHECK_INT(timeline_next(&line, 3), 0);
	CHECK_INT(timeline_next(&line, 0), NO_SLOT);
	CHECK_INT(timeline_since(&line, 0), 50);
	CHECK(!timeline_contains(&line, 1));
	timeline_remove(&line, 0);
	timeline_remove(&line, 2);
	timeline_remove(&line, 3);
	CHECK_INT(timeline_first(&line), NO_SLOT);
	timeline_destroy(&line);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_full_cache_forgets_the_oldest_and_nothing_else);
	RUN(an_older_revision_never_replaces_a_newer_one);
	RUN(a_cache_without_room_remembers_nothing_and_breaks_nothing);
	RUN(an_id_is_never_found_in_anothers_slot);
	RUN(slots_leave_a_line_from_anywhere_in_order);
	return unit_finish();
}
