-- ---------------------------------------------------------------------------
-- Partitions and what else the collector may do only through a function
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.make_leaf(parent regclass, month date)
RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '100ms'
SET datestyle = 'ISO'
SET timezone = 'UTC'
SET client_min_messages = 'warning'
AS $$
DECLARE
	of_views CONSTANT boolean := parent = 'pageviews.views'::regclass;
	root CONSTANT text := CASE WHEN of_views THEN 'views' ELSE 'events' END;
	thing CONSTANT text := CASE WHEN of_views THEN 'view' ELSE 'event' END;
	moment CONSTANT text := CASE WHEN of_views THEN 'started_at' ELSE 'occurred_at' END;
	first_day CONSTANT timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
	next_first_day CONSTANT timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
	leaf CONSTANT text := root || '_' || to_char(first_day, 'YYYY_MM');
	found_leaf record;
	other text;
BEGIN
	-- Whoever else makes a partition now waits here, and then finds it made.
	EXECUTE format('LOCK TABLE ONLY pageviews.%I IN SHARE UPDATE EXCLUSIVE MODE', root);

	SELECT c.oid, c.relkind, c.relowner, c.relispartition, i.inhparent INTO found_leaf
	FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
	WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relname = leaf;

	IF found_leaf.inhparent = parent THEN
		RETURN false;
	END IF;

	IF found_leaf.oid IS NOT NULL THEN
		-- A partition of ours that somebody detached comes back; anything else is not ours.
		IF found_leaf.relkind <> 'r' OR found_leaf.inhparent IS NOT NULL
			OR found_leaf.relowner <> (SELECT c.relowner FROM pg_class AS c WHERE c.oid = parent)
		THEN
			RAISE EXCEPTION 'cannot make the partition "%" because something else has its name', leaf
				USING ERRCODE = 'duplicate_table',
					  DETAIL = format('It is not a plain table that belongs to the owner of pageviews.%s.', root),
					  HINT = 'Rename or drop it.';
		END IF;
	ELSE
		EXECUTE format('CREATE TABLE pageviews.%I (LIKE pageviews.%I'
					   ' INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS INCLUDING STORAGE INCLUDING COMPRESSION,'
					   ' CONSTRAINT %I PRIMARY KEY (%I)) WITH (fillfactor = %s)',
					   leaf, root, leaf || '_pkey', thing || '_id', CASE WHEN of_views THEN 90 ELSE 100 END);
		EXECUTE format('CREATE INDEX %I ON pageviews.%I (session_id)', leaf || '_session_id_idx', leaf);
		EXECUTE format('CREATE INDEX %I ON pageviews.%I USING brin (%I) WITH (pages_per_range = 32, autosummarize = on)',
					   leaf || '_' || moment || '_idx', leaf, moment);
		EXECUTE format('COMMENT ON CONSTRAINT %I ON pageviews.%I IS %L', leaf || '_pkey', leaf, format('%s %s is stored once', CASE WHEN of_views THEN 'a' ELSE 'an' END, thing));
		EXECUTE format('COMMENT ON INDEX pageviews.%I IS %L', leaf || '_pkey', format('%s %s is stored once', CASE WHEN of_views THEN 'a' ELSE 'an' END, thing));
		EXECUTE format('COMMENT ON INDEX pageviews.%I IS %L', leaf || '_session_id_idx', format('the %s of a session', root));
		EXECUTE format('COMMENT ON INDEX pageviews.%I IS %L', leaf || '_' || moment || '_idx', format('the %s of a time, for the reports', root));
		IF of_views THEN
			EXECUTE format('CREATE INDEX %I ON pageviews.%I (collector, started_at) WHERE ended_at IS NULL',
						   leaf || '_open_idx', leaf);
			EXECUTE format('COMMENT ON INDEX pageviews.%I IS %L', leaf || '_open_idx', 'what a collector left open, for its next start');
		END IF;
		-- Default privileges make no exception.
		FOR other IN
			SELECT x.grantee::regrole FROM pg_class AS c, aclexplode(c.relacl) AS x
			WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relname = leaf AND x.grantee NOT IN (0, c.relowner)
			GROUP BY x.grantee
		LOOP
			EXECUTE format('REVOKE ALL ON pageviews.%I FROM %s', leaf, other);
		END LOOP;
	END IF;

	-- A delete that is replicated through the root is routed by the time, which the key lacks.
	EXECUTE format('ALTER TABLE pageviews.%I REPLICA IDENTITY FULL', leaf);
	EXECUTE format('REVOKE ALL ON pageviews.%I FROM PUBLIC', leaf);
	EXECUTE format('GRANT %s ON pageviews.%I TO pageviews_collector',
				   CASE WHEN of_views THEN 'SELECT, INSERT, UPDATE' ELSE 'SELECT, INSERT' END, leaf);
	-- Readers go through the root, whose policies hold there; whoever is granted a leaf by mistake sees nothing in it.
	EXECUTE format('ALTER TABLE pageviews.%I ENABLE ROW LEVEL SECURITY', leaf);
	EXECUTE format('DROP POLICY IF EXISTS collector ON pageviews.%I', leaf);
	EXECUTE format('CREATE POLICY collector ON pageviews.%I TO pageviews_collector USING (true) WITH CHECK (true)', leaf);
	EXECUTE format('COMMENT ON POLICY collector ON pageviews.%I IS %L', leaf, format('the worker stores every %s', thing));
	EXECUTE format('COMMENT ON TABLE pageviews.%I IS %L', leaf,
				   format('%s %s (UTC)', CASE WHEN of_views THEN 'page views that began in' ELSE 'events that happened in' END,
						  to_char(first_day, 'YYYY-MM')));
	EXECUTE format('ALTER TABLE ONLY pageviews.%I ATTACH PARTITION pageviews.%I FOR VALUES FROM (%L) TO (%L)',
				   root, leaf, first_day, next_first_day);
	RETURN true;
