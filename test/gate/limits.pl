# Caps: how many may be inside, from one address, how fast they may talk, and
# what happens while the worker cannot take more.

use strict;
use warnings FATAL => 'all';

use IO::Select;
use Pageviews::Client;
use Pageviews::Gate;
use Test::More;
use Time::HiRes qw(sleep time);

# Whether a newcomer gets in; the client, or undef.
sub admitted
{
	my ($gate, %o) = @_;
	my $client = eval { $gate->visitor(%o) };

	return $client && $client->{hello} ? $client : undef;
}

# --- in total -----------------------------------------------------------------------------------

my $gate = Pageviews::Gate->start('limits', '-c', 8, '-i', 20000);

$gate->empty;
my @inside = map { $gate->visitor } 1 .. 8;
my ($turned) = $gate->attack([ $gate->upgrade ], patience => 60);

ok($turned->{ended} && $turned->{bytes} eq '', 'the ninth is hung up on before it is read') or diag(Pageviews::Gate::shown($turned));
my $before = $gate->processor;

for (1 .. 2000)
{
	Pageviews::Gate::hang_up(Pageviews::Gate::dial($gate->{port}), $_ % 2);
}
ok($gate->sleeps, 'two thousand more leave it asleep');
cmp_ok($gate->processor - $before, '<', 5, '... and cost little');
is(scalar(grep { eval { $_->end_view($_->begin('/inside')) } } @inside), 8, 'those inside are heard');
cmp_ok($gate->counters->{refused_full}, '>=', 1500, 'those outside are counted');
$inside[0]->close;
$gate->wait_for('there is room', sub { admitted($gate) });
pass('when one leaves another comes in');
$_->drop for @inside;
$gate->empty;

# --- how fast -------------------------------------------------------------------------------------

my $talker = $gate->visitor;
my $view = $talker->begin('/talks');
my @words;

