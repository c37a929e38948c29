/*
 * registry.c
 *	  Fuzz target: a listener's life as the worker hears it, event by event.
 *
 * After each event the books must balance, whoever lied.
 */
#include "../../src/worker/registry.h"
#include "fuzz.h"

#define START	  INT64_C(1795400000000)
#define LISTENERS 2
#define SLOTS	  3
#define VIEWS	  4
#define ROWS	  6

static Moment now;
static bool	  shown[VIEWS];

static void
on_reply(void *context, ConnectionRef to, const Command *command)
{
	(void) context;
	FUZZ_CHECK(to.listener < LISTENERS);
	FUZZ_CHECK(command->type >= COMMAND_ACK && command->type <= COMMAND_REFUSED);
	FUZZ_CHECK(command->connection == to.connection && to.connection != 0);
}

static void
on_shown(void *context, uint32_t slot, const View *view)
{
	const Figures *f = &view->reported;

	(void) context;
	FUZZ_CHECK(slot < VIEWS && view->texts != NULL);
	FUZZ_CHECK(0 <= f->active && f->active <= f->focused && f->focused <= f->visible &&
			   f->visible <= f->elapsed);
	FUZZ_CHECK(view_engagement(view, now.monotonic) >= f->visible);
	shown[slot] = true;
}

static void
on_hidden(void *context, uint32_t slot)
{
	(void) context;
	FUZZ_CHECK(slot < VIEWS && shown[slot]);
	shown[slot] = false;
}

static Uuid
next_id(Input *input)
{
	uint8_t	   which = input_byte(input);
	WallMillis time = START - (which >> 3) % 4 * INT64_C(250000000);
	Uuid	   id = {{0}};

	for (int i = 0; i < 6; i++)
		id.bytes[i] = (uint8_t) ((uint64_t) time >> (40 - 8 * i));
	id.bytes[6] = 0x70;
	id.bytes[8] = 0x80;
	id.bytes[15] = which & 7;
	return id;
}

static ViewMessage
next_message(Input *input)
{
	uint8_t		flags = input_byte(input);
	ViewMessage message = {.kind = (MessageKind) (1 + flags % 3), .view = next_id(input)};
	uint8_t		n = input_byte(input);

	if (n == 254)
		return (ViewMessage){.kind = MESSAGE_EVENT,
							 .view = message.view,
							 .n = EVENT_NUMBER,
							 .during = next_id(input),
							 .described = true,
							 .page = {.site = text_of("example.com"),
									  .path = text_of("/a"),
									  .name = text_of("event")}};
	message.n = n == 255 ? MESSAGE_NUMBER_LIMIT : n + 1;
	message.state = (PageState) ((flags >> 2) % 3);
	message.figures.visible = (int32_t) (input_number(input, 3) << 7);
	message.figures.focused = (int32_t) (input_number(input, 2) << 8);
	message.figures.active = (int32_t) input_number(input, 2);
	message.figures.elapsed = (int32_t) (input_number(input, 3) << 7);
	message.figures.gap = (int32_t) (input_number(input, 2) << 8);
	message.scroll = (int8_t) (input_byte(input) % 102 - 1);
	if (message.kind == MESSAGE_END)
		message.reason = flags & 16 ? END_CLOSED : END_NAVIGATED;
	message.described = message.kind == MESSAGE_VIEW || (message.kind == MESSAGE_END && flags & 32);
	if (message.described)
		message.page = (PageDescription){.site = text_of("example.com"),
										 .path = text_of(flags & 64 ? "/a" : "/b"),
										 .title = text_of(flags & 128 ? "" : "title")};
	return message;
}

