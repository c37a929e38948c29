/*
 * hearing.c
 *	  Judges what browsers say about views: the rules of the conversation.
 *
 * A view is looked for where it is most alive: among the held ones, then in the
 * queue, then in the cache of what was stored or rejected lately.  Whoever is in
 * none of them is a newcomer, to be announced by a `view`, or told of afterwards
 * by an `end` with a description (a leftover).  What was erased with its session
 * is no newcomer.
 *
 * An event has one message and one row, which goes straight to the queue.  Its id is
 * looked for in the same places, so that no id is ever both a view and an event.
 */
#include "held.h"

#ifdef POSTGRES_H
#error "hearing.c must not include Postgres"
#endif

/* One message on its way to a verdict. */
typedef struct Hearing
{
	Registry		  *registry;
	Connection		  *connection;
	ConnectionRef	   ref; /* of the connection */
	const ViewMessage *message;
	int32_t			   covered;
	Micros			   at;
	Moment			   now;
	bool			   stored; /* `stored` is to be said again */
} Hearing;

void
answer(const Registry *registry, ConnectionRef to, CommandType type, const Uuid *view, int32_t n,
	   ViewVerdict verdict)
{
	Command command = {.type = type, .connection = to.connection, .view = *view, .n = n};

	if (connections_find(registry->connections, to) == NULL)
		return;
	if (type == COMMAND_REFUSED)
	{
		command.u.refused.code = text_of(view_verdict_code(verdict));
		command.u.refused.message = text_of(view_verdict_text(verdict));
	}
	registry->sink.reply(registry->sink.context, to, &command);
}

/*
 * Who is told that a row is stored: the speaker; but a note's answer is over before
 * that, so what comes in one leaves it with whoever waits for it.
 */
static ConnectionRef
who_waits(const Hearing *h, ConnectionRef earlier)
{
	return h->connection->note ? earlier : h->ref;
}

/*
 * Whether a view that is neither held nor waiting may begin, by the time in its id, and
 * where that lies on the monotonic clock.  One that was stored lately was taken before:
 * another name, because the wall clock was set since, would make a second row of it.
 * So would one for a view that a worker before this one stored.
 */
static ViewVerdict
check_time(const Hearing *h, Micros *origin)
{
	const Uuid		  *id = &h->message->view;
	const RecentEntry *known = recent_find(h->registry->recent, id);

	if (known != NULL)
	{
		*origin = known->origin;
		return VIEW_ACCEPTED;
	}
	*origin = view_origin(id, h->at, h->now);
	if (uuid_v7_time(id) > h->now.wall && uuid_v7_time(id) <= h->registry->latest)
	{
		/* No clock here tells how long ago it began: its browser does. */
		*origin = h->at - VIEW_AGE_LIMIT_MS * MICROS_PER_MILLI;
		return VIEW_ACCEPTED;
	}
	return view_check_clock(id, h->now.wall);
}

/* Why an `end` says that its view is over. */
static EndReason
reason_of(const ViewMessage *message)
{
	return message->reason == END_NAVIGATED ? END_NAVIGATED : END_CLOSED;
}

/*
 * The page of this socket shows another view now: the one that lived here is over,
 * and was seen until now if it was visible.  (A `view` ends it also when the
 * newcomer is then refused: the page has moved on in any case.)
 */
static void
leave_other(Hearing *h, uint32_t slot)
{
	uint32_t other = h->connection->held;

	if (other == NO_SLOT || other == slot)
		return;
	view_lost(&h->registry->held[other].view, END_NAVIGATED, h->at, h->at);
	held_end(h->registry, other, END_NAVIGATED, h->ref, h->now);
}

/*
 * A message for a held view.  A `view` moves it to the socket that said so; a
 * `state` does if neither of them has a partner.  What comes in a note leaves it
 * where it is: without a socket it lingers anew.
 */
