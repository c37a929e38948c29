/* pageviews--0.1.0.sql: everything that CREATE EXTENSION pageviews makes */

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

-- ---------------------------------------------------------------------------
-- Tables
-- ---------------------------------------------------------------------------

CREATE TYPE pageviews.navigation AS ENUM (
	'navigate', 'reload', 'back_forward', 'bfcache', 'spa', 'prerender', 'restore'
);
COMMENT ON TYPE pageviews.navigation IS 'how a browser came to a page';

CREATE TYPE pageviews.end_reason AS ENUM (
	'closed', 'navigated', 'lost', 'timeout', 'shutdown', 'recovered'
);
COMMENT ON TYPE pageviews.end_reason IS 'why a view is over';

CREATE TABLE pageviews.sessions (
	session_id uuid NOT NULL,
	created_at timestamptz NOT NULL,
	screen_width integer,
	screen_height integer,
	user_agent text,
	language text,
	time_zone text,
	robot boolean NOT NULL DEFAULT false,
	CONSTRAINT sessions_pkey PRIMARY KEY (session_id)
);
COMMENT ON TABLE pageviews.sessions IS 'browsers: one row for each long-lived cookie that has viewed a page';
COMMENT ON COLUMN pageviews.sessions.session_id IS 'what the signed cookie says; pageviews.session_id(cookie) reads it';
COMMENT ON COLUMN pageviews.sessions.created_at IS 'when its first view began';
COMMENT ON COLUMN pageviews.sessions.screen_width IS 'CSS pixels, as the first view said';
COMMENT ON COLUMN pageviews.sessions.screen_height IS 'CSS pixels, as the first view said';
COMMENT ON COLUMN pageviews.sessions.user_agent IS 'the User-Agent header of the first view';
COMMENT ON COLUMN pageviews.sessions.language IS 'the language that the browser prefers, as in "de-CH"';
COMMENT ON COLUMN pageviews.sessions.time_zone IS 'the time zone of the browser, as in "Europe/Zurich"';
COMMENT ON COLUMN pageviews.sessions.robot IS 'whether its browser was recognised as a robot, ever (pageviews.robots); the reports leave it out';
COMMENT ON CONSTRAINT sessions_pkey ON pageviews.sessions IS 'one row a browser';
COMMENT ON INDEX pageviews.sessions_pkey IS 'one row a browser';
CREATE INDEX sessions_robot_idx ON pageviews.sessions (session_id) WHERE robot;
COMMENT ON INDEX pageviews.sessions_robot_idx IS 'finds the robots, which the reports leave out';

-- The parent carries no key and no index, and there is no partition yet: a key
-- on a parent that belongs to an extension makes a dump that does not restore,
-- and a partition made here would collide with the dumped one.  The worker
-- makes a leaf a month through make_partition(), each with its own key.
CREATE TABLE pageviews.views (
	view_id uuid NOT NULL,
	session_id uuid NOT NULL,
	started_at timestamptz NOT NULL,
	ended_at timestamptz,
	revision bigint NOT NULL,
	engagement_ms integer NOT NULL,
	focused_ms integer NOT NULL,
	active_ms integer NOT NULL,
	collector integer NOT NULL,
	navigation pageviews.navigation,
	end_reason pageviews.end_reason,
	scroll_depth smallint,
	site text NOT NULL,
	path text NOT NULL,
	name text,
	query text,
	title text,
	referrer text,
	props jsonb
) PARTITION BY RANGE (started_at);

-- Logical replication through the root carries updates only with this, and
-- deletes only with the same on the leaves.
ALTER TABLE pageviews.views REPLICA IDENTITY FULL;

COMMENT ON TABLE pageviews.views IS 'page views, partitioned by the month (UTC) in which they began';
COMMENT ON COLUMN pageviews.views.view_id IS 'UUID version 7, made by the browser; unique within its month';
COMMENT ON COLUMN pageviews.views.session_id IS 'the browser that began the view: pageviews.sessions';
COMMENT ON COLUMN pageviews.views.started_at IS 'when the view began: the time inside its id';
COMMENT ON COLUMN pageviews.views.ended_at IS 'when the view was over; NULL while it is open';
COMMENT ON COLUMN pageviews.views.revision IS '4 n + rank, n the number of the browser''s last message; only a higher one replaces a row';
COMMENT ON COLUMN pageviews.views.engagement_ms IS 'engagement time: milliseconds in which the page was visible';
COMMENT ON COLUMN pageviews.views.focused_ms IS 'milliseconds in which the page was visible and had the focus';
COMMENT ON COLUMN pageviews.views.active_ms IS 'milliseconds in which the page had the focus and its visitor did something now and then';
COMMENT ON COLUMN pageviews.views.collector IS 'which cluster collected the row: pageviews.collector';
COMMENT ON COLUMN pageviews.views.navigation IS 'how the browser came to the page; NULL if it did not say';
COMMENT ON COLUMN pageviews.views.end_reason IS 'why the view is over; NULL while it is open';
COMMENT ON COLUMN pageviews.views.scroll_depth IS 'deepest per cent of the page that was seen; NULL if unknown';
COMMENT ON COLUMN pageviews.views.site IS 'host of the page, with the port if the address has one';
COMMENT ON COLUMN pageviews.views.path IS 'path of the page';
COMMENT ON COLUMN pageviews.views.name IS 'the application''s own name of the page';
COMMENT ON COLUMN pageviews.views.query IS 'the query parameters that pageviews.keep_query_parameters keeps';
COMMENT ON COLUMN pageviews.views.title IS 'title of the page';
COMMENT ON COLUMN pageviews.views.referrer IS 'the page before this one';
COMMENT ON COLUMN pageviews.views.props IS 'what the application said about the view: a flat object';

