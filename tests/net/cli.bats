#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The commands as seen from outside: exit codes, the one line that each mistake
# gets, the JSON that other programs read, and that a command which fails has
# changed nothing. Runs itself under bats in mount and network namespaces of its
# own; knows nothing of how a limit is held.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

PINS=/sys/fs/bpf
CAPABILITY_HINT='hint: run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON'
SET_WORDS='expected a rate such as 50mbit, unlimited, or ingress, egress, burst, window, overhead, mode, horizon, class or flow'
RATE_UNITS='expected a number and bit, kbit, mbit or gbit'
LOAD_HINT='hint: first: bwctl load IFACE'

setup_file() {
	rig_isolated || {
		echo "run $BATS_TEST_FILENAME itself: it isolates itself"
		return 1
	}
	# What load takes when nothing is asked for.
	HOOK=tcx
	rig_has_tcx || HOOK=clsact
	export HOOK
	echo "# hook: $HOOK" >&3
}

setup() {
	ip link add cli0 type veth peer name cli1
}

# Whatever a test left: without its pins nothing of a limiter stays.
teardown() {
	local namespace link kind
	find "$PINS" -depth -mindepth 1 ! -name '*.debug' -delete
	for namespace in red blue; do
		[[ ! -e /run/netns/$namespace ]] || ip netns delete "$namespace"
	done
	for kind in veth ifb; do
		while link=$(ip -j link show type "$kind" | jq -e -r '.[0].ifname // empty'); do
			ip link delete dev "$link"
		done
	done
}

# Says what differs, so that a failing test explains itself.
expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# bwctl_says WORD...: runs bwctl; what came of it is in status, output and stderr, as "run
# --separate-stderr" leaves it, in a fraction of the time.
bwctl_says() {
	status=0
	"$BWCTL" "$@" >"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" || status=$?
	output=$(<"$BATS_TEST_TMPDIR/stdout") stderr=$(<"$BATS_TEST_TMPDIR/stderr")
}

# refused CODE LINE WORD...: bwctl WORD... fails with CODE, says LINE and nothing else but a hint.
refused() {
	local code=$1 line=$2
	shift 2
	bwctl_says "$@"
	expect "bwctl $*" "exit code $code, no output, bwctl: $line" \
		"exit code $status, ${output:-no output}, ${stderr%$'\n'hint: *}"
}

hinted() {
	expect "hint" "$1" "${stderr#*$'\n'}"
}

# done_saying TEXT WORD...: bwctl WORD... succeeds, silent on stderr, with TEXT in its output.
done_saying() {
	local text=$1
	shift
	bwctl_says "$@"
	expect "bwctl $*" 'exit code 0, no error' "exit code $status, ${stderr:-no error}"
	[[ $output == *"$text"* ]] || expect "output of: bwctl $*" "...$text..." "$output"
}

json() {
	"$BWCTL" show --json "${@:2}" | jq -e -c -S "$1"
}

# Everything that a command that fails must leave alone.
state() {
	"$BWCTL" show
	find "$PINS" | sort
}

# unchanged COMMAND...
unchanged() {
	local before after
	before=$(state)
	"$@"
	after=$(state)
	expect "state after: $*" "$before" "$after"
}

# Every kernel can police; what pacing adds is in pace.bats.
load() {
	"$BWCTL" load cli0 >/dev/null && "$BWCTL" set mode police >/dev/null
}

# Runs a command with these capabilities alone: "+bpf,+net_admin", or "" for none.
with_capabilities() {
	setpriv --inh-caps -all --bounding-set "-all${1:+,$1}" "${@:2}"
}

# As a user without any right, who may not be able to reach the build directory.
as_nobody() {
	install -m 0755 "$BWCTL" "$BATS_TEST_TMPDIR/bwctl"
	chmod 0755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.."
	(
		cd /
		exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps -all \
			"$BATS_TEST_TMPDIR/bwctl" "$@"
	)
}

@test "no command: usage, and misuse" {
	bwctl_says
	expect 'exit code' 2 "$status"
	expect 'output' '' "$output"
	[[ $stderr == 'usage: bwctl '* ]]
}

