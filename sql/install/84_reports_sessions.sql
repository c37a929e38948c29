-- ---------------------------------------------------------------------------
-- Reports: with what, and in which language, people visit
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.session_figures(
	since timestamptz,
	until timestamptz,
	site text,
	filters jsonb)
RETURNS TABLE (
	session_id uuid, views bigint, visits bigint, bounces bigint, engagement_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(v.session_id, t.session_id),
		   coalesce(v.views, 0), coalesce(t.visits, 0), coalesce(t.bounces, 0), coalesce(v.engagement_ms, 0)
	FROM (SELECT c.session_id, count(*) AS views, sum(c.engagement_ms) AS engagement_ms
		  FROM pageviews.chosen_views(session_figures.since, session_figures.until, session_figures.site, session_figures.filters) AS c
		  GROUP BY c.session_id) AS v
	FULL JOIN (SELECT c.session_id, count(*) AS visits, count(*) FILTER (WHERE c.bounce) AS bounces
			   FROM pageviews.chosen_visits(session_figures.since, session_figures.until, session_figures.site, session_figures.filters) AS c
			   GROUP BY c.session_id) AS t ON t.session_id = v.session_id;
END;
COMMENT ON FUNCTION pageviews.session_figures(timestamptz, timestamptz, text, jsonb) IS
	'for each session of a period its views, visits that began, bounces and engagement: what the reports of browsers and their like add up';

CREATE FUNCTION pageviews.countries(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	country text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT s.country,
		   count(*) FILTER (WHERE f.views > 0),
		   sum(f.visits)::bigint,
		   sum(f.views)::bigint,
		   round(sum(f.bounces) / nullif(sum(f.visits), 0), 4),
		   sum(f.engagement_ms)::bigint,
		   round(sum(f.engagement_ms) / nullif(sum(f.views), 0))::bigint
	FROM pageviews.session_figures(countries.since, countries.until, countries.site, countries.filters) AS f
	LEFT JOIN pageviews.sessions AS s ON s.session_id = f.session_id
	GROUP BY 1
	ORDER BY 2 DESC, 3 DESC, 1;
END;
COMMENT ON FUNCTION pageviews.countries(timestamptz, timestamptz, text, jsonb) IS
	'report: for each country (two letters, as a trusted proxy said), NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

CREATE FUNCTION pageviews.browsers(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	browser text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT s.browser,
		   count(*) FILTER (WHERE f.views > 0),
		   sum(f.visits)::bigint,
		   sum(f.views)::bigint,
		   round(sum(f.bounces) / nullif(sum(f.visits), 0), 4),
		   sum(f.engagement_ms)::bigint,
		   round(sum(f.engagement_ms) / nullif(sum(f.views), 0))::bigint
	FROM pageviews.session_figures(browsers.since, browsers.until, browsers.site, browsers.filters) AS f
	LEFT JOIN pageviews.sessions AS s ON s.session_id = f.session_id
	GROUP BY 1
	ORDER BY 2 DESC, 3 DESC, 1;
END;
COMMENT ON FUNCTION pageviews.browsers(timestamptz, timestamptz, text, jsonb) IS
	'report: for each browser, NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

CREATE FUNCTION pageviews.systems(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	system text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT s.system,
		   count(*) FILTER (WHERE f.views > 0),
		   sum(f.visits)::bigint,
		   sum(f.views)::bigint,
		   round(sum(f.bounces) / nullif(sum(f.visits), 0), 4),
		   sum(f.engagement_ms)::bigint,
		   round(sum(f.engagement_ms) / nullif(sum(f.views), 0))::bigint
	FROM pageviews.session_figures(systems.since, systems.until, systems.site, systems.filters) AS f
	LEFT JOIN pageviews.sessions AS s ON s.session_id = f.session_id
	GROUP BY 1
	ORDER BY 2 DESC, 3 DESC, 1;
END;
COMMENT ON FUNCTION pageviews.systems(timestamptz, timestamptz, text, jsonb) IS
	'report: for each operating system, NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

CREATE FUNCTION pageviews.devices(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	device text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT s.device,
		   count(*) FILTER (WHERE f.views > 0),
		   sum(f.visits)::bigint,
		   sum(f.views)::bigint,
		   round(sum(f.bounces) / nullif(sum(f.visits), 0), 4),
		   sum(f.engagement_ms)::bigint,
		   round(sum(f.engagement_ms) / nullif(sum(f.views), 0))::bigint
	FROM pageviews.session_figures(devices.since, devices.until, devices.site, devices.filters) AS f
	LEFT JOIN pageviews.sessions AS s ON s.session_id = f.session_id
	GROUP BY 1
	ORDER BY 2 DESC, 3 DESC, 1;
END;
COMMENT ON FUNCTION pageviews.devices(timestamptz, timestamptz, text, jsonb) IS
	'report: for each kind of device (desktop, mobile, tablet, tv, console), NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

CREATE FUNCTION pageviews.languages(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	language text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT s.language,
		   count(*) FILTER (WHERE f.views > 0),
		   sum(f.visits)::bigint,
		   sum(f.views)::bigint,
		   round(sum(f.bounces) / nullif(sum(f.visits), 0), 4),
		   sum(f.engagement_ms)::bigint,
		   round(sum(f.engagement_ms) / nullif(sum(f.views), 0))::bigint
	FROM pageviews.session_figures(languages.since, languages.until, languages.site, languages.filters) AS f
	LEFT JOIN pageviews.sessions AS s ON s.session_id = f.session_id
	GROUP BY 1
	ORDER BY 2 DESC, 3 DESC, 1;
END;
COMMENT ON FUNCTION pageviews.languages(timestamptz, timestamptz, text, jsonb) IS
	'report: for each language that browsers prefer, NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

CREATE FUNCTION pageviews.screens(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	screen text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT s.screen_width || 'x' || s.screen_height,
		   count(*) FILTER (WHERE f.views > 0),
		   sum(f.visits)::bigint,
		   sum(f.views)::bigint,
		   round(sum(f.bounces) / nullif(sum(f.visits), 0), 4),
		   sum(f.engagement_ms)::bigint,
		   round(sum(f.engagement_ms) / nullif(sum(f.views), 0))::bigint
	FROM pageviews.session_figures(screens.since, screens.until, screens.site, screens.filters) AS f
	LEFT JOIN pageviews.sessions AS s ON s.session_id = f.session_id
	GROUP BY 1
	ORDER BY 2 DESC, 3 DESC, 1;
END;
COMMENT ON FUNCTION pageviews.screens(timestamptz, timestamptz, text, jsonb) IS
	'report: for each size of screen (CSS pixels), NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

REVOKE ALL ON FUNCTION
	pageviews.session_figures(timestamptz, timestamptz, text, jsonb),
	pageviews.countries(timestamptz, timestamptz, text, jsonb),
	pageviews.browsers(timestamptz, timestamptz, text, jsonb),
	pageviews.systems(timestamptz, timestamptz, text, jsonb),
	pageviews.devices(timestamptz, timestamptz, text, jsonb),
	pageviews.languages(timestamptz, timestamptz, text, jsonb),
	pageviews.screens(timestamptz, timestamptz, text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.session_figures(timestamptz, timestamptz, text, jsonb),
	pageviews.countries(timestamptz, timestamptz, text, jsonb),
	pageviews.browsers(timestamptz, timestamptz, text, jsonb),
	pageviews.systems(timestamptz, timestamptz, text, jsonb),
	pageviews.devices(timestamptz, timestamptz, text, jsonb),
	pageviews.languages(timestamptz, timestamptz, text, jsonb),
	pageviews.screens(timestamptz, timestamptz, text, jsonb)
TO pageviews_reader, pageviews_site_reader;

