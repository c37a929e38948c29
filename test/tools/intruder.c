/*
 * intruder.c
 *	  What somebody would do who took a listener over.
 *
 * Linked into a listener of the tests in front of http_request() and of
 * sandbox_enter() (the linker's --wrap); no part of it is in the product.
 *
 *	  GET /intruder/do/NAME		makes a call of misdeeds.h; says what came of it
 *	  GET /intruder/abort		a failed assertion
 *	  GET /intruder/hoard/KB	takes so much memory, touches it and keeps it
 *	  GET /intruder/belongings	what it had when it entered the sandbox: its
 *								environment, and its descriptors, a line each
 *
 * With a file of its own name and ".refused" next to it, it behaves as on a system
 * that does not allow the sandbox.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/listener/http.h"
#include "../../src/listener/sandbox.h"
#include "misdeeds.h"

#define PREFIX "/intruder/"

extern char **environ;

extern HttpAction __real_http_request(Listener *listener, Connection *connection,
									  const Request *request, Moment now, Response *response);
extern HttpAction __wrap_http_request(Listener *listener, Connection *connection,
									  const Request *request, Moment now, Response *response);
extern int		  __real_sandbox_enter(const int *listening, int count);
extern int		  __wrap_sandbox_enter(const int *listening, int count);

static char belongings[4096];

static void
note(const char *what, const char *value)
{
	size_t used = strlen(belongings);

	snprintf(belongings + used, sizeof belongings - used, "%s %s\n", what, value);
}

static bool
is_refused(void)
{
	char	name[4096] = "";
	ssize_t length = readlink("/proc/self/exe", name, sizeof name - 16);

	if (length < 0)
		return false;
	strcpy(name + length, ".refused");
	return access(name, F_OK) == 0;
}

int
__wrap_sandbox_enter(const int *listening, int count)
{
	if (is_refused())
		return EPERM;
	for (char **variable = environ; variable != NULL && *variable != NULL; variable++)
		note("environment", *variable);
	for (int fd = 0; fd < 1000; fd++)
	{
		char	link[64];
		char	target[256];
		ssize_t length;

		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		length = readlink(link, target, sizeof target - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		note("descriptor", target);
	}
	return __real_sandbox_enter(listening, count);
}

/* Takes memory, to the last piece that is to be had, but no more than so much; what it has. */
static long
hoard(long kilobytes)
{
	long taken = 0;

	for (size_t piece = 64 * 1024; piece >= 16; piece /= 2)
	{
		char *memory;

		while (taken / 1024 < kilobytes && (memory = malloc(piece)) != NULL)
		{
			memset(memory, 1, piece);
			taken += (long) piece;
		}
	}
	return taken / 1024;
}

static void
misbehave(const char *wish, char *result, size_t size)
{
	snprintf(result, size, "there is no such misdeed\n");
	if (strcmp(wish, "abort") == 0)
		abort();
	if (strcmp(wish, "belongings") == 0)
		snprintf(result, size, "%s", belongings);
	if (strncmp(wish, "hoard/", 6) == 0)
		snprintf(result, size, "%ld\n", hoard(atol(wish + 6)));
	for (size_t i = 0; strncmp(wish, "do/", 3) == 0 && i < MISDEED_COUNT; i++)
	{
		if (strcmp(wish + 3, misdeeds[i].name) == 0)
		{
			long answer = misdeed_do(&misdeeds[i]);

			snprintf(result, size, "answer %ld errno %d\n", answer, errno);
		}
	}
}

HttpAction
__wrap_http_request(Listener *listener, Connection *connection, const Request *request, Moment now,
					Response *response)
{
	char   wish[64];
	char   result[sizeof belongings];
	size_t prefix = strlen(PREFIX);

	if (request->path.length <= prefix || memcmp(request->path.data, PREFIX, prefix) != 0)
		return __real_http_request(listener, connection, request, now, response);
	snprintf(wish, sizeof wish, "%.*s", (int) (request->path.length - prefix),
			 request->path.data + prefix);
	misbehave(wish, result, sizeof result);
	return response_make(response, 200, "", result, strlen(result), now.wall) ? HTTP_RESPOND
																			  : HTTP_HANG_UP;
}
