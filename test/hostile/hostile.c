/*
 * hostile.c
 *	  Very many hostile connections to a listener, and an honest visitor beside them.
 *
 *	  hostile --port N [options]
 *	  --connections N	in all (5000)
 *	  --seed N			(by the clock) ...
 *	  --first N			... and the number of the first: connection n of a seed
 *						sends the same bytes in every run
 *	  --sockets N		at a time (200)
 *	  --patience S		how long the honest visitor waits for an answer (10)
 *	  --stretch N		times N the pauses, and what an answer may take (1)
 *	  --queue N			as long as more than N wait to be accepted nobody else calls:
 *						what is measured is the server, not its backlog (no limit)
 *	  --tls				the server speaks TLS
 *
 * One thread, epoll.  Every answer must be one that the server gives: nothing, or
 * HTTP with a known status, and behind a 101 unmasked frames whose texts are JSON.
 * Closes with one line of JSON; status 1 when an answer was none, or the honest
 * visitor was not served, or the server stopped listening.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../src/common/text.h"
#include "attack.h"
#include "honest.h"

#define INPUT_LIMIT 4096
#define GIVE_UP_MS	2000 /* with a connection that cannot write */
#define LOOK_MS		50	 /* between two looks at the queue */

typedef struct Slot
{
	int		 socket; /* -1: free */
	uint64_t number;
	Attack	*attack;
	size_t	 sent;
	int		 piece;
	bool	 answered; /* its HTTP head is through */
	bool	 framed;   /* it was a 101 */
	bool	 deaf;	   /* what comes is looked at no more */
	int64_t	 due;	   /* next piece, or the end */
	int64_t	 born;
	size_t	 length;
	uint8_t	 input[INPUT_LIMIT];
} Slot;

static struct
{
	int		 port;
	uint64_t connections;
	uint64_t seed;
	uint64_t first;
	int		 sockets;
	int		 patience;
	int		 stretch;
	unsigned queue;
	bool	 tls;
} options = {
	.connections = 5000, .sockets = 200, .patience = 10, .stretch = 1, .queue = UINT32_MAX};

static int		poller;
static Slot	   *slots;
static uint64_t begun;
static uint64_t done;
static uint64_t refused_connects;
static uint64_t bad;
static uint64_t statuses[1000]; /* 0: hung up without a word */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- answers -------------------------------------------------------------------- */

static void
complain(const Slot *slot, const char *what)
{
	char text[400];

	if (bad++ >= 10)
		return;
	text_escape((const char *) slot->input, slot->length, text, sizeof text);
	fprintf(stderr, "--seed %llu --first %llu --connections 1: %s: \"%s\"\n",
			(unsigned long long) options.seed, (unsigned long long) slot->number, what, text);
}

static bool
is_known(int status)
{
	static const int known[] = {101, 200, 204, 302, 304, 400, 403, 404, 405, 408,
								411, 413, 414, 415, 417, 426, 429, 431, 503};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i] == status)
			return true;
	return false;
}

static void
drop_input(Slot *slot, size_t length)
{
	memmove(slot->input, slot->input + length, slot->length - length);
	slot->length -= length;
}

/* The head of an HTTP answer, once it is all there. */
static void
judge_head(Slot *slot)
{
	const uint8_t *end = memmem(slot->input, slot->length, "\r\n\r\n", 4);
	int			   status = 0;

	if (slot->length >= 13 &&
		(memcmp(slot->input, "HTTP/1.", 7) != 0 ||
		 sscanf((char *) slot->input + 8, " %3d ", &status) != 1 || !is_known(status)))
	{
		complain(slot, "no answer of this server");
		slot->deaf = true;
		return;
	}
	if (end == NULL)
		return;
	statuses[status]++;
	slot->answered = true;
	slot->framed = status == 101;
	slot->deaf = !slot->framed;
	drop_input(slot, (size_t) (end - slot->input) + 4);
}

/* One frame of the server's; false when it is not all there. */
static bool
judge_frame(Slot *slot)
{
	size_t		   head = 2;
	size_t		   length;
	size_t		   end;
	int			   opcode;
	const uint8_t *payload;

	if (slot->length < 4)
		return false;
	opcode = slot->input[0] & 15;
	length = slot->input[1] & 127;
	if (length == 126)
	{
		length = (size_t) slot->input[2] << 8 | slot->input[3];
		head = 4;
	}
	if ((slot->input[0] & 0xf0) != 0x80 || (slot->input[1] & 0x80) || length == 127 ||
		(opcode != 1 && opcode != 8 && opcode != 9 && opcode != 10))
	{
		complain(slot, "no frame of this server");
		slot->deaf = true;
		return false;
	}
	if (slot->length < head + length)
		return false;
	payload = slot->input + head;
	/* The hello has blanks behind it. */
	end = length >= 2 && memcmp(payload + length - 2, "\r\n", 2) == 0 ? length - 2 : length;
	if (opcode == 1 && (end < 2 || payload[0] != '{' || payload[end - 1] != '}' ||
						!text_is_clean((const char *) payload, end)))
		complain(slot, "no message of this server");
	/* After a close frame nothing is promised. */
	slot->deaf = opcode == 8;
	drop_input(slot, head + length);
	return true;
}

