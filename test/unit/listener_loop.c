/*
 * listener_loop.c
 *	  The loop: who is called, what for, and when.
 */
#include "unit.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/listener/loop.h"

static jmp_buf	out;
static int		turns_left; /* until the loop is left */
static int		ticks;
static unsigned seen;
static int		calls;
static int		others; /* calls of other watches */
static int		ends[2];
static Watch	watch;

static void
before_sleep(void)
{
	if (turns_left-- == 0)
		longjmp(out, 1);
}

static void
tick(void)
{
	ticks++;
}

static void
on_ready(Watch *ready, unsigned what)
{
	calls += ready == &watch;
	others += ready != &watch;
	seen |= what;
}

/* Runs so many turns. */
static void
turn(int count)
{
	static const LoopHooks hooks = {before_sleep, tick};

	seen = 0;
	calls = 0;
	others = 0;
	ticks = 0;
	turns_left = count;
	if (setjmp(out) == 0)
		loop_run(&hooks);
}

static void
open_ends(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
		abort();
	watch = (Watch){.handler = on_ready};
}

static void
close_ends(void)
{
	close(ends[0]);
	close(ends[1]);
	watch = (Watch){0};
}

TEST(a_watch_is_called_for_what_it_watches_for)
{
	open_ends();
	CHECK(loop_watch(&watch, ends[0], LOOP_READ));
	loop_hurry(0);
	turn(1);
	CHECK_INT(seen, 0);

	CHECK_INT(write(ends[1], "x", 1), 1);
	turn(3);
	CHECK_INT(calls, 3); /* until it is read */
	CHECK_INT(seen, LOOP_READ);

	CHECK(loop_watch(&watch, ends[0], LOOP_READ | LOOP_WRITE));
	turn(1);
	CHECK_INT(seen, LOOP_READ | LOOP_WRITE);

	CHECK(loop_watch(&watch, ends[0], 0));
	loop_hurry(0);
	turn(1);
	CHECK_INT(calls, 0);

	CHECK(loop_watch(&watch, ends[0], LOOP_WRITE));
	turn(1);
	CHECK_INT(seen, LOOP_WRITE);
	close_ends();
}

TEST(an_end_of_the_other_side_is_something_to_read)
{
	open_ends();
	CHECK(loop_watch(&watch, ends[0], LOOP_READ));
	close(ends[1]);
	turn(1);
	CHECK(seen & LOOP_READ);
	ends[1] = dup(ends[0]);
	close_ends();
}

TEST(a_descriptor_that_is_used_again_is_watched_again)
{
	for (int i = 0; i < 3; i++)
	{
		open_ends();
		CHECK(loop_watch(&watch, ends[0], LOOP_READ));
		CHECK_INT(write(ends[1], "x", 1), 1);
		turn(1);
		CHECK_INT(calls, 1);
		close_ends();
	}
}

TEST(a_crowd_does_not_hold_up_the_others)
{
	static Watch crowd[100];
	static int	 crowd_ends[100][2];

	open_ends();
	for (int i = 0; i < 100; i++)
	{
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, crowd_ends[i]) != 0)
			abort();
		crowd[i] = (Watch){.handler = on_ready};
		CHECK(loop_watch(&crowd[i], crowd_ends[i][0], LOOP_READ));
		CHECK(loop_join_crowd(&crowd[i]));
		CHECK_INT(write(crowd_ends[i][1], "x", 1), 1);
	}
	CHECK(loop_watch(&watch, ends[0], LOOP_READ));
	CHECK_INT(write(ends[1], "x", 1), 1);
	turn(5);
	CHECK_INT(calls, 5);
	CHECK(others > 0 && others < 500);

	/* They have their turns. */
	CHECK(loop_watch(&watch, ends[0], 0));
	turn(20);
	CHECK(others > 100);
	CHECK(loop_watch(&crowd[0], crowd_ends[0][0], LOOP_READ | LOOP_WRITE));
	for (int i = 0; i < 100; i++)
	{
		close(crowd_ends[i][0]);
		close(crowd_ends[i][1]);
		crowd[i] = (Watch){0};
	}
	loop_hurry(0);
	turn(1);
	CHECK_INT(others, 0);
	close_ends();
}

TEST(a_watch_that_cannot_be_says_so)
{
	watch = (Watch){.handler = on_ready};
	CHECK(!loop_watch(&watch, -1, LOOP_READ));
	CHECK_INT(watch.what, 0);
}

TEST(the_timer_ticks_while_it_is_set)
{
	loop_set_timer(1);
	turn(3);
	CHECK_INT(ticks, 3);
	loop_set_timer(0);
	loop_hurry(2);
	turn(1);
	CHECK_INT(ticks, 0);
}

TEST(a_period_that_changes_puts_no_tick_off)
{
	int all = 0;

	loop_set_timer(5);
	for (int i = 0; i < 20 && all == 0; i++)
	{
		loop_set_timer(100000 + (uint64_t) i);
		loop_hurry(1);
		turn(1);
		all += ticks;
	}
	CHECK_INT(all, 1);
	loop_set_timer(0);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	if (!loop_init())
		return 1;
	RUN(a_watch_is_called_for_what_it_watches_for);
	RUN(an_end_of_the_other_side_is_something_to_read);
	RUN(a_descriptor_that_is_used_again_is_watched_again);
	RUN(a_crowd_does_not_hold_up_the_others);
	RUN(a_watch_that_cannot_be_says_so);
	RUN(the_timer_ticks_while_it_is_set);
	RUN(a_period_that_changes_puts_no_tick_off);
	return unit_finish();
}
