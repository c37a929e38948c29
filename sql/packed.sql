-- Packed days as a user meets them: many views, odd times, who reads what, what is damaged, what goes.
SET timezone = 'UTC';
SET jit = off;
SET client_min_messages = 'warning';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition(m::date) FROM (VALUES ('2024-02-01'), ('2024-03-01')) AS v (m);

-- 9,000 views of one day on one site take two chunks; sessions without a row, robots, texts of all kinds, times to the microsecond.
INSERT INTO pageviews.sessions (session_id, created_at, country, browser, system, device, language, screen_width, screen_height, robot)
SELECT md5(n::text)::uuid, CASE n % 50 WHEN 0 THEN '-infinity' WHEN 1 THEN 'infinity' ELSE '2024-02-09'::timestamptz + n * interval '7 minutes' END,
	   (ARRAY['CH', 'DE', NULL])[1 + n % 3], (ARRAY['Firefox', '', NULL])[1 + n % 3], repeat('s', n % 300), 'desktop', 'de', CASE WHEN n % 4 > 0 THEN n END, 900, n % 40 = 0
FROM generate_series(1, 2200) AS n;
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path, referrer, query, props, scroll_depth)
SELECT gen_random_uuid(), md5((n % 2500)::text)::uuid, '2024-02-10 00:00'::timestamptz + n * interval '9.4 seconds' + (n % 3) * interval '1 microsecond', 7,
	   CASE n % 100 WHEN 0 THEN -5 WHEN 1 THEN 2147483647 ELSE n % 70000 END, 0, 0, 1, s.site, '/' || n % 211 || repeat('x', n % 7 * 40),
	   (ARRAY[NULL, '', 'https://www.google.com/', 'https://' || n % 97 || '.example/a', 'no address'])[1 + n % 5], (ARRAY[NULL, '', 'utm_campaign=' || n % 13])[1 + n % 3],
	   CASE n % 4 WHEN 0 THEN jsonb_build_object('plan', n % 5, 'n', n % 11) WHEN 1 THEN '{}' END, nullif(n % 102, 101)
FROM generate_series(1, 9000) AS n, (VALUES ('a.example'), ('b.example')) AS s (site) WHERE s.site = 'a.example' OR n % 10 = 0;
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), md5(n::text)::uuid, '2024-02-10 23:59:59.999999'::timestamptz + d * interval '1 second', 7, 1000, 0, 0, 1, 'a.example', '/midnight'
FROM generate_series(1, 100) AS n, generate_series(0, 1) AS d;
SELECT pageviews.roll_up('2024-03-20');
SELECT day, site, count(*) AS chunks FROM pageviews.packed_views GROUP BY day, site ORDER BY day, site;
SELECT day FROM pageviews.packed_days ORDER BY day;

-- Reports with and without packs.
CREATE TEMPORARY TABLE asked (n serial, since timestamptz, until timestamptz, site text, filters jsonb);
INSERT INTO asked (since, until, site, filters)
SELECT p.since, p.until, s.site, f.filters
FROM (VALUES ('2024-02-01'::timestamptz, '2024-03-01'::timestamptz), ('2024-02-10 03:04:05', '2024-02-10 22:22:22.222222')) AS p (since, until),
	 (VALUES (NULL), ('b.example')) AS s (site),
	 (VALUES ('{}'::jsonb), ('{"page": "/1*"}'), ('{"country": ["CH", null], "browser": ""}'), ('{"referrer": "*example", "language": "de"}'), ('{"referrer": null, "campaign": ["1*", null]}'),
			 ('{"property": {"plan": 3}}'), ('{"property": {}}'), ('{"page": []}'), ('{"system": "sss*"}'), ('{"source": null, "medium": null}')) AS f (filters);
