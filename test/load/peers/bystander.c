/*
 * bystander.c
 *	  Takes a given share of a core and does nothing with it: what a server's
 *	  neighbours are held against.
 *
 *	bystander SHARE SECONDS
 *
 * Works in a thousand short bursts a second, as a server with a thousand visitors
 * a second does.  A burst is measured by the processor time that was really
 * taken, and what was missed is caught up with.  Prints the share that it got.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BURSTS_PER_SECOND 1000

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	double share = argc == 3 ? atof(argv[1]) : 0;
	double length = argc == 3 ? atof(argv[2]) : 0;
	double started = seconds(CLOCK_MONOTONIC);

	if (share <= 0 || share > 1 || length <= 0)
	{
		fprintf(stderr, "usage: bystander SHARE SECONDS\n");
		return 2;
	}
	for (double since = 0; since < length; since = seconds(CLOCK_MONOTONIC) - started)
	{
		struct timespec pause = {.tv_nsec = 1000000000 / BURSTS_PER_SECOND};

		while (seconds(CLOCK_PROCESS_CPUTIME_ID) < share * since)
			;
		nanosleep(&pause, NULL);
	}
	printf("%.4f\n", seconds(CLOCK_PROCESS_CPUTIME_ID) / (seconds(CLOCK_MONOTONIC) - started));
	return 0;
}
