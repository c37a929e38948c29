# A visitor is erased while he is on the site, keys are rotated twice, and whoever
# has no rights gets none.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main', linger => '300ms', checkpoint_interval => '1s');

# --- forgotten, with views stored, open and waiting ---------------------------------------

my $visitor = $node->visitor;
my $stored = $visitor->begin('/stored');

$visitor->end_view($stored, visible => 1);
my $session = $node->row($stored->{view})->{session_id};
my $open = $visitor->begin('/open');
my $other = $node->visitor;
my $kept = $other->begin('/kept');

is($node->value("SELECT pageviews.forget_session('$session') > 0"), 't', 'forget_session says what it erased');
Pageviews::Cluster::eventually('the open view is gone', 60,
	sub { $node->value("SELECT count(*) FROM pageviews.live_views WHERE session_id = '$session'") eq '0' });
is($node->value("SELECT count(*) FROM pageviews.live_views"), '1', 'nobody else is forgotten');
$visitor->send_message(Pageviews::Client::message($open, 'end', reason => 'closed', visible => 5));
is($visitor->expect(type => 'refused', view => $open->{view})->{code}, 'rejected', 'what is forgotten stays so');
sleep 1.2;
is($node->value("SELECT (SELECT count(*) FROM pageviews.views WHERE session_id = '$session') + (SELECT count(*) FROM pageviews.sessions WHERE session_id = '$session')"),
	'0', 'and does not come back with a checkpoint');
$other->end_view($kept, visible => 2);

# --- keys -----------------------------------------------------------------------------------

# The session that a cookie gives on an upgrade.
sub session_of
{
	my ($cookie) = @_;
	my $client = $node->visitor(cookie => $cookie);
	my $view = $client->begin('/cookie');

	$client->end_view($view, visible => 1);
	return $node->row($view->{view})->{session_id};
}

my $cookie = $other->cookie;
my $mine = $node->row($kept->{view})->{session_id};
my $fresh = sub { $node->http('GET', '/_view/client.js', cookie => $cookie)->{cookies}[0] // '' };
my $before = $fresh->();

is(session_of($cookie), $mine, 'the key signs');
$node->safe_psql('postgres', 'SELECT pageviews.rotate_cookie_key()');
Pageviews::Cluster::eventually('the listener has the new key', 60, sub { $fresh->() ne $before });
is(session_of($cookie), $mine, 'after a rotation the key before still verifies');
$node->safe_psql('postgres', 'SELECT pageviews.rotate_cookie_key()');
ok(eval { Pageviews::Cluster::eventually('the oldest key is gone', 60, sub { session_of($cookie) ne $mine }) },
	'after another one it does not');

# --- rights ----------------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN; CREATE ROLE analyst LOGIN; GRANT pageviews_reader TO analyst');
for my $query ('SELECT count(*) FROM pageviews.views', 'SELECT * FROM pageviews.live_views', 'SELECT * FROM pageviews.pages()',
	'SELECT * FROM pageviews.cookie_keys', 'SELECT pageviews.rotate_cookie_key()', "SELECT pageviews.forget_session('$mine')",
	"SELECT pageviews.make_partition('2024-01-01')")
{
	my ($status) = $node->psql('postgres', $query, extra_params => [ '-U', 'stranger' ]);

	isnt($status, 0, "a stranger may not: $query");
}
for my $query ('SELECT count(*) FROM pageviews.views', 'SELECT count(*) FROM pageviews.live_views',
	'SELECT count(*) FROM pageviews.worker_stats', 'SELECT count(*) FROM pageviews.pages()', 'SELECT count(*) FROM pageviews.timeline()')
{
	my ($status) = $node->psql('postgres', $query, extra_params => [ '-U', 'analyst' ]);

	is($status, 0, "a reader may: $query");
}
for my $query ('SELECT * FROM pageviews.cookie_keys', 'DELETE FROM pageviews.views', 'SELECT pageviews.rotate_cookie_key()',
	"SELECT pageviews.forget_session('$mine')")
{
	my ($status) = $node->psql('postgres', $query, extra_params => [ '-U', 'analyst' ]);

	isnt($status, 0, "a reader may not: $query");
}

# A trigger on the tables runs with the worker's rights, which are few.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.secrets AS SELECT 'secret' AS text;
CREATE FUNCTION public.nosy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM * FROM public.secrets;
	RETURN NEW;
END $$;
CREATE TRIGGER nosy BEFORE INSERT ON pageviews.sessions FOR EACH ROW EXECUTE FUNCTION public.nosy();
SQL
my $victim = $node->visitor;
my $view = $victim->begin('/trigger');

$victim->send_message(Pageviews::Client::message($view, 'end', reason => 'closed', visible => 9));
sleep 1;
is($node->value("SELECT count(*) FROM pageviews.views WHERE view_id = '$view->{view}'"), '0', 'a trigger does not read what the collector may not');
$node->safe_psql('postgres', 'DROP TRIGGER nosy ON pageviews.sessions');
$node->conserved;
$node->stop;
done_testing();
