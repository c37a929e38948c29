-- ---------------------------------------------------------------------------
-- What happens now
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.read_live_views(
	OUT view_id uuid, OUT session_id uuid, OUT site text, OUT path text, OUT name text, OUT state text,
	OUT started_at timestamptz, OUT engagement_ms integer, OUT focused_ms integer)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pageviews_read_live_views';
COMMENT ON FUNCTION pageviews.read_live_views() IS 'the open views in shared memory; pageviews.live_views shows them';

CREATE VIEW pageviews.live_views WITH (security_invoker = true) AS
	SELECT l.view_id, l.session_id, l.site, l.path, l.name, l.state, l.started_at, l.engagement_ms, l.focused_ms
	FROM pageviews.read_live_views() AS l;
COMMENT ON VIEW pageviews.live_views IS 'who is on which page now';
COMMENT ON COLUMN pageviews.live_views.view_id IS 'id of the view, as in pageviews.views';
COMMENT ON COLUMN pageviews.live_views.session_id IS 'the browser, as in pageviews.sessions';
COMMENT ON COLUMN pageviews.live_views.site IS 'host of the page';
COMMENT ON COLUMN pageviews.live_views.path IS 'path of the page; the first 256 bytes';
COMMENT ON COLUMN pageviews.live_views.name IS 'the application''s own name of the page';
COMMENT ON COLUMN pageviews.live_views.state IS 'focused, visible, hidden; or lost: its connection broke a moment ago and may come back';
COMMENT ON COLUMN pageviews.live_views.started_at IS 'when the view began';
COMMENT ON COLUMN pageviews.live_views.engagement_ms IS 'engagement time up to now, milliseconds';
COMMENT ON COLUMN pageviews.live_views.focused_ms IS 'time with the focus up to now, milliseconds';

CREATE FUNCTION pageviews.read_worker_stats(
	OUT worker_pid integer, OUT worker_since timestamptz, OUT extension_present boolean, OUT busy boolean,
	OUT listeners_wanted integer, OUT listeners_ready integer, OUT listeners_sandboxed boolean, OUT listener_restarts bigint,
	OUT connections bigint, OUT connections_accepted bigint, OUT upgrades bigint, OUT notes bigint,
	OUT messages_received bigint, OUT scripts bigint,
	OUT refused_full bigint, OUT refused_address bigint, OUT refused_busy bigint, OUT refused_origin bigint,
	OUT refused_request bigint, OUT refused_message bigint, OUT ping_timeouts bigint,
	OUT refused_rate bigint, OUT refused_flood bigint, OUT refused_size bigint,
	OUT handshake_timeouts bigint, OUT idle_timeouts bigint, OUT connections_expired bigint,
	OUT refused_robot bigint,
	OUT views_announced bigint, OUT views_stored bigint, OUT views_rejected bigint, OUT views_open bigint,
	OUT views_lost bigint, OUT views_queued bigint, OUT views_refused bigint, OUT views_dropped bigint,
	OUT messages_accepted bigint, OUT messages_repeated bigint,
	OUT messages_refused_clock bigint, OUT messages_refused_unknown bigint, OUT messages_refused_ended bigint,
	OUT messages_refused_busy bigint, OUT messages_refused_rejected bigint,
	OUT events_taken bigint, OUT events_stored bigint, OUT events_rejected bigint, OUT events_queued bigint, OUT events_dropped bigint,
	OUT queue_length bigint, OUT queue_capacity bigint, OUT batches bigint, OUT rows_written bigint, OUT retries bigint,
	OUT last_flush_at timestamptz, OUT flush_last_ms double precision, OUT flush_max_ms double precision)
RETURNS record
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pageviews_read_worker_stats';
COMMENT ON FUNCTION pageviews.read_worker_stats() IS 'the worker''s figures in shared memory; pageviews.worker_stats shows them';

