// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl show: what is in force, where, and what it has let through.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "limiter.h"
#include "policy.h"
#include "report.h"
#include "units.h"
#include "words.h"

#define BOLD   "\033[1m"
#define RED    "\033[31m"
#define NORMAL "\033[0m"

/* An escape sequence when a person is looking, else nothing. */
static const char *look(const char *sequence)
{
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") ? sequence : "";
}

/* Three digits are enough of a number that nobody typed. */
static uint64_t rounded(uint64_t value)
{
	uint64_t unit = 1;

	while (value / unit >= 1000)
		unit *= 10;
	return (value + unit / 2) / unit * unit;
}

static bool has_class_limit(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (policy_class_limit(policy, class, direction))
			return true;
	return false;
}

/* The longest that a packet may wait, by the limit of all or by that of its class. */
static uint64_t longest_wait_ns(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	uint64_t longest_ns = policy->meter[direction].horizon_ns[BWCTL_LEVEL_RESERVED];

	for (uint32_t class = 0; class < BWCTL_CLASSES && !longest_ns; class ++)
		longest_ns = policy->class_meter[direction][class].horizon_ns[BWCTL_LEVEL_NORMAL];
	return longest_ns;
}

static void print_mode(const struct bwctl_policy *policy, enum bwctl_direction direction,
		       enum bwctl_mode mode, const char *why)
{
	bool paces = mode == BWCTL_MODE_PACE;
	char horizon[UNITS_TEXT];

	units_format_time(rounded(longest_wait_ns(policy, direction)), horizon);
	if (policy->observe)
		printf("         observe: nothing is dropped or delayed; it would ");
	else
		printf("         ");
	if (policy->observe && paces)
		printf("pace: what is over would wait up to %s, then be dropped\n", horizon);
	else if (policy->observe)
		printf("police: what is over would be dropped\n");
	else if (paces)
		printf("pace: what is over waits up to %s, then is dropped\n", horizon);
	else if (*why)
		printf("police: what is over is dropped; it is not paced: %s\n", why);
	else
		printf("police: what is over is dropped\n");
	if (policy->observe && !paces && *why)
		printf("         it would not pace: %s\n", why);
}

void command_print_limit(const struct bwctl_policy *policy, enum bwctl_direction direction,
			 enum bwctl_mode mode, const char *why)
{
	const struct bwctl_meter *meter = &policy->meter[direction];
	const struct bwctl_promise *promise = &policy->promise[direction];
	char limit[UNITS_TEXT], limit_bytes[UNITS_TEXT], window[UNITS_TEXT], rate[UNITS_TEXT];
	char burst[UNITS_TEXT], bound[UNITS_TEXT], burst_time[UNITS_TEXT];
	uint64_t held_rate, held_until_ns;

	if (!meter->rate_bits_s) {
		if (!has_class_limit(policy, direction)) {
			printf("%-8s unlimited (counting only)\n",
			       policy_direction_name(direction));
			return;
		}
		printf("%-8s unlimited, but for classes that have limits of their own\n",
		       policy_direction_name(direction));
		print_mode(policy, direction, mode, why);
		return;
	}
	printf("%-8s %s%s (%s)%s in any %s\n", policy_direction_name(direction), look(BOLD),
	       units_format_rate(policy_limit(policy, direction), limit),
	       units_format_rate_bytes(policy_limit(policy, direction), limit_bytes), look(NORMAL),
	       units_format_time(promise->window_ns, window));
	printf("         rate r %s, burst %s (%s), bound B %s",
	       units_format_rate(rounded(meter->rate_bits_s), rate),
	       units_format_size(rounded(promise->burst_bytes), burst),
	       units_format_time(rounded(meter->burst_ns), burst_time),
	       units_format_size(rounded(promise->bound_bytes), bound));
	if (meter->overhead_bytes)
		printf(", overhead %u B per frame", meter->overhead_bytes);
	printf("\n");
	print_mode(policy, direction, mode, why);
	held_rate = policy_held_rate(meter, limiter_now_ns(), &held_until_ns);
	/* A few percent for a few seconds are not worth a line. */
	if (held_until_ns && held_rate < meter->rate_bits_s / 10 * 9)
		printf("         r is held back to %s for %s by the longer burst that was in force\n",
		       units_format_rate(rounded(held_rate), rate),
		       units_format_time(rounded(held_until_ns - limiter_now_ns()), window));
}

static bool has_idle_reserve(const struct bwctl_policy *policy, enum bwctl_direction direction,
			     uint32_t class)
{
	return policy->asked.classes[class].reserve_bits_s && !policy_limit(policy, direction);
}

/* "reserve 2 Mbit/s", and whether there is anything that it could be a part of. */
static void print_reserve(const struct bwctl_policy *policy, enum bwctl_direction direction,
			  uint32_t class)
{
	char rate[UNITS_TEXT];

	printf("reserve %s%s", units_format_rate(policy->asked.classes[class].reserve_bits_s, rate),
	       has_idle_reserve(policy, direction, class) ?
		       ", which has no effect without a limit for all" :
		       "");
}

