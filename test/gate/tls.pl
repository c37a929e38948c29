# TLS: what is offered, what is refused, and handshakes that are none.

use strict;
use warnings FATAL => 'all';

use File::Temp ();
use IO::Socket::INET;
use Pageviews::Gate;
use Test::More;
use Time::HiRes qw(time);

my $folder = File::Temp->newdir;

# What a program prints, standard error too; `input` is given to it.
sub output
{
	my ($input, @command) = @_;
	my $file = "$folder/input";

	open my $text, '>:raw', $file or die "$file: $!";
	print $text $input;
	close $text or die "$file: $!";
	my $pid = open(my $pipe, '-|') // die "no fork: $!";

	if ($pid == 0)
	{
		open STDERR, '>&', \*STDOUT;
		open STDIN, '<', $file;
		exec 'timeout', 15, @command or POSIX::_exit(127);
	}
	local $/;
	my $all = <$pipe> // '';

	close $pipe;
	return $all;
}

# A certificate of its own for this name; the files' names.
sub certificate
{
	my ($name) = @_;

	output('', 'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', 2,
		'-subj', "/CN=$name", '-keyout', "$folder/$name.key", '-out', "$folder/$name.crt");
	return ("$folder/$name.crt", "$folder/$name.key");
}

# The same, valid between two days (YYYYMMDD).
sub dated
{
	my ($name, $from, $to) = @_;
	my $authority = "$folder/authority";

	open my $file, '>', $authority or die "$authority: $!";
	print $file "[ca]\ndefault_ca=d\n[d]\ndatabase=$folder/index\nnew_certs_dir=$folder\nserial=$folder/serial\ndefault_md=sha256\nunique_subject=no\npolicy=p\n",
	  "[p]\ncommonName=supplied\n";
	close $file or die "$authority: $!";
	open my $index, '>', "$folder/index" or die $!;
	output('', qw(openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj), "/CN=$name",
		'-keyout', "$folder/$name.key", '-out', "$folder/$name.request");
	output('', qw(openssl ca -batch -notext -rand_serial -selfsign -config), $authority, '-keyfile', "$folder/$name.key",
		'-in', "$folder/$name.request", '-out', "$folder/$name.crt", '-startdate', "${from}000000Z", '-enddate', "${to}000000Z");
	return ("$folder/$name.crt", "$folder/$name.key");
}

my ($crt, $key) = certificate('first');
my $gate = Pageviews::Gate->start('tls', '-T', "$crt,$key");

# What a TLS client is told who sends a text and waits for the end.
sub tls
{
	my ($text, @options) = @_;

	return output($text, 'openssl', 's_client', '-connect', "127.0.0.1:$gate->{port}", '-ign_eof', @options);
}

my $health = $gate->request('GET', '/_view/healthz', [ Connection => 'close' ]);
my $served = tls($health);

$gate->wait_for('TLS is served', sub { ($served = tls($health)) =~ /^ok$/m });

# --- what is offered ---------------------------------------------------------------------------

like($served, qr/^HTTP\/1\.1 200 OK/m, 'TLS is served');
like(tls($health, '-tls1_2'), qr/^ok$/m, 'TLS 1.2 is spoken');
like(tls($health, '-tls1_3'), qr/^ok$/m, 'TLS 1.3 is spoken');
for my $old ('-tls1', '-tls1_1')
{
	unlike(tls($health, $old, '-cipher', 'DEFAULT:@SECLEVEL=0'), qr/^ok$/m, "TLS 1.0 and 1.1 are not: $old");
}
for my $weak ('CBC', 'ECDHE-ECDSA-AES128-SHA', 'AESCCM', 'ARIA')
{
	unlike(tls($health, '-tls1_2', '-cipher', "$weak:\@SECLEVEL=0"), qr/^ok$/m, "TLS 1.2 with a weaker cipher is not spoken: $weak");
}
for my $strong ('ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305')
{
	like(tls($health, '-tls1_2', '-cipher', $strong), qr/^ok$/m, "TLS 1.2 with $strong is");
}
my $negotiated = tls($health, '-alpn', 'h2,http/1.1');

like($negotiated, qr/^ALPN protocol: http\/1\.1$/m, 'who prefers HTTP/2 gets HTTP/1.1');
unlike(tls($health, '-alpn', 'h2'), qr/^ALPN protocol: h2$/m, 'who speaks nothing but HTTP/2 does not get it');
unlike(tls("R\n$health", '-tls1_2'), qr/RENEGOTIATING.*^ok$/ms, 'a handshake cannot be begun again');
like(tls($gate->request('GET', '/_view/client.js', [ Connection => 'close' ])), qr/^Set-Cookie: .*; Secure\r?$/m, 'the cookie of a TLS visitor is Secure');
my $upgrade = $gate->upgrade(Origin => "https://127.0.0.1:$gate->{port}");

