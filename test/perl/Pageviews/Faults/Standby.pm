# The cluster goes, and its standby takes over.

package Pageviews::Faults::Standby;

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Faults;
use Time::HiRes qw(sleep);

my $standbys = 0;

# Commits wait for the standby, so that nothing that a visitor was told is lost; it
# listens where its primary did, so that the visitors find it.
fault 'standby promoted' => sub {
	my ($blow) = @_;
	my $old = $blow->{node};
	my $backup = 'standby' . ++$standbys;
	my $new = Pageviews::Cluster->new("faults_$backup");

	$old->backup($backup);
	$new->{pageviews_port} = $old->web;
	$new->init_from_backup($old, $backup, has_streaming => 1);
	$new->start;
	insist($blow, "ALTER SYSTEM SET synchronous_standby_names = '*'");
	insist($blow, 'SELECT pg_reload_conf()');
	Pageviews::Cluster::eventually('commits wait for the standby', 30,
		sub { $old->value('SELECT sync_state FROM pg_stat_replication') eq 'sync' });
	sleep 2;
	memory_lost($blow, sub { $old->stop('immediate') });
	$new->promote;
	$blow->{node} = $new;
	started($blow);
	worker($blow);
}, seconds => 14;

1;
