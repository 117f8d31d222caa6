// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What watch makes of two reports: rates over measured time, counters that begin again, what waits,
 * classes that come and go; the history, its scale, the steps of the limit, and the words for it all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "watch_line.h"
#include "watch_rates.h"

#define MS     1000000ULL
#define SECOND 1000000000ULL
#define START  (1000 * SECOND)
#define MBIT   1000000ULL

struct fixture {
	struct report *before, *now;
	struct watch_rates rates;
	struct watch_rates_history history;
};

static struct report *new_report(void)
{
	struct report *report = calloc(1, sizeof(*report));

	assert_non_null(report);
	report->interfaces = calloc(2, sizeof(*report->interfaces));
	report->first = calloc(2, sizeof(*report->first));
	assert_true(report->interfaces && report->first);
	report->interface_count = 1;
	snprintf(report->interfaces[0].name, sizeof(report->interfaces[0].name), "eth0");
	report->interfaces[0].hook[BWCTL_INGRESS] = BWCTL_HOOK_TCX;
	report->interfaces[0].hook[BWCTL_EGRESS] = BWCTL_HOOK_TCX;
	report->interfaces[0].exists = true;
	policy_default(&report->policy.asked);
	report->policy.generation = 1;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		report->policy.enforcement[direction].mode = BWCTL_MODE_POLICE;
	return report;
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->before = new_report();
	fixture->now = new_report();
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	report_free(fixture->before);
	report_free(fixture->now);
	free(fixture);
	return 0;
}

static void set_limit(struct report *report, uint64_t limit_bits_s)
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		report->policy.asked.request[direction].limit_bits_s = limit_bits_s;
		report->policy.meter[direction].rate_bits_s = limit_bits_s / 100 * 99;
		report->policy.promise[direction].limit_bits_s = limit_bits_s;
		report->policy.promise[direction].window_ns = SECOND;
		report->policy.promise[direction].bound_bytes = 66500;
	}
}

/* Of a class, and of the sum. */
static void pass(struct report *report, enum bwctl_direction direction, uint32_t class,
		 uint64_t packets, uint64_t bytes)
{
	struct bwctl_flow_counters *rows[] = {&report->counters[direction].now.classes[class],
					      &report->counters[direction].total};

	for (int i = 0; i < 2; i++) {
		rows[i]->passed.packets += packets;
		rows[i]->passed.bytes += bytes;
	}
}

static void lose(struct report *report, enum bwctl_direction direction, uint32_t class,
		 uint64_t packets)
{
	report->counters[direction].now.classes[class].dropped.packets += packets;
	report->counters[direction].total.dropped.packets += packets;
}

static void update(struct fixture *fixture, uint64_t interval_ns, const char *class)
{
	watch_rates_update(&fixture->rates, fixture->before, interval_ns, fixture->now,
			   START + interval_ns, class);
}

static void test_rates(void **state)
{
	struct fixture *fixture = *state;
	const struct watch_rates_direction *out = &fixture->rates.direction[BWCTL_EGRESS];

	set_limit(fixture->now, 50 * MBIT);
	pass(fixture->before, BWCTL_EGRESS, BWCTL_UI, 1000, 1000000);
	pass(fixture->now, BWCTL_EGRESS, BWCTL_UI, 3000, 3500000);
	pass(fixture->now, BWCTL_EGRESS, BWCTL_SSH, 10, 1000);
	lose(fixture->now, BWCTL_EGRESS, BWCTL_SSH, 5);
	fixture->now->counters[BWCTL_EGRESS].now.classes[BWCTL_UI].paced.packets = 4;
	fixture->now->counters[BWCTL_EGRESS].now.classes[BWCTL_UI].delay_ns = 80 * MS;
	fixture->now->at_limit_ns[BWCTL_EGRESS] = 200 * MS;
	/* Measured time, not what was asked for: 2.5 MB and 1 kB in 400 ms. */
	update(fixture, 400 * MS, NULL);

	assert_true(fixture->rates.is_loaded && fixture->rates.is_measured);
	assert_int_equal(out->figures.rate_bits_s, 50020000);
	assert_int_equal(out->classes[BWCTL_UI].figures.rate_bits_s, 50 * MBIT);
	assert_int_equal(out->classes[BWCTL_SSH].figures.rate_bits_s, 20000);
	assert_int_equal(out->classes[BWCTL_ICMP].figures.rate_bits_s, 0);
	assert_float_equal(out->classes[BWCTL_SSH].figures.lost_s, 12.5, 0.001);
	assert_float_equal(out->figures.lost_s, 12.5, 0.001);
	assert_int_equal(out->classes[BWCTL_UI].figures.wait_ns, 20 * MS);
	assert_int_equal(out->classes[BWCTL_SSH].figures.wait_ns, 0);
	assert_float_equal(out->at_limit, 0.5, 0.001);
	assert_int_equal(out->limit.bits_s, 50 * MBIT);
	assert_int_equal(out->limit.asked_bits_s, 50 * MBIT);
	assert_int_equal(out->bound_bytes, 66500);
	assert_int_equal(fixture->rates.direction[BWCTL_INGRESS].figures.rate_bits_s, 0);
	assert_string_equal(fixture->rates.interfaces, "eth0");
	assert_string_equal(watch_line_mode(&fixture->rates, BWCTL_EGRESS), "police");
}

