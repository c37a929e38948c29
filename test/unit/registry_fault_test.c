/*
 * registry_fault_test.c
 *	  What goes wrong around the views: no room, rows that cannot be stored, lies.
 */
#include "world.h"

TEST(an_answer_never_reaches_the_next_owner_of_a_connection)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	say(socket, an_end(id, 2, 0));
	close_it(socket, CLOSE_NORMAL, 0);
	open_socket(0);
	store_all(false);
	CHECK_STRING(world.all_answers, "");

	/* Also not after a restart of the listener, which names them from the start. */
	id = view_id(2);
	socket = open_socket(1);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	say(socket, an_end(id, 2, 0));
	registry_listener_died(world.registry, 0, world.now.monotonic, world.now);
	world.generation = CONNECTION_ID(0, 0) + (uint32_t) (socket.connection >> 32) - 1;
	CHECK_INT(open_socket(1).connection, socket.connection);
	store_all(false);
	CHECK_STRING(world.all_answers, "");
	world_stop();
}

TEST(a_shutdown_stores_every_open_view)
{
	Uuid		  ids[WORLD_VIEWS];
	ConnectionRef sockets[WORLD_VIEWS];

	world_start();
	for (unsigned i = 0; i < WORLD_VIEWS; i++)
	{
		ids[i] = view_id(i);
		sockets[i] = open_socket(i);
		say(sockets[i], a_view(ids[i], 1, i == 1 ? PAGE_HIDDEN : PAGE_VISIBLE, 0));
	}
	later(1000);
	close_it(sockets[2], CLOSE_RESET, 0);
	later(2000);
	registry_shutdown(world.registry, world.now);
	CHECK_INT(queue_length(world.queue), WORLD_VIEWS);
	CHECK_INT(counts().queued, WORLD_VIEWS);
	CHECK_INT(waiting_row(ids[0]).engagement, 3000);
	CHECK_INT(waiting_row(ids[0]).reason, END_SHUTDOWN);
	CHECK_INT(waiting_row(ids[0]).revision, 4 + RANK_LOST);
	CHECK_INT(waiting_row(ids[1]).engagement, 0);
	CHECK_INT(waiting_row(ids[2]).engagement, 1000);
	CHECK_INT(waiting_row(ids[2]).reason, END_LOST);
	CHECK(!is_shown(ids[0]));
	CHECK_INT(registry_deadline(world.registry), INT64_MAX);
	CHECK_INT(store_all(false), WORLD_VIEWS);
	world_stop();
}

TEST(newcomers_are_turned_away_and_those_inside_are_kept)
{
	Uuid		  ids[WORLD_VIEWS];
	Uuid		  extra;
	ConnectionRef sockets[WORLD_VIEWS];
	ConnectionRef note;

	world_start_sized(4, 6, 8);
	for (unsigned i = 0; i < 4; i++)
	{
		CHECK(!registry_full(world.registry));
		ids[i] = view_id(i);
		sockets[i] = open_socket(i);
		CHECK_STRING(say(sockets[i], a_view(ids[i], 1, PAGE_VISIBLE, 0)), "ack");
	}
	CHECK(registry_full(world.registry));
	note = open_note(0);
	extra = view_id(10);
	CHECK_STRING(say(note, a_view(extra, 1, PAGE_VISIBLE, 0)), "busy");
	CHECK_STRING(say(note, a_view(extra, 1, PAGE_VISIBLE, 0)), "busy");
	CHECK_INT(counts().refused, 1);
	CHECK_INT(counts().refused_by[VIEW_REFUSED_BUSY], 2);

	/* Who navigates frees a slot for himself, as long as the queue has room. */
	CHECK_STRING(say(sockets[0], a_view(view_id(11), 1, PAGE_VISIBLE, 0)), "ack");
	CHECK_STRING(say(note, a_leftover(view_id(12), 1, 0)), "ack");
	CHECK_STRING(say(note, a_leftover(view_id(13), 1, 0)), "busy");
	later(1000);
	for (unsigned i = 1; i < 4; i++)
		CHECK_STRING(say(sockets[i], an_end(ids[i], 2, 1000)), "ack");
	CHECK_INT(queue_length(world.queue), 5);
	CHECK(registry_full(world.registry));
	CHECK_INT(counts().dropped, 0);
	store_all(false);
	CHECK(!registry_full(world.registry));

	/* Whoever was turned away and comes back is the same view. */
	CHECK_STRING(say(open_socket(5), a_view(extra, 2, PAGE_VISIBLE, 0)), "ack");
	CHECK_INT(counts().refused, 1);
	CHECK_INT(counts().announced, 8);
	world_stop();
}

