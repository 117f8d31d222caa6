#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# bwctl run: a tighter limit while a command runs, and the former one afterwards,
# however the command ends; runs within and beside each other; what stays when
# bwctl itself is killed. Limits are asked of "show --json", and once of a capture.
# Runs itself under bats in mount and network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

PINS=/sys/fs/bpf
TAKES='run takes RATE, ingress RATE and egress RATE, also after class NAME'

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
	rig_bwctl load eth0
	# Every kernel can police.
	rig_bwctl set 20mbit mode police >/dev/null
}

teardown() {
	local left
	[[ -n $BATS_TEST_COMPLETED ]] || rig_bwctl show >&2 || true
	rig_stop_all
	rig_bwctl unload >/dev/null || true
	rm -f "$RIG_DIR"/*
	: >"$RIG_DIR/pids"
	left=$(find "$PINS" -mindepth 1 ! -name '*.debug')
	# The next one is not to suffer from it.
	find "$PINS" -depth -mindepth 1 ! -name '*.debug' -delete
	expect 'left behind' '' "$left"
}

# Says what differs, so that a failing test explains itself.
expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# expect_limit WHEN INGRESS [EGRESS]: the limits in force, in Mbit/s; "null": none.
expect_limit() {
	expect "limits $1" "[$2,${3:-$2}]" "$(rig_bwctl show --json | jq -c '
		[.ingress, .egress | .limit_bits_per_second | if . then . / 1e6 else . end]')"
}

# expect_runs WHEN FILTER EXPECTED: of the runs in "show --json".
expect_runs() {
	expect "runs $1" "$3" "$(rig_bwctl show --json | jq -c ".runs | $2")"
}

# begin NAME WORD...: starts "run WORD... -- a command" that waits until it is told how to end.
# Returns when it does; the pid of bwctl is then in RIG_DIR/NAME.pid, of the command in NAME.command.
begin() {
	local name=$RIG_DIR/$1
	shift
	rm -f "$name".*
	mkfifo "$name.fifo"
	# As from a terminal: what a shell has in the background ignores these.
	# It looks up now and then: a signal that comes just before it waits would be slept over.
	# shellcheck disable=SC2016 # for the inner shells to expand
	rig_start appliance env --default-signal=INT,QUIT setsid "$BWCTL" run "$@" -- sh -c '
		exec bash -c "$1" "$@"' sh '
		trap "echo HUP >>$1.signals" HUP
		trap "echo INT >>$1.signals" INT
		trap "echo TERM >>$1.signals; exit 15" TERM
		trap "echo QUIT >>$1.signals" QUIT
		trap "echo USR1 >>$1.signals" USR1
		code= part=
		exec 4<>"$1.fifo"
		echo $$ >"$1.command"
		until read -r -t 0.5 part <&4; do code+=$part; done
		exit "$code$part"' "$name" >"$name.stdout" 2>"$name.stderr"
	echo "$RIG_PID" >"$name.pid"
	rig_wait 30 test -s "$name.command" || expect "run $*" 'to begin' "$(<"$name.stderr")"
	cat "$name.command" >>"$RIG_DIR/pids"
}

# ended NAME CODE: waits for the end of bwctl; its exit code.
ended() {
	local code=0
	rig_wait 60 is_gone "$(<"$RIG_DIR/$1.pid")" || expect "run $1" 'its end' 'it goes on'
	wait "$(<"$RIG_DIR/$1.pid")" || code=$?
	expect "exit code of run $1 ($(<"$RIG_DIR/$1.stderr"))" "$2" "$code"
}

# Also one that was not waited for yet.
is_gone() {
	[[ ! -e /proc/$1 || $(cat "/proc/$1/stat" 2>/dev/null) == *') Z '* ]]
}

# end NAME CODE: tells the command to exit with CODE, which is then that of bwctl.
end() {
	echo "$2" >"$RIG_DIR/$1.fifo"
	ended "$1" "$2"
}

# kill_bwctl NAME: the command goes on without.
kill_bwctl() {
	kill -KILL "$(<"$RIG_DIR/$1.pid")"
	ended "$1" 137
	rig_alive "$(<"$RIG_DIR/$1.command")"
}

# refused CODE LINE WORD...: run WORD... says this first, exits with CODE and runs nothing.
refused() {
	local code=0 due=$1 line=$2
	shift 2
	# What would run is touch, with a name behind it that run itself would not mind.
	rig_bwctl run "$@" >"$RIG_DIR/stdout" 2>"$RIG_DIR/stderr" || code=$?
	expect "exit code of run $*" "$due" "$code"
	expect "what run $* says" "bwctl: $line" "$(head -n 1 "$RIG_DIR/stderr")"
	expect 'output' '' "$(<"$RIG_DIR/stdout")"
	expect 'hints or nothing behind it' '' "$(sed 1d "$RIG_DIR/stderr" | grep -v '^hint: ')"
	[[ ! -e $RIG_DIR/was-run ]] || expect "after run $*" 'nothing run' 'it was'
}

@test "the limit is tighter while the command runs, and then as before" {
	begin one 5mbit
	expect_limit 'in the run' 5
	expect_runs 'in the run' 'map([.id, .alive, .ingress.limit_bits_per_second, .egress.limit_bits_per_second])' \
		'[[1,true,5000000,5000000]]'
	end one 0
	expect_limit 'after it' 20
	expect_runs 'after it' . '[]'
	expect 'what bwctl said' '' "$(cat "$RIG_DIR"/one.std*)"
}

@test "exit code, input, output and arguments are the command's own" {
	local code=0
	rig_bwctl run 5mbit -- sh -c 'cat; echo "$# $*" >&2; exit 3' sh --json 'a  b' -- -v \
		<<<'line in' >"$RIG_DIR/stdout" 2>"$RIG_DIR/stderr" || code=$?
	expect 'exit code' 3 "$code"
	expect 'output' 'line in' "$(<"$RIG_DIR/stdout")"
	expect 'errors' '4 --json a  b -- -v' "$(<"$RIG_DIR/stderr")"
	rig_bwctl run 5mbit -- true
	expect_limit 'afterwards' 20
}

@test "the command gets no file of bwctl's, and no pin is locked while it runs" {
	# shellcheck disable=SC2016 # for the inner shell to expand
	local list='for fd in /proc/self/fd/*; do readlink "$fd"; done | grep -v "^/proc/\|pipe:"'
	rig_in appliance sh -c "$list" >"$RIG_DIR/without" </dev/null 2>/dev/null
	rig_in appliance "$BWCTL" run 5mbit -- sh -c "$list" >"$RIG_DIR/with" </dev/null 2>/dev/null
	[[ -s $RIG_DIR/with ]]
	expect 'files' "$(sed 's/without$/with/' "$RIG_DIR/without")" "$(<"$RIG_DIR/with")"
	begin one 5mbit
	timeout 20 flock --exclusive --nonblock "$PINS/bwctl" true
	end one 0
}

@test "killed by a signal: 128 and its number, and the limit is back" {
	local signal code
	for signal in KILL TERM SEGV PIPE; do
		code=0
		# shellcheck disable=SC2016 # for the inner shell to expand
		rig_bwctl run 5mbit -- sh -c 'kill -s "$1" $$; sleep 9' sh "$signal" || code=$?
		expect "exit code after $signal" $((128 + $(kill -l "$signal"))) "$code"
		expect_limit "after $signal" 20
	done
	begin one 5mbit
	kill -KILL "$(<"$RIG_DIR/one.command")"
	ended one 137
	expect_limit 'after a kill from outside' 20
	expect_runs 'after a kill from outside' . '[]'
}

@test "not found 127, cannot be run 126: said, and the limit is back" {
	local code=0
	rig_bwctl run 5mbit -- no-such-command 2>"$RIG_DIR/stderr" || code=$?
	expect 'exit code' 127 "$code"
	expect 'text' "bwctl: cannot run 'no-such-command': No such file or directory" "$(<"$RIG_DIR/stderr")"
	expect_limit 'after 127' 20
	code=0
	rig_bwctl run 5mbit -- /etc/passwd 2>"$RIG_DIR/stderr" || code=$?
	expect 'exit code' 126 "$code"
	expect 'text' "bwctl: cannot run '/etc/passwd': Permission denied" "$(<"$RIG_DIR/stderr")"
	expect_limit 'after 126' 20
	# That of the command itself says nothing.
	code=0
	rig_bwctl run 5mbit -- sh -c 'exit 127' 2>"$RIG_DIR/stderr" || code=$?
	expect 'exit code' 127 "$code"
	expect 'text' '' "$(<"$RIG_DIR/stderr")"
}

@test "what is wrong is said in one line, and nothing is run" {
	local command=(-- touch "$RIG_DIR/was-run")
	refused 2 "'burst': $TAKES" burst 5ms "${command[@]}"
	refused 2 "'mode': $TAKES" 5mbit mode police "${command[@]}"
	refused 2 "'priority': $TAKES" class ssh priority high "${command[@]}"
	refused 2 "'unlimited' cannot be asked for: a run only tightens" unlimited "${command[@]}"
	refused 2 "'unlimited' cannot be asked for: a run only tightens" class ssh egress unlimited "${command[@]}"
	refused 2 "no unit in '5': write 5mbit or 5gbit" 5 "${command[@]}"
	refused 2 "'ingress' needs a value" ingress "${command[@]}"
	refused 2 "class ssh: a rate is missing" 5mbit class ssh "${command[@]}"
	refused 2 "'1mbit': a limit for ingress is given already" 5mbit ingress 1mbit "${command[@]}"
	refused 2 "run: the command is missing: expected it after --" 5mbit
	refused 2 "run: the command is missing: expected it after --" 5mbit --
	refused 2 "run: --clear stands alone" --clear 5mbit
	refused 2 "run: --clear stands alone" --clear "${command[@]}"
	refused 1 "no class 'lab': there are ui, admin, api, ssh, telnet, icmp, other, control" class lab 5mbit "${command[@]}"
	expect_limit 'afterwards' 20
	# A burst that fits 20mbit for 2 s is too long for a run.
	rig_bwctl set burst 500kb >/dev/null
	refused 1 'ingress: a burst of 500 kB does not fit a window of 2 s: shorten it or lengthen the window' \
		1mbit "${command[@]}"
	expect_limit 'afterwards' 20
	expect_runs 'afterwards' . '[]'
	rig_bwctl unload
	refused 1 'nothing is loaded' 5mbit "${command[@]}"
	run ! "$BWCTL" -n appliance set --clear 5mbit
	expect 'of set --clear' 'bwctl: --clear is for run alone' "$output"
}

@test "the tightest wins: a run never loosens, and each direction is for itself" {
	begin loose 50mbit
	expect_limit 'with a run that is higher' 20
	rig_bwctl set 100mbit >/dev/null
	expect_limit 'when that becomes the lowest' 50
	begin out egress 5mbit
	expect_limit 'with a run of one direction' 50 5
	begin in ingress 4mbit
	expect_limit 'and of the other' 4 5
	end loose 0
	expect_limit 'without the first' 4 5
	end out 0
	end in 0
	expect_limit 'at last' 100
}

@test "a run is a limit where there was none, and there is none afterwards" {
	rig_bwctl set unlimited >/dev/null
	begin one egress 5mbit
	expect_limit 'in the run' null 5
	end one 0
	expect_limit 'after it' null
}

@test "without words nobody loosens the limits in force, which are then what was set" {
	begin narrow egress 5mbit
	begin one
	expect_runs 'without words' '.[1] | [.ingress, .egress | .limit_bits_per_second]' '[20000000,5000000]'
	end narrow 0
	rig_bwctl set 50mbit >/dev/null
	expect_limit 'in the run' 20 5
	rig_bwctl set ingress 10mbit >/dev/null
	expect_limit 'when it is lowered' 10 5
	end one 0
	expect_limit 'after it' 10 50
}

@test "two that overlap, the first ends first, or last; and one within another" {
	begin one 10mbit
	begin two 5mbit
	expect_limit 'with both' 5
	end one 0
	expect_limit 'with the second' 5
	end two 4
	expect_limit 'with none' 20
	begin one 10mbit
	begin two 5mbit
	end two 4
	expect_limit 'with the first' 10
	end one 0
	expect_limit 'with none' 20
	rig_bwctl run 10mbit -- "$BWCTL" run 5mbit -- "$BWCTL" show --json >"$RIG_DIR/inner"
	expect 'limit within' 5000000 "$(jq .egress.limit_bits_per_second "$RIG_DIR/inner")"
	expect 'runs within' '[1,2]' "$(jq -c '.runs | map(.id)' "$RIG_DIR/inner")"
	# The outer one is the tighter.
	rig_bwctl run 5mbit -- "$BWCTL" run 10mbit -- "$BWCTL" show --json >"$RIG_DIR/inner"
	expect 'limit within' 5000000 "$(jq .egress.limit_bits_per_second "$RIG_DIR/inner")"
	expect_limit 'with none' 20
}

@test "set and apply in a run change what comes after it, and say that there is one" {
	local hint='hint: 1 run is in force too, and of all limits the tightest holds: bwctl show'
	begin one 5mbit
	rig_bwctl set 50mbit >"$RIG_DIR/stdout" 2>"$RIG_DIR/stderr"
	expect 'hint of set' "$hint" "$(<"$RIG_DIR/stderr")"
	grep -q '^egress   5 Mbit/s ' "$RIG_DIR/stdout"
	expect_limit 'in the run' 5
	rig_bwctl set 2mbit >/dev/null
	expect_limit 'lowered in the run' 2
	printf '[limit]\nrate = 40mbit\nmode = police\n' >"$RIG_DIR/conf"
	rig_bwctl apply "$RIG_DIR/conf" >/dev/null 2>"$RIG_DIR/stderr"
	expect 'hint of apply' "$hint" "$(<"$RIG_DIR/stderr")"
	expect_limit 'applied in the run' 5
	end one 0
	expect_limit 'after it' 40
	rig_bwctl set 20mbit >/dev/null 2>"$RIG_DIR/stderr"
	expect 'hint without a run' '' "$(<"$RIG_DIR/stderr")"
}

@test "load of another interface in a run, and unload of it, keep the run" {
	begin one 5mbit
	rig_bwctl load inside0 >/dev/null
	expect_limit 'after load' 5
	rig_bwctl unload inside0 >/dev/null
	expect_limit 'after unload' 5
	end one 0
	expect_limit 'after it' 20
}

@test "show --config and save know nothing of runs" {
	local before
	before=$(rig_bwctl show --config)
	begin one 5mbit class ssh 1mbit
	expect 'show --config' "$before" "$(rig_bwctl show --config)"
	rig_bwctl save "$RIG_DIR/conf" >/dev/null
	expect 'save' "$before" "$(<"$RIG_DIR/conf")"
	end one 0
	expect 'show --config afterwards' "$before" "$(rig_bwctl show --config)"
}

@test "limits of classes: in the run, of the direction, the tightest" {
	local limits='[.ingress, .egress | .classes | to_entries | map({key, value: .value.limit_bits_per_second}) | from_entries]'
	begin one class ssh 5mbit class telnet egress 1mbit
	begin two 15mbit class ssh ingress 3mbit
	expect_limit 'of all' 15
	expect_runs 'of the first' ".[0] | $limits" '[{"ssh":5000000},{"ssh":5000000,"telnet":1000000}]'
	expect_runs 'of the second' ".[1] | $limits" '[{"ssh":3000000},{}]'
	expect 'limits of classes in force' '[3000000,5000000,null,1000000,null,null]' "$(rig_bwctl show --json |
		jq -c '[(.ingress, .egress).classes.ssh, (.ingress, .egress).classes.telnet,
			(.ingress, .egress).classes.ui | .limit_bits_per_second]')"
	expect 'in show' 'run 1: class ssh 5 Mbit/s both ways, class telnet egress 1 Mbit/s, for "sh -c' \
		"$(rig_bwctl show | sed -n '/^run 1/s/ *? *.*//p')"
	end one 0
	end two 0
	expect 'limits of classes afterwards' '[null]' "$(rig_bwctl show --json |
		jq -c '[(.ingress, .egress).classes[].limit_bits_per_second] | unique')"
}