CREATE VIEW pageviews.worker_stats WITH (security_invoker = true) AS
	SELECT w.worker_pid, w.worker_since, w.extension_present, w.busy,
		   w.listeners_wanted, w.listeners_ready, w.listeners_sandboxed, w.listener_restarts,
		   w.connections, w.connections_accepted, w.upgrades, w.notes, w.messages_received, w.scripts,
		   w.refused_full, w.refused_address, w.refused_busy, w.refused_origin, w.refused_request, w.refused_message,
		   w.ping_timeouts, w.refused_rate, w.refused_flood, w.refused_size,
		   w.handshake_timeouts, w.idle_timeouts, w.connections_expired, w.refused_robot,
		   w.views_announced, w.views_stored, w.views_rejected, w.views_open, w.views_lost, w.views_queued,
		   w.views_refused, w.views_dropped,
		   w.messages_accepted, w.messages_repeated, w.messages_refused_clock, w.messages_refused_unknown,
		   w.messages_refused_ended, w.messages_refused_busy, w.messages_refused_rejected,
		   w.events_taken, w.events_stored, w.events_rejected, w.events_queued, w.events_dropped,
		   w.queue_length, w.queue_capacity, w.batches, w.rows_written, w.retries,
		   w.last_flush_at, w.flush_last_ms, w.flush_max_ms
	FROM pageviews.read_worker_stats() AS w;
