/*
 * property_test.c
 *	  Random operations on the registry, compared with the model at every step.
 *
 * A sequence is a world of its own: a few listeners, connections and views, a
 * small queue, and a few dozen operations drawn from its seed.  After each one
 * the answers, every view, every row, the counts, and the conservation of views
 * must be what the model says, and every promise must be kept (model_promise.h).
 * Every operation draws from the seed and its own place, so that one can be left
 * out and the others stay what they are: a sequence that fails is cut down to the
 * operations that it takes, which are then printed (arguments: sequences.h).
 */
#include "model_play.h"

#define OPERATIONS_LIMIT 1000 /* of a sequence */
#define SEQUENCES		 20000
#define WORLD_START		 INT64_C(1795400000000)

static bool skipped[OPERATIONS_LIMIT]; /* left out */

static void
on_reply(void *context, ConnectionRef to, const Command *command)
{
	ModelReply *reply = &replies[reply_count];

	(void) context;
	if (reply_count == MODEL_REPLIES)
		return;
	reply_count++;
	reply->to = (Who){to.listener, (int) CONNECTION_SLOT(to.connection), (int) to.life + 1,
					  (int) (to.connection >> 32)};
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

static void
play_one(void)
{
	static const struct
	{
		int weight;
		void (*play)(void);
	} plays[] = {{150, play_open}, {460, play_message}, {15, play_left},  {95, play_close},
				 {15, play_died},  {135, play_time},	{5, play_reload}, {95, play_batch},
				 {6, play_forget}, {3, play_shutdown},	{21, play_mint}};
	int die = below(1000);

	reply_count = 0;
	model.reply_count = 0;
	for (size_t i = 0; i < sizeof plays / sizeof *plays; i++)
	{
		die -= plays[i].weight;
		if (die < 0)
		{
			plays[i].play();
			break;
		}
	}
	sequences.operations++;
}

/* --- sequences --------------------------------------------------------------------- */

static void
start_world(void)
{
	RegistrySink  sink = {NULL, on_reply, on_shown, on_hidden};
	RegistryRules rules;

	memset(&model, 0, sizeof model);
	memset(shown, 0, sizeof shown);
	flight_count = 0;
	reply_count = 0;
	failed = false;
	model.now = (Moment){1000 * MICROS_PER_SECOND, WORLD_START};
	model.ids = chance(50) ? MODEL_IDS : 1 + below(MODEL_IDS);
	model.listeners = chance(70) ? MODEL_LISTENERS : 1;
	model.slots = 1 + below(MODEL_SLOTS);
	model.view_limit = chance(70) ? MODEL_VIEWS : 1 + below(MODEL_VIEWS);
	model.queue_limit = chance(70) ? MODEL_QUEUE : 1 + below(MODEL_QUEUE);
	model.recent_limit = chance(70) ? 2 : below(MODEL_RECENT + 1);
	model.linger = 10 * MICROS_PER_SECOND;
	model.checkpoint = 30 * MICROS_PER_SECOND;
	for (int i = 0; i < model.ids; i++)
		mint(i);
	for (int i = 0; i < MODEL_LISTENERS; i++)
		model.lives[i] = 1;

	rules = (RegistryRules){(uint16_t) model.listeners, (uint32_t) model.slots,
							(uint32_t) model.view_limit, model.linger, model.checkpoint};
	queue = queue_new((uint32_t) model.queue_limit);
	recent = recent_new((uint32_t) model.recent_limit);
	registry = registry_new(&rules, &sink, queue, recent);
}

/* Everything ends and is stored: then the promises are due. */
static void
drain(void)
{
	reply_count = 0;
	model.reply_count = 0;
	play_shutdown();
	compare();
	while (!failed && queue_length(queue) > 0)
	{
		reply_count = 0;
		model.reply_count = 0;
		take_batch(MODEL_QUEUE);
		for (int i = 0; i < flight_count; i++)
			land(&flight[i], false);
		compare();
		check_promises();
	}
	if (!failed)
		check_kept();
}

/* Plays one; whether nothing failed. */
static bool
play_sequence(uint64_t seed)
{
	int length = sequences.length;

	draw_for(seed, -1);
	if (length == 0)
		length = 1 + (chance(50) ? below(40) : below(160));
	start_world();
	for (int i = 0; i < length && !failed; i++)
	{
		if (skipped[i])
			continue;
		draw_for(seed, i);
		play_one();
		compare();
		check_promises();
	}
	if (!failed)
	{
		draw_for(seed, length);
		if (chance(90))
			drain();
	}
	registry_free(registry);
	queue_free(queue);
	recent_free(recent);
	return !failed;
}

/* Leaves out of a failing sequence whatever it fails without, and plays the rest aloud. */
static void
shrink(uint64_t seed)
{
	int left = OPERATIONS_LIMIT;
	int before;

	printf("%s (replay: property_test %llu 1 %d)\n", complaint, (unsigned long long) seed,
		   sequences.length);
	sequences.loud = false;
	do
	{
		before = left;
		left = 0;
		for (int i = OPERATIONS_LIMIT - 1; i >= 0; i--)
		{
			if (skipped[i])
				continue;
			skipped[i] = true;
			skipped[i] = !play_sequence(seed);
			left += !skipped[i];
		}
	} while (left < before);
	sequences.loud = true;
	printf("the same in short:\n");
	play_sequence(seed);
	printf("%s\n", complaint);
}

TEST(the_registry_does_what_the_slow_and_obvious_model_does)
{
	if (sequences_hold(play_sequence))
		return;
	shrink(sequences.now);
	CHECK(!"the registry and the model disagree");
}

int
main(int argc, char **argv)
{
	sequences_start(argc, argv, SEQUENCES, OPERATIONS_LIMIT);
	RUN(the_registry_does_what_the_slow_and_obvious_model_does);
	return unit_finish();
}
