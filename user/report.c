// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The state of a limiter at one moment, and its JSON.
 */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "flow_table.h"
#include "policy.h"
#include "runs.h"
#include "why.h"
#include "words.h"

/* A policy is seldom changed twice while it is looked at. */
#define LOOK_TRIES    20
#define LOOK_PAUSE_US 5000

/* An interface that a crash left half loaded has counted nothing. */
static int read_interface_counters(struct limiter *limiter, struct report *report,
				   char why[LOG_TEXT])
{
	int err = 0;

	report->interface_counters =
		calloc(report->interface_count + 1, sizeof(*report->interface_counters));
	if (!report->interface_counters) {
		snprintf(why, LOG_TEXT, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < report->interface_count && !err; i++) {
		err = limiter_interface_counters(limiter, &report->interfaces[i].key,
						 report->interface_counters[i], why);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

static int read_first(struct limiter *limiter, struct report *report, char why[LOG_TEXT])
{
	report->first = calloc(report->interface_count + 1, sizeof(*report->first));
	if (!report->first) {
		snprintf(why, LOG_TEXT, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < report->interface_count; i++)
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			limiter_first(limiter, &report->interfaces[i], direction,
				      &report->first[i][direction]);
	return 0;
}

/* A clock is read before the time: it is never farther ahead than it was. */
static int read_clocks(struct limiter *limiter, struct report *report, char why[LOG_TEXT])
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct bwctl_clock clock;
		int err = limiter_clock(limiter, direction, &clock);
		uint64_t now_ns = limiter_now_ns();

		if (err) {
			snprintf(why, LOG_TEXT, "cannot read the clocks: %s", strerror(-err));
			return err;
		}
		report->at_limit_ns[direction] = clock.over_sum_ns;
		report->backlog_ns[direction] =
			clock.spent_until_ns > now_ns &&
					report->policy.meter[direction].rate_bits_s ?
				clock.spent_until_ns - now_ns :
				0;
	}
	return 0;
}

static int read_all(struct limiter *limiter, struct report *report, char why[LOG_TEXT])
{
	uint64_t since_ns = 0, now_ns;
	struct timespec now;
	int err = limiter_policy(limiter, &report->policy, why);

	if (!err)
		err = limiter_begin(limiter, &since_ns, &report->begin_id, why);
	clock_gettime(CLOCK_REALTIME, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (since_ns && since_ns < now_ns)
		report->over_ns = now_ns - since_ns;
	if (!err)
		err = limiter_counters(limiter, report->counters, why);
	report->counted_ns = limiter_now_ns();
	if (!err)
		err = limiter_interfaces(limiter, &report->interfaces, &report->interface_count,
					 why);
	if (!err)
		err = read_interface_counters(limiter, report, why);
	if (!err)
		err = read_first(limiter, report, why);
	if (!err)
		err = read_clocks(limiter, report, why);
	if (!err && report->knows_who_lives)
		limiter_runs(limiter, &report->policy, report->run_is_alive);
	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++)
		report->lost_queue[direction] =
			limiter_has_lost_queue(limiter, &report->policy, direction);
	return err;
}

static int read_once(const char *pin_dir, enum limiter_access access, struct report **ret_report,
		     bool *ret_is_same, char why[LOG_TEXT])
{
	struct report *report = calloc(1, sizeof(*report));
	struct limiter *limiter = NULL;
	int err;

	*ret_is_same = true;
	if (!report) {
		snprintf(why, LOG_TEXT, "out of memory");
		return -ENOMEM;
	}
	report->knows_who_lives = access != LIMITER_LOOK;
	err = limiter_open(&limiter, pin_dir, access, why);
	if (!err) {
		err = read_all(limiter, report, why);
		*ret_is_same = limiter_is_same(limiter);
	}
	limiter_close(limiter);
	if (err && err != -ENOENT) {
		report_free(report);
		return err;
	}
	*ret_report = report;
	return 0;
}

int report_read(const char *pin_dir, enum limiter_access access, struct report **ret_report,
		char why[LOG_TEXT])
{
	bool is_same;
	int err = -EAGAIN;

	for (int tries = 0; tries < LOOK_TRIES; tries++) {
		err = read_once(pin_dir, access, ret_report, &is_same, why);
		/* What somebody changes meanwhile may look as if it were broken, too. */
		if (access != LIMITER_LOOK || (!err && is_same) || tries == LOOK_TRIES - 1)
			break;
		if (!err)
			report_free(*ret_report);
		usleep(LOOK_PAUSE_US);
	}
	return err;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	free(report->interface_counters);
	free(report->first);
	free(report->interfaces);
	free(report);
}

bool report_is_loaded(const struct report *report)
{
	return report->interface_count > 0;
}

bool report_has_class(const struct report *report, uint32_t class)
{
	return class < BWCTL_BUILTIN_CLASSES || *report->policy.asked.classes[class].name;
}

bool report_observes(const struct report *report)
{
	return report->policy.observe;
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

enum bwctl_mode report_mode(const struct report *report, enum bwctl_direction direction,
			    char ret_why[LOG_TEXT])
{
	const struct bwctl_enforcement *enforcement = &report->policy.enforcement[direction];

	snprintf(ret_why, LOG_TEXT, "%s", enforcement->why);
	if (enforcement->mode != BWCTL_MODE_PACE)
		return BWCTL_MODE_POLICE;
	for (size_t i = 0; i < report->interface_count; i++) {
		const struct limiter_interface *interface = &report->interfaces[i];

		if (!interface->exists || !*interface->hindrance[direction])
			continue;
		snprintf(ret_why, LOG_TEXT, "%s", interface->hindrance[direction]);
		/* Somebody is in the way, but nothing is missing: packets wait as before. */
		if (report->lost_queue[direction] || interface->holds[direction] != -EBUSY)
			return BWCTL_MODE_POLICE;
	}
	if (!report->lost_queue[direction])
		return BWCTL_MODE_PACE;
	if (!*ret_why)
		snprintf(ret_why, LOG_TEXT, "the queue that held packets was taken away");
	return BWCTL_MODE_POLICE;
}

/* Of names that somebody else gave, and what has them in it: JSON is UTF-8, and they need not be. */
static json_t *text_json(const char *text)
{
	char whole[3 * LOG_TEXT];

	if (strlen(text) >= LOG_TEXT)
		return json_null();
	words_whole(text, whole);
	return json_string(whole);
}

const char *report_name(const char *name, char text[REPORT_NAME])
{
	snprintf(text, REPORT_NAME, "%s", name);
	words_tame(text);
	return text;
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

/* Of a row, a class, an interface or a direction. */
static json_t *counters_json(const struct bwctl_flow_counters *counters)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:f, s:f}", "passed",
			 tally_json(&counters->passed), "dropped", tally_json(&counters->dropped),
			 "would_drop", tally_json(&counters->would_drop), "paced",
			 tally_json(&counters->paced), "marked", tally_json(&counters->marked),
			 "delay_seconds_sum", (double)counters->delay_ns / 1e9, "delay_seconds_max",
			 (double)counters->delay_max_ns / 1e9);
}

/* Cumulative, as Prometheus wants them; the last bucket has no upper end. */
static json_t *delays_json(const struct bwctl_counters *counters)
{
	json_t *buckets = json_array();
	json_int_t sum = 0;

	for (int i = 0; i < BWCTL_DELAY_BUCKETS; i++) {
		bool is_last = i == BWCTL_DELAY_BUCKETS - 1;

		sum += (json_int_t)counters->delays[i];
		json_array_append_new(buckets,
				      json_pack("{s:o, s:I}", "up_to_seconds",
						is_last ? json_null() : json_real((1 << i) / 1e3),
						"packets", sum));
	}
	return buckets;
}

/* What is in force for a class, and what was counted of it. */
static json_t *class_json(const struct report *report, enum bwctl_direction direction,
			  uint32_t class)
{
	const struct bwctl_policy *policy = &report->policy;
	const struct bwctl_class_request *request = &policy->asked.classes[class];
	const struct bwctl_promise *promise = &policy->class_promise[direction][class];
	uint64_t limit = policy_class_limit(policy, class, direction);
	json_t *object = json_pack(
		"{s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "priority",
		policy_priority_name(request->priority), "exempt", request->exempt,
		"limit_bits_per_second", integer_or_null(limit, !limit), "reserve_bits_per_second",
		integer_or_null(request->reserve_bits_s, !request->reserve_bits_s),
		"rate_bits_per_second",
		integer_or_null(policy->class_meter[direction][class].rate_bits_s, !limit),
		"bound_bytes", integer_or_null(promise->bound_bytes, !limit), "window_seconds",
		limit ? json_real((double)promise->window_ns / 1e9) : json_null());

	json_object_update_new(object,
			       counters_json(&report->counters[direction].now.classes[class]));
	return object;
}

/* What the direction does, and if it only observes, what it would. */
static const char *mode_name(const struct report *report, enum bwctl_mode mode)
{
	return policy_mode_name(report_observes(report) ? BWCTL_MODE_OBSERVE : mode);
}

static json_t *direction_json(const struct report *report, enum bwctl_direction direction)
{
	const struct bwctl_policy *policy = &report->policy;
	const struct bwctl_meter *meter = &policy->meter[direction];
	const struct bwctl_promise *promise = &policy->promise[direction];
	const struct counters *counters = &report->counters[direction];
	bool unlimited = !meter->rate_bits_s;
	json_t *classes = json_object(), *object;
	char why[LOG_TEXT];
	enum bwctl_mode mode = report_mode(report, direction, why);

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (report_has_class(report, class))
			json_object_set_new(classes, policy_class_name(&policy->asked, class),
					    class_json(report, direction, class));
	object = json_pack(
		"{s:o, s:o, s:o, s:o, s:f, s:I, s:s, s:s?, s:s, s:o, s:o}", "limit_bits_per_second",
		integer_or_null(policy_limit(policy, direction), unlimited), "rate_bits_per_second",
		integer_or_null(meter->rate_bits_s, unlimited), "burst_bytes",
		integer_or_null(promise->burst_bytes, unlimited), "bound_bytes",
		integer_or_null(promise->bound_bytes, unlimited), "window_seconds",
		(double)promise->window_ns / 1e9, "overhead_bytes",
		(json_int_t)meter->overhead_bytes, "mode", mode_name(report, mode), "observes",
		report_observes(report) ? policy_mode_name(mode) : NULL, "mode_requested",
		policy_mode_name(policy->asked.request[direction].mode), "mode_reason",
		*why ? text_json(why) : json_null(), "horizon_seconds",
		meter->horizon_ns[0] ?
			json_real((double)meter->horizon_ns[BWCTL_LEVEL_RESERVED] / 1e9) :
			json_null());
	json_object_update_new(object, counters_json(&counters->total));
	json_object_set_new(object, "at_limit_seconds",
			    json_real((double)report->at_limit_ns[direction] / 1e9));
	json_object_set_new(object, "backlog_seconds",
			    json_real((double)report->backlog_ns[direction] / 1e9));
	json_object_set_new(object, "contended", tally_json(&counters->now.contended));
	json_object_set_new(object, "delays", delays_json(&counters->now));
	json_object_set_new(object, "classes", classes);
	return object;
}

/* One direction of an interface: how it is attached, and what came by there. */
static json_t *hook_json(const struct report *report, size_t number, enum bwctl_direction direction)
{
	const char *hook = report_hook_name(report->interfaces[number].hook[direction]);
	const struct first *first = &report->first[number][direction];
	char why[LOG_TEXT];
	enum bwctl_mode mode = report_mode(report, direction, why);
	json_t *object = json_pack(
		"{s:s?, s:s?, s:o}", "hook", hook, "mode", hook ? mode_name(report, mode) : NULL,
		"first", first->is_known ? json_boolean(!first_is_other(first)) : json_null());

	json_object_update_new(object,
			       counters_json(&report->interface_counters[number][direction].total));
	return object;
}

static json_t *interface_classes_json(const struct report *report, size_t number,
				      enum bwctl_direction direction)
{
	const struct counters_interface *counters = &report->interface_counters[number][direction];
	json_t *classes = json_object();

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (report_has_class(report, class))
			json_object_set_new(classes,
					    policy_class_name(&report->policy.asked, class),
					    counters_json(&counters->now.classes[class]));
	return classes;
}

static json_t *interface_json(const struct report *report, size_t number)
{
	const struct limiter_interface *interface = &report->interfaces[number];

	return json_pack("{s:o, s:I, s:o, s:o, s:{s:o, s:o}}", "name", text_json(interface->name),
			 "ifindex", (json_int_t)interface->key.ifindex, "ingress",
			 hook_json(report, number, BWCTL_INGRESS), "egress",
			 hook_json(report, number, BWCTL_EGRESS), "classes", "ingress",
			 interface_classes_json(report, number, BWCTL_INGRESS), "egress",
			 interface_classes_json(report, number, BWCTL_EGRESS));
}

json_t *report_json(const struct report *report)
{
	json_t *interfaces = json_array();

	for (size_t i = 0; i < report->interface_count; i++)
		json_array_append_new(interfaces, interface_json(report, i));
	if (!report_is_loaded(report))
		return json_pack("{s:s, s:n, s:o, s:n, s:n, s:[]}", "version", BWCTL_VERSION,
				 "since", "interfaces", interfaces, "ingress", "egress", "runs");
	return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "version", BWCTL_VERSION, "since",
			 (json_int_t)report->policy.since_s, "interfaces", interfaces, "ingress",
			 direction_json(report, BWCTL_INGRESS), "egress",
			 direction_json(report, BWCTL_EGRESS), "runs",
			 runs_json(&report->policy,
				   report->knows_who_lives ? report->run_is_alive : NULL));
}

