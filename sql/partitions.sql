-- Partitions by the month (UTC), made and dropped by functions.
SET timezone = 'America/Los_Angeles';
SET datestyle = 'German, DMY';
CREATE EXTENSION pageviews;

-- None is there at first: a dump brings its own.
SELECT count(*) FROM pg_inherits WHERE inhparent = 'pageviews.views'::regclass;

-- Any day of the month will do; the second time there is nothing to do.
SELECT pageviews.make_partition('2024-01-31');
SELECT pageviews.make_partition('2024-01-01');
SELECT pageviews.make_partition('2023-12-15');
SELECT pageviews.make_partition(NULL);
SET timezone = 'UTC';
SET datestyle = 'ISO';
\d pageviews.views_2024_01
SELECT relreplident, reloptions FROM pg_class WHERE oid = 'pageviews.views_2024_01'::regclass;

-- The bounds are those of UTC, half-open.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid, '00000000-0000-4000-8000-000000000001', t::timestamptz, 4, 1, 1, 1, 1, 'a', '/'
FROM (VALUES (1, '2023-12-31 23:59:59.999Z'), (2, '2024-01-01 00:00:00Z'), (3, '2024-01-31 23:59:59.999Z')) AS v (n, t);
SELECT tableoid::regclass, started_at FROM pageviews.views ORDER BY started_at;
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
VALUES ('00000000-0000-7000-8000-000000000004', '00000000-0000-4000-8000-000000000001', '2024-02-01 00:00:00Z', 4, 1, 1, 1, 1, 'a', '/');

-- One row a view within its month.
INSERT INTO pageviews.views_2024_01 SELECT * FROM pageviews.views_2024_01;

-- A partition that was detached comes back with its rows.
ALTER TABLE pageviews.views DETACH PARTITION pageviews.views_2024_01;
SELECT count(*) FROM pageviews.views;
SELECT pageviews.make_partition('2024-01-01');
SELECT count(*) FROM pageviews.views;

-- One that no longer fits does not.
ALTER TABLE pageviews.views DETACH PARTITION pageviews.views_2024_01;
ALTER TABLE pageviews.views_2024_01 DROP COLUMN site;
SELECT pageviews.make_partition('2024-01-01');
DROP TABLE pageviews.views_2024_01;
SELECT pageviews.make_partition('2024-01-01');

-- The oldest goes first, and only what ended before the time.
SELECT pageviews.drop_partition('2023-12-31 23:59:59Z');
SELECT pageviews.drop_partition('2024-01-15');
SELECT pageviews.drop_partition('2024-01-15');
SELECT pageviews.drop_partition('2024-02-01 00:00:00Z');
SELECT pageviews.drop_partition('2024-02-01 00:00:00Z');
SELECT count(*) FROM pg_inherits WHERE inhparent = 'pageviews.views'::regclass;

-- Never what pageviews.retention keeps, 8 days here.
\set VERBOSITY terse
SELECT pageviews.drop_partition(now());
SELECT pageviews.drop_partition(now() - interval '7 days');
\set VERBOSITY default
SELECT pageviews.drop_partition(now() - interval '9 days');

-- Sessions that have no view left, a thousand a step.
SELECT pageviews.make_partition('2024-01-01');
INSERT INTO pageviews.sessions (session_id, created_at)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, CASE n % 3 WHEN 0 THEN '2024-01-20'::timestamptz ELSE '2023-06-01' END
FROM generate_series(1, 1500) AS n;
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
VALUES ('018cc251-f400-7000-8000-000000000001', '00000000-0000-4000-8000-000000000001', '2024-01-01 00:00Z', 4, 1, 1, 1, 1, 'a', '/');
SELECT * FROM pageviews.purge_sessions('2024-01-01', '00000000-0000-0000-0000-000000000000');
SELECT * FROM pageviews.purge_sessions('2024-01-01', '00000000-0000-4000-8000-000000001000');
SELECT * FROM pageviews.purge_sessions('2024-01-01', '00000000-0000-4000-8000-000000001500');
SELECT count(*), min(session_id::text) FROM pageviews.sessions;

DROP EXTENSION pageviews;
