/*
 * fault_proxy.c
 *	  A bad network: a TCP proxy on this machine that stalls, cuts and half-opens.
 *
 *	fault_proxy stalled|cut|half-open PORT SEED
 *
 * Says "port N" and listens there; what it accepts goes on to 127.0.0.1:PORT.  By
 * chance, in the order that the seed gives, a connection meets its misfortune within
 * three seconds:
 *
 *	stalled		its bytes stand still for 0.5 to 3 s, in one direction or both, and
 *				then go on; again and again
 *	cut			half of the bytes on their way arrive, then each end sees a FIN or a
 *				reset
 *	half-open	one direction, or both, swallows everything from now on, ends
 *				included: only a timeout notices
 *
 * From SIGUSR1 on no connection meets a new one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAIR_LIMIT 4096
#define TURN_MS	   10
#define SECOND	   INT64_C(1000000)

/* One end of a connection, and what it said that the other has not got yet. */
typedef struct Side
{
	int		fd;		   /* -1: closed */
	int64_t stalled;   /* until then nothing is read from it */
	bool	swallowed; /* what it says goes nowhere */
	size_t	length;
	char	bytes[16384];
} Side;

typedef struct Pair
{
	Side	side[2]; /* visitor, listener */
	int64_t strikes; /* when it meets its misfortune; INT64_MAX: never */
} Pair;

typedef enum Kind
{
	STALLED,
	CUT,
	HALF_OPEN
} Kind;

static Kind		kind;
static uint64_t dice;
static Pair	   *pairs[PAIR_LIMIT];
static int		pair_count;

static volatile sig_atomic_t mended;

static void
on_usr1(int signal)
{
	(void) signal;
	mended = 1;
}

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * SECOND + t.tv_nsec / 1000;
}

