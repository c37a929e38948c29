/*
 * callers.c
 *	  accept4() and the caps, in total and for each address; and what the kernel
 *	  tells about a connection at its end.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "callers.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

#define ACCEPTS_A_TURN 64
#define PAUSE_US	   10000

/* The kernel's number for a socket that was reset. */
#define STATE_CLOSED 7

/* More than a TLS handshake takes that no request follows, in bytes. */
#define HANDSHAKE_SIZE 4000

/* Counts the connection for an address; false when that has too many. */
static bool
count_for(Listener *listener, Connection *connection, Address address)
{
	connection->key = address_key(address);
	connection->counted =
		address_table_take(listener->addresses, connection->key,
						   listener->configuration.is.max_connections_per_address);
	if (!connection->counted)
		listener->counters[COUNT_REFUSED_ADDRESS]++;
	return connection->counted;
}

/* Counts an arrival of the address; false when it comes too often. */
static bool
pace(Listener *listener, Address address, Micros now)
{
	if (rate_table_take(listener->rates, address_key(address),
						listener->configuration.is.limits.connection_rate, now))
		return true;
	listener->counters[COUNT_REFUSED_RATE]++;
	return false;
}

bool
callers_is_proxy(const Listener *listener, const Connection *connection)
{
	return connection->local ||
		   network_list_contains(&listener->configuration.proxies, connection->peer);
}

/* A slot for a caller, if the limits allow it; else NULL. */
static Connection *
admit(Listener *listener, const struct sockaddr *peer, Micros now)
{
	Connection *connection = connection_take(&listener->connections);

	if (connection == NULL)
	{
		listener->counters[COUNT_REFUSED_FULL]++;
		return NULL;
	}
	connection->peer = address_of_peer(peer);
	connection->local = peer->sa_family == AF_UNIX;

	/* A proxy's visitors are counted when their own addresses are known. */
	if (callers_is_proxy(listener, connection) ||
		(pace(listener, connection->peer, now) &&
		 count_for(listener, connection, connection->peer)))
	{
		connection->due =
			now + listener->configuration.is.limits.handshake_timeout * MICROS_PER_MILLI;
		connection_list_append(&listener->newcomers, connection);
		return connection;
	}
	callers_release(listener, connection);
	return NULL;
}

void
callers_take(Listener *listener, int listening, CallerHandler handler)
{
	Micros now = clock_monotonic();

	for (int i = 0; i < ACCEPTS_A_TURN; i++)
	{
		struct sockaddr_storage peer = {0};
		socklen_t				length = sizeof peer;
		int						accepted =
			accept4(listening, (struct sockaddr *) &peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
		Connection *connection;

		if (accepted < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (accepted < 0)
		{
			/* But for EAGAIN, only want of descriptors or memory: a pause may mend it, and the loop does not spin. */
			if (errno != EAGAIN)
				usleep(PAUSE_US);
			return;
		}

		listener->counters[COUNT_CONNECTIONS]++;
		connection = admit(listener, (const struct sockaddr *) &peer, now);
		if (connection == NULL)
		{
			close(accepted);
			continue;
		}
		handler(connection, accepted);
	}
}

/* Who is at the other end, behind what the proxies say. */
Address
callers_visitor(const Listener *listener, const Connection *connection, Text forwarded_for)
{
	return address_of_visitor(connection->peer, callers_is_proxy(listener, connection),
							  forwarded_for, &listener->configuration.proxies);
}

bool
callers_count_visitor(Listener *listener, Connection *connection, Text forwarded_for)
{
	return connection->counted ||
		   count_for(listener, connection, callers_visitor(listener, connection, forwarded_for));
}

bool
callers_pace_visitor(Listener *listener, const Connection *connection, Text forwarded_for,
					 Micros now)
{
	return connection->counted || forwarded_for.length == 0 ||
		   !callers_is_proxy(listener, connection) ||
		   pace(listener, callers_visitor(listener, connection, forwarded_for), now);
}

void
callers_asked(Listener *listener, Connection *connection)
{
	if (!connection->asked)
		connection_list_remove(&listener->newcomers, connection);
	connection->asked = true;
}

void
callers_tick(Listener *listener, Micros now)
{
	Connection *connection;

	while ((connection = listener->newcomers.first) != NULL && connection->due <= now)
	{
		listener->counters[COUNT_HANDSHAKE_TIMEOUTS]++;
		callers_asked(listener, connection);
		server_drop(connection);
	}
}

void
callers_release(Listener *listener, Connection *connection)
{
	if (!connection->asked)
		connection_list_remove(&listener->newcomers, connection);
	if (connection->counted)
		address_table_release(listener->addresses, connection->key);
	connection_release(&listener->connections, connection);
}

/* What the kernel knows about the socket; false when it does not. */
static bool
ask_kernel(int descriptor, struct tcp_info *info)
{
	socklen_t length = sizeof *info;

	return getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, info, &length) == 0;
}

CloseCause
callers_cause_of_end(const Connection *connection, int descriptor)
{
	struct tcp_info info;

	/* A Unix socket tells no reset from an end. */
	if (connection->local)
		return CLOSE_NORMAL;
	return ask_kernel(descriptor, &info) && info.tcpi_state != STATE_CLOSED ? CLOSE_NORMAL
																			: CLOSE_RESET;
}

uint64_t
callers_received(int descriptor)
{
	struct tcp_info info;

	return ask_kernel(descriptor, &info) ? info.tcpi_bytes_received : 0;
}

void
callers_count_unread(Listener *listener, const Connection *connection, int descriptor)
{
	bool tls = listener->configuration.is.tls_certificate.length > 0;

	if (!connection->asked && callers_received(descriptor) > (tls ? HANDSHAKE_SIZE : 0))
		listener->counters[COUNT_REFUSED_REQUEST]++;
}
