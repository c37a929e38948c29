/*
 * pageviews.c
 *	  Where Postgres loads the module: settings, shared memory, the worker.
 *
 * Not preloaded, the module still offers its SQL functions; those that need the
 * worker say what is missing.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"

#include "board.h"
#include "pageviews.h"
#include "settings.h"

PG_MODULE_MAGIC;

void _PG_init(void);

bool pageviews_in_worker = false;

/*
 * A worker that cannot start (no such database, say) is tried again after this
 * long: not so often that it floods the log.
 */
#define WORKER_RESTART_SECONDS 5

static void
register_worker(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof worker);
	strlcpy(worker.bgw_name, "pageviews worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pageviews worker", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "pageviews", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "pageviews_worker_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = WORKER_RESTART_SECONDS;
	RegisterBackgroundWorker(&worker);
}

void
_PG_init(void)
{
	settings_init();

	/* pg_upgrade's servers serve nobody. */
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	board_init();
	if (setting_port != 0 || setting_unix_socket[0] != '\0')
		register_worker();
}
