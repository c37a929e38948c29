# Faults of processes: they are killed, stopped, started again.

package Pageviews::Faults::Processes;

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Faults;
use Time::HiRes qw(time sleep);

fault 'none' => sub { }, short => 1;

repeated 'listener SEGV' => 1, sub { hit($_[0], SEGV => listener($_[0])) }, short => 1;

repeated 'listener kill -9' => 1, sub { hit($_[0], KILL => listener($_[0])) };

fault 'listener STOP' => sub {
	my ($blow) = @_;
	my $pid = listener($blow);

	hit($blow, STOP => $pid);
	Pageviews::Cluster::eventually('another listener', 20, sub { listener($blow) != $pid });
}, seconds => 12;

repeated 'worker terminated' => 2, sub {
	insist($_[0], 'SELECT pg_terminate_backend(' . worker($_[0]) . ')');
	$_[0]{restarts}++;
}, short => 1;

repeated 'worker cancelled' => 0.1, sub { insist($_[0], 'SELECT pg_cancel_backend(' . worker($_[0]) . ')') };

repeated 'backend kill -9' => 2, sub {
	my ($blow) = @_;
	my $session = session($blow, 'SELECT pg_backend_pid()');

	my $pid = session_pid($session);

	memory_lost($blow, sub {
		hit($blow, KILL => $pid);
		$session->{run}->kill_kill;
	});
	insist($blow, 'SELECT 1');
}, short => 1;

repeated 'worker kill -9' => 2, sub {
	my ($blow) = @_;
	my $pid = worker($blow);

	memory_lost($blow, sub { hit($blow, KILL => $pid) });
	insist($blow, 'SELECT 1');
};

fault 'postmaster kill -9' => sub {
	my ($blow) = @_;
	my $node = $blow->{node};
	my @children = (worker($blow), listener($blow));

	memory_lost($blow, sub { $node->kill9 });
	Pageviews::Cluster::eventually('nothing is left over', 20, sub { !grep { Pageviews::Cluster::alive($_) } @children });
	# Where nobody reaps orphans its pid goes on as a zombie's, and its locks with it.
	unlink $node->data_dir . '/postmaster.pid', map { $node->host . '/.s.PGSQL.' . $node->port . $_ } '', '.lock';
	Pageviews::Cluster::eventually('a start', 20, sub { eval { $node->start(fail_ok => 1) } });
	started($blow);
};

for my $mode (qw(immediate fast smart))
{
	repeated "$mode stop" => 2, sub {
		my ($blow) = @_;

		my $stop = sub { $blow->{node}->stop($mode) };

		$mode eq 'immediate' ? memory_lost($blow, $stop) : $stop->();
		$blow->{node}->start;
		started($blow);
	}, short => $mode eq 'fast';
}

1;
