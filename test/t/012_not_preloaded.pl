# Without shared_preload_libraries the extension can be made and its tables and
# reports used; what needs the worker says what is missing.  With it and without a
# port nobody listens.  A worker without a database says which one it lacks.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;

my $node = Pageviews::Cluster->prepared('main');

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pageviews');
pass('CREATE EXTENSION works');
$node->safe_psql('postgres', <<'SQL');
SELECT pageviews.make_partition(current_date);
INSERT INTO pageviews.views (view_id, session_id, started_at, ended_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path, end_reason)
VALUES (gen_random_uuid(), '00000000-0000-4000-8000-000000000001', now() - interval '1 second', now(), 7, 1000, 0, 0, 1, 'example.com', '/', 'closed');
SQL
is($node->value('SELECT path, views, engagement_total_ms FROM pageviews.pages()'), '/|1|1000', 'reports work');
is($node->value("SELECT count(*) FROM pageviews.session_views('00000000-0000-4000-8000-000000000001')"), '1', 'session_views works');
$node->safe_psql('postgres', 'SELECT pageviews.rotate_cookie_key()');
is($node->value('SELECT count(*) FROM pageviews.cookie_keys'), '1', 'a key can be made');
is($node->value("SELECT pageviews.session_id('nonsense') IS NULL"), 't', 'session_id works');
for my $view (qw(live_views worker_stats))
{
	my ($status, $out, $error) = $node->psql('postgres', "SELECT * FROM pageviews.$view");

	isnt($status, 0, "$view needs the worker");
	like($error, qr/HINT:.*shared_preload_libraries/s, '... and says what is missing');
}
is($node->value("SELECT pageviews.forget_session('00000000-0000-4000-8000-000000000001')"), '1', 'a visitor can be forgotten');
is($node->value('SELECT count(*) FROM pageviews.views'), '0', '... and is gone');
my ($status) = $node->psql('postgres', 'DROP EXTENSION pageviews CASCADE');

is($status, 0, 'DROP EXTENSION works');

# --- preloaded, and not asked to collect -----------------------------------------------------

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'pageviews'");
$node->adjust_conf('postgresql.conf', 'pageviews.port', undef);
$node->restart;
is($node->value('SHOW pageviews.port') . ' ' . $node->value('SHOW pageviews.unix_socket'), '0 ', 'no port is the default');
is($node->worker_pid, 0, '... where nobody listens');
is($node->value('SHOW pageviews.listen_addresses'), 'localhost', 'and with a port, only this machine is listened to by default');
$node->stop;

# Preloaded for a database that nobody has made yet: the log tells who waits for it, and it is not waited for in vain.
$node->set(database => 'app', port => $node->web);
my $mark = $node->log_end;

$node->start;
$node->logged(qr/FATAL: .*"app" does not exist\n.*CONTEXT: .*pageviews\.database/, $mark, 'the log tells which database is missing, and for whom');
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', 'CREATE EXTENSION pageviews');
$node->wait_ready;
$node->stop;
done_testing();
