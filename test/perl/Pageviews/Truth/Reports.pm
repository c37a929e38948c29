# Every report, next to an obviously right query of the same.
#
# Each is two queries with the same columns: `key`, what a row is about, once each;
# `exact`, what has to be equal; `visitors`, which are estimated where there are many;
# `median` and `p90`; `rate`, made of visitors; all as text or numbers, NULL where there
# are none.  They run in a session in which ask() of Pageviews::Truth has made, for the
# question's period and filters:
#
#	chosen		 the views that the filters choose, of all visits that touch the period and the one before it
#	asked		 those of the period
#	visits		 the visits with a chosen view that began in the period, `visits_before` those of both periods
#	buckets		 when buckets of time begin, from 1 on
#
# In the queries :period stands for the arguments that reports share; :since, :until,
# :site, :filters and others for one.

package Pageviews::Truth::Reports;

use strict;
use warnings FATAL => 'all';

my @reports;

# Registers a report: the names of question's fields that it needs, and both queries.
sub report
{
	my ($name, $report, $truth, %o) = @_;

	push @reports, { name => $name, report => $report, truth => $truth, %o };
	return;
}

sub all
{
	return @reports;
}

my $distribution = q{percentile_cont(0.5) WITHIN GROUP (ORDER BY engagement_ms) AS median, percentile_cont(0.9) WITHIN GROUP (ORDER BY engagement_ms) AS p90};
my $none = 'NULL::bigint AS visitors, NULL::numeric AS median, NULL::numeric AS p90, NULL::numeric AS rate';

report(
	'summary', <<'EOT', <<"EOT");
WITH s AS MATERIALIZED (SELECT * FROM pageviews.summary(:period))
SELECT 'now' AS key, ROW(views, visits, bounce_rate, views_per_visit, engagement_total_ms, engagement_mean_ms)::text AS exact, visitors, engagement_median_ms AS median, engagement_p90_ms AS p90, NULL::numeric AS rate FROM s
UNION ALL SELECT 'before', ROW(views_before, visits_before, bounce_rate_before, views_per_visit_before, engagement_total_ms_before, engagement_mean_ms_before)::text, visitors_before, engagement_median_ms_before, engagement_p90_ms_before, NULL FROM s
UNION ALL SELECT 'change', ROW(views_change, visits_change, bounce_rate_change, views_per_visit_change, engagement_total_ms_change, engagement_mean_ms_change)::text, NULL, NULL, NULL, NULL FROM s
UNION ALL SELECT 'change of what is estimated', ROW(visitors_change IS NOT DISTINCT FROM round((visitors - visitors_before)::numeric / nullif(visitors_before, 0), 4),
		engagement_median_ms_change IS NOT DISTINCT FROM round((engagement_median_ms - engagement_median_ms_before)::numeric / nullif(engagement_median_ms_before, 0), 4),
		engagement_p90_ms_change IS NOT DISTINCT FROM round((engagement_p90_ms - engagement_p90_ms_before)::numeric / nullif(engagement_p90_ms_before, 0), 4))::text, NULL, NULL, NULL, NULL FROM s
EOT
WITH f AS MATERIALIZED (
	SELECT p.name, v.*, t.*, v.total / nullif(v.views, 0) AS mean, t.bounces::numeric / nullif(t.visits, 0) AS bounce_rate, t.visit_views::numeric / nullif(t.visits, 0) AS views_per_visit
	FROM (VALUES ('now', :since::timestamptz, :until::timestamptz), ('before', :before::timestamptz, :since::timestamptz)) AS p (name, since, until),
	LATERAL (SELECT count(*) AS views, count(DISTINCT session_id) AS visitors, coalesce(sum(engagement_ms), 0)::numeric AS total, $distribution FROM chosen WHERE started_at >= p.since AND started_at < p.until) AS v,
	LATERAL (SELECT count(*) AS visits, count(*) FILTER (WHERE bounce) AS bounces, sum(views) AS visit_views FROM visits_before WHERE started_at >= p.since AND started_at < p.until) AS t
)
SELECT name AS key, ROW(views, visits, round(bounce_rate, 4), round(views_per_visit, 2), total, round(mean))::text AS exact, visitors, median, p90, NULL::numeric AS rate FROM f
UNION ALL
SELECT 'change', ROW(round((n.views - b.views)::numeric / nullif(b.views, 0), 4), round((n.visits - b.visits)::numeric / nullif(b.visits, 0), 4),
					 round((n.bounce_rate - b.bounce_rate) / nullif(b.bounce_rate, 0), 4), round((n.views_per_visit - b.views_per_visit) / nullif(b.views_per_visit, 0), 4),
					 round((n.total - b.total) / nullif(b.total, 0), 4), round((round(n.mean) - round(b.mean)) / nullif(round(b.mean), 0), 4))::text, NULL, NULL, NULL, NULL
