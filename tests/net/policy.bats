#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Who gets what under the ceiling: an operator who is not kept waiting, what is
# guaranteed, what a class may have at most, what is only observed. Ceilings are
# judged by conform on captures. What packets that wait make different needs a
# kernel with fq, tests/vm/run has some. Runs itself under bats in mount and
# network namespaces of its own.
#
# BWCTL_SECONDS is how long the operator works under load, 6 if not told.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself" || return
	FQ=yes
	rig_has_fq || FQ=no
	export FQ
}

setup() {
	# Before there is a network to make and take down.
	[[ $BATS_TEST_DESCRIPTION != 'pace: '* || $FQ == yes ]] || skip 'this kernel has no fq qdisc'
	rig_make
	rig_bwctl load eth0 >/dev/null
	[[ $BATS_TEST_DESCRIPTION != 'police: '* ]] || rig_bwctl set mode police >/dev/null
}

teardown() {
	[[ -e /run/netns/appliance ]] || return 0
	[[ -n $BATS_TEST_COMPLETED ]] || rig_bwctl show >&2 || true
	rig_stop_all
	rig_bwctl unload
	rig_destroy
}

# shown FILTER [ARGUMENT...]: of "show --json"
shown() {
	local filter=$1
	shift
	rig_bwctl show --json | jq -c "$@" "$filter"
}

# note WORD...: what was measured
note() {
	echo "# $*" >&3
}

# least WHAT A B, most WHAT A B: that A is at least, or at most, B
least() {
	awk -v a="$2" -v b="$3" 'BEGIN { exit !(a != "" && a + 0 >= b + 0) }' ||
		rig_fail "$1: $2, expected at least $3"
}

most() {
	awk -v a="$2" -v b="$3" 'BEGIN { exit !(a != "" && a + 0 <= b + 0) }' ||
		rig_fail "$1: $2, expected at most $3"
}

# holds NAME WHAT LIMIT WINDOW [CONFORM-ARGUMENT...]: a capture against a limit
holds() {
	local name=$1 what=$2 limit=$3 window=$4 verdict status=0
	shift 4
	verdict=$("$RIG_TOOLS/conform" --json --limit "$limit" --window "$window" "$@" \
		"$RIG_DIR/$name.pcap") || status=$?
	note "$name, $what: $limit $(jq -c '[.holds, "mean", .mean_ratio, "worst", .worst.ratio, "longer",
		.longer.ratio]' <<<"$verdict")"
	((status == 0)) || rig_fail "$name, $what: $verdict"
}

# ---- the operator -------------------------------------------------------------------------

# ping_figures NAME SENT: as of ask, from what ping has printed
ping_figures() {
	sed -n 's/.* time=\([0-9.]*\) ms.*/\1/p' "$RIG_DIR/$1.ping" | jq -c -s --argjson sent "$2" '
		sort | {sent: $sent, answered: length, lost: ($sent - length)} +
			({p50_us: .[((length + 1) / 2 | floor) - 1], p99_us: .[(length * 0.99 | ceil) - 1], max_us: .[-1]}
				| map_values(. * 1000 | floor))'
}

# work NAME SECONDS: somebody in far asks the appliance and pings it, ten times a second. What it was
# like is then in RIG_DIR/NAME.json.
work() {
	local name=$1 seconds=$2 asked pid
	rig_start far ping -n -i 0.1 -c "$((seconds * 10))" -W 2 "$RIG_APPLIANCE4" >"$RIG_DIR/$name.ping"
	pid=$RIG_PID
	rig_ask "$name" far "$RIG_APPLIANCE4" "$seconds"
	asked=$(rig_ask_wait "$name" $((seconds + 30)))
	rig_wait_gone 60 "$pid"
	jq -n -c --argjson ask "$asked" --argjson ping "$(ping_figures "$name" $((seconds * 10)))" \
		'{ask: $ask, ping: $ping}' >"$RIG_DIR/$name.json"
	note "$name: request and answer $asked"
	note "$name: ping $(jq -c .ping "$RIG_DIR/$name.json")"
}

# worked NAME FIGURE: of what work left, as .ask.p99_us
worked() {
	jq "$2" "$RIG_DIR/$1.json"
}

# full SECONDS: what ssh has passed in so long, of the limit, out and in
full() {
	local start=$EPOCHREALTIME end before after
	before=$(shown '[.egress, .ingress | .classes.ssh.passed.bytes]')
	sleep "$1"
	end=$EPOCHREALTIME
	after=$(shown '[.egress, .ingress | .classes.ssh.passed.bytes]')
	jq -n -c --argjson before "$before" --argjson after "$after" \
		--argjson seconds "$(awk -v a="$start" -v b="$end" 'BEGIN { print b - a }')" \
		'[$before, $after] | transpose | map((.[1] - .[0]) * 8 / $seconds / 50e6 * 1000 | floor / 1000)'
}

