/*
 * worker.c
 *	  The background worker: composes listeners, registry, queue and store.
 *
 * One process, one loop, no thread.  A turn waits for the latch or a channel,
 * takes what the listeners say into the registry, does what is due, and writes
 * at most one batch, in a transaction that ends before the next wait.
 *
 * Signals: SIGTERM asks for a shutdown (everything open is credited, stored and
 * the process ends with status 1, so that the postmaster starts it again unless
 * it stops itself); SIGHUP reloads; SIGINT cancels a write that runs, and only
 * that: both timeouts of a write arrive as SIGINT.
 */
#include "postgres.h"

#include <limits.h>
#include <sched.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../common/pace.h"
#include "board.h"
#include "listener_config.h"
#include "pageviews.h"
#include "registry.h"
#include "roller.h"
#include "settings.h"
#include "store.h"
#include "supervisor.h"
#include "upkeep.h"

#define RECENT_CAPACITY	  65536
#define RETRY_FIRST		  (100 * MICROS_PER_MILLI)
#define RETRY_LAST		  (2 * MICROS_PER_SECOND)
#define FINAL_RETRY		  (10 * MICROS_PER_MILLI)
#define SHUTDOWN_PATIENCE (700 * MICROS_PER_MILLI)
#define SHUTDOWN_LIMIT	  (10 * MICROS_PER_SECOND)
#define SHUTDOWN_BATCH	  200
#define SPEAKING_TIME	  (10 * MICROS_PER_MILLI)

static Queue	 *queue;
static Recent	 *recent;
static Registry	 *registry;
static BoardStats stats;
static Moment	  now;

static Micros retry_at = 0;	   /* no write before this */
static Micros retry_delay = 0; /* 0: the last write went well */
static Micros writing_since = 0;
static Micros heard_at = 0; /* when a listener last said something of a visitor */
static bool	  finishing = false;

/* --- what the registry says ------------------------------------------------ */

static void
send_reply(void *context, ConnectionRef to, const Command *command)
{
	supervisor_send(to.listener, command);
}

static void
show_view(void *context, uint32_t slot, const View *view)
{
	board_show(slot, view);
}

static void
hide_view(void *context, uint32_t slot)
{
	board_hide(slot);
}

/* --- what the listeners say ------------------------------------------------ */

static bool
take_event(uint16_t listener, const Event *event)
{
	/* It may have happened since the turn began. */
	if (event->at > now.monotonic)
		now = clock_now();
	heard_at = now.monotonic;
	return registry_event(registry, listener, event, now);
}

static void
listener_died(uint16_t listener, Micros died_at)
{
	registry_listener_died(registry, listener, died_at, clock_now());
}

/* --- writing ---------------------------------------------------------------- */

static void
note_success(Micros oldest)
{
	stats.batches++;
	roller_stored(now.monotonic);
	stats.flush_last = clock_monotonic() - oldest;
	stats.flush_max = Max(stats.flush_max, stats.flush_last);
	stats.last_flush_at = GetCurrentTimestamp();
	retry_delay = 0;
	retry_at = 0;
}

static void
note_failure(void)
{
	stats.retries++;
	retry_delay = retry_delay == 0 ? RETRY_FIRST : Min(retry_delay * 2, RETRY_LAST);
	retry_at = clock_monotonic() + retry_delay;
}

/*
 * In the midst of a batch (a StorePause): what the listeners said is taken in and
 * answered, so that nobody waits for the rows of others.  A listener on the same core
 * may not have come to say it: it goes first, as long as there is one that speaks, and
 * as long as others on the core, who go first as well, do not cost the batch its time.
 */
static void
hear_meanwhile(void)
{
	MemoryContext caller;

	if (finishing)
		return;
	caller = MemoryContextSwitchTo(TopMemoryContext);
	/* A cancelled write must not take this with it. */
	HOLD_INTERRUPTS();
	now = clock_now();
	supervisor_read(now.monotonic);
	supervisor_flush();
	if (now.monotonic - heard_at < SPEAKING_TIME &&
		now.monotonic - writing_since < setting_write_timeout * MICROS_PER_MILLI / 4)
		(void) sched_yield();
	RESUME_INTERRUPTS();
	MemoryContextSwitchTo(caller);
}

/* Rows in a transaction at most; when time runs out, what smaller ones committed is safe. */
static uint32_t
batch_size(void)
{
	return Min(setting_batch_size, finishing ? SHUTDOWN_BATCH : BATCH_SIZE_LIMIT);
}

/*
 * Writes one batch of the oldest rows and settles what became of each.  True if
 * anything was settled.  A batch that failed is tried again at half its size, so
 * that one which cannot be written in time shrinks until it can; from half of the
 * size that last failed on, batches grow slowly again.
 */