/* --- a connection ----------------------------------------------------------------- */

static void
begin(Slot *slot)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int				   on = 1;
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = slot};

	slot->number = options.first + begun++;
	attack_make(slot->attack, options.seed, slot->number);
	slot->sent = slot->length = 0;
	slot->piece = 0;
	slot->answered = slot->framed = slot->deaf = false;
	slot->born = slot->due = now_ms();
	slot->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	/* From many addresses: those of one would have no ports left. */
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + slot->number % 200);
	(void) setsockopt(slot->socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	(void) bind(slot->socket, (struct sockaddr *) &address, sizeof address);
	(void) setsockopt(slot->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t) options.port);
	if (connect(slot->socket, (struct sockaddr *) &address, sizeof address) != 0 &&
		errno != EINPROGRESS)
		refused_connects++;
	epoll_ctl(poller, EPOLL_CTL_ADD, slot->socket, &event);
}

static void
finish(Slot *slot)
{
	struct linger reset = {1, 0};

	if (!slot->answered)
		statuses[0]++;
	if (slot->attack->end == ATTACK_RESETS)
		(void) setsockopt(slot->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(slot->socket);
	slot->socket = -1;
	done++;
}

/* Reads what is there; false at the end of the stream. */
static bool
hear(Slot *slot)
{
	for (;;)
	{
		/* The demo's pages are long: what nobody looks at is thrown away. */
		if (slot->deaf || (slot->length == sizeof slot->input && slot->answered))
			slot->length = 0;
		ssize_t got =
			recv(slot->socket, slot->input + slot->length, sizeof slot->input - slot->length, 0);

		if (got < 0 && errno == ECONNREFUSED)
			refused_connects++;
		if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN))
			return true;
		if (got <= 0)
			return false;
		slot->length += (size_t) got;
		if (options.tls)
			slot->deaf = true;
		if (!slot->answered && !slot->deaf)
			judge_head(slot);
		while (slot->framed && !slot->deaf && judge_frame(slot))
			;
	}
}

/* Sends what is due; false when it is over. */
static bool
act(Slot *slot, int64_t now)
{
	Attack *attack = slot->attack;

	if (now < slot->due)
		return true;
	if (slot->piece == attack->piece_count)
		return false;
	while (slot->sent < attack->pieces[slot->piece])
	{
		ssize_t sent = send(slot->socket, attack->bytes + slot->sent,
							attack->pieces[slot->piece] - slot->sent, MSG_NOSIGNAL);

		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			return now - slot->born < GIVE_UP_MS;
		if (sent < 0)
		{
			/* Hung up on: what it was told is still to be read. */
			slot->sent = attack->length;
			slot->piece = attack->piece_count;
			slot->due = now + 5;
			return true;
		}
		slot->sent += (size_t) sent;
	}
	slot->piece++;
	slot->due = now + options.stretch * (slot->piece < attack->piece_count ? attack->pause_ms
																		   : attack->linger_ms);
	if (slot->piece == attack->piece_count && attack->end == ATTACK_HALF_CLOSES)
		(void) shutdown(slot->socket, SHUT_WR);
	return true;
}

/* How many wait until the server accepts them, as the kernel lists it. */
static unsigned
waiting(void)
{
	char	 line[256];
	unsigned port;
	unsigned state;
	unsigned queue = 0;
	FILE	*list = fopen("/proc/net/tcp", "r");

	/* Who listens stands at the top. */
	while (list != NULL && fgets(line, sizeof line, list) != NULL)
	{
		if (sscanf(line, " %*d: %*x:%x %*x:%*x %x %*x:%x", &port, &state, &queue) == 3 &&
			state == TCP_LISTEN && port == (unsigned) options.port)
			break;
		queue = 0;
	}
	if (list != NULL)
		fclose(list);
	return queue;
}

