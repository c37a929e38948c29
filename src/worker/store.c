/*
 * store.c
 *	  One transaction of the store: its bounds, its role, its errors.
 *
 * Every call of store.h ends up in store_transact(), which
 *
 * - forgets a cancel that came before it or came too late for it (timeouts
 *   work by SIGINT to oneself);
 * - arms pageviews.write_timeout until after the commit, because a commit can
 *   wait for a standby;
 * - takes hold of the extension before anything else, in the order in which
 *   DROP EXTENSION locks, and does nothing when it is not there;
 * - puts pageviews.role on inside a security-restricted context, and takes it
 *   off after the commit as well (only an abort restores it by itself), so
 *   that triggers, deferred ones too, never run as the superuser that the
 *   worker connected as;
 * - turns errors into results.
 *
 * Nothing is kept in shared memory here; all state is this process's.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "replication/syncrep.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "pageviews.h"
#include "settings.h"
#include "store_private.h"

#define STORE_LOCK_TIMEOUT "200ms"
#define LOG_INTERVAL_MS	   60000
#define LOG_BURST_MS	   5000
#define WAITING_LOOK_MS	   20 /* how often a hurried call is looked at */

/* Failures that usually pass: logged only when they do not. */
#define PASSING_FAILURES 3

#define DEFAULT_ROLE "pageviews_collector"

/* Scratch for one transaction; reset before each. */
static MemoryContext store_context;

/* While the server stops, see store_hurry(). */
static bool hurried = false;
static int	waiting_limit; /* ms */
static int	working_limit;

/* See store_allow(); 0: pageviews.write_timeout. */
static int		 allowed = 0;
static TimeoutId waiting_timeout;

static int		   consecutive_failures;
static int		   last_logged_sqlstate;
static TimestampTz last_logged_at;
static uint64	   failures_not_logged;

void
store_hurry(int waiting, int working)
{
	hurried = true;
	waiting_limit = waiting;
	working_limit = working;
}

/*
 * The time for waiting is over (a timeout's handler, repeated): cancels what
 * waits for somebody who need not ever come: who holds a lock, a sleep, another
 * machine.  All the rest is work, even on a slow disk.
 */
static void
stop_waiting(void)
{
	switch (*my_wait_event_info & 0xFF000000)
	{
		case PG_WAIT_LOCK:
		case PG_WAIT_CLIENT:
		case PG_WAIT_EXTENSION:
		case PG_WAIT_TIMEOUT:
			InterruptPending = true;
			QueryCancelPending = true;
			break;
		default:
			break;
	}
}

void
store_allow(int milliseconds)
{
	allowed = milliseconds;
}

void
store_wait_for_standbys(int patience)
{
	enable_timeout_after(STATEMENT_TIMEOUT, patience);
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(XactLastCommitEnd, true);
	RESUME_INTERRUPTS();
	disable_timeout(STATEMENT_TIMEOUT, false);
	QueryCancelPending = false;
}

/* Bounds the time of a transaction, its commit included. */
static void
start_timeouts(void)
{
	TimestampTz now = GetCurrentTimestamp();

	enable_timeout_after(STATEMENT_TIMEOUT, hurried		  ? working_limit
											: allowed > 0 ? allowed
														  : setting_write_timeout);
	if (hurried)
		enable_timeout_every(waiting_timeout, TimestampTzPlusMilliseconds(now, waiting_limit),
							 WAITING_LOOK_MS);
}

static void
stop_timeouts(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	disable_timeout(waiting_timeout, false);
}

