# Scripted visitors of the demo: one headless Chromium, a window and a cookie jar
# for each, walking along the links of the pages and now and then to another tab.
# usage: demo_visitors.pl PORT VISITORS FOLDER SECONDS     (0 seconds: until told)

use strict;
use warnings FATAL => 'all';

use POSIX 'WNOHANG';
use Pageviews::Client;
use Time::HiRes qw(time sleep);

my ($port, $count, $folder, $seconds) = @ARGV;
my $profile = "$folder/chromium";

# Whoever ends the demo does not wait until a busy browser has answered.
$SIG{INT} = $SIG{TERM} = $SIG{HUP} = sub { exit 0 };

my $browser = fork // die "fork: $!";

if ($browser == 0)
{
	exec 'chromium', '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
	  '--remote-debugging-port=0', "--user-data-dir=$profile", 'about:blank'
	  or die "chromium: $!";
}

my $devtools;
my $number = 0;

# Its folder goes next: nothing may write there any more.
END
{
	local $?;
	for my $try (1 .. 200)
	{
		last if !$browser || !kill $try < 200 ? 'TERM' : 'KILL', $browser;
		last if waitpid($browser, WNOHANG) != 0;
		sleep 0.05;
	}
}

# Asks the browser for something; its answer.
sub ask
{
	my ($method, $parameters, $session) = @_;
	my %question = (id => ++$number, method => $method, params => $parameters // {});

	$question{sessionId} = $session if $session;
	$devtools->send_message(\%question);
	return $devtools->expect(id => $number, timeout => 20)->{result} // {};
}

# Opens a tab in a visitor's window and looks at it.
sub open_tab
{
	my ($visitor, $path) = @_;
	my $tab = ask(
		'Target.createTarget',
		{
			url => "http://127.0.0.1:$port$path",
			browserContextId => $visitor->{jar},
			newWindow => $visitor->{tabs} ? JSON::PP::false() : JSON::PP::true()
		});
	my $session = ask('Target.attachToTarget', { targetId => $tab->{targetId}, flatten => JSON::PP::true() });

	push @{ $visitor->{tabs} }, { id => $tab->{targetId}, session => $session->{sessionId} };
}

sub close_tab
{
	my ($tab) = @_;

	ask('Target.closeTarget', { targetId => $tab->{id} });
}

# Does the next thing that a visitor might do.
sub walk
{
	my ($visitor) = @_;
	my $what = rand;

	if ($what < 0.15 && @{ $visitor->{tabs} } < 3)
	{
		open_tab($visitor, (qw(/page_a /page_b /page_c))[ rand 3 ]);
	}
	elsif ($what < 0.3 && @{ $visitor->{tabs} } > 1)
	{
		close_tab(pop @{ $visitor->{tabs} });
		ask('Target.activateTarget', { targetId => $visitor->{tabs}[-1]{id} });
	}
	else
	{
		ask(
			'Runtime.evaluate',
			{
				expression =>
				  '{ const links = [...document.querySelectorAll("a[href]")]; if (links.length) links[Math.floor(Math.random() * links.length)].click(); }'
			},
			$visitor->{tabs}[-1]{session});
	}
	$visitor->{due} = time + 1 + rand 3;
}

for (1 .. 400)
{
	last if -s "$profile/DevToolsActivePort";
	sleep 0.05;
}
open my $file, '<', "$profile/DevToolsActivePort" or die "chromium did not start: $!\n";
chomp(my ($debug_port, $debug_path) = <$file>);
$devtools = Pageviews::Client->connect(
	port => $debug_port,
	path => $debug_path,
	origin => undef,
	protocol => undef,
	hello => 0);
die "chromium answered $devtools->{status}\n" if $devtools->{status} != 101;

my $end = $seconds ? time + $seconds - 1 : undef;
my @visitors;

for (1 .. $count)
{
	my $visitor = { jar => ask('Target.createBrowserContext')->{browserContextId}, due => time + 1 + rand 3 };

	open_tab($visitor, '/page_a');
	push @visitors, $visitor;
}
until ($end && time > $end)
{
	for my $visitor (@visitors)
	{
		walk($visitor) if time > $visitor->{due};
	}
	sleep 0.1;
}
close_tab($_) for map { @{ $_->{tabs} } } @visitors;
sleep 0.3;
