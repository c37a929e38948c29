-- The reports against a plain reference that goes through the views one by one, on random data.
SET timezone = 'UTC';
SET jit = off;		-- compiling takes longer than running here
SET datestyle = 'ISO';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition(m::date) FROM (VALUES ('2024-05-01'), ('2024-06-01')) AS v (m);
SELECT setseed(0.42);
INSERT INTO pageviews.sessions (session_id, created_at, country, device, robot)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '2024-05-31 12:00', (ARRAY['CH', 'DE', NULL])[1 + n % 3], (ARRAY['desktop', 'mobile'])[1 + n % 2], n % 20 = 0
FROM generate_series(1, 80) AS n;
-- Pauses of seconds, of about half an hour, of hours; some views last longer than the pause after them.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path, referrer, query, props)
SELECT ('00000000-0000-7000-8000-' || lpad((n * 7919 % 10007)::text, 6, '0') || lpad(session::text, 6, '0'))::uuid,
	   ('00000000-0000-4000-8000-' || lpad(session::text, 12, '0'))::uuid,
	   '2024-05-31 12:00'::timestamptz + sum(pause) OVER (PARTITION BY session ORDER BY n), 7, engagement, 0, 0, 1,
	   (ARRAY['a.example', 'b.example'])[1 + (random() * 1.3)::integer % 2], '/' || (random() * random() * 6)::integer,
	   (ARRAY[NULL, 'https://www.google.com/', 'https://a.example/', 'https://t.co/'])[1 + (random() * 3)::integer],
	   (ARRAY[NULL, 'utm_campaign=one', 'utm_campaign=two&utm_source=zz'])[1 + (random() * 2)::integer],
	   (ARRAY[NULL, '{"plan": "pro"}', '{"plan": "free"}']::jsonb[])[1 + (random() * 2)::integer]
FROM (SELECT s AS session, n,
			 CASE WHEN random() < 0.6 THEN (random() * 100)::integer WHEN random() < 0.7 THEN 1780 + (random() * 40)::integer ELSE (random() * 40000)::integer END * interval '1 second' AS pause,
			 CASE WHEN random() < 0.8 THEN (random() * 20)::integer ELSE (random() * 4000)::integer END * 1000 AS engagement
	  FROM generate_series(1, 80) AS s, generate_series(1, 30) AS n) AS v;

-- The reference: one row a view, each with the visit that it is in.
CREATE TEMPORARY TABLE seen (view_id uuid, session_id uuid, site text, started_at timestamptz, path text, engagement_ms integer, referrer text, query text, props jsonb, country text, device text, visit integer);
DO $$
DECLARE
	v record;
	open record;
	visit integer := 0;
BEGIN
	SELECT NULL::uuid AS session_id, NULL::text AS site, NULL::timestamptz AS until INTO open;
	FOR v IN SELECT w.*, s.country, s.device FROM pageviews.views AS w JOIN pageviews.sessions AS s USING (session_id)
			 WHERE NOT s.robot ORDER BY w.session_id, w.site, w.started_at, w.view_id LOOP
		IF open.session_id IS DISTINCT FROM v.session_id OR open.site <> v.site OR v.started_at - open.until > interval '30 minutes' THEN
			visit := visit + 1;
			open.session_id := v.session_id;
			open.site := v.site;
			open.until := NULL;
		END IF;
		open.until := greatest(open.until, v.started_at + make_interval(secs => v.engagement_ms / 1000.0));
		INSERT INTO seen VALUES (v.view_id, v.session_id, v.site, v.started_at, v.path, v.engagement_ms, v.referrer, v.query, v.props, v.country, v.device, visit);
	END LOOP;
END
$$;
CREATE INDEX ON seen (visit);
CREATE INDEX ON seen (session_id, path);
CREATE TEMPORARY TABLE seen_visits AS
	SELECT visit, session_id, site, min(started_at) AS started_at, max(started_at + engagement_ms * interval '1 ms') AS ended_at,
		   (array_agg(path ORDER BY started_at, view_id))[1] AS entry_path, (array_agg(path ORDER BY started_at DESC, view_id DESC))[1] AS exit_path,
		   (array_agg(view_id ORDER BY started_at, view_id))[1] AS entry, (array_agg(view_id ORDER BY started_at DESC, view_id DESC))[1] AS exit,
		   count(*) AS views, sum(engagement_ms) AS engagement_ms, count(*) = 1 AND sum(engagement_ms) < 10000 AS bounce,
		   (array_agg(referrer ORDER BY started_at, view_id))[1] AS referrer, (array_agg(query ORDER BY started_at, view_id))[1] AS query
	FROM seen GROUP BY visit, session_id, site;
