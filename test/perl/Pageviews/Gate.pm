# A listener under attack.  The program was built with sanitizers; a worker
# without Postgres (test/tools/listener_harness.c) starts it on a free port of
# 127.0.0.1, and what it reports lands in a file that is read here.
#
# A test ends with stands(), which checks what every attack must leave as it was:
# the same process, listening, not busy with anything, that ends with status 0
# when its worker goes, and sanitizers that had nothing to say.
#
# Every wait has a deadline.

package Pageviews::Gate;

use strict;
use warnings FATAL => 'all';

use Carp qw(confess);
use Errno qw(EINTR EAGAIN);
use Fcntl qw(F_SETFL O_NONBLOCK);
use File::Path qw(make_path);
use IO::Select;
use JSON::PP ();
use POSIX ();
use Pageviews::Client;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More import => [qw(ok is unlike diag skip)];
use Time::HiRes qw(sleep time);

use constant FOLDER => 'build/gate';

# What the listener counts, in its order.
use constant COUNTERS => qw(connections upgrades notes messages scripts refused_full refused_address
  refused_busy refused_origin refused_request refused_message ping_timeouts
  refused_rate refused_flood refused_size handshake_timeouts idle_timeouts expired);

our $patience = 60;    # seconds, for whatever should come soon
our $program = FOLDER . '/pageviews_listener';
my %alive;             # harnesses and listeners to be killed, whatever becomes of the test

$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = sub { exit 1 };