/* A number below `limit`: splitmix64. */
static uint64_t
roll(uint64_t limit)
{
	uint64_t a = dice += UINT64_C(0x9e3779b97f4a7c15);

	a = (a ^ a >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	a = (a ^ a >> 27) * UINT64_C(0x94d049bb133111eb);
	return (a ^ a >> 31) % limit;
}

static void
close_side(Side *side, bool reset)
{
	struct linger now = {1, 0};

	if (side->fd < 0)
		return;
	if (reset)
		setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(side->fd);
	side->fd = -1;
}

/* Writes what waits for `to`, at most `most` bytes of it. */
static void
pass_on(Side *from, Side *to, size_t most)
{
	ssize_t done;

	if (to->fd < 0)
		from->length = 0;
	if (from->length == 0)
		return;
	done = send(to->fd, from->bytes, from->length < most ? from->length : most,
				MSG_NOSIGNAL | MSG_DONTWAIT);
	if (done <= 0)
		return;
	from->length -= (size_t) done;
	memmove(from->bytes, from->bytes + done, from->length);
}

/* Reads what a side says; what became of it: true while it is there. */
static bool
listen_to(Side *side, bool *reset)
{
	ssize_t got;

	if (side->length == sizeof side->bytes)
		return true;
	got =
		recv(side->fd, side->bytes + side->length, sizeof side->bytes - side->length, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	*reset = got < 0;
	if (got > 0)
		side->length += (size_t) got;
	if (side->swallowed)
		side->length = 0;
	return got > 0;
}

/* A connection's misfortune. */
static void
strike(Pair *pair, int64_t now)
{
	uint64_t which = 1 + roll(3);
	bool	 reset;

	pair->strikes = INT64_MAX;
	switch (kind)
	{
		case STALLED:
			for (int i = 0; i < 2; i++)
			{
				if (which >> i & 1)
					pair->side[i].stalled = now + SECOND / 2 + (int64_t) roll(5 * SECOND / 2);
			}
			pair->strikes = now + 3 * SECOND + (int64_t) roll(3 * SECOND);
			break;
		case CUT:
			for (int i = 0; i < 2; i++)
			{
				if (pair->side[i].fd >= 0)
					listen_to(&pair->side[i], &reset);
				pass_on(&pair->side[i], &pair->side[1 - i], pair->side[i].length / 2);
			}
			for (int i = 0; i < 2; i++)
				close_side(&pair->side[i], roll(2));
			break;
		case HALF_OPEN:
			for (int i = 0; i < 2; i++)
				pair->side[i].swallowed = which >> i & 1;
			break;
	}
}

/* A new caller; the way on to the listener is opened. */
static void
greet(int listening, const struct sockaddr_in *to)
{
	int	  one = 1;
	int	  fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	Pair *pair;

	if (fd < 0)
		return;
	pair = calloc(1, sizeof *pair);
	if (pair == NULL || pair_count == PAIR_LIMIT)
		abort();
	pair->side[0].fd = fd;
	pair->side[1].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	for (int i = 0; i < 2; i++)
		setsockopt(pair->side[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	connect(pair->side[1].fd, (const struct sockaddr *) to, sizeof *to);
	pair->strikes = INT64_MAX;
	if (!mended && roll(3) > 0)
		pair->strikes = now_us() + (int64_t) roll(3 * SECOND);
	pairs[pair_count++] = pair;
}

/* What happened on one side of a connection. */
static void
attend(Pair *pair, int i, short events)
{
	Side *side = &pair->side[i];
	Side *other = &pair->side[1 - i];
	bool  reset = false;

	if (events & (POLLIN | POLLHUP | POLLERR) && !listen_to(side, &reset))
	{
		pass_on(side, other, SIZE_MAX);
		close_side(side, reset);
		if (!side->swallowed)
			close_side(other, reset);
		return;
	}
	pass_on(side, other, SIZE_MAX);
	pass_on(other, side, SIZE_MAX);
}

/* What poll() is to look for on a side; a stalled one is left alone altogether. */
static struct pollfd
wanted(const Pair *pair, int i, int64_t now)
{
	struct pollfd want = {.fd = pair->side[i].fd, .events = POLLIN};

	if (pair->side[i].stalled > now)
		want.fd = -1;
	if (pair->side[1 - i].length > 0)
		want.events |= POLLOUT;
	return want;
}

static void
turn(int listening, const struct sockaddr_in *to)
{
	static struct pollfd polled[2 * PAIR_LIMIT + 1];
	int64_t				 now = now_us();
	int					 known = pair_count;

	for (int i = 0; i < known; i++)
	{
		if (now >= pairs[i]->strikes && !mended)
			strike(pairs[i], now);
		for (int j = 0; j < 2; j++)
			polled[2 * i + j] = wanted(pairs[i], j, now);
	}
	polled[2 * known] = (struct pollfd){.fd = listening, .events = POLLIN};
	if (poll(polled, (nfds_t) (2 * known + 1), TURN_MS) < 0)
		return;
	if (polled[2 * known].revents)
		greet(listening, to);
	for (int i = known - 1; i >= 0; i--)
	{
		Pair *pair = pairs[i];

		for (int j = 0; j < 2; j++)
		{
			if (pair->side[j].fd >= 0 && polled[2 * i + j].revents)
				attend(pair, j, polled[2 * i + j].revents);
		}
		if (pair->side[0].fd < 0 && pair->side[1].fd < 0)
		{
			free(pair);
			pairs[i] = pairs[--pair_count];
		}
	}
}

int
main(int argc, char **argv)
{
	static const char *const kinds[] = {"stalled", "cut", "half-open"};
	struct sigaction		 action = {.sa_handler = on_usr1};
	struct sockaddr_in		 here = {.sin_family = AF_INET}, to = here;
	socklen_t				 length = sizeof here;
	int						 listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 4)
		return 2;
	while ((size_t) kind < 3 && strcmp(argv[1], kinds[kind]) != 0)
		kind++;
	here.sin_addr.s_addr = to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t) atoi(argv[2]));
	dice = strtoull(argv[3], NULL, 10);
	if ((size_t) kind == 3 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
		sigaction(SIGUSR1, &action, NULL) < 0 ||
		bind(listening, (struct sockaddr *) &here, sizeof here) < 0 ||
		listen(listening, SOMAXCONN) < 0 ||
		getsockname(listening, (struct sockaddr *) &here, &length) < 0)
	{
		perror("fault_proxy");
		return 2;
	}
	printf("port %d\n", ntohs(here.sin_port));
	fflush(stdout);
	for (;;)
		turn(listening, &to);
}
