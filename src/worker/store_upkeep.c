/*
 * store_upkeep.c
 *	  Partitions, retention, recovery and cookie keys.
 *
 * What the collector may not do itself (make and drop tables, read the keys) it
 * does through the SECURITY DEFINER functions of the extension's script.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "datum.h"
#include "settings.h"
#include "store_private.h"

#define MILLIS_PER_MINUTE (INT64_C(60) * 1000)

/* Browsers may report views of the last week. */
#define RETENTION_LEAST_MINUTES (8 * 24 * 60)

/*
 * How far back a leaf is made for a row when nothing is ever dropped.  Ids are a
 * week old at most when they are taken; a row may have waited since.
 */
#define LEAF_OLDEST_MINUTES (366 * 24 * 60)

/* Rows that recovery reads at a time. */
#define RECOVERY_FETCH 1000

static SPIPlanPtr make_partition_plan;
static SPIPlanPtr drop_partition_plan;
static SPIPlanPtr purge_sessions_plan;
static SPIPlanPtr cookie_keys_plan;
static SPIPlanPtr latest_plan;
static SPIPlanPtr open_views_plan;
static SPIPlanPtr recover_plan;

/* How far the walk through the sessions came; it starts anew after each dropped partition. */
static bool purging = true;
static Uuid purged_to;

/* --- partitions ------------------------------------------------------------ */

typedef struct Month
{
	int year;
	int month;
} Month;

/* The month so many months after (before, if negative) this one. */
static Month
month_after(Month month, int months)
{
	int number = month.year * 12 + month.month - 1 + months;

	return (Month){.year = number / 12, .month = number % 12 + 1};
}

/* What ended before this is not kept. */
static WallMillis
retention_cutoff(WallMillis now)
{
	int minutes = setting_retention == 0 ? LEAF_OLDEST_MINUTES
										 : Max(setting_retention, RETENTION_LEAST_MINUTES);

	return now - minutes * MILLIS_PER_MINUTE;
}

bool
store_month_is_wanted(int year, int month, WallMillis now)
{
	Month this_month;
	Month latest;
	Month after = month_after((Month){year, month}, 1);

	month_of(now, &this_month.year, &this_month.month);
	latest = month_after(this_month, 1);
	if (month_start(year, month) > month_start(latest.year, latest.month))
		return false;
	return month_start(after.year, after.month) > retention_cutoff(now);
}

/* A StoreBody; makes the leaf of a Month. */
static void
make_leaf_body(void *context)
{
	const Month *month = context;
	Oid			 types[] = {DATEOID};
	Datum		 arguments[] = {
			   DateADTGetDatum(date2j(month->year, month->month, 1) - POSTGRES_EPOCH_JDATE)};

	store_execute(&make_partition_plan, "SELECT pageviews.make_partition($1)", lengthof(types),
				  types, arguments);
}

StoreResult
store_make_leaf(int year, int month)
{
	Month leaf = {.year = year, .month = month};

	return store_transact_simply("making a partition of page views", make_leaf_body, &leaf);
}

/* Which of the months around now lack a leaf. */
typedef struct MissingLeaves
{
	Month months[3];
	bool  missing[3];
} MissingLeaves;

/* A StoreBody; looks for the leaves. */
static void
find_missing_body(void *context)
{
	MissingLeaves *leaves = context;

	for (int i = 0; i < (int) lengthof(leaves->months); i++)
	{
		MonthLeaves found;

		leaves->missing[i] =
			!store_find_leaves(leaves->months[i].year, leaves->months[i].month, &found);
	}
}

StoreResult
store_make_partitions(WallMillis now)
{
	MissingLeaves leaves;
	Month		  this_month;
	StoreResult	  result;

	month_of(now, &this_month.year, &this_month.month);
	for (int i = 0; i < (int) lengthof(leaves.months); i++)
		leaves.months[i] = month_after(this_month, i - 1);

	result =
		store_transact_simply("looking for partitions of page views", find_missing_body, &leaves);
	for (int i = 0; i < (int) lengthof(leaves.months) && result == STORE_OK; i++)
	{
		if (leaves.missing[i])
			result = store_make_leaf(leaves.months[i].year, leaves.months[i].month);
	}
	return result;
}

/* --- retention ------------------------------------------------------------- */

/* One step of retention; `more` is the result. */
typedef struct RetentionStep
{
	TimestampTz cutoff;
	bool		more;
	Uuid		purged_to; /* of the sessions */
} RetentionStep;

