#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A flow table of one's own: real packets, each counted in the class and in the
# flow that the first matching row says, by ports, prefixes, protocols and
# interfaces; and what an interface has counted alone. Runs itself under bats in
# mount and network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi

bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself"
}

setup() {
	rig_make
	rig_bwctl load eth0 >/dev/null
}

teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || rig_bwctl flows >&2 || true
	rig_bwctl unload
	rig_destroy
}

# Says what differs, so that a failing test explains itself.
expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# class_passed ingress|egress CLASS: packets
class_passed() {
	rig_bwctl show --json | jq ".$1.classes[\"$2\"].passed.packets"
}

# flow_passed ingress|egress FLOW: packets; of none, by the name of its class
flow_passed() {
	rig_bwctl flows --json | jq --arg direction "$1" --arg name "$2" \
		'.flows[] | select(.direction == $direction and (.name // .class) == $name) | .passed.packets'
}

# counted DIRECTION CLASS FLOW: both at once; 0 for one that there is not, yet
counted() {
	{
		rig_bwctl show --json
		rig_bwctl flows --json
	} | jq -c -n --arg direction "$1" --arg class "$2" --arg flow "$3" '
		input[$direction].classes[$class].passed.packets // 0 | [., ([inputs.flows[] |
			select(.direction == $direction and (.name // .class) == $flow).passed.packets] | add // 0)]'
}

# more_than DIRECTION CLASS FLOW BEFORE: what was counted since
more_than() {
	counted "$1" "$2" "$3" | jq -c --argjson before "$4" '[.[0] - $before[0], .[1] - $before[1]]'
}

# have_come DIRECTION CLASS FLOW BEFORE PACKETS: which may be a moment after they were sent
have_come() {
	[[ $(more_than "$1" "$2" "$3" "$4") == "[$5,$5]" ]]
}

# came DIRECTION CLASS FLOW PACKETS COMMAND...: that both count so many packets more after the command
came() {
	local direction=$1 class=$2 flow=$3 packets=$4 before more
	shift 4
	before=$(counted "$direction" "$class" "$flow")
	"$@"
	rig_wait 10 have_come "$direction" "$class" "$flow" "$before" "$packets" || true
	more=$(more_than "$direction" "$class" "$flow" "$before")
	expect "class $class and flow $flow, $direction: $*" "[$packets,$packets]" "$more"
}

# udp NAMESPACE FROM-PORT TO TO-PORT PACKETS [SIZE]: datagrams to an address. Nobody need listen there.
udp() {
	# shellcheck disable=SC2016 # the variables are Perl's
	rig_in "$1" perl -MSocket=:all -e '
		use strict;
		my ($from, $address, $port, $packets, $size) = @ARGV;
		my $family = $address =~ /:/ ? AF_INET6 : AF_INET;
		my $name = sub {
			my $packed = inet_pton($family, $_[0]);
			return $family == AF_INET6 ? pack_sockaddr_in6($_[1], $packed) : pack_sockaddr_in($_[1], $packed);
		};
		socket(my $socket, $family, SOCK_DGRAM, 0) or die "socket: $!";
		bind($socket, $name->($family == AF_INET6 ? "::" : "0.0.0.0", $from)) or die "bind: $!";
		for (1 .. $packets) {
			defined send($socket, "x" x $size, 0, $name->($address, $port)) or die "send: $!";
		}' "$2" "$3" "$4" "$5" "${6:-100}"
}

# ping_from NAMESPACE FROM TO PACKETS
ping_from() {
	rig_in "$1" ping -q -n -I "$2" -i 0.01 -c "$4" -w 10 "$3" >/dev/null
}

@test "ports: single, ranges, above one, of the local and of the remote end" {
	local port
	rig_bwctl set class lab flow lab class lab protocol udp local '7,100-200,>60000'
	for port in 7 100 200 60001; do
		came ingress lab lab 3 udp far 5000 "$RIG_INSIDE4" "$port" 3
		came egress lab lab 2 udp inside "$port" "$RIG_FAR6" 5000 2
	done
	for port in 6 8 99 201 60000; do
		came ingress other other 2 udp far 5000 "$RIG_INSIDE6" "$port" 2
	done
	# The same numbers of the other end are no match.
	came ingress lab lab 0 udp far 7 "$RIG_INSIDE4" 5000 3
	came egress lab lab 0 udp inside 5000 "$RIG_FAR4" 7 3
	rig_bwctl set flow lab remote 5000-5001
	came ingress lab lab 1 udp far 5001 "$RIG_INSIDE4" 7 1
	came ingress lab lab 0 udp far 5002 "$RIG_INSIDE4" 7 1
	came egress lab lab 1 udp inside 150 "$RIG_FAR6" 5000 1
}

# A whole connection, to its end.
connected_to_ui() {
	(($(class_passed ingress ui) >= 5 && $(class_passed egress ui) >= 4))
}

@test "protocols: one of them, any" {
	rig_bwctl set class lab class net flow lab class lab protocol udp local 443
	came ingress lab lab 1 udp far 5000 "$RIG_INSIDE4" 443 1
	# TCP to that port remains what it was: a SYN and its answer.
	rig_answer web inside
	rig_ask one far "$RIG_INSIDE4" 0.1
	rig_ask_wait one
	rig_wait 30 connected_to_ui
	expect 'lab' 1 "$(class_passed ingress lab)"
	rig_bwctl set flow net class net protocol icmp
	came ingress net net 4 ping_from far "$RIG_FAR4" "$RIG_INSIDE4" 4
	came egress net net 4 ping_from inside "$RIG_INSIDE4" "$RIG_FAR4" 4
	came ingress net net 0 ping_from far "$RIG_FAR6" "$RIG_INSIDE6" 4
	came ingress icmp icmpv6 4 ping_from far "$RIG_FAR6" "$RIG_INSIDE6" 4
	rig_bwctl set flow net protocol any
	came egress net net 4 ping_from inside "$RIG_INSIDE6" "$RIG_FAR6" 4
	came ingress net net 2 udp far 5000 "$RIG_INSIDE4" 444 2
}

@test "an SSH server on another port: to the packet and the byte of the capture" {
	local direction
	rig_bwctl set 50mbit flow jump class ssh protocol tcp local '>1024' remote 2222
	rig_capture out far eth0 tcp port 2222
	rig_capture in inside eth0 tcp port 2222
	rig_flow bulk far inside to "$RIG_FAR6" port 2222 seconds 1
	rig_flow_wait bulk
	rig_wait 30 rig_flows_over far inside
	sleep 0.3
	rig_capture_stop out in
	for name in out in; do
		direction=egress
		[[ $name == out ]] || direction=ingress
		expect "$direction" "$("$RIG_TOOLS/conform" --json "$RIG_DIR/$name.pcap" | jq -c '[.frames, .bytes]')" \
			"$(rig_bwctl show --json | jq -c ".$direction.classes.ssh.passed | [.packets, .bytes]")"
		expect "$direction, flow" "$(class_passed "$direction" ssh)" "$(flow_passed "$direction" jump)"
	done
	(($(class_passed egress ssh) > 1000))
}

@test "prefixes of the remote end, IPv4 and IPv6" {
	ip -n far address add 192.0.2.129/24 dev eth0
	ip -n far address add 2001:db8::8000:1/64 dev eth0 nodad
	rig_bwctl set class lab flow lab4 class lab prefix 192.0.2.128/25 flow lab6 class lab prefix 2001:db8::8000:0/112
	came ingress lab lab4 5 ping_from far 192.0.2.129 "$RIG_INSIDE4" 5
	came egress lab lab4 5 ping_from inside "$RIG_INSIDE4" 192.0.2.129 5
	came ingress lab lab4 0 ping_from far "$RIG_FAR4" "$RIG_INSIDE4" 5
	came ingress lab lab6 5 ping_from far 2001:db8::8000:1 "$RIG_INSIDE6" 5
	came egress lab lab6 5 ping_from inside "$RIG_INSIDE6" 2001:db8::8000:1 5
	came egress lab lab6 0 ping_from inside "$RIG_INSIDE6" "$RIG_FAR6" 5
	# Of the remote end: the local one's address has nothing to say.
	rig_bwctl set flow lab4 prefix "$RIG_INSIDE4/32" flow lab6 prefix "$RIG_INSIDE6/128"
	came ingress lab lab4 0 ping_from far "$RIG_FAR4" "$RIG_INSIDE4" 3
	came ingress lab lab6 0 ping_from far "$RIG_FAR6" "$RIG_INSIDE6" 3
	# Ports too, and all of a version.
	rig_bwctl set flow lab4 prefix 0.0.0.0/0 protocol udp local 53 flow lab6 remove
	came ingress lab lab4 2 udp far 5000 "$RIG_INSIDE4" 53 2
	came ingress lab lab4 0 udp far 5000 "$RIG_INSIDE6" 53 2
}

@test "the first row that matches: in written order, before the listed ones, and as rows are moved" {
	rig_bwctl set class a class b flow first class a protocol udp local 5000-6000 \
		flow second class b protocol udp local 5500
	came ingress a first 2 udp far 4000 "$RIG_INSIDE4" 5500 2
	came ingress b second 0 udp far 4000 "$RIG_INSIDE4" 5500 2
	rig_bwctl set flow second before first
	came ingress b second 3 udp far 4000 "$RIG_INSIDE4" 5500 3
	came ingress a first 1 udp far 4000 "$RIG_INSIDE4" 5499 1
	# What was counted stays with its name.
	expect 'first' 5 "$(flow_passed ingress first)"
	expect 'second' 3 "$(flow_passed ingress second)"

	# A written one comes before those listed that nobody wrote.
	rig_bwctl set flow wide class a protocol icmp
	came ingress a wide 2 ping_from far "$RIG_FAR4" "$RIG_INSIDE4" 2
	rig_bwctl set flow icmp before wide
	came ingress icmp icmp 2 ping_from far "$RIG_FAR4" "$RIG_INSIDE4" 2
	came ingress a wide 0 ping_from far "$RIG_FAR4" "$RIG_INSIDE4" 2
}

@test "a listed row that is removed, changed, and a class that is removed" {
	rig_bwctl set flow icmp remove
	came ingress other other 3 ping_from far "$RIG_FAR4" "$RIG_INSIDE4" 3
	expect 'rows of icmp' '' "$(flow_passed ingress icmp)"
	came ingress icmp icmpv6 3 ping_from far "$RIG_FAR6" "$RIG_INSIDE6" 3
	rig_bwctl set class lab flow icmpv6 class lab
	came ingress lab icmpv6 3 ping_from far "$RIG_FAR6" "$RIG_INSIDE6" 3
	came ingress icmp icmpv6 0 true
	run rig_bwctl set class lab remove
	expect 'exit code' 1 "$status"
	[[ $output == *icmpv6* ]]
	came egress lab icmpv6 3 ping_from inside "$RIG_INSIDE6" "$RIG_FAR6" 3
	rig_bwctl set class lab remove flow icmpv6 class icmp
	came egress icmp icmpv6 3 ping_from inside "$RIG_INSIDE6" "$RIG_FAR6" 3
	expect 'class lab' null "$(rig_bwctl show --json | jq .egress.classes.lab)"
}

@test "fragments belong where their first one does" {
	rig_bwctl set class lab flow lab class lab protocol udp local 9000
	came ingress lab lab 9 udp far 5000 "$RIG_INSIDE4" 9000 3 4000
	came egress lab lab 9 udp inside 9000 "$RIG_FAR6" 5000 3 4000
	came ingress other other 9 udp far 5000 "$RIG_INSIDE4" 9001 3 4000
}

# alone DIRECTION INTERFACE CLASS: packets that this interface has counted
alone() {
	rig_bwctl show --json | jq --arg name "$2" \
		".interfaces[] | select(.name == \$name) | .classes.$1[\"$3\"].passed.packets"
}

@test "rows of one interface, and what each interface has counted alone" {
	rig_bwctl load inside0 >/dev/null
	rig_bwctl set class in class both flow both class both protocol udp local 9000 \
		flow in before both class in protocol udp remote 9000 interface inside0
	# From far to inside: in by eth0, local port 9000; out by inside0, remote port 9000.
	came ingress both both 4 udp far 5000 "$RIG_INSIDE4" 9000 4
	expect 'in, out by inside0' 4 "$(flow_passed egress in)"
	came egress in in 3 udp far 5000 "$RIG_INSIDE6" 9000 3
	# The other way the row would match as well, but for its interface. What comes in is of another.
	came egress in in 0 udp inside 5000 "$RIG_FAR4" 9000 5
	expect 'eth0, both, in' 7 "$(alone ingress eth0 both)"
	expect 'eth0, in, out' 0 "$(alone egress eth0 in)"
	expect 'inside0, in, out' 7 "$(alone egress inside0 in)"
	expect 'inside0, both, in' 5 "$(alone ingress inside0 both)"
	expect 'eth0, other, out' "$(alone egress eth0 other)" "$(class_passed egress other)"
	# What they have counted alone is together what has been counted.
	rig_bwctl show --json | jq -e '
		.interfaces as $interfaces | [.ingress, .egress] as $all |
		all(range(2); ["ingress", "egress"][.] as $direction | $all[.].classes | to_entries | all(
			([$interfaces[].classes[$direction][.key].passed.bytes] | add) == .value.passed.bytes))' ||
		rig_bwctl show --json | jq -e '[.interfaces[].classes, .ingress.classes, .egress.classes], false'
	# By its name: what comes and goes is found again.
	ip -n appliance link add veth7 type veth peer name veth8
	ip -n appliance link set veth7 up
	ip -n appliance link set veth8 up
	rig_bwctl set flow in interface veth7
	came egress both both 0 udp far 5000 "$RIG_INSIDE4" 9000 2
	came egress in in 0 udp far 5000 "$RIG_INSIDE4" 9000 2
}

# knock PORT: a connection from inside to far that may fail.
knock() {
	rig_in inside timeout 3 bash -c "</dev/tcp/$RIG_FAR4/$1" 2>/dev/null || true
}

@test "a flow that goes one way only is called so, and one that was never seen" {
	local said
	said=$(rig_bwctl flows)
	[[ $said == *$'\nnever seen: '*ssh*telnet* && $said != *'answers are missing'* ]]
	# What far answers does not leave it.
	ip -n far route add blackhole "$RIG_INSIDE4/32"
	knock 22
	ip -n far route delete blackhole "$RIG_INSIDE4/32"
	# Refused is an answer.
	rig_in appliance timeout 3 bash -c "</dev/tcp/$RIG_FAR4/23" 2>/dev/null || true
	# Here is nobody who answers, either.
	ip -n inside route add blackhole "$RIG_FAR4/32"
	rig_in far timeout 3 bash -c "</dev/tcp/$RIG_INSIDE4/8443" 2>/dev/null || true
	said=$(rig_bwctl flows)
	echo "$said"
	grep -q -x 'ssh: packets go out and none come in: answers are missing, look at the firewall on the way, or they come by an interface that is not loaded' <<<"$said"
	grep -q -x 'admin: packets come in and none go out: nothing answers here, or a firewall on this machine keeps it in, or it leaves by an interface that is not loaded' <<<"$said"
	! grep -q '^telnet: packets' <<<"$said" || return 1
	[[ $(rig_bwctl flows --json | jq -r -c '[.flows[] | select(.direction == "egress") | {(.name // "-"): .seen}] | add |
		[.ssh, .telnet, .admin, .api]') == '["egress","both","ingress","never"]' ]]
}

# says LINE WORD...: whether flows WORD... says that line.
says() {
	local line=$1
	shift
	rig_bwctl flows "$@" | grep -q -x -F -e "$line"
}

# rows FLOW FILTER [WORD...]: of both its rows, ingress first.
rows() {
	local name=$1 filter=$2
	shift 2
	rig_bwctl flows --json "$@" | jq -c --arg name "$name" "[.flows[] | select(.name == \$name) | $filter]"
}

# Whether the limit is reached in both directions, and has been for a while.
is_flooded() {
	rig_bwctl show --json | jq -e '[.ingress, .egress | .classes.other.dropped.packets] | min > 500' >/dev/null
}

@test "a flow of which bwctl dropped all packets is not the fault of a firewall" {
	local said
	rig_bwctl set 1mbit mode police class odd priority low flow odd class odd protocol udp local 7000 >/dev/null
	rig_sink sink inside 9001
	rig_sink back far 9001
	rig_flood in far "$RIG_INSIDE4" 9001 20mbit 300
	rig_flood out inside "$RIG_FAR4" 9001 20mbit 300
	rig_wait 20 is_flooded
	# More than is there for a low class while the others have too little.
	udp inside 7000 "$RIG_FAR4" 9001 5 1400
	says 'odd: bwctl dropped all 5 packets of it, egress: a higher limit, of all or of its class, or a reserve lets them through, see bwctl show'
	expect 'passed, dropped, seen' '[[0,0,"dropped"],[0,5,"dropped"]]' \
		"$(rows odd '[.passed.packets, .dropped.packets, .seen]')"
	udp far 5000 "$RIG_INSIDE4" 7000 1 1400
	said=$(rig_bwctl flows)
	echo "$said"
	grep -q '^odd: bwctl dropped the only packet of it, ingress: ' <<<"$said"
	grep -q '^odd: bwctl dropped all 5 packets of it, egress: ' <<<"$said"
	run ! grep -q -E '^odd: packets|^never seen: .*odd' <<<"$said"
	rig_stop_all
	# What passes is seen again, though nothing answers.
	rig_bwctl set unlimited >/dev/null
	udp inside 7000 "$RIG_FAR4" 9001 1 1400
	udp far 5000 "$RIG_INSIDE4" 7000 1 1400
	expect 'seen' '["both","both"]' "$(rows odd .seen)"
}

@test "what bwctl dropped of a flow is named beside the firewall" {
	rig_bwctl set mode police class slow 64kbit flow slow class slow protocol udp local 7000 >/dev/null
	udp inside 7000 "$RIG_FAR4" 9001 400 1400
	rig_bwctl flows | grep -E '^slow: packets go out and none come in: answers are missing.*; bwctl itself dropped [1-9][0-9]* of 400$'
	expect 'seen' '["egress","egress"]' "$(rows slow .seen)"
}

@test "how long ago it was loaded is not said where the clock was set since" {
	rig_bwctl flows | grep -q '^counted since it was loaded, less than a minute ago, of all'
	expect 'seconds' true "$(rig_bwctl flows --json | jq '.seconds < 60')"
	# As a machine without a clock has it, until it asks the network.
	touch -d '1970-01-01 00:00:20' /sys/fs/bpf/bwctl/counters
	rig_bwctl flows | grep -q '^counted since it was loaded, of all'
	expect 'seconds' null "$(rig_bwctl flows --json | jq .seconds)"
}

@test "--interval: what came by in between, whatever was before" {
	local said
	# Refused is an answer.
	knock 22
	expect 'seen' '["both","both"]' "$(rows ssh .seen)"
	ip -n far route add blackhole "$RIG_INSIDE4/32"
	knock 22
	said=$(rig_bwctl flows)
	echo "$said"
	grep -q -x -E 'counted since it was loaded, (less than a minute|[0-9]+ min) ago, of all hosts and interfaces together; what comes by now: bwctl flows --interval 10s' <<<"$said"
	run ! grep -q '^ssh: ' <<<"$said"
	# One try after the other, for as long as it looks.
	rig_start inside bash -c "while :; do timeout 0.1 bash -c '</dev/tcp/$RIG_FAR4/22'; done" 2>/dev/null
	said=$(rig_bwctl flows --interval 2s)
	echo "$said"
	grep -q -x -E 'counted over (2|2\.[0-9]+|[3-9]\.?[0-9]*) s, of all hosts and interfaces together' <<<"$said"
	grep -q '^ssh: packets go out and none come in: answers are missing' <<<"$said"
	grep -q -E '^not seen meanwhile: .*telnet' <<<"$said"
	# Only what came in between.
	rig_stop_all
	expect 'passed' '[0,0]' "$(rows ssh .passed.packets --interval 100ms)"
	expect 'seen' '["never","never"]' "$(rows ssh .seen --interval 100ms)"
	(($(rows ssh .passed.packets | jq add) > 3))
	rig_bwctl flows --json --interval 200ms | jq -e '.seconds | . >= 0.2 and . < 20'
	rig_bwctl flows --json | jq -e '.seconds | . >= 0 and . < 600'
}

# begin_look: flows WORD... as RIG_PID, until it has looked once and waits. Its output is in said, errors in errors.
begin_look() {
	rig_start appliance "$BWCTL" flows --interval 3s "$@" >"$RIG_DIR/said" 2>"$RIG_DIR/errors"
	rig_wait 10 grep -q nanosleep "/proc/$RIG_PID/wchan"
}

# looked CODE: waits for its end.
looked() {
	local code=0
	rig_wait_gone 20 "$RIG_PID"
	wait "$RIG_PID" || code=$?
	expect 'exit code' "$1" "$code"
}

@test "--interval: a flow that was made meanwhile, and a limiter that was loaded anew" {
	rig_bwctl set flow lab class ssh protocol udp local 7000 >/dev/null
	udp inside 7000 "$RIG_FAR4" 9001 9
	begin_look --json
	# It has another's place, or its own again, and begins at zero.
	rig_bwctl set flow lab remove flow new class ssh protocol udp local 7000 >/dev/null
	udp inside 7000 "$RIG_FAR4" 9001 4
	looked 0
	expect 'new, egress' 4 "$(jq '.flows[] | select(.name == "new" and .direction == "egress").passed.packets' "$RIG_DIR/said")"

	begin_look
	rig_bwctl unload
	rig_bwctl load eth0 >/dev/null
	looked 1
	expect 'errors' 'bwctl: bwctl was loaded anew meanwhile: there is nothing to compare its counters with' "$(<"$RIG_DIR/errors")"
	expect 'output' '' "$(<"$RIG_DIR/said")"
	begin_look
	rig_bwctl unload
	looked 1
	expect 'errors' 'bwctl: bwctl was unloaded meanwhile' "$(<"$RIG_DIR/errors")"
	expect 'nothing loaded' 'nothing is loaded' "$(rig_bwctl flows --interval 60min)"
	rig_bwctl load eth0 >/dev/null
}

@test "--interval: 100ms to an hour, and on a terminal it says how long it takes still" {
	local interval
	for interval in 99ms 1us; do
		run -2 rig_bwctl flows --interval "$interval"
		expect "$interval" "bwctl: --interval: '$interval' is too short: expected 100ms to 60min" "$output"
	done
	for interval in 61min 5 1h '' -1s; do
		run -2 rig_bwctl flows --interval "$interval"
		[[ $output == 'bwctl: --interval: '* && $output != *$'\n'* ]] || expect "$interval" 'one error' "$output"
	done
	command -v script >/dev/null || skip 'script is not installed'
	rig_in appliance script -q -e -c "$BWCTL flows --interval 1500ms" "$RIG_DIR/terminal" </dev/null >/dev/null
	grep -q 'what comes by is counted, 2 s to go' "$RIG_DIR/terminal"
	grep -q 'what comes by is counted, 1 s to go' "$RIG_DIR/terminal"
	rig_in appliance script -q -e -c "$BWCTL flows --interval 500ms" "$RIG_DIR/terminal" </dev/null >/dev/null
	run ! grep -q 'to go' "$RIG_DIR/terminal"
}

@test "errors of ICMP, and echoes that nobody answers, are not called a firewall's fault" {
	local said
	# A closed port: the appliance says so, and that wants no answer.
	udp far 5000 "$RIG_APPLIANCE4" 4999 3
	rig_wait 5 says 'icmp: packets go out and none come in: errors, which want no answer, or echoes that nobody answers'
	ip -n inside route add blackhole "$RIG_FAR4/32"
	rig_bwctl unload
	rig_bwctl load eth0 >/dev/null
	rig_in far ping -q -n -c 1 -W 1 "$RIG_INSIDE4" >/dev/null || true
	rig_wait 5 says 'icmp: packets come in and none go out: errors, which want no answer, or echoes that are not answered here'
	ip -n inside route delete blackhole "$RIG_FAR4/32"
}
