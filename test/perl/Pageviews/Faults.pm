# What can break under a cluster while visitors come and go, by name.
#
# A fault is a hash: name; seconds, how long visitors come; work, which breaks
# things until it is told that the time is over and leaves everything mended;
# forgets, when the worker's memory does not survive it.

package Pageviews::Faults;

use strict;
use warnings FATAL => 'all';

use Carp qw(confess);
use IPC::Run ();
use Pageviews::Cluster;
use Time::HiRes qw(time sleep);

my @all;

# Registers a fault.
sub fault
{
	my ($name, $work, %o) = @_;

	push @all, { name => $name, seconds => 7, work => $work, %o };
}

sub all
{
	return @all;
}

# Breaks things while the visitors are there: {restarts, error}.  `fault` learns
# from when on (counts_from) its views count, where that is not the beginning.
sub strike
{
	my ($fault, $node, $driver, $until) = @_;
	my $blow = { node => $node, driver => $driver, until => $until, restarts => 0, fault => $fault };

	sleep 1;
	eval { $fault->{work}->($blow); 1 } or $blow->{error} = "the fault failed: $@";
	return $blow;
}

# --- helpers ------------------------------------------------------------------------

# Calls until the visitors go, with a pause in between.
sub again_and_again
{
	my ($blow, $pause, $code) = @_;

	while (time < $blow->{until} - $pause)
	{
		$code->($blow);
		sleep $pause;
	}
}

# SQL that is tried until it succeeds: the server may be on its way up.
sub insist
{
	my ($blow, $query) = @_;
	my $result;

	Pageviews::Cluster::eventually($query, 30, sub { defined eval { $result = $blow->{node}->value($query) } });
	return $result;
}

# Pid of the worker, once there is one.
sub worker
{
	my ($blow) = @_;

	return Pageviews::Cluster::eventually('a worker', 30, sub { eval { $blow->{node}->worker_pid } });
}

# A listener, once there is one.
sub listener
{
	my ($blow) = @_;
	my $found;

	Pageviews::Cluster::eventually('a listener', 30, sub {
		($found) = grep { Pageviews::Cluster::is_listener($_) } eval { $blow->{node}->listener_pids };
		$found;
	});
	return $found;
}

# Signals a process of this cluster, and counts it.
sub hit
{
	my ($blow, $signal, $pid) = @_;

	kill $signal, $pid or confess "no process $pid: $!";
	$blow->{restarts}++;
}

# A session that runs SQL and stays; end it with finish().
sub session
{
	my ($blow, $query) = @_;
	my %session = (in => "$query\n;SELECT 'done';\n", out => '', err => '');

	$session{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $blow->{node}->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err}, IPC::Run::timeout(60));
	return \%session;
}

# Its server process, and its SQL done.
sub session_pid
{
	my ($session) = @_;

	$session->{run}->pump until $session->{out} =~ /^(\d+)\n(?:.*\n)*done$/m || $session->{err};
	return $1 // confess "session: $session->{err}";
}

# Waits until a new postmaster life takes commands.
sub started
{
	my ($blow) = @_;

	insist($blow, 'SELECT 1');
	$blow->{restarts}++;
}

# --- processes ------------------------------------------------------------------------

fault 'none' => sub { };

fault 'listener SEGV' => sub { again_and_again($_[0], 1, sub { hit($_[0], SEGV => listener($_[0])) }) };

fault 'listener STOP' => sub {
	my ($blow) = @_;
	my $pid = listener($blow);

	hit($blow, STOP => $pid);
	Pageviews::Cluster::eventually('another listener', 20, sub { listener($blow) != $pid });
}, seconds => 12;

fault 'worker terminated' => sub {
	again_and_again($_[0], 2, sub { insist($_[0], 'SELECT pg_terminate_backend(' . worker($_[0]) . ')'); $_[0]{restarts}++ });
};

fault 'worker cancelled' => sub {
	again_and_again($_[0], 0.1, sub { insist($_[0], 'SELECT pg_cancel_backend(' . worker($_[0]) . ')') });
};

fault 'backend kill -9' => sub {
	again_and_again($_[0], 2, sub {
		my ($blow) = @_;
		my $session = session($blow, 'SELECT pg_backend_pid()');

		hit($blow, KILL => session_pid($session));
		$session->{run}->kill_kill;
		insist($blow, 'SELECT 1');
	});
}, forgets => 1;

fault 'worker kill -9' => sub {
	again_and_again($_[0], 2, sub { hit($_[0], KILL => worker($_[0])); insist($_[0], 'SELECT 1') });
}, forgets => 1;

fault 'postmaster kill -9' => sub {
	my ($blow) = @_;
	my $node = $blow->{node};
	my @children = (worker($blow), listener($blow));

	$node->kill9;
	Pageviews::Cluster::eventually('nothing is left over', 20, sub { !grep { Pageviews::Cluster::alive($_) } @children });
	# Where nobody reaps orphans its pid goes on as a zombie's, and its locks with it.
	unlink $node->data_dir . '/postmaster.pid', map { $node->host . '/.s.PGSQL.' . $node->port . $_ } '', '.lock';
	Pageviews::Cluster::eventually('a start', 20, sub { eval { $node->start(fail_ok => 1) } });
	started($blow);
}, forgets => 1;

for my $mode (qw(immediate fast smart))
{
	fault "$mode stop" => sub {
		again_and_again($_[0], 2, sub {
			my ($blow) = @_;

			$blow->{node}->stop($mode);
			$blow->{node}->start;
			started($blow);
		});
	}, forgets => $mode eq 'immediate';
}

# --- the database -------------------------------------------------------------------------

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

# --- the network -----------------------------------------------------------------------------

fault 'half of the connections reset' => sub { again_and_again($_[0], 0.5, sub { kill USR1 => $_[0]{driver} }) };

# --- everything ----------------------------------------------------------------------------------

fault 'random mix' => sub {
	my @moves = (
		sub { hit($_[0], SEGV => listener($_[0])) },
		sub { hit($_[0], KILL => listener($_[0])) },
		sub { kill USR1 => $_[0]{driver} },
		sub { insist($_[0], 'SELECT pg_terminate_backend(' . worker($_[0]) . ')'); $_[0]{restarts}++ },
		sub { insist($_[0], 'SELECT pg_cancel_backend(' . worker($_[0]) . ')') },
		sub { hit($_[0], KILL => worker($_[0])); insist($_[0], 'SELECT 1') },
		sub { $_[0]{node}->stop('fast'); $_[0]{node}->start; started($_[0]) },
		sub { $_[0]{node}->stop('immediate'); $_[0]{node}->start; started($_[0]) },
		sub { trigger($_[0], '40001', 'txid_current() % 2 = 0'); sleep 1; no_trigger($_[0]) },
		sub { trigger($_[0], '53100', 'true'); sleep 1; no_trigger($_[0]) });

	again_and_again($_[0], 0.3, sub { $moves[ int rand @moves ]->($_[0]) });
}, forgets => 1, seconds => 15;

1;
