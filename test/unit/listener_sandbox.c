/*
 * listener_sandbox.c
 *	  The sandbox: what a listener never does ends it, what it does is done.
 *
 * Each case is a process of its own, which enters the sandbox and does not leave.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "../../src/listener/message.h"
#include "../../src/listener/sandbox.h"
#include "../tools/misdeeds.h"

/* Status with which a case ends that came to its end. */
#define SURVIVED 7

/* The socket that others inherit, if a case has one. */
static int shared = -1;

/* Runs a case in the sandbox; its wait status. */
static int
confined(void (*deed)(const void *), const void *argument)
{
	struct rlimit no_core = {0, 0};
	int			  status = -1;
	pid_t		  child;

	fflush(NULL);
	child = fork();
	if (child == 0)
	{
		setrlimit(RLIMIT_CORE, &no_core);
		if (sandbox_enter(&shared, shared < 0 ? 0 : 1) != 0)
			_exit(1);
		deed(argument);
		_exit(SURVIVED);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return status;
}

static void
commit(const void *misdeed)
{
	(void) misdeed_do(misdeed);
}

TEST(whatever_it_never_does_kills_it)
{
	for (size_t i = 0; i < MISDEED_COUNT; i++)
	{
		int status = confined(commit, &misdeeds[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		{
			unit_complain(__FILE__, __LINE__);
			printf("%s ended with wait status %d\n", misdeeds[i].name, status);
		}
	}
}

/* What a working day has: a caller, words in both directions, memory, time, an end. */
typedef struct Day
{
	int listening;
	int poller;
	int pair[2];
} Day;

static void
expect(bool holds, int status)
{
	if (!holds)
		_exit(status);
}

static void
work(const void *argument)
{
	const Day		  *day = argument;
	struct epoll_event event = {.events = EPOLLIN};
	unsigned char	   bytes[32];
	void			  *small = malloc(100);
	void			  *large = malloc(1 << 20);
	time_t			   now = time(NULL);
	struct tm		   parts;
	int				   on = 1;
	int				   caller;

	caller = accept4(day->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	expect(caller >= 0, 10);
	expect(setsockopt(caller, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
			   setsockopt(caller, IPPROTO_TCP, TCP_CORK, &on, sizeof on) == 0,
		   11);
	expect(fcntl(caller, F_SETFL, O_NONBLOCK) == 0 && ioctl(caller, FIONBIO, &on) == 0, 12);
	expect(epoll_ctl(day->poller, EPOLL_CTL_ADD, caller, &event) == 0, 13);
	expect(epoll_wait(day->poller, &event, 1, 0) == 0, 14);
	expect(send(caller, "hello", 5, MSG_NOSIGNAL) == 5, 15);
	expect(shutdown(caller, SHUT_WR) == 0 && close(caller) == 0, 16);
	expect(send(day->pair[0], "word", 4, MSG_NOSIGNAL | MSG_DONTWAIT) == 4, 17);
	expect(recv(day->pair[1], bytes, sizeof bytes, MSG_DONTWAIT) == 4, 18);
	expect(small != NULL && large != NULL && (large = realloc(large, 3 << 20)) != NULL, 19);
	free(small);
	free(large);
	expect(RAND_bytes(bytes, sizeof bytes) == 1, 20);
	expect(gmtime_r(&now, &parts) != NULL && mktime(&parts) == now, 21);
	expect(usleep(10) == 0, 22);
}

TEST(what_serving_needs_is_allowed)
{
	Day day = {.listening = socket(AF_INET, SOCK_STREAM, 0), .poller = epoll_create1(0)};
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t		   length = sizeof address;
	int				   visitor = socket(AF_INET, SOCK_STREAM, 0);
	unsigned char	   byte;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	REQUIRE(bind(day.listening, (struct sockaddr *) &address, sizeof address) == 0);
	REQUIRE(listen(day.listening, 1) == 0);
	REQUIRE(getsockname(day.listening, (struct sockaddr *) &address, &length) == 0);
	REQUIRE(connect(visitor, (struct sockaddr *) &address, sizeof address) == 0);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, day.pair) == 0);
	REQUIRE(RAND_bytes(&byte, 1) == 1);
	shared = day.listening;
	CHECK_INT(confined(work, &day), SURVIVED << 8);
	shared = -1;
	close(visitor);
	close(day.listening);
	close(day.poller);
	close(day.pair[0]);
	close(day.pair[1]);
}

/* What would change a listening socket for all who have it. */
static void
change(const void *call)
{
	int off = 0;

	switch (*(const int *) call)
	{
		case SYS_fcntl:
			(void) fcntl(shared, F_SETFL, 0);
			break;
		case SYS_ioctl:
			(void) ioctl(shared, FIONBIO, &off);
			break;
		case SYS_setsockopt:
			(void) setsockopt(shared, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
			break;
		case SYS_shutdown:
			(void) shutdown(shared, SHUT_WR);
			break;
		default:
			/* With bits in the register that the kernel does not look at. */
			(void) syscall(SYS_ioctl, UINT64_C(1) << 32 | (unsigned) shared, FIONBIO, &off);
	}
}

TEST(a_listening_socket_is_not_its_to_change)
{
	int calls[] = {SYS_fcntl, SYS_ioctl, SYS_setsockopt, SYS_shutdown, -1};

	shared = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	REQUIRE(listen(shared, 1) == 0);
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
	{
		int status = confined(change, &calls[i]);

		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
	CHECK(fcntl(shared, F_GETFL) & O_NONBLOCK);
	close(shared);
	shared = -1;
}

static void
read_message(const void *text)
{
	char		 data[MESSAGE_LIMIT];
	static Arena arena;
	ViewMessage	 message;
	MessageRules rules = {.site = text_of("example.com")};

	strcpy(data, text);
	expect(message_parse(data, strlen(data), &rules, &arena, &message) == MESSAGE_BAD, 10);
}

TEST(its_first_json_opens_no_file)
{
	message_prepare();
	CHECK_INT(confined(read_message, "{\"type\":\"view\",\"n\":1}"), SURVIVED << 8);
}

static void
fail(const void *nothing)
{
	(void) nothing;
	abort();
}

TEST(a_failed_assertion_looks_like_one)
{
	int status = confined(fail, NULL);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(whatever_it_never_does_kills_it);
	RUN(what_serving_needs_is_allowed);
	RUN(a_listening_socket_is_not_its_to_change);
	RUN(its_first_json_opens_no_file);
	RUN(a_failed_assertion_looks_like_one);
	return unit_finish();
}
