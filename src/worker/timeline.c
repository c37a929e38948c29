/*
 * timeline.c
 *	  A doubly linked list of slots in a fixed array; see timeline.h.
 */
#include "timeline.h"

#include <stdlib.h>

#ifdef POSTGRES_H
#error "timeline.c must not include Postgres"
#endif

bool
timeline_init(Timeline *line, uint32_t capacity)
{
	line->first = 0;
	line->last = 0;
	line->links = calloc(capacity > 0 ? capacity : 1, sizeof *line->links);
	return line->links != NULL;
}

void
timeline_destroy(Timeline *line)
{
	free(line->links);
	line->links = NULL;
}

void
timeline_append(Timeline *line, uint32_t slot, Micros since)
{
	TimelineLink *link = &line->links[slot];

	timeline_remove(line, slot);
	link->previous = line->last;
	link->next = 0;
	link->inside = true;
	link->since = since;
	if (line->last != 0)
		line->links[line->last - 1].next = slot + 1;
	else
		line->first = slot + 1;
	line->last = slot + 1;
}

void
timeline_remove(Timeline *line, uint32_t slot)
{
	TimelineLink *link = &line->links[slot];

	if (!link->inside)
		return;
	if (link->previous != 0)
		line->links[link->previous - 1].next = link->next;
	else
		line->first = link->next;
	if (link->next != 0)
		line->links[link->next - 1].previous = link->previous;
	else
		line->last = link->previous;
	link->inside = false;
}
