# Databases that are not UTF-8: what a browser says is stored in their encoding, with
# '?' for what that lacks, reads the same from the board, and restores.

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use Pageviews::Cluster;
use PostgreSQL::Test::Utils qw(command_ok);
use Test::More;

my $node = Pageviews::Cluster->running('main', linger => '300ms');

# What each makes of a title, as bytes in hexadecimal.
my $title = "caf\x{e9} \x{20ac} \x{1f600} \x{65e5}\x{672c}";
my %stores = (
	LATIN1 => '636166e9203f203f203f3f',
	EUC_JP => '636166' . '8fabb1' . '203f203f20' . 'c6fccbdc',
	SQL_ASCII => '636166' . 'c3a9' . '20' . 'e282ac' . '20' . 'f09f9880' . '20' . 'e697a5e69cac');

for my $encoding (sort keys %stores)
{
	my $database = lc $encoding;
	my $asks = sub { return $node->safe_psql($database, $_[0]) };
	my $expected = $stores{$encoding};

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	$node->set(database => $database);
	$node->stop;
	$node->start;
	$asks->('CREATE EXTENSION pageviews');
	$node->wait_ready;

	my $visitor = $node->visitor;
	my $other = $node->visitor;
	my $view = $visitor->begin('/stored', title => $title, name => $title, props => { $title => $title });
	my $open = $other->begin('/open', title => $title);

	$visitor->end_view($view, visible => 5);
	is($asks->("SELECT encode(title::bytea, 'hex') FROM pageviews.views WHERE view_id = '$view->{view}'"), $expected, "$encoding: a title is stored");
	is($asks->("SELECT encode(name::bytea, 'hex') FROM pageviews.views WHERE view_id = '$view->{view}'"), $expected, '... and a name');
	is($asks->("SELECT string_agg(encode(key::bytea, 'hex') || ' ' || encode(value::bytea, 'hex'), ',') FROM pageviews.views, jsonb_each_text(props) WHERE view_id = '$view->{view}'"),
		"$expected $expected", '... and a property');
	is($asks->("SELECT count(*) FROM pageviews.live_views WHERE view_id = '$open->{view}' AND path = '/open'"), '1', '... and the board can be read');
	$other->end_view($open, visible => 5);

	my $dump = $node->backup_dir . "/$database";

	command_ok([ 'pg_dump', '-d', $node->connstr($database), '-Fc', '-f', $dump ], '... it can be dumped');
	$node->safe_psql('postgres', "CREATE DATABASE again_$database TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	command_ok([ 'pg_restore', '-e', '-d', $node->connstr("again_$database"), $dump ], '... and restored');
	is($node->safe_psql("again_$database", 'SELECT count(*) FROM pageviews.views'), '2', '... with all in it');
	$node->conserved('... and all accounted for');
	is($asks->('SELECT views_rejected FROM pageviews.worker_stats'), '0', '... and nothing was set aside');
}
$node->stop;
done_testing();
