/*
 * sketch.c
 *	  How many different sessions there were, see sketch.h.
 *
 * An entry is the first 25 bits of a hash, its index, above 6 bits of rank. The
 * first 14 bits of the index are the entry's register; the register's rank is the
 * place of the first 1 behind them, which lies in the other 11 bits of the index,
 * or, only where these are all 0, follows from the entry's own rank: the place of
 * the first 1 of the rest of the hash. Elsewhere an entry's rank is 0.
 *
 * Entries are kept in a table with open addressing, each near the place that its
 * index has among all indexes: so entries that come in their order, as those of
 * a pack do, go through the table in its order, and come out of it nearly sorted.
 */
#include "sketch.h"

#include <math.h>

#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"

#include "varint.h"

#define INDEX_BITS	  25
#define REGISTER_BITS 14
#define RANK_BITS	  6
#define RANK_MASK	  ((1u << RANK_BITS) - 1)
#define LOW_BITS	  (INDEX_BITS - REGISTER_BITS)
#define LOW_MASK	  ((1u << LOW_BITS) - 1)

/* The rank of an entry is at most this, so a register's is at most LOW_BITS more. */
#define RANK_LIMIT			(64 - INDEX_BITS + 1)
#define REGISTER_RANK_LIMIT (RANK_LIMIT + LOW_BITS)

#define FIRST_BITS 2 /* of the table of entries: for 2 in 4 places */
/* More entries than this become registers. */
#define SPARSE_LIMIT 2048
#define MOST_BITS	 12

/* What stands before a sketch as bytes, instead of how many entries it has, plus two. */
#define SKETCH_DENSE   0
#define SKETCH_STRIDES 1
#define FIRST_COUNT	   2

/*
 * Entries are written as steps from index to index, each in as many bits as the
 * longest takes: which is told where there are more than these few.  Then come the
 * ranks of those that have one.
 */
#define FEW_ENTRIES 8

#define DENSE_BYTES (SKETCH_REGISTERS * RANK_BITS / 8)

/* A register that is not 0 in a byte: how many before it are, and its rank; or the highest value and more bytes. */
#define STRIDE_SHIFT 4
#define STRIDE_MORE	 15
#define STRIDE_END	 0

void
varint_corrupted(void)
{
	ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("a roll-up or packed day of pageviews is damaged"),
			errhint("SELECT pageviews.rebuild_rollups() makes both again from the views."));
}

