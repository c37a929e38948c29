/*
 * settings.c
 *	  Every pageviews.* setting, checked, described, in alphabetical order.
 *
 * Sizes of shared memory and what decides whether the worker exists at all are
 * fixed at server start; everything else follows a reload.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <limits.h>
#include <sys/un.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "settings.h"

char *setting_allowed_origins;
int	  setting_batch_size;
int	  setting_bounce_engagement;
int	  setting_checkpoint_interval;
int	  setting_collector;
int	  setting_cookie_max_age;
char *setting_cookie_name;
int	  setting_cookie_samesite;
char *setting_country_header;
char *setting_database;
bool  setting_demo;
int	  setting_flush_interval;
int	  setting_handshake_timeout;
int	  setting_heartbeat;
int	  setting_identity;
int	  setting_idle_timeout;
char *setting_keep_query_parameters;
int	  setting_linger;
char *setting_listen_addresses;
int	  setting_listeners;
int	  setting_max_byte_rate;
int	  setting_max_connection_age;
int	  setting_max_connection_rate;
int	  setting_max_connections;
int	  setting_max_connections_per_address;
int	  setting_max_message_rate;
int	  setting_max_message_size;
int	  setting_max_note_size;
char *setting_path_prefix;
int	  setting_ping_interval;
int	  setting_port;
int	  setting_queue_size;
bool  setting_respect_gpc;
int	  setting_retention;
int	  setting_rollup_delay;
char *setting_role;
bool  setting_sandbox;
char *setting_ssl_cert_file;
char *setting_ssl_key_file;
int	  setting_robots;
int	  setting_ssl_min_protocol_version;
char *setting_trusted_proxies;
char *setting_unix_socket;
char *setting_unix_socket_group;
int	  setting_unix_socket_permissions;
int	  setting_visit_timeout;
int	  setting_write_timeout;

static const struct config_enum_entry samesite_options[] = {{"lax", SAMESITE_LAX, false},
															{"strict", SAMESITE_STRICT, false},
															{"none", SAMESITE_NONE, false},
															{NULL, 0, false}};

static const struct config_enum_entry identity_options[] = {{"cookie", IDENTITY_COOKIE, false},
															{"daily", IDENTITY_DAILY, false},
															{"none", IDENTITY_NONE, false},
															{NULL, 0, false}};

static const struct config_enum_entry robots_options[] = {{"mark", ROBOTS_MARK, false},
														  {"refuse", ROBOTS_REFUSE, false},
														  {"keep", ROBOTS_KEEP, false},
														  {NULL, 0, false}};

static const struct config_enum_entry tls_options[] = {
	{"TLSv1.2", TLS_1_2, false}, {"TLSv1.3", TLS_1_3, false}, {NULL, 0, false}};

#define UNIX_SOCKET_PATH_LIMIT sizeof(((struct sockaddr_un *) NULL)->sun_path)

#define MINUTES_PER_DAY	  (24 * 60)
#define RETENTION_MINIMUM (8 * MINUTES_PER_DAY)

/* --- checks --------------------------------------------------------------- */

/* Walks a list separated by commas or blanks; *item is set to each in turn. */
static bool
next_item(const char **cursor, const char **item, size_t *length)
{
	static const char separators[] = ", \t\r\n";
	const char		 *at = *cursor + strspn(*cursor, separators);

	*item = at;
	*length = strcspn(at, separators);
	*cursor = at + *length;
	return *length > 0;
}

typedef bool (*ItemCheck)(const char *item, size_t length);

/* Whether every item passes; says which one does not, and what is expected. */
static bool
check_list(const char *value, ItemCheck check, const char *expected)
{
	const char *cursor = value;
	const char *item;
	size_t		length;

	if (strlen(value) > LIST_LIMIT)
	{
		GUC_check_errdetail("The list is longer than %d bytes.", LIST_LIMIT);
		return false;
	}
	while (next_item(&cursor, &item, &length))
	{
		if (!check(item, length))
		{
			GUC_check_errdetail("\"%.*s\" is not %s.", (int) length, item, expected);
			return false;
		}
	}
	return true;
}

static bool
all_of(const char *text, size_t length, const char *allowed)
{
	return strspn(text, allowed) >= length;
}

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* A name or address (IPv6 in brackets), and a port if there is a colon after it. */
static bool
is_host_and_port(const char *item, size_t length)
{
	size_t host;

	if (length > 0 && item[0] == '[')
	{
		host = strspn(item, "[0123456789abcdefABCDEF:.");
		if (host < 3 || host >= length || item[host] != ']')
			return false;
		host++;
	}
	else
		host = strspn(item, LETTERS_AND_DIGITS "-._");

	if (host == 0 || host >= length)
		return host == length;
	return item[host] == ':' && length - host - 1 >= 1 && length - host - 1 <= 5 &&
		   all_of(item + host + 1, length - host - 1, "0123456789");
}

