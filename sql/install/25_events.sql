-- ---------------------------------------------------------------------------
-- Events: what happened on a page, by name, as the application said.  The table
-- is made like pageviews.views, and its partitions with those of views.
-- ---------------------------------------------------------------------------

CREATE TABLE pageviews.events (
	event_id uuid NOT NULL,
	session_id uuid NOT NULL,
	view_id uuid,
	occurred_at timestamptz NOT NULL,
	collector integer NOT NULL,
	site text NOT NULL,
	path text NOT NULL,
	name text NOT NULL,
	props jsonb
) PARTITION BY RANGE (occurred_at);
ALTER TABLE pageviews.events REPLICA IDENTITY FULL;

COMMENT ON TABLE pageviews.events IS 'what applications told of, pageviews.event(name) in the tracker; partitioned by the month (UTC) in which it happened';
COMMENT ON COLUMN pageviews.events.event_id IS 'UUID version 7, made by the browser; unique within its month';
COMMENT ON COLUMN pageviews.events.session_id IS 'the browser: pageviews.sessions';
COMMENT ON COLUMN pageviews.events.view_id IS 'the view in which it happened; NULL if the browser did not say';
COMMENT ON COLUMN pageviews.events.occurred_at IS 'when it happened: the time inside its id';
COMMENT ON COLUMN pageviews.events.collector IS 'which cluster collected the row: pageviews.collector';
COMMENT ON COLUMN pageviews.events.site IS 'host of the page, with the port if the address has one';
COMMENT ON COLUMN pageviews.events.path IS 'path of the page';
COMMENT ON COLUMN pageviews.events.name IS 'what happened, as the application calls it';
COMMENT ON COLUMN pageviews.events.props IS 'what the application said about it: a flat object';

REVOKE ALL ON pageviews.events FROM PUBLIC;
GRANT SELECT ON pageviews.events TO pageviews_reader, pageviews_site_reader;
GRANT SELECT, INSERT ON pageviews.events TO pageviews_collector;
