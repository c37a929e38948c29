# The reports, on ten million views of thirty days (BENCH_VIEWS and BENCH_DAYS say
# otherwise): how long each takes when everything is in memory, what is on the disk,
# and how near the visitors and medians of the roll-ups come to the exact ones.

package Pageviews::Bench::Reports;

use strict;
use warnings FATAL => 'all';

use Pageviews::Bench;
use PostgreSQL::Test::Utils ();

use constant RUNS => 10;

# Milliseconds of a query, the median of so many runs after one that warms up.
sub milliseconds
{
	my ($node, $query, $runs) = @_;
	my $said = $node->safe_psql('postgres', "SET timezone = 'UTC';\n\\o /dev/null\n\\timing on\n" . "$query;\n" x (1 + $runs));
	my @times = $said =~ /^Time: ([\d.]+) ms/mg;

	die "$query: " . @times . " times\n" if @times != 1 + $runs;
	shift @times;
	return median(@times);
}

# Whether a server has taken huge pages.
sub huge_pages
{
	my $memory = PostgreSQL::Test::Utils::slurp_file('/proc/meminfo');

	return $memory =~ /^HugePages_Rsvd: *[1-9]/m;
}

# What is done for a query: the plans of the queries that its functions run, too, but
# those of parallel workers, which the server's log has, and the very short ones.
sub plans
{
	my ($node, $query) = @_;
	my $plans;

	$node->psql('postgres', <<"EOT", stderr => \$plans, on_error_die => 1);
SET timezone = 'UTC';
LOAD 'auto_explain';
SET auto_explain.log_analyze = on;
SET auto_explain.log_buffers = on;
SET auto_explain.log_timing = off;
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_min_duration = '1ms';
SET client_min_messages = log;
\\o /dev/null
$query;
EOT
	return split /\n/, $plans;
}

# Measures a report and shows its plans when the goal, if it has one, is missed.
sub report
{
	my ($node, $what, $query, $goal) = @_;
	my $ms = milliseconds($node, $query, RUNS);

	result(
		what => $what, measured => sprintf('%.0f ms', $ms), value => $ms,
		defined $goal ? (goal => "at most $goal ms", at_most => $goal) : ());
	return if !defined $goal || $ms <= $goal;
	progress('%s', $_) for plans($node, $query);
}

# Rolls up and packs what began before a time; how long that took, in seconds.
sub roll_up
{
	my ($node, $time) = @_;

	return $node->value(<<"EOT");
CREATE TEMP TABLE clock AS SELECT clock_timestamp() AS started;
SELECT FROM pageviews.roll_up($time);
SELECT extract(epoch FROM clock_timestamp() - started) FROM clock;
EOT
}

section(
	'reports',
	'the reports, on ten million views',
	sub {
		my $views = $ENV{BENCH_VIEWS} || 10_000_000;
		my $days = $ENV{BENCH_DAYS} || 30;
		my $long = $days > 90;
		my $node = cluster('reports', [ SERVER_CORE, LOAD_CORE ],
			conf => "shared_buffers = 5GB\nwork_mem = 64MB\nmax_wal_size = 4GB\njit = off\nhuge_pages = try\n", rollup_delay => '0');
		my $until = int(time / 86400) * 86400;

		pin(SERVER_CORE, LOAD_CORE);
		{
			local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');

			PostgreSQL::Test::Utils::system_log('tools/generate', '--views', $views, '--days', $days, '--until', $until) == 0
			  or die "no views were generated\n";
		}
		my $there = $node->value('SELECT count(*) FROM pageviews.views');
		# The last day as it is while it goes on, when its hours are next to be packed; then all of it.
		my $moment = "to_timestamp($until) - interval '5 hours 31 minutes'";
		my $rolling = roll_up($node, $moment);

		report($node, 'pages of a country, today', "SELECT * FROM pageviews.pages(to_timestamp($until) - interval '1 day', $moment, filters => '{\"country\": \"DE\"}')", 100);
		report($node, 'pages of a country, yesterday', "SELECT * FROM pageviews.pages(to_timestamp($until) - interval '2 days', to_timestamp($until) - interval '1 day', filters => '{\"country\": \"DE\"}')", 100);
		$rolling += roll_up($node, "to_timestamp($until)");
		progress('%d views; rolled up in %.0f s', $there, $rolling);
		result(
			what => 'rolling up and packing, a view', measured => sprintf('%.1f us', 1e6 * $rolling / $there),
			note => 'shared buffers, for this and the reports, in huge pages: ' . (huge_pages() ? 'yes' : 'no'));
		$node->safe_psql('postgres', 'VACUUM (FULL) pageviews.rollups');
		$node->safe_psql('postgres', 'VACUUM (ANALYZE)');
		my ($all, $rolled, $packed, $sessions) = split /\|/, $node->value(<<"EOT");
SELECT sum(pg_total_relation_size(c.oid)) / $there,
	   sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname = 'rollups') / $there,
	   sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname LIKE 'packed%') / $there,
	   sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname = 'sessions') / $there
