# A listener that hangs, one that outlives its server because it hangs, and one
# whose program is missing for a moment: each time somebody serves again soon.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my %stopped;       # listeners that this test stopped
my ($program, $away);    # the listener's program, and where it is while it is away

END
{
	rename $away, $program if defined $away && -e $away;
	kill 'KILL', grep { Pageviews::Cluster::is_listener($_) } keys %stopped;
}

# Stops a process as a debugger, or a machine without memory, would.
sub hang
{
	my ($pid) = @_;

	$stopped{$pid} = 1;
	kill 'STOP', $pid or die "kill: $!";
}

# Waits until $code says true, seconds that it took; fails the test when that is
# not within $limit seconds.
sub within
{
	my ($limit, $name, $code) = @_;
	my $started = time;
	# A connection that a hanging listener's socket took is no answer.
	local $Pageviews::Client::patience = 1;

	eval { Pageviews::Cluster::eventually($name, $limit, $code) };
	my $took = time - $started;

	return cmp_ok($took, '<', $limit, sprintf '%s: %.1f s', $name, $took);
}

# A view from its beginning to its row.
sub serves
{
	my ($node, $path) = @_;
	my $row = eval {
		my $visitor = $node->visitor;
		my $view = $visitor->begin($path);

		$visitor->end_view($view, visible => 7);
		$node->row($view->{view});
	};

	return is($row->{engagement_ms}, 7, "... and $path is stored");
}

# --- hanging while nothing happens --------------------------------------------------

my $one = Pageviews::Cluster->running('one', linger => '1s');
my $four = Pageviews::Cluster->running('four', listeners => 4);
my %worker = (one => $one->worker_pid, four => $four->worker_pid);

Pageviews::Cluster::eventually('four listeners', 60, sub { $four->stats->{listeners_ready} == 4 });
my ($alone) = $one->listener_pids;
my @all = $four->listener_pids;
my $visitor = $four->visitor;
my $view = $visitor->begin('/hangs');

is(scalar @all, 4, 'four listeners run');
my $away_at = time;
my $never_back = $one->visitor;
my $cut = $never_back->begin('/cut');

hang($_) for $alone, @all;
my $seen = 1000 * (time - $away_at);

# Looking into /proc wakes nobody.
within(30, 'one that hangs under an idle worker is replaced',
	sub { grep { $_ != $alone } Pageviews::Cluster::children_of($worker{one}) });
within(30, 'four that hang are replaced', sub {
	my %old = map { $_ => 1 } @all;

	4 == grep { !$old{$_} } Pageviews::Cluster::children_of($worker{four});
});
ok(!grep({ Pageviews::Cluster::alive($_) } $alone, @all), '... and killed');
within(30, 'the one serves', sub { $one->healthy });
serves($one, '/replaced');
cmp_ok($one->ended_row($cut->{view})->{engagement_ms}, '<=', $seen + 150,
	'a page that nobody heard of again is credited up to the last word of the one that hung');
within(30, 'the four serve', sub { $four->stats->{listeners_ready} == 4 && $four->healthy });
my $back = $four->visitor(cookie => $visitor->cookie);

$back->say_view($view, 'view', visible => 500);
$back->end_view($view, visible => 600);
is($four->row($view->{view})->{engagement_ms}, 600, '... and the view that was open is complete');

# One of several: the others serve meanwhile, and it is replaced all the same.
my ($fourth) = $four->listener_pids;

hang($fourth);
within(30, 'one of four that hangs is replaced',
	sub { my @now = Pageviews::Cluster::children_of($worker{four}); @now == 4 && !grep { $_ == $fourth } @now });
within(30, 'four serve again', sub { $four->stats->{listeners_ready} == 4 });
serves($four, '/replaced');
is($_->worker_pid, $worker{ $_->name }, "the worker of $_->{_name} is the same") for $one, $four;
$four->conserved;
$four->stop;

# --- hanging while the server dies ------------------------------------------------------

$one->conserved;
my ($orphan) = $one->listener_pids;

hang($orphan);
$one->stop('immediate');
$one->start;
within(30, 'the port of a listener that hangs is free again for the next server', sub { $one->healthy });
ok(!Pageviews::Cluster::is_listener($orphan), '... because that listener is gone');
# Where that failed, the rest goes on without it.
kill 'KILL', $orphan if Pageviews::Cluster::is_listener($orphan);
$one->wait_ready;
serves($one, '/after_orphan');

# --- a program that is missing for a moment --------------------------------------------------

$program = $one->value("SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'") . '/pageviews_listener';
SKIP:
{
	skip "$program cannot be renamed by us", 3 if !-w $program =~ s{/[^/]+$}{}r;
	my $mark = $one->log_end;
	my ($pid) = $one->listener_pids;

	$away = "$program.away";
	rename $program, $away or die "rename: $!";
	kill 'KILL', $pid;
	$one->logged(qr/pageviews could not start/, $mark, 'a missing program is told of in the log');
	sleep 2;    # as long as a package manager takes between removing it and unpacking the next
	rename $away, $program or die "rename: $!";
	within(30, 'when the program is back, so is the listener', sub { $one->healthy });
	eval { $one->wait_ready };
	serves($one, '/program_is_back');
}
$one->conserved;
$one->stop;
done_testing();
