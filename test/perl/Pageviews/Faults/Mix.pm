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

# The same with visitors whose messages go astray, whose clocks are wrong, whose network is cut.
my ($mix) = grep { $_->{name} eq 'random mix' } Pageviews::Faults::all();
my ($cut) = grep { $_->{name} eq 'network cut' } Pageviews::Faults::all();

fault 'random mix, late messages' => $mix->{work}, seconds => 20, options => [ '--mischief' => 30 ];
fault 'random mix, wrong clocks' => $mix->{work}, seconds => 20, options => [ '--skew' => 3600_000 ];
fault 'random mix, network cut' => $mix->{work}, seconds => 20, slack => 2500, before => $cut->{before}, after => $cut->{after};

1;
