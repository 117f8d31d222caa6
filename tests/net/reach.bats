#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Which hosts can be reached, and by which flow: real sshd, telnetd and nginx, firewalls
# that drop, reject and forbid, hosts that are not there, names, and ten thousand addresses
# under a limit. Runs itself under bats in mount and network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031,SC2016

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

NOWHERE=203.0.113.9 # no route leads there
ABSENT=192.0.2.77   # on the link, and nobody has it
MANY=10.128.0.0/14
ASSUMED='so the listed flows are assumed, and as there may be a limit only 50 hosts are tried in a second'

setup_file() {
	local program
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself" || return
	for program in /usr/sbin/sshd ssh-keygen nginx busybox openssl nft; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
	# Of this mount namespace alone, as /etc is.
	mount -t tmpfs -o mode=755 reach-run /run && mkdir -p /run/sshd /run/netns
	mkdir -p "$BATS_FILE_TMPDIR/nginx"
	ssh-keygen -q -t ed25519 -N '' -f "$BATS_FILE_TMPDIR/host_key"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=device -keyout "$BATS_FILE_TMPDIR/key.pem" \
		-out "$BATS_FILE_TMPDIR/cert.pem" 2>/dev/null
	echo 'nameserver 192.0.2.1' >/etc/resolv.conf
	echo 'hosts: files dns' >/etc/nsswitch.conf
	printf '127.0.0.1 localhost\n%s device.example\n%s six.example\n%s both.example\n%s both.example\n' \
		"$RIG_FAR4" "$RIG_FAR6" 2001:db8:ffff::1 "$RIG_FAR4" >/etc/hosts
}

setup() {
	rig_make
}

teardown() {
	rig_bwctl unload >/dev/null 2>&1 || true
	rig_destroy
}

# Says what differs, so that a failing test explains itself.
expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# In far, on all of its addresses, as on a device.
start_sshd() {
	cat >"$RIG_DIR/sshd_config" <<-END
		HostKey $BATS_FILE_TMPDIR/host_key
		PidFile none
		Port 22
	END
	rig_start far /usr/sbin/sshd -D -e -f "$RIG_DIR/sshd_config" 2>"$RIG_DIR/sshd.log"
	rig_wait 30 rig_listens far tcp 22
}

start_telnetd() {
	rig_start far busybox telnetd -F -l /bin/true
	rig_wait 30 rig_listens far tcp 23
}

# start_nginx NAMESPACE LISTEN...
start_nginx() {
	local namespace=$1 listen
	shift
	mkdir -p "$RIG_DIR/nginx"
	{
		echo "user root; daemon off; worker_processes 1; worker_rlimit_nofile 40000; error_log $RIG_DIR/nginx/error;"
		echo "pid $RIG_DIR/nginx/pid; events { worker_connections 30000; }"
		echo "http { access_log off; client_body_temp_path $RIG_DIR/nginx/b; proxy_temp_path $RIG_DIR/nginx/p;"
		echo "fastcgi_temp_path $RIG_DIR/nginx/f; uwsgi_temp_path $RIG_DIR/nginx/u; scgi_temp_path $RIG_DIR/nginx/s;"
		echo "server { ssl_certificate $BATS_FILE_TMPDIR/cert.pem; ssl_certificate_key $BATS_FILE_TMPDIR/key.pem;"
		for listen; do
			echo "listen $listen;"
		done
		echo 'return 200; } }'
	} >"$RIG_DIR/nginx.conf"
	rig_start "$namespace" nginx -e "$RIG_DIR/nginx/error" -c "$RIG_DIR/nginx.conf"
	rig_wait 30 rig_listens "$namespace" tcp 443
}

start_device() {
	start_sshd && start_telnetd && start_nginx far '443 ssl' '[::]:443 ssl'
}

# A firewall of the far side.
nft_far() {
	rig_in far nft "add table inet reach; add chain inet reach in { type filter hook input priority 0; }; $1"
}

# reach WORD...: runs it with --json, and keeps what it said and its exit code.
reach() {
	code=0
	rig_bwctl check --json --reach "$@" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/reach.errors" || code=$?
	cat "$RIG_DIR/reach.errors" >&2
}

# reach_slowly CALL MICROSECONDS WORD...: likewise, and each CALL takes that long.
reach_slowly() {
	local call=$1 us=$2
	shift 2
	code=0
	rig_in appliance strace -qq -o "$RIG_DIR/trace" -e trace="$call" -e inject="$call:delay_exit=$us" "$BWCTL" check --json "$@" \
		>"$RIG_DIR/reach.json" 2>"$RIG_DIR/reach.errors" || code=$?
	cat "$RIG_DIR/reach.errors" >&2
}

# result HOST PORT: of the echo without one
result() {
	jq -r --arg host "$1" --argjson port "${2:-null}" \
		'.hosts[] | select(.host == $host) | .probes[] | select(.port == $port).result' "$RIG_DIR/reach.json"
}

# of_host HOST FILTER
of_host() {
	jq -r --arg host "$1" ".hosts[] | select(.host == \$host) | $2" "$RIG_DIR/reach.json"
}

results() {
	echo "$(result "$1" 22) $(result "$1" 23) $(result "$1" 443) $(result "$1")"
}

# closed COUNT: so many connections, as sshd says in its own time
closed() {
	(($(grep -c '^Connection closed by' "$RIG_DIR/sshd.log") >= $1))
}

# questions: whether there were any, that nobody answers
questions() {
	[[ $(rig_in far nft list table inet dns) != *' packets 0 '* ]]
}

# ---- results ----