FROM f AS n, f AS b WHERE n.name = 'now' AND b.name = 'before'
UNION ALL SELECT 'change of what is estimated', '(t,t,t)', NULL, NULL, NULL, NULL
EOT

report(
	'timeline', <<'EOT', <<"EOT");
SELECT bucket::text AS key, ROW(views, visits, engagement_total_ms, engagement_mean_ms)::text AS exact, visitors, engagement_median_ms AS median, engagement_p90_ms AS p90, NULL::numeric AS rate
FROM pageviews.timeline(:period, bucket => :bucket)
EOT
SELECT b.start::text AS key, ROW(coalesce(v.views, 0), coalesce(t.visits, 0), coalesce(v.total, 0), round(v.total / v.views))::text AS exact, coalesce(v.visitors, 0) AS visitors, v.median, v.p90, NULL::numeric AS rate
FROM buckets AS b
LEFT JOIN (SELECT width_bucket(started_at, ARRAY(SELECT start FROM buckets ORDER BY n)) AS n, count(*) AS views, count(DISTINCT session_id) AS visitors, sum(engagement_ms)::numeric AS total, $distribution FROM asked GROUP BY 1) AS v USING (n)
LEFT JOIN (SELECT width_bucket(started_at, ARRAY(SELECT start FROM buckets ORDER BY n)) AS n, count(*) AS visits FROM visits GROUP BY 1) AS t USING (n)
EOT

report(
	'pages', <<'EOT', <<"EOT");
SELECT path AS key, ROW(views, engagement_total_ms, engagement_mean_ms, exits, visits, entries)::text AS exact, visitors, engagement_median_ms AS median, engagement_p90_ms AS p90, NULL::numeric AS rate
FROM pageviews.pages(:period)
EOT
SELECT path AS key, ROW(count(*), sum(engagement_ms), round(sum(engagement_ms)::numeric / count(*)), count(*) FILTER (WHERE exit), count(*) FILTER (WHERE first_of_path), count(*) FILTER (WHERE entry))::text AS exact,
	   count(DISTINCT session_id) AS visitors, $distribution, NULL::numeric AS rate
FROM asked GROUP BY path
EOT

report(
	'entry_pages', <<'EOT', <<'EOT');
SELECT path AS key, ROW(visits, bounces, bounce_rate, views, views_per_visit, engagement_mean_ms)::text AS exact, visitors, NULL::numeric AS median, NULL::numeric AS p90, NULL::numeric AS rate
FROM pageviews.entry_pages(:period)
EOT
SELECT entry_path AS key,
	   ROW(count(*), count(*) FILTER (WHERE bounce), round(count(*) FILTER (WHERE bounce)::numeric / count(*), 4), sum(views), round(sum(views) / count(*), 2), round(sum(engagement_ms) / count(*)))::text AS exact,
	   count(DISTINCT session_id) AS visitors, NULL::numeric AS median, NULL::numeric AS p90, NULL::numeric AS rate
FROM visits GROUP BY entry_path
EOT

report(
	'exit_pages', <<"EOT", <<"EOT");
SELECT path AS key, ROW(exits, views, exit_rate)::text AS exact, $none FROM pageviews.exit_pages(:period)
EOT
SELECT path AS key, ROW(count(*) FILTER (WHERE exit), count(*), round(count(*) FILTER (WHERE exit)::numeric / count(*), 4))::text AS exact, $none
FROM asked GROUP BY path HAVING bool_or(exit)
EOT

