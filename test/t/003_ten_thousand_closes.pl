# Ten thousand pages that close at once, each with a reset, none with a word.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(time);

my $count = 10_000;
my $node = Pageviews::Cluster->running('main',
	linger => '1s', max_connections => $count + 200, max_connections_per_address => 0);
my $bystander = $node->visitor;
my $watched = $bystander->begin('/bystander');
my $load = $node->load_start('--views', $count, '--visitors', $count, '--stage', '--end', 'rst');

Pageviews::Cluster::load_line($load, qr/^open$/m);
is($node->value('SELECT count(*) FROM pageviews.live_views'), $count + 1, 'ten thousand pages are open');
my $started = time;

Pageviews::Cluster::load_go($load);
my $report = Pageviews::Cluster::load_finish($load);

is("$report->{acked} $report->{closed} $report->{failures}", "$count $count 0", 'all of them close at once');
$bystander->say_view($watched, 'state', visible => 100);
pass('the next visitor is heard meanwhile');
$node->becomes("SELECT count(*) = $count FROM pageviews.views WHERE ended_at IS NOT NULL", 'all of them are stored');
note(sprintf '%.1f s from the first close to the last row', time - $started);
is($node->value("SELECT count(DISTINCT view_id) || ' ' || count(*) FILTER (WHERE end_reason = 'lost') FROM pageviews.views WHERE ended_at IS NOT NULL"),
	"$count $count", '... each once, each as lost');
$bystander->end_view($watched, visible => 777);
is($node->row($watched->{view})->{engagement_ms}, 777, 'the bystander lost nothing');
is($node->value('SELECT listener_restarts FROM pageviews.worker_stats'), '0', 'the listener survived');
$node->conserved;
$node->stop;
done_testing();