@test "a device: sshd, telnetd and nginx are open by IPv4, IPv6, link-local and by names, and the echo is answered" {
	local link host
	start_device
	link=$(rig_in far ip -j -6 address show dev eth0 scope link | jq -r '.[0].addr_info[] | select(.local).local')
	reach "$RIG_FAR4" "$RIG_FAR6" "$link%eth0" device.example six.example both.example DEVICE.example. "[$RIG_FAR6]" 2001:DB8:0::1
	expect 'exit code' 0 "$code"
	expect 'each host once' "$RIG_FAR4 $RIG_FAR6 $link%eth0 device.example six.example both.example" \
		"$(jq -r '[.hosts[].host] | join(" ")' "$RIG_DIR/reach.json")"
	for host in "$RIG_FAR4" "$RIG_FAR6" "$link%eth0" device.example six.example both.example; do
		expect "$host" 'open open open open' "$(results "$host")"
		expect "level of $host" ok "$(of_host "$host" .level)"
		expect "reason of $host" null "$(of_host "$host" .reason)"
		# busybox telnetd has a short queue: a SYN may have to come twice.
		of_host "$host" '.probes[].seconds' | awk '!($1 > 0 && $1 < 3.5) { exit 1 }'
	done
	expect 'by a name of /etc/hosts' "$RIG_FAR4" "$(of_host device.example .address)"
	# The IPv6 address has no route.
	expect 'the address that is usable' "$RIG_FAR4" "$(of_host both.example .address)"
	expect 'flows' 'ssh telnet api icmp' "$(of_host "$RIG_FAR4" '[.probes[].flow] | join(" ")')"
	expect 'flows by IPv6' 'ssh telnet api icmpv6' "$(of_host "$RIG_FAR6" '[.probes[].flow] | join(" ")')"
	jq -e '.version and .summary.complete and .summary.ok == 6 and .summary.fail == 0 and .summary.dropped_packets == null' \
		"$RIG_DIR/reach.json"
	# A connection that was reset would be said to be.
	rig_wait 30 closed 6 || true
	cat "$RIG_DIR/sshd.log"
	[[ $(grep -c '^Connection closed by' "$RIG_DIR/sshd.log") == 6 ]]
	run -1 grep -i reset "$RIG_DIR/sshd.log"
}

@test "refused, filtered, forbidden by the administrator, no route, and each with its level and its reason" {
	start_sshd
	nft_far 'add rule inet reach in tcp dport 23 drop
		add rule inet reach in tcp dport 443 reject with icmpx admin-prohibited
		add rule inet reach in tcp dport 8443 reject with icmpx host-unreachable
		add rule inet reach in tcp dport 9443 reject with icmpx port-unreachable
		add rule inet reach in tcp dport 9444 reject with tcp reset'
	ip -n appliance route add unreachable 198.18.0.0/24
	ip -n appliance route add prohibit 198.18.1.0/24
	ip -n appliance route add blackhole 198.18.2.0/24
	reach "$RIG_FAR4" "$RIG_FAR6" "$RIG_FAR4":{8443,9443,9444,7} "$ABSENT" 2001:db8::77 "$NOWHERE" \
		198.18.{0,1,2}.1 192.0.2.1:22 'fe80::1%nowhere0'
	expect 'exit code' 1 "$code"
	expect 'far' 'open filtered filtered open' "$(results "$RIG_FAR4")"
	expect 'far by IPv6' 'open filtered filtered open' "$(results "$RIG_FAR6")"
	expect 'host unreachable' no_route "$(result "$RIG_FAR4:8443" 8443)"
	expect 'port unreachable' refused "$(result "$RIG_FAR4:9443" 9443)"
	expect 'a reset' refused "$(result "$RIG_FAR4:9444" 9444)"
	expect 'nobody listens' refused "$(result "$RIG_FAR4:7" 7)"
	expect 'nobody is there' 'no_route no_route no_route no_route' "$(results "$ABSENT")"
	expect 'nobody is there, IPv6' 'no_route no_route no_route no_route' "$(results 2001:db8::77)"
	expect 'no route' 'no_route no_route no_route no_route' "$(results "$NOWHERE")"
	expect 'a route that says so' 'no_route no_route no_route no_route' "$(results 198.18.0.1)"
	expect 'a route that prohibits' 'filtered filtered filtered filtered' "$(results 198.18.1.1)"
	expect 'a black hole' 'no_route no_route no_route no_route' "$(results 198.18.2.1)"
	expect 'no interface' "there is no interface 'nowhere0'" "$(of_host 'fe80::1%nowhere0' .reason)"
	expect 'levels' 'ok ok fail fail' \
		"$(for host in "$RIG_FAR4" "$RIG_FAR4:22" "$RIG_FAR4:7" "$ABSENT"; do of_host "$host" .level; done | xargs)"
	expect 'a port that is not listed' 'null other' "$(of_host "$RIG_FAR4:7" '.probes[0] | "\(.flow) \(.class)"')"
	# What is over at once does not wait for the rest, which has 4 seconds.
	jq -e '.summary.seconds > 3.9 and .summary.seconds < 7.8' "$RIG_DIR/reach.json"
	jq -e '.summary.flows | map(select(.port == 22))[0] | .hosts == 10 and .open == 3 and .no_route == 6 and .filtered == 1' \
		"$RIG_DIR/reach.json"
}

@test "an echo that nobody answers is a warning; one that is forbidden is filtered" {
	start_sshd
	nft_far 'add rule inet reach in icmp type echo-request drop
		add rule inet reach in icmpv6 type echo-request reject with icmpv6 admin-prohibited'
	reach --timeout 1s "$RIG_FAR4:22" "[$RIG_FAR6]:22"
	expect 'exit code' 0 "$code"
	expect 'IPv4' 'warn filtered the echo is not answered' \
		"$(of_host "$RIG_FAR4:22" '"\(.level) \(.probes[1].result) \(.reason)"')"
	expect 'IPv6' 'warn filtered' "$(of_host "[$RIG_FAR6]:22" '"\(.level) \(.probes[1].result)"')"
	# The first of three is lost.
	rig_in far nft flush chain inet reach in
	nft_far 'add rule inet reach in icmp type echo-request limit rate over 1/hour burst 1 packets accept; add rule inet reach in icmp type echo-request drop'
	reach "$RIG_FAR4:22"
	expect 'the second echo' open "$(result "$RIG_FAR4:22")"
}

@test "a SYN that is lost is sent again, and a host that answers late is open" {
	start_sshd
	nft_far 'add rule inet reach in tcp dport 22 limit rate over 1/hour burst 1 packets accept; add rule inet reach in tcp dport 22 drop'
	reach "$RIG_FAR4:22"
	expect 'after one second' open "$(result "$RIG_FAR4:22" 22)"
	of_host "$RIG_FAR4:22" '.probes[0].seconds' | awk '{ exit !($1 > 0.9 && $1 < 2.9) }'
	rig_in far nft delete table inet reach
	nft_far 'add rule inet reach in tcp dport 22 drop'
	reach --timeout 300ms "$RIG_FAR4:22"
	expect 'not in time' filtered "$(result "$RIG_FAR4:22" 22)"
	jq -e '.summary.seconds > 0.29 and .summary.seconds < 1' "$RIG_DIR/reach.json"
}

