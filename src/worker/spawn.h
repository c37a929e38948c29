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

/* Where the program is installed. */
extern const char *spawn_program(void);

#endif /* PAGEVIEWS_SPAWN_H */
