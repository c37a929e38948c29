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

CREATE TYPE pageviews.channels_row AS (
	channel text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint
);
COMMENT ON TYPE pageviews.channels_row IS 'a row of pageviews.channels(): a channel and the visits that came by it';
COMMENT ON COLUMN pageviews.channels_row.channel IS 'search, social, email, ai, paid, campaign, referral, internal or direct, or a channel of your own in pageviews.sources';
COMMENT ON COLUMN pageviews.channels_row.visits IS 'visits that came by it and began in the period';
COMMENT ON COLUMN pageviews.channels_row.visitors IS 'sessions that made these visits, each counted once; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.channels_row.bounces IS 'how many of these visits were one view with less engagement than pageviews.bounce_engagement';
COMMENT ON COLUMN pageviews.channels_row.bounce_rate IS 'bounces a visit, from 0 to 1';
COMMENT ON COLUMN pageviews.channels_row.views IS 'views of these visits, wherever they went';
COMMENT ON COLUMN pageviews.channels_row.views_per_visit IS 'mean number of views of these visits';
COMMENT ON COLUMN pageviews.channels_row.engagement_mean_ms IS 'mean engagement of a whole visit, milliseconds';

CREATE FUNCTION pageviews.channels(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.channels_row
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
	'report: visits by the channel by which they came, the most visits first';

CREATE TYPE pageviews.referrers_row AS (
	channel text, source text, referrer text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint
);
COMMENT ON TYPE pageviews.referrers_row IS 'a row of pageviews.referrers(): a channel, a source and a referrer, and the visits that came from there';
COMMENT ON COLUMN pageviews.referrers_row.channel IS 'search, social, email, ai, paid, campaign, referral, internal or direct, or a channel of your own in pageviews.sources';
COMMENT ON COLUMN pageviews.referrers_row.source IS 'common name of utm_source, or without one of the referrer (pageviews.sources); what has none stands for itself; NULL if there is neither, or the referrer is the site itself';
COMMENT ON COLUMN pageviews.referrers_row.referrer IS 'host of the page before the visit, without "www."; NULL if the browser named none';
COMMENT ON COLUMN pageviews.referrers_row.visits IS 'visits that came from there and began in the period';
COMMENT ON COLUMN pageviews.referrers_row.visitors IS 'sessions that made these visits, each counted once; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.referrers_row.bounces IS 'how many of these visits were one view with less engagement than pageviews.bounce_engagement';
COMMENT ON COLUMN pageviews.referrers_row.bounce_rate IS 'bounces a visit, from 0 to 1';
COMMENT ON COLUMN pageviews.referrers_row.views IS 'views of these visits, wherever they went';
COMMENT ON COLUMN pageviews.referrers_row.views_per_visit IS 'mean number of views of these visits';
COMMENT ON COLUMN pageviews.referrers_row.engagement_mean_ms IS 'mean engagement of a whole visit, milliseconds';

CREATE FUNCTION pageviews.referrers(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.referrers_row
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
	'report: visits by channel, source and referrer, the most visits first';

CREATE TYPE pageviews.campaigns_row AS (
	campaign text, source text, medium text, term text, content text, visits bigint, visitors bigint, bounces bigint, bounce_rate numeric, views bigint, views_per_visit numeric, engagement_mean_ms bigint
);
COMMENT ON TYPE pageviews.campaigns_row IS 'a row of pageviews.campaigns(): a set of utm parameters and the visits that began with it';
COMMENT ON COLUMN pageviews.campaigns_row.campaign IS 'utm_campaign; NULL if there was none';
COMMENT ON COLUMN pageviews.campaigns_row.source IS 'utm_source; NULL if there was none';
COMMENT ON COLUMN pageviews.campaigns_row.medium IS 'utm_medium; NULL if there was none';
COMMENT ON COLUMN pageviews.campaigns_row.term IS 'utm_term; NULL if there was none';
COMMENT ON COLUMN pageviews.campaigns_row.content IS 'utm_content; NULL if there was none';
COMMENT ON COLUMN pageviews.campaigns_row.visits IS 'visits that began in the period with these parameters';
COMMENT ON COLUMN pageviews.campaigns_row.visitors IS 'sessions that made these visits, each counted once; more than some two thousand are estimated, with a standard error of 0.8 %';
COMMENT ON COLUMN pageviews.campaigns_row.bounces IS 'how many of these visits were one view with less engagement than pageviews.bounce_engagement';
COMMENT ON COLUMN pageviews.campaigns_row.bounce_rate IS 'bounces a visit, from 0 to 1';
COMMENT ON COLUMN pageviews.campaigns_row.views IS 'views of these visits, wherever they went';
COMMENT ON COLUMN pageviews.campaigns_row.views_per_visit IS 'mean number of views of these visits';
COMMENT ON COLUMN pageviews.campaigns_row.engagement_mean_ms IS 'mean engagement of a whole visit, milliseconds';

CREATE FUNCTION pageviews.campaigns(
	since timestamptz DEFAULT pg_catalog.date_trunc('day', pg_catalog.now()) OPERATOR(pg_catalog.-) interval '30 days',
	until timestamptz DEFAULT pg_catalog.now(),
	site text DEFAULT NULL,
	filters jsonb DEFAULT NULL)
RETURNS SETOF pageviews.campaigns_row
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
	'report: visits by the utm parameters with which they began, the most visits first; visits without utm_campaign, utm_source and utm_medium are left out';

REVOKE ALL ON TYPE
	pageviews.channels_row,
	pageviews.referrers_row,
	pageviews.campaigns_row
FROM PUBLIC;
GRANT USAGE ON TYPE
	pageviews.channels_row,
	pageviews.referrers_row,
	pageviews.campaigns_row
TO pageviews_reader, pageviews_site_reader;
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

