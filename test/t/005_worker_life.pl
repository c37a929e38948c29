# What an operator does to the worker, and what he gets wrong: it ends and comes
# back, follows a reload, says what it is missing, and is there when that is mended.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;
use Time::HiRes qw(sleep time);

# --- off -----------------------------------------------------------------------------

my $node = Pageviews::Cluster->prepared('main', linger => '300ms');

$node->adjust_conf('postgresql.conf', 'pageviews.port', undef);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pageviews');
is($node->worker_pid, 0, 'without a port there is no worker');
is($node->value('SELECT count(*) FROM pageviews.views'), '0', '... and the tables are there');
my ($status, $out, $error) = $node->psql('postgres', 'SELECT count(*) FROM pageviews.live_views');

ok($status == 0 && $out eq '0' || $error =~ /HINT/, '... and live_views is empty, or says why');
$node->append_conf('postgresql.conf', 'pageviews.port = ' . $node->web);
$node->reload;
$node->becomes("SELECT pending_restart FROM pg_settings WHERE name = 'pageviews.port'", 'the port says that it needs a restart');
$node->restart;
$node->wait_ready;

# --- terminate, cancel -------------------------------------------------------------------

my $visitor = $node->visitor;
my $view = $visitor->begin('/terminated');
my $pid = $node->worker_pid;
my @children = $node->listener_pids;
my $mark = $node->log_end;

is(scalar @children, 1, 'one listener runs');
is($node->value("SELECT pg_cancel_backend($pid)"), 't', 'cancelled');
$visitor->say_view($view, 'state', visible => 5);
is($node->worker_pid, $pid, 'pg_cancel_backend does not end it');
is($node->value("SELECT pg_terminate_backend($pid)"), 't', 'terminated');
$visitor->closed;
# Its sockets close a moment before the process is gone.
ok(eval { Pageviews::Cluster::eventually('the listener ends', 60, sub { !grep { Pageviews::Cluster::alive($_) } @children }) },
	'the listener ends with it');
$node->becomes("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type LIKE 'pageviews%' AND pid <> $pid",
	'it is started again');
$node->wait_ready;
is($node->row($view->{view})->{end_reason}, 'shutdown', 'what was open is stored');
my $back = $node->visitor(cookie => $visitor->cookie);

$back->say_view($view, 'view', visible => 100);
$back->end_view($view, visible => 150);
is($node->row($view->{view})->{engagement_ms}, 150, 'and goes on in the same row when its browser comes back');
is($node->row($view->{view})->{end_reason}, 'closed', '... to its real end');
is(slurp_file($node->logfile, $mark) =~ /terminated by signal|crash/ ? 1 : 0, 0, 'nothing crashed');
is($node->worker_pid == $pid ? 1 : 0, 0, 'another worker');

# --- settings that follow a reload ------------------------------------------------------------

# Sets, reloads, and waits until `$check` is true.
sub follows
{
	my ($settings, $what, $check) = @_;

	$node->set_now(%$settings);
	ok(eval { Pageviews::Cluster::eventually($what, 10, sub { eval { $check->() } }) }, $what);
}

follows({ cookie_name => 'sid' }, 'cookie_name follows a reload',
	sub { $node->http('GET', '/_view/client.js')->{cookies}[0] =~ /^sid=/ });
follows({ cookie_max_age => '1h' }, 'cookie_max_age follows a reload',
	sub { $node->http('GET', '/_view/client.js')->{cookies}[0] =~ /Max-Age=3600\b/i });
follows({ cookie_samesite => 'strict' }, 'cookie_samesite follows a reload',
	sub { $node->http('GET', '/_view/client.js')->{cookies}[0] =~ /SameSite=Strict/i });
follows({ heartbeat => '7s' }, 'heartbeat follows a reload', sub { $node->visitor->{hello}{heartbeat} == 7000 });
follows({ path_prefix => '/elsewhere' }, 'path_prefix follows a reload',
	sub { $node->http('GET', '/elsewhere/client.js')->{status} == 200 && $node->http('GET', '/_view/client.js')->{status} != 200 });
