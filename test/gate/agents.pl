# Who is at the other end: browser, system and device by hints and User-Agent, the
# country by a trusted proxy, on sockets and in notes; and what nobody should send.

use strict;
use warnings FATAL => 'all';

use Pageviews::Gate;
use Test::More;

use constant CHROME =>
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36';
use constant BRAVE => ('Sec-CH-UA: "Brave";v="131", "Chromium";v="131", "Not_A Brand";v="24"',
	'Sec-CH-UA-Mobile: ?0', 'Sec-CH-UA-Platform: "macOS"');
use constant UNHINTED => 'Chrome 131 Windows 1';

# What the worker hears of one who comes by socket and by note with these headers.
sub heard
{
	my ($gate, $agent, @headers) = @_;
	my $from = length $gate->reports;
	my $client = $gate->visitor(agent => $agent, headers => \@headers);

	$client->close;
	$gate->attack([ $gate->note($gate->ends(1), headers => [ 'User-Agent' => $agent, map { split /: /, $_, 2 } @headers ]) ],
		enough => qr/\r\n\r\n/);
	$gate->counters;
	return join ', ', map { /^visitor \d+ browser=(.*) version=(.*) system=(.*) device=(\d) country=(.*)$/ ? "$1 $2 $3 $4" . ($5 && " $5") : () }
	  split /\n/, substr $gate->reports, $from;
}

# Both ways alike.
sub twice
{
	return "$_[0], $_[0]";
}

my $gate = Pageviews::Gate->start('agents_behind_proxy', '-x', '127.0.0.1', '-C', 'cf-ipcountry:');

is(heard($gate, CHROME), twice(UNHINTED), 'a browser by its User-Agent');
is(heard($gate, CHROME, BRAVE), twice('Brave 131 Mac OS X 1'), 'hints come first');
is(heard($gate, CHROME, map { my ($name, $value) = split /: /, $_, 2; lc($name) . ": $value" } BRAVE), twice('Brave 131 Mac OS X 1'), '... in any case');
is(heard($gate, CHROME, 'Sec-CH-UA: "', 'Sec-CH-UA-Platform: macOS'), twice(UNHINTED), 'hints that are none change nothing');
is(heard($gate, CHROME, 'Sec-CH-UA: ' . '"a";v="1",' x 400), twice(UNHINTED), '... however long');
is(heard($gate, 'x' x 3000), twice('   0'), 'a User-Agent that is too long says nothing');
is(heard($gate, "Firefox/133.0 (X11; Linux) \xff\xfe"), twice('   0'), '... nor one that is no text');

is(heard($gate, CHROME, 'CF-IPCountry: CH'), twice(UNHINTED . ' CH'), 'a trusted proxy knows the country');
is(heard($gate, CHROME, 'cf-ipcountry: de'), twice(UNHINTED . ' DE'), '... in any case');
for my $none ('XX', 'T1', 'ZZ', 'x', '', 'CHE', 'C;', "C\xc3", '%43H', 'C ')
{
	is(heard($gate, CHROME, "CF-IPCountry: $none"), twice(UNHINTED), "'$none' is no country");
}
is(heard($gate, CHROME, 'CF-IPCountry: DE, CH'), twice(UNHINTED . ' CH'), 'of a list, what the nearest proxy said');
is(heard($gate, CHROME, 'CF-IPCountry: DE', 'CF-IPCountry: CH'), twice(UNHINTED . ' DE'), 'of two headers, the first: a proxy has to replace what came');
is(heard($gate, CHROME, 'X-Country: CH', 'CF-IPCountryCode: CH', 'X-CF-IPCountry: CH'), twice(UNHINTED), 'other headers are not looked at');
$gate->stands;

my $open = Pageviews::Gate->start('agents_without_proxy', '-C', 'cf-ipcountry:');

is(heard($open, CHROME, 'CF-IPCountry: CH', BRAVE), twice('Brave 131 Mac OS X 1'), 'a stranger is not believed about the country');
$open->stands;

my $unset = Pageviews::Gate->start('agents_no_header', '-x', '127.0.0.1');

is(heard($unset, CHROME, 'CF-IPCountry: CH'), twice(UNHINTED), 'without the setting there is no country');
$unset->stands;

# Nobody has more of the processor than a share for headers that were never seen.
my $flooded = Pageviews::Gate->start('agents_flood', '-q');
my @letters = ('a', 'A1', '. ', 'bot ', ' Build/', '; HTC ', 'crawl', '(', ' CFNetwork/');

srand 1;
for my $turn (1 .. 20)
{
	$flooded->attack(
		[ map { $flooded->upgrade('User-Agent' => join '', map { $letters[ rand @letters ] x rand 40 } 1 .. 30) } 1 .. 10 ],
		enough => qr/\r\n\r\n/);
}
is($flooded->counters->{upgrades}, 200, 'hostile user agents are let in');
is($flooded->visitor(agent => CHROME)->is_open, 1, '... and it goes on serving');
$flooded->stands;

done_testing();
