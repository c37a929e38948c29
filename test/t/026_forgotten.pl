# forget_session() reaches a visitor's views wherever they are: in the tables, on
# the board, in the queue, among the rejected; and none of them comes back.

use strict;
use warnings FATAL => 'all';

use File::Find ();
use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $node = Pageviews::Cluster->running('main', linger => '500ms', checkpoint_interval => '1s');
my $other = $node->visitor;
my $kept = $other->begin('/kept');

$other->end_view($kept, visible => 1);

# How many rows of a session there are, anywhere that SQL can see.
sub traces
{
	my ($session) = @_;

	return $node->value(join ' + ', 'SELECT 0', map { "(SELECT count(*) FROM pageviews.$_ WHERE session_id = '$session')" }
		qw(views sessions rejected live_views));
}

# The files of tables and indexes in which some bytes are written.
sub files_with
{
	my ($bytes) = @_;
	my @files;

	$node->safe_psql('postgres', 'CHECKPOINT');
	File::Find::find({ no_chdir => 1, wanted => sub { push @files, $_ if -f && index(slurp_file($_), $bytes) >= 0 } },
		$node->data_dir . '/base');
	return scalar @files;
}

sub queued
{
	return $node->stats->{views_queued};
}

# --- among the rejected -------------------------------------------------------------------------

$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION public.no_secrets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.path = '/secret' THEN
		RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'secret';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER no_secrets BEFORE INSERT ON pageviews.views FOR EACH ROW EXECUTE FUNCTION public.no_secrets();
SQL
my $visitor = $node->visitor;
my $title = 'a title like no other';
my $public = $visitor->begin('/public', title => $title);

$visitor->end_view($public, visible => 10);
my $session = $node->row($public->{view})->{session_id};
my $secret = $visitor->begin('/secret', title => $title);

$visitor->send_message(Pageviews::Client::message($secret, 'end', reason => 'closed', visible => 20));
is($visitor->expect(type => 'refused', view => $secret->{view})->{code}, 'rejected', 'a view cannot be stored');
is($node->value("SELECT count(*) FROM pageviews.rejected WHERE session_id = '$session'"), '1', '... and is set aside');

cmp_ok(files_with($title), '>=', 2, 'files know the title');
cmp_ok(files_with(pack 'H*', $session =~ tr/-//dr), '>=', 3, '... and the session');

# --- in the queue, while the table is locked, and on the board ---------------------------------------

my $open = $visitor->begin('/open');
my $second = $node->visitor(cookie => $visitor->cookie);
my $waiting = $second->begin('/waiting');
my $locker = $node->background_psql('postgres');

$locker->query_safe('BEGIN; LOCK TABLE pageviews.views IN ACCESS EXCLUSIVE MODE');
$second->send_message(Pageviews::Client::message($waiting, 'end', reason => 'closed', visible => 30));
Pageviews::Cluster::eventually('the view waits', 10, sub { queued() == 1 });
is($node->value("SELECT count(*) FROM pageviews.live_views WHERE session_id = '$session'"), '1', 'a view is on the board, another in the queue');
$locker->query_safe("SELECT pageviews.forget_session('$session')");
$locker->query_safe('COMMIT');
$locker->quit;
Pageviews::Cluster::eventually('board and queue are empty', 10, sub { my $s = $node->stats; $s->{views_queued} + $s->{views_open} + $s->{views_lost} == 0 });
is(traces($session), '0', 'nothing is left of the session');
is($node->stats->{views_dropped}, 2, 'two views were dropped from memory');

$node->safe_psql('postgres', 'VACUUM (FULL, ANALYZE)');
is(files_with($title), 0, 'vacuumed, no file knows the title');
is(files_with(pack 'H*', $session =~ tr/-//dr), 0, '... or the session');

# --- and does not come back -----------------------------------------------------------------------------

for my $view ($open, $waiting, $public, $secret)
{
	$visitor->send_message(Pageviews::Client::message($view, 'view', visible => 40));
	is($visitor->expect(type => 'refused', view => $view->{view})->{code}, 'rejected', "$view->{page}{url} is refused when its page goes on");
	$visitor->send_message(Pageviews::Client::message($view, 'end', visible => 50, whole => 1));
	is($visitor->expect(type => 'refused', view => $view->{view})->{code}, 'rejected', '... and when its browser tells of it afterwards');
}
my $stranger = $node->visitor;

$stranger->send_message(Pageviews::Client::message($open, 'view', visible => 60));
is($stranger->expect(type => 'refused', view => $open->{view})->{code}, 'rejected', '... under another cookie too');
is(traces($session), '0', 'still nothing is left');

# What the browser views from now on is counted like any visit.
my $new = $visitor->begin('/new');

$visitor->end_view($new, visible => 70);
is(traces($session), '2', 'a view that began afterwards counts');
is($node->row($kept->{view})->{engagement_ms}, 1, 'nobody else was touched');
$node->conserved;
$node->stop;
done_testing();
