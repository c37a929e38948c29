-- ---------------------------------------------------------------------------
-- Visits
--
-- A visit is a session's views on one site without a pause of more than
-- pageviews.visit_timeout between the moment in which the views so far were
-- last seen and the start of the next.  A view was last seen engagement_ms after
-- it started: ended_at may lie hours later, when a forgotten tab is closed.
-- Views are in the order of (started_at, view_id).  This is the only place that
-- says so.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.visit_timeout()
RETURNS interval
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_visit_timeout';
COMMENT ON FUNCTION pageviews.visit_timeout() IS 'the setting pageviews.visit_timeout';

CREATE FUNCTION pageviews.bounce_engagement()
RETURNS integer
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_bounce_engagement';
COMMENT ON FUNCTION pageviews.bounce_engagement() IS 'the setting pageviews.bounce_engagement, in milliseconds';

CREATE FUNCTION pageviews.url_host(url text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_url_host';
COMMENT ON FUNCTION pageviews.url_host(text) IS 'the host of an address, in lower case, with the port if there is one; NULL if it has none';

CREATE FUNCTION pageviews.query_parameter(query text, name text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_query_parameter';
COMMENT ON FUNCTION pageviews.query_parameter(text, text) IS 'the first value of a parameter in a query, decoded; NULL if it is not there or empty';

CREATE FUNCTION pageviews.referrer_host(referrer text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_replace(pageviews.url_host(referrer), '^www\.', '');
COMMENT ON FUNCTION pageviews.referrer_host(text) IS 'the host of a referrer, without "www."';

CREATE FUNCTION pageviews.visit_views(since timestamptz, until timestamptz, site text)
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
					AND NOT EXISTS (SELECT FROM pageviews.sessions AS s WHERE s.session_id = w.session_id AND s.robot)) AS a
		  WINDOW before AS (PARTITION BY a.session_id, a.site ORDER BY a.started_at, a.view_id
							ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS b
	WINDOW by_session AS (PARTITION BY b.session_id, b.site ORDER BY b.started_at, b.view_id);
END;
COMMENT ON FUNCTION pageviews.visit_views(timestamptz, timestamptz, text) IS
	'the views of people in a period and a day around it, so that its visits are whole: each with the start of its visit, and whether it is the first or the last of it';

REVOKE ALL ON FUNCTION
	pageviews.visit_timeout(),
	pageviews.bounce_engagement(),
	pageviews.url_host(text),
	pageviews.query_parameter(text, text),
	pageviews.referrer_host(text),
	pageviews.visit_views(timestamptz, timestamptz, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.visit_timeout(),
	pageviews.bounce_engagement(),
	pageviews.url_host(text),
	pageviews.query_parameter(text, text),
	pageviews.referrer_host(text),
	pageviews.visit_views(timestamptz, timestamptz, text)
TO pageviews_reader, pageviews_site_reader;

