/*
 * store_rollups.c
 *	  The roll-ups' transactions, and what a batch owes to the roll-ups.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

#include "../reports/rollup.h"
#include "store_private.h"

typedef struct Rolling
{
	TimestampTz until;
	bool		more;
} Rolling;

static void
announce_body(void *context)
{
	Rolling *rolling = context;

	rolling->more = rollup_announce(rolling->until);
}

static void
apply_body(void *context)
{
	Rolling *rolling = context;

	rolling->more = rollup_apply(rolling->until);
}

static void
pack_body(void *context)
{
	*(bool *) context = rollup_pack(false);
}

StoreResult
store_roll_up(TimestampTz until, bool *more)
{
	Rolling		rolling = {until, false};
	StoreResult result = store_transact_simply("announcing roll-ups", announce_body, &rolling);

	if (result == STORE_OK && rolling.more)
		result = store_transact_simply("rolling up page views", apply_body, &rolling);
	*more = rolling.more;
	return result;
}

StoreResult
store_pack(bool *more)
{
	*more = false;
	return store_transact_simply("packing page views", pack_body, more);
}

/* --- what a batch owes to them ---------------------------------------------------- */

void
store_hold_rollups(RollupHold *hold)
{
	static SPIPlanPtr plan = NULL;
	bool			  null;

	if (!ConditionalLockRelationOid(rollup_state_table(), RowShareLock))
		ereport(ERROR, errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				errmsg("could not obtain lock on relation \"rollup_state\""));
	store_execute(&plan, "SELECT announced_until, generation FROM pageviews.rollup_state", 0, NULL,
				  NULL);
	hold->until = DT_NOBEGIN;
	if (SPI_processed == 0)
		return;
	hold->until =
		DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	hold->generation = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &null);
}

void
store_keep_for_rollups(SPIPlanPtr *plan, const RollupHold *hold, Oid leaf, Datum records)
{
	static const char query[] =
		"INSERT INTO pageviews.rollup_changes"
		" (view_id, generation, session_id, site, started_at, existed, engagement_ms, referrer, query) "
		"SELECT r.view_id, $2, coalesce(v.session_id, r.session_id), coalesce(v.site, r.site),"
		" r.started_at, v.view_id IS NOT NULL, coalesce(v.engagement_ms, 0), v.referrer, v.query "
		"FROM unnest($1) AS r " VIEW_RECORD " LEFT JOIN pageviews.%s AS v ON v.view_id = r.view_id "
		"WHERE r.started_at < $3 AND (v.view_id IS NULL OR v.revision < r.revision"
		" AND (v.engagement_ms, v.scroll_depth, v.referrer, v.query, v.props) IS DISTINCT FROM"
		" (r.engagement_ms, r.scroll_depth, r.referrer, r.query, r.props)) "
		"ON CONFLICT ON CONSTRAINT rollup_changes_pkey DO NOTHING";
	Oid	  types[] = {RECORDARRAYOID, INT8OID, TIMESTAMPTZOID};
	Datum arguments[] = {records, hold->generation, TimestampTzGetDatum(hold->until)};

	store_execute(plan, *plan != NULL ? NULL : psprintf(query, get_rel_name(leaf)), 3, types,
				  arguments);
}
