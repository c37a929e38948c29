/*
 * hints.c
 *	  Reading client hints, and remembering them from a page's script to its socket.
 *
 * Chromium sends hints with the requests of pages that came by TLS: with that for the
 * script and with notes, but not with the handshake of a websocket.  So what came with
 * the script is kept for the session whose cookie the socket will bring.
 *
 * Names are those of uap-core, so that the same browser has one name whether it sends
 * hints or not.  A brand that is not in the table is not believed: every browser sends
 * one that means nothing.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "hints.h"

#include <stdlib.h>

#define BRAND_LIMIT 8	 /* brands that are looked at */
#define TABLE_SIZE	4096 /* sessions */

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

/* One more than the place of the alias for this hint; 0 if there is none. */
static uint8_t
find_alias(const Alias *aliases, size_t count, Text hint)
{
	for (size_t i = 0; i < count; i++)
	{
		if (text_equal(hint, text_of(aliases[i].hint)))
			return (uint8_t) (i + 1);
	}
	return 0;
}

/* Takes this character off the text, with blanks in front of it. */
static bool
take_char(Text *text, char c)
{
	while (text->length > 0 && (*text->data == ' ' || *text->data == '\t'))
	{
		text->data++;
		text->length--;
	}
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

/* Reads the first brand that names a browser, if one does. */
static void
read_brands(Text list, Hints *hints)
{
	Text brand;
	Text version;

	for (int i = 0; i < BRAND_LIMIT && take_brand(&list, &brand, &version); i++)
	{
		hints->browser = find_alias(browsers, sizeof browsers / sizeof browsers[0], brand);
		if (hints->browser != 0)
		{
			while (hints->version_length < sizeof hints->version &&
				   hints->version_length < version.length &&
				   version.data[hints->version_length] >= '0' &&
				   version.data[hints->version_length] <= '9')
			{
				hints->version[hints->version_length] = version.data[hints->version_length];
				hints->version_length++;
			}
			return;
		}
		if (!take_char(&list, ','))
			return;
	}
}

Hints
hints_read(Text brands, Text mobile, Text platform)
{
	Hints hints = {.mobile = text_equal(mobile, text_of("?1"))};
	Text  name;

	read_brands(brands, &hints);
	if (take_string(&platform, &name))
		hints.system = find_alias(systems, sizeof systems / sizeof systems[0], name);
	return hints;
}

Text
hints_browser(const Hints *hints)
{
	const Alias *alias;

	if (hints->browser == 0)
		return text_of("");
	alias = &browsers[hints->browser - 1];
	return text_of(hints->mobile && alias->mobile != NULL ? alias->mobile : alias->name);
}

Text
hints_system(const Hints *hints)
{
	return text_of(hints->system == 0 ? "" : systems[hints->system - 1].name);
}

/* --- the table -------------------------------------------------------------------- */

typedef struct HintPlace
{
	Uuid  session;
	Hints hints; /* none: the place is free */
} HintPlace;

struct HintTable
{
	HintPlace places[TABLE_SIZE];
};

HintTable *
hint_table_new(void)
{
	return calloc(1, sizeof(HintTable));
}

void
hint_table_free(HintTable *table)
{
	free(table);
}

/* Sessions are random, and made by us: nobody chooses where they meet. */
static size_t
place_of(const Uuid *session)
{
	uint32_t bits;

	memcpy(&bits, session->bytes + 10, sizeof bits);
	return bits % TABLE_SIZE;
}

void
hint_table_put(HintTable *table, const Uuid *session, const Hints *hints)
{
	if (!hints_are_none(hints))
		table->places[place_of(session)] = (HintPlace){*session, *hints};
}

Hints
hint_table_find(const HintTable *table, const Uuid *session)
{
	const HintPlace *place = &table->places[place_of(session)];

	return uuid_equal(&place->session, session) ? place->hints : (Hints){0};
}
