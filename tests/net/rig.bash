#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The network that bwctl is tried in: three namespaces, their addresses,
# captures, TCP flows and UDP floods. All of it lives in a mount and a network
# namespace of its own with its own bpffs and a copy of /etc, so that nothing
# meets a real installation and nothing stays behind. Sourced by the network tests and the
# demo; knows bwctl only as a command. Run as a program, it isolates another:
# rig.bash COMMAND...
#
#     far (eth0) ---- (eth0) appliance (inside0) ---- (eth0) inside
#                        ^ bwctl is loaded here
#
# What goes out is captured in far; what comes in is forwarded to inside and
# captured there, behind the meter.

RIG_ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
BWCTL_BUILD=${BWCTL_BUILD:-$RIG_ROOT/build}
BWCTL=${BWCTL:-$BWCTL_BUILD/bwctl}
RIG_TOOLS=${RIG_TOOLS:-$BWCTL_BUILD/tests}

RIG_FAR4=192.0.2.1 RIG_FAR6=2001:db8::1
RIG_APPLIANCE4=192.0.2.2 RIG_APPLIANCE6=2001:db8::2
RIG_GATEWAY4=198.51.100.1 RIG_GATEWAY6=2001:db8:1::1 # the appliance, as seen from inside
RIG_INSIDE4=198.51.100.2 RIG_INSIDE6=2001:db8:1::2
RIG_NEVER=/etc/rig-never # a pipe that nobody writes into
readonly RIG_FAR4 RIG_FAR6 RIG_APPLIANCE4 RIG_APPLIANCE6
readonly RIG_GATEWAY4 RIG_GATEWAY6 RIG_INSIDE4 RIG_INSIDE6

# One line to stderr, and failure.
rig_fail() {
	printf 'rig: %s\n' "$*" >&2
	return 1
}

rig_isolated() {
	[[ ${RIG_ISOLATED:-} == "$(readlink /proc/self/ns/mnt)" ]]
}

# rig_isolate "$@": runs the calling script again, isolated, unless it already is.
rig_isolate() {
	rig_isolated || rig_isolated_exec bash "$0" "$@"
}

# rig_isolated_exec COMMAND...: becomes COMMAND in a mount and a network namespace of its own.
rig_isolated_exec() {
	((EUID == 0)) || {
		rig_fail 'network namespaces need root'
		exit 1
	}
	# shellcheck disable=SC2016 # for the inner shell to expand
	exec unshare --mount --net --propagation private -- bash -c '
		set -e
		mkdir -p /run/netns
		mount -t tmpfs -o mode=755 rig-netns /run/netns
		mount -t bpf -o mode=700 rig-bpf /sys/fs/bpf
		# No policy file of this machine, and none is left on it.
		mount -t tmpfs -o mode=755 rig-etc /mnt
		cp -a /etc/. /mnt
		rm -f /mnt/bwctl.conf
		mount --move /mnt /etc
		mkfifo "$0"
		ip link set lo up
		RIG_ISOLATED=$(readlink /proc/self/ns/mnt) exec "$@"
	' "$RIG_NEVER" "$@"
}

# rig_in NAMESPACE COMMAND...: "ip netns exec" would hide bpffs behind a fresh /sys.
rig_in() {
	local namespace=$1
	shift
	nsenter --net="/run/netns/$namespace" -- "$@"
}

rig_bwctl() {
	"$BWCTL" -n appliance "$@"
}

