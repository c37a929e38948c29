/*
 * scratch.c
 *	  One block of memory, used from its beginning to its end.
 *
 * Built with the address sanitizer, what was not taken, or was given back, cannot be touched.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "scratch.h"

#include <stdalign.h>

#if defined(__has_feature) && !defined(__SANITIZE_ADDRESS__)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(piece, size)	 ((void) 0)
#define ASAN_UNPOISON_MEMORY_REGION(piece, size) ((void) 0)
#endif

static alignas(max_align_t) char block[SCRATCH_SIZE];
static size_t used = 0;

void *
scratch_allocate(size_t size)
{
	size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	void  *piece = block + used;

	if (size > SCRATCH_SIZE - used || rounded > SCRATCH_SIZE - used)
		return NULL;
	used += rounded;
	ASAN_UNPOISON_MEMORY_REGION(piece, size);
	return piece;
}

void
scratch_free(void *piece)
{
	(void) piece;
}

void
scratch_reset(void)
{
	used = 0;
	ASAN_POISON_MEMORY_REGION(block, sizeof block);
}