# refused_in_run WHAT COMMAND...: says that it would loosen run 1, and changes nothing.
refused_in_run() {
	local code=0 what=$1 before after
	shift
	before=$(rig_bwctl show --config)
	rig_bwctl "$@" >"$RIG_DIR/stdout" 2>"$RIG_DIR/stderr" || code=$?
	expect "exit code of $*" 1 "$code"
	expect "what $* says" \
		"bwctl: $what would loosen run 1 (\"$RUN\"): it has to end first, or bwctl run --clear" \
		"$(<"$RIG_DIR/stderr")"
	expect "output of $*" '' "$(<"$RIG_DIR/stdout")"
	after=$(rig_bwctl show --config)
	expect "after $*" "$before" "$after"
}

@test "nothing that would loosen a run is set or applied while it is in force" {
	local change RUN
	rig_bwctl set class lab 4mbit class test 1mbit >/dev/null
	begin one 5mbit class lab 1mbit
	RUN=$(rig_bwctl show --json | jq -r '.runs[0].command')
	refused_in_run "'exempt yes' of class ssh" set class ssh exempt yes
	refused_in_run "'exempt yes' of class new" set 1mbit class new exempt yes
	refused_in_run "'mode observe'" set mode observe
	refused_in_run 'a window of 5 s instead of 2 s' set 1mbit window 5s
	refused_in_run 'removing class lab' set class lab remove
	refused_in_run 'removing class lab' set --save --config "$RIG_DIR/saved" class lab remove
	[[ ! -e $RIG_DIR/saved ]]
	printf '[limit]\nrate = 1mbit\nmode = police\n' >"$RIG_DIR/conf"
	refused_in_run 'removing class lab' apply "$RIG_DIR/conf"
	printf '[class lab]\n[class ssh]\nexempt = yes\n' >>"$RIG_DIR/conf"
	refused_in_run "'exempt yes' of class ssh" apply "$RIG_DIR/conf"
	expect_limit 'in the run' 5
	# What is tighter, or not of the run, may be.
	rig_bwctl set window 1s class test remove class lab 500kbit >/dev/null 2>&1
	expect 'window' 1 "$(rig_bwctl show --json | jq .egress.window_seconds)"
	refused_in_run 'a window of 2 s instead of 1 s' set window default
	# And all of it afterwards.
	end one 0
	for change in 'class lab remove' 'window 5s' 'class ssh exempt yes' 'mode observe'; do
		# shellcheck disable=SC2086 # words
		rig_bwctl set $change >/dev/null
	done
	refused 1 'nothing is limited in mode observe: first bwctl set mode auto' 5mbit -- touch "$RIG_DIR/was-run"
	refused 1 'nothing is limited in mode observe: first bwctl set mode auto' -- touch "$RIG_DIR/was-run"
}

