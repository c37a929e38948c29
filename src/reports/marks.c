/*
 * marks.c
 *	  The triggers that notice when somebody else than the worker changes views
 *	  or sessions: by hand, by a restore, by logical replication.
 *
 * A mark is a row of pageviews.rollup_marks and commits with the change, so that
 * it is seen by whoever sees the change.  A view that comes in marks its hour,
 * once a transaction and hour; one that is changed or goes marks its hour and its
 * session, whose other views may be in another visit now.  A session that comes in,
 * changes or goes marks the hours of all its views, too: roll-ups count by what is
 * known of sessions, and readers, who must not see whose marks these are, find by
 * them where packed days are not as the views are.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "../worker/board.h"
#include "../worker/pageviews.h"
#include "level.h"
#include "marks.h"
#include "sql.h"

PG_FUNCTION_INFO_V1(pageviews_is_worker);
PG_FUNCTION_INFO_V1(pageviews_mark_session);
PG_FUNCTION_INFO_V1(pageviews_mark_view);

/* Hours that this subtransaction has marked already, by a part of their number. */
#define REMEMBERED 1024

typedef struct Remembered
{
	TransactionId transaction;
	TimestampTz	  hour;
} Remembered;

static Remembered remembered[REMEMBERED];

/* is_worker() */
Datum
pageviews_is_worker(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(pageviews_in_worker);
}

/* Adds marks by a statement, which is planned once; $1 and $2, the session, which may be NULL. */
static void
add(SPIPlanPtr *plan, const char *statement, Oid type, Datum value, const uint8 *session)
{
	Oid	  types[] = {type, UUIDOID};
	Datum values[] = {value, PointerGetDatum(session)};
	char  nulls[] = {' ', session != NULL ? ' ' : 'n'};

	SPI_connect();
	if (*plan == NULL)
	{
		SPIPlanPtr prepared = SPI_prepare(statement, lengthof(types), types);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	if (SPI_execute_plan(*plan, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not mark an hour");
	SPI_finish();
}

void
marks_add(TimestampTz hour, const uint8 *session)
{
	static SPIPlanPtr plan = NULL;

	add(&plan, "INSERT INTO pageviews.rollup_marks (hour, session_id) VALUES ($1, $2)",
		TIMESTAMPTZOID, TimestampTzGetDatum(hour), session);
}

void
marks_taken(void)
{
	memset(remembered, 0, sizeof remembered);
}

static Datum
column_of(const TriggerData *data, HeapTuple row, const char *name, bool *null)
{
	TupleDesc description = RelationGetDescr(data->tg_relation);
	int		  number = SPI_fnumber(description, name);

	if (number <= 0)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("table \"%s\" has no column \"%s\"",
					   RelationGetRelationName(data->tg_relation), name));
	return SPI_getbinval(row, description, number, null);
}

/* The hour of a row's time; false if it has none that is finite. */
static bool
hour_of(const TriggerData *data, HeapTuple row, const char *column, TimestampTz *hour)
{
	bool  null;
	Datum time = column_of(data, row, column, &null);

	if (null || TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(time)))
		return false;
	*hour = level_start(LEVEL_HOUR, DatumGetTimestampTz(time));
	return true;
}

/* Marks the hour of a row with its session. */
static void
mark_with_session(const TriggerData *data, HeapTuple row, const char *column)
{
	TimestampTz	 hour;
	bool		 null;
	const uint8 *session = DatumGetUUIDP(column_of(data, row, "session_id", &null))->data;

	/* Of a session that is erased, no other views are left to be looked for. */
	if (hour_of(data, row, column, &hour))
		marks_add(hour, null || pageviews_is_forgetting(session) ? NULL : session);
}

/* Marks the hour of a row that came in, unless that was done. */
static void
mark_hour(const TriggerData *data, HeapTuple row, const char *column)
{
	TransactionId transaction = GetCurrentTransactionId();
	TimestampTz	  hour;
	Remembered	 *slot;

	if (!hour_of(data, row, column, &hour))
		return;
	slot = &remembered[(uint64) (hour / USECS_PER_HOUR) % REMEMBERED];
	if (slot->transaction == transaction && slot->hour == hour)
		return;
	marks_add(hour, NULL);
	*slot = (Remembered){transaction, hour};
}

/* Whether views were rolled up, or will be at any moment. */
static bool
any_view_is_rolled_up(void)
{
	static SPIPlanPtr plan = NULL;
	bool			  any;

	SPI_connect();
	any = sql_execute(&plan, "SELECT FROM pageviews.rollup_state WHERE rolled_until > '-infinity'",
					  0, NULL, NULL) > 0;
	SPI_finish();
	return any;
}

/* Marks the hours of all views of a session, once there are roll-ups: a restore need not look for them. */
static void
mark_views_of(const TriggerData *data, HeapTuple row)
{
	static SPIPlanPtr plan = NULL;
	bool			  null;
	Datum			  value = column_of(data, row, "session_id", &null);
	const uint8		 *session = DatumGetUUIDP(value)->data;

	/* Asked apart: the statement below opens every month. */
	if (!any_view_is_rolled_up())
		return;
	add(&plan,
		"INSERT INTO pageviews.rollup_marks (hour, session_id) "
		"SELECT DISTINCT date_trunc('hour', v.started_at, 'UTC'), $2 FROM pageviews.views AS v"
		" WHERE v.session_id = $1 AND isfinite(v.started_at)",
		UUIDOID, value, pageviews_is_forgetting(session) ? NULL : session);
}

static const TriggerData *
trigger_data(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("this function can only be called as a trigger"));
	board_note_mark();
	return (const TriggerData *) fcinfo->context;
}

/* mark_view(): after insert, update or delete of a row of pageviews.views. */
Datum
pageviews_mark_view(PG_FUNCTION_ARGS)
{
	const TriggerData *data = trigger_data(fcinfo);

	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		mark_hour(data, data->tg_trigtuple, "started_at");
	else
	{
		mark_with_session(data, data->tg_trigtuple, "started_at");
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			mark_with_session(data, data->tg_newtuple, "started_at");
	}
	PG_RETURN_POINTER(NULL);
}

/* mark_session(): after insert, update or delete of a row of pageviews.sessions. */
Datum
pageviews_mark_session(PG_FUNCTION_ARGS)
{
	const TriggerData *data = trigger_data(fcinfo);

	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		mark_hour(data, data->tg_trigtuple, "created_at");
	else
		mark_with_session(data, data->tg_trigtuple, "created_at");
	/* The worker, which finds out that a session is a robot, does not wait for locks on all months. */
	if (!pageviews_in_worker)
	{
		mark_views_of(data, data->tg_trigtuple);
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			mark_views_of(data, data->tg_newtuple);
	}
	PG_RETURN_POINTER(NULL);
}
