/*
 * packing.c
 *	  Packs the views of days that are over, and of hours, see packing.h.
 */
#include "packing.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "level.h"
#include "packed.h"
#include "sql.h"

/* Views of a pack, about: a session is not parted. */
#define CHUNK_VIEWS 8192

/*
 * Hours of the day that goes on are packed when they have so many views, and so many
 * of each site on average, and ended so long ago; and not more often than this: where
 * they change all the time, as with views that are replicated, packs are soon gone.
 */
#define HOURS_VIEWS			CHUNK_VIEWS
#define HOURS_VIEWS_OF_SITE 1024
#define HOURS_AGE			(30 * USECS_PER_MINUTE)
#define HOURS_PATIENCE		(30 * SECS_PER_MINUTE)

#define ROWS_AT_A_TIME 1000

/* A day is packed again when so many of its sessions changed, or some and it was packed a day ago. */
#define STALE_ENOUGH 1000

/* The columns of the query, in their order. */
typedef enum PackingColumn
{
	COLUMN_SITE,
	COLUMN_SESSION,
	COLUMN_STARTED,
	COLUMN_PATH,
	COLUMN_ENGAGEMENT,
	COLUMN_SCROLL,
	COLUMN_REFERRER,
	COLUMN_QUERY,
	COLUMN_PROPS,
	COLUMN_CREATED,
	COLUMN_COUNTRY,
	COLUMN_BROWSER,
	COLUMN_SYSTEM,
	COLUMN_DEVICE,
	COLUMN_LANGUAGE,
	COLUMN_SCREEN,
	COLUMN_COUNT
} PackingColumn;

StaticAssertDecl(COLUMN_SCREEN - COLUMN_COUNTRY + 1 == SESSION_DIMENSIONS,
				 "a column for each dimension of a session");

/* A session is looked up when it is met: all of them together may be gigabytes. */
static const char views_between[] =
	"SELECT v.site, v.session_id, v.started_at, v.path, v.engagement_ms, v.scroll_depth,"
	" v.referrer, v.query, v.props,"
	" s.created_at, s.country, s.browser, s.system, s.device, s.language,"
	" s.screen_width || 'x' || s.screen_height"
	" FROM pageviews.views AS v LEFT JOIN LATERAL (SELECT * FROM pageviews.sessions AS r"
	" WHERE r.session_id = v.session_id OFFSET 0) AS s ON true"
	" WHERE v.started_at >= $1 AND v.started_at < $2 AND s.robot IS NOT TRUE"
	" ORDER BY v.site COLLATE \"C\", v.session_id, v.started_at, v.view_id";

/* A row of the query. */
typedef struct Row
{
	Datum values[COLUMN_COUNT];
	bool  nulls[COLUMN_COUNT];
} Row;

/* Takes the views of a day and writes packs of them. */
typedef struct Packer
{
	TimestampTz	   day;
	MemoryContext  pack_memory; /* reset after each */
	MemoryContext  row_memory;	/* so, too */
	PackedWriter  *writer;		/* NULL: none is begun */
	StringInfoData site;
	uint8		   session[UUID_LEN];
	int32		   chunk;
} Packer;

static void
write_chunk(Packer *packer, bool more)
{
	static SPIPlanPtr plan = NULL;
	Oid				  types[] = {TIMESTAMPTZOID, TEXTOID, INT4OID, BYTEAOID};
	MemoryContext	  caller = MemoryContextSwitchTo(packer->pack_memory);
	Datum			  values[] = {
					TimestampTzGetDatum(packer->day),
					PointerGetDatum(cstring_to_text_with_len(packer->site.data, packer->site.len)),
					Int32GetDatum(packer->chunk), PointerGetDatum(packed_finish(packer->writer, more))};

	sql_execute(
		&plan,
		"INSERT INTO pageviews.packed_views (day, site, chunk, pack) VALUES ($1, $2, $3, $4)",
		lengthof(types), types, values);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(packer->pack_memory);
	packer->writer = NULL;
	packer->chunk++;
}