static void test_first_look(void **state)
{
	struct fixture *fixture = *state;

	pass(fixture->now, BWCTL_EGRESS, BWCTL_UI, 1000, 1000000);
	watch_rates_update(&fixture->rates, NULL, 0, fixture->now, START, NULL);
	assert_true(fixture->rates.is_loaded);
	assert_false(fixture->rates.is_measured);
	assert_int_equal(fixture->rates.direction[BWCTL_EGRESS].figures.rate_bits_s, 0);
	assert_int_equal(fixture->rates.direction[BWCTL_EGRESS].classes[BWCTL_UI].seen_ns, 0);
	assert_true(fixture->rates.direction[BWCTL_EGRESS].classes[BWCTL_UI].was_counted);
}

/* Unloaded and loaded again: what was counted since, never the difference the other way round. */
static void test_counters_begin_again(void **state)
{
	struct fixture *fixture = *state;
	const struct watch_rates_direction *in = &fixture->rates.direction[BWCTL_INGRESS];

	pass(fixture->before, BWCTL_INGRESS, BWCTL_UI, 1000000, 1000000000);
	fixture->before->at_limit_ns[BWCTL_INGRESS] = 3000 * SECOND;
	pass(fixture->now, BWCTL_INGRESS, BWCTL_UI, 100, 125000);
	update(fixture, SECOND, NULL);
	assert_int_equal(in->figures.rate_bits_s, MBIT);
	assert_int_equal(in->classes[BWCTL_UI].figures.rate_bits_s, MBIT);
	assert_float_equal(in->at_limit, 0, 0.001);
}

static void test_unloaded_in_between(void **state)
{
	struct fixture *fixture = *state;
	struct report *empty = calloc(1, sizeof(*empty));

	assert_non_null(empty);
	pass(fixture->before, BWCTL_INGRESS, BWCTL_UI, 10, 1000);
	watch_rates_update(&fixture->rates, fixture->before, SECOND, empty, START, NULL);
	assert_false(fixture->rates.is_loaded || fixture->rates.is_measured);
	watch_rates_remember(&fixture->history, &fixture->rates);
	assert_false(watch_rates_recall(&fixture->history, BWCTL_INGRESS, 1, 0)->is_there);

	pass(fixture->now, BWCTL_INGRESS, BWCTL_UI, 100, 125000);
	watch_rates_update(&fixture->rates, empty, SECOND, fixture->now, START + SECOND, NULL);
	assert_true(fixture->rates.is_measured);
	assert_int_equal(fixture->rates.direction[BWCTL_INGRESS].figures.rate_bits_s, MBIT);
	free(empty);
}

/* A class that has got the number of another begins at zero, and was not seen. */
static void test_another_class(void **state)
{
	struct fixture *fixture = *state;
	const uint32_t number = BWCTL_BUILTIN_CLASSES;
	const struct watch_rates_class *class =
		&fixture->rates.direction[BWCTL_EGRESS].classes[number];

	strcpy(fixture->before->policy.asked.classes[number].name, "old");
	strcpy(fixture->now->policy.asked.classes[number].name, "old");
	pass(fixture->now, BWCTL_EGRESS, number, 10, 1000);
	update(fixture, SECOND, NULL);
	assert_string_equal(class->name, "old");
	assert_int_equal(class->seen_ns, START + SECOND);

	strcpy(fixture->now->policy.asked.classes[number].name, "new");
	pass(fixture->before, BWCTL_EGRESS, number, 500, 50000);
	memset(&fixture->now->counters[BWCTL_EGRESS].now.classes[number], 0,
	       sizeof(struct bwctl_flow_counters));
	pass(fixture->now, BWCTL_EGRESS, number, 600, 125000);
	update(fixture, SECOND, NULL);
	assert_string_equal(class->name, "new");
	assert_int_equal(class->figures.rate_bits_s, MBIT);

	*fixture->now->policy.asked.classes[number].name = '\0';
	update(fixture, SECOND, "new");
	assert_string_equal(class->name, "");
	assert_false(fixture->rates.has_class);
	assert_int_equal(fixture->rates.direction[BWCTL_EGRESS].figures.rate_bits_s, 0);
}