CREATE INDEX ON seen_visits (visit);
ANALYZE;
SELECT count(*) > 500 AS many, count(*) FILTER (WHERE bounce) > 50 AS bounces, max(views) > 5 AS long FROM seen_visits;

-- What the filters of the tests below choose, written out.
CREATE FUNCTION pg_temp.chosen(s seen, v seen_visits, filter text) RETURNS boolean LANGUAGE sql AS $$
	SELECT CASE filter
		WHEN '{"page": "/1"}' THEN (s).path = '/1'
		WHEN '{"country": ["CH", null], "page": ["/0", "/2"]}' THEN ((s).country = 'CH' OR (s).country IS NULL) AND (s).path IN ('/0', '/2')
		WHEN '{"referrer": "*google*", "device": "mobile"}' THEN coalesce((v).referrer, '') = 'https://www.google.com/' AND (s).device = 'mobile'
		WHEN '{"campaign": null, "property": {"plan": "pro"}}' THEN (v).query IS NULL AND (s).props ->> 'plan' = 'pro'
		ELSE true
	END
$$;
CREATE TEMPORARY TABLE asked (n serial, since timestamptz, until timestamptz, site text, filters text);
INSERT INTO asked (since, until, site, filters)
SELECT p.since, p.until, s.site, f.filters
FROM (VALUES ('2024-05-31'::timestamptz, '2024-07-01'::timestamptz), ('2024-05-31 15:17', '2024-06-01 00:00'), ('2024-06-01 00:00', '2024-06-01 01:00')) AS p (since, until),
	 (VALUES (NULL), ('a.example')) AS s (site),
	 (VALUES (NULL), ('{"page": "/1"}'), ('{"country": ["CH", null], "page": ["/0", "/2"]}'), ('{"referrer": "*google*", "device": "mobile"}'), ('{"campaign": null, "property": {"plan": "pro"}}')) AS f (filters);
-- Weeks: one that lies in two months, and one that would be in the way of June.
INSERT INTO asked (since, until) VALUES ('2024-05-27', '2024-06-10'), ('2024-05-20', '2024-07-08');

CREATE TEMPORARY TABLE views_asked AS
	SELECT a.n, s.*, (SELECT o.view_id FROM seen AS o WHERE o.visit = s.visit AND o.path = s.path AND pg_temp.chosen(o, v, a.filters) ORDER BY o.started_at, o.view_id LIMIT 1) = s.view_id AS first_of_path
	FROM asked AS a, seen AS s JOIN seen_visits AS v USING (visit)
	WHERE s.started_at >= a.since AND s.started_at < a.until AND (a.site IS NULL OR s.site = a.site) AND pg_temp.chosen(s, v, a.filters);
CREATE TEMPORARY TABLE visits_asked AS
	SELECT a.n, v.*
	FROM asked AS a, seen_visits AS v
	WHERE v.started_at >= a.since AND v.started_at < a.until AND (a.site IS NULL OR v.site = a.site)
		AND EXISTS (SELECT FROM seen AS s WHERE s.visit = v.visit AND pg_temp.chosen(s, v, a.filters));
SELECT count(DISTINCT n) AS asked, count(*) > 3000 AS many FROM views_asked;

