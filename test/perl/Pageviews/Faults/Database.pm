# Faults of the database: locks, errors, a missing extension.

package Pageviews::Faults::Database;

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Faults;
use Exporter qw(import);
use Time::HiRes qw(time sleep);

our @EXPORT = qw(trigger no_trigger);

fault 'table locked' => sub {
	my ($blow) = @_;
	my $session = session($blow, 'SELECT pg_backend_pid(); BEGIN; LOCK TABLE pageviews.views IN ACCESS EXCLUSIVE MODE');

	session_pid($session);
	sleep 10;
	$session->{in} .= "COMMIT;\n\\q\n";
	$session->{run}->finish;
}, seconds => 12;

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
EOT
}

sub no_trigger
{
	insist($_[0], 'DROP TRIGGER IF EXISTS breaks ON pageviews.views; DROP FUNCTION IF EXISTS public.breaks()');
}

for my $row ([ 'disk full', '53100' ], [ 'serialization failure', '40001' ], [ 'deadlock', '40P01' ], [ 'lock timeout', '55P03' ])
{
	my ($name, $state) = @$row;

	fault "$name for a while" => sub {
		trigger($_[0], $state, 'true');
		sleep 4;
		no_trigger($_[0]);
	};
	fault "$name now and then" => sub {
		trigger($_[0], $state, 'txid_current() % 3 = 0');
		sleep 5;
		no_trigger($_[0]);
	};
}

fault 'error in every third batch' => sub {
	trigger($_[0], 'XX000', 'txid_current() % 3 = 0');
	sleep 5;
	no_trigger($_[0]);
};

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
	insist($blow, 'DROP EXTENSION IF EXISTS pageviews');
	sleep 1;
	insist($blow, 'CREATE EXTENSION IF NOT EXISTS pageviews');
	$blow->{fault}{counts_from} = insist($blow, 'SELECT ceil(extract(epoch FROM clock_timestamp()) * 1000)');
}, forgets => 1, seconds => 9;

1;
