# What breaks while the roll-ups are made: their process is told to stop, the server
# stops at once, the extension or the database goes away, there is no room.  A gate, a
# trigger of this test, holds the process between the packs that it wrote and those that
# it is to write.  Afterwards it goes on, and the packs are, byte for byte, those that are
# made from scratch.
#
# A process that is killed with SIGKILL makes the postmaster end all others as an immediate
# stop does, and recover from the log; the immediate stop stands for both, because with it
# nothing depends on who is started again first.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;
use Time::HiRes qw(time);

use constant ROLLER => "backend_type = 'pageviews roll-ups'";
use constant BOUND => 30;

my %settings = (rollup_delay => '1s', checkpoint_interval => '1s', linger => '300ms', ping_interval => '5min');
my ($node, $database, $visitor, $stored);

sub value
{
	my ($query) = @_;

	return $node->safe_psql($database, $query);
}

sub store_one
{
	my $view = $visitor->begin('/page/' . $stored % 7, referrer => $stored % 2 ? 'https://www.google.com/' : undef);

	$visitor->end_view($view, visible => $stored % 40);
	return ++$stored;
}

sub store_many
{
	$node->load('--views', 500, '--visitors', 20);
	$stored += 500;
	return;
}

sub all_are_stored
{
	my ($what) = @_;

	return ok(eval {
		Pageviews::Cluster::eventually($what, 60, sub { value('SELECT count(ended_at) FROM pageviews.views') == $stored });
	}, $what);
}

# Reports from roll-ups and those from views, in one snapshot.
sub reports_are_right
{
	my ($when) = @_;

	for my $report ('pages(filters => %s)', 'entry_pages(filters => %s)', 'referrers(filters => %s)', 'devices(filters => %s)')
	{
		my ($rolled, $raw) = map { sprintf "SELECT * FROM pageviews.$report", $_ } 'NULL', "'{}'";

		is(value("SELECT (SELECT count(*) FROM (($rolled) EXCEPT ALL ($raw)) AS d), (SELECT count(*) FROM (($raw) EXCEPT ALL ($rolled)) AS d)"),
			'0|0', "$when: $report");
	}
	my $summary = 'SELECT views, visits, visitors, engagement_total_ms FROM pageviews.summary(filters => %s)';
	my $both = value(join ' UNION ALL ', map { sprintf $summary, $_ } 'NULL', "'{}'");
	my ($rolled, $raw) = split /\n/, $both;

	is($rolled, $raw, "$when: summary");
	like($rolled, qr/^$stored\|/, "$when: every view is there");
	return;
}

# Until what began by now is rolled up; then everything is compared, and made from scratch.
sub goes_on
{
	my ($what) = @_;
	my $now = time;

	ok(eval {
		Pageviews::Cluster::eventually($what, 60, sub {
			store_one();
			return value("SELECT rolled_until > to_timestamp($now) FROM pageviews.rollup_state") eq 't';
		});
	}, $what) or diag $@;
	all_are_stored("$what: all is stored");
	reports_are_right($what);

	# One transaction, in which nobody else adds up.
	my $sum = q{SELECT count(*) > 10, md5(string_agg(concat_ws(' ', dimension, level, site, bucket, md5(counters || details)), ',' ORDER BY dimension, level, site, bucket)) FROM pageviews.rollups};
	my ($kept, $made) = split /\n/, value(<<"SQL") =~ s/^\n+//mgr;
BEGIN;
LOCK TABLE pageviews.rollup_state IN EXCLUSIVE MODE;
UPDATE pageviews.rollup_changes SET changed_at = changed_at - interval '2 hours';
SELECT FROM pageviews.roll_up();
SELECT rolled_until AS until FROM pageviews.rollup_state \\gset
$sum;
SELECT FROM pageviews.rebuild_rollups();
SELECT FROM pageviews.roll_up(:'until');
$sum;
COMMIT;
SQL
	like($kept, qr/^t\|/, "$what: there are packs");
	is($made, $kept, "$what: they are those that are made from scratch");
	return;
}

sub make_gate
{
	value(<<'SQL');
CREATE OR REPLACE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT pg_catalog.pg_try_advisory_xact_lock_shared(4711) LOOP
		PERFORM pg_catalog.pg_sleep(0.01);
	END LOOP;
	RETURN new;
END $$;
CREATE TRIGGER gate BEFORE INSERT OR UPDATE ON pageviews.rollups
	FOR EACH ROW WHEN (new.dimension > 0) EXECUTE FUNCTION public.gate();
SQL
	return;
}

# Shuts the gate and waits until the process stands at it; the session that keeps it
# shut, and the process.
sub caught
{
	my ($what) = @_;
	my $keeper = $node->background_psql($database);
	my $pid;

	$keeper->query_safe('SELECT pg_advisory_lock(4711)');
	store_many();
	Pageviews::Cluster::eventually("$what: the process stands at the gate", 60, sub {
		store_one();
		return $pid = value('SELECT pid FROM pg_stat_activity WHERE ' . ROLLER . " AND wait_event = 'PgSleep'");
	});
	is(value("SELECT count(*) FROM pg_locks WHERE pid = $pid AND relation = 'pageviews.rollups'::regclass AND mode = 'RowExclusiveLock' AND granted"),
		'1', "$what: the process is writing packs");
	all_are_stored("$what: views are stored meanwhile");
	reports_are_right("$what: meanwhile");
	return ($keeper, $pid);
}

