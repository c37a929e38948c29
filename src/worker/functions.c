/*
 * functions.c
 *	  Everything that SQL can call.
 *
 * Readers of the board copy it under its lock and never write.  A session that
 * is to be forgotten is left with the board just before the transaction commits,
 * while the lock that keeps the store from writing is still held, so that no row
 * of it can slip in between, and a rollback forgets nothing.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/pg_list.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "../common/cookie.h"
#include "../reports/rollup.h"
#include "board.h"
#include "datum.h"
#include "pageviews.h"
#include "settings.h"
#include "sites.h"

PG_FUNCTION_INFO_V1(pageviews_begin_forgetting);
PG_FUNCTION_INFO_V1(pageviews_read_live_views);
PG_FUNCTION_INFO_V1(pageviews_read_worker_stats);
PG_FUNCTION_INFO_V1(pageviews_retention_cutoff);
PG_FUNCTION_INFO_V1(pageviews_verify_cookie);
PG_FUNCTION_INFO_V1(pageviews_wake_worker_at_commit);

/* A session that a (sub)transaction wants forgotten. */
typedef struct Forgetting
{
	Uuid			 session;
	SubTransactionId subtransaction;
} Forgetting;

/* Of the current transaction, in TopTransactionContext. */
static List *forgettings = NIL;
static bool	 callbacks_registered = false;

/* --- what waits for the commit ---------------------------------------------- */

/* Leaves the transaction's sessions for the worker; raises if its mailbox is full. */
static void
post_forgettings(void)
{
	ListCell *cell;

	if (!board_available())
		return;
	foreach(cell, forgettings)
	{
		const Forgetting *forgetting = lfirst(cell);

		if (!board_forget_session(&forgetting->session))
			ereport(ERROR, errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					errmsg("too many sessions are to be forgotten at once"),
					errhint("Try again in a moment, with fewer in a transaction."));
	}
}

/* Posts the sessions when the transaction is about to commit; drops them when it is over. */
static void
at_transaction_end(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			post_forgettings();
			return;
		case XACT_EVENT_PRE_PREPARE:
			if (forgettings != NIL)
				ereport(
					ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg(
						"cannot PREPARE a transaction that has called pageviews.forget_session()"));
			return;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			forgettings = NIL;
			return;
		default:
			return;
	}
}

/* Hands a subtransaction's wishes to its parent, or drops them with it. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction, SubTransactionId parent,
					  void *argument)
{
	ListCell *cell;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	foreach(cell, forgettings)
	{
		Forgetting *forgetting = lfirst(cell);

		if (forgetting->subtransaction != subtransaction)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			forgetting->subtransaction = parent;
		else
			forgettings = foreach_delete_current(forgettings, cell);
	}
}

/* Once a process; a callback stays registered for good. */
static void
register_callbacks(void)
{
	if (callbacks_registered)
		return;
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	callbacks_registered = true;
}

bool
pageviews_is_forgetting(const uint8 session[16])
{
	ListCell *cell;

	foreach(cell, forgettings)
	{
		const Forgetting *forgetting = lfirst(cell);

		if (memcmp(forgetting->session.bytes, session, sizeof forgetting->session.bytes) == 0)
			return true;
	}
	return false;
}

/*
 * begin_forgetting(session uuid): keeps the store from writing, and whoever rolls
 * up or packs, until the transaction ends, waiting for what is under way, and leaves
 * the session for the worker when the transaction commits.  Packing may take long:
 * it is waited for first, so that the store does not wait with us.
 */
Datum
pageviews_begin_forgetting(PG_FUNCTION_ARGS)
{
	Oid			  sessions = get_relname_relid("sessions", get_namespace_oid("pageviews", false));
	MemoryContext caller;
	Forgetting	 *forgetting;

	if (IsolationUsesXactSnapshot())
		ereport(
			ERROR, errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			errmsg(
				"a session cannot be forgotten in a REPEATABLE READ or SERIALIZABLE transaction"),
			errdetail(
				"Rows that were stored after the transaction's snapshot would be left behind."));
	if (!OidIsValid(sessions))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("table \"pageviews.sessions\" does not exist"));
	LockRelationOid(rollup_state_table(), ShareUpdateExclusiveLock);
	LockRelationOid(sessions, ShareRowExclusiveLock);

	register_callbacks();
	caller = MemoryContextSwitchTo(TopTransactionContext);
	forgetting = palloc_object(Forgetting);
	memcpy(forgetting->session.bytes, PG_GETARG_UUID_P(0)->data, sizeof forgetting->session.bytes);
	forgetting->subtransaction = GetCurrentSubTransactionId();
	forgettings = lappend(forgettings, forgetting);
	MemoryContextSwitchTo(caller);
	PG_RETURN_VOID();
}

