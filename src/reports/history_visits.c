/*
 * history_visits.c
 *	  Reads packed days, and views for the rest, one after the other, see
 *	  history_private.h.
 *
 * Where whole visits are enough nothing has to be merged: days are read in the
 * order of time, each alone, so that what is worked with stays in the processor's
 * caches.  A session is held back at the end of a day, or of packed hours, only if its
 * visit may go on, which few do at midnight, and some in the midst of a day.  Sessions
 * that changed are read by themselves, from the views.
 */
#include "history_private.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "packed_days.h"
#include "varint.h"

typedef struct SessionKey
{
	const uint8 *session;
	Span		 site;
} SessionKey;

/* A session on a site that is held back. */
typedef struct Held
{
	SessionKey			key; /* of the views */
	const SessionViews *views;
	bool				any_passes; /* as the gatherer has them */
	bool				any_origin_passes;
	bool				met; /* what came next of it was gathered with it */
	uint32				hash;
	char				status;
} Held;

static uint32
hash_of(SessionKey key)
{
	uint32 words[UUID_LEN / sizeof(uint32)];

	memcpy(words, key.session, UUID_LEN);
	return murmurhash32(words[0] ^ words[1] ^ words[2] ^ words[3]);
}

static bool
are_same(SessionKey a, SessionKey b)
{
	return memcmp(a.session, b.session, UUID_LEN) == 0 && span_equal(a.site, b.site);
}

#define SH_PREFIX		  held
#define SH_ELEMENT_TYPE	  Held
#define SH_KEY_TYPE		  SessionKey
#define SH_KEY			  key
#define SH_HASH_KEY(t, k) hash_of(k)
#define SH_EQUAL(t, a, b) are_same(a, b)
#define SH_SCOPE		  static inline
#define SH_STORE_HASH
#define SH_GET_HASH(t, e) (e)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Sessions that are held back, in a context of their own. */
typedef struct HeldSessions
{
	MemoryContext memory;
	held_hash	 *table;
} HeldSessions;

typedef struct Reading
{
	DestReceiver receiver; /* first; of rows */
	Gatherer	*gatherer;
	PackedDays	*days;
	int64		 timeout;
	TimestampTz	 end;	 /* of the time that is read */
	HeldSessions before; /* which the time before left */
	HeldSessions after;	 /* which this one leaves */
	PackedViews	 views;
	bool		 leave_out; /* whether rows are of sessions that are read by themselves too */
	int			 passed_by; /* of those, by rows */
} Reading;

/* --- sessions that are held back -------------------------------------------------------- */

static HeldSessions
held_new(MemoryContext parent)
{
	HeldSessions held;

	held.memory = AllocSetContextCreate(parent, "pageviews open visits", ALLOCSET_DEFAULT_SIZES);
	held.table = held_create(held.memory, 64, NULL);
	return held;
}

static Span
copied(Span span)
{
	if (span.data == NULL)
		return span;
	return (Span){memcpy(palloc(Max(span.length, 1)), span.data, span.length), span.length};
}

/* Holds back what is gathered. */
static void
hold(Reading *reading)
{
	Gatherer	 *gatherer = reading->gatherer;
	MemoryContext caller = MemoryContextSwitchTo(reading->after.memory);
	SessionViews *views = palloc(sizeof *views);
	bool		  found;
	Held		 *held;

	*views = gatherer->views;
	views->session = (const uint8 *) copied((Span){(const char *) views->session, UUID_LEN}).data;
	views->site = copied(views->site);
	for (int i = 0; i < SESSION_DIMENSIONS; i++)
		views->traits[i] = copied(views->traits[i]);
	views->views =
		MemoryContextAllocHuge(reading->after.memory, views->count * sizeof(SessionView));
	memcpy(views->views, gatherer->views.views, views->count * sizeof(SessionView));
	for (int i = 0; i < views->count; i++)
	{
		SessionView *view = &views->views[i];

		view->path = copied(view->path);
		for (int k = 0; k < VERSION_COUNT; k++)
		{
			view->states[k].referrer = copied(view->states[k].referrer);
			view->states[k].query = copied(view->states[k].query);
		}
	}
	held = held_insert(reading->after.table, (SessionKey){views->session, views->site}, &found);
	/* A session comes once a day and site, if the pack is not damaged. */
	if (found)
		varint_corrupted();
	held->views = views;
	held->any_passes = gatherer->any_passes;
	held->any_origin_passes = gatherer->any_origin_passes;
	held->met = false;
	MemoryContextSwitchTo(caller);
	history_drop(gatherer);
}

