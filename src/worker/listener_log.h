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

#endif /* PAGEVIEWS_LISTENER_LOG_H */
