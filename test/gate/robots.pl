# Robots: marked, refused or taken for people, on sockets and in notes.

use strict;
use warnings FATAL => 'all';

use Pageviews::Client;
use Pageviews::Gate;
use Test::More;

use constant ROBOT => 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
use constant PERSON => 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';

# What becomes of one who comes by socket and by note under a name: whether each is let in, and what the worker hears.
sub fate
{
	my ($gate, $agent) = @_;
	my $from = length $gate->reports;
	my $client = $gate->visitor(agent => $agent);
	my $socket = $client->is_open ? 'open' : $client->{status};
	my ($note) = $gate->attack([ $gate->note($gate->ends(1), headers => [ 'User-Agent' => $agent ]) ], enough => qr/\r\n\r\n/);

	$client->close if $client->is_open;
	$gate->counters;
	return join ' ', $socket, $note->{status},
	  map { /^opened \d+ session=\S+ note=(\d) robot=(\d) agent=\Q$agent\E$/ ? "note=$1,robot=$2" : () }
	  split /\n/, substr $gate->reports, $from;
}

my %expected = (
	mark => 'open 204 note=0,robot=1 note=1,robot=1',
	refuse => '403 403',
	keep => 'open 204 note=0,robot=0 note=1,robot=0');
my $number = 0;

for my $policy (qw(mark refuse keep))
{
	my $gate = Pageviews::Gate->start("robots_$policy", '-R', $number++);

	is(fate($gate, PERSON), 'open 204 note=0,robot=0 note=1,robot=0', "$policy: a person is let in");
	is(fate($gate, ROBOT), $expected{$policy}, "$policy: so is a robot treated");
	is(fate($gate, 'Googlebo' x 60), 'open 204 note=0,robot=0 note=1,robot=0', "$policy: a long header that only begins like one");
	is($gate->counters->{refused_robot}, $policy eq 'refuse' ? 2 : 0, "$policy: what was refused is counted");

	$gate->stands;
}

done_testing();
