-- Views that could not be stored are kept, but only so many.
CREATE EXTENSION pageviews;
SELECT count(*) FROM generate_series(1, 3) AS n, pageviews.set_aside(gen_random_uuid(), gen_random_uuid(), n, '22021', 'n ' || n, '{}');
SELECT revision, sqlstate, message, "row", rejected_at <= clock_timestamp() AS dated FROM pageviews.rejected ORDER BY rejected_at;
-- One that is set aside again is there once, as it was last.
SELECT count(*) FROM unnest('{7,9,8}'::bigint[]) AS n, pageviews.set_aside('00000000-0000-7000-8000-000000000001', gen_random_uuid(), n, '22021', 'n ' || n, '{}');
SELECT revision, message FROM pageviews.rejected WHERE view_id = '00000000-0000-7000-8000-000000000001';
DELETE FROM pageviews.rejected WHERE view_id = '00000000-0000-7000-8000-000000000001';
INSERT INTO pageviews.rejected (rejected_at, view_id, session_id, revision, sqlstate, message, "row")
SELECT '2024-01-01'::timestamptz + n * interval '1 second', gen_random_uuid(), gen_random_uuid(), n, '22021', 'old', '{}' FROM generate_series(1, 10000) AS n;
SELECT count(*) FROM pageviews.set_aside(gen_random_uuid(), gen_random_uuid(), 4, '22021', 'n 4', '{}');
SELECT count(*), count(*) FILTER (WHERE message <> 'old'), min(rejected_at) FILTER (WHERE message = 'old') = '2024-01-01 00:00:05' AS oldest_gone FROM pageviews.rejected;
DROP EXTENSION pageviews;
