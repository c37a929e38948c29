/*
 * queue_property_test.c
 *	  The queue and the cache of recent views alone, under random operations.
 *
 * The registry never puts an older revision, and never fills a queue beyond what
 * it keeps free: here both are met.  The model is a list of what was put, in the
 * order in which it was put; every question is answered by going through it.
 * (Arguments: sequences.h.)
 */
#include "../../src/worker/queue.h"
#include "../../src/worker/recent.h"
#include "sequences.h"

#define SEQUENCES 20000
#define LENGTH	  60
#define LIMIT	  12 /* largest capacity */
#define IDS		  20

typedef struct Entry
{
	int		id;
	int		session;
	int64_t revision;
	int		reply_to;
	Micros	put_at;
	bool	rejected;
	Micros	origin;
} Entry;

typedef struct List
{
	Entry entries[LIMIT];
	int	  count;
	int	  capacity;
} List;

static Queue  *queue;
static Recent *recent;
static List	   rows;
static List	   known;
static Micros  now;
static bool	   gone[IDS];

static Uuid
id_of(int number)
{
	Uuid id = {{[7] = (uint8_t) number}};

	return id;
}

static Uuid
session_of(int number)
{
	Uuid id = {{[3] = (uint8_t) number}};

	return id;
}

static Entry *
find(List *list, int id)
{
	for (int i = 0; i < list->count; i++)
	{
		if (list->entries[i].id == id)
			return &list->entries[i];
	}
	return NULL;
}

static void
take_out(List *list, Entry *entry)
{
	int place = (int) (entry - list->entries);

	list->count--;
	memmove(entry, entry + 1, (size_t) (list->count - place) * sizeof *entry);
}

static void
play_put(void)
{
	static const PageDescription page;
	static const Visitor		 nobody;
	Entry	entry = {below(IDS), below(4), below(10), 1 + below(50), now, false, 0};
	Entry  *old = find(&rows, entry.id);
	ViewRow row = {.view = id_of(entry.id), .session = session_of(entry.session)};
	bool	taken = old != NULL || rows.count < rows.capacity;

	row.revision = entry.revision;
	row.reply_to.connection = (ConnectionId) entry.reply_to;
	row.texts = view_texts_new(&page, &nobody);
	TELL("put %d revision %d session %d\n", entry.id, (int) entry.revision, entry.session);
	CHECK_INT(queue_put(queue, &row, now), taken);
	if (!taken)
		view_texts_release(row.texts);
	else if (old == NULL)
		rows.entries[rows.count++] = entry;
	else if (entry.revision > old->revision)
	{
		entry.put_at = old->put_at;
		*old = entry;
	}
}

static void
play_take(void)
{
	int		number = below(IDS);
	Uuid	id = id_of(number);
	Entry  *entry = find(&rows, number);
	ViewRow row;
	bool	there = queue_take(queue, &id, &row);

	TELL("take %d\n", number);
	CHECK_INT(there, entry != NULL);
	if (there)
	{
		CHECK_INT(row.texts->references, 1);
		view_texts_release(row.texts);
	}
	if (there && entry != NULL)
	{
		CHECK_INT(row.revision, entry->revision);
		take_out(&rows, entry);
	}
}

static void
play_settle(void)
{
	int	   number = below(IDS);
	Uuid   id = id_of(number);
	Entry *entry = find(&rows, number);
	int	   revision = entry != NULL && chance(70) ? (int) entry->revision : below(10);
	bool   gone_now = entry != NULL && entry->revision == revision;

	TELL("settle %d revision %d\n", number, revision);
	CHECK_INT(queue_settle(queue, &id, revision), gone_now);
	if (gone_now)
		take_out(&rows, entry);
}

static void
play_redirect(void)
{
	int	   number = below(IDS);
	Uuid   id = id_of(number);
	Entry *entry = find(&rows, number);
	int	   to = 1 + below(50);

	TELL("redirect %d\n", number);
	CHECK_INT(queue_redirect(queue, &id, (ConnectionRef){.connection = (ConnectionId) to}),
			  entry != NULL);
	if (entry != NULL)
		entry->reply_to = to;
}

static void
on_gone(void *context, const Uuid *view)
{
	(void) context;
	gone[view->bytes[7]] = true;
}

