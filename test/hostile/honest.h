/*
 * honest.h
 *	  Somebody well-behaved beside the attackers, in a process of his own.
 */
#ifndef PAGEVIEWS_HOSTILE_HONEST_H
#define PAGEVIEWS_HOSTILE_HONEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What he has to say at the end. */
typedef struct HonestReport
{
	uint64_t served; /* visits from handshake to `stored` */
	uint64_t failed;
	double	 p50_ms; /* of a visit */
	double	 p99_ms;
	double	 worst_ms;
	char	 complaint[128]; /* about the first failure */
} HonestReport;

/*
 * Visits again and again until honest_stop(): connects, shakes hands, announces a
 * view, ends it, waits for `stored`, with `pause_ms` in between; each answer must
 * come within `patience_s`.
 */
extern bool honest_start(int port, bool tls, int pause_ms, int patience_s);

extern HonestReport honest_stop(void);

/* A TLS client's first flight; its length. */
extern size_t honest_client_hello(uint8_t *out, size_t capacity);

#endif /* PAGEVIEWS_HOSTILE_HONEST_H */
