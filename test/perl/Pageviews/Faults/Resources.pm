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

# Sets the soft limit of a running process; false when it is no more.
sub limit
{
	my ($pid, $resource, $soft) = @_;

	return system("prlimit --pid $pid --$resource=$soft: 2>/dev/null") == 0;
}

# Runs code while the listener has no more of a resource than `soft`, counts it if
# that was felt (the code returns true), and restores what it had.
sub short_of
{
	my ($blow, $resource, $soft, $code) = @_;

	$blow->{node}->wait_ready;
	my $pid = listener($blow);
	my ($had) = `prlimit --pid $pid --$resource --output=SOFT --noheadings 2>/dev/null` =~ /(\w+)/ or return;

	limit($pid, $resource, $soft->($pid)) or return;
	my $felt = eval { $code->($blow, $pid) };
	my $error = $@;

	limit($pid, $resource, $had);
	die $error if $error;
	$blow->{felt}++ if $felt;
}

# Registers a fault that is such a want, and has to be felt at least once.
sub want
{
	my ($name, $resource, $soft, $code) = @_;
	my $move = sub { short_of($_[0], $resource, $soft, $code) };

	fault $name => sub {
		again_and_again($_[0], 1, $move);
		die "it was not felt\n" if !$_[0]{felt};
	}, move => $move, seconds => 9;
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

# Bytes of address space that a process has.
sub size
{
	my ($kilobytes) = PostgreSQL::Test::Utils::slurp_file("/proc/$_[0]/status") =~ /^VmSize:\s+(\d+)/m;

	return $kilobytes * 1024;
}

# A crowd that grows until one of it is sent away, or the listener dies.
want 'listener out of memory', 'as', \&size, sub {
	my ($blow, $pid) = @_;
	my @callers;

	for (1 .. CROWDS)
	{
		push @callers, crowd($blow->{node});
		sleep 0.1;
		next if Pageviews::Cluster::alive($pid) && !IO::Select->new(@callers)->can_read(0);
		sleep 1;
		tell($blow, 'without memory the listener died') if !Pageviews::Cluster::alive($pid);
		return 1;
	}
	return 0;
};

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

# Fewer than it has already, until visitors wait.
want 'listener out of descriptors', 'nofile', sub { 32 }, sub {
	my ($blow) = @_;
	my $felt;

	Pageviews::Cluster::eventually('callers wait', 20, sub {
		$felt = waiting($blow->{node}) > 20;
		return $felt || time > $blow->{until} - 0.5;
	});
	sleep 0.5 if $felt;
	return $felt;
};

# --- the disk ----------------------------------------------------------------------------

# Moves the tables of views and events, with their indexes, into a tablespace.
sub move_tables
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
		WHERE c.relnamespace = 'pageviews'::regnamespace AND c.relname ~ '^(views|events)_[0-9]' AND c.relkind IN ('r', 'i')
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
	move_tables($blow, 'small');
	eval { fill($blow, $disk) for 1 .. 2 };
	my $error = $@;

	move_tables($blow, 'pg_default');
	insist($blow, 'DROP TABLESPACE small');
	rmdir "$disk/space" or die "$disk/space: $!";
	die $error if $error;
}, seconds => 10;

1;