-- Each comparison finds nothing, in either direction.
CREATE TEMPORARY TABLE wanted (what text, n integer, row text);
CREATE TEMPORARY VIEW found (what, n, row) AS
	SELECT 'visits', a.n, (t.session_id, t.site, t.started_at, t.ended_at, t.entry_path, t.exit_path, t.views, t.engagement_ms, t.bounce)::text
	FROM asked AS a, LATERAL pageviews.visits(a.since, a.until, a.site, a.filters::jsonb) AS t
	UNION ALL
	SELECT 'pages', a.n, (p.path, p.views, p.visitors, p.engagement_total_ms, p.exits, p.visits, p.entries)::text
	FROM asked AS a, LATERAL pageviews.pages(a.since, a.until, a.site, a.filters::jsonb) AS p
	UNION ALL
	SELECT 'entries', a.n, (p.path, p.visits, p.visitors, p.bounces, p.views)::text
	FROM asked AS a, LATERAL pageviews.entry_pages(a.since, a.until, a.site, a.filters::jsonb) AS p
	UNION ALL
	SELECT 'exits', a.n, (p.path, p.exits, p.views)::text
	FROM asked AS a, LATERAL pageviews.exit_pages(a.since, a.until, a.site, a.filters::jsonb) AS p
	UNION ALL
	SELECT 'summary', a.n, (p.views, p.visitors, p.visits, p.bounce_rate, p.views_per_visit, p.engagement_total_ms)::text
	FROM asked AS a, LATERAL pageviews.summary(a.since, a.until, a.site, a.filters::jsonb) AS p
	UNION ALL
	SELECT 'timeline', a.n, (p.bucket, p.views, p.visitors, p.visits)::text
	FROM asked AS a, LATERAL pageviews.timeline(a.since, a.until, a.site, a.filters::jsonb, '1 day') AS p WHERE p.views > 0 OR p.visits > 0
	UNION ALL
	SELECT 'countries', a.n, (p.country, p.visitors, p.visits, p.views)::text
	FROM asked AS a, LATERAL pageviews.countries(a.since, a.until, a.site, a.filters::jsonb) AS p
	UNION ALL
	SELECT 'referrers', a.n, (p.referrer, p.visits, p.visitors)::text
	FROM asked AS a, LATERAL (SELECT r.referrer, sum(r.visits) AS visits, sum(r.visitors) AS visitors FROM pageviews.referrers(a.since, a.until, a.site, a.filters::jsonb) AS r WHERE r.source IS DISTINCT FROM 'zz' GROUP BY 1) AS p
	WHERE a.filters IS NULL AND p.referrer = 't.co'
	UNION ALL
	SELECT 'journeys', a.n, (p.pages, p.visits, p.visitors)::text
	FROM asked AS a, LATERAL pageviews.journeys(a.since, a.until, a.site, a.filters::jsonb, depth => 3, ways => NULL) AS p;
INSERT INTO wanted
	SELECT 'visits', t.n, (t.session_id, t.site, t.started_at, t.ended_at, t.entry_path, t.exit_path, t.views, t.engagement_ms, t.bounce)::text FROM visits_asked AS t
	UNION ALL
	SELECT 'pages', s.n, (s.path, count(*), count(DISTINCT s.session_id), sum(s.engagement_ms), count(*) FILTER (WHERE v.exit = s.view_id),
						  count(*) FILTER (WHERE s.first_of_path), count(*) FILTER (WHERE v.entry = s.view_id))::text
	FROM views_asked AS s JOIN seen_visits AS v USING (visit) GROUP BY s.n, s.path
	UNION ALL
	SELECT 'entries', t.n, (t.entry_path, count(*), count(DISTINCT t.session_id), count(*) FILTER (WHERE t.bounce), sum(t.views))::text FROM visits_asked AS t GROUP BY t.n, t.entry_path
	UNION ALL
	SELECT 'exits', s.n, (s.path, count(*) FILTER (WHERE v.exit = s.view_id), count(*))::text
	FROM views_asked AS s JOIN seen_visits AS v USING (visit) GROUP BY s.n, s.path HAVING bool_or(v.exit = s.view_id)
	UNION ALL
	SELECT 'summary', a.n, (coalesce(s.views, 0), coalesce(s.visitors, 0), coalesce(t.visits, 0), round(t.bounces::numeric / t.visits, 4), round(t.views::numeric / t.visits, 2), coalesce(s.total, 0))::text
	FROM asked AS a
	LEFT JOIN (SELECT n, count(*) AS views, count(DISTINCT session_id) AS visitors, sum(engagement_ms) AS total FROM views_asked GROUP BY n) AS s USING (n)
	LEFT JOIN (SELECT n, count(*) AS visits, count(*) FILTER (WHERE bounce) AS bounces, sum(views) AS views FROM visits_asked GROUP BY n) AS t USING (n)
	UNION ALL
	SELECT 'timeline', coalesce(s.n, t.n), (coalesce(s.day, t.day), coalesce(s.views, 0), coalesce(s.visitors, 0), coalesce(t.visits, 0))::text
	FROM (SELECT n, date_trunc('day', started_at) AS day, count(*) AS views, count(DISTINCT session_id) AS visitors FROM views_asked GROUP BY 1, 2) AS s
	FULL JOIN (SELECT n, date_trunc('day', started_at) AS day, count(*) AS visits FROM visits_asked GROUP BY 1, 2) AS t ON t.n = s.n AND t.day = s.day
	UNION ALL
	SELECT 'countries', coalesce(s.n, t.n), (coalesce(s.country, t.country), coalesce(s.visitors, 0), coalesce(t.visits, 0), coalesce(s.views, 0))::text
	FROM (SELECT n, country, count(*) AS views, count(DISTINCT session_id) AS visitors FROM views_asked GROUP BY 1, 2) AS s
	FULL JOIN (SELECT v.n, p.country, count(*) AS visits FROM visits_asked AS v JOIN pageviews.sessions AS p USING (session_id) GROUP BY 1, 2) AS t ON t.n = s.n AND coalesce(t.country, '') = coalesce(s.country, '')
	UNION ALL
	SELECT 'referrers', t.n, ('t.co'::text, sum(t.visits), sum(t.visitors))::text
	FROM (SELECT v.n, count(*) AS visits, count(DISTINCT v.session_id) AS visitors FROM visits_asked AS v JOIN asked AS a USING (n) WHERE a.filters IS NULL AND v.referrer = 'https://t.co/' AND v.query IS DISTINCT FROM 'utm_campaign=two&utm_source=zz' GROUP BY v.n) AS t GROUP BY t.n
	UNION ALL
	SELECT 'journeys', j.n, (j.pages, count(*), count(DISTINCT j.session_id))::text
	FROM (SELECT t.n, t.session_id, ARRAY(SELECT c.path FROM (SELECT s.path, s.started_at, s.view_id, lag(s.path, 1, '') OVER (ORDER BY s.started_at, s.view_id) AS before FROM seen AS s WHERE s.visit = t.visit) AS c
										  WHERE c.path <> c.before ORDER BY c.started_at, c.view_id LIMIT 3) AS pages
		  FROM visits_asked AS t) AS j GROUP BY j.n, j.pages;
