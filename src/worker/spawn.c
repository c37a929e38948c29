/*
 * spawn.c
 *	  Starting a listener: fork, give up everything, exec.
 *
 * The child must not touch anything of Postgres: between fork and exec it makes
 * system calls only, and it leaves by _exit.  It gets descriptor 3 (channel) and
 * 4.. (listening sockets), /dev/null as 0, 1 and 2, an empty environment, default
 * signal handlers and an empty mask, no core dumps, a limit of memory, the first
 * place among those whom the kernel kills when it runs out of memory itself, and a
 * session of its own, so that signals to the worker's process group pass it by.  When the worker dies the
 * kernel kills it, so that even one that is stuck does not keep the port.  Only
 * where the postmaster is process 1, and so inherits orphans and takes a death by
 * signal for a crash of the cluster, it gets SIGTERM, on which it exits with
 * status 0, as it does when its channel closes.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/latch.h"

#include "../common/clock.h"
#include "sockets.h"
#include "spawn.h"

#define CHANNEL_DESCRIPTOR 3
#define FIRST_SOCKET	   (CHANNEL_DESCRIPTOR + 1)

/* Above every descriptor that the child wants to place. */
#define PARKING (FIRST_SOCKET + SOCKET_LIMIT)

/*
 * How much memory a listener may have, in bytes: enough for all its connections at
 * their worst at once (89 kB: TLS and a note of full length) and for the events
 * that wait, so that only what has gone wrong ever meets the limit.
 */
#define MEMORY_FIXED		UINT64CONST(67108864)
#define MEMORY_A_CONNECTION UINT64CONST(131072)

/* Of -1000 .. 1000; Postgres's own processes are at 0 or below. */
#define OOM_SCORE "900"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static volatile sig_atomic_t child_died = false;
static volatile Micros		 child_died_at = 0; /* 0: none since spawn_deaths_seen() */

static void
handle_sigchld(SIGNAL_ARGS)
{
	int saved = errno;

	if (child_died_at == 0)
		child_died_at = clock_monotonic();
	child_died = true;
	SetLatch(MyLatch);
	errno = saved;
}

void
spawn_watch(void)
{
	pqsignal(SIGCHLD, handle_sigchld);
}

bool
spawn_child_died(void)
{
	bool died = child_died;

	if (died)
		child_died = false;
	return died;
}

int64
spawn_death(int64 now)
{
	Micros died_at = child_died_at;

	return died_at != 0 && died_at < now ? died_at : now;
}

void
spawn_deaths_seen(void)
{
	child_died_at = 0;
}

const char *
spawn_program(void)
{
	static char path[MAXPGPATH];

	if (path[0] == '\0')
		snprintf(path, sizeof path, "%s/pageviews_listener", pkglib_path);
	return path;
}

/* Moves the descriptors to their places and closes all others. */
static bool
arrange_descriptors(const int *sockets, int count, int channel)
{
	int parked[SOCKET_LIMIT + 1];
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		return false;

	/* First out of the way, so that no dup2 below hits one still needed. */
	parked[0] = fcntl(channel, F_DUPFD, PARKING);
	for (int i = 0; i < count; i++)
		parked[1 + i] = fcntl(sockets[i], F_DUPFD, PARKING);
	null = fcntl(null, F_DUPFD, PARKING);

	for (int fd = 0; fd < CHANNEL_DESCRIPTOR; fd++)
	{
		if (dup2(null, fd) < 0)
			return false;
	}
	for (int i = 0; i <= count; i++)
	{
		if (parked[i] < 0 || dup2(parked[i], CHANNEL_DESCRIPTOR + i) < 0)
			return false;
	}

	if (syscall(SYS_close_range, FIRST_SOCKET + count, ~0U, 0) != 0)
	{
		/* A kernel before 5.9. */
		int limit = (int) sysconf(_SC_OPEN_MAX);

		for (int fd = FIRST_SOCKET + count; fd < limit; fd++)
			close(fd);
	}
	return true;
}

static void
reset_signals(void)
{
	struct sigaction action;
	sigset_t		 none;

	memset(&action, 0, sizeof action);
	action.sa_handler = SIG_DFL;
	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Offers this process to the kernel when memory runs out, in place of any that
 * belongs to Postgres.  Where there is no /proc the kernel decides as it likes.
 */
static void
go_first(void)
{
	int		file = open("/proc/self/oom_score_adj", O_WRONLY);
	ssize_t written;

	if (file < 0)
		return;
	written = write(file, OOM_SCORE, strlen(OOM_SCORE));
	(void) written; /* refused only where all of Postgres stands further in front */
	close(file);
}

/* No core dumps, and no more memory than `memory` bytes, or than we may have ourselves. */
static bool
set_limits(uint64 memory)
{
	struct rlimit no_core = {0, 0};
	struct rlimit data;

	if (getrlimit(RLIMIT_DATA, &data) != 0)
		return false;
	data.rlim_max = Min(data.rlim_max, (rlim_t) memory);
	data.rlim_cur = data.rlim_max;
	return setrlimit(RLIMIT_CORE, &no_core) == 0 && setrlimit(RLIMIT_DATA, &data) == 0;
}

/* The child's whole life before exec.  System calls only. */
static void
become_listener(const char *program, const char *argument, const int *sockets, int count,
				int channel, uint64 memory, pid_t worker)
{
	char *const arguments[] = {"pageviews_listener", (char *) argument, NULL};
	char *const environment[] = {NULL};

	setsid();
	reset_signals();
	if (prctl(PR_SET_PDEATHSIG, PostmasterPid == 1 ? SIGTERM : SIGKILL) != 0 || getppid() != worker)
		_exit(0);
	go_first();
	if (!arrange_descriptors(sockets, count, channel) || !set_limits(memory) ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || chdir("/") != 0)
		_exit(1);
	execve(program, arguments, environment);
	_exit(1);
}

pid_t
spawn_listener(const int *sockets, int count, uint32 connections, int *channel)
{
	const char *program = spawn_program();
	char		argument[16];
	int			pair[2];
	pid_t		worker = getpid();
	pid_t		child;

	if (access(program, X_OK) != 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	snprintf(argument, sizeof argument, "%d", count);

	child = fork();
	if (child == 0)
		become_listener(program, argument, sockets, count, pair[1],
						MEMORY_FIXED + connections * MEMORY_A_CONNECTION, worker);

	{
		int saved = errno;

		close(pair[1]);
		if (child < 0)
		{
			close(pair[0]);
			errno = saved;
			return -1;
		}
	}
	*channel = pair[0];
	return child;
}

bool
spawn_reap(pid_t child, int64 patience, int *status)
{
	Micros give_up = clock_monotonic() + patience;

	for (;;)
	{
		pid_t got = waitpid(child, status, WNOHANG);

		/* No such child is as good as a dead one. */
		if (got == child || (got < 0 && errno != EINTR))
			return true;
		if (clock_monotonic() >= give_up)
			return false;
		pg_usleep(1000);
	}
}