# saturated FULL: as full says
saturated() {
	jq -e 'all(. >= 0.8)' <<<"$1" >/dev/null
}

# saturate: the appliance is connected to port 22 in far by 32 TCP flows each way that take what they
# get, and returns when that is all.
saturate() {
	local tries=10
	rig_flow bulk-out far appliance to "$RIG_FAR4" port 22 parallel 32 seconds 3000
	rig_flow bulk-in far appliance to "$RIG_FAR6" port 22 parallel 32 reverse yes seconds 3000
	until saturated "$(full 2)"; do
		((tries-- > 0)) || rig_fail "the limit is not reached: $(full 2)" || return
	done
}

# under_load NAME SECONDS: as work, and both directions are full all the while.
under_load() {
	local name=$1 seconds=$2 rates reverse client server looker
	saturate
	full "$seconds" >"$RIG_DIR/rates" 3>&- &
	looker=$!
	work "$name" "$seconds"
	wait "$looker"
	rates=$(<"$RIG_DIR/rates")
	note "$name: ssh out and in, of the limit: $rates"
	saturated "$rates" || rig_fail "the limit is not reached: $rates"
	for name in bulk-out bulk-in; do
		read -r reverse client server <"$RIG_DIR/$name.flow"
		rig_stop "$client" "$server"
	done
}

# The names of the classes that are favoured unless told otherwise.
no_favours() {
	rig_bwctl set class ui priority normal class admin priority normal class icmp priority normal \
		class control priority normal >/dev/null
}

@test "pace: 64 flows fill 50mbit both ways, and a request takes at most 5 ms longer than without" {
	local seconds=${BWCTL_SECONDS:-6} what idle high normal
	rig_offloads on
	rig_bwctl set 50mbit
	[[ $(shown '[.egress.mode, .ingress.mode]') == '["pace","pace"]' ]]
	rig_answer web appliance
	work idle 5
	under_load priority "$seconds"
	no_favours
	under_load none "$seconds"
	for what in ask ping; do
		idle=$(worked idle ".$what.p99_us") high=$(worked priority ".$what.p99_us")
		normal=$(worked none ".$what.p99_us")
		[[ $(worked priority ".$what.lost") == 0 ]]
		most "$what, p99 under load" "$high" $((idle + 5000))
		# Else there would be nothing that priority has done.
		least "$what, p99 without priority" "$normal" $((3 * high))
		least "$what, p99 without priority" "$normal" $((idle + 20000))
	done
}

@test "police: 64 flows fill 50mbit both ways, and no request is lost" {
	local seconds=${BWCTL_SECONDS:-6}
	rig_offloads on
	rig_bwctl set 50mbit
	rig_answer web appliance
	work idle 3
	under_load priority "$seconds"
	[[ $(worked priority '[.ask, .ping | .lost]' | jq -c .) == '[0,0]' ]]
	[[ $(shown '[.egress, .ingress | .classes | .ui, .icmp | .dropped.packets]') == '[0,0,0,0]' ]]
	no_favours
	under_load none 6
	# Else there would be nothing that priority has done.
	least 'ui and icmp without priority, dropped' \
		"$(shown '[.egress, .ingress | .classes | .ui, .icmp | .dropped.packets] | add')" 1
}

# ---- guarantees ---------------------------------------------------------------------------

# The far end of each direction is behind the meter: traffic goes through the appliance.
declare -gA GOT

# greedy out|in SECONDS [ssh|ui...]: TCP in those classes that takes what it gets, in that direction;
# captured as wire. What they got, without the first two seconds, is then in GOT.
greedy() {
	local direction=$1 seconds=$2 name ssh=no ui=yes from
	shift 2
	[[ $direction == out ]] || ssh=yes ui=no
	[[ $direction == out ]] && from=far || from=inside
	rig_capture wire "$from" eth0
	for name; do
		if [[ $name == ssh ]]; then
			rig_flow ssh far inside to "$RIG_FAR4" port 22 parallel 8 seconds "$seconds" reverse "$ssh"
		else
			rig_flow ui inside far to "$RIG_INSIDE4" port 443 parallel 8 seconds "$seconds" reverse "$ui"
		fi
	done
	for name; do
		rig_flow_wait "$name" 60
	done
	rig_capture_stop wire
	for name; do
		GOT[$name]=$(rig_flow_goodput "$name" 2)
	done
}

