-- The reports, on data small enough to be counted by hand.
SET timezone = 'UTC';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition(m::date) FROM (VALUES ('2024-01-01'), ('2024-02-01'), ('2024-03-01')) AS v (m);

CREATE TEMPORARY TABLE hits (n serial, session integer, started_at timestamptz, site text, path text, engagement integer);
INSERT INTO hits (session, started_at, site, path, engagement) VALUES
	(1, '2024-01-31 23:59:59.999Z', 'a.example', '/', 1000),		-- the last instant of January
	(1, '2024-02-01 00:00:00Z', 'a.example', '/', 2000),			-- the first of February
	(1, '2024-02-01 10:00:00Z', 'a.example', '/pricing', 3000),
	(2, '2024-02-01 10:00:00Z', 'a.example', '/', 4000),			-- bounces
	(3, '2024-02-02 08:00:00Z', 'a.example', '/pricing', 5000),
	(3, '2024-02-02 08:00:00Z', 'a.example', '/', 0),				-- at the same moment: the later id is the exit
	(4, '2024-02-04 12:00:00Z', 'b.example', '/', 7001),
	(1, '2024-02-29 23:59:59.999Z', 'a.example', '/pricing', 6000),
	(1, '2024-03-01 00:00:00Z', 'a.example', '/late', 9000);		-- after the end
INSERT INTO pageviews.views (view_id, session_id, started_at, ended_at, revision, engagement_ms, focused_ms, active_ms, collector, navigation, end_reason, scroll_depth, site, path)
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, ('00000000-0000-4000-8000-' || lpad(session::text, 12, '0'))::uuid,
	   started_at, started_at + engagement * interval '1 ms', 7, engagement, engagement / 2, engagement / 4, 1, 'navigate', 'closed', 50, site, path
FROM hits;

-- since <= started_at < until, in every order of naming them.
SELECT * FROM pageviews.pages('2024-02-01', '2024-03-01');
SELECT * FROM pageviews.pages(until => '2024-03-01', since => '2024-02-01', site => 'a.example');
SELECT * FROM pageviews.pages('2024-02-01', '2024-03-01', 'b.example');
SELECT * FROM pageviews.pages('2024-02-01', '2024-03-01', 'nowhere.example');
SELECT * FROM pageviews.pages('2024-02-01 10:00Z', '2024-02-01 10:00Z');
SELECT * FROM pageviews.pages('-infinity', 'infinity');

-- Mean, median and p90 of an even and an odd number of views, by hand:
-- / on a.example in February: 0, 2000, 4000; /pricing: 3000, 5000, 6000.
SELECT path, engagement_mean_ms, engagement_median_ms, engagement_p90_ms
FROM pageviews.pages('2024-02-01', '2024-03-01', 'a.example') ORDER BY path;

-- The defaults: the last thirty days.
SELECT count(*) FROM pageviews.pages();
SELECT count(*) FROM pageviews.timeline();

-- Buckets without a view are there too.
SELECT * FROM pageviews.timeline('2024-02-01', '2024-02-05');
SELECT bucket, views, visitors FROM pageviews.timeline('2024-02-01', '2024-02-05', 'a.example', bucket => '2 days');
SELECT bucket, views, visitors FROM pageviews.timeline('2024-01-31', '2024-03-15', bucket => '1 month');
SELECT bucket, views FROM pageviews.timeline('2024-02-01', '2024-03-15', bucket => '1 year');
SELECT bucket, views FROM pageviews.timeline('2024-02-01 07:30', '2024-02-01 13:00', bucket => '3 hours');
SELECT sum(views) FROM pageviews.timeline('2024-01-01', '2024-04-01', bucket => '1 hour');
SELECT count(*), sum(views) FROM pageviews.timeline('2024-02-01 10:00', '2024-02-01 10:00');
-- Days are those of the session's time zone, with their 23 or 25 hours.
SET timezone = 'Europe/Zurich';
SELECT bucket, views FROM pageviews.timeline('2024-01-31 12:00', '2024-02-02', 'a.example');
SELECT bucket FROM pageviews.timeline('2024-03-30', '2024-04-02');
SET timezone = 'UTC';

