/*
 * agent.c
 *	  Client hints, the rules of uap-core, and the memory of both.
 *
 * Chromium sends hints on the requests of a page that came by TLS, though not with
 * the handshake of a websocket.  They are believed first: the User-Agent of Brave or
 * Vivaldi is Chrome's.  Names are those of uap-core, so that the same browser has one
 * name whether it sends hints or not; a brand that is not in the table, as every
 * browser sends one that means nothing, is not believed.
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

#define SET_COUNT	1024
#define SET_SIZE	4
#define BRAND_LIMIT 8 /* brands that are looked at */

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
	const Robots *robots;
	Rules		 *rules; /* owned */
	uint64_t	  seed[2];
	uint32_t	  questions;
	Micros		  time_left;	 /* that new headers may take now ... */
	Micros		  time_given_at; /* ... as of then */
	Answer		  answers[SET_COUNT][SET_SIZE];
};

/* A name that a hint has for a browser or a system, and uap-core's. */
typedef struct Alias
{
	const char *hint;
	const char *name;
	const char *mobile; /* the browser of a phone; NULL: the same */
} Alias;

static const Alias browsers[] = {{"Google Chrome", "Chrome", "Chrome Mobile"},
								 {"Microsoft Edge", "Edge", "Edge Mobile"},
								 {"Brave", "Brave", NULL},
								 {"DuckDuckGo", "DuckDuckGo Mobile", NULL},
								 {"HeadlessChrome", "HeadlessChrome", NULL},
								 {"Huawei Browser", "Huawei Browser", NULL},
								 {"Opera", "Opera", "Opera Mobile"},
								 {"Opera GX", "Opera", "Opera Mobile"},
								 {"Samsung Internet", "Samsung Internet", NULL},
								 {"Vivaldi", "Vivaldi", NULL},
								 {"YaBrowser", "Yandex Browser", NULL},
								 {"Yandex", "Yandex Browser", NULL}};

/* "Linux" says no more than a User-Agent, which may name the distribution. */
static const Alias systems[] = {{"Android", "Android", NULL}, {"Chrome OS", "Chrome OS", NULL},
								{"iOS", "iOS", NULL},		  {"Chromium OS", "Chrome OS", NULL},
								{"macOS", "Mac OS X", NULL},  {"Windows", "Windows", NULL}};

Agents *
agents_new(const Robots *robots, const uint64_t seed[2])
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

/* --- hints ---------------------------------------------------------------------- */

static const Alias *
find_alias(const Alias *aliases, size_t count, Text hint)
{
	for (size_t i = 0; i < count; i++)
	{
		if (text_equal(hint, text_of(aliases[i].hint)))
			return &aliases[i];
	}
	return NULL;
}

static void
skip_blanks(Text *text)
{
	while (text->length > 0 && (*text->data == ' ' || *text->data == '\t'))
	{
		text->data++;
		text->length--;
	}
}

/* Takes this character off the text, with blanks in front of it. */
static bool
take_char(Text *text, char c)
{
	skip_blanks(text);
	if (text->length == 0 || *text->data != c)
		return false;
	text->data++;
	text->length--;
	return true;
}

/* Takes a string in quotes off the text (RFC 8941); one with a backslash is not understood. */
static bool
take_string(Text *text, Text *string)
{
	const char *end;

	if (!take_char(text, '"'))
		return false;
	end = text->length > 0 ? memchr(text->data, '"', text->length) : NULL;
	if (end == NULL || memchr(text->data, '\\', (size_t) (end - text->data)) != NULL)
		return false;
	*string = (Text){text->data, (uint16_t) (end - text->data)};
	text->length = (uint16_t) (text->length - string->length - 1);
	text->data = end + 1;
	return true;
}

/* Takes a brand and its version off the list: "Google Chrome";v="131" */
static bool
take_brand(Text *list, Text *brand, Text *version)
{
	return take_string(list, brand) && take_char(list, ';') && take_char(list, 'v') &&
		   take_char(list, '=') && take_string(list, version);
}

