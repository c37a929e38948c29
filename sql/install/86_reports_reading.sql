-- ---------------------------------------------------------------------------
-- Reports: how long, and how far, people read
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.engagement_counts(since timestamptz, until timestamptz, site text, filters jsonb, path text, edges bigint[])
RETURNS bigint[]
LANGUAGE c STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'pageviews_engagement_counts';
COMMENT ON FUNCTION pageviews.engagement_counts(timestamptz, timestamptz, text, jsonb, text, bigint[]) IS
	'how many views (of the paths like a pattern) had an engagement from each edge to the next, in milliseconds: what pageviews.engagement_histogram() reports';

CREATE FUNCTION pageviews.scroll_counts(since timestamptz, until timestamptz, site text, filters jsonb, path text)
RETURNS bigint[]
LANGUAGE c STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'pageviews_scroll_counts';
COMMENT ON FUNCTION pageviews.scroll_counts(timestamptz, timestamptz, text, jsonb, text) IS
	'how many views (of the paths like a pattern) saw 0, 1 ... 100 per cent of the page: what pageviews.scroll_depth() reports';

CREATE TYPE pageviews.engagement_histogram_row AS (
	from_ms bigint, to_ms bigint, views bigint, share numeric
);
COMMENT ON TYPE pageviews.engagement_histogram_row IS 'a row of pageviews.engagement_histogram(): a range of engagement and the views in it';
COMMENT ON COLUMN pageviews.engagement_histogram_row.from_ms IS 'shortest engagement of the range, milliseconds';
COMMENT ON COLUMN pageviews.engagement_histogram_row.to_ms IS 'where the next range begins, milliseconds; NULL: no limit';
COMMENT ON COLUMN pageviews.engagement_histogram_row.views IS 'views that began in the period and had an engagement of at least from_ms and less than to_ms';
COMMENT ON COLUMN pageviews.engagement_histogram_row.share IS 'these as a part of the views of all ranges, from 0 to 1; NULL if there is none';

CREATE FUNCTION pageviews.engagement_histogram(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL,
	path text DEFAULT NULL)
RETURNS SETOF pageviews.engagement_histogram_row
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH e AS MATERIALIZED (
		SELECT ARRAY[0, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000]::bigint[] AS edges
	), c AS MATERIALIZED (
		SELECT pageviews.engagement_counts(engagement_histogram.since, engagement_histogram.until, engagement_histogram.site, engagement_histogram.filters,
										   engagement_histogram.path, e.edges) AS counts
		FROM e
	)
	SELECT s.edge, e.edges[s.number + 1], s.views,
		   round(s.views / nullif(sum(s.views) OVER (), 0), 4)
	FROM e, c, unnest(e.edges, c.counts) WITH ORDINALITY AS s (edge, views, number)
	ORDER BY s.number;
END;
COMMENT ON FUNCTION pageviews.engagement_histogram(timestamptz, timestamptz, text, jsonb, text) IS
	'report: how long people read; path is a pattern of paths, where a star is any text, NULL for all';

CREATE TYPE pageviews.scroll_depth_row AS (
	depth integer, views bigint, share numeric
);
COMMENT ON TYPE pageviews.scroll_depth_row IS 'a row of pageviews.scroll_depth(): a part of the page and the views that saw so much of it';
COMMENT ON COLUMN pageviews.scroll_depth_row.depth IS 'per cent of the page: 0, 10 ... 100';
COMMENT ON COLUMN pageviews.scroll_depth_row.views IS 'views that began in the period and saw at least so much; views of which it is not known are left out';
COMMENT ON COLUMN pageviews.scroll_depth_row.share IS 'these as a part of the views of which it is known, from 0 to 1; NULL if there is none';

CREATE FUNCTION pageviews.scroll_depth(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL,
	path text DEFAULT NULL)
RETURNS SETOF pageviews.scroll_depth_row
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH g AS MATERIALIZED (
		SELECT c.number - 1 AS depth, c.views
		FROM unnest(pageviews.scroll_counts(scroll_depth.since, scroll_depth.until, scroll_depth.site, scroll_depth.filters, scroll_depth.path))
			WITH ORDINALITY AS c (views, number)
	)
	SELECT s.depth,
		   (sum(g.views) FILTER (WHERE g.depth >= s.depth))::bigint,
		   round(sum(g.views) FILTER (WHERE g.depth >= s.depth) / nullif(sum(g.views), 0), 4)
	FROM generate_series(0, 100, 10) AS s (depth), g
	GROUP BY s.depth
	ORDER BY s.depth;
END;
COMMENT ON FUNCTION pageviews.scroll_depth(timestamptz, timestamptz, text, jsonb, text) IS
	'report: how far people read; path is a pattern of paths, where a star is any text, NULL for all';

REVOKE ALL ON TYPE
	pageviews.engagement_histogram_row,
	pageviews.scroll_depth_row
FROM PUBLIC;
GRANT USAGE ON TYPE
	pageviews.engagement_histogram_row,
	pageviews.scroll_depth_row
TO pageviews_reader, pageviews_site_reader;
REVOKE ALL ON FUNCTION
	pageviews.engagement_counts(timestamptz, timestamptz, text, jsonb, text, bigint[]),
	pageviews.scroll_counts(timestamptz, timestamptz, text, jsonb, text),
	pageviews.engagement_histogram(timestamptz, timestamptz, text, jsonb, text),
	pageviews.scroll_depth(timestamptz, timestamptz, text, jsonb, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.engagement_counts(timestamptz, timestamptz, text, jsonb, text, bigint[]),
	pageviews.scroll_counts(timestamptz, timestamptz, text, jsonb, text),
	pageviews.engagement_histogram(timestamptz, timestamptz, text, jsonb, text),
	pageviews.scroll_depth(timestamptz, timestamptz, text, jsonb, text)
TO pageviews_reader, pageviews_site_reader;

