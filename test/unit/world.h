/*
 * world.h
 *	  A registry with a fake clock and a fake store, for the unit tests.
 *
 * The world is one static: world_start() makes it, world_stop() takes it down.
 * Time stands still until later() moves it.  Answers collect in a log.  Browsers
 * say something with say(), which returns the answers that it caused to the
 * speaker, such as "ack", "ack stored" or "clock".
 */
#ifndef PAGEVIEWS_TEST_WORLD_H
#define PAGEVIEWS_TEST_WORLD_H

#include "../../src/worker/registry.h"
#include "unit.h"

#define WORLD_VIEWS 8
#define WORLD_QUEUE 12
#define WORLD_START INT64_C(1795400000000) /* ms since the epoch */

static struct
{
	RegistryRules rules;
	Registry	 *registry;
	Queue		 *queue;
	Recent		 *recent;
	Moment		  now;
	uint32_t	  generation;
	char		  answers[256];		 /* to `listening` since the last say() */
	char		  all_answers[1024]; /* to anybody: "type:slot " */
	ConnectionRef listening;
	bool		  shown[WORLD_VIEWS];
	View		  board[WORLD_VIEWS];
} world;

static inline void
world_reply(void *context, ConnectionRef to, const Command *command)
{
	char   word[64];
	size_t used = strlen(world.answers);

	(void) context;
	if (command->type == COMMAND_REFUSED)
		snprintf(word, sizeof word, "%.*s", (int) command->u.refused.code.length,
				 command->u.refused.code.data);
	else
		snprintf(word, sizeof word, "%s", command->type == COMMAND_ACK ? "ack" : "stored");
	if (to.listener == world.listening.listener && to.connection == world.listening.connection)
		snprintf(world.answers + used, sizeof world.answers - used, "%s%s", used ? " " : "", word);
	used = strlen(world.all_answers);
	snprintf(world.all_answers + used, sizeof world.all_answers - used, "%s:%u.%u ", word,
			 to.listener, CONNECTION_SLOT(to.connection));
}

static inline void
world_shown(void *context, uint32_t slot, const View *view)
{
	(void) context;
	CHECK(slot < WORLD_VIEWS);
	world.shown[slot] = true;
	world.board[slot] = *view;
}

static inline void
world_hidden(void *context, uint32_t slot)
{
	(void) context;
	CHECK(slot < WORLD_VIEWS);
	world.shown[slot] = false;
}

static inline void
world_start_sized(uint32_t views, uint32_t queue, uint32_t recent)
{
	RegistrySink sink = {NULL, world_reply, world_shown, world_hidden};

	memset(&world, 0, sizeof world);
	world.now.monotonic = 1000 * MICROS_PER_SECOND;
	world.now.wall = WORLD_START;
	world.rules.listeners = 2;
	world.rules.connections = 8;
	world.rules.views = views;
	world.rules.linger = 10 * MICROS_PER_SECOND;
	world.rules.checkpoint_interval = 30 * MICROS_PER_SECOND;
	world.queue = queue_new(queue);
	world.recent = recent_new(recent);
	world.registry = registry_new(&world.rules, &sink, world.queue, world.recent);
}

static inline void
world_start(void)
{
	world_start_sized(WORLD_VIEWS, WORLD_QUEUE, 8);
}

static inline void
world_check_conservation(void)
{
	RegistryCounts c = registry_counts(world.registry);

	CHECK_INT(c.announced,
			  c.stored + c.rejected + c.open + c.lost + c.queued + c.refused + c.dropped);
	CHECK_INT(c.events_taken,
			  c.events_stored + c.events_rejected + c.events_queued + c.events_dropped);
}

/* Every test ends with this: the counts must add up. */
static inline void
world_stop(void)
{
	world_check_conservation();
	registry_free(world.registry);
	queue_free(world.queue);
	recent_free(world.recent);
}

static inline void
later(int64_t milliseconds)
{
	world.now.monotonic += milliseconds * MICROS_PER_MILLI;
	world.now.wall += milliseconds;
}

