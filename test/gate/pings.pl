# Pings: who answers lives on, who does not is closed for that reason and no
# other, and each way of leaving is told apart.

use strict;
use warnings FATAL => 'all';

use Pageviews::Client;
use Pageviews::Gate;
use Test::More;
use Time::HiRes qw(time);

use constant INTERVAL => 0.5;

my $gate = Pageviews::Gate->start('pings', '-i', INTERVAL * 1000);

# How the reports say that a socket ended: 0 said goodbye, 1 did not, 2 timed out.
sub cause
{
	my ($number) = @_;

	return $gate->reported(qr/^closed $number cause=(\d)$/m);
}

# Reads, and so answers pings, for so long.
sub linger
{
	my ($client, $seconds) = @_;
	my $until = time + $seconds;

	while ($client->is_open && time < $until)
	{
		eval { $client->receive(timeout => 0.05) };
	}
}

# --- one that answers, one that does not, one that only talks --------------------------------

my $awake = $gate->visitor;
my $awake_number = $gate->number_of;
my $started = time;
my $asleep = $gate->visitor;
my $asleep_number = $gate->number_of;
my $talker = $gate->visitor;

# It reads pings but answers none.
$talker->{mute} = 1;
my $view = $talker->begin('/talks');
my $until = time + 10 * INTERVAL;

while (time < $until)
{
	linger($awake, INTERVAL / 4);
	last if !eval { $talker->say_view($view, 'state', visible => int((time - $started) * 1000)) };
}
cmp_ok($awake->{pings} // 0, '>=', 6, 'pings come') or diag($awake->{pings} // 0);
ok($awake->is_open, 'who answers pings lives on, for ten intervals');
ok(eval { $awake->end_view($awake->begin('/awake')) }, '... and is heard');
cmp_ok($talker->{pings} // 0, '>=', 6, 'who talks is pinged as well');
ok($talker->is_open, '... and lives on, whatever became of its pongs');
is(cause($asleep_number), 2, 'who does not answer is closed as timed out');
is($gate->counters->{ping_timeouts}, 1, '... and counted');
my $silence = eval { $asleep->closed } // 'open';

is($silence, 1006, '... and hung up on');

# --- the time that one has ---------------------------------------------------------------------

my $mute = $gate->visitor;
my $number = $gate->number_of;

$mute->{mute} = 1;
$started = time;
eval { $mute->closed };
my $lasted = time - $started;

cmp_ok($lasted, '>', 2.5 * INTERVAL, 'nobody is given up before two and a half intervals have passed');
cmp_ok($lasted, '<', 6 * INTERVAL + 1, '... nor much later');
is(cause($number), 2, '... and it is told as a timeout');

# A pong that nobody asked for proves as much as another.
my $eager = $gate->visitor;

$eager->{mute} = 1;
$until = time + 8 * INTERVAL;
while (time < $until)
{
	$eager->send_frame(10, '');
	linger($eager, INTERVAL / 2);
}
ok(!$eager->is_open || $eager->{pings} >= 4, 'pongs with nothing in them do no harm');
my $repeats = $gate->visitor;

$repeats->{mute} = 1;
$until = time + 8 * INTERVAL;
while (time < $until)
{
	$repeats->send_frame(10, 'x');
	linger($repeats, INTERVAL / 2);
}
ok($repeats->is_open, 'a pong is a sign of life, whatever is in it');

# --- another interval ---------------------------------------------------------------------------

$gate->tell('ping 20000');
$gate->counters;
my $guest = $gate->visitor;

$gate->tell('ping 100');
$until = time + 60;
linger($guest, 0.1) while $guest->is_open && ($guest->{pings} // 0) < 6 && time < $until;
cmp_ok($guest->{pings} // 0, '>=', 6, 'a shorter interval reaches those who are inside') or diag($guest->{pings} // 0);
$gate->tell('ping 5000');
$gate->counters;

# --- ways of leaving ---------------------------------------------------------------------------------

for (
	[ 'a closing handshake is an end', 0, sub { $_[0]->close } ],
	[ 'a closed connection is no timeout', 1, sub { $_[0]->drop } ],
	[ 'nor is a reset', 1, sub { $_[0]->reset } ],
	[ 'nor one that is given up', 1, sub { $_[0]->send_text('hello'); $_[0]->closed } ])
{
	my ($name, $cause, $leave) = @$_;
	my $client = $gate->visitor;
	my $leaver = $gate->number_of;

	$leave->($client);
	is(cause($leaver), $cause, $name);
}
ok($awake_number != $asleep_number, 'no two visitors share a number');
$_->reset for grep { $_->is_open } $awake, $talker, $eager, $repeats, $guest;
$gate->stands;
done_testing();
