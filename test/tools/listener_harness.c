/*
 * listener_harness.c
 *	  A worker without Postgres: starts a listener and plays the other end.
 *
 *	  listener_harness [options] PROGRAM [ARGUMENT ...]
 *
 * Binds a port of 127.0.0.1, starts PROGRAM with the descriptors that the worker
 * would give it, configures it, acknowledges every message and says `stored`
 * for it.  What the listener reports is printed, one line an event; the first
 * line is "listening on PORT".  ARGUMENTs come before the number of sockets, so
 * that PROGRAM can be valgrind or the like.
 *
 *	  -p PORT		(default: any free one)		-o LIST		allowed origins
 *	  -c N			connections (1000)			-a N		connections an address (0)
 *	  -i MS			ping interval (1000)		-x LIST		trusted proxies
 *	  -k LIST		kept parameters (utm_*)		-r PREFIX	path prefix (/_view)
 *	  -T CERT,KEY	TLS, PEM files				-s N		SameSite (0 Lax, 1 Strict, 2 None)
 *	  -g			respect GPC					-d			demo site
 *	  -S			sandbox
 *	  -m			mute: no answers			-q			do not print messages and connections
 *	  -I N			identity (0 cookie, 1 daily, 2 none)
 *	  -R N			robots (0 mark, 1 refuse, 2 keep)
 *	  -C NAME:		country header, lower case
 *	  -l NAME=N		a limit of PeerLimits		-u PATH		a Unix socket instead of a port
 *
 * Lines on its standard input are commands: busy, take, mute, speak, configure
 * (sends the configuration again, with the TLS files read anew), ping MS (the
 * same with another interval), day (the same with another secret of the day), beat (a heartbeat), garbage (a record that does
 * not decode), close.  End of input changes nothing.  It ends when the listener does,
 * and says how.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/common/channel.h"
#include "../../src/common/record.h"

static Channel		 *channel;
static ListenerConfig config;
static const char	 *tls_files;
static bool			  mute;
static bool			  quiet;

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

static void
send_command(const Command *command)
{
	static uint8_t buffer[RECORD_LIMIT];
	size_t		   length = command_encode(command, buffer, sizeof buffer);
	ChannelLane	   lane = command->type == COMMAND_HEARTBEAT ? LANE_CONTROL : LANE_EVENTS;

	if (length == 0 || !channel_send(channel, lane, buffer, length))
		fprintf(stderr, "a command could not be sent\n");
}

/* Reads a whole file into memory that stays. */
static Text
read_file(const char *name, size_t name_length)
{
	char	path[4096];
	char   *data = malloc(CERTIFICATE_LIMIT);
	ssize_t length;
	int		file;

	snprintf(path, sizeof path, "%.*s", (int) name_length, name);
	file = open(path, O_RDONLY);
	if (file < 0 || data == NULL || (length = read(file, data, CERTIFICATE_LIMIT)) < 0)
		die(path);
	close(file);
	return (Text){data, (uint16_t) length};
}

static void
configure(void)
{
	Command command = {.type = COMMAND_CONFIGURE};

	if (tls_files != NULL)
	{
		const char *comma = strchr(tls_files, ',');

		free((char *) config.tls_certificate.data);
		free((char *) config.tls_key.data);
		config.tls_certificate = read_file(tls_files, (size_t) (comma - tls_files));
		config.tls_key = read_file(comma + 1, strlen(comma + 1));
	}
	command.u.configure = config;
	send_command(&command);
}

static void
print_message(const Event *event)
{
	const ViewMessage	  *message = &event->u.message.view;
	const PageDescription *page = &message->page;
	char				   view[UUID_TEXT_LENGTH + 1];

	uuid_format(&message->view, view);
	printf("message %" PRIu64 " kind=%d view=%s n=%d state=%d visible=%d covered=%d",
		   event->connection, message->kind, view, message->n, message->state,
		   message->figures.visible, event->u.message.covered);
	if (message->described)
	{
		printf(" site=%.*s path=%.*s query=%.*s referrer=%.*s title=%.*s name=%.*s props=%d",
			   page->site.length, page->site.data, page->path.length, page->path.data,
			   page->query.length, page->query.data, page->referrer.length, page->referrer.data,
			   page->title.length, page->title.data, page->name.length, page->name.data,
			   page->property_count);
	}
	printf("\n");
}

static void
print_opened(const Event *event)
{
	const Visitor *visitor = &event->u.opened.visitor;
	char		   session[UUID_TEXT_LENGTH + 1];

	uuid_format(&event->u.opened.session, session);
	printf("opened %" PRIu64 " session=%s note=%d robot=%d agent=%.*s\n", event->connection,
		   session, event->u.opened.note, visitor->robot, visitor->user_agent.length,
		   visitor->user_agent.data);
	printf("visitor %" PRIu64 " browser=%.*s version=%.*s system=%.*s device=%d country=%.2s\n",
		   event->connection, visitor->browser.length, visitor->browser.data,
		   visitor->browser_version.length, visitor->browser_version.data, visitor->system.length,
		   visitor->system.data, (int) visitor->device, visitor->country);
}

