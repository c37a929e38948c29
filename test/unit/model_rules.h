/*
 * model_rules.h
 *	  What the model does when something happens: messages, losses, batches.
 *
 * The state that it works on, and what may become of one view, is in model.h.
 */
#ifndef PAGEVIEWS_TEST_MODEL_RULES_H
#define PAGEVIEWS_TEST_MODEL_RULES_H

#include "model.h"

/* An id that is nowhere is heard of: what it counted as before is over, or forgotten. */
static inline void
model_enter(ModelView *view)
{
	bool remembered =
		view->fate == REFUSED || ((view->fate == STORED || view->fate == REJECTED) && view->known);

	if (!remembered)
	{
		model.ghosts[view->fate]++;
		model.announced++;
	}
}

static inline ViewVerdict
model_refuse(ModelView *view, ViewVerdict verdict)
{
	if (!view->known && view->fate != REFUSED)
	{
		model_enter(view);
		view->fate = REFUSED;
	}
	return verdict;
}

/* Texts are one letter and another that counts: "ta", "tb"; 0 when there is none. */
static inline int
model_number(Text text)
{
	return text.length == 0 ? 0 : text.data[1] - 'a' + 1;
}

static inline ModelPage
model_page(const PageDescription *page)
{
	return (ModelPage){
		.path = model_number(page->path),
		.title = model_number(page->title),
		.name = model_number(page->name),
		.navigation = (int) page->navigation,
		.width = page->screen_width,
		.property = page->property_count == 0 ? 0 : model_number(page->properties[0].string)};
}

/* What is said later wins, what is left out stays; where a page is and how one came there stays. */
static inline void
model_describe(ModelView *view, const ViewMessage *message)
{
	ModelPage  later = model_page(&message->page);
	ModelPage *page = &view->page;

	if (!message->described)
		return;
	if (later.title != 0)
		page->title = later.title;
	if (later.name != 0)
		page->name = later.name;
	if (later.width != 0)
		page->width = later.width;
	if (later.property != 0)
		page->property = later.property;
	if (page->navigation == 0)
		page->navigation = later.navigation;
}

/* A view that is not there begins, or is told of when it is over. */
static inline ViewVerdict
model_begin(ModelView *view, const ViewMessage *message, Who who, Micros at)
{
	int64_t			 age = model.now.wall - uuid_v7_time(&view->id);
	bool			 ahead = age < 0 && uuid_v7_time(&view->id) <= model.latest;
	ModelConnection *connection = model_connection(who);
	Uuid			 id = view->id;

	if (!view->known && !ahead && (age > VIEW_AGE_LIMIT_MS || -age > VIEW_AHEAD_LIMIT_MS))
		return model_refuse(view, VIEW_REFUSED_CLOCK);
	if (!model_has_room() || (message->kind == MESSAGE_VIEW && !model_has_slot()))
		return model_refuse(view, VIEW_REFUSED_BUSY);

	model_enter(view);
	*view = (ModelView){.id = id,
						.known = view->known,
						.known_revision = view->known_revision,
						.known_began = view->known_began,
						.known_order = view->known_order};
	view->session = connection->session;
	view->scroll = -1;
	view->began = view->known ? view->known_began
				  : ahead	  ? at - VIEW_AGE_LIMIT_MS * 1000
							  : least(model.now.monotonic - age * 1000, at);
	view->written = -1;
	view->page = model_page(&message->page);
	view->page.agent = connection->agent;
	model_tell(view, message, 0, at);
	view->given_back = 0;
	if (message->kind == MESSAGE_END)
	{
		model_end(view, message->reason, who);
		return VIEW_ACCEPTED;
	}
	view->checked = true;
	view->checked_since = model.now.monotonic;
	view->checked_order = ++model.order;
	if (connection->note)
		model_lose(view, END_LOST, at);
	else
	{
		view->place = OPEN;
		view->owner = who;
		connection->live = (int) (view - model.views);
	}
	return VIEW_ACCEPTED;
}

/* Who hears that its row is stored: a note's answer is over before that. */
static inline Who
model_asker(const ModelView *view, Who who)
{
	if (!model_connection(who)->note)
		return who;
	return view->place == WAITING ? view->row.who : view->owner;
}

/* A later message of a view that is held or waits. */
static inline void
model_go_on(ModelView *view, const ViewMessage *message, int64_t covered, Who who, Micros at)
{
	ModelConnection *connection = model_connection(who);
	Who				 asker = model_asker(view, who);

	model_describe(view, message);
	model_tell(view, message, covered, at);
	if (message->kind == MESSAGE_END)
	{
		model_end(view, message->reason, asker);
		return;
	}
	if (view->place == WAITING && !model_has_slot())
	{
		model_credit(view, at);
		model_write(view, END_LOST, asker);
		return;
	}
	if (view->place == WAITING)
	{
		view->row.there = false;
		view->checked = true;
		view->checked_since = model.now.monotonic;
		view->checked_order = ++model.order;
	}
	view->place = OPEN;
	if (!connection->note && connection->live < 0 &&
		(message->kind == MESSAGE_VIEW || view->owner.life == 0))
	{
		model_detach(view);
		view->owner = who;
		connection->live = (int) (view - model.views);
	}
	if (view->owner.life == 0)
		model_lose(view, END_LOST, at);
	else
		model_changed(view);
}

/* The page of a socket has moved on from the view that lives there, to this one. */
static inline void
model_left(const Uuid *to, Who who, Micros at)
{
	ModelConnection *connection = model_connection(who);
	ModelView		*other = connection->live < 0 ? NULL : &model.views[connection->live];

	if (other == NULL || memcmp(&other->id, to, sizeof other->id) == 0)
		return;
	model_credit(other, at);
	model_end(other, END_NAVIGATED, who);
}

