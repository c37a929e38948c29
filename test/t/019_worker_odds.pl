# Odd things that an operator does: a server that waits for a standby which is not
# there is stopped, a restore brings its keys late, a catalog is locked, a foreign
# table sits where a partition should be.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main',
	init => [ allows_streaming => 1 ], linger => '300ms', max_connections_per_address => 0);

# --- keys that come after the extension ----------------------------------------------------

# The session that the server gives to, or leaves, a browser with this cookie.
sub session_of
{
	my ($cookie) = @_;
	my $visitor = $node->visitor(cookie => $cookie);
	my $view = $visitor->begin('/session');

	$visitor->end_view($view, visible => 1);
	return $node->row($view->{view})->{session_id};
}

my $cookie = $node->visitor->cookie;
my $session = session_of($cookie);

is(session_of($cookie), $session, 'a cookie names its session');
$node->safe_psql('postgres', 'CREATE TABLE public.dumped AS SELECT * FROM pageviews.cookie_keys');
my $mark = $node->log_end;

$node->safe_psql('postgres', 'DROP EXTENSION pageviews CASCADE');
$node->logged(qr/pageviews extension is gone/, $mark, 'the extension is dropped');
$mark = $node->log_end;
$node->safe_psql('postgres', 'CREATE EXTENSION pageviews');
$node->logged(qr/pageviews is ready to store views/, $mark, 'and made again');
$node->wait_ready;
isnt(session_of($cookie), $session, 'its new key does not verify the old cookie');
$node->safe_psql('postgres', 'INSERT INTO pageviews.cookie_keys SELECT * FROM public.dumped');
is($node->value('SELECT count(*) FROM pageviews.cookie_keys'), '2', 'a restore brings the old key');
my $inserted = time;

ok( eval { Pageviews::Cluster::eventually('the old cookie is good', 60, sub { session_of($cookie) eq $session or sleep(0.3) && 0 }) },
	sprintf 'which is soon taken up without a restart: %.1f s', time - $inserted);
$node->safe_psql('postgres', 'TRUNCATE pageviews.cookie_keys');
$node->becomes('SELECT count(*) = 1 FROM pageviews.cookie_keys', 'a key is made where all were taken away');

# --- a catalog that is locked -----------------------------------------------------------------

my $locker = $node->background_psql('postgres');
my $worker = $node->worker_pid;

$mark = $node->log_end;
$locker->query_safe('BEGIN; LOCK TABLE pg_catalog.pg_extension IN ACCESS EXCLUSIVE MODE');
my $locked = time;
my $visitor = $node->visitor;
my $view = $visitor->begin('/locked');

$visitor->send_message(Pageviews::Client::message($view, 'end', reason => 'closed', visible => 33));
my ($busy, $absent) = (0, 0);

# A new key makes it look for its extension as well, at once and then every second.
$node->safe_psql('postgres', 'SELECT pageviews.rotate_cookie_key()');
while (time - $locked < 3)
{
	my $s = $node->stats;

	$busy++ if $s->{busy};
	$absent++ if !$s->{extension_present};
	sleep 0.1;
}
is("$busy $absent", '0 0', 'while a catalog is locked the worker turns nobody away');
is($node->http('GET', '/_view/healthz')->{status}, 200, '... and is well');
$locker->query_safe('COMMIT');
$locker->quit;
ok($visitor->expect(type => 'stored', view => $view->{view}), 'what waited is stored afterwards');
unlike(slurp_file($node->logfile, $mark), qr/extension is gone/, 'the extension is not taken for gone');
is($node->worker_pid, $worker, 'the worker is the same');
$node->conserved;

# --- a fast stop that a commit, or a write, would hold up --------------------------------------------

my $stored = 0;

# Three tries at most: opens 1,000 views, lets `$meanwhile` bring about what a fast
# stop is to cope with, stops within a second or so, starts, and lets `$after` look.
sub stops
{
	my ($name, $meanwhile, $after) = @_;

	Pageviews::Cluster::fast_enough($name, 1.2, sub {
		my $load = $node->load_start('--views', 1000, '--visitors', 1000, '--stage');

		Pageviews::Cluster::load_line($load, qr/^open$/m);
		my $held = $meanwhile->();
		my $started = time;

		$node->stop('fast');
		my $took = time - $started;

		eval { Pageviews::Cluster::load_finish($load) };
		$node->start;
		$node->wait_ready;
		$after->($held);
		return $took;
	});
}

