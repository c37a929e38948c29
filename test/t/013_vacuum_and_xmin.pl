# What the database pays: no snapshot while idle, rows that autovacuum sees, memory
# that does not grow, and no wake-ups when nothing happens.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main',
	linger => '300ms', max_connections_per_address => 0, checkpoint_interval => '1s', flush_interval => '20ms');

# How often a process went to sleep, so far.
sub naps
{
	my ($pid) = @_;
	my ($count) = slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m;

	return $count;
}

# How often, in 2 s, a look at the worker found the transaction, or snapshot, that
# the look before had found.  One alone is no fault: every 5 s the worker looks
# for its extension.
sub stays_open
{
	my ($worker, $before, $found) = ($node->worker_pid, '', 0);
	my $until = time + 2;

	while (time < $until)
	{
		my $held = $node->value("SELECT xact_start, backend_xmin FROM pg_stat_activity WHERE pid = $worker AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL)");

		$found++ if $held ne '' && $held eq $before;
		$before = $held;
	}
	return $found;
}

# --- idle ------------------------------------------------------------------------------

my $worker = $node->worker_pid;
my ($listener) = $node->listener_pids;
my $visitor = $node->visitor;
my $view = $visitor->begin('/idle');

# The view is stored as it stands before anybody looks, and not again while it does
# not change.
ok($node->row($view->{view}), 'the open view is stored as it stands');
is(stays_open(), 0, 'no snapshot is held while idle');
my ($before_worker, $before_listener) = (naps($worker), naps($listener));

sleep 3;
my ($woken_worker, $woken_listener) = (naps($worker) - $before_worker, naps($listener) - $before_listener);

cmp_ok($woken_worker, '<=', 30, "the worker sleeps when nothing happens: woken $woken_worker times in 3 s");
cmp_ok($woken_listener, '<=', 30, "the listener too: $woken_listener times");
$visitor->end_view($view, visible => 1);

# --- rows that the statistics see ------------------------------------------------------------

my $report = $node->load('--views', 70_000, '--visitors', 300);

is("$report->{stored} $report->{failures}", '70000 0', '70,000 views are stored');
$node->becomes("SELECT sum(n_tup_ins) > 70000 AND sum(n_mod_since_analyze) > 0 FROM pg_stat_user_tables WHERE schemaname = 'pageviews' AND relname LIKE 'views_%'",
	'autovacuum sees the rows');
is($node->value("SELECT count(*) FROM pg_stat_activity WHERE pid = $worker AND backend_xmin IS NOT NULL"), '0', 'and no snapshot is left');

# --- memory -----------------------------------------------------------------------------------

# By now the cache of recent views, 65,536 of them, is full.
my @early = (Pageviews::Cluster::own_memory($worker), Pageviews::Cluster::own_memory($listener));

$report = $node->load('--views', 30_000, '--visitors', 300);
is("$report->{stored} $report->{failures}", '30000 0', '30,000 more are stored');
note("$report->{views_per_second} views a second");
my @late = (Pageviews::Cluster::own_memory($worker), Pageviews::Cluster::own_memory($listener));

cmp_ok($late[0] - $early[0], '<', 1024, "the worker's memory is steady over 100,000 views: $early[0] kB, $late[0] kB");
cmp_ok($late[1] - $early[1], '<', 1024, "the listener's too: $early[1] kB, $late[1] kB");
is($node->value('SELECT count(*) || \' \' || count(DISTINCT view_id) FROM pageviews.views'), '100001 100001', 'each view is there once');
my $s = $node->conserved;

is("$s->{views_open} $s->{views_lost} $s->{queue_length}", '0 0 0', 'and nothing is left in memory');
$node->stop;
done_testing();
