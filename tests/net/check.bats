#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# "bwctl check" of the machine: each thing that it can find is brought about, and
# has to be found, with what to do about it, and nothing else with it; where all is
# as it should be, it says so. What this machine must not have done to it (the
# kernel's settings are everybody's) is shown to bwctl in a mount namespace only.
# What only hardware has is had in a virtual machine (tests/vm/run: netdevsim, and network devices of QEMU).
# What nobody can bring about here is in tests/unit_check.c. Runs itself under bats
# in mount and network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

PINS=/sys/fs/bpf
CONF=/etc/bwctl.conf
UNIT=/etc/systemd/system/bwctl.service

setup_file() {
	rig_isolated || {
		echo "run $BATS_TEST_FILENAME itself: it isolates itself"
		return 1
	}
	HAS_TCX=1 HAS_FQ=1
	rig_has_tcx || HAS_TCX=
	rig_has_fq || HAS_FQ=
	export HAS_TCX HAS_FQ
	rig_make
}

teardown_file() {
	rig_destroy
}

teardown() {
	local link
	rig_stop_all
	rig_bwctl unload || true
	"$BWCTL" unload || true
	find "$PINS" -depth -mindepth 1 ! -name '*.debug' -delete
	rm -rf "$CONF" "$UNIT" /etc/systemd/system/multi-user.target.wants/bwctl.service
	for link in up br bond vlan mac spare; do
		ip -n appliance link delete dev "${link}0" 2>/dev/null || true
	done
	[[ ! -e /sys/bus/netdevsim/devices/netdevsim7 ]] || echo 7 >/sys/bus/netdevsim/del_device
	for link in lro0 gro0; do
		ip -n appliance link set "$link" netns 1 2>/dev/null || true
	done
	for link in clsact ingress root; do
		rig_in appliance tc qdisc delete dev eth0 "$link" 2>/dev/null || true
	done
	ip -n appliance route delete default 2>/dev/null || true
	ip -n appliance link set eth0 xdp off
	rig_in appliance nft delete table inet check 2>/dev/null || true
	ip -n far link set eth0 up
	# It went with the link.
	ip -n far route replace default via "$RIG_APPLIANCE4"
	ip -n appliance link set eth0 up
	! ip netns list | grep -q '^blue' || ip netns delete blue
}

# loaded: as it should be, a limit on eth0 that the policy file has too. Policed where this kernel
# has no fq, so that there is nothing to complain of.
loaded() {
	rig_bwctl load eth0
	if [[ $HAS_FQ ]]; then
		rig_bwctl set --save 50mbit
	else
		rig_bwctl set --save 50mbit mode police
	fi
}

# check [STATUS [COMMAND...]]: bwctl check, run by COMMAND, leaves its JSON in FOUND.
check() {
	local due=${1:-0} status=0
	shift || true
	# Whether there is a carrier is said a while after it came or went.
	rig_wait 30 rig_settled -n appliance || rig_fail 'links do not settle'
	FOUND=$(rig_in appliance "$@" "$BWCTL" check --json) || status=$?
	[[ $status == "$due" ]] || {
		printf 'exit status %s, expected %s:\n%s\n' "$status" "$due" "$FOUND"
		return 1
	}
}

