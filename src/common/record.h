/*
 * record.h
 *	  The records of the channel between a listener and the worker.
 *
 * An Event travels from the listener to the worker, a Command the other way.
 * Encoding writes into a caller's buffer; decoding checks every length, range
 * and text and yields slices of the buffer that it was given, valid only as
 * long as that buffer is.  A record that does not decode means that the other
 * side is broken or lying: the worker kills such a listener, a listener exits.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_RECORD_H
#define PAGEVIEWS_RECORD_H

#include "clock.h"
#include "config.h"
#include "message.h"

/* Raised whenever a record changes its form; both sides must agree. */
#define CHANNEL_VERSION 6

/* No record is longer, in bytes; only a Command that configures comes near. */
#define RECORD_LIMIT (256 * 1024)

/* No event is longer: one message of 4 KiB with its frame. */
#define EVENT_LIMIT (16 * 1024)

#define LOG_TEXT_LIMIT	   512
#define REFUSAL_CODE_LIMIT 32
#define REFUSAL_TEXT_LIMIT 200

/*
 * A connection of one listener: slot in the low 32 bits (below the listener's
 * max_connections), a generation in the high 32, so that a late command never
 * reaches the slot's next owner.  0 is no connection.
 */
typedef uint64_t ConnectionId;

#define CONNECTION_SLOT(id)				((uint32_t) (id))
#define CONNECTION_ID(slot, generation) ((uint64_t) (generation) << 32 | (slot))

/* What a listener counts, cumulative since it started. */
typedef enum ListenerCounter
{
	COUNT_CONNECTIONS,	   /* accepted from the kernel */
	COUNT_UPGRADES,		   /* websockets established */
	COUNT_NOTES,		   /* notes taken */
	COUNT_MESSAGES,		   /* well-formed messages, on sockets and in notes */
	COUNT_SCRIPTS,		   /* client.js served, 200 or 304 */
	COUNT_REFUSED_FULL,	   /* turned away: max_connections */
	COUNT_REFUSED_ADDRESS, /* turned away: max_connections_per_address */
	COUNT_REFUSED_BUSY,	   /* turned away: the worker cannot take more */
	COUNT_REFUSED_ORIGIN,
	COUNT_REFUSED_REQUEST, /* method, path, headers, version, subprotocol */
	COUNT_REFUSED_MESSAGE, /* not JSON, not a message, binary */
	COUNT_PING_TIMEOUTS,
	COUNT_REFUSED_RATE,		  /* too many new connections a second of one address */
	COUNT_REFUSED_FLOOD,	  /* too many messages or bytes a second */
	COUNT_REFUSED_SIZE,		  /* a message or note that is too large */
	COUNT_HANDSHAKE_TIMEOUTS, /* no request in time */
	COUNT_IDLE_TIMEOUTS,	  /* sockets that said nothing for too long */
	COUNT_EXPIRED,			  /* sockets that were open for too long */
	COUNT_REFUSED_ROBOT,
	LISTENER_COUNTER_COUNT
} ListenerCounter;

typedef enum EventType
{
	EVENT_READY = 1, /* first: version, pid; the listener can be configured */
	EVENT_ALIVE, /* answers COMMAND_HEARTBEAT; and once, as 0, when it begins to serve; control lane */
	EVENT_LOG,
	EVENT_OPENED, /* a websocket was established, or a note came in */
	EVENT_MESSAGE,
	EVENT_CLOSED,
	EVENT_LEFT /* a `view` was refused by the listener: its page has moved on all the same */
} EventType;

typedef enum LogLevel
{
	LOG_LEVEL_DEBUG = 0,
	LOG_LEVEL_LOG,
	LOG_LEVEL_WARNING
} LogLevel;

#define LOG_LEVEL_COUNT 3

typedef enum CloseCause
{
	CLOSE_NORMAL = 0,  /* closing handshake or FIN */
	CLOSE_RESET,	   /* error on the socket, or we gave it up */
	CLOSE_PING_TIMEOUT /* stopped answering pings */
} CloseCause;

#define CLOSE_CAUSE_COUNT 3

typedef struct Event
{
	EventType	 type;
	Micros		 at;		 /* when it happened, at the listener */
	ConnectionId connection; /* OPENED, MESSAGE, CLOSED, LEFT */
	union
	{
		struct
		{
			uint32_t version;
			int32_t	 pid;
		} ready;
		struct
		{
			uint64_t sequence;	  /* of the heartbeat that is answered */
			uint32_t connections; /* open now */
			bool	 sandboxed;	  /* its filter of system calls is on */
			uint64_t counters[LISTENER_COUNTER_COUNT];
		} alive;
		struct
		{
			LogLevel level;
			Text	 text; /* printable ASCII, escaped by the listener */
		} log;
		struct
		{
			Uuid	session;
			bool	note; /* no socket: what it says is judged, then it closes */
			Visitor visitor;
		} opened;
		struct
		{
			int32_t		covered; /* ms since this connection's message before that
									 * pongs prove the machine to have been awake */
			ViewMessage view;
		} message;
		struct
		{
			CloseCause cause;
			Micros	   last_pong; /* last sign of life before a CLOSE_PING_TIMEOUT */
		} closed;
		struct
		{
			Uuid view; /* the one that was refused */
		} left;
	} u;
} Event;

typedef enum CommandType
{
	COMMAND_CONFIGURE = 1,
	COMMAND_HEARTBEAT, /* control lane */
	COMMAND_BUSY,	   /* turn newcomers away, or take them again */
	COMMAND_ACK,	   /* in the worker's memory */
	COMMAND_STORED,	   /* committed, up to this n */
	COMMAND_REFUSED	   /* about one view; the socket stays open */
} CommandType;

typedef struct Command
{
	CommandType	 type;
	ConnectionId connection; /* ACK, STORED, REFUSED */
	Uuid		 view;		 /* ACK, STORED, REFUSED */
	int32_t		 n;			 /* ACK, STORED, REFUSED; EVENT_NUMBER: about an event */
	union
	{
		ListenerConfig configure;
		uint64_t	   heartbeat; /* sequence */
		bool		   busy;
		struct
		{
			Text code; /* clock, unknown_view, busy, ... */
			Text message;
		} refused;
	} u;
} Command;

/* Writes the record's body; returns its length, 0 if it does not fit `capacity`. */
extern size_t event_encode(const Event *event, uint8_t *buffer, size_t capacity);
extern size_t command_encode(const Command *command, uint8_t *buffer, size_t capacity);

/* Reads a record's body; false if anything in it is not as it must be. */
extern bool event_decode(const uint8_t *body, size_t length, Event *event);
extern bool command_decode(const uint8_t *body, size_t length, Command *command);

#endif /* PAGEVIEWS_RECORD_H */
