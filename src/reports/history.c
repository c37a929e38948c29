/*
 * history.c
 *	  Reads views session by session, see history.h.
 *
 * One query gives the views in the order of session, site and start; they are
 * taken as they come, and only those of one session are in memory.  Days that are
 * packed need no query: history_packed.c, history_visits.c.
 */
#include "history.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "history_private.h"
#include "sql.h"

/* Views of a time up to this, or of so many sessions, are few against all sessions there are. */
#define SHORT_TIME	 (6 * USECS_PER_HOUR)
#define FEW_SESSIONS 1000

/* The columns of the query, in their order. */
typedef enum HistoryColumn
{
	COLUMN_SESSION = HISTORY_COLUMN_SESSION,
	COLUMN_SITE = HISTORY_COLUMN_SITE,
	COLUMN_STARTED = HISTORY_COLUMN_STARTED,
	COLUMN_PATH,
	COLUMN_ENGAGEMENT,
	COLUMN_SCROLL,
	COLUMN_REFERRER,
	COLUMN_QUERY,
	COLUMN_PASSES,
	COLUMN_ORIGIN_PASSES,
	COLUMN_COUNTRY,
	COLUMN_BROWSER,
	COLUMN_SYSTEM,
	COLUMN_DEVICE,
	COLUMN_LANGUAGE,
	COLUMN_WIDTH,
	COLUMN_HEIGHT,
	COLUMN_CREATED,
	COLUMN_BEFORE, /* of a change: existed, engagement_ms, referrer, query */
	COLUMN_AFTER = COLUMN_BEFORE + 4,
	COLUMN_COUNT = COLUMN_AFTER + 4
} HistoryColumn;

/* Receives the rows of the query. */
typedef struct Receiver
{
	DestReceiver receiver; /* first */
	Gatherer	*gatherer;
} Receiver;

static Span
copied(Span span)
{
	char *copy = palloc(Max(span.length, 1));

	memcpy(copy, span.data, span.length);
	return (Span){copy, span.length};
}

/* A text of the slot, copied; no value if it is NULL. */
static Span
text_of_slot(const TupleTableSlot *slot, int column)
{
	if (slot->tts_isnull[column])
		return (Span){NULL, 0};
	return copied(span_of_text(DatumGetTextPP(slot->tts_values[column])));
}

static Span
screen_of_slot(const TupleTableSlot *slot)
{
	char *screen;

	if (slot->tts_isnull[COLUMN_WIDTH] || slot->tts_isnull[COLUMN_HEIGHT])
		return (Span){NULL, 0};
	screen = psprintf("%dx%d", DatumGetInt32(slot->tts_values[COLUMN_WIDTH]),
					  DatumGetInt32(slot->tts_values[COLUMN_HEIGHT]));
	return (Span){screen, (int) strlen(screen)};
}

void
history_hand_over(Gatherer *gatherer)
{
	bool passes =
		gatherer->query->filters == NULL || (gatherer->any_passes && gatherer->any_origin_passes);

	if (gatherer->views.count > 0 && passes)
	{
		MemoryContext caller = MemoryContextSwitchTo(gatherer->memory);

		gatherer->take(gatherer->context, &gatherer->views);
		MemoryContextSwitchTo(caller);
	}
	history_drop(gatherer);
}

void
history_drop(Gatherer *gatherer)
{
	MemoryContextReset(gatherer->memory);
	memset(&gatherer->views, 0, sizeof gatherer->views);
	gatherer->capacity = 0;
	gatherer->any_passes = false;
	gatherer->any_origin_passes = false;
}

void
history_begin(Gatherer *gatherer, const uint8 *session, Span site)
{
	if (gatherer->views.count > 0 && (memcmp(gatherer->views.session, session, UUID_LEN) != 0 ||
									  !span_equal(gatherer->views.site, site)))
		history_hand_over(gatherer);
}

SessionView *
history_add(Gatherer *gatherer)
{
	SessionViews *views = &gatherer->views;

	if (views->count == gatherer->capacity)
	{
		gatherer->capacity = Max(gatherer->capacity * 2, 8);
		views->views = views->views == NULL
						   ? palloc_array(SessionView, gatherer->capacity)
						   : repalloc_huge(views->views, gatherer->capacity * sizeof(SessionView));
	}
	return &views->views[views->count++];
}

static void
begin_session(Gatherer *gatherer, const TupleTableSlot *slot, const uint8 *session, Span site)
{
	SessionViews *views = &gatherer->views;

	views->session = (const uint8 *) copied((Span){(const char *) session, UUID_LEN}).data;
	views->visitor = sketch_entry(session);
	views->site = copied(site);
	for (int i = 0; i < SESSION_DIMENSIONS - 1; i++)
		views->traits[i] = text_of_slot(slot, COLUMN_COUNTRY + i);
	views->traits[DIMENSION_SCREEN - DIMENSION_FIRST_OF_SESSION] = screen_of_slot(slot);
	views->has_created_at = !slot->tts_isnull[COLUMN_CREATED];
	if (views->has_created_at)
		views->created_at = DatumGetTimestampTz(slot->tts_values[COLUMN_CREATED]);
}

