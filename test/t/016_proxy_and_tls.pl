# Behind nginx with TLS, by the very snippet of README.md; and TLS of its own.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file run_command append_to_file);
use Test::More;
use Time::HiRes qw(sleep);

my $node = Pageviews::Cluster->running('main');
my $folder = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();

# Runs curl; what it printed.
sub curl
{
	my ($out) = run_command([ 'curl', '-sk', '--max-time', '5', @_ ]);

	return $out =~ s/\r//gr;
}

# The head and first frame that an upgrade through TLS gets.
sub upgrade
{
	my ($at) = @_;

	return curl('-i', '-N', '--max-time', '2', '--http1.1', '-H', 'Connection: Upgrade', '-H', 'Upgrade: websocket',
		'-H', 'Sec-WebSocket-Version: 13', '-H', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
		'-H', 'Sec-WebSocket-Protocol: pageviews.v1', '-H', "Origin: https://127.0.0.1:$at", "https://127.0.0.1:$at/_view/socket");
}

run_command([ 'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
	'-subj', '/CN=localhost', '-keyout', "$folder/key.pem", '-out', "$folder/cert.pem" ]);
ok(-s "$folder/cert.pem", 'a certificate');

# --- nginx -----------------------------------------------------------------------------

my $readme = slurp_file("$ENV{PAGEVIEWS_README}");
my ($location) = $readme =~ /^(\s*location \/_view\/ \{.*?^\s*\}\n)/ms;

ok($location, 'README.md has a snippet for nginx');
my $web = $node->web;

$location =~ s/127\.0\.0\.1:\d+/127.0.0.1:$web/;
append_to_file("$folder/nginx.conf", <<"EOT");
pid $folder/nginx.pid;
error_log $folder/error.log;
events { }
http {
	access_log off;
	client_body_temp_path $folder/body;
	proxy_temp_path $folder/proxy;
	fastcgi_temp_path $folder/fastcgi;
	uwsgi_temp_path $folder/uwsgi;
	scgi_temp_path $folder/scgi;
	server {
		listen 127.0.0.1:$port ssl;
		ssl_certificate $folder/cert.pem;
		ssl_certificate_key $folder/key.pem;
		$location
	}
}
EOT
local $ENV{PATH} = "$ENV{PATH}:/usr/sbin";
my ($out, $error) = run_command([ 'nginx', '-q', '-p', $folder, '-c', "$folder/nginx.conf", '-e', "$folder/error.log" ]);

is($error, '', 'nginx takes it');
Pageviews::Cluster::eventually('nginx answers', 60, sub { curl("https://127.0.0.1:$port/_view/healthz", '-o', '/dev/null', '-w', '%{http_code}') eq '200' });
my $script = curl('-i', "https://127.0.0.1:$port/_view/client.js");

like($script, qr{^HTTP/\S+ 200}, 'the tracker comes through nginx');
like($script, qr/^Set-Cookie: .*; Secure/mi, '... with a cookie that is Secure, because the visitor came by TLS');
my $upgraded = upgrade($port);

like($upgraded, qr{^HTTP/1.1 101}, 'the socket as well');
like($upgraded, qr/"type":"hello"/, '... and says hello');
like($upgraded, qr/^Set-Cookie: .*; Secure/mi, '... and sets the cookie');
my ($pid) = slurp_file("$folder/nginx.pid") =~ /(\d+)/;

kill 'TERM', $pid;

# --- TLS of its own ------------------------------------------------------------------------

chmod 0600, "$folder/key.pem";
$node->set_now(ssl_cert_file => "$folder/cert.pem", ssl_key_file => "$folder/key.pem");
ok( eval {
		Pageviews::Cluster::eventually('TLS', 60, sub { curl("https://127.0.0.1:$web/_view/healthz", '-o', '/dev/null', '-w', '%{http_code}') eq '200' });
	},
	'with a certificate it speaks TLS');
my $own = curl('-i', '-v', '--tlsv1.2', '--tls-max', '1.2', "https://127.0.0.1:$web/_view/client.js");

like($own, qr{^HTTP/1.1 200}m, '... TLS 1.2 too');
like($own, qr/^Set-Cookie: .*; Secure/mi, '... and its cookies are Secure');
like(upgrade($web), qr/"type":"hello"/, '... and its sockets work');
$node->set_now(ssl_min_protocol_version => 'TLSv1.3');
ok( eval {
		Pageviews::Cluster::eventually('TLS 1.3 only', 60, sub {
			curl('--tlsv1.2', '--tls-max', '1.2', "https://127.0.0.1:$web/_view/healthz", '-o', '/dev/null', '-w', '%{http_code}') eq '000'
			  && curl("https://127.0.0.1:$web/_view/healthz", '-o', '/dev/null', '-w', '%{http_code}') eq '200';
		});
	},
	'ssl_min_protocol_version is heeded');
for my $mode (0640, 0604)
{
	my $from = $node->log_end;
	my $open = sprintf '%s/key_%o.pem', $folder, $mode;

	append_to_file($open, slurp_file("$folder/key.pem"));
	chmod $mode, $open;
	$node->set_now(ssl_key_file => $open);
	$node->logged(qr/\Q$open\E": others may read it/, $from, sprintf 'a key with mode %o is not used', $mode);
	is(curl("https://127.0.0.1:$web/_view/healthz", '-o', '/dev/null', '-w', '%{http_code}'), '200', '... and the one before goes on');
}
$node->set_now(ssl_key_file => "$folder/key.pem");
my $mark = $node->log_end;

$node->set_now(ssl_cert_file => "$folder/nowhere.pem");
$node->logged(qr/nowhere\.pem/, $mark, 'a certificate that is not there is told of');
is(curl("https://127.0.0.1:$web/_view/healthz", '-o', '/dev/null', '-w', '%{http_code}'), '200', '... and the one before goes on');
$node->set_now(ssl_cert_file => '', ssl_key_file => '');
Pageviews::Cluster::eventually('plain http again', 60, sub { $node->healthy });
pass('without one it speaks plain http again');
$node->conserved;
$node->stop;
done_testing();
