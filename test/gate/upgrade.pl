# The way from HTTP to a websocket: everything but the one good upgrade is refused
# before the library's faults in it can be reached.

use strict;
use warnings FATAL => 'all';

use Pageviews::Gate;
use Test::More;

my $gate = Pageviews::Gate->start('upgrade');
my $health = $gate->request('GET', '/_view/healthz');
my ($host, $origin) = ("127.0.0.1:$gate->{port}", $gate->{origin});

# The head of the answer to an upgrade, and the connection on.
sub upgraded
{
	my (%o) = @_;
	my ($answer) = $gate->attack([ $gate->upgrade(%o) ], enough => qr/\r\n\r\n/);

	return $answer;
}

# --- the good one -----------------------------------------------------------------------------

is(upgraded()->{status}, 101, 'a good upgrade is taken');
is(upgraded('Sec-WebSocket-Protocol' => 'chat, pageviews.v1')->{status}, 101, '... with our subprotocol among others');
is(upgraded(Connection => 'keep-alive, Upgrade')->{status}, 101, '... as Firefox says it');

# --- permessage-deflate: 336 bytes of it abort the library ---------------------------------------

for my $offer ('permessage-deflate', 'permessage-deflate; client_max_window_bits', 'permessage-deflate; server_no_context_takeover; client_max_window_bits=8',
	'x-webkit-deflate-frame', 'permessage-deflate, ' x 5 . 'foo')
{
	my $answer = upgraded('Sec-WebSocket-Extensions' => $offer);

	ok($answer->{status} == 101 && $answer->{bytes} !~ /extensions/i, 'compression is never offered back: ' . substr $offer, 0, 60)
	  or diag(Pageviews::Gate::shown($answer));
}
my $client = $gate->visitor(headers => ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits']);

$client->send_frame(1, pack('C*', map { $_ * 7 % 256 } 1 .. 336), reserved => 0x40);
is($client->closed, 1002, 'a compressed frame is a protocol error');

# --- upgrades that are none ------------------------------------------------------------------------

my $h2 = "AAMAAABkAARAAAAAAAIAAAAA";

$gate->refuses(
	3,
	[ 'h2c does not begin', $gate->upgrade(Upgrade => 'h2c', 'HTTP2-Settings' => $h2), 0 ],
	[ 'h2c in a crowd does not begin', $gate->upgrade(Upgrade => 'h2c, websocket', 'HTTP2-Settings' => $h2), 0, 403 ],
	[ 'h2c with a preface behind it does not begin', $gate->upgrade(Upgrade => 'h2c', 'HTTP2-Settings' => $h2) . "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0 ],
	[ 'Upgrade: foo leads nowhere', $gate->upgrade(Upgrade => 'foo'), 0, 403 ],
	[ 'GET, then Upgrade: foo on the same connection leads nowhere', [ $gate->request('GET', '/_view/healthz'), $gate->upgrade(path => '/x', Upgrade => 'foo') ], 200 ],
	[ 'GET and Upgrade: foo in one packet lead nowhere', $health x 3 . $gate->upgrade(path => '/x', Upgrade => 'foo'), 200 ],
	[ 'an Upgrade of 300 bytes leads nowhere', $gate->upgrade(Upgrade => 'w' x 300), 0, 403 ],
	[ 'an Upgrade that begins like ours leads nowhere', $gate->upgrade(Upgrade => 'websocket2'), 0, 403 ],
	[ 'an empty Upgrade leads nowhere', $gate->upgrade(Upgrade => ''), 0, 400, 403, 404 ],
	[ 'an upgrade without Connection leads nowhere', $gate->upgrade(Connection => undef), 0, 400, 404 ],
	(map { [ "an upgrade by $_ is refused", $gate->upgrade(method => $_), 0, 400, 403 ] } qw(POST HEAD PUT OPTIONS DELETE PATCH CONNECT TRACE)),
	(map { [ "version $_ is not spoken", $gate->upgrade('Sec-WebSocket-Version' => $_), 400 ] } '0', '7', '8', '14', '013', '13, 8', '-1', 'x' x 100),
	[ 'no version is not spoken', $gate->upgrade('Sec-WebSocket-Version' => undef), 400 ],
	[ 'without a subprotocol nobody gets in', $gate->upgrade('Sec-WebSocket-Protocol' => undef), 400 ],
	(map { [ "subprotocol $_->[0] does not get in", $gate->upgrade('Sec-WebSocket-Protocol' => $_->[1]), 0, 400, 403 ] }
		[ 'chat', 'chat' ], [ 'pageviews.v2', 'pageviews.v2' ], [ 'pageviews.v10', 'pageviews.v10' ], [ '""', '' ],
		[ 'of commas', ',' x 200 ], [ 'of 3,000 bytes', 'p' x 3000 ]),
	[ 'an empty key is refused', $gate->upgrade('Sec-WebSocket-Key' => ''), 0, 400 ],
	[ 'a missing key is refused', $gate->upgrade('Sec-WebSocket-Key' => undef), 0, 400 ],
	(map { [ "a key of $_ bytes is refused", $gate->upgrade('Sec-WebSocket-Key' => 'A' x $_), 0, 400 ] } 22, 23, 25, 26, 200),
	(map { [ "$_ is no socket", $gate->upgrade(path => $_), 0, 400, 403 ] } '/_view/socket/', '/socket', '/', '/_view/client.js', '/_view/note', '/_VIEW/socket'));

# --- whose pages may open one ------------------------------------------------------------------------

$gate->refuses(
	3,
	[ 'a program without an Origin is no page', $gate->upgrade(Origin => undef), 403 ],
	(
		map { [ "the page of $_ is not ours", $gate->upgrade(Origin => $_), 403, 0 ] } 'null', 'http://evil.example', "$origin.evil.example",
		"http://evil$host", "http://evil.example:$gate->{port}", "http://$host\@evil.example", "https://127.0.0.1", "file://$host",
		'http://' . 'a' x 2000, "$origin/", '//127.0.0.1'
	),
	[ 'two Origins are none', $gate->upgrade(more => [ Origin => $origin ]), 400 ],
	[ 'a second, evil Origin is seen', $gate->upgrade(more => [ Origin => 'http://evil.example' ]), 400 ],
	[ 'two Hosts are none', $gate->upgrade(more => [ Host => $host ]), 400 ],
	[ 'no Host is none', $gate->upgrade(Host => undef), 400 ],
	[ "another's Host does not make its Origin ours", $gate->upgrade(Host => 'good.example', Origin => 'http://evil.example'), 403 ],
	[ 'two Cookies are none', $gate->upgrade(more => [ Cookie => 'a=b', Cookie => 'c=d' ]), 400 ]);

# --- and a list of origins --------------------------------------------------------------------------

my $listed = Pageviews::Gate->start('upgrade_listed', '-o', 'https://shop.example https://*.shop.example');

$listed->refuses(
	3,
	(
		map { [ "$_ is not on the list", $listed->upgrade(Origin => $_), 403 ] } 'http://shop.example', 'https://shop.example.evil',
		'https://evilshop.example', 'https://.shop.example', 'https://shop.example:8443', $listed->{origin}
	));
for my $good ('https://shop.example', 'https://www.shop.example', 'https://a.b.shop.example', 'https://shop.example:443')
{
	my ($answer) = $listed->attack([ $listed->upgrade(Origin => $good) ], enough => qr/\r\n\r\n/);

	is($answer->{status}, 101, "$good is on the list");
}
$listed->stands(origin => 'https://shop.example');

# --- 200 failed upgrades leave nothing behind --------------------------------------------------------

my @failed = $gate->attack([ map { $gate->upgrade($_ % 2 ? (Upgrade => 'h2c') : ('Sec-WebSocket-Version' => 8)) } 1 .. 200 ], patience => 60);

is(scalar(grep { $_->{ended} } @failed), 200, 'two hundred failed upgrades all end');
unlike($gate->reports, qr/^closed 0 /m, 'and none of them is reported as the end of a socket that never was');
$gate->stands;
done_testing();
