# Faults of the network between visitors and listener.
#
# The bad network is a proxy of our own (test/tools/fault_proxy.c) that the visitors'
# connections go through.

package Pageviews::Faults::Network;

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Faults;
use Time::HiRes qw(time sleep);

repeated 'half of the connections reset' => 0.5, sub { kill USR1 => $_[0]{driver} }, short => 1;

# The visitors of a fault come through a proxy of this kind, and the server asks for signs of life often.
sub through_proxy
{
	my ($kind, $node, $fault, $seed) = @_;

	$fault->{proxy} = open $fault->{says}, '-|', "$ENV{TESTDIR}/tmp_check/fault_proxy", $kind, $node->web, $seed
	  or die "fault_proxy: $!";
	my ($port) = readline($fault->{says}) =~ /^port (\d+)$/ or die 'the proxy has no port';
	$fault->{options} = [ '--via' => $port ];
	$node->set_now(ping_interval => '1s');
}

sub without_proxy
{
	my ($node, $fault) = @_;

	kill KILL => $fault->{proxy};
	close $fault->{says};
	$node->set_now(ping_interval => '10s');
	return ();
}

# Until the visitors go; what has befallen a connection by then stays so.
sub misfortune
{
	my ($blow) = @_;

	again_and_again($blow, 0.2, sub { });
	kill USR1 => $blow->{fault}{proxy};
}

# Whoever stalls, or opens half, moves a visitor's silent death by as long as the server
# waits for a sign of life: two and a half intervals, or the longest stall.
for my $row ([ 'stalled', slack => 3000 ], [ 'cut', slack => 0, short => 1 ], [ 'half-open', slack => 2500 ])
{
	my ($kind, %o) = @$row;

	fault "network $kind" => \&misfortune,
	  before => sub { through_proxy($kind, @_) },
	  after => \&without_proxy,
	  seconds => 10, %o;
}

1;