# guarantee out|in
guarantee() {
	local direction=$1 alone window
	rig_offloads on
	rig_bwctl set 50mbit
	window=$(shown .egress.window_seconds)

	greedy "$direction" 6 ssh
	alone=${GOT[ssh]}
	rig_bwctl set class ui reserve 10mbit
	greedy "$direction" 6 ssh
	note "$direction: ssh alone $alone bit/s, and with a guarantee for ui, which is idle, ${GOT[ssh]}"
	least 'ssh while ui is idle' "${GOT[ssh]}" "$((alone * 95 / 100))"
	holds wire 'ssh alone' 50mbit "$window"

	greedy "$direction" 7 ssh ui
	note "$direction: ui, high, 10mbit guaranteed: ${GOT[ui]}, ssh ${GOT[ssh]} bit/s"
	least 'ui' "${GOT[ui]}" 9000000
	holds wire 'ssh and ui' 50mbit "$window"

	rig_bwctl set class ui priority normal
	greedy "$direction" 7 ssh ui
	note "$direction: ui, normal, 10mbit guaranteed: ${GOT[ui]}, ssh ${GOT[ssh]} bit/s"
	least 'ui' "${GOT[ui]}" 9000000
	holds wire 'ssh and ui' 50mbit "$window"

	# For the one that has to wait for the other, else.
	rig_bwctl set class ui priority high reserve none class ssh priority low reserve 10mbit
	greedy "$direction" 7 ssh ui
	note "$direction: ui, high: ${GOT[ui]}, ssh, low, 10mbit guaranteed: ${GOT[ssh]} bit/s"
	least 'ssh' "${GOT[ssh]}" 9000000
	holds wire 'ssh and ui' 50mbit "$window"
}

@test "pace: what is guaranteed to TCP out it gets, and costs nobody anything while it is not used" {
	guarantee out
}

@test "pace: what is guaranteed to TCP in it gets, and costs nobody anything while it is not used" {
	guarantee in
}

# own NAME PORT [KEY VALUE]...: a class of one's own for UDP to that port, in both directions
own() {
	local name=$1 port=$2
	shift 2
	rig_bwctl set class "$name" "$@" flow "$name-out" class "$name" protocol udp remote "$port" \
		flow "$name-in" class "$name" protocol udp local "$port" >/dev/null
}

# floods SECONDS NAME:PORT:RATE[:BLAST-ARGUMENT...]...: both ways at once, captured as out and in
floods() {
	local seconds=$1 flood name port rate arguments
	shift
	rig_capture out far eth0
	rig_capture in inside eth0
	for flood; do
		IFS=: read -r name port rate arguments <<<"$flood"
		# shellcheck disable=SC2086 # several
		rig_flood "$name-out" inside "$RIG_FAR4" "$port" "$rate" "$seconds" $arguments
		# shellcheck disable=SC2086
		rig_flood "$name-in" far "$RIG_INSIDE4" "$port" "$rate" "$seconds" $arguments
	done
	for flood; do
		rig_flood_wait "${flood%%:*}-out" 90 >/dev/null
		rig_flood_wait "${flood%%:*}-in" 90 >/dev/null
	done
	rig_capture_stop out in
}

sinks() {
	local port
	for port; do
		rig_sink "far-$port" far "$port"
		rig_sink "inside-$port" inside "$port"
	done
}

# mean out|in [PORT]: bits per second on the wire while all floods are there, which do not begin and end
# at once
mean() {
	"$RIG_TOOLS/conform" --json --filter "udp${2:+ port $2}" --from +1 --to +3.5 "$RIG_DIR/$1.pcap" |
		jq '.mean_bits_per_second | floor'
}

# used out|in WHAT MBIT [PORT]: at least 0.8 of that
used() {
	local mean
	mean=$(mean "$1" "${4:-}")
	note "$1, $2: $mean bit/s"
	least "$2 $1" "$mean" $(($3 * 800000))
}

