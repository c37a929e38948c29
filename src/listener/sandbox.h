/*
 * sandbox.h
 *	  What the listener may still ask of the kernel once it serves.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_SANDBOX_H
#define PAGEVIEWS_SANDBOX_H

/*
 * Shuts this process in, for good: from now on any system call that serving does
 * not need kills it with SIGSYS, and so does whatever would change one of the
 * listening sockets, which others inherit.  To be called when everything is open
 * that will ever be opened.  Returns 0, or the errno of a system that does not allow it.
 */
extern int sandbox_enter(const int *listening, int count);

#endif /* PAGEVIEWS_SANDBOX_H */
