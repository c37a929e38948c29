/*
 * model.h
 *	  The rules of the registry once more, slow and obvious.
 *
 * A handful of views in an array, each with everything that is known of it; every
 * question is answered by looking at all of them.  Nothing here is shared with
 * the product but the types of its interface.  The property test plays the same
 * operations to both and compares.
 */
#ifndef PAGEVIEWS_TEST_MODEL_H
#define PAGEVIEWS_TEST_MODEL_H

#include "../../src/worker/registry.h"

/* The largest world; each sequence lives in one of its own size, at most this. */
#define MODEL_IDS		12
#define MODEL_LISTENERS 2
#define MODEL_SLOTS		3
#define MODEL_VIEWS		3
#define MODEL_QUEUE		5
#define MODEL_RECENT	3
#define MODEL_REPLIES	32
#define MODEL_SESSIONS	4

typedef enum Place
{
	AWAY,
	OPEN,
	LOST,
	WAITING
} Place;

typedef enum Fate
{
	NEVER,
	STORED,
	REJECTED,
	REFUSED,
	DROPPED,
	FATE_COUNT
} Fate;

/* A connection by name; life 0 is nobody. */
typedef struct Who
{
	int listener;
	int slot;
	int life; /* of the listener, from 1 */
	int generation;
} Who;

typedef struct ModelConnection
{
	bool open;
	bool note;
	int	 generation;
	int	 session;
	int	 agent;
	int	 live; /* index of a view, or -1 */
} ModelConnection;

/* What a page says of itself, by number; 0 is nothing said. */
typedef struct ModelPage
{
	int path;
	int title;
	int name;
	int navigation;
	int width;
	int property;
	int agent;
} ModelPage;

typedef struct ModelRow
{
	bool	  there;
	int64_t	  revision;
	int64_t	  engagement;
	int64_t	  focused;
	int64_t	  active;
	int64_t	  ended_at;
	EndReason reason;
	int		  scroll;
	ModelPage page;
	Who		  who;
	int64_t	  order;
	Micros	  put_at;
} ModelRow;

typedef struct ModelView
{
	Uuid	  id;
	Place	  place;
	Fate	  fate; /* while AWAY */
	int		  session;
	int64_t	  n;
	PageState state;
	Figures	  told;
	int64_t	  given_back;
	int64_t	  credit; /* for the loss */
	int		  scroll;
	Micros	  told_at;
	Micros	  began; /* by its id, and not after it was heard of */
	EndReason lost_reason;
	Who		  owner;
	ModelPage page;
	Micros	  lost_since;
	int64_t	  lost_order;
	bool	  checked; /* in line for a checkpoint */
	Micros	  checked_since;
	int64_t	  checked_order;
	int64_t	  written; /* revision of the last row, -1 none */
	bool	  erased;  /* with its session, while it was here */
	ModelRow  row;
	bool	  known; /* in the cache of recent views */
	int64_t	  known_revision;
	Micros	  known_began;
	int64_t	  known_order;
} ModelView;

typedef struct ModelReply
{
	Who		to;
	int		view;
	int64_t n;
	int		what; /* a CommandType, or 100 + the ViewVerdict */
} ModelReply;

static struct
{
	ModelView		views[MODEL_IDS];
	ModelConnection connections[MODEL_LISTENERS][MODEL_SLOTS];
	int				lives[MODEL_LISTENERS];
	int				ids; /* in use in this world, and so on */
	int				listeners;
	int				slots;
	int				view_limit;
	int				queue_limit;
	int				recent_limit;
	Micros			linger;
	Micros			checkpoint;
	Moment			now;
	WallMillis		latest; /* registry_set_latest() */
	int				minted; /* ids so far */
	int64_t			order;
	int64_t			announced;
	WallMillis forgotten[MODEL_SESSIONS + 1]; /* when each session was, at the latest; 0 never */
	int64_t	   ghosts[FATE_COUNT]; /* views that were counted so, and their ids forgotten */
	int64_t	   verdicts[VIEW_REFUSED_REJECTED + 1]; /* messages */
	ModelReply replies[MODEL_REPLIES];
	int		   reply_count;
} model;

static const Who nobody;

static inline int
model_count(Place place)
{
	int count = 0;

	for (int i = 0; i < model.ids; i++)
		count += model.views[i].place == place;
	return count;
}

static inline int64_t
model_fate(Fate fate)
{
	int64_t count = model.ghosts[fate];

	for (int i = 0; i < model.ids; i++)
		count += model.views[i].place == AWAY && model.views[i].fate == fate;
	return count;
}

static inline bool
model_has_slot(void)
{
	return model_count(OPEN) + model_count(LOST) < model.view_limit;
}

