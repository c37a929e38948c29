/*
 * store_rejected.c
 *	  Rows that can never be stored: kept in pageviews.rejected, with their error.
 *
 * A row is described by a small jsonb object whose texts are cut and escaped to
 * ASCII, so that this works for every row, however bad.  The table is bounded:
 * pageviews.set_aside() lets the oldest go.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "datum.h"
#include "store_private.h"

static SPIPlanPtr set_aside_plan;

/* What store_transact() hands to set_aside_body(). */
typedef struct Reject
{
	const ViewRow	   *row;
	const StoreFailure *failure;
} Reject;

/* What a row would have been, as jsonb; holds for every row, however bad. */
static Datum
describe_row(const ViewRow *row)
{
	const PageDescription *page = &row->texts->page;
	const struct
	{
		const char *key;
		double		number;
	} numbers[] = {{"started_at", row->started_at},	   {"ended_at", row->ended_at},
				   {"engagement_ms", row->engagement}, {"focused_ms", row->focused},
				   {"active_ms", row->active},		   {"scroll_depth", row->scroll}};
	const struct
	{
		const char *key;
		Text		text;
	} texts[] = {{"site", page->site},	 {"path", page->path},	 {"name", page->name},
				 {"query", page->query}, {"title", page->title}, {"referrer", page->referrer}};
	PageDescription *description = palloc0_object(PageDescription);
	Property		*property = description->properties;

	StaticAssertStmt(lengthof(numbers) + lengthof(texts) <= PROPERTY_COUNT_LIMIT,
					 "a description has room for everything");
	for (int i = 0; i < (int) lengthof(numbers); i++, property++)
	{
		property->key = text_of(numbers[i].key);
		property->type = PROPERTY_NUMBER;
		property->number = numbers[i].number;
	}
	for (int i = 0; i < (int) lengthof(texts); i++, property++)
	{
		char *escaped = palloc(PROPERTY_STRING_LIMIT);

		text_escape(texts[i].text.data, texts[i].text.length, escaped, PROPERTY_STRING_LIMIT);
		property->key = text_of(texts[i].key);
		property->type = PROPERTY_STRING;
		property->string = text_of(escaped);
	}
	description->property_count = property - description->properties;
	return properties_datum(description);
}

/* The transaction that sets a row aside; a StoreBody. */
static void
set_aside_body(void *context)
{
	const Reject *reject = context;
	bool		  event = revision_is_event(reject->row->revision);
	Oid			  types[] = {UUIDOID, UUIDOID, INT8OID, TEXTOID, TEXTOID, JSONBOID, TEXTOID};
	Datum		  arguments[] = {PointerGetDatum(reject->row->view.bytes),
								 PointerGetDatum(reject->row->session.bytes),
								 Int64GetDatum(reject->row->revision),
								 CStringGetTextDatum(unpack_sql_state(reject->failure->sqlstate)),
								 CStringGetTextDatum(reject->failure->message),
								 describe_row(reject->row),
								 CStringGetTextDatum(event ? "event" : "view")};

	store_keep_forgetters_out();
	store_execute(&set_aside_plan, "SELECT pageviews.set_aside($1, $2, $3, $4, $5, $6, $7)",
				  lengthof(types), types, arguments);
}

StoreResult
store_set_aside(const ViewRow *row, const StoreFailure *failure)
{
	Reject reject = {.row = row, .failure = failure};

	return store_transact_simply("setting a row aside", set_aside_body, &reject);
}
