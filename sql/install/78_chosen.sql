-- ---------------------------------------------------------------------------
-- Visits
--
-- A visit is a session's views on one site without a pause of more than
-- pageviews.visit_timeout between the moment in which the views so far were
-- last seen and the start of the next.  A view was last seen engagement_ms after
-- it started: ended_at may lie hours later, when a forgotten tab is closed.
-- Views are in the order of (started_at, view_id).  visit_views() says so.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.visit_views(since timestamptz, until timestamptz, site text, filters jsonb)
RETURNS TABLE (
	view_id uuid, session_id uuid, site text, started_at timestamptz, seen_until timestamptz,
	path text, referrer text, query text, props jsonb, engagement_ms integer, scroll_depth smallint,
	visit_at timestamptz, entry boolean, exit boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT b.view_id, b.session_id, b.site, b.started_at, b.seen_until, b.path, b.referrer, b.query, b.props, b.engagement_ms, b.scroll_depth,
		   max(CASE WHEN b.entry THEN b.started_at END) OVER by_session,
		   b.entry,
		   lead(b.entry, 1, true) OVER by_session
	FROM (SELECT a.*,
				 coalesce(a.started_at > max(a.seen_until) OVER before + (SELECT pageviews.visit_timeout()), true) AS entry
		  FROM (SELECT w.view_id, w.session_id, w.site, w.started_at, w.path, w.referrer, w.query, w.props, w.engagement_ms, w.scroll_depth,
					   w.started_at + w.engagement_ms * interval '1 millisecond' AS seen_until
				FROM pageviews.views AS w
				WHERE w.started_at >= visit_views.since - interval '1 day'
					AND w.started_at < visit_views.until + interval '1 day'
					AND (visit_views.site IS NULL OR w.site = visit_views.site)
					AND NOT EXISTS (SELECT FROM pageviews.sessions AS s WHERE s.session_id = w.session_id AND s.robot)
					AND (NOT pageviews.filters_sessions(visit_views.filters)
						 OR EXISTS (SELECT FROM pageviews.sessions AS s
									WHERE s.session_id = w.session_id
										AND pageviews.session_passes(visit_views.filters, s.country, s.device, s.browser, s.system, s.language)))) AS a
		  WINDOW before AS (PARTITION BY a.session_id, a.site ORDER BY a.started_at, a.view_id
							ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS b
	WINDOW by_session AS (PARTITION BY b.session_id, b.site ORDER BY b.started_at, b.view_id);
END;
COMMENT ON FUNCTION pageviews.visit_views(timestamptz, timestamptz, text, jsonb) IS
	'the views of people in a period and a day around it, so that its visits are whole, of the sessions that the filters choose: each with the start of its visit, and whether it is the first or the last of it';

-- ---------------------------------------------------------------------------
-- What the reports count: views and visits that the filters choose
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.chosen_visit_views(since timestamptz, until timestamptz, site text, filters jsonb)
RETURNS TABLE (
	view_id uuid, session_id uuid, site text, started_at timestamptz, path text, engagement_ms integer, scroll_depth smallint,
	visit_at timestamptz, entry boolean, exit boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT n.view_id, n.session_id, n.site, n.started_at, n.path, n.engagement_ms, n.scroll_depth, n.visit_at, n.entry, n.exit
	FROM pageviews.visit_views(chosen_visit_views.since, chosen_visit_views.until, chosen_visit_views.site, chosen_visit_views.filters) AS n
	WHERE pageviews.check_filters(chosen_visit_views.filters)
		AND NOT pageviews.filters_origins(chosen_visit_views.filters)
		AND pageviews.view_passes(chosen_visit_views.filters, n.path, n.props)
	UNION ALL
	SELECT n.view_id, n.session_id, n.site, n.started_at, n.path, n.engagement_ms, n.scroll_depth, n.visit_at, n.entry, n.exit
	FROM (SELECT o.*,
				 first_value(o.referrer) OVER of_visit AS origin_referrer,
				 first_value(o.query) OVER of_visit AS origin_query
		  FROM pageviews.visit_views(chosen_visit_views.since, chosen_visit_views.until, chosen_visit_views.site, chosen_visit_views.filters) AS o
		  WINDOW of_visit AS (PARTITION BY o.session_id, o.site, o.visit_at ORDER BY o.started_at, o.view_id)) AS n
	WHERE pageviews.check_filters(chosen_visit_views.filters)
		AND pageviews.filters_origins(chosen_visit_views.filters)
		AND pageviews.origin_passes(chosen_visit_views.filters, n.origin_referrer, n.origin_query)
		AND pageviews.view_passes(chosen_visit_views.filters, n.path, n.props);
END;
COMMENT ON FUNCTION pageviews.chosen_visit_views(timestamptz, timestamptz, text, jsonb) IS
	'pageviews.visit_views() as the filters choose them; the period and a day around it';

CREATE FUNCTION pageviews.chosen_visits(since timestamptz, until timestamptz, site text, filters jsonb)
RETURNS TABLE (
	session_id uuid, site text, started_at timestamptz, ended_at timestamptz,
	entry_path text, exit_path text, views bigint, engagement_ms bigint, bounce boolean, referrer text, query text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT n.session_id, n.site, n.visit_at,
		   max(n.seen_until),
		   min(n.path) FILTER (WHERE n.entry),
		   min(n.path) FILTER (WHERE n.exit),
		   count(*),
		   sum(n.engagement_ms),
		   count(*) = 1 AND sum(n.engagement_ms) < (SELECT pageviews.bounce_engagement()),
		   min(n.referrer) FILTER (WHERE n.entry),
		   min(n.query) FILTER (WHERE n.entry)
	FROM pageviews.visit_views(chosen_visits.since, chosen_visits.until, chosen_visits.site, chosen_visits.filters) AS n
	WHERE pageviews.check_filters(chosen_visits.filters)
		AND n.visit_at < chosen_visits.until
	GROUP BY n.session_id, n.site, n.visit_at
	HAVING n.visit_at >= chosen_visits.since
		AND bool_or(pageviews.view_passes(chosen_visits.filters, n.path, n.props))
		AND pageviews.origin_passes(chosen_visits.filters, min(n.referrer) FILTER (WHERE n.entry), min(n.query) FILTER (WHERE n.entry));
END;
COMMENT ON FUNCTION pageviews.chosen_visits(timestamptz, timestamptz, text, jsonb) IS
	'the visits of people that began in a period and have a view that the filters choose, each whole, also where it goes on after the period';

REVOKE ALL ON FUNCTION
	pageviews.visit_views(timestamptz, timestamptz, text, jsonb),
	pageviews.chosen_visit_views(timestamptz, timestamptz, text, jsonb),
	pageviews.chosen_visits(timestamptz, timestamptz, text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.visit_views(timestamptz, timestamptz, text, jsonb),
	pageviews.chosen_visit_views(timestamptz, timestamptz, text, jsonb),
	pageviews.chosen_visits(timestamptz, timestamptz, text, jsonb)
TO pageviews_reader, pageviews_site_reader;

