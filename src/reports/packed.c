/*
 * packed.c
 *	  Packs of views, see packed.h.  A pack is
 *
 *	  a version byte; whether more follow; for each kind of word how many there
 *	  are, and of each its length and bytes; how many sessions there are, and each:
 *
 *		its id, 16 bytes; the word of its traits; twice the number of its views,
 *		and 1 more where created_at follows, from the start of the day; how many
 *		bytes its views take; these:
 *
 *		  the time since the view before, or since the start of the day; path;
 *		  origin; engagement; scroll depth and one; props
 *
 * Numbers are varints.  A word is its texts one after the other, each as its
 * length and one, 0 for no value, and its bytes.  A time is in microseconds times
 * two and one, or, being whole milliseconds as most are, in these times two.
 */
#include "packed.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "varint.h"

#define PACKED_VERSION 1

/* What a view takes at least: the six numbers, of a byte. */
#define VIEW_BYTES 6

typedef struct WordEntry
{
	Span   text;
	uint32 number;
	uint32 hash;
	char   status;
} WordEntry;

static uint32
hash_of(Span text)
{
	return hash_bytes((const unsigned char *) text.data, text.length);
}

#define SH_PREFIX		  words
#define SH_ELEMENT_TYPE	  WordEntry
#define SH_KEY_TYPE		  Span
#define SH_KEY			  text
#define SH_HASH_KEY(t, k) hash_of(k)
#define SH_EQUAL(t, a, b) span_equal(a, b)
#define SH_SCOPE		  static inline
#define SH_STORE_HASH
#define SH_GET_HASH(t, e) (e)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* --- writing -------------------------------------------------------------------- */

typedef struct Dictionary
{
	words_hash	  *table;
	uint32		   count;
	StringInfoData bytes;
} Dictionary;

struct PackedWriter
{
	TimestampTz	   day;
	MemoryContext  memory;
	Dictionary	   dictionaries[PACKED_WORD_COUNT];
	StringInfoData word; /* the one that is looked up */
	StringInfoData body;
	uint32		   session_count;
	uint32		   view_count;
	/* The session that views are added to, and these. */
	bool		   in_session;
	PackedSession  session;
	uint8		   session_id[UUID_LEN];
	StringInfoData views;
	TimestampTz	   last;
};

PackedWriter *
packed_writer_new(TimestampTz day)
{
	PackedWriter *writer = palloc0(sizeof *writer);

	writer->day = day;
	writer->memory = CurrentMemoryContext;
	initStringInfo(&writer->word);
	initStringInfo(&writer->body);
	initStringInfo(&writer->views);
	for (int i = 0; i < PACKED_WORD_COUNT; i++)
	{
		writer->dictionaries[i].table = words_create(CurrentMemoryContext, 64, NULL);
		initStringInfo(&writer->dictionaries[i].bytes);
	}
	return writer;
}

uint32
packed_word(PackedWriter *writer, PackedWord kind, const Span *parts, int count)
{
	Dictionary	 *dictionary = &writer->dictionaries[kind];
	StringInfo	  word = &writer->word;
	MemoryContext caller;
	WordEntry	 *entry;
	bool		  found;

	resetStringInfo(word);
	for (int i = 0; i < count; i++)
	{
		varint_write(word, parts[i].data == NULL ? 0 : (uint64) parts[i].length + 1);
		if (parts[i].data != NULL)
			appendBinaryStringInfo(word, parts[i].data, parts[i].length);
	}
	caller = MemoryContextSwitchTo(writer->memory);
	entry = words_insert(dictionary->table, (Span){word->data, word->len}, &found);
	if (!found)
	{
		char *copy = palloc(word->len);

		memcpy(copy, word->data, word->len);
		entry->text = (Span){copy, word->len};
		entry->number = dictionary->count++;
		varint_write(&dictionary->bytes, word->len);
		appendBinaryStringInfo(&dictionary->bytes, word->data, word->len);
	}
	MemoryContextSwitchTo(caller);
	return entry->number;
}

static void
write_time(StringInfo into, int64 microseconds)
{
	if (microseconds % 1000 == 0)
		varint_write(into, (uint64) (microseconds / 1000) << 1);
	else
		varint_write(into, (uint64) microseconds << 1 | 1);
}

