/*
 * agent.h
 *	  Which browser it is: by the hints that it sends, and by its User-Agent.
 *
 * What was found for the same headers is remembered, of a fixed number of them.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_AGENT_H
#define PAGEVIEWS_AGENT_H

#include "../common/visitor.h"
#include "hints.h"
#include "robots.h"

typedef struct Agents Agents;

/*
 * Reads the rules, which costs less than a millisecond.  The list of robots has to
 * live as long.  `seed` is random.  NULL when there is no memory.
 */
extern Agents *agents_new(Robots *robots, const uint64_t seed[2]);
extern void	   agents_free(Agents *agents);

/*
 * Says what a User-Agent, as it came, and hints mean: browser, version, system and device of `visitor`,
 * whose texts are good until the next call.  Nothing of it, if too
 * many headers of late were never seen before.
 */
extern void agents_recognise(Agents *agents, Text user_agent, const Hints *hints, Visitor *visitor);

#endif /* PAGEVIEWS_AGENT_H */
