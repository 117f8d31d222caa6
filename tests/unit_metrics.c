// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Metrics of invented reports: names and labels as both formats want them, sums
 * over interfaces of one name, what drops are put down to, and what is not there
 * when it would not be true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "policy.h"

#define MS	   1000000ULL
#define INTERFACES 4

struct fixture {
	struct report *report;
	char *text;
};

static void add_interface(struct report *report, const char *name, uint32_t ifindex)
{
	struct limiter_interface *interface = &report->interfaces[report->interface_count++];

	interface->key.ifindex = ifindex;
	interface->own = interface->here = interface->exists = true;
	interface->hook[BWCTL_INGRESS] = interface->hook[BWCTL_EGRESS] = BWCTL_HOOK_TCX;
	snprintf(interface->name, sizeof(interface->name), "%s", name);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct report *report = calloc(1, sizeof(*report));

	assert_true(fixture && report);
	report->interfaces = calloc(INTERFACES, sizeof(*report->interfaces));
	report->interface_counters = calloc(INTERFACES, sizeof(*report->interface_counters));
	report->first = calloc(INTERFACES, sizeof(*report->first));
	assert_true(report->interfaces && report->interface_counters && report->first);
	policy_default(&report->policy.asked);
	report->policy.since_s = 1700000000;
	add_interface(report, "eth0", 2);
	fixture->report = report;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	report_free(fixture->report);
	free(fixture->text);
	free(fixture);
	return 0;
}

static void print(struct fixture *fixture, enum saved_answer saved, enum metrics_format format)
{
	size_t length;
	FILE *out;

	free(fixture->text);
	fixture->text = NULL;
	out = open_memstream(&fixture->text, &length);
	assert_non_null(out);
	metrics_print(out, fixture->report, saved, format);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(length, strlen(fixture->text));
}

static bool has_line(const struct fixture *fixture, const char *line)
{
	char between[512];

	snprintf(between, sizeof(between), "\n%s\n", line);
	return strstr(fixture->text, between) ||
	       !strncmp(fixture->text, between + 1, strlen(between) - 1);
}

static void assert_line(const struct fixture *fixture, const char *line)
{
	if (!has_line(fixture, line))
		fail_msg("no line '%s' in\n%s", line, fixture->text);
}

static void assert_nothing_of(const struct fixture *fixture, const char *name)
{
	if (strstr(fixture->text, name))
		fail_msg("'%s' is in\n%s", name, fixture->text);
}

static void test_nothing_is_loaded(void **state)
{
	struct fixture *fixture = *state;

	fixture->report->interface_count = 0;
	print(fixture, SAVED_NO, METRICS_PROMETHEUS);
	assert_line(fixture, "bwctl_build_info{version=\"" BWCTL_VERSION "\"} 1");
	assert_line(fixture, "bwctl_loaded 0");
	assert_nothing_of(fixture, "bwctl_attached");
	assert_nothing_of(fixture, "bwctl_policy_saved");
	assert_nothing_of(fixture, "# EOF");
}

static void test_without_a_limit(void **state)
{
	struct fixture *fixture = *state;

	print(fixture, SAVED_UNKNOWN, METRICS_PROMETHEUS);
	assert_line(fixture, "bwctl_loaded 1");
	assert_line(fixture, "bwctl_policy_changed_timestamp_seconds 1700000000");
	assert_line(fixture, "bwctl_receive_bytes_total{class=\"ssh\",interface=\"eth0\"} 0");
	assert_line(fixture, "bwctl_runs 0");
	assert_nothing_of(fixture, "bwctl_policy_saved");
	assert_nothing_of(fixture, "limit_bytes_per_second");
	assert_nothing_of(fixture, "_rate_bytes_per_second");
	assert_nothing_of(fixture, "would_drop");
	assert_nothing_of(fixture, "bwctl_class_exempt");
	/* Of classes that there are, and no others. */
	assert_nothing_of(fixture, "class=\"\"");
}

