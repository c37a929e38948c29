/*
 * message.h
 *	  What a browser says about one page view, decoded.
 *
 * The listener fills it from JSON, the channel carries it, the worker's state
 * machine consumes it.  All texts are slices into the buffer that the message
 * was decoded from; whoever keeps one copies it.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_MESSAGE_H
#define PAGEVIEWS_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"
#include "uuid.h"
#include "visitor.h"

/* Longest texts that are kept, in bytes; the listener cuts, the worker checks. */
#define SITE_LIMIT		255
#define PATH_LIMIT		2048
#define QUERY_LIMIT		1024
#define REFERRER_LIMIT	2048
#define TITLE_LIMIT		512
#define NAME_LIMIT		128
#define LANGUAGE_LIMIT	35
#define TIME_ZONE_LIMIT 64

#define PROPERTY_COUNT_LIMIT  16
#define PROPERTY_KEY_LIMIT	  64
#define PROPERTY_STRING_LIMIT 512

/* Highest message number: revision = 4 n + rank stays far inside a bigint. */
#define MESSAGE_NUMBER_LIMIT INT32_MAX

/* Figures in milliseconds are at most this (24.8 days), so that they fit an integer column. */
#define FIGURE_LIMIT INT32_MAX

typedef enum MessageKind
{
	MESSAGE_VIEW = 1, /* a view begins, or comes back */
	MESSAGE_STATE,	  /* hidden/visible/focused changed, or a heartbeat */
	MESSAGE_END,	  /* the browser says that the view is over */
	MESSAGE_EVENT	  /* something happened in a view, which has a row of its own */
} MessageKind;

/*
 * An event travels as a message, waits as a row and is answered as a view is: by its
 * own id.  What tells the two apart is the number of the message, which is this for
 * an event, and 1 or more for a view.
 */
#define EVENT_NUMBER 0

typedef enum PageState
{
	PAGE_HIDDEN = 0,
	PAGE_VISIBLE, /* visible, another window has the focus */
	PAGE_FOCUSED  /* visible and focused */
} PageState;

#define PAGE_STATE_COUNT 3

typedef enum Navigation
{
	NAVIGATION_UNKNOWN = 0,
	NAVIGATION_NAVIGATE,
	NAVIGATION_RELOAD,
	NAVIGATION_BACK_FORWARD,
	NAVIGATION_BFCACHE,
	NAVIGATION_SPA,
	NAVIGATION_PRERENDER,
	NAVIGATION_RESTORE
} Navigation;

#define NAVIGATION_COUNT 8

/* Why a view is over.  A browser says closed or navigated; the rest is ours. */
typedef enum EndReason
{
	END_NONE = 0, /* not over */
	END_CLOSED,
	END_NAVIGATED,
	END_LOST,	  /* its socket died, and it did not come back */
	END_TIMEOUT,  /* its socket stopped answering pings */
	END_SHUTDOWN, /* the server stopped */
	END_RECOVERED /* found open by a worker that started later */
} EndReason;

#define END_REASON_COUNT 7

typedef enum PropertyType
{
	PROPERTY_NULL = 0,
	PROPERTY_FALSE,
	PROPERTY_TRUE,
	PROPERTY_NUMBER, /* finite */
	PROPERTY_STRING
} PropertyType;

#define PROPERTY_TYPE_COUNT 5

typedef struct Property
{
	Text		 key; /* 1 .. PROPERTY_KEY_LIMIT bytes */
	PropertyType type;
	double		 number;
	Text		 string;
} Property;

/* What a page says about itself when its view is announced. */
typedef struct PageDescription
{
	Text	   site;	 /* host of the url, lower case, with the port if there is one */
	Text	   path;	 /* starts with '/' */
	Text	   query;	 /* the kept parameters, without '?' */
	Text	   referrer; /* origin and path, and kept parameters */
	Text	   title;
	Text	   name; /* the application's own name of the page; of an event, its own, never empty */
	Text	   language;
	Text	   time_zone;
	Navigation navigation;
	uint16_t   screen_width; /* CSS pixels, 0 when unknown */
	uint16_t   screen_height;
	uint8_t	   property_count;
	Property   properties[PROPERTY_COUNT_LIMIT]; /* last: a copy may end with those in use */
} PageDescription;

/* Cumulative figures since the view began, in milliseconds, as the browser counts. */
typedef struct Figures
{
	int32_t visible;
	int32_t focused;
	int32_t active;
	int32_t elapsed;
	int32_t gap; /* time that no timer ran in, left out of visible */
} Figures;

typedef struct ViewMessage
{
	MessageKind kind;
	Uuid		view;	/* version 7; of an event, its own id */
	int32_t		n;		/* 1 .. MESSAGE_NUMBER_LIMIT, grows within a view; EVENT_NUMBER */
	Uuid		during; /* of an event: the view in which it happened, or nil */
	PageState	state;
	Figures		figures;
	int8_t		scroll; /* deepest per cent of the page seen, -1 when unknown */
	EndReason	reason; /* END_CLOSED or END_NAVIGATED in an end, else END_NONE */
	bool
		described; /* `page` is there: always in a view and an event; in an end it makes a leftover */
	PageDescription page;
} ViewMessage;

#endif /* PAGEVIEWS_MESSAGE_H */