/* The digits in front. */
static Text
major_of(Text version)
{
	uint16_t length = 0;

	while (length < version.length && length < AGENT_VERSION_LIMIT && version.data[length] >= '0' &&
		   version.data[length] <= '9')
		length++;
	return (Text){version.data, length};
}

/* The browser of the first brand that names one; NULL if none does. */
static const Alias *
find_brand(Text list, Text *version)
{
	Text brand;

	for (int i = 0; i < BRAND_LIMIT && take_brand(&list, &brand, version); i++)
	{
		const Alias *alias = find_alias(browsers, sizeof browsers / sizeof browsers[0], brand);

		if (alias != NULL)
			return alias;
		if (!take_char(&list, ','))
			break;
	}
	return NULL;
}

static uint8_t
put(char *out, size_t capacity, Text text)
{
	size_t length = text_clip(text.data, text.length, capacity);

	if (length > 0)
		memcpy(out, text.data, length);
	return (uint8_t) length;
}

/* What hints say replaces what was found without them. */
static void
apply_hints(const AgentHeaders *headers, bool mobile, Answer *answer)
{
	Text		 version;
	Text		 platform = headers->platform;
	Text		 name;
	const Alias *alias = find_brand(headers->brands, &version);

	if (alias != NULL)
	{
		answer->browser_length =
			put(answer->browser, sizeof answer->browser,
				text_of(mobile && alias->mobile != NULL ? alias->mobile : alias->name));
		answer->version_length = put(answer->version, sizeof answer->version, major_of(version));
	}
	if (take_string(&platform, &name) &&
		(alias = find_alias(systems, sizeof systems / sizeof systems[0], name)) != NULL)
		answer->system_length = put(answer->system, sizeof answer->system, text_of(alias->name));
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
find_out(Agents *agents, const AgentHeaders *headers, Answer *answer)
{
	char		 cleaned[USER_AGENT_LIMIT];
	RuleAnswer	 found;
	DeviceTraits traits = {.robot = robots_recognise(agents->robots, headers->user_agent),
						   .mobile = text_equal(headers->mobile, text_of("?1"))};

	traits.user_agent.data = cleaned;
	traits.user_agent.length = (uint16_t) text_clean(
		headers->user_agent.data, headers->user_agent.length, cleaned, sizeof cleaned);
	(void) rules_apply(agents->rules, traits.user_agent, &found);
	answer->browser_length =
		put(answer->browser, sizeof answer->browser, name_of(&found, RULE_BROWSER));
	answer->version_length =
		put(answer->version, sizeof answer->version, (Text){found.version, found.version_length});
	answer->system_length =
		put(answer->system, sizeof answer->system, name_of(&found, RULE_SYSTEM));
	apply_hints(headers, traits.mobile, answer);

	traits.device = name_of(&found, RULE_DEVICE);
	traits.system = (Text){answer->system, answer->system_length};
	answer->device = (uint8_t) device_class(&traits);
}

/* The place of these headers: theirs, or else the one that was asked for longest ago, *known false. */
static Answer *
place_of(Agents *agents, const AgentHeaders *headers, bool *known)
{
	const Text *texts[] = {&headers->user_agent, &headers->brands, &headers->mobile,
						   &headers->platform};
	SipHash		hash;
	uint64_t	values[2];
	Answer	   *set;
	Answer	   *oldest;

	siphash_begin(&hash, agents->seed);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		siphash_bytes(&hash, texts[i]->data, texts[i]->length);
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
agents_recognise(Agents *agents, const AgentHeaders *headers, Visitor *visitor)
{
	bool	known;
	Answer *answer = place_of(agents, headers, &known);

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
		find_out(agents, headers, answer);
		agents->time_left -= clock_processor() - begun;
	}
	answer->used = agents->questions;
	visitor->browser = (Text){answer->browser, answer->browser_length};
	visitor->browser_version = (Text){answer->version, answer->version_length};
	visitor->system = (Text){answer->system, answer->system_length};
	visitor->device = (DeviceClass) answer->device;
}
