// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The page: asks for the state once a second, keeps what came in between two answers
 * for as long as it may be shown, and draws it. Nothing is guessed: where there was
 * no answer, or a counter began again, there is a gap.
 */
"use strict";
(() => {
const POLL_MS = 1000, HIDDEN_MS = 5000, AGAIN_MS = 2000, ANSWER_MS = 5000;
const KEEP_S = 15 * 60 + 10, KEEP = 1000; /* samples */
const GAP_S = 0.7; /* between two of them that is one */
const COLOURS = 8, PATTERNS = 5, SLOTS = COLOURS * PATTERNS; /* none of them alike */
const DIRECTIONS = ["ingress", "egress"];
const LEFT = 38, RIGHT = 6, TOP = 10, BOTTOM = 20; /* around a plot, in pixels */
const HIGH_ABOVE = 20; /* times what passed: a ceiling that would leave nothing of that to be seen */
const NONE = "–";
const HIGH = ["ui", "admin", "icmp", "control"]; /* by default */
const ZERO = {
	passed: {packets: 0, bytes: 0}, dropped: {packets: 0, bytes: 0},
	would_drop: {packets: 0, bytes: 0}, paced: {packets: 0, bytes: 0}, delay_seconds_sum: 0,
};

/* ---- what is remembered, if that is allowed ---- */

function remembered(name) {
	try {
		return localStorage.getItem("bwctl-" + name);
	} catch {
		return null;
	}
}

function remember(name, value) {
	try {
		localStorage.setItem("bwctl-" + name, value);
	} catch {
		/* It holds until the page is closed. */
	}
}

function colour(theme) {
	if (theme === "light" || theme === "dark")
		document.documentElement.dataset.theme = theme;
	else
		delete document.documentElement.dataset.theme;
}

/* Before anything is drawn. */
colour(remembered("theme"));

/* ---- quantities, as bwctl writes them ---- */

function quantity(value, names, scale) {
	let at = 0, number = Number((value / scale).toPrecision(3));
	while (number >= 1000 && at < names.length - 1)
		number = Number((value / scale / 1000 ** ++at).toPrecision(3));
	return number < 1 && at === 0 && scale >= 1 ? `${Math.round(number)} ${names[0]}` :
						      `${number} ${names[at]}`;
}

const rate = (bits) => quantity(bits, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"], 1);
const rateBytes = (bits) => quantity(bits, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"], 8);
const size = (bytes) => quantity(bytes, ["B", "kB", "MB", "GB"], 1);
const both = (bits) => `${rate(bits)} (${rateBytes(bits)})`;
const time = (seconds) => seconds >= 1 ? `${Number(seconds.toPrecision(3))} s` :
					 quantity(seconds, ["us", "ms"], 1e-6);
const count = (number) => String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, " ");
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");

function ago(seconds) {
	return seconds < 2 ? "now" :
	       seconds < 100 ? `${Math.round(seconds)} s ago` :
	       seconds < 5400 ? `${Math.round(seconds / 60)} min ago` :
				`${Math.round(seconds / 3600)} h ago`;
}

/* ---- what was answered ---- */

/* For names that somebody chose: none of them is there before. */
const byName = () => Object.create(null);

let samples = []; /* {from, to, number, ingress, egress}: seconds; a direction may be null */
let last = null; /* the answer before: {json, readAt} */
let json = null; /* the newest, also after it stopped */
let current = {ingress: null, egress: null, interfaces: new Map()}; /* rates of the last sample */
let offset = null; /* from the exporter's clock to this one's */
let number = 0;
const seen = {ingress: new Map(), egress: new Map()}; /* name: {packets, at} */
const slots = new Map(); /* class: which colour and pattern */

/* The rates from one set of counters to the next, or null if they began again. */
function rates(now, before, seconds, lost) {
	const passed = now.passed.bytes - before.passed.bytes;
	const lostBytes = now[lost].bytes - before[lost].bytes;
	const lostPackets = now[lost].packets - before[lost].packets;
	const paced = now.paced.packets - before.paced.packets;
	const delay = now.delay_seconds_sum - before.delay_seconds_sum;
	if (passed < 0 || lostBytes < 0 || lostPackets < 0 || paced < 0)
		return null;
	return {
		passed: passed * 8 / seconds, lost: lostBytes * 8 / seconds,
		lostPackets: lostPackets / seconds,
		delay: paced > 0 && delay >= 0 ? delay / paced : null,
	};
}

/* All of a direction, or null: then there is a gap. */
function direction(now, before, seconds) {
	if (!now || !before)
		return null;
	const lost = now.observes ? "would_drop" : "dropped";
	const total = rates(now, before, seconds, lost);
	if (!total)
		return null;
	/* What held for all of the time; if both did, the higher one. */
	total.limit = now.limit_bits_per_second && before.limit_bits_per_second ?
		Math.max(now.limit_bits_per_second, before.limit_bits_per_second) : null;
	total.classes = byName();
	total.exempt = 0;
	for (const name of Object.keys(now.classes)) {
		/* What has a new name began at zero. */
		const former = Object.hasOwn(before.classes, name) ? before.classes[name] : ZERO;
		const own = rates(now.classes[name], former, seconds, lost);
		if (!own)
			continue;
		own.isExempt = now.classes[name].exempt;
		if (own.isExempt)
			total.exempt += own.passed;
		total.classes[name] = own;
	}
	/* What the limit is about, and has left: not what is exempt, nor what waits since. */
	const letIn = Math.max(0, total.passed - total.exempt);
	total.passed = Math.max(0, letIn + (waiting(before) - waiting(now)) / seconds);
	total.share = letIn ? total.passed / letIn : 1;
	return total;
}

/* Bits that were counted and have not left yet. */
function waiting(all) {
	return all.mode === "pace" && all.rate_bits_per_second ? all.backlog_seconds * all.rate_bits_per_second : 0;
}

/* When packets of each class came by last. */
function look(name, now, at) {
	const map = seen[name];
	for (const known of map.keys())
		if (!now || !Object.hasOwn(now.classes, known))
			map.delete(known);
	for (const [each, counters] of Object.entries(now ? now.classes : {})) {
		const packets = counters.passed.packets + counters.dropped.packets;
		const before = map.get(each);
		if (!before)
			map.set(each, {packets, at: null});
		else if (packets !== before.packets)
			map.set(each, {packets, at: packets ? at : null});
	}
}

/* A colour and a pattern for each class, which it keeps. */
function slot(name) {
	if (!slots.has(name)) {
		if (slots.size >= SLOTS)
			forgetSlots();
		const taken = new Set(slots.values());
		let free = 0;
		while (taken.has(free) && free < SLOTS - 1)
			free++;
		slots.set(name, free);
	}
	return slots.get(name);
}

function forgetSlots() {
	const kept = new Set();
	for (const each of DIRECTIONS) {
		Object.keys(json && json[each] ? json[each].classes : {}).forEach((name) => kept.add(name));
		samples.forEach((sample) => Object.keys(sample[each] ? sample[each].classes : {})
			.forEach((name) => kept.add(name)));
	}
	for (const name of slots.keys())
		if (!kept.has(name))
			slots.delete(name);
}

/* Only what is drawn of it: 15 minutes of it stay. */
function slim(all) {
	if (!all)
		return null;
	const classes = byName();
	for (const [name, own] of Object.entries(all.classes))
		if (own.passed && !own.isExempt)
			classes[name] = own.passed * all.share;
	return {limit: all.limit, passed: all.passed, lost: all.lost, classes};
}

/* An answer. readAt: when the exporter read it, by its own clock; null if a proxy keeps that back. */
function take(answer, readAt) {
	const now = Date.now() / 1000;
	if (readAt === null)
		readAt = now;
	if (last && readAt === last.readAt)
		return;
	if (offset === null || Math.abs(readAt + offset - now) > 0.5)
		offset = now - readAt;
	const to = readAt + offset;
	const seconds = last ? readAt - last.readAt : 0;
	if (samples.length && to <= samples.at(-1).to)
		samples = []; /* this clock was set back */
	current = {ingress: null, egress: null, interfaces: new Map()};
	if (seconds > 0) {
		for (const each of DIRECTIONS)
			current[each] = direction(answer[each], last.json[each], seconds);
		samples.push({
			from: to - seconds, to, number: number++,
			ingress: slim(current.ingress), egress: slim(current.egress),
		});
		differInterfaces(answer, last.json, seconds);
	}
	for (const each of DIRECTIONS) {
		look(each, answer[each], to);
		Object.keys(answer[each] ? answer[each].classes : {}).forEach(slot);
	}
	while (samples.length > KEEP || samples.length && samples[0].to < to - KEEP_S)
		samples.shift();
	last = {json: answer, readAt};
	json = answer;
}

function differInterfaces(now, before, seconds) {
	for (const one of now.interfaces) {
		const former = before.interfaces.find((each) => each.ifindex === one.ifindex && each.name === one.name);
		for (const each of DIRECTIONS)
			if (former)
				current.interfaces.set(`${one.ifindex} ${one.name} ${each}`,
						       rates(one[each], former[each], seconds, "dropped"));
	}
}

function lose() {
	last = null;
	current = {ingress: null, egress: null, interfaces: new Map()};
}

/* ---- asking ---- */

let state = "waiting", stateText = "", since = null, timer = 0, asks = false;

async function ask() {
	const began = performance.now();
	let pause = document.hidden ? HIDDEN_MS : POLL_MS;
	asks = true;
	let answer = null, body = null;
	try {
		answer = await fetch("api/v1/show", {cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS)});
		body = await answer.json();
	} catch {
		answer = null;
	}
	try {
		if (!answer) {
			lose();
			if (since === null || state !== "away")
				since = Date.now() / 1000;
			become("away", `No answer since ${clock(since)}`);
			pause = Math.max(pause, AGAIN_MS);
		} else if (answer.ok && body && Array.isArray(body.interfaces)) {
			const readAt = answer.headers.get("Bwctl-Read-At");
			take(body, readAt === null ? null : Number(readAt));
			become("live", "Live");
		} else {
			lose();
			become("failed", `No figures: ${body && body.error || answer.status}`);
		}
		draw();
	} catch (error) {
		/* A mistake of this page is not one of the network. */
		lose();
		become("failed", `This page failed: ${error.message}`);
		show();
		throw error;
	} finally {
		asks = false;
		timer = setTimeout(ask, Math.max(100, pause - (performance.now() - began)));
	}
}

function become(name, text) {
	state = name;
	stateText = text;
}

/* ---- drawing ---- */

const $ = (selector, within = document) => within.querySelector(selector);
let views = {}; /* by direction: the elements of its section */
let span = 60; /* seconds shown */
let frozen = null; /* what is shown while it is paused */

/* Only what has changed: whoever reads or has selected something is not disturbed. */
function write(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

function attribute(element, name, value) {
	if (element.getAttribute(name) !== String(value))
		element.setAttribute(name, value);
}

function svgElement(name) {
	return document.createElementNS($("svg").namespaceURI, name);
}

/* As many children of one kind as are needed. */
function children(parent, many, make) {
	while (parent.childElementCount > many)
		parent.lastElementChild.remove();
	while (parent.childElementCount < many)
		parent.append(make());
	return parent.children;
}

const colourClass = (name) => `c${slot(name) % COLOURS}`;

function patternOf(name) {
	const pattern = slot(name) % PATTERNS;
	return pattern ? `url(#pattern-${pattern})` : "none";
}

/* A square of the colour and the pattern of a class. */
function makeFilled() {
	const svg = svgElement("svg");
	for (let i = 0; i < 2; i++) {
		const rect = svgElement("rect");
		rect.setAttribute("width", "100%");
		rect.setAttribute("height", "100%");
		svg.append(rect);
	}
	svg.setAttribute("aria-hidden", "true");
	return svg;
}

function fill(svg, name) {
	attribute(svg.children[0], "class", colourClass(name));
	attribute(svg.children[1], "fill", patternOf(name));
}

function draw() {
	if (frozen) {
		show();
		return;
	}
	const isFresh = state === "live" && samples.length;
	drawAll({
		json, samples, current,
		end: isFresh ? Math.max(samples.at(-1).to, Date.now() / 1000 - 2) : Date.now() / 1000,
	});
	show();
}

/* What state it is in. */
function show() {
	const name = frozen && state === "live" ? "paused" : state;
	if (document.body.dataset.state !== name)
		document.body.dataset.state = name;
	write($("#state"), !frozen ? stateText || "Waiting for the first answer" :
			   state === "live" ? `Paused at ${clock(frozen.end)}` :
					      `Paused at ${clock(frozen.end)}. ${stateText}`);
}

function drawAll(view) {
	const isLoaded = Boolean(view.json && view.json.ingress !== null);
	$("#empty").hidden = !view.json || isLoaded;
	$("#directions").hidden = !isLoaded;
	$("#rest").hidden = !isLoaded;
	if (view.json)
		write($("#version"), view.json.version);
	if (!isLoaded)
		return;
	for (const name of DIRECTIONS) {
		drawNow(views[name], view, name);
		drawNotes(views[name], view.json, name);
		drawTable(views[name], view, name);
		drawPlot(views[name], view, name);
	}
	drawRuns(view.json);
	drawInterfaces(view);
}

function drawNow(parts, view, name) {
	const limit = view.json[name].limit_bits_per_second, now = view.current[name];
	const passed = now ? now.passed : 0, whole = Math.max(limit || 0, passed) || 1;
	const percent = limit ? Math.round(passed / limit * 100) : 0;
	const share = (!limit ? "no limit is set" : `of ${both(limit)}${now ? `, ${percent} %` : ""}`) +
		(now && now.exempt ? `, and ${rate(now.exempt)} exempt` : "");
	write(parts.rate, now ? rate(passed) : NONE);
	write(parts.share, (now ? `(${rateBytes(passed)}) ` : "") + share);
	parts.section.classList.toggle("observes", view.json[name].mode === "observe");
	parts.bar.classList.toggle("free", !limit);
	parts.bar.classList.toggle("over", Boolean(limit && passed > limit));
	parts.bar.style.setProperty("--mark", limit && passed > limit ? `${limit / whole * 100}%` : "200%");
	attribute(parts.bar, "aria-valuenow", Math.min(100, percent));
	attribute(parts.bar, "aria-valuetext", `${now ? rate(passed) : "no rate yet"} ${share}`);
	parts.fill.style.width = limit ? `${passed / whole * 100}%` : "0";
	const names = now ? Object.keys(now.classes).filter((each) => now.classes[each].passed && !now.classes[each].isExempt) : [];
	const boxes = children(parts.fill, names.length, () => {
		const box = document.createElement("div");
		box.className = "part";
		box.append(makeFilled());
		return box;
	});
	names.forEach((each, i) => {
		boxes[i].style.flex = `${now.classes[each].passed} 1 0`;
		fill(boxes[i].firstChild, each);
	});
}

/* What is in force, in the words of "bwctl show"; those that begin with ! are to be seen. */
function notes(all, name) {
	const now = all[name], limit = now.limit_bits_per_second, lines = [];
	const classes = Object.entries(now.classes);
	const hasOwn = classes.some(([, own]) => own.limit_bits_per_second);
	const paces = now.mode === "pace" || now.observes === "pace";
	const wait = now.horizon_seconds === null ? "" : ` up to ${time(now.horizon_seconds)}`;
	if (limit) {
		lines.push(`${both(limit)} in any ${time(now.window_seconds)}`);
		lines.push(`rate r ${rate(now.rate_bits_per_second)}, burst ${size(now.burst_bytes)}, ` +
			   `bound B ${size(now.bound_bytes)}` +
			   (now.overhead_bytes ? `, overhead ${now.overhead_bytes} B per frame` : ""));
	} else {
		lines.push(hasOwn ? "!unlimited, but for classes that have limits of their own" :
				    "!no limit is set: counting only, until “bwctl set RATE”");
	}
	if (now.mode === "observe")
		lines.push("!observe: nothing is dropped or delayed, and no limit is promised; it would " +
			   (paces ? `pace: what is over would wait${wait}, then be dropped` :
				    "police: what is over would be dropped"));
	else if ((limit || hasOwn) && paces)
		lines.push(`pace: what is over waits${wait}, then is dropped`);
	else if (limit || hasOwn)
		lines.push("police: what is over is dropped");
	if (now.mode_reason)
		lines.push(paces ? `!the next “bwctl set” or “bwctl load” polices: ${now.mode_reason}` :
				   `!it is not paced: ${now.mode_reason}`);
	const exempt = classes.filter(([, own]) => own.exempt).map(([each]) => each);
	if (exempt.length)
		lines.push(`!${exempt.length === classes.length ? "all classes are" :
			   `class${exempt.length > 1 ? "es" : ""} ${exempt.join(", ")} ${exempt.length > 1 ? "are" : "is"}`
			   } exempt: what is passes unmetered, and the limit does not cover it`);
	for (const run of all.runs) {
		if (limit && run[name].limit_bits_per_second === limit)
			lines.push(`!held to ${rate(limit)} by run ${run.id}, for “${run.command}”`);
		for (const [each, asked] of Object.entries(run[name].classes))
			lines.push(`!class ${each} is held to ${rate(asked.limit_bits_per_second)} by run ${run.id}`);
	}
	for (const one of all.interfaces)
		if (!one[name].hook)
			lines.push(`!not attached to ${one.name}: what crosses it there is not limited`);
	return lines;
}

function drawNotes(parts, all, name) {
	const lines = notes(all, name);
	const items = children(parts.notes, lines.length, () => document.createElement("li"));
	lines.forEach((line, i) => {
		items[i].className = line[0] === "!" ? "say" : "";
		write(items[i], line.replace(/^!/, ""));
	});
}

/* Of a class, what was asked for it beyond what it has anyway. */
function terms(name, own) {
	const usual = HIGH.includes(name) ? "high" : "normal";
	return [
		own.exempt ? "exempt" : "",
		own.limit_bits_per_second ? `limit ${rate(own.limit_bits_per_second)}` : "",
		own.reserve_bits_per_second ? `reserve ${rate(own.reserve_bits_per_second)}` : "",
		own.exempt || own.priority === usual ? "" : `priority ${own.priority}`,
	].filter(Boolean).join(", ");
}

function makeRow() {
	const row = document.createElement("tr"), head = document.createElement("th");
	const swatch = makeFilled();
	swatch.setAttribute("class", "swatch");
	head.scope = "row";
	head.append(swatch, document.createElement("span"), document.createElement("small"));
	row.append(head);
	for (let i = 0; i < 4; i++) {
		const cell = document.createElement("td");
		cell.append(document.createElement("span"), document.createElement("small"));
		row.append(cell);
	}
	return row;
}

function fillRow(row, name, small, now, seenText) {
	const cells = row.children;
	const texts = [
		[name, small],
		now ? [rate(now.passed), now.passed ? `(${rateBytes(now.passed)})` : ""] : [NONE, ""],
		now ? [rate(now.lost), now.lostPackets ? `${count(now.lostPackets)} packets/s` : ""] : [NONE, ""],
		[now && now.delay !== null ? time(now.delay) : NONE, ""],
		[seenText, ""],
	];
	texts.forEach(([text, more], i) => {
		write($("span", cells[i]), text);
		write($("small", cells[i]), more);
	});
	row.classList.toggle("idle", Boolean(now && !now.passed && !now.lost));
}

function drawTable(parts, view, name) {
	const all = view.json[name], now = view.current[name], names = Object.keys(all.classes);
	const rows = children(parts.rows, names.length + 1, makeRow);
	write(parts.lost, all.mode === "observe" ? "Would drop" : "Dropped");
	names.forEach((each, i) => {
		const known = seen[name].get(each);
		rows[i].classList.remove("total");
		$("svg", rows[i]).toggleAttribute("hidden", false);
		fill($("svg", rows[i]), each);
		fillRow(rows[i], each, terms(each, all.classes[each]), now && now.classes[each],
			!known || !known.packets ? "never" :
			known.at === null ? "earlier" : ago(view.end - known.at));
		rows[i].dataset.class = each;
	});
	const sum = rows[names.length];
	sum.classList.add("total");
	sum.dataset.class = "";
	$("svg", sum).toggleAttribute("hidden", true);
	fillRow(sum, "total", Object.values(all.classes).some((own) => own.exempt) ? "without exempt" : "", now, "");
}

function drawRuns(all) {
	const lines = all.runs.map((run) => {
		const asked = DIRECTIONS.filter((each) => run[each].limit_bits_per_second)
			.map((each) => `${each} ${rate(run[each].limit_bits_per_second)}`);
		for (const each of DIRECTIONS)
			for (const [own, limits] of Object.entries(run[each].classes))
				asked.push(`class ${own} ${each} ${rate(limits.limit_bits_per_second)}`);
		return `run ${run.id}: ${asked.join(", ") || "no limit"}, for “${run.command}”`;
	});
	const items = children($("#runs ul"), lines.length, () => document.createElement("li"));
	lines.forEach((line, i) => write(items[i], line));
	$("#runs").hidden = !lines.length;
}

function drawInterfaces(view) {
	const rows = children($("#interfaces tbody"), view.json.interfaces.length, () => {
		const row = document.createElement("tr"), head = document.createElement("th");
		head.scope = "row";
		row.append(head, document.createElement("td"), document.createElement("td"));
		for (const cell of row.children)
			cell.append(document.createElement("span"), document.createElement("small"));
		return row;
	});
	view.json.interfaces.forEach((one, i) => {
		const cells = rows[i].children;
		write($("span", cells[0]), one.name);
		write($("small", cells[0]), `index ${one.ifindex}`);
		DIRECTIONS.forEach((each, k) => {
			const own = view.current.interfaces.get(`${one.ifindex} ${one.name} ${each}`);
			const hook = one[each].hook;
			write($("span", cells[k + 1]), !hook ? "not attached" : own ? rate(own.passed) : NONE);
			write($("small", cells[k + 1]), hook ? `${hook}, ${one[each].mode}` : "");
			cells[k + 1].classList.toggle("missing", !hook);
		});
	});
}

/* ---- plots ---- */

/* Samples put together until each has two pixels: {from, to, limit, passed, lost, classes}, with null for a gap. */
function columns(view, name, width) {
	const shown = view.samples.filter((each) => each.to > view.end - span);
	const every = Math.max(1, Math.ceil(shown.length / (width / 2)));
	const list = [];
	let group = null, before = null;
	for (const sample of shown) {
		const own = sample[name];
		if (before && (!own || sample.from - before.to > GAP_S) && list.at(-1))
			list.push(group = null);
		before = sample;
		if (!own)
			continue;
		const weight = sample.to - sample.from, key = Math.floor(sample.number / every);
		if (!group || group.key !== key) {
			group = {key, from: sample.from, limit: 0, passed: 0, lost: 0, weight: 0, classes: byName()};
			list.push(group);
		}
		group.to = sample.to;
		group.limit = group.limit === null || !own.limit ? null : Math.max(group.limit, own.limit);
		group.passed += own.passed * weight;
		group.lost += own.lost * weight;
		group.weight += weight;
		for (const [each, passed] of Object.entries(own.classes))
			group.classes[each] = (group.classes[each] || 0) + passed * weight;
	}
	for (const each of list) {
		if (!each)
			continue;
		each.passed /= each.weight;
		each.lost /= each.weight;
		for (const own of Object.keys(each.classes))
			each.classes[own] /= each.weight;
	}
	return list;
}

/* The end of the scale, and a step of its lines. */
function scaleFor(most) {
	const wanted = most / 4, power = 10 ** Math.floor(Math.log10(wanted));
	const step = power * [1, 2, 2.5, 5, 10].find((each) => each * power >= wanted * 0.999);
	return {step, top: Math.ceil(most / step - 0.001) * step};
}

function drawPlot(parts, view, name) {
	const width = parts.svg.clientWidth, height = parts.svg.clientHeight;
	if (width < LEFT + RIGHT + 20 || height < TOP + BOTTOM + 20)
		return;
	const list = columns(view, name, width - LEFT - RIGHT), filled = list.filter(Boolean);
	const peak = Math.max(0, ...filled.map((each) => each.passed));
	const limits = filled.map((each) => each.limit || 0);
	limits.push(view.json[name].limit_bits_per_second || 0);
	const highest = Math.max(...limits.filter((each) => !peak || each <= HIGH_ABOVE * peak), 0);
	const scale = scaleFor(Math.max(highest, peak, 1000) * 1.08);
	const plot = {
		width, height, scale, list, filled, peak, end: view.end,
		x: (at) => Math.max(LEFT, LEFT + (at - view.end + span) / span * (width - LEFT - RIGHT)),
		y: (bits) => height - BOTTOM - bits / scale.top * (height - TOP - BOTTOM),
	};
	attribute(parts.svg, "viewBox", `0 0 ${width} ${height}`);
	drawGrid(parts, plot);
	drawStack(parts, plot, view.json[name], name);
	drawCeiling(parts, plot, view.json[name]);
	parts.plot = plot;
	drawCursor(parts, false);
	attribute(parts.svg, "aria-label", describe(plot, view, name));
	Object.assign(parts.svg.dataset, {
		columns: filled.length, samples: view.samples.length, scale: scale.top, top: TOP, bottom: height - BOTTOM,
		passed: filled.length ? Math.round(filled[filled.length - 1].passed) : "",
	});
}

function drawGrid(parts, plot) {
	const {step, top} = plot.scale, lines = Math.round(top / step);
	const unit = top >= 1e12 ? 1e12 : top >= 1e9 ? 1e9 : top >= 1e6 ? 1e6 : 1e3;
	const minutes = span / 60, marks = plot.width < 420 ? 2 : minutes === 1 ? 6 : 5;
	const elements = children(parts.grid, (lines + 1) * 2 + marks + 1, () => svgElement("g"));
	let at = 0;
	const put = (path, text, x, y, anchor) => {
		const group = elements[at++];
		if (!group.childElementCount)
			group.append(svgElement("path"), svgElement("text"));
		attribute(group.children[0], "d", path);
		const label = group.children[1];
		write(label, text);
		attribute(label, "x", x.toFixed(1));
		attribute(label, "y", y.toFixed(1));
		attribute(label, "text-anchor", anchor);
	};
	for (let i = 0; i <= lines; i++) {
		const y = plot.y(i * step);
		put(`M${LEFT} ${y.toFixed(1)}H${plot.width - RIGHT}`, String(Number((i * step / unit).toPrecision(3))),
		    LEFT - 5, y + 4, "end");
		put("", "", 0, 0, "end");
	}
	for (let i = 0; i <= marks; i++) {
		const x = LEFT + (plot.width - LEFT - RIGHT) * i / marks, past = span * (1 - i / marks);
		put(`M${x.toFixed(1)} ${plot.height - BOTTOM}v4`,
		    !past ? "now" : minutes === 1 ? `${Math.round(past)} s` : `${Number((past / 60).toFixed(1))} min`,
		    x, plot.height - 4, i === marks ? "end" : i ? "middle" : "start");
	}
	write(parts.caption, `${{1e3: "kbit/s", 1e6: "Mbit/s", 1e9: "Gbit/s", 1e12: "Tbit/s"}[unit]}` +
			     " passed, classes one on the other, under the ceiling");
}

/* Runs of columns without a gap, each as points {x, column}: steps, as a mean says nothing of what is between. */
function stretches(plot) {
	const all = [];
	let points = null;
	for (const column of plot.list) {
		if (!column) {
			points = null;
			continue;
		}
		if (!points)
			all.push(points = []);
		points.push({x: plot.x(column.from), column}, {x: plot.x(column.to), column});
	}
	return all;
}

/* The mean of the last few, for a name that does not jump. */
function lately(values) {
	const few = values.slice(-10);
	return few.reduce((sum, each) => sum + each, 0) / few.length;
}

function drawStack(parts, plot, all, name) {
	const shown = new Set();
	plot.filled.forEach((column) => Object.keys(column.classes).forEach((each) => shown.add(each)));
	const names = Object.keys(all.classes).filter((each) => shown.delete(each)).concat([...shown]);
	const paths = children(parts.stack, names.length * 2, () => svgElement("path"));
	const labels = [];
	const runs = stretches(plot).map((points) => ({points, base: points.map(() => 0)}));
	names.forEach((each, i) => {
		let d = "", thick = null;
		for (const run of runs) {
			const top = run.points.map((point, k) => run.base[k] + (point.column.classes[each] || 0));
			const place = (values) => (point, k) => `${point.x.toFixed(1)} ${plot.y(values[k]).toFixed(1)}`;
			d += `M${run.points.map(place(top)).join("L")}L` +
			     `${run.points.map(place(run.base)).reverse().join("L")}Z`;
			thick = {low: plot.y(lately(run.base)), high: plot.y(lately(top)), x: run.points.at(-1).x};
			run.base = top;
		}
		attribute(paths[2 * i], "d", d);
		attribute(paths[2 * i], "class", colourClass(each));
		attribute(paths[2 * i], "data-class", each);
		attribute(paths[2 * i + 1], "d", d);
		attribute(paths[2 * i + 1], "class", "over");
		attribute(paths[2 * i + 1], "fill", patternOf(each));
		if (thick && thick.low - thick.high > 13)
			labels.push({text: each, x: thick.x - 5, y: (thick.low + thick.high) / 2 + 4, isLimit: false});
	});
	plot.labels = labels;
	parts.name = name;
}

function drawCeiling(parts, plot, all) {
	const limit = all.limit_bits_per_second, right = plot.width - RIGHT;
	let d = "", before = null;
	for (const column of plot.list) {
		const isShown = column && column.limit && column.limit <= plot.scale.top;
		if (isShown) {
			const y = plot.y(column.limit).toFixed(1), x = plot.x(column.from).toFixed(1);
			d += `${before ? `L${x} ${before}V` : `M${x} `}${y}H${plot.x(column.to).toFixed(1)}`;
			before = y;
		} else {
			before = null;
		}
	}
	/* What holds now is drawn to the end, also before there is a second of it. */
	const isShown = limit && limit <= plot.scale.top;
	if (isShown)
		d += `${before ? "L" : "M"}${(before ? right : LEFT)} ${before || plot.y(limit).toFixed(1)}` +
		     `${before ? "" : `H${right}`}V${plot.y(limit).toFixed(1)}`;
	attribute(parts.ceiling, "d", d);
	parts.ceiling.dataset.limit = limit || "";
	const labels = plot.labels;
	if (limit) {
		const y = isShown ? plot.y(limit) : TOP;
		labels.push({
			text: `ceiling ${rate(limit)}${isShown ? "" : ", above this"}`, isLimit: true, x: right - 5,
			y: isShown && y > TOP + 14 ? y - 5 : y + 14,
		});
	}
	const elements = children(parts.names, labels.length, () => svgElement("text"));
	labels.forEach((label, i) => {
		write(elements[i], label.text);
		attribute(elements[i], "x", label.x.toFixed(1));
		attribute(elements[i], "y", label.y.toFixed(1));
		attribute(elements[i], "class", label.isLimit ? "limit" : "");
		attribute(elements[i], "text-anchor", "end");
	});
}

const byRate = (classes) => Object.entries(classes).sort((a, b) => b[1] - a[1])
	.map(([each, passed]) => `${each} ${rate(passed)}`);

/* What a plot shows, for who does not see it. */
function describe(plot, view, name) {
	const limit = view.json[name].limit_bits_per_second, now = view.current[name];
	const what = `${name}, the last ${span / 60} min`;
	if (!plot.filled.length)
		return `${what}: nothing yet`;
	const seconds = plot.filled.reduce((sum, each) => sum + each.weight, 0);
	const mean = plot.filled.reduce((sum, each) => sum + each.passed * each.weight, 0) / seconds;
	const newest = plot.filled.at(-1);
	return `${what}: ${now ? `now ${rate(now.passed)} ` : ""}${limit ? `under a ceiling of ${rate(limit)}` :
	       "without a limit"}, ${rate(mean)} on average, ${rate(plot.peak)} at most. ` +
	       `${byRate(newest.classes).slice(0, 5).join(", ")}`;
}

/* ---- walking a plot ---- */

/* The column that was chosen, by its time: it stays the same one while it moves on. */
function chosen(parts) {
	if (parts.chosen === null || !parts.plot)
		return null;
	return parts.plot.filled.find((each) => each.to >= parts.chosen - 0.001) || null;
}

function drawCursor(parts, isAsked) {
	const column = chosen(parts), plot = parts.plot;
	attribute(parts.walk, "aria-valuemin", -span);
	if (!column) {
		attribute(parts.cursor, "d", "");
		attribute(parts.walk, "aria-valuenow", 0);
		attribute(parts.walk, "aria-valuetext", "now");
		if (isAsked || parts.chosen !== null)
			write(parts.readout, parts.hint);
		parts.chosen = null;
		return;
	}
	const x = plot.x((column.from + column.to) / 2).toFixed(1);
	const past = Math.max(0, Math.round(plot.end - column.to));
	attribute(parts.cursor, "d", `M${x} ${TOP}V${plot.height - BOTTOM}`);
	if (!isAsked)
		return;
	attribute(parts.walk, "aria-valuenow", -Math.min(past, span));
	attribute(parts.walk, "aria-valuetext", past ? `${past} s ago` : "now");
	const classes = byRate(column.classes);
	write(parts.readout, `${clock(column.to)}: ${both(column.passed)}` +
			     (column.limit ? ` of ${rate(column.limit)}` : ", no limit") +
			     (column.lost ? `, ${rate(column.lost)} ${parts.lost.textContent.toLowerCase()}` : "") +
			     (classes.length ? `. ${classes.join(", ")}` : ""));
}

function choose(parts, column) {
	parts.chosen = column ? column.to : null;
	drawCursor(parts, true);
}

function walk(parts, event) {
	const list = parts.plot ? parts.plot.filled : [];
	const at = chosen(parts) ? list.indexOf(chosen(parts)) : list.length - 1;
	const steps = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10,
		       Home: -Infinity, End: Infinity};
	if (event.key === "Escape") {
		choose(parts, null);
	} else if (Object.hasOwn(steps, event.key) && !event.ctrlKey && !event.altKey && !event.metaKey) {
		event.preventDefault();
		choose(parts, list[Math.max(0, Math.min(list.length - 1, at + steps[event.key]))]);
	}
}

function point(parts, event) {
	if (!parts.plot)
		return;
	const x = event.clientX - parts.svg.getBoundingClientRect().left;
	let best = null, least = Infinity;
	for (const each of parts.plot.filled) {
		const distance = Math.abs(parts.plot.x((each.from + each.to) / 2) - x);
		if (distance < least) {
			least = distance;
			best = each;
		}
	}
	choose(parts, best);
}

/* ---- the beginning ---- */

function makeDirection(name) {
	const section = $("#direction").content.firstElementChild.cloneNode(true);
	const parts = {
		section, name, chosen: null, plot: null,
		rate: $(".rate", section), share: $(".share", section), bar: $(".bar", section),
		fill: $(".fill", section), notes: $(".notes", section), svg: $(".plot svg", section),
		caption: $("figcaption", section), grid: $(".grid", section), stack: $(".stack", section),
		ceiling: $(".ceiling", section), names: $(".names", section), cursor: $(".cursor", section),
		walk: $(".walk", section), readout: $(".readout", section), lost: $(".lost", section),
		rows: $("tbody", section),
		hint: "Point at a moment, or walk there with the arrow keys.",
	};
	section.id = name;
	$("h2", section).id = `${name}-title`;
	$("h2", section).textContent = name;
	section.setAttribute("aria-labelledby", `${name}-title`);
	parts.bar.setAttribute("aria-label", `${name}, now`);
	parts.walk.setAttribute("aria-label", `Moment in the plot of ${name}`);
	$("caption", section).textContent = `Classes of ${name}, in the last second`;
	parts.readout.textContent = parts.hint;
	parts.walk.addEventListener("keydown", (event) => walk(parts, event));
	parts.walk.addEventListener("pointermove", (event) => point(parts, event));
	parts.walk.addEventListener("pointerdown", (event) => point(parts, event));
	parts.walk.addEventListener("pointerleave", () => choose(parts, null));
	parts.walk.addEventListener("blur", () => choose(parts, null));
	$("#directions").append(section);
	return parts;
}

function pause() {
	frozen = frozen ? null : {
		json, samples: samples.slice(), current,
		end: samples.length ? samples.at(-1).to : Date.now() / 1000,
	};
	$("#pause").textContent = frozen ? "Continue" : "Pause";
	draw();
}

/* With another size or span, what is shown is drawn anew, paused or not. */
function redraw() {
	if (frozen)
		drawAll(frozen);
	else
		draw();
}

document.addEventListener("DOMContentLoaded", () => {
	document.title = `bwctl, ${location.host}`;
	for (const name of DIRECTIONS)
		views[name] = makeDirection(name);
	$("#pause").addEventListener("click", pause);
	$("#theme").value = document.documentElement.dataset.theme || "";
	$("#theme").addEventListener("change", (event) => {
		colour(event.target.value);
		remember("theme", event.target.value);
	});
	for (const each of document.querySelectorAll("[name=span]")) {
		each.checked = each.value === (remembered("span") || "1");
		each.addEventListener("change", () => {
			span = Number(each.value) * 60;
			remember("span", each.value);
			redraw();
		});
	}
	span = Number(($("[name=span]:checked") || {value: 1}).value) * 60;
	new ResizeObserver(redraw).observe($("#main"));
	document.addEventListener("visibilitychange", () => {
		if (!document.hidden && !asks) {
			clearTimeout(timer);
			ask();
		}
	});
	ask();
});
})();
