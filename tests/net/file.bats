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
	ip netns delete other 2>/dev/null || true
	ip link delete cli0 2>/dev/null || true
	ip link delete cli1 2>/dev/null || true
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
	bwctl_says apply
	expect 'a limit less' '0 hint: egress had a limit, the file has none: it is taken off' \
		"$status $stderr"
	[[ $output == *'ingress  10 Mbit/s (1.25 MB/s) in any 5 s'* ]]
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

@test "names of files and directories are tamed where people read them" {
	local odd="$DIR/q"$'\e[31mx'
	load
	"$BWCTL" set 50mbit >/dev/null
	done_saying "saved in $DIR/q?[31mx" save "$odd"
	done_saying "$DIR/q?[31mx says so already" save "$odd"
	done_saying "$DIR/q?[31mx is good" apply --check "$odd"
	sed -i '/^interfaces/d' "$odd"
	done_saying "nothing to load: $DIR/q?[31mx names no interfaces" --config "$odd" load --present
	sed -i 's/^\[limit]/&\ninterfaces = nosuch/' "$odd"
	done_saying "nothing to load: $DIR/q?[31mx does not name y?" --config "$odd" load --present $'y\r'
	bwctl_says --config "$odd" load --present
	[[ $output == "nothing to load: no interface that $DIR/q?[31mx names is there" ]]
}

@test "a hint for what stands for no file elsewhere" {
	local not="bwctl: cannot read '/dev/null': it is not a regular file"
	refused 1 "$not"$'\n'"hint: --config '' is for no file" --config /dev/null load cli0
	load
	# Where there has to be one it is none.
	for words in 'apply /dev/null' '--config /dev/null apply' '--config /dev/null load --all'; do
		# shellcheck disable=SC2086
		refused 1 "$not" $words
	done
}

@test "save: an interface that a policy file cannot name is left out" {
	ip link add $'a\x01' type veth peer name $'b\x01'
	load
	"$BWCTL" load $'a\x01'
	bwctl_says save "$FILE"
	expect 'one' 'hint: 1 interface has a name that a policy file cannot hold' "$stderr"
	rm "$FILE"
	"$BWCTL" load $'b\x01'
	bwctl_says save "$FILE"
	expect 'two' 'hint: 2 interfaces have names that a policy file cannot hold' "$stderr"
	grep -q -x 'interfaces = cli0' "$FILE"
	"$BWCTL" unload
	ip link delete $'a\x01'
}

@test "apply: all or nothing, and all that is wrong is said at once" {
	load
	"$BWCTL" set 50mbit >/dev/null
	write '[limit]' 'rate = 1mbit' 'brust = 1ms' '' 'window = 1ms' '[flows]'
	refused 1 "bwctl: $FILE:3: unknown key 'brust': did you mean 'burst'?
bwctl: $FILE:5: window: '1ms' is out of range: expected 100ms to 3600s
bwctl: $FILE:6: unknown section [flows]: did you mean [flow NAME]?" apply
	in_force 'rate = 50mbit' 'mode = police'
	printf '%s\n' '[limit]' x{1..23} >"$FILE"
	bwctl_says apply
	expect 'errors' 21 "$(wc -l <<<"$stderr")"
	expect 'last error' 'bwctl: and 3 more errors' "${stderr##*$'\n'}"
	printf '%s\n' '[limit]' x{1..20} '[flow x]' 'class = none-such' >"$FILE"
	bwctl_says apply
	expect 'errors' 21 "$(wc -l <<<"$stderr")"
	expect 'last error' 'bwctl: and 1 more error' "${stderr##*$'\n'}"
	in_force 'rate = 50mbit' 'mode = police'
	# What shows only when it is put in force.
	write '[limit]' 'rate = 1mbit' 'mode = police' 'burst = 3s'
	refused 1 'bwctl: ingress: a burst of 3 s does not fit a window of 2 s: shorten it or lengthen the window' apply
	in_force 'rate = 50mbit' 'mode = police'
	"$BWCTL" show --config >"$FILE" && sed -i 's/^interfaces.*/x/' "$FILE"
	refused 1 "bwctl: $FILE:4: 'x': expected KEY = VALUE" apply
	in_force 'rate = 50mbit' 'mode = police'
}

