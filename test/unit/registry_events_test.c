/*
 * registry_events_test.c
 *	  Events in the registry: one message, one row, whatever is said twice.
 */
#include "world.h"

TEST(an_event_waits_as_a_row_and_is_stored_once)
{
	Uuid		  view;
	Uuid		  event;
	ConnectionRef socket;

	world_start();
	view = view_id(1);
	event = view_id(2);
	socket = open_socket(0);
	say(socket, a_view(view, 1, PAGE_VISIBLE, 0));
	later(500);
	CHECK_STRING(say(socket, an_event(event, view)), "ack");
	CHECK_INT(waiting_row(event).revision, EVENT_REVISION);
	CHECK_INT(waiting_row(event).started_at, WORLD_START);
	CHECK(same_id(waiting_row(event).during, view));
	CHECK(text_equal(waiting_row(event).texts->page.name, text_of("signup")));
	CHECK_INT(counts().queued, 0);
	CHECK_INT(counts().events_queued, 1);

	/* The view that it happened in goes on. */
	CHECK_INT(shown_view(view).n, 1);
	CHECK_INT(counts().open, 1);

	/* Told again: before it is stored, and after. */
	CHECK_STRING(say(socket, an_event(event, view)), "ack");
	CHECK_INT(queue_length(world.queue), 1);
	CHECK_INT(store_all(false), 1);
	CHECK_STRING(world.answers, "stored");
	CHECK_STRING(say(socket, an_event(event, view)), "ack stored");
	CHECK_INT(queue_length(world.queue), 0);
	CHECK_INT(counts().events_taken, 1);
	CHECK_INT(counts().events_stored, 1);
	CHECK_INT(counts().announced, 1);
	CHECK_INT(counts().repeated, 2);
	world_stop();
}

TEST(no_id_is_both_a_view_and_an_event)
{
	Uuid		  view;
	Uuid		  event;
	ConnectionRef socket;

	world_start();
	view = view_id(1);
	event = view_id(2);
	socket = open_socket(0);
	say(socket, a_view(view, 1, PAGE_VISIBLE, 0));
	CHECK_STRING(say(socket, an_event(view, view)), "rejected");
	say(socket, an_event(event, view));
	for (int stored = 0; stored < 2; stored++)
	{
		CHECK_STRING(say(socket, a_view(event, 1, PAGE_VISIBLE, 0)), "rejected");
		CHECK_STRING(say(socket, a_state(event, 2, PAGE_VISIBLE, 0)), "rejected");
		CHECK_STRING(say(socket, a_leftover(event, 3, 0)), "rejected");
		store_all(false);
	}
	CHECK_INT(counts().open, 1);
	say(socket, an_end(view, 2, 0));
	CHECK_STRING(say(socket, an_event(view, view)), "rejected");
	store_all(false);
	CHECK_STRING(say(socket, an_event(view, view)), "rejected");
	CHECK_INT(counts().stored, 1);
	CHECK_INT(counts().events_stored, 1);
	world_stop();
}

TEST(a_clock_that_is_off_is_refused)
{
	ConnectionRef socket;
	Uuid		  view;

	world_start();
	socket = open_socket(0);
	view = view_id(1);
	CHECK_STRING(say(socket, an_event(view_id_at(2, -8 * INT64_C(86400000)), view)), "clock");
	CHECK_STRING(say(socket, an_event(view_id_at(3, 600000), view)), "clock");
	CHECK_INT(counts().events_taken, 0);

	/* What was stored while this clock was ahead is taken, by the same name. */
	registry_set_latest(world.registry, world.now.wall + 700000);
	CHECK_STRING(say(socket, an_event(view_id_at(3, 600000), view)), "ack");
	world_stop();
}

