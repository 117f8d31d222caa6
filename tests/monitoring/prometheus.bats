#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A real Prometheus looks at bwctl through BWCTL_SECONDS of traffic (300): what it says is
# compared with captures, each alert fires and ends, and the dashboard has something to show.
# The tests are parts of one story, in their order. Runs itself under bats in mount and network
# namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/../net/rig.bash" bats "${BASH_SOURCE[0]}"
fi

# shellcheck source-path=SCRIPTDIR source=../net/rig.bash
source "$BATS_TEST_DIRNAME/../net/rig.bash"
# shellcheck source-path=SCRIPTDIR source=monitoring.bash
source "$BATS_TEST_DIRNAME/monitoring.bash"

BWCTL_SECONDS=${BWCTL_SECONDS:-300}
# The even part of it; the alerts take a bit less than two minutes.
EVEN_SECONDS=$((BWCTL_SECONDS > 180 ? BWCTL_SECONDS - 120 : 60))
# The exporter and Prometheus read the counters at moments that are not quite those of the capture.
TOLERANCE=0.02

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself" || return
	monitoring_needs "$MONITORING/prometheus" "$MONITORING/prometheus-node-exporter" "$EXPORTER" ||
		return
	rig_make
	rig_offloads off
	ip -n appliance link add eth1 type veth peer name eth1 netns inside
	ip -n appliance link set eth1 up
	printf '[limit]\n' >/etc/bwctl.conf
	rig_bwctl load eth0 eth1
	rig_bwctl set 20mbit class ui reserve 1mbit class lab exempt yes class jump 1mbit \
		flow lab class lab protocol udp remote 9001 flow jump class jump protocol udp remote 9002
	monitoring_exporter --listen 127.0.0.1:9977
	monitoring_node_exporter
	monitoring_writes
	monitoring_prometheus
	date +%s >"$RIG_DIR/began"
	for port in 9000 9001 9002; do
		rig_sink "sink-far-$port" far "$port"
		rig_sink "sink-inside-$port" inside "$port"
	done
}

teardown_file() {
	rig_bwctl unload
	rig_destroy
}

# captured NAME FILTER BEGIN END: "packets bytes" of a capture in that time.
captured() {
	tcpdump -r "$RIG_DIR/$1.pcap" -n -tt -e -q "$2" 2>/dev/null |
		awk -v begin="$3" -v end="$4" '
			$1 >= begin && $1 < end && match($0, /length [0-9]+:/) {
				packets++
				bytes += substr($0, RSTART + 7, RLENGTH - 8)
			}
			END { print packets + 0, bytes + 0 }'
}

# near WHAT CAPTURED SECONDS EXPRESSION TIME [MORE]: the one number that Prometheus has for it is
# that, but for the tolerance, and MORE.
near() {
	local rate tolerance=$TOLERANCE${6:+ + $6}
	rate=$(monitoring_query "$4" "$5" | jq -r 'if length == 1 then .[0].value[1] else "none" end')
	echo "# $1: captured $(jq -n "$2 / $3 | floor"), Prometheus has $rate" >&3
	jq -n -e --arg rate "$rate" --argjson captured "$2" --argjson seconds "$3" \
		--argjson tolerance "$(jq -n "$tolerance")" '($captured / $seconds) as $rated |
		$captured > 100 and (($rate | tonumber) - $rated | fabs) <= $rated * $tolerance' >/dev/null
}

# same_rates CLASS DIRECTION CAPTURE FILTER BEGIN END: bytes and packets of a class.
same_rates() {
	local packets bytes range=$(($6 - $5))
	read -r packets bytes < <(captured "$3" "$4" "$5" "$6")
	near "$1 $2 bytes" "$bytes" "$range" \
		"rate(bwctl_$2_bytes_total{job=\"bwctl\",class=\"$1\",interface=\"eth0\"}[${range}s])" "$6"
	near "$1 $2 packets" "$packets" "$range" \
		"rate(bwctl_$2_packets_total{job=\"bwctl\",class=\"$1\",interface=\"eth0\"}[${range}s])" "$6"
	# By file they are as many, a second or two earlier or later.
	near "$1 $2 bytes by file" "$bytes" "$range" \
		"rate(bwctl_$2_bytes_total{job=\"node\",class=\"$1\",interface=\"eth0\"}[${range}s])" "$6" \
		"1 / $range"
}

# same_drops CLASS FLOOD CAPTURE FILTER BEGIN END: those of a flood are what is missing of it.
same_drops() {
	local packets bytes range=$(($6 - $5)) sent
	read -r packets bytes < <(captured "$3" "$4" "$5" "$6")
	sent=$(jq "(.sent_packets / .seconds * $range) | floor" "$RIG_DIR/$2.flood")
	near "$1 dropped" "$((sent - packets))" "$range" \
		"sum(rate(bwctl_transmit_dropped_packets_total{job=\"bwctl\",class=\"$1\",interface=\"eth0\"}[${range}s]))" "$6"
}

