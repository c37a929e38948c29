-- ---------------------------------------------------------------------------
-- Reports: where visits come from
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.origins(
	since timestamptz,
	until timestamptz,
	site text,
	filters jsonb)
RETURNS TABLE (
	channel text, source text, referrer text, campaign text, utm_source text, medium text, term text, content text,
	session_id uuid, bounce boolean, views bigint, engagement_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH t AS MATERIALIZED (
		SELECT c.*, coalesce(c.referrer, '') AS from_page, coalesce(c.query, '') AS from_query
		FROM pageviews.chosen_visits(origins.since, origins.until, origins.site, origins.filters) AS c
	), o AS MATERIALIZED (
		SELECT d.site, d.from_page, d.from_query,
			   pageviews.referrer_host(d.from_page) AS referrer,
			   pageviews.url_host(d.from_page) = d.site AS internal,
			   pageviews.query_parameter(d.from_query, 'utm_campaign') AS campaign,
			   pageviews.query_parameter(d.from_query, 'utm_source') AS source,
			   pageviews.query_parameter(d.from_query, 'utm_medium') AS medium,
			   pageviews.query_parameter(d.from_query, 'utm_term') AS term,
			   pageviews.query_parameter(d.from_query, 'utm_content') AS content
		FROM (SELECT DISTINCT t.site, t.from_page, t.from_query FROM t) AS d
	)
	SELECT k.channel, k.source, o.referrer, o.campaign, o.source, o.medium, o.term, o.content,
		   t.session_id, t.bounce, t.views, t.engagement_ms
	FROM t
	JOIN o ON o.site = t.site AND o.from_page = t.from_page AND o.from_query = t.from_query,
	LATERAL pageviews.channel_of(o.referrer, o.internal, o.source, o.medium) AS k;
END;
COMMENT ON FUNCTION pageviews.origins(timestamptz, timestamptz, text, jsonb) IS
	'every visit of a period with where it came from: what the reports of channels, referrers and campaigns count';

CREATE FUNCTION pageviews.channels(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	channel text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT t.channel,
		   count(*),
		   count(DISTINCT t.session_id),
		   count(*) FILTER (WHERE t.bounce),
		   round(count(*) FILTER (WHERE t.bounce)::numeric / count(*), 4),
		   sum(t.views)::bigint,
		   round(avg(t.views), 2),
		   round(avg(t.engagement_ms))::bigint
	FROM pageviews.origins(channels.since, channels.until, channels.site, channels.filters) AS t
	GROUP BY t.channel
	ORDER BY count(*) DESC, t.channel;
END;
COMMENT ON FUNCTION pageviews.channels(timestamptz, timestamptz, text, jsonb) IS
	'report: for each channel by which visits came (search, social, email, ai, paid, campaign, referral, internal, direct): visits, visitors (distinct sessions), bounces, bounce_rate (0 to 1), views of these visits, views_per_visit, and the mean engagement of a visit';

CREATE FUNCTION pageviews.referrers(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	channel text, source text, referrer text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT t.channel, t.source, t.referrer,
		   count(*),
		   count(DISTINCT t.session_id),
		   count(*) FILTER (WHERE t.bounce),
		   round(count(*) FILTER (WHERE t.bounce)::numeric / count(*), 4),
		   sum(t.views)::bigint,
		   round(avg(t.views), 2),
		   round(avg(t.engagement_ms))::bigint
	FROM pageviews.origins(referrers.since, referrers.until, referrers.site, referrers.filters) AS t
	GROUP BY t.channel, t.source, t.referrer
	ORDER BY count(*) DESC, t.channel, t.source, t.referrer;
END;
COMMENT ON FUNCTION pageviews.referrers(timestamptz, timestamptz, text, jsonb) IS
	'report: for each channel, source (by its common name, or utm_source) and referrer (a host; NULL if there was none) by which visits came: visits, visitors (distinct sessions), bounces, bounce_rate (0 to 1), views of these visits, views_per_visit, and the mean engagement of a visit';

CREATE FUNCTION pageviews.campaigns(
	since timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	campaign text, source text, medium text, term text, content text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT t.campaign, t.utm_source, t.medium, t.term, t.content,
		   count(*),
		   count(DISTINCT t.session_id),
		   count(*) FILTER (WHERE t.bounce),
		   round(count(*) FILTER (WHERE t.bounce)::numeric / count(*), 4),
		   sum(t.views)::bigint,
		   round(avg(t.views), 2),
		   round(avg(t.engagement_ms))::bigint
	FROM pageviews.origins(campaigns.since, campaigns.until, campaigns.site, campaigns.filters) AS t
	WHERE t.campaign IS NOT NULL OR t.utm_source IS NOT NULL OR t.medium IS NOT NULL
	GROUP BY t.campaign, t.utm_source, t.medium, t.term, t.content
	ORDER BY count(*) DESC, t.campaign, t.utm_source, t.medium, t.term, t.content;
END;
COMMENT ON FUNCTION pageviews.campaigns(timestamptz, timestamptz, text, jsonb) IS
	'report: for each set of utm_campaign, utm_source, utm_medium, utm_term and utm_content with which visits began: visits, visitors (distinct sessions), bounces, bounce_rate (0 to 1), views of these visits, views_per_visit, and the mean engagement of a visit';

REVOKE ALL ON FUNCTION
	pageviews.origins(timestamptz, timestamptz, text, jsonb),
	pageviews.channels(timestamptz, timestamptz, text, jsonb),
	pageviews.referrers(timestamptz, timestamptz, text, jsonb),
	pageviews.campaigns(timestamptz, timestamptz, text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.origins(timestamptz, timestamptz, text, jsonb),
	pageviews.channels(timestamptz, timestamptz, text, jsonb),
	pageviews.referrers(timestamptz, timestamptz, text, jsonb),
	pageviews.campaigns(timestamptz, timestamptz, text, jsonb)
TO pageviews_reader, pageviews_site_reader;

