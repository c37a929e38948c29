-- ---------------------------------------------------------------------------
-- Channels: which referrers are search engines, social networks and so on
-- ---------------------------------------------------------------------------

CREATE TABLE pageviews.sources (
	host text NOT NULL,
	channel text NOT NULL,
	source text NOT NULL,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT sources_pkey PRIMARY KEY (host, shipped)
);
COMMENT ON TABLE pageviews.sources IS 'which hosts stand for which channel and source; those that come with the extension, and your own';
COMMENT ON COLUMN pageviews.sources.host IS 'a host without "www."; it stands for its subdomains too, unless they have rows; one of more than ten labels stands for itself alone';
COMMENT ON COLUMN pageviews.sources.channel IS 'search, social, email, ai, paid, referral, or a name of your own';
COMMENT ON COLUMN pageviews.sources.source IS 'its common name, as in "Google"';
COMMENT ON COLUMN pageviews.sources.shipped IS 'whether it came with the extension; rows of your own go before these, and a dump carries them';
COMMENT ON CONSTRAINT sources_pkey ON pageviews.sources IS 'a host is of one source, and of one of your own, which goes before';
COMMENT ON INDEX pageviews.sources_pkey IS 'a host is of one source, and of one of your own, which goes before';
SELECT pg_catalog.pg_extension_config_dump('pageviews.sources', 'WHERE NOT shipped');

CREATE FUNCTION pageviews.channel_of(referrer text, internal boolean, source text, medium text)
RETURNS TABLE (channel text, source text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
			   WHEN lower(channel_of.medium) ~ '^(cp[acmv]|ppc|re-?targeting|paid.*|display|banner|interstitial|ads?)$' THEN 'paid'
			   WHEN k.channel = 'paid' THEN 'paid'
			   WHEN lower(channel_of.medium) ~ '^e[-_ ]?mail$' OR lower(channel_of.medium) = 'newsletter' THEN 'email'
			   WHEN lower(channel_of.medium) IN ('social', 'social-network', 'social-media', 'sm') THEN 'social'
			   WHEN k.channel IS NOT NULL THEN k.channel
			   WHEN channel_of.source IS NOT NULL OR channel_of.medium IS NOT NULL THEN 'campaign'
			   WHEN channel_of.internal THEN 'internal'
			   WHEN channel_of.referrer IS NOT NULL THEN 'referral'
			   ELSE 'direct'
		   END,
		   CASE
			   WHEN k.source IS NOT NULL THEN k.source
			   WHEN channel_of.source IS NOT NULL THEN channel_of.source
			   WHEN channel_of.internal THEN NULL
			   ELSE channel_of.referrer
		   END
	FROM (SELECT coalesce(lower(channel_of.source), CASE WHEN channel_of.internal IS NOT TRUE THEN channel_of.referrer END) AS name) AS m,
	LATERAL (SELECT m.name, string_to_array(m.name, '.') AS labels) AS n
	LEFT JOIN LATERAL (
		-- A subdomain comes before its domain; a campaign may say "google" for "google.com".  Whoever
		-- sends a referrer chooses how many labels it has: no more than the last ten are looked for.
		SELECT h.channel, h.source
		FROM pageviews.sources AS h
		WHERE h.host = ANY (
			ARRAY[n.name, CASE WHEN channel_of.source IS NOT NULL THEN n.name || '.com' END]
			|| ARRAY(SELECT array_to_string(n.labels[i:], '.')
					 FROM generate_series(greatest(2, cardinality(n.labels) - 9), cardinality(n.labels)) AS i))
		ORDER BY length(h.host) DESC, h.shipped
		LIMIT 1) AS k ON true;
END;
COMMENT ON FUNCTION pageviews.channel_of(text, boolean, text, text) IS
	'the channel and the source of a visit: by utm_medium, by utm_source, or else by the host of the referrer; direct if there is nothing';

ALTER TABLE pageviews.sources ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON pageviews.sources FOR SELECT TO pageviews_reader, pageviews_site_reader USING (true);
COMMENT ON POLICY reader ON pageviews.sources IS 'it says nothing of any visitor';

REVOKE ALL ON pageviews.sources FROM PUBLIC;
GRANT SELECT ON pageviews.sources TO pageviews_reader, pageviews_site_reader;
REVOKE ALL ON FUNCTION pageviews.channel_of(text, boolean, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pageviews.channel_of(text, boolean, text, text) TO pageviews_reader, pageviews_site_reader;

