#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Death at any moment: a bwctl that is killed leaves the old limit or the new one,
# whole, in force; what it left half done the next command finishes or removes.
# Killed at random under traffic, and before steps that change something in the
# kernel: every fifth, beginning at any of the first five, or with BWCTL_STRIDE=1
# every single one. Then many at once, and one that holds the lock for ever.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

PINS=/sys/fs/bpf
KILLED=137
STRIDE=${BWCTL_STRIDE:-5}
# What makes a policy, and on how many interfaces both hooks are in their places.
POLICY='[(.ingress, .egress | [.limit_bits_per_second, .rate_bits_per_second, .burst_bytes,
	.bound_bytes, .window_seconds]), (.interfaces | map(select(.ingress.hook and .egress.hook)) | length)]'

setup_file() {
	rig_isolated || {
		echo "run $BATS_TEST_FILENAME itself: it isolates itself"
		return 1
	}
	rig_make
}

teardown_file() {
	rig_destroy
}

teardown() {
	rig_stop_all
	clean
}

clean() {
	find "$PINS" -depth -mindepth 1 ! -name '*.debug' -delete
	tc -n appliance qdisc delete dev eth0 clsact 2>/dev/null || true
	# The fq of a command that was not killed, where the kernel has one.
	tc -n appliance qdisc delete dev eth0 root 2>/dev/null || true
}

# Says what differs, so that a failing test explains itself.
expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# What is there of anybody's on the appliance's eth0, and pins.
snapshot() {
	tc -n appliance qdisc show dev eth0
	tc -n appliance filter show dev eth0 ingress
	tc -n appliance filter show dev eth0 egress
	rig_in appliance "$RIG_TOOLS/neighbour" tcx-list eth0
	find "$PINS" -mindepth 1 ! -name '*.debug'
}

# metered: whether programs of ours are on both directions, as the kernel sees it.
metered() {
	local direction seen
	for direction in ingress egress; do
		seen=$(rig_in appliance "$RIG_TOOLS/neighbour" tcx-list eth0 | grep "^$direction "
			tc -n appliance filter show dev eth0 "$direction")
		[[ $seen == *bwctl_eth_* ]] || expect "on $direction" 'a program' "$seen"
	done
}

# policy: the one in force, whole.
policy() {
	rig_bwctl show --json | jq -e -c "$POLICY"
}

# at_step kill|stop N COMMAND...: runs COMMAND up to the Nth step (from 0) that would change
# something which outlives it, and there kills it (exit code 137), or leaves it stopped and prints
# its pid. If it has no such step, its own exit code.
at_step() {
	"$RIG_TOOLS/step" "$@"
}

# at_every_step PREPARE CHECK COMMAND...: prepares, kills bwctl -n appliance COMMAND at one step,
# checks; for every step that it has, or every STRIDEth.
at_every_step() {
	local prepare=$1 check=$2 first=$((RANDOM % STRIDE)) step code
	shift 2
	for ((step = first; step < 100; step += STRIDE)); do
		"$prepare" >/dev/null
		code=0
		at_step kill "$step" "$BWCTL" -n appliance "$@" >/dev/null 2>"$RIG_DIR/stderr" || code=$?
		((code == KILLED)) || break
		"$check" || {
			echo "... after 'bwctl $*' was killed before its step $step"
			return 1
		}
	done
	expect "exit code of bwctl $* when it is let live ($(<"$RIG_DIR/stderr"))" 0 "$code"
	((step >= 2)) || expect "steps of bwctl $*" 'at least 2' "$step"
	echo "# $*: from step $first to $step, every $STRIDE" >&3
}

from_nothing() {
	clean
	[[ -n ${BEFORE:-} ]] || BEFORE=$(snapshot)
}

from_tcx() {
	from_nothing
	rig_bwctl load --hook tcx eth0
	rig_bwctl set 20mbit
}

