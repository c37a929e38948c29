# Two clusters collect, and native logical replication brings their sessions, views
# and events into a third, which makes its own roll-ups of them: its reports are the
# sum.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;

my @collectors = map { Pageviews::Cluster->running($_, checkpoint_interval => '1s', linger => '300ms', ping_interval => '5min', collector => $_ eq 'one' ? 1 : 2, conf => "wal_level = logical\nmax_wal_senders = 4\n") } qw(one two);
my $sum = Pageviews::Cluster->running('sum', rollup_delay => '1s');

# What everybody counts, a row each, in one text.
my $pages = q{SELECT coalesce(string_agg(concat_ws(' ', path, views, engagement_total_ms, entries, exits), ',' ORDER BY path), '') FROM pageviews.pages()};

for my $i (0, 1)
{
	my $node = $collectors[$i];

	$node->safe_psql('postgres', 'CREATE PUBLICATION pageviews FOR TABLE pageviews.sessions, pageviews.views, pageviews.events WITH (publish_via_partition_root = true)');
	$sum->safe_psql('postgres', "CREATE SUBSCRIPTION of_$i CONNECTION '" . $node->connstr . " dbname=postgres' PUBLICATION pageviews");
}

my %views;
my @open;
for my $i (0, 1)
{
	for my $n (1 .. 6)
	{
		my $visitor = $collectors[$i]->visitor($n % 2 ? () : (agent => 'Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0'));
		my @from = $n % 3 ? () : (referrer => 'https://www.google.com/');

		for my $path ('/both', "/of/$i")
		{
			my $view = $visitor->begin($path, @from);

			push(@open, [ $visitor, $view ]), next if $n == 1 && $path ne '/both';
			$visitor->end_view($view, visible => 5);
			$visitor->tell($visitor->event($view, $path eq '/both' ? 'at both' : "at $i")) if $n <= 4 + $i;
		}
	}
}
Pageviews::Cluster::eventually('the views and events of both have come', 60,
	sub { $sum->value('SELECT count(*) FROM pageviews.views') >= 24 && $sum->value('SELECT count(*) FROM pageviews.events') >= 16 });
Pageviews::Cluster::eventually('they are rolled up', 60,
	sub { $sum->value("SELECT rolled_until > (SELECT max(started_at) FROM pageviews.views) FROM pageviews.rollup_state") eq 't' });
cmp_ok($sum->value('SELECT count(*) FROM pageviews.rollups'), '>', 5, 'there are packs of them');

# Views go on after the third has rolled them up.
for (@open)
{
	my ($visitor, $view) = @$_;

	$visitor->end_view($view, visible => 50);
}
Pageviews::Cluster::eventually('every view has ended there, too', 60, sub { $sum->value('SELECT count(*) FROM pageviews.views WHERE ended_at IS NULL') eq '0' });

# Rows of a report, its name first and then what is counted, of clusters together.
sub added
{
	my ($query, @nodes) = @_;
	my %sum;

	for my $row (map { split /\n/, $_->value($query) } @nodes)
	{
		my ($name, @counts) = split /\|/, $row;

		$sum{$name}[$_] += $counts[$_] for 0 .. $#counts;
	}
	return \%sum;
}

# Reports are the sum, whether the marks are taken already or not.
sub reports_are_the_sum
{
	my ($when) = @_;

	is($sum->value($pages . q{ WHERE path LIKE '/of/0'}), $collectors[0]->value($pages . q{ WHERE path LIKE '/of/0'}), "$when: the pages of one");
	is($sum->value($pages . q{ WHERE path LIKE '/of/1'}), $collectors[1]->value($pages . q{ WHERE path LIKE '/of/1'}), "$when: the pages of the other");
	is($sum->value(q{SELECT views, visitors, entries FROM pageviews.pages() WHERE path = '/both'}), '12|12|12', "$when: the page of both");
	is($sum->value(q{SELECT views, visitors, visits FROM pageviews.summary()}), '24|12|12', "$when: altogether");
	for (
		[ 'events', 'SELECT event, events, visitors FROM pageviews.events()' ],
		[ 'browsers', 'SELECT browser, visitors, visits, views, engagement_total_ms FROM pageviews.browsers()' ],
		[ 'channels', 'SELECT channel, visits, visitors, bounces, views FROM pageviews.channels()' ])
	{
		my ($what, $query) = @$_;
		my $both = added($query, @collectors);

		is_deeply(added($query, $sum), $both, "$when: $what");
		is(keys %$both, $what eq 'events' ? 3 : 2, '... of which there are some');
	}
	return;
}
reports_are_the_sum('at once');
Pageviews::Cluster::eventually('the marks are taken', 60,
	sub { $sum->value(q{SELECT count(*) FROM pageviews.rollup_marks WHERE hour < (SELECT rolled_until FROM pageviews.rollup_state)}) eq '0' });
reports_are_the_sum('rolled up again');

for (@collectors)
{
	$_->conserved;
}
for my $i (0, 1)
{
	$sum->safe_psql('postgres', "DROP SUBSCRIPTION of_$i");
}
$sum->conserved;
$_->stop for $sum, @collectors;
done_testing();
