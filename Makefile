# pageviews: an extension module and the program that it starts, by PGXS.
#
#   make, make install     build, and install into the Postgres of PG_CONFIG
#   make test              prepare, build, install, run every suite
#   make demo              a private cluster with a demo site, until Ctrl-C
#
# tools/ holds what the other targets do; `make help` lists them.

EXTENSION = pageviews
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" pageviews.control)
# The install script is made of its parts; scripts that update are files of their own.
SCRIPT = sql/pageviews--$(EXTVERSION).sql
DATA = $(wildcard sql/pageviews--*--*.sql)
DATA_built = $(SCRIPT)

PG_CONFIG ?= pg_config
export PG_CONFIG

# Warnings are errors, in gcc and in clang.
STRICT = -Wall -Wextra -Werror -Wmissing-prototypes
ifneq (,$(findstring clang,$(CC)))
# Postgres was configured for gcc: its flags and headers name what clang does not know.
PG_DIALECT = -Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes
endif

# --- the module: src/worker and src/common, inside Postgres -----------------
MODULE_big = pageviews
COMMON_SOURCES = $(sort $(wildcard src/common/*.c))
WORKER_SOURCES = $(sort $(wildcard src/worker/*.c) $(wildcard src/reports/*.c))
OBJS = $(WORKER_SOURCES:.c=.o) $(COMMON_SOURCES:.c=.o)
PG_CPPFLAGS = -DPAGEVIEWS_VERSION='"$(EXTVERSION)"'
# The four that are off fire in Postgres's own headers or forbid its idioms.
PG_CFLAGS = -std=gnu11 $(STRICT) $(PG_DIALECT) -Wno-unused-parameter \
	-Wno-missing-field-initializers -Wno-declaration-after-statement -Wno-sign-compare \
	-Wno-cast-function-type -MMD -MP
# Nothing but what Postgres calls by name leaves the module: every backend that
# preloads it shares one symbol space with other extensions.
SHLIB_LINK = -Wl,--version-script=$(srcdir)/src/worker/exports.map -lcrypto

# --- the program: src/listener and src/common, outside Postgres -------------
LISTENER = pageviews_listener
LISTENER_SOURCES = $(sort $(wildcard src/listener/*.c)) $(COMMON_SOURCES)
LISTENER_ASSETS = $(sort $(wildcard src/listener/*.S))
LISTENER_OBJS = $(LISTENER_SOURCES:%.c=build/%.o) $(LISTENER_ASSETS:%.S=build/%.o)
LISTENER_CPPFLAGS = -D_GNU_SOURCE -DPAGEVIEWS_VERSION='"$(EXTVERSION)"'
LISTENER_CFLAGS = -std=gnu11 -O2 -g $(STRICT) -Wshadow
LISTENER_HARDENING = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection -fPIE
LISTENER_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,defs -Wl,--as-needed
LISTENER_LIBS = -lwebsockets -ljansson -lpcre2-8 -lseccomp -lssl -lcrypto -lz -lm

EXTRA_CLEAN = build tmp_check results regression.diffs regression.out $(LISTENER) \
	$(OBJS:.o=.d) META.tmp

# --- pg_regress: needs a server of its own, see tools/regress ---------------
REGRESS = $(patsubst sql/%.sql,%,$(filter-out sql/pageviews--%,$(sort $(wildcard sql/*.sql))))

all: $(LISTENER)

# These need no Postgres to be there yet: the first things that a newcomer types.
ALONE = help prepare test test-faults demo lint format unit property gate regress tap browser compilers \
	fuzz fuzz-short fuzz-corpus hostile hostile-short slow bench generate truth
ifneq (,$(or $(filter-out $(ALONE),$(MAKECMDGOALS)),$(if $(MAKECMDGOALS),,all)))
override with_llvm = no
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq (,$(PGXS))
$(error $(PG_CONFIG) does not run: name the one of your Postgres with PG_CONFIG=, or install what is missing with "make prepare")
endif
include $(PGXS)
endif

# The folder too: its time changes when a part goes.
$(SCRIPT): sql/install $(sort $(wildcard sql/install/*.sql))
	cat $(filter %.sql,$^) >$@.new && mv $@.new $@

$(LISTENER): $(LISTENER_OBJS)
	$(CC) $(LISTENER_LDFLAGS) -o $@ $(LISTENER_OBJS) $(LISTENER_LIBS)

build/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(LISTENER_CFLAGS) $(LISTENER_HARDENING) $(LISTENER_CPPFLAGS) -MMD -MP -c -o $@ $<

# What it serves is included byte by byte, so each file is a prerequisite.
build/%.o: %.S $(wildcard web/*.js web/*.list web/demo/*)
	@mkdir -p $(@D)
	$(CC) -Wa,-I$(CURDIR) -c -o $@ $<

-include $(OBJS:.o=.d) $(LISTENER_OBJS:.o=.d) build/test/tools/intruder.d

# A listener that misbehaves when it is asked to (test/tools/intruder.c), for the tests.
build/intruder/$(LISTENER): $(LISTENER_OBJS) build/test/tools/intruder.o
	@mkdir -p $(@D)
	$(CC) $(LISTENER_LDFLAGS) -Wl,--wrap=http_request,--wrap=sandbox_enter -o $@ $^ $(LISTENER_LIBS)

install: install-listener
install-listener: $(LISTENER)
	$(MKDIR_P) '$(DESTDIR)$(pkglibdir)'
	$(INSTALL_PROGRAM) $(LISTENER) '$(DESTDIR)$(pkglibdir)/$(LISTENER)'

uninstall: uninstall-listener
uninstall-listener:
	rm -f '$(DESTDIR)$(pkglibdir)/$(LISTENER)'

# --- test and tend -----------------------------------------------------------
include test/unit/unit.mk
include test/gate/gate.mk
include test/fuzz/fuzz.mk
include test/hostile/hostile.mk

# `make demo SECONDS=20 VISITORS=5`: bash keeps a variable SECONDS of its own.
demo:
	@DEMO_PORT='$(PORT)' DEMO_SECONDS='$(SECONDS)' DEMO_VISITORS='$(VISITORS)' tools/demo

prepare test lint format regress tap browser compilers:
	@tools/$@

# `make bench BENCH=view`: names of test/load/bench.pl.
bench:
	@BENCH="$(BENCH)" tools/bench

# `make test-faults FAULTS="--seed 1 'listener STOP'"`: options and names of test/faults/run.pl.
test-faults:
	@tools/faults

# `make generate VIEWS=10000000 DAYS=90`: into the database of psql (PGHOST, PGDATABASE ...).
generate:
	@tools/generate $(if $(VIEWS),--views $(VIEWS)) $(if $(DAYS),--days $(DAYS)) $(if $(SITES),--sites $(SITES)) $(if $(SEED),--seed $(SEED))

# `make truth VIEWS=10000000 SEED=7`: options of test/truth/run.pl.
truth:
	@tools/truth $(if $(VIEWS),--views $(VIEWS)) $(if $(DAYS),--days $(DAYS)) $(if $(SITES),--sites $(SITES)) $(if $(SEED),--seed $(SEED)) $(if $(QUESTIONS),--questions $(QUESTIONS))

help:
	@echo 'make             build the module and the listener'
	@echo 'make install     into the Postgres of PG_CONFIG ($(PG_CONFIG))'
	@echo 'make demo        a demo site on a private cluster; PORT= SECONDS= VISITORS='
	@echo 'make test        prepare, build, install, then all of these:'
	@echo '  lint unit gate fuzz hostile regress tap faults (some) browser, and the demo'
	@echo 'make test-faults seeded visitors while everything breaks; FAULTS= names some'
	@echo 'make bench       how fast it is, against others, in 20 minutes; BENCH= names some'
	@echo 'make generate    fills the tables of a database with realistic views; VIEWS= DAYS= SITES= SEED='
	@echo 'make fuzz        a campaign of the fuzz targets; HOURS= FUZZ_TARGETS='
	@echo 'make hostile     a campaign against the real listener; CONNECTIONS= VALGRIND=1'
	@echo 'make slow        an honest visitor beside 1,000 slow clients: p99 within twice its own'
	@echo 'make property    a million random sequences against the model; SEED= SEQUENCES='
	@echo 'make truth       every report against plain SQL on random views; VIEWS= DAYS= SITES= SEED= QUESTIONS='
	@echo 'make prepare     install the missing Debian packages'
	@echo 'make format      clang-format over the tree'
	@echo 'make compilers   gcc and clang, warnings are errors'

.PHONY: install-listener uninstall-listener $(ALONE)
