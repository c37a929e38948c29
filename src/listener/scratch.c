/*
 * scratch.c
 *	  One block of memory, used from its beginning to its end.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "scratch.h"

#include <stdalign.h>

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
}
