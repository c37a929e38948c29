-- A visitor who wants to be forgotten; no worker runs here.
CREATE EXTENSION pageviews;
SELECT pageviews.make_partition('2024-01-01'), pageviews.make_partition('2024-02-01');
INSERT INTO pageviews.sessions (session_id, created_at)
SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, '2024-01-01' FROM generate_series(1, 3) AS n;
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), ('00000000-0000-4000-8000-00000000000' || 1 + n % 2)::uuid, '2024-01-01'::timestamptz + n * interval '10 days', 4, 1, 1, 1, 1, 'a', '/'
FROM generate_series(0, 5) AS n;
SELECT count(*) FROM pageviews.set_aside(gen_random_uuid(), '00000000-0000-4000-8000-000000000001', 4, '22000', 'why', '{"title": "who"}');

-- Session, views of all months, what was set aside; nobody else's.
SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000001');
SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000001');
SELECT pageviews.forget_session(NULL);
SELECT session_id, count(*) FROM pageviews.views GROUP BY 1;
SELECT session_id FROM pageviews.sessions ORDER BY 1;
SELECT count(*) FROM pageviews.rejected;

-- While it works the store cannot write: the lock is held until the end, and goes with a rollback.
BEGIN;
SAVEPOINT s;
SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000002');
SELECT mode, granted FROM pg_locks WHERE relation = 'pageviews.sessions'::regclass AND mode LIKE 'Share%' AND pid = pg_backend_pid() ORDER BY 1;
ROLLBACK TO s;
SELECT count(*) FROM pageviews.views;
SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000003');
COMMIT;
SELECT count(*) FROM pageviews.views;

-- A snapshot of before would leave behind what was stored since.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000002');
ROLLBACK;
BEGIN;
SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000002');
PREPARE TRANSACTION 'forgotten';
SELECT count(*) FROM pageviews.views;

DROP EXTENSION pageviews;
