-- Events: the report, goals, filters, what is exported, who sees what; and what a
-- goal may be.
\set VERBOSITY terse
SET timezone = 'UTC';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition('2024-05-01');

INSERT INTO pageviews.sessions (session_id, created_at, country, robot)
SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, '2024-05-01', (ARRAY['CH', 'DE', 'CH', NULL])[n], n = 4
FROM generate_series(1, 4) AS n;

-- Four sessions (the last is a robot's) with a view each; the second came by a campaign.
INSERT INTO pageviews.views (view_id, session_id, started_at, ended_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path, query)
SELECT ('018f3000-0000-7000-8000-00000000000' || n)::uuid, ('00000000-0000-4000-8000-00000000000' || n)::uuid,
	   '2024-05-02 10:00'::timestamptz, '2024-05-02 10:01', 7, 60000, 0, 0, 1,
	   CASE WHEN n = 3 THEN 'other.test' ELSE 'shop.test' END, '/pricing', CASE n WHEN 2 THEN 'utm_campaign=may' END
FROM generate_series(1, 4) AS n;

INSERT INTO pageviews.events (event_id, session_id, view_id, occurred_at, collector, site, path, name, props)
SELECT gen_random_uuid(), ('00000000-0000-4000-8000-00000000000' || e.n)::uuid, ('018f3000-0000-7000-8000-00000000000' || e.n)::uuid,
	   '2024-05-02 10:00'::timestamptz + e.n * interval '1 second', 1, CASE WHEN e.n = 3 THEN 'other.test' ELSE 'shop.test' END, e.path, e.name, e.props::jsonb
FROM (VALUES (1, '/pricing', 'signup', '{"plan": "pro"}'), (1, '/pricing', 'signup', '{"plan": "free"}'), (1, '/docs', 'download', NULL),
			 (2, '/pricing', 'signup', '{"plan": "pro"}'), (3, '/pricing', 'signup', NULL), (3, '/pricing', 'play_50%', NULL),
			 (4, '/pricing', 'signup', NULL)) AS e (n, path, name, props);

-- --- the report ---------------------------------------------------------------------------

SELECT * FROM pageviews.events('2024-05-01', '2024-06-01');
SELECT event, events, visitors FROM pageviews.events('2024-05-01', '2024-06-01', 'other.test');
SELECT event, events, visitors FROM pageviews.events('2024-05-03', '2024-06-01');
SELECT f.filters, e.event, e.events, e.visitors
FROM (VALUES ('{"page": "/doc*"}'::jsonb), ('{"property": {"plan": "pro"}}'), ('{"country": "CH"}'), ('{"campaign": "may"}'),
			 ('{"campaign": "may", "page": "/docs"}')) AS f (filters),
	 LATERAL pageviews.events('2024-05-01', '2024-06-01', NULL, f.filters) AS e
ORDER BY f.filters::text, e.event;
SELECT * FROM pageviews.events(filters => '{"nothing": 1}');

-- --- goals -----------------------------------------------------------------------------------

INSERT INTO pageviews.goals (name, pattern) VALUES ('prices', '/pricing');
INSERT INTO pageviews.goals (name, event) VALUES ('signed up', 'signup'), ('played', 'play_*%'), ('never', 'never');
INSERT INTO pageviews.goals (name, site, event) VALUES ('elsewhere', 'other.test', '*');
INSERT INTO pageviews.goals (name) VALUES ('neither');
INSERT INTO pageviews.goals (name, pattern, event) VALUES ('both', '/', 'signup');
SELECT * FROM pageviews.goals('2024-05-01', '2024-06-01');
SELECT goal, views, visitors FROM pageviews.goals('2024-05-01', '2024-06-01', 'shop.test', '{"country": "CH"}');

-- --- exported ----------------------------------------------------------------------------------

SELECT session_id, site, path, name, occurred_at, props, country, robot FROM pageviews.export_events ORDER BY session_id, path, name, props;

-- --- who sees what, and who may do what ---------------------------------------------------------

CREATE ROLE regress_events_reader IN ROLE pageviews_reader;
CREATE ROLE regress_events_alice IN ROLE pageviews_site_reader;
CREATE ROLE regress_events_nobody;
INSERT INTO pageviews.site_readers VALUES ('regress_events_alice', 'other.test');
SET ROLE regress_events_reader;
SELECT count(*) FROM pageviews.events;
SELECT event, events FROM pageviews.events('2024-05-01', '2024-06-01');
INSERT INTO pageviews.events SELECT * FROM pageviews.events;
SELECT count(*) FROM pageviews.events_2024_05;
SET ROLE regress_events_alice;
SELECT site, name FROM pageviews.events ORDER BY name;
SELECT event, events FROM pageviews.events('2024-05-01', '2024-06-01');
SELECT site, name FROM pageviews.export_events ORDER BY name;
SELECT goal, views FROM pageviews.goals('2024-05-01', '2024-06-01') ORDER BY goal;
SET ROLE regress_events_nobody;
SELECT count(*) FROM pageviews.events;
SELECT * FROM pageviews.events();
SET ROLE pageviews_collector;
DELETE FROM pageviews.events;
UPDATE pageviews.events SET name = 'x';
SELECT pageviews.make_leaf('pageviews.events', '2024-06-01');
RESET ROLE;

-- --- forgotten ------------------------------------------------------------------------------------

SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000001');
SELECT count(*), count(*) FILTER (WHERE session_id = '00000000-0000-4000-8000-000000000001') FROM pageviews.events;

DROP ROLE regress_events_reader, regress_events_alice, regress_events_nobody;
DROP EXTENSION pageviews;
