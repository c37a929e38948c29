/*
 * board.c
 *	  The open views and the worker's figures in shared memory.
 *
 * Layout: one Board, then one BoardView a slot.  board_lock guards every field
 * of both.  The worker takes it exclusively for the moment of one copy; readers
 * share it while they copy out.  A backend that asks for something leaves it in
 * the mailbox and sets the worker's latch.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "board.h"
#include "settings.h"

#define MAILBOX_SIZE 64

/* Views that a reader copies under one hold of the lock. */
#define READ_AT_ONCE 1024

typedef struct Board
{
	BoardStats stats;
	uint32_t   reach;	   /* no slot from here on is used */
	bool	   look_again; /* keys or extension changed */
	bool	   marked; /* somebody changed views by hand; a hint, set and read without the lock */
	uint32_t   mailbox_first; /* oldest entry that waits */
	uint32_t   mailbox_count;
	Uuid	   mailbox[MAILBOX_SIZE]; /* sessions to be forgotten */
	BoardView  views[FLEXIBLE_ARRAY_MEMBER];
} Board;

static Board  *board = NULL;
static LWLock *board_lock = NULL;

static shmem_request_hook_type previous_shmem_request_hook = NULL;
static shmem_startup_hook_type previous_shmem_startup_hook = NULL;
static object_access_hook_type previous_object_access_hook = NULL;

#define BOARD_TRANCHE "pageviews"

uint32_t
board_capacity(void)
{
	return (uint32_t) setting_max_connections + (uint32_t) setting_queue_size;
}

static Size
board_size(void)
{
	return add_size(offsetof(Board, views), mul_size(board_capacity(), sizeof(BoardView)));
}

static void
board_shmem_request(void)
{
	if (previous_shmem_request_hook)
		previous_shmem_request_hook();

	RequestAddinShmemSpace(board_size());
	RequestNamedLWLockTranche(BOARD_TRANCHE, 1);
}

static void
board_shmem_startup(void)
{
	bool found;

	if (previous_shmem_startup_hook)
		previous_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	board = ShmemInitStruct("pageviews board", board_size(), &found);
	if (!found)
		memset(board, 0, board_size());
	board_lock = &GetNamedLWLockTranche(BOARD_TRANCHE)->lock;
	LWLockRelease(AddinShmemInitLock);
}

/* In every backend: whoever makes or drops an extension tells the worker, whichever it is. */
static void
board_object_access(ObjectAccessType access, Oid class, Oid object, int column, void *argument)
{
	if (previous_object_access_hook)
		previous_object_access_hook(access, class, object, column, argument);

	if (class == ExtensionRelationId && (access == OAT_POST_CREATE || access == OAT_DROP))
		board_wake_worker();
}

void
board_init(void)
{
	previous_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = board_shmem_request;
	previous_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = board_shmem_startup;
	previous_object_access_hook = object_access_hook;
	object_access_hook = board_object_access;
}

bool
board_available(void)
{
	return board != NULL;
}

/* --- the worker ----------------------------------------------------------- */

/* No view is shown; under the lock. */
static void
clear_views(void)
{
	for (uint32_t i = 0; i < board->reach; i++)
		board->views[i].used = false;
	board->reach = 0;
}

/* Undoes board_attach(), unless another worker has taken over already. */
static void
board_detach(int code, Datum argument)
{
	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	if (board->stats.worker_pid == MyProcPid)
	{
		clear_views();
		board->stats.worker_pid = 0;
		board->stats.listeners_ready = 0;
		board->stats.connections = 0;
	}
	LWLockRelease(board_lock);
}

void
board_attach(void)
{
	before_shmem_exit(board_detach, (Datum) 0);

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	memset(&board->stats, 0, sizeof board->stats);
	board->stats.worker_pid = MyProcPid;
	board->stats.worker_started_at = GetCurrentTimestamp();
	clear_views();
	LWLockRelease(board_lock);
}

/* Copies as much of a text as fits, cut at a character; returns the length. */
static size_t
copy_text(char *out, size_t capacity, Text text)
{
	size_t length = text_clip(text.data, text.length, capacity);

	if (length > 0)
		memcpy(out, text.data, length);
	return length;
}

