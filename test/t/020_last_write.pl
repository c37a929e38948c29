# The last write of a server that stops: everything open is stored whenever the
# database can write at all, however small the batches, however often the worker
# is told to stop, however slow the machine; and with no standby to answer.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = Pageviews::Cluster->running('main',
	init => [ allows_streaming => 1 ], linger => '300ms', max_connections_per_address => 0);

# Opens as many views, and stops the server by `$stop`; all of them are stored as shutdown.
sub stop_with_open
{
	my ($views, $what, $stop) = @_;
	my $before = $node->value(q(SELECT count(*) FROM pageviews.views));
	my $load = $node->load_start('--views', $views, '--visitors', $views, '--stage');

	Pageviews::Cluster::load_line($load, qr/^open$/m);
	$stop->();
	eval { Pageviews::Cluster::load_finish($load) };
	$node->adjust_conf('postgresql.conf', 'synchronous_standby_names', "''");
	$node->start;
	is($node->value(q(SELECT count(*) FROM pageviews.views WHERE end_reason = 'shutdown')) - $before,
		$views, "$what: all $views open views are stored");
	$node->wait_ready;
}

# The standby that nobody is.
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->set(batch_size => 50);
$node->adjust_conf('postgresql.conf', 'synchronous_standby_names', "'nobody'");
$node->restart;
$node->wait_ready;
stop_with_open(1000, 'small batches and no standby', sub { $node->stop('fast') });

# A trigger that computes stands for a slow machine: 400 rows take a second, and more on one that is slow indeed.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE until timestamptz := clock_timestamp() + interval '2.5 ms';
BEGIN WHILE clock_timestamp() < until LOOP NULL; END LOOP; RETURN NEW; END $$;
CREATE TRIGGER slowly BEFORE INSERT ON pageviews.views FOR EACH ROW EXECUTE FUNCTION public.slowly();
SQL
stop_with_open(400, 'many slow batches', sub { $node->stop('fast') });
$node->set(batch_size => 1000);
$node->restart;
$node->wait_ready;
stop_with_open(400, 'a few slow batches', sub { $node->stop('fast') });

# A stopping postmaster signals each child twice, by its number and by its group's,
# and the second one may come late.
stop_with_open(400, 'told to stop again and again', sub {
	my $worker = $node->worker_pid;

	kill('TERM', $worker) && sleep 0.01 while Pageviews::Cluster::alive($worker);
	$node->stop('fast');
});
$node->conserved;
$node->stop;
done_testing();
