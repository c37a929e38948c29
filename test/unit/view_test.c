/*
 * view_test.c
 *	  One view's figures, credit and rows, and its texts.
 */
#include "world.h"

/* A visible view that began `age` ms ago, said so just now, and its id. */
static View
view_of_age(int64_t age, PageState state)
{
	Uuid		id = view_id_at(1, -age);
	Uuid		session = session_id(1);
	ViewMessage message = a_view(id, 1, state, 0);
	Visitor		visitor = {.user_agent = text_of("agent"), .browser = text_of("Firefox")};
	View		view;

	view_begin(&view, &message, &session, view_texts_new(&message.page, &visitor),
			   view_origin(&id, world.now.monotonic, world.now), world.now.monotonic, world.now);
	return view;
}

static ViewMessage
report_of(const View *view, int32_t n, Figures figures)
{
	ViewMessage message = a_state(view->id, n, PAGE_VISIBLE, 0);

	message.figures = figures;
	return message;
}

static bool
in_order(const Figures *f)
{
	return 0 <= f->active && f->active <= f->focused && f->focused <= f->visible &&
		   f->visible <= f->elapsed;
}

TEST(figures_never_run_ahead_of_the_clock_or_of_each_other)
{
	View		view;
	ViewMessage message;

	world_start();
	view = view_of_age(2000, PAGE_VISIBLE);
	message = report_of(
		&view, 2, (Figures){.visible = 60000, .focused = 70000, .active = 80000, .elapsed = 90000});
	CHECK_INT(view_report(&view, &message, 0, world.now.monotonic, world.now), VIEW_ACCEPTED);
	CHECK_INT(view.reported.elapsed, 2000 + VIEW_CLOCK_SLACK_MS);
	CHECK_INT(view.reported.visible, 7000);
	CHECK_INT(view.reported.focused, 7000);
	CHECK_INT(view.reported.active, 7000);
	later(1000);
	message = report_of(
		&view, 3, (Figures){.visible = 7500, .focused = 60000, .active = -5, .elapsed = 8000});
	view_report(&view, &message, 0, world.now.monotonic, world.now);
	CHECK(in_order(&view.reported));
	CHECK_INT(view.reported.visible, 7500);
	CHECK_INT(view.reported.focused, 7500);
	CHECK_INT(view.reported.active, 7000);
	view_texts_release(view.texts);
	world_stop();
}

TEST(figures_never_shrink)
{
	View		view;
	ViewMessage message;

	world_start();
	view = view_of_age(60000, PAGE_VISIBLE);
	message = report_of(
		&view, 2, (Figures){.visible = 5000, .focused = 4000, .active = 3000, .elapsed = 6000});
	message.scroll = 60;
	view_report(&view, &message, 0, world.now.monotonic, world.now);
	message = report_of(
		&view, 3, (Figures){.visible = 10, .focused = 20, .active = INT32_MIN, .elapsed = -1});
	message.scroll = 40;
	view_report(&view, &message, 0, world.now.monotonic, world.now);
	CHECK_INT(view.n, 3);
	CHECK_INT(view.scroll, 60);
	CHECK_INT(view.reported.visible, 5000);
	CHECK_INT(view.reported.focused, 4000);
	CHECK_INT(view.reported.active, 3000);
	CHECK_INT(view.reported.elapsed, 6000);
	view_texts_release(view.texts);
	world_stop();
}

TEST(a_report_that_is_not_newer_changes_nothing)
{
	View		view;
	View		before;
	ViewMessage message;

	world_start();
	view = view_of_age(60000, PAGE_HIDDEN);
	message = report_of(&view, 5, (Figures){.visible = 5000, .elapsed = 6000});
	CHECK_INT(view_report(&view, &message, 0, world.now.monotonic, world.now), VIEW_ACCEPTED);
	before = view;
	message.figures.visible = 6000;
	message.state = PAGE_FOCUSED;
	CHECK_INT(view_report(&view, &message, 0, world.now.monotonic, world.now), VIEW_REPEATED);
	message.n = 4;
	CHECK_INT(view_report(&view, &message, 0, world.now.monotonic, world.now), VIEW_REPEATED);
	CHECK_BYTES(&view, sizeof view, &before, sizeof before);
	view_texts_release(view.texts);
	world_stop();
}

