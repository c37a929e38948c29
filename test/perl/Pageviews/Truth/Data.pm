# The views that the reports are asked about, and the plain truth of them.

package Pageviews::Truth::Data;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils ();

# Goals of both kinds, of one site and of all; the first site has a time zone of its own.
use constant SETTINGS => <<'EOT';
INSERT INTO pageviews.goals (name, site, pattern, event) VALUES
	('prices', NULL, '/pricing', NULL), ('blog', 'www1.example.com', '/blog/*', NULL), ('none', NULL, '/nowhere', NULL),
	('signed up', NULL, NULL, 'signup'), ('played', 'www0.example.com', NULL, 'pl*');
INSERT INTO pageviews.sites (site, time_zone) VALUES ('www0.example.com', 'America/New_York'), ('www1.example.com', 'Asia/Kathmandu');
EOT

# Fills the tables; `o` has views, days, sites, seed, and until, in seconds since 1970.
sub fill
{
	my ($node, %o) = @_;
	local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');

	PostgreSQL::Test::Utils::system_log('tools/generate', map { ("--$_", $o{$_}) } qw(views days sites seed until)) == 0
	  or die "no views were generated\n";
	$node->safe_psql('postgres', SETTINGS);
	return;
}

# Changes of views, sessions and events by hand, in `hours` from a moment on, that the
# generator does not think of.  `scale` is how many of each kind, about.
use constant CHANGES => <<'EOT';
SELECT setseed(:seed);
CREATE TEMPORARY TABLE near AS
	SELECT v.* FROM pageviews.views AS v
	WHERE v.started_at >= :'at'::timestamptz AND v.started_at < :'at'::timestamptz + :hours * interval '1 hour'
	ORDER BY random() LIMIT 8 * :scale;
CREATE TEMPORARY TABLE guests AS
	SELECT row_number() OVER () AS n, v.* FROM near AS v ORDER BY random() LIMIT 4 * :scale;
-- Late views, and views of another site: at any time; about as long after another one as a visit may pause; after exactly so long.
CREATE TEMPORARY TABLE late AS
	SELECT g.n, md5(random()::text) AS hash, g.session_id, g.site AS old_site, g.path AS old_path,
		   date_trunc('milliseconds', CASE g.n % 4
			   WHEN 0 THEN :'at'::timestamptz + random() * :hours * interval '1 hour'
			   WHEN 1 THEN g.started_at + g.engagement_ms * interval '1 ms' + (1795 + random() * 10) * interval '1 second'
			   WHEN 2 THEN g.started_at + g.engagement_ms * interval '1 ms' + interval '30 minutes'
			   ELSE g.started_at
		   END) AS started_at,
		   random() AS part
	FROM guests AS g;
INSERT INTO pageviews.views (view_id, session_id, started_at, ended_at, revision, engagement_ms, focused_ms, active_ms, collector, scroll_depth, site, path, query, referrer, props)
	SELECT (left(l.hash, 8) || '-' || substr(l.hash, 9, 4) || '-7' || substr(l.hash, 13, 3) || '-8' || substr(l.hash, 16, 3) || '-' || substr(l.hash, 19, 12))::uuid,
		   -- Of some of these sessions there is no row.
		   CASE WHEN l.n % 9 = 0 THEN (left(l.hash, 8) || '-' || substr(l.hash, 9, 4) || '-4' || substr(l.hash, 13, 3) || '-8' || substr(l.hash, 16, 3) || '-' || substr(l.hash, 19, 12))::uuid ELSE l.session_id END,
		   l.started_at, NULL, 4 * (l.n % 3), CASE WHEN l.n % 5 = 0 THEN (3600000 * l.part)::integer WHEN l.n % 5 = 1 THEN 0 ELSE (20000 * l.part)::integer END, 0, 0, 1,
		   nullif((l.n * 7 % 120)::smallint, 0) % 101,
		   CASE WHEN l.n % 7 = 3 THEN 'late.example.com' ELSE l.old_site END,
		   (ARRAY['/', '/pricing', '/Signup', '/late/%', '/docs', l.old_path])[1 + l.n % 6],
		   (ARRAY[NULL, 'utm_source=google&utm_medium=cpc&utm_campaign=late', 'utm_campaign=letter-3', 'utm_term=t&utm_content=c&utm_medium=email'])[1 + l.n / 2 % 4],
		   (ARRAY[NULL, 'https://www.google.com/', 'https://' || l.old_site || l.old_path, 'http://WWW.Elsewhere.example:8080/x?y'])[1 + l.n / 3 % 4],
		   (ARRAY[NULL, '{"plan": "pro", "late": true}', '{"late": true}'])[1 + l.n / 5 % 3]::jsonb
	FROM late AS l;
-- Views go on, turn out shorter, are deleted.
UPDATE pageviews.views AS v SET engagement_ms = CASE WHEN random() < 0.5 THEN v.engagement_ms / 3 ELSE v.engagement_ms + (random() * 2400000)::integer END, revision = v.revision + 4
	FROM (SELECT * FROM near ORDER BY random() LIMIT :scale) AS n WHERE v.view_id = n.view_id AND v.started_at = n.started_at;
DELETE FROM pageviews.views AS v
	USING (SELECT * FROM near ORDER BY random() LIMIT :scale / 2 + 1) AS n WHERE v.view_id = n.view_id AND v.started_at = n.started_at;
