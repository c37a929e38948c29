# Every report is as plain SQL over the views says (Pageviews::Truth), with random
# periods, sites and filters, before, in the midst of and after rolling up, and after
# changes by hand.  `make truth` does so with a million views.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Truth;
use Test::More;

my $node = Pageviews::Cluster->running('main', rollup_delay => '0', conf => "autovacuum = off\nmin_parallel_table_scan_size = 0\n");
my $o = Pageviews::Truth::campaign(
	$node,
	views => 10000, days => 12, sites => 3, seed => 12, questions => 1, scale => 30,
	say => \&note, explain => \&diag, check => \&ok);

cmp_ok($o->{sum}{rows}, '>', 2000, 'many rows were compared');
cmp_ok($o->{sum}{percentiles}, '>', 500, 'and many percentiles');

# It would be seen if a report were wrong by one view.
my $question = Pageviews::Truth::question_of($o->{until} - 6 * 86400, $o->{until});

is_deeply([ wrong() ], [], 'reports are right');
$node->safe_psql('postgres', "DELETE FROM truth.views WHERE view_id = (SELECT view_id FROM truth.views WHERE started_at > $question->{since} AND NOT exit ORDER BY view_id LIMIT 1)");
is_deeply([ wrong() ], [qw(pages summary)], 'one view is one too many');

# The names of the reports that are wrong now.
sub wrong
{
	return sort map { $_->{report} } grep { $_->{wrong} } Pageviews::Truth::ask($node, $question, qw(summary pages channels));
}

$node->conserved;
$node->stop;
done_testing();
