/*
 * agent.c
 *	  Fuzz target: a user agent and its hints, a line each.
 */
#include "../../src/listener/agent.h"
#include "fuzz.h"

static Robots *robots;
static Agents *agents;

/* Begins anew, with all the time that new headers get: it is soon used up here. */
static void
begin(void)
{
	static const uint64_t seed[2] = {1, 2};

	if (robots == NULL)
		robots = robots_new();
	agents_free(agents);
	agents = agents_new(robots, seed);
	FUZZ_CHECK(robots != NULL && agents != NULL);
}

static void
check_visitor(const Visitor *visitor)
{
	FUZZ_CHECK(is_storable(visitor->browser, AGENT_NAME_LIMIT));
	FUZZ_CHECK(is_storable(visitor->browser_version, AGENT_VERSION_LIMIT));
	FUZZ_CHECK(is_storable(visitor->system, AGENT_NAME_LIMIT));
	FUZZ_CHECK((unsigned) visitor->device < DEVICE_CLASS_COUNT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input	input = {data, size};
	Text	agent = input_line(&input);
	Text	brands = input_line(&input);
	Text	mobile = input_line(&input);
	Text	platform = input_line(&input);
	Hints	hints = hints_read(brands, mobile, platform);
	Visitor visitor = {0};
	Visitor again = {0};

	if (agents == NULL)
		begin();
	agents_recognise(agents, agent, &hints, &visitor);
	if (visitor.browser.data == NULL)
	{
		begin();
		agents_recognise(agents, agent, &hints, &visitor);
		FUZZ_CHECK(visitor.browser.data != NULL);
	}
	check_visitor(&visitor);
	agents_recognise(agents, agent, &hints, &again);
	FUZZ_CHECK(text_equal(visitor.browser, again.browser));
	FUZZ_CHECK(text_equal(visitor.browser_version, again.browser_version));
	FUZZ_CHECK(text_equal(visitor.system, again.system));
	FUZZ_CHECK(visitor.device == again.device);
	free((char *) agent.data);
	free((char *) brands.data);
	free((char *) mobile.data);
	free((char *) platform.data);
	return 0;
}
