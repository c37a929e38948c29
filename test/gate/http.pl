# Plain HTTP: methods, paths, heads and silences that a web server must survive.

use strict;
use warnings FATAL => 'all';

use Pageviews::Gate;
use Socket qw(IPPROTO_TCP);
use Test::More;
use Time::HiRes qw(sleep time);

my $gate = Pageviews::Gate->start('http');
my $health = '/_view/healthz';

# --- what is served, so that the rest means something -------------------------------------

my $script = $gate->ask('/_view/client.js');

is($gate->ask($health)->{body}, "ok\n", 'health is told');
is($script->{status}, 200, 'the tracker is served');
is($script->{headers}{'cache-control'}, 'private, no-cache', '... to nobody but the visitor');
is($gate->ask('/_view/client.js', "If-None-Match: $script->{headers}{etag}")->{status}, 304, '... and once');
is($gate->ask('/nope')->{status}, 404, 'what is not there is not found');
is($gate->ask('/page_a')->{status}, 404, 'the demo site is not there unless somebody wants it');
my ($pipelined) = $gate->attack([ $gate->request('GET', $health) x 5 ], patience => 60);

is(scalar(() = $pipelined->{bytes} =~ /\r\n\r\nok\n/g), 1, 'of five requests in one packet one is answered');
ok($pipelined->{ended}, '... and the others, which the library reads from freed memory, are never read');

# --- at once ---------------------------------------------------------------------------------

# The answer 403 in a page of HTML is the library's own, for what it cannot read.
$gate->refuses(
	3,
	(map { [ "$_ is no method here", $gate->request($_, $health), 0, 403 ] } qw(OPTIONS PUT DELETE HEAD PATCH TRACE BREW)),
	[ 'CONNECT opens no tunnel', "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", 0 ],
	[ 'CONNECT opens no tunnel for bytes that follow', "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n" . "\x16\x03\x01" x 1000, 0 ],
	[ 'a preface of HTTP/2 begins no HTTP/2', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . "\0\0\0\4\0\0\0\0\0" x 20, 0, 403 ],
	[ 'a TLS hello to plain HTTP ends', "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . "\0" x 506, 0, 403 ],
	[ 'noise ends', join('', map { chr(128 + $_ % 128) } 1 .. 5000), 0, 403 ],
	[ 'a head longer than the buffer ends', $gate->request('GET', $health, [ X => 'a' x 9000 ]), 0, 403, 431 ],
	[ 'a path longer than the buffer ends', $gate->request('GET', '/' . 'a' x 9000), 0, 403, 414, 431 ],
	[ 'a name of a header longer than the buffer ends', $gate->request('GET', $health, [ 'a' x 9000 => 1 ]), 0, 403, 431 ],
	[ 'two thousand headers end', $gate->request('GET', $health, [ map { (X => $_) } 1 .. 2000 ]), 0, 403, 431 ],
	[ 'a GET with a body ends, so that no request hides in it', $gate->request('GET', $health, [ 'Content-Length' => 5 ], 'hello'), 0 ],
	[ 'a GET with a chunked body ends', $gate->request('GET', $health, [ 'Transfer-Encoding' => 'chunked' ], "0\r\n\r\n"), 0 ],
	(
		map { [ "a POST to $_ ends", $gate->request('POST', $_, [ 'Content-Length' => 5 ], 'hello'), 0, 403 ] }
		  '/x', '/_view/client.js', $health, '/_view/socket', '/_view/note/', '/note', '/..//_view/note', '/%5fview/note'
	),
	[ 'a path out of the root finds nothing', $gate->request('GET', '/_view/../../../etc/passwd'), 404, 0, 403 ],
	[ 'an escaped path out of the root finds nothing', $gate->request('GET', '/_view/%2e%2e/%2e%2e/etc/passwd'), 404, 0, 403 ],
	[ 'a broken escape finds nothing', $gate->request('GET', '/%zz%'), 404, 0, 403 ],
	[ 'an escaped zero byte finds nothing', $gate->request('GET', '/_view/healthz%00.js'), 404, 0, 403 ],
	[ 'lines that end without a CR are lines, and what is behind them is not read', $gate->request('GET', $health) =~ s/\r//gr x 2, 200 ],
	[ 'a path that is an address is no proxy request', $gate->request('GET', 'http://example.com/'), 0, 403, 404 ]);

# --- in the end ------------------------------------------------------------------------------

my @slow = (
	[ 'a caller who says nothing is hung up on', '' ],
	[ 'half a request line is hung up on', 'GET / HT' ],
	[ 'a head without its end is hung up on', "GET $health HTTP/1.1\r\nHost: x\r\n" ],
	[ 'a head that is a zero byte is hung up on', "\0" ],
	[ 'lines that end without a LF are none', $gate->request('GET', $health) =~ s/\n//gr ],
	[ 'a header that is folded is hung up on', $gate->request('GET', $health, [ X => "a\r\n b" ]) ],
	[ 'a zero byte in a header is hung up on', $gate->request('GET', $health, [ X => "a\0b" ]) ],
	[ 'a head that comes byte by byte has no longer than another', [ map { "X: $_\r\n" } 'GET', 1 .. 60 ] ]);
# The time that one has is 5 s; to send it all, byte by byte, takes 24 s.
my @answers = $gate->attack([ map { $_->[1] } @slow ], patience => 60, pause => 0.4);

for (0 .. $#slow)
{
	ok($answers[$_]{ended} && $answers[$_]{seconds} < 20, $slow[$_][0]) or diag(Pageviews::Gate::shown($answers[$_]));
}

# --- how it comes ---------------------------------------------------------------------------------

# A script in pieces of 532 bytes would be a dozen packets, and as many turns of the loop.
my ($whole) = $gate->attack([ $gate->request('GET', '/_view/client.js') ], keep => 1);
my $segments = unpack 'x152 L', getsockopt $whole->{socket}, IPPROTO_TCP, 11;    # tcpi_data_segs_in of TCP_INFO

cmp_ok($segments, '<=', 2, 'the script comes in one piece') or diag(Pageviews::Gate::shown($whole));
Pageviews::Gate::hang_up($whole->{socket});

# --- many at the same time ------------------------------------------------------------------------

my @held = map { Pageviews::Gate::dial($gate->{port}) } 1 .. 300;

syswrite $_, 'GET /_vie' for @held;
my $started = time;

is($gate->ask($health)->{status}, 200, 'three hundred halves of requests hold up nobody');
# Those who hold it up would do so for 5 s.
cmp_ok(time - $started, '<', 4.5, '... for no time that matters');
Pageviews::Gate::hang_up($_, 1) for @held;
$gate->empty;

my $before = $gate->counters->{connections};

for (1 .. 500)
{
	my $socket = Pageviews::Gate::dial($gate->{port});

	syswrite $socket, $gate->request('GET', '/_view/client.js');
	Pageviews::Gate::hang_up($socket, $_ % 2);
}
$gate->wait_for('all were accepted', sub { $gate->counters->{connections} - $before >= 450 });
pass('callers who leave before their answer do no harm');
$gate->stands;
done_testing();
