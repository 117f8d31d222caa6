#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# bwctl watch, as somebody sees it: in a terminal that tmux emulates, on a socket of its own, what
# is on the screen against "show --json" while packets flow; keys, sizes, signals; and the plain
# lines where there is no screen. Runs itself under bats in mount and network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031,SC2154

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

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

setup() {
	export LC_ALL=C.UTF-8
	unset NO_COLOR
	terminals=0
	rig_bwctl load eth0
	# Every kernel can police.
	rig_bwctl set 50mbit mode police >/dev/null
}

teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || { screen && cat "$RIG_DIR/errors"; } >&2 2>/dev/null || true
	tmux_ kill-server 2>/dev/null || true
	rig_stop_all
	rig_bwctl unload >/dev/null || true
	rm -rf "${RIG_DIR:?}"/*
	: >"$RIG_DIR/pids"
}

# Says what differs, so that a failing test explains itself.
expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# ---- the terminal ----

tmux_() {
	tmux -S "$RIG_DIR/tmux.$terminals" -f /dev/null "$@" 3>&-
}

# terminal WIDTH HEIGHT COMMAND: a terminal of that size, in which a shell runs COMMAND, in the place of
# the one before.
terminal() {
	tmux_ kill-server 2>/dev/null || true
	# A server that is about to go would take the new one along.
	terminals=$((terminals + 1))
	rm -f "$RIG_DIR"/{before,after,stopped,code,pid}
	tmux_ new-session -d -x "$1" -y "$2" "$3"
}

# begin WIDTH HEIGHT [WORD...]: "bwctl watch WORD..." in a terminal of its own, until it has drawn.
# Its pid is then in RIG_DIR/pid; what the terminal was like before and after in before and after,
# the exit code in code.
begin() {
	local width=$1 height=$2
	shift 2
	cat >"$RIG_DIR/shell" <<-EOF
		cd "$RIG_DIR"
		# A key is for both; the shell goes on.
		trap : INT
		stty -a >before
		sh -c 'echo \$\$ >pid; exec "\$@"' sh "$BWCTL" -n appliance watch ${*@Q} 2>errors
		code=\$?
		stty -a >after
		echo \$code >code
		sleep 600
	EOF
	terminal "$width" "$height" "exec bash '$RIG_DIR/shell'"
	rig_wait 60 on_screen '^(ingress|in) ' || expect 'a screen' '' "$(screen)"
}

screen() {
	tmux_ capture-pane -p
}

# on_screen REGEX: whether a line is like that.
on_screen() {
	screen | grep -q -E -e "$1"
}

off_screen() {
	! on_screen "$1"
}

# seen REGEX: waits until a line is.
seen() {
	rig_wait 60 on_screen "$1" || expect "on the screen: $1" '' "$(screen)"
}

press() {
	tmux_ send-keys "$@"
}

# resize WIDTH HEIGHT: returns when the terminal is, and who is in it was told.
resize() {
	tmux_ resize-window -x "$1" -y "$2"
	rig_wait 30 has_size "$2 $1" || expect 'size' "$2 $1" "$(stty size -F "$(tmux_ display-message -p '#{pane_tty}')")"
}

has_size() {
	[[ $(stty size -F "$(tmux_ display-message -p '#{pane_tty}')") == "$1" ]]
}

# The time of what is shown.
clock() {
	screen | grep -o '[0-9][0-9]:[0-9][0-9]:[0-9][0-9]$' | head -n 1
}

# moves FROM: the clock is another.
moves() {
	local now
	now=$(clock)
	[[ -n $now && $now != "$1" ]]
}

# ended CODE: waits for the end; the terminal is as it was.
ended() {
	rig_wait 60 test -s "$RIG_DIR/code" || expect 'watch' 'its end' "$(screen)"
	expect 'exit code' "$1" "$(<"$RIG_DIR/code")"
	expect 'errors' '' "$(<"$RIG_DIR/errors")"
	left "$RIG_DIR/after"
}

# What stty said, but for the size.
settings() {
	sed 's/; rows [0-9]*; columns [0-9]*//' "$1"
}

# left FILE: what stty said there is as it was before; nothing is left of the screen.
left() {
	expect 'stty -a' "$(settings "$RIG_DIR/before")" "$(settings "$1")"
	# Alternate screen, cursor, keypad.
	rig_wait 60 flags 0,1,0 || expect 'flags of the terminal' 0,1,0 \
		"$(tmux_ display-message -p '#{alternate_on},#{cursor_flag},#{keypad_flag}')"
}

flags() {
	[[ $1 == "$(tmux_ display-message -p '#{alternate_on},#{cursor_flag},#{keypad_flag}')" ]]
}

limits() {
	rig_bwctl show --json | jq -c '[.ingress, .egress | .limit_bits_per_second | if . then . / 1e6 else . end]'
}

# has_limits INGRESS EGRESS: those in force, in Mbit/s.
has_limits() {
	[[ $(limits) == "[$1,$2]" ]]
}

# ---- traffic ----

# A flood of class other that comes in at RATE, more than 50mbit or not, and ssh at 3 Mbit/s the other way.
traffic() {
	rig_sink sink inside 9000
	rig_flood flood far "$RIG_INSIDE4" 9000 "$1" 300
	rig_flow ssh far inside to "$RIG_FAR4" port 22 seconds 300 bitrate 3M
}

