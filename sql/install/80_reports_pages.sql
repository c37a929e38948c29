-- ---------------------------------------------------------------------------
-- Reports: totals, time, pages
--
-- All reports take (since, until, site, filters), half-open: since <= started_at <
-- until, and then what is their own.  They leave robots out, run with the rights of
-- their caller, and count views and visits where they begin.  Each returns rows of
-- a type of its own, pageviews.<report>_row, because columns of a type can have comments.
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

CREATE TYPE pageviews.summary_row AS (
	views bigint, visitors bigint, visits bigint, bounce_rate numeric, views_per_visit numeric, engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint,
	views_before bigint, visitors_before bigint, visits_before bigint, bounce_rate_before numeric, views_per_visit_before numeric, engagement_total_ms_before bigint, engagement_mean_ms_before bigint, engagement_median_ms_before bigint, engagement_p90_ms_before bigint,
	views_change numeric, visitors_change numeric, visits_change numeric, bounce_rate_change numeric, views_per_visit_change numeric, engagement_total_ms_change numeric, engagement_mean_ms_change numeric, engagement_median_ms_change numeric, engagement_p90_ms_change numeric
);
COMMENT ON TYPE pageviews.summary_row IS 'a row of pageviews.summary(): the totals of a period, of the one before it (_before), and how much they changed (_change)';
COMMENT ON COLUMN pageviews.summary_row.views IS 'views that began in the period';
COMMENT ON COLUMN pageviews.summary_row.visitors IS 'distinct sessions of these views; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.summary_row.visits IS 'visits that began in the period';
COMMENT ON COLUMN pageviews.summary_row.bounce_rate IS 'bounces (visits of one view with less engagement than pageviews.bounce_engagement) a visit, from 0 to 1; NULL if no visit began';
COMMENT ON COLUMN pageviews.summary_row.views_per_visit IS 'mean number of views of these visits; NULL if no visit began';
COMMENT ON COLUMN pageviews.summary_row.engagement_total_ms IS 'engagement of these views together: milliseconds in which their pages were visible';
COMMENT ON COLUMN pageviews.summary_row.engagement_mean_ms IS 'mean engagement of a view, milliseconds; NULL if no view began';
COMMENT ON COLUMN pageviews.summary_row.engagement_median_ms IS 'median of the engagement of a view, milliseconds, within 2 %; NULL if no view began';
COMMENT ON COLUMN pageviews.summary_row.engagement_p90_ms IS 'engagement that one view in ten exceeds (90th percentile), milliseconds, within 2 %; NULL if no view began';
COMMENT ON COLUMN pageviews.summary_row.views_before IS 'views of the period of the same length before';
COMMENT ON COLUMN pageviews.summary_row.visitors_before IS 'visitors of the period of the same length before';
COMMENT ON COLUMN pageviews.summary_row.visits_before IS 'visits of the period of the same length before';
COMMENT ON COLUMN pageviews.summary_row.bounce_rate_before IS 'bounce_rate of the period of the same length before; NULL as there';
COMMENT ON COLUMN pageviews.summary_row.views_per_visit_before IS 'views_per_visit of the period of the same length before; NULL as there';
COMMENT ON COLUMN pageviews.summary_row.engagement_total_ms_before IS 'engagement_total_ms of the period of the same length before';
COMMENT ON COLUMN pageviews.summary_row.engagement_mean_ms_before IS 'engagement_mean_ms of the period of the same length before; NULL as there';
COMMENT ON COLUMN pageviews.summary_row.engagement_median_ms_before IS 'engagement_median_ms of the period of the same length before; NULL as there';
COMMENT ON COLUMN pageviews.summary_row.engagement_p90_ms_before IS 'engagement_p90_ms of the period of the same length before; NULL as there';
COMMENT ON COLUMN pageviews.summary_row.views_change IS 'change of views as a part of views_before: 0.25 is a quarter more; NULL if that is 0';
COMMENT ON COLUMN pageviews.summary_row.visitors_change IS 'change of visitors as a part of visitors_before: 0.25 is a quarter more; NULL if that is 0';
COMMENT ON COLUMN pageviews.summary_row.visits_change IS 'change of visits as a part of visits_before: 0.25 is a quarter more; NULL if that is 0';
COMMENT ON COLUMN pageviews.summary_row.bounce_rate_change IS 'change of bounce_rate as a part of bounce_rate_before: 0.25 is a quarter more; NULL if that is 0 or one of the two is NULL';
COMMENT ON COLUMN pageviews.summary_row.views_per_visit_change IS 'change of views_per_visit as a part of views_per_visit_before: 0.25 is a quarter more; NULL if that is 0 or one of the two is NULL';
COMMENT ON COLUMN pageviews.summary_row.engagement_total_ms_change IS 'change of engagement_total_ms as a part of engagement_total_ms_before: 0.25 is a quarter more; NULL if that is 0';
COMMENT ON COLUMN pageviews.summary_row.engagement_mean_ms_change IS 'change of engagement_mean_ms as a part of engagement_mean_ms_before: 0.25 is a quarter more; NULL if that is 0 or one of the two is NULL';
COMMENT ON COLUMN pageviews.summary_row.engagement_median_ms_change IS 'change of engagement_median_ms as a part of engagement_median_ms_before: 0.25 is a quarter more; NULL if that is 0 or one of the two is NULL';
COMMENT ON COLUMN pageviews.summary_row.engagement_p90_ms_change IS 'change of engagement_p90_ms as a part of engagement_p90_ms_before: 0.25 is a quarter more; NULL if that is 0 or one of the two is NULL';

