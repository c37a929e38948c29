-- Roll-ups as a user meets them: how good the estimates are, what is damaged, what outlives the views.
SET timezone = 'UTC';
SET jit = off;
SET client_min_messages = 'warning';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition(m::date) FROM (VALUES ('2024-02-01'), ('2024-03-01')) AS v (m);

-- 30,000 sessions, each once on /all and every twentieth on /some; engagement of all lengths.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), md5(n::text)::uuid, '2024-02-10'::timestamptz + n * interval '37 seconds', 7, (n::bigint * 7919 % 100003)::integer, 0, 0, 1, 'a.example', p
FROM generate_series(1, 30000) AS n, unnest(CASE WHEN n % 20 = 0 THEN '{/all,/some}'::text[] ELSE '{/all}' END) AS p;
SELECT pageviews.roll_up('2024-03-20');
SELECT rolled_until, days_until, weeks_until, months_until, quarters_until, raw_since FROM pageviews.rollup_state;
SELECT level, count(*) > 0 AS some FROM pageviews.rollups WHERE dimension = 1 GROUP BY level ORDER BY level;

-- Some thousands of visitors are estimated, within 2 %; fewer are counted.
SELECT path, views, CASE WHEN visitors BETWEEN 29400 AND 30600 THEN 'near 30000' ELSE visitors::text END AS visitors, visits
FROM pageviews.pages('2024-02-01', '2024-03-01');
SELECT abs(p.engagement_median_ms - e.median) <= 0.03 * e.median AS near
FROM pageviews.pages('2024-02-01', '2024-03-01') AS p,
LATERAL (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY v.engagement_ms) AS median FROM pageviews.views AS v WHERE v.path = p.path) AS e;

-- Days of a zone that is not whole hours from UTC: from roll-ups as from views, which filters that let everything pass ask for.
SET timezone = 'Asia/Kolkata';
SELECT count(*) AS days, bool_and(r = v) AS equal
FROM pageviews.timeline('2024-02-10', '2024-02-23') AS r JOIN pageviews.timeline('2024-02-10', '2024-02-23', filters => '{}') AS v USING (bucket);
SET timezone = 'UTC';

-- Weeks are read where they lie in a period, unless a month does; changed views are read instead, until their week is made again.
UPDATE pageviews.rollups SET counters = '\x01' WHERE dimension = 1 AND level = 3;
SELECT count(*) FROM pageviews.pages('2024-02-12', '2024-02-19');
SELECT count(*) FROM pageviews.pages('2024-02-13', '2024-02-19');
SELECT count(*) FROM pageviews.pages('2024-01-29', '2024-03-01');
UPDATE pageviews.views SET engagement_ms = 7 WHERE started_at < '2024-02-13' AND path = '/some';
CREATE TEMPORARY VIEW week AS
SELECT count(*) AS pages, bool_and(r = v) AS equal
FROM pageviews.pages('2024-02-12', '2024-02-19') AS r JOIN pageviews.pages('2024-02-12', '2024-02-19', filters => '{}') AS v USING (path);
SELECT * FROM week;
SELECT pageviews.roll_up('2024-03-20');
SELECT * FROM week;
SELECT count(*) FROM pageviews.rollup_marks;
SELECT count(*) FROM pageviews.pages('2024-02-19', '2024-02-26');
DROP VIEW week;

-- A damaged pack is an error that says what to do, and nothing worse.
UPDATE pageviews.rollups SET details = details || '\x00' WHERE dimension = 0 AND level = 2;
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-15');
UPDATE pageviews.rollups SET details = '\x' WHERE dimension IN (0, 1) AND level = 2;
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-15');
-- Exits need counters alone.
SELECT count(*) FROM pageviews.exit_pages('2024-02-10', '2024-02-15');
UPDATE pageviews.rollups SET counters = '\x04ffff' WHERE dimension = 0 AND level = 2;
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-15');
UPDATE pageviews.rollups SET counters = '\x' WHERE dimension = 0 AND level = 2;
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-15');
UPDATE pageviews.rollups SET counters = '\x01' WHERE dimension = 0 AND level = 2;
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-15');
-- Nor is it read where the settings say that visits are others than those that were rolled up.
UPDATE pageviews.rollup_state SET visit_timeout = 1;
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-15');
UPDATE pageviews.rollup_state SET visit_timeout = 1800;
SELECT pageviews.rebuild_rollups();
SELECT pageviews.roll_up('2024-03-20');
SELECT views FROM pageviews.summary('2024-02-10', '2024-02-15');
SELECT pageviews.count_visitors(s.sketch) FROM (VALUES ('\x02'::bytea), (NULL)) AS s (sketch);
SELECT pageviews.count_visitors(s.sketch) FROM (VALUES ('\x0340000000'::bytea), ('\x011100'), ('\x0340000000')) AS s (sketch);
SELECT pageviews.count_visitors('\x');
SELECT pageviews.count_visitors('\x00ff');
SELECT pageviews.count_visitors('\x0b08010101010101010101');
SELECT pageviews.count_visitors('\x0b1a');
SELECT pageviews.count_visitors('\x0340');
SELECT pageviews.count_visitors('\x04ffffffffffffff');
SELECT pageviews.count_visitors('\x030000000000');
SELECT pageviews.count_visitors('\x03000000003f');
SELECT pageviews.count_visitors('\x0111');
SELECT pageviews.count_visitors('\x01f1ff7f00');
SELECT pageviews.count_visitors('\x010f2500');
SELECT pageviews.count_visitors('\xffffffffffffffffffff01');
SELECT pageviews.count_visitors('\x8310'::bytea || decode(repeat('00', 2049), 'hex'));
SELECT * FROM pageviews.cells('{2024-02-01,2024-03-01}', NULL, 'weather');
SELECT pageviews.roll_up('infinity');

