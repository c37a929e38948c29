-- The day that goes on: its hours are packed, changed, thrown away, and make place for the day.
SET timezone = 'UTC';
SET jit = off;
SET client_min_messages = 'warning';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition('2024-02-01');
INSERT INTO pageviews.sessions (session_id, created_at, country, browser, robot)
SELECT md5(n::text)::uuid, '2024-02-09', (ARRAY['CH', 'DE', NULL])[1 + n % 3], (ARRAY['Firefox', '', NULL])[1 + n % 3], n % 40 = 0
FROM generate_series(1, 2000) AS n;
-- Visits of a view every 20 minutes, and some of one a second, who come in the hour's last minute.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path, referrer, props, scroll_depth)
SELECT md5('view ' || n)::uuid, md5((n % 400 + n / 6000 * 400)::text)::uuid, '2024-02-10 00:00'::timestamptz + n * interval '3 seconds', 7, n % 70000, 0, 0, 1,
	   CASE WHEN n % 400 < 100 THEN 'b.example' ELSE 'a.example' END, '/' || n % 211, (ARRAY[NULL, 'https://www.google.com/', 'https://' || n % 97 || '.example/a'])[1 + n % 3],
	   CASE n % 4 WHEN 0 THEN jsonb_build_object('plan', n % 5) END, nullif(n % 102, 101)
FROM generate_series(0, 24000) AS n;
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT md5(h || ' ' || n)::uuid, md5((3000 + h)::text)::uuid, '2024-02-10 00:59:30'::timestamptz + h * interval '1 hour' + n * interval '1 second', 7, 1000, 0, 0, 1, 'a.example', '/' || n
FROM generate_series(0, 19) AS h, generate_series(0, 60) AS n;
ANALYZE pageviews.views, pageviews.sessions;

CREATE TEMPORARY TABLE asked (n serial, since timestamptz, until timestamptz, site text, filters jsonb);
INSERT INTO asked (since, until, site, filters)
VALUES ('2024-02-10'::timestamptz, '2024-02-11'::timestamptz, NULL, '{}'),
	('2024-02-10', '2024-02-11', NULL, '{"country": ["CH", null]}'),
	('2024-02-10 03:04:05', '2024-02-10 10:10:10', 'b.example', '{"page": "/1*"}'),
	('2024-02-10 03:04:05', '2024-02-10 10:10:10', NULL, '{"referrer": "*example"}');
CREATE TEMPORARY VIEW reports (what, n, row) AS
	SELECT 'summary', a.n, p::text FROM asked AS a, LATERAL pageviews.summary(a.since, a.until, a.site, a.filters) AS p
	UNION ALL SELECT 'entries', a.n, p::text FROM asked AS a, LATERAL pageviews.entry_pages(a.since, a.until, a.site, a.filters) AS p
	UNION ALL SELECT 'timeline', a.n, p::text FROM asked AS a, LATERAL pageviews.timeline(a.since, a.until, a.site, a.filters, '6 hours') AS p
	UNION ALL SELECT 'referrers', a.n, p::text FROM asked AS a, LATERAL pageviews.referrers(a.since, a.until, a.site, a.filters) AS p
	UNION ALL SELECT 'scroll', a.n, p::text FROM asked AS a, LATERAL pageviews.scroll_depth(a.since, a.until, a.site, a.filters) AS p
	UNION ALL SELECT 'funnel', a.n, p::text FROM asked AS a, LATERAL pageviews.funnel(a.since, a.until, a.site, a.filters, '{/1*,/2*,/*}') AS p
	UNION ALL SELECT 'journeys', a.n, p::text FROM asked AS a, LATERAL pageviews.journeys(a.since, a.until, a.site, a.filters, 4, NULL) AS p
	UNION ALL SELECT 'retention', a.n, p::text FROM asked AS a, LATERAL pageviews.retention(a.since, a.until, a.site, a.filters, '1 day') AS p;
-- How many rows differ from those of the views alone, which are looked at in the end.
CREATE FUNCTION pg_temp.differ() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	difference bigint;
BEGIN
	CREATE TEMPORARY TABLE were AS TABLE reports;
	DELETE FROM pageviews.packed_days;
	SELECT count(*) INTO difference FROM ((TABLE were EXCEPT ALL TABLE reports) UNION ALL (TABLE reports EXCEPT ALL TABLE were)) AS d;
	RAISE EXCEPTION USING ERRCODE = 'PV000';
EXCEPTION WHEN SQLSTATE 'PV000' THEN
	RETURN difference;
END
$$;
CREATE TEMPORARY VIEW packs AS
SELECT d.day::time AS since, d.until - d.day AS hours, count(*) FILTER (WHERE p.site = 'a.example') AS a, count(*) FILTER (WHERE p.site = 'b.example') AS b
FROM pageviews.packed_days AS d LEFT JOIN pageviews.packed_views AS p ON p.day = d.day GROUP BY d.day ORDER BY d.day;

