#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The packages on a Debian 12 that boots: one story, each test goes on where the one before ended.
# What leaves the machine is captured outside of it, from the first frame on, so that
# "not one was unmetered" is a sum: as many frames were captured as bwctl counted.
#
# BWCTL_BOOT_KERNEL is its kernel, as tests/vm/kernel has it (6.1).

# shellcheck disable=SC2016 # for the guest to expand
# shellcheck source-path=SCRIPTDIR source=machine.bash
source "$BATS_TEST_DIRNAME/machine.bash"

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BWCTL_BUILD=${BWCTL_BUILD:-$ROOT/build}
MACHINE_DIR=$BATS_FILE_TMPDIR/machine
SENT0="ether src $MACHINE_MAC0" SENT1="ether src $MACHINE_MAC1"
LIMIT=4mbit

setup_file() {
	local root=$MACHINE_DIR/root tar deb
	mkdir -p "$root"
	"$ROOT/tests/vm/kernel" "${BWCTL_BOOT_KERNEL:-6.1}" >"$MACHINE_DIR/kernel"
	tar=$(machine_root guest systemd-sysv udev iproute2 kmod libbpf1 libjansson4 libmnl0 libinih1 libelf1 \
		libmicrohttpd12)
	tar -xf "$tar" -C "$root"
	for deb in "$ROOT"/build/bwctl_*.deb "$ROOT"/build/bwctl-exporter_*.deb; do
		cp "$deb" "$root/root/"
	done
	newer bwctl "$root/root"
	newer bwctl-exporter "$root/root"
	machine_in "$root" sh -c 'dpkg -i /root/bwctl_*_*.deb /root/bwctl-exporter_*_*.deb' >&2
	cp "$BWCTL_BUILD/tests/blast" "$root/usr/bin/"
	cat >"$root/etc/systemd/network/net.network" <<-END
		[Match]
		Name=ens* wan*
		[Network]
		DHCP=ipv4
	END
	ln -s /lib/systemd/system/systemd-networkd.service "$root/etc/systemd/system/multi-user.target.wants/"
	# Somebody who is in a hurry: sends from the moment on at which there is a route.
	cat >"$root/etc/systemd/system/hurry.service" <<-END
		[Service]
		ExecStart=bash -c 'until ip route get 192.0.2.2 2>/dev/null | grep -q ens5; do sleep 0.05; done; exec blast send 192.0.2.2 9 --rate 12mbit --size 1000 --seconds 4'
		Type=oneshot
		[Install]
		WantedBy=multi-user.target
	END
	ln -s /etc/systemd/system/hurry.service "$root/etc/systemd/system/multi-user.target.wants/"
	printf '%s\n' '[limit]' "rate = $LIMIT" 'interfaces = ens5 ens7 wan0' >"$root/etc/bwctl.conf"
	machine_image "$MACHINE_DIR" "$root" "$(<"$MACHINE_DIR/kernel")" >&2
	rm -rf "$root"
	machine_start "$MACHINE_DIR" "$(<"$MACHINE_DIR/kernel")"
}

teardown_file() {
	machine_kill
}

# What explains a failure.
teardown() {
	[[ -n ${BATS_TEST_COMPLETED:-} ]] || ! machine_runs || MACHINE_TIMEOUT=30 machine_do \
		'systemctl --no-pager --failed; journalctl -b --no-pager -n 40; bwctl show | head -n 12'
}

# newer NAME FOLDER: the same package with a later version, in FOLDER/newer.
newer() {
	local tree=$BATS_FILE_TMPDIR/$1
	dpkg-deb -R "$2/$1"_*.deb "$tree"
	sed -i -E 's/^Version: .*/&+newer/; s/(bwctl \(= [^)]*)\)/\1+newer)/' "$tree/DEBIAN/control"
	mkdir -p "$2/newer"
	dpkg-deb --root-owner-group -b "$tree" "$2/newer/" >&2
}

expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# counted [INTERFACE]: packets that passed on egress, of one interface or of all.
counted() {
	machine_do 'bwctl show --json' | jq --arg name "${1:-}" '
		if $name == "" then . else .interfaces[] | select(.name == $name) end | .egress.passed.packets'
}

# is_quiet NET: nothing has left for three seconds; what was counted has arrived.
is_quiet() {
	local before='' now tries=60
	until now=$(machine_frames "$1") && [[ $now == "$before" ]]; do
		before=$now
		((tries-- > 0)) || return
		sleep 3
	done
}

# agrees NET FILTER INTERFACE [EARLIER]: as many frames were captured as counted, and there were some.
agrees() {
	local frames packets tries=3
	for ((tries = 5; tries > 0; tries--)); do
		is_quiet "$1"
		packets=$(counted "$3")
		frames=$(($(machine_frames "$1" "$2") - ${4:-0}))
		[[ $frames != "$packets" ]] || break
	done
	echo "# $1: $frames frames left, $packets packets counted" >&3
	((packets)) && expect "frames that left by $3" "$packets" "$frames"
}

# holds LIMIT WINDOW [OPTION VALUE]...: no window of what was sent by net0 had more.
holds() {
	local limit=$1 window=$2
	shift 2
	"$BWCTL_BUILD/tests/conform" --window "$window" --limit "$limit" --filter "$SENT0" "$@" \
		"$MACHINE_DIR/net0.pcap" >"$BATS_TEST_TMPDIR/verdict" || {
		cat "$BATS_TEST_TMPDIR/verdict"
		return 1
	}
	sed -n 's/^worst window/# worst window/p' "$BATS_TEST_TMPDIR/verdict" >&3
}

# sent_last: when the last frame left by net0.
sent_last() {
	tcpdump -n -tt -r "$MACHINE_DIR/net0.pcap" "$SENT0" 2>/dev/null | awk 'END { print $1 }'
}

# says UNIT TEXT: its journal of this boot has it.
says() {
	machine_do "journalctl --sync; journalctl -b --no-pager -o cat -u $1" | grep -F -e "$2"
}

# booted: until everything has started, and the hurry is over.
booted() {
	machine_do 'systemctl is-system-running --wait' >"$BATS_TEST_TMPDIR/state" || true
	expect 'the state of the system' "${1:-running}" "$(<"$BATS_TEST_TMPDIR/state")"
}

reboot() {
	machine_off reboot
	machine_start "$MACHINE_DIR" "$(<"$MACHINE_DIR/kernel")"
}

# is_active UNIT...
is_active() {
	expect "the state of $*" active "$(machine_do "systemctl is-active $*" | sort -u)"
}

@test "boot: the limit is there before the first frame" {
	booted
	is_active bwctl.service bwctl@ens5.service bwctl-exporter.socket
	agrees net0 "$SENT0" ens5
	(($(machine_frames net0 "$SENT0 and udp port 9") > 500))
	# That it paces shows that the kernel could load what that takes.
	expect 'modes' 'pace pace' "$(machine_do 'bwctl show --json' | jq -r '"\(.ingress.mode) \(.egress.mode)"')"
	# What waits leaves late when the machine is held up, as it is when it loads programs in emulation: at
	# most what waited, 95 ms of it. The strict test is the one that polices.
	holds 4.4mbit 1
	says bwctl@ens5.service 'loaded on ens5'
	expect 'the pins' '2710 root bwctl' "$(machine_do "stat -c '%a %U %G' /sys/fs/bpf/bwctl")"
}

