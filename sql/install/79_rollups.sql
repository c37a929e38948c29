-- ---------------------------------------------------------------------------
-- Roll-ups: what the reports count, added up by hour, day, week, month and quarter of a year
--
-- src/reports/rollup.h says how they are kept equal to the views.
-- ---------------------------------------------------------------------------

CREATE TABLE pageviews.rollups (
	dimension smallint NOT NULL,
	level smallint NOT NULL,
	site text COLLATE "C" NOT NULL,
	bucket timestamptz NOT NULL,
	counters bytea NOT NULL,
	details bytea NOT NULL,
	CONSTRAINT rollups_pkey PRIMARY KEY (dimension, level, site, bucket)
);
COMMENT ON TABLE pageviews.rollups IS 'views and visits added up: what the reports read where there are no filters';
COMMENT ON COLUMN pageviews.rollups.dimension IS 'by what: 0 all together, 1 page, 2 entry page, 3 origin, 4 country, 5 browser, 6 system, 7 device, 8 language, 9 screen';
COMMENT ON COLUMN pageviews.rollups.level IS 'for how long: 0 a quarter of an hour, 1 an hour, 2 a day, 3 a week (from Monday), 4 a month, 5 a quarter of a year (UTC)';
COMMENT ON COLUMN pageviews.rollups.site IS 'host of the pages';
COMMENT ON COLUMN pageviews.rollups.bucket IS 'when that time began';
COMMENT ON COLUMN pageviews.rollups.counters IS 'for each value how many views, visits ...: src/reports/cells.c';
COMMENT ON COLUMN pageviews.rollups.details IS 'for each value a histogram of engagement and a sketch of the sessions';
COMMENT ON CONSTRAINT rollups_pkey ON pageviews.rollups IS 'one pack for each time, site and dimension';
COMMENT ON INDEX pageviews.rollups_pkey IS 'one pack for each time, site and dimension';

-- Packs are dense already.
ALTER TABLE pageviews.rollups
	ALTER COLUMN counters SET STORAGE EXTERNAL,
	ALTER COLUMN details SET STORAGE EXTERNAL;

CREATE TABLE pageviews.rollup_state (
	only_row boolean NOT NULL DEFAULT true CONSTRAINT rollup_state_only_row_check CHECK (only_row),
	rolled_until timestamptz NOT NULL DEFAULT '-infinity',
	announced_until timestamptz NOT NULL DEFAULT '-infinity',
	generation bigint NOT NULL DEFAULT 1,
	consuming bigint NOT NULL DEFAULT 0,
	consuming_since timestamptz NOT NULL DEFAULT '-infinity',
	days_until timestamptz NOT NULL DEFAULT '-infinity',
	weeks_until timestamptz NOT NULL DEFAULT '-infinity',
	months_until timestamptz NOT NULL DEFAULT '-infinity',
	quarters_until timestamptz NOT NULL DEFAULT '-infinity',
	raw_since timestamptz NOT NULL DEFAULT '-infinity',
	hours_packed_at timestamptz NOT NULL DEFAULT '-infinity',
	visit_timeout integer NOT NULL,
	bounce_engagement integer NOT NULL,
	CONSTRAINT rollup_state_pkey PRIMARY KEY (only_row)
);
COMMENT ON TABLE pageviews.rollup_state IS 'how far the roll-ups are; one row';
COMMENT ON COLUMN pageviews.rollup_state.only_row IS 'there is one';
COMMENT ON COLUMN pageviews.rollup_state.rolled_until IS 'what began before this is in the roll-ups';
COMMENT ON COLUMN pageviews.rollup_state.announced_until IS 'and what began before this will be next';
COMMENT ON COLUMN pageviews.rollup_state.generation IS 'generation of the changes that are kept now';
COMMENT ON COLUMN pageviews.rollup_state.consuming IS 'changes of generations up to this will be in the roll-ups next';
COMMENT ON COLUMN pageviews.rollup_state.consuming_since IS 'of views that began since this';
COMMENT ON COLUMN pageviews.rollup_state.days_until IS 'days before this have packs of their own';
COMMENT ON COLUMN pageviews.rollup_state.weeks_until IS 'weeks before this have packs of their own';
COMMENT ON COLUMN pageviews.rollup_state.months_until IS 'months before this have packs of their own';
COMMENT ON COLUMN pageviews.rollup_state.quarters_until IS 'quarters of a year before this have packs of their own';
COMMENT ON COLUMN pageviews.rollup_state.raw_since IS 'views before this were dropped, their roll-ups stay';
COMMENT ON COLUMN pageviews.rollup_state.hours_packed_at IS 'when hours of a day that was not over were packed last';
COMMENT ON COLUMN pageviews.rollup_state.visit_timeout IS 'pageviews.visit_timeout in seconds, as the roll-ups have it';
COMMENT ON COLUMN pageviews.rollup_state.bounce_engagement IS 'pageviews.bounce_engagement in milliseconds, as the roll-ups have it';
COMMENT ON CONSTRAINT rollup_state_only_row_check ON pageviews.rollup_state IS 'one row';
COMMENT ON CONSTRAINT rollup_state_pkey ON pageviews.rollup_state IS 'one row';
COMMENT ON INDEX pageviews.rollup_state_pkey IS 'one row';

