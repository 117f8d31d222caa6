#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What looks at bwctl from outside, in the network of rig.bash: the exporter,
# node_exporter and Prometheus, all of them on the appliance's loopback. Sourced by the
# tests of monitoring after rig.bash.
# shellcheck disable=SC2034 # much is for those

MONITORING=$BWCTL_BUILD/monitoring/usr/bin
EXPORTER=$BWCTL_BUILD/bwctl-exporter
PROMTOOL=$MONITORING/promtool
RULES=$RIG_ROOT/dist/prometheus/bwctl.rules.yml
DASHBOARD=$RIG_ROOT/dist/grafana/bwctl.json
readonly MONITORING EXPORTER PROMTOOL RULES DASHBOARD

# monitoring_needs FILE...: what "make check-monitoring" puts there.
monitoring_needs() {
	local file
	for file; do
		[[ -x $file ]] || rig_fail "'$file' is missing: run make check-monitoring" || return
	done
}

# monitoring_get PATH [CURL-ARGUMENT...]: from the exporter.
monitoring_get() {
	rig_in appliance curl -s -S --fail-with-body --max-time 10 "${@:2}" "http://127.0.0.1:9977$1"
}

# monitoring_exporter [ARGUMENT...]: starts the exporter. Its pid is in RIG_DIR/exporter.pid.
monitoring_exporter() {
	rig_start appliance "$EXPORTER" "$@" >"$RIG_DIR/exporter" 2>&1
	echo "$RIG_PID" >"$RIG_DIR/exporter.pid"
	rig_wait 5 rig_listens appliance tcp 9977 ||
		rig_fail "the exporter does not listen: $(<"$RIG_DIR/exporter")"
}

# monitoring_node_exporter: its textfile collector alone, on RIG_DIR/textfile.
monitoring_node_exporter() {
	mkdir -p "$RIG_DIR/textfile"
	rig_start appliance "$MONITORING/prometheus-node-exporter" --web.listen-address=127.0.0.1:9100 \
		--collector.disable-defaults --collector.textfile \
		--collector.textfile.directory="$RIG_DIR/textfile" >"$RIG_DIR/node-exporter" 2>&1
	rig_wait 10 rig_listens appliance tcp 9100 ||
		rig_fail "node_exporter does not listen: $(<"$RIG_DIR/node-exporter")"
}

# monitoring_rules: the rules, to be seen within seconds: their durations are shorter, their
# expressions are the same.
monitoring_rules() {
	sed -E 's/\[5m\]/[15s]/g; s,/ 240$,/ 12,; s/\[1h\]/[30s]/g; s,/ 3540$,/ 29,
		s/offset 1h/offset 10s/; s/> 180$/> 6/
		s/for: (1m|2m)$/for: 2s/; s/for: (10m|15m|1h)$/for: 4s/' "$RULES"
}

# monitoring_prometheus: one that scrapes each second. As nothing that bwctl does takes it above
# its limit, jobs of the name masked-... see all that it observes as if it were the limit in force.
monitoring_prometheus() {
	monitoring_rules >"$RIG_DIR/bwctl.rules.yml"
	cat >"$RIG_DIR/prometheus.yml" <<-'END'
		global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
		rule_files: [bwctl.rules.yml]
		scrape_configs:
		  - job_name: bwctl
		    static_configs: [{targets: ['127.0.0.1:9977']}]
		  - job_name: node
		    static_configs: [{targets: ['127.0.0.1:9100']}]
		  - job_name: masked-bwctl
		    static_configs: [{targets: ['127.0.0.1:9977']}]
		    relabel_configs: [{target_label: instance, replacement: masked-bwctl}]
		    metric_relabel_configs: &masked
		      - {source_labels: [mode], regex: observe, target_label: mode, replacement: police}
		  - job_name: masked-node
		    static_configs: [{targets: ['127.0.0.1:9100']}]
		    relabel_configs: [{target_label: instance, replacement: masked-node}]
		    metric_relabel_configs: *masked
	END
	rig_start appliance "$MONITORING/prometheus" --config.file="$RIG_DIR/prometheus.yml" \
		--storage.tsdb.path="$RIG_DIR/tsdb" --web.listen-address=127.0.0.1:9090 \
		>"$RIG_DIR/prometheus" 2>&1
	rig_wait 20 monitoring_ready || rig_fail "Prometheus does not start: $(tail -n 5 "$RIG_DIR/prometheus")"
}

monitoring_ready() {
	rig_in appliance curl -s -f -o "$RIG_DIR/ready" http://127.0.0.1:9090/-/ready
}

# monitoring_query EXPRESSION [TIME]: prints what it is, as an array; fails if that is not to be had.
monitoring_query() {
	rig_in appliance curl -s -S -G http://127.0.0.1:9090/api/v1/query \
		--data-urlencode "query=$1" ${2:+--data-urlencode "time=$2"} |
		jq -c -e 'if .status == "success" then .data.result else error(.error) end'
}

# monitoring_range EXPRESSION BEGIN END STEP: the same of a time.
monitoring_range() {
	rig_in appliance curl -s -S -G http://127.0.0.1:9090/api/v1/query_range \
		--data-urlencode "query=$1" -d "start=$2" -d "end=$3" -d "step=$4" |
		jq -c -e 'if .status == "success" then .data.result else error(.error) end'
}

# monitoring_fires LABELS: whether an alert fires, as {alertname="..."} has it; monitoring_silent: none.
monitoring_fires() {
	[[ $(monitoring_query "ALERTS{alertstate=\"firing\",$1}") != '[]' ]]
}

monitoring_silent() {
	[[ $(monitoring_query "ALERTS{alertstate=\"firing\",$1}") == '[]' ]]
}

# monitoring_writes: writes the file for node_exporter each second. Its pid is in RIG_DIR/writes.pid.
monitoring_writes() {
	# shellcheck disable=SC2016 # for the inner shell to expand
	rig_start appliance bash -c 'while "$1" metrics --output "$2/textfile/bwctl.prom"; do sleep 1; done' \
		writes "$BWCTL" "$RIG_DIR" >"$RIG_DIR/writes" 2>&1
	echo "$RIG_PID" >"$RIG_DIR/writes.pid"
}
