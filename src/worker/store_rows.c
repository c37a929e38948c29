/*
 * store_rows.c
 *	  Batches of views and events, and their sessions.
 *
 * A batch is one transaction: some rows' sessions first, then their views and events,
 * leaf by leaf, each by one statement that unnests records and upserts; then a pause, in
 * which the worker answers, and the next rows.  A view's row only gives way to a higher
 * revision.  The plans are kept, one a leaf, a few at a time.
 *
 * When an error is about the data, the batch is halved, each half in a
 * transaction of its own, down to the one row that is set aside.  A row that
 * fails a check in C raises the same kind of error and takes the same way.
 *
 * The transaction first takes the lock on pageviews.sessions without waiting:
 * pageviews.forget_session() holds it off, and what it erases must not be
 * written after it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "board.h"
#include "datum.h"
#include "settings.h"
#include "store_private.h"

StaticAssertDecl(sizeof(Uuid) == sizeof(pg_uuid_t), "a Uuid is a uuid datum");

/* Months of one batch: an id is at most 7 days old when it is taken. */
#define MONTH_COUNT		4
#define LEAF_PLAN_COUNT (2 * MONTH_COUNT)

/* Rows of one statement at most: a visitor may wait for one. */
#define STATEMENT_ROWS 100

typedef struct LeafPlan
{
	Oid		   leaf;
	SPIPlanPtr write;
	SPIPlanPtr keep; /* of a leaf of views: for the roll-ups */
	uint64	   last_used;
} LeafPlan;

static LeafPlan	  leaf_plans[LEAF_PLAN_COUNT];
static uint64	  leaf_plan_uses;
static SPIPlanPtr sessions_plan;

/* Part of a batch; what store_transact() hands to write_body(). */
typedef struct Batch
{
	const ViewRow **rows;
	RowOutcome	   *outcomes;
	uint32_t		count;
	TimestampTz		deadline; /* of the whole call */
	StorePause		pause;
	RollupHold		rollups;
	bool			leaf_missing; /* result: nothing was done for want of a leaf of this month */
	int				missing_year;
	int				missing_month;
} Batch;

/* A month of a batch and its leaves. */
typedef struct BatchMonth
{
	int			year;
	int			month;
	MonthLeaves leaves;
} BatchMonth;

typedef enum ViewColumn
{
	VIEW_ID,
	VIEW_SESSION,
	VIEW_STARTED,
	VIEW_ENDED,
	VIEW_REVISION,
	VIEW_ENGAGEMENT,
	VIEW_FOCUSED,
	VIEW_ACTIVE,
	VIEW_NAVIGATION,
	VIEW_REASON,
	VIEW_SCROLL,
	VIEW_SITE,
	VIEW_PATH,
	VIEW_NAME,
	VIEW_QUERY,
	VIEW_TITLE,
	VIEW_REFERRER,
	VIEW_PROPS,
	VIEW_COLUMN_COUNT
} ViewColumn;

static const Oid view_types[VIEW_COLUMN_COUNT] = {
	UUIDOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT4OID, INT4OID, INT4OID, INT2OID,
	INT2OID, INT2OID, TEXTOID,		  TEXTOID,		  TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID};

typedef enum SessionColumn
{
	SESSION_ID,
	SESSION_CREATED,
	SESSION_WIDTH,
	SESSION_HEIGHT,
	SESSION_USER_AGENT,
	SESSION_LANGUAGE,
	SESSION_TIME_ZONE,
	SESSION_BROWSER,
	SESSION_BROWSER_VERSION,
	SESSION_SYSTEM,
	SESSION_DEVICE,
	SESSION_COUNTRY,
	SESSION_ROBOT,
	SESSION_COLUMN_COUNT
} SessionColumn;

static const Oid session_types[SESSION_COLUMN_COUNT] = {
	UUIDOID, TIMESTAMPTZOID, INT4OID, INT4OID, TEXTOID, TEXTOID, TEXTOID,
	TEXTOID, TEXTOID,		 TEXTOID, TEXTOID, TEXTOID, BOOLOID};

/* DEVICE_UNKNOWN is NULL. */
static const char *const device_names[DEVICE_CLASS_COUNT] = {"",   "desktop", "mobile", "tablet",
															 "tv", "console", "bot"};

