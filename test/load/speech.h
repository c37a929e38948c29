/*
 * speech.h
 *	  What a visitor says.  What sends something returns false when the socket did
 *	  not take it whole.
 */
#ifndef PAGEVIEWS_SPEECH_H
#define PAGEVIEWS_SPEECH_H

#include "visitor.h"

/* Seeds ids and masks. */
extern bool speech_init(void);

/* A random number, for what needs no secrecy. */
extern uint64_t roll(void);

/* A uuid of version 7, of now. */
extern void make_uuid(char text[37]);

/* The request for a websocket. */
extern bool ask_upgrade(Visitor *v);

/* One frame of at most MESSAGE_LIMIT bytes, masked. */
extern bool put_frame(Visitor *v, int opcode, const char *payload, size_t length);

/*
 * Says something about the visitor's view; its figures are the time since it
 * began.  An `end` that may not have arrived is said again as it was, whole.
 */
extern bool say(Visitor *v, const char *type);

/*
 * Says the end of the view before once more, as one does who was never told
 * that it is stored.
 */
extern bool say_leftover(Visitor *v);

#endif /* PAGEVIEWS_SPEECH_H */