COMMENT ON VIEW pageviews.worker_stats IS 'the worker''s figures since it started: one row';
COMMENT ON COLUMN pageviews.worker_stats.worker_pid IS 'process id of the worker; NULL if none runs';
COMMENT ON COLUMN pageviews.worker_stats.worker_since IS 'when the worker started';
COMMENT ON COLUMN pageviews.worker_stats.extension_present IS 'whether the worker found the extension in its database';
COMMENT ON COLUMN pageviews.worker_stats.busy IS 'whether newcomers are turned away because queue or table of views is full';
COMMENT ON COLUMN pageviews.worker_stats.listeners_wanted IS 'how many listeners there should be';
COMMENT ON COLUMN pageviews.worker_stats.listeners_ready IS 'how many listeners take connections';
COMMENT ON COLUMN pageviews.worker_stats.listeners_sandboxed IS 'whether all of them run in their sandbox (pageviews.sandbox); NULL if there is none';
COMMENT ON COLUMN pageviews.worker_stats.listener_restarts IS 'how often a listener died and was started again';
COMMENT ON COLUMN pageviews.worker_stats.connections IS 'connections that are open now';
COMMENT ON COLUMN pageviews.worker_stats.connections_accepted IS 'connections that were accepted';
COMMENT ON COLUMN pageviews.worker_stats.upgrades IS 'websockets that were established';
COMMENT ON COLUMN pageviews.worker_stats.notes IS 'notes that were taken: what browsers say when a page closes';
COMMENT ON COLUMN pageviews.worker_stats.messages_received IS 'well-formed messages, on sockets and in notes';
COMMENT ON COLUMN pageviews.worker_stats.scripts IS 'times that client.js was served';
COMMENT ON COLUMN pageviews.worker_stats.refused_full IS 'connections turned away: pageviews.max_connections';
COMMENT ON COLUMN pageviews.worker_stats.refused_address IS 'connections turned away: pageviews.max_connections_per_address';
COMMENT ON COLUMN pageviews.worker_stats.refused_busy IS 'connections turned away: the worker could not take more';
COMMENT ON COLUMN pageviews.worker_stats.refused_origin IS 'requests refused: their Origin is not allowed';
COMMENT ON COLUMN pageviews.worker_stats.refused_request IS 'requests refused: method, path, headers, version or subprotocol';
COMMENT ON COLUMN pageviews.worker_stats.refused_message IS 'messages refused: not JSON, not a message, or binary';
COMMENT ON COLUMN pageviews.worker_stats.ping_timeouts IS 'connections closed because they stopped answering pings';
COMMENT ON COLUMN pageviews.worker_stats.refused_rate IS 'connections and requests turned away: pageviews.max_connection_rate_per_address';
COMMENT ON COLUMN pageviews.worker_stats.refused_flood IS 'connections closed: pageviews.max_message_rate or pageviews.max_byte_rate';
COMMENT ON COLUMN pageviews.worker_stats.refused_size IS 'messages and notes refused: pageviews.max_message_size, pageviews.max_note_size';
COMMENT ON COLUMN pageviews.worker_stats.handshake_timeouts IS 'connections closed: pageviews.handshake_timeout';
COMMENT ON COLUMN pageviews.worker_stats.idle_timeouts IS 'connections closed: pageviews.idle_timeout';
COMMENT ON COLUMN pageviews.worker_stats.connections_expired IS 'connections closed: pageviews.max_connection_age';
COMMENT ON COLUMN pageviews.worker_stats.refused_robot IS 'sockets and notes of robots that were refused: pageviews.robots';
COMMENT ON COLUMN pageviews.worker_stats.views_announced IS 'views that were told of; always the sum of the seven columns after it';
COMMENT ON COLUMN pageviews.worker_stats.views_stored IS 'views that are in the table and no longer open';
COMMENT ON COLUMN pageviews.worker_stats.views_rejected IS 'views that could not be stored: pageviews.rejected';
COMMENT ON COLUMN pageviews.worker_stats.views_open IS 'views that are open now';
COMMENT ON COLUMN pageviews.worker_stats.views_lost IS 'views whose connection broke and that may come back';
COMMENT ON COLUMN pageviews.worker_stats.views_queued IS 'views that are over and wait to be stored';
COMMENT ON COLUMN pageviews.worker_stats.views_refused IS 'views that were refused';
COMMENT ON COLUMN pageviews.worker_stats.views_dropped IS 'views that were dropped: their session was forgotten';
COMMENT ON COLUMN pageviews.worker_stats.messages_accepted IS 'messages that changed a view or told of an event';
COMMENT ON COLUMN pageviews.worker_stats.messages_repeated IS 'messages that came again and changed nothing';
COMMENT ON COLUMN pageviews.worker_stats.messages_refused_clock IS 'messages refused: the time of the view or event is too far from the server''s';
COMMENT ON COLUMN pageviews.worker_stats.messages_refused_unknown IS 'messages refused: about a view that is not known';
COMMENT ON COLUMN pageviews.worker_stats.messages_refused_ended IS 'messages refused: about a view that had ended';
COMMENT ON COLUMN pageviews.worker_stats.messages_refused_busy IS 'messages refused: no room for another view or event';
COMMENT ON COLUMN pageviews.worker_stats.messages_refused_rejected IS 'messages refused: about a view or event that could not be stored, or was forgotten';
COMMENT ON COLUMN pageviews.worker_stats.events_taken IS 'events that were taken; always the sum of the four columns after it';
COMMENT ON COLUMN pageviews.worker_stats.events_stored IS 'events that are in the table';
COMMENT ON COLUMN pageviews.worker_stats.events_rejected IS 'events that could not be stored: pageviews.rejected';
COMMENT ON COLUMN pageviews.worker_stats.events_queued IS 'events that wait to be stored';
COMMENT ON COLUMN pageviews.worker_stats.events_dropped IS 'events that were dropped: their session was forgotten';
COMMENT ON COLUMN pageviews.worker_stats.queue_length IS 'rows that wait to be stored';
COMMENT ON COLUMN pageviews.worker_stats.queue_capacity IS 'rows that may wait to be stored';
COMMENT ON COLUMN pageviews.worker_stats.batches IS 'batches that were committed';
COMMENT ON COLUMN pageviews.worker_stats.rows_written IS 'rows that were committed';
COMMENT ON COLUMN pageviews.worker_stats.retries IS 'batches that failed and were tried again';
COMMENT ON COLUMN pageviews.worker_stats.last_flush_at IS 'when a batch was last committed';
COMMENT ON COLUMN pageviews.worker_stats.flush_last_ms IS 'last committed batch: from its oldest row''s arrival to the commit, milliseconds';
COMMENT ON COLUMN pageviews.worker_stats.flush_max_ms IS 'the longest of those';

REVOKE ALL ON pageviews.live_views, pageviews.worker_stats FROM PUBLIC;
REVOKE ALL ON FUNCTION pageviews.read_live_views(), pageviews.read_worker_stats() FROM PUBLIC;
GRANT SELECT ON pageviews.live_views TO pageviews_reader, pageviews_site_reader;
GRANT EXECUTE ON FUNCTION pageviews.read_live_views() TO pageviews_reader, pageviews_site_reader;
-- The worker's figures are of all sites together.
GRANT SELECT ON pageviews.worker_stats TO pageviews_reader;
GRANT EXECUTE ON FUNCTION pageviews.read_worker_stats() TO pageviews_reader;

