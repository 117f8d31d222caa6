#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# docs/monitoring.md, tried out: its commands run as they stand there and print what is
# shown, its table of metrics is what there is, and an agent of Zabbix and one of net-snmp have what
# it has them configured for. Runs itself under bats in mount and network namespaces of its own.
# shellcheck shell=bats disable=SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/../net/rig.bash" bats "${BASH_SOURCE[0]}"
fi

# shellcheck source-path=SCRIPTDIR source=../net/rig.bash
source "$BATS_TEST_DIRNAME/../net/rig.bash"
# shellcheck source-path=SCRIPTDIR source=monitoring.bash
source "$BATS_TEST_DIRNAME/monitoring.bash"

DOCUMENT=$RIG_ROOT/docs/monitoring.md
UNPACKED=$BWCTL_BUILD/monitoring

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself" || return
	monitoring_needs "$PROMTOOL" "$MONITORING/prometheus-node-exporter" "$EXPORTER" \
		"$UNPACKED/usr/sbin/zabbix_agentd" "$UNPACKED/usr/sbin/snmpd"
}

setup() {
	rig_make
	# Where node_exporter's package has its directory; and what this machine has stays as it is.
	mount -t tmpfs rig-var-lib /var/lib
	mkdir -p /var/lib/prometheus/node-exporter /etc/prometheus /etc/systemd/system
	PATH=$BWCTL_BUILD:$MONITORING:$PATH
}

teardown() {
	rig_bwctl unload
	rig_destroy
	umount /var/lib
}

# block LANGUAGE: what the blocks of it in the document say.
block() {
	awk -v begin="\`\`\`$1" '/^```/ { shown = $0 == begin; next } shown' "$DOCUMENT"
}

alike() {
	sed -E 's/[0-9]+([ .][0-9]+)*/N/g; s/\b(tcx|clsact)\b/HOOK/g; s/\b(pace|police)\b/MODE/g'
}

# is_like SHOWN PRINTED: as shown, where a line "..." is any lines.
is_like() {
	local pattern
	# Each line for itself, quoted, and any number of lines where there is "...".
	pattern=$(alike <<<"$1" | perl -pe 'if (/^\.\.\.$/) { $_ = "(?:.*\\n)*?" } else { chomp; $_ = quotemeta($_) . "\\n" }')
	alike <<<"$2" | perl -0777 -e '$pattern = shift; $text = <STDIN>; exit !($text =~ /\A$pattern\z/)' "$pattern"
}

# try COMMAND SHOWN
try() {
	local printed
	printed=$(cd "$RIG_ROOT" && rig_in appliance bash -o pipefail -c "$1" 2>&1 </dev/null) || {
		printf '%s: fails\n%s\n' "$1" "$printed"
		return 1
	}
	is_like "${2%$'\n'}" "$printed" || {
		printf '%s: prints\n%s\nand not\n%s\n' "$1" "$printed" "$2"
		return 1
	}
}

