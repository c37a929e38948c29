/*
 * history_days.c
 *	  Which days a report reads from packs, and what from views instead, see
 *	  history_private.h.
 */
#include "history_private.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "packing.h"
#include "sql.h"

static ArrayType *
array_of_times(const TimestampTz *times, int count)
{
	Datum *elements = palloc_array(Datum, Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = TimestampTzGetDatum(times[i]);
	return construct_array(elements, count, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL,
						   TYPALIGN_DOUBLE);
}

bool
history_days_find(const HistoryQuery *query, HistoryDays *days)
{
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	const Datum values[] = {TimestampTzGetDatum(query->since), TimestampTzGetDatum(query->until)};
	bool		null;
	uint64		count = sql_select("SELECT d.day, d.until FROM pageviews.packed_days AS d"
										" WHERE d.until > $1 AND d.day < $2"
										" AND NOT EXISTS (SELECT FROM pageviews.rollup_marks AS m"
										" WHERE m.hour >= d.day AND m.hour < d.until) ORDER BY d.day",
								   lengthof(types), types, values, NULL);

	days->at = palloc_array(TimestampTz, Max(count, 1));
	days->until = palloc_array(TimestampTz, Max(count, 1));
	days->count = (int) count;
	for (uint64 i = 0; i < count; i++)
	{
		days->at[i] = DatumGetTimestampTz(sql_value(i, 1, &null));
		days->until[i] = DatumGetTimestampTz(sql_value(i, 2, &null));
	}
	SPI_freetuptable(SPI_tuptable);
	days->array = array_of_times(days->at, days->count);
	return count > 0;
}

ArrayType *
history_days_left_out(HistoryDays *days)
{
	const Oid	type = TIMESTAMPTZARRAYOID;
	const Datum value = PointerGetDatum(days->array);
	bool		null;
	Datum	   *elements;
	uint64		count = sql_select(
			 "SELECT s.session_id FROM pageviews.packed_stale AS s WHERE s.day = ANY ($1) "
				  "UNION SELECT c.session_id FROM pageviews.rollup_changes AS c"
				  " JOIN pageviews.packed_days AS d ON " PACKED_DAY_OF_CHANGE " WHERE d.day = ANY ($1)"
				  " ORDER BY session_id",
			 1, &type, &value, NULL);

	elements = palloc_array(Datum, Max(count, 1));
	days->left_out = palloc(Max(count, 1) * UUID_LEN);
	for (uint64 i = 0; i < count; i++)
	{
		memcpy(days->left_out[i], DatumGetUUIDP(sql_value(i, 1, &null))->data, UUID_LEN);
		elements[i] = PointerGetDatum(days->left_out[i]);
	}
	days->left_out_count = (int) count;
	SPI_freetuptable(SPI_tuptable);
	return construct_array(elements, (int) count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

HistorySource
history_days_source(const HistoryQuery *query, HistoryDays *days)
{
	static const char columns[] =
		"SELECT w.view_id, w.session_id, w.site, w.started_at, w.path, w.engagement_ms,"
		" w.scroll_depth, w.referrer, w.query, w.props FROM pageviews.views AS w WHERE ";
	TimestampTz	  *times = palloc_array(TimestampTz, 2 * days->count + 2);
	int			   count = 0;
	int64		   length = 0;
	StringInfoData relation;
	StringInfoData packed;

	/* Where it changes between packed and not: read from [0] to [1], packed to [2], read to [3] ... */
	times[count++] = query->since;
	for (int i = 0; i < days->count; i++)
	{
		if (i > 0 && days->at[i] == times[count - 1])
			times[count - 1] = days->until[i];
		else
		{
			times[count++] = Max(days->at[i], query->since);
			times[count++] = days->until[i];
		}
	}
	times[count] = Max(query->until, times[count - 1]);
	count++;

	initStringInfo(&relation);
	initStringInfo(&packed);
	appendStringInfoChar(&relation, '(');
	for (int i = 1; i < count; i++)
	{
		bool is_packed = i % 2 == 0;

		if (is_packed)
			appendStringInfo(&packed, "%sw.started_at >= ($9)[%d] AND w.started_at < ($9)[%d]",
							 packed.len > 0 ? " OR " : "", i, i + 1);
		else if (times[i - 1] < times[i])
		{
			appendStringInfo(&relation,
							 "%sw.started_at >= ($9)[%d] AND w.started_at < ($9)[%d] UNION ALL ",
							 columns, i, i + 1);
			if (pg_add_s64_overflow(length, history_length(times[i - 1], times[i]), &length))
				length = PG_INT64_MAX;
		}
	}
	appendStringInfo(&relation, "%sw.session_id = ANY ($8) AND (%s))", columns, packed.data);
	return (HistorySource){.relation = relation.data,
						   .length = length,
						   .sessions = history_days_left_out(days),
						   .times = array_of_times(times, count)};
}
