/*
 * Everything that CREATE EXTENSION pageviews makes: sql/install/, whose files the
 * Makefile strings together in the order of their numbers.  Each ends with the
 * privileges of what it makes: nothing to PUBLIC.
 */

-- Not for psql: this is the script of an extension.
\echo Use "CREATE EXTENSION pageviews" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Schema and roles
-- ---------------------------------------------------------------------------

-- The schema may be there already (a dump restores it first), but whoever owns
-- it, or something in it, could bend what is made here: only superusers may.
DO $$
BEGIN
	IF EXISTS (
		SELECT FROM pg_catalog.pg_namespace AS n,
		LATERAL (
			SELECT n.nspowner
			UNION ALL SELECT c.relowner FROM pg_catalog.pg_class AS c WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid
			UNION ALL SELECT p.proowner FROM pg_catalog.pg_proc AS p WHERE p.pronamespace OPERATOR(pg_catalog.=) n.oid
			UNION ALL SELECT o.oprowner FROM pg_catalog.pg_operator AS o WHERE o.oprnamespace OPERATOR(pg_catalog.=) n.oid
			UNION ALL SELECT t.typowner FROM pg_catalog.pg_type AS t WHERE t.typnamespace OPERATOR(pg_catalog.=) n.oid
		) AS owners (owner)
		WHERE n.nspname OPERATOR(pg_catalog.=) 'pageviews'
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r
							WHERE r.oid OPERATOR(pg_catalog.=) owners.owner AND r.rolsuper))
	THEN
		RAISE EXCEPTION 'schema "pageviews", or something in it, belongs to a role that is no superuser'
			USING ERRCODE = 'insufficient_privilege',
				  HINT = 'Drop the schema, or give it and what is in it to a superuser.';
	END IF;
END
$$;

COMMENT ON SCHEMA pageviews IS 'page views of your web site, with exact engagement time';

-- Roles belong to the cluster, not to the extension: they are made when they
-- are missing and stay when the extension goes.
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) 'pageviews_reader') THEN
		CREATE ROLE pageviews_reader NOLOGIN;
		COMMENT ON ROLE pageviews_reader IS 'may read page views and call the reports of pageviews';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) 'pageviews_site_reader') THEN
		CREATE ROLE pageviews_site_reader NOLOGIN;
		COMMENT ON ROLE pageviews_site_reader IS 'may read page views and call the reports of pageviews, for the sites in pageviews.site_readers';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) 'pageviews_collector') THEN
		CREATE ROLE pageviews_collector NOLOGIN;
		COMMENT ON ROLE pageviews_collector IS 'what the worker of pageviews works as: may store page views';
	END IF;
END
$$;

REVOKE ALL ON SCHEMA pageviews FROM PUBLIC;
GRANT USAGE ON SCHEMA pageviews TO pageviews_reader, pageviews_site_reader, pageviews_collector;

