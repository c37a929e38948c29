/*
 * listener_agents.c
 *	  Which browser it is: real user agents and hints, hostile ones, the memory of them.
 */
#include "unit.h"

#include <stdlib.h>

#include "../../src/listener/agent.h"
#include "chance.h"

/* A User-Agent and what it means; a device is one of DEVICES. */
typedef struct Expected
{
	const char *agent;
	const char *browser;
	const char *version;
	const char *system;
	char		device;
} Expected;

static const char devices[] = "?dmtvcb"; /* in the order of DeviceClass */

#define KHTML  "AppleWebKit/537.36 (KHTML, like Gecko) "
#define WEBKIT "AppleWebKit/605.1.15 (KHTML, like Gecko) "
#define WIN	   "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
#define MAC	   "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) "
#define LINUX  "Mozilla/5.0 (X11; Linux x86_64) "
#define IPHONE "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) "
#define IPAD   "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) "
#define CHROME "Chrome/131.0.0.0 Safari/537.36"
#define PHONE  "Mozilla/5.0 (Linux; Android 10; K) " KHTML

static const Expected people[] = {
	/* desktops */
	{WIN KHTML CHROME, "Chrome", "131", "Windows", 'd'},
	{MAC KHTML CHROME, "Chrome", "131", "Mac OS X", 'd'},
	{LINUX KHTML CHROME, "Chrome", "131", "Linux", 'd'},
	{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) " KHTML CHROME, "Chrome", "131", "Chrome OS", 'd'},
	{WIN KHTML CHROME " Edg/131.0.0.0", "Edge", "131", "Windows", 'd'},
	{MAC KHTML CHROME " Edg/131.0.2903.70", "Edge", "131", "Mac OS X", 'd'},
	{LINUX KHTML CHROME " Edg/131.0.0.0", "Edge", "131", "Linux", 'd'},
	{WIN KHTML "Chrome/64.0.3282.140 Safari/537.36 Edge/18.17763", "Edge", "18", "Windows", 'd'},
	{WIN KHTML "Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0", "Opera", "115", "Windows", 'd'},
	{MAC KHTML "Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0", "Opera", "115", "Mac OS X", 'd'},
	{WIN KHTML "Chrome/130.0.0.0 Safari/537.36 Vivaldi/7.0.3495.29", "Vivaldi", "7", "Windows",
	 'd'},
	{WIN KHTML "Chrome/128.0.0.0 YaBrowser/24.10.0.0 Safari/537.36", "Yandex Browser", "24",
	 "Windows", 'd'},
	{LINUX KHTML "HeadlessChrome/131.0.0.0 Safari/537.36", "HeadlessChrome", "131", "Linux", 'b'},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox",
	 "133", "Windows", 'd'},
	{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:133.0) Gecko/20100101 Firefox/133.0",
	 "Firefox", "133", "Mac OS X", 'd'},
	{"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox", "128",
	 "Linux", 'd'},
	{"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox",
	 "133", "Ubuntu", 'd'},
	{"Mozilla/5.0 (X11; FreeBSD amd64; rv:122.0) Gecko/20100101 Firefox/122.0", "Firefox", "122",
	 "FreeBSD", 'd'},
	{"Mozilla/5.0 (X11; OpenBSD amd64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox", "128",
	 "OpenBSD", 'd'},
	{MAC WEBKIT "Version/18.1 Safari/605.1.15", "Safari", "18", "Mac OS X", 'd'},
	{LINUX WEBKIT "Version/17.0 Safari/605.1.15 Epiphany/605.1.15", "Epiphany", "605", "Linux",
	 'd'},
	{"Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "IE", "11", "Windows",
	 'd'},
	{"Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; Tablet PC 2.0)", "IE", "8",
	 "Windows", 'd'},
	/* An iPad that asks for desktop sites is a Mac to everybody. */
	{MAC WEBKIT "Version/17.6 Safari/605.1.15", "Safari", "17", "Mac OS X", 'd'},
	/* phones */
	{IPHONE WEBKIT "Version/18.1 Mobile/15E148 Safari/604.1", "Mobile Safari", "18", "iOS", 'm'},
	{IPHONE WEBKIT "CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1", "Chrome Mobile iOS", "131",
	 "iOS", 'm'},
	{IPHONE WEBKIT "FxiOS/133.0 Mobile/15E148 Safari/605.1.15", "Firefox iOS", "133", "iOS", 'm'},
	{IPHONE WEBKIT "Version/18.0 EdgiOS/131.0.2903.68 Mobile/15E148 Safari/604.1", "Edge Mobile",
	 "131", "iOS", 'm'},
	{IPHONE WEBKIT "Mobile/15E148", "Mobile Safari UI/WKWebView", "", "iOS", 'm'},
	{IPHONE WEBKIT "Mobile/15E148 [FBAN/FBIOS;FBAV/490.0.0.36.107;FBDV/iPhone16,1]", "Facebook",
	 "490", "iOS", 'm'},
	{IPHONE WEBKIT "Mobile/21F90 Instagram 340.0.4.22.82 (iPhone15,2; iOS 17_5_1)", "Instagram",
	 "340", "iOS", 'm'},
	{PHONE "Chrome/131.0.0.0 Mobile Safari/537.36", "Chrome Mobile", "131", "Android", 'm'},
	{PHONE "Chrome/131.0.0.0 Mobile Safari/537.36 EdgA/131.0.0.0", "Edge Mobile", "131", "Android",
	 'm'},
	{PHONE "Chrome/130.0.0.0 Mobile Safari/537.36 OPR/86.0.0.0", "Opera Mobile", "86", "Android",
	 'm'},
	{"Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0", "Firefox Mobile",
	 "133", "Android", 'm'},
	{"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) " KHTML
	 "SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
	 "Samsung Internet", "27", "Android", 'm'},
	{"Mozilla/5.0 (Linux; Android 13; Pixel 7; wv) " KHTML
	 "Version/4.0 Chrome/120.0.0.0 Mobile Safari/537.36",
	 "Chrome Mobile WebView", "120", "Android", 'm'},
	{"Mozilla/5.0 (Linux; U; Android 11; en-US; RMX2101) " KHTML
	 "Version/4.0 Chrome/100.0.4896.58 UCBrowser/13.6.8.1318 Mobile Safari/537.36",
	 "UC Browser", "13", "Android", 'm'},
	{"Mozilla/5.0 (Linux; Android 12; SAMSUNG SM-G780G) " KHTML
	 "Chrome/128.0.0.0 Mobile DuckDuckGo/5 Safari/537.36",
	 "DuckDuckGo Mobile", "5", "Android", 'm'},
	{"Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
	 "Opera Mini", "36", "Android", 'm'},
	{"Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
	 "Firefox Mobile", "48", "KaiOS", 'm'},
	{"Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) " KHTML
	 "Chrome/52.0.2743.116 Mobile Safari/537.36 Edge/15.15063",
	 "Edge Mobile", "15", "Windows Phone", 'm'},
	{"Mozilla/5.0 (BB10; Touch) AppleWebKit/537.10+ (KHTML, like Gecko) Version/10.0.9.2372 Mobile "
	 "Safari/537.10+",
	 "BlackBerry WebKit", "10", "BlackBerry OS", 'm'},
	/* tablets */
	{IPAD WEBKIT "Version/17.6 Mobile/15E148 Safari/604.1", "Mobile Safari", "17", "iOS", 't'},
	{IPAD WEBKIT "CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1", "Chrome Mobile iOS", "131",
	 "iOS", 't'},
	{"Mozilla/5.0 (Linux; Android 13; SM-X700) " KHTML CHROME, "Chrome", "131", "Android", 't'},
	{"Mozilla/5.0 (Linux; Android 10; K) " KHTML CHROME, "Chrome", "131", "Android", 't'},
	{"Mozilla/5.0 (Android 14; Tablet; rv:133.0) Gecko/133.0 Firefox/133.0", "Firefox Mobile",
	 "133", "Android", 't'},
	{"Mozilla/5.0 (Linux; Android 11; KFTRWI) " KHTML
	 "Silk/108.4.6 like Chrome/108.0.5359.160 Safari/537.36",
	 "Amazon Silk", "108", "Android", 't'},
	/* television */
	{"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.5) " KHTML "85.0.4183.93/6.5 TV Safari/537.36",
	 "Safari", "", "Tizen", 'v'},
	{"Mozilla/5.0 (Web0S; Linux/SmartTV) " KHTML "Chrome/87.0.4280.88 Safari/537.36", "Chrome",
	 "87", "Web0S", 'v'},
	{"Mozilla/5.0 (Linux; Android 10; BRAVIA 4K VH2 Build/QTG3.200305.006.S292; wv) " KHTML
	 "Version/4.0 Chrome/98.0.4758.101 Mobile Safari/537.36",
	 "Chrome Mobile WebView", "98", "Android", 'v'},
	{"Mozilla/5.0 (Linux; Android 7.1.2; AFTMM Build/NS6265; wv) " KHTML
	 "Version/4.0 Chrome/70.0.3538.110 Mobile Safari/537.36",
	 "Chrome Mobile WebView", "70", "Android", 'v'},
	{"Mozilla/5.0 (X11; Linux armv7l) " KHTML
	 "Chrome/90.0.4430.225 Safari/537.36 CrKey/1.56.500000",
	 "Chrome", "90", "Chromecast", 'v'},
	{"AppleTV11,1/11.1", "", "", "ATV OS X", 'v'},
	{"Roku/DVP-9.10 (519.10E04111A)", "Roku", "9", "Roku", 'v'},
	/* consoles */
	{"Mozilla/5.0 (PlayStation; PlayStation 5/8.20) " WEBKIT "Version/15.4 Safari/605.1.15",
	 "Safari", "15", "", 'c'},
	{"Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/609.4 (KHTML, like Gecko) "
	 "NF/6.0.2.21.3 NintendoBrowser/5.1.0.22474",
	 "", "", "", 'c'},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) " KHTML CHROME
	 " Edge/44.18363.8131",
	 "Edge", "44", "Windows", 'c'},
	/* robots, by either list */
	{"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot", "2",
	 "", 'b'},
	{"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) " KHTML
	 "Chrome/125.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; "
	 "+http://www.google.com/bot.html)",
	 "Googlebot", "2", "Android", 'b'},
	{"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot", "2", "",
	 'b'},
	{"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; "
	 "+https://openai.com/gptbot)",
	 "GPTBot", "1", "", 'b'},
	{"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "FacebookBot",
	 "1", "", 'b'},
	{"curl/8.5.0", "curl", "8", "", 'b'},
	/* nothing to go by */
	{"", "", "", "", '?'},
	{"scripted visitor", "", "", "", '?'},
	{"Mozilla/5.0", "", "", "", '?'}};

