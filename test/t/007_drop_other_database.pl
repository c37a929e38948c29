# DROP DATABASE of another database asks every process that is connected to one to
# go along; a worker that waits for a lock must not make it wait.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main');
my $visitor = $node->visitor;

# Seconds that DROP DATABASE of a fresh database takes.
sub drop_time
{
	$node->safe_psql('postgres', 'CREATE DATABASE other');
	my $session = $node->background_psql('postgres');
	my $started = time;

	$session->query_safe('DROP DATABASE other');
	my $took = time - $started;

	$session->quit;
	return $took;
}

Pageviews::Cluster::fast_enough('while the worker is idle', 0.5, \&drop_time);

my $locker = $node->background_psql('postgres');

$locker->query_safe('BEGIN; LOCK TABLE pageviews.views IN ACCESS EXCLUSIVE MODE');
my @waiting;

for my $i (1 .. 5)
{
	my $view = $visitor->begin("/waits/$i");

	$visitor->send_message(Pageviews::Client::message($view, 'end', reason => 'closed', visible => $i));
	push @waiting, $view;
	Pageviews::Cluster::fast_enough('while the store waits for a lock', 0.5, sub {
		Pageviews::Cluster::eventually('the store waits for the lock', 60,
			sub { $node->value("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pageviews%' AND wait_event_type = 'Lock'") });
		return drop_time();
	});
}
$locker->query_safe('COMMIT');
$locker->quit;
for my $view (@waiting)
{
	ok($node->ended_row($view->{view}), 'what waited is stored');
}
$node->conserved;
$node->stop;
done_testing();
