-- ---------------------------------------------------------------------------
-- Session cookies
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.add_cookie_key()
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	-- Three random UUIDs hold 366 random bits, more than the hash keeps.
	INSERT INTO pageviews.cookie_keys (key_id, secret)
	SELECT ('x' || left(u.random::text, 8))::bit(32)::integer | 1,
		   sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
	FROM (SELECT gen_random_uuid()) AS u (random);
END;
COMMENT ON FUNCTION pageviews.add_cookie_key() IS 'adds a random cookie key';

CREATE FUNCTION pageviews.load_cookie_keys()
RETURNS TABLE (key_id integer, secret bytea)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pageviews.add_cookie_key() WHERE NOT EXISTS (SELECT FROM pageviews.cookie_keys);
	SELECT k.key_id, k.secret FROM pageviews.cookie_keys AS k ORDER BY k.created_at DESC, k.key_id LIMIT 4;
END;
COMMENT ON FUNCTION pageviews.load_cookie_keys() IS 'the cookie keys, newest first, for the worker; makes one if there is none';

CREATE FUNCTION pageviews.wake_worker_at_commit()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pageviews_wake_worker_at_commit';
COMMENT ON FUNCTION pageviews.wake_worker_at_commit() IS 'wakes the worker, if one runs, when the transaction commits';

-- Whoever writes: an operator, a restore, logical replication (which fires triggers for rows alone).
CREATE TRIGGER wake_worker AFTER INSERT OR UPDATE OR DELETE ON pageviews.cookie_keys
	FOR EACH ROW EXECUTE FUNCTION pageviews.wake_worker_at_commit();
CREATE TRIGGER wake_worker_truncated AFTER TRUNCATE ON pageviews.cookie_keys
	FOR EACH STATEMENT EXECUTE FUNCTION pageviews.wake_worker_at_commit();
ALTER TABLE pageviews.cookie_keys ENABLE ALWAYS TRIGGER wake_worker;
ALTER TABLE pageviews.cookie_keys ENABLE ALWAYS TRIGGER wake_worker_truncated;
COMMENT ON TRIGGER wake_worker ON pageviews.cookie_keys IS 'the worker takes up what changed';
COMMENT ON TRIGGER wake_worker_truncated ON pageviews.cookie_keys IS 'the worker makes a key when there is none';

CREATE FUNCTION pageviews.rotate_cookie_key()
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pageviews.add_cookie_key();
	DELETE FROM pageviews.cookie_keys AS k
	WHERE k.key_id NOT IN (SELECT n.key_id FROM pageviews.cookie_keys AS n
						   ORDER BY n.created_at DESC, n.key_id LIMIT 2);
END;
COMMENT ON FUNCTION pageviews.rotate_cookie_key() IS 'makes a new key that signs cookies; the one before still verifies, older ones are dropped';

CREATE FUNCTION pageviews.verify_cookie(cookie text, key_ids integer[], secrets bytea[])
RETURNS uuid
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_verify_cookie';
COMMENT ON FUNCTION pageviews.verify_cookie(text, integer[], bytea[]) IS 'the session of a cookie that one of these keys signed, else NULL';

CREATE FUNCTION pageviews.verify_cookie(cookie text, key_ids integer[], secrets bytea[], site text)
RETURNS uuid
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_verify_cookie';
COMMENT ON FUNCTION pageviews.verify_cookie(text, integer[], bytea[], text) IS 'the session of a cookie that one of these keys signed for this host, else NULL';

CREATE FUNCTION pageviews.session_id(cookie text)
RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pageviews.verify_cookie(session_id.cookie,
								   array_agg(k.key_id ORDER BY k.created_at DESC, k.key_id),
								   array_agg(k.secret ORDER BY k.created_at DESC, k.key_id))
	FROM (SELECT n.key_id, n.secret, n.created_at FROM pageviews.cookie_keys AS n
		  ORDER BY n.created_at DESC, n.key_id LIMIT 4) AS k;
END;
COMMENT ON FUNCTION pageviews.session_id(text) IS 'the session that a cookie''s value names; NULL if it is forged, expired or no session cookie at all';

CREATE FUNCTION pageviews.session_id(cookie text, site text)
RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pageviews.verify_cookie(session_id.cookie,
								   array_agg(k.key_id ORDER BY k.created_at DESC, k.key_id),
								   array_agg(k.secret ORDER BY k.created_at DESC, k.key_id),
								   session_id.site)
	FROM (SELECT n.key_id, n.secret, n.created_at FROM pageviews.cookie_keys AS n
		  ORDER BY n.created_at DESC, n.key_id LIMIT 4) AS k;
END;
COMMENT ON FUNCTION pageviews.session_id(text, text) IS 'the same for a cookie that was set for this host; NULL for one of another host';

REVOKE ALL ON FUNCTION
	pageviews.add_cookie_key(),
	pageviews.load_cookie_keys(),
	pageviews.wake_worker_at_commit(),
	pageviews.rotate_cookie_key(),
	pageviews.verify_cookie(text, integer[], bytea[]),
	pageviews.verify_cookie(text, integer[], bytea[], text),
	pageviews.session_id(text),
	pageviews.session_id(text, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pageviews.session_id(text), pageviews.session_id(text, text) TO pageviews_reader, pageviews_site_reader;
GRANT EXECUTE ON FUNCTION pageviews.load_cookie_keys(), pageviews.session_id(text) TO pageviews_collector;

