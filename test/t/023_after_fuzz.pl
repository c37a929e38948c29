# Hostile connections, and messages that are well-formed and nasty, against a real
# cluster: afterwards the dump restores, the log holds nothing that a peer wrote
# unescaped, and no process has crashed.

use strict;
use warnings FATAL => 'all';
use utf8;

use JSON::PP ();
use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(command_ok slurp_file);
use Test::More;

use constant CONNECTIONS => 4000;

my $node = Pageviews::Cluster->running('main', linger => '300ms', conf => "log_min_messages = debug1\nrestart_after_crash = on\n");
my $postmaster = slurp_file($node->data_dir . '/postmaster.pid') =~ s/\n.*//sr;
my $worker = $node->worker_pid;
my ($listener) = $node->listener_pids;

# --- nasty, but messages ------------------------------------------------------------------

# What SQL, arrays, COPY, JSON and terminals trip over.
my @nasty = (
	"'; DROP TABLE pageviews.views; --", '{"a","b"}', '{NULL,null}', "\\N\\.\t\n", '\\x41\\\\', '$$ $1 $a$', "\x{feff}\x{202e}gpj.exe", "\x{1F469}\x{200D}\x{1F680}" x 30,
	"e\x{0301}" x 200, "\x{10FFFF}\x{FFFE}\x{FDD0}", "\x1b[2J\x07\x00\x{85}\x{9f}", '%s%n%p', "\"'`", '<script>', ' ', "x" x 3000, '[' x 60, "1e131071", "\x{2028}\x{2029}", '"\\u0000"');
my $visitor = $node->visitor(agent => "curl\x1b[31m \\\"%n");
my @told;

for my $i (0 .. $#nasty)
{
	my $text = $nasty[$i];
	my $view = $visitor->new_view("/nasty/$i/" . ($text =~ s/[?#]//gr),
		title => $text, name => $text, language => $text, time_zone => $text, referrer => "http://r.example/$text",
		props => { key => $text, ($text =~ s/\x00//gr) || 'empty' => 1.5, big => 1e308, no => JSON::PP::null });

	$visitor->send_message(Pageviews::Client::message($view, 'view'));
	my $answer = eval { $visitor->receive };

	# One that the listener does not take at all ends the socket; what counts is that nothing breaks.
	if (!$answer || $answer->{type} ne 'ack')
	{
		$visitor = $node->visitor;
		next;
	}
	$visitor->end_view($view, visible => 1);
	push @told, $view->{view};
}
cmp_ok(scalar(@told), '>=', @nasty / 2, @told . ' of ' . @nasty . ' nasty views were taken');
is($node->value("SELECT count(*) FROM pageviews.views WHERE view_id IN ('" . join("', '", @told) . "')"), scalar(@told), '... and all of these are stored');

# --- hostile connections ---------------------------------------------------------------------

my $said = qx($ENV{PAGEVIEWS_HOSTILE} --port @{[ $node->web ]} --connections @{[ CONNECTIONS ]} --patience 20 --stretch 4);
my $report = eval { JSON::PP->new->decode($said) } // {};

is($report->{connections}, CONNECTIONS, CONNECTIONS . ' hostile connections');
is($report->{bad_answers}, 0, 'every answer is one that this server gives');
is($report->{honest}{failed}, 0, "an honest visitor is served $report->{honest}{served} times") or diag($report->{honest}{complaint});
cmp_ok($report->{honest}{served}, '>', 3, '... more than now and then');
$node->becomes('SELECT views_open + views_lost + views_queued = 0 FROM pageviews.worker_stats', 'everything is over');
my $s = $node->conserved;

cmp_ok($s->{views_stored}, '>', 100, "hostile views were stored, too: $s->{views_stored}");
is($node->worker_pid, $worker, 'the worker is the one that it was');
is(($node->listener_pids)[0], $listener, '... and so is the listener');
is(slurp_file($node->data_dir . '/postmaster.pid') =~ s/\n.*//sr, $postmaster, '... and the postmaster');

# --- what is stored can be dumped and restored --------------------------------------------------

my $digest = q{SELECT count(*), count(DISTINCT view_id), sum(engagement_ms), md5(string_agg(v::text, '' ORDER BY view_id)) FROM pageviews.views v};
my $sessions = 'SELECT count(*), md5(string_agg(s::text, \'\' ORDER BY session_id)) FROM pageviews.sessions s';
my $dump = $node->backup_dir . '/after_fuzz';

is($node->value(q{SELECT count(*) FROM pageviews.views WHERE concat(path, name, query, title, referrer, site) ~ '[\u0001-\u001f\u007f-\u009f]'}),
	'0', 'no stored text has a control character');
is($node->value(q{SELECT count(*) FROM pageviews.sessions WHERE concat(user_agent, language, time_zone) ~ '[\u0001-\u001f\u007f-\u009f]'}),
	'0', '... of a session either');
is($node->value('SELECT count(*) FROM pageviews.views WHERE pg_column_size(props) > 20000'), '0', 'no props became large');
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-Fc', '-f', $dump ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE again');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('again'), $dump ], 'restored into a second database');
is($node->safe_psql('again', $digest), $node->value($digest), '... every view is the same');
is($node->safe_psql('again', $sessions), $node->value($sessions), '... and every session');

# --- what is left of it ----------------------------------------------------------------------------

$node->stop;
my $log = slurp_file($node->logfile);

ok($log !~ /([^\n\t\x20-\x7e])/, 'the log has no unescaped control character') or diag(sprintf 'but \x%02x', ord $1);
unlike($log, qr/terminated by signal|PANIC|terminating any other|ended by signal/, 'nobody crashed');
cmp_ok(length $log, '<', 2_000_000, sprintf 'the log has %d bytes', length $log);
is_deeply([ grep { -f } glob($node->data_dir . '/core* ' . $node->data_dir . '/*/core*') ], [], 'there is no core file');
done_testing();
