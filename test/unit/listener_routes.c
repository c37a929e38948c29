/*
 * listener_routes.c
 *	  What a request gets for an answer, and who may have a socket.
 */
#include "listener_world.h"

#include <netinet/in.h>

#include <zlib.h>

TEST(the_tracker_comes_with_a_cookie_and_its_settings)
{
	Request request = get("/_view/client.js");

	start(NULL);
	REQUIRE(ask(connect_from("192.0.2.1"), &request) == HTTP_RESPOND);
	CHECK(says("HTTP/1.1 200 OK\r\n"));
	CHECK(says("\r\nSet-Cookie: session=2.1."));
	CHECK(says("\r\nCache-Control: private, no-cache\r\n"));
	CHECK(says("\r\nVary: Accept-Encoding\r\n"));
	CHECK(says("\r\nCross-Origin-Resource-Policy: cross-origin\r\n"));
	CHECK(says("\r\nX-Content-Type-Options: nosniff\r\n"));
	CHECK(says("\r\nConnection: close\r\n"));
	CHECK(says("{\"keep\":[\"utm_\",\"ref=\"],\"gpc\":false}"));
	CHECK(!says("PAGEVIEWS_SETTINGS"));
	CHECK(!says("Content-Encoding"));
	CHECK_INT(listener.counters[COUNT_SCRIPTS], 1);
}

TEST(an_unchanged_tracker_is_not_sent_again_but_its_cookie_slides)
{
	Request request = get("/_view/client.js");
	char	tags[128];

	start(NULL);
	request.accept_encoding = text_of("br, gzip;q=0.5");
	ask(connect_from("192.0.2.1"), &request);
	CHECK(says("\r\nContent-Encoding: gzip\r\n"));
	CHECK(listener.assets.client.gzip_length <= 3000);
	snprintf(tags, sizeof tags, "\"x\", W/%s", listener.assets.client.gzip_tag);
	request.if_none_match = text_of(tags);
	REQUIRE(ask(connect_from("192.0.2.1"), &request) == HTTP_RESPOND);
	CHECK(says("HTTP/1.1 304 Not Modified\r\n"));
	CHECK(says("\r\nSet-Cookie: "));
	CHECK(!says("Content-Encoding"));
	CHECK(says("\r\n\r\n"));
	request.if_none_match = text_of("\"x\"");
	ask(connect_from("192.0.2.1"), &request);
	CHECK(says("HTTP/1.1 200 OK\r\n"));
}

TEST(the_compressed_tracker_is_the_same_tracker)
{
	const Asset *asset = &listener.assets.client;
	static char	 plain[64 * 1024];
	z_stream	 stream = {0};

	start(NULL);
	stream.next_in = (Bytef *) asset->gzip;
	stream.avail_in = (uInt) asset->gzip_length;
	stream.next_out = (Bytef *) plain;
	stream.avail_out = sizeof plain;
	REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
	CHECK_INT(inflate(&stream, Z_FINISH), Z_STREAM_END);
	CHECK_BYTES(plain, stream.total_out, asset->data, asset->length);
	inflateEnd(&stream);
}

TEST(a_prefetched_tracker_makes_no_session)
{
	Request request = get("/_view/client.js");

	start(NULL);
	request.sec_purpose = text_of("prefetch;prerender");
	ask(connect_from("192.0.2.1"), &request);
	CHECK(says("HTTP/1.1 200 OK\r\n"));
	CHECK(!says("Set-Cookie"));
}

TEST(only_a_trusted_proxy_can_say_that_it_was_tls)
{
	static const struct
	{
		const char *proto;
		bool		secure;
	} cases[] = {{"https", true},		{"HTTPS", true},	   {"http", false},
				 {"http, https", true}, {"http,Https ", true}, {"https, http", false},
				 {"", false},			{"httpss", false},	   {"xhttps", false}};
	Request request = get("/_view/client.js");

	start(NULL);
	request.forwarded_proto = text_of("https");
	ask(connect_from("192.0.2.1"), &request);
	CHECK(!says("; Secure"));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
	{
		Connection *connection = connect_from("10.0.0.1");

		request.forwarded_proto = text_of(cases[i].proto);
		ask(connection, &request);
		CHECK_INT(says("; Secure\r\n"), cases[i].secure);
		callers_release(&listener, connection);
	}
}

TEST(what_is_not_there_is_not_found)
{
	static const char *const paths[] = {"/_view",		 "/_view/",			  "/_view/client.jsx",
										"/client.js",	 "/_viewx/client.js", "/page_d",
										"/_view/socket", "/page_a/",		  ""};

	start(NULL);
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
	{
		Connection *connection = connect_from("192.0.2.1");
		Request		request = get(paths[i]);

		REQUIRE(ask(connection, &request) == HTTP_RESPOND);
		CHECK(says("HTTP/1.1 404 "));
		callers_release(&listener, connection);
	}
}