/*
 * A view keeps the session, site, path and navigation that it began with.  The
 * enums travel as their codes; NAVIGATION_UNKNOWN and END_NONE, 0, are no member
 * of the arrays: NULL.
 */
static const char view_query[] =
	"INSERT INTO pageviews.%s AS stored ("
	"view_id, session_id, started_at, ended_at, revision, engagement_ms, focused_ms, active_ms, collector,"
	" navigation, end_reason, scroll_depth, site, path, name, query, title, referrer, props) "
	"SELECT r.view_id, r.session_id, r.started_at, r.ended_at, r.revision,"
	" r.engagement_ms, r.focused_ms, r.active_ms, $2,"
	" ('{navigate,reload,back_forward,bfcache,spa,prerender,restore}'::pageviews.navigation[])[r.navigation],"
	" ('{closed,navigated,lost,timeout,shutdown,recovered}'::pageviews.end_reason[])[r.end_reason],"
	" r.scroll_depth, r.site, r.path, r.name, r.query, r.title, r.referrer, r.props "
	"FROM unnest($1) AS r " VIEW_RECORD " "
	"ON CONFLICT (view_id) DO UPDATE SET"
	" ended_at = excluded.ended_at, revision = excluded.revision, engagement_ms = excluded.engagement_ms,"
	" focused_ms = excluded.focused_ms, active_ms = excluded.active_ms, collector = excluded.collector,"
	" end_reason = excluded.end_reason, scroll_depth = excluded.scroll_depth,"
	" name = excluded.name, query = excluded.query,"
	" title = excluded.title, referrer = excluded.referrer, props = excluded.props "
	"WHERE excluded.revision > stored.revision";

static const char sessions_query[] =
	"INSERT INTO pageviews.sessions AS stored"
	" (session_id, created_at, screen_width, screen_height, user_agent, language, time_zone,"
	" browser, browser_version, system, device, country, robot) "
	"SELECT * FROM unnest($1) AS r (session_id uuid, created_at timestamptz, screen_width integer,"
	" screen_height integer, user_agent text, language text, time_zone text, browser text,"
	" browser_version text, system text, device text, country text, robot boolean) "
	"ON CONFLICT (session_id) DO UPDATE SET robot = true WHERE excluded.robot AND NOT stored.robot";

/* --- leaves ---------------------------------------------------------------- */

/* The leaf of a table for a month if it is there and attached, else InvalidOid. */
static Oid
find_leaf(const char *root, int year, int month)
{
	char	  name[NAMEDATALEN];
	Oid		  leaf;
	HeapTuple tuple;
	bool	  attached;

	snprintf(name, sizeof name, "%s_%04d_%02d", root, year, month);
	leaf = get_relname_relid(name, store_schema());
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(leaf));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	attached = ((Form_pg_class) GETSTRUCT(tuple))->relispartition;
	ReleaseSysCache(tuple);
	return attached ? leaf : InvalidOid;
}

bool
store_find_leaves(int year, int month, MonthLeaves *leaves)
{
	leaves->views = find_leaf("views", year, month);
	leaves->events = find_leaf("events", year, month);
	return OidIsValid(leaves->views) && OidIsValid(leaves->events);
}

static void
free_plan(SPIPlanPtr *plan)
{
	if (*plan != NULL)
		SPI_freeplan(*plan);
	*plan = NULL;
}

/* The kept plans of a leaf; those used longest ago give way to new ones. */
static LeafPlan *
leaf_plan(Oid leaf)
{
	LeafPlan *found = &leaf_plans[0];

	for (int i = 0; i < LEAF_PLAN_COUNT; i++)
	{
		if (leaf_plans[i].leaf == leaf)
		{
			found = &leaf_plans[i];
			break;
		}
		if (leaf_plans[i].last_used < found->last_used)
			found = &leaf_plans[i];
	}
	if (found->leaf != leaf)
	{
		free_plan(&found->write);
		free_plan(&found->keep);
		found->leaf = leaf;
	}
	found->last_used = ++leaf_plan_uses;
	return found;
}

/* --- sessions -------------------------------------------------------------- */

