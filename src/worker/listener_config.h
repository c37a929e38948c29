/*
 * listener_config.h
 *	  The record that tells a listener what to be, made from the settings.
 */
#ifndef PAGEVIEWS_LISTENER_CONFIG_H
#define PAGEVIEWS_LISTENER_CONFIG_H

#include "postgres.h"

#include "../common/record.h"

/*
 * Reads the settings and the certificate files.  False, with a WARNING, when
 * the files cannot be used; the caller keeps what it had.  The result's texts
 * live until the next call.  Keys, max_connections and busy are the caller's.
 */
extern bool listener_config_make(ListenerConfig *config);

#endif /* PAGEVIEWS_LISTENER_CONFIG_H */