/* wake_worker_at_commit(), a trigger: the worker, if one runs, is woken when the transaction commits. */
Datum
pageviews_wake_worker_at_commit(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("this function can only be called as a trigger"));
	if (board_available())
		board_wake_worker();
	PG_RETURN_POINTER(NULL);
}

/* retention_cutoff(): what ended earlier may go; NULL if everything is kept. */
Datum
pageviews_retention_cutoff(PG_FUNCTION_ARGS)
{
	if (setting_retention == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(GetCurrentTimestamp() -
						  (int64) setting_retention * SECS_PER_MINUTE * USECS_PER_SEC);
}

/* --- the cookie -------------------------------------------------------------- */

/*
 * Copies the keys out of two arrays of the same length; returns how many.
 * Keys of another length than COOKIE_KEY_LENGTH are left out.
 */
static uint8_t
keys_of_arrays(ArrayType *ids, ArrayType *secrets, CookieKey keys[COOKIE_KEY_LIMIT])
{
	Datum  *id_values;
	Datum  *secret_values;
	int		id_count;
	int		secret_count;
	uint8_t count = 0;

	if (array_contains_nulls(ids) || array_contains_nulls(secrets))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("cookie keys must not be null"));
	deconstruct_array(ids, INT4OID, sizeof(int32), true, TYPALIGN_INT, &id_values, NULL, &id_count);
	deconstruct_array(secrets, BYTEAOID, -1, false, TYPALIGN_INT, &secret_values, NULL,
					  &secret_count);
	for (int i = 0; i < Min(id_count, secret_count) && count < COOKIE_KEY_LIMIT; i++)
	{
		bytea *secret = DatumGetByteaPP(secret_values[i]);

		if (VARSIZE_ANY_EXHDR(secret) != COOKIE_KEY_LENGTH)
			continue;
		keys[count].id = DatumGetUInt32(id_values[i]);
		memcpy(keys[count].secret, VARDATA_ANY(secret), COOKIE_KEY_LENGTH);
		count++;
	}
	return count;
}

/*
 * verify_cookie(cookie text, key_ids integer[], secrets bytea[] [, site text])
 * returns uuid: the session that the value of a cookie names, NULL if it is not
 * one that one of the keys signed, or for another host than `site`, or is expired.
 */
Datum
pageviews_verify_cookie(PG_FUNCTION_ARGS)
{
	text	  *cookie = PG_GETARG_TEXT_PP(0);
	CookieKey  keys[COOKIE_KEY_LIMIT];
	uint8_t	   key_count = keys_of_arrays(PG_GETARG_ARRAYTYPE_P(1), PG_GETARG_ARRAYTYPE_P(2), keys);
	CookieSite site;
	Uuid	   session;
	pg_uuid_t *result;
	bool	   valid;

	if (PG_NARGS() > 3)
		site = cookie_site(text_of(text_to_cstring(PG_GETARG_TEXT_PP(3))));
	valid = cookie_verify(VARDATA_ANY(cookie), VARSIZE_ANY_EXHDR(cookie),
						  text_of(setting_cookie_name), PG_NARGS() > 3 ? &site : NULL, keys,
						  key_count, clock_wall(), setting_cookie_max_age, &session);
	explicit_bzero(keys, sizeof keys);
	if (!valid)
		PG_RETURN_NULL();
	result = palloc_object(pg_uuid_t);
	memcpy(result->data, session.bytes, sizeof result->data);
	PG_RETURN_UUID_P(result);
}

/* --- the board ---------------------------------------------------------------- */