follows({ path_prefix => '/_view' }, '... and back', sub { $node->http('GET', '/_view/client.js')->{status} == 200 });
follows({ demo => 'on' }, 'demo follows a reload', sub { $node->http('GET', '/page_a')->{status} == 200 });
follows({ demo => 'off' }, '... and back', sub { $node->http('GET', '/page_a')->{status} != 200 });
follows({ respect_global_privacy_control => 'on' }, 'Global Privacy Control is respected',
	sub { !@{ $node->http('GET', '/_view/client.js', headers => ['Sec-GPC: 1'])->{cookies} } });
follows({ respect_global_privacy_control => 'off' }, '... or not',
	sub { @{ $node->http('GET', '/_view/client.js', headers => ['Sec-GPC: 1'])->{cookies} } });
follows({ trusted_proxies => '127.0.0.1' }, 'a trusted proxy is believed',
	sub { $node->http('GET', '/_view/client.js', headers => ['X-Forwarded-Proto: https'])->{cookies}[0] =~ /Secure/ });
follows({ trusted_proxies => '192.0.2.1' }, '... and nobody else',
	sub { $node->http('GET', '/_view/client.js', headers => ['X-Forwarded-Proto: https'])->{cookies}[0] !~ /Secure/ });
follows({ max_connections_per_address => 1 }, 'max_connections_per_address follows a reload', sub {
	my $one = $node->visitor;
	my $two = eval { $node->visitor };

	!$two || !$two->is_open;
});
follows({ max_connections_per_address => 500 }, '... and back', sub { my @two = map { $node->visitor } 1 .. 2; $two[1]->is_open });
follows({ keep_query_parameters => 'ref' }, 'keep_query_parameters follows a reload', sub {
	my $v = $node->visitor;
	my $w = $v->begin('/query?ref=a&utm_source=b');

	$v->end_view($w, visible => 1);
	$node->row($w->{view})->{query} eq 'ref=a';
});
follows({ linger => '50ms', flush_interval => '10ms', batch_size => 10, checkpoint_interval => '1s', write_timeout => '1s', ping_interval => '5s' },
	'the others as well', sub {
		my $v = $node->visitor;
		my $w = $v->begin('/linger');

		$v->drop;
		sleep 0.3;
		($node->row($w->{view}) // {})->{end_reason} eq 'lost';
	});
my $long = $node->visitor;
my $open = $long->begin('/checkpointed');

ok(eval { Pageviews::Cluster::eventually('a checkpoint', 60, sub { $node->row($open->{view}, 0) }) }, 'a view that stays open is stored as it stands');
is($node->row($open->{view})->{ended_at}, undef, '... open');
$long->end_view($open, visible => 20);

# --- settings that are wrong --------------------------------------------------------------------

for my $bad (
	[ allowed_origins => 'example.com' ], [ allowed_origins => 'ftp://example.com' ], [ trusted_proxies => 'proxy' ],
	[ path_prefix => 'no_slash' ], [ path_prefix => '/slash/' ], [ cookie_name => 'a b' ], [ cookie_samesite => 'maybe' ],
	[ retention => '3d' ], [ port => '70000' ], [ keep_query_parameters => 'a=b' ], [ ssl_min_protocol_version => 'SSLv3' ],
	[ nonsense => '1' ])
{
	my ($name, $value) = @$bad;
	my ($code) = $node->psql('postgres', "ALTER SYSTEM SET pageviews.$name = '$value'");

	isnt($code, 0, "$name = '$value' is refused");
}
for my $name (qw(listen_addresses database listeners max_connections queue_size collector))
{
	is($node->value("SELECT context FROM pg_settings WHERE name = 'pageviews.$name'"), 'postmaster', "$name needs a restart, and says so");
}

# --- a role that is missing, or has no rights ----------------------------------------------------------

for my $case ([ 'nobody_at_all', 'is missing' ], [ 'powerless', 'has no rights' ])
{
	my ($role, $how) = @$case;

	$node->safe_psql('postgres', "CREATE ROLE $role NOLOGIN") if $role eq 'powerless';
	$mark = $node->log_end;
	$node->set_now(role => $role);
	my $client = $node->visitor;
	my $waits = $client->begin('/waits');

	$client->send_message(Pageviews::Client::message($waits, 'end', reason => 'closed', visible => 7));
	$client->expect(type => 'ack', view => $waits->{view}, n => 2);
	$node->logged(qr/pageviews.*(role|permission|denied)|permission denied|role "$role"/, $mark, "a role that $how is told of in the log");
	is($node->value("SELECT count(*) FROM pageviews.views WHERE view_id = '$waits->{view}'"), '0', '... and the view waits');
	$node->set_now(role => 'pageviews_collector');
	is(($node->row($waits->{view}) // {})->{engagement_ms}, 7, '... until that is mended');
	is($node->value("SELECT count(*) FROM pageviews.rejected WHERE view_id = '$waits->{view}'"), '0', '... and is not set aside');
}

# --- a role with too many ------------------------------------------------------------------------------

$mark = $node->log_end;
$node->safe_psql('postgres', 'CREATE ROLE mighty NOLOGIN SUPERUSER');
$node->set_now(role => 'mighty');
$node->visitor->begin("/mighty/$_") for 1 .. 3;
$node->logged(qr/WARNING:  pageviews stores views as "mighty", which is a superuser\n.*DETAIL:  Triggers.*\n.*HINT:  .*pageviews_collector/, $mark,
	'a superuser in pageviews.role is told of in the log');
$node->becomes("SELECT count(*) = 3 FROM pageviews.views WHERE path LIKE '/mighty/%'", '... and stores');
$node->reload;
$node->visitor->begin('/mighty/4');
$node->becomes("SELECT count(*) = 4 FROM pageviews.views WHERE path LIKE '/mighty/%'", '... also after a reload');
is(() = slurp_file($node->logfile, $mark) =~ /which is a superuser/g, 1, '... told of once');
$mark = $node->log_end;
$node->safe_psql('postgres', 'ALTER ROLE mighty NOSUPERUSER; GRANT pageviews_collector TO mighty');
$node->visitor->begin('/mighty/5');
$node->becomes("SELECT count(*) = 5 FROM pageviews.views WHERE path LIKE '/mighty/%'", 'it need not be one');
$node->safe_psql('postgres', 'ALTER ROLE mighty SUPERUSER');
$node->visitor->begin('/mighty/6');
$node->logged(qr/which is a superuser/, $mark, 'one that becomes a superuser later is told of');
$node->set_now(role => 'pageviews_collector');

# --- a port that is taken -------------------------------------------------------------------------------

my $second = Pageviews::Cluster->prepared('second');

$second->{pageviews_port} = $node->web;
$second->append_conf('postgresql.conf', 'pageviews.port = ' . $second->web);
$second->start;
$second->safe_psql('postgres', 'CREATE EXTENSION pageviews');
$second->logged(qr/could not listen on .*port @{[$node->web]}/, 0, 'a second cluster on the same port is told so');
$second->logged(qr/HINT:.*another cluster/, 0, '... with a hint');
cmp_ok(() = slurp_file($second->logfile) =~ /could not listen/g, '<=', 2, '... not again and again');
ok($node->healthy, '... and the first goes on');
$node->stop;
$second->wait_ready;
pass('when the port is free again the second has it');
$second->stop;

my $squatter = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $node->web, Listen => 1, ReuseAddr => 1);

$mark = $node->log_end;
$node->start;
$node->logged(qr/could not listen/, $mark, 'a port that somebody else has is told of');
is($node->value('SELECT 1'), '1', '... and the server runs');
close $squatter;
$node->wait_ready;
pass('... and it is taken when it is free');
$node->conserved;
$node->stop;

# --- no slot for the worker ---------------------------------------------------------------------------------

$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$mark = $node->log_end;
$node->start;
$node->logged(qr/too many background workers/, $mark, 'a missing worker slot is told of');
is($node->value('SELECT count(*) > 0 FROM pageviews.views'), 't', '... and the server runs');
$node->adjust_conf('postgresql.conf', 'max_worker_processes', '8');
$node->restart;
$node->wait_ready;
pass('with a slot the worker is there');
$node->conserved;
$node->stop;
done_testing();