SELECT f.what, count(*) > 0 AS some FROM found AS f GROUP BY f.what ORDER BY f.what COLLATE "C";
CREATE TEMPORARY VIEW differences AS
	(SELECT 'only in the report' AS where_it_is, f.* FROM found AS f EXCEPT ALL SELECT 'only in the report', w.* FROM wanted AS w ORDER BY 2, 3, 4 LIMIT 20)
	UNION ALL
	(SELECT 'only in the reference', w.* FROM wanted AS w EXCEPT ALL SELECT 'only in the reference', f.* FROM found AS f ORDER BY 2, 3, 4 LIMIT 20);
SELECT * FROM differences;
-- The same from roll-ups that end in the midst of it, and from whole ones.
SELECT pageviews.roll_up('2024-06-01 07:13');
SELECT * FROM differences;
-- A week is whole, its months are not.
SELECT pageviews.roll_up('2024-06-03 05:00');
SELECT * FROM differences;
SELECT pageviews.roll_up('2024-07-20');
SELECT * FROM differences;
SELECT rolled_until, days_until, weeks_until, months_until, quarters_until FROM pageviews.rollup_state;

-- Percentiles are within 3 %.
SELECT bool_and(abs(p.engagement_median_ms - e.median) <= 0.03 * e.median + 1) AND bool_and(abs(p.engagement_p90_ms - e.p90) <= 0.03 * e.p90 + 1) AS near, count(*) > 100 AS many
FROM asked AS a, LATERAL pageviews.pages(a.since, a.until, a.site, a.filters::jsonb) AS p
JOIN LATERAL (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s.engagement_ms) AS median, percentile_cont(0.9) WITHIN GROUP (ORDER BY s.engagement_ms) AS p90
			  FROM views_asked AS s WHERE s.n = a.n AND s.path = p.path) AS e ON true;

-- Funnels, step by step: from every view of the first step, always the next view that fits.
CREATE INDEX ON views_asked (n, session_id, path);
ANALYZE views_asked;
CREATE FUNCTION pg_temp.reached(n integer, steps text[], within interval) RETURNS TABLE (step integer, visitors bigint) LANGUAGE plpgsql AS $$
DECLARE
	first record;
	here record;
	k integer;
