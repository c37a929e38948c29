/*
 * cells_parallel.c
 *	  Parallel workers of cells(): they read views, a part of the period each, or they
 *	  make the figures of a part of the rows.
 *
 * What is read from packs is little but for the details.  So for figures each worker
 * reads the packs as the report's own process did, in the same snapshot, and comes
 * to the same rows; of these it does parts.  If it did not (somebody took a privilege
 * away meanwhile) its parts are done by the report's process.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "cells_report.h"
#include "history.h"
#include "parallel.h"

/* --- both ----------------------------------------------------------------------------- */

/* The report itself, and what it points to; a worker begins with that. */
static void
write_report(const Report *report, StringInfo arguments)
{
	parallel_put(arguments, report, sizeof *report);
	parallel_put(arguments, report->bounds, report->bound_count * (int) sizeof *report->bounds);
	parallel_put_value(arguments, report->site);
	parallel_put_value(arguments, report->filters);
	parallel_put_value(arguments, report->wanted);
}

/* The report of its arguments, as it was before anything was read. */
static void *
begin_report(StringInfo arguments)
{
	Report *report = palloc(sizeof *report);
	int		length;

	memcpy(report, parallel_get(arguments, sizeof *report), sizeof *report);
	length = report->bound_count * (int) sizeof *report->bounds;
	report->bounds = memcpy(palloc(length), parallel_get(arguments, length), length);
	report->site = parallel_get_value(arguments);
	report->filters = parallel_get_value(arguments);
	report->wanted = parallel_get_value(arguments);
	report->memory = CurrentMemoryContext;
	report->cells = cells_new(report->memory);
	report->marked = report->wrong = NULL;
	report->marked_count = report->wrong_count = report->wrong_capacity = 0;
	return report;
}

/* --- views ---------------------------------------------------------------------------- */

/*
 * A DoPart: adds the visits that began in a part, however long they go on; to the
 * first part belong those that began before the period, too.
 */
static void
read_part(void *context, int64 since, int64 until)
{
	Report *report = context;

	report->part_since = since;
	report->part_until = until;
	report->rules.since = since == report->bounds[0] ? DT_NOBEGIN : since;
	report->rules.until = until == report->bounds[report->bound_count - 1] ? DT_NOEND : until;
	report_add_period(report);
}

/* Writes a worker's cells: bucket, site and pack of each bucket and site. */
static void
write_cells(void *context, StringInfo result)
{
	Report *report = context;
	uint32	count;
	Cell  **sorted = cells_sorted(report->cells, &count);

	for (uint32 from = 0, until; from < count; from = until)
	{
		const CellKey *key = &sorted[from]->key;
		Pack		   pack;

		for (until = from + 1; until < count && sorted[until]->key.span == key->span &&
							   span_equal(sorted[until]->key.site, key->site);
			 until++)
			;
		pack = cells_pack(sorted + from, until - from);
		parallel_put(result, &key->span, sizeof key->span);
		parallel_put_value(result, key->site.data == NULL ? NULL
														  : cstring_to_text_with_len(
																key->site.data, key->site.length));
		parallel_put_value(result, pack.counters);
		parallel_put_value(result, pack.details);
	}
}

/* Adds a worker's cells. */
static void
take_cells(void *context, StringInfo result)
{
	Report		 *report = context;
	MemoryContext caller = MemoryContextSwitchTo(report->memory);

	while (result->cursor < result->len)
	{
		CellKey key = {.dimension = report->dimension};
		text   *site;
		Pack	pack;

		CHECK_FOR_INTERRUPTS();
		memcpy(&key.span, parallel_get(result, sizeof key.span), sizeof key.span);
		site = parallel_get_value(result);
		if (site != NULL)
			key.site = span_of_text(site);
		pack.counters = parallel_get_value(result);
		pack.details = parallel_get_value(result);
		cells_unpack(report->cells, &key, &pack);
	}
	MemoryContextSwitchTo(caller);
}

PGDLLEXPORT void pageviews_cells_worker(dsm_segment *segment, shm_toc *toc);

/* What a parallel worker is started with. */
void
pageviews_cells_worker(dsm_segment *segment, shm_toc *toc)
{
	const ParallelWork work = {begin_report, read_part, write_cells};

	parallel_work(segment, toc, &work);
}

bool
report_read_in_parallel(Report *report)
{
	ParallelCuts   cuts;
	StringInfoData arguments;
	ParallelReport parallel = {"pageviews_cells_worker", &arguments, read_part, take_cells, report};

	/* Packs are few, and what undoes changes is in no part; nor are days that are merged. */
	if (report->rolled || report->rules.timeout > HISTORY_LONGEST_TIMEOUT)
		return false;
	parallel_cut_period(report->bounds[0], report->bounds[report->bound_count - 1], report->site,
						&cuts);
	initStringInfo(&arguments);
	write_report(report, &arguments);
	report->cells = cells_new(report->memory);
	return parallel_do(&cuts, &parallel);
}

/* --- figures -------------------------------------------------------------------------- */

#define FIGURES_OF_EACH 6 /* parts of the rows, of each process */

