/*
 * channel.c
 *	  Length-prefixed records over a non-blocking stream socket.
 *
 * Input: one buffer that always has room for the largest record, so a record is
 * handed out in place, without a copy.  Output: one growing buffer a lane.  At a
 * record boundary the control lane goes first; an event record that a full socket
 * cut short is completed before.
 */
#ifdef POSTGRES_H
#error "src/common knows nothing of Postgres"
#endif

#include "channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIX		  sizeof(uint32_t)
#define LANES		  2
#define INPUT_SPARE	  (64 * 1024) /* read this much at a time, beyond one record */
#define CONTROL_LIMIT 4096		  /* heartbeats are a few bytes each */
#define OUTPUT_KEPT	  (64 * 1024) /* a drained lane gives back more than this */

typedef struct Lane
{
	uint8_t *data;
	size_t	 start; /* first byte not yet written */
	size_t	 end;
	size_t	 capacity;
	size_t	 limit;
	size_t	 boundary; /* end of the record that `start` lies in; == start between records */
} Lane;

struct Channel
{
	int		 descriptor;
	size_t	 record_limit;
	uint8_t *input;
	size_t	 input_start;
	size_t	 input_end;
	size_t	 input_capacity;
	Lane	 lanes[LANES];
};

Channel *
channel_new(int descriptor, size_t record_limit, size_t queue_limit)
{
	Channel *channel = calloc(1, sizeof *channel);

	if (channel == NULL)
		return NULL;
	channel->descriptor = descriptor;
	channel->record_limit = record_limit;
	channel->input_capacity = PREFIX + record_limit + INPUT_SPARE;
	channel->input = malloc(channel->input_capacity);
	if (channel->input == NULL)
	{
		free(channel);
		return NULL;
	}
	channel->lanes[LANE_CONTROL].limit = CONTROL_LIMIT;
	channel->lanes[LANE_EVENTS].limit = queue_limit;
	return channel;
}

void
channel_free(Channel *channel)
{
	if (channel == NULL)
		return;
	close(channel->descriptor);
	for (int i = 0; i < LANES; i++)
		free(channel->lanes[i].data);
	free(channel->input);
	free(channel);
}

int
channel_descriptor(const Channel *channel)
{
	return channel->descriptor;
}

/* --- writing -------------------------------------------------------------- */

static size_t
lane_length(const Lane *lane)
{
	return lane->end - lane->start;
}

/* Makes room for `more` bytes at the end; false when there is no memory. */
static bool
lane_reserve(Lane *lane, size_t more)
{
	size_t	 capacity = lane->capacity;
	uint8_t *data;

	if (lane->capacity - lane->end >= more)
		return true;

	/* First by moving what waits to the front, if that frees half or more. */
	if (lane->start > 0 && lane->start >= lane->capacity / 2)
	{
		memmove(lane->data, lane->data + lane->start, lane_length(lane));
		lane->end -= lane->start;
		lane->boundary -= lane->start;
		lane->start = 0;
		if (lane->capacity - lane->end >= more)
			return true;
	}

	if (capacity == 0)
		capacity = 4096;
	while (capacity - lane->end < more)
		capacity *= 2;
	data = realloc(lane->data, capacity);
	if (data == NULL)
		return false;
	lane->data = data;
	lane->capacity = capacity;
	return true;
}

bool
channel_send(Channel *channel, ChannelLane which, const uint8_t *body, size_t length)
{
	Lane	*lane = &channel->lanes[which];
	uint32_t prefix = (uint32_t) length;

	if (length == 0 || length > UINT32_MAX || lane_length(lane) + PREFIX + length > lane->limit ||
		!lane_reserve(lane, PREFIX + length))
		return false;

	memcpy(lane->data + lane->end, &prefix, PREFIX);
	memcpy(lane->data + lane->end + PREFIX, body, length);
	lane->end += PREFIX + length;
	return true;
}

/* Advances over what was written; keeps `boundary` at or after `start`. */
static void
lane_written(Lane *lane, size_t length)
{
	lane->start += length;
	while (lane->boundary < lane->start)
	{
		uint32_t prefix;

		memcpy(&prefix, lane->data + lane->boundary, PREFIX);
		lane->boundary += PREFIX + prefix;
	}
	if (lane->start == lane->end)
	{
		lane->start = lane->end = lane->boundary = 0;
		if (lane->capacity > OUTPUT_KEPT)
		{
			free(lane->data);
			lane->data = NULL;
			lane->capacity = 0;
		}
	}
}

/*
 * The lane to write from, and how much of it: a cut record first, then control,
 * then events.  NULL when nothing waits.
 */
static Lane *
next_lane(Channel *channel, size_t *length)
{
	Lane *control = &channel->lanes[LANE_CONTROL];
	Lane *events = &channel->lanes[LANE_EVENTS];

	if (events->boundary > events->start && lane_length(control) > 0)
	{
		*length = events->boundary - events->start;
		return events;
	}
	if (lane_length(control) > 0)
	{
		*length = lane_length(control);
		return control;
	}
	*length = lane_length(events);
	return *length > 0 ? events : NULL;
}

ChannelStatus
channel_flush(Channel *channel)
{
	Lane  *lane;
	size_t length;

	while ((lane = next_lane(channel, &length)) != NULL)
	{
		ssize_t written = send(channel->descriptor, lane->data + lane->start, length,
							   MSG_NOSIGNAL | MSG_DONTWAIT);

		if (written > 0)
			lane_written(lane, (size_t) written);
		else if (written < 0 && errno == EINTR)
			continue;
		else if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return CHANNEL_OK;
		else
			return CHANNEL_CLOSED;
	}
	return CHANNEL_OK;
}

bool
channel_pending(const Channel *channel)
{
	return channel_queued(channel) > 0;
}

size_t
channel_queued(const Channel *channel)
{
	return lane_length(&channel->lanes[LANE_CONTROL]) + lane_length(&channel->lanes[LANE_EVENTS]);
}

/* --- reading -------------------------------------------------------------- */

/* Hands out every whole record; false when one is too long or was not taken. */
static bool
deliver(Channel *channel, ChannelHandler handler, void *context)
{
	while (channel->input_end - channel->input_start >= PREFIX)
	{
		uint32_t length;

		memcpy(&length, channel->input + channel->input_start, PREFIX);
		if (length == 0 || length > channel->record_limit)
			return false;
		if (channel->input_end - channel->input_start - PREFIX < length)
			break;
		channel->input_start += PREFIX;
		if (!handler(context, channel->input + channel->input_start, length))
			return false;
		channel->input_start += length;
	}

	/* What is left is less than a record: move it to the front. */
	if (channel->input_start > 0)
	{
		memmove(channel->input, channel->input + channel->input_start,
				channel->input_end - channel->input_start);
		channel->input_end -= channel->input_start;
		channel->input_start = 0;
	}
	return true;
}

ChannelStatus
channel_read(Channel *channel, size_t budget, ChannelHandler handler, void *context)
{
	size_t taken = 0;

	for (;;)
	{
		size_t	room = channel->input_capacity - channel->input_end;
		ssize_t got =
			recv(channel->descriptor, channel->input + channel->input_end, room, MSG_DONTWAIT);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return CHANNEL_OK;
		if (got <= 0)
			return CHANNEL_CLOSED;

		channel->input_end += (size_t) got;
		if (!deliver(channel, handler, context))
			return CHANNEL_CLOSED;

		taken += (size_t) got;
		if (budget > 0 && taken >= budget)
			return CHANNEL_OK;

		/* A short read has emptied the socket: spare the call that would say so. */
		if ((size_t) got < room)
			return CHANNEL_OK;
	}
}
