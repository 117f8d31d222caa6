#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Waiting instead of dropping: that the ceiling holds and nothing but time
# changes, that what holds the packets may be taken away at any moment, and that
# all of it is given back in the end. Needs a kernel with fq, tests/vm/run has
# some; where there is none, what is left to see is that bwctl says so. Runs itself
# under bats in mount and network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

PINS=/sys/fs/bpf
RIG_SUBNET_INSIDE=198.51.100.0/24

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself" || return
	FQ=yes
	tc qdisc add dev lo root fq 2>/dev/null || FQ=no
	tc qdisc delete dev lo root 2>/dev/null || true
	# Of the first namespace, which the setting belongs to; empty where that is out of reach.
	DEFAULT_QDISC=$(nsenter --net=/proc/1/ns/net sysctl -n net.core.default_qdisc 2>/dev/null) || true
	export FQ DEFAULT_QDISC
}

setup() {
	# Before there is a network to make and take down.
	[[ $BATS_TEST_DESCRIPTION == 'without fq'* ]] || needs_fq
	rig_make
}

teardown() {
	[[ -e /run/netns/appliance ]] || return 0
	[[ -n $BATS_TEST_COMPLETED ]] || rig_bwctl show >&2 || true
	rig_stop_all
	rig_bwctl unload || true
	[[ -z $DEFAULT_QDISC ]] || default_qdisc "$DEFAULT_QDISC"
	find "$PINS" -depth -mindepth 1 ! -name '*.debug' -delete
	rig_destroy
}

needs_fq() {
	[[ $FQ == yes ]] || skip 'this kernel has no fq qdisc'
}

# Says what differs, so that a failing test explains itself.
expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# shown FILTER: of "show --json"
shown() {
	rig_bwctl show --json | jq -c "$1"
}

# mode INGRESS EGRESS: those in force, and that there is a reason where it is police.
mode() {
	expect 'modes' "[\"$1\",\"$2\"]" "$(shown '[.ingress.mode, .egress.mode]')"
	[[ $(shown '[.ingress, .egress] | all((.mode == "pace") == (.mode_reason == null))') == true ]] ||
		expect 'reasons' 'one where it polices, and only there' \
			"$(shown '[.ingress, .egress | [.mode, .mode_reason]]')"
}

# in_force: what makes a policy
in_force() {
	shown '[.ingress, .egress | [.limit_bits_per_second, .rate_bits_per_second, .mode, .mode_requested]]'
}

# reason DIRECTION WORD: why it polices
reason() {
	local said
	said=$(shown ".$1.mode_reason")
	[[ $said == *"$2"* ]] || expect "reason, $1" "something with '$2'" "$said"
}

# paced DIRECTION: packets that had to wait
paced() {
	shown ".$1.paced.packets"
}

# holds NAME CONFORM-ARGUMENT...: a capture against a limit in every window of a second or more, unless
# another --window follows
holds() {
	local name=$1 verdict status=0
	shift
	verdict=$("$RIG_TOOLS/conform" --window 1 --json "$@" "$RIG_DIR/$name.pcap") || status=$?
	echo "# $name: $(jq -c '[.holds, "mean", .mean_ratio, "worst", .worst.ratio, "longer", .longer.ratio,
		"frames", .frames]' <<<"$verdict")" >&3
	((status == 0)) || {
		printf '%s: %s\n' "$name" "$verdict"
		return 1
	}
}

@test "without fq: it polices and says why, pace is refused and nothing changes" {
	local before
	[[ $FQ == no ]] || skip 'this kernel has fq'
	rig_bwctl load eth0
	run -0 rig_bwctl set 20mbit
	expect 'lines that say why' 2 "$(grep -c 'it is not paced: this kernel has no .*fq' <<<"$output")"
	mode police police
	reason egress 'this kernel has no fq qdisc'
	# Where there is no IFB either, that may be said first.
	reason ingress 'this kernel has no '
	expect 'lines of show that say why' 2 \
		"$(rig_bwctl show | grep -c 'it is not paced: this kernel has no .*fq')"
	before=$(in_force)
	run --separate-stderr rig_bwctl set 30mbit mode pace
	# shellcheck disable=SC2154 # stderr is run's
	expect 'exit code and lines of error' '1 1' "$status $(wc -l <<<"$stderr")"
	[[ $stderr == 'bwctl: cannot pace '*'this kernel has no '*fq* ]]
	expect 'what is in force' "$before" "$(in_force)"
	expect 'links' '' "$(ip -n appliance link show type ifb)"
}

@test "load paces: fq at the root, an IFB, and the words for it" {
	needs_fq
	run -0 rig_bwctl load eth0
	[[ $output == *'loaded on eth0'* ]]
	expect 'root' fq "$(tc -n appliance -j qdisc show dev eth0 root | jq -r '.[0].kind')"
	expect 'IFB' '["bwctl0","UP"]' "$(ip -n appliance -j -d link show type ifb |
		jq -c '.[] | [.ifname, (.flags[] | select(. == "UP"))]')"
	expect 'fq of the IFB' true "$(tc -n appliance -j qdisc show dev bwctl0 | jq 'any(.[]; .kind == "fq")')"
	mode pace pace
	expect 'modes of the interface' '["pace","pace"]' \
		"$(shown '.interfaces[0] | [.ingress.mode, .egress.mode]')"
	run -0 rig_bwctl set 20mbit
	expect 'lines of set' 2 "$(grep -c 'pace: what is over waits up to 95 ms' <<<"$output")"
	expect 'lines of show' 2 "$(rig_bwctl show | grep -c 'pace: what is over waits')"
	for direction in ingress egress; do
		expect "$direction" '["pace","auto",null,0.095,1]' "$(shown ".$direction |
			[.mode, .mode_requested, .mode_reason, .horizon_seconds, .window_seconds]")"
	done
	run -0 rig_bwctl load eth0
	expect 'lines of load' 2 "$(grep -c 'pace: ' <<<"$output")"
	rig_bwctl set mode police
	mode_of=$(shown '[.ingress, .egress | .mode, .mode_requested, .mode_reason, .horizon_seconds]')
	expect 'police' '["police","police",null,null,"police","police",null,null]' "$mode_of"
	rig_bwctl set mode auto
	mode pace pace
}

# Notes a limit for conform: a higher one may be in force from before the command, a lower one 100 ms
# after its return. Then MOMENT is when it was in force.
set_and_note() {
	local rate=$1 previous=$2 before=$EPOCHREALTIME
	rig_bwctl set "${rate}mbit" >/dev/null
	MOMENT=$EPOCHREALTIME
	((rate > previous)) || before=$(awk -v t="$EPOCHREALTIME" 'BEGIN { printf "%.6f", t + 0.1 }')
	echo "$before ${rate}mbit" >>"$RIG_DIR/limits"
}

