# A standby collects nothing; its worker starts at promotion.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $primary = Pageviews::Cluster->running('primary', init => [ allows_streaming => 1 ]);
my $visitor = $primary->visitor;
my $view = $visitor->begin('/primary');

$visitor->end_view($view, visible => 11);
$primary->backup('base');

my $standby = Pageviews::Cluster->new('standby');

$standby->{pageviews_port} = PostgreSQL::Test::Cluster::get_free_port();
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "pageviews.port = $standby->{pageviews_port}");
$standby->start;
$primary->wait_for_catchup($standby);
is($standby->value('SELECT engagement_ms FROM pageviews.views'), '11', 'a standby has the views');
is($standby->value("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pageviews%'"), '0', '... and no worker');
ok(!$standby->healthy, '... and does not listen');
is($standby->value("SELECT count(*) FROM pageviews.pages()"), '1', 'reports work there');
my $open = $visitor->begin('/open_at_failover');

$primary->stop('immediate');
$standby->promote;
$standby->wait_ready;
pass('after its promotion it listens');
my $moved = $standby->visitor(cookie => $visitor->cookie);
my $second = $moved->begin('/promoted');

$moved->end_view($second, visible => 22);
is( $standby->value("SELECT string_agg(path || ' ' || engagement_ms, ', ' ORDER BY started_at), count(DISTINCT session_id) FROM pageviews.views"),
	'/primary 11, /promoted 22|1', 'and goes on with the same sessions: the key came along');
$standby->conserved;
$standby->stop;
done_testing();