# table CLASS: what the screen says of it, in an 80 columns table: bits per second and dropped per
# second, in and out, and when it was seen.
table() {
	screen | perl -ne '
		sub bits { my ($n, $u) = split / /, shift; $n * {"" => 1, k => 1e3, M => 1e6, G => 1e9}->{($u // "") =~ /^([kMG])bit/ ? $1 : ""} }
		my $rate = qr{-|0|[\d.]+ [kMG]?bit/s};
		my $wait = qr{-|exempt|[\d.]+ [mu]?s};
		next unless /^'"$1"'\s+($rate)\s+([\d. ]+|-)\s+$wait\s+($rate)\s+([\d. ]+|-)\s+$wait\s+(\S.*?)\s*$/;
		my ($in, $in_lost, $out, $out_lost, $seen) = ($1, $2, $3, $4, $5);
		s/ //g for $in_lost, $out_lost;
		printf "%d %s %d %s %s\n", bits($in), $in_lost, bits($out), $out_lost, $seen;
	'
}

# counted CLASS DIRECTION: "bytes dropped seconds" of it, now.
counted() {
	rig_bwctl show --json | jq -r --arg now "$EPOCHREALTIME" --arg class "$1" --arg direction "$2" \
		'.[$direction].classes[$class] | "\(.passed.bytes) \(.dropped.packets) \($now)"'
}

# near MEASURED BEFORE AFTER: each within a quarter, and the drops within 40 % and 5 a second, of what
# was counted in between.
near() {
	awk -v measured="$1" -v before="$2" -v after="$3" '
		function far(a, b, part) { return a > b * (1 + part) + 5 || a < b * (1 - part) - 5 }
		BEGIN {
			split(measured, m)
			split(before, b)
			split(after, a)
			seconds = a[3] - b[3]
			rate = (a[1] - b[1]) * 8 / seconds
			lost = (a[2] - b[2]) / seconds
			printf "%.0f bit/s, %.1f lost, against %.0f and %.1f\n", m[1], m[2], rate, lost
			exit far(m[1], rate, 0.25) || far(m[2], lost, 0.4)
		}'
}

# has_row CLASS [PATTERN]: five columns, which are like that
has_row() {
	local row
	read -r -a row <<<"$(table "$1")"
	# shellcheck disable=SC2053 # a pattern
	((${#row[@]} >= 5)) && [[ ${row[*]} == ${2:-*} ]]
}

# agrees CLASS DIRECTION: the screen says of a class what the counters do, of the interval that it shows.
agrees() {
	local before after row at
	at=$(clock)
	rig_wait 5 moves "$at"
	before=$(counted "$1" "$2")
	at=$(clock)
	rig_wait 5 moves "$at"
	after=$(counted "$1" "$2")
	read -r -a row <<<"$(table "$1")"
	if [[ $2 == ingress ]]; then
		near "${row[*]:0:2}" "$before" "$after"
	else
		near "${row[*]:2:2}" "$before" "$after"
	fi
}

# agrees_soon CLASS DIRECTION: in one of several tries, since a machine may be busy.
agrees_soon() {
	local try said=''
	for ((try = 0; try < 15; try++)); do
		if said+=$(agrees "$@")$'\n'; then
			return
		fi
	done
	expect "$1 $2" 'as counted' "$said"
}

# ---- what is shown ----

@test "80x24: each class has its rate and its drops, and the limit is that of show" {
	local name
	traffic 60mbit
	begin 80 24
	agrees_soon other ingress
	agrees_soon ssh egress
	seen '^ingress +[0-9.]+ Mbit/s of 50 Mbit/s +at the limit (100|[1-9][0-9]) % of the time'
	seen '^egress +[0-9.]+ Mbit/s of 50 Mbit/s +at the limit 0 % of the time'
	# It ends below the limit: r of a limit that polices is some 0.9 of it, and a queue is not there.
	seen '\[█+. *\] +(8[0-9]|9[0-9]|100) %'
	seen '50 Mbit/s .*▁▁▁'
	seen '^q quit +p pause'
	for name in ui admin api ssh telnet icmp other control; do
		rig_wait 30 has_row "$name" || expect "the row of $name" '' "$(screen)"
	done
	rig_wait 30 has_row ssh '* now'
	rig_wait 30 has_row telnet '0 0 0 0 -'
	# What ends stays in the table with the time since.
	rig_stop "$(<"$RIG_DIR/flood.pid")"
	seen '^other +0 .* [2-9] s ago'
	press q
	ended 0
}

@test "200x50: mode and promise are those of show, when they change too" {
	local bound
	traffic 10mbit
	begin 200 50
	for limit in 50 20; do
		rig_bwctl set "${limit}mbit" >/dev/null
		seen "^ingress .* of $limit Mbit/s"
		bound=$(rig_bwctl show | grep -o -m 1 'bound B [0-9.]* [kM]*B')
		seen "^ +police, window W 2 s, $bound\$"
		seen "^ +$limit Mbit/s .*▁▁"
	done
	rig_bwctl set window 5s >/dev/null
	seen '^ +police, window W 5 s, bound B'
	rig_bwctl set mode observe >/dev/null
	seen '^ +observe, window W .*; it would (police|pace)'
	seen '^class .* would/s'
	rig_bwctl set unlimited mode police >/dev/null
	seen '^ingress +[0-9.]+ [kM]bit/s$'
	seen '^ +no limit is set: counting only$'
	rig_bwctl set egress 30mbit >/dev/null
	seen '^egress .* of 30 Mbit/s'
	seen '^ingress +[0-9.]+ [kM]bit/s$'
	# A line per class, in both directions.
	seen '^class +ingress'
	expect 'columns of classes' 1 "$(screen | grep -c -E '^class +ingress dropped/s +wait +seen +egress dropped/s +wait +seen$')"
	expect 'rows' 8 "$(screen | grep -c -E '^(ui|admin|api|ssh|telnet|icmp|other|control) ')"
	press q
	ended 0
}

# reason: of the mode of egress, as it is on the screen
reason() {
	screen | sed -n '/^egress/,/\[/p' | sed '1d; $d' | tr '\n' ' ' | sed 's/  */ /g; s/^.*[kM]B: //; s/ $//'
}

says_reason() {
	[[ $(reason) == "$(rig_bwctl show --json | jq -r .egress.mode_reason)" ]]
}

@test "a mode that was not asked for is there with its reason, on two lines if need be" {
	rig_in appliance tc qdisc replace dev eth0 root pfifo
	rig_bwctl unload
	rig_bwctl load eth0
	rig_bwctl set 50mbit mode auto >/dev/null
	begin 80 24
	seen '^ +police, window W 2 s, bound B [0-9.]+ [kM]B: .'
	rig_wait 30 says_reason || expect 'the reason' "$(rig_bwctl show --json | jq -r .egress.mode_reason)" "$(reason)"
	rig_in appliance tc qdisc delete dev eth0 root
}

@test "where packets wait: how long, and no rate above the limit though a queue builds up" {
	rig_has_fq || skip 'this kernel has no fq: nothing can wait'
	rig_bwctl set 20mbit mode pace >/dev/null
	rig_sink sink far 9000
	rig_start appliance "$BWCTL" watch --interval 250ms >"$RIG_DIR/lines"
	rig_wait 60 test -s "$RIG_DIR/lines"
	rig_flood flood inside "$RIG_FAR4" 9000 40mbit 600
	begin 80 24
	seen '^egress +(19|20)[0-9.]* Mbit/s of 20 Mbit/s +at the limit [0-9]+ % of the time +queue [0-9]+ ms'
	seen '^ +pace, window W 1 s, bound B'
	seen '^other .* [0-9.]+ ms  '
	rig_stop "$(<"$RIG_DIR/flood.pid")"
	grep -q -E 'egress (19|20)[0-9.]* Mbit/s of 20 Mbit/s, pace, dropped [0-9 .]+/s, wait [0-9.]+ ms' "$RIG_DIR/lines"
	# In every interval of a quarter of a second: r, and what may leave at once.
	perl -ne '
		next unless /egress ([\d.]+) ([kM])bit/;
		$rate = $2 eq "M" ? $1 : $1 / 1000;
		$most = $rate if $rate > $most;
		END { print "at most $most\n"; exit !($most > 19 && $most < 21.5) }' "$RIG_DIR/lines"
}

@test "--class: bar and plot are of the class, against its own limit if it has one" {
	traffic 20mbit
	begin 80 24 --class ssh
	seen '^egress +ssh (2\.[5-9]|3)[0-9.]* Mbit/s of 50 Mbit/s'
	rig_bwctl set class ssh 2mbit >/dev/null
	seen '^egress +ssh [0-9.]+ Mbit/s of 2 Mbit/s'
	seen '^ +police, own limit, window W'
	seen '^ +2 Mbit/s .*▁▁'
	press q
	ended 0
}

@test "a class that is not there is refused, with those that are; one that goes away is said to have" {
	rig_bwctl set class lab 5mbit >/dev/null
	run --separate-stderr -1 rig_bwctl watch --class nosuch
	expect 'the error' "bwctl: there is no class 'nosuch': expected ui, admin, api, ssh, telnet, icmp, other, control or lab" "$stderr"
	begin 80 24 --class lab
	seen '^ingress +lab '
	rig_bwctl set class lab remove >/dev/null
	seen "^there is no class 'lab' any more\$"
	press q
	ended 0
}

@test "classes of one's own, more than there is room for: those that came by are there" {
	local words=() i
	for ((i = 1; i <= 20; i++)); do
		words+=(class "own-class-$i" priority low)
	done
	rig_bwctl set "${words[@]}" flow mine class own-class-20 protocol udp local 9000 >/dev/null
	rig_bwctl set flow theirs class own-class-20 protocol udp remote 9000 >/dev/null
	rig_sink sink far 9000
	rig_flood flood inside "$RIG_FAR4" 9000 5mbit 600
	begin 80 24
	seen '^own-class-20 '
	seen '^and [0-9]+ more$'
	resize 100 60
	seen '^own-class-7 '
	press q
	ended 0
}

# ---- keys ----

@test "+ and - ask first: n changes nothing, y does, by steps of 1, 2 and 5" {
	begin 80 24
	press +
	seen '^both directions: 50 -> 100 Mbit/s\? y/n$'
	press n
	seen '^nothing was changed$'
	expect 'limits' '[50,50]' "$(limits)"
	press -
	seen '^both directions: 50 -> 20 Mbit/s\? y/n$'
	press Escape
	seen '^nothing was changed$'
	expect 'limits' '[50,50]' "$(limits)"
	press +
	seen '100 Mbit/s\? y/n$'
	press y
	seen '^set both directions: 50 -> 100 Mbit/s, not saved: bwctl save$'
	expect 'limits' '[100,100]' "$(limits)"
	seen '^ingress .* of 100 Mbit/s'
	# Each its own step.
	rig_bwctl set egress 30mbit >/dev/null
	seen '^egress .* of 30 Mbit/s'
	press -
	seen '^ingress 100 -> 50 Mbit/s, egress 30 -> 20 Mbit/s\? y/n$'
	press y
	rig_wait 60 has_limits 50 20 || expect 'limits' '[50,20]' "$(limits)"
	# One that is unlimited stays so.
	rig_bwctl set ingress unlimited >/dev/null
	seen '^ingress [^o]*$'
	press +
	seen '^egress 20 -> 50 Mbit/s\? y/n$'
	press y
	rig_wait 60 has_limits null 50 || expect 'limits' '[null,50]' "$(limits)"
	rig_bwctl set unlimited >/dev/null
	seen '^egress [^o]*$'
	press -
	seen '^there is no limit to lower: bwctl set RATE gives one$'
	press y
	expect 'limits' '[null,null]' "$(limits)"
	press q
	ended 0
}

@test "what was typed ahead or pasted answers no question; further steps are asked anew" {
	begin 80 24
	press + y
	seen '^both directions: 50 -> 100 Mbit/s\? y/n$'
	press n
	seen '^nothing was changed$'
	press + - + y y q
	seen '^both directions: 50 -> 100 Mbit/s\? y/n$'
	# Steps from what is asked about, in both directions.
	press +
	seen '^both directions: 50 -> 200 Mbit/s\? y/n$'
	press -
	seen '^both directions: 50 -> 100 Mbit/s\? y/n$'
	press -
	seen '^nothing was changed$'
	press y
	expect 'limits' '[50,50]' "$(limits)"
	press -
	seen '^both directions: 50 -> 20 Mbit/s\? y/n$'
	press -
	seen '^both directions: 50 -> 10 Mbit/s\? y/n$'
	expect 'limits' '[50,50]' "$(limits)"
	press y
	seen '^set both directions: 50 -> 10 Mbit/s, not saved: bwctl save$'
	expect 'limits' '[10,10]' "$(limits)"
	# Where it cannot be asked.
	tmux_ resize-window -x 12 -y 2
	seen '^directions:$'
	press + y
	seen '^too small'
	sleep 0.5
	press q
	ended 0
	expect 'limits' '[10,10]' "$(limits)"
}

is_locked() {
	! flock --nonblock /sys/fs/bpf/bwctl true
}

@test "what bwctl set says against it is on the screen; it may take as long as it likes" {
	begin 80 24
	rig_bwctl set class ui reserve 40mbit >/dev/null
	press -
	seen '20 Mbit/s\? y/n$'
	press y
	seen '^all that is reserved is 40mbit together'
	seen 'expected at most that, or less reserved'
	expect 'limits' '[50,50]' "$(limits)"
	rig_bwctl set class ui reserve none >/dev/null
	# Somebody else changes something: to look on needs no lock.
	rig_start appliance flock --no-fork --exclusive /sys/fs/bpf/bwctl sleep 600
	rig_wait 30 is_locked
	press +
	seen '100 Mbit/s\? y/n$'
	press y
	seen '^setting both directions: 50 -> 100 Mbit/s$'
	at=$(clock)
	rig_wait 60 moves "$at"
	on_screen '^setting both'
	rig_stop "$RIG_PID"
	seen '^set both directions: 50 -> 100 Mbit/s, not saved: bwctl save($|; hint: waiting)'
	expect 'limits' '[100,100]' "$(limits)"
	press q
	ended 0
}

@test "a question is asked when there is room for it, over everything; a key for it closes the help" {
	begin 60 14
	press '?'
	seen '\| q +quit'
	press +
	seen '^both directions: 50 -> 100 Mbit/s\? y/n$'
	rig_wait 30 off_screen 'q +quit +\|'
	# One that does not fit any more is not there.
	resize 12 2
	seen '^too small'
	resize 30 2
	press y
	expect 'limits' '[50,50]' "$(limits)"
	press z +
	seen '^both directions: 50 -> 100'
	seen '^Mbit/s\? y/n$'
	press n
	seen '^nothing was changed$'
	resize 30 1
	press +
	seen '^too small to ask$'
	press y
	expect 'limits' '[50,50]' "$(limits)"
	press q
	ended 0
}

@test "a question goes when what it is about is another, and after 20 seconds" {
	begin 80 24
	press +
	seen '^both directions: 50 -> 100 Mbit/s\? y/n$'
	rig_bwctl set egress 30mbit >/dev/null
	seen '^the limit was changed meanwhile'
	press y
	sleep 0.5
	expect 'limits' '[50,30]' "$(limits)"
	press q
	ended 0
	# Where the next look is far.
	rig_bwctl set 50mbit >/dev/null
	begin 80 24 --interval 60min
	press +
	seen '^both directions: 50 -> 100 Mbit/s\? y/n$'
	rig_bwctl set 10mbit >/dev/null
	press y
	seen '^the limit was changed meanwhile'
	expect 'limits' '[10,10]' "$(limits)"
	press -
	seen '^both directions: 10 -> 5 Mbit/s\? y/n$'
	rig_wait 90 on_screen '^no answer: nothing was changed$'
	press y
	expect 'limits' '[10,10]' "$(limits)"
	press q
	ended 0
}

# class_limits CLASS: its own, in Mbit/s.
class_limits() {
	rig_bwctl show --json | jq -c --arg class "$1" \
		'[.ingress, .egress | .classes[$class].limit_bits_per_second | if . then . / 1e6 else . end]'
}

has_class_limits() {
	[[ $(class_limits "$1") == "$2" ]]
}

@test "--class: + and - are about the limit of the class if it has one, and say whose it is" {
	begin 80 24 --class ssh
	press +
	seen '^the limit of all: 50 -> 100 Mbit/s\? y/n$'
	press n
	rig_bwctl set class ssh egress 2mbit >/dev/null
	seen '^egress +ssh .* of 2 Mbit/s'
	press +
	seen '^class ssh: egress 2 -> 5 Mbit/s\? y/n$'
	press y
	seen '^set class ssh: egress 2 -> 5 Mbit/s, not saved: bwctl save$'
	expect 'of ssh' '[null,5]' "$(class_limits ssh)"
	rig_bwctl set class ssh 10mbit >/dev/null
	seen '^ingress +ssh .* of 10 Mbit/s'
	press -
	seen '^class ssh: 10 -> 5 Mbit/s\? y/n$'
	press y
	rig_wait 60 has_class_limits ssh '[5,5]' || expect 'of ssh' '[5,5]' "$(class_limits ssh)"
	expect 'limits' '[50,50]' "$(limits)"
	press q
	ended 0
}

@test "a run that holds the limit is named, and that a step changes nothing in force" {
	begin 100 24
	rig_start appliance "$BWCTL" run 10mbit -- sleep 600
	seen '^ +police, held to 10 Mbit/s by run 1 \(50 asked\), window W'
	press -
	seen '^both directions: 50 -> 20 Mbit/s\? y/n; held to 10 Mbit/s by run 1, which stays in force$'
	press y
	seen '^set both directions: 50 -> 20 Mbit/s; held to 10 Mbit/s by run 1, which stays in force, not saved'
	expect 'limits' '[10,10]' "$(limits)"
	seen 'by run 1 \(20 asked\)'
	rig_bwctl set 10mbit >/dev/null
	rig_wait 60 off_screen 'by run 1'
	press -
	seen '^both directions: 10 -> 5 Mbit/s\? y/n$'
	press n
	rig_stop "$RIG_PID"
	rig_bwctl run --clear >/dev/null || true
	press q
	ended 0
}

# columns: how many intervals the first plot shows, by the line of the limit.
columns() {
	screen | grep -m 1 -E '^ +50 Mbit/s' | grep -o '▁' | wc -l
}

has_columns() {
	(($(columns) >= $1))
}

@test "p: what is shown stands still, and history goes on" {
	local at before
	begin 120 30 --interval 200ms
	rig_wait 60 has_columns 3
	press p
	seen 'PAUSED'
	at=$(clock) before=$(columns)
	[[ $before -ge 3 ]]
	rig_bwctl set 20mbit >/dev/null
	rig_bwctl set 50mbit >/dev/null
	sleep 2.2
	expect 'the clock' "$at" "$(clock)"
	expect 'columns' "$before" "$(columns)"
	resize 100 28
	seen 'PAUSED'
	expect 'the clock' "$at" "$(clock)"
	press p
	rig_wait 60 moves "$at"
	# 2.2 seconds are 11 intervals; less of them on a machine that is busy.
	rig_wait 60 has_columns $((before + 5))
	run ! on_screen 'PAUSED'
	press q
	ended 0
}

@test "? and h: the keys; others do nothing" {
	begin 80 24
	press '?'
	seen '\| q +quit'
	press x
	rig_wait 60 off_screen 'q +quit +\|'
	press h
	seen '\| q +quit'
	press h
	rig_wait 60 off_screen 'q +quit +\|'
	# An arrow begins with ESC and may end with the letter of a key.
	press Up Down Left Right F1 F4 PPage
	press -l $'\eOp' z
	rig_wait 60 moves "$(clock)"
	run ! on_screen PAUSED
	press q
	ended 0
}

# ---- sizes ----

# is_whole WIDTH HEIGHT: the screen is as of that size: each thing is there, once.
is_whole() {
	local text
	text=$(screen)
	[[ $(grep -c '^ingress ' <<<"$text") == 1 && $(grep -c '^egress ' <<<"$text") == 1 ]] &&
		[[ $(grep -c '^class ' <<<"$text") == 1 && $(grep -c '^q quit' <<<"$text") == 1 ]] &&
		[[ $(grep -c -F '[' <<<"$text") == 2 && $(head -n 1 <<<"$text") == 'bwctl on eth0'* ]] &&
		[[ $(tail -n 1 <<<"$text") == 'q quit'* ]]
}

@test "any size, also while it runs" {
	local size
	traffic 20mbit
	begin 80 24 --interval 100ms
	for size in 80x24 200x50 60x24 40x10 100x30 60x14 45x20 300x80 80x24; do
		resize "${size%x*}" "${size#*x}"
		rig_wait 60 is_whole || expect "at $size" '' "$(screen)"
		# What is cut has a mark, and at 60 columns the words fit.
		case $size in
		60*) seen '^ingress .* at limit [0-9]+ %$' ;;
		40*) seen '^ingress .*…$' ;;
		esac
	done
	# Less than that: the bars alone, or as much of them as there is room for.
	for size in 39x24 80x9 30x5 20x4; do
		resize "${size%x*}" "${size#*x}"
		rig_wait 60 on_screen '^in +[0-9.]+ [kM]bit/s' || expect "at $size" '' "$(screen)"
		rig_wait 60 on_screen '^out +' || expect "at $size" '' "$(screen)"
		rig_wait 30 off_screen '^class ' || expect "at $size" 'no class' "$(screen)"
	done
	for size in 10x2 3x3 1x1 2x40 150x1; do
		resize "${size%x*}" "${size#*x}"
		press + Escape '?' x p p
		sleep 0.3
		rig_alive "$(<"$RIG_DIR/pid")"
	done
	# A storm of them.
	for ((i = 1; i <= 60; i++)); do
		tmux_ resize-window -x $((i * 7 % 190 + 1)) -y $((i * 13 % 60 + 1))
	done
	resize 80 24
	press z
	rig_wait 60 is_whole || expect 'after the storm' '' "$(screen)"
	press q
	ended 0
}

@test "begun in a window that is too small" {
	begin 18 3
	press q
	ended 0
}

@test "without UTF-8 ASCII is drawn, and with NO_COLOR nothing but letters" {
	traffic 20mbit
	export LC_ALL=C NO_COLOR=1
	begin 80 24
	export LC_ALL=C.UTF-8
	seen '\[#+ *\] +[0-9]+ %'
	seen '50 Mbit/s .*_'
	screen >"$RIG_DIR/screen"
	LC_ALL=C run ! grep -q '[^ -~]' "$RIG_DIR/screen"
	tmux_ capture-pane -p -e >"$RIG_DIR/screen"
	run ! grep -q $'\033' "$RIG_DIR/screen"
	# But a question.
	press +
	seen 'y/n'
	tmux_ capture-pane -p -e | grep -q $'\033\[7m.*y/n'
	press n q
	ended 0
	export NO_COLOR=
	begin 80 24
	seen '▁▁'
	tmux_ capture-pane -p -e | grep -q $'\033\[3[1-6]m'
	press q
	ended 0
}

# ---- the end ----

@test "the terminal is as it was after each signal that ends it" {
	local signal
	for signal in INT TERM HUP QUIT; do
		begin 80 24
		flags 1,0,0 || flags 1,0,1
		kill -"$signal" "$(<"$RIG_DIR/pid")"
		ended $((128 + $(kill -l "$signal")))
	done
	# From the keyboard.
	begin 80 24
	press C-c
	ended 130
}

# type_ TEXT: a line, for a shell.
type_() {
	tmux_ send-keys -l "$1"
	tmux_ send-keys Enter
}

@test "stopped from the keyboard it leaves the terminal, and comes back to it" {
	local at
	# A shell with jobs, as somebody has.
	terminal 80 24 "cd '$RIG_DIR'; PS1='$ ' exec bash --norc --noprofile -i"
	seen '^\$'
	type_ "stty -a >before; '$BWCTL' -n appliance watch; echo \$? >stopped-code; stty -a >stopped"
	rig_wait 60 is_whole || expect 'the screen' '' "$(screen)"
	press C-z
	rig_wait 60 test -s "$RIG_DIR/stopped"
	expect 'exit code' 148 "$(<"$RIG_DIR/stopped-code")"
	left "$RIG_DIR/stopped"
	# In the background it goes on, and touches nothing.
	type_ 'bg; jobs -p >pid'
	rig_wait 60 test -s "$RIG_DIR/pid"
	sleep 1.5
	rig_alive "$(<"$RIG_DIR/pid")"
	flags 0,1,0
	run ! on_screen '^ingress'
	type_ fg
	rig_wait 60 is_whole || expect 'the screen' '' "$(screen)"
	at=$(clock)
	rig_wait 60 moves "$at"
	press C-z
	# There is one on the screen of before.
	rig_wait 60 is_stopped "$(<"$RIG_DIR/pid")" && seen 'Stopped' || expect 'the process' 'to be stopped' \
		"$(ps -o pid,pgid,tpgid,stat,pending,blocked,args -p "$(<"$RIG_DIR/pid")"; stty -a -F "$(tmux_ display-message -p '#{pane_tty}')")"
	type_ 'fg; stty -a >after'
	rig_wait 60 is_whole || expect 'the screen' '' "$(screen)"
	press -
	seen 'y/n$'
	press n q
	rig_wait 60 test -s "$RIG_DIR/after"
	left "$RIG_DIR/after"
}

@test "when the terminal goes away it ends, in the background too" {
	begin 80 24
	tmux_ kill-server
	rig_wait_gone 60 "$(<"$RIG_DIR/pid")"
	# A shell that tells its jobs nothing.
	terminal 80 24 "cd '$RIG_DIR'; PS1='$ ' exec bash --norc --noprofile -i"
	seen '^\$'
	type_ "'$BWCTL' -n appliance watch --interval 60min"
	seen '^ingress '
	press C-z
	seen 'Stopped'
	type_ 'jobs -p >pid; bg; disown'
	rig_wait 60 test -s "$RIG_DIR/pid"
	rig_wait 60 is_running "$(<"$RIG_DIR/pid")"
	tmux_ kill-server
	rig_wait_gone 60 "$(<"$RIG_DIR/pid")"
}

is_running() {
	[[ $(cat "/proc/$1/stat") == *') S '* ]]
}

is_stopped() {
	[[ $(cat "/proc/$1/stat") == *') T '* ]]
}

@test "it sleeps in between" {
	local before after
	begin 80 24 --interval 60min
	rig_wait 30 is_running "$(<"$RIG_DIR/pid")"
	# utime and stime
	before=$(awk '{ print $14 + $15 }' "/proc/$(<"$RIG_DIR/pid")/stat")
	sleep 3
	after=$(awk '{ print $14 + $15 }' "/proc/$(<"$RIG_DIR/pid")/stat")
	((after - before <= 1)) || expect 'ticks of CPU time in 3 s' 'at most 1' "$((after - before))"
	press q
	ended 0
}

# ---- loaded or not ----

@test "nothing loaded: it says so and ends, on a terminal too" {
	rig_bwctl unload
	run --separate-stderr -1 rig_bwctl watch
	expect 'errors' $'bwctl: nothing is loaded\nhint: first: bwctl load IFACE' "$stderr"
	terminal 80 24 "'$BWCTL' -n appliance watch; echo code \$?; sleep 60"
	seen '^bwctl: nothing is loaded$'
	seen '^hint: first: bwctl load IFACE$'
	seen '^code 1$'
	flags 0,1,0
}

@test "unloaded while it looks: it waits, and goes on with rates that can be" {
	traffic 20mbit
	begin 80 24 --interval 200ms
	seen '^ingress +(1|2)[0-9.]* Mbit/s of'
	rig_bwctl unload
	seen 'nothing is loaded'
	press +
	seen '^nothing is loaded: bwctl load IFACE$'
	press x
	rig_bwctl load eth0
	rig_bwctl set 40mbit mode police >/dev/null
	seen '^ingress .* of 40 Mbit/s'
	# At once, so that no look falls in between.
	rig_bwctl unload && rig_bwctl load eth0 && rig_bwctl set 30mbit mode police >/dev/null
	seen '^ingress .* of 30 Mbit/s'
	seen '^ingress +(1|2)[0-9.]* Mbit/s of 30'
	# Not even in the past: the scale is that of limits, not of absurd rates.
	run ! on_screen '[GT]bit/s'
	run ! on_screen '^ +[1-9][0-9][0-9]+ Mbit/s'
	press q
	ended 0
}

# ---- lines ----

LINE='^[0-9][0-9]:[0-9][0-9]:[0-9][0-9](\.[0-9])? ingress [0-9.]+ [kMG]?bit/s of 50 Mbit/s, police, dropped [0-9. ]+/s, wait -, at the limit [0-9]+ %; egress [0-9.]+ [kMG]?bit/s of 50 Mbit/s, police, dropped [0-9. ]+/s, wait -, at the limit [0-9]+ %$'

@test "into a pipe: a line per interval, at once; a pipe that is closed ends it quietly" {
	local line started=$SECONDS status
	traffic 60mbit
	mkfifo "$RIG_DIR/pipe"
	# To open one end waits for the other.
	exec 7<>"$RIG_DIR/pipe"
	rig_start appliance "$BWCTL" watch >"$RIG_DIR/pipe" 2>"$RIG_DIR/errors" 7<&-
	for ((i = 0; i < 3; i++)); do
		read -r -t 60 line <&7
		grep -E -q -e "$LINE" <<<"$line" || expect 'a line' "$LINE" "$line"
	done
	((SECONDS - started >= 2))
	# Of the flood, that comes in; in one of several seconds, since a machine may be busy.
	for ((i = 0; i < 30; i++)); do
		! grep -E -q 'ingress (4|5)[0-9.]+ Mbit/s .*dropped [1-9].*egress (2|3)[0-9.]* Mbit/s' <<<"$line" || break
		read -r -t 60 line <&7
	done
	((i < 30)) || expect 'rates' 'of 60 and 3 Mbit/s' "$line"
	exec 7<&-
	rig_wait_gone 60 "$RIG_PID"
	expect 'errors' '' "$(<"$RIG_DIR/errors")"
	# However long the interval is.
	rig_start appliance "$BWCTL" watch --interval 60min > >(sleep 0.5) 2>"$RIG_DIR/errors"
	rig_wait_gone 60 "$RIG_PID"
	expect 'errors' '' "$(<"$RIG_DIR/errors")"
	run bash -o pipefail -c "'$BWCTL' -n appliance watch --interval 100ms | head -n 3"
	expect 'exit code' 0 "$status"
	expect 'lines' 3 "$(grep -c -E -e "$LINE" <<<"$output")"
}

has_lines() {
	(($(screen | grep -c ' ingress ') >= $1))
}

@test "on a terminal that cannot be drawn on: lines, and keys are not read" {
	local term
	for term in dumb nosuch ''; do
		terminal 200 24 "TERM=$term '$BWCTL' -n appliance watch --interval 200ms; echo code \$?; sleep 60"
		seen "$LINE"
		press q
		rig_wait 60 has_lines 5
		run ! on_screen '^code'
		flags 0,1,0
	done
	# Nor where there are no keys.
	terminal 200 24 "'$BWCTL' -n appliance watch --interval 200ms </dev/null"
	seen "$LINE"
}

@test "lines end with an error when nothing is loaded any more, or they cannot be written" {
	rig_start appliance "$BWCTL" watch --interval 100ms >"$RIG_DIR/lines" 2>"$RIG_DIR/errors"
	rig_wait 60 test -s "$RIG_DIR/lines"
	rig_bwctl unload
	rig_wait_gone 60 "$RIG_PID"
	expect 'errors' $'bwctl: nothing is loaded\nhint: first: bwctl load IFACE' "$(<"$RIG_DIR/errors")"
	rig_bwctl load eth0
	run --separate-stderr -1 bash -c "'$BWCTL' -n appliance watch --interval 100ms >/dev/full"
	expect 'errors' 'bwctl: cannot write the output: No space left on device' "$stderr"
}

@test "lines of a class name it, end when it goes, and have tenths when they are many" {
	rig_bwctl set class lab 5mbit >/dev/null
	rig_start appliance "$BWCTL" watch --interval 200ms --class lab >"$RIG_DIR/lines" 2>"$RIG_DIR/errors"
	rig_wait 60 test -s "$RIG_DIR/lines"
	rig_bwctl set class lab remove >/dev/null
	rig_wait_gone 60 "$RIG_PID"
	expect 'errors' "bwctl: there is no class 'lab': expected ui, admin, api, ssh, telnet, icmp, other or control" \
		"$(<"$RIG_DIR/errors")"
	grep -E -q '^[0-9:]{8}\.[0-9] class lab ingress 0 bit/s of 5 Mbit/s, police, dropped 0/s, wait -, all at the limit 0 %; egress ' "$RIG_DIR/lines" ||
		expect 'lines' 'of a class' "$(<"$RIG_DIR/lines")"
	run --separate-stderr -2 rig_bwctl watch --class ''
	expect 'the error' 'bwctl: --class: a name is missing' "$stderr"
	run bash -c "'$BWCTL' -n appliance watch | head -n 1"
	[[ $output =~ ^[0-9:]{8}' ingress ' ]]
}

@test "more classes than an error has room for: cut at a name" {
	local words=() i
	for ((i = 10; i < 40; i++)); do
		words+=(class "a-long-class-$i" priority low)
	done
	rig_bwctl set "${words[@]}" >/dev/null
	run --separate-stderr -1 rig_bwctl watch --class nosuch
	[[ $stderr =~ ', a-long-class-'[0-9][0-9]' and '[0-9]+' more'$ ]] || expect 'the error' 'names, and N more' "$stderr"
}

@test "--interval: 100ms to an hour" {
	local interval
	for interval in 99ms 1us; do
		run --separate-stderr -2 rig_bwctl watch --interval "$interval"
		expect "$interval" "bwctl: --interval: '$interval' is too short: expected 100ms to 60min" "$stderr"
	done
	for interval in 61min 5 1h '' -1s; do
		run --separate-stderr -2 rig_bwctl watch --interval "$interval"
		[[ $stderr == 'bwctl: --interval: '* && $stderr != *$'\n'* ]] || expect "$interval" 'one error' "$stderr"
	done
	run --separate-stderr -2 rig_bwctl watch eth0
	run --separate-stderr -2 "$BWCTL_BUILD/bwctl-watch"
	expect 'bwctl-watch alone' "bwctl: this is run by 'bwctl watch'" "$stderr"
}

@test "who may not look is told so" {
	run --separate-stderr -1 nsenter --net=/run/netns/appliance setpriv --reuid 65534 --regid 65534 --clear-groups \
		--inh-caps -all --bounding-set -all "$BWCTL" watch
	[[ ${stderr_lines[0]} == "bwctl: cannot "*': '*'ermi'* || ${stderr_lines[0]} == 'bwctl: '*ermi* ]] ||
		expect 'the error' 'that it is not permitted' "$stderr"
	expect 'the hint' 'hint: run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON' "${stderr_lines[1]}"
}

@test "an interface on which somebody's program runs before ours is not first" {
	rig_has_tcx || skip 'this kernel has no tcx'
	rig_bwctl load --hook tcx eth0
	begin 80 24
	seen '^bwctl on .*eth0 [^(]'
	rig_in appliance "$RIG_TOOLS/neighbour" tcx eth0 egress /sys/fs/bpf/them first pass
	seen '^bwctl on .*eth0 [(]not first[)]'
	rm /sys/fs/bpf/them-*
	seen '^bwctl on .*eth0 [^(]'
	press q
	ended 0
}

@test "a limiter elsewhere: --pin-dir is that of + and - too" {
	rig_in appliance "$BWCTL" --pin-dir /sys/fs/bpf/other load inside0
	rig_in appliance "$BWCTL" --pin-dir /sys/fs/bpf/other set 5mbit mode police >/dev/null
	begin 80 24 --pin-dir /sys/fs/bpf/other
	seen '^bwctl on inside0 '
	seen '^ingress .* of 5 Mbit/s'
	press +
	seen '10 Mbit/s\? y/n$'
	press y
	seen '^ingress .* of 10 Mbit/s'
	expect 'the other limit' '[50,50]' "$(limits)"
	press q
	ended 0
	rig_in appliance "$BWCTL" --pin-dir /sys/fs/bpf/other unload
}
