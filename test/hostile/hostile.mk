# Hostile connections against the real listener, with an honest visitor beside
# them.  Part of the Makefile.
#
#	make hostile-short						5,000, as part of `make test`
#	make hostile CONNECTIONS=200000			a campaign, under the sanitizers
#	make hostile CONNECTIONS=5000 VALGRIND=1	the same program as users run it, under valgrind
#	make hostile SEED=...					the same connections again
#	make slow								1,000 slow clients: an honest visitor's p99 within
#											twice its quiet figure, on a machine that is idle

CONNECTIONS ?= 200000
HOSTILE_SOURCES = $(sort $(wildcard test/hostile/*.c)) src/common/text.c
HOSTILE_OBJS = $(HOSTILE_SOURCES:%.c=build/hostile/%.o)

build/hostile/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(STRICT) -D_GNU_SOURCE -MMD -MP -c -o $@ $<

build/hostile/hostile: $(HOSTILE_OBJS)
	$(CC) -o $@ $(HOSTILE_OBJS) -lssl -lcrypto

build/hostile/failing.so: test/hostile/memory/failing.c test/hostile/memory/failing.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 $(STRICT) -shared -fPIC -fno-builtin -o $@ $<

MEMORY_OBJS = $(addprefix build/hostile/test/hostile/,memory/driver.o attack.o) $(COMMON_SOURCES:%.c=build/hostile/%.o)
SLOW_OBJS = $(addprefix build/hostile/test/hostile/,slow/slow.o honest.o attack.o)

build/hostile/memory: $(MEMORY_OBJS)
	$(CC) -o $@ $^ -lcrypto

build/hostile/slow: $(SLOW_OBJS)
	$(CC) -o $@ $^ -lssl -lcrypto

-include $(patsubst %.o,%.d,$(sort $(HOSTILE_OBJS) $(MEMORY_OBJS) $(SLOW_OBJS)))

HOSTILE_PROGRAMS = build/hostile/hostile build/hostile/memory build/hostile/failing.so build/hostile/slow build/gate/$(LISTENER) build/gate/harness $(LISTENER)

hostile-short: $(HOSTILE_PROGRAMS)
	@TESTDIR=. HOSTILE_CONNECTIONS=5000 perl -I test/perl test/perl/harness.pl $(sort $(wildcard test/hostile/*.pl))

hostile: $(HOSTILE_PROGRAMS)
	@TESTDIR=. HOSTILE_CONNECTIONS='$(CONNECTIONS)' HOSTILE_SEED='$(SEED)' HOSTILE_VALGRIND='$(VALGRIND)' \
		perl -I test/perl test/hostile/connections.pl

slow: $(HOSTILE_PROGRAMS)
	@SLOW_STRICT=1 perl -I test/perl test/hostile/slow.pl
