/*
 * message.h
 *	  From a browser's JSON to a ViewMessage.
 *
 * Pure C with Jansson: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_LISTENER_MESSAGE_H
#define PAGEVIEWS_LISTENER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "../common/message.h"
#include "arena.h"

/* Longest message on a socket, and longest note, in bytes. */
#define MESSAGE_LIMIT	   4096
#define NOTE_LIMIT		   (64 * 1024)
#define NOTE_MESSAGE_LIMIT 16

typedef enum MessageVerdict
{
	MESSAGE_GOOD,
	MESSAGE_BAD,		/* not a message at all */
	MESSAGE_WRONG_SITE, /* its url is not of the Origin: refused, view and n are known */
	MESSAGE_BAD_PROPS,	/* props nested or too many: refused, likewise */
	MESSAGE_BAD_NAME	/* an event without a name: refused, likewise */
} MessageVerdict;

/* What a message is read against. */
typedef struct MessageRules
{
	Text site;			   /* the Origin's host, as origin_parse() writes it */
	Text query_parameters; /* kept ones, as in ListenerConfig */
} MessageRules;

/*
 * Once: gives Jansson its memory (scratch.h), and draws the seed of its hash tables, for
 * which it opens a file.
 */
extern void message_prepare(void);

/*
 * Reads one message.  Its texts lie in the arena, which is reset first; `data`
 * may be changed (lone surrogates are replaced).
 */
extern MessageVerdict message_parse(char *data, size_t length, const MessageRules *rules,
									Arena *arena, ViewMessage *message);

/* Takes one element of a note; `message` is valid until it returns. */
typedef void (*NoteElement)(void *context, MessageVerdict verdict, const ViewMessage *message);

/*
 * Reads a JSON array of at most NOTE_MESSAGE_LIMIT messages and hands each to
 * `element`; false, and nothing handed out, when it is no such array.  An element
 * that is no JSON at all is a bad message and does not void its neighbours.
 */
extern bool message_parse_note(char *data, size_t length, const MessageRules *rules, Arena *arena,
							   NoteElement element, void *context);

#endif /* PAGEVIEWS_LISTENER_MESSAGE_H */
