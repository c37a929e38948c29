/*
 * failing.c
 *	  Preloaded into a listener: an allocator that fails when it is told to.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "failing.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *malloc(size_t size);
extern void *calloc(size_t count, size_t size);
extern void *realloc(void *old, size_t size);

static Failing *orders;

static void __attribute__((constructor)) take_orders(void)
{
	void *memory =
		mmap(NULL, sizeof(Failing), PROT_READ | PROT_WRITE, MAP_SHARED, FAILING_DESCRIPTOR, 0);

	if (memory != MAP_FAILED)
		orders = memory;
}

/* Whether this is one that fails. */
static int
fails(void)
{
	uint64_t number;

	if (orders == NULL)
		return 0;
	number = ++orders->count;
	if (orders->fail_at == 0 || number < orders->fail_at || number > orders->fail_to)
		return 0;
	orders->failed++;
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}