@test "the exporter: asked by the socket, without privileges, it has what bwctl counts" {
	machine_do 'exec 4<>/dev/tcp/127.0.0.1/9977; printf "GET /metrics HTTP/1.0\r\n\r\n" >&4; cat <&4' \
		>"$BATS_TEST_TMPDIR/metrics"
	grep -x -e 'bwctl_loaded 1' "$BATS_TEST_TMPDIR/metrics" || {
		head -n 20 "$BATS_TEST_TMPDIR/metrics"
		return 1
	}
	is_active bwctl-exporter.service
	expect 'its privileges' '0000000000000000' \
		"$(machine_do 'grep -h CapEff /proc/$(systemctl show -P MainPID bwctl-exporter.service)/status' | cut -f 2)"
}

@test "boot: the units need no more than they have" {
	expect 'system calls that were refused' '' "$(machine_do 'journalctl -b --no-pager -k | grep type=1326')"
	expect 'warnings' '' "$(machine_do 'journalctl -b --no-pager -p warning -o cat | grep -i bwctl')"
}

@test "reload: the file is applied; a broken one is refused with its line, and nothing changes" {
	machine_do 'sed -i s/4mbit/3mbit/ /etc/bwctl.conf && systemctl reload bwctl'
	machine_do 'bwctl show --config' | grep -x 'rate = 3mbit'
	machine_do 'sed -i s/3mbit/3mbut/ /etc/bwctl.conf'
	run machine_do 'systemctl reload bwctl'
	((status == 1))
	says bwctl.service "bwctl.conf:2: rate: unknown unit 'mbut'"
	machine_do 'bwctl show --config' | grep -x 'rate = 3mbit'
	# For the next one.
	machine_do 'sed -i "s/3mbut/4mbit\nmode = police/" /etc/bwctl.conf && systemctl reload bwctl'
	machine_do 'bwctl show --config' | grep -x 'rate = 4mbit'
	machine_do 'bwctl show --config' | grep -x 'mode = police'
}

@test "upgrade: under traffic, not a frame unmetered and no counter back" {
	local before after begun
	before=$(counted)
	begun=$(sent_last)
	machine_do 'blast send 192.0.2.2 9 --rate 8mbit --size 1000 --seconds 15 >/run/blast 2>&1 & echo $! >/run/blast.pid'
	machine_do 'while [ -e /proc/$(cat /run/blast.pid) ]; do bwctl show --json | tr -d "\n "; echo; sleep 1; done >/run/shows 2>/dev/null &'
	run machine_do 'dpkg -i /root/newer/*.deb'
	((status == 0))
	# Another program is attached now, and by the same means.
	[[ $output == *'loaded on ens5'* ]]
	expect 'the version' 'install ok installed 0.1.0+newer' \
		"$(machine_do "dpkg-query -W -f '\${Status} \${Version}\n' bwctl")"
	machine_do 'while [ -e /proc/$(cat /run/blast.pid) ]; do sleep 0.5; done; cat /run/shows' >"$BATS_TEST_TMPDIR/shows"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/shows") -ge 3 ]]
	# Every one shows the limit, and no less than the one before.
	jq -e -s --argjson before "$before" '
		all(.[]; .egress.limit_bits_per_second == 4000000) and
		([$before] + map(.egress.passed.packets) | . == sort)' "$BATS_TEST_TMPDIR/shows"
	agrees net0 "$SENT0" ens5
	holds "$LIMIT" 2 --from "$begun"
	after=$(counted)
	((after > before + 3000))
	is_active bwctl.service bwctl@ens5.service bwctl-exporter.socket
}

# plug ADDRESS, unplug
plug() {
	machine_qmp "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"vmxnet3\", \"id\": \"nic1\",
		\"netdev\": \"net1\", \"mac\": \"$MACHINE_MAC1\", \"addr\": \"$1\", \"romfile\": \"\"}}"
}

unplug() {
	machine_qmp '{"execute": "device_del", "arguments": {"id": "nic1"}}' DEVICE_DELETED
}

# unit_becomes STATE UNIT
unit_becomes() {
	local tries=60
	until [[ $(machine_do "systemctl is-active $2") == "$1" ]]; do
		((tries-- > 0)) || return
		sleep 1
	done
}

