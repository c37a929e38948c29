/*
 * attack.h
 *	  What one hostile connection sends, from its number alone.
 */
#ifndef PAGEVIEWS_HOSTILE_ATTACK_H
#define PAGEVIEWS_HOSTILE_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ATTACK_SIZE	  (96 * 1024)
#define ATTACK_PIECES 12

typedef enum AttackEnd
{
	ATTACK_WAITS, /* for the other side to hang up, as long as it is let */
	ATTACK_CLOSES,
	ATTACK_RESETS,
	ATTACK_HALF_CLOSES /* says that nothing more will come, and reads on */
} AttackEnd;

typedef struct Attack
{
	size_t	  length;
	int		  piece_count;
	size_t	  pieces[ATTACK_PIECES]; /* where each ends, the last at `length` */
	int		  pause_ms;				 /* between pieces */
	int		  linger_ms;			 /* after the last one */
	AttackEnd end;
	uint8_t	  bytes[ATTACK_SIZE];
} Attack;

/* Tells it the port that the others speak of, and whether the server speaks TLS; once. */
extern void attack_init(int port, bool tls, const uint8_t *client_hello,
						size_t client_hello_length);

/* Fills the attack of this number; the same seed and number make the same one. */
extern void attack_make(Attack *attack, uint64_t seed, uint64_t number);

/* A UUID version 7 of this moment, 36 characters and a NUL. */
extern void attack_view(char view[37], uint64_t random);

#endif /* PAGEVIEWS_HOSTILE_ATTACK_H */
