# Nothing that one client does loses or bends a view of anybody else, or a time of
# its own: pauses in any order, clocks that are wrong, messages that are none,
# pages of other sites, forged cookies.

use strict;
use warnings FATAL => 'all';

use Encode ();
use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main', linger => '300ms');
my $bystander = $node->visitor;
my $watched = $bystander->begin('/bystander');

# The engagement of a view that ended.
sub engagement
{
	my ($view) = @_;
	my $row = $node->ended_row($view->{view});

	return $row ? $row->{engagement_ms} : undef;
}

# --- pauses in any order -----------------------------------------------------------------

my $client = $node->visitor;
my $view = $client->begin('/closes_while_paused');

$client->say_view($view, 'state', state => 'hidden', visible => 200);
$client->drop;
is(engagement($view), 200, 'a view that closes while paused keeps its engagement');

$client = $node->visitor;
$view = $client->begin('/two_pauses');
$client->say_view($view, 'state', state => 'hidden', visible => 100);
$client->say_view($view, 'state', state => 'hidden', visible => 100);
$client->say_view($view, 'state', state => 'visible', visible => 100);
$client->say_view($view, 'state', state => 'visible', visible => 150);
$client->end_view($view, visible => 170);
is(engagement($view), 170, 'two pauses, a resume without a pause');

$view = $client->begin('/out_of_order');
$client->say_view($view, 'state', n => 5, visible => 500);
$client->say_view($view, 'state', n => 3, visible => 300);
$view->{n} = 5;
$client->say_view($view, 'state', visible => 400);
$client->end_view($view, visible => 450);
is(engagement($view), 500, 'messages out of order: a figure never shrinks');

$client->send_message(Pageviews::Client::message($view, 'end', n => $view->{n}, visible => 900));
$client->expect(type => 'stored', view => $view->{view}, n => $view->{n});
is(engagement($view), 500, 'an end twice is stored once, and told so again');
$client->send_message(Pageviews::Client::message($view, 'state', visible => 901));
is($client->expect(type => 'refused', view => $view->{view})->{code}, 'ended', 'what has ended does not go on');

# --- figures that cannot be ------------------------------------------------------------------

$view = $client->begin('/boasts');
$client->end_view($view, visible => 2_000_000_000, focused => 2_100_000_000, active => 2_000_000_001, elapsed => 2_147_000_000);
my $row = $node->row($view->{view});

cmp_ok($row->{engagement_ms}, '<=', 5000 + 1000 * (time - $view->{born}), 'nobody looked for longer than it took');
cmp_ok($row->{active_ms}, '<=', $row->{focused_ms}, '... was active for longer than focused');
cmp_ok($row->{focused_ms}, '<=', $row->{engagement_ms}, '... or focused for longer than it was visible');
cmp_ok($node->value("SELECT extract(epoch FROM ended_at - now()) FROM pageviews.views WHERE view_id = '$view->{view}'"),
	'<', 6, '... or until a time to come');

# --- clocks --------------------------------------------------------------------------------

my $hour = 3600 * 1000;

for my $case ([ 'an hour ahead', time * 1000 + $hour ], [ 'in the year 9999', 253_370_764_800_000 ],
	[ 'eight days back', time * 1000 - 8 * 24 * $hour ], [ 'in 1970', 0 ])
{
	my ($name, $millis) = @$case;
	my $odd = $client->new_view('/odd', view => Pageviews::Client::uuid($millis));

	$client->send_message(Pageviews::Client::message($odd, 'view'));
	is($client->expect(type => 'refused', view => $odd->{view})->{code}, 'clock', "a view $name is refused");
	ok($client->is_open, '... and the socket stays open');
}
my $back = $client->new_view('/an_hour_back', view => Pageviews::Client::uuid(time * 1000 - $hour));

$client->say_view($back, 'view', visible => 50);
$client->end_view($back, visible => 60);
is($node->row($back->{view})->{engagement_ms}, 60, 'a view whose clock is an hour behind is measured by its own clock');

# A leftover of days ago, for which no `view` ever arrived.
my $old = $client->new_view('/leftover', view => Pageviews::Client::uuid(time * 1000 - 6 * 24 * $hour));

$client->end_view($old, visible => 4321, elapsed => 5000, whole => 1);
is(engagement($old), 4321, 'a leftover of six days ago is stored');

