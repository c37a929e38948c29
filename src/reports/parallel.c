/*
 * parallel.c
 *	  Parts of a report in parallel workers, see parallel.h.
 *
 * A range is cut into some parts for each process that may read, of about as many
 * bytes each.  Whoever is free takes the next one, so a worker that never comes is
 * missed by nobody, and one that is slower, because the shared memory is new to it,
 * does less.
 */
#include "parallel.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "optimizer/paths.h"
#include "port/atomics.h"
#include "storage/shm_mq.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "sql.h"

#define TIMES_OF_EACH 2 /* parts of a period, of each process */
#define QUEUE_SIZE	  (256 * 1024)

/* What is in the shared memory of a report. */
enum
{
	KEY_PARTS = 1,
	KEY_ARGUMENTS,
	KEY_QUEUES
};

typedef struct Parts
{
	pg_atomic_uint32 next; /* that nobody has taken */
	ParallelCuts	 cuts;
	int				 arguments; /* bytes */
} Parts;

/* --- bytes -------------------------------------------------------------------------- */

void
parallel_put(StringInfo into, const void *bytes, int length)
{
	appendBinaryStringInfo(into, bytes, length);
}

const void *
parallel_get(StringInfo from, int length)
{
	const char *bytes = from->data + from->cursor;

	if (length < 0 || length > from->len - from->cursor)
		elog(ERROR, "a part of a report is shorter than it says");
	from->cursor += length;
	return bytes;
}

void
parallel_put_value(StringInfo into, const void *value)
{
	int32 length = value == NULL ? -1 : (int32) VARSIZE_ANY_EXHDR(value);

	parallel_put(into, &length, sizeof length);
	if (value != NULL)
		parallel_put(into, VARDATA_ANY(value), length);
}

void *
parallel_get_value(StringInfo from)
{
	int32			length;
	struct varlena *value;

	memcpy(&length, parallel_get(from, sizeof length), sizeof length);
	if (length < 0)
		return NULL;
	value = palloc(VARHDRSZ + length);
	SET_VARSIZE(value, VARHDRSZ + length);
	memcpy(VARDATA(value), parallel_get(from, length), length);
	return value;
}

/* --- parts -------------------------------------------------------------------------- */

/* How many processes may read, this one among them. */
static int
processes(void)
{
	/* One of a parallel query's does not have its own. */
	if (IsInParallelMode() || IsParallelWorker())
		return 1;
	return 1 + Min(max_parallel_workers_per_gather, PARALLEL_PARTS - 1);
}

uint32
parallel_parts(int64 bytes, int of_each)
{
	int readers = processes();

	if (readers == 1 || bytes / BLCKSZ < min_parallel_table_scan_size)
		return 1;
	return (uint32) Min(readers * of_each, PARALLEL_PARTS);
}

void
parallel_cut_period(TimestampTz since, TimestampTz until, const text *site, ParallelCuts *cuts)
{
	static const char days[] =
		"SELECT date_trunc('day', p.day, 'UTC') AS midnight, sum(pg_column_size(p.pack))::bigint"
		" FROM pageviews.packed_views AS p"
		" WHERE p.day >= date_trunc('day', $1, 'UTC') AND p.day < $2"
		" AND ($3 IS NULL OR p.site = $3) GROUP BY midnight ORDER BY midnight";
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID};
	const Datum values[] = {TimestampTzGetDatum(since), TimestampTzGetDatum(until),
							PointerGetDatum(site)};
	const char	nulls[] = {' ', ' ', site == NULL ? 'n' : ' '};
	int64		bytes = 0;
	int64		read = 0;
	uint32		parts;
	uint64		found;
	bool		null;

	*cuts = (ParallelCuts){1, {since, until}};
	if (processes() == 1)
		return;
	SPI_connect();
	found = sql_select(days, lengthof(types), types, values, nulls);
	for (uint64 i = 0; i < found; i++)
		bytes += DatumGetInt64(sql_value(i, 2, &null));
	parts = parallel_parts(bytes, TIMES_OF_EACH);
	for (uint64 i = 0; i < found && cuts->count < parts; i++)
	{
		TimestampTz day = DatumGetTimestampTz(sql_value(i, 1, &null));

		if (day > cuts->at[cuts->count - 1] && read >= bytes / parts * cuts->count)
			cuts->at[cuts->count++] = day;
		read += DatumGetInt64(sql_value(i, 2, &null));
	}
	cuts->at[cuts->count] = until;
	SPI_finish();
}

/* Does parts until all are taken. */
static void
do_parts(Parts *parts, DoPart part, void *context)
{
	for (;;)
	{
		uint32 next = pg_atomic_fetch_add_u32(&parts->next, 1);

		if (next >= parts->cuts.count)
			return;
		part(context, parts->cuts.at[next], parts->cuts.at[next + 1]);
	}
}

