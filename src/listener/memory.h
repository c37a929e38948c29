/*
 * memory.h
 *	  Memory for libraries that cannot do without.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_MEMORY_H
#define PAGEVIEWS_MEMORY_H

#include <stddef.h>

/*
 * libwebsockets' allocator, as lws_set_allocator() wants it.  Until memory_started()
 * it ends the process when it has nothing left; afterwards it returns NULL, and the
 * library refuses whoever needed it.
 */
extern void *memory_for_server(void *old, size_t size, const char *reason);

extern void memory_started(void);

#endif /* PAGEVIEWS_MEMORY_H */
