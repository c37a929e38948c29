# What the sections of the bench have in common: cores, processor time, servers to
# measure and to compare with, the load, medians, and the table of results.
#
# A section is registered with section() and reports with result() and curve().
# A run that lost a row, or failed a visitor, is a failure and never a figure:
# load() and drained() die of it.

package Pageviews::Bench;

use strict;
use warnings FATAL => 'all';

use Carp qw(confess);
use Exporter qw(import);
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use Pageviews::Cluster;
use PostgreSQL::Test::Cluster;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(section result curve progress repeats seconds median pin SERVER_CORE LOAD_CORE
  cluster plain_cluster echo_server node_server stop_peer cpu_of load load_start load_finish hold
  let_go drained flat_out warnings_of);

# More of a core than this, taken by whoever is neither server nor load, is told of.
use constant FOREIGN_LIMIT => 0.1;

use constant { SERVER_CORE => 0, LOAD_CORE => 1, TICKS => POSIX::sysconf(POSIX::_SC_CLK_TCK()) };

my (@sections, @results, @curves, @warnings, $screen);
my (@running, @nodes); # what a section that failed may leave behind

BEGIN { require POSIX }

# --- sections and what they say --------------------------------------------------

# name, what it is about, and the function that measures it.
sub section
{
	my ($name, $title, $code) = @_;

	push @sections, { name => $name, title => $title, code => $code };
}

sub sections { return @sections }
sub results { return @results }
sub curves { return @curves }

# Where progress goes.
sub show_on { ($screen) = @_ }

sub progress
{
	my ($format, @values) = @_;

	printf $screen "    $format\n", @values;
}

# A line of the table: what, measured, reference (texts); ratio; goal, as text and
# as `at_most` or `at_least`, which `value` (the ratio, if not said) is held against.
sub result
{
	my (%r) = @_;

	$r{value} //= $r{ratio};
	if (defined $r{at_most} && defined $r{value})
	{
		$r{met} = $r{value} <= $r{at_most};
		$r{missed_by} = $r{at_most} > 0 ? $r{value} / $r{at_most} - 1 : undef;
	}
	elsif (defined $r{at_least})
	{
		$r{met} = $r{value} >= $r{at_least};
		$r{missed_by} = 1 - $r{value} / $r{at_least};
	}
	push @results, \%r;
	progress('=> %s: %s, reference %s%s', $r{what}, $r{measured}, $r{reference} // '-',
		defined $r{ratio} ? sprintf(', ratio %.2f', $r{ratio}) : '');
	return;
}

# A curve to be plotted: name, title, x and y (labels, units), columns (names), points
# (rows of x and a value a column).
sub curve
{
	my (%c) = @_;

	push @curves, \%c;
}

# What a reader of the results must know, collected while measuring; each once.
sub warnings_of
{
	my %told;

	return grep { !$told{$_}++ } @warnings;
}

sub repeats { return $ENV{BENCH_REPEATS} || 5 }
sub seconds { return $ENV{BENCH_SECONDS} || 4 }

sub median
{
	my @sorted = sort { $a <=> $b } @_;

	confess 'the median of nothing' unless @sorted;
	return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

# --- cores and processor time ------------------------------------------------------

# From now on we, and whom we start, run on these cores alone.
sub pin
{
	my (@cores) = @_;

	my $said;

	IPC::Run::run([ 'taskset', '-pc', join(',', @cores), $$ ], '>&', \$said) or die "taskset: $said";
}

# Starts something on these cores, and goes back to the load's.
sub on_cores
{
	my ($cores, $code) = @_;

	pin(@$cores);
	my $started = $code->();
	pin(LOAD_CORE);
	return $started;
}

# Seconds of processor that these processes and all of their children have taken,
# those that ended included (as long as their parents waited for them).
sub cpu_of
{
	my $ticks = 0;

	for my $pid (tree_of(@_))
	{
		open my $file, '<', "/proc/$pid/stat" or next;
		my $line = <$file> // next;
		my @fields = split ' ', $line =~ s/^.*\) //r;

		$ticks += $_ for @fields[ 11 .. 14 ];
	}
	return $ticks / TICKS;
}

# Seconds of processor that the whole machine has taken.
sub cpu_of_all
{
	my @ticks = PostgreSQL::Test::Utils::slurp_file('/proc/stat') =~ /^cpu +(\d+) (\d+) (\d+) \d+ \d+ (\d+) (\d+)/;
	my $sum = 0;

	$sum += $_ for @ticks;
	return $sum / TICKS;
}

# These processes, their children, and theirs.
sub tree_of
{
	my %there;
	my @all = grep { !$there{$_}++ } @_;

	for (my $i = 0; $i < @all; $i++)
	{
		for my $file (glob "/proc/$all[$i]/task/*/children")
		{
			open my $in, '<', $file or next;
			push @all, grep { !$there{$_}++ } split ' ', <$in> // '';
		}
	}
	return @all;
}

# --- servers -------------------------------------------------------------------------

# The settings of a Postgres that nobody has tuned, but for what the tests' own
# clusters have changed.
my $default_conf = <<'EOT';
fsync = on
wal_level = replica
max_wal_senders = 10
max_connections = 100
huge_pages = off
EOT

