#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The page of bwctl-exporter in Chromium, under real traffic: what it draws, against
# what is in force; what it says; who can use it. Runs itself under bats in mount and
# network namespaces of its own.
# shellcheck shell=bats disable=SC2016,SC2030,SC2031

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/../net/rig.bash" bats "${BASH_SOURCE[0]}"
fi

# shellcheck source-path=SCRIPTDIR source=../net/rig.bash
source "$BATS_TEST_DIRNAME/../net/rig.bash"
# shellcheck source-path=SCRIPTDIR source=page.bash
source "$BATS_TEST_DIRNAME/page.bash"
bats_require_minimum_version 1.5.0

AXE=${BWCTL_AXE:-$RIG_ROOT/build/page}/node_modules/axe-core/axe.min.js

setup_file() {
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself" || return
	[[ -s $AXE ]] || rig_fail "no '$AXE': run make check-page"
}

setup() {
	rig_make
	rig_bwctl load eth0
	page_exporter
}

teardown() {
	page_browser_end
	rig_bwctl unload
	rig_destroy
}

set_limits() {
	rig_bwctl set "$@" >/dev/null
}

# traffic SECONDS: out of eth0 14 Mbit/s of ui, 9 of api, and 8 of other. Into it what answers.
traffic() {
	rig_flow ui inside far to "$RIG_INSIDE4" port 443 reverse yes seconds "$1" bitrate 14M
	rig_flow api far inside to "$RIG_FAR4" port 443 seconds "$1" bitrate 9M
	rig_sink other far 9000
	rig_flood other inside "$RIG_FAR4" 9000 8mbit "$1"
}

# Nothing that a browser complains of, and no request but to the exporter.
nothing_odd() {
	local odd
	odd=$(page_log browser | jq -c '.[]')
	[[ -z $odd ]] || rig_fail "the console: $odd" || return
	page_log performance | jq -r '.[].message | fromjson.message |
		select(.method == "Network.requestWillBeSent") | .params.request.url' >"$RIG_DIR/requests"
	grep -q "^${PAGE_URL}api/v1/show\$" "$RIG_DIR/requests" || rig_fail 'it asks for nothing' || return
	odd=$(grep -v -E "^($PAGE_URL(page\.css|page\.js|api/v1/show)?|data:.*)\$" "$RIG_DIR/requests" || true)
	[[ -z $odd ]] || rig_fail "requests: $odd"
}

@test "under traffic the plot moves, classes are stacked to the total, and it says what show says" {
	local before after
	set_limits 50mbit
	page_browser
	page_open
	traffic 300
	page_await 30 'drawn("egress").columns >= 6 && drawn("egress").passed > 25e6'
	before=$(page_eval 'return drawn("egress").classes.ui.shape')
	sleep 1.5
	after=$(page_eval 'return drawn("egress").classes.ui.shape')
	[[ $before != "$after" ]]
	# By the paths alone: what is stacked is the total, to half a pixel or so for each.
	page_eval 'return drawn("egress")' >"$RIG_DIR/drawn"
	jq -c 'del(.classes[].shape, .ceilings)' "$RIG_DIR/drawn" | sed 's/^/# /' >&3
	jq -e '(.classes | map(.bits) | add) as $sum | (.classes | map(.top) | max) as $top |
		($sum / .passed | . > 0.97 and . < 1.03) and ($top / .passed | . > 0.97 and . < 1.03)' "$RIG_DIR/drawn"
	# A second of a busy machine may be far from the mean.
	jq -e '.classes | (.ui.bits | . > 5e6 and . < 40e6) and (.api.bits | . > 3e6 and . < 30e6) and
		(.other.bits | . > 3e6 and . < 20e6)' "$RIG_DIR/drawn"
	jq -e '.ceiling / 50e6 | . > 0.99 and . < 1.01' "$RIG_DIR/drawn"
	# The counters of some seconds say the same as the plot's rate now.
	rig_bwctl show --json | jq '.egress.passed.bytes' >"$RIG_DIR/first"
	sleep 4
	after=$(rig_bwctl show --json | jq ".egress.passed.bytes - $(<"$RIG_DIR/first") | . * 8 / 4")
	page_eval 'return drawn("egress").passed' | jq -e --argjson real "$after" '. / $real | . > 0.6 and . < 1.6'
	# In words too: the table, the meter and the text of the plot.
	page_is 'text("#egress [data-class=ui] td").match(/^\d\d?(\.\d+)? Mbit\/s\n\(\d(\.\d+)? MB\/s\)$/)'
	page_is 'text("#egress [data-class=ui] td:last-child") === "now" && text("#egress [data-class=ssh] td:last-child") === "never"'
	page_is 'Number(document.querySelector("#egress .bar").getAttribute("aria-valuenow")) > 25'
	page_is 'drawn("egress").label.includes("under a ceiling of 50 Mbit/s") && /ui \d+(\.\d+)? Mbit/.test(drawn("egress").label)'
	page_is 'text("#interfaces tbody").includes("eth0")'
	nothing_odd
}

