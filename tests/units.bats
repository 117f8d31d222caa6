#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The units, the rule and what belongs to them, as "make install" puts them: complete, in order by systemd's
# own judges, and with no more rights than they need. What they do is tests/boot's question.

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
TREE=$BATS_FILE_TMPDIR/tree

setup_file() {
	[[ -n $(type -P systemd-analyze) ]] || skip 'no systemd-analyze: package systemd is needed'
	make -s -C "$ROOT" install DESTDIR="$TREE" PREFIX=/usr >/dev/null
}

@test "units: systemd finds nothing wrong with them" {
	local unit
	for unit in "$ROOT"/dist/systemd/*.service "$ROOT"/dist/systemd/*.socket; do
		unit=${unit##*/}
		systemd-analyze verify --man=no --root="$TREE" --recursive-errors=no \
			"$TREE/usr/lib/systemd/system/${unit/@./@eth0.}" 2>&1 | tee "$BATS_TEST_TMPDIR/said"
		[[ ! -s $BATS_TEST_TMPDIR/said ]]
	done
}

@test "units: exposure below 2 for the exporter, 2.5 for the others; three capabilities, or none" {
	systemd-analyze security --offline=true --threshold=20 "$ROOT/dist/systemd/bwctl-exporter.service"
	systemd-analyze security --offline=true --threshold=25 "$ROOT/dist/systemd/bwctl.service"
	systemd-analyze security --offline=true --threshold=25 "$ROOT/dist/systemd/bwctl@.service"
	grep -q -x 'CapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN CAP_PERFMON' "$ROOT/dist/systemd/bwctl.service"
	grep -q -x 'CapabilityBoundingSet=' "$ROOT/dist/systemd/bwctl-exporter.service"
	# Of one interface and of all: the same walls.
	diff <(sed -n '/^# The kernel loads/,/^UMask/p' "$ROOT/dist/systemd/bwctl.service") \
		<(sed -n '/^# The kernel loads/,/^UMask/p' "$ROOT/dist/systemd/bwctl@.service")
	run ! grep -l '^ExecStop' "$ROOT"/dist/systemd/bwctl*.service
}

@test "install: what is written in units and rules is where it says, below any PREFIX; uninstall takes all" {
	local prefix name
	for prefix in /usr /usr/local; do
		make -s -C "$ROOT" install DESTDIR="$BATS_TEST_TMPDIR$prefix" PREFIX="$prefix" >/dev/null
		while read -r name; do
			echo "$name"
			[[ -x $BATS_TEST_TMPDIR$prefix$name ]]
		done < <(cd "$BATS_TEST_TMPDIR$prefix" && grep -h -r -o -E "(/usr(/local)?)?/(sbin|lib)/bwctl(-exporter|/net-device)?\b" \
			".$prefix/lib" | sort -u | sed 's/^.*=//')
		make -s -C "$ROOT" uninstall DESTDIR="$BATS_TEST_TMPDIR$prefix" PREFIX="$prefix" >/dev/null
		[[ -z $(find "$BATS_TEST_TMPDIR$prefix" -type f) ]]
	done
}