-- Sessions turn out to be robots, or none; something else is known of them, or nothing.
UPDATE pageviews.sessions AS s SET robot = NOT s.robot FROM (SELECT session_id FROM near ORDER BY random() LIMIT :scale / 4 + 1) AS n WHERE s.session_id = n.session_id;
UPDATE pageviews.sessions AS s SET country = (ARRAY['CH', 'LI', NULL])[1 + (random() * 3)::integer % 3], language = NULL, screen_height = NULL, created_at = s.created_at + (random() - 0.5) * interval '3 days'
	FROM (SELECT session_id FROM near ORDER BY random() LIMIT :scale / 4 + 1) AS n WHERE s.session_id = n.session_id;
DELETE FROM pageviews.sessions AS s USING (SELECT session_id FROM near ORDER BY random() LIMIT :scale / 4 + 1) AS n WHERE s.session_id = n.session_id;
-- Events, also such that are of no view, and of one that is gone.
INSERT INTO pageviews.events (event_id, session_id, view_id, occurred_at, collector, site, path, name, props)
	SELECT gen_random_uuid(), n.session_id, CASE WHEN random() < 0.8 THEN n.view_id END, n.started_at + random() * interval '30 minutes', 1, n.site, n.path,
		   (ARRAY['play', 'signup', 'late'])[1 + (random() * 3)::integer % 3], (ARRAY[NULL, '{"late": true}'])[1 + (random() * 2)::integer % 2]::jsonb
	FROM near AS n ORDER BY random() LIMIT :scale;
EOT

# Changes what began in so many hours from a moment on.
sub change
{
	my ($node, %o) = @_;

	$node->safe_psql('postgres', CHANGES, extra_params => [ map { ('-v', "$_=$o{$_}") } qw(seed at hours scale) ]);
	return;
}

# The plain truth: every view of people, with what is known of its session, and with its
# visit, by the definition of a visit; and every visit.
use constant TRUTH => <<'EOT';
SET jit = off;
SET work_mem = '256MB';
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS truth CASCADE;
CREATE SCHEMA truth;
CREATE UNLOGGED TABLE truth.views AS
	SELECT count(*) FILTER (WHERE b.entry) OVER in_order AS visit,
		   lead(b.entry, 1, true) OVER in_order AS exit,
		   b.*
	FROM (SELECT v.view_id, v.session_id, v.site, v.path, v.started_at, v.engagement_ms, v.scroll_depth, v.referrer, v.query, v.props,
				 s.session_id IS NOT NULL AS has_session, s.created_at, s.country, s.browser, s.system, s.device, s.language,
				 s.screen_width || 'x' || s.screen_height AS screen,
				 coalesce(v.started_at > max(v.started_at + v.engagement_ms * interval '1 ms') OVER before + interval '30 minutes', true) AS entry
		  FROM pageviews.views AS v LEFT JOIN pageviews.sessions AS s ON s.session_id = v.session_id
		  WHERE s.robot IS NOT TRUE
		  WINDOW before AS (PARTITION BY v.session_id, v.site ORDER BY v.started_at, v.view_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS b
	WINDOW in_order AS (ORDER BY b.session_id, b.site, b.started_at, b.view_id);
CREATE UNLOGGED TABLE truth.visits AS
	SELECT t.*,
		   substring(lower(t.referrer) FROM '^https?://([^/]*)') = t.site AS internal,
		   regexp_replace(substring(lower(t.referrer) FROM '^https?://([^/]*)'), '^www\.', '') AS referrer_host,
		   substring(t.query FROM '(?:^|&)utm_campaign=([^&]*)') AS campaign,
		   substring(t.query FROM '(?:^|&)utm_source=([^&]*)') AS utm_source,
		   substring(t.query FROM '(?:^|&)utm_medium=([^&]*)') AS medium,
		   substring(t.query FROM '(?:^|&)utm_term=([^&]*)') AS term,
		   substring(t.query FROM '(?:^|&)utm_content=([^&]*)') AS content
	FROM (SELECT w.visit, w.session_id, w.site, min(w.started_at) AS started_at, max(w.started_at) AS last_at,
				 max(w.started_at + w.engagement_ms * interval '1 ms') AS ended_at,
				 max(w.path) FILTER (WHERE w.entry) AS entry_path, max(w.path) FILTER (WHERE w.exit) AS exit_path,
				 count(*) AS views, sum(w.engagement_ms) AS engagement_ms, count(*) = 1 AND sum(w.engagement_ms) < 10000 AS bounce,
				 max(w.referrer) FILTER (WHERE w.entry) AS referrer, max(w.query) FILTER (WHERE w.entry) AS query
		  FROM truth.views AS w GROUP BY w.visit, w.session_id, w.site) AS t;
-- Which channel an origin is of the product's own table says.
CREATE TABLE truth.channels AS
	SELECT o.*, k.channel, k.source
	FROM (SELECT DISTINCT coalesce(referrer_host, '') AS host, coalesce(internal, false) AS internal, coalesce(utm_source, '') AS utm_source, coalesce(medium, '') AS medium FROM truth.visits) AS o,
		 LATERAL pageviews.channel_of(nullif(o.host, ''), o.internal, nullif(o.utm_source, ''), nullif(o.medium, '')) AS k;
CREATE INDEX ON truth.visits (visit);
CREATE INDEX ON truth.visits (started_at);
CREATE INDEX ON truth.views (visit);
CREATE INDEX ON truth.views (session_id);
ANALYZE truth.views, truth.visits, truth.channels;
SELECT (SELECT count(*) FROM truth.views), (SELECT count(*) FROM truth.visits), (SELECT max(last_at - started_at) FROM truth.visits);
EOT

# Tells it anew; views, visits, and how long the longest visit is (reports look for a day around their period).
sub tell
{
	my ($node) = @_;

	return split /\|/, $node->safe_psql('postgres', TRUTH, timeout => 3600);
}

1;
