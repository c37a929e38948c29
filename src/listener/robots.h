/*
 * robots.h
 *	  Recognising robots by their User-Agent.
 *
 * The texts are those of web/robots.list, inside the program (assets_data.S).
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_ROBOTS_H
#define PAGEVIEWS_ROBOTS_H

#include <stdbool.h>

#include "../common/text.h"

typedef struct Robots Robots;

/* Reads the list: some 2.5 MB and 8 ms.  NULL when there is no memory. */
extern Robots *robots_new(void);
extern void	   robots_free(Robots *robots);

/*
 * Whether a text of the list stands in the header, case as it is.  One step for
 * each byte, whatever they are; no memory is taken.
 */
extern bool robots_recognise(Robots *robots, Text user_agent);

#endif /* PAGEVIEWS_ROBOTS_H */
