/*
 * sandbox.c
 *	  Filters of system calls, by libseccomp.
 *
 * The list below is all that a listener does while it serves, found by tracing
 * it under every hostile and honest test; what is not on it kills the process
 * before the kernel begins with it.  So whoever takes a listener over has the
 * sockets of its visitors and the channel to the worker, and no way to more: no
 * file, no new socket, no connection to anywhere, no program, no signal to another
 * process, no memory that can be executed.  accept4 alone makes descriptors.
 *
 * What libraries would do late is done before, or made needless: Jansson opens
 * /dev/urandom once (message_prepare()); glibc looks at /etc/localtime
 * whenever somebody asks for local time, unless TZ names a zone that it knows already;
 * and a second arena of its malloc would read /proc.
 *
 * rt_sigreturn is left out: no handler of ours returns.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* An argument that is an int: its upper half in the register means nothing. */
#define IS_INT(argument, value) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value)

/* No bit of `bits` is set in the argument. */
#define HAS_NONE(argument, bits) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, bits, 0)

static const int allowed_calls[] = {
	/* the loop */
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	/* sockets, the channel */
	SCMP_SYS(accept4), SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(recvfrom), SCMP_SYS(close),
	SCMP_SYS(getpeername),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(futex),
	/* time and chance */
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield), SCMP_SYS(getrandom),
	/* the end, by exit or by abort() */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(rt_sigprocmask), SCMP_SYS(exit_group)};

/* A call that is allowed with these arguments only. */
typedef struct Rule
{
	int					call;
	unsigned			count;
	struct scmp_arg_cmp arguments[2];
} Rule;

static const Rule rules[] = {
	/* to nobody but the other end */
	{SCMP_SYS(sendto), 1, {SCMP_CMP(4, SCMP_CMP_EQ, 0, 0)}},
	/* nobody needs to end the reading half */
	{SCMP_SYS(shutdown), 1, {IS_INT(1, SHUT_WR)}},
	{SCMP_SYS(fcntl), 1, {IS_INT(1, F_GETFL)}},
	{SCMP_SYS(fcntl), 1, {IS_INT(1, F_SETFL)}},
	{SCMP_SYS(ioctl), 1, {IS_INT(1, FIONBIO)}},
	{SCMP_SYS(getsockopt), 2, {IS_INT(1, IPPROTO_TCP), IS_INT(2, TCP_INFO)}},
	{SCMP_SYS(getsockopt), 2, {IS_INT(1, SOL_SOCKET), IS_INT(2, SO_ERROR)}},
	{SCMP_SYS(setsockopt), 2, {IS_INT(1, IPPROTO_TCP), IS_INT(2, TCP_NODELAY)}},
	{SCMP_SYS(setsockopt), 2, {IS_INT(1, IPPROTO_TCP), IS_INT(2, TCP_CORK)}},
	/* new memory of its own, never to be executed */
	{SCMP_SYS(mmap),
	 2,
	 {HAS_NONE(2, PROT_EXEC),
	  SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS | MAP_SHARED, MAP_ANONYMOUS)}},
	{SCMP_SYS(mprotect), 1, {HAS_NONE(2, PROT_EXEC)}}};

/* Adds what is allowed; 0 or a negative errno. */
static int
add_rules(scmp_filter_ctx filter)
{
	int status = 0;

	for (size_t i = 0; i < sizeof allowed_calls / sizeof allowed_calls[0] && status == 0; i++)
		status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
	for (size_t i = 0; i < sizeof rules / sizeof rules[0] && status == 0; i++)
		status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call, rules[i].count,
										rules[i].arguments);

	/* A failed assertion is to look like one: abort() signals this process and no other. */
	if (status == 0)
		status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2,
								  IS_INT(0, (scmp_datum_t) getpid()), IS_INT(2, SIGABRT));
	return status;
}

/* Calls that are allowed for a visitor's socket and must not reach a listening one. */
static const int changing_calls[] = {SCMP_SYS(fcntl), SCMP_SYS(ioctl), SCMP_SYS(setsockopt),
									 SCMP_SYS(shutdown)};

/*
 * Adds what kills although it is allowed: flags and options belong to a socket, not
 * to a descriptor of it, so that a change would last for all who inherit it.  (That
 * FIONBIO means to block stands in memory, where no filter looks.)
 */
static int
add_exceptions(scmp_filter_ctx filter, const int *listening, int count)
{
	int status = 0;

	for (int i = 0; i < count; i++)
	{
		for (size_t j = 0; j < sizeof changing_calls / sizeof changing_calls[0] && status == 0; j++)
			status = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, changing_calls[j], 1,
									  IS_INT(0, (scmp_datum_t) listening[i]));
	}
	return status;
}

/* Begins a filter that does this with what no rule names; NULL if it cannot be. */
static scmp_filter_ctx
new_filter(uint32_t otherwise)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);

	/* All threads or none, should a library have started one; a search by halves. */
	if (filter != NULL &&
		(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
		 seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0 ||
		 seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0))
	{
		seccomp_release(filter);
		return NULL;
	}
	return filter;
}

int
sandbox_enter(const int *listening, int count)
{
	scmp_filter_ctx rest = new_filter(SCMP_ACT_KILL_PROCESS);
	scmp_filter_ctx exceptions = new_filter(SCMP_ACT_ALLOW);
	int				status = rest == NULL || exceptions == NULL ? -ENOSYS : 0;

	(void) setenv("TZ", "UTC0", 1);
	tzset();
	(void) mallopt(M_ARENA_MAX, 1);

	if (status == 0)
		status = add_exceptions(exceptions, listening, count);
	if (status == 0)
		status = add_rules(rest);
	/* The one that allows more comes first: the other one allows no further filter. */
	if (status == 0)
		status = seccomp_load(exceptions);
	if (status == 0)
		status = seccomp_load(rest);
	if (rest != NULL)
		seccomp_release(rest);
	if (exceptions != NULL)
		seccomp_release(exceptions);
	return -status;
}