static ViewVerdict
judge_held(Hearing *h, uint32_t slot)
{
	Registry		  *registry = h->registry;
	const ViewMessage *message = h->message;
	View			  *view = &registry->held[slot].view;

	if (message->n <= view->n)
		return VIEW_REPEATED;
	if (message->kind == MESSAGE_VIEW)
		leave_other(h, slot);
	if (message->described)
		view_describe(view, &message->page);
	held_found(registry, slot);
	view_report(view, message, h->covered, h->at, h->now);

	if (message->kind == MESSAGE_END)
	{
		held_end(registry, slot, reason_of(message), who_waits(h, view->owner), h->now);
		return VIEW_ACCEPTED;
	}
	if (!h->connection->note && h->connection->held == NO_SLOT &&
		(message->kind == MESSAGE_VIEW || view->owner.connection == 0))
		held_attach(registry, slot, h->ref);
	if (view->owner.connection == 0)
		held_lose(registry, slot, END_LOST, h->at, h->at, h->now);
	else
		held_changed(registry, slot, h->now);
	return VIEW_ACCEPTED;
}

/* A later message for a view whose last row waits, applied to the row where it is. */
static void
amend_row(Hearing *h, const ViewRow *row)
{
	View view;

	view_reopen(&view, row, h->now);
	view_texts_share(view.texts);
	if (h->message->described)
		view_describe(&view, &h->message->page);
	view_report(&view, h->message, h->covered, h->at, h->now);
	view.owner = who_waits(h, row->reply_to);
	if (h->message->kind == MESSAGE_END)
		enqueue_last(h->registry, &view, reason_of(h->message), h->now);
	else
	{
		view_lost(&view, END_LOST, h->at, h->at);
		enqueue_last(h->registry, &view, END_LOST, h->now);
	}
}

/*
 * A message for a view that is over, but whose row waits.  One that its browser
 * had not ended goes on, in a slot if there is one, else as its row; one that it
 * had ended takes a later `end`, and nothing else.
 */
static ViewVerdict
judge_waiting(Hearing *h, const ViewRow *row)
{
	Registry		  *registry = h->registry;
	const ViewMessage *message = h->message;
	ViewRow			   taken;
	View			   view;

	if (message->n <= view_row_n(row))
	{
		if (message->kind == MESSAGE_END)
			queue_redirect(registry->queue, &message->view, who_waits(h, row->reply_to));
		return VIEW_REPEATED;
	}
	if (message->kind == MESSAGE_END)
	{
		amend_row(h, row);
		return VIEW_ACCEPTED;
	}
	if (view_row_rank(row) == RANK_ENDED)
		return VIEW_REFUSED_ENDED;

	if (message->kind == MESSAGE_VIEW)
		leave_other(h, NO_SLOT);
	if (!held_has_slot(registry))
	{
		amend_row(h, queue_find(registry->queue, &message->view));
		return VIEW_ACCEPTED;
	}
	queue_take(registry->queue, &message->view, &taken);
	view_reopen(&view, &taken, h->now);
	return judge_held(h, held_add(registry, &view, h->now));
}

/* The texts of a view that this message tells of; NULL when there is no memory. */
static ViewTexts *
describe(const Hearing *h)
{
	Visitor visitor = connection_visitor(h->connection);

	return view_texts_new(&h->message->page, &visitor);
}

/* A `view` begins one that is neither held nor waiting. */
static ViewVerdict
begin(Hearing *h)
{
	Registry		  *registry = h->registry;
	const ViewMessage *message = h->message;
	ViewVerdict		   verdict;
	ViewTexts		  *texts = NULL;
	View			   view;
	Micros			   origin;
	uint32_t		   slot;

	leave_other(h, NO_SLOT);
	verdict = check_time(h, &origin);
	if (verdict == VIEW_ACCEPTED)
	{
		if (held_has_slot(registry) && held_has_room(registry))
			texts = describe(h);
		if (texts == NULL)
			verdict = VIEW_REFUSED_BUSY;
	}
	if (verdict != VIEW_ACCEPTED)
	{
		count_refusal(registry, &message->view);
		return verdict;
	}

	count_entry(registry, &message->view);
	view_begin(&view, message, &h->connection->session, texts, origin, h->at, h->now);
	slot = held_add(registry, &view, h->now);
	if (h->connection->note)
		held_lose(registry, slot, END_LOST, h->at, h->at, h->now);
	else
	{
		held_attach(registry, slot, h->ref);
		held_changed(registry, slot, h->now);
	}
	return VIEW_ACCEPTED;
}

