# Two sites share a cluster: each one's analyst sees his own, in the tables and on
# the board, also in partitions that the worker makes later, also after a restore;
# and nobody but the setting says what is dropped.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(command_ok);
use Test::More;

my $node = Pageviews::Cluster->running('main', allowed_origins => 'http://a.example, http://b.example');

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
CREATE ROLE chief LOGIN;
CREATE ROLE eve LOGIN;
GRANT pageviews_site_reader TO alice, bob, eve;
GRANT pageviews_reader TO chief;
INSERT INTO pageviews.site_readers (role, site) VALUES ('alice', 'a.example'), ('bob', 'a.example'), ('bob', 'b.example');
SQL

# What a role gets for a query; its error when it gets none.
sub asks
{
	my ($role, $query, $database) = @_;
	my ($status, $out, $error) = $node->psql($database // 'postgres', $query, extra_params => [ '-U', $role ]);

	return $status == 0 ? $out : $error;
}

my $on_board = q{SELECT string_agg(site || path, ' ' ORDER BY site, path) FROM pageviews.live_views};
my $in_table = q{SELECT string_agg(site || path, ' ' ORDER BY site, path) FROM pageviews.views};

# --- the board, and a view over it -----------------------------------------------------------------

my %visitor = map { $_ => $node->visitor(origin => "http://$_.example") } qw(a b);
my %view = map { $_ => $visitor{$_}->begin('/open') } qw(a b);

Pageviews::Cluster::eventually('both are on the board', 10, sub { $node->value('SELECT count(*) FROM pageviews.live_views') eq '2' });
my $both = 'a.example/open b.example/open';
my %sees = (alice => 'a.example/open', bob => $both, chief => $both, eve => '');

is(asks($_, $on_board), $sees{$_}, "$_ sees his sites on the board") for sort keys %sees;
is(asks('alice', 'SELECT count(*) FROM pageviews.read_live_views()'), '1', '... behind the view as well');
is(asks('alice', 'SET ROLE pageviews_site_reader; SELECT count(*) FROM pageviews.live_views'), '0',
	'the group role itself has no site');

# --- the tables ------------------------------------------------------------------------------------------

$visitor{$_}->end_view($view{$_}, visible => 10) for qw(a b);
Pageviews::Cluster::eventually('both are stored', 10, sub { $node->value('SELECT count(*) FROM pageviews.views') eq '2' });
is(asks($_, $in_table), $sees{$_}, "$_ sees his sites in the table") for sort keys %sees;
is(asks('alice', 'SELECT count(*) FROM pageviews.sessions'), '1', 'and the session that was there');
is(asks('alice', 'SELECT sum(views) FROM pageviews.pages()'), '1', 'reports count what their caller sees');

# A month of which the worker makes the partition itself is no way around.
my $leaf = $node->value(q{SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'pageviews.views'::regclass});

like(asks('alice', "SELECT count(*) FROM $leaf"), qr/permission denied/, 'a partition is nobody\'s to read');
$node->safe_psql('postgres', 'GRANT SELECT ON ALL TABLES IN SCHEMA pageviews TO alice');
is($node->value("SELECT count(*) > 0 FROM pg_policy WHERE polrelid = '$leaf'::regclass"), 't', 'the worker\'s partitions have their policy');
is(asks('alice', "SELECT count(*) FROM pageviews.views_" . $node->value("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")),
	'0', 'granted by mistake, they show nothing');
is(asks('alice', $in_table), 'a.example/open', '... and their root what it showed before');
$node->safe_psql('postgres', 'REVOKE SELECT ON ALL TABLES IN SCHEMA pageviews FROM alice');

# --- dump and restore -----------------------------------------------------------------------------------

my $file = $node->backup_dir . '/dump';

command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-Fc', '-f', $file ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('copy'), $file ], 'pg_restore');
is(asks($_, $in_table, 'copy'), $sees{$_}, "restored, $_ sees the same") for sort keys %sees;

# --- what else a reader cannot do ------------------------------------------------------------------------------

my $worker = $node->worker_pid;

like(asks('alice', $_), qr/ERROR/, "a reader cannot: $_")
  for "SELECT pg_terminate_backend($worker)", "SELECT pg_cancel_backend($worker)", "LOAD 'pageviews'", 'SET pageviews.port = 1',
  "SELECT pageviews.begin_forgetting(gen_random_uuid())";
is($node->value("SELECT string_agg(name, ' ') FROM pg_settings WHERE name LIKE 'pageviews.%' AND context NOT IN ('postmaster', 'sighup')"),
	'', 'no setting is a session\'s to change');

# --- what retention keeps, the collector cannot drop -------------------------------------------------------

$node->safe_psql('postgres', <<'SQL');
SELECT pageviews.make_partition('2024-01-01');
INSERT INTO pageviews.sessions (session_id, created_at) VALUES (gen_random_uuid(), '2024-01-01');
CREATE ROLE thief LOGIN IN ROLE pageviews_collector;
SQL
my $zero = '00000000-0000-0000-0000-000000000000';

like(asks('thief', "SELECT pageviews.drop_partition('2025-01-01')"), qr/ERROR:  cannot drop partitions that pageviews.retention keeps\nDETAIL:  It is 0/,
	'kept for ever, nothing is dropped');
is(asks('thief', "SELECT erased FROM pageviews.purge_sessions('infinity', '$zero')"), '0', '... and no session purged');
like(asks('thief', "SET pageviews.retention = '8d'"), qr/ERROR/, '... nor can he change the setting');
$node->set_now(retention => '30d');
$node->becomes("SELECT current_setting('pageviews.retention') = '30d'", 'views are kept for 30 days');
is(asks('thief', "SELECT pageviews.drop_partition(now() - interval '31 days')"), 'views_2024_01', 'what the setting lets go is dropped');
is(asks('thief', "SELECT erased FROM pageviews.purge_sessions(now() - interval '31 days', '$zero')"), '1', '... and its sessions are purged');
is(asks('thief', "SELECT erased FROM pageviews.purge_sessions('infinity', '$zero')"), '0', '... but no later ones');
like(asks('thief', "SELECT pageviews.drop_partition(now() - interval '20 days')"), qr/ERROR:  cannot drop partitions that pageviews.retention keeps\nDETAIL:  What began after/,
	'what it keeps is not dropped');
is($node->value('SELECT count(*) FROM pageviews.views'), '2', 'and all that it keeps is there');
$node->conserved;
$node->stop;
done_testing();
