/*
 * driver.c
 *	  Seeded visitors against a server that is being broken, and their ledger.
 *
 *	driver --port N --ledger FILE --events FILE [options]
 *	  --visitors N	browsers at a time (100)
 *	  --seconds N	how long new views begin (6); then everyone comes back and says
 *					what is left, until all of it is stored
 *	  --patience N	how long that may take (40)
 *	  --backoff MS	the longest pause between two sockets of a browser (1000)
 *	  --seed N		plays the same visitors again
 *	  --via PORT	connects there; the pages are still the other port's
 *	  --skew MS		the visitors' clocks are off by up to so much, each by his own, and
 *					the server's may jump: ids that it refuses for it are made anew
 *	  --mischief N	of a hundred messages so many go twice, late, out of order, or on
 *					another way
 *	  --marked N	of a hundred views so many say SPOIL0 or SPOILF in their titles, and
 *					in the names of what happens there
 *	  --older MS	views have been looked at for up to so long before they are told of
 *
 * SIGUSR1 resets half of the sockets.  The ledger has a line a view: id, true
 * visible ms, last n, acked, stored, ended by its visitor, gone for good, ms
 * from the last report that was acknowledged to the end, code of a final refusal,
 * when it ended and when `stored` came (ms since the epoch, 0: not), and by how
 * many ms the driver itself was late, at most, while the view lasted.
 * The last line of the output is "settled N of N", and the status 0, when
 * nothing is left to be said.
 *
 * In some views things happen (events.c), and their visitor tells of each until he hears
 * that it is stored.  The ledger of events has a line for each view and session by
 * which an event was told, at least one: id, name and properties as JSON, path, view,
 * session, in a note, acked, stored, gone for good, code of a final refusal, when it
 * happened, and when it was stored or its visitor gone (0: neither).
 */
#include "driver.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SWEEP_MS 10

Rules  rules = {.visitors = 100, .backoff_ms = 1000, .skew_ms = -1};
Totals totals;

static volatile sig_atomic_t resets;

static void
on_usr1(int signal)
{
	(void) signal;
	resets = 1;
}

/* Reads the options; false when they make no sense. */
static bool
read_options(int argc, char **argv, const char **path, const char **events, long *seconds,
			 long *patience)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},		{"ledger", required_argument, NULL, 'l'},
		{"events", required_argument, NULL, 'e'},	{"visitors", required_argument, NULL, 'v'},
		{"seconds", required_argument, NULL, 's'},	{"patience", required_argument, NULL, 'w'},
		{"backoff", required_argument, NULL, 'b'},	{"seed", required_argument, NULL, 'r'},
		{"via", required_argument, NULL, 'i'},		{"skew", required_argument, NULL, 'k'},
		{"mischief", required_argument, NULL, 'm'}, {"marked", required_argument, NULL, 'x'},
		{"older", required_argument, NULL, 'o'},	{NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'p':
				rules.port = atol(optarg);
				break;
			case 'l':
				*path = optarg;
				break;
			case 'e':
				*events = optarg;
				break;
			case 'v':
				rules.visitors = atol(optarg);
				break;
			case 's':
				*seconds = atol(optarg);
				break;
			case 'w':
				*patience = atol(optarg);
				break;
			case 'b':
				rules.backoff_ms = atol(optarg);
				break;
			case 'r':
				rules.seed = strtoull(optarg, NULL, 10);
				break;
			case 'i':
				rules.via = atol(optarg);
				break;
			case 'k':
				rules.skew_ms = atol(optarg);
				break;
			case 'm':
				rules.mischief = atol(optarg);
				break;
			case 'x':
				rules.marked = atol(optarg);
				break;
			case 'o':
				rules.older_ms = atol(optarg);
				break;
			default:
				return false;
		}
	}
	if (rules.via == 0)
		rules.via = rules.port;
	return rules.port > 0 && *path && *events && rules.visitors > 0 && rules.backoff_ms > 0 &&
		   optind == argc;
}

/* One turn over everybody; how many have nothing left to say. */
static long
sweep(Visitor *visitors, int64_t now, int64_t late)
{
	long settled = 0;
	bool reset = resets;

	resets = 0;
	for (long i = 0; i < rules.visitors; i++)
	{
		if (reset && visitor_roll(&visitors[i], 2))
			visitor_reset(&visitors[i]);
		visitor_sweep(&visitors[i], now, late);
		settled += visitor_settled(&visitors[i]);
	}
	return settled;
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_usr1};
	const char		*path = NULL, *events = NULL;
	long			 seconds = 6, patience = 40, settled;
	int64_t			 now, last;
	Visitor			*visitors;

	if (getrandom(&rules.seed, sizeof rules.seed / 2, 0) < 0 ||
		!read_options(argc, argv, &path, &events, &seconds, &patience))
	{
		fprintf(stderr, "usage: see the top of driver.c\n");
		return 2;
	}
	visitors = calloc((size_t) rules.visitors, sizeof *visitors);
	if (visitors == NULL || !wire_init() || sigaction(SIGUSR1, &action, NULL) < 0)
	{
		perror("driver");
		return 2;
	}
	printf("seed %" PRIu64 "\n", rules.seed);
	fflush(stdout);
	last = now_us();
	rules.until = last + seconds * 1000000;
	for (long i = 0; i < rules.visitors; i++)
		visitor_init(&visitors[i], (int) i);
	do
	{
		wire_wait(SWEEP_MS);
		now = now_us();
		rules.settling = now >= rules.until;
		settled = sweep(visitors, now, now - last - SWEEP_MS * 1000);
		last = now;
	} while (!rules.settling ||
			 (settled < rules.visitors && now < rules.until + patience * 1000000));
	if (!ledger_write(path, now_us()) || !events_write(events))
	{
		perror("ledger");
		return 2;
	}
	printf(
		"views %ld events %ld sockets %ld deaths %ld watchdogs %ld notes %ld refused %ld errors %ld "
		"repeats %ld pages %ld renamed %ld\n",
		totals.views, totals.events, totals.sockets, totals.deaths, totals.watchdogs, totals.notes,
		totals.refused, totals.errors, totals.repeats, totals.pages, totals.renamed);
	printf("settled %ld of %ld\n", settled, rules.visitors);
	return settled == rules.visitors ? 0 : 1;
}
