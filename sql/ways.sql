-- Journeys, funnels, retention and goals, on data small enough to be counted by hand.
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition(m::date) FROM (VALUES ('2024-05-01'), ('2024-06-01')) AS v (m);
CREATE TEMPORARY TABLE hits (n serial, session integer, started_at timestamptz, path text, site text DEFAULT 'a.example');
INSERT INTO hits (session, started_at, path) VALUES
	(1, '2024-05-02 10:00', '/'), (1, '2024-05-02 10:01', '/'), (1, '2024-05-02 10:02', '/pricing'), (1, '2024-05-02 10:03', '/signup/a'),
	(2, '2024-05-02 10:00', '/'), (2, '2024-05-02 10:05', '/pricing'), (2, '2024-05-02 10:06', '/'),
	(3, '2024-05-02 10:00', '/pricing'), (3, '2024-05-02 10:01', '/'), (3, '2024-05-02 10:02', '/signup/b'),	-- not in this order
	(4, '2024-05-02 10:00', '/'), (4, '2024-05-03 10:00:00', '/pricing'), (4, '2024-05-03 10:00:01', '/signup/a'),	-- a day and a second after
	(5, '2024-05-02 10:00', '/'), (5, '2024-05-02 22:00', '/'), (5, '2024-05-03 11:00', '/pricing'), (5, '2024-05-03 12:00', '/signup/a'),	-- the second start counts
	(6, '2024-05-03 10:00', '/pricing'), (6, '2024-05-03 10:00', '/'), (6, '2024-05-03 10:00', '/pricing');		-- at one moment: in the order of the ids
INSERT INTO hits (session, started_at, path, site) VALUES (7, '2024-05-04 10:00', '/signup/a', 'b.example');
INSERT INTO hits (session, started_at, path) VALUES
	(2, '2024-05-09 10:00', '/'), (3, '2024-05-08 23:59:59', '/'), (3, '2024-05-16 00:00', '/'), (8, '2024-05-10 10:00', '/'), (8, '2024-05-11 10:00', '/'), (9, '2024-05-03 10:00', '/');
INSERT INTO pageviews.sessions (session_id, created_at)
SELECT ('00000000-0000-4000-8000-' || lpad(session::text, 12, '0'))::uuid, CASE session WHEN 9 THEN '2024-04-01' ELSE min(started_at) END
FROM hits WHERE session <> 7 GROUP BY session;
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, ('00000000-0000-4000-8000-' || lpad(session::text, 12, '0'))::uuid,
	   started_at, 7, 1000, 0, 0, 1, site, path
FROM hits;

SELECT * FROM pageviews.journeys('2024-05-02', '2024-05-05');
SELECT * FROM pageviews.journeys('2024-05-02', '2024-05-03', 'a.example', depth => 1);
SELECT * FROM pageviews.journeys('2024-05-02', '2024-05-03', 'a.example', '{"page": "/signup/*"}', 2);
SELECT * FROM pageviews.journeys('2024-05-02', '2024-05-03', depth => 0);
SELECT * FROM pageviews.journeys('2024-05-02', '2024-05-03', depth => NULL);
SELECT * FROM pageviews.journeys('2024-05-02', '2024-05-05', ways => 2);
SELECT * FROM pageviews.journeys('2024-05-02', '2024-05-05', ways => 0);

SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY['/', '/pricing', '/signup/*']);
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY['/', '/pricing', '/signup/*'], within => '1 day 1 second');
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY['/', '/pricing', '/signup/*'], within => '3 minutes');
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY['/', '/']);
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY['*']);
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY['/nowhere', '/']);
SELECT * FROM pageviews.funnel('2024-05-02 10:03', '2024-05-05', steps => ARRAY['/', '/pricing']);
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05');
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => '{}');
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY['/', NULL]);
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => array_fill('/'::text, ARRAY[21]));
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY[['/', '*']]);
SELECT f.step FROM (VALUES (ARRAY[['/', '*']])) AS v (steps), pageviews.funnel('2024-05-02', '2024-05-05', steps => v.steps) AS f;
SELECT step, page, visitors FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => (ARRAY['/', '/pricing', NULL])[1:2]);
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY['/'], within => '0');
SELECT * FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY['/', '*'], within => '100000000 years');
SELECT step, visitors FROM pageviews.funnel('2024-05-02', '2024-05-05', steps => ARRAY['/', '*'], within => '10000 years');

SELECT * FROM pageviews.retention('2024-05-02', '2024-05-23');
SELECT * FROM pageviews.retention('2024-05-02', '2024-05-05', 'a.example', period => '1 day');
SELECT * FROM pageviews.retention('2024-05-02', '2024-05-05', 'b.example', period => '1 day');
SELECT * FROM pageviews.retention('2024-05-02', '2024-05-05', period => '-1 day');
SELECT * FROM pageviews.retention('2024-05-02', 'infinity');

