# Faults of what is said: twice, out of order, late; and lies past the parser.

package Pageviews::Faults::Messages;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use Pageviews::Cluster;
use Pageviews::Faults;
use Pageviews::Faults::Seam;
use Time::HiRes qw(time sleep);

# Views that their visitor ended, and whose row is not that of the last message.
sub not_the_last
{
	my ($node) = @_;

	return split /\n/, $node->value(<<'EOT');
SELECT 'not the last message: ' || to_json(v) FROM public.verdict AS v
WHERE ended AND revision <> 4 * n + 3 LIMIT 3
EOT
}

fault 'messages twice, out of order, late' => sub { again_and_again($_[0], 0.2, sub { }) },
  options => [ '--mischief' => 30 ],
  after => \&not_the_last,
  short => 1;

# The listener lies for a moment, and then it is another one.
sub lie
{
	my ($blow) = @_;
	my $liar = listener($blow);

	seam_lies(1);
	Pageviews::Cluster::eventually('the liar is gone', 20, sub { !Pageviews::Cluster::alive($liar) });
	seam_lies(0);
	$blow->{restarts}++;
	Pageviews::Cluster::eventually('another listener', 20, sub { listener($blow) != $liar });
	$blow->{node}->wait_ready;
}

# What pg_dump says of the database restores, row for row.
sub restores
{
	my ($node) = @_;
	my $file = "$ENV{TESTDIR}/tmp_check/faults/restores.sql";
	my $count = 'SELECT count(*), sum(engagement_ms), (SELECT count(*) FROM pageviews.events) FROM pageviews.views';

	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	my @wrong;
	for my $command (
		[ 'pg_dump', '-f', $file, $node->connstr('postgres') ],
		[ 'psql', '-XAtq1', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-d', $node->connstr('restored') ])
	{
		my ($out, $err);

		IPC::Run::run($command, '>', \$out, '2>', \$err) or push @wrong, "$command->[0]: $err";
	}
	push @wrong, 'another number of rows was restored'
	  if !@wrong && $node->value($count) ne $node->safe_psql('restored', $count);
	$node->safe_psql('postgres', 'DROP DATABASE restored');
	return @wrong;
}

fault 'NUL and bad UTF-8 past the parser' => sub { again_and_again($_[0], 1, \&lie) },
  before => sub { seam_in($_[0]) },
  options => [ '--marked' => 20 ],
  after => sub { my @wrong = restores($_[0]); seam_out($_[0]); @wrong };

1;