static bool
is_true(const TupleTableSlot *slot, int column)
{
	return !slot->tts_isnull[column] && DatumGetBool(slot->tts_values[column]);
}

/* A version of a view: as it is, or as a change that begins at `change` says it was. */
static ViewState
state_of(const TupleTableSlot *slot, const ViewState *current, int change)
{
	if (slot->tts_isnull[change])
		return *current;
	return (ViewState){is_true(slot, change), DatumGetInt32(slot->tts_values[change + 1]),
					   text_of_slot(slot, change + 2), text_of_slot(slot, change + 3)};
}

static void
add_view(Gatherer *gatherer, const TupleTableSlot *slot)
{
	const HistoryQuery *query = gatherer->query;
	ViewState			current = {true, DatumGetInt32(slot->tts_values[COLUMN_ENGAGEMENT]),
								   text_of_slot(slot, COLUMN_REFERRER), text_of_slot(slot, COLUMN_QUERY)};
	SessionView		   *view = history_add(gatherer);
	uint32				mark = 0;

	view->started_at = DatumGetTimestampTz(slot->tts_values[COLUMN_STARTED]);
	if (query->mark != NULL)
		mark = query->mark(query->mark_context,
						   span_of_text(DatumGetTextPP(slot->tts_values[COLUMN_PATH])));
	view->mark = mark;
	view->path = query->mark == NULL ? text_of_slot(slot, COLUMN_PATH) : (Span){NULL, 0};
	view->scroll_depth =
		slot->tts_isnull[COLUMN_SCROLL] ? -1 : DatumGetInt16(slot->tts_values[COLUMN_SCROLL]);
	view->passes = is_true(slot, COLUMN_PASSES);
	gatherer->any_passes = gatherer->any_passes || view->passes;
	view->origin_passes = is_true(slot, COLUMN_ORIGIN_PASSES);
	gatherer->any_origin_passes = gatherer->any_origin_passes || view->origin_passes;
	view->states[BEFORE] = state_of(slot, &current, COLUMN_BEFORE);
	view->states[AFTER] = state_of(slot, &current, COLUMN_AFTER);
	if (view->started_at >= query->before_until)
		view->states[BEFORE].there = false;
	if (view->started_at >= query->after_until)
		view->states[AFTER].there = false;
}

void
history_take_row(Gatherer *gatherer, const TupleTableSlot *slot)
{
	const uint8	 *session = DatumGetUUIDP(slot->tts_values[COLUMN_SESSION])->data;
	Span		  site = span_of_text(DatumGetTextPP(slot->tts_values[COLUMN_SITE]));
	MemoryContext caller;

	history_begin(gatherer, session, site);
	caller = MemoryContextSwitchTo(gatherer->memory);
	if (gatherer->views.count == 0)
		begin_session(gatherer, slot, session, site);
	add_view(gatherer, slot);
	MemoryContextSwitchTo(caller);
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	CHECK_FOR_INTERRUPTS();
	slot_getallattrs(slot);
	history_take_row(((Receiver *) self)->gatherer, slot);
	return true;
}

static void
start_receiving(DestReceiver *self, int operation, TupleDesc description)
{
	Assert(description->natts == COLUMN_COUNT);
}

static void
stop_receiving(DestReceiver *self)
{
}

/* The first change of each view, or of those that are not consumed, as a table of the query. */
static void
append_changes(StringInfo sql, const char *name, bool unconsumed)
{
	appendStringInfo(sql,
					 " LEFT JOIN (SELECT DISTINCT ON (c.view_id) c.view_id, c.existed,"
					 " c.engagement_ms, c.referrer, c.query FROM pageviews.rollup_changes AS c%s"
					 " ORDER BY c.view_id, c.generation) AS %s ON %s.view_id = v.view_id",
					 unconsumed ? " WHERE c.generation > $6 OR c.started_at < $7" : "", name, name);
}

/* The columns that tell of a change. */
static void
append_change(StringInfo sql, const char *name, bool wanted, bool origins)
{
	if (!wanted)
		appendStringInfoString(sql, ", NULL::boolean, NULL::integer, NULL::text, NULL::text");
	else if (origins)
		appendStringInfo(sql, ", %s.existed, %s.engagement_ms, %s.referrer, %s.query", name, name,
						 name, name);
	else
		appendStringInfo(sql, ", %s.existed, %s.engagement_ms, NULL::text, NULL::text", name, name);
}

static bool
views_are_few(const HistoryQuery *query, const HistorySource *source)
{
	if (query->sessions == NULL)
		return source->length <= SHORT_TIME;
	return ArrayGetNItems(ARR_NDIM(query->sessions), ARR_DIMS(query->sessions)) <= FEW_SESSIONS;
}

/*
 * Rows are sorted, so they are kept narrow: what is not wanted stays behind.  Where
 * views are few their sessions are looked up one by one: all that there ever were, or
 * all robots, which the planner would rather read, are many times as many.
 */
