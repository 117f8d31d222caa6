#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A browser for the page of bwctl-exporter: Chromium without a screen, in the
# network namespace of the appliance, which leads nowhere else; driven by WebDriver, whose
# requests are curl's. Sourced after rig.bash, whose RIG_DIR it keeps its things in.
# shellcheck shell=bash

PAGE_URL=http://127.0.0.1:9977/
PAGE_DRIVER=http://127.0.0.1:9515

# page_exporter: starts it; its pid is then in RIG_PID.
page_exporter() {
	rig_start appliance "$BWCTL_BUILD/bwctl-exporter" >>"$RIG_DIR/exporter" 2>&1
	rig_wait 10 rig_listens appliance tcp 9977 ||
		rig_fail "the exporter does not listen: $(<"$RIG_DIR/exporter")"
}

# page_request METHOD PATH [BODY]: of WebDriver; prints the value of its answer. BODY may be @FILE.
page_request() {
	local answer
	answer=$(rig_in appliance curl --silent --show-error --max-time 300 -X "$1" "$PAGE_DRIVER$2" \
		-H 'Content-Type: application/json' ${3:+--data-binary "$3"}) || return
	if jq -e '.value | type == "object" and has("error")' <<<"$answer" >/dev/null; then
		rig_fail "browser: $(jq -r '.value.message' <<<"$answer" | head -n 5)"
		return
	fi
	jq -c '.value' <<<"$answer"
}

# page_browser [PREFERENCES]: starts one, with its preferences as JSON.
page_browser() {
	mkdir -p "$RIG_DIR/home"
	HOME=$RIG_DIR/home rig_start appliance chromedriver --port=9515 --log-path="$RIG_DIR/driver" \
		>"$RIG_DIR/driver.out" 2>&1
	rig_wait 60 rig_listens appliance tcp 9515 ||
		rig_fail "no chromedriver: $(<"$RIG_DIR/driver.out")" || return
	PAGE_SESSION=$(page_request POST /session "$(jq -n --argjson prefs "${1:-{\}}" \
		--arg profile "$RIG_DIR/profile" '{capabilities: {alwaysMatch: {
		"goog:loggingPrefs": {browser: "ALL", performance: "ALL"},
		"goog:chromeOptions": {prefs: $prefs, args: ["--headless=new", "--no-sandbox",
			"--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking",
			"--disable-component-update", "--no-first-run", "--hide-scrollbars",
			"--force-color-profile=srgb", "--lang=en-GB", "--user-data-dir=" + $profile]}}}}')" |
		jq -r .sessionId) || return
	[[ $PAGE_SESSION == ?* && $PAGE_SESSION != null ]] || return
	# What it shows at first is none of the page's.
	page_goto about:blank && page_log performance >/dev/null
}

page_browser_end() {
	[[ -z ${PAGE_SESSION:-} ]] || page_request DELETE "/session/$PAGE_SESSION" >/dev/null || true
	PAGE_SESSION=
}

page_goto() {
	page_request POST "/session/$PAGE_SESSION/url" "$(jq -n --arg url "$1" '{url: $url}')" >/dev/null
}

page_open() {
	page_goto "$PAGE_URL"
}

