/*
 * upkeep.c
 *	  What the store needs now and then: the extension, keys, partitions, recovery.
 *
 *	  ABSENT --seen--> SETTLING --a moment later--> PREPARING --done--> READY
 *	    ^                                                                 |
 *	    +------------------------ gone, or another one -------------------+
 *
 * SETTLING exists for restores: a dump creates the extension first and then the
 * partitions and keys that it carries; whoever made them in between would be in
 * its way.  Whoever makes or drops the extension, or changes the keys, says so
 * through the board; looking without having been told, once an hour, is for what
 * could not say it (a prepared transaction, a disabled trigger).
 */
#include "postgres.h"

#include "miscadmin.h"

#include "board.h"
#include "settings.h"
#include "upkeep.h"

#define LOOK_ABSENT		  (10 * MICROS_PER_SECOND)
#define SETTLE_TIME		  (1000 * MICROS_PER_MILLI)
#define REJECTED_PATIENCE (10 * MICROS_PER_SECOND)
#define CHORES_INTERVAL	  (3600 * MICROS_PER_SECOND)
#define RETRY_INTERVAL	  (1 * MICROS_PER_SECOND)
#define RECOVER_BATCH	  1000

typedef enum UpkeepState
{
	UPKEEP_ABSENT,
	UPKEEP_SETTLING,
	UPKEEP_PREPARING,
	UPKEEP_READY
} UpkeepState;

typedef enum Chore
{
	CHORE_PARTITIONS, /* make those that will be needed */
	CHORE_LATEST,	  /* what was stored while the clock was ahead */
	CHORE_KEYS,
	CHORE_DROP, /* drop those whose time is over */
	CHORE_COUNT
} Chore;

static const Registry *registry;
static UpkeepState	   state = UPKEEP_ABSENT;
static Oid			   extension = InvalidOid;
static Micros		   look_at = 0;
static bool			   looked = false; /* found nothing, and said so */
static Micros		   settled_at = 0;
static Micros		   chore_at[CHORE_COUNT];
static bool			   tried[CHORE_COUNT];
static Micros		   recover_at = PG_INT64_MAX;
static WallMillis	   latest = 0;

static CookieKey keys[COOKIE_KEY_LIMIT];
static uint8_t	 key_count = 0;

void
upkeep_init(const Registry *given)
{
	registry = given;
}

/* --- calling the store ------------------------------------------------------ */

/*
 * A store call may be cancelled (its timeouts arrive so); the loop around it may
 * not.  An error inside has reset the holdoff count, so it is set afresh.
 */
#define CANCELLABLE(call)            \
	do                               \
	{                                \
		QueryCancelPending = false;  \
		RESUME_CANCEL_INTERRUPTS();  \
		in_store = true;             \
		call;                        \
		in_store = false;            \
		QueryCancelHoldoffCount = 0; \
		HOLD_CANCEL_INTERRUPTS();    \
	} while (0)

/* Whether a store call runs, for the signal handler. */
static volatile sig_atomic_t in_store = false;

void
upkeep_cancel(void)
{
	if (in_store)
	{
		QueryCancelPending = true;
		InterruptPending = true;
	}
}

/* Milliseconds for a timeout; one that is over is over at once. */
static int
timeout_of(Micros left)
{
	return (int) Max(left / MICROS_PER_MILLI, 1);
}

void
upkeep_hurry(Micros waiting, Micros working)
{
	store_hurry(timeout_of(waiting), timeout_of(working));
}

void
upkeep_wait_for_standbys(Micros patience)
{
	store_wait_for_standbys(timeout_of(patience));
}

void
upkeep_row_rejected(void)
{
	recover_at = Min(recover_at, clock_monotonic() + REJECTED_PATIENCE);
}

static void
became_absent(Micros now)
{
	if (state != UPKEEP_ABSENT)
		ereport(LOG, (errmsg("pageviews extension is gone; views wait for it to come back")));
	state = UPKEEP_ABSENT;
	extension = InvalidOid;
	look_at = now + LOOK_ABSENT;
}

StoreResult
upkeep_write(const ViewRow **rows, uint32_t count, RowOutcome *outcomes, StorePause pause)
{
	StoreResult result;

	CANCELLABLE(result = store_write(rows, count, outcomes, pause));
	if (result == STORE_ABSENT)
		became_absent(clock_monotonic());
	return result;
}

/* --- one thing at a time ------------------------------------------------------ */

static void
look(Moment now)
{
	Oid	 found;
	bool seen;

	CANCELLABLE(seen = store_extension(&found));
	look_at = now.monotonic + CHORES_INTERVAL;
	if (!seen)
	{
		look_at = now.monotonic + RETRY_INTERVAL;
		return;
	}
	if (!OidIsValid(found))
	{
		if (state == UPKEEP_ABSENT && !looked)
			ereport(LOG, (errmsg("pageviews waits for its extension"),
						  errhint("In the database \"%s\", run CREATE EXTENSION pageviews.",
								  setting_database)));
		looked = true;
		became_absent(now.monotonic);
		return;
	}
	if (found == extension)
		return;

	extension = found;
	state = UPKEEP_SETTLING;
	settled_at = now.monotonic + SETTLE_TIME;
}

