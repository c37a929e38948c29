/*
 * rules.c
 *	  Some thousand regular expressions, of which a user agent meets a few.
 *
 * The list says of each rule which texts a match must contain (web/agents.mjs).  All
 * of them are looked for in one pass over the user agent: at each byte, those that
 * begin with these three bytes.  Only rules whose texts were all found are tried, in
 * their order, until the first fits.
 *
 * An expression is compiled when it is tried for the first time, so that a process
 * that has just started serves at once.  There is no just-in-time compiler: the
 * sandbox lets nobody make memory executable.
 *
 * The expressions came from the outside as well as what they are matched with, so
 * each match has a limit of steps and of memory, and a user agent that reaches it
 * again and again is left alone.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "rules.h"

#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>
#include <stdlib.h>

/* More than any user agent of uap-core's own tests takes, by far. */
#define STEP_LIMIT	 20000 /* of one match */
#define HEAP_LIMIT	 256   /* kB, of one match */
#define LIMITS_LIMIT 3	   /* matches of one user agent that may reach a limit */

#define GROUP_LIMIT	   10 /* of an expression, with the whole match: $1 to $9 */
#define GRAM		   3  /* bytes that a text to look for has at least */
#define BUCKET_BITS	   12
#define BUCKET_COUNT   (1 << BUCKET_BITS)
#define NONE		   UINT16_MAX
#define NAME_TEMPLATE  "$1"
#define MAJOR_TEMPLATE "$2"

typedef struct Rule
{
	Text		expression;
	Text		name;  /* with $1 to $9 */
	Text		major; /* likewise */
	bool		any_case;
	bool		broken; /* does not compile */
	uint8_t		needed; /* bits of its sets of texts */
	pcre2_code *code;	/* owned; NULL until it is tried */
} Rule;

/* A rule that needs a literal, for one of its sets. */
typedef struct Use
{
	uint16_t rule;
	uint16_t next; /* of the same literal, or NONE */
	uint8_t	 set;  /* a bit */
} Use;

/* A text to look for. */
typedef struct Literal
{
	Text	 text;
	uint16_t use;
	uint16_t next;	/* in the bucket, or NONE */
	uint32_t found; /* the search that found it last */
} Literal;

struct Rules
{
	Rule				*rules;				   /* owned */
	Literal				*literals;			   /* owned */
	Use					*uses;				   /* owned */
	uint8_t				*found;				   /* owned: of each rule, the sets that were found */
	pcre2_match_data	*match;				   /* owned */
	pcre2_match_context *limits;			   /* owned */
	uint32_t			 search;			   /* this one's number */
	uint16_t			 end[RULE_KIND_COUNT]; /* of the rules of a kind, behind those before it */
	uint16_t			 rule_count;
	uint16_t			 literal_count;
	uint16_t			 use_count;
	uint16_t			 buckets[BUCKET_COUNT];
};

extern const char	  asset_agents[];
extern const uint64_t asset_agents_length;

/* --- the list ----------------------------------------------------------------- */

/* Takes what is in front of the separator, or all that is left, off the text; false when nothing is left. */
static bool
take_piece(Text *text, char separator, Text *piece)
{
	const char *end;

	*piece = (Text){text->data, 0};
	if (text->data == NULL)
		return false;
	end = memchr(text->data, separator, text->length);
	if (end == NULL)
	{
		*piece = *text;
		*text = (Text){NULL, 0};
		return true;
	}
	piece->length = (uint16_t) (end - text->data);
	text->length = (uint16_t) (text->length - piece->length - 1);
	text->data = end + 1;
	return true;
}

/* The next line that is no remark; *at is moved past it.  False at the end. */
static bool
next_line(const char **at, Text *line)
{
	const char *end = asset_agents + asset_agents_length;

	while (*at < end)
	{
		const char *newline = memchr(*at, '\n', (size_t) (end - *at));
		const char *stop = newline != NULL ? newline : end;

		*line = (Text){*at, (uint16_t) (stop - *at)};
		*at = newline != NULL ? newline + 1 : end;
		if (line->length > 0 && line->data[0] != '#')
			return true;
	}
	return false;
}

static RuleKind
kind_of(Text field)
{
	return field.data[0] == 'b' ? RULE_BROWSER : field.data[0] == 's' ? RULE_SYSTEM : RULE_DEVICE;
}

static uint16_t *
bucket_of(Rules *rules, const char *text)
{
	uint32_t gram = (uint32_t) (uint8_t) text[0] | (uint32_t) (uint8_t) text[1] << 8 |
					(uint32_t) (uint8_t) text[2] << 16;

	return &rules->buckets[gram * UINT32_C(2654435761) >> (32 - BUCKET_BITS)];
}

