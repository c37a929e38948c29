# Every report against plain SQL, on large random data (Pageviews::Truth):
#
#	run.pl [--views N] [--days N] [--sites N] [--seed N] [--questions N]
#
# The seed is printed; with --seed the same is asked of the same views.  A line for
# each question, with how many rows of each report were compared; what differs below
# it, with the query; then the worst errors seen, and "N passed, N failed".

use strict;
use warnings FATAL => 'all';

my $screen;
BEGIN { open $screen, '>&', \*STDOUT or die "stdout: $!"; $screen->autoflush(1) }

use Getopt::Long qw(GetOptions);
use Pageviews::Cluster;
use Pageviews::Truth;
use Test::More;

my %o = (views => 1_000_000, days => 30, sites => 4, seed => int rand 2**31, questions => 8);

GetOptions(map { ("$_=i" => \$o{$_}) } keys %o) or do { print $screen "pageviews: see the top of test/truth/run.pl for the options\n"; exit 2 };
# What helpers check and say goes into the log.
Test::More->builder->no_ending(1);
Test::More->builder->output(\*STDOUT);
Test::More->builder->failure_output(\*STDERR);
print $screen "seed $o{seed}: $o{views} views of $o{days} days, $o{sites} sites, $o{questions} questions at each stage\n";

my ($passed, $failed) = (0, 0);
my $node = Pageviews::Cluster->running('truth', rollup_delay => '0',
	conf => "shared_buffers = 2GB\nwork_mem = 64MB\nmaintenance_work_mem = 512MB\nmax_wal_size = 4GB\nfsync = off\nautovacuum = off\n");

Pageviews::Truth::campaign(
	$node, %o,
	scale => 60,
	say => sub { print $screen "@_\n" },
	explain => sub { print $screen map { "  $_\n" } split /\n/, "@_" },
	check => sub {
		my ($right, $what) = @_;

		$right ? $passed++ : $failed++;
		print $screen $right ? 'ok' : 'FAILED', " $what\n";
	});
$node->stop;
print $screen "$passed passed, $failed failed\n";
exit($failed || !$passed ? 1 : 0);
