/*
 * listener_log.c
 *	  What a listener has to say to the operator, in the server's log.
 *
 * A listener limits its lines itself; one that somebody took over would not.
 */
#include "postgres.h"

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
