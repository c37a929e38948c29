# Hostile connections, thousands of them, HTTP and TLS: the listener stands, every
# answer is one of its own, and the honest visitor beside them is always served.
#
#	HOSTILE_CONNECTIONS=N	in all; a fifth of them speaks (what is no) TLS
#	HOSTILE_SEED=N			the same connections again
#	HOSTILE_VALGRIND=1		valgrind instead of the sanitizers

use strict;
use warnings FATAL => 'all';

use File::Temp ();
use JSON::PP ();
use Pageviews::Gate;
use Test::More;

my $connections = $ENV{HOSTILE_CONNECTIONS} || 5000;
my $seed = $ENV{HOSTILE_SEED} || int rand 2**31;
my $valgrind = $ENV{HOSTILE_VALGRIND};
my @options = ('-q', '-d', '-i', 2000);

if ($valgrind)
{
	# A third of a second's work takes ten; nothing else is slower than it should be.
	$Pageviews::Gate::patience = 120;
	$Pageviews::Gate::program = './pageviews_listener';
	push @options, qw(-l handshake_timeout=30000 valgrind --quiet --error-exitcode=99 --track-origins=yes --leak-check=no);
}

# Attacks one listener, and checks what it left.
sub attacked
{
	my ($name, $count, $tls, @more) = @_;
	my $gate = Pageviews::Gate->start("hostile_$name", @more, @options);
	my @command = ('build/hostile/hostile', '--port', $gate->{port}, '--connections', $count, '--seed', $seed,
		$valgrind ? qw(--sockets 100 --patience 60 --stretch 25 --queue 20) : qw(--stretch 8), $tls ? '--tls' : ());

	$gate->wait_for('it answers', sub { my $s = eval { Pageviews::Client::dial('127.0.0.1', $gate->{port}) }; close $s if $s; $s });
	diag("@command");
	my $said = qx(@command);
	my $report = eval { JSON::PP->new->decode($said) } // { honest => {} };
	my $honest = $report->{honest};

	diag(sprintf '%d connections in %.0f s, %d a second; the honest visitor was served %d times, p50 %.1f ms, p99 %.1f ms, at most %.0f ms',
		$report->{connections}, $report->{seconds}, $report->{connections} / $report->{seconds},
		@$honest{qw(served p50_ms p99_ms worst_ms)}) if $report->{seconds};
	diag('answers: ' . join ', ', map { ($_ || 'none') . " $report->{statuses}{$_}" } sort keys %{ $report->{statuses} }) if !$tls;
	is($report->{connections}, $count, "$count hostile connections, $name");
	is($report->{bad_answers}, 0, 'every answer is one that this server gives');
	cmp_ok($honest->{served} // 0, '>', 0, 'an honest visitor was there');
	is($honest->{failed}, 0, '... and was served each time') or diag($honest->{complaint});
	if (!$tls)
	{
		my $s = $report->{statuses};

		cmp_ok($s->{101} // 0, '>', $count / 10, 'many came as far as a socket') or diag(explain($s));
		ok($s->{204} && $s->{200} && $s->{400} && $s->{403}, 'and to every kind of answer') or diag(explain($s));
	}
	$gate->stands(tls => $tls);
}

attacked('plain', int($connections * 0.8), 0);

my $folder = File::Temp->newdir;
system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
	. "-keyout $folder/key -out $folder/cert 2>$folder/said") == 0
  or die 'no certificate';
attacked('tls', $connections - int($connections * 0.8), 1, '-T', "$folder/cert,$folder/key");
done_testing();
