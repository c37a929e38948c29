# The fault suite: seeded visitors (driver.c) on a cluster that is being broken,
# and a look at whether their ledgers, of views and of events, and the tables agree
# (Pageviews::Faults::Verdict).
#
#	run.pl [--seed N] [--seconds N] [--visitors N] [--short] [--self-test] [--list] [fault ...]
#
# A fault is one of Pageviews::Faults; without names all are run, with --short the
# few that are marked so, each for a short time, after the self-test.  A line each, "ok" or
# "FAILED", what is wrong below it; then the sum, and the closing line "N passed,
# N failed".  The seed is printed; with --seed the same visitors come, and chance
# strikes in the same order.

use strict;
use warnings FATAL => 'all';

my $screen;
BEGIN { open $screen, '>&', \*STDOUT or die "stdout: $!"; $screen->autoflush(1) }

use Getopt::Long qw(GetOptions);
use Pageviews::Cluster;
use Pageviews::Faults;
use Pageviews::Faults::Processes;
use Pageviews::Faults::Resources;
use Pageviews::Faults::Database;
use Pageviews::Faults::Standby;
use Pageviews::Faults::Network;
use Pageviews::Faults::Messages;
use Pageviews::Faults::Clock;
use Pageviews::Faults::Mix;
use Pageviews::Faults::SelfTest;
use Pageviews::Faults::Verdict;
use PostgreSQL::Test::Utils ();
use Test::More;
use Time::HiRes qw(time sleep);

use constant SHORT => 5;

my %o = (visitors => 200);
my @repeated;

# Ends before anything began.
sub refuse
{
	print $screen "pageviews: @_\n";
	exit 2;
}

# What is given is given again by the line that tells how to repeat a fault.
sub given
{
	my ($name, $value) = @_;

	$o{$name} = $value;
	push @repeated, "--$name $value" if $name ne 'seed';
}
GetOptions(
	(map { ("$_=i" => \&given) } qw(seed seconds visitors)),
	(map { ($_ => \$o{$_}) } qw(short self-test list))) or refuse('see the top of test/faults/run.pl for the options');
