# Those who share something with it: a database's other users, and the page.

package Pageviews::Bench::Neighbours;

use strict;
use warnings FATAL => 'all';

use Pageviews::Bench;

use constant { SCALE => 50, CLIENTS => 4, RATE => 1000 };

# Transactions a second of a pgbench run.
sub pgbench_start
{
	my ($node, $seconds, @script) = @_;
	my %run = (out => '');

	$run{run} = IPC::Run::start(
		[ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', CLIENTS, '-j', 2, '-T', $seconds, @script, 'postgres' ],
		'>&', \$run{out});
	return \%run;
}

sub pgbench_finish
{
	my ($run) = @_;

	$run->{run}->finish;
	my ($tps) = $run->{out} =~ /^tps = ([\d.]+) \(without/m or die "pgbench: $run->{out}";
	my ($failed) = $run->{out} =~ /^number of failed transactions: (\d+)/m;

	die "pgbench: $failed transactions failed\n" if $failed;
	return $tps;
}

# pgbench beside something else, which `start` begins and `finish` ends: transactions a
# second, what `finish` says, and the us of processor that Postgres took for a transaction.
sub beside
{
	my ($node, $script, $seconds, $start, $finish) = @_;
	my $other = $start->($seconds + 2);
	my $cpu = -cpu_of_backends($node);
	my $tps = pgbench_finish(pgbench_start($node, $seconds, @$script));

	$cpu += cpu_of_backends($node);
	return ($tps, $finish->($other), 1e6 * $cpu / ($tps * $seconds));
}

# Processor time of all of Postgres but what is ours.
sub cpu_of_backends
{
	my ($node) = @_;

	return cpu_of(Pageviews::Bench::postmaster($node)) - cpu_of($node->worker_pid, $node->listener_pids);
}

section(
	'pgbench',
	'pgbench (scale 50, 4 clients) beside 1,000 views/s, against the same CPU taken by a bystander',
	sub {
		my @both = (SERVER_CORE, LOAD_CORE);
		my $node = cluster('pgbench', \@both, conf => "max_wal_size = 4GB\ncheckpoint_timeout = 30min\n");
		my $seconds = 2 * seconds();
		my @ours = ($node->worker_pid, $node->listener_pids);
		my %scripts = ('select-only' => ['-S'], 'tpcb-like' => []);

		my $filled;

		pin(@both);
		progress('filling the tables');
		IPC::Run::run([ 'pgbench', '-i', '-q', '-s', SCALE, '-h', $node->host, '-p', $node->port, 'postgres' ], '>&', \$filled)
		  or die "pgbench: $filled";
		for my $name (sort keys %scripts)
		{
			my (%tps, %cost);

			for my $round (0 .. repeats())
			{
				my $share;

				$node->safe_psql('postgres', 'TRUNCATE pageviews.views, pageviews.sessions');
				$node->safe_psql('postgres', 'CHECKPOINT');
				my ($tps, undef, $cost) = beside(
					$node,
					$scripts{$name},
					$seconds,
					sub {
						my ($length) = @_;

						$share = -cpu_of(@ours);
						# Visitors have machines of their own: their stand-in wakes as seldom as may be.
						return load_start($node->web, '--views', RATE * $length, '--visitors', 2000, '--rate', RATE, '--end', 'close', '--turn', 1000);
					},
					sub {
						my $report = load_finish(shift);

						drained($node, 'SELECT count(*) FROM pageviews.views WHERE ended_at IS NOT NULL', $report->{views});
						$share = ($share + cpu_of(@ours) + $report->{cpu_seconds}) / $report->{seconds};
					});
				$node->safe_psql('postgres', 'CHECKPOINT');
				my ($beside, $got, $cost_beside) = beside(
					$node,
					$scripts{$name},
					$seconds,
					sub {
						my %run = (out => '');

						$run{run} = IPC::Run::start([ "$ENV{PAGEVIEWS_BENCH}/bystander", $share, shift ], '>', \$run{out});
						return \%run;
					},
					sub { my $run = shift; $run->{run}->finish; return $run->{out} });
				my $alone = pgbench_finish(pgbench_start($node, $seconds, @{ $scripts{$name} }));

				next if $round == 0;
				push @{ $cost{views} }, $cost;
				push @{ $cost{bystander} }, $cost_beside;
				push @{ $tps{views} }, $tps;
				push @{ $tps{bystander} }, $beside;
				push @{ $tps{alone} }, $alone;
				progress('%s: %.0f tps beside the views (%.1f us each), %.0f (%.1f us) beside a bystander with %.1f %% of a core (it got %.1f %%), %.0f alone',
					$name, $tps, $cost, $beside, $cost_beside, 100 * $share, 100 * $got, $alone);
			}
			my %median = map { $_ => median(@{ $tps{$_} }) } keys %tps;

			result(
				what => "pgbench $name beside 1,000 views/s, against beside a bystander with the same CPU",
				measured => sprintf('%.0f tps', $median{views}), reference => sprintf('%.0f tps', $median{bystander}),
				ratio => $median{views} / $median{bystander}, goal => 'within 3 %', at_least => 0.97,
				note => sprintf('Postgres took %.1f us of processor for a transaction beside the views, %.1f us beside the bystander',
					map { median(@{ $cost{$_} }) } qw(views bystander)));
			result(
				what => "pgbench $name beside 1,000 views/s, against alone",
				measured => sprintf('%.0f tps', $median{views}), reference => sprintf('%.0f tps', $median{alone}),
				ratio => $median{views} / $median{alone});
		}
		pin(LOAD_CORE);
		$node->stop;
	});

section(
	'page',
	'a page with the tracker, against without, in Chromium',
	sub {
		my $node = cluster('page', [ SERVER_CORE, LOAD_CORE ]);
		my ($out, $err);

		pin(SERVER_CORE, LOAD_CORE);
		IPC::Run::run([ 'node', 'test/load/page.mjs', $node->web, $ENV{BENCH_PAGES} || 20 ], '>', \$out, '2>', \$err)
		  or die "page.mjs: $err";
		pin(LOAD_CORE);
		my $r = JSON::PP->new->decode($out);

		drained($node, 'SELECT count(*) FROM pageviews.views', $r->{pages});
		for my $metric ([ lcp => 'largest contentful paint' ], [ tbt => 'total blocking time' ])
		{
			my ($with, $without) = map { $r->{$_}{ $metric->[0] } } qw(with without);
			my $spread = median(map { abs($_ - median(@$without)) } @$without);

			result(
				what => "$metric->[1] of a page with the tracker, against without, median of " . @$with,
				measured => sprintf('%.1f ms', median(@$with)), reference => sprintf('%.1f ms', median(@$without)),
				note => sprintf('without it, half of the pages lay within %.1f ms of the median', $spread),
				goal => 'no measurable difference', value => abs(median(@$with) - median(@$without)) - $spread, at_most => 0);
		}
		$node->stop;
	});

1;