CREATE TEMPORARY VIEW reports (what, n, row) AS
	SELECT 'pages', a.n, p::text FROM asked AS a, LATERAL pageviews.pages(a.since, a.until, a.site, a.filters) AS p
	UNION ALL SELECT 'entries', a.n, p::text FROM asked AS a, LATERAL pageviews.entry_pages(a.since, a.until, a.site, a.filters) AS p
	UNION ALL SELECT 'timeline', a.n, p::text FROM asked AS a, LATERAL pageviews.timeline(a.since, a.until, a.site, a.filters, '6 hours') AS p WHERE p.views > 0
	UNION ALL SELECT 'referrers', a.n, p::text FROM asked AS a, LATERAL pageviews.referrers(a.since, a.until, a.site, a.filters) AS p
	UNION ALL SELECT 'screens', a.n, p::text FROM asked AS a, LATERAL pageviews.screens(a.since, a.until, a.site, a.filters) AS p
	UNION ALL SELECT 'engagement', a.n, p::text FROM asked AS a, LATERAL pageviews.engagement_histogram(a.since, a.until, a.site, a.filters, '/1*') AS p
	UNION ALL SELECT 'scroll', a.n, p::text FROM asked AS a, LATERAL pageviews.scroll_depth(a.since, a.until, a.site, a.filters) AS p
	UNION ALL SELECT 'funnel', a.n, p::text FROM asked AS a, LATERAL pageviews.funnel(a.since, a.until, a.site, a.filters, '{/1*,/2*,/*}') AS p
	UNION ALL SELECT 'journeys', a.n, p::text FROM asked AS a, LATERAL pageviews.journeys(a.since, a.until, a.site, a.filters, 4, NULL) AS p
	UNION ALL SELECT 'retention', a.n, p::text FROM asked AS a, LATERAL pageviews.retention(a.since, a.until, a.site, a.filters, '1 day') AS p;
CREATE TEMPORARY TABLE packed AS SELECT * FROM reports;
SELECT what, count(*) > 0 AS some FROM packed GROUP BY what ORDER BY what COLLATE "C";
BEGIN;
DELETE FROM pageviews.packed_days;
SELECT count(*) AS packs FROM pageviews.packed_views;
(TABLE packed EXCEPT ALL TABLE reports) UNION ALL (TABLE reports EXCEPT ALL TABLE packed);
ROLLBACK;

-- Parallel workers read parts of the period, also of what this transaction alone knows.
SET min_parallel_table_scan_size = 0;
SET client_min_messages = 'debug1';
SELECT count(*) FROM pageviews.scroll_depth('2024-02-01', '2024-03-01');
SELECT count(*) FROM pageviews.scroll_depth('2024-02-11', '2024-03-01');
SELECT count(*) > 0 AS some FROM pageviews.pages('2024-02-01', '2024-03-01', filters => '{}');
SET max_parallel_workers_per_gather = 0;
SELECT count(*) > 0 AS some FROM pageviews.pages('2024-02-01', '2024-03-01', filters => '{}');
RESET max_parallel_workers_per_gather;
SET client_min_messages = 'warning';
SELECT count(*) FROM pageviews.scroll_depth('2024-02-01', '2024-03-01', filters => '{"colour": "red"}');
BEGIN;
DELETE FROM asked WHERE n % 4 > 0;
CREATE TEMPORARY TABLE parallel ON COMMIT DROP AS TABLE reports;
(SELECT * FROM packed WHERE n % 4 = 0 EXCEPT ALL TABLE parallel) UNION ALL (TABLE parallel EXCEPT ALL SELECT * FROM packed WHERE n % 4 = 0);
INSERT INTO pageviews.packed_stale (day, site, session_id) SELECT '2024-02-10', 'a.example', md5(n::text)::uuid FROM generate_series(1, 2500, 3) AS n;
SELECT * FROM (TABLE packed EXCEPT ALL TABLE reports) AS d WHERE d.n IN (SELECT n FROM asked);
SET LOCAL max_parallel_workers = 0;
SELECT * FROM (TABLE packed EXCEPT ALL TABLE reports) AS d WHERE d.n IN (SELECT n FROM asked);
SAVEPOINT whole;
UPDATE pageviews.packed_views SET pack = substr(pack, 1, 100000) WHERE chunk = 0;
SET LOCAL max_parallel_workers = 8;
DO $$ BEGIN PERFORM FROM pageviews.pages('2024-02-01', '2024-03-01', filters => '{}'); EXCEPTION WHEN data_corrupted THEN RAISE WARNING '%', sqlerrm; END $$;
SELECT count(*) FROM pageviews.scroll_depth('2024-02-12', '2024-03-01');
ROLLBACK;
RESET min_parallel_table_scan_size;

-- Visits over midnight, of which only the one day or the other is packed.
BEGIN;
DELETE FROM pageviews.packed_days WHERE day = '2024-02-11';
SELECT count(*) > 0 AS packs FROM pageviews.packed_views;
(TABLE packed EXCEPT ALL TABLE reports) UNION ALL (TABLE reports EXCEPT ALL TABLE packed);
ROLLBACK;
BEGIN;
DELETE FROM pageviews.packed_days WHERE day = '2024-02-10';
SELECT count(*) > 0 AS packs FROM pageviews.packed_views;
(TABLE packed EXCEPT ALL TABLE reports) UNION ALL (TABLE reports EXCEPT ALL TABLE packed);
ROLLBACK;