/*
 * Which rows of a batch are the first of their session: their indexes in
 * `first`; returns how many.  robots[index] says of each whether any row of the
 * session is a robot's.  Open addressing, at most half full.
 */
static uint32_t
first_of_sessions(const Batch *batch, uint32_t *first, bool *robots)
{
	uint32_t  size = pg_nextpower2_32(Max(batch->count * 2, 16));
	uint32_t *table = palloc0_array(uint32_t, size);
	uint32_t  count = 0;

	for (uint32_t i = 0; i < batch->count; i++)
	{
		const Uuid *session = &batch->rows[i]->session;
		uint32_t	slot;

		memcpy(&slot, session->bytes + 8, sizeof slot);
		for (slot &= size - 1; table[slot] != 0; slot = (slot + 1) & (size - 1))
		{
			if (uuid_equal(&batch->rows[table[slot] - 1]->session, session))
				break;
		}
		if (table[slot] == 0)
		{
			table[slot] = i + 1;
			first[count++] = i;
		}
		if (batch->rows[i]->texts->visitor.robot)
			robots[table[slot] - 1] = true;
	}
	return count;
}

/* When a session was there first, as far as a row of it tells: an event came after its view. */
static WallMillis
session_since(const ViewRow *row)
{
	WallMillis view;

	if (!revision_is_event(row->revision) || uuid_is_nil(&row->during))
		return row->started_at;
	view = uuid_v7_time(&row->during);
	return view < row->started_at && view > row->started_at - VIEW_AGE_LIMIT_MS ? view
																				: row->started_at;
}

/* Inserts the batch's sessions that are not there yet. */
static void
write_sessions(const Batch *batch)
{
	uint32_t *first = palloc_array(uint32_t, batch->count);
	bool	 *robots = palloc0_array(bool, batch->count);
	uint32_t  count = first_of_sessions(batch, first, robots);
	Column	 *columns = store_columns(session_types, SESSION_COLUMN_COUNT, count);
	Oid		  type = RECORDARRAYOID;
	Datum	  argument;

	for (uint32_t i = 0; i < count; i++)
	{
		const ViewRow		  *row = batch->rows[first[i]];
		const PageDescription *page = &row->texts->page;
		Visitor				   visitor = view_texts_visitor(row->texts);

		store_set_value(&columns[SESSION_ID], i, PointerGetDatum(row->session.bytes));
		store_set_value(&columns[SESSION_CREATED], i,
						TimestampTzGetDatum(timestamp_of(session_since(row))));
		if (page->screen_width > 0)
			store_set_value(&columns[SESSION_WIDTH], i, Int32GetDatum(page->screen_width));
		if (page->screen_height > 0)
			store_set_value(&columns[SESSION_HEIGHT], i, Int32GetDatum(page->screen_height));
		store_set_text(&columns[SESSION_USER_AGENT], i, visitor.user_agent);
		store_set_text(&columns[SESSION_LANGUAGE], i, page->language);
		store_set_text(&columns[SESSION_TIME_ZONE], i, page->time_zone);
		store_set_text(&columns[SESSION_BROWSER], i, visitor.browser);
		store_set_text(&columns[SESSION_BROWSER_VERSION], i, visitor.browser_version);
		store_set_text(&columns[SESSION_SYSTEM], i, visitor.system);
		store_set_text(&columns[SESSION_DEVICE], i, text_of(device_names[visitor.device]));
		if (visitor.country[0] != '\0')
			store_set_text(&columns[SESSION_COUNTRY], i, (Text){visitor.country, COUNTRY_LENGTH});
		store_set_value(&columns[SESSION_ROBOT], i, BoolGetDatum(robots[first[i]]));
	}
	argument = store_records(columns, SESSION_COLUMN_COUNT, count);
	store_execute(&sessions_plan, sessions_query, 1, &type, &argument);
}

/* --- views ----------------------------------------------------------------- */

