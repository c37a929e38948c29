# The unit tests: every pure source, built with the address and undefined
# behaviour sanitizers, and each test/unit/*_test.c, listener_*.c against them.
# Part of the Makefile; a test ends with a line "N passed, N failed".

UNIT_TESTS = $(sort $(wildcard test/unit/*_test.c test/unit/listener_*.c))
UNIT_HELPERS = $(filter-out $(UNIT_TESTS),$(sort $(wildcard test/unit/*.c)))
# In src/worker, what is fenced against Postgres says so itself.
PURE_SOURCES = $(COMMON_SOURCES) $(sort $(shell grep -l 'ifdef POSTGRES_H' $(WORKER_SOURCES))) \
	$(filter-out src/listener/main.c src/listener/server%,$(sort $(wildcard src/listener/*.c)))
UNIT_OBJS = $(patsubst %.c,build/unit/%.o,$(PURE_SOURCES) $(UNIT_HELPERS)) \
	$(LISTENER_ASSETS:%.S=build/%.o)
UNIT_PROGRAMS = $(UNIT_TESTS:test/unit/%.c=build/unit/%)
UNIT_CFLAGS = -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all $(STRICT)
UNIT_LIBS = -ljansson -lpcre2-8 -lseccomp -lssl -lcrypto -lz -lm

build/unit/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(LISTENER_CPPFLAGS) -MMD -MP -c -o $@ $<

build/unit/pure.a: $(UNIT_OBJS)
	@rm -f $@
	$(AR) rcs $@ $(UNIT_OBJS)

$(filter-out build/unit/listener_sandbox,$(UNIT_PROGRAMS)): build/unit/%: build/unit/test/unit/%.o build/unit/pure.a
	$(CC) $(UNIT_CFLAGS) -o $@ $< build/unit/pure.a $(UNIT_LIBS)

# Sanitizers call what the sandbox forbids: its test is the product's own objects, without them.
build/unit/listener_sandbox: build/test/unit/listener_sandbox.o \
		$(addprefix build/src/,listener/sandbox.o listener/message.o listener/scratch.o listener/origin.o \
		listener/url.o common/text.o common/uuid.o)
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(UNIT_LIBS)

-include build/test/unit/listener_sandbox.d $(UNIT_OBJS:.o=.d) $(UNIT_TESTS:%.c=build/unit/%.d)

# The property tests once more, optimised and without sanitizers: a million sequences.
PROPERTY_TESTS = $(sort $(wildcard test/unit/*property_test.c))
PROPERTY_OBJS = $(patsubst %.c,build/property/%.o,$(filter-out src/listener/%,$(PURE_SOURCES)))
PROPERTY_PROGRAMS = $(PROPERTY_TESTS:test/unit/%.c=build/property/%)

build/property/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(STRICT) $(LISTENER_CPPFLAGS) -MMD -MP -c -o $@ $<

$(PROPERTY_PROGRAMS): build/property/%: build/property/test/unit/%.o $(PROPERTY_OBJS)
	$(CC) -o $@ $^ -lcrypto

-include $(PROPERTY_OBJS:.o=.d) $(PROPERTY_TESTS:%.c=build/property/%.d)

property: $(PROPERTY_PROGRAMS)
	@SEQUENCES='$(SEQUENCES)' SEED='$(SEED)' tools/property $(PROPERTY_PROGRAMS)

unit: $(UNIT_PROGRAMS)
	@tools/unit $(UNIT_PROGRAMS)