/* --- the report's process -------------------------------------------------------------- */

static shm_mq *
queue_of(char *queues, int worker)
{
	return (shm_mq *) (queues + (Size) worker * QUEUE_SIZE);
}

/* Lays the shared memory out. */
static Parts *
lay_out(ParallelContext *workers, const Parts *parts, StringInfo arguments)
{
	Parts *shared;
	char  *queues;

	shm_toc_estimate_chunk(&workers->estimator, sizeof *parts);
	shm_toc_estimate_chunk(&workers->estimator, arguments->len);
	shm_toc_estimate_chunk(&workers->estimator, (Size) workers->nworkers * QUEUE_SIZE);
	shm_toc_estimate_keys(&workers->estimator, 3);
	InitializeParallelDSM(workers);

	shared = shm_toc_allocate(workers->toc, sizeof *shared);
	*shared = *parts;
	pg_atomic_init_u32(&shared->next, 0);
	shm_toc_insert(workers->toc, KEY_PARTS, shared);
	shm_toc_insert(
		workers->toc, KEY_ARGUMENTS,
		memcpy(shm_toc_allocate(workers->toc, arguments->len), arguments->data, arguments->len));
	queues = shm_toc_allocate(workers->toc, (Size) workers->nworkers * QUEUE_SIZE);
	for (int i = 0; i < workers->nworkers; i++)
		shm_mq_set_receiver(shm_mq_create(queue_of(queues, i), QUEUE_SIZE), MyProc);
	shm_toc_insert(workers->toc, KEY_QUEUES, queues);
	return shared;
}

/* Takes what a worker sends; one that never came, or has nothing, sends nothing. */
static void
take_results(ParallelContext *workers, int worker, const ParallelReport *report)
{
	char		  *queues = shm_toc_lookup(workers->toc, KEY_QUEUES, false);
	shm_mq_handle *queue =
		shm_mq_attach(queue_of(queues, worker), workers->seg, workers->worker[worker].bgwhandle);
	StringInfoData result = {0};
	Size		   length;
	void		  *bytes;

	if (shm_mq_receive(queue, &length, &bytes, false) == SHM_MQ_SUCCESS)
	{
		result.data = bytes;
		result.len = (int) length;
		report->take(report->context, &result);
	}
	shm_mq_detach(queue);
}

bool
parallel_do(const ParallelCuts *cuts, const ParallelReport *report)
{
	Parts			 parts = {.cuts = *cuts, .arguments = report->arguments->len};
	int				 others = Min(processes(), (int) cuts->count) - 1;
	ParallelContext *workers;
	Parts			*shared;

	if (cuts->count == 1)
		return false;
	EnterParallelMode();
	workers = CreateParallelContext("pageviews", report->worker, others);
	shared = lay_out(workers, &parts, report->arguments);
	elog(DEBUG1, "pageviews: a report is read in %u parts, by this process and at most %d workers",
		 cuts->count, workers->nworkers);
	LaunchParallelWorkers(workers);
	do_parts(shared, report->part, report->context);
	for (int i = 0; i < workers->nworkers_launched; i++)
		take_results(workers, i, report);
	WaitForParallelWorkersToFinish(workers);
	DestroyParallelContext(workers);
	ExitParallelMode();
	return true;
}

/* --- a worker -------------------------------------------------------------------------- */

void
parallel_work(dsm_segment *segment, shm_toc *toc, const ParallelWork *work)
{
	Parts		  *parts = shm_toc_lookup(toc, KEY_PARTS, false);
	StringInfoData arguments = {.data = shm_toc_lookup(toc, KEY_ARGUMENTS, false),
								.len = parts->arguments};
	shm_mq		  *queue = queue_of(shm_toc_lookup(toc, KEY_QUEUES, false), ParallelWorkerNumber);
	StringInfoData result;
	shm_mq_handle *handle;
	void		  *context;

	shm_mq_set_sender(queue, MyProc);
	handle = shm_mq_attach(queue, segment, NULL);
	initStringInfo(&result);
	/* Who comes late has nothing to begin with. */
	if (pg_atomic_read_u32(&parts->next) >= parts->cuts.count)
	{
		shm_mq_detach(handle);
		return;
	}
	SPI_connect();
	context = work->begin(&arguments);
	do_parts(parts, work->part, context);
	work->write(context, &result);
	SPI_finish();
	/* Nobody takes it any more where the report has failed. */
	(void) shm_mq_send(handle, result.len, result.data, false, true);
	shm_mq_detach(handle);
}
