-- Who sees which rows: row level security by site.
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition('2024-01-01');
CREATE ROLE regress_pageviews_all IN ROLE pageviews_reader;
CREATE ROLE regress_pageviews_one IN ROLE pageviews_site_reader;
CREATE ROLE regress_pageviews_team IN ROLE pageviews_site_reader;
CREATE ROLE regress_pageviews_two IN ROLE regress_pageviews_one, regress_pageviews_team;
CREATE ROLE regress_pageviews_both IN ROLE regress_pageviews_one, pageviews_reader;
CREATE ROLE regress_pageviews_unlisted IN ROLE pageviews_site_reader;
CREATE ROLE regress_pageviews_outsider;
CREATE ROLE regress_pageviews_store IN ROLE pageviews_collector;
INSERT INTO pageviews.site_readers (role, site) VALUES
	('regress_pageviews_one', 'a.example'),
	('regress_pageviews_team', 'b.example'),
	('regress_pageviews_outsider', 'a.example'),
	('nobody at all', 'a.example');
INSERT INTO pageviews.site_readers (role, site) VALUES ('regress_pageviews_one', 'a.example');

-- The collector stores every site, into the leaf and through the root, also into a leaf made later.
SET ROLE regress_pageviews_store;
SELECT pageviews.make_partition('2024-02-01');
INSERT INTO pageviews.sessions (session_id, created_at)
SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, '2024-01-01' FROM generate_series(1, 4) AS n
ON CONFLICT (session_id) DO NOTHING;
INSERT INTO pageviews.views_2024_01 AS v (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT ('018cc251-f400-7000-8000-00000000000' || n)::uuid, ('00000000-0000-4000-8000-00000000000' || n)::uuid, '2024-01-01 00:00Z', 4, n, 0, 0, 1,
	   (ARRAY['a.example', 'b.example', 'c.example'])[n], '/' || n
FROM generate_series(1, 3) AS n
ON CONFLICT (view_id) DO UPDATE SET revision = excluded.revision WHERE excluded.revision > v.revision;
INSERT INTO pageviews.views_2024_02
SELECT ('018d7251-f400-7000-8000-00000000000' || n)::uuid, session_id, '2024-02-01 00:00Z', NULL, 4, n::integer, 0, 0, 1, NULL, NULL, NULL, 'a.example', '/later'
FROM pageviews.sessions, LATERAL right(session_id::text, 1) AS n WHERE n <= '2';
UPDATE pageviews.views SET ended_at = started_at WHERE ended_at IS NULL AND collector = 1;
SELECT count(*) FROM pageviews.views WHERE ended_at IS NOT NULL;
RESET ROLE;
SELECT count(*) FROM (VALUES ('a.example'), ('b.example')) AS s (site),
LATERAL (SELECT pageviews.set_aside(gen_random_uuid(), '00000000-0000-4000-8000-000000000001', 4, '22021', 'bad', jsonb_build_object('site', s.site))) AS t;

-- Everything that a reader can ask, for each of them.
CREATE FUNCTION public.what_i_see() RETURNS TABLE (asked text, answer text) LANGUAGE plpgsql AS $$
DECLARE
	question text;
BEGIN
	FOREACH question IN ARRAY ARRAY[
		'SELECT string_agg(DISTINCT site, '' '') FROM pageviews.views',
		'SELECT count(*) FROM pageviews.views',
		'SELECT string_agg(right(session_id::text, 1), '' '' ORDER BY session_id) FROM pageviews.sessions',
		'SELECT string_agg("row" ->> ''site'', '' '' ORDER BY "row" ->> ''site'') FROM pageviews.rejected',
		'SELECT string_agg(path || '' '' || views, '', '' ORDER BY path) FROM pageviews.pages(''2023-12-01'', ''2024-03-01'')',
		'SELECT string_agg(path, '' '') FROM pageviews.pages(''2023-12-01'', ''2024-03-01'', ''b.example'')',
		'SELECT sum(views) FROM pageviews.timeline(''2023-12-01'', ''2024-03-01'')',
		'SELECT string_agg(site, '' '') FROM pageviews.session_views(''00000000-0000-4000-8000-000000000002'')',
		'SELECT count(*) FROM pageviews.live_views',
		'SELECT pageviews.session_id(''x'') IS NULL',
		'SELECT count(*) FROM pageviews.worker_stats',
		'SELECT count(*) FROM pageviews.site_readers',
		'SELECT count(*) FROM pageviews.views_2024_02']
	LOOP
		asked := substr(question, 8);
		BEGIN
			EXECUTE question INTO answer;
		EXCEPTION WHEN insufficient_privilege THEN
			answer := SQLERRM;
		END;
		RETURN NEXT;
	END LOOP;
END
$$;
SET ROLE regress_pageviews_all;
SELECT * FROM what_i_see();
SET ROLE regress_pageviews_one;
SELECT * FROM what_i_see();
SELECT pageviews.visible_sites();
SET ROLE regress_pageviews_two;
SELECT * FROM what_i_see();
SET ROLE regress_pageviews_both;
SELECT count(DISTINCT site) AS sites FROM pageviews.views;
SET ROLE regress_pageviews_unlisted;
SELECT * FROM what_i_see();
SET ROLE regress_pageviews_outsider;
SELECT * FROM what_i_see();
RESET ROLE;

-- Parallel workers keep to it, and a statement that was planned before asks again.
SET ROLE regress_pageviews_one;
SET force_parallel_mode = on;
SET parallel_setup_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT site, count(*) FROM pageviews.views GROUP BY site;
RESET force_parallel_mode;
RESET parallel_setup_cost;
RESET min_parallel_table_scan_size;
PREPARE sites AS SELECT site, count(*) FROM pageviews.views GROUP BY site ORDER BY site;
EXECUTE sites;
RESET ROLE;
INSERT INTO pageviews.site_readers (role, site) VALUES ('regress_pageviews_one', 'c.example');
SET ROLE regress_pageviews_one;
EXECUTE sites;
SET ROLE regress_pageviews_all;
EXECUTE sites;
RESET ROLE;
DELETE FROM pageviews.site_readers WHERE site = 'c.example';

-- A function that tells what it is shown is shown nothing else.
CREATE FUNCTION public.peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
SET ROLE regress_pageviews_one;
SELECT count(*) FROM pageviews.views WHERE public.peek(path);
-- Nor does asking for the policies to be off, or changing anything, help.
SET row_security = off;
SELECT count(*) FROM pageviews.views;
RESET row_security;
INSERT INTO pageviews.site_readers VALUES ('regress_pageviews_one', 'b.example');
ALTER TABLE pageviews.views DISABLE ROW LEVEL SECURITY;
RESET ROLE;

-- A leaf that was granted by mistake shows nothing.
GRANT SELECT ON ALL TABLES IN SCHEMA pageviews TO regress_pageviews_one;
SET ROLE regress_pageviews_one;
SELECT count(*) FROM pageviews.views_2024_01;
SELECT count(*) FROM pageviews.views_2024_02;
SELECT count(*) FROM pageviews.views;
RESET ROLE;

-- One that was detached comes back with its policy, whatever became of it.
ALTER TABLE pageviews.views DETACH PARTITION pageviews.views_2024_02;
ALTER TABLE pageviews.views_2024_02 DISABLE ROW LEVEL SECURITY;
DROP POLICY collector ON pageviews.views_2024_02;
SELECT pageviews.make_partition('2024-02-01');
SELECT c.relname, c.relrowsecurity, p.polname FROM pg_class AS c LEFT JOIN pg_policy AS p ON p.polrelid = c.oid
WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname LIKE 'views%' ORDER BY 1, 3;

-- No table that a reader can read is without.
SELECT c.oid::regclass AS unguarded FROM pg_class AS c
WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
	AND (has_table_privilege('pageviews_reader', c.oid, 'SELECT') OR has_table_privilege('pageviews_site_reader', c.oid, 'SELECT'));

DROP FUNCTION public.what_i_see(), public.peek(text);
DROP EXTENSION pageviews;
DROP ROLE regress_pageviews_all, regress_pageviews_two, regress_pageviews_both, regress_pageviews_one, regress_pageviews_team,
	regress_pageviews_unlisted, regress_pageviews_outsider, regress_pageviews_store;