@test "200 to 10 to 200 mbit in TCP traffic: held after 100 ms, and used again within 3 s" {
	local name start skip goodput
	needs_fq
	rig_offloads on
	rig_bwctl load eth0
	for name in out in; do
		: >"$RIG_DIR/limits"
		set_and_note 200 0
		if [[ $name == out ]]; then
			rig_capture out far eth0
			start=$EPOCHREALTIME
			rig_flow "flow-$name" far inside to "$RIG_FAR4" port 22 seconds 9
		else
			rig_capture in inside eth0
			start=$EPOCHREALTIME
			rig_flow "flow-$name" inside far to "$RIG_INSIDE4" port 443 seconds 9
		fi
		sleep 2
		set_and_note 10 200
		sleep 2
		set_and_note 200 10
		rig_flow_wait "flow-$name"
		rig_capture_stop "$name"
		holds "$name" --limits "$RIG_DIR/limits" --settle 0
		skip=$(awk -v a="$start" -v b="$MOMENT" 'BEGIN { printf "%d", b - a + 3 }')
		goodput=$(rig_flow_goodput "flow-$name" "$skip")
		echo "# $name: goodput from $skip s on $goodput bit/s" >&3
		((goodput >= 200000000 * 1448 * 95 / 1514 / 100))
	done
}

flood_once() {
	local limit=$1 far=$2 inside=$3 size=$4
	rig_capture flood-out far "${5:-eth0}" "${6:-udp port 9000}"
	rig_capture flood-in inside eth0 'udp port 9000'
	rig_flood out inside "$far" 9000 "$((limit * 10))mbit" 3 --size "$size"
	rig_flood in far "$inside" 9000 "$((limit * 10))mbit" 3 --size "$size"
	rig_flood_wait out
	rig_flood_wait in
	rig_capture_stop flood-out flood-in
}

# was_enough BIT/S: whether so much was sent in both directions
was_enough() {
	jq -s -e --argjson least "$1" 'all(.sent_bytes * 8 / .seconds >= $least)' \
		"$RIG_DIR/out.flood" "$RIG_DIR/in.flood"
}

# flood_at LIMIT FAR INSIDE SIZE [INTERFACE FILTER TIMES]: ten times the limit both ways at once, or TIMES (5)
# at the least, in one of three tries: two who send share the CPU as they like. Captures flood-out and flood-in.
flood_at() {
	local limit=$1 name try
	rig_bwctl set "${limit}mbit"
	rig_sink sink-far far 9000
	rig_sink sink-inside inside 9000
	for ((try = 0; try < 3; try++)); do
		flood_once "$@"
		! was_enough $((limit * ${7:-5} * 1000000)) || break
		# What was too little to be full by is no more than the limit all the same.
		for name in out in; do
			"$RIG_TOOLS/conform" --limit "${limit}mbit" --window 1 "$RIG_DIR/flood-$name.pcap"
		done
	done
	((try < 3)) || rig_fail "what was offered is less than ${7:-5} times $limit Mbit/s"
	rig_stop "$(<"$RIG_DIR/sink-far.pid")" "$(<"$RIG_DIR/sink-inside.pid")"
	for name in out in; do
		# For as long as it was sent, too: a few frames have a fine mean by themselves.
		"$RIG_TOOLS/conform" --json --limit "${limit}mbit" --window 1 "$RIG_DIR/flood-$name.pcap" |
			jq -e --argjson least "$((limit * 1000000 * 5 / 2 / 8))" '.bytes >= $least' ||
			expect "flood-$name" '2.5 s of the limit' less
	done
	mode pace pace
	(($(paced egress) > 100 && $(paced ingress) > 100))
}

# numbered NAMESPACE ADDRESS PACKETS SIZE BITS-PER-SECOND [FLOWS]: UDP, each datagram with a number
# and other bytes, eight at a time, so that some wait.
numbered() {
	# shellcheck disable=SC2016 # the variables are Perl's
	rig_in "$1" perl -MSocket=:all -MTime::HiRes=clock_gettime,sleep,CLOCK_MONOTONIC -e '
		use strict;
		my ($address, $packets, $size, $rate, $flows) = @ARGV;
		my $family = $address =~ /:/ ? AF_INET6 : AF_INET;
		my $to = inet_pton($family, $address);
		$to = $family == AF_INET6 ? pack_sockaddr_in6(9000, $to) : pack_sockaddr_in(9000, $to);
		my @sockets = map {
			my $socket;
			socket($socket, $family, SOCK_DGRAM, 0) && connect($socket, $to) or die "socket: $!";
			$socket;
		} 1 .. $flows;
		srand(7);
		my $noise = pack("C*", map { rand(256) } 1 .. $size + 251);
		my $start = clock_gettime(CLOCK_MONOTONIC);
		for my $n (0 .. $packets - 1) {
			if ($n % 8 == 0) {
				my $left = $start + $n * $size * 8 / $rate - clock_gettime(CLOCK_MONOTONIC);
				sleep($left) if $left > 0;
				# What a busy machine was late with is not caught up on.
				$start -= $left if $left < 0;
			}
			my $payload = pack("N", $n) . substr($noise, $n % 251, $size - 4);
			syswrite($sockets[$n % $flows], $payload) == $size or die "send: $!";
		}' "$2" "$3" "$4" "$5" "${6:-1}"
}

