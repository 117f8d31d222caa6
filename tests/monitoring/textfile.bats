#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The file for node_exporter's textfile collector: while it is written a thousand
# times, and when writers are killed, what is read is whole. Runs itself under
# bats in mount and network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/../net/rig.bash" bats "${BASH_SOURCE[0]}"
fi

# shellcheck source-path=SCRIPTDIR source=../net/rig.bash
source "$BATS_TEST_DIRNAME/../net/rig.bash"
# shellcheck source-path=SCRIPTDIR source=monitoring.bash
source "$BATS_TEST_DIRNAME/monitoring.bash"

WRITTEN=1000

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself" || return
	monitoring_needs "$MONITORING/prometheus-node-exporter" "$PROMTOOL"
}

setup() {
	rig_make
	rig_bwctl load eth0 inside0
	rig_bwctl set 50mbit class ui reserve 1mbit class lab 5mbit
	monitoring_node_exporter
	FILE=$RIG_DIR/textfile/bwctl.prom
	rig_bwctl metrics --output "$FILE"
	SERIES=$(grep -c '^bwctl_' "$FILE")
}

teardown() {
	rig_bwctl unload
	rig_destroy
}

# collected: what node_exporter serves; it has all of the series and no error.
collected() {
	rig_in appliance curl -s -S --fail-with-body http://127.0.0.1:9100/metrics >"$RIG_DIR/collected"
	[[ $(grep -c '^bwctl_' "$RIG_DIR/collected") == "$SERIES" ]] ||
		rig_fail "of $SERIES series there are $(grep -c '^bwctl_' "$RIG_DIR/collected")" || return
	grep -q '^node_textfile_scrape_error 0$' "$RIG_DIR/collected" || rig_fail 'node_textfile_scrape_error'
}

# whole: the file as it is now.
whole() {
	local text
	text=$(<"$FILE")
	[[ $(grep -c '^bwctl_' <<<"$text") == "$SERIES" ]] || rig_fail "'$FILE' is not whole"
}

@test "the file is in order, and has what the exporter serves" {
	"$PROMTOOL" check metrics <"$FILE"
	((SERIES > 300))
	monitoring_exporter --listen 127.0.0.1:9977
	diff <(monitoring_get /metrics | sed -n 's/^\(bwctl_[^ ]*\) .*/\1/p') \
		<(sed -n 's/^\(bwctl_[^ ]*\) .*/\1/p' "$FILE")
	collected
}

@test "written a thousand times: nobody ever reads a part of it" {
	local scrapes=0 began
	rig_sink sink far 9000
	rig_flood flood inside "$RIG_FAR4" 9000 20mbit 600
	# shellcheck disable=SC2016 # for the inner shell to expand
	rig_start appliance bash -c 'for ((i = 0; i < $3; i++)); do "$1" metrics --output "$2" || exit; done
		echo "$i" >"$2.count"' writes "$BWCTL" "$FILE" "$WRITTEN" >"$RIG_DIR/writes" 2>&1
	began=$SECONDS
	while rig_alive "$RIG_PID"; do
		collected
		whole
		scrapes=$((scrapes + 1))
		((SECONDS - began < 500))
	done
	echo "# $scrapes scrapes while it was written $(<"$FILE.count") times" >&3
	[[ $(<"$FILE.count") == "$WRITTEN" && ! -s $RIG_DIR/writes ]]
	((scrapes >= 100))
	rm "$FILE.count"
	[[ $(ls -A "$RIG_DIR/textfile") == bwctl.prom ]]
}

@test "writers that are killed leave it whole, and no other file that would be read" {
	local i
	for i in {1..60}; do
		rig_start appliance "$BWCTL" metrics --output "$FILE"
		sleep "0.0$((i % 40 / 10))$((i % 10))"
		kill -KILL "$RIG_PID" 2>/dev/null || true
		rig_wait_gone 5 "$RIG_PID"
		whole
	done
	[[ $(compgen -G "$RIG_DIR/textfile/*.prom") == "$FILE" ]]
	collected
	rig_bwctl metrics --output "$FILE"
	collected
}

@test "a directory that is not there, and a full disk: an error, and the file as it was" {
	local before
	run rig_bwctl metrics --output "$RIG_DIR/nowhere/bwctl.prom"
	[[ $status == 1 && $output == "bwctl: "*nowhere* ]]
	mkdir "$RIG_DIR/full"
	mount -t tmpfs -o size=64k rig-full "$RIG_DIR/full"
	rig_bwctl metrics --output "$RIG_DIR/full/bwctl.prom"
	before=$(<"$RIG_DIR/full/bwctl.prom")
	head -c 1M /dev/zero >"$RIG_DIR/full/filler" || true
	run rig_bwctl metrics --output "$RIG_DIR/full/bwctl.prom"
	echo "$output"
	[[ $status == 1 && $before == "$(<"$RIG_DIR/full/bwctl.prom")" ]]
	rm "$RIG_DIR/full/filler"
	[[ $(ls -A "$RIG_DIR/full") == bwctl.prom ]]
	umount "$RIG_DIR/full"
}
