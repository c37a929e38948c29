# Notes (what sendBeacon posts): their bounds, who may send them, and what waits
# behind them.

use strict;
use warnings FATAL => 'all';

use Pageviews::Gate;
use Test::More;

my $gate = Pageviews::Gate->start('notes');

# A body of exactly so many bytes that holds one message.
sub padded
{
	my ($length) = @_;
	my $body = JSON::PP->new->utf8->encode($gate->ends(1));

	return $body . ' ' x ($length - length $body);
}

# An event of no view, with these fields.
sub event
{
	my (%o) = @_;

	return { type => 'event', event => Pageviews::Client::uuid(), url => $gate->ends(1)->[0]{url}, %o };
}

# Views that were reported on a path.
sub heard
{
	my ($path) = @_;

	return scalar(() = $gate->reports =~ m{^message .* path=\Q$path\E }mg);
}

# --- what is taken, and ends the connection --------------------------------------------------

$gate->refuses(
	3,
	[ 'a note of one message is taken', $gate->note($gate->ends(1)), 204 ],
	[ 'a note of 16 messages is taken', $gate->note($gate->ends(16, name => 'sixteen')), 204 ],
	[ 'a note of 17 messages is not', $gate->note($gate->ends(17, name => 'seventeen')), 400 ],
	[ 'a note of 64 KiB is taken', $gate->note(padded(65536)), 204 ],
	[ 'a note of one byte more is not', $gate->note(padded(65537)), 413 ],
	[ 'a note of nothing is taken for nothing', $gate->note('[]'), 204 ],
	[ 'elements that are none cost only themselves', $gate->note([ 1, {}, 'x', [], @{ $gate->ends(1) } ]), 204 ],
	[
		'an element that takes more memory than there is for one costs only itself',
		$gate->note('[{"a":[{}' . ',{}' x 20000 . ']},' . substr JSON::PP->new->utf8->encode($gate->ends(1, name => 'spared')), 1), 204
	],
	[ 'a page of another site costs only itself', $gate->note([ { %{ $gate->ends(1)->[0] }, url => 'http://other.example/' }, @{ $gate->ends(1) } ]), 204 ],
	[ 'an event is taken', $gate->note([ event(name => 'happened') ]), 204 ],
	[ 'events that are none, or refused, cost only themselves',
		$gate->note([ event(name => ''), event(name => 1), event(name => 'x', props => [1]), event(name => 'x', event => 'x'), event(name => 'behind') ]), 204 ],
	[ 'the same view twice is answered', $gate->note([ ($gate->ends(1)->[0]) x 2 ]), 204 ]);
is(scalar(() = $gate->reports =~ /^message .* name=sixteen /mg), 16, 'each of the 16 is heard');
is(scalar(() = $gate->reports =~ /^message .* name=spared /mg), 1, 'who comes behind one that takes too much is heard');
is(scalar(() = $gate->reports =~ /^message .* name=seventeen /mg), 0, 'of the 17 none');
is(scalar(() = $gate->reports =~ /^message .* name=happened /mg), 1, 'an event is heard');
is(scalar(() = $gate->reports =~ /^message .* name=behind /mg), 1, '... and one behind those that are none');
is(scalar(() = $gate->reports =~ /^message .* name=x /mg), 0, '... of which none is');

# --- what is refused -----------------------------------------------------------------------------

$gate->refuses(
	3,
	[ 'a message without its array is refused', $gate->note($gate->ends(1)->[0]), 400 ],
	[ 'no JSON is refused', $gate->note('hello'), 400 ],
	[ 'zero bytes are refused', $gate->note("\0" x 10), 400 ],
	[ 'broken UTF-8 is refused', $gate->note("[\"\xff\xfe\"]"), 204, 400 ],
	[ '60,000 brackets are refused', $gate->note('[' x 60000), 400 ],
	[ 'an array in arrays is refused', $gate->note('[' x 500 . ']' x 500), 204, 400 ],
	[ 'an empty body is refused', $gate->note(''), 400 ],
	[ 'no length is refused', $gate->note('[]', length => undef), 411 ],
	[ 'a length below zero is refused', $gate->note('[]', length => -1), 411 ],
	[ 'a length above all bounds is refused', $gate->note('[]', length => '99999999999999999999'), 411, 413 ],
	[ 'a length of 2^32 + 2 is refused', $gate->note('[]', length => 2**32 + 2), 411, 413 ],
	[ 'a hexadecimal length is refused', $gate->note('[]', length => '0x2'), 411 ],
	[ 'two lengths are refused, so that no request hides behind one', $gate->note('[]', headers => [ 'Content-Length' => 3 ]), 0, 400, 411 ],
	[ 'a chunked body is refused', $gate->note("2\r\n[]\r\n0\r\n\r\n", headers => [ 'Transfer-Encoding' => 'chunked' ]), 411 ],
	[ 'no Origin is refused', $gate->note('[]', origin => undef), 403 ],
	[ 'the Origin null is refused', $gate->note('[]', origin => 'null'), 403 ],
	[ 'the wrong Origin is refused', $gate->note($gate->ends(1, name => 'evil'), origin => 'http://evil.example'), 403 ],
	[ 'two Origins are refused', $gate->note('[]', headers => [ Origin => $gate->{origin} ]), 400 ],
	[ 'two Cookies are refused', $gate->note('[]', headers => [ Cookie => 'a=b', Cookie => 'c=d' ]), 400 ],
	[ 'a body longer than its length is refused, or cut', $gate->note('[]hello', length => 2), 0, 204, 400 ]);
