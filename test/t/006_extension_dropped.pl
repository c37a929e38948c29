# DROP EXTENSION and CREATE EXTENSION while browsers are connected, and a server
# whose database has no extension at all.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main', linger => '300ms');
my $visitor = $node->visitor;
my $view = $visitor->begin('/before');
my $done = $visitor->new_view('/done');
my $other = $node->visitor;
my $short = $other->begin('/short');

$other->end_view($short, visible => 5);
my $mark = $node->log_end;
my $started = time;

$node->safe_psql('postgres', 'DROP EXTENSION pageviews CASCADE');
# Waiting for a worker that holds on would have no end.
cmp_ok(time - $started, '<', 20, 'DROP EXTENSION does not wait for the worker');
is($node->value("SELECT count(*) FROM pg_class WHERE relname LIKE 'views%' AND relnamespace::regnamespace::text = 'pageviews'"),
	'0', 'and takes the partitions along');
$visitor->say_view($view, 'state', visible => 30);
pass('an open socket goes on');
$visitor->send_message(Pageviews::Client::message($view, 'end', reason => 'closed', visible => 44));
$visitor->expect(type => 'ack', view => $view->{view}, n => $view->{n});
$node->logged(qr/pageviews extension is gone/, $mark, 'the log says so');
ok( eval {
		Pageviews::Cluster::eventually('newcomers are turned away', 60,
			sub { my $late = eval { $node->visitor }; !$late || !$late->is_open || !$late->{hello} });
	},
	'newcomers are turned away');
isnt($node->http('GET', '/_view/healthz')->{status}, 200, 'healthz tells a load balancer so');
is($visitor->is_open, 1, 'those inside stay');
$node->safe_psql('postgres', 'CREATE EXTENSION pageviews');
my $row = $node->row($view->{view});

is($row->{engagement_ms}, 44, 'what waited is stored in the new one');
$node->wait_ready;
my $new = $node->visitor;
my $after = $new->begin('/after');

$new->end_view($after, visible => 6);
is($node->row($after->{view})->{engagement_ms}, 6, 'and so is what comes after it');
is($node->value('SELECT count(*) FROM pageviews.cookie_keys'), '1', 'there is a key again');
$node->conserved;

# The same in one transaction, again and again, under load: nothing dies of it.
my $pid = $node->worker_pid;
my $load = $node->load_start('--views', 300, '--visitors', 5, '--hold', 20);

for (1 .. 3)
{
	$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION pageviews CASCADE; CREATE EXTENSION pageviews; COMMIT');
	sleep 0.3;
}
eval { Pageviews::Cluster::load_finish($load) };
Pageviews::Cluster::eventually('it is ready again', 60, sub { $node->healthy });
is($node->worker_pid, $pid, 'dropping and making it under load ends nobody');
$node->conserved;
$node->stop;
done_testing();