@test "classes and runs: what is exempt has no limit; reserves that a run has no room for" {
	rig_bwctl set class test exempt yes >/dev/null
	begin one class ssh 1mbit
	rig_bwctl set class lab 4mbit class ui reserve 8mbit >/dev/null 2>&1
	refused 1 "class 'test' is exempt: no limit holds for it" class test 1mbit -- touch "$RIG_DIR/was-run"
	begin two 5mbit class lab 2mbit
	expect_limit 'below a reserve' 5
	expect 'limit of lab' 2000000 "$(rig_bwctl show --json | jq .egress.classes.lab.limit_bits_per_second)"
	rig_bwctl show >/dev/null
	end two 0
	# Another that gets its number has nothing of it.
	rig_bwctl set class lab remove >/dev/null 2>&1
	rig_bwctl set class more 3mbit >/dev/null 2>&1
	expect 'limit of another' 3000000 "$(rig_bwctl show --json | jq .egress.classes.more.limit_bits_per_second)"
	end one 0
	expect_limit 'at last' 20
	expect 'reserve' 8000000 "$(rig_bwctl show --json | jq .egress.classes.ui.reserve_bits_per_second)"
}

@test "bwctl killed: the tighter limit stays until it is cleared, others come and go" {
	begin dead 5mbit
	kill_bwctl dead
	expect_limit 'when bwctl is killed' 5
	expect_runs 'when bwctl is killed' 'map(.alive)' '[false]'
	rig_bwctl show | grep -q '^run 1: 5 Mbit/s both ways, for "sh -c .*" (its bwctl is gone: bwctl run --clear)$'
	rig_bwctl set 50mbit >/dev/null 2>"$RIG_DIR/stderr"
	expect 'hint of set' 1 "$(grep -c '; bwctl run --clear ends those whose bwctl is gone$' "$RIG_DIR/stderr")"
	expect_limit 'after set' 5
	begin one 10mbit
	expect_limit 'with another' 5
	begin two 2mbit
	expect_limit 'with a tighter one' 2
	end two 0
	expect_limit 'after that' 5

	rig_bwctl run --clear >"$RIG_DIR/stdout"
	expect 'what it says' 'run 1 is cleared, run 2 stays, egress 10 Mbit/s ' "$(
		sed -n -E 's/^(run . (is cleared|stays)), .*/\1, /p; s/^egress  ( 10 Mbit.s ).*/egress\1/p' \
			"$RIG_DIR/stdout" | tr -d '\n')"
	expect_limit 'when it is cleared' 10
	expect_runs 'when it is cleared' 'map([.id, .alive])' '[[2,true]]'
	rig_bwctl run --clear >"$RIG_DIR/stdout"
	expect 'what another says' 1 "$(grep -c '^run 2 stays, for "sh -c .*": its bwctl lives$' "$RIG_DIR/stdout")"
	expect_limit 'when another is' 10
	end one 0
	expect_limit 'at last' 50
	expect 'with none' 'no run is in force' "$(rig_bwctl run --clear)"
}

