/*
 * registry_test.c
 *	  The conversation about views, rule by rule, with a fake clock and store.
 */
#include "world.h"

TEST(a_view_is_stored_with_what_its_browser_saw)
{
	Uuid		  id;
	ConnectionRef socket;
	ViewMessage	  end;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	CHECK_STRING(say(socket, a_view(id, 1, PAGE_VISIBLE, 0)), "ack");
	CHECK_INT(counts().open, 1);
	later(4000);
	end = an_end(id, 2, 3900);
	end.figures.elapsed = 4000;
	end.figures.focused = 3000;
	end.figures.active = 2000;
	end.scroll = 80;
	CHECK_STRING(say(socket, end), "ack");
	CHECK_INT(waiting_row(id).engagement, 3900);
	CHECK_INT(waiting_row(id).focused, 3000);
	CHECK_INT(waiting_row(id).active, 2000);
	CHECK_INT(waiting_row(id).scroll, 80);
	CHECK_INT(waiting_row(id).revision, 4 * 2 + RANK_ENDED);
	CHECK_INT(waiting_row(id).reason, END_CLOSED);
	CHECK_INT(waiting_row(id).started_at, WORLD_START);
	CHECK_INT(waiting_row(id).ended_at, WORLD_START + 4000);
	CHECK(text_equal(view_texts_visitor(waiting_row(id).texts).user_agent, text_of("Firefox")));
	CHECK(!is_shown(id));
	CHECK_INT(counts().queued, 1);
	CHECK_INT(store_all(false), 1);
	CHECK_STRING(world.answers, "stored");
	CHECK_INT(counts().stored, 1);
	CHECK_INT(counts().announced, 1);
	world_stop();
}

TEST(an_end_said_twice_is_stored_once)
{
	Uuid		  id;
	ConnectionRef first;
	ConnectionRef next;

	world_start();
	id = view_id(1);
	first = open_socket(0);
	later(1000);
	say(first, a_view(id, 1, PAGE_VISIBLE, 500));
	say(first, an_end(id, 2, 700));
	close_it(first, CLOSE_NORMAL, 0);

	/* On the next page's socket, before the row was stored: this one is told. */
	next = open_socket(1);
	CHECK_STRING(say(next, a_leftover(id, 2, 900)), "ack");
	CHECK_INT(queue_length(world.queue), 1);
	CHECK_INT(waiting_row(id).engagement, 700);
	store_all(false);
	CHECK_STRING(world.answers, "stored");

	/* And after it: from the cache, without a row. */
	CHECK_STRING(say(next, a_leftover(id, 2, 900)), "ack stored");
	CHECK_INT(queue_length(world.queue), 0);
	CHECK_INT(counts().stored, 1);
	CHECK_INT(counts().announced, 1);
	CHECK_INT(counts().repeated, 2);
	world_stop();
}

TEST(a_page_that_moved_on_to_a_refused_view_counts_no_longer)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	later(1000);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 800));
	later(300);
	leave_for(socket, id); /* said again, and refused: it has not moved */
	CHECK_INT(counts().open, 1);
	leave_for(socket, view_id(2));
	CHECK_INT(counts().open, 0);
	later(5000);
	close_it(socket, CLOSE_NORMAL, 0);
	CHECK_INT(waiting_row(id).engagement, 1100);
	CHECK_INT(waiting_row(id).reason, END_NAVIGATED);
	leave_for(open_socket(1), view_id(3)); /* nothing lives there */
	CHECK_INT(counts().announced, 1);
	world_stop();
}

TEST(a_late_copy_of_an_older_message_changes_nothing)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	later(10000);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	say(socket, a_state(id, 3, PAGE_HIDDEN, 3000));
	CHECK_STRING(say(socket, a_state(id, 2, PAGE_VISIBLE, 2000)), "ack");
	CHECK_STRING(say(socket, a_view(id, 1, PAGE_VISIBLE, 9000)), "ack");
	CHECK_INT(shown_view(id).state, PAGE_HIDDEN);
	CHECK_INT(shown_view(id).reported.visible, 3000);
	CHECK_INT(counts().repeated, 2);
	say(socket, an_end(id, 4, 3500));
	CHECK_STRING(say(socket, a_state(id, 4, PAGE_VISIBLE, 9000)), "ack");
	CHECK_STRING(say(socket, a_view(id, 1, PAGE_VISIBLE, 9000)), "ack");
	CHECK_INT(waiting_row(id).engagement, 3500);
	CHECK_INT(counts().open, 0);
	store_all(false);
	CHECK_STRING(say(socket, a_state(id, 3, PAGE_VISIBLE, 9000)), "ack");
	CHECK_INT(counts().stored, 1);
	world_stop();
}

