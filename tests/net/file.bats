#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The policy file, from outside: applied whole or not at all, checked, loaded with,
# and saved so that nothing of it is lost, wherever saving is interrupted and
# whatever fails. What a text may say is unit_policy_file.c's question.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

PINS=/sys/fs/bpf
KILLED=137

setup_file() {
	rig_isolated || {
		echo "run $BATS_TEST_FILENAME itself: it isolates itself"
		return 1
	}
}

setup() {
	ip link add cli0 type veth peer name cli1
	DIR=$BATS_TEST_TMPDIR/etc
	FILE=$DIR/bwctl.conf
	mkdir "$DIR"
}

# Whatever a test left: without its pins nothing of a limiter stays.
teardown() {
	find "$PINS" -depth -mindepth 1 ! -name '*.debug' -delete
	ip link delete cli0 2>/dev/null || true
	rm -f /etc/bwctl.conf
	! mountpoint -q "$DIR" || umount "$DIR"
}

# Says what differs, so that a failing test explains itself.
expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# bwctl_says WORD...: with the file of this test; what came of it is in status, output and stderr.
bwctl_says() {
	status=0
	"$BWCTL" --config "$FILE" "$@" >"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" ||
		status=$?
	output=$(<"$BATS_TEST_TMPDIR/stdout") stderr=$(<"$BATS_TEST_TMPDIR/stderr")
}

# refused CODE TEXT WORD...: bwctl WORD... fails with CODE, says TEXT and nothing else.
refused() {
	local code=$1 text=$2
	shift 2
	bwctl_says "$@"
	expect "bwctl $*" "exit code $code, no output, $text" \
		"exit code $status, ${output:-no output}, $stderr"
}

# done_saying TEXT WORD...: bwctl WORD... succeeds, silent on stderr, with TEXT in its output.
done_saying() {
	local text=$1
	shift
	bwctl_says "$@"
	expect "bwctl $*" 'exit code 0, no error' "exit code $status, ${stderr:-no error}"
	[[ $output == *"$text"* ]] || expect "output of: bwctl $*" "...$text..." "$output"
}

# in_force LINE...: what show --config prints, without the interfaces.
in_force() {
	local line expected='[limit]'
	for line; do
		expected+=$'\n'$line
	done
	expect 'in force' "$expected" "$("$BWCTL" show --config | grep -v '^interfaces')"
}

# Every kernel can police.
load() {
	"$BWCTL" --config '' load cli0 >/dev/null && "$BWCTL" set mode police >/dev/null
}

write() {
	printf '%s\n' "$@" >"$FILE"
}

# file_is LINE...
file_is() {
	expect 'the file' "$(printf '%s\n' "$@"; echo .)" "$(cat "$FILE"; echo .)"
}

nothing_is_there() {
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
	expect 'qdiscs' '' "$(tc qdisc show dev cli0 | grep -v noqueue || true)"
}

# Drafts of a save that has not come to its end.
drafts() {
	find "$DIR" -name '.bwctl.conf.*'
}

@test "apply: the whole policy, what is not mentioned is default" {
	load
	"$BWCTL" set 50mbit burst 100ms window 3s overhead 24 >/dev/null
	write '[limit]' 'ingress = 10mbit' 'mode = police ; always' 'window = 5s'
	done_saying 'ingress  10 Mbit/s (1.25 MB/s) in any 5 s' apply
	[[ $output == *'egress   unlimited (counting only)'* ]]
	in_force 'ingress = 10mbit' 'window = 5s' 'mode = police'
	done_saying 'ingress  10 Mbit/s' apply "$FILE"
	bwctl_says apply --json "$FILE"
	jq -e '.ingress.limit_bits_per_second == 10000000 and .egress.limit_bits_per_second == null' \
		<<<"$output"
	printf '[limit]\nrate = 1mbit\n' >/etc/bwctl.conf
	"$BWCTL" apply | grep -q 'egress   1 Mbit/s'
	in_force 'rate = 1mbit'
}