/* Puts one row into the columns; raises for text that cannot be stored. */
static void
set_view(Column *columns, uint32_t i, const ViewRow *row)
{
	const PageDescription *page = &row->texts->page;

	store_set_value(&columns[VIEW_ID], i, PointerGetDatum(row->view.bytes));
	store_set_value(&columns[VIEW_SESSION], i, PointerGetDatum(row->session.bytes));
	store_set_value(&columns[VIEW_STARTED], i, TimestampTzGetDatum(timestamp_of(row->started_at)));
	if (row->ended_at != 0)
		store_set_value(&columns[VIEW_ENDED], i, TimestampTzGetDatum(timestamp_of(row->ended_at)));
	store_set_value(&columns[VIEW_REVISION], i, Int64GetDatum(row->revision));
	store_set_value(&columns[VIEW_ENGAGEMENT], i, Int32GetDatum(row->engagement));
	store_set_value(&columns[VIEW_FOCUSED], i, Int32GetDatum(row->focused));
	store_set_value(&columns[VIEW_ACTIVE], i, Int32GetDatum(row->active));
	store_set_value(&columns[VIEW_NAVIGATION], i, Int16GetDatum(page->navigation));
	store_set_value(&columns[VIEW_REASON], i, Int16GetDatum(row->reason));
	if (row->scroll >= 0)
		store_set_value(&columns[VIEW_SCROLL], i, Int16GetDatum(row->scroll));
	store_set_value(&columns[VIEW_SITE], i, text_datum(page->site.data, page->site.length));
	store_set_value(&columns[VIEW_PATH], i, text_datum(page->path.data, page->path.length));
	store_set_text(&columns[VIEW_NAME], i, page->name);
	store_set_text(&columns[VIEW_QUERY], i, page->query);
	store_set_text(&columns[VIEW_TITLE], i, page->title);
	store_set_text(&columns[VIEW_REFERRER], i, page->referrer);
	if (page->property_count > 0)
		store_set_value(&columns[VIEW_PROPS], i, properties_datum(page));
}

/* Upserts views of one month into its leaf. */
static void
write_views(const RollupHold *rollups, Oid leaf, const ViewRow **rows, uint32_t count)
{
	Column	 *columns = store_columns(view_types, VIEW_COLUMN_COUNT, count);
	Oid		  types[] = {RECORDARRAYOID, INT4OID};
	Datum	  arguments[2];
	LeafPlan *plan = leaf_plan(leaf);
	bool	  rolled_up = false; /* whether any began before the end of the roll-ups */

	for (uint32_t i = 0; i < count; i++)
	{
		set_view(columns, i, rows[i]);
		rolled_up |= timestamp_of(rows[i]->started_at) < rollups->until;
	}
	arguments[0] = store_records(columns, VIEW_COLUMN_COUNT, count);
	arguments[1] = Int32GetDatum(store_collector());
	if (rolled_up)
		store_keep_for_rollups(&plan->keep, rollups, leaf, arguments[0]);
	store_execute(&plan->write,
				  plan->write != NULL ? NULL : psprintf(view_query, get_rel_name(leaf)), 2, types,
				  arguments);
}

/* Writes the batch's rows of one month into its leaves. */
static void
write_month(const Batch *batch, const BatchMonth *month)
{
	WallMillis		from = month_start(month->year, month->month);
	WallMillis		until = month_start(month->year + month->month / 12, month->month % 12 + 1);
	const ViewRow **views = palloc_array(const ViewRow *, batch->count);
	const ViewRow **events = palloc_array(const ViewRow *, batch->count);
	uint32_t		view_count = 0;
	uint32_t		event_count = 0;

	for (uint32_t i = 0; i < batch->count; i++)
	{
		const ViewRow *row = batch->rows[i];

		if (row->started_at < from || row->started_at >= until)
			continue;
		if (revision_is_event(row->revision))
			events[event_count++] = row;
		else
			views[view_count++] = row;
	}
	if (view_count > 0)
		write_views(&batch->rollups, month->leaves.views, views, view_count);
	if (event_count > 0)
		store_events(&leaf_plan(month->leaves.events)->write, month->leaves.events, events,
					 event_count);
}

/*
 * The months of a batch, returns how many; 0 if a leaf is missing, which the batch
 * then says.  Raises if a row's month is not kept, or for too many months.
 */
