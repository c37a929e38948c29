-- Visits, and the reports that count them, on data small enough to be counted by hand.
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition('2024-05-01');
SHOW pageviews.visit_timeout;
SELECT pageviews.visit_timeout(), pageviews.bounce_engagement();

CREATE TEMPORARY TABLE hits (n serial, session integer, started_at timestamptz, seconds numeric, path text, referrer text, query text, props jsonb, site text DEFAULT 'a.example');
INSERT INTO hits (session, started_at, seconds, path, referrer) VALUES
	(1, '2024-05-01 23:50:00', 60, '/', 'https://www.google.com/'),			-- across midnight
	(1, '2024-05-02 00:10:00', 30, '/pricing', 'https://a.example/'),
	(1, '2024-05-02 00:40:30', 5, '/signup/form', 'https://a.example/pricing'),	-- a pause of 30 minutes is in the visit
	(1, '2024-05-02 01:10:35.001', 9.999, '/', 'https://a.example/signup/form'),	-- a millisecond more is another one: a bounce
	(1, '2024-05-02 02:00:00', 10, '/', NULL),						-- one view, but long enough
	(2, '2024-05-02 10:00:00', 2700, '/docs/a', 'https://t.co/x'),			-- seen until 10:45
	(2, '2024-05-02 10:05:00', 1, '/docs/b', 'https://a.example/docs/a'),		-- in another tab meanwhile
	(2, '2024-05-02 11:14:59', 3, '/docs/a', 'https://a.example/docs/a'),
	(2, '2024-05-02 11:15:30', 3, '/docs/a', 'https://a.example/docs/a'),		-- reloaded
	(3, '2024-05-02 12:00:00', 20, '/', 'https://blog.example.org/post'),
	(4, '2024-05-02 12:00:00', 20, '/', 'https://www.google.com/'),			-- a robot
	(5, '2024-05-02 13:00:00', 4, '/', 'https://com.example.net/'),
	(6, '2024-05-03 08:00:00', 20, '/pricing', 'https://user@WWW.Google.de/search');
INSERT INTO hits (session, started_at, seconds, path, site) VALUES
	(3, '2024-05-02 12:00:10', 30, '/', 'b.example');
INSERT INTO hits (session, started_at, seconds, path, query, props, referrer) VALUES
	(5, '2024-05-03 09:00:00', 8, '/pricing', 'utm_source=news&utm_medium=email&utm_campaign=May+sale%21', '{"plan": "pro"}', NULL),
	(5, '2024-05-03 09:00:30', 8, '/signup/form', NULL, '{"plan": "free"}', 'https://a.example/pricing'),
	(6, '2024-05-03 10:00:00', 8, '/', 'utm_source=chatgpt.com', NULL, NULL),
	(6, '2024-05-03 11:00:00', 8, '/', 'utm_source=google&utm_medium=CPC&utm_campaign=ads&utm_term=a%20b&utm_content=c', NULL, 'https://www.google.com/'),
	(6, '2024-05-03 12:00:00', 8, '/', 'utm_campaign=%C3%28&utm_source=', NULL, NULL);	-- what is no text stays as it came
INSERT INTO pageviews.sessions (session_id, created_at, country, browser, browser_version, system, device, language, screen_width, screen_height, robot)
SELECT ('00000000-0000-4000-8000-' || lpad(session::text, 12, '0'))::uuid, created_at, country, browser, '1', system, device, language, width, height, session = 4
FROM (VALUES (1, '2024-05-01 23:50:00'::timestamptz, 'CH', 'Firefox', 'Windows', 'desktop', 'de-CH', 1440, 900),
			 (2, '2024-05-02 10:00:00', 'DE', 'Chrome', 'Android', 'mobile', 'de-DE', 390, 844),
			 (3, '2024-05-02 12:00:00', 'CH', 'Safari', 'macOS', 'desktop', 'fr-CH', 1440, 900),
			 (4, '2024-05-02 12:00:00', 'US', 'Chrome', 'Linux', 'desktop', 'en', 800, 600),
			 (5, '2024-05-02 13:00:00', NULL, NULL, NULL, NULL, NULL, NULL, NULL)) AS s (session, created_at, country, browser, system, device, language, width, height);
INSERT INTO pageviews.views (view_id, session_id, started_at, ended_at, revision, engagement_ms, focused_ms, active_ms, collector, scroll_depth, site, path, referrer, query, props)
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, ('00000000-0000-4000-8000-' || lpad(session::text, 12, '0'))::uuid,
	   started_at, started_at + interval '20 hours', 7, seconds * 1000, 0, 0, 1, CASE WHEN n % 4 > 0 THEN n * 5 END, site, path, referrer, query, props
FROM hits;

-- Each visit once, whole, where it begins; a tab that stays open unseen makes none longer.
SELECT right(session_id::text, 1) AS session, site, started_at, ended_at, entry_path, exit_path, views, engagement_ms, bounce, channel, source, referrer, campaign, medium
FROM pageviews.visits('2024-05-01', '2024-06-01') ORDER BY started_at, site;
SELECT right(session_id::text, 1) AS session, started_at, views FROM pageviews.visits('2024-05-01 23:50:00', '2024-05-02');
SELECT right(session_id::text, 1) AS session, started_at, views FROM pageviews.visits('2024-05-01 23:50:01', '2024-05-02 02:00:00');
SELECT count(*) FROM pageviews.visits('2024-05-02 02:00:00', '2024-05-02 02:00:00');

