/*
 * pace_test.c
 *	  Turns of a loop: at once while few come, a millisecond apart while many do, and
 *	  never later than that, whatever was before.
 */
#include "unit.h"

#include "../../src/common/pace.h"

#define START (1000 * MICROS_PER_SECOND)

/* So many turns, each as soon as it may be after `work`; when the next one would begin. */
static Micros
turns(Pace *pace, Micros now, int count, Micros work)
{
	for (int i = 0; i < count; i++)
	{
		pace_turn(pace, now);
		now += work;
		now += pace_rest(pace, now);
	}
	return now;
}

TEST(a_visitor_is_not_kept_waiting)
{
	Pace   pace = {0};
	Micros now = START;

	for (int visitor = 0; visitor < 100; visitor++)
	{
		CHECK_INT(turns(&pace, now, PACE_FREE - 1, 20), now + (PACE_FREE - 1) * 20);
		now += PACE_FREE * PACE_TURN;
	}
}

TEST(many_turns_are_a_millisecond_apart)
{
	Pace   pace = {0};
	Micros now = turns(&pace, START, PACE_FREE, 20);

	for (int i = 0; i < 100; i++)
	{
		Micros next = turns(&pace, now, 1, 20);

		CHECK_INT(next - now, PACE_TURN);
		now = next;
	}
	/* One that takes longer is followed by the next at once. */
	CHECK_INT(turns(&pace, now, 1, 3 * PACE_TURN), now + 3 * PACE_TURN);
}

TEST(turns_that_could_not_rest_are_not_made_up_for)
{
	Pace pace = {0};

	for (int i = 0; i < 10000; i++)
		pace_turn(&pace, START);
	CHECK_INT(pace_rest(&pace, START), PACE_TURN);
	CHECK_INT(pace_rest(&pace, START + PACE_TURN), 0);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_visitor_is_not_kept_waiting);
	RUN(many_turns_are_a_millisecond_apart);
	RUN(turns_that_could_not_rest_are_not_made_up_for);
	return unit_finish();
}
