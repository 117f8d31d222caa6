# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# bwctl: build, install, demonstrate, test. "make help" lists the targets.

VERSION = 0.1.0

PREFIX  ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/bwctl
EXAMPLEDIR ?= $(DOCDIR)
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
SYSTEMDUNITDIR ?= $(PREFIX)/lib/systemd/system
UDEVDIR ?= $(PREFIX)/lib/udev
LINKDIR ?= $(PREFIX)/lib/systemd/network
DESTDIR ?=

# The way from one to the other is told from their names.
override DOCDIR := $(patsubst %/,%,$(DOCDIR))
override EXAMPLEDIR := $(patsubst %/,%,$(EXAMPLEDIR))

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
	      libjansson-dev libmnl-dev libinih-dev libmicrohttpd-dev libsystemd-dev libncurses-dev \
	      libev-dev libc-ares-dev bpftool
DEPS_TEST  := libcmocka-dev libpcap-dev bats perl jq curl iproute2 iputils-ping iperf3 tcpdump ethtool \
	      mandoc shellcheck strace systemd util-linux bsdutils procps git python3 openssl \
	      openssh-server openssh-client nginx-light busybox-static nftables tcsh tmux
DEPS_FUZZ := libclang-rt-14-dev
DEPS_DEB := build-essential debhelper dpkg-dev lintian fakeroot
DEPS_BOOT := $(DEPS_DEB) mmdebstrap debian-archive-keyring e2fsprogs
DEPS_VM := qemu-system-x86 busybox-static cpio kmod nftables xz-utils zstd bsdextrautils
# Debian's npm brings hundreds of others along: not where there is one.
DEPS_PAGE = chromium chromium-driver pngquant $(if $(shell command -v npm),,npm)
DEPS := $(DEPS_BUILD) $(DEPS_TEST)

# What "make check-monitoring" tries the metrics with: unpacked, not installed.
MONITORS := prometheus prometheus-node-exporter zabbix-agent libmodbus5 \
	    snmpd snmp libsnmp40 libsnmp-base libwrap0 libpci3 libsensors5

# What "make check-vm" boots: Debian's kernels, by version.
KERNELS ?= 5.10 6.1 6.12 newest
JOBS ?= 1

# And those that "make check-boot" does: Debian 12 comes with the first.
BOOT_KERNELS ?= 6.1 6.12

# How long "make fuzz" tries each target.
FUZZ_SECONDS ?= 600

LIBRARIES = libbpf jansson libmnl inih libelf zlib
EXPORTER_LIBRARIES = $(LIBRARIES) libmicrohttpd libsystemd
WATCH_LIBRARIES = $(LIBRARIES) ncursesw
REACH_LIBRARIES = $(LIBRARIES) libcares

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
# Those that bwctl becomes, for "watch" and "check --reach".
HELPERS := bwctl-watch bwctl-reach
# The programs: user/NAME.c is the main() of each, bwctl's is main.c.
PROGRAMS := bwctl bwctl-exporter $(HELPERS)
# Everything but these: what the tests link with.
PARTS := $(filter-out $(addprefix $(BUILD)/obj/,main.o exporter.o watch.o reach.o cmd_%.o),$(USER_OBJ))
# What the exporter shows a browser.
PAGE := $(addprefix user/page/page.,html css js)
# What one program alone needs.
EXPORTER_ONLY := $(addprefix $(BUILD)/obj/,scrape.o accept.o page.o gzip.o)
WATCH_ONLY := $(filter $(BUILD)/obj/watch_%.o,$(PARTS))
REACH_ONLY := $(filter $(BUILD)/obj/reach_%.o,$(PARTS))
SHARED := $(filter-out $(EXPORTER_ONLY) $(WATCH_ONLY) $(REACH_ONLY),$(PARTS))

UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit_*.c))
TEST_TOOLS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(filter-out tests/unit_%.c,$(wildcard tests/*.c)))
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
# What they try is pure: no kernel, no library but inih and jansson.
FUZZ_SRC := $(addprefix user/,config.c config_apply.c flow_table.c policy.c policy_file.c runs.c units.c \
	      why.c words.c)
REPLAYS := $(FUZZ_TARGETS:%=$(BUILD)/tests/replay_%)
BATS_TESTS := $(wildcard tests/*.bats tests/net/*.bats)

# What the units need besides: the rest of /usr/lib.
LIBDIR = $(PREFIX)/lib
UNITS := $(notdir $(wildcard dist/systemd/*.service dist/systemd/*.socket))
MANUALS := $(wildcard docs/*.8)
DEB_TREE = build/deb/bwctl-$(VERSION)
# What one can read, and what that shows.
DOCUMENTS := README.md $(wildcard docs/*.md)
PICTURES := docs/goodput.svg docs/page-light.png docs/watch.svg
# What Prometheus is given, and node_exporter.
PROMETHEUS := $(notdir $(wildcard dist/prometheus/*))

# Root: namespaces, BPF, and packages where some are missing.
as_root = @[ $$(id -u) = 0 ] || { echo "make $@ has to be run as root" >&2; exit 1; }

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: FORCE all help deps demo check check-boot check-fast check-vm check-monitoring check-page pictures deb fuzz goodput bench install uninstall clean tests lint

all: $(PROGRAMS:%=$(BUILD)/%) ## build/bwctl, and bwctl-exporter, bwctl-watch and bwctl-reach

help: ## this list
	@printf 'targets:\n'
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 20
	@printf '\nvariables:\n'
	@printf '  %-12s %s\n' CC 'compiler (gcc, clang)' WERROR=1 'warnings are errors' \
		SAN=1 'AddressSanitizer and UBSan, in build/san' V=1 'show every command' \
		KERNELS 'of check-vm: 5.10 6.1 6.12 newest' \
		JOBS 'of check-vm: machines at once (1)' \
		BOOT_KERNELS 'of check-boot: 6.1 6.12' \
		FUZZ_SECONDS 'of fuzz, for each target: 600' \
		PREFIX '/usr/local' SBINDIR 'PREFIX/sbin' MANDIR 'PREFIX/share/man' \
		DOCDIR 'PREFIX/share/doc/bwctl' \
		EXAMPLEDIR 'DOCDIR' \
		BASHDIR 'PREFIX/share/bash-completion/completions' \
		SYSTEMDUNITDIR 'PREFIX/lib/systemd/system' UDEVDIR 'PREFIX/lib/udev' \
		LINKDIR 'PREFIX/lib/systemd/network' \
		DESTDIR 'root to install under' CFLAGS 'appended' LDFLAGS 'appended'

# No daemon is started of what is installed, nor at the next boot: of sshd and nginx the tests start their own.
deps: ## install the Debian packages that are missing (as root)
	@missing=; for package in $(DEPS); do \
		dpkg-query -W -f '$${Status}\n' $$package 2>/dev/null | grep -q ' installed$$' || \
		missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	[ $$(id -u) = 0 ] || { echo "to be installed by root:$$missing" >&2; exit 1; }; \
	echo "installing (a minute or two):$$missing"; log=$$(mktemp); policy=; \
	trap 'rm -f "$$log" $$policy' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; trap 'exit 129' HUP; \
	if [ ! -e /usr/sbin/policy-rc.d ]; then \
		policy=/usr/sbin/policy-rc.d; printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	{ apt-get -qq update && apt-get -qq -y --no-install-recommends install $$missing; } \
		>"$$log" 2>&1 </dev/null || { cat "$$log" >&2; exit 1; }; \
	for package in openssh-server=ssh nginx-light=nginx; do \
		case "$$missing " in *" $${package%=*} "*) \
			systemctl --quiet disable $${package#*=}.service >/dev/null 2>&1 || :; \
			update-rc.d $${package#*=} disable >/dev/null 2>&1 || : ;; \
		esac; \
	done

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

# The page for a browser, as strings.
$(BUILD)/page_text.h: $(PAGE) Makefile | $(BUILD)/obj
	$(call say,PAGE,$@)
	$(Q)for file in $(PAGE); do \
		printf 'static const char page_%s[] =\n' "$${file##*.}"; \
		sed 's/[\\"?]/\\&/g; s/.*/"&\\n"/' "$$file"; \
		echo ';'; \
	done >$@

$(BUILD)/obj/page.o: $(BUILD)/page_text.h

$(BUILD)/bwctl: $(BUILD)/obj/main.o $(filter $(BUILD)/obj/cmd_%.o,$(USER_OBJ)) $(SHARED)
	$(call say,LINK,$@)
	$(Q)$(link) $^ -o $@ $(shell pkg-config --libs $(LIBRARIES))

$(BUILD)/bwctl-exporter: $(BUILD)/obj/exporter.o $(EXPORTER_ONLY) $(SHARED)
	$(call say,LINK,$@)
	$(Q)$(link) $^ -o $@ $(shell pkg-config --libs $(EXPORTER_LIBRARIES)) -lpthread

$(BUILD)/bwctl-watch: $(BUILD)/obj/watch.o $(WATCH_ONLY) $(SHARED)
	$(call say,LINK,$@)
	$(Q)$(link) $^ -o $@ $(shell pkg-config --libs $(WATCH_LIBRARIES)) -lm

$(BUILD)/bwctl-reach: $(BUILD)/obj/reach.o $(REACH_ONLY) $(SHARED)
	$(call say,LINK,$@)
	$(Q)$(link) $^ -o $@ $(shell pkg-config --libs $(REACH_LIBRARIES)) -lev

$(BUILD)/tests/empty.bpf.o: tests/bench/empty.bpf.c | $(BUILD)/tests
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/tests/empty.skel.h: $(BUILD)/tests/empty.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name empty_bpf >$@

$(BUILD)/tests/bench: $(BUILD)/tests/empty.skel.h

$(BUILD)/tests/%: tests/%.c Makefile $(BUILD)/flags $(PARTS) | $(BUILD)/tests
	$(call say,TEST,$@)
	$(Q)$(link) -I$(BUILD)/tests -MMD -MP -MF $@.d $< $(PARTS) -o $@ \
		$(shell pkg-config --libs $(LIBRARIES) $(WATCH_LIBRARIES) $(REACH_LIBRARIES)) -lev -lm \
		-lcmocka -lpcap -lpthread

$(BUILD)/tests/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c tests/fuzz/fuzz.h tests/policies.h Makefile \
		$(BUILD)/flags $(SHARED) | $(BUILD)/tests
	$(call say,TEST,$@)
	$(Q)$(link) -DCORPUS='"$(CURDIR)/tests/fuzz/corpus/$*"' tests/fuzz/replay.c $< $(SHARED) -o $@ \
		$(shell pkg-config --libs $(LIBRARIES))

$(BUILD)/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h tests/policies.h Makefile $(FUZZ_SRC) \
		$(wildcard user/*.h)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -f% -pie,$(BW_CFLAGS)) $(CFLAGS) -O1 -fno-omit-frame-pointer \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $< $(FUZZ_SRC) -o $@ \
		$(LDFLAGS) $(shell pkg-config --libs inih jansson)

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
		$(PROVE) --jobs $(shell expr $$(nproc) + 1) --timer $(UNIT_TESTS) $(REPLAYS) $(BATS_TESTS)

check-fast: tests ## those that take seconds
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) CMOCKA_MESSAGE_OUTPUT=TAP $(PROVE) --timer $(UNIT_TESTS) $(REPLAYS) $(wildcard tests/*.bats)

check-vm: ## the network tests on the Debian kernels KERNELS, in virtual machines (as root)
	$(as_root)
	$(Q)$(MAKE) --no-print-directory deps DEPS="$(DEPS) $(DEPS_VM)"
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) tests/vm/check --jobs $(JOBS) $(KERNELS)

check-monitoring: ## Prometheus, node_exporter and others on the metrics, a quarter of an hour (as root)
	$(as_root)
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) tests/monitoring/fetch $(MONITORS)
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) $(PROVE) --timer tests/monitoring/*.bats

check-page: ## the page of bwctl-exporter in Chromium, under traffic, some minutes (as root)
	$(as_root)
	$(Q)$(MAKE) --no-print-directory deps DEPS="$(DEPS) $(DEPS_PAGE)"
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)mkdir -p build/page && cp tests/page/package.json tests/page/package-lock.json build/page
	$(Q)cd build/page && npm ci --silent --ignore-scripts --no-audit --no-fund
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) BWCTL_AXE=$(CURDIR)/build/page $(PROVE) --timer tests/page/page.bats

check-boot: ## the Debian packages: in order, and on Debian 12 in virtual machines that boot (as root)
	$(as_root)
	$(Q)$(MAKE) --no-print-directory deps DEPS="$(DEPS) $(DEPS_VM) $(DEPS_BOOT)"
	$(Q)$(MAKE) --no-print-directory tests deb
	$(Q)for kernel in $(BOOT_KERNELS); do \
		echo "kernel $$kernel"; \
		BWCTL_BUILD=$(CURDIR)/$(BUILD) BWCTL_BOOT_KERNEL=$$kernel $(PROVE) --timer tests/boot/boot.bats || exit 1; \
	done
	$(Q)$(PROVE) --timer tests/boot/package.bats

fuzz: ## any bytes as a policy file, and as the words of set and of run, FUZZ_SECONDS for each
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

pictures: ## docs/watch.svg, in a virtual machine, and docs/page-*.png, of real traffic (as root)
	$(as_root)
	$(Q)$(MAKE) --no-print-directory deps DEPS="$(DEPS) $(DEPS_VM) $(filter-out npm,$(DEPS_PAGE))"
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) tests/vm/run --clock virtual --job $(BUILD)/pictures -- \
		tests/demo/watch /run/vm/watch.svg
	$(Q)cp $(BUILD)/pictures/watch.svg docs/watch.svg
	$(Q)BWCTL_BUILD=$(CURDIR)/$(BUILD) tests/page/pictures

bench: tests ## nanoseconds per packet, against an empty program (as root)
	$(Q)$(BUILD)/tests/bench

lint: ## shellcheck, mandoc, and a build with warnings as errors by gcc and clang
	$(Q)shellcheck -x tests/net/*.bash tests/net/*.bats tests/*.bats tests/demo/run tests/demo/watch tests/boot/* dist/udev/net-device dist/debian/bwctl.p* \
		tests/monitoring/*.bash tests/monitoring/*.bats tests/monitoring/fetch \
		tests/page/*.bash tests/page/*.bats tests/page/pictures \
		tests/links tests/vm/* tests/goodput/run tests/goodput/cells dist/bash-completion/bwctl .ci/run
	$(Q)! mandoc -Tlint docs/*.[58] 2>&1 | grep -v -e '^mandoc: outdated' -e 'referenced manual not found'
	$(Q)$(MAKE) --no-print-directory BUILD=build/gcc CC=gcc WERROR=1 all
	$(Q)$(MAKE) --no-print-directory BUILD=build/clang CC=clang WERROR=1 all

deb: ## build/bwctl_*.deb and build/bwctl-exporter_*.deb
	$(Q)$(MAKE) --no-print-directory deps DEPS="$(DEPS_BUILD) $(DEPS_DEB)"
	$(Q)rm -rf build/deb && mkdir -p $(DEB_TREE)
	$(Q)tar -cf - --exclude=./build --exclude=./.git . | tar -xf - -C $(DEB_TREE)
	$(Q)mv $(DEB_TREE)/dist/debian $(DEB_TREE)/debian
	$(Q)cd $(DEB_TREE) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc >../log 2>&1 || \
		{ tail -n 40 ../log >&2; exit 1; }
	$(Q)rm -f build/bwctl_*.deb build/bwctl-exporter_*.deb && mv build/deb/*.deb build/ && ls build/*.deb

# Where a file says /usr/sbin or /usr/lib/bwctl, what was asked for.
installed = sed 's|/usr/sbin/|$(SBINDIR)/|g; s|/usr/lib/bwctl/|$(LIBDIR)/bwctl/|g' $(1) >$(2) && chmod $(3) $(2)

# And where a document names another, or an example, the way to it from where it is installed; the manual is one
# of man then, and what is from the top of the source is from the directory of the documents.
EXAMPLES = $(if $(filter-out $(DOCDIR),$(EXAMPLEDIR)),$(patsubst $(DOCDIR)/%,%,$(EXAMPLEDIR))/)
linked = sed -i 's,\([`(]\)docs/\([A-Za-z-]*\.\(md\|png\|svg\)\),\1\2,g; s,`docs/bwctl\.conf`,`$(EXAMPLES)bwctl.conf`,g; s,\([`( ]\)dist/\(grafana\|prometheus\),\1$(EXAMPLES)\2,g; s|`docs/bwctl\.8` (.* once installed `man bwctl`)|`man bwctl`|; s|the top directory of the source|`$(DOCDIR)`|' $(1)

install: all ## into DESTDIR/PREFIX
	install -D -m 0755 -t $(DESTDIR)$(SBINDIR) $(BUILD)/bwctl $(BUILD)/bwctl-exporter
	install -D -m 0755 -t $(DESTDIR)$(LIBDIR)/bwctl $(HELPERS:%=$(BUILD)/%)
	install -D -m 0644 -t $(DESTDIR)$(MANDIR)/man8 $(MANUALS)
	install -D -m 0644 docs/bwctl.conf.5 $(DESTDIR)$(MANDIR)/man5/bwctl.conf.5
	install -D -m 0644 dist/bash-completion/bwctl $(DESTDIR)$(BASHDIR)/bwctl
	install -D -m 0644 docs/bwctl.conf $(DESTDIR)$(EXAMPLEDIR)/bwctl.conf
	install -d $(DESTDIR)$(SYSTEMDUNITDIR) $(DESTDIR)$(UDEVDIR)/rules.d $(DESTDIR)$(LIBDIR)/bwctl
	$(foreach unit,$(UNITS),$(call installed,dist/systemd/$(unit),$(DESTDIR)$(SYSTEMDUNITDIR)/$(unit),0644) &&) :
	$(call installed,dist/udev/90-bwctl.rules,$(DESTDIR)$(UDEVDIR)/rules.d/90-bwctl.rules,0644)
	$(call installed,dist/udev/net-device,$(DESTDIR)$(LIBDIR)/bwctl/net-device,0755)
	install -D -m 0644 -t $(DESTDIR)$(LINKDIR) dist/udev/70-bwctl.link
	install -D -m 0644 dist/systemd/bwctl.sysusers $(DESTDIR)$(LIBDIR)/sysusers.d/bwctl.conf
	install -D -m 0644 dist/systemd/bwctl.tmpfiles $(DESTDIR)$(LIBDIR)/tmpfiles.d/bwctl.conf
	install -D -m 0644 dist/grafana/bwctl.json $(DESTDIR)$(EXAMPLEDIR)/grafana/bwctl.json
	install -d $(DESTDIR)$(EXAMPLEDIR)/prometheus $(DESTDIR)$(DOCDIR)
	$(foreach file,$(PROMETHEUS),$(call installed,dist/prometheus/$(file),$(DESTDIR)$(EXAMPLEDIR)/prometheus/$(file),0644) &&) :
	$(foreach file,$(DOCUMENTS),$(call installed,$(file),$(DESTDIR)$(DOCDIR)/$(notdir $(file)),0644) &&) :
	$(call linked,$(addprefix $(DESTDIR)$(DOCDIR)/,$(notdir $(DOCUMENTS))))
	install -D -m 0644 -t $(DESTDIR)$(DOCDIR) $(PICTURES)

uninstall: ## what install put there
	rm -f $(addprefix $(DESTDIR)$(SBINDIR)/,bwctl bwctl-exporter)
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(MANUALS)))
	rm -f $(DESTDIR)$(MANDIR)/man5/bwctl.conf.5 $(DESTDIR)$(BASHDIR)/bwctl
	rm -f $(DESTDIR)$(EXAMPLEDIR)/bwctl.conf $(addprefix $(DESTDIR)$(SYSTEMDUNITDIR)/,$(UNITS))
	rm -f $(DESTDIR)$(UDEVDIR)/rules.d/90-bwctl.rules $(DESTDIR)$(LINKDIR)/70-bwctl.link
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/bwctl/,net-device $(HELPERS))
	rm -f $(DESTDIR)$(LIBDIR)/sysusers.d/bwctl.conf $(DESTDIR)$(LIBDIR)/tmpfiles.d/bwctl.conf
	rm -f $(addprefix $(DESTDIR)$(DOCDIR)/,$(notdir $(DOCUMENTS) $(PICTURES)))
	rm -f $(DESTDIR)$(EXAMPLEDIR)/grafana/bwctl.json $(addprefix $(DESTDIR)$(EXAMPLEDIR)/prometheus/,$(PROMETHEUS))
	rmdir $(addprefix $(DESTDIR)$(EXAMPLEDIR),/grafana /prometheus /) $(DESTDIR)$(DOCDIR) $(DESTDIR)$(LIBDIR)/bwctl 2>/dev/null || :

clean: ## remove build/
	rm -rf build

-include $(wildcard $(BUILD)/obj/*.d $(BUILD)/*.d $(BUILD)/tests/*.d)