# compare BEFORE AFTER: two captures, but for what a router changes; prints what happened between.
compare() {
	perl -e '
		use strict;
		# In order: to which flow a packet belongs, and all its bytes that stay the same.
		sub packets {
			my (@packets, %ports);
			open(my $file, "<:raw", $_[0]) or die "$_[0]: $!";
			read($file, my $head, 24) == 24 or die "$_[0]: empty";
			my $link = unpack("x20 V", $head);
			while (read($file, $head, 16) == 16) {
				my ($length, $full) = unpack("x8 V V", $head);
				read($file, my $data, $length) == $length && $length == $full or die "cut short";
				if ($link == 1) {
					my $type = unpack("x12 n", $data);
					substr($data, 0, 14) = "";
					while ($type == 0x8100) {
						$type = unpack("x2 n", $data);
						substr($data, 0, 4) = "";
					}
				}
				my ($flow, $ports, $udp);
				if (ord($data) >> 4 == 4) {
					substr($data, unpack("x2 n", $data)) = "";
					substr($data, 8, 1) = "-";
					substr($data, 10, 2) = "--";
					my $id = substr($data, 4, 2) . substr($data, 12, 8);
					my $fragment = unpack("x6 n", $data);
					$udp = $fragment & 0x1fff ? undef : 20;
					$ports = $udp ? substr($data, $udp, 4) : $ports{$id} // "";
					$ports{$id} = $ports if $fragment & 0x2000 && $udp;
					$flow = substr($data, 12, 8) . $ports;
				} else {
					substr($data, 40 + unpack("x4 n", $data)) = "";
					substr($data, 7, 1) = "-";
					$udp = 40 if ord(substr($data, 6, 1)) == 17;
					$flow = substr($data, 8, 32) . substr($data, 40, 4);
				}
				# Left to the hardware, or written down by now.
				substr($data, $udp + 6, 2) = "--" if $udp;
				push @packets, [$flow, $data];
			}
			return @packets;
		}
		my @before = packets($ARGV[0]);
		my @after = packets($ARGV[1]);
		my (%place, %last, $foreign, $reordered);
		push @{$place{$before[$_][1]}}, $_ for 0 .. $#before;
		($foreign, $reordered) = (0, 0);
		for (@after) {
			my $place = shift @{$place{$_->[1]}};
			if (!defined $place) {
				$foreign++;
				next;
			}
			$reordered++ if $place < ($last{$_->[0]} // 0);
			$last{$_->[0]} = $place;
		}
		printf qq({"before":%d,"after":%d,"changed_or_twice":%d,"reordered":%d,"flows":%d}\n),
			scalar @before, scalar @after, $foreign, $reordered, scalar keys %last;
	' "$RIG_DIR/$1.pcap" "$RIG_DIR/$2.pcap"
}

# only_time_changes FAR INSIDE SIZE PACKETS [FAR-DEVICE]: a little less than 20 mbit in trains of eight
# packets, 8 flows each way: some wait, some need not, and all arrive as they were sent.
only_time_changes() {
	local far=$1 inside=$2 size=$3 packets=$4 device=${5:-eth0} direction found
	local filter='udp port 9000 or ip[6:2] & 0x1fff != 0'
	local -A waited
	[[ $device != eth0.7 ]] || device=eth0 filter='vlan and udp port 9000'
	[[ $far != *:* ]] || filter='ip6 and udp port 9000'
	rig_bwctl set 20mbit
	rig_sink sink-far far 9000
	rig_sink sink-inside inside 9000
	rig_capture before-out inside eth0 -s 0 -Q out "${filter#vlan and }"
	rig_capture after-out far "$device" -s 0 "$filter"
	rig_capture before-in far "$device" -s 0 -Q out "$filter"
	rig_capture after-in inside eth0 -s 0 "${filter#vlan and }"
	for direction in egress ingress; do
		waited[$direction]=$(paced "$direction")
	done
	numbered inside "$far" "$packets" "$size" 19000000 8
	numbered far "$inside" "$packets" "$size" 19000000 8
	sleep 0.3
	rig_capture_stop before-out after-out before-in after-in
	rig_stop "$(<"$RIG_DIR/sink-far.pid")" "$(<"$RIG_DIR/sink-inside.pid")"
	for name in out in; do
		found=$(compare "before-$name" "after-$name")
		direction=egress
		[[ $name == out ]] || direction=ingress
		echo "# $name: $found, $(($(paced "$direction") - waited[$direction])) had to wait" >&3
		jq -e --argjson sent "$packets" '.before >= $sent and .after == .before and .flows == 8 and
			.changed_or_twice == 0 and .reordered == 0' <<<"$found" ||
			expect "$name" 'all, in order, as they were' "$found"
		(($(paced "$direction") - waited[$direction] >= packets / 3))
	done
}

@test "UDP at ten times 20mbit, IPv4" {
	needs_fq
	rig_bwctl load eth0
	flood_at 20 "$RIG_FAR4" "$RIG_INSIDE4" 1472
	holds flood-out --limit 20mbit --min-mean 0.97
	holds flood-in --limit 20mbit --min-mean 0.97
}

@test "UDP at ten times 20mbit, IPv6" {
	needs_fq
	rig_bwctl load eth0
	flood_at 20 "$RIG_FAR6" "$RIG_INSIDE6" 1452
	holds flood-out --limit 20mbit --min-mean 0.97
	holds flood-in --limit 20mbit --min-mean 0.97
}

@test "nothing but time changes, IPv4" {
	needs_fq
	rig_bwctl load eth0
	only_time_changes "$RIG_FAR4" "$RIG_INSIDE4" 1472 2000
}

@test "nothing but time changes, IPv6" {
	needs_fq
	rig_bwctl load eth0
	only_time_changes "$RIG_FAR6" "$RIG_INSIDE6" 1452 2000
}

@test "fragments" {
	needs_fq
	rig_bwctl load eth0
	only_time_changes "$RIG_FAR4" "$RIG_INSIDE4" 4000 700
}

# second_way DEVICE: another device between far and the appliance, and the way inside leads through it
second_way() {
	local name=$1
	ip -n far address add 203.0.113.1/24 dev "$name"
	ip -n appliance address add 203.0.113.2/24 dev "$name"
	ip -n far link set "$name" up
	ip -n appliance link set "$name" up
	ip -n far route add "$RIG_SUBNET_INSIDE" via 203.0.113.2
	rig_in far ping -q -n -c 1 -w 5 "$RIG_INSIDE4"
}

@test "frames with a VLAN tag: the NIC is loaded" {
	needs_fq
	ip -n far link add link eth0 name eth0.7 type vlan id 7
	ip -n appliance link add link eth0 name eth0.7 type vlan id 7
	second_way eth0.7
	rig_bwctl load eth0
	only_time_changes 203.0.113.1 "$RIG_INSIDE4" 1472 1500 eth0.7
	# Tagged by the sender too: an emulated machine gets to 4.6 to 5 times the limit.
	flood_at 20 203.0.113.1 "$RIG_INSIDE4" 1472 eth0 'vlan and udp port 9000' 4
	holds flood-out --limit 20mbit --min-mean 0.97
	# Behind the appliance the tag is gone.
	holds flood-in --limit 20mbit --overhead 4 --min-mean 0.97
}

@test "a device without an Ethernet header" {
	needs_fq
	ip -n far link add tunnel0 type ipip local "$RIG_FAR4" remote "$RIG_APPLIANCE4"
	ip -n appliance link add tunnel0 type ipip local "$RIG_APPLIANCE4" remote "$RIG_FAR4"
	second_way tunnel0
	rig_bwctl load tunnel0
	only_time_changes 203.0.113.1 "$RIG_INSIDE4" 1452 1500 tunnel0
	# What the meter does not see there, an Ethernet header, is in the captures behind it.
	rig_bwctl set overhead 14
	# Encapsulated by the sender too, which an emulated machine does at four times the limit.
	flood_at 20 203.0.113.1 "$RIG_INSIDE4" 1452 tunnel0 'udp port 9000' 3
	holds flood-out --limit 20mbit --overhead 14 --min-mean 0.97
	holds flood-in --limit 20mbit --min-mean 0.97
}

@test "what waited comes up once: to a local socket, to a VLAN device, to captures with their time" {
	local name from now received held
	needs_fq
	ip -n far link add link eth0 name eth0.7 type vlan id 7
	ip -n appliance link add link eth0 name eth0.7 type vlan id 7
	second_way eth0.7
	rig_bwctl load eth0
	rig_bwctl set 20mbit
	rig_sink sink appliance 9000
	for name in "$RIG_APPLIANCE4" 203.0.113.2; do
		from=$EPOCHSECONDS
		# A socket that wants time stamps: tcpdump does, and ping.
		rig_capture sent far eth0 -s 0 -Q out 'udp port 9000 or (vlan and udp port 9000)'
		rig_capture nic appliance eth0 -s 0 'udp port 9000 or (vlan and udp port 9000)'
		rig_capture vlan appliance eth0.7 -s 0 'udp port 9000'
		received=$(received)
		held=$(paced ingress)
		numbered far "$name" 1000 1472 19000000
		sleep 0.3
		rig_capture_stop sent nic vlan
		expect 'datagrams that IP received' 1000 "$(($(received) - received))"
		(($(paced ingress) - held >= 300))
		expect 'on the NIC' '{"before":1000,"after":1000,"changed_or_twice":0,"reordered":0,"flows":1}' \
			"$(compare sent nic)"
		now=$EPOCHSECONDS
		"$RIG_TOOLS/conform" --json "$RIG_DIR/nic.pcap" | jq -e --argjson from "$from" --argjson now "$now" \
			'.first_seconds >= $from and .first_seconds + .seconds <= $now + 1'
		[[ $name == 203.0.113.2 ]] || continue
		expect 'on the VLAN' '{"before":1000,"after":1000,"changed_or_twice":0,"reordered":0,"flows":1}' \
			"$(compare sent vlan)"
		"$RIG_TOOLS/conform" --json "$RIG_DIR/vlan.pcap" | tee "$RIG_DIR/vlan.json" |
			jq -e --argjson from "$from" --argjson now "$now" \
				'.first_seconds >= $from and .first_seconds + .seconds <= $now + 1'
		echo "# on the VLAN: $(jq -c '[.frames, .first_seconds, .seconds]' "$RIG_DIR/vlan.json")" >&3
	done
	rig_sink_stop sink | jq -e '.received_packets == 2000'
}

# UDP datagrams that this kernel's IP has taken in and given to sockets on the appliance
received() {
	# shellcheck disable=SC2016 # the variables are awk's
	rig_in appliance awk '$1 == "Udp:" && !n { for (i = 1; i <= NF; i++) at[$i] = i; n = 1; next }
		$1 == "Udp:" { print $at["InDatagrams"] }' /proc/net/snmp
}

@test "conntrack sees what waited once" {
	needs_fq
	[[ -n $(type -P nft iptables) ]] || skip 'neither nft nor iptables is installed'
	rig_bwctl load eth0
	rig_bwctl set 20mbit
	modprobe nf_conntrack
	rig_in appliance sysctl -q -w net.netfilter.nf_conntrack_acct=1
	if [[ -n $(type -P nft) ]]; then
		rig_in appliance nft 'table inet t { chain c { type filter hook forward priority 0;
			ct state established,new accept; }; }'
	else
		rig_in appliance iptables -A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
	fi
	rig_sink sink inside 9000
	numbered far "$RIG_INSIDE4" 1000 1472 19000000
	sleep 0.3
	rig_in appliance cat /proc/net/nf_conntrack
	rig_in appliance grep -q 'dport=9000 packets=1000 ' /proc/net/nf_conntrack
}

