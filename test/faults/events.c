/*
 * events.c
 *	  What happens on the visitors' pages, and how they tell of it.
 *
 * As the tracker does, a visitor keeps an event until he hears that it is stored: he
 * tells of it at once, on every new socket, and along with what he says in notes; also
 * twice, and once more when it has long been stored.  What happened in a view that
 * vanishes with its browser is never told of again.
 *
 * The view of an event may get another id, and its visitor another session, while he
 * tells of it again and again.  Whichever the server took first counts, so each is kept.
 */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT 160

static Event *event_ledger;

/* The name as JSON: no two events have the same one, and some are no plain ASCII. */
static void
write_name(const Event *event, char *text)
{
	static const char *const names[] = {"signup", "played \\\"it\\\"", "gehört, später",
										"50 %\\\\"};

	snprintf(text, TEXT_LIMIT, "\"%s %ld%s\"", names[event->serial % 4], event->serial,
			 event->mark ? event->mark : "");
}

/* The properties as JSON; empty: it has none. */
static void
write_properties(const Event *event, char *text)
{
	text[0] = '\0';
	if (event->serial % 5)
		snprintf(text, TEXT_LIMIT,
				 "{\"serial\":%ld,\"plan\":\"prö \\\"%ld\\\"\",\"price\":%ld.5,\"first\":%s}",
				 event->serial, event->serial % 7, event->serial % 100,
				 event->serial % 2 ? "true" : "false");
}

static Event *
event_new(Visitor *v)
{
	Event *event = calloc(1, sizeof *event);

	if (event == NULL)
		abort();
	event->seed[0] = visitor_roll(v, UINT64_MAX);
	event->seed[1] = visitor_roll(v, UINT64_MAX);
	event->during = visitor_roll(v, 10) ? v->live : NULL;
	event->serial = ++totals.events;
	event->page = v->live->page;
	event->mark = v->live->mark;
	event->born = now_us();
	event->happened_wall = wall_ms();
	id_stamp(v, event->seed, event->born, event->id);
	event->earlier = event_ledger;
	event_ledger = event;
	return event;
}

/* Writes the message about it into `text` (MESSAGE_LIMIT); its length. */
static int
write_message(const Visitor *v, Event *event, char *text)
{
	char name[TEXT_LIMIT], properties[TEXT_LIMIT], view[64] = "";

	if (!event->said)
		id_stamp(v, event->seed, event->born, event->id);
	event->said = true;
	if (event->during)
	{
		view_name(v, event->during);
		snprintf(view, sizeof view, ",\"view\":\"%s\"", event->during->id);
	}
	write_name(event, name);
	write_properties(event, properties);
	return snprintf(
		text, MESSAGE_LIMIT,
		"{\"type\":\"event\",\"event\":\"%s\"%s,\"url\":\"http://127.0.0.1:%ld/page/%d\","
		"\"language\":\"en\",\"time_zone\":\"UTC\",\"name\":%s%s%s}",
		event->id, view, rules.port, event->page % 50, name, properties[0] ? ",\"props\":" : "",
		properties);
}

void
event_told(const Visitor *v, Event *event, bool noted)
{
	const char *view = event->during ? event->during->id : "";
	Telling	   *telling;

	if (event->stored)
		return;
	for (telling = event->tellings; telling; telling = telling->next)
	{
		if (telling->noted == noted && strcmp(telling->view, view) == 0 &&
			strcmp(telling->session, v->session) == 0)
			return;
	}
	telling = calloc(1, sizeof *telling);
	if (telling == NULL)
		abort();
	strcpy(telling->view, view);
	strcpy(telling->session, v->session);
	telling->noted = noted;
	telling->next = event->tellings;
	event->tellings = telling;
}

/* Tells of it on the socket; false when that is gone. */
static bool
tell(Visitor *v, Event *event)
{
	Message message = {.event = event};

	if (v->step != STEP_OPEN)
		return false;
	message.length = write_message(v, event, message.text);
	return visitor_send(v, &message);
}

