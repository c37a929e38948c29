# Full views: their processor time, how many a second, on one core and on two, and
# with connections open beside them.

package Pageviews::Bench::Views;

use strict;
use warnings FATAL => 'all';

use List::Util qw(max);
use Pageviews::Bench;

use constant OURS => 'SELECT count(*) FROM pageviews.views WHERE ended_at IS NOT NULL';
use constant VISITORS => 400;

# A tenth of the visitors were never told that their last view is stored.
my @full = ('--leftovers', 10);

# Empties the tables, and gets the writing of what was there over with.
sub clear
{
	my ($node, $tables) = @_;

	$node->safe_psql('postgres', "TRUNCATE $tables");
	$node->safe_psql('postgres', 'CHECKPOINT');
}

# What flat_out() needs for each of the servers.
sub ours
{
	my ($node, %o) = @_;

	return {
		name => 'pageviews',
		port => $node->web,
		pids => [ Pageviews::Bench::postmaster($node) ],
		load => \@full,
		clear => sub { clear($node, 'pageviews.views, pageviews.sessions') },
		node => $node,
		query => OURS,
		%o
	};
}

sub the_echo
{
	my ($peer) = @_;

	return { name => 'echo', port => $peer->{port}, pids => [ $peer->{pid} ], load => ['--echo'], clear => sub { } };
}

sub the_node
{
	my ($peer, $node) = @_;

	return {
		name => 'Node',
		port => $peer->{port},
		pids => [ $peer->{pid}, Pageviews::Bench::postmaster($node) ],
		load => \@full,
		clear => sub { clear($node, 'views') },
		node => $node,
		query => 'SELECT count(*) FROM views'
	};
}

# Views for a run of seconds(): from a first run that warms up.
sub sized
{
	my (@servers) = @_;

	for my $server (@servers)
	{
		$server->{clear}->();
		my $first = flat_out(%$server, views => 5000, name => "$server->{name} (warming up)");

		$server->{views} = int($first->{views_per_second} * seconds());
	}
}

# Each in turn, so often as repeats() says; {name => {figure => [values]}}.
sub alternate
{
	my (@servers) = @_;
	my %figures;

	for my $round (1 .. repeats())
	{
		for my $server (@servers)
		{
			$server->{clear}->();
			my $r = flat_out(%$server);

			push @{ $figures{ $server->{name} }{$_} }, $r->{$_} for qw(cpu_us views_per_second cpu_share ack_p99_ms);
			progress('%-10s %6.0f cycles/s  %6.1f us a cycle  generator %3.0f %%  answers to the leftovers %d of %d',
				$server->{name}, $r->{views_per_second}, $r->{cpu_us}, 100 * $r->{cpu_share}, $r->{answered}, $r->{repeated});
		}
	}
	return \%figures;
}

# At a rate that none of them minds, each message comes alone and wakes who waits for it.
use constant RATE => 4000;

# Processor time of a cycle of each at that rate: medians by name.
sub at_a_rate
{
	my (@servers) = @_;
	my %cpu;

	for my $round (1 .. repeats())
	{
		for my $server (@servers)
		{
			$server->{clear}->();
			my $r = flat_out(%$server, views => RATE * seconds(), visitors => 2000,
				load => [ @{ $server->{load} }, '--rate', RATE ], name => "$server->{name} at @{[RATE]} a second");

			push @{ $cpu{ $server->{name} } }, $r->{cpu_us};
		}
	}
	return { map { $_ => median(@{ $cpu{$_} }) } keys %cpu };
}

section(
	'view',
	'a full view, against the bare handshake and against Node',
	sub {
		my $node = cluster('view', [SERVER_CORE]);
		my $plain = plain_cluster('peer', [SERVER_CORE]);
		my $echo = echo_server(1000);
		my $peer = node_server($plain);
		my @servers = (the_echo($echo), ours($node), the_node($peer, $plain));

		sized(@servers);
		my $f = alternate(@servers);
		my %cpu = map { $_ => median(@{ $f->{$_}{cpu_us} }) } keys %$f;
		my %rate = map { $_ => median(@{ $f->{$_}{views_per_second} }) } keys %$f;

		result(
			what => 'server CPU a full view, against a bare libwebsockets cycle',
			measured => sprintf('%.1f us', $cpu{pageviews}),
			reference => sprintf('%.1f us', $cpu{echo}),
			ratio => $cpu{pageviews} / $cpu{echo},
			goal => 'at most 1.35x', at_most => 1.35);
		result(
			what => 'full views/s, server on one core, against Node, batched',
			measured => sprintf('%.0f/s', $rate{pageviews}),
			reference => sprintf('%.0f/s', $rate{Node}),
			ratio => $rate{pageviews} / $rate{Node},
			goal => 'at least 2.5x', at_least => 2.5);
		result(
			what => 'server CPU a full view, against Node, batched',
			measured => sprintf('%.1f us', $cpu{pageviews}),
			reference => sprintf('%.1f us', $cpu{Node}),
			ratio => $cpu{pageviews} / $cpu{Node});
		my $paced = at_a_rate(@servers[ 0, 1 ]);

		result(
			what => 'server CPU a full view at 4,000 views/s, against as many bare cycles',
			measured => sprintf('%.1f us', $paced->{pageviews}),
			reference => sprintf('%.1f us', $paced->{echo}),
			ratio => $paced->{pageviews} / $paced->{echo});
		stop_peer($_) for $echo, $peer;
		$_->stop for $node, $plain;
	});

