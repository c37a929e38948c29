# A fast stop stores every open view and takes less than a second; after an
# immediate one the views that no browser claims are closed as recovered.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main',
	linger => '500ms', checkpoint_interval => '1s', max_connections_per_address => 0);

# --- fast -----------------------------------------------------------------------------

my @listeners;
my $stored = 0;

Pageviews::Cluster::fast_enough('a fast stop takes less than a second', 1, sub {
	$node->wait_ready;
	my $load = $node->load_start('--views', 1000, '--visitors', 1000, '--stage');

	Pageviews::Cluster::load_line($load, qr/^open$/m);
	is($node->value('SELECT count(*) FROM pageviews.live_views'), '1000', 'a thousand pages are open');
	@listeners = $node->listener_pids;
	my $started = time;

	$node->stop('fast');
	my $took = time - $started;

	ok(!grep({ Pageviews::Cluster::alive($_) } @listeners), 'no listener is left');
	eval { Pageviews::Cluster::load_finish($load) };
	$node->start;
	$stored += 1000;
	$node->all_stored($stored, 'all of them are stored, each once');
	is($node->value("SELECT count(*) FROM pageviews.views WHERE end_reason = 'shutdown'"), $stored, '... as shutdown');
	return $took;
});

# --- immediate ----------------------------------------------------------------------------

$node->wait_ready;
my @visitors = map { $node->visitor } 1 .. 4;
my @views = map { $visitors[$_]->begin("/killed/$_") } 0 .. 3;

$visitors[$_]->say_view($views[$_], 'state', visible => 300 + $_) for 0 .. 3;
$node->becomes("SELECT count(*) = 4 FROM pageviews.views WHERE path LIKE '/killed/%' AND ended_at IS NULL AND engagement_ms >= 300",
	'open views are stored as they stand');
# Of another cluster, which replicates into this table.
$node->safe_psql('postgres', <<'SQL');
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
VALUES (gen_random_uuid(), gen_random_uuid(), now(), 4, 1, 0, 0, 7, 'example.com', '/elsewhere')
SQL
@listeners = $node->listener_pids;
$node->stop('immediate');
Pageviews::Cluster::eventually('the listener ends', 60, sub { !grep { Pageviews::Cluster::alive($_) } @listeners });
$node->start;
$node->wait_ready;
my $back = $node->visitor(cookie => $visitors[0]->cookie);

$back->say_view($views[0], 'view', visible => 900);
$node->becomes("SELECT count(*) = 3 FROM pageviews.views WHERE path LIKE '/killed/%' AND end_reason = 'recovered'",
	'after an immediate stop, what no browser claims is closed as recovered');
is($node->value("SELECT count(*) FROM pageviews.views WHERE path = '/elsewhere' AND ended_at IS NULL"), '1', '... but what another cluster collects');
is($node->value("SELECT bool_and(engagement_ms BETWEEN 300 AND 310) FROM pageviews.views WHERE end_reason = 'recovered'"),
	't', '... with the engagement of the last checkpoint');
$back->end_view($views[0], visible => 950);
is($node->row($views[0]{view})->{engagement_ms}, 950, 'what its browser claims goes on');
my $late = $node->visitor(cookie => $visitors[1]->cookie);

$late->say_view($views[1], 'view', visible => 1200);
$late->end_view($views[1], visible => 1300);
my $row = $node->row($views[1]{view});

is("$row->{engagement_ms} $row->{end_reason}", '1300 closed', '... also after it was recovered: the same row');
is($node->value("SELECT count(*) || ' ' || count(DISTINCT view_id) FROM pageviews.views WHERE path LIKE '/killed/%'"), '4 4', 'each once');
$node->conserved;
$node->stop;
done_testing();
