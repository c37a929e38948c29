/*
 * settings.h
 *	  Every pageviews.* setting, checked, described, in alphabetical order.
 */
#ifndef PAGEVIEWS_SETTINGS_H
#define PAGEVIEWS_SETTINGS_H

#include "postgres.h"

#include "../common/config.h"

/* No batch is larger, in rows. */
#define BATCH_SIZE_LIMIT 10000

extern char *setting_allowed_origins;	  /* "" means same host only */
extern int	 setting_batch_size;		  /* rows a transaction */
extern int	 setting_bounce_engagement;	  /* ms, 0: none is a bounce */
extern int	 setting_checkpoint_interval; /* ms */
extern int	 setting_collector;			  /* 0: from the system identifier */
extern int	 setting_cookie_max_age;	  /* s */
extern char *setting_cookie_name;
extern int	 setting_cookie_samesite; /* SameSite */
extern char *setting_country_header;  /* "": none */
extern char *setting_database;
extern bool	 setting_demo;
extern int	 setting_flush_interval;	/* ms */
extern int	 setting_handshake_timeout; /* ms */
extern int	 setting_heartbeat;			/* ms */
extern int	 setting_identity;			/* Identity */
extern int	 setting_robots;			/* RobotPolicy */
extern int	 setting_idle_timeout;		/* ms, 0: none */
extern char *setting_keep_query_parameters;
extern int	 setting_linger; /* ms */
extern char *setting_listen_addresses;
extern int	 setting_listeners;
extern int	 setting_max_byte_rate;		  /* bytes a second, 0: no limit */
extern int	 setting_max_connection_age;  /* s, 0: no limit */
extern int	 setting_max_connection_rate; /* a second of one address, 0: no limit */
extern int	 setting_max_connections;
extern int	 setting_max_connections_per_address;
extern int	 setting_max_message_rate; /* a second, 0: no limit */
extern int	 setting_max_message_size; /* bytes */
extern int	 setting_max_note_size;	   /* bytes */
extern char *setting_path_prefix;
extern int	 setting_ping_interval; /* ms */
extern int	 setting_port;			/* 0: off */
extern int	 setting_queue_size;	/* rows */
extern bool	 setting_respect_gpc;
extern int	 setting_retention;	   /* minutes, 0: for ever */
extern int	 setting_rollup_delay; /* s, 0: none */
extern char *setting_role;
extern bool	 setting_sandbox;
extern char *setting_ssl_cert_file;
extern char *setting_ssl_key_file;
extern int	 setting_ssl_min_protocol_version; /* TlsVersion */
extern char *setting_trusted_proxies;
extern char *setting_unix_socket;		/* path; "": none */
extern char *setting_unix_socket_group; /* "": the server's own */
extern int	 setting_unix_socket_permissions;
extern int	 setting_visit_timeout; /* s */
extern int	 setting_write_timeout; /* ms */

/* Defines them all; called once from _PG_init. */
extern void settings_init(void);

#endif /* PAGEVIEWS_SETTINGS_H */
