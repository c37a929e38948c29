# The way into the table: how fast a batch is written, how soon a view is there,
# and what ten thousand that close at once do.  When a row was committed is what
# Postgres itself recorded (track_commit_timestamp).

package Pageviews::Bench::Store;

use strict;
use warnings FATAL => 'all';

use Pageviews::Bench;
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(time);

my $timed = "track_commit_timestamp = on\nmax_wal_size = 4GB\n";
my $here = $ENV{PAGEVIEWS_BENCH};

# Copies both tables' rows out, empties them, and copies back in with a \copy's
# equal in the server; {table => rows/s}.
sub copy_again
{
	my ($node) = @_;
	my %rates;

	for my $table (qw(views sessions))
	{
		$node->safe_psql('postgres', "COPY (SELECT * FROM pageviews.$table) TO '$here/$table.copy'");
		$node->safe_psql('postgres', "TRUNCATE pageviews.$table");
		$node->safe_psql('postgres', 'CHECKPOINT');
		# The triggers that notice what others than the worker write.
		$node->safe_psql('postgres', "ALTER TABLE pageviews.$table DISABLE TRIGGER USER");
		my $ms = $node->value(<<"EOT");
CREATE TEMP TABLE clock AS SELECT clock_timestamp() AS started;
COPY pageviews.$table FROM '$here/$table.copy';
SELECT 1000 * extract(epoch FROM clock_timestamp() - started) FROM clock;
EOT
		$node->safe_psql('postgres', "ALTER TABLE pageviews.$table ENABLE TRIGGER USER");
		$rates{$table} = $node->value("SELECT count(*) FROM pageviews.$table") / $ms * 1000;
	}
	return \%rates;
}

# Rolls up what is stored, on the same core; the seconds that it took.
sub roll_up
{
	my ($node) = @_;

	return $node->value(<<'EOT');
CREATE TEMP TABLE clock AS SELECT clock_timestamp() AS started;
SELECT FROM pageviews.roll_up(now() + interval '1 minute');
SELECT extract(epoch FROM clock_timestamp() - started) FROM clock;
EOT
}

# As if nothing had ever been stored.
sub forget_all
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'EOT');
TRUNCATE pageviews.views, pageviews.sessions;
TRUNCATE pageviews.rollups, pageviews.rollup_changes, pageviews.rollup_marks;
UPDATE pageviews.rollup_state SET rolled_until = '-infinity', announced_until = '-infinity', days_until = '-infinity', weeks_until = '-infinity', months_until = '-infinity', quarters_until = '-infinity';
EOT
}