@test "rates of each series are those of a capture at the far end" {
	local begin end seconds=$EVEN_SECONDS name
	rig_capture out far eth0
	rig_capture in inside eth0
	rig_flow ssh far inside to "$RIG_FAR4" port 22 seconds "$seconds"
	rig_flow api far inside to "$RIG_FAR4" port 443 seconds "$seconds" reverse yes
	rig_flow admin inside far to "$RIG_INSIDE4" port 8443 seconds "$seconds" reverse yes
	rig_flow ui inside far to "$RIG_INSIDE6" port 443 seconds "$seconds"
	rig_flood other-out inside "$RIG_FAR4" 9000 10mbit "$seconds"
	rig_flood other-in far "$RIG_INSIDE4" 9000 10mbit "$seconds"
	rig_flood lab-out inside "$RIG_FAR4" 9001 1mbit "$seconds"
	rig_flood jump-out inside "$RIG_FAR4" 9002 3mbit "$seconds"
	rig_start far ping -q -n -i 0.1 -w "$seconds" "$RIG_INSIDE4" >"$RIG_DIR/ping-out"
	begin=$(($(date +%s) + 10))
	end=$((begin + seconds - 15))
	sleep $((end - $(date +%s)))

	# What the limit lets pass is used up: that is to be seen, now.
	rig_wait 20 monitoring_fires 'alertname="BwctlDrops",job="bwctl",direction="receive"'
	rig_wait 20 monitoring_fires 'alertname="BwctlDrops",job="bwctl",direction="transmit"'
	rig_wait 20 monitoring_fires 'alertname="BwctlAtLimit",job="bwctl",direction="receive"'
	rig_wait 20 monitoring_fires 'alertname="BwctlAtLimit",job="bwctl",direction="transmit"'
	rig_wait 20 monitoring_fires 'alertname="BwctlPolicyNotSaved",job="bwctl"'
	for name in ssh api admin ui; do
		rig_flow_wait "$name"
	done
	for name in other-out other-in lab-out jump-out; do
		rig_flood_wait "$name"
	done
	rig_capture_stop out in
	echo "$begin $end" >"$RIG_DIR/even"

	same_rates ssh transmit out 'tcp dst port 22' "$begin" "$end"
	same_rates ssh receive in 'tcp src port 22' "$begin" "$end"
	same_rates api transmit out 'tcp dst port 443' "$begin" "$end"
	same_rates api receive in 'tcp src port 443' "$begin" "$end"
	same_rates admin transmit out 'tcp src port 8443' "$begin" "$end"
	same_rates admin receive in 'tcp dst port 8443' "$begin" "$end"
	same_rates ui transmit out 'ip6 and tcp src port 443' "$begin" "$end"
	same_rates ui receive in 'ip6 and tcp dst port 443' "$begin" "$end"
	same_rates icmp transmit out 'icmp' "$begin" "$end"
	same_rates icmp receive in 'icmp' "$begin" "$end"
	same_rates other transmit out 'udp port 9000' "$begin" "$end"
	same_rates other receive in 'udp port 9000' "$begin" "$end"
	same_rates lab transmit out 'udp port 9001' "$begin" "$end"
	same_rates jump transmit out 'udp port 9002' "$begin" "$end"
	same_drops jump jump-out out 'udp port 9002' "$begin" "$end"
	same_drops other other-out out 'udp port 9000' "$begin" "$end"
	# Each by its reason: what is over the limit of its class is refused before it comes to that of all.
	monitoring_query 'max by (class) (bwctl_transmit_dropped_packets_total{job="bwctl",reason="class_limit"} > 0)' |
		jq -e 'map(.metric.class) == ["jump"]'
	monitoring_query 'max by (class) (bwctl_transmit_dropped_packets_total{job="bwctl",reason="limit"} > 0)' |
		jq -e 'map(.metric.class) | index("other") != null and index("lab") == null'
}

@test "alerts: drops and the time at the limit end with the load, a policy is saved" {
	rig_bwctl save
	rig_wait 40 monitoring_silent 'alertname=~"Bwctl(Drops|AtLimit|PolicyNotSaved)"'
}

@test "alerts: an interface that went away, and is unloaded" {
	monitoring_silent 'alertname="BwctlNotAttached"'
	ip -n appliance link delete eth1
	rig_wait 20 monitoring_fires 'alertname="BwctlNotAttached",job="bwctl",interface="eth1",direction="receive"'
	rig_wait 20 monitoring_fires 'alertname="BwctlNotAttached",job="bwctl",interface="eth1",direction="transmit"'
	monitoring_silent 'alertname="BwctlNotAttached",interface="eth0"'
	rig_bwctl unload eth1
	rig_wait 20 monitoring_silent 'alertname="BwctlNotAttached"'
}