-- What is stale is read from the views.
BEGIN;
INSERT INTO pageviews.packed_stale (day, site, session_id) SELECT '2024-02-10', 'a.example', md5(n::text)::uuid FROM generate_series(1, 2500, 3) AS n;
DELETE FROM asked WHERE n % 4 > 0;
SELECT * FROM (TABLE packed EXCEPT ALL TABLE reports) AS d WHERE d.n IN (SELECT n FROM asked);
ROLLBACK;

-- A session that changes, whenever it was created, and one whose row comes late: its views on all days.
INSERT INTO pageviews.sessions (session_id, created_at, country) VALUES (md5('guest')::uuid, '2024-02-01', 'CH'), (md5('ancient')::uuid, '-infinity', 'CH');
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), md5(s)::uuid, d, 7, 1000, 0, 0, 1, 'a.example', '/guest'
FROM (VALUES ('guest'), ('ancient'), ('rowless')) AS v (s), generate_series('2024-02-11 12:00'::timestamptz, '2024-02-13', '1 day') AS d;
SELECT pageviews.roll_up('2024-03-20');
CREATE TEMPORARY VIEW guests AS
	SELECT f.filters, p.views, p.visitors FROM (VALUES ('{}'), ('{"country": "CH"}'), ('{"country": null}')) AS f (filters), pageviews.pages('2024-02-01', '2024-03-01', NULL, f.filters::jsonb) AS p WHERE p.path = '/guest'
	UNION ALL SELECT 'retention', r.period, r.visitors FROM pageviews.retention('2024-02-01', '2024-03-01', NULL, '{"page": "/guest"}', '1 day') AS r WHERE r.visitors > 0;
CREATE FUNCTION pg_temp.guests_differ() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	difference bigint;
BEGIN
	CREATE TEMPORARY TABLE were AS TABLE guests;
	DELETE FROM pageviews.packed_days;
	SELECT count(*) INTO difference FROM ((TABLE were EXCEPT ALL TABLE guests) UNION ALL (TABLE guests EXCEPT ALL TABLE were)) AS d;
	RAISE EXCEPTION USING ERRCODE = 'PV000';
EXCEPTION WHEN SQLSTATE 'PV000' THEN
	RETURN difference;
END
$$;
BEGIN;
SELECT pg_temp.guests_differ() AS as_packed;
SAVEPOINT packed;
UPDATE pageviews.sessions SET country = 'DE' WHERE session_id = md5('guest')::uuid;
SELECT pg_temp.guests_differ() AS elsewhere;
SELECT pageviews.roll_up('2024-03-20');
SELECT pg_temp.guests_differ() AS elsewhere_rolled_up;
ROLLBACK TO packed;
UPDATE pageviews.sessions SET robot = true WHERE session_id IN (md5('guest')::uuid, md5('ancient')::uuid);
SELECT pg_temp.guests_differ() AS robots;
SELECT pageviews.roll_up('2024-03-20');
SELECT pg_temp.guests_differ() AS robots_rolled_up;
ROLLBACK TO packed;
DELETE FROM pageviews.sessions WHERE session_id = md5('guest')::uuid;
SELECT pg_temp.guests_differ() AS row_is_gone;
ROLLBACK TO packed;
INSERT INTO pageviews.sessions (session_id, created_at, country) VALUES (md5('rowless')::uuid, '2024-02-01', 'CH');
SELECT pg_temp.guests_differ() AS row_came;
SELECT pageviews.roll_up('2024-03-20');
SELECT pg_temp.guests_differ() AS row_came_rolled_up;
ROLLBACK TO packed;
-- Views that come after the roll-ups took the marks of those before, all in one transaction.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
VALUES (gen_random_uuid(), md5('guest')::uuid, '2024-02-11 12:10', 7, 1000, 0, 0, 1, 'a.example', '/guest');
SELECT pageviews.roll_up('2024-03-20');
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
VALUES (gen_random_uuid(), md5('guest')::uuid, '2024-02-11 12:20', 7, 1000, 0, 0, 1, 'a.example', '/guest');
SELECT pg_temp.guests_differ() AS came_after;
ROLLBACK TO packed;
-- Forgotten, also where its views are not what was packed any more.
UPDATE pageviews.views SET started_at = started_at + interval '5 days' WHERE session_id = md5('guest')::uuid;
SELECT count(*) AS packs_have FROM pageviews.packed_views WHERE position(decode(md5('guest'), 'hex') IN pack) > 0;
SELECT pageviews.forget_session(md5('guest')::uuid);
SELECT count(*) AS packs_have FROM pageviews.packed_views WHERE position(decode(md5('guest'), 'hex') IN pack) > 0;
SELECT count(*) AS marks_have FROM pageviews.rollup_marks WHERE session_id = md5('guest')::uuid;
ROLLBACK TO packed;
-- Where everything is gone, nothing stays packed.
TRUNCATE pageviews.views;
SELECT pageviews.rebuild_rollups();
SELECT count(*) FROM pageviews.packed_views;
ROLLBACK;
-- As early as it can be.
SELECT visitors FROM pageviews.funnel('4714-11-24 00:00:00+00 BC', 'infinity', NULL, '{"referrer": null}', '{/guest}');