/* 95 ms at 49.5 Mbit/s were let in and have not left: the rate stays below the limit. */
static void test_what_waits(void **state)
{
	struct fixture *fixture = *state;
	const struct watch_rates_direction *out = &fixture->rates.direction[BWCTL_EGRESS];
	uint64_t waiting = 95 * 49500000ULL / 8000;

	for (int i = 0; i < 2; i++) {
		struct report *report = i ? fixture->now : fixture->before;

		set_limit(report, 50 * MBIT);
		report->policy.enforcement[BWCTL_EGRESS].mode = BWCTL_MODE_PACE;
	}
	pass(fixture->now, BWCTL_EGRESS, BWCTL_UI, 5000, 49500000 / 8 + waiting);
	fixture->now->backlog_ns[BWCTL_EGRESS] = 95 * MS;
	update(fixture, SECOND, NULL);
	assert_in_range(out->figures.rate_bits_s, 49499900, 49500100);
	assert_int_equal(out->queue_ns, 95 * MS);
	assert_in_range(out->classes[BWCTL_UI].figures.rate_bits_s, 54 * MBIT, 55 * MBIT);

	/* It leaves, and nothing comes. */
	fixture->before->backlog_ns[BWCTL_EGRESS] = 95 * MS;
	fixture->before->counters[BWCTL_EGRESS] = fixture->now->counters[BWCTL_EGRESS];
	fixture->now->backlog_ns[BWCTL_EGRESS] = 0;
	update(fixture, SECOND, NULL);
	assert_int_equal(out->figures.rate_bits_s, waiting * 8);

	/* Nothing waits where it is only observed. */
	fixture->before->policy.observe = fixture->now->policy.observe = 1;
	update(fixture, SECOND, NULL);
	assert_int_equal(out->figures.rate_bits_s, 0);
	assert_string_equal(watch_line_mode(&fixture->rates, BWCTL_EGRESS), "observe");
}

static void test_exempt(void **state)
{
	struct fixture *fixture = *state;
	const struct watch_rates_direction *in = &fixture->rates.direction[BWCTL_INGRESS];

	set_limit(fixture->now, 50 * MBIT);
	fixture->now->policy.asked.classes[BWCTL_SSH].exempt = 1;
	pass(fixture->now, BWCTL_INGRESS, BWCTL_SSH, 1000, 125000000);
	pass(fixture->now, BWCTL_INGRESS, BWCTL_UI, 1000, 125000);
	update(fixture, SECOND, NULL);
	assert_int_equal(in->figures.rate_bits_s, MBIT);
	assert_int_equal(in->classes[BWCTL_SSH].figures.rate_bits_s, 1000 * MBIT);
	assert_true(in->classes[BWCTL_SSH].is_exempt);
}

static void test_chosen_class(void **state)
{
	struct fixture *fixture = *state;
	const struct watch_rates_direction *in = &fixture->rates.direction[BWCTL_INGRESS];

	set_limit(fixture->now, 50 * MBIT);
	pass(fixture->now, BWCTL_INGRESS, BWCTL_SSH, 1000, 125000);
	pass(fixture->now, BWCTL_INGRESS, BWCTL_UI, 1000, 1250000);
	update(fixture, SECOND, "ssh");
	assert_true(fixture->rates.has_class);
	assert_int_equal(in->figures.rate_bits_s, MBIT);
	assert_int_equal(in->limit.bits_s, 50 * MBIT);
	assert_false(in->is_own);

	fixture->now->policy.asked.classes[BWCTL_SSH].limit_bits_s[BWCTL_INGRESS] = 2 * MBIT;
	fixture->now->policy.class_promise[BWCTL_INGRESS][BWCTL_SSH].window_ns = 3 * SECOND;
	update(fixture, SECOND, "ssh");
	assert_int_equal(in->limit.bits_s, 2 * MBIT);
	assert_int_equal(in->window_ns, 3 * SECOND);
	assert_int_equal(in->limit.asked_bits_s, 2 * MBIT);
	assert_true(in->is_own);

	update(fixture, SECOND, "nosuch");
	assert_false(fixture->rates.has_class);
}

