-- The filters of the reports, and what is no filter.
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition('2024-05-01');
CREATE TEMPORARY TABLE hits (n serial, session integer, started_at timestamptz, path text, referrer text, query text, props jsonb);
INSERT INTO hits (session, started_at, path, referrer, query, props) VALUES
	(1, '2024-05-02 10:00', '/', 'https://www.google.com/', NULL, '{"plan": "pro", "seats": 3}'),
	(1, '2024-05-02 10:01', '/docs/a_b', 'https://a.example/', NULL, '{"plan": "free"}'),
	(1, '2024-05-02 10:02', '/docs/a%b', 'https://a.example/', NULL, NULL),
	(2, '2024-05-02 11:00', '/docs/axb', 'https://news.google.com/', 'utm_campaign=may&utm_source=x&utm_medium=email', NULL),
	(2, '2024-05-02 11:01', '/', 'https://a.example/docs/axb', NULL, '{"plan": "pro"}'),
	(3, '2024-05-02 12:00', '/docs', NULL, NULL, NULL),
	(3, '2024-05-02 14:00', '/*', NULL, 'utm_campaign=june', NULL),
	(4, '2024-05-01 23:59', '/docs/\', NULL, 'utm_campaign=may', '{}');		-- its visit goes on the next day
INSERT INTO hits (session, started_at, path) VALUES (4, '2024-05-02 00:01', '/');
INSERT INTO pageviews.sessions (session_id, created_at, country, browser, system, device, language)
SELECT ('00000000-0000-4000-8000-' || lpad(session::text, 12, '0'))::uuid, '2024-05-02', country, browser, system, device, language
FROM (VALUES (1, 'CH', 'Firefox', 'Windows', 'desktop', 'de-CH'), (2, 'DE', 'Chrome', 'Android', 'mobile', 'de-DE'), (3, NULL, 'Chrome', 'macOS', 'desktop', NULL), (4, 'CH', NULL, NULL, NULL, 'en')) AS s (session, country, browser, system, device, language);
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path, referrer, query, props)
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, ('00000000-0000-4000-8000-' || lpad(session::text, 12, '0'))::uuid,
	   started_at, 7, 1000, 0, 0, 1, 'a.example', path, referrer, query, props
FROM hits;

-- Stars, wherever they stand.
SELECT p AS pattern, string_agg(v, ' ' ORDER BY v COLLATE "C") FILTER (WHERE pageviews.filter_allows(jsonb_build_object('page', p), 'page', v)) AS fit
FROM unnest(ARRAY['', '*', '**', 'a', 'a*', '*a', '*a*', 'a*a', 'a**b', '*a*b*', 'ab*ab', 'é*', '_', '%', 'a\b']) AS p,
	 unnest(ARRAY['', 'a', 'b', 'aa', 'ab', 'ba', 'aab', 'aba', 'abab', 'é', 'éa', '*', '_', '%', 'a\b']) AS v
GROUP BY p ORDER BY p COLLATE "C";
SELECT pageviews.filter_allows('{"page": "a"}', 'page', NULL), pageviews.filter_allows('{"page": null}', 'page', ''), pageviews.filter_allows('{"page": null}', 'page', NULL),
	   pageviews.filter_allows('{"page": ["b", null]}', 'page', NULL), pageviews.filter_allows('{"page": ["b", ["a"]]}', 'page', 'a'), pageviews.filter_allows('{"page": 1}', 'page', '1'),
	   pageviews.filter_allows('["page"]', 'page', 'a'), pageviews.filter_allows('{}', 'page', 'a'), pageviews.filter_allows(NULL, 'page', 'a');

-- Which views, visitors and visits are left, and where the visits began.
CREATE FUNCTION pg_temp.left_by(filters jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s views, %s visitors, %s visits: %s; %s', s.views, s.visitors, s.visits,
				  (SELECT string_agg(format('%s %s', p.path, p.views), ', ' ORDER BY p.path COLLATE "C") FROM pageviews.pages('2024-05-02', '2024-05-03', filters => $1) AS p),
				  (SELECT string_agg(format('%s %s', e.path, e.visits), ', ' ORDER BY e.path COLLATE "C") FROM pageviews.entry_pages('2024-05-02', '2024-05-03', filters => $1) AS e))
	FROM pageviews.summary('2024-05-02', '2024-05-03', filters => $1) AS s
$$;
SELECT f AS filters, pg_temp.left_by(f::jsonb) FROM unnest(ARRAY[
	NULL, '{}',
	'{"page": "/"}', '{"page": "/docs*"}', '{"page": "/docs/*"}', '{"page": "/docs/a_b"}', '{"page": "/docs/a%b"}', '{"page": ["/docs", "/docs/*b"]}', '{"page": "/*"}', '{"page": []}', '{"page": null}',
	'{"property": {"plan": "pro"}}', '{"property": {"plan": "pro", "seats": 3}}', '{"property": {"seats": "3"}}', '{"property": {}}', '{"page": "/docs*", "property": {"plan": "pro"}}',
	'{"country": "CH"}', '{"country": ["DE", null]}', '{"country": null}', '{"device": "desktop", "browser": "Chrome"}', '{"system": "*o*"}', '{"language": "de*"}', '{"language": "de"}',
	'{"referrer": "google.com"}', '{"referrer": "*google.com"}', '{"referrer": null}', '{"campaign": "may"}', '{"campaign": ["may", "june"]}', '{"campaign": null}', '{"source": "x", "medium": "email"}',
	'{"campaign": "may", "page": "/"}', '{"campaign": "*", "country": "CH"}', '{"country": "XX"}']) AS f;
