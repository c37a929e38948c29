# What a listener has given up, and that one that somebody took over dies of its
# first forbidden system call, and nobody else notices.

use strict;
use warnings FATAL => 'all';

use File::Copy qw(copy);
use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $connections = 200;
my $node = Pageviews::Cluster->running('main',
	linger => '10s', max_connections => $connections, max_connections_per_address => 0,
	conf => "restart_after_crash = on\n");
my $session = $node->background_psql('postgres');
my $backend = $session->query_safe('CREATE TEMP TABLE mine AS SELECT 42 AS n; SELECT pg_backend_pid()');
my $program = $node->value("SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'") . '/pageviews_listener';
my $honest = "$program.honest";

# The only listener's pid.
sub listener
{
	return Pageviews::Cluster::eventually('one listener', 20, sub {
		my @all = eval { $node->listener_pids };
		@all == 1 && $all[0];
	});
}

# Waits until a listener other than `pid` answers; its pid.
sub successor_of
{
	my ($pid) = @_;

	return Pageviews::Cluster::eventually('another listener answers', 20, sub {
		my ($now) = eval { $node->listener_pids };
		$now && $now != $pid && $node->healthy && $now;
	});
}

# A field of /proc/PID/status.
sub status_of
{
	my ($pid, $field) = @_;

	return (slurp_file("/proc/$pid/status") =~ /^\Q$field\E:\s+(\S+)/m)[0];
}

# The soft and hard limit of a process, by their name in /proc.
sub limit_of
{
	my ($pid, $name) = @_;

	return (slurp_file("/proc/$pid/limits") =~ /^\Q$name\E\s+(\S+\s+\S+)/m)[0] =~ s/\s+/ /r;
}

sub undisturbed
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($session->query_safe("SELECT n || ' ' || pg_backend_pid() FROM mine"), "42 $backend", $name);
}

sub intrude
{
	my ($wish) = @_;
	local $Pageviews::Client::patience = 5;

	return eval { $node->http('GET', "/intruder/$wish") } // { status => 0, body => $@ };
}

# --- what it has given up --------------------------------------------------------------

my $pid = listener();

$node->becomes('SELECT listeners_sandboxed FROM pageviews.worker_stats', 'worker_stats says that the sandbox is on');
is(status_of($pid, 'Seccomp'), 2, 'its system calls are filtered');
is(status_of($pid, 'NoNewPrivs'), 1, 'it gains no rights by what it executes');
is(status_of($pid, 'Threads'), 1, 'there is no second thread that the filter could have missed');
is(limit_of($pid, 'Max core file size'), '0 0', 'it leaves no core file');
my $memory = 64 * 1024 * 1024 + $connections * 128 * 1024;
is(limit_of($pid, 'Max data size'), "$memory $memory", 'its memory is limited by its connections');
is(slurp_file("/proc/$pid/oom_score_adj"), "900\n", 'the kernel takes it first when memory runs out');
isnt(slurp_file("/proc/$backend/oom_score_adj"), "900\n", '... before any session');
is((stat "/proc/$pid/environ")[4], 0, 'its memory, environment and descriptors belong to root') if $> != 0;

# --- one that is taken over ----------------------------------------------------------------

END
{
	my $status = $?;

	rename $honest, $program if defined $honest && -e $honest;
	unlink "$program.refused" if defined $program;
	$? = $status;
}

rename $program, $honest or die "rename: $!";
copy($ENV{PAGEVIEWS_INTRUDER}, $program) or die "copy: $!";
chmod 0755, $program or die "chmod: $!";
kill 'KILL', $pid;
$pid = successor_of($pid);

my $belongings = intrude('belongings')->{body};
my %has;

$has{$_}++ for map { s/:\[\d+\]$//r } split /\n/, $belongings;
my $sockets = delete $has{'descriptor socket'};

is_deeply(
	\%has,
	{
		'descriptor /dev/null' => 3,
		'descriptor anon_inode:[eventpoll]' => 2,
		'descriptor anon_inode:[eventfd]' => 1,
		'descriptor /dev/urandom' => 1
	},
	'it enters the sandbox with its sockets and its loop, no file, no environment') or diag($belongings);
like($sockets, qr/^[23]$/, '... the channel, and a listening socket for each address of localhost');

my $mark = $node->log_end;
my $visitor = $node->visitor;
my $view = $visitor->begin('/seen');

for my $misdeed (qw(openat socket execve connect mprotect%20to%20execute))
{
	my $answer = intrude("do/$misdeed");

	is($answer->{status}, 0, "made to call $misdeed it has no time to answer");
	my $next = successor_of($pid);

	like(
		slurp_file($node->logfile, $mark),
		qr/WARNING:  pageviews listener 0 \(process $pid\) made a system call that its sandbox forbids, and was killed\n.*HINT:  .*pageviews\.sandbox/,
		'... it was killed for that, and the log says so');
	undisturbed('... no other session is disturbed');
	$pid = $next;
}
unlike(slurp_file($node->logfile, $mark), qr/terminating any other active server processes/, 'the postmaster noticed nothing');
my $back = $node->visitor(cookie => $visitor->cookie);

$back->say_view($view, 'view', visible => 500);
$back->end_view($view, visible => 600);
is($node->row($view->{view})->{engagement_ms}, 600, 'a view that was open all the time is complete');
is(intrude('abort')->{status}, 0, 'a failed assertion ends it');
$pid = successor_of($pid);
like(slurp_file($node->logfile, $mark), qr/ended by signal 6/, '... as what it is, not as an attack');

# --- more memory than it may have ----------------------------------------------------------

my $before = $pid;

$mark = $node->log_end;
intrude('hoard/400000');
$pid = successor_of($before);
$node->logged(qr/pageviews listener: there is no memory left/, $mark, 'one that meets the limit of its memory ends by itself');
like(slurp_file($node->logfile, $mark), qr/process $before\) ended with status 4/, '... in good order');
undisturbed('... no other session is disturbed');

# --- without ----------------------------------------------------------------------------------

$node->set_now(sandbox => 'off');
$pid = successor_of($pid);
$node->becomes('SELECT NOT listeners_sandboxed FROM pageviews.worker_stats', 'switched off, worker_stats says so');
is(status_of($pid, 'Seccomp'), 0, '... and it is');
is(limit_of($pid, 'Max data size'), "$memory $memory", '... but the limits stay');
like(intrude('do/socket')->{body}, qr/^answer \d/, '... and what it never does is done');
is(listener(), $pid, '... by a listener that lives on');

# --- where it is not allowed ------------------------------------------------------------------------

open my $file, '>', "$program.refused" or die "open: $!";
close $file;
$mark = $node->log_end;
$node->set_now(sandbox => 'on');
$node->logged(
	qr/WARNING:  pageviews listener: this system does not allow the sandbox, a seccomp filter \(Operation not permitted\); set pageviews\.sandbox = off to serve without it/,
	$mark, 'a system that does not allow the sandbox: the log says what to do');
$node->becomes('SELECT listeners_sandboxed IS NOT TRUE FROM pageviews.worker_stats', '... nor does worker_stats claim it');
$node->set_now(sandbox => 'off');
$node->wait_ready;
pass('... until that is done');
undisturbed('no other session was disturbed by any of this');

# --- the honest one again ---------------------------------------------------------------------------------

$node->conserved;
$session->quit;
$node->stop;
done_testing();