@test "a process that is kept from running for longer than the timeout: what answered meanwhile is open" {
	command -v strace >/dev/null || skip 'strace is not installed'
	start_device
	reach_slowly epoll_wait 1200000 --timeout 1s --reach "$RIG_FAR4" "[$RIG_FAR6]:22" "$RIG_FAR4:9"
	expect 'by IPv4' 'open open open open' "$(results "$RIG_FAR4")"
	expect 'by IPv6' 'open open' "$(result "[$RIG_FAR6]:22" 22) $(result "[$RIG_FAR6]:22")"
	expect 'refused' refused "$(result "$RIG_FAR4:9" 9)"
	# And what nobody answers is not.
	nft_far 'add rule inet reach in tcp dport 22 drop; add rule inet reach in icmp type echo-request drop'
	reach_slowly epoll_wait 1200000 --timeout 1s --reach "$RIG_FAR4"
	expect 'without an answer' 'filtered open open filtered' "$(results "$RIG_FAR4")"
}

@test "names: no server, a server that does not know it, and a name by DNS" {
	start_sshd
	reach --timeout 1s nohost.example
	expect 'no server' 'unresolved unresolved unresolved unresolved' "$(results nohost.example)"
	[[ $(of_host nohost.example .reason) == 'the name does not resolve: '* ]]
	expect 'address' null "$(of_host nohost.example .address)"
	expect 'exit code' 1 "$code"
	# A server of our own: A of known.example, and nothing else.
	cat >"$RIG_DIR/dns.pl" <<'END'
use Socket;
socket(my $s, PF_INET, SOCK_DGRAM, 0) or die; bind($s, sockaddr_in(53, inet_aton("192.0.2.1"))) or die;
while (my $from = recv($s, my $q, 512, 0)) {
	my ($id, $flags) = unpack("n2", $q); my $at = 12; my @labels;
	while ((my $n = ord(substr($q, $at, 1))) > 0) { push @labels, substr($q, $at + 1, $n); $at += $n + 1; }
	my $type = unpack("n", substr($q, $at + 1, 2)); my $question = substr($q, 12, $at + 5 - 12);
	my $known = join(".", @labels) eq "known.example"; my $has = $known && $type == 1;
	my $answer = $has ? pack("n n n N n", 0xc00c, 1, 1, 60, 4) . inet_aton("192.0.2.1") : "";
	send($s, pack("n6", $id, 0x8580 | ($known ? 0 : 3), 1, $has ? 1 : 0, 0, 0) . $question . $answer, 0, $from);
}
END
	rig_start far perl "$RIG_DIR/dns.pl"
	rig_wait 30 rig_listens far udp 53
	reach known.example:22 nohost.example:22
	expect 'by DNS' "open $RIG_FAR4" "$(of_host known.example:22 '"\(.probes[0].result) \(.address)"')"
	expect 'not known' 'the name does not resolve: Domain name not found' "$(of_host nohost.example:22 .reason)"
}

@test "a server that is silent holds up hundreds of names at once, not one after the other; questions are paced" {
	local name
	rig_in far nft 'add table inet dns; add chain inet dns in { type filter hook input priority 0; }; add rule inet dns in udp dport 53 counter drop'
	for name in {1..1000}; do echo "silent$name.example:22"; done >"$RIG_DIR/hosts"
	rig_bwctl check --json --timeout 1s --inventory "$RIG_DIR/hosts" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" || true
	jq -c .summary "$RIG_DIR/reach.json"
	jq -e '.summary | .fail == 1000 and .seconds < 6' "$RIG_DIR/reach.json"
	rig_bwctl load eth0 >/dev/null
	rig_bwctl set 1mbit >/dev/null
	head -n 200 "$RIG_DIR/hosts" >"$RIG_DIR/some"
	rig_bwctl check --json --timeout 300ms --inventory "$RIG_DIR/some" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" || true
	jq -e '.summary | .fail == 200 and .seconds > 2 and .seconds < 6' "$RIG_DIR/reach.json"
	# Interrupted, with questions on the way.
	rig_in far nft 'delete table inet dns; add table inet dns; add chain inet dns in { type filter hook input priority 0; }; add rule inet dns in udp dport 53 counter drop'
	rig_start appliance "$BWCTL" check --json --timeout 1min --inventory "$RIG_DIR/some" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors"
	rig_wait 30 rig_catches "$RIG_PID" INT
	rig_wait 30 questions
	kill -INT "$RIG_PID"
	wait "$RIG_PID" || true
	expect 'said' 'bwctl: interrupted: 0 of 200 hosts are known, this is not all' "$(<"$RIG_DIR/errors")"
}

@test "where nothing answers at the first address of a name, the next one is tried" {
	start_sshd
	cp /etc/hosts "$RIG_DIR/etc-hosts"
	ip -n far address add 192.0.2.101/24 dev eth0
	nft_far 'add rule inet reach in ip daddr 192.0.2.101 drop'
	printf '%s\n' "192.0.2.101 two.example" "$RIG_FAR4 two.example" "192.0.2.101 dead.example" "$ABSENT dead.example" >>/etc/hosts
	reach --timeout 1s two.example dead.example:22
	cp "$RIG_DIR/etc-hosts" /etc/hosts
	expect 'two' 'open refused refused open' "$(results two.example)"
	expect 'address' "$RIG_FAR4" "$(of_host two.example .address)"
	expect 'level' 'ok fail' "$(jq -r '[.hosts[].level] | join(" ")' "$RIG_DIR/reach.json")"
	# Each had its time.
	jq -e '.summary | .complete and .seconds > 1.9 and .seconds < 4' "$RIG_DIR/reach.json"
}

@test "what an echo is told is no word about TCP" {
	nft_far 'add rule inet reach in icmp type echo-request reject with icmp host-unreachable; add rule inet reach in tcp dport 22 drop'
	reach --timeout 1s "$RIG_FAR4:22"
	expect 'results' 'filtered no_route' "$(of_host "$RIG_FAR4:22" '[.probes[].result] | join(" ")')"
}

# ---- flows ----

# is_careful, is_quick: a hundred hosts, without rights and with; in one of several tries, since a machine may be busy
is_careful() {
	rig_in appliance setpriv --reuid 65534 --clear-groups "$BWCTL" check --json --inventory - <"$RIG_DIR/hosts" \
		>"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" &&
		jq -e '.summary | .ok == 100 and .seconds > 1.9 and .seconds < 3.5' "$RIG_DIR/reach.json"
}

