/*
 * view.c
 *	  One page view: the figures, the transitions, the rows; see view.h.
 */
#include "view.h"

#include <stdlib.h>

#ifdef POSTGRES_H
#error "view.c must not include Postgres"
#endif

/* --- texts ---------------------------------------------------------------- */

#define PAGE_TEXT_COUNT (8 + 2 * PROPERTY_COUNT_LIMIT)

/* Lists every text of a page, for a copy to move; returns how many. */
static int
list_texts(PageDescription *page, Text **list)
{
	int count = 0;

	list[count++] = &page->site;
	list[count++] = &page->path;
	list[count++] = &page->query;
	list[count++] = &page->referrer;
	list[count++] = &page->title;
	list[count++] = &page->name;
	list[count++] = &page->language;
	list[count++] = &page->time_zone;
	for (int i = 0; i < page->property_count; i++)
	{
		list[count++] = &page->properties[i].key;
		list[count++] = &page->properties[i].string;
	}
	return count;
}

ViewTexts *
view_texts_new(const PageDescription *page, const Visitor *visitor)
{
	ViewTexts  header = {.references = 1, .page = *page, .visitor = visitor_pack(visitor)};
	Text	  *list[PAGE_TEXT_COUNT];
	ViewTexts *texts;
	size_t	   used;
	size_t	   size;
	char	  *at;
	int		   count;

	if (header.page.property_count > PROPERTY_COUNT_LIMIT)
		header.page.property_count = PROPERTY_COUNT_LIMIT;
	used = offsetof(ViewTexts, page.properties) +
		   header.page.property_count * sizeof header.page.properties[0];
	size = used + visitor_size(header.visitor);
	count = list_texts(&header.page, list);
	for (int i = 0; i < count; i++)
		size += list[i]->length;
	texts = malloc(size);
	if (texts == NULL)
		return NULL;

	at = (char *) texts + used;
	for (int i = 0; i < count; i++)
	{
		if (list[i]->length > 0)
			memcpy(at, list[i]->data, list[i]->length);
		list[i]->data = at;
		at += list[i]->length;
	}
	visitor_copy_texts(visitor, at);
	header.visitor_texts = at;
	memcpy(texts, &header, used);
	return texts;
}

ViewTexts *
view_texts_share(ViewTexts *texts)
{
	texts->references++;
	return texts;
}

void
view_texts_release(ViewTexts *texts)
{
	if (texts != NULL && --texts->references == 0)
		free(texts);
}

/* Keeps the earlier text where the later one says nothing. */
static void
keep_text(Text *later, Text earlier)
{
	if (later->length == 0)
		*later = earlier;
}

void
view_describe(View *view, const PageDescription *page)
{
	const PageDescription *first = &view->texts->page;
	Visitor				   visitor = view_texts_visitor(view->texts);
	PageDescription		   merged = *page;
	ViewTexts			  *texts;

	merged.site = first->site;
	merged.path = first->path;
	if (first->navigation != NAVIGATION_UNKNOWN)
		merged.navigation = first->navigation;
	keep_text(&merged.query, first->query);
	keep_text(&merged.referrer, first->referrer);
	keep_text(&merged.title, first->title);
	keep_text(&merged.name, first->name);
	keep_text(&merged.language, first->language);
	keep_text(&merged.time_zone, first->time_zone);
	if (merged.screen_width == 0)
		merged.screen_width = first->screen_width;
	if (merged.screen_height == 0)
		merged.screen_height = first->screen_height;
	if (merged.property_count == 0)
	{
		merged.property_count = first->property_count;
		memcpy(merged.properties, first->properties,
			   first->property_count * sizeof merged.properties[0]);
	}

	texts = view_texts_new(&merged, &visitor);
	if (texts == NULL)
		return;
	view_texts_release(view->texts);
	view->texts = texts;
}

/* --- verdicts -------------------------------------------------------------- */

