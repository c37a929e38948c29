/*
 * store_events.c
 *	  The events of a batch, into the leaf of their month.
 *
 * An event has one version: one that is there already is left as it is.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "datum.h"
#include "store_private.h"

typedef enum EventColumn
{
	EVENT_ID,
	EVENT_SESSION,
	EVENT_VIEW,
	EVENT_OCCURRED,
	EVENT_SITE,
	EVENT_PATH,
	EVENT_NAME,
	EVENT_PROPS,
	EVENT_COLUMN_COUNT
} EventColumn;

static const Oid event_types[EVENT_COLUMN_COUNT] = {UUIDOID, UUIDOID, UUIDOID, TIMESTAMPTZOID,
													TEXTOID, TEXTOID, TEXTOID, JSONBOID};

static const char event_query[] =
	"INSERT INTO pageviews.%s"
	" (event_id, session_id, view_id, occurred_at, collector, site, path, name, props) "
	"SELECT r.event_id, r.session_id, r.view_id, r.occurred_at, $2, r.site, r.path, r.name, r.props "
	"FROM unnest($1) AS r (event_id uuid, session_id uuid, view_id uuid, occurred_at timestamptz,"
	" site text, path text, name text, props jsonb) "
	"ON CONFLICT (event_id) DO NOTHING";

/* Puts one row into the columns; raises for text that cannot be stored. */
static void
set_event(Column *columns, uint32_t i, const ViewRow *row)
{
	const PageDescription *page = &row->texts->page;

	store_set_value(&columns[EVENT_ID], i, PointerGetDatum(row->view.bytes));
	store_set_value(&columns[EVENT_SESSION], i, PointerGetDatum(row->session.bytes));
	if (!uuid_is_nil(&row->during))
		store_set_value(&columns[EVENT_VIEW], i, PointerGetDatum(row->during.bytes));
	store_set_value(&columns[EVENT_OCCURRED], i,
					TimestampTzGetDatum(timestamp_of(row->started_at)));
	store_set_text(&columns[EVENT_SITE], i, page->site);
	store_set_text(&columns[EVENT_PATH], i, page->path);
	store_set_text(&columns[EVENT_NAME], i, page->name);
	if (page->property_count > 0)
		store_set_value(&columns[EVENT_PROPS], i, properties_datum(page));
}

void
store_events(SPIPlanPtr *plan, Oid leaf, const ViewRow **rows, uint32_t count)
{
	Column *columns = store_columns(event_types, EVENT_COLUMN_COUNT, count);
	Oid		types[] = {RECORDARRAYOID, INT4OID};
	Datum	arguments[2];

	for (uint32_t i = 0; i < count; i++)
		set_event(columns, i, rows[i]);
	arguments[0] = store_records(columns, EVENT_COLUMN_COUNT, count);
	arguments[1] = Int32GetDatum(store_collector());
	store_execute(plan, *plan != NULL ? NULL : psprintf(event_query, get_rel_name(leaf)), 2, types,
				  arguments);
}
