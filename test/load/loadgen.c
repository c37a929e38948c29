/*
 * loadgen.c
 *	  Many visitors at once, for the tests that a script is too slow for.
 *
 * Each visitor shakes hands, announces a view, keeps it open for a while with
 * heartbeats in between, ends it, waits until it is stored, and begins the next
 * one on a fresh socket, until the run has had its number of views.  One thread,
 * epoll, no library: what it measures is the server.
 *
 *	loadgen --port N [options]
 *	  --views N			views in all (1000)
 *	  --visitors N		sockets at a time (100)
 *	  --hold MS			from the ack to the end (0)
 *	  --every MS		heartbeats in between (0: none)
 *	  --end HOW			said: `end` and wait for `stored` (the default);
 *						frame, fin or rst: the socket just closes so
 *	  --stage			open a view on every socket, say "open", and wait for a
 *						line on stdin before anything ends
 *	  --resume			a visitor whose socket dies comes back with its view
 *	  --addresses N		spread over 127.0.0.1 .. 127.0.0.N (1)
 *
 * Closes with one line of JSON.  `visible_ms` is the sum of what the `end`
 * messages said; `outage_ms` the longest that a visitor was without a socket
 * after his had died.  Status 1 when a view went wrong.
 */
#include "visitor.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define SWEEP_MS 5 /* how often what is due is looked for */

static int		poller;
static Visitor *visitors;

static int
compare_latency(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a;
	uint32_t y = *(const uint32_t *) b;

	return x < y ? -1 : x > y;
}

/* The p-th part of sorted latencies, in ms. */
static double
latency_at(const Latencies *l, double p)
{
	return l->count ? l->values[(size_t) (p * (double) (l->count - 1))] / 1000.0 : 0;
}

/* Answers pings and reads what comes, for at most `ms`. */
static void
turn(int ms)
{
	static struct epoll_event events[512];
	int						  count = epoll_wait(poller, events, 512, ms);

	for (int i = 0; i < count; i++)
		if (((Visitor *) events[i].data.ptr)->socket >= 0)
			visitor_ready(events[i].data.ptr, events[i].events);
}

/* Sweeps; how many visitors are busy, and whether all of those have a view open. */
static int
sweep_all(bool *all_open)
{
	int64_t now = now_us();
	int		busy = 0;

	*all_open = true;
	for (int i = 0; i < rules.visitors; i++)
	{
		visitor_sweep(&visitors[i], now);
		busy += visitors[i].step != STEP_IDLE;
		if (visitors[i].step != STEP_OPEN && visitors[i].step != STEP_IDLE)
			*all_open = false;
	}
	return busy;
}

/* Whether somebody said something on stdin, or closed it. */
static bool
a_line_waits(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}

static void
run(void)
{
	bool all_open = false;
	bool told = false;

	for (;;)
	{
		int64_t until = now_us() + SWEEP_MS * 1000;

		if (sweep_all(&all_open) == 0 && totals.begun >= rules.views)
			return;
		if (rules.staged && !told && all_open && totals.begun >= rules.views)
		{
			told = true;
			printf("open\n");
			fflush(stdout);
		}
		do
			turn(SWEEP_MS);
		while (now_us() < until);
		if (told && rules.staged && a_line_waits())
			rules.staged = false;
	}
}

static void
report(double seconds)
{
	qsort(totals.ack_times.values, totals.ack_times.count, sizeof(uint32_t), compare_latency);
	qsort(totals.stored_times.values, totals.stored_times.count, sizeof(uint32_t), compare_latency);
	printf(
		"{\"views\":%ld,\"acked\":%ld,\"stored\":%ld,\"closed\":%ld,\"refused\":%ld,"
		"\"deaths\":%ld,\"failures\":%ld,\"handshakes\":%ld,\"visible_ms\":%lld,"
		"\"outage_ms\":%.1f,\"seconds\":%.3f,\"views_per_second\":%.0f,"
		"\"ack_p50_ms\":%.3f,\"ack_p99_ms\":%.3f,\"stored_p50_ms\":%.3f,\"stored_p99_ms\":%.3f}\n",
		totals.begun, totals.acked, totals.stored, totals.closed, totals.refused, totals.deaths,
		totals.failures, totals.handshakes, (long long) totals.visible_total,
		(double) totals.outage / 1000.0, seconds, (double) totals.begun / seconds,
		latency_at(&totals.ack_times, .5), latency_at(&totals.ack_times, .99),
		latency_at(&totals.stored_times, .5), latency_at(&totals.stored_times, .99));
}

static void
usage(void)
{
	fprintf(stderr, "usage: loadgen --port N [options], see the top of loadgen.c\n");
	exit(2);
}

static void
read_options(int argc, char **argv)
{
	static const struct
	{
		const char *name;
		long	   *value;
	} numbers[] = {{"--port", &rules.port},			{"--views", &rules.views},
				   {"--visitors", &rules.visitors}, {"--hold", &rules.hold_ms},
				   {"--every", &rules.every_ms},	{"--addresses", &rules.addresses}};
	static const char *const ends[] = {"said", "frame", "fin", "rst"};

	for (int i = 1; i < argc; i++)
	{
		bool known = false;

		if (strcmp(argv[i], "--stage") == 0)
			known = rules.staged = true;
		else if (strcmp(argv[i], "--resume") == 0)
			known = rules.resumes = true;
		else if (strcmp(argv[i], "--end") == 0 && ++i < argc)
		{
			for (int e = END_SAID; e <= END_RST; e++)
				if (strcmp(argv[i], ends[e]) == 0)
				{
					rules.how = (HowToEnd) e;
					known = true;
				}
		}
		else
			for (size_t n = 0; !known && n < sizeof numbers / sizeof *numbers; n++)
				if (strcmp(argv[i], numbers[n].name) == 0 && ++i < argc)
				{
					*numbers[n].value = atol(argv[i]);
					known = true;
				}
		if (!known)
			usage();
	}
	if (rules.port <= 0 || rules.visitors <= 0 || rules.addresses < 1 || rules.addresses > 250)
		usage();
}

int
main(int argc, char **argv)
{
	struct rlimit limit;
	int64_t		  started;

	read_options(argc, argv);
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < (rlim_t) rules.visitors + 64)
	{
		limit.rlim_cur = (rlim_t) rules.visitors + 64;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		{
			perror("setrlimit");
			return 2;
		}
	}
	poller = epoll_create1(EPOLL_CLOEXEC);
	visitors = calloc((size_t) rules.visitors, sizeof *visitors);
	if (poller < 0 || visitors == NULL || !visitors_init(poller))
		return 2;
	for (int i = 0; i < rules.visitors; i++)
	{
		visitors[i].socket = -1;
		visitors[i].number = i;
	}
	started = now_us();
	run();
	report((double) (now_us() - started) / 1e6);
	return totals.failures || totals.refused ? 1 : 0;
}