SELECT * FROM pageviews.goals('2024-05-02', '2024-05-05');
INSERT INTO pageviews.goals (name, site, pattern) VALUES
	('sign-up', NULL, '/signup/*'), ('sign-up at b', 'b.example', '/signup/*'), ('prices', 'a.example', '/pricing'), ('none', NULL, '/none');
SELECT * FROM pageviews.goals('2024-05-02', '2024-05-05');
SELECT * FROM pageviews.goals('2024-05-02', '2024-05-05', 'a.example');
SELECT * FROM pageviews.goals('2024-05-02', '2024-05-05', filters => '{"page": "/signup/a"}');

-- Everything flat.
SELECT count(*), count(created_at) FROM pageviews.export_views AS e JOIN pageviews.sessions AS s USING (session_id);
\copy (SELECT started_at, site, path, engagement_ms, robot FROM pageviews.export_views WHERE started_at < '2024-05-02 10:02' ORDER BY view_id) TO STDOUT (FORMAT csv, HEADER)
\copy (SELECT started_at, site, entry_path, exit_path, views, bounce, channel FROM pageviews.export_visits WHERE started_at < '2024-05-03' ORDER BY started_at, session_id) TO STDOUT (FORMAT csv, HEADER)

-- A reader of one site sees what is of it in every report.
CREATE ROLE regress_pageviews_b IN ROLE pageviews_site_reader;
INSERT INTO pageviews.site_readers (role, site) VALUES ('regress_pageviews_b', 'b.example');
SET ROLE regress_pageviews_b;
SELECT name FROM pageviews.goals ORDER BY name COLLATE "C";
SELECT views, visitors, visits FROM pageviews.summary('2024-05-01', '2024-06-01');
SELECT path, views FROM pageviews.pages('2024-05-01', '2024-06-01');
SELECT goal, views, visitors FROM pageviews.goals('2024-05-01', '2024-06-01');
SELECT channel, visits FROM pageviews.channels('2024-05-01', '2024-06-01');
SELECT pages, visits FROM pageviews.journeys('2024-05-01', '2024-06-01');
SELECT step, visitors FROM pageviews.funnel('2024-05-01', '2024-06-01', steps => ARRAY['*']);
SELECT country, visitors FROM pageviews.countries('2024-05-01', '2024-06-01');
SELECT count(*) FROM pageviews.export_views;
SELECT count(*) FROM pageviews.export_visits;
INSERT INTO pageviews.goals (name, pattern) VALUES ('mine', '*');
RESET ROLE;

-- Sessions on two sites: their views count together, each visit with its own origin.
CREATE TEMPORARY TABLE strolls (n serial, session integer, started_at timestamptz, site text, path text, referrer text);
INSERT INTO strolls (session, started_at, site, path, referrer) VALUES
	(1, '2024-06-10 10:00', 'a.example', '/', 'https://www.google.com/'), (1, '2024-06-10 10:05', 'b.example', '/pricing', NULL), (1, '2024-06-10 10:10', 'a.example', '/signup/a', NULL),
	(2, '2024-06-10 10:00', 'b.example', '/', 'https://www.google.com/'), (2, '2024-06-10 10:05', 'b.example', '/pricing', NULL), (2, '2024-06-10 10:05', 'a.example', '/signup/a', NULL),	-- at one moment: in the order of the sites
	(3, '2024-06-10 10:00', 'b.example', '/pricing', NULL), (3, '2024-06-10 10:05', 'a.example', '/', NULL),
	(3, '2024-06-11 09:00', 'b.example', '/', 'https://www.google.com/'), (3, '2024-06-11 09:10', 'b.example', '/pricing', NULL), (2, '2024-06-12 12:00', 'a.example', '/', NULL);
INSERT INTO pageviews.sessions (session_id, created_at) VALUES ('00000000-0000-4000-8000-900000000003', '2024-06-11');	-- of the others no row came
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path, referrer)
SELECT ('00000000-0000-7000-8000-9' || lpad(n::text, 11, '0'))::uuid, ('00000000-0000-4000-8000-9' || lpad(session::text, 11, '0'))::uuid,
	   started_at, 7, 1000, 0, 0, 1, site, path, referrer
FROM strolls;
SELECT s.site, o.filters, array_agg(f.visitors ORDER BY f.step) AS visitors
FROM (VALUES (NULL), ('a.example'), ('b.example')) AS s (site), (VALUES (NULL), ('{"referrer": "google.com"}'), ('{"referrer": null, "page": "/*"}')) AS o (filters),
	 pageviews.funnel('2024-06-10', '2024-06-20', s.site, o.filters::jsonb, ARRAY['/', '/pricing', '/signup/*']) AS f