# With a close frame behind it.
like(tls("$upgrade\x88\x80\1\2\3\4"), qr/^HTTP\/1\.1 101 /m, 'a socket opens by TLS');
unlike(tls($gate->upgrade(Upgrade => 'h2c')), qr/^HTTP\/1\.1 101/m, 'h2c by TLS leads nowhere');

# --- handshakes that are none ---------------------------------------------------------------------

# The hello that openssl says, caught by a socket of our own.
sub hello
{
	my $listening = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no socket: $@";
	my $pid = fork // die "no fork: $!";

	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null';
		exec 'timeout', 10, 'openssl', 's_client', '-connect', '127.0.0.1:' . $listening->sockport or POSIX::_exit(127);
	}
	my $caller = $listening->accept;

	sysread $caller, my $hello, 65536;
	close $caller;
	waitpid $pid, 0;
	return $hello;
}

my $hello = hello();

$gate->refuses(
	9,
	[ 'plain HTTP to TLS ends', $health, 0, 400, 403 ],
	[ 'a websocket without TLS ends', $gate->upgrade, 0, 400, 403 ],
	[ 'noise to TLS ends', join('', map { chr($_ * 37 % 256) } 1 .. 3000), 0 ],
	[ 'nothing ends', '', 0 ],
	[ 'half a hello ends', substr($hello, 0, 100), 0 ],
	[ 'a hello and no more ends', $hello, 0 ],
	[ 'a hello twice ends', $hello x 2, 0 ],
	[ 'a record of zero bytes ends', "\x16\x03\x01\x00\x00" x 50, 0 ],
	[ 'an alert ends', "\x15\x03\x01\x00\x02\x02\x28", 0 ],
	[ 'a heartbeat ends', $hello . "\x18\x03\x02\x00\x03\x01\x40\x00", 0 ],
	[ 'a hello that comes byte by byte has no longer than another', [ map { $_ } split //, substr $hello, 0, 60 ], 0 ]);

# --- bent ones ---------------------------------------------------------------------------------------

my $seed = $ENV{GATE_SEED} || int rand 2**31;

diag("GATE_SEED=$seed");
srand $seed;
for my $round (1 .. 10)
{
	my @bent = map {
		my $text = $hello;

		substr $text, 5 + rand(length($text) - 5), 1, chr rand 256 for 1 .. 1 + rand 6;
		rand() < 0.3 ? substr($text, 0, rand length $text) : $text;
	} 1 .. 30;

	$gate->attack(\@bent, patience => 0.1, reset => $round % 2);
}
like(tls($health), qr/^ok$/m, 'three hundred bent hellos do no harm');

# --- another certificate ------------------------------------------------------------------------------

my ($second) = certificate('second');

rename "$folder/second.$_", "$folder/first.$_" or die $! for 'crt', 'key';
$gate->tell('configure');
$gate->counters;
like(tls($health), qr/CN\s*=\s*second/, 'a new certificate is served, without a restart');
open my $broken, '>', $crt or die "$crt: $!";
print $broken "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
close $broken;
$gate->tell('configure');
$gate->reported(qr/^log \d .*pageviews\.ssl_cert_file/m);
like(tls($health), qr/CN\s*=\s*second/, 'a broken one is told of, and the old one goes on');

# Browsers refuse these; the operator should hear of it.
for my $dates ([ 'expired', '20200101', '20200201', 'expired at 2020-02-01 00:00:00 UTC' ],
	[ 'early', '21000101', '21000201', 'is not valid before 2100-01-01 00:00:00 UTC' ])
{
	my ($name, $from, $to, $complaint) = @$dates;
	my $again = Pageviews::Gate->start("tls_$name", '-T', join ',', dated($name, $from, $to));

	$again->reported(qr/^log 2 the certificate in pageviews\.ssl_cert_file \Q$complaint\E$/m);
	pass("a certificate that is $name is told of at a start");
	$again->stands(tls => 1);
	rename "$folder/$name.$_", "$folder/first.$_" or die $! for 'crt', 'key';
	$gate->tell('configure');
	$gate->reported(qr/^log 2 the certificate in pageviews\.ssl_cert_file \Q$complaint\E$/m);
	like(tls($health), qr/CN\s*=\s*$name/, '... and at a reload, and served');
	is(() = $gate->reports =~ /\Q$complaint\E/g, 1, '... once');
}
$gate->stands(tls => 1);
done_testing();
