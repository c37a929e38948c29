# Connections on which nothing happens, and an installation on which nothing does.

package Pageviews::Bench::Idle;

use strict;
use warnings FATAL => 'all';

use Pageviews::Bench;
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(sleep time);

# kB of a process, by a field of its status.
sub field
{
	my ($pid, $name) = @_;
	my ($value) = PostgreSQL::Test::Utils::slurp_file("/proc/$pid/status") =~ /^$name:\s+(\d+)/m;

	return $value;
}

# kB that all processes of a cluster have for themselves, and what the worker has
# touched of the shared memory.
sub memory
{
	my ($node) = @_;
	my $sum = field($node->worker_pid, 'RssShmem');

	$sum += eval { field($_, 'RssAnon') } // 0 for Pageviews::Bench::tree_of(Pageviews::Bench::postmaster($node));
	return $sum;
}

# Opens so many connections, and gives the kB that all processes then have.
sub opened
{
	my ($node, $count, @arguments) = @_;
	my $crowd = hold($node->web, $count, @arguments);
	my $kb = memory($node);

	let_go($crowd);
	$node->becomes('SELECT connections + views_open + views_lost + views_queued = 0 FROM pageviews.worker_stats', 'gone', 60);
	return $kb;
}

section(
	'memory',
	'memory of idle connections: a socket that was greeted, and one with an open view',
	sub {
		my @counts = (1000, 5000, 10000, 15000, 19000);
		my %kinds = (plain => ['--mute'], view => []);
		my (%each, %step, @echo);

		for my $round (1 .. repeats())
		{
			for my $kind (sort keys %kinds)
			{
				my $node = cluster("memory_${kind}_$round", [SERVER_CORE], max_connections => 19500, linger => '0.1s');
				my $empty = memory($node);
				my @last = (0, $empty);

				for my $count (@counts)
				{
					my $kb = opened($node, $count, @{ $kinds{$kind} });

					push @{ $each{$kind}{$count} }, ($kb - $empty) / $count;
					push @{ $step{$kind}{$count} }, ($kb - $last[1]) / ($count - $last[0]);
					@last = ($count, $kb);
				}
				progress('%s: kB a connection %s', $kind, join(', ', map { sprintf '%.2f at %d', $each{$kind}{$_}[-1], $_ } @counts));
				$node->stop;
			}
			my $echo = echo_server(10_000);
			my $bare = field($echo->{pid}, 'RssAnon');
			my $crowd = hold($echo->{port}, 10000, '--echo', '--end', 'close');

			push @echo, (field($echo->{pid}, 'RssAnon') - $bare) / 10000;
			let_go($crowd);
			stop_peer($echo);
			progress('echo: %.2f kB a connection', $echo[-1]);
		}
		my ($plain, $view, $bare) = (median(@{ $each{plain}{10000} }), median(@{ $each{view}{10000} }), median(@echo));

		curve(
			name => 'memory_by_connections', title => 'Memory a connection, all processes together',
			x => 'connections', y => 'kB a connection', columns => [ 'greeted', 'with an open view' ],
			points => [ map { [ $_, median(@{ $each{plain}{$_} }), median(@{ $each{view}{$_} }) ] } @counts ]);
		result(
			what => 'memory of an idle connection, all processes, 10,000 open, against echo',
			measured => sprintf('%.2f kB', $plain), reference => sprintf('%.2f kB', $bare),
			ratio => $plain / $bare, goal => 'at most 2.5 kB', value => $plain, at_most => 2.5);
		result(
			what => 'the same, each of the last 4,000 of 19,000, against each of the first 1,000',
			measured => sprintf('%.2f kB', median(@{ $step{plain}{19000} })), reference => sprintf('%.2f kB', median(@{ $step{plain}{1000} })),
			ratio => median(@{ $step{plain}{19000} }) / median(@{ $step{plain}{1000} }), goal => 'flat', at_most => 1.1);
		result(
			what => 'memory of an idle connection with an open view, all processes, 10,000 open',
			measured => sprintf('%.2f kB', $view), reference => sprintf('%.2f kB', $bare), ratio => $view / $bare);
	});

