/*
 * parallel.h
 *	  Lets parallel workers of Postgres read parts of a report's period.
 *
 * For reports that are the sum of those of the parts of their period.  A part is
 * read in this process or in a worker, in the same snapshot and with the same
 * rights; what a worker made comes back as bytes, and is added here.
 */
#ifndef PAGEVIEWS_PARALLEL_H
#define PAGEVIEWS_PARALLEL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "storage/dsm.h"
#include "storage/shm_toc.h"

/* How a part is read; `context` is the report's. */
typedef void (*ReadPart)(void *context, TimestampTz since, TimestampTz until);

/* What a report says to have its parts read. */
typedef struct ParallelReport
{
	const char *worker;	   /* name of its function for workers, which calls parallel_work() */
	StringInfo	arguments; /* what that is to know */
	ReadPart	read;	   /* adds a part to the report */
	/* Adds what a worker wrote of its parts. */
	void (*take)(void *context, StringInfo result);
	void *context;
} ParallelReport;

/*
 * Reads [since, until), of a site or (NULL) of all, in parts, if there are packed
 * days in it, so large that workers are worth while, and workers are allowed
 * (min_parallel_table_scan_size, max_parallel_workers_per_gather); else returns
 * false and has done nothing.  Nothing may be written meanwhile.
 */
extern bool parallel_read(TimestampTz since, TimestampTz until, const text *site,
						  const ParallelReport *report);

/* What a worker does: `begin` makes the report of the arguments, `write` writes what it came to. */
typedef struct ParallelWork
{
	void *(*begin)(StringInfo arguments);
	ReadPart read;
	void (*write)(void *context, StringInfo result);
} ParallelWork;

extern void parallel_work(dsm_segment *segment, shm_toc *toc, const ParallelWork *work);

/* Arguments and results: bytes, and texts or other varlenas, which may be NULL. */
extern void		   parallel_put(StringInfo into, const void *bytes, int length);
extern void		   parallel_put_value(StringInfo into, const void *value);
extern const void *parallel_get(StringInfo from, int length);
extern void		  *parallel_get_value(StringInfo from);

#endif /* PAGEVIEWS_PARALLEL_H */
