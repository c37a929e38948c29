/*
 * parallel.h
 *	  Lets parallel workers of Postgres do parts of a report.
 *
 * For reports that are the sum of those of the parts of a range: of their period, or
 * of whatever they count off.  A part is done in this process or in a worker, in the
 * same snapshot and with the same rights; what a worker made comes back as bytes, and
 * is added here.
 */
#ifndef PAGEVIEWS_PARALLEL_H
#define PAGEVIEWS_PARALLEL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "storage/dsm.h"
#include "storage/shm_toc.h"

#define PARALLEL_PARTS 32

/* A range in parts, from each of these places to the next. */
typedef struct ParallelCuts
{
	uint32 count;				   /* of parts */
	int64  at[PARALLEL_PARTS + 1]; /* TimestampTz, where it is a period */
} ParallelCuts;

/* How a part is done; `context` is the report's. */
typedef void (*DoPart)(void *context, int64 from, int64 until);

/* What a report says to have its parts done. */
typedef struct ParallelReport
{
	const char *worker;	   /* name of its function for workers, which calls parallel_work() */
	StringInfo	arguments; /* what that is to know */
	DoPart		part;	   /* adds a part to the report */
	/* Adds what a worker wrote of its parts. */
	void (*take)(void *context, StringInfo result);
	void *context;
} ParallelReport;

/*
 * How many parts are worth while where some bytes are to be read, if each process is
 * to have so many of them; 1: it is not worth while, or workers are not allowed
 * (min_parallel_table_scan_size, max_parallel_workers_per_gather).
 */
extern uint32 parallel_parts(int64 bytes, int of_each);

/*
 * Cuts [since, until) at midnights, if there are packed days in it, of a site or
 * (NULL) of all, so large that parts are worth while.
 */
extern void parallel_cut_period(TimestampTz since, TimestampTz until, const text *site,
								ParallelCuts *cuts);

/* Does the parts; false, and nothing is done, if there is but one.  Nothing may be written meanwhile. */
extern bool parallel_do(const ParallelCuts *cuts, const ParallelReport *report);

/* What a worker does: `begin` makes the report of the arguments, `write` writes what it came to. */
typedef struct ParallelWork
{
	void *(*begin)(StringInfo arguments);
	DoPart part;
	void (*write)(void *context, StringInfo result);
} ParallelWork;

extern void parallel_work(dsm_segment *segment, shm_toc *toc, const ParallelWork *work);

/* Arguments and results: bytes, and texts or other varlenas, which may be NULL. */
extern void		   parallel_put(StringInfo into, const void *bytes, int length);
extern void		   parallel_put_value(StringInfo into, const void *value);
extern const void *parallel_get(StringInfo from, int length);
extern void		  *parallel_get_value(StringInfo from);

#endif /* PAGEVIEWS_PARALLEL_H */