GROUP BY s.site, o.filters ORDER BY s.site NULLS FIRST, o.filters NULLS FIRST;
SELECT step, visitors FROM pageviews.funnel('2024-06-10 10:05', '2024-06-11 09:10', filters => '{"referrer": "google.com"}', steps => ARRAY['/pricing', '/signup/*']);	-- the visit began before
SELECT step, visitors FROM pageviews.funnel('-infinity', 'infinity', filters => '{"referrer": "google.com"}', steps => ARRAY['/']);
SELECT step, visitors FROM pageviews.funnel('2024-06-10', '2024-06-20', filters => '{"country": null}', steps => ARRAY['*']);	-- of those that have a row
SELECT pages, visits, visitors FROM pageviews.journeys('2024-06-10', '2024-06-20', filters => '{"referrer": "google.com"}');
SELECT pages, visits, visitors FROM pageviews.journeys('-infinity', 'infinity', 'b.example', depth => 50);
SELECT sum(visits) AS visits FROM pageviews.journeys('2024-06-10', '2024-06-20', filters => '{"country": null}');	-- of those that have a row
SELECT s.site, o.filters, r.cohort, r.period, r.size, r.visitors
FROM (VALUES (NULL), ('a.example'), ('b.example')) AS s (site), (VALUES (NULL), ('{"referrer": "google.com"}')) AS o (filters),
	 pageviews.retention('2024-06-10', '2024-06-13', s.site, o.filters::jsonb, '1 day') AS r
ORDER BY s.site NULLS FIRST, o.filters NULLS FIRST, r.cohort, r.period;

-- What they are made of, asked for nothing or too much.
SELECT * FROM pageviews.funnel_steps('2024-06-10', NULL, NULL, NULL, ARRAY['/'], '1 day');
SELECT * FROM pageviews.funnel_steps('2024-06-10', '2024-06-20', NULL, NULL, NULL, '1 day');
SELECT * FROM pageviews.funnel_steps('2024-06-10', '2024-06-20', NULL, NULL, array_fill('/'::text, ARRAY[21]), '1 day');
SELECT * FROM pageviews.journeys('2024-06-10', NULL);
SELECT * FROM pageviews.journeys('2024-06-10', '2024-06-20', depth => 51);
SELECT * FROM pageviews.cohorts('2024-06-10', '2024-06-20', NULL, NULL, NULL);
SELECT * FROM pageviews.cohorts('2024-06-10', '2024-06-20', NULL, NULL, '{}');
SELECT * FROM pageviews.cohorts('2024-06-10', '2024-06-20', NULL, NULL, ARRAY['2024-06-10', NULL]::timestamptz[]);

-- Paths that are empty, as only rows written by hand have them: a visit without any page is one of no way.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), gen_random_uuid(), '2024-06-25', 7, 1000, 0, 0, 1, 'c.example', '' FROM generate_series(1, 2);
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), md5('c')::uuid, '2024-06-25'::timestamptz + n * interval '1 minute', 7, 1000, 0, 0, 1, 'c.example', (ARRAY['', '/', '', '', '/'])[n] FROM generate_series(1, 5) AS n;
SELECT * FROM pageviews.journeys('2024-06-25', '2024-06-26', depth => 50);

-- The most visits first, then in the order of pages: hundreds of ways, one of which more went than fits a byte.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), md5('d' || n)::uuid, '2024-06-26'::timestamptz + n * interval '1 second' + k * interval '1 minute', 7, 1000, 0, 0, 1, 'd.example',
	   CASE WHEN n % 3 = 0 THEN '/' ELSE '/' || substr(md5(n || ' ' || k), 1, 1 + n % 2) END
FROM generate_series(1, 1500) AS n, generate_series(1, 3) AS k
WHERE k <= n % 4;
SELECT count(*) > 300 AS hundreds, max(j.visits) > 255 AS many, count(DISTINCT j.visits) > 4 AS some,
	   bool_and(j.place = j.expected) AS ordered, bool_and(j.share = round(j.visits / j.total, 4)) AS shares
FROM (SELECT w.*, row_number() OVER (ORDER BY w.visits DESC, w.pages) AS expected, sum(w.visits) OVER () AS total
	  FROM pageviews.journeys('2024-06-26', '2024-06-27', ways => NULL) WITH ORDINALITY AS w (pages, visits, visitors, share, place)) AS j;

DROP EXTENSION pageviews;
DROP ROLE regress_pageviews_b;
