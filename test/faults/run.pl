# The fault suite: seeded visitors (driver.c) on a cluster that is being broken,
# and a look at whether their ledger and the table agree.
#
#	run.pl [--seed N] [--seconds N] [--visitors N] [--list] [fault ...]
#
# A fault is one of Pageviews::Faults.  A line each, "ok" or "FAILED", what is wrong below
# it; the closing line is "N passed, N failed".  The seed is printed; with --seed
# the same visitors come, and chance strikes in the same order.
#
#	lost				announced, acknowledged (or its visitor came back), and no row
#	duplicated			more than one row
#	beyond tolerance	engagement and truth differ by more than 150 ms; where the
#						visitor never came back, and the time since his last report
#	gone with the memory	only where the fault kills the worker's memory: views
#						whose visitor never came back to tell of them again

use strict;
use warnings FATAL => 'all';

my $screen;
BEGIN { open $screen, '>&', \*STDOUT or die "stdout: $!"; $screen->autoflush(1) }

use Getopt::Long qw(GetOptions);
use Pageviews::Cluster;
use Pageviews::Faults;
use Pageviews::Faults::Processes;
use Pageviews::Faults::Database;
use Pageviews::Faults::Network;
use Pageviews::Faults::Mix;
use PostgreSQL::Test::Utils ();
use Test::More;
use Time::HiRes qw(time sleep);

use constant TOLERANCE => 150;
use constant CHECKPOINT => 1000;

my %o = (seed => int rand 2**31, visitors => 150);
GetOptions(\%o, 'seed=i', 'seconds=i', 'visitors=i', 'list') or die "usage: see the top of run.pl\n";
my %known = map { $_->{name} => $_ } Pageviews::Faults::all();

if ($o{list})
{
	print $screen map { "$_->{name}\n" } Pageviews::Faults::all();
	exit 0;
}
my @faults = @ARGV ? map { $known{$_} // die "no such fault: $_\n" } @ARGV : Pageviews::Faults::all();

# The helpers' own checks go into the log; what is printed is decided here.
Test::More->builder->no_ending(1);
Test::More->builder->output(\*STDOUT);
Test::More->builder->failure_output(\*STDERR);

my $folder = "$ENV{TESTDIR}/tmp_check/faults";
mkdir $folder;
my $node = Pageviews::Cluster->running(
	'faults',
	max_connections_per_address => 0,
	heartbeat => '1s',
	linger => '1s',
	checkpoint_interval => CHECKPOINT . 'ms',
	conf => "restart_after_crash = on\nmax_connections = 40\nlog_min_messages = log\n");
$node->safe_psql('postgres', <<'EOT');
CREATE TABLE public.ledger (
	view uuid, truth integer, n integer, acked boolean, stored boolean, ended boolean, gone boolean,
	unheard integer, refused text, ended_at bigint, stored_at bigint,
	stall integer, fault text DEFAULT 'new');
EOT

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
	  '--seed' => $seed,
	  '--visitors' => $o{visitors},
	  '--seconds' => $o{seconds} // $fault->{seconds}
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

		$last = $s ? join ' ', map { "$_ $s->{$_}" } qw(views_open views_lost views_queued) : $@;
		return '' if $s && !($s->{views_open} + $s->{views_lost} + $s->{views_queued})
		  && !eval { $node->value('SELECT count(*) FROM pageviews.views WHERE ended_at IS NULL') };
		sleep 0.1;
	}
	return "the server does not come to rest: $last";
}