CREATE FUNCTION pageviews.summary(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.summary_row
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH f AS MATERIALIZED (
		SELECT g.*
		FROM pageviews.figures(
			-- Before the first of all timestamps there are no views.
			ARRAY[CASE WHEN NOT (isfinite(summary.since) AND isfinite(summary.until)) OR summary.since > summary.until THEN summary.since
					   WHEN 2 * extract(epoch FROM summary.since) - extract(epoch FROM summary.until) < extract(epoch FROM '4713-01-01 00:00+00 BC'::timestamptz) THEN '-infinity'
					   ELSE summary.since - (summary.until - summary.since) END,
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
	'report: the totals of a period, and of the period of the same length before it; one row';

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
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Buckets of time begin at since; other reports take -infinity and infinity, too.';
	END IF;
	IF since >= until THEN
		RETURN '{}';
	END IF;
	IF bucket <= interval '0' THEN
		RAISE EXCEPTION 'buckets of time must be longer than zero'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'How long they are is the parameter "bucket" of timeline(), and "period" of retention().';
	END IF;
	-- Months differ in length: a step that adds some and takes days away may go back, and never get to the end.
	IF least(extract(year FROM bucket), extract(month FROM bucket), extract(day FROM bucket),
			 extract(hour FROM bucket), extract(minute FROM bucket), extract(second FROM bucket)) < 0 THEN
		RAISE EXCEPTION 'no part of the length of buckets of time may be negative'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Write ''2 days'' instead of ''1 month -29 days''. It is the parameter "bucket" of timeline(), and "period" of retention().';
	END IF;
	IF (extract(epoch FROM until) - extract(epoch FROM since)) / extract(epoch FROM bucket) > 100000 THEN
		RAISE EXCEPTION 'there are more than 100,000 buckets of time'
			USING ERRCODE = 'program_limit_exceeded',
				  HINT = 'Take longer ones ("bucket" of timeline(), "period" of retention()), or less time between since and until.';
	END IF;
	IF since < '4712-01-01 00:00+00 BC'
		OR extract(epoch FROM until) + extract(epoch FROM bucket) > extract(epoch FROM '294276-01-01 00:00+00'::timestamptz) THEN
		RAISE EXCEPTION 'buckets of time are out of the range of timestamps'
			USING ERRCODE = 'datetime_field_overflow',
				  HINT = 'It goes from 4713 BC to 294276: take a later since, an earlier until, or shorter ones ("bucket" of timeline(), "period" of retention()).';
	END IF;
	-- Months and days are those of the zone.  What is shorter is a time that passes, counted from the midnight
	-- before since, so that after a change to or from daylight saving time it begins at another hour than before.
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

CREATE TYPE pageviews.timeline_row AS (
	bucket timestamptz, views bigint, visitors bigint, visits bigint,
	engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint
);
COMMENT ON TYPE pageviews.timeline_row IS 'a row of pageviews.timeline(): a bucket of time and its totals';
COMMENT ON COLUMN pageviews.timeline_row.bucket IS 'when the bucket begins; the first may begin before the period, and counts what is in it';
COMMENT ON COLUMN pageviews.timeline_row.views IS 'views that began in it';
COMMENT ON COLUMN pageviews.timeline_row.visitors IS 'distinct sessions of these views; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.timeline_row.visits IS 'visits that began in it';
COMMENT ON COLUMN pageviews.timeline_row.engagement_total_ms IS 'engagement of these views together: milliseconds in which their pages were visible';
COMMENT ON COLUMN pageviews.timeline_row.engagement_mean_ms IS 'mean engagement of a view, milliseconds; NULL if no view began';
COMMENT ON COLUMN pageviews.timeline_row.engagement_median_ms IS 'median of the engagement of a view, milliseconds, within 2 %; NULL if no view began';
COMMENT ON COLUMN pageviews.timeline_row.engagement_p90_ms IS 'engagement that one view in ten exceeds (90th percentile), milliseconds, within 2 %; NULL if no view began';

CREATE FUNCTION pageviews.timeline(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL,
	bucket interval DEFAULT '1 day')
RETURNS SETOF pageviews.timeline_row
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
	'report: totals over time, a row for each bucket, empty ones too; buckets of days and longer are those of the site''s time zone (pageviews.sites), else of whoever asks; shorter ones are counted from midnight there before since';

CREATE TYPE pageviews.pages_row AS (
	path text, views bigint, visitors bigint,
	engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint,
	exits bigint, visits bigint, entries bigint
);
COMMENT ON TYPE pageviews.pages_row IS 'a row of pageviews.pages(): a path and its views';
COMMENT ON COLUMN pageviews.pages_row.path IS 'path of the page; of all sites together, unless one was asked for';
COMMENT ON COLUMN pageviews.pages_row.views IS 'views of it that began in the period';
COMMENT ON COLUMN pageviews.pages_row.visitors IS 'distinct sessions of these views; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.pages_row.engagement_total_ms IS 'engagement of these views together: milliseconds in which their pages were visible';
COMMENT ON COLUMN pageviews.pages_row.engagement_mean_ms IS 'mean engagement of a view, milliseconds';
COMMENT ON COLUMN pageviews.pages_row.engagement_median_ms IS 'median of the engagement of a view, milliseconds, within 2 %';
COMMENT ON COLUMN pageviews.pages_row.engagement_p90_ms IS 'engagement that one view in ten exceeds (90th percentile), milliseconds, within 2 %';
COMMENT ON COLUMN pageviews.pages_row.exits IS 'how many of these views were the last of their visit';
COMMENT ON COLUMN pageviews.pages_row.visits IS 'visits that came to it, each counted once, when they first did';
COMMENT ON COLUMN pageviews.pages_row.entries IS 'how many of these views were the first of their visit';

CREATE FUNCTION pageviews.pages(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.pages_row
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.views, c.visitors,
		   c.engagement_ms, round(c.engagement_ms::numeric / c.views)::bigint, c.engagement_median_ms, c.engagement_p90_ms,
		   c.exits, c.visits, c.entries
	FROM pageviews.cells(ARRAY[pages.since, pages.until], pages.site, 'page', pages.filters) AS c
	ORDER BY c.views DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.pages(timestamptz, timestamptz, text, jsonb) IS
	'report: by path, the most views first';

CREATE TYPE pageviews.entry_pages_row AS (
	path text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint
);
COMMENT ON TYPE pageviews.entry_pages_row IS 'a row of pageviews.entry_pages(): a path and the visits that began with it';
COMMENT ON COLUMN pageviews.entry_pages_row.path IS 'path of the first page; of all sites together, unless one was asked for';
COMMENT ON COLUMN pageviews.entry_pages_row.visits IS 'visits that began with this page in the period';
COMMENT ON COLUMN pageviews.entry_pages_row.visitors IS 'sessions that made these visits, each counted once; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.entry_pages_row.bounces IS 'how many of these visits were one view with less engagement than pageviews.bounce_engagement';
COMMENT ON COLUMN pageviews.entry_pages_row.bounce_rate IS 'bounces a visit, from 0 to 1';
COMMENT ON COLUMN pageviews.entry_pages_row.views IS 'views of these visits, wherever they went';
COMMENT ON COLUMN pageviews.entry_pages_row.views_per_visit IS 'mean number of views of these visits';
COMMENT ON COLUMN pageviews.entry_pages_row.engagement_mean_ms IS 'mean engagement of a whole visit, milliseconds';

CREATE FUNCTION pageviews.entry_pages(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.entry_pages_row
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
	'report: visits by the page that they began with, the most visits first';

CREATE TYPE pageviews.exit_pages_row AS (
	path text, exits bigint, views bigint, exit_rate numeric
);
COMMENT ON TYPE pageviews.exit_pages_row IS 'a row of pageviews.exit_pages(): a path and how often visits ended with it';
COMMENT ON COLUMN pageviews.exit_pages_row.path IS 'path of the last page; of all sites together, unless one was asked for';
COMMENT ON COLUMN pageviews.exit_pages_row.exits IS 'views of it that began in the period and were the last of their visit';
COMMENT ON COLUMN pageviews.exit_pages_row.views IS 'all views of it that began in the period';
COMMENT ON COLUMN pageviews.exit_pages_row.exit_rate IS 'exits a view, from 0 to 1';

CREATE FUNCTION pageviews.exit_pages(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.exit_pages_row
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[1], c.exits, c.views, round(c.exits::numeric / c.views, 4)
	FROM pageviews.cells(ARRAY[exit_pages.since, exit_pages.until], exit_pages.site, 'page', exit_pages.filters, counters_only => true) AS c
	WHERE c.exits > 0
	ORDER BY c.exits DESC, c.value[1];
END;
COMMENT ON FUNCTION pageviews.exit_pages(timestamptz, timestamptz, text, jsonb) IS
	'report: how often visits ended with a page, the most exits first';

REVOKE ALL ON TYPE
	pageviews.summary_row,
	pageviews.timeline_row,
	pageviews.pages_row,
	pageviews.entry_pages_row,
	pageviews.exit_pages_row
FROM PUBLIC;
GRANT USAGE ON TYPE
	pageviews.summary_row,
	pageviews.timeline_row,
	pageviews.pages_row,
	pageviews.entry_pages_row,
	pageviews.exit_pages_row
TO pageviews_reader, pageviews_site_reader;
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