const char *report_flow_name(const struct report *report, uint32_t row)
{
	return row < BWCTL_FLOW_ROWS ? report->policy.asked.flows[row].name : NULL;
}

static const struct bwctl_flow_counters *flow_counters(const struct report *report, uint32_t row,
						       enum bwctl_direction direction)
{
	return &report->counters[direction].now.flows[report->policy.table.counter[row]];
}

uint64_t report_flow_dropped(const struct report *report, uint32_t row,
			     enum bwctl_direction direction, uint64_t *ret_passed)
{
	const struct bwctl_flow_counters *counters = flow_counters(report, row, direction);

	*ret_passed = counters->passed.packets;
	return counters->dropped.packets;
}

uint64_t report_flow_lost(const struct report *report, uint32_t row, enum bwctl_direction direction)
{
	uint64_t passed, dropped = report_flow_dropped(report, row, direction, &passed);

	return passed ? 0 : dropped;
}

enum report_seen report_flow_seen(const struct report *report, uint32_t row)
{
	enum report_seen seen = REPORT_NEVER;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		if (report_flow_lost(report, row, direction))
			return REPORT_DROPPED;
		if (flow_counters(report, row, direction)->passed.packets)
			seen |= 1U << direction;
	}
	return seen;
}

static const char *seen_name(enum report_seen seen)
{
	return seen == REPORT_BOTH    ? "both" :
	       seen == REPORT_NEVER   ? "never" :
	       seen == REPORT_DROPPED ? "dropped" :
					policy_direction_name(seen == REPORT_EGRESS);
}

