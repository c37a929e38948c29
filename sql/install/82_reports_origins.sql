-- ---------------------------------------------------------------------------
-- Reports: where visits come from
-- ---------------------------------------------------------------------------

CREATE FUNCTION pageviews.origins(
	since timestamptz,
	until timestamptz,
	site text,
	filters jsonb)
RETURNS TABLE (
	session_id uuid, site text, started_at timestamptz, ended_at timestamptz, entry_path text, exit_path text,
	views bigint, engagement_ms bigint, bounce boolean,
	channel text, source text, referrer text, campaign text, utm_source text, medium text, term text, content text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH t AS MATERIALIZED (
		SELECT c.*, coalesce(c.referrer, '') AS from_page, coalesce(c.query, '') AS from_query
		FROM pageviews.chosen_visits(origins.since, origins.until, origins.site, origins.filters) AS c
	), o AS MATERIALIZED (
		-- Looked at once for each way to come, and there are few.
		SELECT d.site, d.from_page, d.from_query, k.channel, k.source,
			   p.referrer, p.campaign, p.utm_source, p.medium,
			   pageviews.query_parameter(d.from_query, 'utm_term') AS term,
			   pageviews.query_parameter(d.from_query, 'utm_content') AS content
		FROM (SELECT DISTINCT t.site, t.from_page, t.from_query FROM t) AS d,
		LATERAL (SELECT pageviews.referrer_host(d.from_page) AS referrer,
						pageviews.query_parameter(d.from_query, 'utm_campaign') AS campaign,
						pageviews.query_parameter(d.from_query, 'utm_source') AS utm_source,
						pageviews.query_parameter(d.from_query, 'utm_medium') AS medium) AS p,
		LATERAL pageviews.channel_of(p.referrer, pageviews.url_host(d.from_page) = d.site, p.utm_source, p.medium) AS k
	)
	SELECT t.session_id, t.site, t.started_at, t.ended_at, t.entry_path, t.exit_path, t.views, t.engagement_ms, t.bounce,
		   o.channel, o.source, o.referrer, o.campaign, o.utm_source, o.medium, o.term, o.content
	FROM t
	JOIN o ON o.site = t.site AND o.from_page = t.from_page AND o.from_query = t.from_query;
END;
COMMENT ON FUNCTION pageviews.origins(timestamptz, timestamptz, text, jsonb) IS
	'every visit of a period with where it came from: what pageviews.visits() shows';

CREATE FUNCTION pageviews.channels(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	channel text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT k.channel,
		   sum(c.visits)::bigint,
		   pageviews.count_visitors(c.sketch),
		   sum(c.bounces)::bigint,
		   round(sum(c.bounces) / sum(c.visits), 4),
		   sum(c.views)::bigint,
		   round(sum(c.views) / sum(c.visits), 2),
		   round(sum(c.engagement_ms) / sum(c.visits))::bigint
	FROM pageviews.cells(ARRAY[channels.since, channels.until], channels.site, 'origin', channels.filters) AS c,
	LATERAL pageviews.channel_of(c.value[1], c.value[2] = 't', c.value[4], c.value[5]) AS k
	GROUP BY k.channel
	ORDER BY 2 DESC, 1;
END;
COMMENT ON FUNCTION pageviews.channels(timestamptz, timestamptz, text, jsonb) IS
	'report: for each channel by which visits came (search, social, email, ai, paid, campaign, referral, internal, direct): visits, visitors (distinct sessions), bounces, bounce_rate (0 to 1), views of these visits, views_per_visit, and the mean engagement of a visit';

CREATE FUNCTION pageviews.referrers(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	channel text, source text, referrer text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT k.channel, k.source, c.value[1],
		   sum(c.visits)::bigint,
		   pageviews.count_visitors(c.sketch),
		   sum(c.bounces)::bigint,
		   round(sum(c.bounces) / sum(c.visits), 4),
		   sum(c.views)::bigint,
		   round(sum(c.views) / sum(c.visits), 2),
		   round(sum(c.engagement_ms) / sum(c.visits))::bigint
	FROM pageviews.cells(ARRAY[referrers.since, referrers.until], referrers.site, 'origin', referrers.filters) AS c,
	LATERAL pageviews.channel_of(c.value[1], c.value[2] = 't', c.value[4], c.value[5]) AS k
	GROUP BY k.channel, k.source, c.value[1]
	ORDER BY 4 DESC, 1, 2, 3;
END;
COMMENT ON FUNCTION pageviews.referrers(timestamptz, timestamptz, text, jsonb) IS
	'report: for each channel, source (by its common name, or utm_source) and referrer (a host; NULL if there was none) by which visits came: visits, visitors (distinct sessions), bounces, bounce_rate (0 to 1), views of these visits, views_per_visit, and the mean engagement of a visit';

CREATE FUNCTION pageviews.campaigns(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS TABLE (
	campaign text, source text, medium text, term text, content text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.value[3], c.value[4], c.value[5], c.value[6], c.value[7],
		   sum(c.visits)::bigint,
		   pageviews.count_visitors(c.sketch),
		   sum(c.bounces)::bigint,
		   round(sum(c.bounces) / sum(c.visits), 4),
		   sum(c.views)::bigint,
		   round(sum(c.views) / sum(c.visits), 2),
		   round(sum(c.engagement_ms) / sum(c.visits))::bigint
	FROM pageviews.cells(ARRAY[campaigns.since, campaigns.until], campaigns.site, 'origin', campaigns.filters) AS c
	WHERE c.value[3] IS NOT NULL OR c.value[4] IS NOT NULL OR c.value[5] IS NOT NULL
	GROUP BY c.value[3], c.value[4], c.value[5], c.value[6], c.value[7]
	ORDER BY 6 DESC, 1, 2, 3, 4, 5;
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