-- Not before there are enough that are old enough: half an hour, and a chunk of views.
SELECT pageviews.roll_up('2024-02-10 06:29');
TABLE packs;
SELECT pageviews.roll_up('2024-02-10 10:31');
TABLE packs;
SELECT pg_temp.differ();
SELECT pageviews.roll_up('2024-02-10 19:45');
TABLE packs;
SELECT what, count(*) > 0 AS some FROM reports GROUP BY what ORDER BY what COLLATE "C";
SELECT pg_temp.differ();
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
SELECT pg_temp.differ();
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- What changes by hand is read from the views, and with it the hours beside; rolled up again they are packed again.
BEGIN;
UPDATE pageviews.views SET path = '/changed' WHERE view_id = md5('view 3600')::uuid;
SELECT pg_temp.differ();
SELECT pageviews.roll_up('2024-02-10 19:50');
TABLE packs;
SELECT count(*) AS marks FROM pageviews.rollup_marks;
SELECT pg_temp.differ();
ROLLBACK;
-- A session that is somebody else's: all its hours.
BEGIN;
UPDATE pageviews.sessions SET country = 'FR' WHERE session_id = md5('17')::uuid;
SELECT pg_temp.differ();
SELECT pageviews.roll_up('2024-02-10 19:50');
SELECT pg_temp.differ();
ROLLBACK;
-- What nobody notices differs.
BEGIN;
ALTER TABLE pageviews.views_2024_02 DISABLE TRIGGER USER;
UPDATE pageviews.views SET path = '/changed' WHERE started_at < '2024-02-10 05:00' AND path = '/3';
SELECT pg_temp.differ() > 0 AS differ;
ROLLBACK;
-- As the worker changes views: what it was is kept, noted and read from the views, until there is much of it.
BEGIN;
ALTER TABLE pageviews.views DISABLE TRIGGER USER;
ALTER TABLE pageviews.views_2024_02 DISABLE TRIGGER USER;
INSERT INTO pageviews.rollup_changes (view_id, generation, session_id, site, started_at, existed, engagement_ms, referrer)
SELECT v.view_id, s.generation, v.session_id, v.site, v.started_at, true, v.engagement_ms, v.referrer
FROM pageviews.views AS v, pageviews.rollup_state AS s WHERE v.started_at >= '2024-02-10 09:00' AND v.started_at < '2024-02-10 10:20' AND v.scroll_depth % 7 = 0;
UPDATE pageviews.views SET engagement_ms = 123456 WHERE started_at >= '2024-02-10 09:00' AND started_at < '2024-02-10 10:20' AND scroll_depth % 7 = 0;
SELECT pg_temp.differ();
SELECT pageviews.roll_up('2024-02-10 19:50');
SELECT day::time AS since, count(*) FROM pageviews.packed_stale GROUP BY day ORDER BY day;
SELECT pg_temp.differ();
INSERT INTO pageviews.packed_stale (day, site, session_id) SELECT '2024-02-10 10:00', 'c.example', md5(n::text)::uuid FROM generate_series(1, 1000) AS n;
SELECT pageviews.roll_up('2024-02-10 19:55');
SELECT day::time AS since, count(*) FROM pageviews.packed_stale GROUP BY day ORDER BY day;
TABLE packs;
SELECT pg_temp.differ();
ROLLBACK;
-- A robot, as the worker finds it: it marks the hour in which the session came, and the roll-ups find the others.
BEGIN;
ALTER TABLE pageviews.sessions DISABLE TRIGGER USER;
UPDATE pageviews.sessions SET robot = true WHERE session_id = md5('17')::uuid;
INSERT INTO pageviews.rollup_marks (hour, session_id) VALUES ('2024-02-09', md5('17')::uuid);
SELECT count(*) AS packs_have FROM pageviews.packed_views WHERE position(decode(md5('17'), 'hex') IN pack) > 0;
SELECT pageviews.roll_up('2024-02-10 19:50');
SELECT count(*) AS packs_have FROM pageviews.packed_views WHERE position(decode(md5('17'), 'hex') IN pack) > 0;
SELECT pg_temp.differ();
SELECT r.views AS rolled, v.views AS raw, r.visitors AS rolled_visitors, v.visitors AS raw_visitors
FROM pageviews.summary('2024-02-10', '2024-02-11') AS r, pageviews.summary('2024-02-10', '2024-02-11', filters => '{}') AS v;
ROLLBACK;
-- Somebody forgotten is in no pack; other hours keep theirs.
BEGIN;
SELECT count(*) AS packs_have FROM pageviews.packed_views WHERE position(decode(md5('17'), 'hex') IN pack) > 0;
SELECT pageviews.forget_session(md5('17')::uuid);
SELECT count(*) AS packs_have FROM pageviews.packed_views WHERE position(decode(md5('17'), 'hex') IN pack) > 0;
TABLE packs;
ROLLBACK;

-- Over midnight, before yesterday is over: no pack reaches into today.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT md5('night ' || n)::uuid, md5((n % 400)::text)::uuid, '2024-02-10 21:00'::timestamptz + n * interval '1 second', 7, 1000, 0, 0, 1, 'a.example', '/' || n % 211
FROM generate_series(1, 16000) AS n;
ANALYZE pageviews.views;
SELECT pageviews.roll_up('2024-02-11 01:35');
TABLE packs;
SELECT pg_temp.differ();
-- Robots were all that there was on a day: packs go with it.
BEGIN;
UPDATE pageviews.sessions SET robot = true;
INSERT INTO pageviews.sessions (session_id, created_at, robot) SELECT DISTINCT v.session_id, '2024-02-09'::timestamptz, true FROM pageviews.views AS v ON CONFLICT DO NOTHING;
SELECT pageviews.roll_up('2024-02-12');
TABLE packs;
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-12');
ROLLBACK;

-- The day is over.
SELECT pageviews.roll_up('2024-02-12');
TABLE packs;
SELECT count(DISTINCT day) AS days FROM pageviews.packed_views;
SELECT pg_temp.differ();
SELECT pageviews.rebuild_rollups();
TABLE packs;

DROP VIEW reports;
DROP VIEW packs;
DROP EXTENSION pageviews;
