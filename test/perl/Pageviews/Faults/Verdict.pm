# Whether the visitors' ledger and the table agree.
#
#	lost				announced, acknowledged (or its visitor came back), and no row
#	duplicated			more than one row
#	beyond tolerance	engagement and truth differ by more than 150 ms; where the
#						visitor never came back, and the time since his last report;
#						where the driver itself was late by more than 50 ms, and that
#	gone with the memory	a view that the worker's memory held when it was lost, and
#						whose visitor never came back to tell of it again; where
#						the row is there, a checkpoint's worth of time may be missing
#	never heard of		a view that no answer reached, and whose visitor never came back
#	foreign				a row that nobody announced
#
# And likewise of what happened in the views, events:
#
#	lost				the server said that it is stored, or its visitor told of it until he
#						heard that, or it was acknowledged; and no row
#	duplicated			more than one row
#	altered				a row whose name, properties, page, view, session or time are not what it
#						was told with; an event whose view or session became another one while
#						it was told again may have either
#	gone with the memory, never heard of, foreign	as of views
#
# And whether the reports that read roll-ups are those that read views, and what plain SQL
# counts page by page, and the roll-ups are, byte for byte, those that are made from scratch.

package Pageviews::Faults::Verdict;

use strict;
use warnings FATAL => 'all';

use constant TOLERANCE => 150;
use constant STALL => 50;
use constant CHECKPOINT => 1000;
use constant SETTLED => 5000;    # ms after its end in which a view is stored

sub prepare
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'EOT');
CREATE TABLE public.ledger (
	view uuid, truth integer, n integer, acked boolean, stored boolean, ended boolean, gone boolean,
	unheard integer, refused text, ended_at bigint, stored_at bigint,
	stall integer, latest boolean NOT NULL DEFAULT true);
CREATE TABLE public.event_ledger (
	event uuid, name jsonb, props jsonb, path text, view uuid, session uuid, noted boolean,
	acked boolean, stored boolean, gone boolean, refused text, happened_at bigint, ended_at bigint,
	latest boolean NOT NULL DEFAULT true);
CREATE INDEX ON public.event_ledger (event);
EOT
}

# Takes in what the visitors of one fault wrote down.
sub take_ledger
{
	my ($node, $file, $events) = @_;

	$node->safe_psql('postgres', <<"EOT");
UPDATE public.ledger SET latest = false WHERE latest;
UPDATE public.event_ledger SET latest = false WHERE latest;
COPY public.ledger (view, truth, n, acked, stored, ended, gone, unheard, refused, ended_at, stored_at, stall)
	FROM '$file' WITH (FORMAT csv);
COPY public.event_ledger (event, name, props, path, view, session, noted, acked, stored, gone, refused, happened_at, ended_at)
	FROM '$events' WITH (FORMAT csv);
EOT
}

# When an id was made, ms since the epoch, as SQL.
sub time_of
{
	my ($id) = @_;

	return "('x' || left(replace($id\::text, '-', ''), 12))::bit(48)::bigint";
}