static Span
text_of(const Row *row, int column)
{
	if (row->nulls[column])
		return (Span){NULL, 0};
	return span_of_text(DatumGetTextPP(row->values[column]));
}

/* Begins a session, and before it a pack where that is needed. */
static void
begin_session(Packer *packer, const Row *row, const uint8 *session, Span site)
{
	PackedSession packed = {.session = session, .has_created_at = !row->nulls[COLUMN_CREATED]};
	Span		  traits[SESSION_DIMENSIONS];
	bool		  same_site = span_equal(site, (Span){packer->site.data, packer->site.len});

	if (packer->writer != NULL && (!same_site || packed_view_count(packer->writer) >= CHUNK_VIEWS))
		write_chunk(packer, same_site);
	if (!same_site)
	{
		resetStringInfo(&packer->site);
		appendBinaryStringInfo(&packer->site, site.data, site.length);
		packer->chunk = 0;
	}
	if (packer->writer == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(packer->pack_memory);

		packer->writer = packed_writer_new(packer->day);
		MemoryContextSwitchTo(caller);
	}
	memcpy(packer->session, session, UUID_LEN);
	if (packed.has_created_at)
		packed.created_at = DatumGetTimestampTz(row->values[COLUMN_CREATED]);
	for (int i = 0; i < SESSION_DIMENSIONS; i++)
		traits[i] = text_of(row, COLUMN_COUNTRY + i);
	packed.traits = packed_word(packer->writer, PACKED_TRAITS, traits, SESSION_DIMENSIONS);
	packed_add_session(packer->writer, &packed);
}

static void
add_view(Packer *packer, const Row *row)
{
	PackedWriter *writer = packer->writer;
	Span		  path = text_of(row, COLUMN_PATH);
	Span		  origin[] = {text_of(row, COLUMN_REFERRER), text_of(row, COLUMN_QUERY)};
	PackedView	  view = {
		   .started_at = DatumGetTimestampTz(row->values[COLUMN_STARTED]),
		   .engagement = DatumGetInt32(row->values[COLUMN_ENGAGEMENT]),
		   .scroll_depth =
			   row->nulls[COLUMN_SCROLL] ? -1 : Max(DatumGetInt16(row->values[COLUMN_SCROLL]), -1),
		   .path = packed_word(writer, PACKED_PATH, &path, 1),
		   .origin = packed_word(writer, PACKED_ORIGIN, origin, lengthof(origin)),
	   };

	if (!row->nulls[COLUMN_PROPS])
	{
		Jsonb *props = DatumGetJsonbP(row->values[COLUMN_PROPS]);
		char  *json = JsonbToCString(NULL, &props->root, VARSIZE(props));
		Span   text = {json, (int) strlen(json)};

		view.props = packed_word(writer, PACKED_PROPS, &text, 1) + 1;
	}
	packed_add_view(writer, &view);
}

static void
take_row(Packer *packer, const Row *row)
{
	MemoryContext caller = MemoryContextSwitchTo(packer->row_memory);
	const uint8	 *session = DatumGetUUIDP(row->values[COLUMN_SESSION])->data;
	Span		  site = text_of(row, COLUMN_SITE);

	if (packer->writer == NULL || memcmp(packer->session, session, UUID_LEN) != 0 ||
		!span_equal(site, (Span){packer->site.data, packer->site.len}))
		begin_session(packer, row, session, site);
	add_view(packer, row);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(packer->row_memory);
}