section(
	'store',
	'rows a second: a listener with 15,000 open views dies, and all of them are stored',
	sub {
		my $views = 15000;
		my $node = cluster('store', [SERVER_CORE], max_connections => 19500, conf => $timed, linger => '1s', checkpoint_interval => '10min', queue_size => 20000, rollup_delay => 0);
		my (@rate, @with, @copy, @both, @disk, @wal);

		for my $round (0 .. repeats())
		{
			my $load = hold($node->web, $views);
			my $wal = $node->value("SELECT pg_current_wal_insert_lsn()");
			my ($listener) = $node->listener_pids;

			kill 'KILL', $listener if Pageviews::Cluster::is_listener($listener);
			drained($node, 'SELECT count(*) FROM pageviews.views WHERE ended_at IS NOT NULL', $views);
			# Its visitors lost their sockets, so it has ended by itself.
			$load->{run}->finish;
			my ($batches, $rows, $seconds) = split /\|/, $node->value(<<'EOT');
WITH batch AS (SELECT pg_xact_commit_timestamp(xmin) AS at, count(*) AS rows FROM pageviews.views GROUP BY xmin)
SELECT count(*), sum(rows) - (array_agg(rows ORDER BY at))[1], extract(epoch FROM max(at) - min(at)) FROM batch
EOT
			$wal = $node->value("SELECT (pg_current_wal_insert_lsn() - '$wal') / $views");
			my $disk = $node->value(<<"EOT");
SELECT sum(pg_total_relation_size(oid)) / $views FROM pg_class
WHERE relnamespace = 'pageviews'::regnamespace AND relkind = 'r' AND (relispartition OR relname = 'sessions')
EOT
			my $rolling = roll_up($node);
			my $copy = copy_again($node);

			forget_all($node);
			$node->wait_ready;
			next if $round == 0;
			push @rate, $rows / $seconds;
			push @with, 1 / ($seconds / $rows + $rolling / $views);
			push @disk, $disk;
			push @wal, $wal;
			push @copy, $copy->{views};
			push @both, 1 / (1 / $copy->{views} + 1 / $copy->{sessions});
			progress('%d batches: %6.0f rows/s  COPY of the views %6.0f, of views and sessions %6.0f',
				$batches, $rate[-1], $copy[-1], $both[-1]);
		}
		result(
			what => 'rows/s through the real path, a session each, against COPY into both tables',
			measured => sprintf('%.0f/s', median(@rate)), reference => sprintf('%.0f/s', median(@both)),
			ratio => median(@rate) / median(@both), goal => 'at least 0.6x', at_least => 0.6);
		result(
			what => 'the same, rolled up by the same core, against not rolled up',
			measured => sprintf('%.0f/s', median(@with)), reference => sprintf('%.0f/s', median(@rate)),
			ratio => median(@with) / median(@rate), goal => 'at least 0.6x', at_least => 0.6);
		result(
			what => 'the same, against COPY into pageviews.views alone',
			measured => sprintf('%.0f/s', median(@rate)), reference => sprintf('%.0f/s', median(@copy)),
			ratio => median(@rate) / median(@copy));
		result(
			what => 'disk a view, written once, with all indexes and a session of its own',
			measured => sprintf('%.0f bytes', median(@disk)), note => sprintf('and %.0f bytes of WAL', median(@wal)));
		$node->stop;
	});

section(
	'burst',
	'10,000 views that close at once, and a new visitor meanwhile',
	sub {
		my $views = 10000;
		my $node = cluster('burst', [SERVER_CORE], max_connections => 19500, conf => $timed);
		my (@committed, @closing, %p99);

		for my $round (0 .. repeats())
		{
			# A server that has run for a while has segments of WAL to write into; a new one
			# makes and syncs 16 MB in the midst of every other round.
			$node->safe_psql('postgres', 'CREATE TABLE spent (); DROP TABLE spent; SELECT pg_switch_wal()') for 1 .. 3;
			$node->safe_psql('postgres', 'CHECKPOINT');
			my $crowd = hold($node->web, $views, '--end', 'close');
			my @visitors = ($node->web, '--views', 500, '--visitors', 200, '--rate', 500, '--end', 'close');

			# Both generators have one core: the crowd's gives way at once.  (With `nice` alone it
			# kept the newcomers' waiting for 1 to 3 ms, which is not the server's time.)
			PostgreSQL::Test::Utils::system_or_bail('chrt', '--idle', '--pid', 0, $crowd->{run}{KIDS}[0]{PID});
			# So few that neither listener nor worker paces its turns.
			my $rare = load($node->web, '--views', 200, '--visitors', 20, '--rate', 100, '--end', 'close');
			my $quiet = load(@visitors);
			my $meanwhile = load_start(@visitors);

			my $closed = let_go($crowd);
			my $busy = load_finish($meanwhile);

			drained($node, 'SELECT count(*) FROM pageviews.views WHERE ended_at IS NOT NULL', $views + 1200);
			my $seconds = $node->value(<<"EOT");
SELECT extract(epoch FROM max(pg_xact_commit_timestamp(xmin))) - $closed->{first_left} / 1e6
FROM (SELECT xmin FROM pageviews.views ORDER BY started_at LIMIT $views) v
EOT
			my $closing = ($closed->{last_left} - $closed->{first_left}) / 1e6;

			$node->safe_psql('postgres', 'TRUNCATE pageviews.views, pageviews.sessions');
			next if $round == 0;
			push @committed, $seconds;
			push @closing, $closing;
			push @{ $p99{rare} }, $rare->{visit_p99_ms};
			push @{ $p99{quiet} }, $quiet->{visit_p99_ms};
			push @{ $p99{busy} }, $busy->{visit_p99_ms};
			progress('the last of %d committed %.2f s after the first close (the closing took %.2f s); p99 of a new visitor %.2f ms, before %.2f ms',
				$views, $seconds, $closing, $p99{busy}[-1], $p99{quiet}[-1]);
		}
		my ($rare, $quiet, $busy) = map { median(@{ $p99{$_} }) } qw(rare quiet busy);

		result(
			what => '10,000 views closing at once: from the first close to the last commit',
			measured => sprintf('%.2f s', median(@committed)), goal => 'at most 1 s', value => median(@committed), at_most => 1,
			note => sprintf('they closed within %.2f s', median(@closing)));
		result(
			what => 'a new visitor meanwhile, call to acknowledged view, p99, against quiet',
			measured => sprintf('%.2f ms', $busy), reference => sprintf('%.2f ms', $quiet),
			ratio => $busy / $quiet, goal => 'at most 3x', at_most => 3,
			note => '500 of them a second, with and without the crowd');
		result(
			what => 'the same, against a new visitor when 100 come a second',
			measured => sprintf('%.2f ms', $busy), reference => sprintf('%.2f ms', $rare), ratio => $busy / $rare);
		$node->stop;
	});

