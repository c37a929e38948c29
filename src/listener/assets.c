/*
 * assets.c
 *	  Preparing the embedded files for serving.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "assets.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* What the tracker's source has in the place of its settings. */
#define SETTINGS_TOKEN "PAGEVIEWS_SETTINGS"

#define EMBEDDED(name)                    \
	extern const char	  asset_##name[]; \
	extern const uint64_t asset_##name##_length

EMBEDDED(client_js);
EMBEDDED(demo_page);
EMBEDDED(demo_script);
EMBEDDED(demo_style);

char *
assets_replace(const char *text, size_t length, const char *token, const char *value,
			   size_t *result_length)
{
	size_t		token_length = strlen(token);
	size_t		value_length = strlen(value);
	size_t		count = 0;
	const char *end = text + length;
	const char *found;
	char	   *result;
	char	   *out;

	for (const char *at = text;
		 (found = memmem(at, (size_t) (end - at), token, token_length)) != NULL;
		 at = found + token_length)
		count++;

	result = malloc(length + count * value_length + 1);
	if (result == NULL)
		return NULL;
	out = result;
	while ((found = memmem(text, (size_t) (end - text), token, token_length)) != NULL)
	{
		memcpy(out, text, (size_t) (found - text));
		out += found - text;
		memcpy(out, value, value_length);
		out += value_length;
		text = found + token_length;
	}
	memcpy(out, text, (size_t) (end - text));
	out += end - text;
	*out = '\0';
	*result_length = (size_t) (out - result);
	return result;
}

/* Compresses `asset->data` as a gzip file; false when there is no memory. */
static bool
compress_asset(Asset *asset)
{
	z_stream stream = {0};
	uLong	 bound;
	bool	 done;

	/* 16 above the window's bits asks for the gzip form. */
	if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) !=
		Z_OK)
		return false;
	bound = deflateBound(&stream, asset->length);
	asset->gzip = malloc(bound);
	stream.next_in = (Bytef *) asset->data;
	stream.avail_in = (uInt) asset->length;
	stream.next_out = (Bytef *) asset->gzip;
	stream.avail_out = (uInt) bound;
	done = asset->gzip != NULL && deflate(&stream, Z_FINISH) == Z_STREAM_END;
	asset->gzip_length = stream.total_out;
	deflateEnd(&stream);
	return done;
}

/* Names the bytes by their hash; the compressed form is another representation, so another tag. */
static bool
tag_asset(Asset *asset)
{
	uint8_t	 digest[EVP_MAX_MD_SIZE];
	unsigned length;
	char	 hex[25];

	if (EVP_Digest(asset->data, asset->length, digest, &length, EVP_sha256(), NULL) != 1)
		return false;
	for (int i = 0; i < 12; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	snprintf(asset->tag, sizeof asset->tag, "\"%s\"", hex);
	snprintf(asset->gzip_tag, sizeof asset->gzip_tag, "\"%s-gzip\"", hex);
	return true;
}

static void
clear_asset(Asset *asset)
{
	free(asset->data);
	free(asset->gzip);
	*asset = (Asset){0};
}

/* Takes over `data` (NULL: there was no memory) and prepares it. */
static bool
prepare_asset(Asset *asset, char *data, size_t length)
{
	*asset = (Asset){.data = data, .length = length};
	if (data != NULL && compress_asset(asset) && tag_asset(asset))
		return true;
	clear_asset(asset);
	return false;
}

/*
 * The tracker's settings as JSON that is also JavaScript.  Of the kept parameters it
 * is told how "name=value" begins, "utm_" for utm_* and "ref=" for ref; their names come
 * from the server's own configuration, and lose any character that could end a string.
 */
static char *
settings_json(const ListenerConfig *config)
{
	Text  names = config->query_parameters;
	char *json = malloc(64 + 5 * (size_t) names.length);
	char *out = json;
	bool  open = false;

	if (json == NULL)
		return NULL;
	out += sprintf(out, "{\"keep\":[");
	for (int i = 0; i <= names.length; i++)
	{
		char c = i < names.length ? names.data[i] : ' ';

		if (c == ' ')
		{
			if (open && out[-1] == '*')
				out[-1] = '"';
			else if (open)
				out += sprintf(out, "=\"");
			open = false;
			continue;
		}
		if (c == '"' || c == '\\' || c == '<' || (unsigned char) c > 0x7e)
			continue;
		if (!open)
		{
			if (out[-1] == '"')
				*out++ = ',';
			*out++ = '"';
			open = true;
		}
		*out++ = c;
	}
	sprintf(out, "],\"gpc\":%s}", config->respect_gpc ? "true" : "false");
	return json;
}

/* The embedded file as it is. */
static char *
copy(const char *start, size_t size, size_t *length)
{
	return assets_replace(start, size, SETTINGS_TOKEN, SETTINGS_TOKEN, length);
}

bool
assets_prepare(Assets *assets, const ListenerConfig *config)
{
	Assets fresh = {0};
	char  *settings = settings_json(config);
	char  *data;
	size_t length = 0;
	bool   good = settings != NULL;

	if (good)
	{
		data = assets_replace(asset_client_js, (size_t) asset_client_js_length, SETTINGS_TOKEN,
							  settings, &length);
		good = prepare_asset(&fresh.client, data, length);
	}
	if (good)
	{
		data = copy(asset_demo_script, (size_t) asset_demo_script_length, &length);
		good = prepare_asset(&fresh.demo_script, data, length);
	}
	if (good)
	{
		data = copy(asset_demo_style, (size_t) asset_demo_style_length, &length);
		good = prepare_asset(&fresh.demo_style, data, length);
	}
	fresh.demo_page = asset_demo_page;
	fresh.demo_page_length = (size_t) asset_demo_page_length;
	free(settings);

	if (!good)
	{
		assets_clear(&fresh);
		return false;
	}
	assets_clear(assets);
	*assets = fresh;
	return true;
}

void
assets_clear(Assets *assets)
{
	clear_asset(&assets->client);
	clear_asset(&assets->demo_script);
	clear_asset(&assets->demo_style);
}
