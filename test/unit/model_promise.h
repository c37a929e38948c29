/*
 * model_promise.h
 *	  What the answers promise, held against a database that the test plays.
 *
 * A row that is stored replaces an older revision, as the upsert does.  Then,
 * whatever the rules in between are:
 *
 *	  - what was acknowledged is in memory, or in the database;
 *	  - `stored` is said of nothing that the database does not have;
 *	  - figures of a view that is inside never shrink, and keep their order;
 *	  - a queue holds a view once;
 *	  - a view that was erased while it was inside is refused from then on;
 *	  - when everything is over, the database has all that was acknowledged.
 *
 * A view that was set aside or erased is promised nothing any more.
 */
#ifndef PAGEVIEWS_TEST_MODEL_PROMISE_H
#define PAGEVIEWS_TEST_MODEL_PROMISE_H

#include "compare.h"

typedef struct Promise
{
	int64_t stored;		  /* revision in the database, -1 none */
	int64_t acknowledged; /* highest n, 0 none */
	bool	erased;		  /* with its session: nothing of it is taken any more */
	bool	inside;		  /* at the last look, with these figures */
	Figures figures;
	int64_t n;
} Promise;

static Promise promises[MODEL_IDS];

static inline void
promise_nothing(int i)
{
	promises[i] = (Promise){.stored = -1};
}

/* A row of this view was committed. */
static inline void
promise_commit(int i, int64_t revision)
{
	promises[i].stored = most(promises[i].stored, revision);
}

/* The highest n of a view that is anywhere. */
static inline int64_t
known_n(int i, const View *held)
{
	const Uuid		  *id = &model.views[i].id;
	const ViewRow	  *row = queue_find(queue, id);
	const RecentEntry *entry = recent_find(recent, id);
	int64_t			   n = promises[i].stored < 0 ? 0 : promises[i].stored / 4;

	n = most(n, held == NULL ? 0 : held->n);
	n = most(n, row == NULL ? 0 : row->revision / 4);
	return most(n, entry == NULL ? 0 : entry->revision / 4);
}

static inline void
check_answer(const ModelReply *reply, const View *held)
{
	Promise *promise = &promises[reply->view];

	if (promise->erased)
		expect(reply->what, 100 + VIEW_REFUSED_REJECTED, "answer about an erased view",
			   reply->view);
	if (reply->what == COMMAND_STORED)
		expect(promise->stored >= 4 * reply->n, true, "stored is committed", reply->view);
	if (reply->what == COMMAND_ACK)
	{
		expect(known_n(reply->view, held) >= reply->n, true, "ack is in memory", reply->view);
		promise->acknowledged = most(promise->acknowledged, reply->n);
	}
}

static inline void
check_figures(int i, const View *held)
{
	Promise		  *promise = &promises[i];
	const Figures *now;
	const Figures *before = &promise->figures;

	if (held == NULL)
	{
		promise->inside = false;
		return;
	}
	now = &held->reported;
	expect(now->active <= now->focused && now->focused <= now->visible &&
			   now->visible <= now->elapsed && now->active >= 0,
		   true, "order of what was reported", i);
	if (promise->inside)
		expect(now->active >= before->active && now->focused >= before->focused &&
				   now->visible >= before->visible && now->elapsed >= before->elapsed &&
				   held->n >= promise->n,
			   true, "growth of what was reported", i);
	promise->inside = true;
	promise->figures = *now;
	promise->n = held->n;
}

static inline void
check_promises(void)
{
	const View	  *held[MODEL_IDS] = {NULL};
	const ViewRow *rows[MODEL_QUEUE];
	uint32_t	   count = queue_peek(queue, rows, MODEL_QUEUE);

	for (int slot = 0; slot < model.view_limit; slot++)
	{
		if (shown[slot])
			held[board[slot].id.bytes[15]] = &board[slot];
	}
	for (int i = 0; i < model.ids; i++)
		check_figures(i, held[i]);
	for (int i = 0; i < reply_count; i++)
		check_answer(&replies[i], held[replies[i].view]);
	for (uint32_t i = 0; i < count; i++)
	{
		for (uint32_t j = 0; j < i; j++)
			expect(uuid_equal(&rows[i]->view, &rows[j]->view), false, "two rows of one view",
				   rows[i]->view.bytes[15]);
	}
}

/* Nothing is open, nothing waits: was every promise kept? */
static inline void
check_kept(void)
{
	expect(queue_length(queue), 0, "rows left", -1);
	for (int i = 0; i < model.ids; i++)
	{
		if (!promises[i].erased && promises[i].acknowledged > 0)
			expect(promises[i].stored >= 4 * promises[i].acknowledged, true,
				   "what was acknowledged is stored", i);
	}
}

#endif /* PAGEVIEWS_TEST_MODEL_PROMISE_H */