@test "run --clear when nothing is loaded is no error" {
	rig_bwctl unload
	expect 'what it says' 'no run is in force' "$(rig_bwctl run --clear)"
}

# type_keys KEYS: on the terminal of begin_typed.
type_keys() {
	printf '%b' "$1" >&"$typed_fd"
}

# begin_typed NAME WORD...: as begin, on a terminal of its own; without a pid of bwctl.
begin_typed() {
	local name=$RIG_DIR/$1
	shift
	rm -f "$name".*
	mkfifo "$name.fifo" "$name.keys"
	exec {typed_fd}<>"$name.keys"
	cat >"$name.sh" <<-EOF
		trap "echo INT >>$name.signals" INT
		trap "echo QUIT >>$name.signals" QUIT
		echo \$\$ >$name.command
		until read -r code <$name.fifo; do :; done
		exit \$code
	EOF
	# What is started in the background has no standard input but by itself.
	# shellcheck disable=SC2016 # for the inner shell to expand
	rig_start appliance env --default-signal=INT,QUIT sh -c 'exec script -q -e -c "$2" "$1.typescript" <"$1.keys"' \
		sh "$name" "exec $BWCTL run $* -- sh $name.sh" >"$name.stdout" 2>"$name.stderr"
	echo "$RIG_PID" >"$name.pid"
	rig_wait 30 test -s "$name.command" || expect "run $*" 'to begin' "$(<"$name.stderr")"
	cat "$name.command" >>"$RIG_DIR/pids"
}