section(
	'flush',
	'from the socket closed to the row committed, at 1,000 views/s',
	sub {
		my $node = cluster('flush', [SERVER_CORE], conf => $timed);
		my $interval = 100;
		my (@p50, @p99, @stored);

		for my $round (0 .. repeats())
		{
			my $views = 1000 * seconds();

			load($node->web, '--views', $views, '--visitors', 2000, '--rate', 1000, '--hold', 200, '--end', 'close', '--log', "$here/closed");
			drained($node, 'SELECT count(*) FROM pageviews.views WHERE ended_at IS NOT NULL', $views);
			my ($rows, $p50, $p99) = split /\|/, $node->value(<<"EOT");
CREATE TEMP TABLE closed (view_id uuid PRIMARY KEY, at bigint);
COPY closed FROM '$here/closed';
SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)
FROM (SELECT 1000 * extract(epoch FROM pg_xact_commit_timestamp(v.xmin)) - c.at / 1000.0 AS ms FROM closed c JOIN pageviews.views v USING (view_id)) l
EOT
			die "$rows rows for $views views\n" if $rows != $views;
			my $heard = load($node->web, '--views', $views, '--visitors', 2000, '--rate', 1000, '--hold', 200);

			$node->safe_psql('postgres', 'TRUNCATE pageviews.views, pageviews.sessions');
			next if $round == 0;
			push @p50, $p50;
			push @p99, $p99;
			push @stored, $heard->{stored_p99_ms};
			progress('p50 %.0f ms, p99 %.0f ms; from `end` to `stored` in the visitor\'s hands p99 %.0f ms', $p50, $p99, $stored[-1]);
		}
		result(
			what => 'from the socket closed to the row committed, at 1,000 views/s, p99, in flush_interval (100 ms)',
			measured => sprintf('%.0f ms', median(@p99)), ratio => median(@p99) / $interval,
			goal => 'at most 2x', at_most => 2);
		result(what => 'the same, p50', measured => sprintf('%.0f ms', median(@p50)), ratio => median(@p50) / $interval);
		result(
			what => 'from `end` to `stored` in the visitor\'s hands, p99',
			measured => sprintf('%.0f ms', median(@stored)), ratio => median(@stored) / $interval);
		$node->stop;
	});

1;