# Sets up namespaces, links and addresses. RIG_DIR is where captures and results go.
rig_make() {
	local namespace forwarding
	rig_isolated || rig_fail 'not isolated: call rig_isolate first, or run under rig.bash' || return
	RIG_DIR=$(mktemp -d "${TMPDIR:-/tmp}/bwctl-rig.XXXXXX") || return
	export RIG_DIR
	: >"$RIG_DIR/pids"

	# Few processes: this is done for most tests.
	ip -batch - <<-END || return
		netns add far
		netns add appliance
		netns add inside
	END
	for namespace in far appliance inside; do
		forwarding=()
		[[ $namespace != appliance ]] || forwarding=(net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1)
		rig_in "$namespace" sysctl -q -w \
			net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.default.router_solicitations=0 \
			net.ipv6.conf.default.accept_ra=0 \
			net.ipv4.tcp_no_metrics_save=1 "${forwarding[@]}" || return
	done
	ip -batch - <<-END || return
		link add eth0 mtu 1500 netns far type veth peer name eth0 mtu 1500 netns appliance
		link add inside0 mtu 1500 netns appliance type veth peer name eth0 mtu 1500 netns inside
	END
	ip -n far -batch - <<-END || return
		link set lo up
		address add $RIG_FAR4/24 dev eth0
		address add $RIG_FAR6/64 dev eth0 nodad
		link set eth0 up
		route add default via $RIG_APPLIANCE4
		route add ::/0 via $RIG_APPLIANCE6
	END
	ip -n appliance -batch - <<-END || return
		link set lo up
		address add $RIG_APPLIANCE4/24 dev eth0
		address add $RIG_APPLIANCE6/64 dev eth0 nodad
		link set eth0 up
		address add $RIG_GATEWAY4/24 dev inside0
		address add $RIG_GATEWAY6/64 dev inside0 nodad
		link set inside0 up
	END
	ip -n inside -batch - <<-END || return
		link set lo up
		address add $RIG_INSIDE4/24 dev eth0
		address add $RIG_INSIDE6/64 dev eth0 nodad
		link set eth0 up
		route add default via $RIG_GATEWAY4
		route add ::/0 via $RIG_GATEWAY6
	END
	rig_offloads off || return
	rig_reachable
}

# Both ways work, and neighbours are known, before anything is measured.
rig_reachable() {
	local address
	for address in "$RIG_INSIDE4" "$RIG_INSIDE6"; do
		rig_wait 30 rig_ping "$address" ||
			rig_fail "no way from far to $address: $(<"$RIG_DIR/ping")" || return
	done
}

# One try: it ends early where there seems to be nobody.
rig_ping() {
	rig_in far ping -q -n -c 1 -i 0.2 -w 5 "$1" >"$RIG_DIR/ping" 2>&1
}

# Stops what was started, removes the namespaces and the directory.
rig_destroy() {
	local namespace
	[[ -n ${RIG_DIR:-} ]] || return 0
	rig_stop_all
	for namespace in far appliance inside; do
		[[ ! -e /run/netns/$namespace ]] || echo "netns delete $namespace"
	done | ip -force -batch -
	rm -rf "$RIG_DIR"
	unset RIG_DIR
}

# rig_offloads off: every packet is a frame, everywhere.
# rig_offloads on: the meter sees super-packets in both directions: TSO's from outside and GSO's
#     from the appliance and from inside. They become frames before the captures.
# rig_offloads gro: as on, but those from outside are made from frames by the appliance's GRO.
rig_offloads() {
	local out in gro
	case $1 in
	off) out=off in=off gro=off ;;
	on) out=on in=on gro=off ;;
	gro) out=on in=off gro=on ;;
	*) rig_fail "offloads '$1': expected off, on or gro" || return ;;
	esac
	# TSO off, GSO on: segmented between the hook and the wire. GRO off: captured as it came.
	rig_offload far eth0 "$in" "$in" off &&
		rig_offload appliance eth0 off "$out" "$gro" &&
		rig_offload appliance inside0 off on off &&
		rig_offload inside eth0 "$out" "$out" off
}

# rig_offload NAMESPACE INTERFACE TSO GSO GRO; UDP is segmented where TCP is.
rig_offload() {
	rig_in "$1" ethtool -K "$2" tso "$3" tx-udp-segmentation "$3" gso "$4" gro "$5"
}

