/*
 * roller.c
 *	  The process that adds views up, and when the worker starts it.
 *
 * It is a background worker of its own, started now and then and gone when it
 * has nothing more to do, so that adding up, which takes seconds where there is
 * much, never holds up the worker, for whom browsers wait.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/timestamp.h"

#include "board.h"
#include "pageviews.h"
#include "roller.h"
#include "settings.h"
#include "store.h"

/* A transaction of the roll-ups may take so long; most take a hundredth. */
#define ROLLER_TIMEOUT (60 * 1000)

/* Packing a day of ten million views takes about a minute. */
#define PACKING_TIMEOUT (10 * 60 * 1000)

/* A step that failed is tried again so often, then it is left to the next start. */
#define ROLLER_RETRIES	   10
#define ROLLER_RETRY_DELAY 200 /* ms */

/* --- the worker's side ---------------------------------------------------------- */

/* When that was stored, or the last try was made, for which there is to be a process; PG_INT64_MAX: nothing. */
static Micros				   waiting_since = PG_INT64_MAX;
static Micros				   last_stored = 0;
static BackgroundWorkerHandle *running = NULL;

static Micros
delay(void)
{
	return (Micros) setting_rollup_delay * MICROS_PER_SECOND;
}

void
roller_stored(Micros now)
{
	last_stored = now;
	if (waiting_since == PG_INT64_MAX)
		waiting_since = now;
}

Micros
roller_deadline(void)
{
	if (setting_rollup_delay == 0 || waiting_since == PG_INT64_MAX)
		return PG_INT64_MAX;
	return waiting_since + delay();
}

/* Whether the one that was started last is still there. */
static bool
is_running(void)
{
	pid_t pid;

	if (running != NULL && GetBackgroundWorkerPid(running, &pid) == BGWH_STOPPED)
	{
		pfree(running);
		running = NULL;
	}
	return running != NULL;
}

static void
start(void)
{
	static bool		 told = false;
	BackgroundWorker roller;

	memset(&roller, 0, sizeof roller);
	strlcpy(roller.bgw_name, "pageviews roll-ups", BGW_MAXLEN);
	strlcpy(roller.bgw_type, "pageviews roll-ups", BGW_MAXLEN);
	strlcpy(roller.bgw_library_name, "pageviews", BGW_MAXLEN);
	strlcpy(roller.bgw_function_name, "pageviews_roller_main", BGW_MAXLEN);
	roller.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	roller.bgw_start_time = BgWorkerStart_RecoveryFinished;
	roller.bgw_restart_time = BGW_NEVER_RESTART;
	if (RegisterDynamicBackgroundWorker(&roller, &running))
		told = false;
	else if (!told)
	{
		told = true;
		ereport(WARNING, errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("pageviews could not start the process that makes roll-ups"),
				errdetail("Reports read views instead, which takes longer."),
				errhint("Increase max_worker_processes."));
	}
}

void
roller_run(Micros now)
{
	if (board_take_mark())
		roller_stored(now);
	if (now < roller_deadline())
		return;
	/* What was stored a moment ago is too young for this one, and asks for another. */
	waiting_since = last_stored + delay() > now ? last_stored : PG_INT64_MAX;
	if (is_running())
		waiting_since = now;
	else
		start();
}

/* --- the process ---------------------------------------------------------------- */

/*
 * One step: of the roll-ups, or where these are up to date, of the packs.  What
 * could not be packed is left to the next start.
 */
static StoreResult
work(bool *more)
{
	TimestampTz until =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), -1000L * setting_rollup_delay);
	StoreResult result;

	store_allow(ROLLER_TIMEOUT);
	result = store_roll_up(until, more);
	store_allow(PACKING_TIMEOUT);
	if (result == STORE_OK && !*more && store_pack(more) != STORE_OK)
		*more = false;
	return result;
}

/* Everything that is old enough; the store logs errors but for those that usually pass. */
static void
roll_up(void)
{
	int	 failures = 0;
	bool more = true;

	while (more && !ShutdownRequestPending)
	{
		StoreResult result;

		CHECK_FOR_INTERRUPTS();
		result = work(&more);
		if (result == STORE_ABSENT)
			break;
		if (result == STORE_OK)
			failures = 0;
		else if (++failures == ROLLER_RETRIES)
		{
			ereport(
				WARNING, errmsg("pageviews could not bring its roll-ups up to date"),
				errdetail("It will be tried again. Reports read views meanwhile."),
				errhint("If nothing else was logged, somebody holds a lock on one of the tables "
						"pageviews.rollup*."));
			break;
		}
		else
		{
			more = true;
			WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ROLLER_RETRY_DELAY,
					  PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
	}
}

/* SIGTERM: what runs is cancelled, and rolled back. */
static void
handle_sigterm(SIGNAL_ARGS)
{
	int saved = errno;

	QueryCancelPending = true;
	InterruptPending = true;
	SignalHandlerForShutdownRequest(postgres_signal_arg);
	errno = saved;
}

void
pageviews_roller_main(Datum argument)
{
	pqsignal(SIGTERM, handle_sigterm);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(setting_database, NULL, 0);
	pgstat_report_appname("pageviews roll-ups");
	store_init();
	roll_up();
	proc_exit(0);
}
