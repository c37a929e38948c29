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
shelve(Visitor *v, View *view, bool opens, const char *text, int length, int64_t due)
{
	Shelved *shelved = &v->shelf[v->shelved];

	if (v->shelved == SHELF)
		return false;
	v->shelved++;
	shelved->view = view;
	shelved->due = due;
	shelved->since = now_us();
	shelved->n = view->n;
	shelved->opens = opens;
	shelved->length = length;
	memcpy(shelved->text, text, (size_t) length);
	totals.repeats++;
	return true;
}

bool
mischief_keeps(Visitor *v, View *view, bool opens, const char *text, int length)
{
	int64_t due = 0;

	if (rules.settling || visitor_roll(v, 100) >= (uint64_t) rules.mischief)
		return false;
	if (visitor_roll(v, 3))
		due = now_us() + (int64_t) visitor_roll(v, LATE_US);
	return shelve(v, view, opens, text, length, due) && visitor_roll(v, 2);
}

static bool
is_due(const Shelved *shelved, bool behind, int64_t now)
{
	if (shelved->due)
		return now >= shelved->due;
	return behind || now >= shelved->since + BEHIND_US;
}

/* Takes one from the shelf, and shuffles it. */
static Shelved
take_down(Visitor *v, int i)
{
	Shelved shelved = v->shelf[i];

	v->shelf[i] = v->shelf[--v->shelved];
	return shelved;
}

/* Everything on the shelf, due or not, as one note, and perhaps twice. */
static void
send_shelf(Visitor *v)
{
	char body[SHELF * (MESSAGE_LIMIT + 1)];
	int	 length = 0;

	while (v->shelved > 0)
	{
		Shelved shelved = take_down(v, (int) visitor_roll(v, (uint64_t) v->shelved));

		if (length > 0)
			body[length++] = ',';
		memcpy(body + length, shelved.text, (size_t) shelved.length);
		length += shelved.length;
	}
	v->letter_again = visitor_roll(v, 2);
	visitor_post(v, body, length);
}

void
mischief_sweep(Visitor *v, bool behind, int64_t now)
{
	for (int i = 0; i < v->shelved;)
	{
		const Shelved *next = &v->shelf[i];
		bool	note = (next->opens && next->n > next->view->answered) || visitor_roll(v, 3) == 0;
		Shelved shelved;

		if (!is_due(next, behind, now) || (note && v->beacon.fd >= 0) ||
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
		shelved = take_down(v, i);
		if (!line_frame(&v->line, 1, shelved.text, (size_t) shelved.length))
		{
			visitor_lost(v);
			return;
		}
	}
}