static Held *
find_held(const Reading *reading, SessionKey key)
{
	return reading->before.table->members == 0 ? NULL : held_lookup(reading->before.table, key);
}

/* Gathers a session that was held back. */
static void
take_up(Reading *reading, Held *held)
{
	Gatherer	 *gatherer = reading->gatherer;
	const int	  count = held->views->count;
	MemoryContext caller = MemoryContextSwitchTo(gatherer->memory);

	held->met = true;
	gatherer->views = *held->views;
	gatherer->views.views = NULL;
	gatherer->views.count = 0;
	for (int i = 0; i < count; i++)
		*history_add(gatherer) = held->views->views[i];
	gatherer->any_passes = held->any_passes;
	gatherer->any_origin_passes = held->any_origin_passes;
	MemoryContextSwitchTo(caller);
}

/* Whether a visit whose views were last seen then may go on after the time that is read. */
static bool
may_go_on(const Reading *reading, TimestampTz seen_until)
{
	return reading->days->query->parts == PARTS_OF_VISITS &&
		   seen_until + reading->timeout >= reading->end;
}

/* Hands over what is gathered, or holds it back. */
static void
finish_session(Reading *reading)
{
	const SessionViews *views = &reading->gatherer->views;
	TimestampTz			seen_until = DT_NOBEGIN;

	for (int i = 0; i < views->count; i++)
		seen_until = Max(seen_until, views->views[i].started_at +
										 (int64) views->views[i].states[AFTER].engagement * 1000);
	if (views->count > 0 && may_go_on(reading, seen_until))
		hold(reading);
	else
		history_hand_over(reading->gatherer);
}

/* --- one time after the other ------------------------------------------------------------- */

