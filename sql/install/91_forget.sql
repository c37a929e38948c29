-- ---------------------------------------------------------------------------
-- A visitor who wants to be forgotten
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.begin_forgetting(session_id uuid)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pageviews_begin_forgetting';
COMMENT ON FUNCTION pageviews.begin_forgetting(uuid) IS 'keeps the worker from storing and rolling up until the transaction ends, and makes it forget the session''s open views at commit';

CREATE FUNCTION pageviews.forget_session(session_id uuid)
RETURNS bigint
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pageviews.begin_forgetting(forget_session.session_id);
	WITH gone_views AS (
		DELETE FROM pageviews.views AS v WHERE v.session_id = forget_session.session_id RETURNING 1
	), gone_events AS (
		DELETE FROM pageviews.events AS e WHERE e.session_id = forget_session.session_id RETURNING 1
	), gone_rejected AS (
		DELETE FROM pageviews.rejected AS r WHERE r.session_id = forget_session.session_id RETURNING 1
	), gone_changes AS (
		DELETE FROM pageviews.rollup_changes AS c WHERE c.session_id = forget_session.session_id
	), gone_packs AS (
		DELETE FROM pageviews.packed_days AS d
		WHERE d.day IN (SELECT p.day FROM pageviews.views AS v JOIN pageviews.packed_days AS p ON v.started_at >= p.day AND v.started_at < p.until
						WHERE v.session_id = forget_session.session_id)
			OR EXISTS (SELECT FROM pageviews.packed_stale AS n WHERE n.day = d.day AND n.session_id = forget_session.session_id)
			OR EXISTS (SELECT FROM pageviews.rollup_marks AS m
					   WHERE m.session_id = forget_session.session_id AND m.hour >= d.day AND m.hour < d.until)
	), gone_marks AS (
		UPDATE pageviews.rollup_marks AS m SET session_id = NULL WHERE m.session_id = forget_session.session_id
	), gone_sessions AS (
		DELETE FROM pageviews.sessions AS s WHERE s.session_id = forget_session.session_id RETURNING 1
	)
	SELECT (SELECT count(*) FROM gone_views) + (SELECT count(*) FROM gone_events) + (SELECT count(*) FROM gone_rejected) + (SELECT count(*) FROM gone_sessions);
END;
COMMENT ON FUNCTION pageviews.forget_session(uuid) IS 'erases a session: its row, its views and events, stored, open or waiting; returns how many rows were erased';

REVOKE ALL ON FUNCTION pageviews.begin_forgetting(uuid), pageviews.forget_session(uuid) FROM PUBLIC;

