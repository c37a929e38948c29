# Faults of clocks: the server's jumps, the visitors' are wrong, a month ends.

package Pageviews::Faults::Clock;

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Faults;
use Pageviews::Faults::Seam;
use POSIX qw(strftime);
use Time::HiRes qw(time sleep);
use Time::Local qw(timegm);

use constant HOUR => 3600;

fault q{the machine's clock an hour ahead, then back} => sub {
	my ($blow) = @_;

	for my $ahead (HOUR, 0, -HOUR(), 0)
	{
		seam_clock($ahead);
		sleep 2.5;
	}
},
  before => sub { seam_in($_[0]); $_[1]{new_sessions} = 1 },
  after => sub { seam_out($_[0]); () },
  options => [ '--skew' => 0, '--older' => 60_000 ],
  seconds => 12;

# What was begun or stored under the other clock is told again to a worker that remembers nothing.
fault q{the machine's clock set back, and the worker another one} => sub {
	my ($blow) = @_;

	for (1 .. 2)
	{
		seam_clock(HOUR);
		sleep 2.5;
		seam_clock(0);
		hit($blow, TERM => worker($blow));
		sleep 2.5;
	}
},
  before => sub { seam_in($_[0]); $_[1]{new_sessions} = 1 },
  after => sub { seam_out($_[0]); () },
  options => [ '--skew' => 0, '--older' => 60_000 ],
  seconds => 13;

fault q{the visitors' clocks an hour off, each his own} => sub { again_and_again($_[0], 0.2, sub { }) },
  options => [ '--skew' => HOUR * 1000 ];

# Seconds from now until so many seconds before a month is over; with `year`, December.
sub until_end
{
	my ($year, $before) = @_;
	my @now = gmtime;
	my ($month, $of) = $year || $now[4] == 11 ? (0, $now[5] + 1) : ($now[4] + 1, $now[5]);

	return timegm(0, 0, 0, 1, $month, $of + 1900) - $before - time;
}

# Both months have views and events, and none of them lies in a month that is not its own.
sub on_both_sides
{
	my ($node, $fault) = @_;
	my $end = strftime('%Y-%m-%d 00:00:00+00', gmtime(time + $fault->{ahead} + 60));
	my @wrong;

	for my $row ([ 'views', 'started_at', 'verdict AS l ON l.view = v.view_id' ],
		[ 'events', 'occurred_at', 'event_verdict AS l ON l.event = v.event_id' ])
	{
		my ($table, $at, $ledger) = @$row;
		my ($before, $after, $leaves) = split /\|/, $node->value(<<"EOT");
SELECT count(*) FILTER (WHERE $at < '$end'), count(*) FILTER (WHERE $at >= '$end'), count(DISTINCT v.tableoid)
FROM pageviews.$table AS v JOIN public.$ledger
EOT

		push @wrong, "$before $table before $end, $after behind, in $leaves partitions" if !$before || !$after || $leaves != 2;
	}
	return @wrong;
}

for my $year (0, 1)
{
	fault 'the end of a ' . ($year ? 'year' : 'month') => sub { again_and_again($_[0], 0.2, sub { }) },
	  before => sub {
		my ($node, $fault) = @_;

		# The visitors come once the cluster is up, which takes a while on a busy machine.
		seam_in($node, until_end($year, 30));
		seam_clock($fault->{ahead} = until_end($year, 4));
	  },
	  after => sub {
		my @wrong = on_both_sides(@_);

		seam_out($_[0]);
		return @wrong;
	  },
	  options => [ '--skew' => 0 ];
}

1;
