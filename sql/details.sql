-- Histograms and sketches that are read slice by slice, alone and by workers: as the views have it.
SET timezone = 'UTC';
SET client_min_messages = 'warning';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition(m::date) FROM generate_series('2024-01-01'::timestamp, '2024-02-01', '1 month') AS m;

-- A page that everybody sees and thousands that some do, for five days.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT md5('view ' || n)::uuid, md5((n / 3)::text)::uuid, '2024-01-29 01:00'::timestamptz + n * interval '17 seconds', 7, (n * 7919) % 90000, 0, 0, 1,
	   CASE n / 3 % 7 WHEN 0 THEN 'b.example' ELSE 'a.example' END, CASE n % 3 WHEN 0 THEN '/' ELSE '/' || n % 601 || repeat('x', n % 7 * 5) END
FROM generate_series(1, 27000) AS n;
SELECT pageviews.roll_up('2024-02-28');
SELECT level, count(*) FILTER (WHERE length(details) > 32768) AS long, count(*) FROM pageviews.rollups WHERE dimension = 1 GROUP BY level ORDER BY level;
INSERT INTO pageviews.goals (name, pattern) VALUES ('one', '/17'), ('some', '/2*'), ('none', '/none'), ('all', '*');

-- What packs are read for.
CREATE TEMPORARY VIEW rolled (what, site, key, views, visitors) AS
SELECT 'pages', s.site, p.path, p.views, p.visitors FROM (VALUES (NULL), ('b.example')) AS s (site), LATERAL pageviews.pages('2024-01-29 02:00', '2024-02-03', s.site) AS p
UNION ALL SELECT 'entries', s.site, p.path, p.visits, p.visitors FROM (VALUES (NULL), ('b.example')) AS s (site), LATERAL pageviews.entry_pages('2024-01-29 02:00', '2024-02-03', s.site) AS p
UNION ALL SELECT 'goals', s.site, p.goal, p.views, p.visitors FROM (VALUES (NULL), ('b.example')) AS s (site), LATERAL pageviews.goals('2024-01-29 02:00', '2024-02-03', s.site) AS p
UNION ALL SELECT 'days', NULL, p.bucket::text, p.views, p.visitors FROM pageviews.timeline('2024-01-29 02:00', '2024-02-03', bucket => '1 day') AS p;
CREATE TEMPORARY TABLE raw AS
SELECT 'pages' AS what, s.site, p.path AS key, p.views, p.visitors FROM (VALUES (NULL), ('b.example')) AS s (site), LATERAL pageviews.pages('2024-01-29 02:00', '2024-02-03', s.site, '{}') AS p
UNION ALL SELECT 'entries', s.site, p.path, p.visits, p.visitors FROM (VALUES (NULL), ('b.example')) AS s (site), LATERAL pageviews.entry_pages('2024-01-29 02:00', '2024-02-03', s.site, '{}') AS p
UNION ALL SELECT 'goals', s.site, p.goal, p.views, p.visitors FROM (VALUES (NULL), ('b.example')) AS s (site), LATERAL pageviews.goals('2024-01-29 02:00', '2024-02-03', s.site, '{}') AS p
UNION ALL SELECT 'days', NULL, p.bucket::text, p.views, p.visitors FROM pageviews.timeline('2024-01-29 02:00', '2024-02-03', filters => '{}', bucket => '1 day') AS p;
SELECT what, site, count(*), sum(views) AS views, sum(visitors) AS visitors FROM raw GROUP BY what, site ORDER BY what, site;
(TABLE raw EXCEPT ALL TABLE rolled) UNION ALL (TABLE rolled EXCEPT ALL TABLE raw);
-- Medians and percentiles come from histograms either way.
CREATE TEMPORARY TABLE alone AS SELECT p::text FROM pageviews.pages('2024-01-29 02:00', '2024-02-03') AS p;
(TABLE alone EXCEPT ALL SELECT p::text FROM pageviews.pages('2024-01-29 02:00', '2024-02-03', filters => '{}') AS p);

-- With workers, which are not to be had, too; with views that are not rolled up and some that changed.
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 4;
SET client_min_messages = 'debug1';
SELECT sum(views) AS views FROM pageviews.pages('2024-01-29 02:00', '2024-02-03');
SET client_min_messages = 'warning';
(TABLE raw EXCEPT ALL TABLE rolled) UNION ALL (TABLE rolled EXCEPT ALL TABLE raw);
(TABLE alone EXCEPT ALL SELECT p::text FROM pageviews.pages('2024-01-29 02:00', '2024-02-03') AS p);
SET max_parallel_workers = 0;
(TABLE raw EXCEPT ALL TABLE rolled) UNION ALL (TABLE rolled EXCEPT ALL TABLE raw);
RESET max_parallel_workers;
BEGIN;
UPDATE pageviews.views SET engagement_ms = 5, revision = 9 WHERE view_id IN (md5('view 700')::uuid, md5('view 9000')::uuid);
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT md5('late ' || n)::uuid, md5((n / 2)::text)::uuid, '2024-01-31 01:00'::timestamptz + n * interval '170 seconds', 7, 77, 0, 0, 1, 'a.example', '/' || n
FROM generate_series(1, 400) AS n;
CREATE TEMPORARY TABLE later AS SELECT p.path, p.views, p.visitors FROM pageviews.pages('2024-01-29 02:00', '2024-02-03', filters => '{}') AS p;
TABLE later EXCEPT ALL SELECT p.path, p.views, p.visitors FROM pageviews.pages('2024-01-29 02:00', '2024-02-03') AS p;
SELECT sum(views) AS views FROM later;
ROLLBACK;

-- A reader of one site has workers that see that site.
CREATE ROLE regress_pageviews_details;
GRANT pageviews_site_reader TO regress_pageviews_details;
INSERT INTO pageviews.site_readers (role, site) VALUES ('regress_pageviews_details', 'b.example');
SET ROLE regress_pageviews_details;
SELECT count(*), sum(views) AS views, sum(visitors) AS visitors FROM pageviews.pages('2024-01-29 02:00', '2024-02-03');
RESET ROLE;

-- Details that are longer or shorter than their counters say, or no details.
CREATE FUNCTION pg_temp.damaged(damage text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	views bigint;
BEGIN
	EXECUTE format('UPDATE pageviews.rollups SET details = %s WHERE dimension = 1 AND level = 2', damage);
	SELECT sum(p.views) INTO views FROM pageviews.pages('2024-01-29', '2024-02-03') AS p;
	RETURN views;
EXCEPTION WHEN data_corrupted THEN
	RETURN sqlerrm;
END $$;
SELECT pg_temp.damaged(d) FROM (VALUES ('details'), ('details || ''\x00'''), ('substr(details, 2)'), ('''\x'''), ('substr(details, 1, 2) || ''\xffffffffffffffffffff'' || substr(details, 13)')) AS v (d);
SET max_parallel_workers_per_gather = 0;
SELECT pg_temp.damaged('substr(details, 1, 2) || ''\xffffffffffffffffffff'' || substr(details, 13)');

DROP FUNCTION pg_temp.damaged(text);
DROP VIEW rolled;
DROP OWNED BY regress_pageviews_details;
DROP ROLE regress_pageviews_details;
DROP EXTENSION pageviews;
