// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl show: what is in force, where, and what it has let through.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "limiter.h"
#include "policy.h"
#include "report.h"
#include "units.h"

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

static void print_mode(const struct bwctl_policy *policy, enum bwctl_direction direction,
		       enum bwctl_mode mode, const char *why)
{
	const struct bwctl_meter *meter = &policy->meter[direction];
	char horizon[UNITS_TEXT];

	if (mode == BWCTL_MODE_PACE)
		printf("         pace: what is over waits up to %s, then is dropped\n",
		       units_format_time(rounded(meter->horizon_ns[BWCTL_LEVEL_RESERVED]), horizon));
	else if (*why)
		printf("         police: what is over is dropped; it is not paced: %s\n", why);
	else
		printf("         police: what is over is dropped\n");
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
		printf("%-8s unlimited (counting only)\n", policy_direction_name(direction));
		return;
	}
	printf("%-8s %s%s (%s)%s in any %s\n", policy_direction_name(direction), look(BOLD),
	       units_format_rate(policy_limit(policy, direction), limit),
	       units_format_rate_bytes(policy_limit(policy, direction), limit_bytes),
	       look(NORMAL), units_format_time(promise->window_ns, window));
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

static void print_hook(enum bwctl_hook hook, enum bwctl_mode mode, int width)
{
	const char *name = report_hook_name(hook);
	char text[32];

	if (name)
		snprintf(text, sizeof(text), "%-6s %s", name, policy_mode_name(mode));
	else
		snprintf(text, sizeof(text), "not attached");
	printf(" %s%-*s%s", name ? "" : look(RED), width, text, name ? "" : look(NORMAL));
}

static void print_interfaces(const struct report *report)
{
	char why[LOG_TEXT];

	printf("%s%-16s %5s  %-16s %s%s\n", look(BOLD), "interface", "index", "ingress", "egress",
	       look(NORMAL));
	for (size_t i = 0; i < report->interface_count; i++) {
		const struct limiter_interface *interface = &report->interfaces[i];

		printf("%-16s %5u ", interface->name, interface->key.ifindex);
		print_hook(interface->hook[BWCTL_INGRESS], report_mode(report, BWCTL_INGRESS, why),
			   16);
		print_hook(interface->hook[BWCTL_EGRESS], report_mode(report, BWCTL_EGRESS, why),
			   0);
		printf("%s\n", interface->here ? "" : "  (another network namespace)");
	}
}

/* Columns of what had to wait are there when anything may wait, or did. */
static void print_counters(const char *name, const struct bwctl_flow_counters *counters, bool paces)
{
	char packets[UNITS_TEXT], bytes[UNITS_TEXT], lost[UNITS_TEXT], lost_bytes[UNITS_TEXT];
	char paced[UNITS_TEXT], mean[UNITS_TEXT], max[UNITS_TEXT];
	const char *red = counters->dropped.packets ? look(RED) : "";

	printf("  %-8s %13s %16s %s%13s %16s%s", name,
	       units_format_count(counters->passed.packets, packets),
	       units_format_count(counters->passed.bytes, bytes), red,
	       units_format_count(counters->dropped.packets, lost),
	       units_format_count(counters->dropped.bytes, lost_bytes), *red ? look(NORMAL) : "");
	if (paces && counters->paced.packets)
		printf(" %13s %9s %9s", units_format_count(counters->paced.packets, paced),
		       units_format_time(rounded(counters->delay_ns / counters->paced.packets),
					 mean),
		       units_format_time(rounded(counters->delay_max_ns), max));
	else if (paces)
		printf(" %13s %9s %9s", "0", "-", "-");
	printf("\n");
}

static void print_direction(const struct report *report, enum bwctl_direction direction)
{
	struct bwctl_flow_counters sum, total = report_total(report, direction);
	char packets[UNITS_TEXT], why[LOG_TEXT];
	enum bwctl_mode mode = report_mode(report, direction, why);
	bool paces = mode == BWCTL_MODE_PACE || total.paced.packets;

	printf("\n");
	command_print_limit(&report->policy, direction, mode, why);
	if (mode != report->policy.enforcement[direction].mode)
		printf("         %sno packet can wait any more: \"bwctl load IFACE\" repairs it%s\n",
		       look(RED), look(NORMAL));
	else if (mode == BWCTL_MODE_PACE && *why)
		printf("         %sthe next \"bwctl set\" or \"bwctl load\" polices: %s%s\n",
		       look(RED), why, look(NORMAL));
	printf("  %s%-8s %13s %16s %13s %16s", look(BOLD), "class", "passed", "bytes", "dropped",
	       "bytes");
	if (paces)
		printf(" %13s %9s %9s", "paced", "mean wait", "longest");
	printf("%s\n", look(NORMAL));
	for (int class = 0; class < BWCTL_CLASSES; class++) {
		if (!*report->policy.asked.classes[class].name)
			continue;
		sum = report_class(report, direction, class);
		print_counters(policy_class_name(&report->policy.asked, class), &sum, paces);
	}
	print_counters("total", &total, paces);
	if (total.marked.packets)
		printf("  %s packets marked by ECN\n",
		       units_format_count(total.marked.packets, packets));
	if (report->counters[direction].contended.packets)
		printf("  %s packets of those dropped because CPUs contended for the clock\n",
		       units_format_count(report->counters[direction].contended.packets, packets));
}

int cmd_show(const struct options *options, int count, char *words[])
{
	struct report *report = NULL;
	char why[LOG_TEXT];
	int err, code = EXIT_DONE;

	(void)count;
	(void)words;
	err = report_read(options->pin_dir, &report, why);
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