static bool
write_batch(void)
{
	static ViewRow		  batch[BATCH_SIZE_LIMIT];
	static const ViewRow *rows[BATCH_SIZE_LIMIT];
	static RowOutcome	  outcomes[BATCH_SIZE_LIMIT];
	static uint32_t		  limit = BATCH_SIZE_LIMIT;
	static uint32_t		  careful_from = BATCH_SIZE_LIMIT;
	Micros				  oldest = queue_oldest(queue);
	uint32_t			  count;
	uint32_t			  settled = 0;
	StoreResult			  result;

	count = queue_peek(queue, rows, Min(limit, batch_size()));
	if (count == 0)
		return false;

	/* What is heard meanwhile changes the queue, so the batch is a copy. */
	for (uint32_t i = 0; i < count; i++)
	{
		batch[i] = *rows[i];
		batch[i].texts = view_texts_share(batch[i].texts);
		rows[i] = &batch[i];
	}
	writing_since = clock_monotonic();
	result = upkeep_write(rows, count, outcomes, hear_meanwhile);
	for (uint32_t i = 0; i < count; i++)
	{
		view_texts_release(batch[i].texts);
		if (outcomes[i] == ROW_WAITING)
			continue;
		settled++;
		if (outcomes[i] == ROW_STORED)
		{
			registry_stored(registry, &batch[i].view, batch[i].revision);
			stats.rows++;
		}
		else
		{
			registry_rejected(registry, &batch[i].view, batch[i].revision);
			upkeep_row_rejected();
		}
	}

	/* What a stop cuts short tells nothing of the size that can be written. */
	if (ShutdownRequestPending && !finishing)
		return settled > 0;
	if (result == STORE_RETRY)
		limit = careful_from = Max(count / 2, 1);
	else
		limit = Min(limit < careful_from ? 2 * limit : limit + limit / 8 + 1, BATCH_SIZE_LIMIT);
	if (result == STORE_OK)
		note_success(oldest);
	else if (result == STORE_RETRY)
		note_failure();
	else
		retry_at = clock_monotonic() + MICROS_PER_SECOND;
	return settled > 0;
}

/* When the next batch is due. */
static Micros
flush_deadline(void)
{
	Micros due;

	if (queue_length(queue) == 0 || !upkeep_extension_present())
		return PG_INT64_MAX;
	if (queue_length(queue) >= (uint32_t) setting_batch_size)
		due = 0;
	else
		due = queue_oldest(queue) + setting_flush_interval * MICROS_PER_MILLI;
	return Max(due, retry_at);
}

/* --- settings ----------------------------------------------------------------- */

static RegistryRules
make_rules(void)
{
	RegistryRules rules;

	rules.listeners = (uint16_t) setting_listeners;
	rules.connections =
		(uint32_t) (setting_max_connections + setting_listeners - 1) / setting_listeners;
	rules.views = board_capacity();
	rules.linger = setting_linger * MICROS_PER_MILLI;
	rules.checkpoint_interval = setting_checkpoint_interval * MICROS_PER_MILLI;
	return rules;
}

/* Tells the listeners what they are to be, once there is a key to sign with. */
static void
configure_listeners(void)
{
	ListenerConfig config;
	CookieKey	   keys[COOKIE_KEY_LIMIT];
	uint8_t		   key_count = upkeep_cookie_keys(keys);

	if (key_count == 0 || !listener_config_make(&config))
		return;
	memcpy(config.keys, keys, sizeof keys);
	config.key_count = key_count;
	supervisor_configure(&config);
}

static void
reload(void)
{
	RegistryRules rules;

	ProcessConfigFile(PGC_SIGHUP);
	rules = make_rules();
	registry_set_rules(registry, &rules);
	configure_listeners();
}

/* --- the loop ------------------------------------------------------------------ */

static void
forget_sessions(void)
{
	Uuid session;

	while (board_next_forgotten(&session))
		registry_forget(registry, &session, now);
}

static void
publish(void)
{
	SupervisorStats listeners = supervisor_stats();

	stats.listeners_wanted = listeners.wanted;
	stats.listeners_ready = listeners.ready;
	stats.listeners_sandboxed = listeners.sandboxed;
	stats.listener_restarts = listeners.restarts;
	stats.connections = listeners.connections;
	memcpy(stats.listener_counters, listeners.counters, sizeof stats.listener_counters);
	stats.counts = registry_counts(registry);
	stats.queue_length = queue_length(queue);
	stats.queue_capacity = queue_capacity(queue);
	stats.extension_present = upkeep_extension_present();
	stats.busy = registry_full(registry) || !stats.extension_present;
	supervisor_set_busy(stats.busy);
	board_publish(&stats);
}

