/*
 * unit.h
 *	  A tiny harness for the unit tests of pure C code.
 *
 * A test program defines tests, each named after the failure that it prevents,
 * runs them from main(), and returns unit_finish():
 *
 *	  TEST(an_end_said_twice_is_stored_once)
 *	  {
 *		  CHECK(...);
 *		  CHECK_INT(actual, expected);
 *	  }
 *
 *	  int
 *	  main(int argc, char **argv)
 *	  {
 *		  unit_start(argc, argv);
 *		  RUN(an_end_said_twice_is_stored_once);
 *		  return unit_finish();
 *	  }
 *
 * A failed check says where and what, and the test goes on; REQUIRE leaves the
 * test at once.  An argument on the command line runs only the tests whose names
 * contain it.  The last line says "N passed, N failed"; the exit status is 0
 * only if none failed and at least one ran.
 *
 * Everything is static: one test program is one translation unit.
 */
#ifndef PAGEVIEWS_UNIT_H
#define PAGEVIEWS_UNIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static struct
{
	const char *only;		   /* part of the names that are run, or NULL */
	const char *test;		   /* running now */
	unsigned	checks_failed; /* in the running test */
	unsigned	passed;
	unsigned	failed;
} unit;

#define TEST(name) static void name(void)

#define RUN(name) unit_run(#name, name)

#define CHECK(condition) ((void) unit_check((condition), #condition, __FILE__, __LINE__))

#define REQUIRE(condition)                                            \
	do                                                                \
	{                                                                 \
		if (!unit_check((condition), #condition, __FILE__, __LINE__)) \
			return;                                                   \
	} while (0)

/* Any integers, booleans and enums that fit an int64_t. */
#define CHECK_INT(actual, expected) \
	unit_check_int((int64_t) (actual), (int64_t) (expected), #actual, __FILE__, __LINE__)

/* NUL-terminated strings. */
#define CHECK_STRING(actual, expected) \
	unit_check_string((actual), (expected), #actual, __FILE__, __LINE__)

#define CHECK_BYTES(actual, actual_length, expected, expected_length)                             \
	unit_check_bytes((actual), (actual_length), (expected), (expected_length), #actual, __FILE__, \
					 __LINE__)

/* Counts a failure of the running test and opens its line. */
static inline void
unit_complain(const char *file, int line)
{
	unit.checks_failed++;
	printf("%s:%d: %s: ", file, line, unit.test ? unit.test : "outside of a test");
}

static inline bool
unit_check(bool holds, const char *condition, const char *file, int line)
{
	if (!holds)
	{
		unit_complain(file, line);
		printf("not true: %s\n", condition);
	}
	return holds;
}

static inline void
unit_check_int(int64_t actual, int64_t expected, const char *what, const char *file, int line)
{
	if (actual == expected)
		return;
	unit_complain(file, line);
	printf("%s is %lld, expected %lld\n", what, (long long) actual, (long long) expected);
}

static inline void
unit_check_bytes(const void *actual, size_t actual_length, const void *expected,
				 size_t expected_length, const char *what, const char *file, int line)
{
	if (actual_length == expected_length &&
		(actual_length == 0 || memcmp(actual, expected, actual_length) == 0))
		return;
	unit_complain(file, line);
	printf("%s is \"%.*s\" (%zu bytes), expected \"%.*s\" (%zu bytes)\n", what, (int) actual_length,
		   actual_length ? (const char *) actual : "", actual_length, (int) expected_length,
		   expected_length ? (const char *) expected : "", expected_length);
}

static inline void
unit_check_string(const char *actual, const char *expected, const char *what, const char *file,
				  int line)
{
	unit_check_bytes(actual, strlen(actual), expected, strlen(expected), what, file, line);
}

/* Takes an optional part of the names of the tests to run from the command line. */
static inline void
unit_start(int argc, char **argv)
{
	unit.only = argc > 1 ? argv[1] : NULL;
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static inline void
unit_run(const char *name, void (*test)(void))
{
	if (unit.only != NULL && strstr(name, unit.only) == NULL)
		return;
	unit.test = name;
	unit.checks_failed = 0;
	test();
	unit.test = NULL;
	if (unit.checks_failed > 0)
		unit.failed++;
	else
		unit.passed++;
	printf("%s %s\n", unit.checks_failed > 0 ? "not ok" : "ok", name);
}

/* The closing line; returns the exit status of main(). */
static inline int
unit_finish(void)
{
	printf("%u passed, %u failed\n", unit.passed, unit.failed);
	return unit.failed > 0 || unit.passed == 0;
}

#endif /* PAGEVIEWS_UNIT_H */