/* The report and its rows, and which of them this process did. */
typedef struct Figuring
{
	Report	*report;
	CellRows rows;
	bool	 strange; /* whether they are others than those of the report's process */
	uint32	 part_count;
	int64	 parts[2 * PARALLEL_PARTS]; /* from and until of each */
} Figuring;

/* A DoPart. */
static void
figure_part(void *context, int64 from, int64 until)
{
	Figuring *figuring = context;

	if (figuring->strange)
		return;
	cells_figure(&figuring->rows, (uint32) from, (uint32) until, figuring->report->detail);
	figuring->parts[2 * figuring->part_count] = from;
	figuring->parts[2 * figuring->part_count + 1] = until;
	figuring->part_count++;
}

static void *
begin_figuring(StringInfo arguments)
{
	Figuring *figuring = palloc0(sizeof *figuring);
	Report	 *report = begin_report(arguments);
	uint64	  fingerprint;

	memcpy(&fingerprint, parallel_get(arguments, sizeof fingerprint), sizeof fingerprint);
	report_begin(report);
	report_read(report);
	figuring->report = report;
	figuring->rows = cells_choose(report->cells, report->wanted, report->detail);
	figuring->strange = cells_fingerprint(&figuring->rows) != fingerprint;
	return figuring;
}

/* Writes the figures of the parts that a worker did. */
static void
write_figures(void *context, StringInfo result)
{
	const Figuring *figuring = context;

	for (uint32 i = 0; i < figuring->part_count; i++)
	{
		int64 from = figuring->parts[2 * i];
		int64 until = figuring->parts[2 * i + 1];

		parallel_put(result, &from, sizeof from);
		parallel_put(result, &until, sizeof until);
		for (int64 row = from; row < until; row++)
		{
			const CellFigures *figures = &figuring->rows.figures[row];

			parallel_put(result, figures, sizeof *figures);
			parallel_put_value(result, figures->sketch);
		}
	}
}

/* Takes the figures that a worker made. */
static void
take_figures(void *context, StringInfo result)
{
	Figuring *figuring = context;

	while (result->cursor < result->len)
	{
		int64 from;
		int64 until;

		memcpy(&from, parallel_get(result, sizeof from), sizeof from);
		memcpy(&until, parallel_get(result, sizeof until), sizeof until);
		for (int64 row = from; row < until; row++)
		{
			CellFigures *figures = &figuring->rows.figures[row];

			CHECK_FOR_INTERRUPTS();
			memcpy(figures, parallel_get(result, sizeof *figures), sizeof *figures);
			figures->sketch = parallel_get_value(result);
		}
	}
}

PGDLLEXPORT void pageviews_figures_worker(dsm_segment *segment, shm_toc *toc);

/* What a parallel worker is started with. */
void
pageviews_figures_worker(dsm_segment *segment, shm_toc *toc)
{
	const ParallelWork work = {begin_figuring, figure_part, write_figures};

	parallel_work(segment, toc, &work);
}

/* Cuts the rows into parts with about as many bytes of pieces each. */
static void
cut_rows(const CellRows *rows, CellDetail detail, ParallelCuts *cuts)
{
	int64  bytes = 0;
	int64  result = (int64) rows->count * (int64) (sizeof(CellFigures) + VARHDRSZ);
	int64  read = 0;
	uint32 parts;

	for (uint32 i = 0; i < rows->count; i++)
		bytes += cell_pieces_length(rows->cells[i]);
	if (detail >= DETAIL_SKETCHES)
		result += bytes;
	/* One worker may have done all rows, and what it says is one message. */
	parts = result > MaxAllocSize / 2 ? 1 : parallel_parts(bytes, FIGURES_OF_EACH);
	for (uint32 i = 0; i < rows->count && cuts->count < parts; i++)
	{
		if (i > cuts->at[cuts->count - 1] && read >= bytes / parts * cuts->count)
			cuts->at[cuts->count++] = i;
		read += cell_pieces_length(rows->cells[i]);
	}
	cuts->at[cuts->count] = rows->count;
}

/* Does the parts with workers; those of strange ones are left. */
static void
figure_in_parallel(Figuring *figuring, const ParallelCuts *cuts)
{
	uint64		   fingerprint = cells_fingerprint(&figuring->rows);
	StringInfoData arguments;
	ParallelReport parallel = {"pageviews_figures_worker", &arguments, figure_part, take_figures,
							   figuring};

	initStringInfo(&arguments);
	write_report(figuring->report, &arguments);
	parallel_put(&arguments, &fingerprint, sizeof fingerprint);
	(void) parallel_do(cuts, &parallel);
}

void
report_figure(Report *report, CellRows *rows)
{
	Figuring	 figuring = {.report = report, .rows = *rows};
	ParallelCuts cuts = {1, {0, rows->count}};

	/* What workers have read from views only they have. */
	if (report->rolled && !report->read_much)
		cut_rows(rows, report->detail, &cuts);
	if (cuts.count > 1)
		figure_in_parallel(&figuring, &cuts);
	for (uint32 from = 0, until; from < rows->count; from = until)
	{
		for (until = from; until < rows->count && rows->figures[until].visitors < 0; until++)
			;
		cells_figure(rows, from, until, report->detail);
		while (until < rows->count && rows->figures[until].visitors >= 0)
			until++;
	}
}