static void test_limit(void **state)
{
	struct fixture *fixture = *state;
	struct report *report = fixture->report;
	struct bwctl_policy *policy = &report->policy;

	policy->meter[BWCTL_INGRESS].rate_bits_s = 49500000;
	policy->asked.request[BWCTL_INGRESS].limit_bits_s = 50000000;
	policy->promise[BWCTL_INGRESS] = (struct bwctl_promise){
		.limit_bits_s = 50000000, .window_ns = 1000 * MS, .bound_bytes = 66500};
	report->at_limit_ns[BWCTL_INGRESS] = 2500 * MS;
	report->backlog_ns[BWCTL_INGRESS] = 40 * MS;
	policy->asked.classes[BWCTL_UI].reserve_bits_s = 2000000;
	policy->asked.classes[BWCTL_ICMP].exempt = 1;
	policy->runs[3].id = 7;
	print(fixture, SAVED_YES, METRICS_PROMETHEUS);
	assert_line(fixture, "bwctl_receive_limit_bytes_per_second 6250000");
	assert_line(fixture, "bwctl_receive_rate_bytes_per_second 6187500");
	assert_line(fixture, "bwctl_receive_bound_bytes 66500");
	assert_line(fixture, "bwctl_receive_window_seconds 1");
	assert_line(fixture, "# TYPE bwctl_receive_at_limit_seconds_total counter");
	assert_line(fixture, "bwctl_receive_at_limit_seconds_total 2.5");
	assert_line(fixture, "bwctl_receive_backlog_seconds 0.04");
	assert_line(fixture, "bwctl_receive_class_reserve_bytes_per_second{class=\"ui\"} 250000");
	assert_line(fixture, "bwctl_transmit_class_reserve_bytes_per_second{class=\"ui\"} 250000");
	assert_line(fixture, "bwctl_class_exempt{class=\"icmp\"} 1");
	assert_line(fixture, "bwctl_policy_saved 1");
	assert_line(fixture, "bwctl_runs 1");
	assert_nothing_of(fixture, "bwctl_transmit_limit_bytes_per_second");
}

static void test_reasons(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_interface_counters *now =
		&fixture->report->interface_counters[0][BWCTL_EGRESS].now;

	now->reasons[BWCTL_SSH][BWCTL_REASON_LIMIT] = (struct bwctl_tally){5, 5000};
	now->reasons[BWCTL_SSH][BWCTL_REASON_CLASS] = (struct bwctl_tally){3, 3000};
	now->reasons[BWCTL_SSH][BWCTL_REASON_CONTENDED] = (struct bwctl_tally){2, 2000};
	print(fixture, SAVED_NO, METRICS_PROMETHEUS);
	assert_line(fixture,
		    "bwctl_transmit_dropped_packets_total{class=\"ssh\",interface=\"eth0\","
		    "reason=\"limit\"} 5");
	assert_line(fixture, "bwctl_transmit_dropped_bytes_total{class=\"ssh\",interface=\"eth0\","
			     "reason=\"class_limit\"} 3000");
	assert_line(fixture, "bwctl_transmit_dropped_bytes_total{class=\"ssh\",interface=\"eth0\","
			     "reason=\"contended\"} 2000");
	assert_line(fixture, "bwctl_transmit_dropped_bytes_total{class=\"ui\",interface=\"eth0\","
			     "reason=\"limit\"} 0");
	assert_line(fixture, "bwctl_receive_dropped_bytes_total{class=\"ssh\",interface=\"eth0\","
			     "reason=\"limit\"} 0");
	assert_line(fixture, "bwctl_policy_saved 0");
}

/* One that went away is not added to one of its name that came: nothing jumps, nothing is hidden. */
static void test_interfaces(void **state)
{
	struct fixture *fixture = *state;
	struct report *report = fixture->report;

	add_interface(report, "eth0", 3);
	add_interface(report, "eth0", 3);
	add_interface(report, "eth1", 4);
	/* The first is gone; the third is elsewhere, and so may be its namespace; the last is gone. */
	report->interfaces[0].exists = report->interfaces[2].exists = false;
	report->interfaces[3].exists = false;
	report->interfaces[2].own = false;
	report->interfaces[2].key.netns_inode = 4026531999;
	memset(report->interfaces[0].hook, 0, sizeof(report->interfaces[0].hook));
	memset(report->interfaces[3].hook, 0, sizeof(report->interfaces[3].hook));
	report->interfaces[2].hook[BWCTL_EGRESS] = BWCTL_HOOK_NONE;
	for (int i = 0; i < 4; i++)
		report->interface_counters[i][BWCTL_INGRESS].now.classes[BWCTL_UI].passed.bytes =
			100U << i;
	print(fixture, SAVED_NO, METRICS_PROMETHEUS);
	assert_line(fixture, "bwctl_receive_bytes_total{class=\"ui\",interface=\"eth0\"} 200");
	assert_line(fixture, "bwctl_receive_bytes_total{class=\"ui\",interface=\"eth0\","
			     "netns=\"4026531999\"} 400");
	assert_line(fixture, "bwctl_receive_bytes_total{class=\"ui\",interface=\"eth1\"} 800");
	assert_line(fixture, "bwctl_attached{interface=\"eth0\",direction=\"receive\",hook=\"tcx\","
			     "mode=\"police\"} 1");
	assert_line(fixture, "bwctl_attached{interface=\"eth0\",netns=\"4026531999\","
			     "direction=\"transmit\",hook=\"none\",mode=\"police\"} 0");
	assert_line(fixture, "bwctl_attached{interface=\"eth1\",direction=\"transmit\","
			     "hook=\"none\",mode=\"police\"} 0");
}