TEST(events_find_room_or_are_refused_and_views_keep_theirs)
{
	ConnectionRef socket;
	Uuid		  view;
	unsigned	  number = 10;

	world_start();
	view = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(view, 1, PAGE_VISIBLE, 0));
	while (queue_length(world.queue) < WORLD_QUEUE - 1)
		CHECK_STRING(say(socket, an_event(view_id(number++), view)), "ack");
	CHECK_STRING(say(socket, an_event(view_id(number), view)), "busy");
	CHECK(registry_full(world.registry));
	CHECK_STRING(say(socket, an_end(view, 2, 0)), "ack");
	CHECK_INT(store_all(false), WORLD_QUEUE);
	CHECK_INT(counts().stored, 1);
	CHECK_STRING(say(socket, an_event(view_id(number), view)), "ack");
	world_stop();
}

TEST(what_can_never_be_stored_is_refused_for_ever)
{
	ConnectionRef socket;
	Uuid		  event;

	world_start();
	event = view_id(2);
	socket = open_socket(0);
	say(socket, an_event(event, view_id(1)));
	store_all(true);
	CHECK_STRING(world.answers, "rejected");
	CHECK_STRING(say(socket, an_event(event, view_id(1))), "rejected");
	CHECK_INT(counts().events_rejected, 1);
	CHECK_INT(counts().rejected, 0);
	world_stop();
}

TEST(a_forgotten_visitors_events_are_gone_and_stay_so)
{
	ConnectionRef socket;
	Uuid		  session = session_id(1);
	Uuid		  view;
	Uuid		  event;

	world_start();
	view = view_id(1);
	event = view_id(2);
	socket = open_socket(0);
	say(socket, a_view(view, 1, PAGE_VISIBLE, 0));
	say(socket, an_event(event, view));
	CHECK_INT(registry_forget(world.registry, &session, world.now), 2);
	CHECK_INT(queue_length(world.queue), 0);
	CHECK_INT(counts().events_dropped, 1);
	CHECK_INT(counts().dropped, 1);
	CHECK_STRING(say(socket, an_event(event, view)), "rejected");
	later(1000);
	CHECK_STRING(say(socket, an_event(view_id(3), view)), "rejected");
	CHECK_STRING(say(socket, an_event(view_id(4), view_id(5))), "ack");
	world_stop();
}

TEST(a_note_leaves_the_answer_with_who_waits)
{
	ConnectionRef socket;
	ConnectionRef note;
	Uuid		  event;

	world_start();
	event = view_id(2);
	socket = open_socket(0);
	note = open_note(1);
	say(socket, an_event(event, view_id(1)));
	CHECK_STRING(say(note, an_event(event, view_id(1))), "ack");
	close_it(note, CLOSE_NORMAL, 0);
	world.listening = socket;
	store_all(false);
	CHECK_STRING(world.answers, "stored");
	world_stop();
}

TEST(a_listener_that_lies_about_an_event_is_not_believed)
{
	ConnectionRef socket;
	ViewMessage	  message;

	world_start();
	socket = open_socket(0);
	message = an_event(view_id(1), view_id(2));
	message.n = 1;
	CHECK_STRING(say(socket, message), "not believed");
	message = an_event(view_id(1), view_id(2));
	message.described = false;
	CHECK_STRING(say(socket, message), "not believed");
	message = a_view(view_id(1), EVENT_NUMBER, PAGE_VISIBLE, 0);
	CHECK_STRING(say(socket, message), "not believed");
	world_stop();
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(an_event_waits_as_a_row_and_is_stored_once);
	RUN(no_id_is_both_a_view_and_an_event);
	RUN(a_clock_that_is_off_is_refused);
	RUN(events_find_room_or_are_refused_and_views_keep_theirs);
	RUN(what_can_never_be_stored_is_refused_for_ever);
	RUN(a_forgotten_visitors_events_are_gone_and_stay_so);
	RUN(a_note_leaves_the_answer_with_who_waits);
	RUN(a_listener_that_lies_about_an_event_is_not_believed);
	return unit_finish();
}
