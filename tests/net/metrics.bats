#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Metrics, printed, written and served, against what show says; and what the
# exporter may do as a user of its own. Runs itself under bats in mount and
# network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"
bats_require_minimum_version 1.5.0

EXPORTER=$BWCTL_BUILD/bwctl-exporter
PINS=/sys/fs/bpf/bwctl
NOBODY=65534
GROUP=60123 # nobody else's
URL=http://127.0.0.1:9977

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself"
}

setup() {
	rig_make
}

teardown() {
	rig_bwctl unload
	rmdir "$PINS" 2>/dev/null || true
	rm -f /etc/bwctl.conf
	chmod 700 "${PINS%/*}"
	rig_destroy
}

# As systemd-tmpfiles would make it.
shared_pins() {
	mkdir "$PINS"
	chgrp "$GROUP" "$PINS"
	chmod 2710 "$PINS"
	chmod 711 "${PINS%/*}"
}

# What is left of root's rights when nothing is.
as_nobody() {
	rig_in appliance setpriv --reuid "$NOBODY" --regid "$NOBODY" --groups "$GROUP" \
		--inh-caps=-all --bounding-set=-all --no-new-privs -- "$@"
}

# With its own defaults.
start_exporter() {
	rig_start appliance setpriv --reuid "$NOBODY" --regid "$NOBODY" --groups "$GROUP" \
		--inh-caps=-all --bounding-set=-all --no-new-privs -- "$EXPORTER" >"$RIG_DIR/exporter" 2>&1
	rig_wait 30 rig_listens appliance tcp 9977
}

# With a policy file that does not come to its end: a pipe of the shell, with somebody who never writes.
start_held_exporter() {
	local held
	exec {held}< <(exec sleep 600)
	echo "$!" >>"$RIG_DIR/pids"
	rig_start appliance "$EXPORTER" --config "/dev/fd/$held" >"$RIG_DIR/exporter" 2>&1
	exec {held}<&-
	rig_wait 30 rig_listens appliance tcp 9977
}

get() {
	rig_in appliance curl --silent --show-error --max-time 10 "$@"
}

# sample NAME{LABELS}: its value, of a text of metrics.
sample() {
	awk -v name="$1" 'index($0, name " ") == 1 { print $2; found = 1 } END { exit !found }'
}

# Traffic that is refused, and traffic that passes.
traffic() {
	rig_bwctl set 8mbit mode police class api 1mbit
	rig_sink sink far 443
	rig_sink other far 9000
	rig_flood api inside "$RIG_FAR4" 443 4mbit 1
	rig_flood other inside "$RIG_FAR4" 9000 20mbit 1
	rig_flood_wait api
	rig_flood_wait other
}

# The words of a line for each counter of a class, of both directions and all interfaces, by show and by metrics.
counters_of_show() {
	rig_bwctl show --json | jq -r '
		.interfaces[] | .name as $interface | .classes | to_entries[] | .key as $direction |
		.value | to_entries[] | select(.key != "control") | .key as $class | .value |
		(.passed, .dropped, .paced, .marked) as $tally |
		[$interface, $direction, $class, $tally.packets, $tally.bytes] | join(" ")' | sort
}