/* A StoreBody; drops the oldest partition that lies before the cutoff. */
static void
drop_partition_body(void *context)
{
	RetentionStep *step = context;
	Oid			   types[] = {TIMESTAMPTZOID};
	Datum		   arguments[] = {TimestampTzGetDatum(step->cutoff)};

	store_execute(&drop_partition_plan, "SELECT pageviews.drop_partition($1)", lengthof(types),
				  types, arguments);
	step->more =
		SPI_processed == 1 && SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) != NULL;
}

/* A StoreBody; erases the next sessions that were made before the cutoff and have no view. */
static void
purge_sessions_body(void *context)
{
	RetentionStep *step = context;
	Oid			   types[] = {TIMESTAMPTZOID, UUIDOID};
	Datum arguments[] = {TimestampTzGetDatum(step->cutoff), PointerGetDatum(step->purged_to.bytes)};
	Datum last;
	bool  none;

	store_execute(&purge_sessions_plan, "SELECT last FROM pageviews.purge_sessions($1, $2)",
				  lengthof(types), types, arguments);
	last = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &none);
	step->more = !none;
	if (step->more)
		memcpy(step->purged_to.bytes, DatumGetUUIDP(last)->data, sizeof step->purged_to.bytes);
}

StoreResult
store_drop_partition(WallMillis now, bool *dropped)
{
	RetentionStep step = {.cutoff = timestamp_of(retention_cutoff(now)), .purged_to = purged_to};
	StoreResult	  result;

	*dropped = false;
	if (setting_retention == 0)
		return STORE_OK;

	result =
		store_transact_simply("dropping a partition of page views", drop_partition_body, &step);
	if (result != STORE_OK)
		return result;
	if (step.more)
	{
		purging = true;
		memset(&purged_to, 0, sizeof purged_to);
	}
	else if (purging)
	{
		result = store_transact_simply("erasing sessions without page views", purge_sessions_body,
									   &step);
		if (result != STORE_OK)
			return result;
		purging = step.more;
		purged_to = step.purged_to;
	}
	*dropped = step.more;
	return STORE_OK;
}

/* --- recovery -------------------------------------------------------------- */

typedef struct Latest
{
	WallMillis after;
	WallMillis before;
	WallMillis found;
} Latest;

/* The first of the ids that begin with a time. */
static Uuid
first_id(WallMillis time)
{
	Uuid id = {{0}};

	for (int i = 0; i < 6; i++)
		id.bytes[i] = (uint8_t) (time >> (40 - 8 * i));
	return id;
}

/*
 * A StoreBody.  Ids begin with their time, so the leaves' keys, read backwards, lead to
 * the latest: it takes no time, however many rows there are behind or ahead.
 */
static void
latest_body(void *context)
{
	Latest *latest = context;
	Uuid	first = first_id(latest->after);
	Uuid	end = first_id(latest->before);
	Oid		types[] = {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, UUIDOID, UUIDOID};
	Datum	arguments[] = {Int32GetDatum(store_collector()),
						   TimestampTzGetDatum(timestamp_of(latest->after)),
						   TimestampTzGetDatum(timestamp_of(latest->before)),
						   PointerGetDatum(first.bytes), PointerGetDatum(end.bytes)};
	Datum	found;
	bool	null;

	store_execute(&latest_plan,
				  "SELECT max(l.at) FROM ("
				  "(SELECT v.started_at FROM pageviews.views AS v "
				  "WHERE v.collector = $1 AND v.started_at > $2 AND v.started_at < $3"
				  " AND v.view_id > $4 AND v.view_id < $5 ORDER BY v.view_id DESC LIMIT 1)"
				  " UNION ALL "
				  "(SELECT e.occurred_at FROM pageviews.events AS e "
				  "WHERE e.collector = $1 AND e.occurred_at > $2 AND e.occurred_at < $3"
				  " AND e.event_id > $4 AND e.event_id < $5 ORDER BY e.event_id DESC LIMIT 1)"
				  ") AS l (at)",
				  lengthof(types), types, arguments);
	found = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	if (!null)
		latest->found = wall_of(DatumGetTimestampTz(found));
}

