/*
 * configuration.h
 *	  The listener's own copy of what the worker told it to be.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_CONFIGURATION_H
#define PAGEVIEWS_CONFIGURATION_H

#include "../common/config.h"
#include "address.h"

typedef struct Configuration
{
	ListenerConfig is; /* its texts lie in `texts` */
	NetworkList	   proxies;
	char		  *texts; /* owned */
} Configuration;

/*
 * Replaces everything by a copy of `config`; false, and nothing changed, when
 * there is no memory.
 */
extern bool configuration_set(Configuration *configuration, const ListenerConfig *config);

/* Gives everything back, and wipes the secrets. */
extern void configuration_clear(Configuration *configuration);

#endif /* PAGEVIEWS_CONFIGURATION_H */