FROM pg_class AS c WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relkind = 'r'
EOT
		result(
			what => 'bytes a view on disk, with sessions, events, all indexes, roll-ups and packed days', measured => sprintf('%.0f', $all),
			value => $all, goal => 'at most 300', at_most => 300, note => sprintf('%.0f of them sessions, %.0f roll-ups, %.0f packed days', $sessions, $rolled, $packed));

		my $period = "to_timestamp($until) - interval '$days days', to_timestamp($until)";
		my $day = "to_timestamp($until) - interval '10 days', to_timestamp($until) - interval '9 days'";
		my ($fast, $distinct) = $long ? (100, 300) : (20, 100);
		my $of = "$days days of $there views";

		report($node, "$_, $of", "SELECT * FROM pageviews.$_($period)", $fast)
		  for qw(summary timeline channels referrers campaigns countries browsers systems devices languages screens exit_pages);
		report($node, "$_ with distinct visitors, $of", "SELECT * FROM pageviews.$_($period)", $distinct) for qw(pages entry_pages);
		$node->safe_psql('postgres', "INSERT INTO pageviews.goals (name, pattern) VALUES ('prices', '/pricing'), ('blog', '/blog/*')");
		report($node, "goals, $of", "SELECT * FROM pageviews.goals($period)", $distinct);
		report($node, "pages of a country, a day", "SELECT * FROM pageviews.pages($day, filters => '{\"country\": \"DE\"}')", 100);
		report($node, "summary of some pages, a day", "SELECT * FROM pageviews.summary($day, filters => '{\"page\": \"/blog/*\"}')", 100);
		if (!$long)
		{
			report($node, "pages of a country, $of", "SELECT * FROM pageviews.pages($period, filters => '{\"country\": \"DE\"}')", 1000);
			report($node, "pages below a path, $of", "SELECT * FROM pageviews.pages($period, filters => '{\"page\": \"/blog/*\"}')", 1000);
			report($node, "referrers, of a search engine, $of", "SELECT * FROM pageviews.referrers($period, filters => '{\"referrer\": \"*google*\"}')", 1000);
			report($node, "pages on mobile devices, $of", "SELECT * FROM pageviews.pages($period, filters => '{\"device\": \"mobile\"}')", 1000);
			report($node, "engagement_histogram, $of", "SELECT * FROM pageviews.engagement_histogram($period)", 1000);
			report($node, "events, $of", "SELECT * FROM pageviews.events($period)");
			report($node, "scroll_depth, $of", "SELECT * FROM pageviews.scroll_depth($period)", 1000);
			report($node, "journeys, $of", "SELECT * FROM pageviews.journeys($period)", 1000);
			report($node, "funnel of 4 steps, $of", "SELECT * FROM pageviews.funnel($period, steps => '{/,/pricing,/signup,/docs}')", 2000);
			report($node, "retention by weeks, $of", "SELECT * FROM pageviews.retention($period)", 2000);
		}

		my ($since, $before) = split /, (?=to_timestamp)/, $period;
		my ($visitors, $exact, $median, $exact_median) = split /\|/, $node->value(<<"EOT");
SELECT s.visitors, e.visitors, s.engagement_median_ms, e.median
FROM pageviews.summary($period) AS s,
	 (SELECT count(DISTINCT v.session_id) AS visitors, percentile_cont(0.5) WITHIN GROUP (ORDER BY v.engagement_ms) AS median
	  FROM pageviews.views AS v
	  WHERE v.started_at >= $since AND v.started_at < $before
		AND NOT EXISTS (SELECT FROM pageviews.sessions AS r WHERE r.session_id = v.session_id AND r.robot)) AS e
EOT
		my $off = abs($visitors / $exact - 1);
		my $median_off = abs($median / $exact_median - 1);

		result(
			what => "distinct visitors, $of, against the exact number", measured => $visitors, reference => $exact,
			value => $off, goal => 'within 2 %', at_most => 0.02, note => sprintf('%.2f %% off', 100 * $off));
		result(
			what => "median engagement, $of, against the exact one", measured => "$median ms", reference => sprintf('%.0f ms', $exact_median),
			value => $median_off, goal => 'within 3 %', at_most => 0.03, note => sprintf('%.2f %% off', 100 * $median_off));

		report($node, "visits, a day", "SELECT * FROM pageviews.visits($day)");
		$node->stop;
	});

1;