@test "ping with time stamps under a flood: round trips as they are" {
	local worst
	needs_fq
	rig_bwctl load eth0
	# Let in, and in line with the flood: what is favoured jumps the queue.
	rig_bwctl set 10mbit class icmp priority normal reserve 1mbit
	rig_sink sink inside 9000
	rig_sink sink-far far 9000
	rig_flood in far "$RIG_INSIDE4" 9000 30mbit 4
	rig_flood out inside "$RIG_FAR4" 9000 30mbit 4
	sleep 0.5
	rig_in appliance ping -n -c 10 -i 0.2 -W 2 "$RIG_FAR4" >"$RIG_DIR/ping" 2>&1
	rig_flood_wait in
	rig_flood_wait out
	echo "# $(tail -n 1 "$RIG_DIR/ping")" >&3
	cat "$RIG_DIR/ping"
	run ! grep -i 'time of day\|DUP\|warning' "$RIG_DIR/ping"
	expect 'answers' 10 "$(grep -c ' time=' "$RIG_DIR/ping")"
	# There and back through two full queues, and not faster than that.
	worst=$(sed -n 's:^rtt .* = [0-9.]*/\([0-9.]*\)/\([0-9.]*\)/.*:\1 \2:p' "$RIG_DIR/ping")
	awk -v mean="${worst% *}" -v worst="${worst#* }" 'BEGIN { exit !(mean > 20 && worst < 400) }'
}

@test "a mark that another program sets on egress is kept" {
	local hook mac frame
	needs_fq
	# Both ends in one namespace: between two the mark is cleared.
	ip -n appliance link add mark0 type veth peer name mark1
	ip -n appliance link set mark0 up
	ip -n appliance link set mark1 up
	mac=$(ip -n appliance -j link show mark1 | jq -r '.[0].address')
	tc -n appliance qdisc add dev mark1 clsact
	tc -n appliance filter add dev mark1 ingress pref 1 protocol ip handle 7 fw action ok
	tc -n appliance qdisc add dev mark0 clsact
	tc -n appliance filter add dev mark0 egress pref 20 protocol ip matchall action skbedit mark 7
	for hook in clsact tcx; do
		[[ $hook == clsact ]] || has_tcx || continue
		rig_bwctl load --hook "$hook" mark0
		rig_bwctl set 1mbit
		# UDP, 10.0.0.1 port 5000 to 10.0.0.2 port 9000: 142 bytes with the Ethernet header.
		frame="${mac//:/} 020000000001 0800 4500008000000000401100000a0000010a00000213882328006c0000"
		rig_in appliance "$RIG_TOOLS/frame" mark0 "$frame$(printf '00%.0s' {1..100})" 60
		sleep 0.3
		(($(paced egress) > 10))
		rig_bwctl unload
	done
	expect 'marked when they arrive' "$(has_tcx && echo 120 || echo 60)" \
		"$(tc -n appliance -s filter show dev mark1 ingress | sed -n 's/.*Sent [0-9]* bytes \([0-9]*\) pkt.*/\1/p')"
}

has_tcx() {
	"$RIG_TOOLS/neighbour" tcx-list lo >/dev/null 2>&1
}

# wire_and_passed: bytes that the appliance has received from far and sent to inside, at one moment
wire_and_passed() {
	ip -n appliance -j -s link show | jq -r 'INDEX(.ifname) | "\(.eth0.stats64.rx.bytes) \(.inside0.stats64.tx.bytes)"'
}

