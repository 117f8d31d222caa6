# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# bwctl: build, install, demonstrate, test. "make help" lists the targets.

VERSION = 0.1.0

PREFIX  ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/bwctl
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
DESTDIR ?=

CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool /usr/local/sbin/bpftool) bpftool)
PROVE   ?= prove

BUILD := build
ifeq ($(SAN),1)
BUILD := build/san
endif

Q := @
ifeq ($(V),1)
Q :=
endif
say = $(if $(Q),@printf '  %-8s %s\n' '$(1)' '$(2)')

# Debian packages, by what they are for. "make deps" installs those that are missing.
DEPS_BUILD := gcc make pkg-config clang llvm libc6-dev libbpf-dev libelf-dev zlib1g-dev \
	      libjansson-dev libmnl-dev libinih-dev libmicrohttpd-dev libsystemd-dev bpftool
DEPS_TEST  := libcmocka-dev libpcap-dev bats perl jq curl iproute2 iputils-ping iperf3 tcpdump ethtool \
	      mandoc shellcheck strace util-linux procps git
DEPS_FUZZ := libclang-rt-14-dev
DEPS_VM := qemu-system-x86 busybox-static cpio kmod nftables xz-utils zstd bsdextrautils
DEPS_MONITORING := curl
DEPS := $(DEPS_BUILD) $(DEPS_TEST)

# What "make check-monitoring" tries the metrics with: unpacked, not installed.
MONITORS := prometheus prometheus-node-exporter zabbix-agent libmodbus5 \
	    snmpd snmp libsnmp40 libsnmp-base libwrap0 libpci3 libsensors5

# What "make check-vm" boots: Debian's kernels, by version.
KERNELS ?= 5.10 6.1 6.12 newest
JOBS ?= 1

# How long "make fuzz" tries each target.
FUZZ_SECONDS ?= 600

LIBRARIES = libbpf jansson libmnl inih libelf zlib
EXPORTER_LIBRARIES = $(LIBRARIES) libmicrohttpd libsystemd

# Appended to, never replaced: CFLAGS and LDFLAGS from outside come last.
BW_CFLAGS = -std=gnu11 -g -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	    -D_GNU_SOURCE -DBWCTL_VERSION='"$(VERSION)"' -Iinclude -iquote user -Ibpf -I$(BUILD) \
	    $(shell pkg-config --cflags $(LIBRARIES)) -fPIE -fstack-protector-strong -fno-common
BW_LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ifeq ($(SAN),1)
BW_CFLAGS += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
BW_LDFLAGS += -fsanitize=address,undefined
else
BW_CFLAGS += -O2 -D_FORTIFY_SOURCE=2
endif
ifeq ($(WERROR),1)
BW_CFLAGS += -Werror
endif
BPF_CFLAGS = -g -O2 -target bpf -mcpu=v3 -Wall -Wextra -Werror -Iinclude -Ibpf \
	     -I/usr/include/$(shell uname -m)-linux-gnu

compile = $(CC) $(BW_CFLAGS) $(CFLAGS) -MMD -MP
link = $(CC) $(BW_CFLAGS) $(CFLAGS) $(BW_LDFLAGS) $(LDFLAGS)

