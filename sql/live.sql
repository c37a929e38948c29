-- The board, preloaded but without a worker: empty, and says so.
CREATE EXTENSION pageviews;
SELECT * FROM pageviews.live_views;
SELECT worker_pid, worker_since, extension_present, busy, listeners_ready, connections, views_announced,
	   queue_length, batches, last_flush_at, flush_last_ms, flush_max_ms
FROM pageviews.worker_stats;
-- One value a column, and each described as it is.
\d pageviews.worker_stats
\d pageviews.live_views
DROP EXTENSION pageviews;
