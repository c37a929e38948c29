/*
 * model_play.h
 *	  The operations of a random sequence: each plays to the registry and to the
 *	  model what may happen next, drawn from random_state.
 */
#ifndef PAGEVIEWS_TEST_MODEL_PLAY_H
#define PAGEVIEWS_TEST_MODEL_PLAY_H

#include "model_promise.h"
#include "model_rules.h"
#include "sequences.h"

#define DAY INT64_C(86400000) /* ms */

/* A batch that was taken from the queue; what becomes of it is decided later. */
typedef struct Flight
{
	Uuid	id;
	int64_t revision;
} Flight;

static Flight flight[MODEL_QUEUE];
static int	  flight_count;

static inline Who
any_connection(void)
{
	Who who = {.listener = below(model.listeners), .slot = below(model.slots)};

	who.life = model.lives[who.listener];
	who.generation = model.connections[who.listener][who.slot].generation;
	return who;
}

/* Where a view lives, most of the time that it does, or any connection. */
static inline Who
connection_for(const ModelView *view)
{
	if (view->owner.life != 0 && chance(50))
		return view->owner;
	return any_connection();
}

/* A stamp not long ago, sometimes an impossible one; *at is what is to be believed. */
static inline Micros
any_stamp(Micros *at)
{
	Micros stamp = model.now.monotonic - (chance(70) ? 0 : below(3000) * MICROS_PER_MILLI);

	if (chance(2))
		stamp = chance(50) ? INT64_MAX : INT64_MIN;
	*at = most(0, least(stamp, model.now.monotonic));
	return stamp;
}

static inline Text
any_text(const char *letter)
{
	static const char *const texts[] = {"", "ta", "tb", "pa", "pb", "na", "nb", "ua", "ub"};
	int						 which = below(3);

	for (int i = 1; i < 9 && which > 0; i += 2)
	{
		if (texts[i][0] == *letter)
			return text_of(texts[i + which - 1]);
	}
	return text_of("");
}

static inline void
play_open(void)
{
	Who				 who = any_connection();
	ModelConnection *connection = &model.connections[who.listener][who.slot];
	Event			 event = {.type = EVENT_OPENED, .at = model.now.monotonic};
	bool			 possible = !connection->open;

	if (who.generation == 0 || chance(95))
		who.generation++;
	if (who.generation == connection->generation)
		possible = false;
	event.connection = CONNECTION_ID((uint32_t) who.slot, (uint32_t) who.generation);
	event.u.opened.note = chance(25);
	event.u.opened.session = session_of(1 + below(3));
	event.u.opened.visitor.user_agent = any_text("u");
	event.u.opened.visitor.system = event.u.opened.visitor.user_agent;
	TELL("open %d.%d %s session %d\n", who.listener, who.slot,
		 event.u.opened.note ? "note" : "socket", event.u.opened.session.bytes[0]);
	expect(registry_event(registry, (uint16_t) who.listener, &event, model.now), possible,
		   "believed", -1);
	if (possible)
		*connection = (ModelConnection){.open = true,
										.note = event.u.opened.note,
										.generation = who.generation,
										.session = event.u.opened.session.bytes[0],
										.agent = number_of(event.u.opened.visitor.user_agent),
										.live = -1};
}

static inline int32_t
any_figure(const ModelView *view, int32_t told)
{
	int64_t age = (model.now.wall - uuid_v7_time(&view->id));

	if (chance(5))
		return chance(50) ? INT32_MAX : INT32_MIN;
	if (chance(5))
		return told - below(1000);
	return (int32_t) most(INT32_MIN, least(told + (int64_t) below(8000), most(age, 0) + 10000));
}

static inline ViewMessage
any_message(const ModelView *view)
{
	static const char *const paths[] = {"/a", "/b", "/c"};
	int64_t		last = view->place != AWAY ? view->n : view->known ? view->known_revision / 4 : 0;
	ViewMessage message = {.kind = (MessageKind) (MESSAGE_VIEW + below(3)), .view = view->id};

	message.n = (int32_t) most(1, last + 1 + (chance(30) ? below(5) - 3 : 0));
	message.state = (PageState) below(PAGE_STATE_COUNT);
	message.figures.elapsed = any_figure(view, view->told.elapsed);
	message.figures.visible = any_figure(view, view->told.visible);
	message.figures.focused = any_figure(view, view->told.focused);
	message.figures.active = any_figure(view, view->told.active);
	message.figures.gap = chance(20) ? any_figure(view, view->told.gap) : view->told.gap;
	message.scroll = (int8_t) (below(102) - 1);
	if (message.kind == MESSAGE_END)
		message.reason = chance(50) ? END_CLOSED : END_NAVIGATED;
	message.described = message.kind == MESSAGE_VIEW || (message.kind == MESSAGE_END && chance(50));
	if (message.described)
	{
		message.page.site = text_of("example.org");
		message.page.path = text_of(paths[below(3)]);
		message.page.title = any_text("t");
		message.page.name = any_text("n");
		message.page.navigation = (Navigation) below(3);
		message.page.screen_width = (uint16_t) below(3);
		message.page.properties[0] =
			(Property){.key = text_of("k"), .type = PROPERTY_STRING, .string = any_text("p")};
		message.page.property_count = message.page.properties[0].string.length > 0;
	}
	return message;
}

