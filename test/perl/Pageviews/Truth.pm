# Every report against the plain truth: random questions, each asked of all reports,
# while nothing, some, or all of the views are rolled up and packed, and after changes
# by hand.
#
# Counts and sums have to be equal.  Distinct visitors may be off by 2 where there are
# at most 2,048, and are estimated above, with a standard error of 0.8 %: 4 % is five
# times that, and nine in ten have to be within 2 %.  Medians and percentiles have to be
# within 3 %, or 1 ms.  The same seed asks the same of the same views.

package Pageviews::Truth;

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use Pageviews::Truth::Data;
use Pageviews::Truth::Reports;
use POSIX qw(strftime);
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(time);

use constant {
	HOUR => 3600,
	DAY => 86400,
	FIRST_DAY => 19723, # 2024-01-01, in days since 1970
	DAYS => 600,		# the views end on one of so many
};
my @zones = qw(UTC UTC Europe/Zurich America/New_York Asia/Kathmandu);

# --- chance ----------------------------------------------------------------------

sub one_of
{
	return $_[ rand @_ ];
}

# A whole number from the first to the second.
sub between
{
	my ($from, $to) = @_;

	return $from + int rand($to - $from + 1);
}

# --- texts in SQL ----------------------------------------------------------------

sub quoted
{
	my ($text) = @_;

	return 'NULL' if !defined $text;
	return "'" . $text =~ s/'/''/gr . "'";
}

# Seconds since 1970 as a timestamptz, to the microsecond.
sub at
{
	my ($seconds) = @_;
	my $whole = POSIX::floor($seconds);

	return sprintf "'%s.%06d+00'", strftime('%Y-%m-%d %H:%M:%S', gmtime $whole), ($seconds - $whole) * 1e6;
}