@test "steady TCP in: what arrives is at most 1.05 times what is let through" {
	local flows wire passed wire_before passed_before since took_ms
	needs_fq
	tc -n far qdisc replace dev eth0 root netem delay 20ms limit 20000
	rig_bwctl load eth0
	rig_bwctl set 50mbit
	for flows in 1 8; do
		rig_capture "in-$flows" inside eth0
		rig_start inside iperf3 --server --one-off --port 5201 >"$RIG_DIR/server" 2>&1
		rig_wait 30 rig_listens inside tcp 5201
		rig_start far iperf3 --client "$RIG_INSIDE4" --port 5201 --time 12 --congestion cubic \
			--parallel "$flows" --json >"$RIG_DIR/client" 2>&1
		sleep 5
		read -r wire_before passed_before < <(wire_and_passed)
		since=$EPOCHREALTIME
		sleep 5
		read -r wire passed < <(wire_and_passed)
		took_ms=$(((${EPOCHREALTIME/./} - ${since/./}) / 1000))
		wire=$((wire - wire_before)) passed=$((passed - passed_before))
		rig_wait_gone 90 "$RIG_PID"
		rig_capture_stop "in-$flows"
		echo "# $flows flows: $wire bytes arrived in $took_ms ms, $passed let through," \
			"$(shown .ingress.dropped.packets) dropped" >&3
		holds "in-$flows" --limit 50mbit
		# A busy machine may not offer more.
		((passed * 8 / took_ms >= 25000))
		((wire * 100 <= passed * 105))
	done
}

# What TCP believes of its round trips must be true: BBR lives by it. By somebody else's fq as by ours.
@test "one BBR flow out at a round trip of 100 ms gets 0.85 of 50mbit, by our fq and by another" {
	local fq goodput least
	needs_fq
	modprobe -q tcp_bbr || true
	tc -n far qdisc replace dev eth0 root netem delay 100ms limit 20000
	for fq in ours theirs; do
		[[ $fq == ours ]] || tc -n appliance qdisc replace dev eth0 root handle 7: fq
		rig_bwctl load eth0
		rig_bwctl set 50mbit
		mode pace pace
		# What TCP may hold packets by another's fq is set aside in r, and only there.
		expect "part of the limit that is r, $fq" true "$(shown '.egress |
			.rate_bits_per_second / .limit_bits_per_second' | jq --arg fq "$fq" \
			'if $fq == "ours" then . > 0.985 and . < 1 else . > 0.96 and . < 0.97 end')"
		rig_capture "bbr-$fq" far eth0
		rig_flow bbr far appliance to "$RIG_FAR4" seconds 12 congestion bbr
		rig_flow_wait bbr
		rig_capture_stop "bbr-$fq"
		holds "bbr-$fq" --limit 50mbit
		goodput=$(rig_flow_goodput bbr 4)
		least=$((50000000 * 1448 * 85 / 1514 / 100))
		echo "# $fq: goodput $goodput bit/s, at least $least" >&3
		((goodput >= least))
		rig_bwctl unload
	done
}

@test "ECN: marked, and hardly any dropped" {
	local ecn direction namespace
	local -A dropped marked
	needs_fq
	tc -n far qdisc replace dev eth0 root netem delay 10ms limit 20000
	tc -n inside qdisc replace dev eth0 root netem delay 10ms limit 20000
	for ecn in 0 1; do
		for namespace in far inside; do
			rig_in "$namespace" sysctl -q -w net.ipv4.tcp_ecn="$ecn"
		done
		rig_bwctl load eth0
		rig_bwctl set 20mbit
		# One after the other: confirmations that wait in the other's queue would slow both down.
		rig_flow out far inside to "$RIG_FAR4" port 22 seconds 5
		rig_flow_wait out
		rig_flow in inside far to "$RIG_INSIDE4" port 443 seconds 5
		rig_flow_wait in
		for direction in egress ingress; do
			dropped[$direction-$ecn]=$(shown ".$direction.dropped.packets")
			marked[$direction-$ecn]=$(shown ".$direction.marked.packets")
			echo "# $direction, ECN $ecn: ${marked[$direction-$ecn]} marked," \
				"${dropped[$direction-$ecn]} dropped, $(shown ".$direction.passed.packets") passed" >&3
		done
		rig_bwctl unload
	done
	for direction in egress ingress; do
		((${marked[$direction-0]} == 0 && ${marked[$direction-1]} > 0))
		((${dropped[$direction-1]} * 4 <= ${dropped[$direction-0]}))
	done
}

# both_ways SECONDS: UDP at five times 20 mbit and TCP, captured
both_ways() {
	rig_sink sink-far far 9000
	rig_sink sink-inside inside 9000
	rig_capture wire-out far eth0
	rig_capture wire-in inside eth0
	rig_flow tcp-out far inside to "$RIG_FAR4" port 22 seconds "$1"
	rig_flow tcp-in inside far to "$RIG_INSIDE4" port 443 seconds "$1"
	rig_flood out inside "$RIG_FAR4" 9000 "${2:-100mbit}" "$1"
	rig_flood in far "$RIG_INSIDE4" 9000 "${2:-100mbit}" "$1"
}

both_ways_end() {
	rig_stop "$(<"$RIG_DIR/out.pid")" "$(<"$RIG_DIR/in.pid")"
	rig_capture_stop wire-out wire-in
	holds wire-out --limit "$1" --min-mean "$2" --window "${3:-1}"
	holds wire-in --limit "$1" --min-mean "$2" --window "${3:-1}"
}

# Bytes that came in at the appliance's other end.
came_in() {
	ip -n inside -j -s link show eth0 | jq '.[0].stats64.rx.bytes'
}

# without DIRECTION WORD COMMAND...: takes it away, and load mends it
without() {
	local direction=$1 word=$2 egress=pace ingress=pace before
	shift 2
	"$@"
	sleep 0.6
	before=$(came_in)
	sleep 0.5
	# Policed, and not lost.
	(($(came_in) - before > 50000))
	printf '%s\n' "$*" "$(shown '[.ingress, .egress | .mode, .mode_reason]')"
	echo "# $*: $(shown ".$direction.mode_reason")" >&3
	local "$direction=police"
	mode "$ingress" "$egress"
	reason "$direction" "$word"
	rig_bwctl load eth0 >/dev/null
	mode pace pace
	sleep 1.1
}

# pfifo instead of the IFB's fq
ifb_pfifo() {
	local device
	device=$(ip -n appliance -j link show type ifb | jq -r '.[0].ifname')
	tc -n appliance qdisc replace dev "$device" root pfifo
}