is_quick() {
	rig_bwctl check --json --inventory "$RIG_DIR/hosts" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" &&
		expect 'hints' '' "$(<"$RIG_DIR/errors")" &&
		jq -e '.summary | .ok == 100 and .seconds < 1.5' "$RIG_DIR/reach.json"
}

@test "the flow table that is in force says which flow it is: ports, prefixes, interfaces, and who may not read it" {
	start_sshd
	rig_bwctl load eth0 >/dev/null
	rig_bwctl set class lab 5mbit flow jump class lab protocol tcp remote 2222 prefix 192.0.2.0/24 \
		flow there class lab protocol tcp remote 22 interface eth0 prefix 2001:db8::/64 flow telnet remove >/dev/null
	reach "$RIG_FAR4:2222" "$RIG_INSIDE4:2222" "$RIG_FAR4" "[$RIG_FAR6]:22" "[$RIG_INSIDE6]:22"
	expect 'a prefix' 'jump lab' "$(of_host "$RIG_FAR4:2222" '.probes[0] | "\(.flow) \(.class)"')"
	expect 'another' 'null other' "$(of_host "$RIG_INSIDE4:2222" '.probes[0] | "\(.flow) \(.class)"')"
	expect 'removed' 'ssh other api' "$(of_host "$RIG_FAR4" '[.probes[:3][] | .flow // .class] | join(" ")')"
	expect 'an interface' there "$(of_host "[$RIG_FAR6]:22" '.probes[0].flow')"
	expect 'elsewhere' ssh "$(of_host "[$RIG_INSIDE6]:22" '.probes[0].flow')"
	expect 'dropped' 0 "$(jq .summary.dropped_packets "$RIG_DIR/reach.json")"
	# Without rights: the listed flows.
	code=0
	rig_in appliance setpriv --reuid 65534 --clear-groups "$BWCTL" check --json --reach "$RIG_FAR4" \
		>"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" || code=$?
	expect 'listed flows' 'ssh telnet api icmp' "$(of_host "$RIG_FAR4" '[.probes[].flow] | join(" ")')"
	[[ $(<"$RIG_DIR/errors") =~ ^'bwctl: the limiter cannot be read: '[^$'\n']+': Permission denied'$'\n'"hint: $ASSUMED (run as root)"($|$'\n') ]]
	# With care: there may be a limit.
	ip -n far route add local 10.1.0.0/24 dev lo
	ip -n appliance route add 10.1.0.0/24 via "$RIG_FAR4"
	for host in {1..100}; do echo "10.1.0.$host:22"; done >"$RIG_DIR/hosts"
	rig_wait 60 is_careful
	grep '^bwctl: the limiter cannot be read: ' "$RIG_DIR/errors"
	# Where it may be read there is no hint, and one that only observes is not a limit.
	rig_bwctl set 100kbit mode observe >/dev/null
	rig_wait 60 is_quick
}

@test "a limiter that root cannot read: why, and what helps, which is not to be root" {
	start_sshd
	rig_bwctl load eth0 >/dev/null
	code=0
	rig_in appliance bash -c 'ulimit -n 8 && exec "$@"' limited "$BWCTL" check --json --reach "$RIG_FAR4:22" \
		>"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" || code=$?
	cat "$RIG_DIR/errors"
	[[ $(<"$RIG_DIR/errors") =~ ^'bwctl: the limiter cannot be read: '[^$'\n']+': Too many open files'$'\n'"hint: $ASSUMED (raise ulimit -n)" ]]
	# Root that may not: it depends on the kernel for what CAP_BPF is needed.
	if command -v strace >/dev/null; then
		rig_in appliance strace -qq -o "$RIG_DIR/trace" -e trace=bpf -e inject=bpf:error=EPERM "$BWCTL" check --json --reach "$RIG_FAR4:22" \
			>"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" || code=$?
		cat "$RIG_DIR/errors"
		[[ $(<"$RIG_DIR/errors") =~ ^'bwctl: the limiter cannot be read: '[^$'\n']+': Operation not permitted'$'\n'"hint: $ASSUMED (CAP_BPF may be missing)"$ ]]
	fi
	rm /sys/fs/bpf/bwctl/clocks
	reach "$RIG_FAR4:22"
	expect 'exit code' 0 "$code"
	[[ $(<"$RIG_DIR/reach.errors") =~ ^'bwctl: the limiter cannot be read: '[^$'\n']+$'\n'"hint: $ASSUMED (bwctl check says more)"$ ]]
}

@test "without CAP_NET_RAW: by the socket for echoes, or the echo is unknown, with one hint" {
	start_sshd
	rig_in appliance sysctl -q -w net.ipv4.ping_group_range='1 0'
	code=0
	rig_in appliance setpriv --bounding-set=-net_raw --inh-caps=-net_raw "$BWCTL" check --json --reach \
		"$RIG_FAR4:22" "[$RIG_FAR6]:22" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" || code=$?
	expect 'exit code' 0 "$code"
	expect 'the echo' 'unknown unknown' "$(jq -r '[.hosts[].probes[1].result] | join(" ")' "$RIG_DIR/reach.json")"
	expect 'level' 'ok ok' "$(jq -r '[.hosts[].level] | join(" ")' "$RIG_DIR/reach.json")"
	expect 'hint' 'hint: to send echoes, run as root, or with CAP_NET_RAW' "$(<"$RIG_DIR/errors")"
	rig_in appliance sysctl -q -w net.ipv4.ping_group_range='0 2147483647'
	nft_far 'add rule inet reach in ip daddr 192.0.2.101 reject with icmp admin-prohibited'
	ip -n far address add 192.0.2.101/24 dev eth0
	rig_in appliance setpriv --bounding-set=-net_raw --inh-caps=-net_raw "$BWCTL" check --json --reach \
		"$RIG_FAR4:22" "[$RIG_FAR6]:22" 192.0.2.101:22 "$ABSENT:22" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" || code=$?
	expect 'the echo' 'open open filtered no_route' "$(jq -r '[.hosts[].probes[1].result] | join(" ")' "$RIG_DIR/reach.json")"
	expect 'TCP' 'open open filtered no_route' "$(jq -r '[.hosts[].probes[0].result] | join(" ")' "$RIG_DIR/reach.json")"
	expect 'hints' '' "$(<"$RIG_DIR/errors")"
}