for ([ 'channels', 'channel', 'channel', 'true' ],
	[ 'referrers', 'channel, source, referrer', 'channel, source, referrer_host', 'true' ],
	[ 'campaigns', 'campaign, source, medium, term, content', 'campaign, utm_source, medium, term, content', 'campaign IS NOT NULL OR utm_source IS NOT NULL OR medium IS NOT NULL' ])
{
	my ($name, $key, $wanted, $condition) = @$_;

	report(
		$name, <<"EOT", <<"EOT");
SELECT ROW($key)::text AS key, ROW(visits, bounces, bounce_rate, views, views_per_visit, engagement_mean_ms)::text AS exact, visitors, NULL::numeric AS median, NULL::numeric AS p90, NULL::numeric AS rate
FROM pageviews.$name(:period)
EOT
SELECT ROW($wanted)::text AS key,
	   ROW(count(*), count(*) FILTER (WHERE bounce), round(count(*) FILTER (WHERE bounce)::numeric / count(*), 4), sum(views), round(sum(views) / count(*), 2), round(sum(engagement_ms) / count(*)))::text AS exact,
	   count(DISTINCT session_id) AS visitors, NULL::numeric AS median, NULL::numeric AS p90, NULL::numeric AS rate
FROM visits WHERE $condition GROUP BY $wanted
EOT
}

for ([qw(countries country)], [qw(browsers browser)], [qw(systems system)], [qw(devices device)], [qw(languages language)], [qw(screens screen)])
{
	my ($name, $trait) = @$_;

	report(
		$name, <<"EOT", <<"EOT");
SELECT coalesce($trait, '(unknown)') AS key, ROW(visits, views, bounce_rate, engagement_total_ms, engagement_mean_ms)::text AS exact, visitors, NULL::numeric AS median, NULL::numeric AS p90, NULL::numeric AS rate
FROM pageviews.$name(:period)
EOT
SELECT key, ROW(coalesce(t.visits, 0), coalesce(v.views, 0), round(t.bounces::numeric / t.visits, 4), coalesce(v.total, 0), round(v.total / v.views))::text AS exact, coalesce(v.visitors, 0) AS visitors, NULL::numeric AS median, NULL::numeric AS p90, NULL::numeric AS rate
FROM (SELECT coalesce($trait, '(unknown)') AS key, count(*) AS views, count(DISTINCT session_id) AS visitors, sum(engagement_ms)::numeric AS total FROM asked GROUP BY 1) AS v
FULL JOIN (SELECT coalesce($trait, '(unknown)') AS key, count(*) AS visits, count(*) FILTER (WHERE bounce) AS bounces FROM visits GROUP BY 1) AS t USING (key)
EOT
}

report(
	'engagement_histogram', <<"EOT", <<"EOT");
SELECT from_ms::text AS key, ROW(to_ms, views, share)::text AS exact, $none FROM pageviews.engagement_histogram(:period, path => :path)
EOT
SELECT e.from_ms::text AS key, ROW(e.to_ms, count(v.engagement_ms), round(count(v.engagement_ms) / nullif(sum(count(v.engagement_ms)) OVER (), 0), 4))::text AS exact, $none
FROM (VALUES (0, 1000), (1000, 2000), (2000, 5000), (5000, 10000), (10000, 20000), (20000, 30000), (30000, 60000), (60000, 120000), (120000, 300000), (300000, 600000), (600000, 1800000), (1800000, 3600000), (3600000, NULL)) AS e (from_ms, to_ms)
LEFT JOIN (SELECT engagement_ms FROM asked WHERE :path_like) AS v ON v.engagement_ms >= e.from_ms AND v.engagement_ms < coalesce(e.to_ms, 2147483648)
GROUP BY e.from_ms, e.to_ms
EOT

report(
	'scroll_depth', <<"EOT", <<"EOT");
SELECT depth::text AS key, ROW(views, share)::text AS exact, $none FROM pageviews.scroll_depth(:period, path => :path)
EOT
SELECT d.depth::text AS key, ROW(count(*) FILTER (WHERE v.scroll_depth >= d.depth), round(count(*) FILTER (WHERE v.scroll_depth >= d.depth)::numeric / nullif(count(v.scroll_depth), 0), 4))::text AS exact, $none
FROM generate_series(0, 100, 10) AS d (depth) LEFT JOIN (SELECT scroll_depth FROM asked WHERE :path_like) AS v ON true
GROUP BY d.depth
EOT

