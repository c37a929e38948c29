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
	browser text,
	browser_version text,
	system text,
	device text,
	country text,
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
COMMENT ON COLUMN pageviews.sessions.browser IS 'the browser of the first view, as uap-core calls it, as in "Chrome Mobile"';
COMMENT ON COLUMN pageviews.sessions.browser_version IS 'its version up to the first dot, as in "131"';
COMMENT ON COLUMN pageviews.sessions.system IS 'the operating system of the first view, as uap-core calls it, as in "Windows"';
COMMENT ON COLUMN pageviews.sessions.device IS 'what it ran on: desktop, mobile, tablet, tv, console or bot; NULL: unknown';
COMMENT ON COLUMN pageviews.sessions.country IS 'two capital letters, as a trusted proxy said with the first view (pageviews.country_header); NULL: unknown';
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
	row jsonb NOT NULL,
	kind text NOT NULL DEFAULT 'view' CONSTRAINT rejected_kind_check CHECK (kind OPERATOR(pg_catalog.=) ANY ('{view,event}'::text[])),
	CONSTRAINT rejected_pkey PRIMARY KEY (view_id)
);
CREATE INDEX rejected_rejected_at_idx ON pageviews.rejected (rejected_at);
COMMENT ON TABLE pageviews.rejected IS 'views and events that could not be stored, the latest 10,000';
COMMENT ON INDEX pageviews.rejected_rejected_at_idx IS 'finds the oldest, which give way';
COMMENT ON CONSTRAINT rejected_pkey ON pageviews.rejected IS 'a view or event is set aside once';
COMMENT ON INDEX pageviews.rejected_pkey IS 'a view or event is set aside once';
COMMENT ON COLUMN pageviews.rejected.rejected_at IS 'when it was set aside';
COMMENT ON COLUMN pageviews.rejected.view_id IS 'id of the view or event';
COMMENT ON COLUMN pageviews.rejected.session_id IS 'the browser that it is of';
COMMENT ON COLUMN pageviews.rejected.revision IS 'which version of the view; 3 for an event';
COMMENT ON COLUMN pageviews.rejected.sqlstate IS 'SQLSTATE of the error that it met';
COMMENT ON COLUMN pageviews.rejected.message IS 'message of the error that it met';
COMMENT ON COLUMN pageviews.rejected.row IS 'the row as it would have been, long texts cut';
COMMENT ON COLUMN pageviews.rejected.kind IS 'view or event';
COMMENT ON CONSTRAINT rejected_kind_check ON pageviews.rejected IS 'one of the two';

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

REVOKE ALL ON pageviews.sessions, pageviews.views, pageviews.rejected, pageviews.cookie_keys, pageviews.site_readers FROM PUBLIC;
REVOKE ALL ON TYPE pageviews.navigation, pageviews.end_reason FROM PUBLIC;
GRANT USAGE ON TYPE pageviews.navigation, pageviews.end_reason TO pageviews_reader, pageviews_site_reader;
GRANT SELECT ON pageviews.sessions, pageviews.views, pageviews.rejected TO pageviews_reader, pageviews_site_reader;
GRANT SELECT, INSERT, UPDATE (robot) ON pageviews.sessions TO pageviews_collector;
GRANT SELECT, INSERT, UPDATE ON pageviews.views TO pageviews_collector;