static inline void
tick(void)
{
	registry_tick(world.registry, world.now);
}

/* The version 7 id of view `number`, whose timestamp lies `offset` ms from now. */
static inline Uuid
view_id_at(unsigned number, int64_t offset)
{
	Uuid	 id;
	uint64_t time = (uint64_t) (world.now.wall + offset);

	memset(id.bytes, 0, sizeof id.bytes);
	for (int i = 0; i < 6; i++)
		id.bytes[i] = (uint8_t) (time >> (40 - 8 * i));
	id.bytes[6] = 0x70;
	id.bytes[8] = 0x80;
	id.bytes[14] = (uint8_t) (number >> 8);
	id.bytes[15] = (uint8_t) number;
	return id;
}

static inline Uuid
view_id(unsigned number)
{
	return view_id_at(number, 0);
}

static inline Uuid
session_id(unsigned number)
{
	Uuid id;

	memset(id.bytes, 0, sizeof id.bytes);
	id.bytes[0] = 0x5e;
	id.bytes[15] = (uint8_t) number;
	return id;
}

static inline bool
same_id(Uuid a, Uuid b)
{
	return uuid_equal(&a, &b);
}

/* What a listener says; whether the registry believes it. */
static inline bool
take(uint16_t listener, const Event *event)
{
	bool believed = registry_event(world.registry, listener, event, world.now);

	world_check_conservation();
	return believed;
}

static inline ConnectionRef
open_connection(uint16_t listener, uint32_t slot, unsigned session, bool note)
{
	Event		  event;
	ConnectionRef ref = {.listener = listener,
						 .connection = CONNECTION_ID(slot, ++world.generation)};

	memset(&event, 0, sizeof event);
	event.type = EVENT_OPENED;
	event.at = world.now.monotonic;
	event.connection = ref.connection;
	event.u.opened.session = session_id(session);
	event.u.opened.note = note;
	event.u.opened.visitor.user_agent = text_of("Firefox");
	CHECK(take(listener, &event));
	return ref;
}

static inline ConnectionRef
open_socket(uint32_t slot)
{
	return open_connection(0, slot, 1, false);
}

static inline ConnectionRef
open_note(uint32_t slot)
{
	return open_connection(1, slot, 1, true);
}

static inline void
close_it(ConnectionRef ref, CloseCause cause, int64_t pong_ms_ago)
{
	Event event;

	memset(&event, 0, sizeof event);
	event.type = EVENT_CLOSED;
	event.at = world.now.monotonic;
	event.connection = ref.connection;
	event.u.closed.cause = cause;
	event.u.closed.last_pong = world.now.monotonic - pong_ms_ago * MICROS_PER_MILLI;
	CHECK(take(ref.listener, &event));
}

/* The listener refused a `view` of this id on the socket. */
static inline void
leave_for(ConnectionRef ref, Uuid refused)
{
	Event event;

	memset(&event, 0, sizeof event);
	event.type = EVENT_LEFT;
	event.at = world.now.monotonic;
	event.connection = ref.connection;
	event.u.left.view = refused;
	CHECK(take(ref.listener, &event));
}

static inline PageDescription
a_page(const char *path)
{
	PageDescription page;

	memset(&page, 0, sizeof page);
	page.site = text_of("example.org");
	page.path = text_of(path);
	page.title = text_of("A title");
	page.navigation = NAVIGATION_NAVIGATE;
	return page;
}

/* A message of a view that was visible, but not focused, for all of its time. */
static inline ViewMessage
message_of(MessageKind kind, Uuid view, int32_t n, PageState state, int32_t visible)
{
	ViewMessage message;

	memset(&message, 0, sizeof message);
	message.kind = kind;
	message.view = view;
	message.n = n;
	message.state = state;
	message.figures.visible = visible;
	message.figures.elapsed = visible;
	message.scroll = -1;
	if (kind == MESSAGE_VIEW)
	{
		message.described = true;
		message.page = a_page("/page");
	}
	if (kind == MESSAGE_END)
		message.reason = END_CLOSED;
	return message;
}

