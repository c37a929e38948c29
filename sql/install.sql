-- What CREATE EXTENSION makes, and that every part of it is described.
CREATE EXTENSION pageviews;

SELECT c.relname, c.relkind FROM pg_class AS c WHERE c.relnamespace = 'pageviews'::regnamespace ORDER BY 1;
\dT pageviews.*

SELECT p.oid::regprocedure AS function, l.lanname AS language, p.provolatile AS volatility,
	   p.proparallel AS parallel, p.prosecdef AS definer, p.proconfig AS settings
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = 'pageviews'::regnamespace
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- Every function that runs with its owner's rights has a pinned search_path, or a pinned body.
SELECT p.oid::regprocedure AS unpinned
FROM pg_proc AS p
WHERE p.pronamespace = 'pageviews'::regnamespace AND p.prosecdef
	AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false);

-- Nothing without a comment, a partition and what belongs to it included.
SELECT pageviews.make_partition('2024-01-01');
SELECT pg_describe_object(d.classid, d.objid, 0) AS member_without_comment
FROM pg_depend AS d
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pageviews')
	AND NOT EXISTS (SELECT FROM pg_description AS c WHERE c.classoid = d.classid AND c.objoid = d.objid AND c.objsubid = 0)
	AND pg_describe_object(d.classid, d.objid, 0) !~ '^type pageviews\.(sessions|views|rejected|cookie_keys|live_views|worker_stats|site_readers|sites|sources|goals|export_views|export_visits)?(\[\])?$'
	AND pg_describe_object(d.classid, d.objid, 0) NOT LIKE 'type %[]';
SELECT a.attrelid::regclass AS relation, a.attname AS column_without_comment
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'c')
	AND a.attnum > 0 AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) IS NULL;
-- A report is what says so, or takes a period that may be left out; its rows are of a type, which the query above looks at.
SELECT p.oid::regprocedure AS report_whose_columns_cannot_have_comments
FROM pg_proc AS p
WHERE p.pronamespace = 'pageviews'::regnamespace
	AND (obj_description(p.oid, 'pg_proc') LIKE 'report%' OR 'since' = ANY (p.proargnames) AND p.pronargdefaults > 0)
	AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.reltype = p.prorettype AND c.relkind = 'c' AND c.relname = p.proname || '_row');
SELECT c.oid::regclass AS index_without_comment
FROM pg_class AS c
WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relkind = 'i' AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT c.conname AS constraint_without_comment
FROM pg_constraint AS c
WHERE c.connamespace = 'pageviews'::regnamespace AND obj_description(c.oid, 'pg_constraint') IS NULL;
SELECT p.polname AS policy_without_comment
FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
WHERE c.relnamespace = 'pageviews'::regnamespace AND obj_description(p.oid, 'pg_policy') IS NULL;
SELECT c.oid::regclass AS relation_without_comment
FROM pg_class AS c
WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT rolname, rolcanlogin, rolsuper, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname LIKE 'pageviews%' ORDER BY 1;

-- The parent carries no key and no index; replication through it works only with FULL.
SELECT c.relname, c.relkind, c.relreplident, c.relhasindex FROM pg_class AS c WHERE c.oid = 'pageviews.views'::regclass;

-- What a dump carries besides the partitions.
SELECT c.relname FROM pg_extension AS e, unnest(e.extconfig) AS t (oid) JOIN pg_class AS c USING (oid)
WHERE e.extname = 'pageviews' ORDER BY 1;

-- Neither the schema nor the place can change.
ALTER EXTENSION pageviews SET SCHEMA public;
CREATE TABLE pageviews.views (a integer);

-- It goes without a trace in this database, partitions included, and comes again; the roles stay.
SELECT pageviews.make_partition('2024-03-01');
DROP EXTENSION pageviews;
SELECT count(*) FROM pg_class WHERE relnamespace = 'pageviews'::regnamespace;
SELECT count(*) FROM pg_proc WHERE pronamespace = 'pageviews'::regnamespace;
SELECT count(*) FROM pg_type WHERE typnamespace = 'pageviews'::regnamespace;
SELECT rolname FROM pg_roles WHERE rolname LIKE 'pageviews%' ORDER BY 1;
CREATE EXTENSION pageviews;
DROP EXTENSION pageviews;
