/*
 * event.c
 *	  Fuzz target: what a listener says to the worker.
 *
 * There is one way to write each event: what decodes is encoded again to the
 * same bytes.  No text of it can hurt the database or the server's log.
 */
#include "believed.h"

static void
check_event(const Event *event)
{
	switch (event->type)
	{
		case EVENT_LOG:
			FUZZ_CHECK(is_storable(event->u.log.text, LOG_TEXT_LIMIT));
			for (int i = 0; i < event->u.log.text.length; i++)
				FUZZ_CHECK((signed char) event->u.log.text.data[i] >= ' ');
			break;
		case EVENT_OPENED:
			FUZZ_CHECK(is_storable(event->u.opened.visitor.user_agent, USER_AGENT_LIMIT));
			FUZZ_CHECK(is_storable(event->u.opened.visitor.browser, AGENT_NAME_LIMIT));
			FUZZ_CHECK(is_storable(event->u.opened.visitor.browser_version, AGENT_VERSION_LIMIT));
			FUZZ_CHECK(is_storable(event->u.opened.visitor.system, AGENT_NAME_LIMIT));
			FUZZ_CHECK((unsigned) event->u.opened.visitor.device < DEVICE_CLASS_COUNT);
			FUZZ_CHECK(country_is_valid(event->u.opened.visitor.country));
			break;
		case EVENT_MESSAGE:
			FUZZ_CHECK(event->u.message.covered >= 0);
			FUZZ_CHECK(event->u.message.view.n >= 1 ||
					   (event->u.message.view.kind == MESSAGE_EVENT &&
						event->u.message.view.n == EVENT_NUMBER));
			if (event->u.message.view.described)
			{
				FUZZ_CHECK(event->u.message.view.page.property_count <= PROPERTY_COUNT_LIMIT);
				FUZZ_CHECK(is_storable(event->u.message.view.page.path, PATH_LIMIT));
				FUZZ_CHECK(is_storable(event->u.message.view.page.title, TITLE_LIMIT));
			}
			break;
		default:
			break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[RECORD_LIMIT];
	static Event   event;
	uint8_t		  *copy = malloc(size);

	if (size > 0)
		memcpy(copy, data, size);
	if (size <= EVENT_LIMIT && event_decode(copy, size, &event))
	{
		check_event(&event);
		FUZZ_CHECK(event_encode(&event, again, sizeof again) == size);
		FUZZ_CHECK(memcmp(again, data, size) == 0);
		FUZZ_CHECK(event_encode(&event, again, size - 1) == 0);
	}
	free(copy);
	return 0;
}
