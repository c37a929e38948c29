-- ---------------------------------------------------------------------------
-- Reports: totals, time, pages
--
-- All reports take (since, until, site, filters), half-open: since <= started_at <
-- until, and then what is their own.  They leave robots out, run with the rights of
-- their caller, and count a visit where it begins.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.figures(
	since timestamptz,
	until timestamptz,
	site text,
	filters jsonb)
RETURNS TABLE (
	views bigint, visitors bigint, visits bigint, bounce_rate numeric, views_per_visit numeric, engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT v.views, v.visitors, t.visits,
		   t.bounces::numeric / nullif(t.visits, 0),
		   t.views::numeric / nullif(t.visits, 0),
		   v.total, v.mean, v.median, v.p90
	FROM (SELECT count(*) AS views,
				 count(DISTINCT c.session_id) AS visitors,
				 coalesce(sum(c.engagement_ms), 0) AS total,
				 round(avg(c.engagement_ms))::bigint AS mean,
				 round(percentile_cont(0.5) WITHIN GROUP (ORDER BY c.engagement_ms))::bigint AS median,
				 round(percentile_cont(0.9) WITHIN GROUP (ORDER BY c.engagement_ms))::bigint AS p90
		  FROM pageviews.chosen_views(figures.since, figures.until, figures.site, figures.filters) AS c) AS v,
		 (SELECT count(*) AS visits, count(*) FILTER (WHERE c.bounce) AS bounces, sum(c.views) AS views
		  FROM pageviews.chosen_visits(figures.since, figures.until, figures.site, figures.filters) AS c) AS t;
END;
COMMENT ON FUNCTION pageviews.figures(timestamptz, timestamptz, text, jsonb) IS
	'the totals of a period, rates not rounded: what pageviews.summary() compares';

CREATE FUNCTION pageviews.summary(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	views bigint, visitors bigint, visits bigint, bounce_rate numeric, views_per_visit numeric, engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint,
	views_before bigint, visitors_before bigint, visits_before bigint, bounce_rate_before numeric, views_per_visit_before numeric, engagement_total_ms_before bigint, engagement_mean_ms_before bigint, engagement_median_ms_before bigint, engagement_p90_ms_before bigint,
	views_change numeric, visitors_change numeric, visits_change numeric, bounce_rate_change numeric, views_per_visit_change numeric, engagement_total_ms_change numeric, engagement_mean_ms_change numeric, engagement_median_ms_change numeric, engagement_p90_ms_change numeric)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
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
	FROM pageviews.figures(summary.since, summary.until, summary.site, summary.filters) AS n,
		 pageviews.figures(
			 CASE WHEN isfinite(summary.since) AND isfinite(summary.until) THEN summary.since - (summary.until - summary.since) END,
			 CASE WHEN isfinite(summary.since) AND isfinite(summary.until) THEN summary.since END,
			 summary.site, summary.filters) AS b;
END;
COMMENT ON FUNCTION pageviews.summary(timestamptz, timestamptz, text, jsonb) IS
	'report, one row: views, visitors (distinct sessions), visits, bounce_rate (bounces a visit, 0 to 1), views_per_visit, and engagement of a view; the same of the period of the same length before it (_before), and by which part of that each changed (_change: 0.25 is a quarter more)';

CREATE FUNCTION pageviews.bucket_starts(since timestamptz, until timestamptz, bucket interval)
RETURNS timestamptz[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	origin timestamptz;
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
	-- In the time zone of the session: months and days as they are there, shorter ones from midnight.
	origin := CASE
		WHEN extract(year FROM bucket) <> 0 OR extract(month FROM bucket) <> 0 THEN date_trunc('month', since)
		WHEN bucket >= interval '1 day' THEN date_trunc('day', since)
		ELSE date_bin(bucket, since, date_trunc('day', since))
	END;
	RETURN ARRAY(SELECT s FROM generate_series(origin, until, bucket) AS s WHERE s < until);
END
$$;
COMMENT ON FUNCTION pageviews.bucket_starts(timestamptz, timestamptz, interval) IS 'when each bucket of a timeline begins';

CREATE FUNCTION pageviews.timeline(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL,
	bucket interval DEFAULT '1 day')
RETURNS TABLE (
	bucket timestamptz, views bigint, visitors bigint, visits bigint,
	engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH b AS MATERIALIZED (
		SELECT pageviews.bucket_starts(timeline.since, timeline.until, timeline.bucket) AS starts
	), g AS (
		SELECT width_bucket(v.started_at, (SELECT b.starts FROM b)) AS number,
			   count(*) AS views,
			   count(DISTINCT v.session_id) AS visitors,
			   sum(v.engagement_ms) AS total,
			   round(avg(v.engagement_ms))::bigint AS mean,
			   round(percentile_cont(0.5) WITHIN GROUP (ORDER BY v.engagement_ms))::bigint AS median,
			   round(percentile_cont(0.9) WITHIN GROUP (ORDER BY v.engagement_ms))::bigint AS p90
		FROM pageviews.chosen_views(timeline.since, timeline.until, timeline.site, timeline.filters) AS v
		GROUP BY 1
	), t AS (
		SELECT width_bucket(c.started_at, (SELECT b.starts FROM b)) AS number, count(*) AS visits
		FROM pageviews.chosen_visits(timeline.since, timeline.until, timeline.site, timeline.filters) AS c
		GROUP BY 1
	)
	SELECT s.start, coalesce(g.views, 0), coalesce(g.visitors, 0), coalesce(t.visits, 0), coalesce(g.total, 0), g.mean, g.median, g.p90
	FROM b, unnest(b.starts) WITH ORDINALITY AS s (start, number)
	LEFT JOIN g ON g.number = s.number
	LEFT JOIN t ON t.number = s.number
	ORDER BY s.start;
END;
COMMENT ON FUNCTION pageviews.timeline(timestamptz, timestamptz, text, jsonb, interval) IS
	'report: views, visitors (distinct sessions), visits that began and engagement of a view for each bucket of time, also for those without a view; days and longer are those of the time zone of the database session';

CREATE FUNCTION pageviews.pages(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	path text, views bigint, visitors bigint,
	engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint,
	exits bigint, visits bigint, entries bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT v.path,
		   count(*),
		   count(DISTINCT v.session_id),
		   sum(v.engagement_ms),
		   round(avg(v.engagement_ms))::bigint,
		   round(percentile_cont(0.5) WITHIN GROUP (ORDER BY v.engagement_ms))::bigint,
		   round(percentile_cont(0.9) WITHIN GROUP (ORDER BY v.engagement_ms))::bigint,
		   count(*) FILTER (WHERE v.exit),
		   count(*) FILTER (WHERE v.number = 1),
		   count(*) FILTER (WHERE v.entry)
	FROM (SELECT c.path, c.session_id, c.started_at, c.engagement_ms, c.entry, c.exit,
				 row_number() OVER (PARTITION BY c.session_id, c.site, c.visit_at, c.path ORDER BY c.started_at, c.view_id) AS number
		  FROM pageviews.chosen_visit_views(pages.since, pages.until, pages.site, pages.filters) AS c) AS v
	WHERE v.started_at >= pages.since AND v.started_at < pages.until
	GROUP BY v.path
	ORDER BY count(*) DESC, v.path;
END;
COMMENT ON FUNCTION pageviews.pages(timestamptz, timestamptz, text, jsonb) IS
	'report: for each path its views, visitors (distinct sessions), engagement of a view, exits (views that were the last of their visit), visits (that came to it first in the period) and entries (views that were the first of their visit)';

CREATE FUNCTION pageviews.entry_pages(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	path text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT t.entry_path,
		   count(*),
		   count(DISTINCT t.session_id),
		   count(*) FILTER (WHERE t.bounce),
		   round(count(*) FILTER (WHERE t.bounce)::numeric / count(*), 4),
		   sum(t.views)::bigint,
		   round(avg(t.views), 2),
		   round(avg(t.engagement_ms))::bigint
	FROM pageviews.chosen_visits(entry_pages.since, entry_pages.until, entry_pages.site, entry_pages.filters) AS t
	GROUP BY t.entry_path
	ORDER BY count(*) DESC, t.entry_path;
END;
COMMENT ON FUNCTION pageviews.entry_pages(timestamptz, timestamptz, text, jsonb) IS
	'report: for each path the visits that began with it: visits, visitors (distinct sessions), bounces, bounce_rate (0 to 1), views of these visits, views_per_visit, and the mean engagement of a visit';

CREATE FUNCTION pageviews.exit_pages(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	path text, exits bigint, visitors bigint, views bigint, exit_rate numeric)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT v.path,
		   count(*) FILTER (WHERE v.exit),
		   count(DISTINCT v.session_id) FILTER (WHERE v.exit),
		   count(*),
		   round(count(*) FILTER (WHERE v.exit)::numeric / count(*), 4)
	FROM pageviews.chosen_visit_views(exit_pages.since, exit_pages.until, exit_pages.site, exit_pages.filters) AS v
	WHERE v.started_at >= exit_pages.since AND v.started_at < exit_pages.until
	GROUP BY v.path
	HAVING bool_or(v.exit)
	ORDER BY count(*) FILTER (WHERE v.exit) DESC, v.path;
END;
COMMENT ON FUNCTION pageviews.exit_pages(timestamptz, timestamptz, text, jsonb) IS
	'report: for each path its exits (views that were the last of their visit), by how many visitors (distinct sessions), its views, and exit_rate (exits a view, 0 to 1)';

REVOKE ALL ON FUNCTION
	pageviews.figures(timestamptz, timestamptz, text, jsonb),
	pageviews.summary(timestamptz, timestamptz, text, jsonb),
	pageviews.bucket_starts(timestamptz, timestamptz, interval),
	pageviews.timeline(timestamptz, timestamptz, text, jsonb, interval),
	pageviews.pages(timestamptz, timestamptz, text, jsonb),
	pageviews.entry_pages(timestamptz, timestamptz, text, jsonb),
	pageviews.exit_pages(timestamptz, timestamptz, text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.figures(timestamptz, timestamptz, text, jsonb),
	pageviews.summary(timestamptz, timestamptz, text, jsonb),
	pageviews.bucket_starts(timestamptz, timestamptz, interval),
	pageviews.timeline(timestamptz, timestamptz, text, jsonb, interval),
	pageviews.pages(timestamptz, timestamptz, text, jsonb),
	pageviews.entry_pages(timestamptz, timestamptz, text, jsonb),
	pageviews.exit_pages(timestamptz, timestamptz, text, jsonb)
TO pageviews_reader, pageviews_site_reader;

