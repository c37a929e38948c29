# Roll-ups follow the views: those that come in time, those that change after they
# were rolled up, those that come late, those that somebody changes by hand.  At each
# moment the reports are as the views are, and in the end the roll-ups are, byte for
# byte, those that are made from scratch.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(time);

my $node = Pageviews::Cluster->running('main', rollup_delay => '1s', checkpoint_interval => '1s', linger => '300ms', ping_interval => '5min');

# Reports from roll-ups, and with filters that choose everything, which read views.
my %reports = (
	pages => 'SELECT * FROM pageviews.pages(filters => %s)',
	entry_pages => 'SELECT * FROM pageviews.entry_pages(filters => %s)',
	summary => 'SELECT views, visitors, visits, bounce_rate, views_per_visit, engagement_total_ms, engagement_median_ms FROM pageviews.summary(filters => %s)',
	referrers => 'SELECT * FROM pageviews.referrers(filters => %s)',
	devices => 'SELECT * FROM pageviews.devices(filters => %s)',
);

# Both are asked in one snapshot.
sub reports_are_right
{
	my ($when) = @_;

	for my $name (sort keys %reports)
	{
		my ($rolled, $raw) = map { sprintf $reports{$name}, $_ } 'NULL', "'{}'";
		my $query = "SELECT (SELECT count(*) FROM (($rolled) EXCEPT ALL ($raw)) AS d), (SELECT count(*) FROM (($raw) EXCEPT ALL ($rolled)) AS d)";

		is($node->value($query), '0|0', "$when: $name");
	}
	return;
}

# Something is stored every now and then, so that the worker has a reason to roll up.
my $pulse = $node->visitor;
my $roll = sub {
	my ($what) = @_;
	my $now = time;

	Pageviews::Cluster::eventually($what, 60, sub {
		my $view = $pulse->begin('/pulse');

		$pulse->end_view($view, visible => 1);
		return $node->value("SELECT rolled_until > to_timestamp($now) FROM pageviews.rollup_state") eq 't';
	});
};

my @open;
for my $i (1 .. 20)
{
	my $visitor = $node->visitor;
	my $view = $visitor->begin("/page/" . $i % 4, referrer => $i % 2 ? 'https://www.google.com/' : 'https://news.example/x');

	if ($i % 3)
	{
		$visitor->end_view($view, visible => 5);
	}
	else
	{
		push @open, [ $visitor, $view ];
	}
}
reports_are_right('before anything is rolled up');
$roll->('the first views are rolled up');
reports_are_right('rolled up');
cmp_ok($node->value('SELECT count(*) FROM pageviews.rollups'), '>', 10, 'there are packs');

# Views that go on after they were rolled up; one visitor goes on to other pages.
for (@open)
{
	my ($visitor, $view) = @$_;

	$visitor->say_view($view, 'state', visible => int((time - $view->{born}) * 1000));
}
Pageviews::Cluster::eventually('what changes is kept for the roll-ups', 60,
	sub { $node->value('SELECT count(*) FROM pageviews.rollup_changes WHERE existed') > 0 });
reports_are_right('views went on');
for (@open)
{
	my ($visitor, $view) = @$_;
	my $next = $visitor->begin('/next');

	$visitor->end_view($next, visible => 3);
}
reports_are_right('visitors went on');
$roll->('the visitors\' next pages are rolled up');
reports_are_right('rolled up again');

# A leftover of a visit of its own, and one that becomes the first view of a visit that
# is rolled up, which so comes from somewhere else.
my $late = $open[0][0];
for my $minutes (90, 10)
{
	my $view = $late->new_view('/late', view => Pageviews::Client::uuid(int((time - 60 * $minutes) * 1000)), referrer => "https://$minutes.example/");

	$view->{born} -= 60 * $minutes;
	$late->send_message(Pageviews::Client::message($view, 'end', reason => 'closed', state => 'hidden', visible => 700, whole => 1));
	$late->expect(type => 'stored', view => $view->{view});
	reports_are_right("a view came $minutes minutes late");
}
is($node->value(q{SELECT string_agg(concat_ws(' ', referrer, visits, visitors), ',' ORDER BY referrer) FROM pageviews.referrers() WHERE referrer LIKE '%0.example'}),
	'10.example 1 1,90.example 1 1', 'both visits come from where their first views did');
$roll->('time goes on');
reports_are_right('late views are there');

# By hand.
$node->safe_psql('postgres', q{UPDATE pageviews.views SET engagement_ms = 4321 WHERE path = '/page/1'});
reports_are_right('engagement was changed by hand');
$node->safe_psql('postgres', q{DELETE FROM pageviews.views WHERE path = '/page/2'});
reports_are_right('views were deleted by hand');
$node->safe_psql('postgres', q{INSERT INTO pageviews.views SELECT gen_random_uuid(), session_id, started_at - interval '2 hours', ended_at, revision, engagement_ms,
	focused_ms, active_ms, collector, navigation, end_reason, scroll_depth, site, path, name, query, title, referrer, props FROM pageviews.views WHERE path = '/next'});
reports_are_right('views were added by hand');
$node->safe_psql('postgres', q{UPDATE pageviews.sessions SET robot = true WHERE session_id = (SELECT session_id FROM pageviews.views WHERE path = '/page/3' LIMIT 1)});
reports_are_right('a session turned out to be a robot');
Pageviews::Cluster::eventually('the marks are gone', 60, sub {
	my $view = $pulse->begin('/pulse');

	$pulse->end_view($view, visible => 1);
	return $node->value('SELECT count(*) FROM pageviews.rollup_marks WHERE hour < (SELECT rolled_until - interval \'1 hour\' FROM pageviews.rollup_state)') eq '0';
});
reports_are_right('marked hours were made again');

# Everything at once, and from scratch.
$node->safe_psql('postgres', "UPDATE pageviews.rollup_changes SET changed_at = changed_at - interval '2 hours'");
my $sum = q{SELECT md5(string_agg(concat_ws(' ', dimension, level, site, bucket, md5(counters || details)), ',' ORDER BY dimension, level, site, bucket)) FROM pageviews.rollups};

$node->set_now(rollup_delay => 0);
Pageviews::Cluster::eventually('nobody rolls up any more', 60,
	sub { $node->value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pageviews roll-ups'") eq '0' });
$node->safe_psql('postgres', 'SELECT pageviews.roll_up()');
my $kept = $node->value($sum);
my $until = $node->value('SELECT rolled_until FROM pageviews.rollup_state');

$node->safe_psql('postgres', 'SELECT pageviews.rebuild_rollups()');
is($node->value($sum), '', 'begun again');
reports_are_right('begun again');
$node->safe_psql('postgres', "SELECT pageviews.roll_up('$until')");
is($node->value($sum), $kept, 'roll-ups that were kept are those that are made from scratch');
is($node->value('SELECT count(*) FROM pageviews.rollup_changes'), '0', 'no change is left');
reports_are_right('made from scratch');

$node->conserved;
$node->stop;
done_testing();