/* Who comes first there is said where it may be looked at. */
static void test_first(void **state)
{
	struct fixture *fixture = *state;
	struct first *first = fixture->report->first[0];

	print(fixture, SAVED_NO, METRICS_PROMETHEUS);
	assert_nothing_of(fixture, "bwctl_first");
	first[BWCTL_INGRESS] = first[BWCTL_EGRESS] = (struct first){.is_known = true};
	first[BWCTL_EGRESS].hook = BWCTL_HOOK_TCX;
	print(fixture, SAVED_NO, METRICS_PROMETHEUS);
	assert_line(fixture, "bwctl_first{interface=\"eth0\",direction=\"receive\"} 1");
	assert_line(fixture, "bwctl_first{interface=\"eth0\",direction=\"transmit\"} 0");
}

/* Whatever an interface is called, it is one label. */
static void test_escapes(void **state)
{
	struct fixture *fixture = *state;

	snprintf(fixture->report->interfaces[0].name, 16, "a\"b\\c\nd");
	fixture->report->policy.observe = 1;
	print(fixture, SAVED_NO, METRICS_PROMETHEUS);
	assert_line(fixture,
		    "bwctl_receive_packets_total{class=\"ui\",interface=\"a\\\"b\\\\c\\nd\"} 0");
	assert_line(
		fixture,
		"bwctl_transmit_would_drop_packets_total{class=\"ui\",interface=\"a\\\"b\\\\c\\nd\"} 0");
	assert_line(
		fixture,
		"bwctl_attached{interface=\"a\\\"b\\\\c\\nd\",direction=\"transmit\",hook=\"tcx\",mode=\"observe\"} 1");
}

/* The kernel takes any bytes for a name, Prometheus only UTF-8. */
static void test_utf8(void **state)
{
	static const struct {
		const char *name, *shown;
	} rows[] = {
		{"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"x\xff", "x\xef\xbf\xbd"},
		{"\xc3", "\xef\xbf\xbd"},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[256];

		snprintf(fixture->report->interfaces[0].name, 16, "%s", rows[i].name);
		print(fixture, SAVED_NO, METRICS_PROMETHEUS);
		snprintf(line, sizeof(line),
			 "bwctl_receive_packets_total{class=\"ui\",interface=\"%s\"} 0",
			 rows[i].shown);
		assert_line(fixture, line);
	}
}

static void test_histogram(void **state)
{
	struct fixture *fixture = *state;
	struct counters *counters = &fixture->report->counters[BWCTL_INGRESS];

	for (int i = 0; i < BWCTL_DELAY_BUCKETS; i++)
		counters->now.delays[i] = 1;
	counters->total.delay_ns = 1500 * MS;
	print(fixture, SAVED_NO, METRICS_PROMETHEUS);
	assert_line(fixture, "bwctl_receive_delay_seconds_bucket{le=\"0.001\"} 1");
	assert_line(fixture, "bwctl_receive_delay_seconds_bucket{le=\"1.024\"} 11");
	assert_line(fixture, "bwctl_receive_delay_seconds_bucket{le=\"+Inf\"} 12");
	assert_line(fixture, "bwctl_receive_delay_seconds_count 12");
	assert_line(fixture, "bwctl_receive_delay_seconds_sum 1.5");
}

static void test_open_metrics(void **state)
{
	struct fixture *fixture = *state;
	const char *end;

	print(fixture, SAVED_NO, METRICS_OPENMETRICS);
	assert_line(fixture, "# TYPE bwctl_receive_bytes counter");
	assert_line(fixture, "# UNIT bwctl_receive_bytes bytes");
	assert_line(fixture, "bwctl_receive_bytes_total{class=\"ui\",interface=\"eth0\"} 0");
	assert_line(fixture, "# UNIT bwctl_receive_at_limit_seconds seconds");
	assert_nothing_of(fixture, "# TYPE bwctl_receive_bytes_total");
	end = strstr(fixture->text, "\n# EOF\n");
	assert_non_null(end);
	assert_string_equal(end, "\n# EOF\n");
}

/* Each metric has one head, and all of its samples directly behind it. */
static void test_families(void **state)
{
	struct fixture *fixture = *state;
	char family[128] = "", seen[8192] = "", *line, *rest;

	fixture->report->policy.observe = 1;
	add_interface(fixture->report, "eth1", 3);
	print(fixture, SAVED_YES, METRICS_PROMETHEUS);
	for (line = strtok_r(fixture->text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char name[128], quoted[160];

		if (sscanf(line, "# HELP %127s", name) == 1) {
			snprintf(quoted, sizeof(quoted), " %s ", name);
			assert_null(strstr(seen, quoted));
			strncat(seen, quoted, sizeof(seen) - strlen(seen) - 1);
			strcpy(family, name);
			assert_int_equal(strncmp(family, "bwctl_", 6), 0);
		} else if (*line != '#') {
			assert_int_equal(strncmp(line, family, strlen(family)), 0);
		}
	}
	assert_true(strlen(seen) > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_loaded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reasons, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interfaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_escapes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_utf8, setup, teardown),
		cmocka_unit_test_setup_teardown(test_histogram, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open_metrics, setup, teardown),
		cmocka_unit_test_setup_teardown(test_families, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
