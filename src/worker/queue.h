/*
 * queue.h
 *	  Rows that wait to be stored: one entry a view, the latest.
 *
 * First in, first out; a newer row of a view that already waits takes the older
 * one's place.  A batch is borrowed, not removed: queue_settle() removes an
 * entry only if it still is what was written.  Bounded: its owner counts the
 * views that are open as well before it lets newcomers in, so that a row of a
 * view that is already inside always finds room.
 *
 * Pure C: no Postgres, no libwebsockets, no clock.
 */
#ifndef PAGEVIEWS_QUEUE_H
#define PAGEVIEWS_QUEUE_H

#include "view.h"

typedef struct Queue Queue;

/* Room for `capacity` rows; NULL when there is no memory. */
extern Queue *queue_new(uint32_t capacity);
extern void	  queue_free(Queue *queue);

/*
 * Adds a row, or replaces the view's waiting row if the new one's revision is
 * higher (else drops the new one); the place and time in the line stay.  Takes the row's reference to its texts in
 * every case.  False only when the queue is full and the view not in it: then
 * the caller still owns the row.
 */
extern bool queue_put(Queue *queue, const ViewRow *row, Micros now);

/* The waiting row of a view, or NULL. Valid until the queue changes. */
extern const ViewRow *queue_find(const Queue *queue, const Uuid *view);

/*
 * Takes a view's waiting row out (a resume of a view whose last row was not yet
 * stored); false if there is none.  The caller owns the row's texts.
 */
extern bool queue_take(Queue *queue, const Uuid *view, ViewRow *row);

/* A waiting row's result goes to somebody else from now on; false if none waits. */
extern bool queue_redirect(Queue *queue, const Uuid *view, ConnectionRef reply_to);

/* Points at up to `limit` of the oldest rows; returns how many. Valid until the queue changes. */
extern uint32_t queue_peek(const Queue *queue, const ViewRow **rows, uint32_t limit);

/* Removes a view's entry if its revision is still `revision`; releases its texts. */
extern bool queue_settle(Queue *queue, const Uuid *view, int64_t revision);

/*
 * Every waiting row of a session is forgotten; returns how many.  `gone`, which
 * must not touch the queue, is told each view's id.
 */
extern uint32_t queue_forget(Queue *queue, const Uuid							 *session,
							 void (*gone)(void *context, const Uuid *view), void *context);

extern uint32_t queue_length(const Queue *queue);
extern uint32_t queue_capacity(const Queue *queue);

/* When the oldest waiting row was first put, or INT64_MAX when empty. */
extern Micros queue_oldest(const Queue *queue);

#endif /* PAGEVIEWS_QUEUE_H */
