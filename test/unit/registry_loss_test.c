/*
 * registry_loss_test.c
 *	  Views that lose their browser: what they are credited, and how they come back.
 */
#include "world.h"

TEST(a_view_that_closes_while_paused_is_not_credited)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(2000);
	say(socket, a_state(id, 2, PAGE_HIDDEN, 2000));
	later(60000);
	close_it(socket, CLOSE_RESET, 0);
	CHECK_INT(counts().lost, 1);
	later(10000);
	tick();
	CHECK_INT(waiting_row(id).engagement, 2000);
	CHECK_INT(waiting_row(id).reason, END_LOST);
	CHECK_INT(waiting_row(id).ended_at, WORLD_START + 2000);
	world_stop();
}

TEST(a_killed_browser_is_credited_up_to_its_death)
{
	Uuid		  id;
	ConnectionRef socket;
	ViewMessage	  view;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	later(3000);
	view = a_view(id, 1, PAGE_FOCUSED, 3000);
	view.figures.focused = 2000;
	say(socket, view);
	later(1234);
	close_it(socket, CLOSE_RESET, 0);
	CHECK_INT(shown_view(id).phase, VIEW_LOST);
	later(9999);
	tick();
	CHECK(!waits(id));
	later(1);
	CHECK_INT(registry_deadline(world.registry), world.now.monotonic);
	tick();
	CHECK_INT(waiting_row(id).engagement, 4234);
	CHECK_INT(waiting_row(id).focused, 3234);
	CHECK_INT(waiting_row(id).active, 0);
	CHECK_INT(waiting_row(id).revision, 4 + RANK_LOST);
	CHECK_INT(waiting_row(id).ended_at, WORLD_START + 4234);
	CHECK_INT(waiting_row(id).reply_to.connection, 0);
	CHECK(!is_shown(id));
	world_stop();
}

TEST(a_network_that_vanished_is_credited_up_to_its_last_pong)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(20000);
	close_it(socket, CLOSE_PING_TIMEOUT, 15000);
	later(10000);
	tick();
	CHECK_INT(waiting_row(id).engagement, 5000);
	CHECK_INT(waiting_row(id).reason, END_TIMEOUT);
	CHECK_INT(waiting_row(id).revision, 4 + RANK_LOST);
	world_stop();
}

TEST(a_pong_older_than_the_last_report_takes_nothing_away)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	later(5000);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 5000));
	later(3000);
	close_it(socket, CLOSE_PING_TIMEOUT, 4000);
	later(10000);
	tick();
	CHECK_INT(waiting_row(id).engagement, 5000);
	world_stop();
}

TEST(a_view_that_comes_back_does_not_keep_its_credit)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(5000);
	close_it(socket, CLOSE_RESET, 0);
	CHECK_INT(shown_view(id).lost_credit, 5000);
	later(3000);
	socket = open_connection(1, 3, 2, false);
	CHECK_STRING(say(socket, a_view(id, 2, PAGE_VISIBLE, 1000)), "ack");
	CHECK_INT(counts().open, 1);
	CHECK_INT(counts().lost, 0);
	CHECK_INT(shown_view(id).lost_credit, 0);
	later(60000);
	tick();
	CHECK_INT(counts().open, 1);
	say(socket, an_end(id, 3, 1500));
	CHECK_INT(waiting_row(id).engagement, 1500);
	CHECK_INT(counts().announced, 1);

	/* The row keeps the session that began it. */
	CHECK(same_id(waiting_row(id).session, session_id(1)));
	world_stop();
}

TEST(a_socket_that_dies_after_its_view_moved_on_loses_nothing)
{
	Uuid		  id;
	ConnectionRef old;
	ConnectionRef new;

	world_start();
	id = view_id(1);
	old = open_socket(0);
	say(old, a_view(id, 1, PAGE_VISIBLE, 0));
	later(1000);
	new = open_connection(1, 0, 1, false);
	CHECK_STRING(say(new, a_view(id, 2, PAGE_VISIBLE, 1000)), "ack");
	close_it(old, CLOSE_RESET, 0);
	CHECK_INT(counts().open, 1);
	CHECK_INT(counts().lost, 0);
	later(1000);
	close_it(new, CLOSE_RESET, 0);
	CHECK_INT(counts().lost, 1);
	world_stop();
}

