/*
 * property_test.c
 *	  Random operations on the registry, compared with the model at every step.
 *
 * A sequence is a world of its own: a few listeners, connections and views, a
 * small queue, and a few dozen operations drawn from its seed.  After each one
 * the answers, every view, every row, the counts, and the conservation of views
 * must be what the model says.
 *
 *	  property_test [seed [sequences [operations]]]
 *
 * A seed alone replays that one sequence, and says each operation.
 */
#include <stdlib.h>
#include <time.h>

#include "chance.h"
#include "compare.h"
#include "model_rules.h"

#define OPERATIONS	100 /* of a sequence */
#define SEQUENCES	25000
#define WORLD_START INT64_C(1795400000000)

static bool		loud;
static uint64_t operations;
static uint64_t base_seed;
static uint64_t sequence_count = SEQUENCES;
static int		length = OPERATIONS;

/* --- operations ------------------------------------------------------------------- */

static void
on_reply(void *context, ConnectionRef to, const Command *command)
{
	ModelReply *reply = &replies[reply_count];

	(void) context;
	if (reply_count == MODEL_REPLIES)
		return;
	reply_count++;
	reply->to =
		(Who){to.listener, (int) CONNECTION_SLOT(to.connection), 1, (int) (to.connection >> 32)};
	reply->view = command->view.bytes[15];
	reply->n = command->n;
	reply->what = (int) command->type;
	if (command->type != COMMAND_REFUSED)
		return;
	for (int verdict = 0; verdict <= VIEW_REFUSED_REJECTED; verdict++)
	{
		if (text_equal(command->u.refused.code, text_of(view_verdict_code((ViewVerdict) verdict))))
			reply->what = 100 + verdict;
	}
}

static void
on_shown(void *context, uint32_t slot, const View *view)
{
	(void) context;
	shown[slot] = true;
	board[slot] = *view;
}

static void
on_hidden(void *context, uint32_t slot)
{
	(void) context;
	expect(shown[slot], true, "a hidden slot was shown", (int) slot);
	shown[slot] = false;
}

static Who
any_connection(void)
{
	Who who = {.listener = below(MODEL_LISTENERS), .slot = below(MODEL_SLOTS)};

	who.life = model.lives[who.listener];
	who.generation = model.connections[who.listener][who.slot].generation;
	return who;
}

/* A stamp not long ago, sometimes an impossible one; *at is what is to be believed. */
static Micros
any_stamp(Micros *at)
{
	Micros stamp = model.now.monotonic - (chance(70) ? 0 : below(3000) * MICROS_PER_MILLI);

	if (chance(2))
		stamp = chance(50) ? INT64_MAX : INT64_MIN;
	*at = most(0, least(stamp, model.now.monotonic));
	return stamp;
}

static void
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
	if (loud)
		printf("open %d.%d %s\n", who.listener, who.slot, event.u.opened.note ? "note" : "socket");
	expect(registry_event(registry, (uint16_t) who.listener, &event, model.now), possible,
		   "believed", -1);
	if (possible)
		*connection = (ModelConnection){.open = true,
										.note = event.u.opened.note,
										.generation = who.generation,
										.session = event.u.opened.session.bytes[0],
										.live = -1};
}

static int32_t
any_figure(const ModelView *view, int32_t told)
{
	int64_t age = (model.now.wall - uuid_v7_time(&view->id));

	if (chance(5))
		return chance(50) ? INT32_MAX : INT32_MIN;
	if (chance(5))
		return told - below(1000);
	return (int32_t) most(INT32_MIN, least(told + below(8000), most(age, 0) + 10000));
}

static ViewMessage
any_message(const ModelView *view)
{
	static const char *const paths[] = {"/a", "/b", "/c"};
	static const char *const titles[] = {"", "ta", "tb"};
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
		message.page.title = text_of(titles[below(3)]);
	}
	return message;
}

static void
play_message(void)
{
	ModelView *view = &model.views[below(MODEL_IDS)];
	Who		   who = any_connection();
	Event	   event = {.type = EVENT_MESSAGE};
	bool	   possible = model_connection(who) != NULL;
	Micros	   at;

	if (!possible && chance(90))
		return;
	event.at = any_stamp(&at);
	event.connection = connection_of(who);
	event.u.message.covered = chance(50) ? 0 : below(10000) - 100;
	event.u.message.view = any_message(view);
	if (loud)
		printf("message %d.%d view %d kind %d n %d\n", who.listener, who.slot,
			   (int) (view - model.views), (int) event.u.message.view.kind, event.u.message.view.n);
	expect(registry_event(registry, (uint16_t) who.listener, &event, model.now), possible,
		   "believed", -1);
	if (possible)
		model_message(view, &event.u.message.view, event.u.message.covered, who, at);
}

static void
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
	if (loud)
		printf("close %d.%d cause %d\n", who.listener, who.slot, (int) event.u.closed.cause);
	expect(registry_event(registry, (uint16_t) who.listener, &event, model.now), possible,
		   "believed", -1);
	if (!possible)
		return;
	if (event.u.closed.cause == CLOSE_PING_TIMEOUT)
		model_close(who, END_TIMEOUT, least(at, pong));
	else
		model_close(who, END_LOST, at);
}

static void
play_died(void)
{
	int	   listener = below(MODEL_LISTENERS);
	Micros at;
	Micros stamp = any_stamp(&at);

	if (loud)
		printf("listener %d dies\n", listener);
	registry_listener_died(registry, (uint16_t) listener, stamp, model.now);
	model_died(listener, at);
}

