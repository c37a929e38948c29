/*
 * listener_log.c
 *	  What a listener has to say to the operator, and how it died, in the server's log.
 *
 * A listener limits its lines itself; one that somebody took over would not.
 */
#include "postgres.h"

#include <signal.h>
#include <sys/wait.h>

#include "backoff.h"
#include "listener_log.h"

#define LINES_A_MINUTE 30

/* Whether one more line is allowed; says how many were not when it is again. */
static bool
may_log(Micros now)
{
	static Micros minute = 0;
	static int	  lines = 0;

	if (now - minute > 60 * MICROS_PER_SECOND)
	{
		if (lines > LINES_A_MINUTE)
			ereport(LOG, (errmsg("pageviews listeners had %d more lines to log",
								 lines - LINES_A_MINUTE)));
		minute = now;
		lines = 0;
	}
	return ++lines <= LINES_A_MINUTE;
}

void
listener_log(const Event *event)
{
	int level = DEBUG1;

	if (!may_log(clock_monotonic()))
		return;
	if (event->u.log.level == LOG_LEVEL_LOG)
		level = LOG;
	else if (event->u.log.level == LOG_LEVEL_WARNING)
		level = WARNING;
	ereport(level, (errmsg("pageviews listener: %.*s", (int) event->u.log.text.length,
						   event->u.log.text.data)));
}

void
listener_log_death(uint16_t index, pid_t pid, int status, const char *why, Micros delay)
{
	char how[64];

	if (WIFSIGNALED(status))
		snprintf(how, sizeof how, "by signal %d", WTERMSIG(status));
	else
		snprintf(how, sizeof how, "with status %d", WEXITSTATUS(status));

	/* Either somebody took it over, or a library needs what the sandbox does not know of. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		ereport(
			WARNING,
			(errmsg(
				 "pageviews listener %d (process %d) made a system call that its sandbox forbids, and was killed",
				 index, (int) pid),
			 errhint(
				 "The kernel's log may name the call. If this happens on an untouched system whose libraries are newer than pageviews, pageviews.sandbox = off serves without the filter.")));

	if (backoff_is_long(delay))
		ereport(WARNING,
				(errmsg("pageviews listener %d keeps dying; waiting %d s before the next start",
						index, (int) (delay / MICROS_PER_SECOND)),
				 errdetail("The last one, process %d, ended %s: %s.", (int) pid, how, why)));
	else
		ereport(LOG, (errmsg("pageviews listener %d (process %d) ended %s: %s", index, (int) pid,
							 how, why)));
}