@test "apply: all or nothing, and all that is wrong is said at once" {
	load
	"$BWCTL" set 50mbit >/dev/null
	write '[limit]' 'rate = 1mbit' 'brust = 1ms' '' 'window = 1ms' '[flows]'
	refused 1 "bwctl: $FILE:3: unknown key 'brust': did you mean 'burst'?
bwctl: $FILE:5: window: '1ms' is out of range: expected 100ms to 3600s
bwctl: $FILE:6: unknown section [flows]: expected limit" apply
	in_force 'rate = 50mbit' 'mode = police'
	printf '%s\n' '[limit]' x{1..23} >"$FILE"
	bwctl_says apply
	expect 'errors' 21 "$(wc -l <<<"$stderr")"
	expect 'last error' 'bwctl: and 3 more errors' "${stderr##*$'\n'}"
	in_force 'rate = 50mbit' 'mode = police'
	# What shows only when it is put in force.
	write '[limit]' 'rate = 1mbit' 'mode = police' 'burst = 3s'
	refused 1 'bwctl: ingress: a burst of 3 s does not fit a window of 2 s: shorten it or lengthen the window' apply
	in_force 'rate = 50mbit' 'mode = police'
	"$BWCTL" show --config >"$FILE" && sed -i 's/^interfaces.*/x/' "$FILE"
	refused 1 "bwctl: $FILE:4: 'x': expected KEY = VALUE" apply
	in_force 'rate = 50mbit' 'mode = police'
}

@test "apply: files that are none" {
	load
	"$BWCTL" set 50mbit >/dev/null
	refused 1 "bwctl: cannot open '$FILE': No such file or directory" apply
	refused 1 "bwctl: cannot read '$DIR': Is a directory" apply "$DIR"
	refused 1 "bwctl: '/dev/zero' is too large: expected at most 65536 bytes" apply /dev/zero
	: >"$FILE"
	refused 1 "bwctl: $FILE: there is no section [limit]: an empty file is no policy" apply
	refused 1 'bwctl: standard input: there is no section [limit]: an empty file is no policy' \
		apply - </dev/null
	printf '[limit]\nrate = 1mbit\0\n' >"$FILE"
	refused 1 "bwctl: $FILE: there is a NUL byte in it: expected plain text, no UTF-16" apply
	ln -s loop "$DIR/loop"
	refused 1 "bwctl: cannot open '$DIR/loop': Too many levels of symbolic links" apply "$DIR/loop"
	refused 2 "bwctl: apply: a file is missing" --config '' apply
	in_force 'rate = 50mbit' 'mode = police'
}

@test "apply --check: needs nothing loaded and no privileges" {
	write '[limit]' 'rate = 50mbit'
	install -m 0755 "$BWCTL" "$BATS_TEST_TMPDIR/bwctl"
	chmod 0755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.."
	expect 'as nobody' "$FILE is good" "$(cd / && setpriv --reuid 65534 --regid 65534 \
		--clear-groups --inh-caps -all "$BATS_TEST_TMPDIR/bwctl" apply --check "$FILE" 2>&1)"
	done_saying 'standard input is good' apply --check - <"$FILE"
	nothing_is_there
	write '[limit]' 'rate = 50mbit' 'burst = 1.2s'
	refused 1 "bwctl: $FILE:3: ingress, when it paces: a burst of 1.2 s does not fit a window of 1 s: shorten it or lengthen the window
bwctl: $FILE:3: egress, when it paces: a burst of 1.2 s does not fit a window of 1 s: shorten it or lengthen the window" apply --check
	write '[limit]' 'rate = 50'
	refused 1 "bwctl: $FILE:2: rate: no unit in '50': write 50kbit, 50mbit or 50gbit" apply --check
	refused 2 'bwctl: --check is for apply alone' show --check
}

@test "show --config | apply - changes nothing" {
	local words before
	load
	for words in unlimited 49999999bit 'ingress 400gbit egress unlimited' \
		'8kbit burst 1b window 3600s overhead 256' \
		'1.234567gbit burst 1.001us window 1234567.891us horizon 5000.001us' \
		'egress 300gibit' 'mode auto horizon 2s burst 64kib ingress unlimited'; do
		# shellcheck disable=SC2086 # words
		"$BWCTL" set $words >/dev/null
		before=$("$BWCTL" show --config)
		"$BWCTL" show --config | "$BWCTL" apply - >/dev/null
		expect "after $words" "$before" "$("$BWCTL" show --config)"
		"$BWCTL" set 5mbit burst default window default overhead 0 mode police \
			horizon default >/dev/null
		"$BWCTL" apply - <<<"$before" >/dev/null
		expect "again, $words" "$before" "$("$BWCTL" show --config)"
	done
	"$BWCTL" unload >/dev/null
	refused 1 $'bwctl: nothing is loaded\nhint: first: bwctl load IFACE' show --config
}

