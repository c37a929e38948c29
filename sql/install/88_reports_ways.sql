-- ---------------------------------------------------------------------------
-- Reports: visits one by one, and the ways that people take
-- ---------------------------------------------------------------------------

CREATE TYPE pageviews.visits_row AS (
	session_id uuid, site text, started_at timestamptz, ended_at timestamptz, entry_path text, exit_path text,
	views bigint, engagement_ms bigint, bounce boolean,
	channel text, source text, referrer text, campaign text, medium text,
	country text, browser text, system text, device text, language text
);
COMMENT ON TYPE pageviews.visits_row IS 'a row of pageviews.visits(): a visit';
COMMENT ON COLUMN pageviews.visits_row.session_id IS 'the browser: pageviews.sessions';
COMMENT ON COLUMN pageviews.visits_row.site IS 'host of its pages';
COMMENT ON COLUMN pageviews.visits_row.started_at IS 'when its first view began';
COMMENT ON COLUMN pageviews.visits_row.ended_at IS 'when it was seen last: start and engagement of a view, of the one that ends latest';
COMMENT ON COLUMN pageviews.visits_row.entry_path IS 'path of its first page';
COMMENT ON COLUMN pageviews.visits_row.exit_path IS 'path of its last page';
COMMENT ON COLUMN pageviews.visits_row.views IS 'how many views it has, those after the period included';
COMMENT ON COLUMN pageviews.visits_row.engagement_ms IS 'engagement of these together: milliseconds in which their pages were visible';
COMMENT ON COLUMN pageviews.visits_row.bounce IS 'whether it was one view with less engagement than pageviews.bounce_engagement';
COMMENT ON COLUMN pageviews.visits_row.channel IS 'search, social, email, ai, paid, campaign, referral, internal or direct, or a channel of your own in pageviews.sources';
COMMENT ON COLUMN pageviews.visits_row.source IS 'common name of utm_source, or without one of the referrer (pageviews.sources); what has none stands for itself; NULL if there is neither, or the referrer is the site itself';
COMMENT ON COLUMN pageviews.visits_row.referrer IS 'host of the page before the visit, without "www."; NULL if the browser named none';
COMMENT ON COLUMN pageviews.visits_row.campaign IS 'utm_campaign of its first view; NULL if there was none';
COMMENT ON COLUMN pageviews.visits_row.medium IS 'utm_medium of its first view; NULL if there was none';
COMMENT ON COLUMN pageviews.visits_row.country IS 'two capital letters, as a trusted proxy said (pageviews.country_header); NULL if unknown';
COMMENT ON COLUMN pageviews.visits_row.browser IS 'the browser, as uap-core calls it, as in "Chrome Mobile"; NULL if unknown';
COMMENT ON COLUMN pageviews.visits_row.system IS 'its operating system, as uap-core calls it, as in "Windows"; NULL if unknown';
COMMENT ON COLUMN pageviews.visits_row.device IS 'desktop, mobile, tablet, tv or console; NULL if unknown';
COMMENT ON COLUMN pageviews.visits_row.language IS 'the language that it prefers, as in "de-CH"; NULL if unknown';

