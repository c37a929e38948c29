# A listener that dies, hangs or is killed disturbs no session of the cluster and
# loses no view; nothing is left over when the postmaster is killed.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main',
	linger => '10s', max_connections_per_address => 0, conf => "restart_after_crash = on\n");
my ($session, $backend, $worker, $mark);

# Kills the listener and waits until another one answers; seconds.
sub kill_listener
{
	my ($signal) = @_;
	my ($pid) = $node->listener_pids or die 'no listener';
	my $killed = time;

	kill $signal, $pid or die "kill: $!";
	Pageviews::Cluster::eventually('another listener answers', 60, sub {
		my ($now) = Pageviews::Cluster::children_of($worker);

		$now && $now != $pid && $node->healthy;
	});
	return time - $killed;
}

# --- the first death costs nothing -----------------------------------------------------

Pageviews::Cluster::fast_enough('killed by SIGSEGV it listens again', 0.1, sub {
	$node->restart;    # another worker, which has seen none
	$node->wait_ready;
	$worker = $node->worker_pid;
	return kill_listener('SEGV');
});
$node->restart;
$node->wait_ready;
$session = $node->background_psql('postgres');
$backend = $session->query_safe('CREATE TEMP TABLE mine AS SELECT 42 AS n; SELECT pg_backend_pid()');
$worker = $node->worker_pid;
$mark = $node->log_end;

# --- under load ----------------------------------------------------------------------

my $views = 3000;
my $load = $node->load_start('--views', $views, '--visitors', 150, '--hold', 300, '--every', 100, '--resume');

Pageviews::Cluster::eventually('the load is there', 60, sub { $node->stats->{views_open} > 100 });
# Who dies again soon waits a little longer each time.
for my $signal (qw(SEGV ABRT KILL))
{
	note(sprintf "killed by SIG$signal it listens again in %.0f ms", kill_listener($signal) * 1000);
	is($session->query_safe("SELECT n || ' ' || pg_backend_pid() FROM mine"), "42 $backend", '... and no other session is disturbed');
	sleep 0.5;
}
my $report = Pageviews::Cluster::load_finish($load);

is("$report->{stored} $report->{refused} $report->{failures}", "$views 0 0", 'every visitor is told that his view is stored');
cmp_ok($report->{deaths}, '>', 100, "... though $report->{deaths} sockets died");
note("longest without a socket: $report->{outage_ms} ms, views a second: $report->{views_per_second}");
$node->all_stored($views);
is($node->value('SELECT sum(engagement_ms) FROM pageviews.views'), $report->{visible_ms}, 'and every millisecond is there');
is($node->worker_pid, $worker, 'the worker is the same');
my $log = slurp_file($node->logfile, $mark);

unlike($log, qr/terminating any other active server processes/, 'the postmaster noticed nothing');
is($node->stats->{listener_restarts}, 3, 'three restarts are counted');

# --- one that hangs ---------------------------------------------------------------------

my $visitor = $node->visitor;
my $view = $visitor->begin('/hangs');
my ($pid) = $node->listener_pids;
my $stopped = time;

kill 'STOP', $pid;
Pageviews::Cluster::eventually('another listener answers', 60, sub {
	my ($now) = Pageviews::Cluster::children_of($worker);

	$now && $now != $pid && $node->healthy;
});
my $took = time - $stopped;

# Six seconds of silence, and the rest is for a slow machine.
cmp_ok($took, '<', 30, sprintf 'one that hangs is replaced: %.1f s', $took);
ok(!Pageviews::Cluster::alive($pid), '... and killed');
my $back = $node->visitor(cookie => $visitor->cookie);

$back->say_view($view, 'view', visible => 500);
$back->end_view($view, visible => 600);
is($node->row($view->{view})->{engagement_ms}, 600, '... and its view is complete');

# --- one that dies while the worker waits for the database -----------------------------------

$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(6); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON pageviews.views FOR EACH ROW WHEN (NEW.path = '/slow') EXECUTE FUNCTION public.slow();
SQL
$node->set_now(write_timeout => '20s');
Pageviews::Cluster::eventually('the worker is patient', 60, sub { $node->value('SHOW pageviews.write_timeout') eq '20s' });
my ($gone, $slow) = ($node->visitor, $node->visitor);
my $waits = $slow->begin('/slow');
my $begun = time;
my $seen = $gone->begin('/gone');

$slow->send_message(Pageviews::Client::message($waits, 'end', reason => 'closed', visible => 1));
$node->becomes("SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $worker AND wait_event = 'PgSleep'", 'the worker waits for the database');
kill 'KILL', Pageviews::Cluster::children_of($worker);
my $alive = 1000 * (time - $begun);
my $lost = $node->ended_row($seen->{view});

is(($lost // {})->{end_reason}, 'lost', 'meanwhile the listener dies: its view is stored');
cmp_ok(($lost // {})->{engagement_ms} // 1e9, '<', $alive + 2500, '... and counted until then, not until the worker looked');
$node->wait_ready;
$node->safe_psql('postgres', 'DROP FUNCTION public.slow() CASCADE');
$node->set_now(write_timeout => '2s');

# --- one that keeps dying -----------------------------------------------------------------

$mark = $node->log_end;
for (1 .. 4)
{
	my ($now) = Pageviews::Cluster::eventually('a listener', 60, sub { my @all = Pageviews::Cluster::children_of($worker); @all && \@all });

	kill 'KILL', @$now;
	Pageviews::Cluster::eventually('it is gone', 60, sub { !Pageviews::Cluster::alive($now->[0]) });
}
$node->wait_ready;
is($session->query_safe("SELECT n || ' ' || pg_backend_pid() FROM mine"), "42 $backend", 'whatever happens to it, no other session is disturbed');
$node->logged(qr/pageviews.*listener.*(signal 9|killed|died|ended)/, $mark, 'each death is in the log');
$node->conserved;

# --- the postmaster is killed ------------------------------------------------------------------

my @listeners = $node->listener_pids;
my $last = $node->visitor;

$last->begin('/last');
$session->quit;
$node->kill9;
Pageviews::Cluster::eventually('nothing is left over', 60,
	sub { !grep { Pageviews::Cluster::alive($_) } @listeners, $worker });
pass('when the postmaster is killed, nothing is left over');
# Where nobody reaps orphans its pid goes on as a zombie's, and its locks with it.
unlink $node->data_dir . '/postmaster.pid', map { $node->host . "/.s.PGSQL." . $node->port . $_ } '', '.lock';
$node->start;
$node->wait_ready;
my $again = $node->visitor;
my $more = $again->begin('/again');

$again->end_view($more, visible => 3);
ok($node->row($more->{view}), 'and the next start is a start');
$node->conserved;
$node->stop;
done_testing();