TEST(requests_with_bodies_that_nobody_asked_for_are_cut_off)
{
	Request request = get("/_view/client.js");

	start(NULL);
	request.content_length = text_of("5");
	CHECK_INT(ask(connect_from("192.0.2.1"), &request), HTTP_HANG_UP);
	request = get("/_view/client.js");
	request.post = true;
	CHECK_INT(ask(connect_from("192.0.2.1"), &request), HTTP_HANG_UP);
}

TEST(health_is_what_the_worker_says)
{
	Request request = get("/_view/healthz");

	start(NULL);
	ask(connect_from("192.0.2.1"), &request);
	CHECK(says("HTTP/1.1 200 OK\r\n"));
	listener.busy = true;
	ask(connect_from("192.0.2.1"), &request);
	CHECK(says("HTTP/1.1 503 "));
	CHECK(says("\r\nRetry-After: "));
}

TEST(the_demo_has_its_pages_and_only_when_it_is_on)
{
	static const struct
	{
		const char *path;
		const char *says;
	} pages[] = {{"/page_a", "<title>Page A</title>"},
				 {"/page_b", "href=\"/page_c/tab_2\""},
				 {"/page_c/tab_1", "<title>Page C, Tab 1</title>"},
				 {"/page_c/tab_2", "<title>Page C, Tab 2</title>"},
				 {"/", "/_view/client.js"},
				 {"/page_c", "HTTP/1.1 302 Found\r\n"},
				 {"/demo.js", "text/javascript"},
				 {"/demo.css", "text/css"}};

	start(NULL);
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
	{
		Connection *connection = connect_from("192.0.2.1");
		Request		request = get(pages[i].path);

		ask(connection, &request);
		CHECK(says(pages[i].says));
		CHECK(!says("{{"));
		listener.configuration.is.demo = false;
		ask(connection, &request);
		CHECK(says("HTTP/1.1 404 "));
		listener.configuration.is.demo = true;
		callers_release(&listener, connection);
	}
}

/* --- upgrades ------------------------------------------------------------------ */

TEST(an_upgrade_is_checked_before_it_happens)
{
	Request		good = upgrade();
	Request		bad[13];
	Connection *connection;

	start(NULL);
	for (int i = 0; i < 13; i++)
		bad[i] = good;
	bad[0].origin = text_of("");
	bad[1].origin = text_of("null");
	bad[2].origin = text_of("https://evil.example");
	bad[3].websocket_version = text_of("8");
	bad[4].websocket_protocols = text_of("pageviews.v2, xpageviews.v1");
	bad[5].repeated = true;
	bad[6].path = text_of("/_view/socket/");
	bad[7].host = text_of("");
	bad[8].content_length = text_of("0");
	bad[9].transfer_encoding = text_of("chunked");
	bad[10].websocket_key = text_of("");
	bad[11].websocket_key = text_of("dGhlIHNhbXBsZSBub25jZQ=");
	bad[12].websocket_key = text_of("dGhlIHNhbXBsZSBub25jZQ==a");
	for (int i = 0; i < 13; i++)
	{
		connection = connect_from("192.0.2.1");
		CHECK_INT(http_check_upgrade(&listener, connection, &bad[i], now), i < 3 ? 403 : 400);
		callers_release(&listener, connection);
	}
	CHECK_INT(listener.counters[COUNT_REFUSED_ORIGIN], 3);
	CHECK_INT(listener.counters[COUNT_REFUSED_REQUEST], 10);

	connection = connect_from("192.0.2.1");
	CHECK_INT(http_check_upgrade(&listener, connection, &good, now), 0);
	CHECK_BYTES(connection->site, connection->site_length, "example.com", 11);
	CHECK(!uuid_is_nil(&connection->session));

	listener.busy = true;
	CHECK_INT(http_check_upgrade(&listener, connect_from("192.0.2.1"), &good, now), 503);
	listener.busy = false;
	listener.configuration.is.respect_gpc = true;
	good.gpc = text_of("1");
	CHECK_INT(http_check_upgrade(&listener, connect_from("192.0.2.1"), &good, now), 403);
}

TEST(behind_a_proxy_each_visitor_has_a_share)
{
	Request request = upgrade();

	start(NULL);
	request.forwarded_for = text_of("198.51.100.1");
	CHECK_INT(http_check_upgrade(&listener, connect_from("10.0.0.1"), &request, now), 0);
	CHECK_INT(http_check_upgrade(&listener, connect_from("10.0.0.1"), &request, now), 0);
	CHECK_INT(http_check_upgrade(&listener, connect_from("10.0.0.1"), &request, now), 429);
	request.forwarded_for = text_of("198.51.100.1, 198.51.100.2");
	CHECK_INT(http_check_upgrade(&listener, connect_from("10.0.0.1"), &request, now), 0);
	CHECK_INT(listener.counters[COUNT_REFUSED_ADDRESS], 1);
}

