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

/* Whether these bytes are a country as above, or none. */
static inline bool
country_is_valid(const char country[COUNTRY_LENGTH])
{
	if (country[0] == '\0')
		return country[1] == '\0';
	return country[0] >= 'A' && country[0] <= 'Z' && country[1] >= 'A' && country[1] <= 'Z';
}

#endif /* PAGEVIEWS_VISITOR_H */