# ---- words ----

@test "an inventory: comments, blanks and duplicates; - is standard input; hosts may be given beside it" {
	start_sshd
	printf '# devices\n\n  %s:22  # the first\r\n%s:22\n\t[%s]:22' "$RIG_FAR4" "$RIG_FAR4" "$RIG_FAR6" >"$RIG_DIR/hosts"
	rig_bwctl check --json --inventory "$RIG_DIR/hosts" --reach device.example:22 "$RIG_FAR4:22" >"$RIG_DIR/reach.json"
	expect 'hosts' "device.example:22 $RIG_FAR4:22 [$RIG_FAR6]:22" "$(jq -r '[.hosts[].host] | join(" ")' "$RIG_DIR/reach.json")"
	rig_bwctl check --json --inventory - <"$RIG_DIR/hosts" >"$RIG_DIR/reach.json"
	expect 'standard input' 2 "$(jq '.hosts | length' "$RIG_DIR/reach.json")"
}

@test "an inventory that may never end is refused at once, or when it is too long; <(...) is taken" {
	local code=0
	start_sshd
	mkfifo "$RIG_DIR/fifo"
	run -1 rig_in appliance timeout 20 "$BWCTL" check --inventory "$RIG_DIR/fifo"
	expect 'a pipe with a name' "bwctl: cannot read '$RIG_DIR/fifo': it is not a regular file" "$output"
	run -1 rig_in appliance timeout 20 "$BWCTL" check --inventory /dev/zero
	expect 'a device' "bwctl: cannot read '/dev/zero': it is not a regular file" "$output"
	# What comes by standard input is read: up to that.
	run -1 rig_in appliance bash -c 'exec "$@" </dev/zero' endless timeout 60 "$BWCTL" check --inventory -
	expect 'too much' "bwctl: 'standard input' is too large: expected at most 32 MiB" "$output"
	{
		printf '%s:22\n' "$RIG_FAR4"
		head -c 5000 /dev/zero | tr '\0' x
		printf '\n%s/24\n' "$RIG_FAR4"
	} >"$RIG_DIR/hosts"
	run -1 rig_bwctl check --inventory "$RIG_DIR/hosts"
	expect 'a long line' "bwctl: $RIG_DIR/hosts:2: the line is too long: expected at most 4096 bytes" "${lines[0]}"
	expect 'a range' "bwctl: $RIG_DIR/hosts:3: '$RIG_FAR4/24': a range is not taken: name its hosts, or list them in an inventory, one a line" "${lines[1]}"
	rig_bwctl check --json --inventory <(echo "$RIG_FAR4:22") >"$RIG_DIR/reach.json"
	expect 'a pipe of the shell' open "$(result "$RIG_FAR4:22" 22)"
	echo "$RIG_FAR4:22" | rig_bwctl check --json --inventory - >"$RIG_DIR/reach.json"
	expect 'standard input' open "$(result "$RIG_FAR4:22" 22)"
}

# says CODE TEXT COMMAND...: the first line that it says, and its exit code
says() {
	local due=$1 text=$2 code=0
	shift 2
	rig_bwctl "$@" >"$RIG_DIR/output" 2>"$RIG_DIR/errors" </dev/null || code=$?
	expect "exit code of $*" "$due" "$code"
	expect "$*" "bwctl: $text" "$(head -n 1 "$RIG_DIR/errors")"
	expect "output of $*" '' "$(<"$RIG_DIR/output")"
}

@test "mistakes in words are misuse, those in an inventory a failure, with their line; nothing is sent" {
	rig_capture sent far eth0 'tcp or icmp'
	says 2 'check: a host is missing' check --reach
	says 2 "check: 'x' is one word too many" check x
	says 2 "check: '?[31m' is one word too many" check $'\e[31m'
	says 2 "check: 'x' is one word too many" check --inventory f x
	says 2 'check: --jumphost does not go with --reach or --inventory' check --jumphost h --reach x
	says 2 'check: --json or --csv, one of them' check --json --csv --reach x
	says 2 'check: --csv is for --reach and --inventory alone' check --csv
	says 2 'check: --timeout is for --reach, --inventory and --jumphost alone' check --timeout 1s
	says 2 "timeout: '50ms' is out of range: expected 100ms to 5min" check --timeout 50ms --reach x
	says 2 "timeout: '6min' is out of range: expected 100ms to 5min" check --timeout 6min --reach x
	says 2 "check: '192.0.2.1:0': expected a port, 1 to 65535, behind the colon" check --reach 192.0.2.1 192.0.2.1:0
	says 2 "check: 'http://dev.example': expected HOST or HOST:PORT, without http://" check --reach 192.0.2.1 http://dev.example
	says 2 "check: '10.0.0.0/24': a range is not taken: name its hosts, or list them in an inventory, one a line" check --reach 10.0.0.0/24
	says 2 "check: 'a b': expected HOST or HOST:PORT, an address or a name" check --reach 'a b'
	says 2 "check: 'fe80::1': a link-local address needs an interface (fe80::1%eth0)" check --reach fe80::1
	says 2 "check: '1.2.3': this is not an IPv4 address, nor a name" check --reach 1.2.3
	says 1 "cannot open '$RIG_DIR/none': No such file or directory" check --inventory "$RIG_DIR/none"
	printf '#\n\n' >"$RIG_DIR/hosts"
	says 1 "$RIG_DIR/hosts: there is no host in it" check --inventory "$RIG_DIR/hosts"
	printf '192.0.2.1\nx y\n\n[2001:db8::1:22\n' >"$RIG_DIR/hosts"
	says 1 "$RIG_DIR/hosts:2: 'y': expected one host a line" check --inventory "$RIG_DIR/hosts"
	expect 'the other line' "bwctl: $RIG_DIR/hosts:4: '[2001:db8::1:22': a ] is missing" "$(sed -n 2p "$RIG_DIR/errors")"
	says 1 "cannot read '$RIG_DIR': Is a directory" check --inventory "$RIG_DIR"
	says 1 "cannot open '?[31m?x': No such file or directory" check --inventory $'\e[31m\nx'
	cp "$RIG_DIR/hosts" "$RIG_DIR"/$'\e[31m'
	says 1 "$RIG_DIR/?[31m:2: 'y': expected one host a line" check --inventory "$RIG_DIR"/$'\e[31m'
	says 2 "check: 'fe80::1%?[31m': expected the name of an interface behind the %" check --reach $'fe80::1%\e[31m'
	head -c 3000 /dev/urandom >"$RIG_DIR/hosts"
	rig_bwctl check --inventory "$RIG_DIR/hosts" 2>"$RIG_DIR/errors" && return 1
	LC_ALL=C run -1 grep '[^ -~]' "$RIG_DIR/errors"
	[[ $(wc -l <"$RIG_DIR/errors") -le 21 ]]
	rig_capture_stop sent
	expect 'packets' 0 "$(tcpdump -r "$RIG_DIR/sent.pcap" 2>/dev/null | wc -l)"
}

