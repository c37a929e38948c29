/*
 * demo.h
 *	  The demo site: three pages, one of them with two tabs.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_DEMO_H
#define PAGEVIEWS_DEMO_H

#include "assets.h"

/*
 * The whole page for a path, as a browser's first load gets it; NULL when the
 * demo has no such page (*found false) or there is no memory.  The caller frees it.
 */
extern char *demo_render(const Assets *assets, Text prefix, Text path, bool *found, size_t *length);

/* Where a path sends the visitor on to, by chance; NULL when it does not. */
extern const char *demo_redirect(Text path, unsigned chance);

#endif /* PAGEVIEWS_DEMO_H */