const char *
view_verdict_code(ViewVerdict verdict)
{
	switch (verdict)
	{
		case VIEW_ACCEPTED:
			return "accepted";
		case VIEW_REPEATED:
			return "repeated";
		case VIEW_REFUSED_CLOCK:
			return "clock";
		case VIEW_REFUSED_UNKNOWN:
			return "unknown_view";
		case VIEW_REFUSED_ENDED:
			return "ended";
		case VIEW_REFUSED_BUSY:
			return "busy";
		case VIEW_REFUSED_REJECTED:
			return "rejected";
	}
	return "unknown";
}

const char *
view_verdict_text(ViewVerdict verdict)
{
	switch (verdict)
	{
		case VIEW_ACCEPTED:
			return "the message was taken";
		case VIEW_REPEATED:
			return "the message was known already";
		case VIEW_REFUSED_CLOCK:
			return "the timestamp in the view's id lies more than 7 days back or 5 minutes ahead of the server's clock";
		case VIEW_REFUSED_UNKNOWN:
			return "nothing is known of this view: announce it with all its fields";
		case VIEW_REFUSED_ENDED:
			return "this view was ended by its browser before";
		case VIEW_REFUSED_BUSY:
			return "the server has no room for another view";
		case VIEW_REFUSED_REJECTED:
			return "this view is not taken: it could not be stored, or its session was forgotten";
	}
	return "unknown";
}

ViewVerdict
view_check_clock(const Uuid *id, WallMillis now)
{
	WallMillis time = uuid_v7_time(id);

	if (time < now - VIEW_AGE_LIMIT_MS || time > now + VIEW_AHEAD_LIMIT_MS)
		return VIEW_REFUSED_CLOCK;
	return VIEW_ACCEPTED;
}

/* --- figures --------------------------------------------------------------- */

/* A figure as it may be stored. */
static int32_t
clamp_figure(int64_t milliseconds)
{
	if (milliseconds < 0)
		return 0;
	return milliseconds < FIGURE_LIMIT ? (int32_t) milliseconds : FIGURE_LIMIT;
}

/* What a figure may grow to: the claim, but not above `bound`, and never less than it was. */
static void
raise_figure(int32_t *figure, int32_t claim, int32_t bound)
{
	if (claim > bound)
		claim = bound;
	if (claim > *figure)
		*figure = claim;
}

/* Raises all figures to what is claimed at `at` and believed. */
static void
raise_figures(View *view, const Figures *claim, Micros at, Moment now)
{
	int64_t	 steady = (at - view->origin) / MICROS_PER_MILLI;
	int64_t	 wall = clock_wall_of(at, now) - uuid_v7_time(&view->id);
	int32_t	 age = clamp_figure((steady > wall ? steady : wall) + VIEW_CLOCK_SLACK_MS);
	Figures *kept = &view->reported;

	raise_figure(&kept->elapsed, claim->elapsed, age);
	raise_figure(&kept->visible, claim->visible, kept->elapsed);
	raise_figure(&kept->focused, claim->focused, kept->visible);
	raise_figure(&kept->active, claim->active, kept->focused);
	raise_figure(&kept->gap, claim->gap, kept->elapsed);
}

Micros
view_origin(const Uuid *id, Micros at, Moment now)
{
	Micros origin = now.monotonic - (now.wall - uuid_v7_time(id)) * MICROS_PER_MILLI;

	return origin < at ? origin : at;
}

/* The deepest scroll of two. */
static int32_t
deepest(int32_t a, int32_t b)
{
	int32_t scroll = a > b ? a : b;

	return scroll < 100 ? scroll : 100;
}

/* --- transitions ----------------------------------------------------------- */

void
view_begin(View *view, const ViewMessage *message, const Uuid *session, ViewTexts *texts,
		   Micros origin, Micros at, Moment now)
{
	memset(view, 0, sizeof *view);
	view->id = message->view;
	view->session = *session;
	view->phase = VIEW_OPEN;
	view->state = message->state;
	view->n = message->n;
	view->scroll = deepest(-1, message->scroll);
	view->origin = origin;
	view->reported_at = at;
	view->stored_revision = -1;
	view->texts = texts;
	raise_figures(view, &message->figures, at, now);
}

