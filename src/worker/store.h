/*
 * store.h
 *	  The only code that runs SQL: one short, bounded transaction a call.
 *
 * Every call connects to nothing and waits for nothing beyond its own timeouts
 * (lock_timeout 200 ms, pageviews.write_timeout overall), works as
 * pageviews.role inside a security-restricted context, leaves no transaction
 * open and reports its activity and statistics.  It first takes hold of the
 * extension (AccessShare on its row) so that it cannot vanish underneath;
 * without the extension it does nothing and says STORE_ABSENT.  No call raises:
 * errors become a result.  Called with cancels let through: both timeouts arrive
 * as one.  A commit that waits for a standby in vain until write_timeout stands
 * without it, as for every session that is cancelled there.
 */
#ifndef PAGEVIEWS_STORE_H
#define PAGEVIEWS_STORE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "../common/config.h"
#include "view.h"

typedef enum StoreResult
{
	STORE_OK,
	STORE_ABSENT, /* the extension is not there: wait quietly */
	STORE_RETRY	  /* nothing was changed; logged (rate-limited), try again later */
} StoreResult;

typedef enum RowOutcome
{
	ROW_WAITING, /* the call did not come to it: nothing happened to it */
	ROW_STORED,
	ROW_REJECTED /* set aside in pageviews.rejected */
} RowOutcome;

/* Once, at the start of the worker, after it connected to the database. */
extern void store_init(void);

/*
 * Looks for the extension, which is one catalog lookup: its oid, InvalidOid when
 * it is not there.  False when that could not be found out now.
 */
extern bool store_extension(Oid *extension);

/*
 * The server stops.  Each call from now on, until the next of this, may work for
 * `working` ms, whatever pageviews.write_timeout says, and wait for others until
 * `waiting` ms have gone by.  It does not wait for standbys: that is done once,
 * for all of them, by store_wait_for_standbys().  From the moment of a SIGTERM
 * until the first of this every call is STORE_RETRY, or is cancelled.
 */
extern void store_hurry(int waiting, int working);

/* From now on each call may take so long, in a process for whose work nobody waits. */
extern void store_allow(int milliseconds);

/* Waits for at most `patience` ms for what synchronous_commit asks for the last commit. */
extern void store_wait_for_standbys(int patience);

/*
 * What is called between the statements of a batch, in its transaction: so it must not
 * raise, wait for longer than a moment, run SQL or touch the batch's rows.
 */
typedef void (*StorePause)(void);

/*
 * Writes a batch: sessions that may be new, then views, leaf by leaf, in one
 * transaction.  A row that can never be stored is found by halving the batch
 * and set aside.  Fills one outcome a row; with STORE_RETRY some may be
 * ROW_STORED already (committed on their own), the rest ROW_WAITING.
 *
 * STORE_RETRY without waiting while pageviews.forget_session() holds its lock,
 * and while board_forgotten() says that a session is yet to be forgotten: take
 * board_next_forgotten() before every call.
 */
extern StoreResult store_write(const ViewRow **rows, uint32_t count, RowOutcome *outcomes,
							   StorePause pause);

/*
 * Reads the cookie keys, newest first; makes one when there is none.  The newest
 * signs.
 */
extern StoreResult store_cookie_keys(CookieKey keys[COOKIE_KEY_LIMIT], uint8_t *count);

/* Makes the partitions of the previous, this and the next month if missing. */
extern StoreResult store_make_partitions(WallMillis now);

/*
 * One step of pageviews.retention: drops one partition that lies wholly before
 * now - retention; when there is none left, looks at the next thousand sessions
 * for those that have no view any more.  `*dropped` says whether there may be
 * more to do: call again soon (not at once: others want the worker too), else
 * in an hour or so.
 */
extern StoreResult store_drop_partition(WallMillis now, bool *dropped);

/*
 * The latest beginning of a view of this collector that lies further ahead of `now`
 * than clocks may differ: it was stored while the server's clock was ahead.  0: none.
 * What lies behind the next month does not count: no partition is there for its neighbours.
 */
extern StoreResult store_latest(WallMillis now, WallMillis *latest);

/*
 * One step of the roll-ups: what began before `until` (reports/rollup.h).  `*more`
 * says whether there is more to do.
 */
extern StoreResult store_roll_up(TimestampTz until, bool *more);

/* Packs the views of one day that is over, or of hours; `*more` says whether there may be more. */
extern StoreResult store_pack(bool *more);

/*
 * Closes, as END_RECOVERED, up to `limit` views that this collector left open
 * and that `held` (registry_holds) does not claim.  `*closed` says how many; call
 * again while it is `limit`.
 */
extern StoreResult store_recover(uint32_t limit, bool (*held)(const Uuid *view), uint32_t *closed);

#endif /* PAGEVIEWS_STORE_H */