static inline ViewMessage
a_view(Uuid view, int32_t n, PageState state, int32_t visible)
{
	return message_of(MESSAGE_VIEW, view, n, state, visible);
}

static inline ViewMessage
a_state(Uuid view, int32_t n, PageState state, int32_t visible)
{
	return message_of(MESSAGE_STATE, view, n, state, visible);
}

static inline ViewMessage
an_end(Uuid view, int32_t n, int32_t visible)
{
	return message_of(MESSAGE_END, view, n, PAGE_HIDDEN, visible);
}

/* An end that carries all fields. */
static inline ViewMessage
a_leftover(Uuid view, int32_t n, int32_t visible)
{
	ViewMessage message = an_end(view, n, visible);

	message.described = true;
	message.page = a_page("/leftover");
	return message;
}

/* Something that happened in a view, whose id is what it is stored by. */
static inline ViewMessage
an_event(Uuid event, Uuid view)
{
	ViewMessage message;

	memset(&message, 0, sizeof message);
	message.kind = MESSAGE_EVENT;
	message.view = event;
	message.n = EVENT_NUMBER;
	message.during = view;
	message.described = true;
	message.page = a_page("/page");
	message.page.name = text_of("signup");
	return message;
}

static inline const char *
say_covered(ConnectionRef ref, ViewMessage message, int32_t covered)
{
	Event event;

	memset(&event, 0, sizeof event);
	event.type = EVENT_MESSAGE;
	event.at = world.now.monotonic;
	event.connection = ref.connection;
	event.u.message.covered = covered;
	event.u.message.view = message;
	world.listening = ref;
	world.answers[0] = '\0';
	world.all_answers[0] = '\0';
	if (!take(ref.listener, &event))
		return "not believed";
	return world.answers;
}

static inline const char *
say(ConnectionRef ref, ViewMessage message)
{
	return say_covered(ref, message, 0);
}

/* The waiting row of a view; a failed check and an empty row when there is none. */
static inline ViewRow
waiting_row(Uuid view)
{
	static ViewRow none;
	const ViewRow *row = queue_find(world.queue, &view);

	CHECK(row != NULL);
	return row != NULL ? *row : none;
}

static inline bool
waits(Uuid view)
{
	return queue_find(world.queue, &view) != NULL;
}

/* The view as the board shows it; a failed check and an empty view when it does not. */
static inline View
shown_view(Uuid view)
{
	static View none;

	for (int slot = 0; slot < WORLD_VIEWS; slot++)
	{
		if (world.shown[slot] && uuid_equal(&world.board[slot].id, &view))
			return world.board[slot];
	}
	CHECK(!"the board shows the view");
	return none;
}

static inline bool
is_shown(Uuid view)
{
	for (int slot = 0; slot < WORLD_VIEWS; slot++)
	{
		if (world.shown[slot] && uuid_equal(&world.board[slot].id, &view))
			return true;
	}
	return false;
}

/* The fake store commits, or sets aside, all that waits; returns how many rows. */
static inline uint32_t
store_all(bool reject)
{
	const ViewRow *rows[WORLD_QUEUE];
	uint32_t	   count = queue_peek(world.queue, rows, WORLD_QUEUE);
	Uuid		   views[WORLD_QUEUE];
	int64_t		   revisions[WORLD_QUEUE];

	world.answers[0] = '\0';
	world.all_answers[0] = '\0';
	for (uint32_t i = 0; i < count; i++)
	{
		views[i] = rows[i]->view;
		revisions[i] = rows[i]->revision;
	}
	for (uint32_t i = 0; i < count; i++)
	{
		if (reject)
			registry_rejected(world.registry, &views[i], revisions[i]);
		else
			registry_stored(world.registry, &views[i], revisions[i]);
		world_check_conservation();
	}
	return count;
}

static inline RegistryCounts
counts(void)
{
	return registry_counts(world.registry);
}

#endif /* PAGEVIEWS_TEST_WORLD_H */