/* The literal of this text, made if there is none. */
static Literal *
literal_of(Rules *rules, Text text)
{
	uint16_t *bucket = bucket_of(rules, text.data);
	Literal	 *literal;

	for (uint16_t i = *bucket; i != NONE; i = rules->literals[i].next)
	{
		if (text_equal(rules->literals[i].text, text))
			return &rules->literals[i];
	}
	literal = &rules->literals[rules->literal_count];
	*literal = (Literal){.text = text, .use = NONE, .next = *bucket};
	*bucket = rules->literal_count++;
	return literal;
}

/* Has the texts of a rule looked for. */
static void
add_texts(Rules *rules, uint16_t number, Text sets)
{
	uint8_t bit = 1;
	Text	set;
	Text	text;

	for (; sets.length > 0 && take_piece(&sets, '&', &set); bit = (uint8_t) (bit << 1))
	{
		rules->rules[number].needed |= bit;
		while (take_piece(&set, '|', &text))
		{
			Literal *literal = literal_of(rules, text);

			rules->uses[rules->use_count] = (Use){number, literal->use, bit};
			literal->use = rules->use_count++;
		}
	}
}

static void
add_rule(Rules *rules, Text line)
{
	uint16_t number = rules->rule_count++;
	Rule	*rule = &rules->rules[number];
	Text	 head;
	Text	 sets;

	(void) take_piece(&line, '\t', &head);
	(void) take_piece(&line, '\t', &sets);
	(void) take_piece(&line, '\t', &rule->expression);
	(void) take_piece(&line, '\t', &rule->name);
	(void) take_piece(&line, '\t', &rule->major);
	if (rule->name.length == 0)
		rule->name = text_of(NAME_TEMPLATE);
	if (rule->major.length == 0)
		rule->major = text_of(MAJOR_TEMPLATE);
	rule->any_case = head.length > 1;
	for (int kind = (int) kind_of(head); kind < RULE_KIND_COUNT; kind++)
		rules->end[kind] = rules->rule_count;
	add_texts(rules, number, sets);
}

/* How many rules there are, and at most how many texts. */
static void
count(size_t *rule_count, size_t *text_count)
{
	const char *at = asset_agents;
	Text		line;
	Text		field;

	*rule_count = *text_count = 0;
	while (next_line(&at, &line))
	{
		(void) take_piece(&line, '\t', &field);
		(void) take_piece(&line, '\t', &field);
		++*rule_count;
		*text_count += field.length > 0;
		for (int i = 0; i < field.length; i++)
			*text_count += field.data[i] == '|' || field.data[i] == '&';
	}
}

Rules *
rules_new(void)
{
	Rules	   *rules = calloc(1, sizeof *rules);
	const char *at = asset_agents;
	size_t		rule_count;
	size_t		text_count;
	Text		line;

	if (rules == NULL)
		return NULL;
	count(&rule_count, &text_count);
	if (rule_count == 0 || rule_count >= NONE || text_count == 0 || text_count >= NONE)
	{
		free(rules);
		return NULL;
	}
	rules->rules = calloc(rule_count, sizeof *rules->rules);
	rules->literals = calloc(text_count, sizeof *rules->literals);
	rules->uses = calloc(text_count, sizeof *rules->uses);
	rules->found = calloc(rule_count, sizeof *rules->found);
	rules->match = pcre2_match_data_create(GROUP_LIMIT, NULL);
	rules->limits = pcre2_match_context_create(NULL);
	if (rules->rules == NULL || rules->literals == NULL || rules->uses == NULL ||
		rules->found == NULL || rules->match == NULL || rules->limits == NULL)
	{
		rules_free(rules);
		return NULL;
	}
	pcre2_set_match_limit(rules->limits, STEP_LIMIT);
	pcre2_set_heap_limit(rules->limits, HEAP_LIMIT);
	memset(rules->buckets, 0xff, sizeof rules->buckets);
	while (next_line(&at, &line))
		add_rule(rules, line);
	return rules;
}

void
rules_free(Rules *rules)
{
	if (rules == NULL)
		return;
	for (uint16_t i = 0; i < rules->rule_count; i++)
		pcre2_code_free(rules->rules[i].code);
	free(rules->rules);
	free(rules->literals);
	free(rules->uses);
	free(rules->found);
	pcre2_match_data_free(rules->match);
	pcre2_match_context_free(rules->limits);
	free(rules);
}

/* --- which rules come into question -------------------------------------------- */

static inline char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

