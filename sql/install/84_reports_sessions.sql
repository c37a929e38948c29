-- ---------------------------------------------------------------------------
-- Reports: with what, and in which language, people visit
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.countries(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	country text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.visitors, c.visits, c.views,
		   round(c.bounces::numeric / nullif(c.visits, 0), 4),
		   c.engagement_ms,
		   round(c.engagement_ms::numeric / nullif(c.views, 0))::bigint
	FROM pageviews.cells(ARRAY[countries.since, countries.until], countries.site, 'country', countries.filters) AS c
	ORDER BY c.visitors DESC, c.visits DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.countries(timestamptz, timestamptz, text, jsonb) IS
	'report: for each country (two letters, as a trusted proxy said), NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

CREATE FUNCTION pageviews.browsers(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	browser text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.visitors, c.visits, c.views,
		   round(c.bounces::numeric / nullif(c.visits, 0), 4),
		   c.engagement_ms,
		   round(c.engagement_ms::numeric / nullif(c.views, 0))::bigint
	FROM pageviews.cells(ARRAY[browsers.since, browsers.until], browsers.site, 'browser', browsers.filters) AS c
	ORDER BY c.visitors DESC, c.visits DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.browsers(timestamptz, timestamptz, text, jsonb) IS
	'report: for each browser, NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

CREATE FUNCTION pageviews.systems(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	system text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.visitors, c.visits, c.views,
		   round(c.bounces::numeric / nullif(c.visits, 0), 4),
		   c.engagement_ms,
		   round(c.engagement_ms::numeric / nullif(c.views, 0))::bigint
	FROM pageviews.cells(ARRAY[systems.since, systems.until], systems.site, 'system', systems.filters) AS c
	ORDER BY c.visitors DESC, c.visits DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.systems(timestamptz, timestamptz, text, jsonb) IS
	'report: for each operating system, NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

CREATE FUNCTION pageviews.devices(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	device text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.visitors, c.visits, c.views,
		   round(c.bounces::numeric / nullif(c.visits, 0), 4),
		   c.engagement_ms,
		   round(c.engagement_ms::numeric / nullif(c.views, 0))::bigint
	FROM pageviews.cells(ARRAY[devices.since, devices.until], devices.site, 'device', devices.filters) AS c
	ORDER BY c.visitors DESC, c.visits DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.devices(timestamptz, timestamptz, text, jsonb) IS
	'report: for each kind of device (desktop, mobile, tablet, tv, console), NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

CREATE FUNCTION pageviews.languages(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	language text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.visitors, c.visits, c.views,
		   round(c.bounces::numeric / nullif(c.visits, 0), 4),
		   c.engagement_ms,
		   round(c.engagement_ms::numeric / nullif(c.views, 0))::bigint
	FROM pageviews.cells(ARRAY[languages.since, languages.until], languages.site, 'language', languages.filters) AS c
	ORDER BY c.visitors DESC, c.visits DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.languages(timestamptz, timestamptz, text, jsonb) IS
	'report: for each language that browsers prefer, NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

CREATE FUNCTION pageviews.screens(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	screen text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.visitors, c.visits, c.views,
		   round(c.bounces::numeric / nullif(c.visits, 0), 4),
		   c.engagement_ms,
		   round(c.engagement_ms::numeric / nullif(c.views, 0))::bigint
	FROM pageviews.cells(ARRAY[screens.since, screens.until], screens.site, 'screen', screens.filters) AS c
	ORDER BY c.visitors DESC, c.visits DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.screens(timestamptz, timestamptz, text, jsonb) IS
	'report: for each size of screen (CSS pixels), NULL if unknown: visitors (distinct sessions), visits that began, views, bounce_rate (bounces a visit, 0 to 1), total and mean engagement of a view';

REVOKE ALL ON FUNCTION
	pageviews.countries(timestamptz, timestamptz, text, jsonb),
	pageviews.browsers(timestamptz, timestamptz, text, jsonb),
	pageviews.systems(timestamptz, timestamptz, text, jsonb),
	pageviews.devices(timestamptz, timestamptz, text, jsonb),
	pageviews.languages(timestamptz, timestamptz, text, jsonb),
	pageviews.screens(timestamptz, timestamptz, text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.countries(timestamptz, timestamptz, text, jsonb),
	pageviews.browsers(timestamptz, timestamptz, text, jsonb),
	pageviews.systems(timestamptz, timestamptz, text, jsonb),
	pageviews.devices(timestamptz, timestamptz, text, jsonb),
	pageviews.languages(timestamptz, timestamptz, text, jsonb),
	pageviews.screens(timestamptz, timestamptz, text, jsonb)
TO pageviews_reader, pageviews_site_reader;

