# From a browser's first word to the row: engagement is kept at a pause and
# measured again after a resume, a view is stored however its socket dies, and a
# session is found by its cookie or made on the fly.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main', linger => '500ms');

# What live_views says about a view: state and engagement.
sub live
{
	my ($view) = @_;

	return split /\|/,
	  $node->value("SELECT state, engagement_ms FROM pageviews.live_views WHERE view_id = '$view->{view}'");
}

# --- the script, the cookie, the first session ---------------------------------------

my $script = $node->http('GET', '/_view/client.js');

is($script->{status}, 200, 'the tracker is served');
like($script->{headers}{'content-type'}, qr/javascript/, '... as a script');
like($script->{headers}{'cache-control'}, qr/private.*no-cache/, '... that no shared cache keeps');
is(@{ $script->{cookies} }, 1, '... with a cookie');
like($script->{cookies}[0], qr/^_pageviews_session=[^;]+;.*HttpOnly/i, '... that no script reads');
like($script->{cookies}[0], qr/SameSite=Lax/i, '... of this site');
unlike($script->{cookies}[0], qr/Secure/i, '... on plain http not Secure');
is($node->http('GET', '/_view/client.js', headers => ["If-None-Match: $script->{headers}{etag}"])->{status},
	304, 'a browser that has the script keeps it');
is($node->value('SELECT count(*) FROM pageviews.sessions'), '0', 'a mere request makes no session');

# --- pause and resume -------------------------------------------------------------------

my $visitor = $node->visitor(agent => 'Mozilla/5.0 (scripted)');

is($visitor->{hello}{heartbeat}, 15000, 'the hello tells the heartbeat');
cmp_ok(abs($visitor->{hello}{now} / 1000 - time), '<', 5, '... and the time');
my $view = $visitor->begin('/page_a?utm_source=mail&secret=1#part',
	title => 'Page A', name => 'First page', navigation => 'navigate', referrer => 'https://elsewhere.example/from',
	language => 'de-CH', time_zone => 'Europe/Zurich', width => 1440, height => 900, props => { plan => 'pro', seats => 3 });

ok($node->becomes("SELECT state = 'visible' FROM pageviews.live_views WHERE view_id = '$view->{view}'",
		'the view is live'));
sleep 0.3;
$visitor->say_view($view, 'state', state => 'hidden', visible => 300);
my ($state, $at_pause) = live($view);

is($state, 'hidden', 'a pause reaches the tracker');
is($at_pause, 300, '... with its time');
sleep 0.4;
is((live($view))[1], 300, 'engagement is kept at a pause');
$visitor->say_view($view, 'state', state => 'focused', visible => 300);
is((live($view))[0], 'focused', 'a resume reaches the tracker');
sleep 0.4;
my $after = (live($view))[1];

# From where it was, and for no longer than it has been since it began.
cmp_ok($after, '>=', 690, 'engagement is measured again after a resume');
cmp_ok($after, '<=', 1000 * (time - $view->{born}) - 400, '... without the pause');
$visitor->end_view($view, visible => 712, focused => 400, active => 350, scroll => 80);
my $row = $node->row($view->{view});

is($row->{engagement_ms}, 712, 'the row has the milliseconds that the browser saw');
is("$row->{focused_ms} $row->{active_ms} $row->{scroll_depth}", '400 350 80', '... and the other figures');
is($row->{end_reason}, 'closed', '... and why it ended');
is("$row->{path} $row->{name} $row->{title}", '/page_a First page Page A', '... and its page');
is($row->{query}, 'utm_source=mail', '... of the query what the setting lists');
is($row->{site}, $visitor->{name}, '... and the site');
is($row->{referrer}, 'https://elsewhere.example/from', '... and where from');
is_deeply($row->{props}, { plan => 'pro', seats => 3 }, '... and what the application said');
is($node->value("SELECT count(*) FROM pageviews.live_views"), '0', 'it is live no more');
my $session = $node->value(
	"SELECT user_agent || ' ' || language || ' ' || time_zone || ' ' || screen_width || 'x' || screen_height FROM pageviews.sessions WHERE session_id = '$row->{session_id}'");