/* A leftover: an `end` that says all there is to say goes straight to the queue. */
static ViewVerdict
take_leftover(Hearing *h)
{
	Registry		  *registry = h->registry;
	const ViewMessage *message = h->message;
	Micros			   origin;
	ViewVerdict		   verdict = check_time(h, &origin);
	ViewTexts		  *texts = NULL;
	View			   view;

	if (verdict == VIEW_ACCEPTED)
	{
		if (held_has_room(registry))
			texts = describe(h);
		if (texts == NULL)
			verdict = VIEW_REFUSED_BUSY;
	}
	if (verdict != VIEW_ACCEPTED)
	{
		count_refusal(registry, &message->view);
		return verdict;
	}

	count_entry(registry, &message->view);
	view_begin(&view, message, &h->connection->session, texts, origin, h->at, h->now);
	view.owner = h->ref;
	enqueue_last(registry, &view, reason_of(message), h->now);
	return VIEW_ACCEPTED;
}

/* A message for a view that is over and was stored, or set aside, lately. */
static ViewVerdict
judge_settled(Hearing *h, const RecentEntry *entry)
{
	const ViewMessage *message = h->message;
	int64_t			   revision = entry->revision;

	if (entry->rejected || revision_is_event(revision))
		return VIEW_REFUSED_REJECTED;
	if (message->n <= revision >> 2)
	{
		h->stored = message->kind == MESSAGE_END;
		return VIEW_REPEATED;
	}
	if (message->kind == MESSAGE_END && message->described)
		return take_leftover(h);
	if (message->kind == MESSAGE_END)
		return VIEW_REFUSED_UNKNOWN;
	if ((revision & 3) == RANK_ENDED)
		return VIEW_REFUSED_ENDED;
	if (message->kind == MESSAGE_VIEW)
		return begin(h);
	return VIEW_REFUSED_UNKNOWN;
}

/* A message for a view that nothing is known of. */
static ViewVerdict
judge_newcomer(Hearing *h)
{
	if (h->message->kind == MESSAGE_VIEW)
		return begin(h);
	if (h->message->kind == MESSAGE_END && h->message->described)
		return take_leftover(h);
	return VIEW_REFUSED_UNKNOWN;
}

/* Whether a view that is neither held nor waiting was erased with its session. */
static bool
is_forgotten(const Hearing *h)
{
	const Recent	  *forgotten = h->registry->forgotten;
	const RecentEntry *session = recent_find(forgotten, &h->connection->session);

	return recent_find(forgotten, &h->message->view) != NULL ||
		   (session != NULL && uuid_v7_time(&h->message->view) <= session->revision);
}

/* A message for an erased view: it has been counted, unless it was erased in the table alone. */
static ViewVerdict
refuse_forgotten(Hearing *h)
{
	if (h->message->kind == MESSAGE_VIEW)
		leave_other(h, NO_SLOT);
	if (h->message->described && recent_find(h->registry->forgotten, &h->message->view) == NULL)
		count_refusal(h->registry, &h->message->view);
	return VIEW_REFUSED_REJECTED;
}

/* An event that is told of for the first time. */
static ViewVerdict
take_event(Hearing *h)
{
	Registry		  *registry = h->registry;
	const ViewMessage *message = h->message;
	ViewRow			   row = {.view = message->view,
							  .session = h->connection->session,
							  .revision = EVENT_REVISION,
							  .started_at = uuid_v7_time(&message->view),
							  .reply_to = h->ref,
							  .during = message->during};
	ViewVerdict		   verdict = check_time(h, &row.origin);

	if (verdict != VIEW_ACCEPTED)
		return verdict;
	if (held_has_room(registry))
		row.texts = describe(h);
	if (row.texts == NULL)
		return VIEW_REFUSED_BUSY;
	queue_put(registry->queue, &row, h->now.monotonic);
	registry->counts.events_taken++;
	registry->counts.events_queued++;
	return VIEW_ACCEPTED;
}

