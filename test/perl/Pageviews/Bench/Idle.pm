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

section(
	'memory',
	'memory of connections, each with an open view',
	sub {
		my @counts = (1000, 5000, 10000, 15000, 19000);
		my (%kb, %steps, @echo);

		for my $round (1 .. repeats())
		{
			my $node = cluster("memory_$round", [SERVER_CORE], linger => '0.1s');
			my $echo = echo_server();
			my @last = (0, memory($node));
			my $empty = $last[1];

			for my $count (@counts)
			{
				my $crowd = hold($node->web, $count);
				my $now = memory($node);

				push @{ $kb{$count} }, ($now - $empty) / $count;
				push @{ $steps{$count} }, ($now - $last[1]) / ($count - $last[0]);
				@last = ($count, $now);
				let_go($crowd);
				$node->becomes('SELECT connections + views_open + views_lost + views_queued = 0 FROM pageviews.worker_stats', 'gone', 60);
			}
			my $bare = field($echo->{pid}, 'RssAnon');
			my $crowd = hold($echo->{port}, 10000, '--echo', '--end', 'close');

			push @echo, (field($echo->{pid}, 'RssAnon') - $bare) / 10000;
			let_go($crowd);
			stop_peer($echo);
			$node->stop;
			progress('round %d: %s kB a connection; echo %.2f', $round,
				join(', ', map { sprintf '%d: %.2f', $_, $kb{$_}[-1] } @counts), $echo[-1]);
		}
		my @points = map { [ $_, median(@{ $kb{$_} }) * $_ / 1024, median(@{ $kb{$_} }) ] } @counts;
		my @each = map { $_->[2] } @points;

		curve(
			name => 'memory_by_connections', title => 'Memory of connections with an open view, all processes',
			x => 'connections', y => 'MB', y2 => 'kB a connection', columns => [ 'all', 'a connection' ], points => \@points);
		result(
			what => 'memory of an idle connection with an open view, all processes, at 10,000',
			measured => sprintf('%.2f kB', $each[2]), reference => sprintf('%.2f kB (echo)', median(@echo)),
			ratio => $each[2] / median(@echo), goal => 'at most 2.5 kB', value => $each[2], at_most => 2.5);
		result(
			what => 'the same from 15,000 to 19,000, against the first 1,000',
			measured => sprintf('%.2f kB', median(@{ $steps{19000} })), reference => sprintf('%.2f kB', median(@{ $steps{1000} })),
			ratio => median(@{ $steps{19000} }) / median(@{ $steps{1000} }), goal => 'flat', at_most => 1.1);
	});

section(
	'pings',
	'a ping, with 10 and with 10,000 connections open',
	sub {
		my $node = cluster('pings', [SERVER_CORE]);
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
		$node->safe_psql('postgres', 'VACUUM ANALYZE');
		$node->safe_psql('postgres', 'CHECKPOINT');
		my $last = '';
		Pageviews::Cluster::eventually('the cluster is at rest', 90,
			sub { my $before = $last; $last = $node->value($settled); sleep 16; $last eq $before });

		my @before = split /\|/, $node->value($state);
		my ($began, $switched, $cpu) = (time, $switches->(), cpu_of(@pids));
		sleep $length;
		my $wakeups = ($switches->() - $switched) / (time - $began);
		my $used = (cpu_of(@pids) - $cpu) / (time - $began);
		my @after = split /\|/, $node->value($state);

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
