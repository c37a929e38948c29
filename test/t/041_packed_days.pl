# Packed days follow the views: those that come days late, from browsers that knew them
# and from others, those that somebody changes by hand, those that are forgotten; so do
# the packed hours of the day that goes on.  At each moment reports with filters are what
# they are without the packs.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;

my $node = Pageviews::Cluster->running('main', rollup_delay => 0, linger => '300ms', ping_interval => '5min');

# Reports that read single views.
my %reports = (
	pages => q{SELECT * FROM pageviews.pages(filters => '{"page": "/late/*"}')},
	referrers => q{SELECT * FROM pageviews.referrers(filters => '{"referrer": "*.example"}')},
	everything => q{SELECT views, visitors, visits, engagement_total_ms FROM pageviews.summary(filters => '{}')},
	properties => q{SELECT * FROM pageviews.entry_pages(filters => '{"property": {"plan": "pro"}}')},
	devices => q{SELECT * FROM pageviews.pages(filters => '{"device": "desktop", "browser": null}')},
	funnel => q{SELECT * FROM pageviews.funnel(steps => '{/late/0,/late/1}', within => '2 days')},
	scroll => q{SELECT * FROM pageviews.scroll_depth()},
	engagement => q{SELECT * FROM pageviews.engagement_histogram(path => '/late/*')},
	journeys => q{SELECT * FROM pageviews.journeys()},
	journeys_chosen => q{SELECT * FROM pageviews.journeys(filters => '{"page": "/late/1", "referrer": "*.example", "device": "desktop"}', depth => 1)},
	retention => q{SELECT * FROM pageviews.retention(period => '1 day')},
);

# With and without the packs, in one snapshot; what packs is held off meanwhile.
sub reports_are_right
{
	my ($when) = @_;
	my $query = "BEGIN ISOLATION LEVEL REPEATABLE READ;\nLOCK TABLE pageviews.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;\n";

	$query .= "CREATE TEMP TABLE packed_$_ AS $reports{$_};\n" for sort keys %reports;
	$query .= "DELETE FROM pageviews.packed_days;\n";
	$query .= join(' UNION ALL ', map {
		my $name = $_;
		my ($a, $b) = ("TABLE packed_$name", $reports{$name});

		"SELECT '$name: ' || count(*) FROM (($a EXCEPT ALL $b) UNION ALL ($b EXCEPT ALL $a)) AS d HAVING count(*) > 0"
	} sort keys %reports) . ";\nROLLBACK;\n";
	is($node->value($query), '', "$when: reports are as without packs");
	return;
}

my $day = $node->value("SELECT extract(epoch FROM date_trunc('day', now() - interval '2 days', 'UTC'))::bigint");

# A view of two days ago, told now.
sub late_view
{
	my ($visitor, $path, $second, %more) = @_;
	my $view = $visitor->new_view($path, view => Pageviews::Client::uuid(int(($day + $second) * 1000)), %more);

	$view->{born} = $day + $second;
	$visitor->send_message(Pageviews::Client::message($view, 'end', reason => 'closed', state => 'hidden', visible => 700 + $second, whole => 1));
	$visitor->expect(type => 'stored', view => $view->{view});
	return $view;
}

# What is packed when; something is stored so that there is a reason to look.
my $pulse = $node->visitor;
sub eventually_packed
{
	my ($what, $query) = @_;

	Pageviews::Cluster::eventually($what, 60, sub {
		my $view = $pulse->begin('/pulse');

		$pulse->end_view($view, visible => 1);
		return $node->value($query) eq 't';
	});
	return;
}

