/*
 * visitor.h
 *	  What the headers of its requests say of a browser.
 *
 * The listener fills it in, the channel carries it, the worker keeps it with the
 * views of its session.  All texts are slices of somebody else's memory, empty
 * when it is not known; whoever keeps one copies it.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_VISITOR_H
#define PAGEVIEWS_VISITOR_H

#include "text.h"

/* Longest texts that are kept, in bytes; the listener cuts, the worker checks. */
#define USER_AGENT_LIMIT	512
#define AGENT_NAME_LIMIT	64
#define AGENT_VERSION_LIMIT 16

#define COUNTRY_LENGTH 2

typedef enum DeviceClass
{
	DEVICE_UNKNOWN = 0,
	DEVICE_DESKTOP,
	DEVICE_MOBILE,
	DEVICE_TABLET,
	DEVICE_TV,
	DEVICE_CONSOLE,
	DEVICE_BOT
} DeviceClass;

#define DEVICE_CLASS_COUNT 7

typedef struct Visitor
{
	Text		user_agent;
	Text		browser;		 /* "Chrome Mobile" */
	Text		browser_version; /* "131": the part before the first dot */
	Text		system;			 /* "Windows" */
	DeviceClass device;
	char		country[COUNTRY_LENGTH]; /* capital letters; NULs: unknown */
	bool		robot;					 /* no person: RobotPolicy says what becomes of it */
} Visitor;

/* Room for the texts of any visitor. */
#define VISITOR_TEXT_LIMIT (USER_AGENT_LIMIT + 2 * AGENT_NAME_LIMIT + AGENT_VERSION_LIMIT)

/* A visitor whose texts lie end to end somewhere: what is left are their lengths. */
typedef struct PackedVisitor
{
	uint16_t user_agent_length;
	uint8_t	 browser_length;
	uint8_t	 browser_version_length;
	uint8_t	 system_length;
	uint8_t	 device;
	char	 country[COUNTRY_LENGTH];
	bool	 robot;
} PackedVisitor;

static inline size_t
visitor_size(PackedVisitor packed)
{
	return (size_t) packed.user_agent_length + packed.browser_length +
		   packed.browser_version_length + packed.system_length;
}

/* All but the texts, which are within their limits, and then to be copied. */
static inline PackedVisitor
visitor_pack(const Visitor *visitor)
{
	return (PackedVisitor){.user_agent_length = visitor->user_agent.length,
						   .browser_length = (uint8_t) visitor->browser.length,
						   .browser_version_length = (uint8_t) visitor->browser_version.length,
						   .system_length = (uint8_t) visitor->system.length,
						   .device = (uint8_t) visitor->device,
						   .country = {visitor->country[0], visitor->country[1]},
						   .robot = visitor->robot};
}

/* Lays the texts end to end at `out`, which has visitor_size(). */
static inline void
visitor_copy_texts(const Visitor *visitor, char *out)
{
	const Text texts[] = {visitor->user_agent, visitor->browser, visitor->browser_version,
						  visitor->system};

	for (int i = 0; i < 4; i++)
	{
		if (texts[i].length > 0)
			memcpy(out, texts[i].data, texts[i].length);
		out += texts[i].length;
	}
}

/* The visitor again, as slices of its texts. */
static inline Visitor
visitor_unpack(PackedVisitor packed, const char *texts)
{
	Visitor visitor = {.user_agent = {texts, packed.user_agent_length},
					   .device = (DeviceClass) packed.device,
					   .country = {packed.country[0], packed.country[1]},
					   .robot = packed.robot};

	if (texts == NULL)
		return visitor;
	texts += packed.user_agent_length;
	visitor.browser = (Text){texts, packed.browser_length};
	texts += packed.browser_length;
	visitor.browser_version = (Text){texts, packed.browser_version_length};
	texts += packed.browser_version_length;
	visitor.system = (Text){texts, packed.system_length};
	return visitor;
}

/* Whether these bytes are a country as above, or none. */
static inline bool
country_is_valid(const char country[COUNTRY_LENGTH])
{
	if (country[0] == '\0')
		return country[1] == '\0';
	return country[0] >= 'A' && country[0] <= 'Z' && country[1] >= 'A' && country[1] <= 'Z';
}

#endif /* PAGEVIEWS_VISITOR_H */
