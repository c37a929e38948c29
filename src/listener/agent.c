/*
 * agent.c
 *	  Hints, the rules of uap-core, and the memory of what they meant.
 *
 * Hints are believed first: the User-Agent of Brave or Vivaldi is Chrome's.
 *
 * Strangers choose the headers, so the memory is a table of fixed size by a hash with
 * a random key; 128 bits of it stand for the headers.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "agent.h"

#include <stdlib.h>

#include "../common/clock.h"
#include "device.h"
#include "rules.h"
#include "siphash.h"

#define SET_COUNT 1024
#define SET_SIZE  8

/*
 * Nobody has more than a tenth of the processor's time for headers that were never
 * seen before, however they are made; a second's worth may be taken at once.
 */
#define TIME_SHARE	 10
#define TIME_RESERVE MICROS_PER_SECOND

/* What some headers mean. */
typedef struct Answer
{
	uint64_t hash[2];
	uint32_t used; /* when, counted in questions; 0: free */
	uint8_t	 device;
	uint8_t	 browser_length;
	uint8_t	 version_length;
	uint8_t	 system_length;
	char	 browser[AGENT_NAME_LIMIT];
	char	 version[AGENT_VERSION_LIMIT];
	char	 system[AGENT_NAME_LIMIT];
} Answer;

struct Agents
{
	Robots	*robots;
	Rules	*rules; /* owned */
	uint64_t seed[2];
	uint32_t questions;
	Micros	 time_left;		/* that new headers may take now ... */
	Micros	 time_given_at; /* ... as of then */
	Answer	 answers[SET_COUNT][SET_SIZE];
};

Agents *
agents_new(Robots *robots, const uint64_t seed[2])
{
	Agents *agents = calloc(1, sizeof *agents);

	if (agents == NULL)
		return NULL;
	agents->robots = robots;
	agents->seed[0] = seed[0];
	agents->seed[1] = seed[1];
	agents->time_left = TIME_RESERVE;
	agents->time_given_at = clock_monotonic();
	agents->rules = rules_new();
	if (agents->rules == NULL)
	{
		free(agents);
		return NULL;
	}
	return agents;
}

void
agents_free(Agents *agents)
{
	if (agents == NULL)
		return;
	rules_free(agents->rules);
	free(agents);
}

static uint8_t
put(char *out, size_t capacity, Text text)
{
	size_t length = text_clip(text.data, text.length, capacity);

	if (text.data == NULL || length == 0)
		return 0;
	memcpy(out, text.data, length);
	return (uint8_t) length;
}

/* --- time ---------------------------------------------------------------------------- */

/* Whether there is time for new headers now. */
static bool
has_time(Agents *agents)
{
	Micros now = clock_monotonic();

	agents->time_left += (now - agents->time_given_at) / TIME_SHARE;
	if (agents->time_left > TIME_RESERVE)
		agents->time_left = TIME_RESERVE;
	agents->time_given_at = now;
	return agents->time_left > 0;
}

/* --- asking ----------------------------------------------------------------------- */

/* uap-core's word for nothing. */
static Text
name_of(const RuleAnswer *found, RuleKind kind)
{
	Text name = {found->name[kind], found->name_length[kind]};

	return text_equal(name, text_of("Other")) ? (Text){NULL, 0} : name;
}

static void
find_out(Agents *agents, Text user_agent, const Hints *hints, Answer *answer)
{
	char		 cleaned[USER_AGENT_LIMIT];
	RuleAnswer	 found;
	Text		 browser;
	Text		 version;
	Text		 system = hints_system(hints);
	DeviceTraits traits = {.robot = robots_recognise(agents->robots, user_agent),
						   .mobile = hints->mobile};

	traits.user_agent.data = cleaned;
	traits.user_agent.length =
		(uint16_t) text_clean(user_agent.data, user_agent.length, cleaned, sizeof cleaned);
	(void) rules_apply(agents->rules, traits.user_agent, &found);
	browser = name_of(&found, RULE_BROWSER);
	version = (Text){found.version, found.version_length};
	if (hints->browser != 0)
	{
		browser = hints_browser(hints);
		version = (Text){hints->version, hints->version_length};
	}
	if (system.length == 0)
		system = name_of(&found, RULE_SYSTEM);

	answer->browser_length = put(answer->browser, sizeof answer->browser, browser);
	answer->version_length = put(answer->version, sizeof answer->version, version);
	answer->system_length = put(answer->system, sizeof answer->system, system);
	traits.device = name_of(&found, RULE_DEVICE);
	traits.system = system;
	answer->device = (uint8_t) device_class(&traits);
}

/* The place of these headers: theirs, or else the one that was asked for longest ago, *known false. */
static Answer *
place_of(Agents *agents, Text user_agent, const Hints *hints, bool *known)
{
	SipHash	 hash;
	uint64_t values[2];
	Answer	*set;
	Answer	*oldest;

	siphash_begin(&hash, agents->seed);
	siphash_bytes(&hash, user_agent.data, user_agent.length);
	siphash_bytes(&hash, hints->version, hints->version_length);
	siphash_word(&hash, (uint64_t) hints->browser << 16 | (uint64_t) hints->system << 8 |
							(uint64_t) hints->mobile);
	values[0] = siphash_end(&hash);
	values[1] = siphash_more(&hash);

	oldest = set = agents->answers[values[0] % SET_COUNT];
	*known = true;
	for (int i = 0; i < SET_SIZE; i++)
	{
		if (set[i].used != 0 && set[i].hash[0] == values[0] && set[i].hash[1] == values[1])
			return &set[i];
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	*known = false;
	oldest->hash[0] = values[0];
	oldest->hash[1] = values[1];
	return oldest;
}

void
agents_recognise(Agents *agents, Text user_agent, const Hints *hints, Visitor *visitor)
{
	bool	known;
	Answer *answer = place_of(agents, user_agent, hints, &known);

	if (++agents->questions == 0)
		agents->questions = 1;
	if (!known)
	{
		Micros begun = clock_processor();

		if (!has_time(agents))
		{
			/* Not remembered: next time there may be some. */
			answer->used = 0;
			return;
		}
		find_out(agents, user_agent, hints, answer);
		agents->time_left -= clock_processor() - begun;
	}
	answer->used = agents->questions;
	visitor->browser = (Text){answer->browser, answer->browser_length};
	visitor->browser_version = (Text){answer->version, answer->version_length};
	visitor->system = (Text){answer->system, answer->system_length};
	visitor->device = (DeviceClass) answer->device;
}