TEST(only_a_trusted_proxy_can_say_which_host_was_asked_for)
{
	Request request = upgrade();

	start(NULL);
	request.host = text_of("inside.local:8077");
	request.forwarded_host = text_of("other.example, example.com");
	CHECK_INT(http_check_upgrade(&listener, connect_from("192.0.2.1"), &request, now), 403);
	CHECK_INT(http_check_upgrade(&listener, connect_from("10.0.0.1"), &request, now), 0);
	request.forwarded_host = text_of("example.com, other.example");
	CHECK_INT(http_check_upgrade(&listener, connect_from("10.0.0.1"), &request, now), 403);
}

TEST(behind_a_proxy_each_visitor_has_a_pace)
{
	Request request = get("/_view/healthz");

	start(NULL);
	listener.configuration.is.limits.connection_rate = 2;
	request.forwarded_for = text_of("198.51.100.1");
	for (int i = 0; i < 6; i++)
	{
		CHECK_INT(ask(connect_from("10.0.0.1"), &request), HTTP_RESPOND);
		CHECK(says(i < 4 ? "HTTP/1.1 200 " : "HTTP/1.1 429 "));
	}
	CHECK_INT(listener.counters[COUNT_REFUSED_RATE], 2);

	/* What the proxy asks for itself has none, and what a stranger says was forwarded is not. */
	request.forwarded_for = text_of("");
	CHECK_INT(ask(connect_from("10.0.0.1"), &request), HTTP_RESPOND);
	CHECK(says("HTTP/1.1 200 "));
	request.forwarded_for = text_of("198.51.100.1");
	CHECK_INT(ask(connect_from("192.0.2.1"), &request), HTTP_RESPOND);
	CHECK(says("HTTP/1.1 200 "));
}