/* The headers, as they come. */
typedef struct AgentHeaders
{
	Text user_agent;
	Text brands;
	Text mobile;
	Text platform;
} AgentHeaders;

static Robots *robots;
static Agents *agents;

/* A memory that knows nothing, with all its time. */
static void
start(void)
{
	static const uint64_t seed[2] = {1, 2};

	agents_free(agents);
	agents = agents_new(robots, seed);
}

static Visitor
ask(AgentHeaders headers)
{
	Hints	hints = hints_read(headers.brands, headers.mobile, headers.platform);
	Visitor visitor = {0};

	agents_recognise(agents, headers.user_agent, &hints, &visitor);
	return visitor;
}

/* "browser|version|system|device"; good until the next call. */
static const char *
told(AgentHeaders headers)
{
	static char text[256];
	Visitor		visitor = ask(headers);

	snprintf(text, sizeof text, "%.*s|%.*s|%.*s|%c", visitor.browser.length, visitor.browser.data,
			 visitor.browser_version.length, visitor.browser_version.data, visitor.system.length,
			 visitor.system.data, devices[visitor.device]);
	return text;
}

/* The same for the headers that Chromium sends. */
static const char *
told_by_hints(const char *agent, const char *brands, const char *mobile, const char *platform)
{
	return told(
		(AgentHeaders){text_of(agent), text_of(brands), text_of(mobile), text_of(platform)});
}