CREATE TABLE pageviews.rollup_changes (
	view_id uuid NOT NULL,
	generation bigint NOT NULL,
	session_id uuid NOT NULL,
	site text NOT NULL,
	started_at timestamptz NOT NULL,
	changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	existed boolean NOT NULL,
	engagement_ms integer NOT NULL,
	referrer text,
	query text,
	CONSTRAINT rollup_changes_pkey PRIMARY KEY (view_id, generation)
);
COMMENT ON TABLE pageviews.rollup_changes IS 'views that changed after they were rolled up, as the roll-ups have them';
COMMENT ON COLUMN pageviews.rollup_changes.view_id IS 'the view';
COMMENT ON COLUMN pageviews.rollup_changes.generation IS 'pageviews.rollup_state.generation at the change';
COMMENT ON COLUMN pageviews.rollup_changes.session_id IS 'its session';
COMMENT ON COLUMN pageviews.rollup_changes.site IS 'its site';
COMMENT ON COLUMN pageviews.rollup_changes.started_at IS 'when it began';
COMMENT ON COLUMN pageviews.rollup_changes.changed_at IS 'when it was changed first';
COMMENT ON COLUMN pageviews.rollup_changes.existed IS 'whether it was there before the change';
COMMENT ON COLUMN pageviews.rollup_changes.engagement_ms IS 'its engagement time before the change';
COMMENT ON COLUMN pageviews.rollup_changes.referrer IS 'its referrer before the change';
COMMENT ON COLUMN pageviews.rollup_changes.query IS 'its query before the change';
COMMENT ON CONSTRAINT rollup_changes_pkey ON pageviews.rollup_changes IS 'the first change of a generation counts';
COMMENT ON INDEX pageviews.rollup_changes_pkey IS 'the first change of a generation counts';

CREATE TABLE pageviews.rollup_marks (
	mark_id bigint GENERATED ALWAYS AS IDENTITY,
	hour timestamptz NOT NULL,
	session_id uuid,
	CONSTRAINT rollup_marks_pkey PRIMARY KEY (mark_id)
);
CREATE INDEX rollup_marks_hour_idx ON pageviews.rollup_marks (hour);
COMMENT ON SEQUENCE pageviews.rollup_marks_mark_id_seq IS 'numbers of marks';
COMMENT ON TABLE pageviews.rollup_marks IS 'hours in which somebody else than the worker changed views; they are rolled up again';
COMMENT ON COLUMN pageviews.rollup_marks.mark_id IS 'number of the mark';
COMMENT ON COLUMN pageviews.rollup_marks.hour IS 'when the hour began';
COMMENT ON COLUMN pageviews.rollup_marks.session_id IS 'the session whose views changed; NULL if views came in';
COMMENT ON CONSTRAINT rollup_marks_pkey ON pageviews.rollup_marks IS 'a mark has a number';
COMMENT ON INDEX pageviews.rollup_marks_pkey IS 'a mark has a number';
COMMENT ON INDEX pageviews.rollup_marks_hour_idx IS 'finds the marks of a period';