TEST(a_view_open_for_a_month_does_not_overflow)
{
	View		view;
	ViewMessage message;
	ViewRow		row;

	world_start();
	view = view_of_age(0, PAGE_FOCUSED);
	later(INT64_C(40) * 86400 * 1000);
	message = report_of(&view, MESSAGE_NUMBER_LIMIT,
						(Figures){.visible = INT32_MAX,
								  .focused = INT32_MAX,
								  .active = INT32_MAX,
								  .elapsed = INT32_MAX,
								  .gap = INT32_MAX});
	message.state = PAGE_FOCUSED;
	view_report(&view, &message, INT32_MAX, world.now.monotonic, world.now);
	later(INT64_C(40) * 86400 * 1000);
	CHECK_INT(view_engagement(&view, world.now.monotonic), FIGURE_LIMIT);
	view_lost(&view, END_LOST, world.now.monotonic, 0);
	view_row(&view, END_LOST, world.now, &row);
	CHECK_INT(row.engagement, FIGURE_LIMIT);
	CHECK_INT(row.focused, FIGURE_LIMIT);
	CHECK_INT(row.revision, INT64_C(4) * INT32_MAX + RANK_LOST);
	view_texts_release(row.texts);
	view_texts_release(view.texts);
	world_stop();
}

TEST(a_checkpoint_holds_nothing_but_what_was_reported)
{
	View		view;
	ViewMessage message;
	ViewRow		row;

	world_start();
	view = view_of_age(10000, PAGE_VISIBLE);
	message = report_of(&view, 2, (Figures){.visible = 4000, .elapsed = 9000});
	view_report(&view, &message, 0, world.now.monotonic, world.now);
	later(3000);
	CHECK_INT(view_engagement(&view, world.now.monotonic), 7000);
	view_lost(&view, END_LOST, world.now.monotonic, 0);
	CHECK_INT(view_engagement(&view, world.now.monotonic), 7000);
	later(3000);
	CHECK_INT(view_engagement(&view, world.now.monotonic), 7000);
	view_row(&view, END_NONE, world.now, &row);
	CHECK_INT(row.engagement, 4000);
	CHECK_INT(row.ended_at, 0);
	CHECK_INT(view_row_n(&row), 2);
	CHECK_INT(view_row_rank(&row), RANK_OPEN);
	view_texts_release(row.texts);
	view_row(&view, END_LOST, world.now, &row);
	CHECK_INT(row.engagement, 7000);
	CHECK_INT(row.ended_at, row.started_at + 9000 + 3000);
	view_texts_release(row.texts);
	CHECK_INT(view.texts->references, 1);
	view_texts_release(view.texts);
	world_stop();
}

TEST(every_reason_has_its_rank)
{
	static const RevisionRank ranks[END_REASON_COUNT] = {
		[END_NONE] = RANK_OPEN,			 [END_CLOSED] = RANK_ENDED, [END_NAVIGATED] = RANK_ENDED,
		[END_LOST] = RANK_LOST,			 [END_TIMEOUT] = RANK_LOST, [END_SHUTDOWN] = RANK_LOST,
		[END_RECOVERED] = RANK_RECOVERED};
	View	view;
	ViewRow row;

	world_start();
	view = view_of_age(0, PAGE_HIDDEN);
	for (int reason = 0; reason < END_REASON_COUNT; reason++)
	{
		view_row(&view, (EndReason) reason, world.now, &row);
		CHECK_INT(view_row_rank(&row), ranks[reason]);
		CHECK_INT(row.revision, 4 + ranks[reason]);
		CHECK_INT(row.ended_at, reason == END_NONE ? 0 : row.started_at);
		view_texts_release(row.texts);
	}
	view_texts_release(view.texts);
	world_stop();
}

TEST(a_row_is_never_dated_into_the_future_or_before_its_view)
{
	View		view;
	ViewMessage message;
	ViewRow		row;

	world_start();
	view = view_of_age(10000, PAGE_VISIBLE);
	message = report_of(&view, 2, (Figures){.elapsed = INT32_MAX});
	view_report(&view, &message, 0, world.now.monotonic, world.now);
	view_row(&view, END_CLOSED, world.now, &row);
	CHECK_INT(row.ended_at, world.now.wall + VIEW_CLOCK_SLACK_MS);
	view_texts_release(row.texts);
	world.now.wall -= 3600 * 1000;
	view_row(&view, END_CLOSED, world.now, &row);
	CHECK_INT(row.ended_at, row.started_at);
	view_texts_release(row.texts);
	view_texts_release(view.texts);
	world_stop();
}

TEST(a_reopened_view_remembers_what_was_reported_not_what_was_credited)
{
	View		view;
	View		again;
	ViewMessage message;
	ViewRow		row;

	world_start();
	view = view_of_age(10000, PAGE_VISIBLE);
	message = report_of(&view, 2, (Figures){.visible = 4000, .elapsed = 9000, .gap = 500});
	view_report(&view, &message, 300, world.now.monotonic, world.now);
	view_lost(&view, END_LOST, world.now.monotonic + MICROS_PER_SECOND, 0);
	later(5000);
	view_row(&view, END_LOST, world.now, &row);
	view_texts_release(view.texts);
	CHECK_INT(row.engagement, 5300);
	view_reopen(&again, &row, world.now);
	CHECK_INT(again.n, 2);
	CHECK_INT(again.phase, VIEW_OPEN);
	CHECK_INT(again.reported.visible, 4000);
	CHECK_INT(again.gap_credit, 300);
	CHECK_INT(again.lost_credit, 0);
	CHECK_INT(again.stored_revision, 8 + RANK_LOST);
	CHECK_INT(view_engagement(&again, world.now.monotonic), 4300);
	view_texts_release(again.texts);
	world_stop();
}