TEST(real_browsers_are_what_they_are)
{
	for (size_t i = 0; i < sizeof people / sizeof people[0]; i++)
	{
		char expected[256];

		snprintf(expected, sizeof expected, "%s|%s|%s|%c", people[i].browser, people[i].version,
				 people[i].system, people[i].device);
		unit_check_string(told((AgentHeaders){.user_agent = text_of(people[i].agent)}), expected,
						  people[i].agent, __FILE__, __LINE__);
	}
}

#define GREASE "\"Not_A Brand\";v=\"24\""

TEST(hints_come_first)
{
	static const char desktop[] = WIN KHTML CHROME;
	static const char						phone[] = PHONE "Chrome/131.0.0.0 Mobile Safari/537.36";

	CHECK_STRING(told_by_hints(desktop,
							   "\"Google Chrome\";v=\"132\", \"Chromium\";v=\"132\", " GREASE, "?0",
							   "\"Windows\""),
				 "Chrome|132|Windows|d");
	CHECK_STRING(told_by_hints(desktop, GREASE ",\"Chromium\";v=\"131\",\"Brave\";v=\"131\"", "?0",
							   "\"macOS\""),
				 "Brave|131|Mac OS X|d");
	CHECK_STRING(told_by_hints(desktop, "\"Chromium\";v=\"130\", \"Opera GX\";v=\"115\", " GREASE,
							   "?0", "\"Windows\""),
				 "Opera|115|Windows|d");
	CHECK_STRING(told_by_hints(phone, "\"Google Chrome\";v=\"131.0.1.2\"", "?1", "\"Android\""),
				 "Chrome Mobile|131|Android|m");
	CHECK_STRING(told_by_hints(phone, "\"Microsoft Edge\";v=\"131\"", "?1", "\"Android\""),
				 "Edge Mobile|131|Android|m");

	/* An engine is no browser, Linux no distribution, and a phone may ask for desktop sites. */
	CHECK_STRING(told_by_hints(PHONE "Chrome/131.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/"
									 "490.0.0.53;]",
							   "\"Android WebView\";v=\"131\", \"Chromium\";v=\"131\"", "?1",
							   "\"Android\""),
				 "Facebook|490|Android|m");
	CHECK_STRING(told_by_hints("Mozilla/5.0 (X11; Ubuntu; Linux x86_64) " KHTML CHROME,
							   "\"Google Chrome\";v=\"131\"", "?0", "\"Linux\""),
				 "Chrome|131|Ubuntu|d");
	CHECK_STRING(
		told_by_hints(LINUX KHTML CHROME, "\"Google Chrome\";v=\"131\"", "?1", "\"Android\""),
		"Chrome Mobile|131|Android|m");

	/* What is certain stays so. */
	CHECK_STRING(told_by_hints("Mozilla/5.0 (Linux; Android 10; BRAVIA 4K) " KHTML CHROME,
							   "\"Google Chrome\";v=\"131\"", "?1", "\"Android\""),
				 "Chrome Mobile|131|Android|v");
}