my @visitors = map { $node->visitor } 1 .. 12;
for my $i (0 .. $#visitors)
{
	late_view($visitors[$i], '/late/' . $i % 3, 36000 + 10 * $i,
		referrer => $i % 2 ? "https://$i.example/" : undef, props => $i % 3 ? { plan => $i % 2 ? 'pro' : 'free' } : undef);
	late_view($visitors[$i], '/late/' . ($i + 1) % 3, 36100 + 10 * $i) if $i % 2;
}
reports_are_right('before');
$node->set_now(rollup_delay => '1s');
eventually_packed('the day is packed', "SELECT EXISTS (SELECT FROM pageviews.packed_days AS d JOIN pageviews.packed_views AS p USING (day) WHERE d.day = to_timestamp($day))");
reports_are_right('packed');
cmp_ok($node->value(q{SELECT sum(views) FROM pageviews.pages(filters => '{"page": "/late/*"}')}), '==', 18, 'and all views are in them');

# Later still: more of a session that is packed, and one that is not.
late_view($visitors[0], '/late/9', 36500, props => { plan => 'pro' });
my $stranger = $node->visitor;
late_view($stranger, '/late/8', 36501, referrer => 'https://stranger.example/');
cmp_ok($node->value('SELECT count(*) FROM pageviews.rollup_changes'), '>=', 2, 'the changes wait');
reports_are_right('late views came');
$node->safe_psql('postgres', "UPDATE pageviews.rollup_changes SET changed_at = changed_at - interval '2 hours'");
eventually_packed('the sessions are noted', 'SELECT count(*) = 2 FROM pageviews.packed_stale');
is($node->value('SELECT count(*) FROM pageviews.rollup_changes WHERE started_at < now() - interval \'1 day\''), '0', 'the changes are taken');
reports_are_right('late views are rolled up');
$node->safe_psql('postgres', "UPDATE pageviews.packed_days SET packed_at = packed_at - interval '2 days'");
eventually_packed('the day is packed again', 'SELECT count(*) = 0 FROM pageviews.packed_stale');
reports_are_right('packed again');
cmp_ok($node->value(q{SELECT sum(views) FROM pageviews.pages(filters => '{"page": "/late/*"}')}), '==', 20, 'with the late ones');

# By hand.
my $packed_at = $node->value("SELECT packed_at FROM pageviews.packed_days WHERE day = to_timestamp($day)");
$node->safe_psql('postgres', q{UPDATE pageviews.views SET path = '/late/7' WHERE path = '/late/1'});
reports_are_right('paths were changed by hand');
cmp_ok($node->value(q{SELECT sum(views) FROM pageviews.pages(filters => '{"page": "/late/7"}')}), '>', 0, 'the new paths are there');
eventually_packed('the day is packed after that', "SELECT EXISTS (SELECT FROM pageviews.packed_days WHERE day = to_timestamp($day) AND packed_at > '$packed_at')");
reports_are_right('packed after that');

# Forgotten at once, and not brought back by what is packed after it.
my $forgotten = $node->value(q{SELECT session_id FROM pageviews.views WHERE path = '/late/9'});
my $in_packs = "SELECT count(*) FROM pageviews.packed_views WHERE position(uuid_send('$forgotten') IN pack) > 0";
is($node->value($in_packs), '1', 'a session is in a pack');
$node->safe_psql('postgres', "SELECT pageviews.forget_session('$forgotten')");
is($node->value($in_packs), '0', 'and in none when it is forgotten');
reports_are_right('forgotten');
eventually_packed('the day is packed without it', "SELECT EXISTS (SELECT FROM pageviews.packed_days WHERE day = to_timestamp($day))");
is($node->value($in_packs), '0', 'nor later');
reports_are_right('packed without it');

# --- the day that goes on ------------------------------------------------------------------------

# An hour that ended half an hour ago, of a day that is not over.
$node->safe_psql('postgres', <<'SQL');
INSERT INTO pageviews.views (view_id, session_id, started_at, revision, engagement_ms, focused_ms, active_ms, collector, site, path)
SELECT gen_random_uuid(), md5((n / 3)::text)::uuid, date_trunc('hour', now() - interval '30 minutes', 'UTC') - interval '1 hour' + n * interval '0.3 seconds',
	   1, n, 0, 0, 1, 'busy.example', '/' || n % 50
FROM generate_series(1, 9000) AS n;
SQL
my $busy_hours = q{EXISTS (SELECT FROM pageviews.packed_days AS d JOIN pageviews.packed_views AS p USING (day) WHERE p.site = 'busy.example' AND d.until - d.day < interval '1 day' AND d.until <= now() - interval '30 minutes')};
reports_are_right('a busy hour');
eventually_packed('hours that are over are packed', "SELECT $busy_hours");
reports_are_right('hours are packed');
$node->safe_psql('postgres', q{UPDATE pageviews.views SET path = '/changed' WHERE site = 'busy.example' AND path = '/7'});
reports_are_right('an hour was changed by hand');
eventually_packed('packs of that hour go', "SELECT NOT EXISTS (SELECT FROM pageviews.rollup_marks) AND NOT $busy_hours");
reports_are_right('nothing of the hour is packed');
my $packed_hours_at = $node->value('SELECT hours_packed_at FROM pageviews.rollup_state');
eventually_packed('the roll-ups go on', q{SELECT rolled_until > (SELECT max(started_at) FROM pageviews.views WHERE path = '/pulse' AND ended_at < now() - interval '3 seconds') FROM pageviews.rollup_state});
is($node->value('SELECT hours_packed_at FROM pageviews.rollup_state'), $packed_hours_at, 'hours are not packed again within half an hour');
$node->safe_psql('postgres', q{UPDATE pageviews.rollup_state SET hours_packed_at = hours_packed_at - interval '31 minutes'});
eventually_packed('but after it', "SELECT $busy_hours");
reports_are_right('hours are packed again');

# --- while a day is packed, which may take a minute ---------------------------------------------

# A gate, at which the process that packs stands before it writes a pack of that day.
$node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	WHILE NOT pg_catalog.pg_try_advisory_xact_lock_shared(4711) LOOP
		PERFORM pg_catalog.pg_sleep(0.01);
	END LOOP;
	RETURN new;
END \$\$;
CREATE TRIGGER gate BEFORE INSERT ON pageviews.packed_views FOR EACH ROW WHEN (new.day = to_timestamp($day)) EXECUTE FUNCTION public.gate();
SQL

my $guest = $node->value(q{SELECT session_id FROM pageviews.views WHERE path = '/late/8'});
my $guest_in_packs = "SELECT count(*) FROM pageviews.packed_views WHERE position(uuid_send('$guest') IN pack) > 0";
is($node->value($guest_in_packs), '1', 'a guest is in a pack');
for my $what ("pageviews.forget_session('$guest')", 'pageviews.rebuild_rollups()')
{
	my $keeper = $node->background_psql('postgres');
	my $waiter = $node->background_psql('postgres');
	my $pid = $waiter->query_safe('SELECT pg_backend_pid()');

	eventually_packed("$what: the day is packed", "SELECT EXISTS (SELECT FROM pageviews.packed_days WHERE day = to_timestamp($day))");
	$keeper->query_safe('SELECT pg_advisory_lock(4711)');
	$node->safe_psql('postgres', "INSERT INTO pageviews.packed_stale VALUES (to_timestamp($day), 'x.example', '$guest')");
	$node->safe_psql('postgres', "UPDATE pageviews.packed_days SET packed_at = packed_at - interval '2 days' WHERE day = to_timestamp($day)");
	eventually_packed("$what: the day is being packed again", q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pageviews roll-ups' AND wait_event = 'PgSleep')});
	$waiter->query_until(qr/waits/, "\\echo waits\nSELECT $what;\n");
	Pageviews::Cluster::eventually("$what waits", 60, sub { $node->value("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid") eq 't' });

	my $view = $pulse->begin('/meanwhile');
	$pulse->end_view($view, visible => 1);
	pass("$what: views are stored while it waits");
	$keeper->quit;
	$waiter->quit;
	is($node->value($guest_in_packs), '0', '... and then what was packed is gone') if $what =~ /forget/;
	reports_are_right($what);
}

$node->conserved;
$node->stop;
done_testing();
