-- Objects that somebody planted beforehand bend nothing.
CREATE ROLE regress_pageviews_mallory;
GRANT CREATE ON DATABASE regression TO regress_pageviews_mallory;
GRANT CREATE ON SCHEMA public TO regress_pageviews_mallory;

-- A schema that is not a superuser's is refused.
DROP SCHEMA IF EXISTS pageviews;
CREATE SCHEMA pageviews AUTHORIZATION regress_pageviews_mallory;
CREATE EXTENSION pageviews;
-- So is one with something of theirs in it.
ALTER SCHEMA pageviews OWNER TO CURRENT_USER;
GRANT CREATE, USAGE ON SCHEMA pageviews TO regress_pageviews_mallory;
SET ROLE regress_pageviews_mallory;
CREATE FUNCTION pageviews.bucket_starts(date, date, interval) RETURNS timestamptz[] LANGUAGE sql RETURN NULL::timestamptz[];
RESET ROLE;
CREATE EXTENSION pageviews;
DROP FUNCTION pageviews.bucket_starts(date, date, interval);
SET ROLE regress_pageviews_mallory;
CREATE TABLE pageviews.views_2024_01 (view_id uuid);
RESET ROLE;
CREATE EXTENSION pageviews;
DROP TABLE pageviews.views_2024_01;
-- Even a superuser's own table of the same name is not taken over.
CREATE TABLE pageviews.sessions (session_id uuid);
CREATE EXTENSION pageviews;
DROP TABLE pageviews.sessions;
-- An empty schema of a superuser is fine: a restored dump has made it.
CREATE EXTENSION pageviews;

-- A table in the name of a partition.
SET ROLE regress_pageviews_mallory;
CREATE TABLE pageviews.views_2024_01 (view_id uuid);
CREATE VIEW pageviews.views_2024_02 AS SELECT 1 AS one;
RESET ROLE;
SELECT pageviews.make_partition('2024-01-01');
SELECT pageviews.make_partition('2024-02-01');
DROP VIEW pageviews.views_2024_02;
DROP TABLE pageviews.views_2024_01;

-- Operators and functions on the caller's path are not used with the owner's rights.
SET ROLE regress_pageviews_mallory;
CREATE FUNCTION public.steal(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stolen by %', current_user; END $$;
CREATE OPERATOR public.|| (FUNCTION = public.steal, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION public.to_char(timestamptz, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stolen by %', current_user; END $$;
CREATE FUNCTION public.count() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stolen by %', current_user; END $$;
CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stolen by %', current_user; END $$;
RESET ROLE;
SET search_path = public, pg_catalog;
SELECT pageviews.make_partition('2024-01-01');
SELECT pageviews.rotate_cookie_key();
SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000001');
SELECT pageviews.session_id('x');
SELECT pg_catalog.count(*) FROM pageviews.pages('2024-01-01', '2024-02-01');
RESET search_path;

-- A temporary look-alike is not found either.
CREATE TEMPORARY TABLE cookie_keys (key_id integer, created_at timestamptz, secret bytea);
CREATE TEMPORARY TABLE views (view_id uuid);
SELECT count(*) FROM pageviews.load_cookie_keys();
SELECT pageviews.make_partition('2024-03-01');
DROP TABLE cookie_keys, views;

DROP EXTENSION pageviews;
DROP OWNED BY regress_pageviews_mallory;
DROP ROLE regress_pageviews_mallory;
