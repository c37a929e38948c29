# Frames and messages on an open socket: who breaks the rules is closed with the
# code that says which, and the close frame reaches the wire.

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use Pageviews::Client;
use Pageviews::Gate;
use Test::More;

my $gate = Pageviews::Gate->start('frames', '-i', '2000');
my $json = JSON::PP->new->canonical->utf8;

# All that the server still says, as one text: types of messages (codes of errors
# and refusals), and the close code, 1006 when it hung up without one.
sub last_words
{
	my ($client) = @_;
	my @words;

	while (my $message = $client->receive)
	{
		push @words, $message->{code} // $message->{type};
	}
	return join ' ', @words, $client->{close_code};
}

# What a new visitor is told who sends these frames (arguments of send_frame) or bytes.
sub answer_to
{
	my (@frames) = @_;
	my $client = $gate->visitor;

	ref $_ ? $client->send_frame(@$_) : $client->write($_) for @frames;
	my $words = eval { last_words($client) };

	return $words // "stays open: $@";
}

# A good message, with changes; undef leaves a field out.
sub message
{
	my (%o) = @_;
	my $page = bless { origin => $gate->{origin} }, 'Pageviews::Client';
	my %message = (%{ Pageviews::Client::message($page->new_view('/p'), 'view') }, %o);

	delete @message{ grep { !defined $message{$_} } keys %message };
	return \%message;
}

sub text
{
	my (%o) = @_;

	return $json->encode(message(%o));
}

# --- protocol errors --------------------------------------------------------------------------

for (
	[ 'reserved bit 1', [ 1, 'hello', reserved => 0x40 ] ],
	[ 'reserved bit 2', [ 1, 'hello', reserved => 0x20 ] ],
	[ 'reserved bit 3', [ 1, 'hello', reserved => 0x10 ] ],
	[ 'opcode 3', [ 3, 'x' ] ],
	[ 'opcode 7', [ 7, '' ] ],
	[ 'opcode 11', [ 11, 'x' ] ],
	[ 'a continuation of nothing', [ 0, 'x' ] ],
	[ 'a ping in fragments', [ 9, 'x', fin => 0 ] ],
	[ 'a close in fragments', [ 8, "\x03\xe8", fin => 0 ] ],
	[ 'a message inside another', [ 1, 'x', fin => 0 ], [ 1, 'y' ] ],
	[ 'close code 5', [ 8, pack 'n', 5 ] ],
	[ 'close code 1005, which must not travel', [ 8, pack 'n', 1005 ] ])
{
	my ($name, @frames) = @$_;

	is(answer_to(@frames), 1002, "$name is answered with 1002");
}

# Of these the library says no more than that it hangs up.
for (
	[ 'a ping of 126 bytes', [ 9, 'x' x 126 ] ],
	[ 'a ping of 70,000 bytes', [ 9, 'x' x 70000 ] ],
	[ 'a length of 2^64 - 1', "\x81\xff" . "\xff" x 8 . 'aaaa' ],
	[ 'a length of 2^63 - 1', "\x81\xff\x7f" . "\xff" x 7 . 'aaaa' ],
	[ 'a close with broken text', [ 8, "\x03\xe8\xff" ] ],
	[ 'a close of 1 byte', [ 8, 'x' ] ],
	[ 'a close of 126 bytes', [ 8, "\x03\xe8" . 'x' x 124 ] ],
	[ 'an unmasked frame', [ 1, 'x', masked => 0 ] ])
{
	my ($name, @frames) = @$_;

	like(answer_to(@frames), qr/\b(?:1002|1005|1006|1007|1008|1009)$/, "$name ends the socket");
}

# --- what is no message ------------------------------------------------------------------------

is(answer_to([ 2, text() ]), 'bad_message 1003', 'binary is answered with 1003');
is(answer_to([ 2, '' ]), 'bad_message 1003', 'binary of nothing too');
is(answer_to([ 1, "\xff\xfe" ]), 1007, 'bytes that are no UTF-8 are answered with 1007');
is(answer_to([ 1, "\xed\xa0\x80" ]), 1007, 'a surrogate in UTF-8 too');
is(answer_to([ 1, "\xc0\x80" ]), 1007, 'a zero byte in two bytes too');
is(answer_to([ 1, "\xf0\x9f", fin => 0 ], [ 0, 'x' ]), 1007, 'a character torn by a fragment and not finished too');
is(answer_to([ 1, "\xf0\x9f" ]), 1007, 'a character torn by the end too');
is(answer_to([ 1, ' ' x 4097 ]), 'bad_message 1009', 'one byte too many is answered with 1009');
is(answer_to([ 1, ' ' x 4096 ]), 'bad_message 1008', '... and one less is read');
is(answer_to([ 1, ' ' x 70000 ]), 'bad_message 1009', '70,000 bytes too many, too');
is(answer_to((map { [ $_ ? 0 : 1, ' ' x 100, fin => 0 ] } 0 .. 40), [ 0, ' ' ]), 'bad_message 1009', 'fragments that add up to too many too');
is(answer_to([ 1, 'x', fin => 0 ], (map { [ 0, '', fin => 0 ] } 1 .. 50), [ 0, '' ]), 'bad_message 1008', 'fifty empty fragments are one message');
is(answer_to([ 1, 'x', fin => 0 ], (map { [ 0, '', fin => 0 ] } 1 .. 500), [ 0, '' ]), 'too_fast 1008', 'five hundred are a flood');

