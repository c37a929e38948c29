# A program stands in for the listener and lies to the worker on the channel, in
# every way that there is: the worker ends it, starts the next one after a while,
# and neither its figures, nor its memory, nor the log, nor anybody else suffers.

use strict;
use warnings FATAL => 'all';

use File::Copy qw(copy);
use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;
use Time::HiRes qw(sleep time);

use constant { LISTENERS => 8, LIES => 21 };

# --- the liar, in the place of the program ----------------------------------------------

my $node = Pageviews::Cluster->running('main', listeners => LISTENERS, linger => '300ms');
my $program = $node->value("SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'") . '/pageviews_listener';
my $folder = $program =~ s{/[^/]+$}{}r;

plan(skip_all => "$folder is not ours to write to") if !-w $folder;
my $truth = "$program.true";
my $liar = "$PostgreSQL::Test::Utils::tmp_check/liar";
my @compile = ($ENV{CC} // 'cc', qw(-std=gnu11 -O1 -Wall -Wextra -Werror -D_GNU_SOURCE -o), $liar,
	"$ENV{TESTDIR}/test/tools/lying_listener.c", glob("$ENV{TESTDIR}/src/common/*.c"), '-lcrypto');

system(@compile) == 0 or die "@compile";

END
{
	my $status = $?;

	rename $truth, $program if defined $truth && -e $truth;
	unlink map { "$folder/$_" } qw(turns lives) if defined $folder;
	$? = $status;
}

# [pid, lie] of every life so far.
sub lives
{
	return map { [split] } split /\n/, -e "$folder/lives" ? slurp_file("$folder/lives") : '';
}

my $session = $node->background_psql('postgres');
my $backend = $session->query_safe('SELECT pg_backend_pid()');
my $worker = $node->worker_pid;
my $visitor = $node->visitor;

$visitor->end_view($visitor->begin('/before'), visible => 5);
my $memory = Pageviews::Cluster::own_memory($worker);
my $mark = $node->log_end;

rename $program, $truth or die "rename: $!";
copy($liar, $program) && chmod(0755, $program) or die "copy: $!";
my $began = time;

kill 'KILL', $node->listener_pids;
my $books = 0;

# Every lie at least once, and the books balance at every moment.
Pageviews::Cluster::eventually('every lie was told', 60, sub {
	my $s = $node->stats;
	my $sum = 0;

	$sum += $s->{"views_$_"} for qw(stored rejected open lost queued refused dropped);
	die "the books do not balance: $sum, $s->{views_announced}" if $sum != $s->{views_announced};
	$books++;
	return lives() >= LIES + 5;
});
my $took = time - $began;

cmp_ok($books, '>', 5, "$books times in " . int($took) . ' s the books balanced');
cmp_ok(scalar(lives()), '<', LISTENERS * 10, 'a liar is not started again without a pause');

# --- the truth again ----------------------------------------------------------------------

rename $truth, $program or die "rename: $!";
my %of = map { $_->[0] => $_->[1] } lives();
# One that says nothing wrong any more is given six seconds.
my $ended = eval { Pageviews::Cluster::eventually('every liar is gone', 20, sub { !grep { Pageviews::Cluster::alive($_) } keys %of }) };

ok($ended, 'every liar was ended') or diag('still there: ' . join ' ', map { $of{$_} } grep { Pageviews::Cluster::alive($_) } keys %of);
kill 'KILL', grep { Pageviews::Cluster::alive($_) } keys %of;
is(scalar(keys %{ { map { $_ => 1 } values %of } }), LIES, 'every lie was told');
my $back = eval { $node->wait_ready(90); 1 };

ok($back, 'the true listener serves again');
is($node->worker_pid, $worker, 'the worker is the one that it was');
is($session->query_safe('SELECT pg_backend_pid()'), $backend, '... and no session was disturbed');
my $again = $node->visitor;

$again->end_view($again->begin('/after'), visible => 6);
is($node->value(q(SELECT string_agg(path, ' ' ORDER BY path) FROM pageviews.views WHERE path IN ('/before', '/after'))), '/after /before', 'true views are stored');

# --- what it left ---------------------------------------------------------------------------

my $s = $node->conserved;

is_deeply([ grep { ($s->{$_} // 0) =~ /^-/ } sort keys %$s ], [], 'no figure is negative');
is_deeply([ grep { ($s->{$_} // 0) =~ /^\d+$/ && $s->{$_} > 10_000_000 && !/bytes|_id|_at|_us/ } sort keys %$s ], [], '... or absurd') or diag(explain($s));
cmp_ok($s->{listener_restarts}, '>=', LIES, 'every death is counted');
is($node->value('SELECT count(*) FROM pageviews.views WHERE NOT (0 <= active_ms AND active_ms <= focused_ms AND focused_ms <= engagement_ms)'), '0', 'figures are in order');
is($node->value(q(SELECT count(*) FROM pageviews.views WHERE ended_at > now() + interval '6 seconds' OR engagement_ms > 1000 * extract(epoch FROM now() - started_at) + 5001)),
	'0', 'nobody looked at a page for longer than it took');
is($node->value("SELECT count(*) FROM pageviews.sessions WHERE user_agent = 'liar'") > 0 ? 1 : 0, 1, 'what was possible is believed: nobody else than a listener can know');
my $grown = Pageviews::Cluster::own_memory($worker) - $memory;

cmp_ok($grown, '<', 80 * 1024, sprintf 'the worker grew by %.1f MB', $grown / 1024);
my $log = slurp_file($node->logfile, $mark);

like($log, qr/it sent a malformed record/, 'malformed records are told of');
like($log, qr/it contradicted itself/, '... contradictions');
like($log, qr/it said what cannot be/, '... and impossible figures');
unlike($log, qr/[^\n\t\x20-\x7e]/, 'the log has no control character');
unlike($log, qr/all is well/, '... and no line is forged');
cmp_ok(scalar(() = $log =~ /a line that nobody needs/g), '<=', 60, 'the log is not flooded');
cmp_ok(length $log, '<', 200_000, sprintf '... in all %d bytes', length $log);
unlike($log, qr/terminating any other|PANIC|was terminated by signal/, 'the cluster did not notice');
$session->quit;
$node->stop;
done_testing();