# When the memory was lost, as SQL that holds for those of l that it may have held, which began at `born`.
sub held_by_lost_memory
{
	my ($fault, $born) = @_;

	return join ' OR ', 'false',
	  map { sprintf "($born <= %d AND l.ended_at + %d >= %d)", $_->[1], SETTLED, $_->[0] } @{ $fault->{losses} // [] };
}

# What is wrong with the roll-ups, brought up to date; nothing if nothing is.  Beyond two
# thousand visitors are estimated, within 2 %.
sub rolled_up
{
	my ($node) = @_;
	my $summary = q{SELECT views, visits, visitors FROM pageviews.summary('-infinity', 'infinity', filters => %s)};
	my ($rolled, $raw) = map { sprintf $summary, $_ } 'NULL', "'{}'";

	return split /\n/, $node->value(<<"EOT");
SELECT FROM pageviews.roll_up();
SELECT 'roll-ups: ' || to_json(rolled) || ', views: ' || to_json(raw) FROM ($rolled) AS rolled, ($raw) AS raw
WHERE (rolled.views, rolled.visits) IS DISTINCT FROM (raw.views, raw.visits)
	OR abs(rolled.visitors - raw.visitors) > CASE WHEN raw.visitors > 2000 THEN 0.02 * raw.visitors ELSE 0 END
EOT
}

# Of which page the roll-ups, brought up to date, say something else than plain SQL says
# over the views: the first; nothing if none does.
sub pages
{
	my ($node) = @_;

	return split /\n/, $node->value(<<'EOT');
WITH rolled AS (
	SELECT path, views, engagement_total_ms FROM pageviews.pages('-infinity', 'infinity')),
raw AS (
	SELECT v.path, count(*) AS views, sum(v.engagement_ms) AS engagement_total_ms
	FROM pageviews.views AS v
	WHERE NOT EXISTS (SELECT FROM pageviews.sessions AS s WHERE s.session_id = v.session_id AND s.robot)
	GROUP BY v.path)
SELECT 'pages differ: roll-ups ' || coalesce(to_json(rolled)::text, 'none') || ', views ' || coalesce(to_json(raw)::text, 'none')
FROM rolled FULL JOIN raw USING (path)
WHERE (rolled.views, rolled.engagement_total_ms) IS DISTINCT FROM (raw.views, raw.engagement_total_ms)
ORDER BY path LIMIT 1
EOT
}

# Which packs differ from those that are made from scratch, in a transaction that is
# rolled back: the first; nothing if none does.  Old changes are taken at once.
sub from_scratch
{
	my ($node) = @_;

	return split /\n/, $node->value(<<'EOT');
BEGIN;
UPDATE pageviews.rollup_changes SET changed_at = changed_at - interval '2 hours';
SELECT FROM pageviews.roll_up();
CREATE TEMPORARY TABLE rolled ON COMMIT DROP AS SELECT dimension, level, site, bucket, md5(counters || details) FROM pageviews.rollups;
CREATE TEMPORARY TABLE state ON COMMIT DROP AS SELECT rolled_until FROM pageviews.rollup_state;
SELECT FROM pageviews.rebuild_rollups();
SELECT FROM pageviews.roll_up((SELECT rolled_until FROM state));
CREATE TEMPORARY VIEW anew AS SELECT dimension, level, site, bucket, md5(counters || details) FROM pageviews.rollups;
SELECT 'roll-ups from scratch differ: ' || to_json(d)
FROM ((TABLE rolled EXCEPT TABLE anew) UNION ALL (TABLE anew EXCEPT TABLE rolled)) AS d LIMIT 1;
ROLLBACK;
EOT
}

# Holds the latest ledger of events against their table, likewise.
sub judge_events
{
	my ($node, $fault) = @_;
	my $held = held_by_lost_memory($fault, 'l.happened_at');
	my $since = $fault->{counts_from} // 0;
	my $site = '127.0.0.1:' . $node->web;
	# Where a cookie may have lost its worth, who tells by a note is somebody whom nobody knows.
	my $stranger = $fault->{new_sessions} ? 't.noted' : 'false';
	my $born = time_of('l.event');
	my %figure;

	$node->safe_psql('postgres', <<"EOT");
DROP TABLE IF EXISTS public.event_verdict;
CREATE TABLE public.event_verdict AS
	SELECT l.*, r.rows,
		r.copies = 0 AND (l.stored OR NOT (l.gone AND (NOT l.acked OR l.held))) AS lost,
		r.copies > 1 AS duplicated,
		r.copies = 1 AND NOT r.as_told AS altered,
		r.copies = 0 AND NOT l.stored AND l.gone AND l.acked AND l.held AS forgotten,
		r.copies = 0 AND NOT l.stored AND l.gone AND NOT l.acked AS unheard_of
	FROM (SELECT l.*, $held AS held
		  FROM (SELECT event, name, props, path, acked, stored, gone, happened_at, ended_at,
					json_agg(json_build_array(view, session, noted)) AS told
				FROM public.event_ledger WHERE latest AND happened_at >= $since
				GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9) AS l) AS l
	CROSS JOIN LATERAL (
		SELECT count(*) AS copies, json_agg(e) AS rows,
			bool_and(to_jsonb(e.name) = l.name AND e.props IS NOT DISTINCT FROM l.props
				AND e.site = '$site' AND e.path = l.path
				AND extract(epoch FROM e.occurred_at) * 1000 = $born
				AND EXISTS (SELECT FROM public.event_ledger AS t
							WHERE t.event = l.event AND t.view IS NOT DISTINCT FROM e.view_id
								AND (t.session = e.session_id OR $stranger))) AS as_told
		FROM pageviews.events AS e WHERE e.event_id = l.event) AS r;
EOT
	@figure{ map { "events$_" } '', qw(_lost _duplicated _altered _forgotten _unheard _refused _foreign) } = split /\|/, $node->value(<<'EOT');
SELECT count(*), count(*) FILTER (WHERE lost), count(*) FILTER (WHERE duplicated), count(*) FILTER (WHERE altered),
	count(*) FILTER (WHERE forgotten), count(*) FILTER (WHERE unheard_of),
	(SELECT count(DISTINCT event) FROM public.event_ledger WHERE latest AND refused IS NOT NULL),
	(SELECT count(*) FROM pageviews.events AS e WHERE NOT EXISTS (SELECT FROM public.event_ledger AS l WHERE l.event = e.event_id))
FROM public.event_verdict
EOT
	my @wrong = split /\n/, $node->value(<<'EOT');
SELECT CASE WHEN lost THEN 'lost' WHEN duplicated THEN 'duplicated' ELSE 'altered' END || ' event: ' || to_jsonb(v)
FROM public.event_verdict AS v WHERE lost OR duplicated OR altered
ORDER BY happened_at LIMIT 6
EOT
	my $s = eval { $node->stats };

	push @wrong, "foreign: $figure{events_foreign} events that nobody told of, the first: " . $node->value(<<'EOT') if $figure{events_foreign};
SELECT to_jsonb(e) FROM pageviews.events AS e
WHERE NOT EXISTS (SELECT FROM public.event_ledger AS l WHERE l.event = e.event_id) ORDER BY occurred_at LIMIT 1
EOT
	push @wrong, "$figure{events_refused} events were refused" if $figure{events_refused};
	# What counts late may be but the ends of views, after which nothing happens.
	push @wrong, 'nothing happened' if !$figure{events} && !$since;
	push @wrong, 'not every event that was taken is accounted for'
	  if !$s || $s->{events_taken} != $s->{events_stored} + $s->{events_rejected} + $s->{events_queued} + $s->{events_dropped};
	return { %figure, wrong => \@wrong };
}

# Holds the latest ledgers against the tables: figures by name, `wrong` (a list of texts).
sub judge
{
	my ($node, $fault) = @_;
	my $held = held_by_lost_memory($fault, time_of('l.view'));
	my $since = $fault->{counts_from} // 0;
	my ($tolerance, $stall) = (TOLERANCE, STALL);
	my $checkpoint = CHECKPOINT + 1000;
	my $slack = $fault->{slack} // 0;
	my %figure;

	$node->safe_psql('postgres', <<"EOT");
DROP TABLE IF EXISTS public.verdict;
CREATE TABLE public.verdict AS
	SELECT l.*, v.engagement_ms, v.end_reason::text, v.revision,
		(SELECT count(*) FROM pageviews.views AS d WHERE d.view_id = l.view) > 1 AS duplicated,
		v.view_id IS NULL AND NOT (l.gone AND (NOT l.acked OR l.held)) AS lost,
		v.view_id IS NULL AND l.gone AND l.acked AND l.held AS forgotten,
		v.view_id IS NULL AND l.gone AND NOT l.acked AS unheard_of,
		coalesce(abs(v.engagement_ms - l.truth)
			> $tolerance + CASE WHEN l.stall > $stall THEN l.stall ELSE 0 END
			+ CASE WHEN l.gone THEN l.unheard + $slack ELSE 0 END
			+ CASE WHEN l.gone AND l.held THEN $checkpoint ELSE 0 END, false) AS "beyond tolerance"
	FROM (SELECT l.*, $held AS held FROM public.ledger AS l WHERE l.latest AND l.ended_at >= $since) AS l
	LEFT JOIN LATERAL (SELECT * FROM pageviews.views AS v WHERE v.view_id = l.view LIMIT 1) AS v ON true;
EOT
	@figure{qw(views lost duplicated bent forgotten unheard vanished late refused foreign)} = split /\|/, $node->value(<<'EOT');
SELECT count(*), count(*) FILTER (WHERE lost), count(*) FILTER (WHERE duplicated),
	count(*) FILTER (WHERE "beyond tolerance"), count(*) FILTER (WHERE forgotten), count(*) FILTER (WHERE unheard_of),
	count(*) FILTER (WHERE gone AND acked AND held), coalesce(max(stall), 0),
	(SELECT count(refused) FROM public.ledger WHERE latest),
	(SELECT count(*) FROM pageviews.views AS v WHERE NOT EXISTS (SELECT FROM public.ledger AS l WHERE l.view = v.view_id))
FROM public.verdict
EOT
	my @wrong = split /\n/, $node->value(<<'EOT');
SELECT CASE WHEN lost THEN 'lost' WHEN duplicated THEN 'duplicated' ELSE 'beyond tolerance' END || ': ' || to_json(v)
FROM public.verdict AS v WHERE lost OR duplicated OR "beyond tolerance"
ORDER BY ended_at LIMIT 6
EOT

	push @wrong, "foreign: $figure{foreign} rows that nobody announced" if $figure{foreign};
	push @wrong, "$figure{refused} views were refused" if $figure{refused};
	push @wrong, 'nobody came' if !$figure{views};
	push @wrong, 'not every announced view is accounted for' if !eval { $node->conserved };
	my $events = judge_events($node, $fault);

	push @wrong, @{ $events->{wrong} };
	push @wrong, eval {
		my @differ;

		for my $look (\&rolled_up, \&pages, \&from_scratch)
		{
			last if @differ = grep { length } $look->($node);
		}
		@differ;
	};
	push @wrong, "the roll-ups could not be compared: $@" if $@;
	return { %$events, %figure, wrong => \@wrong };
}

1;
