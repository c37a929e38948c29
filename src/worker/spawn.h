/*
 * spawn.h
 *	  Starting a listener: fork, give up everything, exec.
 */
#ifndef PAGEVIEWS_SPAWN_H
#define PAGEVIEWS_SPAWN_H

#include "postgres.h"

/*
 * Starts the installed pageviews_listener with the listening sockets and one
 * end of a new channel as its only descriptors, and as much memory as so many
 * connections may take.  Returns its pid and sets
 * *channel to our end (non-blocking, close-on-exec); -1 with errno set.
 */
extern pid_t spawn_listener(const int *sockets, int count, uint32 connections, int *channel);

/*
 * Takes the status of a child that is dead or about to die, waiting for at most
 * `patience` microseconds; false if it is still there (try again later).
 */
extern bool spawn_reap(pid_t child, int64 patience, int *status);

/*
 * Deaths are noticed by a SIGCHLD handler, from spawn_watch() on, also while this
 * process waits for the database.  spawn_death() is when the first child died since
 * spawn_deaths_seen(); `now` (monotonic, as it is) when none did, or not before.
 */
extern void	 spawn_watch(void);
extern bool	 spawn_child_died(void); /* since the last call */
extern int64 spawn_death(int64 now);
extern void	 spawn_deaths_seen(void);

/* Where the program is installed. */
extern const char *spawn_program(void);

#endif /* PAGEVIEWS_SPAWN_H */
