# Whether the visitors' ledger and the table agree.
#
#	lost				announced, acknowledged (or its visitor came back), and no row
#	duplicated			more than one row
#	beyond tolerance	engagement and truth differ by more than 150 ms; where the
#						visitor never came back, and the time since his last report;
#						where the driver itself was late by more than 50 ms, and that
#	gone with the memory	only where the fault kills the worker's memory: views
#						whose visitor never came back to tell of them again
#	foreign				a row that nobody announced

package Pageviews::Faults::Verdict;

use strict;
use warnings FATAL => 'all';

use constant TOLERANCE => 150;
use constant STALL => 50;
use constant CHECKPOINT => 1000;

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

# Holds the latest ledger against the table: figures by name, `wrong` (a list of texts).
sub judge
{
	my ($node, $fault) = @_;
	my $memory = $fault->{forgets} ? 'true' : 'false';
	my $since = $fault->{counts_from} // 0;
	my ($tolerance, $stall) = (TOLERANCE, STALL);
	my $slack = ($fault->{slack} // 0) + ($fault->{forgets} ? CHECKPOINT + 1000 : 0);
	my %figure;

	$node->safe_psql('postgres', <<"EOT");
DROP TABLE IF EXISTS public.verdict;
CREATE TABLE public.verdict AS
	SELECT l.*, v.engagement_ms, v.end_reason::text, v.revision,
		(SELECT count(*) FROM pageviews.views AS d WHERE d.view_id = l.view) > 1 AS duplicated,
		v.view_id IS NULL AND NOT (l.gone AND ($memory OR NOT l.acked)) AS lost,
		v.view_id IS NULL AND l.gone AND l.acked AND $memory AS forgotten,
		coalesce(abs(v.engagement_ms - l.truth)
			> $tolerance + CASE WHEN l.stall > $stall THEN l.stall ELSE 0 END
			+ CASE WHEN l.gone THEN l.unheard + $slack ELSE 0 END, false) AS "beyond tolerance"
	FROM public.ledger AS l
	LEFT JOIN LATERAL (SELECT * FROM pageviews.views AS v WHERE v.view_id = l.view LIMIT 1) AS v ON true
	WHERE l.latest AND l.ended_at >= $since;
EOT
	@figure{qw(views lost duplicated bent forgotten vanished late refused foreign)} = split /\|/, $node->value(<<'EOT');
SELECT count(*), count(*) FILTER (WHERE lost), count(*) FILTER (WHERE duplicated),
	count(*) FILTER (WHERE "beyond tolerance"), count(*) FILTER (WHERE forgotten),
	count(*) FILTER (WHERE gone AND acked), coalesce(max(stall), 0), count(refused),
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
	return { %figure, wrong => \@wrong };
}

1;
