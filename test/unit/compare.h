/*
 * compare.h
 *	  All that can be seen of a registry, compared with the model.
 *
 * The first difference is kept; the rest of the sequence is then of no interest.
 */
#ifndef PAGEVIEWS_TEST_COMPARE_H
#define PAGEVIEWS_TEST_COMPARE_H

#include "model.h"
#include "unit.h"

static Registry	 *registry;
static Queue	 *queue;
static Recent	 *recent;
static View		  board[MODEL_VIEWS]; /* as the registry showed it last */
static bool		  shown[MODEL_VIEWS];
static ModelReply replies[MODEL_REPLIES];
static int		  reply_count;
static bool		  failed;
static char		  complaint[200]; /* the first difference */

static inline void
expect(int64_t actual, int64_t expected, const char *what, int view)
{
	if (actual == expected || failed)
		return;
	failed = true;
	snprintf(complaint, sizeof complaint, "view %d: %s is %lld, the model says %lld", view, what,
			 (long long) actual, (long long) expected);
}

static inline Uuid
id_of(int number, int64_t time)
{
	Uuid id;

	memset(id.bytes, 0, sizeof id.bytes);
	for (int i = 0; i < 6; i++)
		id.bytes[i] = (uint8_t) ((uint64_t) time >> (40 - 8 * i));
	id.bytes[6] = 0x70;
	id.bytes[8] = 0x80;
	id.bytes[15] = (uint8_t) number;
	return id;
}

static inline Uuid
session_of(int number)
{
	Uuid id;

	memset(id.bytes, 0, sizeof id.bytes);
	id.bytes[0] = (uint8_t) number;
	return id;
}

static inline ConnectionId
connection_of(Who who)
{
	return who.life == 0 ? 0 : CONNECTION_ID((uint32_t) who.slot, (uint32_t) who.generation);
}

static inline int
number_of(Text text)
{
	return text.length == 0 ? 0 : text.data[1] - 'a' + 1;
}

static inline void
compare_who(ConnectionRef actual, Who expected, const char *what, int i)
{
	expect((int64_t) actual.connection, (int64_t) connection_of(expected), what, i);
	if (expected.life == 0)
		return;
	expect(actual.listener, expected.listener, what, i);
	expect(actual.life + 1, expected.life, what, i);
}

static inline void
compare_texts(const ViewTexts *texts, const ModelPage *expected, int i)
{
	const PageDescription *page = &texts->page;
	Visitor				   visitor = view_texts_visitor(texts);

	expect(number_of(page->path), expected->path, "path", i);
	expect(number_of(page->title), expected->title, "title", i);
	expect(number_of(page->name), expected->name, "name", i);
	expect(page->navigation, expected->navigation, "navigation", i);
	expect(page->screen_width, expected->width, "screen width", i);
	expect(page->property_count == 0 ? 0 : number_of(page->properties[0].string),
		   expected->property, "property", i);
	expect(number_of(visitor.user_agent), expected->agent, "user agent", i);
	expect(number_of(visitor.system), expected->agent, "system", i);
}

static inline void
compare_row(const ViewRow *row, const ModelView *view, int i)
{
	const ModelRow *expected = &view->row;

	expect(row->revision, expected->revision, "revision", i);
	expect(row->engagement, expected->engagement, "engagement", i);
	expect(row->focused, expected->focused, "focused", i);
	expect(row->active, expected->active, "active", i);
	expect(row->started_at, uuid_v7_time(&view->id), "started_at", i);
	expect(row->ended_at, expected->ended_at, "ended_at", i);
	expect(row->reason, expected->reason, "reason", i);
	expect(row->scroll, expected->scroll, "scroll", i);
	expect(row->session.bytes[0], view->session, "session", i);
	compare_who(row->reply_to, expected->who, "reply_to", i);
	compare_texts(row->texts, &expected->page, i);
	expect(row->active <= row->focused && row->focused <= row->engagement, true, "order of figures",
		   i);
}

static inline void
compare_view(const View *view, const ModelView *expected, int i)
{
	int64_t since = expected->credit;

	if (expected->place == OPEN && expected->state != PAGE_HIDDEN)
		since = (model.now.monotonic - expected->told_at) / 1000;
	expect(view->phase, expected->place == LOST ? VIEW_LOST : VIEW_OPEN, "phase", i);
	expect(view->state, expected->state, "state", i);
	expect(view->n, expected->n, "n", i);
	expect(view->reported.elapsed, expected->told.elapsed, "elapsed", i);
	expect(view->reported.visible, expected->told.visible, "visible", i);
	expect(view->reported.focused, expected->told.focused, "focused", i);
	expect(view->reported.active, expected->told.active, "active", i);
	expect(view->reported.gap, expected->told.gap, "gap", i);
	expect(view->gap_credit, expected->given_back, "gap credit", i);
	expect(view->lost_credit, expected->credit, "lost credit", i);
	expect(view_engagement(view, model.now.monotonic), model_engagement(expected, since),
		   "engagement now", i);
	expect(view->session.bytes[0], expected->session, "session", i);
	expect(view->scroll, expected->scroll, "scroll", i);
	expect(view->origin, expected->began, "origin", i);
	compare_who(view->owner, expected->owner, "owner", i);
	compare_texts(view->texts, &expected->page, i);
}

