# Visitors who read no answer: what the kernel does not take for them stops them
# from being read, and costs nothing while it waits.

use strict;
use warnings FATAL => 'all';

use Pageviews::Client;
use Pageviews::Gate;
use Socket qw(AF_INET SOCK_STREAM SOL_SOCKET SO_RCVBUF IPPROTO_TCP inet_aton pack_sockaddr_in);
use Test::More;
use Time::HiRes qw(sleep time);

use constant TCP_MAXSEG => 2;
use constant ANSWERS => 600;    # more than the buffers of both kernels take

my $gate = Pageviews::Gate->start('unread', '-i', 20000, '-l', 'message_rate=0', '-l', 'byte_rate=0');

# A visitor with next to no room for what comes.
sub narrow_visitor
{
	socket my $socket, AF_INET, SOCK_STREAM, 0 or die "socket: $!";
	setsockopt $socket, SOL_SOCKET, SO_RCVBUF, 1 or die "SO_RCVBUF: $!";
	setsockopt $socket, IPPROTO_TCP, TCP_MAXSEG, 88 or die "TCP_MAXSEG: $!";
	connect $socket, pack_sockaddr_in($gate->{port}, inet_aton('127.0.0.1')) or die "connect: $!";
	return $gate->visitor(socket => $socket);
}

# Says what is answered each time, and reads no answer.
sub ask_on_and_on
{
	my ($client) = @_;
	my $view = $client->new_view('/unread', url => 'http://other.example/');

	$client->send_message(Pageviews::Client::message($view, 'view')) for 1 .. ANSWERS;
}

# --- one that reads later ----------------------------------------------------------------------

my $late = narrow_visitor();

ask_on_and_on($late);
ok($gate->sleeps, 'the listener sleeps while nobody reads its answers');
cmp_ok($gate->counters->{refused_message}, '<', ANSWERS, 'who does not read is not read');
my $answers = 0;

$answers++ while $answers < ANSWERS && eval { $late->receive->{type} eq 'refused' };
is($answers, ANSWERS, 'who reads late reads everything');
ok(eval { $late->end_view($late->begin('/late')) }, '... and is heard');
$late->close;

# --- one that breaks the rules behind it, and goes on --------------------------------------------

for my $end ([ 'a frame that is none', "\xff\xff\xff\xff" ], [ 'a goodbye', "\x88\x80\0\0\0\0" ])
{
	my ($name, $bytes) = @$end;
	my $rude = narrow_visitor();

	ask_on_and_on($rude);
	$rude->write($bytes);
	for (1 .. 5)
	{
		$rude->write('y' x 500);
		sleep 0.05;
	}
	ok($gate->sleeps, "the listener sleeps behind $name");
	Pageviews::Gate::hang_up($rude->{socket}, 1);
}

$gate->stands;
done_testing();
