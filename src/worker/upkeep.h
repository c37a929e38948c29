/*
 * upkeep.h
 *	  What the store needs now and then: the extension, keys, partitions, recovery.
 *
 * A schedule around store.h: it notices that the extension came or went, reads
 * the cookie keys, makes the months' partitions, drops old ones and closes what
 * an earlier worker left open.  At most one transaction a call.
 */
#ifndef PAGEVIEWS_UPKEEP_H
#define PAGEVIEWS_UPKEEP_H

#include "postgres.h"

#include "../common/config.h"
#include "registry.h"
#include "store.h"

extern void upkeep_init(const Registry *registry);

/* Does the one thing that is due; true when the cookie keys changed. */
extern bool upkeep_run(Moment now);

/* For registry_set_latest(): see store_latest(). */
extern WallMillis upkeep_latest(void);

/* When upkeep_run() is next needed. */
extern Micros upkeep_deadline(void);

/* A row was set aside: an open row of its view may be left in the table. */
extern void upkeep_row_rejected(void);

/*
 * The server stops: store_hurry(), in microseconds; what is left of the time may
 * be negative.
 */
extern void upkeep_hurry(Micros waiting, Micros working);

/* store_wait_for_standbys(), likewise. */
extern void upkeep_wait_for_standbys(Micros patience);

/* Cancels the write that runs, if one does.  For signal handlers. */
extern void upkeep_cancel(void);

/* Whether the extension is there and its partitions and keys are ready. */
extern bool upkeep_extension_present(void);

/* Copies the keys, the one that signs first; returns how many, 0 when there are none yet. */
extern uint8_t upkeep_cookie_keys(CookieKey into[COOKIE_KEY_LIMIT]);

/* store_write(), cancellable, and taking note of an extension that went. */
extern StoreResult upkeep_write(const ViewRow **rows, uint32_t count, RowOutcome *outcomes,
								StorePause pause);

#endif /* PAGEVIEWS_UPKEEP_H */