/* Time goes on; at times the wall clock alone is set. */
static void
play_time(void)
{
	int64_t step = chance(80) ? below(4000) : below(40000);

	model.now.monotonic += step * MICROS_PER_MILLI;
	model.now.wall += step;
	if (chance(3))
		model.now.wall += (chance(50) ? 1 : -1) * 3600 * 1000;
	if (loud)
		printf("time %lld\n", (long long) step);
	if (chance(80))
	{
		registry_tick(registry, model.now);
		model_tick();
	}
}

/* A batch: most rows are stored, some set aside, some left for the next time. */
static void
play_batch(void)
{
	const ViewRow *rows[MODEL_QUEUE];
	Uuid		   ids[MODEL_QUEUE];
	uint32_t	   count = queue_peek(queue, rows, (uint32_t) (1 + below(MODEL_QUEUE)));

	for (uint32_t i = 0; i < count; i++)
		ids[i] = rows[i]->view;
	for (uint32_t i = 0; i < count; i++)
	{
		ModelView *view = &model.views[ids[i].bytes[15]];
		int64_t	   revision = view->row.revision;
		int		   fate = below(10);

		if (loud)
			printf("row of view %d: %s\n", ids[i].bytes[15],
				   fate == 0   ? "rejected"
				   : fate == 1 ? "left"
							   : "stored");
		if (fate == 1 && chance(50))
			registry_stored(registry, &ids[i], revision - 1);
		if (fate == 1)
			continue;
		if (fate == 0)
			registry_rejected(registry, &ids[i], revision);
		else
			registry_stored(registry, &ids[i], revision);
		model_settle(view, fate == 0);
	}
}

static void
play_forget(void)
{
	int	 session = 1 + below(4);
	Uuid id = session_of(session);

	if (loud)
		printf("forget %d\n", session);
	expect(registry_forget(registry, &id, model.now), model_forget(session), "forgotten", -1);
}

static void
play_one(void)
{
	int die = below(1000);

	reply_count = 0;
	model.reply_count = 0;
	if (die < 150)
		play_open();
	else if (die < 620)
		play_message();
	else if (die < 720)
		play_close();
	else if (die < 735)
		play_died();
	else if (die < 880)
		play_time();
	else if (die < 990)
		play_batch();
	else if (die < 995)
		play_forget();
	else
	{
		if (loud)
			printf("shutdown\n");
		registry_shutdown(registry, model.now);
		model_shutdown();
		ordered = false; /* the order of the slots is the registry's own */
	}
	operations++;
}

/* --- sequences --------------------------------------------------------------------- */

static void
start_world(void)
{
	static const int64_t offsets[] = {
		0, -1000, -60000, INT64_C(-691200000), INT64_C(-604000000), 3600000, 240000};
	RegistryRules rules = {MODEL_LISTENERS, MODEL_SLOTS, MODEL_VIEWS, MODEL_LINGER,
						   MODEL_CHECKPOINT};
	RegistrySink  sink = {NULL, on_reply, on_shown, on_hidden};

	memset(&model, 0, sizeof model);
	memset(shown, 0, sizeof shown);
	model.now = (Moment){1000 * MICROS_PER_SECOND, WORLD_START};
	for (int i = 0; i < MODEL_IDS; i++)
	{
		model.views[i].id = id_of(i, WORLD_START + offsets[i % 7]);
		model.views[i].written = -1;
	}
	for (int i = 0; i < MODEL_LISTENERS; i++)
		model.lives[i] = 1;
	ordered = true;
	queue = queue_new(MODEL_QUEUE);
	recent = recent_new(MODEL_RECENT);
	registry = registry_new(&rules, &sink, queue, recent);
}

static void
stop_world(void)
{
	registry_free(registry);
	queue_free(queue);
	recent_free(recent);
}

static void
play_sequence(uint64_t number)
{
	seed = number;
	random_state = number * UINT64_C(0xd1342543de82ef95);
	failed = false;
	start_world();
	for (int i = 0; i < length && !failed; i++)
	{
		play_one();
		compare();
	}
	stop_world();
}

TEST(the_registry_does_what_the_slow_and_obvious_model_does)
{
	struct timespec begin;
	struct timespec end;
	double			seconds;

	printf("seed %llu, %llu sequences\n", (unsigned long long) base_seed,
		   (unsigned long long) sequence_count);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (uint64_t i = 0; i < sequence_count; i++)
	{
		play_sequence(base_seed + i);
		if (failed)
		{
			CHECK(!"the registry and the model disagree");
			return;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double) (end.tv_sec - begin.tv_sec) + (double) (end.tv_nsec - begin.tv_nsec) / 1e9;
	printf("%llu operations in %.1f s, %.0f a second\n", (unsigned long long) operations, seconds,
		   (double) operations / seconds);
}

int
main(int argc, char **argv)
{
	unit_start(1, argv);
	base_seed = (uint64_t) time(NULL) * 1000003;
	if (argc > 1)
	{
		base_seed = strtoull(argv[1], NULL, 10);
		sequence_count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
		if (argc > 3)
			length = atoi(argv[3]);
		loud = sequence_count == 1;
	}
	RUN(the_registry_does_what_the_slow_and_obvious_model_does);
	return unit_finish();
}
