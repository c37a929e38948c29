/*
 * sites.c
 *	  Which sites the current user may see; see sites.h.
 *
 * pageviews.site_readers is read as a table here, not by a query: whoever asks
 * needs no right to it, and sees no more of it than what is about him.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "sites.h"

PG_FUNCTION_INFO_V1(pageviews_visible_sites);

/* A table of the extension, or InvalidOid. */
static Oid
find_table(const char *name)
{
	Oid schema = get_namespace_oid("pageviews", true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/* Whether the current user has the privileges of a role, which may be no role at all. */
static bool
is_member_of(const char *name)
{
	Oid role = get_role_oid(name, true);

	return OidIsValid(role) && has_privs_of_role(GetUserId(), role);
}

bool
sites_all_visible(void)
{
	Oid views = find_table("views");

	if (is_member_of("pageviews_reader"))
		return true;
	return OidIsValid(views) && check_enable_rls(views, InvalidOid, true) != RLS_ENABLED;
}

List *
sites_visible(void)
{
	Oid				table = find_table("site_readers");
	AttrNumber		role_column = get_attnum(table, "role");
	AttrNumber		site_column = get_attnum(table, "site");
	List		   *sites = NIL;
	Relation		relation;
	TableScanDesc	scan;
	TupleTableSlot *slot;

	if (role_column == InvalidAttrNumber || site_column == InvalidAttrNumber ||
		!is_member_of("pageviews_site_reader"))
		return NIL;

	relation = table_open(table, AccessShareLock);
	slot = table_slot_create(relation, NULL);
	scan = table_beginscan(relation, GetActiveSnapshot(), 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool  null; /* neither column can be */
		Datum role = slot_getattr(slot, role_column, &null);

		if (is_member_of(NameStr(*DatumGetName(role))))
			sites = lappend(sites, TextDatumGetCString(slot_getattr(slot, site_column, &null)));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
	return sites;
}

/* visible_sites(): the same, as text[]. */
Datum
pageviews_visible_sites(PG_FUNCTION_ARGS)
{
	List	 *sites = sites_visible();
	Datum	 *values = palloc_array(Datum, list_length(sites) + 1);
	int		  count = 0;
	ListCell *cell;

	foreach(cell, sites)
		values[count++] = CStringGetTextDatum(lfirst(cell));
	PG_RETURN_ARRAYTYPE_P(construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT));
}
