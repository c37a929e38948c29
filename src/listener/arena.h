/*
 * arena.h
 *	  A fixed buffer in which one message's cleaned texts are laid end to end.
 *
 * Reset before each message.  The limits of message.h add up to less than its
 * size, so a text that was cut to its limit always fits.
 */
#ifndef PAGEVIEWS_ARENA_H
#define PAGEVIEWS_ARENA_H

#include <stddef.h>

#include "../common/text.h"

#define ARENA_SIZE (20 * 1024)

typedef struct Arena
{
	size_t used;
	char   data[ARENA_SIZE];
} Arena;

/* Room for at most `length` bytes; NULL when there is not so much. */
static inline char *
arena_room(Arena *arena, size_t length)
{
	return sizeof arena->data - arena->used < length ? NULL : arena->data + arena->used;
}

/* Keeps the first `length` bytes of what arena_room() gave. */
static inline Text
arena_keep(Arena *arena, size_t length)
{
	Text text = {arena->data + arena->used, (uint16_t) length};

	arena->used += length;
	return text;
}

/* A cleaned copy (text.h), cut at `limit` bytes; empty when `data` is not valid UTF-8. */
static inline Text
arena_clean(Arena *arena, const char *data, size_t length, size_t limit)
{
	char *room = arena_room(arena, limit);

	if (room == NULL)
		return (Text){NULL, 0};
	return arena_keep(arena, text_clean(data, length, room, limit));
}

#endif /* PAGEVIEWS_ARENA_H */