static inline bool
model_has_room(void)
{
	return model_count(OPEN) + model_count(LOST) + model_count(WAITING) < model.queue_limit;
}

/* The connection of this name if it is still that one, or NULL. */
static inline ModelConnection *
model_connection(Who who)
{
	ModelConnection *connection = &model.connections[who.listener][who.slot];

	if (who.life == 0 || who.life != model.lives[who.listener] || !connection->open ||
		connection->generation != who.generation)
		return NULL;
	return connection;
}

static inline void
model_reply(Who to, const ModelView *view, int64_t n, int what)
{
	if (model_connection(to) == NULL || model.reply_count == MODEL_REPLIES)
		return;
	model.replies[model.reply_count++] = (ModelReply){to, (int) (view - model.views), n, what};
}

static inline int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t
most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Visible time, with what is given back for gaps and credited for a loss. */
static inline int64_t
model_engagement(const ModelView *view, int64_t credit)
{
	int64_t seen = least(view->told.visible + view->given_back, view->told.elapsed);

	return least(seen + credit, FIGURE_LIMIT);
}

/* The row of a view as it stands goes to the queue, in the place of an older one. */
static inline void
model_write(ModelView *view, EndReason reason, Who who)
{
	ModelRow *row = &view->row;
	int64_t	  credit = reason == END_NONE ? 0 : view->credit;
	int		  rank = reason == END_NONE ? 0 : reason <= END_NAVIGATED ? 3 : 2;

	if (!row->there)
	{
		row->order = ++model.order;
		row->put_at = model.now.monotonic;
	}
	row->there = true;
	row->revision = 4 * view->n + rank;
	row->reason = reason;
	row->who = who;
	row->scroll = view->scroll;
	row->page = view->page;
	row->engagement = model_engagement(view, credit);
	row->focused = view->told.focused;
	if (view->state == PAGE_FOCUSED)
		row->focused = least(row->focused + credit, FIGURE_LIMIT);
	row->active = view->told.active;
	row->ended_at = 0;
	if (reason != END_NONE)
		row->ended_at = most(
			uuid_v7_time(&view->id),
			least(uuid_v7_time(&view->id) + view->told.elapsed + credit, model.now.wall + 5000));
	view->written = row->revision;
}

static inline void
model_detach(ModelView *view)
{
	ModelConnection *connection = model_connection(view->owner);

	if (connection != NULL)
		connection->live = -1;
	view->owner = nobody;
}

static inline void
model_end(ModelView *view, EndReason reason, Who who)
{
	model_detach(view);
	view->place = WAITING;
	model_write(view, reason, who);
}

/* A change of a held view is checkpointed at once if it missed its turn. */
static inline void
model_changed(ModelView *view)
{
	if (view->checked)
		return;
	if (4 * view->n > view->written)
		model_write(view, END_NONE, view->owner);
	view->checked = true;
	view->checked_since = model.now.monotonic;
	view->checked_order = ++model.order;
}

static inline void
model_credit(ModelView *view, Micros until)
{
	view->credit = view->state == PAGE_HIDDEN
					   ? 0
					   : most(0, least((until - view->told_at) / 1000, FIGURE_LIMIT));
}

static inline void
model_lose(ModelView *view, EndReason reason, Micros until)
{
	model_detach(view);
	model_credit(view, until);
	view->place = LOST;
	view->lost_reason = reason;
	view->lost_since = model.now.monotonic;
	view->lost_order = ++model.order;
	model_changed(view);
}

/* What a message says, believed as far as it can be. */
static inline void
model_tell(ModelView *view, const ViewMessage *message, int64_t covered, Micros at)
{
	int64_t wall = model.now.wall - (model.now.monotonic - at) / 1000 - uuid_v7_time(&view->id);
	int64_t steady = (at - view->began) / 1000;
	int64_t age = least(most(0, most(wall, steady) + 5000), FIGURE_LIMIT);
	int64_t gap = view->told.gap;

	view->n = message->n;
	view->state = message->state;
	view->scroll = (int) least(100, most(view->scroll, message->scroll));
	view->told_at = at;
	view->credit = 0;
	view->told.elapsed = (int32_t) most(view->told.elapsed, least(message->figures.elapsed, age));
	view->told.visible =
		(int32_t) most(view->told.visible, least(message->figures.visible, view->told.elapsed));
	view->told.focused =
		(int32_t) most(view->told.focused, least(message->figures.focused, view->told.visible));
	view->told.active =
		(int32_t) most(view->told.active, least(message->figures.active, view->told.focused));
	view->told.gap = (int32_t) most(gap, least(message->figures.gap, view->told.elapsed));
	view->given_back += most(0, least(view->told.gap - gap, covered));
}

#endif /* PAGEVIEWS_TEST_MODEL_H */