-- A restored database adds its views up again; what has no views any more it takes from the dump.
SELECT pg_catalog.pg_extension_config_dump('pageviews.rollups', '');

ALTER TABLE pageviews.rollups ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.rollups TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.rollups FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.rollups FOR SELECT TO pageviews_site_reader
	USING (site OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY collector ON pageviews.rollups IS 'the worker adds up every site';
COMMENT ON POLICY reader ON pageviews.rollups IS 'readers see every site';
COMMENT ON POLICY site_reader ON pageviews.rollups IS 'readers of some sites see the roll-ups of these';

ALTER TABLE pageviews.rollup_changes ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.rollup_changes TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.rollup_changes FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.rollup_changes FOR SELECT TO pageviews_site_reader
	USING (site OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY collector ON pageviews.rollup_changes IS 'the worker keeps what it changes';
COMMENT ON POLICY reader ON pageviews.rollup_changes IS 'readers see every change';
COMMENT ON POLICY site_reader ON pageviews.rollup_changes IS 'readers of some sites see the changes of these';

ALTER TABLE pageviews.rollup_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.rollup_state TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.rollup_state FOR SELECT TO pageviews_reader, pageviews_site_reader USING (true);
COMMENT ON POLICY collector ON pageviews.rollup_state IS 'the worker moves on';
COMMENT ON POLICY reader ON pageviews.rollup_state IS 'it says nothing of any visitor';

ALTER TABLE pageviews.rollup_marks ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.rollup_marks TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.rollup_marks FOR SELECT TO pageviews_reader, pageviews_site_reader USING (true);
COMMENT ON POLICY collector ON pageviews.rollup_marks IS 'the worker takes the marks away';
COMMENT ON POLICY reader ON pageviews.rollup_marks IS 'of the columns that are granted, it says nothing of any visitor';

REVOKE ALL ON pageviews.rollups, pageviews.rollup_state, pageviews.rollup_changes, pageviews.rollup_marks FROM PUBLIC;
GRANT SELECT ON pageviews.rollups, pageviews.rollup_state, pageviews.rollup_changes TO pageviews_reader, pageviews_site_reader;
GRANT SELECT (hour) ON pageviews.rollup_marks TO pageviews_reader, pageviews_site_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON pageviews.rollups, pageviews.rollup_changes TO pageviews_collector;
GRANT SELECT, INSERT, DELETE ON pageviews.rollup_marks TO pageviews_collector;
GRANT SELECT, UPDATE ON pageviews.rollup_state TO pageviews_collector;

INSERT INTO pageviews.rollup_state (visit_timeout, bounce_engagement) VALUES (1800, 10000);

-- ---------------------------------------------------------------------------
-- Marks: whoever changes views by hand, or by logical replication, leaves one
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.is_worker()
RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pageviews_is_worker';
COMMENT ON FUNCTION pageviews.is_worker() IS 'whether this process is the worker, whose changes the roll-ups know of';

CREATE FUNCTION pageviews.mark_view()
RETURNS trigger
LANGUAGE c VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'pageviews_mark_view';
COMMENT ON FUNCTION pageviews.mark_view() IS 'marks the hour of a view that somebody else than the worker changed';

CREATE FUNCTION pageviews.mark_session()
RETURNS trigger
LANGUAGE c VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'pageviews_mark_session';
COMMENT ON FUNCTION pageviews.mark_session() IS 'marks a session of which something else is known now';

CREATE TRIGGER mark_view AFTER INSERT OR UPDATE OR DELETE ON pageviews.views
	FOR EACH ROW WHEN (NOT pageviews.is_worker()) EXECUTE FUNCTION pageviews.mark_view();
CREATE TRIGGER mark_inserted AFTER INSERT OR DELETE ON pageviews.sessions
	FOR EACH ROW WHEN (NOT pageviews.is_worker()) EXECUTE FUNCTION pageviews.mark_session();
CREATE TRIGGER mark_updated AFTER UPDATE ON pageviews.sessions
	FOR EACH ROW WHEN (old IS DISTINCT FROM new) EXECUTE FUNCTION pageviews.mark_session();
ALTER TABLE pageviews.views ENABLE ALWAYS TRIGGER mark_view;
ALTER TABLE pageviews.sessions ENABLE ALWAYS TRIGGER mark_inserted;
ALTER TABLE pageviews.sessions ENABLE ALWAYS TRIGGER mark_updated;
COMMENT ON TRIGGER mark_view ON pageviews.views IS 'what others than the worker change is rolled up again';
COMMENT ON TRIGGER mark_inserted ON pageviews.sessions IS 'views may come before their session';
COMMENT ON TRIGGER mark_updated ON pageviews.sessions IS 'a session may turn out to be a robot';

CREATE FUNCTION pageviews.roll_up(until timestamptz DEFAULT pg_catalog.now())
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'pageviews_roll_up';
COMMENT ON FUNCTION pageviews.roll_up(timestamptz) IS 'brings the roll-ups up to a time at once, now at the latest; the worker does so by itself, pageviews.rollup_delay behind';

CREATE FUNCTION pageviews.rebuild_rollups()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'pageviews_rebuild_rollups';
COMMENT ON FUNCTION pageviews.rebuild_rollups() IS 'throws the roll-ups away, as far as their views are still there, and has them made again';

REVOKE ALL ON FUNCTION
	pageviews.is_worker(),
	pageviews.mark_view(),
	pageviews.mark_session(),
	pageviews.roll_up(timestamptz),
	pageviews.rebuild_rollups()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pageviews.is_worker(), pageviews.roll_up(timestamptz), pageviews.rebuild_rollups() TO pageviews_collector;

-- ---------------------------------------------------------------------------
-- Cells: what the reports are made of
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.cells(bounds timestamptz[], site text, dimension text, filters jsonb DEFAULT NULL, by_site boolean DEFAULT false, wanted text[] DEFAULT NULL, counters_only boolean DEFAULT false)
RETURNS TABLE (
	bucket integer, site text, value text[], views bigint, engagement_ms bigint, visits bigint, bounces bigint,
	entries bigint, exits bigint, visit_views bigint, visitors bigint, engagement_median_ms bigint, engagement_p90_ms bigint, sketch bytea)
LANGUAGE c STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'pageviews_cells';
COMMENT ON FUNCTION pageviews.cells(timestamptz[], text, text, jsonb, boolean, text[], boolean) IS
	'what happened from each bound to the next (bucket 1, 2 ...), for each value of a dimension (all, page, entry, origin, country, browser, system, device, language, screen), or those that are like one of the patterns wanted: views that began, visits that began and what they were; from the roll-ups as far as these go, from packed days and views for the rest and wherever there are filters; sketch, of origins and by site, is for pageviews.count_visitors(); counters_only leaves visitors, median, p90 and sketch out, which take most of the time';

CREATE FUNCTION pageviews.merge_visitors(state internal, sketch bytea)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_merge_visitors';
COMMENT ON FUNCTION pageviews.merge_visitors(internal, bytea) IS 'the transition function of pageviews.count_visitors()';

CREATE FUNCTION pageviews.estimate_visitors(state internal)
RETURNS bigint
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_estimate_visitors';
COMMENT ON FUNCTION pageviews.estimate_visitors(internal) IS 'the final function of pageviews.count_visitors()';

CREATE AGGREGATE pageviews.count_visitors(sketch bytea) (
	SFUNC = pageviews.merge_visitors,
	STYPE = internal,
	FINALFUNC = pageviews.estimate_visitors
);
COMMENT ON AGGREGATE pageviews.count_visitors(bytea) IS 'how many distinct sessions there are in the sketches of pageviews.cells()';

REVOKE ALL ON FUNCTION
	pageviews.cells(timestamptz[], text, text, jsonb, boolean, text[], boolean),
	pageviews.merge_visitors(internal, bytea),
	pageviews.estimate_visitors(internal),
	pageviews.count_visitors(bytea)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.cells(timestamptz[], text, text, jsonb, boolean, text[], boolean),
	pageviews.merge_visitors(internal, bytea),
	pageviews.estimate_visitors(internal),
	pageviews.count_visitors(bytea)
TO pageviews_reader, pageviews_site_reader;