# ---- output ----

@test "the table: of a few hosts all, of many those that are not ok; advice for what is wrong; CSV as RFC 4180" {
	start_sshd
	nft_far 'add rule inet reach in tcp dport 23 drop'
	code=0
	rig_bwctl check --timeout 1s --reach "$RIG_FAR4" "$RIG_FAR4:7" "$RIG_FAR4:23" nohost.example "$NOWHERE" >"$RIG_DIR/table" || code=$?
	cat "$RIG_DIR/table"
	expect 'exit code' 1 "$code"
	grep -q -E "^ok +$RIG_FAR4 +open [0-9.]+ [mu]s +filtered +refused .* ssh, icmp\$" "$RIG_DIR/table"
	grep -q -E "^fail  $RIG_FAR4:7 .* 7 refused " "$RIG_DIR/table"
	grep -q -F -x '      -> the name does not resolve: Could not contact DNS servers' "$RIG_DIR/table"
	grep -q -E '^ssh \(22\) +works with 1 of 3: 1 no route, 1 unresolved$' "$RIG_DIR/table"
	grep -q -E '^1 ok, 0 to look at, 4 wrong, in ' "$RIG_DIR/table"
	grep -q -E '^refused +-> the service is off' "$RIG_DIR/table"
	grep -q -E '^filtered +-> .*ask for "TCP appliance >1024 -> HOST 23"' "$RIG_DIR/table"
	grep -q -E '^no route +-> ' "$RIG_DIR/table"
	grep -q -E '^unresolved +-> ' "$RIG_DIR/table"
	expect 'the rule' 'ok           -> at least one of the TCP ports is open, and it answers the echo' "$(tail -n 1 "$RIG_DIR/table")"
	run -1 grep -q $'\033' "$RIG_DIR/table"
	# Many: AnyIP, and one that is not there.
	ip -n far route add local 10.1.0.0/24 dev lo
	ip -n appliance route add 10.1.0.0/24 via "$RIG_FAR4"
	for host in {1..60}; do echo "10.1.0.$host:22"; done >"$RIG_DIR/hosts"
	rig_bwctl check --inventory "$RIG_DIR/hosts" --reach "$NOWHERE:22" >"$RIG_DIR/table" || true
	cat "$RIG_DIR/table"
	expect 'rows' 1 "$(grep -c -E '^(ok|warn|fail) +[^ -]' "$RIG_DIR/table")"
	grep -q -E '^ssh \(22\) +works with 60 of 61: 1 no route$' "$RIG_DIR/table"
	rig_bwctl check --csv --reach "$RIG_FAR4" nohost.example >"$RIG_DIR/csv" || true
	cat "$RIG_DIR/csv"
	expect 'lines' 9 "$(wc -l <"$RIG_DIR/csv")"
	expect 'lines that end in CR LF' 9 "$(grep -c $'\r$' "$RIG_DIR/csv")"
	python3 - "$RIG_DIR/csv" <<-'END'
		import csv, sys
		rows = list(csv.DictReader(open(sys.argv[1], newline="")))
		assert [r["result"] for r in rows[:4]] == ["open", "filtered", "refused", "open"], rows
		assert [r["port"] for r in rows[:4]] == ["22", "23", "443", ""], rows
		assert all(r["host"] == "nohost.example" and r["address"] == "" and r["level"] == "fail" for r in rows[4:])
		assert float(rows[0]["seconds"]) > 0 and rows[1]["seconds"] == ""
	END
}

# on_terminal COLUMNS WORD...: what bwctl shows on one, without colours and the bar.
on_terminal() {
	local columns=$1
	shift
	NO_COLOR=1 rig_in appliance script -q -e -c "stty cols $columns; $BWCTL $* 2>/dev/null" /dev/null </dev/null | tr -d '\r'
}

# Times and what is in columns that are not shown apart: the words that there are.
words() {
	sed -E 's/[0-9.]+ ([mu]?s|min)\>/TIME/g; s/ works$//' "$@" | tr -s ' ' '\n' | sort -u
}

@test "on a terminal of 80 columns no line is longer, and no word is missing; a pipe has the lines whole" {
	command -v script >/dev/null || skip 'script is not installed'
	start_sshd
	nft_far 'add rule inet reach in tcp dport 23 drop; add rule inet reach in icmp type echo-request drop'
	local -a hosts=("$RIG_FAR4" "$RIG_FAR4:8443" "[$RIG_FAR6]:22" device.example six.example:443 nohost.example "$NOWHERE")
	rig_bwctl check --timeout 1s --reach "${hosts[@]}" >"$RIG_DIR/plain" || true
	grep -q -E '^.{100}' "$RIG_DIR/plain"
	on_terminal 80 check --timeout 1s --reach "${hosts[@]}" >"$RIG_DIR/terminal" || true
	cat "$RIG_DIR/terminal"
	run ! grep -E '^.{81}' "$RIG_DIR/terminal"
	# The flows by which it works are in the head, too.
	diff <(words "$RIG_DIR/plain" | grep -v -x -E 'ssh,|icmp|-') <(words "$RIG_DIR/terminal" | grep -v -x -E 'icmp|-')
	on_terminal 80 check --timeout 1s --reach "$RIG_FAR4" "$NOWHERE" >"$RIG_DIR/terminal" || true
	cat "$RIG_DIR/terminal"
	run ! grep -E '^.{81}' "$RIG_DIR/terminal"
	expect 'a line each' 2 "$(grep -c -E '^(warn|fail)  [^ ]+ +(open|no route) .*(filtered|no route)' "$RIG_DIR/terminal")"
	on_terminal 250 check --timeout 1s --reach "${hosts[@]}" >"$RIG_DIR/terminal" || true
	diff <(sed -E 's/[0-9.]+ [mu]?s\>/TIME/g; s/ +/ /g' "$RIG_DIR/plain") <(sed -E 's/[0-9.]+ [mu]?s\>/TIME/g; s/ +/ /g' "$RIG_DIR/terminal")
}