StoreResult
store_latest(WallMillis now, WallMillis *latest)
{
	Latest		query = {.after = now + VIEW_AHEAD_LIMIT_MS};
	Month		month;
	StoreResult result;

	month_of(now, &month.year, &month.month);
	month = month_after(month, 2);
	query.before = month_start(month.year, month.month);
	result = store_transact_simply("looking for views ahead of the clock", latest_body, &query);
	if (result == STORE_OK)
		*latest = query.found;
	return result;
}

typedef struct Recovery
{
	uint32_t limit;
	bool (*held)(const Uuid *view);
	uint32_t closed;
} Recovery;

/* Collects the ids of up to `limit` open views that nobody holds; returns how many. */
static uint32_t
find_abandoned(const Recovery *recovery, Datum *ids)
{
	Oid		 types[] = {INT4OID};
	Datum	 arguments[] = {Int32GetDatum(store_collector())};
	Portal	 portal;
	uint32_t count = 0;

	store_prepare(&open_views_plan,
				  "SELECT v.view_id FROM pageviews.views AS v "
				  "WHERE v.ended_at IS NULL AND v.collector = $1",
				  lengthof(types), types);
	portal = SPI_cursor_open(NULL, open_views_plan, arguments, NULL, true);

	while (count < recovery->limit)
	{
		SPI_cursor_fetch(portal, true, RECOVERY_FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed && count < recovery->limit; i++)
		{
			bool  null;
			Datum id = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null);
			Uuid  view;

			memcpy(view.bytes, DatumGetUUIDP(id)->data, sizeof view.bytes);
			if (!recovery->held(&view))
				ids[count++] = datumCopy(id, false, sizeof(pg_uuid_t));
		}
	}
	SPI_cursor_close(portal);
	return count;
}

/* A StoreBody; closes what nobody holds. */
static void
recover_body(void *context)
{
	Recovery *recovery = context;
	Datum	 *ids = palloc_array(Datum, recovery->limit);
	Oid		  types[] = {UUIDARRAYOID};
	Datum	  arguments[1];
	uint32_t  count;

	count = find_abandoned(recovery, ids);
	recovery->closed = count;
	if (count == 0)
		return;
	arguments[0] = PointerGetDatum(
		construct_array(ids, (int) count, UUIDOID, sizeof(pg_uuid_t), false, TYPALIGN_CHAR));
	store_execute(&recover_plan,
				  "UPDATE pageviews.views AS v SET"
				  " ended_at = v.started_at + v.engagement_ms * interval '1 millisecond',"
				  " end_reason = 'recovered', revision = (v.revision & ~3::bigint) + 1 "
				  "WHERE v.view_id = ANY ($1) AND v.ended_at IS NULL",
				  lengthof(types), types, arguments);
}

StoreResult
store_recover(uint32_t limit, bool (*held)(const Uuid *view), uint32_t *closed)
{
	Recovery	recovery = {.limit = limit, .held = held};
	StoreResult result =
		store_transact_simply("closing page views that were left open", recover_body, &recovery);

	*closed = result == STORE_OK ? recovery.closed : 0;
	return result;
}

/* --- cookie keys ----------------------------------------------------------- */

typedef struct KeyRing
{
	CookieKey *keys;
	uint8_t	   count;
} KeyRing;

/* A StoreBody; reads the keys. */
static void
cookie_keys_body(void *context)
{
	KeyRing *ring = context;

	store_execute(&cookie_keys_plan, "SELECT key_id, secret FROM pageviews.load_cookie_keys()", 0,
				  NULL, NULL);
	ring->count = 0;
	for (uint64 i = 0; i < SPI_processed && ring->count < COOKIE_KEY_LIMIT; i++)
	{
		HeapTuple  tuple = SPI_tuptable->vals[i];
		CookieKey *key = &ring->keys[ring->count];
		bool	   null;
		bytea	  *secret;

		key->id = DatumGetUInt32(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &null));
		secret = DatumGetByteaPP(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &null));
		if (VARSIZE_ANY_EXHDR(secret) != COOKIE_KEY_LENGTH)
			continue;
		memcpy(key->secret, VARDATA_ANY(secret), COOKIE_KEY_LENGTH);
		ring->count++;
	}
}

StoreResult
store_cookie_keys(CookieKey keys[COOKIE_KEY_LIMIT], uint8_t *count)
{
	KeyRing		ring = {.keys = keys};
	StoreResult result = store_transact_simply("reading the cookie keys", cookie_keys_body, &ring);

	*count = result == STORE_OK ? ring.count : 0;
	return result;
}
