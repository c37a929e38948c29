/*
 * assets.h
 *	  The files that the program carries and serves.
 *
 * They are embedded as they lie in web/ (assets_data.S).  A served file is
 * prepared when the configuration comes: tokens replaced, hashed, compressed.
 *
 * Pure C with zlib and libcrypto: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_ASSETS_H
#define PAGEVIEWS_ASSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/config.h"

#define ASSET_TAG_LENGTH 40

typedef struct Asset
{
	char  *data; /* owned */
	size_t length;
	char  *gzip; /* owned */
	size_t gzip_length;
	char   tag[ASSET_TAG_LENGTH]; /* entity tag of `data`, with its quotes */
	char   gzip_tag[ASSET_TAG_LENGTH];
} Asset;

typedef struct Assets
{
	Asset		client; /* client.js, with its settings */
	Asset		demo_script;
	Asset		demo_style;
	const char *demo_page; /* the template; not owned */
	size_t		demo_page_length;
} Assets;

/* Prepares everything anew; false, and nothing changed, when there is no memory. */
extern bool assets_prepare(Assets *assets, const ListenerConfig *config);

extern void assets_clear(Assets *assets);

/*
 * A copy of `length` bytes of `text` with every `token` replaced; the caller
 * frees it.  NULL when there is no memory.
 */
extern char *assets_replace(const char *text, size_t length, const char *token, const char *value,
							size_t *result_length);

#endif /* PAGEVIEWS_ASSETS_H */
