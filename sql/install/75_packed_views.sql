-- ---------------------------------------------------------------------------
-- Packed days: the views of days that are over, and of the hours of the day that
-- goes on, a few bytes each, in the order of their sessions
--
-- src/reports/packing.h says how they are kept equal to the views.
-- ---------------------------------------------------------------------------

CREATE TABLE pageviews.packed_days (
	day timestamptz NOT NULL,
	until timestamptz NOT NULL,
	packed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT packed_days_pkey PRIMARY KEY (day)
);
COMMENT ON TABLE pageviews.packed_days IS 'days, and hours of the day that goes on, whose views are packed: what asks for single views (filters, funnels, retention, journeys, how far people read) reads the packs';
COMMENT ON COLUMN pageviews.packed_days.day IS 'when the day (UTC), or the first of the hours, began';
COMMENT ON COLUMN pageviews.packed_days.until IS 'when it, or the last of them, ended';
COMMENT ON COLUMN pageviews.packed_days.packed_at IS 'when its views were packed';
COMMENT ON CONSTRAINT packed_days_pkey ON pageviews.packed_days IS 'a day is packed once';
COMMENT ON INDEX pageviews.packed_days_pkey IS 'a day is packed once';

CREATE TABLE pageviews.packed_views (
	day timestamptz NOT NULL,
	site text COLLATE "C" NOT NULL,
	chunk integer NOT NULL,
	pack bytea NOT NULL,
	CONSTRAINT packed_views_pkey PRIMARY KEY (day, site, chunk),
	CONSTRAINT packed_views_day_fkey FOREIGN KEY (day) REFERENCES pageviews.packed_days ON DELETE CASCADE
);
COMMENT ON TABLE pageviews.packed_views IS 'the views of people in packed days, some thousands a row, in the order of their sessions';
COMMENT ON COLUMN pageviews.packed_views.day IS 'as in pageviews.packed_days';
COMMENT ON COLUMN pageviews.packed_views.site IS 'host of the pages';
COMMENT ON COLUMN pageviews.packed_views.chunk IS 'number of the row within day and site, from 0';
COMMENT ON COLUMN pageviews.packed_views.pack IS 'sessions and their views: src/reports/packed.c';
COMMENT ON CONSTRAINT packed_views_pkey ON pageviews.packed_views IS 'chunks of a day and site are numbered';
COMMENT ON INDEX pageviews.packed_views_pkey IS 'chunks of a day and site are numbered';
COMMENT ON CONSTRAINT packed_views_day_fkey ON pageviews.packed_views IS 'what is packed goes with its day';

-- Packs are dense already.
ALTER TABLE pageviews.packed_views ALTER COLUMN pack SET STORAGE EXTERNAL;

CREATE TABLE pageviews.packed_stale (
	day timestamptz NOT NULL,
	site text COLLATE "C" NOT NULL,
	session_id uuid NOT NULL,
	CONSTRAINT packed_stale_pkey PRIMARY KEY (day, site, session_id),
	CONSTRAINT packed_stale_day_fkey FOREIGN KEY (day) REFERENCES pageviews.packed_days ON DELETE CASCADE
);
COMMENT ON TABLE pageviews.packed_stale IS 'sessions whose views changed after their day was packed; until it is packed again theirs are read from the views';
COMMENT ON COLUMN pageviews.packed_stale.day IS 'as in pageviews.packed_days';
COMMENT ON COLUMN pageviews.packed_stale.site IS 'host of the pages';
COMMENT ON COLUMN pageviews.packed_stale.session_id IS 'the session';
COMMENT ON CONSTRAINT packed_stale_pkey ON pageviews.packed_stale IS 'a session is noted once for a day and site';
COMMENT ON INDEX pageviews.packed_stale_pkey IS 'a session is noted once for a day and site';
COMMENT ON CONSTRAINT packed_stale_day_fkey ON pageviews.packed_stale IS 'what is noted goes with its day';

ALTER TABLE pageviews.packed_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.packed_days TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.packed_days FOR SELECT TO pageviews_reader, pageviews_site_reader USING (true);
COMMENT ON POLICY collector ON pageviews.packed_days IS 'the worker packs';
COMMENT ON POLICY reader ON pageviews.packed_days IS 'it says nothing of any visitor';

ALTER TABLE pageviews.packed_views ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.packed_views TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.packed_views FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.packed_views FOR SELECT TO pageviews_site_reader
	USING (site OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY collector ON pageviews.packed_views IS 'the worker packs the views of every site';
COMMENT ON POLICY reader ON pageviews.packed_views IS 'readers see every site';
COMMENT ON POLICY site_reader ON pageviews.packed_views IS 'readers of some sites see the views of these';

ALTER TABLE pageviews.packed_stale ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.packed_stale TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.packed_stale FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.packed_stale FOR SELECT TO pageviews_site_reader
	USING (site OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY collector ON pageviews.packed_stale IS 'the worker notes whose views it changes';
COMMENT ON POLICY reader ON pageviews.packed_stale IS 'readers see every site';
COMMENT ON POLICY site_reader ON pageviews.packed_stale IS 'readers of some sites see the sessions of these';

REVOKE ALL ON pageviews.packed_days, pageviews.packed_views, pageviews.packed_stale FROM PUBLIC;
GRANT SELECT ON pageviews.packed_days, pageviews.packed_views, pageviews.packed_stale TO pageviews_reader, pageviews_site_reader;
GRANT SELECT, INSERT, DELETE ON pageviews.packed_days, pageviews.packed_views, pageviews.packed_stale TO pageviews_collector;

