/*
 * connection.h
 *	  The table of connections: one slot for each accepted socket.
 *
 * A slot is taken when the kernel's socket is accepted and freed when the
 * library has let go of it.  What the worker knows is an announced connection:
 * a websocket, or a note that waits for its answers.  Each announcement gives
 * the slot a new generation, so that a late command never meets a newcomer.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_CONNECTION_H
#define PAGEVIEWS_CONNECTION_H

#include "../common/cookie.h"
#include "../common/record.h"
#include "address.h"
#include "limits.h"
#include "loop.h"
#include "pulse.h"

/* Free bytes in front of a message, for the library's frame. */
#define OUTGOING_HEADROOM 32

/* A message that waits to be written. */
typedef struct Outgoing
{
	struct Outgoing *next;
	size_t			 length;
	uint8_t			 data[]; /* headroom, then the message */
} Outgoing;

struct Note;

typedef struct Connection
{
	void		*wire; /* the library's handle; NULL: not there (yet, or any more) */
	Watch		 watch;
	uint32_t	 slot;
	uint32_t	 generation;   /* of the last announcement */
	bool		 used;		   /* the slot is taken */
	bool		 announced;	   /* the worker was told that it opened, and not yet that it closed */
	bool		 asked;		   /* a request of its was read */
	bool		 approved;	   /* it may become a websocket */
	bool		 established;  /* it is one */
	bool		 upgraded;	   /* the browser was told so: it can be written to */
	bool		 listed;	   /* it is in a list */
	bool		 counted;	   /* `key` is held in the address table */
	bool		 secure;	   /* the visitor came by TLS, here or at a trusted proxy */
	bool		 robot;		   /* no person */
	bool		 keeps;		   /* its session may be held by a cookie */
	bool		 consents;	   /* its visitor wants that ... */
	bool		 withdraws;	   /* ... or wants it no more */
	bool		 local;		   /* came by the Unix socket, so a proxy of this machine */
	bool		 touched;	   /* server.c looks at it at the end of this turn */
	bool		 write_wanted; /* its turn to write was asked for */
	bool		 held;		   /* it is not read */
	bool		 ping_wanted;
	bool		 close_sent; /* the close frame is out */
	bool		 half_beat;	 /* the next visit of the pings' timer only looks */
	uint16_t	 close_code; /* closes with this as soon as `first` is out; 0: stays */
	uint16_t	 site_length;
	uint16_t	 input_length;
	char		*site;	/* owned: host of the Origin; every view must be of it */
	char		*input; /* owned: a message that is not complete, MESSAGE_LIMIT bytes; else NULL */
	Outgoing	*first; /* owned: what waits to be written */
	Outgoing	*last;
	size_t		 queued; /* bytes from first to last */
	struct Note *note;	 /* owned: a note that is coming in or waits for its answers */
	Address		 peer;
	Address		 key; /* whom it counts for */
	Uuid		 session;
	CookieSite	 cookie_site; /* the host that its request was for */
	Pulse		 pulse;
	Allowance	 allowance;
	Micros		 opened_at;	  /* when it became a websocket */
	uint64_t	 payload;	  /* bytes of its messages */
	uint64_t	 received;	  /* bytes from the peer at the last look (its request included) ... */
	Micros		 received_at; /* ... which was then */
	Micros		 due;		  /* when its list looks at it */
	struct Connection *previous; /* in the list of newcomers, of sockets or of notes */
	struct Connection *next;
} Connection;

/* Connections in the order in which they are due. */
typedef struct ConnectionList
{
	Connection *first;
	Connection *last;
} ConnectionList;

typedef struct ConnectionTable
{
	Connection *slots; /* owned */
	uint32_t	limit;
	uint32_t	used;
	uint32_t   *free_slots; /* owned: a stack */
} ConnectionTable;

extern bool connection_table_init(ConnectionTable *table, uint32_t limit);

/* Takes a slot; NULL when all are taken. */
extern Connection *connection_take(ConnectionTable *table);

/* Frees a slot and all that it owns; it must not be in a list any more.  A free one stays as it is. */
extern void connection_release(ConnectionTable *table, Connection *connection);

/* The announced connection of this id, else NULL. */
extern Connection *connection_find(ConnectionTable *table, ConnectionId id);

static inline ConnectionId
connection_id(const Connection *connection)
{
	return CONNECTION_ID(connection->slot, connection->generation);
}

/* Gives it a new generation; its id is then never 0. */
extern void connection_announce(Connection *connection);

/* Queues a message, which is copied; false when there is no memory. */
extern bool connection_queue(Connection *connection, const char *message, size_t length);

/* Takes the first queued message, which the caller frees; NULL when there is none. */
extern Outgoing *connection_next(Connection *connection);

/* A connection is in one list at most; removing one that is in none does nothing. */
extern void connection_list_append(ConnectionList *list, Connection *connection);
extern void connection_list_remove(ConnectionList *list, Connection *connection);

#endif /* PAGEVIEWS_CONNECTION_H */