TEST(hints_that_are_none_change_nothing)
{
	static const char *const brands[] = {
		"",
		"Google Chrome",
		"\"Google Chrome\"",
		"\"Google Chrome\";v",
		"\"Google Chrome\";v=132",
		"\"Google Chrome\";v=\"132",
		"\"Google Chrome",
		"\"Google\\\" Chrome\";v=\"132\"",
		"\"google chrome\";v=\"132\"",
		"\"Something Else\";v=\"132\"",
		"\"a\";v=\"1\" \"Google Chrome\";v=\"132\"",
		"\"\";v=\"\",\"\";v=\"\",\"\";v=\"\",\"\";v=\"\",\"\";v=\"\",\"\";v=\"\",\"\";v=\"\",\"\";"
		"v=\"\",\"Google Chrome\";v=\"132\""};
	static const char *const platforms[] = {
		"", "macOS", "\"macOS", "\"", "\"mac\\OS\"", "\"Linux\"", "\"Plan 9\""};

	for (size_t i = 0; i < sizeof brands / sizeof brands[0]; i++)
		CHECK_STRING(told_by_hints(WIN KHTML CHROME, brands[i], "1", ""), "Chrome|131|Windows|d");
	for (size_t i = 0; i < sizeof platforms / sizeof platforms[0]; i++)
		CHECK_STRING(told_by_hints(WIN KHTML CHROME, "", "?1 ", platforms[i]),
					 "Chrome|131|Windows|d");
	CHECK_STRING(told_by_hints(WIN KHTML CHROME, "\"Google Chrome\";v=\"x\"", "", ""),
				 "Chrome||Windows|d");
	CHECK_STRING(told_by_hints("", "\"Google Chrome\";v=\"99999999999999999999\"", "", ""),
				 "Chrome|9999999999999999||?");
}

TEST(hints_of_one_session_are_not_another_s)
{
	HintTable *table = hint_table_new();
	Hints	   brave = hints_read(text_of("\"Brave\";v=\"131\""), text_of("?0"), text_of(""));
	Hints	   none = hints_read(text_of(""), text_of("?0"), text_of(""));
	Uuid	   one = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
	Uuid	   neighbour = one; /* has the same place */
	Hints	   found;

	neighbour.bytes[0] = 99;
	REQUIRE(table != NULL);
	found = hint_table_find(table, &one);
	CHECK(hints_are_none(&found));
	hint_table_put(table, &one, &brave);
	hint_table_put(table, &one, &none);
	found = hint_table_find(table, &one);
	CHECK(text_equal(hints_browser(&found), text_of("Brave")));
	CHECK_BYTES(found.version, found.version_length, "131", 3);
	found = hint_table_find(table, &neighbour);
	CHECK(hints_are_none(&found));
	hint_table_put(table, &neighbour, &brave);
	found = hint_table_find(table, &one);
	CHECK(hints_are_none(&found));
	hint_table_free(table);
}

