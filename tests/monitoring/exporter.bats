#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The exporter under load, among clients that do not behave, and as a user that may
# do nothing, with 4 interfaces and 32 classes of one's own. Runs itself under bats
# in mount and network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/../net/rig.bash" bats "${BASH_SOURCE[0]}"
fi

# shellcheck source-path=SCRIPTDIR source=../net/rig.bash
source "$BATS_TEST_DIRNAME/../net/rig.bash"
# shellcheck source-path=SCRIPTDIR source=monitoring.bash
source "$BATS_TEST_DIRNAME/monitoring.bash"

# The answer of a machine with nothing else to do takes 10 ms at most; on others there is noise.
P99_MS=${BWCTL_P99_MS:-50}
RSS_KB=1024 # more than that is a leak

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself" || return
	monitoring_needs "$PROMTOOL" "$EXPORTER" "$RIG_TOOLS/clients" "$RIG_TOOLS/pins"
}

setup() {
	local -a classes=()
	local i
	rig_make
	# As systemd-tmpfiles makes it, for a group that is nobody's.
	mkdir /sys/fs/bpf/bwctl
	chgrp 65533 /sys/fs/bpf/bwctl
	chmod 2710 /sys/fs/bpf/bwctl
	for i in 1 2; do
		ip -n appliance link add "eth$i" type veth peer name "eth$i" netns inside
	done
	rig_bwctl load eth0 eth1 eth2 inside0
	for i in {1..32}; do
		classes+=(class "own$i" 5mbit)
	done
	rig_bwctl set 50mbit "${classes[@]}" >/dev/null
	# Everything of it under traffic.
	rig_sink sink far 9000
	rig_flood traffic inside "$RIG_FAR4" 9000 5mbit 900
	unprivileged_exporter
}

teardown() {
	rig_stop_all
	umount "$RIG_DIR/pins" || true
	chmod 700 /sys/fs/bpf
	rig_bwctl unload
	rmdir /sys/fs/bpf/bwctl 2>/dev/null || true
	rig_destroy
}

# as_nobody COMMAND...: as the exporter's unit runs it: another user, in the group of the pins, without
# capabilities, and with the pins where that user can see them.
AS_NOBODY=(setpriv --reuid 65534 --regid 65533 --clear-groups --no-new-privs --bounding-set=-all
	--inh-caps=-all --ambient-caps=-all)

unprivileged_exporter() {
	chmod 711 "$RIG_DIR"
	mkdir "$RIG_DIR/pins"
	mount --bind /sys/fs/bpf/bwctl "$RIG_DIR/pins"
	install -m 755 "$EXPORTER" "$BWCTL" "$RIG_DIR"
	install -m 755 "$RIG_TOOLS/pins" "$RIG_DIR/pins-tool"
	printf '[limit]\nrate = 50mbit\n' >/etc/bwctl.conf
	chmod 644 /etc/bwctl.conf
	rig_start appliance "${AS_NOBODY[@]}" "$RIG_DIR/bwctl-exporter" --pin-dir "$RIG_DIR/pins" \
		>"$RIG_DIR/exporter" 2>&1
	echo "$RIG_PID" >"$RIG_DIR/exporter.pid"
	rig_wait 5 rig_listens appliance tcp 9977 ||
		rig_fail "the exporter does not listen: $(<"$RIG_DIR/exporter")"
}

rss_kb() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$(<"$RIG_DIR/exporter.pid")/status"
}

descriptors() {
	find "/proc/$(<"$RIG_DIR/exporter.pid")/fd" -mindepth 1 | wc -l
}

# clients ARGUMENT...: prints their line of JSON.
clients() {
	rig_in appliance "$RIG_TOOLS/clients" 127.0.0.1 9977 "$@"
}

# alive: as long as it has not ended, and answers.
alive() {
	rig_alive "$(<"$RIG_DIR/exporter.pid")" && [[ $(monitoring_get /healthz) == ok ]]
}