static void
end_session(PackedWriter *writer)
{
	const PackedSession *session = &writer->session;

	if (!writer->in_session)
		return;
	appendBinaryStringInfo(&writer->body, (const char *) writer->session_id, UUID_LEN);
	varint_write(&writer->body, session->traits);
	varint_write(&writer->body, (uint64) session->views << 1 | session->has_created_at);
	if (session->has_created_at)
		varint_write_signed(&writer->body,
							(int64) ((uint64) session->created_at - (uint64) writer->day));
	varint_write(&writer->body, writer->views.len);
	appendBinaryStringInfo(&writer->body, writer->views.data, writer->views.len);
	resetStringInfo(&writer->views);
	writer->session_count++;
	writer->in_session = false;
}

void
packed_add_session(PackedWriter *writer, const PackedSession *session)
{
	end_session(writer);
	writer->session = *session;
	writer->session.views = 0;
	memcpy(writer->session_id, session->session, UUID_LEN);
	writer->last = writer->day;
	writer->in_session = true;
}

void
packed_add_view(PackedWriter *writer, const PackedView *view)
{
	StringInfo into = &writer->views;

	Assert(writer->in_session && view->started_at >= writer->last);
	write_time(into, view->started_at - writer->last);
	varint_write(into, view->path);
	varint_write(into, view->origin);
	varint_write_signed(into, view->engagement);
	varint_write(into, (uint64) (view->scroll_depth + 1));
	varint_write(into, view->props);
	writer->last = view->started_at;
	writer->session.views++;
	writer->view_count++;
}

uint32
packed_view_count(const PackedWriter *writer)
{
	return writer->view_count;
}

bytea *
packed_finish(PackedWriter *writer, bool more)
{
	StringInfoData pack;

	end_session(writer);
	initStringInfo(&pack);
	appendStringInfoSpaces(&pack, VARHDRSZ);
	appendStringInfoCharMacro(&pack, PACKED_VERSION);
	appendStringInfoCharMacro(&pack, more ? 1 : 0);
	for (int i = 0; i < PACKED_WORD_COUNT; i++)
	{
		const Dictionary *dictionary = &writer->dictionaries[i];

		varint_write(&pack, dictionary->count);
		appendBinaryStringInfo(&pack, dictionary->bytes.data, dictionary->bytes.len);
	}
	varint_write(&pack, writer->session_count);
	appendBinaryStringInfo(&pack, writer->body.data, writer->body.len);
	SET_VARSIZE(pack.data, pack.len);
	return (bytea *) pack.data;
}

/* --- reading -------------------------------------------------------------------- */

/* A number that is long, or lies near the end. */
static pg_noinline const uint8 *
read_slowly(const uint8 *at, const uint8 *end, uint64 *value)
{
	*value = 0;
	for (int shift = 0; shift < 64; shift += 7)
	{
		uint8 byte;

		if (at >= end)
			varint_corrupted();
		byte = *at++;
		*value |= (uint64) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return at;
	}
	varint_corrupted();
}

/*
 * Reads a number, and returns what follows it.  How long the longer ones are cannot
 * be foretold, so up to eight bytes are taken without a branch for each.
 */
static inline const uint8 *
read_at(const uint8 *at, const uint8 *end, uint64 *value)
{
	const uint64 more = UINT64CONST(0x8080808080808080);
	uint64		 bytes;
	uint64		 ends;

	if (unlikely(end - at < (ptrdiff_t) sizeof bytes))
		return read_slowly(at, end, value);
	if (*at < 0x80)
	{
		*value = *at;
		return at + 1;
	}
	memcpy(&bytes, at, sizeof bytes);
#ifdef WORDS_BIGENDIAN
	bytes = pg_bswap64(bytes);
#endif
	ends = ~bytes & more;
	if (unlikely(ends == 0))
		return read_slowly(at, end, value);
	at += (pg_rightmost_one_pos64(ends) >> 3) + 1;
	bytes &= (ends ^ (ends - 1)) & ~more;
	/* Seven bits a byte become 14 of each two, 28 of each four, 56. */
	bytes =
		(bytes & UINT64CONST(0x007f007f007f007f)) | (bytes & UINT64CONST(0x7f007f007f007f00)) >> 1;
	bytes =
		(bytes & UINT64CONST(0x00003fff00003fff)) | (bytes & UINT64CONST(0x3fff00003fff0000)) >> 2;
	*value =
		(bytes & UINT64CONST(0x000000000fffffff)) | (bytes & UINT64CONST(0x0fffffff00000000)) >> 4;
	return at;
}

static inline uint64
read_number(PackedReader *reader)
{
	uint64 value;

	reader->at = read_at(reader->at, reader->end, &value);
	return value;
}