/* Whether one more may call. */
static bool
may_call(void)
{
	static int64_t looked;
	static bool	   may = true;

	if (options.queue != UINT32_MAX && now_ms() - looked >= LOOK_MS)
	{
		may = waiting() <= options.queue;
		looked = now_ms();
	}
	return may;
}

/* --- the run ---------------------------------------------------------------------- */

/* False when the server is gone. */
static bool
run(void)
{
	static struct epoll_event events[512];
	int64_t					  shown = now_ms();

	while (done < options.connections)
	{
		int count = epoll_wait(poller, events, 512, 1);

		for (int i = 0; i < count; i++)
		{
			Slot *slot = events[i].data.ptr;

			if (slot->socket >= 0 && !hear(slot))
				finish(slot);
		}
		for (int i = 0; i < options.sockets; i++)
		{
			Slot *slot = &slots[i];

			if (slot->socket >= 0 && !act(slot, now_ms()))
				finish(slot);
			if (slot->socket < 0 && begun < options.connections && may_call())
				begin(slot);
		}
		if (refused_connects > 50)
			return false;
		if (isatty(STDERR_FILENO) && now_ms() - shown > 1000)
		{
			shown = now_ms();
			fprintf(stderr, "\r%llu", (unsigned long long) done);
		}
	}
	return true;
}

static void
read_options(int argc, char **argv)
{
	static const struct option known[] = {{"port", 1, NULL, 'p'},	 {"connections", 1, NULL, 'c'},
										  {"seed", 1, NULL, 's'},	 {"first", 1, NULL, 'f'},
										  {"sockets", 1, NULL, 'n'}, {"patience", 1, NULL, 'w'},
										  {"stretch", 1, NULL, 'x'}, {"queue", 1, NULL, 'q'},
										  {"tls", 0, NULL, 't'},	 {0}};
	int						   option;

	options.seed = (uint64_t) time(NULL);
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
	{
		switch (option)
		{
			case 'p':
				options.port = atoi(optarg);
				break;
			case 'c':
				options.connections = strtoull(optarg, NULL, 10);
				break;
			case 's':
				options.seed = strtoull(optarg, NULL, 10);
				break;
			case 'f':
				options.first = strtoull(optarg, NULL, 10);
				break;
			case 'n':
				options.sockets = atoi(optarg);
				break;
			case 'w':
				options.patience = atoi(optarg);
				break;
			case 'x':
				options.stretch = atoi(optarg);
				break;
			case 'q':
				options.queue = (unsigned) atoi(optarg);
				break;
			case 't':
				options.tls = true;
				break;
			default:
				exit(2);
		}
	}
	if (options.port == 0 || options.sockets < 1)
	{
		fprintf(stderr, "usage: hostile --port N [options]\n");
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	static uint8_t hello[2048];
	int64_t		   began;
	bool		   stood;
	HonestReport   honest;

	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	attack_init(options.port, options.tls, hello, honest_client_hello(hello, sizeof hello));
	slots = calloc((size_t) options.sockets, sizeof *slots);
	for (int i = 0; i < options.sockets; i++)
	{
		slots[i].socket = -1;
		slots[i].attack = malloc(sizeof(Attack));
	}
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (!honest_start(options.port, options.tls, 5, options.patience))
	{
		perror("no honest visitor");
		return 1;
	}
	began = now_ms();
	stood = run();
	honest = honest_stop();
	if (!stood)
		fprintf(stderr,
				"the server is gone; it was one of: --seed %llu --first %llu --connections %llu\n",
				(unsigned long long) options.seed,
				(unsigned long long) (options.first + begun) - (unsigned) options.sockets,
				(unsigned long long) options.sockets);

	printf(
		"{\"seed\":%llu,\"connections\":%llu,\"seconds\":%.1f,\"bad_answers\":%llu,\"statuses\":{",
		(unsigned long long) options.seed, (unsigned long long) done,
		(double) (now_ms() - began) / 1000, (unsigned long long) bad);
	for (int i = 0, any = 0; i < 1000; i++)
		if (statuses[i] > 0)
			printf("%s\"%d\":%llu", any++ ? "," : "", i, (unsigned long long) statuses[i]);
	printf("},\"honest\":{\"served\":%llu,\"failed\":%llu,\"p50_ms\":%.1f,\"p99_ms\":%.1f,"
		   "\"worst_ms\":%.1f,\"complaint\":\"%s\"}}\n",
		   (unsigned long long) honest.served, (unsigned long long) honest.failed, honest.p50_ms,
		   honest.p99_ms, honest.worst_ms, honest.complaint);
	return stood && bad == 0 && honest.failed == 0 && honest.served > 0 ? 0 : 1;
}
