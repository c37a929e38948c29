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
 *	  --turn US			from one look at the sockets to the next at least (0), for a
 *						generator that shares its core with what is measured
 *	  --every MS		heartbeats in between (0: none)
 *	  --end HOW			said: `end` and wait for `stored` (the default);
 *						close: `end`, and the socket closes at once, as a page's does;
 *						frame, fin or rst: the socket just closes so
 *	  --leftovers P		of a hundred views P are ended once more on the next socket
 *	  --rate N			N views a second are begun, however slow the answers (0: as
 *						fast as they come)
 *	  --pings N			with --stage: N pings, --rate a second, before it says "open" (--rate is theirs then)
 *	  --mute			sockets without views: the hello is heard, nothing is said; not
 *						with --end said or close
 *	  --echo			the server is no pageviews: what is said comes back, then close
 *	  --log FILE		id and moment (us since the epoch) of each `end` of --end close
 *	  --stage			open a view on every socket, say "open", and wait for a
 *						line on stdin before anything ends
 *	  --resume			a visitor whose socket dies comes back with its view
 *	  --addresses N		each call from the next of 127.0.0.1 .. 127.0.0.N (1)
 *
 * Closes with one line of JSON.  `visible_ms` is the sum of what the `end`
 * messages said; `outage_ms` the longest that a visitor was without a socket
 * after his had died; `cpu_share` the part of a core that this program took: above
 * 0.9 it was the program that was measured, and `saturated` says so.  Status 1 when a
 * view went wrong.
 */
#include "visitor.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define SWEEP_MS	  5	  /* how often what is due is looked for, */
#define SLOW_SWEEP_MS 200 /* and while everybody waits for the word */
#define SATURATED	  0.9 /* of a core */

static int		poller;
static Visitor *visitors;
static long		pings;

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
	static int64_t			  began;
	int64_t					  left = began + rules.turn_us - now_us();
	int						  count;

	if (left > 0)
		nanosleep(&(struct timespec){.tv_nsec = left * 1000}, NULL);
	count = epoll_wait(poller, events, 512, ms);
	began = rules.turn_us > 0 ? now_us() : 0;

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

/* Pings through the open sockets in turn, `rules.rate` a second. */
static void
ping_all(void)
{
	int64_t begun = now_us();

	for (long i = 0; i < pings; i++)
	{
		int64_t	 due = begun + i * 1000000 / rules.rate;
		Visitor *v = &visitors[(size_t) i * 7919 % (size_t) rules.visitors];

		while (now_us() < due || v->pinged != 0)
			turn(1);
		if (v->step == STEP_OPEN && !visitor_ping(v))
			totals.failures++;
	}
	for (int64_t until = now_us() + 10000000;
		 totals.ping_times.count < (size_t) pings && now_us() < until;)
		turn(SWEEP_MS);
}

static void
run(void)
{
	bool all_open = false;
	bool told = false;

	for (;;)
	{
		int64_t sweep = told && rules.staged ? SLOW_SWEEP_MS : SWEEP_MS;
		int64_t until = now_us() + sweep * 1000;
		int		wait = rules.rate > 0 && !told ? 1 : (int) sweep;

		visitors_begin();
		if (sweep_all(&all_open) == 0 && totals.begun >= rules.views)
			return;
		if (rules.staged && !told && all_open && totals.begun >= rules.views)
		{
			told = true;
			if (pings > 0)
				ping_all();
			printf("open\n");
			fflush(stdout);
		}
		do
		{
			turn(wait);
			visitors_begin();
		} while (now_us() < until);
		if (told && rules.staged && a_line_waits())
			rules.staged = false;
	}
}

/* Prints the percentiles of latencies as fields of the report. */
static void
report_latencies(const char *name, Latencies *l)
{
	if (l->count > 1)
		qsort(l->values, l->count, sizeof(uint32_t), compare_latency);
	printf("\"%s_p50_ms\":%.3f,\"%s_p99_ms\":%.3f,", name, latency_at(l, .5), name,
		   latency_at(l, .99));
}

/* Seconds of processor that this program has taken. */
static double
cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		   (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
report(double seconds)
{
	double cpu = cpu_seconds();

	printf("{");
	report_latencies("ack", &totals.ack_times);
	report_latencies("stored", &totals.stored_times);
	report_latencies("visit", &totals.visit_times);
	report_latencies("ping", &totals.ping_times);
	printf("\"pings\":%zu,\"repeated\":%ld,\"answered\":%ld,\"late_ms\":%.3f,\"first_left\":%lld,"
		   "\"last_left\":%lld,\"cpu_seconds\":%.3f,\"cpu_share\":%.3f,\"saturated\":%s,",
		   totals.ping_times.count, totals.repeated, totals.answered, (double) totals.late / 1000.0,
		   (long long) totals.first_left, (long long) totals.last_left, cpu, cpu / seconds,
		   cpu / seconds > SATURATED ? "true" : "false");
	printf("\"views\":%ld,\"acked\":%ld,\"stored\":%ld,\"closed\":%ld,\"refused\":%ld,"
		   "\"deaths\":%ld,\"failures\":%ld,\"handshakes\":%ld,\"visible_ms\":%lld,"
		   "\"outage_ms\":%.1f,\"seconds\":%.3f,\"views_per_second\":%.0f}\n",
		   totals.begun, totals.acked, totals.stored, totals.closed, totals.refused, totals.deaths,
		   totals.failures, totals.handshakes, (long long) totals.visible_total,
		   (double) totals.outage / 1000.0, seconds, (double) totals.begun / seconds);
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
	} numbers[] = {{"--port", &rules.port},			  {"--views", &rules.views},
				   {"--visitors", &rules.visitors},	  {"--hold", &rules.hold_ms},
				   {"--turn", &rules.turn_us},		  {"--every", &rules.every_ms},
				   {"--addresses", &rules.addresses}, {"--rate", &rules.rate},
				   {"--leftovers", &rules.leftovers}, {"--pings", &pings}};
	static const char *const ends[] = {"said", "frame", "fin", "rst", "close"};

	for (int i = 1; i < argc; i++)
	{
		bool known = false;

		if (strcmp(argv[i], "--stage") == 0)
			known = rules.staged = true;
		else if (strcmp(argv[i], "--resume") == 0)
			known = rules.resumes = true;
		else if (strcmp(argv[i], "--mute") == 0)
			known = rules.mute = true;
		else if (strcmp(argv[i], "--echo") == 0)
			known = rules.echo = true;
		else if (strcmp(argv[i], "--log") == 0 && ++i < argc)
			known = (rules.log = fopen(argv[i], "w")) != NULL;
		else if (strcmp(argv[i], "--end") == 0 && ++i < argc)
		{
			for (int e = END_SAID; e <= END_CLOSE; e++)
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
	if (rules.port <= 0 || rules.visitors <= 0 || rules.addresses < 1 || rules.addresses > 250 ||
		(pings > 0 && (rules.rate <= 0 || !rules.staged)) ||
		(rules.echo && rules.how != END_CLOSE) ||
		(rules.mute && (rules.how == END_SAID || rules.how == END_CLOSE)))
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
	visitors = poller < 0 ? NULL : visitors_init(poller);
	if (visitors == NULL)
		return 2;
	started = now_us();
	run();
	if (rules.log != NULL && fclose(rules.log) != 0)
	{
		perror("--log");
		return 2;
	}
	report((double) (now_us() - started) / 1e6);
	return totals.failures || totals.refused ? 1 : 0;
}