# rig_only_reads FILE: of what the tool pins printed, as somebody who may look on: what bwctl shares can be
# read, and all else is refused for want of rights. Prints what is otherwise.
rig_only_reads() {
	awk '
		{
			name = $1
			sub(".*/", "", name)
			is_shared = name ~ /^(policies|policy|clocks|counters|counters-[0-9]+-[0-9]+|interfaces|holders|links)$/
			# The one link is read as a file, maps are opened.
			is_read = is_shared && $2 ~ (name == "links" ? "^read$" : "^(open-read|ro-lookup)$")
			is_refused = $3 == "EACCES" || $3 == "EPERM"
			# Older kernels look first whether it is frozen.
			if ($2 == "ro-freeze" && $3 == "EBUSY")
				is_refused = 1
			is_right = is_refused
			if (is_read)
				is_right = $3 == "ok" || name == "holders" && $3 == "ENOENT" # nothing waits
			else if (is_shared && $2 ~ /^(read|open-read)$/)
				is_right = 1
			if (!is_right) {
				print
				wrong = 1
			}
			reads += is_read
			others += !is_shared
		}
		END { exit wrong || reads < 13 || others < 20 }' "$1"
}

# rig_only_reads_not FILE: of what it printed as root, with --destroy: the same can all be done. The policy
# in force is frozen for everybody, and what was opened for reading is for that only.
rig_only_reads_not() {
	awk '
		{
			name = $1
			sub(".*/", "", name)
			is_frozen = $2 ~ /^ro-/ || name == "policy" && $2 ~ /^rw-/
			is_write = $2 ~ /^(open|chmod|rename|unlink)$/ || $2 ~ /^rw-(update|freeze)$/ ||
				$2 == "rw-detach" && name ~ /^link-/
			is_right = $3 != "EACCES" && $3 != "EPERM"
			if (is_write)
				is_right = $3 == "ok" || $2 == "rw-update" && $3 == "ENOENT" # an empty one
			if (!is_frozen && !is_right) {
				print
				wrong = 1
			}
			updates += $2 == "rw-update" && $3 == "ok"
			unlinks += $2 == "unlink"
		}
		END { exit wrong || updates < 6 || unlinks < 13 }' "$1"
}

# Whether this kernel has tcx (6.6), and whether it has what lets packets wait.
rig_has_tcx() {
	"$RIG_TOOLS/neighbour" tcx lo ingress /sys/fs/bpf/rig-probe 2>/dev/null || return
	rm /sys/fs/bpf/rig-probe-*
}

rig_has_fq() {
	tc qdisc add dev lo root fq 2>/dev/null || return
	tc qdisc delete dev lo root
}

# rig_start NAMESPACE COMMAND...: in the background. Its pid is in RIG_PID and in RIG_DIR/pids,
# so that even one that was started in a subshell is stopped in the end.
rig_start() {
	local namespace=$1
	shift
	# Not through rig_in: the pid must be that of COMMAND. Descriptor 3 is bats' own.
	nsenter --net="/run/netns/$namespace" -- "$@" 3>&- &
	RIG_PID=$!
	echo "$RIG_PID" >>"$RIG_DIR/pids"
}

