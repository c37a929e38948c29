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
# And whether the reports that read roll-ups are those that read views, and the roll-ups
# are, byte for byte, those that are made from scratch.

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
EOT
}

# Takes in what the visitors of one fault wrote down.
sub take_ledger
{
	my ($node, $file) = @_;

	$node->safe_psql('postgres', <<"EOT");
UPDATE public.ledger SET latest = false WHERE latest;
COPY public.ledger (view, truth, n, acked, stored, ended, gone, unheard, refused, ended_at, stored_at, stall)
	FROM '$file' WITH (FORMAT csv);
EOT
}

# When the memory was lost, as SQL that holds for the views l that it may have held.
sub held_by_lost_memory
{
	my ($fault) = @_;
	my $born = "('x' || left(replace(l.view::text, '-', ''), 12))::bit(48)::bigint";

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

# Holds the latest ledger against the table: figures by name, `wrong` (a list of texts).
sub judge
{
	my ($node, $fault) = @_;
	my $held = held_by_lost_memory($fault);
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
	push @wrong, eval {
		my @differ = grep { length } rolled_up($node);

		@differ ? @differ : grep { length } from_scratch($node);
	};
	push @wrong, "the roll-ups could not be compared: $@" if $@;
	return { %figure, wrong => \@wrong };
}

1;
