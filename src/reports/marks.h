/*
 * marks.h
 *	  Hours that the roll-ups may have wrong, see marks.c.
 */
#ifndef PAGEVIEWS_MARKS_H
#define PAGEVIEWS_MARKS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Marks an hour; with a session (16 bytes, or NULL) whose views are to be looked for. */
extern void marks_add(TimestampTz hour, const uint8 *session);

/* To be called by whoever takes marks away, so that who goes on in this transaction marks again. */
extern void marks_taken(void);

#endif /* PAGEVIEWS_MARKS_H */