@test "what holds packets is taken away under load: the ceiling holds, load mends it" {
	needs_fq
	rig_bwctl load eth0
	rig_bwctl set 20mbit
	both_ways 600 # until they are stopped
	sleep 1.2
	without egress fq tc -n appliance qdisc delete dev eth0 root
	without ingress IFB ip -n appliance link delete bwctl0
	without ingress IFB ip -n appliance link set bwctl0 down
	without ingress IFB ifb_pfifo
	# Kernels without tcx have one more piece.
	if [[ $(tc -n appliance filter show dev eth0 ingress) == *bwctl_lead* ]]; then
		without ingress filter tc -n appliance filter delete dev eth0 ingress pref 25207
	fi
	both_ways_end 20mbit 0.3
}

@test "what an administrator puts in its place stays: egress polices until it is gone" {
	needs_fq
	rig_bwctl load eth0
	rig_bwctl set 20mbit
	both_ways 8
	sleep 1.2
	tc -n appliance qdisc replace dev eth0 root pfifo
	sleep 0.5
	mode pace police
	reason egress "'eth0' has a root qdisc of its own, pfifo"
	rig_bwctl load eth0
	mode pace police
	expect 'root' pfifo "$(tc -n appliance -j qdisc show dev eth0 root | jq -r '.[0].kind')"
	sleep 1.1
	tc -n appliance qdisc delete dev eth0 root
	rig_bwctl load eth0
	mode pace pace
	sleep 1.1
	# What is loaded while it is there polices as one that polices does: in any 2 s.
	both_ways_end 20mbit 0.3 2
}

@test "an administrator's HTB: egress polices, ingress paces, and it stays as it is" {
	local before now
	needs_fq
	tc -n appliance qdisc add dev eth0 root handle 1: htb default 10
	tc -n appliance class add dev eth0 parent 1: classid 1:10 htb rate 1gbit
	before=$(tc -n appliance qdisc show dev eth0; tc -n appliance class show dev eth0)
	rig_bwctl load eth0
	rig_bwctl set 20mbit
	mode pace police
	reason egress htb
	now=$(in_force)
	run --separate-stderr rig_bwctl set 30mbit mode pace
	expect 'exit code and lines of error' '1 1' "$status $(wc -l <<<"$stderr")"
	[[ $stderr == 'bwctl: cannot pace egress: '*htb* ]]
	expect 'what is in force' "$now" "$(in_force)"
	rig_bwctl unload
	expect 'qdiscs and classes' "$before" \
		"$(tc -n appliance qdisc show dev eth0; tc -n appliance class show dev eth0)"
}

@test "an administrator's fq is used as it is, and stays" {
	local before
	needs_fq
	tc -n appliance qdisc add dev eth0 root handle 5: fq limit 5000 flow_limit 400 quantum 3000
	before=$(tc -n appliance qdisc show dev eth0)
	rig_bwctl load eth0
	rig_bwctl set 20mbit
	mode pace pace
	expect 'qdisc' "$before" "$(tc -n appliance qdisc show dev eth0 | grep -v clsact)"
	rig_sink sink far 9000
	numbered appliance "$RIG_FAR4" 100 1472 100000000
	(($(paced egress) > 10))
	rig_bwctl unload
	expect 'qdisc' "$before" "$(tc -n appliance qdisc show dev eth0)"
}

@test "from pace to police and back under load: the ceiling holds, no connection is lost" {
	local mode
	needs_fq
	rig_bwctl load eth0
	rig_bwctl set 20mbit
	both_ways 8 40mbit
	sleep 1.2
	for mode in police auto police auto; do
		rig_bwctl set mode "$mode" >/dev/null
		[[ $mode == police ]] || mode pace pace
		sleep 1.2
	done
	rig_flow_wait tcp-out
	rig_flow_wait tcp-in
	# Policing promises it in any 2 s.
	both_ways_end 20mbit 0.5 2
}

# looks: all of the appliance's devices and qdiscs
looks() {
	rig_wait 30 rig_settled -n appliance || rig_fail "links do not settle"
	ip -n appliance -d link | sed 's/_timer *[0-9.]*//g'
	ip -n appliance -j -d link | jq -c '.[] | [.ifindex, .ifname, .address, .txqlen, .gso_max_size,
		.gso_max_segs, .gro_max_size, .gso_ipv4_max_size, .gro_ipv4_max_size]'
	tc -n appliance qdisc show
	find "$PINS" -mindepth 1 ! -name '*.debug'
}

# comes_and_goes DEVICE TIMES: loaded and unloaded; all as before. Now and then with low limits.
comes_and_goes() {
	local device=$1 times=$2 before i
	before=$(looks)
	for ((i = 0; i < times; i++)); do
		rig_bwctl load "$device" >/dev/null
		if ((i % 5 == 0)); then
			rig_bwctl set 1mbit >/dev/null
			segments "$device" low
			rig_bwctl set unlimited >/dev/null
			segments "$device" normal
			rig_bwctl set 1mbit >/dev/null
		fi
		rig_bwctl unload >/dev/null
	done
	diff <(printf '%s\n' "$before") <(looks)
}

# segments DEVICE low|normal: how large super-packets of a device may be
segments() {
	local now
	now=$(ip -n appliance -j -d link show "$1" | jq -c '.[0] | [.gso_max_segs, .gro_max_size]')
	jq -e --arg should "$2" 'if $should == "low" then .[0] <= 2 and .[1] < 4000
		else .[0] == 65535 and .[1] == 65536 end' <<<"$now" >/dev/null ||
		expect "super-packets of $1" "$2" "$now"
}

@test "loaded and unloaded 100 times, all is as it was: noqueue, fq_codel, pfifo_fast, mq, htb" {
	local kind kinds=' noqueue mq htb'
	needs_fq
	expect 'root of a veth' noqueue "$(root eth0)"
	comes_and_goes eth0 20
	for kind in pfifo_fast fq_codel; do
		# The kernel's choice, for a device that is new.
		default_qdisc "$kind" || continue
		ip -n appliance link add one type ifb
		ip -n appliance link set one up
		[[ $kind != fq_codel ]] || ip -n appliance link set one txqueuelen 77
		expect 'root of an ifb' "$kind" "$(root one)"
		comes_and_goes one 20
		ip -n appliance link delete one
		kinds+=" $kind"
	done
	echo "#$kinds" >&3
	ip -n appliance link add many numtxqueues 4 numrxqueues 2 type ifb
	ip -n appliance link set many up
	expect 'root of an ifb with four queues' mq "$(root many)"
	echo "# under mq: $(tc -n appliance -j qdisc show dev many | jq -r 'map(.kind) | unique | join(" ")')" >&3
	comes_and_goes many 20
	tc -n appliance qdisc add dev eth0 root handle 1: htb default 10
	tc -n appliance class add dev eth0 parent 1: classid 1:10 htb rate 1gbit
	comes_and_goes eth0 20
}

