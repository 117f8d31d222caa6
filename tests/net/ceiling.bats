#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The ceiling, and what is left below it: UDP at ten times the limit, TCP, two
# CPUs at once, BWCTL_CHANGES (80) of the limit. All judged by conform on
# captures of what came out, never by bwctl's own counters. Runs itself under
# bats in mount and network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself"
}

setup() {
	rig_make
	rig_bwctl load eth0
	# Every kernel can police; pacing has tests of its own.
	rig_bwctl set mode police >/dev/null
}

teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || rig_bwctl show >&2 || true
	rig_bwctl unload
	rig_destroy
}

conform() {
	"$RIG_TOOLS/conform" "$@"
}

window_seconds() {
	rig_bwctl show --json | jq .egress.window_seconds
}

# offer LIMIT OFFERED out|in...: floods those directions at once for 12 seconds, at ten times the
# limit, or as nearly as a busy machine can: 9 times at the least, in one of three tries.
offer() {
	local try name
	for ((try = 0; try < 3; try++)); do
		! offer_once "$@" || return 0
		# It was too little to be full by, and is no more than the limit all the same.
		for name in "${@:3}"; do
			conform --limit "$1" --window "$(window_seconds)" "$RIG_DIR/$name.pcap" || return
		done
	done
	rig_fail "what was offered is less than 9 times $1"
}

offer_once() {
	local limit=$1 offered=$2 name from to got enough=1
	shift 2
	for name; do
		rig_capture "$name" "$([[ $name == out ]] && echo far || echo inside)" eth0 udp port 9000
	done
	for name; do
		from=inside to=$RIG_FAR4
		[[ $name == out ]] || from=far to=$RIG_INSIDE4
		rig_flood "flood-$name" "$from" "$to" 9000 "$offered" 12
	done
	for name; do
		got=$(rig_flood_wait "flood-$name" 60 | jq '.sent_bytes * 8 / .seconds | floor')
		echo "# $limit $name: offered $got bit/s" >&3
		[[ $got -ge $((9 * $(rig_bwctl show --json | jq .egress.limit_bits_per_second))) ]] || enough=0
	done
	# Called where a failure does not end it by itself.
	rig_capture_stop "$@" || enough=0
	((enough))
}

# flood_at LIMIT OFFERED LEAST-MEAN together|apart
flood_at() {
	local limit=$1 offered=$2 least=$3 name window verdict status
	rig_bwctl set "$limit"
	window=$(window_seconds)
	rig_sink sink-far far 9000
	rig_sink sink-inside inside 9000
	if [[ $4 == together ]]; then
		offer "$limit" "$offered" out in
	else
		offer "$limit" "$offered" out
		offer "$limit" "$offered" in
	fi
	for name in out in; do
		status=0
		verdict=$(conform --limit "$limit" --window "$window" --min-mean "$least" \
			"$RIG_DIR/$name.pcap") || status=$?
		printf '%s\n' "$verdict" | sed "s/^/# $limit $name: /" >&3
		((status == 0))
	done
}

@test "UDP at ten times 1mbit: no window over it, mean at least 0.80" {
	flood_at 1mbit 10mbit 0.80 together
}

@test "UDP at ten times 20mbit: no window over it, mean at least 0.88" {
	flood_at 20mbit 200mbit 0.88 together
}

@test "UDP at ten times 200mbit: no window over it, mean at least 0.88" {
	flood_at 200mbit 2gbit 0.88 apart
}

# flood_from NAME CPU...: floods from those CPUs at once; what came out is in NAME.json, held to the ceiling.
flood_from() {
	local name=$1 cpu
	shift
	rig_capture "$name" far eth0 udp port 9000
	for cpu; do
		rig_flood "cpu-$cpu" appliance "$RIG_FAR4" 9000 400mbit 5 --cpu "$cpu"
	done
	for cpu; do
		rig_flood_wait "cpu-$cpu" 90
	done
	rig_capture_stop "$name"
	conform --json --limit 50mbit --window "$(window_seconds)" "$RIG_DIR/$name.pcap" >"$RIG_DIR/$name.json"
	echo "# $name: $(jq -c . "$RIG_DIR/$name.json")" >&3
	sleep 0.5
}

# Two get what one can get, to a percent.
two_get_no_more() {
	jq -s -e 'map(.bytes / .seconds) | .[-1] <= 1.01 * (.[:-1] | max)' "$RIG_DIR"/one-*.json "$RIG_DIR/two.json"
}