-- Whoever may read some sites reads their packs, and no others.
CREATE ROLE regress_pageviews_packer;
GRANT pageviews_site_reader TO regress_pageviews_packer;
INSERT INTO pageviews.site_readers VALUES ('regress_pageviews_packer', 'b.example');
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-11', 'b.example', '{"page": "/1*"}');
SET ROLE regress_pageviews_packer;
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-11', NULL, '{"page": "/1*"}');
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-12', NULL, '{"page": ["/1*", "/midnight"]}');
SET min_parallel_table_scan_size = 0;
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-12', NULL, '{"page": ["/1*", "/midnight"]}');
RESET min_parallel_table_scan_size;
SELECT DISTINCT site FROM pageviews.packed_views;
DELETE FROM pageviews.packed_days;
RESET ROLE;

-- A damaged pack is an error that says what to do, and nothing worse.
CREATE FUNCTION pg_temp.damaged(damage bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	UPDATE pageviews.packed_views SET pack = damage WHERE chunk = 0;
	PERFORM FROM pageviews.pages('2024-02-10', '2024-02-11', NULL, '{}');
	RAISE EXCEPTION 'nothing was noticed' USING ERRCODE = 'assert_failure';
EXCEPTION WHEN data_corrupted THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN concat_ws('; ', sqlerrm, hint);
END
$$;
SELECT pg_temp.damaged(d) FROM (VALUES ('\x'::bytea), ('\x02'), ('\x0101'), ('\x0100ffffffffff7f'), ('\x01000000000001'), ('\x0100010501'), ('\x010100000000')) AS v (d);
-- A property whose bytes are no JSON.
DO $$
DECLARE
	whole CONSTANT bytea := (SELECT pack FROM pageviews.packed_views WHERE site = 'b.example' AND chunk = 0);
BEGIN
	FOR damage IN 0 .. 255 LOOP
		CONTINUE WHEN damage = ascii('"');
		UPDATE pageviews.packed_views SET pack = set_byte(whole, position('"plan"'::bytea IN whole) - 1, damage) WHERE site = 'b.example' AND chunk = 0;
		BEGIN
			PERFORM FROM pageviews.pages('2024-02-10', '2024-02-11', 'b.example', '{"property": {"plan": 3}}');
			RAISE WARNING '% was not noticed', damage;
		EXCEPTION WHEN data_exception OR data_corrupted THEN
			NULL;
		END;
	END LOOP;
	UPDATE pageviews.packed_views SET pack = whole WHERE site = 'b.example' AND chunk = 0;
END
$$;
SELECT pg_temp.damaged(substr(pack, 1, length(pack) - 3)) FROM pageviews.packed_views WHERE site = 'b.example' AND chunk = 0;
-- Whatever byte is wrong: an error, or numbers that are.
DO $$
DECLARE
	whole bytea;
	found integer := 0;
BEGIN
	SELECT pack INTO whole FROM pageviews.packed_views WHERE site = 'b.example' AND chunk = 0;
	PERFORM setseed(0.7);
	FOR i IN 1 .. 300 LOOP
		UPDATE pageviews.packed_views SET pack = set_byte(whole, (random() * (length(whole) - 1))::integer, (random() * 255)::integer) WHERE site = 'b.example' AND chunk = 0;
		-- Days one after the other; merged; views alone.
		BEGIN
			PERFORM FROM pageviews.pages('2024-02-10', '2024-02-11', 'b.example', '{"property": {"plan": 3}}');
		EXCEPTION WHEN data_corrupted OR data_exception THEN
			found := found + 1;
		END;
		BEGIN
			PERFORM FROM pageviews.funnel('2024-02-10', '2024-02-11', 'b.example', '{}', '{/1*,/2*}');
			PERFORM FROM pageviews.journeys('2024-02-10', '2024-02-11', 'b.example', '{"country": "CH"}');
		EXCEPTION WHEN data_corrupted OR data_exception THEN
			found := found + 1;
		END;
		BEGIN
			PERFORM FROM pageviews.scroll_depth('2024-02-10', '2024-02-11', 'b.example', '{}');
		EXCEPTION WHEN data_corrupted OR data_exception THEN
			found := found + 1;
		END;
	END LOOP;
	UPDATE pageviews.packed_views SET pack = whole WHERE site = 'b.example' AND chunk = 0;
	RAISE WARNING '%', CASE WHEN found > 10 THEN 'some were noticed' ELSE found || ' were noticed' END;
END
$$;

-- What goes with the views.
SELECT pageviews.forget_session(md5('7')::uuid) > 0 AS forgotten;
SELECT count(*) FROM pageviews.packed_views WHERE position(decode(md5('7'), 'hex') IN pack) > 0;
SELECT pageviews.roll_up('2024-03-20');
SELECT count(*) > 0 AS again FROM pageviews.packed_days;
SELECT pageviews.rebuild_rollups();
SELECT count(*) FROM pageviews.packed_days;
SELECT pageviews.roll_up('2024-03-20');
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
VALUES (gen_random_uuid(), gen_random_uuid(), '2024-03-05', 7, 1000, 0, 0, 1, 'a.example', '/march');
SELECT pageviews.drop_partition('2024-03-15');
SELECT count(*) FROM pageviews.packed_days;
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-11', NULL, '{}');

-- A TRUNCATE is not noticed, but there is a way.
SELECT pageviews.roll_up('2024-05-20');
SELECT day FROM pageviews.packed_days;
TRUNCATE pageviews.views;
SELECT pageviews.rebuild_rollups();
SELECT day FROM pageviews.packed_days;
SELECT views FROM pageviews.summary('2024-03-01', '2024-04-01', NULL, '{}');

-- A page that loads itself anew for days is one visit, whatever part it is read in; it counts by where it came from.
SELECT pageviews.make_partition('2024-06-01');
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path, referrer)
SELECT gen_random_uuid(), md5('wall')::uuid, '2024-06-02 12:00'::timestamptz + n * interval '20 minutes', 7, 1000, 0, 0, 1, 'wall.example', '/wall',
	   CASE n WHEN 0 THEN 'https://came.example/' ELSE 'https://wall.example/wall' END
