/*
 * cells_report.h
 *	  What cells() is asked and what it has read, for cells_*.c alone.
 */
#ifndef PAGEVIEWS_CELLS_REPORT_H
#define PAGEVIEWS_CELLS_REPORT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#include "cells_rows.h"
#include "cover.h"
#include "rollup.h"
#include "visits.h"

typedef struct Report
{
	TimestampTz	 *bounds;
	int			  bound_count;
	TimestampTz	  part_since; /* what is read: all of it, or a part */
	TimestampTz	  part_until;
	Dimension	  dimension;
	text		 *site;
	Jsonb		 *filters;
	bool		  origins; /* whether where visits came from is needed, and what browsers are */
	bool		  traits;
	bool		  sessions; /* whether the filters ask what sessions are: those that have a row */
	bool		  by_site;
	CellDetail	  detail;
	ArrayType	 *wanted; /* patterns of the values that are; NULL: all are */
	RollupState	  state;
	bool		  rolled;	 /* whether `state` can be used */
	bool		  read_much; /* whether more was read from views than is worth to be read twice */
	bool		  changes;	 /* whether there are rows in pageviews.rollup_changes */
	TimestampTz	 *marked;
	int			  marked_count;
	TimestampTz	 *wrong; /* hours with a visitor who cannot be taken out of the sketches */
	int			  wrong_count;
	int			  wrong_capacity;
	Cover		  cover;
	Cells		 *cells;
	MemoryContext memory; /* of the cells */
	VisitRules	  rules;

	/* Of the session that tells. */
	Span session_site;
	int pack_sign; /* what becomes of a contribution where packs were taken: added, taken away, nothing */
	bool raw; /* whether it counts where views are read */
} Report;

/* Covers the period, or the part of it, and adds what it is covered with to the cells. */
extern void report_add_period(Report *report);

/* Reads how far the roll-ups are, and what they may have wrong. */
extern void report_begin(Report *report);

/* Makes the cells from packs and views. */
extern void report_read(Report *report);

/* Makes the cells with workers, from views; false where everything is still to be done. */
extern bool report_read_in_parallel(Report *report);

/* Makes the figures of the rows, with workers where that is worth while. */
extern void report_figure(Report *report, CellRows *rows);

#endif /* PAGEVIEWS_CELLS_REPORT_H */