void
store_init(void)
{
	store_context =
		AllocSetContextCreate(TopMemoryContext, "pageviews store", ALLOCSET_DEFAULT_SIZES);
	SetConfigOption("lock_timeout", STORE_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("jit", "off", PGC_USERSET, PGC_S_SESSION);
	waiting_timeout = RegisterTimeout(USER_TIMEOUT, stop_waiting);
}

Oid
store_schema(void)
{
	return get_namespace_oid("pageviews", false);
}

int32
store_collector(void)
{
	uint64 identifier = GetSystemIdentifier();

	if (setting_collector != 0)
		return setting_collector;
	return (int32) ((identifier ^ identifier >> 32) & INT32_MAX) | 1;
}

void
store_prepare(SPIPlanPtr *plan, const char *query, int argument_count, Oid *types)
{
	SPIPlanPtr prepared;

	if (*plan != NULL)
		return;
	prepared = SPI_prepare_cursor(query, argument_count, types, CURSOR_OPT_GENERIC_PLAN);
	if (prepared == NULL || SPI_keepplan(prepared) != 0)
		elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	*plan = prepared;
}

void
store_execute(SPIPlanPtr *plan, const char *query, int argument_count, Oid *types, Datum *values)
{
	int result;

	store_prepare(plan, query, argument_count, types);
	result = SPI_execute_plan(*plan, values, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "could not run a statement: %s", SPI_result_code_string(result));
}

/*
 * Takes hold of the extension until the end of the transaction.  False if it is
 * not there, or went while we waited for it.
 */
static bool
hold_extension(void)
{
	Oid extension = get_extension_oid("pageviews", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	return get_extension_oid("pageviews", true) == extension;
}

/*
 * Tells of a role with more rights than storing needs, once until it has no more
 * or is another one.
 */
static void
warn_of_superuser(Oid role, const char *name)
{
	static Oid warned = InvalidOid;

	if (!superuser_arg(role))
		warned = InvalidOid;
	else if (role != warned && pageviews_in_worker)
	{
		warned = role;
		ereport(
			WARNING, errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			errmsg("pageviews stores views as \"%s\", which is a superuser", name),
			errdetail("Triggers and functions that a write meets have all its rights."),
			errhint(
				"Set pageviews.role to a member of pageviews_collector that is no superuser, such as pageviews_collector itself."));
	}
}

/* The role that the transaction works as; raises if it is not there. */
static Oid
working_role(void)
{
	const char *name =
		setting_role != NULL && setting_role[0] != '\0' ? setting_role : DEFAULT_ROLE;
	Oid role = get_role_oid(name, true);

	if (!OidIsValid(role))
		ereport(
			ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role \"%s\" does not exist", name),
			errhint(
				"Create it and grant it pageviews_collector, or set pageviews.role to another one."));
	warn_of_superuser(role, name);
	return role;
}

/*
 * Whether an error is about the rows themselves, so that trying again cannot
 * help: everything, a trigger's own codes included, but for the classes that
 * tell of the server, its resources, locks, rights and definitions.
 */
static bool
is_by_data(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_INVALID_SQL_STATEMENT_NAME:
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
		case ERRCODE_INVALID_CURSOR_NAME:
		case ERRCODE_INVALID_CATALOG_NAME:
		case ERRCODE_INVALID_SCHEMA_NAME:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_SNAPSHOT_TOO_OLD:
		case ERRCODE_CONFIG_FILE_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
		default:
			return true;
	}
}

/* Whether an error usually passes by itself: a lock, a deadlock, a serialization failure. */
static bool
is_passing(int sqlstate)
{
	return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ||
		   ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TRANSACTION_ROLLBACK;
}

/*
 * Copies an error's message without control characters, cut to fit: a trigger
 * may have quoted what came from the network.
 */
static void
copy_message(char message[STORE_MESSAGE_LIMIT], const char *source)
{
	int length = pg_mbcliplen(source, strlen(source), STORE_MESSAGE_LIMIT - 1);

	for (int i = 0; i < length; i++)
		message[i] = (unsigned char) source[i] < ' ' || source[i] == 0x7f ? ' ' : source[i];
	message[length] = '\0';
}

