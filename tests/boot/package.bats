#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The packages without booting anything: in order by Debian's own judges, installed on a bare Debian 12
# with nothing but Debian, and gone without a trace.

# shellcheck disable=SC2016 # for the shell in the root to expand
# shellcheck source-path=SCRIPTDIR source=machine.bash
source "$BATS_TEST_DIRNAME/machine.bash"

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
PACKAGES=("$ROOT"/build/bwctl_*.deb "$ROOT"/build/bwctl-exporter_*.deb)

expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# files ROOT: all that is there, but what installing anything at all changes.
files() {
	(cd "$1" && find . \( -path ./var/lib/apt -o -path ./var/cache -o -path ./var/lib/dpkg -o -path ./var/log \
		-o -path ./proc -o -path ./dev -o -path ./packages \) -prune -o -print | sort)
}

@test "lintian has nothing to say" {
	expect 'lintian' '' "$(lintian --allow-root --fail-on none "${PACKAGES[@]}" 2>&1)"
}

@test "each file has its place: programs, units, the rule, the example" {
	local name
	dpkg-deb -c "${PACKAGES[0]}" | awk '{ print $1, $2, $6 }' >"$BATS_TEST_TMPDIR/files"
	for name in '-rwxr-xr-x root/root ./usr/sbin/bwctl' '-rw-r--r-- root/root ./usr/share/bwctl/bwctl.conf' \
		'-rw-r--r-- root/root ./usr/share/man/man8/bwctl.8.gz' \
		'-rw-r--r-- root/root ./lib/systemd/system/bwctl@.service' \
		'-rw-r--r-- root/root ./lib/udev/rules.d/90-bwctl.rules' \
		'-rwxr-xr-x root/root ./usr/lib/bwctl/net-device'; do
		echo "$name"
		grep -q -x -F -e "$name" "$BATS_TEST_TMPDIR/files"
	done
	# The policy file is what "bwctl save" writes: dpkg asks nobody about it.
	expect 'conffiles' '' "$(dpkg-deb --ctrl-tarfile "${PACKAGES[0]}" | tar -xO ./conffiles 2>/dev/null || :)"
	diff <(dpkg-deb --fsys-tarfile "${PACKAGES[0]}" | tar -xO ./usr/share/bwctl/bwctl.conf) "$ROOT/docs/bwctl.conf"
	expect 'the exporter needs' 1 \
		"$(dpkg-deb -f "${PACKAGES[1]}" Depends | grep -c "^bwctl (= $(dpkg-deb -f "${PACKAGES[0]}" Version))")"
}

@test "documents: every way to another one, a picture or an example leads there, from one package to the other too" {
	local package
	for package in "${PACKAGES[@]}"; do
		dpkg-deb -x "$package" "$BATS_TEST_TMPDIR/root"
	done
	[[ $(find "$BATS_TEST_TMPDIR/root/usr/share/doc" -name '*.md' | wc -l) -ge 6 ]]
	find "$BATS_TEST_TMPDIR/root/usr/share/doc" -name '*.md' -exec "$ROOT/tests/links" {} +
}

@test "on a bare Debian 12: installed with apt from Debian alone, removed, purged, no file is left" {
	local root=$BATS_TEST_TMPDIR/root tar
	mkdir "$root"
	tar=$(machine_root bare)
	tar -xf "$tar" -C "$root"
	mkdir "$root/packages"
	cp "${PACKAGES[@]}" "$root/packages/"
	machine_in "$root" apt-get -q update
	# What they depend on stays, as it would for anybody: that comes first.
	machine_in "$root" sh -c 'for package in /packages/*.deb; do dpkg-deb -f "$package" Depends; done |
		tr "," "\n" | grep -v "^ *bwctl " | xargs -d "\n" apt-get -q -y --no-install-recommends satisfy'
	files "$root" >"$BATS_TEST_TMPDIR/before"
	machine_in "$root" sh -c 'apt-get -q -y --no-install-recommends install /packages/*.deb'
	expect 'the version' "bwctl $(dpkg-deb -f "${PACKAGES[0]}" Version)" "$(machine_in "$root" bwctl --version)"
	machine_in "$root" bwctl apply --check
	machine_in "$root" getent group bwctl
	expect 'enabled' "$root/etc/systemd/system/sysinit.target.wants/bwctl.service" \
		"$(find "$root/etc/systemd" -name 'bwctl.service')"
	machine_in "$root" apt-get -q -y remove bwctl bwctl-exporter
	expect 'the policy file' "$root/etc/bwctl.conf" "$(find "$root/etc" -name bwctl.conf)"
	machine_in "$root" apt-get -q -y purge bwctl bwctl-exporter
	diff "$BATS_TEST_TMPDIR/before" <(files "$root")
}
