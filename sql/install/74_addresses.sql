-- ---------------------------------------------------------------------------
-- Settings and addresses, for reports
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.visit_timeout()
RETURNS interval
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_visit_timeout';
COMMENT ON FUNCTION pageviews.visit_timeout() IS 'the setting pageviews.visit_timeout';

CREATE FUNCTION pageviews.bounce_engagement()
RETURNS integer
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_bounce_engagement';
COMMENT ON FUNCTION pageviews.bounce_engagement() IS 'the setting pageviews.bounce_engagement, in milliseconds';

CREATE FUNCTION pageviews.url_host(url text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_url_host';
COMMENT ON FUNCTION pageviews.url_host(text) IS 'the host of an address, in lower case, with the port if there is one; NULL if it has none';

CREATE FUNCTION pageviews.query_parameter(query text, name text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pageviews_query_parameter';
COMMENT ON FUNCTION pageviews.query_parameter(text, text) IS 'the first value of a parameter in a query, decoded; NULL if it is not there or empty';

CREATE FUNCTION pageviews.referrer_host(referrer text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_replace(pageviews.url_host(referrer), '^www\.', '');
COMMENT ON FUNCTION pageviews.referrer_host(text) IS 'the host of a referrer, without "www."';

REVOKE ALL ON FUNCTION
	pageviews.visit_timeout(),
	pageviews.bounce_engagement(),
	pageviews.url_host(text),
	pageviews.query_parameter(text, text),
	pageviews.referrer_host(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.visit_timeout(),
	pageviews.bounce_engagement(),
	pageviews.url_host(text),
	pageviews.query_parameter(text, text),
	pageviews.referrer_host(text)
TO pageviews_reader, pageviews_site_reader;