@test "INT and QUIT, which a terminal sends to all, are the command's" {
	begin_typed one 5mbit
	type_keys '\003'
	rig_wait 30 grep -q INT "$RIG_DIR/one.signals"
	type_keys '\034'
	rig_wait 30 grep -q QUIT "$RIG_DIR/one.signals"
	sleep 0.2
	rig_alive "$(<"$RIG_DIR/one.pid")"
	expect_limit 'after them' 5
	# Once each: nobody passed on what came by itself.
	expect 'signals' 'INT QUIT' "$(tr '\n' ' ' <"$RIG_DIR/one.signals" | sed 's/ $//')"
	end one 6
	expect_limit 'at last' 20
	exec {typed_fd}>&-
	# And one that dies of it takes bwctl along, with the limit back.
	rig_start appliance env --default-signal=INT setsid "$BWCTL" run 5mbit -- sleep 600
	echo "$RIG_PID" >"$RIG_DIR/two.pid"
	: >"$RIG_DIR/two.stderr"
	rig_wait 30 pgrep -x sleep --parent "$RIG_PID" >/dev/null
	kill -INT -- "-$RIG_PID"
	ended two 130
	expect_limit 'after INT' 20
}

@test "INT and QUIT that are sent to bwctl alone are passed on" {
	begin one 5mbit
	kill -INT "$(<"$RIG_DIR/one.pid")"
	rig_wait 30 grep -q INT "$RIG_DIR/one.signals"
	kill -QUIT "$(<"$RIG_DIR/one.pid")"
	rig_wait 30 grep -q QUIT "$RIG_DIR/one.signals"
	rig_alive "$(<"$RIG_DIR/one.pid")"
	expect_limit 'after them' 5
	expect 'signals' 'INT QUIT' "$(tr '\n' ' ' <"$RIG_DIR/one.signals" | sed 's/ $//')"
	end one 6
	expect_limit 'at last' 20
	rig_start appliance env --default-signal=INT setsid "$BWCTL" run 5mbit -- sleep 600
	echo "$RIG_PID" >"$RIG_DIR/two.pid"
	: >"$RIG_DIR/two.stderr"
	rig_wait 30 pgrep -x sleep --parent "$RIG_PID" >/dev/null
	kill -INT "$RIG_PID"
	ended two 130
	expect_limit 'after INT' 20
}

