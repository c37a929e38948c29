/*
 * backoff_test.c
 *	  Restarts of what keeps dying: at once when it is rare, never a spin.
 */
#include "unit.h"

#include "../../src/worker/backoff.h"

#define START (1000 * MICROS_PER_SECOND)

TEST(one_crash_costs_no_wait)
{
	Backoff backoff = {0};

	CHECK_INT(backoff_after_death(&backoff, START), 0);
	CHECK_INT(backoff_after_death(&backoff, START + BACKOFF_WINDOW), 0);
}

TEST(a_crash_loop_does_not_spin)
{
	Backoff backoff = {0};
	Micros	now = START;
	Micros	expected[] = {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};

	for (int i = 0; i < 9; i++)
	{
		Micros wait = backoff_after_death(&backoff, now);

		CHECK_INT(wait, expected[i] * MICROS_PER_MILLI);
		CHECK(!backoff_is_long(wait));
		now += wait;
	}
	/* The tenth within a minute waits until the first is a minute ago. */
	CHECK_INT(backoff_after_death(&backoff, now), START + BACKOFF_WINDOW - now);
	CHECK(backoff_is_long(START + BACKOFF_WINDOW - now));
}

TEST(what_has_lived_for_a_minute_is_forgiven)
{
	Backoff backoff = {0};

	for (int i = 0; i < 9; i++)
		backoff_after_death(&backoff, START + i);
	CHECK_INT(backoff_after_death(&backoff, START + 2 * BACKOFF_WINDOW), 0);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(one_crash_costs_no_wait);
	RUN(a_crash_loop_does_not_spin);
	RUN(what_has_lived_for_a_minute_is_forgiven);
	return unit_finish();
}
