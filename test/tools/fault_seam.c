/*
 * fault_seam.c
 *	  Between a process and its machine: a library that is loaded before all others.
 *
 * What it does stands in the file SWITCH_FILE, two native 64-bit integers that are
 * looked at on every call, so that they take effect at once in every process:
 *
 *	1. microseconds by which the wall clock is ahead (behind, if negative);
 *	   the monotonic clock goes on as it is
 *	2. if not 0, the listener lies: where its events to the worker contain one of two
 *	   marks, NUL bytes and bytes that are not UTF-8 take the place of it
 *
 * The path is built in, because the listener has no environment.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Where the listener has its channel to the worker. */
#define CHANNEL_DESCRIPTOR 3

#define MARK_LENGTH 6

static volatile const int64_t *switches;

__attribute__((constructor)) static void
seam_init(void)
{
	int	  fd = open(SWITCH_FILE, O_RDONLY | O_CLOEXEC);
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		abort();
	close(fd);
	switches = map;
}

int
clock_gettime(clockid_t which, struct timespec *at)
{
	int status = (int) syscall(SYS_clock_gettime, which, at);

	if (status == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
	{
		int64_t us = at->tv_nsec / 1000 + switches[0] % 1000000;

		at->tv_sec += switches[0] / 1000000 + (us >= 1000000) - (us < 0);
		at->tv_nsec = (us + (us < 0) * 1000000) % 1000000 * 1000 + at->tv_nsec % 1000;
	}
	return status;
}

int
gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	struct timespec now;

	(void) zone;
	clock_gettime(CLOCK_REALTIME, &now);
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *at)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}

/* Puts bytes that no text may have in the place of a mark. */
static void
spoil(char *bytes, size_t length, const char *mark, const char *instead)
{
	char *end = bytes + length;

	while ((bytes = memmem(bytes, (size_t) (end - bytes), mark, MARK_LENGTH)) != NULL)
		memcpy(bytes, instead, MARK_LENGTH);
}

ssize_t
send(int fd, const void *bytes, size_t length, int flags)
{
	static char copy[1 << 20];

	if (fd == CHANNEL_DESCRIPTOR && switches[1] && length <= sizeof copy)
	{
		memcpy(copy, bytes, length);
		spoil(copy, length, "SPOIL0", "a\0b\0\0c");
		spoil(copy, length, "SPOILF", "\xff\xfe\xc0\xaf\xed\xa0");
		bytes = copy;
	}
	return (ssize_t) syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}