section(
	'pings',
	'a ping, with 10 and with 10,000 connections open',
	sub {
		my $node = cluster('pings', [SERVER_CORE], max_connections => 19500);
		my %p;

		for my $round (0 .. repeats())
		{
			for my $count (10, 10000)
			{
				my $r = let_go(hold($node->web, $count, '--pings', 1000, '--rate', 500));

				die "$r->{pings} of 1000 pings were answered\n" if $r->{pings} != 1000;
				Pageviews::Cluster::eventually('they are gone', 60,
					sub { $node->value('SELECT connections FROM pageviews.worker_stats') == 0 });
				next if $round == 0;
				push @{ $p{$count}{$_} }, $r->{"ping_${_}_ms"} for qw(p50 p99);
				progress('%5d open: p50 %.3f ms, p99 %.3f ms', $count, map { $p{$count}{$_}[-1] } qw(p50 p99));
			}
		}
		for my $which (qw(p50 p99))
		{
			my ($few, $many) = map { median(@{ $p{$_}{$which} }) } 10, 10000;

			result(
				what => "ping answered with 10,000 idle open, against 10, $which",
				measured => sprintf('%.3f ms', $many), reference => sprintf('%.3f ms', $few),
				ratio => $many / $few, goal => 'at most 1.5x', at_most => 1.5);
		}
		$node->stop;
	});

# The WAL records of a cluster between two positions, in bytes.
sub wal_between
{
	my ($node, @positions) = @_;
	my ($from, $to) = map { sprintf '%X/%X', $_ >> 32, $_ & 0xffffffff } @positions;
	my $records = '';

	return () if $from eq $to;
	IPC::Run::run([ 'pg_waldump', '-p', $node->data_dir . '/pg_wal', '-s', $from, '-e', $to ], '>', \$records, '2>&1');
	return split /\n/, $records;
}

section(
	'idle',
	'an installation on which nothing happens, for a minute',
	sub {
		my $node = cluster('idle', [ SERVER_CORE, LOAD_CORE ]);
		my @pids = ($node->worker_pid, $node->listener_pids);
		my $settled = 'SELECT pg_current_wal_insert_lsn()';
		my $state = "SELECT pg_current_wal_insert_lsn() - '0/0', (SELECT state_change FROM pg_stat_activity WHERE pid = $pids[0])";
		my $length = $ENV{BENCH_IDLE_SECONDS} || 60;
		my $switches = sub { my $sum = 0; $sum += field($_, 'voluntary_ctxt_switches') for @pids; return $sum };

		load($node->web, '--views', 100, '--visitors', 10, '--end', 'close');
		drained($node, 'SELECT count(*) FROM pageviews.views', 100);
		$node->becomes(
			'SELECT rolled_until > (SELECT max(started_at) FROM pageviews.views) FROM pageviews.rollup_state', 'rolled up', 400);
		$node->safe_psql('postgres', 'VACUUM ANALYZE');
		# At rest: autovacuum is over too, which looks once a minute, and nothing has been written since
		# a checkpoint but the running transactions that Postgres notes within 15 s.  Otherwise a timed
		# checkpoint would follow within five minutes, for what was written earlier.
		Pageviews::Cluster::eventually(
			'the cluster is at rest',
			900,
			sub {
				$node->safe_psql('postgres', 'CHECKPOINT');
				sleep 20;
				my $before = $node->value($settled);
				sleep 65;
				return $before eq $node->value($settled);
			});

		my @before = split /\|/, $node->value($state);
		my ($began, $switched, $cpu) = (time, $switches->(), cpu_of(@pids));
		sleep $length;
		my $wakeups = ($switches->() - $switched) / (time - $began);
		my $used = (cpu_of(@pids) - $cpu) / (time - $began);
		my @after = split /\|/, $node->value($state);

		progress('WAL: %s', $_) for wal_between($node, $before[0], $after[0]);
		result(
			what => 'an idle installation: queries of the worker in a minute',
			measured => $before[1] eq $after[1] ? 'none' : 'some', goal => '0',
			value => $before[1] eq $after[1] ? 0 : 1, at_most => 0);
		result(
			what => 'an idle installation: WAL in a minute',
			measured => ($after[0] - $before[0]) . ' bytes', goal => '0', value => $after[0] - $before[0], at_most => 0);
		result(
			what => 'an idle installation: wake-ups of worker and listener a second',
			measured => sprintf('%.2f', $wakeups), goal => 'at most 2', value => $wakeups, at_most => 2);
		result(
			what => 'an idle installation: CPU of worker and listener',
			measured => sprintf('%.3f %% of a core', 100 * $used));
		$node->stop;
	});

1;
