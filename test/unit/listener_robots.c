/*
 * listener_robots.c
 *	  Who is a robot: real user agents, and the automaton against plain searching.
 */
#include "listener_world.h"

#include "../../src/listener/robots.h"
#include "chance.h"

extern const char	  asset_robots[];
extern const uint64_t asset_robots_length;

static const char *const robots[] = {
	"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
	"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html) Chrome/125.0.0.0 Safari/537.36",
	"AdsBot-Google (+http://www.google.com/adsbot.html)",
	"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
	"Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
	"Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
	"DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
	"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
	"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
	"Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
	"Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
	"Mozilla/5.0 (compatible; MJ12bot/v1.4.8; http://mj12bot.com/)",
	"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
	"Twitterbot/1.0",
	"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
	"CCBot/2.0 (https://commoncrawl.org/faq/)",
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/125.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
	"curl/8.5.0",
	"Wget/1.21.3",
	"python-requests/2.31.0",
	"Go-http-client/1.1",
	"PTST/190704.170731",			  /* "^PTST/" */
	"Mozilla/5.0 (Macintosh) PTST/1", /* " PTST/" */
	"Mozilla/5.0 SSL Labs",			  /* "SSL Labs$" */
};

static const char *const people[] = {
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0",
	"Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:133.0) Gecko/20100101 Firefox/133.0",
	"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
	"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15 Epiphany/605.1.15",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0",
	"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0.4664.45 Mobile Safari/537.36",
	"Mozilla/5.0 (Linux; Android 11; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/108.4.6 like Chrome/108.0.5359.160 Safari/537.36",
	"Mozilla/5.0 (Linux; Android 13; Pixel 7; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Vivaldi/7.0",
	"",
	"Mozilla/5.0 curl/8.5.0",		/* "^curl" */
	"Mozilla/5.0 SSL Labs Browser", /* "SSL Labs$" */
	"GOOGLEBOT",					/* case as it is */
	/* Those of this project's own tests. */
	"scripted visitor",
	"loadgen",
	"faults",
	"honest",
	"driver",
};

static Robots *list;

/* Whether it is one, by plain searching for each line of the list. */
static bool
is_listed(const char *agent, size_t length)
{
	const char *at = asset_robots;
	const char *end = asset_robots + asset_robots_length;

	while (at < end)
	{
		const char *newline = memchr(at, '\n', (size_t) (end - at));
		size_t		size = (size_t) (newline - at) - 1;

		if (*at != '#' && size <= length &&
			((*at == ' ' && memmem(agent, length, at + 1, size) != NULL) ||
			 (*at == '^' && memcmp(agent, at + 1, size) == 0) ||
			 (*at == '$' && memcmp(agent + length - size, at + 1, size) == 0)))
			return true;
		at = newline + 1;
	}
	return false;
}

/* A piece of the list, most often one that is no whole text of it. */
static size_t
draw_piece(char *out)
{
	size_t length = (size_t) below(12);
	size_t from = (size_t) below((int) (asset_robots_length - length));

	memcpy(out, asset_robots + from, length);
	for (size_t i = 0; i < length; i++)
		if (out[i] == '\n')
			out[i] = (char) below(256);
	return length;
}

TEST(real_crawlers_are_robots_and_real_browsers_are_not)
{
	for (size_t i = 0; i < sizeof robots / sizeof robots[0]; i++)
	{
		(void) unit_check(robots_recognise(list, text_of(robots[i])), robots[i], __FILE__,
						  __LINE__);
	}
	for (size_t i = 0; i < sizeof people / sizeof people[0]; i++)
	{
		(void) unit_check(!robots_recognise(list, text_of(people[i])), people[i], __FILE__,
						  __LINE__);
	}
}

TEST(one_pass_finds_what_searching_for_each_text_finds)
{
	int found = 0;

	random_state = 42;
	for (int i = 0; i < 20000; i++)
	{
		char   agent[64];
		size_t length = 0;

		for (int pieces = below(5); pieces > 0; pieces--)
			length += draw_piece(agent + length);
		found += is_listed(agent, length);
		REQUIRE(robots_recognise(list, (Text){agent, (uint16_t) length}) ==
				is_listed(agent, length));
	}
	CHECK(found > 1000 && found < 19000);
}

static const Request request = {.user_agent = {"Mozilla/5.0", 11}};

TEST(a_session_that_comes_too_often_is_a_robot_until_it_rests)
{
	Connection visitor = {.keeps = true, .session = {.bytes = {1}}};
	Connection other = {.keeps = true, .session = {.bytes = {2}}};
	Micros	   at = now.monotonic;

	start(NULL);
	for (int i = 0; i < 120; i++)
	{
		CHECK(http_admits(&listener, &visitor, &request, at));
		CHECK(!visitor.robot);
	}
	CHECK(http_admits(&listener, &visitor, &request, at));
	CHECK(visitor.robot);
	CHECK(http_admits(&listener, &other, &request, at));
	CHECK(!other.robot);

	/* One a second is how fast it may go on. */
	CHECK(http_admits(&listener, &visitor, &request, at + MICROS_PER_SECOND * 9 / 10));
	CHECK(visitor.robot);
	CHECK(http_admits(&listener, &visitor, &request, at + MICROS_PER_SECOND * 11 / 10));
	CHECK(!visitor.robot);
	CHECK_INT(listener.counters[COUNT_REFUSED_ROBOT], 0);

	listener.configuration.is.robots = ROBOTS_REFUSE;
	CHECK(!http_admits(&listener, &visitor, &request, at + MICROS_PER_SECOND * 11 / 10));
	CHECK_INT(listener.counters[COUNT_REFUSED_ROBOT], 1);
	listener.configuration.is.robots = ROBOTS_KEEP;
	CHECK(http_admits(&listener, &visitor, &request, at + MICROS_PER_SECOND * 11 / 10));
	CHECK(!visitor.robot);
}

TEST(many_people_behind_one_address_are_no_robot_where_sessions_are_hashes)
{
	Connection visitor = {.keeps = false, .session = {.bytes = {1}}};

	start(NULL);
	for (int i = 0; i < 1000; i++)
	{
		CHECK(http_admits(&listener, &visitor, &request, now.monotonic));
		CHECK(!visitor.robot);
	}
}

int
main(int argc, char **argv)
{
	list = robots_new();
	if (list == NULL)
		return 1;
	unit_start(argc, argv);
	RUN(real_crawlers_are_robots_and_real_browsers_are_not);
	RUN(one_pass_finds_what_searching_for_each_text_finds);
	RUN(a_session_that_comes_too_often_is_a_robot_until_it_rests);
	RUN(many_people_behind_one_address_are_no_robot_where_sessions_are_hashes);
	robots_free(list);
	return unit_finish();
}
