# Rows that a trigger or a constraint makes slow or impossible to store: the slow
# ones are stored in smaller batches, the impossible ones are set aside with their
# error, whatever its code, and nothing of them stays open for ever.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;
use Time::HiRes qw(time);

my $node = Pageviews::Cluster->running('main',
	linger => '1s', flush_interval => '500ms', max_connections_per_address => 0);

# Puts a function's body before every row that is stored.
sub trigger
{
	my ($body) = @_;

	$node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION public.before_row() RETURNS trigger LANGUAGE plpgsql AS \$\$
$body
\$\$;
CREATE TRIGGER before_row BEFORE INSERT ON pageviews.views FOR EACH ROW EXECUTE FUNCTION public.before_row();
SQL
}

sub no_trigger
{
	$node->safe_psql('postgres', 'DROP FUNCTION public.before_row() CASCADE');
}

# --- errors that no list of codes foresees -------------------------------------------------

trigger(<<'SQL');
DECLARE
	x integer;
BEGIN
	CASE NEW.path
		WHEN '/no_data' THEN SELECT 1 INTO STRICT x WHERE false;
		WHEN '/too_many' THEN SELECT n INTO STRICT x FROM generate_series(1, 2) AS n;
		WHEN '/own' THEN RAISE EXCEPTION 'no page of ours' USING ERRCODE = 'PV123';
		WHEN '/assert' THEN ASSERT false, 'never';
		ELSE NULL;
	END CASE;
	RETURN NEW;
END
SQL
my %bad = ('/no_data' => 'P0002', '/too_many' => 'P0003', '/own' => 'PV123', '/assert' => 'P0004');
my @paths = ('/good/1', '/no_data', '/good/2', '/too_many', '/good/3', '/own', '/good/4', '/assert', '/good/5');
my @visitors = map { $node->visitor } @paths;
my @views = map { $visitors[$_]->begin($paths[$_]) } 0 .. $#paths;

$visitors[$_]->send_message(Pageviews::Client::message($views[$_], 'end', reason => 'closed', visible => $_)) for 0 .. $#paths;
for my $i (0 .. $#paths)
{
	my $state = $bad{ $paths[$i] };
	my $answer = eval {
		$visitors[$i]->expect(type => $state ? 'refused' : 'stored', view => $views[$i]{view}, timeout => $i ? 1 : 10);
	};

	ok($answer, $state ? "$paths[$i] is refused" : "$paths[$i] is stored");
}
is( $node->value(q{SELECT string_agg(row->>'path' || ' ' || sqlstate, ', ' ORDER BY row->>'path') FROM pageviews.rejected}),
	join(', ', map { "$_ $bad{$_}" } sort keys %bad),
	'each bad row is set aside with its code');
is($node->value("SELECT count(*) FROM pageviews.views WHERE path LIKE '/good/%' AND ended_at IS NOT NULL"), '5', 'and the rest is stored');
is($node->stats->{queue_length}, 0, 'nothing waits');

# A worker that knows nothing of it meets the same error, and that is still one bad row.
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $node->worker_pid . ')');
$_->closed for @visitors;
$node->wait_ready;
my ($own) = grep { $paths[$_] eq '/own' } 0 .. $#paths;
my $again = $node->visitor;

$again->send_message(Pageviews::Client::message($views[$own], 'end', reason => 'closed', visible => 90, whole => 1));
is($again->expect(type => 'refused', view => $views[$own]{view})->{code}, 'rejected', 'a bad row is refused by the next worker, too');
is( $node->value("SELECT count(*), max(row->>'engagement_ms') FROM pageviews.rejected WHERE view_id = '$views[$own]{view}'"),
	'1|90', '... and set aside once, as it was last');
no_trigger();

# --- the end of a view that is in the table as an open one ---------------------------------------

$node->safe_psql('postgres', "ALTER TABLE pageviews.views ADD CONSTRAINT short CHECK (path <> '/long' OR engagement_ms < 1000)");
$node->set_now(checkpoint_interval => '1s');
my $visitor = $node->visitor;
my $long = $visitor->begin('/long', state => 'hidden', visible => 400, elapsed => 3000);
my $other = $node->visitor;
my $open = $other->begin('/open', state => 'hidden', visible => 400, elapsed => 500);

for my $view ($long, $open)
{
	$node->becomes("SELECT count(*) = 1 FROM pageviews.views WHERE view_id = '$view->{view}' AND ended_at IS NULL",
		"a view is stored as it stands");
}
$visitor->send_message(Pageviews::Client::message($long, 'end', reason => 'closed', visible => 2500));
is($visitor->expect(type => 'refused', view => $long->{view})->{code}, 'rejected', 'its end cannot be stored');
is($node->value("SELECT sqlstate FROM pageviews.rejected WHERE view_id = '$long->{view}'"), '23514', '... and is set aside');
my $rejected = time;
my $row = $node->ended_row($long->{view});

is(($row // {})->{end_reason}, 'recovered', 'its open row is closed');
is(($row // {})->{engagement_ms}, 400, '... with the engagement of the last checkpoint');
note(sprintf 'closed after %.1f s', time - $rejected);
is($node->row($open->{view})->{ended_at}, undef, 'a view that is open stays so');
$other->end_view($open, visible => 450);
is($node->row($open->{view})->{end_reason}, 'closed', '... until its end');
$node->safe_psql('postgres', 'ALTER TABLE pageviews.views DROP CONSTRAINT short');

# --- a trigger that takes its time --------------------------------------------------------------------

my $views = 1500;
my $before = $node->stats;
my $stored = $node->value('SELECT count(*) FROM pageviews.views');

$node->set_now(checkpoint_interval => '10min');
my $load = $node->load_start('--views', $views, '--visitors', $views, '--stage', '--end', 'fin');

Pageviews::Cluster::load_line($load, qr/^open$/m);
trigger('BEGIN PERFORM pg_sleep(0.004); RETURN NEW; END');
Pageviews::Cluster::load_go($load);
is(Pageviews::Cluster::load_finish($load)->{closed}, $views, "$views visitors leave at once");
$node->becomes(
	"SELECT count(*) = $views + $stored FROM pageviews.views WHERE ended_at IS NOT NULL",
	'their rows, 4 ms each, are stored, though a transaction may take 2 s', 40);
# Where they were not, this tells whether they are lost.
no_trigger();
Pageviews::Cluster::eventually('nothing waits', 60, sub { $node->stats->{queue_length} == 0 });
my $after = $node->stats;

is($after->{views_rejected}, $before->{views_rejected}, 'nothing is set aside');
cmp_ok($after->{retries}, '>', $before->{retries}, 'though batches failed at first');
$node->all_stored($views + $stored);
$node->conserved;
$node->stop;
done_testing();
