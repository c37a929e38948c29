# A session's row says which browser, system and device its first view came from,
# and which country a trusted proxy named.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;

use constant CHROME =>
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36';
use constant PHONE =>
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1';
use constant BRAVE => ('Sec-CH-UA: "Brave";v="131", "Chromium";v="131"', 'Sec-CH-UA-Mobile: ?0', 'Sec-CH-UA-Platform: "macOS"');

my $node = Pageviews::Cluster->running('main');

# Views a page as somebody; its visitor.
sub visit
{
	my (%o) = @_;
	my $visitor = $node->visitor(%o);

	$visitor->{seen} = $visitor->begin('/page_a');
	$visitor->end_view($visitor->{seen}, visible => 10);
	return $visitor;
}

# What the row of a visitor's session says.
sub told
{
	my ($visitor) = @_;
	my $session = $node->row($visitor->{seen}{view})->{session_id};

	return $node->value(qq{SELECT concat_ws(' ', coalesce(browser, '-'), coalesce(browser_version, '-'), coalesce(system, '-'),
		coalesce(device, '-'), coalesce(country, '-')) FROM pageviews.sessions WHERE session_id = '$session'});
}

my $first = visit(agent => CHROME, headers => ['CF-IPCountry: CH']);

is(told($first), 'Chrome 131 Windows desktop -', 'a browser; without the setting no country');
is(told(visit(agent => PHONE)), 'Mobile Safari 18 iOS mobile -', 'a phone');
is(told(visit(agent => CHROME, headers => [BRAVE])), 'Brave 131 Mac OS X desktop -', 'hints come first');

# Chromium sends hints for the script, and none with the handshake of a socket.
my $script = $node->http('GET', '/_view/client.js', headers => [BRAVE]);

is(told(visit(agent => CHROME, cookie => $script->{cookies}[0] =~ s/;.*//r)), 'Brave 131 Mac OS X desktop -',
	'... those that came with the script, too');
is(told(visit(agent => 'scripted visitor')), '- - - - -', 'what is not known is NULL');
is(told(visit(agent => 'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)')), 'bingbot 2 - bot -', 'a robot');

# --- the country, at a reload ---------------------------------------------------------------

# Whether a new session has this country by now.
sub comes_from
{
	my ($country, $why) = @_;

	Pageviews::Cluster::eventually($why, 60,
		sub { told(visit(agent => CHROME, headers => ['CF-IPCountry: CH'])) eq "Chrome 131 Windows desktop $country" });
	pass($why);
}

$node->set_now(country_header => 'CF-IPCountry');
comes_from('CH', 'a trusted proxy is believed after a reload');
is(told(visit(agent => CHROME, headers => ['CF-IPCountry: T1'])), 'Chrome 131 Windows desktop -', 'what is no country is NULL');
is(told(visit(agent => PHONE, headers => ['CF-IPCountry: de'], cookie => $first->cookie)), 'Chrome 131 Windows desktop -',
	'a session stays what its first view was');
$node->set_now(trusted_proxies => '192.0.2.1');
comes_from('-', 'who is no trusted proxy is not believed');
$node->set_now(trusted_proxies => '127.0.0.1');
comes_from('CH', 'until it is');

my (undef, undef, $refusal) = $node->psql('postgres', "ALTER SYSTEM SET pageviews.country_header = 'X Country:'");
like($refusal, qr/invalid value for parameter "pageviews.country_header"/, 'what is no name of a header is refused');

# --- without a cookie ------------------------------------------------------------------------

for my $identity ('daily', 'none')
{
	$node->set_now(identity => $identity);
	Pageviews::Cluster::eventually("identity is $identity", 60, sub { !defined $node->visitor(agent => PHONE)->cookie });
	is(told(visit(agent => PHONE, headers => ['CF-IPCountry: CH'])), 'Mobile Safari 18 iOS mobile CH', "stored with identity = $identity as well");
}

$node->conserved;

done_testing();
