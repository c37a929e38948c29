-- ---------------------------------------------------------------------------
-- Who sees which rows: all for pageviews_reader and the collector, the listed
-- sites for pageviews_site_reader, none for anybody else.  Reports run with
-- their caller's rights; pageviews.live_views keeps the same rule in C.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.visible_sites()
RETURNS text[]
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_visible_sites';
COMMENT ON FUNCTION pageviews.visible_sites() IS 'the sites that pageviews.site_readers lists for the current user as a member of pageviews_site_reader';

ALTER TABLE pageviews.views ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.views TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.views FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.views FOR SELECT TO pageviews_site_reader
	USING (site OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY collector ON pageviews.views IS 'the worker stores every view';
COMMENT ON POLICY reader ON pageviews.views IS 'readers see every view';
COMMENT ON POLICY site_reader ON pageviews.views IS 'readers of some sites see the views of these';

ALTER TABLE pageviews.events ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.events TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.events FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.events FOR SELECT TO pageviews_site_reader
	USING (site OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY collector ON pageviews.events IS 'the worker stores every event';
COMMENT ON POLICY reader ON pageviews.events IS 'readers see every event';
COMMENT ON POLICY site_reader ON pageviews.events IS 'readers of some sites see the events of these';

ALTER TABLE pageviews.sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.sessions TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.sessions FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.sessions FOR SELECT TO pageviews_site_reader
	USING (EXISTS (SELECT FROM pageviews.views AS v WHERE v.session_id OPERATOR(pg_catalog.=) sessions.session_id)
		   OR EXISTS (SELECT FROM pageviews.events AS e WHERE e.session_id OPERATOR(pg_catalog.=) sessions.session_id));
COMMENT ON POLICY collector ON pageviews.sessions IS 'the worker stores every session';
COMMENT ON POLICY reader ON pageviews.sessions IS 'readers see every session';
COMMENT ON POLICY site_reader ON pageviews.sessions IS 'readers of some sites see the sessions that have a view or an event there';

ALTER TABLE pageviews.rejected ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON pageviews.rejected FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.rejected FOR SELECT TO pageviews_site_reader
	USING (("row" OPERATOR(pg_catalog.->>) 'site') OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY reader ON pageviews.rejected IS 'readers see all that could not be stored';
COMMENT ON POLICY site_reader ON pageviews.rejected IS 'readers of some sites see what could not be stored of these';

REVOKE ALL ON FUNCTION pageviews.visible_sites() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pageviews.visible_sites() TO pageviews_reader, pageviews_site_reader;

