#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Counters against captures on the far side, to the byte and the packet: with
# super-packets and without, IPv4 and IPv6, TCP and UDP, fragments and VLAN
# tags. Runs itself under bats in mount and network namespaces of its own.
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
	rig_bwctl set 50mbit
}

teardown() {
	rig_bwctl unload
	rig_destroy
}

# captured NAME FILTER: [packets, bytes] of a capture
captured() {
	"$RIG_TOOLS/conform" --json --filter "$2" "$RIG_DIR/$1.pcap" | jq -c '[.frames, .bytes]'
}

# passed DIRECTION CLASS: the same from bwctl
passed() {
	rig_bwctl show --json |
		jq -c --arg direction "$1" --arg class "$2" '.[$direction].classes[$class].passed | [.packets, .bytes]'
}

same() {
	echo "# $1: captured $2, counted $3" >&3
	[[ -n $2 && $2 == "$3" ]]
}

# Four classes, so that each is seen in each direction; bulk goes both ways.
count_and_compare() {
	local far=$1 inside=$2
	rig_sink sink-far far 9000
	rig_sink sink-inside inside 9000
	rig_capture out far eth0
	rig_capture in inside eth0
	rig_flow ssh far inside to "$far" port 22 seconds 3
	rig_flow api far inside to "$far" port 443 seconds 3 reverse yes
	rig_flow admin inside far to "$inside" port 8443 seconds 3 reverse yes
	rig_flood flood-out inside "$far" 9000 20mbit 2 "${@:3}"
	rig_flood flood-in far "$inside" 9000 20mbit 2 "${@:3}"
	rig_flow_wait ssh
	rig_flow_wait api
	rig_flow_wait admin
	rig_flood_wait flood-out
	rig_flood_wait flood-in
	rig_wait 30 rig_flows_over far inside
	sleep 0.5
	rig_capture_stop out in
	same 'ssh out' "$(captured out 'tcp dst port 22')" "$(passed egress ssh)"
	same 'ssh in' "$(captured in 'tcp src port 22')" "$(passed ingress ssh)"
	same 'api out' "$(captured out 'tcp dst port 443')" "$(passed egress api)"
	same 'api in' "$(captured in 'tcp src port 443')" "$(passed ingress api)"
	same 'admin out' "$(captured out 'tcp src port 8443')" "$(passed egress admin)"
	same 'admin in' "$(captured in 'tcp dst port 8443')" "$(passed ingress admin)"
	# 1472 bytes over IPv6 are two fragments.
	same 'other out' "$(captured out 'udp port 9000 or ip6 proto 44')" "$(passed egress other)"
	same 'other in' "$(captured in 'udp port 9000 or ip6 proto 44')" "$(passed ingress other)"
}

@test "frames, IPv4" {
	rig_offloads off
	count_and_compare "$RIG_FAR4" "$RIG_INSIDE4"
}

@test "frames, IPv6" {
	rig_offloads off
	count_and_compare "$RIG_FAR6" "$RIG_INSIDE6"
}

@test "super-packets by TSO and GSO, IPv4" {
	rig_offloads on
	count_and_compare "$RIG_FAR4" "$RIG_INSIDE4" --gso 20
}

@test "super-packets by TSO and GSO, IPv6" {
	rig_offloads on
	count_and_compare "$RIG_FAR6" "$RIG_INSIDE6" --size 1400 --gso 20
}

@test "super-packets by GRO, IPv4" {
	rig_offloads gro
	count_and_compare "$RIG_FAR4" "$RIG_INSIDE4"
}

@test "super-packets by GRO, IPv6" {
	rig_offloads gro
	count_and_compare "$RIG_FAR6" "$RIG_INSIDE6"
}

# flows_passed DIRECTION FLOW: packets of a row of "bwctl flows"
flows_passed() {
	rig_bwctl flows --json | jq --arg direction "$1" --arg flow "$2" \
		'.flows[] | select(.direction == $direction and .flow == $flow) | .passed.packets'
}

