/*
 * view.h
 *	  One page view: the figures and the state machine.
 *
 *	  (nothing) --view_begin()--> OPEN (hidden | visible | focused)
 *	  OPEN --view_lost()--> LOST
 *	  LOST --view_report()--> OPEN
 *	  OPEN, LOST --view_row() with a reason--> ENDED (only the ViewRow is left)
 *	  ENDED, but not by its browser and not yet stored --view_reopen()--> OPEN
 *
 * The browser's cumulative figures (reported) and what the worker adds on its
 * own account (credited) are kept apart: credit exists only while a view is
 * LOST, or for a gap that pongs covered, and a later report discards the former.
 *
 * A view's figures are bounded by its age.  Age is measured on the monotonic
 * clock from where the wall clock put the view's beginning when the worker first
 * heard of it, and on the wall clock; the larger counts, so that a wall clock that
 * is set back under an open view takes nothing away from it.
 *
 * Pure C with time handed in: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_VIEW_H
#define PAGEVIEWS_VIEW_H

#include "../common/clock.h"
#include "../common/message.h"
#include "../common/record.h"

/* How far a browser's claim may run ahead of the clock, and how far back an id may lie. */
#define VIEW_CLOCK_SLACK_MS INT64_C(5000)
#define VIEW_AGE_LIMIT_MS	(INT64_C(7) * 24 * 3600 * 1000)
#define VIEW_AHEAD_LIMIT_MS (INT64_C(5) * 60 * 1000)

/* What a row of this n is worth: revision = 4 n + rank, and only a higher one replaces. */
typedef enum RevisionRank
{
	RANK_OPEN = 0,
	RANK_RECOVERED = 1,
	RANK_LOST = 2, /* lost, timeout, shutdown */
	RANK_ENDED = 3 /* ended by the browser */
} RevisionRank;

/*
 * The texts of a view, immutable, shared by reference count between the view,
 * its row in the queue and the connection's user agent.  One allocation, as short
 * as it can be: it ends with the properties that are in use, and behind them the
 * bytes that the slices point to.  So `page` is read in place, never copied whole.
 */
typedef struct ViewTexts
{
	uint32_t		references;
	PackedVisitor	visitor;
	const char	   *visitor_texts;
	PageDescription page; /* last, as its `properties` are in it */
} ViewTexts;

/* Copies what the slices point to; NULL when there is no memory. References: 1. */
extern ViewTexts *view_texts_new(const PageDescription *page, const Visitor *visitor);
extern ViewTexts *view_texts_share(ViewTexts *texts);
extern void		  view_texts_release(ViewTexts *texts); /* NULL is allowed */

/* Who views it, as the texts live. */
static inline Visitor
view_texts_visitor(const ViewTexts *texts)
{
	return visitor_unpack(texts->visitor, texts->visitor_texts);
}

/*
 * Where an answer about a view goes: a connection of a listener.  A listener that
 * was restarted names its connections anew; `life` tells them from the old ones.
 */
typedef struct ConnectionRef
{
	uint16_t	 listener; /* index, below the number of listeners */
	uint32_t	 life;
	ConnectionId connection; /* 0: nobody */
} ConnectionRef;

/* One version of one row of pageviews.views, or a row of pageviews.events, as it is to be stored. */
typedef struct ViewRow
{
	Uuid		  view;
	Uuid		  session;
	int64_t		  revision;
	WallMillis	  started_at; /* the id's own time */
	WallMillis	  ended_at;	  /* 0 while open */
	int32_t		  engagement; /* ms: visible, with credit */
	int32_t		  focused;
	int32_t		  active;
	int8_t		  scroll;	/* -1 unknown */
	EndReason	  reason;	/* END_NONE while open */
	ViewTexts	 *texts;	/* one reference is the row's */
	ConnectionRef reply_to; /* who is told that it is stored */

	/* Not stored: what the view needs if it comes back while its row waits. */
	union
	{
		Figures reported;
		Uuid	during; /* of an event, and stored: the view in which it happened, or nil */
	};
	int32_t gap_credit;
	Micros	origin;
} ViewRow;

/*
 * An event waits as a row too: `view` is its own id, started_at its time, the texts' page
 * where it happened, with its name and properties.  It has one version, for ever.
 */
#define EVENT_REVISION (EVENT_NUMBER * 4 + (int64_t) RANK_ENDED)

static inline bool
revision_is_event(int64_t revision)
{
	return revision == EVENT_REVISION;
}

static inline int32_t
view_row_n(const ViewRow *row)
{
	return (int32_t) (row->revision >> 2);
}