static bool all_are_exempt(const struct bwctl_policy *policy)
{
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (*policy->asked.classes[class].name && !policy->asked.classes[class].exempt)
			return false;
	return true;
}

static void print_exempt(const struct bwctl_policy *policy, uint32_t class)
{
	printf("         class %s is exempt: its packets pass unmetered and the limit does not cover them\n",
	       policy_class_name(&policy->asked, class));
}

static void print_all_exempt(void)
{
	printf("         all classes are exempt: every packet passes unmetered and no limit covers it\n");
}

void command_print_exceptions(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	if (all_are_exempt(policy)) {
		print_all_exempt();
		return;
	}
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		if (policy->asked.classes[class].exempt) {
			print_exempt(policy, class);
		} else if (has_idle_reserve(policy, direction, class)) {
			printf("         class %s: ", policy_class_name(&policy->asked, class));
			print_reserve(policy, direction, class);
			printf("\n");
		}
	}
}

/* What was asked for a class beyond what it has anyway: its limit, its priority, its reserve. */
static void print_class(const struct bwctl_policy *policy, enum bwctl_direction direction,
			uint32_t class, bool is_default)
{
	const struct bwctl_class_request *request = &policy->asked.classes[class];
	const struct bwctl_promise *promise = &policy->class_promise[direction][class];
	uint64_t limit = policy_class_limit(policy, class, direction);
	const char *name = policy_class_name(&policy->asked, class), *comma = "";
	char rate[UNITS_TEXT], window[UNITS_TEXT];

	if (request->exempt) {
		print_exempt(policy, class);
		return;
	}
	if (is_default && !limit && !request->reserve_bits_s)
		return;
	printf("         class %s: ", name);
	if (limit) {
		printf("limit %s in any %s", units_format_rate(limit, rate),
		       units_format_time(promise->window_ns, window));
		comma = ", ";
	}
	if (!is_default) {
		printf("%spriority %s", comma, policy_priority_name(request->priority));
		comma = ", ";
	}
	/* The last, as something may be said of it. */
	if (request->reserve_bits_s) {
		printf("%s", comma);
		print_reserve(policy, direction, class);
	}
	printf("\n");
}

static void print_classes(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	static struct bwctl_asked defaults; /* too large for the stack */

	if (all_are_exempt(policy)) {
		print_all_exempt();
		return;
	}
	policy_default(&defaults);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		uint8_t usual = class < BWCTL_BUILTIN_CLASSES ? defaults.classes[class].priority :
								BWCTL_PRIORITY_NORMAL;

		if (*policy->asked.classes[class].name)
			print_class(policy, direction, class,
				    policy->asked.classes[class].priority == usual);
	}
}

/* One direction of an interface: how it is attached, and what came by there. */
static void print_hook(const struct report *report, size_t number, enum bwctl_direction direction)
{
	const struct limiter_interface *interface = &report->interfaces[number];
	const struct bwctl_flow_counters *seen =
		&report->interface_counters[number][direction].total;
	const struct bwctl_tally *lost = report_observes(report) ? &seen->would_drop :
								   &seen->dropped;
	const char *hook = report_hook_name(interface->hook[direction]);
	char text[32], packets[UNITS_TEXT], bytes[UNITS_TEXT], lost_packets[UNITS_TEXT];
	char lost_bytes[UNITS_TEXT], why[LOG_TEXT];
	enum bwctl_mode mode = report_mode(report, direction, why);

	if (hook)
		snprintf(text, sizeof(text), "%-6s %s", hook,
			 policy_mode_name(report_observes(report) ? BWCTL_MODE_OBSERVE : mode));
	else
		snprintf(text, sizeof(text), "not attached");
	printf("%-8s %s%-14s%s %13s %16s %s%13s %16s%s\n", policy_direction_name(direction),
	       hook ? "" : look(RED), text, hook ? "" : look(NORMAL),
	       units_format_count(seen->passed.packets, packets),
	       units_format_count(seen->passed.bytes, bytes), lost->packets ? look(RED) : "",
	       units_format_count(lost->packets, lost_packets),
	       units_format_count(lost->bytes, lost_bytes), lost->packets ? look(NORMAL) : "");
}

/* The columns that the tables of interfaces and of classes have in common. */
static const char *lost_title(const struct report *report)
{
	return report_observes(report) ? "would drop" : "dropped";
}

static void print_interfaces(const struct report *report)
{
	printf("%s%-21s %5s %-23s %13s %16s %13s %16s%s\n", look(BOLD), "interface", "index", "",
	       "passed", "bytes", lost_title(report), "bytes", look(NORMAL));
	for (size_t i = 0; i < report->interface_count; i++) {
		const struct limiter_interface *interface = &report->interfaces[i];
		char name[REPORT_NAME];

		printf("%-21s %5u ", report_name(interface->name, name), interface->key.ifindex);
		print_hook(report, i, BWCTL_INGRESS);
		printf("%-27s ", interface->here ? "" : "(another network namespace)");
		print_hook(report, i, BWCTL_EGRESS);
	}
}