/* Raises if there is no shared memory to read. */
static void
require_board(void)
{
	if (!board_available())
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("pageviews must be loaded via shared_preload_libraries"),
				errhint("Add pageviews to shared_preload_libraries and restart."));
}

/* A figure of a view now: what was reported, and the time since if it still runs. */
static int32_t
figure_now(int32_t reported, bool running, Micros reported_at, Micros now)
{
	int64_t figure = reported;

	if (running && now > reported_at)
		figure += (now - reported_at) / MICROS_PER_MILLI;
	return (int32_t) Min(figure, FIGURE_LIMIT);
}

/* "focused", "visible", "hidden" or "lost". */
static const char *
state_name(const BoardView *view)
{
	static const char *const names[PAGE_STATE_COUNT] = {
		[PAGE_HIDDEN] = "hidden", [PAGE_VISIBLE] = "visible", [PAGE_FOCUSED] = "focused"};

	return view->phase == VIEW_LOST ? "lost" : names[view->state];
}

/* Whether a text of the server's encoding is one of a list of C strings. */
static bool
is_among(Datum value, const List *strings)
{
	char	 *string = TextDatumGetCString(value);
	bool	  found = false;
	ListCell *cell;

	foreach(cell, strings)
		found = found || strcmp(string, lfirst(cell)) == 0;
	pfree(string);
	return found;
}

/*
 * read_live_views(): one row for each view on the board whose site the caller may
 * see.  No view over it could keep the others back: he may call it himself.
 */
