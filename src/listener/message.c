/*
 * message.c
 *	  Reading the messages of the wire.
 *
 * The only file that knows Jansson.  Every number is read as a real one: Jansson
 * refuses a whole text for one integer beyond 64 bits, which a page may well put
 * into its props.  Nothing is written by it: from 2.15 on its writing of numbers keeps
 * memory for later, which here is scratch memory (reading keeps none).  Whatever a message must have is checked for
 * type and range; whatever it may have beyond is ignored, so that a newer
 * tracker can talk to an older listener.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "message.h"

#include <jansson.h>
#include <math.h>

#include "scratch.h"
#include "url.h"

/* --- texts and numbers ------------------------------------------------------ */

/* Four hex digits at `at`; -1 if they are not there. */
static int
read_code_unit(const char *at, const char *end)
{
	int unit = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char c = at[i];

		if (c >= '0' && c <= '9')
			unit = unit << 4 | (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			unit = unit << 4 | ((c | 32) - 'a' + 10);
		else
			return -1;
	}
	return unit;
}

/*
 * Replaces escaped surrogates that have no partner by U+FFFD, in place: a title
 * that a page cut in the middle of an emoji is no reason to drop its message.
 */
static void
mend_surrogates(char *data, size_t length)
{
	static const char replacement[] = {'f', 'f', 'f', 'd'};
	const char		 *end = data + length;
	char			 *at = memchr(data, '\\', length);

	while (at != NULL && end - at >= 2)
	{
		int	   unit = at[1] == 'u' ? read_code_unit(at + 2, end) : -1;
		size_t step = 2;

		if (unit >= 0xd800 && unit <= 0xdfff)
		{
			int next = -1;

			if (unit < 0xdc00 && end - at >= 12 && at[6] == '\\' && at[7] == 'u')
				next = read_code_unit(at + 8, end);
			if (next >= 0xdc00 && next <= 0xdfff)
				step = 12;
			else
			{
				memcpy(at + 2, replacement, sizeof replacement);
				step = 6;
			}
		}
		at += step;
		at = memchr(at, '\\', (size_t) (end - at));
	}
}

/* An optional string, cleaned and cut; false if it is there but no string (null counts as absent). */
static bool
read_string(const json_t *object, const char *key, size_t limit, Arena *arena, Text *text)
{
	const json_t *value = json_object_get(object, key);

	*text = (Text){NULL, 0};
	if (value == NULL || json_is_null(value))
		return true;
	if (!json_is_string(value))
		return false;
	*text = arena_clean(arena, json_string_value(value), json_string_length(value), limit);
	return true;
}

/* Which of `words` (ended by NULL) a string is; -1 for none. */
static int
word_index(const json_t *value, const char *const *words)
{
	const char *string = json_string_value(value);

	for (int i = 0; string != NULL && words[i] != NULL; i++)
	{
		if (strcmp(string, words[i]) == 0)
			return i;
	}
	return -1;
}

/* A number, rounded down and capped at `limit`; false for anything below 0 and for what is no number. */
static bool
read_number(const json_t *value, int32_t limit, int32_t *number)
{
	double real = json_real_value(value);

	if (!json_is_real(value) || !isfinite(real) || !(real >= 0))
		return false;
	*number = real >= limit ? limit : (int32_t) real;
	return true;
}

/* The number of a message: whole, 1 or more. */
static bool
read_message_number(const json_t *value, int32_t *n)
{
	double real = json_real_value(value);

	if (!json_is_real(value) || !(real >= 1) || real > MESSAGE_NUMBER_LIMIT || floor(real) != real)
		return false;
	*n = (int32_t) real;
	return true;
}

static bool
read_figure(const json_t *object, const char *key, int32_t *figure)
{
	return read_number(json_object_get(object, key), FIGURE_LIMIT, figure);
}

/* An optional number; `absent` when it is not there or null. */
static bool
read_optional_number(const json_t *object, const char *key, int32_t limit, int32_t absent,
					 int32_t *number)
{
	const json_t *value = json_object_get(object, key);

	*number = absent;
	return value == NULL || json_is_null(value) || read_number(value, limit, number);
}

/* --- the description of a page ---------------------------------------------- */

/* One property's value; false when it is nested. */
static bool
read_property_value(const json_t *value, Arena *arena, Property *property)
{
	switch (json_typeof(value))
	{
		case JSON_NULL:
			property->type = PROPERTY_NULL;
			return true;
		case JSON_FALSE:
			property->type = PROPERTY_FALSE;
			return true;
		case JSON_TRUE:
			property->type = PROPERTY_TRUE;
			return true;
		case JSON_REAL:
			property->type = PROPERTY_NUMBER;
			property->number = json_real_value(value);
			return isfinite(property->number);
		case JSON_STRING:
			property->type = PROPERTY_STRING;
			property->string = arena_clean(arena, json_string_value(value),
										   json_string_length(value), PROPERTY_STRING_LIMIT);
			return true;
		default:
			return false;
	}
}