-- Whoever may read some sites reads their roll-ups, and makes none.
CREATE ROLE regress_pageviews_editor;
GRANT pageviews_site_reader TO regress_pageviews_editor;
INSERT INTO pageviews.site_readers VALUES ('regress_pageviews_editor', 'b.example');
SET ROLE regress_pageviews_editor;
SELECT count(*) FROM pageviews.pages('2024-02-01', '2024-03-01');
SELECT count(*) FROM pageviews.rollups;
SELECT pageviews.rebuild_rollups();
RESET ROLE;
UPDATE pageviews.site_readers SET site = 'a.example';
SET ROLE regress_pageviews_editor;
SELECT count(*) FROM pageviews.pages('2024-02-01', '2024-03-01');
RESET ROLE;

-- Roll-ups outlive the views (8 days here).
CREATE TEMPORARY TABLE before AS SELECT * FROM pageviews.pages('2024-02-01', '2024-03-01');
SELECT pageviews.drop_partition('2024-03-15');
SELECT count(*) FROM pageviews.views;
SELECT raw_since FROM pageviews.rollup_state;
SELECT count(*) AS pages, bool_and(b = p) AS equal FROM pageviews.pages('2024-02-01', '2024-03-01') AS p JOIN before AS b USING (path);
SELECT pageviews.rebuild_rollups();
SELECT count(*) AS pages, bool_and(b = p) AS equal FROM pageviews.pages('2024-02-01', '2024-03-01') AS p JOIN before AS b USING (path);

DROP EXTENSION pageviews;
DROP OWNED BY regress_pageviews_editor;
DROP ROLE regress_pageviews_editor;

-- Quarters of a year are made of their months, the one that the views begin in, too, and are read where they lie in a period.
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition(m::date) FROM generate_series('2023-11-01'::timestamp, '2024-05-01', '1 month') AS m;
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT md5('view ' || n)::uuid, md5((n / 2)::text)::uuid, '2023-11-03'::timestamptz + n * interval '5 hours', 7, n * 100, 0, 0, 1, 'a.example', '/' || n % 7
FROM generate_series(1, 850) AS n;
SELECT pageviews.roll_up('2024-05-20');
SELECT days_until, weeks_until, months_until, quarters_until FROM pageviews.rollup_state;
SELECT bucket FROM pageviews.rollups WHERE dimension = 1 AND level = 5 ORDER BY bucket;
CREATE TEMPORARY VIEW periods AS
SELECT a.since, a.until, count(*) AS pages, sum(r.views) AS views, bool_and(r = v) AS equal
FROM (VALUES ('2023-10-01'::timestamptz, '2024-04-01'::timestamptz), ('2024-01-01', '2024-04-01'), ('2023-12-15', '2024-04-10'), ('2023-11-05', '2024-03-31'), ('2023-01-01', '2024-05-21')) AS a (since, until),
LATERAL pageviews.pages(a.since, a.until) AS r JOIN LATERAL pageviews.pages(a.since, a.until, filters => '{}') AS v USING (path)
GROUP BY a.since, a.until ORDER BY a.since, a.until;
SELECT * FROM periods;
-- A view that changes, and one that goes, change their quarter.
UPDATE pageviews.views SET engagement_ms = 77 WHERE view_id = md5('view 500')::uuid;
DELETE FROM pageviews.views WHERE view_id = md5('view 501')::uuid;
SELECT * FROM periods;
SELECT pageviews.roll_up('2024-05-20');
SELECT count(*) FROM pageviews.rollup_marks;
SELECT * FROM periods;
UPDATE pageviews.rollups SET counters = '\x01' WHERE dimension = 1 AND level = 5 AND bucket = '2024-01-01';
SELECT count(*) FROM pageviews.pages('2024-01-01', '2024-04-01');
SELECT count(*) FROM pageviews.pages('2024-01-02', '2024-04-01');
SELECT count(*) FROM pageviews.pages('2024-01-01', '2024-03-31');

