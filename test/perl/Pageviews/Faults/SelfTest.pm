# Whether the suite sees what it is there to see: after a quiet run mistakes are
# planted between the table and the ledger, and each has to be called by its name.

package Pageviews::Faults::SelfTest;

use strict;
use warnings FATAL => 'all';

use Pageviews::Faults::Verdict;

# What is planted: name, SQL about the view <id> or the event <event>, the figure that it raises, what is said.
my @plants = (
	[ 'a row that went', "DELETE FROM pageviews.views WHERE view_id = '<id>'", 'lost', 'lost: .*<id>' ],
	[ 'a copy in another month', <<'EOT', 'duplicated', 'duplicated: .*<id>' ],
INSERT INTO pageviews.views
SELECT (json_populate_record(v, json_build_object('started_at', v.started_at + interval '1 month'))).*
FROM pageviews.views AS v WHERE view_id = '<id>'
EOT
	[ 'engagement 400 ms too long', "UPDATE pageviews.views SET engagement_ms = engagement_ms + 400 WHERE view_id = '<id>'",
		'bent', 'beyond tolerance: .*<id>' ],
	[ 'engagement 400 ms too short', "UPDATE pageviews.views SET engagement_ms = engagement_ms - 400 WHERE view_id = '<id>'",
		'bent', 'beyond tolerance: .*<id>' ],
	[ 'a row of nobody', <<'EOT', 'foreign', 'foreign: 1 rows' ],
INSERT INTO pageviews.views
SELECT (json_populate_record(v, json_build_object('view_id', gen_random_uuid()))).*
FROM pageviews.views AS v WHERE view_id = '<id>'
EOT
	[ 'an event that went', "DELETE FROM pageviews.events WHERE event_id = '<event>'", 'events_lost', 'lost event: .*<event>' ],
	[ 'a copy of an event in another month', <<'EOT', 'events_duplicated', 'duplicated event: .*<event>' ],
INSERT INTO pageviews.events
SELECT (json_populate_record(e, json_build_object('occurred_at', e.occurred_at + interval '1 month'))).*
FROM pageviews.events AS e WHERE event_id = '<event>'
EOT
	(map { [ "an event with another $_->[0]", "UPDATE pageviews.events SET $_->[1] WHERE event_id = '<event>'",
			'events_altered', 'altered event: .*<event>' ] }
		[ 'name', "name = name || '.'" ], [ 'property', q{props = coalesce(props, '{}') || '{"more": 1}'} ],
		[ 'view', 'view_id = gen_random_uuid()' ], [ 'session', 'session_id = gen_random_uuid()' ]),
	[ 'an event of nobody', <<'EOT', 'events_foreign', 'foreign: 1 events' ],
INSERT INTO pageviews.events
SELECT (json_populate_record(e, json_build_object('event_id', gen_random_uuid()))).*
FROM pageviews.events AS e WHERE event_id = '<event>'
EOT
	# Once no mark is left that has it made again.
	[ 'a pack that went', 'SELECT pageviews.roll_up(); DELETE FROM pageviews.rollups WHERE dimension = 0', undef, 'roll-ups: ' ],
	[ 'a pack of pages that went', 'SELECT pageviews.roll_up(); DELETE FROM pageviews.rollups WHERE dimension = 1', undef, 'pages differ: ' ],
	[ 'a pack of browsers that went', 'SELECT pageviews.roll_up(); DELETE FROM pageviews.rollups WHERE dimension = 5', undef, 'roll-ups from scratch differ: ' ],
	# The worker's own books, between the worker and whoever reads them.
	[ 'a view that the books lack', misread('views_announced'), undef, 'not every announced view is accounted for' ],
	[ 'an event that the books lack', misread('events_taken'), undef, 'not every event that was taken is accounted for' ],
);

# SQL that has the books say one more of something.
sub misread
{
	my ($figure) = @_;
	my @others = grep { $_ ne $figure } qw(views_announced views_stored views_rejected views_open views_lost views_queued
	  views_refused views_dropped events_taken events_stored events_rejected events_queued events_dropped);
	my $others = join ', ', @others;

	return <<"EOT";
ALTER VIEW pageviews.worker_stats RENAME TO true_stats;
CREATE VIEW pageviews.worker_stats AS SELECT $figure + 1 AS $figure, $others FROM pageviews.true_stats
EOT
}

