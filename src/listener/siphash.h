/*
 * siphash.h
 *	  SipHash-1-3 by a random key: for tables whose keys strangers choose.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_SIPHASH_H
#define PAGEVIEWS_SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct SipHash
{
	uint64_t v[4];
} SipHash;

static inline uint64_t
siphash_rotate(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void
siphash_round(SipHash *hash)
{
	uint64_t *v = hash->v;

	v[0] += v[1];
	v[1] = siphash_rotate(v[1], 13) ^ v[0];
	v[0] = siphash_rotate(v[0], 32);
	v[2] += v[3];
	v[3] = siphash_rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = siphash_rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = siphash_rotate(v[1], 17) ^ v[2];
	v[2] = siphash_rotate(v[2], 32);
}

static inline void
siphash_begin(SipHash *hash, const uint64_t key[2])
{
	hash->v[0] = key[0] ^ UINT64_C(0x736f6d6570736575);
	hash->v[1] = key[1] ^ UINT64_C(0x646f72616e646f6d);
	hash->v[2] = key[0] ^ UINT64_C(0x6c7967656e657261);
	hash->v[3] = key[1] ^ UINT64_C(0x7465646279746573);
}

static inline void
siphash_word(SipHash *hash, uint64_t word)
{
	hash->v[3] ^= word;
	siphash_round(hash);
	hash->v[0] ^= word;
}

/* What was hashed has to tell its length: by its last word, or because it is always as long. */
static inline uint64_t
siphash_end(SipHash *hash)
{
	hash->v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		siphash_round(hash);
	return hash->v[0] ^ hash->v[1] ^ hash->v[2] ^ hash->v[3];
}

/* 64 bits more, after siphash_end(). */
static inline uint64_t
siphash_more(SipHash *hash)
{
	hash->v[1] ^= 0xdd;
	for (int i = 0; i < 3; i++)
		siphash_round(hash);
	return hash->v[0] ^ hash->v[1] ^ hash->v[2] ^ hash->v[3];
}

/* Hashes bytes, and then their number: two texts in a row are never another two. */
static inline void
siphash_bytes(SipHash *hash, const void *data, size_t length)
{
	const char *at = data;
	uint64_t	word;
	size_t		left;

	for (left = length; left >= sizeof word; left -= sizeof word, at += sizeof word)
	{
		memcpy(&word, at, sizeof word);
		siphash_word(hash, word);
	}
	word = 0;
	if (left > 0)
		memcpy(&word, at, left);
	siphash_word(hash, word);
	siphash_word(hash, length);
}

#endif /* PAGEVIEWS_SIPHASH_H */
