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

#define PATH_PREFIX_LIMIT 128
#define COOKIE_NAME_LIMIT 64
#define LIST_LIMIT		  8192
#define CERTIFICATE_LIMIT 60000

typedef enum SameSite
{
	SAMESITE_LAX = 0,
	SAMESITE_STRICT,
	SAMESITE_NONE
} SameSite;

#define SAMESITE_COUNT 3

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

typedef struct ListenerConfig
{
	Text	   path_prefix;		 /* "/_view", no slash at its end; "" is allowed */
	Text	   allowed_origins;	 /* as the setting says; "" is same host only */
	Text	   trusted_proxies;	 /* "127.0.0.1 10.0.0.0/8 ::1" */
	Text	   query_parameters; /* names that are kept, "utm_*" is a prefix */
	Text	   cookie_name;
	int32_t	   cookie_max_age; /* seconds */
	SameSite   cookie_samesite;
	uint8_t	   key_count; /* 1 .. COOKIE_KEY_LIMIT */
	CookieKey  keys[COOKIE_KEY_LIMIT];
	uint32_t   max_connections;				/* this listener's share; fixed while it lives */
	uint32_t   max_connections_per_address; /* 0: no limit */
	int32_t	   heartbeat;					/* ms, told to browsers */
	int32_t	   ping_interval; /* ms; a socket silent for two and a half of them is dead */
	bool	   respect_gpc;	  /* Global Privacy Control: no cookie, no views */
	bool	   demo;		  /* serve the demo site too */
	bool	   busy;		  /* turn newcomers away, as COMMAND_BUSY does */
	bool	   sandbox;		  /* filter system calls; fixed while it lives */
	TlsVersion tls_minimum;
	Text	   tls_certificate; /* PEM chain, "" for plain http */
	Text	   tls_key;			/* PEM */
} ListenerConfig;

#endif /* PAGEVIEWS_CONFIG_H */