/* scheme://host or scheme://host:port, the host's first label may be "*". */
static bool
is_origin(const char *item, size_t length)
{
	size_t scheme;

	if (length > 8 && strncmp(item, "https://", 8) == 0)
		scheme = 8;
	else if (length > 7 && strncmp(item, "http://", 7) == 0)
		scheme = 7;
	else
		return false;

	item += scheme;
	length -= scheme;
	if (length > 2 && item[0] == '*' && item[1] == '.')
	{
		item += 2;
		length -= 2;
	}
	return is_host_and_port(item, length);
}

/* An IP address, with or without the number of bits that count. */
static bool
is_proxy(const char *item, size_t length)
{
	char		  copy[INET6_ADDRSTRLEN + 5];
	unsigned char address[16];
	char		 *slash;
	int			  bits = 32;

	if (length >= sizeof copy)
		return false;
	memcpy(copy, item, length);
	copy[length] = '\0';
	slash = strchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';

	if (inet_pton(AF_INET6, copy, address) == 1)
		bits = 128;
	else if (inet_pton(AF_INET, copy, address) != 1)
		return false;
	if (slash == NULL)
		return true;
	slash++;
	return strlen(slash) >= 1 && strlen(slash) <= 3 && all_of(slash, strlen(slash), "0123456789") &&
		   atoi(slash) <= bits;
}

static bool
is_parameter(const char *item, size_t length)
{
	if (length > 1 && item[length - 1] == '*')
		length--;
	return length <= 64 && all_of(item, length, LETTERS_AND_DIGITS "-._~");
}

static bool
check_allowed_origins(char **value, void **extra, GucSource source)
{
	return check_list(
		*value, is_origin,
		"an origin such as https://example.com, https://*.example.com or http://localhost:3000");
}

static bool
check_trusted_proxies(char **value, void **extra, GucSource source)
{
	return check_list(*value, is_proxy, "an IP address or a network such as 10.0.0.0/8");
}

static bool
check_keep_query_parameters(char **value, void **extra, GucSource source)
{
	return check_list(*value, is_parameter,
					  "the name of a query parameter, or a prefix such as utm_*");
}

static bool
check_path_prefix(char **value, void **extra, GucSource source)
{
	size_t length = strlen(*value);

	if (length >= 2 && length <= PATH_PREFIX_LIMIT && (*value)[0] == '/' &&
		(*value)[length - 1] != '/' && strstr(*value, "//") == NULL &&
		all_of(*value, length, LETTERS_AND_DIGITS "-._~/"))
		return true;
	GUC_check_errdetail(
		"The prefix starts with a slash, does not end with one, and has letters, digits and \"-._~/\" only.");
	return false;
}

static bool
check_cookie_name(char **value, void **extra, GucSource source)
{
	static const char *const prefixes[] = {"__Host-", "__Secure-"};
	size_t					 length = strlen(*value);

	/* Browsers know these prefixes in any case; a name that is not what it looks like helps nobody. */
	for (int i = 0; i < lengthof(prefixes); i++)
	{
		if (pg_strncasecmp(*value, prefixes[i], strlen(prefixes[i])) == 0 &&
			(strncmp(*value, prefixes[i], strlen(prefixes[i])) != 0 ||
			 length == strlen(prefixes[i])))
		{
			GUC_check_errdetail("The prefix is written \"%s\", and a name follows it.",
								prefixes[i]);
			return false;
		}
	}
	if (length >= 1 && length <= COOKIE_NAME_LIMIT &&
		all_of(*value, length, LETTERS_AND_DIGITS "-._"))
		return true;
	GUC_check_errdetail("The name has 1 to %d letters, digits and \"-._\".", COOKIE_NAME_LIMIT);
	return false;
}

/* The name of a header. */
static bool
check_country_header(char **value, void **extra, GucSource source)
{
	if (strlen(*value) <= COUNTRY_HEADER_LIMIT &&
		all_of(*value, strlen(*value), LETTERS_AND_DIGITS "-"))
		return true;
	GUC_check_errdetail("The name has at most %d letters, digits and \"-\".", COUNTRY_HEADER_LIMIT);
	return false;
}