@test "apply: classes and flows, and those that are not mentioned are as listed" {
	load
	"$BWCTL" set class old 1mbit flow gone class old flow telnet remove >/dev/null
	write '[limit]' 'rate = 50mbit' 'mode = police' '' '[class lab] ; mine' 'rate = 5mbit' \
		'priority = low' '[class ui]' 'reserve = 2mbit' '' '[flow jump]' 'class=lab' \
		'protocol = tcp' 'local = 443, 1024-65535' 'remote = >1024' \
		'prefix = 10.1.0.0/16 ; there' 'interface = cli0' '[flow ssh]' 'remote = 22,2222'
	done_saying 'ingress  50 Mbit/s' apply
	in_force 'rate = 50mbit' 'mode = police' '' '[class ui]' 'reserve = 2mbit' '' '[class lab]' \
		'rate = 5mbit' 'priority = low' '' '[flow jump]' 'class = lab' 'protocol = tcp' \
		'local = 443,>1023' 'remote = >1024' 'prefix = 10.1.0.0/16' 'interface = cli0' '' \
		'[flow ssh]' 'class = ssh' 'remote = 22,2222'
	write '[limit]' 'mode = police' '[flow telnet]' 'remove = yes'
	bwctl_says apply
	expect 'no limits' "0 hint: both directions had a limit, the file has none: it is taken off" "$status $stderr"
	[[ $output == *'ingress  unlimited'* ]]
	done_saying 'ingress  unlimited' apply
	in_force 'mode = police' '' '[flow telnet]' 'remove = yes'
}

@test "apply: all that is wrong with classes and flows is said at once, and nothing is changed" {
	load
	"$BWCTL" set 50mbit class lab 5mbit flow jump class lab >/dev/null
	write '[limit]' 'rate = 10mbit' '[class lab]' 'prioritty = low' '[class ui]' 'reserve = 20mbit' \
		'[class core]' 'rate = 1mbit' 'reserve = 2mbit' '[flow a]' 'class = cor' \
		'[flow b]' 'class = ui' 'prefix = 10.1.2.3/16' '[flow c]' 'protocol = tcp' \
		'[flow d]' 'class = ui' 'protocol = icmp' 'local = 22' '[flow telnet]' 'remove = yes' \
		'remote = 23' '[flow a]' '[class with blanks]' '[clas x]'
	refused 1 "bwctl: $FILE:4: unknown key 'prioritty': did you mean 'priority'?
bwctl: $FILE:9: reserve: 2mbit is more than the ingress limit of its own, 1mbit: expected at most that
bwctl: $FILE:9: reserve: all that is reserved is 22mbit together (ui 20mbit, core 2mbit), more than the ingress limit, 10mbit: expected at most that, or less reserved (class ui reserve none)
bwctl: $FILE:11: class: there is no class 'cor': did you mean 'core'?
bwctl: $FILE:14: prefix: '10.1.2.3/16' has bits behind its prefix: expected 10.1.0.0/16
bwctl: $FILE:15: [flow c]: the class is missing: expected class and its name
bwctl: $FILE:20: local: protocol icmp has no ports: expected any, or tcp, udp, sctp, dccp or any as protocol
bwctl: $FILE:22: remove: goes with nothing else: expected no other key of this flow
bwctl: $FILE:24: [flow a] is there already, in line 10
bwctl: $FILE:25: [class with blanks]: 'with blanks' can be no name: expected letters, digits, - and _, at most 15
bwctl: $FILE:26: unknown section [clas x]: did you mean [class x]?" apply
	in_force 'rate = 50mbit' 'mode = police' '' '[class lab]' 'rate = 5mbit' '' '[flow jump]' \
		'class = lab'
}

