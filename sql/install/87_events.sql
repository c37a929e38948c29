-- ---------------------------------------------------------------------------
-- Which events the reports count
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.chosen_events(since timestamptz, until timestamptz, site text, filters jsonb)
RETURNS TABLE (
	event_id uuid, session_id uuid, view_id uuid, site text, occurred_at timestamptz, path text, name text, props jsonb)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT e.event_id, e.session_id, e.view_id, e.site, e.occurred_at, e.path, e.name, e.props
	FROM pageviews.events AS e
	WHERE e.occurred_at >= chosen_events.since AND e.occurred_at < chosen_events.until
		AND (chosen_events.site IS NULL OR e.site = chosen_events.site)
		AND NOT EXISTS (SELECT FROM pageviews.sessions AS s WHERE s.session_id = e.session_id AND s.robot)
		AND pageviews.check_filters(chosen_events.filters)
		AND pageviews.view_passes(chosen_events.filters, e.path, e.props)
		AND (NOT pageviews.filters_sessions(chosen_events.filters)
			 OR EXISTS (SELECT FROM pageviews.sessions AS s
						WHERE s.session_id = e.session_id
							AND pageviews.session_passes(chosen_events.filters, s.country, s.device, s.browser, s.system, s.language)))
		AND (NOT pageviews.filters_origins(chosen_events.filters)
			 OR e.view_id IN (SELECT n.view_id
							  FROM pageviews.chosen_visit_views(chosen_events.since, chosen_events.until, chosen_events.site,
																chosen_events.filters - '{page,property}'::text[]) AS n));
END;
COMMENT ON FUNCTION pageviews.chosen_events(timestamptz, timestamptz, text, jsonb) IS
	'the events of people in a period that the filters choose: by the page on which they happened, their own properties, their browser, and the origin of the visit that their view is part of';

CREATE TYPE pageviews.events_row AS (
	event text, events bigint, visitors bigint, events_per_visitor numeric, first_at timestamptz, last_at timestamptz
);
COMMENT ON TYPE pageviews.events_row IS 'a row of pageviews.events(): a name of an event and how often it happened';
COMMENT ON COLUMN pageviews.events_row.event IS 'name of the event, as the application calls it';
COMMENT ON COLUMN pageviews.events_row.events IS 'how often it happened in the period';
COMMENT ON COLUMN pageviews.events_row.visitors IS 'distinct sessions in which it did';
COMMENT ON COLUMN pageviews.events_row.events_per_visitor IS 'mean number of times that it happened in one of these';
COMMENT ON COLUMN pageviews.events_row.first_at IS 'when it happened first in the period';
COMMENT ON COLUMN pageviews.events_row.last_at IS 'when it happened last in the period';

CREATE FUNCTION pageviews.events(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.events_row
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT e.name, count(*), count(DISTINCT e.session_id),
		   round(count(*)::numeric / count(DISTINCT e.session_id), 2),
		   min(e.occurred_at), max(e.occurred_at)
	FROM pageviews.chosen_events(events.since, events.until, events.site, events.filters) AS e
	GROUP BY e.name
	ORDER BY 2 DESC, 1;
END;
COMMENT ON FUNCTION pageviews.events(timestamptz, timestamptz, text, jsonb) IS
	'report: by name of an event, the most frequent first';

CREATE VIEW pageviews.export_events WITH (security_invoker = true) AS
	SELECT e.event_id,
		   e.session_id,
		   e.view_id,
		   e.site,
		   e.path,
		   e.name,
		   e.occurred_at,
		   e.props,
		   s.country,
		   s.browser,
		   s.browser_version,
		   s.system,
		   s.device,
		   s.language,
		   s.time_zone,
		   COALESCE(s.robot, false) AS robot
	FROM pageviews.events AS e
	LEFT JOIN pageviews.sessions AS s ON s.session_id OPERATOR(pg_catalog.=) e.session_id;
COMMENT ON VIEW pageviews.export_events IS 'every event with its browser, flat, robots included: for COPY (SELECT ...) TO and other tools';
COMMENT ON COLUMN pageviews.export_events.event_id IS 'id of the event';
COMMENT ON COLUMN pageviews.export_events.session_id IS 'the browser';
COMMENT ON COLUMN pageviews.export_events.view_id IS 'the view in which it happened';
COMMENT ON COLUMN pageviews.export_events.site IS 'host of the page';
COMMENT ON COLUMN pageviews.export_events.path IS 'path of the page';
COMMENT ON COLUMN pageviews.export_events.name IS 'what happened';
COMMENT ON COLUMN pageviews.export_events.occurred_at IS 'when it happened';
COMMENT ON COLUMN pageviews.export_events.props IS 'what the application said about it';
COMMENT ON COLUMN pageviews.export_events.country IS 'country of the browser';
COMMENT ON COLUMN pageviews.export_events.browser IS 'the browser';
COMMENT ON COLUMN pageviews.export_events.browser_version IS 'its major version';
COMMENT ON COLUMN pageviews.export_events.system IS 'its operating system';
COMMENT ON COLUMN pageviews.export_events.device IS 'its kind of device';
COMMENT ON COLUMN pageviews.export_events.language IS 'the language that it prefers';
COMMENT ON COLUMN pageviews.export_events.time_zone IS 'its time zone';
COMMENT ON COLUMN pageviews.export_events.robot IS 'whether it was recognised as a robot';

REVOKE ALL ON pageviews.export_events FROM PUBLIC;
GRANT SELECT ON pageviews.export_events TO pageviews_reader, pageviews_site_reader;
REVOKE ALL ON TYPE pageviews.events_row FROM PUBLIC;
GRANT USAGE ON TYPE pageviews.events_row TO pageviews_reader, pageviews_site_reader;
REVOKE ALL ON FUNCTION
	pageviews.chosen_events(timestamptz, timestamptz, text, jsonb),
	pageviews.events(timestamptz, timestamptz, text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.chosen_events(timestamptz, timestamptz, text, jsonb),
	pageviews.events(timestamptz, timestamptz, text, jsonb)
TO pageviews_reader, pageviews_site_reader;
