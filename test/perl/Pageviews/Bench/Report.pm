# The table on the screen, RESULTS.md, and the plots.

package Pageviews::Bench::Report;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use POSIX qw(strftime);
use PostgreSQL::Test::Utils ();

# met, or by how much it was missed
sub verdict
{
	my ($r) = @_;

	return '' unless defined $r->{met};
	return 'met' if $r->{met};
	return defined $r->{missed_by} ? sprintf('missed by %.0f %%', 100 * $r->{missed_by}) : 'missed';
}

sub cells
{
	my ($r) = @_;

	return ($r->{what}, $r->{measured}, $r->{reference} // '', defined $r->{ratio} ? sprintf('%.2f', $r->{ratio}) : '',
		$r->{goal} // '', verdict($r));
}

my @head = ('what', 'measured', 'reference', 'ratio', 'goal', '');

sub table
{
	my ($screen, @results) = @_;
	my @rows = (\@head, map { [ cells($_) ] } @results);
	my @width = map { my $c = $_; (sort { $b <=> $a } map { length $_->[$c] } @rows)[0] } 0 .. $#head;

	printf $screen join('  ', map { "%-${_}s" } @width) . "\n", @$_ for @rows;
}

# First line of what a command says, or of a file that matches.
sub said
{
	my (@command) = @_;
	my $out = '';

	eval { IPC::Run::run(\@command, '>', \$out, '2>', '/dev/null') };
	return $out =~ /^(.+)$/m ? $1 : 'unknown';
}

sub from_file
{
	my ($file, $pattern) = @_;
	my $text = eval { PostgreSQL::Test::Utils::slurp_file($file) } // '';

	return $text =~ $pattern ? $1 : 'unknown';
}

sub machine
{
	my $cores = () = PostgreSQL::Test::Utils::slurp_file('/proc/cpuinfo') =~ /^processor/mg;

	return sprintf "%s, %d cores, %.0f GB; %s; Linux %s; %s; libwebsockets %s; Node %s",
	  from_file('/proc/cpuinfo', qr/^model name\s*:\s*(.+)$/m), $cores, from_file('/proc/meminfo', qr/^MemTotal:\s+(\d+)/m) / 1024**2,
	  from_file('/etc/os-release', qr/^PRETTY_NAME="(.+)"/m), (POSIX::uname())[2], said('postgres', '--version'),
	  said(qw(dpkg-query -W -f ${Version} libwebsockets-dev)), said('node', '--version');
}

# The results of all sections as Markdown; `sections` are those that were measured.
sub write_markdown
{
	my ($file, %o) = @_;
	my $date = strftime('%Y-%m-%d %H:%M UTC', gmtime);
	my $text = <<"EOT";
# Results

Written by `make bench`; what is measured how is said in [bench.pl](bench.pl), what was found on the way in [NOTES.md](NOTES.md).

- $date, pageviews $o{version}
- $o{machine}
- `$o{command}`: medians of $o{repeats} runs, in alternation with their references, $o{seconds} s each; the server on one core and the load on another, where nothing else is said; flat out is 400 visitors at a time
- one full view: connect, `hello`, `view`, `end`, close, row committed; a tenth of the visitors send their last `end` again
- server CPU: listeners, worker and every process of Postgres; all rows were counted, none was lost

EOT
	$text .= '| ' . join(' | ', @head) . " |\n" . '|---' x @head . "|\n";
	$text .= '| ' . join(' | ', cells($_)) . " |\n" for @{ $o{results} };
	$text .= "\n" . join('', map { "- $_->{what}: $_->{note}\n" } grep { $_->{note} } @{ $o{results} });
	$text .= "\nNot measured, because it failed:\n\n" . join('', map { "- $_\n" } @{ $o{failed} }) if @{ $o{failed} };
	$text .= "\nTo be known when reading this (a generator above 90 % of its core was itself the limit):\n\n"
	  . join('', map { "- $_\n" } @{ $o{warnings} })
	  if @{ $o{warnings} };
	for my $c (@{ $o{curves} })
	{
		$text .= "\n## $c->{title}\n\n![$c->{title}](plots/$c->{name}.svg)\n\n";
		$text .= '| ' . join(' | ', $c->{x}, @{ $c->{columns} }) . " |\n" . '|---' x (1 + @{ $c->{columns} }) . "|\n";
		$text .= '| ' . join(' | ', map { $_ < 10 && $_ != int $_ ? sprintf '%.2f', $_ : sprintf '%.0f', $_ } @$_) . " |\n" for @{ $c->{points} };
	}
	open my $out, '>', $file or die "$file: $!\n";
	print $out $text;
	close $out or die "$file: $!\n";
}

# A curve as SVG, by gnuplot.
sub plot
{
	my ($folder, $c) = @_;
	my @columns = @{ $c->{columns} };
	my $second = $c->{y2} ? "set y2label '$c->{y2}'\nset y2tics\nset ytics nomirror\nset y2range [0:*]\n" : '';
	my $range = $c->{log} ? "set logscale y\n" : "set yrange [0:*]\n";
	my $plots = join ', ', map {
		my $axes = $c->{y2} && $_ > 0 ? ' axes x1y2' : '';

		sprintf "'-' using 1:2$axes with linespoints linewidth 2 pointtype 7 pointsize 0.5 title '%s'", $columns[$_]
	} 0 .. $#columns;
	my $data = join '', map { my $i = $_ + 1; join('', map { "$_->[0] $_->[$i]\n" } @{ $c->{points} }) . "e\n" } 0 .. $#columns;

	my $said;
	my $program = <<"EOT";
set terminal svg size 800,400 dynamic background '#ffffff'
set output '$folder/$c->{name}.svg'
set title '$c->{title}'
set xlabel '$c->{x}'
set ylabel '$c->{y}'
set grid
set key outside bottom horizontal
$range$second
plot $plots
$data
EOT

	IPC::Run::run(['gnuplot'], '<', \$program, '>&', \$said) or die "gnuplot: $said";
}

1;