from_clsact() {
	from_nothing
	rig_bwctl load --hook clsact eth0
	rig_bwctl set 20mbit
}

gone_after_load_and_unload() {
	rig_bwctl load eth0 >/dev/null
	metered
	rig_bwctl unload >/dev/null
	expect 'left behind' "$BEFORE" "$(snapshot)"
}

gone_after_unload() {
	rig_bwctl unload >/dev/null
	expect 'left behind' "$BEFORE" "$(snapshot)"
}

old_or_new_then_gone() {
	local now
	metered
	now=$(policy)
	[[ $now == "$OLD" || $now == "$NEW" ]] || expect 'policy and hooks' "$OLD or $NEW" "$now"
	gone_after_unload
}

learn_policies() {
	from_tcx >/dev/null
	OLD=$(policy)
	rig_bwctl set 30mbit >/dev/null
	NEW=$(policy)
}

# A run that was killed has left the tighter limit or the old one, and never another.
old_or_run_then_cleared() {
	local now
	metered
	now=$(policy)
	[[ $now == "$OLD" || $now == "$TIGHT" ]] || expect 'policy and hooks' "$OLD or $TIGHT" "$now"
	[[ $now == "$OLD" ]] || STAYED=$((STAYED + 1))
	rig_bwctl run --clear >/dev/null
	expect 'policy when cleared' "$OLD" "$(policy)"
	expect 'runs when cleared' '[]' "$(rig_bwctl show --json | jq -c .runs)"
	# Another is not disturbed by what is left.
	rig_bwctl run 10mbit -- true
	expect 'policy after another run' "$OLD" "$(policy)"
	gone_after_unload
}

learn_runs() {
	from_tcx >/dev/null
	OLD=$(policy)
	TIGHT=$(rig_bwctl run 10mbit -- "$BWCTL" show --json | jq -e -c "$POLICY")
	[[ $TIGHT != "$OLD" ]]
	STAYED=0
}

# A run whose bwctl was killed.
from_dead_run() {
	from_tcx
	# shellcheck disable=SC2016 # for the inner shell to expand
	rig_bwctl run 10mbit -- sh -c 'kill -KILL $PPID' || true
}

both_ways() {
	rig_sink sink-far far 9000
	rig_sink sink-inside inside 9000
	rig_flood out inside "$RIG_FAR4" 9000 "$1" "$2"
	rig_flood in far "$RIG_INSIDE4" 9000 "$1" "$2"
}

watch_both_ways() {
	rig_capture wire-out far eth0 'udp port 9000'
	rig_capture wire-in inside eth0 'udp port 9000'
}

# held LIMIT: what watch_both_ways saw, against a limit in every window.
held() {
	local name
	rig_capture_stop wire-out wire-in
	for name in wire-out wire-in; do
		"$RIG_TOOLS/conform" "$RIG_DIR/$name.pcap" --limit "$1" --window 2 --min-mean 0.3
	done
}

@test "set, killed before every step: the old limit or the new one, whole" {
	learn_policies
	at_every_step from_tcx old_or_new_then_gone set 30mbit
}

@test "load over a limit, killed before every step: it stays in force" {
	learn_policies
	at_every_step from_tcx old_or_new_then_gone load --hook tcx eth0
	at_every_step from_clsact old_or_new_then_gone load --hook clsact eth0
}

@test "from tcx to clsact, killed before every step: it stays in force" {
	learn_policies
	at_every_step from_tcx old_or_new_then_gone load --hook clsact eth0
}

@test "from clsact to tcx, killed before every step: it stays in force" {
	learn_policies
	at_every_step from_clsact old_or_new_then_gone load --hook tcx eth0
}

@test "first load, killed before every step: unload alone leaves nothing behind" {
	at_every_step from_nothing gone_after_unload load --hook tcx eth0
}

@test "first load by clsact, killed before every step: load and unload leave nothing behind" {
	at_every_step from_nothing gone_after_load_and_unload load --hook clsact eth0
}