# guaranteed_in_flood LEAST: class a, 10mbit guaranteed, offers 12; b of the same priority offers 150.
guaranteed_in_flood() {
	local least=$1 direction window
	sinks 9001 9002
	rig_bwctl set 50mbit
	own a 9001 priority normal reserve 10mbit
	own b 9002 priority normal
	window=$(shown .egress.window_seconds)
	floods 4 a:9001:12mbit b:9002:150mbit
	for direction in out in; do
		note "$direction: a, 10mbit guaranteed, $(mean "$direction" 9001) bit/s" \
			"b $(mean "$direction" 9002) bit/s"
		least "a $direction" "$(mean "$direction" 9001)" "$least"
		holds "$direction" aggregate 50mbit "$window"
		used "$direction" aggregate 50
	done
	# Of another's guarantee, one that is idle takes nothing.
	floods 4 b:9002:150mbit
	for direction in out in; do
		holds "$direction" 'b alone' 50mbit "$window"
		used "$direction" 'b alone' 50
	done
	# And not the favoured either.
	rig_bwctl set class b priority high class a priority low
	floods 4 a:9001:12mbit b:9002:150mbit
	for direction in out in; do
		note "$direction: a, low, 10mbit guaranteed, $(mean "$direction" 9001) bit/s" \
			"b, high, $(mean "$direction" 9002) bit/s"
		least "a $direction" "$(mean "$direction" 9001)" "$least"
		holds "$direction" aggregate 50mbit "$window"
		used "$direction" aggregate 50
	done
}

@test "pace: a class gets what is guaranteed in a flood of others of its priority, or a higher one" {
	guaranteed_in_flood 9500000
}

@test "police: a class gets what is guaranteed in a flood of others of its priority, or a higher one" {
	# As of the limit: what leaves room for the bursts.
	guaranteed_in_flood 8500000
}

# ---- limits of classes --------------------------------------------------------------------

# class_limits: classes a and b have limits of their own, of all others only the aggregate is limited.
class_limits() {
	local window window_a window_b direction last=$(($(nproc) - 1))
	sinks 9001 9002 9003
	rig_bwctl set 50mbit
	own a 9001 10mbit
	own b 9002 25mbit
	window=$(shown '.egress.window_seconds')
	window_a=$(shown '.egress | .classes.a.window_seconds // .window_seconds')
	window_b=$(shown '.egress | .classes.b.window_seconds // .window_seconds')
	note "windows: $window, a $window_a, b $window_b s"

	floods 4 a0:9001:20mbit:'--cpu 0 --flows 4' a1:9001:20mbit:"--cpu $last --flows 4"
	for direction in out in; do
		holds "$direction" a 10mbit "$window_a" --filter 'udp port 9001'
		used "$direction" a 10 9001
	done
	floods 4 a0:9001:20mbit:'--cpu 0 --flows 4' a1:9001:20mbit:"--cpu $last --flows 4" \
		b0:9002:30mbit:'--cpu 0 --flows 4' b1:9002:30mbit:"--cpu $last --flows 4"
	for direction in out in; do
		holds "$direction" a 10mbit "$window_a" --filter 'udp port 9001'
		used "$direction" a 10 9001
		holds "$direction" b 25mbit "$window_b" --filter 'udp port 9002'
		used "$direction" b 25 9002
		holds "$direction" aggregate 50mbit "$window"
	done
	floods 4 a0:9001:20mbit:'--cpu 0 --flows 4' a1:9001:20mbit:"--cpu $last --flows 4" \
		b0:9002:30mbit:'--cpu 0 --flows 4' b1:9002:30mbit:"--cpu $last --flows 4" \
		c0:9003:50mbit:'--cpu 0 --flows 4' c1:9003:50mbit:"--cpu $last --flows 4"
	for direction in out in; do
		holds "$direction" a 10mbit "$window_a" --filter 'udp port 9001'
		holds "$direction" b 25mbit "$window_b" --filter 'udp port 9002'
		holds "$direction" aggregate 50mbit "$window"
		used "$direction" aggregate 50
	done
}

@test "police: limits of classes hold as the aggregate does, alone and together, from all CPUs" {
	class_limits
}

@test "pace: limits of classes hold as the aggregate does, alone and together, from all CPUs" {
	class_limits
}

@test "a limit of a class in one direction leaves the other alone" {
	local window
	sinks 9001
	rig_bwctl set 40mbit
	own a 9001 ingress 5mbit
	[[ $(shown '[.ingress, .egress | .classes.a.limit_bits_per_second]') == '[5000000,null]' ]]
	window=$(shown '.ingress | .classes.a.window_seconds // .window_seconds')
	floods 4 a:9001:80mbit
	holds in a 5mbit "$window" --filter 'udp port 9001'
	used in a 5 9001
	least 'a, out' "$(mean out 9001)" 32000000
}

# ---- priority -----------------------------------------------------------------------------