static char *
make_sql(const HistoryQuery *query, const HistorySource *source)
{
	StringInfoData sql;
	bool		   after = query->changes && query->consumed != PG_INT64_MAX;
	bool		   are_few = views_are_few(query, source);
	bool		   joined = are_few || query->traits || query->created;

	initStringInfo(&sql);
	appendStringInfoString(
		&sql, "SELECT v.session_id, v.site, v.started_at, v.path, v.engagement_ms, v.scroll_depth");
	appendStringInfoString(&sql,
						   query->origins ? ", v.referrer, v.query" : ", NULL::text, NULL::text");
	appendStringInfoString(
		&sql, query->filters != NULL ? ", pageviews.view_passes($5, v.path, v.props)" : ", true");
	appendStringInfoString(&sql, query->filters != NULL && query->origins
									 ? ", pageviews.origin_passes($5, v.referrer, v.query)"
									 : ", true");
	appendStringInfoString(
		&sql, query->traits ? ", s.country, s.browser, s.system, s.device, s.language,"
							  " s.screen_width, s.screen_height"
							: ", NULL::text, NULL::text, NULL::text, NULL::text, NULL::text,"
							  " NULL::integer, NULL::integer");
	appendStringInfoString(&sql, query->created ? ", s.created_at" : ", NULL::timestamptz");
	append_change(&sql, "b", query->changes, query->origins);
	append_change(&sql, "a", after, query->origins);
	appendStringInfo(&sql, " FROM %s AS v", source->relation);
	if (are_few)
		appendStringInfoString(&sql, " LEFT JOIN LATERAL (SELECT * FROM pageviews.sessions AS r"
									 " WHERE r.session_id = v.session_id OFFSET 0) AS s ON true");
	else if (joined)
		appendStringInfoString(&sql, " LEFT JOIN pageviews.sessions AS s"
									 " ON s.session_id = v.session_id");
	if (query->changes)
		append_changes(&sql, "b", false);
	if (after)
		append_changes(&sql, "a", true);
	appendStringInfoString(&sql, " WHERE v.started_at >= $1 AND v.started_at < $2");
	appendStringInfoString(&sql, joined ? " AND s.robot IS NOT TRUE"
										: " AND NOT EXISTS (SELECT FROM pageviews.sessions AS r"
										  " WHERE r.session_id = v.session_id AND r.robot)");
	if (query->sessions != NULL)
		appendStringInfoString(&sql, " AND v.session_id = ANY ($3)");
	if (query->site != NULL)
		appendStringInfoString(&sql, " AND v.site = $4");
	if (query->filters != NULL && query->traits)
		appendStringInfoString(&sql, " AND pageviews.session_passes($5, s.country, s.device,"
									 " s.browser, s.system, s.language)");
	appendStringInfoString(&sql, " ORDER BY v.session_id, v.site COLLATE \"C\","
								 " v.started_at, v.view_id");
	return sql.data;
}

void
history_select(const HistoryQuery *query, const HistorySource *source, DestReceiver *receiver)
{
	const Oid		  types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, UUIDARRAYOID,
								 TEXTOID,		 JSONBOID,		 INT8OID,
								 TIMESTAMPTZOID, UUIDARRAYOID,	 TIMESTAMPTZARRAYOID};
	const Datum		  values[] = {TimestampTzGetDatum(query->since),
								  TimestampTzGetDatum(query->until),
								  PointerGetDatum(query->sessions),
								  PointerGetDatum(query->site),
								  PointerGetDatum(query->filters),
								  Int64GetDatum(query->consumed),
								  TimestampTzGetDatum(query->consumed_since),
								  PointerGetDatum(source->sessions),
								  PointerGetDatum(source->times)};
	const char		  nulls[] = {' ',
								 ' ',
							 query->sessions == NULL ? 'n' : ' ',
							 query->site == NULL ? 'n' : ' ',
							 query->filters == NULL ? 'n' : ' ',
								 ' ',
								 ' ',
							 source->sessions == NULL ? 'n' : ' ',
							 source->times == NULL ? 'n' : ' '};
	SPIExecuteOptions options = {.params = sql_parameters(lengthof(types), types, values, nulls),
								 .read_only = true,
								 .dest = receiver};
	int				  result = SPI_execute_extended(make_sql(query, source), &options);

	if (result < 0)
		elog(ERROR, "could not read views: %s", SPI_result_code_string(result));
}

void
history_read(const HistoryQuery *query, TakeSession take, void *context)
{
	const HistorySource views = {.relation = "pageviews.views",
								 .length = history_length(query->since, query->until)};
	Gatherer			gatherer = {.query = query, .take = take, .context = context};
	Receiver			receiver = {
				   .receiver = {receive, start_receiving, stop_receiving, stop_receiving, DestNone},
				   .gatherer = &gatherer};

	gatherer.memory =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews session", ALLOCSET_DEFAULT_SIZES);
	if (!history_read_packed(&gatherer))
		history_select(query, &views, &receiver.receiver);
	history_hand_over(&gatherer);
	MemoryContextDelete(gatherer.memory);
}
