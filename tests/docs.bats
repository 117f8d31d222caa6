#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The documents, tried out: what README.md, the manual and the help show is run
# as it stands there, and what they list is compared with what there is.
#
# A command is shown after the prompt "# ", in a "console" block of README.md and of
# docs/troubleshooting.md or in .Dl or .Bd -literal of the manual; those that begin with bwctl are run. What
# follows it, up to the next one, is what it prints: any number stands for any
# other, either hook and either mode for the other, and "..." for any lines.
# "bwctl: " begins an error, and the heading says the exit status. Everything is run in a network
# and a BPF file system of its own, where eth0 and eth1 are to be had, and a host that answers on port 443.

ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
README=$ROOT/README.md
MANUAL=$ROOT/docs/bwctl.8
EXPORTER_MANUAL=$ROOT/docs/bwctl-exporter.8
CONF_MANUAL=$ROOT/docs/bwctl.conf.5
TROUBLES=$ROOT/docs/troubleshooting.md
BWCTL_BUILD=$(realpath "${BWCTL_BUILD:-$ROOT/build}")
BWCTL=$BWCTL_BUILD/bwctl
PATH=$BWCTL_BUILD:$PATH
export ROOT README MANUAL EXPORTER_MANUAL BWCTL_BUILD BWCTL PATH

setup_file() {
	[[ -x $BWCTL ]] || {
		echo "'$BWCTL' is missing: run make" >&2
		return 1
	}
}

# ---- what is run in the network: exported to it, not run here ----

# run_there COMMAND-LINE: on the appliance, as a root shell would.
run_there() {
	rig_in appliance bash -o pipefail -c "$1" </dev/null
}

# Numbers, hooks, modes and blanks, as far as they may differ from one machine to the next.
alike() {
	sed -E 's/Linux [0-9][^ ]*/Linux N/; s/[0-9]+([ .][0-9]+)*/N/g; s/\b(tcx|clsact)\b/HOOK/g; s/[[:blank:]]+/ /g; s/ $//
		s/^ (pace|police): .*/ MODE/; s/\b(pace|police)\b/MODE/g
		s/ [kM]?B \(N ms\)/ B (N ms)/; s/bound B N [kM]?B/bound B N B/
		s/ paced mean wait longest$//; s/^( [a-z]+ N N N N) .*/\1/'
}