# default_qdisc KIND: that of new devices, in all namespaces; teardown puts it back
default_qdisc() {
	[[ -n $DEFAULT_QDISC ]] || return
	nsenter --net=/proc/1/ns/net sysctl -q -w net.core.default_qdisc="$1"
}

root() {
	tc -n appliance -j qdisc show dev "$1" root | jq -r '.[0].kind'
}

@test "what an administrator changes of a device meanwhile stays" {
	needs_fq
	rig_bwctl load eth0
	rig_bwctl set 1mbit
	segments eth0 low
	ip -n appliance link set eth0 gso_max_segs 9
	rig_bwctl unload
	expect 'gso_max_segs, and the rest' '[9,65536,65536]' "$(ip -n appliance -j -d link show eth0 |
		jq -c '.[0] | [.gso_max_segs, .gso_max_size, .gro_max_size]')"
}

@test "what others have on ingress would be passed by: that direction polices, now or at the next load" {
	local kinds=(filter) kind
	needs_fq
	! has_tcx || kinds+=(tcx)
	[[ -z $(type -P nft) ]] || kinds+=(nft)
	echo "# ${kinds[*]}" >&3
	for kind in "${kinds[@]}"; do
		"others_$kind"
		rig_bwctl load eth0
		rig_bwctl set 20mbit
		mode police pace
		reason ingress 'on the ingress of '
		"no_others_$kind"
		rig_bwctl load eth0
		mode pace pace
		"others_$kind"
		# In force is what was, and what comes is said.
		expect 'modes' '["pace","pace"]' "$(shown '[.ingress.mode, .egress.mode]')"
		reason ingress 'on the ingress of '
		reason egress null
		expect 'lines of show' 1 "$(rig_bwctl show |
			grep -c 'the next "bwctl set" or "bwctl load" polices: .* on the ingress of ')"
		[[ $kind != filter ]] || still_paces_in
		rig_bwctl load eth0
		mode police pace
		# In truth too: what is over is dropped at once.
		expect 'wait' null "$(shown .ingress.horizon_seconds)"
		"no_others_$kind"
		rig_bwctl unload
	done
}

still_paces_in() {
	local waited
	rig_sink sink inside 9000
	waited=$(paced ingress)
	numbered far "$RIG_INSIDE4" 100 1472 100000000
	sleep 0.3
	(($(paced ingress) - waited > 10))
	expect 'dropped' 0 "$(shown .ingress.dropped.packets)"
}

others_filter() {
	tc -n appliance qdisc replace dev eth0 clsact
	tc -n appliance filter add dev eth0 ingress pref 9 protocol ip u32 match ip dport 9 0xffff flowid 1:1
}

no_others_filter() {
	tc -n appliance filter delete dev eth0 ingress pref 9
}

others_tcx() {
	rig_in appliance "$RIG_TOOLS/neighbour" tcx eth0 ingress "$PINS/their"
}

no_others_tcx() {
	rm "$PINS/their-link" "$PINS/their-count"
}

others_nft() {
	rig_in appliance nft 'table netdev t { chain c { type filter hook ingress device eth0 priority 0; }; }'
}

no_others_nft() {
	rig_in appliance nft delete table netdev t
}

@test "killed at random: load works after it, and unload gives everything back" {
	local before i killed=0 command
	needs_fq
	before=$(looks)
	for ((i = 0; i < 20; i++)); do
		command=load
		if ((i % 2)); then
			command=unload
			rig_bwctl load eth0 >/dev/null
			rig_bwctl set 20mbit >/dev/null
		fi
		if [[ $command == load ]]; then
			set -- load eth0
		else
			set -- unload
		fi
		"$BWCTL" -n appliance "$@" >/dev/null 2>&1 3>&- &
		# A load takes longer than an unload.
		sleep "$(printf '0.%06d' $((RANDOM * (i % 2 ? 1 : 10))))"
		! kill -KILL $! 2>/dev/null || killed=$((killed + 1))
		wait $! 2>/dev/null || true
		if ((i % 4 < 2)); then
			rig_bwctl load eth0 >/dev/null
			mode pace pace
		fi
		rig_bwctl unload >/dev/null
		diff <(printf '%s\n' "$before") <(looks)
	done
	echo "# $killed of 20 killed before their end" >&3
	((killed >= 5))
}

