/*
 * store_rollups.c
 *	  The roll-ups' transactions.
 */
#include "postgres.h"

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
