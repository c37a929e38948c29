/*
 * believed.h
 *	  What must be true of every message that the listener believes.
 */
#ifndef PAGEVIEWS_FUZZ_BELIEVED_H
#define PAGEVIEWS_FUZZ_BELIEVED_H

#include "../../src/common/record.h"
#include "../../src/listener/message.h"
#include "fuzz.h"

/* Texts within their limits, clean, and as the database takes them. */
static inline void
check_page(const PageDescription *page)
{
	FUZZ_CHECK(page->site.length > 0 && is_storable(page->site, SITE_LIMIT));
	FUZZ_CHECK(page->path.length > 0 && page->path.data[0] == '/');
	FUZZ_CHECK(is_storable(page->path, PATH_LIMIT));
	FUZZ_CHECK(!text_has(page->path, "?") && !text_has(page->path, "#"));
	FUZZ_CHECK(is_storable(page->query, QUERY_LIMIT));
	FUZZ_CHECK(is_storable(page->referrer, REFERRER_LIMIT));
	FUZZ_CHECK(is_storable(page->title, TITLE_LIMIT));
	FUZZ_CHECK(is_storable(page->name, NAME_LIMIT));
	FUZZ_CHECK(is_storable(page->language, LANGUAGE_LIMIT));
	FUZZ_CHECK(is_storable(page->time_zone, TIME_ZONE_LIMIT));
	FUZZ_CHECK(page->property_count <= PROPERTY_COUNT_LIMIT);
	for (int i = 0; i < page->property_count; i++)
	{
		FUZZ_CHECK(page->properties[i].key.length > 0);
		FUZZ_CHECK(is_storable(page->properties[i].key, PROPERTY_KEY_LIMIT));
		FUZZ_CHECK(is_storable(page->properties[i].string, PROPERTY_STRING_LIMIT));
		for (int k = 0; k < i; k++)
			FUZZ_CHECK(!text_equal(page->properties[i].key, page->properties[k].key));
	}
}

/*
 * A good message must get through the channel: an event that the worker does not
 * decode would end the listener, and with it everybody's sockets.
 */
static inline void
check_believed(MessageVerdict verdict, const ViewMessage *message, const MessageRules *rules)
{
	static uint8_t once[RECORD_LIMIT];
	static uint8_t again[RECORD_LIMIT];
	static Event   event;
	static Event   decoded;
	size_t		   length;

	FUZZ_CHECK(verdict >= MESSAGE_GOOD && verdict <= MESSAGE_BAD_NAME);
	if (verdict == MESSAGE_BAD)
		return;
	FUZZ_CHECK(uuid_is_v7(&message->view));
	FUZZ_CHECK((message->kind == MESSAGE_EVENT) == (message->n == EVENT_NUMBER) && message->n >= 0);
	if (verdict != MESSAGE_GOOD)
		return;
	if (message->described)
	{
		check_page(&message->page);
		FUZZ_CHECK(text_equal(message->page.site, rules->site));
		FUZZ_CHECK(message->kind != MESSAGE_EVENT || message->page.name.length > 0);
	}
	memset(&event, 0, sizeof event);
	event.type = EVENT_MESSAGE;
	event.connection = 1;
	event.u.message.view = *message;
	length = event_encode(&event, once, EVENT_LIMIT);
	FUZZ_CHECK(length > 0);
	FUZZ_CHECK(event_decode(once, length, &decoded));
	FUZZ_CHECK(event_encode(&decoded, again, sizeof again) == length);
	FUZZ_CHECK(memcmp(once, again, length) == 0);
}

#endif /* PAGEVIEWS_FUZZ_BELIEVED_H */
