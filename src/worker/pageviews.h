/*
 * pageviews.h
 *	  What the parts of the extension module know of one another's entry points.
 */
#ifndef PAGEVIEWS_H
#define PAGEVIEWS_H

#include "postgres.h"

/* The background worker's main function (worker.c). */
extern PGDLLEXPORT void pageviews_worker_main(Datum argument);

#endif /* PAGEVIEWS_H */