static void
play_forget(void)
{
	int	 session = below(5);
	Uuid id = session_of(session);
	int	 count = 0;

	TELL("forget session %d\n", session);
	memset(gone, 0, sizeof gone);
	for (int i = 0; i < rows.count; i++)
		count += rows.entries[i].session == session;
	CHECK_INT(queue_forget(queue, &id, on_gone, NULL), count);
	for (int i = rows.count - 1; i >= 0; i--)
	{
		CHECK_INT(gone[rows.entries[i].id], rows.entries[i].session == session);
		if (rows.entries[i].session == session)
			take_out(&rows, &rows.entries[i]);
	}
}

static void
play_recent(void)
{
	Entry entry = {
		.id = below(IDS), .revision = below(10), .rejected = chance(20), .origin = below(1000)};
	Uuid   id = id_of(entry.id);
	Entry *old = find(&known, entry.id);

	if (chance(20))
	{
		TELL("forget %d\n", entry.id);
		recent_forget(recent, &id);
		if (old != NULL)
			take_out(&known, old);
		return;
	}
	TELL("remember %d revision %d\n", entry.id, (int) entry.revision);
	recent_add(recent, &id, entry.revision, entry.rejected, entry.origin);
	if (old != NULL)
	{
		if (old->revision > entry.revision)
			entry.revision = old->revision;
		entry.origin = old->origin;
		take_out(&known, old);
	}
	if (known.capacity > 0 && known.count == known.capacity)
		take_out(&known, &known.entries[0]);
	if (known.capacity > 0)
		known.entries[known.count++] = entry;
}

static void
compare(void)
{
	const ViewRow *peeked[LIMIT];
	int			   limit = below(LIMIT + 1);
	int			   count = (int) queue_peek(queue, peeked, (uint32_t) limit);

	CHECK_INT(queue_length(queue), rows.count);
	CHECK_INT(queue_capacity(queue), rows.capacity);
	CHECK_INT(queue_oldest(queue), rows.count > 0 ? rows.entries[0].put_at : INT64_MAX);
	CHECK_INT(count, limit < rows.count ? limit : rows.count);
	for (int i = 0; i < count && i < rows.count; i++)
		CHECK_INT(peeked[i]->view.bytes[7], rows.entries[i].id);
	for (int i = 0; i < IDS; i++)
	{
		Uuid			   id = id_of(i);
		const Entry		  *entry = find(&rows, i);
		const ViewRow	  *row = queue_find(queue, &id);
		const RecentEntry *memory = recent_find(recent, &id);

		CHECK_INT(row != NULL, entry != NULL);
		if (row != NULL && entry != NULL)
		{
			CHECK_INT(row->revision, entry->revision);
			CHECK_INT(row->session.bytes[3], entry->session);
			CHECK_INT(row->reply_to.connection, entry->reply_to);
			CHECK_INT(row->texts->references, 1);
		}
		entry = find(&known, i);
		CHECK_INT(memory != NULL, entry != NULL);
		if (memory != NULL && entry != NULL)
		{
			CHECK_INT(memory->revision, entry->revision);
			CHECK_INT(memory->rejected, entry->rejected);
			CHECK_INT(memory->origin, entry->origin);
		}
	}
}

static bool
play_sequence(uint64_t seed)
{
	int length = sequences.length > 0 ? sequences.length : LENGTH;

	draw_for(seed, -1);
	rows = (List){.capacity = below(LIMIT + 1)};
	known = (List){.capacity = below(LIMIT + 1)};
	now = 1;
	queue = queue_new((uint32_t) rows.capacity);
	recent = recent_new((uint32_t) known.capacity);
	for (int i = 0; i < length && unit.checks_failed == 0; i++)
	{
		int die = below(100);

		now += below(3);
		if (die < 40)
			play_put();
		else if (die < 45)
			play_take();
		else if (die < 65)
			play_settle();
		else if (die < 70)
			play_redirect();
		else if (die < 72)
			play_forget();
		else
			play_recent();
		compare();
		sequences.operations++;
	}
	queue_free(queue);
	recent_free(recent);
	return unit.checks_failed == 0;
}

TEST(the_queue_and_the_cache_do_what_lists_do)
{
	if (!sequences_hold(play_sequence))
		printf("(replay: queue_property_test %llu)\n", (unsigned long long) sequences.now);
}

int
main(int argc, char **argv)
{
	sequences_start(argc, argv, SEQUENCES, INT32_MAX);
	RUN(the_queue_and_the_cache_do_what_lists_do);
	return unit_finish();
}