/* Waits until something happens or something is due. */
static void
wait_for_work(void)
{
	static Pace pace;

	Micros deadline = Min(
		Min(Min(flush_deadline(), roller_deadline()), registry_deadline(registry)),
		Min(Min(supervisor_deadline(), upkeep_deadline()), listener_config_deadline(clock_now())));
	Micros	  delay = deadline == PG_INT64_MAX ? -1 : deadline - clock_monotonic();
	long	  timeout = -1;
	WaitEvent event;

	if (deadline != PG_INT64_MAX)
		timeout = delay <= 0 ? 0 : (long) Min((delay + 999) / 1000, INT_MAX);
	if (timeout != 0)
		pg_usleep((long) pace_rest(&pace, clock_monotonic()));
	WaitEventSetWait(supervisor_wait_set(), timeout, &event, 1, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	pace_turn(&pace, clock_monotonic());
}

/* One turn of the loop, everything but the waiting. */
static void
run_turn(void)
{
	bool new_day;

	now = clock_now();
	supervisor_run(now.monotonic);
	forget_sessions();
	registry_tick(registry, now);
	new_day = listener_config_new_day(now.wall);
	if (upkeep_run(now) || new_day)
		configure_listeners();
	registry_set_latest(registry, upkeep_latest());
	if (flush_deadline() <= clock_monotonic())
	{
		/* What was heard is answered now: nobody's answer waits for the others' rows. */
		supervisor_flush();
		write_batch();
	}
	roller_run(clock_monotonic());
	publish();
	supervisor_flush();
}

/*
 * Writes what is queued.  A stopping server has little patience with what others
 * hold up (a lock, a trigger that sleeps, a standby); but as long as rows are
 * written, however slowly, the writing goes on until `limit`.
 */
static void
write_everything(Micros give_up, Micros limit)
{
	uint32_t waiting = queue_length(queue);
	bool	 written = false;

	while (queue_length(queue) > 0 && upkeep_extension_present() &&
		   clock_monotonic() < (written ? limit : give_up))
	{
		forget_sessions();
		upkeep_hurry(give_up - clock_monotonic(), limit - clock_monotonic());
		written = write_batch();
		if (!written)
			pg_usleep(FINAL_RETRY);
	}
	if (queue_length(queue) < waiting)
		upkeep_wait_for_standbys(give_up - clock_monotonic());
}

/*
 * Everything open is credited and stored; what does not make it comes back from
 * its browser.
 */
static void
finish(void)
{
	Micros started = clock_monotonic();

	finishing = true;
	now = clock_now();
	supervisor_read(now.monotonic);
	forget_sessions();
	now = clock_now();
	registry_shutdown(registry, now);
	write_everything(started + SHUTDOWN_PATIENCE, started + SHUTDOWN_LIMIT);
	supervisor_flush();
	publish();
	supervisor_stop(SHUTDOWN_PATIENCE);
	ereport(LOG, (errmsg("pageviews worker stopped"),
				  queue_length(queue) > 0
					  ? errdetail(
							"%u views could not be stored in time; their browsers still have them.",
							queue_length(queue))
					  : 0));
}

static void
set_up(void)
{
	RegistryRules	rules = make_rules();
	RegistrySink	sink = {NULL, send_reply, show_view, hide_view};
	SupervisorHooks hooks = {take_event, listener_died};

	board_attach();
	stats = board_read_stats();

	queue = queue_new(board_capacity());
	recent = recent_new(RECENT_CAPACITY);
	if (queue != NULL && recent != NULL)
		registry = registry_new(&rules, &sink, queue, recent);
	if (registry == NULL)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("pageviews has no memory for its tables"),
				 errhint("Reduce pageviews.max_connections or pageviews.queue_size.")));
	store_init();
	upkeep_init(registry);
	roller_stored(clock_monotonic());
	supervisor_init(rules.listeners, rules.connections, &hooks);
}

/*
 * SIGTERM: the loop ends, and a write that runs is cancelled, to be tried once
 * more.  Only by the first one: a stopping postmaster signals a child and then
 * its process group, and on a busy machine the second one meets the last write.
 */
static void
handle_sigterm(SIGNAL_ARGS)
{
	int saved = errno;

	if (!ShutdownRequestPending)
		upkeep_cancel();
	SignalHandlerForShutdownRequest(postgres_signal_arg);
	errno = saved;
}

/* Whoever reads in the log that there is no such database learns who wants it, and why. */
static void
tell_who_connects(void *argument)
{
	errcontext("pageviews worker, which stores views in the database of pageviews.database, \"%s\"",
			   setting_database);
}

static void
connect_to_database(void)
{
	ErrorContextCallback callback = {error_context_stack, tell_who_connects, NULL};

	error_context_stack = &callback;
	BackgroundWorkerInitializeConnection(setting_database, NULL, 0);
	error_context_stack = callback.previous;
}

void
pageviews_worker_main(Datum argument)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, handle_sigterm);
	BackgroundWorkerUnblockSignals();

	pageviews_in_worker = true;
	connect_to_database();
	pgstat_report_appname("pageviews worker");
	set_up();
	ereport(LOG, (errmsg("pageviews worker started for database \"%s\", port %d", setting_database,
						 setting_port)));

	/* A stray pg_cancel_backend() must not end the loop: only a write is cancelled. */
	HOLD_CANCEL_INTERRUPTS();
	while (!ShutdownRequestPending)
	{
		wait_for_work();
		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			reload();
		}
		run_turn();
	}

	finish();
	proc_exit(1);
}