static uint64
mix(uint64 x)
{
	x ^= x >> 33;
	x *= UINT64CONST(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64CONST(0xc4ceb9fe1a85ec53);
	x ^= x >> 33;
	return x;
}

/* Whether the entries of an index have a rank. */
static inline bool
has_rank(uint32 index)
{
	return (index & LOW_MASK) == 0;
}

uint32
sketch_entry(const uint8 session[16])
{
	uint64 high = 0;
	uint64 low = 0;
	uint64 hash;
	uint64 rest;
	uint32 index;
	uint32 rank = 0;

	for (int i = 0; i < 8; i++)
	{
		high = high << 8 | session[i];
		low = low << 8 | session[i + 8];
	}
	hash = mix(high ^ mix(low + UINT64CONST(0x9e3779b97f4a7c15)));
	index = (uint32) (hash >> (64 - INDEX_BITS));
	rest = hash << INDEX_BITS;
	if (has_rank(index))
		rank = rest == 0 ? RANK_LIMIT : Min((uint32) __builtin_clzll(rest) + 1, RANK_LIMIT);
	return index << RANK_BITS | rank;
}

static inline void
set_register(uint8 *registers, uint32 entry)
{
	uint32 index = entry >> (RANK_BITS + LOW_BITS);
	uint32 low = entry >> RANK_BITS & LOW_MASK;
	uint32 rank = low != 0 ? (uint32) __builtin_clz(low) - (32 - LOW_BITS) + 1
						   : LOW_BITS + (entry & RANK_MASK);

	registers[index] = Max(registers[index], (uint8) rank);
}

/* Puts an entry into a table that has room; whether it was not there. */
static inline bool
put_entry(uint32 *entries, int bits, uint32 entry)
{
	uint32 mask = (1u << bits) - 1;

	for (uint32 place = entry >> (INDEX_BITS + RANK_BITS - bits);; place = (place + 1) & mask)
	{
		if (entries[place] == 0)
		{
			entries[place] = entry;
			return true;
		}
		if (entries[place] >> RANK_BITS == entry >> RANK_BITS)
		{
			entries[place] = Max(entries[place], entry);
			return false;
		}
	}
}

static void
make_dense(Sketch *sketch)
{
	uint32 capacity = sketch->entries == NULL ? 0 : 1u << sketch->bits;

	sketch->registers = palloc0(SKETCH_REGISTERS);
	for (uint32 i = 0; i < capacity; i++)
	{
		if (sketch->entries[i] != 0)
			set_register(sketch->registers, sketch->entries[i]);
	}
	if (sketch->entries != NULL)
		pfree(sketch->entries);
	sketch->entries = NULL;
	sketch->count = 0;
}

/* Makes a table of 2^bits places, in which the entries of the one before are. */
static void
make_table(Sketch *sketch, int bits)
{
	uint32 *before = sketch->entries;
	uint32	capacity = before == NULL ? 0 : 1u << sketch->bits;

	sketch->bits = bits;
	sketch->entries = palloc0_array(uint32, 1u << sketch->bits);
	for (uint32 i = 0; i < capacity; i++)
	{
		if (before[i] != 0)
			put_entry(sketch->entries, sketch->bits, before[i]);
	}
	if (before != NULL)
		pfree(before);
}

void
sketch_free(Sketch *sketch)
{
	if (sketch->entries != NULL)
		pfree(sketch->entries);
	if (sketch->registers != NULL)
		pfree(sketch->registers);
	memset(sketch, 0, sizeof *sketch);
}

void
sketch_expect(Sketch *sketch, int64 count)
{
	int bits = FIRST_BITS;

	/* Four places for each: then few find theirs taken, which cannot be foretold. */
	while (bits < MOST_BITS && 1 << bits >> 2 < count)
		bits++;
	if (sketch->registers == NULL && (sketch->entries == NULL || sketch->bits < bits))
		make_table(sketch, bits);
}

void
sketch_add(Sketch *sketch, uint32 entry)
{
	if (sketch->registers != NULL)
	{
		set_register(sketch->registers, entry);
		return;
	}
	if (sketch->entries == NULL)
		make_table(sketch, FIRST_BITS);
	else if (sketch->count > 1u << sketch->bits >> 1)
		make_table(sketch, sketch->bits + 1);
	if (put_entry(sketch->entries, sketch->bits, entry) && ++sketch->count > SPARSE_LIMIT)
		make_dense(sketch);
}

static void
merge_registers(uint8 *into, const uint8 *from)
{
	for (int i = 0; i < SKETCH_REGISTERS; i++)
		into[i] = Max(into[i], from[i]);
}

void
sketch_merge(Sketch *into, const Sketch *from)
{
	uint32 capacity = from->entries == NULL ? 0 : 1u << from->bits;

	for (uint32 i = 0; i < capacity; i++)
	{
		if (from->entries[i] != 0)
			sketch_add(into, from->entries[i]);
	}
	if (from->registers == NULL)
		return;
	if (into->registers == NULL)
		make_dense(into);
	merge_registers(into->registers, from->registers);
}

/* --- how many ------------------------------------------------------------------ */

static double
ertl_sigma(double x)
{
	double y = 1;
	double z = x;
	double before;

	if (x == 1)
		return INFINITY;
	do
	{
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z != before);
	return z;
}

static double
ertl_tau(double x)
{
	double y = 1;
	double z = 1 - x;
	double before;

	if (x == 0 || x == 1)
		return 0;
	do
	{
		x = sqrt(x);
		before = z;
		y *= 0.5;
		z -= (1 - x) * (1 - x) * y;
	} while (z != before);
	return z / 3;
}

int64
sketch_estimate(const Sketch *sketch)
{
	const double registers = SKETCH_REGISTERS;
	uint32		 counts[REGISTER_RANK_LIMIT + 1] = {0};
	uint32		 others[3][REGISTER_RANK_LIMIT + 1] = {0};
	double		 z;

	if (sketch->registers == NULL)
	{
		const double places = (double) (1 << INDEX_BITS);

		if (sketch->count == 0)
			return 0;
		return llround(places * log(places / (places - sketch->count)));
	}

	/* Neighbours are often equal, and counting one waits for the count before. */
	for (int i = 0; i < SKETCH_REGISTERS; i += 4)
	{
		counts[sketch->registers[i]]++;
		others[0][sketch->registers[i + 1]]++;
		others[1][sketch->registers[i + 2]]++;
		others[2][sketch->registers[i + 3]]++;
	}
	for (int k = 0; k <= REGISTER_RANK_LIMIT; k++)
		counts[k] += others[0][k] + others[1][k] + others[2][k];
	z = registers * ertl_tau(1 - counts[REGISTER_RANK_LIMIT] / registers);
	for (int k = REGISTER_RANK_LIMIT - 1; k >= 1; k--)
		z = 0.5 * (z + counts[k]);
	z += registers * ertl_sigma(counts[0] / registers);
	return llround(registers * registers / (2 * M_LN2 * z));
}

/* --- as bytes ------------------------------------------------------------------- */

/* Four registers in three bytes. */
static void
write_registers(const uint8 *registers, StringInfo into)
{
	enlargeStringInfo(into, DENSE_BYTES);
	for (int i = 0; i < SKETCH_REGISTERS; i += 4)
	{
		uint32 bits = (uint32) registers[i] << 18 | (uint32) registers[i + 1] << 12 |
					  (uint32) registers[i + 2] << 6 | registers[i + 3];

		into->data[into->len++] = (char) (bits >> 16);
		into->data[into->len++] = (char) (bits >> 8);
		into->data[into->len++] = (char) bits;
	}
	into->data[into->len] = '\0';
}

static void
read_registers(uint8 *registers, StringInfo from)
{
	const uint8 *bytes = (const uint8 *) varint_read_bytes(from, DENSE_BYTES);

	for (int i = 0; i < SKETCH_REGISTERS; i += 4, bytes += 3)
	{
		uint32 bits = (uint32) bytes[0] << 16 | (uint32) bytes[1] << 8 | bytes[2];

		for (int k = 0; k < 4; k++)
		{
			uint8 rank = (uint8) (bits >> (18 - 6 * k) & RANK_MASK);

			registers[i + k] = Max(registers[i + k], Min(rank, REGISTER_RANK_LIMIT));
		}
	}
}

/* The registers that are not 0; false, and nothing written, if that takes more than all of them. */
static bool
write_strides(const uint8 *registers, StringInfo into)
{
	int start = into->len;
	int before = -1;

	varint_write(into, SKETCH_STRIDES);
	for (int i = 0; i < SKETCH_REGISTERS; i++)
	{
		int gap = i - before - 1;

		if (registers[i] == 0)
			continue;
		if (into->len - start >= DENSE_BYTES)
		{
			into->len = start;
			return false;
		}
		appendStringInfoCharMacro(
			into, (char) (Min(gap, STRIDE_MORE) << STRIDE_SHIFT | Min(registers[i], STRIDE_MORE)));
		if (gap >= STRIDE_MORE)
			varint_write(into, gap - STRIDE_MORE);
		if (registers[i] >= STRIDE_MORE)
			varint_write(into, registers[i] - STRIDE_MORE);
		before = i;
	}
	appendStringInfoCharMacro(into, STRIDE_END);
	return true;
}

static void
read_strides(uint8 *registers, StringInfo from)
{
	StringInfoData reader = *from;
	uint64		   i = 0;
	uint8		   stride;

	for (; (stride = (uint8) *varint_read_bytes(&reader, 1)) != STRIDE_END; i++)
	{
		uint64 gap = stride >> STRIDE_SHIFT;
		uint64 rank = stride & STRIDE_MORE;

		if (gap == STRIDE_MORE)
			gap += varint_read(&reader);
		if (rank == STRIDE_MORE)
			rank += varint_read(&reader);
		if (gap >= SKETCH_REGISTERS - i || rank > REGISTER_RANK_LIMIT)
			varint_corrupted();
		i += gap;
		registers[i] = Max(registers[i], (uint8) rank);
	}
	from->cursor = reader.cursor;
}

/* The entries in their order; an array of the caller's. They are nearly so in the table. */
static uint32 *
sorted_entries(const Sketch *sketch)
{
	uint32 *sorted = palloc_array(uint32, sketch->count);
	uint32	count = 0;

	for (uint32 i = 0; count < sketch->count; i++)
	{
		uint32 at = count;

		if (sketch->entries[i] == 0)
			continue;
		for (; at > 0 && sorted[at - 1] > sketch->entries[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = sketch->entries[i];
		count++;
	}
	return sorted;
}

/* How many bits the steps between sorted entries take. */
static int
step_width(const uint32 *sorted, uint32 count)
{
	uint32 steps = 0;
	uint32 before = 0;

	for (uint32 i = 0; i < count; i++)
	{
		steps |= (sorted[i] >> RANK_BITS) - before;
		before = sorted[i] >> RANK_BITS;
	}
	return pg_leftmost_one_pos32(steps) + 1;
}

static void
write_steps(const uint32 *sorted, uint32 count, int width, StringInfo into)
{
	uint64 waiting = 0;
	int	   waiting_bits = 0;
	uint32 before = 0;

	for (uint32 i = 0; i < count; i++)
	{
		uint32 index = sorted[i] >> RANK_BITS;

		waiting |= (uint64) (index - before) << waiting_bits;
		for (waiting_bits += width; waiting_bits >= 8; waiting_bits -= 8)
		{
			appendStringInfoCharMacro(into, (char) waiting);
			waiting >>= 8;
		}
		before = index;
	}
	if (waiting_bits > 0)
		appendStringInfoCharMacro(into, (char) waiting);
}

static void
write_entries(const Sketch *sketch, StringInfo into)
{
	uint32 *sorted;
	int		width = INDEX_BITS;

	varint_write(into, (uint64) sketch->count + FIRST_COUNT);
	if (sketch->count == 0)
		return;
	sorted = sorted_entries(sketch);
	if (sketch->count > FEW_ENTRIES)
	{
		width = step_width(sorted, sketch->count);
		appendStringInfoCharMacro(into, (char) width);
	}
	write_steps(sorted, sketch->count, width, into);
	for (uint32 i = 0; i < sketch->count; i++)
	{
		if (has_rank(sorted[i] >> RANK_BITS))
			appendStringInfoCharMacro(into, (char) (sorted[i] & RANK_MASK));
	}
	pfree(sorted);
}

/* Entries as they lie in a pack. */
typedef struct EntryReader
{
	StringInfo	 from; /* at the next rank */
	const uint8 *steps;
	const uint8 *end; /* of all that there is */
	uint32		 place;
	int			 width;
	uint32		 index; /* of the entry before */
} EntryReader;

/* The next step: at most 25 bits, of which the first is within a byte. */
static inline uint32
read_step(EntryReader *reader)
{
	const uint8 *at = reader->steps + (reader->place >> 3);
	uint32		 word = 0;

	if (likely(reader->end - at >= (int) sizeof word))
	{
		memcpy(&word, at, sizeof word);
#ifdef WORDS_BIGENDIAN
		word = pg_bswap32(word);
#endif
	}
	else
	{
		for (int i = 0; at + i < reader->end; i++)
			word |= (uint32) at[i] << 8 * i;
	}
	word >>= reader->place & 7;
	reader->place += reader->width;
	return word & ((1u << reader->width) - 1);
}

static inline uint32
read_entry(EntryReader *reader)
{
	uint8 rank = 0;

	reader->index += read_step(reader);
	if (reader->index >> INDEX_BITS != 0)
		varint_corrupted();
	if (has_rank(reader->index))
	{
		rank = (uint8) *varint_read_bytes(reader->from, 1);
		if (rank == 0 || rank > RANK_LIMIT)
			varint_corrupted();
	}
	return reader->index << RANK_BITS | rank;
}

static void
read_entries(Sketch *sketch, uint64 count, StringInfo from)
{
	EntryReader reader = {.from = from, .width = INDEX_BITS};

	/* Nobody writes more, and repeats would be looked for in a full table. */
	if (count > SPARSE_LIMIT)
		varint_corrupted();
	if (count > FEW_ENTRIES)
		reader.width = (uint8) *varint_read_bytes(from, 1);
	if (reader.width > INDEX_BITS)
		varint_corrupted();
	reader.end = (const uint8 *) from->data + from->len;
	reader.steps = (const uint8 *) varint_read_bytes(from, (count * reader.width + 7) / 8);
	for (; count > 0 && sketch->registers == NULL; count--)
		sketch_add(sketch, read_entry(&reader));
	for (; count > 0; count--)
		set_register(sketch->registers, read_entry(&reader));
}

void
sketch_write(const Sketch *sketch, StringInfo into)
{
	if (sketch->registers == NULL)
		write_entries(sketch, into);
	else if (!write_strides(sketch->registers, into))
	{
		varint_write(into, SKETCH_DENSE);
		write_registers(sketch->registers, into);
	}
}

void
sketch_read(Sketch *sketch, StringInfo from)
{
	uint64 kind = varint_read(from);

	if (kind >= FIRST_COUNT)
	{
		read_entries(sketch, kind - FIRST_COUNT, from);
		return;
	}
	if (sketch->registers == NULL)
		make_dense(sketch);
	if (kind == SKETCH_DENSE)
		read_registers(sketch->registers, from);
	else
		read_strides(sketch->registers, from);
}