sub process_ends
{
	my ($pid, $what) = @_;

	return ok(eval { Pageviews::Cluster::eventually($what, BOUND, sub { !Pageviews::Cluster::alive($pid) }) }, $what);
}

$node = Pageviews::Cluster->running('main', %settings);
$database = 'postgres';
$visitor = $node->visitor;
$stored = 0;
make_gate();
goes_on('the first views');

# --- told to stop ------------------------------------------------------------------------

my $from = $node->log_end;
my ($keeper, $pid) = caught('SIGTERM');

kill 'TERM', $pid;
process_ends($pid, 'SIGTERM ends the process');
$keeper->quit;
goes_on('after SIGTERM');
unlike(slurp_file($node->logfile, $from), qr/roll(?:ing up|-ups|up_)/, 'nothing is logged of it');

# --- an immediate stop ----------------------------------------------------------------------

($keeper, $pid) = caught('immediate stop');
$node->stop('immediate');
process_ends($pid, 'an immediate stop ends the process');
eval { $keeper->quit };
$node->start;
$node->wait_ready;
reports_are_right('recovered');
$visitor = $node->visitor;
goes_on('after an immediate stop');

# --- no room ------------------------------------------------------------------------------------

value(<<'SQL');
CREATE FUNCTION public.no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE disk_full USING MESSAGE = 'could not extend file: No space left on device';
END $$;
CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON pageviews.rollups
	FOR EACH ROW WHEN (new.dimension > 0) EXECUTE FUNCTION public.no_room();
SQL
my $last = value('SELECT max(started_at) FROM pageviews.views');

$from = $node->log_end;
store_many();
ok(eval {
	Pageviews::Cluster::eventually('it gives up', 60, sub {
		store_one();
		return slurp_file($node->logfile, $from) =~ /pageviews could not bring its roll-ups up to date/;
	});
}, 'a full disk is told of');
like(slurp_file($node->logfile, $from), qr/rolling up page views failed and will be tried again: could not extend file: No space left on device/, '... and why');
all_are_stored('views are stored without room for roll-ups');
# A stretch without views needs no room, and may end where the first view begins.
is(value("SELECT rolled_until <= (SELECT min(started_at) FROM pageviews.views WHERE started_at > '$last') FROM pageviews.rollup_state"),
	't', 'no view is rolled up');
reports_are_right('without room');
value('DROP TRIGGER no_room ON pageviews.rollups');
goes_on('with room again');

# --- DROP EXTENSION --------------------------------------------------------------------------------

($keeper, $pid) = caught('DROP EXTENSION');
my $worker = $node->worker_pid;
my $dropper = $node->background_psql($database);
my $dropping = $dropper->query_safe('SELECT pg_backend_pid()');

$from = $node->log_end;
$dropper->{stdin} .= "DROP EXTENSION pageviews CASCADE;\n\\echo dropped\n";
$dropper->{run}->pump_nb;
Pageviews::Cluster::eventually('it waits for the transaction that adds up', 60,
	sub { value("SELECT $pid = ANY (pg_blocking_pids($dropping))") eq 't' });
$keeper->quit;
ok(eval { Pageviews::Cluster::eventually('dropped', BOUND, sub { $dropper->{run}->pump_nb; $dropper->{stdout} =~ /dropped/ }) },
	'DROP EXTENSION ends with the transaction that adds up');
$dropper->quit;
process_ends($pid, '... and so does the process');
$node->logged(qr/pageviews extension is gone/, $from, 'the worker notices');
value('CREATE EXTENSION pageviews');
$node->wait_ready;
is($node->worker_pid, $worker, 'it is the same worker');
$visitor = $node->visitor;
$stored = 0;
make_gate();
goes_on('a new extension');
unlike(slurp_file($node->logfile, $from), qr/roll(?:ing up|-ups|up_)/, 'nothing is logged of roll-ups');
$node->conserved;
$node->stop;

# --- DROP DATABASE --------------------------------------------------------------------------------------

$node = Pageviews::Cluster->prepared('other', %settings, database => 'site');
$database = 'site';
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE site');
value('CREATE EXTENSION pageviews');
$node->wait_ready;
$visitor = $node->visitor;
$stored = 0;
make_gate();
goes_on('a database of its own');
($keeper, $pid) = caught('DROP DATABASE');
my $started = time;

$from = $node->log_end;
$node->safe_psql('postgres', 'DROP DATABASE site WITH (FORCE)');
cmp_ok(time - $started, '<', BOUND, 'DROP DATABASE ends');
process_ends($pid, '... and so does the process');
eval { $keeper->quit };
$node->logged(qr/CONTEXT:  pageviews worker, which stores views in the database of pageviews.database, "site"/, $from, 'the worker misses its database');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_activity WHERE ' . ROLLER), '0', '... and asks nobody to add up in it');
$node->safe_psql('postgres', 'CREATE DATABASE site');
value('CREATE EXTENSION pageviews');
$node->wait_ready;
$visitor = $node->visitor;
$stored = 0;
make_gate();
goes_on('a new database');
unlike(slurp_file($node->logfile, $from), qr/roll(?:ing up|-ups|up_)/, 'nothing is logged of roll-ups');
$node->stop;
done_testing();
