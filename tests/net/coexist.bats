#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Living beside others: whoever has programs, filters and qdiscs on an interface
# finds them untouched and running while bwctl is loaded, changed, replaced and
# unloaded, and afterwards everything is as it was. That holds for every hook that
# the kernel has, and whether it lets packets wait (fq) or not. Runs itself under
# bats in mount and network namespaces of its own; build/tests/neighbour plays the others.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

PINS=/sys/fs/bpf

setup_file() {
	rig_isolated || {
		echo "run $BATS_TEST_FILENAME itself: it isolates itself"
		return 1
	}
	look_at_kernel
	rig_make
}

# What this kernel has: HOOKS, and MODE, that of a limit that nobody is in the way of.
look_at_kernel() {
	HOOKS='tcx clsact' MODE=pace
	rig_has_tcx || HOOKS=clsact
	rig_has_fq || MODE=police
	export HOOKS MODE
	echo "# hooks: $HOOKS; mode: $MODE" >&3
}

has_tcx() {
	[[ $HOOKS == tcx* ]]
}

needs_tcx() {
	has_tcx || skip 'this kernel has no tcx'
}

teardown_file() {
	rig_destroy
}

# Whatever a test left. Without its pins nothing of a limiter stays but its queues: it is
# unloaded first.
teardown() {
	local link
	rig_stop_all
	rig_bwctl unload || true
	"$BWCTL" unload || true
	find "$PINS" -depth -mindepth 1 ! -name '*.debug' -delete
	for link in clsact ingress root; do
		rig_in appliance tc qdisc delete dev eth0 "$link" 2>/dev/null || true
	done
	# Not in a loop until none is left: the kernel keeps its own, such as gre0.
	for link in $(ip -j link | jq -r '.[].ifname | select(. != "lo")'); do
		ip link delete dev "$link" 2>/dev/null || true
	done
	tc qdisc delete dev lo clsact 2>/dev/null || true
}

# Says what differs, so that a failing test explains itself.
expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

neighbour() {
	rig_in appliance "$RIG_TOOLS/neighbour" "$@"
}

seen_by() {
	"$RIG_TOOLS/neighbour" count "$PINS/$1"
}

# All that somebody else could miss, in the namespace that this shell is in.
look_around() {
	local name
	rig_wait 30 rig_settled || rig_fail 'links do not settle'
	ip -d link | sed 's/_timer *[0-9.]*//g'
	tc qdisc show
	for name in /proc/sys/net/ipv4/conf/*; do
		name=${name##*/}
		[[ $name != all && $name != default ]] || continue
		printf '%s:\n' "$name"
		tc filter show dev "$name" ingress
		tc filter show dev "$name" egress
		! has_tcx || "$RIG_TOOLS/neighbour" tcx-list "$name"
	done 2>&1
	bpftool net show
	find "$PINS" | sort
}
export -f look_around has_tcx # for the shell in a namespace
export PINS RIG_TOOLS