for (
	[ 'no JSON' => 'hello' ],
	[ 'nothing' => '' ],
	[ 'an array' => '[]' ],
	[ 'a number' => '1' ],
	[ 'an object without a type' => '{}' ],
	[ 'a key twice' => '{"type":"view","type":"end"}' ],
	[ 'brackets in brackets' => '[' x 4000 ],
	[ 'objects in objects' => '{"a":' x 800 ],
	[ 'a number without end' => '{"type":' . '9' x 4000 . '}' ],
	[ 'a zero byte in a key' => '{"ty\u0000pe":"view"}' ],
	[ 'something behind it' => text() . '{}' ],
	[ 'a type that is none' => text(type => 'x') ],
	[ 'a number as type' => text(type => 1) ],
	[ 'a state that is none' => text(state => 'asleep') ],
	[ 'a time below zero' => text(visible => -1) ],
	[ 'a time that is a text' => text(visible => '1') ],
	[ 'a time that is no number' => text() =~ s/"visible":0/"visible":NaN/r ],
	[ 'a time that is an overflow' => text() =~ s/"visible":0/"visible":1e999/r ],
	[ 'no time' => text(visible => undef) ],
	[ 'message number 0' => text(n => 0) ],
	[ 'message number 2^31' => text(n => 2**31) ],
	[ 'message number 1.5' => text(n => 1.5) ],
	[ 'a view id of version 4' => text(view => '0a2b3c4d-1111-4222-8333-444455556666') ],
	[ 'a view id that is too long' => text(view => '01a207cb-2609-7c60-ba3d-e23a7847108d0') ],
	[ 'no view id' => text(view => undef) ],
	[ 'no url' => text(url => undef) ],
	[ 'a scroll depth of 101' => text(scroll => 101) ])
{
	is(answer_to([ 1, $_->[1] ]), 'bad_message 1008', "$_->[0] is no message");
}

# --- what concerns one view alone ----------------------------------------------------------------

my $client = $gate->visitor;

# Says it, and then something good; what is answered to both.
sub answers
{
	my (@texts) = @_;
	my ($last, @words) = message();

	$client->send_text($_) for @texts, $json->encode($last);
	for (;;)
	{
		my $message = $client->receive // return "@words closed";

		push @words, $message->{code} // $message->{type};
		return "@words" if $message->{type} eq 'stored' && $message->{view} eq $last->{view};
	}
}

is(answers(text(url => 'http://other.example/')), 'wrong_site ack stored', "a page of another site is refused, and the socket stays");
is(answers(text(props => { a => { b => 1 } })), 'bad_props ack stored', 'properties in properties are refused, and the socket stays');
is(answers(text(props => { map { ($_ => 1) } 1 .. 17 })), 'bad_props ack stored', 'a 17th property is refused, and the socket stays');
is(answers(text(title => 'x' x 3000, later => [ 1, {} ])), 'ack stored ack stored', 'a long title is cut, and what a newer tracker says passed over');
is(answers('{"title":"\ud83d x",' . substr text(), 1), 'ack stored ack stored', 'half an emoji does not cost the message');
is(answers(text(title => "a\x{1b}[31m\n\x{202e}")), 'ack stored ack stored', 'control characters do not cost the message');
unlike($gate->reports, qr/[\x00\x1b]/, '... and go no further');

# --- fragments, and frames in between -----------------------------------------------------------------

my $message = text();
my $bytes = length $message;

$client->send_frame($_ ? 0 : 1, substr($message, $_, 1), fin => $_ == $bytes - 1) for 0 .. $bytes - 1;
ok($client->expect(type => 'stored'), 'a message in fragments of one byte is one message');

$message = text();
$client->send_frame(1, substr($message, 0, 9), fin => 0);
$client->send_frame(9, 'between');
$client->send_frame(0, substr $message, 9);
ok($client->expect(type => 'stored') && $client->{pongs} == 1, 'a ping between two fragments is answered, and the message is one');

$client->send_frame(9, '') for 1 .. 200;
$client->send_frame(10, 'x' x 125) for 1 .. 20;
is(answers(), 'ack stored', 'pings and pongs that nobody asked for do no harm');

# --- ends ---------------------------------------------------------------------------------------------

is(answer_to([ 8, pack 'n', 1001 ]), 1001, 'a closing handshake is answered with its own code');
is(answer_to([ 8, '' ]), 1005, 'a close without a code is answered without one');
is(answer_to([ 8, pack 'n', 4000 ]), 4000, 'a code of an application is answered with it');

for my $end ([ 'in the head of a frame', "\x81" ], [ 'in its length', "\x81\xfe\x0f" ], [ 'in its mask', "\x81\x85\x01\x02" ], [ 'in its text', "\x81\xfe\x0f\x00\1\2\3\4hello" ])
{
	for my $way ('drop', 'reset')
	{
		my $leaver = $gate->visitor;

		$leaver->write($end->[1]);
		$leaver->$way;
	}
	pass("who leaves $end->[0] takes nobody along");
}
$gate->empty if $client->close || 1;
my @opened = $gate->reports =~ /^opened (\d+) /mg;
my @closed = $gate->reports =~ /^closed (\d+) /mg;

is(scalar @closed, scalar @opened, 'every socket that was opened was closed, and once');
$gate->stands;
done_testing();