# With as many cores as the server has, and no more, its load has to share them: on
# one core both, on two both, a generator a core.
section(
	'listeners',
	'two listeners on two cores, against one on one',
	sub {
		my %node = (one => cluster('one', [SERVER_CORE]), two => cluster('two', [ SERVER_CORE, LOAD_CORE ], listeners => 2));
		my %rates;

		for my $round (0 .. repeats())
		{
			for my $name (qw(one two))
			{
				my $node = $node{$name};
				my $generators = $name eq 'one' ? 1 : 2;
				my $views = 4000 * seconds();

				clear($node, 'pageviews.views, pageviews.sessions');
				pin($name eq 'one' ? SERVER_CORE : (SERVER_CORE, LOAD_CORE));
				my @loads = map {
					load_start($node->web, '--views', $views, '--visitors', VISITORS, '--end', 'close', @full)
				} 1 .. $generators;
				my @reports = map { load_finish($_) } @loads;
				pin(LOAD_CORE);
				drained($node, OURS, $views * $generators);
				next if $round == 0;
				push @{ $rates{$name} }, $views * $generators / max(map { $_->{seconds} } @reports);
				progress('%s: %6.0f views/s', $name, $rates{$name}[-1]);
			}
		}
		my %rate = map { $_ => median(@{ $rates{$_} }) } keys %rates;

		result(
			what => 'full views/s, 2 listeners on 2 cores against 1 on 1, the load on the same cores',
			measured => sprintf('%.0f/s', $rate{two}),
			reference => sprintf('%.0f/s', $rate{one}),
			ratio => $rate{two} / $rate{one},
			goal => 'at least 1.6x', at_least => 1.6);
		$_->stop for values %node;
	});

section(
	'crowd',
	'full views with connections open beside them',
	sub {
		my $node = cluster('crowd', [SERVER_CORE], max_connections => 19500, linger => '0.1s', checkpoint_interval => '10min');
		my $server = ours($node);
		my @points;

		sized($server);
		$server->{views} = int($server->{views} / 2);
		for my $open (0, 1000, 5000, 10000, 15000, 19000)
		{
			my (@cpu, @rate);
			my $crowd = $open ? hold($node->web, $open) : undef;

			for (1 .. repeats())
			{
				$server->{clear}->();
				my $r = flat_out(%$server);

				push @cpu, $r->{cpu_us};
				push @rate, $r->{views_per_second};
			}
			let_go($crowd) if $crowd;
			push @points, [ $open, median(@rate), median(@cpu) ];
			progress('%5d open: %6.0f views/s  %6.1f us a view', @{ $points[-1] });
			Pageviews::Cluster::eventually('the crowd is gone', 60,
				sub { $node->value('SELECT connections FROM pageviews.worker_stats') == 0 });
			$node->becomes('SELECT views_open + views_lost + views_queued = 0 FROM pageviews.worker_stats', 'stored', 60);
		}
		curve(
			name => 'views_by_connections', title => 'Full views on one core, with idle connections open',
			x => 'connections open', y => 'views/s', y2 => 'us of server CPU a view',
			columns => [ 'views/s', 'CPU a view' ], points => \@points);
		result(
			what => 'full views/s with 19,000 connections open, against none',
			measured => sprintf('%.0f/s', $points[-1][1]), reference => sprintf('%.0f/s', $points[0][1]),
			ratio => $points[-1][1] / $points[0][1]);
		$node->stop;
	});

section(
	'rate',
	'how long a new visitor waits, by views a second',
	sub {
		my $node = cluster('rate', [SERVER_CORE]);
		my @points;

		load($node->web, '--views', 5000, '--visitors', VISITORS, '--end', 'close');
		drained($node, OURS, 5000);
		for my $rate (250, 500, 1000, 2000, 4000, 6000, 8000)
		{
			my (@p50, @p99);

			for (1 .. repeats())
			{
				clear($node, 'pageviews.views, pageviews.sessions');
				my $views = $rate * seconds();
				my $r = load($node->web, '--views', $views, '--visitors', 2000, '--rate', $rate, '--end', 'close', @full);

				drained($node, OURS, $views);
				push @p50, $r->{visit_p50_ms};
				push @p99, $r->{visit_p99_ms};
			}
			push @points, [ $rate, median(@p50), median(@p99) ];
			progress('%5d views/s: from the call to the ack of the view p50 %.2f ms, p99 %.2f ms', @{ $points[-1] });
		}
		curve(
			name => 'latency_by_rate', title => 'From the call to the acknowledged view, server on one core',
			x => 'views/s', y => 'ms', columns => [ 'p50', 'p99' ], points => \@points, log => 1);
		my ($thousand) = grep { $_->[0] == 1000 } @points;
		result(
			what => 'from a visitor\'s call to the acknowledged view, at 1,000 views/s',
			measured => sprintf('p50 %.2f ms, p99 %.2f ms', @$thousand[ 1, 2 ]));
		$node->stop;
	});

1;