# snapshot [NAMESPACE]
snapshot() {
	if (($#)); then
		rig_in "$1" bash -c look_around
	else
		look_around
	fi
}

# as_before SNAPSHOT [NAMESPACE]
as_before() {
	diff <(printf '%s\n' "$1") <(snapshot "${@:2}")
}

# Programs and maps of the limiter as it is now, "prog 12", "map 34", one a line.
objects() {
	local direction
	"$RIG_TOOLS/neighbour" objects "$PINS"/bwctl/*
	for direction in ingress egress; do
		tc -n appliance filter show dev eth0 "$direction" |
			sed -n 's/.* bwctl_.* id \([0-9]*\) .*/prog \1/p'
	done
}

# gone OBJECTS: the kernel frees them a moment after the last user is gone.
gone() {
	rig_wait 30 not_there "$1" ||
		expect 'objects that are left' '' "$("$RIG_TOOLS/neighbour" alive <<<"$1")"
}

not_there() {
	[[ -z $("$RIG_TOOLS/neighbour" alive <<<"$1") ]]
}

# comes_and_goes [LOAD-OPTION...]: load, set, load, set, unload on the appliance's eth0: all as before.
# Nobody in these tests has a root qdisc, so that what goes out can wait where anything can.
comes_and_goes() {
	local before used
	before=$(snapshot appliance)
	rig_bwctl load "$@" eth0
	rig_bwctl set 50mbit
	used=$(objects)
	rig_bwctl load "$@" eth0
	used+=$'\n'$(objects)
	rig_bwctl set egress unlimited
	rig_bwctl show --json | jq -e '.interfaces | length == 1 and
		all(.[]; .ingress.hook != null and .egress.hook != null and .egress.mode == env.MODE)'
	rig_bwctl unload
	as_before "$before" appliance
	# Seven maps, one of them again after each set, and two programs for each load.
	(($(wc -l <<<"$used") >= 18)) || expect 'objects' 'at least 18' "$used"
	gone "$used"
}

# The same by each hook that there is.
comes_and_goes_by_each() {
	local hook
	for hook in $HOOKS; do
		comes_and_goes --hook "$hook"
	done
}

# their_clsact: filters of every kind that this kernel has, in both directions.
their_clsact() {
	local direction
	tc -n appliance qdisc add dev eth0 clsact
	for direction in ingress egress; do
		neighbour clsact eth0 "$direction" "$PINS/their-$direction-1" 1
		neighbour clsact eth0 "$direction" "$PINS/their-$direction-5" 5
		tc -n appliance filter add dev eth0 "$direction" pref 2 protocol ip \
			u32 match ip dport 9 0xffff flowid 1:1
		tc -n appliance filter add dev eth0 "$direction" pref 3 protocol ip \
			flower ip_proto tcp dst_port 9 action drop 2>/dev/null || true
		tc -n appliance filter add dev eth0 "$direction" pref 7 \
			matchall action continue 2>/dev/null || true
	done
}

# Nothing where the kernel has none.
their_tcx() {
	local direction
	has_tcx || return 0
	for direction in ingress egress; do
		neighbour tcx eth0 "$direction" "$PINS/their-$direction-a"
		neighbour tcx eth0 "$direction" "$PINS/their-$direction-b"
	done
}

# frames ingress|egress: what the appliance's eth0 itself says it has received, or sent or, for want
# of room at the other end, failed to send.
frames() {
	local part=.rx.packets
	[[ $1 == ingress ]] || part='.tx | .packets + .dropped'
	ip -n appliance -j -s link show eth0 | jq ".[0].stats64$part"
}

# counts DIRECTION NAME...: frames, and what each neighbour has seen of them, at one moment: the
# kernel itself sends one now and then (ARP), and none may come in between.
counts() {
	local direction=$1 name before seen
	shift
	until
		before=$(frames "$direction")
		seen=$(for name; do seen_by "their-$direction-$name"; done)
		[[ $before == "$(frames "$direction")" ]]
	do
		:
	done
	echo "$before" "${seen//$'\n'/ }"
}

# both_ways RATE SECONDS: UDP floods out of the appliance and into it.
both_ways() {
	rig_sink sink-far far 9000
	rig_sink sink-inside inside 9000
	rig_flood out inside "$RIG_FAR4" 9000 "$1" "$2"
	rig_flood in far "$RIG_INSIDE4" 9000 "$1" "$2"
}

both_ways_end() {
	rig_flood_wait out
	rig_flood_wait in
	rig_sink_stop sink-far
	rig_sink_stop sink-inside
}

# Those that go on until they are told to end.
both_ways_stop() {
	rig_stop "$(<"$RIG_DIR/out.pid")" "$(<"$RIG_DIR/in.pid")"
	rig_sink_stop sink-far
	rig_sink_stop sink-inside
}

watch_both_ways() {
	rig_capture wire-out far eth0 'udp port 9000'
	rig_capture wire-in inside eth0 'udp port 9000'
}

# held LIMIT: what watch_both_ways saw against a limit in every window, and no frame in them
# that was not metered.
held() {
	local limit=$1 name direction metered
	rig_capture_stop wire-out wire-in
	for name in wire-out wire-in; do
		direction=egress
		[[ $name == wire-out ]] || direction=ingress
		"$RIG_TOOLS/conform" "$RIG_DIR/$name.pcap" --limit "$limit" --window 2 --min-mean 0.5 --json \
			>"$RIG_DIR/$name.verdict" || {
			cat "$RIG_DIR/$name.verdict"
			return 1
		}
		metered=$(rig_bwctl show --json | jq ".$direction.passed.packets")
		jq -e --argjson metered "$metered" '.frames <= $metered' "$RIG_DIR/$name.verdict" ||
			expect "frames $name" "at most the $metered metered" "$(<"$RIG_DIR/$name.verdict")"
	done
}

@test "bare interface" {
	comes_and_goes_by_each
}

@test "beside somebody's clsact with filters of several kinds" {
	their_clsact
	echo "# filters: $(tc -n appliance -j filter show dev eth0 egress |
		jq -r '[.[].kind] | unique | join(" ")')" >&3
	comes_and_goes_by_each
}

@test "beside somebody's clsact without any filter" {
	tc -n appliance qdisc add dev eth0 clsact
	comes_and_goes --hook clsact
}

@test "a filter of another kind at the first priority" {
	tc -n appliance qdisc add dev eth0 clsact
	for direction in ingress egress; do
		tc -n appliance filter add dev eth0 "$direction" pref 1 protocol ip \
			u32 match ip dport 9 0xffff flowid 1:1
	done
	# For IPv6 alone: the priority is taken for all the rest as well.
	tc -n appliance filter add dev eth0 egress pref 2 protocol ipv6 \
		u32 match ip6 dport 9 0xffff flowid 1:1
	comes_and_goes --hook clsact
}

@test "beside somebody's tcx programs" {
	needs_tcx
	their_tcx
	comes_and_goes_by_each
}

@test "somebody's XDP program stays" {
	neighbour xdp eth0 "$PINS/their-xdp"
	comes_and_goes
	comes_and_goes --hook clsact
	rig_in far ping -q -c 2 -i 0.05 -W 2 "$RIG_APPLIANCE4"
	(($(seen_by their-xdp) >= 2))
}

# same_counts DIRECTION FROM NAME...: since FROM, as counts says it, each neighbour has seen every frame
same_counts() {
	local direction=$1 first last i
	read -r -a first <<<"$2"
	read -r -a last <<<"$(counts "$direction" "${@:3}")"
	for ((i = 1; i < ${#last[@]}; i++)); do
		((last[i] - first[i] == last[0] - first[0])) || return
	done
}

# all_have_seen COUNT: more than that, of those who came last
all_have_seen() {
	local direction name
	for direction in ingress egress; do
		for name in "${late[@]}"; do
			(($(seen_by "late-$direction-$name") > $1)) || return
		done
		((2 * $1 < $(frames "$direction") - ${from[$direction]%% *})) || return
	done
}

@test "neighbours count every packet throughout, whenever they came" {
	local direction i name first last names=(1 5) late=(clsact)
	local -A from
	! has_tcx || names+=(a b) late+=(first last)
	their_tcx
	their_clsact
	for direction in ingress egress; do
		from[$direction]=$(counts "$direction" "${names[@]}")
	done
	both_ways 8mbit 600
	rig_bwctl load eth0
	sleep 0.1
	for direction in ingress egress; do
		neighbour clsact eth0 "$direction" "$PINS/late-$direction-clsact" 9
		has_tcx || continue
		neighbour tcx eth0 "$direction" "$PINS/late-$direction-last"
		neighbour tcx eth0 "$direction" "$PINS/late-$direction-first" first
	done
	rig_bwctl set 2gbit
	rig_bwctl load eth0
	rig_bwctl load --hook clsact eth0
	rig_bwctl set ingress unlimited
	rig_bwctl load --hook clsact eth0
	rig_bwctl load eth0
	rig_bwctl set 1gbit
	rig_bwctl unload
	rig_bwctl load --hook clsact eth0
	rig_bwctl unload
	sleep 2
	rig_wait 60 all_have_seen 500
	both_ways_stop
	for direction in ingress egress; do
		read -r -a first <<<"${from[$direction]}"
		# What the kernel has taken in it may show a moment later.
		rig_wait 10 same_counts "$direction" "${first[*]}" "${names[@]}" || true
		read -r -a last <<<"$(counts "$direction" "${names[@]}")"
		((last[0] - first[0] > 1000))
		for i in "${!names[@]}"; do
			expect "$direction, neighbour ${names[i]}" "$((last[0] - first[0]))" \
				"$((last[i + 1] - first[i + 1]))"
		done
		for name in "${late[@]}"; do
			(($(seen_by "late-$direction-$name") > 500))
		done
	done
}

@test "what is dropped is not shown to neighbours behind, what passes is" {
	local direction
	needs_tcx
	# Nobody is asked for again meanwhile, which not all of them would see.
	rig_neighbours_stay far appliance
	their_tcx
	rig_bwctl load eth0
	rig_bwctl set 5mbit
	for direction in ingress egress; do
		neighbour tcx eth0 "$direction" "$PINS/ahead-$direction" first
	done
	both_ways 50mbit 0.5
	both_ways_end
	sleep 0.5
	rig_bwctl show --json >"$BATS_TEST_TMPDIR/json"
	for direction in ingress egress; do
		jq -e ".$direction.dropped.packets > 100" "$BATS_TEST_TMPDIR/json"
		expect "behind, $direction" "$(jq ".$direction.passed.packets" "$BATS_TEST_TMPDIR/json")" \
			"$(seen_by "their-$direction-a")"
		expect "ahead, $direction" \
			"$(jq ".$direction | .passed.packets + .dropped.packets" "$BATS_TEST_TMPDIR/json")" \
			"$(seen_by "ahead-$direction")"
	done
}

@test "a neighbour that says pass and was there before opens no hole" {
	local direction sent
	needs_tcx
	for direction in ingress egress; do
		neighbour tcx eth0 "$direction" "$PINS/pass-$direction" pass
	done
	rig_bwctl load eth0
	rig_bwctl set 5mbit
	both_ways 50mbit 0.4
	sent=$(rig_flood_wait out | jq .sent_packets)
	both_ways_end
	sleep 0.5
	rig_bwctl show --json | jq -e --argjson sent "$sent" \
		'.egress | .dropped.packets > 100 and .passed.packets + .dropped.packets >= $sent'
	rig_bwctl show --json | jq -e '.ingress.dropped.packets > 100'
}

@test "somebody's ingress qdisc: tcx beside it, clsact refused in one line" {
	local before
	tc -n appliance qdisc add dev eth0 ingress
	tc -n appliance filter add dev eth0 ingress pref 1 protocol ip \
		u32 match ip dport 9 0xffff flowid 1:1
	! has_tcx || comes_and_goes
	before=$(snapshot appliance)
	run --separate-stderr rig_bwctl load --hook clsact eth0
	# shellcheck disable=SC2154 # stderr is run's
	expect 'exit code and lines of error' '1 1' "$status $(grep -c '^bwctl: ' <<<"$stderr")"
	[[ $stderr == *eth0* ]]
	as_before "$before" appliance
	has_tcx || return 0
	# Loaded already: it stays as it was.
	rig_bwctl load eth0
	before=$(snapshot appliance)
	run --separate-stderr rig_bwctl load --hook clsact eth0
	expect 'exit code' 1 "$status"
	as_before "$before" appliance
}

@test "a clsact qdisc that we made and another has come to use stays" {
	rig_bwctl load --hook clsact eth0
	neighbour clsact eth0 egress "$PINS/their-egress" 3
	rig_bwctl unload
	expect 'qdisc' 1 "$(tc -n appliance qdisc show dev eth0 | grep -c '^qdisc clsact ')"
	expect 'filters' 'neighbour' "$(tc -n appliance -j filter show dev eth0 egress |
		jq -r '.[].options // empty | .bpf_name | sub(":.*"; "")')"
	expect 'filters in' '' "$(tc -n appliance filter show dev eth0 ingress)"
	rig_in far ping -q -c 2 -i 0.05 -W 2 "$RIG_APPLIANCE4"
	(($(seen_by their-egress) >= 2))
}

@test "all priorities in front taken: refused, all as before" {
	local before priority
	tc -n appliance qdisc add dev eth0 clsact
	for priority in {1..20}; do
		tc -n appliance filter add dev eth0 egress pref "$priority" protocol ip \
			u32 match ip dport 9 0xffff flowid 1:1
	done
	before=$(snapshot appliance)
	run --separate-stderr rig_bwctl load --hook clsact eth0
	expect 'exit code and lines of error' '1 1' "$status $(wc -l <<<"$stderr")"
	as_before "$before" appliance
	! has_tcx || comes_and_goes
}

# A load on an emulated machine takes ten times as long: with a tenth of the traffic as many packets
# meet each.
traffic_for_reloads() {
	RELOAD_LIMIT=20mbit RELOAD_FLOOD=100mbit
	[[ -z ${BWCTL_VM_JOB:-} ]] || RELOAD_LIMIT=2mbit RELOAD_FLOOD=10mbit
}

# reloads HOOK TIMES: each time with new programs, in place of those that are there.
reloads() {
	local hook=$1 times=$2 before
	before=$(objects | grep '^prog ')
	for (( ; times > 0; times--)); do
		rig_bwctl load --hook "$hook" eth0 >/dev/null
	done
	expect 'programs that are still there' '' \
		"$(comm -12 <(sort <<<"$before") <(objects | grep '^prog ' | sort))"
	rig_bwctl show --json | jq -e --arg hook "$hook" --argjson limit "${RELOAD_LIMIT%mbit}" '
		.egress.limit_bits_per_second == $limit * 1000000
		and .interfaces[0].ingress.hook == $hook and .interfaces[0].egress.hook == $hook'
	gone "$before"
}

@test "load again replaces the programs in place: no packet unmetered, limit and counters stay" {
	local hook
	traffic_for_reloads
	rig_bwctl load eth0
	rig_bwctl set "$RELOAD_LIMIT"
	watch_both_ways
	both_ways "$RELOAD_FLOOD" 600
	for hook in $HOOKS; do
		rig_bwctl load --hook "$hook" eth0 >/dev/null
		reloads "$hook" 20
	done
	both_ways_stop
	held "$RELOAD_LIMIT"
}

@test "from tcx to clsact and back under traffic: no packet unmetered between" {
	local before i hook
	needs_tcx
	traffic_for_reloads
	before=$(snapshot appliance)
	rig_bwctl load --hook tcx eth0
	rig_bwctl set "$RELOAD_LIMIT"
	watch_both_ways
	both_ways "$RELOAD_FLOOD" 600
	for ((i = 0; i < 10; i++)); do
		for hook in clsact tcx; do
			rig_bwctl load --hook "$hook" eth0 >/dev/null
			[[ $(rig_bwctl show) == *"eth0 "*"$hook "*"$MODE"*"$hook "*"$MODE"* ]]
		done
		expect 'qdiscs and filters left' '' "$(tc -n appliance qdisc show dev eth0 clsact)$(
			tc -n appliance filter show dev eth0 egress)"
	done
	both_ways_stop
	held "$RELOAD_LIMIT"
	rig_bwctl unload
	as_before "$before" appliance
}

@test "fifty times loaded and unloaded leaves nothing" {
	local before used='' hooks hook i
	read -r -a hooks <<<"$HOOKS"
	before=$(snapshot appliance)
	for ((i = 0; i < 50; i++)); do
		hook=${hooks[i % ${#hooks[@]}]}
		rig_bwctl load --hook "$hook" eth0 inside0 >/dev/null
		((i % 10 > 1)) || used+=$(objects)$'\n'
		rig_bwctl unload >/dev/null
	done
	as_before "$before" appliance
	gone "${used%$'\n'}"
}

@test "renamed while loaded" {
	ip link add old0 type veth peer name peer0
	ip link set old0 up
	"$BWCTL" load old0
	"$BWCTL" set 50mbit
	ip link set old0 down
	ip link set old0 name new0.1
	ip link set new0.1 up
	"$BWCTL" show --json | jq -e --arg hook "${HOOKS%% *}" '.interfaces == [.interfaces[0]] and
		(.interfaces[0] | .name == "new0.1" and .ingress.hook == $hook and .egress.hook == $hook)'
	# Who looks from another namespace knows the name since the last set, and does not undo it.
	ip netns add looks
	expect 'name from outside' old0 "$("$BWCTL" -n looks show --json | jq -r '.interfaces[].name')"
	"$BWCTL" set class lab 40mbit flow there class lab interface new0.1 >/dev/null
	expect 'name from outside' new0.1 "$("$BWCTL" -n looks show --json | jq -r '.interfaces[].name')"
	[[ $("$BWCTL" -n looks set 50mbit 2>&1) != *'not loaded'* ]]
	expect 'flows' '8, none of an interface that is not loaded' "$("$BWCTL" check --json |
		jq -r '.findings[] | select(.check == "flows").text')"
	ip netns delete looks
	"$BWCTL" set flow there remove >/dev/null
	"$BWCTL" set class lab remove >/dev/null
	"$BWCTL" load new0.1
	"$BWCTL" show --json | jq -e '[.interfaces[].name] == ["new0.1"] and
		.egress.limit_bits_per_second == 50000000'
	"$BWCTL" unload new0.1
	[[ ! -e $PINS/bwctl ]]
}

@test "a name that has gone to another interface means that one alone" {
	ip link add one0 type veth peer name peer0
	"$BWCTL" load one0
	ip link set one0 name two0
	ip link add one0 type veth peer name peer1
	"$BWCTL" load one0
	"$BWCTL" unload one0
	expect 'still loaded' '["two0"]' "$("$BWCTL" show --json | jq -c '[.interfaces[].name]')"
}

# deleted HOOK: the interface goes while loaded, and comes back.
deleted() {
	local before
	before=$(snapshot)
	ip link add gone0 type veth peer name peer0
	"$BWCTL" load --hook "$1" gone0
	"$BWCTL" set 50mbit
	ip link delete gone0
	"$BWCTL" show --json | jq -e '.egress.limit_bits_per_second == 50000000 and
		all(.interfaces[]; .ingress.hook == null and .egress.hook == null)'
	"$BWCTL" show >/dev/null
	"$BWCTL" flows >/dev/null
	"$BWCTL" set 40mbit

	ip link add gone0 type veth peer name peer0
	"$BWCTL" load --hook "$1" gone0
	"$BWCTL" show --json | jq -e --arg hook "$1" '.egress.limit_bits_per_second == 40000000 and
		any(.interfaces[]; .ingress.hook == $hook and .egress.hook == $hook)'
	"$BWCTL" unload gone0
	ip link delete gone0
	as_before "$before"

	# Gone, and unloaded after that.
	ip link add gone0 type veth peer name peer0
	"$BWCTL" load --hook "$1" gone0
	ip link delete gone0
	"$BWCTL" unload
	as_before "$before"
}

@test "deleted while loaded by tcx, and back again" {
	needs_tcx
	deleted tcx
}

@test "deleted while loaded by clsact, and back again" {
	deleted clsact
}

@test "moved to another network namespace while loaded: still metered or said not to be" {
	ip netns add moved
	ip link add eth7 type veth peer name peer0
	ip address add 10.7.0.1/24 dev peer0
	ip link set peer0 up
	"$BWCTL" load eth7
	ip link set eth7 netns moved
	ip -n moved address add 10.7.0.2/24 dev eth7
	ip -n moved link set eth7 up
	rig_wait 30 rig_settled
	rig_wait 30 rig_settled -n moved
	rig_in moved ping -q -c 2 -i 0.05 -W 2 10.7.0.1
	"$BWCTL" show --json | jq -e '.interfaces[0].egress.hook == null or
		.egress.classes.icmp.passed.packets == 2'
	"$BWCTL" unload
	! has_tcx || expect 'programs left' '' "$(rig_in moved "$RIG_TOOLS/neighbour" tcx-list eth7)"
	expect 'qdiscs left' '' "$(tc -n moved qdisc show dev eth7 | grep -v ' noqueue ')"
	expect 'devices left' '' "$(ip -o link show type ifb)"
	ip netns delete moved
}

# Answers of the kernel to echo requests that come in from a tun device: no Ethernet header.
through_tun() {
	perl -e '
		use strict;
		my ($name, $count) = @ARGV;
		sub checksum {
			my $sum = 0;
			$sum += $_ for unpack("n*", $_[0]);
			$sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16;
			return ~$sum & 0xffff;
		}
		open(my $tun, "+<", "/dev/net/tun") or die "tun: $!";
		ioctl($tun, 0x400454ca, pack("a16 s x22", $name, 0x1001)) or die "TUNSETIFF: $!";
		alarm 60;
		# Until the kernel has noticed the carrier, it drops what is sent.
		select(undef, undef, undef, 0.02) while `ip -o link show $name` =~ /qdisc noop/;
		for my $n (1 .. $count) {
			my $icmp = pack("CCnnn a56", 8, 0, 0, 7, $n, "");
			substr($icmp, 2, 2) = pack("n", checksum($icmp));
			my $ip = pack("CCnnnCCn a4 a4", 0x45, 0, 84, $n, 0, 64, 1, 0,
				pack("C4", 10, 9, 0, 2), pack("C4", 10, 9, 0, 1));
			substr($ip, 10, 2) = pack("n", checksum($ip));
			syswrite($tun, $ip . $icmp) == 84 or die "write: $!";
			while (sysread($tun, my $answer, 2048)) {
				last if unpack("C x8 C x10 C", $answer) == 0x45 && ord(substr($answer, 20)) == 0;
			}
		}' "$1" "$2"
}

# says_first TEXT COMMAND...: what somebody passes before ours is said once, as a hint.
says_first() {
	local text=$1
	shift
	run --separate-stderr rig_bwctl "$@"
	# shellcheck disable=SC2154 # bats sets it
	[[ $status == 0 && $(grep -c 'runs before' <<<"$stderr") == 1 && $stderr == *"hint: 'eth0': on egress $text"* ]] ||
		rig_fail "$*: $status: $stderr"
}

# silent_of_first COMMAND...: nobody comes before, and nobody is said to.
silent_of_first() {
	run --separate-stderr rig_bwctl "$@"
	[[ $status == 0 && $output$stderr != *'runs before'* ]] || rig_fail "$*: $status: $output$stderr"
}

# first_is VALUE METRIC: of egress; nobody is ever before on ingress.
first_is() {
	expect 'first' "[true,$1]" "$(rig_bwctl show --json | jq -c '.interfaces[0] | [.ingress.first, .egress.first]')"
	expect 'bwctl_first' "$2" "$(rig_bwctl metrics | sed -n 's/^bwctl_first{interface="eth0",direction="transmit"} //p')"
	expect 'bwctl_first' 1 "$(rig_bwctl metrics | sed -n 's/^bwctl_first{interface="eth0",direction="receive"} //p')"
}

@test "somebody's tcx program before ours: load, set, apply, run, show and metrics say so" {
	local advice='bwctl load --hook clsact eth0 && bwctl load --hook tcx eth0'
	needs_tcx
	silent_of_first load eth0
	silent_of_first set 1mbit
	first_is true 1
	neighbour tcx eth0 egress "$PINS/them" first pass
	says_first "a program of somebody else, neighbour (id " load eth0
	[[ $stderr == *"$advice"* ]]
	says_first "a program of somebody else, neighbour (id " set 1mbit
	[[ $stderr == *"$advice"* ]]
	rig_bwctl show --config >"$RIG_DIR/policy"
	says_first "a program of somebody else, neighbour (id " apply "$RIG_DIR/policy"
	says_first "a program of somebody else, neighbour (id " run 1mbit -- true
	first_is false 0
	expect 'lines of show' 1 "$(rig_bwctl show | grep -c '^eth0: on egress a program of somebody else, neighbour (id .*), runs before: what it does not hand on is not metered$')"
	# The advice helps. In between ours is a filter, which comes after all of tcx.
	says_first "a program of somebody else, neighbour (id " load --hook clsact eth0
	silent_of_first load --hook tcx eth0
	first_is true 1
	silent_of_first set 2mbit
	silent_of_first show
	# Elsewhere it cannot be looked at.
	expect 'first' '[null,null]' "$("$BWCTL" show --json | jq -c '.interfaces[0] | [.ingress.first, .egress.first]')"
	expect 'bwctl_first' 0 "$("$BWCTL" metrics | grep -c bwctl_first)"
}

@test "somebody's filter before ours: load, set and show say so" {
	rig_in appliance tc qdisc add dev eth0 clsact
	rig_in appliance tc filter add dev eth0 egress pref 1 protocol ip u32 match u32 0 0 flowid 1:1
	says_first "a filter of somebody else, u32 with pref 1, runs before: what it does not hand on is not metered; take it away (tc filter show dev eth0 egress)" \
		load --hook clsact eth0
	says_first "a filter of somebody else, u32 with pref 1, runs before" set 1mbit
	first_is false 0
	[[ $(rig_bwctl show) == *$'\neth0: on egress a filter of somebody else, u32 with pref 1, runs before: what it does not hand on is not metered\n'* ]]
	rig_in appliance tc filter delete dev eth0 egress pref 1
	first_is true 1
	silent_of_first set 2mbit
	silent_of_first show
}

@test "tun: packets without an Ethernet header" {
	ip tuntap add mode tun name tun0
	sysctl -q -w net.ipv6.conf.tun0.disable_ipv6=1
	ip address add 10.9.0.1/24 dev tun0
	ip link set tun0 up
	for hook in $HOOKS; do
		"$BWCTL" load --hook "$hook" tun0
		"$BWCTL" set 1mbit
		through_tun tun0 3
		"$BWCTL" show --json | jq -e '[.ingress, .egress] |
			all(.classes.icmp.passed == {packets: 3, bytes: 252} and .passed.packets == 3)'
		"$BWCTL" unload
	done
}

@test "loopback" {
	local before
	before=$(snapshot)
	for hook in $HOOKS; do
		"$BWCTL" load --hook "$hook" lo
		ping -q -c 2 -i 0.05 127.0.0.1
		"$BWCTL" show --json | jq -e '[.ingress, .egress] |
			all(.classes.icmp.passed.packets == 4)'
		"$BWCTL" unload
	done
	as_before "$before"
}

@test "other kinds of interface, those that this kernel has" {
	local kind kinds='' before
	ip link add base0 type veth peer name base1
	ip link set base0 up
	ip link set base1 up
	for kind in dummy bridge bond ifb 'link base0 type macvlan' 'link base0 type vlan id 7' team \
		'wireguard' 'vxlan id 7 dstport 4789 local 10.8.0.1' 'ipip local 10.8.0.1 remote 10.8.0.2' \
		'gre local 10.8.0.1 remote 10.8.0.2' 'gretap local 10.8.0.1 remote 10.8.0.2'; do
		[[ $kind == link* ]] || kind="type $kind"
		# shellcheck disable=SC2086
		ip link add name eth0.7 $kind 2>/dev/null || continue
		kinds+=" ${kind#*type }"
		ip link set eth0.7 up
		before=$(snapshot)
		"$BWCTL" load eth0.7 base0
		"$BWCTL" set 50mbit
		"$BWCTL" show --json | jq -e '.interfaces | length == 2 and
			all(.[]; .ingress.hook != null and .egress.hook != null)'
		"$BWCTL" unload
		as_before "$before"
		ip link delete eth0.7
	done
	echo "#$kinds" >&3
}