static inline void
play_message(void)
{
	ModelView		  *view = &model.views[below(model.ids)];
	Who				   who = connection_for(view);
	Event			   event = {.type = EVENT_MESSAGE};
	bool			   possible = model_connection(who) != NULL;
	const ViewMessage *message = &event.u.message.view;
	Micros			   at;

	if (!possible && chance(90))
		return;
	event.at = any_stamp(&at);
	event.connection = connection_of(who);
	event.u.message.covered = chance(50) ? 0 : below(10000) - 100;
	event.u.message.view = any_message(view);
	TELL("message %d.%d view %d %s n %d state %d%s elapsed %d visible %d gap %d of %d covered\n",
		 who.listener, who.slot, (int) (view - model.views),
		 message->kind == MESSAGE_VIEW	  ? "view"
		 : message->kind == MESSAGE_STATE ? "state"
										  : "end",
		 message->n, (int) message->state, message->described ? " described" : "",
		 message->figures.elapsed, message->figures.visible, message->figures.gap,
		 event.u.message.covered);
	expect(registry_event(registry, (uint16_t) who.listener, &event, model.now), possible,
		   "believed", -1);
	if (possible)
		model_message(view, message, event.u.message.covered, who, at);
}

static inline void
play_left(void)
{
	ModelView *view = &model.views[below(model.ids)];
	Who		   who = connection_for(view);
	Event	   event = {.type = EVENT_LEFT};
	bool	   possible = model_connection(who) != NULL;
	Micros	   at;

	event.at = any_stamp(&at);
	event.connection = connection_of(who);
	event.u.left.view = view->id;
	TELL("left %d.%d for view %d\n", who.listener, who.slot, (int) (view - model.views));
	expect(registry_event(registry, (uint16_t) who.listener, &event, model.now), possible,
		   "believed", -1);
	if (possible)
		model_left(&view->id, who, at);
}

static inline void
play_close(void)
{
	Who	   who = any_connection();
	Event  event = {.type = EVENT_CLOSED};
	bool   possible = model_connection(who) != NULL;
	Micros at;
	Micros pong;

	event.at = any_stamp(&at);
	event.connection = connection_of(who);
	event.u.closed.cause = (CloseCause) below(CLOSE_CAUSE_COUNT);
	event.u.closed.last_pong = any_stamp(&pong);
	TELL("close %d.%d cause %d\n", who.listener, who.slot, (int) event.u.closed.cause);
	expect(registry_event(registry, (uint16_t) who.listener, &event, model.now), possible,
		   "believed", -1);
	if (!possible)
		return;
	if (event.u.closed.cause == CLOSE_PING_TIMEOUT)
		model_close(who, END_TIMEOUT, least(at, pong));
	else
		model_close(who, END_LOST, at);
}

static inline void
play_died(void)
{
	int	   listener = below(model.listeners);
	Micros at;
	Micros stamp = any_stamp(&at);

	TELL("listener %d dies\n", listener);
	registry_listener_died(registry, (uint16_t) listener, stamp, model.now);
	model_died(listener, at);
}

/* Time goes on, in rare cases by days; at times the wall clock alone is set. */
static inline void
play_time(void)
{
	int64_t step = chance(80) ? below(4000) : below(40000);
	int64_t jump = chance(3) ? (chance(50) ? 1 : -1) * 3600 * 1000 : 0;

	if (below(200) == 0)
		step = below(30) * DAY;
	model.now.monotonic += step * MICROS_PER_MILLI;
	model.now.wall += step + jump;
	TELL("time %lld, wall clock set by %lld\n", (long long) step, (long long) jump);
	if (jump != 0)
	{
		model.latest = chance(50) ? 0 : model.now.wall + below(7200) * 1000;
		registry_set_latest(registry, model.latest);
		TELL("latest %lld\n", (long long) model.latest);
	}
	if (chance(80))
	{
		TELL("tick\n");
		registry_tick(registry, model.now);
		model_tick();
	}
}