report(
	'visits', <<"EOT", <<"EOT");
SELECT ROW(session_id, site, started_at)::text AS key, ROW(ended_at, entry_path, exit_path, views, engagement_ms, bounce, channel, source, referrer, campaign, medium, country, browser, system, device, language)::text AS exact, $none
FROM pageviews.visits(:period)
EOT
SELECT ROW(session_id, site, started_at)::text AS key, ROW(ended_at, entry_path, exit_path, views, engagement_ms, bounce, channel, source, referrer_host, campaign, medium, country, browser, system, device, language)::text AS exact, $none
FROM visits
EOT

report(
	'session_views', <<"EOT", <<"EOT", filters => 'views');
SELECT v.view_id::text AS key, v::text AS exact, $none
FROM (SELECT session_id FROM some_sessions) AS s, LATERAL pageviews.session_views(s.session_id, :period) AS v
EOT
SELECT v.view_id::text AS key,
	   ROW(v.view_id, v.started_at, v.ended_at, v.site, v.path, v.name, v.engagement_ms, v.focused_ms, v.active_ms, v.scroll_depth, v.navigation, v.end_reason, v.query, v.title, v.referrer, v.props)::text AS exact, $none
FROM pageviews.views AS v
WHERE v.session_id IN (SELECT session_id FROM some_sessions) AND v.started_at >= :since AND v.started_at < :until AND (:site IS NULL OR v.site = :site) AND :view_passes
EOT

report(
	'journeys', <<"EOT", <<"EOT");
SELECT pages::text AS key, ROW(visits, visitors, share)::text AS exact, $none FROM pageviews.journeys(:period, depth => :depth, ways => NULL)
EOT
SELECT j.pages::text AS key, ROW(count(*), count(DISTINCT j.session_id), round(count(*) / sum(count(*)) OVER (), 4))::text AS exact, $none
FROM (SELECT c.visit, c.session_id, array_agg(c.path ORDER BY c.nth) AS pages
	  FROM (SELECT w.*, row_number() OVER (PARTITION BY w.visit ORDER BY w.started_at, w.view_id) AS nth
			FROM (SELECT v.visit, v.session_id, v.path, v.started_at, v.view_id, lag(v.path) OVER (PARTITION BY v.visit ORDER BY v.started_at, v.view_id) AS previous
				  FROM truth.views AS v WHERE v.visit IN (SELECT visit FROM visits)) AS w
			WHERE w.path IS DISTINCT FROM w.previous) AS c
	  WHERE c.nth <= :depth GROUP BY c.visit, c.session_id) AS j
GROUP BY j.pages
EOT

# From every view of the first step, always the next view that fits; of two at the same moment the one whose site's name comes first.
report(
	'funnel', <<"EOT", <<"EOT");
SELECT step::text AS key, ROW(page, visitors, share, share_of_previous, lost)::text AS exact, $none FROM pageviews.funnel(:period, steps => :steps, within => :within)
EOT
WITH RECURSIVE reached AS (
	SELECT 1 AS step, a.session_id, a.started_at AS first_at, a.started_at, a.site, a.view_id FROM asked AS a WHERE a.path LIKE (:like_steps::text[])[1]
	UNION ALL
	SELECT r.step + 1, r.session_id, r.first_at, n.started_at, n.site, n.view_id
	FROM reached AS r,
		 LATERAL (SELECT a.started_at, a.site, a.view_id FROM asked AS a
				  WHERE a.session_id = r.session_id AND a.path LIKE (:like_steps::text[])[r.step + 1] AND (a.started_at, a.site, a.view_id) > (r.started_at, r.site, r.view_id) AND a.started_at <= r.first_at + :within::interval
				  ORDER BY a.started_at, a.site, a.view_id LIMIT 1) AS n
), f AS (
	SELECT s.step, s.page, count(DISTINCT r.session_id) AS visitors FROM unnest(:steps::text[]) WITH ORDINALITY AS s (page, step) LEFT JOIN reached AS r ON r.step = s.step GROUP BY s.step, s.page
)
SELECT step::text AS key, ROW(page, visitors, round(visitors::numeric / nullif((SELECT visitors FROM f WHERE step = 1), 0), 4),
							  round(visitors::numeric / nullif(lag(visitors) OVER (ORDER BY step), 0), 4), lag(visitors) OVER (ORDER BY step) - visitors)::text AS exact, $none