FROM generate_series(0, 400) AS n;
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), md5((n / 5)::text)::uuid, '2024-06-01'::timestamptz + n * interval '37 minutes', 7, 1000, 0, 0, 1, 'wall.example', '/' || n % 3
FROM generate_series(1, 400) AS n;
SELECT pageviews.roll_up('2024-06-20');
CREATE TEMPORARY VIEW wall AS
	SELECT 'pages' AS what, p::text FROM pageviews.pages('2024-06-01', '2024-06-15', filters => '{"referrer": "came.example"}') AS p
	UNION ALL SELECT 'entries', p::text FROM pageviews.entry_pages('2024-06-01', '2024-06-15', filters => '{}') AS p
	UNION ALL SELECT 'later', p::text FROM pageviews.entry_pages('2024-06-04 03:00', '2024-06-08 21:00', filters => '{}') AS p
	UNION ALL SELECT 'days', p::text FROM pageviews.timeline('2024-06-01', '2024-06-15', filters => '{}') AS p
	UNION ALL SELECT 'engagement', p::text FROM pageviews.engagement_histogram('2024-06-01', '2024-06-15', filters => '{"referrer": "came.example"}') AS p;
CREATE TEMPORARY TABLE alone AS TABLE wall;
SELECT p FROM alone WHERE what IN ('pages', 'entries');
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 4;
(TABLE alone EXCEPT ALL TABLE wall) UNION ALL (TABLE wall EXCEPT ALL TABLE alone);
SET max_parallel_workers = 0;
(TABLE alone EXCEPT ALL TABLE wall) UNION ALL (TABLE wall EXCEPT ALL TABLE alone);

DROP VIEW wall;
DROP VIEW reports;
DROP VIEW guests;
DROP EXTENSION pageviews;
DROP OWNED BY regress_pageviews_packer;
DROP ROLE regress_pageviews_packer;