@test "what it serves is in order, as text and as OpenMetrics" {
	monitoring_get /metrics >"$RIG_DIR/text"
	"$PROMTOOL" check metrics <"$RIG_DIR/text"
	[[ $(grep -c '^bwctl_transmit_bytes_total{' "$RIG_DIR/text") == 160 ]]
	[[ $(grep -c '^bwctl_attached{.*} 1$' "$RIG_DIR/text") == 8 ]]
	echo "# $(wc -c <"$RIG_DIR/text") bytes, $(grep -c '^bwctl' "$RIG_DIR/text") series" >&3
	monitoring_get /metrics --compressed >"$RIG_DIR/inflated"
	diff <(sed 's/ .*//' "$RIG_DIR/text" | sort) <(sed 's/ .*//' "$RIG_DIR/inflated" | sort)
	monitoring_get /metrics -H 'Accept: application/openmetrics-text;version=1.0.0' -D "$RIG_DIR/head" \
		>"$RIG_DIR/open"
	grep -q -i '^content-type: application/openmetrics-text' "$RIG_DIR/head"
	[[ $(tail -n 1 "$RIG_DIR/open") == '# EOF' ]]
	[[ $(grep -c '^bwctl' "$RIG_DIR/open") == $(grep -c '^bwctl' "$RIG_DIR/text") ]]
	alive
}

@test "10,000 scrapes, 50 at once: no error, soon, and memory stays" {
	local before after line how
	clients --requests 1000 --at-once 50
	before=$(rss_kb)
	# Over connections that are kept, as Prometheus does, and each by one of its own.
	for how in --keep ''; do
		# shellcheck disable=SC2086 # nothing is no argument
		line=$(clients --requests 10000 --at-once 50 $how)
		echo "# ${how:-each its own connection}: $line" >&3
		echo "# load of the machine: $(</proc/loadavg)" >&3
		jq -e --argjson most "$P99_MS" '.answered == 10000 and .failed == 0 and .checked > 100 and
			.p99_ms <= $most' <<<"$line"
	done
	echo "# one after the other: $(clients --requests 1000)" >&3
	after=$(rss_kb)
	echo "# RSS $before kB, then $after kB" >&3
	((after - before <= RSS_KB))
	[[ ! -s $RIG_DIR/exporter ]]
}

# misbehave SECONDS: clients of each manner, at the same time, in the background.
MANNERS=(idle slow deaf reset garbage)

misbehave() {
	local manner
	for manner in "${MANNERS[@]}"; do
		rig_start appliance "$RIG_TOOLS/clients" 127.0.0.1 9977 --manner "$manner" --at-once 40 \
			--seconds "$1" >"$RIG_DIR/$manner.clients" 2>&1
		echo "$RIG_PID" >"$RIG_DIR/$manner.pid"
	done
}

misbehave_wait() {
	local manner
	for manner in "${MANNERS[@]}"; do
		rig_wait_gone 40 "$(<"$RIG_DIR/$manner.pid")"
		echo "# $manner: $(<"$RIG_DIR/$manner.clients")" >&3
	done
}

@test "among clients that are slow, deaf, broken or talk garbage others have their answers" {
	local before after line fds
	few_descriptors() {
		(($(descriptors) <= fds + 2))
	}
	settle() {
		misbehave_wait
		# What they held is given back.
		rig_wait 15 few_descriptors
		clients --requests 1000 --at-once 50 | jq -e '.failed == 0'
	}
	clients --requests 1000 --at-once 50
	fds=$(descriptors)
	# What so many connections need at once stays with the process; more must not come.
	misbehave 8
	settle
	before=$(rss_kb)
	misbehave 20
	sleep 1
	line=$(clients --requests 500)
	echo "# one good client: $line" >&3
	jq -e '.answered == 500 and .failed == 0' <<<"$line"
	settle
	jq -e '.ended > 1000' "$RIG_DIR/reset.clients" "$RIG_DIR/garbage.clients"
	alive
	after=$(rss_kb)
	echo "# RSS $before kB, then $after kB" >&3
	((after - before <= 2 * RSS_KB))
}

@test "more connections than it takes: it gets over that by itself" {
	rig_start appliance "$RIG_TOOLS/clients" 127.0.0.1 9977 --manner idle --at-once 600 --seconds 6 \
		>"$RIG_DIR/idle.clients" 2>&1
	sleep 2
	rig_alive "$(<"$RIG_DIR/exporter.pid")"
	rig_wait_gone 20 "$RIG_PID"
	rig_wait 10 alive
	clients --requests 100 | jq -e '.answered == 100 and .failed == 0'
}