@test "help and version" {
	local command
	for command in '' load unload set apply save show flows help; do
		# shellcheck disable=SC2086 # '' is no word
		done_saying 'usage: bwctl' help $command
		# shellcheck disable=SC2086
		done_saying 'usage: bwctl' $command --help
	done
	done_saying 'bwctl set 50mbit' help set
	bwctl_says --version
	[[ $status == 0 && $output =~ ^bwctl\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "unknown commands, unknown options, missing and extra words are misuse" {
	local commands='expected load, unload, set, apply, save, run, show, flows, watch, check, metrics or help'
	refused 2 "unknown command 'bogus': $commands" bogus
	refused 2 "unknown command '': $commands" ''
	refused 2 "unknown command 'sho': $commands" sho
	refused 2 "unknown command 'bogus': $commands" help bogus
	refused 2 "unknown command 'bogus': $commands" bogus --help
	refused 2 'load: an interface is missing' load
	hinted 'hint: usage: bwctl load [--hook tcx|clsact|auto] IFACE... | --all | --present [IFACE...] | --again'
	refused 2 'load: either --all or interfaces' load --all cli0
	refused 2 'load: either --again or interfaces' load --again cli0
	refused 2 'load: --all, --present or --again, one of them' load --all --present
	refused 2 'load: --all, --present or --again, one of them' load --present --again
	refused 2 "show: 'cli0' is one word too many" show cli0
	refused 2 "flows: 'x' is one word too many" flows x
	refused 2 "help: 'show' is one word too many" help set show
	refused 2 "unknown option '--bogus' (bwctl --help)" --bogus show
	refused 2 "unknown option '--bogus' (bwctl --help)" show --bogus
	refused 2 "unknown option '-x' (bwctl --help)" -x show
	refused 2 "'-n' needs a value" show -n
	refused 2 "'--netns' needs a value" show --netns
	refused 2 "'--pin-dir' needs a value" show --pin-dir
	refused 2 "'--hook' needs a value" load cli0 --hook
	refused 2 "unknown hook 'xdp': expected tcx, clsact or auto" load cli0 --hook xdp
	refused 2 '--hook is for load alone' --hook tcx show
	refused 2 '--hook is for load alone' set 50mbit --hook clsact
	refused 2 '--json is for set, apply, show, flows, watch and check alone' load cli0 --json
	refused 2 "'--config' needs a value" apply --config
	refused 2 '--json does not go with --config' show --config --json
	refused 2 "apply: 'b' is one word too many" apply a b
}

# Each with the hint that says what would have been right.
@test "what is typed under stress: commands of other tools, names and rates where none are taken" {
	local commands='expected load, unload, set, apply, save, run, show, flows, watch, check, metrics or help'
	local row words
	for row in 'start:bwctl load IFACE attaches, bwctl set RATE limits' \
		'stop:bwctl set unlimited takes the limit off, bwctl unload detaches too' \
		'Off:bwctl set unlimited takes the limit off, bwctl unload detaches too' \
		'remove cli0:bwctl set unlimited takes the limit off, bwctl unload detaches too' \
		'status:bwctl show' 'stats:bwctl show' 'reload:bwctl apply puts the policy file in force' \
		'version:bwctl --version' 'top:bwctl watch' "SHOW:did you mean 'show'?" \
		"unlaod:did you mean 'unload'?" 'cli0:bwctl load cli0 attaches to it, bwctl set RATE limits' \
		'cli0 set 50mbit:bwctl load cli0 attaches to it, bwctl set RATE limits' \
		'50mbit:bwctl set 50mbit sets a limit' \
		"50M:bwctl set RATE sets a limit, such as 50mbit: ambiguous '50M': write 50mbit, or 400mbit for 50 megabytes per second" \
		'egress 50mbit:bwctl set RATE, or ingress RATE egress RATE' \
		'class ssh 5mbit:bwctl set class NAME RATE (bwctl help set)'; do
		words=${row%%:*}
		# shellcheck disable=SC2086 # words
		refused 2 "unknown command '${words%% *}': $commands" $words
		hinted "hint: ${row#*:}"
	done
	refused 2 "unknown command 'nonsense': $commands" nonsense
	expect 'no hint' "${stderr%%$'\n'*}" "$stderr"

	refused 2 "show: 'json' is one word too many" show json
	hinted 'hint: bwctl show --json'
	refused 2 "check: 'json' is one word too many" check json
	hinted 'hint: bwctl check --json'
	refused 2 "show: 'config' is one word too many" show config
	hinted 'hint: bwctl show --config'
	refused 2 "show: 'flows' is one word too many" show flows
	hinted 'hint: bwctl flows'
	refused 2 "flows: 'x' is one word too many" flows x
	hinted 'hint: usage: bwctl flows [--interval TIME] [--json]'
	refused 2 '--all is for load alone' unload --all
	hinted 'hint: bwctl unload alone detaches from all'
	refused 2 '--class is for watch alone' set --class ssh 5mbit
	hinted 'hint: without the dashes: bwctl set class NAME RATE'
	refused 1 "no interface 'all' in this network namespace" load all
	hinted 'hint: bwctl load --all loads those that the policy file names'
	refused 1 "no interface '50mbit' in this network namespace" load 50mbit
	hinted 'hint: bwctl set 50mbit sets a limit'
	refused 1 "cannot open '50mbit': No such file or directory" apply 50mbit
	hinted 'hint: bwctl set 50mbit sets a limit'
	for words in 10.0.0.1 5g-uplink.conf 50mbit.conf; do
		refused 1 "cannot open '$words': No such file or directory" apply "$words"
		expect 'no hint' "${stderr%%$'\n'*}" "$stderr"
	done
	ip link add lo1 type veth peer name lo2
	refused 2 "unknown command 'lo1': $commands" lo1
	hinted 'hint: bwctl load lo1 attaches to it, bwctl set RATE limits'
	refused 2 "'lo1' is an interface: expected none here" set lo1 5mbit
	hinted 'hint: the limit is one for all interfaces that are loaded: bwctl load lo1, then bwctl set without it'
	ip link delete lo1
	load
	# Whatever is typed, nothing of it moves a cursor.
	for words in apply load unload ''; do
		# shellcheck disable=SC2086 # a word, or none
		bwctl_says $words $'5m\e[31mRED\e[2J\u009b2J'
		[[ $status != 0 && $stderr == *RED* && $stderr != *[$'\e\u009b']* ]] ||
			expect "bwctl $words" 'no escapes' "$(cat -v <<<"$stderr")"
	done
	refused 1 "'all' is not loaded" unload all
	hinted 'hint: bwctl unload alone detaches from all'
	for words in 'run 5mbit true' 'run true'; do
		# shellcheck disable=SC2086 # words
		refused 2 "'true': run takes RATE, ingress RATE and egress RATE, also after class NAME" $words
		hinted 'hint: the command comes behind --: bwctl run RATE -- COMMAND'
	done
	for words in 'cli0 50mbit' '50mbit cli0' '50mbit on cli0'; do
		# shellcheck disable=SC2086 # words
		bwctl_says set $words
		expect "set $words" "2 hint: the limit is one for all interfaces that are loaded: bwctl load cli0, then bwctl set without it" \
			"$status ${stderr#*$'\n'}"
	done
	refused 2 "flow x: 'nonsense': expected class, protocol, local, remote, prefix, interface, remove, before, default or flow" \
		set flow x class ssh interface cli0 nonsense
	expect 'no hint' "${stderr%%$'\n'*}" "$stderr"
}

@test "set: words of other tools, and what is written here" {
	local words text
	load
	"$BWCTL" set 50mbit >/dev/null
	while IFS='|' read -r words text; do
		# shellcheck disable=SC2086 # words
		unchanged refused 2 "$text" set $words
	done <<-'END'
		off|'off': did you mean 'unlimited'?
		none|'none': did you mean 'unlimited'?
		no limit|'no': did you mean 'unlimited'?
		limit 50mbit|'limit': a rate stands alone: 50mbit
		rate 50mbit|'rate': a rate stands alone: 50mbit
		rate=50mbit|'rate=50mbit': a rate stands alone: write 50mbit
		egress=50mbit|'egress=50mbit': write a space, not =, between a word and its value
		class=ssh 5mbit|'class=ssh': write a space, not =, between a word and its value
		RATE=50mbit|'RATE=50mbit': a rate stands alone: write 50mbit
		limit=5mbit|'limit=5mbit': a rate stands alone: 50mbit
		in 5mbit|'in': did you mean 'ingress'?
		IN 5mbit|'IN': did you mean 'ingress'?
		in=5mbit|'in=5mbit': did you mean 'ingress'?
		OFF|'OFF': did you mean 'unlimited'?
		download 5mbit|'download': did you mean 'ingress'?
		tx 5mbit|'tx': did you mean 'egress'?
		upload 5mbit|'upload': did you mean 'egress'?
		ssh 5mbit|'ssh': did you mean 'class ssh'?
		icmp 5mbit|'icmp': did you mean 'class icmp'?
		observe|'observe': expected 'mode' before it
		mode police pace|'pace': expected 'mode' before it
		save|'save': did you mean '--save'?
		help|'help': bwctl help set
		class ssh limit 5mbit|class ssh: 'limit': a rate stands alone: 50mbit
		class ssh off|class ssh: 'off': did you mean 'unlimited'?
		class ssh prio high|class ssh: 'prio': did you mean 'priority'?
		class ssh high|class ssh: 'high': expected 'priority' before it
		class lab delete|class lab: 'delete': did you mean 'remove'?
		class ssh guarantee 2mbit|class ssh: 'guarantee': did you mean 'reserve'?
		flow x port 22|flow x: 'port': expected 'local', ports of this machine, or 'remote', of the other side
		flow x delete|flow x: 'delete': did you mean 'remove'?
		flow x class ssh net 10.0.0.0/8|flow x: 'net': did you mean 'prefix'?
		flow x class ssh tcp|flow x: 'tcp': expected 'protocol' before it
		flow x dev eth0|flow x: 'dev': did you mean 'interface'?
	END
}

@test "nothing loaded" {
	refused 1 'nothing is loaded' set 50mbit
	hinted "$LOAD_HINT"
	refused 1 'nothing is loaded' set unlimited
	refused 1 'nothing is loaded' unload cli0
	done_saying 'nothing is loaded' show
	done_saying 'nothing is loaded' flows
	done_saying 'nothing was loaded' unload
	expect 'interfaces' '[]' "$(json .interfaces)"
	bwctl_says show --json
	jq -e '.ingress == null and .egress == null and (.version | type) == "string"' <<<"$output"
	bwctl_says flows --json
	jq -e '.flows == []' <<<"$output"
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

@test "what set refuses, word by word, and nothing changes" {
	load
	"$BWCTL" set 50mbit burst 100ms window 3s overhead 24
	unchanged refuse_rates
	unchanged refuse_words
	unchanged refuse_settings
}

refuse_rates() {
	local rate
	refused 2 "ambiguous '50M': write 50mbit, or 400mbit for 50 megabytes per second" set 50M
	refused 2 "ambiguous '50MB': write 50mbit, or 400mbit for 50 megabytes per second" set 50MB
	refused 2 "ambiguous '50mbps': write 50mbit, or 400mbit for 50 megabytes per second" set 50mbps
	refused 2 "ambiguous '50Mb': write 50mbit, or 400mbit for 50 megabytes per second" set 50Mb
	refused 2 "ambiguous '2k': write 16kbit if it is kilobytes" set 2k
	refused 2 "no unit in '50': write 50kbit, 50mbit or 50gbit" set 50
	refused 2 "no unit in '50': write 50kbit, 50mbit or 50gbit" set egress 50
	refused 2 "'0mbit' is zero: the smallest limit is 8 kbit/s" set 0mbit
	refused 2 "'0.0gbit' is zero: the smallest limit is 8 kbit/s" set 0.0gbit
	refused 2 "no unit in '0': $RATE_UNITS" set 0
	refused 2 "'7.999kbit' is below the smallest limit, 8 kbit/s" set 7.999kbit
	refused 2 "'400001mbit' is above the largest limit, 400 Gbit/s" set 400001mbit
	refused 2 "'99999999999999999999tbit' is above the largest limit, 400 Gbit/s" \
		set 99999999999999999999tbit
	refused 2 "exponent in '1e6bit': write the number in full" set 1e6bit
	refused 2 "'0x10mbit' is hexadecimal: write the number in decimal" set 0x10mbit
	refused 2 "sign in '+5mbit': write the rate without it" set +5mbit
	refused 2 "comma in '1,5mbit': write a decimal point, no separators" set 1,5mbit
	refused 2 "more than one decimal point in '1..5mbit': $RATE_UNITS" set 1..5mbit
	refused 2 "no digit after the point in '5.mbit': $RATE_UNITS" set 5.mbit
	refused 2 "unknown unit 'mbitx' in '50mbitx': $RATE_UNITS" set 50mbitx
	refused 2 "unknown unit 'mbit/' in '50mbit/': $RATE_UNITS" set 50mbit/
	refused 2 "space in '50 mbit': write the rate as one word" set '50 mbit'
	refused 2 "space in '50mbit?': write the rate as one word" set $'50mbit\n'
	refused 2 "'-50mbit' is negative: $RATE_UNITS" set -- -50mbit
	for rate in -5mbit -0mbit -5; do
		refused 2 "'-${rate:1:1}...': a rate, time or size is a positive number" set "$rate"
		refused 2 "'-${rate:1:1}...': a rate, time or size is a positive number" \
			set ingress "$rate"
	done
	for rate in nan inf NaN mbit bogus '' . unlimted; do
		refused 2 "'$rate': $SET_WORDS" set "$rate"
	done
}

refuse_words() {
	local pair word
	refused 2 "set what? $SET_WORDS" set
	for pair in ingres:ingress Ingress:ingress egres:egress brust:burst windows:window \
		overheads:overhead clas:class flows:flow; do
		refused 2 "'${pair%:*}': did you mean '${pair#*:}'?" set "${pair%:*}" 5mbit
	done
	refused 2 "'winow': did you mean 'window'?" set 50mbit winow 2s
	refused 2 "'default' is of a flow: expected flow NAME before it" set default 5mbit
	refused 2 "mode: 'slow': expected auto, pace, police or observe" set mode slow
	for word in class flow; do
		refused 2 "'$word' needs a name" set "$word"
	done
	for word in ingress egress burst window overhead; do
		refused 2 "'$word' needs a value" set "$word"
		refused 2 "'$word' needs a value" set "$word" egress 5mbit
	done
	refused 2 "'6mbit': a limit for ingress is given already" set 5mbit 6mbit
	refused 2 'a limit for egress is given twice' set 5mbit egress 6mbit
	refused 2 "'6mbit': a limit for ingress is given already" set ingress 5mbit 6mbit
	refused 2 'a limit for egress is given twice' set egress 5mbit egress 5mbit
	refused 2 "'burst' is given twice" set burst 5ms burst 5ms
	refused 2 "'window' is given twice" set window 5s window 5s
	refused 2 "'overhead' is given twice" set overhead 5 overhead 5
}

refuse_settings() {
	local burst='expected a time (200ms) or a size (64kb)' text
	for text in x 64k 5m 50mbit default2; do
		refused 2 "burst: '$text': $burst" set burst "$text"
	done
	refused 2 "'-5...': a rate, time or size is a positive number" set burst -5ms
	refused 2 "window: 'x' is not a number: expected a number and us, ms, s or min" set window x
	refused 2 "window: '99ms' is out of range: expected 100ms to 3600s" set window 99ms
	refused 2 "window: '61min' is above the largest time, 3600 s" set window 61min
	refused 2 "'-2...': a rate, time or size is a positive number" set window -2s
	refused 2 "overhead: '257' is above the largest value, 256" set overhead 257
	refused 2 "overhead: '1.5' is not a whole number" set overhead 1.5
	refused 2 "overhead: '24b' is not a plain number: expected digits only" set overhead 24b
	refused 2 "'-1...': a rate, time or size is a positive number" set overhead -1
	# A good word before a bad one is not half a change.
	refused 2 "overhead: 'x' is not a number: expected digits only" \
		set 20mbit burst 5ms overhead x
}

@test "a burst that its window has no room for, and nothing changes" {
	local fit='shorten it or lengthen the window'
	load
	"$BWCTL" set 50mbit
	unchanged refused 1 "ingress: a burst of 5 s does not fit a window of 2 s: $fit" set burst 5s
	unchanged refused 1 "ingress: a burst of 10 MB does not fit a window of 2 s: $fit" \
		set 50mbit burst 10mb
	unchanged refused 1 "ingress: a burst of 1 s does not fit a window of 100 ms: $fit" \
		set window 100ms burst 1s
	unchanged refused 1 \
		'egress: a window of 1 s is too short for this limit: lengthen it, or shorten the burst' \
		set egress 8kbit window 1s
	# A burst in force that a new limit or window has no room for is refused all the same.
	"$BWCTL" set burst 5mb
	unchanged refused 1 "egress: a burst of 5 MB does not fit a window of 2 s: $fit" set egress 1mbit
}

@test "set says what is in force, in bits and in bytes" {
	load
	done_saying 'ingress  50 Mbit/s (6.25 MB/s) in any 2 s' set 50mbit
	[[ $output == *'egress   50 Mbit/s (6.25 MB/s) in any 2 s'* ]]
	done_saying 'egress   20 Mbit/s (2.5 MB/s)' set egress 20mbit
	[[ $output == *'ingress  50 Mbit/s (6.25 MB/s)'* ]]
	done_saying 'ingress  unlimited (counting only)' set ingress unlimited
	[[ $output == *'egress   20 Mbit/s (2.5 MB/s)'* ]]
	done_saying 'overhead 24 B per frame' set overhead 24
	done_saying 'egress   20 Mbit/s (2.5 MB/s)' load cli1
}

@test "rates as people write them" {
	local row
	load
	for row in 8kbit=8000 50MBIT=50000000 1.5gbit=1500000000 .4tbit=400000000000 \
		400gbit=400000000000 100mibit=104857600 1gibit/s=1073741824 64Kibit=65536 \
		50mbit/s=50000000 8000bit=8000 UNLIMITED=null unlimited=null; do
		"$BWCTL" set "${row%=*}"
		expect "$row" "[${row#*=},${row#*=}]" \
			"$(json '[.ingress, .egress | .limit_bits_per_second]')"
	done
}

@test "unlimited per direction; burst, window and overhead stay until they are told default" {
	local settings='[.ingress, .egress | [.limit_bits_per_second, .window_seconds * 10,
		.overhead_bytes]]'
	load
	expect 'at first' '[[null,20,0],[null,20,0]]' "$(json "$settings")"
	"$BWCTL" set ingress 50mbit egress 20mbit burst 50ms window 2.5s overhead 24
	expect 'all at once' '[[50000000,25,24],[20000000,25,24]]' "$(json "$settings")"
	json '.ingress | .burst_bytes * 8 / .rate_bits_per_second | . > 0.0499 and . < 0.0501'
	"$BWCTL" set egress unlimited
	expect 'egress off' '[[50000000,25,24],[null,25,24]]' "$(json "$settings")"
	json '.egress | .rate_bits_per_second == null and .burst_bytes == null and .bound_bytes == null'
	"$BWCTL" set egress 30mbit
	expect 'egress on' '[[50000000,25,24],[30000000,25,24]]' "$(json "$settings")"
	json '.egress | .burst_bytes * 8 / .rate_bits_per_second | . > 0.0499 and . < 0.0501'
	"$BWCTL" set burst 64kb
	json '[.ingress, .egress] | all(.burst_bytes >= 63990 and .burst_bytes <= 64000)'
	"$BWCTL" set 10mbit
	json '[.ingress, .egress] | all(.burst_bytes >= 63990 and .burst_bytes <= 64000)'
	"$BWCTL" set burst default
	json '.ingress | .burst_bytes * 8 / .rate_bits_per_second | . > 0.199 and . < 0.201'
	expect 'burst default' '[[10000000,25,24],[10000000,25,24]]' "$(json "$settings")"
	"$BWCTL" set window Default overhead 0
	expect 'window default' '[[10000000,20,0],[10000000,20,0]]' "$(json "$settings")"
}

@test "show --json: the names, the kinds of number, and what they promise" {
	local tally='{bytes: "number", packets: "number"}'
	load
	"$BWCTL" set 50mbit overhead 24 window 2s
	"$BWCTL" show --json >"$BATS_TEST_TMPDIR/json"
	jq -e --arg version "$("$BWCTL" --version | cut -d ' ' -f 2)" '.version == $version' \
		"$BATS_TEST_TMPDIR/json"
	expect 'names' '["egress","ingress","interfaces","runs","since","version"]' "$(json keys)"
	expect 'interfaces' "$(ip -j link show cli0 | jq -c -S '[{name: .[].ifname, ifindex: .[].ifindex,
		ingress: {hook: env.HOOK, mode: "police"}, egress: {hook: env.HOOK, mode: "police"}}]')" \
		"$(json '.interfaces | map({name, ifindex, ingress: (.ingress | {hook, mode}),
			egress: (.egress | {hook, mode})})')"
	jq -e "
		def tally: map_values(type) == $tally;
		def counters: [\"passed\", \"dropped\", \"would_drop\", \"paced\", \"marked\",
			\"delay_seconds_sum\", \"delay_seconds_max\"];
		def sums: ([.passed, .dropped, .would_drop, .paced, .marked] | all(tally))
			and ([.delay_seconds_sum, .delay_seconds_max] | all(type == \"number\"));
		def names: [\"ui\", \"admin\", \"api\", \"ssh\", \"telnet\", \"icmp\", \"other\",
			\"control\"];
		(.interfaces | all(
			keys == [\"classes\", \"egress\", \"ifindex\", \"ingress\", \"name\"]
			and ([.ingress, .egress] | all(keys == ([\"hook\", \"mode\", \"first\"] + counters | sort)
				and .first == true and sums))
			and (.classes | keys == [\"egress\", \"ingress\"]
				and all(.[]; keys == (names | sort)
					and all(.[]; keys == (counters | sort) and sums)))))
		and ([.ingress, .egress] | all(
			keys == ([\"limit_bits_per_second\", \"rate_bits_per_second\", \"burst_bytes\",
				\"bound_bytes\", \"window_seconds\", \"overhead_bytes\", \"mode\",
				\"mode_requested\", \"mode_reason\", \"observes\", \"horizon_seconds\",
				\"contended\", \"delays\", \"classes\", \"at_limit_seconds\",
				\"backlog_seconds\"] + counters | sort)
			and .limit_bits_per_second == 50000000 and .window_seconds == 2
			and .overhead_bytes == 24 and .mode == \"police\" and .mode_requested == \"police\"
			and .mode_reason == null and .observes == null and .horizon_seconds == null
			and sums and (.contended | tally)
			and (.delays | length == 12 and .[0].up_to_seconds == 0.001
				and .[-1].up_to_seconds == null
				and all(.[]; keys == [\"packets\", \"up_to_seconds\"]))
			and (.classes | keys == (names | sort)
				and all(.[]; keys == ([\"priority\", \"exempt\", \"limit_bits_per_second\",
					\"reserve_bits_per_second\", \"rate_bits_per_second\", \"bound_bytes\",
					\"window_seconds\"] + counters | sort) and sums
					and .exempt == false
					and ([.limit_bits_per_second, .reserve_bits_per_second,
						.rate_bits_per_second, .bound_bytes, .window_seconds]
						| all(. == null)))
				and ([.control, .ui, .admin, .icmp] | all(.priority == \"high\"))
				and ([.ssh, .telnet, .api, .other] | all(.priority == \"normal\")))))
	" "$BATS_TEST_TMPDIR/json"
	# The promise: r * W + B is no more than limit * W, and r is not needlessly low.
	jq -e '[.ingress, .egress] | all(
		.rate_bits_per_second * .window_seconds / 8 + .bound_bytes
			<= .limit_bits_per_second * .window_seconds / 8
		and .burst_bytes < .bound_bytes
		and .rate_bits_per_second >= 0.88 * .limit_bits_per_second)' "$BATS_TEST_TMPDIR/json"
	# In the text, because jq does not tell 2 from 2.0.
	run ! grep -E '"(packets|bytes|ifindex|[a-z_]*_bytes|[a-z_]*_per_second)": *[0-9]*[.eE]' \
		"$BATS_TEST_TMPDIR/json"
	grep -q '"window_seconds": 2.0' "$BATS_TEST_TMPDIR/json"
}

# fits: no line of what it reads is longer than 120 characters
fits() {
	awk 'length($0) > 120 { print; long = 1 } END { exit long }'
}

@test "show and show --json: what was asked of classes" {
	load
	"$BWCTL" set 50mbit class ssh 20mbit class telnet ingress 3mbit priority low class ui reserve 2mbit \
		class backup exempt yes class a23456789012345 5mbit priority high
	"$BWCTL" show >"$BATS_TEST_TMPDIR/show"
	fits <"$BATS_TEST_TMPDIR/show"
	expect 'what is said of classes' "         class ui: reserve 2 Mbit/s
         class ssh: limit 20 Mbit/s in any 2 s
         class telnet: limit 3 Mbit/s in any 2 s, priority low
         class backup is exempt: its packets pass unmetered and the limit does not cover them
         class a23456789012345: limit 5 Mbit/s in any 2 s, priority high" \
		"$(grep '^  *class .*[:;]' "$BATS_TEST_TMPDIR/show" | head -n 5)"
	# Telnet's limit is one of what comes in.
	grep -qx '         class telnet: priority low' "$BATS_TEST_TMPDIR/show"
	expect 'rows' 'ui admin api ssh telnet icmp other control backup a23456789012345 total' \
		"$(sed -n '/^  class/,$p' "$BATS_TEST_TMPDIR/show" | awk '/^$/ { exit } NR > 1 { print $1 }' | xargs)"
	"$BWCTL" show --json >"$BATS_TEST_TMPDIR/json"
	jq -e '[.ingress, .egress, .interfaces[0].classes.ingress, .interfaces[0].classes.egress] |
		all((.classes // .) | keys == ["a23456789012345", "admin", "api", "backup", "control", "icmp",
			"other", "ssh", "telnet", "ui"])' "$BATS_TEST_TMPDIR/json"
	jq -e '[.ingress, .egress] | all(.classes |
		(.ssh | .limit_bits_per_second == 20000000 and .window_seconds == 2 and .exempt == false
			and .priority == "normal" and .reserve_bits_per_second == null
			and .rate_bits_per_second * .window_seconds / 8 + .bound_bytes
				<= .limit_bits_per_second * .window_seconds / 8
			and .rate_bits_per_second > 0.8 * .limit_bits_per_second)
		and (.ui | .reserve_bits_per_second == 2000000 and .limit_bits_per_second == null
			and .rate_bits_per_second == null and .bound_bytes == null and .window_seconds == null)
		and .telnet.priority == "low" and .a23456789012345.priority == "high"
		and .backup.exempt and .backup.priority == "normal")' "$BATS_TEST_TMPDIR/json"
	jq -e '[.ingress, .egress] | map(.classes.telnet.limit_bits_per_second) == [3000000, null]' \
		"$BATS_TEST_TMPDIR/json"
	# A limit of a class alone is one as well.
	"$BWCTL" set unlimited class ui reserve none
	"$BWCTL" show | grep -qx 'egress   unlimited, but for classes that have limits of their own'
	jq -e '.egress | .limit_bits_per_second == null and .classes.ssh.limit_bits_per_second == 20000000' \
		<("$BWCTL" show --json)
}

# on_terminal COLUMNS WORD...: what bwctl shows on one, without colours.
on_terminal() {
	local columns=$1
	shift
	NO_COLOR=1 script -q -e -c "stty cols $columns; $BWCTL $*" /dev/null </dev/null | tr -d '\r'
}

@test "show on a terminal of 80 columns: no line is longer, no figure and no word is missing" {
	local words='50mbit overhead 24' n mode
	command -v script >/dev/null || skip 'script is not installed'
	ip netns add red
	ip link add enp175s0f1np12 type veth peer name cli2 netns red
	"$BWCTL" load cli0 enp175s0f1np12 >/dev/null
	"$BWCTL" -n red load cli2 >/dev/null
	for ((n = 1; n <= 32; n++)); do
		words+=" class quite-long-$((10 + n))-x 5$((10 + n))kbit priority low reserve 1$((10 + n))kbit"
	done
	# shellcheck disable=SC2086 # words
	"$BWCTL" set $words class telnet exempt yes >/dev/null
	for mode in auto observe; do
		"$BWCTL" set mode "$mode" >/dev/null
		"$BWCTL" show >"$BATS_TEST_TMPDIR/plain"
		on_terminal 80 show >"$BATS_TEST_TMPDIR/terminal"
		run ! grep -E '^.{81}' "$BATS_TEST_TMPDIR/terminal"
		# All that a wide one has, in the order in which it has it, once lines are put together again.
		expect "words in mode $mode" \
			"$(grep -v -E '^  [^ ]|^cli|^enp|^ {28}|^\(|^interface' "$BATS_TEST_TMPDIR/plain" | tr -s ' \n' ' ')" \
			"$(grep -v -E '^  [^ ]|^cli|^enp|^ {28}|^\(|^interface' "$BATS_TEST_TMPDIR/terminal" | tr -s ' \n' ' ')"
		expect "tables in mode $mode" \
			"$(grep -E '^  [^ ]|^cli|^enp|^ {28}|^\(|^interface' "$BATS_TEST_TMPDIR/plain" | tr -s ' ')" \
			"$(grep -E '^  [^ ]|^cli|^enp|^ {28}|^\(|^interface' "$BATS_TEST_TMPDIR/terminal" | tr -s ' ')"
		# Where there is room it is as it always is.
		expect "on 250 columns in mode $mode" "$(<"$BATS_TEST_TMPDIR/plain")" "$(on_terminal 250 show)"
	done
	on_terminal 80 show --json >"$BATS_TEST_TMPDIR/terminal"
	"$BWCTL" show --json | diff - "$BATS_TEST_TMPDIR/terminal"
}

@test "flows and check on a terminal of 80 columns: no line is longer, and no word is missing" {
	local plain=$BATS_TEST_TMPDIR/plain terminal=$BATS_TEST_TMPDIR/terminal
	command -v script >/dev/null || skip 'script is not installed'
	load
	"$BWCTL" set class lab 5mbit flow jump class lab protocol tcp remote 2222,9000-9100 prefix 10.1.0.0/16 >/dev/null
	"$BWCTL" flows >"$plain"
	grep -q -E '^.{81}' "$plain"
	on_terminal 80 flows >"$terminal"
	run ! grep -E '^.{81}' "$terminal"
	expect 'words of flows' "$(tr -s ' ' '\n' <"$plain" | sort -u)" "$(tr -s ' ' '\n' <"$terminal" | sort -u)"
	expect 'flows on 250 columns' "$(<"$plain")" "$(on_terminal 250 flows)"

	"$BWCTL" --config '' check >"$plain" || true
	grep -q -E '^.{81}' "$plain"
	on_terminal 80 --config "''" check >"$terminal" || true
	run ! grep -E '^.{81}' "$terminal"
	expect 'words of check' "$(tr -s ' \n' ' ' <"$plain")" "$(tr -s ' \n' ' ' <"$terminal")"
	expect 'check on 250 columns' "$(<"$plain")" "$(on_terminal 250 --config "''" check || true)"
}

@test "NO_COLOR is one only if it is not empty" {
	local variable expected
	command -v script >/dev/null || skip 'script is not installed'
	load
	for variable in 'NO_COLOR= :bold' 'NO_COLOR=1 :plain' '-u NO_COLOR :bold'; do
		expected=plain
		# shellcheck disable=SC2086 # words
		env ${variable%:*} script -q -e -c "$BWCTL show" "$BATS_TEST_TMPDIR/typed" </dev/null >/dev/null
		! grep -q $'\033' "$BATS_TEST_TMPDIR/typed" || expected=bold
		expect "show with $variable" "${variable#*:}" "$expected"
		expected=plain
		# shellcheck disable=SC2086 # words
		env ${variable%:*} script -q -e -c "$BWCTL --config '' check" "$BATS_TEST_TMPDIR/typed" </dev/null >/dev/null || true
		! grep -q $'\033' "$BATS_TEST_TMPDIR/typed" || expected=bold
		expect "check with $variable" "${variable#*:}" "$expected"
	done
}

@test "observe, in plain words and in JSON" {
	local longest='pace: what is over would wait up to .*, then be dropped' words
	load
	"$BWCTL" set 50mbit mode observe class backup exempt yes
	"$BWCTL" show >"$BATS_TEST_TMPDIR/show"
	fits <"$BATS_TEST_TMPDIR/show"
	for words in 'interface .* passed  *bytes  *would drop  *bytes' 'cli0 .* ingress .* observe .*' \
		"         observe: nothing is dropped or delayed; it would (police: what is over would be dropped|$longest)" \
		'  class .* passed  *bytes  *would drop  *bytes.*'; do
		grep -Eqx "$words" "$BATS_TEST_TMPDIR/show" || expect 'a line' "$words" "$(<"$BATS_TEST_TMPDIR/show")"
	done
	"$BWCTL" flows | head -n 1 | grep -q 'passed  *bytes  *would drop'
	jq -e '[.ingress, .egress] | all(.mode == "observe" and .mode_requested == "observe"
		and (.observes == "pace" or .observes == "police"))' <("$BWCTL" show --json)
	json '.interfaces[0] | .ingress.mode == "observe" and .egress.mode == "observe"'
	"$BWCTL" set mode police
	jq -e '[.ingress, .egress] | all(.mode == "police" and .observes == null)' <("$BWCTL" show --json)
	run ! grep 'would' <("$BWCTL" show)
}

@test "show --json at both ends of the range stays whole numbers" {
	local rate
	load
	for rate in 8kbit 400gbit; do
		"$BWCTL" set "$rate" >/dev/null
		"$BWCTL" show --json >"$BATS_TEST_TMPDIR/json"
		run ! grep -E '"([a-z_]*_bytes|[a-z_]*_per_second)": *[0-9]*[.eE]' "$BATS_TEST_TMPDIR/json"
		jq -e '[.ingress, .egress] | all(
			.rate_bits_per_second * .window_seconds / 8 + .bound_bytes
				<= .limit_bits_per_second * .window_seconds / 8)' "$BATS_TEST_TMPDIR/json"
	done
}

@test "set --json says what show --json says; flows --json" {
	load
	bwctl_says set --json 50mbit
	expect 'exit code' 0 "$status"
	expect 'errors' '' "$stderr"
	expect 'what set says' "$("$BWCTL" show --json | jq -S .)" "$(jq -S . <<<"$output")"
	jq -e '.ingress.limit_bits_per_second == 50000000' <<<"$output"
	bwctl_says flows --json
	jq -e '.flows | length > 10 and all(
		keys == ["class", "delay_seconds_max", "delay_seconds_sum", "direction", "dropped",
			"flow", "marked", "name", "paced", "passed", "seen", "would_drop"]
		and (.name == null) == (.class == "other" or .class == "control")
		and (.direction | . == "ingress" or . == "egress"))' <<<"$output"
}

@test "options before and after the command, and between its words" {
	ip netns add red
	ip -n red link add cli0 type veth peer name cli1
	"$BWCTL" -n red load cli0
	"$BWCTL" load -n red cli1
	"$BWCTL" set 5mbit --json | jq -e '.ingress.limit_bits_per_second == 5000000'
	"$BWCTL" --json set egress 6mbit | jq -e '.egress.limit_bits_per_second == 6000000'
	"$BWCTL" set egress --json 7mbit | jq -e '.egress.limit_bits_per_second == 7000000'
	for words in '--json -n red show' 'show --json --netns red' '--netns=red show --json' \
		'-nred --json show' "--json show -n /run/netns/red" "show --pin-dir=$PINS/bwctl --json" \
		'-v show --json' 'show -v --json'; do
		# shellcheck disable=SC2086
		"$BWCTL" $words 2>/dev/null | jq -e '.interfaces | length == 2'
	done
	"$BWCTL" unload -n red cli1
	"$BWCTL" --netns red unload
	done_saying 'nothing is loaded' show
}

@test "unknown network namespaces and interfaces" {
	local long=a23456789b23456789c23456789d23456789
	refused 1 "no network namespace 'nope' (ip netns lists them)" -n nope show
	refused 1 "no network namespace 'nope' (ip netns lists them)" -n nope load cli0
	refused 1 "no network namespace '$long' (ip netns lists them)" -n "$long" show
	refused 1 "no interface 'nope' in this network namespace" load nope
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
	refused 1 "no interface '' in this network namespace" load ''
	refused 1 "no interface '$long' in this network namespace" load "$long"
	# Sixteen characters, of which fifteen would be an interface.
	refused 1 "no interface 'cli0cli0cli0cli0' in this network namespace" load cli0cli0cli0cli0
	ip netns add red
	refused 1 "no interface 'cli0' in this network namespace" -n red load cli0
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
	load
	unchanged refused 1 "no interface 'nope' in this network namespace" load nope
	unchanged refused 1 "'nope' is not loaded" unload nope
	unchanged refused 1 "'nope' is not loaded" unload cli0 nope
	unchanged refused 1 "'cli1' is not loaded" unload cli1
	unchanged refused 1 "'cli0' is not loaded" -n red unload cli0
}

@test "very long words are refused in one line" {
	local long
	printf -v long 'x%.0s' {1..5000}
	load
	for words in "load $long" "-n $long show" "set $long" "unload $long" "--pin-dir $PINS/$long show" \
		"set 1${long}mbit" "$long" "--hook $long load cli0" "--$long"; do
		# shellcheck disable=SC2086
		bwctl_says $words
		((status == 1 || status == 2))
		expect 'output' '' "$output"
		expect 'lines of error' 1 "$(grep -c '^bwctl: ' <<<"$stderr")"
	done
}

@test "load of several, one of which does not exist" {
	bwctl_says load cli0 nope cli1
	expect 'exit code' 1 "$status"
	expect 'error' "bwctl: no interface 'nope' in this network namespace" "$stderr"
	expect 'what is loaded' '["cli0","cli1"]' "$(json '[.interfaces[].name] | sort')"
	expect 'what was said' 2 "$(grep -c '^loaded on cli[01] ' <<<"$output")"
}

@test "many interfaces: each has a number, and a load that takes its time says how far it is" {
	local names=() i
	for ((i = 0; i < 16; i++)); do
		ip link add "many$i" type veth peer name "much$i"
		names+=("many$i" "much$i")
	done
	# A terminal is told; what has been done is said once, at the end.
	script -q -e -c "$BWCTL load ${names[*]}" /dev/null >"$BATS_TEST_TMPDIR/said"
	grep -q "loading the programs of 'm[a-z]*[0-9]*', [0-9]* of 32 interfaces" "$BATS_TEST_TMPDIR/said"
	expect 'loaded' 32 "$(json '.interfaces | length')"
	"$BWCTL" unload many3 much7 >/dev/null
	done_saying 'loaded on much7' load much7 many3
	expect 'stderr' '' "$stderr"
	expect 'pins of counters' 32 "$(find "$PINS/bwctl" -name 'counters-*' | wc -l)"
	"$BWCTL" unload >/dev/null
}

@test "interfaces called like a keyword, with a dot, or with 15 characters" {
	local name
	for name in ingress set unlimited eth0.100 a234567890bcdef 'we@ird' --json; do
		ip link add name "$name" type veth peer name peer0
		done_saying "loaded on $name ($HOOK, ingress and egress)" load -- "$name"
		"$BWCTL" set 5mbit >/dev/null
		"$BWCTL" show --json | jq -e --arg name "$name" '[.interfaces[].name] == [$name]'
		[[ $("$BWCTL" show) == *"$name"* ]]
		done_saying "unloaded from $name" unload -- "$name"
		ip link delete peer0
	done
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

@test "load, set and unload twice" {
	load
	"$BWCTL" set 50mbit
	done_saying 'loaded on cli0' load cli0 cli0
	expect 'interfaces' 1 "$(json '.interfaces | length')"
	json '.egress.limit_bits_per_second == 50000000'
	"$BWCTL" set 50mbit
	done_saying 'unloaded from cli0' unload cli0 cli0
	done_saying 'nothing was loaded' unload
	load
	json '.egress.limit_bits_per_second == null'
}

@test "the last one out removes every pin, an earlier one none" {
	"$BWCTL" load cli0 cli1
	"$BWCTL" set 50mbit
	done_saying 'still loaded on 1 other interface' unload cli0
	json '.egress.limit_bits_per_second == 50000000 and [.interfaces[].name] == ["cli1"]'
	done_saying 'unloaded from cli1' unload cli1
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

@test "without privileges: one error, one hint, nothing changes" {
	run --separate-stderr as_nobody load cli0
	expect 'exit code' 1 "$status"
	expect 'error' "bwctl: cannot make '$PINS/bwctl': Permission denied"$'\n'"$CAPABILITY_HINT" "$stderr"
	load
	"$BWCTL" set 50mbit
	for words in show 'show --json' 'set 5mbit' unload 'load cli0' flows; do
		# shellcheck disable=SC2086
		unchanged run --separate-stderr as_nobody $words
		expect "exit code of $words" 1 "$status"
		expect "output of $words" '' "$output"
		expect "lines of error of $words" 2 "$(wc -l <<<"$stderr")"
		[[ $stderr == 'bwctl: cannot '*"Permission denied"*"$CAPABILITY_HINT" ]]
	done
	# Root, but with no capability at all, as in a container. (unload is for whoever owns the pins.)
	for words in 'set 5mbit' 'load cli1'; do
		# shellcheck disable=SC2086
		unchanged run --separate-stderr with_capabilities '' "$BWCTL" $words
		expect "exit code of $words" 1 "$status"
		expect "output of $words" '' "$output"
		expect "lines of error of $words" 2 "$(wc -l <<<"$stderr")"
		[[ $stderr == 'bwctl: cannot '*"$CAPABILITY_HINT" ]]
	done
	"$BWCTL" unload
	# Nothing is left of a load that could not be.
	for capabilities in '' +bpf +net_admin +bpf,+perfmon; do
		run --separate-stderr with_capabilities "$capabilities" "$BWCTL" load cli0
		expect "exit code with '$capabilities'" 1 "$status"
		[[ $stderr == 'bwctl: cannot '*"$CAPABILITY_HINT" ]]
		expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
	done
}

@test "the capabilities that the hint names are enough" {
	local capabilities=+bpf,+net_admin,+perfmon
	with_capabilities "$capabilities" "$BWCTL" load cli0
	with_capabilities "$capabilities" "$BWCTL" set 50mbit
	with_capabilities "$capabilities" "$BWCTL" show --json |
		jq -e '.egress.limit_bits_per_second == 50000000'
	with_capabilities "$capabilities" "$BWCTL" load cli0
	with_capabilities "$capabilities" "$BWCTL" unload
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

@test "without CAP_SYS_RESOURCE all goes on" {
	setpriv --inh-caps -all --bounding-set -sys_resource "$BWCTL" load cli0
	setpriv --inh-caps -all --bounding-set -sys_resource "$BWCTL" set 50mbit
	json '.egress.limit_bits_per_second == 50000000'
}

@test "pin directories that cannot be" {
	local below="expected a path below $PINS"
	refused 1 "'/tmp/bwctl' is not on a BPF file system: $below" --pin-dir /tmp/bwctl load cli0
	[[ ! -e /tmp/bwctl ]]
	refused 1 "'$PINS/missing/parent' is not on a BPF file system: $below" \
		--pin-dir "$PINS/missing/parent" load cli0
	refused 1 "'relative' cannot be a pin directory: $below" --pin-dir relative load cli0
	refused 1 "'' cannot be a pin directory: $below" --pin-dir '' load cli0
	refused 1 "'$PINS' is not on a BPF file system: $below" --pin-dir "$PINS" load cli0
	refused 1 'nothing is loaded' --pin-dir "$PINS/other" set 5mbit
	refused 1 "'/tmp/bwctl' is not on a BPF file system: $below" --pin-dir /tmp/bwctl set 5mbit
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

@test "a directory on another file system is left alone by every command" {
	local other=$BATS_TEST_TMPDIR/other
	mkdir "$other"
	for words in show 'set 5mbit' 'load cli0' 'unload cli0' unload; do
		# shellcheck disable=SC2086
		bwctl_says --pin-dir "$other" $words
		[[ -d $other ]] || expect "directory after $words" 'there' 'gone'
	done
	touch "$other"/{clocks,leases,counters,theirs}
	for words in show 'set 5mbit' 'load cli0' 'unload cli0' unload; do
		# shellcheck disable=SC2086
		bwctl_says --pin-dir "$other" $words
		expect "files after $words" 'clocks counters leases theirs' \
			"$(find "$other" -type f -printf '%f\n' | sort | xargs)"
	done
}

@test "a pin directory with a slash at its end is the one without" {
	"$BWCTL" --pin-dir "$PINS/other/" load cli0
	"$BWCTL" --pin-dir "$PINS/other" set 50mbit
	"$BWCTL" --pin-dir "$PINS/other/" show --json |
		jq -e '.egress.limit_bits_per_second == 50000000'
	"$BWCTL" --pin-dir "$PINS/other//" unload
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

@test "the BPF file system itself is no pin directory" {
	bwctl_says --pin-dir "$PINS/" load cli0
	expect 'exit code' 1 "$status"
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

@test "a dot in the pin directory's name is not blamed on privileges" {
	bwctl_says --pin-dir "$PINS/my.limiter" load cli0
	expect 'exit code' 1 "$status"
	[[ $stderr == *"$PINS/my.limiter"* && $stderr != *hint* ]] || expect 'error' 'no hint' "$stderr"
}

@test "pins of somebody else in the pin directory stay" {
	mkdir "$PINS/bwctl"
	bpftool map create "$PINS/bwctl/theirs" type array key 4 value 4 entries 1 name theirs
	load
	bwctl_says unload
	expect 'exit code' 1 "$status"
	expect 'error' "bwctl: cannot remove '$PINS/bwctl': Directory not empty" "$stderr"
	expect 'pins' "$PINS/bwctl/theirs" "$(find "$PINS/bwctl" -mindepth 1)"
}

@test "two limiters at a time, in pin directories of their own" {
	"$BWCTL" --pin-dir "$PINS/one" load cli0
	"$BWCTL" --pin-dir "$PINS/two" load cli1
	"$BWCTL" --pin-dir "$PINS/one" set 10mbit
	"$BWCTL" --pin-dir "$PINS/two" set 20mbit
	ip link set cli0 up
	ip link set cli1 up
	"$BWCTL" --pin-dir "$PINS/one" show --json | jq -e '[.interfaces[].name] == ["cli0"] and
		.ingress.limit_bits_per_second == 10000000'
	"$BWCTL" --pin-dir "$PINS/two" show --json | jq -e '[.interfaces[].name] == ["cli1"] and
		.ingress.limit_bits_per_second == 20000000'
	"$BWCTL" --pin-dir "$PINS/one" unload
	done_saying 'nothing is loaded' show
	"$BWCTL" --pin-dir "$PINS/two" show --json | jq -e '.interfaces[0].ingress.hook == env.HOOK'
	"$BWCTL" --pin-dir "$PINS/two" unload
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

@test "two network namespaces share one limiter" {
	ip netns add red
	ip netns add blue
	ip -n red link add cli0 type veth peer name cli0 netns blue
	ip -n red address add 10.0.0.1/24 dev cli0
	ip -n blue address add 10.0.0.2/24 dev cli0
	ip -n red link set cli0 up
	ip -n blue link set cli0 up
	"$BWCTL" -n red load cli0
	"$BWCTL" -n blue load --hook clsact cli0
	"$BWCTL" set 10mbit
	rig_in red ping -q -c 3 -i 0.05 -W 2 10.0.0.2
	# Each echo leaves one and enters the other, and so does each answer: one aggregate.
	"$BWCTL" show --json | jq -e '[.ingress, .egress] |
		all(.limit_bits_per_second == 10000000 and .classes.icmp.passed.packets == 12 / 2)'
	for namespace in red blue; do
		"$BWCTL" -n "$namespace" show --json | jq -e '.interfaces | length == 2 and
			all(.ingress.hook != null and .egress.hook != null)'
	done
	"$BWCTL" show | grep -c '(another network namespace)' | grep -qx 2
	"$BWCTL" -n red show | grep -c '(another network namespace)' | grep -qx 1
	done_saying 'still loaded on 2 other interfaces' unload
	done_saying 'still loaded on 1 other interface' -n red unload
	"$BWCTL" -n blue show --json | jq -e '.egress.limit_bits_per_second == 10000000'
	done_saying 'unloaded from cli0' -n blue unload cli0
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

unloads_all() {
	"$BWCTL" unload >/dev/null && [[ ! -e $PINS/bwctl ]]
}

@test "a network namespace that is gone keeps nothing alive" {
	ip netns add red
	ip -n red link add cli0 type veth peer name cli1
	"$BWCTL" -n red load cli0
	load
	ip netns delete red
	# The kernel takes its time to take a namespace down.
	rig_wait 60 unloads_all ||
		expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
}

@test "output that cannot be written is an error" {
	load
	for words in show 'show --json' flows 'flows --json' 'set 5mbit' 'set --json 5mbit' 'load cli0' \
		help 'help set' --help --version; do
		# shellcheck disable=SC2086
		run bash -c '"$@" 2>&1 >/dev/full' sh "$BWCTL" $words
		expect "exit code of $words > /dev/full" 1 "$status"
		expect "error of $words" 'bwctl: cannot write the output: No space left on device' "$output"
		# shellcheck disable=SC2086
		run bash -c 'exec 3>&1; "$@" 2>&3 >&-' sh "$BWCTL" $words
		expect "exit code of $words without stdout" 1 "$status"
		expect "error of $words" 'bwctl: cannot write the output: Bad file descriptor' "$output"
	done
	# What was to be done is done all the same.
	"$BWCTL" set 7mbit >/dev/full || true
	json '.egress.limit_bits_per_second == 7000000'
	# With all three closed, what is opened instead must not be written to.
	run bash -c '"$@" <&- >&- 2>&-' sh "$BWCTL" set 8mbit
	expect 'exit code without descriptors' 1 "$status"
	json '.egress.limit_bits_per_second == 8000000 and .interfaces[0].egress.hook == env.HOOK'
}

@test "a descriptor that was closed is taken by nothing of ours" {
	local closed
	load
	for words in 'watch --json --interval 100ms' 'watch --interval 100ms'; do
		# shellcheck disable=SC2086
		run timeout 20 bash -c 'exec 3>&1; "$@" 2>&3 3>&- >&-' sh "$BWCTL" $words
		expect "exit code of $words without stdout" 1 "$status"
		expect "error of $words" 'bwctl: cannot write the output: Bad file descriptor' "$output"
	done
	# Nor is anything else read in its place.
	run bash -c '"$@" <&-' sh "$BWCTL" apply -
	expect 'apply - without stdin' "1 bwctl: cannot read '-': Bad file descriptor" "$status $output"
	for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
		# They can be neither read nor written, and are inherited as such.
		run bash -c "\"\$@\" $closed" sh "$BWCTL" run 4mbit -- \
			bash -c '[[ -e /proc/$$/fd/0 && -e /proc/$$/fd/1 && -e /proc/$$/fd/2 ]]'
		expect "all three are there, with $closed" 0 "$status"
	done
}

@test "load: what is named twice is meant once" {
	run --separate-stderr "$BWCTL" load cli0 cli0 cli0
	expect 'lines' "0 1" "$status $(grep -c '^loaded on cli0 ' <<<"$output")"
	run --separate-stderr "$BWCTL" load nosuch nosuch
	expect 'errors' "1 1" "$status $(grep -c nosuch <<<"$stderr")"
}

@test "under ip netns exec, which hides the BPF file system: refused, with what to do instead" {
	ip netns add red
	ip -n red link add cli0 type veth peer name cli1
	run --separate-stderr ip netns exec red "$BWCTL" load cli0
	expect 'exit code' 1 "$status"
	expect 'output' '' "$output"
	[[ $stderr == 'bwctl: no BPF file system on '*'bwctl -n NAME'* ]] || expect 'error' '...-n NAME' "$stderr"
	done_saying 'nothing is loaded' show
	"$BWCTL" -n red load cli0
	run ip netns exec red "$BWCTL" set 5mbit
	expect 'exit code' 1 "$status"
	json '.egress.limit_bits_per_second == null'
}

@test "the BPF file system is mounted where the first process is at home" {
	# A PID namespace of its own: there the first process is one that can be looked at.
	# shellcheck disable=SC2016 # for the inner shell to expand
	unshare --mount --pid --fork --mount-proc bash -c '
		set -e
		# Ours, and the one that may have been there before.
		while [[ $(stat -f -c %T "$2") == bpf_fs ]]; do umount "$2"; done
		"$1" load cli0
		[[ $(stat -f -c %T "$2") == bpf_fs && $(stat -c %a "$2") == *700 ]]
		"$1" set 50mbit
		"$1" show --json | jq -e ".egress.limit_bits_per_second == 50000000"
		"$1" unload
	' sh "$BWCTL" "$PINS"
}

@test "pins that somebody removed are missed, and load brings the limit back" {
	local lost
	for lost in policies policy clocks; do
		load
		"$BWCTL" set 5mbit
		rm "$PINS/bwctl/$lost"
		if [[ $lost != policy ]]; then
			refused 1 "the limiter in '$PINS/bwctl' is not whole" set 6mbit
			hinted 'hint: bwctl load IFACE repairs it, bwctl unload removes it'
		fi
		"$BWCTL" load cli0
		json '.egress.limit_bits_per_second == 5000000'
		"$BWCTL" unload
		expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
	done
}

@test "a load that fails takes nothing with it" {
	load
	"$BWCTL" set 5mbit
	rm "$PINS/bwctl/interfaces"
	bwctl_says load nosuch
	expect 'exit code' 1 "$status"
	"$BWCTL" load cli0
	json '.egress.limit_bits_per_second == 5000000'
}
