/*
 * bystander.c
 *	  Takes a given share of a core and does nothing with it: what a server's
 *	  neighbours are held against.
 *
 *	bystander SHARE SECONDS
 *
 * Works in a thousand short bursts a second, as a server with a thousand visitors
 * a second does, and as three processes, as listener, worker and visitors are: one
 * alone could not get, on a busy machine, what three are given.  A burst is measured
 * by the processor time that was really taken, and what was missed is caught up
 * with.  Prints the share that they got.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BURSTS_PER_SECOND 1000
#define PROCESSES		  3

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
work(double share, double length, double started)
{
	for (double since = 0; since < length; since = seconds(CLOCK_MONOTONIC) - started)
	{
		struct timespec pause = {.tv_nsec = 1000000000 / BURSTS_PER_SECOND};

		while (seconds(CLOCK_PROCESS_CPUTIME_ID) < share * since)
			;
		nanosleep(&pause, NULL);
	}
}

int
main(int argc, char **argv)
{
	double		  share = argc == 3 ? atof(argv[1]) : 0;
	double		  length = argc == 3 ? atof(argv[2]) : 0;
	double		  started = seconds(CLOCK_MONOTONIC);
	struct rusage taken;

	if (share <= 0 || share > PROCESSES || length <= 0)
	{
		fprintf(stderr, "usage: bystander SHARE SECONDS\n");
		return 2;
	}
	for (int i = 0; i < PROCESSES; i++)
	{
		pid_t pid = fork();

		if (pid < 0)
		{
			perror("fork");
			return 1;
		}
		if (pid == 0)
		{
			work(share / PROCESSES, length, started);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	getrusage(RUSAGE_CHILDREN, &taken);
	printf("%.4f\n", ((double) (taken.ru_utime.tv_sec + taken.ru_stime.tv_sec) +
					  (double) (taken.ru_utime.tv_usec + taken.ru_stime.tv_usec) / 1e6) /
						 (seconds(CLOCK_MONOTONIC) - started));
	return 0;
}