TEST(texts_outlive_the_message_that_brought_them)
{
	char			path[] = "/a";
	char			key[] = "plan";
	char			string[] = "pro";
	char			agent[] = "agent";
	char			version[] = "133";
	Visitor			visitor = {.user_agent = {agent, 5},
							   .browser = {agent, 3},
							   .browser_version = {version, 3},
							   .device = DEVICE_TV,
							   .country = {'C', 'H'},
							   .robot = true};
	PageDescription page;
	ViewTexts	   *texts;

	memset(&page, 0, sizeof page);
	page.path = (Text){path, 2};
	page.property_count = 1;
	page.properties[0].key = (Text){key, 4};
	page.properties[0].type = PROPERTY_STRING;
	page.properties[0].string = (Text){string, 3};
	texts = view_texts_new(&page, &visitor);
	memset(path, 'x', sizeof path);
	memset(key, 'x', sizeof key);
	memset(string, 'x', sizeof string);
	memset(agent, 'x', sizeof agent);
	CHECK(text_equal(texts->page.path, text_of("/a")));
	CHECK(text_equal(texts->page.properties[0].key, text_of("plan")));
	CHECK(text_equal(texts->page.properties[0].string, text_of("pro")));
	memset(version, 'x', sizeof version);
	visitor = view_texts_visitor(texts);
	CHECK(text_equal(visitor.user_agent, text_of("agent")));
	CHECK(text_equal(visitor.browser, text_of("age")));
	CHECK(text_equal(visitor.browser_version, text_of("133")));
	CHECK_INT(visitor.system.length, 0);
	CHECK_INT(visitor.device, DEVICE_TV);
	CHECK_BYTES(visitor.country, 2, "CH", 2);
	CHECK(visitor.robot);
	CHECK_INT(texts->page.title.length, 0);
	CHECK(view_texts_share(texts) == texts);
	view_texts_release(texts);
	CHECK_INT(texts->references, 1);
	view_texts_release(texts);
	view_texts_release(NULL);
}

TEST(a_description_keeps_what_the_later_one_leaves_out)
{
	View			view;
	PageDescription later_page;

	world_start();
	view = view_of_age(0, PAGE_VISIBLE);
	memset(&later_page, 0, sizeof later_page);
	later_page.path = text_of("/other");
	later_page.name = text_of("a name");
	later_page.screen_width = 1440;
	view_describe(&view, &later_page);
	CHECK(text_equal(view.texts->page.path, text_of("/page")));
	CHECK(text_equal(view.texts->page.title, text_of("A title")));
	CHECK(text_equal(view.texts->page.name, text_of("a name")));
	CHECK(text_equal(view_texts_visitor(view.texts).user_agent, text_of("agent")));
	CHECK(text_equal(view_texts_visitor(view.texts).browser, text_of("Firefox")));
	CHECK_INT(view.texts->page.screen_width, 1440);
	CHECK_INT(view.texts->page.navigation, NAVIGATION_NAVIGATE);
	view_texts_release(view.texts);
	world_stop();
}

TEST(every_verdict_says_what_it_means)
{
	for (int verdict = 0; verdict <= VIEW_REFUSED_REJECTED; verdict++)
	{
		CHECK(strcmp(view_verdict_code((ViewVerdict) verdict), "unknown") != 0);
		CHECK(strcmp(view_verdict_text((ViewVerdict) verdict), "unknown") != 0);
		CHECK(strlen(view_verdict_code((ViewVerdict) verdict)) <= REFUSAL_CODE_LIMIT);
		CHECK(strlen(view_verdict_text((ViewVerdict) verdict)) <= REFUSAL_TEXT_LIMIT);
	}
	CHECK_STRING(view_verdict_code(VIEW_REFUSED_CLOCK), "clock");
	CHECK_STRING(view_verdict_code(VIEW_REFUSED_UNKNOWN), "unknown_view");
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(figures_never_run_ahead_of_the_clock_or_of_each_other);
	RUN(figures_never_shrink);
	RUN(a_report_that_is_not_newer_changes_nothing);
	RUN(a_view_open_for_a_month_does_not_overflow);
	RUN(a_checkpoint_holds_nothing_but_what_was_reported);
	RUN(every_reason_has_its_rank);
	RUN(a_row_is_never_dated_into_the_future_or_before_its_view);
	RUN(a_reopened_view_remembers_what_was_reported_not_what_was_credited);
	RUN(texts_outlive_the_message_that_brought_them);
	RUN(a_description_keeps_what_the_later_one_leaves_out);
	RUN(every_verdict_says_what_it_means);
	return unit_finish();
}
