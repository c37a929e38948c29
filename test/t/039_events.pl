# Custom events take the path of views: stored once, whatever is said twice or dies
# in between; set aside where they can never be stored; erased with their visitor.

use strict;
use warnings FATAL => 'all';

use Pageviews::Client;
use Pageviews::Cluster;
use Test::More;

my $node = Pageviews::Cluster->running('main', linger => '300ms', ping_interval => '5min', init => [ allows_streaming => 'logical' ]);
my $visitor = $node->visitor;
my $view = $visitor->begin('/signup?x=1');

sub count
{
	my ($name) = @_;

	return $node->value("SELECT count(*) || ' ' || count(DISTINCT event_id) FROM pageviews.events WHERE name = '$name'");
}

# --- one, told once ------------------------------------------------------------------------

my $event = $visitor->event($view, 'signup', props => { plan => 'pro', seats => 3, trial => JSON::PP::true });

$visitor->send_message($event);
is_deeply($visitor->expect(type => 'ack', event => $event->{event}),
	{ type => 'ack', event => $event->{event} }, 'it is acknowledged by its own id');
is_deeply($visitor->expect(type => 'stored', event => $event->{event}),
	{ type => 'stored', event => $event->{event} }, '... and stored');
is( $node->value("SELECT name, path, view_id, props, view_id = '$view->{view}' FROM pageviews.events"),
	qq{signup|/signup|$view->{view}|{"plan": "pro", "seats": 3, "trial": true}|t}, 'with its page, its view, its properties');
is( $node->value('SELECT count(*) FROM pageviews.events AS e JOIN pageviews.sessions AS s USING (session_id)
				   WHERE s.user_agent = \'scripted visitor\''), '1', 'its session has a row, though its view has none yet');
is( $node->value("SELECT abs(extract(epoch FROM now() - occurred_at)) < 60 FROM pageviews.events"), 't', 'it happened when its id says');

# --- told again ------------------------------------------------------------------------------

$visitor->tell($event);
is($node->http('POST', '/_view/note', origin => $visitor->{origin}, body => JSON::PP->new->encode([$event]))->{status},
	204, 'a note may tell of it, too');
is(count('signup'), '1 1', 'told three times it is stored once');
is($node->stats->{events_taken}, 1, '... and counted once');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $node->worker_pid . ')');
$visitor->closed;
$node->wait_ready;
$visitor = $node->visitor;
$visitor->tell($event);
is(count('signup'), '1 1', '... also by a worker that knows nothing of it');

# --- in a note, of no view, with odd contents ---------------------------------------------------

my $noted = $visitor->event(undef, 'noted', props => undef);

is(Pageviews::Client::note($node->web, [$noted])->{status}, 204, 'an event may come in a note, of no view');
$node->becomes("SELECT count(*) = 1 AND bool_and(view_id IS NULL AND props IS NULL) FROM pageviews.events WHERE name = 'noted'", '... and is stored');
my %refused = (
	bad_props => $visitor->event(undef, 'nested', props => { a => [] }),
	bad_name => $visitor->event(undef, ''),
	wrong_site => $visitor->event(undef, 'elsewhere', url => 'https://elsewhere.example/'),
	clock => $visitor->event(undef, 'long ago', event => Pageviews::Client::uuid(time * 1000 - 8 * 864e5)));

for my $code (sort keys %refused)
{
	$visitor->send_message($refused{$code});
	my $answer = $visitor->expect(type => 'refused', event => $refused{$code}{event});

	is($answer->{code}, $code, "refused: $code");
	ok(!exists $answer->{n} && !exists $answer->{view}, '... as an event');
}
my $page = $visitor->begin('/both');

$visitor->send_message($visitor->event($page, 'same id', event => $page->{view}));
is($visitor->expect(type => 'refused', event => $page->{view})->{code}, 'rejected', 'no event has the id of a view');
$visitor->end_view($page, visible => 1);
$visitor->send_message($visitor->event($page, 'same id', event => $page->{view}));
is($visitor->expect(type => 'refused', event => $page->{view})->{code}, 'rejected', '... also of one that is over');
my $taken = $visitor->new_view('/takes', view => $event->{event});

