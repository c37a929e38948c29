/*
 * listener_rules.c
 *	  The rules of uap-core: against its own tests, and against trying every rule.
 *
 * uap-core's tests come with Debian's package of the same name.  They are of an
 * older version than the rules, so a few of them expect what is no longer said.
 */
#include "unit.h"

#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>
#include <stdlib.h>

#include "../../src/listener/rules.h"
#include "chance.h"

#define TESTS "/usr/share/uap-core/tests/"

#define RULE_LIMIT 2000

extern const char	  asset_agents[];
extern const uint64_t asset_agents_length;

static Rules *rules;

/* --- uap-core's own tests --------------------------------------------------------- */

/* Reads "key: 'value'" behind blanks, undoing ''; false when the line has another key. */
static bool
read_field(const char *line, const char *key, char *value, size_t capacity)
{
	size_t length = 0;

	line += strspn(line, " -");
	if (strncmp(line, key, strlen(key)) != 0 || line[strlen(key)] != ':')
		return false;
	line += strlen(key) + 1;
	line += strspn(line, " ");
	if (*line == '\'' || *line == '"')
	{
		for (char quote = *line++; *line != '\0' && length + 1 < capacity; line++)
		{
			if (*line == quote && *++line != quote)
				break;
			value[length++] = *line;
		}
	}
	value[length] = '\0';
	return true;
}

/* What one file expects. */
typedef struct Agreement
{
	int		 cases;
	int		 agreed;
	RuleKind kind;
	char	 agent[4096];
	char	 name[512];
	char	 major[512];
} Agreement;

/* Asks for the case that was read. */
static void
judge(Agreement *agreement)
{
	RuleAnswer answer;
	Text	   agent = text_of(agreement->agent);
	Text	   name = text_of(agreement->name);
	Text	   told = {answer.name[agreement->kind], 0};

	agent.length = (uint16_t) text_clip(agent.data, agent.length, USER_AGENT_LIMIT);
	name.length = (uint16_t) text_clip(name.data, name.length, AGENT_NAME_LIMIT);
	CHECK(rules_apply(rules, agent, &answer));
	told.length = answer.name_length[agreement->kind];
	if (told.length == 0)
		told = text_of("Other");
	agreement->cases++;
	agreement->agreed +=
		text_equal(told, name) &&
		(agreement->kind != RULE_BROWSER ||
		 text_equal((Text){answer.version, answer.version_length}, text_of(agreement->major)));
}

/* Every `step`th case of a file; says what per mille agree. */
static int
agreement_with(const char *name, RuleKind kind, int step)
{
	static char		 line[8192];
	static Agreement agreement;
	char			 path[256];
	FILE			*file;
	int				 number = 0;
	bool			 named;

	snprintf(path, sizeof path, TESTS "%s", name);
	file = fopen(path, "r");
	if (file == NULL)
	{
		printf("%s is not there: install Debian's package uap-core\n", path);
		return 0;
	}
	memset(&agreement, 0, sizeof agreement);
	agreement.kind = kind;
	while (fgets(line, sizeof line, file) != NULL)
	{
		if (read_field(line, "user_agent_string", agreement.agent, sizeof agreement.agent))
			number++;
		named = read_field(line, "family", agreement.name, sizeof agreement.name);
		/* The last line of a case that counts. */
		if (kind != RULE_DEVICE)
			named = read_field(line, "major", agreement.major, sizeof agreement.major);
		if (named && number % step == 0)
			judge(&agreement);
	}
	fclose(file);
	printf("# %s: %d of %d agree\n", name, agreement.agreed, agreement.cases);
	CHECK(agreement.cases >= 400);
	return agreement.cases > 0 ? agreement.agreed * 1000 / agreement.cases : 0;
}

TEST(the_package_s_own_tests_agree)
{
	CHECK(agreement_with("test_ua.yaml", RULE_BROWSER, 1) >= 990);
	CHECK(agreement_with("test_os.yaml", RULE_SYSTEM, 1) >= 990);
	CHECK(agreement_with("test_device.yaml", RULE_DEVICE, 4) >= 990);
}

/* --- trying every rule --------------------------------------------------------------- */

typedef struct PlainRule
{
	RuleKind	kind;
	pcre2_code *code;
	char		name[256];
	char		texts[8192]; /* what a match must contain, as the list has it */
} PlainRule;

static PlainRule			plain[RULE_LIMIT];
static int					plain_count;
static pcre2_match_data	   *match;
static pcre2_match_context *limits;

/* Takes the list apart by itself. */
static void
read_list(void)
{
	static char line[32768];
	FILE	   *file = fmemopen((void *) asset_agents, asset_agents_length, "r");

	match = pcre2_match_data_create(10, NULL);
	limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(limits, 20000);
	while (file != NULL && fgets(line, sizeof line, file) != NULL && plain_count < RULE_LIMIT)
	{
		PlainRule  *rule = &plain[plain_count];
		char	   *rest = line;
		const char *kind = strsep(&rest, "\t\n");
		const char *texts = strsep(&rest, "\t\n");
		const char *expression = strsep(&rest, "\t\n");
		const char *name = strsep(&rest, "\t\n");
		int			error;
		PCRE2_SIZE	offset;

		if (line[0] == '#')
			continue;
		rule->kind = kind[0] == 'b' ? RULE_BROWSER : kind[0] == 's' ? RULE_SYSTEM : RULE_DEVICE;
		snprintf(rule->name, sizeof rule->name, "%s", name != NULL && *name != '\0' ? name : "$1");
		snprintf(rule->texts, sizeof rule->texts, "%s", texts);
		rule->code = pcre2_compile((PCRE2_SPTR) expression, PCRE2_ZERO_TERMINATED,
								   kind[1] == 'i' ? PCRE2_CASELESS : 0, &error, &offset, NULL);
		if (rule->code == NULL)
		{
			unit_complain(__FILE__, __LINE__);
			printf("does not compile: %s\n", expression);
			continue;
		}
		plain_count++;
	}
	if (file != NULL)
		fclose(file);
}