@test "hundreds that fail alike: fifty and a number on a terminal, all in a pipe" {
	command -v script >/dev/null || skip 'script is not installed'
	start_sshd
	ip -n appliance route add unreachable 198.18.0.0/24
	printf '198.18.0.%d\n' {1..250} >"$RIG_DIR/hosts"
	on_terminal 80 check --inventory "$RIG_DIR/hosts" --reach "$RIG_FAR4:9" >"$RIG_DIR/terminal" || true
	cat "$RIG_DIR/terminal"
	expect 'no route' 50 "$(grep -c -E '^fail  198.18.0.[0-9]+ +no route +no route +no route +no route$' "$RIG_DIR/terminal")"
	expect 'refused' 1 "$(grep -c -E "^fail  $RIG_FAR4:9 " "$RIG_DIR/terminal")"
	expect 'the rest' 1 "$(grep -c -x '      and 200 more: all no route' "$RIG_DIR/terminal")"
	expect 'all of them' 1 "$(grep -c -x '      --csv or --json has all of them' "$RIG_DIR/terminal")"
	rig_bwctl check --inventory "$RIG_DIR/hosts" >"$RIG_DIR/plain" || true
	expect 'in a pipe' 250 "$(grep -c '^fail  198' "$RIG_DIR/plain")"
	run -1 grep ' more: ' "$RIG_DIR/plain"
}

@test "on a terminal: colours, and a bar that goes away; NO_COLOR" {
	command -v script >/dev/null || skip 'script is not installed'
	start_sshd
	nft_far 'add rule inet reach in tcp dport 23 drop'
	rig_in appliance script -q -e -c "$BWCTL check --timeout 2s --reach $RIG_FAR4:22 $RIG_FAR4:23" "$RIG_DIR/terminal" </dev/null || true
	grep -q $'\033\\[31mfail' "$RIG_DIR/terminal"
	grep -q $'\r\\[############            \\] 1 of 2 hosts, [0-9]* s left\033\\[K' "$RIG_DIR/terminal"
	NO_COLOR=1 rig_in appliance script -q -e -c "$BWCTL check --reach $RIG_FAR4:22" "$RIG_DIR/terminal" </dev/null
	run -1 grep -q $'\033\\[3' "$RIG_DIR/terminal"
	NO_COLOR='' rig_in appliance script -q -e -c "$BWCTL check --reach $RIG_FAR4:22" "$RIG_DIR/terminal" </dev/null
	grep -q $'\033\\[3' "$RIG_DIR/terminal"
}

@test "interrupted: what is known is printed, and that it is not all; exit 1" {
	local code=0
	start_sshd
	nft_far 'add rule inet reach in tcp dport 23 drop'
	rig_start appliance "$BWCTL" check --json --timeout 1min --reach "$RIG_FAR4:22" "$RIG_FAR4:23" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors"
	rig_wait 30 rig_catches "$RIG_PID" INT
	rig_wait 30 closed 1
	sleep 0.5
	kill -INT "$RIG_PID"
	wait "$RIG_PID" || code=$?
	expect 'exit code' 1 "$code"
	expect 'said' 'bwctl: interrupted: 1 of 2 hosts are known, this is not all' "$(<"$RIG_DIR/errors")"
	expect 'known' open "$(result "$RIG_FAR4:22" 22)"
	expect 'not known' 'unknown unknown' "$(of_host "$RIG_FAR4:23" '"\(.level) \(.probes[0].result)"')"
	expect 'complete' false "$(jq .summary.complete "$RIG_DIR/reach.json")"
}

# ---- many ----

# AnyIP: every address of MANY is one of inside, behind the appliance as a router; far asks.
make_many() {
	ip -n far address add 192.0.2.200/24 dev eth0
	ip -n far route add local "$MANY" dev lo
	ip -n appliance route add "$MANY" via "$RIG_FAR4"
	rig_in far sysctl -q -w net.core.somaxconn=4096 net.ipv4.tcp_max_syn_backlog=8192
	start_nginx far '22 backlog=4096' '23 backlog=4096' '443 ssl backlog=4096'
	awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "10.%d.%d.%d\n", 128 + int(i / 65536), int(i / 256) % 256, i % 256 }' >"$RIG_DIR/hosts"
}

@test "ten thousand hosts under a limit of 20mbit: in less than a minute, all open, and the wire under the ceiling" {
	local code=0 window
	make_many 10001
	sed -i 1d "$RIG_DIR/hosts" # 10.128.0.0 is the network's
	rig_bwctl load eth0 >/dev/null
	rig_bwctl set 20mbit >/dev/null
	window=$(rig_bwctl show --json | jq .egress.window_seconds)
	rig_capture out far eth0
	rig_bwctl check --json --inventory "$RIG_DIR/hosts" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" || code=$?
	rig_capture_stop out
	cat "$RIG_DIR/errors"
	jq -c .summary "$RIG_DIR/reach.json"
	echo "# 10 000 hosts in $(jq .summary.seconds "$RIG_DIR/reach.json") s" >&3
	jq -e '.summary | .hosts == 10000 and .ok == 10000 and .seconds < 60 and .dropped_packets == 0' "$RIG_DIR/reach.json"
	"$RIG_TOOLS/conform" --limit 20mbit --window "$window" "$RIG_DIR/out.pcap"
	# Half of it is left for others.
	"$RIG_TOOLS/conform" --limit 11mbit --window 1 "$RIG_DIR/out.pcap"
}