-- A session whose row comes after its views were rolled up, before any day is packed.
SELECT pageviews.rebuild_rollups();
SELECT pageviews.roll_up('2023-11-03 12:00');
SELECT (SELECT count(*) FROM pageviews.rollups WHERE dimension = 4 AND level = 1) AS hours, (SELECT count(*) FROM pageviews.packed_days) AS packed;
INSERT INTO pageviews.sessions (session_id, created_at, country) VALUES (md5('0')::uuid, '2023-11-01', 'CH');
SELECT country, views FROM pageviews.countries('2023-11-03', '2023-11-04');
SELECT pageviews.roll_up('2023-11-04');
SELECT count(*) FROM pageviews.rollup_marks;
SELECT country, views FROM pageviews.countries('2023-11-03', '2023-11-04');
SELECT country, views FROM pageviews.countries('2023-11-03', '2023-11-04', filters => '{}');
DROP VIEW periods;
DROP EXTENSION pageviews;

-- Made again, everything is counted of which there are views, and nothing else: months
-- before the first view, in whose quarter it lies, have not outlived theirs.
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition(m::date) FROM generate_series('2023-07-01'::timestamp, '2023-10-01', '1 month') AS m;
CREATE TEMPORARY VIEW counted AS
SELECT r.views AS rolled, v.views AS raw, s.raw_since
FROM pageviews.summary('2023-07-01', '2023-11-01') AS r, pageviews.summary('2023-07-01', '2023-11-01', filters => '{}') AS v, pageviews.rollup_state AS s;
CREATE TEMPORARY TABLE july AS
SELECT md5('late')::uuid AS view_id, md5('s')::uuid AS session_id, '2023-07-20 12:00Z'::timestamptz AS started_at, 1 AS revision, 10 AS engagement_ms, 0 AS focused_ms, 0 AS active_ms, 1 AS collector, 'a.example' AS site, '/' AS path;
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT md5('august')::uuid, session_id, '2023-08-05 12:00Z', 1, 10, 0, 0, 1, site, path FROM july;
SELECT pageviews.roll_up('2023-10-20');
SELECT pageviews.rebuild_rollups();
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path) SELECT * FROM july;
SELECT * FROM counted;
SELECT pageviews.roll_up('2023-10-20');
SELECT * FROM counted;
SELECT pageviews.rebuild_rollups();
SELECT pageviews.roll_up('2023-10-20');
SELECT * FROM counted;
DELETE FROM pageviews.views WHERE started_at < '2023-08-01';
SELECT pageviews.rebuild_rollups();
SELECT pageviews.roll_up('2023-10-20');
SELECT * FROM counted;
-- A partition that somebody dropped is like one that retention did.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path) SELECT * FROM july;
SELECT pageviews.roll_up('2023-10-20');
DROP TABLE pageviews.views_2023_07;
SELECT pageviews.rebuild_rollups();
SELECT pageviews.roll_up('2023-10-20');
SELECT * FROM counted;
SELECT views FROM pageviews.summary('2023-07-01', '2023-10-01');
DELETE FROM pageviews.views;
SELECT pageviews.rebuild_rollups();
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT md5('october')::uuid, session_id, '2023-10-05 12:00Z', 1, 10, 0, 0, 1, site, path FROM july;
SELECT pageviews.roll_up('2023-10-20');
SELECT * FROM counted;
-- The pages of a long visit are each in one visit, and first in one.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT md5('long ' || n)::uuid, md5('long')::uuid, '2023-10-06 12:00Z'::timestamptz + n * interval '1 second', 1, 10, 0, 0, 1, 'a.example', '/' || n % 100 FROM generate_series(1, 1000) AS n;
SELECT count(*), sum(views) AS views, min(visits) AS least, max(visits) AS most, sum(visits) FILTER (WHERE path <> '/1') AS others FROM pageviews.pages('2023-10-06', '2023-10-07');
SELECT pageviews.roll_up('2023-10-20');
SELECT count(*), sum(views) AS views, min(visits) AS least, max(visits) AS most, sum(visits) FILTER (WHERE path <> '/1') AS others FROM pageviews.pages('2023-10-06', '2023-10-07');
-- What is still to come waits.
SELECT pageviews.roll_up('infinity');
SELECT rolled_until <= now() AS past FROM pageviews.rollup_state;
DROP VIEW counted;
DROP EXTENSION pageviews;