static bool
check_unix_socket(char **value, void **extra, GucSource source)
{
	if (**value == '\0' || ((*value)[0] == '/' && strlen(*value) < UNIX_SOCKET_PATH_LIMIT))
		return true;
	GUC_check_errdetail("The path starts with a slash and has fewer than %d bytes.",
						(int) UNIX_SOCKET_PATH_LIMIT);
	return false;
}

static const char *
show_permissions(void)
{
	static char text[12];

	snprintf(text, sizeof text, "%04o", setting_unix_socket_permissions);
	return text;
}

static bool
check_retention(int *value, void **extra, GucSource source)
{
	if (*value == 0 || *value >= RETENTION_MINIMUM)
		return true;
	GUC_check_errdetail(
		"Views are accepted for seven days after they began, so they are kept for at least 8 days; 0 keeps them for ever.");
	return false;
}

/* --- definitions ---------------------------------------------------------- */

/*
 * What is fixed at server start can only be defined then: later, in a library
 * that was not preloaded, Postgres refuses it, and nothing reads it either.
 */
static GucContext
fixed_context(void)
{
	return process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP;
}

static void
define_string(const char *name, const char *what, const char *more, char **variable,
			  const char *value, GucContext context, int flags, GucStringCheckHook check)
{
	DefineCustomStringVariable(name, what, more, variable, value, context, flags, check, NULL,
							   NULL);
}

static void
define_int(const char *name, const char *what, const char *more, int *variable, int value,
		   int least, int most, GucContext context, int flags, GucIntCheckHook check)
{
	DefineCustomIntVariable(name, what, more, variable, value, least, most, context, flags, check,
							NULL, NULL);
}

static void
define_bool(const char *name, const char *what, const char *more, bool *variable, bool value,
			GucContext context)
{
	DefineCustomBoolVariable(name, what, more, variable, value, context, 0, NULL, NULL, NULL);
}

