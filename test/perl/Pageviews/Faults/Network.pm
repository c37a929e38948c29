# Faults of the network between visitors and listener.

package Pageviews::Faults::Network;

use strict;
use warnings FATAL => 'all';

use Pageviews::Cluster;
use Pageviews::Faults;
use Time::HiRes qw(time sleep);

repeated 'half of the connections reset' => 0.5, sub { kill USR1 => $_[0]{driver} }, short => 1;

1;