static bool
has_property(const PageDescription *page, Text key)
{
	for (int i = 0; i < page->property_count; i++)
	{
		if (text_equal(page->properties[i].key, key))
			return true;
	}
	return false;
}

/*
 * The flat object `props`; false when it is anything else, or too large.  Keys are
 * cleaned and cut like other texts; what has none then, or that of another, is
 * left out.
 */
static bool
read_properties(json_t *props, Arena *arena, PageDescription *page)
{
	const char *key;
	json_t	   *value;

	page->property_count = 0;
	if (props == NULL || json_is_null(props))
		return true;
	if (!json_is_object(props) || json_object_size(props) > PROPERTY_COUNT_LIMIT)
		return false;

	json_object_foreach(props, key, value)
	{
		Property property = {.key = arena_clean(arena, key, strlen(key), PROPERTY_KEY_LIMIT)};

		if (!read_property_value(value, arena, &property))
			return false;
		if (property.key.length > 0 && !has_property(page, property.key))
			page->properties[page->property_count++] = property;
	}
	return true;
}

/* The referrer without what no setting keeps; left out when it is no http or https address. */
static void
read_referrer(const json_t *object, const MessageRules *rules, Arena *arena, Text *referrer)
{
	const json_t *value = json_object_get(object, "referrer");
	Url			  url;

	*referrer = (Text){NULL, 0};
	if (json_is_string(value) && url_parse(json_string_value(value), json_string_length(value),
										   rules->query_parameters, arena, &url))
		*referrer = url_join(&url, arena, REFERRER_LIMIT);
}

static MessageVerdict
read_page(const json_t *object, const MessageRules *rules, Arena *arena, PageDescription *page)
{
	static const char *const navigations[] = {
		"", "navigate", "reload", "back_forward", "bfcache", "spa", "prerender", "restore", NULL};
	const json_t *address = json_object_get(object, "url");
	const json_t *navigation = json_object_get(object, "navigation");
	Url			  url;
	int			  index;
	int32_t		  width;
	int32_t		  height;

	*page = (PageDescription){0};
	if (!json_is_string(address) ||
		!url_parse(json_string_value(address), json_string_length(address), rules->query_parameters,
				   arena, &url))
		return MESSAGE_BAD;
	page->site = url.site;
	page->path = url.path;
	page->query = url.query;

	if (navigation != NULL && !json_is_null(navigation) && !json_is_string(navigation))
		return MESSAGE_BAD;
	index = word_index(navigation, navigations);
	page->navigation = index > 0 ? (Navigation) index : NAVIGATION_UNKNOWN;

	if (!read_string(object, "title", TITLE_LIMIT, arena, &page->title) ||
		!read_string(object, "name", NAME_LIMIT, arena, &page->name) ||
		!read_string(object, "language", LANGUAGE_LIMIT, arena, &page->language) ||
		!read_string(object, "time_zone", TIME_ZONE_LIMIT, arena, &page->time_zone) ||
		!read_optional_number(object, "width", UINT16_MAX, 0, &width) ||
		!read_optional_number(object, "height", UINT16_MAX, 0, &height))
		return MESSAGE_BAD;
	page->screen_width = (uint16_t) width;
	page->screen_height = (uint16_t) height;
	read_referrer(object, rules, arena, &page->referrer);

	if (!text_equal(page->site, rules->site))
		return MESSAGE_WRONG_SITE;
	if (!read_properties(json_object_get(object, "props"), arena, page))
		return MESSAGE_BAD_PROPS;
	return MESSAGE_GOOD;
}

/* --- a message -------------------------------------------------------------- */

/* An id that a browser made. */
static bool
read_id(const json_t *value, Uuid *id)
{
	return json_is_string(value) &&
		   uuid_parse(json_string_value(value), json_string_length(value), id) && uuid_is_v7(id);
}

/* An event: its own id, the view in which it happened, if any, and its page, whose name is the event's. */
static MessageVerdict
read_event(const json_t *object, const MessageRules *rules, Arena *arena, ViewMessage *message)
{
	const json_t  *view = json_object_get(object, "view");
	MessageVerdict verdict;

	message->n = EVENT_NUMBER;
	message->described = true;
	if (!read_id(json_object_get(object, "event"), &message->view) ||
		!(view == NULL || json_is_null(view) || read_id(view, &message->during)))
		return MESSAGE_BAD;
	verdict = read_page(object, rules, arena, &message->page);
	return verdict == MESSAGE_GOOD && message->page.name.length == 0 ? MESSAGE_BAD_NAME : verdict;
}

