/*
 * people.h
 *	  Who visits, from where, with what, and which pages they read.
 */
#ifndef PAGEVIEWS_PEOPLE_H
#define PAGEVIEWS_PEOPLE_H

#include <stdbool.h>
#include <stdint.h>

/* A sequence of random numbers: splitmix64. */
typedef struct Random
{
	uint64_t state;
} Random;

/* A browser, as its headers and scripts describe it. */
typedef struct Agent
{
	double		weight;
	const char *browser;
	const char *version;
	const char *system;
	const char *device;
	int			width;
	int			height;
	const char *text;
} Agent;

typedef struct Place
{
	double		weight;
	const char *country;
	const char *language;
	const char *time_zone;
} Place;

/* Where a visit comes from; NULL is nowhere. */
typedef struct Origin
{
	double		weight;
	const char *referrer;
	const char *query; /* %d becomes the number of a campaign */
} Origin;

typedef struct Visitor
{
	uint64_t	 high; /* of the session's id */
	uint64_t	 low;
	const Agent *agent;
	const Place *place;
	bool		 robot;
	bool		 customer;
} Visitor;

typedef struct View
{
	int64_t		  started; /* ms since 1970 */
	int			  engagement;
	const char	 *site;
	const Origin *origin; /* of its visit */
	int			  page;
	int			  previous;
	bool		  first;
	bool		  last;
} View;

extern uint64_t random_bits(Random *random);
extern double	random_part(Random *random); /* [0, 1) */
extern int		random_engagement(Random *random);

extern const Origin *random_origin(Random *random);

/* The visitor of a number: always the same for a seed. */
extern Visitor visitor_of(uint64_t seed, int64_t number);

/* The query of a visit's first view; NULL if there is none.  Valid until the next call. */
extern const char *visitor_query(Random *random, const View *view);

/* Pages by their rank, and what they are called.  Texts are valid until the next call but one. */
extern int		   first_page(Random *random);
extern int		   next_page(Random *random, int page);
extern const char *page_path(int page);
extern const char *page_title(int page);

/* Draws what writing a view would have drawn. */
extern void skip_view(Random *random, const View *view);

#endif
