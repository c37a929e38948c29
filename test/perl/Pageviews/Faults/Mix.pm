# Everything at once, as chance has it.

package Pageviews::Faults::Mix;

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Faults;
use Pageviews::Faults::Database;
use Time::HiRes qw(time sleep);

fault 'random mix' => sub {
	my @moves = (
		sub { hit($_[0], SEGV => listener($_[0])) },
		sub { hit($_[0], KILL => listener($_[0])) },
		sub { kill USR1 => $_[0]{driver} },
		sub { insist($_[0], 'SELECT pg_terminate_backend(' . worker($_[0]) . ')'); $_[0]{restarts}++ },
		sub { insist($_[0], 'SELECT pg_cancel_backend(' . worker($_[0]) . ')') },
		sub { hit($_[0], KILL => worker($_[0])); insist($_[0], 'SELECT 1') },
		sub { $_[0]{node}->stop('fast'); $_[0]{node}->start; started($_[0]) },
		sub { $_[0]{node}->stop('immediate'); $_[0]{node}->start; started($_[0]) },
		sub { trigger($_[0], '40001', 'txid_current() % 2 = 0'); sleep 1; no_trigger($_[0]) },
		sub { trigger($_[0], '53100', 'true'); sleep 1; no_trigger($_[0]) });

	again_and_again($_[0], 0.3, sub { $moves[ int rand @moves ]->($_[0]) });
}, forgets => 1, seconds => 15;

1;