@test "a device that appears, vanishes and returns has its limit each time" {
	local earlier
	plug 7
	unit_becomes active bwctl@ens7.service
	agrees net1 "$SENT1" ens7
	unplug
	unit_becomes inactive bwctl@ens7.service
	earlier=$(machine_frames net1 "$SENT1")
	plug 7
	unit_becomes active bwctl@ens7.service
	agrees net1 "$SENT1" ens7 "$earlier"
	# Of the one that is gone nothing is left.
	expect 'the interfaces' 'ens5 ens7' "$(machine_do 'bwctl show --json' | jq -r '[.interfaces[].name] | sort | join(" ")')"
	expect 'not attached' 0 "$(machine_do 'bwctl show' | grep -c 'not attached')"
	unplug
	unit_becomes inactive bwctl@ens7.service
}

@test "a device that is renamed to what the file names gets the limit" {
	local earlier
	plug 6
	machine_do 'until ip link show ens6; do sleep 0.2; done; udevadm settle'
	is_quiet net1
	[[ $(counted ens6) == '' ]]
	earlier=$(machine_frames net1 "$SENT1")
	machine_do 'systemctl stop systemd-networkd.socket systemd-networkd; ip link set ens6 down; sleep 1'
	earlier=$(machine_frames net1 "$SENT1")
	machine_do 'ip link set ens6 name wan0 && udevadm settle && systemctl start systemd-networkd'
	unit_becomes active bwctl@wan0.service
	agrees net1 "$SENT1" wan0 "$earlier"
	unplug
}

@test "an interface that the file does not name: its own unit, enabled" {
	machine_do 'systemctl enable bwctl@ens6.service'
	plug 6
	unit_becomes active bwctl@ens6.service
	machine_do 'bwctl show' | grep -q '^ens6'
	unplug
}

@test "boot: a broken file is loud, with its line, and nothing is loaded" {
	machine_do 'systemctl disable hurry.service; sed -i s/4mbit/4mbut/ /etc/bwctl.conf'
	reboot
	booted degraded
	expect 'bwctl.service' failed "$(machine_do 'systemctl is-active bwctl.service')"
	says bwctl.service "bwctl.conf:2: rate: unknown unit 'mbut'"
	run machine_do 'bwctl show'
	[[ $output == *'nothing is loaded'* ]]
	machine_do 'sed -i s/4mbut/4mbit/ /etc/bwctl.conf; systemctl enable hurry.service; systemctl restart bwctl.service'
	machine_do 'bwctl show --config' | grep -x 'rate = 4mbit'
}

@test "reboot: the same again, and no window is over the limit" {
	reboot
	booted
	agrees net0 "$SENT0" ens5
	holds "$LIMIT" 2
	expect 'the version' '0.1.0+newer' "$(machine_do "dpkg-query -W -f '\${Version}\n' bwctl")"
}

@test "removal takes the limit off, and leaves nothing" {
	machine_do 'dpkg -r bwctl-exporter bwctl' >&3
	machine_do 'test ! -e /sys/fs/bpf/bwctl'
	machine_do '! tc qdisc show | grep -E "clsact|qdisc fq |bwctl"'
	machine_do '! ip link show | grep bwctl'
	machine_do "! systemctl --no-legend --plain list-units 'bwctl*' | grep -v -E 'not-found|masked'"
	expect 'what is left' /etc/bwctl.conf "$(machine_do 'find / -xdev -name "*bwctl*" ! -path "/root/*" ! -path "/var/lib/dpkg/*" ! -path "/var/lib/systemd/*" ! -path "/etc/systemd/*"')"
	machine_do 'dpkg -P bwctl-exporter bwctl' >&3
	expect 'what is left' '' "$(machine_do 'find / -xdev -name "*bwctl*" ! -path "/root/*"')"
}
