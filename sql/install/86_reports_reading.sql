-- ---------------------------------------------------------------------------
-- Reports: how long, and how far, people read
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.engagement_histogram(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL,
	path text DEFAULT NULL)
RETURNS TABLE (
	from_ms bigint, to_ms bigint, views bigint, share numeric)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH e AS MATERIALIZED (
		SELECT ARRAY[0, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000]::bigint[] AS edges
	), g AS (
		SELECT width_bucket(v.engagement_ms::bigint, (SELECT e.edges FROM e)) AS number, count(*) AS views
		FROM pageviews.chosen_views(engagement_histogram.since, engagement_histogram.until, engagement_histogram.site, engagement_histogram.filters) AS v
		WHERE engagement_histogram.path IS NULL OR v.path LIKE pageviews.like_pattern(engagement_histogram.path)
		GROUP BY 1
	)
	SELECT s.edge, e.edges[s.number + 1], coalesce(g.views, 0),
		   round(coalesce(g.views, 0) / nullif(sum(g.views) OVER (), 0), 4)
	FROM e, unnest(e.edges) WITH ORDINALITY AS s (edge, number)
	LEFT JOIN g ON g.number = s.number
	ORDER BY s.number;
END;
COMMENT ON FUNCTION pageviews.engagement_histogram(timestamptz, timestamptz, text, jsonb, text) IS
	'report: how many views (of the paths like a pattern, where a star is any text) had an engagement of at least from_ms and less than to_ms, NULL for no limit, and which share of all (0 to 1)';

CREATE FUNCTION pageviews.scroll_depth(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL,
	path text DEFAULT NULL)
RETURNS TABLE (
	depth integer, views bigint, share numeric)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH g AS MATERIALIZED (
		SELECT v.scroll_depth AS depth, count(*) AS views
		FROM pageviews.chosen_views(scroll_depth.since, scroll_depth.until, scroll_depth.site, scroll_depth.filters) AS v
		WHERE v.scroll_depth IS NOT NULL
			AND (scroll_depth.path IS NULL OR v.path LIKE pageviews.like_pattern(scroll_depth.path))
		GROUP BY v.scroll_depth
	)
	SELECT s.depth,
		   coalesce(sum(g.views) FILTER (WHERE g.depth >= s.depth), 0)::bigint,
		   round(coalesce(sum(g.views) FILTER (WHERE g.depth >= s.depth), 0) / nullif(sum(g.views), 0), 4)
	FROM generate_series(0, 100, 10) AS s (depth)
	LEFT JOIN g ON true
	GROUP BY s.depth
	ORDER BY s.depth;
END;
COMMENT ON FUNCTION pageviews.scroll_depth(timestamptz, timestamptz, text, jsonb, text) IS
	'report: how many views (of the paths like a pattern, where a star is any text) saw at least this per cent of the page, and which share of those of which it is known (0 to 1)';

REVOKE ALL ON FUNCTION
	pageviews.engagement_histogram(timestamptz, timestamptz, text, jsonb, text),
	pageviews.scroll_depth(timestamptz, timestamptz, text, jsonb, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.engagement_histogram(timestamptz, timestamptz, text, jsonb, text),
	pageviews.scroll_depth(timestamptz, timestamptz, text, jsonb, text)
TO pageviews_reader, pageviews_site_reader;

