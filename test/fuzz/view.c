/*
 * view.c
 *	  Fuzz target: the state machine of one view, message by message.
 *
 * Figures stay ordered and bounded, never shrink from one report to the next,
 * and no row says more than the time that there was.
 */
#include "../../src/worker/view.h"
#include "fuzz.h"

#define START INT64_C(1795400000000)

static Moment now;

static int32_t
number(Input *input)
{
	uint8_t form = input_byte(input);

	switch (form & 3)
	{
		case 0:
			return form >> 2;
		case 1:
			return (int32_t) input_number(input, 2);
		case 2:
			return (int32_t) (input_number(input, 4) & INT32_MAX);
		default:
			return FIGURE_LIMIT - (form >> 2);
	}
}

/* A message that the channel would let through. */
static ViewMessage
next_message(Input *input, const Uuid *id)
{
	ViewMessage message = {.kind = MESSAGE_STATE, .view = *id};

	message.n = number(input);
	if (message.n < 1)
		message.n = 1;
	message.state = (PageState) (input_byte(input) % PAGE_STATE_COUNT);
	message.figures.visible = number(input);
	message.figures.focused = number(input);
	message.figures.active = number(input);
	message.figures.elapsed = number(input);
	message.figures.gap = number(input);
	message.scroll = (int8_t) (input_byte(input) % 102 - 1);
	return message;
}

static void
check_figures(const Figures *f, WallMillis age)
{
	FUZZ_CHECK(0 <= f->active && f->active <= f->focused && f->focused <= f->visible &&
			   f->visible <= f->elapsed && 0 <= f->gap && f->gap <= f->elapsed);
	FUZZ_CHECK(f->elapsed <= age);
}

static void
check_row(const ViewRow *row, EndReason reason)
{
	FUZZ_CHECK(0 <= row->active && row->active <= row->focused && row->focused <= row->engagement);
	FUZZ_CHECK(row->scroll >= -1 && row->scroll <= 100);
	FUZZ_CHECK(row->revision >= 4 && view_row_n(row) >= 1);
	FUZZ_CHECK(row->reason == reason && (row->ended_at == 0) == (reason == END_NONE));
	FUZZ_CHECK(row->ended_at == 0 || row->ended_at >= row->started_at);
	FUZZ_CHECK(row->ended_at <= row->started_at || row->ended_at <= now.wall + VIEW_CLOCK_SLACK_MS);
}

/* Reports, and checks that no figure shrank. */
static void
report(View *view, Input *input, Micros at, WallMillis oldest)
{
	ViewMessage message = next_message(input, &view->id);
	View		before = *view;
	ViewVerdict verdict = view_report(view, &message, number(input), at, now);
	WallMillis	age = now.wall - oldest + VIEW_CLOCK_SLACK_MS + 1;

	if (verdict == VIEW_REPEATED)
	{
		FUZZ_CHECK(message.n <= before.n && memcmp(&before, view, sizeof before) == 0);
		return;
	}
	FUZZ_CHECK(verdict == VIEW_ACCEPTED && view->phase == VIEW_OPEN && view->n == message.n);
	FUZZ_CHECK(view->reported.visible >= before.reported.visible &&
			   view->reported.focused >= before.reported.focused &&
			   view->reported.active >= before.reported.active &&
			   view->reported.elapsed >= before.reported.elapsed &&
			   view->reported.gap >= before.reported.gap && view->scroll >= before.scroll);
	check_figures(&view->reported, age);
}

/* One operation; at the end a row is taken and, now and then, the view goes on from it. */
static void
play(View *view, Input *input, WallMillis oldest)
{
	static const EndReason reasons[] = {END_NONE, END_CLOSED,  END_NAVIGATED,
										END_LOST, END_TIMEOUT, END_SHUTDOWN};
	uint8_t				   what = input_byte(input);
	EndReason			   reason = reasons[(what >> 3) % 6];
	ViewRow				   row;

	now.monotonic += number(input) % 100000 * MICROS_PER_MILLI;
	now.wall = START + 600000 + (now.monotonic / MICROS_PER_MILLI);
	switch (what & 3)
	{
		case 0:
		case 1:
			report(view, input, now.monotonic - number(input) % 1000, oldest);
			break;
		case 2:
			if (view->phase == VIEW_OPEN)
				view_lost(view, what & 4 ? END_TIMEOUT : END_LOST,
						  now.monotonic - number(input) % 1000,
						  now.monotonic - number(input) % 100000);
			break;
		case 3:
			view_row(view, reason, now, &row);
			check_row(&row, reason);
			FUZZ_CHECK(reason == END_NONE || row.engagement >= view->reported.visible);
			if ((what & 4) &&
				(reason == END_LOST || reason == END_TIMEOUT || reason == END_SHUTDOWN))
			{
				view_texts_release(view->texts);
				view_reopen(view, &row, now);
				FUZZ_CHECK(view->phase == VIEW_OPEN && view->state == PAGE_HIDDEN);
				return;
			}
			view_texts_release(row.texts);
			break;
	}
	FUZZ_CHECK(view_engagement(view, now.monotonic) >= view->reported.visible);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Visitor			nobody = {0};
	Input			input = {data, size};
	PageDescription page = {.site = text_of("example.com"), .path = text_of("/")};
	Uuid			session = {{1}};
	View			view;
	ViewMessage		message;
	Uuid			id = {{0}};
	WallMillis		oldest;
	WallMillis		began = START + (int32_t) (input_number(&input, 3)) - 8388608;

	now = (Moment){1000 * MICROS_PER_SECOND, START + 600000 + 1000000};
	for (int i = 0; i < 6; i++)
		id.bytes[i] = (uint8_t) ((uint64_t) began >> (40 - 8 * i));
	id.bytes[6] = 0x70;
	id.bytes[8] = 0x80;
	if (view_check_clock(&id, now.wall) != VIEW_ACCEPTED)
		return 0;
	message = next_message(&input, &id);
	message.kind = MESSAGE_VIEW;
	view_begin(&view, &message, &session, view_texts_new(&page, &nobody),
			   view_origin(&id, now.monotonic, now), now.monotonic, now);
	FUZZ_CHECK(view.phase == VIEW_OPEN && view.n == message.n);
	/* Whose clock is ahead counts from when the server first heard of it. */
	oldest = began < now.wall ? began : now.wall;
	while (input.left > 0)
		play(&view, &input, oldest);
	view_texts_release(view.texts);
	return 0;
}