is($session, 'Mozilla/5.0 (scripted) de-CH Europe/Zurich 1440x900', 'its session knows the browser');

# --- sessions ------------------------------------------------------------------------------

my $cookie = $visitor->cookie;

ok($cookie, 'the upgrade set a cookie');
is($node->value("SELECT pageviews.session_id('" . ($cookie =~ s/^[^=]+=//r) . "')"),
	$row->{session_id}, 'SQL reads the same session out of the cookie');
my $again = $node->visitor(cookie => $cookie);
my $second = $again->begin('/page_b');

$again->end_view($second, visible => 10);
is($node->row($second->{view})->{session_id}, $row->{session_id}, 'a session is found by its cookie');
my $forged = $cookie;

$forged =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/e;
my $stranger = $node->visitor(cookie => $forged);
my $third = $stranger->begin('/page_b');

$stranger->end_view($third, visible => 10);
isnt($node->row($third->{view})->{session_id}, $row->{session_id}, 'a forged cookie is worth nothing: the session is made on the fly');
is($node->value("SELECT pageviews.session_id('" . ($forged =~ s/^[^=]+=//r) . "') IS NULL"), 't', '... in SQL neither');
is($node->value('SELECT count(*) FROM pageviews.sessions'), '2', 'a session a browser');
is($node->value("SELECT string_agg(path, ' ' ORDER BY started_at) FROM pageviews.session_views('$row->{session_id}')"),
	'/page_a /page_b', 'session_views has what one browser saw');

# --- however the socket dies -----------------------------------------------------------------

for my $how (qw(drop reset close))
{
	my $dying = $node->visitor;
	my $lost = $dying->begin("/dies/$how", state => 'focused');

	sleep 0.25;
	my $seen = (time - $lost->{born}) * 1000;

	$dying->$how;
	my $latest = (time - $lost->{born}) * 1000;
	my $gone = $node->ended_row($lost->{view});

	is($gone->{end_reason}, 'lost', "a view whose socket dies is stored ($how)");
	# Its listener may hear of either end a moment late: 100 ms, and more on a busy machine.
	ok($gone->{engagement_ms} > $seen - 500 && $gone->{engagement_ms} < $latest + 500, '... credited up to the death')
	  or diag("$gone->{engagement_ms} instead of $seen");
}

# --- a socket that comes back, and one page after another on one socket ---------------------------

my $first_socket = $node->visitor;
my $moving = $first_socket->begin('/moving', state => 'visible');

$first_socket->reset;
my $second_socket = $node->visitor(cookie => $first_socket->cookie);

$second_socket->say_view($moving, 'view', visible => 40);
sleep 0.7;
is((live($moving))[0], 'visible', 'a view that comes back within the linger time goes on');
my $next = $second_socket->begin('/moving/on');
my $left = $node->ended_row($moving->{view});

is($left->{end_reason}, 'navigated', 'a new view on the same socket ends the one before');
$second_socket->end_view($next, visible => 5);
is($node->value("SELECT count(*) FROM pageviews.views WHERE view_id = '$moving->{view}'"), '1', 'and it is stored once');

# --- the last word by a note ------------------------------------------------------------------------

my $beacon = $node->visitor;
my $noted = $beacon->begin('/noted');

$beacon->drop;
my $note = Pageviews::Client::note($node->web,
	[ Pageviews::Client::message($noted, 'end', reason => 'closed', visible => 123, whole => 1) ],
	cookie => $beacon->cookie);

is($note->{status}, 204, 'a note is taken');
my $told = $node->ended_row($noted->{view});

is("$told->{engagement_ms} $told->{end_reason}", '123 closed', 'the last word counts, also when it comes after the socket');

$node->conserved;
$node->stop;
done_testing();