static inline void
compare_counts(void)
{
	RegistryCounts c = registry_counts(registry);

	expect((int64_t) c.announced, model.announced, "announced", -1);
	expect((int64_t) c.open, model_count(OPEN), "open", -1);
	expect((int64_t) c.lost, model_count(LOST), "lost", -1);
	expect((int64_t) c.queued, model_count(WAITING), "queued", -1);
	expect((int64_t) c.stored, model_fate(STORED), "stored", -1);
	expect((int64_t) c.rejected, model_fate(REJECTED), "rejected", -1);
	expect((int64_t) c.refused, model_fate(REFUSED), "refused", -1);
	expect((int64_t) c.dropped, model_fate(DROPPED), "dropped", -1);
	expect((int64_t) (c.stored + c.rejected + c.open + c.lost + c.queued + c.refused + c.dropped),
		   (int64_t) c.announced, "conservation", -1);
	expect((int64_t) c.messages, model.verdicts[VIEW_ACCEPTED], "messages", -1);
	expect((int64_t) c.repeated, model.verdicts[VIEW_REPEATED], "repeated", -1);
	for (int verdict = VIEW_REFUSED_CLOCK; verdict <= VIEW_REFUSED_REJECTED; verdict++)
		expect((int64_t) c.refused_by[verdict], model.verdicts[verdict], "refused by", -1);
	expect(registry_full(registry), !model_has_slot() || !model_has_room(), "full", -1);
}

static inline void
compare_replies(void)
{
	expect(reply_count, model.reply_count, "answers", -1);
	for (int i = 0; i < reply_count && i < model.reply_count; i++)
	{
		const ModelReply *a = &replies[i];
		const ModelReply *e = &model.replies[i];

		expect(a->view, e->view, "answered view", i);
		expect(a->n, e->n, "answered n", i);
		expect(a->what, e->what, "answer", i);
		expect(a->to.listener, e->to.listener, "answered listener", i);
		expect(a->to.life, e->to.life, "answered life", i);
		expect((int64_t) connection_of(a->to), (int64_t) connection_of(e->to),
			   "answered connection", i);
	}
}

static inline void
compare_deadline(void)
{
	Micros deadline = INT64_MAX;

	for (int i = 0; i < model.ids; i++)
	{
		const ModelView *view = &model.views[i];

		if (view->place == LOST)
			deadline = least(deadline, view->lost_since + model.linger);
		if ((view->place == OPEN || view->place == LOST) && view->checked)
			deadline = least(deadline, view->checked_since + model.checkpoint);
	}
	expect(registry_deadline(registry), deadline, "deadline", -1);
}

static inline void
compare_queue(void)
{
	const ViewRow *rows[MODEL_QUEUE];
	uint32_t	   count = queue_peek(queue, rows, MODEL_QUEUE);
	uint32_t	   expected = 0;
	int64_t		   order = 0;
	Micros		   oldest = INT64_MAX;

	for (int i = 0; i < model.ids; i++)
	{
		expected += model.views[i].row.there;
		if (model.views[i].row.there)
			oldest = least(oldest, model.views[i].row.put_at);
	}
	expect(count, expected, "rows", -1);
	expect(queue_oldest(queue), oldest, "oldest row", -1);
	for (uint32_t i = 0; i < count; i++)
	{
		const ModelView *view = &model.views[rows[i]->view.bytes[15]];

		expect(view->row.order > order, true, "place in the queue", rows[i]->view.bytes[15]);
		order = view->row.order;
	}
}

/* All that can be seen of the registry against the model. */
static inline void
compare(void)
{
	int on_board[MODEL_IDS];

	memset(on_board, -1, sizeof on_board);
	for (int slot = 0; slot < model.view_limit; slot++)
	{
		if (shown[slot])
			on_board[board[slot].id.bytes[15]] = slot;
	}
	for (int i = 0; i < model.ids; i++)
	{
		const ModelView	  *view = &model.views[i];
		const ViewRow	  *row = queue_find(queue, &view->id);
		const RecentEntry *entry = recent_find(recent, &view->id);
		bool			   held = view->place == OPEN || view->place == LOST;

		expect(registry_holds(registry, &view->id), held, "held", i);
		expect(on_board[i] >= 0, held, "shown", i);
		if (held && on_board[i] >= 0)
			compare_view(&board[on_board[i]], view, i);
		expect(row != NULL, view->row.there, "waiting", i);
		if (row != NULL)
			compare_row(row, view, i);
		expect(entry != NULL, view->known, "known", i);
		if (entry != NULL)
		{
			expect(entry->revision, view->known_revision, "known revision", i);
			expect(entry->origin, view->known_began, "known origin", i);
		}
	}
	compare_queue();
	compare_counts();
	compare_replies();
	compare_deadline();
}

#endif /* PAGEVIEWS_TEST_COMPARE_H */