-- A visit is known by where it began, also when that was before the period.
SELECT path, views, visits, entries, exits FROM pageviews.pages('2024-05-02', '2024-05-03', filters => '{"campaign": "may"}');
-- Other reports take them as well.
SELECT bucket, views, visits FROM pageviews.timeline('2024-05-02', '2024-05-03', 'a.example', '{"page": "/docs*"}', '12 hours');
SELECT path FROM pageviews.session_views('00000000-0000-4000-8000-000000000001', filters => '{"page": "/docs*"}');
SELECT country, visitors, views FROM pageviews.countries('2024-05-02', '2024-05-03', filters => '{"browser": "Chrome"}');
SELECT referrer, visits FROM pageviews.referrers('2024-05-02', '2024-05-03', filters => '{"page": "/"}');
SELECT sum(views) FROM pageviews.engagement_histogram('2024-05-02', '2024-05-03', filters => '{"page": "/"}');

-- As a parameter of a prepared statement, however it is planned.
PREPARE filtered(jsonb) AS SELECT path, views FROM pageviews.pages('2024-05-02', '2024-05-03', filters => $1) ORDER BY path COLLATE "C";
SET plan_cache_mode = force_generic_plan;
EXECUTE filtered('{"page": "/docs*", "country": "CH"}');
EXECUTE filtered('{"campaign": "may"}');
EXECUTE filtered(NULL);
EXECUTE filtered('{"wrong": 1}');
RESET plan_cache_mode;

-- What is no filter is an error, also where there is nothing to filter.
\set SHOW_CONTEXT never
\set VERBOSITY sqlstate
SELECT * FROM pageviews.pages(filters => '{"country": "CH", "pagee": "/"}');
\set VERBOSITY default
SELECT * FROM pageviews.pages(filters => '{"country": "CH", "pagee": "/"}');
SELECT * FROM pageviews.summary('1999-01-01', '1999-01-02', filters => '{"page": 1}');
SELECT * FROM pageviews.timeline('1999-01-01', '1999-01-02', filters => '{"page": ["/", 1]}');
SELECT * FROM pageviews.visits(filters => '{"page": {"is": "/"}}');
SELECT * FROM pageviews.countries(filters => '{"property": "plan"}');
SELECT * FROM pageviews.channels(filters => '["page"]');
SELECT * FROM pageviews.funnel(filters => '"page"', steps => ARRAY['/']);
SELECT * FROM pageviews.session_views('00000000-0000-4000-8000-000000000001', filters => '{"country": "CH"}');
SELECT * FROM pageviews.live_summary(filters => '{"campaign": "may"}');
SELECT visitors_now, views FROM pageviews.live_summary('2024-05-02', '2024-05-03', 'a.example', '{"page": "/"}');

-- No filter costs nothing: not one trace of it in the plan.
CREATE FUNCTION pg_temp.plan_names(query text, what text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	line text;
	found bigint := 0;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		found := found + (line ~ '(Filter|Cond|Scan on pageviews)' AND line ~ what)::integer;
	END LOOP;
	RETURN found;
END
$$;
SELECT report, pg_temp.plan_names('SELECT * FROM pageviews.' || report || '(''2024-05-02'', ''2024-05-03'')', '~~|allows|passes|check_filters|\?|props|must') AS traces,
	   pg_temp.plan_names('SELECT * FROM pageviews.' || report || '(''2024-05-02'', ''2024-05-03'')', 'Function Scan') AS called
FROM unnest(ARRAY['summary', 'timeline', 'pages', 'entry_pages', 'exit_pages', 'countries', 'languages', 'engagement_histogram']) AS report;

-- What a browser is, is known of sessions of which there is a row: filters choose no others, in any report, from views and from packed days.
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
VALUES ('00000000-0000-7000-8000-0000000000ff', '00000000-0000-4000-8000-0000000000ff', '2024-05-02 12:00+00', 7, 1000, 0, 0, 1, 'norow.example', '/');
PREPARE without_row AS
SELECT f.filters, s.views, (SELECT count(*) FROM pageviews.visits('2024-05-02', '2024-05-03', 'norow.example', f.filters::jsonb)) AS visits,
	   (SELECT sum(visits) FROM pageviews.journeys('2024-05-02', '2024-05-03', 'norow.example', f.filters::jsonb)) AS journeys
FROM (VALUES (NULL), ('{"page": "/"}'), ('{"country": null}')) AS f (filters), LATERAL pageviews.summary('2024-05-02', '2024-05-03', 'norow.example', f.filters::jsonb) AS s;
EXECUTE without_row;
SELECT pageviews.roll_up();
EXECUTE without_row;

DROP EXTENSION pageviews;