CREATE TABLE pageviews.rejected (
	rejected_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	view_id uuid NOT NULL,
	session_id uuid NOT NULL,
	revision bigint NOT NULL,
	sqlstate text NOT NULL,
	message text NOT NULL,
	row jsonb NOT NULL
);
CREATE INDEX rejected_rejected_at_idx ON pageviews.rejected (rejected_at);
COMMENT ON TABLE pageviews.rejected IS 'views that could not be stored, the latest 10,000';
COMMENT ON INDEX pageviews.rejected_rejected_at_idx IS 'finds the oldest, which give way';
COMMENT ON COLUMN pageviews.rejected.rejected_at IS 'when the view was set aside';
COMMENT ON COLUMN pageviews.rejected.view_id IS 'id of the view';
COMMENT ON COLUMN pageviews.rejected.session_id IS 'the browser that began the view';
COMMENT ON COLUMN pageviews.rejected.revision IS 'which version of the view';
COMMENT ON COLUMN pageviews.rejected.sqlstate IS 'SQLSTATE of the error that it met';
COMMENT ON COLUMN pageviews.rejected.message IS 'message of the error that it met';
COMMENT ON COLUMN pageviews.rejected.row IS 'the row as it would have been, long texts cut';

CREATE TABLE pageviews.cookie_keys (
	key_id integer NOT NULL CONSTRAINT cookie_keys_key_id_check CHECK (key_id OPERATOR(pg_catalog.<>) 0),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	secret bytea NOT NULL CONSTRAINT cookie_keys_secret_check CHECK (pg_catalog.octet_length(secret) OPERATOR(pg_catalog.=) 32),
	CONSTRAINT cookie_keys_pkey PRIMARY KEY (key_id)
);
COMMENT ON TABLE pageviews.cookie_keys IS 'secrets that sign the session cookies; the newest signs, all verify';
COMMENT ON COLUMN pageviews.cookie_keys.key_id IS 'random; the cookie names the key that signed it';
COMMENT ON COLUMN pageviews.cookie_keys.created_at IS 'when the key was made';
COMMENT ON COLUMN pageviews.cookie_keys.secret IS '32 random bytes for HMAC-SHA-256';
COMMENT ON CONSTRAINT cookie_keys_key_id_check ON pageviews.cookie_keys IS '0 is no key';
COMMENT ON CONSTRAINT cookie_keys_secret_check ON pageviews.cookie_keys IS 'as long as the hash';
COMMENT ON CONSTRAINT cookie_keys_pkey ON pageviews.cookie_keys IS 'a cookie names one key';
COMMENT ON INDEX pageviews.cookie_keys_pkey IS 'a cookie names one key';

CREATE TABLE pageviews.site_readers (
	role name NOT NULL,
	site text NOT NULL,
	CONSTRAINT site_readers_pkey PRIMARY KEY (role, site)
);
COMMENT ON TABLE pageviews.site_readers IS 'which sites the members of pageviews_site_reader may see';
COMMENT ON COLUMN pageviews.site_readers.role IS 'a role: whoever has its privileges may see the site';
COMMENT ON COLUMN pageviews.site_readers.site IS 'a site as pageviews.views.site says it';
COMMENT ON CONSTRAINT site_readers_pkey ON pageviews.site_readers IS 'a role may see a site once';
COMMENT ON INDEX pageviews.site_readers_pkey IS 'a role may see a site once';

-- A dump carries what is in these.  The rows of views are in its partitions,
-- which are ordinary tables to a dump.
SELECT pg_catalog.pg_extension_config_dump('pageviews.sessions', '');
SELECT pg_catalog.pg_extension_config_dump('pageviews.rejected', '');
SELECT pg_catalog.pg_extension_config_dump('pageviews.cookie_keys', '');
SELECT pg_catalog.pg_extension_config_dump('pageviews.site_readers', '');

-- ---------------------------------------------------------------------------
-- Who sees which rows: all for pageviews_reader and the collector, the listed
-- sites for pageviews_site_reader, none for anybody else.  Reports run with
-- their caller's rights; pageviews.live_views keeps the same rule in C.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.visible_sites()
RETURNS text[]
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_visible_sites';
COMMENT ON FUNCTION pageviews.visible_sites() IS 'the sites that pageviews.site_readers lists for the current user as a member of pageviews_site_reader';