/* How wide the names of classes are, and whether there is something to be said of waiting. */
struct layout {
	int width;
	bool observes;
	bool waits;
};

static void print_titles(const struct report *report, const struct layout *layout)
{
	printf("  %s%-*s %13s %16s %13s %16s", look(BOLD), layout->width, "class", "passed",
	       "bytes", lost_title(report), "bytes");
	if (layout->waits)
		printf(" %13s %9s %9s", layout->observes ? "would wait" : "paced", "mean wait",
		       "longest");
	printf("%s\n", look(NORMAL));
}

static void print_counters(const char *name, const struct bwctl_flow_counters *counters,
			   const struct layout *layout)
{
	const struct bwctl_tally *lost = layout->observes ? &counters->would_drop :
							    &counters->dropped;
	char packets[UNITS_TEXT], bytes[UNITS_TEXT], lost_packets[UNITS_TEXT];
	char lost_bytes[UNITS_TEXT], paced[UNITS_TEXT], mean[UNITS_TEXT], max[UNITS_TEXT];
	const char *red = lost->packets ? look(RED) : "";

	printf("  %-*s %13s %16s %s%13s %16s%s", layout->width, name,
	       units_format_count(counters->passed.packets, packets),
	       units_format_count(counters->passed.bytes, bytes), red,
	       units_format_count(lost->packets, lost_packets),
	       units_format_count(lost->bytes, lost_bytes), *red ? look(NORMAL) : "");
	if (layout->waits && counters->paced.packets)
		printf(" %13s %9s %9s", units_format_count(counters->paced.packets, paced),
		       units_format_time(rounded(counters->delay_ns / counters->paced.packets),
					 mean),
		       units_format_time(rounded(counters->delay_max_ns), max));
	else if (layout->waits)
		printf(" %13s %9s %9s", "0", "-", "-");
	printf("\n");
}

static void print_table(const struct report *report, enum bwctl_direction direction,
			enum bwctl_mode mode)
{
	const struct counters *counters = &report->counters[direction];
	struct layout layout = {.width = 8,
				.observes = report_observes(report),
				/* Columns of what had to wait: when anything may, or did. */
				.waits = mode == BWCTL_MODE_PACE || counters->total.paced.packets};

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		int length = (int)strlen(policy_class_name(&report->policy.asked, class));

		if (layout.width < length)
			layout.width = length;
	}
	print_titles(report, &layout);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (report_has_class(report, class))
			print_counters(policy_class_name(&report->policy.asked, class),
				       &counters->now.classes[class], &layout);
	print_counters("total", &counters->total, &layout);
}

static void print_direction(const struct report *report, enum bwctl_direction direction)
{
	const struct counters *counters = &report->counters[direction];
	const struct bwctl_flow_counters *total = &counters->total;
	char packets[UNITS_TEXT], why[LOG_TEXT];
	enum bwctl_mode mode = report_mode(report, direction, why);

	words_tame(why);
	printf("\n");
	command_print_limit(&report->policy, direction, mode, why);
	if (mode != report->policy.enforcement[direction].mode)
		printf("         %sno packet can wait any more: \"bwctl load IFACE\" repairs it%s\n",
		       look(RED), look(NORMAL));
	else if (mode == BWCTL_MODE_PACE && *why)
		printf("         %sthe next \"bwctl set\" or \"bwctl load\" polices: %s%s\n",
		       look(RED), why, look(NORMAL));
	print_classes(&report->policy, direction);
	print_table(report, direction, mode);
	if (report_observes(report) && total->dropped.packets)
		printf("  %s packets were dropped before, when it did not only observe\n",
		       units_format_count(total->dropped.packets, packets));
	if (total->marked.packets)
		printf("  %s packets marked by ECN\n",
		       units_format_count(total->marked.packets, packets));
	if (counters->now.contended.packets)
		printf("  %s packets of those dropped because CPUs contended for the clock\n",
		       units_format_count(counters->now.contended.packets, packets));
}

int cmd_show(const struct options *options, int count, char *words[])
{
	struct report *report = NULL;
	char why[LOG_TEXT];
	int err, code = EXIT_DONE;

	(void)count;
	(void)words;
	err = report_read(options->pin_dir, LIMITER_READ, &report, why);
	if (err)
		return command_failed(err, why);
	if (options->print_config && !report_is_loaded(report)) {
		code = command_failed(-ENOENT, "nothing is loaded");
	} else if (options->print_config) {
		code = command_print_config(&report->policy, report->interfaces,
					    report->interface_count);
	} else if (options->json) {
		code = command_print_json(report_json(report));
	} else if (!report_is_loaded(report)) {
		printf("nothing is loaded\n");
	} else {
		print_interfaces(report);
		command_print_runs(&report->policy, report->run_is_alive);
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			print_direction(report, direction);
	}
	report_free(report);
	return code;
}
