/*
 * pageviews.h
 *	  What the parts of the extension module know of one another's entry points.
 */
#ifndef PAGEVIEWS_H
#define PAGEVIEWS_H

#include "postgres.h"

/* The background worker's main function (worker.c). */
extern PGDLLEXPORT void pageviews_worker_main(Datum argument);

/* The main function of the process that adds views up (roller.c). */
extern PGDLLEXPORT void pageviews_roller_main(Datum argument);

/* Whether this process is the worker. */
extern bool pageviews_in_worker;

/* Whether this transaction erases a session, so that nothing may name it. */
extern bool pageviews_is_forgetting(const uint8 session[16]);

#endif /* PAGEVIEWS_H */