static inline RevisionRank
view_row_rank(const ViewRow *row)
{
	return (RevisionRank) (row->revision & 3);
}

typedef enum ViewPhase
{
	VIEW_OPEN, /* its browser is connected */
	VIEW_LOST  /* its socket died, or it was told of in a note;
								 * it may come back within the linger time */
} ViewPhase;

typedef struct View
{
	Uuid		  id;
	Uuid		  session; /* that which began it */
	ViewPhase	  phase;
	PageState	  state;
	int32_t		  n;			   /* of the last message */
	Figures		  reported;		   /* after bounding; never shrink */
	int32_t		  scroll;		   /* deepest so far, -1 unknown */
	int32_t		  gap_credit;	   /* ms of gaps that pongs covered */
	int32_t		  lost_credit;	   /* ms from the last report to the death; 0 while open */
	Micros		  origin;		   /* the id's own time on the monotonic clock */
	Micros		  reported_at;	   /* when the last report arrived at its listener */
	Micros		  lost_at;		   /* when the socket died, while LOST */
	EndReason	  lost_reason;	   /* what its row will say, while LOST */
	int64_t		  stored_revision; /* highest that was queued since it began here; -1 none */
	ConnectionRef owner;		   /* the socket that it lives on; none while LOST */
	ViewTexts	 *texts;		   /* one reference is the view's */
} View;

/* Why a message about a view is refused; the listener passes code and text on. */
typedef enum ViewVerdict
{
	VIEW_ACCEPTED = 0,
	VIEW_REPEATED, /* n not above the last: acknowledged, changes nothing */
	VIEW_REFUSED_CLOCK,
	VIEW_REFUSED_UNKNOWN,
	VIEW_REFUSED_ENDED, /* a `view` or `state` for one that its browser had ended */
	VIEW_REFUSED_BUSY,
	VIEW_REFUSED_REJECTED /* it could not be stored and was set aside */
} ViewVerdict;

/* "clock", "unknown_view", ...; and a sentence for the developer who reads it. */
extern const char *view_verdict_code(ViewVerdict verdict);
extern const char *view_verdict_text(ViewVerdict verdict);

/* Whether an id's own time is acceptable at this moment. */
extern ViewVerdict view_check_clock(const Uuid *id, WallMillis now);

/*
 * Where a new view's beginning lies on the monotonic clock: at its id's own time, as
 * far as the wall clock knows now, but not after `at`, when it was first heard of.
 */
extern Micros view_origin(const Uuid *id, Micros at, Moment now);

/*
 * The transitions.  `at` is when the listener saw it, not after `now`; both bound
 * the figures (active <= focused <= visible <= elapsed <= age + slack, none above
 * FIGURE_LIMIT, none below what it was).
 *
 * view_begin() and view_reopen() set every field; the texts' (the row's)
 * reference is the view's from then on.  A reopened view is OPEN and hidden, with
 * nobody as its owner, until the message that brought it back is reported.
 */
extern void view_begin(View *view, const ViewMessage *message, const Uuid *session,
					   ViewTexts *texts, Micros origin, Micros at, Moment now);
extern void view_reopen(View *view, const ViewRow *row, Moment now);

/*
 * A message of a known view.  VIEW_REPEATED, and nothing changed, when its n is
 * not above the last; else VIEW_ACCEPTED, and the view is OPEN.  `covered` is how
 * many ms of a newly reported gap the pongs give back.
 */
extern ViewVerdict view_report(View *view, const ViewMessage *message, int32_t covered, Micros at,
							   Moment now);

/*
 * What a later description says replaces the earlier, but for site, path and
 * navigation, which are those of the beginning; what it leaves out stays.  For
 * lack of memory everything stays.
 */
extern void view_describe(View *view, const PageDescription *page);

/*
 * An OPEN view loses its browser.  If it was visible it is credited the time from
 * its last report to the death; to the last pong when `reason` is END_TIMEOUT.
 */
extern void view_lost(View *view, EndReason reason, Micros died_at, Micros last_pong);

/*
 * The row for a view as it stands: open (END_NONE, a checkpoint, without the
 * credit for a loss), or over for `reason`, with it.  A view that its browser
 * ended has no such credit, because its last report discarded it.  The row has a
 * reference of its own to the texts.
 */
extern void view_row(const View *view, EndReason reason, Moment now, ViewRow *row);

/* Engagement at `now`, ms: reported, credited, and the time since the last report if visible. */
extern int32_t view_engagement(const View *view, Micros now);

#endif /* PAGEVIEWS_VIEW_H */