for (1 .. 300)
{
	last if !$talker->send_message(Pageviews::Client::message($view, 'state', visible => $_));
}
while (my $message = eval { $talker->receive(timeout => 5) })
{
	push @words, $message->{code} if $message->{code};
}
is("@words " . ($talker->{close_code} // 'stays'), 'too_fast 1008', 'who talks too fast is told so, and closed with 1008');

# --- while the worker cannot take more -----------------------------------------------------------------

my $guest = $gate->visitor;

$gate->tell('busy');
$gate->counters;
$gate->refuses(
	3,
	[ 'a busy server opens no socket', $gate->upgrade, 503 ],
	[ 'a busy server takes no note', $gate->note($gate->ends(1)), 503 ],
	[ 'a busy server says that it is not well', $gate->request('GET', '/_view/healthz'), 503 ]);
is($gate->ask('/_view/client.js')->{status}, 200, 'a busy server serves its tracker');
ok(eval { $guest->end_view($guest->begin('/guest')) }, 'a busy server hears those who are inside');
$gate->tell('take');
$gate->wait_for('it takes newcomers', sub { admitted($gate) });
pass('when it is busy no more newcomers come in');
$guest->close;
$gate->stands;

# --- a worker that does not read ------------------------------------------------------------------------

subtest 'a worker that does not read' => sub {
	my $stuck = Pageviews::Gate->start('limits_stuck', '-q', '-i', 20000);
	my @inside;

	# Half of what the channel may hold, then nothing more is read from the sockets.
	kill 'STOP', $stuck->{harness};
	for (1 .. 400)
	{
		my $client = admitted($stuck) // last;

		push @inside, $client;
		for (1 .. 20)
		{
			my $long = $client->new_view('/' . 'p' x 2000, referrer => 'http://other.example/' . 'r' x 1500);

			$client->send_message(Pageviews::Client::message($long, 'view'));
		}
	}
	my ($newcomer) = $stuck->attack([ $stuck->upgrade ], enough => qr/\r\n\r\n/, patience => 60);

	is($newcomer->{status}, 503, 'newcomers are turned away');
	cmp_ok(scalar @inside, '<', 400, '... before it holds more than it may');
	kill 'CONT', $stuck->{harness};
	my $heard = 0;

	for my $client (@inside)
	{
		for (1 .. 20)
		{
			my $message = eval { $client->expect(type => 'ack', timeout => 60) } // last;

			$heard++;
		}
	}
	is($heard, 20 * @inside, 'those inside stay, and all that they said is heard');
	cmp_ok($stuck->counters->{refused_busy}, '>=', 1, 'newcomers are counted');
	$_->drop for @inside;
	$stuck->stands;
};

# --- for each address -----------------------------------------------------------------------------------

subtest 'each address' => sub {
	my $narrow = Pageviews::Gate->start('limits_address', '-a', 3, '-i', 20000);

	$narrow->empty;
	my @three = map { $narrow->visitor } 1 .. 3;

	ok(!admitted($narrow), 'the fourth of an address is turned away');
	ok(!admitted($narrow, headers => ['X-Forwarded-For: 203.0.113.7']), 'whoever it says that it comes for');
	my $other = admitted($narrow, from => '127.0.0.2');

	ok($other, 'another address is not');
	$_->drop for @three, $other;
	$narrow->stands;
};

subtest 'each visitor of a proxy' => sub {
	my $proxied = Pageviews::Gate->start('limits_proxy', '-a', 3, '-i', 20000, '-x', '127.0.0.1');
	my $for = sub { admitted($proxied, headers => ["X-Forwarded-For: $_[0]"]) };

	$proxied->empty;
	my @three = map { $for->('203.0.113.7') } 1 .. 3;

	is(scalar(grep { $_ } @three), 3, 'a visitor behind the proxy has its share');
	$proxied->refuses(
		3,
		[ 'and no more', $proxied->upgrade('X-Forwarded-For' => '203.0.113.7'), 429 ],
		[ 'what it put in front itself is not believed', $proxied->upgrade('X-Forwarded-For' => '198.51.100.1, 203.0.113.7'), 429 ],
		[ 'nor written in another way', $proxied->upgrade('X-Forwarded-For' => ' ::ffff:203.0.113.7'), 429 ]);
	my @others = map { $for->($_) } '203.0.113.8', '203.0.113.7, 203.0.113.9', '2001:db8::1';

	is(scalar(grep { $_ } @others), 3, 'others have theirs');
	$_->drop for grep { $_ } @three, @others;
	for my $nonsense ('', 'x' x 2000, ',' x 500, '999.1.1.1', "1.2.3.4\t,\t", 'unknown', '[::1]:80')
	{
		my ($answer) = $proxied->attack([ $proxied->upgrade('X-Forwarded-For' => $nonsense) ], enough => qr/\r\n\r\n/, patience => 60);

		ok($answer->{ended} || $answer->{status}, 'an X-Forwarded-For that is nonsense does no harm: ' . substr $nonsense, 0, 20);
	}
	$proxied->stands;
};

# --- the other limits, each with its own counter --------------------------------------------------------

subtest 'new connections' => sub {
	my $paced = Pageviews::Gate->start('limits_rate', '-l', 'connection_rate=5', '-i', 20000);
	my $inside = 0;

	for (1 .. 40)
	{
		my $client = admitted($paced) // next;

		$inside++;
		$client->close;
	}
	cmp_ok($inside, '>=', 5, 'an address comes in now and then');
	cmp_ok($inside, '<', 30, '... but not as often as it likes');
	ok(admitted($paced, from => '127.0.0.2'), 'another address comes in');
	cmp_ok($paced->counters->{refused_rate}, '>=', 10, 'those turned away are counted');
	$paced->stands;
};

subtest 'time' => sub {
	my $hasty = Pageviews::Gate->start('limits_time', '-l', 'handshake_timeout=300', '-l', 'idle_timeout=700', '-i', 200);
	my $silent = Pageviews::Gate::dial($hasty->{port});
	my $slow = Pageviews::Gate::dial($hasty->{port});
	my $began = time;
	my %ended;

	# One byte a moment: the patience does not begin anew with each.
	for my $byte (split //, "GET /_view/client.js HTTP/1.1\r\nHost: x\r\n" . 'X: ' . 'y' x 400)
	{
		$ended{slow} //= time - $began if !syswrite $slow, $byte;
		last if $ended{slow} || time > $began + 5;
		sleep 0.02;
	}
	ok($ended{slow}, 'a head that comes byte by byte is hung up on');
	$hasty->wait_for('who says nothing is hung up on', sub { IO::Select->new($silent)->can_read(0.1) && !sysread $silent, my $nothing, 1 });
	is($hasty->counters->{handshake_timeouts}, 2, 'both are counted');
	my $idle = $hasty->visitor;

	$idle->begin('/idle');
	is($idle->closed, 1001, 'a socket that answers pings and says nothing is closed');
	is($hasty->counters->{idle_timeouts}, 1, '... and counted');
	$hasty->stands;
};

subtest 'age' => sub {
	my $gate = Pageviews::Gate->start('limits_age', '-l', 'connection_age=1', '-i', 200);
	my $client = $gate->visitor;

	is($client->closed, 1001, 'a socket that is open for too long is closed');
	is($gate->counters->{expired}, 1, '... and counted');
	$gate->stands;
};

subtest 'sizes' => sub {
	my $small = Pageviews::Gate->start('limits_size', '-l', 'message_size=1024', '-l', 'note_size=4096', '-i', 20000);
	my $client = $small->visitor;

	$client->send_message(Pageviews::Client::message($client->new_view('/' . 'p' x 1000), 'view'));
	is($client->closed, 1009, 'a message that is too large closes with 1009');
	my ($note) = $small->attack([ $small->request('POST', '/_view/note', [ Origin => $small->{origin}, 'Content-Length' => 4098 ], '[' . ' ' x 4096 . ']') ], patience => 3);

	is($note->{status}, 413, 'a note that is too large is refused');
	is($small->counters->{refused_size}, 2, 'both are counted');
	$small->stands;
};
done_testing();