is(scalar(() = $gate->reports =~ /^message .* name=evil /mg), 0, 'what a wrong Origin says is not heard');

my ($answer) = $gate->attack([ $gate->note('[]') ], patience => 60);

like($answer->{bytes}, qr/^Access-Control-Allow-Origin: \Q$gate->{origin}\E\r$/m, 'the page of another origin of the list may read the answer');
unlike($answer->{bytes}, qr/^Access-Control-Allow-Origin: \*/m, '... and nobody else');

# --- bodies that do not come -----------------------------------------------------------------------

my $whole = $gate->note($gate->ends(1, name => 'torn'));
my @slow = (
	[ 'a body that does not come is hung up on', $gate->note('', length => 50) ],
	[ 'half a body is hung up on', $gate->note('[1', length => 50) ],
	[ 'a body that drips in is hung up on', [ $gate->note('[1', length => 5000), map { ' ' } 1 .. 60 ] ]);

# Meanwhile the worker says nothing: a note waits for it, for 5 s.
$gate->tell('mute');
push @slow, [ 'a note that the worker does not answer is not forgotten', $gate->note($gate->ends(2, name => 'muted')) ];

# What waits behind a body made the library spin.
my $next = $gate->request('GET', '/_view/healthz');

push @slow, [ 'a request behind a body does not spin', $gate->note($gate->ends(1)) . $next ],
  [ 'five notes in one packet do not spin', $gate->note($gate->ends(1)) x 5 ],
  [ 'an upgrade behind a body does not spin', $gate->note($gate->ends(1)) . $gate->upgrade ],
  [ 'half a request behind a body does not spin', $gate->note($gate->ends(1)) . 'GET /' ];
my $before = $gate->processor;
my @answers = $gate->attack([ map { $_->[1] } @slow ], patience => 60, pause => 0.3);
my $used = $gate->processor - $before;

for (0 .. $#slow)
{
	# The time that each has is 5 s; the one that drips would take 18 s.
	ok($answers[$_]{ended} && $answers[$_]{seconds} < 17, $slow[$_][0]) or diag(Pageviews::Gate::shown($answers[$_]));
}
is($answers[3]{status}, 503, '... but answered with 503, so that its page keeps it');
like($answers[3]{bytes}, qr/^Retry-After: \d+\r$/m, '... and told when to come again');
cmp_ok($answers[3]{seconds}, '>', 4, '... after the time that it has');
cmp_ok($used, '<', 1.5, 'all this waiting costs next to no processor') or diag("$used s");
unlike(join('', map { $_->{bytes} } @answers[ 4 .. 7 ]), qr{HTTP/1\.1 (?:101|200) }, 'nothing behind a body is served');
$gate->tell('speak');

# The same, answered at once, and the connection held open by the caller.
my @behind = $gate->attack(
	[
		$gate->note($gate->ends(1)) . $next, $gate->note($gate->ends(1)) . $next x 50,
		$gate->note($gate->ends(1)) x 5, $gate->note('[]') . $next,
		$gate->note('hello') . $next, [ $gate->note($gate->ends(1)), $next ]
	],
	patience => 60,
	keep => 1);

ok($gate->sleeps, 'with requests behind answered bodies, and nobody hanging up, the listener sleeps');
is(scalar(grep { $_->{ended} } @behind), 6, 'an answered note ends its connection');
Pageviews::Gate::hang_up($_->{socket}) for @behind;

# --- leaving --------------------------------------------------------------------------------------

for (1 .. 60)
{
	my $note = $gate->note($gate->ends(3, name => 'left'));
	my $socket = Pageviews::Gate::dial($gate->{port});

	syswrite $socket, substr $note, 0, $_ % 3 ? length $note : 200 + 10 * $_;
	Pageviews::Gate::hang_up($socket, $_ % 2);
}
$gate->empty;
my @opened = $gate->reports =~ /^opened (\d+) /mg;
my @closed = $gate->reports =~ /^closed (\d+) /mg;

is(scalar @closed, scalar @opened, 'every note that the worker was told of was closed, and once');
$gate->stands;
done_testing();