BEGIN
	CREATE TEMPORARY TABLE there (session_id uuid, step integer) ON COMMIT DROP;
	FOR first IN SELECT s.session_id, s.started_at, s.view_id FROM views_asked AS s WHERE s.n = reached.n AND s.path = steps[1] LOOP
		here := first;
		INSERT INTO there VALUES (first.session_id, 1);
		FOR k IN 2 .. cardinality(steps) LOOP
			SELECT s.session_id, s.started_at, s.view_id INTO here FROM views_asked AS s
			WHERE s.n = reached.n AND s.session_id = first.session_id AND s.path = steps[k] AND (s.started_at, s.view_id) > (here.started_at, here.view_id) AND s.started_at <= first.started_at + within
			ORDER BY s.started_at, s.view_id LIMIT 1;
			EXIT WHEN here IS NULL;
			INSERT INTO there VALUES (first.session_id, k);
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT t.step, count(DISTINCT t.session_id) FROM there AS t GROUP BY t.step;
	DROP TABLE there;
END
$$;
SELECT c.steps, c.within, bool_and(f.visitors = coalesce(r.visitors, 0)) AS equal, bool_or(f.step = cardinality(c.steps) AND f.visitors > 0) AS some
FROM (VALUES (ARRAY['/1', '/2'], interval '1 hour'), (ARRAY['/1', '/0', '/1'], '30 minutes'), (ARRAY['/0', '/1', '/2', '/3'], '1 day'), (ARRAY['/2', '/2', '/2'], '2 hours')) AS c (steps, within),
asked AS a,
LATERAL pageviews.funnel(a.since, a.until, a.site, a.filters::jsonb, c.steps, c.within) AS f
LEFT JOIN LATERAL pg_temp.reached(a.n, c.steps, c.within) AS r ON r.step = f.step
GROUP BY c.steps, c.within ORDER BY c.steps;

-- Retention by days; of some sessions no row came, of others it says another day than the views.
UPDATE pageviews.sessions SET created_at = created_at + (right(session_id::text, 4)::integer % 5 - 1) * interval '12 hours';
DELETE FROM pageviews.sessions WHERE right(session_id::text, 4)::integer % 7 = 1 AND NOT robot;
CREATE TEMPORARY TABLE returned AS
	SELECT s.n, s.session_id, a.until, date_trunc('day', s.started_at) AS seen,
		   date_trunc('day', least(coalesce(p.created_at, min(s.started_at) OVER of_session), a.until - interval '1 us')) AS cohort,
		   coalesce(p.created_at, min(s.started_at) OVER of_session) >= a.since AS counts
	FROM views_asked AS s JOIN asked AS a USING (n) LEFT JOIN pageviews.sessions AS p USING (session_id)
	WHERE p.session_id IS NOT NULL OR a.filters IS NULL OR a.filters !~ 'country|device'
	WINDOW of_session AS (PARTITION BY s.n, s.session_id);
CREATE TEMPORARY VIEW retained AS
	SELECT a.n, r.cohort, r.period, r.size, r.visitors
	FROM asked AS a, LATERAL pageviews.retention(a.since, a.until, a.site, a.filters::jsonb, '1 day') AS r;
CREATE TEMPORARY VIEW retained_wanted AS
	SELECT z.n, z.cohort, extract(day FROM d.day - z.cohort)::integer AS period, z.size,
		   (SELECT count(DISTINCT r.session_id) FROM returned AS r WHERE r.counts AND r.n = z.n AND r.cohort = z.cohort AND r.seen = d.day) AS visitors
	FROM (SELECT n, cohort, until, count(DISTINCT session_id) AS size FROM returned WHERE counts GROUP BY n, cohort, until) AS z,
		 LATERAL generate_series(z.cohort, z.until - interval '1 us', '1 day') AS d (day);
SELECT count(DISTINCT n) AS asked, count(DISTINCT cohort) > 2 AS cohorts, count(*) FILTER (WHERE period > 0 AND visitors > 0) > 20 AS returns FROM retained;
SELECT count(*) AS differences
FROM ((TABLE retained EXCEPT ALL TABLE retained_wanted) UNION ALL (TABLE retained_wanted EXCEPT ALL TABLE retained)) AS d;

DROP VIEW found, retained CASCADE;
DROP EXTENSION pageviews;