@test "save: comments, order and what is the same stay, to the byte" {
	load
	"$BWCTL" set 20mbit mode auto overhead 24 >/dev/null
	write '# The uplink.' '' '[limit]  ; one' '  rate : 50mbit   ; contract' 'burst=1ms' \
		'# the end'
	done_saying "saved in $FILE" save
	file_is '# The uplink.' '' '[limit]  ; one' '  rate : 20mbit   ; contract' 'overhead = 24' \
		'# the end'
	done_saying "$FILE says so already" save
	"$BWCTL" set ingress 30mbit >/dev/null
	done_saying "saved in $FILE" save "$FILE"
	file_is '# The uplink.' '' '[limit]  ; one' '; contract' 'ingress = 30mbit' 'egress = 20mbit' \
		'overhead = 24' '# the end'
	done_saying 'ingress  30 Mbit/s' apply
}

@test "save: a new file names the interfaces, and load --all loads them" {
	load
	"$BWCTL" set 20mbit >/dev/null
	umask 027
	done_saying "saved in $FILE" save
	file_is '[limit]' 'rate = 20mbit' 'mode = police' 'interfaces = cli0'
	expect 'mode' 640 "$(stat -c %a "$FILE")"
	"$BWCTL" unload >/dev/null
	done_saying 'loaded on cli0' load --all
	in_force 'rate = 20mbit' 'mode = police'
}

@test "save: owner, mode and a symbolic link stay" {
	load
	"$BWCTL" set 20mbit >/dev/null
	mkdir "$DIR/real"
	printf '[limit]\n' >"$DIR/real/policy"
	chown 12:34 "$DIR/real/policy"
	chmod 4640 "$DIR/real/policy"
	ln -s real/policy "$FILE"
	done_saying "saved in $FILE" save
	expect 'link' real/policy "$(readlink "$FILE")"
	expect 'owner and mode' '12:34 4640' "$(stat -c '%u:%g %a' "$DIR/real/policy")"
	file_is '[limit]' 'rate = 20mbit' 'mode = police'
	ln -sf nowhere "$FILE"
	refused 1 "bwctl: cannot find what '$FILE' leads to: No such file or directory" save
	refused 1 "bwctl: cannot write '/dev/null': it is not a regular file" save /dev/null
	refused 1 "bwctl: cannot write '$DIR/none/x': No such file or directory" save "$DIR/none/x"
	refused 2 "bwctl: save: '-' is no file: bwctl show --config" save -
}

@test "save: what does not parse is not overwritten, nor put in force by set --save" {
	load
	"$BWCTL" set 20mbit >/dev/null
	write '[limit]' 'rte = 1mbit'
	refused 1 "bwctl: $FILE:2: unknown key 'rte': did you mean 'rate'?" save
	refused 1 "bwctl: $FILE:2: unknown key 'rte': did you mean 'rate'?" set --save 5mbit
	file_is '[limit]' 'rte = 1mbit'
	in_force 'rate = 20mbit' 'mode = police'
	expect 'drafts' '' "$(drafts)"
}

@test "set --save: in force and in the file, or neither if it is refused" {
	load
	write '[limit]' 'rate = 1mbit'
	done_saying "saved in $FILE" set --save 30mbit
	file_is '[limit]' 'rate = 30mbit' 'mode = police'
	in_force 'rate = 30mbit' 'mode = police'
	refused 1 'bwctl: ingress: a burst of 3 s does not fit a window of 2 s: shorten it or lengthen the window' \
		set burst 3s --save
	file_is '[limit]' 'rate = 30mbit' 'mode = police'
	bwctl_says set --save --json 40mbit
	jq -e '.egress.limit_bits_per_second == 40000000' <<<"$output"
	file_is '[limit]' 'rate = 40mbit' 'mode = police'
	refused 2 'bwctl: --save is for set alone' show --save
	refused 2 'bwctl: set: --save without a policy file' --config '' set --save 1mbit
}

