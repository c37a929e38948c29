-- ---------------------------------------------------------------------------
-- Reports: all of them take (since, until, site), half-open: since <= started_at < until
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.pages(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL)
RETURNS TABLE (
	path text, views bigint, visitors bigint,
	engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint,
	exits bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT v.path,
		   count(*),
		   count(DISTINCT v.session_id),
		   sum(v.engagement_ms),
		   round(avg(v.engagement_ms))::bigint,
		   round(percentile_cont(0.5) WITHIN GROUP (ORDER BY v.engagement_ms))::bigint,
		   round(percentile_cont(0.9) WITHIN GROUP (ORDER BY v.engagement_ms))::bigint,
		   count(*) FILTER (WHERE v.last)
	FROM (SELECT w.path, w.session_id, w.engagement_ms,
				 lead(false, 1, true) OVER (PARTITION BY w.session_id ORDER BY w.started_at, w.view_id) AS last
		  FROM pageviews.views AS w
		  WHERE w.started_at >= pages.since AND w.started_at < pages.until
			  AND (pages.site IS NULL OR w.site = pages.site)
			  AND NOT EXISTS (SELECT FROM pageviews.sessions AS s WHERE s.session_id = w.session_id AND s.robot)) AS v
	GROUP BY v.path
	ORDER BY count(*) DESC, v.path;
END;
COMMENT ON FUNCTION pageviews.pages(timestamptz, timestamptz, text) IS
	'report, without robots: for each path its views, visitors (distinct sessions), engagement, and exits (views that were the last of their session in the period)';

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
	bucket interval DEFAULT '1 day')
RETURNS TABLE (
	bucket timestamptz, views bigint, visitors bigint,
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
		FROM pageviews.views AS v
		WHERE v.started_at >= timeline.since AND v.started_at < timeline.until
			AND (timeline.site IS NULL OR v.site = timeline.site)
			AND NOT EXISTS (SELECT FROM pageviews.sessions AS s WHERE s.session_id = v.session_id AND s.robot)
		GROUP BY 1
	)
	SELECT s.start, coalesce(g.views, 0), coalesce(g.visitors, 0), coalesce(g.total, 0), g.mean, g.median, g.p90
	FROM b, unnest(b.starts) WITH ORDINALITY AS s (start, number)
	LEFT JOIN g ON g.number = s.number
	ORDER BY s.start;
END;
COMMENT ON FUNCTION pageviews.timeline(timestamptz, timestamptz, text, interval) IS
	'report, without robots: views, visitors (distinct sessions) and engagement for each bucket of time, also for those without a view';

CREATE FUNCTION pageviews.session_views(
	session_id uuid,
	since timestamptz DEFAULT '-infinity',
	until timestamptz DEFAULT 'infinity',
	site text DEFAULT NULL)
RETURNS TABLE (
	view_id uuid, started_at timestamptz, ended_at timestamptz, site text, path text, name text,
	engagement_ms integer, focused_ms integer, active_ms integer, scroll_depth smallint,
	navigation pageviews.navigation, end_reason pageviews.end_reason,
	query text, title text, referrer text, props jsonb)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT v.view_id, v.started_at, v.ended_at, v.site, v.path, v.name,
		   v.engagement_ms, v.focused_ms, v.active_ms, v.scroll_depth,
		   v.navigation, v.end_reason, v.query, v.title, v.referrer, v.props
	FROM pageviews.views AS v
	WHERE v.session_id = session_views.session_id
		AND v.started_at >= session_views.since AND v.started_at < session_views.until
		AND (session_views.site IS NULL OR v.site = session_views.site)
	ORDER BY v.started_at, v.view_id;
END;
COMMENT ON FUNCTION pageviews.session_views(uuid, timestamptz, timestamptz, text) IS 'report: every view of a session, in order';

REVOKE ALL ON FUNCTION
	pageviews.pages(timestamptz, timestamptz, text),
	pageviews.bucket_starts(timestamptz, timestamptz, interval),
	pageviews.timeline(timestamptz, timestamptz, text, interval),
	pageviews.session_views(uuid, timestamptz, timestamptz, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.pages(timestamptz, timestamptz, text),
	pageviews.bucket_starts(timestamptz, timestamptz, interval),
	pageviews.timeline(timestamptz, timestamptz, text, interval),
	pageviews.session_views(uuid, timestamptz, timestamptz, text)
TO pageviews_reader, pageviews_site_reader;