static inline int64
signed_of(uint64 value)
{
	return (int64) (value >> 1) ^ -(int64) (value & 1);
}

static const uint8 *
read_bytes(PackedReader *reader, uint64 length)
{
	const uint8 *bytes = reader->at;

	if (length > (uint64) (reader->end - reader->at))
		varint_corrupted();
	reader->at += length;
	return bytes;
}

/* The number of a word, of which there are so many. */
static inline uint32
check_word(uint64 word, uint64 count)
{
	if (word >= count)
		varint_corrupted();
	return (uint32) word;
}

void
packed_open(PackedReader *reader, TimestampTz day, const bytea *pack)
{
	reader->at = (const uint8 *) VARDATA_ANY(pack);
	reader->end = reader->at + VARSIZE_ANY_EXHDR(pack);
	reader->day = day;
	if (read_number(reader) != PACKED_VERSION)
		varint_corrupted();
	reader->more = read_number(reader) != 0;
	for (int i = 0; i < PACKED_WORD_COUNT; i++)
	{
		uint64 count = read_number(reader);

		/* Each has a byte at least. */
		if (count > (uint64) (reader->end - reader->at))
			varint_corrupted();
		reader->word_count[i] = (uint32) count;
		reader->words[i] = palloc_array(Span, Max(count, 1));
		for (uint64 k = 0; k < count; k++)
		{
			uint64 length = read_number(reader);

			reader->words[i][k].data = (const char *) read_bytes(reader, length);
			reader->words[i][k].length = (int) length;
		}
	}
	reader->sessions_left = (uint32) read_number(reader);
}

bool
packed_next_session(PackedReader *reader, PackedSession *session)
{
	uint64 count;
	uint64 length;

	if (reader->sessions_left == 0)
		return false;
	reader->sessions_left--;
	session->session = read_bytes(reader, UUID_LEN);
	session->traits = check_word(read_number(reader), reader->word_count[PACKED_TRAITS]);
	count = read_number(reader);
	session->has_created_at = (count & 1) != 0;
	session->created_at = 0;
	if (session->has_created_at)
		session->created_at =
			(TimestampTz) ((uint64) signed_of(read_number(reader)) + (uint64) reader->day);
	length = read_number(reader);
	if (length > (uint64) (reader->end - reader->at) || count >> 1 > length / VIEW_BYTES)
		varint_corrupted();
	session->views = (uint32) (count >> 1);
	reader->views_end = reader->at + length;
	return true;
}

void
packed_skip_views(PackedReader *reader)
{
	reader->at = reader->views_end;
}

void
packed_read_views(PackedReader *reader, PackedView *views, uint32 count)
{
	const uint8 *at = reader->at;
	const uint8 *end = reader->end; /* for speed beyond the views, if there is more */
	TimestampTz	 last = reader->day;

	for (PackedView *view = views; view < views + count; view++)
	{
		uint64 time;
		uint64 path;
		uint64 origin;
		uint64 engagement;
		uint64 scroll_depth;
		uint64 props;

		at = read_at(at, end, &time);
		at = read_at(at, end, &path);
		at = read_at(at, end, &origin);
		at = read_at(at, end, &engagement);
		at = read_at(at, end, &scroll_depth);
		at = read_at(at, end, &props);
		time = (time & 1) != 0 ? time >> 1 : (time >> 1) * 1000;
		last = (TimestampTz) ((uint64) last + time);
		view->started_at = last;
		view->path = check_word(path, reader->word_count[PACKED_PATH]);
		view->origin = check_word(origin, reader->word_count[PACKED_ORIGIN]);
		view->engagement = (int32) signed_of(engagement);
		view->scroll_depth = (int16) (scroll_depth - 1);
		view->props = check_word(props, (uint64) reader->word_count[PACKED_PROPS] + 1);
	}
	if (at != reader->views_end)
		varint_corrupted();
	reader->at = at;
}

void
packed_parts(const PackedReader *reader, PackedWord kind, uint32 word, Span *parts, int count)
{
	Span		   text = reader->words[kind][word];
	StringInfoData bytes = {.data = unconstify(char *, text.data), .len = text.length};

	for (int i = 0; i < count; i++)
	{
		uint64 length = varint_read(&bytes);

		if (length == 0)
			parts[i] = (Span){NULL, 0};
		else
		{
			parts[i].data = varint_read_bytes(&bytes, length - 1);
			parts[i].length = (int) (length - 1);
		}
	}
}