static int
find_months(Batch *batch, BatchMonth months[MONTH_COUNT])
{
	int count = 0;

	for (uint32_t i = 0; i < batch->count; i++)
	{
		BatchMonth found;
		int		   m = 0;
		bool	   there;

		month_of(batch->rows[i]->started_at, &found.year, &found.month);
		while (m < count && (months[m].year != found.year || months[m].month != found.month))
			m++;
		if (m < count)
			continue;

		there = store_find_leaves(found.year, found.month, &found.leaves);
		if (count == MONTH_COUNT ||
			(!there && !store_month_is_wanted(found.year, found.month, clock_wall())))
			ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					errmsg("%s in a month that is not kept",
						   revision_is_event(batch->rows[i]->revision) ? "event happened"
																	   : "view began"));
		if (!there)
		{
			batch->leaf_missing = true;
			batch->missing_year = found.year;
			batch->missing_month = found.month;
			return 0;
		}
		months[count++] = found;
	}
	return count;
}

void
store_keep_forgetters_out(void)
{
	if (!ConditionalLockRelationOid(get_relname_relid("sessions", store_schema()),
									RowExclusiveLock))
		ereport(ERROR, errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				errmsg("could not obtain lock on relation \"sessions\""));
	if (!board_forgotten())
		ereport(ERROR, errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				errmsg("a session is to be forgotten first"));
}

/* The transaction of a batch; a StoreBody. */
static void
write_body(void *context)
{
	Batch	  *batch = context;
	Batch	   part = *batch;
	BatchMonth months[MONTH_COUNT];
	int		   month_count;

	batch->leaf_missing = false;
	month_count = find_months(batch, months);
	if (month_count == 0)
		return;

	store_keep_forgetters_out();
	store_hold_rollups(&part.rollups);
	for (uint32_t from = 0; from < batch->count; from += part.count)
	{
		if (from > 0)
			batch->pause();
		part.rows = batch->rows + from;
		part.count = Min(batch->count - from, STATEMENT_ROWS);
		write_sessions(&part);
		for (int m = 0; m < month_count; m++)
			write_month(&part, &months[m]);
	}
}

/* --- the batch -------------------------------------------------------------- */

/*
 * One transaction for a batch, and before it one for each leaf that is missing.
 * With STORE_RETRY `failure` says whether the data is to blame.
 */
static StoreResult
write_once(Batch *batch, StoreFailure *failure)
{
	StoreResult result;

	for (int attempt = 0; attempt <= MONTH_COUNT; attempt++)
	{
		result = store_transact("storing page views", write_body, batch, failure);
		if (result != STORE_OK || !batch->leaf_missing)
			return result;
		result = store_make_leaf(batch->missing_year, batch->missing_month);
		if (result != STORE_OK)
			return result;
	}
	return STORE_RETRY;
}

/* Writes a batch, halving it where an error is about the data. */
static StoreResult
write_batch(const Batch *batch)
{
	Batch		 part = *batch;
	StoreFailure failure;
	StoreResult	 result = write_once(&part, &failure);

	if (result == STORE_OK)
	{
		for (uint32_t i = 0; i < batch->count; i++)
			batch->outcomes[i] = ROW_STORED;
		return STORE_OK;
	}
	if (result == STORE_ABSENT || !failure.by_data)
		return result;

	if (batch->count == 1)
	{
		result = store_set_aside(batch->rows[0], &failure);
		if (result == STORE_OK)
			batch->outcomes[0] = ROW_REJECTED;
		return result;
	}

	part.count = batch->count / 2;
	result = write_batch(&part);
	if (result != STORE_OK)
		return result;
	if (GetCurrentTimestamp() >= batch->deadline)
		return STORE_RETRY;
	part.rows = batch->rows + part.count;
	part.outcomes = batch->outcomes + part.count;
	part.count = batch->count - part.count;
	return write_batch(&part);
}

StoreResult
store_write(const ViewRow **rows, uint32_t count, RowOutcome *outcomes, StorePause pause)
{
	Batch batch = {.rows = rows,
				   .outcomes = outcomes,
				   .count = count,
				   .pause = pause,
				   .deadline =
					   TimestampTzPlusMilliseconds(GetCurrentTimestamp(), setting_write_timeout)};

	for (uint32_t i = 0; i < count; i++)
		outcomes[i] = ROW_WAITING;
	return count == 0 ? STORE_OK : write_batch(&batch);
}