TEST(a_view_in_a_note_lingers_and_goes_on_by_socket)
{
	Uuid		  id;
	ConnectionRef note;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	note = open_note(0);
	later(2000);
	CHECK_STRING(say(note, a_view(id, 1, PAGE_VISIBLE, 1500)), "ack");
	CHECK_INT(counts().lost, 1);
	CHECK_INT(shown_view(id).phase, VIEW_LOST);
	close_it(note, CLOSE_NORMAL, 0);
	later(9000);
	note = open_note(0);
	CHECK_STRING(say(note, a_state(id, 2, PAGE_VISIBLE, 2500)), "ack");
	CHECK_INT(shown_view(id).phase, VIEW_LOST);
	CHECK_INT(shown_view(id).lost_credit, 0);
	later(9000);
	tick();
	CHECK_INT(counts().lost, 1);
	socket = open_socket(0);
	CHECK_STRING(say(socket, a_view(id, 3, PAGE_VISIBLE, 3000)), "ack");
	CHECK_INT(counts().open, 1);

	/* A note about it does not take it from its socket. */
	CHECK_STRING(say(note, a_state(id, 4, PAGE_HIDDEN, 3500)), "ack");
	CHECK_INT(counts().open, 1);
	CHECK_INT(shown_view(id).owner.connection, socket.connection);
	CHECK_STRING(say(note, a_leftover(id, 5, 3600)), "ack");
	CHECK_INT(waiting_row(id).engagement, 3600);
	close_it(socket, CLOSE_NORMAL, 0);
	CHECK_INT(counts().lost, 0);
	world_stop();
}

TEST(a_state_brings_a_lost_view_back_to_an_idle_socket)
{
	Uuid		  id;
	Uuid		  other;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	other = view_id(2);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	close_it(socket, CLOSE_RESET, 0);
	socket = open_socket(1);
	CHECK_STRING(say(socket, a_state(id, 2, PAGE_VISIBLE, 0)), "ack");
	CHECK_INT(counts().open, 1);

	/* On a socket with a view of its own it is heard, and neither moves. */
	close_it(socket, CLOSE_RESET, 0);
	socket = open_socket(2);
	say(socket, a_view(other, 1, PAGE_VISIBLE, 0));
	CHECK_STRING(say(socket, a_state(id, 3, PAGE_VISIBLE, 0)), "ack");
	CHECK_INT(shown_view(id).phase, VIEW_LOST);
	CHECK_INT(shown_view(other).phase, VIEW_OPEN);
	world_stop();
}

TEST(a_view_goes_on_from_its_waiting_row)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(5000);
	say(socket, a_state(id, 2, PAGE_VISIBLE, 5000));
	later(4000);
	close_it(socket, CLOSE_RESET, 0);
	later(10000);
	tick();
	CHECK_INT(waiting_row(id).engagement, 9000);
	CHECK_INT(counts().queued, 1);

	socket = open_connection(0, 1, 2, false);
	CHECK_STRING(say(socket, a_state(id, 2, PAGE_VISIBLE, 5000)), "ack");
	CHECK_INT(counts().queued, 1);
	CHECK_STRING(say(socket, a_state(id, 3, PAGE_VISIBLE, 6000)), "ack");
	CHECK_INT(counts().open, 1);
	CHECK_INT(counts().queued, 0);
	CHECK(!waits(id));
	CHECK_INT(shown_view(id).reported.visible, 6000);
	CHECK(same_id(shown_view(id).session, session_id(1)));
	say(socket, an_end(id, 4, 6500));
	CHECK_INT(waiting_row(id).engagement, 6500);
	CHECK_INT(counts().announced, 1);
	world_stop();
}

TEST(an_end_for_a_waiting_lost_row_is_the_last_word)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(4000);
	close_it(socket, CLOSE_RESET, 0);
	later(10000);
	tick();
	CHECK_STRING(say(open_socket(1), an_end(id, 2, 3000)), "ack");
	CHECK_INT(waiting_row(id).engagement, 3000);
	CHECK_INT(waiting_row(id).reason, END_CLOSED);
	CHECK_INT(waiting_row(id).reply_to.connection, world.listening.connection);
	CHECK_INT(queue_length(world.queue), 1);
	world_stop();
}