SKELETONS := $(patsubst bpf/%.bpf.c,$(BUILD)/%.skel.h,$(wildcard bpf/*.bpf.c))
USER_SRC := $(wildcard user/*.c)
USER_OBJ := $(USER_SRC:user/%.c=$(BUILD)/obj/%.o)
# Everything but main(): what the tests link with.
PARTS := $(filter-out $(addprefix $(BUILD)/obj/,main.o exporter.o cmd_%.o),$(USER_OBJ))
# What bwctl itself does not need.
EXPORTER_ONLY := $(addprefix $(BUILD)/obj/,exporter.o scrape.o accept.o)

UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit_*.c))
TEST_TOOLS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(filter-out tests/unit_%.c,$(wildcard tests/*.c)))
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
# What they try is pure: no kernel, no library but inih.
FUZZ_SRC := $(addprefix user/,config.c config_apply.c flow_table.c policy.c policy_file.c units.c \
	      why.c words.c)
REPLAYS := $(FUZZ_TARGETS:%=$(BUILD)/tests/replay_%)
BATS_TESTS := $(wildcard tests/*.bats tests/net/*.bats)

# What Prometheus is given, and node_exporter.
PROMETHEUS := $(notdir $(wildcard dist/prometheus/*))

# Root: namespaces, BPF, and packages where some are missing.
as_root = @[ $$(id -u) = 0 ] || { echo "make $@ has to be run as root" >&2; exit 1; }

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: FORCE all help deps demo check check-fast check-vm check-monitoring fuzz goodput bench install uninstall clean tests lint

all: $(BUILD)/bwctl $(BUILD)/bwctl-exporter ## build/bwctl and build/bwctl-exporter

help: ## this list
	@printf 'targets:\n'
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 20
	@printf '\nvariables:\n'
	@printf '  %-12s %s\n' CC 'compiler (gcc, clang)' WERROR=1 'warnings are errors' \
		SAN=1 'AddressSanitizer and UBSan, in build/san' V=1 'show every command' \
		KERNELS 'of check-vm: 5.10 6.1 6.12 newest' \
		JOBS 'of check-vm: machines at once (1)' \
		FUZZ_SECONDS 'of fuzz, for each target: 600' \
		PREFIX '/usr/local' SBINDIR 'PREFIX/sbin' MANDIR 'PREFIX/share/man' \
		DOCDIR 'PREFIX/share/doc/bwctl' \
		BASHDIR 'PREFIX/share/bash-completion/completions' \
		DESTDIR 'root to install under' CFLAGS 'appended' LDFLAGS 'appended'

deps: ## install the Debian packages that are missing (as root)
	@missing=; for package in $(DEPS); do \
		dpkg-query -W -f '$${Status}\n' $$package 2>/dev/null | grep -q ' installed$$' || \
		missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	[ $$(id -u) = 0 ] || { echo "to be installed by root:$$missing" >&2; exit 1; }; \
	echo "installing:$$missing"; log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	export DEBIAN_FRONTEND=noninteractive; \
	{ apt-get -qq update && apt-get -qq -y --no-install-recommends install $$missing; } \
		>"$$log" 2>&1 </dev/null || { cat "$$log" >&2; exit 1; }

$(BUILD)/obj $(BUILD)/tests:
	$(Q)mkdir -p $@

# Other flags or another compiler: everything again.
$(BUILD)/flags: FORCE | $(BUILD)/obj
	$(Q)$(file >$@.new,$(CC) $(BW_CFLAGS) $(CFLAGS) $(BW_LDFLAGS) $(LDFLAGS)) \
		cmp -s $@.new $@ && rm $@.new || mv $@.new $@
FORCE:

$(BUILD)/%.bpf.o: bpf/%.bpf.c Makefile | $(BUILD)/obj
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKELETON,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf >$@

$(BUILD)/obj/%.o: user/%.c Makefile $(BUILD)/flags $(SKELETONS) | $(BUILD)/obj
	$(call say,CC,$@)
	$(Q)$(compile) -c $< -o $@

$(BUILD)/bwctl: $(filter-out $(EXPORTER_ONLY),$(USER_OBJ))
	$(call say,LINK,$@)
	$(Q)$(link) $^ -o $@ $(shell pkg-config --libs $(LIBRARIES))

$(BUILD)/bwctl-exporter: $(BUILD)/obj/exporter.o $(PARTS)
	$(call say,LINK,$@)
	$(Q)$(link) $^ -o $@ $(shell pkg-config --libs $(EXPORTER_LIBRARIES)) -lpthread

$(BUILD)/tests/empty.bpf.o: tests/bench/empty.bpf.c | $(BUILD)/tests
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/tests/empty.skel.h: $(BUILD)/tests/empty.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name empty_bpf >$@

$(BUILD)/tests/bench: $(BUILD)/tests/empty.skel.h

$(BUILD)/tests/%: tests/%.c Makefile $(BUILD)/flags $(PARTS) | $(BUILD)/tests
	$(call say,TEST,$@)
	$(Q)$(link) -I$(BUILD)/tests -MMD -MP -MF $@.d $< $(PARTS) -o $@ \
		$(shell pkg-config --libs $(LIBRARIES)) -lcmocka -lpcap -lpthread

$(BUILD)/tests/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c tests/fuzz/fuzz.h tests/policies.h Makefile \
		$(BUILD)/flags $(PARTS) | $(BUILD)/tests
	$(call say,TEST,$@)
	$(Q)$(link) -DCORPUS='"$(CURDIR)/tests/fuzz/corpus/$*"' tests/fuzz/replay.c $< $(PARTS) -o $@ \
		$(shell pkg-config --libs $(LIBRARIES))

$(BUILD)/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h tests/policies.h Makefile $(FUZZ_SRC) \
		$(wildcard user/*.h)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -f% -pie,$(BW_CFLAGS)) $(CFLAGS) -O1 -fno-omit-frame-pointer \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $< $(FUZZ_SRC) -o $@ \
		$(LDFLAGS) $(shell pkg-config --libs inih)

tests: all $(UNIT_TESTS) $(REPLAYS) $(TEST_TOOLS) ## build what the tests need

demo: ## show the ceiling on real traffic, in network namespaces (as root)
	$(as_root)
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)tests/demo/run

check: ## all tests that need no virtual machine (as root)
	$(as_root)
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) CMOCKA_MESSAGE_OUTPUT=TAP HARNESS_RULESFILE=tests/rules.yml \
		$(PROVE) --jobs 2 --timer $(UNIT_TESTS) $(REPLAYS) $(BATS_TESTS)

check-fast: tests ## those that take seconds
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) CMOCKA_MESSAGE_OUTPUT=TAP $(PROVE) --timer $(UNIT_TESTS) $(REPLAYS) $(wildcard tests/*.bats)

check-vm: ## the network tests on the Debian kernels KERNELS, in virtual machines (as root)
	$(as_root)
	$(Q)$(MAKE) --no-print-directory deps DEPS="$(DEPS) $(DEPS_VM)"
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) tests/vm/check --jobs $(JOBS) $(KERNELS)

check-monitoring: ## Prometheus, node_exporter and others on the metrics, a quarter of an hour (as root)
	$(as_root)
	$(Q)$(MAKE) --no-print-directory deps DEPS="$(DEPS) $(DEPS_MONITORING)"
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) tests/monitoring/fetch $(MONITORS)
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) $(PROVE) --timer tests/monitoring/*.bats

fuzz: ## any bytes as a policy file, and as the words of set, FUZZ_SECONDS for each
	$(Q)$(MAKE) --no-print-directory deps DEPS="$(DEPS_BUILD) $(DEPS_FUZZ)"
	$(Q)$(MAKE) --no-print-directory $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
	$(Q)cd $(BUILD)/fuzz && for target in $(FUZZ_TARGETS); do \
		mkdir -p $$target.found && ./$$target -max_total_time=$(FUZZ_SECONDS) -max_len=2000 \
			-artifact_prefix=$$target- -print_final_stats=1 -verbosity=0 \
			$$target.found $(CURDIR)/tests/fuzz/corpus/$$target || exit 1; \
	done

goodput: ## docs/goodput.md: TCP under bwctl and other limiters, hours in a virtual machine (as root)
	$(as_root)
	$(Q)$(MAKE) --no-print-directory deps DEPS="$(DEPS) $(DEPS_VM)"
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) tests/goodput/run

bench: tests ## nanoseconds per packet, against an empty program (as root)
	$(Q)$(BUILD)/tests/bench

lint: ## shellcheck, mandoc, and a build with warnings as errors by gcc and clang
	$(Q)shellcheck -x tests/net/*.bash tests/net/*.bats tests/*.bats tests/demo/run \
		tests/monitoring/*.bash tests/monitoring/*.bats tests/monitoring/fetch \
		tests/vm/* tests/goodput/run tests/goodput/cells dist/bash-completion/bwctl .ci/run
	$(Q)mandoc -Tlint -W warning docs/*.[58]
	$(Q)$(MAKE) --no-print-directory BUILD=build/gcc CC=gcc WERROR=1 all
	$(Q)$(MAKE) --no-print-directory BUILD=build/clang CC=clang WERROR=1 all

# Where a file says /usr/sbin, what was asked for.
installed = sed 's|/usr/sbin/|$(SBINDIR)/|g' $(1) >$(2) && chmod $(3) $(2)

install: all ## into DESTDIR/PREFIX
	install -D -m 0755 $(BUILD)/bwctl $(DESTDIR)$(SBINDIR)/bwctl
	install -D -m 0755 $(BUILD)/bwctl-exporter $(DESTDIR)$(SBINDIR)/bwctl-exporter
	install -D -m 0644 docs/bwctl.8 $(DESTDIR)$(MANDIR)/man8/bwctl.8
	install -D -m 0644 docs/bwctl-exporter.8 $(DESTDIR)$(MANDIR)/man8/bwctl-exporter.8
	install -D -m 0644 docs/bwctl.conf.5 $(DESTDIR)$(MANDIR)/man5/bwctl.conf.5
	install -D -m 0644 docs/bwctl.conf $(DESTDIR)$(DOCDIR)/bwctl.conf
	install -D -m 0644 dist/bash-completion/bwctl $(DESTDIR)$(BASHDIR)/bwctl
	install -D -m 0644 dist/grafana/bwctl.json $(DESTDIR)$(DOCDIR)/grafana/bwctl.json
	install -d $(DESTDIR)$(DOCDIR)/prometheus
	$(foreach file,$(PROMETHEUS),$(call installed,dist/prometheus/$(file),$(DESTDIR)$(DOCDIR)/prometheus/$(file),0644) &&) :
	$(call installed,docs/monitoring.md,$(DESTDIR)$(DOCDIR)/monitoring.md,0644)

uninstall: ## what install put there
	rm -f $(DESTDIR)$(SBINDIR)/bwctl $(DESTDIR)$(SBINDIR)/bwctl-exporter $(DESTDIR)$(MANDIR)/man8/bwctl.8 \
		$(DESTDIR)$(MANDIR)/man8/bwctl-exporter.8
	rm -f $(DESTDIR)$(MANDIR)/man5/bwctl.conf.5 $(DESTDIR)$(DOCDIR)/bwctl.conf $(DESTDIR)$(BASHDIR)/bwctl
	rm -f $(DESTDIR)$(DOCDIR)/monitoring.md $(DESTDIR)$(DOCDIR)/grafana/bwctl.json
	rm -f $(addprefix $(DESTDIR)$(DOCDIR)/prometheus/,$(PROMETHEUS))
	rmdir $(addprefix $(DESTDIR)$(DOCDIR),/grafana /prometheus /) 2>/dev/null || :

clean: ## remove build/
	rm -rf build

-include $(wildcard $(BUILD)/obj/*.d $(BUILD)/*.d $(BUILD)/tests/*.d)
