/*
 * sketch.c
 *	  How many different sessions there were, see sketch.h.
 *
 * An entry is the first 25 bits of a hash and the rank (the place of the first
 * 1) of the rest, 6 bits.  The register of an entry is its first 14 bits; the
 * register's rank follows from the other 11 and the entry's own.
 */
#include "sketch.h"

#include <math.h>

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

#define FIRST_CAPACITY 4
/* More entries than this become registers; so many are kept before it is looked for repeats. */
#define SPARSE_LIMIT	2048
#define SPARSE_CAPACITY (2 * SPARSE_LIMIT)

#define SKETCH_DENSE 0 /* instead of how many entries follow, plus one */
#define DENSE_BYTES	 (SKETCH_REGISTERS * RANK_BITS / 8)

void
varint_corrupted(void)
{
	ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("a roll-up of pageviews is damaged"),
			errhint("SELECT pageviews.rebuild_rollups() makes the roll-ups again from the views."));
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

uint32
sketch_entry(const uint8 session[16])
{
	uint64 high = 0;
	uint64 low = 0;
	uint64 hash;
	uint64 rest;
	uint32 rank;

	for (int i = 0; i < 8; i++)
	{
		high = high << 8 | session[i];
		low = low << 8 | session[i + 8];
	}
	hash = mix(high ^ mix(low + UINT64CONST(0x9e3779b97f4a7c15)));
	rest = hash << INDEX_BITS;
	rank = rest == 0 ? RANK_LIMIT : Min((uint32) __builtin_clzll(rest) + 1, RANK_LIMIT);
	return (uint32) (hash >> (64 - INDEX_BITS)) << RANK_BITS | rank;
}

static void
set_register(uint8 *registers, uint32 entry)
{
	uint32 index = entry >> (RANK_BITS + LOW_BITS);
	uint32 low = entry >> RANK_BITS & LOW_MASK;
	uint32 rank = low != 0 ? (uint32) __builtin_clz(low) - (32 - LOW_BITS) + 1
						   : LOW_BITS + (entry & RANK_MASK);

	if (registers[index] < rank)
		registers[index] = (uint8) rank;
}

static int
compare_entries(const void *a, const void *b)
{
	uint32 x = *(const uint32 *) a;
	uint32 y = *(const uint32 *) b;

	return x < y ? -1 : x > y;
}

/* Sorts the entries and leaves one for each index, the one of the highest rank. */
static void
compact(Sketch *sketch)
{
	uint32 kept = 0;

	qsort(sketch->entries, sketch->count, sizeof *sketch->entries, compare_entries);
	for (uint32 i = 0; i < sketch->count; i++)
	{
		if (kept > 0 && sketch->entries[kept - 1] >> RANK_BITS == sketch->entries[i] >> RANK_BITS)
			kept--;
		sketch->entries[kept++] = sketch->entries[i];
	}
	sketch->count = kept;
}

static void
make_dense(Sketch *sketch)
{
	sketch->registers = palloc0(SKETCH_REGISTERS);
	for (uint32 i = 0; i < sketch->count; i++)
		set_register(sketch->registers, sketch->entries[i]);
	if (sketch->entries != NULL)
		pfree(sketch->entries);
	sketch->entries = NULL;
	sketch->count = sketch->capacity = 0;
}

/* Makes room for one more entry, or registers of all. */
static void
make_room(Sketch *sketch)
{
	if (sketch->capacity == 0)
	{
		sketch->entries = palloc_array(uint32, FIRST_CAPACITY);
		sketch->capacity = FIRST_CAPACITY;
		return;
	}
	if (sketch->capacity > FIRST_CAPACITY)
		compact(sketch);
	if (sketch->count <= sketch->capacity / 2)
		return;
	if (sketch->capacity >= SPARSE_CAPACITY)
		make_dense(sketch);
	else
	{
		sketch->capacity *= 2;
		sketch->entries = repalloc_array(sketch->entries, uint32, sketch->capacity);
	}
}

void
sketch_add(Sketch *sketch, uint32 entry)
{
	if (sketch->registers == NULL)
	{
		/* Mostly, the views of a session come one after the other. */
		if (sketch->count > 0 && sketch->entries[sketch->count - 1] == entry)
			return;
		if (sketch->count == sketch->capacity)
			make_room(sketch);
	}
	if (sketch->registers != NULL)
		set_register(sketch->registers, entry);
	else
		sketch->entries[sketch->count++] = entry;
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
	for (uint32 i = 0; i < from->count; i++)
		sketch_add(into, from->entries[i]);
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
sketch_estimate(Sketch *sketch)
{
	const double registers = SKETCH_REGISTERS;
	int			 counts[REGISTER_RANK_LIMIT + 1] = {0};
	double		 z;

	if (sketch->registers == NULL)
	{
		const double places = (double) (1 << INDEX_BITS);

		if (sketch->count == 0)
			return 0;
		compact(sketch);
		return llround(places * log(places / (places - sketch->count)));
	}

	for (int i = 0; i < SKETCH_REGISTERS; i++)
		counts[sketch->registers[i]]++;
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

void
sketch_write(Sketch *sketch, StringInfo into)
{
	uint32 before = 0;

	/* The same set is the same bytes, however it was made. */
	if (sketch->count > 0)
		compact(sketch);
	if (sketch->count > SPARSE_LIMIT)
		make_dense(sketch);
	if (sketch->registers != NULL)
	{
		varint_write(into, SKETCH_DENSE);
		write_registers(sketch->registers, into);
		return;
	}
	varint_write(into, (uint64) sketch->count + 1);
	for (uint32 i = 0; i < sketch->count; i++)
	{
		varint_write(into, sketch->entries[i] - before);
		before = sketch->entries[i];
	}
}

void
sketch_read(Sketch *sketch, StringInfo from)
{
	uint64 count = varint_read(from);
	uint32 entry = 0;

	if (count == SKETCH_DENSE)
	{
		if (sketch->registers == NULL)
			make_dense(sketch);
		read_registers(sketch->registers, from);
		return;
	}
	for (uint64 i = 1; i < count; i++)
	{
		entry += (uint32) varint_read(from);
		if (entry >> (INDEX_BITS + RANK_BITS) != 0 || (entry & RANK_MASK) == 0 ||
			(entry & RANK_MASK) > RANK_LIMIT)
			varint_corrupted();
		sketch_add(sketch, entry);
	}
}