@test "TERM, HUP and others to bwctl are passed on to the command" {
	begin one 5mbit
	kill -HUP "$(<"$RIG_DIR/one.pid")"
	rig_wait 30 grep -q HUP "$RIG_DIR/one.signals"
	kill -USR1 "$(<"$RIG_DIR/one.pid")"
	rig_wait 30 grep -q USR1 "$RIG_DIR/one.signals"
	expect_limit 'in the run' 5
	kill -TERM "$(<"$RIG_DIR/one.pid")"
	ended one 15
	expect 'signals' 'HUP USR1 TERM' "$(tr '\n' ' ' <"$RIG_DIR/one.signals" | sed 's/ $//')"
	expect_limit 'at last' 20
	rig_start appliance "$BWCTL" run 5mbit -- sleep 600
	echo "$RIG_PID" >"$RIG_DIR/two.pid"
	: >"$RIG_DIR/two.stderr"
	rig_wait 30 pgrep -x sleep --parent "$RIG_PID" >/dev/null
	kill -TERM "$RIG_PID"
	ended two 143
	expect_limit 'after TERM' 20
}

@test "the command's signals are as bwctl found them" {
	local masks='grep -E "^Sig(Blk|Ign|Cgt)" /proc/self/status'
	rig_in appliance env --ignore-signal=HUP,CHLD --block-signal=USR2 sh -c "exec $masks" >"$RIG_DIR/without"
	rig_in appliance env --ignore-signal=HUP,CHLD --block-signal=USR2 "$BWCTL" run 5mbit -- sh -c "exec $masks" \
		>"$RIG_DIR/with"
	[[ $(wc -l <"$RIG_DIR/with") == 3 ]]
	expect 'signals' "$(<"$RIG_DIR/without")" "$(<"$RIG_DIR/with")"
	expect_limit 'at last' 20
}

