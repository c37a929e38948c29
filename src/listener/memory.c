/*
 * memory.c
 *	  Memory for libraries that cannot do without.
 *
 * libwebsockets, while it makes its context, goes on with what it did not get.  That
 * would look like a crash, or leave a listener that serves nobody.  So the process ends, as it
 * does where our own code has no memory to begin with: the worker starts the next.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "main.h"

static bool started;

static void *
or_end(void *memory)
{
	if (memory == NULL)
		_exit(EXIT_NO_MEMORY);
	return memory;
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