static void assert_step(uint64_t limit_bits_s, uint64_t lower_bits_s, uint64_t higher_bits_s)
{
	assert_int_equal(watch_rates_step(limit_bits_s, false), lower_bits_s);
	assert_int_equal(watch_rates_step(limit_bits_s, true), higher_bits_s);
}

static void test_steps(void **state)
{
	(void)state;
	assert_step(50 * MBIT, 20 * MBIT, 100 * MBIT);
	assert_step(100 * MBIT, 50 * MBIT, 200 * MBIT);
	assert_step(20 * MBIT, 10 * MBIT, 50 * MBIT);
	assert_step(30 * MBIT, 20 * MBIT, 50 * MBIT);
	assert_step(99999999, 50 * MBIT, 100 * MBIT);
	assert_step(100000001, 100 * MBIT, 200 * MBIT);
	assert_step(UNITS_RATE_MIN_BITS_S, UNITS_RATE_MIN_BITS_S, 10000);
	assert_step(10000, UNITS_RATE_MIN_BITS_S, 20000);
	assert_step(200000 * MBIT, 100000 * MBIT, UNITS_RATE_MAX_BITS_S);
	assert_step(UNITS_RATE_MAX_BITS_S, 200000 * MBIT, UNITS_RATE_MAX_BITS_S);
}

static void remember(struct fixture *fixture, uint64_t rate_bits_s, uint64_t limit_bits_s)
{
	fixture->rates.is_measured = true;
	fixture->rates.direction[BWCTL_INGRESS].figures.rate_bits_s = rate_bits_s;
	fixture->rates.direction[BWCTL_INGRESS].limit.bits_s = limit_bits_s;
	watch_rates_remember(&fixture->history, &fixture->rates);
}

static uint64_t recalled(const struct fixture *fixture, uint64_t count, uint64_t back)
{
	return watch_rates_recall(&fixture->history, BWCTL_INGRESS, count, back)->rate_bits_s;
}

static void test_history(void **state)
{
	struct fixture *fixture = *state;

	assert_false(watch_rates_recall(&fixture->history, BWCTL_INGRESS, 0, 0)->is_there);
	for (uint64_t i = 1; i <= WATCH_RATES_SAMPLES + 10; i++)
		remember(fixture, i, 0);
	assert_int_equal(recalled(fixture, WATCH_RATES_SAMPLES + 10, 0), WATCH_RATES_SAMPLES + 10);
	assert_int_equal(recalled(fixture, WATCH_RATES_SAMPLES + 10, WATCH_RATES_SAMPLES - 1), 11);
	assert_int_equal(recalled(fixture, WATCH_RATES_SAMPLES + 10, WATCH_RATES_SAMPLES), 0);
	/* As it was when it was paused; what has been overwritten since is not there. */
	assert_int_equal(recalled(fixture, 100, 0), 100);
	assert_int_equal(recalled(fixture, 100, 89), 11);
	assert_int_equal(recalled(fixture, 100, 90), 0);
	assert_int_equal(recalled(fixture, 5, 0), 0);
}

static void test_scale(void **state)
{
	struct fixture *fixture = *state;
	struct watch_rates_history *history = &fixture->history;

	assert_true(watch_rates_top(history, BWCTL_INGRESS, 0, 60, 4) > 0);
	remember(fixture, 49 * MBIT, 50 * MBIT);
	/* The limit is one row below the top. */
	assert_int_equal(watch_rates_top(history, BWCTL_INGRESS, 1, 60, 5), 62500000);
	assert_int_equal(watch_rates_top(history, BWCTL_INGRESS, 1, 60, 2), 100 * MBIT);
	/* More than fits above it: a round number. */
	remember(fixture, 170 * MBIT, 50 * MBIT);
	assert_int_equal(watch_rates_top(history, BWCTL_INGRESS, 2, 60, 5), 200 * MBIT);
	/* What is not shown any more does not count. */
	remember(fixture, 49 * MBIT, 50 * MBIT);
	assert_int_equal(watch_rates_top(history, BWCTL_INGRESS, 3, 1, 5), 62500000);
	remember(fixture, 1234, 0);
	assert_int_equal(watch_rates_top(history, BWCTL_INGRESS, 4, 1, 5), 1500);
}