static void
answer_message(const Event *event)
{
	Command command = {.type = COMMAND_ACK,
					   .connection = event->connection,
					   .view = event->u.message.view.view,
					   .n = event->u.message.view.n};

	if (mute)
		return;
	send_command(&command);
	command.type = COMMAND_STORED;
	send_command(&command);
}

static bool
take_event(void *context, const uint8_t *body, size_t length)
{
	static Event event;

	(void) context;
	if (!event_decode(body, length, &event))
	{
		printf("undecodable event of %zu bytes\n", length);
		return false;
	}
	switch (event.type)
	{
		case EVENT_READY:
			printf("ready version=%u pid=%d\n", event.u.ready.version, event.u.ready.pid);
			configure();
			break;
		case EVENT_ALIVE:
			printf("alive %" PRIu64 " connections=%u counters", event.u.alive.sequence,
				   event.u.alive.connections);
			for (int i = 0; i < LISTENER_COUNTER_COUNT; i++)
				printf(" %" PRIu64, event.u.alive.counters[i]);
			printf("\n");
			break;
		case EVENT_LOG:
			printf("log %d %.*s\n", event.u.log.level, event.u.log.text.length,
				   event.u.log.text.data);
			break;
		case EVENT_OPENED:
			if (!quiet)
				print_opened(&event);
			break;
		case EVENT_MESSAGE:
			if (!quiet)
				print_message(&event);
			answer_message(&event);
			break;
		case EVENT_CLOSED:
			if (!quiet)
				printf("closed %" PRIu64 " cause=%d\n", event.connection, event.u.closed.cause);
			break;
		case EVENT_LEFT:
			if (!quiet)
				printf("left %" PRIu64 "\n", event.connection);
			break;
	}
	return true;
}

/* Does what one line of the input says. */
static void
take_line(char *line)
{
	static uint64_t sequence;
	Command			command = {.type = COMMAND_BUSY};

	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "busy") == 0 || strcmp(line, "take") == 0)
	{
		command.u.busy = line[0] == 'b';
		send_command(&command);
	}
	else if (strcmp(line, "mute") == 0 || strcmp(line, "speak") == 0)
		mute = line[0] == 'm';
	else if (strcmp(line, "configure") == 0)
		configure();
	else if (strcmp(line, "day") == 0)
	{
		config.daily_secret[0]++;
		configure();
	}
	else if (strncmp(line, "ping ", 5) == 0)
	{
		config.ping_interval = atoi(line + 5);
		configure();
	}
	else if (strcmp(line, "beat") == 0)
	{
		command.type = COMMAND_HEARTBEAT;
		command.u.heartbeat = ++sequence;
		send_command(&command);
	}
	else if (strcmp(line, "garbage") == 0)
		(void) channel_send(channel, LANE_EVENTS, (const uint8_t *) "\xff\xff", 2);
	else if (strcmp(line, "close") == 0)
		(void) shutdown(channel_descriptor(channel), SHUT_RDWR);
}

static int
listen_at(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
	socklen_t		   length = sizeof address;
	int				   listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int				   on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listening < 0 || setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
		setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
		bind(listening, (struct sockaddr *) &address, sizeof address) != 0 ||
		listen(listening, 4096) != 0 ||
		getsockname(listening, (struct sockaddr *) &address, &length) != 0)
		die("cannot listen");
	printf("listening on %d\n", ntohs(address.sin_port));
	return listening;
}

static int
listen_at_path(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int				   listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	(void) unlink(path);
	if (listening < 0 || bind(listening, (struct sockaddr *) &address, sizeof address) != 0 ||
		listen(listening, 4096) != 0)
		die(path);
	printf("listening on 0\n");
	return listening;
}

