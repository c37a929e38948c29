# Everything that is quick, one after the other, as chance has it.

package Pageviews::Faults::Mix;

use strict;
use warnings FATAL => 'all';

use Pageviews::Faults;

fault 'random mix' => sub {
	my ($blow) = @_;
	my @quick = sort { $a->{name} cmp $b->{name} } grep { $_->{move} } Pageviews::Faults::all();

	again_and_again($blow, 0.3, sub {
		my $fault = $quick[ int rand @quick ];

		tell($blow, "then $fault->{name}");
		$fault->{move}->($blow);
	});
}, seconds => 20, short => 1;

1;
