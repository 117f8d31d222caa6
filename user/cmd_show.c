// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl show: what is in force, where, and what it has let through.
 */
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

void command_print_limit(const struct bwctl_policy *policy, enum bwctl_direction direction)
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
	       units_format_rate(policy->request[direction].limit_bits_s, limit),
	       units_format_rate_bytes(policy->request[direction].limit_bits_s, limit_bytes),
	       look(NORMAL), units_format_time(promise->window_ns, window));
	printf("         rate r %s, burst %s (%s), bound B %s",
	       units_format_rate(rounded(meter->rate_bits_s), rate),
	       units_format_size(rounded(promise->burst_bytes), burst),
	       units_format_time(rounded(meter->burst_ns), burst_time),
	       units_format_size(rounded(promise->bound_bytes), bound));
	if (meter->overhead_bytes)
		printf(", overhead %u B per frame", meter->overhead_bytes);
	printf(", " REPORT_MODE "\n");
	held_rate = policy_held_rate(meter, limiter_now_ns(), &held_until_ns);
	/* A few percent for a few seconds are not worth a line. */
	if (held_until_ns && held_rate < meter->rate_bits_s / 10 * 9)
		printf("         r is held back to %s for %s by the longer burst that was in force\n",
		       units_format_rate(rounded(held_rate), rate),
		       units_format_time(rounded(held_until_ns - limiter_now_ns()), window));
}

static void print_hook(enum bwctl_hook hook, int width)
{
	const char *name = report_hook_name(hook);
	char text[32];

	if (name)
		snprintf(text, sizeof(text), "%-6s %s", name, REPORT_MODE);
	else
		snprintf(text, sizeof(text), "not attached");
	printf(" %s%-*s%s", name ? "" : look(RED), width, text, name ? "" : look(NORMAL));
}

static void print_interfaces(const struct report *report)
{
	printf("%s%-16s %5s  %-16s %s%s\n", look(BOLD), "interface", "index", "ingress", "egress",
	       look(NORMAL));
	for (size_t i = 0; i < report->interface_count; i++) {
		const struct limiter_interface *interface = &report->interfaces[i];

		printf("%-16s %5u ", interface->name, interface->key.ifindex);
		print_hook(interface->hook[BWCTL_INGRESS], 16);
		print_hook(interface->hook[BWCTL_EGRESS], 0);
		printf("%s\n", interface->here ? "" : "  (another network namespace)");
	}
}

static void print_counters(const char *name, const struct bwctl_flow_counters *counters)
{
	char packets[UNITS_TEXT], bytes[UNITS_TEXT], lost[UNITS_TEXT], lost_bytes[UNITS_TEXT];
	const char *red = counters->dropped.packets ? look(RED) : "";

	printf("  %-8s %15s %19s %s%15s %19s%s\n", name,
	       units_format_count(counters->passed.packets, packets),
	       units_format_count(counters->passed.bytes, bytes), red,
	       units_format_count(counters->dropped.packets, lost),
	       units_format_count(counters->dropped.bytes, lost_bytes), *red ? look(NORMAL) : "");
}

static void print_direction(const struct report *report, enum bwctl_direction direction)
{
	struct bwctl_flow_counters sum;
	char packets[UNITS_TEXT];

	printf("\n");
	command_print_limit(&report->policy, direction);
	printf("  %s%-8s %15s %19s %15s %19s%s\n", look(BOLD), "class", "packets passed", "bytes",
	       "packets dropped", "bytes", look(NORMAL));
	for (int class = 0; class < BWCTL_CLASSES; class ++) {
		sum = report_class(report, direction, class);
		print_counters(policy_class_name(class), &sum);
	}
	sum = report_total(report, direction);
	print_counters("total", &sum);
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
	if (options->json) {
		code = command_print_json(report_json(report));
	} else if (!report_is_loaded(report)) {
		printf("nothing is loaded\n");
	} else {
		print_interfaces(report);
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			print_direction(report, direction);
	}
	report_free(report);
	return code;
}
