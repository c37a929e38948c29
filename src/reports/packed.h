/*
 * packed.h
 *	  The views of a day on a site as bytes, in the order of their sessions: what
 *	  table pageviews.packed_views keeps.
 *
 * Texts that come again are kept once, in dictionaries; a view is six small
 * numbers.  What is read points into the pack, which must stay as long.
 */
#ifndef PAGEVIEWS_PACKED_H
#define PAGEVIEWS_PACKED_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

#include "cells.h"

/* What views and sessions are looked up in. */
typedef enum PackedWord
{
	PACKED_PATH,
	PACKED_ORIGIN, /* referrer and query */
	PACKED_PROPS,  /* JSON: whoever damages a pack, damages no jsonb */
	PACKED_TRAITS, /* the SESSION_DIMENSIONS of a session */
	PACKED_WORD_COUNT
} PackedWord;

typedef struct PackedSession
{
	const uint8 *session; /* 16 bytes */
	bool		 has_created_at;
	TimestampTz	 created_at;
	uint32		 traits; /* a word */
	uint32		 views;	 /* how many follow */
} PackedSession;

typedef struct PackedView
{
	TimestampTz started_at;
	int32		engagement;	  /* milliseconds */
	int16		scroll_depth; /* per cent; -1: not known */
	uint32		path;		  /* words */
	uint32		origin;
	uint32		props; /* 0: none; else a word, counted from 1 */
} PackedView;

/* --- writing -------------------------------------------------------------------- */

typedef struct PackedWriter PackedWriter;

/* A writer for views of the day that begins at `day`, in the current memory context. */
extern PackedWriter *packed_writer_new(TimestampTz day);

/* The number of a word; `parts` are the texts that it is made of, in their order. */
extern uint32 packed_word(PackedWriter *writer, PackedWord kind, const Span *parts, int count);

/* A session, of which `views` counts for nothing, and then its views in their order. */
extern void packed_add_session(PackedWriter *writer, const PackedSession *session);
extern void packed_add_view(PackedWriter *writer, const PackedView *view);

/* How many views were added. */
extern uint32 packed_view_count(const PackedWriter *writer);

/* The pack; `more` says that another of the same day and site follows. */
extern bytea *packed_finish(PackedWriter *writer, bool more);

/* --- reading -------------------------------------------------------------------- */

typedef struct PackedReader
{
	const uint8 *at; /* what is read next */
	const uint8 *end;
	TimestampTz	 day;
	bool		 more; /* another pack of the same day and site follows */
	Span		*words[PACKED_WORD_COUNT];
	uint32		 word_count[PACKED_WORD_COUNT];
	uint32		 sessions_left;
	const uint8 *views_end; /* of the session */
} PackedReader;

/* Begins with a pack; raises ERRCODE_DATA_CORRUPTED, as the others do, for what is none. */
extern void packed_open(PackedReader *reader, TimestampTz day, const bytea *pack);

/* The next session; false if there is none.  All its views are to be read, or skipped, before another. */
extern bool packed_next_session(PackedReader *reader, PackedSession *session);
extern void packed_read_views(PackedReader *reader, PackedView *views, uint32 count);
extern void packed_skip_views(PackedReader *reader);

/* The texts of a word: `count` of them. */
extern void packed_parts(const PackedReader *reader, PackedWord kind, uint32 word, Span *parts,
						 int count);

#endif /* PAGEVIEWS_PACKED_H */
