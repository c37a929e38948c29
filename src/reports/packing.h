/*
 * packing.h
 *	  Packs the views of days that are over, for reports that read them one by
 *	  one: with filters, funnels, retention.  A packed view takes a tenth of its
 *	  row, and packs are in the order of sessions, in which a report wants them.
 *
 * What is packed is always what the views are, but for sessions that are noted
 * to have changed:
 *
 *	- the store keeps what it changes of views that are rolled up
 *	  (pageviews.rollup_changes); when the roll-ups take that, the session is noted
 *	  with its day (pageviews.packed_stale), and a day with many is packed again
 *	- where somebody else changes views, or the session of views, the marks of
 *	  their hours make readers read the views of that day, and when an hour is rolled
 *	  up again the day's packs go
 *	- whoever has a session forgotten waits until nobody packs, so that no pack with
 *	  it comes afterwards
 *
 * What a session turned out to be is an exception of a minute: where the worker finds
 * that it is a robot, its earlier days have its views until the roll-ups take the mark.
 *
 * All calls are inside a transaction, with SPI connected and the lock on
 * pageviews.rollup_state that applying takes.
 */
#ifndef PAGEVIEWS_PACKING_H
#define PAGEVIEWS_PACKING_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "rollup_private.h"

/* Notes the sessions whose changes are being consumed. */
extern void packing_note_changes(const RollupState *state);

/* Throws away the packs of the days of these hours. */
extern void packing_forget_hours(const Hours *hours);

/* Throws all packs away. */
extern void packing_forget_all(void);

/* Packs one day that should be; returns whether there may be another. */
extern bool packing_pack(const RollupState *state);

#endif /* PAGEVIEWS_PACKING_H */
