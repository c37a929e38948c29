# Memory that fails: the n-th allocation of a listener, for every n of a session
# (the script, a note, a websocket with a view and its end).  Whoever asks then is
# refused, or the listener ends by itself; if it lives, the next visitor is served.
#
#	HOSTILE_STRIDE=1	every allocation of a start, too, not only every 97th; and five in a row

use strict;
use warnings FATAL => 'all';

use Cwd qw(getcwd);
use JSON::PP ();
use Test::More;

my $stride = $ENV{HOSTILE_STRIDE} || 97;

for my $length ($ENV{HOSTILE_STRIDE} ? (1, 5) : 1)
{
	my $report = JSON::PP->new->decode(scalar qx(build/hostile/memory ./pageviews_listener @{[ getcwd() ]}/build/hostile/failing.so $stride $length));

	diag(sprintf '%d in a row: %d failures of a session of %d allocations and of starts of %d: %d clean exits, %d refusals, %d unharmed, %d crashes at a start',
		$length, @$report{qw(runs session start clean_exits refusals unharmed crashes_at_start)});
	cmp_ok($report->{session}, '>', 10, "every allocation of a session of $report->{session}");
	is($report->{findings}, 0, '... failed, and nothing else did');
	cmp_ok($report->{refusals} + $report->{clean_exits}, '>', 5, 'those who asked were refused');
	is($report->{crashes_at_start}, 0, 'starts end cleanly');
}
done_testing();
