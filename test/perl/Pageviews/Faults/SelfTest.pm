# Whether the suite sees what it is there to see: after a quiet run mistakes are
# planted between the table and the ledger, and each has to be called by its name.

package Pageviews::Faults::SelfTest;

use strict;
use warnings FATAL => 'all';

use Pageviews::Faults::Verdict;

# What is planted: name, SQL about the view <id>, the figure that it raises, what is said.
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
	# Once no mark is left that has it made again.
	[ 'a pack that went', 'SELECT pageviews.roll_up(); DELETE FROM pageviews.rollups WHERE dimension = 0', undef, 'roll-ups: ' ],
	[ 'a pack of pages that went', 'SELECT pageviews.roll_up(); DELETE FROM pageviews.rollups WHERE dimension = 1', undef, 'roll-ups from scratch differ: ' ],
	# The worker's own books, between the worker and whoever reads them.
	[ 'a view that the books lack', <<'EOT', undef, 'not every announced view is accounted for' ],
ALTER VIEW pageviews.worker_stats RENAME TO true_stats;
CREATE VIEW pageviews.worker_stats AS
SELECT views_announced + 1 AS views_announced, views_stored, views_rejected, views_open, views_lost, views_queued,
	views_refused, views_dropped
FROM pageviews.true_stats
EOT
);

# After a quiet fault, whose ledger is the latest: calls `$say` with each check's
# name and what is wrong with it, or nothing.
sub run
{
	my ($node, $fault, $say) = @_;
	my $quiet = Pageviews::Faults::Verdict::judge($node, $fault);

	$say->('self-test: a quiet run is called clean', @{ $quiet->{wrong} });
	my @views = split /\n/, $node->value(
		'SELECT view FROM public.ledger WHERE latest AND stored AND NOT gone AND truth > 400 ORDER BY view LIMIT ' . @plants);

	$node->safe_psql('postgres', 'CREATE TABLE public.kept AS SELECT * FROM pageviews.views');
	for my $plant (@plants)
	{
		my ($name, $sql, $figure, $said) = @$plant;
		my $view = shift @views // die "the quiet run has too few views\n";

		s/<id>/$view/ for $sql, $said;
		$node->safe_psql('postgres', $sql);
		my $verdict = Pageviews::Faults::Verdict::judge($node, $fault);
		my @wrong = @{ $verdict->{wrong} };
		my @problem;

		push @problem, "it is said otherwise: @wrong" if @wrong != 1 || $wrong[0] !~ /$said/;
		push @problem, map { "$_ is $verdict->{$_}" }
		  grep { $verdict->{$_} != (defined $figure && $_ eq $figure ? 1 : 0) } qw(lost duplicated bent foreign);
		$say->("self-test: $name is noticed", @problem);
		mend($node);
	}
	forgotten($node, $fault, $say);
	$node->safe_psql('postgres', 'DROP TABLE public.kept');
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
	mend($node);
}

# As it was before.
sub mend
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'EOT');
TRUNCATE pageviews.views;
INSERT INTO pageviews.views SELECT * FROM public.kept;
DO $$
BEGIN
	IF to_regclass('pageviews.true_stats') IS NOT NULL THEN
		DROP VIEW pageviews.worker_stats;
		ALTER VIEW pageviews.true_stats RENAME TO worker_stats;
	END IF;
END
$$;
EOT
}

1;
