-- ---------------------------------------------------------------------------
-- Reports: with what, and in which language, people visit
-- ---------------------------------------------------------------------------

CREATE TYPE pageviews.countries_row AS (
	country text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint
);
COMMENT ON TYPE pageviews.countries_row IS 'a row of pageviews.countries(): a country and who visited from there';
COMMENT ON COLUMN pageviews.countries_row.country IS 'two capital letters, as a trusted proxy said (pageviews.country_header); NULL if unknown';
COMMENT ON COLUMN pageviews.countries_row.visitors IS 'distinct sessions of these views; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.countries_row.visits IS 'visits that began in the period';
COMMENT ON COLUMN pageviews.countries_row.views IS 'views that began in the period';
COMMENT ON COLUMN pageviews.countries_row.bounce_rate IS 'bounces (visits of one view with less engagement than pageviews.bounce_engagement) a visit, from 0 to 1; NULL if no visit began';
COMMENT ON COLUMN pageviews.countries_row.engagement_total_ms IS 'engagement of these views together: milliseconds in which their pages were visible';
COMMENT ON COLUMN pageviews.countries_row.engagement_mean_ms IS 'mean engagement of a view, milliseconds; NULL if no view began';

CREATE FUNCTION pageviews.countries(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.countries_row
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
	'report: by country, the most visitors first';

CREATE TYPE pageviews.browsers_row AS (
	browser text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint
);
COMMENT ON TYPE pageviews.browsers_row IS 'a row of pageviews.browsers(): a browser and who visited with it';
COMMENT ON COLUMN pageviews.browsers_row.browser IS 'the browser, as uap-core calls it, as in "Chrome Mobile"; NULL if unknown';
COMMENT ON COLUMN pageviews.browsers_row.visitors IS 'distinct sessions of these views; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.browsers_row.visits IS 'visits that began in the period';
COMMENT ON COLUMN pageviews.browsers_row.views IS 'views that began in the period';
COMMENT ON COLUMN pageviews.browsers_row.bounce_rate IS 'bounces (visits of one view with less engagement than pageviews.bounce_engagement) a visit, from 0 to 1; NULL if no visit began';
COMMENT ON COLUMN pageviews.browsers_row.engagement_total_ms IS 'engagement of these views together: milliseconds in which their pages were visible';
COMMENT ON COLUMN pageviews.browsers_row.engagement_mean_ms IS 'mean engagement of a view, milliseconds; NULL if no view began';

CREATE FUNCTION pageviews.browsers(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.browsers_row
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
	'report: by browser, the most visitors first';

CREATE TYPE pageviews.systems_row AS (
	system text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint
);
COMMENT ON TYPE pageviews.systems_row IS 'a row of pageviews.systems(): an operating system and who visited with it';
COMMENT ON COLUMN pageviews.systems_row.system IS 'the operating system, as uap-core calls it, as in "Windows"; NULL if unknown';
COMMENT ON COLUMN pageviews.systems_row.visitors IS 'distinct sessions of these views; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.systems_row.visits IS 'visits that began in the period';
COMMENT ON COLUMN pageviews.systems_row.views IS 'views that began in the period';
COMMENT ON COLUMN pageviews.systems_row.bounce_rate IS 'bounces (visits of one view with less engagement than pageviews.bounce_engagement) a visit, from 0 to 1; NULL if no visit began';
COMMENT ON COLUMN pageviews.systems_row.engagement_total_ms IS 'engagement of these views together: milliseconds in which their pages were visible';
COMMENT ON COLUMN pageviews.systems_row.engagement_mean_ms IS 'mean engagement of a view, milliseconds; NULL if no view began';

CREATE FUNCTION pageviews.systems(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.systems_row
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
	'report: by operating system, the most visitors first';

CREATE TYPE pageviews.devices_row AS (
	device text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint
);
COMMENT ON TYPE pageviews.devices_row IS 'a row of pageviews.devices(): a kind of device and who visited with one';
COMMENT ON COLUMN pageviews.devices_row.device IS 'desktop, mobile, tablet, tv or console; NULL if unknown';
COMMENT ON COLUMN pageviews.devices_row.visitors IS 'distinct sessions of these views; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.devices_row.visits IS 'visits that began in the period';
COMMENT ON COLUMN pageviews.devices_row.views IS 'views that began in the period';
COMMENT ON COLUMN pageviews.devices_row.bounce_rate IS 'bounces (visits of one view with less engagement than pageviews.bounce_engagement) a visit, from 0 to 1; NULL if no visit began';
COMMENT ON COLUMN pageviews.devices_row.engagement_total_ms IS 'engagement of these views together: milliseconds in which their pages were visible';
COMMENT ON COLUMN pageviews.devices_row.engagement_mean_ms IS 'mean engagement of a view, milliseconds; NULL if no view began';

CREATE FUNCTION pageviews.devices(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.devices_row
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
	'report: by kind of device, the most visitors first';

CREATE TYPE pageviews.languages_row AS (
	language text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint
);
COMMENT ON TYPE pageviews.languages_row IS 'a row of pageviews.languages(): a language and who visited with browsers that prefer it';
COMMENT ON COLUMN pageviews.languages_row.language IS 'the language that the browser prefers, as in "de-CH"; NULL if unknown';
COMMENT ON COLUMN pageviews.languages_row.visitors IS 'distinct sessions of these views; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.languages_row.visits IS 'visits that began in the period';
COMMENT ON COLUMN pageviews.languages_row.views IS 'views that began in the period';
COMMENT ON COLUMN pageviews.languages_row.bounce_rate IS 'bounces (visits of one view with less engagement than pageviews.bounce_engagement) a visit, from 0 to 1; NULL if no visit began';
COMMENT ON COLUMN pageviews.languages_row.engagement_total_ms IS 'engagement of these views together: milliseconds in which their pages were visible';
COMMENT ON COLUMN pageviews.languages_row.engagement_mean_ms IS 'mean engagement of a view, milliseconds; NULL if no view began';

CREATE FUNCTION pageviews.languages(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.languages_row
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
	'report: by language that browsers prefer, the most visitors first';

CREATE TYPE pageviews.screens_row AS (
	screen text, visitors bigint, visits bigint, views bigint, bounce_rate numeric, engagement_total_ms bigint, engagement_mean_ms bigint
);
COMMENT ON TYPE pageviews.screens_row IS 'a row of pageviews.screens(): a size of screen and who visited with one';
COMMENT ON COLUMN pageviews.screens_row.screen IS 'width and height of the screen in CSS pixels, as in "1920x1080"; NULL if unknown';
COMMENT ON COLUMN pageviews.screens_row.visitors IS 'distinct sessions of these views; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.screens_row.visits IS 'visits that began in the period';
COMMENT ON COLUMN pageviews.screens_row.views IS 'views that began in the period';
COMMENT ON COLUMN pageviews.screens_row.bounce_rate IS 'bounces (visits of one view with less engagement than pageviews.bounce_engagement) a visit, from 0 to 1; NULL if no visit began';
COMMENT ON COLUMN pageviews.screens_row.engagement_total_ms IS 'engagement of these views together: milliseconds in which their pages were visible';
COMMENT ON COLUMN pageviews.screens_row.engagement_mean_ms IS 'mean engagement of a view, milliseconds; NULL if no view began';

CREATE FUNCTION pageviews.screens(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.screens_row
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
	'report: by size of screen, the most visitors first';

REVOKE ALL ON TYPE
	pageviews.countries_row,
	pageviews.browsers_row,
	pageviews.systems_row,
	pageviews.devices_row,
	pageviews.languages_row,
	pageviews.screens_row
FROM PUBLIC;
GRANT USAGE ON TYPE
	pageviews.countries_row,
	pageviews.browsers_row,
	pageviews.systems_row,
	pageviews.devices_row,
	pageviews.languages_row,
	pageviews.screens_row
TO pageviews_reader, pageviews_site_reader;
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

