# Faults of the database: locks, errors, a missing extension.

package Pageviews::Faults::Database;

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Faults;
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(time sleep);

# Locked for so many seconds.
sub lock_views
{
	my ($blow, $seconds) = @_;
	my $session = session($blow, 'SELECT pg_backend_pid(); BEGIN; LOCK TABLE pageviews.views IN ACCESS EXCLUSIVE MODE');

	session_pid($session);
	sleep $seconds;
	$session->{in} .= "COMMIT;\n\\q\n";
	$session->{run}->finish;
}

# For 30 seconds, or as long as the visitors stay.
fault 'table locked' => sub { lock_views($_[0], $_[0]{until} - 1 - time) },
  move => sub { lock_views($_[0], 1) }, seconds => 32, short => 1;

# A trigger that raises in every transaction of which `when` holds.
sub trigger
{
	my ($blow, $state, $when) = @_;

	insist($blow, <<"EOT");
CREATE OR REPLACE FUNCTION public.breaks() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	IF $when THEN
		RAISE EXCEPTION 'broken by the test' USING ERRCODE = '$state';
	END IF;
	RETURN new;
END \$\$;
DROP TRIGGER IF EXISTS breaks ON pageviews.views;
CREATE TRIGGER breaks BEFORE INSERT OR UPDATE ON pageviews.views FOR EACH ROW EXECUTE FUNCTION public.breaks();
DROP TRIGGER IF EXISTS breaks ON pageviews.events;
CREATE TRIGGER breaks BEFORE INSERT ON pageviews.events FOR EACH ROW EXECUTE FUNCTION public.breaks();
EOT
}

sub no_trigger
{
	insist($_[0], "DROP TRIGGER IF EXISTS breaks ON pageviews.$_") for qw(views events);
	insist($_[0], 'DROP FUNCTION IF EXISTS public.breaks()');
}

# Breaks writes for a while.
sub broken
{
	my ($blow, $state, $when, $seconds) = @_;

	trigger($blow, $state, $when);
	sleep $seconds;
	no_trigger($blow);
}

for my $row ([ 'disk full', '53100' ], [ 'serialization failure', '40001' ], [ 'deadlock', '40P01' ], [ 'lock timeout', '55P03' ])
{
	my ($name, $state) = @$row;

	fault "$name for a while" => sub { broken($_[0], $state, 'true', 4) },
	  move => sub { broken($_[0], $state, 'true', 1) }, short => $name eq 'disk full';
	fault "$name now and then" => sub { broken($_[0], $state, 'txid_current() % 3 = 0', 5) },
	  move => sub { broken($_[0], $state, 'txid_current() % 2 = 0', 1) };
}

fault 'error in every third batch' => sub { broken($_[0], 'XX000', 'txid_current() % 3 = 0', 5) },
  move => sub { broken($_[0], 'XX000', 'txid_current() % 3 = 0', 1) };

# A write takes so long that the signal comes in the middle of one.
fault 'stop in mid-write' => sub {
	trigger($_[0], 'XX000', 'random() < 0.1 AND pg_sleep(0.004) IS NULL');
	again_and_again($_[0], 1.2, sub {
		my ($blow) = @_;

		$blow->{node}->stop(rand() < 0.5 ? 'smart' : 'fast');
		$blow->{node}->start;
		started($blow);
	});
	no_trigger($_[0]);
}, seconds => 10;

fault 'extension dropped and made' => sub {
	my ($blow) = @_;

	sleep 1;
	$blow->{fault}{new_sessions} = 1;
	insist($blow, 'DROP EXTENSION IF EXISTS pageviews');
	sleep 1;
	insist($blow, 'CREATE EXTENSION IF NOT EXISTS pageviews');
	$blow->{fault}{counts_from} = insist($blow, 'SELECT ceil(extract(epoch FROM clock_timestamp()) * 1000)');
}, seconds => 9, short => 1;

# Another version of the extension and the way back, next to the one that is
# installed: a column comes and goes, and a function that the worker has planned a
# call of is another one afterwards.
sub make_versions
{
	my ($version) = @_;
	my $folder = `pg_config --sharedir`;

	chomp $folder;
	die "not in a workshop\n" if !$ENV{PAGEVIEWS_WORKSHOP} || $folder !~ /^\Q$ENV{PAGEVIEWS_WORKSHOP}\E/;
	for my $row ([ "$version--faults", 'ADD COLUMN faults integer NOT NULL DEFAULT 7' ], [ "faults--$version", 'DROP COLUMN faults' ])
	{
		my ($path, $change) = @$row;

		PostgreSQL::Test::Utils::append_to_file("$folder/extension/pageviews--$path.sql", <<"EOT") if !-e "$folder/extension/pageviews--$path.sql";
ALTER TABLE pageviews.views $change;
DO \$\$
DECLARE
	definition text := pg_get_functiondef('pageviews.load_cookie_keys()'::regprocedure);
BEGIN
	DROP FUNCTION pageviews.load_cookie_keys();
	EXECUTE definition;
END
\$\$;
REVOKE ALL ON FUNCTION pageviews.load_cookie_keys() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pageviews.load_cookie_keys() TO pageviews_collector;
EOT
	}
}

# There and back, its locks held for longer than the worker waits for one; a new key makes the worker call the function.
repeated 'extension updated' => 0.3, sub {
	my ($blow) = @_;
	my $version = insist($blow, "SELECT default_version FROM pg_available_extensions WHERE name = 'pageviews'");

	make_versions($version);
	$blow->{fault}{new_sessions} = 1;
	for my $to ('faults', $version)
	{
		insist($blow, "BEGIN; ALTER EXTENSION pageviews UPDATE TO '$to'; SELECT pg_sleep(0.4); COMMIT");
		insist($blow, 'SELECT pageviews.rotate_cookie_key()');
		sleep 0.3;
	}
};

1;
