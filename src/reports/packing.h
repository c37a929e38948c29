/*
 * packing.h
 *	  Packs the views of days that are over, for reports that read them one by
 *	  one: with filters, funnels, retention.  A packed view takes a tenth of its
 *	  row, and packs are in the order of sessions, in which a report wants them.
 *
 * Of the day that goes on the hours are packed that ended some time ago, as soon as
 * there are views enough; all day long one such pack comes after the other, none over
 * midnight, and the day's own takes their place.  In what follows they are days, too.
 *
 * What is packed is always what the views are, but for sessions that are noted
 * to have changed:
 *
 *	- the store keeps what it changes of views that are rolled up
 *	  (pageviews.rollup_changes); when the roll-ups take that, the session is noted
 *	  with its day (pageviews.packed_stale), and a day with many is packed again
 *	- where somebody else changes views, or the session of views, the marks of
 *	  their hours make readers read the views of that day, and when an hour is rolled
 *	  up again the packs that it is in go
 *	- whoever has a session forgotten waits until nobody packs, so that no pack with
 *	  it comes afterwards
 *
 * What a session turned out to be is an exception of a minute: where the worker finds
 * that it is a robot, it marks one hour, and the other packs have its views until the
 * roll-ups take that mark, and with it all hours of the session.
 *
 * All calls are inside a transaction, with SPI connected and the lock on
 * pageviews.rollup_state that applying takes.
 */
#ifndef PAGEVIEWS_PACKING_H
#define PAGEVIEWS_PACKING_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "rollup_private.h"

/* Joins a row of pageviews.rollup_changes, c, with the packed day that it lies in, d. */
#define PACKED_DAY_OF_CHANGE \
	"d.day >= date_trunc('day', c.started_at, 'UTC') AND d.day <= c.started_at AND c.started_at < d.until"

/* Notes the sessions whose changes are being consumed. */
extern void packing_note_changes(const RollupState *state);

/* Throws away the packs that these hours are in. */
extern void packing_forget_hours(const Hours *hours);

/* Throws all packs away. */
extern void packing_forget_all(void);

/*
 * Packs one day, or some hours, that should be; returns whether there may be more.
 * Hours are packed every half an hour at most, if not `at_once`.
 */
extern bool packing_pack(const RollupState *state, bool at_once);

#endif /* PAGEVIEWS_PACKING_H */