# After a quiet fault, whose ledger is the latest: calls `$say` with each check's
# name and what is wrong with it, or nothing.
sub run
{
	my ($node, $fault, $say) = @_;
	my @figures = qw(lost duplicated bent foreign events_lost events_duplicated events_altered events_foreign);
	my $quiet = Pageviews::Faults::Verdict::judge($node, $fault);

	$say->('self-test: a quiet run is called clean', @{ $quiet->{wrong} });
	my @views = split /\n/, $node->value(
		'SELECT view FROM public.ledger WHERE latest AND stored AND NOT gone AND truth > 400 ORDER BY view LIMIT ' . @plants);
	my @events = split /\n/, $node->value(
		'SELECT DISTINCT event FROM public.event_ledger WHERE latest AND stored ORDER BY event LIMIT ' . @plants);

	$node->safe_psql('postgres', <<'EOT');
CREATE TABLE public.kept_views AS SELECT * FROM pageviews.views;
CREATE TABLE public.kept_events AS SELECT * FROM pageviews.events;
EOT
	for my $plant (@plants)
	{
		my ($name, $sql, $figure, $said) = @$plant;
		my $view = shift @views // die "the quiet run has too few views\n";
		my $event = shift @events // die "in the quiet run too little happened\n";

		for ($sql, $said)
		{
			s/<id>/$view/;
			s/<event>/$event/;
		}
		$node->safe_psql('postgres', $sql);
		# What is planted in an event needs no look at the roll-ups, which takes the longest.
		my $of_event = $sql =~ /$event/;
		my $verdict = $of_event ? Pageviews::Faults::Verdict::judge_events($node, $fault) : Pageviews::Faults::Verdict::judge($node, $fault);
		my @wrong = @{ $verdict->{wrong} };
		my @problem;

		push @problem, "it is said otherwise: @wrong" if @wrong != 1 || $wrong[0] !~ /$said/;
		push @problem, map { "$_ is $verdict->{$_}" }
		  grep { ($verdict->{$_} // 0) != (defined $figure && $_ eq $figure ? 1 : 0) } @figures;
		$say->("self-test: $name is noticed", @problem);
		mend($node, $of_event ? 'events' : 'views');
	}
	forgotten($node, $fault, $say);
	forgotten_event($node, $fault, $say);
	$node->safe_psql('postgres', 'DROP TABLE public.kept_views, public.kept_events');
	$say->('self-test: all is clean again', @{ Pageviews::Faults::Verdict::judge($node, $fault)->{wrong} });
}

# A view whose visitor never came back may go with the memory that held it, and only then.
sub forgotten
{
	my ($node, $fault, $say) = @_;
	my ($view, $ended) = split /\|/, $node->value(
		'SELECT view, ended_at FROM public.ledger WHERE latest AND gone AND acked ORDER BY view LIMIT 1');

	$node->safe_psql('postgres', "DELETE FROM pageviews.views WHERE view_id = '$view'");
	for my $row ([ 'an hour later', $ended + 3600_000, 'lost' ], [ 'an hour before', $ended - 3600_000, 'lost' ], [ 'then', $ended, 'forgotten' ])
	{
		my ($when, $loss, $figure) = @$row;
		my $verdict = Pageviews::Faults::Verdict::judge($node, { %$fault, losses => [ [ $loss, $loss ] ] });

		$say->("self-test: a row that went, memory lost $when, is $figure",
			map { "$_ is $verdict->{$_}" } grep { $verdict->{$_} != ($_ eq $figure) } qw(lost forgotten));
	}
	mend($node, 'views');
}

# Likewise an event that its visitor told of once, and did not hear of again; one that is stored may never go.
sub forgotten_event
{
	my ($node, $fault, $say) = @_;
	my ($event, $ended) = split /\|/, $node->value(
		'SELECT event, ended_at FROM public.event_ledger WHERE latest AND stored ORDER BY event LIMIT 1');

	$node->safe_psql('postgres', "DELETE FROM pageviews.events WHERE event_id = '$event'");
	for my $row ([ 'stored', 'then', $ended, 'events_lost' ], [ 'gone', 'an hour later', $ended + 3600_000, 'events_lost' ],
		[ 'gone', 'then', $ended, 'events_forgotten' ])
	{
		my ($state, $when, $loss, $figure) = @$row;

		$node->safe_psql('postgres',
			"UPDATE public.event_ledger SET stored = '$state' = 'stored', gone = '$state' = 'gone' WHERE event = '$event'");
		my $verdict = Pageviews::Faults::Verdict::judge_events($node, { %$fault, losses => [ [ $loss, $loss ] ] });

		$say->("self-test: an event that went, $state, memory lost $when, is $figure",
			map { "$_ is $verdict->{$_}" } grep { $verdict->{$_} != ($_ eq $figure) } qw(events_lost events_forgotten));
	}
	$node->safe_psql('postgres', "UPDATE public.event_ledger SET stored = true, gone = false WHERE event = '$event'");
	mend($node, 'events');
}

# The table, and the books, as they were before.
sub mend
{
	my ($node, $table) = @_;

	$node->safe_psql('postgres', <<"EOT");
TRUNCATE pageviews.$table;
INSERT INTO pageviews.$table SELECT * FROM public.kept_$table;
DO \$\$
BEGIN
	IF to_regclass('pageviews.true_stats') IS NOT NULL THEN
		DROP VIEW pageviews.worker_stats;
		ALTER VIEW pageviews.true_stats RENAME TO worker_stats;
	END IF;
END
\$\$;
EOT
}

1;