TEST(a_stored_lost_view_goes_on_as_the_same_row)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(4000);
	close_it(socket, CLOSE_RESET, 0);
	later(10000);
	tick();
	store_all(false);
	CHECK_INT(counts().stored, 1);
	later(20 * 60 * 1000);
	socket = open_socket(1);
	CHECK_STRING(say(socket, a_state(id, 2, PAGE_VISIBLE, 4000)), "unknown_view");
	CHECK_STRING(say(socket, an_end(id, 2, 4000)), "unknown_view");
	CHECK_STRING(say(socket, an_end(id, 1, 4000)), "ack stored");
	CHECK_STRING(say(socket, a_view(id, 3, PAGE_VISIBLE, 4100)), "ack");
	CHECK_INT(counts().stored, 0);
	CHECK_INT(counts().open, 1);
	CHECK_INT(counts().announced, 1);
	later(1000);
	say(socket, an_end(id, 4, 5100));
	store_all(false);
	CHECK_INT(counts().stored, 1);

	/* Ended by its browser: only an end that says it all is taken after that. */
	CHECK_STRING(say(socket, a_view(id, 5, PAGE_VISIBLE, 9000)), "ended");
	CHECK_STRING(say(socket, a_state(id, 5, PAGE_VISIBLE, 9000)), "ended");
	CHECK_STRING(say(socket, an_end(id, 5, 9000)), "unknown_view");
	CHECK_STRING(say(socket, a_leftover(id, 5, 5200)), "ack");
	CHECK_INT(waiting_row(id).engagement, 5200);
	CHECK_INT(counts().queued, 1);
	store_all(false);
	CHECK_INT(counts().stored, 1);
	CHECK_INT(counts().announced, 1);
	world_stop();
}

TEST(a_lost_view_takes_the_place_of_its_waiting_checkpoint)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(30000);
	tick();
	CHECK_INT(waiting_row(id).revision, 4 + RANK_OPEN);
	close_it(socket, CLOSE_RESET, 0);
	later(10000);
	tick();
	CHECK_INT(queue_length(world.queue), 1);
	CHECK_INT(waiting_row(id).revision, 4 + RANK_LOST);
	CHECK_INT(waiting_row(id).engagement, 30000);
	CHECK_INT(counts().queued, 1);
	store_all(false);
	CHECK_INT(counts().stored, 1);
	world_stop();
}

TEST(shorter_rules_take_effect_on_views_that_linger)
{
	Uuid		  id;
	ConnectionRef socket;
	RegistryRules rules;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	close_it(socket, CLOSE_RESET, 0);
	later(2000);
	rules = world.rules;
	rules.linger = 1000 * MICROS_PER_MILLI;
	rules.checkpoint_interval = 0;
	registry_set_rules(world.registry, &rules);
	tick();
	CHECK(waits(id));
	CHECK_INT(counts().queued, 1);
	world_stop();
}

TEST(a_dead_listener_loses_no_view)
{
	Uuid		  one;
	Uuid		  two;
	Uuid		  three;
	ConnectionRef other;

	world_start();
	one = view_id(1);
	two = view_id(2);
	three = view_id(3);
	other = open_connection(1, 0, 1, false);
	say(open_socket(0), a_view(one, 1, PAGE_VISIBLE, 0));
	say(open_socket(7), a_view(two, 1, PAGE_HIDDEN, 0));
	say(other, a_view(three, 1, PAGE_VISIBLE, 0));
	later(700);
	registry_listener_died(world.registry, 0, world.now.monotonic - 200 * MICROS_PER_MILLI,
						   world.now);
	CHECK_INT(counts().lost, 2);
	CHECK_INT(counts().open, 1);
	CHECK_INT(shown_view(one).lost_credit, 500);
	CHECK_INT(shown_view(two).lost_credit, 0);

	/* Its successor's connections are none of the old ones, even of the same name. */
	world.generation = 0;
	CHECK_STRING(say(open_socket(0), a_view(one, 2, PAGE_VISIBLE, 600)), "ack");
	CHECK_INT(counts().open, 2);
	world_stop();
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_view_that_closes_while_paused_is_not_credited);
	RUN(a_killed_browser_is_credited_up_to_its_death);
	RUN(a_network_that_vanished_is_credited_up_to_its_last_pong);
	RUN(a_pong_older_than_the_last_report_takes_nothing_away);
	RUN(a_view_that_comes_back_does_not_keep_its_credit);
	RUN(a_socket_that_dies_after_its_view_moved_on_loses_nothing);
	RUN(a_view_in_a_note_lingers_and_goes_on_by_socket);
	RUN(a_state_brings_a_lost_view_back_to_an_idle_socket);
	RUN(a_view_goes_on_from_its_waiting_row);
	RUN(an_end_for_a_waiting_lost_row_is_the_last_word);
	RUN(a_stored_lost_view_goes_on_as_the_same_row);
	RUN(a_lost_view_takes_the_place_of_its_waiting_checkpoint);
	RUN(shorter_rules_take_effect_on_views_that_linger);
	RUN(a_dead_listener_loses_no_view);
	return unit_finish();
}
