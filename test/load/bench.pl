# How fast pageviews is, held against programs that run in the same minutes.
#
#	bench.pl [section ...]		all sections, without a name
#
# A section is one of test/perl/Pageviews/Bench/*.pm and measures one thing, its
# references in alternation with it.  Figures are medians of BENCH_REPEATS runs (5) of
# BENCH_SECONDS (4).  Rows are counted after each run: one that lost a row, or that
# failed a visitor, fails its section.  A run of all sections writes RESULTS.md and the
# plots.  Status 1 when a section failed; a goal that was missed is no failure.
#
# The references: test/load/peers/echo.c, a bare websocket server; node.mjs, what a
# team would write instead; bystander.c, a process that only takes processor time.

use strict;
use warnings FATAL => 'all';

my $screen;
BEGIN { open $screen, '>&', \*STDOUT or die "stdout: $!"; $screen->autoflush(1) }

use Pageviews::Bench;
use Pageviews::Bench::Views;
use Pageviews::Bench::Idle;
use Pageviews::Bench::Store;
use Pageviews::Bench::Neighbours;
use Pageviews::Bench::Reports;
use Pageviews::Bench::Report;
use Test::More;
use Time::HiRes qw(time);

my %known = map { $_->{name} => $_ } Pageviews::Bench::sections();
my @sections = @ARGV ? @known{@ARGV} : Pageviews::Bench::sections();
my @failed;

# The helpers' own checks go into the log; what is printed is decided here.
Test::More->builder->no_ending(1);
Test::More->builder->output(\*STDOUT);
Test::More->builder->failure_output(\*STDERR);
Pageviews::Bench::show_on($screen);
if (grep { !$_ } @sections)
{
	print $screen "there are these sections: @{[ map { $_->{name} } Pageviews::Bench::sections() ]}\n";
	exit 2;
}
if (!eval { pin(SERVER_CORE); pin(LOAD_CORE); 1 })
{
	print $screen "the bench needs two cores, one for the server and one for the load: $@";
	exit 2;
}

for my $section (@sections)
{
	my $started = time;

	print $screen "$section->{name}: $section->{title}\n";
	if (!eval { $section->{code}->(); 1 })
	{
		push @failed, "$section->{name}: " . ($@ =~ /^(.*)$/m)[0];
		print $screen "    FAILED: $@";
		Pageviews::Bench::clean_up();
	}
	printf $screen "    %.0f s\n", time - $started;
}

my $folder = $ENV{PAGEVIEWS_BENCH};
print $screen "\n";
Pageviews::Bench::Report::table($screen, Pageviews::Bench::results());
Pageviews::Bench::Report::plot($folder, $_) for Pageviews::Bench::curves();
if (!@ARGV)
{
	Pageviews::Bench::Report::write_markdown(
		"$folder/RESULTS.md",
		version => PostgreSQL::Test::Utils::slurp_file('pageviews.control') =~ /^default_version *= *'(.*)'/m && $1,
		machine => Pageviews::Bench::Report::machine(),
		command => join(' ', (map { "$_=$ENV{$_}" } grep { /^BENCH_/ } sort keys %ENV), 'make bench'),
		repeats => repeats(),
		seconds => seconds(),
		results => [ Pageviews::Bench::results() ],
		curves => [ Pageviews::Bench::curves() ],
		warnings => [ warnings_of() ],
		failed => \@failed);
}
print $screen map { "FAILED: $_\n" } @failed;
exit(@failed ? 1 : 0);