/* Logs a failure, the first and then one a minute (another kind sooner). */
static void
log_failure(const char *activity, const ErrorData *error)
{
	TimestampTz now = GetCurrentTimestamp();
	char		message[STORE_MESSAGE_LIMIT];
	int interval = error->sqlerrcode == last_logged_sqlstate ? LOG_INTERVAL_MS : LOG_BURST_MS;

	/* Who was told to stop cancelled it. */
	if (ShutdownRequestPending && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		return;
	if ((is_passing(error->sqlerrcode) && consecutive_failures < PASSING_FAILURES) ||
		(last_logged_at != 0 && !TimestampDifferenceExceeds(last_logged_at, now, interval)))
	{
		failures_not_logged++;
		return;
	}

	copy_message(message, error->message);
	ereport(WARNING, errcode(error->sqlerrcode),
			errmsg("%s failed and will be tried again: %s", activity, message),
			failures_not_logged == 0
				? 0
				: errdetail_plural("It is one of " UINT64_FORMAT " failure since the last message.",
								   "It is one of " UINT64_FORMAT
								   " failures since the last message.",
								   failures_not_logged + 1, failures_not_logged + 1),
			error->hint != NULL ? errhint("%s", error->hint)
			: error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE
				? errhint("The role in pageviews.role must be a member of pageviews_collector.")
				: 0);
	last_logged_sqlstate = error->sqlerrcode;
	last_logged_at = now;
	failures_not_logged = 0;
}

/*
 * The error's side of a transaction: rolls back, fills `failure`, logs what
 * should be.  Raises again what must end the worker.
 */
static void
recover_from_error(const char *activity, StoreFailure *failure)
{
	ErrorData *error;

	MemoryContextSwitchTo(store_context);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();

	consecutive_failures++;
	failure->sqlstate = error->sqlerrcode;
	failure->by_data = is_by_data(error->sqlerrcode);
	copy_message(failure->message, error->message);
	if (!failure->by_data)
		log_failure(activity, error);
}

/* The transaction itself; raises when anything fails. */
static StoreResult
run_transaction(StoreBody body, void *context)
{
	Oid user;
	int security;

	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	if (hurried && synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION,
						  GUC_ACTION_LOCAL, true, 0, false);
	GetUserIdAndSecContext(&user, &security);

	if (!hold_extension())
	{
		CommitTransactionCommand();
		return STORE_ABSENT;
	}

	SetUserIdAndSecContext(working_role(),
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	body(context);
	PopActiveSnapshot();
	SPI_finish();
	CommitTransactionCommand();
	SetUserIdAndSecContext(user, security);
	return STORE_OK;
}

StoreResult
store_transact(const char *activity, StoreBody body, void *context, StoreFailure *failure)
{
	MemoryContext		 caller = CurrentMemoryContext;
	volatile StoreResult result;

	Assert(!IsTransactionState());
	memset(failure, 0, sizeof *failure);

	/* A cancel that came between two calls was not meant for this one, but for a stop. */
	QueryCancelPending = false;
	if (ShutdownRequestPending && !hurried)
		return STORE_RETRY;
	MemoryContextReset(store_context);
	MemoryContextSwitchTo(store_context);
	SetCurrentStatementStartTimestamp();
	debug_query_string = activity;
	pgstat_report_activity(STATE_RUNNING, activity);
	start_timeouts();

	PG_TRY();
	{
		result = run_transaction(body, context);
		if (result == STORE_OK)
			consecutive_failures = 0;
	}
	PG_CATCH();
	{
		stop_timeouts();
		recover_from_error(activity, failure);
		result = STORE_RETRY;
	}
	PG_END_TRY();

	stop_timeouts();
	QueryCancelPending = false;
	debug_query_string = NULL;
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(caller);
	return result;
}

StoreResult
store_transact_simply(const char *activity, StoreBody body, void *context)
{
	StoreFailure failure;
	StoreResult	 result = store_transact(activity, body, context, &failure);

	if (result == STORE_RETRY && failure.by_data)
	{
		ErrorData error = {.sqlerrcode = failure.sqlstate, .message = failure.message};

		log_failure(activity, &error);
	}
	return result;
}

bool
store_extension(Oid *extension)
{
	MemoryContext caller = CurrentMemoryContext;
	StoreFailure  failure;
	volatile Oid  found = InvalidOid;
	volatile bool looked = false;

	MemoryContextReset(store_context);
	MemoryContextSwitchTo(store_context);
	QueryCancelPending = false;
	PG_TRY();
	{
		StartTransactionCommand();
		found = get_extension_oid("pageviews", true);
		CommitTransactionCommand();
		looked = true;
	}
	PG_CATCH();
	{
		recover_from_error("looking for the extension", &failure);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	*extension = found;
	return looked;
}
