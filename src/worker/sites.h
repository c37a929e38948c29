/*
 * sites.h
 *	  Which sites the current user may see: the one rule of the row level policies
 *	  on the tables, in C for what is not a table.
 */
#ifndef PAGEVIEWS_SITES_H
#define PAGEVIEWS_SITES_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * Whether the current user sees every site: a member of pageviews_reader, or
 * somebody for whom the policies of pageviews.views do not hold.
 */
extern bool sites_all_visible(void);

/*
 * The sites that pageviews.site_readers lists for the current user, if he is a
 * member of pageviews_site_reader: a list of palloc'd C strings in the server's
 * encoding, each maybe more than once.
 */
extern List *sites_visible(void);

#endif /* PAGEVIEWS_SITES_H */
