# The server's clock was ahead, and was set back: what was stored meanwhile bears ids that
# lie ahead.  A worker that starts then takes them for what they are, and no others.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(time);

use constant { MINUTE => 60, HOUR => 3600, DAY => 86400 };

my $node = Pageviews::Cluster->running('main', linger => '300ms');
my $visitor = $node->visitor;
my $first = $visitor->begin('/first');

$visitor->end_view($first, visible => 10);
my $collector = $node->row($first->{view})->{collector};

# The id of a view that began so many seconds from now.
sub id_ahead
{
	return Pageviews::Client::uuid(int(1000 * (time + $_[0])));
}

# A view that was open when the clock was so many seconds ahead, as it was stored last; its id.
sub left_open
{
	my ($ahead, $engagement) = @_;
	my $id = id_ahead($ahead);
	my $began = "to_timestamp(('x' || left(replace('$id', '-', ''), 12))::bit(48)::bigint / 1000.0)";

	$node->safe_psql('postgres', <<"SQL");
SELECT pageviews.make_partition(($began AT TIME ZONE 'UTC')::date);
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
VALUES ('$id', gen_random_uuid(), $began, 40, $engagement, 0, 0, $collector, 'example.com', '/ahead')
SQL
	return $id;
}

my $resumed = left_open(HOUR - 10 * MINUTE, 500_000);
my $abandoned = left_open(HOUR, 2000);
my $months_ahead = left_open(150 * DAY, 3000);

$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $node->worker_pid . ')');
$visitor->closed;
$node->wait_ready;
$visitor = $node->visitor;

# It began ten minutes ago, by the clock that was.
my $view = $visitor->new_view('/ahead', view => $resumed);

$view->{n} = 10;
$visitor->say_view($view, 'view', visible => 590_000);
$visitor->end_view($view, visible => 595_000);
is($node->row($resumed)->{engagement_ms}, 595_000, 'a view of that time goes on in its row, and keeps its time');
$node->becomes("SELECT count(*) = 2 FROM pageviews.views WHERE view_id IN ('$abandoned', '$months_ahead') AND end_reason = 'recovered'",
	'those that no browser claims are closed');

# Nothing was stored then that began later, and nobody may make up an id of a month that has no partition.
for my $ahead (2 * HOUR, 75 * DAY)
{
	my $refused = $visitor->new_view('/nobody', view => id_ahead($ahead));

	$visitor->send_message(Pageviews::Client::message($refused, 'view'));
	my $answer = $visitor->expect(view => $refused->{view});

	is($answer->{code}, 'clock', "an id of another time is refused: $ahead s");
	cmp_ok(abs($answer->{now} / 1000 - time), '<', MINUTE, '... with the time that it is');
}
is($node->value('SELECT count(*) FROM pageviews.rejected'), '0', 'nothing was set aside');
is($node->value('SELECT count(*), count(DISTINCT view_id) FROM pageviews.views'), '4|4', 'each view has one row');
$node->conserved;
$node->stop;
done_testing();