/* The row that had the name of one before, or that is always there; BWCTL_FLOWS for none. */
static uint32_t former_row(const struct report *earlier, const struct report *report, uint32_t row)
{
	const char *name = report_flow_name(report, row);
	uint32_t former = 0;

	if (!name)
		return row;
	while (former < earlier->policy.asked.flow_count &&
	       strcmp(earlier->policy.asked.flows[former].name, name))
		former++;
	return former < earlier->policy.asked.flow_count ? former : BWCTL_FLOWS;
}

int report_since(struct report *report, const struct report *earlier, char why[LOG_TEXT])
{
	if (!report_is_loaded(report))
		return why_refuse(why, -ESTALE, "bwctl was unloaded meanwhile");
	if (report->begin_id != earlier->begin_id)
		return why_refuse(
			why, -ESTALE,
			"bwctl was loaded anew meanwhile: there is nothing to compare its counters with");
	for (uint32_t row = report_next_row(report, 0); row < BWCTL_FLOWS;
	     row = report_next_row(report, row + 1)) {
		uint32_t former = former_row(earlier, report, row);

		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			if (former < BWCTL_FLOWS)
				counters_subtract(&report->counters[direction]
							   .now.flows[report->policy.table.counter[row]],
						  flow_counters(earlier, former, direction));
	}
	report->over_ns = report->counted_ns - earlier->counted_ns;
	report->is_growth = true;
	return 0;
}

