# pageviews.identity = daily: a visitor is known all day without a cookie, and nobody
# is after midnight (UTC), though nothing is restarted or reloaded.  The clock is the
# cluster's own (test/tools/fault_seam.c).

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Faults::Seam;
use POSIX qw(ceil);
use Test::More;
use Time::HiRes qw(time);

use constant DAY => 86400;

my $node = Pageviews::Cluster->running('main', identity => 'daily');
my $midnight = ceil(time / DAY) * DAY;

# The browsers' clock stays behind, but less than the day that is allowed.
my $ahead;

# It is so many seconds before midnight at the server.
sub before_midnight
{
	$ahead = $midnight - $_[0] - time;
	return $ahead;
}

# The session of a visit.
sub session
{
	my $client = $node->visitor(@_);
	my $view = $client->begin('/');

	$client->end_view($view, visible => 1);
	$client->close;
	return $node->row($view->{view})->{session_id};
}

# Not so near that a slow start would meet it.
$midnight += DAY if $midnight - time < 1200;
seam_in($node, before_midnight(1200));
my $mine = session();

is(session(), $mine, 'who comes again is known');
isnt(session(agent => 'another'), $mine, 'another browser is not');
seam_clock(before_midnight(600));
is(session(), $mine, 'who comes again late in the evening is known');
seam_clock(before_midnight(3));
my $next = Pageviews::Cluster::eventually('the next day', 60, sub { my $now = session(); $now ne $mine && $now });

cmp_ok(time + $ahead, '>=', $midnight, 'after midnight nobody is known, and not before');
is(session(), $next, 'who comes again on the next day is known');
$node->conserved;
seam_out($node);
isnt(session(), $next, 'another start makes another secret: none was kept');
$node->stop;
done_testing();
