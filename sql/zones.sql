-- Time zones of sites: their days, whoever asks.
SET timezone = 'America/New_York';
SET datestyle = 'ISO';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition(m::date) FROM (VALUES ('2024-02-01'), ('2024-03-01'), ('2024-04-01'), ('2024-10-01')) AS v (m);
INSERT INTO pageviews.sites VALUES ('a.example', 'Asia/Tokyo'), ('b.example', 'Europe/Zurich'), ('i.example', 'Asia/Kolkata');
INSERT INTO pageviews.sites VALUES ('a.example', 'UTC');
INSERT INTO pageviews.sites VALUES ('c.example', 'Europe/Atlantis');
INSERT INTO pageviews.sites VALUES ('c.example', NULL);
INSERT INTO pageviews.sites VALUES ('c.example', 'CET'), ('d.example', 'UTC');
INSERT INTO pageviews.sites VALUES ('e.example', 'Zulu');
INSERT INTO pageviews.sites VALUES ('g.example', 'GMT'), ('u.example', 'UTC');
DELETE FROM pageviews.sites WHERE site IN ('g.example', 'u.example');
INSERT INTO pageviews.sites VALUES ('c.example', 'UTC+2');
UPDATE pageviews.sites SET time_zone = 'x' WHERE site = 'a.example';

-- A view every 20 minutes for two months, with two changes of the clock of Zurich, and a session a day.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 10, '0') || lpad(s::text, 2, '0'))::uuid, ('00000000-0000-4000-8000-' || lpad((n / 72)::text, 12, '0'))::uuid,
	   t, 7, 1000, 0, 0, 1, (ARRAY['a.example', 'b.example', 'c.example', 'i.example'])[s], '/'
FROM (SELECT row_number() OVER (ORDER BY t) AS n, t
	  FROM (SELECT generate_series('2024-02-20 00:00+00'::timestamptz, '2024-04-10 00:00+00', '20 minutes')
			UNION ALL SELECT generate_series('2024-10-20 00:00+00'::timestamptz, '2024-10-30 00:00+00', '20 minutes')) AS u (t)) AS w,
	 generate_series(1, 4) AS s;

-- Every bucket begins where a day, a month, an hour of that place does, and has what lies in it.
CREATE VIEW zones AS SELECT * FROM (VALUES ('a.example', 'Asia/Tokyo'), ('b.example', 'Europe/Zurich'), ('c.example', 'America/New_York'), ('i.example', 'Asia/Kolkata')) AS z (site, zone);
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (
		SELECT z.site, u.part, t.bucket, t.views, t.visitors
		FROM zones AS z, (VALUES ('day', interval '1 day'), ('month', '1 month')) AS u (part, length),
		LATERAL pageviews.timeline('2024-02-20 00:00+00', '2024-10-30 00:00+00', z.site, bucket => u.length) AS t
		WHERE t.views > 0
		EXCEPT
		SELECT z.site, u.part, date_trunc(u.part, v.started_at AT TIME ZONE z.zone) AT TIME ZONE z.zone, count(*), count(DISTINCT v.session_id)
		FROM zones AS z, (VALUES ('day'), ('month')) AS u (part), pageviews.views AS v
		WHERE v.site = z.site AND v.started_at < '2024-10-30 00:00+00'
		GROUP BY z.site, u.part, 3) AS d
$$;
SELECT differences();
SELECT pageviews.roll_up('2024-11-01');
SELECT differences();
SELECT count(*), count(DISTINCT bucket) FROM pageviews.timeline('2024-02-20 00:00+00', '2024-10-30 00:00+00', 'b.example');
SELECT bucket AT TIME ZONE 'Europe/Zurich' AS day, views FROM pageviews.timeline('2024-03-29 23:00+00', '2024-04-01 22:00+00', 'b.example');
SELECT bucket AT TIME ZONE 'UTC' AS hour, views FROM pageviews.timeline('2024-10-26 23:00+00', '2024-10-27 03:00+00', 'b.example', bucket => '1 hour');
SELECT bucket AT TIME ZONE 'Europe/Zurich' AS half, views FROM pageviews.timeline('2024-03-30 23:00+00', '2024-04-01 22:00+00', 'b.example', bucket => '12 hours');
SELECT bucket AT TIME ZONE 'Asia/Kolkata' AS quarter, views FROM pageviews.timeline('2024-02-20 18:30+00', '2024-02-21 18:30+00', 'i.example', bucket => '6 hours');
SELECT cohort AT TIME ZONE 'Asia/Tokyo' AS cohort, period, size, visitors FROM pageviews.retention('2024-02-21 15:00+00', '2024-02-23 15:00+00', 'a.example', period => '1 day');

-- A zone whose name is an abbreviation, too, is the zone.
SET timezone = 'CET';
SELECT bucket, views FROM pageviews.timeline('2024-03-30', '2024-04-02', 'c.example');
SET timezone = 'America/New_York';

-- Midnight, for since and until.
SELECT pageviews.midnight(z.site) = date_trunc('day', now(), z.zone) AS today,
	   pageviews.midnight(z.site, 3) = (date_trunc('day', now() AT TIME ZONE z.zone) - interval '3 days') AT TIME ZONE z.zone AS before
FROM zones AS z ORDER BY z.site;
SELECT pageviews.midnight() = date_trunc('day', now()) AS of_nobody;

-- Readers of some sites see these; the zone of another is theirs.
CREATE ROLE regress_pageviews_b IN ROLE pageviews_site_reader;
INSERT INTO pageviews.site_readers (role, site) VALUES ('regress_pageviews_b', 'b.example');
SET ROLE regress_pageviews_b;
SELECT * FROM pageviews.sites;
SELECT pageviews.site_time_zone('a.example'), pageviews.site_time_zone('b.example');
INSERT INTO pageviews.sites VALUES ('d.example', 'UTC');
RESET ROLE;
DROP ROLE regress_pageviews_b;
DROP FUNCTION differences;
DROP VIEW zones;
DROP EXTENSION pageviews;
