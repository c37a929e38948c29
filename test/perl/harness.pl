# Runs TAP tests one after the other, a line each with its time, the whole
# output of one that failed, and closes with "N passed, N failed".

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use TAP::Parser;
use Time::HiRes qw(time);

my ($passed, $failed) = (0, 0);

# The ends of what a test and its servers wrote.
sub show_logs
{
	my ($test) = @_;
	my ($name) = $test =~ m{([^/]+)\.pl$};

	for my $log (glob "$ENV{TESTDIR}/tmp_check/log/regress_log_$name $ENV{TESTDIR}/tmp_check/log/${name}_*.log")
	{
		open my $file, '<', $log or next;
		my @all = <$file>;

		splice @all, 0, @all - 40 if @all > 40;
		print "  --- the end of $log\n", map { "  | $_" } @all;
	}
}

for my $test (@ARGV)
{
	my $started = time;
	my @lines;
	my $parser = TAP::Parser->new(
		{
			exec => [ 'timeout', '-k', '10', '600', $^X, (map { ('-I', abs_path($_)) } grep { -d } @INC), $test ],
			merge => 1
		});

	while (my $result = $parser->next)
	{
		push @lines, $result->as_string;
	}
	my $good = $parser->passed;
	my $bad = $parser->failed;

	# A test that died, or did not run what it planned, failed even so.
	$bad++ if !$bad && $parser->has_problems;
	$passed += $good;
	$failed += $bad;
	printf "%-42s %5.1f s  %s\n", $test, time - $started, $bad ? "$bad FAILED" : "$good ok";
	if ($bad)
	{
		print map { "  $_\n" } grep { !/^ok / } @lines, 'status ' . ($parser->wait // '?');
		show_logs($test);
	}
	STDOUT->flush;
}
print "$passed passed, $failed failed\n";
exit($failed || !$passed ? 1 : 0);