/* Judges a message on an open connection; answers it. */
static inline void
model_message(ModelView *view, const ViewMessage *message, int64_t covered, Who who, Micros at)
{
	ModelConnection *connection = model_connection(who);
	bool			 end = message->kind == MESSAGE_END;
	bool			 nowhere = view->place == AWAY;
	int64_t			 last = !nowhere ? view->n : view->known ? view->known_revision / 4 : 0;
	bool			 ended = (view->place == WAITING && view->row.revision % 4 == 3) ||
				 (nowhere && view->known && view->known_revision % 4 == 3);
	bool moves_on = message->kind == MESSAGE_VIEW && connection->live >= 0 &&
					&model.views[connection->live] != view;
	bool		forgotten = nowhere && (view->erased ||
									uuid_v7_time(&view->id) <= model.forgotten[connection->session]);
	ViewVerdict verdict = VIEW_ACCEPTED;

	if (forgotten)
	{
		verdict = VIEW_REFUSED_REJECTED;
		if (moves_on)
			model_left(&view->id, who, at);
		if (message->described && !view->erased)
			model_refuse(view, verdict);
	}
	else if (nowhere && view->known && view->fate == REJECTED)
		verdict = VIEW_REFUSED_REJECTED;
	else if (message->n <= last)
	{
		verdict = VIEW_REPEATED;
		if (end && view->place == WAITING)
			view->row.who = model_asker(view, who);
	}
	else if (ended && !end)
		verdict = VIEW_REFUSED_ENDED;
	else if (nowhere && !message->described)
		verdict = VIEW_REFUSED_UNKNOWN;
	else
	{
		if (moves_on)
			model_left(&view->id, who, at);
		if (nowhere)
			verdict = model_begin(view, message, who, at);
		else
			model_go_on(view, message, covered, who, at);
	}

	model.verdicts[verdict]++;
	if (verdict > VIEW_REPEATED)
		model_reply(who, view, message->n, 100 + verdict);
	else
		model_reply(who, view, message->n, COMMAND_ACK);
	if (verdict == VIEW_REPEATED && end && nowhere)
		model_reply(who, view, message->n, COMMAND_STORED);
}

/* The next view, by its order in a line, that is due; NULL when none is. */
static inline ModelView *
model_due(bool lost)
{
	ModelView *due = NULL;

	for (int i = 0; i < model.ids; i++)
	{
		ModelView *view = &model.views[i];

		if (lost ? view->place != LOST : view->place != LOST && view->place != OPEN)
			continue;
		if (lost && view->lost_since + model.linger > model.now.monotonic)
			continue;
		if (!lost &&
			(!view->checked || view->checked_since + model.checkpoint > model.now.monotonic))
			continue;
		if (due == NULL ||
			(lost ? view->lost_order < due->lost_order : view->checked_order < due->checked_order))
			due = view;
	}
	return due;
}

static inline void
model_tick(void)
{
	ModelView *view;

	while ((view = model_due(true)) != NULL)
		model_end(view, view->lost_reason, nobody);
	while ((view = model_due(false)) != NULL)
	{
		view->checked = false;
		if (4 * view->n > view->written)
			model_changed(view);
	}
}

static inline void
model_close(Who who, EndReason reason, Micros until)
{
	ModelConnection *connection = model_connection(who);

	if (connection->live >= 0)
		model_lose(&model.views[connection->live], reason, until);
	connection->open = false;
}

static inline void
model_died(int listener, Micros at)
{
	for (int slot = 0; slot < model.slots; slot++)
	{
		ModelConnection *connection = &model.connections[listener][slot];

		if (connection->open)
			model_close((Who){listener, slot, model.lives[listener], connection->generation},
						END_LOST, at);
		connection->generation = 0;
	}
	model.lives[listener]++;
}

/* The row of a view was stored or set aside. */
static inline void
model_settle(ModelView *view, bool rejected)
{
	ModelView *oldest = NULL;
	int		   known = 0;

	view->row.there = false;
	if (!view->known)
		view->known_began = view->began;
	view->known_revision =
		view->known ? most(view->known_revision, view->row.revision) : view->row.revision;
	view->known = true;
	view->known_order = ++model.order;
	for (int i = 0; i < model.ids; i++)
	{
		known += model.views[i].known;
		if (model.views[i].known &&
			(oldest == NULL || model.views[i].known_order < oldest->known_order))
			oldest = &model.views[i];
	}
	if (known > model.recent_limit)
		oldest->known = false;
	if (view->place == WAITING || rejected)
	{
		model_detach(view);
		view->place = AWAY;
		view->fate = rejected ? REJECTED : STORED;
	}
	model_reply(view->row.who, view, view->row.revision / 4,
				rejected ? 100 + VIEW_REFUSED_REJECTED : COMMAND_STORED);
}

static inline uint32_t
model_forget(int session)
{
	uint32_t count = 0;

	model.forgotten[session] = most(model.forgotten[session], model.now.wall);
	for (int i = 0; i < model.ids; i++)
	{
		ModelView *view = &model.views[i];

		if (view->place == AWAY || view->session != session)
			continue;
		model_detach(view);
		view->place = AWAY;
		view->row.there = false;
		view->fate = DROPPED;
		view->known = false;
		view->erased = true;
		count++;
	}
	return count;
}

static inline void
model_shutdown(void)
{
	for (int i = 0; i < model.ids; i++)
	{
		ModelView *view = &model.views[i];
		Who		   owner = view->owner;

		if (view->place == OPEN)
		{
			model_credit(view, model.now.monotonic);
			model_end(view, END_SHUTDOWN, owner);
		}
		else if (view->place == LOST)
			model_end(view, view->lost_reason, nobody);
	}
}

#endif /* PAGEVIEWS_TEST_MODEL_RULES_H */
