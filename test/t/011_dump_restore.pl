# pg_dump and restore: into a plain database, and into one that a worker collects
# for; with views of this month and of others, open ones, and a rotated key.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(command_ok);
use Test::More;

my $old = Pageviews::Cluster->running('old', checkpoint_interval => '1s');
my $visitor = $old->visitor;
my $first_cookie = $visitor->cookie;
my $closed = $visitor->begin('/closed', props => { plan => 'pro' });

$visitor->tell($visitor->event($closed, 'signup', props => { plan => 'pro' }));
$visitor->end_view($closed, visible => 1234);
$old->safe_psql('postgres', 'SELECT pageviews.rotate_cookie_key()');
Pageviews::Cluster::eventually('the new key signs', 60, sub {
	my $cookie = $old->http('GET', '/_view/client.js')->{cookies}[0] =~ s/^[^=]+=([^;]+).*/$1/r;

	$old->value("SELECT pageviews.verify_cookie('$cookie', array_agg(key_id), array_agg(secret)) IS NOT NULL FROM (SELECT * FROM pageviews.cookie_keys ORDER BY created_at DESC LIMIT 1) k") eq 't';
});
is($old->visitor(cookie => $first_cookie)->{status}, 101, 'the key before still verifies');
my $open = $visitor->begin('/open');

$visitor->say_view($open, 'state', visible => 400);
ok(Pageviews::Cluster::eventually('the open view is stored as it stands', 60, sub { $old->row($open->{view}, 0) }), 'a view is open');

# A month long ago, as a site has that has collected for a while.
$old->safe_psql('postgres', <<'SQL');
SELECT pageviews.make_partition('2025-02-11');
INSERT INTO pageviews.views (view_id, session_id, started_at, ended_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path, end_reason)
SELECT gen_random_uuid(), gen_random_uuid(), '2025-02-01 00:00:00+00'::timestamptz + i * interval '6 hours', '2025-02-28', 7, i, 0, 0, 1, 'example.com', '/old', 'closed'
FROM generate_series(0, 99) AS i;
SQL

my $file = $old->backup_dir . '/dump';

command_ok([ 'pg_dump', '-d', $old->connstr('postgres'), '-Fc', '-f', $file ], 'pg_dump');

my $digest = q{
SELECT (SELECT count(*) || ' ' || sum(engagement_ms) || ' ' || count(ended_at) FROM pageviews.views),
	   (SELECT string_agg(event_id || name || props, ' ' ORDER BY event_id) FROM pageviews.events),
	   (SELECT count(*) FROM pageviews.sessions),
	   (SELECT md5(string_agg(key_id || encode(secret, 'hex'), ' ' ORDER BY key_id)) FROM pageviews.cookie_keys)};
my $expected = $old->value($digest);

# --- another database of the same cluster, that nobody collects for -------------------------

$old->safe_psql('postgres', 'CREATE DATABASE plain');
command_ok([ 'pg_restore', '-e', '-d', $old->connstr('plain'), $file ], 'restored into a plain database');
is($old->safe_psql('plain', $digest), $expected, '... everything is there');
is($old->safe_psql('plain', "SELECT count(*) FROM pageviews.pages('2025-01-01', '2025-03-01')"), '1', '... and reports read it');
$old->safe_psql('postgres', 'ALTER DATABASE plain RENAME TO renamed');
is($old->safe_psql('renamed', $digest), $expected, 'a database can be renamed');

# --- another cluster, whose worker collects into that database -----------------------------------

my $new = Pageviews::Cluster->prepared('new');

$new->start;
my $restored = $new->safe_psql('postgres', 'SELECT 1') && do {
	command_ok([ 'pg_restore', '-e', '-d', $new->connstr('postgres'), $file ], 'restored under a running worker');
	1;
};

$new->wait_ready;
is($new->value($digest), $expected, '... everything is there');
my $same = $new->visitor(cookie => $first_cookie, name => $visitor->{name}, origin => $visitor->{origin});
my $next = $same->begin('/next');

$same->end_view($next, visible => 5);
is($new->row($next->{view})->{session_id}, $new->row($closed->{view})->{session_id}, 'a cookie from before the dump is still good');
$same->say_view($open, 'view', visible => 900);
$same->end_view($open, visible => 1000);
is($new->row($open->{view})->{engagement_ms}, 1000, 'a view that was open at the dump goes on');
$new->conserved;

# --- the collected database itself gets another name ------------------------------------------------

$new->stop;
$new->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$new->start;
$new->safe_psql('template1', 'ALTER DATABASE postgres RENAME TO site');
$new->stop;
$new->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'pageviews'");
$new->set(database => 'site');
$new->start;
$new->wait_ready;
my $site = $new->visitor(cookie => $first_cookie);
my $renamed = $site->begin('/renamed');

$site->end_view($renamed, visible => 8);
is($new->safe_psql('site', "SELECT engagement_ms FROM pageviews.views WHERE view_id = '$renamed->{view}'"),
	'8', 'the collected database can be renamed too');
$new->stop;
$old->stop;
done_testing();
