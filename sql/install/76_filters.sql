-- ---------------------------------------------------------------------------
-- Filters: which views a report is about
--
-- Whatever asks for nothing is folded away when the query is planned, because
-- these functions are written into the query that calls them: no filter costs
-- nothing.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.must(condition boolean, message text, hint text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF condition THEN
		RETURN true;
	END IF;
	RAISE EXCEPTION '%', message
		USING ERRCODE = 'invalid_parameter_value', HINT = hint;
END
$$;
COMMENT ON FUNCTION pageviews.must(boolean, text, text) IS 'true, or an error if the condition does not hold: how reports check their parameters';

CREATE FUNCTION pageviews.check_filters(filters jsonb)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known CONSTANT text[] := ARRAY['page', 'referrer', 'campaign', 'source', 'medium', 'country', 'device', 'browser', 'system', 'language', 'property'];
	filter record;
BEGIN
	IF filters IS NULL THEN
		RETURN true;
	END IF;
	IF jsonb_typeof(filters) <> 'object' THEN
		RAISE EXCEPTION 'filters must be a JSON object'
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = format('It is of type %s.', jsonb_typeof(filters)),
				  HINT = 'Write, for example, {"page": "/docs/*", "country": ["CH", "DE"]}.';
	END IF;
	FOR filter IN SELECT f.key, f.value, jsonb_typeof(f.value) AS type FROM jsonb_each(filters) AS f LOOP
		IF filter.key <> ALL (known) THEN
			RAISE EXCEPTION 'unknown filter "%"', filter.key
				USING ERRCODE = 'invalid_parameter_value',
					  DETAIL = format('The filters are %s.', array_to_string(known, ', ')),
					  HINT = 'The application''s own properties are filtered as in {"property": {"plan": "pro"}}.';
		END IF;
		IF filter.key = 'property' THEN
			IF filter.type <> 'object' THEN
				RAISE EXCEPTION 'filter "property" must be an object'
					USING ERRCODE = 'invalid_parameter_value',
						  DETAIL = format('It is of type %s.', filter.type),
						  HINT = 'Write, for example, {"property": {"plan": "pro"}}.';
			END IF;
		ELSIF filter.type NOT IN ('string', 'null', 'array')
			OR (filter.type = 'array'
				AND EXISTS (SELECT FROM jsonb_array_elements(filter.value) AS e (value) WHERE jsonb_typeof(e.value) NOT IN ('string', 'null')))
		THEN
			RAISE EXCEPTION 'filter "%" must be a string, null, or an array of these', filter.key
				USING ERRCODE = 'invalid_parameter_value',
					  DETAIL = format('It is %s.', left(filter.value::text, 100)),
					  HINT = 'A star in a string stands for any text, null for what is unknown.';
		END IF;
	END LOOP;
	RETURN true;
END
$$;
COMMENT ON FUNCTION pageviews.check_filters(jsonb) IS 'true, or an error that says what is wrong with a report''s filters';

CREATE FUNCTION pageviews.like_pattern(pattern text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN replace(replace(replace(replace(
	pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%');
COMMENT ON FUNCTION pageviews.like_pattern(text) IS 'a pattern in which a star stands for any text, as LIKE has it';

CREATE FUNCTION pageviews.filter_patterns(filters jsonb, key text)
RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- NULL is what is unknown, and the reports compare that as an empty text.
	RETURN ARRAY(
		SELECT coalesce(pageviews.like_pattern(e.value), '')
		FROM jsonb_array_elements_text(
			CASE WHEN jsonb_typeof(filters -> key) = 'array' THEN filters -> key ELSE jsonb_build_array(filters -> key) END) AS e (value));
END
$$;
COMMENT ON FUNCTION pageviews.filter_patterns(jsonb, text) IS 'what a filter allows, as patterns of LIKE';

CREATE FUNCTION pageviews.passes(filters jsonb, key text, value text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN filters IS NULL OR NOT filters ? key
	OR COALESCE(value, '') ~~ ANY (pageviews.filter_patterns(filters, key));
COMMENT ON FUNCTION pageviews.passes(jsonb, text, text) IS 'whether a value passes the filter of this name, or there is none';

CREATE FUNCTION pageviews.view_passes(filters jsonb, path text, props jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pageviews.passes(filters, 'page', path)
	AND (filters IS NULL OR NOT filters ? 'property'
		 OR COALESCE(props @> (filters -> 'property'), false));
COMMENT ON FUNCTION pageviews.view_passes(jsonb, text, jsonb) IS 'whether a view passes the filters of pages and properties';

CREATE FUNCTION pageviews.filters_origins(filters jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN filters IS NOT NULL AND filters ?| ARRAY['referrer', 'campaign', 'source', 'medium'];
COMMENT ON FUNCTION pageviews.filters_origins(jsonb) IS 'whether there is a filter for where a visit came from';

CREATE FUNCTION pageviews.origin_passes(filters jsonb, referrer text, query text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pageviews.passes(filters, 'referrer', pageviews.referrer_host(referrer))
	AND pageviews.passes(filters, 'campaign', pageviews.query_parameter(query, 'utm_campaign'))
	AND pageviews.passes(filters, 'source', pageviews.query_parameter(query, 'utm_source'))
	AND pageviews.passes(filters, 'medium', pageviews.query_parameter(query, 'utm_medium'));
COMMENT ON FUNCTION pageviews.origin_passes(jsonb, text, text) IS 'whether a visit''s first view passes the filters for where it came from';

CREATE FUNCTION pageviews.filters_sessions(filters jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN filters IS NOT NULL AND filters ?| ARRAY['country', 'device', 'browser', 'system', 'language'];
COMMENT ON FUNCTION pageviews.filters_sessions(jsonb) IS 'whether there is a filter for what a session''s browser is';

CREATE FUNCTION pageviews.session_passes(filters jsonb, country text, device text, browser text, system text, language text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pageviews.passes(filters, 'country', country)
	AND pageviews.passes(filters, 'device', device)
	AND pageviews.passes(filters, 'browser', browser)
	AND pageviews.passes(filters, 'system', system)
	AND pageviews.passes(filters, 'language', language);
COMMENT ON FUNCTION pageviews.session_passes(jsonb, text, text, text, text, text) IS 'whether a session passes the filters for what its browser is';

CREATE FUNCTION pageviews.chosen_visit_views(since timestamptz, until timestamptz, site text, filters jsonb)
RETURNS TABLE (
	view_id uuid, session_id uuid, site text, started_at timestamptz, path text, engagement_ms integer, scroll_depth smallint,
	visit_at timestamptz, entry boolean, exit boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT n.view_id, n.session_id, n.site, n.started_at, n.path, n.engagement_ms, n.scroll_depth, n.visit_at, n.entry, n.exit
	FROM pageviews.visit_views(chosen_visit_views.since, chosen_visit_views.until, chosen_visit_views.site) AS n
	WHERE pageviews.check_filters(chosen_visit_views.filters)
		AND NOT pageviews.filters_origins(chosen_visit_views.filters)
		AND pageviews.view_passes(chosen_visit_views.filters, n.path, n.props)
		AND (NOT pageviews.filters_sessions(chosen_visit_views.filters)
			 OR EXISTS (SELECT FROM pageviews.sessions AS s
						WHERE s.session_id = n.session_id
							AND pageviews.session_passes(chosen_visit_views.filters, s.country, s.device, s.browser, s.system, s.language)))
	UNION ALL
	SELECT n.view_id, n.session_id, n.site, n.started_at, n.path, n.engagement_ms, n.scroll_depth, n.visit_at, n.entry, n.exit
	FROM (SELECT o.*,
				 first_value(o.referrer) OVER of_visit AS origin_referrer,
				 first_value(o.query) OVER of_visit AS origin_query
		  FROM pageviews.visit_views(chosen_visit_views.since, chosen_visit_views.until, chosen_visit_views.site) AS o
		  WINDOW of_visit AS (PARTITION BY o.session_id, o.site, o.visit_at ORDER BY o.started_at, o.view_id)) AS n
	WHERE pageviews.check_filters(chosen_visit_views.filters)
		AND pageviews.filters_origins(chosen_visit_views.filters)
		AND pageviews.origin_passes(chosen_visit_views.filters, n.origin_referrer, n.origin_query)
		AND pageviews.view_passes(chosen_visit_views.filters, n.path, n.props)
		AND (NOT pageviews.filters_sessions(chosen_visit_views.filters)
			 OR EXISTS (SELECT FROM pageviews.sessions AS s
						WHERE s.session_id = n.session_id
							AND pageviews.session_passes(chosen_visit_views.filters, s.country, s.device, s.browser, s.system, s.language)));
END;
COMMENT ON FUNCTION pageviews.chosen_visit_views(timestamptz, timestamptz, text, jsonb) IS
	'pageviews.visit_views() as the filters choose them; the period and a day around it';

CREATE FUNCTION pageviews.chosen_views(since timestamptz, until timestamptz, site text, filters jsonb)
RETURNS TABLE (
	view_id uuid, session_id uuid, site text, started_at timestamptz, path text, engagement_ms integer, scroll_depth smallint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT w.view_id, w.session_id, w.site, w.started_at, w.path, w.engagement_ms, w.scroll_depth
	FROM pageviews.views AS w
	WHERE w.started_at >= chosen_views.since AND w.started_at < chosen_views.until
		AND (chosen_views.site IS NULL OR w.site = chosen_views.site)
		AND NOT EXISTS (SELECT FROM pageviews.sessions AS s WHERE s.session_id = w.session_id AND s.robot)
		AND pageviews.check_filters(chosen_views.filters)
		AND NOT pageviews.filters_origins(chosen_views.filters)
		AND pageviews.view_passes(chosen_views.filters, w.path, w.props)
		AND (NOT pageviews.filters_sessions(chosen_views.filters)
			 OR EXISTS (SELECT FROM pageviews.sessions AS s
						WHERE s.session_id = w.session_id
							AND pageviews.session_passes(chosen_views.filters, s.country, s.device, s.browser, s.system, s.language)))
	UNION ALL
	SELECT n.view_id, n.session_id, n.site, n.started_at, n.path, n.engagement_ms, n.scroll_depth
	FROM pageviews.chosen_visit_views(chosen_views.since, chosen_views.until, chosen_views.site, chosen_views.filters) AS n
	WHERE pageviews.filters_origins(chosen_views.filters)
		AND n.started_at >= chosen_views.since AND n.started_at < chosen_views.until;
END;
COMMENT ON FUNCTION pageviews.chosen_views(timestamptz, timestamptz, text, jsonb) IS 'the views of people in a period that the filters choose: what the reports count';

CREATE FUNCTION pageviews.chosen_visits(since timestamptz, until timestamptz, site text, filters jsonb)
RETURNS TABLE (
	session_id uuid, site text, started_at timestamptz, last_view_at timestamptz, ended_at timestamptz,
	entry_path text, exit_path text, views bigint, engagement_ms bigint, bounce boolean, referrer text, query text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT n.session_id, n.site, n.visit_at,
		   max(n.started_at),
		   max(n.seen_until),
		   min(n.path) FILTER (WHERE n.entry),
		   min(n.path) FILTER (WHERE n.exit),
		   count(*),
		   sum(n.engagement_ms),
		   count(*) = 1 AND sum(n.engagement_ms) < (SELECT pageviews.bounce_engagement()),
		   min(n.referrer) FILTER (WHERE n.entry),
		   min(n.query) FILTER (WHERE n.entry)
	FROM pageviews.visit_views(chosen_visits.since, chosen_visits.until, chosen_visits.site) AS n
	WHERE pageviews.check_filters(chosen_visits.filters)
		AND n.visit_at < chosen_visits.until
		AND (NOT pageviews.filters_sessions(chosen_visits.filters)
			 OR EXISTS (SELECT FROM pageviews.sessions AS s
						WHERE s.session_id = n.session_id
							AND pageviews.session_passes(chosen_visits.filters, s.country, s.device, s.browser, s.system, s.language)))
	GROUP BY n.session_id, n.site, n.visit_at
	HAVING n.visit_at >= chosen_visits.since
		AND bool_or(pageviews.view_passes(chosen_visits.filters, n.path, n.props))
		AND pageviews.origin_passes(chosen_visits.filters, min(n.referrer) FILTER (WHERE n.entry), min(n.query) FILTER (WHERE n.entry));
END;
COMMENT ON FUNCTION pageviews.chosen_visits(timestamptz, timestamptz, text, jsonb) IS
	'the visits of people that began in a period and have a view that the filters choose, each whole, also where it goes on after the period';

REVOKE ALL ON FUNCTION
	pageviews.must(boolean, text, text),
	pageviews.check_filters(jsonb),
	pageviews.like_pattern(text),
	pageviews.filter_patterns(jsonb, text),
	pageviews.passes(jsonb, text, text),
	pageviews.view_passes(jsonb, text, jsonb),
	pageviews.filters_origins(jsonb),
	pageviews.origin_passes(jsonb, text, text),
	pageviews.filters_sessions(jsonb),
	pageviews.session_passes(jsonb, text, text, text, text, text),
	pageviews.chosen_visit_views(timestamptz, timestamptz, text, jsonb),
	pageviews.chosen_views(timestamptz, timestamptz, text, jsonb),
	pageviews.chosen_visits(timestamptz, timestamptz, text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.must(boolean, text, text),
	pageviews.check_filters(jsonb),
	pageviews.like_pattern(text),
	pageviews.filter_patterns(jsonb, text),
	pageviews.passes(jsonb, text, text),
	pageviews.view_passes(jsonb, text, jsonb),
	pageviews.filters_origins(jsonb),
	pageviews.origin_passes(jsonb, text, text),
	pageviews.filters_sessions(jsonb),
	pageviews.session_passes(jsonb, text, text, text, text, text),
	pageviews.chosen_visit_views(timestamptz, timestamptz, text, jsonb),
	pageviews.chosen_views(timestamptz, timestamptz, text, jsonb),
	pageviews.chosen_visits(timestamptz, timestamptz, text, jsonb)
TO pageviews_reader, pageviews_site_reader;

