/*
 * loop.c
 *	  epoll, level-triggered.
 *
 * Why not a library's loop: libwebsockets' own poll() looks at every connection
 * in every turn, and its plugins take a watch off and put it on again whenever
 * its interest changes, which was ten system calls a visitor.  Here it is one.
 *
 * The crowd has an epoll descriptor of its own, which is watched like any other.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "loop.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "../common/pace.h"
#include "main.h"

#define EVENTS_A_TURN 256
#define CROWD_A_TURN  8

static struct
{
	int	   descriptor;
	int	   crowd;
	Watch  crowd_watch;
	Micros period; /* of the timer; 0: none */
	Micros due;
	int	   hurry; /* ms; -1: none */
	Pace   pace;
	bool   crowd_waits; /* more of the crowd was ready than had its turn */
} loop = {.descriptor = -1, .crowd = -1, .hurry = -1};

/* Calls the handlers of what is ready, so many at most, and waits so long for it; how many there were. */
static int
dispatch(int descriptor, int limit, int wait)
{
	struct epoll_event events[EVENTS_A_TURN];
	int				   count = epoll_wait(descriptor, events, limit, wait);

	if (descriptor == loop.descriptor)
		pace_turn(&loop.pace, clock_monotonic());
	if (count < 0 && errno != EINTR)
		_exit(EXIT_NO_SERVER);
	for (int i = 0; i < count; i++)
	{
		Watch	*watch = events[i].data.ptr;
		uint32_t what = events[i].events;
		bool	 ended = (what & (EPOLLERR | EPOLLHUP)) != 0;

		/* Its descriptor may have been closed since epoll_wait(). */
		if (watch->what != 0)
			watch->handler(watch, (what & EPOLLIN || ended ? LOOP_READ : 0) |
									  (what & EPOLLOUT || ended ? LOOP_WRITE : 0));
	}
	return count;
}

static void
on_crowd(Watch *watch, unsigned what)
{
	(void) what;
	loop.crowd_waits = dispatch(watch->descriptor, CROWD_A_TURN, 0) == CROWD_A_TURN;
}

bool
loop_init(void)
{
	loop.descriptor = epoll_create1(EPOLL_CLOEXEC);
	loop.crowd = epoll_create1(EPOLL_CLOEXEC);
	loop.crowd_watch.handler = on_crowd;
	return loop.descriptor >= 0 && loop.crowd >= 0 &&
		   loop_watch(&loop.crowd_watch, loop.crowd, LOOP_READ);
}

bool
loop_watch(Watch *watch, int descriptor, unsigned what)
{
	int operation = watch->what == 0 ? EPOLL_CTL_ADD : what == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
	struct epoll_event event = {.events = (what & LOOP_READ ? EPOLLIN : 0u) |
										  (what & LOOP_WRITE ? EPOLLOUT : 0u),
								.data.ptr = watch};

	if (what == watch->what)
		return true;
	if (epoll_ctl(watch->crowd ? loop.crowd : loop.descriptor, operation, descriptor, &event) != 0)
		return false;
	watch->descriptor = descriptor;
	watch->what = what;
	return true;
}

bool
loop_join_crowd(Watch *watch)
{
	unsigned what = watch->what;

	if (watch->crowd)
		return true;
	(void) loop_watch(watch, watch->descriptor, 0);
	watch->crowd = true;
	return loop_watch(watch, watch->descriptor, what);
}

void
loop_set_timer(uint64_t period)
{
	Micros micros = (Micros) period * MICROS_PER_MILLI;
	Micros due;

	if (micros == loop.period)
		return;
	due = micros > 0 ? clock_monotonic() + micros : 0;
	/* A period that changes all the time does not put off a tick that was due before. */
	if (micros == 0 || loop.period == 0 || due < loop.due)
		loop.due = due;
	loop.period = micros;
}

void
loop_hurry(int delay)
{
	loop.hurry = delay;
}

/* Milliseconds until something is due; -1: for ever. */
static int
patience(void)
{
	int wait = -1;

	if (loop.period > 0)
	{
		Micros left = loop.due - clock_monotonic();

		wait = left <= 0 ? 0 : (int) ((left + MICROS_PER_MILLI - 1) / MICROS_PER_MILLI);
	}
	if (loop.hurry >= 0 && (wait < 0 || loop.hurry < wait))
		wait = loop.hurry;
	loop.hurry = -1;
	return wait;
}

/*
 * Between two turns.  With a crowd there is no rest: who shares the core with us, as the
 * worker may, would get it for some milliseconds, and then we, and each answer waits for
 * both of us; so it goes first, now.
 */
static void
rest(void)
{
	Micros left = pace_rest(&loop.pace, clock_monotonic());

	if (loop.crowd_waits)
		(void) sched_yield();
	else if (left > 0)
		(void) nanosleep(&(struct timespec){.tv_nsec = left * 1000}, NULL);
	loop.crowd_waits = false;
}

void
loop_run(const LoopHooks *hooks)
{
	for (;;)
	{
		hooks->before_sleep();
		rest();
		(void) dispatch(loop.descriptor, EVENTS_A_TURN, patience());
		if (loop.period > 0 && loop.due <= clock_monotonic())
		{
			loop.due = clock_monotonic() + loop.period;
			hooks->tick();
		}
	}
}