@test "more connections than it takes that never end a header: others have their answers, and soon" {
	local end
	# One that was closed comes back within 2 s.
	pressed() {
		(($(rig_in appliance ss -H -t -n state connected '( dport = :9977 )' | wc -l) >= 200))
	}
	rig_start appliance "$RIG_TOOLS/clients" 127.0.0.1 9977 --manner drip --at-once 300 --seconds 27 \
		>"$RIG_DIR/drip.clients" 2>&1
	echo "$RIG_PID" >"$RIG_DIR/drip.pid"
	end=$((SECONDS + 24))
	sleep 3
	# Each over a connection of its own, from now on until the end.
	while ((SECONDS < end)); do
		pressed
		rig_in appliance timeout 5 "$RIG_TOOLS/clients" 127.0.0.1 9977 >>"$RIG_DIR/good" ||
			echo '{"answered":0,"failed":1,"max_ms":5000}' >>"$RIG_DIR/good"
		sleep 0.25
	done
	echo "# a good client: $(jq -s -c '{requests: length, answered: map(.answered) | add,
		max_ms: map(.max_ms) | max}' "$RIG_DIR/good")" >&3
	jq -s -e 'length >= 9 and all(.[]; .answered == 1 and .failed == 0 and .max_ms <= 2000)' "$RIG_DIR/good"
	rig_wait_gone 20 "$(<"$RIG_DIR/drip.pid")"
	echo "# drip: $(<"$RIG_DIR/drip.clients")" >&3
	rig_wait 10 alive
	clients --requests 100 | jq -e '.answered == 100 and .failed == 0'
}

@test "it answers what nobody should ask, and only by a status" {
	[[ $(monitoring_get /nothing -o /dev/null -w '%{http_code}') == 404 ]]
	[[ $(monitoring_get /../../etc/passwd --path-as-is -o /dev/null -w '%{http_code}') == 404 ]]
	[[ $(monitoring_get /metrics -X POST -d x -o /dev/null -w '%{http_code}') == 405 ]]
	[[ $(monitoring_get /metrics -X DELETE -o /dev/null -w '%{http_code}') == 405 ]]
	[[ $(monitoring_get /metrics -H "X: $(head -c 60000 /dev/zero | tr '\0' a)" -o /dev/null -w '%{http_code}') == 4?? ]]
	alive
}

# denied COMMAND...: as the exporter's user it fails.
denied() {
	local status=0
	rig_in appliance "${AS_NOBODY[@]}" "$@" >"$RIG_DIR/denied" 2>&1 || status=$?
	echo "$*: $status, $(head -n 1 "$RIG_DIR/denied")"
	((status))
}

@test "as its own user it reads, and can change neither a limit nor a pin nor a file" {
	local status before
	status=/proc/$(<"$RIG_DIR/exporter.pid")/status
	grep -q '^Uid:	65534	65534	65534	65534$' "$status"
	grep -q '^CapEff:	0000000000000000$' "$status"
	grep -q '^CapBnd:	0000000000000000$' "$status"
	before=$(rig_bwctl show --config)
	monitoring_get /metrics | grep -q '^bwctl_loaded 1$'
	# The same command with the same pins and a way to them, so that it fails for want of rights
	# and nothing else.
	chmod 711 /sys/fs/bpf
	"$RIG_DIR/bwctl" -n appliance set 50mbit >/dev/null
	denied "$RIG_DIR/bwctl" set 60mbit
	denied "$RIG_DIR/bwctl" unload
	denied "$RIG_DIR/bwctl" load eth0
	denied "$RIG_DIR/bwctl" save
	denied "$RIG_DIR/bwctl" run 5mbit -- true
	denied touch "$RIG_DIR/pins/new"
	denied ls "$RIG_DIR/pins"
	denied tee -a /etc/bwctl.conf </dev/null
	denied tee "$RIG_DIR/new" </dev/null
	denied tc qdisc replace dev eth1 root pfifo
	denied ip link set eth0 down
	rig_in appliance "${AS_NOBODY[@]}" "$RIG_DIR/pins-tool" --destroy "$RIG_DIR"/pins/* >"$RIG_DIR/tried"
	rig_only_reads "$RIG_DIR/tried"
	[[ $(find /sys/fs/bpf/bwctl -type f ! -perm 640 ! -perm 600) == '' ]]
	[[ $(rig_bwctl show --config) == "$before" ]]
	rig_bwctl show --json | jq -e 'all(.interfaces[]; .egress.hook and .ingress.hook)'
	# By root it can be done, all of it. The last: nothing is left.
	rig_in appliance tc qdisc replace dev eth1 root pfifo
	"$RIG_DIR/pins-tool" --destroy "$RIG_DIR"/pins/* >"$RIG_DIR/tried"
	rig_only_reads_not "$RIG_DIR/tried"
}