@test "alerts: more than the limit, where it is not observed" {
	local job direction
	rig_bwctl set mode observe
	rig_flood above-out inside "$RIG_FAR4" 9000 50mbit 45
	rig_flood above-in far "$RIG_INSIDE4" 9000 50mbit 45
	for job in masked-bwctl masked-node; do
		for direction in receive transmit; do
			rig_wait 60 monitoring_fires "alertname=\"BwctlAboveLimit\",job=\"$job\",direction=\"$direction\""
		done
	done
	rig_stop "$(<"$RIG_DIR/above-out.pid")" "$(<"$RIG_DIR/above-in.pid")"
	rig_bwctl set mode auto
	rig_bwctl save
	rig_wait 60 monitoring_silent 'alertname="BwctlAboveLimit"'
}

@test "alerts: the exporter is stopped, and starts again" {
	monitoring_silent 'alertname=~"Bwctl(ExporterDown|MetricsStale|MetricsGone|NotLoaded)"'
	rig_stop "$(<"$RIG_DIR/exporter.pid")"
	rig_wait 20 monitoring_fires 'alertname="BwctlExporterDown",job="bwctl"'
	monitoring_exporter --listen 127.0.0.1:9977
	rig_wait 20 monitoring_silent 'alertname="BwctlExporterDown"'
}

@test "alerts: the file is not written, is gone, and is there again" {
	rig_stop "$(<"$RIG_DIR/writes.pid")"
	rig_wait 30 monitoring_fires 'alertname="BwctlMetricsStale",job="node"'
	rm "$RIG_DIR/textfile/bwctl.prom"
	rig_wait 30 monitoring_fires 'alertname="BwctlMetricsGone",job="node"'
	monitoring_silent 'alertname="BwctlMetricsGone",job="bwctl"'
	monitoring_writes
	rig_wait 30 monitoring_silent 'alertname=~"BwctlMetrics(Stale|Gone)"'
}

@test "alerts: nothing is loaded, until it is" {
	rig_bwctl unload
	rig_wait 30 monitoring_fires 'alertname="BwctlNotLoaded",job="bwctl"'
	rig_bwctl load eth0
	rig_wait 30 monitoring_silent 'alertname="BwctlNotLoaded"'
}

@test "alerts: each one has fired, none for what was observed only, and all have ended" {
	local name
	while read -r name; do
		echo "# $name" >&3
		[[ $(monitoring_query "max_over_time(ALERTS{alertname=\"$name\",alertstate=\"firing\"}[1h])") != '[]' ]]
	done < <(sed -n 's/.*- alert: //p' "$RULES" | sort -u)
	[[ $(monitoring_query 'max_over_time(ALERTS{alertname="BwctlAboveLimit",job=~"bwctl|node"}[1h])') == '[]' ]]
	rig_wait 60 monitoring_silent 'job=~".+"'
}

@test "dashboard: every query has something to show" {
	local expression answer began queries=0
	began=$(<"$RIG_DIR/began")
	while IFS= read -r expression; do
		expression=${expression//\$instance/127.0.0.1:9977}
		expression=${expression//\$interface/.*}
		expression=${expression//\$__rate_interval/15s}
		answer=$(monitoring_range "$expression" "$began" "$(date +%s)" 2)
		queries=$((queries + 1))
		[[ $answer != '[]' ]] || {
			echo "no data: $expression"
			return 1
		}
	done < <(jq -r '.panels[].targets[]?.expr, .annotations.list[].expr' "$DASHBOARD")
	echo "# $queries queries" >&3
	((queries > 30))
	# What the variables are taken from.
	jq -r '.templating.list[] | select(.type == "query") | .query.query' "$DASHBOARD" |
		sed -n 's/^label_values(\(.*\), \([a-z]*\))$/\1 \2/p' |
		while read -r expression name; do
			expression=${expression//\$instance/127.0.0.1:9977}
			answer=$(monitoring_query "$expression")
			jq -e --arg name "$name" 'length > 0 and all(.metric[$name])' <<<"$answer"
		done
}

@test "documents: every PromQL expression of docs/monitoring.md has an answer" {
	local expression answer began queries=0
	began=$(<"$RIG_DIR/began")
	while IFS= read -r expression; do
		answer=$(monitoring_range "$expression" "$began" "$(date +%s)" 2)
		queries=$((queries + 1))
		[[ $answer != '[]' ]] || {
			echo "no data: $expression"
			return 1
		}
	done < <(awk '/^```/ { shown = $0 == "```promql"; next } shown && !/^#/ && NF' \
		"$RIG_ROOT/docs/monitoring.md" | sed 's/\[[0-9]*[mhd]\]/[15s]/g')
	((queries > 5))
}
