# The library between the processes of a cluster and their machine
# (test/tools/fault_seam.c): a wall clock that jumps, a listener that lies.
#
# The postmaster is started with it.  The listener starts with an empty environment, so
# the copy of Postgres that is ours gets a script in its place that puts it back.

package Pageviews::Faults::Seam;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use Pageviews::Cluster;
use Time::HiRes qw(time);

our @EXPORT = qw(seam_in seam_out seam_clock seam_lies);

my $library = ($ENV{TESTDIR} // q{.}) . q{/tmp_check/fault_seam.so};
my @switches = (0, 0);
my $replaced;    # the listener's program, once a script is in its place
my $owner = $$;

# In place, for every process that looks.
sub set_switches
{
	my $file = "$ENV{TESTDIR}/tmp_check/fault_switches";

	open my $switches, -e $file ? '+<' : '>', $file or die "$file: $!";
	syswrite($switches, pack 'q2', @switches) == 16 or die "$file: $!";
}

# The cluster's wall clock is so many seconds ahead.
sub seam_clock
{
	$switches[0] = int(1e6 * $_[0]);
	set_switches();
}

# The listener lies, or not.
sub seam_lies
{
	$switches[1] = $_[0];
	set_switches();
}

sub program
{
	chomp(my $folder = `pg_config --pkglibdir`);

	return "$folder/pageviews_listener";
}

# Restarts the cluster with the seam; its clock is so many seconds ahead from then on.
sub seam_in
{
	my ($node, $ahead) = @_;
	my $program = program();

	die 'this is no copy of Postgres of our own' if !$ENV{PAGEVIEWS_WORKSHOP};
	$node->stop;
	seam_lies(0);
	seam_clock($ahead // 0);
	rename $program, "$program.real" or die "$program: $!";
	$replaced = $program;
	open my $script, '>', $program or die "$program: $!";
	print $script "#!/bin/sh\nLD_PRELOAD=$library exec $program.real \"\$@\"\n";
	close $script;
	chmod 0755, $program;
	local $ENV{LD_PRELOAD} = $library;
	$node->start;
	$node->wait_ready;
}

# The next test's cluster gets the listener itself, however this one ended.
END
{
	local $?;

	rename "$replaced.real", $replaced if $replaced && $$ == $owner && -e "$replaced.real";
}

# Restarts it without.
sub seam_out
{
	my ($node) = @_;
	my $program = program();

	$node->stop;
	rename "$program.real", $program or die "$program: $!";
	$node->start;
	$node->wait_ready;
}

1;