# Loads the ledger and holds the table against it: figures by name, and samples of what is wrong.
sub compare
{
	my ($fault) = @_;
	my $memory = $fault->{forgets} ? 'true' : 'false';
	my $since = $fault->{counts_from} // 0;
	my $tolerance = TOLERANCE;
	my $slack = $fault->{forgets} ? CHECKPOINT + 1000 : 0;

	$node->safe_psql('postgres', <<"EOT");
COPY public.ledger (view, truth, n, acked, stored, ended, gone, unheard, refused, ended_at, stored_at, stall)
	FROM '$folder/$fault->{file}.csv' WITH (FORMAT csv);
DROP TABLE IF EXISTS public.verdict;
CREATE TABLE public.verdict AS
	SELECT l.*, v.engagement_ms, v.end_reason::text, v.revision,
		(SELECT count(*) FROM pageviews.views AS d WHERE d.view_id = l.view) > 1 AS doubled,
		v.view_id IS NULL AND NOT (l.gone AND ($memory OR NOT l.acked)) AS lost,
		v.view_id IS NULL AND l.gone AND l.acked AND $memory AS forgotten,
		coalesce(abs(v.engagement_ms - l.truth)
			> $tolerance + CASE WHEN l.gone THEN l.unheard + $slack ELSE 0 END, false) AS bent
	FROM public.ledger AS l
	LEFT JOIN LATERAL (SELECT * FROM pageviews.views AS v WHERE v.view_id = l.view LIMIT 1) AS v ON true
	WHERE l.fault = 'new' AND l.ended_at >= $since;
UPDATE public.ledger SET fault = '$fault->{name}' WHERE fault = 'new';
EOT
	my %result;
	@result{qw(views lost duplicated bent forgotten refused foreign)} = split /\|/, $node->value(<<'EOT');
SELECT count(*), count(*) FILTER (WHERE lost), count(*) FILTER (WHERE doubled),
	count(*) FILTER (WHERE bent), count(*) FILTER (WHERE forgotten), count(refused),
	(SELECT count(*) FROM pageviews.views AS v WHERE NOT EXISTS (SELECT FROM public.ledger AS l WHERE l.view = v.view_id))
FROM public.verdict
EOT
	$result{samples} = $node->value('SELECT to_json(v) FROM public.verdict AS v WHERE lost OR doubled OR bent LIMIT 6');
	return %result;
}

# One fault under traffic, from the first visitor to the verdict; true when all is well.
sub endure
{
	my ($fault, $seed) = @_;
	my @wrong;
	my $started = time;

	($fault->{file} = $fault->{name}) =~ s/\W+/_/g;
	my $driver = send_visitors($fault, $seed);
	my $struck = Pageviews::Faults::strike($fault, $node, $driver, $started + ($o{seconds} // $fault->{seconds}));

	push @wrong, $struck->{error} if $struck->{error};
	waitpid $driver, 0;
	my $said = PostgreSQL::Test::Utils::slurp_file("$folder/$fault->{file}.out");

	push @wrong, "the visitors say: $said" if $?;
	push @wrong, grep { $_ } rests();
	my %result = eval { compare($fault) } or return report($fault, $seed, {}, { restarts => 0 }, "no comparison: $@");

	push @wrong, $result{samples} if $result{lost} + $result{duplicated} + $result{bent};
	push @wrong, "$result{foreign} rows that nobody announced" if $result{foreign};
	push @wrong, "$result{refused} views were refused: $said" if $result{refused};
	push @wrong, 'nobody came' if !$result{views};
	push @wrong, 'not every announced view is accounted for' if !eval { $node->conserved };
	return report($fault, $seed, \%result, $struck, @wrong);
}

sub report
{
	my ($fault, $seed, $result, $struck, @wrong) = @_;
	my %r = (views => 0, lost => 0, duplicated => 0, bent => 0, forgotten => 0, %$result);

	print $screen sprintf "%s %s: views %d, lost %d, duplicated %d, beyond tolerance %d, restarts %d%s\n",
	  @wrong ? 'FAILED' : 'ok', $fault->{name}, @r{qw(views lost duplicated bent)}, $struck->{restarts},
	  $fault->{forgets} ? ", gone with the memory $r{forgotten}" : '';
	for (@wrong)
	{
		chomp(my $text = $_);
		print $screen map { "  | $_\n" } split /\n/, $text;
	}
	print $screen "  | again: make test-faults FAULTS='--seed $o{seed} $fault->{name}'\n" if @wrong;
	return !@wrong;
}

print $screen "seed $o{seed}\n";
my ($passed, $failed) = (0, 0);

for my $fault (@faults)
{
	# By its name, so that a fault alone has the chances that it has among others.
	my $seed = $o{seed} + unpack '%31C*', $fault->{name};

	srand $seed;
	endure({ %$fault }, $seed) ? $passed++ : $failed++;
}
$node->stop;
print $screen "$passed passed, $failed failed\n";
exit($failed ? 1 : 0);