static ViewVerdict
judge_event(Hearing *h)
{
	Registry		  *registry = h->registry;
	const Uuid		  *id = &h->message->view;
	const ViewRow	  *row = queue_find(registry->queue, id);
	const RecentEntry *entry;

	if (row != NULL && revision_is_event(row->revision))
	{
		queue_redirect(registry->queue, id, who_waits(h, row->reply_to));
		return VIEW_REPEATED;
	}
	if (row != NULL || idtable_find(registry->table, id) != NO_SLOT || is_forgotten(h) ||
		recent_find(registry->forgotten, &h->message->during) != NULL)
		return VIEW_REFUSED_REJECTED;
	entry = recent_find(registry->recent, id);
	if (entry == NULL)
		return take_event(h);
	if (entry->rejected || !revision_is_event(entry->revision))
		return VIEW_REFUSED_REJECTED;
	h->stored = true;
	return VIEW_REPEATED;
}

static ViewVerdict
judge(Hearing *h)
{
	const Registry	  *registry = h->registry;
	const Uuid		  *id = &h->message->view;
	uint32_t		   slot = idtable_find(registry->table, id);
	const ViewRow	  *row;
	const RecentEntry *entry;

	if (h->message->kind == MESSAGE_EVENT)
		return judge_event(h);
	if (slot != NO_SLOT)
		return judge_held(h, slot);
	row = queue_find(registry->queue, id);
	if (row != NULL)
		return revision_is_event(row->revision) ? VIEW_REFUSED_REJECTED : judge_waiting(h, row);
	if (is_forgotten(h))
		return refuse_forgotten(h);
	entry = recent_find(registry->recent, id);
	if (entry != NULL)
		return judge_settled(h, entry);
	return judge_newcomer(h);
}

/* Whether a message is one that a listener can have taken from a browser. */
static bool
is_message(const ViewMessage *message)
{
	if (message->kind < MESSAGE_VIEW || message->kind > MESSAGE_EVENT ||
		(message->kind == MESSAGE_EVENT ? message->n != EVENT_NUMBER : message->n < 1) ||
		(unsigned) message->state >= PAGE_STATE_COUNT || !uuid_is_v7(&message->view))
		return false;
	if (!message->described)
		return message->kind != MESSAGE_VIEW && message->kind != MESSAGE_EVENT;
	return message->kind != MESSAGE_STATE && message->page.property_count <= PROPERTY_COUNT_LIMIT &&
		   (unsigned) message->page.navigation < NAVIGATION_COUNT;
}

bool
hear_left(Registry *registry, uint16_t listener, const Event *event, Micros at, Moment now)
{
	Hearing	 h = {.registry = registry, .at = at, .now = now};
	uint32_t slot;

	h.ref = connections_ref(registry->connections, listener, event->connection);
	h.connection = connections_find(registry->connections, h.ref);
	if (h.connection == NULL)
		return false;

	/* The refused one may be the live one said again: then nobody has moved. */
	slot = h.connection->held;
	if (slot != NO_SLOT && !uuid_equal(&registry->held[slot].view.id, &event->u.left.view))
		leave_other(&h, NO_SLOT);
	return true;
}

bool
hear(Registry *registry, uint16_t listener, const Event *event, Micros at, Moment now)
{
	const ViewMessage *message = &event->u.message.view;
	Hearing			   h = {.registry = registry, .message = message, .at = at, .now = now};
	ViewVerdict		   verdict;

	h.covered = event->u.message.covered;
	h.ref = connections_ref(registry->connections, listener, event->connection);
	h.connection = connections_find(registry->connections, h.ref);
	if (h.connection == NULL || !is_message(message))
		return false;

	verdict = judge(&h);
	if (verdict == VIEW_ACCEPTED)
		registry->counts.messages++;
	else if (verdict == VIEW_REPEATED)
		registry->counts.repeated++;
	else
	{
		registry->counts.refused_by[verdict]++;
		answer(registry, h.ref, COMMAND_REFUSED, &message->view, message->n, verdict);
		return true;
	}
	answer(registry, h.ref, COMMAND_ACK, &message->view, message->n, verdict);
	if (h.stored)
		answer(registry, h.ref, COMMAND_STORED, &message->view, message->n, verdict);
	return true;
}
