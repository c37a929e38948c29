-- ---------------------------------------------------------------------------
-- Reports: totals, time, pages
--
-- All reports take (since, until, site, filters), half-open: since <= started_at <
-- until, and then what is their own.  They leave robots out, run with the rights of
-- their caller, and count views and visits where they begin.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.figures(
	bounds timestamptz[],
	site text,
	filters jsonb)
RETURNS TABLE (
	bucket integer, views bigint, visitors bigint, visits bigint, bounce_rate numeric, views_per_visit numeric, engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT b.bucket, coalesce(c.views, 0), coalesce(c.visitors, 0), coalesce(c.visits, 0),
		   c.bounces::numeric / nullif(c.visits, 0),
		   c.visit_views::numeric / nullif(c.visits, 0),
		   coalesce(c.engagement_ms, 0),
		   round(c.engagement_ms::numeric / nullif(c.views, 0))::bigint,
		   c.engagement_median_ms, c.engagement_p90_ms
	FROM generate_series(1, cardinality(figures.bounds) - 1) AS b (bucket)
	LEFT JOIN pageviews.cells(figures.bounds, figures.site, 'all', figures.filters) AS c ON c.bucket = b.bucket;
END;
COMMENT ON FUNCTION pageviews.figures(timestamptz[], text, jsonb) IS
	'the totals from each bound to the next, rates not rounded: what pageviews.summary() compares and pageviews.timeline() shows';

CREATE FUNCTION pageviews.summary(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	views bigint, visitors bigint, visits bigint, bounce_rate numeric, views_per_visit numeric, engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint,
	views_before bigint, visitors_before bigint, visits_before bigint, bounce_rate_before numeric, views_per_visit_before numeric, engagement_total_ms_before bigint, engagement_mean_ms_before bigint, engagement_median_ms_before bigint, engagement_p90_ms_before bigint,
	views_change numeric, visitors_change numeric, visits_change numeric, bounce_rate_change numeric, views_per_visit_change numeric, engagement_total_ms_change numeric, engagement_mean_ms_change numeric, engagement_median_ms_change numeric, engagement_p90_ms_change numeric)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH f AS MATERIALIZED (
		SELECT g.*
		FROM pageviews.figures(
			ARRAY[CASE WHEN isfinite(summary.since) AND isfinite(summary.until) THEN summary.since - (summary.until - summary.since) ELSE summary.since END,
				  summary.since, summary.until],
			summary.site, summary.filters) AS g
	)
	SELECT n.views, n.visitors, n.visits, round(n.bounce_rate, 4), round(n.views_per_visit, 2), n.engagement_total_ms, n.engagement_mean_ms, n.engagement_median_ms, n.engagement_p90_ms,
		   b.views, b.visitors, b.visits, round(b.bounce_rate, 4), round(b.views_per_visit, 2), b.engagement_total_ms, b.engagement_mean_ms, b.engagement_median_ms, b.engagement_p90_ms,
		   round((n.views - b.views)::numeric / nullif(b.views, 0), 4),
		   round((n.visitors - b.visitors)::numeric / nullif(b.visitors, 0), 4),
		   round((n.visits - b.visits)::numeric / nullif(b.visits, 0), 4),
		   round((n.bounce_rate - b.bounce_rate) / nullif(b.bounce_rate, 0), 4),
		   round((n.views_per_visit - b.views_per_visit) / nullif(b.views_per_visit, 0), 4),
		   round((n.engagement_total_ms - b.engagement_total_ms)::numeric / nullif(b.engagement_total_ms, 0), 4),
		   round((n.engagement_mean_ms - b.engagement_mean_ms)::numeric / nullif(b.engagement_mean_ms, 0), 4),
		   round((n.engagement_median_ms - b.engagement_median_ms)::numeric / nullif(b.engagement_median_ms, 0), 4),
		   round((n.engagement_p90_ms - b.engagement_p90_ms)::numeric / nullif(b.engagement_p90_ms, 0), 4)
	FROM f AS n, f AS b
	WHERE n.bucket = 2 AND b.bucket = 1;
END;
COMMENT ON FUNCTION pageviews.summary(timestamptz, timestamptz, text, jsonb) IS
	'report, one row: views, visitors (distinct sessions), visits, bounce_rate (bounces a visit, 0 to 1), views_per_visit, and engagement of a view; the same of the period of the same length before it (_before), and by which part of that each changed (_change: 0.25 is a quarter more)';

CREATE FUNCTION pageviews.bucket_starts(since timestamptz, until timestamptz, bucket interval, zone text)
RETURNS timestamptz[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF since IS NULL OR until IS NULL OR bucket IS NULL THEN
		RETURN NULL;
	END IF;
	IF NOT isfinite(since) OR NOT isfinite(until) THEN
		RAISE EXCEPTION 'since and until must be finite'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF since >= until THEN
		RETURN '{}';
	END IF;
	IF bucket <= interval '0' THEN
		RAISE EXCEPTION 'bucket must be longer than zero'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF extract(epoch FROM until - since) / extract(epoch FROM bucket) > 100000 THEN
		RAISE EXCEPTION 'the period has more than 100,000 buckets'
			USING ERRCODE = 'program_limit_exceeded',
				  HINT = 'Take a longer bucket or a shorter period.';
	END IF;
	-- Months and days are those of the zone; what is shorter begins at midnight there.
	IF bucket < interval '1 day' THEN
		RETURN ARRAY(SELECT s
					 FROM generate_series(date_bin(bucket, since, pageviews.from_local_time(date_trunc('day', pageviews.local_time(since, zone)), zone)), until, bucket) AS s
					 WHERE s < until);
	END IF;
	RETURN ARRAY(SELECT b.start
				 FROM generate_series(date_trunc(CASE WHEN extract(month FROM bucket) <> 0 THEN 'month' WHEN extract(year FROM bucket) <> 0 THEN 'year' ELSE 'day' END,
												 pageviews.local_time(since, zone)),
									  pageviews.local_time(until, zone), bucket) AS s,
				 LATERAL (SELECT pageviews.from_local_time(s, zone) AS start) AS b
				 WHERE b.start < until);
END
$$;
COMMENT ON FUNCTION pageviews.bucket_starts(timestamptz, timestamptz, interval, text) IS 'when each bucket of a timeline begins, in a time zone';

CREATE FUNCTION pageviews.timeline(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL,
	bucket interval DEFAULT '1 day')
RETURNS TABLE (
	bucket timestamptz, views bigint, visitors bigint, visits bigint,
	engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT b.starts[f.bucket], f.views, f.visitors, f.visits, f.engagement_total_ms, f.engagement_mean_ms, f.engagement_median_ms, f.engagement_p90_ms
	FROM (SELECT pageviews.bucket_starts(timeline.since, timeline.until, timeline.bucket, pageviews.site_time_zone(timeline.site)) AS starts) AS b,
		 -- The first one may have begun before the period.
		 pageviews.figures(timeline.since || b.starts[2:] || timeline.until, timeline.site, timeline.filters) AS f
	WHERE cardinality(b.starts) > 0
	ORDER BY f.bucket;
END;
COMMENT ON FUNCTION pageviews.timeline(timestamptz, timestamptz, text, jsonb, interval) IS
	'report: views, visitors (distinct sessions), visits that began and engagement of a view for each bucket of time, also for those without a view; days and longer are those of the site''s time zone (pageviews.sites), else of whoever asks';

CREATE FUNCTION pageviews.pages(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	path text, views bigint, visitors bigint,
	engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint,
	exits bigint, visits bigint, entries bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.views, c.visitors,
		   c.engagement_ms, round(c.engagement_ms::numeric / c.views)::bigint, c.engagement_median_ms, c.engagement_p90_ms,
		   c.exits, c.visits, c.entries
	FROM pageviews.cells(ARRAY[pages.since, pages.until], pages.site, 'page', pages.filters) AS c
	ORDER BY c.views DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.pages(timestamptz, timestamptz, text, jsonb) IS
	'report: for each path its views, visitors (distinct sessions), engagement of a view, exits (views that were the last of their visit), visits (that came to it) and entries (views that were the first of their visit)';

CREATE FUNCTION pageviews.entry_pages(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	path text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.visits, c.visitors, c.bounces,
		   round(c.bounces::numeric / c.visits, 4),
		   c.views,
		   round(c.views::numeric / c.visits, 2),
		   round(c.engagement_ms::numeric / c.visits)::bigint
	FROM pageviews.cells(ARRAY[entry_pages.since, entry_pages.until], entry_pages.site, 'entry', entry_pages.filters) AS c
	ORDER BY c.visits DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.entry_pages(timestamptz, timestamptz, text, jsonb) IS
	'report: for each path the visits that began with it: visits, visitors (distinct sessions), bounces, bounce_rate (0 to 1), views of these visits, views_per_visit, and the mean engagement of a visit';

CREATE FUNCTION pageviews.exit_pages(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	path text, exits bigint, views bigint, exit_rate numeric)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.exits, c.views, round(c.exits::numeric / c.views, 4)
	FROM pageviews.cells(ARRAY[exit_pages.since, exit_pages.until], exit_pages.site, 'page', exit_pages.filters, counters_only => true) AS c
	WHERE c.exits > 0
	ORDER BY c.exits DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.exit_pages(timestamptz, timestamptz, text, jsonb) IS
	'report: for each path its exits (views that were the last of their visit), its views, and exit_rate (exits a view, 0 to 1)';

REVOKE ALL ON FUNCTION
	pageviews.figures(timestamptz[], text, jsonb),
	pageviews.summary(timestamptz, timestamptz, text, jsonb),
	pageviews.bucket_starts(timestamptz, timestamptz, interval, text),
	pageviews.timeline(timestamptz, timestamptz, text, jsonb, interval),
	pageviews.pages(timestamptz, timestamptz, text, jsonb),
	pageviews.entry_pages(timestamptz, timestamptz, text, jsonb),
	pageviews.exit_pages(timestamptz, timestamptz, text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.figures(timestamptz[], text, jsonb),
	pageviews.summary(timestamptz, timestamptz, text, jsonb),
	pageviews.bucket_starts(timestamptz, timestamptz, interval, text),
	pageviews.timeline(timestamptz, timestamptz, text, jsonb, interval),
	pageviews.pages(timestamptz, timestamptz, text, jsonb),
	pageviews.entry_pages(timestamptz, timestamptz, text, jsonb),
	pageviews.exit_pages(timestamptz, timestamptz, text, jsonb)
TO pageviews_reader, pageviews_site_reader;