/* A reload: linger and checkpoint interval are others, the sizes stay. */
static inline void
play_reload(void)
{
	RegistryRules rules = {1, 1, 1, (below(30) - 1) * MICROS_PER_SECOND,
						   (below(60) - 1) * MICROS_PER_SECOND};

	TELL("reload linger %lld checkpoint %lld\n", (long long) rules.linger,
		 (long long) rules.checkpoint_interval);
	registry_set_rules(registry, &rules);
	model.linger = most(0, rules.linger);
	model.checkpoint = most(1000, rules.checkpoint_interval);
}

/* The store takes rows that wait; they stay in the queue. */
static inline void
take_batch(uint32_t limit)
{
	const ViewRow *rows[MODEL_QUEUE];

	flight_count = (int) queue_peek(queue, rows, limit);
	for (int i = 0; i < flight_count; i++)
		flight[i] = (Flight){rows[i]->view, rows[i]->revision};
}

/* What became of one row of the batch; a newer one may wait in its place by now. */
static inline void
land(const Flight *row, bool rejected)
{
	int		   number = row->id.bytes[15];
	ModelView *view = &model.views[number];
	bool	   same = uuid_equal(&view->id, &row->id);

	TELL("row of view %d, revision %lld: %s\n", number, (long long) row->revision,
		 rejected ? "rejected" : "stored");
	if (same && !rejected)
		promise_commit(number, row->revision);
	if (rejected)
		registry_rejected(registry, &row->id, row->revision);
	else
		registry_stored(registry, &row->id, row->revision);
	if (!same || !view->row.there || view->row.revision != row->revision)
		return;
	model_settle(view, rejected);
	if (rejected)
		promises[number].acknowledged = 0;
}

/* A batch is taken, or its outcome comes: stored, set aside, or left for the next time. */
static inline void
play_batch(void)
{
	if (flight_count == 0)
	{
		take_batch((uint32_t) (1 + below(model.queue_limit)));
		TELL("batch of %d taken\n", flight_count);
		if (chance(30))
			return;
	}
	for (int i = 0; i < flight_count; i++)
	{
		int fate = below(10);

		if (fate > 0)
			land(&flight[i], fate == 1);
	}
	flight_count = 0;
}

static inline void
play_forget(void)
{
	int	 session = 1 + below(MODEL_SESSIONS);
	Uuid id = session_of(session);

	TELL("forget session %d\n", session);
	for (int i = 0; i < model.ids; i++)
	{
		if (model.views[i].place != AWAY && model.views[i].session == session)
			promises[i].erased = true;
	}
	expect(registry_forget(registry, &id, model.now), model_forget(session), "forgotten", -1);
}

static inline void
play_shutdown(void)
{
	const ViewRow *rows[MODEL_QUEUE];
	int64_t		   before = model.order;
	uint32_t	   count;

	TELL("shutdown\n");
	registry_shutdown(registry, model.now);
	model_shutdown();

	/* In which order the open ones come is the registry's own affair, after all others. */
	count = queue_peek(queue, rows, MODEL_QUEUE);
	for (uint32_t i = 0; i < count; i++)
	{
		ModelRow *row = &model.views[rows[i]->view.bytes[15]].row;

		if (row->order > before)
			row->order = ++model.order;
	}
}

/* A new id, of a view that begins now, or whose time is wrong by as much as it may be and more. */
static inline void
mint(int number)
{
	static const int64_t offsets[] = {0,	   -1000, -60000, -8 * DAY, -7 * DAY + 800000,
									  3600000, 240000};
	ModelView			*view = &model.views[number];
	Uuid				 id = id_of(number, model.now.wall + offsets[below(7)]);

	id.bytes[14] = (uint8_t) ++model.minted;
	id.bytes[13] = (uint8_t) (model.minted >> 8);
	model.ghosts[view->fate]++;
	*view = (ModelView){.id = id, .written = -1};
	promise_nothing(number);
}

/* A view that is nowhere makes way for another one. */
static inline void
play_mint(void)
{
	int number = below(model.ids);

	if (model.views[number].place != AWAY || model.views[number].known)
		return;
	TELL("view %d is another\n", number);
	mint(number);
}

#endif /* PAGEVIEWS_TEST_MODEL_PLAY_H */