uint32_t report_next_row(const struct report *report, uint32_t row)
{
	return row >= report->policy.asked.flow_count && row < BWCTL_FLOW_OTHER ? BWCTL_FLOW_OTHER :
										  row;
}

json_t *report_flows_json(const struct report *report)
{
	const struct bwctl_flow_table *table = &report->policy.table;
	const struct bwctl_asked *asked = &report->policy.asked;
	json_t *flows = json_array();
	uint32_t row = report_is_loaded(report) ? report_next_row(report, 0) : BWCTL_FLOWS;

	for (; row < BWCTL_FLOWS; row = report_next_row(report, row + 1)) {
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
			char text[FLOW_TABLE_TEXT];
			json_t *flow = json_pack(
				"{s:s?, s:s, s:s, s:s, s:o}", "name", report_flow_name(report, row),
				"seen", seen_name(report_flow_seen(report, row)), "class",
				policy_class_name(asked, table->class[row]), "direction",
				policy_direction_name(direction), "flow",
				text_json(flow_table_format(asked, row, direction, text)));

			json_object_update_new(
				flow, counters_json(&report->counters[direction]
							     .now.flows[table->counter[row]]));
			json_array_append_new(flows, flow);
		}
	}
	return json_pack("{s:s, s:o, s:o}", "version", BWCTL_VERSION, "seconds",
			 report->over_ns || report->is_growth ?
				 json_real((double)report->over_ns / 1e9) :
				 json_null(),
			 "flows", flows);
}