@test "two CPUs flooding at once pass no more than one" {
	local try
	rig_bwctl set 50mbit
	rig_sink sink far 9000
	flood_from one-1 0
	flood_from two 0 1
	# A single one that was held up on a busy machine has got less than it can: it may try again.
	for ((try = 2; try < 5; try++)); do
		! two_get_no_more || return 0
		flood_from "one-$try" 0
	done
	two_get_no_more
}

# tcp_flow CONGESTION out|in: default settings, super-packets as the kernel makes them.
tcp_flow() {
	local reverse=no least goodput
	[[ $2 == out ]] || reverse=yes
	rig_offloads on
	rig_bwctl set 50mbit
	rig_flow bulk far appliance to "$RIG_FAR4" seconds 10 congestion "$1" reverse "$reverse"
	rig_flow_wait bulk 90
	goodput=$(rig_flow_goodput bulk 1)
	# 0.83 of what 1448 bytes of payload in frames of 1514 can be at most.
	least=$((50000000 * 1448 * 83 / 1514 / 100))
	echo "# $1 $2: goodput $goodput bit/s, at least $least" >&3
	[[ $goodput -ge $least ]]
}

@test "one bulk TCP flow out, cubic, gets 0.83 of 50mbit" {
	tcp_flow cubic out
}

@test "one bulk TCP flow in, cubic, gets 0.83 of 50mbit" {
	tcp_flow cubic in
}

@test "one bulk TCP flow out, bbr, gets 0.83 of 50mbit" {
	tcp_flow bbr out
}

@test "one bulk TCP flow in, bbr, gets 0.83 of 50mbit" {
	tcp_flow bbr in
}

# Notes a limit for conform: a higher one may be in force from before the command,
# a lower one must be from its return.
set_and_note() {
	local rate=$1 previous=$2 file=$3 before=$EPOCHREALTIME
	shift 3
	rig_bwctl set "${rate}kbit" "$@" >/dev/null || return
	if ((rate < previous)); then
		before=$EPOCHREALTIME
	fi
	echo "$before ${rate}kbit" >>"$file"
}

@test "changes of the limit in traffic: windows hold, nothing is lost, no counter goes back" {
	local changes=${BWCTL_CHANGES:-80}
	local rate previous=50000 burst window change name verdict status
	rig_bwctl set 50mbit
	window=$(window_seconds)
	rig_sink sink-far far 9000
	rig_sink sink-inside inside 9000
	rig_capture out far eth0
	rig_capture in inside eth0
	: >"$RIG_DIR/limits"
	set_and_note 50000 0 "$RIG_DIR/limits"
	rig_flow out far inside to "$RIG_FAR4" port 22 seconds $((changes / 5 + 5))
	rig_flow in inside far to "$RIG_INSIDE4" port 443 seconds $((changes / 5 + 5))
	rig_flood flood-out inside "$RIG_FAR4" 9000 100mbit $((changes / 5))
	rig_flood flood-in far "$RIG_INSIDE4" 9000 100mbit $((changes / 5))

	RANDOM=4
	for ((change = 1; change <= changes; change++)); do
		rate=$((2000 + RANDOM % 90 * 1000))
		burst=$((50 + RANDOM % 151))
		set_and_note "$rate" "$previous" "$RIG_DIR/limits" burst "${burst}ms"
		previous=$rate
		rig_bwctl show --json >>"$RIG_DIR/shown"
		# Long enough, now and then, for whole windows under one limit.
		if ((change % 25 == 0)); then sleep 2.3; fi
	done

	# No sum that a reader sees may ever be smaller than the one before.
	jq -n -e --argjson changes "$changes" '
		def sums: [.ingress, .egress | .passed, .dropped, (.classes[] | .passed, .dropped) | .packets, .bytes];
		[inputs | sums] | length == $changes and
			all(range(1; length) as $i | [.[$i - 1], .[$i]] | transpose[]; .[0] <= .[1])' \
		"$RIG_DIR/shown" >/dev/null

	rig_flood_wait flood-out 60
	rig_flood_wait flood-in 60
	# Connections outlive all of it: iperf3 reports an error for one that was reset.
	rig_flow_wait out 60
	rig_flow_wait in 60
	rig_capture_stop out in
	for name in out in; do
		status=0
		verdict=$(conform --limits "$RIG_DIR/limits" --window "$window" "$RIG_DIR/$name.pcap") ||
			status=$?
		printf '%s\n' "$verdict" | sed "s/^/# $name: /" >&3
		((status == 0))
	done
}