@test "every command runs, and prints what is shown" {
	local line command='' shown='' tried=0
	# The units of the packages do this; there is no systemd here.
	monitoring_exporter --listen 127.0.0.1:9977
	ln -s /var/lib/prometheus/node-exporter "$RIG_DIR/textfile"
	monitoring_node_exporter
	while IFS= read -r line; do
		if [[ $line != '# '[a-z]* || $line == '# HELP'* ]]; then
			shown+=$line$'\n'
			continue
		fi
		if [[ -n $command && $command != 'systemctl enable --now bwctl-'* ]]; then
			echo "# $command" >&3
			try "$command" "$shown"
			tried=$((tried + 1))
		fi
		command=${line#'# '} shown=''
	done < <(block console && echo '# end')
	((tried >= 14))
}

@test "the units are in order" {
	type systemd-analyze >/dev/null 2>&1 || skip 'systemd-analyze is not installed'
	cp "$RIG_ROOT"/dist/prometheus/bwctl-metrics.* /etc/systemd/system
	# Where the package has it.
	sed -i "s,^ExecStart=/usr/sbin/bwctl,ExecStart=$BWCTL," /etc/systemd/system/bwctl-metrics.service
	run systemd-analyze verify --man=no /etc/systemd/system/bwctl-metrics.service \
		/etc/systemd/system/bwctl-metrics.timer
	echo "$output"
	[[ $status == 0 && $output != *bwctl-metrics* ]]
}

@test "the table of metrics is what there is" {
	rig_bwctl load eth0
	rig_bwctl set 50mbit mode observe class lab 5mbit reserve 1mbit class free exempt yes
	rig_bwctl save
	rig_bwctl metrics | sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' | sed -E 's/_(receive|transmit)_/_X_/' |
		sort -u >"$RIG_DIR/there"
	sed -n '/^## The metrics/,/^## Queries/p' "$DOCUMENT" | grep -o '^| [^|]*' | grep -o 'bwctl_[A-Za-z_]*' |
		sort -u >"$RIG_DIR/written"
	diff "$RIG_DIR/written" "$RIG_DIR/there"
	# And its labels.
	rig_bwctl metrics | sed -n 's/^\(bwctl_[a-z_]*\){\(.*\)} .*/\1 \2/p' |
		sed -E 's/_(receive|transmit)_/_X_/; s/="[^"]*"//g; s/_bucket / /; s/,/ /g' | sort -u |
		while read -r name labels; do
			echo "$name: $labels"
			for label in $labels; do
				grep -q "^| .*\`$name\`.*\`$label\`" "$DOCUMENT"
			done
		done
}

@test "the table of alerts is what there is" {
	diff <(sed -n 's/^| \(Bwctl[A-Za-z]*\) | \([a-z]*\) |.*/\1 \2/p' "$DOCUMENT" | sort) \
		<(awk '/- alert:/ { name = $3 } /severity:/ && $1 != "#" { print name, $2 }' "$RULES" | sort -u)
}

# shellcheck disable=SC2016 # these are no commands
@test "the fields of the JSON are there" {
	local field
	rig_bwctl load eth0
	rig_bwctl set 50mbit
	rig_bwctl show --json >"$RIG_DIR/show"
	while IFS= read -r field; do
		echo "$field"
		# Where nothing is missing, some are null, and no interface is selected.
		[[ $field == *select* || $field == *_reason || $field == *_max ]] ||
			jq -e "$field" "$RIG_DIR/show"
		jq "$field" "$RIG_DIR/show"
	done < <(sed -n '/^## JSON/,$p' "$DOCUMENT" | sed -n '/^| /p' | sed 's/\\|/|/g' | grep -o '`\.[^`]*`' | tr -d '`')
}

# from_packages COMMAND...: with the libraries that were unpacked beside it.
from_packages() {
	local libraries
	libraries=$(dirname "$(find "$UNPACKED/usr/lib" -name 'libnetsnmp.so.40' | head -n 1)")
	rig_in appliance env LD_LIBRARY_PATH="$libraries:$UNPACKED/lib/${libraries##*/}" "$@"
}

# Nobody is root here by sudo, and bwctl is not installed.
as_here() {
	sed "s,sudo -n /usr/sbin/bwctl,$BWCTL,"
}

@test "Zabbix: the agent's parameters are what bwctl says" {
	local key
	rig_bwctl load eth0
	rig_bwctl set 50mbit
	{
		printf 'LogFile=%s\nServer=127.0.0.1\n' "$RIG_DIR/zabbix.log"
		block zabbix | as_here
	} >"$RIG_DIR/zabbix.conf"
	for key in bwctl.show bwctl.flows; do
		from_packages "$UNPACKED/usr/sbin/zabbix_agentd" -c "$RIG_DIR/zabbix.conf" -t "$key" |
			sed "s/^$key *\[t|//; \$s/\]\$//" >"$RIG_DIR/$key"
		jq -e .version "$RIG_DIR/$key"
	done
	jq -e '.egress.limit_bits_per_second == 50000000' "$RIG_DIR/bwctl.show"
}

@test "net-snmp: the agent's numbers are what bwctl says" {
	local name answer oid i
	rig_bwctl load eth0
	rig_bwctl set 50mbit
	{
		echo 'rocommunity public 127.0.0.1'
		block snmpd | as_here
	} >"$RIG_DIR/snmpd.conf"
	rig_start appliance env LD_LIBRARY_PATH="$(from_packages printenv LD_LIBRARY_PATH)" \
		SNMP_PERSISTENT_DIR="$RIG_DIR/snmp" "$UNPACKED/usr/sbin/snmpd" -f -Lo -C -c "$RIG_DIR/snmpd.conf" \
		-I -smux 127.0.0.1:1161 >"$RIG_DIR/snmpd" 2>&1
	rig_wait 10 rig_listens appliance udp 1161
	while read -r name; do
		# By number, as there may be no MIB that names it: the index is a text with its length.
		oid=.1.3.6.1.4.1.8072.1.3.2.3.1.1.${#name}
		for ((i = 0; i < ${#name}; i++)); do
			oid+=.$(printf '%d' "'${name:i:1}")
		done
		answer=$(from_packages "$UNPACKED/usr/bin/snmpget" -v 2c -c public -t 5 -m '' -O qv \
			127.0.0.1:1161 "$oid" | tr -d '"')
		echo "# $name: $answer" >&3
		[[ $answer =~ ^[0-9]+$ ]]
		[[ $name != bwctl-out-limit || $answer == 50000000 ]]
		[[ $name != bwctl-not-attached || $answer == 0 ]]
	done < <(block snmpd | sed -n 's/^extend \([^ ]*\) .*/\1/p')
	grep -q -F "$(cut -d. -f1-13 <<<"$oid")" "$DOCUMENT"
}