/* Ends the time that is read: those go on that were held back, and did not come, and still may. */
static void
end_time(Reading *reading)
{
	held_iterator iterator;
	Held		 *held;

	held_start_iterate(reading->before.table, &iterator);
	while ((held = held_iterate(reading->before.table, &iterator)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (held->met)
			continue;
		take_up(reading, held);
		finish_session(reading);
	}
	MemoryContextDelete(reading->before.memory);
	reading->before = reading->after;
	reading->after = held_new(reading->days->memory);
}

/* Reads the session that a day and site has next. */
static void
take_packed(Reading *reading, PackedDay *day)
{
	const HistoryQuery *query = reading->days->query;
	PackedViews		   *views = &reading->views;
	Held			   *held = find_held(reading, (SessionKey){day->session.session, day->site});

	if (held == NULL && day->at >= query->wanted_until)
	{
		packed_day_skip(day);
		return;
	}
	packed_views_reset(views);
	packed_day_read(reading->days, day, views);
	if (held == NULL && !may_go_on(reading, views->seen_until) &&
		(!views->any_passes || !views->any_origin_passes ||
		 !history_is_wanted(query, day->at, reading->end)))
		return;
	packed_days_release(reading->days);
	if (held != NULL)
		take_up(reading, held);
	packed_day_gather(reading->days, day, 0, views->count, views, reading->gatherer);
	finish_session(reading);
}

/* Takes a row of views in the order of sessions. */
static bool
take_row(TupleTableSlot *slot, DestReceiver *self)
{
	Reading			   *reading = (Reading *) self;
	const SessionViews *views = &reading->gatherer->views;
	SessionKey			next;

	CHECK_FOR_INTERRUPTS();
	slot_getallattrs(slot);
	next.session = DatumGetUUIDP(slot->tts_values[HISTORY_COLUMN_SESSION])->data;
	next.site = span_of_text(DatumGetTextPP(slot->tts_values[HISTORY_COLUMN_SITE]));
	if (reading->leave_out &&
		packed_days_leave_out(reading->days, &reading->passed_by, next.session))
		return true;
	if (views->count > 0 && !are_same((SessionKey){views->session, views->site}, next))
		finish_session(reading);
	if (views->count == 0)
	{
		Held *held = find_held(reading, next);

		if (held != NULL)
			take_up(reading, held);
	}
	history_take_row(reading->gatherer, slot);
	return true;
}

static void
start_taking(DestReceiver *self, int operation, TupleDesc description)
{
}

static void
stop_taking(DestReceiver *self)
{
}

/* Reads views: those of [since, until), or of some sessions. */
static void
read_rows(Reading *reading, TimestampTz since, TimestampTz until, ArrayType *sessions)
{
	const HistorySource views = {.relation = "pageviews.views",
								 .length = history_length(since, until)};
	HistoryQuery		query = *reading->days->query;

	query.since = since;
	query.until = until;
	query.sessions = sessions;
	reading->end = until;
	reading->leave_out = sessions == NULL;
	reading->passed_by = 0;
	history_select(&query, &views, &reading->receiver);
	finish_session(reading);
	end_time(reading);
}

/* The sessions that are held back, as an array. */
static ArrayType *
sessions_held(const Reading *reading)
{
	Datum		 *elements = palloc_array(Datum, reading->before.table->members);
	held_iterator iterator;
	Held		 *held;
	int			  count = 0;

	held_start_iterate(reading->before.table, &iterator);
	while ((held = held_iterate(reading->before.table, &iterator)) != NULL)
		elements[count++] = PointerGetDatum(held->key.session);
	return construct_array(elements, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

/* Reads the views of [since, until): after the time that is wanted, those of visits that may go on. */
static void
read_between(Reading *reading, TimestampTz since, TimestampTz until)
{
	TimestampTz wanted = Max(since, Min(until, reading->days->query->wanted_until));

	if (since < wanted)
		read_rows(reading, since, wanted, NULL);
	if (wanted < until && reading->before.table->members > 0)
		read_rows(reading, wanted, until, sessions_held(reading));
}

void
history_read_visits(Gatherer *gatherer, PackedDays *days)
{
	const HistoryQuery *query = days->query;
	ArrayType		   *left_out = history_days_left_out(&days->days);
	Reading				reading = {
					.receiver = {take_row, start_taking, stop_taking, stop_taking, DestNone},
					.gatherer = gatherer,
					.days = days,
					.timeout = visits_rules().timeout,
					.before = held_new(days->memory),
					.after = held_new(days->memory),
					.views = packed_views_new(),
	};
	TimestampTz at = query->since;
	int			count;
	int			next = 0;
	PackedDay  *packed = packed_days_open(days, &count);

	for (int i = 0; i < days->days.count; i++)
	{
		if (at < days->days.at[i])
			read_between(&reading, at, days->days.at[i]);
		at = days->days.at[i];
		/* After the time that is wanted only visits count that go on. */
		if (at >= query->wanted_until && reading.before.table->members == 0)
			break;
		reading.end = at = days->days.until[i];
		for (; next < count && packed[next].at < at; next++)
		{
			while (packed_day_next(days, &packed[next]))
				take_packed(&reading, &packed[next]);
		}
		end_time(&reading);
	}
	if (at < query->until)
		read_between(&reading, at, query->until);
	if (days->days.left_out_count > 0)
		read_rows(&reading, query->since, query->until, left_out);
	/* Nothing is left that what is held back could go on with. */
	reading.end = DT_NOEND;
	end_time(&reading);
	packed_days_release(days);
}