FROM f
EOT

report(
	'retention', <<"EOT", <<"EOT");
SELECT ROW(cohort, period)::text AS key, ROW(size, visitors, share)::text AS exact, $none FROM pageviews.retention(:period, period => :bucket)
EOT
WITH came AS MATERIALIZED (
	SELECT session_id, width_bucket(started_at, ARRAY(SELECT start FROM buckets ORDER BY n)) AS seen,
		   width_bucket(coalesce(created_at, min(started_at) OVER (PARTITION BY session_id)), ARRAY(SELECT start FROM buckets ORDER BY n)) AS cohort,
		   coalesce(created_at, min(started_at) OVER (PARTITION BY session_id)) >= :since AS counts
	FROM asked
), z AS (
	SELECT cohort, count(DISTINCT session_id) AS size FROM came WHERE counts GROUP BY cohort
), r AS (
	SELECT cohort, seen, count(DISTINCT session_id) AS visitors FROM came WHERE counts GROUP BY cohort, seen
)
SELECT ROW(c.start, b.n - z.cohort)::text AS key, ROW(z.size, coalesce(r.visitors, 0), round(coalesce(r.visitors, 0)::numeric / z.size, 4))::text AS exact, $none
FROM z JOIN buckets AS c ON c.n = z.cohort JOIN buckets AS b ON b.n >= z.cohort LEFT JOIN r ON r.cohort = z.cohort AND r.seen = b.n
EOT

report(
	'goals', <<'EOT', <<'EOT');
SELECT goal AS key, ROW(site, pattern, event, views)::text AS exact, visitors, NULL::numeric AS median, NULL::numeric AS p90, conversion_rate AS rate FROM pageviews.goals(:period)
EOT
SELECT g.name AS key, ROW(g.site, g.pattern, g.event, r.views)::text AS exact, r.visitors, NULL::numeric AS median, NULL::numeric AS p90, r.visitors::numeric / nullif(o.visitors, 0) AS rate
FROM pageviews.goals AS g,
LATERAL (SELECT sum(e.views) AS views, sum(e.visitors) AS visitors
		 FROM (SELECT count(*) AS views, count(DISTINCT session_id) AS visitors FROM asked WHERE path LIKE replace(g.pattern, '*', '%') AND (g.site IS NULL OR site = g.site)
			   UNION ALL
			   SELECT count(*), count(DISTINCT session_id) FROM events_asked WHERE name LIKE replace(g.event, '*', '%') AND (g.site IS NULL OR site = g.site)) AS e) AS r,
LATERAL (SELECT count(DISTINCT session_id) AS visitors FROM asked WHERE g.site IS NULL OR site = g.site) AS o
WHERE :site IS NULL OR g.site IS NULL OR g.site = :site
EOT

report(
	'events', <<"EOT", <<"EOT");
SELECT event AS key, ROW(events, visitors, events_per_visitor, first_at, last_at)::text AS exact, $none FROM pageviews.events(:period)
EOT
SELECT name AS key, ROW(count(*), count(DISTINCT session_id), round(count(*)::numeric / count(DISTINCT session_id), 2), min(occurred_at), max(occurred_at))::text AS exact, $none
FROM events_asked GROUP BY name
EOT

# Nothing is open now: here nobody visits.
report(
	'live_summary', <<'EOT', <<'EOT', filters => 'no origins');
SELECT 'all' AS key, ROW(visitors_now, views_now, visible_now, focused_now, views, visits)::text AS exact, visitors, NULL::numeric AS median, NULL::numeric AS p90, NULL::numeric AS rate
FROM pageviews.live_summary(:period)
EOT
SELECT 'all' AS key, ROW(0, 0, 0, 0, (SELECT count(*) FROM asked), (SELECT count(*) FROM visits))::text AS exact, (SELECT count(DISTINCT session_id) FROM asked) AS visitors, NULL::numeric AS median, NULL::numeric AS p90, NULL::numeric AS rate
EOT

1;
