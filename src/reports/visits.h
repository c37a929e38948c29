/*
 * visits.h
 *	  From the views of a session on a site to its visits, and to what these add
 *	  to the cells that reports count.
 *
 * A visit is views without a pause of more than pageviews.visit_timeout between
 * the moment in which those so far were last seen and the start of the next.  A
 * view was last seen engagement_ms after it started: ended_at may lie hours
 * later, when a forgotten tab is closed.  Views count when they begin, visits
 * when their first view does.
 */
#ifndef PAGEVIEWS_VISITS_H
#define PAGEVIEWS_VISITS_H

#include "cells.h"

/* A view as it was at one time; see history.h for the two that there are. */
typedef struct ViewState
{
	bool  there;
	int32 engagement; /* milliseconds */
	Span  referrer;
	Span  query;
} ViewState;

typedef enum Version
{
	BEFORE,
	AFTER,
	VERSION_COUNT
} Version;

typedef struct SessionView
{
	TimestampTz started_at;
	Span		path;		   /* no value where a reader wants the next instead */
	uint32		mark;		   /* what the reader makes of the path, see history.h; else 0 */
	bool		passes;		   /* the filters of pages and properties let it through */
	bool		origin_passes; /* as the first of its visit, so do those of origins */
	int16		scroll_depth;  /* per cent; -1: not known */
	ViewState	states[VERSION_COUNT];
} SessionView;

/* The views of a session on a site, or a part of them, in the order of their starts. */
typedef struct SessionViews
{
	const uint8 *session; /* 16 bytes */
	Span		 site;
	uint32		 visitor;					 /* sketch_entry() of the session */
	Span		 traits[SESSION_DIMENSIONS]; /* country, browser ... of the session */
	TimestampTz	 created_at;				 /* of the session's row */
	bool		 has_created_at;			 /* whether there is that row */
	SessionView *views;
	int			 count;
} SessionViews;

/* What is added to a cell. */
typedef struct Contribution
{
	Dimension	dimension;
	TimestampTz at; /* when the view or the visit began */
	Span		value;
	int64		counters[COUNTER_COUNT];
	int			bucket;	 /* of the engagement of one view; -1: none */
	uint32		visitor; /* 0: nobody */
} Contribution;

typedef struct VisitRules
{
	TimestampTz since; /* visits that began in [since, until) count */
	TimestampTz until;
	int64		timeout;		   /* microseconds */
	int32		bounce_engagement; /* milliseconds */
	uint32		dimensions;		   /* a bit each: those that are wanted */
} VisitRules;

/* Called for each contribution, whose spans last for the call only. */
typedef void (*TakeContribution)(void *context, const Contribution *contribution);

/* Tells of every view and visit of one version of the views. */
extern void visits_tell(const SessionViews *views, Version version, const VisitRules *rules,
						TakeContribution take, void *context);

/*
 * The views of one version that begin a visit: marks them in `entries`, one for
 * each view; those that are not there begin none.
 */
extern void visits_entries(const SessionViews *views, Version version, int64 timeout,
						   bool *entries);

/*
 * Marks in `lost`, one for each view, those that began a visit before and do not
 * any more, or whose visit came from somewhere else.
 */
extern void visits_lost_entries(const SessionViews *views, int64 timeout, bool *lost);

/* Whether both versions are the same. */
extern bool visits_same(const SessionViews *views);

/* The rules as the settings have them, for all dimensions and times. */
extern VisitRules visits_rules(void);

#endif /* PAGEVIEWS_VISITS_H */
