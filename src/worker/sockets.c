/*
 * sockets.c
 *	  The listening sockets, one an address, which every listener inherits, and the
 *	  Unix socket.
 *
 * They belong to the worker, so that callers wait in the backlog while a
 * listener restarts.  Without SO_REUSEPORT: a second cluster on the same port
 * must be told, not handed a share of the visitors.
 */
#include "postgres.h"

#include <fcntl.h>
#include <netdb.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/ip.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "sockets.h"

#define BACKLOG				  4096
#define COMPLAINT_PATIENCE_MS 1000
#define COMPLAINT_INTERVAL_MS 60000

static int sockets[SOCKET_LIMIT];
static int socket_count = 0;

/* The Unix socket's file, to be removed by whoever made it. */
static bool	 unix_socket_made = false;
static dev_t unix_socket_device;
static ino_t unix_socket_inode;

/*
 * Whether to say that binding fails.  Not in the first second: after a crash
 * the listeners of the worker before may hold the port for a moment.  Then once
 * a minute, because the worker keeps trying.
 */
static bool
may_complain(void)
{
	static TimestampTz first_try = 0;
	static TimestampTz last_complaint = 0;
	TimestampTz		   now = GetCurrentTimestamp();

	if (first_try == 0)
		first_try = now;
	if (!TimestampDifferenceExceeds(first_try, now, COMPLAINT_PATIENCE_MS) ||
		(last_complaint != 0 &&
		 !TimestampDifferenceExceeds(last_complaint, now, COMPLAINT_INTERVAL_MS)))
		return false;
	last_complaint = now;
	return true;
}

/* Binds and listens on one resolved address; -1 with errno set on failure. */
static int
bind_one(const struct addrinfo *address)
{
	int one = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
		(address->ai_family != AF_INET6 ||
		 setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0) &&
		/* Accepted sockets inherit it, which spares each of them the call. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0 &&
		bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
	{
		int zero = 0;

		/* This, too: a request is acknowledged by its answer, not by a packet before it. */
		(void) setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &zero, sizeof zero);
		return fd;
	}

	{
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -1;
}

/*
 * Binds every address that a name stands for.  A name with several (localhost
 * is 127.0.0.1 and ::1) is served if at least one could be bound and no other
 * is taken by somebody else.
 */
static bool
bind_name(const char *name, bool complain)
{
	struct addrinfo	 hints;
	struct addrinfo *found = NULL;
	char			 port[16];
	int				 result;
	int				 bound = 0;
	int				 failure = 0;

	memset(&hints, 0, sizeof hints);
	hints.ai_flags = AI_PASSIVE;
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	snprintf(port, sizeof port, "%d", setting_port);

	result = pg_getaddrinfo_all(strcmp(name, "*") == 0 ? NULL : name, port, &hints, &found);
	if (result != 0 || found == NULL)
	{
		if (complain)
			ereport(WARNING, (errcode(ERRCODE_CONFIG_FILE_ERROR),
							  errmsg("pageviews could not look up the address \"%s\": %s", name,
									 gai_strerror(result)),
							  errhint("Correct pageviews.listen_addresses and restart.")));
		return false;
	}

	for (struct addrinfo *address = found; address != NULL; address = address->ai_next)
	{
		int fd;

		if (socket_count == SOCKET_LIMIT)
			break;
		fd = bind_one(address);
		if (fd >= 0)
		{
			sockets[socket_count++] = fd;
			bound++;
		}
		else if (failure == 0 || errno == EADDRINUSE || errno == EACCES)
			failure = errno;
	}
	pg_freeaddrinfo_all(hints.ai_family, found);

	if (bound > 0 && failure != EADDRINUSE && failure != EACCES)
		return true;

	errno = failure;
	if (complain)
		ereport(
			WARNING,
			(errcode_for_socket_access(),
			 errmsg("pageviews could not listen on \"%s\", port %d: %m", name, setting_port),
			 failure == EADDRINUSE
				 ? errhint(
					   "Is another server or another cluster using this port? Stop it, or change pageviews.port and restart.")
				 : errhint("Correct pageviews.listen_addresses or pageviews.port and restart.")));
	return false;
}