static void
free_list(void)
{
	while (plain_count > 0)
		pcre2_code_free(plain[--plain_count].code);
	pcre2_match_data_free(match);
	pcre2_match_context_free(limits);
}

/* The name that the first rule of a kind gives, trying all; "" when none fits. */
static void
try_all(RuleKind kind, Text agent, char *name, size_t capacity)
{
	name[0] = '\0';
	for (int i = 0; i < plain_count; i++)
	{
		const char *from = plain[i].name;
		size_t		length = 0;
		char		text[2048];

		if (plain[i].kind != kind || pcre2_match(plain[i].code, (PCRE2_SPTR) agent.data,
												 agent.length, 0, 0, match, limits) < 0)
			continue;
		for (; *from != '\0'; from++)
		{
			PCRE2_SIZE size = sizeof text - length;

			if (from[0] != '$' || from[1] < '1' || from[1] > '9')
				text[length++] = *from;
			else if (pcre2_substring_copy_bynumber(match, (uint32_t) (*++from - '0'),
												   (PCRE2_UCHAR *) text + length, &size) == 0)
				length += size;
		}
		while (length > 0 && text[length - 1] == ' ')
			length--;
		text[length] = '\0';
		length =
			text_clean(text + strspn(text, " "), length - strspn(text, " "), name, capacity - 1);
		name[length] = '\0';
		return;
	}
}

/* Whether the three answers are those of trying all; true where a limit was met. */
static bool
is_what_all_say(Text agent)
{
	RuleAnswer answer;

	if (!rules_apply(rules, agent, &answer))
		return true;
	for (int kind = 0; kind < RULE_KIND_COUNT; kind++)
	{
		char name[AGENT_NAME_LIMIT + 1];

		try_all((RuleKind) kind, agent, name, sizeof name);
		if (!text_equal((Text){answer.name[kind], answer.name_length[kind]}, text_of(name)))
		{
			printf("# %.*s: \"%.*s\", but all rules say \"%s\"\n", agent.length, agent.data,
				   answer.name_length[kind], answer.name[kind], name);
			return false;
		}
	}
	return true;
}

/* A piece of a rule's texts, in one of three cases. */
static size_t
draw_text(char *out)
{
	const char *texts = plain[below(plain_count)].texts;
	size_t		length = strlen(texts);
	size_t		from = length > 0 ? (size_t) below((int) length) : 0;
	size_t		size = 0;
	int			letters = below(3);

	while (from > 0 && strchr("|&", texts[from - 1]) == NULL)
		from--;
	while (from + size < length && size < 40 && strchr("|&", texts[from + size]) == NULL)
	{
		char c = texts[from + size];

		if (c >= 'a' && c <= 'z' && (letters == 1 || (letters == 2 && size == 0)))
			c = (char) (c - 'a' + 'A');
		out[size++] = c;
	}
	return size;
}

TEST(what_is_not_tried_would_not_have_fitted)
{
	static const char *const between[] = {"",
										  " ",
										  "/1.2",
										  "; ",
										  " Build/",
										  "; Android 9; ",
										  " Version/4.0 Mobile Safari/9",
										  "(",
										  ")",
										  "Mozilla/5.0 (Linux; U; Android 4.0; en; "};
	int						 found = 0;

	random_state = 11;
	for (int i = 0; i < 1500; i++)
	{
		char   agent[USER_AGENT_LIMIT + 100];
		size_t length = 0;

		for (int pieces = 1 + below(4); pieces > 0; pieces--)
		{
			length += (size_t) sprintf(agent + length, "%s",
									   between[below(sizeof between / sizeof between[0])]);
			length += draw_text(agent + length);
			length += (size_t) sprintf(agent + length, "%s",
									   between[below(sizeof between / sizeof between[0])]);
		}
		REQUIRE(is_what_all_say((Text){agent, (uint16_t) length}));
		found++;
	}
	CHECK_INT(found, 1500);
}

TEST(the_package_s_own_agents_are_what_all_rules_say)
{
	static char line[8192];
	static char agent[8192];
	FILE	   *file = fopen(TESTS "test_ua.yaml", "r");
	int			tried = 0;

	REQUIRE(file != NULL);
	while (fgets(line, sizeof line, file) != NULL)
	{
		Text text;

		if (!read_field(line, "user_agent_string", agent, sizeof agent))
			continue;
		text = text_of(agent);
		text.length = (uint16_t) text_clip(text.data, text.length, USER_AGENT_LIMIT);
		CHECK(is_what_all_say(text));
		tried++;
	}
	fclose(file);
	CHECK(tried > 1000);
}

int
main(int argc, char **argv)
{
	rules = rules_new();
	if (rules == NULL)
		return 1;
	unit_start(argc, argv);
	read_list();
	RUN(the_package_s_own_tests_agree);
	RUN(what_is_not_tried_would_not_have_fitted);
	RUN(the_package_s_own_agents_are_what_all_rules_say);
	free_list();
	rules_free(rules);
	return unit_finish();
}
