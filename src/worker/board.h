/*
 * board.h
 *	  The open views and the worker's figures in shared memory, for any backend.
 *
 * One LWLock guards all of it.  The worker alone writes; readers copy under a
 * shared lock, so that the counts are one snapshot (the views, a thousand at a time).  Only plain values: no
 * pointer, no descriptor.  After a crash restart it is new and empty; after the
 * worker's own restart the worker clears what its predecessor left.
 */
#ifndef PAGEVIEWS_BOARD_H
#define PAGEVIEWS_BOARD_H

#include "postgres.h"

#include "registry.h"

#define BOARD_PATH_LIMIT 256 /* longer paths are cut on the board, never in the table */
#define BOARD_NAME_LIMIT NAME_LIMIT

typedef struct BoardView
{
	bool	   used;
	Uuid	   view;
	Uuid	   session;
	ViewPhase  phase;
	PageState  state;
	int32_t	   engagement;	/* ms at `reported_at`, with credit */
	int32_t	   focused;		/* ms at `reported_at` */
	Micros	   reported_at; /* CLOCK_MONOTONIC, the same in every process */
	WallMillis started_at;
	uint8_t	   site_length;
	uint16_t   path_length;
	uint8_t	   name_length;
	char	   site[SITE_LIMIT]; /* whole: who may see the view depends on it */
	char	   path[BOARD_PATH_LIMIT];
	char	   name[BOARD_NAME_LIMIT];
} BoardView;

/* The worker's own figures; everything that pageviews.worker_stats shows. */
typedef struct BoardStats
{
	int32_t		   worker_pid;		  /* 0: not running */
	int64_t		   worker_started_at; /* TimestampTz */
	int32_t		   listeners_wanted;
	int32_t		   listeners_ready;
	bool		   listeners_sandboxed;
	int64_t		   listener_restarts;
	uint32_t	   connections; /* open now, all listeners */
	uint64_t	   listener_counters[LISTENER_COUNTER_COUNT];
	RegistryCounts counts;
	uint32_t	   queue_length;
	uint32_t	   queue_capacity;
	uint64_t	   batches;	   /* committed */
	uint64_t	   rows;	   /* committed */
	uint64_t	   retries;	   /* batches that failed and were tried again */
	int64_t		   flush_last; /* us, of the last committed batch: oldest row's wait and commit */
	int64_t		   flush_max;  /* us */
	int64_t		   last_flush_at; /* TimestampTz, 0 never */
	bool		   extension_present;
	bool		   busy; /* newcomers are turned away */
} BoardStats;

/* Requests shared memory and listens for extensions; called from _PG_init, installs the hooks. */
extern void board_init(void);

/* Whether shared memory is there, i.e. the library was preloaded. */
extern bool board_available(void);

/* How many views may be open at once: the board's slots. */
extern uint32_t board_capacity(void);

/* --- the worker ---------------------------------------------------------- */

extern void board_attach(void); /* claims the board, clears it, undoes both at exit */
extern void board_show(uint32_t slot, const View *view);
extern void board_hide(uint32_t slot);
extern void board_publish(const BoardStats *stats);

/* Whether board_wake_worker() was called since the last time. */
extern bool board_look_again(void);

/* --- any backend ---------------------------------------------------------- */

/* A palloc'd copy of the views in use, and how many; and of the figures. */
extern BoardView *board_read_views(uint32_t *count);
extern BoardStats board_read_stats(void);

/*
 * Asks the worker to look at the cookie keys and the extension again, once the
 * current transaction has committed.
 */
extern void board_wake_worker(void);

/*
 * Says that views were changed by somebody else than the worker, so that the
 * roll-ups have work.  board_take_mark() is the worker's end.
 */
extern void board_note_mark(void);
extern bool board_take_mark(void);

/*
 * Leaves a session for the worker to forget and wakes it now; false when its
 * mailbox is full (try again).  board_next_forgotten() is the worker's end;
 * board_forgotten() says whether it has taken everything out.
 */
extern bool board_forget_session(const Uuid *session);
extern bool board_next_forgotten(Uuid *session);
extern bool board_forgotten(void);

#endif /* PAGEVIEWS_BOARD_H */