TEST(two_pauses_in_a_row_and_a_resume_without_a_pause_bend_nothing)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_FOCUSED, 0));
	later(1000);
	CHECK_STRING(say(socket, a_state(id, 2, PAGE_FOCUSED, 1000)), "ack");
	later(1000);
	CHECK_STRING(say(socket, a_state(id, 3, PAGE_HIDDEN, 2000)), "ack");
	later(1000);
	CHECK_STRING(say(socket, a_state(id, 4, PAGE_HIDDEN, 2000)), "ack");
	later(1000);
	CHECK_STRING(say(socket, an_end(id, 5, 2000)), "ack");
	CHECK_STRING(say(socket, an_end(id, 5, 2000)), "ack");
	CHECK_INT(waiting_row(id).engagement, 2000);
	CHECK_INT(queue_length(world.queue), 1);
	world_stop();
}

TEST(a_late_title_is_kept_but_the_address_is_that_of_the_beginning)
{
	Uuid		  id;
	ConnectionRef socket;
	ViewMessage	  message;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	message = a_view(id, 1, PAGE_VISIBLE, 0);
	message.page.name = text_of("home");
	say(socket, message);
	message = a_view(id, 2, PAGE_VISIBLE, 0);
	message.page = a_page("/elsewhere");
	message.page.site = text_of("evil.example");
	message.page.title = text_of("Late");
	message.page.navigation = NAVIGATION_RESTORE;
	say(socket, message);
	message = a_leftover(id, 3, 0);
	message.page.title = text_of("Later");
	message.page.property_count = 1;
	message.page.properties[0].key = text_of("plan");
	message.page.properties[0].type = PROPERTY_STRING;
	message.page.properties[0].string = text_of("pro");
	CHECK_STRING(say(socket, message), "ack");
	CHECK(text_equal(waiting_row(id).texts->page.site, text_of("example.org")));
	CHECK(text_equal(waiting_row(id).texts->page.path, text_of("/page")));
	CHECK(text_equal(waiting_row(id).texts->page.title, text_of("Later")));
	CHECK(text_equal(waiting_row(id).texts->page.name, text_of("home")));
	CHECK_INT(waiting_row(id).texts->page.navigation, NAVIGATION_NAVIGATE);
	CHECK_INT(waiting_row(id).texts->page.property_count, 1);
	CHECK(text_equal(waiting_row(id).texts->page.properties[0].string, text_of("pro")));
	world_stop();
}

TEST(a_navigation_without_a_last_word_ends_the_view_before_with_its_time)
{
	Uuid		  one;
	Uuid		  two;
	ConnectionRef socket;

	world_start();
	one = view_id(1);
	two = view_id(2);
	socket = open_socket(0);
	say(socket, a_view(one, 1, PAGE_VISIBLE, 0));
	later(2500);
	CHECK_STRING(say(socket, a_view(two, 1, PAGE_VISIBLE, 0)), "ack");
	CHECK_INT(waiting_row(one).engagement, 2500);
	CHECK_INT(waiting_row(one).reason, END_NAVIGATED);
	CHECK_INT(waiting_row(one).revision, 4 + RANK_ENDED);
	CHECK_INT(counts().open, 1);

	/* A copy of the first view's announcement does not end the second. */
	CHECK_STRING(say(socket, a_view(one, 1, PAGE_VISIBLE, 0)), "ack");
	CHECK_STRING(say(socket, a_view(one, 2, PAGE_VISIBLE, 0)), "ended");
	CHECK(is_shown(two));

	/* The first one's own last word, late, still counts. */
	CHECK_STRING(say(socket, an_end(one, 2, 2480)), "ack");
	CHECK_INT(waiting_row(one).engagement, 2480);
	CHECK_INT(waiting_row(one).revision, 8 + RANK_ENDED);
	CHECK(is_shown(two));
	store_all(false);
	CHECK_STRING(world.answers, "stored");
	world_stop();
}

TEST(a_page_that_moved_on_is_not_credited_when_the_newcomer_is_refused)
{
	Uuid		  one;
	ConnectionRef socket;

	world_start();
	one = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(one, 1, PAGE_VISIBLE, 0));
	later(1000);
	CHECK_STRING(say(socket, a_view(view_id_at(2, 3600 * 1000), 1, PAGE_VISIBLE, 0)), "clock");
	later(50000);
	close_it(socket, CLOSE_RESET, 0);
	CHECK_INT(waiting_row(one).engagement, 1000);
	CHECK_INT(counts().refused, 1);
	CHECK_INT(counts().announced, 2);
	world_stop();
}

