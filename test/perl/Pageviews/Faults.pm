# What can break under a cluster while visitors come and go, by name.
#
# A fault is a hash:
#
#	name
#	seconds		how long visitors come
#	work		breaks things until the time is over, and leaves everything mended
#	move		does so once, within a second or two: what the random mix draws from
#	before		prepares the cluster; is called with it, the fault, and the seed
#	options		for the visitors
#	after		mends what `before` did; returns a list of what is wrong
#	slack		ms by which the server may misjudge a view whose visitor never came back
#	short		it is one of the short form's
#
# This file holds the list and what faults have in common; the faults are in
# Pageviews/Faults/.

package Pageviews::Faults;

use strict;
use warnings FATAL => 'all';

use Carp qw(confess);
use Exporter qw(import);
use IPC::Run ();
use Pageviews::Cluster;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(fault repeated again_and_again insist tell memory_lost worker listener hit session session_pid started);

my @all;

# Registers a fault.
sub fault
{
	my ($name, $work, %o) = @_;

	push @all, { name => $name, seconds => 7, work => $work, %o };
}

# Registers one that is a move, again and again with a pause in between.
sub repeated
{
	my ($name, $pause, $move, %o) = @_;

	fault($name, sub { again_and_again($_[0], $pause, $move) }, move => $move, %o);
}

sub all
{
	return @all;
}

# Breaks things while the visitors are there: {restarts, error, told (what to add to
# a failure), node (the one to look at from now on)}.  `fault` learns from when on
# (counts_from) its views count, where that is not the beginning, and when the
# worker's memory was lost (losses: first and last moment of each, ms since the epoch), and
# that cookies of before may be worth nothing any more (new_sessions).
sub strike
{
	my ($fault, $node, $driver, $until) = @_;
	my $blow = { node => $node, driver => $driver, until => $until, restarts => 0, told => [], fault => $fault };

	sleep 1;
	eval { $fault->{work}->($blow); 1 } or ($blow->{error}) = "the fault failed: $@" =~ /(.*)/;
	return $blow;
}

# --- what faults have in common ---------------------------------------------------

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

# A line that a failure shows, too.
sub tell
{
	my ($blow, $line) = @_;

	push @{ $blow->{told} }, $line;
}

# Does what costs the worker its memory, and keeps when that was.
sub memory_lost
{
	my ($blow, $code) = @_;
	my $from = time;

	$code->();
	push @{ $blow->{fault}{losses} }, [ 1000 * $from, 1000 * time ];
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

1;