/* The fields that every message about a view has. */
static bool
read_frame(const json_t *object, ViewMessage *message)
{
	static const char *const states[] = {"hidden", "visible", "focused", NULL};
	int						 state = word_index(json_object_get(object, "state"), states);
	Figures					*figures = &message->figures;
	int32_t					 scroll = -1;

	if (state < 0 || !read_id(json_object_get(object, "view"), &message->view) ||
		!read_message_number(json_object_get(object, "n"), &message->n))
		return false;
	message->state = (PageState) state;

	if (!read_figure(object, "visible", &figures->visible) ||
		!read_figure(object, "focused", &figures->focused) ||
		!read_figure(object, "active", &figures->active) ||
		!read_figure(object, "elapsed", &figures->elapsed) ||
		!read_optional_number(object, "gap", FIGURE_LIMIT, 0, &figures->gap) ||
		!read_optional_number(object, "scroll", FIGURE_LIMIT, -1, &scroll) || scroll > 100)
		return false;
	message->scroll = (int8_t) scroll;
	return true;
}

static MessageVerdict
read_message(const json_t *object, const MessageRules *rules, Arena *arena, ViewMessage *message)
{
	static const char *const kinds[] = {"", "view", "state", "end", "event", NULL};
	static const char *const reasons[] = {"", "closed", "navigated", NULL};
	int						 kind = word_index(json_object_get(object, "type"), kinds);

	memset(message, 0, offsetof(ViewMessage, page));
	arena->used = 0;
	if (kind < MESSAGE_VIEW)
		return MESSAGE_BAD;
	message->kind = (MessageKind) kind;
	if (message->kind == MESSAGE_EVENT)
		return read_event(object, rules, arena, message);
	if (!read_frame(object, message))
		return MESSAGE_BAD;

	if (message->kind == MESSAGE_END)
	{
		int reason = word_index(json_object_get(object, "reason"), reasons);

		if (reason < 1)
			return MESSAGE_BAD;
		message->reason = (EndReason) reason;
	}
	message->described = message->kind == MESSAGE_VIEW ||
						 (message->kind == MESSAGE_END && json_object_get(object, "url") != NULL);
	return message->described ? read_page(object, rules, arena, &message->page) : MESSAGE_GOOD;
}

MessageVerdict
message_parse(char *data, size_t length, const MessageRules *rules, Arena *arena,
			  ViewMessage *message)
{
	MessageVerdict verdict;
	json_t		  *root;

	mend_surrogates(data, length);
	root = json_loadb(data, length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	verdict = read_message(root, rules, arena, message);
	json_decref(root);
	scratch_reset();
	return verdict;
}

/* --- a note ----------------------------------------------------------------- */

typedef struct Slice
{
	char  *data;
	size_t length;
} Slice;

static char *
skip_blanks(char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

/*
 * Where the value at `at` ends: at the comma or the bracket behind it that is
 * in no string and no bracket of the value's own, or at `end`.
 */
static char *
skip_value(char *at, const char *end)
{
	bool   in_string = false;
	size_t depth = 0;

	for (; at < end; at++)
	{
		if (in_string)
		{
			if (*at == '\\' && at + 1 < end)
				at++;
			else if (*at == '"')
				in_string = false;
		}
		else if (*at == '"')
			in_string = true;
		else if (*at == '[' || *at == '{')
			depth++;
		else if (depth == 0 && (*at == ',' || *at == ']'))
			break;
		else if (*at == ']' || *at == '}')
			depth -= depth > 0;
	}
	return at;
}

/*
 * Takes a JSON array apart, without a look at what its elements are; returns
 * how many there are, -1 when it is no array or has too many.
 */
static int
split_array(char *data, size_t length, Slice elements[NOTE_MESSAGE_LIMIT])
{
	const char *end = data + length;
	char	   *at = skip_blanks(data, end);
	int			count = 0;
	bool		more;

	if (at == end || *at != '[')
		return -1;
	at = skip_blanks(at + 1, end);
	more = at == end || *at != ']';
	if (!more)
		at++;
	while (more)
	{
		char *stop = skip_value(at, end);

		if (stop == at || stop == end || count == NOTE_MESSAGE_LIMIT)
			return -1;
		elements[count++] = (Slice){at, (size_t) (stop - at)};
		more = *stop == ',';
		at = skip_blanks(stop + 1, end);
	}
	return skip_blanks(at, end) == end ? count : -1;
}

void
message_prepare(void)
{
	json_set_alloc_funcs(scratch_allocate, scratch_free);
	json_object_seed(0);
}

bool
message_parse_note(char *data, size_t length, const MessageRules *rules, Arena *arena,
				   NoteElement element, void *context)
{
	Slice elements[NOTE_MESSAGE_LIMIT];
	int	  count = split_array(data, length, elements);

	for (int i = 0; i < count; i++)
	{
		ViewMessage	   message;
		MessageVerdict verdict =
			message_parse(elements[i].data, elements[i].length, rules, arena, &message);

		element(context, verdict, &message);
	}
	return count >= 0;
}