@test "32 at once, and the 33rd is refused" {
	local i
	for ((i = 1; i <= 32; i++)); do
		begin "r$i" "$((40 - i))mbit"
	done
	expect_limit 'with 32' 8
	expect_runs 'at once' 'map(select(.alive)) | length' 32
	refused 1 '32 runs are in force already, there can be no more' 1mbit -- touch "$RIG_DIR/was-run"
	expect_limit 'after the 33rd' 8
	end r32 0
	expect_limit 'without the tightest' 9
	kill_bwctl r7
	begin again 3mbit
	refused 1 '32 runs are in force already; bwctl run --clear ends those whose bwctl is gone' \
		1mbit -- touch "$RIG_DIR/was-run"
	rig_bwctl run --clear >/dev/null
	end again 0
	for ((i = 1; i <= 31; i++)); do
		((i == 7)) || end "r$i" 0
	done
	expect_limit 'at last' 20
	expect_runs 'at last' . '[]'
}

@test "many that come and go at once leave the limit as it was" {
	local i pids=() code
	for ((i = 0; i < 24; i++)); do
		"$BWCTL" -n appliance run "$((5 + i % 7))mbit" -- sh -c "sleep 0.0$((i % 5)); exit $i" \
			2>"$RIG_DIR/error-$i" 3>&- &
		pids+=($!)
	done
	for ((i = 0; i < 24; i++)); do
		code=0
		wait "${pids[i]}" || code=$?
		expect "exit code of the one ($(<"$RIG_DIR/error-$i"))" "$i" "$code"
	done
	expect_limit 'at last' 20
	expect_runs 'at last' . '[]'
}