$o{seed} //= int rand 2**31;
my %known = map { $_->{name} => $_ } Pageviews::Faults::all();
my @faults = map { $known{$_} // refuse("there is no fault \"$_\"; --list tells which there are") } @ARGV;

@faults = grep { !$o{short} || $_->{short} } Pageviews::Faults::all() if !@ARGV && !$o{'self-test'};
if ($o{list})
{
	print $screen map { "$_->{name}\n" } @faults;
	exit 0;
}
if ($o{short})
{
	given(seconds => SHORT) if !$o{seconds};
	$o{'self-test'} = 1 if !@ARGV;
}

# The helpers' own checks go into the log; what is printed is decided here.
Test::More->builder->no_ending(1);
Test::More->builder->output(\*STDOUT);
Test::More->builder->failure_output(\*STDERR);

my $folder = "$ENV{TESTDIR}/tmp_check/faults";
mkdir $folder;
my $node = Pageviews::Cluster->running(
	'faults',
	init => [ allows_streaming => 1 ],
	max_connections_per_address => 0,
	heartbeat => '1s',
	linger => '1s',
	rollup_delay => '1s',
	checkpoint_interval => Pageviews::Faults::Verdict::CHECKPOINT . 'ms',
	conf => "restart_after_crash = on\nmax_connections = 40\nlog_min_messages = log\n");
my ($passed, $failed) = (0, 0);
my %sum = map { $_ => 0 } qw(views lost duplicated bent forgotten unheard vanished),
  map { "events$_" } '', qw(_lost _duplicated _altered _forgotten _unheard);

Pageviews::Faults::Verdict::prepare($node);

# Starts the visitors; their process id.
sub send_visitors
{
	my ($fault, $seed) = @_;
	my $pid = fork // die "fork: $!";

	return $pid if $pid;
	open STDOUT, '>', "$folder/$fault->{file}.out" or POSIX::_exit(127);
	open STDERR, '>&', \*STDOUT or POSIX::_exit(127);
	exec { $ENV{PAGEVIEWS_DRIVER} } $ENV{PAGEVIEWS_DRIVER},
	  '--port' => $node->web,
	  '--ledger' => "$folder/$fault->{file}.csv",
	  '--events' => "$folder/$fault->{file}.events.csv",
	  '--seed' => $seed,
	  '--visitors' => $o{visitors},
	  '--seconds' => $fault->{seconds},
	  @{ $fault->{options} // [] }
	  or POSIX::_exit(127);
}

# Waits until the server has nothing open and nothing in its queue; what keeps it, or nothing.
sub rests
{
	my $last = '';
	my $deadline = time + 40;

	while (time < $deadline)
	{
		my $s = eval { $node->stats };

		$last = $s ? join ' ', map { "$_ $s->{$_}" } qw(views_open views_lost views_queued events_queued) : $@;
		return () if $s && !($s->{views_open} + $s->{views_lost} + $s->{views_queued} + $s->{events_queued})
		  && !eval { $node->value('SELECT count(*) FROM pageviews.views WHERE ended_at IS NULL') };
		sleep 0.1;
	}
	return "the server does not come to rest: $last";
}

# For how long some process of this machine had to wait for a processor, so far, if the kernel tells.
sub waited_ms
{
	open my $file, '<', '/proc/pressure/cpu' or return 0;
	my ($us) = join('', <$file>) =~ /^some .*total=(\d+)/m;

	return ($us // 0) / 1000;
}

# One line, and below it what is wrong; counts.
sub report
{
	my ($line, @wrong) = @_;

	@wrong ? $failed++ : $passed++;
	print $screen @wrong ? 'FAILED' : 'ok', " $line\n";
	for (@wrong)
	{
		chomp(my $text = $_);
		print $screen map { "  | $_\n" } split /\n/, $text;
	}
}

# What became of views and events.
sub figures
{
	my ($v) = @_;

	return sprintf 'views %d, lost %d, duplicated %d, beyond tolerance %d, never heard of %d; '
	  . 'events %d, lost %d, duplicated %d, altered %d, never heard of %d',
	  @$v{ qw(views lost duplicated bent unheard), map { "events$_" } '', qw(_lost _duplicated _altered _unheard) };
}

# What went with the worker's memory.
sub forgotten
{
	my ($v) = @_;

	return sprintf '%d views of %d whose visitor never came back, %d events', @$v{qw(forgotten vanished events_forgotten)};
}

# What is wrong when a fault is over.
sub after
{
	my ($fault) = @_;
	my @wrong;

	eval { @wrong = $fault->{after}->($node, $fault); 1 } or push @wrong, "afterwards: $@";
	return @wrong;
}

# One fault under traffic, from the first visitor to the verdict.
sub endure
{
	# By its name, so that a fault alone has the chances that it has among others.
	my %fault = %{ $_[0] };
	my $seed = $o{seed} + unpack '%31C*', $fault{name};
	my @wrong;

	srand $seed;
	($fault{file} = $fault{name}) =~ s/\W+/_/g;
	$fault{seconds} = $o{seconds} // $fault{seconds};
	my $waited = waited_ms();
	$fault{before}->($node, \%fault, $seed) if $fault{before};
	my $driver = send_visitors(\%fault, $seed);
	my $struck = Pageviews::Faults::strike(\%fault, $node, $driver, time + $fault{seconds});

	$node = $struck->{node};
	push @wrong, $struck->{error} if $struck->{error};
	waitpid $driver, 0;
	my $said = PostgreSQL::Test::Utils::slurp_file("$folder/$fault{file}.out");

	push @wrong, "the visitors say: $said" if $?;
	push @wrong, rests();
	my $verdict = eval {
		Pageviews::Faults::Verdict::take_ledger($node, map { "$folder/$fault{file}.$_" } qw(csv events.csv));
		Pageviews::Faults::Verdict::judge($node, \%fault);
	} // { wrong => ["no comparison: $@"] };
	my %v = ((map { $_ => 0 } keys %sum, qw(refused events_refused late)), %$verdict);

	push @wrong, @{ $v{wrong} };
	push @wrong, after(\%fault) if $fault{after};
	push @wrong, "the visitors say: $said" if $v{refused} || $v{events_refused};
	push @wrong, @{ $struck->{told} } if @wrong;
	push @wrong, sprintf 'the driver was late by up to %d ms; for %d ms some process waited for a processor',
	  $v{late}, waited_ms() - $waited if @wrong;
	push @wrong, sprintf q{again: make test-faults FAULTS="%s '%s'"}, join(' ', "--seed $o{seed}", @repeated), $fault{name}
	  if @wrong;
	report(sprintf('%s: %s; restarts %d%s', $fault{name}, figures(\%v), $struck->{restarts},
			$fault{losses} ? '; gone with the memory ' . forgotten(\%v) : ''),
		@wrong);
	$sum{$_} += $v{$_} for keys %sum;
}

print $screen "seed $o{seed}\n";
eval {
	if ($o{'self-test'})
	{
		endure($known{none});
		Pageviews::Faults::SelfTest::run($node, $known{none}, \&report);
	}
	endure($_) for grep { !$o{'self-test'} || $_->{name} ne 'none' } @faults;
	$node->stop;
	1;
} or report('the suite itself', $@);
printf $screen "sum: %s; gone with the memory %s (%.2f %% of all views)\n",
  figures(\%sum), forgotten(\%sum), $sum{views} ? 100 * $sum{forgotten} / $sum{views} : 0;
print $screen "$passed passed, $failed failed\n";
exit($failed ? 1 : 0);