# What a plot shows, in bits per second, of its path alone: the ceiling and the classes at its newest end.
# shellcheck disable=SC2016 # JavaScript's
PAGE_HELPERS='
const drawn = (name) => {
	const svg = document.querySelector(`#${name} .plot svg`), data = svg.dataset;
	const value = (y) => (data.bottom - y) / (data.bottom - data.top) * data.scale;
	const ceiling = svg.querySelector(".ceiling").getAttribute("d") || "";
	const ends = [...ceiling.matchAll(/[MLV](?:[\d.-]+ )?([\d.-]+)/g)].map((found) => value(found[1]));
	const classes = {};
	for (const path of svg.querySelectorAll(".stack path[data-class]")) {
		const points = path.getAttribute("d").split("M").pop().match(/[\d.-]+ [\d.-]+/g).map((pair) => pair.split(" "));
		const half = points.length / 2;
		classes[path.dataset.class] = {
			bits: value(points[half - 1][1]) - value(points[half][1]),
			top: value(points[half - 1][1]), shape: path.getAttribute("d"),
		};
	}
	return {
		ceiling: ends.at(-1) ?? null, ceilings: ends, classes, columns: Number(data.columns), scale: Number(data.scale),
		passed: data.passed === "" ? null : Number(data.passed),
		stretches: (svg.querySelector(".stack path")?.getAttribute("d").match(/M/g) || []).length,
		label: svg.getAttribute("aria-label"),
	};
};
const text = (selector) => {
	const found = document.querySelector(selector);
	return found?.innerText ?? found?.textContent ?? null;
};
const visible = (selector) => Boolean(document.querySelector(selector)?.checkVisibility());
'

# page_eval JAVASCRIPT: runs it in the page and prints what it returns, as JSON; it may be a promise.
page_eval() {
	jq -n --arg script "$PAGE_HELPERS return (async () => { $1 })()" '{script: $script, args: []}' >"$RIG_DIR/script"
	page_request POST "/session/$PAGE_SESSION/execute/sync" "@$RIG_DIR/script"
}

# page_is CONDITION: whether it holds, as rig_wait asks; page_await SECONDS CONDITION: until it does, or says what it is.
page_is() {
	[[ $(page_eval "return Boolean($1)") == true ]]
}

page_await() {
	local end=$((SECONDS + $1))
	until page_is "$2"; do
		((SECONDS < end)) || rig_fail "not in $1 s: $2: $(page_eval 'return [document.body.dataset.state,
			text("#state"), text("main"), drawn("egress")]')" || return
		sleep 0.4
	done
}

# page_cdp COMMAND [PARAMETERS]
page_cdp() {
	page_request POST "/session/$PAGE_SESSION/goog/cdp/execute" \
		"$(jq -n --arg cmd "$1" --argjson params "${2:-{\}}" '{cmd: $cmd, params: $params}')"
}

# page_size WIDTH HEIGHT, of the part that is seen.
page_size() {
	page_cdp Emulation.setDeviceMetricsOverride \
		"{\"width\": $1, \"height\": $2, \"deviceScaleFactor\": ${3:-1}, \"mobile\": false}" >/dev/null
}

# page_scheme light|dark: what the system has.
page_scheme() {
	page_cdp Emulation.setEmulatedMedia \
		"{\"features\": [{\"name\": \"prefers-color-scheme\", \"value\": \"$1\"}]}" >/dev/null
}

# page_key KEY...: presses each, by its name in WebDriver's table or as a letter.
page_key() {
	local key code
	for key; do
		case $key in
		Tab) code='\ue004' ;;
		Enter) code='\ue007' ;;
		Escape) code='\ue00c' ;;
		Space) code=' ' ;;
		PageUp) code='\ue00e' ;;
		PageDown) code='\ue00f' ;;
		End) code='\ue010' ;;
		Home) code='\ue011' ;;
		Left) code='\ue012' ;;
		Up) code='\ue013' ;;
		Right) code='\ue014' ;;
		Down) code='\ue015' ;;
		*) code=$key ;;
		esac
		page_request POST "/session/$PAGE_SESSION/actions" "{\"actions\": [{\"type\": \"key\", \"id\": \"keys\",
			\"actions\": [{\"type\": \"keyDown\", \"value\": \"$code\"}, {\"type\": \"keyUp\", \"value\": \"$code\"}]}]}" \
			>/dev/null || return
	done
}

# page_log browser|performance: what was logged since the last time, an array.
page_log() {
	page_request POST "/session/$PAGE_SESSION/se/log" "{\"type\": \"$1\"}"
}

# page_picture FILE: what is seen, as PNG.
page_picture() {
	page_request GET "/session/$PAGE_SESSION/screenshot" | jq -r . | base64 -d >"$1"
}