void
view_reopen(View *view, const ViewRow *row, Moment now)
{
	memset(view, 0, sizeof *view);
	view->id = row->view;
	view->session = row->session;
	view->phase = VIEW_OPEN;
	view->state = PAGE_HIDDEN;
	view->n = view_row_n(row);
	view->reported = row->reported;
	view->scroll = row->scroll;
	view->gap_credit = row->gap_credit;
	view->origin = row->origin;
	view->reported_at = now.monotonic;
	view->stored_revision = row->revision;
	view->texts = row->texts;
}

ViewVerdict
view_report(View *view, const ViewMessage *message, int32_t covered, Micros at, Moment now)
{
	int32_t gap = view->reported.gap;

	if (message->n <= view->n)
		return VIEW_REPEATED;

	view->n = message->n;
	view->phase = VIEW_OPEN;
	view->state = message->state;
	view->scroll = deepest(view->scroll, message->scroll);
	view->lost_credit = 0;
	view->lost_at = 0;
	view->lost_reason = END_NONE;
	view->reported_at = at;
	raise_figures(view, &message->figures, at, now);

	gap = view->reported.gap - gap;
	if (gap > covered)
		gap = covered > 0 ? covered : 0;
	view->gap_credit += gap;
	return VIEW_ACCEPTED;
}

void
view_lost(View *view, EndReason reason, Micros died_at, Micros last_pong)
{
	Micros until = died_at;

	if (reason == END_TIMEOUT && last_pong < died_at)
		until = last_pong;
	view->phase = VIEW_LOST;
	view->lost_at = died_at;
	view->lost_reason = reason;
	view->lost_credit = 0;
	if (view->state != PAGE_HIDDEN)
		view->lost_credit = clamp_figure((until - view->reported_at) / MICROS_PER_MILLI);
}

/* --- results --------------------------------------------------------------- */

/* Visible time with credit, never above what has elapsed. */
static int32_t
engagement_with(const View *view, int64_t credit)
{
	int64_t seen = (int64_t) view->reported.visible + view->gap_credit;

	if (seen > view->reported.elapsed)
		seen = view->reported.elapsed;
	return clamp_figure(seen + credit);
}

/* What a row that is over for this reason is worth. */
static RevisionRank
rank_of(EndReason reason)
{
	switch (reason)
	{
		case END_NONE:
			return RANK_OPEN;
		case END_RECOVERED:
			return RANK_RECOVERED;
		case END_CLOSED:
		case END_NAVIGATED:
			return RANK_ENDED;
		case END_LOST:
		case END_TIMEOUT:
		case END_SHUTDOWN:
			break;
	}
	return RANK_LOST;
}

void
view_row(const View *view, EndReason reason, Moment now, ViewRow *row)
{
	int32_t credit = reason == END_NONE ? 0 : view->lost_credit;

	memset(row, 0, sizeof *row);
	row->view = view->id;
	row->session = view->session;
	row->revision = (int64_t) view->n * 4 + rank_of(reason);
	row->started_at = uuid_v7_time(&view->id);
	row->engagement = engagement_with(view, credit);
	row->focused = view->reported.focused;
	if (view->state == PAGE_FOCUSED)
		row->focused = clamp_figure((int64_t) row->focused + credit);
	row->active = view->reported.active;
	row->scroll = (int8_t) view->scroll;
	row->reason = reason;
	row->texts = view_texts_share(view->texts);
	row->reply_to = view->owner;
	row->reported = view->reported;
	row->gap_credit = view->gap_credit;
	row->origin = view->origin;

	if (reason != END_NONE)
	{
		row->ended_at = row->started_at + view->reported.elapsed + credit;
		if (row->ended_at > now.wall + VIEW_CLOCK_SLACK_MS)
			row->ended_at = now.wall + VIEW_CLOCK_SLACK_MS;
		if (row->ended_at < row->started_at)
			row->ended_at = row->started_at;
	}
}

int32_t
view_engagement(const View *view, Micros now)
{
	int64_t since = 0;

	if (view->phase == VIEW_LOST)
		since = view->lost_credit;
	else if (view->state != PAGE_HIDDEN && now > view->reported_at)
		since = (now - view->reported_at) / MICROS_PER_MILLI;
	return engagement_with(view, since);
}