@test "unload, killed before every step: another finishes it" {
	at_every_step from_tcx gone_after_unload unload
}

@test "unload from clsact, killed before every step: load and unload leave nothing behind" {
	at_every_step from_clsact gone_after_load_and_unload unload
}

@test "run, killed before every step: the old limit or the tighter one, until it is cleared" {
	learn_runs
	at_every_step from_tcx old_or_run_then_cleared run 10mbit -- true
	((STAYED >= 2)) || expect 'times that the tighter one stayed' 'at least 2' "$STAYED"
}

@test "run --clear, killed before every step: another finishes it" {
	learn_runs
	at_every_step from_dead_run old_or_run_then_cleared run --clear
	# Of its few steps the first ones only: a longer stride may miss them.
	((STAYED >= 2 || STRIDE > 1)) || expect 'times that the tighter one stayed' 'at least 2' "$STAYED"
}

@test "run, told to end before its command begins: nothing is run, and the limit is back" {
	local signal stopped
	learn_runs
	for signal in TERM INT HUP; do
		from_tcx >/dev/null
		# Its fourth step: the new policy is written and not in force.
		at_step stop 3 env "--default-signal=$signal" "$BWCTL" -n appliance run 10mbit -- \
			touch "$RIG_DIR/was-run" >"$RIG_DIR/stopped" 3>&-
		read -r stopped <"$RIG_DIR/stopped"
		echo "$stopped" >>"$RIG_DIR/pids"
		kill "-$signal" "$stopped"
		kill -CONT "$stopped"
		rig_wait_gone 30 "$stopped"
		[[ ! -e $RIG_DIR/was-run ]] || expect "after $signal" 'nothing run' 'it was'
		expect "policy after $signal" "$OLD" "$(policy)"
		expect "runs after $signal" '[]' "$(rig_bwctl show --json | jq -c .runs)"
		gone_after_unload
	done
}

@test "killed at random under traffic: the old limit or the new one, and it holds" {
	local i killed=0 loads=('load eth0' 'load --hook clsact eth0' 'load --hook tcx eth0')
	local commands policies
	from_nothing
	rig_bwctl load eth0
	rig_bwctl set 12mbit
	policies[0]=$(policy)
	rig_bwctl set 20mbit
	policies[1]=$(policy)
	[[ ${policies[0]} != "${policies[1]}" ]]
	watch_both_ways
	both_ways 60mbit 60
	for ((i = 0; i < 75; i++)); do
		commands=('set 12mbit' 'set 20mbit' "${loads[RANDOM % 3]}")
		# shellcheck disable=SC2086
		"$BWCTL" -n appliance ${commands[i % 3]} >/dev/null 2>&1 3>&- &
		# From 0 to 15 ms, in steps of a microsecond.
		sleep "$(printf '0.%06d' $((RANDOM % 15000)))"
		! kill -KILL $! 2>/dev/null || killed=$((killed + 1))
		wait $! 2>/dev/null || true
		rig_bwctl show --json >>"$RIG_DIR/shown"
	done
	metered
	rig_stop "$(<"$RIG_DIR/out.pid")" "$(<"$RIG_DIR/in.pid")"
	jq -c "$POLICY" "$RIG_DIR/shown" >"$RIG_DIR/policies"
	expect 'times that it was shown' 75 "$(wc -l <"$RIG_DIR/policies")"
	expect 'what is neither policy' '' \
		"$(grep -n -v -x -F -e "${policies[0]}" -e "${policies[1]}" "$RIG_DIR/policies")"
	held 20mbit
	((killed >= 20)) || expect 'killed before their end' 'at least 20' "$killed"
	gone_after_load_and_unload
	echo "# $killed of 75 killed before their end" >&3
}