static void assert_seen(const struct watch_rates_class *class, uint64_t now_ns,
			const char *expected)
{
	char text[UNITS_TEXT];

	assert_string_equal(watch_line_seen(class, now_ns, START, text), expected);
}

static void test_seen(void **state)
{
	struct watch_rates_class class = {.name = "ui"};

	(void)state;
	assert_seen(&class, START + 12 * SECOND, "-");
	class.was_counted = true;
	assert_seen(&class, START + 12 * SECOND, ">12 s ago");
	class.seen_ns = START + 12 * SECOND;
	assert_seen(&class, START + 12 * SECOND, "now");
	assert_seen(&class, START + 12 * SECOND + 300 * MS, "<1 s ago");
	assert_seen(&class, START + 13 * SECOND, "1 s ago");
	assert_seen(&class, START + 71 * SECOND, "59 s ago");
	assert_seen(&class, START + 72 * SECOND, "1 min ago");
	assert_seen(&class, START + 3611 * SECOND, "59 min ago");
	assert_seen(&class, START + 3612 * SECOND, "1 h ago");
	assert_seen(&class, START + 90012 * SECOND, "25 h ago");
	/* Unloaded since: the counters say nothing of it any more, we do. */
	class.was_counted = false;
	assert_seen(&class, START + 13 * SECOND, "1 s ago");
}

static void test_words(void **state)
{
	char text[UNITS_TEXT];

	(void)state;
	assert_string_equal(watch_line_rate(49512345, text), "49.5 Mbit/s");
	assert_string_equal(watch_line_rate(999999, text), "1 Mbit/s");
	assert_string_equal(watch_line_rate(0, text), "0 bit/s");
	assert_string_equal(watch_line_lost(0, text), "0");
	assert_string_equal(watch_line_lost(0.01, text), "0.1");
	assert_string_equal(watch_line_lost(2.34, text), "2.3");
	assert_string_equal(watch_line_lost(9.96, text), "10");
	assert_string_equal(watch_line_lost(59650.4, text), "59 700");
	assert_string_equal(watch_line_wait(84612345, text), "84.6 ms");
	assert_string_equal(watch_line_wait(0, text), "-");
}

static void test_promise(void **state)
{
	struct fixture *fixture = *state;
	char text[2 * LOG_TEXT];

	set_limit(fixture->now, 50 * MBIT);
	update(fixture, SECOND, NULL);
	assert_string_equal(watch_line_promise(&fixture->rates, BWCTL_INGRESS, text),
			    "window W 1 s, bound B 66.5 kB");
	strcpy(fixture->now->policy.enforcement[BWCTL_INGRESS].why, "this kernel has no fq qdisc");
	update(fixture, SECOND, NULL);
	assert_string_equal(watch_line_promise(&fixture->rates, BWCTL_INGRESS, text),
			    "window W 1 s, bound B 66.5 kB: this kernel has no fq qdisc");
	fixture->now->policy.observe = 1;
	update(fixture, SECOND, NULL);
	assert_string_equal(
		watch_line_promise(&fixture->rates, BWCTL_INGRESS, text),
		"window W 1 s, bound B 66.5 kB; it would police: this kernel has no fq qdisc");
	set_limit(fixture->now, 0);
	fixture->now->policy.observe = 0;
	*fixture->now->policy.enforcement[BWCTL_INGRESS].why = '\0';
	update(fixture, SECOND, NULL);
	assert_string_equal(watch_line_promise(&fixture->rates, BWCTL_INGRESS, text),
			    "no limit is set: counting only");
}