/* Packs a day, or some hours, anew. */
static void
pack(TimestampTz since, TimestampTz until)
{
	Oid					types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum				values[] = {TimestampTzGetDatum(since), TimestampTzGetDatum(until)};
	Packer				packer = {.day = since};
	SPIParseOpenOptions options = {.params = sql_parameters(lengthof(types), types, values, NULL),
								   .read_only = true};
	Portal				views;

	sql_execute(NULL, "DELETE FROM pageviews.packed_days WHERE day >= $1 AND day < $2",
				lengthof(types), types, values);
	sql_execute(NULL, "INSERT INTO pageviews.packed_days (day, until) VALUES ($1, $2)",
				lengthof(types), types, values);
	packer.pack_memory =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews pack", ALLOCSET_DEFAULT_SIZES);
	packer.row_memory =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews row", ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&packer.site);
	views = SPI_cursor_parse_open(NULL, views_between, &options);
	for (;;)
	{
		SPITupleTable *rows;
		uint64		   count;

		SPI_cursor_fetch(views, true, ROWS_AT_A_TIME);
		rows = SPI_tuptable;
		count = SPI_processed;
		for (uint64 i = 0; i < count; i++)
		{
			Row row;

			CHECK_FOR_INTERRUPTS();
			heap_deform_tuple(rows->vals[i], rows->tupdesc, row.values, row.nulls);
			take_row(&packer, &row);
		}
		SPI_freetuptable(rows);
		if (count == 0)
			break;
	}
	SPI_cursor_close(views);
	if (packer.writer != NULL)
		write_chunk(&packer, false);
	MemoryContextDelete(packer.pack_memory);
	MemoryContextDelete(packer.row_memory);
}

void
packing_note_changes(const RollupState *state)
{
	Oid	  types[] = {INT8OID, TIMESTAMPTZOID};
	Datum values[] = {Int64GetDatum(state->consuming), TimestampTzGetDatum(state->consuming_since)};

	sql_execute(NULL,
				"INSERT INTO pageviews.packed_stale (day, site, session_id) "
				"SELECT DISTINCT d.day, c.site, c.session_id FROM pageviews.rollup_changes AS c"
				" JOIN pageviews.packed_days AS d ON " PACKED_DAY_OF_CHANGE
				" WHERE c.generation <= $1 AND c.started_at >= $2 "
				"ON CONFLICT ON CONSTRAINT packed_stale_pkey DO NOTHING",
				lengthof(types), types, values);
}

void
packing_forget_hours(const Hours *hours)
{
	Oid types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};

	for (int i = 0; i < hours->count; i++)
	{
		TimestampTz day = level_start(LEVEL_DAY, hours->at[i]);
		Datum		values[] = {TimestampTzGetDatum(day), TimestampTzGetDatum(hours->at[i])};

		sql_execute(NULL,
					"DELETE FROM pageviews.packed_days"
					" WHERE day >= $1 AND day <= $2 AND until > $2",
					lengthof(types), types, values);
	}
}

void
packing_forget_all(void)
{
	sql_execute(NULL, "DELETE FROM pageviews.packed_days", 0, NULL, NULL);
}

/* Hours, one after the other, whose views are to be packed. */
typedef struct PackedHours
{
	TimestampTz since;
	TimestampTz until;
} PackedHours;

/* Whether there are views enough, of each site too. */
static bool
are_enough(const PackedHours *hours)
{
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, INT4OID};
	const Datum values[] = {TimestampTzGetDatum(hours->since), TimestampTzGetDatum(hours->until),
							Int32GetDatum(HOURS_VIEWS), Int32GetDatum(HOURS_VIEWS_OF_SITE)};
	bool		null;

	sql_select("SELECT count(*) >= greatest($3, $4 * count(DISTINCT v.site))"
			   " FROM pageviews.views AS v WHERE v.started_at >= $1 AND v.started_at < $2",
			   lengthof(types), types, values, NULL);
	return DatumGetBool(sql_value(0, 1, &null));
}

/* Whether it is long ago that hours were packed. */
static bool
are_due(void)
{
	const Oid	type = INT4OID;
	const Datum value = Int32GetDatum(HOURS_PATIENCE);

	return sql_select("SELECT FROM pageviews.rollup_state AS s"
					  " WHERE s.hours_packed_at < clock_timestamp() - $1 * interval '1 second'",
					  1, &type, &value, NULL) > 0;
}

/*
 * Finds hours of days that are not over, none of another day than the others; false
 * if there are none with enough views.
 */
