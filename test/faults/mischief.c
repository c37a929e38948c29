/*
 * mischief.c
 *	  Messages twice, late, out of order, and on other ways than they should go.
 *
 * A message of which something is wrong lies on the visitor's shelf: it goes behind
 * the next one, or up to three seconds later, when its view may long be over, on the
 * socket of that moment or in a note, and such notes are shuffled and go twice.
 *
 * What a browser cannot do is left out: a `view` that the server has not heard says on a
 * socket that its page is there now, so a late one goes there only if the server knows it,
 * else in a note.  A visitor who vanishes takes his shelf along.
 */
#include "driver.h"

#include <string.h>

#define LATE_US	  INT64_C(3000000)
#define BEHIND_US INT64_C(1000000) /* so long it waits for a message to go behind */

/* Puts a copy on the shelf, if there is room. */
static bool
shelve(Visitor *v, const Message *message, int64_t due)
{
	if (v->shelved == SHELF)
		return false;
	v->shelf[v->shelved++] = (Shelved){.message = *message, .due = due, .since = now_us()};
	totals.repeats++;
	return true;
}

bool
mischief_keeps(Visitor *v, const Message *message)
{
	int64_t due = 0;

	if (rules.settling || visitor_roll(v, 100) >= (uint64_t) rules.mischief)
		return false;
	if (visitor_roll(v, 3))
		due = now_us() + (int64_t) visitor_roll(v, LATE_US);
	return shelve(v, message, due) && visitor_roll(v, 2);
}

static bool
is_due(const Shelved *shelved, bool behind, int64_t now)
{
	if (shelved->due)
		return now >= shelved->due;
	return behind || now >= shelved->since + BEHIND_US;
}

/* Takes one from the shelf, and shuffles it. */
static Message
take_down(Visitor *v, int i)
{
	Message message = v->shelf[i].message;

	v->shelf[i] = v->shelf[--v->shelved];
	return message;
}

/* Everything on the shelf, due or not, as one note, and perhaps twice. */
static void
send_shelf(Visitor *v)
{
	char body[SHELF * (MESSAGE_LIMIT + 1)];
	int	 length = 0;

	while (v->shelved > 0)
	{
		Message message = take_down(v, (int) visitor_roll(v, (uint64_t) v->shelved));

		if (message.event)
			event_told(v, message.event, true);
		if (length > 0)
			body[length++] = ',';
		memcpy(body + length, message.text, (size_t) message.length);
		length += message.length;
	}
	v->letter_again = visitor_roll(v, 2);
	visitor_post(v, body, length);
}

void
mischief_sweep(Visitor *v, bool behind, int64_t now)
{
	for (int i = 0; i < v->shelved;)
	{
		const Message *next = &v->shelf[i].message;
		bool	note = (next->opens && next->n > next->view->answered) || visitor_roll(v, 3) == 0;
		Message message;

		if (!is_due(&v->shelf[i], behind, now) || (note && v->beacon.fd >= 0) ||
			(!note && v->step != STEP_OPEN))
		{
			i++;
			continue;
		}
		if (note)
		{
			send_shelf(v);
			return;
		}
		message = take_down(v, i);
		if (message.event)
			event_told(v, message.event, false);
		if (!line_frame(&v->line, 1, message.text, (size_t) message.length))
		{
			visitor_lost(v);
			return;
		}
	}
}