Datum
pageviews_read_live_views(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	BoardView	  *views;
	uint32_t	   count;
	Micros		   now;
	bool		   all = sites_all_visible();
	List		  *sites = all ? NIL : sites_visible();

	require_board();
	InitMaterializedSRF(fcinfo, 0);
	views = board_read_views(&count);
	now = clock_monotonic();
	for (uint32_t i = 0; i < count; i++)
	{
		BoardView *view = &views[i];
		bool	   open = view->phase == VIEW_OPEN;
		Datum	   site = text_datum(view->site, view->site_length);
		bool	   nulls[9] = {false};
		Datum	   values[9] = {
				 PointerGetDatum(view->view.bytes),
				 PointerGetDatum(view->session.bytes),
				 site,
				 text_datum(view->path, view->path_length),
				 text_datum(view->name, view->name_length),
				 CStringGetTextDatum(state_name(view)),
				 TimestampTzGetDatum(timestamp_of(view->started_at)),
				 Int32GetDatum(figure_now(view->engagement, open && view->state != PAGE_HIDDEN,
										  view->reported_at, now)),
				 Int32GetDatum(figure_now(view->focused, open && view->state == PAGE_FOCUSED,
										  view->reported_at, now))};

		if (!all && !is_among(site, sites))
			continue;
		nulls[4] = view->name_length == 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The columns of read_worker_stats(), filled from left to right. */
typedef struct StatsRow
{
	Datum values[64];
	bool  nulls[64];
	int	  count;
} StatsRow;

/* Fills the next column. */
static void
put(StatsRow *row, Datum value)
{
	row->values[row->count] = value;
	row->nulls[row->count++] = false;
}

/* Fills the next column, with NULL if `null`. */
static void
put_unless(StatsRow *row, bool null, Datum value)
{
	row->values[row->count] = value;
	row->nulls[row->count++] = null;
}

/* The columns about the worker, its listeners and their connections. */
static void
put_listeners(StatsRow *row, const BoardStats *stats)
{
	static const ListenerCounter order[] = {
		COUNT_CONNECTIONS,		  COUNT_UPGRADES,		 COUNT_NOTES,
		COUNT_MESSAGES,			  COUNT_SCRIPTS,		 COUNT_REFUSED_FULL,
		COUNT_REFUSED_ADDRESS,	  COUNT_REFUSED_BUSY,	 COUNT_REFUSED_ORIGIN,
		COUNT_REFUSED_REQUEST,	  COUNT_REFUSED_MESSAGE, COUNT_PING_TIMEOUTS,
		COUNT_REFUSED_RATE,		  COUNT_REFUSED_FLOOD,	 COUNT_REFUSED_SIZE,
		COUNT_HANDSHAKE_TIMEOUTS, COUNT_IDLE_TIMEOUTS,	 COUNT_EXPIRED,
		COUNT_REFUSED_ROBOT};

	StaticAssertStmt(lengthof(order) == LISTENER_COUNTER_COUNT, "a counter is missing");
	put_unless(row, stats->worker_pid == 0, Int32GetDatum(stats->worker_pid));
	put_unless(row, stats->worker_pid == 0, TimestampTzGetDatum(stats->worker_started_at));
	put(row, BoolGetDatum(stats->extension_present));
	put(row, BoolGetDatum(stats->busy));
	put(row, Int32GetDatum(stats->listeners_wanted));
	put(row, Int32GetDatum(stats->listeners_ready));
	put_unless(row, stats->listeners_ready == 0, BoolGetDatum(stats->listeners_sandboxed));
	put(row, Int64GetDatum(stats->listener_restarts));
	put(row, Int64GetDatum(stats->connections));
	for (int i = 0; i < (int) lengthof(order); i++)
		put(row, Int64GetDatum((int64) stats->listener_counters[order[i]]));
}

/* The columns about views, messages and events. */
static void
put_views(StatsRow *row, const RegistryCounts *counts)
{
	put(row, Int64GetDatum((int64) counts->announced));
	put(row, Int64GetDatum((int64) counts->stored));
	put(row, Int64GetDatum((int64) counts->rejected));
	put(row, Int64GetDatum((int64) counts->open));
	put(row, Int64GetDatum((int64) counts->lost));
	put(row, Int64GetDatum((int64) counts->queued));
	put(row, Int64GetDatum((int64) counts->refused));
	put(row, Int64GetDatum((int64) counts->dropped));
	put(row, Int64GetDatum((int64) counts->messages));
	put(row, Int64GetDatum((int64) counts->repeated));
	put(row, Int64GetDatum((int64) counts->refused_by[VIEW_REFUSED_CLOCK]));
	put(row, Int64GetDatum((int64) counts->refused_by[VIEW_REFUSED_UNKNOWN]));
	put(row, Int64GetDatum((int64) counts->refused_by[VIEW_REFUSED_ENDED]));
	put(row, Int64GetDatum((int64) counts->refused_by[VIEW_REFUSED_BUSY]));
	put(row, Int64GetDatum((int64) counts->refused_by[VIEW_REFUSED_REJECTED]));
	put(row, Int64GetDatum((int64) counts->events_taken));
	put(row, Int64GetDatum((int64) counts->events_stored));
	put(row, Int64GetDatum((int64) counts->events_rejected));
	put(row, Int64GetDatum((int64) counts->events_queued));
	put(row, Int64GetDatum((int64) counts->events_dropped));
}

/* The columns about the queue and the store. */
static void
put_store(StatsRow *row, const BoardStats *stats)
{
	put(row, Int64GetDatum(stats->queue_length));
	put(row, Int64GetDatum(stats->queue_capacity));
	put(row, Int64GetDatum((int64) stats->batches));
	put(row, Int64GetDatum((int64) stats->rows));
	put(row, Int64GetDatum((int64) stats->retries));
	put_unless(row, stats->last_flush_at == 0, TimestampTzGetDatum(stats->last_flush_at));
	put_unless(row, stats->last_flush_at == 0, Float8GetDatum(stats->flush_last / 1000.0));
	put_unless(row, stats->last_flush_at == 0, Float8GetDatum(stats->flush_max / 1000.0));
}

/* read_worker_stats(): the worker's figures, one row. */
Datum
pageviews_read_worker_stats(PG_FUNCTION_ARGS)
{
	TupleDesc  description;
	BoardStats stats;
	StatsRow   row = {.count = 0};

	require_board();
	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	stats = board_read_stats();
	put_listeners(&row, &stats);
	put_views(&row, &stats.counts);
	put_store(&row, &stats);
	if (row.count != description->natts)
		ereport(
			ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
			errmsg(
				"pageviews.read_worker_stats() has other columns than this version of the library"),
			errhint(
				"Run ALTER EXTENSION pageviews UPDATE, or restart the server after an upgrade of the package."));
	PG_RETURN_DATUM(
		HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), row.values, row.nulls)));
}