TEST(a_lost_view_without_a_free_slot_goes_on_in_its_row)
{
	Uuid		  lost;
	Uuid		  others[2];
	ConnectionRef socket;

	world_start_sized(2, 6, 8);
	lost = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(lost, 1, PAGE_VISIBLE, 0));
	close_it(socket, CLOSE_RESET, 0);
	later(10000);
	tick();
	for (unsigned i = 0; i < 2; i++)
	{
		others[i] = view_id(2 + i);
		say(open_socket(1 + i), a_view(others[i], 1, PAGE_VISIBLE, 0));
	}
	socket = open_socket(3);
	CHECK_STRING(say(socket, a_view(lost, 2, PAGE_VISIBLE, 8000)), "ack");
	CHECK_INT(waiting_row(lost).engagement, 8000);
	CHECK_INT(waiting_row(lost).revision, 8 + RANK_LOST);
	CHECK_INT(counts().queued, 1);
	CHECK_STRING(say(socket, a_state(lost, 3, PAGE_VISIBLE, 9000)), "ack");
	CHECK_STRING(say(socket, an_end(lost, 4, 9500)), "ack");
	CHECK_INT(waiting_row(lost).engagement, 9500);
	CHECK_INT(queue_length(world.queue), 1);
	world_stop();
}

TEST(who_goes_back_to_a_waiting_view_makes_room_for_it)
{
	Uuid		  back;
	Uuid		  live;
	ConnectionRef socket;

	world_start_sized(1, 6, 8);
	back = view_id(1);
	live = view_id(2);
	socket = open_socket(0);
	say(socket, a_view(back, 1, PAGE_VISIBLE, 0));
	close_it(socket, CLOSE_RESET, 0);
	later(10000);
	tick();
	socket = open_socket(1);
	say(socket, a_view(live, 1, PAGE_VISIBLE, 0));
	CHECK(registry_full(world.registry));
	CHECK_STRING(say(socket, a_view(back, 2, PAGE_VISIBLE, 0)), "ack");
	CHECK(is_shown(back));
	CHECK_INT(waiting_row(live).reason, END_NAVIGATED);
	world_stop();
}

TEST(a_view_that_was_refused_once_is_not_counted_so_for_ever)
{
	Uuid		  id;
	ConnectionRef socket;

	world_start_sized(1, 6, 1);
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(view_id(2), 1, PAGE_VISIBLE, 0));
	CHECK_STRING(say(open_socket(1), a_view(id, 1, PAGE_VISIBLE, 0)), "busy");
	CHECK_INT(counts().refused, 1);
	CHECK_STRING(say(socket, a_view(id, 1, PAGE_VISIBLE, 0)), "ack");
	CHECK_INT(counts().refused, 0);
	say(socket, an_end(id, 2, 0));
	store_all(false);

	/* The cache has room for one: it knows the view no more, and counts it anew. */
	CHECK_STRING(say(socket, a_leftover(view_id(3), 1, 0)), "ack");
	store_all(false);
	CHECK_STRING(say(socket, a_leftover(id, 2, 0)), "ack");
	CHECK_INT(counts().refused, 0);
	CHECK_INT(counts().announced, 4);
	world_stop();
}

TEST(a_row_that_cannot_be_stored_ends_its_view_alone)
{
	Uuid		  open;
	Uuid		  over;
	ConnectionRef a;
	ConnectionRef b;

	world_start();
	open = view_id(1);
	over = view_id(2);
	a = open_socket(0);
	b = open_socket(1);
	say(a, a_view(open, 1, PAGE_VISIBLE, 0));
	say(b, a_view(over, 1, PAGE_VISIBLE, 0));
	later(30000);
	say(b, an_end(over, 2, 30000));
	tick();
	CHECK_INT(store_all(true), 2);
	CHECK_INT(counts().rejected, 2);
	CHECK_INT(counts().open, 0);
	CHECK(!is_shown(open));
	CHECK(strstr(world.all_answers, "rejected:0.0") != NULL);
	CHECK(strstr(world.all_answers, "rejected:0.1") != NULL);
	CHECK_STRING(say(a, a_state(open, 2, PAGE_VISIBLE, 0)), "rejected");
	CHECK_STRING(say(b, a_leftover(over, 2, 0)), "rejected");

	/* The socket lives on. */
	CHECK_STRING(say(a, a_view(view_id(3), 1, PAGE_VISIBLE, 0)), "ack");
	CHECK_INT(counts().open, 1);
	world_stop();
}

