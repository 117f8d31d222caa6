// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The state of a limiter at one moment, and its JSON.
 */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "flow_table.h"
#include "policy.h"

int report_read(const char *pin_dir, struct report **ret_report, char why[LOG_TEXT])
{
	struct report *report = calloc(1, sizeof(*report));
	struct limiter *limiter = NULL;
	int err;

	if (!report) {
		snprintf(why, LOG_TEXT, "out of memory");
		return -ENOMEM;
	}
	err = limiter_open(&limiter, pin_dir, LIMITER_READ, why);
	if (!err)
		err = limiter_policy(limiter, &report->policy, why);
	if (!err)
		err = limiter_counters(limiter, report->counters, why);
	if (!err)
		err = limiter_interfaces(limiter, &report->interfaces, &report->interface_count,
					 why);
	limiter_close(limiter);
	if (err && err != -ENOENT) {
		report_free(report);
		return err;
	}
	*ret_report = report;
	return 0;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	free(report->interfaces);
	free(report);
}

bool report_is_loaded(const struct report *report)
{
	return report->interface_count > 0;
}

static void add(struct bwctl_flow_counters *sum, const struct bwctl_flow_counters *counters)
{
	sum->passed.packets += counters->passed.packets;
	sum->passed.bytes += counters->passed.bytes;
	sum->dropped.packets += counters->dropped.packets;
	sum->dropped.bytes += counters->dropped.bytes;
}

struct bwctl_flow_counters report_class(const struct report *report, enum bwctl_direction direction,
					enum bwctl_class class)
{
	struct bwctl_flow_counters sum = {0};

	for (int row = 0; row < BWCTL_FLOWS; row++)
		if (report->policy.table.class[row] == class)
			add(&sum, &report->counters[direction].flows[row]);
	return sum;
}

struct bwctl_flow_counters report_total(const struct report *report, enum bwctl_direction direction)
{
	struct bwctl_flow_counters sum = {0};

	for (int row = 0; row < BWCTL_FLOWS; row++)
		add(&sum, &report->counters[direction].flows[row]);
	return sum;
}

const char *report_hook_name(enum bwctl_hook hook)
{
	switch (hook) {
	case BWCTL_HOOK_TCX:
		return "tcx";
	case BWCTL_HOOK_CLSACT:
		return "clsact";
	default:
		return NULL;
	}
}

static json_t *tally_json(const struct bwctl_tally *tally)
{
	return json_pack("{s:I, s:I}", "packets", (json_int_t)tally->packets, "bytes",
			 (json_int_t)tally->bytes);
}

static json_t *integer_or_null(uint64_t value, bool is_null)
{
	return is_null ? json_null() : json_integer((json_int_t)value);
}

static json_t *direction_json(const struct report *report, enum bwctl_direction direction)
{
	const struct bwctl_policy *policy = &report->policy;
	const struct bwctl_meter *meter = &policy->meter[direction];
	const struct bwctl_promise *promise = &policy->promise[direction];
	struct bwctl_flow_counters total = report_total(report, direction);
	bool unlimited = !meter->rate_bits_s;
	json_t *classes = json_object();

	for (int class = 0; class < BWCTL_CLASSES; class ++) {
		struct bwctl_flow_counters sum = report_class(report, direction, class);

		json_object_set_new(classes, policy_class_name(class),
				    json_pack("{s:o, s:o}", "passed", tally_json(&sum.passed),
					      "dropped", tally_json(&sum.dropped)));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:f, s:I, s:s, s:o, s:o, s:o, s:o}",
			 "limit_bits_per_second",
			 integer_or_null(policy->request[direction].limit_bits_s, unlimited),
			 "rate_bits_per_second", integer_or_null(meter->rate_bits_s, unlimited),
			 "burst_bytes", integer_or_null(promise->burst_bytes, unlimited),
			 "bound_bytes", integer_or_null(promise->bound_bytes, unlimited),
			 "window_seconds", (double)promise->window_ns / 1e9, "overhead_bytes",
			 (json_int_t)meter->overhead_bytes, "mode", REPORT_MODE, "passed",
			 tally_json(&total.passed), "dropped", tally_json(&total.dropped),
			 "contended", tally_json(&report->counters[direction].contended), "classes",
			 classes);
}

static json_t *hook_json(const struct limiter_interface *interface, enum bwctl_direction direction)
{
	const char *hook = report_hook_name(interface->hook[direction]);

	return json_pack("{s:s?, s:s?}", "hook", hook, "mode", hook ? REPORT_MODE : NULL);
}

json_t *report_json(const struct report *report)
{
	json_t *interfaces = json_array();

	for (size_t i = 0; i < report->interface_count; i++) {
		const struct limiter_interface *interface = &report->interfaces[i];

		json_array_append_new(interfaces,
				      json_pack("{s:s, s:I, s:o, s:o}", "name", interface->name,
						"ifindex", (json_int_t)interface->key.ifindex,
						"ingress", hook_json(interface, BWCTL_INGRESS),
						"egress", hook_json(interface, BWCTL_EGRESS)));
	}
	if (!report_is_loaded(report))
		return json_pack("{s:s, s:o, s:n, s:n}", "version", BWCTL_VERSION, "interfaces",
				 interfaces, "ingress", "egress");
	return json_pack("{s:s, s:o, s:o, s:o}", "version", BWCTL_VERSION, "interfaces", interfaces,
			 "ingress", direction_json(report, BWCTL_INGRESS), "egress",
			 direction_json(report, BWCTL_EGRESS));
}

json_t *report_flows_json(const struct report *report)
{
	const struct bwctl_flow_table *table = &report->policy.table;
	json_t *flows = json_array();

	for (int row = 0; row < BWCTL_FLOWS && report_is_loaded(report); row++) {
		if (!table->flows[row].in_use && row < BWCTL_FLOW_OTHER)
			continue;
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
			const struct bwctl_flow_counters *seen =
				&report->counters[direction].flows[row];
			char text[UNITS_TEXT];

			json_array_append_new(
				flows, json_pack("{s:s, s:s, s:s, s:o, s:o}", "class",
						 policy_class_name(table->class[row]), "direction",
						 policy_direction_name(direction), "flow",
						 flow_table_format(table, row, direction, text),
						 "passed", tally_json(&seen->passed), "dropped",
						 tally_json(&seen->dropped)));
		}
	}
	return json_pack("{s:s, s:o}", "version", BWCTL_VERSION, "flows", flows);
}
