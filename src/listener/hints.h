/*
 * hints.h
 *	  Client hints: which browser and system it says that it is, in a few bytes.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_HINTS_H
#define PAGEVIEWS_HINTS_H

#include "../common/uuid.h"
#include "../common/visitor.h"

/* What was understood; all zero: nothing. */
typedef struct Hints
{
	uint8_t browser; /* a number of this module's */
	uint8_t system;	 /* likewise */
	bool	mobile;
	uint8_t version_length;
	char	version[AGENT_VERSION_LIMIT]; /* of the browser: digits */
} Hints;

/* Reads Sec-CH-UA, Sec-CH-UA-Mobile and Sec-CH-UA-Platform as they came. */
extern Hints hints_read(Text brands, Text mobile, Text platform);

static inline bool
hints_are_none(const Hints *hints)
{
	return hints->browser == 0 && hints->system == 0 && !hints->mobile;
}

/* uap-core's names for what they say; empty if they do not. */
extern Text hints_browser(const Hints *hints);
extern Text hints_system(const Hints *hints);

/* The last hints of sessions, a fixed number of them. */
typedef struct HintTable HintTable;

/* NULL when there is no memory. */
extern HintTable *hint_table_new(void);
extern void		  hint_table_free(HintTable *table);

extern void hint_table_put(HintTable *table, const Uuid *session, const Hints *hints);

/* What was put for this session, if it is still there; else none. */
extern Hints hint_table_find(const HintTable *table, const Uuid *session);

#endif /* PAGEVIEWS_HINTS_H */