# gives_way: low priority and normal, each of which offers most of the limit
gives_way() {
	local direction window
	sinks 9001 9002
	rig_bwctl set 50mbit
	own a 9001 priority low
	own b 9002 priority normal
	window=$(shown '.egress.window_seconds')
	floods 4 a:9001:60mbit b:9002:35mbit
	for direction in out in; do
		note "$direction: low $(mean "$direction" 9001) bit/s, normal $(mean "$direction" 9002) bit/s"
		# 35 of payload are 36 on the wire.
		least "normal $direction" "$(mean "$direction" 9002)" 34000000
		# What is left is not wasted.
		least "low $direction" "$(mean "$direction" 9001)" 4000000
		holds "$direction" aggregate 50mbit "$window"
		used "$direction" aggregate 50
	done
}

@test "police: low gives way to normal, and gets what is left" {
	gives_way
}

@test "pace: low gives way to normal, and gets what is left" {
	gives_way
}

# ---- observing and exempting --------------------------------------------------------------

# whole NAME...: all of a flood has come out, both ways
whole() {
	local name
	for name; do
		note "$name: sent $(jq .sent_packets "$RIG_DIR/$name-out.flood") and" \
			"$(jq .sent_packets "$RIG_DIR/$name-in.flood")," \
			"came $(frames out "$name") and $(frames in "$name")"
		[[ $(jq .sent_packets "$RIG_DIR/$name-out.flood") == $(frames out "$name") ]]
		[[ $(jq .sent_packets "$RIG_DIR/$name-in.flood") == $(frames in "$name") ]]
	done
}

# frames out|in NAME: of the flood, which are told by their port
frames() {
	local port=9001
	[[ $2 == a ]] || port=9002
	"$RIG_TOOLS/conform" --json --filter "udp port $port" "$RIG_DIR/$1.pcap" | jq .frames
}

@test "observe: all passes, at once and whole, and what would have been dropped is counted" {
	local direction name found
	sinks 9001 9002
	rig_bwctl set 20mbit mode observe
	own a 9001 5mbit
	own b 9002
	floods 4 a:9001:15mbit b:9002:45mbit
	whole a b
	for direction in egress ingress; do
		[[ $(shown ".$direction | [.dropped.packets, .paced.packets]") == '[0,0]' ]]
		for name in a b; do
			found=$(shown ".$direction.classes.$name | {passed: .passed.packets, would: .would_drop.packets,
				kept: ((.passed.bytes - .would_drop.bytes) * 8 / 4 | floor)}")
			note "$direction $name: $found"
			name=$([[ $direction == egress ]] && echo "$name-out" || echo "$name-in")
			[[ $(jq .passed <<<"$found") == $(jq .sent_packets "$RIG_DIR/$name.flood") ]]
		done
		# As much as would have passed is what the limit is: of the class, and of all.
		found=$(shown ".$direction | [.classes.a, .] | map((.passed.bytes - .would_drop.bytes) * 8 / 4 | floor)")
		note "$direction: not to be dropped, a and all: $found bit/s"
		jq -e '.[0] <= 5e6 and .[1] <= 20e6 and .[1] >= 16e6' <<<"$found"
		shown ".$direction.would_drop.packets == ([.$direction.classes[].would_drop.packets] | add)" | grep -x true
	done
	rig_bwctl show | grep -i 'observe'
	# From one moment to the next it is meant.
	rig_bwctl set mode police
	floods 3 b:9002:45mbit
	(($(shown .egress.dropped.packets) > 1000 && $(shown .ingress.dropped.packets) > 1000))
}

# The words of show for what the promise does not cover.
uncovered() {
	rig_bwctl show | grep 'is exempt: .* does not cover'
}

@test "exempt: passes whole beside a flood that does not, is counted, and is called outside of the promise" {
	local window
	sinks 9001 9002
	rig_bwctl set 20mbit
	own a 9001 exempt yes
	own b 9002
	window=$(shown '.egress.window_seconds')
	floods 4 a:9001:30mbit b:9002:60mbit
	whole a
	for direction in out in; do
		# And takes nothing away.
		holds "$direction" b 20mbit "$window" --filter 'udp port 9002'
		used "$direction" b 20 9002
	done
	for direction in egress ingress; do
		name=$([[ $direction == egress ]] && echo a-out || echo a-in)
		[[ $(shown ".$direction.classes.a | [.exempt, .passed.packets, .dropped.packets, .paced.packets]") == \
			"[true,$(jq .sent_packets "$RIG_DIR/$name.flood"),0,0]" ]]
	done
	uncovered
	rig_bwctl set class a exempt no
	floods 4 a:9001:60mbit
	holds out a 20mbit "$window"
	holds in a 20mbit "$window"
	run ! uncovered
}