counters_of_metrics() {
	rig_bwctl metrics | perl -ne '
		/^bwctl_(receive|transmit)_(?:(dropped|paced|marked)_)?(bytes|packets)_total\{class="(\S+?)",interface="(\S+?)"(?:,reason="\w+")?\} (\d+)$/ or next;
		$sum{"$5 " . ($1 eq "receive" ? "ingress" : "egress") . " $4"}{$2 // "passed"}{$3} += $6;
		END {
			for my $key (keys %sum) {
				print "$key $sum{$key}{$_}{packets} $sum{$key}{$_}{bytes}\n"
					for qw(passed dropped paced marked);
			}
		}' | sort
}

# The last packets may still be on their way when the first of both looks.
metrics_are_shown() {
	counters_of_show >"$RIG_DIR/show"
	counters_of_metrics >"$RIG_DIR/metrics"
	# All but control, which ARP may add to in between.
	sed -i '/ control /d' "$RIG_DIR/metrics"
	cmp -s "$RIG_DIR/show" "$RIG_DIR/metrics"
}

@test "metrics say what show says, of each class and interface" {
	rig_bwctl load eth0 inside0
	traffic
	rig_wait 30 metrics_are_shown || diff "$RIG_DIR/show" "$RIG_DIR/metrics"
	[[ $(wc -l <"$RIG_DIR/show") == $((2 * 2 * 7 * 4)) ]]
}

# of_class CLASS PATH FILE: of egress, in what show printed.
of_class() {
	jq -r --arg class "$1" ".egress.classes[\$class]$2" "$3"
}

queue_bytes() {
	tc -n appliance -s -j qdisc show dev eth0 | jq 'map(.backlog) | add'
}

# The bytes that wait, by the clock, between those in the queue before and after, to a fifth: where the commands were
# held up it is worth another look.
queue_agrees() {
	local before after
	before=$(queue_bytes)
	rig_bwctl show --json >"$RIG_DIR/moment"
	after=$(queue_bytes)
	echo "$before, $after" >"$RIG_DIR/queue"
	jq '.egress.backlog_seconds * .egress.rate_bits_per_second / 8 | round' "$RIG_DIR/moment" >"$RIG_DIR/clock"
	jq -n -e --argjson clock "$(<"$RIG_DIR/clock")" --argjson queue "[$before, $after]" '($queue | min) > 20000 and
		$clock > ($queue | min) * 0.8 and $clock < ($queue | max) * 1.2' >/dev/null
}

@test "packets that wait, and that are marked: metrics, exporter, show and the queue say the same" {
	local namespace direction prefix class waited marked before between after
	rig_has_fq || skip 'this kernel has no fq: no packet waits'
	shared_pins
	for namespace in far inside; do
		rig_in "$namespace" sysctl -q -w net.ipv4.tcp_ecn=1
	done
	rig_bwctl load eth0
	rig_bwctl set 8mbit mode pace flow probe class api protocol udp remote 9001
	start_exporter
	# ssh goes out, ui comes in.
	rig_flow out far inside to "$RIG_FAR4" port 22 seconds 5 parallel 4
	rig_flow_wait out 90
	rig_flow in inside far to "$RIG_INSIDE4" port 443 seconds 5 parallel 4
	rig_flow_wait in 90
	rig_wait 30 rig_flows_over far inside
	sleep 1
	rig_wait 30 metrics_are_shown || diff "$RIG_DIR/show" "$RIG_DIR/metrics"
	rig_bwctl show --json >"$RIG_DIR/show.json"
	rig_bwctl metrics >"$RIG_DIR/text"
	for direction in egress ingress; do
		prefix=transmit class=ssh
		[[ $direction == egress ]] || prefix=receive class=ui
		waited=$(sample "bwctl_${prefix}_paced_packets_total{class=\"$class\",interface=\"eth0\"}" <"$RIG_DIR/text")
		marked=$(sample "bwctl_${prefix}_marked_packets_total{class=\"$class\",interface=\"eth0\"}" <"$RIG_DIR/text")
		echo "# $direction: of $class $waited waited, $marked were marked" >&3
		((waited > 100 && marked > 0 && marked <= waited))
		jq -e --argjson count "$(sample "bwctl_${prefix}_delay_seconds_count" <"$RIG_DIR/text")" \
			--argjson sum "$(sample "bwctl_${prefix}_delay_seconds_sum" <"$RIG_DIR/text")" ".$direction |
			.mode == \"pace\" and .paced.packets == \$count and (.delay_seconds_sum - \$sum | fabs) < 1e-6 and
			\$sum / \$count > 0.001 and \$sum / \$count < .horizon_seconds" "$RIG_DIR/show.json"
	done
	# Two classes wait. What the exporter says lies between show before and after it.
	rig_sink other far 9000
	rig_sink probe far 9001
	rig_flood other inside "$RIG_FAR4" 9000 12mbit 400
	rig_flood probe inside "$RIG_FAR4" 9001 12mbit 400
	sleep 2
	rig_bwctl show --json >"$RIG_DIR/before"
	sleep 1.2
	get "$URL/api/v1/show" >"$RIG_DIR/between"
	sleep 1.2
	rig_bwctl show --json >"$RIG_DIR/after"
	jq -e '.egress.mode == "pace" and .egress.mode_reason == null' "$RIG_DIR/between"
	for class in api other; do
		before=$(of_class "$class" .paced.packets "$RIG_DIR/before")
		between=$(of_class "$class" .paced.packets "$RIG_DIR/between")
		after=$(of_class "$class" .paced.packets "$RIG_DIR/after")
		echo "# $class: $before, $between, $after packets have waited" >&3
		((before > 0 && before < between && between < after))
		jq -s -c -e --arg class "$class" 'map(.egress.classes[$class]) as $of |
			($of[2].delay_seconds_sum - $of[0].delay_seconds_sum) / ($of[2].paced.packets - $of[0].paced.packets) |
			., . > 0.02 and . < 0.1' "$RIG_DIR/before" "$RIG_DIR/between" "$RIG_DIR/after"
	done
	rig_wait 30 queue_agrees || rig_fail "by the clock $(<"$RIG_DIR/clock"), in the queue $(<"$RIG_DIR/queue") bytes"
	echo "# by the clock $(<"$RIG_DIR/clock"), in the queue $(<"$RIG_DIR/queue") bytes" >&3
}

@test "drops are put down to the limit that refused" {
	local class all
	rig_bwctl load eth0
	# UDP is class other.
	rig_bwctl set 50mbit mode police class other egress 1mbit
	rig_sink sink far 9000
	rig_flood other inside "$RIG_FAR4" 9000 10mbit 1
	rig_flood_wait other
	rig_bwctl metrics >"$RIG_DIR/metrics"
	class=$(sample 'bwctl_transmit_dropped_packets_total{class="other",interface="eth0",reason="class_limit"}' <"$RIG_DIR/metrics")
	all=$(sample 'bwctl_transmit_dropped_packets_total{class="other",interface="eth0",reason="limit"}' <"$RIG_DIR/metrics")
	echo "# by the class $class, by all $all" >&3
	((class > 100 && all == 0))
	[[ $(sample bwctl_transmit_at_limit_seconds_total <"$RIG_DIR/metrics") == 0 ]]
}

@test "time at the limit goes on while packets are refused, and stands still afterwards" {
	local seconds before
	rig_bwctl load eth0
	rig_bwctl set 8mbit mode police
	rig_sink sink far 9000
	rig_flood flood inside "$RIG_FAR4" 9000 40mbit 3
	rig_flood_wait flood
	seconds=$(rig_bwctl metrics | sample bwctl_transmit_at_limit_seconds_total)
	echo "# at the limit for $seconds s" >&3
	# 3 seconds, less what the burst took, and a little of the pause.
	jq -n -e "$seconds > 2 and $seconds < 4"
	[[ $(rig_bwctl metrics | sample bwctl_receive_at_limit_seconds_total) == 0 ]]
	sleep 1
	before=$(rig_bwctl metrics | sample bwctl_transmit_at_limit_seconds_total)
	[[ $(rig_bwctl show --json | jq ".egress.at_limit_seconds == $before") == true ]]
	jq -n -e "$before - $seconds < 0.5"
}

@test "metrics --output replaces a file in one step, or says why not and leaves it" {
	rig_bwctl load eth0
	echo former >"$RIG_DIR/bwctl.prom"
	rig_bwctl metrics --output "$RIG_DIR/bwctl.prom"
	sample 'bwctl_loaded' <"$RIG_DIR/bwctl.prom"
	[[ $(find "$RIG_DIR" -name '*prom*') == "$RIG_DIR/bwctl.prom" ]]
	run rig_bwctl metrics --output "$RIG_DIR/nowhere/bwctl.prom"
	echo "$output"
	[[ $status == 1 && $output == "bwctl: cannot write '$RIG_DIR/nowhere/bwctl.prom': No such file or directory" ]]
	run rig_bwctl metrics --output "$RIG_DIR"
	[[ $status == 1 && $output == "bwctl: cannot write '$RIG_DIR'"* ]]
	run rig_bwctl show --output x
	[[ $status == 2 && $output == "bwctl: --output is for metrics alone" ]]
}

@test "nothing loaded: metrics say so, and so does the exporter, and it goes on when there is something" {
	shared_pins
	[[ $(rig_bwctl metrics | sample bwctl_loaded) == 0 ]]
	start_exporter
	[[ $(get "$URL/metrics" | sample bwctl_loaded) == 0 ]]
	[[ $(get "$URL/healthz") == ok ]]
	rig_bwctl load eth0
	rig_wait 30 loaded_by_exporter
	rig_bwctl unload
	[[ -d $PINS && $(ls -A "$PINS") == '' ]]
	run rig_bwctl unload
	[[ $status == 0 && $output == 'nothing was loaded' ]]
	run rig_bwctl show
	[[ $status == 0 && $output == 'nothing is loaded' ]]
	rig_bwctl load eth0
	rig_wait 30 loaded_by_exporter
}

loaded_by_exporter() {
	[[ $(get "$URL/metrics" | sample bwctl_loaded) == 1 ]]
}

# All that does not depend on the moment, and that who is not root can tell: lines of metrics.
lasting() {
	grep -v -E '_(backlog|policy_saved)|bwctl_first'
}

# The same in all forms, unless ARP or the like was counted in between.
served_as_printed() {
	local open='Accept: application/openmetrics-text; version=1.0.0'
	rig_bwctl metrics | lasting >"$RIG_DIR/printed"
	get "$URL/metrics" | lasting | diff "$RIG_DIR/printed" - &&
		get --compressed "$URL/metrics" | lasting | diff "$RIG_DIR/printed" - &&
		get -H "$open" "$URL/metrics" | lasting | grep -v '^#' |
		diff <(grep -v '^#' "$RIG_DIR/printed") -
}

@test "the exporter says what metrics say, to Prometheus and as OpenMetrics, plain and compressed" {
	shared_pins
	rig_bwctl load eth0
	traffic
	start_exporter
	sleep 0.3
	rig_wait 30 served_as_printed
	# Who runs before ours, root alone can tell.
	[[ $(rig_bwctl metrics | grep -c '^bwctl_first{.*} 1$') == 2 ]]
	[[ $(get "$URL/metrics" | grep -c bwctl_first) == 0 ]]
	get -H 'Accept: application/openmetrics-text; version=1.0.0' -D "$RIG_DIR/head" "$URL/metrics" >"$RIG_DIR/open"
	grep -q '^Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8' "$RIG_DIR/head"
	[[ $(tail -n 1 "$RIG_DIR/open") == '# EOF' ]]
	[[ $(get -o /dev/null -w '%{http_code}' "$URL/nothing") == 404 ]]
	[[ $(get -o /dev/null -w '%{http_code}' -X DELETE "$URL/metrics") == 405 ]]
	[[ $(get -o /dev/null -w '%{http_code}' -d x=1 "$URL/metrics") == 405 ]]
	[[ $(get -o /dev/null -w '%{http_code}' -I "$URL/metrics") == 200 ]]
	[[ $(get "http://[::1]:9977/" -o /dev/null -w '%{http_code}' || true) == 000 ]]
	[[ $(get "$URL/metrics" "$URL/healthz" -w '%{num_connects}\n' | grep -c '^[01]$') == 2 ]]
}

@test "the exporter as a user of its own can read what is shared, and change nothing" {
	shared_pins
	rig_bwctl load eth0
	rig_bwctl set 50mbit
	start_exporter
	[[ $(get "$URL/metrics" | sample 'bwctl_transmit_limit_bytes_per_second') == 6250000 ]]
	get "$URL/metrics" | grep -q '^bwctl_attached{interface="eth0",direction="receive",hook="[a-z]*",mode="[a-z]*"} 1$'
	in_force >"$RIG_DIR/before"
	run as_nobody "$BWCTL" set 1gbit
	[[ $status == 1 ]]
	run as_nobody "$BWCTL" unload
	[[ $status == 1 ]]
	run as_nobody "$BWCTL" load inside0
	[[ $status == 1 ]]
	run as_nobody ls "$PINS"
	((status))
	as_nobody "$RIG_TOOLS/pins" --destroy "$PINS"/* >"$RIG_DIR/pins"
	rig_only_reads "$RIG_DIR/pins"
	in_force | diff "$RIG_DIR/before" -
	# A lock of the directory would keep everybody waiting: it cannot be had.
	run as_nobody flock --nonblock "$PINS" true
	((status))
	rig_bwctl set 20mbit
	rig_wait 30 limit_by_exporter 2500000
	# The last: nothing of it is left.
	"$RIG_TOOLS/pins" --destroy "$PINS"/* >"$RIG_DIR/pins"
	rig_only_reads_not "$RIG_DIR/pins"
	[[ $(ls -A "$PINS") == '' ]]
}

@test "a pin that others may write, or read though it is not shared, would be noticed" {
	local row
	shared_pins
	rig_bwctl load eth0
	rig_bwctl set 50mbit
	while read -r -a row; do
		chmod "${row[1]}" "$PINS/${row[0]}"
		as_nobody "$RIG_TOOLS/pins" "$PINS"/* >"$RIG_DIR/pins"
		run rig_only_reads "$RIG_DIR/pins"
		echo "$output"
		[[ $status == 1 && $output == *"/${row[0]} ${row[2]} ${row[3]}"* ]]
		chmod "${row[4]}" "$PINS/${row[0]}"
	done <<-'END'
		clocks 660 rw-update ok 640
		policies 660 open ok 640
		counters 600 open-read EACCES 640
		leases 640 ro-lookup ok 600
		watch 640 open-read EINVAL 600
	END
	as_nobody "$RIG_TOOLS/pins" "$PINS"/* >"$RIG_DIR/pins"
	rig_only_reads "$RIG_DIR/pins"
}

# What is in force, and where; what is pinned, and who may do what with it.
in_force() {
	rig_bwctl show --config
	rig_bwctl show --json | jq -c '.since, (.interfaces[] | [.name, .ingress.hook, .egress.hook])'
	ls -l "$PINS"
}

limit_by_exporter() {
	[[ $(get "$URL/metrics" | sample 'bwctl_transmit_limit_bytes_per_second') == "$1" ]]
}

@test "a directory that is not shared is not made so, and the exporter says why it has nothing to say" {
	chmod 711 "${PINS%/*}"
	rig_bwctl load eth0
	[[ $(stat -c %a "$PINS") == 700 ]]
	[[ $(find "$PINS" -type f ! -perm 600) == '' ]]
	start_exporter
	[[ $(get -o "$RIG_DIR/answer" -w '%{http_code}' "$URL/metrics") == 500 ]]
	[[ $(<"$RIG_DIR/answer") == "cannot open '$PINS/policies': Permission denied" ]]
	[[ $(get -o /dev/null -w '%{http_code}' "$URL/healthz") == 503 ]]
}

@test "what is not attached any more is seen by who may not open links" {
	shared_pins
	rig_has_tcx || skip 'no tcx here: clsact is seen by everybody'
	rig_bwctl load eth0
	start_exporter
	get "$URL/metrics" | grep -q '^bwctl_attached{.*direction="transmit",hook="tcx",.*} 1$'
	rig_in appliance bpftool link detach pinned "$(echo "$PINS"/link-*-egress)"
	rig_wait 30 unattached
	get "$URL/metrics" | grep -q '^bwctl_attached{.*direction="receive",hook="tcx",.*} 1$'
	rig_bwctl load eth0
	rig_wait 30 eval '! unattached'
}

unattached() {
	get "$URL/metrics" | grep -q '^bwctl_attached{.*direction="transmit",hook="none",.*} 0$'
}

saved_by_exporter() {
	[[ $(get "$URL/metrics" | sample bwctl_policy_saved) == "$1" ]]
}

@test "in force is what the file says, or not: also when the limiter is another one" {
	shared_pins
	rig_bwctl load eth0
	rig_bwctl set 20mbit
	rig_bwctl set 50mbit --save
	start_exporter
	rig_wait 30 saved_by_exporter 1
	mv /etc/bwctl.conf "$RIG_DIR/kept"
	rig_bwctl unload
	rig_bwctl load eth0
	rig_bwctl set 20mbit
	mv "$RIG_DIR/kept" /etc/bwctl.conf
	rig_bwctl set 30mbit
	rig_wait 30 saved_by_exporter 0
	[[ $(rig_bwctl metrics | sample bwctl_policy_saved) == 0 ]]
}

@test "since when: a policy that is put in force once more is the same" {
	local since
	rig_bwctl load eth0
	rig_bwctl set 50mbit
	since=$(rig_bwctl show --json | jq .since)
	sleep 1.1
	rig_bwctl set 50mbit
	rig_bwctl load eth0 inside0
	[[ $(rig_bwctl show --json | jq .since) == "$since" ]]
	rig_bwctl set 51mbit
	(($(rig_bwctl show --json | jq .since) > since))
}

@test "what is missing of the limiter is an error, not nothing" {
	shared_pins
	rig_bwctl load eth0
	start_exporter
	rig_wait 30 loaded_by_exporter
	mv "$PINS/holders" "$PINS/elsewhere"
	sleep 0.3
	[[ $(get -o "$RIG_DIR/answer" -w '%{http_code}' "$URL/metrics") == 500 ]]
	[[ $(<"$RIG_DIR/answer") == "the limiter in '$PINS' is not whole" ]]
	[[ $(get -o /dev/null -w '%{http_code}' "$URL/healthz") == 503 ]]
	# Once, however often it is asked for.
	[[ $(<"$RIG_DIR/exporter") == "bwctl-exporter: the limiter in '$PINS' is not whole" ]]
	mv "$PINS/elsewhere" "$PINS/holders"
	rig_wait 30 loaded_by_exporter
	rig_has_tcx || return 0
	rm "$PINS/links"
	sleep 0.3
	[[ $(get -o "$RIG_DIR/answer" -w '%{http_code}' "$URL/metrics") == 500 ]]
	[[ $(<"$RIG_DIR/answer") == "what is attached cannot be told: no '$PINS/links'"* ]]
	rig_bwctl load eth0
	rig_wait 30 loaded_by_exporter
}

@test "no scrape fails while interfaces are loaded and limits are set" {
	local i codes
	shared_pins
	rig_bwctl load eth0
	start_exporter
	for i in {1..150}; do
		get -o /dev/null -w '%{http_code}\n' "$URL/metrics"
		sleep 0.02
	done >"$RIG_DIR/codes" &
	for i in {1..4}; do
		rig_bwctl load eth0 inside0
		rig_bwctl set "${i}0mbit"
	done
	wait $!
	codes=$(sort "$RIG_DIR/codes" | uniq -c | tr -s ' ')
	[[ $codes == ' 150 200' ]] || {
		echo "$codes"
		return 1
	}
}

@test "a limiter in a directory that was private, and is shared later, can be looked at after another load" {
	rig_bwctl load eth0
	chmod 711 "${PINS%/*}"
	chgrp "$GROUP" "$PINS"
	chmod 2710 "$PINS"
	start_exporter
	[[ $(get -o /dev/null -w '%{http_code}' "$URL/metrics") == 500 ]]
	rig_bwctl load --again 2>/dev/null || rig_bwctl load eth0
	rig_wait 30 loaded_by_exporter
}

@test "another limiter on the same interface is not taken for this one" {
	shared_pins
	rig_has_tcx || skip 'no tcx here: clsact is seen by everybody'
	rig_bwctl load eth0
	rig_bwctl --pin-dir "${PINS%/*}/other" load eth0
	start_exporter
	get "$URL/metrics" | grep -q '^bwctl_attached{.*direction="transmit",hook="tcx",.*} 1$'
	rig_in appliance bpftool link detach pinned "$(echo "$PINS"/link-*-egress)"
	rig_wait 30 unattached
	rig_bwctl --pin-dir "${PINS%/*}/other" unload
}

# asks: whether a connection to the exporter is open.
asks() {
	[[ -n $(rig_in appliance ss -H -t -n state established 'dport = :9977') ]]
}

# answers_beside_a_scrape: in a second, while a scrape waits for two.
answers_beside_a_scrape() {
	local asker status
	get -o /dev/null -w '%{http_code}\n' "$URL/metrics" >"$RIG_DIR/codes" &
	asker=$!
	rig_wait 5 asks || {
		wait "$asker"
		return 1
	}
	status=$(get --max-time 1 -o /dev/null -w '%{http_code}' "$URL/")
	# The scrape has waited all the while.
	jobs -r -p | grep -q -x "$asker" || status=late
	wait "$asker"
	[[ $status == 200 && $(<"$RIG_DIR/codes") == 503 ]]
}

@test "what holds up a scrape holds up no other request, and not the end" {
	local try asker
	rig_bwctl load eth0
	start_held_exporter
	# In one of several tries, since a machine may be busy.
	for ((try = 0; try < 9; try++)); do
		! answers_beside_a_scrape || break
	done
	((try < 9))
	get -o /dev/null -w '%{http_code}\n' "$URL/metrics" >"$RIG_DIR/late"
	[[ $(<"$RIG_DIR/late") == 503 ]]
	get -o /dev/null "$URL/metrics" &
	asker=$!
	rig_wait 5 asks || true
	kill "$RIG_PID"
	rig_wait_gone 30 "$RIG_PID"
	wait "$asker" || true
}

@test "in force is what the file says, or not" {
	rig_bwctl load eth0
	rig_bwctl set 50mbit
	[[ $(rig_bwctl metrics | sample bwctl_policy_saved) == 0 ]]
	rig_bwctl save
	[[ $(rig_bwctl metrics | sample bwctl_policy_saved) == 1 ]]
	echo '# a comment changes nothing' >>/etc/bwctl.conf
	[[ $(rig_bwctl metrics | sample bwctl_policy_saved) == 1 ]]
	rig_bwctl set class lab 5mbit
	[[ $(rig_bwctl metrics | sample bwctl_policy_saved) == 0 ]]
	rig_bwctl apply
	[[ $(rig_bwctl metrics | sample bwctl_policy_saved) == 1 ]]
	echo 'nonsense' >>/etc/bwctl.conf
	[[ $(rig_bwctl metrics | sample bwctl_policy_saved) == 0 ]]
	rm /etc/bwctl.conf
	[[ $(rig_bwctl metrics | sample bwctl_policy_saved) == 0 ]]
	# A file that is not there says that all is default.
	rig_bwctl unload
	rig_bwctl load eth0
	[[ $(rig_bwctl metrics | sample bwctl_policy_saved) == 1 ]]
	run rig_bwctl --config '' metrics
	[[ $status == 0 && $output != *bwctl_policy_saved* ]]
}

@test "mistaken words of the exporter get one line, and it does not start" {
	local row
	while IFS='|' read -r -a row; do
		# shellcheck disable=SC2086 # words
		run timeout 30 "$EXPORTER" ${row[0]}
		echo "$output"
		[[ $status == "${row[1]}" && $output == "bwctl-exporter: ${row[2]}" ]]
	done <<-'END'
		--listen foo|2|'foo': expected an address and a port, as 127.0.0.1:9977 or [::1]:9977
		--listen 127.0.0.1:|2|'127.0.0.1:': expected an address and a port, as 127.0.0.1:9977 or [::1]:9977
		--listen ::1:9977|2|'::1:9977': expected an address and a port, as 127.0.0.1:9977 or [::1]:9977
		--listen 127.0.0.1:0|2|'127.0.0.1:0': expected an address and a port, as 127.0.0.1:9977 or [::1]:9977
		--listen 127.0.0.1:65536|2|'127.0.0.1:65536': expected an address and a port, as 127.0.0.1:9977 or [::1]:9977
		--listen 127.0.0.1:99x|2|'127.0.0.1:99x': expected an address and a port, as 127.0.0.1:9977 or [::1]:9977
		--listen 127.0.0.1:-1|2|'127.0.0.1:-1': expected an address and a port, as 127.0.0.1:9977 or [::1]:9977
		--listen|2|'--listen' needs a value
		--nonsense|2|unknown option '--nonsense' (bwctl-exporter --help)
		word|2|'word' is one word too many (bwctl-exporter --help)
		--listen 192.0.2.99:9977|1|cannot listen on '192.0.2.99:9977': Cannot assign requested address
		--netns nowhere|1|no network namespace 'nowhere' (ip netns lists them)
	END
}

# activated SOCKETS: the exporter as systemd starts it, with listening sockets from descriptor 3 on.
activated() {
	# shellcheck disable=SC2016 # perl's
	rig_start appliance perl -MSocket -MPOSIX -e '
		my ($sockets, @command) = @ARGV;
		my @kept;
		$^F = 10;
		for my $number (0 .. $sockets - 1) {
			socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
			setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
			bind($socket, sockaddr_in(9978 + $number, INADDR_LOOPBACK)) && listen($socket, 8) or die "bind: $!";
			POSIX::dup2(fileno($socket), 3 + $number) // die "dup2: $!";
			push @kept, $socket;
		}
		@ENV{qw(LISTEN_FDS LISTEN_PID)} = ($sockets, $$);
		exec @command;' "$1" "$EXPORTER" >"$RIG_DIR/exporter" 2>&1
}

@test "a socket that is handed over takes the place of --listen; two are refused" {
	rig_bwctl load eth0
	activated 1
	rig_wait 30 get -o /dev/null "http://127.0.0.1:9978/healthz"
	[[ $(get http://127.0.0.1:9978/metrics | sample bwctl_loaded) == 1 ]]
	run ! rig_listens appliance tcp 9977
	kill "$RIG_PID"
	wait "$RIG_PID"
	activated 2
	run wait "$RIG_PID"
	wait "$RIG_PID" || [[ $? == 1 ]]
	[[ $(<"$RIG_DIR/exporter") == 'bwctl-exporter: expected one listening stream socket from systemd, not 2 sockets' ]]
}

# What may differ between two readings while nothing happens, and nobody can tell who lives, or who comes first.
settled() {
	jq -c 'del(.. | .backlog_seconds?) | del(.runs[]?.alive) | del(.interfaces[][]?.first?)' "$@"
}

# is_shown [OPTION...]: what is served is what show prints, in the same order; ARP may come in between.
is_shown() {
	rig_bwctl show --json >"$RIG_DIR/shown"
	get -D "$RIG_DIR/head" "$@" "$URL/api/v1/show" >"$RIG_DIR/served"
	# The arguments of a run's command are not served.
	sed -i 's/"command": "sleep 600"/"command": "sleep"/' "$RIG_DIR/shown"
	[[ $(settled "$RIG_DIR/shown") == "$(settled "$RIG_DIR/served")" ]]
}

one_run() {
	[[ $(rig_bwctl show --json | jq '.runs | length') == 1 ]]
}

@test "/api/v1/show is what show --json prints, compact, compressed or not" {
	shared_pins
	rig_bwctl load eth0 inside0
	traffic
	rig_bwctl set class lab 5mbit reserve 1mbit class icmp exempt yes
	start_exporter
	rig_start appliance "$BWCTL" run ingress 4mbit class ssh 1mbit -- sleep 600
	rig_wait 30 one_run
	rig_wait 30 is_shown || diff <(jq . "$RIG_DIR/shown") <(jq . "$RIG_DIR/served")
	[[ $(jq -c '.runs[].alive' "$RIG_DIR/shown") == true && $(jq -c '.runs[].alive' "$RIG_DIR/served") == null ]]
	[[ $(jq -c '[.interfaces[] | .ingress, .egress | .first] | unique' "$RIG_DIR/shown") == '[true]' ]]
	[[ $(jq -c '[.interfaces[] | .ingress, .egress | .first] | unique' "$RIG_DIR/served") == '[null]' ]]
	[[ $(wc -l <"$RIG_DIR/served") == 0 && $(grep -c '": ' "$RIG_DIR/served") == 0 ]]
	grep -q $'^Content-Type: application/json\r$' "$RIG_DIR/head"
	grep -q $'^Cache-Control: no-store\r$' "$RIG_DIR/head"
	grep -q -E $'^Bwctl-Read-At: [0-9]+\\.[0-9]{6}\r$' "$RIG_DIR/head"
	rig_wait 30 is_shown --compressed
	grep -q $'^Content-Encoding: gzip\r$' "$RIG_DIR/head"
	[[ $(get -I -o /dev/null -w '%{http_code} %{size_download}' "$URL/api/v1/show") == '200 0' ]]
	[[ $(get -o /dev/null -w '%{http_code}' -X POST -d x "$URL/api/v1/show") == 405 ]]
	rig_stop "$RIG_PID"
}

# status HOST [URL]: of the answer to who asks for HOST; without one, none is named.
status() {
	get -o /dev/null -w '%{http_code}' -H "Host:${1:+ $1}" "${2:-$URL}/api/v1/show"
}

@test "on a loopback address it answers to local names alone, elsewhere to any" {
	local host
	shared_pins
	rig_bwctl load eth0
	start_exporter
	for host in localhost localhost:9977 127.0.0.1:1 '[::1]:9977'; do
		expect_status "$host" 200
	done
	expect_status '' 200
	for host in evil.example evil.example:9977 localhost.evil.example 192.0.2.1; do
		expect_status "$host" 403
	done
	get -H 'Host: evil.example' "$URL/" | grep -q 'answers only to localhost, 127.0.0.1 and \[::1\]'
	rig_stop "$RIG_PID"
	rig_start appliance "$EXPORTER" --listen :9978 >"$RIG_DIR/exporter" 2>&1
	rig_wait 30 rig_listens appliance tcp 9978
	[[ $(status evil.example http://127.0.0.1:9978) == 200 ]]
	# Not on a terminal: nothing is said.
	[[ ! -s $RIG_DIR/exporter ]]
}

expect_status() {
	local code
	code=$(status "$1")
	[[ $code == "$2" ]] || {
		echo "Host '$1': $code, expected $2"
		return 1
	}
}

@test "started on a terminal it says where to look" {
	rig_start appliance script -q -e -c "$EXPORTER --listen '[::1]:9979'" /dev/null >"$RIG_DIR/typescript" 2>&1 </dev/null
	rig_wait 30 rig_listens appliance tcp 9979
	rig_wait 30 grep -q '^listening on http://\[::1\]:9979/' "$RIG_DIR/typescript"
	rig_stop "$(rig_in appliance ss -H -l -n -t -p 'sport = :9979' | sed -n 's/.*pid=\([0-9]*\).*/\1/p')"
}

@test "/api/v1/show: of a run the program alone, without its arguments" {
	shared_pins
	rig_bwctl load eth0
	rig_bwctl set 50mbit >/dev/null
	start_exporter
	rig_start appliance "$BWCTL" run 10mbit -- sleep 607.5
	rig_wait 30 has_a_run
	[[ $(get "$URL/api/v1/show" | jq -r '.runs[0].command') == sleep ]]
	[[ $(rig_bwctl show --json | jq -r '.runs[0].command') == 'sleep 607.5' ]]
	rig_stop "$RIG_PID"
}

has_a_run() {
	[[ $(get "$URL/api/v1/show" | jq '.runs | length') == 1 ]]
}

@test "an interface whose name is no text is there all the same, and obeyed by no terminal" {
	local name=$'e\xff\e[2Jh'
	rig_in appliance ip link add "$name" type veth peer name plain || skip 'this kernel or ip takes no such name'
	shared_pins
	rig_bwctl load "$name"
	rig_bwctl set 50mbit >/dev/null
	start_exporter
	[[ $(rig_bwctl show --json | jq -c '.interfaces | map(.name)') == '["e\ufffd\u001b[2Jh"]' ]] ||
		[[ $(rig_bwctl show --json | jq -c '.interfaces[0].name') == $'"e\xef\xbf\xbd\\u001b[2Jh"' ]]
	[[ $(get "$URL/api/v1/show" | jq '.interfaces | length') == 1 ]]
	rig_bwctl show >"$RIG_DIR/text"
	grep -q -F 'e??[2Jh' "$RIG_DIR/text"
	run ! grep -q $'\e' "$RIG_DIR/text"
	[[ $(rig_bwctl unload) == 'unloaded from e??[2Jh' ]]
}

@test "/api/v1/show: when it was read goes on with the time, and an answer is not old" {
	local first second before
	shared_pins
	rig_bwctl load eth0
	start_exporter
	before=$(cut -d ' ' -f 1 /proc/uptime)
	first=$(get -o /dev/null -w '%header{bwctl-read-at}' "$URL/api/v1/show")
	sleep 1
	second=$(get -o /dev/null -w '%header{bwctl-read-at}' "$URL/api/v1/show")
	echo "# $first, then $second" >&3
	# What was read for another a quarter of a second ago is not read again.
	jq -n -e "$second - $first > 0.7 and $second - $first < $(cut -d ' ' -f 1 /proc/uptime) - $before + 0.4"
	# The clock of a machine that has been up: it is that of /proc/uptime, or less by what it slept.
	jq -n -e "$second <= $(cut -d ' ' -f 1 /proc/uptime) + 0.1"
}

@test "/api/v1/show says that nothing is loaded, and why there is no answer, as JSON" {
	shared_pins
	start_exporter
	[[ $(get "$URL/api/v1/show" | jq -c 'del(.version)') == \
		'{"since":null,"interfaces":[],"ingress":null,"egress":null,"runs":[]}' ]]
	diff <(rig_bwctl show --json | jq -S .) <(get "$URL/api/v1/show" | jq -S .)
	rig_bwctl load eth0
	mv "$PINS/holders" "$PINS/elsewhere"
	sleep 0.3
	[[ $(get --compressed -D "$RIG_DIR/head" -o "$RIG_DIR/answer" -w '%{http_code}' "$URL/api/v1/show") == 500 ]]
	[[ $(<"$RIG_DIR/answer") == "{\"error\":\"the limiter in '$PINS' is not whole\"}" ]]
	grep -q $'^Content-Type: application/json\r$' "$RIG_DIR/head"
	mv "$PINS/elsewhere" "$PINS/holders"
	rig_wait 30 loaded_by_exporter
	[[ $(get -o /dev/null -w '%{http_code}' "$URL/api/v1/show") == 200 ]]
}

@test "/api/v1/show that cannot be read in time has status 503, as JSON" {
	rig_bwctl load eth0
	start_held_exporter
	[[ $(get -D "$RIG_DIR/head" -o "$RIG_DIR/answer" -w '%{http_code}' "$URL/api/v1/show") == 503 ]]
	[[ $(<"$RIG_DIR/answer") == '{"error":"the counters cannot be read in time"}' ]]
	grep -q $'^Content-Type: application/json\r$' "$RIG_DIR/head"
}

@test "the page: small, of its own alone, guarded, and not sent again to who has it" {
	local url etag sum=0
	start_exporter
	for url in / /page.css /page.js; do
		get -D "$RIG_DIR/head" "$URL$url" >"$RIG_DIR/file"
		sum=$((sum + $(wc -c <"$RIG_DIR/file")))
		run ! grep -E -o 'https?://|url\((["'\'']?)//|(src|href)="(https?:)?//|@import|eval\(|new Function' "$RIG_DIR/file"
		for line in "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" \
			'X-Content-Type-Options: nosniff' 'Referrer-Policy: no-referrer' 'Cache-Control: no-cache' \
			'Cross-Origin-Resource-Policy: same-origin'; do
			grep -q -x -F "$line"$'\r' "$RIG_DIR/head"
		done
		etag=$(tr -d '\r' <"$RIG_DIR/head" | sed -n 's/^ETag: //p')
		[[ $etag == \"?*\" ]]
		[[ $(get -H "If-None-Match: \"x\", W/$etag" -o /dev/null -w '%{http_code} %{size_download}' "$URL$url") == '304 0' ]]
		[[ $(get -H 'If-None-Match: "x"' -o /dev/null -w '%{http_code}' "$URL$url") == 200 ]]
		get --compressed -D "$RIG_DIR/head" "$URL$url" | cmp - "$RIG_DIR/file"
		grep -q $'^Content-Encoding: gzip\r$' "$RIG_DIR/head"
		# Packed it is other bytes, and has another name.
		[[ $(tr -d '\r' <"$RIG_DIR/head" | sed -n 's/^ETag: //p') == "${etag%\"}-gz\"" ]]
		[[ $(get -I -o /dev/null -w '%{http_code} %{size_download}' "$URL$url") == '200 0' ]]
		get -I "$URL$url" | grep -q -i "^content-length: $(wc -c <"$RIG_DIR/file")"
	done
	echo "# $sum bytes" >&3
	((sum < 100000))
	# What it leads to, and that nothing in it is written into its tags, which the guard would refuse.
	get "$URL/" >"$RIG_DIR/file"
	for url in metrics healthz api/v1/show; do
		grep -q "href=\"$url\"" "$RIG_DIR/file"
	done
	run ! grep -E -o ' (style|on[a-z]+)="' "$RIG_DIR/file"
	[[ $(get "$URL/nothing") == 'there are /, /metrics, /healthz and /api/v1/show' ]]
}