/* Marks with every rule which of its sets are in the text. */
static void
look_for_texts(Rules *rules, Text user_agent)
{
	char folded[USER_AGENT_LIMIT];

	memset(rules->found, 0, rules->rule_count);
	if (++rules->search == 0)
		rules->search = 1;
	for (int i = 0; i < user_agent.length; i++)
		folded[i] = lower(user_agent.data[i]);

	for (int i = 0; i + GRAM <= user_agent.length; i++)
	{
		for (uint16_t at = *bucket_of(rules, folded + i); at != NONE; at = rules->literals[at].next)
		{
			Literal *literal = &rules->literals[at];

			if (literal->found == rules->search || literal->text.length > user_agent.length - i ||
				memcmp(folded + i, literal->text.data, literal->text.length) != 0)
				continue;
			literal->found = rules->search;
			for (uint16_t use = literal->use; use != NONE; use = rules->uses[use].next)
				rules->found[rules->uses[use].rule] |= rules->uses[use].set;
		}
	}
}

/* --- trying a rule -------------------------------------------------------------- */

/* Compiles a rule if that was not done; false when it cannot be. */
static bool
compile(Rule *rule)
{
	int		   error;
	PCRE2_SIZE offset;

	if (rule->code == NULL && !rule->broken)
	{
		rule->code = pcre2_compile((PCRE2_SPTR) rule->expression.data, rule->expression.length,
								   rule->any_case ? PCRE2_CASELESS : 0, &error, &offset, NULL);
		rule->broken = rule->code == NULL && error != PCRE2_ERROR_HEAP_FAILED;
	}
	return rule->code != NULL;
}

/*
 * Writes a template with what the groups matched, without blanks at its ends, as
 * clean text; returns its length.
 */
static uint8_t
fill_in(const Rules *rules, int groups, Text template, Text user_agent, char *out, size_t capacity)
{
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(rules->match);
	char			  text[2 * USER_AGENT_LIMIT] = "";
	size_t			  length = 0;
	size_t			  begin = 0;

	for (int i = 0; i < template.length && length < sizeof text; i++)
	{
		int group =
			i + 1 < template.length && template.data[i] == '$' ? template.data[i + 1] - '0' : 0;

		if (group < 1 || group > 9)
		{
			text[length++] = template.data[i];
			continue;
		}
		i++;
		if (group < groups && ends[2 * group] != PCRE2_UNSET)
		{
			size_t size = ends[2 * group + 1] - ends[2 * group];

			size = size < sizeof text - length ? size : sizeof text - length;
			memcpy(text + length, user_agent.data + ends[2 * group], size);
			length += size;
		}
	}
	while (length > 0 && text[length - 1] == ' ')
		length--;
	while (begin < length && text[begin] == ' ')
		begin++;
	return (uint8_t) text_clean(text + begin, length - begin, out, capacity);
}

/* Finds what this kind of rules says; false when a limit was reached too often, or memory. */
static bool
apply_kind(Rules *rules, RuleKind kind, Text user_agent, int *limits_left, RuleAnswer *answer)
{
	uint16_t begin = kind == RULE_BROWSER ? 0 : rules->end[kind - 1];

	for (uint16_t i = begin; i < rules->end[kind]; i++)
	{
		Rule *rule = &rules->rules[i];
		int	  groups;

		if ((rules->found[i] & rule->needed) != rule->needed)
			continue;
		if (!compile(rule))
		{
			if (!rule->broken)
				return false;
			continue;
		}
		groups = pcre2_match(rule->code, (PCRE2_SPTR) user_agent.data, user_agent.length, 0, 0,
							 rules->match, rules->limits);
		if (groups >= 0)
		{
			if (groups == 0)
				groups = GROUP_LIMIT;
			answer->name_length[kind] = fill_in(rules, groups, rule->name, user_agent,
												answer->name[kind], sizeof answer->name[kind]);
			if (kind == RULE_BROWSER)
				answer->version_length = fill_in(rules, groups, rule->major, user_agent,
												 answer->version, sizeof answer->version);
			return true;
		}
		if (groups != PCRE2_ERROR_NOMATCH && --*limits_left <= 0)
			return false;
	}
	return true;
}

bool
rules_apply(Rules *rules, Text user_agent, RuleAnswer *answer)
{
	int limits_left = LIMITS_LIMIT;

	*answer = (RuleAnswer){0};
	if (user_agent.length == 0 || user_agent.length > USER_AGENT_LIMIT)
		return true;
	look_for_texts(rules, user_agent);
	for (int kind = 0; kind < RULE_KIND_COUNT; kind++)
	{
		if (!apply_kind(rules, (RuleKind) kind, user_agent, &limits_left, answer))
			return false;
	}
	return true;
}