# found CHECK LEVEL ABOUT TEXT [ADVICE]: there is such a finding; ABOUT "-" for none, TEXT and ADVICE are patterns.
found() {
	jq -e --arg check "$1" --arg level "$2" --arg about "$3" --arg text "$4" --arg advice "${5:-}" '
		any(.findings[]; .check == $check and .level == $level and (.about // "-") == $about and
			(.text | test($text)) and
			(if .level == "ok" then .advice == null else (.advice // "") | test($advice) and length > 3 end))
	' <<<"$FOUND" >/dev/null || {
		printf 'no %s: %s: %s: %s -> %s in\n' "$@"
		jq -c '.findings[]' <<<"$FOUND"
		return 1
	}
}

# only CHECK...: what is not as it should be is in these alone, in any order.
only() {
	local have
	have=$(jq -r '[.findings[] | select(.level != "ok").check] | unique | join(" ")' <<<"$FOUND")
	[[ $have == "$(printf '%s\n' "$@" | sort -u | paste -s -d ' ')" ]] || {
		printf 'not ok: %s; expected: %s\n' "$have" "$*"
		jq -c '.findings[]' <<<"$FOUND"
		return 1
	}
}

# mounted STATUS COMMANDS: check with these mounts, which nobody else sees.
mounted() {
	check "$1" unshare --mount --propagation private -- bash -c "set -e; $2; exec \"\$@\"" mounted
}

# shows CONDITION: of show's JSON.
shows() {
	rig_bwctl show --json | jq -e "$1" >/dev/null
}

needs_tcx() {
	[[ $HAS_TCX ]] || skip 'this kernel has no tcx'
}

needs_fq() {
	[[ $HAS_FQ ]] || skip 'this kernel has no fq'
}

# needs_link NAME ARGUMENT...: makes a device, or skips where this kernel has no such kind.
needs_link() {
	local name=$1
	shift
	ip -n appliance link add name "$name" "$@" || skip "this kernel cannot make: $*"
}

# ---- as it should be ----

@test "a healthy machine is all ok, and says what was looked at" {
	loaded
	check
	only
	[[ $(jq -r '.worst' <<<"$FOUND") == ok ]]
	found kernel ok - "^Linux $(uname -r | sed 's/[.+]/[&]/g') takes the programs of bwctl"
	found attached ok eth0 'ingress and egress$'
	found programs ok eth0 '^those of this bwctl$'
	found limit ok ingress '^50 Mbit/s in any '
	found limit ok egress '^50 Mbit/s in any '
	found file ok - "^'$CONF' says what is in force$"
	found speed ok egress '10 Gbit/s'
	found routes ok inside0 'does not name it'
	[[ ! $HAS_FQ ]] || found queue ok ingress '^pace'
	[[ ! $HAS_FQ ]] || found pacing ok - '^tried: fq and IFB'
}

@test "so is one whose programs hang on clsact" {
	rig_bwctl load --hook clsact eth0
	rig_bwctl set --save 50mbit mode police
	check
	only
	found attached ok eth0 '^by clsact, '
	found programs ok eth0 '^those of this bwctl$'
	found first ok eth0 '^no program or filter runs before'
}

@test "for people: a line each, what to do below it, a summary; NO_COLOR and pipes have no colour" {
	loaded
	rm "$CONF"
	run --separate-stderr rig_bwctl check
	[[ $status == 0 && -z $stderr ]]
	[[ $output != *$'\033'* ]]
	grep -q -x "warn  file         no '$CONF': .*" <<<"$output"
	grep -q -x -A 1 'warn  file .*' <<<"$output"
	grep -q -x ' *-> bwctl save' <<<"$output"
	grep -q -x -E '[0-9]+ ok, [0-9]+ to look at, 0 wrong' <<<"${lines[-1]}"
}

@test "nothing is changed by it: devices, qdiscs, pins, and no namespace is left" {
	local look='ip -d link; tc qdisc; tc filter show dev eth0 ingress; find /sys/fs/bpf ! -name "*.debug" | sort; ls /run/netns'
	loaded
	rig_wait 30 rig_settled -n appliance
	rig_in appliance bash -c "$look" >"$RIG_DIR/before"
	check
	rig_bwctl show --config >"$RIG_DIR/config"
	rig_in appliance bash -c "$look" | diff "$RIG_DIR/before" -
	[[ $(jq -r .version <<<"$FOUND") == "$("$BWCTL" --version | sed 's/bwctl //')" ]]
}

@test "while another command has the limiter for too long, it is looked at without the lock" {
	loaded
	rig_start appliance flock --no-fork "$PINS/bwctl" sleep 60
	rig_wait 30 rig_is_locked
	check 0 timeout 45
	only
	found limit ok egress '^50 Mbit/s'
}

rig_is_locked() {
	! flock --nonblock "$PINS/bwctl" true
}

@test "nothing is loaded: one line says so, and it is no failure" {
	check
	found loaded warn - '^nothing is loaded' 'bwctl load IFACE'
	if [[ $HAS_FQ ]]; then
		only loaded
	else
		only loaded pacing
	fi
	printf '[limit]\nrate = 5mbit\nmode = police\ninterfaces = eth0\n' >"$CONF"
	check
	only loaded
	found loaded warn - '^nothing is loaded' 'bwctl load --all'
}

# ---- the kernel ----

@test "kernel: one that is too old" {
	setarch --uname-2.6 true || skip 'no way to look old'
	loaded
	check 1 setarch --uname-2.6
	found kernel fail - '5[.]12 or newer is needed' 'boot Linux 5.12'
}

@test "btf: none" {
	loaded
	mounted 0 'mount -t tmpfs none /sys/kernel/btf'
	found btf warn - 'nothing is paced' CONFIG_DEBUG_INFO_BTF
}

@test "jit: switched off" {
	loaded
	# This machine's own stays as it is.
	mounted 0 'mount -t tmpfs none /proc/sys/net/core; echo 0 >/proc/sys/net/core/bpf_jit_enable'
	only jit
	found jit warn - interpreted 'bpf_jit_enable=1'
}

@test "preempt-rt: a kernel that says it is one" {
	loaded
	mounted 0 'mkdir -p /tmp/btf.$$; mount -t tmpfs none /tmp/btf.$$; mkdir /tmp/btf.$$/btf
		mount --bind /sys/kernel/btf /tmp/btf.$$/btf; echo 1 >/tmp/btf.$$/realtime; mount --move /tmp/btf.$$ /sys/kernel; rmdir /tmp/btf.$$'
	only preempt-rt
	found preempt-rt warn - 'CPUs do not lease' contended
}

@test "capabilities: root without those that are needed" {
	loaded
	check 1 setpriv --bounding-set -bpf,-perfmon,-sys_admin --inh-caps -all
	found capabilities fail - 'lacks CAP_BPF, CAP_PERFMON: ' CAP_SYS_ADMIN
	check 1 setpriv --bounding-set -net_admin --inh-caps -all
	found capabilities fail - 'lacks CAP_NET_ADMIN: ' CAP_NET_ADMIN
}

@test "capabilities: who is not root is told what could not be looked at, and it is no failure" {
	loaded
	cp "$BWCTL" "$RIG_DIR/bwctl"
	chmod 755 "$RIG_DIR" "$RIG_DIR/bwctl"
	BWCTL=$RIG_DIR/bwctl check 0 setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps -all
	found capabilities warn - 'lacks CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON' 'as root'
	found kernel warn - 'could not be tried' 'as root'
	found jit warn - 'could not be tried' 'as root'
	found loaded warn - 'cannot be looked at' 'as root'
	[[ ! $HAS_FQ ]] || found pacing warn - 'was not tried' 'as root'
	only capabilities kernel jit loaded ${HAS_FQ:+pacing}
}

@test "bpffs: none, where a mount would go with its namespace" {
	local status=0
	loaded
	# Which hides that of the machine behind a /sys of its own.
	FOUND=$(ip netns exec appliance "$BWCTL" check --json) || status=$?
	[[ $status == 1 ]]
	found bpffs fail - 'no BPF file system' 'mount -t bpf'
	found loaded warn - 'nothing is loaded'
}

@test "pacing: a kernel without fq" {
	[[ ! $HAS_FQ ]] || skip 'this kernel has fq'
	rig_bwctl load eth0
	rig_bwctl set --save 50mbit
	check
	only pacing
	found pacing warn - '^this kernel has no fq: ' sch_fq
	found queue ok ingress '^police, as pacing says$'
	found queue ok egress '^police, as pacing says$'
}

@test "pacing: not tried where it may not be" {
	needs_fq
	loaded
	check 0 setpriv --bounding-set -sys_admin --inh-caps -all
	found pacing warn - 'was not tried' CAP_SYS_ADMIN
	found programs warn eth0 'could not be looked at' CAP_SYS_ADMIN
	only pacing programs
}

# ---- the limiter ----

@test "pins: a map is missing" {
	loaded
	rm "$PINS/bwctl/leases"
	check 1
	found pins fail - 'not whole' 'bwctl load IFACE repairs it'
	only pins
}

@test "pins: others may look, or write; a group that looks on is in order" {
	loaded
	chmod 755 "$PINS/bwctl"
	check
	found pins warn - 'can look into' 'chmod 0700'
	only pins
	chmod 730 "$PINS/bwctl"
	check 1
	found pins fail - 'can take the limit off' 'chmod 0700'
	chmod 2710 "$PINS/bwctl"
	check
	only
	found pins ok - 'a group that may look on'
	# What somebody made for a group is left by unload.
	rig_bwctl unload
	rmdir "$PINS/bwctl"
}

@test "attached: half of it" {
	needs_tcx
	loaded
	rm "$PINS"/bwctl/link-*-egress
	# That of the IFB, which has one too, comes back with load.
	check 1
	found attached fail eth0 'nothing is attached to egress' '^bwctl load eth0$'
	rig_bwctl load eth0
	check
	only
	rm "$PINS"/bwctl/link-*-"$(ip -n appliance -j link show eth0 | jq '.[].ifindex')"-ingress
	check 1
	found attached fail eth0 'nothing is attached to ingress' '^bwctl load eth0$'
}

@test "attached: none of it" {
	rig_bwctl load --hook clsact eth0
	rig_bwctl set --save 50mbit mode police
	rig_in appliance tc qdisc delete dev eth0 clsact
	check 1
	only attached
	found attached fail eth0 'nothing is attached: it is not limited' '^bwctl load eth0$'
}

@test "attached: an interface that is gone, and one that was moved" {
	ip -n appliance link add spare0 type veth peer name spare1
	ip -n appliance link set spare1 up
	ip -n appliance link set spare0 up
	loaded
	rig_bwctl load spare0
	ip -n appliance link delete spare0
	check
	found attached warn spare0 'it is gone' 'bwctl unload spare0'
	rig_bwctl unload spare0
	check
	only
	needs_tcx
	ip netns add blue
	ip -n appliance link add spare0 type veth peer name spare1
	rig_bwctl load spare0
	ip -n appliance link set spare0 netns blue
	check
	found attached warn spare0 'moved to another network namespace' 'bwctl unload spare0'
}

@test "attached: one of another network namespace is for a look from there" {
	loaded
	ip netns add blue
	ip -n blue link add eth9 type veth peer name eth8
	"$BWCTL" -n blue load eth9
	check
	found attached ok eth9 'bwctl -n NAME check'
	only
}

@test "programs: others in the place of ours" {
	needs_tcx
	loaded
	rig_in appliance "$RIG_TOOLS/neighbour" replace "$(echo "$PINS"/bwctl/link-*-egress | cut -d ' ' -f 1)"
	rig_in appliance "$RIG_TOOLS/neighbour" replace "$(echo "$PINS"/bwctl/link-*-ingress | cut -d ' ' -f 1)"
	check
	found programs warn eth0 'other than those of this bwctl' '^bwctl load --again$'
	rig_bwctl load --again
	check
	only
}

@test "first: somebody's program before ours, by tcx" {
	needs_tcx
	loaded
	rig_in appliance "$RIG_TOOLS/neighbour" tcx eth0 egress "$PINS/them" first pass
	check
	only first
	found first warn eth0 '^on egress a program of somebody else, neighbour [(]id [0-9]+[)], runs before' 'bwctl load --hook clsact eth0 && bwctl load --hook tcx eth0$'
	# The advice helps, and the limit is in force all the while.
	rig_bwctl load --hook clsact eth0 && rig_bwctl load --hook tcx eth0
	check
	only
	found limit ok egress '^50 Mbit/s'
	found first ok eth0 'no program or filter runs before'
	rm "$PINS"/them-*
	# Behind ours it does no harm.
	rig_in appliance "$RIG_TOOLS/neighbour" tcx eth0 egress "$PINS/them"
	check
	only
	found first ok eth0 'no program or filter runs before'
}

@test "first: somebody's filter before ours, and any tcx program before a filter" {
	rig_in appliance tc qdisc add dev eth0 clsact
	rig_in appliance tc filter add dev eth0 egress pref 1 protocol ip u32 match u32 0 0 flowid 1:1
	rig_bwctl load --hook clsact eth0
	rig_bwctl set --save 50mbit mode police
	check
	only first
	found first warn eth0 '^on egress a filter of somebody else, u32 with pref 1, runs before' 'tc filter show dev eth0 egress'
	rig_in appliance tc filter delete dev eth0 egress pref 1
	check
	only
	needs_tcx
	rig_in appliance "$RIG_TOOLS/neighbour" tcx eth0 ingress "$PINS/them"
	check
	found first warn eth0 '^on ingress a program of somebody else, neighbour' 'go before it: bwctl load --hook tcx eth0$'
	rig_bwctl load --hook tcx eth0
	check
	only
}

@test "queue: somebody's qdisc is in the way" {
	rig_in appliance tc qdisc add dev eth0 root handle 1: htb
	rig_bwctl load eth0
	rig_bwctl set --save 50mbit
	check
	found queue warn egress "'eth0' has a root qdisc of its own, htb" 'tc qdisc delete dev eth0 root && bwctl load eth0'
	[[ ! $HAS_FQ ]] || only queue
	[[ ! $HAS_FQ ]] || found queue ok ingress '^pace'
	# The advice helps.
	rig_in appliance tc qdisc delete dev eth0 root
	rig_bwctl load eth0
	check
	[[ ! $HAS_FQ ]] || only
}

@test "queue: taken away, and somebody's filter where packets come in" {
	needs_fq
	loaded
	rig_in appliance tc qdisc delete dev eth0 root
	check
	only queue
	found queue warn egress '^police: .*fq is missing' '^bwctl load eth0 puts it there'
	rig_bwctl load eth0
	check
	only
	rig_in appliance tc qdisc add dev eth0 clsact 2>/dev/null || true
	rig_in appliance tc filter add dev eth0 ingress pref 9 protocol ip u32 match u32 0 0 flowid 1:1
	check
	only queue
	found queue warn ingress 'police from the next set or load on: a tc filter on the ingress' 'take that away'
}

# ---- the policy ----

@test "limit: none; one direction is as somebody wants it" {
	rig_bwctl load eth0
	rig_bwctl set --save mode police
	check
	only limit
	found limit warn - 'none is set' 'bwctl set RATE'
	rig_bwctl set --save egress 5mbit
	check
	only
	found limit ok ingress '^none'
	found limit ok egress '^5 Mbit/s'
	rig_bwctl set --save egress unlimited class ssh 1mbit
	check
	only
	found limit ok egress '^of classes only'
}

@test "limit: mode observe" {
	loaded
	rig_bwctl set --save mode observe
	check
	found limit warn - 'mode observe' 'bwctl set mode auto'
	if [[ $HAS_FQ ]]; then
		only limit
	else
		only limit pacing
	fi
}

@test "contended: another CPU moves the clock all the time" {
	local contended='.egress.contended.packets >= 10 and
		.egress.contended.packets * 1000 >= .egress.passed.packets'
	(($(nproc) > 1)) || skip 'this machine has one CPU'
	loaded
	rig_sink sink far 9000
	rig_start appliance taskset -c 1 "$RIG_TOOLS/rival" "$PINS/bwctl/clocks" 1 60
	local rival=$RIG_PID
	rig_start inside taskset -c 0 "$RIG_TOOLS/blast" send "$RIG_FAR4" 9000 --rate 5mbit \
		--seconds 60 --size 64 >/dev/null
	# On most machines who lost a race wins the next one: there it takes many CPUs.
	rig_wait 2 shows '.egress.contended.packets > 0' || {
		rig_alive "$rival"
		shows '.egress.passed.packets > 100'
		[[ ! ${CHECK_CONTENDED:-} ]] || rig_fail 'no packet was refused'
		skip 'no CPU here loses so many races in a row'
	}
	rig_wait 60 shows "$contended"
	check
	only contended
	found contended warn egress "were in each other's way, .* while this looked" 'ethtool -L eth0 combined N'
	found contended ok ingress 'no packet'
	rig_stop "$rival"
	check
	only
	found contended ok egress 'since it was loaded, none while this looked'
}

@test "exempt: a class, and how much passed in it" {
	loaded
	rig_bwctl set --save class icmp exempt yes
	rig_in far ping -q -c 3 -i 0.2 "$RIG_APPLIANCE4" >/dev/null
	check
	only exempt
	found exempt warn - '^class icmp passes unmetered: [1-9][0-9.]* k?B in and [1-9]' 'bwctl set class icmp exempt no'
}

@test "reserve: without a limit that it could be of" {
	loaded
	rig_bwctl set --save class ui reserve 2mbit
	check
	only
	found reserve ok - '^of 1 class'
	rig_bwctl set --save unlimited class ssh 1mbit
	check
	only reserve
	found reserve warn - '^class ui: a reserve of 2 Mbit/s has no effect' 'bwctl set class ui reserve none'
}

@test "flows: of an interface that is not loaded" {
	loaded
	rig_bwctl set --save class lab flow jump class lab interface inside0
	check
	only flows
	found flows warn - "^flow jump is of 'inside0'" '^bwctl load inside0, or bwctl set flow jump interface any$'
}

# Which row a packet belongs to was decided by the names of then.
@test "flows: of an interface that was renamed" {
	local advice words
	ip -n appliance link add old0 type veth peer name old1
	loaded
	rig_bwctl load old0 >/dev/null
	rig_bwctl set --save class lab flow before0 class lab interface old0 flow after0 class lab interface new0 \
		flow more0 class lab interface old0 >/dev/null
	check
	only flows link # old0 is down
	found flows warn - "^flow after0 is of 'new0', which is not loaded"
	ip -n appliance link set old0 name new0
	check
	advice='bwctl set flow before0 interface new0 flow more0 interface new0'
	found flows warn new0 "^2 flows are of 'old0', which is the former name: they match here still" "^$advice$"
	found flows warn new0 '^flow after0 is of it, and it had another name before: nothing of it matches the flow yet$' "^$advice$"
	[[ $(jq '[.findings[] | select(.check == "flows")] | length' <<<"$FOUND") == 2 ]]
	# What goes by the names of now leaves out those of then.
	rig_bwctl load new0 >/dev/null
	check
	found flows warn - "^flow before0 is of 'old0', which is not loaded"
	found flows warn - "^flow more0 is of 'old0', which is not loaded"
	[[ $(jq '[.findings[] | select(.check == "flows")] | length' <<<"$FOUND") == 2 ]]
	ip -n appliance link set new0 name old0
	rig_bwctl load old0 >/dev/null
	ip -n appliance link set old0 name new0
	check
	found flows warn new0 '^2 flows are of' "^$advice$"
	read -r -a words <<<"$advice"
	rig_bwctl "${words[@]:1}" >/dev/null
	check
	found flows ok - 'none of an interface that is not loaded'
	rig_bwctl unload new0 >/dev/null
	ip -n appliance link delete new0
}

@test "runs: one that a killed bwctl left; those that live are in order" {
	loaded
	rig_start appliance "$BWCTL" run 10mbit -- sleep 60
	rig_wait 30 rig_runs 1
	check
	only
	found runs ok - '^1 in force'
	kill -KILL "$RIG_PID"
	rig_wait_gone 30 "$RIG_PID"
	check
	only runs
	found runs warn - '^run [0-9]+, for "sleep 60", was left.*10 Mbit/s both ways stays' '^bwctl run --clear$'
	rig_bwctl run --clear
	check
	only
	rig_bwctl_end_sleep
}

# rig_runs COUNT: so many are in force.
rig_runs() {
	[[ $(rig_bwctl show --json | jq '.runs | length') == "$1" ]]
}

# The command of a run that was killed goes on; it is one of this rig's.
rig_bwctl_end_sleep() {
	local pid
	for pid in $(pgrep -x sleep); do
		! rig_alive "$pid" || [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") != 'sleep 60 ' ]] || kill "$pid"
	done
}

# ---- the policy file, and the boot ----

@test "file: missing, other than what is in force, broken, not readable" {
	loaded
	rm "$CONF"
	check
	found file warn - 'the next boot' '^bwctl save$'
	rig_bwctl save
	rig_bwctl set 40mbit
	check
	only file
	found file warn - 'something other than what is in force' 'bwctl save .* bwctl apply'
	printf '[limit]\nrate = 50mbut\nbrust = 1ms\ninterfaces = eth0\n' >"$CONF"
	check 1
	only file routes
	found file fail - "^$CONF:2: rate: .*, and 1 more$" 'bwctl apply --check'
	rm "$CONF"
	mkdir "$CONF"
	check
	found file warn - "$CONF" 'can be read'
	rmdir "$CONF"
	# Nobody writes to it, and nobody waits for it.
	mkfifo "$CONF"
	check 0 timeout 30
	found file warn - "$CONF.: it is not a regular file" 'can be read'
	rm "$CONF"
	ln -s /dev/zero "$CONF"
	check 0 timeout 30
	found file warn - "$CONF.: it is not a regular file" 'can be read'
	rm "$CONF"
	FOUND=$(rig_bwctl --config /dev/null check --json)
	found file warn - "'/dev/null': it is not a regular file" "^--config '' is for no file$"
	# A pipe of the shell's says it once.
	rig_bwctl show --config >"$CONF"
	# shellcheck disable=SC2016 # not here
	check 0 timeout 30 bash -c '"$1" --config <(cat "$2") check --json; exit 0' bash "$BWCTL" "$CONF"
	found file ok - "^'/dev/fd/[0-9]+' says what is in force"
	rm "$CONF"
}

@test "file: a broken one is a failure when nothing is loaded, too" {
	printf '[limit]\nrate = 50mbut\n' >"$CONF"
	check 1
	found file fail - "^$CONF:2: rate: " 'bwctl apply --check'
	found loaded warn - 'nothing is loaded'
}

@test "file: without one, where none is wanted" {
	loaded
	FOUND=$(rig_bwctl --config '' check --json)
	found file ok - 'none is wanted'
}

@test "interfaces: those that the file names and that are not loaded" {
	loaded
	sed -i 's/^interfaces.*/interfaces = eth0 inside0 eth7/' "$CONF"
	check 1
	only interfaces
	found interfaces fail inside0 'it is not limited' '^bwctl load inside0$'
	found interfaces warn eth7 'it is not there' 'bwctl load eth7'
}

@test "boot: the unit is installed and not enabled, or masked" {
	loaded
	check
	[[ $(jq '[.findings[] | select(.check == "boot")] | length' <<<"$FOUND") == 0 ]] ||
		skip 'bwctl.service is installed here'
	mkdir -p /etc/systemd/system/multi-user.target.wants
	cp "$RIG_ROOT/dist/systemd/bwctl.service" "$UNIT"
	check
	only boot
	found boot warn - 'is not enabled' '^systemctl enable bwctl$'
	ln -s "$UNIT" /etc/systemd/system/multi-user.target.wants/bwctl.service
	check
	only
	found boot ok - 'is enabled'
	ln -s -f /dev/null "$UNIT"
	check
	only boot
	found boot warn - 'is masked' 'systemctl unmask bwctl'
}

# ---- devices ----

@test "link: down, and without a carrier" {
	loaded
	ip -n far link set eth0 down
	check
	only link
	found link warn eth0 'no carrier' cable
	ip -n appliance link set eth0 down
	check
	only link
	found link warn eth0 'the interface is down' '^ip link set eth0 up$'
}

@test "speed: a limit above what the link carries" {
	loaded
	rig_bwctl set --save egress 20gbit
	check
	only speed
	found speed warn egress 'the limit of 20 Gbit/s is above what the links carry, 10 Gbit/s' 'bwctl set egress RATE'
	found speed ok ingress '10 Gbit/s'
	# Two of them carry it.
	rig_bwctl load inside0
	check
	only
}

@test "xdp: a program, on the interface and on one that it stands on" {
	loaded
	rig_in appliance "$RIG_TOOLS/neighbour" xdp eth0 "$PINS/them"
	check
	found xdp warn eth0 'XDP program [0-9]+ [(]generic[)] comes before the meter' 'ip link set dev eth0 xdpgeneric off'
	[[ $HAS_FQ ]] || only xdp
	rig_bwctl unload
	rm "$CONF"
	needs_link mac0 link eth0 type macvlan
	ip -n appliance link set mac0 up
	rig_bwctl load mac0
	rig_bwctl set 50mbit mode police
	rig_bwctl save
	check
	found xdp warn 'eth0 below mac0' 'XDP program' 'ip link set dev eth0 xdpgeneric off'
}

@test "xdp: a program in the driver, which keeps nothing from waiting" {
	loaded
	rig_in appliance "$RIG_TOOLS/neighbour" xdp eth0 "$PINS/them" driver
	check
	found xdp warn eth0 'XDP program [0-9]+ [(]in the driver[)] comes before the meter' 'ip link set dev eth0 xdpdrv off'
	only xdp
	# It sees what comes in, and that is metered all the same.
	rig_in far ping -q -c 3 -i 0.2 "$RIG_APPLIANCE4" >/dev/null
	(($("$RIG_TOOLS/neighbour" count "$PINS/them") >= 3))
	(($(rig_bwctl show --json | jq '.ingress.classes.icmp.passed.packets') >= 3))
	rm "$PINS"/them-*
	check
	only
}

# take_device DRIVER NAME [fixed]: one of the machine's own devices, for this test; teardown gives it back.
# Of virtio_net one that lets its offloads be changed, or that does not.
take_device() {
	local name look='^rx-gro-hw: o[nf]*$'
	[[ ${3:-} != fixed ]] || look='^rx-gro-hw: on \[fixed\]$'
	[[ $1 == virtio_net ]] || look=.
	[[ -n ${BWCTL_VM_JOB:-} ]] || skip 'not in a virtual machine of ours, whose devices may be taken'
	modprobe -q "$1" || skip "this kernel has no driver $1"
	for name in $(nsenter --net=/proc/1/ns/net -- ip -j link | jq -r '.[].ifname'); do
		! nsenter --net=/proc/1/ns/net -- ethtool -i "$name" 2>/dev/null | grep -q "^driver: $1\$" ||
			! nsenter --net=/proc/1/ns/net -- ethtool -k "$name" | grep -q "$look" || break
		name=''
	done
	[[ $name ]] || skip "no device of driver $1 (tests/vm/run --device)"
	nsenter --net=/proc/1/ns/net -- ip link set "$name" name "$2" netns "/run/netns/appliance"
	ip -n appliance link set "$2" up
}

@test "lro: a device that merges as it likes" {
	take_device vmxnet3 lro0
	rig_in appliance ethtool -K lro0 lro on
	rig_bwctl load lro0
	rig_bwctl set --save 50mbit
	check
	found lro warn lro0 '^LRO merges' '^ethtool -K lro0 lro off$'
	only lro
	rig_in appliance ethtool -K lro0 lro off
	check
	found lro ok lro0 'charged as the frames'
}

@test "lro: a device that merges what can be told apart again" {
	take_device virtio_net gro0
	rig_in appliance ethtool -K gro0 rx-gro-hw on
	rig_bwctl load gro0
	rig_bwctl set --save 50mbit
	check
	found lro warn gro0 'merges what comes in [(]rx-gro-hw[)]' '^ethtool -K gro0 rx-gro-hw off$'
	only lro
	rig_in appliance ethtool -K gro0 rx-gro-hw off
	check
	found lro ok gro0 'charged as the frames'
}

@test "lro: a device that merges, and does not let anybody change that" {
	take_device virtio_net gro0 fixed
	rig_bwctl load gro0
	rig_bwctl set --save 50mbit
	check
	found lro warn gro0 'merges what comes in [(]rx-gro-hw[)]' 'does not let it be turned off'
	only lro
}

# needs_netdevsim: a device of it, hw0, which takes over what it is asked to.
needs_netdevsim() {
	local name
	[[ -e /sys/bus/netdevsim/new_device ]] || skip 'no netdevsim (tests/vm/run --module netdevsim)'
	echo "7 1" >/sys/bus/netdevsim/new_device
	# In this network namespace, which is not that of /sys.
	for name in $(ip -j link | jq -r '.[].ifname'); do
		! ethtool -i "$name" 2>/dev/null | grep -q '^driver: netdevsim$' || break
		name=''
	done
	[[ $name ]]
	ip link set "$name" name hw0 netns appliance
	ip -n appliance link set hw0 up
}

# Also one that was not compiled for it.
netdevsim_takes_bpf() {
	echo Y >/sys/kernel/debug/netdevsim/netdevsim7/ports/0/bpf_tc_non_bound_accept
}

@test "offload: hw-tc-offload is on, and a filter of each kind is in hardware" {
	local kind
	needs_netdevsim
	rig_bwctl load hw0
	rig_bwctl set --save 50mbit mode police
	check
	only
	rig_in appliance ethtool -K hw0 hw-tc-offload on
	check
	only offload
	found offload warn hw0 '^hw-tc-offload is on' '^ethtool -K hw0 hw-tc-offload off$'
	rig_in appliance tc qdisc add dev hw0 clsact 2>/dev/null || true
	for kind in 'flower skip_sw' 'matchall skip_sw' 'u32 match u32 0 0 skip_sw'; do
		# shellcheck disable=SC2086 # words
		rig_in appliance tc filter add dev hw0 ingress pref 9 protocol ip $kind action drop
		check 1
		only offload
		found offload fail hw0 "^the device has taken over a ${kind%% *} filter of ingress [(]in_hw, pref 9[)]" '^take it away .tc filter show dev hw0 ingress., then ethtool -K hw0 hw-tc-offload off$'
		rig_in appliance tc filter delete dev hw0 ingress pref 9
		check
		found offload warn hw0 '^hw-tc-offload is on'
	done
	# One that is told to stay out of it.
	rig_in appliance tc filter add dev hw0 ingress pref 9 protocol ip flower skip_hw action drop
	check
	found offload warn hw0 '^hw-tc-offload is on'
	rig_in appliance tc filter delete dev hw0 ingress pref 9
	netdevsim_takes_bpf
	rig_in appliance "$RIG_TOOLS/neighbour" clsact hw0 ingress "$PINS/them" 9
	check 1
	only offload
	found offload fail hw0 '^the device has taken over a bpf filter of ingress [(]in_hw, pref 9[)]'
	# The advice helps, in this order.
	run rig_in appliance ethtool -K hw0 hw-tc-offload off
	[[ $status != 0 ]]
	rig_in appliance ethtool -K hw0 hw-tc-offload on
	rig_in appliance tc filter delete dev hw0 ingress pref 9
	rig_in appliance ethtool -K hw0 hw-tc-offload off
	check
	only
}

@test "offload: the filter of bwctl itself is none that somebody's packets go by" {
	needs_netdevsim
	netdevsim_takes_bpf
	rig_in appliance ethtool -K hw0 hw-tc-offload on
	rig_bwctl load --hook clsact hw0
	rig_bwctl set --save 50mbit mode police
	rig_in appliance tc filter show dev hw0 ingress | grep -q -w in_hw
	check
	only offload
	found offload warn hw0 '^hw-tc-offload is on'
}

@test "offload: behind that of bwctl, and more filters than are kept" {
	local i
	needs_netdevsim
	netdevsim_takes_bpf
	rig_in appliance ethtool -K hw0 hw-tc-offload on
	rig_in appliance tc qdisc add dev hw0 clsact
	for i in {1..15}; do
		rig_in appliance tc filter add dev hw0 ingress pref 1 protocol ip flower skip_hw dst_ip "192.0.2.$i" action continue
	done
	rig_bwctl load --hook clsact hw0
	rig_bwctl set --save 50mbit mode police
	rig_in appliance tc filter show dev hw0 ingress | grep -q -w 'pref 2 bpf'
	check
	only first offload
	found offload warn hw0 '^hw-tc-offload is on'
	rig_in appliance tc filter add dev hw0 ingress pref 99 protocol ip matchall skip_sw action drop
	check 1
	found offload fail hw0 '^the device has taken over a matchall filter of ingress [(]in_hw, pref 99[)]'
}

@test "xdp: a program in the hardware" {
	needs_netdevsim
	rig_bwctl load hw0
	rig_bwctl set --save 50mbit mode police
	rig_in appliance "$RIG_TOOLS/neighbour" xdp hw0 hardware
	check
	only xdp
	found xdp warn hw0 'XDP program [0-9]+ [(]in the hardware[)] comes before the meter' 'ip link set dev hw0 xdpoffload off'
	rig_in appliance ip link set dev hw0 xdpoffload off
	check
	only
}

@test "flowtable: of nftables in hardware" {
	needs_netdevsim
	# On what stands on it: netdevsim lends itself to one only, the filters on it or a flowtable.
	needs_link mac0 link hw0 type macvlan
	ip -n appliance link set mac0 up
	rig_bwctl load mac0
	rig_bwctl set --save 50mbit mode police
	# Devices that have no hardware for it are refused one.
	rig_in appliance nft 'add table inet check; add flowtable inet check no { hook ingress priority 0; devices = { eth0 }; flags offload; }' 2>"$RIG_DIR/nft" && return 1
	grep -q 'not supported' "$RIG_DIR/nft"
	rig_in appliance nft 'add table inet check; add flowtable inet check ways { hook ingress priority 0; devices = { hw0 }; flags offload; }'
	check 1
	only flowtable
	found flowtable fail 'hw0 below mac0' "^the hardware forwards the flows of flowtable 'ways': they are not limited" 'flags offload'
	rig_in appliance nft 'delete table inet check; add table inet check; add flowtable inet check ways { hook ingress priority 0; devices = { hw0 }; }'
	check
	only
	found flowtable ok 'hw0 below mac0' "is software"
}

@test "flowtable: of nftables in software is no way round the meter" {
	local before after sent slow
	rig_in appliance nft 'add table inet check; add flowtable inet check ways { hook ingress priority 0; devices = { eth0, inside0 }; }' ||
		skip 'this kernel has no flowtables'
	loaded
	check
	only
	found flowtable ok eth0 "^flowtable 'ways' of nftables is software"
	# What is said of it is so: it forwards most of a flow, and each packet is metered all the same.
	rig_in appliance nft 'add chain inet check forward { type filter hook forward priority 0; };
		add counter inet check slow; add rule inet check forward ip protocol udp counter name slow flow add @ways'
	rig_sink there inside 7000
	before=$(rig_bwctl show --json | jq '.ingress.passed.packets')
	rig_flood here far "$RIG_INSIDE4" 7000 2mbit 2
	rig_flood_wait here >"$RIG_DIR/flood"
	sleep 0.5
	after=$(rig_bwctl show --json | jq '.ingress.passed.packets')
	rig_sink_stop there >"$RIG_DIR/sink"
	sent=$(jq .sent_packets "$RIG_DIR/flood")
	slow=$(rig_in appliance nft -j list counters table inet check | jq '.nftables[].counter // empty | .packets')
	echo "sent $sent, metered $((after - before)), not by the flowtable $slow"
	((sent > 100 && after - before >= sent && slow < sent / 2))
}

@test "twice: a macvlan, a bridge, a VLAN and what they stand on" {
	local kind
	loaded
	for kind in macvlan bridge vlan; do
		case $kind in
		macvlan) ip -n appliance link add mac0 link eth0 type macvlan || continue ;;
		vlan) ip -n appliance link add vlan0 link eth0 type vlan id 5 || continue ;;
		bridge)
			ip -n appliance link add br0 type bridge || continue
			ip -n appliance link set eth0 master br0
			;;
		esac
		local name
		name=$(ip -n appliance -j link | jq -r '.[].ifname | select(test("^(mac|br|vlan)0$"))')
		ip -n appliance link set "$name" up
		rig_bwctl load "$name"
		check
		only twice
		found twice warn "$name" '^it stands on eth0, which is loaded too' "^bwctl unload $name\$"
		# The advice helps.
		rig_bwctl unload "$name"
		check
		only
		ip -n appliance link delete "$name"
	done
}

@test "twice: a bond and its port, and a VLAN above both" {
	modprobe -q bonding max_bonds=0 || true
	needs_link bond0 type bond
	ip -n appliance link add spare0 type veth peer name spare1
	ip -n appliance link set spare1 up
	ip -n appliance link set spare0 master bond0
	ip -n appliance link set bond0 up
	rig_bwctl load bond0 spare0
	rig_bwctl set 50mbit mode police
	rig_bwctl save
	rig_wait 30 rig_carrier bond0
	check
	only twice
	found twice warn bond0 '^it stands on spare0, which is loaded too' '^bwctl unload spare0$'
	rig_bwctl unload bond0
	needs_link vlan0 link bond0 type vlan id 7
	ip -n appliance link set vlan0 up
	rig_bwctl load vlan0
	check
	found interfaces warn bond0 'all of its packets pass are loaded' 'change the names'
	found twice warn vlan0 '^it stands on spare0, which is loaded too' '^bwctl unload vlan0$'
}

rig_carrier() {
	[[ $(ip -n appliance -j link show "$1" | jq -r '.[].operstate') == UP ]]
}

@test "routes: an interface with an address, and one with a default route, that are left out" {
	loaded
	# Names nobody: then none is left out on purpose.
	sed -i '/^interfaces/d' "$CONF"
	check
	only routes
	found routes warn inside0 '^it has an address, and is not loaded' '^bwctl load inside0'
	ip -n appliance route add default via "$RIG_INSIDE4"
	check
	found routes warn inside0 '^it has a default route, and is not loaded' '^bwctl load inside0'
	rig_bwctl load inside0
	check
	only
	found routes ok - 'is left out'
}

@test "routes: what stands on a loaded interface is limited with it" {
	loaded
	rig_bwctl load inside0
	sed -i '/^interfaces/d' "$CONF"
	needs_link mac0 link eth0 type macvlan
	ip -n appliance link set mac0 up
	ip -n appliance address add 203.0.113.1/24 dev mac0
	check
	only
}

@test "interfaces: one that is named, where only what stands on it is loaded" {
	loaded
	needs_link mac0 link inside0 type macvlan
	ip -n appliance link set mac0 up
	rig_bwctl load mac0
	sed -i 's/^interfaces.*/interfaces = eth0 inside0/' "$CONF"
	check 1
	only interfaces
	found interfaces fail inside0 'it is not limited' '^bwctl load inside0$'
}

@test "routes, twice: tunnels and what they are bound to; a dummy leads nowhere" {
	local kind made=0
	loaded
	rig_bwctl load inside0
	sed -i '/^interfaces/d' "$CONF"
	ip -n appliance link add spare0 type dummy 2>/dev/null &&
		ip -n appliance link set spare0 up &&
		ip -n appliance address add 203.0.113.1/24 dev spare0
	for kind in 'vxlan id 7 dstport 4789 remote 192.0.2.1' 'gretap remote 192.0.2.1' 'ipip remote 192.0.2.1' 'sit remote 192.0.2.1'; do
		# shellcheck disable=SC2086 # words
		ip -n appliance link add mac0 type $kind 2>/dev/null || continue
		made=$((made + 1))
		ip -n appliance link set mac0 up
		ip -n appliance address add 203.0.113.9/24 dev mac0
		check
		only
		found routes ok mac0 "^a tunnel [(]${kind%% *}[)]"
		ip -n appliance link delete mac0
		# shellcheck disable=SC2086 # words
		ip -n appliance link add mac0 type $kind dev eth0
		ip -n appliance link set mac0 up
		rig_bwctl load mac0
		check
		only twice
		found twice warn mac0 '^it stands on eth0, which is loaded too' '^bwctl unload mac0$'
		rig_bwctl unload mac0
		ip -n appliance link delete mac0
	done
	((made)) || skip 'this kernel has no tunnels'
}

@test "offload and first: more filters than are kept, and none is in hardware" {
	local i
	rig_bwctl load --hook clsact eth0
	rig_bwctl set --save 50mbit mode police
	for i in {101..120}; do
		rig_in appliance tc filter add dev eth0 egress pref "$i" protocol ip u32 match u32 0 0 flowid 1:1
	done
	check
	only
	found offload ok eth0 'no filter is in hardware'
}

@test "flowtable: of two on an interface one is named" {
	rig_in appliance nft 'add table inet check; add flowtable inet check one { hook ingress priority 0; devices = { eth0 }; };
		add flowtable inet check two { hook ingress priority 1; devices = { eth0 }; }' || skip 'this kernel has no flowtables'
	loaded
	check
	only
	[[ $(jq '[.findings[] | select(.check == "flowtable" and .about == "eth0")] | length' <<<"$FOUND") == 1 ]]
}