/* --- the Unix socket --------------------------------------------------------- */

/* Removes the file, if it is still the one that this process made. */
static void
remove_unix_socket(int code, Datum argument)
{
	struct stat status;

	if (unix_socket_made && lstat(setting_unix_socket, &status) == 0 &&
		status.st_dev == unix_socket_device && status.st_ino == unix_socket_inode)
		unlink(setting_unix_socket);
	unix_socket_made = false;
}

/*
 * Removes a socket's file that nobody listens behind, as a killed server leaves
 * it.  False with errno EADDRINUSE if somebody does, or if it is something else.
 */
static bool
remove_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int			fd;
	bool		refused;

	if (lstat(address->sun_path, &status) != 0)
		return errno == ENOENT;
	errno = EADDRINUSE;
	if (!S_ISSOCK(status.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *) address, sizeof *address) != 0 &&
			  errno == ECONNREFUSED;
	close(fd);
	errno = EADDRINUSE;
	return refused && unlink(address->sun_path) == 0;
}

/* Gives the file its group and permissions; false with errno set. */
static bool
set_ownership(void)
{
	if (setting_unix_socket_group[0] != '\0')
	{
		struct group *group = getgrnam(setting_unix_socket_group);

		if (group == NULL)
		{
			errno = EINVAL;
			return false;
		}
		if (chown(setting_unix_socket, (uid_t) -1, group->gr_gid) != 0)
			return false;
	}
	return chmod(setting_unix_socket, (mode_t) setting_unix_socket_permissions) == 0;
}

/* Binds the Unix socket; nobody can connect before it has its permissions. */
static bool
bind_unix(bool complain)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat		   status;
	int				   fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool			   made = false;

	strlcpy(address.sun_path, setting_unix_socket, sizeof address.sun_path);
	if (fd >= 0 && remove_stale(&address) &&
		bind(fd, (struct sockaddr *) &address, sizeof address) == 0)
	{
		static bool registered = false;

		if (lstat(address.sun_path, &status) == 0)
		{
			unix_socket_made = true;
			unix_socket_device = status.st_dev;
			unix_socket_inode = status.st_ino;
		}
		if (!registered)
			before_shmem_exit(remove_unix_socket, 0);
		registered = true;
		made = set_ownership() && listen(fd, BACKLOG) == 0;
	}
	if (made)
	{
		sockets[socket_count++] = fd;
		return true;
	}
	if (complain)
		ereport(
			WARNING,
			(errcode_for_socket_access(),
			 errmsg("pageviews could not listen on the Unix socket \"%s\": %m",
					setting_unix_socket),
			 errhint(
				 "Correct pageviews.unix_socket, its folder, or pageviews.unix_socket_group, and restart.")));
	if (fd >= 0)
		close(fd);
	remove_unix_socket(0, 0);
	return false;
}

static void
close_all(void)
{
	for (int i = 0; i < socket_count; i++)
		close(sockets[i]);
	socket_count = 0;
	remove_unix_socket(0, 0);
}

bool
sockets_bind(void)
{
	char *names;
	char *cursor;
	bool  complain;
	bool  all = true;

	if (socket_count > 0)
		return true;
	complain = may_complain();

	names = pstrdup(setting_listen_addresses);
	cursor = names;
	for (char *name; setting_port != 0 && all && (name = strsep(&cursor, ", \t")) != NULL;)
	{
		if (*name != '\0')
			all = bind_name(name, complain);
	}
	pfree(names);
	if (all && setting_unix_socket[0] != '\0' && socket_count < SOCKET_LIMIT)
		all = bind_unix(complain);

	if (all && socket_count > 0)
		return true;
	if (all && complain)
		ereport(
			WARNING,
			(errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("pageviews has no address to listen on"),
			 errhint(
				 "Set pageviews.listen_addresses, for example to \"localhost\", and restart.")));
	close_all();
	return false;
}

const int *
sockets_bound(int *count)
{
	*count = socket_count;
	return sockets;
}
