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

my $idle = drop_time();

cmp_ok($idle, '<', 0.5, sprintf 'while the worker is idle: %.0f ms', $idle * 1000);

my $locker = $node->background_psql('postgres');

$locker->query_safe('BEGIN; LOCK TABLE pageviews.views IN ACCESS EXCLUSIVE MODE');
my @waiting;

for my $i (1 .. 5)
{
	my $view = $visitor->begin("/waits/$i");

	$visitor->send_message(Pageviews::Client::message($view, 'end', reason => 'closed', visible => $i));
	push @waiting, $view;
	Pageviews::Cluster::eventually('the store waits for the lock', 10,
		sub { $node->value("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pageviews%' AND wait_event_type = 'Lock'") });
	my $took = drop_time();

	cmp_ok($took, '<', 0.5, sprintf 'while the store waits for a lock: %.0f ms', $took * 1000);
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
