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
CREATE FUNCTION pageviews.bucket_starts(date, date, interval, text) RETURNS timestamptz[] LANGUAGE sql RETURN NULL::timestamptz[];
RESET ROLE;
CREATE EXTENSION pageviews;
DROP FUNCTION pageviews.bucket_starts(date, date, interval, text);
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

-- Nor by the script itself, nor in its policies and views, nor when the caller likes it that way.
SET ROLE regress_pageviews_mallory;
CREATE FUNCTION public.always(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN true;
CREATE OPERATOR public.= (FUNCTION = public.always, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION public.nothing(name, name) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN false;
CREATE OPERATOR public.= (FUNCTION = public.nothing, LEFTARG = name, RIGHTARG = name);
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stolen by %', current_user; END $$;
CREATE FUNCTION public.pg_extension_config_dump(text, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stolen by %', current_user; END $$;
CREATE FUNCTION public.visible_sites() RETURNS text[] LANGUAGE sql RETURN pg_catalog.string_to_array('a.example b.example', ' ');
RESET ROLE;
DROP EXTENSION pageviews;
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition('2024-01-01');
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT pg_catalog.gen_random_uuid(), '00000000-0000-4000-8000-000000000001', '2024-01-02', 4, 1, 1, 1, 1, s, '/' FROM pg_catalog.unnest(ARRAY['a.example', 'b.example']) AS s;
INSERT INTO pageviews.site_readers (role, site) VALUES ('regress_pageviews_mallory', 'a.example');
GRANT pageviews_site_reader TO regress_pageviews_mallory;
SET ROLE regress_pageviews_mallory;
SELECT site FROM pageviews.views;
SELECT views FROM pageviews.pages('2024-01-01', '2024-02-01', 'b.example');
CREATE TEMPORARY TABLE site_readers (role name, site text);
INSERT INTO site_readers VALUES ('regress_pageviews_mallory', 'b.example');
SELECT site FROM pageviews.views;
SELECT pageviews.visible_sites();
DROP TABLE site_readers;
RESET ROLE;
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
