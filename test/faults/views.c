/*
 * views.c
 *	  Views as their visitors know them, and the ledger of all of them.
 */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

View *ledger;

View *
view_new(Visitor *v, int64_t now)
{
	View *view = calloc(1, sizeof *view);

	if (view == NULL)
		abort();
	view->seed[0] = visitor_roll(v, UINT64_MAX);
	view->seed[1] = visitor_roll(v, UINT64_MAX);
	if (rules.marked && visitor_roll(v, 100) < (uint64_t) rules.marked)
		view->mark = visitor_roll(v, 2) ? "SPOIL0" : "SPOILF";
	view->page = v->number;
	view->born = view->since = view->reported = view->heard = now;
	if (rules.older_ms > 0)
	{
		view->visible = (int64_t) visitor_roll(v, (uint64_t) rules.older_ms * 1000);
		view->born -= view->visible;
	}
	id_stamp(v, view->seed, view->born, view->id);
	view->shown = true;
	view->earlier = ledger;
	ledger = view;
	totals.views++;
	return view;
}

void
id_stamp(const Visitor *v, const uint64_t seed[2], int64_t born, char *id)
{
	int64_t	 began = wall_ms() - (now_us() - born) / 1000;
	uint64_t ms = (uint64_t) (began + v->skew + v->offset), a = seed[0], b = seed[1];

	snprintf(id, 37, "%08x-%04x-7%03x-%04x-%012llx", (unsigned) (ms >> 16),
			 (unsigned) (ms & 0xffff), (unsigned) (a & 0xfff),
			 (unsigned) (0x8000 | (a >> 12 & 0x3fff)), (unsigned long long) (b & 0xffffffffffff));
}

void
view_name(const Visitor *v, View *view)
{
	if (!view->said)
		id_stamp(v, view->seed, view->born, view->id);
	view->said = true;
}

void
view_count(View *view, bool shown, int64_t now)
{
	if (view->shown)
		view->visible += now - view->since;
	view->since = now;
	view->elapsed = now - view->born;
	view->shown = shown;
}

int
view_message(const View *view, const char *type, bool whole, char *text)
{
	long long visible = view->visible / 1000;
	int		  length;

	length = snprintf(text, MESSAGE_LIMIT,
					  "{\"type\":\"%s\",\"view\":\"%s\",\"n\":%d,\"state\":\"%s\","
					  "\"visible\":%lld,\"focused\":%lld,\"active\":%lld,\"elapsed\":%lld",
					  type, view->id, view->n, view->shown ? "visible" : "hidden", visible,
					  visible / 2, visible / 4, (long long) view->elapsed / 1000);
	if (whole)
		length +=
			snprintf(text + length, MESSAGE_LIMIT - (size_t) length,
					 ",\"url\":\"http://127.0.0.1:%ld/page/%d\",\"title\":\"Page %d%s\","
					 "\"navigation\":\"navigate\",\"language\":\"en\",\"time_zone\":\"UTC\"",
					 rules.port, view->page % 50, view->page % 50, view->mark ? view->mark : "");
	if (view->ended)
		length +=
			snprintf(text + length, MESSAGE_LIMIT - (size_t) length, ",\"reason\":\"closed\"");
	text[length++] = '}';
	return length;
}

bool
ledger_write(const char *path, int64_t now)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		return false;
	for (const View *view = ledger; view; view = view->earlier)
	{
		int64_t end = view->ended || view->gone ? view->since : now;

		fprintf(file, "%s,%lld,%d,%d,%d,%d,%d,%lld,%s,%lld,%lld,%lld\n", view->id,
				(long long) view->visible / 1000, view->n, view->acked, view->stored, view->ended,
				view->gone, (long long) (end - view->heard) / 1000, view->refused,
				(long long) view->ended_wall, (long long) view->stored_wall,
				(long long) view->stall / 1000);
	}
	return fclose(file) == 0;
}