TEST(a_leftover_never_touches_the_sockets_live_view)
{
	Uuid		  live;
	Uuid		  left;
	ConnectionRef socket;

	world_start();
	live = view_id(1);
	left = view_id_at(2, -3600 * 1000);
	socket = open_socket(0);
	say(socket, a_view(live, 1, PAGE_VISIBLE, 0));
	CHECK_STRING(say(socket, a_leftover(left, 7, 1000)), "ack");
	CHECK(is_shown(live));
	CHECK_INT(waiting_row(left).engagement, 1000);
	CHECK_INT(waiting_row(left).reason, END_CLOSED);
	CHECK_INT(waiting_row(left).revision, 28 + RANK_ENDED);
	CHECK(text_equal(waiting_row(left).texts->page.path, text_of("/leftover")));
	CHECK_STRING(say(socket, a_leftover(view_id_at(3, -8 * 86400 * INT64_C(1000)), 1, 0)), "clock");
	CHECK_STRING(say(socket, an_end(view_id(4), 1, 0)), "unknown_view");
	CHECK_STRING(say(socket, a_state(view_id(4), 1, PAGE_VISIBLE, 0)), "unknown_view");
	CHECK(is_shown(live));
	CHECK_INT(counts().announced, 3);
	CHECK_INT(counts().refused, 1);
	CHECK_INT(counts().refused_by[VIEW_REFUSED_UNKNOWN], 2);
	later(300);
	close_it(socket, CLOSE_NORMAL, 0);
	CHECK_INT(shown_view(live).lost_credit, 300);
	world_stop();
}

TEST(a_beacon_that_overtakes_the_view_itself_is_the_last_word)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	later(5000);
	id = view_id_at(1, -5000);
	socket = open_socket(0);
	CHECK_STRING(say(open_note(0), a_leftover(id, 3, 4000)), "ack");
	CHECK_STRING(say(socket, a_view(id, 1, PAGE_VISIBLE, 0)), "ack");
	CHECK_STRING(say(socket, a_state(id, 2, PAGE_HIDDEN, 3000)), "ack");
	CHECK_INT(counts().open, 0);
	CHECK_INT(waiting_row(id).engagement, 4000);
	world_stop();
}

TEST(a_clock_that_was_ahead_leaves_ids_that_are_still_taken)
{
	ConnectionRef socket;
	int64_t		  ahead = 3600 * 1000;

	world_start();
	registry_set_latest(world.registry, world.now.wall + ahead);
	socket = open_socket(0);
	CHECK_STRING(say(socket, a_view(view_id_at(1, ahead), 1, PAGE_VISIBLE, 0)), "ack");
	CHECK_STRING(say(socket, a_view(view_id_at(2, ahead + 1), 1, PAGE_VISIBLE, 0)), "clock");
	CHECK_STRING(say(socket, a_view(view_id_at(3, -VIEW_AGE_LIMIT_MS - 1), 1, PAGE_VISIBLE, 0)),
				 "clock");
	registry_set_latest(world.registry, 0);
	CHECK_STRING(say(socket, a_view(view_id_at(4, ahead), 1, PAGE_VISIBLE, 0)), "clock");
	world_stop();
}

TEST(a_view_from_a_clock_that_was_ahead_keeps_its_time)
{
	int64_t		  ahead = 3600 * 1000;
	Uuid		  id;
	Uuid		  left;
	ConnectionRef socket;

	/* A worker that knows nothing of them, ten minutes and half an hour after they began. */
	world_start();
	registry_set_latest(world.registry, world.now.wall + ahead);
	id = view_id_at(1, ahead - 600 * 1000);
	left = view_id_at(2, ahead - 1800 * 1000);
	socket = open_socket(0);
	CHECK_STRING(say(socket, a_view(id, 20, PAGE_VISIBLE, 590 * 1000)), "ack");
	CHECK_STRING(say(socket, a_leftover(left, 40, 1700 * 1000)), "ack");
	CHECK_INT(waiting_row(left).engagement, 1700 * 1000);
	later(5000);
	CHECK_STRING(say(socket, an_end(id, 21, 595 * 1000)), "ack");
	CHECK_INT(waiting_row(id).engagement, 595 * 1000);
	world_stop();
}

