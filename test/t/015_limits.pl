# What is full turns newcomers away and keeps those who are inside.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main', linger => '300ms', max_connections => 12, queue_size => 100);

# Whether a newcomer gets a hello.
sub admitted
{
	my (%o) = @_;
	my $client = eval { $node->visitor(%o) };

	return $client && $client->is_open && $client->{hello} ? $client : undef;
}

# --- connections ----------------------------------------------------------------------

my @inside = map { $node->visitor } 1 .. 12;
my @views = map { $inside[$_]->begin("/inside/$_") } 0 .. 11;

ok(!admitted(), 'the 13th connection is turned away');
$inside[$_]->say_view($views[$_], 'state', visible => 10) for 0 .. 11;
pass('those inside are heard');
cmp_ok(Pageviews::Cluster::eventually('it is counted', 60, sub { $node->stats->{refused_full} }), '>=', 1, 'who was turned away is counted');
$inside[0]->end_view($views[0], visible => 20);
$inside[0]->close;
ok(Pageviews::Cluster::eventually('there is room', 60, sub { admitted() }), 'when one leaves another comes in');
$_->drop for @inside;

# --- one address -------------------------------------------------------------------------

$node->set_now(max_connections_per_address => 3, trusted_proxies => '');
Pageviews::Cluster::eventually('the old ones are gone', 60, sub { $node->stats->{connections} == 0 });
my @near = map { $node->visitor } 1 .. 3;

ok(!admitted(), 'the fourth of one address is turned away');
ok(admitted(from => '127.0.0.2'), 'another address is not');
cmp_ok(Pageviews::Cluster::eventually('it is counted', 60, sub { $node->stats->{refused_address} }), '>=', 1, 'it is counted');
my $spoof = admitted(headers => ['X-Forwarded-For: 203.0.113.7']);

ok(!$spoof, 'X-Forwarded-For of somebody who is no proxy changes nothing');
$_->drop for @near;
$node->set_now(max_connections_per_address => 0);
Pageviews::Cluster::eventually('the near ones are gone', 60, sub { $node->stats->{connections} == 0 });

# --- sockets that say nothing, and requests that never end ----------------------------------

my @slow = map { Pageviews::Client::dial('127.0.0.1', $node->web) } 1 .. 6;

syswrite $_, "GET /_view/cl" for @slow;
ok(admitted(), 'half a request holds up nobody');
ok(eval { Pageviews::Cluster::eventually('slow requests are hung up on', 60, sub { $node->stats->{connections} <= 1 }) },
	'a request that never ends is hung up on');

# --- a visitor who says too much -----------------------------------------------------------

my $talker = $node->visitor;
my $talk = $talker->begin('/talks');

for (1 .. 1000)
{
	last if !$talker->send_message(Pageviews::Client::message($talk, 'state', visible => $_));
}
is($talker->closed, 1008, 'a flood of messages ends the conversation');
ok($node->ended_row($talk->{view}), '... and what was said before is stored');

# --- the queue --------------------------------------------------------------------------------

my $locker = $node->background_psql('postgres');
my $guest = $node->visitor;
my $guest_view = $guest->begin('/guest');

$locker->query_safe('BEGIN; LOCK TABLE pageviews.views IN ACCESS EXCLUSIVE MODE');
my $insider = $node->visitor;
my $full = 0;

for (1 .. 30)
{
	my @messages = map { Pageviews::Client::message($insider->new_view('/fed'), 'end', visible => 1, whole => 1) } 1 .. 10;
	my $answer = eval { Pageviews::Client::note($node->web, \@messages) };

	last if $full = !$answer || $answer->{status} != 204 || $node->stats->{busy};
}
ok($full, 'the queue fills');
my $fed = $node->stats->{queue_length};

cmp_ok($fed, '>=', 90, "it takes $fed views");
cmp_ok($fed, '<=', 112, '... and no more');
ok(eval { Pageviews::Cluster::eventually('newcomers are turned away', 60, sub { !admitted() }) }, 'newcomers are turned away');
my $late = $insider->new_view('/too_late');

$insider->send_message(Pageviews::Client::message($late, 'view'));
is($insider->expect(type => 'refused', view => $late->{view})->{code}, 'busy', 'a new view is refused as busy');
$guest->say_view($guest_view, 'state', visible => 30);
$guest->send_message(Pageviews::Client::message($guest_view, 'end', reason => 'closed', visible => 40));
$guest->expect(type => 'ack', view => $guest_view->{view}, n => $guest_view->{n});
pass('those inside are kept');
$locker->query_safe('COMMIT');
$locker->quit;
ok($node->row($guest_view->{view}), '... and stored');
ok(Pageviews::Cluster::eventually('there is room again', 60, sub { admitted() }), 'when the queue is empty newcomers come in');
is($node->value("SELECT count(*) FROM pageviews.views WHERE path = '/fed'"), $fed, 'what was acknowledged is stored');
$node->conserved;

# --- who stops answering pings -------------------------------------------------------------------

$node->set_now(ping_interval => '200ms');
sleep 0.5;
my $sleeper = $node->visitor;
my $slept = $sleeper->begin('/sleeps', state => 'visible');
my $alive = $node->visitor;
my $awake = $alive->begin('/awake', state => 'visible');
my $until = time + 2;

# One reads, and so answers pings; the other one does not.
while (time < $until)
{
	eval { local $Pageviews::Client::patience = 0.1; $alive->receive(timeout => 0.1) };
}
$alive->end_view($awake, visible => 2000);
is($node->row($awake->{view})->{end_reason}, 'closed', 'whoever answers stays');
my $row = $node->ended_row($slept->{view});

is($row->{end_reason}, 'timeout', 'a machine that fell asleep is noticed');
# It slept for the 2 s of the other one, of which a ping or three are not known to be sleep.
cmp_ok($row->{engagement_ms}, '<', 1500, '... and its sleep does not count');
$node->conserved;
$node->stop;
done_testing();