# is_like SHOWN PRINTED
is_like() {
	local -a expected have
	local line at=0 any=0
	mapfile -t expected < <(alike <<<"$1")
	mapfile -t have < <(alike <<<"$2")
	for line in "${expected[@]}"; do
		if [[ $line == ... ]]; then
			any=1
			continue
		fi
		while ((any && at < ${#have[@]})) && [[ ${have[at]} != "$line" ]]; do
			at=$((at + 1))
		done
		[[ ${have[at]-} == "$line" ]] || return
		at=$((at + 1)) any=0
	done
	((any || at == ${#have[@]}))
}

# try COMMAND-LINE SHOWN STATUS: runs it; STATUS is that of an error, if one is shown.
try() {
	local command=$1 shown=${2%$'\n'} due=0 status=0 printed errors
	[[ $shown != bwctl:* ]] || due=$3
	printed=$(run_there "$command" 2>"$RIG_DIR/errors") || status=$?
	errors=$(<"$RIG_DIR/errors")
	if ((status != due)); then
		printf '%s: exit status %s, expected %s\n%s\n' "$command" "$status" "$due" "$errors"
		return 1
	fi
	if ((due)); then
		printed=$(head -n 1 <<<"$errors")
		[[ $printed == "$shown" ]] || {
			printf '%s: says\n%s\nand not\n%s\n' "$command" "$printed" "$shown"
			return 1
		}
	elif [[ -n $shown ]]; then
		is_like "$shown" "$printed" || {
			printf '%s: prints\n%s\nand not\n%s\n' "$command" "$printed" "$shown"
			return 1
		}
	fi
}

# try_all: the commands of a document, as commands_of_... prints them, one after the other.
try_all() {
	local line command='' shown='' status=1 tried=0 failed=0
	while IFS= read -r line; do
		case $line in
		'# '* | '@'*)
			[[ -z $command ]] || try "$command" "$shown" "$status" || failed=1
			command='' shown=''
			;;&
		'# bwctl'*) command=${line#'# '} tried=$((tried + 1)) ;;
		'# '*) ;;
		'@'*) status=${line#@} ;;
		*) shown+=$line$'\n' ;;
		esac
	done < <(cat && echo '# ')
	((tried)) || echo 'no command found'
	((tried && !failed))
}

# try_help: the examples in the help of each command. Loaded before, or not, as each needs it.
try_help() {
	local command example tried=0 failed=0
	for command in '' $(command_names); do
		while IFS= read -r example; do
			[[ -z $command || $command == load ]] || run_there 'bwctl load eth0 eth1' >/dev/null
			try "$example" '' 1 || failed=1
			run_there 'bwctl unload; bwctl -n blue unload' >/dev/null
			tried=$((tried + 1))
		done < <("$BWCTL" help ${command:+"$command"} | sed -n 's/^  \(bwctl .*\)$/\1/p' | sed 's/   *[^ ].*//')
	done
	((tried > 6 && !failed))
}

# try_exporter: the examples of its manual, in their order; the first one goes on.
try_exporter() {
	local command pid='' code=0
	run_there 'bwctl load eth0' >/dev/null || return
	while IFS= read -r command; do
		if [[ $command == bwctl-exporter* ]]; then
			# shellcheck disable=SC2086 # words, as a shell would have them
			rig_start appliance $command
			pid=$RIG_PID
			rig_wait 60 rig_in appliance curl --silent --fail --output /dev/null \
				http://127.0.0.1:9977/healthz || code=1
		else
			[[ $(run_there "$command") == *[a-z]* ]] || code=1
		fi
	done
	[[ -z $pid ]] || { kill "$pid" && wait "$pid"; } || code=1
	((!code))
}

# The names in the JSON of show, flows, check and watch.
json_names() {
	run_there 'bwctl load eth0 && bwctl set 50mbit' >/dev/null &&
		run_there 'bwctl run class ssh 5mbit -- bwctl show --json && bwctl flows --json && bwctl check --json &&
			bwctl watch --json --interval 100ms | head -n 1 &&
			bwctl check --json --reach 192.0.2.1; bwctl check --json --jumphost nohost.invalid || :' |
		jq -r '.. | objects | keys[]' | sort -u
}

# "class flow" of each row of the flow table, both directions.
flow_rows() {
	run_there 'bwctl load eth0' >/dev/null &&
		run_there 'bwctl flows --json' | jq -r '.flows[] | .class + "\t" + .flow' | sort -u
}

command_names() {
	"$BWCTL" help | sed -n 's/^  \([a-z]*\)  .*/\1/p'
}

with_network() {
	source "$ROOT/tests/net/rig.bash"
	trap rig_destroy EXIT
	# Where node_exporter would look for files: of this mount namespace alone.
	mount -t tmpfs docs-lib /var/lib && mkdir -p /var/lib/prometheus/node-exporter &&
		rig_make &&
		rig_answer docs far && echo "$RIG_FAR4:443" >/etc/bwctl.hosts &&
		ip -n appliance link add eth1 type veth peer name eth1 netns inside &&
		ip netns add blue &&
		ip -n blue link add eth0 type veth peer name eth1 || return
	"$@"
}

# try_shell: of commands that are not bwctl's, those that mind only this network and its pins are run, and the
# others are there.
try_shell() {
	local line tried=0
	run_there 'bwctl load eth0' >/dev/null || return
	while IFS= read -r line; do
		echo "$line"
		bash -n -c "$line" && [[ $(type -P "${line%% *}") ]] || return
		case $line in
		'ip '* | 'chown '* | 'chmod '* | 'bwctl '*)
			run_there "$line" || return
			tried=$((tried + 1))
			;;
		esac
	done
	run_there 'bwctl unload' && ((tried >= 4))
}

export -f run_there alike is_like try try_all try_help try_shell try_exporter json_names flow_rows command_names with_network

# there FUNCTION...: in the network, which goes away with it.
there() {
	"$ROOT/tests/net/rig.bash" bash -c 'with_network "$@"' docs "$@"
}

# ---- what the documents say ----

# commands_of_page FILE
commands_of_page() {
	awk '/^```/ { shown = $0 == "```console"; next } shown' "$1"
}

# shell_of_page FILE
shell_of_page() {
	awk '/^```/ { shown = $0 == "```sh"; next } shown' "$1"
}

commands_of_manual() {
	awk '
		/^\.Ss .*exit status [0-9]/ { sub(/.*exit status /, "@"); print }
		/^\.Dl # / { sub(/^\.Dl /, ""); print }
		/^\.Ed/ { shown = 0 }
		shown
		/^\.Bd -literal/ { shown = 1 }
	' "$MANUAL"
}

block_of_readme() {
	awk -v begin="\`\`\`$1" '/^```/ { shown = $0 == begin; next } shown' "$README"
}

files_of_readme() {
	local pattern description
	while read -r pattern description; do
		if [[ -z $description ]]; then
			echo "$pattern: nothing is said of it"
		fi
		# A pattern such as user/log.[ch] stands for its files.
		(cd "$ROOT" && compgen -G "$pattern") || echo "$pattern: no such file"
	done < <(block_of_readme tree)
}

tracked_files() {
	git -C "$ROOT" -c safe.directory="$ROOT" ls-files | while IFS= read -r file; do
		[[ ! -e $ROOT/$file ]] || printf '%s\n' "$file"
	done
}

all_files() {
	tracked_files 2>/dev/null | grep . || files_of_readme
}

# ---- the tests ----

@test "README.md: every bwctl command runs, and prints what is shown" {
	commands_of_page "$README" | there try_all
}

@test "docs/guide.md: every bwctl command runs, and prints what is shown" {
	commands_of_page "$ROOT/docs/guide.md" | there try_all
}

@test "docs/troubleshooting.md: every bwctl command runs" {
	commands_of_page "$TROUBLES" | there try_all
}

@test "docs/troubleshooting.md: the other commands run, or are there" {
	shell_of_page "$TROUBLES" | there try_shell
}

@test "what check looks at has a section in docs/troubleshooting.md, and is in the manual, in its order" {
	local names=$BATS_TEST_TMPDIR/names
	sed -n 's/^\t\[CHECK_[A-Z]*\] = "\(.*\)",$/\1/p' "$ROOT/user/check.c" >"$names"
	[[ $(wc -l <"$names") -ge 29 ]]
	diff "$names" <(sed -n 's/^## //p' "$TROUBLES")
	diff "$names" <(sed -n '/^\.Sh CHECKS/,/^\.Sh [^C]/s/^\.It Sy //p' "$MANUAL")
	# And where to begin names no other.
	# shellcheck disable=SC2016 # a name stands between backticks
	diff <(sort -u "$names") <({ cat "$names" && grep '^| ' "$TROUBLES" | grep -o '`[a-z-]*`' | tr -d '`'; } | sort -u)
}

@test "manual: every bwctl command runs, or fails as shown" {
	commands_of_manual | there try_all
}

@test "help: every example runs" {
	there try_help
}

@test "manual of the exporter: every command runs" {
	sed -n 's/^\.Dl # //p' "$EXPORTER_MANUAL" | there try_exporter
}

@test "every option of the exporter is in its manual and in its help" {
	local option
	for option in $("$BWCTL_BUILD/bwctl-exporter" --help | grep -o -e '--[a-z][a-z-]*' | sort -u); do
		echo "option $option"
		grep -q -E -- "(Fl -|, )${option#-}\b|Fl .*${option#--}\b" "$EXPORTER_MANUAL"
	done
}

@test "every command is in the manual, in README.md, and has help" {
	local name
	[[ $(command_names | wc -l) -ge 6 ]]
	for name in $(command_names); do
		echo "command $name"
		"$BWCTL" help "$name" | grep -q "^usage: bwctl $name"
		grep -q "^\.Cm $name\$" "$MANUAL" # synopsis
		grep -q "^\.It Cm $name\b" "$MANUAL"
		grep -q "\`$name\`" "$README"
	done
}

@test "every option is in the manual, and so is every word that set takes" {
	local option word
	for option in $("$BWCTL" --help | grep -o -e '--[a-z][a-z-]*') --hook; do
		echo "option $option"
		grep -q -- "Fl -${option#--}\b" "$MANUAL"
	done
	for word in $("$BWCTL" help set | sed -n 's/^usage: bwctl//; 1,/^$/p' | grep -o '\b[a-z][a-z]*\b'); do
		echo "word $word"
		grep -q "Cm .*\b$word\b" "$MANUAL"
	done
	grep -q "$("$BWCTL" --help | sed -n 's/.*(default \(.*\))/\1/p')" "$MANUAL"
}

@test "the policy file that is shown as an example is good, and so is each line of it" {
	"$BWCTL" apply --check "$ROOT/docs/bwctl.conf"
	sed 's/^#\([a-z[]\)/\1/' "$ROOT/docs/bwctl.conf" >"$BATS_TEST_TMPDIR/all.conf"
	"$BWCTL" apply --check "$BATS_TEST_TMPDIR/all.conf"
	[[ $(grep -c '^[a-z]* = ' "$BATS_TEST_TMPDIR/all.conf") == 20 ]]
}

@test "manual of the policy file: its example is good, it has every key, and the error is as shown" {
	local section key
	awk '/^\.Ed/ { shown = 0 } shown; /^\.Bd -literal/ && !seen++ { shown = 1 }' "$CONF_MANUAL" >"$BATS_TEST_TMPDIR/bwctl.conf"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/bwctl.conf") -gt 15 ]]
	"$BWCTL" apply --check "$BATS_TEST_TMPDIR/bwctl.conf"
	# docs/bwctl.conf has every key, as another test knows.
	while read -r key section; do
		echo "$key of [$section NAME]"
		sed -n "/^\.Ss \[$section/,/^\.S[sh] [^[]/p" "$CONF_MANUAL" | grep -q "^\.It Cm .*\b$key\b"
	done < <(sed -n 's/^#\{0,1\}\(\[[a-z]*\).*/\1/p; s/^#\{0,1\}\([a-z]*\) = .*/\1/p' "$ROOT/docs/bwctl.conf" |
		awk '/^\[/ { section = substr($0, 2); next } { print $0, section }' | sort -u)
	printf '\n\nrate = 50mbut\n[limit]\n' | sed '1s/.*/[limit]/; $d' >"$BATS_TEST_TMPDIR/bwctl.conf"
	cd "$BATS_TEST_TMPDIR"
	run "$BWCTL" apply --check bwctl.conf
	[[ $status == 1 ]]
	grep -q -x -F -e "$output" "$CONF_MANUAL"
}

@test "the JSON has the names that the manual describes, no others" {
	diff <(sed -n -E 's/^\.(It )?Va //p' "$MANUAL" | grep -o '[a-z_]*' | sort -u) <(there json_names)
}

@test "the flow table of README.md and of the manual is the one that bwctl has" {
	local class flow
	there flow_rows >"$BATS_TEST_TMPDIR/rows"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/rows") -ge 14 ]]
	while IFS=$'\t' read -r class flow; do
		echo "$class: $flow"
		grep "^| $class |" "$README" | grep -q -F -e "$flow"
		grep "^\.It $class Ta" "$MANUAL" | grep -q -E -e "Ta $flow( Ta|\$)"
	done <"$BATS_TEST_TMPDIR/rows"
}

@test "the tree in README.md is the tree" {
	git -C "$ROOT" -c safe.directory="$ROOT" rev-parse >/dev/null 2>&1 ||
		skip 'not a git checkout'
	diff <(tracked_files | sort) <(files_of_readme | sort)
}

@test "each file of tests that needs the network begins by isolating itself, whoever runs it" {
	local file
	for file in "$ROOT"/tests/net/*.bats; do
		echo "$file"
		[[ -x $file && $(head -n 1 "$file") == '#!/usr/bin/env bash' ]]
		grep -q '^	exec bash .*/rig[.]bash" bats ' "$file"
	done
}

@test "every file that the documents name exists" {
	local name
	while IFS= read -r name; do
		echo "$name"
		[[ -e $ROOT/$name ]]
	done < <(grep -h -o -E '\b(bpf|dist|docs|include|tests|user)/[A-Za-z0-9_/-]+\.[a-z0-9.]*[a-z0-9]' \
		"$README" "$MANUAL" "$ROOT"/docs/*.md | sort -u)
}

@test "README.md has what make help prints, and CHANGES begins with this version" {
	diff <(block_of_readme make-help) <(make -s --no-print-directory -C "$ROOT" help)
	[[ "bwctl $(head -n 1 "$ROOT/CHANGES")" == "$("$BWCTL" --version)" ]]
}

# installed TARGET PREFIX [VARIABLE=VALUE]...: of what is built already.
installed() {
	make -s --no-print-directory -C "$ROOT" -o all "$1" BUILD="$BWCTL_BUILD" PREFIX="$2" DESTDIR="$BATS_TEST_TMPDIR$2" "${@:3}" >/dev/null
}

@test "what is installed names the bwctl that is installed, below any PREFIX; uninstall leaves no file" {
	local prefix tree documents file
	for prefix in /usr/local /usr; do
		tree=$BATS_TEST_TMPDIR$prefix
		documents=$tree$prefix/share/doc/bwctl
		installed install "$prefix"
		grep -x "ExecStart=$prefix/sbin/bwctl metrics --output .*" "$documents/prometheus/bwctl-metrics.service"
		# The rest is as it is here, but for that.
		for file in "$ROOT"/dist/prometheus/* "$ROOT/dist/grafana/bwctl.json"; do
			diff <(sed "s,/usr/sbin/,$prefix/sbin/," "$file") "$documents/${file#"$ROOT/dist/"}"
		done
		grep -q "$prefix/sbin/bwctl show --json" "$documents/monitoring.md"
		grep -q "^Examples .* \`prometheus/\` .* from \`$prefix/share/doc/bwctl\`[.] Run" "$documents/monitoring.md"
		grep -q "^\`man bwctl\`[.]$" "$documents/README.md"
		while read -r file; do
			echo "$file"
			[[ -x $tree$file ]]
		done < <(grep -h -r -o -E '(/usr(/local)?)?/s?bin/bwctl(-exporter)?\b' "$documents" | sort -u)
		[[ -z $(find "$documents" -type f ! -perm 644) ]]
		# What the manual and the help send the reader to.
		while read -r file; do
			echo "$file"
			[[ -s $documents/$file ]]
		done < <({ cat "$MANUAL" && "$BWCTL" help check; } | grep -o -E '\b[A-Za-z]+[.]md\b' | sort -u | tee "$BATS_TEST_TMPDIR/named")
		[[ $(wc -l <"$BATS_TEST_TMPDIR/named") -ge 4 ]]
		"$ROOT/tests/links" "$documents"/*.md
		installed uninstall "$prefix"
		[[ -z $(find "$tree" ! -type d) && ! -e $documents ]]
	done
}

@test "every way from a document to another leads somewhere, also where examples have a directory of their own" {
	local documents=$BATS_TEST_TMPDIR/usr/usr/share/doc/bwctl directories words
	# One that leads nowhere is found.
	# shellcheck disable=SC2016 # backticks are those of the text
	printf '%s\n' '[a](b.md), `c.md` and ![d](http://e/f), [g](b.md#h), [i](#j), [k](text.md#l), [m](text.md "n")' 'cp dist/prometheus/none.yml /etc/prometheus/' \
		'`docs/e.8` (`mandoc -a docs/f.8`)' >"$BATS_TEST_TMPDIR/text.md"
	run "$ROOT/tests/links" "$BATS_TEST_TMPDIR/text.md"
	[[ $status == 1 && ${lines[*]##*: } == 'b.md c.md b.md dist/prometheus/none.yml docs/e.8 docs/f.8' ]]
	for directories in EXAMPLEDIR=/usr/share/doc/bwctl/examples{,/} \
		'EXAMPLEDIR=/usr/share/doc/bwctl/examples/ DOCDIR=/usr/share/doc/bwctl/' \
		'EXAMPLEDIR=/usr/share/doc/bwctl DOCDIR=/usr/share/doc/bwctl/' EXAMPLEDIR=/usr/share/doc/bwctl/; do
		echo "$directories"
		read -r -a words <<<"$directories"
		installed install /usr "${words[@]}"
		[[ $directories != *examples* || $(grep -c 'examples/' "$documents/README.md") -ge 2 ]]
		"$ROOT/tests/links" "$documents"/*.md
		installed uninstall /usr "${words[@]}"
		[[ -z $(find "$BATS_TEST_TMPDIR/usr" ! -type d) && ! -e $documents ]]
	done
}

@test "the manual is in order (mandoc)" {
	# That they find each other takes that they are installed.
	run bash -c 'mandoc -Tlint "$@" 2>&1 | grep -v -e "^mandoc: outdated" -e "referenced manual not found"' \
		mandoc "$MANUAL" "$EXPORTER_MANUAL" "$CONF_MANUAL"
	[[ -z $output ]] || {
		echo "$output"
		return 1
	}
}

@test "nothing in the tree speaks of where it was written" {
	local file
	# The brackets keep this line from finding itself.
	while IFS= read -r file; do
		! grep -n -i -E '/wor[k]/|/tmp/[i]ssue|[i]ssue #|[s]ession [0-9]' "$ROOT/$file" || {
			echo "in $file"
			return 1
		}
	done < <(all_files)
}
