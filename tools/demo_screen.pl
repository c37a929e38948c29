# What the demo shows: who is on which page now, and each view as it is stored.
# usage: demo_screen.pl SECONDS PSQL ARGUMENT...
#
# One psql runs the whole time and is asked twice a second.  On a terminal the
# block of live views is drawn again in its place, as much of it as fits; elsewhere
# only when it differs.
# With SECONDS, waits at their end for what is still open, sums up, and fails if
# no view was stored.

use strict;
use warnings FATAL => 'all';

use IPC::Open2;
use Time::HiRes qw(time sleep);

my ($seconds, @psql) = @ARGV;
my $tty = -t STDOUT;
my ($drawn, $shown) = (0, '');
my %seen;
my $over = 0;

$| = 1;
binmode STDOUT, ':encoding(UTF-8)';
$SIG{INT} = $SIG{TERM} = $SIG{HUP} = sub { $over = 1 };
$SIG{PIPE} = 'IGNORE';

my $pid = open2(my $answers, my $questions, @psql, qw(-q -A -t -F), "\t", qw(-v ON_ERROR_STOP=0));

binmode $answers, ':encoding(UTF-8)';
$questions->autoflush(1);

# The rows of a query, each a list of fields; nothing once psql is gone.
sub ask
{
	my ($query) = @_;
	my @rows;

	print $questions "$query;\n\\echo .\n" or return;
	while (defined(my $line = <$answers>))
	{
		chomp $line;
		return @rows if $line eq '.';
		push @rows, [ split /\t/, $line, -1 ];
	}
	$over = 1;
	return;
}

# Rows and columns of the terminal.
sub size
{
	my $size = "\0" x 8;
	my ($rows, $columns) = ioctl(STDOUT, 0x5413, $size) ? unpack('S2', $size) : ();    # TIOCGWINSZ

	return ($rows || 24, $columns || 80);
}

# Leaves out what the terminal has no room for below one another; the cursor stays in its last row.
sub fit
{
	my @lines = @_;
	my ($rows, $columns) = size();
	my $room = $rows > 6 ? $rows - 3 : 3;

	if (@lines > $room)
	{
		my $more = @lines - $room + 1;

		@lines = (@lines[ 0 .. $room - 2 ], "  and $more more");
	}
	return map { substr $_, 0, $columns } @lines;
}

sub seconds_of
{
	my ($millis) = @_;

	return sprintf '%.1f s', $millis / 1000;
}

# Draws what is new and what is now.
sub draw
{
	my @stored = grep { !$seen{ $_->[0] }++ } ask(<<'SQL');
SELECT view_id || '/' || revision, to_char(ended_at, 'HH24:MI:SS'), left(session_id::text, 8), coalesce(name, title, ''), path,
	engagement_ms, end_reason
FROM pageviews.views
WHERE ended_at > now() - interval '2 minutes'
ORDER BY ended_at
SQL
	my @live = ask(<<'SQL');
SELECT left(session_id::text, 8), coalesce(name, ''), path, state, engagement_ms
FROM pageviews.live_views
ORDER BY session_id, started_at
SQL
	my @lines = map { sprintf '  %-8s  %-14s %-16s %-8s %8s', @$_[ 0 .. 3 ], seconds_of($_->[4]) } @live;
	my $who = join "\n", map { "@$_[0 .. 3]" } @live;

	@lines = '  nobody' if !@live;
	@lines = fit(@lines) if $tty;
	return if !$tty && !@stored && $who eq $shown;
	print "\e[${drawn}A\e[J" if $drawn;
	printf "%s stored %-8s  %-14s %-16s %8s  %s\n", @$_[ 1 .. 4 ], seconds_of($_->[5]), $_->[6] for @stored;
	if ($tty || $who ne $shown)
	{
		print map { "$_\n" } '', 'On the site now', @lines;
		$drawn = $tty ? 2 + @lines : 0;
		$shown = $who;
	}
}

my $end = $seconds ? time + $seconds : undef;

until ($over || $end && time > $end)
{
	draw();
	sleep 0.5;
}
exit 0 if !$seconds || $over;

# The visitors leave; the last views are stored a moment later.
for (1 .. 60)
{
	draw();
	last if !ask('SELECT 1 FROM pageviews.live_views LIMIT 1');
	sleep 0.25;
}
sleep 0.3;
draw();
my ($summary) = ask(<<'SQL');
SELECT count(*), count(DISTINCT session_id), coalesce(round(avg(engagement_ms) / 1000.0, 1), 0)
FROM pageviews.views WHERE ended_at IS NOT NULL
SQL
my ($views, $sessions, $mean) = $summary ? @$summary : (0, 0, 0);

print "\n$views views stored, $sessions sessions, mean engagement $mean s\n";
print $questions "\\q\n";
waitpid $pid, 0;
exit($views > 0 ? 0 : 1);