static Event
next_event(Input *input)
{
	uint8_t what = input_byte(input);
	Event	event = {.type = (EventType) (EVENT_OPENED + what % 4), .at = now.monotonic};

	if (what & 128)
		event.at = (Micros) input_number(input, 8);
	event.connection = CONNECTION_ID((what >> 2) & 3, input_byte(input) % 5);
	switch (event.type)
	{
		case EVENT_OPENED:
			event.u.opened.session.bytes[0] = 1 + (what >> 5) % 3;
			event.u.opened.note = what & 16;
			break;
		case EVENT_MESSAGE:
			event.u.message.covered = (int32_t) input_number(input, 2);
			event.u.message.view = next_message(input);
			break;
		case EVENT_CLOSED:
			event.u.closed.cause = (CloseCause) (input_byte(input) % CLOSE_CAUSE_COUNT);
			event.u.closed.last_pong = what & 64 ? (Micros) input_number(input, 8) : now.monotonic;
			break;
		default:
			event.u.left.view = next_id(input);
			break;
	}
	return event;
}

static void
check_books(Registry *registry, Queue *queue)
{
	const ViewRow *rows[ROWS];
	uint32_t	   count = queue_peek(queue, rows, ROWS);
	RegistryCounts c = registry_counts(registry);

	FUZZ_CHECK(c.stored + c.rejected + c.open + c.lost + c.queued + c.refused + c.dropped ==
			   c.announced);
	FUZZ_CHECK(c.events_stored + c.events_rejected + c.events_queued + c.events_dropped ==
			   c.events_taken);
	FUZZ_CHECK(c.open + c.lost <= VIEWS);
	for (uint32_t i = 0; i < count; i++)
	{
		const ViewRow *row = rows[i];

		FUZZ_CHECK(0 <= row->active && row->active <= row->focused &&
				   row->focused <= row->engagement);
		FUZZ_CHECK(row->texts != NULL);
		if (revision_is_event(row->revision))
			continue;
		FUZZ_CHECK(row->revision >= 4);
		FUZZ_CHECK(row->ended_at == 0 ? row->reason == END_NONE : row->ended_at >= row->started_at);
	}
}

/* One thing that happens to a registry. */
static void
play(Registry *registry, Queue *queue, Input *input)
{
	uint8_t		   what = input_byte(input);
	const ViewRow *row;
	Event		   event;
	Uuid		   session = {{0}};

	now.monotonic += (what >> 4) * (what >> 4) * 50 * MICROS_PER_MILLI;
	now.wall = START + (now.monotonic - 1000 * MICROS_PER_SECOND) / MICROS_PER_MILLI;
	switch (what % 12)
	{
		case 0:
			registry_listener_died(registry, what >> 6, (Micros) input_number(input, 8), now);
			break;
		case 1:
			if (queue_peek(queue, &row, 1) == 1)
				registry_stored(registry, &row->view, row->revision);
			break;
		case 2:
			if (queue_peek(queue, &row, 1) == 1 && (what & 64))
				registry_rejected(registry, &row->view, row->revision);
			break;
		case 3:
			session.bytes[0] = 1 + (what >> 5) % 3;
			(void) registry_forget(registry, &session, now);
			break;
		default:
			event = next_event(input);
			(void) registry_event(registry, what >> 4 & 1, &event, now);
			break;
	}
	registry_tick(registry, now);
	check_books(registry, queue);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	RegistryRules rules = {LISTENERS, SLOTS, VIEWS, 10 * MICROS_PER_SECOND, 30 * MICROS_PER_SECOND};
	RegistrySink  sink = {NULL, on_reply, on_shown, on_hidden};
	Queue		 *queue = queue_new(ROWS);
	Recent		 *recent = recent_new(4);
	Registry	 *registry = registry_new(&rules, &sink, queue, recent);
	Input		  input = {data, size};

	now = (Moment){1000 * MICROS_PER_SECOND, START};
	memset(shown, 0, sizeof shown);
	while (input.left > 0)
		play(registry, queue, &input);
	registry_shutdown(registry, now);
	check_books(registry, queue);
	registry_free(registry);
	queue_free(queue);
	recent_free(recent);
	return 0;
}
