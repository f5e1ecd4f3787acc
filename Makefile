# Handfast's front door. The build itself is Meson and Ninja; this says the few commands people need.
#   make serve            on a fresh Debian: installs what is missing, builds, serves the welcome site
#   make                  lists every target
SHELL := /bin/sh
BUILD ?= build
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
MESONFLAGS ?=
PREFIX ?= /usr/local
ARGS ?= --welcome --listen http://localhost:8080 --try-listen https://localhost:8443

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help serve build test sim fuzz fuzz-keep mutants bench soak peers redis check install deb deb-try clean setup-build setup-test

help: ## this list
	@echo "Handfast: make TARGET [NAME=VALUE...]"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r t w; do printf '  %-11s %s\n' "$$t" "$$w"; done
	@echo "  JOBS=N bounds the compilers at work; HF_SETUP=skip installs nothing; NO_COLOR is respected"

serve: build ## build, then serve the welcome site at http://localhost:8080 and https://localhost:8443 (ARGS="DIR --listen ...")
	$(BUILD)/handfast serve $(ARGS)

build: setup-build $(BUILD)/build.ninja ## build the program: build/handfast
	@ninja -C $(BUILD) -j $(JOBS) program
	@[ -e $(BUILD)/handfast ] || ! [ -e $(BUILD)/src/main/handfast ] || ln -s src/main/handfast $(BUILD)/handfast

test: setup-test build ## every test that needs no root and no network; closes with the counts
	@ninja -C $(BUILD) -j $(JOBS)
	@tools/test --jobs $(JOBS) $(BUILD)

check: ## the rules of the house alone, in a second: layers, limits, purity
	@tools/layers; layers=$$?; tools/limits; limits=$$?; tools/pure $(BUILD); pure=$$?; \
	  [ $$layers = 0 ] && [ $$limits = 0 ] && { [ $$pure = 0 ] || [ $$pure = 77 ]; }

sim: build ## the simulated network: SEED=N replays one run, SEEDS=N makes many, WORLD=NAME chooses
	@SEED=$(SEED) SEEDS=$(SEEDS) WORLD=$(WORLD) tools/sim $(BUILD)

fuzz: ## libFuzzer with ASan and UBSan: T=NAME one target (default: all), TIME=60 seconds each
	@tools/setup build fuzz && tools/fuzz run --jobs $(JOBS) $(if $(TIME),--time $(TIME)) $(T)

fuzz-keep: ## adds what fuzzing found to fuzz/corpus, as few files as cover it: T=NAME
	@tools/setup build fuzz && tools/fuzz keep --jobs $(JOBS) $(T)

mutants: build ## put faults into our TCP, one at a time, and see that the tests catch each: M=NAME one of them
	@tools/mutants --jobs $(JOBS) --build $(BUILD) $(M)

bench: build ## measure beside other servers: B=http1 one bench, QUICK=1 shorter, JSON=FILE keeps every figure
	@B='$(B)' QUICK='$(QUICK)' JSON='$(JSON)' CASES='$(CASES)' bench/run $(BUILD)

soak: build ## simulator, fuzzing and reloads under load for long, with fresh seeds: TIME=3600 seconds in all
	@ninja -C $(BUILD) -j $(JOBS)
	@tools/soak --jobs $(JOBS) $(if $(TIME),--time $(TIME)) $(BUILD)

peers: build ## install every other peer and run the whole interop matrix
	@tools/setup test ci peers
	@ninja -C $(BUILD) -j $(JOBS)
	@if [ -x tests/peers/run ]; then tests/peers/run $(BUILD); else echo 'peers: no matrix yet (tests/peers/run)' >&2; exit 1; fi

redis: ## Debian's redis-server on a socket in a folder of its own, until ^C: where several processes share sessions
	@tools/setup redis && tools/redis

install: build ## install below PREFIX (/usr/local) and DESTDIR
	@meson configure $(BUILD) -Dprefix=$(PREFIX) && ninja -C $(BUILD) -j $(JOBS) program && \
	  DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

deb: build ## Debian packages in build/deb: handfast, libhandfast0, libhandfast-dev
	@tools/setup build deb
	@tools/deb $(BUILD)

deb-try: deb ## installs those packages in a clean Debian, uses what they bring, takes them out again (as root): FROM=ROOT a root to copy
	@tools/try-deb $(if $(FROM),--from $(FROM)) $(BUILD)/deb

clean: ## remove every build directory
	rm -rf build build-*

setup-build:
	@tools/setup build
setup-test:
	@tools/setup build test

# With symbols, assertions on, the rooms that every request walks through at -O3 and inlined across (whole_program): what users
# run. The tests link the same objects, and tools/pure reads them.
$(BUILD)/build.ninja: | setup-build
	@meson setup $(BUILD) --buildtype=debugoptimized -Db_ndebug=false -Dwhole_program=true --prefix=$(PREFIX) $(MESONFLAGS)
