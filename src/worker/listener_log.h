/*
 * listener_log.h
 *	  What a listener has to say to the operator, in the server's log.
 */
#ifndef PAGEVIEWS_LISTENER_LOG_H
#define PAGEVIEWS_LISTENER_LOG_H

#include "postgres.h"

#include "../common/record.h"

/* Logs an EVENT_LOG; what exceeds 30 lines a minute is left out, and counted. */
extern void listener_log(const Event *event);

/* How listener `index` ended, by its wait status; `why` is ours, `delay` the pause before the next. */
extern void listener_log_death(uint16_t index, pid_t pid, int status, const char *why,
							   Micros delay);

#endif /* PAGEVIEWS_LISTENER_LOG_H */