TEST(a_result_for_a_row_that_changed_meanwhile_settles_nothing)
{
	Uuid		  id;
	ConnectionRef socket;
	Uuid		  stranger;
	int64_t		  revision;

	world_start();
	id = view_id(1);
	stranger = view_id(9);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(30000);
	tick();
	revision = waiting_row(id).revision;
	say(socket, an_end(id, 2, 30000));
	registry_stored(world.registry, &id, revision);
	CHECK(waits(id));
	CHECK_INT(counts().queued, 1);
	registry_rejected(world.registry, &id, revision);
	CHECK(waits(id));
	registry_stored(world.registry, &stranger, 4);
	store_all(false);
	CHECK_INT(counts().stored, 1);
	world_stop();
}

TEST(an_erased_visitor_leaves_nothing_behind)
{
	Uuid		  session = session_id(1);
	Uuid		  open;
	Uuid		  checkpointed;
	Uuid		  over;
	Uuid		  other;
	ConnectionRef socket;

	world_start();
	checkpointed = view_id(1);
	open = view_id(2);
	over = view_id(3);
	other = view_id(4);
	say(open_socket(0), a_view(checkpointed, 1, PAGE_VISIBLE, 0));
	later(30000);
	tick();
	store_all(false);
	say(open_connection(0, 4, 2, false), a_view(other, 1, PAGE_VISIBLE, 0));
	socket = open_socket(1);
	say(socket, a_view(over, 1, PAGE_VISIBLE, 0));
	say(socket, a_view(open, 1, PAGE_VISIBLE, 0));
	later(29000);
	CHECK_INT(registry_forget(world.registry, &session, world.now), 3);
	world_check_conservation();
	CHECK_INT(counts().dropped, 3);
	CHECK_INT(counts().open, 1);
	CHECK_INT(queue_length(world.queue), 0);
	CHECK_STRING(say(socket, a_state(open, 2, PAGE_VISIBLE, 0)), "rejected");
	CHECK_STRING(say(socket, a_state(checkpointed, 2, PAGE_VISIBLE, 0)), "rejected");
	CHECK_INT(registry_forget(world.registry, &session, world.now), 0);
	world_stop();
}

TEST(what_was_forgotten_does_not_come_back)
{
	Uuid		  session = session_id(1);
	Uuid		  stored;
	Uuid		  open;
	Uuid		  unheard;
	Uuid		  later_one;
	ConnectionRef socket;

	world_start();
	stored = view_id(1);
	open = view_id(2);
	unheard = view_id(3);
	socket = open_socket(0);
	say(socket, a_view(stored, 1, PAGE_VISIBLE, 0));
	say(socket, an_end(stored, 2, 10));
	store_all(false);
	say(socket, a_view(open, 1, PAGE_VISIBLE, 0));
	later(1000);
	CHECK_INT(registry_forget(world.registry, &session, world.now), 1);

	/* The page goes on; a last word comes again; a browser tells of what the server never heard. */
	CHECK_STRING(say(socket, a_view(open, 2, PAGE_VISIBLE, 0)), "rejected");
	CHECK_STRING(say(socket, a_leftover(open, 3, 50)), "rejected");
	CHECK_STRING(say(socket, a_leftover(stored, 2, 10)), "rejected");
	CHECK_STRING(say(open_note(1), a_leftover(unheard, 4, 70)), "rejected");
	/* Nor does it under a cookie that the browser was given since. */
	CHECK_STRING(say(open_connection(0, 2, 9, false), a_view(open, 4, PAGE_VISIBLE, 0)),
				 "rejected");
	CHECK_INT(counts().open, 0);
	CHECK_INT(queue_length(world.queue), 0);
	CHECK_INT(counts().announced, 3);
	CHECK_INT(counts().dropped, 1);
	CHECK_INT(counts().refused, 1);

	/* What he views from now on is another matter, and so is anybody else. */
	later(1);
	later_one = view_id(4);
	CHECK_STRING(say(socket, a_view(later_one, 1, PAGE_VISIBLE, 0)), "ack");
	CHECK_STRING(
		say(open_connection(0, 3, 2, false), a_view(view_id_at(5, -500), 1, PAGE_VISIBLE, 0)),
		"ack");
	CHECK_INT(counts().open, 2);
	world_stop();
}