@test "the ceiling follows what is set, and where it was stays to be seen" {
	set_limits 50mbit
	page_browser
	page_open
	rig_sink other far 9000
	rig_flood other inside "$RIG_FAR4" 9000 30mbit 300
	page_await 30 'drawn("egress").columns >= 4 && Math.abs(drawn("egress").ceiling / 50e6 - 1) < 0.01'
	set_limits egress 20mbit
	page_await 30 'Math.abs(drawn("egress").ceiling / 20e6 - 1) < 0.01'
	page_is 'drawn("egress").ceilings.some((each) => Math.abs(each / 50e6 - 1) < 0.01)'
	page_is 'document.querySelector("#ingress .ceiling").dataset.limit === "50000000"'
	page_is 'text("#egress .notes").startsWith("20 Mbit/s (2.5 MB/s) in any 2 s")'
	page_await 30 'drawn("egress").passed < 20.5e6'
	# Far above what passes it is not drawn, and that is said.
	set_limits egress 10gbit
	page_await 30 'text("#egress .names").includes("ceiling 10 Gbit/s, above this") && drawn("egress").scale < 100e6'
	set_limits egress unlimited
	page_await 30 'text("#egress .notes").includes("no limit is set") && drawn("egress").label.includes("without a limit")'
	nothing_odd
}

@test "drops are shown by class, under a flood" {
	set_limits 8mbit mode police
	page_browser
	page_open
	rig_sink other far 9000
	rig_flood other inside "$RIG_FAR4" 9000 20mbit 300
	page_await 30 'text("#egress [data-class=other] td:nth-child(3)").match(/^1\d(\.\d)? Mbit\/s\n1 ?\d\d\d packets\/s/)'
	page_await 30 'drawn("egress").passed < 8.1e6 && drawn("egress").passed > 6.5e6'
	page_is 'text("#egress .classes thead").includes("Dropped")'
	# Of what only observes it is what would be, and what passes is above the ceiling.
	set_limits mode observe
	page_await 30 'text("#egress .classes thead").includes("Would drop") && drawn("egress").passed > 15e6'
	page_await 30 'text("#egress [data-class=other] td:nth-child(3)").match(/^1\d(\.\d)? Mbit/)'
	page_is 'text("#egress .notes").includes("observe: nothing is dropped or delayed") &&
		document.querySelector("#egress .bar").classList.contains("over")'
	nothing_odd
}

# Keeps what the exporter answers the page, in "said".
KEEP='window.said = []; const ask = window.fetch;
	window.fetch = async (...words) => {
		const answer = await ask(...words);
		said.push(await answer.clone().json());
		return answer;
	}'

# In words, of both directions, and no delay where nothing came by.
says_pace() {
	page_is 'text("#egress").includes("pace: what is over waits up to 95 ms, then is dropped") && !text("main").includes("police")'
	page_is 'text("#interfaces tbody").match(/tcx, pace/g).length === 2'
	page_is '!/[0-9]/.test(text("#egress [data-class=ssh] td:nth-child(4)"))'
}

# What the page was told last, and what it shows as mean delay.
mean_delays() {
	page_eval 'return {said: said.slice(-3), shown: Object.fromEntries(["api", "other"].map((each) =>
		[each, text(`#egress [data-class=${each}] td:nth-child(4)`)]))}' >"$RIG_DIR/page.json"
}