@test "every frame of a quiet link, control traffic too: totals equal the capture" {
	local out in before
	rig_offloads off
	# The links are new: until their multicast reports are out, something would fall in between.
	sleep 2.5
	rig_neighbours_stay far appliance
	rig_capture out far eth0
	rig_capture in far eth0 -Q out
	before=$(rig_bwctl show --json)
	# Neighbours again, so that there is ARP and neighbour discovery to be seen.
	ip -n far neigh flush all nud permanent
	ip -n appliance neigh flush all nud permanent
	rig_in far ping -q -n -c 3 -i 0.2 -s 4000 "$RIG_APPLIANCE4"
	rig_in far ping -q -n -c 3 -i 0.2 -s 4000 "$RIG_APPLIANCE6"
	rig_neighbours_stay far appliance
	rig_capture_stop out in
	for pair in out:egress in:ingress; do
		same "total ${pair%:*}" "$(captured "${pair%:*}" '')" \
			"$(rig_bwctl show --json | jq -c --argjson before "$before" \
				".${pair#*:}.passed as \$now | \$before.${pair#*:}.passed |
				[\$now.packets - .packets, \$now.bytes - .bytes]")"
		[[ $(passed "${pair#*:}" control) != '[0,0]' ]]
		# Three fragments each: the later ones in the class of the first.
		same "icmp ${pair%:*}" '9' "$(flows_passed "${pair#*:}" ICMP)"
		same "icmp6 ${pair%:*}" '9' "$(flows_passed "${pair#*:}" 'ICMPv6 except ND and MLD')"
	done
}

# An IPv4 packet with a TCP header, 10.0.0.1 port 40000 to 10.0.0.2 port 443: 40 bytes.
TCP4='4500002800000000 4006 0000 0a000001 0a000002  9c40 01bb 00000000 00000000 5002 1000 0000 0000'

# difference BEFORE AFTER: of two [packets, bytes]
difference() {
	jq -c -n --argjson before "$1" --argjson after "$2" '[$after[0] - $before[0], $after[1] - $before[1]]'
}

# has_passed DIRECTION CLASS DIFFERENCE BEFORE: a moment after it was sent
has_passed() {
	[[ $(difference "$4" "$(passed "$1" "$2")") == "$3" ]]
}

@test "VLAN and QinQ: the tags count, in the frame and stripped from it" {
	# Towards the appliance 443 is the local port, ui; out of it, it is the remote one: api.
	# The receiving kernel strips the first tag into the metadata before the hook.
	rig_bwctl set unlimited
	for tags in '0800:54' '8100 0064 0800:58' '88a8 0064 8100 00c8 0800:62'; do
		ui_in=$(passed ingress ui) api_out=$(passed egress api)
		address=$(ip -n appliance -j link show eth0 | jq -r '.[0].address')
		bytes=$((${tags#*:} * 10))
		rig_in far "$RIG_TOOLS/frame" eth0 "${address//:/} 020000000001 ${tags%:*} $TCP4" 10
		rig_in appliance "$RIG_TOOLS/frame" eth0 "020000000002 020000000001 ${tags%:*} $TCP4" 10
		rig_wait 10 has_passed ingress ui "[10,$bytes]" "$ui_in" || true
		same "tags ${tags%:*} in" "[10,$bytes]" "$(difference "$ui_in" "$(passed ingress ui)")"
		same "tags ${tags%:*} out" "[10,$bytes]" "$(difference "$api_out" "$(passed egress api)")"
	done
}

# of_interface INTERFACE DIRECTION: [packets, bytes] that passed there and are not control traffic
of_interface() {
	rig_bwctl show --json | jq -c --arg name "$1" --arg direction "$2" '.interfaces[] |
		select(.name == $name) | .classes[$direction] | [.ssh, .other, .icmp] | map(.passed) |
		[(map(.packets) | add), (map(.bytes) | add)]'
}

# interfaces_add_up: in each direction, by class and altogether, the interfaces are the whole
interfaces_add_up() {
	rig_bwctl show --json | jq -e '
		def sum(f): map(f) | [(map(.packets) | add), (map(.bytes) | add)];
		def pair: [.packets, .bytes];
		. as $all | ["ingress", "egress"] | all(. as $direction |
			all("passed", "dropped", "would_drop", "paced", "marked"; . as $what |
				($all.interfaces | sum(.[$direction][$what])) == ($all[$direction][$what] | pair)
				and all($all[$direction].classes | keys[]; . as $class |
					($all.interfaces | sum(.classes[$direction][$class][$what])) ==
						($all[$direction].classes[$class][$what] | pair))))'
}

@test "two interfaces: each counts what crosses it, and together they are the whole" {
	local name pair way
	rig_offloads off
	rig_bwctl unload
	rig_bwctl load eth0 inside0
	rig_bwctl set 20mbit
	rig_sink sink-far far 9000
	rig_sink sink-inside inside 9000
	for name in far inside; do
		rig_capture "out-$name" "$name" eth0
		rig_capture "in-$name" "$name" eth0 -Q out
	done
	rig_flow ssh far inside to "$RIG_FAR4" port 22 seconds 2 bitrate 5M
	# To one alone, and from one alone.
	rig_in appliance ping -q -n -c 7 -i 0.1 -s 1000 "$RIG_INSIDE4"
	rig_in far ping -q -n -c 5 -i 0.1 -s 100 "$RIG_APPLIANCE6"
	rig_flow_wait ssh
	rig_wait 30 rig_flows_over far inside
	sleep 0.5
	rig_capture_stop out-far in-far out-inside in-inside
	for pair in eth0:far inside0:inside; do
		for way in egress:out ingress:in; do
			same "${pair%:*} ${way%:*}" "$(captured "${way#*:}-${pair#*:}" \
				'tcp port 22 or icmp or (icmp6 and ip6[40] >= 128 and ip6[40] <= 129)')" \
				"$(of_interface "${pair%:*}" "${way%:*}")"
		done
	done
	interfaces_add_up
	# A flood of which most is dropped where it comes in.
	rig_flood flood inside "$RIG_FAR4" 9000 80mbit 1
	rig_flood_wait flood
	rig_bwctl show --json | jq -e '.interfaces | map({(.name): .ingress.dropped.packets}) | add |
		.inside0 > 1000 and .eth0 == 0'
	interfaces_add_up
}

@test "another load and a change of hook keep the counters, unload takes those of the interface" {
	rig_bwctl load inside0
	rig_in appliance ping -q -n -c 4 -i 0.1 "$RIG_INSIDE4"
	rig_in far ping -q -n -c 3 -i 0.1 "$RIG_APPLIANCE4"
	icmp() {
		rig_bwctl show --json | jq -c '[.egress.classes.icmp.passed.packets,
			(.interfaces | map(.classes.egress.icmp.passed.packets))]'
	}
	same 'icmp' '[7,[3,4]]' "$(icmp)"
	rig_bwctl load inside0 eth0
	same 'icmp, loaded again' '[7,[3,4]]' "$(icmp)"
	rig_bwctl load --hook clsact inside0
	rig_in appliance ping -q -n -c 2 -i 0.1 "$RIG_INSIDE4"
	same 'icmp, by another hook' '[9,[3,6]]' "$(icmp)"
	rig_bwctl set 40mbit
	rig_bwctl unload inside0
	same 'icmp, unloaded from one' '[9,[3]]' "$(icmp)"
	rig_bwctl load inside0
	rig_in appliance ping -q -n -c 1 "$RIG_INSIDE4"
	same 'icmp, and loaded there anew' '[10,[3,1]]' "$(icmp)"
}

@test "observed, and exempt: all of it passes, and what would have been dropped is counted" {
	rig_offloads off
	rig_bwctl unload
	rig_bwctl load eth0
	rig_bwctl set 5mbit mode observe class backup exempt yes \
		flow backup class backup protocol udp remote 9001
	rig_sink sink-far far 9000
	rig_sink sink-exempt far 9001
	rig_capture out far eth0
	rig_flood flood inside "$RIG_FAR4" 9000 20mbit 2
	rig_flood exempt inside "$RIG_FAR4" 9001 20mbit 2
	rig_flood_wait flood
	rig_flood_wait exempt
	rig_capture_stop out
	same 'observed' "$(captured out 'udp dst port 9000')" "$(passed egress other)"
	same 'exempt' "$(captured out 'udp dst port 9001')" "$(passed egress backup)"
	rig_bwctl show --json | jq -e '.egress | .dropped.packets == 0 and .contended.packets == 0
		and .would_drop == .classes.other.would_drop and .classes.backup.would_drop.packets == 0
		and (.would_drop.bytes / .classes.other.passed.bytes | . > 0.4 and . < 0.8)'
	interfaces_add_up
	# In force, what is exempt still passes, and what would have been dropped is.
	rig_bwctl set mode police
	rig_capture out far eth0
	before=$(passed egress backup)
	rig_flood flood inside "$RIG_FAR4" 9000 20mbit 2
	rig_flood exempt inside "$RIG_FAR4" 9001 20mbit 2
	rig_flood_wait flood
	rig_flood_wait exempt
	rig_capture_stop out
	same 'exempt in force' "$(captured out 'udp dst port 9001')" \
		"$(difference "$before" "$(passed egress backup)")"
	rig_bwctl show --json | jq -e '.egress.classes | .backup.dropped.packets == 0
		and .other.dropped.packets > 1000'
	"$RIG_TOOLS/conform" "$RIG_DIR/out.pcap" --filter 'not udp port 9001' --limit 5mbit --window 2
}

# An IPv4 packet with a UDP header, 10.0.0.1 port 40000 to 10.0.0.2 port 9000: 28 bytes.
UDP4='4500001c00000000 4011 0000 0a000001 0a000002  9c40 2328 0008 0000'

# of_name CLASS FLOW: packets out of a class, of a flow, of the class at eth0, and of all
of_name() {
	jq -n -c --arg class "$1" --arg flow "$2" --argjson show "$(rig_bwctl show --json)" \
		--argjson flows "$(rig_bwctl flows --json)" '[
		$show.egress.classes[$class].passed.packets,
		($flows.flows[] | select(.direction == "egress" and .name == $flow) | .passed.packets),
		$show.interfaces[0].classes.egress[$class].passed.packets,
		$show.egress.passed.packets, $show.interfaces[0].egress.passed.packets]'
}

# ten_out: ten packets to a port that is nobody's
ten_out() {
	local address
	address=$(ip -n appliance -j link show eth0 | jq -r '.[0].address')
	rig_in appliance "$RIG_TOOLS/frame" eth0 "020000000002 ${address//:/} 0800 $UDP4" 10
}

@test "what takes the number of a class or a flow that was begins at zero, the total goes on" {
	local before after name
	rig_bwctl unload
	rig_bwctl load eth0
	# So that nothing but what is sent here is counted.
	rig_in appliance sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=1
	rig_neighbours_stay far appliance
	sleep 0.5
	before=$(rig_bwctl show --json | jq .egress.passed.packets)
	rig_bwctl set class lab 20mbit flow web class lab protocol udp remote 9000
	ten_out
	same 'made' "[10,10,10,$((before + 10)),$((before + 10))]" "$(of_name lab web)"
	# Changed, and moved in the table: the same.
	rig_bwctl set class lab priority low flow web before ssh
	ten_out
	same 'changed' "[20,20,20,$((before + 20)),$((before + 20))]" "$(of_name lab web)"
	# Gone, and made again by its name.
	rig_bwctl set class lab remove flow web remove
	rig_bwctl show --json | jq -e --argjson sum "$((before + 20))" '
		.egress.passed.packets == $sum and .egress.classes.lab == null'
	rig_bwctl set class lab 20mbit flow web class lab protocol udp remote 9000
	same 'made again' "[0,0,0,$((before + 20)),$((before + 20))]" "$(of_name lab web)"
	ten_out
	same 'counted again' "[10,10,10,$((before + 30)),$((before + 30))]" "$(of_name lab web)"
	# From hand to hand.
	rig_bwctl set class lab remove class backup 20mbit flow web remove \
		flow copy class backup protocol udp remote 9000
	same 'from hand to hand' "[0,0,0,$((before + 30)),$((before + 30))]" "$(of_name backup copy)"
	ten_out
	same 'counted there' "[10,10,10,$((before + 40)),$((before + 40))]" "$(of_name backup copy)"
	# Each name that ever was, under traffic: no total goes back.
	rig_flood flood inside "$RIG_FAR4" 9000 5mbit 4
	before=0
	no_less() {
		after=$(rig_bwctl show --json | jq .egress.passed.bytes)
		echo "# $before, then $after bytes" >&3
		((after >= before))
		before=$after
	}
	for name in one two three four five; do
		rig_bwctl set class "$name" 20mbit flow copy remove \
			flow "$name" class "$name" protocol udp remote 9000
		no_less
		rig_bwctl set class "$name" remove flow "$name" remove \
			flow copy class backup protocol udp remote 9000
		no_less
	done
	rig_flood_wait flood
}

@test "a limit set from another time namespace, and a shorter burst, keep nobody out" {
	rig_bwctl set unlimited
	unshare --time --monotonic 100000 "$BWCTL" -n appliance set 50mbit
	rig_in far ping -q -n -c 5 -i 0.2 -W 1 "$RIG_APPLIANCE4"
	rig_bwctl set window 60s burst 20s
	rig_in far ping -q -n -c 2 -i 0.2 -W 1 "$RIG_APPLIANCE4"
	rig_bwctl set window default burst default
	rig_in far ping -q -n -c 5 -i 0.2 -W 1 "$RIG_APPLIANCE4" | grep ' 0% packet loss'
}