SELECT views, visitors, visits, bounce_rate, views_per_visit, engagement_total_ms, engagement_mean_ms, engagement_median_ms, engagement_p90_ms FROM pageviews.summary('2024-05-02', '2024-05-03');
SELECT views_before, visitors_before, visits_before, bounce_rate_before, views_per_visit_before, engagement_total_ms_before FROM pageviews.summary('2024-05-02', '2024-05-03');
SELECT views_change, visitors_change, visits_change, bounce_rate_change, engagement_total_ms_change FROM pageviews.summary('2024-05-03', '2024-05-04');
SELECT views, views_before, views_change FROM pageviews.summary('-infinity', 'infinity');
SELECT bucket, views, visitors, visits FROM pageviews.timeline('2024-05-01', '2024-05-05');
SELECT path, views, visitors, visits, entries, exits FROM pageviews.pages('2024-05-02', '2024-05-03');
SELECT * FROM pageviews.entry_pages('2024-05-01', '2024-06-01');
SELECT * FROM pageviews.exit_pages('2024-05-01', '2024-06-01');
SELECT * FROM pageviews.exit_pages('2024-05-02', '2024-05-02 01:00');

SELECT channel, visits, visitors, bounces, bounce_rate FROM pageviews.channels('2024-05-01', '2024-06-01');
SELECT channel, source, referrer, visits, visitors, bounces, views FROM pageviews.referrers('2024-05-01', '2024-06-01');
SELECT campaign, source, medium, term, content, visits, visitors, views FROM pageviews.campaigns('2024-05-01', '2024-06-01');
INSERT INTO pageviews.sources (host, channel, source) VALUES ('blog.example.org', 'friends', 'A friend');
SELECT channel, source, referrer, visits FROM pageviews.referrers('2024-05-02 12:00', '2024-05-02 12:01');
-- Your own row goes before the one that came with the extension.
INSERT INTO pageviews.sources (host, channel, source) VALUES ('google.com', 'search', 'The big one');
SELECT channel, source, visits FROM pageviews.referrers('2024-05-01', '2024-05-02');
DELETE FROM pageviews.sources WHERE NOT shipped;
SELECT c.channel, c.source FROM (VALUES
	('news.google.com', NULL, NULL), ('google.co.uk', NULL, NULL), ('de.search.yahoo.com', NULL, NULL), ('old.reddit.com', NULL, NULL), ('mail.google.com', NULL, NULL),
	('gemini.google.com', NULL, NULL), ('chatgpt.com', NULL, NULL), ('notgoogle.com', NULL, NULL), ('google.com.evil.example', NULL, NULL), (NULL, 'partner', NULL), (NULL, NULL, 'banner'),
	('google.com', 'partner', 'newsletter'), ('google.com', 'perplexity', NULL), ('com', NULL, NULL)) AS v (referrer, source, medium),
LATERAL pageviews.channel_of(v.referrer, false, v.source, v.medium) AS c;
-- A host stands for its subdomains, however deep they are, unless one between has a row.
INSERT INTO pageviews.sources (host, channel, source) VALUES ('c.google.com', 'friends', 'C'), ('1.2.3.4.5.6.7.8.9.example', 'friends', 'Ten'), ('0.1.2.3.4.5.6.7.8.9.example', 'friends', 'Eleven');
SELECT v.referrer, c.channel, c.source FROM (VALUES
	('a.b.google.com'), ('a.b.d.google.com'), ('a.b.c.google.com'), ('a.b.c.d.e.f.g.h.i.j.k.l.google.com'), ('a.b.c.google.com.evil.example'), ('a.b.c.google.com.'), ('a.b.notgoogle.com'),
	('x.y.1.2.3.4.5.6.7.8.9.example'), ('0.1.2.3.4.5.6.7.8.9.example'), ('x.0.1.2.3.4.5.6.7.8.9.example'), ('.google.com'), ('.')) AS v (referrer),
LATERAL pageviews.channel_of(v.referrer, false, NULL, NULL) AS c;
DELETE FROM pageviews.sources WHERE NOT shipped;

SELECT * FROM pageviews.countries('2024-05-02', '2024-05-03');
SELECT * FROM pageviews.browsers('2024-05-02', '2024-05-03');
SELECT * FROM pageviews.systems('2024-05-02', '2024-05-03', 'b.example');
SELECT * FROM pageviews.devices('2024-05-02', '2024-05-03');
SELECT * FROM pageviews.languages('2024-05-02', '2024-05-03');
SELECT * FROM pageviews.screens('2024-05-01', '2024-06-01');

SELECT * FROM pageviews.engagement_histogram('2024-05-01', '2024-06-01');
SELECT * FROM pageviews.engagement_histogram('2024-05-01', '2024-06-01', path => '/docs/*') WHERE views > 0;
SELECT * FROM pageviews.engagement_histogram('2024-05-01', '2024-06-01', path => '/none') LIMIT 2;
SELECT * FROM pageviews.scroll_depth('2024-05-01', '2024-06-01');
SELECT * FROM pageviews.scroll_depth('2024-05-01', '2024-06-01', path => '/signup/*') WHERE depth IN (0, 60, 70, 80);
SELECT * FROM pageviews.scroll_depth('2024-04-01', '2024-04-02') LIMIT 1;

-- The settings are the server's.
SET pageviews.visit_timeout = '1h';
SET pageviews.bounce_engagement = 0;
ALTER SYSTEM SET pageviews.visit_timeout = 0;

DROP EXTENSION pageviews;
