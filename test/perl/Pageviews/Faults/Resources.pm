# Faults of resources: memory, descriptors, disk.

package Pageviews::Faults::Resources;

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Faults;
use IO::Select;
use IO::Socket::INET;
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(time sleep);

use constant CROWD => 400;    # callers at a time
use constant CROWDS => 10;

# --- the listener's limits --------------------------------------------------------------

# Lowers, or raises again, a soft limit of a running process; false when it is no more.
sub limit
{
	my ($pid, $resource, $soft) = @_;

	return system("prlimit --pid $pid --$resource=$soft: 2>/dev/null") == 0;
}

# Callers who begin a request and leave it there, so that the listener has to keep it.
sub crowd
{
	my ($node) = @_;
	my @callers;

	for (1 .. CROWD)
	{
		my $caller = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $node->web, Blocking => 0) or next;

		syswrite $caller, "GET /_view/socket HTTP/1.1\r\nHost: nobody\r\n";
		push @callers, $caller;
	}
	return @callers;
}

# No memory beyond what it has, under a crowd that grows until one of it is sent away or
# the listener dies; a while later, if it lives, memory again.
repeated 'listener out of memory' => 1, sub {
	my ($blow) = @_;
	my $pid = listener($blow);
	my ($size) = PostgreSQL::Test::Utils::slurp_file("/proc/$pid/status") =~ /^VmSize:\s+(\d+)/m or return;
	my $felt = 0;
	my @callers;

	return if !limit($pid, as => $size * 1024);
	for (1 .. CROWDS)
	{
		push @callers, crowd($blow->{node});
		sleep 0.1;
		$felt = !Pageviews::Cluster::alive($pid) ? 'it died' : IO::Select->new(@callers)->can_read(0) ? 'it sent callers away' : 0;
		last if $felt;
	}
	sleep 1;
	limit($pid, as => 'unlimited');
	die "the limit of memory was not felt\n" if !$felt;
	tell($blow, "without memory $felt");
	$blow->{restarts}++ if $felt eq 'it died';
}, seconds => 8;

# How many callers wait for the listener to take them.
sub waiting
{
	my ($node) = @_;
	my $port = sprintf '%04X', $node->web;
	my $waiting = 0;

	for (split /\n/, PostgreSQL::Test::Utils::slurp_file('/proc/net/tcp'))
	{
		$waiting += hex $1 if /^\s*\d+: [0-9A-F]{8}:$port 00000000:0000 0A [0-9A-F]{8}:([0-9A-F]{8})/;
	}
	return $waiting;
}

# Fewer descriptors than it has already.
repeated 'listener out of descriptors' => 1, sub {
	my ($blow) = @_;
	my $pid = listener($blow);
	my $soft = `prlimit --pid $pid --nofile --output=SOFT --noheadings` + 0 or return;

	limit($pid, nofile => 32) or return;
	Pageviews::Cluster::eventually('callers wait', 10, sub { waiting($blow->{node}) > 20 });
	sleep 0.5;
	limit($pid, nofile => $soft);
}, seconds => 9;

# --- the disk ----------------------------------------------------------------------------

# Moves the tables of views, with their indexes, into a tablespace.
sub move_views
{
	my ($blow, $space) = @_;

	insist($blow, <<"EOT");
DO \$\$
DECLARE
	command text;
BEGIN
	FOR command IN
		SELECT format('ALTER %s %s SET TABLESPACE $space', CASE c.relkind WHEN 'i' THEN 'INDEX' ELSE 'TABLE' END, c.oid::regclass)
		FROM pg_class AS c
		WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relname ~ '^views_[0-9]' AND c.relkind IN ('r', 'i')
		ORDER BY c.relkind DESC, c.relname
	LOOP
		EXECUTE command;
	END LOOP;
END
\$\$
EOT
}

# Fills a disk to the last byte, waits until the worker felt it, and makes room again.
sub fill
{
	my ($blow, $disk) = @_;
	my $before = $blow->{node}->stats->{retries};

	open my $file, '>', "$disk/filler" or die "$disk/filler: $!";
	for my $size (1 << 16, 1 << 12)
	{
		1 while syswrite $file, 'x' x $size;
	}
	close $file;
	eval {
		Pageviews::Cluster::eventually('a write fails for want of room', 10, sub { $blow->{node}->stats->{retries} > $before });
		sleep 1.5;
	};
	my $error = $@;

	unlink "$disk/filler" or die "$disk/filler: $!";
	die $error if $error;
}

fault 'tablespace full' => sub {
	my ($blow) = @_;
	my $disk = $ENV{PAGEVIEWS_SMALL_DISK} || die "no small disk could be mounted to be filled: root, or a user namespace, is needed\n";

	mkdir "$disk/space" or die "$disk/space: $!";
	insist($blow, "CREATE TABLESPACE small LOCATION '$disk/space'");
	move_views($blow, 'small');
	eval { fill($blow, $disk) for 1 .. 2 };
	my $error = $@;

	move_views($blow, 'pg_default');
	insist($blow, 'DROP TABLESPACE small');
	rmdir "$disk/space" or die "$disk/space: $!";
	die $error if $error;
}, seconds => 10;

1;
