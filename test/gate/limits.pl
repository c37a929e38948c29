# Caps: how many may be inside, from one address, how fast they may talk, and
# what happens while the worker cannot take more.

use strict;
use warnings FATAL => 'all';

use Pageviews::Client;
use Pageviews::Gate;
use Test::More;

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
done_testing();
