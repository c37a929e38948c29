/*
 * tls.h
 *	  TLS from memory: the worker read the files, the listener only sees their text.
 *
 * Needs OpenSSL; no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_TLS_H
#define PAGEVIEWS_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "../common/config.h"

/*
 * Puts the certificate chain, the key and the oldest version allowed into an
 * SSL_CTX.  Also on one that is in use: connections that are there keep what
 * they began with.  False with a sentence in `problem` when something does not
 * fit; the context is then as it was, but for the version.  True with one when the
 * certificate is used, though browsers will refuse it today; else that is empty.
 */
extern bool tls_configure(void *ssl_context, const ListenerConfig *config, char *problem,
						  size_t problem_size);

/* Whether a connection's SSL (NULL: it has none) can go on only when something was written. */
extern bool tls_wants_write(const void *ssl);

#endif /* PAGEVIEWS_TLS_H */
