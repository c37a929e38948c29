/*
 * main.h
 *	  How the listener ends.
 */
#ifndef PAGEVIEWS_MAIN_H
#define PAGEVIEWS_MAIN_H

typedef enum ExitStatus
{
	EXIT_CHANNEL_CLOSED = 0, /* the worker is gone, or wants us gone */
	EXIT_NO_SERVER = 1,		 /* library or sandbox could not be set up; the log says why */
	EXIT_BY_HAND = 2,		 /* not started by the worker */
	EXIT_BAD_RECORD = 3,	 /* the worker said what does not decode */
	EXIT_NO_MEMORY = 4
} ExitStatus;

#endif /* PAGEVIEWS_MAIN_H */
