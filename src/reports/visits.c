/*
 * visits.c
 *	  Visits and what they add to the cells, see visits.h.
 */
#include "visits.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "../worker/settings.h"
#include "address.h"

/* In a visit of so many views each is compared with all before it, of more they are hashed. */
#define VIEWS_COMPARED 32

/* A page that was told of in a visit. */
typedef struct ToldPage
{
	Span   path;
	uint32 hash;
	char   status;
} ToldPage;

#define SH_PREFIX		  told
#define SH_ELEMENT_TYPE	  ToldPage
#define SH_KEY_TYPE		  Span
#define SH_KEY			  path
#define SH_HASH_KEY(t, k) hash_bytes((const unsigned char *) (k).data, (k).length)
#define SH_EQUAL(t, a, b) span_equal(a, b)
#define SH_SCOPE		  static inline
#define SH_STORE_HASH
#define SH_GET_HASH(t, e) (e)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#define WANTED(rules, dimension) (((rules)->dimensions & 1u << (dimension)) != 0)

/* What visits_tell() knows while it goes through the views. */
typedef struct Telling
{
	const SessionViews *views;
	Version				version;
	const VisitRules   *rules;
	TakeContribution	take;
	void			   *context;
	Span				traits[SESSION_DIMENSIONS]; /* as values of cells */
	StringInfoData		value;						/* the one that is being told */
	told_hash		   *pages;						/* of a long visit; NULL: it is short */
} Telling;

/* A visit: indexes of views, those that are not there left out of `count`. */
typedef struct Visit
{
	int	  first;
	int	  last;
	int64 count;
	int64 engagement;
} Visit;

VisitRules
visits_rules(void)
{
	return (VisitRules){.since = DT_NOBEGIN,
						.until = DT_NOEND,
						.timeout = (int64) setting_visit_timeout * USECS_PER_SEC,
						.bounce_engagement = setting_bounce_engagement,
						.dimensions = (1u << DIMENSION_COUNT) - 1};
}

bool
visits_same(const SessionViews *views)
{
	for (int i = 0; i < views->count; i++)
	{
		const ViewState *before = &views->views[i].states[BEFORE];
		const ViewState *after = &views->views[i].states[AFTER];

		if (before->there != after->there)
			return false;
		if (before->there && (before->engagement != after->engagement ||
							  !span_equal(before->referrer, after->referrer) ||
							  !span_equal(before->query, after->query)))
			return false;
	}
	return true;
}

void
visits_entries(const SessionViews *views, Version version, int64 timeout, bool *entries)
{
	TimestampTz seen_until = 0;
	bool		any = false;

	for (int i = 0; i < views->count; i++)
	{
		const ViewState *state = &views->views[i].states[version];
		TimestampTz		 started_at = views->views[i].started_at;
		TimestampTz		 seen = started_at + (int64) state->engagement * 1000;

		entries[i] = state->there && (!any || started_at > seen_until + timeout);
		if (!state->there)
			continue;
		seen_until = any ? Max(seen_until, seen) : seen;
		any = true;
	}
}

void
visits_lost_entries(const SessionViews *views, int64 timeout, bool *lost)
{
	bool *kept = palloc_array(bool, views->count);

	visits_entries(views, BEFORE, timeout, lost);
	visits_entries(views, AFTER, timeout, kept);
	for (int i = 0; i < views->count; i++)
	{
		const ViewState *states = views->views[i].states;

		lost[i] =
			lost[i] && (!kept[i] || !span_equal(states[BEFORE].referrer, states[AFTER].referrer) ||
						!span_equal(states[BEFORE].query, states[AFTER].query));
	}
}

static Span
make_value(Telling *telling, const Span *parts, int count)
{
	resetStringInfo(&telling->value);
	value_write(&telling->value, parts, count);
	return (Span){telling->value.data, telling->value.len};
}

static void
tell(const Telling *telling, Contribution *contribution, Dimension dimension, Span value)
{
	if (!WANTED(telling->rules, dimension))
		return;
	contribution->dimension = dimension;
	contribution->value = value;
	telling->take(telling->context, contribution);
}

static void
tell_session_dimensions(const Telling *telling, Contribution *contribution)
{
	for (int i = 0; i < SESSION_DIMENSIONS; i++)
		tell(telling, contribution, DIMENSION_FIRST_OF_SESSION + i, telling->traits[i]);
}

/* Whether a view is the first of its visit, among those that pass, on its page; asked once for each of them. */
static bool
is_first_of_page(const Telling *telling, const Visit *visit, int index)
{
	const SessionView *view = &telling->views->views[index];
	bool			   found;

	if (telling->pages != NULL)
	{
		told_insert(telling->pages, view->path, &found);
		return !found;
	}
	for (int i = visit->first; i < index; i++)
	{
		const SessionView *other = &telling->views->views[i];

		if (other->states[telling->version].there && other->passes &&
			span_equal(other->path, view->path))
			return false;
	}
	return true;
}