@test "apply: files that are none" {
	load
	"$BWCTL" set 50mbit >/dev/null
	refused 1 "bwctl: cannot open '$FILE': No such file or directory" apply
	refused 1 "bwctl: cannot read '$DIR': Is a directory" apply "$DIR"
	truncate -s 262145 "$DIR/large"
	refused 1 "bwctl: '$DIR/large' is too large: expected at most 262144 bytes" apply "$DIR/large"
	refused 1 "bwctl: '-' is too large: expected at most 262144 bytes" apply - </dev/zero
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

@test "what is not a file is refused at once by every command that reads one; a pipe of the shell is read" {
	local odd words cannot kinds
	load
	"$BWCTL" set 50mbit >/dev/null
	mkfifo "$DIR/fifo"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$DIR/socket"
	kinds=$(stat -c %F "$DIR"/{fifo,socket} /dev/{zero,full})
	for odd in "$DIR/fifo" "$DIR/socket" /dev/zero /dev/full; do
		for words in "apply $odd" "apply --check $odd" "--config $odd apply" "--config $odd load cli0" \
			"--config $odd load --all" "--config $odd load --present" "--config $odd set --save 20mbit" \
			"save $odd"; do
			# A limit is in force: then load asks no file.
			[[ $words != *'load cli0' ]] || "$BWCTL" unload
			status=0
			# shellcheck disable=SC2086 # words
			timeout 60 "$BWCTL" $words >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
			cannot='cannot read'
			[[ $words != *save* ]] || cannot='cannot write'
			expect "bwctl $words" "1 bwctl: $cannot '$odd': it is not a regular file" \
				"$status $(<"$BATS_TEST_TMPDIR/said")"
			[[ $words != *'load cli0' ]] || { load && "$BWCTL" set 50mbit >/dev/null; }
		done
	done
	expect 'what they are' "$kinds" "$(stat -c %F "$DIR"/{fifo,socket} /dev/{zero,full})"
	in_force 'rate = 50mbit' 'mode = police'

	# Nor waited for where there is nothing to put in its place, and the limit stays.
	for words in 'set --save 7mbit' save; do
		status=0
		# shellcheck disable=SC2086 # words
		timeout 60 "$BWCTL" --config <(exec sleep 600) $words >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
		[[ $status == 1 && $(<"$BATS_TEST_TMPDIR/said") == \
			"bwctl: cannot write '/dev/fd/"*"': it is not a regular file" ]] ||
			expect "$words" '1 cannot write' "$status $(<"$BATS_TEST_TMPDIR/said")"
		kill "$!" 2>/dev/null || true
	done
	in_force 'rate = 50mbit' 'mode = police'

	printf '[limit]\nrate = 20mbit\nmode = police\n' >"$FILE"
	timeout 60 "$BWCTL" apply <(sleep 0.3; cat "$FILE") >/dev/null
	in_force 'rate = 20mbit' 'mode = police'
	timeout 60 "$BWCTL" apply --check <(cat "$FILE")
	sed 's/20/30/' "$FILE" | timeout 60 "$BWCTL" apply /dev/stdin >/dev/null
	in_force 'rate = 30mbit' 'mode = police'
	(sleep 0.3; sed 's/20/40/' "$FILE") | timeout 60 "$BWCTL" apply - >/dev/null
	in_force 'rate = 40mbit' 'mode = police'
	"$BWCTL" unload
	timeout 60 "$BWCTL" --config <(cat "$FILE") load cli0 >/dev/null
	in_force 'rate = 20mbit' 'mode = police'
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

# What "show --json" says, without what is counted.
settings() {
	"$BWCTL" show --json | jq 'walk(if type == "object" then
		del(.passed, .dropped, .paced, .marked, .would_drop, .contended, .delays,
			.delay_seconds_sum, .delay_seconds_max) else . end)'
}

@test "show --config | apply - changes nothing, whatever is in force" {
	local count=${BWCTL_POLICIES:-20} n config json
	mkdir "$DIR/policies"
	"$RIG_TOOLS/policies" "${BWCTL_SEED:-1}" "$count" "$DIR/policies"
	load
	for ((n = 0; n < count; n++)); do
		"$BWCTL" apply "$DIR/policies/$n" >/dev/null
		expect "policy $n" "$(<"$DIR/policies/$n")" \
			"$("$BWCTL" show --config | grep -v '^interfaces')"
		config=$("$BWCTL" show --config)
		json=$(settings)
		"$BWCTL" show --config | "$BWCTL" apply - >/dev/null
		expect "policy $n, again" "$config" "$("$BWCTL" show --config)"
		expect "policy $n, as JSON" "$json" "$(settings)"
	done
	[[ $json == *limit_bits_per_second* ]]
	expect 'policies' "$count" "$n"
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

@test "save: classes and flows go where they belong, comments stay with them" {
	load
	write '# The uplink.' '[limit]' 'rate = 50mbit' 'mode = police' '' \
		'# Ours.' '[class lab] ; of ours' 'rate = 5mbit ; each' '' \
		'# To the jump host.' '[flow jump]' 'class = lab' 'remote = 2222 ; at night' '' \
		'# Then the rest.' '[flow rest]' 'class = lab' '# the end'
	"$BWCTL" apply "$FILE" >/dev/null
	done_saying "$FILE says so already" save
	"$BWCTL" set class lab ingress 6mbit class new priority low flow jump remote 2223 \
		flow mid class new before rest flow telnet remove >/dev/null
	done_saying "saved in $FILE" save
	file_is '# The uplink.' '[limit]' 'rate = 50mbit' 'mode = police' '' \
		'# Ours.' '[class lab] ; of ours' '; each' 'ingress = 6mbit' 'egress = 5mbit' '' \
		'[class new]' 'priority = low' '' \
		'# To the jump host.' '[flow jump]' 'class = lab' 'remote = 2223 ; at night' '' \
		'[flow mid]' 'class = new' '' \
		'# Then the rest.' '[flow rest]' 'class = lab' '# the end' '' '[flow telnet]' \
		'remove = yes'
	"$BWCTL" set flow rest before jump flow mid remove flow telnet default >/dev/null
	done_saying "saved in $FILE" save
	file_is '# The uplink.' '[limit]' 'rate = 50mbit' 'mode = police' '' \
		'# Ours.' '[class lab] ; of ours' '; each' 'ingress = 6mbit' 'egress = 5mbit' '' \
		'[class new]' 'priority = low' '' \
		'# Then the rest.' '[flow rest]' 'class = lab' '# the end' '' \
		'# To the jump host.' '[flow jump]' 'class = lab' 'remote = 2223 ; at night' ''
	done_saying "$FILE says so already" save
	done_saying 'ingress  50 Mbit/s' apply
	done_saying "$FILE says so already" save
}

@test "set: says what became of the classes and flows that it names" {
	local said
	load
	said=$("$BWCTL" set 50mbit class ssh 20mbit class lab priority low reserve 2mbit class ui \
		exempt yes flow jump class ssh protocol tcp remote 2222 flow telnet remove flow admin \
		default | grep -E '^(class|flow) ')
	expect 'said' "class ssh      ingress 20 Mbit/s, egress 20 Mbit/s, priority normal
class lab      no limit of its own, reserve 2 Mbit/s, priority low, no flow leads into it
class ui       exempt: passes unmetered, priority high
flow jump      class ssh, protocol tcp, remote 2222, before ui
flow telnet    removed
flow admin     class admin, protocol tcp, local 8443, remote >1024, as listed" "$said"
	said=$("$BWCTL" set class shs 5mbit | tail -n 1)
	expect 'said of a slip of the pen' "               no flow leads into it: did you mean 'ssh'?" "$said"
	"$BWCTL" set class shs remove
	said=$("$BWCTL" set class lab remove flow jump local 1,3,5,7,9,11 remote 443 prefix \
		2001:db8::/32 interface cli0 | grep -A 1 -E '^(class|flow) ')
	expect 'said' "class lab      removed
flow jump      class ssh, protocol tcp, local 1,3,5,7,9,11, remote 443,
               prefix 2001:db8::/32, interface cli0, before ui" "$said"
	refused 1 "bwctl: class ssh: remove: it is built in, and stays: expected one of your own" \
		set class ssh remove
	refused 1 "bwctl: flow jump: class: there is no class 'lab'" set flow jump class lab
	refused 2 "bwctl: flow jump: 'remot': did you mean 'remote'?" set flow jump remot 22
}

@test "set, apply and show: what is not covered, reserves of no limit, flows of what is not loaded" {
	local exempt='is exempt: its packets pass unmetered and the limit does not cover them' name
	local all='         all classes are exempt: every packet passes unmetered and no limit covers it'
	load
	done_saying "         class api $exempt" set 50mbit class api exempt yes
	done_saying "         class api $exempt" set 60mbit
	done_saying "         class api $exempt" show
	bwctl_says set unlimited class ui reserve 2mbit class api exempt no
	expect 'of no limit' 2 \
		"$(grep -cx '         class ui: reserve 2 Mbit/s, which has no effect without a limit for all' <<<"$output")"
	bwctl_says show
	expect 'of no limit' 2 \
		"$(grep -cx '         class ui: reserve 2 Mbit/s, which has no effect without a limit for all' <<<"$output")"
	# Of the direction that has none.
	bwctl_says set ingress 50mbit
	expect 'of no limit' 1 "$(grep -c 'no effect' <<<"$output")"
	bwctl_says set egress 50mbit
	expect 'of no limit' 0 "$(grep -c 'no effect' <<<"$output")"
	set --
	for name in ui admin api ssh telnet icmp other control; do
		set -- "$@" class "$name" reserve none exempt yes
	done
	bwctl_says set "$@"
	expect 'all exempt' 2 "$(grep -cx "$all" <<<"$output")"
	bwctl_says show
	expect 'all exempt' 2 "$(grep -cx "$all" <<<"$output")"

	bwctl_says set class ui exempt no flow x class ui interface wlan0
	expect 'a hint' "hint: flow x: 'wlan0' is not loaded: nothing matches it until it is" "$stderr"
	bwctl_says set flow y class ui interface wlan0 flow z class ui interface cli0
	expect 'a hint' \
		"hint: flow x and 1 more: 'wlan0' is not loaded: nothing matches them until it is" "$stderr"
	"$BWCTL" set unlimited >/dev/null 2>&1
	write '[limit]' 'interfaces = cli0' 'mode = police' '[flow x]' 'class = ui' 'interface = cli1'
	bwctl_says apply
	expect 'a hint' "hint: flow x: 'cli1' is not loaded: nothing matches it until it is" "$stderr"
	"$BWCTL" unload >/dev/null
	bwctl_says load --all
	expect 'load --all' "0 hint: flow x: 'cli1' is not loaded: nothing matches it until it is" \
		"$status $stderr"
	done_saying 'loaded on cli1' load cli1
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

# loaded: the names of the interfaces that are, each as often as there is a record of it.
loaded() {
	"$BWCTL" show --json | jq -r '[.interfaces[].name] | sort | join(" ")'
}

@test "load --present: what the file names and what is there, of those that are given" {
	write '[limit]' 'rate = 20mbit' 'mode = police' 'interfaces = gone0 cli0 cli1'
	done_saying "nothing to load: $FILE does not name lo" load --present lo
	done_saying "nothing to load: $FILE does not name any of these interfaces" load --present lo x
	bwctl_says load --present gone0
	expect 'of one that is not there' "0 hint: 'gone0' is not there now; nothing to load: no interface that $FILE names is there" \
		"$status $stderr; $output"
	nothing_is_there
	done_saying 'loaded on cli1' load --present cli1 lo
	expect 'loaded' cli1 "$(loaded)"
	in_force 'rate = 20mbit' 'mode = police'
	bwctl_says load --present
	expect 'all of them' "0 hint: 'gone0' is not there now" "$status $stderr"
	expect 'loaded' 'cli0 cli1' "$(loaded)"
	"$BWCTL" unload >/dev/null
	write '[limit]' 'rate = 20mbit'
	done_saying "nothing to load: $FILE names no interfaces" load --present
	done_saying "nothing to load: $FILE names no interfaces" load --present cli0
	write '[limit]' 'rate = 20mbut'
	refused 1 "bwctl: $FILE:2: rate: unknown unit 'mbut' in '20mbut': expected a number and bit, kbit, mbit or gbit" load --present cli0
	rm "$FILE"
	refused 1 "bwctl: cannot open '$FILE': No such file or directory" load --present
	refused 2 'bwctl: load: --present without a policy file' --config '' load --present
	nothing_is_there
}

@test "load: an interface that returns is one, and its former self is forgotten" {
	write '[limit]' 'rate = 20mbit' 'mode = police' 'interfaces = cli0 cli1'
	"$BWCTL" --config "$FILE" load --all >/dev/null
	for _ in 1 2; do
		ip link delete cli0
		ip link add cli0 type veth peer name cli1
		expect 'on record' 'cli0 cli1' "$(loaded)"
		expect 'attached' '' "$("$BWCTL" show --json | jq -r '.interfaces[].egress.hook // empty')"
		done_saying 'loaded on cli0' load --present cli0
		expect 'on record' 'cli0 cli1' "$(loaded)"
		done_saying 'loaded on cli1' load cli1
		expect 'on record' 'cli0 cli1' "$(loaded)"
		expect 'not attached' 0 "$("$BWCTL" show | grep -c 'not attached' || true)"
		expect 'pins of counters' 2 "$(find "$PINS/bwctl" -name 'counters-*' | wc -l)"
	done
	in_force 'rate = 20mbit' 'mode = police'
	# One that is only elsewhere now is not gone.
	ip netns add other
	ip link set cli1 netns other
	ip link add cli1 type veth peer name cli2
	bwctl_says load cli1
	expect 'exit code' 0 "$status"
	expect 'pins of counters' 3 "$(find "$PINS/bwctl" -name 'counters-*' | wc -l)"
	ip link delete cli1
	ip netns delete other
	"$BWCTL" unload >/dev/null
}

@test "load --again: what is loaded, in place; no limiter is made" {
	local hook before
	done_saying 'nothing is loaded' load --again
	nothing_is_there
	for hook in $(rig_has_tcx && echo tcx) clsact; do
		"$BWCTL" --config '' load --hook "$hook" cli0 >/dev/null
		"$BWCTL" set 20mbit mode police >/dev/null
		ip link set cli1 up && ip link set cli0 up
		"$RIG_TOOLS/frame" cli0 08 >/dev/null 2>&1 || true
		before=$("$BWCTL" show --json | jq .egress.passed.packets)
		# A file that is broken has no part in this.
		write 'nonsense'
		done_saying "loaded on cli0 ($hook, ingress and egress)" load --again
		expect 'loaded' cli0 "$(loaded)"
		in_force 'rate = 20mbit' 'mode = police'
		(($("$BWCTL" show --json | jq .egress.passed.packets) >= before))
		ip netns add other
		bwctl_says -n other load --again
		expect 'in another network namespace' '0 nothing is loaded' "$status $output"
		ip netns delete other
		"$BWCTL" unload >/dev/null
	done
	done_saying 'nothing is loaded' load --again
	# A limiter of a version whose maps were others: what it does is not touched.
	load
	before=$(tc filter show dev cli0 egress; find "$PINS/bwctl" | sort)
	rm "$PINS/bwctl/clocks"
	bpftool map create "$PINS/bwctl/clocks" type array key 4 value 8 entries 1 name clocks
	refused 1 "bwctl: the limiter in '$PINS/bwctl' was made by a bwctl with other maps; its limit stays in force until 'bwctl unload'" load --again
	expect 'what is there' "$before" "$(tc filter show dev cli0 egress; find "$PINS/bwctl" | sort)"
	"$BWCTL" unload >/dev/null
	nothing_is_there
}

# ---- saving, interrupted ----

# A policy as it was saved, what is set since, and what the file is then.
limit_alone() {
	OLD=$'# A comment that is to stay.\n[limit]\nrate = 50mbit ; so\nmode = police'
	WORDS='20mbit'
	NEW=${OLD/50mbit/20mbit}
}

# Flows that change places, a class that goes, another that comes.
classes_and_flows() {
	OLD=$'# A comment that is to stay.\n[limit]\nrate = 50mbit ; so\nmode = police\n
# ours\n[class lab]\nrate = 5mbit\n\n# one\n[flow a]\nclass = lab\n
# two\n[flow b]\nclass = ssh ; so\nremote = 2222'
	WORDS='20mbit class lab remove class new 1mbit flow a class new flow b before a'
	NEW=$'# A comment that is to stay.\n[limit]\nrate = 20mbit ; so\nmode = police\n
# ours\n\n[class new]\nrate = 1mbit\n\n# two\n[flow b]\nclass = ssh ; so\nremote = 2222\n
# one\n[flow a]\nclass = new'
}

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
	[[ $found != none ]] || expect "$1: the file" "$OLD"$'\n-- or --\n'"$NEW" "$(<"$FILE")"
	expect "$1: mode and owner" '640 12:34' "$(stat -c '%a %u:%g' "$FILE")"
}

# ready_to_save POLICY: one of those above.
ready_to_save() {
	"$1"
	load
	"$BWCTL" apply - <<<"$OLD" >/dev/null
	# shellcheck disable=SC2086 # words
	"$BWCTL" set $WORDS >/dev/null
	printf '%s\n' "$OLD" >"$FILE"
	chmod 640 "$FILE"
	chown 12:34 "$FILE"
}

# Those that a save consists of; the names differ between machines.
SAVE_CALLS=(openat read write '/^f?chown' '/^f?chmod' fsync close '/^rename' '/^unlink' rt_sigprocmask)

killed_anywhere() {
	local call n count old=0 new=0 killed=0
	ready_to_save "$1"
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

@test "save, killed at any system call: the old file or the new one, whole" {
	killed_anywhere limit_alone
}

@test "save of classes and flows, killed at any system call" {
	killed_anywhere classes_and_flows
}

errors_anywhere() {
	local call n count error old=0 new=0
	ready_to_save "$1"
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

@test "save, with an error at any system call: says so, or has saved; no draft stays" {
	errors_anywhere limit_alone
}

@test "save of classes and flows, with an error at any system call" {
	errors_anywhere classes_and_flows
}

@test "save, told to stop in the middle: finishes first" {
	local call
	ready_to_save limit_alone
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
hint: the new policy is in force, but not saved" "$status, $stderr"
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
