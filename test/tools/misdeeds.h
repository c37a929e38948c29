/*
 * misdeeds.h
 *	  System calls that a listener never makes, and whoever took one over would.
 *
 * Each is made with numbers as it would be meant; whether its arguments would
 * have led anywhere does not matter, the sandbox is to end it before.
 */
#ifndef PAGEVIEWS_MISDEEDS_H
#define PAGEVIEWS_MISDEEDS_H

#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct Misdeed
{
	const char *name;
	long		number;
	uintptr_t	arguments[6];
} Misdeed;

static const char				misdeed_path[] = "/etc/passwd";
static const char *const		misdeed_words[] = {"sh", NULL};
static const struct sockaddr_in misdeed_peer = {.sin_family = AF_INET, .sin_port = 0x3500};
static __attribute__((aligned(4096))) char misdeed_page[4096];

#define MISDEED(call, ...) \
	{                      \
#call, SYS_##call, \
		{                  \
			__VA_ARGS__    \
		}                  \
	}
#define NAMED(name, call, ...) \
	{                          \
		name, SYS_##call,      \
		{                      \
			__VA_ARGS__        \
		}                      \
	}
#define PATH  ((uintptr_t) misdeed_path)
#define WORDS ((uintptr_t) misdeed_words)
#define PEER  ((uintptr_t) &misdeed_peer), sizeof misdeed_peer
#define PAGE  ((uintptr_t) misdeed_page)
#define CWD	  ((uintptr_t) AT_FDCWD)
#define RW	  (PROT_READ | PROT_WRITE)

static const Misdeed misdeeds[] = {
	/* files */
	MISDEED(openat, CWD, PATH, O_RDONLY),
	MISDEED(openat2, CWD, PATH, PAGE, 24),
	MISDEED(unlinkat, CWD, PATH, 0),
	MISDEED(renameat2, CWD, PATH, CWD, PATH, 0),
	MISDEED(mkdirat, CWD, PATH, 0700),
	MISDEED(linkat, CWD, PATH, CWD, PATH, 0),
	MISDEED(symlinkat, PATH, CWD, PATH),
	MISDEED(fchmodat, CWD, PATH, 0777),
	MISDEED(readlinkat, CWD, PATH, PAGE, 10),
	MISDEED(newfstatat, CWD, PATH, PAGE, 0),
	MISDEED(faccessat, CWD, PATH, R_OK),
	MISDEED(getdents64, 0, PAGE, 100),
	MISDEED(chdir, PATH),
	MISDEED(chroot, PATH),
	MISDEED(truncate, PATH, 0),
	MISDEED(mount, PATH, PATH, PATH, 0, 0),
	/* the network */
	NAMED("socket", socket, AF_INET, SOCK_STREAM, 0),
	NAMED("unix socket", socket, AF_UNIX, SOCK_STREAM, 0),
	NAMED("netlink socket", socket, AF_NETLINK, SOCK_RAW, 0),
	MISDEED(socketpair, AF_UNIX, SOCK_STREAM, 0, PAGE),
	MISDEED(connect, 0, PEER),
	MISDEED(bind, 0, PEER),
	MISDEED(listen, 0, 1),
	NAMED("sendto somebody", sendto, 0, PAGE, 1, 0, PEER),
	MISDEED(sendmsg, 0, PAGE, 0),
	MISDEED(recvmsg, 0, PAGE, 0),
	MISDEED(sendmmsg, 0, PAGE, 1, 0),
	NAMED("setsockopt of a filter", setsockopt, 0, SOL_SOCKET, SO_ATTACH_FILTER, PAGE, 16),
	NAMED("getsockopt of credentials", getsockopt, 0, SOL_SOCKET, SO_PEERCRED, PAGE, PAGE),
	/* programs and other processes */
	MISDEED(execve, PATH, WORDS, WORDS),
	MISDEED(execveat, CWD, PATH, WORDS, WORDS, 0),
	MISDEED(clone, SIGCHLD),
	MISDEED(clone3, PAGE, 64),
	MISDEED(kill, 1, 0),
	NAMED("tgkill of another", tgkill, 1, 1, SIGABRT),
	MISDEED(ptrace, 0, 0, 0, 0),
	MISDEED(process_vm_readv, 1, PAGE, 1, PAGE, 1, 0),
	MISDEED(pidfd_open, 1, 0),
	MISDEED(setpgid, 0, 0),
	MISDEED(prlimit64, 0, 7, 0, PAGE),
	/* memory that can be executed, or comes from elsewhere */
	NAMED("mmap to execute", mmap, 0, 4096, RW | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		  (uintptr_t) -1, 0),
	NAMED("mmap of a file", mmap, 0, 4096, RW, MAP_PRIVATE, 0, 0),
	NAMED("mmap to share", mmap, 0, 4096, RW, MAP_SHARED | MAP_ANONYMOUS, (uintptr_t) -1, 0),
	NAMED("mprotect to execute", mprotect, PAGE, 4096, PROT_READ | PROT_EXEC),
	MISDEED(memfd_create, PATH, 0),
	MISDEED(shmget, 0, 4096, 0600),
	MISDEED(shmat, 0, 0, 0),
	MISDEED(userfaultfd, 0),
	MISDEED(rt_sigreturn, 0),
	/* more descriptors */
	MISDEED(dup, 0),
	MISDEED(dup3, 0, 99, 0),
	MISDEED(pipe2, PAGE, 0),
	MISDEED(eventfd2, 0, 0),
	MISDEED(epoll_create1, 0),
	MISDEED(timerfd_create, CLOCK_MONOTONIC, 0),
	MISDEED(inotify_init1, 0),
	MISDEED(io_uring_setup, 8, PAGE),
	MISDEED(bpf, 0, PAGE, 64),
	MISDEED(perf_event_open, PAGE, 0, 0, (uintptr_t) -1, 0),
	NAMED("fcntl to duplicate", fcntl, 0, F_DUPFD, 50),
	NAMED("ioctl to type", ioctl, 0, TIOCSTI, PAGE),
	/* rights */
	MISDEED(setuid, 0),
	MISDEED(capset, PAGE, PAGE),
	MISDEED(prctl, 4, 1, 0, 0, 0),
	MISDEED(seccomp, 0, 0, 0),
	MISDEED(unshare, CLONE_NEWUSER),
	MISDEED(setns, 0, 0),
	MISDEED(keyctl, 0, 0, 0),
	MISDEED(personality, 0),
#ifdef __x86_64__
	/* the same kernel by its other door */
	{"getpid of the x32 kind", 0x40000000 | SYS_getpid, {0}},
	MISDEED(open, PATH, O_RDONLY),
	MISDEED(fork, 0),
	MISDEED(vfork, 0),
	MISDEED(arch_prctl, 0x1002, PAGE),
#endif
};

#define MISDEED_COUNT (sizeof misdeeds / sizeof misdeeds[0])

/* Makes the call; what the kernel answers, if this process lives to hear it. */
static inline long
misdeed_do(const Misdeed *misdeed)
{
	const uintptr_t *a = misdeed->arguments;

	return syscall(misdeed->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#endif /* PAGEVIEWS_MISDEEDS_H */
