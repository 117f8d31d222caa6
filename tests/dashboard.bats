#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What is shipped for Grafana and Prometheus, as far as it can be seen without them: the
# dashboard is whole, and it and the alerts ask for metrics that there are. "make
# check-monitoring" tries both on a real Prometheus.

ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
DASHBOARD=$ROOT/dist/grafana/bwctl.json
RULES=$ROOT/dist/prometheus/bwctl.rules.yml

# expressions: all that the dashboard asks.
expressions() {
	jq -r '.panels[].targets[]?.expr, .annotations.list[].expr, (.templating.list[].query.query? // empty)' \
		"$DASHBOARD"
}

@test "the dashboard: every panel has a title, a unit, a description, a place and something to ask" {
	jq -e '.title == "bwctl" and .uid == "bwctl" and (.panels | length) > 20' "$DASHBOARD"
	jq -e '[.panels[].id] | length == (unique | length)' "$DASHBOARD"
	jq -r '.panels[] | select(.type != "row") | select((
		(.title | length) > 0 and (.description | length) > 20 and
		(.fieldConfig.defaults.unit | length) > 0 and (.targets | length) > 0 and
		(.gridPos | .x >= 0 and .x + .w <= 24 and .h > 0) and
		all(.targets[]; (.expr | length) > 0 and .datasource.uid == "${datasource}")) | not) | .title' \
		"$DASHBOARD" | {
		! grep .
	}
}

@test "the dashboard: panels do not lie on each other" {
	jq -e '[.panels[] | {id, place: .gridPos}] as $panels | [$panels[] as $a | $panels[] as $b |
		select($a.id < $b.id and
			$a.place.x < $b.place.x + $b.place.w and $b.place.x < $a.place.x + $a.place.w and
			$a.place.y < $b.place.y + $b.place.h and $b.place.y < $a.place.y + $a.place.h)] | length == 0' \
		"$DASHBOARD"
}

@test "the dashboard: variables for the data source, the machine and the interface, and no others" {
	jq -e '[.templating.list[].name] == ["datasource", "instance", "interface"]' "$DASHBOARD"
	expressions | grep -o '\$[a-z_]*' | sort -u | {
		! grep -v -x -e "\$instance" -e "\$interface" -e "\$__rate_interval"
	}
	# Each metric of one machine: what another one has must not be added.
	jq -r '.panels[].targets[]?.expr' "$DASHBOARD" | grep -o '{[^}]*}' | {
		! grep -v "instance=\"\$instance\""
	}
}

@test "dashboard and alerts ask only for what docs/monitoring.md has" {
	local name
	{
		expressions
		awk '/^ *expr:/, /^ *for:/' "$RULES"
	} | grep -o 'bwctl_[a-z_]*' | sed -E 's/_(receive|transmit)_/_X_/; s/_bucket$//' | sort -u \
		>"$BATS_TEST_TMPDIR/names"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/names") -gt 15 ]]
	while read -r name; do
		echo "$name"
		grep -q "^| .*\`$name\`" "$ROOT/docs/monitoring.md"
	done <"$BATS_TEST_TMPDIR/names"
}

@test "every alert has a severity, says for how long, and what to do" {
	local what
	[[ $(grep -c -e '- alert:' "$RULES") -ge 9 ]]
	for what in '^        for: ' '^          severity: \(critical\|warning\)$' \
		'^          summary: ' '^          description: '; do
		[[ $(grep -c "$what" "$RULES") == "$(grep -c -e '- alert:' "$RULES")" ]]
	done
}

# rules DIRECTION WINDOW: the rules of that direction, without what is said of them.
rules() {
	perl -0777 -ne '
		for (split /(?=^ {6}- alert:)/m) {
			s/^ *#.*\n//mg;
			s/^ *annotations:.*//ms;
			print if /direction: '"$1"'\n/ && (!/window: / || /window: '"$2"'\n/);
		}' "$RULES"
}

@test "the alerts are the same in both directions, and by file as by the exporter" {
	[[ $(rules receive 5m | grep -c -e '- alert') == 3 ]]
	diff <(rules receive 5m | sed 's/receive/transmit/g') <(rules transmit 5m)
	diff <(rules receive 1h | sed 's/receive/transmit/g') <(rules transmit 1h)
	diff <(rules receive 5m | sed '/- alert: BwctlDrops/,$d' | sed -E '
		s/\b5m\b/1h/; s,/ 240$,/ 3540,; $!N; s/unless( on .*\n *node_textfile)/and\1/; P; D') \
		<(rules receive 1h | sed '/- alert: BwctlDrops/,$d')
}