END
$$;
COMMENT ON FUNCTION pageviews.make_leaf(regclass, date) IS 'makes the partition of one table, pageviews.views or pageviews.events, for the month of a date; false if it is there';

CREATE FUNCTION pageviews.make_partition(month date)
RETURNS boolean
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT bool_or(pageviews.make_leaf(t.parent, make_partition.month))
	FROM (VALUES ('pageviews.views'::regclass), ('pageviews.events'::regclass)) AS t (parent);
END;
COMMENT ON FUNCTION pageviews.make_partition(date) IS 'makes the partitions of pageviews.views and pageviews.events for the month of a date; false if both are there';

CREATE FUNCTION pageviews.retention_cutoff()
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pageviews_retention_cutoff';
COMMENT ON FUNCTION pageviews.retention_cutoff() IS 'pageviews.retention before now: what ended earlier may go; NULL if all is kept';

CREATE FUNCTION pageviews.drop_partition(before timestamptz)
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '100ms'
SET datestyle = 'ISO'
SET timezone = 'UTC'
AS $$
DECLARE
	leaf name;
	upper timestamptz;
	of_views boolean;
	cutoff CONSTANT timestamptz := pageviews.retention_cutoff();
BEGIN
	-- Whoever may call this drops what the setting lets go, and nothing else.
	IF cutoff IS NULL OR before > cutoff THEN
		RAISE EXCEPTION 'cannot drop partitions that pageviews.retention keeps'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = coalesce('What began after ' || cutoff || ' is kept.', 'It is 0: all of them are kept.');
	END IF;

	SELECT c.relname, bound.upper, i.inhparent = 'pageviews.views'::regclass INTO leaf, upper, of_views
	FROM pg_inherits AS i
	JOIN pg_class AS c ON c.oid = i.inhrelid,
	LATERAL (SELECT (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)$'))[1]::timestamptz) AS bound (upper)
	WHERE i.inhparent IN ('pageviews.views'::regclass, 'pageviews.events'::regclass) AND c.relkind = 'r'
		AND c.relnamespace = 'pageviews'::regnamespace
		AND bound.upper <= before
		-- What is not rolled up yet waits for it, a week at most.
		AND (i.inhparent <> 'pageviews.views'::regclass
			 OR bound.upper <= cutoff - interval '7 days'
			 OR current_setting('pageviews.rollup_delay')::interval = interval '0'
			 OR EXISTS (SELECT FROM pageviews.rollup_state AS s WHERE s.rolled_until >= bound.upper)
				AND NOT EXISTS (SELECT FROM pageviews.rollup_marks AS m WHERE m.hour < bound.upper))
	ORDER BY bound.upper, c.relname DESC
	LIMIT 1;

	IF leaf IS NOT NULL THEN
		EXECUTE format('DROP TABLE pageviews.%I', leaf);
		UPDATE pageviews.rollup_state AS s SET raw_since = upper WHERE of_views AND s.raw_since < upper;
		DELETE FROM pageviews.packed_days AS d WHERE of_views AND d.day < upper;
	END IF;
	RETURN leaf;
END
$$;
COMMENT ON FUNCTION pageviews.drop_partition(timestamptz) IS 'drops the oldest partition of pageviews.views or pageviews.events that ends at or before a time, which pageviews.retention must let go; its name, or NULL if there is none';

CREATE FUNCTION pageviews.purge_sessions(before timestamptz, after uuid, OUT last uuid, OUT erased bigint)
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH page AS MATERIALIZED (
		SELECT s.session_id, s.created_at
		FROM pageviews.sessions AS s
		WHERE s.session_id > purge_sessions.after
		ORDER BY s.session_id
		LIMIT 1000
	), gone AS (
		DELETE FROM pageviews.sessions AS s
		USING page AS p
		WHERE s.session_id = p.session_id
			AND p.created_at < purge_sessions.before
			AND p.created_at < (SELECT pageviews.retention_cutoff())
			AND NOT EXISTS (SELECT FROM pageviews.views AS v WHERE v.session_id = p.session_id)
			AND NOT EXISTS (SELECT FROM pageviews.events AS e WHERE e.session_id = p.session_id)
		RETURNING s.session_id
	)
	SELECT (SELECT p.session_id FROM page AS p ORDER BY p.session_id DESC LIMIT 1),
		   (SELECT count(*) FROM gone);
END;
COMMENT ON FUNCTION pageviews.purge_sessions(timestamptz, uuid) IS 'looks at the next 1,000 sessions after an id and erases those made before a time that have no view and no event left, if pageviews.retention lets them go';

CREATE FUNCTION pageviews.set_aside(view_id uuid, session_id uuid, revision bigint, sqlstate text, message text, "row" jsonb, kind text DEFAULT 'view')
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	INSERT INTO pageviews.rejected AS kept (view_id, session_id, revision, sqlstate, message, "row", kind)
	VALUES (set_aside.view_id, set_aside.session_id, set_aside.revision, set_aside.sqlstate, set_aside.message, set_aside."row", set_aside.kind)
	ON CONFLICT ON CONSTRAINT rejected_pkey DO UPDATE
	SET rejected_at = excluded.rejected_at, revision = excluded.revision, sqlstate = excluded.sqlstate,
		message = excluded.message, "row" = excluded."row"
	WHERE excluded.revision > kept.revision;
	DELETE FROM pageviews.rejected AS r
	WHERE r.rejected_at <= (SELECT o.rejected_at FROM pageviews.rejected AS o
							ORDER BY o.rejected_at DESC OFFSET 10000 LIMIT 1);
END;
COMMENT ON FUNCTION pageviews.set_aside(uuid, uuid, bigint, text, text, jsonb, text) IS 'keeps a view or an event (kind) that could not be stored in pageviews.rejected, once, as it was last; the oldest beyond 10,000 give way';

REVOKE ALL ON FUNCTION
	pageviews.retention_cutoff(),
	pageviews.make_leaf(regclass, date),
	pageviews.make_partition(date),
	pageviews.drop_partition(timestamptz),
	pageviews.purge_sessions(timestamptz, uuid),
	pageviews.set_aside(uuid, uuid, bigint, text, text, jsonb, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.make_partition(date),
	pageviews.drop_partition(timestamptz),
	pageviews.purge_sessions(timestamptz, uuid),
	pageviews.set_aside(uuid, uuid, bigint, text, text, jsonb, text)
TO pageviews_collector;