# Starts harness and listener; options are the harness's own.
sub start
{
	my ($class, $name, @options) = @_;
	my $self = bless { name => $name, beats => 0, text => '' }, $class;

	make_path(FOLDER . '/log');
	$self->{$_} = FOLDER . "/log/$name.$_" for qw(out err);
	pipe my $commands, $self->{commands} or confess "no pipe: $!";
	open my $out, '>', $self->{out} or confess "$self->{out}: $!";
	open my $err, '>', $self->{err} or confess "$self->{err}: $!";
	$self->{commands}->autoflush(1);
	my $pid = $self->{harness} = fork // confess "no fork: $!";
	if ($pid == 0)
	{
		open STDIN, '<&', $commands or POSIX::_exit(126);
		open STDOUT, '>&', $out or POSIX::_exit(126);
		open STDERR, '>&', $err or POSIX::_exit(126);
		close $self->{commands};
		$ENV{ASAN_OPTIONS} = 'abort_on_error=0:detect_leaks=0:detect_stack_use_after_return=1';
		$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';
		# Whoever kills the test kills the harness, and with it the listener.
		exec { 'setpriv' } qw(setpriv --pdeathsig KILL --), FOLDER . '/harness', @options, $program
		  or POSIX::_exit(127);
	}
	close $commands;
	$alive{$pid} = 1;
	$self->{port} = $self->reported(qr/^listening on (\d+)$/m);
	$self->{pid} = $self->reported(qr/^ready version=\d+ pid=(\d+)$/m);
	$alive{ $self->{pid} } = 1;    # one that spins does not see that its worker is gone
	$self->{origin} = "http://127.0.0.1:$self->{port}";
	$self->wait_for('it listens', sub { ($self->ask('/_view/healthz')->{status} // 0) == 200 })
	  if !grep { $_ eq '-T' } @options;
	return $self;
}

END
{
	my $status = $?;

	kill 'KILL', keys %alive;
	$? = $status;
}

# --- the worker's side ------------------------------------------------------------------

# Tells the harness something, in its own words.
sub tell
{
	my ($self, $line) = @_;

	print { $self->{commands} } "$line\n";
}

# All that was reported so far.
sub reports
{
	my ($self) = @_;

	open my $file, '<:raw', $self->{out} or confess "$self->{out}: $!";
	seek $file, length $self->{text}, 0;
	local $/;
	$self->{text} .= <$file> // '';
	return $self->{text};
}

# Waits until a report matches; its first group.
sub reported
{
	my ($self, $pattern) = @_;
	my $found;

	$self->wait_for($pattern, sub { $found = $self->reports =~ $pattern ? $1 // $& : undef; defined $found });
	return $found;
}

# Waits for a condition; death, with what the sanitizers said, if it does not come.
sub wait_for
{
	my ($self, $what, $condition) = @_;
	my $deadline = time + $patience;

	until ($condition->())
	{
		confess "$what: did not come; " . $self->complaints if time > $deadline || $self->has_ended;
		sleep 0.01;
	}
}

sub has_ended
{
	my ($self) = @_;

	return 1 if defined $self->{status};
	return 0 if waitpid($self->{harness}, POSIX::WNOHANG) != $self->{harness};
	$self->{status} = $?;
	delete $alive{$_} for $self->{harness}, $self->{pid} // 0;
	return 1;
}

# What was written to standard error: sanitizers', nobody else does.
sub complaints
{
	my ($self) = @_;

	open my $file, '<:raw', $self->{err} or return "$self->{err}: $!";
	local $/;
	return <$file> // '';
}

# A heartbeat's answer: what the listener counts, and `open`, its connections.
sub counters
{
	my ($self) = @_;
	my $beat = ++$self->{beats};
	my %counters;

	$self->tell('beat');
	my $line = $self->reported(qr/^alive $beat connections=(\d+ counters(?: \d+)+)$/m);
	($counters{open}, undef, @counters{ +COUNTERS }) = split / /, $line;
	return \%counters;
}

# Seconds of processor that the listener has had.
sub processor
{
	my ($self) = @_;

	open my $file, '<', "/proc/$self->{pid}/stat" or return undef;
	my ($fields) = <$file> =~ /^.*\) (.*)$/;
	my @fields = split / /, $fields;

	return ($fields[11] + $fields[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# Whether the listener sleeps: a stretch of 0.3 s in which it had next to
# nothing of the processor.  Its timers may run, and a loaded machine be slow.
sub sleeps
{
	my ($self) = @_;

	for (1 .. 10)
	{
		my $before = $self->processor // return 0;

		sleep 0.3;
		return 1 if ($self->processor // return 0) - $before < 0.1;
	}
	return 0;
}

# Waits until every connection is gone.
sub empty
{
	my ($self) = @_;

	$self->wait_for('nobody is connected', sub { $self->counters->{open} == 0 });
}

# --- the attacker's side -----------------------------------------------------------------

# A websocket visitor (Pageviews::Client), every one with a name of its own by
# which the reports tell it.
my $visitors = 0;

sub visitor
{
	my ($self, %o) = @_;

	return Pageviews::Client->connect(port => $self->{port}, agent => 'visitor ' . ++$visitors, %o);
}

# The number by which the reports call the visitor who came last, or the agent.
sub number_of
{
	my ($self, $agent) = @_;

	$agent //= "visitor $visitors";
	return $self->reported(qr/^opened (\d+) session=\S+ note=[01] agent=\Q$agent\E$/m);
}

# One well-behaved GET.
sub ask
{
	my ($self, $path, @headers) = @_;

	return eval { Pageviews::Client::http($self->{port}, 'GET', $path, headers => \@headers) } // {};
}

# The bytes of a request: method, path, a list of headers (name => value; undef
# leaves one out), body.
sub request
{
	my ($self, $method, $path, $headers, $body) = @_;
	my @headers = @{ $headers // [] };
	my $text = "$method $path HTTP/1.1\r\n";

	unshift @headers, Host => "127.0.0.1:$self->{port}" if !grep { !ref && ($_ // '') eq 'Host' } @headers;
	while (my ($name, $value) = splice @headers, 0, 2)
	{
		$text .= "$name: $value\r\n" if defined $value;
	}
	return "$text\r\n" . ($body // '');
}

# A good upgrade but for what is said: headers, and method, path, more (lines).
sub upgrade
{
	my ($self, %o) = @_;
	my ($method, $path, $more) = (delete $o{method} // 'GET', delete $o{path} // '/_view/socket', delete $o{more} // []);
	my @headers = (
		'Host' => "127.0.0.1:$self->{port}",
		'Upgrade' => 'websocket',
		'Connection' => 'Upgrade',
		'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==',
		'Sec-WebSocket-Version' => '13',
		'Sec-WebSocket-Protocol' => 'pageviews.v1',
		'Origin' => $self->{origin});

	for (my $i = 0; $i < @headers; $i += 2)
	{
		$headers[ $i + 1 ] = delete $o{ $headers[$i] } if exists $o{ $headers[$i] };
	}
	return $self->request($method, $path, [ @headers, %o, @$more ]);
}

# The bytes of a note; `length` lies about the body's, `headers` are further ones.
sub note
{
	my ($self, $body, %o) = @_;

	$body = JSON::PP->new->canonical->utf8->encode($body) if ref $body;
	return $self->request(
		'POST', '/_view/note',
		[
			'Origin' => exists $o{origin} ? $o{origin} : $self->{origin},
			'Content-Type' => 'text/plain',
			'Content-Length' => exists $o{length} ? $o{length} : length $body,
			@{ $o{headers} // [] }
		],
		$body);
}

# `count` ends of as many views, all their fields in each.
sub ends
{
	my ($self, $count, %o) = @_;
	my $page = bless { origin => $self->{origin} }, 'Pageviews::Client';

	return [ map { Pageviews::Client::message($page->new_view('/noted', %o), 'end', whole => 1) } 1 .. $count ];
}

# Sends every text on a connection of its own, all at the same time, and reads
# until the other side hangs up on it, what came matches `enough`, or `patience`
# is over.  Each answer: {bytes, status (0: none), ended, seconds}.  A text may
# be a list; then its pieces are sent `pause` apart.
sub attack
{
	my ($self, $texts, %o) = @_;
	my ($started, $enough) = (time, $o{enough});
	my $deadline = $started + ($o{patience} // $patience);
	my @all = map { { socket => dial($self->{port}), unsent => [ ref $_ ? @$_ : $_ ], due => 0, bytes => '', ended => 0 } } @$texts;
	my %left = map { fileno $all[$_]{socket} => $all[$_] } 0 .. $#all;

	while (%left && time < $deadline)
	{
		my @writers = grep { @{ $_->{unsent} } && time >= $_->{due} } values %left;
		my ($readable, $writable) = IO::Select->select(
			IO::Select->new(map { $_->{socket} } values %left),
			IO::Select->new(map { $_->{socket} } @writers),
			undef, 0.02);

		for my $socket (@{ $writable // [] })
		{
			my $one = $left{ fileno $socket };
			my $text = \$one->{unsent}[0];
			my $sent = length $$text ? syswrite $socket, $$text : 0;

			# Whoever was hung up on reads the end.
			@{ $one->{unsent} } = (), next if !defined $sent && $! != EAGAIN && $! != EINTR;
			substr $$text, 0, $sent // 0, '';
			next if length $$text;
			shift @{ $one->{unsent} };
			$one->{due} = time + ($o{pause} // 0);
		}
		for my $socket (@{ $readable // [] })
		{
			my $one = $left{ fileno $socket };
			my $count = sysread $socket, $one->{bytes}, 65536, length $one->{bytes};

			next if !defined $count && ($! == EAGAIN || $! == EINTR);
			$one->{ended} = 1 if !$count;
			next if !$one->{ended} && !($enough && $one->{bytes} =~ $enough);
			$one->{seconds} = time - $started;
			delete $left{ fileno $socket };
		}
	}
	for my $one (@all)
	{
		$one->{seconds} //= time - $started;
		$one->{status} = $one->{bytes} =~ m{^HTTP/1\.[01] (\d{3}) } ? $1 : 0;
		if ($o{keep}) { next }
		hang_up($one->{socket}, $o{reset});
		delete $one->{socket};
	}
	return @all;
}

# A connected socket that never blocks.
sub dial
{
	my ($port) = @_;
	my $socket = Pageviews::Client::dial('127.0.0.1', $port);

	fcntl $socket, F_SETFL, O_NONBLOCK or confess "fcntl: $!";
	return $socket;
}

# Closes; with `reset` the other side reads an error.
sub hang_up
{
	my ($socket, $reset) = @_;

	setsockopt $socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0) if $reset;
	close $socket;
}

# An answer, short enough for a failed check's line.
sub shown
{
	my ($answer) = @_;
	my $bytes = substr $answer->{bytes}, 0, 120;

	$bytes =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
	return sprintf '%s after %.1f s: "%s"', $answer->{ended} ? 'ended' : 'still open', $answer->{seconds}, $bytes;
}

# Attacks with many texts at once, a check each.  Rows: name, text, the statuses
# that will do (a list; 0 is no answer at all).  Each must be hung up on within
# `within` seconds, in one of three tries: a busy machine only adds to the time.
sub refuses
{
	my ($self, $within, @rows) = @_;
	my @answers = $self->attack([ map { $_->[1] } @rows ], patience => $within);

	for my $try (2 .. 3)
	{
		my @late = grep { !$answers[$_]{ended} } 0 .. $#rows or last;

		Test::More::note("$rows[$_][0], once more: " . shown($answers[$_])) for @late;
		@answers[@late] = $self->attack([ map { $rows[$_][1] } @late ], patience => $within);
	}
	for my $i (0 .. $#rows)
	{
		my ($name, undef, @statuses) = @{ $rows[$i] };
		my $fits = $answers[$i]{ended} && grep { $_ == $answers[$i]{status} } @statuses;

		ok($fits, $name) or diag("wanted @statuses and the end within $within s, got " . shown($answers[$i]));
	}
}

# --- the end of a test ----------------------------------------------------------------------

# The checks that end every test; `tls`: it speaks nothing else, `origin`: whose
# pages it takes, when not its own.
sub stands
{
	my ($self, %o) = @_;

	ok($self->sleeps, 'the listener does not spin on what was left behind');
	ok(eval { $self->empty; 1 }, 'no connection leaks') or diag($@);
	SKIP:
	{
		skip 'its own test asks by TLS', 1 if $o{tls};
		my $client = eval { $self->visitor($o{origin} ? (origin => $o{origin}) : ()) };

		ok($client && $client->{hello}, 'it still takes visitors') or diag($@);
		$client->close if $client;
	}
	ok(!$self->has_ended && kill(0, $self->{pid}), 'it is the process that it was');
	is(scalar(() = $self->reports =~ /^ready /mg), 1, 'it began once');
	$self->tell('close');
	eval { $self->wait_for('the end', sub { $self->has_ended }) };
	is($self->{status} // 'none', 0, 'it ends with status 0 when its worker goes');
	unlike($self->reports, qr/^undecodable/m, 'everything that it reported decodes');
	is($self->complaints, '', 'the sanitizers have nothing to say');
}

1;