static void
tell_view(Telling *telling, const Visit *visit, int index)
{
	const SessionView *view = &telling->views->views[index];
	int32			   engagement = view->states[telling->version].engagement;
	Contribution	   contribution = {.at = view->started_at,
									   .counters = {[COUNT_VIEWS] = 1, [COUNT_ENGAGEMENT] = engagement},
									   .bucket = histogram_bucket(engagement),
									   .visitor = telling->views->visitor};
	Contribution	   of_session = contribution;

	tell(telling, &contribution, DIMENSION_ALL, (Span){"", 0});
	if (WANTED(telling->rules, DIMENSION_PAGE))
	{
		contribution.counters[COUNT_VISITS] = is_first_of_page(telling, visit, index);
		contribution.counters[COUNT_ENTRIES] = index == visit->first;
		contribution.counters[COUNT_EXITS] = index == visit->last;
		tell(telling, &contribution, DIMENSION_PAGE, make_value(telling, &view->path, 1));
	}
	of_session.bucket = -1;
	tell_session_dimensions(telling, &of_session);
}

/* Where a visit came from, as a value. */
static Span
origin_value(Telling *telling, const ViewState *entry)
{
	static const Span names[] = {{"utm_campaign", 12},
								 {"utm_source", 10},
								 {"utm_medium", 10},
								 {"utm_term", 8},
								 {"utm_content", 11}};
	Span			  parts[ORIGIN_PARTS] = {{NULL, 0}};
	Span host = entry->referrer.data != NULL ? address_host(entry->referrer) : (Span){NULL, 0};

	if (host.data != NULL)
	{
		parts[0] = address_without_www(host);
		parts[1] = span_equal(host, telling->views->site) ? (Span){"t", 1} : (Span){"f", 1};
	}
	for (int i = 0; entry->query.length > 0 && i < lengthof(names); i++)
		parts[2 + i] = address_parameter(entry->query, names[i]);
	return make_value(telling, parts, ORIGIN_PARTS);
}

static void
tell_visit(Telling *telling, const Visit *visit)
{
	const SessionView *entry = &telling->views->views[visit->first];
	bool bounce = visit->count == 1 && visit->engagement < telling->rules->bounce_engagement;
	Contribution whole = {.at = entry->started_at,
						  .counters = {[COUNT_VISITS] = 1, [COUNT_BOUNCES] = bounce},
						  .bucket = -1};
	Contribution by_start = whole;

	tell_session_dimensions(telling, &whole);
	whole.counters[COUNT_VISIT_VIEWS] = visit->count;
	tell(telling, &whole, DIMENSION_ALL, (Span){"", 0});

	by_start.counters[COUNT_VIEWS] = visit->count;
	by_start.counters[COUNT_ENGAGEMENT] = visit->engagement;
	by_start.visitor = telling->views->visitor;
	if (WANTED(telling->rules, DIMENSION_ENTRY))
		tell(telling, &by_start, DIMENSION_ENTRY, make_value(telling, &entry->path, 1));
	if (WANTED(telling->rules, DIMENSION_ORIGIN))
		tell(telling, &by_start, DIMENSION_ORIGIN,
			 origin_value(telling, &entry->states[telling->version]));
}

/* The visit that begins with a view. */
static Visit
visit_from(const Telling *telling, int first, const bool *entries)
{
	Visit visit = {.first = first, .last = first};

	for (int i = first; i < telling->views->count && (i == first || !entries[i]); i++)
	{
		const ViewState *state = &telling->views->views[i].states[telling->version];

		if (!state->there)
			continue;
		visit.last = i;
		visit.count++;
		visit.engagement += state->engagement;
	}
	return visit;
}

void
visits_tell(const SessionViews *views, Version version, const VisitRules *rules,
			TakeContribution take, void *context)
{
	Telling telling = {views, version, rules, take, context};
	bool   *entries = palloc_array(bool, views->count);

	initStringInfo(&telling.value);
	for (int i = 0; i < SESSION_DIMENSIONS; i++)
	{
		StringInfoData value;

		if (!WANTED(rules, DIMENSION_FIRST_OF_SESSION + i))
			continue;
		initStringInfo(&value);
		value_write(&value, &views->traits[i], 1);
		telling.traits[i] = (Span){value.data, value.len};
	}

	visits_entries(views, version, rules->timeout, entries);
	for (int first = 0; first < views->count; first++)
	{
		const SessionView *entry = &views->views[first];
		Visit			   visit;
		bool			   any_passes = false;

		if (!entries[first] || !entry->origin_passes || entry->started_at < rules->since ||
			entry->started_at >= rules->until)
			continue;
		visit = visit_from(&telling, first, entries);
		if (visit.last - visit.first >= VIEWS_COMPARED && WANTED(rules, DIMENSION_PAGE))
			telling.pages = told_create(CurrentMemoryContext, (uint32) visit.count, NULL);
		for (int i = visit.first; i <= visit.last; i++)
		{
			CHECK_FOR_INTERRUPTS();
			if (!views->views[i].states[version].there || !views->views[i].passes)
				continue;
			any_passes = true;
			tell_view(&telling, &visit, i);
		}
		if (any_passes)
			tell_visit(&telling, &visit);
		if (telling.pages != NULL)
			told_destroy(telling.pages);
		telling.pages = NULL;
	}
}
