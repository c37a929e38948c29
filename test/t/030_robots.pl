# Robots are stored and kept out of the reports, turned away, or taken for
# people, as the setting says, and a session that turns out to be one later
# is marked then.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Test::More;

use constant ROBOT => 'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)';
use constant PERSON => 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';

my $node = Pageviews::Cluster->running('main');

# Views a page from beginning to end, as somebody; its visitor and its session.
sub visit
{
	my ($path, %o) = @_;
	my $visitor = $node->visitor(%o);
	my $view = $visitor->begin($path);

	$visitor->end_view($view, visible => 10);
	return ($visitor, $node->row($view->{view})->{session_id});
}

# How often pages() counts a path.
sub reported
{
	my ($path) = @_;

	return $node->value("SELECT coalesce((SELECT views FROM pageviews.pages() WHERE path = '$path'), 0)");
}

sub robot
{
	my ($session) = @_;

	return $node->value("SELECT robot FROM pageviews.sessions WHERE session_id = '$session'");
}

# --- mark: the default --------------------------------------------------------------

my ($person, $session) = visit('/page_a', agent => PERSON);

is(robot($session), 'f', 'a browser is no robot');
is(reported('/page_a'), 1, '... and reported');
(undef, my $robot) = visit('/page_b', agent => ROBOT);
is(robot($robot), 't', 'a robot is stored and marked');
is(reported('/page_b'), 0, '... and not reported');
is($node->value('SELECT sum(views) FROM pageviews.timeline()'), 1, '... by no report');
is($node->value("SELECT count(*) FROM pageviews.session_views('$robot')"), 1, '... but by that of its session');

# The session of a person, from a browser that now says it is none.
visit('/page_c', agent => ROBOT, cookie => $person->cookie);
is(robot($session), 't', 'a session that turns out to be a robot is marked');
is(reported('/page_a'), 0, '... and not reported any more');
visit('/page_c', agent => PERSON, cookie => $person->cookie);
is(robot($session), 't', '... for good');

# The same, but both views in one batch: what counts is not which row comes first.
$node->set_now(flush_interval => '2s');
$node->becomes("SELECT current_setting('pageviews.flush_interval') = '2s'", 'rows wait for each other');
for my $agents ([ PERSON, ROBOT ], [ ROBOT, PERSON ])
{
	my $first = $node->visitor(agent => $agents->[0]);
	my $second = $node->visitor(agent => $agents->[1], cookie => $first->cookie);
	my @views = ($first->begin('/page_f'), $second->begin('/page_f'));
	my $batches = $node->value('SELECT batches FROM pageviews.worker_stats');

	$first->say_view($views[0], 'end', reason => 'closed', visible => 10);
	$second->say_view($views[1], 'end', reason => 'closed', visible => 10);
	is(robot($node->row($views[1]{view})->{session_id}), 't', 'one robot in a batch marks the session');
	is($node->value('SELECT batches FROM pageviews.worker_stats') - $batches, 1, '... which was one');
}
$node->set_now(flush_interval => '100ms');

# The session of a person that opens more pages than a person does.
my $hasty = $node->visitor(agent => PERSON);
my $begun = $hasty->begin('/page_g');

$hasty->end_view($begun, visible => 10);
my $session_of_hasty = $node->row($begun->{view})->{session_id};

is(robot($session_of_hasty), 'f', 'who opens one page is a person');
$node->visitor(agent => PERSON, cookie => $hasty->cookie)->close for 1 .. 130;
visit('/page_g', agent => PERSON, cookie => $hasty->cookie);
is(robot($session_of_hasty), 't', 'who opens 130 in a moment is none');

# --- keep, refuse ------------------------------------------------------------------------

$node->set_now(robots => 'keep');
Pageviews::Cluster::eventually('a kept robot is a person', 60,
	sub { my (undef, $kept) = visit('/page_d', agent => ROBOT); robot($kept) eq 'f' });
is(reported('/page_d'), 1, 'a robot that is kept is a person');

$node->set_now(robots => 'refuse');
Pageviews::Cluster::eventually('robots are refused', 60, sub { $node->visitor(agent => ROBOT)->{status} == 403 });
$node->becomes('SELECT refused_robot = 1 FROM pageviews.worker_stats', 'robots are refused and counted');
visit('/page_e', agent => PERSON);
is(reported('/page_e'), 1, 'people are not');
$node->conserved;
done_testing();
