# A Unix socket for a proxy on the same machine: who comes by it is trusted, its
# file is the server's and goes with it, and what a killed server left is no obstacle.

use strict;
use warnings FATAL => 'all';

use IO::Socket::UNIX;
use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(run_command slurp_file);
use Test::More;

my $folder = PostgreSQL::Test::Utils::tempdir_short();
my $path = "$folder/view.sock";

# A socket of a server that is gone.
my $left = IO::Socket::UNIX->new(Local => $path, Listen => 1) // die "$path: $!";

close $left;
ok(-S $path, 'a killed server left its socket');
my $node = Pageviews::Cluster->prepared('main', unix_socket => $path, unix_socket_permissions => '0770', port => 0, conf => "restart_after_crash = on\n");

$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pageviews');

# Runs curl on the socket; what it printed.
sub curl
{
	my ($out) = run_command([ 'curl', '-s', '--max-time', '5', '--unix-socket', $path, @_ ]);

	return $out =~ s/\r//gr;
}

sub healthy
{
	return curl('http://example.com/_view/healthz', '-o', '/dev/null', '-w', '%{http_code}') eq '200';
}

# What an upgrade gets within a second; headers.
sub upgrade
{
	return curl('-i', '-N', '--max-time', '1', '--http1.1', map({ ('-H', $_) } 'Connection: Upgrade', 'Upgrade: websocket',
			'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol: pageviews.v1', @_),
		'http://inside.local/_view/socket');
}

Pageviews::Cluster::eventually('it answers on the Unix socket', 20, \&healthy);
pass('without a port it collects by the Unix socket alone');
is(sprintf('%04o', (stat $path)[2] & 07777), '0770', 'its permissions are as set');
is($node->value('SHOW pageviews.unix_socket_permissions'), '0770', '... and shown as set');
my $script = curl('-i', '-H', 'X-Forwarded-Proto: https', 'http://example.com/_view/client.js');

like($script, qr/^Set-Cookie: .*; Secure/mi, 'who comes by it says whether the visitor came by TLS');
my @headers = ('Origin: https://example.com', 'X-Forwarded-For: 203.0.113.7');

like(upgrade(@headers, 'X-Forwarded-Host: example.com'), qr/"type":"hello"/, '... and which host it asked for');
like(upgrade(@headers, 'X-Forwarded-Host: example.org'), qr{^HTTP/1.1 403}, '... which its page must be of');

# --- a visitor's share behind it ------------------------------------------------------------

# What a request of this visitor is answered.
sub status_for
{
	return curl('http://example.com/_view/healthz', '-o', '/dev/null', '-w', '%{http_code}', '-H', "X-Forwarded-For: $_[0]");
}

$node->set_now(max_connection_rate_per_address => 1);
Pageviews::Cluster::eventually('a visitor who comes too often is turned away', 10, sub { status_for('203.0.113.7') eq '429' });
is(status_for('203.0.113.8'), '200', 'another visitor is not');
is(status_for('198.51.100.1, 203.0.113.7'), '429', 'what it put in front itself is not believed');
ok(Pageviews::Cluster::eventually('it is counted', 10, sub { $node->stats->{refused_rate} }), 'it is counted');
$node->set_now(max_connection_rate_per_address => 0);

# --- a log without addresses --------------------------------------------------------------------

my $found = $node->value(q{SELECT count(*) FROM (SELECT v::text FROM pageviews.views v UNION ALL SELECT s::text FROM pageviews.sessions s) AS r (t) WHERE t LIKE '%203.0.113%'});

is($found, '0', 'no address is stored');
unlike(slurp_file($node->logfile), qr/203\.0\.113/, 'no address is logged');

$node->conserved;

# --- how the file ends ----------------------------------------------------------------------------

$node->stop;
ok(!-e $path, 'the file goes with the server');
$node->start;
Pageviews::Cluster::eventually('it answers again', 20, \&healthy);
kill 'KILL', $node->value('SELECT worker_pid FROM pageviews.worker_stats');
ok(Pageviews::Cluster::eventually('it answers after a crash', 30, \&healthy), 'a worker that was killed leaves no obstacle');
$node->stop;

# Something that is no socket stays what it is.
open my $file, '>', $path or die "$path: $!";
close $file;
my $mark = $node->log_end;

$node->start;
$node->logged(qr/could not listen on the Unix socket/, $mark, 'a file that is no socket is not removed');
ok(-f $path, '... and stays');
$node->stop;
done_testing();