sub server
{
	my ($cores, $code) = @_;

	push @nodes, on_cores($cores, $code);
	return $nodes[-1];
}

# Ends what a section that failed has left running.
sub clean_up
{
	$_->kill_kill for splice @running;
	$_->teardown_node for splice @nodes;
	pin(LOAD_CORE);
}

# A cluster with pageviews on these cores, its settings the defaults.
sub cluster
{
	my ($name, $cores, %o) = @_;
	my $conf = $default_conf . (delete $o{conf} // '');

	return server($cores,
		sub { Pageviews::Cluster->running($name, conf => $conf, %o) });
}

# A cluster without it.
sub plain_cluster
{
	my ($name, $cores) = @_;

	return server(
		$cores,
		sub {
			my $node = PostgreSQL::Test::Cluster->new($name);

			$node->init(extra => [ '-E', 'UTF8', '--no-locale' ]);
			$node->append_conf('postgresql.conf', "${default_conf}log_statement = none\n");
			$node->start;
			return $node;
		});
}

# A reference program, once it answers on its port: {pid, port, run}.
sub peer
{
	my ($cores, @command) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my %peer = (port => $port, out => '');

	$peer{run} = on_cores($cores, sub { IPC::Run::start([ @command, $port ], '>&', \$peer{out}) });
	push @running, $peer{run};
	$peer{pid} = $peer{run}{KIDS}[0]{PID};
	Pageviews::Cluster::eventually("$command[0] answers", 20,
		sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) });
	return \%peer;
}

# The bare websocket server.
sub echo_server
{
	my ($connections) = @_;

	return peer([SERVER_CORE], "$ENV{PAGEVIEWS_BENCH}/echo", $connections);
}

# The Node server, with the database of a plain cluster behind it.
sub node_server
{
	my ($node) = @_;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGUSER} = getpwuid $<;
	local $ENV{PGDATABASE} = 'postgres';

	return peer([SERVER_CORE], 'node', 'test/load/peers/node.mjs');
}

sub stop_peer
{
	my ($peer) = @_;

	$peer->{run}->signal('KILL');
	$peer->{run}->finish;
}

sub postmaster
{
	my ($node) = @_;

	return PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/ && $1;
}

# --- the load --------------------------------------------------------------------------

# Options of every load: many addresses, so that no limit of one address is met, and
# because one has too few ports for all the connections that a run closes.
sub arguments
{
	my ($port, @arguments) = @_;

	return ($ENV{PAGEVIEWS_LOADGEN}, '--port', $port, '--addresses', 240, @arguments);
}

sub load_start
{
	my ($port, @arguments) = @_;
	my %load = (in => '', out => '', err => '');

	$load{run} = IPC::Run::start([ arguments($port, @arguments) ],
		'<', \$load{in}, '>', \$load{out}, '2>', \$load{err}, IPC::Run::timeout(240));
	push @running, $load{run};
	return \%load;
}

# Its report, once it ends; dies when a visitor was failed.
sub load_finish
{
	my ($load) = @_;
	my $report = Pageviews::Cluster::load_finish($load);

	confess "the run failed: $load->{out}$load->{err}" if $report->{failures} || $report->{refused};
	return $report;
}

sub load
{
	return load_finish(load_start(@_));
}

# So many sockets, each with a view that stays open, until let_go().
sub hold
{
	my ($port, $count, @arguments) = @_;
	my $load = load_start($port, '--views', $count, '--visitors', $count, '--stage', '--end', 'fin', @arguments);

	Pageviews::Cluster::load_line($load, qr/^open$/m);
	return $load;
}

sub let_go
{
	my ($load) = @_;

	Pageviews::Cluster::load_go($load);
	return load_finish($load);
}

# Waits until a query counts so many rows; dies when they never come, or more do.
sub drained
{
	my ($node, $query, $count) = @_;
	my $rows = 0;

	eval { Pageviews::Cluster::eventually('the rows', 20, sub { ($rows = $node->safe_psql('postgres', $query)) >= $count }) };
	confess "$rows rows for $count views" if $rows != $count;
}

# Runs full views against a server as fast as it takes them.  `pids`: whose processor
# time is the server's; `node` and `query`: where its rows are counted.  Returns the
# generator's report with cpu_us, of the server a view.
sub flat_out
{
	my (%o) = @_;
	my $views = $o{views};
	my @cpu = cpu_of(@{ $o{pids} });
	my ($all, $began) = (cpu_of_all(), time);

	my $report = load($o{port}, '--views', $views, '--visitors', $o{visitors} // 400, '--end', 'close', @{ $o{load} });
	drained($o{node}, $o{query}, $views) if $o{node};
	push @cpu, cpu_of(@{ $o{pids} });
	my $foreign = (cpu_of_all() - $all - $report->{cpu_seconds} - $cpu[1] + $cpu[0]) / (time - $began);

	push @warnings, sprintf('%s: others took %.0f %% of a core meanwhile', $o{name}, 100 * $foreign) if $foreign > FOREIGN_LIMIT;
	$report->{cpu_us} = ($cpu[1] - $cpu[0]) * 1e6 / $views;
	push @warnings, sprintf('%s: the generator took %.0f %% of its core', $o{name}, 100 * $report->{cpu_share})
	  if $report->{saturated};
	return $report;
}

1;
