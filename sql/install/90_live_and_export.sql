-- ---------------------------------------------------------------------------
-- What happens now, in one row; and everything flat, for COPY and other tools
-- ---------------------------------------------------------------------------

CREATE TYPE pageviews.live_summary_row AS (
	visitors_now bigint, views_now bigint, visible_now bigint, focused_now bigint,
	views bigint, visitors bigint, visits bigint
);
COMMENT ON TYPE pageviews.live_summary_row IS 'a row of pageviews.live_summary(): what is open now, and the totals of the period';
COMMENT ON COLUMN pageviews.live_summary_row.visitors_now IS 'distinct sessions with a view that is open now';
COMMENT ON COLUMN pageviews.live_summary_row.views_now IS 'views that are open now; those whose connection broke are left out';
COMMENT ON COLUMN pageviews.live_summary_row.visible_now IS 'how many of these are visible, those with the focus included';
COMMENT ON COLUMN pageviews.live_summary_row.focused_now IS 'how many of these have the focus';
COMMENT ON COLUMN pageviews.live_summary_row.views IS 'views that began in the period';
COMMENT ON COLUMN pageviews.live_summary_row.visitors IS 'distinct sessions of these views; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.live_summary_row.visits IS 'visits that began in the period';

CREATE FUNCTION pageviews.live_summary(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 minutes',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.live_summary_row
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT l.visitors, l.views, l.visible, l.focused, f.views, f.visitors, f.visits
	FROM pageviews.figures(ARRAY[live_summary.since, live_summary.until], live_summary.site, live_summary.filters) AS f,
		 (SELECT count(DISTINCT o.session_id) AS visitors,
				 count(*) AS views,
				 count(*) FILTER (WHERE o.state IN ('visible', 'focused')) AS visible,
				 count(*) FILTER (WHERE o.state = 'focused') AS focused
		  FROM pageviews.live_views AS o
		  LEFT JOIN pageviews.sessions AS s ON s.session_id = o.session_id
		  WHERE o.state <> 'lost'
			  AND (live_summary.site IS NULL OR o.site = live_summary.site)
			  AND s.robot IS NOT TRUE
			  AND pageviews.must(live_summary.filters IS NULL
								 OR NOT live_summary.filters ? 'property' AND NOT pageviews.filters_origins(live_summary.filters),
								 'live_summary() takes the filters page, country, device, browser, system and language only',
								 'What is open now is known by its page and its browser.')
			  AND pageviews.view_passes(live_summary.filters, o.path, NULL)
			  AND pageviews.session_passes(live_summary.filters, s.country, s.device, s.browser, s.system, s.language)) AS l;
END;
COMMENT ON FUNCTION pageviews.live_summary(timestamptz, timestamptz, text, jsonb) IS
	'report: what is open now, and the totals of the period, the last 30 minutes if not said otherwise; one row; takes the filters page, country, device, browser, system and language only';

CREATE VIEW pageviews.export_views WITH (security_invoker = true) AS
	SELECT v.view_id,
		   v.session_id,
		   v.site,
		   v.path,
		   v.name,
		   v.title,
		   v.started_at,
		   v.ended_at,
		   v.engagement_ms,
		   v.focused_ms,
		   v.active_ms,
		   v.scroll_depth,
		   v.navigation::text AS navigation,
		   v.end_reason::text AS end_reason,
		   v.referrer,
		   pageviews.referrer_host(v.referrer) AS referrer_host,
		   v.query,
		   pageviews.query_parameter(v.query, 'utm_source') AS utm_source,
		   pageviews.query_parameter(v.query, 'utm_medium') AS utm_medium,
		   pageviews.query_parameter(v.query, 'utm_campaign') AS utm_campaign,
		   pageviews.query_parameter(v.query, 'utm_term') AS utm_term,
		   pageviews.query_parameter(v.query, 'utm_content') AS utm_content,
		   v.props,
		   s.country,
		   s.browser,
		   s.browser_version,
		   s.system,
		   s.device,
		   s.language,
		   s.time_zone,
		   s.screen_width,
		   s.screen_height,
		   COALESCE(s.robot, false) AS robot
	FROM pageviews.views AS v
	LEFT JOIN pageviews.sessions AS s ON s.session_id OPERATOR(pg_catalog.=) v.session_id;
COMMENT ON VIEW pageviews.export_views IS 'every view with its browser, flat, robots included: for COPY (SELECT ...) TO and other tools';
COMMENT ON COLUMN pageviews.export_views.view_id IS 'id of the view';
COMMENT ON COLUMN pageviews.export_views.session_id IS 'the browser';
COMMENT ON COLUMN pageviews.export_views.site IS 'host of the page';
COMMENT ON COLUMN pageviews.export_views.path IS 'path of the page';
COMMENT ON COLUMN pageviews.export_views.name IS 'the application''s own name of the page';
COMMENT ON COLUMN pageviews.export_views.title IS 'title of the page';
COMMENT ON COLUMN pageviews.export_views.started_at IS 'when the view began';
COMMENT ON COLUMN pageviews.export_views.ended_at IS 'when it was over; NULL while it is open';
COMMENT ON COLUMN pageviews.export_views.engagement_ms IS 'milliseconds in which the page was visible';
COMMENT ON COLUMN pageviews.export_views.focused_ms IS 'milliseconds in which it had the focus, too';
COMMENT ON COLUMN pageviews.export_views.active_ms IS 'milliseconds in which its visitor did something, too';
COMMENT ON COLUMN pageviews.export_views.scroll_depth IS 'deepest per cent of the page that was seen';
COMMENT ON COLUMN pageviews.export_views.navigation IS 'how the browser came to the page';
COMMENT ON COLUMN pageviews.export_views.end_reason IS 'why the view is over';
COMMENT ON COLUMN pageviews.export_views.referrer IS 'the page before this one';
COMMENT ON COLUMN pageviews.export_views.referrer_host IS 'its host, without www.';
COMMENT ON COLUMN pageviews.export_views.query IS 'the query parameters that are kept';
COMMENT ON COLUMN pageviews.export_views.utm_source IS 'from the query';
COMMENT ON COLUMN pageviews.export_views.utm_medium IS 'from the query';
COMMENT ON COLUMN pageviews.export_views.utm_campaign IS 'from the query';
COMMENT ON COLUMN pageviews.export_views.utm_term IS 'from the query';
COMMENT ON COLUMN pageviews.export_views.utm_content IS 'from the query';
COMMENT ON COLUMN pageviews.export_views.props IS 'what the application said about the view';
COMMENT ON COLUMN pageviews.export_views.country IS 'country of the browser';
COMMENT ON COLUMN pageviews.export_views.browser IS 'the browser';
COMMENT ON COLUMN pageviews.export_views.browser_version IS 'its major version';
COMMENT ON COLUMN pageviews.export_views.system IS 'its operating system';
COMMENT ON COLUMN pageviews.export_views.device IS 'its kind of device';
COMMENT ON COLUMN pageviews.export_views.language IS 'the language that it prefers';
COMMENT ON COLUMN pageviews.export_views.time_zone IS 'its time zone';
COMMENT ON COLUMN pageviews.export_views.screen_width IS 'CSS pixels';
COMMENT ON COLUMN pageviews.export_views.screen_height IS 'CSS pixels';
COMMENT ON COLUMN pageviews.export_views.robot IS 'whether it was recognised as a robot';

CREATE VIEW pageviews.export_visits WITH (security_invoker = true) AS
	SELECT t.session_id, t.site, t.started_at, t.ended_at, t.entry_path, t.exit_path, t.views, t.engagement_ms, t.bounce,
		   t.channel, t.source, t.referrer, t.campaign, t.medium, t.country, t.browser, t.system, t.device, t.language
	FROM pageviews.visits('-infinity', 'infinity') AS t;
COMMENT ON VIEW pageviews.export_visits IS 'every visit, as pageviews.visits() tells of it, robots left out: for COPY (SELECT ...) TO and other tools';
COMMENT ON COLUMN pageviews.export_visits.session_id IS 'the browser';
COMMENT ON COLUMN pageviews.export_visits.site IS 'host of the pages';
COMMENT ON COLUMN pageviews.export_visits.started_at IS 'when its first view began';
COMMENT ON COLUMN pageviews.export_visits.ended_at IS 'when its last view was seen last';
COMMENT ON COLUMN pageviews.export_visits.entry_path IS 'path of its first page';
COMMENT ON COLUMN pageviews.export_visits.exit_path IS 'path of its last page';
COMMENT ON COLUMN pageviews.export_visits.views IS 'how many views';
COMMENT ON COLUMN pageviews.export_visits.engagement_ms IS 'engagement time of all of them, milliseconds';
COMMENT ON COLUMN pageviews.export_visits.bounce IS 'whether it was one view with little engagement';
COMMENT ON COLUMN pageviews.export_visits.channel IS 'by which channel it came';
COMMENT ON COLUMN pageviews.export_visits.source IS 'from whom, by name';
COMMENT ON COLUMN pageviews.export_visits.referrer IS 'from which host';
COMMENT ON COLUMN pageviews.export_visits.campaign IS 'utm_campaign';
COMMENT ON COLUMN pageviews.export_visits.medium IS 'utm_medium';
COMMENT ON COLUMN pageviews.export_visits.country IS 'country of the browser';
COMMENT ON COLUMN pageviews.export_visits.browser IS 'the browser';
COMMENT ON COLUMN pageviews.export_visits.system IS 'its operating system';
COMMENT ON COLUMN pageviews.export_visits.device IS 'its kind of device';
COMMENT ON COLUMN pageviews.export_visits.language IS 'the language that it prefers';

REVOKE ALL ON pageviews.export_views, pageviews.export_visits FROM PUBLIC;
GRANT SELECT ON pageviews.export_views, pageviews.export_visits TO pageviews_reader, pageviews_site_reader;
REVOKE ALL ON TYPE pageviews.live_summary_row FROM PUBLIC;
GRANT USAGE ON TYPE pageviews.live_summary_row TO pageviews_reader, pageviews_site_reader;
REVOKE ALL ON FUNCTION pageviews.live_summary(timestamptz, timestamptz, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pageviews.live_summary(timestamptz, timestamptz, text, jsonb) TO pageviews_reader, pageviews_site_reader;