/* What visitors and their browsers see. */
static void
define_visitor_settings(void)
{
	define_string(
		"pageviews.allowed_origins", "Origins whose pages may send views.",
		"A list such as https://example.com, https://*.example.org. Empty: only pages of the host that serves the tracker.",
		&setting_allowed_origins, "", PGC_SIGHUP, GUC_LIST_INPUT, check_allowed_origins);
	define_int("pageviews.cookie_max_age",
			   "How long a browser keeps its session cookie after its last visit.", NULL,
			   &setting_cookie_max_age, 60 * 86400, 60, 400 * 86400, PGC_SIGHUP, GUC_UNIT_S, NULL);
	define_string("pageviews.cookie_name", "Name of the session cookie.", NULL,
				  &setting_cookie_name, "_pageviews_session", PGC_SIGHUP, 0, check_cookie_name);
	DefineCustomEnumVariable(
		"pageviews.cookie_samesite", "SameSite attribute of the session cookie.",
		"none is for trackers on another site than the pages; it needs TLS.",
		&setting_cookie_samesite, SAMESITE_LAX, samesite_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
	define_bool("pageviews.demo", "Serves the demo site next to the tracker.", NULL, &setting_demo,
				false, PGC_SIGHUP);
	define_int("pageviews.heartbeat", "How often a visible page reports its figures.", NULL,
			   &setting_heartbeat, 15000, 1000, 300000, PGC_SIGHUP, GUC_UNIT_MS, NULL);
	DefineCustomEnumVariable(
		"pageviews.identity", "What makes views those of one session.",
		"cookie; daily, a hash that a new secret makes useless each day; or none. Without cookie one is set only after pageviews.consent() in the page.",
		&setting_identity, IDENTITY_COOKIE, identity_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
	define_string("pageviews.keep_query_parameters",
				  "Query parameters that are kept; all others never leave the browser.",
				  "Names, or prefixes that end in *.", &setting_keep_query_parameters, "utm_*",
				  PGC_SIGHUP, GUC_LIST_INPUT, check_keep_query_parameters);
	define_string("pageviews.path_prefix", "Path below which everything is served.", NULL,
				  &setting_path_prefix, "/_view", PGC_SIGHUP, 0, check_path_prefix);
	define_int("pageviews.ping_interval", "How often an open socket is asked for a sign of life.",
			   "A socket that is silent for two and a half intervals is given up.",
			   &setting_ping_interval, 10000, 100, 300000, PGC_SIGHUP, GUC_UNIT_MS, NULL);
	define_bool("pageviews.respect_global_privacy_control",
				"Leaves browsers that send Global Privacy Control alone: no cookie, no views.",
				NULL, &setting_respect_gpc, true, PGC_SIGHUP);
	DefineCustomEnumVariable(
		"pageviews.robots", "What becomes of robots.",
		"mark stores them and keeps them out of the reports; refuse turns them away; keep takes them for people.",
		&setting_robots, ROBOTS_MARK, robots_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/* How much one connection or address may do. */
static void
define_limit_settings(void)
{
	define_int("pageviews.handshake_timeout",
			   "How long a connection may take until its first request has been read.",
			   "TLS handshake included.", &setting_handshake_timeout, DEFAULT_HANDSHAKE_TIMEOUT,
			   100, 60000, fixed_context(), GUC_UNIT_MS, NULL);
	define_int("pageviews.idle_timeout", "How long a socket may stay open without a message.",
			   "0 is no limit. It comes back as soon as its page is visible.",
			   &setting_idle_timeout, DEFAULT_IDLE_TIMEOUT, 0, 86400000, PGC_SIGHUP, GUC_UNIT_MS,
			   NULL);
	define_int("pageviews.max_byte_rate", "Bytes a second on one socket.",
			   "0 is no limit. Twice as many may come at once.", &setting_max_byte_rate,
			   DEFAULT_BYTE_RATE, 0, 1 << 30, PGC_SIGHUP, GUC_UNIT_BYTE, NULL);
	define_int("pageviews.max_connection_age", "How long a socket may stay open.",
			   "0 is no limit. Its page opens another one and goes on.",
			   &setting_max_connection_age, DEFAULT_CONNECTION_AGE, 0, 30 * 86400, PGC_SIGHUP,
			   GUC_UNIT_S, NULL);
	define_int(
		"pageviews.max_connection_rate_per_address",
		"New connections a second from one IPv4 address or IPv6 /64 network.",
		"0 is no limit. Twice as many may come at once. Behind a trusted proxy: requests of one visitor.",
		&setting_max_connection_rate, DEFAULT_CONNECTION_RATE, 0, 1000000, PGC_SIGHUP, 0, NULL);
	define_int("pageviews.max_message_rate", "Messages a second on one socket.",
			   "0 is no limit. Twice as many may come at once.", &setting_max_message_rate,
			   DEFAULT_MESSAGE_RATE, 0, 1000000, PGC_SIGHUP, 0, NULL);
	define_int("pageviews.max_message_size", "Size of a message.", NULL, &setting_max_message_size,
			   DEFAULT_MESSAGE_SIZE, 1024, DEFAULT_MESSAGE_SIZE, PGC_SIGHUP, GUC_UNIT_BYTE, NULL);
	define_int("pageviews.max_note_size", "Size of a note, what a page says as it closes.", NULL,
			   &setting_max_note_size, DEFAULT_NOTE_SIZE, 4096, DEFAULT_NOTE_SIZE, PGC_SIGHUP,
			   GUC_UNIT_BYTE, NULL);
}

/* A socket for a proxy on the same machine. */
static void
define_unix_socket_settings(void)
{
	define_string("pageviews.unix_socket", "Path of a Unix socket to listen on.",
				  "Empty is none. Whoever connects there is a trusted proxy.", &setting_unix_socket,
				  "", fixed_context(), GUC_SUPERUSER_ONLY, check_unix_socket);
	define_string("pageviews.unix_socket_group", "Group that owns the Unix socket.",
				  "Empty is the group of the server's user.", &setting_unix_socket_group, "",
				  fixed_context(), 0, NULL);
	DefineCustomIntVariable("pageviews.unix_socket_permissions", "Permissions of the Unix socket.",
							"As chmod takes them; octal starts with 0.",
							&setting_unix_socket_permissions, 0777, 0, 0777, fixed_context(), 0,
							NULL, NULL, show_permissions);
}

/* Where the listeners listen, and whom they let in. */
static void
define_listener_settings(void)
{
	define_string("pageviews.listen_addresses",
				  "Host names or IP addresses to listen on; * is all.", NULL,
				  &setting_listen_addresses, "localhost", fixed_context(), GUC_LIST_INPUT, NULL);
	define_int("pageviews.listeners", "Number of listener processes.", NULL, &setting_listeners, 1,
			   1, 64, fixed_context(), 0, NULL);
	define_int("pageviews.max_connections", "Connections open at once, all listeners together.",
			   NULL, &setting_max_connections, 10000, 1, 1000000, fixed_context(), 0, NULL);
	define_int("pageviews.max_connections_per_address",
			   "Connections open at once from one IPv4 address or IPv6 /64 network.",
			   "0 is no limit.", &setting_max_connections_per_address, 500, 0, 1000000, PGC_SIGHUP,
			   0, NULL);
	define_int("pageviews.port", "TCP port to listen on; 0 is none.",
			   "Without this and pageviews.unix_socket collecting is off.", &setting_port, 0, 0,
			   65535, fixed_context(), 0, NULL);
	define_bool(
		"pageviews.sandbox",
		"Kills a listener that makes a system call which serving does not need.",
		"Switching it restarts the listeners. Off is for systems that do not allow seccomp filters.",
		&setting_sandbox, true, PGC_SIGHUP);
	define_string("pageviews.ssl_cert_file",
				  "PEM file of the server certificate; empty is plain HTTP.", NULL,
				  &setting_ssl_cert_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL);
	define_string("pageviews.ssl_key_file", "PEM file of the server certificate's private key.",
				  NULL, &setting_ssl_key_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL);
	DefineCustomEnumVariable(
		"pageviews.ssl_min_protocol_version", "Oldest TLS version that is accepted.", NULL,
		&setting_ssl_min_protocol_version, TLS_1_2, tls_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
	define_string("pageviews.country_header",
				  "Header in which a trusted proxy names the visitor's country.",
				  "Such as CF-IPCountry, two letters. Empty is none.", &setting_country_header, "",
				  PGC_SIGHUP, 0, check_country_header);
	define_string(
		"pageviews.trusted_proxies",
		"Addresses and networks whose X-Forwarded-For, -Proto and -Host headers are believed.",
		NULL, &setting_trusted_proxies, "127.0.0.1, ::1", PGC_SIGHUP, GUC_LIST_INPUT,
		check_trusted_proxies);
}

/* How the worker keeps and stores views. */
static void
define_store_settings(void)
{
	define_int("pageviews.batch_size", "Rows stored in one transaction at most.", NULL,
			   &setting_batch_size, 1000, 1, BATCH_SIZE_LIMIT, PGC_SIGHUP, 0, NULL);
	define_int("pageviews.checkpoint_interval",
			   "How often a view that stays open is stored as it stands.", NULL,
			   &setting_checkpoint_interval, 30000, 1000, 3600000, PGC_SIGHUP, GUC_UNIT_MS, NULL);
	define_int("pageviews.collector", "Number that marks the rows of this cluster.",
			   "0 derives one from the system identifier.", &setting_collector, 0, 0, INT_MAX,
			   fixed_context(), 0, NULL);
	define_string("pageviews.database", "Database that the views are stored in.", NULL,
				  &setting_database, "postgres", fixed_context(), 0, NULL);
	define_int("pageviews.flush_interval",
			   "How long a finished view waits for others before it is stored.", NULL,
			   &setting_flush_interval, 100, 1, 10000, PGC_SIGHUP, GUC_UNIT_MS, NULL);
	define_int("pageviews.linger",
			   "How long a view whose socket died may come back before it is stored as lost.", NULL,
			   &setting_linger, 10000, 0, 600000, PGC_SIGHUP, GUC_UNIT_MS, NULL);
	define_int("pageviews.queue_size",
			   "Finished views that may wait for the database, beyond max_connections.", NULL,
			   &setting_queue_size, 10000, 100, 10000000, fixed_context(), 0, NULL);
	define_int("pageviews.retention", "How long views are kept; 0 is for ever.", NULL,
			   &setting_retention, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN, check_retention);
	define_string("pageviews.role", "Role that the worker takes on to store views.", NULL,
				  &setting_role, "pageviews_collector", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL);
	define_int("pageviews.write_timeout", "How long one transaction of the worker may take.", NULL,
			   &setting_write_timeout, 2000, 50, 60000, PGC_SIGHUP, GUC_UNIT_MS, NULL);
}

/* What the reports call a visit, and a bounce. */
static void
define_report_settings(void)
{
	define_int("pageviews.bounce_engagement",
			   "Engagement from which on a visit of one view is no bounce.",
			   "0: no visit is a bounce.", &setting_bounce_engagement, 10000, 0, 3600000,
			   PGC_SIGHUP, GUC_UNIT_MS, NULL);
	define_int("pageviews.rollup_delay",
			   "How old views are when they are added to the roll-ups that reports read.",
			   "0: no more are made, and no days packed.", &setting_rollup_delay, 120, 0, 86400,
			   PGC_SIGHUP, GUC_UNIT_S, NULL);
	define_int("pageviews.visit_timeout",
			   "Pause between two views of a session after which another visit begins.", NULL,
			   &setting_visit_timeout, 1800, 1, 86400, PGC_SIGHUP, GUC_UNIT_S, NULL);
}

void
settings_init(void)
{
	define_visitor_settings();
	define_listener_settings();
	define_limit_settings();
	define_unix_socket_settings();
	define_store_settings();
	define_report_settings();
	MarkGUCPrefixReserved("pageviews");
}