@test "two interfaces of one namespace share the IFB; the last one takes it along" {
	needs_fq
	rig_bwctl load eth0 inside0
	rig_bwctl set 20mbit
	mode pace pace
	expect 'IFBs' 1 "$(ip -n appliance -j link show type ifb | jq length)"
	rig_bwctl unload inside0
	mode pace pace
	expect 'IFBs' 1 "$(ip -n appliance -j link show type ifb | jq length)"
	rig_sink sink inside 9000
	numbered far "$RIG_INSIDE4" 100 1472 100000000
	(($(paced ingress) > 10))
	rig_bwctl unload eth0
	expect 'IFBs' '' "$(ip -n appliance link show type ifb)"
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

@test "two network namespaces share one limiter, and both pace" {
	local waited namespace
	needs_fq
	rig_bwctl load eth0
	"$BWCTL" -n inside load eth0
	rig_bwctl set 20mbit
	mode pace pace
	"$BWCTL" -n inside show --json | jq -e '.ingress.mode == "pace" and .egress.mode == "pace"'
	for namespace in appliance inside; do
		expect "IFBs of $namespace" 1 "$(ip -n "$namespace" -j link show type ifb | jq length)"
	done
	rig_sink sink appliance 9000
	waited=$(paced ingress)
	numbered far "$RIG_APPLIANCE4" 60 1472 100000000
	sleep 0.3
	(($(paced ingress) - waited > 5))
	rig_sink sink-inside inside 9000
	waited=$(paced ingress)
	numbered appliance "$RIG_INSIDE4" 60 1472 100000000
	sleep 0.3
	(($(paced ingress) - waited > 5))
	"$BWCTL" -n inside unload
	expect 'IFBs of inside' '' "$(ip -n inside link show type ifb)"
	mode pace pace
	rig_bwctl unload
	expect 'IFBs of appliance' '' "$(ip -n appliance link show type ifb)"
}

# goes_on_pacing: packets wait in both directions, none is dropped as policing would
goes_on_pacing() {
	local out in
	mode pace pace
	[[ -e $RIG_DIR/sink-far.sink ]] || rig_sink sink-far far 9000
	[[ -e $RIG_DIR/sink-near.sink ]] || rig_sink sink-near appliance 9000
	out=$(paced egress) in=$(paced ingress)
	numbered appliance "$RIG_FAR4" 100 1472 100000000
	numbered far "$RIG_APPLIANCE4" 100 1472 100000000
	sleep 0.3
	(($(paced egress) - out > 10 && $(paced ingress) - in > 10))
	expect 'dropped' '[0,0]' "$(shown '[.ingress, .egress | .dropped.packets]')"
	mode pace pace
}

@test "a device that vanishes, or a network namespace, takes its queues along: the others go on pacing" {
	local device
	needs_fq
	ip -n appliance link add veth7 type veth peer name veth8
	ip -n appliance link add many7 numtxqueues 4 numrxqueues 4 type ifb
	ip -n appliance link set veth8 up
	rig_bwctl load eth0
	for device in veth7 many7; do
		ip -n appliance link set "$device" up
		rig_bwctl load "$device"
		rig_bwctl set 20mbit
		mode pace pace
		ip -n appliance link delete "$device"
		goes_on_pacing
		# The same again once user space has looked.
		rig_bwctl set 20mbit
		goes_on_pacing
	done

	ip netns add gone
	ip -n appliance link add veth7 type veth peer name eth7 netns gone
	ip -n appliance link set veth7 up
	ip -n gone link set eth7 up
	"$BWCTL" -n gone load eth7
	rig_bwctl set 20mbit
	mode pace pace
	expect 'IFBs of gone' 1 "$(ip -n gone -j link show type ifb | jq length)"
	ip netns delete gone
	# The kernel does that when it has time; its end of the pair is the last to go.
	rig_wait 60 vanished veth7
	goes_on_pacing
	rig_bwctl set 20mbit
	goes_on_pacing

	# The IFB is another matter: it holds what others received.
	ip -n appliance link delete bwctl0
	mode police pace
	reason ingress IFB
	rig_bwctl unload
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

vanished() {
	! ip -n appliance link show "$1" >/dev/null 2>&1
}

@test "unload without its notes: what is ours is told by itself, and what is another limiter's stays" {
	local lost
	needs_fq
	rig_bwctl --pin-dir "$PINS/two" load inside0
	for lost in interfaces leases; do
		rig_bwctl load eth0
		rig_bwctl set 1mbit
		expect 'root' fq "$(root eth0)"
		rm "$PINS/bwctl/$lost"
		# Of another size than ours: that of another version.
		[[ $lost == interfaces ]] ||
			bpftool map create "$PINS/bwctl/leases" type array key 4 value 4 entries 1 name leases
		run -0 --separate-stderr rig_bwctl unload
		# shellcheck disable=SC2154 # stderr is run's
		[[ $stderr == *'hint: '*gso_max_segs* ]] || expect 'hint' gso_max_segs "$stderr"
		expect 'lines of hint' 1 "$(wc -l <<<"$stderr")"
		expect 'root' noqueue "$(root eth0)"
		expect 'filters' '' "$(tc -n appliance filter show dev eth0 ingress 2>/dev/null)"
		segments eth0 low
		ip -n appliance link set eth0 gso_max_segs 65535 gro_max_size 65536
		expect 'root of inside0' fq "$(root inside0)"
		expect 'IFBs' 1 "$(ip -n appliance -j link show type ifb | jq length)"
		expect 'pins' '' "$(find "$PINS/bwctl" 2>/dev/null)"
		rig_bwctl --pin-dir "$PINS/two" show --json |
			jq -e '.ingress.mode == "pace" and .egress.mode == "pace"'
	done
	# With nothing lowered there is nothing to be said.
	rig_bwctl load eth0
	rm "$PINS/bwctl/interfaces"
	run -0 --separate-stderr rig_bwctl unload
	expect 'hints' '' "$stderr"
	expect 'root' noqueue "$(root eth0)"
	rig_bwctl --pin-dir "$PINS/two" unload
}

@test "an ingress qdisc in the place of clsact, on kernels without tcx: no IFB is left behind" {
	needs_fq
	! has_tcx || skip 'this kernel has tcx, which needs no clsact'
	tc -n appliance qdisc add dev inside0 clsact
	tc -n appliance filter add dev inside0 ingress pref 9 protocol ip u32 match ip dport 9 0xffff flowid 1:1
	rig_bwctl load inside0
	mode police pace
	expect 'IFBs' '' "$(ip -n appliance link show type ifb)"
	tc -n appliance qdisc add dev eth0 ingress
	run -1 rig_bwctl load eth0
	mode police pace
	expect 'IFBs' '' "$(ip -n appliance link show type ifb)"
	# The load that fails is a moment to look at the others again: they may pace now.
	tc -n appliance filter delete dev inside0 ingress pref 9
	run -1 rig_bwctl load eth0
	mode pace pace
	# With nobody else to hold for, what was made for it goes.
	rig_bwctl unload inside0
	run -1 rig_bwctl load eth0
	expect 'IFBs' '' "$(ip -n appliance link show type ifb)"
	tc -n appliance qdisc delete dev eth0 ingress
	rig_bwctl load eth0
	mode pace pace
}

@test "the interface that kept the others from pacing is unloaded: they pace again" {
	needs_fq
	tc -n appliance qdisc add dev inside0 root handle 1: htb default 10
	tc -n appliance class add dev inside0 parent 1: classid 1:10 htb rate 1gbit
	rig_bwctl load eth0
	rig_bwctl set 20mbit
	rig_bwctl load inside0
	mode pace police
	run -0 rig_bwctl unload inside0
	[[ $output == *'still loaded on 1 other interface'*'egress '*'pace: '* && $output != *'ingress '* ]] ||
		expect 'output' 'that egress paces' "$output"
	goes_on_pacing
	# Where nothing becomes different nothing is said.
	rig_bwctl set mode police
	rig_bwctl load inside0
	run -0 rig_bwctl unload inside0
	expect 'output' $'unloaded from inside0\nstill loaded on 1 other interface' "$output"
	expect 'modes' '["police","police"]' "$(shown '[.ingress.mode, .egress.mode]')"
}

@test "an interface that is taken to another network namespace has no queue there: it polices" {
	local after taken
	needs_fq
	ip netns add other
	rig_bwctl load eth0
	for taken in no yes; do
		ip -n appliance link add veth7 type veth peer name veth8
		ip -n appliance link set veth7 up
		ip -n appliance link set veth8 up
		rig_bwctl load veth7
		rig_bwctl set 20mbit
		mode pace pace
		# Where its index is taken it gets another.
		[[ $taken == no ]] || ip -n other link add taken index \
			"$(ip -n appliance -j link show veth7 | jq '.[0].ifindex')" type ifb
		ip -n appliance link set veth7 netns other
		ip -n other link set veth7 up
		mode pace police
		# Filters do not go along, links do.
		after=pace
		! has_tcx || after=police
		rig_bwctl set 20mbit
		mode "$after" "$after"
		[[ $after == pace ]] || reason egress "'veth7' is in another network namespace now"
		ip -n other link delete veth7
		rig_bwctl set 20mbit
		mode pace pace
		rig_bwctl unload veth7
	done
	ip netns delete other
}
