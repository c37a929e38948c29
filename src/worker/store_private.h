/*
 * store_private.h
 *	  What the files of the store share; nobody else includes it.
 *
 *	  store.c			one transaction: bounds, role, extension, errors
 *	  store_columns.c	rows as columns of datums, and as an array of records
 *	  store_rows.c		batches of views and events, and their sessions
 *	  store_events.c	the events of a batch
 *	  store_rejected.c	rows that can never be stored
 *	  store_upkeep.c	partitions, retention, recovery, cookie keys
 */
#ifndef PAGEVIEWS_STORE_PRIVATE_H
#define PAGEVIEWS_STORE_PRIVATE_H

#include "executor/spi.h"

#include "store.h"

#define STORE_MESSAGE_LIMIT 512

/* Why a transaction could not store what it was given. */
typedef struct StoreFailure
{
	bool by_data; /* trying again cannot help; nothing was logged */
	int	 sqlstate;
	char message[STORE_MESSAGE_LIMIT]; /* in the server's encoding */
} StoreFailure;

/*
 * What a transaction does, between SPI_connect and SPI_finish with a snapshot
 * pushed.  It raises to fail.  What it allocates is gone when it returns.
 */
typedef void (*StoreBody)(void *context);

/*
 * Runs a body in a transaction of its own, with every bound that store.h
 * promises.  STORE_RETRY means that it was rolled back; `failure` says why.  A
 * failure that is not by_data has been logged.  `activity` is what
 * pg_stat_activity shows.
 */
extern StoreResult store_transact(const char *activity, StoreBody body, void *context,
								  StoreFailure *failure);

/* As above, for bodies whose failure is never by the data: it is logged. */
extern StoreResult store_transact_simply(const char *activity, StoreBody body, void *context);

/*
 * Prepares and keeps a plan on first use, and runs it; raises if SPI fails.
 * Only inside a StoreBody.  No argument is NULL.
 */
extern void store_prepare(SPIPlanPtr *plan, const char *query, int argument_count, Oid *types);
extern void store_execute(SPIPlanPtr *plan, const char *query, int argument_count, Oid *types,
						  Datum *values);

/* The columns of a view as the store hands it over: a record of each. */
#define VIEW_RECORD                                                                           \
	"(view_id uuid, session_id uuid, started_at timestamptz, ended_at timestamptz,"           \
	" revision bigint, engagement_ms integer, focused_ms integer, active_ms integer,"         \
	" navigation smallint, end_reason smallint, scroll_depth smallint, site text, path text," \
	" name text, query text, title text, referrer text, props jsonb)"

/* How far the roll-ups are, while a batch is written. */
typedef struct RollupHold
{
	TimestampTz until;		/* what began before is in the roll-ups, or soon will be */
	Datum		generation; /* of what is kept for them */
} RollupHold;

/*
 * Keeps the roll-ups where they are until the end of the transaction, and learns
 * how far that is.  Does not wait.
 */
extern void store_hold_rollups(RollupHold *hold);

/*
 * Keeps what the rows of a leaf are like that the roll-ups have, before they are
 * changed to `records`, unless that was done since the roll-ups last took such
 * changes.  `plan` is kept by the caller, one a leaf.
 */
extern void store_keep_for_rollups(SPIPlanPtr *plan, const RollupHold *hold, Oid leaf,
								   Datum records);

/* The schema pageviews; only inside a transaction. */
extern Oid store_schema(void);

/* This cluster's number in views.collector. */
extern int32 store_collector(void);

/* One column of a batch: a datum a row. */
typedef struct Column
{
	Oid	   type;
	Datum *values;
	bool  *nulls;
} Column;

/* Makes `count` columns with room for `rows` datums each, all of them NULL so far. */
extern Column *store_columns(const Oid *types, int count, uint32_t rows);

/* Sets a datum of a row; of a text, an empty one stays NULL. */
extern void store_set_value(Column *column, uint32_t row, Datum value);
extern void store_set_text(Column *column, uint32_t row, Text text);

/*
 * The array of records that the columns' first `rows` datums make: unnesting one
 * array of records takes an eighth of the time of unnesting an array a column.
 */
extern Datum store_records(const Column *columns, int count, uint32_t rows);

/* Inserts events into their leaf, by the plan that is kept for it. */
extern void store_events(SPIPlanPtr *plan, Oid leaf, const ViewRow **rows, uint32_t count);

/* The leaves of a month: of pageviews.views and of pageviews.events. */
typedef struct MonthLeaves
{
	Oid views;
	Oid events;
} MonthLeaves;

/* Finds the leaves for a month; false if one is not there, or not attached. */
extern bool store_find_leaves(int year, int month, MonthLeaves *leaves);

/* Makes the leaves for a month in a transaction of its own. */
extern StoreResult store_make_leaf(int year, int month);

/*
 * Keeps pageviews.forget_session() out until the end of the transaction, without
 * waiting; raises if it is at work, or has left a session that is not yet taken
 * out of the queue that our rows came from.
 */
extern void store_keep_forgetters_out(void);

/* Keeps a row that can never be stored in pageviews.rejected, in a transaction of its own. */
extern StoreResult store_set_aside(const ViewRow *row, const StoreFailure *failure);

/* Whether retention, or plain sense, lets rows of a month be stored at `now`. */
extern bool store_month_is_wanted(int year, int month, WallMillis now);

#endif /* PAGEVIEWS_STORE_PRIVATE_H */
