/*
 * device.h
 *	  What kind of device a browser runs on.
 *
 * Pure C: no Postgres, no libwebsockets.
 */
#ifndef PAGEVIEWS_DEVICE_H
#define PAGEVIEWS_DEVICE_H

#include "../common/visitor.h"

/* What is known of a device. */
typedef struct DeviceTraits
{
	Text user_agent;
	Text device; /* as uap-core calls it */
	Text system; /* likewise */
	bool robot;	 /* the list of robots has it */
	bool mobile; /* its browser said so, by Sec-CH-UA-Mobile */
} DeviceTraits;

extern DeviceClass device_class(const DeviceTraits *traits);

#endif /* PAGEVIEWS_DEVICE_H */