TEST(a_clock_that_is_off_is_refused_and_mended)
{
	ConnectionRef socket;

	world_start();
	socket = open_socket(0);
	CHECK_STRING(say(socket, a_view(view_id_at(1, VIEW_AHEAD_LIMIT_MS + 1), 1, PAGE_VISIBLE, 0)),
				 "clock");
	CHECK_STRING(say(socket, a_view(view_id_at(1, VIEW_AHEAD_LIMIT_MS + 1), 1, PAGE_VISIBLE, 0)),
				 "clock");
	CHECK_STRING(say(socket, a_view(view_id_at(1, -VIEW_AGE_LIMIT_MS - 1), 1, PAGE_VISIBLE, 0)),
				 "clock");
	CHECK_STRING(say(socket, a_view(view_id_at(1, VIEW_AHEAD_LIMIT_MS), 1, PAGE_VISIBLE, 0)),
				 "ack");
	CHECK_STRING(say(socket, a_view(view_id_at(1, -VIEW_AGE_LIMIT_MS), 1, PAGE_VISIBLE, 0)), "ack");
	CHECK_INT(counts().refused, 2);
	CHECK_INT(counts().announced, 4);
	CHECK_INT(counts().refused_by[VIEW_REFUSED_CLOCK], 3);
	world_stop();
}

TEST(a_hostile_clock_bends_only_its_own_view)
{
	Uuid		  honest;
	Uuid		  hostile;
	ConnectionRef a;
	ConnectionRef b;
	ViewMessage	  view;

	world_start();
	honest = view_id(1);
	hostile = view_id(2);
	a = open_socket(0);
	b = open_socket(1);
	say(a, a_view(honest, 1, PAGE_VISIBLE, 0));
	view = a_view(hostile, MESSAGE_NUMBER_LIMIT, PAGE_FOCUSED, INT32_MAX);
	view.figures.focused = INT32_MAX;
	view.figures.active = INT32_MAX;
	view.figures.gap = INT32_MAX;
	view.scroll = 127;
	CHECK_STRING(say_covered(b, view, INT32_MAX), "ack");
	later(1000);
	say(a, an_end(honest, 2, 1000));
	close_it(b, CLOSE_RESET, 0);
	later(10000);
	tick();
	CHECK_INT(waiting_row(honest).engagement, 1000);
	CHECK_INT(waiting_row(hostile).engagement, 6000);
	CHECK_INT(waiting_row(hostile).focused, 6000);
	CHECK_INT(waiting_row(hostile).active, 5000);
	CHECK_INT(waiting_row(hostile).scroll, 100);
	CHECK_INT(waiting_row(hostile).revision, INT64_C(4) * MESSAGE_NUMBER_LIMIT + RANK_LOST);
	CHECK(waiting_row(hostile).ended_at <= world.now.wall + VIEW_CLOCK_SLACK_MS);
	world_stop();
}

TEST(a_server_clock_set_back_takes_no_time_from_open_views)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(10000);
	world.now.wall -= 3600 * 1000;
	say(socket, an_end(id, 2, 10000));
	CHECK_INT(waiting_row(id).engagement, 10000);
	CHECK_INT(waiting_row(id).ended_at, WORLD_START);
	world_stop();
}

/* An id is taken when it lies a little ahead: that must not cost its view its time. */
TEST(a_view_whose_id_lies_ahead_keeps_its_time)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id_at(1, VIEW_AHEAD_LIMIT_MS - 1000);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(30000);
	say(socket, an_end(id, 2, 30000));
	CHECK_INT(waiting_row(id).engagement, 30000);
	world_stop();
}

/* A new name would make a second row of it. */
TEST(a_stored_view_keeps_its_name_when_the_server_clock_is_set_back)
{
	Uuid		  id;
	ConnectionRef socket;

	for (int as_leftover = 0; as_leftover < 2; as_leftover++)
	{
		world_start();
		id = view_id(1);
		socket = open_socket(0);
		say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
		later(20000);
		close_it(socket, CLOSE_RESET, 0);
		later(10000);
		tick();
		store_all(false);
		world.now.wall -= 3600 * 1000;
		later(1000);
		socket = open_socket(1);
		if (as_leftover)
			CHECK_STRING(say(socket, a_leftover(id, 3, 25000)), "ack");
		else
		{
			CHECK_STRING(say(socket, a_view(id, 2, PAGE_VISIBLE, 24000)), "ack");
			later(1000);
			CHECK_STRING(say(socket, an_end(id, 3, 25000)), "ack");
		}
		CHECK_INT(waiting_row(id).engagement, 25000);
		world_stop();
	}
}