TEST(a_lying_listener_is_found_out)
{
	Event		  event;
	ConnectionRef socket;
	ViewMessage	  message;

	world_start();
	socket = open_socket(0);
	memset(&event, 0, sizeof event);

	/* A slot that does not exist, is taken, or bears the same generation again. */
	event.type = EVENT_OPENED;
	event.connection = CONNECTION_ID(8, 99);
	CHECK(!take(0, &event));
	event.connection = CONNECTION_ID(UINT32_MAX, 99);
	CHECK(!take(0, &event));
	event.connection = CONNECTION_ID(0, 99);
	CHECK(!take(0, &event));
	CHECK(!take(2, &event));
	CHECK(!take(UINT16_MAX, &event));
	event.connection = 0;
	CHECK(!take(1, &event));
	event.connection = CONNECTION_ID(1, 99);
	event.u.opened.visitor.user_agent = (Text){"", USER_AGENT_LIMIT + 1};
	CHECK(!take(1, &event));
	event.u.opened.visitor = (Visitor){.browser = {"", AGENT_NAME_LIMIT + 1}};
	CHECK(!take(1, &event));
	event.u.opened.visitor = (Visitor){.browser_version = {"", AGENT_VERSION_LIMIT + 1}};
	CHECK(!take(1, &event));
	event.u.opened.visitor = (Visitor){.system = {"", AGENT_NAME_LIMIT + 1}};
	CHECK(!take(1, &event));
	event.u.opened.visitor = (Visitor){.device = (DeviceClass) DEVICE_CLASS_COUNT};
	CHECK(!take(1, &event));
	event.u.opened.visitor = (Visitor){.country = {'c', 'h'}};
	CHECK(!take(1, &event));
	event.u.opened.visitor = (Visitor){.country = {'\0', 'H'}};
	CHECK(!take(1, &event));
	close_it(socket, CLOSE_NORMAL, 0);
	event.connection = socket.connection;
	event.u.opened.visitor = (Visitor){0};
	CHECK(!take(0, &event));

	/* Words on connections that are closed, or of another generation. */
	CHECK_STRING(say(socket, a_view(view_id(1), 1, PAGE_VISIBLE, 0)), "not believed");
	event.type = EVENT_CLOSED;
	CHECK(!take(0, &event));
	socket = open_socket(0);
	event.connection = socket.connection + CONNECTION_ID(0, 1);
	CHECK(!take(0, &event));
	event.connection = socket.connection;
	event.u.closed.cause = (CloseCause) CLOSE_CAUSE_COUNT;
	CHECK(!take(0, &event));

	/* Events and messages that there are none of. */
	event.type = EVENT_READY;
	CHECK(!take(0, &event));
	event.type = (EventType) 99;
	CHECK(!take(0, &event));
	message = a_view(view_id(1), 1, PAGE_VISIBLE, 0);
	message.kind = (MessageKind) 0;
	CHECK_STRING(say(socket, message), "not believed");
	message.kind = (MessageKind) 4;
	CHECK_STRING(say(socket, message), "not believed");
	CHECK_STRING(say(socket, a_view(view_id(1), 0, PAGE_VISIBLE, 0)), "not believed");
	CHECK_STRING(say(socket, a_view(view_id(1), 1, (PageState) 3, 0)), "not believed");
	CHECK_STRING(say(socket, a_view(session_id(1), 1, PAGE_VISIBLE, 0)), "not believed");
	message = a_view(view_id(1), 1, PAGE_VISIBLE, 0);
	message.described = false;
	CHECK_STRING(say(socket, message), "not believed");
	CHECK_INT(counts().announced, 0);
	world_stop();
}

TEST(a_stamp_from_the_future_or_before_time_credits_nothing_wrong)
{
	Uuid		  id;
	ConnectionRef socket;
	Event		  event;

	world_start();
	id = view_id(1);
	socket = open_socket(0);
	say(socket, a_view(id, 1, PAGE_VISIBLE, 0));
	later(1000);
	memset(&event, 0, sizeof event);
	event.type = EVENT_CLOSED;
	event.connection = socket.connection;
	event.at = INT64_MAX;
	event.u.closed.last_pong = INT64_MIN;
	CHECK(take(0, &event));
	CHECK_INT(shown_view(id).lost_credit, 1000);

	socket = open_socket(1);
	say(socket, a_view(id, 2, PAGE_VISIBLE, 1000));
	event.connection = socket.connection;
	event.at = INT64_MIN;
	event.u.closed.cause = CLOSE_PING_TIMEOUT;
	CHECK(take(0, &event));
	CHECK_INT(shown_view(id).lost_credit, 0);
	world_stop();
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(an_answer_never_reaches_the_next_owner_of_a_connection);
	RUN(a_shutdown_stores_every_open_view);
	RUN(newcomers_are_turned_away_and_those_inside_are_kept);
	RUN(a_lost_view_without_a_free_slot_goes_on_in_its_row);
	RUN(who_goes_back_to_a_waiting_view_makes_room_for_it);
	RUN(a_view_that_was_refused_once_is_not_counted_so_for_ever);
	RUN(a_row_that_cannot_be_stored_ends_its_view_alone);
	RUN(a_result_for_a_row_that_changed_meanwhile_settles_nothing);
	RUN(an_erased_visitor_leaves_nothing_behind);
	RUN(what_was_forgotten_does_not_come_back);
	RUN(a_lying_listener_is_found_out);
	RUN(a_stamp_from_the_future_or_before_time_credits_nothing_wrong);
	return unit_finish();
}
