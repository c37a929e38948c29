/*
 * sequences.h
 *	  Plays many random sequences, each from a seed of its own, and says which fails.
 *
 *	  program [seed [sequences [operations]]]
 *
 * Without arguments the seed comes from the clock, and is printed.  A seed alone
 * plays that one sequence, aloud.  A crash names its sequence too.
 */
#ifndef PAGEVIEWS_TEST_SEQUENCES_H
#define PAGEVIEWS_TEST_SEQUENCES_H

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "chance.h"
#include "unit.h"

static struct
{
	uint64_t		  first; /* seed */
	uint64_t		  count;
	uint64_t		  operations; /* played so far */
	volatile uint64_t now;		  /* seed of the sequence that is being played */
	int				  length;	  /* operations of each; 0: as the seed says */
	bool			  loud;
	const char		 *program;
} sequences;

#define TELL(...) ((void) (sequences.loud && printf(__VA_ARGS__)))

/* What is drawn from now on depends on the seed and this place in the sequence alone. */
static inline void
draw_for(uint64_t seed, int place)
{
	random_state =
		seed * UINT64_C(0xd1342543de82ef95) + (uint64_t) (place + 1) * UINT64_C(0xaf251af3b0f025b5);
	random_state ^= draw();
}

static inline void
sequences_crashed(void)
{
	char text[200];
	int	 length = snprintf(text, sizeof text, "crashed (replay: %s %llu 1 %d)\n", sequences.program,
						   (unsigned long long) sequences.now, sequences.length);

	if (write(STDOUT_FILENO, text, (size_t) length) < 0)
		_exit(1);
}

static inline void
sequences_signal(int number)
{
	sequences_crashed();
	signal(number, SIG_DFL);
	raise(number);
}

/* Of the sanitizers, where they are: called before they end the program. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static inline void
sequences_start(int argc, char **argv, uint64_t count, int length_limit)
{
	unit_start(1, argv);
	sequences.program = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
	sequences.first = (uint64_t) time(NULL) * 1000003;
	sequences.count = count;
	if (argc > 1)
	{
		sequences.first = strtoull(argv[1], NULL, 10);
		sequences.count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
		if (argc > 3)
			sequences.length = atoi(argv[3]);
		if (sequences.length > length_limit)
			sequences.length = length_limit;
		sequences.loud = argc == 2;
	}
	if (__sanitizer_set_death_callback != NULL)
		__sanitizer_set_death_callback(sequences_crashed);
	else
	{
		signal(SIGSEGV, sequences_signal);
		signal(SIGBUS, sequences_signal);
		signal(SIGABRT, sequences_signal);
	}
}

/* Plays them all, or up to the first for which `play` is false: then that is sequences.now. */
static inline bool
sequences_hold(bool (*play)(uint64_t seed))
{
	struct timespec begin;
	struct timespec end;
	double			seconds;

	printf("seed %llu, %llu sequences\n", (unsigned long long) sequences.first,
		   (unsigned long long) sequences.count);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (uint64_t i = 0; i < sequences.count; i++)
	{
		sequences.now = sequences.first + i;
		if (!play(sequences.now))
			return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double) (end.tv_sec - begin.tv_sec) + (double) (end.tv_nsec - begin.tv_nsec) / 1e9;
	printf("%llu operations in %.1f s, %.0f a second\n", (unsigned long long) sequences.operations,
		   seconds, (double) sequences.operations / seconds);
	return true;
}

#endif /* PAGEVIEWS_TEST_SEQUENCES_H */
