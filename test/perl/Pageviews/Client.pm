# A browser's side of the wire, scripted: one websocket an object, and plain
# HTTP.  Nothing happens behind the caller's back: a ping is answered only while
# somebody reads, so a test can be a visitor whose machine fell asleep; one that lets
# visitors wait for long asks for pings seldom (ping_interval).
#
# Every wait has a deadline and dies when it passes.

package Pageviews::Client;

use strict;
use warnings FATAL => 'all';

use Carp qw(croak confess);
use Errno qw(EINTR EAGAIN);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Digest::SHA qw(sha1_base64);
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use constant GUID => '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
use constant { TEXT => 1, BINARY => 2, CLOSE => 8, PING => 9, PONG => 10 };

my $json = JSON::PP->new->canonical->utf8;
our $patience = 60;    # seconds, for whatever should come soon

# Opens a socket and shakes hands.  port; host, path, origin, cookie, protocol,
# agent, version, headers (a list of lines), hello (0: do not wait for it), socket
# (a connected one of the caller's).
# undef for origin or protocol leaves the header out.  When the server did not
# answer 101, {status} says what it answered and the object is closed.
sub connect
{
	my ($class, %o) = @_;
	my $self = bless {
		host => $o{host} // '127.0.0.1',
		port => $o{port},
		buffer => '',
		inbox => [],
		fragments => '',
		pongs => 0,
		views => {},
	}, $class;

	$self->{name} = $o{name} // "$self->{host}:$self->{port}";
	$self->{origin} = exists $o{origin} ? $o{origin} : "http://$self->{name}";
	$self->{socket} = $o{socket} // dial($self->{host}, $self->{port}, $o{from});
	my $key = encode_base64(pack('N4', map { int rand 2**32 } 1 .. 4), '');
	my $path = $o{path} // '/_view/socket';
	my @lines = (
		"GET $path HTTP/1.1", "Host: $self->{name}",
		'Upgrade: websocket', 'Connection: Upgrade',
		"Sec-WebSocket-Key: $key", 'Sec-WebSocket-Version: ' . ($o{version} // 13));
	my $protocol = exists $o{protocol} ? $o{protocol} : 'pageviews.v1';

	push @lines, "Sec-WebSocket-Protocol: $protocol" if defined $protocol;
	push @lines, "Origin: $self->{origin}" if defined $self->{origin};
	push @lines, "Cookie: $o{cookie}" if defined $o{cookie};
	push @lines, 'User-Agent: ' . ($o{agent} // 'scripted visitor');
	push @lines, @{ $o{headers} // [] };
	$self->write(join("\r\n", @lines) . "\r\n\r\n");
	$self->{sent_at} = time;
	if (!$self->read_head)
	{
		$self->drop;
		return $self;
	}
	if ($self->{status} != 101)
	{
		$self->drop;
		return $self;
	}
	my $accept = sha1_base64($key . GUID) . '=';
	confess 'wrong Sec-WebSocket-Accept' if ($self->{headers}{'sec-websocket-accept'} // '') ne $accept;
	if ($o{hello} // 1)
	{
		$self->{hello} = $self->receive;
		confess 'the first message was no hello' if ($self->{hello}{type} // '') ne 'hello';
	}
	return $self;
}

# A connected TCP socket, or death.
sub dial
{
	my ($host, $port, $from) = @_;
	my $socket = IO::Socket::INET->new(
		PeerAddr => $host,
		PeerPort => $port,
		Proto => 'tcp',
		Timeout => $patience,
		($from ? (LocalAddr => $from) : ()),
	) or confess "no connection to $host:$port: $@";

	$socket->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
	binmode $socket;
	return $socket;
}

# One request, one answer: {status, headers, cookies, body}.  status 0 when the
# server hung up instead.
sub http
{
	my ($port, $method, $path, %o) = @_;
	my $self = bless { buffer => '', socket => dial($o{host} // '127.0.0.1', $port, $o{from}) }, __PACKAGE__;
	my $name = $o{name} // ($o{host} // '127.0.0.1') . ":$port";
	my @lines = ("$method $path HTTP/1.1", "Host: $name", 'Connection: close');

	push @lines, "Cookie: $o{cookie}" if defined $o{cookie};
	push @lines, "Origin: $o{origin}" if defined $o{origin};
	push @lines, @{ $o{headers} // [] };
	push @lines, 'Content-Type: ' . ($o{type} // 'text/plain'), 'Content-Length: ' . length $o{body}
	  if defined $o{body};
	$self->write(join("\r\n", @lines) . "\r\n\r\n" . ($o{body} // ''));
	return { status => 0, headers => {}, cookies => [], body => '' } if !$self->read_head;
	my $length = $self->{headers}{'content-length'};
	my $deadline = time + $patience;

	while (!defined $length || length $self->{buffer} < $length)
	{
		last if $self->{status} == 204 || $self->{status} == 304 || $method eq 'HEAD';
		last if !$self->fill($deadline);
	}
	close $self->{socket};
	return {
		status => $self->{status},
		headers => $self->{headers},
		cookies => $self->{cookies},
		body => $self->{buffer}
	};
}

# Posts messages as a note, as sendBeacon would.
sub note
{
	my ($port, $messages, %o) = @_;
	my $name = $o{name} // "127.0.0.1:$port";

	return http($port, 'POST', '/_view/note', origin => "http://$name", %o, body => $json->encode($messages));
}

# --- the socket ---------------------------------------------------------------------

sub write
{
	my ($self, $bytes) = @_;
	my $deadline = time + $patience;

	return 0 if !$self->{socket};
	local $SIG{PIPE} = 'IGNORE';
	while (length $bytes)
	{
		my $written = syswrite $self->{socket}, $bytes;

		if (defined $written)
		{
			substr $bytes, 0, $written, '';
			next;
		}
		next if $! == EINTR;
		return 0 if $! != EAGAIN || time > $deadline;
		IO::Select->new($self->{socket})->can_write(0.1);
	}
	return 1;
}

# Reads more into the buffer; false at the end of the stream, death when late.
sub fill
{
	my ($self, $deadline) = @_;
	my $left = $deadline - time;

	confess 'nothing came in time' if $left <= 0;
	return 1 if !IO::Select->new($self->{socket})->can_read($left);
	my $read = sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};

	return 1 if !defined $read && ($! == EINTR || $! == EAGAIN);
	return $read ? 1 : 0;
}

sub read_head
{
	my ($self) = @_;
	my $deadline = time + $patience;

	my $end;

	while (($end = index $self->{buffer}, "\r\n\r\n") < 0)
	{
		return 0 if !$self->fill($deadline);
	}
	my ($first, @lines) = split /\r\n/, substr $self->{buffer}, 0, $end;

	substr $self->{buffer}, 0, $end + 4, '';

	($self->{status}) = $first =~ m{^HTTP/1\.1 (\d+)} or confess "no HTTP: $first";
	$self->{headers} = {};
	$self->{cookies} = [];
	for (@lines)
	{
		my ($name, $value) = /^([^:]+):\s*(.*)$/ or confess "no header: $_";

		push @{ $self->{cookies} }, $value if lc $name eq 'set-cookie';
		$self->{headers}{ lc $name } = $value;
	}
	return 1;
}

# "name=value" of the cookie that the server set last, to be sent back.
sub cookie
{
	my ($self) = @_;
	my $cookie = $self->{cookies}[-1] // return undef;

	return $cookie =~ /^([^;]+)/ ? $1 : undef;
}

# One masked frame; fin => 0 leaves it open, masked => 0 breaks the rules.
sub send_frame
{
	my ($self, $opcode, $payload, %o) = @_;
	my $length = length $payload;
	my $masked = $o{masked} // 1;
	my $head = pack 'C', (($o{fin} // 1) ? 0x80 : 0) | ($o{reserved} // 0) | $opcode;
	my $bit = $masked ? 0x80 : 0;

	$head .=
	    $length < 126   ? pack('C', $bit | $length)
	  : $length < 65536 ? pack('Cn', $bit | 126, $length)
	  :                   pack('CQ>', $bit | 127, $length);
	if ($masked)
	{
		my $mask = pack 'N', int rand 2**32;

		$head .= $mask;
		$payload ^= substr $mask x ($length / 4 + 1), 0, $length;
	}
	return $self->write($head . $payload);
}

sub send_text
{
	my ($self, $text) = @_;

	return $self->send_frame(TEXT, $text);
}

sub send_message
{
	my ($self, $message) = @_;

	return $self->send_text($json->encode($message));
}

# The next message of the server, decoded; undef once the socket is closed.
# Answers pings on its way.
sub receive
{
	my ($self, %o) = @_;
	my $deadline = time + ($o{timeout} // $patience);

	return shift @{ $self->{inbox} } if @{ $self->{inbox} };
	for (;;)
	{
		while (my ($opcode, $payload) = $self->take_frame)
		{
			if ($opcode == PING) { $self->send_frame(PONG, $payload) if !$self->{mute}; $self->{pings}++; }
			elsif ($opcode == PONG) { $self->{pongs}++ }
			elsif ($opcode == CLOSE)
			{
				$self->{close_code} = length $payload >= 2 ? unpack 'n', $payload : 1005;
				$self->send_frame(CLOSE, substr $payload, 0, 2);
				$self->drop;
				return undef;
			}
			elsif ($opcode == TEXT) { return $json->decode($payload) }
			else { confess "unexpected frame $opcode" }
		}
		return undef if !$self->{socket};
		if (!$self->fill($deadline))
		{
			$self->{close_code} //= 1006;
			$self->drop;
			return undef;
		}
	}
}

# A whole frame out of the buffer, or nothing.
sub take_frame
{
	my ($self) = @_;
	my $buffer = \$self->{buffer};

	return if length $$buffer < 2;
	my ($first, $second) = unpack 'CC', $$buffer;
	my ($at, $length) = (2, $second & 127);

	confess 'the server masked a frame, or sent reserved bits' if $second & 0x80 || $first & 0x70;
	if ($length == 126)
	{
		return if length $$buffer < 4;
		($at, $length) = (4, unpack 'x2n', $$buffer);
	}
	elsif ($length == 127)
	{
		return if length $$buffer < 10;
		($at, $length) = (10, unpack 'x2Q>', $$buffer);
	}
	return if length $$buffer < $at + $length;
	my $payload = substr $$buffer, $at, $length;

	substr $$buffer, 0, $at + $length, '';
	if (!($first & 0x80) || ($first & 15) == 0)
	{
		$self->{fragments} .= $payload;
		$self->{fragment_opcode} = $first & 15 if $first & 15;
		return $self->take_frame if !($first & 0x80);
		($payload, $self->{fragments}) = ($self->{fragments}, '');
		return ($self->{fragment_opcode}, $payload);
	}
	return ($first & 15, $payload);
}

# Reads until a message has all these fields; others are thrown away.
sub expect
{
	my ($self, %fields) = @_;
	my $timeout = delete $fields{timeout} // $patience;
	my $deadline = time + $timeout;

	for (;;)
	{
		my $left = $deadline - time;
		confess 'did not come: ' . $json->encode(\%fields) if $left <= 0;
		my $message = $self->receive(timeout => $left)
		  // confess 'closed (' . ($self->{close_code} // '?') . ') before: ' . $json->encode(\%fields);

		return $message
		  if !grep { ($message->{$_} // '') ne $fields{$_} } keys %fields;
	}
}

# Waits for the server to close; the close code.
sub closed
{
	my ($self) = @_;

	1 while $self->{socket} && $self->receive;
	return $self->{close_code};
}

# --- how a socket ends ------------------------------------------------------------------

sub drop
{
	my ($self) = @_;

	close $self->{socket} if $self->{socket};
	$self->{socket} = undef;
}

# A reset, as from a killed machine's network stack.
sub reset
{
	my ($self) = @_;

	$self->{socket}->setsockopt(SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
	$self->drop;
}

# The closing handshake, to its end.
sub close
{
	my ($self, $code) = @_;

	return if !$self->{socket};
	$self->send_frame(CLOSE, pack('n', $code // 1000));
	1 while $self->{socket} && $self->receive;
}

sub is_open
{
	my ($self) = @_;

	return defined $self->{socket};
}

# --- views ------------------------------------------------------------------------------

# A UUID version 7 of this moment, or of `$millis` since the epoch.
sub uuid
{
	my ($millis) = @_;
	my $hex = sprintf '%012x7%03x%04x%04x%08x', $millis // time * 1000,
	  rand 0x1000, 0x8000 | rand 0x4000, rand 0x10000, rand 2**32;

	return join '-', unpack 'A8A4A4A4A12', $hex;
}

# Fields of a fresh view of this page, its n at 0.
sub new_view
{
	my ($self, $path, %o) = @_;

	return {
		view => $o{view} // uuid(),
		n => 0,
		born => time,
		page => {
			url => ($self->{origin} // "http://$self->{name}") . $path,
			(map { $_ => $o{$_} } grep { $_ ne 'view' } keys %o)
		},
	};
}

# The next message about a view.  Figures are in ms; focused and active follow
# visible unless told otherwise, elapsed the clock.
sub message
{
	my ($view, $type, %o) = @_;
	my $visible = $o{visible} // $view->{visible} // 0;
	my $focused = $o{focused} // $visible;
	my $elapsed = int((time - $view->{born}) * 1000);

	$view->{visible} = $visible;
	my %message = (
		type => $type,
		view => $view->{view},
		n => $o{n} // ++$view->{n},
		state => $o{state} // 'visible',
		visible => $visible,
		focused => $focused,
		active => $o{active} // $focused,
		elapsed => $o{elapsed} // ($elapsed > $visible ? $elapsed : $visible),
	);

	$message{reason} = 'closed' if $type eq 'end';
	for (grep { exists $o{$_} } qw(scroll gap reason))
	{
		$message{$_} = $o{$_};
	}
	%message = (%message, %{ $view->{page} }) if $type eq 'view' || $o{whole};
	return \%message;
}

# Announces a view and waits for its ack.
sub begin
{
	my ($self, $path, %o) = @_;
	my %figures = map { $_ => delete $o{$_} } grep { exists $o{$_} } qw(state visible focused active elapsed);
	my $view = $self->new_view($path, %o);

	$self->say_view($view, 'view', %figures);
	return $view;
}

# Says something about a view and waits for its ack.
sub say_view
{
	my ($self, $view, $type, %o) = @_;
	my $message = message($view, $type, %o);

	$self->send_message($message);
	return $self->expect(type => 'ack', view => $view->{view}, n => $message->{n});
}

# Fields of an event of a view (undef: of none), to be sent as they are.
sub event
{
	my ($self, $view, $name, %o) = @_;

	return {
		type => 'event',
		event => uuid(),
		($view ? (view => $view->{view}) : ()),
		url => $view ? $view->{page}{url} : "$self->{origin}/",
		name => $name,
		%o
	};
}

# Tells of an event and waits until it is stored.
sub tell
{
	my ($self, $event) = @_;

	$self->send_message($event);
	return $self->expect(type => 'stored', event => $event->{event});
}

# Ends a view and waits until it is stored.
sub end_view
{
	my ($self, $view, %o) = @_;
	my $message = message($view, 'end', reason => 'closed', state => 'hidden', %o);

	$self->send_message($message);
	return $self->expect(type => 'stored', view => $view->{view}, n => $message->{n});
}

1;