$visitor->send_message(Pageviews::Client::message($taken, 'view'));
is($visitor->expect(type => 'refused', view => $event->{event})->{code}, 'rejected', '... and no view that of an event');
for my $bad ({ name => 7 }, { event => 'x' }, { view => 'x' }, { url => undef })
{
	my $client = $node->visitor;

	$client->send_message({ %{ $client->event(undef, 'bad') }, %$bad });
	is($client->expect(type => 'error')->{code}, 'bad_message', JSON::PP->new->canonical->encode($bad) . ' is no event');
}

# --- listeners and servers that die ---------------------------------------------------------------

for my $round (1 .. 3)
{
	my @events = map { $visitor->event($page, "round $round") } 1 .. 40;
	my ($pid) = $node->listener_pids;

	$visitor->send_message($_) for @events[ 0 .. 19 ];
	if ($round == 1) { kill 'KILL', $pid; }
	elsif ($round == 2) { $node->restart; }
	else { $node->stop('immediate'); $node->start; }
	eval { $visitor->closed };
	Pageviews::Cluster::eventually('it answers again', 60, sub { $node->healthy });
	$visitor = $node->visitor;
	$visitor->send_message($_) for @events;
	$visitor->expect(type => 'stored', event => $_->{event}) for @events;
	is(count("round $round"), '40 40', 'killed: ' . ('a listener', 'a server', 'a server, at once')[ $round - 1 ] . ': each is stored once');
}

# --- a partition that was dropped -------------------------------------------------------------------

my $leaf = $node->value("SELECT 'pageviews.events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')");

$node->safe_psql('postgres', "DROP TABLE $leaf");
$visitor->tell($visitor->event(undef, 'after'));
is(count('after'), '1 1', 'a partition that somebody dropped is made again');

# --- what can never be stored ------------------------------------------------------------------------

$node->safe_psql('postgres', "ALTER TABLE pageviews.events ADD CONSTRAINT never CHECK (name <> 'never')");
my $never = $visitor->event($page, 'never');
my $fine = $visitor->event($page, 'fine');

$visitor->send_message($never);
$visitor->send_message($fine);
is($visitor->expect(type => 'refused', event => $never->{event})->{code}, 'rejected', 'what can never be stored is refused');
$node->becomes("SELECT count(*) = 1 FROM pageviews.events WHERE name = 'fine'", '... and its neighbour is stored');
is( $node->value("SELECT kind, sqlstate, row->>'name', row->>'path' FROM pageviews.rejected WHERE view_id = '$never->{event}'"),
	'event|23514|never|/both', '... and set aside');
$node->safe_psql('postgres', 'ALTER TABLE pageviews.events DROP CONSTRAINT never');
my $stats = $node->stats;

is($stats->{events_taken}, $stats->{events_stored} + $stats->{events_rejected} + $stats->{events_queued} + $stats->{events_dropped},
	'every event is accounted for');
is($stats->{events_rejected}, 1, '... one of them rejected');
$node->conserved;

# --- logical replication -------------------------------------------------------------------------------

my $subscriber = Pageviews::Cluster->prepared('subscriber');

$subscriber->start;
$subscriber->safe_psql('postgres', 'CREATE EXTENSION pageviews');
$subscriber->becomes("SELECT count(*) = 6 FROM pg_inherits WHERE inhparent IN ('pageviews.views'::regclass, 'pageviews.events'::regclass)",
	'the subscriber has the partitions of three months');
$node->safe_psql('postgres',
	'CREATE PUBLICATION events FOR TABLE pageviews.events WITH (publish_via_partition_root = true)');
my $connection = $node->connstr . ' dbname=postgres';

$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION events CONNECTION '$connection' PUBLICATION events");
my $replicated = $visitor->event($page, 'replicated');

$visitor->tell($replicated);
$subscriber->becomes("SELECT count(*) = 1 FROM pageviews.events WHERE name = 'replicated'", 'an event is replicated');

# --- forgotten ----------------------------------------------------------------------------------------

my $session = $node->value("SELECT session_id FROM pageviews.events WHERE name = 'fine'");

$node->safe_psql('postgres', "SELECT pageviews.forget_session('$session')");
is($node->value("SELECT count(*) FROM pageviews.events WHERE session_id = '$session'"), '0', 'events are forgotten with their visitor');
$subscriber->becomes("SELECT count(*) = 0 FROM pageviews.events WHERE name = 'replicated'", '... also where they were replicated to');
$visitor->send_message($fine);
is($visitor->expect(type => 'refused', event => $fine->{event})->{code}, 'rejected', '... and do not come back');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION events');
$subscriber->stop;
$node->stop;
done_testing();