/* Makes a listening socket at a port of 127.0.0.1, or in the abstract for Unix. */
static int
listen_somewhere(int family, struct sockaddr_storage *address, socklen_t *length)
{
	int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memset(address, 0, sizeof *address);
	address->ss_family = (sa_family_t) family;
	*length = sizeof(sa_family_t);
	if (family == AF_INET)
	{
		((struct sockaddr_in *) address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		*length = sizeof(struct sockaddr_in);
	}
	CHECK_INT(bind(descriptor, (struct sockaddr *) address, *length), 0);
	CHECK_INT(listen(descriptor, 16), 0);
	*length = sizeof *address;
	CHECK_INT(getsockname(descriptor, (struct sockaddr *) address, length), 0);
	return descriptor;
}

static Connection *accepted[8];
static int		   accepted_count;

static void
keep_caller(Connection *connection, int descriptor)
{
	close(descriptor);
	accepted[accepted_count++] = connection;
}

/* Calls so many times; returns how many got in. */
static int
call(int family, int times)
{
	struct sockaddr_storage address;
	socklen_t				length;
	int						listening = listen_somewhere(family, &address, &length);

	accepted_count = 0;
	for (int i = 0; i < times; i++)
	{
		int caller = socket(family, SOCK_STREAM, 0);

		CHECK_INT(connect(caller, (struct sockaddr *) &address, length), 0);
		callers_take(&listener, listening, keep_caller);
		close(caller);
	}
	close(listening);
	return accepted_count;
}

TEST(who_does_not_ask_in_time_is_hung_up_on)
{
	Micros began;

	start(NULL);
	CHECK_INT(call(AF_INET, 2), 2);
	began = clock_monotonic();
	CHECK(listener.newcomers.first == accepted[0]);
	callers_asked(&listener, accepted[0]);
	callers_tick(&listener, began + 4 * MICROS_PER_SECOND);
	CHECK_INT(dropped, 0);
	callers_tick(&listener, began + 6 * MICROS_PER_SECOND);
	CHECK_INT(dropped, 1);
	CHECK_INT(listener.counters[COUNT_HANDSHAKE_TIMEOUTS], 1);
	CHECK(listener.newcomers.first == NULL && listener.newcomers.last == NULL);
	CHECK(accepted[0]->used && !accepted[1]->used);
}

TEST(an_address_that_calls_too_often_is_not_let_in)
{
	start(NULL);
	listener.configuration.is.limits.connection_rate = 1;
	listener.configuration.is.max_connections_per_address = 0;
	CHECK_INT(call(AF_INET, 5), 2);
	CHECK_INT(listener.counters[COUNT_REFUSED_RATE], 3);
	CHECK_INT(listener.connections.used, 2);
}

TEST(who_comes_by_the_unix_socket_is_a_proxy)
{
	Request request = upgrade();

	start(NULL);
	listener.configuration.is.limits.connection_rate = 1;
	CHECK_INT(call(AF_UNIX, 3), 3);
	request.forwarded_for = text_of("198.51.100.1");
	request.forwarded_proto = text_of("https");
	request.forwarded_host = text_of("www.example.com");
	request.origin = text_of("https://www.example.com");
	for (int i = 0; i < 3; i++)
		CHECK_INT(http_check_upgrade(&listener, accepted[i], &request, now), i < 2 ? 0 : 429);
	CHECK(accepted[0]->secure);
	CHECK_BYTES(accepted[0]->site, accepted[0]->site_length, "www.example.com", 15);
}

/* "browser|system|country" of who upgrades with this cookie and these hints. */
static const char *
visitor_with(const char *peer, const char *cookie, const char *brands, const char *country)
{
	static char text[256];
	Connection *connection = connect_from(peer);
	Request		request = upgrade();
	Visitor		visitor;

	request.cookie = text_of(cookie);
	request.user_agent = text_of("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
								 "(KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36");
	request.brands = text_of(brands);
	request.country = text_of(country);
	CHECK_INT(http_check_upgrade(&listener, connection, &request, now), 0);
	visitor = http_visitor(&listener, connection, &request);
	snprintf(text, sizeof text, "%.*s|%.*s|%.2s", visitor.browser.length, visitor.browser.data,
			 visitor.system.length, visitor.system.data, visitor.country);
	callers_release(&listener, connection);
	return text;
}

TEST(hints_that_came_with_the_script_serve_the_socket_with_its_cookie)
{
	Request		request = get("/_view/client.js");
	Connection *connection;
	char		cookie[200];
	const char *line;

	start(NULL);
	connection = connect_from("192.0.2.1");
	request.brands = text_of("\"Brave\";v=\"131\"");
	request.platform = text_of("\"macOS\"");
	CHECK_INT(ask(connection, &request), HTTP_RESPOND);
	line = memmem(response_bytes(&response), response.length, "Set-Cookie: ", 12);
	REQUIRE(line != NULL);
	snprintf(cookie, sizeof cookie, "%.*s", (int) strcspn(line + 12, ";"), line + 12);
	callers_release(&listener, connection);

	CHECK_STRING(visitor_with("192.0.2.1", cookie, "", ""), "Brave|Mac OS X|");
	CHECK_STRING(visitor_with("192.0.2.1", cookie, "\"Vivaldi\";v=\"7\"", ""), "Vivaldi|Windows|");
	CHECK_STRING(visitor_with("192.0.2.1", "", "", ""), "Chrome|Windows|");
}

TEST(only_a_trusted_proxy_is_believed_about_the_country)
{
	start(NULL);
	CHECK_STRING(visitor_with("10.0.0.1", "", "", "CH"), "Chrome|Windows|CH");
	CHECK_STRING(visitor_with("10.0.0.1", "", "", " ch"), "Chrome|Windows|CH");
	CHECK_STRING(visitor_with("10.0.0.1", "", "", "T1"), "Chrome|Windows|");
	CHECK_STRING(visitor_with("10.0.0.1", "", "", "XX"), "Chrome|Windows|");
	CHECK_STRING(visitor_with("10.0.0.1", "", "", "CHE"), "Chrome|Windows|");
	CHECK_STRING(visitor_with("192.0.2.1", "", "", "CH"), "Chrome|Windows|");
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(the_tracker_comes_with_a_cookie_and_its_settings);
	RUN(an_unchanged_tracker_is_not_sent_again_but_its_cookie_slides);
	RUN(the_compressed_tracker_is_the_same_tracker);
	RUN(a_prefetched_tracker_makes_no_session);
	RUN(only_a_trusted_proxy_can_say_that_it_was_tls);
	RUN(what_is_not_there_is_not_found);
	RUN(requests_with_bodies_that_nobody_asked_for_are_cut_off);
	RUN(health_is_what_the_worker_says);
	RUN(the_demo_has_its_pages_and_only_when_it_is_on);
	RUN(an_upgrade_is_checked_before_it_happens);
	RUN(behind_a_proxy_each_visitor_has_a_share);
	RUN(only_a_trusted_proxy_can_say_which_host_was_asked_for);
	RUN(behind_a_proxy_each_visitor_has_a_pace);
	RUN(who_does_not_ask_in_time_is_hung_up_on);
	RUN(an_address_that_calls_too_often_is_not_let_in);
	RUN(who_comes_by_the_unix_socket_is_a_proxy);
	RUN(hints_that_came_with_the_script_serve_the_socket_with_its_cookie);
	RUN(only_a_trusted_proxy_is_believed_about_the_country);
	start(NULL);
	return unit_finish();
}
