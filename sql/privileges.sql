-- Who may do what: nothing for PUBLIC, reports for readers, storing for the collector.
CREATE ROLE regress_pageviews_favourite;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, regress_pageviews_favourite;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC, regress_pageviews_favourite;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO PUBLIC, regress_pageviews_favourite;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC, regress_pageviews_favourite;
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition('2024-01-01');
CREATE ROLE regress_pageviews_nobody;
CREATE ROLE regress_pageviews_reader IN ROLE pageviews_reader;
CREATE ROLE regress_pageviews_collector IN ROLE pageviews_collector;

-- PUBLIC has nothing, of any kind.
SELECT c.oid::regclass AS open_relation FROM pg_class AS c, aclexplode(c.relacl) AS x
WHERE c.relnamespace = 'pageviews'::regnamespace AND x.grantee = 0;
SELECT p.oid::regprocedure AS open_function FROM pg_proc AS p
WHERE p.pronamespace = 'pageviews'::regnamespace AND has_function_privilege('regress_pageviews_nobody', p.oid, 'EXECUTE');
SELECT t.oid::regtype AS open_type FROM pg_type AS t
WHERE t.typnamespace = 'pageviews'::regnamespace AND (t.typtype = 'e' OR EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
	AND has_type_privilege('regress_pageviews_nobody', t.oid, 'USAGE');
SELECT has_schema_privilege('regress_pageviews_nobody', 'pageviews', 'USAGE') AS usage,
	   has_schema_privilege('regress_pageviews_nobody', 'pageviews', 'CREATE') AS "create";

-- Nor has whoever is given everything else by default: not even the key of the cookies.
SELECT pg_describe_object(s.classid, s.objid, 0) AS given_by_default
FROM pg_shdepend AS s
WHERE s.dbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
	AND s.refobjid = 'regress_pageviews_favourite'::regrole AND s.classid <> 'pg_default_acl'::regclass
ORDER BY 1;

-- What the roles have.
SELECT c.relname,
	   concat_ws(' ', CASE WHEN has_table_privilege('pageviews_reader', c.oid, 'SELECT') THEN 'select' END,
				 CASE WHEN has_table_privilege('pageviews_reader', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') THEN 'more' END) AS reader,
	   concat_ws(' ', CASE WHEN has_table_privilege('pageviews_site_reader', c.oid, 'SELECT') THEN 'select' END,
				 CASE WHEN has_table_privilege('pageviews_site_reader', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') THEN 'more' END) AS site_reader,
	   concat_ws(' ', CASE WHEN has_table_privilege('pageviews_collector', c.oid, 'SELECT') THEN 'select' END,
				 CASE WHEN has_table_privilege('pageviews_collector', c.oid, 'INSERT') THEN 'insert' END,
				 CASE WHEN has_table_privilege('pageviews_collector', c.oid, 'UPDATE') THEN 'update' END,
				 CASE WHEN has_table_privilege('pageviews_collector', c.oid, 'DELETE, TRUNCATE, REFERENCES, TRIGGER') THEN 'more' END) AS collector
FROM pg_class AS c
WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relkind IN ('r', 'p', 'v')
ORDER BY 1;
SELECT p.proname,
	   has_function_privilege('pageviews_reader', p.oid, 'EXECUTE') AS reader,
	   has_function_privilege('pageviews_site_reader', p.oid, 'EXECUTE') AS site_reader,
	   has_function_privilege('pageviews_collector', p.oid, 'EXECUTE') AS collector
FROM pg_proc AS p WHERE p.pronamespace = 'pageviews'::regnamespace
ORDER BY 1, p.pronargs;
SELECT has_type_privilege('pageviews_reader', t.oid, 'USAGE') AS reader,
	   has_type_privilege('pageviews_site_reader', t.oid, 'USAGE') AS site_reader,
	   has_type_privilege('pageviews_collector', t.oid, 'USAGE') AS collector,
	   string_agg(t.typname, ' ' ORDER BY t.typname) AS types
FROM pg_type AS t LEFT JOIN pg_class AS c ON c.oid = t.typrelid
WHERE t.typnamespace = 'pageviews'::regnamespace AND (t.typtype = 'e' OR c.relkind = 'c')
GROUP BY 1, 2, 3;

-- Somebody without a role sees nothing.
SET ROLE regress_pageviews_nobody;
SELECT * FROM pageviews.views;
SELECT * FROM pageviews.live_views;
SELECT pageviews.session_id('');
RESET ROLE;

-- A reader reads and reports, and sees no key.
SET ROLE regress_pageviews_reader;
SELECT count(*) FROM pageviews.views;
SELECT count(*) FROM pageviews.sessions;
SELECT count(*) FROM pageviews.rejected;
SELECT count(*) FROM pageviews.live_views;
SELECT count(*) FROM pageviews.worker_stats;
SELECT count(*) FROM pageviews.pages();
SELECT count(*) FROM pageviews.timeline('2024-01-01', '2024-01-08');
SELECT count(*) FROM pageviews.session_views('00000000-0000-4000-8000-000000000001');
-- Each report in a view of her own, its columns and its rows as a whole.
DO $$
DECLARE
	report name;
BEGIN
	FOR report IN
		SELECT p.proname FROM pg_proc AS p
		WHERE p.pronamespace = 'pageviews'::regnamespace AND obj_description(p.oid, 'pg_proc') LIKE 'report%'
	LOOP
		EXECUTE format('CREATE TEMP VIEW my_%1$s AS SELECT r.*, r AS whole FROM pageviews.%1$I(%2$s) AS r', report,
					   CASE report WHEN 'session_views' THEN '''00000000-0000-4000-8000-000000000001''' WHEN 'funnel' THEN 'steps => ''{/}''' ELSE '' END);
		EXECUTE format('SELECT FROM my_%s', report);
	END LOOP;
END
$$;
SELECT count(*) FROM my_pages;
SELECT step, (whole).visitors FROM my_funnel;
SELECT count(*) AS views_of_reports FROM pg_class AS c WHERE c.relnamespace = pg_my_temp_schema() AND c.relkind = 'v';
DISCARD TEMP;
SELECT pageviews.session_id('no cookie of ours');
SELECT * FROM pageviews.cookie_keys;
SELECT * FROM pageviews.load_cookie_keys();
SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000001');
SELECT pageviews.rotate_cookie_key();
SELECT pageviews.make_partition('2024-02-01');
DELETE FROM pageviews.views;
RESET ROLE;

-- The collector stores, makes partitions and reads the keys, but cannot erase or see the table of keys.
SET ROLE regress_pageviews_collector;
INSERT INTO pageviews.sessions (session_id, created_at) VALUES ('00000000-0000-4000-8000-000000000001', '2024-01-01');
INSERT INTO pageviews.views_2024_01 AS v (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
VALUES ('018cc251-f400-7000-8000-000000000001', '00000000-0000-4000-8000-000000000001', '2024-01-01 00:00Z', 7, 1, 1, 1, 1, 'a', '/')
ON CONFLICT (view_id) DO UPDATE SET revision = excluded.revision WHERE excluded.revision > v.revision;
SELECT pageviews.make_partition('2024-02-01');
SELECT count(*) FROM pageviews.load_cookie_keys();
SELECT count(*) FROM pageviews.set_aside('018cc251-f400-7000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 7, '22000', 'why', '{}');
DELETE FROM pageviews.sessions;
DELETE FROM pageviews.views_2024_01;
UPDATE pageviews.sessions SET user_agent = 'x';
SELECT * FROM pageviews.cookie_keys;
SELECT pageviews.rotate_cookie_key();
SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000001');
-- What the setting keeps (8d here) it cannot drop.
\set VERBOSITY terse
SELECT pageviews.drop_partition(now());
\set VERBOSITY default
DROP TABLE pageviews.views_2024_01;
CREATE TABLE pageviews.mine (a integer);
RESET ROLE;

DROP EXTENSION pageviews;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC, regress_pageviews_favourite;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM regress_pageviews_favourite;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM regress_pageviews_favourite;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM PUBLIC, regress_pageviews_favourite;
DROP ROLE regress_pageviews_favourite;
DROP ROLE regress_pageviews_nobody, regress_pageviews_reader, regress_pageviews_collector;
