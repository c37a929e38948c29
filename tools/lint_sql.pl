#!/usr/bin/env perl
# What is wrong with an extension's script when somebody planted objects before
# it runs, or calls what it made with a search_path of his own: pgspot's rules,
# and a few more.  (The tool itself is no Debian package.)  And what has no COMMENT.
#
#	tools/lint_sql.pl FILE.sql FILE.control ...
#	tools/lint_sql.pl --self-check
#
# Prints "file:line: rule: what", and ends with status 1, when it finds something.
# The self-check plants a mistake for each rule and fails if one goes unnoticed.
#
# Where names are looked up:
#   pinned    a function with SET search_path = pg_catalog, pg_temp
#   atomic    a BEGIN ATOMIC or RETURN body: parsed once, when the script runs
#   loose     everything else in the script: names and operators need their schema

use strict;
use warnings FATAL => 'all';

my $pin = qr/\bSET\s+search_path\s*(?:=|TO)\s*pg_catalog\s*,\s*pg_temp\b/i;
my $name = qr/[a-z_][a-z0-9_\$]*/i;
my @found;

# Words that may stand before a parenthesis, or where a relation would, and name nothing.
my %syntax = map { $_ => 1 } qw(all and any array as by case check coalesce distinct errcode exists extract filter from greatest group having if in
	insert key lateral least limit nullif offset or order over partition range returning select set then using values when where);

sub report
{
	my ($statement, $rule, $what) = @_;

	$what =~ s/\s+/ /g;
	push @found, { line => $statement->{line}, rule => $rule, what => substr $what, 0, 110 };
}

# --- reading --------------------------------------------------------------------------------

# Splits a script into statements: its line, its text without comments and with
# empty strings, and its body: the text between dollars, or from BEGIN ATOMIC on.
sub statements
{
	my ($script) = @_;
	my @statements;
	my $line = 1;
	my $fresh = sub { { line => 0, raw => '', text => '', body => '', atomic => 0, depth => 0 } };
	my $s = $fresh->();

	while ($script =~ /\G(?:
			(?<comment> --[^\n]*  | \/\*.*?\*\/ )
		  | (?<string> [eE]?'(?:[^']|'')*' )
		  | (?<dollar> (?<tag>\$\w*\$)(?<inside>.*?)\k<tag> )
		  | (?<meta> ^\\[^\n]* )
		  | (?<word> "[^"]+" | [a-zA-Z_]\w* )
		  | (?<end> ; )
		  | (?<other> . ) )/gcsmx)
	{
		my %t = %+;
		my $text = $&;

		$s->{line} ||= $line if defined $t{word};
		$s->{raw} .= defined $t{dollar} ? $t{inside} =~ s/--[^\n]*//gr : $text unless defined $t{comment} || defined $t{meta};
		if (defined $t{word} && uc $text eq 'ATOMIC')
		{
			$s->{atomic} = $s->{depth} = 1;
			$s->{text} .= $text;
		}
		elsif (defined $t{dollar})
		{
			$s->{body} .= blank($t{inside});
		}
		elsif (defined $t{end} && $s->{depth} == 0)
		{
			push @statements, $s;
			$s = $fresh->();
		}
		elsif (!defined $t{comment} && !defined $t{meta})
		{
			my $into = $s->{depth} > 0 ? 'body' : 'text';

			$s->{depth}++ if $s->{depth} > 0 && defined $t{word} && uc $text eq 'CASE';
			$s->{depth}-- if $s->{depth} > 0 && defined $t{word} && uc $text eq 'END';
			$s->{$into} .= defined $t{string} ? "''" : $text;
		}
		$line += () = $text =~ /\n/g;
	}
	push @statements, $s if $s->{text} =~ /\S/;
	return @statements;
}

# A body without its comments and with empty strings.
sub blank
{
	my ($body) = @_;

	$body =~ s/--[^\n]*//g;
	$body =~ s/\/\*.*?\*\///gs;
	$body =~ s/'(?:[^']|'')*'/''/gs;
	return $body;
}

# --- the rules -------------------------------------------------------------------------------