CREATE FUNCTION pageviews.visits(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.visits_row
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT t.session_id, t.site, t.started_at, t.ended_at, t.entry_path, t.exit_path,
		   t.views, t.engagement_ms, t.bounce,
		   t.channel, t.source, t.referrer, t.campaign, t.medium,
		   s.country, s.browser, s.system, s.device, s.language
	FROM pageviews.origins(visits.since, visits.until, visits.site, visits.filters) AS t
	LEFT JOIN pageviews.sessions AS s ON s.session_id = t.session_id
	ORDER BY t.started_at DESC, t.session_id, t.site;
END;
COMMENT ON FUNCTION pageviews.visits(timestamptz, timestamptz, text, jsonb) IS
	'report: the visits that began in the period, the latest first';

CREATE TYPE pageviews.session_views_row AS (
	view_id uuid, started_at timestamptz, ended_at timestamptz, site text, path text, name text,
	engagement_ms integer, focused_ms integer, active_ms integer, scroll_depth smallint,
	navigation pageviews.navigation, end_reason pageviews.end_reason,
	query text, title text, referrer text, props jsonb
);
COMMENT ON TYPE pageviews.session_views_row IS 'a row of pageviews.session_views(): a view';
COMMENT ON COLUMN pageviews.session_views_row.view_id IS 'id of the view: pageviews.views';
COMMENT ON COLUMN pageviews.session_views_row.started_at IS 'when it began';
COMMENT ON COLUMN pageviews.session_views_row.ended_at IS 'when it was over; NULL while it is open';
COMMENT ON COLUMN pageviews.session_views_row.site IS 'host of the page, with the port if the address has one';
COMMENT ON COLUMN pageviews.session_views_row.path IS 'path of the page';
COMMENT ON COLUMN pageviews.session_views_row.name IS 'the application''s own name of the page; NULL if it gave none';
COMMENT ON COLUMN pageviews.session_views_row.engagement_ms IS 'engagement: milliseconds in which the page was visible';
COMMENT ON COLUMN pageviews.session_views_row.focused_ms IS 'milliseconds in which it was visible and had the focus';
COMMENT ON COLUMN pageviews.session_views_row.active_ms IS 'milliseconds in which it had the focus and its visitor did something now and then';
COMMENT ON COLUMN pageviews.session_views_row.scroll_depth IS 'deepest per cent of the page that was seen; NULL if unknown';
COMMENT ON COLUMN pageviews.session_views_row.navigation IS 'how the browser came to the page; NULL if it did not say';
COMMENT ON COLUMN pageviews.session_views_row.end_reason IS 'why the view is over; NULL while it is open';
COMMENT ON COLUMN pageviews.session_views_row.query IS 'the query parameters that pageviews.keep_query_parameters keeps; NULL if there are none';
COMMENT ON COLUMN pageviews.session_views_row.title IS 'title of the page; NULL if unknown';
COMMENT ON COLUMN pageviews.session_views_row.referrer IS 'the page before this one; NULL if the browser named none';
COMMENT ON COLUMN pageviews.session_views_row.props IS 'what the application said about the view: a flat object; NULL if it said nothing';

CREATE FUNCTION pageviews.session_views(
	session_id uuid,
	since timestamptz DEFAULT '-infinity',
	until timestamptz DEFAULT 'infinity',
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.session_views_row
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT v.view_id, v.started_at, v.ended_at, v.site, v.path, v.name,
		   v.engagement_ms, v.focused_ms, v.active_ms, v.scroll_depth,
		   v.navigation, v.end_reason, v.query, v.title, v.referrer, v.props
	FROM pageviews.views AS v
	WHERE v.session_id = session_views.session_id
		AND v.started_at >= session_views.since AND v.started_at < session_views.until
		AND (session_views.site IS NULL OR v.site = session_views.site)
		AND pageviews.check_filters(session_views.filters)
		AND pageviews.must(NOT pageviews.filters_origins(session_views.filters) AND NOT pageviews.filters_sessions(session_views.filters),
						   'session_views() takes the filters page and property only', 'It is about one session, whose browser and origin are known.')
		AND pageviews.view_passes(session_views.filters, v.path, v.props)
	ORDER BY v.started_at, v.view_id;
END;
COMMENT ON FUNCTION pageviews.session_views(uuid, timestamptz, timestamptz, text, jsonb) IS
	'report: every view of a session, in order, whether it is a robot or not; takes the filters page and property only';

CREATE TYPE pageviews.journeys_row AS (
	pages text[], visits bigint, visitors bigint, share numeric
);
COMMENT ON TYPE pageviews.journeys_row IS 'a row of pageviews.journeys(): a way that visits took';
COMMENT ON COLUMN pageviews.journeys_row.pages IS 'paths of the first pages of a visit, at most as many as depth says; a page that was viewed again at once is there once';
COMMENT ON COLUMN pageviews.journeys_row.visits IS 'visits that began in the period and went this way';
COMMENT ON COLUMN pageviews.journeys_row.visitors IS 'distinct sessions that made them';
COMMENT ON COLUMN pageviews.journeys_row.share IS 'these visits as a part of all, from 0 to 1';

CREATE FUNCTION pageviews.journeys(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL,
	depth integer DEFAULT 3,
	ways integer DEFAULT 1000)
RETURNS SETOF pageviews.journeys_row
LANGUAGE c STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'pageviews_journeys';
COMMENT ON FUNCTION pageviews.journeys(timestamptz, timestamptz, text, jsonb, integer, integer) IS
	'report: the first pages of visits, at most depth of them; the most visits first, then in the order of pages; as many as ways says, NULL: all';

CREATE FUNCTION pageviews.funnel_steps(since timestamptz, until timestamptz, site text, filters jsonb, steps text[], within interval)
RETURNS TABLE (
	step integer, page text, visitors bigint)
LANGUAGE c STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'pageviews_funnel_steps';
COMMENT ON FUNCTION pageviews.funnel_steps(timestamptz, timestamptz, text, jsonb, text[], interval) IS
	'how many sessions got to each step of a funnel: what pageviews.funnel() reports';

CREATE TYPE pageviews.funnel_row AS (
	step integer, page text, visitors bigint, share numeric, share_of_previous numeric, lost bigint
);
COMMENT ON TYPE pageviews.funnel_row IS 'a row of pageviews.funnel(): a step and who got there';
COMMENT ON COLUMN pageviews.funnel_row.step IS 'number of the step, from 1';
COMMENT ON COLUMN pageviews.funnel_row.page IS 'its pattern of paths';
COMMENT ON COLUMN pageviews.funnel_row.visitors IS 'distinct sessions that got so far in this order';
COMMENT ON COLUMN pageviews.funnel_row.share IS 'these as a part of those of the first step, from 0 to 1; NULL if nobody got there';
COMMENT ON COLUMN pageviews.funnel_row.share_of_previous IS 'these as a part of those of the step before, from 0 to 1; NULL for the first step, and if nobody got to the one before';
COMMENT ON COLUMN pageviews.funnel_row.lost IS 'how many of the step before did not get here; NULL for the first step';

CREATE FUNCTION pageviews.funnel(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL,
	steps text[] DEFAULT NULL,
	within interval DEFAULT '1 day')
RETURNS SETOF pageviews.funnel_row
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT f.step, f.page, f.visitors,
		   round(f.visitors::numeric / nullif(first_value(f.visitors) OVER by_step, 0), 4),
		   round(f.visitors::numeric / nullif(lag(f.visitors) OVER by_step, 0), 4),
		   lag(f.visitors) OVER by_step - f.visitors
	FROM pageviews.funnel_steps(funnel.since, funnel.until, funnel.site, funnel.filters, funnel.steps, funnel.within) AS f
	WHERE pageviews.must(CASE WHEN array_ndims(funnel.steps) = 1 THEN cardinality(funnel.steps) <= 20 AND array_position(funnel.steps, NULL) IS NULL END,
						 'steps must be a one-dimensional array of 1 to 20 page patterns', 'Write, for example, steps => ARRAY[''/'', ''/pricing'', ''/signup/*''].')
		AND pageviews.must(funnel.within > interval '0' AND funnel.within <= interval '10000 years',
						   'within must be longer than zero and at most 10,000 years', 'It is the time from the first step to the last.')
	WINDOW by_step AS (ORDER BY f.step)
	ORDER BY f.step;
END;
COMMENT ON FUNCTION pageviews.funnel(timestamptz, timestamptz, text, jsonb, text[], interval) IS
	'report: how many visitors viewed these pages in this order, other views between them or not, the last step at most within after the first; a step is a pattern of paths, where a star is any text';

CREATE FUNCTION pageviews.cohorts(since timestamptz, until timestamptz, site text, filters jsonb, starts timestamptz[])
RETURNS TABLE (
	cohort timestamptz, period integer, size bigint, visitors bigint)
LANGUAGE c STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'pageviews_cohorts';
COMMENT ON FUNCTION pageviews.cohorts(timestamptz, timestamptz, text, jsonb, timestamptz[]) IS
	'how many sessions came in each period, from each of the starts to the next, by the period in which they came first: what pageviews.retention() reports';

CREATE TYPE pageviews.retention_row AS (
	cohort timestamptz, period integer, size bigint, visitors bigint, share numeric
);
COMMENT ON TYPE pageviews.retention_row IS 'a row of pageviews.retention(): visitors who came first in one period, and how many of them came in this one';
COMMENT ON COLUMN pageviews.retention_row.cohort IS 'when the period begins in which they came first';
COMMENT ON COLUMN pageviews.retention_row.period IS 'how many periods later: 0 is that one';
COMMENT ON COLUMN pageviews.retention_row.size IS 'sessions that came first in the period of the cohort';
COMMENT ON COLUMN pageviews.retention_row.visitors IS 'how many of them viewed a page in this period';
COMMENT ON COLUMN pageviews.retention_row.share IS 'visitors as a part of size, from 0 to 1';

CREATE FUNCTION pageviews.retention(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL,
	period interval DEFAULT '1 week')
RETURNS SETOF pageviews.retention_row
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.cohort, c.period, c.size, c.visitors, round(c.visitors::numeric / c.size, 4)
	FROM pageviews.cohorts(retention.since, retention.until, retention.site, retention.filters,
						   pageviews.bucket_starts(retention.since, retention.until, retention.period, pageviews.site_time_zone(retention.site))) AS c
	ORDER BY c.cohort, c.period;
END;
COMMENT ON FUNCTION pageviews.retention(timestamptz, timestamptz, text, jsonb, interval) IS
	'report: visitors by the period in which they came first, and how many of them came in that and in each one after it';

CREATE TABLE pageviews.goals (
	name text NOT NULL,
	site text,
	pattern text,
	event text,
	CONSTRAINT goals_pkey PRIMARY KEY (name),
	CONSTRAINT goals_one_kind_check CHECK (pg_catalog.num_nonnulls(pattern, event) OPERATOR(pg_catalog.=) 1)
);
COMMENT ON TABLE pageviews.goals IS 'pages that visitors are meant to reach, and events that are meant to happen; pageviews.goals() counts both';
COMMENT ON COLUMN pageviews.goals.name IS 'name of the goal';
COMMENT ON COLUMN pageviews.goals.site IS 'the site that it is for; NULL is every site';
COMMENT ON COLUMN pageviews.goals.pattern IS 'a path, in which a star stands for any text; NULL if an event is meant';
COMMENT ON COLUMN pageviews.goals.event IS 'the name of an event, in which a star stands for any text; NULL if a page is meant';
COMMENT ON CONSTRAINT goals_one_kind_check ON pageviews.goals IS 'a goal is a page or an event';
COMMENT ON CONSTRAINT goals_pkey ON pageviews.goals IS 'a name is one goal';
COMMENT ON INDEX pageviews.goals_pkey IS 'a name is one goal';
SELECT pg_catalog.pg_extension_config_dump('pageviews.goals', '');

ALTER TABLE pageviews.goals ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON pageviews.goals FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.goals FOR SELECT TO pageviews_site_reader
	USING (site IS NULL OR site OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY reader ON pageviews.goals IS 'readers see every goal';
COMMENT ON POLICY site_reader ON pageviews.goals IS 'readers of some sites see the goals of these, and of all sites';

CREATE TYPE pageviews.goals_row AS (
	goal text, site text, pattern text, views bigint, visitors bigint, conversion_rate numeric, event text
);
COMMENT ON TYPE pageviews.goals_row IS 'a row of pageviews.goals(): a goal and who reached it';
COMMENT ON COLUMN pageviews.goals_row.goal IS 'name of the goal: pageviews.goals';
COMMENT ON COLUMN pageviews.goals_row.site IS 'the site that it is for; NULL if it is for every site';
COMMENT ON COLUMN pageviews.goals_row.pattern IS 'its pattern of paths; NULL if an event is meant';
COMMENT ON COLUMN pageviews.goals_row.views IS 'views of these paths that began in the period; of an event, how often it happened';
COMMENT ON COLUMN pageviews.goals_row.visitors IS 'sessions that did so, each counted once; of paths, more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.goals_row.conversion_rate IS 'visitors as a part of all visitors of its site, or of the sites that were asked for, from 0 to 1; NULL if there are none';
COMMENT ON COLUMN pageviews.goals_row.event IS 'its pattern of names of events; NULL if a page is meant';

CREATE FUNCTION pageviews.goals(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.goals_row
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH g AS MATERIALIZED (
		SELECT o.name, o.site, o.pattern, o.event,
			   -- Made once for a goal, not for each event.
			   pageviews.like_pattern(o.pattern) AS like_pattern, pageviews.like_pattern(o.event) AS like_event
		FROM pageviews.goals AS o
		WHERE goals.site IS NULL OR o.site IS NULL OR o.site = goals.site
	), p AS MATERIALIZED (
		SELECT c.site, c.value[1] AS path, c.views, c.sketch
		FROM pageviews.cells(ARRAY[goals.since, goals.until], goals.site, 'page', goals.filters, true, ARRAY(SELECT g.pattern FROM g)) AS c
	), s AS MATERIALIZED (
		SELECT c.site, c.sketch
		FROM pageviews.cells(ARRAY[goals.since, goals.until], goals.site, 'all', goals.filters, true) AS c
	), r AS (
		SELECT g.name, sum(p.views)::bigint AS views, pageviews.count_visitors(p.sketch) AS visitors
		FROM g
		JOIN p ON p.path LIKE g.like_pattern AND (g.site IS NULL OR p.site = g.site)
		GROUP BY g.name
		UNION ALL
		SELECT g.name, count(*), count(DISTINCT e.session_id)
		FROM g
		JOIN pageviews.chosen_events(goals.since, goals.until, goals.site, goals.filters) AS e
			ON e.name LIKE g.like_event AND (g.site IS NULL OR e.site = g.site)
		-- Without such a goal no event is read.
		WHERE g.event IS NOT NULL AND EXISTS (SELECT FROM g WHERE g.event IS NOT NULL)
		GROUP BY g.name
	)
	SELECT g.name, g.site, g.pattern, coalesce(r.views, 0), coalesce(r.visitors, 0),
		   round(coalesce(r.visitors, 0)::numeric / nullif(v.visitors, 0), 4),
		   g.event
	FROM g
	LEFT JOIN r ON r.name = g.name,
	LATERAL (SELECT pageviews.count_visitors(s.sketch) AS visitors FROM s WHERE g.site IS NULL OR s.site = g.site) AS v
	ORDER BY coalesce(r.visitors, 0) DESC, g.name;
END;
COMMENT ON FUNCTION pageviews.goals(timestamptz, timestamptz, text, jsonb) IS
	'report: for each goal in the table pageviews.goals how often and by how many it was reached, the most visitors first';

REVOKE ALL ON pageviews.goals FROM PUBLIC;
GRANT SELECT ON pageviews.goals TO pageviews_reader, pageviews_site_reader;
REVOKE ALL ON TYPE
	pageviews.visits_row,
	pageviews.session_views_row,
	pageviews.journeys_row,
	pageviews.funnel_row,
	pageviews.retention_row,
	pageviews.goals_row
FROM PUBLIC;
GRANT USAGE ON TYPE
	pageviews.visits_row,
	pageviews.session_views_row,
	pageviews.journeys_row,
	pageviews.funnel_row,
	pageviews.retention_row,
	pageviews.goals_row
TO pageviews_reader, pageviews_site_reader;
REVOKE ALL ON FUNCTION
	pageviews.visits(timestamptz, timestamptz, text, jsonb),
	pageviews.session_views(uuid, timestamptz, timestamptz, text, jsonb),
	pageviews.journeys(timestamptz, timestamptz, text, jsonb, integer, integer),
	pageviews.funnel_steps(timestamptz, timestamptz, text, jsonb, text[], interval),
	pageviews.funnel(timestamptz, timestamptz, text, jsonb, text[], interval),
	pageviews.cohorts(timestamptz, timestamptz, text, jsonb, timestamptz[]),
	pageviews.retention(timestamptz, timestamptz, text, jsonb, interval),
	pageviews.goals(timestamptz, timestamptz, text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.visits(timestamptz, timestamptz, text, jsonb),
	pageviews.session_views(uuid, timestamptz, timestamptz, text, jsonb),
	pageviews.journeys(timestamptz, timestamptz, text, jsonb, integer, integer),
	pageviews.funnel_steps(timestamptz, timestamptz, text, jsonb, text[], interval),
	pageviews.funnel(timestamptz, timestamptz, text, jsonb, text[], interval),
	pageviews.cohorts(timestamptz, timestamptz, text, jsonb, timestamptz[]),
	pageviews.retention(timestamptz, timestamptz, text, jsonb, interval),
	pageviews.goals(timestamptz, timestamptz, text, jsonb)
TO pageviews_reader, pageviews_site_reader;