TEST(a_note_does_not_take_the_answer_from_an_open_socket)
{
	Uuid		  id;
	ConnectionRef socket;

	/* The note comes second, comes first, knows more. */
	for (int way = 0; way < 3; way++)
	{
		world_start();
		id = view_id(1);
		socket = open_socket(0);
		say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
		if (way != 1)
			say(socket, an_end(id, 2, 0));
		CHECK_STRING(say(open_note(0), a_leftover(id, way == 2 ? 3 : 2, 0)), "ack");
		world.listening = socket;
		world.answers[0] = '\0';
		store_all(false);
		CHECK_STRING(world.answers, "stored");
		world_stop();
	}
}

TEST(a_gap_that_pongs_covered_is_given_back)
{
	Uuid		  id;
	ConnectionRef socket;
	ViewMessage	  message;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(60000);
	message = a_state(id, 2, PAGE_VISIBLE, 41000);
	message.figures.elapsed = 60000;
	message.figures.gap = 19000;
	say_covered(socket, message, 15000);
	CHECK_INT(shown_view(id).gap_credit, 15000);

	/* Told again without anything new, it is not given twice. */
	message.n = 3;
	say_covered(socket, message, 15000);
	CHECK_INT(shown_view(id).gap_credit, 15000);
	message.n = 4;
	message.figures.gap = 25000;
	say_covered(socket, message, -1);
	CHECK_INT(shown_view(id).gap_credit, 15000);
	message = an_end(id, 5, 50000);
	message.figures.elapsed = 60000;
	message.figures.gap = 25000;
	say_covered(socket, message, 0);
	CHECK_INT(waiting_row(id).engagement, 60000);
	world_stop();
}

TEST(a_long_view_is_checkpointed_only_when_it_changed)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	CHECK_INT(registry_deadline(world.registry), INT64_MAX);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(15000);
	say(socket, a_state(id, 2, PAGE_VISIBLE, 15000));
	later(14999);
	tick();
	CHECK(!waits(id));
	later(1);
	CHECK_INT(registry_deadline(world.registry), world.now.monotonic);
	tick();
	CHECK_INT(waiting_row(id).engagement, 15000);
	CHECK_INT(waiting_row(id).reason, END_NONE);
	CHECK_INT(waiting_row(id).ended_at, 0);
	CHECK_INT(waiting_row(id).revision, 8 + RANK_OPEN);
	CHECK_INT(counts().queued, 0);
	CHECK_INT(counts().open, 1);
	store_all(false);
	CHECK_INT(counts().stored, 0);

	/* Nothing new: no row, and after that nothing to wait for. */
	later(30000);
	tick();
	CHECK(!waits(id));
	CHECK_INT(registry_deadline(world.registry), INT64_MAX);

	/* Overdue: the next change is written at once, the one after it is not. */
	later(1000);
	say(socket, a_state(id, 3, PAGE_HIDDEN, 15500));
	CHECK_INT(waiting_row(id).revision, 12 + RANK_OPEN);
	store_all(false);
	say(socket, a_state(id, 4, PAGE_VISIBLE, 15500));
	CHECK(!waits(id));
	say(socket, an_end(id, 5, 15600));
	store_all(false);
	CHECK_INT(counts().stored, 1);
	CHECK_INT(registry_deadline(world.registry), INT64_MAX);
	world_stop();
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_view_is_stored_with_what_its_browser_saw);
	RUN(an_end_said_twice_is_stored_once);
	RUN(a_page_that_moved_on_to_a_refused_view_counts_no_longer);
	RUN(a_late_copy_of_an_older_message_changes_nothing);
	RUN(two_pauses_in_a_row_and_a_resume_without_a_pause_bend_nothing);
	RUN(a_late_title_is_kept_but_the_address_is_that_of_the_beginning);
	RUN(a_navigation_without_a_last_word_ends_the_view_before_with_its_time);
	RUN(a_page_that_moved_on_is_not_credited_when_the_newcomer_is_refused);
	RUN(a_leftover_never_touches_the_sockets_live_view);
	RUN(a_beacon_that_overtakes_the_view_itself_is_the_last_word);
	RUN(a_clock_that_was_ahead_leaves_ids_that_are_still_taken);
	RUN(a_view_from_a_clock_that_was_ahead_keeps_its_time);
	RUN(a_clock_that_is_off_is_refused_and_mended);
	RUN(a_hostile_clock_bends_only_its_own_view);
	RUN(a_server_clock_set_back_takes_no_time_from_open_views);
	RUN(a_view_whose_id_lies_ahead_keeps_its_time);
	RUN(a_stored_view_keeps_its_name_when_the_server_clock_is_set_back);
	RUN(a_note_does_not_take_the_answer_from_an_open_socket);
	RUN(a_gap_that_pongs_covered_is_given_back);
	RUN(a_long_view_is_checkpointed_only_when_it_changed);
	return unit_finish();
}
