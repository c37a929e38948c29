# While a batch is being written nobody waits for it: a new visitor's view is
# acknowledged, and a view of the batch itself goes on or ends, all before anything of
# the batch is committed; and each is stored as it was last.  A listener that dies
# meanwhile takes nothing with it.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;

use constant CROWD => 180;

my $node = Pageviews::Cluster->running('main',
	linger => '100ms', flush_interval => '10s', batch_size => CROWD + 2, write_timeout => '30s',
	max_connections_per_address => 0);

$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.path LIKE '/slow/%' THEN PERFORM pg_catalog.pg_sleep(0.02); END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER slowly BEFORE INSERT ON pageviews.views FOR EACH ROW EXECUTE FUNCTION public.slowly();
SQL

# Two whose sockets die, so that their rows wait for the batch, and a crowd that ends: then the
# batch is full, and is written at once.
my $returning = $node->visitor;
my $back = $returning->begin('/slow/back', state => 'hidden', visible => 300);
my $cookie = $returning->cookie;
my $leaving = $node->visitor;
my $gone = $leaving->begin('/slow/gone', state => 'hidden', visible => 300);

$_->drop for $returning, $leaving;
$node->becomes('SELECT views_queued = 2 FROM pageviews.worker_stats', 'both have ended');
my $visitor = $node->visitor;
my @crowd = map { $node->visitor } 1 .. CROWD;
my @views = map { $crowd[$_]->begin("/slow/$_") } 0 .. $#crowd;

$returning = $node->visitor(cookie => $cookie);
$leaving = $node->visitor;
$crowd[$_]->send_message(Pageviews::Client::message($views[$_], 'end', visible => $_)) for 0 .. $#crowd;
my $worker = $node->worker_pid;

$node->becomes("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $worker", 'the batch is being written');
my $new = $visitor->new_view('/new');

$leaving->send_message(Pageviews::Client::message($gone, 'end', visible => 350, whole => 1));
$visitor->send_message(Pageviews::Client::message($new, 'view'));
$returning->send_message(Pageviews::Client::message($back, 'view', state => 'hidden', visible => 400));
$visitor->expect(type => 'ack', view => $new->{view});
$returning->expect(type => 'ack', view => $back->{view});
is($node->value('SELECT count(*) FROM pageviews.views'), 0,
	'a new view is acknowledged before the batch is committed, and so is one of the batch that goes on');
ok($node->value("SELECT count(*) FROM pageviews.live_views WHERE view_id = '$back->{view}'"), '... which is open again');

# The batch, and what was said meanwhile.
$node->set_now(flush_interval => '100ms');
$crowd[$_]->expect(type => 'stored', view => $views[$_]{view}) for 0 .. $#crowd;
is($node->value('SELECT sum(engagement_ms) FROM pageviews.views WHERE view_id IN (' . join(', ', map { "'$_->{view}'" } @views) . ')'),
	CROWD * (CROWD - 1) / 2, 'the batch is stored');
$leaving->expect(type => 'stored', view => $gone->{view}, n => $gone->{n});
is_deeply([ @{ $node->row($gone->{view}) }{qw(engagement_ms end_reason)} ], [ 350, 'closed' ], 'a view of the batch is stored as it ended meanwhile');
$returning->end_view($back, visible => 450);
is_deeply([ @{ $node->row($back->{view}) }{qw(engagement_ms end_reason)} ], [ 450, 'closed' ], 'and one that went on as it ended afterwards');
$visitor->end_view($new, visible => 10);
$node->all_stored(CROWD + 3);
$node->conserved;

# A listener that dies while a batch is being written is buried in the midst of it, and the
# batch goes on.
$node->set_now(flush_interval => '10s');
@crowd = map { $node->visitor } 1 .. CROWD + 2;
@views = map { $crowd[$_]->begin("/slow/again/$_") } 0 .. $#crowd;
$crowd[$_]->send_message(Pageviews::Client::message($views[$_], 'end', visible => $_)) for 0 .. $#crowd;
$node->becomes("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $worker", 'another batch is being written');
my ($listener) = $node->listener_pids;

kill 'KILL', $listener if Pageviews::Cluster::is_listener($listener);
$node->wait_ready;
isnt(($node->listener_pids)[0], $listener, 'another listener serves');
$node->becomes('SELECT count(ended_at) = ' . (2 * CROWD + 5) . ' FROM pageviews.views', 'the batch is stored');
$node->all_stored(2 * CROWD + 5);
is($node->worker_pid, $worker, 'the worker is the same');
$node->conserved;
$node->stop;
done_testing();
