/*
 * generate.c
 *	  Realistic views and sessions, any number of them, as COPY text on stdout.
 *
 *	generate views|sessions [--views N] [--days N] [--until SECONDS] [--sites N] [--seed N]
 *
 * The past is played hour by hour: each hour has its share of the visits, by the
 * hour of the day, the day of the week and a slow growth; a visit is of a new
 * visitor or of one who was there before, the recent ones rather than the old.
 * What a visitor is follows from his number, so none is kept in memory, and the
 * same seed makes the same rows: "sessions" plays the same past as "views" and
 * writes the visitors as they come.  Rows are in the order of their hours.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "people.h"

#define HOUR 3600000LL
#define DAY	 (24 * HOUR)

/* A visit has this many views, a visitor this many visits, on average. */
#define VIEWS_A_VISIT 2.6
#define NEW_VISITORS  0.55

typedef struct Settings
{
	bool	 sessions; /* write the sessions, else the views */
	int64_t	 views;	   /* about so many */
	int		 days;
	int64_t	 until; /* ms since 1970 */
	int		 sites;
	uint64_t seed;
} Settings;

typedef struct Played
{
	const Settings *settings;
	Random			random;
	int64_t			visitors;
	int64_t			written; /* views, whether they were written or only played */
} Played;

/* --- writing --------------------------------------------------------------------- */

static void
put_uuid(uint64_t high, uint64_t low)
{
	printf("%08x-%04x-%04x-%04x-%012llx", (unsigned) (high >> 32), (unsigned) (high >> 16 & 0xffff),
		   (unsigned) (high & 0xffff), (unsigned) (low >> 48),
		   (unsigned long long) (low & 0xffffffffffffULL));
}

/* Milliseconds since 1970 as COPY takes them, by the days of the civil calendar. */
static void
put_time(int64_t ms)
{
	int64_t z = ms / DAY + 719468;
	int64_t era = z / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int		month = (int) (mp < 10 ? mp + 3 : mp - 9);
	int		rest = (int) (ms % DAY);

	printf("%04d-%02d-%02d %02d:%02d:%02d.%03d+00", (int) (yoe + era * 400 + (month <= 2)), month,
		   (int) (doy - (153 * mp + 2) / 5 + 1), rest / 3600000, rest / 60000 % 60,
		   rest / 1000 % 60, rest % 1000);
}

static void
put_session(const Visitor *visitor, int64_t now)
{
	const Agent *agent = visitor->agent;

	put_uuid(visitor->high, visitor->low);
	putchar('\t');
	put_time(now);
	printf("\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%c\n", agent->width, agent->height,
		   agent->text, visitor->place->language, visitor->place->time_zone, agent->browser,
		   agent->version, agent->system, agent->device, visitor->place->country,
		   visitor->robot ? 't' : 'f');
}

static void
put_or_null(const char *text)
{
	printf("\t%s", text == NULL || text[0] == '\0' ? "\\N" : text);
}

static void
put_view(Random *random, const Visitor *visitor, const View *view)
{
	uint64_t bits = random_bits(random);
	int		 focused = (int) (view->engagement * (0.7 + 0.3 * random_part(random)));
	char	 address[128];

	put_uuid((uint64_t) view->started << 16 | 0x7000 | (bits & 0xfff),
			 0x8000000000000000ULL | (random_bits(random) & 0x3fffffffffffffffULL));
	putchar('\t');
	put_uuid(visitor->high, visitor->low);
	putchar('\t');
	put_time(view->started);
	putchar('\t');
	put_time(view->started + view->engagement + (bits >> 32 & 0xffff));
	printf("\t%d\t%d\t%d\t%d\t1\t%s\t%s\t%d\t%s\t%s\t\\N",
		   15 + 4 * (int) (view->engagement / 15000), view->engagement, focused, focused / 2,
		   view->first ? "navigate" : "spa", view->last ? "closed" : "navigated",
		   (int) (30 + (bits >> 16) % 71), view->site, page_path(view->page));
	put_or_null(view->first ? visitor_query(random, view) : NULL);
	printf("\t%s", page_title(view->page));
	if (!view->first)
	{
		snprintf(address, sizeof address, "https://%s%s", view->site, page_path(view->previous));
		put_or_null(address);
	}
	else
		put_or_null(view->origin->referrer);
	printf("\t%s\n", visitor->customer ? "{\"plan\": \"pro\"}" : "\\N");
}