void
event_happens(Visitor *v)
{
	Event *event = event_new(v);

	event->next = v->events;
	v->events = event;
	if (tell(v, event) && visitor_roll(v, 10) == 0)
	{
		totals.repeats++;
		tell(v, event);
	}
	if (visitor_roll(v, 10) == 0)
		visitor_note(v, NULL);
}

void
events_greet(Visitor *v)
{
	for (Event *event = v->events; event && tell(v, event); event = event->next)
	{
		if (visitor_roll(v, 10) == 0)
		{
			totals.repeats++;
			tell(v, event);
		}
	}
	if (v->event_again && visitor_roll(v, 4) == 0)
	{
		totals.repeats++;
		tell(v, v->event_again);
		v->event_again = NULL;
	}
}

/* A note that brings no cookie is of a session of its own, so there is none before the first. */
int
events_note(Visitor *v, char *body, int length, int count)
{
	for (Event *event = v->cookie[0] ? v->events : NULL; event && count < NOTE_MESSAGES;
		 event = event->next)
	{
		if (count++)
			body[length++] = ',';
		length += write_message(v, event, body + length);
		event_told(v, event, true);
	}
	return length;
}

/* Takes it out of what is told again. */
static void
forget(Visitor *v, Event *event)
{
	Event **at = &v->events;

	while (*at != event)
		at = &(*at)->next;
	*at = event->next;
	event->ended_wall = wall_ms();
}

/* Final but for want of room, and for a clock: then it gets a new time, and keeps its random bits. */
static void
refused(Visitor *v, Event *event, const char *text)
{
	char code[sizeof event->refused];

	answer_field(text, "code", code, sizeof code);
	if (strcmp(code, "busy") == 0)
		return;
	if (strcmp(code, "clock") == 0 && rules.skew_ms >= 0)
	{
		event->tellings = NULL;
		event->said = false;
		if (visitor_drifts(v))
			tell(v, event);
		return;
	}
	if (totals.refused++ < 5)
		fprintf(stderr, "%s\n", text);
	strcpy(event->refused, code);
	forget(v, event);
}

bool
event_heard(Visitor *v, const char *text)
{
	char   id[37];
	Event *event = v->events;

	answer_field(text, "event", id, sizeof id);
	if (id[0] == '\0')
		return false;
	while (event && strcmp(event->id, id) != 0)
		event = event->next;
	if (event == NULL)
		return true;
	if (answer_says(text, "refused"))
	{
		refused(v, event, text);
		return true;
	}
	v->failures = 0;
	event->acked = true;
	if (answer_says(text, "stored"))
	{
		event->stored = true;
		v->event_again = event;
		forget(v, event);
	}
	return true;
}

void
events_leave(Visitor *v, const View *view)
{
	Event *next;

	for (Event *event = v->events; event; event = next)
	{
		next = event->next;
		if (event->during == view)
		{
			event->gone = true;
			forget(v, event);
		}
	}
}

/* A text as a field of CSV. */
static void
write_field(FILE *file, const char *text)
{
	if (text[0] == '\0')
		return;
	putc('"', file);
	for (; *text; text++)
	{
		if (*text == '"')
			putc('"', file);
		putc(*text, file);
	}
	putc('"', file);
}

/* One line: the event as it was told once. */
static void
write_line(FILE *file, const Event *event, const Telling *telling)
{
	char text[TEXT_LIMIT];

	fprintf(file, "%s,", event->id);
	write_name(event, text);
	write_field(file, text);
	putc(',', file);
	write_properties(event, text);
	write_field(file, text);
	fprintf(file, ",/page/%d,%s,%s,%d,%d,%d,%d,%s,%lld,%lld\n", event->page % 50, telling->view,
			telling->session, telling->noted, event->acked, event->stored, event->gone,
			event->refused, (long long) event->happened_wall, (long long) event->ended_wall);
}

bool
events_write(const char *path)
{
	static const Telling never;
	FILE				*file = fopen(path, "w");

	if (file == NULL)
		return false;
	for (const Event *event = event_ledger; event; event = event->earlier)
	{
		const Telling *telling = event->tellings ? event->tellings : &never;

		for (; telling; telling = telling->next)
			write_line(file, event, telling);
	}
	return fclose(file) == 0;
}