-- What cannot be answered.
SELECT * FROM pageviews.timeline('2024-02-01', '2024-02-02', bucket => '0');
SELECT * FROM pageviews.timeline('2024-02-01', '2024-02-02', bucket => '-1 day');
SELECT * FROM pageviews.timeline('2024-02-01', '2024-03-01', bucket => '1 second');
SELECT * FROM pageviews.timeline('2024-02-01', 'infinity');
SELECT * FROM pageviews.timeline('2024-02-01', '2024-02-02', bucket => NULL);
-- Thirty days are more than 29, but February has as many: steps that may go back never end.
SET statement_timeout = '10s';
SELECT * FROM pageviews.timeline('2024-01-01', '2024-06-01', bucket => '1 month -29 days');
SELECT * FROM pageviews.timeline('2024-01-01', '2024-06-01', bucket => '-1 month 31 days');
SELECT * FROM pageviews.timeline('2024-01-01', '2024-06-01', bucket => '1 day -1 second');
SELECT * FROM pageviews.timeline('2024-01-01', '2024-06-01', bucket => '-1 day 24:00:01');
SELECT * FROM pageviews.retention('2024-01-01', '2024-06-01', period => '1 month -29 days');
SELECT count(*) FROM pageviews.timeline('2024-01-01', '2024-06-01', bucket => '1 month 2 days 03:04:05');
-- The ends of time.
SELECT * FROM pageviews.timeline('4714-11-24 00:00+00 BC', '2024-02-02', bucket => '1 year');
SELECT * FROM pageviews.timeline('294275-12-31', '294276-12-31', bucket => '1 month');
SELECT * FROM pageviews.timeline('2024-02-01', '2024-02-02', bucket => '300000 years');
SELECT * FROM pageviews.timeline('4712-01-01 BC', '294200-01-01', bucket => '1 day');
RESET statement_timeout;
SELECT count(*) FROM pageviews.timeline('4712-01-01 BC', '2024-02-02', bucket => '1 year');
SELECT count(*) FROM pageviews.timeline('2024-02-01', '2024-02-02', bucket => '290000 years');
SELECT views, views_before FROM pageviews.summary('4714-11-24 00:00+00 BC', '294276-12-31 23:59:59');
SELECT views, views_before FROM pageviews.summary('2024-02-01', '294276-12-31 23:59:59');
SELECT views, views_before FROM pageviews.summary('294276-12-31 23:59:59', '2024-02-01');
SELECT views, views_before FROM pageviews.summary('2024-02-01', '2024-03-01');

-- A session's views in order, wherever they are.
SELECT view_id, started_at, ended_at, site, path, engagement_ms, focused_ms, active_ms, scroll_depth, navigation, end_reason
FROM pageviews.session_views('00000000-0000-4000-8000-000000000001');
SELECT count(*) FROM pageviews.session_views('00000000-0000-4000-8000-00000000000f');

-- Only the months that are asked for, and the days next to them, are read, whether the bounds are constants or not.
CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'views_2024|Subplans Removed' THEN
			RETURN NEXT (regexp_match(line, 'on (views_\d+_\d+)|(Subplans Removed: \d+)'))::text;
		END IF;
	END LOOP;
END
$$;
SELECT DISTINCT p FROM plan_of($$SELECT * FROM pageviews.visits('2024-02-01', '2024-03-01')$$) AS p;
SELECT DISTINCT p FROM plan_of($$SELECT * FROM pageviews.visits()$$) AS p;
DROP FUNCTION plan_of(text);

-- The session's report takes the period and the site as well.
SELECT path FROM pageviews.session_views('00000000-0000-4000-8000-000000000001', site => 'nowhere.example');
SELECT count(*) > 0 AS some, count(*) = (SELECT count(*) FROM pageviews.session_views('00000000-0000-4000-8000-000000000001', until => '2024-02-02'))
	+ (SELECT count(*) FROM pageviews.session_views('00000000-0000-4000-8000-000000000001', since => '2024-02-02')) AS halves_make_the_whole
FROM pageviews.session_views('00000000-0000-4000-8000-000000000001');

-- Robots are left out, and no other session with them.
INSERT INTO pageviews.sessions (session_id, created_at, robot)
SELECT ('00000000-0000-4000-8000-' || lpad(session::text, 12, '0'))::uuid, '2024-01-31', session = 1
FROM generate_series(1, 3) AS s (session);
SELECT path, views, visitors, exits FROM pageviews.pages('2024-02-01', '2024-03-01');
SELECT bucket, views, visitors FROM pageviews.timeline('2024-02-01', '2024-02-03');
SELECT count(*) FROM pageviews.session_views('00000000-0000-4000-8000-000000000001');

DROP EXTENSION pageviews;
