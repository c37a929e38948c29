/*
 * rules.h
 *	  The rules of uap-core: what the expression that fits a user agent calls it.
 *
 * The rules are those of web/agents.list, inside the program (assets_data.S).
 *
 * Needs PCRE2; no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_RULES_H
#define PAGEVIEWS_RULES_H

#include <stdbool.h>

#include "../common/visitor.h"

typedef enum RuleKind
{
	RULE_BROWSER = 0,
	RULE_SYSTEM,
	RULE_DEVICE
} RuleKind;

#define RULE_KIND_COUNT 3

/* What the first rules that fit say, clean texts; an empty one if none does. */
typedef struct RuleAnswer
{
	uint8_t name_length[RULE_KIND_COUNT];
	uint8_t version_length;
	char	name[RULE_KIND_COUNT][AGENT_NAME_LIMIT];
	char	version[AGENT_VERSION_LIMIT]; /* of the browser, the part before the first dot */
} RuleAnswer;

typedef struct Rules Rules;

/* Reads the list, and compiles no expression yet.  NULL when there is no memory. */
extern Rules *rules_new(void);
extern void	  rules_free(Rules *rules);

/*
 * Tries the rules in their order.  What this costs is bounded, whatever the text:
 * each expression, and the number of those that may reach their bound.  False when
 * that was too many, or memory was short: what was found until then stands.
 */
extern bool rules_apply(Rules *rules, Text user_agent, RuleAnswer *answer);

#endif /* PAGEVIEWS_RULES_H */
