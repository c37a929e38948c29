# What peers send does not forge a line of the server's log, bend a terminal that
# shows it, or tell where a visitor came from; and what was stored restores.

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(command_ok slurp_file);
use Test::More;

my $node = Pageviews::Cluster->running('main');
my $from = $node->log_end;
my $line = '2026-01-01 00:00:00.000 UTC [1] FATAL:  forged';
my $address = '203.0.113.77';
my @evil = ("\r\n$line", "\n$line", "\e[2J\e]0;owned\a", "\x9b31m", "\0$line", "\xff\xfe\xc0\xaf", "\x{7f}\x{08}\x{0b}\x{85}");

# --- whoever reads the log reads nothing of this ------------------------------------------------------

for my $evil (@evil)
{
	my $proxy = [ "X-Forwarded-For: $address" ];

	eval { $node->http('GET', "/_view/$evil", headers => $proxy) };
	eval { $node->http('GET', '/_view/client.js', cookie => "_pageviews_session=$evil", headers => $proxy) };
	eval { $node->http('POST', '/_view/note', body => "[{\"type\":\"$evil\"}]", origin => "http://$evil", headers => $proxy) };
	eval { $node->visitor(origin => "http://$evil", headers => $proxy, hello => 0) };
	eval { $node->visitor(agent => $evil, headers => $proxy, hello => 0) };
	eval { $node->visitor(protocol => $evil, headers => $proxy, hello => 0) };
	eval {
		my $visitor = $node->visitor(headers => $proxy);

		$visitor->send_text("{\"type\":\"$evil\"}");
		$visitor->send_text($evil);
		$visitor->closed;
	};
}

# An error of the database may quote a title, and have newlines of its own.
$node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'the title is ' || NEW.title || E'\\n$line\\x1b[2J';
END \$\$;
CREATE TRIGGER tell BEFORE INSERT ON pageviews.views FOR EACH ROW EXECUTE FUNCTION public.tell();
SQL
my $visitor = $node->visitor(headers => [ "X-Forwarded-For: $address" ], agent => "agent \e[2J");
my $view = $visitor->begin("/evil\e[2J%0A$line", title => "title\r\n$line\e[2J", name => "name\n$line");

$visitor->send_message(Pageviews::Client::message($view, 'end', reason => 'closed', visible => 5));
$node->logged(qr/failed and will be tried again: the title is title/, $from, 'an error that quotes a title is logged');
$node->safe_psql('postgres', 'DROP TRIGGER tell ON pageviews.views');
$visitor->expect(type => 'stored', view => $view->{view});

my $log = slurp_file($node->logfile, $from);
my @lines = split /\n/, $log;

is(scalar(grep { /^\Q$line\E/ } @lines), 0, 'no line is forged');
is(scalar(grep { /[\x00-\x08\x0b-\x1f\x7f]/ } @lines), 0, 'no control character is in the log');
unlike($log, qr/\Q$address\E/, 'no address of a visitor is in the log');

# --- nor do the rows hold what would not restore ---------------------------------------------------------

my $row = $node->row($view->{view});

unlike(join('', map { $_ // '' } values %$row), qr/[\x00-\x1f\x7f]/, 'no control character is in the row');
is($node->value("SELECT count(*) FROM pageviews.sessions s WHERE s::text ~ '[[:cntrl:]]' OR s::text LIKE '%$address%'"), '0', '... or in a session');
my $file = $node->backup_dir . '/dump';

command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-Fc', '-f', $file ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('copy'), $file ], 'pg_restore');
$node->conserved;
$node->stop;
done_testing();