@test "forty at once: all succeed, each shows one whole policy, the last one stands" {
	local limits=(5mbit 10mbit 20mbit 40mbit 80mbit) known='' i pids=() now
	from_nothing
	rig_bwctl load eth0
	for i in "${limits[@]}"; do
		rig_bwctl set "$i" >/dev/null
		known+=$(policy)$'\n'
	done
	for ((i = 0; i < 40; i++)); do
		case $((i % 5)) in
		0 | 1) set -- set "${limits[RANDOM % 5]}" --json ;;
		2 | 3) set -- show --json ;;
		4) set -- load eth0 ;;
		esac
		"$BWCTL" -n appliance "$@" >"$RIG_DIR/answer-$i" 2>"$RIG_DIR/error-$i" 3>&- &
		pids+=($!)
	done
	for ((i = 0; i < 40; i++)); do
		wait "${pids[i]}" || expect "process $i" 'success' "$? $(<"$RIG_DIR/error-$i")"
	done
	for ((i = 0; i < 40; i++)); do
		((i % 5 != 4)) || continue
		cat "$RIG_DIR/answer-$i"
	done | jq -e -c "$POLICY" >"$RIG_DIR/answers"
	expect 'answers' 32 "$(wc -l <"$RIG_DIR/answers")"
	expect 'answers that are no policy' '' "$(grep -v -x -F "${known%$'\n'}" "$RIG_DIR/answers")"
	now=$(policy)
	grep -q -x -F "$now" <<<"${known%$'\n'}"
	metered
	gone_after_unload
}

@test "loads and unloads at once: nothing or all, and nothing when unloaded" {
	local i round pids
	from_nothing
	for round in 1 2 3; do
		pids=()
		for ((i = 0; i < 10; i++)); do
			set -- load eth0
			((i % 2)) || set -- unload
			"$BWCTL" -n appliance "$@" >"$RIG_DIR/answer-$i" 2>&1 3>&- &
			pids+=($!)
		done
		for ((i = 0; i < 10; i++)); do
			wait "${pids[i]}" || expect "process $i in round $round" 'success' "$(<"$RIG_DIR/answer-$i")"
		done
		if [[ -e $PINS/bwctl ]]; then
			metered
		else
			expect 'left behind' "$BEFORE" "$(snapshot)"
		fi
	done
	gone_after_unload
}

@test "a lock held by a stopped process delays others, until it goes on or is killed" {
	local signal expected stopped waiting
	for signal in CONT KILL; do
		from_tcx >/dev/null
		expected=30000000
		[[ $signal == CONT ]] || expected=20000000
		# Its second step: the new policy is written and not in force.
		at_step stop 1 "$BWCTL" -n appliance set 30mbit >"$RIG_DIR/stopped" 3>&-
		read -r stopped <"$RIG_DIR/stopped"
		echo "$stopped" >>"$RIG_DIR/pids"
		"$BWCTL" -n appliance show --json >"$RIG_DIR/answer" 2>"$RIG_DIR/error" 3>&- &
		waiting=$!
		[[ $signal == KILL ]] || rig_wait 30 grep -q '^hint: waiting' "$RIG_DIR/error"
		sleep 0.1
		kill -0 "$waiting"
		expect 'answer while it waits' '' "$(<"$RIG_DIR/answer")"
		metered
		kill "-$signal" "$stopped"
		wait "$waiting"
		jq -e ".egress.limit_bits_per_second == $expected" "$RIG_DIR/answer"
		rig_wait_gone 30 "$stopped"
		rig_bwctl set 40mbit >/dev/null
		gone_after_unload
	done
}

@test "enforcement goes on when no process is left" {
	from_nothing
	rig_bwctl load eth0
	rig_bwctl set 10mbit
	expect 'processes' '' "$(pgrep -x --ns $$ --nslist mnt bwctl)"
	watch_both_ways
	both_ways 50mbit 2.4
	rig_flood_wait out
	rig_flood_wait in
	held 10mbit
	rig_bwctl show --json | jq -e '[.ingress, .egress] | all(.dropped.packets > 1000)'
}
