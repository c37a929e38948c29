/*
 * config.h
 *	  What the worker tells a listener to be.
 *
 * Sent once after the listener is ready and again whenever a setting, a cookie
 * key or a certificate changes.  Lists travel as one text, items separated by a
 * single space.  All texts are slices of the record that carried them.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_CONFIG_H
#define PAGEVIEWS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

#define COOKIE_KEY_LENGTH 32 /* bytes */
#define COOKIE_KEY_LIMIT  4	 /* keys that verify; the first one signs */

#define PATH_PREFIX_LIMIT	 128
#define COOKIE_NAME_LIMIT	 64
#define COUNTRY_HEADER_LIMIT 64
#define LIST_LIMIT			 8192
#define CERTIFICATE_LIMIT	 60000

typedef enum SameSite
{
	SAMESITE_LAX = 0,
	SAMESITE_STRICT,
	SAMESITE_NONE
} SameSite;

#define SAMESITE_COUNT 3

/* What makes requests those of one session. */
typedef enum Identity
{
	IDENTITY_COOKIE = 0, /* a cookie, set by itself */
	IDENTITY_DAILY,		 /* a hash by a secret of the day; a cookie after consent */
	IDENTITY_NONE		 /* a session a socket; a cookie after consent */
} Identity;

#define IDENTITY_COUNT		3
#define DAILY_SECRET_LENGTH 32 /* bytes */

/* What becomes of robots. */
typedef enum RobotPolicy
{
	ROBOTS_MARK = 0, /* stored, their sessions marked */
	ROBOTS_REFUSE,
	ROBOTS_KEEP /* as people */
} RobotPolicy;

#define ROBOT_POLICY_COUNT 3

typedef enum TlsVersion
{
	TLS_1_2 = 0,
	TLS_1_3
} TlsVersion;

#define TLS_VERSION_COUNT 2

typedef struct CookieKey
{
	uint32_t id; /* not 0 */
	uint8_t	 secret[COOKIE_KEY_LENGTH];
} CookieKey;

/* What the settings are when nobody sets them. */
#define DEFAULT_CONNECTION_RATE	  100
#define DEFAULT_MESSAGE_RATE	  50
#define DEFAULT_BYTE_RATE		  (208 * 1024)
#define DEFAULT_MESSAGE_SIZE	  4096
#define DEFAULT_NOTE_SIZE		  (64 * 1024)
#define DEFAULT_HANDSHAKE_TIMEOUT 5000
#define DEFAULT_IDLE_TIMEOUT	  (15 * 60 * 1000)
#define DEFAULT_CONNECTION_AGE	  86400

/* What peers may do; 0 is no limit, but for sizes and the handshake. */
typedef struct PeerLimits
{
	uint32_t connection_rate;	/* new connections a second of one address: this listener's share */
	uint32_t message_rate;		/* messages a second on one socket */
	uint32_t byte_rate;			/* bytes a second on one socket */
	int32_t	 message_size;		/* bytes of a message, 1 to the default */
	int32_t	 note_size;			/* bytes of a note, 1 to the default */
	int32_t	 handshake_timeout; /* ms from the accepted connection to its first request; fixed
								 * while the listener lives */
	int32_t	 idle_timeout;		/* ms without a message on a socket */
	int32_t	 connection_age;	/* seconds that a socket lives */
} PeerLimits;

#define DEFAULT_PEER_LIMITS                                                               \
	{                                                                                     \
		.connection_rate = DEFAULT_CONNECTION_RATE, .message_rate = DEFAULT_MESSAGE_RATE, \
		.byte_rate = DEFAULT_BYTE_RATE, .message_size = DEFAULT_MESSAGE_SIZE,             \
		.note_size = DEFAULT_NOTE_SIZE, .handshake_timeout = DEFAULT_HANDSHAKE_TIMEOUT,   \
		.idle_timeout = DEFAULT_IDLE_TIMEOUT, .connection_age = DEFAULT_CONNECTION_AGE    \
	}

typedef struct ListenerConfig
{
	Text		path_prefix;	  /* "/_view", no slash at its end; "" is allowed */
	Text		allowed_origins;  /* as the setting says; "" is same host only */
	Text		trusted_proxies;  /* "127.0.0.1 10.0.0.0/8 ::1" */
	Text		query_parameters; /* names that are kept, "utm_*" is a prefix */
	Text		country_header;	  /* in lower case, with a colon, "cf-ipcountry:"; "" is none */
	Text		cookie_name;
	int32_t		cookie_max_age; /* seconds */
	SameSite	cookie_samesite;
	Identity	identity;
	uint8_t		daily_secret[DAILY_SECRET_LENGTH]; /* in memory alone, another one each day */
	uint8_t		key_count;						   /* 1 .. COOKIE_KEY_LIMIT */
	CookieKey	keys[COOKIE_KEY_LIMIT];
	uint32_t	max_connections;			 /* this listener's share; fixed while it lives */
	uint32_t	max_connections_per_address; /* 0: no limit */
	PeerLimits	limits;
	int32_t		heartbeat;	   /* ms, told to browsers */
	int32_t		ping_interval; /* ms; a socket silent for two and a half of them is dead */
	bool		respect_gpc;   /* Global Privacy Control: no cookie, no views */
	RobotPolicy robots;
	bool		demo;	 /* serve the demo site too */
	bool		busy;	 /* turn newcomers away, as COMMAND_BUSY does */
	bool		sandbox; /* filter system calls; fixed while it lives */
	TlsVersion	tls_minimum;
	Text		tls_certificate; /* PEM chain, "" for plain http */
	Text		tls_key;		 /* PEM */
} ListenerConfig;

#endif /* PAGEVIEWS_CONFIG_H */
