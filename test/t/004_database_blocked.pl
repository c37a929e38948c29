# The database cannot take writes for a while, or cannot take one row ever: no
# socket notices, no view is lost, and nobody waits for somebody else's bad row.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main', linger => '300ms', max_connections_per_address => 0);

# --- a table that is locked while views close ----------------------------------------

for my $seconds (1, 5)
{
	my $before = $node->stats;
	my $locker = $node->background_psql('postgres');

	$locker->query_safe('BEGIN; LOCK TABLE pageviews.views IN ACCESS EXCLUSIVE MODE');
	my $locked = time;
	my $load = $node->load_start('--views', 400, '--visitors', 400, '--stage');

	Pageviews::Cluster::load_line($load, qr/^open$/m);
	Pageviews::Cluster::load_go($load);
	Pageviews::Cluster::eventually('the closed views wait in memory', 60,
		sub { $node->stats->{views_queued} == 400 });
	my $visitor = $node->visitor;
	my $view = $visitor->begin('/while_locked');

	Pageviews::Cluster::fast_enough("a browser is answered while the table is locked ($seconds s)", 0.5, sub {
		my $asked = time;

		$visitor->say_view($view, 'state');
		return time - $asked;
	});
	is($node->value("SELECT count(*) FROM pageviews.live_views WHERE path = '/while_locked'"), '1', '... and its view is live');
	sleep $seconds - (time - $locked) if time - $locked < $seconds;
	$locker->query_safe('COMMIT');
	$locker->quit;
	my $report = Pageviews::Cluster::load_finish($load);

	is("$report->{stored} $report->{deaths} $report->{refused}", '400 0 0', 'every view is stored once the lock is gone');
	$visitor->end_view($view, visible => 10);
	my $after = $node->stats;

	is($after->{views_rejected}, 0, 'none was set aside');
	cmp_ok($after->{retries}, '>', $before->{retries}, 'the batch was tried again');
	is($after->{queue_length}, 0, 'nothing waits any more');
}
is($node->value('SELECT count(*) || \' \' || count(DISTINCT view_id) FROM pageviews.views'), '802 802', 'each once');

# --- rows that can never be stored ------------------------------------------------------

$node->safe_psql('postgres', "ALTER TABLE pageviews.views ADD CONSTRAINT no_poison CHECK (path <> '/poison')");
$node->set_now(flush_interval => '700ms');
Pageviews::Cluster::eventually('batches grow', 60, sub { $node->value("SHOW pageviews.flush_interval") eq '700ms' });
my @visitors = map { $node->visitor } 1 .. 12;
my @views;

for my $i (0 .. $#visitors)
{
	push @views, $visitors[$i]->begin($i == 3 || $i == 8 ? '/poison' : "/good/$i");
}
for my $i (0 .. $#visitors)
{
	$visitors[$i]->send_message(Pageviews::Client::message($views[$i], 'end', reason => 'closed', visible => $i));
}
for my $i (0 .. $#visitors)
{
	my $bad = $i == 3 || $i == 8;
	my $answer = $visitors[$i]->expect(type => $bad ? 'refused' : 'stored', view => $views[$i]{view});

	is($answer->{code}, 'rejected', 'a row that can never be stored is told so') if $bad;
}
is($node->value("SELECT count(*) FROM pageviews.views WHERE path LIKE '/good/%'"), '10', 'the rest of its batch is stored');
is( $node->value("SELECT count(*) || ' ' || min(sqlstate) || ' ' || min(r.row->>'path') FROM pageviews.rejected AS r"),
	'2 23514 /poison', 'it is set aside with its error');
is($node->stats->{views_rejected}, 2, '... and counted');
$visitors[3]->send_message(Pageviews::Client::message($views[3], 'end', n => $views[3]{n}, visible => 3, whole => 1));
is($visitors[3]->expect(type => 'refused', view => $views[3]{view})->{code}, 'rejected', 'it is not tried again and again');
$node->safe_psql('postgres', 'ALTER TABLE pageviews.views DROP CONSTRAINT no_poison');
$node->conserved;
$node->stop;
done_testing();