void
board_show(uint32_t slot, const View *view)
{
	const PageDescription *page = &view->texts->page;
	BoardView			  *shown = &board->views[slot];

	Assert(slot < board_capacity());

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	shown->used = true;
	board->reach = Max(board->reach, slot + 1);
	shown->view = view->id;
	shown->session = view->session;
	shown->phase = view->phase;
	shown->state = view->state;
	shown->engagement = view_engagement(view, view->reported_at);
	shown->focused = view->reported.focused;
	shown->reported_at = view->reported_at;
	shown->started_at = uuid_v7_time(&view->id);
	shown->site_length = copy_text(shown->site, sizeof shown->site, page->site);
	shown->path_length = copy_text(shown->path, sizeof shown->path, page->path);
	shown->name_length = copy_text(shown->name, sizeof shown->name, page->name);
	LWLockRelease(board_lock);
}

void
board_hide(uint32_t slot)
{
	Assert(slot < board_capacity());

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	board->views[slot].used = false;
	while (board->reach > 0 && !board->views[board->reach - 1].used)
		board->reach--;
	LWLockRelease(board_lock);
}

void
board_publish(const BoardStats *stats)
{
	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	board->stats = *stats;
	LWLockRelease(board_lock);
}

bool
board_next_forgotten(Uuid *session)
{
	bool found;

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	found = board->mailbox_count > 0;
	if (found)
	{
		*session = board->mailbox[board->mailbox_first];
		board->mailbox_first = (board->mailbox_first + 1) % MAILBOX_SIZE;
		board->mailbox_count--;
	}
	LWLockRelease(board_lock);
	return found;
}

/* --- any backend ----------------------------------------------------------- */

BoardView *
board_read_views(uint32_t *count)
{
	BoardView *copy = palloc(READ_AT_ONCE * sizeof(BoardView));
	uint32_t   room = READ_AT_ONCE;
	uint32_t   used = 0;
	bool	   more = true;

	/* A part at a time, so that the worker never waits long for a reader. */
	for (uint32_t from = 0; more; from += READ_AT_ONCE)
	{
		uint32_t until;

		CHECK_FOR_INTERRUPTS();
		if (room - used < READ_AT_ONCE)
		{
			room = 2 * room;
			copy = repalloc_huge(copy, mul_size(room, sizeof(BoardView)));
		}
		LWLockAcquire(board_lock, LW_SHARED);
		until = Min(from + READ_AT_ONCE, board->reach);
		for (uint32_t i = from; i < until; i++)
		{
			if (board->views[i].used)
				copy[used++] = board->views[i];
		}
		more = until < board->reach;
		LWLockRelease(board_lock);
	}
	*count = used;
	return copy;
}

BoardStats
board_read_stats(void)
{
	BoardStats stats;

	LWLockAcquire(board_lock, LW_SHARED);
	stats = board->stats;
	LWLockRelease(board_lock);
	return stats;
}

/* The worker's entry in the process table, or NULL. */
static PGPROC *
worker_process(void)
{
	int32_t pid = board_read_stats().worker_pid;

	return pid != 0 ? BackendPidGetProc(pid) : NULL;
}

/* Whether this transaction wants the worker to look again when it has committed. */
static bool wake_at_commit = false;

static void
wake_after_commit(XactEvent event, void *argument)
{
	PGPROC *worker;

	if (!wake_at_commit || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT))
		return;
	wake_at_commit = false;
	if (event == XACT_EVENT_ABORT)
		return;

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	board->look_again = true;
	LWLockRelease(board_lock);
	if ((worker = worker_process()) != NULL)
		SetLatch(&worker->procLatch);
}

void
board_wake_worker(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(wake_after_commit, NULL);
	registered = true;
	wake_at_commit = true;
}

bool
board_look_again(void)
{
	bool asked;

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	asked = board->look_again;
	board->look_again = false;
	LWLockRelease(board_lock);
	return asked;
}

void
board_note_mark(void)
{
	if (board != NULL)
		board->marked = true;
}

bool
board_take_mark(void)
{
	bool marked = board->marked;

	board->marked = false;
	return marked;
}

bool
board_forget_session(const Uuid *session)
{
	PGPROC *worker = worker_process();
	bool	room;

	/* Without a worker nothing is open and nothing waits. */
	if (worker == NULL)
		return true;

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	room = board->mailbox_count < MAILBOX_SIZE;
	if (room)
	{
		board->mailbox[(board->mailbox_first + board->mailbox_count) % MAILBOX_SIZE] = *session;
		board->mailbox_count++;
	}
	LWLockRelease(board_lock);
	SetLatch(&worker->procLatch);
	return room;
}

bool
board_forgotten(void)
{
	bool empty;

	if (worker_process() == NULL)
		return true;
	LWLockAcquire(board_lock, LW_SHARED);
	empty = board->mailbox_count == 0;
	LWLockRelease(board_lock);
	return empty;
}
