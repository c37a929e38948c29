# Requests, notes and frames, bent by chance: nothing but known answers, and the
# listener stands.  A run prints its seed; GATE_SEED=... repeats it.  Every round
# has the seed of the one before plus one, so that the round that did it can be
# run alone: GATE_SEED=<its seed> GATE_ROUNDS=1.

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use Pageviews::Client;
use Pageviews::Gate;
use Test::More;
use Time::HiRes qw(time);

use constant { A_ROUND => 50, SECONDS => 20 };

# Frames go into a text, not to a socket.
package Pageviews::Gate::Pen
{
	our @ISA = ('Pageviews::Client');

	sub write
	{
		my ($self, $bytes) = @_;

		$self->{bytes} .= $bytes;
		return 1;
	}
}

my $gate = Pageviews::Gate->start('mutations', '-q', '-d');
my $json = JSON::PP->new->canonical->utf8;
my $rounds = $ENV{GATE_ROUNDS} || 90;
my $seed = $ENV{GATE_SEED} || int rand 2**31;

diag("GATE_SEED=$seed");

sub one_of
{
	return $_[ rand @_ ];
}

sub noise
{
	return join '', map { chr rand 256 } 1 .. $_[0];
}

# --- what is bent -----------------------------------------------------------------------------

sub request
{
	return one_of(
		sub { $gate->upgrade },
		sub { $gate->upgrade(Upgrade => one_of('h2c', 'foo', 'websocket, h2c', ''), 'HTTP2-Settings' => 'AAMAAABk') },
		sub { $gate->upgrade('Sec-WebSocket-Extensions' => 'permessage-deflate; client_max_window_bits') },
		sub { $gate->note($gate->ends(1 + rand 3)) },
		sub { $gate->note($gate->ends(1), headers => [ one_of('Transfer-Encoding', 'Expect', 'Connection'), one_of('chunked', '100-continue', 'close') ]) },
		sub { $gate->request(one_of('GET', 'POST', 'HEAD', 'CONNECT', 'OPTIONS'), one_of('/_view/client.js', '/page_a', '/page_c', '/demo.css', '/%41/../_view//healthz?a=%zz')) },
		sub { $gate->request('GET', '/_view/client.js', [ 'Accept-Encoding' => one_of('gzip', 'gzip;q=0, *', ';;q=,,'), 'If-None-Match' => one_of('*', 'W/"x", "', '"') ]) },
		sub { $gate->request('GET', '/', [ Cookie => '_pageviews_session=' . one_of('1.1.', '1.1.A.6.B', noise(40)), 'X-Forwarded-For' => '1.2.3.4,' ]) }
	)->();
}

# A few changes of a text, anywhere.
sub bent
{
	my ($text) = @_;

	for (1 .. rand 5)
	{
		my $at = int rand length $text;

		one_of(
			sub { substr $text, $at, 1, chr rand 256 },
			sub { substr $text, $at, 1, chr(ord(substr $text, $at, 1) ^ 1 << rand 8) },
			sub { substr $text, $at, 1 + rand 9, '' },
			sub { substr $text, $at, 0, one_of("\r\n", "\r\n\r\n", "\n", '%', '%00', '..', '//', '?&;=', "\0", ': ', ' ', 'A' x 600, noise(5)) },
			sub { substr $text, $at, 0, substr $text, rand length $text, rand 60 },
			sub { $text = substr $text, 0, $at }
		)->();
		last if !length $text;
	}
	return $text;
}

sub frames
{
	my $pen = bless { bytes => '' }, 'Pageviews::Gate::Pen';

	for (0 .. rand 6)
	{
		my $page = bless { origin => $gate->{origin} }, 'Pageviews::Client';
		my $view = $page->new_view(one_of('/', '/a?utm_source=x&b=c#d', '/%%'), props => one_of({}, { a => 1 }, [], { a => {} }));
		my $payload = one_of(
			sub { noise(one_of(0, 1, 2, 5, 125, 126, 300, 5000)) },
			sub { $json->encode(Pageviews::Client::message($view, one_of(qw(view state end)), whole => 1)) },
			sub { bent($json->encode(Pageviews::Client::message($view, 'view', n => one_of(1, 2, 'x', 2**40)))) }
		)->();

		$pen->send_frame(
			one_of(0, 1, 1, 1, 1, 2, 8, 9, 10, 3), $payload,
			fin => one_of(0, 1, 1, 1),
			masked => one_of(0, (1) x 9),
			reserved => one_of((0) x 8, 0x40, 0x10));
	}
	return rand() < 0.3 ? bent($pen->{bytes}) : $pen->{bytes};
}

# One attack: a text, or pieces of one.
sub attack
{
	return one_of(
		sub { bent(request()) },
		sub { bent(request()) . bent(request()) },
		sub { [ bent(request()), bent(request()) ] },
		sub { [ $gate->upgrade, frames() ] },
		sub { [ $gate->upgrade, frames() ] },
		sub { $gate->upgrade . frames() }
	)->();
}

# --- the attack ---------------------------------------------------------------------------------

my %known = map { $_ => 1 } 0, 101, 200, 204, 302, 304, 400, 403, 404, 411, 413, 414, 429, 431;
my %statuses;
my ($started, $sent, @bad, $fell) = (time, 0);

for my $round (0 .. $rounds - 1)
{
	last if time - $started > SECONDS;
	srand($seed + $round);
	my @texts = map { attack() } 1 .. A_ROUND;
	my @answers = eval { $gate->attack(\@texts, patience => 0.07, pause => 0.005, reset => $round % 2) };

	$sent += @answers;
	$statuses{ $_->{status} }++ for @answers;
	push @bad, map { sprintf 'GATE_SEED=%d: %s', $seed + $round, Pageviews::Gate::shown($_) }
	  grep { !$known{ $_->{status} } || ($_->{status} == 0 && length $_->{bytes}) } @answers;
	if (!@answers || ($gate->ask('/_view/healthz')->{status} // 0) != 200)
	{
		$fell = "GATE_SEED=@{[ $seed + $round ]} GATE_ROUNDS=1 make gate GATE_TESTS=test/gate/mutations.pl";
		last;
	}
}
is($fell, undef, "$sent bent requests do not bring the listener down");
is_deeply(\@bad, [], 'every answer is one that this server gives');
ok(($statuses{101} // 0) > $sent / 5, 'many of them come as far as a socket') or diag(explain(\%statuses));
ok(grep({ $statuses{$_} } 200, 204), 'and some are fine') or diag(explain(\%statuses));
$gate->stands;
done_testing();
