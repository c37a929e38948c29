# A thousand slow clients of every kind: each is gone within the limit that is
# made for it, and an honest visitor is served beside them, his whole visit
# (handshake to `stored`) within twice its quiet p99 or 25 ms, whichever is more:
# a shared machine stalls for milliseconds, and what looks at every connection at
# every turn (poll) takes 43 at the median and 112 at p99.  Where it stalls for
# longer, which the kernel tells by how long the listener waited for a processor,
# p99 is the machine's, and the median has to do.
#
# `make slow` holds p99 to twice the quiet figure, however short, whatever the machine.

use strict;
use warnings FATAL => 'all';

use File::Temp ();
use JSON::PP ();
use List::Util qw(max);
use Pageviews::Gate;
use Test::More;

# As users run it: what is compared is its own speed, not the sanitizers'.
$Pageviews::Gate::program = './pageviews_listener';

use constant STALLED => 5;    # percent of the time, waiting for a processor

# The last of them go after some 8 s; where others use the machine it may stall for seconds.
my $strict = $ENV{SLOW_STRICT};
my ($seconds, $limit, $tries, $bound_ms) = $strict ? (10, 12, 1, 0) : (3, 20, 3, 25);

# One siege; what is wrong with it in $report->{slower}.
sub besiege
{
	my ($name, $gate, $tls) = @_;
	my $report = JSON::PP->new->decode(
		scalar qx(build/hostile/slow $gate->{port} 1000 $seconds $limit $gate->{pid} $tls));
	my ($quiet, $beside) = @$report{qw(quiet beside)};
	my $said = sprintf '%s: p50 %.2f ms, p99 %.2f ms alone (%d visits), p50 %.2f ms, p99 %.2f ms beside 1,000 (%d visits): x %.2f; '
	  . 'listener %.1f %% of a core alone, %.1f %% beside them, waiting for one %.1f %% of the time, they %.1f %%; the longest stayed (s): %s',
	  $name, @$quiet{qw(p50 p99 served)}, @$beside{qw(p50 p99 served)}, $beside->{p99} / ($quiet->{p99} || 1),
	  @{ $report->{processor} }{qw(quiet listener waited slow)},
	  join ', ', map { "$_ $report->{longest}{$_}" } sort keys %{ $report->{longest} };

	$strict ? print "# $said\n" : diag($said);
	$report->{slower} = $beside->{p99} > max($bound_ms, 2 * $quiet->{p99});
	$report->{slower} = $beside->{p50} > max(5, 2 * $quiet->{p50})
	  if $report->{slower} && !$strict && $report->{processor}{waited} > STALLED;
	return $report;
}

sub slow
{
	my ($name, $tls, @options) = @_;
	my $gate = Pageviews::Gate->start("slow_$name", @options, '-q', '-i', 2000, '-c', 3000);
	my $report;

	$gate->wait_for('it answers', sub { my $s = eval { Pageviews::Client::dial('127.0.0.1', $gate->{port}) }; close $s if $s; $s });
	for (1 .. $tries)
	{
		$report = besiege($name, $gate, $tls);
		last if !$report->{slower} || $report->{late} || $report->{beside}{failed};
	}
	is($report->{late}, 0, "$name: every slow client is gone within $limit s");
	cmp_ok($report->{beside}{served}, '>', 10 * $seconds, '... an honest visitor came often');
	is($report->{beside}{failed}, 0, '... was served each time');
	ok(!$report->{slower}, '... and soon');
	$gate->stands(tls => $tls);
}

slow('plain', '');

my $folder = File::Temp->newdir;
system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
	. "-keyout $folder/key -out $folder/cert 2>$folder/said") == 0
  or die 'no certificate';
slow('tls', 'tls', '-T', "$folder/cert,$folder/key");
done_testing();