# rig_alive PID: still the process that was started here, not another that got its number.
rig_alive() {
	local stat
	[[ ! /proc/$1/ns/mnt -ef /proc/self/ns/mnt ]] || return 0
	# One that is about to end leaves its namespaces first, and then lets go of its files and locks.
	[[ ! -e /proc/$1/ns/mnt ]] && { read -r stat <"/proc/$1/stat"; } 2>/dev/null && [[ ${stat##*) } != [ZX]* ]]
}

# rig_catches PID SIGNAL: whether it would have its way with it by now, or waits for it.
rig_catches() {
	local name mask number
	number=$(kill -l "$2")
	while read -r name mask; do
		[[ $name == Sig@(Cgt|Blk): ]] || continue
		((!(16#$mask >> (number - 1) & 1))) || return 0
	done <"/proc/$1/status"
	return 1
}

# Waits for 50 ms. Not by a process for each time: a busy machine has better things to do.
rig_pause() {
	if [[ -p $RIG_NEVER ]]; then
		read -r -t 0.05 _ <>"$RIG_NEVER" || true
	else
		sleep 0.05
	fi
}

# rig_wait_gone SECONDS PID: waits for the end of a process, child of this shell or not.
rig_wait_gone() {
	local tries=$(($1 * 20))
	while rig_alive "$2"; do
		((tries-- > 0)) || return
		rig_pause
	done
	wait "$2" 2>/dev/null || true
}

# rig_stop PID...: SIGTERM, SIGKILL to one that has not gone after 20 seconds.
rig_stop() {
	local pid each pids
	for pid; do
		! rig_alive "$pid" || kill -TERM "$pid" 2>/dev/null || true
	done
	for pid; do
		rig_wait_gone 20 "$pid" && continue
		kill -KILL "$pid" 2>/dev/null || true
		rig_wait_gone 20 "$pid" || true
	done
	mapfile -t pids <"$RIG_DIR/pids"
	for pid; do
		for each in "${!pids[@]}"; do
			[[ ${pids[each]} != "$pid" ]] || unset "pids[each]"
		done
	done
	printf '%s' "${pids[@]/%/$'\n'}" >"$RIG_DIR/pids"
}

rig_stop_all() {
	local pids
	mapfile -t pids <"$RIG_DIR/pids"
	rig_stop "${pids[@]}"
}

# rig_wait SECONDS COMMAND...: until COMMAND succeeds.
rig_wait() {
	local tries=$(($1 * 20))
	shift
	until "$@"; do
		((tries-- > 0)) || return
		rig_pause
	done
}

# rig_settled [OPTION...]: whether the kernel has made up its mind about each link that is up and has
# another one at its end or below it, which it does a while after there is a carrier or none any more.
rig_settled() {
	ip "$@" -d -o link show up | awk '
		# A bridge without ports never gets beyond UNKNOWN.
		/\\ +bridge / && / state UNKNOWN / { next }
		!/\\ +(veth|macvlan|vlan|bond|team|bridge) / { next }
		/LOWER_UP/ ? !/ state UP / : / state (UP|UNKNOWN) / { wrong = 1 }
		END { exit wrong }'
}

# rig_says FILE TEXT: whether it is in there by now.
rig_says() {
	local rig_lines
	mapfile -t rig_lines <"$1" && [[ ${rig_lines[*]} == *"$2"* ]]
}

# rig_listens NAMESPACE tcp|udp PORT [ADDRESS]
rig_listens() {
	local address=${4:-}
	[[ $address != *:* ]] || address="[$address]"
	[[ -n $(rig_in "$1" ss -H -n -l "--$2" "sport = :$3${address:+ and src $address}") ]]
}

# rig_capture NAME NAMESPACE INTERFACE [TCPDUMP-ARGUMENT...]: captures what arrives at INTERFACE
# (-Q out and others may follow) into RIG_DIR/NAME.pcap, and returns when it does.
rig_capture() {
	local name=$1 namespace=$2 interface=$3
	shift 3
	# Immediate mode: nothing is left in a half-full block of the ring when it is stopped.
	# 128 bytes a frame and 128 MiB: room for half a million frames.
	rig_start "$namespace" tcpdump -i "$interface" -n -Z root -Q in -s 128 -B 131072 \
		--immediate-mode --time-stamp-precision=nano -w "$RIG_DIR/$name.pcap" "$@" \
		2>"$RIG_DIR/$name.tcpdump"
	echo "$RIG_PID" >"$RIG_DIR/$name.pid"
	rig_wait 30 rig_says "$RIG_DIR/$name.tcpdump" 'listening on' ||
		rig_fail "capture '$name' does not start: $(<"$RIG_DIR/$name.tcpdump")"
}

# rig_sleeps PID: until something comes.
rig_sleeps() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null && [[ ${stat##*) } == S* ]]
}

# rig_capture_stop NAME...: fails when the kernel had to drop frames: such a capture proves nothing.
rig_capture_stop() {
	local name dropped failed=0
	sleep 0.3
	for name; do
		# Told to end, it leaves what it has not written yet.
		rig_wait 30 rig_sleeps "$(<"$RIG_DIR/$name.pid")" || true
		rig_stop "$(<"$RIG_DIR/$name.pid")"
		dropped=$(awk '/ dropped by / { n += $1; seen = 1 } END { if (seen) print n }' \
			"$RIG_DIR/$name.tcpdump")
		[[ $dropped == 0 ]] ||
			rig_fail "capture '$name' is not whole: $(<"$RIG_DIR/$name.tcpdump")" || failed=1
	done
	return "$failed"
}

# rig_flow NAME SERVER-NAMESPACE CLIENT-NAMESPACE [OPTION VALUE]...: starts one TCP flow or several, an
# iperf3 server and a client. The pid of the client is then in RIG_PID.
#     to ADDRESS      the server's, as the client knows it (needed)
#     port PORT       the server's (5201), which it shares with that of another address
#     cport PORT      the client's, for the data
#     seconds N       (10)
#     congestion NAME (cubic)
#     reverse yes     the server sends
#     parallel N      connections, all at once (1)
#     bitrate RATE    as iperf3 has it: 5M; 0 is as fast as it goes (0)
rig_flow() {
	local name=$1 server=$2 client=$3 server_pid
	local to='' port=5201 cport='' seconds=10 congestion=cubic reverse=no bitrate=0 parallel=1
	local arguments=()
	shift 3
	while (($#)); do
		case $1 in
		to | port | cport | seconds | congestion | reverse | bitrate | parallel) local "$1=$2" ;;
		*) rig_fail "flow option '$1'" || return ;;
		esac
		shift 2
	done
	rig_start "$server" iperf3 --server --one-off --bind "$to" --port "$port" --json \
		>"$RIG_DIR/$name.server" 2>&1
	server_pid=$RIG_PID
	rig_wait 30 rig_listens "$server" tcp "$port" "$to" ||
		rig_fail "iperf3 does not listen on port $port: $(<"$RIG_DIR/$name.server")" || return

	arguments=(--client "$to" --port "$port" --time "$seconds" --congestion "$congestion"
		--bitrate "$bitrate" --parallel "$parallel" --connect-timeout 30000 --json)
	[[ -z $cport ]] || arguments+=(--cport "$cport")
	[[ $reverse == no ]] || arguments+=(--reverse)
	rig_start "$client" iperf3 "${arguments[@]}" >"$RIG_DIR/$name.client" 2>&1
	printf '%s\n' "$reverse $RIG_PID $server_pid" >"$RIG_DIR/$name.flow"
}

# rig_flow_wait NAME [SECONDS]: until it has ended, 90 seconds if not told. Fails, and says why,
# if it failed or has not ended.
rig_flow_wait() {
	local reverse client server why
	read -r reverse client server <"$RIG_DIR/$1.flow"
	rig_wait_gone "${2:-90}" "$client" && rig_wait_gone 30 "$server" ||
		rig_fail "flow '$1' does not end" || return
	why=$(jq -r '.error // empty' "$RIG_DIR/$1.client" 2>&1)
	[[ -z $why ]] || rig_fail "flow '$1': $why"
}

# rig_flows_over NAMESPACE...: whether TCP has nothing more to send there, to close a connection either.
rig_flows_over() {
	local namespace
	for namespace; do
		[[ -z $(rig_in "$namespace" ss -H -t -n state connected exclude time-wait exclude fin-wait-2) ]] || return
	done
}

# rig_neighbours_stay NAMESPACE...: those that are known are not asked for again, seconds after they were used.
rig_neighbours_stay() {
	local namespace address interface
	for namespace; do
		while read -r address interface; do
			ip -n "$namespace" neigh change "$address" dev "$interface" nud permanent
		done < <(ip -n "$namespace" -j neigh show | jq -r '.[] | select(.lladdr) | .dst + " " + .dev')
	done
}

# rig_flow_goodput NAME [SKIP]: prints what the receiver got, payload bits per second, without
# its first SKIP seconds (1). After rig_flow_wait.
rig_flow_goodput() {
	local reverse client server receiver=server
	read -r reverse client server <"$RIG_DIR/$1.flow"
	[[ $reverse == no ]] || receiver=client
	jq -e --argjson skip "${2:-1}" '
		[.intervals[].sum | select(.start >= $skip - 0.01)] |
		(map(.bytes) | add) * 8 / (map(.seconds) | add) | floor
	' "$RIG_DIR/$1.$receiver" || rig_fail "flow '$1' has no measurement"
}

# rig_flood NAME NAMESPACE ADDRESS PORT RATE SECONDS [BLAST-ARGUMENT...]: UDP, 1472 bytes of payload
# a frame unless a --size follows. Its pid is then in RIG_PID, its count in RIG_DIR/NAME.flood.
rig_flood() {
	local name=$1 namespace=$2 address=$3 port=$4 rate=$5 seconds=$6
	shift 6
	rig_start "$namespace" "$RIG_TOOLS/blast" send "$address" "$port" --rate "$rate" \
		--seconds "$seconds" --size 1472 "$@" >"$RIG_DIR/$name.flood" 2>&1
	echo "$RIG_PID" >"$RIG_DIR/$name.pid"
}

# rig_flood_wait NAME [SECONDS]: until it has ended; prints its line of JSON.
rig_flood_wait() {
	rig_wait_gone "${2:-90}" "$(<"$RIG_DIR/$1.pid")" || rig_fail "flood '$1' does not end" || return
	jq -c -e 'select(.sent_packets >= 0)' "$RIG_DIR/$1.flood" ||
		rig_fail "flood '$1': $(<"$RIG_DIR/$1.flood")"
}

# rig_sink NAME NAMESPACE PORT: counts UDP that arrives, so that no ICMP answers it.
rig_sink() {
	rig_start "$2" "$RIG_TOOLS/blast" sink "$3" >"$RIG_DIR/$1.sink" 2>&1
	echo "$RIG_PID" >"$RIG_DIR/$1.pid"
	rig_wait 30 rig_listens "$2" udp "$3" || rig_fail "no sink on port $3: $(<"$RIG_DIR/$1.sink")"
}

# rig_sink_stop NAME: prints its line of JSON.
rig_sink_stop() {
	rig_stop "$(<"$RIG_DIR/$1.pid")"
	jq -c . "$RIG_DIR/$1.sink"
}

# rig_answer NAME NAMESPACE: answers requests on TCP port 443.
rig_answer() {
	rig_start "$2" "$RIG_TOOLS/ask" answer 443 >"$RIG_DIR/$1.answer" 2>&1
	rig_wait 30 rig_listens "$2" tcp 443 || rig_fail "no answers: $(<"$RIG_DIR/$1.answer")"
}

# rig_ask NAME NAMESPACE ADDRESS SECONDS: one connection to there, and a request of 1 KB on it ten
# times a second. Its pid is then in RIG_PID.
rig_ask() {
	rig_start "$2" "$RIG_TOOLS/ask" "$3" 443 --seconds "$4" >"$RIG_DIR/$1.ask" 2>"$RIG_DIR/$1.ask-error"
	echo "$RIG_PID" >"$RIG_DIR/$1.pid"
}

# rig_ask_wait NAME [SECONDS]: until it has ended; prints its line of JSON. Fails if the connection broke.
rig_ask_wait() {
	rig_wait_gone "${2:-90}" "$(<"$RIG_DIR/$1.pid")" || rig_fail "'$1' does not end" || return
	[[ ! -s $RIG_DIR/$1.ask-error ]] || rig_fail "'$1': $(<"$RIG_DIR/$1.ask-error")" || return
	jq -c -e 'select(.sent > 0)' "$RIG_DIR/$1.ask"
}

if [[ $0 == "${BASH_SOURCE[0]}" ]]; then
	(($#)) || {
		rig_fail 'usage: rig.bash COMMAND...'
		exit 2
	}
	rig_isolated_exec "$@"
fi