@test "a thousand hosts while a flood makes what is sent there wait: all open, and the wire under the ceiling" {
	local code=0 window flood
	rig_has_fq || skip 'this kernel has no fq: no packet waits'
	make_many 1001
	sed -i 1d "$RIG_DIR/hosts"
	rig_bwctl load eth0 >/dev/null
	rig_bwctl set 20mbit mode pace >/dev/null
	window=$(rig_bwctl show --json | jq .egress.window_seconds)
	rig_sink sink far 9999
	rig_capture out far eth0
	rig_flood flood appliance "$RIG_FAR4" 9999 40mbit 300
	flood=$RIG_PID
	rig_bwctl check --json --inventory "$RIG_DIR/hosts" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors" || code=$?
	rig_bwctl show --json >"$RIG_DIR/show.json"
	rig_stop "$flood"
	rig_sink_stop sink
	rig_capture_stop out
	cat "$RIG_DIR/errors"
	jq -c .summary "$RIG_DIR/reach.json"
	jq -c '.egress.classes | map_values(select(.passed.packets > 0) | {passed, dropped, paced, delay_seconds_sum, delay_seconds_max})' \
		"$RIG_DIR/show.json"
	expect 'exit code' 0 "$code"
	jq -e '.summary | .hosts == 1000 and .ok == 1000' "$RIG_DIR/reach.json"
	# Three or four packets each; many of them waited, and none for longer than packets may.
	jq -e '.egress | .mode == "pace" and .horizon_seconds as $horizon | .classes | [.ssh, .telnet, .api |
		.passed.packets >= 3000 and .paced.packets > 400 and .delay_seconds_sum / .paced.packets > 0.001 and
		.delay_seconds_max <= $horizon] | all' "$RIG_DIR/show.json"
	"$RIG_TOOLS/conform" --limit 20mbit --window "$window" "$RIG_DIR/out.pcap"
}

@test "a machine that is slower than the pace: answers are looked at all the while, not after the last host" {
	command -v strace >/dev/null || skip 'strace is not installed'
	make_many 101
	sed -i 1d "$RIG_DIR/hosts"
	# 30 ms a host at least, so three seconds; without a limit one is due each millisecond.
	reach_slowly connect 10000 --timeout 1s --inventory "$RIG_DIR/hosts"
	jq -c .summary "$RIG_DIR/reach.json"
	jq -e '.summary | .ok == 100 and .seconds > 3' "$RIG_DIR/reach.json"
	jq '[.hosts[].probes[].seconds] | max' "$RIG_DIR/reach.json"
	jq -e '([.hosts[].probes[].seconds] | max) < .summary.seconds / 3' "$RIG_DIR/reach.json"
}

@test "few descriptors, or none: it takes longer, and no result is a wrong one" {
	make_many 300
	sed -i 1d "$RIG_DIR/hosts"
	local limit
	for limit in 40 300; do
		rig_in appliance bash -c 'ulimit -n "$1" && shift && exec "$@"' limited "$limit" \
			"$BWCTL" check --json --inventory "$RIG_DIR/hosts" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors"
		expect "open with $limit descriptors" 299 "$(jq .summary.ok "$RIG_DIR/reach.json")"
	done
	# A soft limit is no limit.
	rig_in appliance bash -c 'ulimit -S -n 20 && exec "$@"' limited \
		"$BWCTL" check --json --inventory "$RIG_DIR/hosts" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors"
	expect 'hints' '' "$(<"$RIG_DIR/errors")"
	# Too few for one host.
	head -n 3 "$RIG_DIR/hosts" >"$RIG_DIR/three"
	code=0
	rig_in appliance bash -c 'ulimit -n 9 && exec "$@"' limited \
		"$BWCTL" check --json --timeout 1s --inventory "$RIG_DIR/three" >"$RIG_DIR/reach.json" || code=$?
	expect 'exit code' 1 "$code"
	expect 'results' unknown "$(jq -r '.hosts[].probes[].result' "$RIG_DIR/reach.json" | sort -u)"
}

@test "no free port: it waits for one, and if there is none in time that is not known" {
	local holder
	start_sshd
	rig_in appliance sysctl -q -w net.ipv4.ip_local_port_range='40000 40001'
	# Both are somebody's.
	rig_start appliance perl -MSocket -e '
		for my $port (40000, 40001) { socket(my $s, PF_INET, SOCK_STREAM, 0); bind($s, sockaddr_in($port, INADDR_ANY)) or die; push @all, $s }
		open(my $f, ">", $ARGV[0]); close($f); sleep 60' "$RIG_DIR/held"
	holder=$RIG_PID
	rig_wait 30 test -e "$RIG_DIR/held"
	reach --timeout 500ms "$RIG_FAR4:22"
	expect 'in time' 'unknown unknown no port of this machine was free' \
		"$(of_host "$RIG_FAR4:22" '"\(.level) \(.probes[0].result) \(.reason)"')"
	expect 'exit code' 1 "$code"
	rig_start appliance "$BWCTL" check --json --timeout 30s --reach "$RIG_FAR4:22" >"$RIG_DIR/reach.json" 2>"$RIG_DIR/errors"
	rig_wait 30 rig_catches "$RIG_PID" INT
	sleep 1
	rig_stop "$holder"
	wait "$RIG_PID"
	expect 'after a while' 'ok open' "$(of_host "$RIG_FAR4:22" '"\(.level) \(.probes[0].result)"')"
	grep -q '^hint: descriptors or ports ran short' "$RIG_DIR/errors"
}

@test "hosts that are absent on the link, hundreds at once: no route, all of them" {
	local count
	ip -n appliance address add 10.9.0.1/21 dev eth0
	# Of 1024 neighbours that the kernel knows at once there is room for those of others.
	for count in {1..4}; do
		printf "10.9.$count.%d:22\n" {0..230}
	done >"$RIG_DIR/hosts"
	rig_bwctl check --json --timeout 20s --inventory "$RIG_DIR/hosts" >"$RIG_DIR/reach.json" || true
	jq -c '.summary' "$RIG_DIR/reach.json"
	jq -e '.summary.flows[0] | .hosts == 924 and .no_route == 924' "$RIG_DIR/reach.json"
}

@test "packets that the limiter itself dropped meanwhile: a hint says so" {
	start_sshd
	rig_bwctl load eth0 >/dev/null
	rig_bwctl set 1mbit mode police >/dev/null
	rig_sink sink far 22
	nft_far 'add rule inet reach in tcp dport 23 drop'
	# Not UDP alone: what the class of ssh loses counts.
	rig_bwctl set flow flood class ssh protocol udp >/dev/null
	rig_flood flood appliance "$RIG_FAR4" 22 20mbit 300
	reach --timeout 2s "$RIG_FAR4:22" "$RIG_FAR4:23"
	rig_stop "$(<"$RIG_DIR/flood.pid")"
	rig_sink_stop sink
	grep -E '^hint: bwctl dropped [0-9]+ packets of ssh.* meanwhile' "$RIG_DIR/reach.errors"
	jq -e '.summary.dropped_packets > 100' "$RIG_DIR/reach.json"
}