@test "load: the policy of the file if nothing is loaded, else the one in force" {
	write '[limit]' 'rate = 20mbit' 'mode = police'
	done_saying 'ingress  20 Mbit/s' load cli0
	in_force 'rate = 20mbit' 'mode = police'
	# Never looser than what is in force, and what is wrong with the file does not matter then.
	write '[limit]' 'rate = 100mbit'
	done_saying 'ingress  20 Mbit/s' load cli1
	write 'nonsense'
	done_saying 'ingress  20 Mbit/s' load cli0
	in_force 'rate = 20mbit' 'mode = police'
	refused 1 "bwctl: $FILE:1: 'nonsense': expected KEY = VALUE" load --all
	write '[limit]' 'rate = 100mbit' 'interfaces = cli0 cli1'
	done_saying 'loaded on cli1' load --all
	in_force 'rate = 20mbit' 'mode = police'
}

@test "load: a bad file fails loudly, and nothing is attached" {
	write '[limit]' 'rate = 20M'
	refused 1 "bwctl: $FILE:2: rate: ambiguous '20M': write 20mbit, or 160mbit for 20 megabytes per second" load cli0
	nothing_is_there
	refused 1 "bwctl: $FILE:2: rate: ambiguous '20M': write 20mbit, or 160mbit for 20 megabytes per second" load --all
	nothing_is_there
	: >"$FILE"
	refused 1 "bwctl: $FILE: there is no section [limit]: an empty file is no policy" load cli0
	nothing_is_there
	# It is read, but cannot be put in force.
	write '[limit]' 'rate = 20mbit' 'mode = police' 'burst = 3s'
	refused 1 'bwctl: ingress: a burst of 3 s does not fit a window of 2 s: shorten it or lengthen the window' load cli0
	nothing_is_there
	rm "$FILE"
	done_saying 'no limit is set: counting only' load cli0
}

@test "load --all: each interface stands for itself; a file has to name some" {
	write '[limit]' 'rate = 20mbit' 'mode = police'
	refused 1 "bwctl: $FILE: there are no interfaces in it
hint: in section [limit]: interfaces = NAME..." load --all
	rm "$FILE"
	refused 1 "bwctl: cannot open '$FILE': No such file or directory" load --all
	refused 2 "bwctl: load: --all without a policy file" --config '' load --all
	nothing_is_there
	write '[limit]' 'rate = 20mbit' 'mode = police' 'interfaces = gone0' '  cli0 ; and' '  cli1'
	bwctl_says load --all
	expect 'exit code' 1 "$status"
	expect 'error' "bwctl: no interface 'gone0' in this network namespace" "$stderr"
	expect 'loaded' 'cli0 cli1' \
		"$("$BWCTL" show --json | jq -r '[.interfaces[].name] | sort | join(" ")')"
	in_force 'rate = 20mbit' 'mode = police'
}

# ---- saving, interrupted ----

OLD=$'# A comment that is to stay.\n[limit]\nrate = 50mbit ; so\nmode = police'
NEW=${OLD/50mbit/20mbit}

# at_call WHAT CALL N: a save during whose Nth CALL this happens. Its exit code is in status.
at_call() {
	status=0
	printf '%s\n' "$OLD" >"$FILE"
	(
		strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace="$2" -e inject="$2:$1:when=$3" \
			"$BWCTL" save "$FILE" >"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr"
		exit $?
	) 2>/dev/null || status=$? # the shell, too, says that it was killed
}

# How often a save makes a call.
calls() {
	printf '%s\n' "$OLD" >"$FILE"
	strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace="$1" "$BWCTL" save "$FILE" >/dev/null
	grep -c '(' "$BATS_TEST_TMPDIR/trace"
}

# The old file or the new one. Sets found.
whole() {
	found=none
	case $(<"$FILE") in
	"$OLD") found=old ;;
	"$NEW") found=new ;;
	esac
	[[ $found != none ]] || expect "$1: the file" "$OLD, or with 20mbit" "$(<"$FILE")"
	expect "$1: mode and owner" '640 12:34' "$(stat -c '%a %u:%g' "$FILE")"
}

ready_to_save() {
	load
	"$BWCTL" set 20mbit >/dev/null
	printf '%s\n' "$OLD" >"$FILE"
	chmod 640 "$FILE"
	chown 12:34 "$FILE"
}

