/*
 * datum.h
 *	  From the house's plain values to Postgres datums.
 *
 * Text that came from the network is UTF-8; the database may be anything.
 * Everything is allocated in CurrentMemoryContext.
 */
#ifndef PAGEVIEWS_DATUM_H
#define PAGEVIEWS_DATUM_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "../common/message.h"

/*
 * A text datum in the server's encoding.  Characters that the server's
 * encoding lacks become '?'.  Raises character_not_in_repertoire for text that
 * is not valid UTF-8 or holds a NUL.
 */
extern Datum text_datum(const char *data, size_t length);

/* A timestamptz, and back. */
extern TimestampTz timestamp_of(WallMillis wall);
extern WallMillis  wall_of(TimestampTz timestamp);

/* The month (UTC) that a time lies in, and its first instant. */
extern void		  month_of(WallMillis wall, int *year, int *month);
extern WallMillis month_start(int year, int month);

/*
 * A flat jsonb object of the page's properties, built value by value.  Raises
 * for keys or strings as text_datum() does, and for a number that is not
 * finite.
 */
extern Datum properties_datum(const PageDescription *page);

#endif /* PAGEVIEWS_DATUM_H */
