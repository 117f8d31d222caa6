#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Whole policies that replace each other in traffic: connections outlive them, no
# counter goes back, the ceilings hold, and whoever looks sees one policy or the
# next, never some of each. Each one is made so that it can be told from any part of
# it. Runs itself under bats in mount and network namespaces of its own.
#
# BWCTL_APPLIES is how many there are, 150 if not told.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself"
}

setup() {
	rig_make
	rig_bwctl load eth0 >/dev/null
}

teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || rig_bwctl show >&2 || true
	rig_stop_all
	rig_bwctl unload
	rig_destroy
}

# one_of WORD...: one of them, in ONE
one_of() {
	shift $((RANDOM % $#))
	ONE=$1
}

# policy NUMBER RATE: a whole policy at random. In any are the class "bulk" with a quarter of the rate, a
# class "gNUMBER" with half of it and NUMBER kbit/s, a flow "fNUMBER" into that, and a tenth of the
# rate guaranteed to ui.
policy() {
	local number=$1 rate=$2 class
	printf '[limit]\nrate = %dmbit\n' "$rate"
	one_of low normal
	printf '\n[class bulk]\nrate = %dkbit\npriority = %s\n' $((rate * 250)) "$ONE"
	one_of low normal high
	printf '\n[class g%d]\nrate = %dkbit\npriority = %s\n' "$number" $((rate * 500 + number)) "$ONE"
	printf '\n[class ui]\nreserve = %dkbit\n' $((rate * 100))
	for class in api admin ssh icmp; do
		((RANDOM % 2)) || continue
		one_of low normal high
		printf '\n[class %s]\npriority = %s\n' "$class" "$ONE"
		((RANDOM % 3)) || echo "ingress = $((rate / 4 + RANDOM % 20))mbit"
		((RANDOM % 3)) || echo "egress = $((rate / 4 + RANDOM % 20))mbit"
		((RANDOM % 3)) || echo "reserve = $((RANDOM % (rate / 8) + 1))mbit"
	done
	printf '\n[flow bulk-in]\nclass = bulk\nprotocol = udp\nlocal = 9001\n'
	printf '\n[flow bulk-out]\nclass = bulk\nprotocol = udp\nremote = 9001\n'
	printf '\n[flow f%d]\nclass = g%d\nremote = %d\n' "$number" "$number" $((10000 + number))
	if ((RANDOM % 2)); then
		one_of bulk "g$number" other
		printf '\n[flow more]\nclass = %s\n' "$ONE"
		one_of tcp udp
		printf 'protocol = %s\n' "$ONE"
		one_of 7 7000-7100 '>60000' 11,13,17-19
		printf 'local = %s\n' "$ONE"
		one_of 10.0.0.0/8 2001:db8:7::/48 203.0.113.7/32
		printf 'prefix = %s\n' "$ONE"
	fi
	((RANDOM % 4)) || printf '\n[flow telnet]\nremove = yes\n'
}

# What show prints is looked at later: objects, and policy files with a form feed behind each.
look() {
	while [[ ! -e $RIG_DIR/enough ]]; do
		rig_bwctl show --json >>"$RIG_DIR/looks" || return
		rig_bwctl show --config >>"$RIG_DIR/configs" || return
		printf '\f' >>"$RIG_DIR/configs" || return
		rig_bwctl flows --json >>"$RIG_DIR/flows" || return
		rig_pause
	done
}

# of_one_policy: the number of looks, or a failure with the first that is of two
of_one_policy() {
	jq -n -r '
		def builtin: ["ui", "admin", "api", "ssh", "telnet", "icmp", "other", "control"];
		def whole: (.ingress.limit_bits_per_second / 1e6) as $rate |
			([.ingress.classes | keys[] | select(startswith("g"))]) as $own |
			($own | length) == 1 and ($own[0][1:] | tonumber) as $number |
			([.ingress.classes | keys[]] - builtin - $own) == ["bulk"] and
			all(.ingress, .egress;
				.limit_bits_per_second == $rate * 1e6 and
				.classes.bulk.limit_bits_per_second == $rate * 250e3 and
				.classes[$own[0]].limit_bits_per_second == $rate * 500e3 + $number * 1e3 and
				.classes.ui.reserve_bits_per_second == $rate * 100e3);
		reduce inputs as $look (0; if $look | whole then . + 1 else error($look | tojson) end)
	' "$RIG_DIR/looks"
	jq -n -r '
		def whole: (capture("\\[limit\\]\\nrate = (?<rate>[0-9]+)mbit\\n").rate | tonumber) as $rate |
			[match("\\[class g([0-9]+)\\]"; "g").captures[0].string] as $own |
			[match("\\[flow f([0-9]+)\\]\\nclass = g([0-9]+)\\n"; "g").captures[].string] as $flow |
			($own | length) == 1 and $flow == [$own[0], $own[0]] and
			contains("remote = \($own[0] | tonumber + 10000)\n");
		reduce (inputs | split("\f")[:-1][]) as $look (0; if $look | whole then . + 1 else error($look) end)
	' -R -s "$RIG_DIR/configs"
	jq -n -r '
		def whole: [.flows[] | select(.name // "" | test("^f[0-9]+$")) | .name[1:], .class[1:]] | unique | length == 1;
		reduce inputs as $look (0; if $look | whole then . + 1 else error($look | tojson) end)
	' "$RIG_DIR/flows"
}

# never_back: no sum is smaller than in the look before, of what there is in both.
never_back() {
	jq -n -e '
		def sums: [.ingress, .egress | del(.classes[] | select(false)) |
			{"": ([.passed, .dropped | .packets, .bytes])} + (.classes | map_values([.passed, .dropped | .packets, .bytes]))];
		def back($a; $b): any(range(2); . as $i |
			any($a[$i] | keys[]; . as $name | $b[$i][$name] != null and
				any(range(4); $a[$i][$name][.] > $b[$i][$name][.])));
		reduce (inputs | sums) as $now (null;
			if . != null and back(.; $now) then error([., $now] | tojson) else $now end) | true
	' "$RIG_DIR/looks"
}

# carried PORT: bytes that connections from inside to there have brought to their end
carried() {
	rig_in inside ss -H -t -i -n state established "dport = :$1" | grep -o 'bytes_\(acked\|received\):[0-9]*' |
		awk -F: '{ n += $2 } END { print n + 0 }'
}

carries_on() {
	(($(carried "$1") > $2 + 1000000))
}

# kept NAME PORT: a connection of iperf3 that has been there all along, and carries on.
kept() {
	local reverse client server
	read -r reverse client server <"$RIG_DIR/$1.flow"
	rig_alive "$client" && rig_alive "$server" ||
		rig_fail "'$1' has ended: $(jq -c .error "$RIG_DIR/$1.client")" || return
	# As TCP does that has lost much: it may be a while until it tries again.
	rig_wait 60 carries_on "$2" "$(carried "$2")" || rig_fail "'$1' does not carry on" || return
	rig_stop "$client" "$server"
	jq -e '.error | test("interrupt")' "$RIG_DIR/$1.client" >/dev/null ||
		rig_fail "'$1': $(jq -c .error "$RIG_DIR/$1.client")"
}

@test "policies replace each other in traffic: whole, nothing is lost, no counter goes back, all limits hold" {
	local count=${BWCTL_APPLIES:-150} change rate previous=0 moment looker name status verdict window seen look
	rig_answer web inside
	rig_sink far-9000 far 9000
	rig_sink far-9001 far 9001
	rig_sink inside-9000 inside 9000
	rig_sink inside-9001 inside 9001
	RANDOM=4
	policy 0 60 | rig_bwctl apply - >/dev/null
	window=$(rig_bwctl show --json | jq .egress.window_seconds)
	: >"$RIG_DIR/limits"
	: >"$RIG_DIR/limits-bulk"
	rig_capture out far eth0
	rig_capture in inside eth0
	echo "$EPOCHREALTIME 60mbit" >>"$RIG_DIR/limits"
	echo "$EPOCHREALTIME 15000kbit" >>"$RIG_DIR/limits-bulk"
	rig_flow ssh far inside to "$RIG_FAR4" port 22 seconds 3000
	rig_flow api far inside to "$RIG_FAR4" port 443 seconds 3000 reverse yes
	rig_ask desk far "$RIG_INSIDE4" 3000
	for name in 9000:40mbit 9001:25mbit; do
		rig_flood "out-${name%:*}" inside "$RIG_FAR4" "${name%:*}" "${name#*:}" 3000
		rig_flood "in-${name%:*}" far "$RIG_INSIDE4" "${name%:*}" "${name#*:}" 3000
	done
	look 3>&- &
	looker=$!
	for ((change = 1; change <= count; change++)); do
		rate=$((20 + RANDOM % 41))
		policy "$change" "$rate" >"$RIG_DIR/policy"
		moment=$EPOCHREALTIME
		rig_bwctl apply - <"$RIG_DIR/policy" >"$RIG_DIR/apply" 2>&1 ||
			rig_fail "policy $change: $(cat "$RIG_DIR/apply" "$RIG_DIR/policy")"
		# One that is higher may be in force from before the command, a lower one is at its return.
		((rate >= previous)) || moment=$EPOCHREALTIME
		echo "$moment ${rate}mbit" >>"$RIG_DIR/limits"
		echo "$moment $((rate * 250))kbit" >>"$RIG_DIR/limits-bulk"
		previous=$rate
		# Long enough, now and then, for whole windows under one limit.
		if ((change % 50 == 0)); then sleep 2.3; fi
	done
	: >"$RIG_DIR/enough"
	wait "$looker"

	for name in out in; do
		rig_stop "$(<"$RIG_DIR/$name-9000.pid")" "$(<"$RIG_DIR/$name-9001.pid")"
	done
	kept ssh 22
	kept api 443
	rig_stop "$(<"$RIG_DIR/desk.pid")"
	echo "# $count policies; request and answer: $(rig_ask_wait desk)" >&3
	rig_capture_stop out in

	shopt -s inherit_errexit # each of its three may fail
	seen=$(of_one_policy)
	echo "# looked at whole: $(xargs <<<"$seen") times" >&3
	[[ $(wc -l <<<"$seen") == 3 ]]
	for look in $seen; do
		((look >= count / 10))
	done
	# Not the same one each time.
	(($(jq -r '.ingress.classes | keys[] | select(startswith("g"))' "$RIG_DIR/looks" | sort -u | wc -l) >= count / 10))
	never_back
	for name in out in; do
		status=0
		verdict=$("$RIG_TOOLS/conform" --limits "$RIG_DIR/limits" --window "$window" "$RIG_DIR/$name.pcap") ||
			status=$?
		printf '%s\n' "$verdict" | sed "s/^/# $name: /" >&3
		((status == 0))
		verdict=$("$RIG_TOOLS/conform" --limits "$RIG_DIR/limits-bulk" --window "$window" \
			--filter 'udp port 9001' "$RIG_DIR/$name.pcap") || status=$?
		printf '%s\n' "$verdict" | sed "s/^/# $name, bulk: /" >&3
		((status == 0))
	done
}