static bool
held_here(const Uuid *view)
{
	return registry_holds(registry, view);
}

/*
 * Views that an earlier worker left open, a restore brought, or whose end could
 * not be stored, and that no browser has claimed since.
 */
static void
recover(Moment now)
{
	uint32_t	closed = 0;
	StoreResult result;

	CANCELLABLE(result = store_recover(RECOVER_BATCH, held_here, &closed));
	if (closed > 0)
		ereport(LOG, (errmsg("pageviews closed %u views that nobody holds open any more", closed)));
	if (result == STORE_OK && closed < RECOVER_BATCH)
		recover_at = now.monotonic + CHORES_INTERVAL;
	else
		recover_at = now.monotonic + (result == STORE_OK ? 0 : RETRY_INTERVAL);
}

/* Sets *changed when the keys differ from those before. */
static StoreResult
read_keys(bool *changed)
{
	CookieKey	fresh[COOKIE_KEY_LIMIT];
	uint8_t		count = 0;
	StoreResult result;

	memset(fresh, 0, sizeof fresh);
	CANCELLABLE(result = store_cookie_keys(fresh, &count));
	if (result == STORE_OK && (count != key_count || memcmp(fresh, keys, sizeof keys) != 0))
	{
		memcpy(keys, fresh, sizeof keys);
		key_count = count;
		*changed = true;
	}
	return result;
}

/* Does the first chore that is due; true if there was one. */
static bool
do_chore(Moment now, bool *keys_changed)
{
	for (int chore = 0; chore < CHORE_COUNT; chore++)
	{
		StoreResult result = STORE_OK;
		bool		again = false;

		if (chore_at[chore] > now.monotonic)
			continue;
		switch ((Chore) chore)
		{
			case CHORE_PARTITIONS:
				CANCELLABLE(result = store_make_partitions(now.wall));
				break;
			case CHORE_LATEST:
				CANCELLABLE(result = store_latest(now.wall, &latest));
				break;
			case CHORE_KEYS:
				result = read_keys(keys_changed);
				break;
			case CHORE_DROP:
				CANCELLABLE(result = store_drop_partition(now.wall, &again));
				break;
			case CHORE_COUNT:
				break;
		}
		if (result == STORE_ABSENT)
			became_absent(now.monotonic);
		else if (result == STORE_RETRY || again)
			chore_at[chore] = now.monotonic + RETRY_INTERVAL;
		else
			chore_at[chore] = now.monotonic + CHORES_INTERVAL;
		tried[chore] = true;
		return true;
	}
	return false;
}

/*
 * Ready with a key and an attempt at the partitions: one that cannot be made now
 * is tried again, and must not keep the others from being filled.
 */
static bool
prepared(void)
{
	return tried[CHORE_PARTITIONS] && tried[CHORE_LATEST] && tried[CHORE_KEYS] && key_count > 0;
}

bool
upkeep_run(Moment now)
{
	bool keys_changed = false;

	if (board_look_again())
	{
		look_at = 0;
		chore_at[CHORE_KEYS] = 0;
	}

	if (now.monotonic >= look_at)
		look(now);

	if (state == UPKEEP_SETTLING && now.monotonic >= settled_at)
	{
		state = UPKEEP_PREPARING;
		memset(chore_at, 0, sizeof chore_at);
		memset(tried, 0, sizeof tried);
		key_count = 0;
	}
	if (state == UPKEEP_PREPARING || state == UPKEEP_READY)
	{
		if (!do_chore(now, &keys_changed) && state == UPKEEP_READY && now.monotonic >= recover_at)
			recover(now);
	}
	if (state == UPKEEP_PREPARING && prepared())
	{
		state = UPKEEP_READY;
		recover_at = now.monotonic + setting_linger * MICROS_PER_MILLI;
		ereport(LOG, (errmsg("pageviews is ready to store views")));
	}
	return keys_changed;
}

WallMillis
upkeep_latest(void)
{
	return latest;
}

Micros
upkeep_deadline(void)
{
	Micros deadline = look_at;

	if (state == UPKEEP_SETTLING)
		deadline = Min(deadline, settled_at);
	if (state == UPKEEP_PREPARING || state == UPKEEP_READY)
	{
		for (int chore = 0; chore < CHORE_COUNT; chore++)
			deadline = Min(deadline, chore_at[chore]);
	}
	if (state == UPKEEP_READY)
		deadline = Min(deadline, recover_at);
	return deadline;
}

bool
upkeep_extension_present(void)
{
	return state == UPKEEP_READY;
}

uint8_t
upkeep_cookie_keys(CookieKey into[COOKIE_KEY_LIMIT])
{
	memcpy(into, keys, sizeof keys);
	return key_count;
}