/* What a run holds, of all and of a class, and which of several. */
static void test_runs(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_run *runs = fixture->now->policy.runs;
	const struct watch_rates_direction *in = &fixture->rates.direction[BWCTL_INGRESS];
	char text[2 * LOG_TEXT];

	set_limit(fixture->now, 50 * MBIT);
	runs[0] = (struct bwctl_run){.id = 7, .limit_bits_s = {20 * MBIT, 60 * MBIT}};
	runs[1] = (struct bwctl_run){.id = 9, .limit_bits_s = {10 * MBIT, 0}};
	runs[1].class_limit_bits_s[BWCTL_SSH][BWCTL_INGRESS] = MBIT;
	update(fixture, SECOND, NULL);
	assert_int_equal(in->limit.bits_s, 10 * MBIT);
	assert_int_equal(in->limit.run_id, 9);
	assert_int_equal(in->step.asked_bits_s, 50 * MBIT);
	assert_int_equal(fixture->rates.direction[BWCTL_EGRESS].limit.run_id, 0);
	assert_string_equal(watch_line_promise(&fixture->rates, BWCTL_INGRESS, text),
			    "held to 10 Mbit/s by run 9 (50 asked), window W 1 s, bound B 66.5 kB");
	assert_string_equal(watch_line_promise(&fixture->rates, BWCTL_EGRESS, text),
			    "window W 1 s, bound B 66.5 kB");
	/* Nothing was set for the class: a step is one of all. */
	update(fixture, SECOND, "ssh");
	assert_int_equal(in->limit.bits_s, MBIT);
	assert_int_equal(in->limit.asked_bits_s, 0);
	assert_false(fixture->rates.steps_class);
	assert_int_equal(in->step.bits_s, 10 * MBIT);
	assert_string_equal(watch_line_held(&in->limit, text),
			    "held to 1 Mbit/s by run 9 (none asked)");
	fixture->now->policy.asked.classes[BWCTL_SSH].limit_bits_s[BWCTL_EGRESS] = 2000 * MBIT;
	update(fixture, SECOND, "ssh");
	assert_true(fixture->rates.steps_class);
	assert_int_equal(in->step.asked_bits_s, 0);
	assert_int_equal(fixture->rates.direction[BWCTL_EGRESS].step.bits_s, 2000 * MBIT);
	assert_string_equal(watch_line_step(50 * MBIT, 100 * MBIT, text), "50 -> 100 Mbit/s");
	assert_string_equal(watch_line_step(500 * MBIT, 1000 * MBIT, text),
			    "500 Mbit/s -> 1 Gbit/s");
}

static void test_line(void **state)
{
	struct fixture *fixture = *state;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	set_limit(fixture->now, 50 * MBIT);
	fixture->now->policy.asked.request[BWCTL_EGRESS].limit_bits_s = 0;
	pass(fixture->now, BWCTL_INGRESS, BWCTL_UI, 100, 1250000);
	lose(fixture->now, BWCTL_INGRESS, BWCTL_UI, 7);
	fixture->now->at_limit_ns[BWCTL_INGRESS] = 970 * MS;
	update(fixture, SECOND, NULL);
	assert_true(watch_line_print(out, &fixture->rates, NULL, false));
	fclose(out);
	assert_string_equal(strchr(text, ' '),
			    " ingress 10 Mbit/s of 50 Mbit/s, police, dropped 7/s, wait -, "
			    "at the limit 97 %; egress 0 bit/s of unlimited, police, dropped 0/s, "
			    "wait -, at the limit 0 %\n");
	free(text);

	/* Of a class, and with tenths. */
	fixture->rates.at.tv_nsec = 340000000;
	out = open_memstream(&text, &length);
	assert_non_null(out);
	assert_true(watch_line_print(out, &fixture->rates, "ui", true));
	fclose(out);
	assert_memory_equal(text + 8, ".3 class ui ingress ", 20);
	assert_non_null(strstr(text, ", all at the limit 97 %; egress"));
	free(text);
}

/* A name may be any bytes, and goes to a terminal. */
static void test_names_are_printable(void **state)
{
	struct fixture *fixture = *state;

	strcpy(fixture->now->interfaces[0].name, "e\033[2Jh");
	fixture->now->interfaces[0].hook[BWCTL_EGRESS] = BWCTL_HOOK_NONE;
	update(fixture, SECOND, NULL);
	assert_string_equal(fixture->rates.interfaces, "e?[2Jh (not attached)");
	/* Nor where somebody passes it by, as far as is known. */
	fixture->now->interfaces[0].hook[BWCTL_EGRESS] = BWCTL_HOOK_TCX;
	fixture->now->first[0][BWCTL_EGRESS].hook = BWCTL_HOOK_TCX;
	update(fixture, SECOND, NULL);
	assert_string_equal(fixture->rates.interfaces, "e?[2Jh");
	fixture->now->first[0][BWCTL_EGRESS].is_known = true;
	update(fixture, SECOND, NULL);
	assert_string_equal(fixture->rates.interfaces, "e?[2Jh (not first)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_look, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counters_begin_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unloaded_in_between, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_class, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exempt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chosen_class, setup, teardown),
		cmocka_unit_test(test_steps),
		cmocka_unit_test_setup_teardown(test_history, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scale, setup, teardown),
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_words),
		cmocka_unit_test_setup_teardown(test_promise, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_are_printable, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
