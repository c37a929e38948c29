/*
 * robots.c
 *	  All texts of the list in one pass: the automaton of Aho and Corasick.
 *
 * A node is what was read last, as far as some text begins so; node MATCHED is a
 * text that was read to its end, and is never left.  The two ends of the header
 * are symbols like its bytes, so a text may ask for them.  Symbols that no text
 * has share class 0, which leads back to ROOT.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "robots.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOL_BEGIN 256
#define SYMBOL_END	 257
#define SYMBOL_COUNT 258

#define ROOT	0
#define MATCHED 1

/* Most visitors say what another one has said not long before. */
#define SEEN_COUNT 64
#define SEEN_LIMIT 256 /* bytes */

typedef struct Seen
{
	uint16_t length; /* 0: nothing yet */
	bool	 robot;
	char	 text[SEEN_LIMIT];
} Seen;

struct Robots
{
	uint16_t  class_of[SYMBOL_COUNT];
	uint32_t  classes;
	uint32_t  nodes;
	uint16_t *next; /* owned: of node and class, the next node */
	Seen	  seen[SEEN_COUNT];
};

/* A line of the list. */
typedef struct Line
{
	char		place; /* '^' first, '$' last, ' ' anywhere */
	const char *text;
	size_t		length;
} Line;

extern const char	  asset_robots[];
extern const uint64_t asset_robots_length;

/* The next line that is no remark; *at is moved past it.  False at the end. */
static bool
read_line(const char **at, Line *line)
{
	const char *end = asset_robots + asset_robots_length;

	while (*at < end)
	{
		const char *begin = *at;
		const char *newline = memchr(begin, '\n', (size_t) (end - begin));

		if (newline == NULL)
			newline = end;
		*at = newline < end ? newline + 1 : end;
		if (newline - begin >= 2 && *begin != '#')
		{
			*line = (Line){*begin, begin + 1, (size_t) (newline - begin) - 1};
			return true;
		}
	}
	return false;
}

static uint16_t *
next_of(const Robots *robots, uint32_t node, uint32_t class)
{
	return &robots->next[node * robots->classes + class];
}

/* Gives every symbol that is in a text its class; returns how many nodes there can be. */
static uint32_t
classify(Robots *robots)
{
	const char *at = asset_robots;
	uint32_t	symbols = 0;
	Line		line;

	robots->class_of[SYMBOL_BEGIN] = 1;
	robots->class_of[SYMBOL_END] = 2;
	robots->classes = 3;
	while (read_line(&at, &line))
	{
		for (size_t i = 0; i < line.length; i++)
		{
			uint16_t *class = &robots->class_of[(uint8_t) line.text[i]];

			if (*class == 0)
				*class = (uint16_t) robots->classes++;
		}
		symbols += (uint32_t) line.length + (line.place != ' ');
	}
	return symbols + 2;
}

/* The node that a symbol leads to, made if need be; a text's last one leads to MATCHED. */
static uint32_t
add_symbol(Robots *robots, uint32_t node, int symbol, bool last)
{
	uint16_t *next = next_of(robots, node, robots->class_of[symbol]);

	/* What a shorter text recognises a longer one need not. */
	if (node == MATCHED || *next == MATCHED)
		return MATCHED;
	if (last)
		*next = MATCHED;
	else if (*next == ROOT)
		*next = (uint16_t) robots->nodes++;
	return *next;
}

static void
add_line(Robots *robots, const Line *line)
{
	uint32_t node = ROOT;

	if (line->place == '^')
		node = add_symbol(robots, node, SYMBOL_BEGIN, false);
	for (size_t i = 0; i < line->length; i++)
		node = add_symbol(robots, node, (uint8_t) line->text[i],
						  line->place != '$' && i + 1 == line->length);
	if (line->place == '$')
		(void) add_symbol(robots, node, SYMBOL_END, true);
}

/*
 * Where no text goes on, its longest end that begins another does: `other` is the
 * node of that end, always nearer to the root, so nodes are visited in the order
 * of their distance.  False when there is no memory.
 */
static bool
connect_ends(Robots *robots)
{
	uint16_t *order = calloc(robots->nodes, sizeof *order);
	uint16_t *other = calloc(robots->nodes, sizeof *other);
	uint32_t  count = 1; /* the root is the first */

	for (uint32_t i = 0; order != NULL && other != NULL && i < count; i++)
	{
		uint16_t node = order[i];

		for (uint32_t class = 1; class < robots->classes; class ++)
		{
			uint16_t *next = next_of(robots, node, class);
			uint16_t  end = node == ROOT ? ROOT : *next_of(robots, other[node], class);

			if (*next == ROOT || end == MATCHED)
				*next = end;
			else if (*next != MATCHED)
			{
				other[*next] = end;
				order[count++] = *next;
			}
		}
	}
	free(order);
	free(other);
	return count > 1;
}

Robots *
robots_new(void)
{
	Robots	   *robots = calloc(1, sizeof *robots);
	const char *at = asset_robots;
	uint32_t	limit;
	Line		line;

	if (robots == NULL)
		return NULL;
	limit = classify(robots);
	robots->nodes = MATCHED + 1;
	if (limit <= UINT16_MAX)
		robots->next = calloc((size_t) limit * robots->classes, sizeof *robots->next);
	if (robots->next != NULL)
	{
		while (read_line(&at, &line))
			add_line(robots, &line);
		if (connect_ends(robots))
			return robots;
	}
	robots_free(robots);
	return NULL;
}

void
robots_free(Robots *robots)
{
	if (robots == NULL)
		return;
	free(robots->next);
	free(robots);
}

/* Reads the text through the list. */
static bool
is_listed(const Robots *robots, Text user_agent)
{
	uint32_t node = *next_of(robots, ROOT, robots->class_of[SYMBOL_BEGIN]);

	for (int i = 0; i < user_agent.length && node != MATCHED; i++)
		node = *next_of(robots, node, robots->class_of[(uint8_t) user_agent.data[i]]);
	return node == MATCHED || *next_of(robots, node, robots->class_of[SYMBOL_END]) == MATCHED;
}

/* Where a text is remembered; a few of its bytes tell most from each other. */
static Seen *
seen_of(Robots *robots, Text text)
{
	unsigned place = text.length;

	for (int i = 0; i < text.length; i += 1 + text.length / 16)
		place = place * 31 + (uint8_t) text.data[i];
	return &robots->seen[place % SEEN_COUNT];
}

bool
robots_recognise(Robots *robots, Text user_agent)
{
	Seen *seen;

	if (user_agent.length == 0 || user_agent.length > SEEN_LIMIT)
		return is_listed(robots, user_agent);
	seen = seen_of(robots, user_agent);
	if (seen->length != user_agent.length ||
		memcmp(seen->text, user_agent.data, user_agent.length) != 0)
	{
		seen->length = user_agent.length;
		seen->robot = is_listed(robots, user_agent);
		memcpy(seen->text, user_agent.data, user_agent.length);
	}
	return seen->robot;
}
