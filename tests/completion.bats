#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What bash offers while a command line of bwctl is being typed, against what
# bwctl takes.

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
