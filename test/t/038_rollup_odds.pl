# What may go wrong around roll-ups: a locked table, a process that is told to stop,
# none left to start, views that are dropped before they are rolled up, a restore.
# Views are stored whatever it is, and the reports are right.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(command_ok slurp_file);
use Test::More;
use Time::HiRes qw(time);

my $node = Pageviews::Cluster->running('main', rollup_delay => '1s', checkpoint_interval => '1s', ping_interval => '5min');
my $visitor = $node->visitor;
my $stored = 0;

sub store_one
{
	my $view = $visitor->begin('/page');

	$visitor->end_view($view, visible => 1);
	return ++$stored;
}

# Stores views until what began by now is rolled up.
sub catch_up
{
	my ($what) = @_;
	my $now = time;

	ok(Pageviews::Cluster::eventually($what, 60, sub {
		store_one();
		return $node->value("SELECT rolled_until > to_timestamp($now) FROM pageviews.rollup_state") eq 't';
	}), $what);
	is($node->value('SELECT views FROM pageviews.summary()'), $stored, '... and the report counts every view');
	return;
}

catch_up('views are rolled up');

# --- locks ----------------------------------------------------------------------------------

for my $table (qw(rollups rollup_marks))
{
	my $locker = $node->background_psql('postgres');
	my $from = $node->log_end;

	$locker->query_safe("BEGIN; LOCK TABLE pageviews.$table IN ACCESS EXCLUSIVE MODE");
	Pageviews::Cluster::eventually("adding up meets the lock on $table", 60, sub {
		store_one();
		return slurp_file($node->logfile, $from) =~ /pageviews could not bring its roll-ups up to date/;
	});
	$locker->query_safe('COMMIT');
	$locker->quit;
	catch_up("it goes on without the lock on $table");
}

# --- told to stop -----------------------------------------------------------------------------

# A lock holds it up, so that it is there to be told.
my $worker = $node->worker_pid;
my $told = 0;
my $locker = $node->background_psql('postgres');

$locker->query_safe('BEGIN; LOCK TABLE pageviews.rollups IN ACCESS EXCLUSIVE MODE');
Pageviews::Cluster::eventually('the process is told to stop, three times', 120, sub {
	store_one();
	$told += $node->value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'pageviews roll-ups' AND wait_event_type = 'Lock'");
	return $told >= 3;
});
$locker->query_safe('COMMIT');
$locker->quit;
catch_up('another one goes on');
is($node->worker_pid, $worker, 'the worker did not notice');

# --- retention ----------------------------------------------------------------------------------

# The month before the last one ended so long ago that retention lets it go by a day.
my $month = $node->value(q{SELECT date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month'});
my $minutes = int($node->value("SELECT extract(epoch FROM now() - '$month+00'::timestamptz) / 60")) - 1440;

$node->set_now(retention => "${minutes}min", rollup_delay => 0);
Pageviews::Cluster::eventually('nobody adds up', 60, sub { $node->value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pageviews roll-ups'") eq '0' });
$node->set_now(rollup_delay => '1d');
$node->safe_psql('postgres', <<"SQL");
SELECT pageviews.make_partition(('$month'::timestamp - interval '1 day')::date);
INSERT INTO pageviews.views (view_id, session_id, started_at, ended_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), gen_random_uuid(), '$month+00'::timestamptz - i * interval '6 hours', now(), 7, i, 0, 0, 1, 'example.com', '/old'
FROM generate_series(1, 20) AS i;
SQL
Pageviews::Cluster::eventually('the settings are there', 60, sub { $node->value('SHOW pageviews.rollup_delay') eq '1d' });
my $old = qq{SELECT concat_ws(' ', views, visitors, engagement_total_ms) FROM pageviews.pages('$month+00'::timestamptz - interval '31 days', '$month+00') WHERE path = '/old'};
my $drop = qq{SELECT coalesce(pageviews.drop_partition('$month+00'), 'none')};

is($node->value($old), '20 20 210', 'a month of views');
like($node->value($drop), qr/^events_/, 'what has no roll-ups goes');
is($node->value($drop), 'none', 'which is not dropped before it is rolled up');
$node->safe_psql('postgres', 'SELECT pageviews.roll_up()');
like($node->value($drop), qr/^views_/, '... but then');
is($node->value('SELECT count(*) FROM pageviews.views WHERE path = \'/old\''), '0', 'its views are gone');
is($node->value($old), '20 20 210', '... and reports tell of them');

# --- a restore ------------------------------------------------------------------------------------

my $file = $node->backup_dir . '/dump';
my $summary = 'SELECT views, visitors, visits, engagement_total_ms FROM pageviews.summary()';

command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-Fc', '-f', $file ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('restored'), $file ], 'restored');
is($node->safe_psql('restored', $summary), $node->value($summary), 'reports are right before anything is rolled up there');
$node->safe_psql('restored', 'SELECT pageviews.roll_up()');
is($node->safe_psql('restored', $summary), $node->value($summary), '... and after');
is($node->safe_psql('restored', $old), '20 20 210', '... of views that were not in the dump, too');

# --- no process left ---------------------------------------------------------------------------------

$node->conserved;
$node->stop;
$node->append_conf('postgresql.conf', "max_worker_processes = 2\nmax_logical_replication_workers = 1\n");
$node->set(rollup_delay => '1s', retention => 0);
$node->start;
$node->wait_ready;
$visitor = $node->visitor;
Pageviews::Cluster::eventually('it is told of', 60, sub {
	store_one();
	return slurp_file($node->logfile) =~ /could not start the process that makes roll-ups/;
});
is($node->value('SELECT views FROM pageviews.summary()'), $stored, 'and reports are right');
$node->conserved;
$node->stop;
done_testing();
