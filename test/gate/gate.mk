# The gate suite: the listener, built with the address and undefined behaviour
# sanitizers, is started by a worker without Postgres and attacked through its
# socket.  Part of the Makefile; each test/gate/*.pl starts a listener of its own.
#
#	make gate GATE_TESTS=test/gate/notes.pl		one of them
#	make gate GATE_SEED=...						the mutations of that seed again

GATE_TESTS = $(sort $(wildcard test/gate/*.pl))
GATE_SEED =
GATE_CFLAGS = -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all $(STRICT) -Wshadow
GATE_OBJS = $(LISTENER_SOURCES:%.c=build/gate/%.o) $(LISTENER_ASSETS:%.S=build/%.o)
GATE_HARNESS_OBJS = build/gate/test/tools/listener_harness.o $(COMMON_SOURCES:%.c=build/gate/%.o)

build/gate/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(GATE_CFLAGS) $(LISTENER_CPPFLAGS) -MMD -MP -c -o $@ $<

build/gate/$(LISTENER): $(GATE_OBJS)
	$(CC) $(GATE_CFLAGS) -o $@ $(GATE_OBJS) $(LISTENER_LIBS)

build/gate/harness: $(GATE_HARNESS_OBJS)
	$(CC) $(GATE_CFLAGS) -o $@ $(GATE_HARNESS_OBJS) -lcrypto

-include $(GATE_OBJS:.o=.d) $(GATE_HARNESS_OBJS:.o=.d)

gate: build/gate/$(LISTENER) build/gate/harness
	@TESTDIR=. GATE_SEED='$(GATE_SEED)' perl -I test/perl test/perl/harness.pl $(GATE_TESTS)
