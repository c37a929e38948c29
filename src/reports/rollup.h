/*
 * rollup.h
 *	  Keeps pageviews.rollups equal to the views.
 *
 * What is rolled up is what began before a moment, `rolled_until`.  It moves on
 * in two steps, each a transaction:
 *
 *	  announce	says until when it will be, and with which generation the store
 *				is to keep what views were like before it changes them
 *	  apply		adds what the views are now, as of the announcement, and takes
 *				away what was rolled up of them before
 *
 * so that whoever writes views never waits for whoever adds them up, and every
 * change of a view is in the roll-ups once.  Rows that somebody else than the
 * store changed leave marks (marks.c): their hours are made again from the views.
 *
 * All calls are inside a transaction, with SPI connected.
 */
#ifndef PAGEVIEWS_ROLLUP_H
#define PAGEVIEWS_ROLLUP_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "level.h"

/* The one row of pageviews.rollup_state. */
typedef struct RollupState
{
	TimestampTz rolled_until;
	TimestampTz announced_until; /* later than rolled_until: to be applied */
	int64		generation;		 /* of the changes that are kept now */
	int64		consuming;		 /* those up to this one will be applied ... */
	TimestampTz consuming_since; /* ... of views that began since then */
	TimestampTz days_until;		 /* days before this have packs, which are kept */
	TimestampTz weeks_until;
	TimestampTz months_until;
	TimestampTz quarters_until;
	TimestampTz raw_since;	   /* views before this were dropped: their roll-ups stay as they are */
	int32		visit_timeout; /* seconds, as the roll-ups have it */
	int32		bounce_engagement;
} RollupState;

/*
 * The table on which a batch of the store takes RowShareLock, and whoever applies,
 * packs or erases ShareUpdateExclusiveLock.
 */
extern Oid rollup_state_table(void);

/* As the active snapshot has it. */
extern void rollup_read_state(RollupState *state);

/* Until when there are packs of a level. */
extern TimestampTz rollup_packs_until(const RollupState *state, Level level);

/* Whether the roll-ups were made with the settings that there are now. */
extern bool rollup_settings_fit(const RollupState *state);

/*
 * Announces that what began before `until` is to be rolled up, or an hour or so
 * of it when much is.  False when there is nothing to do.
 */
extern bool rollup_announce(TimestampTz until);

/*
 * Does what was announced, and some of what is marked; returns whether there is
 * more to do for `until`.
 */
extern bool rollup_apply(TimestampTz until);

/* packing_pack(), in a transaction of the caller's. */
extern bool rollup_pack(bool at_once);

#endif /* PAGEVIEWS_ROLLUP_H */
