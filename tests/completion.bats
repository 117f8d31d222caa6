#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What bash offers while a command line of bwctl is being typed, against what
# bwctl takes.

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
BWCTL_BUILD=$(realpath "${BWCTL_BUILD:-$ROOT/build}")
PATH=$BWCTL_BUILD:$PATH

setup() {
	# shellcheck source=dist/bash-completion/bwctl
	source "$ROOT/dist/bash-completion/bwctl"
}

# offered WORD...: what is offered for the last one, a line each.
offered() {
	COMP_WORDS=(bwctl "$@") COMP_CWORD=$#
	_bwctl
	((!${#COMPREPLY[@]})) || printf '%s\n' "${COMPREPLY[@]}"
}

# offers "WORD..." -- WORD...: these are offered, among others.
offers() {
	local words=$1 word list
	shift 2
	# shellcheck disable=SC2086 # words; an empty one may be the last
	list=$(offered $words "${LAST-}")
	for word; do
		grep -q -x -F -e "$word" <<<"$list" || {
			printf 'after "%s" not "%s", but\n%s\n' "$words" "$word" "$list"
			return 1
		}
	done
}

@test "every command, and every option of bwctl" {
	local name
	for name in $(bwctl help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
		offers '' -- "$name"
		offers help -- "$name"
	done
	for name in $(bwctl --help | grep -o -e '--[a-z][a-z-]*' | sort -u); do
		offers '' -- "$name"
	done
}

@test "every option of a command" {
	local name option
	for name in $(bwctl help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
		for option in $(bwctl help "$name" | sed -n '1,/^$/p' | grep -o -e '--[a-z][a-z-]*' | sort -u); do
			[[ "$name $option" != 'run --clear' ]] || continue
			offers "$name" -- "$option"
		done
	done
	[[ $(offered metr) == metrics ]]
}

@test "every word that set takes" {
	local word
	offers set -- ingress egress burst window overhead mode horizon class flow unlimited
	offers 'set class ssh' -- ingress egress priority reserve exempt remove
	offers 'set flow jump' -- class protocol local remote prefix interface before remove default
	for word in $(bwctl help set | sed -n 's/^usage: bwctl set//; 1,/^$/p' | grep -o '\b[a-z][a-z]*\b' | sort -u); do
		case $word in
		set | save | tcx) continue ;;
		esac
		grep -q "\b$word\b" "$ROOT/dist/bash-completion/bwctl" || {
			echo "$word"
			return 1
		}
	done
}

@test "classes, flows, modes, interfaces, and units behind a number" {
	offers 'set class' -- ui admin api ssh telnet icmp other control
	offers 'set flow' -- ui icmpv6
	offers 'set mode' -- auto pace police observe
	offers 'set class ui priority' -- high normal low
	offers 'set flow jump protocol' -- tcp icmpv6 any
	offers load -- lo --all
	offers '-n blue load' -- lo
	offers 'load --hook' -- tcx clsact auto
	offers 'watch --class' -- ui ssh other
	LAST=2 offers 'watch --interval' -- 2ms 2s 2min
	LAST=2 offers 'flows --interval' -- 2ms 2s 2min
	LAST=50 offers set -- 50kbit 50mbit 50gbit
	LAST=1.5m offers 'set class ssh' -- 1.5mbit
	LAST=20 offers 'set window' -- 20ms 20s
	[[ $(offered set ingress 5kb) == 5kbit ]]
	[[ $(offered set egress 5x) == '' ]]
}

@test "what is offered as a unit, bwctl takes" {
	local unit
	for unit in $(offered set 9); do
		printf '[limit]\nrate = %s\n' "$unit" >"$BATS_TEST_TMPDIR/conf"
		bwctl apply --check "$BATS_TEST_TMPDIR/conf"
	done
	for unit in $(offered set burst 9); do
		printf '[limit]\nrate = 50mbit\nmode = police\nburst = %s\n' "$unit" >"$BATS_TEST_TMPDIR/conf"
		run bwctl apply --check "$BATS_TEST_TMPDIR/conf"
		[[ $output != *'unit'* && $output != *'expected a number'* ]]
	done
}

@test "what is asked is asked where the line is about: its namespace and its pin directory" {
	local words pid
	# shellcheck disable=SC2317 # it is what is tested that calls them
	bwctl() {
		printf '%s\n' "$*" >>"$BATS_TEST_TMPDIR/asked"
		printf '[class zone]\n[flow jump]\n      "name": "eth7",\n'
	}
	# shellcheck disable=SC2317
	nsenter() {
		printf '%s\n' "$*" >>"$BATS_TEST_TMPDIR/asked"
		printf '1: lo: <LOOPBACK>\n7: eth7@if3: <UP>\n'
	}
	# asked EXPECTED WORDS: of the line.
	asked() {
		: >"$BATS_TEST_TMPDIR/asked"
		# shellcheck disable=SC2086 # words
		offered $2 '' >/dev/null
		[[ $(<"$BATS_TEST_TMPDIR/asked") == "$1" ]] || {
			printf 'after "%s" asked is\n%s\n' "$2" "$(<"$BATS_TEST_TMPDIR/asked")"
			return 1
		}
	}
	asked 'show --config' 'set class'
	asked '--netns blue show --config' '-n blue set class'
	asked '--netns blue show --config' 'set -nblue flow'
	asked '--netns blue --pin-dir /sys/fs/bpf/x show --config' '--pin-dir /sys/fs/bpf/x --netns = blue set class'
	asked '--pin-dir /sys/fs/bpf/x show --config' 'watch --pin-dir /sys/fs/bpf/x --class'
	asked '--netns blue show --json' '-n blue --config /etc/other unload'
	asked '--net=/run/netns/blue -- ip -o link show' '-n blue load'
	asked '--net=/proc/1/ns/net -- ip -o link show' 'load -n /proc/1/ns/net'
	offers '-n blue load' -- lo eth7
	offers '-n blue set class' -- zone ssh
	offers '-n blue unload' -- eth7
	unset -f bwctl nsenter
	((!EUID)) || skip 'not root: no other namespace to look into'
	# shellcheck disable=SC2016 # for the inner shell to expand
	unshare --net bash -c 'ip link add there7 type dummy || ip link add there7 type veth
		echo >"$1" && exec sleep 60' bash "$BATS_TEST_TMPDIR/ready" 3>&- &
	pid=$!
	for ((words = 0; words < 100; words++)); do
		[[ ! -e $BATS_TEST_TMPDIR/ready ]] || break
		sleep 0.1
	done
	run offers "-n /proc/$pid/ns/net load" -- lo there7
	kill "$pid"
	echo "$output"
	((!status))
	run ! grep -q -x there7 <<<"$(offered load '')"
}

# offered_in SETUP WORD...: the same in a bash of its own, whatever the words do to it.
offered_in() {
	local setup=$1
	shift
	bash --norc -c '
		eval "$1"
		# There is no line being typed.
		compopt() { :; }
		source "$2"
		shift 2
		COMP_WORDS=(bwctl "$@") COMP_CWORD=$# COMP_LINE="bwctl $*" COMP_POINT=${#COMP_LINE}
		_bwctl
		printf "%s\n" "${COMPREPLY[@]}"' bash "$setup" "$ROOT/dist/bash-completion/bwctl" "$@"
}

@test "the command of run is completed as it is by itself" {
	local all=/usr/share/bash-completion/bash_completion
	# By itself, where nothing else completes.
	offered_in '' run 50mbit -- unsha | grep -q -x unshare
	offered_in '' run -- ls "$ROOT/READ" | grep -q -x "$ROOT/README.md"
	offered_in '' run -- ls -- "$ROOT/READ" | grep -q -x "$ROOT/README.md"
	# shellcheck disable=SC2016 # for that bash to expand
	[[ $(offered_in '_command_offset() { COMPREPLY=("from $1 ${COMP_WORDS[$1]}"); }' -n blue run 50mbit -- tool -- a) == 'from 6 tool' ]]
	# shellcheck disable=SC2016
	[[ $(offered_in '_comp_command_offset() { COMPREPLY=("at $1"); }' run -- tool a) == 'at 3' ]]
	# Before the hyphens the words are those of run.
	offers 'run 50mbit' -- class --
	[[ -e $all ]] || skip 'bash-completion is not installed'
	[[ $(offered_in "source $all; complete -W 'alpha beta' tool" run 50mbit class ssh 1mbit -- tool -v al) == alpha ]]
	offered_in "source $all" run 50mbit -- unsha | grep -q -x unshare
}
