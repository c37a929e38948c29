/*
 * nonsense_test.c
 *	  Random events, possible and impossible ones, thrown at a registry.
 *
 * What must hold whatever a listener says is checked after each.
 *
 *	  nonsense_test [seed]
 */
#include <stdlib.h>
#include <time.h>

#include "../../src/worker/registry.h"
#include "chance.h"
#include "unit.h"

#define EVENTS		300000
#define LISTENERS	2
#define ROWS		6
#define WORLD_START INT64_C(1795400000000)

static Registry *registry;
static Queue	*queue;
static Recent	*recent;
static Moment	 now = {1000 * MICROS_PER_SECOND, WORLD_START};

static void
on_reply(void *context, ConnectionRef to, const Command *command)
{
	(void) context;
	CHECK(to.listener < LISTENERS);
	CHECK(command->type >= COMMAND_ACK && command->type <= COMMAND_REFUSED);
}

static void
on_shown(void *context, uint32_t slot, const View *view)
{
	(void) context;
	CHECK(slot < 4);
	CHECK(view->texts != NULL);
	CHECK(view_engagement(view, now.monotonic) >= view->reported.visible);
}

static void
on_hidden(void *context, uint32_t slot)
{
	(void) context;
	CHECK(slot < 4);
}

static Uuid
id_of(int number, int64_t time)
{
	Uuid id;

	memset(id.bytes, 0, sizeof id.bytes);
	for (int i = 0; i < 6; i++)
		id.bytes[i] = (uint8_t) ((uint64_t) time >> (40 - 8 * i));
	id.bytes[6] = 0x70;
	id.bytes[8] = 0x80;
	id.bytes[15] = (uint8_t) number;
	return id;
}

/* An event of which anything may be wrong but what cannot exist in C: pointers and booleans. */
static Event
any_event(void)
{
	static const char filler[UINT16_MAX] = "filler";
	Event			  event;
	uint8_t			 *bytes = (uint8_t *) &event;
	ViewMessage		 *message = &event.u.message.view;

	memset(&event, 0, sizeof event);
	for (size_t i = 0; i < sizeof event; i++)
		bytes[i] = (uint8_t) draw();
	event.type = (EventType) (chance(95) ? EVENT_OPENED + below(3) : below(9));
	if (chance(95))
		event.connection = CONNECTION_ID((uint32_t) below(5), (uint32_t) below(3));
	if (event.type == EVENT_OPENED)
	{
		event.u.opened.note = chance(50);
		event.u.opened.visitor =
			(Visitor){.user_agent = {filler, (uint16_t) below(USER_AGENT_LIMIT + 5)},
					  .browser = {filler, (uint16_t) below(AGENT_NAME_LIMIT + 1)},
					  .browser_version = {filler, (uint16_t) below(AGENT_VERSION_LIMIT + 1)},
					  .system = {filler, (uint16_t) below(AGENT_NAME_LIMIT + 1)},
					  .device = (DeviceClass) below(DEVICE_CLASS_COUNT),
					  .robot = chance(50)};
	}
	else if (event.type == EVENT_CLOSED)
		event.u.closed.cause = (CloseCause) below(CLOSE_CAUSE_COUNT + 1);
	else if (event.type == EVENT_MESSAGE)
	{
		Text text = {filler, chance(99) ? (uint16_t) below(50) : UINT16_MAX};

		message->kind = (MessageKind) below(5);
		message->view = id_of(below(12), WORLD_START + below(3) * INT64_C(300000));
		if (chance(90))
			message->n = 1 + below(50);
		message->state = (PageState) below(PAGE_STATE_COUNT + (chance(5) ? 1 : 0));
		message->reason = (EndReason) below(END_REASON_COUNT);
		message->described = chance(70);
		message->page = (PageDescription){.site = text, .path = text, .title = text, .name = text};
		message->page.navigation = (Navigation) below(NAVIGATION_COUNT + 1);
		message->page.property_count = (uint8_t) (chance(95) ? below(3) : below(256));
		for (int i = 0; i < PROPERTY_COUNT_LIMIT; i++)
			message->page.properties[i] = (Property){.key = text, .string = text};
	}
	return event;
}

/* What must hold of the registry whatever a listener says. */
static void
check_sanity(void)
{
	const ViewRow *rows[ROWS];
	uint32_t	   count = queue_peek(queue, rows, ROWS);
	RegistryCounts c = registry_counts(registry);

	CHECK_INT(c.stored + c.rejected + c.open + c.lost + c.queued + c.refused + c.dropped,
			  c.announced);
	CHECK_INT(c.dropped, 0);
	for (uint32_t i = 0; i < count; i++)
	{
		const ViewRow *row = rows[i];
		bool		   good =
			0 <= row->active && row->active <= row->focused && row->focused <= row->engagement &&
			row->scroll >= -1 && row->scroll <= 100 && row->revision > 0 && row->texts != NULL &&
			(row->ended_at == 0 ? row->reason == END_NONE : row->ended_at >= row->started_at) &&
			(row->ended_at <= row->started_at || row->ended_at <= now.wall + 5000);

		CHECK(good);
	}
}

TEST(nothing_that_a_listener_says_breaks_the_registry)
{
	RegistryRules rules = {LISTENERS, 3, 4, 10 * MICROS_PER_SECOND, 30 * MICROS_PER_SECOND};
	RegistrySink  sink = {NULL, on_reply, on_shown, on_hidden};
	uint64_t	  believed = 0;

	queue = queue_new(ROWS);
	recent = recent_new(4);
	registry = registry_new(&rules, &sink, queue, recent);
	for (int i = 0; i < EVENTS && unit.checks_failed == 0; i++)
	{
		Event event = any_event();

		now.monotonic += below(100) * MICROS_PER_MILLI;
		now.wall += chance(1) ? below(3600000) : below(100);
		believed += registry_event(registry, (uint16_t) below(LISTENERS + 1), &event, now);
		registry_tick(registry, now);
		if (chance(1))
			registry_listener_died(registry, (uint16_t) below(LISTENERS + 1), (Micros) draw(), now);
		check_sanity();
		for (const ViewRow *row; chance(20) && queue_peek(queue, &row, 1) == 1;)
			registry_stored(registry, &row->view, row->revision);
	}
	printf("%llu of %d random events were believed\n", (unsigned long long) believed, EVENTS);
	CHECK(believed > 10000);
	registry_free(registry);
	queue_free(queue);
	recent_free(recent);
}

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t) time(NULL);

	unit_start(1, argv);
	printf("seed %llu\n", (unsigned long long) seed);
	random_state = seed;
	RUN(nothing_that_a_listener_says_breaks_the_registry);
	return unit_finish();
}