sub like
{
	my ($pattern) = @_;

	return quoted($pattern =~ s/([\\%_])/\\$1/gr =~ tr/*/%/r);
}

# What a filter's value, a text, undef, or an array of these, says of a column.
sub fits
{
	my ($column, $value) = @_;

	return '(' . join(' OR ', map { defined $_ ? "coalesce($column LIKE " . like($_) . ', false)' : "$column IS NULL" } ref $value ? @$value : $value) . ')';
}

# --- questions -------------------------------------------------------------------

# Values that filters are made of, by the column that each is about: `v` is of the
# view, `s` of its session, `t` of its visit.
my %filters = (
	page => [ 'v.path', '/pricing', '/blog/*', '*-1*', [ '/', '/Signup', '/late/%' ], '/signup', '/nowhere' ],
	country => [ 's.country', 'DE', 'C*', undef, [ 'US', undef, 'LI' ] ],
	device => [ 's.device', 'mobile', [ 'tablet', undef ] ],
	browser => [ 's.browser', 'Chrome*', [ 'Firefox', 'Edge' ] ],
	system => [ 's.system', 'Windows', undef, '*OS*' ],
	language => [ 's.language', 'de-*', undef ],
	referrer => [ 't.referrer_host', '*google*', undef, [ 't.co', 'github.com', '*.example:8080' ], 'www?.example.com', 'www1.example.com' ],
	campaign => [ 't.campaign', 'letter-*', undef, 'search-1' ],
	source => [ 't.utm_source', 'google', [ 'facebook', undef ] ],
	medium => [ 't.medium', [ 'cpc', 'email' ], undef ],
	property => [ 'v.props', { plan => 'pro' }, { late => JSON::PP::true }, {} ],
);
my $json = JSON::PP->new->canonical->allow_nonref;

# Filters by name, as JSON and as conditions of views, sessions and visits.
sub filters
{
	my (@names) = @_;
	my (%value, %condition);

	for my $name (@names)
	{
		my ($column, @values) = @{ $filters{$name} };
		my $value = one_of(@values);
		my $kind = substr $column, 0, 1;

		$value{$name} = $value;
		push @{ $condition{$kind} }, ref $value eq 'HASH' ? "coalesce($column @> " . quoted($json->encode($value)) . '::jsonb, false)' : fits($column, $value);
		push @{ $condition{s} }, 's.has_session' if $kind eq 's';
	}
	return {
		json => @names ? quoted($json->encode(\%value)) : 'NULL',
		map { ($_ => join(' AND ', 'true', @{ $condition{$_} // [] })) } qw(v s t)
	};
}

# From when until when: what is rolled up in one piece, and what is not.  At most so many seconds.
sub period
{
	my ($o, $most) = @_;
	my ($from, $until) = ($o->{until} - $o->{days} * DAY, $o->{until});
	my $moment = sub { $from + rand($until - $from) };
	my $near = one_of(@{ $o->{places} });
	my @kinds = (
		sub { my $day = int($moment->() / DAY) * DAY; ($day, $day + between(1, $o->{days}) * DAY) },
		sub { my $hour = int($moment->() / HOUR) * HOUR; ($hour, $hour + between(1, 60) * HOUR) },
		sub { my $quarter = int($moment->() / 900) * 900; ($quarter, $quarter + between(1, 8) * 900) },
		sub { sort { $a <=> $b } $moment->(), $moment->() },
		sub { my $since = $moment->(); ($since, $since + rand(3 * HOUR)) },
		sub { ($near - rand(2 * DAY), $near + rand(2 * DAY)) },
		sub { my $hour = int($near / HOUR) * HOUR; ($hour - between(0, 3) * HOUR, $hour + between(1, 24) * HOUR) },
	);
	push @kinds, sub { ($from - 400 * DAY, $until + 400 * DAY) }, sub { ($from, $until) } if !$most;
	my ($since, $to) = one_of(@kinds)->();

	$to = $since + $most if $most && $to > $since + $most;
	# Rounded as they will be written.
	return map { sprintf '%.6f', $_ } $since, $to;
}

# How long buckets are, so that there are neither one nor very many.
sub bucket
{
	my ($seconds) = @_;

	return one_of('15 minutes', '1 hour', '90 minutes') if $seconds <= 2 * DAY;
	return one_of('1 hour', '6 hours', '1 day', '2 days', '1 week') if $seconds <= 100 * DAY;
	return one_of('1 week', '1 month', '1 year');
}

# A query of when buckets begin: hours and minutes are counted from midnight, what is longer begins with a day, month or year.
sub starts
{
	my ($bucket) = @_;
	my $unit = $bucket =~ /(month|year)/ ? $1 : 'day';

	return 'SELECT generate_series(date_bin(:bucket, :since, date_trunc(\'day\', :since AT TIME ZONE :zone) AT TIME ZONE :zone), :until, :bucket)' if $bucket =~ /hour|minute/;
	return "SELECT generate_series(date_trunc('$unit', :since AT TIME ZONE :zone), :until AT TIME ZONE :zone, :bucket) AT TIME ZONE :zone";
}

# The question of a period (seconds since 1970), a site, and filters by name; what is left is drawn.
sub question_of
{
	my ($since, $until, $site, @names) = @_;
	my %site_zones = ('www0.example.com' => 'America/New_York', 'www1.example.com' => 'Asia/Kathmandu');
	my $zone = one_of(@zones);
	my $path = one_of(undef, undef, '/docs/*', '/pricing');
	my $bucket = bucket($until - $since);
	my @steps = map { one_of('/', '/', '/pricing', '/pricing', '/signup', '/docs/*', '/blog/*', '*-1*') } 1 .. between(1, 4);

	return {
		since => at($since), until => at($until), before => at($since - ($until - $since)),
		site => quoted($site), filters => filters(@names), names => \@names,
		session_zone => $zone, zone => quoted(defined $site && $site_zones{$site} || $zone),
		bucket => quoted($bucket), starts => starts($bucket),
		path => quoted($path), path_like => defined $path ? 'path LIKE ' . like($path) : 'true',
		depth => between(1, 5),
		steps => 'ARRAY[' . join(', ', map { quoted($_) } @steps) . ']', like_steps => 'ARRAY[' . join(', ', map { like($_) } @steps) . ']',
		within => quoted(one_of('10 minutes', '1 hour', '1 day', '7 days')),
	};
}

# A question at random; at most so many seconds long, if it must be short.
sub question
{
	my ($o, $most) = @_;
	my ($since, $until) = period($o, $most);
	# Of a short time little is left that many filters, or a small site, would choose.
	my $short = $until - $since < 6 * HOUR;
	my %names = map { (one_of(sort keys %filters) => 1) } 1 .. one_of($short ? (0, 0, 1) : (0, 0, 0, 1, 1, 2, 3));
	my @sites = map { "www$_.example.com" } 0 .. $o->{sites} - 1;

	return question_of($since, $until, one_of((undef) x @sites, @sites, %names || $short || !$o->{changed} ? () : 'late.example.com'), sort keys %names);
}

# --- answers ---------------------------------------------------------------------

# What reports are compared with: chosen, asked, visits ..., see Pageviews::Truth::Reports.
use constant ASKED => <<'EOT';
CREATE TEMPORARY TABLE chosen AS
	SELECT v.visit, v.view_id, v.session_id, v.site, v.path, v.started_at, v.engagement_ms, v.scroll_depth, v.entry, v.exit,
		   v.created_at, v.country, v.browser, v.system, v.device, v.language, v.screen,
		   row_number() OVER (PARTITION BY v.visit, v.path ORDER BY v.started_at, v.view_id) = 1 AS first_of_path
	FROM truth.views AS v JOIN truth.visits AS t ON t.visit = v.visit, LATERAL (SELECT v.*) AS s
	WHERE t.started_at < :until AND t.last_at >= :before AND (:site IS NULL OR v.site = :site)
		AND (:v) AND (:s) AND (:t);
CREATE TEMPORARY TABLE asked AS SELECT * FROM chosen WHERE started_at >= :since AND started_at < :until;
CREATE INDEX ON asked (session_id, started_at, site, view_id);
CREATE TEMPORARY TABLE visits_before AS
	SELECT t.*, c.channel, c.source, s.country, s.browser, s.system, s.device, s.language, s.screen
	FROM truth.visits AS t
	JOIN truth.channels AS c ON c.host = coalesce(t.referrer_host, '') AND c.internal = coalesce(t.internal, false) AND c.utm_source = coalesce(t.utm_source, '') AND c.medium = coalesce(t.medium, '')
	LEFT JOIN (SELECT p.*, p.screen_width || 'x' || p.screen_height AS screen FROM pageviews.sessions AS p) AS s ON s.session_id = t.session_id
	WHERE t.started_at >= :before AND t.started_at < :until AND t.visit IN (SELECT visit FROM chosen);
CREATE TEMPORARY TABLE visits AS SELECT * FROM visits_before WHERE started_at >= :since;
CREATE TEMPORARY TABLE events_asked AS
	SELECT v.*
	FROM pageviews.events AS v
	LEFT JOIN (SELECT p.*, true AS has_session FROM pageviews.sessions AS p) AS s ON s.session_id = v.session_id
	LEFT JOIN truth.views AS w ON w.view_id = v.view_id
	LEFT JOIN truth.visits AS t ON t.visit = w.visit
	WHERE v.occurred_at >= :since AND v.occurred_at < :until AND (:site IS NULL OR v.site = :site) AND s.robot IS NOT TRUE
		AND (:v) AND coalesce(:s, false) AND (NOT :by_origin OR t.visit IS NOT NULL AND (:t));
CREATE TEMPORARY TABLE some_sessions AS
	(SELECT DISTINCT session_id FROM asked ORDER BY session_id LIMIT 20) UNION (SELECT session_id FROM pageviews.sessions WHERE robot ORDER BY session_id LIMIT 2);
CREATE TEMPORARY TABLE buckets AS
	SELECT row_number() OVER (ORDER BY start)::integer AS n, start FROM (:starts) AS b (start) WHERE start < :until;
ANALYZE asked, chosen, visits, visits_before, events_asked;
EOT

use constant VERDICT => <<'EOT';
WITH r AS MATERIALIZED (
%s
), t AS MATERIALIZED (
%s
), c AS MATERIALIZED (
	SELECT r.key IS NULL OR t.key IS NULL OR r.exact <> t.exact
			   OR CASE WHEN t.visitors > 2048 THEN coalesce(abs(r.visitors - t.visitors) > 0.04 * t.visitors, true) ELSE coalesce(abs(r.visitors - t.visitors) > 2, num_nulls(r.visitors, t.visitors) = 1) END
			   OR coalesce(abs(r.median - t.median) > 0.03 * t.median + 1, num_nulls(r.median, t.median) = 1)
			   OR coalesce(abs(r.p90 - t.p90) > 0.03 * t.p90 + 1, num_nulls(r.p90, t.p90) = 1)
			   OR coalesce(abs(r.rate - t.rate) > 0.08 * t.rate + 0.0001, num_nulls(r.rate, t.rate) = 1) AS wrong,
		   CASE WHEN t.visitors > 2048 THEN r.visitors::float8 / t.visitors - 1 END AS estimate_off,
		   CASE WHEN t.visitors <= 2048 THEN abs(r.visitors - t.visitors) END AS few_off,
		   -- Of a second or more: below that it is milliseconds that count.
		   greatest(CASE WHEN t.median >= 1000 THEN abs(r.median / t.median - 1) END, CASE WHEN t.p90 >= 1000 THEN abs(r.p90 / t.p90 - 1) END) AS percentile_off,
		   json_build_object('report', r, 'truth', t) AS both_rows
	FROM r FULL JOIN t ON t.key = r.key
)
SELECT json_build_object('report', '%s', 'rows', count(*), 'wrong', count(*) FILTER (WHERE wrong), 'repeated', (SELECT count(*) - count(DISTINCT key) FROM r),
						 'few', count(few_off), 'few_off', max(few_off), 'estimates', count(estimate_off), 'estimate_off', max(abs(estimate_off)), 'beyond', count(*) FILTER (WHERE abs(estimate_off) > 0.02),
						 'bias', sum(estimate_off), 'squares', sum(estimate_off ^ 2), 'percentiles', count(percentile_off), 'percentile_off', max(percentile_off),
						 'examples', (SELECT json_agg(w.both_rows) FROM (SELECT both_rows FROM c WHERE wrong LIMIT 3) AS w))
FROM c;
EOT

# A query with what it names put in.
sub filled
{
	my ($query, $question) = @_;
	my $filters = $question->{filters};
	my %by = (
		%$question,
		period => "since => $question->{since}, until => $question->{until}, site => $question->{site}, filters => $filters->{json}",
		since => "timestamptz $question->{since}", until => "timestamptz $question->{until}", before => "timestamptz $question->{before}",
		site => "$question->{site}::text",
		view_passes => $filters->{v},
		by_origin => $filters->{t} eq 'true' ? 'false' : 'true',
		map { ($_ => $filters->{$_}) } qw(v s t));
	my $fill = sub { $_[0] =~ s/(?<!:):([a-z]\w*)/$by{$1} \/\/ die "what is :$1?"/ger };

	$by{starts} = $fill->($question->{starts});
	return $fill->($query);
}

# Whether a report takes these filters.
sub takes
{
	my ($report, $question) = @_;
	my $only = $report->{filters} or return 1;
	my %refused = map { ($_ => 1) } $only eq 'views' ? grep { !/^(?:page|property)$/ } keys %filters : qw(referrer campaign source medium property);

	return !grep { $refused{$_} } @{ $question->{names} };
}

# How a question reads.
sub told
{
	my ($question) = @_;

	return "since $question->{since} until $question->{until} site $question->{site} filters $question->{filters}{json} zone $question->{session_zone}";
}

# Asks every report, or those that are named; the verdicts, or dies with what psql said.
sub ask
{
	my ($node, $question, @names) = @_;
	my %wanted = map { ($_ => 1) } @names;
	my @reports = grep { (!@names || $wanted{ $_->{name} }) && takes($_, $question) } Pageviews::Truth::Reports::all();
	my $script = "SET jit = off;\nSET work_mem = '256MB';\nSET timezone = '$question->{session_zone}';\n" . filled(ASKED, $question);

	$script .= sprintf VERDICT, filled($_->{report}, $question), filled($_->{truth}, $question), $_->{name} for @reports;
	my $file = PostgreSQL::Test::Utils::tempdir_short() . '/question.sql';
	my ($out, $err);

	PostgreSQL::Test::Utils::append_to_file($file, $script);
	my $status = $node->psql('postgres', "\\i $file", stdout => \$out, stderr => \$err, on_error_die => 0, on_error_stop => 1, timeout => 3600);

	die "$err\n" if $status != 0;
	return map { $json->decode($_) } split /\n/, $out;
}

# --- the campaign ----------------------------------------------------------------

# Adds a verdict to what is known of the estimates.
sub note_estimates
{
	my ($sum, $verdict) = @_;

	$sum->{$_} += $verdict->{$_} // 0 for qw(rows few estimates beyond bias squares percentiles);
	for my $worst (qw(few_off estimate_off percentile_off))
	{
		$sum->{$worst} = $verdict->{$worst} if ($verdict->{$worst} // 0) > $sum->{$worst};
	}
	return;
}

# Asks questions of at most so many seconds; `check` is told of each: whether the reports are right, and in words.
sub questions
{
	my ($node, $o, $when, $most) = @_;

	# Where all is read from the views, a few have to do.
	my $count = $most ? POSIX::ceil($o->{questions} / 4) : $o->{questions};

	for (1 .. $count)
	{
		my $question = question($o, $most);
		my $started = time;
		my @verdicts = eval { ask($node, $question) };
		my @wrong = grep { $_->{wrong} || $_->{repeated} } @verdicts;
		my $told = "$when: " . told($question);

		push @wrong, { report => 'an error', wrong => 1, examples => $@ } if $@;
		note_estimates($o->{sum}, $_) for @verdicts;
		$o->{check}->(!@wrong, sprintf('%s (%.1f s): %s', $told, time - $started, join ', ', map { "$_->{report} $_->{rows}" } @verdicts));
		for my $verdict (@wrong)
		{
			my ($report) = grep { $_->{name} eq $verdict->{report} } Pageviews::Truth::Reports::all();

			$o->{explain}->("$verdict->{report}: $verdict->{wrong} rows differ" . ($verdict->{repeated} ? ", $verdict->{repeated} come twice" : '') . "\n"
				  . $json->pretty->encode($verdict->{examples}) . ($report ? filled($report->{report}, $question) : ''));
			$json->pretty(0);
		}
	}
	return;
}

# Rolls up what began before a moment.
sub roll_up
{
	my ($node, $until) = @_;

	$node->safe_psql('postgres', 'SELECT pageviews.roll_up(' . at($until) . ')', timeout => 3600);
	return;
}

# Some changes by hand, in a few places, and the truth afterwards.
sub changed
{
	my ($node, $o) = @_;

	for (1 .. between(1, 3))
	{
		my $hours = one_of(1, 5, 30);
		my $at = int($o->{until} - rand($o->{days} - 3) * DAY - 2 * DAY);

		Pageviews::Truth::Data::change($node, seed => rand, at => strftime('%Y-%m-%d %H:%M:%S+00', gmtime $at), hours => $hours, scale => $o->{scale});
		push @{ $o->{places} }, $at, $at + $hours * HOUR;
	}
	$o->{changed} = 1;
	my ($views, $visits, $longest) = Pageviews::Truth::Data::tell($node);

	$o->{say}->("changed by hand: $views views of people, $visits visits, the longest of $longest");
	return;
}

# The whole of it.  Options: views, days, sites, seed; questions, at each stage; scale, how many
# rows a change by hand is about; and the callbacks check, explain and say.  Returns the
# options, with `until` and, in `sum`, what was compared and how far off it was.
sub campaign
{
	my ($node, %o) = @_;
	my $o = { %o, sum => { map { ($_ => 0) } qw(rows few few_off estimates estimate_off beyond bias squares percentiles percentile_off) } };

	srand $o->{seed};
	$o->{until} = (FIRST_DAY + between(0, DAYS)) * DAY + between(0, 23) * HOUR;
	my $from = $o->{until} - $o->{days} * DAY;
	my $middle = $from + (0.3 + rand(0.5)) * $o->{days} * DAY;

	$o->{places} = [ $middle, $o->{until} ];
	Pageviews::Truth::Data::fill($node, map { ($_ => $o->{$_}) } qw(views days sites seed until));
	my ($views, $visits, $longest) = Pageviews::Truth::Data::tell($node);

	$o->{say}->("$views views of people, $visits visits, the longest of $longest, from " . at($from) . ' to ' . at($o->{until}));
	questions($node, $o, 'nothing rolled up', 2 * DAY * ($o->{views} > 1_000_000 ? 1_000_000 / $o->{views} : 1));
	roll_up($node, $middle);
	questions($node, $o, 'rolled up until ' . at($middle));
	changed($node, $o);
	questions($node, $o, 'and changed by hand');
	# What lies before this is made again; the last hours are not rolled up yet.
	my $late = $o->{until} - rand(1.5) * DAY;

	push @{ $o->{places} }, $late;
	roll_up($node, $late);
	questions($node, $o, 'rolled up until ' . at($late));
	changed($node, $o);
	questions($node, $o, 'and changed again');
	roll_up($node, $o->{until} + DAY);
	questions($node, $o, 'all rolled up');
	my $sum = $o->{sum};

	$o->{say}->(sprintf '%d rows compared; at most 2,048 visitors: %d, off by %d at most; more: %d, %.2f %% off at most, %d by more than 2 %%, standard error %.2f %%, bias %.2f %%; medians and percentiles: %d, %.2f %% off at most',
		$sum->{rows}, $sum->{few}, $sum->{few_off}, $sum->{estimates}, 100 * $sum->{estimate_off}, $sum->{beyond},
		100 * sqrt($sum->{squares} / ($sum->{estimates} || 1)), 100 * $sum->{bias} / ($sum->{estimates} || 1), $sum->{percentiles}, 100 * $sum->{percentile_off});
	$o->{check}->($sum->{beyond} <= 0.1 * $sum->{estimates}, 'nine in ten estimates of visitors are within 2 %');
	return $o;
}

1;