# It is that of the last two answers; or, while the newest is being drawn, of the two before.
mean_delays_agree() {
	local class
	for class in api other; do
		jq -e --arg class "$class" '
			(.shown[$class] | split(" ") | (.[0] | tonumber) / (if .[1] == "ms" then 1000 else 1 end)) as $shown |
			[.said[].egress.classes[$class]] | [.[-2:], .[-3:-1]] | map(select(length == 2) |
				(.[1].delay_seconds_sum - .[0].delay_seconds_sum) / (.[1].paced.packets - .[0].paced.packets)) |
			any(. / $shown | . > 0.99 and . < 1.01)' "$RIG_DIR/page.json" || return
	done
}

@test "recorded while two classes waited: it says that they are paced, and the mean delay of each" {
	page_browser
	# Each answer once, and none after the last. paced.json is what the exporter said under pacing, a second apart.
	page_cdp Page.addScriptToEvaluateOnNewDocument "$(jq '{source: "const answers = \(tojson); window.said = [];
		window.fetch = async () => {
			if (said.length === answers.length)
				return new Promise(() => {});
			said.push(answers[said.length]);
			return new Response(JSON.stringify(said.at(-1)), {headers: {\"Bwctl-Read-At\": String(Date.now() / 1000)}});
		}"}' "$BATS_TEST_DIRNAME/paced.json")" >/dev/null
	page_open
	page_await 60 "said.length === $(jq length "$BATS_TEST_DIRNAME/paced.json")"
	sleep 1
	says_pace
	mean_delays
	jq -c .shown "$RIG_DIR/page.json" | sed 's/^/# mean delay: /' >&3
	jq '.said |= .[-2:]' "$RIG_DIR/page.json" >"$RIG_DIR/last" && mv "$RIG_DIR/last" "$RIG_DIR/page.json"
	mean_delays_agree
	[[ $(page_log browser) == '[]' ]]
}

@test "while packets wait it says that they are paced, and their mean delay by class, as show and the queue have it" {
	local class
	rig_has_fq || skip 'this kernel has no fq: no packet waits'
	set_limits 8mbit mode pace flow probe class api protocol udp remote 9001
	page_browser
	page_open
	page_eval "$KEEP" >/dev/null
	rig_sink other far 9000
	rig_sink probe far 9001
	rig_flood other inside "$RIG_FAR4" 9000 8mbit 1000
	rig_flood probe inside "$RIG_FAR4" 9001 8mbit 1000
	page_await 120 'said.length >= 6 && ["api", "other"].every((each) => / m?s$/.test(text(`#egress [data-class=${each}] td:nth-child(4)`)))'
	says_pace
	rig_bwctl show --json >"$RIG_DIR/before"
	sleep 3
	mean_delays
	sleep 1
	rig_bwctl show --json >"$RIG_DIR/after"
	mean_delays_agree
	jq -c '.shown' "$RIG_DIR/page.json" | sed 's/^/# mean delay: /' >&3
	for class in api other; do
		# What it was told lies between what show said before and afterwards.
		jq -s -e --arg class "$class" '[.[0], .[1].said[-1], .[2]] | map(.egress.classes[$class]) |
			[map(.paced.packets), map(.delay_seconds_sum), map(.passed.bytes)] | all(.[0] > 0 and .[0] < .[1] and .[1] < .[2])' \
			"$RIG_DIR/before" "$RIG_DIR/page.json" "$RIG_DIR/after"
	done
	jq -e '.said[-1].egress.mode == "pace"' "$RIG_DIR/page.json"
	nothing_odd
}

@test "it says when no limit is set, what is exempt, what runs hold, and what is not attached any more" {
	local run
	page_browser
	page_open
	page_await 30 'text("#egress .notes").includes("no limit is set: counting only")'
	page_is '!visible("#runs") && text("#egress .share").includes("no limit is set")'
	set_limits 50mbit class lab 5mbit priority low class icmp exempt yes class ui reserve 2mbit
	page_await 30 'text("#egress .notes").includes("class icmp is exempt")'
	page_is 'text("#egress [data-class=lab] small") === "limit 5 Mbit/s, priority low"'
	page_is 'text("#egress [data-class=ui] small") === "reserve 2 Mbit/s"'
	"$BWCTL" -n appliance run 10mbit class ssh 1mbit -- sleep 15 &
	run=$!
	page_await 30 'visible("#runs") && text("#egress .notes").includes("held to 10 Mbit/s by run 1, for “sleep”")'
	page_is 'text("#runs").includes("run 1: ingress 10 Mbit/s, egress 10 Mbit/s, class ssh ingress 1 Mbit/s")'
	page_is 'text("#egress .notes").includes("class ssh is held to 1 Mbit/s by run 1")'
	wait "$run"
	page_await 30 '!visible("#runs") && !text("#egress .notes").includes("run 1")'
	if rig_has_tcx; then
		rig_in appliance bpftool link detach pinned "$(echo /sys/fs/bpf/bwctl/link-*-egress)"
		page_await 30 'text("#egress .notes").includes("not attached to eth0") && text("#interfaces").includes("not attached")'
	fi
	nothing_odd
}

@test "classes may have the names of what JavaScript has already, and what is exempt is shown apart" {
	set_limits 50mbit class constructor 5mbit class toString priority low class __proto__ priority low \
		flow theirs class __proto__ protocol udp remote 9000
	page_browser
	page_open
	rig_sink other far 9000
	rig_flood other inside "$RIG_FAR4" 9000 8mbit 300
	page_await 30 'drawn("egress").passed > 7e6 && text("#egress [data-class=__proto__] td").includes("Mbit/s")'
	page_is 'document.querySelector("#egress .stack path[data-class=__proto__]").getAttribute("d").length > 20'
	page_is 'text("#egress [data-class=constructor] td:last-child") === "never" &&
		text("#egress [data-class=toString] small") === "priority low"'
	set_limits class __proto__ exempt yes
	page_await 30 'drawn("egress").passed < 1e6 && /, and [6-9](\.\d+)? Mbit\/s exempt$/.test(text("#egress .share"))'
	page_is 'text("#egress .total small") === "without exempt" && text("#egress [data-class=__proto__] td").includes("Mbit/s")'
	nothing_odd
}

@test "nothing loaded, loaded, unloaded and loaded once more" {
	rig_bwctl unload
	page_browser
	page_open
	page_await 30 'visible("#empty") && !visible("#directions") && text("#empty").startsWith("Nothing is loaded")'
	rig_bwctl load eth0
	set_limits 50mbit
	page_await 30 '!visible("#empty") && visible("#egress .plot") && Math.abs(drawn("egress").ceiling / 50e6 - 1) < 0.01'
	rig_sink other far 9000
	rig_flood other inside "$RIG_FAR4" 9000 8mbit 300
	page_await 30 'drawn("egress").passed > 7e6'
	rig_bwctl unload
	page_await 30 'visible("#empty")'
	rig_bwctl load eth0
	set_limits 20mbit
	# The counters began again: a gap between two stretches, and nothing of nonsense.
	page_await 30 'drawn("egress").passed > 7e6 && drawn("egress").stretches === 2'
	page_is 'drawn("egress").scale < 100e6 && drawn("egress").passed < 9e6'
	nothing_odd
}

@test "an exporter that is away is said to be, and when it is back the page goes on, with a gap" {
	set_limits 50mbit
	page_browser
	page_open
	rig_sink other far 9000
	rig_flood other inside "$RIG_FAR4" 9000 8mbit 300
	page_await 30 'drawn("egress").passed > 7e6 && document.body.dataset.state === "live"'
	nothing_odd
	rig_stop "$RIG_PID" # the flood is not it
	rig_stop "$(rig_in appliance ss -H -l -n -t -p 'sport = :9977' | sed -n 's/.*pid=\([0-9]*\).*/\1/p')"
	page_await 30 'document.body.dataset.state === "away" && /^No answer since \d\d:\d\d:\d\d$/.test(text("#state"))'
	page_is 'text("#egress .rate") === "–"'
	rig_flood other inside "$RIG_FAR4" 9000 8mbit 300
	sleep 3
	page_exporter
	page_await 30 'document.body.dataset.state === "live" && drawn("egress").passed > 7e6 && drawn("egress").stretches >= 2'
	page_is 'text("#egress .rate").endsWith("Mbit/s") && drawn("egress").scale < 100e6'
	# What cannot be read is said, with why.
	mv /sys/fs/bpf/bwctl/holders /sys/fs/bpf/bwctl/elsewhere
	page_await 30 'document.body.dataset.state === "failed" && text("#state").endsWith("is not whole")'
	mv /sys/fs/bpf/bwctl/elsewhere /sys/fs/bpf/bwctl/holders
	page_await 30 'document.body.dataset.state === "live"'
}

@test "paused it stands still, counts on, and continues without a gap" {
	local before
	set_limits 50mbit
	page_browser
	page_open
	rig_sink other far 9000
	rig_flood other inside "$RIG_FAR4" 9000 8mbit 300
	page_await 30 'drawn("egress").passed > 7e6 && drawn("egress").columns > 3'
	page_eval 'document.querySelector("#pause").click()' >/dev/null
	before=$(page_eval 'return [drawn("egress"), text("main")]')
	page_is 'text("#pause") === "Continue" && text("#state").startsWith("Paused at")'
	sleep 4
	[[ $(page_eval 'return [drawn("egress"), text("main")]') == "$before" ]]
	page_eval 'document.querySelector("#pause").click()' >/dev/null
	page_await 30 "drawn('egress').columns >= $(jq '.[0].columns + 3' <<<"$before") && drawn('egress').stretches === 1"
	page_is 'text("#pause") === "Pause" && text("#state") === "Live"'
}

@test "it fits 320 and 1920 pixels, light and dark, and uses the room" {
	local width scheme
	set_limits 50mbit class a-name-as-long 5mbit reserve 1mbit
	traffic 300
	page_browser
	page_open
	page_await 30 'drawn("egress").passed > 25e6'
	for width in 320 360 768 1200 1920; do
		page_size "$width" 900
		sleep 1.2
		page_eval 'return [document.documentElement.scrollWidth, innerWidth, ...[...document.querySelectorAll("section, table, svg, header, footer")]
			.map((each) => Math.ceil(each.getBoundingClientRect().right))]' >"$RIG_DIR/widths"
		echo "# $width: $(<"$RIG_DIR/widths")" >&3
		jq -e --argjson width "$width" 'all(. <= $width)' "$RIG_DIR/widths"
		# The two beside each other where there is room, and both plots nearly all of it.
		page_eval 'return ["ingress", "egress"].map((each) => document.querySelector(`#${each} .plot`).getBoundingClientRect())' |
			jq -e --argjson width "$width" 'if $width >= 1200 then .[0].top == .[1].top and .[0].width + .[1].width > $width * 0.9
				else .[0].top < .[1].top and .[0].width > $width * 0.9 end'
	done
	for scheme in light dark; do
		page_scheme "$scheme"
		page_eval 'return getComputedStyle(document.body).backgroundColor' >"$RIG_DIR/$scheme"
	done
	run ! cmp -s "$RIG_DIR/light" "$RIG_DIR/dark"
	# The switch has the last word, and is remembered; so is the span.
	page_eval 'const theme = document.querySelector("#theme"); theme.value = "light"; theme.dispatchEvent(new Event("change"));
		document.querySelector("[name=span][value=\"5\"]").click()' >/dev/null
	[[ $(page_eval 'return getComputedStyle(document.body).backgroundColor') == "$(<"$RIG_DIR/light")" ]]
	page_open
	page_await 30 'drawn("egress").passed > 25e6'
	[[ $(page_eval 'return getComputedStyle(document.body).backgroundColor') == "$(<"$RIG_DIR/light")" ]]
	page_is 'document.querySelector("#theme").value === "light" && document.querySelector("[name=span]:checked").value === "5"'
	page_is 'text("#egress .grid").includes("5 min") && drawn("egress").label.includes("the last 5 min")'
	nothing_odd
}

@test "where nothing may be remembered it works all the same" {
	set_limits 50mbit
	page_browser '{"profile.default_content_setting_values.cookies": 2}'
	page_open
	page_await 30 'document.body.dataset.state === "live" && drawn("egress").columns > 1'
	[[ $(page_eval 'try { localStorage.length; return "allowed"; } catch (error) { return error.name; }') == '"SecurityError"' ]]
	page_eval 'const theme = document.querySelector("#theme"); theme.value = "dark"; theme.dispatchEvent(new Event("change"));
		document.querySelector("[name=span][value=\"15\"]").click()' >/dev/null
	page_is 'document.documentElement.dataset.theme === "dark" && drawn("egress").label.includes("the last 15 min")'
	nothing_odd
}

# What has the focus: a name for it, and whether that is seen.
focus() {
	page_eval 'const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
		return `${at.id || at.className || at.value || at.getAttribute("href")} ${at.closest("section")?.id ?? ""}|` +
			(style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.right > 0 && box.width > 0)'
}

@test "all of it can be reached and used by keyboard, and the focus is seen" {
	local due first second
	set_limits 50mbit
	traffic 300
	page_browser
	page_size 1200 900
	page_open
	page_await 30 'drawn("egress").columns >= 8 && drawn("egress").passed > 25e6'
	for due in 'skip ' 'pause ' '1 ' 'theme ' 'walk ingress' 'walk egress' 'metrics ' 'healthz ' 'api/v1/show '; do
		page_key Tab
		echo "# $(focus)" >&3
		[[ $(focus) == "\"$due|true\"" ]]
	done
	# The first leads past the controls.
	page_open
	page_await 30 'drawn("egress").columns >= 5'
	page_key Tab Enter
	[[ $(page_eval 'return document.activeElement.id') == '"main"' ]]
	page_key Tab Tab
	[[ $(focus) == '"walk egress|true"' ]]
	# Moment by moment, read out.
	page_is 'document.querySelector("#egress .readout").getAttribute("aria-live") === "polite"'
	page_is 'text("#egress .readout").startsWith("Point at")'
	page_key Left
	first=$(page_eval 'return text("#egress .readout")')
	echo "# $first" >&3
	[[ $first =~ ^\"[0-9:]{8}:\ [0-9.]+\ Mbit/s\ \([0-9.]+\ MB/s\)\ of\ 50\ Mbit/s.*\.\ [a-z]+\ [0-9.]+\ Mbit/s,\  ]]
	page_key Left
	second=$(page_eval 'return text("#egress .readout")')
	[[ $second =~ ^\"[0-9:]{8}: && ${second:1:8} < ${first:1:8} ]]
	# It stays with that moment while time goes on.
	sleep 2.2
	[[ $(page_eval 'return text("#egress .readout")') == "$second" ]]
	page_is 'document.querySelector("#egress .cursor").getAttribute("d").startsWith("M")'
	page_key Right
	[[ $(page_eval 'return text("#egress .readout").slice(0, 8)') == "\"${first:1:8}\"" ]]
	page_key Home
	page_is 'Number(document.querySelector("#egress .walk").getAttribute("aria-valuenow")) < -4'
	page_key End
	page_is 'Number(document.querySelector("#egress .walk").getAttribute("aria-valuenow")) >= -1'
	page_key Escape
	page_is 'text("#egress .readout").startsWith("Point at") && !document.querySelector("#egress .cursor").getAttribute("d")'
	# The span by arrows, as radio buttons are, and the pause by the space bar.
	page_eval 'document.querySelector("[name=span]:checked").focus()' >/dev/null
	page_key Right
	page_is 'document.querySelector("[name=span]:checked").value === "5" && drawn("egress").label.includes("the last 5 min")'
	page_eval 'document.querySelector("#pause").focus()' >/dev/null
	page_key Space
	page_is 'document.body.dataset.state === "paused"'
	nothing_odd
}

@test "axe finds nothing, in both colours and at both widths, loaded or not" {
	local scheme width
	set_limits 20mbit class lab 5mbit class icmp exempt yes
	traffic 300
	page_browser
	page_open
	page_await 30 'drawn("egress").passed > 10e6'
	axe() {
		jq -n --rawfile axe "$AXE" '{args: [], script: ($axe + "; return axe.run(document, {
			runOnly: [\"wcag2a\", \"wcag2aa\", \"wcag21a\", \"wcag21aa\", \"wcag22aa\", \"best-practice\"]}).then((found) => ({
				passes: found.passes.length, unsure: found.incomplete.map((each) => each.id),
				violations: found.violations.map((each) => [each.id, each.help, each.nodes.map((node) => node.target + \" \" + node.failureSummary)])}))")}' \
			>"$RIG_DIR/script"
		page_request POST "/session/$PAGE_SESSION/execute/sync" "@$RIG_DIR/script" >"$RIG_DIR/axe"
		echo "# $1: $(jq -c '{passes, unsure}' "$RIG_DIR/axe")" >&3
		jq -e '.passes > 20 and .violations == []' "$RIG_DIR/axe" >/dev/null || {
			jq . "$RIG_DIR/axe"
			return 1
		}
	}
	for scheme in light dark; do
		page_scheme "$scheme"
		for width in 320 1920; do
			page_size "$width" 1000
			sleep 1.2
			axe "$scheme $width"
		done
	done
	rig_bwctl unload
	page_await 30 'visible("#empty")'
	axe "nothing loaded"
	rig_bwctl load eth0
	page_await 30 '!visible("#empty")'
}

@test "motion is only for who wants it, and in another tab it asks less often" {
	local asked
	set_limits 50mbit
	page_browser
	page_open
	page_await 30 'drawn("egress").columns > 1'
	[[ $(page_eval 'return getComputedStyle(document.querySelector(".fill")).transitionDuration') == '"0.3s"' ]]
	page_cdp Emulation.setEmulatedMedia '{"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}' >/dev/null
	[[ $(page_eval 'return getComputedStyle(document.querySelector(".fill")).transitionDuration') == '"0s"' ]]
	# As if it were behind another one.
	page_eval 'Object.defineProperty(document, "hidden", {value: true, configurable: true})' >/dev/null
	sleep 2
	page_log performance >/dev/null
	sleep 6
	asked=$(page_log performance | jq '[.[].message | fromjson.message | select(.method == "Network.requestWillBeSent")] | length')
	echo "# hidden, in 6 s: $asked" >&3
	((asked >= 1 && asked <= 2))
	page_eval 'Object.defineProperty(document, "hidden", {value: false}); document.dispatchEvent(new Event("visibilitychange"))' >/dev/null
	page_await 30 'drawn("egress").columns > 3'
	page_is 'drawn("egress").stretches <= 1'
	nothing_odd
}

@test "a page that is open for long does not grow" {
	local first last
	set_limits 50mbit class lab 5mbit
	page_browser
	page_size 320 400
	# Its clock runs 500 times as fast, and each answer is the exporter's first, with counters that go on.
	page_cdp Page.addScriptToEvaluateOnNewDocument "$(jq -n '{source: "
		const real = {fetch: window.fetch, now: Date.now, wait: window.setTimeout, began: Date.now()};
		const grow = (value, by) => {
			for (const key of Object.keys(value))
				if (key === \"packets\" || key === \"bytes\") value[key] += by * (key === \"bytes\" ? 1000 : 1);
				else if (value[key] && typeof value[key] === \"object\") grow(value[key], by);
		};
		window.polls = 0;
		let kept = null;
		Date.now = () => real.began + window.polls * 1000;
		window.setTimeout = (call, delay) => real.wait.call(window, call, delay >= 100 && delay <= 1000 ? 0 : delay);
		window.fetch = async (...words) => {
			kept = kept || await (await real.fetch.apply(window, words)).json();
			window.polls++;
			grow(kept, 100 + window.polls % 7);
			return new Response(JSON.stringify(kept), {headers: {\"Bwctl-Read-At\": String(1000 + window.polls)}});
		};"}')" >/dev/null
	page_open
	page_eval 'document.querySelector("[name=span][value=\"15\"]").click()' >/dev/null
	memory() {
		page_await 300 "window.polls >= $1"
		page_cdp HeapProfiler.collectGarbage >/dev/null
		page_cdp Performance.getMetrics | jq -c --argjson samples "$(page_eval 'return Number(document.querySelector("#egress .plot svg").dataset.samples)')" \
			'[.metrics[] | {(.name): .value}] | add | {JSHeapUsedSize, Nodes, samples: $samples}'
	}
	page_cdp Performance.enable >/dev/null
	first=$(memory 950)
	last=$(memory 1600)
	echo "# after 16 minutes $first, after 27 $last" >&3
	jq -n -e --argjson first "$first" --argjson last "$last" \
		'$last.samples == $first.samples and $last.samples > 900 and $last.samples < 920 and
		$last.Nodes <= $first.Nodes * 1.2 + 100 and
		$last.JSHeapUsedSize < 8e6 and $last.JSHeapUsedSize < $first.JSHeapUsedSize + 3e6'
	page_is 'drawn("egress").columns > 50 && drawn("egress").columns < 200'
	[[ $(page_log browser) == '[]' ]]
}