# Those that a save consists of; the names differ between machines.
SAVE_CALLS=(openat read write '/^f?chown' '/^f?chmod' fsync close '/^rename' '/^unlink' rt_sigprocmask)

@test "save, killed at any system call: the old file or the new one, whole" {
	local call n count old=0 new=0 killed=0
	ready_to_save
	for call in "${SAVE_CALLS[@]}"; do
		count=$(calls "$call") || count=0
		for ((n = 1; n <= count; n++)); do
			at_call signal=KILL "$call" "$n"
			whole "killed at $call $n"
			((status != KILLED)) || killed=$((killed + 1))
			[[ $found == new ]] && new=$((new + 1)) || old=$((old + 1))
			find "$DIR" -name '.bwctl.conf.*' -delete
		done
	done
	echo "killed $killed times: $old times the old one, $new times the new one"
	((killed > 30 && old > 20 && new > 1))
}

@test "save, with an error at any system call: says so, or has saved; no draft stays" {
	local call n count error old=0 new=0
	ready_to_save
	for error in ENOSPC EIO; do
		for call in openat write '/^f?chown' '/^f?chmod' fsync '/^rename'; do
			count=$(calls "$call")
			((count))
			for ((n = 1; n <= count; n++)); do
				at_call "error=$error" "$call" "$n"
				whole "$error at $call $n"
				expect "$error at $call $n: drafts" '' "$(drafts)"
				[[ $found == new ]] && new=$((new + 1)) || old=$((old + 1))
				# Silence means that it is saved.
				[[ $found == new || $status != 0 ]] ||
					expect "$error at $call $n" 'an error' 'none, and the old file'
				[[ $status == 0 || -s $BATS_TEST_TMPDIR/stderr ]] ||
					expect "$error at $call $n" 'an error' "exit code $status only"
			done
		done
	done
	echo "$old times the old one, $new times the new one"
	((old > 10 && new > 2))
}

@test "save, told to stop in the middle: finishes first" {
	local call
	ready_to_save
	for call in '/^f?chown' fsync '/^rename'; do
		at_call signal=TERM "$call" 1
		expect "exit code at $call" 143 "$status"
		whole "stopped at $call"
		expect "stopped at $call: the file" new "$found"
		expect "stopped at $call: drafts" '' "$(drafts)"
	done
}

@test "save: a full disk and a read-only one leave the file as it was" {
	load
	"$BWCTL" set 20mbit >/dev/null
	mount -t tmpfs -o size=16k,mode=755 file-bats "$DIR"
	write '[limit]' 'rate = 50mbit'
	cat /dev/zero >"$DIR/full" 2>/dev/null || true
	refused 1 "bwctl: cannot write '$FILE': No space left on device" save
	expect 'drafts' '' "$(drafts)"
	file_is '[limit]' 'rate = 50mbit'
	bwctl_says set --save 10mbit
	expect 'set --save' "1, bwctl: cannot write '$FILE': No space left on device
hint: the new limit is in force, but not saved" "$status, $stderr"
	in_force 'rate = 10mbit' 'mode = police'
	file_is '[limit]' 'rate = 50mbit'
	rm "$DIR/full"
	mount -o remount,ro "$DIR"
	refused 1 "bwctl: cannot write in the directory of '$FILE': Read-only file system" save
	file_is '[limit]' 'rate = 50mbit'
	mount -o remount,rw "$DIR"
	done_saying "saved in $FILE" save
	file_is '[limit]' 'rate = 10mbit' 'mode = police'
}

@test "two that save at once: one after the other" {
	local n
	load
	write '# stays' '[limit]' 'rate = 1mbit'
	for n in 1 2 3 4 5; do
		"$BWCTL" --config "$FILE" set --save "1${n}mbit" >/dev/null 3>&- &
		"$BWCTL" --config "$FILE" set --save "2${n}mbit" >/dev/null 3>&- &
		wait
		expect 'in the file' "$("$BWCTL" show --config | grep rate)" "$(grep rate "$FILE")"
	done
	file_is '# stays' '[limit]' "$("$BWCTL" show --config | grep rate)" 'mode = police'
	expect 'drafts' '' "$(drafts)"
}