# Functions that are called, and operators that are used, without their schema.
sub loose_names
{
	my ($s, $text) = @_;

	$text =~ s/OPERATOR\s*\(\s*pg_catalog\.[^\s)]+\s*\)/ /gi;
	$text =~ s/\b(?:FUNCTION|INDEX|CONSTRAINT|TABLE|VIEW|TYPE|ON|INTO|AS)\s+(?:ONLY\s+)?[\w."]+\s*(?=\()/ /gi;
	while ($text =~ /(?<![\w.%])($name)\s*\(/g)
	{
		my $function = $1;

		report($s, 'unqualified function', "$function()") unless $syntax{ lc $function };
	}
	$text =~ s/\bSET\s+[\w.]+\s*(?:=|TO)\s*//gi;
	$text =~ s/:=|=>|\(\s*\*\s*\)|\bWITH\s*\([^()]*\)|::|;//g;
	$text =~ s/\b(?:USING\s+ERRCODE|HINT|DETAIL|MESSAGE)\s*=/ /gi;
	$text =~ s/%\w+|\.\*|\bSELECT\s+\*/ /gi;
	report($s, 'unqualified operator', $1) while $text =~ /(\S*\s*[-+*\/<>=~!@#%^&|`?]+\s*\S*)/g;
}

# Relations that are named without a schema: neither qualified, nor a name that
# the statement gives itself (WITH, AS), nor a function.
sub loose_relations
{
	my ($s, $text) = @_;
	my %own = map { lc $_ => 1 } $text =~ /(?:\bWITH(?:\s+RECURSIVE)?|,)\s*($name)\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s*)?\(/gi;

	while ($text =~ /\b(?:FROM|JOIN|INTO|UPDATE|USING|LOCK\s+TABLE)\s+(?:ONLY\s+)?($name)\b(?!\s*[.(])/gi)
	{
		report($s, 'unqualified relation', $1) unless $own{ lc $1 } || $syntax{ lc $1 };
	}
}

sub check_function
{
	my ($s) = @_;
	my ($header) = $s->{text} =~ /^(.*?)(?=\bBEGIN\s+ATOMIC\b|\bAS\s*$|$)/is;
	my ($language) = $s->{text} =~ /\bLANGUAGE\s+(\w+)/i;
	my $pinned = $s->{text} =~ $pin;

	report($s, 'search_path', 'SECURITY DEFINER without SET search_path = pg_catalog, pg_temp')
	  if $s->{text} =~ /\bSECURITY\s+DEFINER\b/i && !$pinned;
	report($s, 'search_path', 'a body that is parsed when it is called, without SET search_path = pg_catalog, pg_temp')
	  if lc($language // '') ne 'c' && !$s->{atomic} && !$pinned && $s->{text} !~ /\bRETURN\b/i;
	report($s, 'search_path', 'a search_path other than pg_catalog, pg_temp')
	  if $s->{text} =~ /\bSET\s+search_path\b/i && !$pinned;
	report($s, 'volatility', 'says no IMMUTABLE, STABLE or VOLATILE') unless $s->{text} =~ /\b(?:IMMUTABLE|STABLE|VOLATILE)\b/i;

	loose_names($s, join ' ', $header =~ /\bDEFAULT\s+(.*?)(?=,\s*\n|\)\s*\n|\bLANGUAGE\b|$)/gis);
	loose_relations($s, $s->{body}) if $s->{atomic};
	report($s, 'dynamic SQL', $1) while $s->{body} =~ /\bEXECUTE\s+((?!format\s*\()\S+)/gi;
}

# One statement of the script.
sub check_statement
{
	my ($s) = @_;
	my $text = $s->{text};

	$text =~ s/^\s+//;
	report($s, 'replaces what is there', $1) while $s->{raw} =~ /\b(CREATE\s+OR\s+REPLACE\s+\w+)/gi;
	report($s, 'takes what is there', $1) while $s->{raw} =~ /\b(CREATE\b[\w\s]*?\bIF\s+NOT\s+EXISTS\s+\S+)/gi;
	report($s, 'grant to PUBLIC', $1) while $s->{raw} =~ /\b(GRANT\b[^;]*?\bTO\b[^;]*?\bPUBLIC\b)/gi;
	report($s, 'settings', $text) if $text =~ /^(?:SET|RESET)\b|\bset_config\s*\(/i;
	report($s, 'extschema', '@extschema@ is replaced as text') if $s->{raw} =~ /\@extschema/i;

	my ($kind, $target) = $text =~ /^(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?(FUNCTION|PROCEDURE|AGGREGATE|TABLE|VIEW|TYPE|SEQUENCE|DOMAIN)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:ONLY\s+)?([\w."]+)/i;

	$kind = uc($kind // '');
	report($s, 'unqualified object', "$kind $target") if $kind && $target !~ /\./;
	report($s, 'unqualified object', "$1 on $2") if $text =~ /^(?:CREATE|ALTER|DROP)\s+(POLICY|TRIGGER|RULE|INDEX|UNIQUE\s+INDEX)\b.*?\bON\s+($name)\b(?!\s*\.)/is;
	report($s, 'unqualified object', "$1 $2") if $text =~ /^COMMENT\s+ON\s+(FUNCTION|TABLE|VIEW|TYPE|INDEX|COLUMN)\s+($name)\b(?!\s*\.)/i;

	check_function($s) if $text =~ /^CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b/i;
	if ($text =~ /^CREATE\s+VIEW\b/i)
	{
		report($s, 'view lends rights', $target) unless $text =~ /security_invoker/i;
		loose_relations($s, $text);
		loose_names($s, $text =~ s/^CREATE\s+VIEW\s+\S+\s+(?:WITH\s*\([^)]*\)\s*)?AS//ir);
	}
	loose_names($s, $text =~ s/^CREATE\s+TABLE\s+\S+//ir) if $text =~ /^CREATE\s+TABLE\b/i;
	if ($text =~ /^CREATE\s+POLICY\b/i)
	{
		loose_names($s, $text);
		loose_relations($s, $text);
	}
	loose_names($s, $text) if $text =~ /^(?:SELECT|INSERT|UPDATE|DELETE)\b/i;
	if ($text =~ /^DO\b/i)
	{
		loose_names($s, $s->{body});
		loose_relations($s, $s->{body});
	}
}

# Every object has its COMMENT, and so has every column of a type.  A report is what
# says so in its own, or takes a period that may be left out; it returns rows of a
# type of the script, because the columns of RETURNS TABLE cannot have any.
sub check_comments
{
	my (@statements) = @_;
	my (%said, %types);

	for my $s (@statements)
	{
		$said{ uc $1 }{ lc $2 } .= $3 if $s->{raw} =~ /^\s*COMMENT\s+ON\s+(\w+)\s+([\w.]+).*?\bIS\s+'(.+)'\s*;?\s*$/is;
		$types{ lc $1 } = $2 if $s->{text} =~ /^\s*CREATE\s+TYPE\s+([\w.]+)\s+AS\s*\((.*)\)\s*$/is;
	}
	for my $s (@statements)
	{
		next unless $s->{text} =~ /^\s*CREATE\s+(?:OR\s+REPLACE\s+)?(FUNCTION|TABLE|VIEW|TYPE)\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.]+)(.*)/is;
		my ($kind, $object, $rest) = (uc $1, lc $2, $3);
		my $comment = $said{$kind}{$object} // '';

		report($s, 'no comment', "$kind $object") if $comment eq '';
		if ($kind eq 'TYPE' && defined $types{$object})
		{
			for my $column (map { lc } $types{$object} =~ /(?:^|,)\s*($name)\s+$name/gi)
			{
				report($s, 'no comment', "COLUMN $object.$column") unless $said{COLUMN}{"$object.$column"};
			}
		}
		next unless $kind eq 'FUNCTION' && ($comment =~ /^report\b/ || $rest =~ /\bsince\s+timestamptz\s+DEFAULT\b/i);
		report($s, 'columns of a report', "$object() returns no rows of a type")
		  unless $rest =~ /\bRETURNS\s+SETOF\s+([\w.]+)/i && defined $types{ lc $1 };
	}
}

# What the statements together must say.
sub check_script
{
	my ($script, @statements) = @_;
	my $revoked = join ' ', map { $_->{text} =~ /^\s*REVOKE\s+ALL\b(.*)\bFROM\s+PUBLIC\s*$/is ? $1 : () } @statements;

	for my $s (@statements)
	{
		next unless $s->{text} =~ /^\s*CREATE\s+(?:OR\s+REPLACE\s+)?(FUNCTION|TABLE|VIEW|TYPE)\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.]+)/i;
		report($s, 'open to PUBLIC', "$1 $2: no REVOKE ALL ... FROM PUBLIC") unless $revoked =~ /(?<![\w.])\Q$2\E(?![\w.])/;
	}
	check_comments(@statements);
	report({ line => 1 }, 'psql can run it', 'no \echo ... \quit') unless $script =~ /^\\echo .*\\quit$/m;
}

sub check_control
{
	my ($control) = @_;

	report({ line => 1 }, 'control', 'trusted: whoever may create in the database could install it') if $control =~ /^\s*trusted\s*=\s*(?:true|on|yes|1)/mi;
	report({ line => 1 }, 'control', 'superuser = false') if $control =~ /^\s*superuser\s*=\s*(?:false|off|no|0)/mi;
	report({ line => 1 }, 'control', 'relocatable, but its schema is fixed') if $control =~ /^\s*relocatable\s*=\s*(?:true|on|yes|1)/mi;
	report({ line => 1 }, 'control', 'no schema: it goes wherever its installer says') unless $control =~ /^\s*schema\s*=\s*\S/m;
}

sub findings
{
	my ($text, $is_control) = @_;
	my @statements = $is_control ? () : statements($text);

	@found = ();
	check_control($text) if $is_control;
	check_statement($_) for @statements;
	check_script($text, @statements) unless $is_control;
	return @found;
}

# --- the self-check -----------------------------------------------------------------------------

my $good_script = <<'SQL';
\echo Use "CREATE EXTENSION x" to load this file. \quit
-- GRANT ALL TO PUBLIC is not what this comment does; nor does it say a = b.
CREATE TABLE x.t (a integer DEFAULT pg_catalog.abs(1) CHECK (a OPERATOR(pg_catalog.>) 0), CONSTRAINT k PRIMARY KEY (a));
CREATE FUNCTION x.f(a integer DEFAULT 1 OPERATOR(pg_catalog.+) 1) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH w AS (SELECT CASE WHEN t.a = 1 THEN 2 END AS b FROM x.t AS t) SELECT count(*) FROM w;
END;
CREATE FUNCTION x.r(a integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN abs(a + 1);
CREATE FUNCTION x.q() RETURNS integer LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH RECURSIVE v AS (SELECT 1 AS a UNION ALL SELECT v.a + 1 FROM v WHERE v.a < 9) SELECT max(v.a) FROM v;
END;
CREATE FUNCTION x.p() RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ BEGIN EXECUTE format('SELECT %L', 'a; b' || 'c'); END $$;
CREATE VIEW x.v WITH (security_invoker = true) AS SELECT t.a FROM x.t AS t;
CREATE POLICY o ON x.t USING (a OPERATOR(pg_catalog.=) ANY ((SELECT x.list())::integer[]));
CREATE TYPE x.l AS (a integer, b numeric(10, 2), c text[]);
CREATE FUNCTION x.l(since timestamptz DEFAULT pg_catalog.now()) RETURNS SETOF x.l LANGUAGE c STABLE AS 'l';
REVOKE ALL ON x.t, x.v FROM PUBLIC;
REVOKE ALL ON TYPE x.l FROM PUBLIC;
REVOKE ALL ON FUNCTION x.f(integer), x.r(integer), x.q(), x.p(), x.l(timestamptz) FROM PUBLIC;
COMMENT ON TABLE x.t IS 'not''s';
COMMENT ON VIEW x.v IS 'v';
COMMENT ON TYPE x.l IS 'l';
COMMENT ON COLUMN x.l.a IS 'a'; COMMENT ON COLUMN x.l.b IS 'b'; COMMENT ON COLUMN x.l.c IS 'c';
COMMENT ON FUNCTION x.f(integer) IS 'f'; COMMENT ON FUNCTION x.r(integer) IS 'r'; COMMENT ON FUNCTION x.q() IS 'q'; COMMENT ON FUNCTION x.p() IS 'p';
COMMENT ON FUNCTION x.l(timestamptz) IS 'report: l';
-- Of what is planted.
COMMENT ON FUNCTION x.g() IS 'g'; COMMENT ON TABLE x.u IS 'u'; COMMENT ON VIEW x.w IS 'w'; COMMENT ON TYPE x.e IS 'e';
SQL

my $function = 'REVOKE ALL ON FUNCTION x.g() FROM PUBLIC; CREATE FUNCTION x.g() RETURNS integer ';
my @planted = (
	[ 'search_path', "$function LANGUAGE c VOLATILE SECURITY DEFINER AS 'g'" ],
	[ 'search_path', "$function LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_temp, pg_catalog BEGIN ATOMIC SELECT 1; END" ],
	[ 'search_path', "$function LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog BEGIN ATOMIC SELECT 1; END" ],
	[ 'search_path', "$function LANGUAGE plpgsql VOLATILE AS \$\$ BEGIN RETURN 1; END \$\$" ],
	[ 'search_path', "$function LANGUAGE sql STABLE AS 'SELECT 1'" ],
	[ 'volatility', "$function LANGUAGE c AS 'g'" ],
	[ 'unqualified relation', "$function LANGUAGE sql STABLE BEGIN ATOMIC SELECT a FROM t; END" ],
	[ 'unqualified relation', "$function LANGUAGE sql STABLE BEGIN ATOMIC SELECT u.a FROM x.t AS u JOIN t ON true; END" ],
	[ 'unqualified function', 'REVOKE ALL ON FUNCTION x.g(integer) FROM PUBLIC; CREATE FUNCTION x.g(a integer DEFAULT abs(1)) RETURNS integer LANGUAGE c STABLE AS \'g\'' ],
	[ 'dynamic SQL', "$function LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS \$\$ BEGIN EXECUTE 'DROP TABLE ' || t; END \$\$" ],
	[ 'open to PUBLIC', "CREATE FUNCTION x.g() RETURNS integer LANGUAGE c STABLE AS 'g'" ],
	[ 'open to PUBLIC', 'CREATE TABLE x.u (a integer)' ],
	[ 'open to PUBLIC', "CREATE TYPE x.e AS ENUM ('a')" ],
	[ 'grant to PUBLIC', 'GRANT SELECT ON x.t TO someone, PUBLIC' ],
	[ 'grant to PUBLIC', "DO \$\$ BEGIN EXECUTE pg_catalog.format('GRANT SELECT ON x.%I TO PUBLIC', ''); END \$\$" ],
	[ 'replaces what is there', "REVOKE ALL ON FUNCTION x.g() FROM PUBLIC; CREATE OR REPLACE FUNCTION x.g() RETURNS integer LANGUAGE c STABLE AS 'g'" ],
	[ 'takes what is there', 'REVOKE ALL ON x.u FROM PUBLIC; CREATE TABLE IF NOT EXISTS x.u (a integer)' ],
	[ 'takes what is there', 'CREATE SCHEMA IF NOT EXISTS x' ],
	[ 'unqualified object', 'REVOKE ALL ON u FROM PUBLIC; COMMENT ON TABLE u IS \'u\'; CREATE TABLE u (a integer)' ],
	[ 'unqualified object', 'CREATE INDEX i ON t (a)' ],
	[ 'unqualified object', 'CREATE POLICY q ON t USING (true)' ],
	[ 'unqualified object', "COMMENT ON TABLE t IS 'x'" ],
	[ 'unqualified operator', 'REVOKE ALL ON x.u FROM PUBLIC; CREATE TABLE x.u (a integer CHECK (a > 0))' ],
	[ 'unqualified operator', 'CREATE POLICY q ON x.t USING (a = 1)' ],
	[ 'unqualified operator', "DO \$\$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relname = '') THEN RETURN; END IF; END \$\$" ],
	[ 'unqualified function', "SELECT pg_extension_config_dump('x.t', '')" ],
	[ 'unqualified relation', 'DO $$ BEGIN PERFORM FROM pg_class; END $$' ],
	[ 'view lends rights', 'REVOKE ALL ON x.w FROM PUBLIC; CREATE VIEW x.w AS SELECT t.a FROM x.t AS t' ],
	[ 'no comment', "REVOKE ALL ON FUNCTION x.h() FROM PUBLIC; CREATE FUNCTION x.h() RETURNS integer LANGUAGE c STABLE AS 'h'" ],
	[ 'no comment', "REVOKE ALL ON x.h FROM PUBLIC; COMMENT ON TABLE x.h IS ''; CREATE TABLE x.h (a integer)" ],
	[ 'no comment', 'REVOKE ALL ON x.h FROM PUBLIC; CREATE VIEW x.h WITH (security_invoker = true) AS SELECT t.a FROM x.t AS t' ],
	[ 'no comment', "REVOKE ALL ON TYPE x.h FROM PUBLIC; COMMENT ON TABLE x.h IS 'h'; CREATE TYPE x.h AS ENUM ('a')" ],
	[ 'no comment', "REVOKE ALL ON TYPE x.h FROM PUBLIC; COMMENT ON TYPE x.h IS 'h'; COMMENT ON COLUMN x.h.a IS 'a'; CREATE TYPE x.h AS (a integer, b integer)" ],
	[ 'columns of a report', "REVOKE ALL ON FUNCTION x.h() FROM PUBLIC; COMMENT ON FUNCTION x.h() IS 'report: h'; CREATE FUNCTION x.h() RETURNS TABLE (a integer) LANGUAGE c STABLE AS 'h'" ],
	[ 'columns of a report', "$function LANGUAGE c STABLE AS 'g'" =~ s/x\.g\(\) RETURNS integer/x.g(since timestamptz DEFAULT pg_catalog.now()) RETURNS SETOF x.t/r ],
	[ 'settings', 'SET search_path = public' ],
	[ 'settings', "SELECT pg_catalog.set_config('search_path', '', true)" ],
	[ 'extschema', "DO \$\$ BEGIN EXECUTE pg_catalog.format('DROP TABLE \@extschema\@.t'); END \$\$" ],
);
my @planted_controls = (
	"schema = x\ntrusted = true\n", "schema = x\nsuperuser = false\n", "schema = x\nrelocatable = true\n", "superuser = true\n");

sub self_check
{
	my $bad = 0;
	my $expect = sub {
		my ($what, $rules, @got) = @_;
		my %got = map { $_->{rule} => 1 } @got;
		my $got = join ', ', sort keys %got;

		return if $got eq $rules;
		print "planted: $what\n  expected: ", $rules || 'nothing', "\n  found: ", join('; ', map { "$_->{rule}: $_->{what}" } @got) || 'nothing', "\n";
		$bad = 1;
	};

	$expect->('nothing', '', findings($good_script));
	$expect->($_->[1], $_->[0], findings("$good_script$_->[1];\n")) for @planted;
	$expect->('no guard', 'psql can run it', findings($good_script =~ s/^\\echo.*\n//r));
	$expect->('a good control file', '', findings("schema = x\nsuperuser = true\nrelocatable = false\n", 1));
	$expect->($_, 'control', findings($_, 1)) for @planted_controls;
	return $bad;
}

exit self_check() if @ARGV == 1 && $ARGV[0] eq '--self-check';
die "usage: $0 FILE.sql FILE.control ... | --self-check\n" unless @ARGV && !grep { !/\.(?:sql|control)$/ } @ARGV;

my $bad = 0;

for my $file (@ARGV)
{
	open my $in, '<', $file or die "$file: $!\n";
	my $text = do { local $/; <$in> };

	for my $finding (findings($text, $file =~ /\.control$/))
	{
		print "$file:$finding->{line}: $finding->{rule}: $finding->{what}\n";
		$bad = 1;
	}
}
exit $bad;
