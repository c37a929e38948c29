/*
 * scratch.h
 *	  Memory for the JSON of one message: taken piece by piece, given back at once.
 *
 * What a library asks malloc for some forty times a message costs it more than the
 * reading.  Here a piece is the next bytes of one block, and the block is empty again
 * when the message has been judged.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_SCRATCH_H
#define PAGEVIEWS_SCRATCH_H

#include <stddef.h>

/*
 * Enough for every text of 4 KiB: the costliest, nested objects of five bytes each,
 * takes Jansson a quarter of it.
 */
#define SCRATCH_SIZE ((size_t) 1024 * 1024)

/* The next `size` bytes, aligned for anything; NULL when the block is full. */
extern void *scratch_allocate(size_t size);

/* Nothing: pieces are given back together. */
extern void scratch_free(void *piece);

/* Gives all pieces back; nobody may hold one. */
extern void scratch_reset(void);

#endif /* PAGEVIEWS_SCRATCH_H */