@test "unloaded in a run: said, and its end is no failure" {
	begin one 5mbit
	rig_bwctl unload >/dev/null 2>"$RIG_DIR/stderr"
	grep -q '^hint: run 1 goes too, and "sh -c .*" goes on without a limit$' "$RIG_DIR/stderr"
	expect 'pins' '' "$(find "$PINS" -mindepth 1 ! -name '*.debug')"
	end one 9
	expect 'what it says' 'hint: what run 1 asked for is gone already: all was unloaded since' \
		"$(<"$RIG_DIR/one.stderr")"
	# Another that has its number since is not touched.
	rig_bwctl load eth0 >/dev/null
	begin one 5mbit
	rig_bwctl unload >/dev/null 2>&1
	rig_bwctl load eth0 >/dev/null
	rig_bwctl set 20mbit mode police >/dev/null
	begin two 4mbit
	expect_runs 'of the new one' 'map(.id)' '[1]'
	end one 9
	expect_limit 'when the former ends' 4
	expect_runs 'when the former ends' 'map(.alive)' '[true]'
	end two 0
	expect_limit 'at last' 20
}

@test "when the limit cannot be given back that is said, and run --clear does it" {
	begin one 5mbit
	begin two 5mbit
	mv "$PINS/bwctl/counters" "$PINS/bwctl/counters-away"
	end two 7
	expect 'what it says' "bwctl: cannot give back the limit: the limiter in '$PINS/bwctl' is not whole
hint: that of run 2 stays in force until: bwctl run --clear" "$(<"$RIG_DIR/two.stderr")"
	echo 0 >"$RIG_DIR/one.fifo"
	ended one 1
	mv "$PINS/bwctl/counters-away" "$PINS/bwctl/counters"
	expect_limit 'then' 5
	rig_bwctl run --clear >/dev/null
	expect_limit 'when cleared' 20
}

# note_limit RATE: in force from now on, for conform.
note_limit() {
	echo "$EPOCHREALTIME $1" >>"$RIG_DIR/limits"
}

# in_traffic RATE WORD...: a flood before, in and after "run WORD...", which holds it under RATE.
in_traffic() {
	local limit=$1 window verdict status=0 times
	shift
	window=$(rig_bwctl show --json | jq .egress.window_seconds)
	rig_sink sink far 9000
	rig_capture out far eth0 udp port 9000
	: >"$RIG_DIR/limits"
	note_limit 20mbit
	rig_flood flood inside "$RIG_FAR4" 9000 100mbit 13
	sleep 3
	# A lower one is to hold from the moment that the command runs.
	times=$EPOCHREALTIME
	begin one "$@"
	note_limit "$limit"
	times+=,$EPOCHREALTIME
	sleep 5
	# A higher one may be in force from before the end of bwctl.
	times+=,$EPOCHREALTIME
	note_limit 20mbit
	end one 0
	times+=,$EPOCHREALTIME
	rig_flood_wait flood 60 >/dev/null
	rig_capture_stop out
	verdict=$("$RIG_TOOLS/conform" --limits "$RIG_DIR/limits" --window "$window" "$RIG_DIR/out.pcap") ||
		status=$?
	printf '%s\n' "$verdict" | sed 's/^/# /' >&3
	((status == 0))
	# This can fail: the whole is over the limit of the run, and so it was not all the time in force.
	run ! "$RIG_TOOLS/conform" --limit "$limit" --window "$window" "$RIG_DIR/out.pcap"
	# Nor was it closed: before and after it was as full as it may be, and in it as well, which was for
	# as long as it took to begin and to end, at the most.
	jq -n -e --argjson c "$("$RIG_TOOLS/conform" --json --limit 20mbit --window "$window" "$RIG_DIR/out.pcap")" \
		--argjson limit "${limit%mbit}" --argjson at "[$times]" '
			def mean($tight): (20 * ($c.seconds - $tight) + $limit * $tight) / $c.seconds;
			$c.bytes * 8 / $c.seconds / 1e6 |
			. > 0.8 * mean($at[3] - $at[0]) and . < 0.95 * mean($at[2] - $at[1])'
}

@test "in traffic: no window over the limit of the run while it runs, nor over the other" {
	in_traffic 5mbit egress 5mbit
}

@test "in traffic: the same with a limit of a class" {
	in_traffic 3mbit class other egress 3mbit
}
