# Sessions: a cookie is believed when this server signed it, lately, under this
# name; every other one gets its visitor a new session.

use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha256 sha256);
use MIME::Base64 qw(encode_base64url);
use Pageviews::Client;
use Pageviews::Gate;
use Test::More;

use constant { NAME => '_pageviews_session', SECRET => 'k' x 32, DAY => 24 * 3600 };

my $gate = Pageviews::Gate->start('sessions');

# The session (a uuid) that a visitor with this Cookie header is given.
sub session
{
	my ($cookie) = @_;
	my $client = $gate->visitor(cookie => $cookie);

	return 'none' if !$client->is_open;
	my $number = $gate->number_of;

	$client->close;
	return $gate->reported(qr/^opened $number session=(\S+)/m);
}

# A cookie as the server would sign it; `secret`, `key`, `name`, `site`, `issued` may be others.
my $mine = '0f0e0d0c-0b0a-4908-8706-050403020100';

sub signed
{
	my (%o) = @_;
	my $body = join '.', $o{version} // 2, $o{key} // 1, encode_base64url(pack('H*', $mine =~ tr/-//dr)),
	  encode_base64url(substr sha256($o{site} // '127.0.0.1'), 0, 8), sprintf('%x', $o{issued} // time);
	my $name = $o{name} // NAME;

	return "$body." . encode_base64url(hmac_sha256("$name=$body", $o{secret} // SECRET));
}

# --- a session is kept -----------------------------------------------------------------------

my $client = $gate->visitor;
my $cookie = $client->cookie;
my $session = $gate->reported(qr/^opened @{[ $gate->number_of ]} session=(\S+)/m);

like($client->{cookies}[-1], qr/^_pageviews_session=2\.1\.[\w-]{22}\.[\w-]{11}\.[0-9a-f]+\.[\w-]{43}; Path=\/; Max-Age=5184000; HttpOnly; SameSite=Lax$/,
	'the cookie is out of reach of scripts and of other sites');
isnt(session(), $session, 'a visitor without a cookie is a new one');
is(session($cookie), $session, 'a visitor with a cookie is known');
is(session("a=b; $cookie; c=d"), $session, '... among other cookies');
is(session(NAME . "=forged; $cookie"), $session, '... and behind a forged one of a wider path');
is(session(NAME . '=' . signed()), $mine, 'a cookie signed with the key is believed, so the forgeries below mean something');
my $script = $gate->ask('/_view/client.js', "Cookie: $cookie");

like($script->{cookies}[0] // '', qr/^\Q@{[ $cookie =~ m{^([^.]+\.1\.[^.]+\.)} ]}\E/, 'the tracker renews the cookie of the same session');
my $again = $gate->ask('/_view/client.js', "Cookie: $cookie", "If-None-Match: $script->{headers}{etag}");

ok($again->{status} == 304 && @{ $again->{cookies} }, '... and also when it has not changed');
my ($note) = $gate->attack([ $gate->note($gate->ends(1), headers => [ Cookie => $cookie, 'User-Agent' => 'a note' ]) ], patience => 60);

is($gate->reported(qr/^opened \d+ session=(\S+) note=1 robot=0 agent=a note$/m), $session, 'a note is of the session of its cookie');

# --- forgeries ---------------------------------------------------------------------------------

my ($value) = $cookie =~ /=(.*)/;
my $other = substr(signed(), 0, -1);
my %forged = (
	'another key' => signed(secret => 'x' x 32),
	'a key that is none' => signed(key => 2),
	'key 0' => signed(key => 0),
	'a key above all bounds' => signed(key => '4294967297'),
	'another version' => signed(version => 1),
	'another site' => signed(site => 'example.com'),
	'no site' => $value =~ s/^(2\.1\.[^.]+)\.[^.]+/$1/r,
	'the site of another cookie' => $value =~ s/^(2\.1\.[^.]+)\.[^.]+/$1 . '.' . encode_base64url(substr sha256('example.com'), 0, 8)/er,
	'another cookie name' => signed(name => 'other'),
	'an age of 61 days' => signed(issued => time - 61 * DAY),
	'a birth in ten minutes' => signed(issued => time + 600),
	'a birth in the year 292277026596' => signed(issued => 2**62),
	'no signature' => $value =~ s/[^.]*$//r,
	'half a signature' => substr($value, 0, -20),
	'a signature of zeros' => $value =~ s/[^.]*$/'A' x 43/er,
	'something behind it' => "${value}A",
	'a comma behind it' => "$value,",
	'quotes' => "\"$value\"",
	'nothing' => '',
	'dots' => '.' x 100,
	'a key written in two digits' => $value =~ s/^2\.1\./2.01./r,
	'upper-case hex' => signed(issued => 0x6abcdef0) =~ s/6abcdef0/6ABCDEF0/r,
	'a value of 2,000 bytes' => 'A' x 2000);
my %seen = ($session => 'the first', $mine => 'mine');

for my $name (sort keys %forged)
{
	my $got = session(NAME . "=$forged{$name}");

	ok($got =~ /^[0-9a-f-]{36}$/ && !$seen{$got}, "a cookie with $name gets a session that nobody has") or diag("$got: " . ($seen{$got} // ''));
	$seen{$got} = $name;
}
for my $at (map { int($_ * (length($value) - 1) / 24) } 0 .. 24)
{
	my $bent = $value;

	substr $bent, $at, 1, substr($bent, $at, 1) eq 'B' ? 'C' : 'B';
	my $got = session(NAME . "=$bent");

	ok(!$seen{$got}, "a cookie bent at byte $at gets a session that nobody has") or diag("$bent: $seen{$got}");
}
is(session(NAME . '=' . signed(issued => time + 240)), $mine, 'a clock that is four minutes ahead is forgiven');
is(session(NAME . '=' . signed(issued => time - 59 * DAY)), $mine, 'a visitor is known for 60 days');
isnt(session("x$cookie"), $session, 'a name that ends like ours is not ours');
is(session('a' x 1500 . "=1; $cookie"), $session, 'a long cookie of somebody else does not hide ours');

# --- one collector, several hosts ------------------------------------------------------------------

my $away = $gate->ask('/_view/client.js', "Cookie: $cookie", 'Host: example.com');

unlike($away->{cookies}[0], qr/^\Q@{[ $cookie =~ m{^([^.]+\.1\.[^.]+\.)} ]}\E/, 'a cookie of one host is nobody at another');

# --- who gets none --------------------------------------------------------------------------------

for my $purpose ('Sec-Purpose: prefetch;prerender', 'Sec-Purpose: prefetch', 'Purpose: prefetch')
{
	is(scalar @{ $gate->ask('/_view/client.js', $purpose)->{cookies} }, 0, "$purpose makes no session");
}
is(scalar @{ $gate->ask('/_view/healthz')->{cookies} }, 0, 'health makes no session');
unlike($gate->ask('/_view/client.js', 'X-Forwarded-Proto: https')->{cookies}[0], qr/Secure/, 'a stranger does not say that it was TLS');
$client->close;
$gate->stands;

subtest 'Global Privacy Control' => sub {
	my $private = Pageviews::Gate->start('sessions_private', '-g', '-x', '127.0.0.1');
	my $asked = $private->ask('/_view/client.js', 'Sec-GPC: 1');

	is($asked->{status}, 200, 'who opted out gets the tracker');
	is(scalar @{ $asked->{cookies} }, 0, '... and no cookie');
	$private->refuses(
		3,
		[ 'who opted out opens no socket', $private->upgrade('Sec-GPC' => 1), 403 ],
		[ 'who opted out leaves no note', $private->note($private->ends(1), headers => [ 'Sec-GPC' => 1 ]), 403 ]);

	# Of a list the last counts, of two fields of that name the library knows the first alone (see SECURITY.md).
	my $secure = sub { $private->ask('/_view/client.js', map { "X-Forwarded-Proto: $_" } @_)->{cookies}[0] =~ /; Secure/ ? 1 : 0 };

	is($secure->('https'), 1, 'a trusted proxy says that it was TLS');
	is($secure->('http'), 0, '... or not');
	is($secure->('http, https'), 1, '... behind what the visitor said');
	is($secure->('https, http'), 0, '... which does not count');
	is($secure->('https', 'http'), 1, '... where it sends another field, the first one counts');
	is($secure->('http', 'https'), 0, '... whatever it says');
	$private->stands;
};

subtest 'without a cookie' => sub {
	for my $identity (1, 2)
	{
		my $gate = Pageviews::Gate->start("sessions_identity_$identity", '-I', $identity, '-x', '127.0.0.1');
		my @known;

		# The session of a visitor from an address; the last Set-Cookie lands in $set.
		my $set;
		my $session = sub {
			my ($from, %o) = @_;
			my $before = () = $gate->reports =~ /^opened/mg;
			my $client = $gate->visitor(agent => 'the same', headers => [ map { "X-Forwarded-For: $_" } @{ $o{behind} // [] }, $from ], %o);
			my @sessions;

			$gate->wait_for('it is reported', sub { @sessions = $gate->reports =~ /^opened \d+ session=(\S+) .*\n/mg; @sessions > $before });
			$set = $client->{cookies}[-1];
			$client->close;
			return $sessions[-1];
		};
		my $first = $session->('203.0.113.7');

		is($set, undef, 'a socket sets no cookie');
		is(scalar @{ $gate->ask('/_view/client.js')->{cookies} }, 0, 'nor does the tracker');
		is($session->('203.0.113.7') eq $first ? 1 : 0, $identity == 1 ? 1 : 0, $identity == 1 ? 'the same visitor is known' : 'nobody is known');
		is($session->('203.0.113.7', behind => ['198.51.100.1']), $first, 'what the visitor put in front, in a field of its own, does not count') if $identity == 1;
		isnt($session->('203.0.113.8'), $first, 'another address is another visitor');
		isnt($session->('203.0.113.7', agent => 'other'), $first, 'another browser is another visitor');
		$gate->tell('day');
		$gate->counters;
		isnt($session->('203.0.113.7'), $first, 'tomorrow nobody is known');

		# Consent.
		my $after = $session->('203.0.113.7', path => '/_view/consent/true');
		my ($cookie) = ($set // '') =~ /^([^;]+)/;

		like($set, qr/; Max-Age=5184000; HttpOnly/, 'with consent there is a cookie');
		is($session->('203.0.113.9', cookie => $cookie, agent => 'other'), $after, '... which is known everywhere');
		like($set, qr/^\Q@{[ $cookie =~ m{^([^.]+\.1\.[^.]+\.)} ]}\E/, '... and renewed');
		isnt($session->('203.0.113.7', cookie => $cookie, path => '/_view/consent/false'), $after, 'without it nobody is known');
		like($set, qr/^_pageviews_session=; Path=\/; Max-Age=0;/, '... and the cookie is taken away');
		is($session->('203.0.113.7', path => '/_view/consent/true', cookie => $cookie), $after, 'who consents twice stays who they are');
		$gate->refuses(1, [ 'another origin cannot consent for anybody', $gate->upgrade(path => '/_view/consent/true', Origin => 'http://evil.example'), 403 ]);
		$gate->stands;
	}
};
done_testing();