ALTER TABLE pageviews.views ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.views TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.views FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.views FOR SELECT TO pageviews_site_reader
	USING (site OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY collector ON pageviews.views IS 'the worker stores every view';
COMMENT ON POLICY reader ON pageviews.views IS 'readers see every view';
COMMENT ON POLICY site_reader ON pageviews.views IS 'readers of some sites see the views of these';

ALTER TABLE pageviews.sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY collector ON pageviews.sessions TO pageviews_collector USING (true) WITH CHECK (true);
CREATE POLICY reader ON pageviews.sessions FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.sessions FOR SELECT TO pageviews_site_reader
	USING (EXISTS (SELECT FROM pageviews.views AS v WHERE v.session_id OPERATOR(pg_catalog.=) sessions.session_id));
COMMENT ON POLICY collector ON pageviews.sessions IS 'the worker stores every session';
COMMENT ON POLICY reader ON pageviews.sessions IS 'readers see every session';
COMMENT ON POLICY site_reader ON pageviews.sessions IS 'readers of some sites see the sessions that have a view there';

ALTER TABLE pageviews.rejected ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON pageviews.rejected FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.rejected FOR SELECT TO pageviews_site_reader
	USING (("row" OPERATOR(pg_catalog.->>) 'site') OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY reader ON pageviews.rejected IS 'readers see all that could not be stored';
COMMENT ON POLICY site_reader ON pageviews.rejected IS 'readers of some sites see what could not be stored of these';

-- ---------------------------------------------------------------------------
-- Partitions and what else the collector may do only through a function
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.make_partition(month date)
RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '100ms'
SET datestyle = 'ISO'
SET timezone = 'UTC'
SET client_min_messages = 'warning'
AS $$
DECLARE
	parent CONSTANT oid := 'pageviews.views'::regclass;
	first_day CONSTANT timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
	next_first_day CONSTANT timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
	leaf CONSTANT text := 'views_' || to_char(first_day, 'YYYY_MM');
	found_leaf record;
	other text;
BEGIN
	-- Whoever else makes a partition now waits here, and then finds it made.
	LOCK TABLE ONLY pageviews.views IN SHARE UPDATE EXCLUSIVE MODE;

	SELECT c.oid, c.relkind, c.relowner, c.relispartition, i.inhparent INTO found_leaf
	FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
	WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relname = leaf;

	IF found_leaf.inhparent = parent THEN
		RETURN false;
	END IF;

	IF found_leaf.oid IS NOT NULL THEN
		-- A partition of ours that somebody detached comes back; anything else is not ours.
		IF found_leaf.relkind <> 'r' OR found_leaf.inhparent IS NOT NULL
			OR found_leaf.relowner <> (SELECT c.relowner FROM pg_class AS c WHERE c.oid = parent)
		THEN
			RAISE EXCEPTION 'cannot make the partition "%" because something else has its name', leaf
				USING ERRCODE = 'duplicate_table',
					  DETAIL = 'It is not a plain table that belongs to the owner of pageviews.views.',
					  HINT = 'Rename or drop it.';
		END IF;
	ELSE
		EXECUTE format('CREATE TABLE pageviews.%I (LIKE pageviews.views'
					   ' INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS INCLUDING STORAGE INCLUDING COMPRESSION,'
					   ' CONSTRAINT %I PRIMARY KEY (view_id)) WITH (fillfactor = 90)',
					   leaf, leaf || '_pkey');
		EXECUTE format('CREATE INDEX %I ON pageviews.%I (session_id)', leaf || '_session_id_idx', leaf);
		EXECUTE format('CREATE INDEX %I ON pageviews.%I USING brin (started_at) WITH (pages_per_range = 32, autosummarize = on)',
					   leaf || '_started_at_idx', leaf);
		EXECUTE format('CREATE INDEX %I ON pageviews.%I (collector, started_at) WHERE ended_at IS NULL',
					   leaf || '_open_idx', leaf);
		EXECUTE format('COMMENT ON CONSTRAINT %I ON pageviews.%I IS %L', leaf || '_pkey', leaf, 'a view is stored once');
		EXECUTE format('COMMENT ON INDEX pageviews.%I IS %L', leaf || '_pkey', 'a view is stored once');
		EXECUTE format('COMMENT ON INDEX pageviews.%I IS %L', leaf || '_session_id_idx', 'the views of a session');
		EXECUTE format('COMMENT ON INDEX pageviews.%I IS %L', leaf || '_started_at_idx', 'the views of a time, for the reports');
		EXECUTE format('COMMENT ON INDEX pageviews.%I IS %L', leaf || '_open_idx', 'what a collector left open, for its next start');
		-- Default privileges make no exception.
		FOR other IN
			SELECT x.grantee::regrole FROM pg_class AS c, aclexplode(c.relacl) AS x
			WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relname = leaf AND x.grantee NOT IN (0, c.relowner)
			GROUP BY x.grantee
		LOOP
			EXECUTE format('REVOKE ALL ON pageviews.%I FROM %s', leaf, other);
		END LOOP;
	END IF;

	-- A delete that is replicated through the root is routed by started_at, which the key lacks.
	EXECUTE format('ALTER TABLE pageviews.%I REPLICA IDENTITY FULL', leaf);
	EXECUTE format('REVOKE ALL ON pageviews.%I FROM PUBLIC', leaf);
	EXECUTE format('GRANT SELECT, INSERT, UPDATE ON pageviews.%I TO pageviews_collector', leaf);
	-- Readers go through the root, whose policies hold there; whoever is granted a leaf by mistake sees nothing in it.
	EXECUTE format('ALTER TABLE pageviews.%I ENABLE ROW LEVEL SECURITY', leaf);
	EXECUTE format('DROP POLICY IF EXISTS collector ON pageviews.%I', leaf);
	EXECUTE format('CREATE POLICY collector ON pageviews.%I TO pageviews_collector USING (true) WITH CHECK (true)', leaf);
	EXECUTE format('COMMENT ON POLICY collector ON pageviews.%I IS %L', leaf, 'the worker stores every view');
	EXECUTE format('COMMENT ON TABLE pageviews.%I IS %L', leaf, 'page views that began in ' || to_char(first_day, 'YYYY-MM') || ' (UTC)');
	EXECUTE format('ALTER TABLE ONLY pageviews.views ATTACH PARTITION pageviews.%I FOR VALUES FROM (%L) TO (%L)',
				   leaf, first_day, next_first_day);
	RETURN true;
END
$$;
COMMENT ON FUNCTION pageviews.make_partition(date) IS 'makes the partition of pageviews.views for the month of a date; false if it is there';

CREATE FUNCTION pageviews.retention_cutoff()
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pageviews_retention_cutoff';
COMMENT ON FUNCTION pageviews.retention_cutoff() IS 'pageviews.retention before now: what ended earlier may go; NULL if all is kept';

CREATE FUNCTION pageviews.drop_partition(before timestamptz)
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '100ms'
SET datestyle = 'ISO'
SET timezone = 'UTC'
AS $$
DECLARE
	leaf name;
	cutoff CONSTANT timestamptz := pageviews.retention_cutoff();
BEGIN
	-- Whoever may call this drops what the setting lets go, and nothing else.
	IF cutoff IS NULL OR before > cutoff THEN
		RAISE EXCEPTION 'cannot drop partitions that pageviews.retention keeps'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = coalesce('What began after ' || cutoff || ' is kept.', 'It is 0: all of them are kept.');
	END IF;

	SELECT c.relname INTO leaf
	FROM pg_inherits AS i
	JOIN pg_class AS c ON c.oid = i.inhrelid,
	LATERAL (SELECT (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)$'))[1]::timestamptz) AS bound (upper)
	WHERE i.inhparent = 'pageviews.views'::regclass AND c.relkind = 'r'
		AND c.relnamespace = 'pageviews'::regnamespace
		AND bound.upper <= before
	ORDER BY bound.upper
	LIMIT 1;

	IF leaf IS NOT NULL THEN
		EXECUTE format('DROP TABLE pageviews.%I', leaf);
	END IF;
	RETURN leaf;
END
$$;
COMMENT ON FUNCTION pageviews.drop_partition(timestamptz) IS 'drops the oldest partition of pageviews.views that ends at or before a time, which pageviews.retention must let go; its name, or NULL if there is none';

CREATE FUNCTION pageviews.purge_sessions(before timestamptz, after uuid, OUT last uuid, OUT erased bigint)
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH page AS MATERIALIZED (
		SELECT s.session_id, s.created_at
		FROM pageviews.sessions AS s
		WHERE s.session_id > purge_sessions.after
		ORDER BY s.session_id
		LIMIT 1000
	), gone AS (
		DELETE FROM pageviews.sessions AS s
		USING page AS p
		WHERE s.session_id = p.session_id
			AND p.created_at < purge_sessions.before
			AND p.created_at < (SELECT pageviews.retention_cutoff())
			AND NOT EXISTS (SELECT FROM pageviews.views AS v WHERE v.session_id = p.session_id)
		RETURNING s.session_id
	)
	SELECT (SELECT p.session_id FROM page AS p ORDER BY p.session_id DESC LIMIT 1),
		   (SELECT count(*) FROM gone);
END;
COMMENT ON FUNCTION pageviews.purge_sessions(timestamptz, uuid) IS 'looks at the next 1,000 sessions after an id and erases those made before a time that have no view left, if pageviews.retention lets them go';

CREATE FUNCTION pageviews.set_aside(view_id uuid, session_id uuid, revision bigint, sqlstate text, message text, "row" jsonb)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	INSERT INTO pageviews.rejected (view_id, session_id, revision, sqlstate, message, "row")
	VALUES (set_aside.view_id, set_aside.session_id, set_aside.revision, set_aside.sqlstate, set_aside.message, set_aside."row");
	DELETE FROM pageviews.rejected AS r
	WHERE r.rejected_at <= (SELECT o.rejected_at FROM pageviews.rejected AS o
							ORDER BY o.rejected_at DESC OFFSET 10000 LIMIT 1);
END;
COMMENT ON FUNCTION pageviews.set_aside(uuid, uuid, bigint, text, text, jsonb) IS 'keeps a view that could not be stored in pageviews.rejected; the oldest beyond 10,000 give way';

-- ---------------------------------------------------------------------------
-- Session cookies
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.add_cookie_key()
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	-- Three random UUIDs hold 366 random bits, more than the hash keeps.
	INSERT INTO pageviews.cookie_keys (key_id, secret)
	SELECT ('x' || left(u.random::text, 8))::bit(32)::integer | 1,
		   sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
	FROM (SELECT gen_random_uuid()) AS u (random);
END;
COMMENT ON FUNCTION pageviews.add_cookie_key() IS 'adds a random cookie key';

CREATE FUNCTION pageviews.load_cookie_keys()
RETURNS TABLE (key_id integer, secret bytea)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pageviews.add_cookie_key() WHERE NOT EXISTS (SELECT FROM pageviews.cookie_keys);
	SELECT k.key_id, k.secret FROM pageviews.cookie_keys AS k ORDER BY k.created_at DESC, k.key_id LIMIT 4;
END;
COMMENT ON FUNCTION pageviews.load_cookie_keys() IS 'the cookie keys, newest first, for the worker; makes one if there is none';

CREATE FUNCTION pageviews.wake_worker_at_commit()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pageviews_wake_worker_at_commit';
COMMENT ON FUNCTION pageviews.wake_worker_at_commit() IS 'wakes the worker, if one runs, when the transaction commits';

CREATE FUNCTION pageviews.rotate_cookie_key()
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pageviews.add_cookie_key();
	DELETE FROM pageviews.cookie_keys AS k
	WHERE k.key_id NOT IN (SELECT n.key_id FROM pageviews.cookie_keys AS n
						   ORDER BY n.created_at DESC, n.key_id LIMIT 2);
	SELECT pageviews.wake_worker_at_commit();
END;
COMMENT ON FUNCTION pageviews.rotate_cookie_key() IS 'makes a new key that signs cookies; the one before still verifies, older ones are dropped';

CREATE FUNCTION pageviews.verify_cookie(cookie text, key_ids integer[], secrets bytea[])
RETURNS uuid
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_verify_cookie';
COMMENT ON FUNCTION pageviews.verify_cookie(text, integer[], bytea[]) IS 'the session of a cookie that one of these keys signed, else NULL';

CREATE FUNCTION pageviews.verify_cookie(cookie text, key_ids integer[], secrets bytea[], site text)
RETURNS uuid
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_verify_cookie';
COMMENT ON FUNCTION pageviews.verify_cookie(text, integer[], bytea[], text) IS 'the session of a cookie that one of these keys signed for this host, else NULL';

CREATE FUNCTION pageviews.session_id(cookie text)
RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pageviews.verify_cookie(session_id.cookie,
								   array_agg(k.key_id ORDER BY k.created_at DESC, k.key_id),
								   array_agg(k.secret ORDER BY k.created_at DESC, k.key_id))
	FROM (SELECT n.key_id, n.secret, n.created_at FROM pageviews.cookie_keys AS n
		  ORDER BY n.created_at DESC, n.key_id LIMIT 4) AS k;
END;
COMMENT ON FUNCTION pageviews.session_id(text) IS 'the session that a cookie''s value names; NULL if it is forged, expired or no session cookie at all';

CREATE FUNCTION pageviews.session_id(cookie text, site text)
RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pageviews.verify_cookie(session_id.cookie,
								   array_agg(k.key_id ORDER BY k.created_at DESC, k.key_id),
								   array_agg(k.secret ORDER BY k.created_at DESC, k.key_id),
								   session_id.site)
	FROM (SELECT n.key_id, n.secret, n.created_at FROM pageviews.cookie_keys AS n
		  ORDER BY n.created_at DESC, n.key_id LIMIT 4) AS k;
END;
COMMENT ON FUNCTION pageviews.session_id(text, text) IS 'the same for a cookie that was set for this host; NULL for one of another host';

-- ---------------------------------------------------------------------------
-- A visitor who wants to be forgotten
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.begin_forgetting(session_id uuid)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pageviews_begin_forgetting';
COMMENT ON FUNCTION pageviews.begin_forgetting(uuid) IS 'keeps the worker from storing until the transaction ends, and makes it forget the session''s open views at commit';

CREATE FUNCTION pageviews.forget_session(session_id uuid)
RETURNS bigint
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pageviews.begin_forgetting(forget_session.session_id);
	WITH gone_views AS (
		DELETE FROM pageviews.views AS v WHERE v.session_id = forget_session.session_id RETURNING 1
	), gone_rejected AS (
		DELETE FROM pageviews.rejected AS r WHERE r.session_id = forget_session.session_id RETURNING 1
	), gone_sessions AS (
		DELETE FROM pageviews.sessions AS s WHERE s.session_id = forget_session.session_id RETURNING 1
	)
	SELECT (SELECT count(*) FROM gone_views) + (SELECT count(*) FROM gone_rejected) + (SELECT count(*) FROM gone_sessions);
END;
COMMENT ON FUNCTION pageviews.forget_session(uuid) IS 'erases a session: its row, its views, stored, open or waiting; returns how many rows were erased';

-- ---------------------------------------------------------------------------
-- What happens now
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.read_live_views(
	OUT view_id uuid, OUT session_id uuid, OUT site text, OUT path text, OUT name text, OUT state text,
	OUT started_at timestamptz, OUT engagement_ms integer, OUT focused_ms integer)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pageviews_read_live_views';
COMMENT ON FUNCTION pageviews.read_live_views() IS 'the open views in shared memory; pageviews.live_views shows them';

CREATE VIEW pageviews.live_views WITH (security_invoker = true) AS
	SELECT l.view_id, l.session_id, l.site, l.path, l.name, l.state, l.started_at, l.engagement_ms, l.focused_ms
	FROM pageviews.read_live_views() AS l;
COMMENT ON VIEW pageviews.live_views IS 'who is on which page now';
COMMENT ON COLUMN pageviews.live_views.view_id IS 'id of the view, as in pageviews.views';
COMMENT ON COLUMN pageviews.live_views.session_id IS 'the browser, as in pageviews.sessions';
COMMENT ON COLUMN pageviews.live_views.site IS 'host of the page';
COMMENT ON COLUMN pageviews.live_views.path IS 'path of the page; the first 256 bytes';
COMMENT ON COLUMN pageviews.live_views.name IS 'the application''s own name of the page';
COMMENT ON COLUMN pageviews.live_views.state IS 'focused, visible, hidden; or lost: its connection broke a moment ago and may come back';
COMMENT ON COLUMN pageviews.live_views.started_at IS 'when the view began';
COMMENT ON COLUMN pageviews.live_views.engagement_ms IS 'engagement time up to now, milliseconds';
COMMENT ON COLUMN pageviews.live_views.focused_ms IS 'time with the focus up to now, milliseconds';

CREATE FUNCTION pageviews.read_worker_stats(
	OUT worker_pid integer, OUT worker_since timestamptz, OUT extension_present boolean, OUT busy boolean,
	OUT listeners_wanted integer, OUT listeners_ready integer, OUT listeners_sandboxed boolean, OUT listener_restarts bigint,
	OUT connections bigint, OUT connections_accepted bigint, OUT upgrades bigint, OUT notes bigint,
	OUT messages_received bigint, OUT scripts bigint,
	OUT refused_full bigint, OUT refused_address bigint, OUT refused_busy bigint, OUT refused_origin bigint,
	OUT refused_request bigint, OUT refused_message bigint, OUT ping_timeouts bigint,
	OUT refused_rate bigint, OUT refused_flood bigint, OUT refused_size bigint,
	OUT handshake_timeouts bigint, OUT idle_timeouts bigint, OUT connections_expired bigint,
	OUT refused_robot bigint,
	OUT views_announced bigint, OUT views_stored bigint, OUT views_rejected bigint, OUT views_open bigint,
	OUT views_lost bigint, OUT views_queued bigint, OUT views_refused bigint, OUT views_dropped bigint,
	OUT messages_accepted bigint, OUT messages_repeated bigint,
	OUT messages_refused_clock bigint, OUT messages_refused_unknown bigint, OUT messages_refused_ended bigint,
	OUT messages_refused_busy bigint, OUT messages_refused_rejected bigint,
	OUT queue_length bigint, OUT queue_capacity bigint, OUT batches bigint, OUT rows_written bigint, OUT retries bigint,
	OUT last_flush_at timestamptz, OUT flush_last_ms double precision, OUT flush_max_ms double precision)
RETURNS record
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pageviews_read_worker_stats';
COMMENT ON FUNCTION pageviews.read_worker_stats() IS 'the worker''s figures in shared memory; pageviews.worker_stats shows them';

CREATE VIEW pageviews.worker_stats WITH (security_invoker = true) AS
	SELECT w.worker_pid, w.worker_since, w.extension_present, w.busy,
		   w.listeners_wanted, w.listeners_ready, w.listeners_sandboxed, w.listener_restarts,
		   w.connections, w.connections_accepted, w.upgrades, w.notes, w.messages_received, w.scripts,
		   w.refused_full, w.refused_address, w.refused_busy, w.refused_origin, w.refused_request, w.refused_message,
		   w.ping_timeouts, w.refused_rate, w.refused_flood, w.refused_size,
		   w.handshake_timeouts, w.idle_timeouts, w.connections_expired, w.refused_robot,
		   w.views_announced, w.views_stored, w.views_rejected, w.views_open, w.views_lost, w.views_queued,
		   w.views_refused, w.views_dropped,
		   w.messages_accepted, w.messages_repeated, w.messages_refused_clock, w.messages_refused_unknown,
		   w.messages_refused_ended, w.messages_refused_busy, w.messages_refused_rejected,
		   w.queue_length, w.queue_capacity, w.batches, w.rows_written, w.retries,
		   w.last_flush_at, w.flush_last_ms, w.flush_max_ms
	FROM pageviews.read_worker_stats() AS w;
COMMENT ON VIEW pageviews.worker_stats IS 'the worker''s figures since it started: one row';
COMMENT ON COLUMN pageviews.worker_stats.worker_pid IS 'process id of the worker; NULL if none runs';
COMMENT ON COLUMN pageviews.worker_stats.worker_since IS 'when the worker started';
COMMENT ON COLUMN pageviews.worker_stats.extension_present IS 'whether the worker found the extension in its database';
COMMENT ON COLUMN pageviews.worker_stats.busy IS 'whether newcomers are turned away because queue or table of views is full';
COMMENT ON COLUMN pageviews.worker_stats.listeners_wanted IS 'how many listeners there should be';
COMMENT ON COLUMN pageviews.worker_stats.listeners_ready IS 'how many listeners take connections';
COMMENT ON COLUMN pageviews.worker_stats.listeners_sandboxed IS 'whether all of them run in their sandbox (pageviews.sandbox); NULL if there is none';
COMMENT ON COLUMN pageviews.worker_stats.listener_restarts IS 'how often a listener died and was started again';
COMMENT ON COLUMN pageviews.worker_stats.connections IS 'connections that are open now';
COMMENT ON COLUMN pageviews.worker_stats.connections_accepted IS 'connections that were accepted';
COMMENT ON COLUMN pageviews.worker_stats.upgrades IS 'websockets that were established';
COMMENT ON COLUMN pageviews.worker_stats.notes IS 'notes that were taken: what browsers say when a page closes';
COMMENT ON COLUMN pageviews.worker_stats.messages_received IS 'well-formed messages, on sockets and in notes';
COMMENT ON COLUMN pageviews.worker_stats.scripts IS 'times that client.js was served';
COMMENT ON COLUMN pageviews.worker_stats.refused_full IS 'connections turned away: pageviews.max_connections';
COMMENT ON COLUMN pageviews.worker_stats.refused_address IS 'connections turned away: pageviews.max_connections_per_address';
COMMENT ON COLUMN pageviews.worker_stats.refused_busy IS 'connections turned away: the worker could not take more';
COMMENT ON COLUMN pageviews.worker_stats.refused_origin IS 'requests refused: their Origin is not allowed';
COMMENT ON COLUMN pageviews.worker_stats.refused_request IS 'requests refused: method, path, headers, version or subprotocol';
COMMENT ON COLUMN pageviews.worker_stats.refused_message IS 'messages refused: not JSON, not a message, or binary';
COMMENT ON COLUMN pageviews.worker_stats.ping_timeouts IS 'connections closed because they stopped answering pings';
COMMENT ON COLUMN pageviews.worker_stats.refused_rate IS 'connections and requests turned away: pageviews.max_connection_rate_per_address';
COMMENT ON COLUMN pageviews.worker_stats.refused_flood IS 'connections closed: pageviews.max_message_rate or pageviews.max_byte_rate';
COMMENT ON COLUMN pageviews.worker_stats.refused_size IS 'messages and notes refused: pageviews.max_message_size, pageviews.max_note_size';
COMMENT ON COLUMN pageviews.worker_stats.handshake_timeouts IS 'connections closed: pageviews.handshake_timeout';
COMMENT ON COLUMN pageviews.worker_stats.idle_timeouts IS 'connections closed: pageviews.idle_timeout';
COMMENT ON COLUMN pageviews.worker_stats.connections_expired IS 'connections closed: pageviews.max_connection_age';
COMMENT ON COLUMN pageviews.worker_stats.refused_robot IS 'sockets and notes of robots that were refused: pageviews.robots';
COMMENT ON COLUMN pageviews.worker_stats.views_announced IS 'views that were told of; always the sum of the seven columns after it';
COMMENT ON COLUMN pageviews.worker_stats.views_stored IS 'views that are in the table and no longer open';
COMMENT ON COLUMN pageviews.worker_stats.views_rejected IS 'views that could not be stored: pageviews.rejected';
COMMENT ON COLUMN pageviews.worker_stats.views_open IS 'views that are open now';
COMMENT ON COLUMN pageviews.worker_stats.views_lost IS 'views whose connection broke and that may come back';
COMMENT ON COLUMN pageviews.worker_stats.views_queued IS 'views that are over and wait to be stored';
COMMENT ON COLUMN pageviews.worker_stats.views_refused IS 'views that were refused';
COMMENT ON COLUMN pageviews.worker_stats.views_dropped IS 'views that were dropped: their session was forgotten';
COMMENT ON COLUMN pageviews.worker_stats.messages_accepted IS 'messages that changed a view';
COMMENT ON COLUMN pageviews.worker_stats.messages_repeated IS 'messages that came again and changed nothing';
COMMENT ON COLUMN pageviews.worker_stats.messages_refused_clock IS 'messages refused: the view''s time is too far from the server''s';
COMMENT ON COLUMN pageviews.worker_stats.messages_refused_unknown IS 'messages refused: about a view that is not known';
COMMENT ON COLUMN pageviews.worker_stats.messages_refused_ended IS 'messages refused: about a view that had ended';
COMMENT ON COLUMN pageviews.worker_stats.messages_refused_busy IS 'messages refused: no room for another view';
COMMENT ON COLUMN pageviews.worker_stats.messages_refused_rejected IS 'messages refused: about a view that could not be stored, or was forgotten';
COMMENT ON COLUMN pageviews.worker_stats.queue_length IS 'rows that wait to be stored';
COMMENT ON COLUMN pageviews.worker_stats.queue_capacity IS 'rows that may wait to be stored';
COMMENT ON COLUMN pageviews.worker_stats.batches IS 'batches that were committed';
COMMENT ON COLUMN pageviews.worker_stats.rows_written IS 'rows that were committed';
COMMENT ON COLUMN pageviews.worker_stats.retries IS 'batches that failed and were tried again';
COMMENT ON COLUMN pageviews.worker_stats.last_flush_at IS 'when a batch was last committed';
COMMENT ON COLUMN pageviews.worker_stats.flush_last_ms IS 'last committed batch: from its oldest row''s arrival to the commit, milliseconds';
COMMENT ON COLUMN pageviews.worker_stats.flush_max_ms IS 'the longest of those';

-- ---------------------------------------------------------------------------
-- Reports: all of them take (since, until, site), half-open: since <= started_at < until
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.pages(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL)
RETURNS TABLE (
	path text, views bigint, visitors bigint,
	engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint,
	exits bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT v.path,
		   count(*),
		   count(DISTINCT v.session_id),
		   sum(v.engagement_ms),
		   round(avg(v.engagement_ms))::bigint,
		   round(percentile_cont(0.5) WITHIN GROUP (ORDER BY v.engagement_ms))::bigint,
		   round(percentile_cont(0.9) WITHIN GROUP (ORDER BY v.engagement_ms))::bigint,
		   count(*) FILTER (WHERE v.last)
	FROM (SELECT w.path, w.session_id, w.engagement_ms,
				 lead(false, 1, true) OVER (PARTITION BY w.session_id ORDER BY w.started_at, w.view_id) AS last
		  FROM pageviews.views AS w
		  WHERE w.started_at >= pages.since AND w.started_at < pages.until
			  AND (pages.site IS NULL OR w.site = pages.site)
			  AND NOT EXISTS (SELECT FROM pageviews.sessions AS s WHERE s.session_id = w.session_id AND s.robot)) AS v
	GROUP BY v.path
	ORDER BY count(*) DESC, v.path;
END;
COMMENT ON FUNCTION pageviews.pages(timestamptz, timestamptz, text) IS
	'report, without robots: for each path its views, visitors (distinct sessions), engagement, and exits (views that were the last of their session in the period)';

CREATE FUNCTION pageviews.bucket_starts(since timestamptz, until timestamptz, bucket interval)
RETURNS timestamptz[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	origin timestamptz;
BEGIN
	IF since IS NULL OR until IS NULL OR bucket IS NULL THEN
		RETURN NULL;
	END IF;
	IF NOT isfinite(since) OR NOT isfinite(until) THEN
		RAISE EXCEPTION 'since and until must be finite'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF since >= until THEN
		RETURN '{}';
	END IF;
	IF bucket <= interval '0' THEN
		RAISE EXCEPTION 'bucket must be longer than zero'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF extract(epoch FROM until - since) / extract(epoch FROM bucket) > 100000 THEN
		RAISE EXCEPTION 'the period has more than 100,000 buckets'
			USING ERRCODE = 'program_limit_exceeded',
				  HINT = 'Take a longer bucket or a shorter period.';
	END IF;
	-- In the time zone of the session: months and days as they are there, shorter ones from midnight.
	origin := CASE
		WHEN extract(year FROM bucket) <> 0 OR extract(month FROM bucket) <> 0 THEN date_trunc('month', since)
		WHEN bucket >= interval '1 day' THEN date_trunc('day', since)
		ELSE date_bin(bucket, since, date_trunc('day', since))
	END;
	RETURN ARRAY(SELECT s FROM generate_series(origin, until, bucket) AS s WHERE s < until);
END
$$;
COMMENT ON FUNCTION pageviews.bucket_starts(timestamptz, timestamptz, interval) IS 'when each bucket of a timeline begins';

CREATE FUNCTION pageviews.timeline(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	bucket interval DEFAULT '1 day')
RETURNS TABLE (
	bucket timestamptz, views bigint, visitors bigint,
	engagement_total_ms bigint, engagement_mean_ms bigint, engagement_median_ms bigint, engagement_p90_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH b AS MATERIALIZED (
		SELECT pageviews.bucket_starts(timeline.since, timeline.until, timeline.bucket) AS starts
	), g AS (
		SELECT width_bucket(v.started_at, (SELECT b.starts FROM b)) AS number,
			   count(*) AS views,
			   count(DISTINCT v.session_id) AS visitors,
			   sum(v.engagement_ms) AS total,
			   round(avg(v.engagement_ms))::bigint AS mean,
			   round(percentile_cont(0.5) WITHIN GROUP (ORDER BY v.engagement_ms))::bigint AS median,
			   round(percentile_cont(0.9) WITHIN GROUP (ORDER BY v.engagement_ms))::bigint AS p90
		FROM pageviews.views AS v
		WHERE v.started_at >= timeline.since AND v.started_at < timeline.until
			AND (timeline.site IS NULL OR v.site = timeline.site)
			AND NOT EXISTS (SELECT FROM pageviews.sessions AS s WHERE s.session_id = v.session_id AND s.robot)
		GROUP BY 1
	)
	SELECT s.start, coalesce(g.views, 0), coalesce(g.visitors, 0), coalesce(g.total, 0), g.mean, g.median, g.p90
	FROM b, unnest(b.starts) WITH ORDINALITY AS s (start, number)
	LEFT JOIN g ON g.number = s.number
	ORDER BY s.start;
END;
COMMENT ON FUNCTION pageviews.timeline(timestamptz, timestamptz, text, interval) IS
	'report, without robots: views, visitors (distinct sessions) and engagement for each bucket of time, also for those without a view';

CREATE FUNCTION pageviews.session_views(
	session_id uuid,
	since timestamptz DEFAULT '-infinity',
	until timestamptz DEFAULT 'infinity',
	site text DEFAULT NULL)
RETURNS TABLE (
	view_id uuid, started_at timestamptz, ended_at timestamptz, site text, path text, name text,
	engagement_ms integer, focused_ms integer, active_ms integer, scroll_depth smallint,
	navigation pageviews.navigation, end_reason pageviews.end_reason,
	query text, title text, referrer text, props jsonb)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT v.view_id, v.started_at, v.ended_at, v.site, v.path, v.name,
		   v.engagement_ms, v.focused_ms, v.active_ms, v.scroll_depth,
		   v.navigation, v.end_reason, v.query, v.title, v.referrer, v.props
	FROM pageviews.views AS v
	WHERE v.session_id = session_views.session_id
		AND v.started_at >= session_views.since AND v.started_at < session_views.until
		AND (session_views.site IS NULL OR v.site = session_views.site)
	ORDER BY v.started_at, v.view_id;
END;
COMMENT ON FUNCTION pageviews.session_views(uuid, timestamptz, timestamptz, text) IS 'report: every view of a session, in order';

-- ---------------------------------------------------------------------------
-- Privileges: nothing to PUBLIC, nor by ALTER DEFAULT PRIVILEGES to anybody else
-- ---------------------------------------------------------------------------

REVOKE ALL ON SCHEMA pageviews FROM PUBLIC;
REVOKE ALL ON pageviews.sessions, pageviews.views, pageviews.rejected, pageviews.cookie_keys, pageviews.site_readers,
	pageviews.live_views, pageviews.worker_stats FROM PUBLIC;
REVOKE ALL ON TYPE pageviews.navigation, pageviews.end_reason FROM PUBLIC;
REVOKE ALL ON FUNCTION
	pageviews.visible_sites(),
	pageviews.retention_cutoff(),
	pageviews.make_partition(date),
	pageviews.drop_partition(timestamptz),
	pageviews.purge_sessions(timestamptz, uuid),
	pageviews.set_aside(uuid, uuid, bigint, text, text, jsonb),
	pageviews.add_cookie_key(),
	pageviews.load_cookie_keys(),
	pageviews.wake_worker_at_commit(),
	pageviews.rotate_cookie_key(),
	pageviews.verify_cookie(text, integer[], bytea[]),
	pageviews.verify_cookie(text, integer[], bytea[], text),
	pageviews.session_id(text),
	pageviews.session_id(text, text),
	pageviews.begin_forgetting(uuid),
	pageviews.forget_session(uuid),
	pageviews.read_live_views(),
	pageviews.read_worker_stats(),
	pageviews.pages(timestamptz, timestamptz, text),
	pageviews.bucket_starts(timestamptz, timestamptz, interval),
	pageviews.timeline(timestamptz, timestamptz, text, interval),
	pageviews.session_views(uuid, timestamptz, timestamptz, text)
FROM PUBLIC;

-- Whoever may read every new table is not meant to read the keys of cookies.
DO $$
DECLARE
	given record;
BEGIN
	FOR given IN
		SELECT CASE WHEN i.type OPERATOR(pg_catalog.=) 'view' THEN 'table' ELSE i.type END AS type, i.identity, r.rolname AS role
		FROM pg_catalog.pg_extension AS e
		JOIN pg_catalog.pg_depend AS d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
			AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
		JOIN pg_catalog.pg_shdepend AS s ON s.classid OPERATOR(pg_catalog.=) d.classid AND s.objid OPERATOR(pg_catalog.=) d.objid
			AND s.deptype OPERATOR(pg_catalog.=) 'a'
		JOIN pg_catalog.pg_database AS b ON b.oid OPERATOR(pg_catalog.=) s.dbid
			AND b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
		JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) s.refobjid
		CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS i
		WHERE e.extname OPERATOR(pg_catalog.=) 'pageviews'
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %I', given.type, given.identity, given.role);
	END LOOP;
END
$$;

GRANT USAGE ON SCHEMA pageviews TO pageviews_reader, pageviews_site_reader, pageviews_collector;

-- The worker's figures are of all sites together.
GRANT SELECT ON pageviews.worker_stats TO pageviews_reader;
GRANT EXECUTE ON FUNCTION pageviews.read_worker_stats() TO pageviews_reader;
GRANT SELECT ON pageviews.sessions, pageviews.views, pageviews.rejected, pageviews.live_views
	TO pageviews_reader, pageviews_site_reader;
GRANT EXECUTE ON FUNCTION
	pageviews.visible_sites(),
	pageviews.session_id(text),
	pageviews.session_id(text, text),
	pageviews.read_live_views(),
	pageviews.pages(timestamptz, timestamptz, text),
	pageviews.bucket_starts(timestamptz, timestamptz, interval),
	pageviews.timeline(timestamptz, timestamptz, text, interval),
	pageviews.session_views(uuid, timestamptz, timestamptz, text)
TO pageviews_reader, pageviews_site_reader;

GRANT SELECT, INSERT, UPDATE (robot) ON pageviews.sessions TO pageviews_collector;
GRANT SELECT, INSERT, UPDATE ON pageviews.views TO pageviews_collector;
GRANT EXECUTE ON FUNCTION
	pageviews.make_partition(date),
	pageviews.drop_partition(timestamptz),
	pageviews.purge_sessions(timestamptz, uuid),
	pageviews.set_aside(uuid, uuid, bigint, text, text, jsonb),
	pageviews.load_cookie_keys(),
	pageviews.session_id(text)
TO pageviews_collector;
