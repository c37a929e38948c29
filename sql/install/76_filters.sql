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

CREATE FUNCTION pageviews.filter_allows(filters jsonb, key text, value text)
RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_filter_allows';
COMMENT ON FUNCTION pageviews.filter_allows(jsonb, text, text) IS 'whether a value fits the filter of this name: a text in which a star is any text, null, or an array of these';

CREATE FUNCTION pageviews.passes(filters jsonb, key text, value text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN filters IS NULL OR NOT filters ? key OR pageviews.filter_allows(filters, key, value);
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

REVOKE ALL ON FUNCTION
	pageviews.must(boolean, text, text),
	pageviews.check_filters(jsonb),
	pageviews.like_pattern(text),
	pageviews.filter_allows(jsonb, text, text),
	pageviews.passes(jsonb, text, text),
	pageviews.view_passes(jsonb, text, jsonb),
	pageviews.filters_origins(jsonb),
	pageviews.origin_passes(jsonb, text, text),
	pageviews.filters_sessions(jsonb),
	pageviews.session_passes(jsonb, text, text, text, text, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.must(boolean, text, text),
	pageviews.check_filters(jsonb),
	pageviews.like_pattern(text),
	pageviews.filter_allows(jsonb, text, text),
	pageviews.passes(jsonb, text, text),
	pageviews.view_passes(jsonb, text, jsonb),
	pageviews.filters_origins(jsonb),
	pageviews.origin_passes(jsonb, text, text),
	pageviews.filters_sessions(jsonb),
	pageviews.session_passes(jsonb, text, text, text, text, text)
TO pageviews_reader, pageviews_site_reader;

