# The fuzz targets: each test/fuzz/*.c is one, built by clang with libFuzzer and
# the sanitizers against all pure sources.  Part of the Makefile.
#
#	make fuzz-short FUZZ_SECONDS=10		every target for so long, two at a time
#	make fuzz HOURS=8 FUZZ_TARGETS=url	a campaign: the hours are for all of them together
#	make fuzz-corpus					what campaigns found, minimised, into test/fuzz/corpus

FUZZ_SECONDS ?= 30
HOURS ?= 1
FUZZ_TARGETS = $(patsubst test/fuzz/%.c,%,$(sort $(wildcard test/fuzz/*.c)))
FUZZ_PROGRAMS = $(FUZZ_TARGETS:%=build/fuzz/%)
FUZZ_CC = clang
FUZZ_CFLAGS = -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all $(STRICT)
FUZZ_OBJS = $(PURE_SOURCES:%.c=build/fuzz/%.o) $(LISTENER_ASSETS:%.S=build/%.o)

build/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link $(LISTENER_CPPFLAGS) -MMD -MP -c -o $@ $<

build/fuzz/pure.a: $(FUZZ_OBJS)
	@rm -f $@
	@$(AR) rcs $@ $(FUZZ_OBJS)

$(FUZZ_PROGRAMS): build/fuzz/%: build/fuzz/test/fuzz/%.o build/fuzz/pure.a
	@$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $< build/fuzz/pure.a $(UNIT_LIBS)

-include $(FUZZ_OBJS:.o=.d) $(FUZZ_TARGETS:%=build/fuzz/test/fuzz/%.d)

fuzz-short: $(FUZZ_PROGRAMS)
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' tools/fuzz $(FUZZ_TARGETS)

fuzz: $(FUZZ_PROGRAMS)
	@FUZZ_HOURS='$(HOURS)' tools/fuzz $(FUZZ_TARGETS)

fuzz-corpus: $(FUZZ_PROGRAMS)
	@FUZZ_MINIMISE=1 tools/fuzz $(FUZZ_TARGETS)