# A view whose last word has been said, and whose write `$event` holds up.
sub held_up
{
	my ($path, $event) = @_;
	my $client = $node->visitor;
	my $one = $client->begin($path);

	$client->send_message(Pageviews::Client::message($one, 'end', reason => 'closed', visible => 5));
	$node->becomes("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type LIKE 'pageviews%' AND wait_event = '$event'",
		"a write waits: $event");
	return $one;
}

# A thousand more are there than before.
sub all_are_stored
{
	$stored += 1000;
	is($node->value('SELECT count(*), count(DISTINCT view_id) FROM pageviews.views WHERE end_reason = \'shutdown\''),
		"$stored|$stored", '... and all that were open are stored, each once');
}

# A commit is there on this side even when its wait for the other is given up.
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'\n");
$node->restart;
$node->wait_ready;
stops('a fast stop with 1,000 open views and no standby', sub { }, \&all_are_stored);

# The same while a commit already waits, and would for 20 s.
$node->set(write_timeout => '20s');
$node->restart;
$node->wait_ready;
stops('a fast stop while a commit waits', sub { held_up('/waits', 'SyncRep') }, sub {
	is($node->row($_[0]{view}, 0)->{engagement_ms}, 5, 'what waited is stored');
	all_are_stored();
});
$node->adjust_conf('postgresql.conf', 'synchronous_standby_names', "''");
$node->restart;
$node->wait_ready;

# And while a trigger sleeps.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.before_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(15); RETURN NEW; END $$;
CREATE TRIGGER before_row BEFORE INSERT ON pageviews.views FOR EACH ROW EXECUTE FUNCTION public.before_row();
SQL
my $second;

stops('a fast stop while a write sleeps', sub { $second = held_up('/sleeps', 'PgSleep') }, sub { });
$node->safe_psql('postgres', 'DROP FUNCTION public.before_row() CASCADE');

# Its browser still has it.
my $early = $node->visitor;

$early->send_message(Pageviews::Client::message($second, 'end', reason => 'closed', visible => 5, whole => 1));
ok($early->expect(type => 'stored', view => $second->{view}), 'what could not be stored is taken from its browser');
$node->conserved;
$node->stop;

# --- something else where a partition should be --------------------------------------------------------

my $other = Pageviews::Cluster->prepared('other');

$other->adjust_conf('postgresql.conf', 'pageviews.port', undef);
$other->start;
$other->safe_psql('postgres', 'CREATE EXTENSION pageviews');
my $leaf = $other->value("SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month', '\"views_\"YYYY_MM')");

$other->safe_psql('postgres', <<"SQL");
CREATE FOREIGN DATA WRAPPER elsewhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;
CREATE FOREIGN TABLE pageviews.$leaf (view_id uuid) SERVER elsewhere;
SQL
$other->stop;
$other->append_conf('postgresql.conf', 'pageviews.port = ' . $other->web . "\n");
$mark = $other->log_end;
$other->start;
ok(eval { $other->wait_ready }, 'a foreign table with the name of the next partition does not keep the worker from serving');
my $kept = eval {
	my $client = $other->visitor;
	my $now = $client->begin('/this_month');

	$client->end_view($now, visible => 9);
	$other->row($now->{view});
};

is(($kept // {})->{engagement_ms}, 9, '... and from storing what comes this month');
$other->logged(qr/cannot make the partition "$leaf"/, $mark, '... and the log tells of it');
$other->safe_psql('postgres', "DROP FOREIGN TABLE pageviews.$leaf");
$other->becomes("SELECT count(*) = 1 FROM pg_inherits WHERE inhrelid = to_regclass('pageviews.$leaf')",
	'when it is gone the partition is made');
$other->conserved;
$other->stop;
done_testing();
