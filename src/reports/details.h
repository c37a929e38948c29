/*
 * details.h
 *	  The details of a pack, read where they lie, some kilobytes at a time.
 *
 * A year's packs of pages have a hundred megabytes of details.  Whoever reads them
 * from the first cell to the last finds them in memory that was used just before,
 * and whoever wants a few cells leaves the others on their pages.
 */
#ifndef PAGEVIEWS_DETAILS_H
#define PAGEVIEWS_DETAILS_H

#include "postgres.h"

typedef struct Details Details;

/*
 * Of a bytea as a row has it, which must stay: its bytes, or where it is in TOAST, of
 * which the caller's snapshot must last.  Memory is of the current context.
 */
extern Details *details_open(const bytea *stored);

extern int details_length(const Details *details);

/* Says that all before `until` will be read, from where it is read next, and nothing behind it yet. */
extern void details_expect(Details *details, int until);

/* Bytes that lie at an offset, until the next call; raises ERRCODE_DATA_CORRUPTED if there are none. */
extern const char *details_read(Details *details, int offset, int length);

#endif /* PAGEVIEWS_DETAILS_H */
