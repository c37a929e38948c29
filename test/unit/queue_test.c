/*
 * queue_test.c
 *	  The rows that wait to be stored.
 */
#include "../../src/worker/queue.h"
#include "unit.h"

static ViewTexts *texts; /* all rows share it: its references tell of leaks */

static ViewRow
row_of(unsigned number, int64_t revision)
{
	ViewRow row;

	memset(&row, 0, sizeof row);
	row.view.bytes[15] = (uint8_t) number;
	row.session.bytes[0] = number < 10 ? 1 : 2;
	row.revision = revision;
	row.texts = view_texts_share(texts);
	return row;
}

static void
put(Queue *queue, unsigned number, int64_t revision, Micros now)
{
	ViewRow row = row_of(number, revision);

	CHECK(queue_put(queue, &row, now));
}

/* The waiting views, oldest first, as text such as "1:4 2:7". */
static const char *
listed(const Queue *queue)
{
	static char	   text[200];
	const ViewRow *rows[8];
	uint32_t	   count = queue_peek(queue, rows, 8);

	text[0] = '\0';
	for (uint32_t i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u:%d", i ? " " : "",
				 rows[i]->view.bytes[15], (int) rows[i]->revision);
	return text;
}

static Queue *
start(uint32_t capacity)
{
	PageDescription page;
	Visitor			nobody = {0};

	memset(&page, 0, sizeof page);
	texts = view_texts_new(&page, &nobody);
	return queue_new(capacity);
}

/* Nothing but the test itself refers to the texts in the end. */
static void
stop(Queue *queue)
{
	queue_free(queue);
	CHECK_INT(texts->references, 1);
	view_texts_release(texts);
}

TEST(a_newer_row_takes_the_older_ones_place_not_another)
{
	Queue *queue = start(4);

	put(queue, 1, 4, 100);
	put(queue, 2, 4, 200);
	put(queue, 1, 8, 300);
	CHECK_STRING(listed(queue), "1:8 2:4");
	CHECK_INT(queue_length(queue), 2);
	CHECK_INT(queue_oldest(queue), 100);
	stop(queue);
}

TEST(an_older_row_never_replaces_a_newer_one)
{
	Queue *queue = start(4);

	put(queue, 1, 8, 100);
	put(queue, 1, 8, 200);
	put(queue, 1, 7, 200);
	CHECK_STRING(listed(queue), "1:8");
	CHECK_INT(texts->references, 2);
	stop(queue);
}

TEST(a_full_queue_refuses_strangers_and_keeps_those_inside)
{
	Queue  *queue = start(2);
	ViewRow row;

	put(queue, 1, 4, 100);
	put(queue, 2, 4, 100);
	row = row_of(3, 4);
	CHECK(!queue_put(queue, &row, 100));
	view_texts_release(row.texts);
	put(queue, 2, 5, 100);
	CHECK_STRING(listed(queue), "1:4 2:5");
	CHECK_INT(queue_capacity(queue), 2);
	stop(queue);
}

TEST(a_row_that_changed_while_it_was_written_is_not_settled)
{
	Queue *queue = start(4);
	Uuid   view = {{0}};

	view.bytes[15] = 1;
	put(queue, 1, 4, 100);
	put(queue, 2, 4, 150);
	put(queue, 1, 8, 200);
	CHECK(!queue_settle(queue, &view, 4));
	CHECK_STRING(listed(queue), "1:8 2:4");
	CHECK(queue_settle(queue, &view, 8));
	CHECK(!queue_settle(queue, &view, 8));
	CHECK_STRING(listed(queue), "2:4");
	CHECK_INT(queue_oldest(queue), 150);
	stop(queue);
}

TEST(a_row_that_is_taken_out_belongs_to_its_taker)
{
	Queue  *queue = start(4);
	ViewRow row;
	Uuid	view = {{0}};

	view.bytes[15] = 1;
	put(queue, 1, 4, 100);
	CHECK(queue_find(queue, &view) != NULL);
	CHECK(queue_redirect(queue, &view, (ConnectionRef){.listener = 3, .connection = 9}));
	CHECK(queue_take(queue, &view, &row));
	CHECK_INT(row.revision, 4);
	CHECK_INT(row.reply_to.listener, 3);
	CHECK_INT(texts->references, 2);
	CHECK(queue_find(queue, &view) == NULL);
	CHECK(!queue_take(queue, &view, &row));
	CHECK(!queue_redirect(queue, &view, row.reply_to));
	CHECK_INT(queue_oldest(queue), INT64_MAX);
	view_texts_release(row.texts);
	stop(queue);
}

static void
count_gone(void *context, const Uuid *view)
{
	*(unsigned *) context += view->bytes[15];
}

TEST(forgetting_a_session_leaves_the_others)
{
	Queue	*queue = start(8);
	Uuid	 session = {{1}};
	unsigned gone = 0;

	put(queue, 1, 4, 100);
	put(queue, 11, 4, 200);
	put(queue, 2, 4, 300);
	put(queue, 12, 4, 400);
	CHECK_INT(queue_forget(queue, &session, count_gone, &gone), 2);
	CHECK_INT(gone, 3);
	CHECK_STRING(listed(queue), "11:4 12:4");
	CHECK_INT(queue_forget(queue, &session, count_gone, &gone), 0);
	CHECK_INT(queue_oldest(queue), 200);
	stop(queue);
}

TEST(a_batch_is_the_oldest_rows_and_no_more_than_asked)
{
	Queue		  *queue = start(8);
	const ViewRow *rows[2];

	CHECK_INT(queue_peek(queue, rows, 2), 0);
	for (unsigned i = 5; i > 0; i--)
		put(queue, i, 4, 100);
	CHECK_INT(queue_peek(queue, rows, 2), 2);
	CHECK_INT(rows[0]->view.bytes[15], 5);
	CHECK_INT(rows[1]->view.bytes[15], 4);
	CHECK_INT(queue_length(queue), 5);
	stop(queue);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(a_newer_row_takes_the_older_ones_place_not_another);
	RUN(an_older_row_never_replaces_a_newer_one);
	RUN(a_full_queue_refuses_strangers_and_keeps_those_inside);
	RUN(a_row_that_changed_while_it_was_written_is_not_settled);
	RUN(a_row_that_is_taken_out_belongs_to_its_taker);
	RUN(forgetting_a_session_leaves_the_others);
	RUN(a_batch_is_the_oldest_rows_and_no_more_than_asked);
	return unit_finish();
}
