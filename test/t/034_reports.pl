# The reports on a cluster that works: what is open now, settings that change what a
# visit is, data of the generator, and every query of the Grafana dashboard.

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $node = Pageviews::Cluster->running('main', conf => "jit = off\n");

# --- now ---------------------------------------------------------------------------------------------

my $visitor = $node->visitor;
my $view = $visitor->begin('/now', state => 'focused');

Pageviews::Cluster::eventually('it is open', 10, sub { $node->value('SELECT views_now FROM pageviews.live_summary()') eq '1' });
my $now = 'SELECT visitors_now, views_now, visible_now, focused_now FROM pageviews.live_summary';

is($node->value("$now()"), '1|1|1|1', 'one visitor is here, and looks');
is($node->value(qq{$now(filters => '{"page": "/no*"}')}), '1|1|1|1', '... on this page');
is($node->value(qq{$now(filters => '{"page": "/then"}')}), '0|0|0|0', '... and on no other');
is($node->value(qq{$now(site => 'elsewhere.example')}), '0|0|0|0', '... nor on another site');
$visitor->send_message(Pageviews::Client::message($view, 'state', state => 'hidden', visible => 9000, focused => 9000));
Pageviews::Cluster::eventually('it is hidden', 10, sub { $node->value("$now()") eq '1|1|0|0' });
$visitor->end_view($view, visible => 9000, focused => 9000);
Pageviews::Cluster::eventually('it is over and counted', 10,
	sub { $node->value('SELECT views_now, views, visitors, visits FROM pageviews.live_summary()') eq '0|1|1|1' });

# --- what a visit is ----------------------------------------------------------------------------------

is($node->value('SELECT visits, bounce_rate FROM pageviews.summary()'), '1|1.0000', 'a short visit of one view is a bounce');
$node->set_now(bounce_engagement => '1ms');
Pageviews::Cluster::eventually('or is none', 10,
	sub { $node->value('SELECT visits, bounce_rate FROM pageviews.summary()') eq '1|0.0000' });
$node->safe_psql('postgres', <<'SQL');
SELECT pageviews.make_partition('2024-02-01');
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), '00000000-0000-4000-8000-000000000001', '2024-02-01'::timestamptz + n * interval '10 minutes', 7, 0, 0, 0, 1, 'x', '/'
FROM generate_series(1, 5) AS n;
SQL
my $visits = q{SELECT count(*) FROM pageviews.visits('2024-02-01', '2024-02-02')};

is($node->value($visits), '1', 'pauses of 10 minutes are in a visit');
$node->set_now(visit_timeout => '9min');
Pageviews::Cluster::eventually('or are not', 10, sub { $node->value($visits) eq '5' });
$node->set_now(visit_timeout => '30min', bounce_engagement => '10s');
$node->becomes('SELECT pageviews.bounce_engagement() = 10000', 'a bounce is what it was');

# --- data of the generator ------------------------------------------------------------------------------

local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PGDATABASE} = 'generated';
$node->safe_psql('postgres', 'CREATE DATABASE generated');
$node->safe_psql('generated', 'CREATE EXTENSION pageviews');
ok(system("$ENV{TESTDIR}/tools/generate", '--views' => 8000, '--days' => 70, '--seed' => 7) == 0, 'the generator fills the tables');

sub generated { return $node->safe_psql('generated', $_[0]) }

my ($rows) = generated('SELECT count(*) FROM pageviews.views');

cmp_ok(abs($rows - 8000), '<', 50, "about as many views as were asked for ($rows)");
is(generated('SELECT count(*) FROM pageviews.views AS v WHERE NOT EXISTS (SELECT FROM pageviews.sessions AS s WHERE s.session_id = v.session_id)'),
	'0', 'each of a session that is there');
is(generated('SELECT count(*) FROM pageviews.sessions AS s WHERE NOT EXISTS (SELECT FROM pageviews.views AS v WHERE v.session_id = s.session_id AND v.started_at = s.created_at)'),
	'0', 'each session begins with its first view');
is(generated(q{SELECT count(*) FROM pageviews.views AS v WHERE to_timestamp((('x' || left(replace(v.view_id::text, '-', ''), 12))::bit(48)::bigint) / 1000.0) <> v.started_at}),
	'0', 'each id has the time of its view');
is(generated(q{SELECT sum(views) = (SELECT count(*) FROM pageviews.views AS v JOIN pageviews.sessions AS s USING (session_id) WHERE NOT s.robot)
	FROM pageviews.pages('-infinity', 'infinity')}), 't', 'the reports count all of it but robots');

# --- the dashboard -----------------------------------------------------------------------------------------

# Grafana's variables and macros, as it writes them.
sub as_grafana
{
	my ($sql, %variables) = @_;

	$sql =~ s/\$__timeFrom\(\)/'$variables{from}'/g;
	$sql =~ s/\$__timeTo\(\)/'$variables{to}'/g;
	$sql =~ s/\$\{(\w+):sqlstring\}/"'" . ($variables{$1} =~ s{'}{''}gr) . "'"/ge;
	die "what is left of Grafana's in: $sql\n" if $sql =~ /\$/;
	return $sql;
}

my $dashboard = JSON::PP->new->decode(slurp_file("$ENV{TESTDIR}/grafana/pageviews.json"));
my %default = map { $_->{name} => $_->{current}{value} } @{ $dashboard->{templating}{list} };
my ($from, $to) = split /\|/, generated(q{SELECT to_char(now() - interval '30 days', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"')});
my %ids;
my $queries = 0;

generated(q{INSERT INTO pageviews.goals (name, pattern) VALUES ('Sign-up', '/signup')});
for my $variable (grep { $_->{type} eq 'query' } @{ $dashboard->{templating}{list} })
{
	like(generated(as_grafana($variable->{query}, from => $from, to => $to)) . "\n", qr/\Aall\n(?:.*\n)*www0\.example\.com\n/, "variable $variable->{name}");
}
for my $panel (grep { $_->{type} ne 'row' } @{ $dashboard->{panels} })
{
	ok(!$ids{ $panel->{id} }++, "$panel->{title}: its id is its own");
	for my $target (@{ $panel->{targets} })
	{
		for my $set ({}, { site => 'www1.example.com', filters => '{"page": "/*", "country": ["CH", "DE"]}', bucket => '1 hour' })
		{
			my ($status, $out, $error) = $node->psql('generated', as_grafana($target->{rawSql}, %default, from => $from, to => $to, %$set));

			is($status, 0, "$panel->{title}: its query runs") or diag($error);
			isnt($out, '', "$panel->{title}: ... and finds something") unless $panel->{title} eq 'Open now';
			$queries++;
		}
	}
}
cmp_ok($queries, '>', 60, "$queries queries were run");

# --- what is one's own survives a dump ------------------------------------------------------------------------

generated(q{INSERT INTO pageviews.sources (host, channel, source) VALUES ('google.com', 'search', 'mine'), ('intra.example', 'internal', 'ours')});
my $dump = "$ENV{TESTDIR}/tmp_check/reports.sql";
my $kept = q{SELECT (SELECT string_agg(name, ' ') FROM pageviews.goals), (SELECT string_agg(source, ' ' ORDER BY source) FROM pageviews.sources WHERE NOT shipped),
	(SELECT count(*) FROM pageviews.sources), (SELECT sum(views) FROM pageviews.pages('-infinity', 'infinity'))};

$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('generated') ], 'a dump');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], '... is restored');
is($node->safe_psql('restored', $kept), generated($kept), '... with goals, sources and reports as they were');

$node->conserved;
$node->stop;
done_testing();
