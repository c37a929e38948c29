/*
 * channel.h
 *	  One end of the socketpair between a listener and the worker.
 *
 * A record on the wire is a 32-bit length of its body, then the body, in native
 * byte order.  Reads and writes are batched and never block.  What cannot be
 * written yet waits in one of two lanes: control (heartbeats) overtakes events
 * at the next record boundary, so that a side that is alive is seen to be,
 * however long the queue.  Each side bounds its own queue: channel_send() says
 * false when the lane is full, and the caller decides what gives way.
 *
 * Errors: every function that does I/O returns CHANNEL_CLOSED once the peer is
 * gone or has broken the framing; the channel is then useless but still owns
 * its buffers and its descriptor until channel_free().
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_CHANNEL_H
#define PAGEVIEWS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Channel Channel;

typedef enum ChannelLane
{
	LANE_CONTROL,
	LANE_EVENTS
} ChannelLane;

typedef enum ChannelStatus
{
	CHANNEL_OK, /* done, or as much as was possible now */
	CHANNEL_CLOSED
} ChannelStatus;

/*
 * Takes one record's body, valid until it returns.  False breaks the channel
 * (the record was bad) and ends the read.
 */
typedef bool (*ChannelHandler)(void *context, const uint8_t *body, size_t length);

/*
 * Wraps a connected, non-blocking stream socket, which it owns from now on.
 * `record_limit` bounds what it accepts from the peer, `queue_limit` what may
 * wait to be written (bytes).  NULL when there is no memory.
 */
extern Channel *channel_new(int descriptor, size_t record_limit, size_t queue_limit);
extern void		channel_free(Channel *channel);

extern int channel_descriptor(const Channel *channel);

/* Queues a record; false, and nothing queued, when its lane is full or memory is short. */
extern bool channel_send(Channel *channel, ChannelLane lane, const uint8_t *body, size_t length);

/* Writes what the socket takes. */
extern ChannelStatus channel_flush(Channel *channel);

/* Whether something waits to be written: then wait for the socket to be writable. */
extern bool channel_pending(const Channel *channel);

/* Bytes that wait to be written. */
extern size_t channel_queued(const Channel *channel);

/*
 * Reads what is there, at most `budget` bytes (0: until the socket is empty),
 * and hands each whole record to `handler`.
 */
extern ChannelStatus channel_read(Channel *channel, size_t budget, ChannelHandler handler,
								  void *context);

#endif /* PAGEVIEWS_CHANNEL_H */