static bool
find_hours(const RollupState *state, PackedHours *hours)
{
	TimestampTz	 until = level_start(LEVEL_HOUR, state->rolled_until - HOURS_AGE);
	TimestampTz	 since = Max(level_start(LEVEL_DAY, until - USECS_PER_DAY),
							 Max(state->days_until, state->raw_since));
	const Oid	 types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	const Datum	 values[] = {TimestampTzGetDatum(since), TimestampTzGetDatum(until)};
	PackedHours *found;
	int			 count = 0;
	uint64		 rows;
	bool		 null;

	/* The latest first: they are asked for most. */
	rows = sql_select(
		"SELECT h.hour FROM generate_series($1, $2 - interval '1 hour', '1 hour') AS h (hour)"
		" WHERE NOT EXISTS (SELECT FROM pageviews.rollup_marks AS m WHERE m.hour = h.hour)"
		" AND NOT EXISTS (SELECT FROM pageviews.packed_days AS d"
		" WHERE d.day >= $1 AND d.day <= h.hour AND d.until > h.hour) ORDER BY h.hour DESC",
		lengthof(types), types, values, NULL);
	found = palloc_array(PackedHours, Max(rows, 1));
	for (uint64 i = 0; i < rows; i++)
	{
		TimestampTz hour = DatumGetTimestampTz(sql_value(i, 1, &null));
		TimestampTz end = hour + USECS_PER_HOUR;

		if (count == 0 || found[count - 1].since != end || level_start(LEVEL_DAY, end) == end)
			found[count++].until = end;
		found[count - 1].since = hour;
	}
	for (int i = 0; i < count; i++)
	{
		*hours = found[i];
		if (are_enough(hours))
			return true;
	}
	return false;
}

/* Finds two of the days that should be packed, or hours that should be so again; returns how many. */
static uint64
find_days(const RollupState *state)
{
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT2OID, INT2OID, INT4OID};
	const Datum values[] = {TimestampTzGetDatum(state->raw_since),
							TimestampTzGetDatum(state->days_until), Int16GetDatum(DIMENSION_ALL),
							Int16GetDatum(LEVEL_DAY), Int32GetDatum(STALE_ENOUGH)};

	/* The latest first: it is asked for most. */
	return sql_select(
		"SELECT t.day, t.until FROM (SELECT r.bucket AS day, r.bucket + interval '24 hours' AS until"
		" FROM pageviews.rollups AS r WHERE r.dimension = $3 AND r.level = $4"
		" AND r.bucket >= $1 AND r.bucket < $2"
		" UNION SELECT p.day, p.until FROM pageviews.packed_days AS p WHERE p.day >= $2"
		/* Robots may have been all that a day had, which has no roll-up then. */
		" UNION SELECT o.midnight, o.midnight + interval '24 hours' FROM (SELECT"
		" date_trunc('day', p.day, 'UTC') AS midnight FROM pageviews.packed_days AS p"
		" WHERE p.day < $2 AND p.until < date_trunc('day', p.day, 'UTC') + interval '24 hours') AS o"
		") AS t"
		" LEFT JOIN pageviews.packed_days AS d ON d.day = t.day AND d.until = t.until"
		" WHERE NOT EXISTS (SELECT FROM pageviews.rollup_marks AS m"
		" WHERE m.hour >= t.day AND m.hour < t.until)"
		" AND (d.day IS NULL OR (SELECT count(*) >= CASE WHEN"
		" d.packed_at < clock_timestamp() - interval '1 day' THEN 1 ELSE $5 END"
		" FROM pageviews.packed_stale AS s WHERE s.day = d.day))"
		" ORDER BY t.day DESC LIMIT 2",
		lengthof(types), types, values, NULL);
}

bool
packing_pack(const RollupState *state, bool at_once)
{
	PackedHours hours;
	uint64		days;
	bool		null;

	if ((at_once || are_due()) && find_hours(state, &hours))
	{
		pack(hours.since, hours.until);
		sql_execute(NULL, "UPDATE pageviews.rollup_state SET hours_packed_at = clock_timestamp()",
					0, NULL, NULL);
		return true;
	}
	days = find_days(state);
	if (days == 0)
		return false;
	pack(DatumGetTimestampTz(sql_value(0, 1, &null)), DatumGetTimestampTz(sql_value(0, 2, &null)));
	return days > 1;
}
