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

/*
 * Makes a new secret when a day (UTC) began, also the first; ERROR without
 * randomness.  True when listeners use the secret of the day before, so that they
 * must be configured.  To be called before listener_config_make().
 */
extern bool listener_config_new_day(WallMillis now);

/* When the next day begins for those to whom it matters, else never. */
extern Micros listener_config_deadline(Moment now);

#endif /* PAGEVIEWS_LISTENER_CONFIG_H */
