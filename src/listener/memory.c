/*
 * memory.c
 *	  Memory for libraries that cannot do without.
 *
 * libuv aborts when it has no memory to watch one descriptor more; libwebsockets,
 * while it makes its context, goes on with what it did not get.  Either would look
 * like a crash, or leave a listener that serves nobody.  So the process ends, as it
 * does where our own code has no memory to begin with: the worker starts the next.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "memory.h"

#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "main.h"

static bool started;

static void *
or_end(void *memory)
{
	if (memory == NULL)
		_exit(EXIT_NO_MEMORY);
	return memory;
}

static void *
loop_malloc(size_t size)
{
	return or_end(malloc(size));
}

static void *
loop_realloc(void *old, size_t size)
{
	return or_end(realloc(old, size));
}

static void *
loop_calloc(size_t count, size_t size)
{
	return or_end(calloc(count, size));
}

bool
memory_for_loop(void)
{
	return uv_replace_allocator(loop_malloc, loop_realloc, loop_calloc, free) == 0;
}

void *
memory_for_server(void *old, size_t size, const char *reason)
{
	void *memory;

	(void) reason;
	if (size == 0)
	{
		free(old);
		return NULL;
	}
	memory = realloc(old, size);
	return started ? memory : or_end(memory);
}

void
memory_started(void)
{
	started = true;
}