# --- what is no message ----------------------------------------------------------------------

my $valid = Pageviews::Client::uuid();
my @bad = (
	[ 'no JSON', sub { shift->send_text('hello') }, 1008 ],
	[ 'an array', sub { shift->send_text('[]') }, 1008 ],
	[ 'no type', sub { shift->send_text('{}') }, 1008 ],
	[ 'an unknown type', sub { shift->send_text(qq({"type":"drop","view":"$valid","n":1})) }, 1008 ],
	[ 'no UUID', sub { shift->send_text('{"type":"state","view":"me","n":1,"state":"visible","visible":0,"focused":0,"active":0,"elapsed":0}') }, 1008 ],
	[ 'a UUID of another version', sub { shift->send_text('{"type":"state","view":"7f3b9c1e-6d1f-4a55-9b51-0a4f0f1e2d3c","n":1,"state":"visible","visible":0,"focused":0,"active":0,"elapsed":0}') }, 1008 ],
	[ 'n = 0', sub { shift->send_text(qq({"type":"state","view":"$valid","n":0,"state":"visible","visible":0,"focused":0,"active":0,"elapsed":0})) }, 1008 ],
	[ 'a negative figure', sub { shift->send_text(qq({"type":"state","view":"$valid","n":1,"state":"visible","visible":-1,"focused":0,"active":0,"elapsed":0})) }, 1008 ],
	[ 'a figure in words', sub { shift->send_text(qq({"type":"state","view":"$valid","n":1,"state":"visible","visible":"1","focused":0,"active":0,"elapsed":0})) }, 1008 ],
	[ 'deep nesting', sub { shift->send_text('[' x 4000) }, 1008 ],
	[ 'a NUL', sub { shift->send_text(qq({"type":"state\0"})) }, 1008 ],
	[ 'binary', sub { shift->send_frame(2, "\0\1\2") }, 1003 ],
	[ 'more than 4 KiB', sub { shift->send_text('{"type":"' . 'x' x 4200 . '"}') }, 1009 ],
	[ 'no UTF-8', sub { shift->send_text("{\"type\":\"\xff\xfe\"}") }, 1007 ],
	[ 'an unmasked frame', sub { shift->send_frame(1, '{}', masked => 0) }, 1008 ],
	[ 'a reserved opcode', sub { shift->send_frame(5, '{}') }, 1002 ],
	[ 'a reserved bit', sub { shift->send_frame(1, '{}', reserved => 0x40) }, 1002 ],
	[ 'a continuation of nothing', sub { shift->send_frame(0, '{}') }, 1002 ],
	[ 'a ping of 126 bytes', sub { shift->send_frame(9, 'x' x 126) }, 1002 ],
);

for my $case (@bad)
{
	my ($name, $say, $code) = @$case;
	my $hostile = $node->visitor;

	$say->($hostile);
	my $closed = $hostile->closed;

	# A protocol error may be answered by hanging up; nothing else may.
	ok($closed == $code || $code == 1002 && $closed == 1006, "$name ends the conversation with $code") or diag("with $closed");
}
my $whole = $node->visitor;
my $fragmented = Pageviews::Client::message($whole->new_view('/in_pieces'), 'view');
my $text = JSON::PP->new->utf8->encode($fragmented);

$whole->send_frame(1, substr($text, 0, 20), fin => 0);
$whole->send_frame(9, 'in between');
$whole->send_frame(0, substr $text, 20);
ok($whole->expect(type => 'ack', view => $fragmented->{view}), 'a message in pieces, with a ping in between, is whole');
$whole->close;

$client = $node->visitor;
$view = $client->new_view('/unknown');
$client->send_message(Pageviews::Client::message($view, 'state', visible => 10));
is($client->expect(type => 'refused', view => $view->{view})->{code}, 'unknown_view', 'a state of an unknown view is refused');
$client->send_message(Pageviews::Client::message($view, 'end', visible => 10));
is($client->expect(type => 'refused', view => $view->{view})->{code}, 'unknown_view', 'a bare end of an unknown view as well');
$client->say_view($view, 'view', visible => 10);
$client->end_view($view, visible => 20);
is(engagement($view), 20, '... and it is mended by saying all of it');

my $weird = $client->begin('/weird', title => "tab\there \x{1F600}", props => { map { +"key$_" => 'x' } 1 .. 16 });