/* --- playing --------------------------------------------------------------------- */

/* The weight of an hour: nights are quiet, so are weekends, and every month brings a little more. */
static double
weight_of(int64_t hour, int64_t from, int days)
{
	int	   of_day = (int) (hour / HOUR % 24);
	int	   of_week = (int) ((hour / DAY + 4) % 7); /* 0 is Sunday */
	double season = 1.0 + 0.6 * sin((of_day - 8.5) * 3.14159265 / 12.0);
	double grown = 1.0 + 0.5 * (double) (hour - from) / ((double) days * DAY);

	return season * grown * (of_week == 0 || of_week == 6 ? 0.65 : 1.0);
}

static void
play_visit(Played *played, int64_t hour)
{
	Random *random = &played->random;
	bool	fresh = played->visitors == 0 || random_part(random) < NEW_VISITORS;
	/* Who comes again came lately, mostly. */
	int64_t age = (int64_t) (pow(random_part(random), 3) * (double) played->visitors);
	int64_t number = fresh ? played->visitors++ : played->visitors - 1 - age;
	Visitor visitor = visitor_of(played->settings->seed, number);
	View	view = {.started = hour + (int64_t) (random_part(random) * HOUR), .first = true};
	char	site[32];

	snprintf(site, sizeof site, "www%d.example.com",
			 (int) (visitor.low % (unsigned) played->settings->sites));
	view.site = site;
	view.origin = random_origin(random);
	view.page = first_page(random);
	if (fresh && played->settings->sessions)
		put_session(&visitor, view.started);
	for (;;)
	{
		view.engagement = random_engagement(random);
		view.last = random_part(random) < 1.0 / VIEWS_A_VISIT || visitor.robot;
		if (!played->settings->sessions)
			put_view(random, &visitor, &view);
		else
			skip_view(random, &view);
		played->written++;
		if (view.last)
			return;
		view.started += view.engagement + (int64_t) (random_part(random) * 5000);
		view.previous = view.page;
		view.page = next_page(random, view.page);
		view.first = false;
	}
}

static void
play(const Settings *settings)
{
	Played	played = {.settings = settings, .random = {settings->seed}};
	int64_t from = (settings->until / HOUR - 24LL * settings->days) * HOUR;
	double	whole = 0;
	double	due = 0;

	for (int64_t hour = from; hour < settings->until; hour += HOUR)
		whole += weight_of(hour, from, settings->days);
	for (int64_t hour = from; hour + HOUR <= settings->until; hour += HOUR)
	{
		due += (double) settings->views * weight_of(hour, from, settings->days) / whole;
		while ((double) played.written < due)
			play_visit(&played, hour);
	}
}

/* --- asking ---------------------------------------------------------------------- */

static int64_t
number(const char *text)
{
	char   *end;
	int64_t value = strtoll(text, &end, 10);

	if (*end != '\0' || value <= 0)
	{
		fprintf(stderr, "generate: %s is no positive number\n", text);
		exit(2);
	}
	return value;
}

int
main(int argc, char **argv)
{
	Settings settings = {.views = 1000000, .days = 90, .until = 1795400000, .sites = 3, .seed = 1};

	if (argc < 2 || argc % 2 != 0 ||
		(strcmp(argv[1], "views") != 0 && strcmp(argv[1], "sessions") != 0))
	{
		fprintf(
			stderr,
			"usage: generate views|sessions [--views N] [--days N] [--until SECONDS] [--sites N] [--seed N]\n");
		return 2;
	}
	settings.sessions = strcmp(argv[1], "sessions") == 0;
	for (int i = 2; i < argc; i += 2)
	{
		int64_t value = number(argv[i + 1]);

		if (strcmp(argv[i], "--views") == 0)
			settings.views = value;
		else if (strcmp(argv[i], "--days") == 0)
			settings.days = (int) value;
		else if (strcmp(argv[i], "--until") == 0)
			settings.until = value;
		else if (strcmp(argv[i], "--sites") == 0)
			settings.sites = (int) value;
		else if (strcmp(argv[i], "--seed") == 0)
			settings.seed = (uint64_t) value;
		else
		{
			fprintf(stderr, "generate: what is %s?\n", argv[i]);
			return 2;
		}
	}
	settings.until *= 1000;
	play(&settings);
	return fflush(stdout) == 0 ? 0 : 1;
}
