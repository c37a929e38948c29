/*
 * people.c
 *	  Who visits, from where, with what, and which pages they read.
 */
#include "people.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Pages by rank; how often one is read goes with 1 / rank. */
#define PAGES	  3000
#define CAMPAIGNS 12

static const Agent agents[] = {
	{22, "Chrome", "141", "Windows", "desktop", 1920, 1080,
	 "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"},
	{20, "Mobile Safari", "18", "iOS", "mobile", 390, 844,
	 "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"},
	{19, "Chrome Mobile", "141", "Android", "mobile", 412, 915,
	 "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"},
	{8, "Chrome", "141", "Mac OS X", "desktop", 1440, 900,
	 "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"},
	{8, "Safari", "18", "Mac OS X", "desktop", 1512, 982,
	 "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15"},
	{6, "Edge", "141", "Windows", "desktop", 1536, 864,
	 "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0"},
	{6, "Firefox", "144", "Windows", "desktop", 1920, 1080,
	 "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0"},
	{4, "Samsung Internet", "28", "Android", "mobile", 384, 854,
	 "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"},
	{3, "Firefox", "144", "Linux", "desktop", 1920, 1200,
	 "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"},
	{3, "Mobile Safari", "18", "iOS", "tablet", 820, 1180,
	 "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"},
	{1, "\\N", "\\N", "\\N", "\\N", 1024, 768, "\\N"},
};

static const Place places[] = {
	{24, "US", "en-US", "America/New_York"},
	{13, "DE", "de-DE", "Europe/Berlin"},
	{9, "GB", "en-GB", "Europe/London"},
	{8, "FR", "fr-FR", "Europe/Paris"},
	{7, "CH", "de-CH", "Europe/Zurich"},
	{7, "IN", "en-IN", "Asia/Kolkata"},
	{5, "BR", "pt-BR", "America/Sao_Paulo"},
	{5, "JP", "ja-JP", "Asia/Tokyo"},
	{4, "NL", "nl-NL", "Europe/Amsterdam"},
	{4, "ES", "es-ES", "Europe/Madrid"},
	{4, "CA", "en-CA", "America/Toronto"},
	{3, "PL", "pl-PL", "Europe/Warsaw"},
	{3, "AU", "en-AU", "Australia/Sydney"},
	{2, "NP", "ne-NP", "Asia/Kathmandu"},
	{2, "\\N", "\\N", "\\N"},
};

static const Origin origins[] = {
	{34, NULL, NULL},
	{30, "https://www.google.com/", NULL},
	{4, "https://www.bing.com/", NULL},
	{3, "https://duckduckgo.com/", NULL},
	{4, "https://t.co/", NULL},
	{3, "https://www.linkedin.com/", NULL},
	{3, "https://old.reddit.com/", NULL},
	{2, "https://news.ycombinator.com/", NULL},
	{3, "https://chatgpt.com/", "utm_source=chatgpt.com"},
	{1, "https://www.perplexity.ai/", NULL},
	{3, "https://github.com/", NULL},
	{2, "https://blog.example.org/", NULL},
	{4, NULL, "utm_source=newsletter&utm_medium=email&utm_campaign=letter-%d"},
	{3, "https://www.google.com/", "utm_source=google&utm_medium=cpc&utm_campaign=search-%d"},
	{1, "https://www.facebook.com/",
	 "utm_source=facebook&utm_medium=paid_social&utm_campaign=social-%d"},
};

static const char *const named[] = {"/", "/pricing", "/signup", "/docs", "/about"};
static const char *const named_titles[] = {"Example", "Prices - Example", "Sign up - Example",
										   "Documentation - Example", "About us - Example"};

uint64_t
random_bits(Random *random)
{
	uint64_t z = (random->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

double
random_part(Random *random)
{
	return (double) (random_bits(random) >> 11) * 0x1p-53;
}

/* Log-normal with a median of 18 s, a tenth above 100 s; some are gone at once. */
int
random_engagement(Random *random)
{
	double u = 1.0 - random_part(random);
	double normal = sqrt(-2.0 * log(u)) * cos(6.28318531 * random_part(random));
	double ms = 18000.0 * exp(1.35 * normal);

	return ms > 7200000.0 ? 7200000 : (int) ms;
}

/* Which of some weights a number from [0, 1) falls to; they stand at the beginning of structs. */
static size_t
weighted(double part, const void *first, size_t size, size_t count)
{
	double whole = 0;

	for (size_t i = 0; i < count; i++)
		whole += *(const double *) ((const char *) first + i * size);
	part *= whole;
	for (size_t i = 0; i < count; i++)
	{
		part -= *(const double *) ((const char *) first + i * size);
		if (part < 0)
			return i;
	}
	return count - 1;
}

const Origin *
random_origin(Random *random)
{
	return &origins[weighted(random_part(random), origins, sizeof origins[0], LENGTH(origins))];
}

Visitor
visitor_of(uint64_t seed, int64_t number)
{
	Random	random = {seed ^ (uint64_t) number * 0xd1342543de82ef95ULL};
	Visitor visitor;

	visitor.high = (random_bits(&random) & ~0xf000ULL) | 0x4000;
	visitor.low = (random_bits(&random) >> 2) | 0x8000000000000000ULL;
	visitor.agent =
		&agents[weighted(random_part(&random), agents, sizeof agents[0], LENGTH(agents))];
	visitor.place =
		&places[weighted(random_part(&random), places, sizeof places[0], LENGTH(places))];
	visitor.robot = random_part(&random) < 0.01;
	visitor.customer = random_part(&random) < 0.05;
	return visitor;
}

const char *
visitor_query(Random *random, const View *view)
{
	static char query[128];
	int			campaign = (int) (random_part(random) * CAMPAIGNS);

	if (view->origin->query == NULL)
		return NULL;
	snprintf(query, sizeof query, "%s", view->origin->query);
	if (strstr(query, "%d") != NULL)
		snprintf(strstr(query, "%d"), 8, "%d", campaign);
	return query;
}

/* A page by its rank: the n-th is read 1/n times as often as the first. */
static int
zipf(Random *random)
{
	return (int) pow(PAGES + 1.0, random_part(random)) - 1;
}

int
first_page(Random *random)
{
	return random_part(random) < 0.25 ? 0 : zipf(random);
}

/* Prices lead to the sign-up, sometimes. */
int
next_page(Random *random, int page)
{
	double part = random_part(random);

	if (page == 1 && part < 0.3)
		return 2;
	if (page != 1 && part < 0.08)
		return 1;
	return zipf(random);
}

const char *
page_path(int page)
{
	static const char *const folders[] = {"blog", "docs", "help"};
	static char				 paths[2][64];
	static int				 turn;

	if ((size_t) page < LENGTH(named))
		return named[page];
	turn = !turn;
	snprintf(paths[turn], sizeof paths[turn], "/%s/the-%d-things-to-know", folders[page % 3], page);
	return paths[turn];
}

const char *
page_title(int page)
{
	static char title[64];

	if ((size_t) page < LENGTH(named))
		return named_titles[page];
	snprintf(title, sizeof title, "The %d things to know - Example", page);
	return title;
}

void
skip_view(Random *random, const View *view)
{
	(void) random_bits(random);
	(void) random_part(random);
	(void) random_bits(random);
	if (view->first)
		(void) visitor_query(random, view);
}