TEST(names_that_are_no_text_are_left_out)
{
	/* "^(.{0,200})/(\d+) CFNetwork": an application's own name. */
	CHECK_STRING(told((AgentHeaders){.user_agent = text_of("Caf\xc3\xa9/7 CFNetwork/1 Darwin/20")}),
				 "Caf\xc3\xa9|7|iOS|m");
	CHECK_STRING(told((AgentHeaders){.user_agent = text_of("Caf\xe9/7 CFNetwork/1 Darwin/20")}),
				 "|||?");
	CHECK_STRING(told((AgentHeaders){.user_agent = text_of(" A\tB /7 CFNetwork/1 Darwin/20")}),
				 "A B|7|iOS|m");
	/* Cut between two characters: 63 bytes, and one of two. */
	CHECK_INT(ask((AgentHeaders){.user_agent = text_of(
									 "a23456789b123456789c123456789d123456789e123456789f123456789"
									 "g123\xc3\xa9\xc3\xa9/7 CFNetwork/1 Darwin/20")})
				  .browser.length,
			  63);
}

TEST(what_was_asked_before_is_answered_alike_and_others_are_not_mixed_up)
{
	start();
	random_state = 7;
	for (int i = 0; i < 1000; i++)
	{
		char agent[128];
		char expected[128];
		int	 version = below(500);

		snprintf(agent, sizeof agent, "Mozilla/5.0 (X11; Linux x86_64) Firefox/%d.0", version);
		snprintf(expected, sizeof expected, "Firefox|%d|Linux|d", version);
		REQUIRE(strcmp(told((AgentHeaders){.user_agent = text_of(agent)}), expected) == 0);
	}
	/* The same bytes, divided in another way. */
	CHECK_STRING(told_by_hints("Mozilla/5.0", "", "?1", ""), "||"
															 "|m");
	CHECK_STRING(told_by_hints("Mozilla/5.0?1", "", "", ""), "||"
															 "|?");
}

/* A text made to be tried by many rules, long and in vain. */
static uint16_t
draw_hostile(char *out)
{
	static const char *const words[] = {
		"bot",		 "Bot-Mobile",	" CFNetwork/1", "; HTC ",	" Build/",	  "crawl",
		"Android 4", "AppleWebKit", "Opera Mini/",	"SAMSUNG-", "LG-",		  "Nokia",
		"favicon",	 "spider",		"Darwin/",		"; ",		"iPhone; U;", "HbbTV/1.1.1 ("};
	static const char *const fillers[] = {"a", "A1", "1.", " ", "; ", "a-", "/1", "x ", "(", "aB"};
	size_t					 length = 0;

	while (length < USER_AGENT_LIMIT)
	{
		const char *word = words[below((int) (sizeof words / sizeof words[0]))];
		const char *filler = fillers[below((int) (sizeof fillers / sizeof fillers[0]))];

		length += (size_t) snprintf(out + length, USER_AGENT_LIMIT + 1 - length, "%s", word);
		for (int i = below(200); i > 0 && length < USER_AGENT_LIMIT; i--)
			length += (size_t) snprintf(out + length, USER_AGENT_LIMIT + 1 - length, "%s", filler);
	}
	return USER_AGENT_LIMIT;
}

TEST(a_flood_of_hostile_agents_gets_a_share_of_the_processor_and_no_more)
{
	AgentHeaders known = {.user_agent = text_of(WIN KHTML CHROME)};
	int			 asked = 0;
	char		 agent[USER_AGENT_LIMIT + 64];
	Visitor		 visitor;

	start();
	CHECK_STRING(told(known), "Chrome|131|Windows|d");
	do
	{
		uint16_t length = draw_hostile(agent);

		(void) ask((AgentHeaders){.user_agent = {agent, length}});
		length = (uint16_t) snprintf(agent, sizeof agent, "Firefox/%d.0 (X11; Linux)", asked);
		visitor = ask((AgentHeaders){.user_agent = {agent, length}});
		(void) ask(known);
	} while (visitor.browser.length > 0 && ++asked < 100000);
	CHECK(asked < 100000);
	CHECK_STRING(told(known), "Chrome|131|Windows|d");
}

int
main(int argc, char **argv)
{
	robots = robots_new();
	start();
	if (robots == NULL || agents == NULL)
		return 1;
	unit_start(argc, argv);
	RUN(real_browsers_are_what_they_are);
	RUN(hints_come_first);
	RUN(hints_that_are_none_change_nothing);
	RUN(hints_of_one_session_are_not_another_s);
	RUN(names_that_are_no_text_are_left_out);
	RUN(what_was_asked_before_is_answered_alike_and_others_are_not_mixed_up);
	RUN(a_flood_of_hostile_agents_gets_a_share_of_the_processor_and_no_more);
	agents_free(agents);
	robots_free(robots);
	return unit_finish();
}
