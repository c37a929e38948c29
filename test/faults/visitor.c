/*
 * visitor.c
 *	  What a browser with our tracker does, and what it should not do but might:
 *	  say things twice, late, out of order, or never again.
 *
 *	AWAY --connect--> SHAKING --101--> GREETING --hello--> OPEN
 *	  ^------------------ any death, with jittered backoff ------'
 *
 * All chance comes from the visitor's own dice, so a seed plays the same visitors
 * again; only the moments at which the server answers are not ours.
 */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS			 INT64_C(1000)
#define HANDSHAKE_MS 5000
#define NOTE_MS		 5000
#define PAGE_MS		 2000 /* a visitor without a view goes on to another page */

long heartbeat_ms = 15000;

/* xorshift128+ */
uint64_t
visitor_roll(Visitor *v, uint64_t limit)
{
	uint64_t a = v->dice[0];
	uint64_t b = v->dice[1];

	v->dice[0] = b;
	a ^= a << 23;
	v->dice[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
	return (v->dice[1] + b) % limit;
}

/* Microseconds between two bounds in ms. */
static int64_t
between(Visitor *v, int64_t least, int64_t most)
{
	return least * MS + (int64_t) visitor_roll(v, (uint64_t) ((most - least) * MS + 1));
}

void
visitor_init(Visitor *v, int number)
{
	uint64_t mixed = rules.seed;

	v->number = number;
	for (int i = 0; i < 2; i++)
	{
		mixed += UINT64_C(0x9e3779b97f4a7c15) * (uint64_t) (2 * number + i + 1);
		v->dice[i] = (mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9) | 1;
	}
	for (int i = 0; i < 20; i++)
		visitor_roll(v, 2);
	v->line = (Line){.fd = -1, .owner = v};
	v->beacon = (Line){.fd = -1, .note = true, .owner = v};
	v->begins = now_us() + between(v, 0, 1000);
	if (rules.skew_ms > 0)
		v->skew = between(v, -rules.skew_ms, rules.skew_ms) / MS;
}

bool
visitor_settled(const Visitor *v)
{
	return rules.settling && v->live == NULL && v->pending == NULL && v->events == NULL &&
		   v->noted == NULL && v->shelved == 0;
}

/* The socket is no more; the next one comes after a while. */
static void
leave_socket(Visitor *v, bool reset, int64_t pause)
{
	line_close(&v->line, reset);
	v->step = STEP_AWAY;
	v->known = false;
	v->adrift = false;
	v->unanswered = 0;
	v->retry = now_us() + pause;
}

void
visitor_lost(Visitor *v)
{
	int64_t most = 50 << (v->failures < 10 ? v->failures : 10);

	totals.deaths++;
	v->failures++;
	leave_socket(v, false, between(v, 0, most < rules.backoff_ms ? most : rules.backoff_ms));
}

void
visitor_reset(Visitor *v)
{
	if (v->step == STEP_AWAY)
		return;
	line_close(&v->line, true);
	visitor_lost(v);
}

/* --- what is said -------------------------------------------------------------- */

bool
visitor_send(Visitor *v, const Message *message)
{
	if (rules.mischief && mischief_keeps(v, message))
		return true;
	if (v->unanswered == 0)
		v->unanswered = now_us();
	if (message->event)
		event_told(v, message->event, false);
	if (!line_frame(&v->line, 1, message->text, (size_t) message->length))
	{
		visitor_lost(v);
		return false;
	}
	mischief_sweep(v, true, now_us());
	return v->step == STEP_OPEN;
}

/* Says it as the view stands; false when the socket is gone. */
static bool
say(Visitor *v, View *view, const char *type, bool whole)
{
	Message message = {.view = view, .n = view->n, .opens = type[0] == 'v'};

	if (v->step != STEP_OPEN)
		return false;
	view_name(v, view);
	message.length = view_message(view, type, whole, message.text);
	return visitor_send(v, &message);
}

/* How the live view stands now; on a new socket it is announced again. */
static void
report(Visitor *v, bool shown)
{
	View   *view = v->live;
	int64_t now = now_us();

	view_count(view, shown, now);
	view->n++;
	if (v->step != STEP_OPEN)
		return;
	view->reported = now;
	if (say(v, view, v->known ? "state" : "view", !v->known))
		v->known = true;
	/* Late and out of order: an older message, with older figures, after a newer one. */
	if (v->step == STEP_OPEN && view->n > 3 && visitor_roll(v, 8) == 0)
	{
		View older = *view;

		older.n -= 1 + (int) visitor_roll(v, 2);
		older.visible /= 2;
		older.elapsed = older.visible;
		totals.repeats++;
		say(v, &older, "state", false);
	}
}

bool
visitor_note(Visitor *v, View *only)
{
	char body[NOTE_LIMIT - 512];
	int	 length = 0, count = 0;

	if (v->beacon.fd >= 0)
		return false;
	for (View *view = only ? only : v->pending; view && count < NOTE_MESSAGES;
		 view = only ? NULL : view->next)
	{
		if (count++)
			body[length++] = ',';
		view_name(v, view);
		length += view_message(view, "end", true, body + length);
	}
	length = events_note(v, body, length, count);
	return visitor_post(v, body, length);
}

bool
visitor_post(Visitor *v, const char *messages, int length)
{
	char cookie[COOKIE_LIMIT + 16];

	cookie_line(v, cookie);
	v->letter_length = snprintf(v->letter, sizeof v->letter,
								"POST /_view/note HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\n"
								"Origin: http://127.0.0.1:%ld\r\nContent-Type: text/plain\r\n%s"
								"Connection: close\r\nContent-Length: %d\r\n\r\n[%.*s]",
								rules.port, rules.port, cookie, length + 2, length, messages);
	totals.notes++;
	v->noted_at = now_us();
	return line_open(&v->beacon);
}

/* A view that only the note was to tell of is gone if that was heard, and waits if not. */
void
visitor_noted(Visitor *v, int status)
{
	View *view = v->noted;

	line_close(&v->beacon, false);
	v->noted = NULL;
	if (view == NULL)
	{
		if (v->letter_again)
		{
			v->letter_again = false;
			line_open(&v->beacon);
			v->noted_at = now_us();
		}
		return;
	}
	if (status == 204)
	{
		view->gone = true;
		/* Where the time in its id may be refused, 204 does not say that it was taken. */
		if (rules.skew_ms < 0 || view->acked)
		{
			view->acked = true;
			view->heard = view->since;
		}
		return;
	}
	view->next = v->pending;
	v->pending = view;
}

/* --- how a view ends ------------------------------------------------------------ */

/* The view is over and waits until it is stored. */
static View *
finish(Visitor *v)
{
	View *view = v->live;

	view_count(view, view->shown, now_us());
	view->shown = false;
	view->n++;
	view->ended = true;
	view->ended_wall = wall_ms();
	view->next = v->pending;
	v->pending = view;
	v->live = NULL;
	return view;
}

/* The browser is killed, or never meets the site again. */
static void
vanish(Visitor *v, bool reset)
{
	View *view = v->live;

	view_count(view, false, now_us());
	view->gone = true;
	view->ended_wall = wall_ms();
	events_leave(v, view);
	v->live = NULL;
	v->shelved = 0;
	leave_socket(v, reset, between(v, 0, 300));
}

static void
leave(Visitor *v)
{
	uint64_t way = visitor_roll(v, 100);
	bool	 known;
	View	*view;

	if (!rules.settling && visitor_roll(v, 8) == 0) /* the last thing that is done */
		event_happens(v);
	known = v->known;
	if (!rules.settling && way < 12)
	{
		vanish(v, way < 6);
		return;
	}
	view = finish(v);
	if (!rules.settling && way < 20 && v->beacon.fd < 0)
	{
		/* The last word is a note, and nobody repeats it. */
		v->pending = view->next;
		v->noted = view;
		leave_socket(v, false, between(v, 0, 300));
		if (!visitor_note(v, view))
			visitor_noted(v, 0);
		return;
	}
	if (rules.settling || way < 70)
		say(v, view, "end", !known);
	if (way >= 30 && way < 36) /* twice */
	{
		totals.repeats++;
		say(v, view, "end", way & 1);
	}
	if (way >= 80 || (way >= 36 && way < 42)) /* as a note, too, or alone */
	{
		if (way >= 80)
			leave_socket(v, way & 1, between(v, 0, 500));
		visitor_note(v, NULL);
	}
	if (way >= 50 && way < 80 && !rules.settling) /* closed at once, a word sent or not */
		leave_socket(v, way % 5 == 0, between(v, 0, 500));
}

/* --- what is heard --------------------------------------------------------------- */

void
visitor_greeted(Visitor *v)
{
	v->step = STEP_GREETING;
}

/* The server greets: the live view is announced, then all that is left. */
static void
greeting(Visitor *v, const char *text)
{
	const char *beat = strstr(text, "\"heartbeat\":");
	const char *clock = strstr(text, "\"now\":");
	int64_t		waited = (now_us() - v->unanswered) / MS;
	View	   *view = v->pending;

	/* A hello that is heard late says nothing about so small a difference. */
	v->offset = clock ? atoll(clock + strlen("\"now\":")) - wall_ms() - v->skew : 0;
	if (llabs(v->offset) <= waited)
		v->offset = 0;
	v->step = STEP_OPEN;
	v->unanswered = 0;
	v->greeted = now_us();
	totals.sockets++;
	if (beat)
		heartbeat_ms = atol(beat + strlen("\"heartbeat\":"));
	if (v->live)
		report(v, v->live->shown);
	while (view && say(v, view, "end", true))
	{
		if (visitor_roll(v, 10) == 0)
		{
			totals.repeats++;
			say(v, view, "end", true);
		}
		view = view->next;
	}
	if (v->again && visitor_roll(v, 4) == 0)
	{
		totals.repeats++;
		say(v, v->again, "end", true);
		v->again = NULL;
	}
	events_greet(v);
}

/* Takes a view out of what waits. */
static void
forget(Visitor *v, View *view)
{
	for (View **at = &v->pending; *at; at = &(*at)->next)
	{
		if (*at == view)
		{
			*at = view->next;
			break;
		}
	}
	if (v->live == view)
		v->live = NULL;
}

/* Once on a socket what was refused is said again there; then the next hello tells the time. */
bool
visitor_drifts(Visitor *v)
{
	totals.renamed++;
	if (v->adrift)
		leave_socket(v, false, 0);
	else
		v->adrift = true;
	return v->step == STEP_OPEN;
}

/* The server's clock is another: the view gets a new time and keeps its random bits. */
static void
rename_view(Visitor *v, View *view)
{
	view->said = false;
	if (view == v->live)
		v->known = false;
	if (!visitor_drifts(v))
		return;
	if (view == v->live)
		report(v, view->shown);
	else
		say(v, view, "end", true);
}

static void
refused(Visitor *v, View *view, const char *text)
{
	char code[sizeof view->refused];

	answer_field(text, "code", code, sizeof code);
	if (strcmp(code, "clock") == 0 && rules.skew_ms >= 0)
	{
		rename_view(v, view);
		return;
	}
	if (strcmp(code, "unknown_view") == 0)
	{
		if (view == v->live)
		{
			v->known = false;
			report(v, view->shown);
		}
		else
			say(v, view, "end", true);
		return;
	}
	if (totals.refused++ < 5)
		fprintf(stderr, "%s\n", text);
	snprintf(view->refused, sizeof view->refused, "%s", code);
	forget(v, view);
}

/* The view of his that an id names; NULL when he has forgotten it. */
static View *
find(Visitor *v, const char *id)
{
	if (v->live && strcmp(v->live->id, id) == 0)
		return v->live;
	for (View *view = v->pending; view; view = view->next)
	{
		if (strcmp(view->id, id) == 0)
			return view;
	}
	return NULL;
}

void
visitor_heard(Visitor *v, const char *text)
{
	const char *number = strstr(text, "\"n\":");
	int			n = number ? atoi(number + 4) : 0;
	char		id[37];
	View	   *view;

	if (answer_says(text, "hello"))
	{
		greeting(v, text);
		return;
	}
	v->unanswered = 0;
	if (answer_says(text, "error"))
	{
		if (totals.errors++ < 5)
			fprintf(stderr, "%s\n", text);
		return;
	}
	if (event_heard(v, text))
		return;
	answer_field(text, "view", id, sizeof id);
	view = find(v, id);
	if (view == NULL)
		return;
	if (answer_says(text, "refused"))
	{
		/* What went astray was overtaken: another page is there, or the end. */
		if (!rules.mischief || n >= view->n)
			refused(v, view, text);
		return;
	}
	v->failures = 0;
	view->acked = true;
	if (n > view->answered)
		view->answered = n;
	if (n >= view->n)
		view->heard = view->ended ? view->since : view->reported;
	if (answer_says(text, "stored") && view->ended && n >= view->n)
	{
		view->stored = true;
		view->stored_wall = wall_ms();
		v->again = view;
		forget(v, view);
	}
}

/* --- what is due -------------------------------------------------------------------- */

/* The live view's own time: hidden, shown, a heartbeat, the end. */
static void
live_on(Visitor *v, int64_t now)
{
	View *view = v->live;

	if (rules.settling || now >= v->leaves)
	{
		leave(v);
		v->begins = now + between(v, 0, 400);
	}
	else if (now >= v->turns)
	{
		v->turns = now + between(v, 50, 1500);
		report(v, !view->shown);
	}
	else if (now >= v->happens)
	{
		v->happens = visitor_roll(v, 2) ? now + between(v, 0, 800) : INT64_MAX;
		event_happens(v);
	}
	else if (view->shown && v->step == STEP_OPEN && now - view->reported > heartbeat_ms * MS)
		report(v, true);
}

void
visitor_sweep(Visitor *v, int64_t now, int64_t late)
{
	if (v->live && late > v->live->stall)
		v->live->stall = late;
	if (v->beacon.fd >= 0 && now - v->noted_at > NOTE_MS * MS)
		visitor_noted(v, 0);
	if (v->live)
		live_on(v, now);
	else if (!rules.settling && now >= v->begins)
	{
		v->live = view_new(v, now);
		v->leaves = now + between(v, 100, visitor_roll(v, 4) ? 1500 : 5000);
		v->turns = now + between(v, 50, 1500);
		v->happens = visitor_roll(v, 3) ? INT64_MAX : now + between(v, 0, 1500);
		v->known = false;
		if (v->step == STEP_OPEN)
			report(v, true);
		else if (v->step == STEP_AWAY && v->failures == 0)
			v->retry = now;
	}
	mischief_sweep(v, false, now);
	/* The answer may have gone to another connection: the next page asks again. */
	if (rules.settling && v->step == STEP_OPEN && (v->pending || v->events) &&
		now - v->greeted > PAGE_MS * MS)
	{
		totals.pages++;
		leave_socket(v, false, 0);
	}
	if (v->step == STEP_AWAY)
	{
		if (now >= v->retry && (v->live || v->pending || v->events))
		{
			v->step = STEP_SHAKING;
			v->unanswered = now;
			if (!line_open(&v->line))
				visitor_lost(v);
		}
	}
	else if (v->unanswered &&
			 now - v->unanswered > (v->step == STEP_OPEN ? 2 * heartbeat_ms : HANDSHAKE_MS) * MS)
	{
		totals.watchdogs++;
		visitor_lost(v);
	}
}