$client->end_view($weird, visible => 1);
is($node->value("SELECT title FROM pageviews.views WHERE view_id = '$weird->{view}'"),
	Encode::encode('UTF-8', "tab here \x{1F600}"), 'control characters become blanks, the rest stays');

# --- other people's pages ----------------------------------------------------------------------

my $own = $node->visitor->{origin};

for my $case ([ 'of another site', origin => 'http://evil.example' ], [ 'without an Origin', origin => undef ],
	[ 'of the origin "null"', origin => 'null' ], [ 'without the subprotocol', protocol => undef ],
	[ 'of another subprotocol', protocol => 'chat' ], [ 'of an old websocket', version => 8 ],
	[ 'elsewhere', path => '/socket' ])
{
	my ($name, @options) = @$case;
	my $refused = $node->visitor(@options);

	isnt($refused->{status} // 0, 101, "a socket $name is refused");
}
$client = $node->visitor;
$view = $client->new_view('/');
$view->{page}{url} = 'http://somebody.example/page';
$client->send_message(Pageviews::Client::message($view, 'view'));
my $answer = $client->receive;

isnt($answer ? $answer->{type} : 'closed', 'ack', 'nobody reports pages of another host than its own');
$node->set_now(allowed_origins => 'https://example.com, https://*.example.org');
Pageviews::Cluster::eventually('another origin is allowed', 60,
	sub { ($node->visitor(origin => 'https://example.com')->{status} // 0) == 101 });
is($node->visitor(origin => 'https://shop.example.org')->{status}, 101, 'a wildcard allows its subdomains');
isnt($node->visitor(origin => 'https://example.org.evil.example')->{status} // 0, 101, '... and nobody else');
isnt($node->visitor(origin => 'http://example.com')->{status} // 0, 101, 'another scheme is another origin');
$node->set_now(allowed_origins => '');
Pageviews::Cluster::eventually('it is refused again', 60,
	sub { ($node->visitor(origin => 'https://example.com')->{status} // 0) != 101 });

# --- requests that are none of ours ------------------------------------------------------------------

for my $case ([ 'DELETE', '/_view/client.js' ], [ 'GET', '/_view/nothing' ], [ 'GET', '/' ], [ 'GET', '/_view/../../etc/passwd' ],
	[ 'POST', '/_view/client.js' ], [ 'GET', '/_view/note' ], [ 'GET', '/page_a' ])
{
	my ($method, $path) = @$case;
	my $status = $node->http($method, $path)->{status};

	ok($status == 0 || $status >= 400, "$method $path is refused") or diag("with $status");
}
my $swamped = eval { $node->http('GET', '/_view/client.js', headers => [ map { "X-$_: " . 'y' x 500 } 1 .. 40 ]) } // { status => 0 };

isnt($swamped->{status}, 200, '20 kB of headers are refused');

# --- notes ------------------------------------------------------------------------------------------------

my $port = $node->web;
my $leftover = $client->new_view('/note');
my $good = Pageviews::Client::message($leftover, 'end', visible => 33, whole => 1);

is(Pageviews::Client::note($port, [ $good, { type => 'nonsense' } ])->{status} >= 400 ? 1 : 0, 0,
	'a note with one bad message is taken for the other one');
is(engagement($leftover), 33, '... which is stored');
is(Pageviews::Client::note($port, [$good], origin => 'http://evil.example')->{status} >= 400 ? 1 : 0, 1,
	'a note of another site is refused');
cmp_ok(Pageviews::Client::note($port, [ map { Pageviews::Client::message($client->new_view("/many/$_"), 'end', whole => 1) } 1 .. 17 ])->{status},
	'>=', 400, 'more than 16 in one note are refused');
my $huge = eval { $node->http('POST', '/_view/note', origin => $own, body => 'x' x 70000)->{status} } // 0;

ok($huge == 0 || $huge >= 400, 'more than 64 KiB are refused') or diag($huge);

# --- nobody else noticed ---------------------------------------------------------------------------------------

is($node->value('SELECT listener_restarts FROM pageviews.worker_stats'), '0', 'the listener survived all of it');
$bystander->say_view($watched, 'state', visible => 1000);
$bystander->end_view($watched, visible => 1234);
is(engagement($watched), 1234, 'and the bystander has what is his');
$node->conserved;
$node->stop;
done_testing();