/* Starts the program with the channel as descriptor 3 and the socket as 4. */
static pid_t
start(char **arguments, int count, int listening)
{
	char **all = calloc((size_t) count + 2, sizeof *all);
	char   sockets[] = "1";
	int	   ends[2];
	pid_t  pid;

	if (all == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
		die("socketpair");
	memcpy(all, arguments, (size_t) count * sizeof *all);
	all[count] = sockets;

	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
	{
		int channel_end = fcntl(ends[1], F_DUPFD, 100);
		int listening_end = fcntl(listening, F_DUPFD, 101);

		dup2(channel_end, 3);
		dup2(listening_end, 4);
		(void) close_range(5, ~0U, 0);
		execvp(all[0], all);
		die(all[0]);
	}
	free(all);
	close(ends[1]);
	close(listening);
	channel = channel_new(ends[0], EVENT_LIMIT, 64 * 1024 * 1024);
	if (channel == NULL)
		die("channel");
	return pid;
}

/* Passes events and commands until the listener closes its end. */
static void
run(void)
{
	bool input = true;

	for (;;)
	{
		struct pollfd polls[2] = {{channel_descriptor(channel), POLLIN, 0},
								  {input ? STDIN_FILENO : -1, POLLIN, 0}};

		if (channel_flush(channel) == CHANNEL_CLOSED)
			return;
		if (channel_pending(channel))
			polls[0].events |= POLLOUT;
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if ((polls[0].revents & (POLLIN | POLLHUP | POLLERR)) &&
			channel_read(channel, 0, take_event, NULL) == CHANNEL_CLOSED)
			return;
		if (polls[1].revents != 0)
		{
			char line[256];

			if (fgets(line, sizeof line, stdin) != NULL)
				take_line(line);
			else
				input = false;
		}
	}
}

/* "name=number" */
static void
set_limit(const char *text)
{
	PeerLimits *limits = &config.limits;
	const struct
	{
		const char *name;
		void	   *field; /* all are of 32 bits */
	} fields[] = {{"connection_rate", &limits->connection_rate},
				  {"message_rate", &limits->message_rate},
				  {"byte_rate", &limits->byte_rate},
				  {"message_size", &limits->message_size},
				  {"note_size", &limits->note_size},
				  {"handshake_timeout", &limits->handshake_timeout},
				  {"idle_timeout", &limits->idle_timeout},
				  {"connection_age", &limits->connection_age}};
	const char *equals = strchr(text, '=');

	for (size_t i = 0; equals != NULL && i < sizeof fields / sizeof fields[0]; i++)
	{
		int32_t value = (int32_t) atoi(equals + 1);

		if (strlen(fields[i].name) == (size_t) (equals - text) &&
			strncmp(fields[i].name, text, (size_t) (equals - text)) == 0)
		{
			memcpy(fields[i].field, &value, sizeof value);
			return;
		}
	}
	fprintf(stderr, "there is no limit %s\n", text);
	exit(2);
}

static void
set_defaults(void)
{
	config = (ListenerConfig){.path_prefix = text_of("/_view"),
							  .query_parameters = text_of("utm_*"),
							  .cookie_name = text_of("_pageviews_session"),
							  .cookie_max_age = 60 * 24 * 3600,
							  .key_count = 1,
							  .max_connections = 1000,
							  .limits = DEFAULT_PEER_LIMITS,
							  .heartbeat = 15000,
							  .ping_interval = 1000};
	config.keys[0].id = 1;
	config.limits.connection_rate = 0;
	memset(config.keys[0].secret, 'k', sizeof config.keys[0].secret);
}

int
main(int argc, char **argv)
{
	const char *unix_path = NULL;
	int			port = 0;
	int			option;
	int			status;
	pid_t		pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	signal(SIGPIPE, SIG_IGN);
	set_defaults();
	while ((option = getopt(argc, argv, "+p:o:c:a:i:x:k:r:T:s:l:u:I:R:C:gdSmq")) != -1)
	{
		switch (option)
		{
			case 'p':
				port = atoi(optarg);
				break;
			case 'o':
				config.allowed_origins = text_of(optarg);
				break;
			case 'c':
				config.max_connections = (uint32_t) atoi(optarg);
				break;
			case 'a':
				config.max_connections_per_address = (uint32_t) atoi(optarg);
				break;
			case 'i':
				config.ping_interval = atoi(optarg);
				break;
			case 'x':
				config.trusted_proxies = text_of(optarg);
				break;
			case 'k':
				config.query_parameters = text_of(optarg);
				break;
			case 'r':
				config.path_prefix = text_of(optarg);
				break;
			case 'T':
				tls_files = optarg;
				break;
			case 's':
				config.cookie_samesite = (SameSite) atoi(optarg);
				break;
			case 'l':
				set_limit(optarg);
				break;
			case 'I':
				config.identity = (Identity) atoi(optarg);
				break;
			case 'R':
				config.robots = (RobotPolicy) atoi(optarg);
				break;
			case 'C':
				config.country_header = text_of(optarg);
				break;
			case 'u':
				unix_path = optarg;
				break;
			case 'g':
				config.respect_gpc = true;
				break;
			case 'd':
				config.demo = true;
				break;
			case 'S':
				config.sandbox = true;
				break;
			case 'm':
				mute = true;
				break;
			case 'q':
				quiet = true;
				break;
			default:
				return 2;
		}
	}
	if (optind == argc || (tls_files != NULL && strchr(tls_files, ',') == NULL))
	{
		fprintf(stderr, "usage: listener_harness [options] PROGRAM [ARGUMENT ...]\n");
		return 2;
	}

	pid = start(argv + optind, argc - optind,
				unix_path != NULL ? listen_at_path(unix_path) : listen_at(port));
	run();
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (WIFEXITED(status))
		printf("exit %d\n", WEXITSTATUS(status));
	else
		printf("signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}
